//! Which event ids an account has shown lately, so that a record delivered twice counts once.
//!
//! Hashes of ids in two buckets that rotate with the account's own event time: an id is remembered for one to two
//! windows of the account's activity, late events included. Each bucket holds at most [`BUCKET_MAX`]; beyond that the
//! oldest ids of the bucket make room.

use crate::units::{Span, Timestamp};

/// Ids kept in each of the two buckets.
pub const BUCKET_MAX: usize = 128;

/// Event ids seen lately.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Dedup {
    /// The window in which `current` was filled: event time divided by the window.
    pub window: i64,
    /// Hashes seen in this window, in order of arrival.
    pub current: Vec<u64>,
    /// Hashes seen in the window before.
    pub previous: Vec<u64>,
}

impl Dedup {
    /// Notes an event id; true when it was seen before.
    pub fn is_repeated(&mut self, id: u64, time: Timestamp, window: Span) -> bool {
        let number = time.ms() / window.ms().max(1);
        if number > self.window {
            // What is older than the window before this one is forgotten.
            std::mem::swap(&mut self.previous, &mut self.current);
            self.current.clear();
            if number > self.window + 1 {
                self.previous.clear();
            }
            self.window = number;
        }
        if self.current.contains(&id) || self.previous.contains(&id) {
            return true;
        }
        if self.current.len() >= BUCKET_MAX {
            self.current.remove(0);
        } else if self.current.len() == self.current.capacity() {
            self.current.reserve_exact(self.current.len().max(2));
        }
        self.current.push(id);
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
        assert_eq!(dedup.current.len(), BUCKET_MAX);
        assert!(dedup.is_repeated(9_999, Timestamp::MIN, Span::from_hours(1)));
    }
}
