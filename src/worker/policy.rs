//! When a transaction ends.
//!
//! Short transactions while the worker keeps up, so that alerts are prompt; long ones while it lags, so that more
//! changes of an account fall into one changelog record. Pure: monotonic time comes in.

use std::time::Duration;

/// Monotonic time since some fixed moment of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment(pub Duration);

impl Moment {
    /// Time from `earlier` to `self`; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Moment) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// A worker with at least this many records left to read in one partition is lagging.
pub const LAGGING_RECORDS_MIN: u64 = 5_000;

/// Whether a worker keeps up with its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Pace {
    /// It reads records as they come.
    #[default]
    CaughtUp,
    /// It reads records that have been waiting.
    Lagging,
}

/// When a transaction ends: at the first of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitPolicy {
    /// A caught-up worker commits at most this often.
    pub interval_caught_up: Duration,
    /// A lagging worker commits at most this often.
    pub interval_lagging: Duration,
    /// Input records in one transaction.
    pub events_max: u64,
    /// Input bytes in one transaction.
    pub bytes_max: u64,
}

impl CommitPolicy {
    /// Whether a transaction with `events` input records of `bytes` bytes is to end `elapsed` after the previous one.
    #[must_use]
    pub fn due(&self, pace: Pace, elapsed: Duration, events: u64, bytes: u64) -> bool {
        let interval = match pace {
            Pace::CaughtUp => self.interval_caught_up,
            Pace::Lagging => self.interval_lagging,
        };
        elapsed >= interval || events >= self.events_max || bytes >= self.bytes_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lagging_worker_waits_longer_but_not_for_more_than_its_limits() {
        let policy = CommitPolicy {
            interval_caught_up: Duration::from_millis(50),
            interval_lagging: Duration::from_secs(1),
            events_max: 10,
            bytes_max: 100,
        };
        let half_second = Duration::from_millis(500);
        assert!(policy.due(Pace::CaughtUp, half_second, 1, 1));
        assert!(!policy.due(Pace::CaughtUp, Duration::from_millis(49), 1, 1));
        assert!(!policy.due(Pace::Lagging, half_second, 9, 99));
        assert!(policy.due(Pace::Lagging, half_second, 10, 1));
        assert!(policy.due(Pace::Lagging, half_second, 1, 100));
        assert!(policy.due(Pace::Lagging, Duration::from_secs(1), 1, 1));
    }
}
