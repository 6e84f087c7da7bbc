//! What the fleet teaches, through Kafka: reports to the learner, its records into the canonical log, once a day each.

use churnwatch::engine::input::Input;
use churnwatch::units::{Day, Span, Timestamp};
use churnwatch::wire::{Decoded, canonical};

use crate::support::compare::{
    everything_sent_is_there_once, outputs_are_those_of_file_mode, wait_log_worked_off, wait_worked_off,
};
use crate::support::events::{fresh_seed, now, send, stream};
use crate::support::{
    EVENTUALLY, Membership, PARTITIONS, Service, Settings, Site, committed, http, read_topic, said, succeed, wait,
};

/// The days of the fleet records of each partition of the canonical log, in order; 0 for the shipped record.
fn days(site: &Site) -> Vec<Vec<u16>> {
    let mut days = vec![Vec::new(); usize::try_from(PARTITIONS).unwrap()];
    for record in read_topic(&site.brokers, &site.topic("events")) {
        let value = record.value.unwrap_or_default();
        if let Ok(Decoded::Input(Input::Fleet(fleet))) = canonical::decode(&value) {
            days[usize::try_from(record.partition).unwrap()].push(fleet.day.map_or(0, Day::number));
        }
    }
    days
}

/// The value of the series that begins with `series` on the live page.
fn value(service: &Service, series: &str) -> Option<f64> {
    let page = http::get(service.port, "/metrics")?.body;
    page.lines().find(|line| line.starts_with(series))?.rsplit(' ').next()?.parse().ok()
}

#[test]
fn every_partition_gets_each_fleet_record_once_however_often_the_process_is_killed() {
    let seed = fresh_seed();
    println!("seed {seed}");
    // Small transactions, so that history does not go by in a few of them.
    let site = Site::with_topics("fleet", Settings { events_max: 1_000, ..Settings::default() });
    let now = now();
    send(&site, &stream(seed, now, 400, 100_000, 1), |_| ());
    let learned = || committed(&site.brokers, &format!("{}-learner", site.group("ingest")), &site.topic("fleet"))[0];
    let mut before = 0;
    for _ in 0..3 {
        if is_told_up_to_the_present(&site, now) {
            break; // a fast machine
        }
        let mut service = site.start("one", "ingest,engine,serve", Membership::Stable);
        before = service.wait_until("the learner to commit", |service| {
            let learned = if service.is_ready() { learned() } else { before };
            (learned > before).then_some(learned)
        });
        service.kill();
    }
    let mut service = site.start("one", "ingest,engine,serve", Membership::Stable);
    wait("the learner to catch up", EVENTUALLY, || is_told_up_to_the_present(&site, now).then_some(()));
    wait_worked_off(&site);
    // The engines know it too, of a day that the last record names.
    let newest = f64::from(*days(&site)[0].last().unwrap()) * 86_400.0;
    service.wait_until("the record to be in force", |service| {
        (value(service, "churnwatch_fleet_timestamp_seconds") >= Some(newest)).then_some(())
    });
    service.stop();

    // Once more, from the reports alone: nothing is said again.
    let mut service = site.start("one", "ingest,engine,serve", Membership::Stable);
    service.wait_until("the reports to be read again", |service| {
        let series = format!("churnwatch_lag_records{{role=\"learner\",topic=\"{}\"}}", site.topic("fleet"));
        (value(service, &series) == Some(0.0)).then_some(())
    });
    service.wait_ready();
    wait_worked_off(&site);
    service.stop();

    let days = days(&site);
    println!("fleet records of days {:?}", days[0]);
    assert!(days.iter().all(|partition| partition == &days[0]), "partitions were told differently: {days:?}");
    assert!(days[0].is_sorted_by(|a, b| a < b), "a day was told twice, or after a later one: {days:?}");
    everything_sent_is_there_once(&site);
    outputs_are_those_of_file_mode(&site, 10);

    // The log teaches what the service has learned from it.
    let shown = |arguments: &[&str]| {
        let command = ["model", "show", "--output", "json"].iter().chain(arguments).copied().collect::<Vec<_>>();
        String::from_utf8(succeed(&mut site.command(&command)).stdout).unwrap()
    };
    let dump = site.path("committed.ndjson");
    let learned = shown(&[]);
    assert_eq!(learned, shown(&["--input", dump.to_str().unwrap()]));

    // Told to forget, the service goes on from nothing.
    succeed(&mut site.command(&["model", "reset"]));
    let mut service = site.start("one", "ingest,engine,serve", Membership::Stable);
    wait("the shipped record", EVENTUALLY, || (self::days(&site)[0].last() == Some(&0)).then_some(()));
    wait_log_worked_off(&site);
    service.stop();
    let output = site.command(&["model", "show"]).output().unwrap();
    assert!(said(&output).contains("has taught nothing yet"), "{}", said(&output));
    outputs_are_those_of_file_mode(&site, 10);
}

/// Whether the last day that has ended, by the engine's clock, has been told.
fn is_told_up_to_the_present(site: &Site, now: Timestamp) -> bool {
    let today = now.minus(Span::from_hours(1)).day().number();
    days(site)[0].last().is_some_and(|day| *day >= today)
}
