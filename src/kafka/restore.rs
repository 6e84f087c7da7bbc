//! Reading state back from the changelog, one partition after the other, in slices between the worker's polls.
//!
//! Order matters: the group's committed offset is read first, then the changelog's end by a client that sees uncommitted
//! records too, then the changelog is read committed-only up to that end. So the records read include the commit that
//! the offset belongs to, whatever a predecessor did in between. The end is compared with the reader's position, which
//! passes the markers of transactions, never with the last record.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Message, Offset as KafkaOffset, TopicPartitionList};

use super::client::{self, Consume};
use super::error::WorkerError;
use super::failpoint::{self, Point};
use super::member::{Member, drop_within};
use crate::config::Config;
use crate::telemetry::{RestoreProgress, Role, Telemetry};
use crate::units::{NextOffset, PartitionIndex};
use crate::worker::engine::{EngineMachine, Restored};

/// Records taken between two looks at the reader's position.
const SLICE_RECORDS: usize = 2_000;

/// The restores of one worker.
pub struct Restores {
    reader: Option<Consume>,
    waiting: VecDeque<PartitionIndex>,
    active: Option<Active>,
    events_topic: String,
    state_topic: String,
    /// A predecessor's open transaction holds the changelog up until the broker aborts it; only then is a stall a fault.
    stall_max: Duration,
}

struct Active {
    partition: PartitionIndex,
    committed: Option<NextOffset>,
    target: NextOffset,
    reached: NextOffset,
    records: u64,
    progress_at: Instant,
}

impl Restores {
    /// No restores yet.
    #[must_use]
    pub fn new(config: &Config) -> Restores {
        Restores {
            reader: None,
            waiting: VecDeque::new(),
            active: None,
            events_topic: config.topics.events.clone(),
            state_topic: config.topics.state.clone(),
            stall_max: config.commit.transaction_timeout + Duration::from_secs(30),
        }
    }

    /// Queues a partition, whose machine state must be fresh.
    pub fn add(&mut self, partition: PartitionIndex) {
        self.cancel(partition);
        self.waiting.push_back(partition);
    }

    /// Forgets a partition.
    pub fn cancel(&mut self, partition: PartitionIndex) {
        self.waiting.retain(|known| *known != partition);
        if self.active.as_ref().is_some_and(|active| active.partition == partition) {
            self.active = None;
            // A reader remembers positions of earlier assignments; a fresh one cannot confuse them.
            self.close_reader();
        }
    }

    /// Whether anything is left to restore.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.active.is_some() || !self.waiting.is_empty()
    }

    /// Goes on with the current restore for about `budget`. When it is done: its partition and what was found.
    pub fn advance(
        &mut self,
        config: &Config,
        member: &Member,
        machine: &mut EngineMachine,
        telemetry: &Telemetry,
        budget: Duration,
    ) -> Result<Option<(PartitionIndex, Restored)>, WorkerError> {
        if self.active.is_none() {
            let Some(partition) = self.waiting.pop_front() else { return Ok(None) };
            self.begin(config, member, partition)?;
        }
        let Some(active) = &mut self.active else { return Ok(None) };
        let deadline = Instant::now() + budget;
        while active.reached < active.target && Instant::now() < deadline {
            let Some(reader) = &self.reader else { break };
            read_slice(reader, &self.state_topic, active, machine)?;
            if active.records > 0 {
                let _ = failpoint::is_hit(Role::Engine, Point::Restoring);
            }
            if active.progress_at.elapsed() >= self.stall_max {
                return Err(WorkerError::RestoreStalled {
                    partition: active.partition,
                    reached: active.reached,
                    target: active.target,
                    waited_s: self.stall_max.as_secs(),
                });
            }
        }
        let remaining = active.target.0.saturating_sub(active.reached.0).max(0).unsigned_abs();
        telemetry.restore(active.partition, RestoreProgress { records: active.records, remaining });
        if remaining > 0 {
            return Ok(None);
        }
        let (partition, committed) = (active.partition, active.committed);
        self.active = None;
        if self.waiting.is_empty() {
            self.close_reader();
        }
        Ok(Some((partition, machine.finish_restore(partition, committed)?)))
    }

    fn close_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            drop_within(reader, Duration::from_secs(1));
        }
    }

    fn begin(&mut self, config: &Config, member: &Member, partition: PartitionIndex) -> Result<(), WorkerError> {
        let committed = member.committed(&[(self.events_topic.clone(), partition)])?.first().copied().flatten();
        let ends = member.watermarks(&self.state_topic, partition)?;
        if ends.low < ends.high {
            if self.reader.is_none() {
                let reader = client::changelog_reader(config);
                self.reader = Some(reader.map_err(WorkerError::client("create the changelog reader"))?);
            }
            let mut assignment = TopicPartitionList::new();
            // A number, not the logical beginning: the client would ask for that before it knows whom, and ask again half a
            // second later. Should the log have lost its head meanwhile, the reader says so and the worker starts anew.
            assignment
                .add_partition_offset(&self.state_topic, partition.0, KafkaOffset::Offset(ends.low.0))
                .map_err(WorkerError::client("read the changelog"))?;
            if let Some(reader) = &self.reader {
                reader.assign(&assignment).map_err(WorkerError::client("read the changelog"))?;
            }
        }
        tracing::info!(
            partition = partition.0,
            committed_next_offset = committed.map(|next| next.0),
            changelog_low = ends.low.0,
            changelog_high = ends.high.0,
            "restore begins"
        );
        self.active = Some(Active {
            partition,
            committed,
            target: ends.high,
            reached: ends.low,
            records: 0,
            progress_at: Instant::now(),
        });
        Ok(())
    }
}

fn read_slice(
    reader: &Consume,
    topic: &str,
    active: &mut Active,
    machine: &mut EngineMachine,
) -> Result<(), WorkerError> {
    let mut wait = Duration::from_millis(20);
    for _ in 0..SLICE_RECORDS {
        match reader.poll(wait) {
            Some(Ok(message)) => {
                // The end was fixed before; what came behind it belongs to nobody but this worker, which has not begun.
                if message.partition() == active.partition.0 {
                    machine.restore(active.partition, message.key(), message.payload())?;
                    active.records += 1;
                }
                wait = Duration::ZERO;
            }
            Some(Err(source @ KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset))) => {
                return Err(WorkerError::Client { what: "read the changelog from its beginning", source });
            }
            Some(Err(error)) => {
                tracing::warn!(error = error.to_string(), "reading the changelog failed; the client goes on trying");
                break;
            }
            None => break,
        }
    }
    let position = reader.position().map_err(WorkerError::client("ask for the changelog reader's position"))?;
    if let Some(KafkaOffset::Offset(next)) =
        position.find_partition(topic, active.partition.0).map(|element| element.offset())
        && NextOffset(next) > active.reached
    {
        active.reached = NextOffset(next);
        active.progress_at = Instant::now();
    }
    Ok(())
}
