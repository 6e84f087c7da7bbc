//! Real Prometheus scrapes the service: what it returns is what file mode computes, and its own check is silent.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::compare::{outputs_are_those_of_file_mode, wait_log_worked_off, wait_worked_off};
use crate::support::events::{now, send, stream};
use crate::support::prometheus::Prometheus;
use crate::support::{EVENTUALLY, Membership, SOON, Settings, Site, http, wait};

/// A Prometheus server that scrapes one target each second.
fn scraping(site: &Site, target: u16) -> Prometheus {
    let config = site.path("prometheus.yml");
    fs::write(
        &config,
        format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: churnwatch\n  static_configs: \
             [{{targets: ['127.0.0.1:{target}']}}]\n"
        ),
    )
    .unwrap();
    Prometheus::start(&config, site.folder.path())
}

/// The live retention gauges.
const BUSINESS: [&str; 8] = [
    "churnwatch_accounts{",
    "churnwatch_mrr_amount{",
    "churnwatch_revenue_at_risk_amount{",
    "churnwatch_paying_customers{",
    "churnwatch_mrr_movements{",
    "churnwatch_mrr_movements_amount{",
    "churnwatch_active_users{",
    "churnwatch_nps_respondents{",
];

/// Series of the retention gauges on a page of the Prometheus text format, as queries, with their values.
fn business_gauges(page: &str) -> Vec<(String, f64)> {
    let lines = page.lines().filter(|line| BUSINESS.iter().any(|name| line.starts_with(name)));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        })
        .collect()
}

#[test]
fn prometheus_reads_the_values_that_file_mode_computes() {
    assert!(TcpListener::bind("127.0.0.1:0").is_ok());
    let site = Site::with_topics("scraped", Settings::default());
    send(&site, &stream(11, now(), 300, 20_000, 1), |_| ());
    let mut ingest = site.start("in", "ingest", Membership::New);
    let mut engine = site.start("out", "engine,serve", Membership::New);
    wait_worked_off(&site);
    // The latest events are judged when every source has said that there is nothing more.
    wait("every account to be judged", EVENTUALLY, || {
        let page = http::get(engine.port, "/metrics")?;
        let accounts = page.sum("churnwatch_state_accounts");
        (accounts > 0.0 && (page.sum("churnwatch_accounts") - accounts).abs() < 0.5).then_some(())
    });
    // Without ingest the log ends, and with it the clock: from here on both look at the same records.
    ingest.stop();
    wait_log_worked_off(&site);
    engine.wait_ready();

    let prometheus = scraping(&site, engine.port);
    let replayed = outputs_are_those_of_file_mode(&site, 5);
    let lines = |path: &std::path::Path| -> Vec<Value> {
        fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let said: Value = replayed.said.lines().find_map(|line| serde_json::from_str(line).ok()).unwrap();
    let mut wanted: Vec<(String, f64)> = vec![
        ("sum(churnwatch_state_accounts)".to_owned(), said["accounts"].as_f64().unwrap()),
        ("sum(churnwatch_accounts)".to_owned(), said["accounts"].as_f64().unwrap()),
        ("sum(churnwatch_events_duplicate_total)".to_owned(), said["duplicates"].as_f64().unwrap()),
        ("sum(churnwatch_events_too_late_total)".to_owned(), said["too_late"].as_f64().unwrap()),
    ];
    for alert in said["alerts"].as_array().unwrap() {
        let (kind, transition) = (alert["type"].as_str().unwrap(), alert["transition"].as_str().unwrap());
        wanted.push((
            format!("sum(churnwatch_alert_transitions_total{{type=\"{kind}\",transition=\"{transition}\"}})"),
            alert["count"].as_f64().unwrap(),
        ));
    }
    // An alert is open when the last that was said of it is not its end.
    let mut open: std::collections::HashMap<String, (String, bool)> = std::collections::HashMap::new();
    for alert in lines(&replayed.alerts) {
        let text = |name: &str| alert[name].as_str().unwrap_or_else(|| panic!("no {name} in {alert}")).to_owned();
        let is_closed = ["resolved", "retracted", "churned", "retained"].contains(&text("transition").as_str());
        open.insert(text("alert_id"), (text("alert_type"), !is_closed));
    }
    let mut types: std::collections::BTreeMap<String, f64> = std::collections::BTreeMap::new();
    for (kind, is_open) in open.into_values() {
        *types.entry(kind).or_default() += if is_open { 1.0 } else { 0.0 };
    }
    for (kind, count) in types {
        wanted.push((format!("sum(churnwatch_open_alerts{{type=\"{kind}\"}})"), count));
    }
    let gauges = business_gauges(&fs::read_to_string(&replayed.metrics).unwrap());
    for name in BUSINESS {
        assert!(gauges.iter().any(|(series, _)| series.starts_with(name)), "file mode computed no {name}");
    }
    assert!(gauges.iter().any(|(series, value)| series.starts_with("churnwatch_mrr_") && *value > 0.0));
    wanted.extend(gauges);
    for (query, value) in wanted {
        let mut last = None;
        wait(&format!("{query} to be {value}"), SOON, || {
            last = prometheus.query(&query);
            (last == Some(value)).then_some(())
        });
    }

    let page = http::get(engine.port, "/metrics").unwrap().body;
    let mut check = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run promtool: {error}; run scripts/test, which fetches it"));
    check.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = check.wait_with_output().unwrap();
    let text = crate::support::said(&output);
    assert!(output.status.success() && text.is_empty(), "promtool check metrics: {text}");
    engine.stop();
}
