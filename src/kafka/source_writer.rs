//! Writes events to source topics, as a user's own producers would: keyed, idempotent, in no transaction.
//!
//! For simulations and trials, and for the record that makes the fleet's learner begin anew; the service itself never
//! writes this way.

use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer};

use super::client::{self, Produce};
use crate::config::Config;

/// How long a broker may take to answer at all.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// How long the broker may take for what is still on its way at the end.
const FLUSH_MAX: Duration = Duration::from_secs(60);
/// How long a full queue may stay full: the broker has stopped taking anything.
const STALL_MAX: Duration = Duration::from_secs(60);

/// Why events could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SourceWriterError {
    /// The producer could not be made.
    #[error("cannot make a producer for {brokers}: {source}; check the kafka section of the configuration")]
    Client {
        /// The brokers asked.
        brokers: String,
        /// What the client says.
        source: KafkaError,
    },
    /// No broker answers.
    #[error("no broker answers at {brokers}: {source}; is it running, and is kafka.brokers right?")]
    Unreachable {
        /// The brokers asked.
        brokers: String,
        /// What the client says.
        source: KafkaError,
    },
    /// A topic does not exist.
    #[error("topic {topic} does not exist; create it with {create}")]
    Missing {
        /// The topic.
        topic: String,
        /// The command that creates topics.
        create: String,
    },
    /// Records were taken but did not reach the broker.
    #[error("not all records reached the broker: {source}; check that it runs")]
    Undelivered {
        /// What became of one of them.
        source: KafkaError,
    },
    /// A record was refused or not taken in time.
    #[error("cannot write to topic {topic}: {source}; check that the broker runs")]
    Write {
        /// The topic.
        topic: String,
        /// What the client says.
        source: KafkaError,
    },
}

/// A producer for source topics.
pub struct SourceWriter {
    producer: Produce,
}

impl SourceWriter {
    /// Connects to the configured brokers, which must have `topics`. Takes five seconds where none answers.
    pub fn new(config: &Config, topics: &[&str]) -> Result<SourceWriter, SourceWriterError> {
        let brokers = || config.kafka.brokers.clone();
        let producer = client::plain_producer(config)
            .map_err(|source| SourceWriterError::Client { brokers: brokers(), source })?;
        // All topics are asked for: a question for one by name can create it on a broker that creates topics by itself.
        let metadata = producer
            .client()
            .fetch_metadata(None, ANSWER_MAX)
            .map_err(|source| SourceWriterError::Unreachable { brokers: brokers(), source })?;
        match topics.iter().find(|topic| metadata.topics().iter().all(|found| found.name() != **topic)) {
            None => Ok(SourceWriter { producer }),
            Some(topic) => Err(SourceWriterError::Missing {
                topic: (*topic).to_owned(),
                create: config.command("topics create --sources"),
            }),
        }
    }

    /// Hands a record over; waits while too many are on their way.
    pub fn write(&self, topic: &str, key: &[u8], value: &[u8]) -> Result<(), SourceWriterError> {
        let began = Instant::now();
        let mut record = BaseRecord::to(topic).key(key).payload(value);
        loop {
            match self.producer.send(record) {
                Ok(()) => {
                    self.producer.poll(Duration::ZERO);
                    return Ok(());
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again))
                    if began.elapsed() < STALL_MAX =>
                {
                    record = again;
                    self.producer.poll(Duration::from_millis(10));
                }
                Err((source, _)) => return Err(SourceWriterError::Write { topic: topic.to_owned(), source }),
            }
        }
    }

    /// Waits until the broker has everything.
    pub fn finish(self) -> Result<(), SourceWriterError> {
        let flushed = self.producer.flush(FLUSH_MAX).err();
        match self.producer.context().take_undelivered().or(flushed) {
            Some(source) => Err(SourceWriterError::Undelivered { source }),
            None => Ok(()),
        }
    }
}
