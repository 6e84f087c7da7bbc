//! What became of the accounts that alerts spoke of: they left, or the horizon has passed and they are still there.
//!
//! Every episode has one outcome, counted once, whether it is still open or was closed before; only one that late data
//! retracted has none. An outcome is told with the episode it belongs to, unless the episode stays open. Accounts leave
//! in the way that their risk foretells: by ending every subscription, or by using nothing throughout the horizon. Silence
//! ends nothing: the account is judged on, and its alerts stay as they are.

use super::Change;
use crate::engine::account::{Account, AlertState, ClosedBy, Judgement};
use crate::engine::effect::Transition;
use crate::engine::facts::activity::Activity;
use crate::engine::fleet::Population;
use crate::engine::quality::{Outcome, Quality};
use crate::engine::rules::Rules;
use crate::units::{Day, Timestamp};

/// Whether the account leaves by falling silent rather than by ending its subscriptions.
#[must_use]
pub fn leaves_silently(account: &Account, rules: &Rules) -> bool {
    Population::of(account, rules) == Population::Unsubscribed && account.activity.is_used()
}

/// Counts an account that leaves silently as one that has left, when the silence has lasted for the horizon since it was
/// judged before, at `judged_before`.
pub fn fall_silent(
    account: &Account,
    judged_before: Option<Timestamp>,
    now: Timestamp,
    rules: &Rules,
    quality: &mut Quality,
) {
    let left_at = account.activity.last_at.plus(rules.horizon);
    if left_at <= now && judged_before.is_some_and(|before| before < left_at) && leaves_silently(account, rules) {
        let foretold_at = foretold_at(&account.judgement, left_at, rules);
        quality.left(foretold_at.map(|foretold_at| left_at.since(foretold_at)));
    }
}

/// Settles the episodes whose horizon has passed. One that is still open stays so: its cause stands. `activity` is that of
/// an account that leaves silently.
pub fn mature(
    judgement: &mut Judgement,
    activity: Option<&Activity>,
    now: Timestamp,
    rules: &Rules,
    quality: &mut Quality,
    changes: &mut Vec<Change>,
) {
    let mut superseded = false;
    for alert in judgement.alerts.iter_mut().filter(|alert| !alert.is_settled) {
        if now.since(alert.raised_at) < rules.horizon {
            continue;
        }
        let is_silent = activity.is_some_and(|activity| was_silent(activity, alert.raised_at, rules));
        let outcome = if is_silent { Outcome::Churned } else { Outcome::Retained };
        alert.settle_outcome(outcome, quality);
        if alert.open.is_none() {
            let transition = if is_silent { Transition::Churned } else { Transition::Retained };
            changes.push(Change::of(alert, transition));
            superseded = true;
        }
    }
    if superseded {
        forget_superseded(judgement);
    }
}

/// Ends every episode of an account that left at `left_at`, and counts whether any had foretold it.
pub fn leave(
    judgement: &mut Judgement,
    left_at: Timestamp,
    now: Timestamp,
    rules: &Rules,
    quality: &mut Quality,
    changes: &mut Vec<Change>,
) {
    let foretold_at = foretold_at(judgement, left_at, rules);
    for alert in &mut judgement.alerts {
        let within = left_at.since(alert.raised_at) <= rules.horizon;
        let is_told = alert.open.is_some() || (!alert.is_settled && within);
        // One that was raised after the account had left foretold nothing, and was not wrong either.
        if !alert.is_settled && alert.raised_at <= left_at {
            alert.settle_outcome(if within { Outcome::Churned } else { Outcome::Retained }, quality);
        }
        if alert.open.is_some() {
            alert.close(now, ClosedBy::Recovery);
        }
        alert.is_settled = true;
        if is_told {
            changes.push(Change::of(alert, Transition::Churned));
        }
    }
    quality.left(foretold_at.map(|foretold_at| left_at.since(foretold_at)));
    forget_superseded(judgement);
}

/// When the first of the alerts was raised that stood within the horizon before the account left.
fn foretold_at(judgement: &Judgement, left_at: Timestamp, rules: &Rules) -> Option<Timestamp> {
    let stood = |alert: &&AlertState| {
        let stood = alert.open.is_some() || left_at.since(alert.closed_at) <= rules.horizon;
        alert.raised_at <= left_at && stood && !alert.is_retracted()
    };
    judgement.alerts.iter().filter(stood).map(|alert| alert.raised_at).min()
}

/// Whether nothing was used throughout the horizon after `raised_at`.
fn was_silent(activity: &Activity, raised_at: Timestamp, rules: &Rules) -> bool {
    let begin = Day::new(raised_at.day().number().saturating_add(1));
    let end = raised_at.plus(rules.horizon).day();
    activity.last_at <= raised_at || (activity.last_at.day() > end && !activity.is_active_within(begin, end))
}

/// Forgets episodes whose outcome is known and that a later one of their type has followed.
fn forget_superseded(judgement: &mut Judgement) {
    let latest: Vec<(u8, u32)> = judgement.alerts.iter().map(|alert| (alert.kind, alert.episode)).collect();
    judgement.alerts.retain(|alert| {
        !alert.is_settled || latest.iter().all(|(kind, episode)| *kind != alert.kind || *episode <= alert.episode)
    });
}

impl AlertState {
    /// Counts the outcome, with the reason for which it was resolved, if it was.
    fn settle_outcome(&mut self, outcome: Outcome, quality: &mut Quality) {
        self.is_settled = true;
        quality.matured(self.kind, outcome, std::mem::take(&mut self.reason_number));
    }

    fn is_retracted(&self) -> bool {
        self.open.is_none() && self.closed_by == ClosedBy::LateData
    }
}
