//! librdkafka properties: passed through as they are, except those that would break what the product guarantees.
//!
//! Whether a property exists and takes its value is for librdkafka to say when a client is made. Values may be secrets,
//! so none of them is shown unless it is a number that is out of range here.

use super::document::{Node, Raw};

/// Properties that cannot be set, with the reason.
const REFUSED: &[(&[&str], &str)] = &[
    (&["bootstrap.servers", "metadata.broker.list"], "set `kafka.brokers` instead"),
    (
        &["group.id"],
        "each role has its own group: set `ingest.group_id`, `engine.group_id` and `notify.group_id` instead",
    ),
    (&["group.instance.id"], "each worker needs its own: set `engine.instance_id` instead"),
    (&["group.protocol.type"], "the workers are consumers"),
    (
        &["group.protocol", "group.remote.assignor"],
        "the workers are static members of a classic group, so that a restart after a crash goes on at once; \
         with the new protocol that is not assured",
    ),
    (
        &["enable.auto.commit", "auto.commit.enable", "auto.commit.interval.ms"],
        "offsets are committed in the transaction that carries the outputs, never beside it; \
         see `commit.interval_caught_up_ms`",
    ),
    (
        &["enable.auto.offset.store", "offset.store.method", "offset.store.path", "offset.store.sync.interval.ms"],
        "the worker itself says which offsets it has finished, and they are kept in the consumer group",
    ),
    (
        &["auto.offset.reset"],
        "a position that is lost is recovered from the commit record or reported, never guessed: guessing skips or \
         repeats events",
    ),
    (&["isolation.level"], "only committed records may be read: it is always read_committed"),
    (&["enable.partition.eof"], "librdkafka passes over records where it reports the end of a partition"),
    (
        &["partition.assignment.strategy"],
        "workers take over and give up partitions one at a time, which is cooperative-sticky",
    ),
    (
        &["transactional.id"],
        "each worker has its own, stable over restarts, so that its dead predecessor is fenced off",
    ),
    (&["transaction.timeout.ms"], "set `commit.transaction_timeout_ms` instead"),
    (
        &["enable.idempotence", "acks", "request.required.acks"],
        "transactions need idempotence and acks of all replicas",
    ),
    (&["queuing.strategy"], "records of an account must be sent in order"),
    (&["partitioner"], "every producer of the canonical log must agree where an account lives: murmur2 of its id"),
    (&["delivery.report.only.error"], "the worker waits for the report of every record before it commits"),
    (&["message.max.bytes"], "set `limits.record_bytes_max` instead: a dead letter must fit whatever was read"),
    (
        &["allow.auto.create.topics"],
        "topics must have the right partitions and cleanup policy: `churnwatch topics create` makes them",
    ),
    (&["statistics.interval.ms"], "statistics pile up in clients that nobody polls; /metrics has the figures"),
    (&["plugin.library.paths"], "a plug-in may change what is read and written"),
    (&["enabled_events", "interceptors", "opaque", "default_topic_conf"], "the program sets it"),
];

/// Properties that must stay within a range.
const RANGES: &[(&[&str], i64, i64, &str)] = &[
    (
        &["max.in.flight", "max.in.flight.requests.per.connection"],
        1,
        5,
        "beyond 5 requests in flight a broker cannot keep records in order",
    ),
    (
        &["max.poll.interval.ms"],
        60_000,
        86_400_000,
        "a worker that waits for brokers to commit would be taken for one that hangs",
    ),
    (&["retries", "message.send.max.retries"], 1, 2_147_483_647, "without retries a record may get lost"),
];

/// Why a property cannot be had.
#[derive(Debug, PartialEq)]
pub(super) enum Refusal {
    /// It cannot be set at all.
    Name(String),
    /// Not with this value.
    Range {
        /// What is allowed.
        allowed: String,
        /// Why.
        reason: &'static str,
    },
    /// A list or table.
    Type,
}

/// The text of a property's value, or why it cannot be had.
pub(super) fn check(name: &str, value: &Raw) -> Result<String, Refusal> {
    if let Some((_, reason)) = REFUSED.iter().find(|(names, _)| names.contains(&name)) {
        return Err(Refusal::Name((*reason).to_owned()));
    }
    if name.starts_with("test.mock.") {
        return Err(Refusal::Name("it replaces the brokers by an imitation that guarantees nothing".to_owned()));
    }
    if name.ends_with("_cb") {
        return Err(Refusal::Name("callbacks are code".to_owned()));
    }
    let text = match value {
        Raw::Text(text) => text.clone(),
        Raw::Integer(_) | Raw::Number(_) | Raw::Switch(_) => value.shown(),
        Raw::List(_) | Raw::Table(_) | Raw::Other(_) => return Err(Refusal::Type),
    };
    if let Some((_, min, max, reason)) = RANGES.iter().find(|(names, ..)| names.contains(&name))
        && !text.trim().parse::<i64>().is_ok_and(|number| (*min..=*max).contains(&number))
    {
        return Err(Refusal::Range { allowed: format!("whole number from {min} to {max}"), reason });
    }
    Ok(text)
}

/// The properties of a table by their full names: TOML reads `sasl.password` as a table `sasl` with a key `password`.
pub(super) fn flatten(entries: &[(String, Node)]) -> Vec<(String, &Node)> {
    let mut properties = Vec::new();
    for (name, node) in entries {
        match &node.raw {
            Raw::Table(children) if !children.is_empty() => {
                properties.extend(flatten(children).into_iter().map(|(rest, node)| (format!("{name}.{rest}"), node)));
            }
            _ => properties.push((name.clone(), node)),
        }
    }
    properties
}

/// The property that an environment variable's last part names: `SASL_PASSWORD` is `sasl.password`, and a last `_FILE`
/// stays `_file`.
pub(super) fn name_of_variable(part: &str) -> String {
    let part = part.to_lowercase();
    match part.strip_suffix("_file") {
        Some(name) => format!("{}_file", name.replace('_', ".")),
        None => part.replace('_', "."),
    }
}

/// Every property that cannot be set, with the reason: for the reference.
pub fn refused() -> impl Iterator<Item = (&'static str, &'static str)> {
    REFUSED.iter().flat_map(|(names, reason)| names.iter().map(move |name| (*name, *reason)))
}
