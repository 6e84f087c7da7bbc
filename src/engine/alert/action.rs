//! What people do with alerts: acknowledge, snooze, resolve, comment, over the log.
//!
//! An action on an alert that there is not, on a closed one, or with a time that is over does nothing but be counted.
//! What an action says about the account is nothing: it is no fact.

use super::{Change, alert_id};
use crate::engine::account::{Account, AlertState, ClosedBy};
use crate::engine::effect::{Act, Transition};
use crate::engine::event::AlertAction;
use crate::engine::playbook::{Playbook, REASON_OTHER};
use crate::engine::quality::Quality;
use crate::engine::rules::Rules;
use crate::units::{Span, Timestamp};

/// An alert sleeps at most this long at a time; a later end is brought forward.
pub const SNOOZE_MAX: Span = Span::from_days(90);
/// So many earlier episodes are recognised as closed ones; of older ones it is said that there is no such alert.
const EARLIER_EPISODES_MAX: u32 = 32;

/// The actions, in the order in which they are counted.
pub const ACTIONS: [&str; 4] = ["acknowledged", "snoozed", "resolved", "commented"];
/// The results, in the order of [`ActionResult`].
pub const RESULTS: [&str; 5] = ["taken", "other_reason", "unknown_alert", "closed_alert", "past_time"];

/// What became of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionResult {
    /// It was done.
    Taken,
    /// It was done; its resolution reason is not on the list and counts as `other`.
    OtherReason,
    /// The account has no such alert: the id is wrong, of another account, or very old.
    UnknownAlert,
    /// The alert is closed.
    ClosedAlert,
    /// The quiet that was asked for is over already.
    PastTime,
}

/// What to do where a result is not what the sender wanted, in the order of [`ActionResult`].
const ADVICE: [Option<&str>; RESULTS.len()] = [
    None,
    Some("the reason is none of the alert's `resolution_reasons`"),
    Some("no alert of that account has that id; send `alert_id` and `account_id` as the alert's own record has them"),
    Some("the alert was closed before; only a comment can be made on it"),
    Some("`until` was over already; give a time to come"),
];

/// What to do where an action came to the result of this name and that is not what the sender wanted.
#[must_use]
pub fn advice(result: &str) -> Option<&'static str> {
    RESULTS.iter().zip(ADVICE).find(|(known, _)| **known == result)?.1
}

/// How often which action came to which result.
pub type ActionCounts = [[u64; RESULTS.len()]; ACTIONS.len()];

/// Counts an action that came to `result`.
pub fn count(counts: &mut ActionCounts, action: &AlertAction<'_>, result: ActionResult) {
    let action = match action {
        AlertAction::Acknowledged => 0,
        AlertAction::Snoozed { .. } => 1,
        AlertAction::Resolved { .. } => 2,
        AlertAction::Commented => 3,
    };
    if let Some(count) = counts.get_mut(action).and_then(|results| results.get_mut(result as usize)) {
        *count += 1;
    }
}

/// The sum of several counts.
#[must_use]
pub fn sum(counts: impl Iterator<Item = ActionCounts>) -> ActionCounts {
    counts.fold(ActionCounts::default(), |mut sum, counts| {
        for (sum, count) in sum.iter_mut().flatten().zip(counts.iter().flatten()) {
            *sum += count;
        }
        sum
    })
}

/// What a person did with which alert.
#[derive(Clone, Copy, Debug)]
pub struct Deed<'a> {
    /// The alert's id.
    pub alert: &'a str,
    /// What was done.
    pub action: &'a AlertAction<'a>,
    /// Who did it.
    pub by: &'a str,
    /// A remark.
    pub note: Option<&'a str>,
}

/// Does what a person did at `now` with an alert of the account, and appends what is to be told.
pub fn act(
    account: &mut Account,
    deed: Deed<'_>,
    now: Timestamp,
    rules: &Rules,
    quality: &mut Quality,
    changes: &mut Vec<Change>,
) -> ActionResult {
    let is_it = |alert: &AlertState| alert_id(&account.id, alert.kind, alert.episode) == deed.alert;
    let Some(index) = account.judgement.alerts.iter().position(is_it) else {
        let was_it = |alert: &AlertState| {
            let first = alert.episode.saturating_sub(EARLIER_EPISODES_MAX).max(1);
            (first..alert.episode).any(|episode| alert_id(&account.id, alert.kind, episode) == deed.alert)
        };
        let earlier = account.judgement.alerts.iter().any(was_it);
        return if earlier { ActionResult::ClosedAlert } else { ActionResult::UnknownAlert };
    };
    let Some(alert) = account.judgement.alerts.get_mut(index) else { return ActionResult::UnknownAlert };
    let mut act = Act { by: deed.by.to_owned(), note: deed.note.map(str::to_owned), reason_given: None };
    let mut result = ActionResult::Taken;
    let change = match deed.action {
        AlertAction::Commented => Change::of(alert, Transition::Commented),
        _ if alert.open.is_none() => return ActionResult::ClosedAlert,
        AlertAction::Acknowledged => {
            alert.acknowledge(now, quality);
            // Whoever looks after it need not be told that its quiet is over.
            alert.snoozed_until = alert.snoozed_until.filter(|until| *until > now);
            Change::of(alert, Transition::Acknowledged)
        }
        AlertAction::Snoozed { until } => {
            if *until <= now {
                return ActionResult::PastTime;
            }
            alert.acknowledge(now, quality);
            alert.snoozed_until = Some((*until).min(now.plus(SNOOZE_MAX)));
            Change::of(alert, Transition::Snoozed)
        }
        AlertAction::Resolved { reason: given } => {
            let known = rules.playbooks.of(alert.kind).map_or(REASON_OTHER, |book: &Playbook| book.reason(given));
            if known == REASON_OTHER && given != REASON_OTHER {
                act.reason_given = Some(given.clone().into_owned());
                result = ActionResult::OtherReason;
            }
            alert.acknowledge(now, quality);
            alert.close(now, ClosedBy::Person);
            alert.reason_number = quality.resolved(alert.kind, known);
            Change::of(alert, Transition::Resolved).because(known)
        }
    };
    changes.push(Change { act: Some(act), ..change });
    result
}

impl AlertState {
    fn acknowledge(&mut self, now: Timestamp, quality: &mut Quality) {
        if !self.is_acknowledged {
            self.is_acknowledged = true;
            quality.acknowledged(self.kind, now.since(self.raised_at));
        }
    }
}
