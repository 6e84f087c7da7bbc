//! `churnwatch topics`: showing, creating and dumping on a real broker.

use crate::support::events::{send, stream};
use crate::support::{Broker, Settings, Site, read_topic, said, succeed};
use churnwatch::units::Timestamp;
use churnwatch::wire::dump::decode_line;

/// The exit code and both streams of `churnwatch` with `arguments`.
fn run(site: &Site, arguments: &[&str]) -> (Option<i32>, String) {
    let output = site.command(arguments).output().unwrap();
    (output.status.code(), said(&output))
}

#[test]
fn topics_are_shown_as_missing_created_once_and_then_fit() {
    let site = Site::new("topics-create", &Broker::shared().address, Settings::default());
    let (code, text) = run(&site, &["topics"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("topics-create.events (canonical log): missing"), "{text}");
    assert!(text.contains("run `churnwatch topics create --config "), "{text}");

    let (code, text) = run(&site, &["topics", "create"]);
    assert_eq!((code, text.matches("created ").count()), (Some(0), 8), "{text}");
    let (code, text) = run(&site, &["topics", "create", "--sources"]);
    assert_eq!((code, text.matches("created ").count()), (Some(0), 2), "{text}");
    let (code, text) = run(&site, &["topics", "create", "--sources"]);
    assert_eq!((code, text.as_str()), (Some(0), "nothing to create\n"));

    let (code, text) = run(&site, &["topics"]);
    assert_eq!((code, text.matches(": fits").count()), (Some(0), 10), "{text}");
    assert!(!text.contains("warning"), "a topic as created has nothing to warn of: {text}");
}

#[test]
fn a_topic_that_does_not_fit_is_refused_and_left_as_it_is() {
    let broker = Broker::shared();
    let site = Site::new("topics-unfit", &broker.address, Settings::default());
    let make = |kind: &str, partitions: &str, policy: &str| {
        succeed(crate::support::script("kafka").args(["tool", "org.apache.kafka.tools.TopicCommand"]).args([
            "--bootstrap-server",
            &broker.address,
            "--create",
            "--topic",
            &site.topic(kind),
            "--partitions",
            partitions,
            "--config",
            policy,
        ]));
    };
    make("state", "3", "cleanup.policy=compact");
    make("events", "4", "cleanup.policy=compact");
    let (code, text) = run(&site, &["topics", "create", "--sources"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("topic topics-unfit.state: has 3 partitions, wanted 4"), "{text}");
    assert!(text.contains("topic topics-unfit.events: cleanup.policy is compact, wanted delete"), "{text}");
    let (code, text) = run(&site, &["topics", "--output", "json"]);
    assert_eq!(code, Some(1));
    assert!(text.contains(r#"{"is":"3","name":"partitions","wanted":"4"}"#), "nothing may be altered: {text}");
}

#[test]
fn a_dump_gives_back_every_record_in_order_and_skips_what_was_not_committed() {
    let site = Site::with_topics("topics-dump", Settings::default());
    let sent = stream(7, Timestamp::from_ms(1_790_000_000_000).unwrap(), 20, 1_000, 2);
    send(&site, &sent, |_| ());
    let topic = site.topic("usage");
    let text = succeed(&mut site.command(&["topics", "dump", &topic])).stdout;
    let dumped: Vec<_> = text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            let record = decode_line(line).unwrap();
            (record.partition.0, record.offset.0, record.key.map(Vec::from), record.value.map(Vec::from))
        })
        .collect();
    let read: Vec<_> = read_topic(&site.brokers, &topic)
        .into_iter()
        .map(|record| (record.partition, record.offset, record.key, record.value))
        .collect();
    assert_eq!(read.len(), sent.iter().filter(|record| record.source == "usage").count());
    assert!(dumped == read, "the dump differs from what a reader sees");

    let one = succeed(&mut site.command(&["topics", "dump", &topic, "--partition", "2"])).stdout;
    let lines = one.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
    assert_eq!(lines, read.iter().filter(|record| record.0 == 2).count());

    let (code, text) = run(&site, &["topics", "dump", "no-such-topic"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("topic no-such-topic does not exist"), "{text}");
}
