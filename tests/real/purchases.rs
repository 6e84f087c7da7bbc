//! A real purchase log, CDNOW, through file mode and through the source topics; fetched by `scripts/purchases`.

use std::fs;
use std::path::PathBuf;

use crate::support::compare::{events_of_log, outputs_are_those_of_file_mode, wait_log_worked_off, wait_worked_off};
use crate::support::{EVENTUALLY, Membership, Read, Settings, Site, read_topic, said, script, succeed, wait};

const ORDERS: usize = 6_919;
const CUSTOMERS: usize = 2_357;

/// 2026-01-01, in days since 1970.
const DAY_OF_2026: u64 = 20_454;

/// The first day that a fleet record does not take into account; 0 of any other record.
fn fleet_day(record: &Read) -> u64 {
    let value = record.value.as_deref().unwrap_or_default();
    let value: serde_json::Value = serde_json::from_slice(value).unwrap_or_default();
    if value["type"] == "fleet.updated" { value["day"].as_u64().unwrap_or_default() } else { 0 }
}

fn settings() -> Settings {
    let mapping = concat!(env!("CARGO_MANIFEST_DIR"), "/config/mappings/cdnow.toml");
    Settings {
        head: format!("include = [\"{mapping}\"]"),
        format: "mapping = \"cdnow\"".to_owned(),
        ..Settings::default()
    }
}

fn log() -> PathBuf {
    let output = succeed(script("purchases").arg("fetch"));
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

#[test]
fn every_order_and_every_customer_is_counted_in_file_mode() {
    let site = Site::new("cdnow-file", "127.0.0.1:1", settings());
    let (alerts, health) = (site.path("alerts.ndjson"), site.path("health.ndjson"));
    let output = succeed(
        site.command(&["run", "--output", "json", "--source", &site.topic("usage")])
            .arg("--input")
            .arg(log())
            .arg("--alerts")
            .arg(&alerts)
            .arg("--health")
            .arg(&health),
    );
    let text = said(&output);
    let summary: serde_json::Value =
        text.lines().find_map(|line| serde_json::from_str(line).ok()).unwrap_or_else(|| panic!("no summary: {text}"));
    let count = |name: &str| summary[name].as_u64().unwrap_or_else(|| panic!("no {name} in {summary}"));
    assert_eq!(count("events"), ORDERS as u64, "{summary}");
    assert_eq!(count("accounts"), CUSTOMERS as u64, "{summary}");
    assert!(fs::read_to_string(&alerts).unwrap().lines().count() > 100, "few alerts about a shop that most left");
}

#[test]
fn every_order_sent_to_the_source_topics_is_in_the_canonical_log_once() {
    let site = Site::with_topics("cdnow", settings());
    succeed(
        script("purchases")
            .args(["send", "--brokers", &site.brokers])
            .env("CHURNWATCH_USAGE_TOPIC", site.topic("usage"))
            .env("CHURNWATCH_BILLING_TOPIC", site.topic("billing")),
    );
    let mut service = site.start("one", "ingest,engine,serve", Membership::New);
    wait_worked_off(&site);
    // The sources are read to their ends, so that the clock leaps from 1998 to the present: what is learned on the way is
    // of a shop that everybody has left, and the engines must be able to read it.
    wait("what the fleet teaches as of the present", EVENTUALLY, || {
        read_topic(&site.brokers, &site.topic("events"))
            .iter()
            .any(|record| fleet_day(record) > DAY_OF_2026)
            .then_some(())
    });
    wait_log_worked_off(&site);
    service.stop();
    let events = events_of_log(&site);
    assert_eq!(events.len(), ORDERS);
    let customers: std::collections::HashSet<_> = events.iter().map(|record| record.key.clone()).collect();
    assert_eq!(customers.len(), CUSTOMERS);
    let letters = read_topic(&site.brokers, &site.topic("dead-letters"));
    let reasons: Vec<_> = letters.iter().map(|letter| letter.header("__connect.errors.exception.message")).collect();
    assert!(reasons.is_empty(), "dead letters: {reasons:?}");
    outputs_are_those_of_file_mode(&site, 0);
}
