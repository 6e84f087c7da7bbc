//! What becomes of the place in the sources when Kafka has lost it, or what stood there.

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::support::compare::{
    events_of_log, everything_sent_is_there_once, outputs_are_those_of_file_mode, wait_log_worked_off, wait_worked_off,
};
use crate::support::events::{Fate, Sent, fate, now, send, stream};
use crate::support::{EVENTUALLY, Membership, SOON, Service, Settings, Site, committed, ends, http, succeed, wait};

const SOURCES: [&str; 2] = ["usage", "billing"];

fn admin(site: &Site) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", &site.brokers).create().unwrap()
}

fn finish<T>(request: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(request)
}

/// The end of each partition of all sources.
fn source_ends(site: &Site) -> TopicPartitionList {
    ends_of(site, &SOURCES)
}

fn ends_of(site: &Site, sources: &[&str]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for source in sources {
        let topic = site.topic(source);
        for (partition, end) in (0..).zip(ends(&site.brokers, &topic)) {
            list.add_partition_offset(&topic, partition, Offset::Offset(end)).unwrap();
        }
    }
    list
}

/// Sends `records`, deletes everything from the sources, and says how many of the records were there.
#[allow(clippy::cast_precision_loss)]
fn send_and_delete(site: &Site, records: &[Sent]) -> f64 {
    let total = |ends: &TopicPartitionList| -> i64 {
        ends.elements().iter().filter_map(|element| element.offset().to_raw()).sum()
    };
    let before = total(&source_ends(site));
    send(site, records, |_| ());
    let ends = source_ends(site);
    finish(admin(site).delete_records(&ends, &AdminOptions::new())).unwrap();
    let deleted = total(&ends) - before;
    assert!(deleted > 1_000, "only {deleted} records were deleted");
    deleted as f64
}

/// What the service says is lost.
fn records_lost(service: &Service) -> f64 {
    http::get(service.port, "/metrics").map_or(0.0, |page| page.sum("churnwatch_records_lost_total"))
}

/// A deployment that has worked off `first` and stands still.
fn stopped_after(name: &str, first: &[Sent]) -> Site {
    let site = Site::with_topics(name, Settings::default());
    let mut service = site.start("one", "ingest,engine,serve", Membership::New);
    send(&site, first, |_| ());
    wait_worked_off(&site);
    service.stop();
    site
}

/// Sets the positions of the ingest role, as the command of its messages does; possible once nobody runs.
fn place(site: &Site, positions: &TopicPartitionList) {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", &site.brokers).set("group.id", site.group("ingest"));
    let tool: BaseConsumer = client.create().unwrap();
    wait("the positions to be set", SOON, || tool.commit(positions, CommitMode::Sync).ok());
}

/// Lets Kafka forget the group, once it is empty.
fn forget(site: &Site, group: &str) {
    wait("the group to be empty and deleted", SOON, || {
        let deleted = finish(admin(site).delete_groups(&[group], &AdminOptions::new())).unwrap();
        deleted.iter().all(Result::is_ok).then_some(())
    });
}

#[test]
fn a_group_that_kafka_has_forgotten_takes_nothing_in_a_second_time() {
    let sent = stream(11, now(), 100, 5_000, 1);
    let (first, rest) = sent.split_at(sent.len() / 2);
    let site = stopped_after("forgotten", first);
    let positions = source_ends(&site);
    let group = site.group("ingest");
    forget(&site, &group);
    send(&site, rest, |_| ());
    let mut service = site.start("one", "ingest,engine,serve", Membership::New);
    service.wait_until("a message about the positions", |service| {
        let log = service.log();
        (log.contains("has no position in any source") && log.contains("--reset-offsets")).then_some(())
    });
    assert!(!service.is_ready());
    service.stop();
    assert!(committed(&site.brokers, &group, &site.topic("usage")).iter().all(|position| *position == 0));
    place(&site, &positions);
    let mut service = site.start("one", "ingest,engine,serve", Membership::New);
    service.wait_ready();
    wait_worked_off(&site);
    service.stop();
    // The same where one source alone is forgotten.
    forget(&site, &group);
    place(&site, &ends_of(&site, &["usage"]));
    let mut service = site.start("one", "ingest,engine,serve", Membership::New);
    service.wait_until("a message about the position", |service| {
        service.log().contains(&format!("has no position in {}/0", site.topic("billing"))).then_some(())
    });
    assert!(!service.is_ready());
    service.stop();
    place(&site, &source_ends(&site));
    let mut service = site.start("one", "ingest,engine,serve", Membership::New);
    service.wait_ready();
    wait_worked_off(&site);
    service.stop();
    everything_sent_is_there_once(&site);
    outputs_are_those_of_file_mode(&site, 0);
}

/// What the learner has written is nothing that was taken in.
#[test]
fn a_model_that_is_reset_before_the_first_start_holds_nobody_up() {
    let site = Site::with_topics("reset", Settings::default());
    succeed(&mut site.command(&["model", "reset"]));
    let mut service = site.start("one", "ingest,engine,serve", Membership::New);
    service.wait_ready();
    send(&site, &stream(15, now(), 50, 1_000, 1), |_| ());
    wait_worked_off(&site);
    service.stop();
    everything_sent_is_there_once(&site);
}

#[test]
fn a_source_that_is_gone_is_named_and_taken_in_when_it_is_back() {
    let sent = stream(16, now(), 100, 4_000, 1);
    let (first, rest) = sent.split_at(sent.len() / 2);
    let (second, rest) = rest.split_at(rest.len() * 3 / 4);
    let (third, fourth) = rest.split_at(rest.len() / 2);
    let site = Site::with_topics("gone", Settings::default());
    let mut service = site.start("one", "ingest,engine,serve", Membership::New);
    service.wait_ready();
    let mut events = give(&site, first);
    await_taken_in(&site, events);
    let billing = site.topic("billing");
    let delete = |topics: &[&str]| finish(admin(&site).delete_topics(topics, &AdminOptions::new())).unwrap();
    delete(&[&billing]);
    service.wait_until("a message about the topic", |service| {
        let named = format!("source topic {billing} does not exist any more");
        (service.log().contains(&named) && !service.is_ready()).then_some(())
    });
    // It stays so, for as many workers as are tried.
    let tried = service.log().matches("does not exist any more").count();
    service.wait_until("further attempts", |service| {
        let again = service.log().matches("does not exist any more").count();
        assert!(!service.is_ready());
        (again >= tried + 2).then_some(())
    });
    site.create_topics();
    events += give(&site, second);
    await_taken_in(&site, events);
    service.wait_ready();
    service.stop();
    // All made anew while nobody runs: Kafka has forgotten every position.
    delete(&[&billing, &site.topic("usage")]);
    site.create_topics();
    events += give(&site, third);
    let mut service = site.start("one", "ingest,engine,serve", Membership::New);
    await_taken_in(&site, events);
    service.wait_ready();
    service.stop();
    // One, with positions that its records do not reach.
    delete(&[&billing]);
    site.create_topics();
    let mut beyond = ends_of(&site, &["billing"]);
    beyond.set_all_offsets(Offset::Offset(1_000)).unwrap();
    place(&site, &beyond);
    events += give(&site, fourth);
    let mut service = site.start("one", "ingest,engine,serve", Membership::New);
    await_taken_in(&site, events);
    service.wait_ready();
    service.stop();
    outputs_are_those_of_file_mode(&site, 0);
}

/// Sends `records`; how many of them are events.
fn give(site: &Site, records: &[Sent]) -> usize {
    send(site, records, |_| ());
    records.iter().filter(|record| fate(record.case) == Fate::Event).count()
}

/// Waits until `events` stand in the canonical log, and no more, and it has been worked off.
fn await_taken_in(site: &Site, events: usize) {
    let so_many = || (events_of_log(site).len() >= events).then_some(());
    wait(&format!("{events} events in the canonical log"), EVENTUALLY, so_many);
    wait_log_worked_off(site);
    assert_eq!(events_of_log(site).len(), events);
}

#[test]
fn records_that_were_deleted_before_they_were_read_are_counted_and_told() {
    let sent = stream(12, now(), 100, 5_000, 1);
    let (first, rest) = sent.split_at(sent.len() / 2);
    let site = stopped_after("deleted", first);
    // While no instance ran.
    let lost = send_and_delete(&site, rest);
    let mut service = site.start("one", "ingest,engine,serve", Membership::New);
    service.wait_ready();
    let told = records_lost(&service);
    assert!((told - lost).abs() < 0.5, "{told} of {lost}");
    assert!(service.log().contains("records were deleted by the topic's retention before they were read"));
    // While one had fallen behind. What it had read ahead is not lost.
    service.signal("STOP");
    let at_most = lost + send_and_delete(&site, &stream(14, now(), 100, 3_000, 1));
    service.signal("CONT");
    service.wait_until("the loss to be noticed", |service| (records_lost(service) > lost).then_some(()));
    service.wait_ready();
    assert!(records_lost(&service) <= at_most);
    send(&site, &stream(13, now(), 100, 1_000, 1), |_| ());
    wait_worked_off(&site);
    service.stop();
    outputs_are_those_of_file_mode(&site, 0);
}
