//! A first reading of an input: which times it covers, and up to which line each day still occurs.
//!
//! Decides nothing about what lines mean and refuses none: what cannot be read is passed over here and told by the
//! replay. Memory is bounded: one number for each day there can be.

use super::replay::DUMP_HEAD;
use crate::engine::input::Input;
use crate::units::{Day, Span, Timestamp};
use crate::wire::{Decoded, Format, dump};

/// What has been seen so far.
#[derive(Debug, Default)]
pub struct Scan {
    /// Time of the earliest event; absent while there is none.
    pub first: Option<Timestamp>,
    /// Time of the latest event; absent while there is none.
    pub last: Option<Timestamp>,
    /// By the number of the day.
    days: Vec<DayLines>,
    /// How many events.
    events: u64,
}

/// The lines with events of one day.
#[derive(Clone, Copy, Debug, Default)]
struct DayLines {
    /// The index of the last one, and one more; 0 for none.
    end: u64,
    /// How many.
    count: u64,
}

/// A log begins where less than one event in this many lies before: a few old dates do not make a history.
const STRAY_SHARE: u64 = 100;

impl Scan {
    /// Takes note of the line with this index (from 0). Events after `believed_until` are passed over, since the engine
    /// refuses them; so is what no event can be read from.
    pub fn line(&mut self, index: u64, line: &[u8], format: &Format, believed_until: Timestamp) {
        let dumped = if line.trim_ascii_start().starts_with(DUMP_HEAD) { dump::decode_line(line).ok() } else { None };
        let value = match &dumped {
            Some(record) => record.value.as_deref().unwrap_or_default(),
            None => line,
        };
        let Ok(Decoded::Input(Input::Event(event))) = format.decode_source(value) else { return };
        if event.time <= believed_until {
            self.see(index, event.time);
        }
    }

    fn see(&mut self, index: u64, time: Timestamp) {
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = self.last.max(Some(time));
        self.events += 1;
        let day = usize::from(time.day().number());
        if day >= self.days.len() {
            self.days.resize(day + 1, DayLines::default());
        }
        if let Some(lines) = self.days.get_mut(day) {
            lines.end = index + 1;
            lines.count += 1;
        }
    }

    /// When the log really begins: the day by which one event in a hundred has happened; absent while there is none.
    #[must_use]
    pub fn begin(&self) -> Option<Timestamp> {
        let mut strays = self.events / STRAY_SHARE;
        let mut is_stray = |lines: &DayLines| match strays.checked_sub(lines.count) {
            Some(left) => {
                strays = left;
                true
            }
            None => false,
        };
        let day = self.days.iter().take_while(|lines| is_stray(lines)).count();
        let day = Day::new(u16::try_from(day).unwrap_or(u16::MAX)).start();
        self.first.map(|first| first.max(day))
    }

    /// The index of the last line that may hold an event from before `time`; `None` when there is none. It may name a
    /// later line of the day of `time`, never an earlier one.
    #[must_use]
    pub fn last_line_before(&self, time: Timestamp) -> Option<u64> {
        let days = usize::from(time.minus(Span::from_ms(1)).day().number()) + 1;
        let before = self.days.get(..days.min(self.days.len())).unwrap_or_default();
        before.iter().map(|lines| lines.end).max()?.checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_before_a_time_is_never_too_early() {
        let day = |day: i64| Timestamp::clamped(1_767_571_200_000).plus(Span::from_days(day));
        let mut scan = Scan::default();
        for (index, at) in [(0, day(0)), (1, day(5)), (2, day(1)), (3, day(9))] {
            scan.see(index, at.plus(Span::from_hours(1)));
        }
        let before = |at: Timestamp| scan.last_line_before(at);
        assert_eq!(before(day(0)), None);
        // The day of the cut-off counts as a whole, unless the cut-off is its beginning.
        assert_eq!(before(day(0).plus(Span::from_ms(1))), Some(0));
        assert_eq!(before(day(1)), Some(0));
        assert_eq!([day(2), day(5)].map(before), [Some(2), Some(2)]);
        // Line 1 is of day 5, but line 2 before it in time comes after it.
        assert_eq!([day(6), day(9)].map(before), [Some(2), Some(2)]);
        assert_eq!(before(day(20)), Some(3));
        assert_eq!(
            (scan.first, scan.last),
            (Some(day(0).plus(Span::from_hours(1))), Some(day(9).plus(Span::from_hours(1))))
        );
    }

    #[test]
    fn a_few_old_dates_do_not_make_a_history() {
        let day = |day: u16| Day::new(day).start();
        let mut scan = Scan::default();
        assert_eq!(scan.begin(), None);
        scan.see(0, day(15_000));
        assert_eq!(scan.begin(), Some(day(15_000)));
        (1..400).for_each(|index| scan.see(index, day(20_000)));
        assert_eq!(scan.begin(), Some(day(20_000)));
        (0..4).for_each(|index| scan.see(index, day(19_000)));
        assert_eq!(scan.begin(), Some(day(19_000)));
    }

    #[test]
    fn what_is_no_event_is_passed_over() {
        let mut scan = Scan::default();
        let event = r#"{"id":"1","time":"2026-01-05T00:00:00Z","account_id":"a","type":"session.started"}"#;
        let dumped = format!(r#"{{"topic":"t","partition":0,"offset":7,"value":{event}}}"#);
        for (index, line) in (0..).zip(["", "{", event, &dumped, r#"{"topic":1}"#]) {
            scan.line(index, line.as_bytes(), &Format::Canonical, Timestamp::MAX);
        }
        assert_eq!(scan.last_line_before(Timestamp::MAX), Some(3));
        assert_eq!(scan.last.map(|last| last.to_string()).as_deref(), Some("2026-01-05T00:00:00.000Z"));
        let mut scan = Scan::default();
        scan.line(0, event.as_bytes(), &Format::Canonical, Timestamp::MIN);
        assert_eq!(scan.last, None);
    }
}
