//! From an account's id to its slot: open addressing, one line of the cache for nearly every look.
//!
//! A bucket holds half the hash of an id and the slot; whether ids are the same is for the caller to see, who has the
//! accounts. Unlike a table of a library, its buckets can be brought close before they are needed, which is why it is
//! ours. Linear probing (Knuth, *The Art of Computer Programming* 6.4, algorithm L), at most seven eighths full, with
//! removal by shifting back (algorithm R), so that there are no tombstones.

use super::close;
use super::store::Slot;
use crate::units::stable_hash;

/// Half the hash of an account's id: with the whole of it, the index would be twice as large and miss the cache more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Fingerprint(u32);

impl Fingerprint {
    /// That of the account called `id`.
    #[allow(clippy::cast_possible_truncation)] // a half of a good hash
    pub fn of(id: &str) -> Fingerprint {
        Fingerprint((stable_hash(id.as_bytes()) >> 32) as u32)
    }
}

/// Where accounts are, by fingerprint.
#[derive(Debug, Default)]
pub struct Index {
    /// A power of two of them, or none.
    buckets: Vec<Option<Entry>>,
    len: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    fingerprint: Fingerprint,
    slot: Slot,
}

/// Buckets of the smallest index.
const BUCKETS_MIN: usize = 16;

impl Index {
    /// The bucket in which a search for `fingerprint` begins.
    #[allow(clippy::cast_possible_truncation)] // the high bits of the product, as many as there are buckets
    fn home(&self, fingerprint: Fingerprint) -> usize {
        let spread = u64::from(fingerprint.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (spread >> 32) as usize & self.buckets.len().wrapping_sub(1)
    }

    fn at(&self, bucket: usize) -> Option<Entry> {
        self.buckets.get(bucket).copied().flatten()
    }

    fn next(&self, bucket: usize) -> usize {
        (bucket + 1) & self.buckets.len().wrapping_sub(1)
    }

    /// Brings the bucket in which a search for `fingerprint` begins close.
    pub fn anticipate(&self, fingerprint: Fingerprint) {
        close::at(&self.buckets, self.home(fingerprint));
    }

    /// The first slot with this fingerprint that `is_it`.
    pub fn find(&self, fingerprint: Fingerprint, is_it: impl Fn(Slot) -> bool) -> Option<Slot> {
        let mut bucket = self.home(fingerprint);
        // Never all full, so that every search ends.
        while let Some(entry) = self.at(bucket) {
            if entry.fingerprint == fingerprint && is_it(entry.slot) {
                return Some(entry.slot);
            }
            bucket = self.next(bucket);
        }
        None
    }

    /// Adds `slot`, which is not there yet.
    pub fn insert(&mut self, fingerprint: Fingerprint, slot: Slot) {
        if (self.len + 1) * 8 > self.buckets.len() * 7 {
            let doubled = vec![None; (self.buckets.len() * 2).max(BUCKETS_MIN)];
            let known = std::mem::replace(&mut self.buckets, doubled);
            known.into_iter().flatten().for_each(|entry| self.place(entry));
        }
        self.place(Entry { fingerprint, slot });
        self.len += 1;
    }

    fn place(&mut self, entry: Entry) {
        let mut bucket = self.home(entry.fingerprint);
        while self.at(bucket).is_some() {
            bucket = self.next(bucket);
        }
        if let Some(free) = self.buckets.get_mut(bucket) {
            *free = Some(entry);
        }
    }

    /// Takes `slot` out, if it is there.
    pub fn remove(&mut self, fingerprint: Fingerprint, slot: Slot) {
        let mut hole = self.home(fingerprint);
        while self.at(hole).is_some_and(|entry| entry.slot != slot) {
            hole = self.next(hole);
        }
        if self.at(hole).is_none() {
            return;
        }
        // What stands behind the hole moves up where its search would else end at the hole.
        let mut bucket = self.next(hole);
        let mask = self.buckets.len().wrapping_sub(1);
        while let Some(entry) = self.at(bucket) {
            let begin = self.home(entry.fingerprint);
            if bucket.wrapping_sub(begin) & mask >= bucket.wrapping_sub(hole) & mask {
                self.set(hole, Some(entry));
                hole = bucket;
            }
            bucket = self.next(bucket);
        }
        self.set(hole, None);
        self.len -= 1;
    }

    fn set(&mut self, bucket: usize, entry: Option<Entry>) {
        if let Some(place) = self.buckets.get_mut(bucket) {
            *place = entry;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Few fingerprints, so that searches meet.
    fn fingerprint(number: u8) -> Fingerprint {
        Fingerprint(u32::from(number % 48) << 27 | u32::from(number))
    }

    proptest! {
        #[test]
        fn it_finds_what_a_map_finds(steps in prop::collection::vec((any::<bool>(), any::<u8>()), 0..600)) {
            let (mut index, mut map) = (Index::default(), BTreeMap::new());
            for (add, number) in steps {
                let slot = Slot::of(number.into());
                if add && map.insert(number, slot).is_none() {
                    index.insert(fingerprint(number), slot);
                } else if !add {
                    map.remove(&number);
                    index.remove(fingerprint(number), slot);
                }
            }
            for number in 0..=u8::MAX {
                let found = index.find(fingerprint(number), |slot| slot == Slot::of(number.into()));
                prop_assert_eq!(found, map.get(&number).copied());
            }
            prop_assert_eq!(index.len, map.len());
        }
    }

    #[test]
    fn an_empty_index_finds_nothing() {
        let mut index = Index::default();
        index.anticipate(Fingerprint(7));
        index.remove(Fingerprint(7), Slot::of(7));
        assert_eq!(index.find(Fingerprint(7), |_| true), None);
    }

    #[test]
    fn a_bucket_takes_no_more_room_than_it_must() {
        assert_eq!(size_of::<Option<Entry>>(), 8);
    }
}
