//! The transactional producer: one transaction at a time, opened by the first record, ended by commit or abort.
//!
//! Errors fall into the classes that decide what happens next; see [`End`] and [`Broken`]. Invariant: an open
//! transaction is aborted when its producer is dropped, so that no early return leaves one behind.

use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, PurgeConfig};

use super::client::{self, Produce};
use super::failpoint::{self, Point};
use super::flush::flush;
use crate::config::{Config, Topics};
use crate::telemetry::Role;
use crate::worker::outbox::{OutRecord, OutTopic, Outbox};

/// One call to the coordinator may take this long.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// A retriable call is repeated this many times.
const RETRIES_MAX: u32 = 5;
/// Outstanding records must be delivered within this time, or the transaction is aborted.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long between two looks whether they are.
const DRAIN_PAUSE: Duration = Duration::from_micros(500);
/// For so long at a time the client is asked to send what waits, ...
const FLUSH_WAIT: Duration = Duration::from_millis(2);
/// ... and after so many looks again.
const FLUSH_EVERY: u32 = 8;
/// Time for aborting when a worker goes away.
const DROP_TIMEOUT: Duration = Duration::from_secs(2);

/// How a transaction ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything in it is final.
    Committed,
    /// Nothing of it remains; `cause` is a stable snake-case name.
    Aborted {
        /// What led to it.
        cause: &'static str,
        /// The client's words.
        detail: String,
    },
}

/// The producer is of no use any more.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// Nobody knows whether the transaction was committed. A new producer learns it.
    #[error("outcome of the transaction is unknown: {0}")]
    Indefinite(KafkaError),
    /// Fenced, or in a state that the client cannot leave.
    #[error("producer cannot go on: {0}")]
    Fatal(KafkaError),
}

/// A new producer waits so long for a broker before it asks for its coordinator.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What an error of a transactional call calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Retriable,
    Abortable,
    Fatal,
    Flush,
}

fn class(error: &KafkaError) -> Class {
    match error {
        KafkaError::Transaction(error) if error.is_fatal() => Class::Fatal,
        KafkaError::Transaction(error) if error.txn_requires_abort() => Class::Abortable,
        KafkaError::Transaction(error) if error.is_retriable() => Class::Retriable,
        KafkaError::Flush(_) => Class::Flush,
        // No flag: treated as fatal, for nothing says that going on is safe.
        _ => Class::Fatal,
    }
}

/// A transactional producer and whether its transaction is open.
pub struct Transactions {
    producer: Produce,
    role: Role,
    topics: Topics,
    open: bool,
    /// Why the open transaction can only be aborted.
    doomed: Option<KafkaError>,
}

impl Transactions {
    /// Creates the producer and ends whatever an earlier one of the same id left open. Blocks up to `timeout`.
    pub fn start(config: &Config, role: Role, transactional_id: &str, timeout: Duration) -> KafkaResult<Transactions> {
        let producer = client::producer(config, transactional_id)?;
        // Connects: a client without a broker that is up looks for its coordinator again only after half a second. The
        // first answer tells the client who the broker is, for which it leaves that state once more; the second finds it
        // there. Whether there is a broker at all is for the next call to say.
        let connect = || producer.client().fetch_metadata(Some(&config.topics.events), CONNECT_TIMEOUT);
        let _ = connect().and_then(|_| connect());
        producer.init_transactions(timeout)?;
        Ok(Transactions { producer, role, topics: config.topics.clone(), open: false, doomed: None })
    }

    /// Whether a transaction is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Produces the records of `outbox`, opening a transaction when there is none, and empties it. A record that cannot
    /// be produced dooms the transaction: its commit will abort.
    pub fn send(&mut self, outbox: &mut Outbox) -> Result<(), Broken> {
        if outbox.is_empty() {
            return Ok(());
        }
        self.open()?;
        for record in outbox.records() {
            if self.doomed.is_some() {
                break;
            }
            if let Err(error) = self.send_one(&record) {
                self.doomed = Some(error);
            }
        }
        outbox.clear();
        Ok(())
    }

    /// Commits the records sent and `offsets` with them. Without offsets only the records.
    pub fn commit(
        &mut self,
        offsets: &TopicPartitionList,
        group: Option<&ConsumerGroupMetadata>,
    ) -> Result<End, Broken> {
        self.open()?;
        let _ = failpoint::is_hit(self.role, Point::Unflushed);
        if let Some(error) = self.doomed.take() {
            return self.abort_because("produce", &error);
        }
        if !self.drain(DRAIN_TIMEOUT) {
            return self.abort_because("flush_timeout", &KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut));
        }
        let _ = failpoint::is_hit(self.role, Point::Produced);
        if let Some(group) = group
            && offsets.count() > 0
        {
            match retry(|| self.producer.send_offsets_to_transaction(offsets, group, CALL_TIMEOUT)) {
                Ok(()) => {}
                Err(error) if class(&error) == Class::Fatal => return Err(Broken::Fatal(error)),
                // No end was asked for yet, so the outcome is certain: abort.
                Err(error) => return self.abort_because("offsets", &error),
            }
        }
        let _ = failpoint::is_hit(self.role, Point::OffsetsSent);
        if failpoint::is_hit(self.role, Point::LostRequest) {
            return Err(Broken::Indefinite(KafkaError::MessageProduction(RDKafkaErrorCode::OperationTimedOut)));
        }
        match retry(|| self.producer.commit_transaction(CALL_TIMEOUT)) {
            Ok(()) => {
                let _ = failpoint::is_hit(self.role, Point::Committed);
                if failpoint::is_hit(self.role, Point::LostAnswer) {
                    return Err(Broken::Indefinite(KafkaError::MessageProduction(RDKafkaErrorCode::OperationTimedOut)));
                }
                self.open = false;
                Ok(End::Committed)
            }
            Err(error) => match class(&error) {
                Class::Abortable => self.abort_because("commit", &error),
                // Nothing was sent to the coordinator: the records did not even leave.
                Class::Flush => self.abort_because("flush_timeout", &error),
                Class::Retriable => Err(Broken::Indefinite(error)),
                Class::Fatal => Err(Broken::Fatal(error)),
            },
        }
    }

    /// Aborts the open transaction, if there is one.
    pub fn abort(&mut self) -> Result<(), Broken> {
        if !self.open {
            return Ok(());
        }
        self.doomed = None;
        self.producer.purge(PurgeConfig::default().queue());
        self.drain(CALL_TIMEOUT);
        match retry(|| self.producer.abort_transaction(CALL_TIMEOUT)) {
            Ok(()) => {
                self.open = false;
                Ok(())
            }
            Err(error) if class(&error) == Class::Retriable => Err(Broken::Indefinite(error)),
            Err(error) => Err(Broken::Fatal(error)),
        }
    }

    /// Leaves the open transaction to the producer that comes next under the same id: it settles it.
    pub fn abandon(&mut self) {
        self.open = false;
    }

    fn abort_because(&mut self, cause: &'static str, error: &KafkaError) -> Result<End, Broken> {
        self.abort()?;
        Ok(End::Aborted { cause, detail: error.to_string() })
    }

    fn open(&mut self) -> Result<(), Broken> {
        if !self.open {
            self.producer.begin_transaction().map_err(Broken::Fatal)?;
            self.open = true;
            self.doomed = None;
            let _ = failpoint::is_hit(self.role, Point::Begun);
        }
        Ok(())
    }

    fn send_one(&self, record: &OutRecord<'_>) -> KafkaResult<()> {
        let mut message = BaseRecord::<[u8], [u8]>::to(self.topic(record.topic)).partition(record.partition.0);
        message.key = record.key;
        message.payload = record.value;
        if record.headers().len() > 0 {
            let mut headers = OwnedHeaders::new_with_capacity(record.headers().len());
            for (key, value) in record.headers() {
                headers = headers.insert(Header { key, value });
            }
            message.headers = Some(headers);
        }
        let deadline = Instant::now() + DRAIN_TIMEOUT;
        loop {
            match self.producer.send(message) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                    if Instant::now() < deadline =>
                {
                    message = back;
                    self.producer.poll(Duration::from_millis(5));
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    /// Sends what waits, and waits until nothing is outstanding. The client's poll with a time-out below a millisecond does
    /// not wait but spins.
    fn drain(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        for look in 0_u32.. {
            if self.producer.in_flight_count() == 0 {
                break;
            }
            if Instant::now() >= deadline {
                return false;
            }
            if look.is_multiple_of(FLUSH_EVERY) {
                flush(&self.producer, FLUSH_WAIT);
            } else {
                std::thread::sleep(DRAIN_PAUSE);
            }
            self.producer.poll(Duration::ZERO);
        }
        true
    }

    fn topic(&self, topic: OutTopic) -> &str {
        match topic {
            OutTopic::Events => &self.topics.events,
            OutTopic::Alerts => &self.topics.alerts,
            OutTopic::Health => &self.topics.health,
            OutTopic::State => &self.topics.state,
            OutTopic::DeadLetters => &self.topics.dead_letters,
            OutTopic::Fleet => &self.topics.fleet,
            OutTopic::Deliveries => &self.topics.deliveries,
            OutTopic::Desk => &self.topics.desk,
        }
    }
}

impl Drop for Transactions {
    fn drop(&mut self) {
        if self.open {
            self.producer.purge(PurgeConfig::default().queue());
            self.drain(DROP_TIMEOUT);
            // At worst the broker aborts it when transaction.timeout.ms has passed.
            if let Err(error) = self.producer.abort_transaction(DROP_TIMEOUT) {
                tracing::debug!(error = error.to_string(), "open transaction left to its time-out");
            }
        }
    }
}

fn retry(mut call: impl FnMut() -> KafkaResult<()>) -> KafkaResult<()> {
    for _ in 0..RETRIES_MAX {
        match call() {
            Err(error) if class(&error) == Class::Retriable => {}
            result => return result,
        }
    }
    call()
}
