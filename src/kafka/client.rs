//! The Kafka clients and their configuration.
//!
//! Three layers, later ones win: our defaults, the user's pass-through properties, and what the guarantees rest on
//! (`config` refuses the latter in files, so nothing is overridden silently). Client logs and errors go to `tracing`,
//! repeated ones at most every [`REPEAT_INTERVAL`].

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, ProducerContext};
use rdkafka::types::{RDKafkaConfRes, RDKafkaRespErr};
use rdkafka::{Message, TopicPartitionList};

use crate::config::{Complaint, Config, SESSION_TIMEOUT_DEFAULT};

/// Properties that take one of a few words, of which librdkafka does not tell in its refusals.
const CHOICES: &[(&[&str], &[&str])] = &[
    (&["compression.type", "compression.codec"], &["none", "gzip", "snappy", "lz4", "zstd"]),
    (&["security.protocol"], &["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]),
    (&["broker.address.family"], &["any", "v4", "v6"]),
    (&["client.dns.lookup"], &["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"]),
    (&["ssl.endpoint.identification.algorithm"], &["none", "https"]),
    (&["metadata.recovery.strategy"], &["none", "rebootstrap"]),
];
/// The same client error is logged at most this often.
pub const REPEAT_INTERVAL: Duration = Duration::from_secs(30);
/// Different messages remembered by one client.
const TOLD_MAX: usize = 16;

/// The consumer type used throughout.
pub type Consume = BaseConsumer<Context>;
/// The producer type used throughout.
pub type Produce = BaseProducer<Context>;

/// What the group did with our partitions. The rebalance waits until the worker has assigned or unassigned them.
#[derive(Debug)]
pub enum Rebalance {
    /// These are ours from now on.
    Assign(TopicPartitionList),
    /// These are to be given up.
    Revoke {
        /// The partitions.
        partitions: TopicPartitionList,
        /// Whether somebody else may have them already.
        loss: Loss,
    },
}

/// How partitions go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// In good order: they are still ours until given up.
    Orderly,
    /// The group has given them away already.
    Lost,
}

/// What the clients call back: rebalances are queued for the worker, logs and errors are told.
///
/// librdkafka holds a rebalance until the application assigns or unassigns, so the worker may commit between two polls
/// instead of inside the callback.
#[derive(Debug)]
pub struct Context {
    name: String,
    rebalances: Mutex<VecDeque<Rebalance>>,
    closing: AtomicBool,
    told: Mutex<VecDeque<(String, Instant)>>,
    undelivered: Mutex<Option<KafkaError>>,
}

impl Context {
    fn new(name: &str) -> Context {
        Context {
            name: name.to_owned(),
            rebalances: Mutex::default(),
            closing: AtomicBool::new(false),
            told: Mutex::default(),
            undelivered: Mutex::default(),
        }
    }

    /// The next rebalance to be dealt with.
    pub fn next_rebalance(&self) -> Option<Rebalance> {
        self.rebalances.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Why a record could not be delivered, if one could not; a transaction fails by itself then.
    pub fn take_undelivered(&self) -> Option<KafkaError> {
        self.undelivered.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// From now on partitions are given up at once: nobody will ask for rebalances any more.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Whether the message was told already within [`REPEAT_INTERVAL`]; notes it otherwise.
    pub fn is_repeated(&self, message: &str) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|(_, at)| at.elapsed() < REPEAT_INTERVAL);
        if told.iter().any(|(known, _)| known == message) {
            return true;
        }
        if told.len() >= TOLD_MAX {
            told.pop_front();
        }
        told.push_back((message.to_owned(), Instant::now()));
        false
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let client = self.name.as_str();
        match level {
            RDKafkaLogLevel::Debug | RDKafkaLogLevel::Info | RDKafkaLogLevel::Notice => {
                tracing::debug!(client, facility, detail = message, "kafka client log");
            }
            // What matters comes through `error` or as the result of a call too.
            _ if self.is_repeated(facility) => {}
            _ => tracing::info!(client, facility, detail = message, "kafka client warning"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let text = error.to_string();
        if !self.is_repeated(&text) {
            tracing::warn!(client = self.name, error = text, reason, "kafka client error; the client goes on trying");
        }
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, err: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        if self.closing.load(Ordering::Relaxed) {
            let _ = give_up(consumer, partitions);
            return;
        }
        let rebalance = if err == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            Rebalance::Assign(partitions.clone())
        } else {
            let loss = if consumer.assignment_lost() { Loss::Lost } else { Loss::Orderly };
            Rebalance::Revoke { partitions: partitions.clone(), loss }
        };
        self.rebalances.lock().unwrap_or_else(PoisonError::into_inner).push_back(rebalance);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _opaque: ()) {
        // Successes are not reported; purged records of an aborted transaction say nothing new.
        if let Err((error, record)) = result {
            *self.undelivered.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
            let text = error.to_string();
            if !self.is_repeated(&text) {
                tracing::debug!(
                    topic = record.topic(),
                    partition = record.partition(),
                    error = text,
                    "record not delivered"
                );
            }
        }
    }
}

/// Unassigns `partitions`, which lets the rebalance go on.
pub fn give_up(consumer: &BaseConsumer<Context>, partitions: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
        _ => consumer.unassign(),
    }
}

/// What a group consumer does where the group has no valid offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetReset {
    /// Reports it: the position is a matter of state.
    Error,
    /// Reads the log from its start.
    Earliest,
}

/// A member of the group `group_id`, static when `instance` is given.
pub fn group_consumer(
    config: &Config,
    group_id: &str,
    instance: Option<&str>,
    reset: OffsetReset,
) -> KafkaResult<Consume> {
    let mut client = common(config);
    read_ahead(&mut client);
    // A member learns of a rebalance by its heartbeat, and a cooperative one takes two: at the default of 3 s most of the
    // first ten seconds after a start would pass with one worker at work.
    let session_timeout = SESSION_TIMEOUT_DEFAULT.as_millis().to_string();
    // New partitions of a source are found by looking: at the default of 5 minutes their first records would wait as long.
    let values = [
        ("heartbeat.interval.ms", "500"),
        ("session.timeout.ms", session_timeout.as_str()),
        ("topic.metadata.refresh.interval.ms", "30000"),
    ];
    for (name, value) in values {
        // What is set for every client holds for this one too.
        if !config.kafka.properties.contains_key(name) {
            client.set(name, value);
        }
    }
    client.set("partition.assignment.strategy", "cooperative-sticky");
    extend(&mut client, &config.kafka.consumer);
    client
        .set("group.id", group_id)
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "false")
        .set("auto.offset.reset", if reset == OffsetReset::Error { "error" } else { "earliest" });
    if let Some(instance) = instance {
        client.set("group.instance.id", instance);
    }
    client.create_with_context(Context::new(instance.unwrap_or(group_id)))
}

/// Reads the changelog by explicit assignment; never joins a group.
pub fn changelog_reader(config: &Config) -> KafkaResult<Consume> {
    let mut client = common(config);
    read_ahead(&mut client);
    extend(&mut client, &config.kafka.consumer);
    client.remove("group.instance.id");
    client
        .set("group.id", format!("{}-restore", config.engine.group_id))
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "false")
        .set("auto.offset.reset", "error");
    client.create_with_context(Context::new("restore"))
}

/// Asks for metadata and for the ends of logs. Sees uncommitted records too, and never fetches: a fetch that waits for
/// records would hold up its questions on the same connection.
pub fn observer(config: &Config) -> KafkaResult<Consume> {
    let mut client = common(config);
    extend(&mut client, &config.kafka.consumer);
    client.remove("group.instance.id").remove("group.id");
    client.set("isolation.level", "read_uncommitted");
    client.create_with_context(Context::new("observer"))
}

/// How long a record may wait for a batch to fill; never as long as a transaction may take.
const LINGER: Duration = Duration::from_secs(1);

/// A transactional producer.
pub fn producer(config: &Config, transactional_id: &str) -> KafkaResult<Produce> {
    let mut client = common(config);
    client
        // Full batches leave by themselves, the rest is asked for: see `flush`.
        .set("linger.ms", LINGER.min(config.commit.transaction_timeout / 2).as_millis().to_string())
        // After a commit the coordinator is busy for some milliseconds; waiting the default 100 would dominate the cycle.
        .set("retry.backoff.ms", "5")
        .set("queue.buffering.max.messages", "0")
        .set("queue.buffering.max.kbytes", "262144");
    extend(&mut client, &config.kafka.producer);
    let record_bytes_max = config.limits.record_bytes_max.saturating_add(1 << 20).min(1_000_000_000);
    client
        .set("transactional.id", transactional_id)
        .set("transaction.timeout.ms", config.commit.transaction_timeout.as_millis().to_string())
        .set("enable.idempotence", "true")
        .set("delivery.report.only.error", "true")
        .set("message.max.bytes", record_bytes_max.to_string());
    client.create_with_context(Context::new(transactional_id))
}

/// The librdkafka properties that this build of librdkafka does not take; where it takes each, those that make no client
/// together. Nothing is connected to.
#[must_use]
pub fn refused_properties(config: &Config) -> Vec<Complaint> {
    let sections = [
        ("kafka.properties", &config.kafka.properties),
        ("kafka.consumer", &config.kafka.consumer),
        ("kafka.producer", &config.kafka.producer),
    ];
    let written = || {
        let each = |(section, properties): (&'static str, _)| {
            std::iter::repeat(section).zip::<&std::collections::BTreeMap<String, String>>(properties)
        };
        sections.into_iter().flat_map(each)
    };
    let refused: Vec<Complaint> = written()
        .filter_map(|(section, (name, value))| {
            let error = ClientConfig::new().set(name, value).create_native_config().err()?;
            Some(refused_property(&format!("{section}.{name}"), name, value, &error))
        })
        .collect();
    if !refused.is_empty() || written().next().is_none() {
        return refused;
    }
    let mut alone = config.clone();
    alone.kafka.brokers.clear();
    let consumer = group_consumer(&alone, "churnwatch-check", None, OffsetReset::Error).err();
    let producer = producer(&alone, "churnwatch-check").err();
    let troubles = [("kafka.consumer", consumer), ("kafka.producer", producer)];
    let complaint = |(section, error): (&str, Option<KafkaError>)| {
        let message = error?.to_string();
        // The line of the property that it is about, as far as that is said.
        let named = written().filter(|(_, (name, _))| message.contains(name.as_str()));
        let path = named.max_by_key(|(_, (name, _))| name.len());
        let path = path.map_or_else(|| section.to_owned(), |(section, (name, _))| format!("{section}.{name}"));
        let what = "librdkafka makes no client of it".to_owned();
        Some(Complaint { path, message: what, found: None, allowed: None, hint: Some(message) })
    };
    troubles.into_iter().filter_map(complaint).collect()
}

fn refused_property(path: &str, name: &str, value: &str, error: &KafkaError) -> Complaint {
    let path = path.to_owned();
    if let KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..) = error {
        let hint = Some("correct the name after librdkafka's CONFIGURATION.md, or remove it".to_owned());
        let message = "librdkafka has no such property".to_owned();
        return Complaint { path, message, found: None, allowed: None, hint };
    }
    let said = match error {
        KafkaError::ClientConfig(_, said, ..) => said.trim().to_owned(),
        other => other.to_string(),
    };
    let lacks_tls = said.contains("OpenSSL");
    let allowed = if lacks_tls { None } else { allowed(name) };
    let hint = if lacks_tls {
        Some("this build has no TLS; build with `--features tls`".to_owned())
    } else {
        allowed.is_none().then_some(said)
    };
    let message = "librdkafka does not take it".to_owned();
    Complaint { path, message, found: Some(format!("{value:?}")), allowed, hint }
}

/// The values that librdkafka takes for a property, as far as it tells when it is given a number that none takes.
fn allowed(name: &str) -> Option<String> {
    if let Some((_, choices)) = CHOICES.iter().find(|(names, _)| names.contains(&name)) {
        return Some(choices.join(", "));
    }
    let refusal = ClientConfig::new().set(name, i32::MIN.to_string()).create_native_config().err()?;
    let KafkaError::ClientConfig(_, said, ..) = refusal else { return None };
    if said.starts_with("Expected bool") {
        return Some("true or false".to_owned());
    }
    let (least, most) = said.trim().split_once("allowed range ")?.1.split_once("..")?;
    Some(format!("number from {least} to {most}"))
}

/// A producer for records that belong to no transaction: simulated events on their way to the source topics.
pub fn plain_producer(config: &Config) -> KafkaResult<Produce> {
    let mut client = common(config);
    client.set("linger.ms", "20");
    extend(&mut client, &config.kafka.producer);
    client.set("enable.idempotence", "true").set("partitioner", "murmur2_random");
    client.create_with_context(Context::new("source-writer"))
}

/// How much a consumer reads ahead: the client's own default of 64 MiB for each worker would outweigh the state, and a
/// full queue would stop reading for a whole second.
fn read_ahead(client: &mut ClientConfig) {
    client.set("queued.max.messages.kbytes", "16384").set("fetch.queue.backoff.ms", "10");
}

fn common(config: &Config) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("client.id", "churnwatch").set("statistics.interval.ms", "0").set("log.connection.close", "false");
    extend(&mut client, &config.kafka.properties);
    client.set("bootstrap.servers", &config.kafka.brokers).set_log_level(RDKafkaLogLevel::Info);
    client
}

fn extend(client: &mut ClientConfig, properties: &std::collections::BTreeMap<String, String>) {
    for (name, value) in properties {
        client.set(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choices_told_are_those_that_librdkafka_takes() {
        for (names, choices) in CHOICES {
            for name in *names {
                let said = |value: &str| match ClientConfig::new().set(*name, value).create_native_config() {
                    Ok(_) => String::new(),
                    Err(error) => error.to_string(),
                };
                for choice in *choices {
                    let said = said(choice);
                    assert!(
                        said.is_empty() || said.contains("Unsupported value") || said.contains("not supported"),
                        "{said}"
                    );
                }
                assert!(!said("bogus").is_empty(), "{name}");
            }
        }
    }
}
