//! What was known of an account's use at an earlier moment, as far as the bitmap tells it.

use super::{Activity, BITMAP_DAYS, HORIZON};
use crate::units::{Day, Timestamp};

impl Activity {
    /// The first active day after `day`, as far as the bitmap reaches.
    #[must_use]
    pub fn first_active_after(&self, day: Day) -> Option<Day> {
        let age = u32::from(self.last_day.since(day));
        let later = self.days & !u128::MAX.checked_shl(age).unwrap_or(0);
        let age = later.checked_ilog2().filter(|_| self.is_used())?;
        self.last_day.number().checked_sub(u16::try_from(age).ok()?).map(Day::new)
    }

    /// What was known before `time`, later use left out: all of that day's where it was used after it. Volumes that were
    /// kept then and are not any more are taken as the mean of the others. `None` where the bitmap does not reach back to
    /// the last active day before.
    #[must_use]
    pub fn before(&self, time: Timestamp) -> Option<Activity> {
        if !self.is_used() || self.last_at < time {
            return Some(self.clone());
        }
        if time <= self.first_at {
            return Some(Activity { latest_at: self.latest_at.min(time), ..Activity::default() });
        }
        let last_day = self.last_active_before(time.day())?;
        let age = self.last_day.since(last_day);
        let kept = self.volumes.get(..self.days_from(age)).unwrap_or_default();
        let mut then = Activity {
            latest_at: self.latest_at.min(time),
            last_at: Timestamp::clamped(Day::new(last_day.number().saturating_add(1)).start().ms() - 1),
            last_day,
            days: self.days.checked_shr(age.into()).unwrap_or(0),
            active_days: self.active_days_through(last_day),
            ..self.clone()
        };
        let sum: u64 = kept.iter().map(|volume| u64::from(*volume)).sum();
        let mean = sum.checked_div(kept.len() as u64).and_then(|mean| u16::try_from(mean).ok()).unwrap_or(1);
        let lost = then.volumes_len().saturating_sub(kept.len());
        then.volumes = std::iter::repeat_n(mean, lost).chain(kept.iter().copied()).collect();
        Some(then)
    }

    /// The activity of an account that came back at `at`, as if it had begun then: coming back counts as use. As it is
    /// where it was never used before, or the bitmap does not reach back to then.
    #[must_use]
    pub fn since(&self, at: Timestamp) -> Activity {
        let day = at.day();
        let age = self.last_day.since(day);
        if !self.is_used() || at <= self.first_at || age >= BITMAP_DAYS {
            return self.clone();
        }
        let later = if self.last_day < day { 0 } else { self.days & ((1 << age) - 1) };
        let mut back = Activity {
            first_at: at,
            last_at: self.last_at.max(at),
            last_day: self.last_day.max(day),
            first_day: day,
            days: later | 1 << age,
            folded: 0.0,
            folded_day: Day::default(),
            volumes: Vec::new(),
            ..self.clone()
        };
        back.active_days = back.days.count_ones();
        // Of the day it came back on the use is not told apart.
        let told = (later & HORIZON).count_ones() as usize;
        let volumes = self.volumes.get(self.volumes.len().saturating_sub(told)..).unwrap_or_default();
        back.volumes = std::iter::repeat_n(1, back.volumes_len() - told).chain(volumes.iter().copied()).collect();
        // How much is done at a time stays what it was.
        let share = |sum: u64| sum.saturating_mul(back.active_days.into()) / u64::from(self.active_days);
        (back.uses, back.magnitude) =
            (u32::try_from(share(self.uses.into())).unwrap_or(u32::MAX), share(self.magnitude));
        back
    }
}
