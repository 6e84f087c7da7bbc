//! Reports through the command line: hand-worked tables, three forms of output, and what happens with bad input.

// Helpers of tests may fail as tests do; clippy's own exception covers only the test functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::needless_raw_string_hashes)] // expect-test writes them

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use expect_test::{Expect, expect};
use serde_json::Value;
use tempfile::TempDir;

/// The built program, without the environment's overrides, in `folder`.
fn churnwatch(folder: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_churnwatch"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CHURNWATCH__")) {
        command.env_remove(name);
    }
    command.current_dir(folder).args(arguments.split_whitespace()).output().unwrap()
}

fn succeed(folder: &Path, arguments: &str) -> String {
    let output = churnwatch(folder, arguments);
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Lines of `DATE ACCOUNT TYPE FIELDS`, as canonical events.
const EVENTS: &str = r#"
2025-11-05 acme subscription.started "subscription":"a","mrr":100000,"plan":"team","term_ends_at":"2026-11-05T00:00:00Z"
2025-11-05 acme account.updated "traits":{"region":"EU","employees":40}
2025-12-10 acme subscription.changed "subscription":"a","mrr":150000
2025-12-20 beta subscription.started "subscription":"b","mrr":200000,"plan":"business","term_ends_at":"2026-02-20T00:00:00Z"
2026-01-07 acme subscription.started "subscription":"a2","mrr":50000,"plan":"addon"
2026-01-15 beta subscription.changed "subscription":"b","mrr":120000
2026-01-20 euro subscription.started "subscription":"x","mrr":100000,"currency":"EUR","plan":"team"
2026-01-31 core subscription.started "subscription":"c","mrr":300000,"plan":"business"
2026-02-03 beta subscription.canceled "subscription":"b"
2026-02-28 acme subscription.canceled "subscription":"a2"
2026-02-10 tria trial.started "card_on_file":true,"ends_at":"2026-02-24T00:00:00Z"
2026-02-20 tria subscription.started "subscription":"t","mrr":10000,"plan":"starter"
2026-02-11 trib trial.started "card_on_file":false,"ends_at":"2026-02-25T00:00:00Z"
2026-03-09 beta subscription.started "subscription":"b3","mrr":80000,"plan":"team"
2026-03-20 core subscription.canceled "subscription":"c"
2026-03-25 core subscription.started "subscription":"c2","mrr":300000,"plan":"business"
2026-04-02 dust subscription.started "subscription":"d","mrr":4000,"plan":"starter"
2026-04-29 dust subscription.canceled "subscription":"d"
2026-04-30 gone subscription.canceled "subscription":"never"
2026-05-02 acme feature.used "feature":"f","user_id":"ann"
"#;

const CONFIG: &str = r#"
[rules.rates]
EUR = [{ from = "2025-01-01", rate = 1.10 }, { from = "2026-03-01", rate = 1.20 }]

[kpis]
focus = ["nrr"]
margin = 0.75

[kpis.targets]
nrr = [{ from = "2026-01-01", value = 1.0 }, { from = "2026-04-01", value = 1.05 }, { from = "2027-01-01", value = 1.1 }]
customer_churn_rate = 0.02
trial_conversion = 0.4

[kpis.owners]
nrr = "kim"

[kpis.sources]
nrr = "the billing system"

[[kpis.benchmarks]]
kpi = "nrr"
name = "peer_median"
value = 1.01
source = "a survey of peers"
"#;

/// A folder with `events.ndjson` and `churnwatch.toml`.
fn company() -> (TempDir, PathBuf) {
    let folder = TempDir::with_prefix("churnwatch-report-").unwrap();
    let path = folder.path().to_owned();
    let mut events = String::new();
    for (index, line) in EVENTS.lines().filter(|line| !line.is_empty()).enumerate() {
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().unwrap();
        let (day, account, kind, fields) = (word(), word(), word(), word());
        writeln!(
            events,
            r#"{{"id":"e{index}","time":"{day}T12:00:00Z","account_id":"{account}","type":"{kind}",{fields}}}"#
        )
        .unwrap();
    }
    fs::write(path.join("events.ndjson"), events).unwrap();
    fs::write(path.join("churnwatch.toml"), CONFIG).unwrap();
    (folder, path)
}

fn check(arguments: &str, expected: &Expect) {
    let (_held, folder) = company();
    expected
        .assert_eq(&succeed(&folder, &format!("report {arguments} --input events.ndjson --config churnwatch.toml")));
}

#[test]
fn kpis_are_told_against_their_targets_and_the_ledger_by_month() {
    check("kpis --as-of 2026-05-01", &expect![]);
}

#[test]
fn cohorts_show_customers_and_revenue_side_by_side() {
    check("cohorts --as-of 2026-05-01", &expect![]);
}

#[test]
fn a_cohort_whose_customers_leave_while_its_revenue_holds_is_marked() {
    let (_held, folder) = company();
    let mut events = String::new();
    let mut tell = |day: &str, account: &str, kind: &str, mrr: u32| {
        let index = events.len();
        writeln!(
            events,
            r#"{{"id":"e{index}","time":"{day}T12:00:00Z","account_id":"{account}","type":"subscription.{kind}","subscription":"s","mrr":{mrr}}}"#
        )
        .unwrap();
    };
    // In January two of six leave and one grows; in February two of six leave.
    for (month, cohort) in [("2026-01", "jan"), ("2026-02", "feb")] {
        (0..6).for_each(|number| tell(&format!("{month}-10"), &format!("{cohort}-{number}"), "started", 1_000));
    }
    for cohort in ["jan", "feb"] {
        (0..2).for_each(|number| tell("2026-03-10", &format!("{cohort}-{number}"), "canceled", 0));
    }
    tell("2026-03-11", "jan-5", "changed", 3_000);
    fs::write(folder.join("events.ndjson"), events).unwrap();
    let report = succeed(&folder, "report cohorts --input events.ndjson --as-of 2026-04-01 --output json");
    let report: Value = serde_json::from_str(&report).unwrap();
    let marks: Vec<_> = report["cohorts"]["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["cohort"].as_str().unwrap().to_owned(), row["mark"].as_str().unwrap().to_owned()))
        .collect();
    let marked = |cohort: &str, mark: &str| (cohort.to_owned(), mark.to_owned());
    assert_eq!(marks, [marked("2026-01", "customers leave, revenue holds"), marked("2026-02", "")]);
}

#[test]
fn segments_are_told_side_by_side_and_who_leaves() {
    check("segments --as-of 2026-05-01", &expect![]);
}

#[test]
fn a_report_as_of_a_time_sees_nothing_later() {
    let (_held, folder) = company();
    let report = |name: &str| {
        succeed(
            &folder,
            &format!("report kpis --input {name} --config churnwatch.toml --as-of 2026-03-01 --output csv"),
        )
    };
    let whole = report("events.ndjson");
    let text = fs::read_to_string(folder.join("events.ndjson")).unwrap();
    let earlier: String = text
        .lines()
        .filter(|line| line[..40].contains("2025-") || line.contains("2026-01-") || line.contains("2026-02-"))
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(folder.join("earlier.ndjson"), earlier).unwrap();
    assert_eq!(whole, report("earlier.ndjson"));
}

#[test]
fn programs_get_the_same_numbers_in_json_and_csv() {
    let (_held, folder) = company();
    let report = |output: &str| {
        succeed(&folder, &format!("report kpis --input events.ndjson --config churnwatch.toml --output {output}"))
    };
    let json: Value = serde_json::from_str(&report("json")).unwrap();
    let rows = json["kpis"]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 25);
    assert_eq!((&rows[0]["kpi"], &rows[0]["focus"], &rows[0]["owner"]), (&"nrr".into(), &"*".into(), &"kim".into()));
    let csv = report("csv");
    let first_block = csv.split("\n\n").next().unwrap();
    let mut reader = csv::Reader::from_reader(first_block.as_bytes());
    let head = reader.headers().unwrap().clone();
    for (record, row) in reader.records().zip(rows) {
        let record = record.unwrap();
        for (name, value) in head.iter().zip(record.iter()).skip(1) {
            let same = match &row[name] {
                Value::Null => value.is_empty(),
                Value::Number(number) => value.parse::<f64>().unwrap() == number.as_f64().unwrap(),
                other => other == value,
            };
            assert!(same, "{name} of {}: {value} and {}", row["kpi"], row[name]);
        }
    }
}

#[test]
fn what_cannot_be_reported_is_said() {
    let (_held, folder) = company();
    let said = |arguments: &str| {
        let output = churnwatch(&folder, arguments);
        format!("{:?} {}", output.status.code(), String::from_utf8_lossy(&output.stderr))
    };
    fs::write(folder.join("empty.ndjson"), "").unwrap();
    fs::write(folder.join("bad.toml"), "[kpis]\ntime_zone = \"Mars\"\nfocus = [\"nrr\", \"grr\", \"mrr\"]\n[kpis.targets]\nnnr = 1\nnrr = [{ from = \"2026-13-01\", value = 1 }]\n[kpis.owners]\nmrr = 7\n[[kpis.benchmarks]]\nkpi = \"nrr\"\nvalue = \"high\"\n[rules.rates]\nEUR = [{ rate = 1.1 }]\n").unwrap();
    let mut shown = String::new();
    for arguments in [
        "report kpis --input -",
        "report kpis --input missing.ndjson",
        "report kpis --input empty.ndjson",
        "report kpis --input events.ndjson --as-of yesterday",
        "report kpis --input events.ndjson --config bad.toml",
    ] {
        writeln!(shown, "{arguments}\n{}", said(arguments).trim_end()).unwrap();
    }
    expect![].assert_eq(&shown);
}
