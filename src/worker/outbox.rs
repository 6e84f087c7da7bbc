//! The outbox: records to be produced, in order, in one arena.
//!
//! All bytes stand in one buffer and all headers in one list, so that a record costs no allocation of its own. Cleared
//! after the shell has handed it to the producer; capacity is kept up to [`RETAINED_BYTES_MAX`].

use std::ops::Range;

use crate::units::PartitionIndex;

/// A buffer that grew beyond this is given back when the outbox is cleared.
pub const RETAINED_BYTES_MAX: usize = 32 << 20;

/// An outbox with this many records is handed to the producer before more is appended.
pub const PART_RECORDS: usize = 4_096;

/// The topics a worker writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutTopic {
    /// The canonical log.
    Events,
    /// Alerts.
    Alerts,
    /// Account health.
    Health,
    /// The changelog of the engine's state.
    State,
    /// Records that could not become events.
    DeadLetters,
    /// Reports of the partitions, for the fleet's learner.
    Fleet,
    /// What goes out to owners.
    Deliveries,
    /// The changelog of the desk.
    Desk,
}

/// Records to be produced.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    headers: Vec<HeaderRanges>,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    topic: OutTopic,
    partition: PartitionIndex,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    headers: Range<usize>,
}

#[derive(Clone, Debug)]
struct HeaderRanges {
    name: Range<usize>,
    value: Option<Range<usize>>,
}

/// One record to be produced.
#[derive(Clone, Copy, Debug)]
pub struct OutRecord<'a> {
    /// Its topic.
    pub topic: OutTopic,
    /// Its partition, always explicit.
    pub partition: PartitionIndex,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; absent in a tombstone.
    pub value: Option<&'a [u8]>,
    headers: &'a [HeaderRanges],
    bytes: &'a [u8],
}

impl<'a> OutRecord<'a> {
    /// Its headers, by name and value.
    #[must_use]
    pub fn headers(&self) -> impl ExactSizeIterator<Item = (&'a str, Option<&'a [u8]>)> + use<'a> {
        let bytes = self.bytes;
        self.headers.iter().map(move |header| {
            let name = bytes.get(header.name.clone()).unwrap_or_default();
            let value = header.value.clone().and_then(|range| bytes.get(range));
            (std::str::from_utf8(name).unwrap_or_default(), value)
        })
    }
}

impl Outbox {
    /// An empty outbox.
    #[must_use]
    pub fn new() -> Outbox {
        Outbox::default()
    }

    /// Whether there is nothing to produce.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many records there are to produce.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The records, in the order they were appended.
    pub fn records(&self) -> impl Iterator<Item = OutRecord<'_>> {
        self.entries.iter().map(|entry| OutRecord {
            topic: entry.topic,
            partition: entry.partition,
            key: entry.key.clone().and_then(|range| self.bytes.get(range)),
            value: entry.value.clone().and_then(|range| self.bytes.get(range)),
            headers: self.headers.get(entry.headers.clone()).unwrap_or_default(),
            bytes: &self.bytes,
        })
    }

    /// Forgets the records.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.headers.clear();
        self.bytes.clear();
        if self.bytes.capacity() > RETAINED_BYTES_MAX {
            self.bytes.shrink_to(RETAINED_BYTES_MAX);
        }
    }

    /// Appends a record whose key is `key_parts` joined and whose value `write` appends to the buffer it is given. What
    /// `write` finds in the buffer is not its own.
    pub fn push_with(
        &mut self,
        topic: OutTopic,
        partition: PartitionIndex,
        key_parts: &[&[u8]],
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let key_start = self.bytes.len();
        for part in key_parts {
            self.bytes.extend_from_slice(part);
        }
        let value_start = self.bytes.len();
        write(&mut self.bytes);
        let headers = self.headers.len();
        self.entries.push(Entry {
            topic,
            partition,
            key: Some(key_start..value_start),
            value: Some(value_start..self.bytes.len()),
            headers: headers..headers,
        });
    }

    /// Appends a record as it is. Headers follow through [`Outbox::header`].
    pub fn push_raw(&mut self, topic: OutTopic, partition: PartitionIndex, key: Option<&[u8]>, value: Option<&[u8]>) {
        let key = key.map(|key| self.append(key));
        let value = value.map(|value| self.append(value));
        let headers = self.headers.len();
        self.entries.push(Entry { topic, partition, key, value, headers: headers..headers });
    }

    /// Adds a header to the record appended last.
    pub fn header(&mut self, name: &str, value: Option<&[u8]>) {
        let name = self.append(name.as_bytes());
        let value = value.map(|value| self.append(value));
        if let Some(entry) = self.entries.last_mut() {
            self.headers.push(HeaderRanges { name, value });
            entry.headers.end = self.headers.len();
        }
    }

    fn append(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_out_as_they_went_in() {
        let mut outbox = Outbox::new();
        outbox.push_with(OutTopic::State, PartitionIndex(3), &[b"a", b"acme"], |out| out.extend_from_slice(b"value"));
        outbox.push_raw(OutTopic::DeadLetters, PartitionIndex(0), None, Some(b"\xff"));
        outbox.header("one", Some(b"1"));
        outbox.header("none", None);
        outbox.push_raw(OutTopic::State, PartitionIndex(3), Some(b"k"), None);
        let shown: Vec<_> = outbox
            .records()
            .map(|record| (record.topic, record.key, record.value, record.headers().collect::<Vec<_>>()))
            .collect();
        assert_eq!(shown[0], (OutTopic::State, Some(&b"aacme"[..]), Some(&b"value"[..]), vec![]));
        assert_eq!(
            shown[1],
            (OutTopic::DeadLetters, None, Some(&b"\xff"[..]), vec![("one", Some(&b"1"[..])), ("none", None)])
        );
        assert_eq!(shown[2], (OutTopic::State, Some(&b"k"[..]), None, vec![]));
        outbox.clear();
        assert!(outbox.is_empty());
    }
}
