//! What the engine is fed: records of one partition of the canonical log, in offset order.

use std::sync::Arc;

use super::event::Event;
use super::fleet::Fleet;
use crate::units::{PartitionIndex, Position, Timestamp};

/// One record of the canonical log.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// Where it stands in the log; cited as evidence.
    pub position: Position,
    /// When the log received it (the broker's or producer's record timestamp). Events far ahead of it are refused.
    pub received_at: Timestamp,
    /// What it says.
    pub input: Input<'a>,
}

/// What a record of the canonical log says.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// Something happened to an account.
    Event(Event<'a>),
    /// How far the sources have been read: the only thing that moves the engine's clock.
    Progress(Progress),
    /// What the whole fleet teaches about one account.
    Fleet(Arc<Fleet>),
}

/// How far the sources have been read. One record tells about the partitions that its writer reads; the engine merges them.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Progress {
    /// Every source topic there is, with its number of partitions. A source that is not listed any more is forgotten;
    /// one that is listed but has not reported yet holds the clock. Empty: no sources, `reached` alone is the clock.
    pub sources: Vec<SourceTopic>,
    /// The reports of this record.
    pub reports: Vec<SourceReport>,
    /// Where the writer has no sources at all (producers write canonical events themselves): its wall time.
    pub reached: Option<Timestamp>,
}

impl Progress {
    /// Whether it claims that something was reached after `time`.
    #[must_use]
    pub fn is_ahead_of(&self, time: Timestamp) -> bool {
        let reached = self.reports.iter().map(|report| report.reached).chain(self.reached);
        reached.max().is_some_and(|reached| reached > time)
    }
}

/// A source topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceTopic {
    /// Its name.
    pub topic: String,
    /// How many partitions it has.
    pub partitions: i32,
}

/// How far one partition of a source has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceReport {
    /// The source topic.
    pub topic: String,
    /// Its partition.
    pub partition: PartitionIndex,
    /// Event time reached: the latest event time read from it, or the wall time when it was last found caught up.
    pub reached: Timestamp,
    /// Whether nothing was left to read.
    pub caught_up: bool,
}
