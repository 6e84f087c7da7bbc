//! A change of an alert, as far as a desk needs to know it. It comes from the engine, or from the alert's own record.

use super::{Item, Shown};
use crate::engine::effect::{AlertChange, Transition};
use crate::units::Timestamp;

/// A change of one alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Who is to act.
    pub owner: String,
    /// Who else is to know, where nobody acknowledged it in time.
    pub escalate_to: Option<String>,
    /// When it happened: the moment the account was judged.
    pub at: Timestamp,
    /// What happened.
    pub transition: Transition,
    /// Whether the alert is open after it.
    pub is_open: bool,
    /// The alert in short. What has been shown of it is for the desk to say.
    pub item: Item,
}

impl Notice {
    /// What a desk needs to know of `change`.
    #[must_use]
    pub fn of(change: &AlertChange) -> Notice {
        Notice {
            owner: change.owner.clone(),
            escalate_to: change.escalate_to.clone(),
            at: change.health.as_of,
            transition: change.transition,
            is_open: change.is_open,
            item: Item {
                alert_id: change.alert_id.clone(),
                alert_type: change.alert_type.to_owned(),
                title: change.title.clone(),
                account_id: change.health.account_id.clone(),
                name: change.health.name.clone(),
                severity: change.severity,
                raised_at: change.raised_at,
                revenue_at_risk: change.health.revenue_at_risk,
                is_acknowledged: change.is_acknowledged,
                snoozed_until: change.snoozed_until,
                shown: Shown::Waiting,
                link: change.link.clone(),
            },
        }
    }
}
