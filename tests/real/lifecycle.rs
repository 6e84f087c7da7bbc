//! Starting when something is not there yet, and ending when told to.

use std::time::{Duration, Instant};

use crate::support::compare::{outputs_are_those_of_file_mode, wait_worked_off};
use crate::support::events::{now, send, stream};
use crate::support::{Broker, Membership, SOON, Settings, Site, free_port, said, wait};

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
    crate::support::compare::everything_sent_is_there_once(&site);
    outputs_are_those_of_file_mode(&site, 5);
}
