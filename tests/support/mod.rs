//! What the tests on real servers share: a broker, a deployment of the product on it, and reading what came out.
//!
//! Every process is started here, ended by its process id, and ends with its owner. Waiting is polling for a condition
//! with a deadline. Nothing here knows what a test is about.

pub mod company;
pub mod compare;
pub mod events;
pub mod http;
pub mod prometheus;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use tempfile::TempDir;

/// Longest wait for anything that should happen soon.
pub const SOON: Duration = Duration::from_secs(60);
/// Longest wait for a whole stream to be worked off, in a debug build on a busy machine.
pub const EVENTUALLY: Duration = Duration::from_secs(300);

/// Polls `condition` until it gives something; panics with `what` after `deadline`.
#[track_caller]
pub fn wait<T>(what: &str, deadline: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(started.elapsed() < deadline, "waited {} s in vain for {what}", deadline.as_secs());
        thread::sleep(Duration::from_millis(50));
    }
}

/// A port of loopback that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A program of `scripts/`.
pub fn script(name: &str) -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name))
}

/// Runs a command to its end; panics with everything it said when it fails.
#[track_caller]
pub fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    assert!(output.status.success(), "{command:?} failed: {}\n{}", output.status, said(&output));
    output
}

/// Both streams of a finished command.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A real Kafka broker of one node; stopped when dropped, and in any case when this process ends.
pub struct Broker {
    /// `HOST:PORT`.
    pub address: String,
    data: TempDir,
}

impl Broker {
    /// Starts one on a free port.
    pub fn start() -> Broker {
        Broker::start_on(0)
    }

    /// Starts one on `port`; 0 is any free one.
    pub fn start_on(port: u16) -> Broker {
        let data = TempDir::with_prefix("churnwatch-broker-").unwrap();
        let me = std::process::id().to_string();
        let output = script("kafka")
            .args(["start", "--wipe", "--while", &me, "--port", &port.to_string(), "--data"])
            .arg(data.path())
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success(), "the broker did not start; run scripts/test, which fetches what it needs");
        Broker { address: String::from_utf8(output.stdout).unwrap().trim().to_owned(), data }
    }

    /// The broker that the tests of one binary share. It is not dropped: it ends with the process.
    pub fn shared() -> &'static Broker {
        static SHARED: OnceLock<Broker> = OnceLock::new();
        SHARED.get_or_init(Broker::start)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = script("kafka").args(["stop", "--data"]).arg(self.data.path()).stderr(Stdio::null()).status();
    }
}

/// One deployment of the product: its topics, groups and configuration, apart from every other on the same broker.
pub struct Site {
    /// The prefix of its topics and groups.
    pub name: String,
    /// Its folder, with its configuration and logs.
    pub folder: TempDir,
    /// The brokers it uses.
    pub brokers: String,
    settings: Settings,
}

/// What differs between deployments.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Threads of the engine.
    pub workers: usize,
    /// Lines of TOML put at the top, such as `include`.
    pub head: String,
    /// What each source says about its format.
    pub format: String,
    /// Input records in one transaction.
    pub events_max: usize,
    /// How long a group waits for a member that has fallen silent.
    pub session: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            workers: 2,
            head: String::new(),
            format: "format = \"canonical\"".to_owned(),
            events_max: 2_000_000,
            session: Duration::from_secs(14),
        }
    }
}

/// Partitions of every topic of a site.
pub const PARTITIONS: i32 = 4;

impl Site {
    /// A deployment named `name` on `brokers`; nothing is created or started.
    pub fn new(name: &str, brokers: &str, settings: Settings) -> Site {
        let folder = TempDir::with_prefix("churnwatch-site-").unwrap();
        Site { name: name.to_owned(), folder, brokers: brokers.to_owned(), settings }
    }

    /// A deployment on the shared broker with its topics created.
    pub fn with_topics(name: &str, settings: Settings) -> Site {
        let site = Site::new(name, &Broker::shared().address, settings);
        site.create_topics();
        site
    }

    /// A topic of this site: `events`, `alerts`, `health`, `state`, `dead-letters`, `fleet`, `deliveries`, `desk`, `usage` or
    /// `billing`.
    pub fn topic(&self, kind: &str) -> String {
        format!("{}.{kind}", self.name)
    }

    /// A consumer group of this site: `ingest`, `engine` or `notify`.
    pub fn group(&self, role: &str) -> String {
        format!("{}-{role}", self.name)
    }

    /// A file in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the configuration of instance `instance` and gives its path. An instance has its own HTTP port and, where
    /// `stable` says so, a stable name in the group.
    pub fn config(&self, instance: &str, port: u16, membership: Membership) -> PathBuf {
        let topic = |kind| self.topic(kind);
        let Settings { workers, head, format, events_max, session } = &self.settings;
        let mut text = format!(
            "{head}\n[kafka]\nbrokers = \"{}\"\n[kafka.consumer]\n\"session.timeout.ms\" = \"{}\"\n\"heartbeat.interval.ms\" = \"500\"\n\"topic.metadata.refresh.interval.ms\" = \"1000\"\n",
            self.brokers,
            session.as_millis()
        );
        let _ = write!(
            text,
            "[topics]\nevents = \"{}\"\nalerts = \"{}\"\nhealth = \"{}\"\nstate = \"{}\"\ndead_letters = \"{}\"\nfleet = \"{}\"\ndeliveries = \"{}\"\ndesk = \"{}\"\npartitions = {PARTITIONS}\n",
            topic("events"),
            topic("alerts"),
            topic("health"),
            topic("state"),
            topic("dead-letters"),
            topic("fleet"),
            topic("deliveries"),
            topic("desk")
        );
        for source in ["usage", "billing"] {
            let _ = write!(text, "[[sources]]\ntopic = \"{}\"\n{format}\n", topic(source));
        }
        let _ = write!(
            text,
            "[ingest]\ngroup_id = \"{}\"\n[notify]\ngroup_id = \"{}\"\n[engine]\ngroup_id = \"{}\"\nworkers = {workers}\n",
            self.group("ingest"),
            self.group("notify"),
            self.group("engine")
        );
        if membership == Membership::Stable {
            let _ = writeln!(text, "instance_id = \"{instance}\"");
        }
        let _ = write!(
            text,
            "[commit]\nevents_max = {events_max}\ninterval_lagging_ms = 200\ntransaction_timeout_ms = 4000\n[http]\nlisten = \"127.0.0.1:{port}\"\n[log]\nlevel = \"info\"\n"
        );
        let path = self.path(&format!("{instance}.toml"));
        fs::write(&path, text).unwrap();
        path
    }

    /// A command of the product with this site's configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = churnwatch();
        command.args(arguments).arg("--config").arg(self.config("tool", 0, Membership::New));
        command
    }

    /// Creates all its topics, sources included.
    pub fn create_topics(&self) {
        succeed(&mut self.command(&["topics", "create", "--sources"]));
    }

    /// Starts a process of the product with the roles `roles`; it may not be ready yet.
    pub fn start(&self, instance: &str, roles: &str, membership: Membership) -> Service {
        self.start_failing(instance, roles, membership, "")
    }

    /// Starts one that fails at a point, such as `engine:committed:2`; see `kafka::failpoint`.
    pub fn start_failing(&self, instance: &str, roles: &str, membership: Membership, fail_at: &str) -> Service {
        let port = free_port();
        let config = self.config(instance, port, membership);
        let log = self.path(&format!("{instance}-{port}.log"));
        let file = File::create(&log).unwrap();
        let child = churnwatch()
            .args(["run", "--role", roles, "--config"])
            .arg(config)
            .env("CHURNWATCH_FAIL_AT", fail_at)
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Service { child, port, log }
    }
}

/// Starts `churnwatch demo`, which goes on live; its log goes into `folder`.
pub fn demo(folder: &Path) -> Service {
    let port = free_port();
    let log = folder.join("demo.log");
    let child = churnwatch()
        .args(["demo", "--output", "json", "--listen", &format!("127.0.0.1:{port}")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    Service { child, port, log }
}

/// How a process takes part in its groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// As a new member each time: its partitions wait for the session time-out when it is killed.
    New,
    /// Under the instance's name: a restart takes over at once.
    Stable,
}

/// The built program, without the environment's overrides.
pub fn churnwatch() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_churnwatch"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CHURNWATCH__")) {
        command.env_remove(name);
    }
    command
}

/// A running process of the product; killed when dropped.
pub struct Service {
    child: Child,
    /// Where its HTTP server listens.
    pub port: u16,
    log: PathBuf,
}

impl Service {
    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it says that it is ready.
    #[track_caller]
    pub fn wait_ready(&mut self) {
        self.wait_until("/readyz", |service| service.is_ready().then_some(()));
    }

    /// Whether `/readyz` says 200.
    pub fn is_ready(&self) -> bool {
        http::get(self.port, "/readyz").is_some_and(|answer| answer.status == 200)
    }

    /// Polls `condition` while the process lives; panics with its log when it ends or the deadline passes.
    #[track_caller]
    pub fn wait_until<T>(&mut self, what: &str, mut condition: impl FnMut(&Service) -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(value) = condition(self) {
                return value;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the service ended ({status}) before {what}; its log:\n{}", self.log());
            }
            assert!(started.elapsed() < SOON, "waited in vain for {what}; the service's log:\n{}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the process ends by itself; panics with its log when it lives on.
    #[track_caller]
    pub fn wait_end(&mut self, what: &str) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < SOON, "waited in vain for {what}; the service's log:\n{}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// `kill -9`: no chance to finish anything.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends it a signal.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        succeed(Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()));
    }

    /// `SIGTERM`; gives the exit status and how long the process took to end.
    #[track_caller]
    pub fn terminate(&mut self) -> (ExitStatus, Duration) {
        let started = Instant::now();
        self.signal("TERM");
        let status = wait("the service to end after SIGTERM", SOON, || self.child.try_wait().unwrap());
        (status, started.elapsed())
    }

    /// `SIGTERM`, which must end it properly: exit code 0 within 10 seconds.
    #[track_caller]
    pub fn stop(&mut self) {
        let (status, took) = self.terminate();
        assert!(status.success(), "the service ended with {status}; its log:\n{}", self.log());
        assert!(took < Duration::from_secs(10), "the service took {took:?} to end");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Read {
    /// The text of header `name`.
    pub fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(known, _)| known == name)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// Its key as text.
    pub fn key_text(&self) -> String {
        String::from_utf8_lossy(self.key.as_deref().unwrap_or_default()).into_owned()
    }
}

fn consumer(brokers: &str, group: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set("fetch.wait.max.ms", "20")
        .set("auto.offset.reset", "error")
        .create()
        .unwrap()
}

/// Every committed record of `topic` up to its present end, partition by partition in offset order.
pub fn read_topic(brokers: &str, topic: &str) -> Vec<Read> {
    let consumer = consumer(brokers, "test-reader");
    let mut records = Vec::new();
    let partitions = partitions_of(&consumer, topic);
    for partition in 0..partitions {
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        consumer.assign(&assignment).unwrap();
        let started = Instant::now();
        loop {
            assert!(started.elapsed() < EVENTUALLY, "could not read {topic} to its end");
            match consumer.poll(Duration::from_millis(200)) {
                Some(Ok(message)) => {
                    use rdkafka::message::Headers;
                    let headers = message.headers().map_or_else(Vec::new, |headers| {
                        headers
                            .iter()
                            .map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec()))
                            .collect()
                    });
                    records.push(Read {
                        partition,
                        offset: message.offset(),
                        key: message.key().map(<[u8]>::to_vec),
                        value: message.payload().map(<[u8]>::to_vec),
                        headers,
                    });
                }
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                // The client tries again by itself; what does not pass shows as a reading without end.
                Some(Err(error)) => println!("reading {topic}: {error}"),
                None => {}
            }
        }
    }
    records
}

fn partitions_of(consumer: &BaseConsumer, topic: &str) -> i32 {
    let metadata = answered("metadata", || consumer.fetch_metadata(Some(topic), SOON));
    i32::try_from(metadata.topics()[0].partitions().len()).unwrap()
}

/// What the broker answers to `question`, asked again while it has no answer: a partition that has just been made has no
/// leader for a moment, and a group no coordinator.
#[track_caller]
fn answered<T>(what: &str, mut question: impl FnMut() -> KafkaResult<T>) -> T {
    wait(what, SOON, || question().inspect_err(|error| println!("no {what} yet: {error}")).ok())
}

/// The end of one partition as `consumer` may read it.
fn end(consumer: &BaseConsumer, topic: &str, partition: i32) -> i64 {
    answered("end of a partition", || consumer.fetch_watermarks(topic, partition, SOON)).1
}

/// The position that `group` has committed in each partition of `topic`; 0 where it has committed none.
pub fn committed(brokers: &str, group: &str, topic: &str) -> Vec<i64> {
    let consumer = consumer(brokers, group);
    let partitions = partitions_of(&consumer, topic);
    let mut list = TopicPartitionList::new();
    list.add_partition_range(topic, 0, partitions - 1);
    let committed = answered("committed positions", || consumer.committed_offsets(list.clone(), SOON));
    (0..partitions)
        .map(|partition| match committed.find_partition(topic, partition).unwrap().offset() {
            Offset::Offset(offset) => offset,
            _ => 0,
        })
        .collect()
}

/// The end of each partition of `topic`, as readers of committed records see it.
pub fn ends(brokers: &str, topic: &str) -> Vec<i64> {
    let consumer = consumer(brokers, "test-reader");
    (0..partitions_of(&consumer, topic)).map(|partition| end(&consumer, topic, partition)).collect()
}

/// Whether `group` has committed everything that `topic` held when `ends` was taken.
pub fn has_reached(brokers: &str, group: &str, topic: &str, ends: &[i64]) -> bool {
    committed(brokers, group, topic).iter().zip(ends).all(|(position, end)| position >= end)
}

/// The end of each partition of `topic` as it is written, open transactions included.
pub fn written(brokers: &str, topic: &str) -> Vec<i64> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "test-reader")
        .set("isolation.level", "read_uncommitted")
        .create()
        .unwrap();
    (0..partitions_of(&consumer, topic)).map(|partition| end(&consumer, topic, partition)).collect()
}
