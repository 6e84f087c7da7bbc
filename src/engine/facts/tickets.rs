//! Support tickets: when they were opened, closed and opened again, how bad and about what.
//!
//! The latest [`ENTRIES_MAX`] openings and closings one by one: what became of a ticket is put together by whoever asks,
//! so that a closing may arrive before its opening. Before these the first openings of tickets that are open still, the
//! oldest [`LEFT_OPEN_MAX`]; a closing that comes before its opening, and both after as many others as are kept, is not
//! remembered. And how many were opened in each of the last [`WEEKS`] weeks.

use super::Stamp;
use crate::units::{Offset, Span, Timestamp};

/// Latest openings and closings kept.
pub const ENTRIES_MAX: usize = 20;
/// Openings kept before them, of tickets that are open still.
pub const LEFT_OPEN_MAX: usize = 4;
/// A ticket of which nothing was heard for so long is forgotten, whether closed or not.
pub const FORGOTTEN: Span = Span::from_days(180);
/// Weeks of which the openings are counted, the latest included.
pub const WEEKS: usize = 14;

/// The support tickets of an account.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Tickets {
    /// The latest openings and closings, at most [`ENTRIES_MAX`], behind at most [`LEFT_OPEN_MAX`] earlier openings; oldest
    /// first.
    pub entries: Vec<Entry>,
    /// Openings by week, at `week % WEEKS`, for the weeks up to `last_week`; 255 stands for that many and more.
    pub by_week: [u8; WEEKS],
    /// The week of the latest opening.
    pub last_week: u16,
}

/// A ticket was opened or closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub stamp: Stamp,
    /// Hash of the ticket's id.
    pub ticket: u32,
    /// What happened to it.
    pub what: What,
    /// The record that told it.
    pub offset: Offset,
}

/// What happened to a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Opened, for the first time or again.
    Opened {
        /// How bad.
        grade: Grade,
        /// Hash of its topic; 0 where none was told.
        topic: u32,
    },
    /// Closed.
    Closed,
}

impl Entry {
    /// Where it stands among the others: of two at the same instant the closing comes last.
    fn place(&self) -> (Timestamp, bool, u64) {
        (self.stamp.time, self.what == What::Closed, self.stamp.tie)
    }
}

/// How bad a ticket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Anything that is not called bad.
    Ordinary,
    /// Much is hindered.
    High,
    /// Work is stopped.
    Urgent,
}

impl Grade {
    /// All grades, by their number in the state.
    pub const ALL: [Grade; 3] = [Grade::Ordinary, Grade::High, Grade::Urgent];

    /// The grade that common help desks mean by `severity`; [`Grade::Ordinary`] for words that are not known.
    ///
    /// ```
    /// use churnwatch::engine::facts::tickets::Grade;
    /// assert_eq!(Grade::of(Some("Urgent")), Grade::Urgent);
    /// assert_eq!(Grade::of(Some("p2")), Grade::High);
    /// assert_eq!(Grade::of(Some("when you find time")), Grade::Ordinary);
    /// ```
    #[must_use]
    pub fn of(severity: Option<&str>) -> Grade {
        let is_one_of =
            |words: &[&str]| severity.is_some_and(|text| words.iter().any(|w| text.eq_ignore_ascii_case(w)));
        if is_one_of(&["urgent", "critical", "blocker", "emergency", "p0", "p1", "sev0", "sev1", "s1"]) {
            Grade::Urgent
        } else if is_one_of(&["high", "major", "p2", "sev2", "s2"]) {
            Grade::High
        } else {
            Grade::Ordinary
        }
    }
}

/// One ticket, put together from its openings and closings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Hash of its id.
    pub hash: u32,
    /// When it was first opened, as far as is kept.
    pub opened_at: Timestamp,
    /// When it was last opened.
    pub reopened_at: Timestamp,
    /// How often it was opened.
    pub openings: u32,
    /// Whether it has been closed since.
    pub is_closed: bool,
    /// The worst it was called.
    pub grade: Grade,
}

impl Tickets {
    /// Takes in an opening.
    pub fn opened(&mut self, ticket: u32, severity: Option<&str>, topic: u32, stamp: Stamp, offset: Offset) {
        let grade = Grade::of(severity);
        if self.take(Entry { stamp, ticket, what: What::Opened { grade, topic }, offset }) {
            self.count(stamp.time.day().week());
        }
    }

    /// Takes in a closing.
    pub fn closed(&mut self, ticket: u32, stamp: Stamp, offset: Offset) {
        self.take(Entry { stamp, ticket, what: What::Closed, offset });
    }

    /// Whether it was news; what is kept and told again is none.
    fn take(&mut self, entry: Entry) -> bool {
        let is_new = super::insert_new(&mut self.entries, entry, Entry::place);
        if is_new {
            self.bound();
        }
        is_new
    }

    /// Lets go what is not among the latest, except how long tickets have been open.
    fn bound(&mut self) {
        let Some((earlier, latest)) = self.split().filter(|(earlier, _)| !earlier.is_empty()) else { return };
        let heard_of = latest.last().map_or(Timestamp::default(), |entry| entry.stamp.time).minus(FORGOTTEN);
        let is_left_open = |(index, entry): &(usize, &Entry)| {
            let (before, after) = earlier.split_at_checked(*index).unwrap_or_default();
            let own = |other: &&Entry| other.ticket == entry.ticket;
            let mut later = after.iter().chain(latest).filter(own);
            entry.what != What::Closed
                && entry.stamp.time > heard_of
                && !before.iter().any(|other| own(&other))
                && !later.any(|other| other.what == What::Closed)
        };
        let left_open = earlier.iter().enumerate().filter(is_left_open).map(|(_, entry)| *entry).take(LEFT_OPEN_MAX);
        let left_open: Vec<Entry> = left_open.collect();
        let count = earlier.len();
        self.entries.splice(..count, left_open);
    }

    /// The entries before the latest, and these.
    fn split(&self) -> Option<(&[Entry], &[Entry])> {
        self.entries.split_at_checked(self.entries.len().saturating_sub(ENTRIES_MAX))
    }

    /// Whether openings and closings after `from` may have been forgotten, since as many as are kept came after it.
    #[must_use]
    pub fn may_have_forgotten_after(&self, from: Timestamp) -> bool {
        self.split().is_some_and(|(_, latest)| {
            latest.len() >= ENTRIES_MAX && latest.first().is_some_and(|oldest| oldest.stamp.time > from)
        })
    }

    /// Counts an opening in `week`, where that is not too long ago.
    fn count(&mut self, week: u16) {
        for passed in (self.last_week.saturating_add(1)..=week).rev().take(WEEKS) {
            if let Some(count) = self.by_week.get_mut(usize::from(passed) % WEEKS) {
                *count = 0;
            }
        }
        self.last_week = self.last_week.max(week);
        if usize::from(self.last_week - week) < WEEKS
            && let Some(count) = self.by_week.get_mut(usize::from(week) % WEEKS)
        {
            *count = count.saturating_add(1);
        }
    }

    /// Openings in the `weeks` weeks that end `skip` weeks before `week`, that one included.
    #[must_use]
    pub fn opened_in(&self, week: u16, skip: u16, weeks: u16) -> u32 {
        let kept = |week: u16| week <= self.last_week && usize::from(self.last_week - week) < WEEKS;
        let counts = (0..weeks).filter_map(|back| week.checked_sub(skip + back)).filter(|week| kept(*week));
        counts.filter_map(|week| self.by_week.get(usize::from(week) % WEEKS)).map(|count| u32::from(*count)).sum()
    }

    /// The openings in the order of time: when, how bad, topic.
    #[must_use]
    pub fn openings(&self) -> impl DoubleEndedIterator<Item = (Timestamp, Grade, u32)> + '_ {
        self.entries.iter().filter_map(|entry| match entry.what {
            What::Opened { grade, topic } => Some((entry.stamp.time, grade, topic)),
            What::Closed => None,
        })
    }

    /// The tickets of which an opening is kept, by their first one.
    #[must_use]
    pub fn tickets(&self) -> Vec<Ticket> {
        let mut tickets: Vec<Ticket> = Vec::new();
        for entry in &self.entries {
            let known = tickets.iter_mut().find(|ticket| ticket.hash == entry.ticket);
            let at = entry.stamp.time;
            match (entry.what, known) {
                (What::Opened { grade, .. }, Some(ticket)) => {
                    ticket.reopened_at = at;
                    ticket.openings += 1;
                    ticket.is_closed = false;
                    ticket.grade = ticket.grade.max(grade);
                }
                (What::Opened { grade, .. }, None) => tickets.push(Ticket {
                    hash: entry.ticket,
                    opened_at: at,
                    reopened_at: at,
                    openings: 1,
                    is_closed: false,
                    grade,
                }),
                (What::Closed, Some(ticket)) => ticket.is_closed = true,
                (What::Closed, None) => {}
            }
        }
        tickets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::DAY_MS;

    fn stamp(day: i64) -> Stamp {
        Stamp { time: Timestamp::clamped((20_000 + day) * DAY_MS), tie: day.unsigned_abs() }
    }

    #[test]
    fn a_ticket_is_put_together_whatever_arrives_first() {
        let mut tickets = Tickets::default();
        tickets.closed(7, stamp(3), Offset(3));
        tickets.opened(7, Some("urgent"), 1, stamp(5), Offset(5));
        tickets.opened(7, None, 1, stamp(1), Offset(1));
        tickets.closed(8, stamp(2), Offset(2));
        let found = tickets.tickets();
        assert_eq!(found.len(), 1, "a closing alone is no ticket");
        assert_eq!((found[0].openings, found[0].is_closed, found[0].grade), (2, false, Grade::Urgent));
        tickets.closed(7, stamp(6), Offset(6));
        assert!(tickets.tickets()[0].is_closed);
    }

    #[test]
    fn the_latest_are_kept_in_any_order() {
        let mut forwards = Tickets::default();
        let mut backwards = Tickets::default();
        for day in 0..60 {
            forwards.opened(day, None, 0, stamp(day.into()), Offset(day.into()));
            let day = 59 - day;
            backwards.opened(day, None, 0, stamp(day.into()), Offset(day.into()));
        }
        assert_eq!(forwards, backwards);
        let opened: Vec<Timestamp> = forwards.openings().map(|(at, ..)| at).collect();
        let expected: Vec<Timestamp> = (0..4).chain(40..60).map(|day| stamp(day).time).collect();
        assert_eq!(opened, expected, "how long the oldest have been open is not forgotten");
        let week = stamp(59).time.day().week();
        assert_eq!((forwards.opened_in(week, 1, 4), forwards.opened_in(week, 0, 14)), (28, 60));
        assert_eq!(forwards.opened_in(week + 10, 0, 4), 0);
        assert!(forwards.may_have_forgotten_after(stamp(39).time));
        assert!(!forwards.may_have_forgotten_after(stamp(40).time));
        for day in 0..3 {
            forwards.closed(day, stamp(60 + i64::from(day)), Offset(90));
        }
        let oldest = |tickets: &Tickets| tickets.openings().next().map(|(at, ..)| at);
        assert_eq!(oldest(&forwards), Some(stamp(3).time));
        (0..30).for_each(|day| forwards.opened(9, None, 0, stamp(200 + day), Offset(91)));
        assert_eq!(oldest(&forwards), Some(stamp(200).time), "what nobody has heard of for long is forgotten");
    }
}
