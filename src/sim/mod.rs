//! A simulated software company: accounts that sign up, work, grow, complain, pay and leave, from one seed.
//!
//! [`Population`] yields events in the order in which a log would receive them, day by day, so that memory grows with
//! accounts and not with events. What was planted is told apart, in [`truth`], and is for scoring only ([`score`]). The
//! same options give the same events, byte for byte, on every platform: see [`random`]. Reading order: [`profile`] ->
//! [`plan`] -> [`day`] -> [`occurrence`].

pub mod day;
pub mod names;
pub mod occurrence;
pub mod plan;
pub mod profile;
pub mod random;
pub mod score;
pub mod truth;

use day::Today;
use occurrence::Occurrence;
use profile::Profile;

use crate::engine::event::Event;
use crate::units::{DAY_MS, Span, Timestamp};

/// 2026-01-01T00:00:00Z, the first instant of every window.
pub const START: Timestamp = Timestamp::clamped(1_767_225_600_000);
/// Longest window, in days.
pub const DAYS_MAX: u16 = 3_650;
/// Most accounts.
pub const ACCOUNTS_MAX: u32 = 5_000_000;

/// What company to simulate.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Accounts, including those that sign up within the window; 1 to [`ACCOUNTS_MAX`].
    pub accounts: u32,
    /// Length of the window in days, 14 to [`DAYS_MAX`].
    pub days: u16,
    /// The company: another seed, another company.
    pub seed: u64,
    /// Factor on the events of an active day; 1 gives about two events per account and day.
    pub rate: f64,
}

impl Default for Options {
    fn default() -> Options {
        Options { accounts: 2_000, days: 180, seed: 1, rate: 1.0 }
    }
}

impl Options {
    /// The end of the window: the first instant after it.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        START.plus(Span::from_days(i64::from(self.days)))
    }
}

/// Which of the two source systems a record comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The product: usage, users, limits, surveys, tickets.
    Usage,
    /// Billing and customer records.
    Billing,
}

/// An event and its arrival.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrival {
    /// When the log receives it; never before it happened.
    pub received_at: Timestamp,
    /// Where it comes from.
    pub stream: Stream,
    /// What happened.
    pub event: Event<'static>,
}

/// A company at work. As an iterator it yields the window; [`Population::next_before`] goes on beyond it for ever.
#[derive(Debug)]
pub struct Population {
    options: Options,
    profiles: Vec<Profile>,
    next_day: i32,
    /// Occurrences of the days generated so far that have not been yielded, the next one last.
    waiting: Vec<Occurrence>,
}

impl Population {
    /// Founds the company.
    #[must_use]
    pub fn new(options: &Options) -> Population {
        let accounts = options.accounts.clamp(1, ACCOUNTS_MAX);
        let options = Options { accounts, days: options.days.clamp(14, DAYS_MAX), ..options.clone() };
        let profiles = (0..accounts).map(|account| Profile::draw(account, &options)).collect();
        Population { options, profiles, next_day: 0, waiting: Vec::new() }
    }

    /// The options in force (out-of-range values were brought into range).
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The accounts, by number.
    #[must_use]
    pub fn profiles(&self) -> &[Profile] {
        &self.profiles
    }

    /// The next event that the log receives before `end`; `None` when there is no further one.
    pub fn next_before(&mut self, end: Timestamp) -> Option<Arrival> {
        loop {
            let generated_until = START.ms() + i64::from(self.next_day) * DAY_MS;
            // An event of a day that is yet to be generated cannot arrive before that day begins.
            if let Some(next) = self.waiting.last().filter(|next| next.arrival_ms < generated_until) {
                if next.arrival_ms >= end.ms() {
                    return None;
                }
            } else if generated_until >= end.ms() {
                return None;
            } else {
                self.generate_day();
                continue;
            }
            let occurrence = self.waiting.pop()?;
            let profile = self.profiles.get(usize::try_from(occurrence.account).ok()?)?;
            return Some(Arrival {
                received_at: Timestamp::clamped(occurrence.arrival_ms),
                stream: if occurrence.is_billing() { Stream::Billing } else { Stream::Usage },
                event: occurrence.event(profile, self.options.seed, START.ms()),
            });
        }
    }

    fn generate_day(&mut self) {
        let today = Today::new(self.next_day, self.options.days, START);
        for profile in &self.profiles {
            day::generate(profile, &today, self.options.seed, &mut self.waiting);
        }
        self.waiting
            .sort_unstable_by_key(|next| std::cmp::Reverse((next.arrival_ms, next.account, next.day, next.number)));
        self.next_day += 1;
    }
}

impl Iterator for Population {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        self.next_before(self.options.end())
    }
}

#[cfg(test)]
mod tests;
