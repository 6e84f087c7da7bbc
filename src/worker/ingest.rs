//! The ingest worker: source records in, canonical events and progress records out. It keeps no state but its place.
//!
//! Each event goes to the partition of its account, so that all events of an account stand in one order whatever the
//! sources' keys and partitions were. Invariants: a record becomes exactly one of event, dead letter or counted unknown
//! type; a progress record stands behind every event it speaks for, in every partition it is written to; a record
//! stepped before is never stepped again.

use super::dead_letter::{DeadLetterTopic, Reason, Stage};
use super::outbox::{OutTopic, Outbox};
use super::policy::{CommitPolicy, Fill, LAGGING_RECORDS_MIN, Moment, Pace};
use super::progress::{self, Observation, Owned, ROUNDS_MAX, STEP, SourceIndex};
use super::{RawRecord, Tally};
use crate::engine::effect::Reject;
use crate::engine::input::{Input, SourceTopic};
use crate::units::{NextOffset, PartitionIndex, Span, Timestamp};
use crate::wire::canonical::{self, CONTROL_KEY};
use crate::wire::partitioner::partition_of;
use crate::wire::{Decoded, Format, Refusal};

/// Progress is written to every canonical partition this often.
const PROGRESS_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);

/// What the machine needs to know besides the records.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The sources, with the number of their partitions.
    pub topics: Vec<SourceTopic>,
    /// How the records of each source become events, in the same order.
    pub formats: Vec<Format>,
    /// Partitions of the canonical log, at least 1.
    pub canonical_partitions: i32,
    /// Events above this many bytes are refused.
    pub event_bytes_max: usize,
    /// Events may be this far ahead of their record's timestamp.
    pub future_skew: Span,
    /// When transactions end.
    pub policy: CommitPolicy,
    /// Where refused records go.
    pub dead_letters: DeadLetterTopic,
}

/// The ingest worker's decisions.
#[derive(Debug)]
pub struct IngestMachine {
    settings: Settings,
    owned: Vec<Owned>,
    tally: Tally,
    /// Canonical partitions with events in this transaction.
    touched: Vec<bool>,
    /// Whether a progress round was written in this transaction.
    progress_pending: bool,
    rounds: u32,
    /// The next round amid a transaction is due when all owned partitions have reached this.
    next_step: Option<Timestamp>,
    last_progress: Option<Moment>,
    /// The wall time as it was last told.
    wall: Option<Timestamp>,
    last_commit: Moment,
    scratch: Vec<u8>,
}

impl IngestMachine {
    /// A worker without partitions.
    #[must_use]
    pub fn new(settings: Settings) -> IngestMachine {
        let partitions = usize::try_from(settings.canonical_partitions).unwrap_or_default();
        IngestMachine {
            settings,
            owned: Vec::new(),
            tally: Tally::default(),
            touched: vec![false; partitions],
            progress_pending: false,
            rounds: 0,
            next_step: None,
            last_progress: None,
            wall: None,
            last_commit: Moment::default(),
            scratch: Vec::new(),
        }
    }

    /// Takes on a source partition, read from `start`; `is_placed` if the group knows a position of it.
    pub fn assign(&mut self, source: SourceIndex, partition: PartitionIndex, start: NextOffset, is_placed: bool) {
        self.revoke(source, partition);
        self.widen(source, partition.0.saturating_add(1));
        self.owned.push(Owned::new(source, partition, start, is_placed));
        self.next_step = None;
    }

    /// A source has at least so many partitions: from now on the clock waits for all of them.
    pub fn widen(&mut self, source: SourceIndex, partitions: i32) {
        if let Some(topic) = self.settings.topics.get_mut(source.0) {
            topic.partitions = topic.partitions.max(partitions);
        }
    }

    /// Gives up a source partition. Its transaction must have been committed or aborted before.
    pub fn revoke(&mut self, source: SourceIndex, partition: PartitionIndex) {
        self.owned.retain(|owned| (owned.source, owned.partition) != (source, partition));
    }

    /// Takes in one record of a source and appends what becomes of it to `outbox`. Records of partitions it does not
    /// own, and records stepped before, are ignored.
    pub fn step(&mut self, source: SourceIndex, record: &RawRecord<'_>, outbox: &mut Outbox) {
        let is_it = |owned: &&mut Owned| (owned.source, owned.partition) == (source, record.partition);
        let Some(owned) = self.owned.iter_mut().find(is_it) else { return };
        if record.offset.0 < owned.next.0 {
            return;
        }
        let Some(format) = self.settings.formats.get(source.0) else { return };
        owned.read(record.offset);
        self.tally.records += 1;
        self.tally.bytes += record.bytes() as u64;
        let Some(value) = record.value else {
            let refusal = Refusal::NullPayload;
            let reason = Reason { name: refusal.name(), message: &refusal.to_string() };
            return self.refuse(source, record, reason, outbox);
        };
        if value.len() > self.settings.event_bytes_max {
            let message = format!(
                "value of {} bytes is larger than limits.event_bytes_max = {}; send smaller events",
                value.len(),
                self.settings.event_bytes_max
            );
            return self.refuse(source, record, Reason { name: "too_large", message: &message }, outbox);
        }
        let event = match format.decode_source(value) {
            Ok(Decoded::Input(Input::Event(event))) => event,
            Ok(_) => {
                self.tally.unknown_types += 1;
                return;
            }
            Err(refusal) => {
                let reason = Reason { name: refusal.name(), message: &refusal.to_string() };
                return self.refuse(source, record, reason, outbox);
            }
        };
        // A producer's clock may be wrong in the record's timestamp too: the present bounds both.
        let present = [record.timestamp, self.wall].into_iter().flatten().min();
        if present.is_some_and(|at| event.time > at.plus(self.settings.future_skew)) {
            let reject = Reject::FutureTime;
            let reason = Reason { name: reject.name(), message: reject.message() };
            return self.refuse(source, record, reason, outbox);
        }
        let moved = owned.reach(event.time, present);
        let partition = partition_of(&event.account_id, self.settings.canonical_partitions);
        outbox.push_with(OutTopic::Events, partition, &[event.account_id.as_bytes()], |out| match format {
            Format::Canonical => out.extend_from_slice(value),
            Format::Mapped(_) => canonical::encode_event(&event, out),
        });
        if let Some(touched) = usize::try_from(partition.0).ok().and_then(|index| self.touched.get_mut(index)) {
            *touched = true;
        }
        if moved {
            self.step_clock(outbox);
        }
    }

    /// Takes in what the shell saw of a source partition at `wall` time or shortly after, and says how many records are
    /// left to read; `None` when it does not own the partition.
    pub fn observe(
        &mut self,
        source: SourceIndex,
        partition: PartitionIndex,
        seen: Observation,
        wall: Timestamp,
    ) -> Option<u64> {
        let is_it = |owned: &&mut Owned| (owned.source, owned.partition) == (source, partition);
        let owned = self.owned.iter_mut().find(is_it)?;
        owned.observe(seen, wall);
        owned.lag
    }

    /// Writes a progress record to every canonical partition when a second has passed since the last ones.
    pub fn tick(&mut self, now: Moment, wall: Timestamp, outbox: &mut Outbox) {
        self.wall = Some(wall);
        if self.last_progress.is_some_and(|last| now.since(last) < PROGRESS_INTERVAL) {
            return;
        }
        if self.write_progress(Some(wall), Reach::Every, outbox) {
            self.last_progress = Some(now);
            self.progress_pending = true;
        }
    }

    /// Whether the worker keeps up. A partition not yet observed counts as lagging.
    #[must_use]
    pub fn pace(&self) -> Pace {
        if self.owned.iter().any(|owned| owned.lag.is_none_or(|lag| lag >= LAGGING_RECORDS_MIN)) {
            Pace::Lagging
        } else {
            Pace::CaughtUp
        }
    }

    /// Whether there is anything to commit.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.progress_pending || self.owned.iter().any(|owned| owned.touched)
    }

    /// Whether the transaction is to end now.
    #[must_use]
    pub fn commit_due(&self, now: Moment) -> bool {
        let elapsed = now.since(self.last_commit);
        let fill = Fill { events: self.tally.records, bytes: self.tally.bytes, accounts: 0 };
        self.is_dirty() && self.settings.policy.due(self.pace(), elapsed, fill)
    }

    /// Ends the transaction's records with progress for every partition that got events, and returns the offsets to
    /// commit: those of the partitions read, and at first those of all, so that no progress is told of a partition of which
    /// the group knows no position. When only progress is written they are those of all partitions too, so that a worker
    /// that has lost its place in the group cannot speak for them.
    pub fn prepare_commit(&mut self, outbox: &mut Outbox) -> Vec<(SourceIndex, PartitionIndex, NextOffset)> {
        self.write_progress(None, Reach::Touched, outbox);
        let read = self.owned.iter().any(|owned| owned.touched);
        let offsets = self.owned.iter().filter(|owned| owned.touched || !owned.is_placed || !read);
        offsets.map(|owned| (owned.source, owned.partition, owned.next)).collect()
    }

    /// The transaction is committed.
    pub fn committed(&mut self, now: Moment) -> Tally {
        self.owned.iter_mut().for_each(Owned::commit);
        self.end_transaction(now);
        std::mem::take(&mut self.tally)
    }

    /// The transaction is aborted: says where to read again.
    pub fn aborted(&mut self, now: Moment) -> Vec<(SourceIndex, PartitionIndex, NextOffset)> {
        let back = |owned: &mut Owned| owned.roll_back().map(|start| (owned.source, owned.partition, start));
        let seeks = self.owned.iter_mut().filter_map(back).collect();
        self.end_transaction(now);
        self.next_step = None;
        self.tally = Tally::default();
        seeks
    }

    /// The source partitions it owns.
    #[must_use]
    pub fn owned(&self) -> &[Owned] {
        &self.owned
    }

    fn end_transaction(&mut self, now: Moment) {
        self.last_commit = now;
        self.touched.fill(false);
        self.progress_pending = false;
        self.rounds = 0;
    }

    fn refuse(&mut self, source: SourceIndex, record: &RawRecord<'_>, reason: Reason<'_>, outbox: &mut Outbox) {
        self.tally.reject(reason.name);
        let topic = self.settings.topics.get(source.0).map_or("", |topic| topic.topic.as_str());
        self.settings.dead_letters.push(outbox, topic, record, Stage::Ingest, reason);
    }

    /// Lets the clock of a backfill move in small steps: progress amid the transaction, whenever the slowest owned
    /// partition has come a step further.
    fn step_clock(&mut self, outbox: &mut Outbox) {
        let Some(reached) = progress::reached_by_all(&self.owned) else { return };
        match self.next_step {
            None => self.next_step = Some(reached.plus(STEP)),
            Some(next_step) if reached >= next_step && self.rounds < ROUNDS_MAX => {
                self.write_progress(None, Reach::Touched, outbox);
                self.rounds += 1;
                self.next_step = Some(reached.plus(STEP));
            }
            Some(_) => {}
        }
    }

    fn write_progress(&mut self, wall: Option<Timestamp>, reach: Reach, outbox: &mut Outbox) -> bool {
        let Some(progress) = progress::progress(&self.settings.topics, &self.owned, wall) else { return false };
        self.scratch.clear();
        canonical::encode_progress(&progress, &mut self.scratch);
        let chosen = |touched: bool| match reach {
            Reach::Every => true,
            Reach::Touched => touched,
        };
        for (index, _) in (0..).zip(&self.touched).filter(|(_, touched)| chosen(**touched)) {
            let value = &self.scratch;
            outbox.push_with(OutTopic::Events, PartitionIndex(index), &[CONTROL_KEY], |out| {
                out.extend_from_slice(value);
            });
        }
        true
    }
}

/// Which canonical partitions a progress record is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Every,
    Touched,
}
