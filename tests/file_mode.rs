//! File mode through the library: real files in, real files out.
//!
//! What the engine decides is tested in the engine; here: lines, layouts, refusals, compression, and that the outputs
//! depend on nothing but the lines.

// The helpers of tests may do what tests may.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use churnwatch::engine::event::{Event, Kind};
use churnwatch::engine::input::{Progress, Record};
use churnwatch::engine::rules::Rules;
use churnwatch::engine::{Engine, Journal, effect::Effect};
use churnwatch::local::{self, Alerts, Ending, Input, LocalError, Options, Summary};
use churnwatch::units::{DAY_MS, HOUR_MS, Offset, PartitionIndex, Position, Span, Timestamp};
use churnwatch::wire::dump::{DumpRecord, encode_line};
use churnwatch::wire::{alert, canonical, dump, health};
use expect_test::{Expect, expect};

/// 2026-01-05T00:00:00Z, a Monday.
const MONDAY_MS: i64 = 1_767_571_200_000;

/// The results of a run over `input`.
struct Ran {
    summary: Summary,
    alerts: String,
    health: String,
    rejects: String,
}

fn options(directory: &Path, input: &Path) -> Options {
    Options {
        alerts: Alerts::File(directory.join("alerts.ndjson")),
        health: Some(directory.join("health.ndjson")),
        rejects: Some(directory.join("rejects.ndjson")),
        ..Options::new(Input::File(input.to_owned()), Timestamp::clamped(MONDAY_MS + 365 * DAY_MS))
    }
}

fn run(input: &[u8]) -> Ran {
    run_with(input, |_| {})
}

fn run_with(input: &[u8], change: impl FnOnce(&mut Options)) -> Ran {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("input");
    fs::write(&file, input).unwrap();
    let mut options = options(directory.path(), &file);
    change(&mut options);
    let summary = local::run(&options).unwrap();
    let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    Ran { summary, alerts: read("alerts.ndjson"), health: read("health.ndjson"), rejects: read("rejects.ndjson") }
}

fn use_of(account: &str, number: usize, time_ms: i64) -> Event<'_> {
    Event {
        id: format!("{account}-{number}").into(),
        time: Timestamp::clamped(time_ms),
        account_id: account.into(),
        user_id: Some("ann".into()),
        source: None,
        kind: Kind::FeatureUsed { feature: "search".into(), quantity: 1 },
    }
}

/// Two accounts at work on every weekday; `quiet` stops after sixty days, `busy` goes on for thirty more.
fn story() -> Vec<Event<'static>> {
    let mut events = Vec::new();
    for day in 0..90_i64 {
        for (account, until) in [("busy", 90), ("quiet", 60)] {
            for hour in 9..12 {
                if day % 7 < 5 && day < until {
                    events.push(use_of(account, events.len(), MONDAY_MS + day * DAY_MS + hour * HOUR_MS));
                }
            }
        }
    }
    events
}

fn lines(events: &[Event<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for event in events {
        canonical::encode_event(event, &mut out);
        out.push(b'\n');
    }
    out
}

#[test]
fn a_falling_silent_is_told() {
    let ran = run(&lines(&story()));
    assert_eq!(ran.summary.ending, Ending::Complete);
    assert_eq!(ran.summary.accounts, 2);
    assert_eq!(ran.summary.tally.rejected_total(), 0);
    let alerts: Vec<serde_json::Value> = ran.alerts.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!alerts.is_empty(), "no alert about an account that fell silent");
    assert!(ran.alerts.lines().all(|line| line.contains("quiet")), "{}", ran.alerts);
    assert_eq!(ran.summary.tally.alerts.values().sum::<u64>(), alerts.len() as u64);
    assert!(ran.health.lines().count() > 0);
}

#[test]
fn the_clock_follows_the_events_and_ends_at_the_last() {
    let events = story();
    let last = events.last().unwrap().time;
    let clock = run(&lines(&events)).summary.clock.unwrap();
    assert_eq!(clock, last.minus(Rules::default().lateness));
}

#[test]
fn compressed_input_gives_the_same_bytes() {
    let text = lines(&story());
    let plain = run(&text);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&text).unwrap();
    for packed in [gzip.finish().unwrap(), zstd::stream::encode_all(&text[..], 1).unwrap()] {
        let ran = run(&packed);
        assert_eq!((&ran.alerts, &ran.health), (&plain.alerts, &plain.health));
        assert_eq!(ran.summary.tally, plain.summary.tally);
    }
}

fn check_rejects(input: &[u8], expected: &Expect) -> Ran {
    let ran = run(input);
    let mut shown = String::new();
    for line in ran.rejects.lines() {
        let rejected: serde_json::Value = serde_json::from_str(line).unwrap();
        let number = rejected["line"].as_u64().unwrap();
        let line = input.split(|byte| *byte == b'\n').nth(usize::try_from(number).unwrap() - 1).unwrap();
        let kept = match (rejected["text"].as_str(), rejected["text_base64"].as_str()) {
            (Some(text), None) if text.as_bytes() == line => "text",
            (None, Some("//4=")) if line == b"\xff\xfe" => "text_base64",
            (None, None) => "-",
            other => panic!("{other:?}"),
        };
        writeln!(shown, "{number} {} {kept}", rejected["reason"].as_str().unwrap()).unwrap();
    }
    expected.assert_eq(&shown);
    assert_eq!(ran.summary.tally.rejected_total(), ran.rejects.lines().count() as u64);
    ran
}

#[test]
fn the_gauges_of_before_stay_until_there_are_new_ones() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path();
    let input = lines(&story());
    fs::write(folder.join("in"), &input).unwrap();
    let old = "old gauges\n".repeat(100_000);
    fs::write(folder.join("gauges"), &old).unwrap();
    for (refused, why) in [
        ("run --input in --alerts alerts --metrics none/gauges", "cannot create none/gauges"),
        ("run --input in --alerts none/alerts --metrics gauges", "cannot create none/alerts"),
        ("run --input none --alerts alerts --metrics gauges", "cannot open input none"),
        ("run --input in --alerts alerts --metrics in", "in is named twice"),
    ] {
        let (code, _, stderr) = program(folder, refused);
        assert!(code == Some(1) && stderr.contains(why), "{refused}: {stderr}");
        assert!(!folder.join("alerts").exists(), "{refused}");
        assert_eq!(fs::read_to_string(folder.join("gauges")).unwrap(), old, "{refused}");
    }
    assert_eq!(fs::read(folder.join("in")).unwrap(), input);
    assert_eq!(program(folder, "run --input in --alerts alerts --metrics gauges").0, Some(0));
    let new = fs::read_to_string(folder.join("gauges")).unwrap();
    assert!(new.contains("churnwatch_state_accounts") && !new.contains("old gauges"), "{new}");
}

#[test]
fn bad_lines_are_refused_by_number_and_the_rest_goes_on() {
    let mut input = Vec::new();
    input.extend_from_slice(b"not json\n\n{\"id\":\"1\"}\n");
    input.extend_from_slice(&lines(&[use_of("a", 1, MONDAY_MS)]));
    input.extend_from_slice(b"\xff\xfe\n");
    input.extend_from_slice(&lines(&[use_of("a", 2, MONDAY_MS + 400 * DAY_MS)]));
    input.extend_from_slice(br#"{"id":"3","time":"2026-01-05T00:00:00Z","account_id":"a","type":"page.viewed"}"#);
    input.push(b'\n');
    input.extend_from_slice(&vec![b'x'; 2 * 1024 * 1024]);
    input.push(b'\n');
    input.extend_from_slice(&vec![b'['; 20 * 1024 * 1024]);
    input.push(b'\n');
    input.extend_from_slice(&lines(&[use_of("b", 1, MONDAY_MS + DAY_MS)]));
    let ran = check_rejects(
        &input,
        &expect![[r"
            1 not_json text
            3 missing_field text
            5 not_utf8 text_base64
            6 future_time text
            8 too_large text
            9 too_large -
        "]],
    );
    let tally = &ran.summary.tally;
    // The rest are a blank line and an event of unknown type.
    assert_eq!((tally.lines, tally.events, tally.rejected_total()), (10, 2, 6));
    assert_eq!(ran.summary.accounts, 2);
    assert_eq!(ran.summary.tally.unknown_types.get("page.viewed"), Some(&1));
    // The event of the future was refused and did not move the clock.
    let lateness = Rules::default().lateness;
    assert_eq!(ran.summary.clock, Some(Timestamp::clamped(MONDAY_MS + DAY_MS).minus(lateness)));
}

/// A dump of `partitions` partitions over which the story's accounts are spread, with a progress record each day.
fn dumped_story() -> Vec<(Position, Timestamp, Vec<u8>)> {
    let mut log = Vec::new();
    let mut next = [0_i64; 2];
    let mut append = |partition: i32, time: Timestamp, value: Vec<u8>| {
        let next = &mut next[usize::try_from(partition).unwrap()];
        let position = Position { partition: PartitionIndex(partition), offset: Offset(*next) };
        // Offsets have gaps where transactions ended.
        *next += 1 + *next % 3;
        log.push((position, time.plus(Span::from_ms(1_000)), value));
    };
    let mut day = None;
    for event in story() {
        let mut value = Vec::new();
        canonical::encode_event(&event, &mut value);
        append(i32::from(event.account_id == "quiet"), event.time, value);
        if day != Some(event.time.day()) {
            day = Some(event.time.day());
            for partition in 0..2 {
                let mut value = Vec::new();
                let progress = Progress { reached: Some(event.time), ..Progress::default() };
                canonical::encode_progress(&progress, &mut value);
                append(partition, event.time, value);
            }
        }
    }
    log
}

fn dump_lines(topic: &str, log: &[(Position, Timestamp, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (position, timestamp, value) in log {
        let record = dump::DumpRecord {
            topic: topic.into(),
            partition: position.partition,
            offset: position.offset,
            timestamp: Some(*timestamp),
            key: None,
            value: Some(value.as_slice().into()),
            headers: Vec::new(),
        };
        dump::encode_line(&record, &mut out);
    }
    out
}

/// What one engine a partition says about the log, in log order.
fn oracle(log: &[(Position, Timestamp, Vec<u8>)]) -> (String, String) {
    let rules = Arc::new(Rules::default());
    let mut engines: Vec<Engine> = (0..2).map(|_| Engine::new(Arc::clone(&rules), Journal::Off)).collect();
    let (mut alerts, mut healths, mut effects) = (Vec::new(), Vec::new(), Vec::new());
    for (position, received_at, value) in log {
        let canonical_record = canonical::decode(value).unwrap();
        let churnwatch::wire::Decoded::Input(input) = canonical_record else { panic!("unknown type in the log") };
        let record = Record { position: *position, received_at: *received_at, input };
        engines[usize::try_from(position.partition.0).unwrap()].step(&record, &mut effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Alert(change) => {
                    alert::encode_alert(&change, &mut alerts);
                    alerts.push(b'\n');
                }
                Effect::Health(health) => {
                    health::encode_health(&health, &mut healths);
                    healths.push(b'\n');
                }
                Effect::Reject(reason) => panic!("{reason:?}"),
                // For the learner: what it learned stands in the log.
                Effect::Fleet(_) => {}
            }
        }
    }
    (String::from_utf8(alerts).unwrap(), String::from_utf8(healths).unwrap())
}

#[test]
fn a_dumped_log_gives_the_outputs_of_its_partitions() {
    let log = dumped_story();
    let ran = run(&dump_lines("churnwatch.events.v1", &log));
    assert_eq!(ran.rejects, "");
    let (alerts, health) = oracle(&log);
    assert!(!alerts.is_empty() && !health.is_empty());
    assert_eq!((ran.alerts, ran.health), (alerts, health));
}

#[test]
fn a_dump_is_read_in_its_order_and_by_itself() {
    let log = dumped_story();
    let dumped = dump_lines("churnwatch.events.v1", &log[..6]);
    let first = dumped.split_inclusive(|byte| *byte == b'\n').next().unwrap().to_vec();
    let mut input = dumped.clone();
    input.extend_from_slice(&first); // line 7: read again
    input.extend_from_slice(&lines(&story()[..1])); // line 8: a plain event
    input.extend_from_slice(&dump_lines("other", &log[6..7])); // line 9: another topic
    input.extend_from_slice(b"{\"topic\":\"churnwatch.events.v1\"\n"); // line 10: cut off
    let mut far = log[7].clone();
    far.0.partition = PartitionIndex(1_000_000);
    input.extend_from_slice(&dump_lines("churnwatch.events.v1", &[far])); // line 11: no such partition
    check_rejects(
        &input,
        &expect![[r"
            7 offset_order text
            8 no_dump_line text
            9 other_topic text
            10 damaged_dump_line text
            11 partition_out_of_range text
        "]],
    );
}

/// The kinds of records that the desk gives in a run over the story, in which an account falls silent.
fn check_desk(deliver_max_age: Span, expected: &Expect) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("desk.ndjson");
    run_with(&lines(&story()), |options| {
        options.desk = Some(path.clone());
        options.desk_settings.deliver_max_age = deliver_max_age;
    });
    let mut shown = BTreeSet::new();
    for line in fs::read_to_string(&path).unwrap().lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        let part = |name: &str| record.get(name).map(ToString::to_string).unwrap_or_default();
        let alerts = record["alerts"].as_array().map(|alerts| format!(" {} alerts", alerts.len())).unwrap_or_default();
        shown.insert(format!("{} {}{}{alerts}", part("record"), part("why"), part("catch_up")));
    }
    let shown = shown.into_iter().collect::<Vec<_>>().join("\n");
    expected.assert_eq(&shown);
}

#[test]
fn the_desk_delivers_what_is_fresh_and_gathers_what_is_history() {
    // The story ends nine months before the run: all of it is history.
    check_desk(Span::from_days(1), &expect![[r#""digest" true 2 alerts"#]]);
    // To look at history as it would have been delivered, anything goes for fresh.
    check_desk(
        Span::from_days(10_000),
        &expect![[r#"
            "delivered" "follow_up"
            "delivered" "new"
            "digest" false 1 alerts
            "digest" false 2 alerts"#]],
    );
}

#[test]
fn an_input_of_nothing_is_no_error() {
    let ran = run(b"");
    assert_eq!((ran.summary.tally.lines, ran.summary.clock), (0, None));
    assert_eq!(run(b"\n \r\n\n").summary.tally.rejected_total(), 0);
}

#[test]
fn files_that_cannot_be_are_told_before_anything_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let missing = options(directory.path(), &directory.path().join("missing"));
    assert!(matches!(local::run(&missing), Err(LocalError::Open { .. })));
    assert!(!directory.path().join("alerts.ndjson").exists());

    let input = directory.path().join("input");
    fs::write(&input, lines(&story())).unwrap();
    let over_itself = Options { alerts: Alerts::File(input.clone()), ..options(directory.path(), &input) };
    assert!(matches!(local::run(&over_itself), Err(LocalError::SameFile { .. })));
    assert_eq!(fs::read(&input).unwrap(), lines(&story()));

    let hard_link = directory.path().join("same");
    fs::hard_link(&input, &hard_link).unwrap();
    let over_its_link = Options { alerts: Alerts::File(hard_link), ..options(directory.path(), &input) };
    assert!(matches!(local::run(&over_its_link), Err(LocalError::SameFile { .. })));
    assert_eq!(fs::read(&input).unwrap(), lines(&story()));

    let twice =
        Options { health: Some(directory.path().join("./rejects.ndjson")), ..options(directory.path(), &input) };
    assert!(matches!(local::run(&twice), Err(LocalError::SameFile { .. })));

    let nowhere = Options { health: Some(PathBuf::from("/nowhere/at/all")), ..options(directory.path(), &input) };
    assert!(matches!(local::run(&nowhere), Err(LocalError::Create { .. })));
}

#[test]
fn a_damaged_archive_is_told_with_the_line() {
    let directory = tempfile::tempdir().unwrap();
    let input = directory.path().join("input.zst");
    let packed = zstd::stream::encode_all(&lines(&story())[..], 1).unwrap();
    fs::write(&input, &packed[..packed.len() / 2]).unwrap();
    assert!(matches!(local::run(&options(directory.path(), &input)), Err(LocalError::Read { .. })));
}

#[test]
fn control_records_among_plain_events_move_no_clock() {
    let mut input = lines(&story()[..1]);
    let far = Progress { reached: Some(Timestamp::clamped(MONDAY_MS + 80 * DAY_MS)), ..Progress::default() };
    canonical::encode_progress(&far, &mut input);
    let ran = run(&input);
    assert_eq!(ran.summary.tally.unknown_types.values().sum::<u64>(), 1);
    assert!(ran.summary.clock.unwrap() < Timestamp::clamped(MONDAY_MS + DAY_MS));
}

/// The built program in `folder`: its exit code, standard output and standard error.
fn program(folder: &Path, arguments: &str) -> (Option<i32>, String, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_churnwatch"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CHURNWATCH__")) {
        command.env_remove(name);
    }
    let output = command.current_dir(folder).args(arguments.split(' ')).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn standard_output_is_named_by_a_dash_once() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path();
    fs::write(folder.join("in"), lines(&story())).unwrap();
    let written = |option: &str| {
        let (code, to_file, _) = program(folder, &format!("run --input in --alerts alerts {option} file"));
        assert_eq!((code, to_file.as_str()), (Some(0), ""), "{option}");
        let (code, to_stdout, _) = program(folder, &format!("run --input in --alerts alerts {option} -"));
        let said =
            |text: &str| text.lines().filter(|line| !line.starts_with("process_")).collect::<Vec<_>>().join("\n");
        let in_file = fs::read_to_string(folder.join("file")).unwrap();
        assert_eq!((code, said(&to_stdout)), (Some(0), said(&in_file)), "{option}");
        to_stdout
    };
    assert!(written("--health").contains("\"band\""));
    assert!(written("--metrics").contains("churnwatch_state_accounts"));
    assert!(written("--desk").contains("\"record\""));
    assert_eq!(written("--rejects"), "");
    let simulate = "simulate --accounts 3 --days 14 --events e";
    assert!(program(folder, &format!("{simulate} --truth -")).1.starts_with("account,"));
    assert!(program(folder, &format!("{simulate} --labels -")).1.starts_with("account,"));

    for refused in [
        "run --input in --health -",
        "run --input in --alerts alerts --health - --desk -",
        "run --input in --metrics -",
        "simulate --accounts 3 --days 14 --truth -",
        "simulate --accounts 3 --days 14 --events e --truth - --labels -",
    ] {
        let (code, stdout, stderr) = program(folder, refused);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{refused}");
        assert!(
            stderr.contains("- is named twice") && stderr.contains("`-` is standard output"),
            "{refused}: {stderr}"
        );
    }
    for (refused, why) in [
        ("backtest --input in --scores -", "standard output carries the report"),
        ("backtest --input - --scores s", "the input may be read twice"),
        ("calibrate --input in --model -", "standard output tells of the model"),
        ("calibrate --input - --model m", "the log is read from a file"),
    ] {
        let (code, stdout, stderr) = program(folder, refused);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{refused}");
        assert!(stderr.contains(why), "{refused}: {stderr}");
    }
    assert!(!folder.join("-").exists(), "a file named `-` was made");
}

#[test]
fn a_dump_of_the_alerts_gives_what_the_desk_gives() {
    let directory = tempfile::tempdir().unwrap();
    let alerts = run(&lines(&story())).alerts;
    let mut dump = Vec::new();
    for (offset, line) in (0..).zip(alerts.lines()) {
        let as_of = serde_json::from_str::<serde_json::Value>(line).unwrap()["as_of"].as_str().unwrap().to_owned();
        let ms = chrono::DateTime::parse_from_rfc3339(&as_of).unwrap().timestamp_millis();
        let record = DumpRecord {
            topic: "churnwatch.alerts.v1".into(),
            partition: PartitionIndex(0),
            offset: Offset(offset),
            timestamp: Timestamp::from_ms(ms),
            key: None,
            value: Some(std::borrow::Cow::Borrowed(line.as_bytes())),
            headers: Vec::new(),
        };
        encode_line(&record, &mut dump);
    }
    let path = directory.path().join("desk.ndjson");
    let ran = run_with(&dump, |options| options.desk = Some(path.clone()));
    assert_eq!((ran.alerts.as_str(), ran.summary.tally.rejected_total()), ("", 0));
    let desk = fs::read_to_string(&path).unwrap();
    let raised = alerts.lines().filter(|line| line.contains(r#""transition":"raised""#)).count();
    assert_eq!(desk.lines().filter(|line| line.contains(r#""why":"new""#)).count(), raised);

    // What is no alert among them is refused.
    let damaged = String::from_utf8(dump.clone()).unwrap().replacen("alert_id", "alert_no", 2);
    let (first, rest) = damaged.split_once('\n').unwrap();
    let text = format!("{}\n{first}\n{rest}", String::from_utf8(dump).unwrap().lines().next().unwrap());
    let ran = run_with(text.as_bytes(), |options| options.desk = Some(path.clone()));
    assert_eq!(ran.summary.tally.rejected.get("unreadable_alert"), Some(&2));
}
