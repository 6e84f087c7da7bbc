//! K7, K9: how sign-ups and trials begin, and what becomes of them.
//!
//! Only sign-ups that are old enough are judged, and only trials that have ended.

use std::ops::Range;

use super::days::{Card, Count, Days};
use super::retention::share;
use crate::engine::rules::KpiRules;
use crate::units::{Day, Span, Timestamp};

/// Sign-ups of the latest so many days are looked at.
pub const SIGN_UPS_DAYS: u16 = 90;
/// A sign-up can be judged to have dropped off when it is so many days old: a week to begin, and one in which to come back.
pub const DROP_OFF_DUE_DAYS: u16 = 14;

/// What became of the sign-ups of the latest [`SIGN_UPS_DAYS`] days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SignUps {
    /// Accounts that signed up.
    pub all: i64,
    /// Those whose time for onboarding has passed, ...
    pub onboarding_due: i64,
    /// ... and those of them that were through in time.
    pub onboarded: i64,
    /// Those that are old enough to be judged by their activity, ...
    pub drop_off_due: i64,
    /// ... and those of them that were not active after their first week.
    pub dropped_off: i64,
}

impl SignUps {
    /// What `days` say at `now`, the last moment that is looked at.
    #[must_use]
    pub fn at(days: &Days, now: Timestamp, rules: &KpiRules) -> SignUps {
        let today = rules.time_zone.day(now);
        let first = Day::new((today.number() + 1).saturating_sub(SIGN_UPS_DAYS));
        let window = |until: Day| -> Range<Day> { first..until.max(first) };
        // Old enough are those of the days that ended so long before the present one ends.
        let over = rules.time_zone.day(now.plus(Span::from_ms(1))).number();
        let old = |age: u16| window(Day::new(over.saturating_sub(age)));
        let (onboarding, activity) = (old(rules.onboarding_days), old(DROP_OFF_DUE_DAYS));
        let drop_off_due = days.sum(Count::SignUps, activity.clone());
        SignUps {
            all: days.sum(Count::SignUps, window(Day::new(today.number() + 1))),
            onboarding_due: days.sum(Count::SignUps, onboarding.clone()),
            onboarded: days.sum(Count::Onboarded, onboarding),
            drop_off_due,
            dropped_off: drop_off_due - days.sum(Count::Stayed, activity),
        }
    }
}

/// Trials that have ended, and what became of them, since the beginning of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Trials {
    /// Trials begun.
    pub started: i64,
    /// Trials ended.
    pub ended: i64,
    /// Those of them that converted, as told or by paying, ...
    pub converted: i64,
    /// ... and those of these that have left since.
    pub churned: i64,
}

impl Trials {
    /// What `days` say of the trials with this kind of card, up to and with `today`.
    #[must_use]
    pub fn at(days: &Days, today: Day, card: Card) -> Trials {
        let until = |count| days.sum(count, Day::new(0)..Day::new(today.number() + 1));
        Trials {
            started: until(Count::TrialsStarted(card)),
            ended: until(Count::TrialsEnded(card)),
            converted: until(Count::TrialsConverted(card)),
            churned: until(Count::ConvertedChurned(card)),
        }
    }

    /// Adds others.
    pub fn add(&mut self, other: Trials) {
        self.started += other.started;
        self.ended += other.ended;
        self.converted += other.converted;
        self.churned += other.churned;
    }
}

/// Onboarding rate: through in time, of the sign-ups old enough, in [0, 1]. `None` while none is.
///
/// ```
/// use churnwatch::engine::kpis::starts::onboarding_rate;
/// assert_eq!(onboarding_rate(40, 30), Some(0.75));
/// assert_eq!(onboarding_rate(0, 0), None);
/// ```
#[must_use]
pub fn onboarding_rate(due: i64, onboarded: i64) -> Option<f64> {
    share(onboarded, due)
}

/// Seven-day drop-off: not active after the first week, of the sign-ups old enough, in [0, 1]. `None` while none is.
///
/// ```
/// use churnwatch::engine::kpis::starts::drop_off;
/// assert_eq!(drop_off(40, 10), Some(0.25));
/// ```
#[must_use]
pub fn drop_off(due: i64, dropped_off: i64) -> Option<f64> {
    share(dropped_off, due)
}

/// Trial conversion: became paying customers, of the trials that have ended, in [0, 1]. `None` while none has.
///
/// ```
/// use churnwatch::engine::kpis::starts::trial_conversion;
/// assert_eq!(trial_conversion(50, 10), Some(0.2));
/// assert_eq!(trial_conversion(0, 0), None);
/// ```
#[must_use]
pub fn trial_conversion(ended: i64, converted: i64) -> Option<f64> {
    share(converted, ended)
}
