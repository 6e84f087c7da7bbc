//! Configuration: what the product is told, checked and ready to use.
//!
//! Here live the resolved types that every other module reads, with their defaults. Nothing here talks to Kafka, opens
//! a port or starts anything. Invariant: a [`Config`] that [`load()`] returned has passed every check.

mod checks;
mod document;
pub mod keys;
pub mod kpis;
mod load;
mod playbooks;
pub mod problem;
pub mod properties;
mod rates;
mod sources;
pub mod template;
#[cfg(test)]
#[allow(clippy::needless_raw_string_hashes)] // expect-test writes them
mod tests;
mod text;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::desk;
use crate::engine::rules::Rules;
use crate::units::Span;
use crate::wire::Format;
pub use checks::SESSION_TIMEOUT_DEFAULT;
use kpis::Kpis;
use load::Surroundings;
pub use problem::{Complaint, Problems};

/// Everything configurable.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from, as the user named it; absent where none was named.
    pub file: Option<PathBuf>,
    /// How the brokers are reached.
    pub kafka: Kafka,
    /// The topics the product owns.
    pub topics: Topics,
    /// The topics it reads. May be empty: ingest then only keeps the clock of the canonical log.
    pub sources: Vec<Source>,
    /// The ingest role.
    pub ingest: Ingest,
    /// The engine role.
    pub engine: EngineSection,
    /// The notify role.
    pub notify: Notify,
    /// When transactions end.
    pub commit: Commit,
    /// The HTTP server.
    pub http: Http,
    /// Logging.
    pub log: Log,
    /// Sizes beyond which records are refused.
    pub limits: Limits,
    /// What becomes of alerts beside the rules by which they are raised.
    pub alerts: Alerts,
    /// What is wanted of KPIs.
    pub kpis: Kpis,
    /// The rules in force.
    pub rules: Rules,
}

/// How the brokers are reached. Its `Debug` output shows the names of properties, never their values.
#[derive(Clone)]
pub struct Kafka {
    /// `host:port` of one or more brokers, separated by commas.
    pub brokers: String,
    /// librdkafka properties of every client, by their librdkafka names.
    pub properties: BTreeMap<String, String>,
    /// librdkafka properties of consumers only.
    pub consumer: BTreeMap<String, String>,
    /// librdkafka properties of producers only.
    pub producer: BTreeMap<String, String>,
}

/// The topics the product owns: names, shape and retention.
#[derive(Clone, Debug)]
pub struct Topics {
    /// The canonical log.
    pub events: String,
    /// Alerts.
    pub alerts: String,
    /// Account health, compacted.
    pub health: String,
    /// The changelog of the engine's state, compacted.
    pub state: String,
    /// Records that could not become events.
    pub dead_letters: String,
    /// Daily reports of the partitions, from which the fleet's knowledge is learned; one partition.
    pub fleet: String,
    /// What goes out to owners: deliveries and digests; one partition.
    pub deliveries: String,
    /// The changelog of the desk, compacted; one partition.
    pub desk: String,
    /// Partitions of the canonical log, and with it of the others; 1 to 1,000.
    pub partitions: i32,
    /// Replicas of each partition; 1 to 10.
    pub replication_factor: i32,
    /// How long the canonical log is kept.
    pub events_retention: Span,
    /// How long alerts are kept.
    pub alerts_retention: Span,
    /// How long dead letters are kept.
    pub dead_letters_retention: Span,
    /// How long the reports are kept.
    pub fleet_retention: Span,
}

/// A topic to read and the format of its records.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name.
    pub topic: String,
    /// How its records become events.
    pub format: Format,
}

/// The ingest role.
#[derive(Clone, Debug)]
pub struct Ingest {
    /// Its consumer group.
    pub group_id: String,
    /// Threads, 1 to 256.
    pub workers: usize,
}

/// The engine role.
#[derive(Clone, Debug)]
pub struct EngineSection {
    /// Its consumer group.
    pub group_id: String,
    /// Threads, 1 to 256.
    pub workers: usize,
    /// Name of this process among the group's members, stable over restarts and unique in the group. When absent the
    /// process joins as a new member each time.
    pub instance_id: Option<String>,
}

/// The notify role.
#[derive(Clone, Debug)]
pub struct Notify {
    /// Its consumer group.
    pub group_id: String,
}

/// When a transaction ends: at the first of these.
#[derive(Clone, Debug)]
pub struct Commit {
    /// This long after the end of the one before, while the worker keeps up.
    pub interval_caught_up: Duration,
    /// This long after the end of the one before, while the worker lags. Longer is cheaper, for an account changed many
    /// times is written once; until the end, what each changed account was before is kept too.
    pub interval_lagging: Duration,
    /// After this many input records.
    pub events_max: usize,
    /// After this many bytes of input.
    pub bytes_max: usize,
    /// Accounts changed in one transaction.
    pub accounts_max: usize,
    /// The broker aborts a transaction that is open for longer.
    pub transaction_timeout: Duration,
}

/// The HTTP server. Its `Debug` output does not show the token's hash.
#[derive(Clone)]
pub struct Http {
    /// Where it listens.
    pub listen: SocketAddr,
    /// SHA-256 of the bearer token in 64 lower-case hexadecimal digits. When absent no token is asked for, which is
    /// allowed on loopback only.
    pub token_sha256: Option<String>,
}

/// Logging.
#[derive(Clone, Debug)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// What is logged: a level, or directives such as `info,churnwatch::kafka=debug`.
    pub level: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// Sizes beyond which records are refused.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest event in bytes; larger ones become dead letters.
    pub event_bytes_max: usize,
    /// Largest record in bytes that is read from or written to Kafka at all; dead letters carry records of this size.
    pub record_bytes_max: usize,
}

/// What becomes of alerts. Their playbooks and links are part of the rules: see [`Rules::playbooks`].
#[derive(Clone, Debug)]
pub struct Alerts {
    /// The folder whose playbooks stand in place of the shipped ones; absent: those hold.
    pub playbooks: Option<String>,
    /// New alerts that one owner is given in a week; the rest waits in the owner's digest.
    pub budget_per_owner_week: u32,
    /// Changes of alerts that are older when they are known are not delivered one by one.
    pub deliver_max_age: Span,
}

/// The configuration of the file at `path` (defaults where there is none), with the environment's overrides; or every
/// problem found.
pub fn load(path: Option<&Path>) -> Result<Config, Problems> {
    load_with(path, &|_| Vec::new())
}

/// A further check of a configuration. What it looks at has passed the others, or stands as by default.
pub type Check<'c> = &'c dyn Fn(&Config) -> Vec<Complaint>;

/// As [`load()`], with a further check, such as whether librdkafka knows a property under `kafka.properties.`.
pub fn load_with(path: Option<&Path>, check: Check<'_>) -> Result<Config, Problems> {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    let variables = std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
    let list = |path: &Path| std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect();
    load::resolve(path, &Surroundings { read: &|path| std::fs::read_to_string(path), list: &list, variables }, check)
}

impl Default for Config {
    fn default() -> Config {
        let canonical = |topic: &str| Source { topic: topic.to_owned(), format: Format::Canonical };
        Config {
            file: None,
            kafka: Kafka::default(),
            topics: Topics::default(),
            sources: vec![canonical("product.usage"), canonical("billing.events")],
            ingest: Ingest::default(),
            engine: EngineSection::default(),
            notify: Notify::default(),
            commit: Commit::default(),
            http: Http::default(),
            log: Log::default(),
            limits: Limits::default(),
            alerts: Alerts::default(),
            kpis: Kpis::default(),
            rules: Rules { playbooks: Arc::new(playbooks::shipped()), ..Rules::default() },
        }
    }
}

impl Config {
    /// The command line, in backquotes, that runs `churnwatch WORDS` under this configuration.
    #[must_use]
    pub fn command(&self, words: &str) -> String {
        let Some(file) = &self.file else { return format!("`churnwatch {words}`") };
        let file = file.display().to_string();
        let is_plain = |c: char| c.is_alphanumeric() || "/._-+=:@%,".contains(c);
        if file.chars().all(is_plain) {
            format!("`churnwatch {words} --config {file}`")
        } else {
            format!("`churnwatch {words} --config '{}'`", file.replace('\'', r"'\''"))
        }
    }
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka")
            .field("brokers", &self.brokers)
            .field("properties", &self.properties.keys())
            .field("consumer", &self.consumer.keys())
            .field("producer", &self.producer.keys())
            .finish()
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token_sha256.as_ref().map(|_| "(not shown)");
        f.debug_struct("Http").field("listen", &self.listen).field("token_sha256", &token).finish()
    }
}

impl Default for Kafka {
    fn default() -> Kafka {
        Kafka {
            brokers: "127.0.0.1:9092".to_owned(),
            properties: BTreeMap::new(),
            consumer: BTreeMap::new(),
            producer: BTreeMap::new(),
        }
    }
}

impl Default for Topics {
    fn default() -> Topics {
        Topics {
            events: "churnwatch.events.v1".to_owned(),
            alerts: "churnwatch.alerts.v1".to_owned(),
            health: "churnwatch.account-health.v1".to_owned(),
            state: "churnwatch.state.v1".to_owned(),
            dead_letters: "churnwatch.dead-letters.v1".to_owned(),
            fleet: "churnwatch.fleet.v1".to_owned(),
            deliveries: "churnwatch.deliveries.v1".to_owned(),
            desk: "churnwatch.desk.v1".to_owned(),
            partitions: 4,
            replication_factor: 1,
            events_retention: Span::from_days(400),
            alerts_retention: Span::from_days(90),
            dead_letters_retention: Span::from_days(30),
            fleet_retention: Span::from_days(400),
        }
    }
}

impl Alerts {
    /// What the owners' desks go by.
    #[must_use]
    pub fn desk(&self) -> desk::Settings {
        desk::Settings { budget_per_owner_week: self.budget_per_owner_week, deliver_max_age: self.deliver_max_age }
    }
}

impl Ingest {
    /// The consumer group of the fleet's learner, which runs beside the ingest workers.
    #[must_use]
    pub fn learner_group_id(&self) -> String {
        format!("{}-learner", self.group_id)
    }
}

impl Default for Ingest {
    fn default() -> Ingest {
        Ingest { group_id: "churnwatch-ingest".to_owned(), workers: 1 }
    }
}

impl Default for EngineSection {
    fn default() -> EngineSection {
        EngineSection { group_id: "churnwatch-engine".to_owned(), workers: 4, instance_id: None }
    }
}

impl Default for Notify {
    fn default() -> Notify {
        Notify { group_id: "churnwatch-notify".to_owned() }
    }
}

impl Default for Commit {
    fn default() -> Commit {
        Commit {
            interval_caught_up: Duration::from_millis(50),
            interval_lagging: Duration::from_secs(10),
            events_max: 2_000_000,
            bytes_max: 1024 * 1024 * 1024,
            accounts_max: 100_000,
            transaction_timeout: Duration::from_secs(20),
        }
    }
}

impl Default for Http {
    fn default() -> Http {
        Http { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9464)), token_sha256: None }
    }
}

impl Default for Log {
    fn default() -> Log {
        Log { format: LogFormat::Pretty, level: "info".to_owned() }
    }
}

impl Default for Alerts {
    fn default() -> Alerts {
        Alerts { playbooks: None, budget_per_owner_week: 10, deliver_max_age: Span::from_days(1) }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { event_bytes_max: 1024 * 1024, record_bytes_max: 16 * 1024 * 1024 }
    }
}
