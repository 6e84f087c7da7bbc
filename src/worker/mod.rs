//! What a worker decides: which records become which outputs, when a transaction ends, and what a restore accepts.
//!
//! ```text
//! poll ─▶ step (records in, outbox out) ─▶ commit due? ─▶ prepare_commit ─▶ committed | aborted
//! ```
//!
//! Pure: no I/O, no clock, no threads and no Kafka client here. Time comes in as an argument, records come in as
//! borrowed bytes, outputs go out through the [`outbox::Outbox`]. The shell in `kafka` only executes. Invariant: what a
//! machine appends depends on the records alone, never on how they were split into batches or transactions; only the
//! changelog is coalesced per transaction.

pub mod changelog;
pub mod dead_letter;
pub mod engine;
pub mod futile;
pub mod ingest;
pub mod learner;
pub mod notify;
pub mod outbox;
pub mod policy;
pub mod progress;
#[cfg(test)]
mod tests;

use crate::units::{NextOffset, Offset, PartitionIndex, Timestamp};

/// The headers of a record, visited only when they are needed.
pub trait Headers {
    /// Calls `visit` with name and value of each header, in the record's order.
    fn each(&self, visit: &mut dyn FnMut(&str, Option<&[u8]>));
}

/// A record without headers.
#[derive(Clone, Copy, Debug)]
pub struct NoHeaders;

impl Headers for NoHeaders {
    fn each(&self, _visit: &mut dyn FnMut(&str, Option<&[u8]>)) {}
}

/// A record as it was read, undecoded.
#[derive(Clone, Copy)]
pub struct RawRecord<'a> {
    /// Its partition.
    pub partition: PartitionIndex,
    /// Its offset there.
    pub offset: Offset,
    /// Its record timestamp; absent where the topic keeps none.
    pub timestamp: Option<Timestamp>,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; absent in a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: &'a dyn Headers,
}

impl RawRecord<'_> {
    /// Bytes of key and value.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.key.map_or(0, <[u8]>::len) + self.value.map_or(0, <[u8]>::len)
    }
}

/// Where a partition is to be read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The first record that the log still holds.
    Beginning,
    /// This position.
    At(NextOffset),
}

/// What was read since the last commit, for the counters. Taken by the shell once the commit is certain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records stepped.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Records of unknown event types, skipped.
    pub unknown_types: u64,
    /// Dead letters by reason.
    pub rejected: Vec<(&'static str, u64)>,
}

impl Tally {
    fn reject(&mut self, reason: &'static str) {
        match self.rejected.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => self.rejected.push((reason, 1)),
        }
    }
}
