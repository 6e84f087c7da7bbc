//! The topics of the product at the broker: showing them, checking them at start, making the missing ones.
//!
//! What a topic should be and whether what exists fits is decided in [`spec`]. A topic that exists is never altered:
//! what does not fit is told, and somebody decides. Records are read in [`super::dump`], not here.

pub mod spec;

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use spec::{Found, Purpose, Spec, TopicReport, TopicState, Verdict, specs};

use crate::config::Config;

/// How long one question to the broker may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The topics as they stand.
pub fn look(config: &Config) -> Result<TopicReport, TopicsError> {
    let admin = admin(config)?;
    let mut found = found(config, &admin)?;
    let topics = specs(config).into_iter().map(|spec| {
        let found = found.remove(&spec.topic);
        TopicState::judge(spec, found)
    });
    Ok(TopicReport { topics: topics.collect() })
}

/// Which of the missing topics to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The product's own.
    Own,
    /// The sources too, for trials: in production they belong to their producers.
    OwnAndSources,
}

/// What [`create`] did.
#[derive(Clone, Debug, PartialEq)]
pub struct Created {
    /// The topics made.
    pub topics: Vec<String>,
    /// How all topics stood before.
    pub before: TopicReport,
}

/// Makes the missing topics of `scope`; those that exist are left as they are. Running it twice, or twice at once, is
/// harmless.
pub fn create(config: &Config, scope: Scope) -> Result<Created, TopicsError> {
    let before = look(config)?;
    let topics = make(config, &missing(&before, scope))?;
    Ok(Created { topics, before })
}

fn missing(report: &TopicReport, scope: Scope) -> Vec<&Spec> {
    report
        .topics
        .iter()
        .filter(|state| state.verdict() == Verdict::Missing)
        .map(|state| &state.spec)
        .filter(|spec| scope == Scope::OwnAndSources || spec.purpose != Purpose::Source)
        .collect()
}

fn make(config: &Config, missing: &[&Spec]) -> Result<Vec<String>, TopicsError> {
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let settings: Vec<Vec<(&str, String)>> = missing
        .iter()
        .map(|spec| spec.settings.iter().map(|setting| (setting.name, setting.wanted.to_string())).collect())
        .collect();
    let requests: Vec<NewTopic<'_>> = missing
        .iter()
        .zip(&settings)
        .map(|(spec, settings)| {
            let replication = TopicReplication::Fixed(spec.replication_factor);
            let topic = NewTopic::new(&spec.topic, spec.partitions.wanted(), replication);
            settings.iter().fold(topic, |topic, (name, value)| topic.set(name, value))
        })
        .collect();
    let admin = admin(config)?;
    let answers = block_on(admin.create_topics(&requests, &options())).map_err(|cause| unreachable(config, cause))?;
    let mut created = Vec::new();
    for answer in answers {
        match answer {
            Ok(topic) => created.push(topic),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {} // somebody else was faster
            Err((topic, code)) => return Err(TopicsError::Refused { what: "create", topic, code }),
        }
    }
    Ok(created)
}

/// Why the topics could not be seen or made, or do not allow to run.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// The configured librdkafka properties make no client.
    #[error("cannot make a kafka client of the configuration: {0}")]
    Client(KafkaError),
    /// No answer from the brokers; worth another try.
    #[error("no answer from brokers {brokers}: {cause}; check that they run and that kafka.brokers is right")]
    Unreachable {
        /// The brokers asked.
        brokers: String,
        /// What librdkafka says.
        cause: KafkaError,
    },
    /// The broker refused.
    #[error("broker refused to {what} topic {topic}: {code}")]
    Refused {
        /// What it was asked for.
        what: &'static str,
        /// The topic.
        topic: String,
        /// Its answer.
        code: RDKafkaErrorCode,
    },
}

impl TopicsError {
    /// Whether asking again later may help without anybody doing anything.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        matches!(self, TopicsError::Unreachable { .. })
    }
}

type Admin = AdminClient<DefaultClientContext>;

fn admin(config: &Config) -> Result<Admin, TopicsError> {
    let mut client = ClientConfig::new();
    for (name, value) in &config.kafka.properties {
        client.set(name, value);
    }
    client.set("bootstrap.servers", &config.kafka.brokers);
    // The error that is returned says it once; librdkafka would say it every second.
    client.set_log_level(rdkafka::config::RDKafkaLogLevel::Emerg);
    client.create().map_err(TopicsError::Client)
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT)).operation_timeout(Some(REQUEST_TIMEOUT))
}

fn unreachable(config: &Config, cause: KafkaError) -> TopicsError {
    TopicsError::Unreachable { brokers: config.kafka.brokers.clone(), cause }
}

/// Those of the product's topics that exist.
fn found(config: &Config, admin: &Admin) -> Result<BTreeMap<String, Found>, TopicsError> {
    // All topics are asked for: a question for one by name can create it on a broker that creates topics by itself.
    let metadata = admin.inner().fetch_metadata(None, REQUEST_TIMEOUT).map_err(|cause| unreachable(config, cause))?;
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    for spec in specs(config) {
        if let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == spec.topic) {
            let partitions = i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX);
            found.insert(spec.topic, Found { partitions, settings: BTreeMap::new() });
        }
    }
    let resources: Vec<ResourceSpecifier<'_>> = found.keys().map(|topic| ResourceSpecifier::Topic(topic)).collect();
    if resources.is_empty() {
        return Ok(found);
    }
    let answers =
        block_on(admin.describe_configs(&resources, &options())).map_err(|cause| unreachable(config, cause))?;
    let topics: Vec<String> = found.keys().cloned().collect();
    for (topic, answer) in topics.into_iter().zip(answers) {
        let resource = answer.map_err(|code| TopicsError::Refused { what: "describe", topic: topic.clone(), code })?;
        if let Some(found) = found.get_mut(&topic) {
            found.settings =
                resource.entries.into_iter().filter_map(|entry| entry.value.map(|value| (entry.name, value))).collect();
        }
    }
    Ok(found)
}

/// Waits for one answer of the admin client, which polls on a thread of its own.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}

struct Unpark(std::thread::Thread);

impl std::task::Wake for Unpark {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}
