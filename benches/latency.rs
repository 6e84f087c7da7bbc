//! How soon an alert can be read: from just before its cause is sent to its arrival at a `read_committed` consumer.
//!
//! ```text
//! cargo bench --bench latency -- BROKERS EVENTS_TOPIC ALERTS_TOPIC SECONDS
//! ```
//!
//! Needs a broker and a running `churnwatch run --role engine,serve` on these topics (4 partitions). Writes 5,000 events
//! a second and each second a progress record in every partition. Every fiftieth event is a third failed payment of an
//! account that only subscribed before; its first alert is what is timed. The time includes the way to the log, so it
//! is never too short. Prints one figure a line; asserts nothing.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use churnwatch::engine::input::Progress;
use churnwatch::units::{PartitionIndex, Timestamp};
use churnwatch::wire::{canonical, partition_of};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{Message, Offset, TopicPartitionList};

const PARTITIONS: i32 = 4;
const RATE: u64 = 5_000;
const TRIGGER_EVERY: u64 = 50;

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [brokers, events, alerts, seconds] = arguments.as_slice() else {
        println!("needs a broker and a service; the head of benches/latency.rs says how to run it");
        return Ok(());
    };
    let seconds: u64 = seconds.parse().context("SECONDS is no number")?;
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", brokers).set("linger.ms", "1").set("acks", "all");
    let producer: ThreadedProducer<DefaultProducerContext> = client.create()?;
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "churnwatch-latency")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .create()?;
    let mut assignment = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        assignment.add_partition_offset(alerts, partition, Offset::End)?;
    }
    consumer.assign(&assignment)?;
    // Positions at the end are settled before anything is sent.
    let _ = consumer.poll(Duration::from_secs(3));
    let run = std::process::id();
    let (mut sent, mut taken) = (HashMap::new(), Vec::new());
    let began = Instant::now();
    let total = seconds * RATE;
    let (mut written, mut ticks) = (0, 0);
    while written < total || began.elapsed() < Duration::from_secs(seconds + 5) {
        let due = (u64::try_from(began.elapsed().as_micros())? * RATE / 1_000_000).min(total);
        while written < due {
            let group = written / TRIGGER_EVERY;
            let (account, kind) = match written % TRIGGER_EVERY {
                0 => (format!("late_{run}_{}", group + 10), SUBSCRIBED),
                25 if group >= 10 => (format!("late_{run}_{group}"), FAILED),
                _ => (format!("acct_{:07}", written * 7_919 % 20_000), USED),
            };
            let time = chrono::Utc::now().format("%Y-%m-%dT%H:%M:%S%.3fZ");
            let value = format!(r#"{{"id":"{run}-{written}","time":"{time}","account_id":"{account}",{kind}}}"#);
            if kind == FAILED {
                sent.insert(account.clone(), Instant::now());
            }
            send(&producer, events, partition_of(&account, PARTITIONS), account.as_bytes(), value.as_bytes())?;
            written += 1;
        }
        if began.elapsed().as_secs() > ticks {
            ticks = began.elapsed().as_secs();
            let now = Timestamp::clamped(chrono::Utc::now().timestamp_millis());
            let mut value = Vec::new();
            canonical::encode_progress(&Progress { reached: Some(now), ..Progress::default() }, &mut value);
            for partition in 0..PARTITIONS {
                send(&producer, events, PartitionIndex(partition), canonical::CONTROL_KEY, &value)?;
            }
        }
        if let Some(record) = consumer.poll(Duration::from_millis(1)) {
            let record = record?;
            let key = String::from_utf8_lossy(record.key().unwrap_or_default());
            if let Some(at) = sent.remove(key.as_ref()) {
                taken.push(at.elapsed());
            }
        }
    }
    producer.flush(Duration::from_secs(10))?;
    taken.sort_unstable();
    let at = |percent: usize| taken.get((taken.len() * percent / 100).min(taken.len().saturating_sub(1)));
    println!("events written   {written}");
    println!("alerts timed     {}", taken.len());
    println!("without alert    {}", sent.len());
    println!("p50              {:?}", at(50));
    println!("p99              {:?}", at(99));
    println!("max              {:?}", taken.last());
    Ok(())
}

const SUBSCRIBED: &str =
    r#""type":"subscription.started","subscription":"s","plan":"team","mrr":19900,"currency":"USD","interval":"month""#;
const FAILED: &str = r#""type":"invoice.payment_failed","amount":19900,"currency":"USD","attempt":3"#;
const USED: &str = r#""type":"feature.used","user_id":"u","feature":"search.query","quantity":1"#;

fn send(
    producer: &ThreadedProducer<DefaultProducerContext>,
    topic: &str,
    partition: PartitionIndex,
    key: &[u8],
    value: &[u8],
) -> Result<()> {
    let record = BaseRecord::to(topic).partition(partition.0).key(key).payload(value);
    producer.send(record).map_err(|(error, _)| error)?;
    Ok(())
}
