//! What became of the accounts that alerts spoke of: they left, or the horizon has passed and they are still there.
//!
//! Every episode has one outcome, counted once, whether it is still open or was closed before; only one that late data
//! retracted has none. An outcome is told with the episode it belongs to, unless the episode stays open.

use super::Change;
use crate::engine::account::{AlertState, ClosedBy, Judgement};
use crate::engine::effect::Transition;
use crate::engine::quality::Quality;
use crate::engine::rules::Rules;
use crate::units::Timestamp;

/// Settles the episodes that the account has outlived. One that is still open stays so: its cause stands.
pub fn mature(
    judgement: &mut Judgement,
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
        alert.is_settled = true;
        quality.matured(alert.kind, false);
        if alert.open.is_none() {
            changes.push(Change::of(alert, Transition::Retained));
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
    let mut foretold_at: Option<Timestamp> = None;
    for alert in &mut judgement.alerts {
        let stood = alert.open.is_some() || left_at.since(alert.closed_at) <= rules.horizon;
        if alert.raised_at <= left_at && stood && !alert.is_retracted() {
            foretold_at = Some(foretold_at.map_or(alert.raised_at, |first| first.min(alert.raised_at)));
        }
        let within = left_at.since(alert.raised_at) <= rules.horizon;
        let is_told = alert.open.is_some() || (!alert.is_settled && within);
        // One that was raised after the account had left foretold nothing, and was not wrong either.
        if !alert.is_settled && alert.raised_at <= left_at {
            quality.matured(alert.kind, within);
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

/// Forgets episodes whose outcome is known and that a later one of their type has followed.
fn forget_superseded(judgement: &mut Judgement) {
    let latest: Vec<(u8, u32)> = judgement.alerts.iter().map(|alert| (alert.kind, alert.episode)).collect();
    judgement.alerts.retain(|alert| {
        !alert.is_settled || latest.iter().all(|(kind, episode)| *kind != alert.kind || *episode <= alert.episode)
    });
}

impl AlertState {
    fn is_retracted(&self) -> bool {
        self.open.is_none() && self.closed_by == ClosedBy::LateData
    }
}
