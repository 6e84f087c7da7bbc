//! Cut-offs where nobody names any: monthly, once the log has warmed up.

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveTime};

use crate::units::{Span, Timestamp};

/// Before the first cut-off there is this much of the log, or [`WARM_UP_SHARE`] of it where that is less (91 days).
const WARM_UP: Span = Span::from_days(91);
/// One part in this many of the log at most is for warming up.
const WARM_UP_SHARE: i64 = 3;
/// Cut-offs taken: the last ones.
pub const CUTOFFS_MAX: usize = 12;

/// The first moments of the calendar months (UTC) that have a warm-up before them and the whole horizon after them in a
/// log from `first` to `last`; the last [`CUTOFFS_MAX`] of them.
///
/// ```
/// use churnwatch::evaluation::cutoffs::monthly;
/// use churnwatch::units::{Span, Timestamp};
/// let first = Timestamp::from_ms(1_767_225_600_000).unwrap(); // 2026-01-01
/// let found = monthly(first, first.plus(Span::from_days(200)), Span::from_days(28));
/// let found: Vec<String> = found.iter().map(|cutoff| cutoff.to_string()[..10].to_owned()).collect();
/// // A third of the log is 66.7 days; the horizon of 2026-07-01 ends after the log does.
/// assert_eq!(found, ["2026-04-01", "2026-05-01", "2026-06-01"]);
/// ```
#[must_use]
pub fn monthly(first: Timestamp, last: Timestamp, horizon: Span) -> Vec<Timestamp> {
    let warm_up = WARM_UP.min(Span::from_ms(last.since(first).ms() / WARM_UP_SHARE));
    let from = first.plus(warm_up);
    let mut cutoffs = Vec::new();
    let mut month = month_of(from);
    while let Some((cutoff, day)) = month.and_then(|day| Some((start_of(day)?, day))) {
        if cutoff.plus(horizon) > last {
            break;
        }
        if cutoff >= from {
            cutoffs.push(cutoff);
        }
        month = day.checked_add_months(Months::new(1));
    }
    cutoffs.split_off(cutoffs.len().saturating_sub(CUTOFFS_MAX))
}

/// The first day of the month of `time`.
fn month_of(time: Timestamp) -> Option<NaiveDate> {
    let day = DateTime::from_timestamp_millis(time.ms())?.date_naive();
    NaiveDate::from_ymd_opt(day.year(), day.month(), 1)
}

fn start_of(day: NaiveDate) -> Option<Timestamp> {
    Timestamp::from_ms(day.and_time(NaiveTime::MIN).and_utc().timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_log_has_none_and_a_long_one_the_last_twelve() {
        let first = Timestamp::MIN;
        assert_eq!(monthly(first, first, Span::from_days(28)), []);
        assert_eq!(monthly(first, first.plus(Span::from_days(40)), Span::from_days(28)), []);
        let long = monthly(first, first.plus(Span::from_days(2_000)), Span::from_days(28));
        assert_eq!(long.len(), CUTOFFS_MAX);
        assert!(long.iter().all(|cutoff| cutoff.plus(Span::from_days(28)) <= first.plus(Span::from_days(2_000))));
    }
}
