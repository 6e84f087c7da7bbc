//! Starting when something is not there yet, and ending when told to.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;

use crate::support::compare::{everything_sent_is_there_once, outputs_are_those_of_file_mode, wait_worked_off};
use crate::support::events::{now, send, stream};
use crate::support::{
    Broker, Membership, Read, SOON, Service, Settings, Site, ends, free_port, read_topic, said, wait,
};

#[test]
fn a_broker_that_is_down_at_start_is_waited_for_with_a_clear_message() {
    let port = free_port();
    let site = Site::new("late-broker", &format!("127.0.0.1:{port}"), Settings::default());
    let mut service = site.start("one", "ingest,engine,serve", Membership::New);
    service.wait_until("a message about the broker", |service| {
        let log = service.log();
        (log.contains(&format!("127.0.0.1:{port}")) && log.to_lowercase().contains("broker")).then_some(())
    });
    assert!(!service.is_ready());
    let broker = Broker::start_on(port);
    assert_eq!(broker.address, site.brokers);
    site.create_topics();
    service.wait_ready();
    send(&site, &stream(3, now(), 50, 2_000, 1), |_| ());
    wait_worked_off(&site);
    service.stop();
    outputs_are_those_of_file_mode(&site, 0);
}

#[test]
fn missing_topics_are_named_with_the_command_that_makes_them() {
    let site = Site::new("no-topics", &Broker::shared().address, Settings::default());
    let mut service = site.start("one", "ingest,engine,serve", Membership::New);
    service.wait_until("a message about the topics", |service| {
        let log = service.log();
        let named = ["events", "alerts", "health", "state", "dead-letters", "usage", "billing"]
            .iter()
            .all(|kind| log.contains(&site.topic(kind)));
        (named && log.contains("churnwatch topics create")).then_some(())
    });
    assert!(!service.is_ready());
    site.create_topics();
    service.wait_ready();
    // Topics that have just been made are nobody's for a moment: no trouble worth telling.
    assert!(!service.log().contains("ERROR"), "{}", service.log());
    service.stop();
}

#[test]
fn partitions_added_to_a_source_are_read_and_waited_for_by_every_process() {
    const MORE: usize = 7;
    let site = Site::with_topics("more-partitions", Settings::default());
    let mut services = [
        site.start("one", "ingest,engine,serve", Membership::Stable),
        site.start("two", "ingest,serve", Membership::Stable),
    ];
    services.iter_mut().for_each(Service::wait_ready);
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &site.brokers).create().unwrap();
    let usage = site.topic("usage");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let more = NewPartitions::new(&usage, MORE);
    let made = runtime.block_on(admin.create_partitions([&more], &AdminOptions::new())).unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    wait("the new partitions", SOON, || (ends(&site.brokers, &usage).len() == MORE).then_some(()));
    send(&site, &stream(7, now(), 50, 2_000, 1), |_| ());
    assert!(ends(&site.brokers, &usage).iter().all(|end| *end > 0), "no event in some partition");
    wait_worked_off(&site);
    // From some moment on every progress record is about all of them, whoever wrote it.
    let listed = || {
        let log = read_topic(&site.brokers, &site.topic("events"));
        let counts: Vec<u64> = log.iter().filter_map(|record| partitions_listed(record, &usage)).collect();
        counts.iter().rev().take_while(|count| **count == MORE as u64).count()
    };
    let known = listed();
    wait("progress about all partitions by both processes", SOON, || (listed() >= known + 40).then_some(()));
    services.iter_mut().for_each(Service::stop);
    everything_sent_is_there_once(&site);
    outputs_are_those_of_file_mode(&site, 0);
}

/// How many partitions of `topic` a progress record is about; `None` of any other record.
fn partitions_listed(record: &Read, topic: &str) -> Option<u64> {
    let value: serde_json::Value = serde_json::from_slice(record.value.as_deref()?).ok()?;
    let listed = value["sources"].as_array()?.iter().find(|source| source["topic"] == topic)?;
    listed["partitions"].as_u64()
}

#[test]
fn a_simulation_for_a_broker_that_is_down_says_so_at_once() {
    let site = Site::new("no-broker", &format!("127.0.0.1:{}", free_port()), Settings::default());
    let began = Instant::now();
    let output = site.command(&["simulate", "--kafka", "--accounts", "2", "--days", "14"]).output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(&format!("no broker answers at {}", site.brokers)), "{text}");
    assert!(began.elapsed() < SOON / 2, "{:?}", began.elapsed());
}

#[test]
fn sigterm_commits_what_is_in_work_and_ends_within_ten_seconds() {
    let site = Site::with_topics("sigterm", Settings::default());
    let sent = stream(5, now(), 200, 60_000, 0);
    let mut service = site.start("one", "ingest,engine,serve", Membership::New);
    service.wait_ready();
    send(&site, &sent, |_| ());
    service.stop(); // in the middle of the work
    let (ends, positions) = (
        crate::support::ends(&site.brokers, &site.topic("events")),
        crate::support::committed(&site.brokers, &site.group("engine"), &site.topic("events")),
    );
    assert!(positions.iter().zip(&ends).all(|(position, end)| position <= end), "{positions:?} of {ends:?}");
    // No transaction is left open: the last stable offset is the end, so that readers do not wait for a time-out.
    let open = wait("the log's end", SOON, || {
        let stable = crate::support::ends(&site.brokers, &site.topic("alerts"));
        let written = crate::support::written(&site.brokers, &site.topic("alerts"));
        Some((stable, written))
    });
    assert_eq!(open.0, open.1, "a transaction was left open");
    outputs_are_those_of_file_mode(&site, 0);
    let mut service = site.start("one", "ingest,engine,serve", Membership::New);
    wait_worked_off(&site);
    let (status, took) = service.terminate();
    assert!(status.success() && took < Duration::from_secs(10), "{status} after {took:?}");
    everything_sent_is_there_once(&site);
    outputs_are_those_of_file_mode(&site, 5);
}
