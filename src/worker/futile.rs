//! Actions on alerts that did nothing: how many there are to tell of, and when.
//!
//! Whoever sends them gets no answer, so the log of the service says it; seldom enough not to flood it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::policy::Moment;
use crate::engine::alert::action::{ActionCounts, ActionResult, RESULTS};
use crate::units::PartitionIndex;

/// They are told of at most this often, those of each result together.
pub const TOLD_EVERY: Duration = Duration::from_secs(60);
/// The results that leave everything as it was.
const FUTILE: [ActionResult; 3] = [ActionResult::UnknownAlert, ActionResult::ClosedAlert, ActionResult::PastTime];

/// What has been seen of them.
#[derive(Debug, Default)]
pub struct Futile {
    /// What each partition had counted.
    known: BTreeMap<PartitionIndex, ActionCounts>,
    /// How many of each of [`FUTILE`] have not been told of.
    untold: [u64; FUTILE.len()],
    told: Option<Moment>,
}

impl Futile {
    /// Notes what the partitions at hand have counted since they were taken on; returns the results to tell of now, each
    /// with how many actions came to it since the last time.
    pub fn note(
        &mut self,
        now: Moment,
        counts: impl Iterator<Item = (PartitionIndex, ActionCounts)>,
    ) -> Vec<(&'static str, u64)> {
        // One that comes back begins to count anew.
        let known = std::mem::replace(&mut self.known, counts.collect());
        for (index, counts) in &self.known {
            let before = known.get(index).copied().unwrap_or_default();
            for (untold, result) in self.untold.iter_mut().zip(FUTILE) {
                *untold += of(counts, result).saturating_sub(of(&before, result));
            }
        }
        if self.told.is_some_and(|told| now.since(told) < TOLD_EVERY) || self.untold.iter().all(|count| *count == 0) {
            return Vec::new();
        }
        self.told = Some(now);
        let names = FUTILE.into_iter().filter_map(|result| RESULTS.get(result as usize).copied());
        names.zip(std::mem::take(&mut self.untold)).filter(|(_, count)| *count > 0).collect()
    }
}

/// How many actions of any kind came to `result`.
fn of(counts: &ActionCounts, result: ActionResult) -> u64 {
    counts.iter().filter_map(|results| results.get(result as usize)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_that_did_nothing_are_told_of_once_and_at_most_once_a_minute() {
        let mut futile = Futile::default();
        // Each step: seconds, and by partition how many were taken and how many met an unknown or a closed alert.
        let mut note = |seconds, counts: &[(i32, [u64; 3])]| {
            let counts = counts.iter().map(|(index, [taken, unknown, closed])| {
                (PartitionIndex(*index), [[*taken, 0, *unknown, 0, 0], [0, 0, 0, *closed, 0], [0; 5], [0; 5]])
            });
            futile.note(Moment(Duration::from_secs(seconds)), counts)
        };
        assert_eq!(note(1, &[(0, [3, 0, 0])]), []);
        assert_eq!(note(2, &[(0, [3, 2, 0]), (1, [0, 0, 1])]), [("unknown_alert", 2), ("closed_alert", 1)]);
        assert_eq!(note(3, &[(0, [3, 3, 0]), (1, [0, 0, 1])]), []);
        assert_eq!(note(62, &[(0, [4, 4, 0])]), [("unknown_alert", 2)]);
        assert_eq!(note(200, &[(0, [4, 4, 0])]), []);
        // A partition that was given up and has come back.
        assert_eq!(note(300, &[(0, [4, 4, 0]), (1, [0, 0, 1])]), [("closed_alert", 1)]);
    }
}
