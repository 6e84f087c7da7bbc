//! The service: checks the topics, starts the workers of the asked roles, rebuilds those that fail, and stops them all
//! within a deadline.
//!
//! A broker that is away or a topic that is missing is waited for, with a message that says what to do. What can never
//! work, such as partition counts that do not fit, is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::metadata::Metadata;

use super::client::{self, Consume};
use super::error::WorkerError;
use super::identity::{self, Identity};
use super::shell::{Shape, WorkerContext};
use super::{engine_worker, ingest_worker, learner_worker, notify_worker, topics};
use crate::config::Config;
use crate::engine::input::SourceTopic;
use crate::telemetry::{Readiness, Role, Telemetry};

/// Workers that have not stopped by then are left behind; what they had open is aborted by the broker.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);
/// Asking for metadata may take this long.
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);
/// First and longest pause before a worker or the check of the topics is tried again.
const BACKOFF_MIN: Duration = Duration::from_millis(500);
const BACKOFF_MAX: Duration = Duration::from_secs(15);
/// A worker that ran this long is not held responsible for earlier failures.
const BACKOFF_FORGET: Duration = Duration::from_secs(60);

/// Why the service does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The client refuses its configuration.
    #[error("cannot create a kafka client: {0}; check the properties in [kafka]")]
    Client(#[from] KafkaError),
    /// The topics do not fit together.
    #[error(
        "topics {first} and {second} have {first_partitions} and {second_partitions} partitions but must have equally \
         many; recreate the one that is wrong ({look} shows them)"
    )]
    PartitionCounts {
        /// The canonical log.
        first: String,
        /// Its partitions.
        first_partitions: i32,
        /// The topic that differs.
        second: String,
        /// Its partitions.
        second_partitions: i32,
        /// The command that shows the topics.
        look: String,
    },
    /// A topic that one reads or writes for all has several partitions.
    #[error("topic {topic} has {partitions} partitions but must have one, for {why}; recreate it ({look} shows it)")]
    OnePartition {
        /// The topic.
        topic: String,
        /// Its partitions.
        partitions: i32,
        /// Why one.
        why: &'static str,
        /// The command that shows the topics.
        look: String,
    },
    /// Topics have settings under which records would be lost or refused.
    #[error("{misfits}; correct them, or recreate the topics ({look} shows them)")]
    Misfits {
        /// What is wrong with which.
        misfits: String,
        /// The command that shows the topics.
        look: String,
    },
    /// A thread could not be started.
    #[error("cannot start a worker thread: {0}")]
    Thread(#[from] std::io::Error),
    /// A worker ended in a way that it never should.
    #[error("worker {0} died; this is a defect of the program, please report it with the log")]
    Died(String),
}

/// Runs the workers of `roles` until `stop` is set; with ingest, the fleet's learner, which begins
/// from the text of a model file, where there is one and it has never worked before. Returns once they have committed and
/// left their groups, or after ten seconds at most.
pub fn run(
    config: &Config,
    roles: &[Role],
    model: Option<String>,
    telemetry: Telemetry,
    stop: Arc<AtomicBool>,
) -> Result<(), ServiceError> {
    let observer = client::observer(config)?;
    let Some(shape) = await_topics(config, roles, &observer, &stop)? else { return Ok(()) };
    drop(observer);
    // Held until the workers have left their groups.
    let identity = identity(config);
    let name = config.engine.instance_id.clone().or_else(|| identity.as_ref().map(|known| known.name().to_owned()));
    let shared =
        Arc::new(Shared { config: config.clone(), name, shape, model, telemetry, stop, began: Instant::now() });
    let mut workers = Vec::new();
    for (role, of, count) in [
        (Role::Ingest, Role::Ingest, config.ingest.workers),
        (Role::Learner, Role::Ingest, 1),
        (Role::Engine, Role::Engine, config.engine.workers),
        (Role::Notify, Role::Notify, 1),
    ] {
        for index in 0..if roles.contains(&of) { count } else { 0 } {
            let shared = Arc::clone(&shared);
            let name = format!("{}-{index}", role.name());
            let thread = std::thread::Builder::new().name(name.clone());
            workers.push((name, thread.spawn(move || supervise(&shared, role, index))?));
        }
    }
    await_stop(&shared, workers)
}

/// The name of this process where the configuration gives none; none either when the machine does not allow it.
fn identity(config: &Config) -> Option<Identity> {
    if config.engine.instance_id.is_some() {
        return None;
    }
    match Identity::claim(&identity::folder(), &config.engine.group_id) {
        Ok(identity) => Some(identity),
        Err(error) => {
            tracing::warn!(
                error = error.to_string(),
                "no lasting name for this process: after a crash, what it held waits for the session time-out; set \
                 engine.instance_id to avoid that"
            );
            None
        }
    }
}

struct Shared {
    config: Config,
    name: Option<String>,
    shape: Shape,
    model: Option<String>,
    telemetry: Telemetry,
    stop: Arc<AtomicBool>,
    began: Instant,
}

/// Runs one worker, and a new one each time it gives up.
fn supervise(shared: &Shared, role: Role, index: usize) {
    let context = WorkerContext {
        config: &shared.config,
        name: shared.name.as_deref(),
        shape: &shared.shape,
        model: shared.model.as_deref(),
        telemetry: &shared.telemetry,
        stop: &shared.stop,
        began: shared.began,
        role,
        index,
    };
    let mut backoff = BACKOFF_MIN;
    while !context.stopping() {
        let started = Instant::now();
        let result: Result<(), WorkerError> = match role {
            Role::Ingest => ingest_worker::run(context),
            Role::Learner => learner_worker::run(context),
            Role::Notify => notify_worker::run(context),
            _ => engine_worker::run(context),
        };
        let Err(error) = result else { return };
        if context.stopping() {
            tracing::warn!(
                role = role.name(),
                worker = index,
                error = error.to_string(),
                "worker stopped with an error"
            );
            return;
        }
        if started.elapsed() >= BACKOFF_FORGET {
            backoff = BACKOFF_MIN;
        }
        shared.telemetry.ready_worker(role, index, Readiness::Unassigned);
        tracing::error!(
            role = role.name(),
            worker = index,
            error = error.to_string(),
            retry_in_ms = u64::try_from(backoff.as_millis()).unwrap_or_default(),
            "worker failed; it starts anew from what kafka holds"
        );
        pause(&shared.stop, backoff);
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

fn await_stop(shared: &Shared, workers: Vec<(String, JoinHandle<()>)>) -> Result<(), ServiceError> {
    let mut deadline = None;
    let mut workers = workers;
    loop {
        let (finished, running): (Vec<_>, Vec<_>) = workers.into_iter().partition(|(_, thread)| thread.is_finished());
        for (name, thread) in finished {
            if thread.join().is_err() {
                shared.stop.store(true, Ordering::Relaxed);
                return Err(ServiceError::Died(name));
            }
        }
        workers = running;
        if workers.is_empty() {
            return Ok(());
        }
        if deadline.is_none() && shared.stop.load(Ordering::Relaxed) {
            deadline = Some(Instant::now() + STOP_TIMEOUT);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            let names: Vec<_> = workers.iter().map(|(name, _)| name.as_str()).collect();
            tracing::warn!(workers = ?names, "workers do not stop in time and are left behind; nothing committed is lost");
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until the broker answers and every topic that `roles` need exists. `None` when asked to stop before.
fn await_topics(
    config: &Config,
    roles: &[Role],
    observer: &Consume,
    stop: &AtomicBool,
) -> Result<Option<Shape>, ServiceError> {
    let mut backoff = BACKOFF_MIN;
    let mut told = String::new();
    while !stop.load(Ordering::Relaxed) {
        let trouble = match observer.fetch_metadata(None, METADATA_TIMEOUT) {
            Ok(metadata) => match shape(config, roles, &counts(&metadata))? {
                Found::Complete(shape) => {
                    examine(config)?;
                    return Ok(Some(shape));
                }
                Found::Missing(names) => format!(
                    "missing topics: {}; create the product's own with {}, the sources with their producers or, for a \
                     trial, {}",
                    names.join(", "),
                    config.command("topics create"),
                    config.command("topics create --sources"),
                ),
            },
            Err(error) => {
                format!(
                    "no broker answers at {}: {error}; is it running, and is kafka.brokers right?",
                    config.kafka.brokers
                )
            }
        };
        if trouble == told {
            tracing::debug!(detail = trouble, "still waiting for kafka");
        } else {
            tracing::warn!(detail = trouble, "waiting for kafka; will keep trying");
            told = trouble;
        }
        pause(stop, backoff);
        backoff = (backoff * 2).min(BACKOFF_MAX / 3);
    }
    Ok(None)
}

/// Refuses topics whose settings would lose records, such as a canonical log that is compacted; tells what is odd about those
/// on which the service can run all the same, such as a source topic that forgets sooner than the engine needs to look back.
fn examine(config: &Config) -> Result<(), ServiceError> {
    match topics::look(config) {
        Ok(report) => {
            let misfits: Vec<String> = report.misfits().collect();
            if !misfits.is_empty() {
                let misfits = misfits.join("; ");
                return Err(ServiceError::Misfits { misfits, look: config.command("topics") });
            }
            for (topic, warning) in report.warnings() {
                tracing::warn!(topic, detail = warning, "topic is not as it should be");
            }
        }
        Err(error) => tracing::warn!(%error, "the settings of the topics cannot be read; going on without"),
    }
    Ok(())
}

fn counts(metadata: &Metadata) -> Vec<(String, i32)> {
    let usable = |topic: &&rdkafka::metadata::MetadataTopic| topic.error().is_none() && !topic.partitions().is_empty();
    let count = |topic: &rdkafka::metadata::MetadataTopic| {
        (topic.name().to_owned(), i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX))
    };
    metadata.topics().iter().filter(usable).map(count).collect()
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    Complete(Shape),
    Missing(Vec<String>),
}

/// What the topics look like, given the partition counts of those that exist.
fn shape(config: &Config, roles: &[Role], counts: &[(String, i32)]) -> Result<Found, ServiceError> {
    let mut missing = Vec::new();
    let mut count = |topic: &str| {
        let found = counts.iter().find(|(name, _)| name == topic).map(|(_, count)| *count);
        if found.is_none() {
            missing.push(topic.to_owned());
        }
        found.unwrap_or_default()
    };
    let look = config.command("topics");
    let topics = &config.topics;
    let mut shape = Shape { partitions: 0, dead_letter_partitions: 0, sources: Vec::new() };
    if roles.contains(&Role::Ingest) {
        let source = |topic: &String| SourceTopic { topic: topic.clone(), partitions: count(topic) };
        shape.sources = config.sources.iter().map(|source| &source.topic).map(source).collect();
    }
    shape.partitions = count(&topics.events);
    shape.dead_letter_partitions = count(&topics.dead_letters);
    let mut single = vec![(&topics.fleet, count(&topics.fleet), "one reader adds up the reports of all")];
    let mut same = Vec::new();
    if roles.contains(&Role::Engine) {
        same = [&topics.state, &topics.alerts, &topics.health].map(|topic| (topic, count(topic))).to_vec();
    }
    if roles.contains(&Role::Notify) {
        if same.is_empty() {
            same.push((&topics.alerts, count(&topics.alerts)));
        }
        for topic in [&topics.deliveries, &topics.desk] {
            single.push((topic, count(topic), "one desk serves the owners of all partitions"));
        }
    }
    if !missing.is_empty() {
        return Ok(Found::Missing(missing));
    }
    if let Some((topic, partitions, why)) = single.into_iter().find(|(_, partitions, _)| *partitions != 1) {
        return Err(ServiceError::OnePartition { topic: topic.clone(), partitions, why, look });
    }
    match same.into_iter().find(|(_, partitions)| *partitions != shape.partitions) {
        None => Ok(Found::Complete(shape)),
        Some((second, second_partitions)) => Err(ServiceError::PartitionCounts {
            first: topics.events.clone(),
            first_partitions: shape.partitions,
            second: second.clone(),
            second_partitions,
            look,
        }),
    }
}

/// Waits, but not longer than until `stop`.
fn pause(stop: &AtomicBool, time: Duration) {
    let deadline = Instant::now() + time;
    while !stop.load(Ordering::Relaxed) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn existing(without: &[&str], odd: &[(&str, i32)]) -> Vec<(String, i32)> {
        let config = Config::default();
        let topics = &config.topics;
        let single = [&topics.fleet, &topics.deliveries, &topics.desk];
        let own = [&topics.events, &topics.alerts, &topics.health, &topics.state, &topics.dead_letters];
        let own = own.into_iter().chain(single);
        own.into_iter()
            .chain(config.sources.iter().map(|source| &source.topic))
            .filter(|name| !without.contains(&name.as_str()))
            .map(|name| {
                let usual = if single.contains(&name) { 1 } else { 4 };
                (name.clone(), odd.iter().find(|(odd, _)| odd == name).map_or(usual, |(_, partitions)| *partitions))
            })
            .collect()
    }

    #[test]
    fn all_missing_topics_are_named_at_once() {
        let config = Config::default();
        let counts = existing(&["billing.events", "churnwatch.state.v1"], &[]);
        let found = shape(&config, &[Role::Ingest, Role::Engine], &counts).unwrap();
        assert_eq!(found, Found::Missing(vec!["billing.events".to_owned(), "churnwatch.state.v1".to_owned()]));
    }

    #[test]
    fn only_the_topics_of_the_role_are_needed() {
        let config = Config::default();
        let counts = existing(&["churnwatch.state.v1"], &[("product.usage", 3)]);
        let Found::Complete(shape) = shape(&config, &[Role::Ingest], &counts).unwrap() else { panic!("missing") };
        assert_eq!((shape.partitions, shape.sources[0].partitions), (4, 3));
    }

    #[test]
    fn partition_counts_that_do_not_fit_are_refused() {
        let counts = existing(&[], &[("churnwatch.alerts.v1", 3)]);
        let error = shape(&Config::default(), &[Role::Engine], &counts).unwrap_err();
        expect_test::expect!["topics churnwatch.events.v1 and churnwatch.alerts.v1 have 4 and 3 partitions but must have equally many; recreate the one that is wrong (`churnwatch topics` shows them)"]
            .assert_eq(&error.to_string());
        let counts = existing(&[], &[("churnwatch.fleet.v1", 2)]);
        let error = shape(&Config::default(), &[Role::Ingest], &counts).unwrap_err();
        expect_test::expect!["topic churnwatch.fleet.v1 has 2 partitions but must have one, for one reader adds up the reports of all; recreate it (`churnwatch topics` shows it)"].assert_eq(&error.to_string());
    }
}
