//! Tickets and onboarding in version 1 of the state.

use serde::{Deserialize, Serialize};

use super::{StampForm, damaged, maybe_time, stamp, stamp_form};
use crate::engine::facts::onboarding::{Onboarding, Step};
use crate::engine::facts::tickets::{Entry, Grade, Tickets, WEEKS, What};
use crate::units::{Offset, Timestamp};
use crate::wire::state::{StateError, Text};

#[derive(Serialize, Deserialize)]
pub struct TicketsForm {
    entries: Vec<EntryForm>,
    by_week: [u8; WEEKS],
    last_week: u16,
}

/// When, ticket, what (0 closed, 1 and up opened with a grade), topic, offset.
type EntryForm = (StampForm, u32, u8, u32, i64);

impl TicketsForm {
    pub fn of(tickets: &Tickets) -> TicketsForm {
        let entry = |entry: &Entry| {
            let (what, topic) = match entry.what {
                What::Closed => (0, 0),
                What::Opened { grade, topic } => (1 + grade as u8, topic),
            };
            (stamp_form(entry.stamp), entry.ticket, what, topic, entry.offset.0)
        };
        TicketsForm {
            entries: tickets.entries.iter().map(entry).collect(),
            by_week: tickets.by_week,
            last_week: tickets.last_week,
        }
    }

    pub fn into_tickets(self) -> Result<Tickets, StateError> {
        let entry = |(at, ticket, what, topic, offset): EntryForm| {
            let what = match what.checked_sub(1) {
                None => What::Closed,
                Some(grade) => {
                    let grade = Grade::ALL.get(usize::from(grade)).copied();
                    What::Opened { grade: grade.ok_or_else(|| damaged(&format!("ticket entry {what}")))?, topic }
                }
            };
            Ok(Entry { stamp: stamp(at)?, ticket, what, offset: Offset(offset) })
        };
        let entries = self.entries.into_iter().map(entry).collect::<Result<_, StateError>>()?;
        Ok(Tickets { entries, by_week: self.by_week, last_week: self.last_week })
    }
}

#[derive(Serialize, Deserialize)]
pub struct OnboardingForm {
    trial_ms: Option<i64>,
    first_step_ms: Option<i64>,
    steps: Vec<u32>,
    /// When, name, offset.
    latest: Option<(StampForm, Text, i64)>,
    done_ms: Option<i64>,
}

impl OnboardingForm {
    pub fn of(onboarding: &Onboarding) -> OnboardingForm {
        let step = |step: &Step| (stamp_form(step.stamp), step.name.clone(), step.offset.0);
        OnboardingForm {
            trial_ms: onboarding.trial_at.map(Timestamp::ms),
            first_step_ms: onboarding.first_step_at.map(Timestamp::ms),
            steps: onboarding.steps.clone(),
            latest: onboarding.latest.as_ref().map(step),
            done_ms: onboarding.done_at.map(Timestamp::ms),
        }
    }

    pub fn into_onboarding(self) -> Result<Onboarding, StateError> {
        let step = |(at, name, offset)| Ok::<_, StateError>(Step { stamp: stamp(at)?, name, offset: Offset(offset) });
        Ok(Onboarding {
            trial_at: maybe_time(self.trial_ms)?,
            first_step_at: maybe_time(self.first_step_ms)?,
            steps: self.steps,
            latest: self.latest.map(step).transpose()?,
            done_at: maybe_time(self.done_ms)?,
            trial: None,
        })
    }
}
