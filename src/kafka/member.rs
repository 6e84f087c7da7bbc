//! A member of a consumer group: polling, rebalances, positions, and leaving within a deadline.
//!
//! Invariants: a member which the group has moved on from is refused by the broker when it commits; a new partition is
//! paused until the worker resumes it. The first rests on the group metadata that goes with the offsets. A static member
//! may use the client's latest: should the client have lost its membership, the broker still misses the member id that
//! goes with the instance. A dynamic one must not, for a commit without member id and generation passes; it uses the
//! metadata of the last rebalance dealt with, at the price of an abort when a commit meets the next rebalance.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{Consumer, ConsumerGroupMetadata, RebalanceProtocol};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::MetadataTopic;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Message, Offset as KafkaOffset, TopicPartitionList};

use super::batch::{Batch, BatchConsumer, Fetched};
use super::client::{self, Consume, Loss, OffsetReset, Rebalance};
use super::error::WorkerError;
use crate::config::Config;
use crate::units::{NextOffset, PartitionIndex, Timestamp};
use crate::worker::Start;

/// Questions to the group's coordinator and to partition leaders on which work waits.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a partition may be without a leader that knows of it.
const LEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Questions that are only for showing.
const GLANCE_TIMEOUT: Duration = Duration::from_secs(1);
/// Leaving the group may take this long; after it the client is left to itself.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(4);

/// A member of a group.
pub struct Member {
    /// Taken when leaving; absent in no group.
    batches: Option<BatchConsumer>,
    observer: Consume,
    group: Option<ConsumerGroupMetadata>,
    membership: Membership,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Membership {
    Static,
    Dynamic,
}

/// Where a log begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// Its first offset.
    pub low: NextOffset,
    /// The offset that its next record will get.
    pub high: NextOffset,
}

impl Member {
    /// Joins `group_id` to read `topics`.
    pub fn join(
        config: &Config,
        group_id: &str,
        instance: Option<&str>,
        reset: OffsetReset,
        topics: &[&str],
    ) -> Result<Member, WorkerError> {
        let consumer = client::group_consumer(config, group_id, instance, reset)
            .map_err(WorkerError::client("create the group consumer"))?;
        let observer = client::observer(config).map_err(WorkerError::client("create the observing client"))?;
        consumer.subscribe(topics).map_err(WorkerError::client("subscribe"))?;
        let membership = if instance.is_some() { Membership::Static } else { Membership::Dynamic };
        let batches = BatchConsumer::new(consumer).map_err(WorkerError::client("give the group consumer a queue"))?;
        Ok(Member { batches: Some(batches), observer, group: None, membership })
    }

    /// One that belongs to no group: nothing comes, nothing is committed, and it only answers questions.
    pub fn of_no_group(config: &Config) -> Result<Member, WorkerError> {
        let observer = client::observer(config).map_err(WorkerError::client("create the observing client"))?;
        Ok(Member { batches: None, observer, group: None, membership: Membership::Dynamic })
    }

    /// Whether it belongs to no group.
    #[must_use]
    pub fn is_of_no_group(&self) -> bool {
        self.batches.is_none()
    }

    fn consumer(&self) -> Option<&Consume> {
        self.batches.as_ref().map(BatchConsumer::consumer)
    }

    /// Takes up to `records_max` records that have come, waiting up to `wait` for the first; before that, lets the client
    /// call back. Transient errors are the client's business; what a worker cannot go on with is an error.
    pub fn take(&self, records_max: usize, wait: Duration) -> Result<Option<Batch<'_>>, WorkerError> {
        let Some(batches) = &self.batches else { return Ok(None) };
        // Records come on a queue of their own, so what comes here is rebalances and errors, served in passing.
        match batches.consumer().poll(Duration::ZERO) {
            None => {}
            Some(Ok(record)) => {
                return Err(WorkerError::StrayRecord {
                    topic: record.topic().to_owned(),
                    partition: PartitionIndex(record.partition()),
                });
            }
            Some(Err(error)) => self.judge(error)?,
        }
        let batch = batches.take(records_max, wait);
        batch.messages().filter_map(Fetched::error).try_for_each(|error| self.judge(error))?;
        Ok(Some(batch))
    }

    /// Whether the worker can go on after an error of the consumer.
    fn judge(&self, error: KafkaError) -> Result<(), WorkerError> {
        match error {
            KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset) => {
                Err(WorkerError::PositionGone { topic: self.topics() })
            }
            // Only of what is subscribed to, when the client works out what to join with: fetching tries again by itself.
            KafkaError::MessageConsumption(RDKafkaErrorCode::UnknownTopicOrPartition) => {
                Err(WorkerError::TopicUnknown { topics: self.topics() })
            }
            KafkaError::MessageConsumptionFatal(RDKafkaErrorCode::FencedInstanceId) => Err(WorkerError::PlaceTaken),
            source @ KafkaError::MessageConsumptionFatal(_) => {
                Err(WorkerError::Client { what: "stay in the group", source })
            }
            error => {
                let text = error.to_string();
                let is_told = self.consumer().is_some_and(|consumer| consumer.context().is_repeated(&text));
                if !is_told {
                    tracing::warn!(error = text, "poll failed; the client goes on trying");
                }
                Ok(())
            }
        }
    }

    /// What it reads.
    fn topics(&self) -> String {
        let subscription = self.consumer().map(Consumer::subscription);
        subscription.and_then(Result::ok).map_or_else(String::new, |list| names(&list))
    }

    /// The next rebalance to be dealt with.
    #[must_use]
    pub fn next_rebalance(&self) -> Option<Rebalance> {
        self.consumer().and_then(|consumer| consumer.context().next_rebalance())
    }

    /// Takes new partitions on at the offsets they carry, paused.
    pub fn take_on(&mut self, partitions: &TopicPartitionList) -> Result<(), WorkerError> {
        let Some(batches) = &self.batches else { return Ok(()) };
        let consumer = batches.consumer();
        for element in partitions.elements() {
            batches
                .forward(element.topic(), PartitionIndex(element.partition()))
                .map_err(WorkerError::client("forward new partitions"))?;
        }
        match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(partitions),
            _ => consumer.assign(partitions),
        }
        .map_err(WorkerError::client("take on partitions"))?;
        if partitions.count() > 0 {
            consumer.pause(partitions).map_err(WorkerError::client("pause new partitions"))?;
        }
        self.refresh_group();
        Ok(())
    }

    /// Gives partitions up, which lets the rebalance go on.
    pub fn give_up(&self, partitions: &TopicPartitionList) -> Result<(), WorkerError> {
        let Some(consumer) = self.consumer() else { return Ok(()) };
        client::give_up(consumer, partitions).map_err(WorkerError::client("give up partitions"))
    }

    /// Takes the group metadata under which offsets are committed from now on, unless the membership is lost.
    pub fn refresh_group(&mut self) {
        if let Some(consumer) = self.consumer()
            && !consumer.assignment_lost()
        {
            self.group = consumer.group_metadata();
        }
    }

    /// The metadata to commit under.
    pub fn group(&mut self) -> Option<&ConsumerGroupMetadata> {
        if self.membership == Membership::Static {
            self.refresh_group();
        }
        self.group.as_ref()
    }

    /// How partitions stand with the group right now.
    #[must_use]
    pub fn loss(&self) -> Loss {
        if self.consumer().is_some_and(Consumer::assignment_lost) { Loss::Lost } else { Loss::Orderly }
    }

    /// The offset at which `start` is, in the client's terms; always a number. A logical offset the client would have to ask
    /// for, and a pause or resumption meanwhile makes it throw the answer away and ask again half a second later.
    pub fn offset(&self, topic: &str, partition: PartitionIndex, start: Start) -> Result<KafkaOffset, WorkerError> {
        let NextOffset(next) = match start {
            Start::Beginning => self.watermarks(topic, partition)?.low,
            Start::At(next) => next,
        };
        Ok(KafkaOffset::Offset(next))
    }

    /// Moves the position of an assigned partition. Waits for an assignment that is still being carried out.
    pub fn seek(&self, topic: &str, partition: PartitionIndex, start: Start) -> Result<(), WorkerError> {
        let Some(consumer) = self.consumer() else { return Ok(()) };
        let offset = self.offset(topic, partition, start)?;
        let deadline = Instant::now() + ASK_TIMEOUT;
        loop {
            match consumer.seek(topic, partition.0, offset, GLANCE_TIMEOUT) {
                Ok(()) => return Ok(()),
                Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
                Err(source) => return Err(WorkerError::Client { what: "move the position of a partition", source }),
            }
        }
    }

    /// Lets the records of a partition come.
    pub fn resume(&self, topic: &str, partition: PartitionIndex) -> Result<(), WorkerError> {
        let Some(batches) = &self.batches else { return Ok(()) };
        batches.forward(topic, partition).map_err(WorkerError::client("forward a partition"))?;
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition(topic, partition.0);
        batches.consumer().resume(&partitions).map_err(WorkerError::client("resume a partition"))
    }

    /// Lets no more records of a partition come.
    pub fn pause(&self, topic: &str, partition: PartitionIndex) -> Result<(), WorkerError> {
        let Some(consumer) = self.consumer() else { return Ok(()) };
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition(topic, partition.0);
        consumer.pause(&partitions).map_err(WorkerError::client("pause a partition"))
    }

    /// The group's committed offset of each of `partitions`, in the same order. Waits for transactions that are still
    /// being decided.
    pub fn committed(&self, partitions: &[(String, PartitionIndex)]) -> Result<Vec<Option<NextOffset>>, WorkerError> {
        let Some(consumer) = self.consumer() else { return Ok(vec![None; partitions.len()]) };
        let failed = |source| WorkerError::Client { what: "ask for the group's offsets", source };
        let mut asked = TopicPartitionList::new();
        for (topic, partition) in partitions {
            asked.add_partition(topic, partition.0);
        }
        let told = consumer.committed_offsets(asked, ASK_TIMEOUT).map_err(failed)?;
        let mut offsets = Vec::with_capacity(partitions.len());
        for (topic, partition) in partitions {
            let offset = match told.find_partition(topic, partition.0) {
                Some(element) => {
                    element.error().map_err(failed)?;
                    element.offset()
                }
                None => KafkaOffset::Invalid,
            };
            offsets.push(match offset {
                KafkaOffset::Offset(next) => Some(NextOffset(next)),
                _ => None,
            });
        }
        Ok(offsets)
    }

    /// The position of each assigned partition that has one.
    #[must_use]
    pub fn positions(&self) -> Vec<(String, PartitionIndex, NextOffset)> {
        let Some(Ok(list)) = self.consumer().map(Consumer::position) else { return Vec::new() };
        let place = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match element.offset() {
            KafkaOffset::Offset(next) => {
                Some((element.topic().to_owned(), PartitionIndex(element.partition()), NextOffset(next)))
            }
            _ => None,
        };
        list.elements().iter().filter_map(place).collect()
    }

    /// Where a log begins and ends, uncommitted records included; for work that waits on it. Just after a topic was made, or
    /// while its leader changes, brokers disown a partition for a moment: they are asked again.
    pub fn watermarks(&self, topic: &str, partition: PartitionIndex) -> Result<Watermarks, WorkerError> {
        let deadline = Instant::now() + LEADER_TIMEOUT;
        loop {
            match self.ask_watermarks(topic, partition, ASK_TIMEOUT) {
                Err(error) if is_disowned(&error) && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                asked => return asked.map_err(WorkerError::client("ask for the end of a log")),
            }
        }
    }

    /// The same for showing: gives up soon.
    #[must_use]
    pub fn glance(&self, topic: &str, partition: PartitionIndex) -> Option<Watermarks> {
        self.ask_watermarks(topic, partition, GLANCE_TIMEOUT).ok()
    }

    /// Whether the broker says that there is no such topic; for showing.
    #[must_use]
    pub fn is_gone(&self, topic: &str) -> bool {
        matches!(self.ask_partitions(topic, GLANCE_TIMEOUT), Ok(None))
    }

    /// How many partitions `topic` has; `None` where the broker says that there is no such topic. For work that waits on
    /// it.
    pub fn partitions(&self, topic: &str) -> Result<Option<i32>, WorkerError> {
        self.ask_partitions(topic, ASK_TIMEOUT).map_err(WorkerError::client("ask for the partitions of a topic"))
    }

    /// Whether the first record that a log holds in a partition bears `time` or later.
    pub fn is_younger(&self, topic: &str, partition: PartitionIndex, time: Timestamp) -> Result<bool, WorkerError> {
        let failed = || WorkerError::client("ask for the records since a time");
        let mut asked = TopicPartitionList::new();
        asked.add_partition_offset(topic, partition.0, KafkaOffset::Offset(time.ms())).map_err(failed())?;
        let told = self.observer.offsets_for_times(asked, ASK_TIMEOUT).map_err(failed())?;
        let Some(first) = told.find_partition(topic, partition.0) else { return Ok(false) };
        first.error().map_err(failed())?;
        let Watermarks { low, .. } = self.watermarks(topic, partition)?;
        Ok(first.offset() == KafkaOffset::Offset(low.0))
    }

    fn ask_partitions(&self, topic: &str, timeout: Duration) -> Result<Option<i32>, KafkaError> {
        let metadata = self.observer.fetch_metadata(Some(topic), timeout)?;
        let known = metadata.topics().iter().find(|known| known.name() == topic);
        let is_there =
            |known: &&MetadataTopic| known.error() != Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
        let count = |known: &MetadataTopic| i32::try_from(known.partitions().len()).unwrap_or(i32::MAX);
        Ok(known.filter(is_there).map(count))
    }

    fn ask_watermarks(
        &self,
        topic: &str,
        partition: PartitionIndex,
        timeout: Duration,
    ) -> Result<Watermarks, KafkaError> {
        let (low, high) = self.observer.fetch_watermarks(topic, partition.0, timeout)?;
        Ok(Watermarks { low: NextOffset(low), high: NextOffset(high) })
    }
}

impl Drop for Member {
    /// Leaves the group. The client may hang in that, so it is left to a thread of its own after a while.
    fn drop(&mut self) {
        let Some(batches) = self.batches.take() else { return };
        let consumer = batches.into_consumer();
        consumer.context().close();
        drop_within(consumer, LEAVE_TIMEOUT);
    }
}

/// Drops `client` on a thread of its own and waits for it up to `timeout`.
pub fn drop_within(client: Consume, timeout: Duration) {
    let (done, finished) = mpsc::channel();
    let spawned = std::thread::Builder::new().name("kafka-close".to_owned()).spawn(move || {
        drop(client);
        let _ = done.send(());
    });
    if spawned.is_ok() && finished.recv_timeout(timeout).is_err() {
        tracing::warn!("a kafka client does not close in time and is left behind");
    }
}

/// Whether a broker only says that a partition is not, or not yet, its own.
fn is_disowned(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(Code::NotLeaderForPartition | Code::UnknownTopicOrPartition | Code::LeaderNotAvailable)
    )
}

fn names(list: &TopicPartitionList) -> String {
    let mut names: Vec<_> = list.elements().iter().map(|element| element.topic().to_owned()).collect();
    names.dedup();
    names.join(", ")
}
