//! An alert's change as it is told: the whole story, with owner, plan, reasons and link as they stand at that moment.

use super::{Change, alert_id, type_name};
use crate::engine::account::{Account, AlertState};
use crate::engine::effect::{AlertChange, Health, Transition};
use crate::engine::playbook::{REASON_OTHER, REASON_UNACKNOWLEDGED};
use crate::engine::rules::Rules;

/// The change of an alert of `account`, whose health is `health`. Owner and plan of an account that has left are those that
/// it had until then: since then it pays nothing.
#[must_use]
pub fn tell(account: &Account, change: Change, health: &Health, rules: &Rules, rules_hash: &str) -> AlertChange {
    let Change { alert, transition, reason, act } = change;
    let AlertState { kind, episode, .. } = alert;
    let alert_id = alert_id(&account.id, kind, episode);
    let book = rules.playbooks.of(kind);
    let stood = account.as_it_stood();
    let unacknowledged = transition == Transition::Escalated && reason.as_deref() == Some(REASON_UNACKNOWLEDGED);
    let escalate_to = book.and_then(|book| book.escalate_to.clone()).filter(|_| unacknowledged);
    let mut reasons = book.map(|book| book.reasons.clone()).unwrap_or_default();
    reasons.push(REASON_OTHER.to_owned());
    AlertChange {
        link: rules.playbooks.link(&account.id, &alert_id),
        alert_id,
        alert_type: type_name(kind),
        episode,
        transition,
        severity: alert.open.unwrap_or(account.judgement.severity()),
        is_open: alert.open.is_some(),
        raised_at: alert.raised_at,
        reason,
        act,
        is_acknowledged: alert.is_acknowledged,
        // A quiet that is over lasts in the state until the cause speaks up.
        snoozed_until: alert.snoozed_until.filter(|until| *until > health.as_of),
        title: book.map_or_else(|| type_name(kind).to_owned(), |book| book.title.clone()),
        owner: rules.playbooks.owner(kind, &stood, rules, health.as_of).to_owned(),
        escalate_to,
        plan: book.and_then(|book| book.plan(&stood, rules, alert.raised_at, health.as_of)),
        reasons,
        health: health.clone(),
        rules: rules_hash.to_owned(),
    }
}
