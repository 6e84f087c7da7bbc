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

/// What a transaction holds so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Fill {
    /// Input records.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Accounts changed, of each of which a pre-image is kept.
    pub accounts: u64,
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
    /// Accounts changed in one transaction: bounds the memory that their pre-images take.
    pub accounts_max: u64,
}

impl CommitPolicy {
    /// Whether a transaction that holds `fill` is to end `elapsed` after the previous one.
    #[must_use]
    pub fn due(&self, pace: Pace, elapsed: Duration, fill: Fill) -> bool {
        let interval = match pace {
            Pace::CaughtUp => self.interval_caught_up,
            Pace::Lagging => self.interval_lagging,
        };
        elapsed >= interval
            || fill.events >= self.events_max
            || fill.bytes >= self.bytes_max
            || fill.accounts >= self.accounts_max
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
            accounts_max: 5,
        };
        let fill = |events, bytes, accounts| Fill { events, bytes, accounts };
        let half_second = Duration::from_millis(500);
        assert!(policy.due(Pace::CaughtUp, half_second, fill(1, 1, 1)));
        assert!(!policy.due(Pace::CaughtUp, Duration::from_millis(49), fill(1, 1, 1)));
        assert!(!policy.due(Pace::Lagging, half_second, fill(9, 99, 4)));
        assert!(policy.due(Pace::Lagging, half_second, fill(10, 1, 1)));
        assert!(policy.due(Pace::Lagging, half_second, fill(1, 100, 1)));
        assert!(policy.due(Pace::Lagging, half_second, fill(5, 1, 5)));
        assert!(policy.due(Pace::Lagging, Duration::from_secs(1), fill(1, 1, 1)));
    }
}
