//! A real purchase log, CDNOW, through file mode and through the source topics; fetched by `scripts/purchases`.

use std::fs;
use std::path::PathBuf;

use crate::support::compare::{outputs_are_those_of_file_mode, wait_worked_off};
use crate::support::{Membership, Settings, Site, read_topic, said, script, succeed};

const ORDERS: usize = 6_919;
const CUSTOMERS: usize = 2_357;

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
    service.stop();
    let events: Vec<_> = read_topic(&site.brokers, &site.topic("events"))
        .into_iter()
        .filter(|record| record.key.as_deref() != Some(churnwatch::wire::canonical::CONTROL_KEY))
        .collect();
    assert_eq!(events.len(), ORDERS);
    let customers: std::collections::HashSet<_> = events.iter().map(|record| record.key.clone()).collect();
    assert_eq!(customers.len(), CUSTOMERS);
    assert!(read_topic(&site.brokers, &site.topic("dead-letters")).is_empty());
    outputs_are_those_of_file_mode(&site, 0);
}
