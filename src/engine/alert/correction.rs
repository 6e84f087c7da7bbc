//! What late data do to open alerts: an event from before an alert was raised, or use from before the last look at it,
//! known only afterwards.
//!
//! The account is assessed without the event and with it at the same moments, so that what differs is the event's doing
//! and nothing else: now, when the alert was raised, and when the account was used again since, before that use. Of what
//! is known about the past only use can be taken back to an earlier moment; the rest is taken as it stands.
//! **Retracted** is an alert from which the event has taken, at one of these moments, what would raise it or at least keep
//! it open, by the levels at which bands are left, and that with the event nothing would raise at any of them, by the
//! levels at which bands are entered. So one that was rightly raised, and is only kept open now, stays; and so does one of
//! which it is not known any more how its account stood when it was raised. **Amended** is one that stays, but whose
//! severity or risk now, or own signal at any of the moments, an event from before it was raised has moved, and of which
//! something else is to be told now.

use super::{Change, Wanted, band_by, wanted};
use crate::engine::account::{Account, AlertState, ClosedBy, Judgement};
use crate::engine::effect::{Band, Evidence, Severity, Transition};
use crate::engine::event::Event;
use crate::engine::fleet::Fleet;
use crate::engine::risk::{Assessment, assess};
use crate::engine::rules::Rules;
use crate::units::{Day, PartitionIndex, Ratio, Timestamp};

/// What was known without a late event.
#[derive(Clone, Debug)]
pub struct Without {
    /// The band the account was in, and how loud its alerts were.
    band: Band,
    severity: Severity,
    /// The account as of now, and what is told of it where that may have to be amended.
    present: Assessment,
    told: Option<Told>,
    alerts: Vec<Late<Look>>,
}

/// What an alert tells of the account as of now that a late event can change.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    risk: Ratio,
    evidence: Vec<Evidence>,
    last_at: Timestamp,
}

impl Told {
    fn of(account: &Account, present: &Assessment, rules: &Rules, fleet: &Fleet, partition: PartitionIndex) -> Told {
        let evidence = present.evidence(&account.as_it_stood(), rules, fleet, partition);
        Told { risk: present.risk, evidence, last_at: account.activity.last_at }
    }
}

/// An alert for which the event was late, with its moments in the past.
#[derive(Clone, Debug)]
struct Late<T> {
    kind: u8,
    /// Whether the event happened before it was raised, not only before the last look at it.
    is_before: bool,
    /// Its raise first. Of pairs none, where one of them is not known.
    past: Vec<T>,
}

/// The account at one moment in the past; absent where its use before then is not known any more.
#[derive(Clone, Copy, Debug)]
struct Look {
    at: Timestamp,
    assessment: Option<Assessment>,
}

/// What a late event has changed.
#[derive(Clone, Debug)]
pub struct Correction {
    /// How loud the alerts were without it.
    severity: Severity,
    /// Whether anything else is to be told now of an alert raised after the event.
    is_news: bool,
    present: Pair,
    alerts: Vec<Late<Pair>>,
}

/// The account at one moment without the event and with it.
#[derive(Clone, Copy, Debug)]
struct Pair {
    /// The worst band it may have been in without.
    band: Band,
    without: Assessment,
    with: Assessment,
}

/// Whether `event` is late for an open alert of the account: it happened before that was raised, or, where it is use, before
/// the last look at it.
#[must_use]
pub fn is_late(account: &Account, event: &Event<'_>) -> bool {
    account.judgement.alerts.iter().any(|alert| is_late_for(alert, account, event))
}

fn is_late_for(alert: &AlertState, account: &Account, event: &Event<'_>) -> bool {
    let looked_at = account.judgement.at.filter(|_| event.kind.is_usage());
    alert.open.is_some() && (event.time < alert.raised_at || looked_at.is_some_and(|at| event.time < at))
}

/// `account` at `at`, by its use before then; `None` where that is not known any more.
fn look_back(account: &Account, at: Timestamp, rules: &Rules, fleet: &Fleet) -> Option<Assessment> {
    let activity = account.activity.before(at)?;
    Some(assess(&Account { activity, ..account.clone() }, at, rules, fleet))
}

impl Without {
    /// Looks at `account` before `event` is taken in at `now`.
    #[must_use]
    pub fn new(
        event: &Event<'_>,
        account: &Account,
        now: Timestamp,
        rules: &Rules,
        fleet: &Fleet,
        partition: PartitionIndex,
    ) -> Without {
        let Account { judgement, activity, .. } = account;
        let look = |at| Look { at, assessment: look_back(account, at, rules, fleet) };
        let late = |alert: &AlertState| {
            let used_again_at = activity.first_active_after(alert.raised_at.day()).map(Day::start);
            let past = [Some(alert.raised_at), used_again_at].into_iter().flatten().map(look).collect();
            Late { kind: alert.kind, is_before: event.time < alert.raised_at, past }
        };
        let alerts = judgement.alerts.iter().filter(|alert| is_late_for(alert, account, event)).map(late);
        let alerts: Vec<_> = alerts.collect();
        let present = assess(account, now, rules, fleet);
        let may_amend = alerts.iter().any(|late| late.is_before);
        Without {
            band: judgement.band,
            severity: judgement.severity(),
            present,
            told: may_amend.then(|| Told::of(account, &present, rules, fleet, partition)),
            alerts,
        }
    }

    /// Looks at `account` again now that the event is taken in; `present` is what was found now.
    #[must_use]
    pub fn with(
        &self,
        account: &Account,
        present: &Assessment,
        rules: &Rules,
        fleet: &Fleet,
        partition: PartitionIndex,
    ) -> Correction {
        let pair = |look: &Look| {
            let with = look_back(account, look.at, rules, fleet)?;
            Some(Pair { band: Band::Critical, without: look.assessment?, with })
        };
        let alerts = self.alerts.iter().map(|late| Late {
            kind: late.kind,
            is_before: late.is_before,
            past: late.past.iter().map(pair).collect::<Option<_>>().unwrap_or_default(),
        });
        Correction {
            severity: self.severity,
            is_news: self
                .told
                .as_ref()
                .is_some_and(|told| *told != Told::of(account, present, rules, fleet, partition)),
            present: Pair { band: self.band, without: self.present, with: *present },
            alerts: alerts.collect(),
        }
    }
}

impl Correction {
    /// Retracts the alerts whose cause the event has removed. The band then is what the risk leads to from the start,
    /// without dwell: the account never was where the alert saw it.
    pub fn retract(&self, judgement: &mut Judgement, rules: &Rules, changes: &mut Vec<Change>) {
        let before = changes.len();
        let present = self.present.with;
        for alert in judgement.alerts.iter_mut().filter(|alert| alert.open.is_some()) {
            let Some(late) = self.late(alert.kind) else { continue };
            let pairs = || late.past.iter().chain([&self.present]);
            let is_taken = !late.past.is_empty() && pairs().any(|pair| pair.is_taken(alert.kind, rules));
            if is_taken && !pairs().any(|pair| pair.raises(alert.kind, rules)) {
                alert.close(present.now, ClosedBy::LateData);
                alert.is_settled = true;
                changes.push(Change::of(alert, Transition::Retracted));
            }
        }
        if changes.len() > before {
            judgement.band = band_by(present.risk.get(), |band| rules.bands.enter(band));
            judgement.below_since = None;
        }
    }

    /// Says of the alerts that stay what the event has changed about them, once the alerts are settled.
    pub fn amend(&self, judgement: &Judgement, rules: &Rules, changes: &mut Vec<Change>) {
        // An alert shows the account as it stands: where that is the same, it would be told a second time word for word.
        if !self.is_news {
            return;
        }
        let has_changed = judgement.severity() != self.severity || self.present.risk_moved(rules);
        for alert in judgement.alerts.iter().filter(|alert| alert.open.is_some() && alert.snoozed_until.is_none()) {
            let Some(late) = self.late(alert.kind).filter(|late| late.is_before) else { continue };
            if !has_changed && !late.past.iter().chain([&self.present]).any(|pair| pair.cause_moved(alert.kind, rules))
            {
                continue;
            }
            // It got worse or better by what was late, not by what happened since.
            let by_severity = |change: &Change| {
                change.alert.kind == alert.kind
                    && (change.transition == Transition::Eased || change.reason.as_deref() == Some(super::REASON_WORSE))
            };
            changes.retain(|change| !by_severity(change));
            changes.push(Change::of(alert, Transition::Amended));
        }
    }

    /// The alert of type `kind`; `None` when the event was not late for it.
    fn late(&self, kind: u8) -> Option<&Late<Pair>> {
        self.alerts.iter().find(|late| late.kind == kind)
    }
}

impl Pair {
    /// Whether the event has taken what would raise an alert of `kind`, or what keeps one open.
    fn is_taken(&self, kind: u8, rules: &Rules) -> bool {
        let kept = |assessment: &Assessment| {
            let band = band_by(assessment.risk.get(), |band| rules.bands.exit(band)).min(self.band);
            wanted(kind, band, assessment, assessment.leading_signal(), rules)
        };
        match (kept(&self.without), kept(&self.with)) {
            // Between the levels at which a band is entered and left, an event that changes nothing takes nothing.
            (Wanted::Open(_), Wanted::Open(_)) => self.risk_moved(rules) || self.cause_moved(kind, rules),
            (Wanted::Open(_), _) | (Wanted::AsIs(_), Wanted::Fading | Wanted::Closed) => true,
            _ => false,
        }
    }

    /// Whether an alert of `kind` would be raised with the event.
    fn raises(&self, kind: u8, rules: &Rules) -> bool {
        let anew = band_by(self.with.risk.get(), |band| rules.bands.enter(band));
        matches!(wanted(kind, anew, &self.with, self.with.leading_signal(), rules), Wanted::Open(_))
    }

    /// Whether what alerts of `kind` are about moved by a visible step: their own signal, or the risk.
    fn cause_moved(&self, kind: u8, rules: &Rules) -> bool {
        match usize::from(kind).checked_sub(1) {
            Some(own) => moved(self.without.strength(own), self.with.strength(own), rules),
            None => self.risk_moved(rules),
        }
    }

    fn risk_moved(&self, rules: &Rules) -> bool {
        moved(self.without.risk.get(), self.with.risk.get(), rules)
    }
}

fn moved(before: f64, after: f64, rules: &Rules) -> bool {
    (after - before).abs() >= rules.health_step
}
