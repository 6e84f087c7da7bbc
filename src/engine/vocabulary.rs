//! The names of features: accounts keep hashes of them, here is what stands for them in reports.
//!
//! A name is noted when an account uses a feature for the first time. Bounded: of more than [`FEATURES_MAX`] features those
//! with the smallest hashes are kept, whatever the order of arrival, so that partitions agree on which.

use std::collections::BTreeMap;

use compact_str::CompactString;

use super::facts::crowd::Crowd;
use super::facts::profile::clip;

/// Features whose names are kept, and that reports tell apart.
pub const FEATURES_MAX: usize = 1024;

/// Names of features, by their hash.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Vocabulary(BTreeMap<u32, CompactString>);

impl Vocabulary {
    /// Whether noting `name` would change anything.
    #[must_use]
    pub fn lacks(&self, name: &str) -> bool {
        let hash = Crowd::hash(name);
        let has_room = || self.0.len() < FEATURES_MAX || self.0.last_key_value().is_some_and(|(last, _)| hash < *last);
        // Of two features of one hash, which would be rare, the first by name stands for both.
        self.0.get(&hash).map_or_else(has_room, |known| clip(name) < *known)
    }

    /// Notes the feature called `name`.
    pub fn note(&mut self, name: &str) {
        if self.lacks(name) {
            self.put(Crowd::hash(name), clip(name));
        }
    }

    /// Puts in a name under its hash, as [`Vocabulary::iter`] gave them.
    pub fn put(&mut self, hash: u32, name: CompactString) {
        let known = self.0.entry(hash).or_insert_with(|| name.clone());
        if name < *known {
            *known = name;
        }
        if self.0.len() > FEATURES_MAX {
            self.0.pop_last();
        }
    }

    /// The name of the feature of `hash`; `None` where nobody told it.
    #[must_use]
    pub fn name(&self, hash: u32) -> Option<&str> {
        self.0.get(&hash).map(CompactString::as_str)
    }

    /// All names by ascending hash.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u32, &CompactString)> {
        self.0.iter().map(|(hash, name)| (*hash, name))
    }

    /// Adds those of another partition.
    pub fn merge(&mut self, other: &Vocabulary) {
        for (hash, name) in other.iter() {
            self.put(hash, name.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_names_leave_those_of_the_smallest_hashes_in_any_order() {
        let names: Vec<String> = (0..1_000_000).map(|n| format!("feature {n}")).collect();
        let of = |names: &mut dyn Iterator<Item = &String>| {
            let mut vocabulary = Vocabulary::default();
            names.for_each(|name| vocabulary.note(name));
            vocabulary
        };
        let forwards = of(&mut names.iter());
        assert_eq!(forwards.iter().len(), FEATURES_MAX);
        assert_eq!(forwards, of(&mut names.iter().rev()));
        let mut halves = of(&mut names.iter().take(400_000));
        halves.merge(&of(&mut names.iter().skip(400_000)));
        assert_eq!(forwards, halves);
        assert!(forwards.iter().all(|(hash, name)| Crowd::hash(name) == hash && !forwards.lacks(name)));
    }

    #[test]
    fn a_long_name_is_cut_and_noted_once() {
        let (mut vocabulary, name) = (Vocabulary::default(), "é".repeat(60));
        assert!(vocabulary.lacks(&name));
        vocabulary.note(&name);
        assert!(!vocabulary.lacks(&name));
        assert_eq!(vocabulary.name(Crowd::hash(&name)).map(str::len), Some(64));
        assert_eq!(vocabulary.name(1), None);
    }
}
