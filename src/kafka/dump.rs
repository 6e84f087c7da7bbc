//! Reads a whole topic, committed records only, partition by partition in offset order.
//!
//! Reads up to the end as it stood when it began and belongs to no consumer group: nothing is committed or assigned for
//! anybody else. What becomes of the records is the caller's business.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use crate::config::Config;
use crate::units::PartitionIndex;

/// How long the broker may take to answer one question.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the reading may stand still before it is given up.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(30);
/// How long one poll waits; also how late the end is noticed when control records stand there.
const POLL: Duration = Duration::from_millis(50);

/// Why a topic could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The configured librdkafka properties make no client.
    #[error("cannot make a kafka client of the configuration: {0}")]
    Client(Box<KafkaError>),
    /// The broker did not answer or refused.
    #[error("cannot read topic {topic} from {brokers}: {cause}")]
    Broker {
        /// The topic.
        topic: String,
        /// The brokers asked.
        brokers: String,
        /// What librdkafka says.
        cause: Box<KafkaError>,
    },
    /// There is no such topic or partition.
    #[error("{what} does not exist; {look} shows what there is")]
    Missing {
        /// The topic or partition.
        what: String,
        /// The command that shows the topics.
        look: String,
    },
    /// Nothing came for a long time although the end was not reached.
    #[error("topic {topic} partition {partition} stood still at {position} of {end} for {} s", PROGRESS_TIMEOUT.as_secs())]
    Stalled {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The position reached.
        position: i64,
        /// Where it ends.
        end: i64,
    },
}

/// How much of each partition is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// No more than so many of the latest offsets.
    Latest(i64),
}

/// Hands every committed record of `topic` (of one partition of it, where given), as far as `extent` goes, to `each`,
/// until that breaks off.
pub fn read(
    config: &Config,
    topic: &str,
    partition: Option<PartitionIndex>,
    extent: Extent,
    each: &mut dyn FnMut(&BorrowedMessage<'_>) -> ControlFlow<()>,
) -> Result<(), DumpError> {
    let broker = |cause| DumpError::Broker {
        topic: topic.to_owned(),
        brokers: config.kafka.brokers.clone(),
        cause: Box::new(cause),
    };
    let missing = |what| DumpError::Missing { what, look: config.command("topics") };
    let consumer = consumer(config)?;
    let metadata = consumer.fetch_metadata(None, REQUEST_TIMEOUT).map_err(broker)?;
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
        return Err(missing(format!("topic {topic}")));
    };
    let mut partitions: Vec<i32> = found.partitions().iter().map(rdkafka::metadata::MetadataPartition::id).collect();
    partitions.sort_unstable();
    if let Some(PartitionIndex(wanted)) = partition {
        if !partitions.contains(&wanted) {
            return Err(missing(format!("partition {wanted} of topic {topic}")));
        }
        partitions = vec![wanted];
    }
    // Every end is taken before anything is read: records that arrive meanwhile belong to the next dump. Under
    // read_committed the broker gives the last stable offset, which an open transaction cannot make us wait for.
    let mut ranges = Vec::with_capacity(partitions.len());
    for partition in partitions {
        let (low, end) = consumer.fetch_watermarks(topic, partition, REQUEST_TIMEOUT).map_err(broker)?;
        ranges.push((partition, low, end));
    }
    for (partition, first, end) in ranges {
        let low = match extent {
            Extent::Whole => first,
            Extent::Latest(count) => first.max(end.saturating_sub(count)),
        };
        if low < end && read_partition(&consumer, (topic, partition), (low, end), broker, each)?.is_break() {
            break;
        }
    }
    Ok(())
}

fn read_partition(
    consumer: &BaseConsumer,
    (topic, partition): (&str, i32),
    (low, end): (i64, i64),
    broker: impl Fn(KafkaError) -> DumpError,
    each: &mut dyn FnMut(&BorrowedMessage<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, DumpError> {
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, partition, Offset::Offset(low)).map_err(&broker)?;
    consumer.assign(&assignment).map_err(&broker)?;
    let mut position = low;
    let mut moved = Instant::now();
    loop {
        match consumer.poll(POLL) {
            Some(Ok(message)) if message.offset() >= end => break,
            Some(Ok(message)) => {
                position = message.offset().saturating_add(1);
                moved = Instant::now();
                if each(&message).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            // Lost connections are mended underneath; a broker that stays away ends in the deadline.
            Some(Err(KafkaError::MessageConsumption(code))) if is_passing(code) => {}
            Some(Err(cause)) => return Err(broker(cause)),
            None => {
                // Control and aborted records are never handed out but occupy offsets.
                let reached = consumed(consumer, topic, partition).unwrap_or(position);
                if reached > position {
                    position = reached;
                    moved = Instant::now();
                }
            }
        }
        if position >= end {
            break;
        }
        if moved.elapsed() > PROGRESS_TIMEOUT {
            return Err(DumpError::Stalled { topic: topic.to_owned(), partition, position, end });
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn consumed(consumer: &BaseConsumer, topic: &str, partition: i32) -> Option<i64> {
    match consumer.position().ok()?.find_partition(topic, partition)?.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}

fn is_passing(code: rdkafka::types::RDKafkaErrorCode) -> bool {
    use rdkafka::types::RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::BrokerTransportFailure | Code::AllBrokersDown | Code::OperationTimedOut | Code::NotLeaderForPartition
    )
}

fn consumer(config: &Config) -> Result<BaseConsumer, DumpError> {
    let mut client = ClientConfig::new();
    for (name, value) in config.kafka.properties.iter().chain(&config.kafka.consumer) {
        client.set(name, value);
    }
    client
        .set("bootstrap.servers", &config.kafka.brokers)
        .set("group.id", "churnwatch-dump") // asked for by librdkafka; the group is never joined
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "false")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "error")
        .set("fetch.wait.max.ms", "50")
        .set_log_level(rdkafka::config::RDKafkaLogLevel::Emerg)
        .create()
        .map_err(|cause| DumpError::Client(Box::new(cause)))
}
