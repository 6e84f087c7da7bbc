//! Reports of the running service are those of its canonical log, whichever instance holds which partition.

use serde_json::Value;

use crate::support::compare::{replay, wait_log_worked_off, wait_worked_off};
use crate::support::events::{now, send, stream};
use crate::support::{EVENTUALLY, Membership, Service, Settings, Site, http, said, wait};

/// The tables of a report, but for what only a file can tell.
fn tables(site: &Site, what: &str, from: &[String]) -> Value {
    let output = site.command(&["report", what, "--output", "json"]).args(from).output().unwrap();
    // A file tells by its exit code that the engine refused some of its records.
    assert!([Some(0), Some(65)].contains(&output.status.code()), "report {what} {from:?}: {}", said(&output));
    let mut report: Value = serde_json::from_slice(&output.stdout).unwrap();
    if let Some(rows) = report.pointer_mut("/left_out/rows").and_then(Value::as_array_mut) {
        rows.retain(|row| row["what"] != "rejected" && row["what"] != "unknown_type");
    }
    if let Some(table) = report.get_mut("left_out").and_then(Value::as_object_mut) {
        table.remove("notes");
    }
    report
}

fn address(service: &Service) -> String {
    format!("http://127.0.0.1:{}", service.port)
}

/// How many partitions the instance holds, once it can tell.
fn held(service: &Service) -> Option<usize> {
    let answer = http::get(service.port, "/api/v1/census").filter(|answer| answer.status == 200)?;
    let census: Value = serde_json::from_str(&answer.body).unwrap();
    Some(census["partitions"].as_array().unwrap().len())
}

#[test]
fn a_report_of_the_running_service_is_that_of_its_log() {
    let site = Site::with_topics("reported", Settings { workers: 1, ..Settings::default() });
    let mut one = site.start("one", "engine,serve", Membership::New);
    let mut two = site.start("two", "engine,serve", Membership::New);
    // Empty sources are caught up: there is a clock.
    let mut ingest = site.start("in", "ingest", Membership::New);
    one.wait_ready();
    two.wait_ready();
    let is_shared = || (held(&one) == Some(2) && held(&two) == Some(2)).then_some(());
    wait("each instance to hold two partitions", EVENTUALLY, is_shared);
    // Nothing is restored from here on: both count all that comes.
    send(&site, &stream(17, now(), 300, 20_000, 1), |_| ());
    wait_worked_off(&site);
    ingest.stop();
    wait_log_worked_off(&site);
    wait("each instance to hold two partitions", EVENTUALLY, is_shared);

    replay(&site);
    let file = ["--input".to_owned(), site.path("committed.ndjson").display().to_string()];
    let service = ["--service".to_owned(), address(&one), "--service".to_owned(), address(&two)];
    for what in ["kpis", "cohorts", "segments", "profile", "features", "accounts"] {
        let (wanted, found) = (tables(&site, what, &file), tables(&site, what, &service));
        assert!(wanted["accounts"] != 0.0, "{wanted:#}");
        assert_eq!(found, wanted, "{what}: {found:#}\nof the file {wanted:#}");
    }

    let refused = |from: &[&str]| {
        let output = site.command(&["report", "kpis"]).args(from).output().unwrap();
        assert!(!output.status.success(), "{from:?}");
        said(&output)
    };
    let (one_at, two_at) = (address(&one), address(&two));
    let half = refused(&["--service", &one_at]);
    assert!(half.contains("2 of 4 partitions are held by none of these instances"), "{half}");
    let twice = refused(&["--service", &one_at, "--service", &two_at, "--service", &one_at]);
    assert!(twice.contains("both hold partition"), "{twice}");
    let past = refused(&["--service", &one_at, "--as-of", "2026-01-01"]);
    assert!(past.contains("a service knows the present only"), "{past}");
    one.stop();
    let gone = refused(&["--service", &one_at]);
    assert!(gone.contains("cannot reach"), "{gone}");
    two.stop();
}
