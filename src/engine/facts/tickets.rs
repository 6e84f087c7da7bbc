//! Support tickets: when they were opened, closed and opened again, how bad and about what.
//!
//! The latest [`ENTRIES_MAX`] openings and closings one by one: what became of a ticket is put together by whoever asks,
//! so that a closing may arrive before its opening. And how many were opened in each of the last [`WEEKS`] weeks.

use super::Stamp;
use crate::units::{Offset, Timestamp};

/// Openings and closings kept.
pub const ENTRIES_MAX: usize = 20;
/// Weeks of which the openings are counted, the latest included.
pub const WEEKS: usize = 14;

/// The support tickets of an account.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Tickets {
    /// The latest openings and closings, oldest first, at most [`ENTRIES_MAX`].
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
        if is_new && self.entries.len() > ENTRIES_MAX {
            self.entries.remove(0);
        }
        is_new
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
        assert_eq!(forwards.entries.len(), ENTRIES_MAX);
        assert_eq!(forwards.openings().next().map(|(at, ..)| at), Some(stamp(40).time));
        let week = stamp(59).time.day().week();
        assert_eq!((forwards.opened_in(week, 1, 4), forwards.opened_in(week, 0, 14)), (28, 60));
        assert_eq!(forwards.opened_in(week + 10, 0, 4), 0);
    }
}
