//! How regularly an account comes: its gaps between active days, measured in days of the fleet.
//!
//! What several signals ask of one account. Gaps are those of the bitmap of active days; weekends, holidays and outages
//! count in them only as much as the fleet was active. Not here: what a silence or a fall is worth.

use super::Case;
use super::statistics::RegularGaps;
use crate::units::Day;

/// With fewer gaps there is no rhythm to speak of.
pub const GAPS_MIN: u32 = 3;
/// So many gaps' worth of doubt that the account is regular: its spread is drawn towards that of chance.
const DOUBT_GAPS: f64 = 4.0;
/// No account is taken to be more regular than this.
const SHAPE_MAX: f64 = 6.0;

/// The rhythm of an account.
pub struct Rhythm {
    /// How many gaps, divided by their spread where they are less regular than chance.
    pub count: f64,
    /// Their mean, in fleet days.
    pub mean: f64,
    /// Their squared coefficient of variation, drawn towards that of chance: 1 for chance, above for bursts, below for the
    /// regular.
    pub spread: f64,
}

impl Rhythm {
    /// The rhythm of the account; `None` below [`GAPS_MIN`] gaps.
    pub fn of(case: &Case<'_>) -> Option<Rhythm> {
        let (count, total) = gaps(case);
        if count < GAPS_MIN || total <= 0.0 {
            return None;
        }
        let mut rest = case.account.activity.days >> 1;
        let (mut age, mut end, mut squares) = (0, case.calendar.at(case.account.activity.last_day), 0.0);
        // Bit 0 is the last active day; each further set bit closes one gap.
        while rest != 0 {
            let gap = rest.trailing_zeros() + 1;
            age += gap;
            rest = rest.checked_shr(gap).unwrap_or(0);
            let begin = case.calendar.at(days_before_last(case, age));
            squares += (end - begin) * (end - begin);
            end = begin;
        }
        let count = f64::from(count);
        let mean = total / count;
        let spread = (squares / count / (mean * mean) - 1.0).max(0.0);
        if spread >= 1.0 {
            return Some(Rhythm { count: count / spread, mean, spread });
        }
        // The spread of few gaps is found too small, by one gap of their number.
        let spread = (count * spread + DOUBT_GAPS) / (count - 1.0 + DOUBT_GAPS);
        Some(Rhythm { count, mean, spread })
    }

    /// Its gaps as those of a gamma distribution: bursts are told by the count already.
    pub fn regular(&self) -> RegularGaps {
        let shape = (1.0 / self.spread).clamp(1.0, SHAPE_MAX);
        RegularGaps { count: self.count, total: self.mean * self.count, shape }
    }
}

/// How many gaps there are, and their sum in fleet days.
pub fn gaps(case: &Case<'_>) -> (u32, f64) {
    let activity = &case.account.activity;
    let Some(oldest) = activity.days.checked_ilog2() else { return (0, 0.0) };
    let first = days_before_last(case, oldest);
    (activity.days.count_ones() - 1, case.calendar.at(activity.last_day) - case.calendar.at(first))
}

fn days_before_last(case: &Case<'_>, age: u32) -> Day {
    Day::new(case.account.activity.last_day.number().saturating_sub(u16::try_from(age).unwrap_or(u16::MAX)))
}
