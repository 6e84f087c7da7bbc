//! What reading a topic costs at least: the measure that the service's throughput is held against.
//!
//! ```text
//! cargo bench --bench consume -- produce --brokers 127.0.0.1:9092 --topic bench.events.v1 [--events N] [--accounts N]
//! cargo bench --bench consume -- bare    --brokers 127.0.0.1:9092 --topic bench.events.v1
//! cargo bench --bench consume -- parse   --brokers 127.0.0.1:9092 --topic bench.events.v1
//! ```
//!
//! `produce` makes the topic (4 partitions) where it does not exist and writes 5 million events of 200,000 accounts as a canonical log: keyed by
//! account, partitioned as producers of that log must, with a progress record in every partition for each hour of event
//! time. `bare` reads all partitions with `read_committed` up to their ends on one thread and counts; `parse` also
//! parses. `--set KEY=VALUE` passes a librdkafka property. Elapsed and processor time run from the first record on;
//! processor time is the whole process's, librdkafka's threads included. Prints one figure a line; asserts nothing.

mod workload;

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use churnwatch::engine::input::Progress;
use churnwatch::units::{HOUR_MS, PartitionIndex, Timestamp};
use churnwatch::wire::{canonical, partition_of};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Message, Offset, TopicPartitionList};
use workload::Workload;

// As the program does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Partitions of the topic that `produce` makes.
const PARTITIONS: i32 = 4;
/// No answer from the broker for this long ends the run.
const PATIENCE: Duration = Duration::from_secs(30);
/// Clock ticks in a second as `/proc` counts them; fixed on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// What to run.
struct Settings {
    mode: Mode,
    brokers: String,
    topic: String,
    events: u64,
    accounts: u64,
    properties: Vec<(String, String)>,
}

/// What to do with the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Produce,
    Bare,
    Parse,
}

fn main() -> Result<()> {
    let Some(settings) = Settings::from_arguments()? else {
        println!("needs a broker; the head of benches/consume.rs says how to run it");
        return Ok(());
    };
    match settings.mode {
        Mode::Produce => produce(&settings),
        Mode::Bare | Mode::Parse => consume(&settings),
    }
}

/// Reads the topic from its beginning to its end.
#[allow(clippy::cast_precision_loss)] // for people to read
fn consume(settings: &Settings) -> Result<()> {
    let consumer: BaseConsumer = settings
        .client(&[
            ("group.id", "churnwatch-bench"),
            ("enable.auto.commit", "false"),
            ("enable.partition.eof", "true"),
            ("isolation.level", "read_committed"),
            // librdkafka's defaults pause fetching for a second whenever enough is queued: measured, they halve the
            // rate, and the measure would be too easy.
            ("queued.min.messages", "1000000"),
            ("fetch.queue.backoff.ms", "10"),
        ])
        .create()?;
    let metadata = consumer.fetch_metadata(Some(&settings.topic), PATIENCE)?;
    let topic = metadata.topics().first().context("the broker does not answer about the topic")?;
    let mut assignment = TopicPartitionList::new();
    for partition in topic.partitions() {
        assignment.add_partition_offset(&settings.topic, partition.id(), Offset::Beginning)?;
    }
    let mut open = assignment.count();
    consumer.assign(&assignment)?;
    let (mut records, mut bytes, mut began) = (0_u64, 0_usize, None);
    while open > 0 {
        match consumer.poll(PATIENCE) {
            None => bail!("nothing came from {} for {} s", settings.brokers, PATIENCE.as_secs()),
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(error)) => return Err(error.into()),
            Some(Ok(record)) => {
                if began.is_none() {
                    began = Some((Instant::now(), cpu_seconds()?));
                }
                let value = record.payload().unwrap_or_default();
                records += 1;
                bytes += value.len();
                if settings.mode == Mode::Parse {
                    black_box(canonical::decode(value)?);
                }
            }
        }
    }
    let (start, cpu) = began.context("the topic is empty")?;
    let (elapsed, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    println!("mode                         {:?}", settings.mode);
    println!("records                      {records}");
    println!("bytes a record               {:.0}", bytes as f64 / records as f64);
    println!("seconds                      {elapsed:.2}");
    println!("records/s                    {:.0}", records as f64 / elapsed);
    println!("cpu seconds a million        {:.3}", cpu / records as f64 * 1e6);
    Ok(())
}

/// Makes the topic and fills it.
fn produce(settings: &Settings) -> Result<()> {
    create_topic(settings)?;
    let producer: BaseProducer = settings
        .client(&[("acks", "all"), ("enable.idempotence", "true"), ("linger.ms", "20"), ("batch.size", "1000000")])
        .create()?;
    let mut workload = Workload::new(settings.accounts, settings.events);
    let (mut value, mut hour) = (Vec::new(), 0);
    loop {
        let now_ms = workload.now_ms();
        if now_ms / HOUR_MS > hour {
            hour = now_ms / HOUR_MS;
            send_progress(&producer, settings, Timestamp::clamped(hour * HOUR_MS))?;
        }
        value.clear();
        let Some(account) = workload.write_next(&mut value) else { break };
        let key = format!("acct_{account:07}");
        send(&producer, &settings.topic, partition_of(&key, PARTITIONS), key.as_bytes(), &value)?;
    }
    producer.flush(PATIENCE * 4)?;
    println!("wrote {} events of {} accounts to {}", workload.written(), settings.accounts, settings.topic);
    Ok(())
}

fn send_progress(producer: &BaseProducer, settings: &Settings, reached: Timestamp) -> Result<()> {
    let mut value = Vec::new();
    canonical::encode_progress(&Progress { reached: Some(reached), ..Progress::default() }, &mut value);
    (0..PARTITIONS).try_for_each(|partition| {
        send(producer, &settings.topic, PartitionIndex(partition), canonical::CONTROL_KEY, &value)
    })
}

/// Hands one record to the producer, waiting while its queue is full.
fn send(producer: &BaseProducer, topic: &str, partition: PartitionIndex, key: &[u8], value: &[u8]) -> Result<()> {
    loop {
        let record = BaseRecord::to(topic).partition(partition.0).key(key).payload(value);
        match producer.send(record) {
            Ok(()) => {
                producer.poll(Duration::ZERO);
                return Ok(());
            }
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                producer.poll(Duration::from_millis(10));
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}

/// Makes the topic; one that exists must have the partitions expected, and no records.
fn create_topic(settings: &Settings) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = settings.client(&[]).create()?;
    let topic = NewTopic::new(&settings.topic, PARTITIONS, TopicReplication::Fixed(1))
        .set("retention.ms", "-1")
        .set("max.message.bytes", "3145728");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    for result in runtime.block_on(admin.create_topics([&topic], &AdminOptions::new()))? {
        match result {
            Ok(_) => {}
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => check_empty(settings)?,
            Err((name, code)) => bail!("cannot make topic {name}: {code}"),
        }
    }
    Ok(())
}

fn check_empty(settings: &Settings) -> Result<()> {
    let consumer: BaseConsumer = settings.client(&[("group.id", "churnwatch-bench")]).create()?;
    let metadata = consumer.fetch_metadata(Some(&settings.topic), PATIENCE)?;
    let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    if i32::try_from(partitions) != Ok(PARTITIONS) {
        bail!("topic {} has {partitions} partitions, the benchmark wants {PARTITIONS}; name another", settings.topic);
    }
    for partition in 0..PARTITIONS {
        let (low, high) = consumer.fetch_watermarks(&settings.topic, partition, PATIENCE)?;
        if low < high {
            bail!("topic {} holds records already; name another, or consume this one", settings.topic);
        }
    }
    Ok(())
}

impl Settings {
    /// A client of the brokers; `defaults` may be overridden by the properties given with `--set`.
    fn client(&self, defaults: &[(&str, &str)]) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.brokers);
        for (key, value) in defaults {
            client.set(*key, *value);
        }
        for (key, value) in &self.properties {
            client.set(key, value);
        }
        client
    }

    /// `None` when no mode is given: plain `cargo bench` and `cargo test --all-targets` start this too.
    fn from_arguments() -> Result<Option<Settings>> {
        let mut settings = Settings {
            mode: Mode::Bare,
            brokers: "127.0.0.1:9092".to_owned(),
            topic: "bench.events.v1".to_owned(),
            events: 5_000_000,
            accounts: 200_000,
            properties: Vec::new(),
        };
        let mut wanted = false;
        let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
        while let Some(name) = arguments.next() {
            let mode = match name.as_str() {
                "produce" => Some(Mode::Produce),
                "bare" => Some(Mode::Bare),
                "parse" => Some(Mode::Parse),
                _ => None,
            };
            if let Some(mode) = mode {
                (settings.mode, wanted) = (mode, true);
                continue;
            }
            let value = arguments.next().with_context(|| format!("{name} needs a value, or is no mode"))?;
            match name.as_str() {
                "--brokers" => settings.brokers = value,
                "--topic" => settings.topic = value,
                "--events" => settings.events = value.parse()?,
                "--accounts" => settings.accounts = value.parse()?,
                "--set" => {
                    let (key, value) = value.split_once('=').context("--set takes KEY=VALUE")?;
                    settings.properties.push((key.to_owned(), value.to_owned()));
                }
                other => bail!("unknown option {other}; the head of benches/consume.rs lists them"),
            }
        }
        Ok(wanted.then_some(settings))
    }
}

/// Processor time of all threads of this process so far, in user and kernel mode.
fn cpu_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("cannot read /proc/self/stat")?;
    // The second field is the program's name in parentheses and may hold blanks; fields are counted after it.
    let (_, fields) = stat.rsplit_once(") ").context("unexpected form of /proc/self/stat")?;
    let ticks: f64 = fields.split(' ').skip(11).take(2).map(|field| field.parse().unwrap_or(0.0)).sum();
    Ok(ticks / TICKS_PER_SECOND)
}
