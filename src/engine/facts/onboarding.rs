//! How an account began: when it signed up for a trial, which steps of onboarding it has done, whether it is through.
//!
//! The first subscription is told by `billing`, activity by `activity`; here is what neither knows.

use compact_str::CompactString;

use super::{Stamp, crowd::Crowd, profile::clip};
use crate::units::{Offset, Timestamp};

/// Distinct steps kept; of more, those with the smallest hashes.
pub const STEPS_MAX: usize = 16;

/// How an account began.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Onboarding {
    /// The earliest start of a trial.
    pub trial_at: Option<Timestamp>,
    /// The earliest step.
    pub first_step_at: Option<Timestamp>,
    /// Hashes of the distinct steps done, ascending, at most [`STEPS_MAX`].
    pub steps: Vec<u32>,
    /// The latest step.
    pub latest: Option<Step>,
    /// When the last step of all was first done.
    pub done_at: Option<Timestamp>,
    /// What else is known of its trial.
    pub trial: Option<Box<Trial>>,
}

/// A trial: its terms and how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Trial {
    /// How often one was started; no more than 255.
    pub starts: u8,
    /// Whether a card was given, by the latest start that says.
    pub card: Option<(Stamp, bool)>,
    /// When it was to end, likewise.
    pub ends_at: Option<(Stamp, Timestamp)>,
    /// The earliest conversion.
    pub converted_at: Option<Timestamp>,
    /// The earliest expiry.
    pub expired_at: Option<Timestamp>,
}

/// A step of onboarding.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Step {
    /// When it was done.
    pub stamp: Stamp,
    /// Its name.
    pub name: CompactString,
    /// The record that told it.
    pub offset: Offset,
}

impl Onboarding {
    /// Notes the start of a trial, and what was said of its terms.
    pub fn trial_started(&mut self, stamp: Stamp, card: Option<bool>, ends_at: Option<Timestamp>) {
        keep_earliest(&mut self.trial_at, stamp.time);
        let trial = self.trial.get_or_insert_default();
        trial.starts = trial.starts.saturating_add(1);
        keep_latest(&mut trial.card, stamp, card);
        keep_latest(&mut trial.ends_at, stamp, ends_at);
    }

    /// Notes that the trial became a paid subscription.
    pub fn trial_converted(&mut self, time: Timestamp) {
        keep_earliest(&mut self.trial.get_or_insert_default().converted_at, time);
    }

    /// Notes that the trial ended without one.
    pub fn trial_expired(&mut self, time: Timestamp) {
        keep_earliest(&mut self.trial.get_or_insert_default().expired_at, time);
    }

    /// Takes in a step; `done` when it is the last one of all.
    pub fn step(&mut self, name: &str, done: bool, stamp: Stamp, offset: Offset) {
        keep_earliest(&mut self.first_step_at, stamp.time);
        if done {
            keep_earliest(&mut self.done_at, stamp.time);
        }
        let hash = Crowd::hash(name);
        if let Err(index) = self.steps.binary_search(&hash) {
            super::insert(&mut self.steps, index, hash);
            self.steps.truncate(STEPS_MAX);
        }
        if self.latest.as_ref().is_none_or(|known| known.stamp < stamp) {
            self.latest = Some(Step { stamp, name: clip(name), offset });
        }
    }
}

/// Keeps the later of what is known and what is said, where something is.
fn keep_latest<T>(known: &mut Option<(Stamp, T)>, stamp: Stamp, said: Option<T>) {
    if let Some(said) = said
        && known.as_ref().is_none_or(|(known, _)| *known < stamp)
    {
        *known = Some((stamp, said));
    }
}

/// Keeps the earlier of what is known and `time`.
pub(super) fn keep_earliest(known: &mut Option<Timestamp>, time: Timestamp) {
    if known.is_none_or(|known| time < known) {
        *known = Some(time);
    }
}
