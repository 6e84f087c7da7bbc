//! Which event ids an account has shown lately, so that a record delivered twice counts once.
//!
//! Hashes of ids in two windows that move on with the account's own event time: an id is remembered for one to two
//! windows of the account's activity, late events included. Each window holds at most [`BUCKET_MAX`]; beyond that its
//! oldest ids make room.

use crate::units::{Span, Timestamp};

/// Ids kept of each of the two windows.
pub const BUCKET_MAX: usize = 112;

/// Event ids seen lately.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Dedup {
    /// The window in which ids are noted now: event time divided by the window.
    pub window: i64,
    /// Hashes seen: those of the window before, then those of this one, each in order of arrival.
    pub ids: Ids,
    /// How many of them belong to the window before.
    pub previous: u8,
}

/// Hashes of ids in order of arrival. Most accounts have one at a time, which needs no memory of its own.
#[derive(Clone, Debug)]
pub enum Ids {
    /// One.
    One(u64),
    /// Any number; what was made for several stays so.
    Many(Vec<u64>),
}

impl Default for Ids {
    fn default() -> Ids {
        Ids::Many(Vec::new())
    }
}

impl PartialEq for Ids {
    fn eq(&self, other: &Ids) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl From<&[u64]> for Ids {
    fn from(ids: &[u64]) -> Ids {
        if let [id] = ids { Ids::One(*id) } else { Ids::Many(ids.to_vec()) }
    }
}

impl Ids {
    /// The hashes.
    #[must_use]
    pub fn as_slice(&self) -> &[u64] {
        match self {
            Ids::One(id) => std::slice::from_ref(id),
            Ids::Many(ids) => ids,
        }
    }

    fn push(&mut self, id: u64) {
        match self {
            Ids::Many(ids) if ids.capacity() == 0 => *self = Ids::One(id),
            Ids::Many(ids) => {
                let end = ids.len();
                super::facts::insert(ids, end, id);
            }
            Ids::One(first) => *self = Ids::Many(vec![*first, id]),
        }
    }

    /// Takes out those in `range`.
    fn remove(&mut self, range: std::ops::Range<usize>) {
        match self {
            Ids::Many(ids) => drop(ids.drain(range)),
            Ids::One(_) if range.is_empty() => {}
            Ids::One(_) => *self = Ids::default(),
        }
    }
}

impl Dedup {
    /// Notes an event id; true when it was seen before.
    pub fn is_repeated(&mut self, id: u64, time: Timestamp, window: Span) -> bool {
        let number = time.ms() / window.ms().max(1);
        let known = self.ids.as_slice().len();
        if number > self.window {
            // What is older than the window before this one is forgotten.
            if number == self.window + 1 {
                self.ids.remove(0..self.previous.into());
                self.previous = u8::try_from(known - usize::from(self.previous)).unwrap_or(u8::MAX);
            } else {
                self.ids.remove(0..known);
                self.previous = 0;
            }
            self.window = number;
        }
        let known = self.ids.as_slice();
        if known.contains(&id) {
            return true;
        }
        let previous = usize::from(self.previous);
        if known.len() - previous >= BUCKET_MAX {
            self.ids.remove(previous..previous + 1);
        }
        self.ids.push(id);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_known_for_one_to_two_windows() {
        let window = Span::from_hours(1);
        let at = |minutes: i64| Timestamp::clamped(1_700_000_000_000 / 3_600_000 * 3_600_000 + minutes * 60_000);
        let mut dedup = Dedup::default();
        assert!(!dedup.is_repeated(7, at(5), window));
        assert!(dedup.is_repeated(7, at(5), window));
        assert!(!dedup.is_repeated(8, at(70), window));
        assert!(dedup.is_repeated(7, at(5), window), "a late repetition within the window before");
        assert!(!dedup.is_repeated(9, at(130), window));
        assert!(dedup.is_repeated(8, at(70), window));
        assert!(!dedup.is_repeated(7, at(5), window), "two windows on, it is forgotten");
    }

    #[test]
    fn a_bucket_is_bounded() {
        let mut dedup = Dedup::default();
        for id in 0..10_000 {
            dedup.is_repeated(id, Timestamp::MIN, Span::from_hours(1));
        }
        assert_eq!(dedup.ids.as_slice().len(), BUCKET_MAX);
        assert!(dedup.is_repeated(9_999, Timestamp::MIN, Span::from_hours(1)));
    }
}
