//! When an account was active: days, volumes, rates and gaps.
//!
//! A day is active when a person used the product on it; active days, not raw events, are the unit of activity, since
//! they predict. The last 128 days are an exact bitmap; older active days are folded, in day order, into one decayed
//! sum, so that the result does not depend on the order of arrival. Volumes are kept for the active days of 13 weeks.

mod past;

use std::sync::LazyLock;

use crate::engine::close;
use crate::engine::fleet::prior::GammaPrior;
use crate::units::{Day, Offset, Span, Timestamp};

/// Days within which late events still count: 13 weeks.
pub const HORIZON_DAYS: u16 = 91;
/// Days of the activity bitmap.
const BITMAP_DAYS: u16 = 128;
/// The bits of the bitmap that have a volume.
const HORIZON: u128 = (1 << HORIZON_DAYS) - 1;
/// Half-life of the short rate, in days.
pub const SHORT_DAYS: f64 = 14.0;
/// Half-life of the long rate, in days.
pub const LONG_DAYS: f64 = 182.0;

/// When an account was active. `Default` is an account that never was.
#[derive(Clone, Debug, PartialEq)]
pub struct Activity {
    /// Time of the first usage: since then there is something to judge; later than any while there has been none.
    pub first_at: Timestamp,
    /// Time of the last event of any kind.
    pub latest_at: Timestamp,
    /// Time of the last usage; meaningless while `active_days` is 0.
    pub last_at: Timestamp,
    /// The record of that usage.
    pub last_offset: Offset,
    /// Its day: the anchor of `days` and `volumes`.
    pub last_day: Day,
    /// First active day.
    pub first_day: Day,
    /// Bit `i`: active `i` days before `last_day`.
    pub days: u128,
    /// Active days in all.
    pub active_days: u32,
    /// Sum over the active days older than the bitmap of `2^(-(folded_day - day)/182)`.
    pub folded: f64,
    /// The day up to which they are folded.
    pub folded_day: Day,
    /// Events of usage.
    pub uses: u32,
    /// Sum over them of `ln(1 + quantity)` in 1/1024: an integer, so that the order of arrival does not matter.
    pub magnitude: u64,
    /// Events of the account that were no usage.
    pub others: u32,
    /// Uses on each active day of the 91 days up to `last_day`, oldest first; 65,535 stands for that many and more.
    pub volumes: Vec<u16>,
}

/// What taking in a usage did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A day that was not active became active.
    NewDay,
    /// One more use on a day that was active already.
    SameDay,
    /// The day lies before the horizon: not counted.
    TooLate,
}

/// The decayed active days of an account and the exposure they came from, at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    /// Decayed active days, the first day left out.
    pub active: f64,
    /// Decayed days of exposure.
    pub exposure: f64,
}

impl Evidence {
    /// Expected active days a day: the posterior mean under a gamma prior.
    ///
    /// `(shape + active) / (exposure_days + exposure)`, the gamma-Poisson (negative binomial) model with exponential
    /// forgetting; see West and Harrison, *Bayesian Forecasting and Dynamic Models*, on discounting.
    ///
    /// ```
    /// use churnwatch::engine::{facts::activity::Evidence, fleet::prior::GammaPrior};
    /// // Five active days in ten days of exposure, against a prior of one day in four worth four days:
    /// let rate = Evidence { active: 5.0, exposure: 10.0 }.rate(GammaPrior { shape: 1.0, exposure_days: 4.0 });
    /// assert!((rate - 6.0 / 14.0).abs() < 1e-12);
    /// ```
    #[must_use]
    pub fn rate(&self, prior: GammaPrior) -> f64 {
        (prior.shape + self.active) / (prior.exposure_days + self.exposure)
    }
}

/// How active an account is, as the evidence for its rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rhythm {
    /// With a half-life of 14 days.
    pub short: Evidence,
    /// With a half-life of 182 days.
    pub long: Evidence,
    /// The same at the end of its last active day: what it was when the present silence began.
    pub before: Evidence,
}

/// What is left of weights that decay: the share since the first usage, since the day they are summed up to, and since
/// the first day.
#[derive(Clone, Copy)]
struct Decay {
    exposure: f64,
    day: f64,
    first_day: f64,
}

impl Decay {
    /// The same by the short half-life: `2^(-x/14) = (2^(-x/182))^13`.
    fn shortened(self) -> Decay {
        let short = |left: f64| {
            let (third, fourth) = (left * left * left, left * left * left * left);
            third * third * third * fourth
        };
        Decay { exposure: short(self.exposure), day: short(self.day), first_day: short(self.first_day) }
    }
}

const _: () = assert!(LONG_DAYS == 13.0 * SHORT_DAYS);

/// Gaps between successive active days within the bitmap.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Gaps {
    /// How many.
    pub count: u32,
    /// Their sum, in days.
    pub days: f64,
    /// Sum of their squares.
    pub squares: f64,
    /// The longest, in days.
    pub longest: u16,
}

impl Gaps {
    /// Coefficient of variation: 0 for clockwork, 1 for chance, more for bursts; `None` below two gaps.
    #[must_use]
    pub fn spread(&self) -> Option<f64> {
        if self.count < 2 {
            return None;
        }
        let mean = self.days / f64::from(self.count);
        Some((self.squares / f64::from(self.count) - mean * mean).max(0.0).sqrt() / mean)
    }
}

impl Default for Activity {
    fn default() -> Activity {
        Activity {
            first_at: Timestamp::MAX,
            latest_at: Timestamp::default(),
            last_at: Timestamp::default(),
            last_offset: Offset::default(),
            last_day: Day::default(),
            first_day: Day::default(),
            days: 0,
            active_days: 0,
            folded: 0.0,
            folded_day: Day::default(),
            uses: 0,
            magnitude: 0,
            others: 0,
            volumes: Vec::new(),
        }
    }
}

impl Activity {
    /// Notes that an event of any kind happened at `time`.
    pub fn note(&mut self, time: Timestamp) {
        self.latest_at = self.latest_at.max(time);
    }

    /// Takes in `quantity` uses at `time`, told by the record at `offset`.
    pub fn take(&mut self, time: Timestamp, quantity: u32, offset: Offset) -> Taken {
        let day = time.day();
        self.first_at = self.first_at.min(time);
        // As nearly always.
        let is_newest = self.active_days > 0 && day > self.last_day;
        if self.active_days == 0 {
            self.last_day = day;
            self.first_day = day;
        } else if is_newest {
            self.advance_to(day);
        } else if self.last_day.since(day) >= HORIZON_DAYS {
            return Taken::TooLate;
        }
        if (time, offset) > (self.last_at, self.last_offset) {
            (self.last_at, self.last_offset) = (time, offset);
        }
        self.first_day = self.first_day.min(day);
        self.uses = self.uses.saturating_add(1);
        self.magnitude = self.magnitude.saturating_add(magnitude(quantity));
        let uses = u16::try_from(quantity).unwrap_or(u16::MAX);
        if is_newest {
            let end = self.volumes.len();
            super::insert(&mut self.volumes, end, uses);
            self.days |= 1;
            self.active_days = self.active_days.saturating_add(1);
            return Taken::NewDay;
        }
        let age = self.last_day.since(day);
        let older = self.days_from(age + 1);
        if self.days >> age & 1 == 1 {
            if let Some(volume) = self.volumes.get_mut(older) {
                *volume = volume.saturating_add(uses);
            }
            return Taken::SameDay;
        }
        super::insert(&mut self.volumes, older, uses);
        self.days |= 1 << age;
        self.active_days = self.active_days.saturating_add(1);
        Taken::NewDay
    }

    /// Active days that have a volume and lie `age` days or more before `last_day`: where the volumes after them begin.
    fn days_from(&self, age: u16) -> usize {
        (self.days & HORIZON).checked_shr(age.into()).unwrap_or(0).count_ones() as usize
    }

    /// How many volumes belong to the active days: the length of `volumes`.
    #[must_use]
    pub fn volumes_len(&self) -> usize {
        self.days_from(0)
    }

    /// Moves the anchor to a later `day`: drops the volumes that leave the horizon and folds what leaves the bitmap,
    /// oldest first.
    fn advance_to(&mut self, day: Day) {
        let shift = day.since(self.last_day);
        self.volumes.drain(..self.days_from(HORIZON_DAYS.saturating_sub(shift)).min(self.volumes.len()));
        let mut leaving = if shift >= BITMAP_DAYS { self.days } else { self.days & !(u128::MAX >> shift) };
        while let Some(age) = leaving.checked_ilog2() {
            leaving &= !(1 << age);
            let left = Day::new(self.last_day.number().saturating_sub(u16::try_from(age).unwrap_or(BITMAP_DAYS)));
            self.folded = self.folded * half(left.since(self.folded_day), LONG_DAYS) + 1.0;
            self.folded_day = left;
        }
        self.days = self.days.checked_shl(u32::from(shift)).unwrap_or(0);
        self.last_day = day;
    }

    /// `A_14` and `A_182` as of `day`, which is one of the bitmap's; later activity is left out.
    fn decayed(&self, day: Day) -> [f64; 2] {
        let mut sums = [0.0_f64; 2];
        let rest = self.days.checked_shr(self.last_day.since(day).into()).unwrap_or(0);
        #[allow(clippy::cast_possible_truncation)] // its two halves
        let halves = [rest as u64, (rest >> 64) as u64];
        for (mut rest, weights) in halves.into_iter().zip(decay::WEIGHTS.iter()) {
            for weights in weights {
                if rest == 0 {
                    break;
                }
                if let Some([short, long]) = weights.get((rest & 15) as usize) {
                    sums[0] += short;
                    sums[1] += long;
                }
                rest >>= 4;
            }
        }
        if self.folded > 0.0 {
            sums[1] += self.folded * half(day.since(self.folded_day), LONG_DAYS);
        }
        sums
    }

    /// Brings it close: every line of the cache that it lies in, but for its volumes.
    pub(in crate::engine) fn bring_close(&self) {
        close::item(&self.days);
        close::item(&self.first_at);
        close::item(&self.last_offset);
        close::item(&self.volumes);
        close::item(&self.last_day);
    }

    /// Whether the product was ever used.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.active_days > 0
    }

    /// Whole days without usage at `now`, counted after the last active day; 0 on that day and when never used.
    #[must_use]
    pub fn quiet_days(&self, now: Timestamp) -> u16 {
        if self.is_used() { now.day().since(self.last_day) } else { 0 }
    }

    /// Its rates at `now` and before the present silence, as decayed active days and exposure.
    ///
    /// `exposure = (1 - 2^(-(T-b)/h)) h / ln 2`; `active = A 2^(-(T-1-dl)/h) - x0 2^(-(T-1-floor(b))/h)`, where `b` is
    /// the first usage, `dl` the last active day and `x0` 1 when the day of the first event was active: that day is
    /// the reason why the account is known, not evidence of its rate.
    #[must_use]
    pub fn rhythm(&self, now: Timestamp) -> Rhythm {
        let [short, long] = self.decayed(self.last_day);
        let at_now = self.decay(self.last_day, now.days());
        // Before the silence, all of it stood a whole silence higher.
        let Decay { exposure, day, first_day } = at_now;
        let at_last = Decay { exposure: (exposure / day).min(1.0), day: 1.0, first_day: first_day / day };
        Rhythm {
            short: self.evidence(short, at_now.shortened(), SHORT_DAYS),
            long: self.evidence(long, at_now, LONG_DAYS),
            before: self.evidence(long, at_last, LONG_DAYS),
        }
    }

    /// Its 182-day evidence at the end of `day`, an active day of the bitmap: later activity is left out.
    #[must_use]
    pub fn evidence_through(&self, day: Day) -> Evidence {
        let [_, long] = self.decayed(day);
        self.evidence(long, self.decay(day, f64::from(day.number()) + 1.0), LONG_DAYS)
    }

    /// What is left of the 182-day weights at `moment` (days since the epoch), of active days up to `day`.
    fn decay(&self, day: Day, moment: f64) -> Decay {
        let left = |days: f64| libm::exp2(-days / LONG_DAYS);
        Decay {
            exposure: left((moment - self.first_at.days()).max(0.0)),
            day: left(moment - 1.0 - f64::from(day.number())),
            first_day: left(moment - 1.0 - f64::from(self.first_at.day().number())),
        }
    }

    /// The evidence of `decayed` active days, of which this much is left.
    fn evidence(&self, decayed: f64, left: Decay, half_life: f64) -> Evidence {
        if !self.is_used() {
            return Evidence { active: 0.0, exposure: 0.0 };
        }
        let mut active = decayed * left.day;
        if self.first_day == self.first_at.day() {
            active -= left.first_day;
        }
        let exposure = (1.0 - left.exposure) * half_life / std::f64::consts::LN_2;
        Evidence { active: active.max(0.0), exposure }
    }

    /// Whether it was active on `day`; days before the bitmap count as not.
    #[must_use]
    pub fn is_active_on(&self, day: Day) -> bool {
        self.is_used() && day <= self.last_day && self.bit(self.last_day.since(day))
    }

    fn bit(&self, age: u16) -> bool {
        self.days.checked_shr(age.into()).is_some_and(|days| days & 1 == 1)
    }

    /// Whether it was active on any day from `begin` to before `end`, as far as the bitmap reaches.
    #[must_use]
    pub fn is_active_within(&self, begin: Day, end: Day) -> bool {
        self.last_active_before(end).is_some_and(|last| last >= begin)
    }

    /// The last active day before `day`; `None` where there is none in the bitmap.
    #[must_use]
    pub fn last_active_before(&self, day: Day) -> Option<Day> {
        if !self.is_used() {
            return None;
        }
        let skipped = (self.last_day.number() + 1).saturating_sub(day.number());
        let rest = self.days.checked_shr(skipped.into()).filter(|rest| *rest != 0)?;
        let age = u32::from(skipped) + rest.trailing_zeros();
        self.last_day.number().checked_sub(u16::try_from(age).ok()?).map(Day::new)
    }

    /// Active days up to `day`, a day of the bitmap.
    #[must_use]
    pub fn active_days_through(&self, day: Day) -> u32 {
        let later = self.last_day.since(day).min(BITMAP_DAYS - 1);
        self.active_days.saturating_sub((self.days & ((1 << later) - 1)).count_ones())
    }

    /// Mean of `ln(1 + quantity)` over its uses: the size of what is done at a time; that of 1 when it was never used.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // 2^32 uses of at most ln(2^32)
    pub fn mean_magnitude(&self) -> f64 {
        if self.uses == 0 { std::f64::consts::LN_2 } else { self.magnitude as f64 / 1024.0 / f64::from(self.uses) }
    }

    /// Uses on each active day from `begin` to before `end`, oldest first, as far as they are kept.
    #[must_use]
    pub fn volumes_between(&self, begin: Day, end: Day) -> &[u16] {
        let age = |day: Day| (self.last_day.number() + 1).saturating_sub(day.number());
        self.volumes.get(self.days_from(age(begin))..self.days_from(age(end))).unwrap_or_default()
    }

    /// Uses in the `days` days that end `skip` days before the day of `now`, that day left out since it is not over.
    #[must_use]
    pub fn volume(&self, now: Timestamp, skip: u16, days: u16) -> u64 {
        // Days are counted back from `last_day`.
        let offset = i32::from(now.day().number()) - 1 - i32::from(skip) - i32::from(self.last_day.number());
        let first = u16::try_from(-offset).unwrap_or(0);
        let end = u16::try_from(i32::from(days) - offset).unwrap_or(0);
        let part = self.volumes.get(self.days_from(end)..self.days_from(first)).unwrap_or_default();
        u64::from(part.iter().map(|volume| u32::from(*volume)).sum::<u32>())
    }

    /// Active days among the `days` days that end `skip` days before the day of `now`, that day left out.
    #[must_use]
    pub fn active_days_within(&self, now: Timestamp, skip: u16, days: u16) -> u32 {
        let newest = i32::from(now.day().number()) - 1 - i32::from(skip);
        let age_min = i32::from(self.last_day.number()) - newest;
        let age_max = age_min + i32::from(days) - 1;
        if age_max < 0 || age_min >= i32::from(BITMAP_DAYS) || !self.is_used() {
            return 0;
        }
        let low = age_min.max(0);
        let high = age_max.min(i32::from(BITMAP_DAYS) - 1);
        let width = high - low + 1;
        let mask = if width >= 128 { u128::MAX } else { (1_u128 << width) - 1 };
        (self.days >> low & mask).count_ones()
    }

    /// The gaps between successive active days of the bitmap.
    #[must_use]
    pub fn gaps(&self) -> Gaps {
        let mut gaps = Gaps::default();
        let mut rest = self.days >> 1;
        // Bit 0 is the last active day; each further set bit closes one gap.
        while rest != 0 {
            let gap = rest.trailing_zeros() + 1;
            gaps.count += 1;
            gaps.days += f64::from(gap);
            gaps.squares += f64::from(gap) * f64::from(gap);
            gaps.longest = gaps.longest.max(u16::try_from(gap).unwrap_or(u16::MAX));
            rest = rest.checked_shr(gap).unwrap_or(0);
        }
        gaps
    }

    /// How long the account is known at `now`.
    #[must_use]
    pub fn known_for(&self, now: Timestamp) -> Span {
        now.since(self.first_at.min(now))
    }
}

/// `ln(1 + quantity)` in 1/1024.
#[allow(clippy::cast_precision_loss)] // below 64
fn magnitude(quantity: u32) -> u64 {
    // Nearly all are small.
    static SMALL: LazyLock<[u64; 64]> = LazyLock::new(|| std::array::from_fn(|quantity| log_of(quantity as f64)));
    SMALL.get(quantity as usize).copied().unwrap_or_else(|| log_of(f64::from(quantity)))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // at most ln(2^32)
fn log_of(quantity: f64) -> u64 {
    (libm::log1p(quantity) * 1024.0).round() as u64
}

/// `2^(-days / half_life)`.
fn half(days: u16, half_life: f64) -> f64 {
    libm::exp2(-f64::from(days) / half_life)
}

/// Weights of four days at a time, so that a bitmap sums up in 32 look-ups.
mod decay {
    use super::{LONG_DAYS, LazyLock, SHORT_DAYS, half};

    /// By half of the bitmap, by four days in it, by which of these are active: their weights by half-life.
    type Weights = [[[[f64; 2]; 16]; 16]; 2];

    pub static WEIGHTS: LazyLock<Weights> = LazyLock::new(|| {
        let mut weights = [[[[0.0; 2]; 16]; 16]; 2];
        for (first, sums) in (0_u16..).step_by(4).zip(weights.as_flattened_mut()) {
            for (bits, sums) in sums.iter_mut().enumerate() {
                let active = || (0..4).filter(|bit| bits >> bit & 1 == 1);
                *sums = [SHORT_DAYS, LONG_DAYS].map(|half_life| active().map(|bit| half(first + bit, half_life)).sum());
            }
        }
        weights
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::DAY_MS;

    fn at(day: u16) -> Timestamp {
        Timestamp::clamped((i64::from(day) + 20_000) * DAY_MS + 3_600_000)
    }

    fn active_on(days: &[u16]) -> Activity {
        let mut activity = Activity::default();
        for day in days {
            activity.note(at(*day));
            activity.take(at(*day), 1, Offset(0));
        }
        activity
    }

    #[test]
    fn decayed_sums_follow_the_recursion_of_the_formula() {
        let days: Vec<u16> = (0..400).filter(|day| day % 3 == 0 || day % 7 == 1).collect();
        let activity = active_on(&days);
        for (half_life, got) in
            [(SHORT_DAYS, activity.decayed(activity.last_day)[0]), (LONG_DAYS, activity.decayed(activity.last_day)[1])]
        {
            let mut expected = 0.0;
            let mut last = days[0];
            for day in &days {
                expected = expected * half(day - last, half_life) + 1.0;
                last = *day;
            }
            // The short sum leaves out what is older than the bitmap: 2^(-128/14) of it at most.
            assert!((got - expected).abs() < 0.02, "{half_life}: {got} against {expected}");
        }
        assert_eq!(activity.active_days as usize, days.len());
    }

    #[test]
    fn order_within_the_horizon_does_not_matter() {
        let forwards = active_on(&[0, 3, 10, 80, 90, 150]);
        let shuffled = active_on(&[80, 0, 90, 10, 3, 150]);
        assert_eq!(forwards, shuffled);
    }

    #[test]
    fn what_lies_before_the_horizon_is_too_late() {
        let mut activity = active_on(&[100]);
        assert_eq!(activity.take(at(100 - HORIZON_DAYS), 1, Offset(1)), Taken::TooLate);
        assert_eq!(activity.take(at(101 - HORIZON_DAYS), 1, Offset(1)), Taken::NewDay);
    }

    #[test]
    fn gaps_are_those_between_active_days() {
        let gaps = active_on(&[0, 1, 4, 11]).gaps();
        assert_eq!(gaps, Gaps { count: 3, days: 11.0, squares: 1.0 + 9.0 + 49.0, longest: 7 });
        assert_eq!(active_on(&[5]).gaps().count, 0);
        assert_eq!(active_on(&[0, 127]).gaps().longest, 127);
    }

    #[test]
    fn what_was_known_before_a_time_is_what_came_before_it() {
        let days = [0, 3, 10, 80, 90, 120];
        let activity = active_on(&days);
        for end in 81..130 {
            let known: Vec<u16> = days.into_iter().filter(|day| *day < end).collect();
            let (then, expected) = (activity.before(at(end)).unwrap(), active_on(&known));
            assert_eq!(
                (then.last_day, then.active_days, then.gaps()),
                (expected.last_day, expected.active_days, expected.gaps())
            );
            assert_eq!((&then.volumes, then.rhythm(at(end))), (&expected.volumes, expected.rhythm(at(end))), "{end}");
        }
        // Everything in the bitmap is later, or everything is.
        assert_eq!(active_on(&[0, 200]).before(at(150)), None);
        assert!(!activity.before(at(0)).unwrap().is_used());
        assert_eq!(activity.first_active_after(at(10).day()), Some(at(80).day()));
        assert_eq!(activity.first_active_after(at(120).day()), None);
    }

    #[test]
    fn an_account_that_comes_back_begins_anew() {
        let days: Vec<u16> = (0..60).chain([103, 110, 111]).collect();
        let activity = active_on(&days);
        // Used since, on the day itself, and not at all.
        for (back_on, as_if) in [(100, &[100, 103, 110, 111][..]), (103, &[103, 110, 111]), (120, &[120])] {
            let (since, expected) = (activity.since(at(back_on)), active_on(as_if));
            assert_eq!((since.last_day, since.days), (expected.last_day, expected.days), "{back_on}");
            assert_eq!((since.active_days, since.volumes.len()), (expected.active_days, since.volumes_len()));
            assert_eq!(since.rhythm(at(130)), expected.rhythm(at(130)), "{back_on}");
            assert_eq!(since.last_at, expected.last_at);
            assert_eq!(u32::try_from(as_if.len()).unwrap(), since.uses);
        }
        let unused = Activity::default();
        assert_eq!(unused.since(at(100)), unused);
    }

    #[test]
    fn windows_count_whole_days_before_today() {
        let activity = active_on(&[0, 1, 2, 27, 28, 40]);
        assert_eq!(activity.volume(at(41), 0, 28), 3);
        assert_eq!(activity.active_days_within(at(41), 0, 28), 3);
        assert_eq!(activity.volume(at(41), 28, 28), 3);
        assert_eq!(activity.active_days_within(at(41), 28, 28), 3);
        assert_eq!(activity.active_days_within(at(200), 0, 28), 0);
        assert_eq!(activity.quiet_days(at(45)), 5);
    }
}
