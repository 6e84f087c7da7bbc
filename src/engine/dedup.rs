//! Which event ids an account has shown lately, so that a record delivered twice counts once.
//!
//! Hashes of ids in two windows that move on with the account's own event time: an id is remembered for one to two
//! windows of the account's activity, late events included. Each window holds at most [`BUCKET_MAX`]; beyond that its
//! oldest ids make room.

use crate::units::{Span, Timestamp};

/// Ids kept of each of the two windows.
pub const BUCKET_MAX: usize = 128;

/// Event ids seen lately.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Dedup {
    /// The window in which ids are noted now: event time divided by the window.
    pub window: i64,
    /// Hashes seen: those of the window before, then those of this one, each in order of arrival.
    pub ids: Vec<u64>,
    /// How many of them belong to the window before.
    pub previous: u8,
}

impl Dedup {
    /// Notes an event id; true when it was seen before.
    pub fn is_repeated(&mut self, id: u64, time: Timestamp, window: Span) -> bool {
        let number = time.ms() / window.ms().max(1);
        if number > self.window {
            // What is older than the window before this one is forgotten.
            if number == self.window + 1 {
                self.ids.drain(..usize::from(self.previous));
                self.previous = u8::try_from(self.ids.len()).unwrap_or(u8::MAX);
            } else {
                self.ids.clear();
                self.previous = 0;
            }
            self.window = number;
        }
        if self.ids.contains(&id) {
            return true;
        }
        if self.ids.len() - usize::from(self.previous) >= BUCKET_MAX {
            self.ids.remove(usize::from(self.previous));
        }
        let end = self.ids.len();
        super::facts::insert(&mut self.ids, end, id);
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
        assert_eq!(dedup.ids.len(), BUCKET_MAX);
        assert!(dedup.is_repeated(9_999, Timestamp::MIN, Span::from_hours(1)));
    }
}
