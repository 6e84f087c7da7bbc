//! From an assessment to bands and alerts: hysteresis, dwell, episodes, cooldown, waking, escalation.
//!
//! One open alert an account and type. A signal's alert is raised when the signal leads an account that is at risk, or
//! speaks strongly about one on watch; `churn_risk` speaks for accounts at risk for which no signal's alert is open. An
//! alert is escalated and eased as its severity changes, escalated when nobody acknowledges it in time, and closed when
//! its cause is gone. What people do with it is in [`action`], what late data do in [`correction`], what became of the
//! account in [`outcome`], what is told in [`tell`].

pub mod action;
pub mod correction;
pub mod outcome;
pub mod tell;
#[cfg(test)]
mod tests;

use super::account::{Account, AlertState, ClosedBy, Judgement};
use super::effect::{Band, Severity, Transition};
use super::playbook::{REASON_RECOVERED, REASON_UNACKNOWLEDGED, REASON_WORSE};
use super::quality::Quality;
use super::risk::Assessment;
use super::rules::{BandRules, Rules};
use super::signals::SIGNALS;
use crate::units::{Span, Timestamp, stable_hash};

/// Index of the alert type that no single signal causes.
pub const CHURN_RISK: u8 = 0;
/// Most episodes kept of one account: the latest of each type, and earlier ones whose outcome is not known yet. Of more
/// than that the oldest of those is forgotten.
pub const EPISODES_MAX: usize = 32;

/// One thing that happened to an alert, to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The episode as it is since.
    pub alert: AlertState,
    /// What happened.
    pub transition: Transition,
    /// Why, where there is something to say: a resolution reason, or why it was escalated.
    pub reason: Option<String>,
    /// Who did it and what they said, where a person did.
    pub act: Option<super::effect::Act>,
}

impl Change {
    fn of(alert: &AlertState, transition: Transition) -> Change {
        Change { alert: *alert, transition, reason: None, act: None }
    }

    fn because(self, reason: &str) -> Change {
        Change { reason: Some(reason.to_owned()), ..self }
    }
}

/// The name of the alert type at `kind`: `churn_risk`, or that of the signal `kind - 1`.
#[must_use]
pub fn type_name(kind: u8) -> &'static str {
    match usize::from(kind).checked_sub(1) {
        None => "churn_risk",
        Some(index) => SIGNALS.get(index).map_or("unknown", |signal| signal.declaration.name),
    }
}

/// How many alert types there are.
#[must_use]
pub fn types_len() -> usize {
    SIGNALS.len() + 1
}

/// The names of all alert types, in the order of their index.
pub fn type_names() -> impl Iterator<Item = &'static str> {
    (0..=u8::MAX).take(types_len()).map(type_name)
}

/// The identity of an episode: 32 hexadecimal digits of account, type and episode.
#[must_use]
pub fn alert_id(account_id: &str, kind: u8, episode: u32) -> String {
    let identity = format!("{account_id}\0{}\0{episode}", type_name(kind));
    format!("{:016x}{:016x}", stable_hash(identity.as_bytes()), stable_hash(format!("{identity}\0").as_bytes()))
}

/// Moves the band by the risk: up at once, down after the risk has dwelt below the exit level.
pub fn settle_band(judgement: &mut Judgement, assessment: &Assessment, rules: &BandRules) {
    let risk = assessment.risk.get();
    let entered = band_by(risk, |band| rules.enter(band));
    if entered >= judgement.band {
        if entered > judgement.band || risk >= rules.exit(judgement.band) {
            judgement.below_since = None;
        }
        judgement.band = entered;
        return;
    }
    if risk >= rules.exit(judgement.band) {
        judgement.below_since = None;
        return;
    }
    let since = *judgement.below_since.get_or_insert(assessment.now);
    if assessment.now.since(since) >= rules.dwell {
        judgement.below_since = None;
        judgement.band = band_by(risk, |band| rules.exit(band));
    }
}

impl BandRules {
    fn enter(&self, band: Band) -> f64 {
        match band {
            Band::Healthy => 0.0,
            Band::Watch => self.watch.enter,
            Band::AtRisk => self.at_risk.enter,
            Band::Critical => self.critical.enter,
        }
    }

    /// Below this the risk has left `band`.
    #[must_use]
    pub(super) fn exit(&self, band: Band) -> f64 {
        match band {
            Band::Healthy => 0.0,
            Band::Watch => self.watch.exit,
            Band::AtRisk => self.at_risk.exit,
            Band::Critical => self.critical.exit,
        }
    }
}

/// The best band that `risk` alone leads to: `exit` levels keep what is entered, `enter` levels begin anew.
fn band_by(risk: f64, level: impl Fn(Band) -> f64) -> Band {
    Band::ALL.into_iter().filter(|band| risk >= level(*band)).max().unwrap_or_default()
}

/// Moves the alerts of `account` by an assessment that has settled its band; appends what is to be told.
pub fn settle_alerts(
    account: &mut Account,
    assessment: &Assessment,
    rules: &Rules,
    quality: &mut Quality,
    changes: &mut Vec<Change>,
) {
    if account.judgement.band < Band::Watch && account.judgement.alerts.is_empty() {
        return;
    }
    let leaves_silently = outcome::leaves_silently(account, rules);
    let judgement = &mut account.judgement;
    let leading = assessment.leading_signal();
    for kind in (1..=u8::MAX).take(SIGNALS.len()) {
        let wanted = wanted(kind, judgement.band, assessment, leading, rules);
        judgement.settle(kind, wanted, assessment.now, rules, quality, changes);
    }
    let speaks_for_it = |alert: &AlertState| {
        let resolved =
            alert.closed_by == ClosedBy::Person && assessment.now.since(alert.closed_at) < cooldown(alert.kind, rules);
        alert.kind != CHURN_RISK && (alert.open.is_some() || resolved)
    };
    let wanted = match wanted(CHURN_RISK, judgement.band, assessment, leading, rules) {
        Wanted::Open(stands) if judgement.alerts.iter().any(speaks_for_it) => Wanted::AsIs(stands),
        wanted => wanted,
    };
    judgement.settle(CHURN_RISK, wanted, assessment.now, rules, quality, changes);
    let activity = leaves_silently.then_some(&account.activity);
    outcome::mature(judgement, activity, assessment.now, rules, quality, changes);
}

/// What an assessment wants of an alert; the band is the one that the risk holds the account in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Open(Band),
    /// Nothing would raise it, but its cause still stands.
    AsIs(Band),
    /// Its cause is gone, or too weak for the risk that is left, but its account is still in a band at risk.
    Fading,
    Closed,
}

/// What `assessment` wants of the alert of type `kind` while the account is in `band`; `leading` is the signal that adds
/// most to its risk. A band that the risk has left, and that only dwells, is no reason for an alert.
fn wanted(kind: u8, band: Band, assessment: &Assessment, leading: Option<usize>, rules: &Rules) -> Wanted {
    let stands = band_by(assessment.risk.get(), |band| rules.bands.exit(band)).min(band);
    let Some(index) = usize::from(kind).checked_sub(1) else {
        return match band {
            Band::Healthy | Band::Watch => Wanted::Closed,
            _ if stands >= Band::AtRisk => Wanted::Open(stands),
            _ => Wanted::Fading,
        };
    };
    let strength = assessment.strength(index);
    let leads = stands >= Band::AtRisk && leading == Some(index);
    let speaks = stands >= Band::Watch && strength >= rules.alert_enter;
    let dwells = band >= Band::AtRisk && stands < Band::AtRisk;
    if leads || speaks {
        Wanted::Open(stands)
    } else if strength >= rules.alert_exit && !dwells {
        Wanted::AsIs(stands)
    } else if band >= Band::AtRisk {
        Wanted::Fading
    } else {
        Wanted::Closed
    }
}

/// How long an alert of this type waits after one was closed.
fn cooldown(kind: u8, rules: &Rules) -> Span {
    rules.playbooks.of(kind).and_then(|book| book.cooldown).unwrap_or(rules.alert_cooldown)
}

/// When an open alert of this type is escalated if nobody acknowledges it.
fn overdue_at(alert: &AlertState, rules: &Rules) -> Option<Timestamp> {
    let within = rules.playbooks.of(alert.kind)?.acknowledge_within?;
    (!alert.is_acknowledged && !alert.is_overdue).then(|| alert.raised_at.plus(within))
}

/// When one of the alerts is to be looked at again if nothing happens: to wake it, to escalate it, or since its outcome
/// is known then. What was due at the last look and did not come then waits for the cause to speak up again.
#[must_use]
pub fn due(judgement: &Judgement, rules: &Rules) -> Option<Timestamp> {
    let is_ahead = |due: &Timestamp| judgement.at.is_none_or(|at| *due > at);
    let next = |alert: &AlertState| {
        let matured = (!alert.is_settled).then(|| alert.raised_at.plus(rules.horizon));
        let open = alert.open.map(|_| [alert.snoozed_until, overdue_at(alert, rules)]);
        open.into_iter().flatten().chain([matured]).flatten().filter(is_ahead).min()
    };
    judgement.alerts.iter().filter_map(next).min()
}

impl Judgement {
    /// How loud an alert of an account in this band is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        Severity::of(self.band)
    }

    fn settle(
        &mut self,
        kind: u8,
        wanted: Wanted,
        now: Timestamp,
        rules: &Rules,
        quality: &mut Quality,
        changes: &mut Vec<Change>,
    ) {
        let (severity, is_calm) = (self.severity(), self.band < Band::AtRisk);
        let Some(alert) = self.alerts.iter_mut().rev().find(|alert| alert.kind == kind) else {
            if let Wanted::Open(stands) = wanted {
                self.raise(AlertState::raised(kind, 1, Severity::of(stands), now), changes);
            }
            return;
        };
        match (alert.open, wanted) {
            (None, Wanted::Open(stands))
                if alert.closed_by == ClosedBy::LateData || now.since(alert.closed_at) >= cooldown(kind, rules) =>
            {
                let next = AlertState::raised(kind, alert.episode.saturating_add(1), Severity::of(stands), now);
                self.raise(next, changes);
            }
            (None, _) => {}
            (Some(_), Wanted::Closed) => {
                alert.close(now, ClosedBy::Recovery);
                alert.reason_number = quality.resolved(kind, REASON_RECOVERED);
                changes.push(Change::of(alert, Transition::Resolved).because(REASON_RECOVERED));
            }
            (Some(_), Wanted::AsIs(_)) if is_calm && now.since(alert.raised_at) >= rules.horizon => {
                // Nothing would raise it any more, and what it warned of has not happened: `outcome` tells so.
                alert.close(now, ClosedBy::Recovery);
                if alert.is_settled {
                    changes.push(Change::of(alert, Transition::Retained));
                }
            }
            // No reason to wake anybody; that it has got better is told.
            (Some(known), Wanted::Fading) => {
                alert.open = Some(severity.min(known));
                if severity < known && alert.snoozed_until.is_none() {
                    changes.push(Change::of(alert, Transition::Eased));
                }
            }
            (Some(known), Wanted::Open(stands) | Wanted::AsIs(stands)) => {
                // A band that only dwells keeps an alert as loud as it is, and makes none louder.
                let severity = severity.min(known).max(Severity::of(stands));
                alert.go_on(known, severity, stands, now, rules, changes);
            }
        }
    }

    /// Begins an episode. The one before stays beside it until its outcome is known.
    fn raise(&mut self, next: AlertState, changes: &mut Vec<Change>) {
        changes.push(Change::of(&next, Transition::Raised));
        self.alerts.retain(|alert| alert.kind != next.kind || !alert.is_settled);
        if self.alerts.len() >= EPISODES_MAX {
            let current = |alert: &AlertState| {
                alert.open.is_some() || self.alerts.iter().all(|a| a.kind != alert.kind || a.episode <= alert.episode)
            };
            if let Some(oldest) = self.alerts.iter().position(|alert| !current(alert)) {
                self.alerts.remove(oldest);
            }
        }
        let end = self.alerts.len();
        super::facts::insert(&mut self.alerts, end, next);
    }
}

impl Severity {
    /// That of an alert of an account in `band`.
    fn of(band: Band) -> Severity {
        if band == Band::Critical { Severity::Critical } else { Severity::Warning }
    }
}

impl AlertState {
    fn raised(kind: u8, episode: u32, severity: Severity, now: Timestamp) -> AlertState {
        AlertState {
            kind,
            episode,
            open: Some(severity),
            raised_at: now,
            closed_at: now,
            closed_by: ClosedBy::Recovery,
            snoozed_until: None,
            is_acknowledged: false,
            is_overdue: false,
            is_settled: false,
            reason_number: 0,
        }
    }

    fn close(&mut self, now: Timestamp, by: ClosedBy) {
        self.open = None;
        self.closed_at = now;
        self.closed_by = by;
        self.snoozed_until = None;
    }

    /// One more look at an open alert whose cause still stands: it wakes, is overdue, gets worse or better. One of these is
    /// told.
    fn go_on(
        &mut self,
        known: Severity,
        severity: Severity,
        stands: Band,
        now: Timestamp,
        rules: &Rules,
        changes: &mut Vec<Change>,
    ) {
        self.open = Some(severity);
        if let Some(until) = self.snoozed_until {
            // Asleep, nothing is told but its end.
            if until <= now {
                self.snoozed_until = None;
                changes.push(Change::of(self, Transition::Woken));
            }
            return;
        }
        // Where the risk is gone nobody else needs to know; where it comes back, they do.
        if stands >= Band::Watch && overdue_at(self, rules).is_some_and(|due| due <= now) {
            // Told whatever the severity did at the same moment: it names who else is to know, and the severity is in it.
            self.is_overdue = true;
            changes.push(Change::of(self, Transition::Escalated).because(REASON_UNACKNOWLEDGED));
        } else if severity > known {
            changes.push(Change::of(self, Transition::Escalated).because(REASON_WORSE));
        } else if severity < known {
            changes.push(Change::of(self, Transition::Eased));
        }
    }
}
