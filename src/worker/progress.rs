//! How far the owned source partitions have been read: what the progress records say, and when one is written amid a
//! transaction.
//!
//! The event time reached in a source partition is the running maximum of its event times, held to the record's own
//! timestamp so that a clock running ahead does not drag the product's clock along; or the wall time at which it was
//! last found caught up, whichever is later. It never falls.

use crate::engine::input::{Progress, SourceReport, SourceTopic};
use crate::units::{NextOffset, Offset, PartitionIndex, Span, Timestamp};

/// While lagging, a progress record is written each time the sources have moved on by this much event time.
pub const STEP: Span = Span::from_hours(1);
/// Rounds of such progress records in one transaction.
pub const ROUNDS_MAX: u32 = 1024;

/// A source, by its place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceIndex(pub usize);

/// What the shell saw of a source partition at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The consumer's position; absent before it has consumed anything.
    pub position: Option<NextOffset>,
    /// The first offset that the log still holds.
    pub low: NextOffset,
    /// The log's end.
    pub high: NextOffset,
}

/// One owned partition of a source.
#[derive(Clone, Debug)]
pub struct Owned {
    /// The source.
    pub source: SourceIndex,
    /// Its partition.
    pub partition: PartitionIndex,
    /// Where to read next.
    pub next: NextOffset,
    /// Whether records were stepped since the last commit.
    pub touched: bool,
    /// Whether the group knows a position of it.
    pub is_placed: bool,
    /// Records left to read when last observed.
    pub lag: Option<u64>,
    /// Where an abort goes back to.
    restart: NextOffset,
    reached: Option<Timestamp>,
    reached_committed: Option<Timestamp>,
    caught_up: bool,
}

impl Owned {
    /// A partition that will be read from `start`.
    #[must_use]
    pub fn new(source: SourceIndex, partition: PartitionIndex, start: NextOffset, is_placed: bool) -> Owned {
        Owned {
            source,
            partition,
            next: start,
            touched: false,
            is_placed,
            lag: None,
            restart: start,
            reached: None,
            reached_committed: None,
            caught_up: false,
        }
    }

    /// A record at `offset` was read.
    pub fn read(&mut self, offset: Offset) {
        self.next = offset.next();
        self.touched = true;
    }

    /// An event of `time` was accepted; no time later than `present` is believed. True when the partition moved on.
    pub fn reach(&mut self, time: Timestamp, present: Option<Timestamp>) -> bool {
        let time = present.map_or(time, |present| time.min(present));
        let moved = self.reached.is_none_or(|reached| time > reached);
        if moved {
            self.reached = Some(time);
        }
        moved
    }

    /// Takes in what the shell saw at `wall` time or shortly after.
    pub fn observe(&mut self, seen: Observation, wall: Timestamp) {
        let position = seen.position.map_or(self.next, |position| position.max(self.next)).max(seen.low);
        let lag = seen.high.0.saturating_sub(position.0).max(0);
        self.lag = Some(lag.unsigned_abs());
        self.caught_up = lag == 0;
        if self.caught_up {
            self.reached = Some(self.reached.map_or(wall, |reached| reached.max(wall)));
        }
    }

    /// The transaction is committed.
    pub fn commit(&mut self) {
        (self.touched, self.is_placed) = (false, true);
        self.reached_committed = self.reached;
        self.restart = self.next;
    }

    /// The transaction is aborted. Where to read again, when anything was read in it.
    pub fn roll_back(&mut self) -> Option<NextOffset> {
        self.reached = self.reached_committed;
        self.caught_up = false;
        if !std::mem::take(&mut self.touched) {
            return None;
        }
        self.next = self.restart;
        Some(self.restart)
    }

    /// How far it has been read; `None` while nothing is known.
    #[must_use]
    pub fn reached(&self) -> Option<Timestamp> {
        self.reached
    }
}

/// The event time that every owned partition with a report has reached.
#[must_use]
pub fn reached_by_all(owned: &[Owned]) -> Option<Timestamp> {
    owned.iter().filter_map(Owned::reached).min()
}

/// The progress record about the owned partitions; `None` while nothing is known about any. Without sources the wall
/// time is what has been reached.
#[must_use]
pub fn progress(topics: &[SourceTopic], owned: &[Owned], wall: Option<Timestamp>) -> Option<Progress> {
    if topics.is_empty() {
        return wall.map(|wall| Progress { sources: Vec::new(), reports: Vec::new(), reached: Some(wall) });
    }
    let report = |owned: &Owned| {
        Some(SourceReport {
            topic: topics.get(owned.source.0)?.topic.clone(),
            partition: owned.partition,
            reached: owned.reached?,
            caught_up: owned.caught_up,
        })
    };
    let reports: Vec<_> = owned.iter().filter_map(report).collect();
    if reports.is_empty() {
        return None;
    }
    Some(Progress { sources: topics.to_vec(), reports, reached: None })
}
