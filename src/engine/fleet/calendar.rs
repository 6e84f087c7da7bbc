//! How active the whole fleet was, day by day: weekends, holidays and outages, which say nothing about one account.
//!
//! A silence is measured in fleet days: a day on which the fleet was half as active as usual counts half. The weight of
//! a day is the share of accounts active on it over the usual share. Days ahead of what is known count by the profile of
//! the week. Where a day fell far below what its weekday has (a holiday, an outage), what was missing is also taken out
//! of the exposure of the rates. Not here: how the shares are gathered, which is [`super::report`].

use crate::engine::facts::activity::{LONG_DAYS, SHORT_DAYS};
use crate::units::{Day, Timestamp};

/// Days kept.
pub const DAYS_MAX: usize = 182;
/// Until this many days have been seen, every day counts as one.
const WARM_UP_DAYS: u32 = 28;
/// Fewer accounts make no fleet.
const LIVE_MIN: f64 = 50.0;
/// Fewer active accounts than this are expected on days that prove nothing.
const EXPECTED_MIN: f64 = 10.0;
/// Below this share of what its weekday has, a day is out of the ordinary.
const LOW_RATIO: f64 = 0.5;
/// After as many low days in a row they are the new usual.
const LOW_DAYS_MAX: u32 = 21;
/// No moment is looked for farther ahead than this.
const AHEAD_DAYS_MAX: u16 = 365;
/// No day counts for more than this.
const WEIGHT_MAX: f64 = 1.6;

/// What a day was worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DayWeight {
    /// Fleet days it counts for: 1 is usual.
    pub weight: f64,
    /// The share of its usual activity that was missing, on a day out of the ordinary; else 0.
    pub missing: f64,
}

/// The weights of the days up to one, and what to expect of those after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar {
    /// The first day not covered.
    end: Day,
    /// The days before it, oldest first, at most [`DAYS_MAX`].
    days: Vec<DayWeight>,
    /// What days after them count for, from Monday; seven in all.
    profile: [f64; 7],
    /// Fleet days from the first covered day to each; derived.
    through: Vec<f64>,
    /// Missing days before each, as of the first, by half-life; derived.
    missing: [Vec<f64>; 2],
}

impl Default for Calendar {
    /// Every day counts as one.
    fn default() -> Calendar {
        Calendar::of(Day::default(), Vec::new(), [1.0; 7])
    }
}

impl Calendar {
    /// The calendar of `days`, the last of which is the day before `end`.
    #[must_use]
    pub fn of(end: Day, mut days: Vec<DayWeight>, profile: [f64; 7]) -> Calendar {
        days.drain(..days.len().saturating_sub(DAYS_MAX));
        let mut through = vec![0.0];
        let mut missing = [vec![0.0], vec![0.0]];
        for (index, day) in (0_u32..).zip(&days) {
            through.push(through.last().copied().unwrap_or_default() + day.weight);
            for (sums, half_life) in missing.iter_mut().zip([SHORT_DAYS, LONG_DAYS]) {
                let grown =
                    if day.missing > 0.0 { day.missing * libm::exp2(f64::from(index) / half_life) } else { 0.0 };
                sums.push(sums.last().copied().unwrap_or_default() + grown);
            }
        }
        Calendar { end, days, profile, through, missing }
    }

    /// The first day not covered.
    #[must_use]
    pub fn end(&self) -> Day {
        self.end
    }

    /// The days covered, oldest first.
    #[must_use]
    pub fn days(&self) -> &[DayWeight] {
        &self.days
    }

    /// What days after them count for, from Monday.
    #[must_use]
    pub fn profile(&self) -> [f64; 7] {
        self.profile
    }

    /// Number of the first covered day.
    fn begin(&self) -> f64 {
        f64::from(self.end.number()) - self.days.len() as f64
    }

    /// Fleet days from the first covered day to `moment` (days since the epoch); before it, days are days.
    fn until(&self, moment: f64) -> f64 {
        let covered = moment - self.begin();
        if covered <= 0.0 {
            return covered;
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // above 0, and held to 16 bits of days
        let whole = covered as usize;
        if let (Some(through), Some(day)) = (self.through.get(whole), self.days.get(whole)) {
            return through + (covered - whole as f64) * day.weight;
        }
        let ahead = moment - f64::from(self.end.number());
        let weeks = libm::floor(ahead / 7.0);
        let mut sum = self.through.last().copied().unwrap_or_default() + 7.0 * weeks;
        let mut rest = ahead - 7.0 * weeks;
        for day in 0..7 {
            if rest <= 0.0 {
                break;
            }
            let weekday = Day::new(self.end.number().saturating_add(day)).weekday();
            sum += rest.min(1.0) * self.profile.get(usize::from(weekday)).copied().unwrap_or(1.0);
            rest -= 1.0;
        }
        sum
    }

    /// Fleet days from the beginning of `from` until `now`.
    ///
    /// ```
    /// use churnwatch::engine::fleet::calendar::{Calendar, DayWeight};
    /// use churnwatch::units::{Day, Span};
    /// let usual = DayWeight { weight: 1.0, missing: 0.0 };
    /// let holiday = DayWeight { weight: 0.1, missing: 0.9 };
    /// let calendar = Calendar::of(Day::new(20_003), vec![usual, holiday, holiday], [1.0; 7]);
    /// let now = Day::new(20_003).start().plus(Span::from_hours(12));
    /// // One usual day, two holidays, half a day ahead of what is known.
    /// assert!((calendar.fleet_days(Day::new(20_000), now) - 1.7).abs() < 1e-9);
    /// ```
    #[must_use]
    pub fn fleet_days(&self, from: Day, now: Timestamp) -> f64 {
        if self.days.is_empty() {
            return (now.days() - f64::from(from.number())).max(0.0);
        }
        (self.until(now.days()) - self.until(f64::from(from.number()))).max(0.0)
    }

    /// Fleet days up to the beginning of `day`, from an origin of the calendar's own: only differences mean something.
    #[must_use]
    pub fn at(&self, day: Day) -> f64 {
        let day = f64::from(day.number());
        if self.days.is_empty() { day } else { self.until(day) }
    }

    /// The first day at whose beginning `fleet_days` have passed since the beginning of `from`; a year after it at most.
    ///
    /// ```
    /// use churnwatch::engine::fleet::calendar::{Calendar, DayWeight};
    /// use churnwatch::units::Day;
    /// let days = [1.0, 0.1, 0.1].map(|weight| DayWeight { weight, missing: 0.0 });
    /// let calendar = Calendar::of(Day::new(20_003), days.to_vec(), [1.0; 7]);
    /// // A usual day and two holidays are not two fleet days yet; the day after them completes them.
    /// assert_eq!(calendar.day_after(Day::new(20_000), 2.0), Day::new(20_004));
    /// ```
    #[must_use]
    pub fn day_after(&self, from: Day, fleet_days: f64) -> Day {
        let (mut day, mut rest) = (from.number(), fleet_days);
        let last = from.number().saturating_add(AHEAD_DAYS_MAX);
        while rest > 1e-9 && day < last {
            rest -= self.weight(Day::new(day));
            day += 1;
        }
        Day::new(day)
    }

    /// What `day` counts for.
    fn weight(&self, day: Day) -> f64 {
        let begin = usize::from(self.end.number()).saturating_sub(self.days.len());
        let Some(index) = usize::from(day.number()).checked_sub(begin).filter(|_| !self.days.is_empty()) else {
            return 1.0;
        };
        let ahead = || self.profile.get(usize::from(day.weekday())).copied();
        self.days.get(index).map(|known| known.weight).or_else(ahead).unwrap_or(1.0)
    }

    /// Decayed days of exposure at `now` that were missing since `since`, for the half-lives of 14 and 182 days.
    #[must_use]
    pub fn missing(&self, since: Timestamp, now: Timestamp) -> [f64; 2] {
        let [short, long] = &self.missing;
        if long.last().is_none_or(|sum| *sum <= 0.0) {
            return [0.0; 2];
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // held to the days covered
        let index = |moment: f64| (moment - self.begin()).clamp(0.0, self.days.len() as f64) as usize;
        let (from, to) = (index(since.days()), index(now.days()));
        let between = |sums: &[f64], half_life: f64| {
            let at = |index: usize| sums.get(index).copied().unwrap_or_default();
            (at(to) - at(from)).max(0.0) * libm::exp2(-(now.days() - 1.0 - self.begin()) / half_life)
        };
        [between(short, SHORT_DAYS), between(long, LONG_DAYS)]
    }
}

/// Learns what days are worth, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    /// Days seen.
    pub seen: u32,
    /// The usual share of live accounts that are active on a day.
    pub level: f64,
    /// What each weekday has of it, from Monday.
    pub profile: [f64; 7],
    /// Low days in a row up to now.
    pub low_days: u32,
}

impl Default for Watch {
    fn default() -> Watch {
        Watch { seen: 0, level: 0.0, profile: [1.0; 7], low_days: 0 }
    }
}

impl Watch {
    /// Takes in that `active` of `live` accounts were active on `day`.
    pub fn observe(&mut self, day: Day, active: f64, live: f64) -> DayWeight {
        let usual = DayWeight { weight: 1.0, missing: 0.0 };
        if live < LIVE_MIN {
            return usual;
        }
        let share = active / live;
        self.seen = self.seen.saturating_add(1);
        let weekday = usize::from(day.weekday());
        let before = self.profile.get(weekday).copied().unwrap_or(1.0);
        if self.seen <= WARM_UP_DAYS {
            self.level += (share - self.level) / f64::from(self.seen);
            let weeks = f64::from(self.seen.div_ceil(7));
            self.shape(weekday, before + (share / self.level.max(1e-9) - before) / weeks);
            return usual;
        }
        let expected = self.level * before;
        let ratio = if expected > 0.0 { share / expected } else { 1.0 };
        let is_low = ratio < LOW_RATIO && expected * live >= EXPECTED_MIN;
        let weight = (share / self.level.max(1e-9)).min(WEIGHT_MAX);
        if !is_low || self.low_days >= LOW_DAYS_MAX {
            if before > 0.1 {
                self.level += (share / before - self.level) / f64::from(WARM_UP_DAYS);
            }
            self.shape(weekday, before + (share / self.level.max(1e-9) - before) / 8.0);
            self.settle();
        }
        self.low_days = if is_low { self.low_days + 1 } else { 0 };
        DayWeight { weight, missing: if is_low { 1.0 - ratio } else { 0.0 } }
    }

    /// What days ahead count for: seven in a week.
    #[must_use]
    pub fn ahead(&self) -> [f64; 7] {
        let sum: f64 = self.profile.iter().sum();
        if self.seen <= WARM_UP_DAYS || sum <= 0.0 { [1.0; 7] } else { self.profile.map(|share| share * 7.0 / sum) }
    }

    /// Keeps the mean of the profile at 1, so that a fleet which changes as a whole changes the level.
    fn settle(&mut self) {
        let mean = self.profile.iter().sum::<f64>() / 7.0;
        if mean > 0.0 {
            self.profile.iter_mut().for_each(|share| *share /= mean);
            self.level *= mean;
        }
    }

    fn shape(&mut self, weekday: usize, share: f64) {
        if let Some(known) = self.profile.get_mut(weekday) {
            *known = share.clamp(0.0, 7.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shares of 1,000 accounts on successive days from a Monday; the weight of the last.
    fn weight_after(shares: impl IntoIterator<Item = f64>) -> DayWeight {
        let mut watch = Watch::default();
        let monday = 20_003;
        assert_eq!(Day::new(monday).weekday(), 0);
        let mut last = DayWeight { weight: 1.0, missing: 0.0 };
        for (day, share) in (monday..).zip(shares) {
            last = watch.observe(Day::new(day), share * 1000.0, 1000.0);
        }
        last
    }

    fn weeks(count: usize) -> impl Iterator<Item = f64> {
        [0.5, 0.5, 0.5, 0.5, 0.5, 0.1, 0.1].into_iter().cycle().take(7 * count)
    }

    #[test]
    fn weekends_count_less_and_are_nothing_out_of_the_ordinary() {
        let sunday = weight_after(weeks(10));
        assert!(sunday.weight < 0.35 && sunday.missing == 0.0, "{sunday:?}");
        let monday = weight_after(weeks(10).chain([0.5]));
        assert!((1.1..1.6).contains(&monday.weight) && monday.missing == 0.0, "{monday:?}");
    }

    #[test]
    fn a_holiday_is_missing_days_until_it_has_become_usual() {
        let first = weight_after(weeks(10).chain([0.05]));
        assert!(first.weight < 0.2 && first.missing > 0.8, "{first:?}");
        let after_two_weeks = weight_after(weeks(10).chain(weeks(2).map(|share| share / 10.0)));
        assert!(after_two_weeks.missing > 0.8, "{after_two_weeks:?}");
        let after_half_a_year = weight_after(weeks(10).chain(weeks(26).map(|share| share / 10.0)));
        assert!(after_half_a_year.missing < 0.3, "{after_half_a_year:?}");
    }

    #[test]
    fn a_fleet_that_slowly_changes_as_a_whole_has_usual_days() {
        let fading = (0..300).map(|day| 0.5 * 0.99_f64.powi(day));
        let last = weight_after(fading);
        assert!((0.6..1.1).contains(&last.weight) && last.missing == 0.0, "{last:?}");
    }

    #[test]
    fn days_ahead_follow_the_week_and_days_before_are_days() {
        let usual = DayWeight { weight: 1.0, missing: 0.0 };
        let profile = [1.4, 1.4, 1.4, 1.4, 1.4, 0.0, 0.0];
        let calendar = Calendar::of(Day::new(20_008), vec![usual; 5], profile); // ends before a Saturday
        let at = |day: u16| Day::new(day).start();
        assert!((calendar.fleet_days(Day::new(20_007), at(20_010)) - 1.0).abs() < 1e-9);
        assert!((calendar.fleet_days(Day::new(20_007), at(20_011)) - 2.4).abs() < 1e-9);
        assert!((calendar.fleet_days(Day::new(20_008), at(20_008 + 28)) - 28.0).abs() < 1e-9);
        assert!((calendar.fleet_days(Day::new(19_000), at(20_003)) - 1003.0).abs() < 1e-9);
    }

    #[test]
    fn the_day_after_some_fleet_days_is_where_they_have_passed() {
        let week = [1.3, 1.3, 1.3, 1.3, 1.2, 0.3, 0.3].map(|weight| DayWeight { weight, missing: 0.0 });
        let calendar = Calendar::of(Day::new(20_017), week.repeat(2), [1.3, 1.3, 1.3, 1.3, 1.2, 0.3, 0.3]);
        for calendar in [calendar, Calendar::default()] {
            for (from, passed) in [(19_990, 3.0), (20_003, 0.5), (20_005, 7.0), (20_010, 16.0), (20_040, 2.0)] {
                let (from, after) = (Day::new(from), calendar.day_after(Day::new(from), passed));
                let before = Day::new(after.number() - 1);
                assert!(calendar.at(after) - calendar.at(from) >= passed - 1e-9, "{from:?} {passed}");
                assert!(calendar.at(before) - calendar.at(from) < passed, "{from:?} {passed}");
            }
        }
        let idle = Calendar::of(Day::new(20_003), vec![DayWeight { weight: 0.0, missing: 1.0 }], [0.0; 7]);
        assert_eq!(idle.day_after(Day::new(20_002), 1.0), Day::new(20_002 + AHEAD_DAYS_MAX));
    }

    #[test]
    fn missing_days_fade_with_the_half_life() {
        let lost = DayWeight { weight: 0.0, missing: 1.0 };
        let calendar = Calendar::of(Day::new(20_001), vec![lost], [1.0; 7]);
        let [short, long] = calendar.missing(Day::new(19_000).start(), Day::new(20_001 + 14).start());
        assert!((short - 0.5).abs() < 1e-9 && (long - libm::exp2(-14.0 / 182.0)).abs() < 1e-9);
        let since_then = calendar.missing(Day::new(20_001).start(), Day::new(20_015).start());
        assert!(since_then.iter().all(|missing| *missing <= 0.0), "{since_then:?}");
    }
}
