//! What late data do to open alerts: an event from before an alert was raised, known only after it.
//!
//! The account is assessed at the same moment without the event and with it, so that what differs is the event's doing
//! and nothing else. **Retracted** is an alert whose cause stood without the event, by the levels at which it would
//! close, and that with it nothing would raise, by the levels at which it would open. **Amended** is one that stays, but
//! whose severity, risk or own signal the event has moved.

use super::{Change, Wanted, band_by, wanted};
use crate::engine::account::{Account, ClosedBy, Judgement};
use crate::engine::effect::{Severity, Transition};
use crate::engine::risk::Assessment;
use crate::engine::rules::Rules;
use crate::units::Timestamp;

/// What was known without a late event.
#[derive(Clone, Copy, Debug)]
pub struct Without {
    /// When the event happened.
    event_at: Timestamp,
    /// The account at this moment, without it.
    assessment: Assessment,
    /// How loud its alerts were.
    severity: Severity,
}

/// Whether an event at `event_at` is late for an open alert of the account: it happened before that was raised.
#[must_use]
pub fn is_late(account: &Account, event_at: Timestamp) -> bool {
    account.judgement.alerts.iter().any(|alert| alert.open.is_some() && event_at < alert.raised_at)
}

impl Without {
    /// What `assessment` found before a late event was taken in.
    #[must_use]
    pub fn new(event_at: Timestamp, assessment: Assessment, judgement: &Judgement) -> Without {
        Without { event_at, assessment, severity: judgement.severity() }
    }
}

/// Retracts the alerts whose cause the event has removed. The band then is what the risk leads to from the start, without
/// dwell: the account never was where the alert saw it.
pub fn retract(
    judgement: &mut Judgement,
    without: &Without,
    with: &Assessment,
    rules: &Rules,
    changes: &mut Vec<Change>,
) {
    let kept = band_by(without.assessment.risk.get(), |band| rules.bands.exit(band)).min(judgement.band);
    let anew = band_by(with.risk.get(), |band| rules.bands.enter(band));
    let (led, leads) = (without.assessment.leading_signal(), with.leading_signal());
    let before = changes.len();
    for alert in judgement.alerts.iter_mut().filter(|alert| alert.open.is_some()) {
        let stood = wanted(alert.kind, kept, &without.assessment, led, rules) != Wanted::Closed;
        let stands = wanted(alert.kind, anew, with, leads, rules) != Wanted::Closed;
        if without.event_at < alert.raised_at && stood && !stands {
            alert.close(with.now, ClosedBy::LateData);
            alert.is_settled = true;
            changes.push(Change::of(alert, Transition::Retracted));
        }
    }
    if changes.len() > before {
        judgement.band = anew;
        judgement.below_since = None;
    }
}

/// Says of the alerts that stay what the event has changed about them, once the alerts are settled.
pub fn amend(judgement: &Judgement, without: &Without, with: &Assessment, rules: &Rules, changes: &mut Vec<Change>) {
    let severity = judgement.severity();
    let moved = |before: f64, after: f64| (after - before).abs() >= rules.health_step;
    for alert in judgement.alerts.iter().filter(|alert| alert.open.is_some() && without.event_at < alert.raised_at) {
        let own = usize::from(alert.kind).checked_sub(1);
        let is_news = severity != without.severity
            || moved(without.assessment.risk.get(), with.risk.get())
            || own.is_some_and(|index| moved(without.assessment.strength(index), with.strength(index)));
        if !is_news || alert.snoozed_until.is_some() {
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
