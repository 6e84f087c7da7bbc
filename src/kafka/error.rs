//! What can go wrong between a worker and Kafka. Every error here ends the worker, which is then built anew from what
//! Kafka holds; nothing goes on from memory.

use rdkafka::error::KafkaError;

use super::dump::DumpError;
use super::transaction::Broken;
use crate::units::{NextOffset, PartitionIndex};
use crate::worker::changelog::RestoreError;
use crate::worker::notify::DeskRestoreError;

/// Why a worker gave up.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A client could not be created or a call failed for good.
    #[error("cannot {what}: {source}")]
    Client {
        /// What was tried.
        what: &'static str,
        /// What the client says.
        source: KafkaError,
    },
    /// The producer is of no use any more.
    #[error(transparent)]
    Producer(#[from] Broken),
    /// The state of a partition does not fit the group's offset or cannot be read.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The desk does not fit the group's offsets or cannot be read.
    #[error(transparent)]
    Desk(#[from] DeskRestoreError),
    /// The changelog did not yield its records.
    #[error(
        "restore of partition {} has made no progress for {waited_s} s at offset {} of {}; is a transaction hanging on \
         the changelog topic?", partition.0, reached.0, target.0
    )]
    RestoreStalled {
        /// The partition.
        partition: PartitionIndex,
        /// How far it came.
        reached: NextOffset,
        /// How far it had to come.
        target: NextOffset,
        /// For how long nothing came.
        waited_s: u64,
    },
    /// The log does not hold the position any more.
    #[error(
        "{topic} does not hold the next record to read any more: it was deleted by retention or the topic was made \
         anew; if the loss is accepted, delete the consumer group and the changelog topic to start over from what is left"
    )]
    PositionGone {
        /// The topic.
        topic: String,
    },
    /// A source does not hold the position any more.
    #[error(
        "the next record to read of {topics} is not there any more: it was deleted before it was read, and the worker goes \
         on at the first one left; or the topic was made anew, and positions have to be set once no instance has run for \
         session.timeout.ms: kafka-consumer-groups.sh --bootstrap-server BROKERS --group {group} --topic TOPIC \
         --reset-offsets --to-earliest --execute"
    )]
    SourceGone {
        /// The sources read.
        topics: String,
        /// The group of the ingest role.
        group: String,
    },
    /// The client has found a topic missing: the group goes on without it, and the client looks for it no more.
    #[error(
        "{topics} did not exist, in whole or in part, when the group looked; the worker joins anew until all of it is there"
    )]
    TopicUnknown {
        /// The topics read.
        topics: String,
    },
    /// A source topic is gone.
    #[error(
        "source topic {topic} does not exist any more: nothing of any source is taken in until it is made anew, by its \
         producers or with {create}, or taken out of [[sources]]"
    )]
    SourceMissing {
        /// The topic.
        topic: String,
        /// The command that makes it.
        create: String,
    },
    /// The group knows no position, but it or another has taken records in before.
    #[error(
        "consumer group {group} has no position in {places}, but {log} shows that it was read: the positions were deleted or \
         have expired, or the group has a new name, and reading from the start would take everything in a second time; set them once no \
         instance has run for session.timeout.ms: kafka-consumer-groups.sh --bootstrap-server BROKERS --group {group} \
         --topic TOPIC --reset-offsets --to-datetime TIME --execute for every source (--to-earliest where nothing of it was \
         taken in)"
    )]
    PositionsLost {
        /// The group of the ingest role.
        group: String,
        /// The partitions, in words.
        places: String,
        /// The canonical log.
        log: String,
    },
    /// A log could not be looked into.
    #[error(transparent)]
    Log(#[from] DumpError),
    /// Another member of the group bears the same name.
    #[error(
        "another process has taken this one's place in the consumer group: of processes that run at the same time each \
         needs its own `engine.instance_id`; stop one of them"
    )]
    PlaceTaken,
    /// A record came where only rebalances and errors should: going on could skip it.
    #[error("a record of {topic}, partition {}, came outside of its queue; the worker reads it again", partition.0)]
    StrayRecord {
        /// The topic.
        topic: String,
        /// The partition.
        partition: PartitionIndex,
    },
    /// The transaction's outcome is contradictory: some offsets moved and some did not.
    #[error("the group's offsets after an interrupted commit are those of neither before nor after it")]
    OutcomeUnclear,
    /// Every attempt to commit ended in an abort.
    #[error("{attempts} transactions in a row were aborted, the last one for {cause}: {detail}")]
    AbortedRepeatedly {
        /// How many.
        attempts: u32,
        /// The last one's cause.
        cause: &'static str,
        /// The client's words.
        detail: String,
    },
}

impl WorkerError {
    /// Makes a client's error say what was tried.
    pub fn client(what: &'static str) -> impl FnOnce(KafkaError) -> WorkerError {
        move |source| WorkerError::Client { what, source }
    }
}
