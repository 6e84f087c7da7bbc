//! What all workers share: context, clock, the transactional producer with the resolution of unknown
//! outcomes, and the counters.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::error::WorkerError;
use super::member::Member;
use super::transaction::{Broken, End, Transactions};
use crate::config::{Commit, Config};
use crate::engine::input::SourceTopic;
use crate::telemetry::{Role, Telemetry};
use crate::units::{NextOffset, PartitionIndex, Timestamp};
use crate::worker::Tally;
use crate::worker::dead_letter::DeadLetterTopic;
use crate::worker::outbox::Outbox;
use crate::worker::policy::{CommitPolicy, Moment};

/// Records taken from the client at a time: enough that the call does not matter, few enough to stay in the cache.
pub const BATCH_RECORDS_MAX: usize = 512;
/// Batches between two looks at everything else.
pub const BATCHES_MAX: usize = 8;
/// Lag, caught-up state and views are looked at this often.
pub const GLANCE_INTERVAL: Duration = Duration::from_secs(1);
/// This many aborted transactions in a row end the worker.
const ABORTS_MAX: u32 = 10;
/// Starting a producer waits for a predecessor's transaction to end.
const INIT_TIMEOUT: Duration = Duration::from_secs(30);

/// What the topics look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Partitions of the canonical log, the changelog, alerts and health.
    pub partitions: i32,
    /// Partitions of the dead letters.
    pub dead_letter_partitions: i32,
    /// The sources, in the order of the configuration; empty when this process does not ingest.
    pub sources: Vec<SourceTopic>,
}

/// What every worker is given.
#[derive(Clone, Copy)]
pub struct WorkerContext<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The name of this process, the same after a restart and unlike that of any other; absent: it has none.
    pub name: Option<&'a str>,
    /// What the topics look like.
    pub shape: &'a Shape,
    /// Text of the model file that the fleet's learner begins from where it has never worked before.
    pub model: Option<&'a str>,
    /// Where it reports.
    pub telemetry: &'a Telemetry,
    /// Set when the process is to stop.
    pub stop: &'a AtomicBool,
    /// When the process began; [`Moment`]s count from here.
    pub began: Instant,
    /// Its role.
    pub role: Role,
    /// Its number among the workers of its role, from 0.
    pub index: usize,
}

impl WorkerContext<'_> {
    /// Whether to stop.
    #[must_use]
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Monotonic time.
    #[must_use]
    pub fn now(&self) -> Moment {
        Moment(self.began.elapsed())
    }

    /// The group's name for this worker, when the process has one.
    #[must_use]
    pub fn instance(&self) -> Option<String> {
        let process = self.name?;
        Some(format!("{process}-{}-{}", self.role.name(), self.index))
    }

    /// Stable over restarts when the process is named, so that a restart ends what its predecessor left open; else
    /// unique, so that two processes never fence each other.
    #[must_use]
    pub fn transactional_id(&self) -> String {
        let group = match self.role {
            Role::Ingest => self.config.ingest.group_id.clone(),
            Role::Learner => self.config.ingest.learner_group_id(),
            Role::Notify => self.config.notify.group_id.clone(),
            _ => self.config.engine.group_id.clone(),
        };
        if let Some(process) = self.name {
            return format!("{group}-{process}-{}", self.index);
        }
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("{group}-{:x}-{:x}-{}", std::process::id(), since_epoch.as_nanos(), self.index)
    }

    /// Where refused records go.
    #[must_use]
    pub fn dead_letters(&self) -> DeadLetterTopic {
        DeadLetterTopic {
            partitions: self.shape.dead_letter_partitions,
            record_bytes_max: self.config.limits.record_bytes_max,
        }
    }

    /// Where to go on in a log that begins at `low`, where `next` was to be read, or nothing yet. Tells of what lies between:
    /// it was deleted unread.
    pub fn first_left(
        &self,
        topic: &str,
        partition: PartitionIndex,
        next: Option<NextOffset>,
        low: NextOffset,
    ) -> NextOffset {
        let Some(next) = next else { return low };
        let lost = low.0.saturating_sub(next.0).max(0).unsigned_abs();
        if lost == 0 {
            return next;
        }
        tracing::error!(
            role = self.role.name(),
            topic,
            partition = partition.0,
            next_offset = next.0,
            first_left = low.0,
            lost,
            "records were deleted by the topic's retention before they were read; reading goes on behind them"
        );
        self.telemetry.records_lost(self.role, lost);
        low
    }

    /// Adds what was read to the counters.
    pub fn count(&self, tally: &Tally) {
        self.telemetry.records_read(self.role, tally.records);
        self.telemetry.bytes_read(self.role, tally.bytes);
        if tally.unknown_types > 0 {
            self.telemetry.skipped_unknown_type(self.role, tally.unknown_types);
        }
        for (reason, count) in &tally.rejected {
            self.telemetry.rejected(self.role, reason, *count);
        }
    }
}

/// Wall time now.
#[must_use]
pub fn wall_time() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::clamped(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// The commit policy of the configuration.
#[must_use]
pub fn commit_policy(commit: &Commit) -> CommitPolicy {
    CommitPolicy {
        interval_caught_up: commit.interval_caught_up,
        interval_lagging: commit.interval_lagging,
        events_max: commit.events_max as u64,
        bytes_max: commit.bytes_max as u64,
        accounts_max: commit.accounts_max as u64,
    }
}

/// The offsets that a transaction commits.
pub type Offsets = Vec<(String, PartitionIndex, NextOffset)>;

/// The producer of a worker, over the lives of its transactional id.
pub struct Shell<'a> {
    context: WorkerContext<'a>,
    transactional_id: String,
    transactions: Transactions,
    aborts_in_a_row: u32,
}

impl<'a> Shell<'a> {
    /// Starts the producer, which ends what a predecessor left open.
    pub fn start(context: WorkerContext<'a>) -> Result<Shell<'a>, WorkerError> {
        let transactional_id = context.transactional_id();
        let transactions = Transactions::start(context.config, context.role, &transactional_id, INIT_TIMEOUT)
            .map_err(WorkerError::client("start the transactional producer"))?;
        Ok(Shell { context, transactional_id, transactions, aborts_in_a_row: 0 })
    }

    /// Produces what is in the outbox, in the open transaction or a new one.
    pub fn send(&mut self, outbox: &mut Outbox) -> Result<(), WorkerError> {
        Ok(self.transactions.send(outbox)?)
    }

    /// Ends the transaction: commits `offsets` with what was sent. However the broker behaved, the answer is certain.
    pub fn commit(&mut self, offsets: &Offsets, member: &mut Member) -> Result<End, WorkerError> {
        let began = Instant::now();
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (topic, partition, NextOffset(next)) in offsets {
            list.add_partition_offset(topic, partition.0, KafkaOffset::Offset(*next))
                .map_err(WorkerError::client("note the offsets to commit"))?;
        }
        let end = match self.transactions.commit(&list, member.group()) {
            Ok(end) => end,
            Err(Broken::Indefinite(error)) => {
                tracing::warn!(error = error.to_string(), "commit timed out; asking the group how it ended");
                self.resolve(offsets, member)?
            }
            Err(broken) => return Err(broken.into()),
        };
        match &end {
            End::Committed => {
                self.aborts_in_a_row = 0;
                self.context.telemetry.committed(self.context.role, began.elapsed());
            }
            End::Aborted { cause, detail } => self.note_abort(cause, detail)?,
        }
        Ok(end)
    }

    /// Aborts the transaction, if one is open.
    pub fn abort(&mut self, cause: &'static str) -> Result<(), WorkerError> {
        if !self.transactions.is_open() {
            return Ok(());
        }
        match self.transactions.abort() {
            Ok(()) => {}
            Err(Broken::Indefinite(_)) => self.restart_producer()?,
            Err(broken) => return Err(broken.into()),
        }
        self.note_abort(cause, "")
    }

    fn note_abort(&mut self, cause: &'static str, detail: &str) -> Result<(), WorkerError> {
        self.context.telemetry.aborted(self.context.role, cause);
        tracing::warn!(
            role = self.context.role.name(),
            worker = self.context.index,
            cause,
            detail,
            "transaction aborted"
        );
        self.aborts_in_a_row += 1;
        if self.aborts_in_a_row >= ABORTS_MAX {
            let detail = detail.to_owned();
            return Err(WorkerError::AbortedRepeatedly { attempts: self.aborts_in_a_row, cause, detail });
        }
        Ok(())
    }

    /// Learns how the last transaction ended: a new producer settles it, the group's offsets tell which way.
    fn resolve(&mut self, offsets: &Offsets, member: &Member) -> Result<End, WorkerError> {
        self.restart_producer()?;
        let unknown = || End::Aborted { cause: "timeout", detail: "outcome asked from the group".to_owned() };
        if offsets.is_empty() {
            // Progress alone: written twice it says the same.
            return Ok(unknown());
        }
        let asked: Vec<_> = offsets.iter().map(|(topic, partition, _)| (topic.clone(), *partition)).collect();
        let told = member.committed(&asked)?;
        let moved = told.iter().zip(offsets).filter(|(told, (_, _, next))| **told == Some(*next)).count();
        if moved == offsets.len() {
            Ok(End::Committed)
        } else if moved == 0 {
            Ok(unknown())
        } else {
            Err(WorkerError::OutcomeUnclear)
        }
    }

    fn restart_producer(&mut self) -> Result<(), WorkerError> {
        self.transactions.abandon();
        self.transactions =
            Transactions::start(self.context.config, self.context.role, &self.transactional_id, INIT_TIMEOUT)
                .map_err(WorkerError::client("start the transactional producer anew"))?;
        Ok(())
    }
}
