//! `churnwatch backtest` and `churnwatch explain` over real files: no look-ahead, agreement with the engine and with
//! each other, and what is said of bad input.
//!
//! The formulas are tested in `evaluation`; here: that a query at T sees what happened before T and nothing else.

// The helpers of tests may do what tests may.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, OnceLock};

use churnwatch::engine::effect::Effect;
use churnwatch::engine::event::{Event, Kind};
use churnwatch::engine::fleet::learner::Learner;
use churnwatch::engine::input::{Input, Progress, Record};
use churnwatch::engine::rules::Rules;
use churnwatch::engine::{Engine, Journal};
use churnwatch::evaluation::cases::Sheet;
use churnwatch::local::backtest::{Answers, ask};
use churnwatch::local::gate::HELD_BYTES_MAX;
use churnwatch::local::replay::Settings;
use churnwatch::local::rerun::Log;
use churnwatch::local::{self, Alerts, LocalError, Options};
use churnwatch::sim::{self, Population, START};
use churnwatch::units::{HOUR_MS, Offset, PartitionIndex, Position, Span, Timestamp};
use churnwatch::wire::{Format, canonical, dump, partition_of};
use expect_test::expect;
use proptest::prelude::*;
use tempfile::TempDir;

/// The simulated company moves this far into the past, so that no machine's clock finds it in the future.
const SHIFT: Span = Span::from_days(2_192);

fn day(number: i64) -> Timestamp {
    START.minus(SHIFT).plus(Span::from_days(number))
}

/// The events of a company of 40 accounts over 120 days, in the order in which a log received them.
fn company() -> &'static [Event<'static>] {
    static COMPANY: OnceLock<Vec<Event<'static>>> = OnceLock::new();
    COMPANY.get_or_init(|| {
        let options = sim::Options { accounts: 40, days: 120, ..sim::Options::default() };
        Population::new(&options)
            .map(|arrival| Event { time: arrival.event.time.minus(SHIFT), ..arrival.event })
            .collect()
    })
}

fn line(event: &Event<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    canonical::encode_event(event, &mut out);
    out.push(b'\n');
    out
}

fn lines<'a>(events: impl IntoIterator<Item = &'a Event<'a>>) -> Vec<u8> {
    events.into_iter().flat_map(line).collect()
}

fn use_of(account: &str, id: usize, time: Timestamp) -> Event<'static> {
    Event {
        id: format!("extra-{account}-{id}").into(),
        time,
        account_id: account.to_owned().into(),
        user_id: Some("ann".into()),
        source: None,
        kind: Kind::FeatureUsed { feature: "search".into(), quantity: 1 },
    }
}

fn ask_at(input: &[u8], cutoffs: &[Timestamp]) -> Answers {
    try_ask_at(input, cutoffs, HELD_BYTES_MAX).unwrap()
}

fn try_ask_at(input: &[u8], cutoffs: &[Timestamp], held_bytes_max: usize) -> Result<Answers, LocalError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.ndjson");
    fs::write(&path, input).unwrap();
    let settings = Settings {
        format: Format::Canonical,
        rules: Arc::new(Rules::default()),
        event_bytes_max: 1024 * 1024,
        start: day(1_000),
        desk: churnwatch::desk::Settings { budget_per_owner_week: 10, deliver_max_age: Span::from_days(1) },
    };
    let log = Log { held_bytes_max, ..Log::new(path, settings) };
    ask(&log, &log.scan().unwrap(), cutoffs.to_vec(), None)
}

/// Every risk on the sheets, bit for bit.
fn risks(sheets: &[Sheet]) -> Vec<(Timestamp, String, u64)> {
    let of = |sheet: &Sheet| {
        let at = sheet.at;
        let risk =
            |row: &churnwatch::evaluation::cases::Row| (at, row.account_id.to_string(), row.risk.get().to_bits());
        sheet.rows.iter().map(risk).collect::<Vec<_>>()
    };
    sheets.iter().flat_map(of).collect()
}

/// What one engine says of the events before `at`, taken in in their order, with time derived from them; what the fleet
/// teaches too where there is a learner. In a dump it stands in the log, or nowhere.
fn oracle<'a>(
    events: impl Iterator<Item = &'a Event<'a>>,
    at: Timestamp,
    mut learner: Option<Learner>,
) -> Vec<(Timestamp, String, u64)> {
    let rules = Arc::new(Rules::default());
    let mut engine = Engine::new(Arc::clone(&rules), Journal::Off);
    let mut reached = Timestamp::MIN;
    let mut step = |input: Input<'_>| {
        let position = Position { partition: PartitionIndex(0), offset: Offset(0) };
        let mut effects = Vec::new();
        engine.step(&Record { position, received_at: day(1_000), input }, &mut effects);
        for effect in effects {
            let Effect::Fleet(report) = effect else { continue };
            if let Some(fleet) = learner.as_mut().and_then(|learner| learner.take(*report, &rules)) {
                engine.step(&Record { position, received_at: day(1_000), input: Input::Fleet(fleet) }, &mut Vec::new());
            }
        }
    };
    for event in events.filter(|event| event.time < at) {
        let hour = Timestamp::clamped(event.time.ms() / HOUR_MS * HOUR_MS);
        if reached < hour {
            step(Input::Progress(Progress { reached: Some(hour), ..Progress::default() }));
        }
        reached = reached.max(event.time);
        step(Input::Event(event.clone()));
    }
    let risk = |account| engine.verdict_at(account, at).0.get().to_bits();
    let mut risks: Vec<_> = engine.accounts().map(|account| (at, account.id.to_string(), risk(account))).collect();
    risks.sort();
    risks
}

#[test]
fn a_cutoff_sees_every_earlier_event_and_no_other() {
    let cutoffs = [day(-2_000), day(31), day(60).plus(Span::from_ms(12_345_678)), day(90), day(300)];
    let answers = ask_at(&lines(company()), &cutoffs);
    for (sheet, at) in answers.sheets.iter().zip(cutoffs) {
        assert_eq!(risks(std::slice::from_ref(sheet)), oracle(company().iter(), at, Some(Learner::new(1))), "{at}");
    }
    let scored: Vec<usize> = answers.sheets.iter().map(|sheet| sheet.rows.len()).collect();
    assert!(scored[0] == 0 && scored[1] > 20 && scored[4] == 40, "{scored:?}");
    assert_eq!(answers.replayed.replay.tally().events, company().len() as u64);
}

#[test]
fn cutoffs_do_not_disturb_the_replay() {
    let mut ordered: Vec<&Event<'_>> = company().iter().collect();
    ordered.sort_by_key(|event| event.time);
    let input = lines(ordered);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("log.ndjson");
    fs::write(&file, &input).unwrap();
    let alerts = directory.path().join("alerts.ndjson");
    let options =
        Options { alerts: Alerts::File(alerts.clone()), ..Options::new(local::Input::File(file), day(1_000)) };
    local::run(&options).unwrap();
    let ran: Vec<(String, String, String)> = fs::read_to_string(alerts)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|alert| alert["transition"] == "raised")
        .map(|alert| {
            let text = |name: &str| alert[name].as_str().unwrap().to_owned();
            (text("account_id"), text("alert_type"), text("raised_at"))
        })
        .collect();
    assert!(ran.len() > 3);
    let many: Vec<Timestamp> = (0..120).map(day).collect();
    for cutoffs in [&[][..], &many] {
        let raised = ask_at(&input, cutoffs).raised;
        let raised: Vec<(String, String, String)> = raised
            .into_iter()
            .map(|alert| (alert.account_id, alert.alert_type.to_owned(), alert.at.to_string()))
            .collect();
        assert_eq!(raised, ran);
    }
}

/// A change to what happens at or after a cut-off.
#[derive(Clone, Debug)]
enum Change {
    /// An event of a known or an unheard-of account, anywhere in the file.
    Add { place: usize, hours: i64, account: u8 },
    /// One of the later events goes.
    Remove { place: usize },
    /// One of the later events goes to another place in the file.
    Move { from: usize, to: usize },
    /// A line that is no event comes in.
    Garble { place: usize },
    /// All that is later goes.
    Truncate,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (any::<usize>(), 0_i64..2_000, 0_u8..70)
            .prop_map(|(place, hours, account)| Change::Add { place, hours, account }),
        4 => any::<usize>().prop_map(|place| Change::Remove { place }),
        4 => (any::<usize>(), any::<usize>()).prop_map(|(from, to)| Change::Move { from, to }),
        2 => any::<usize>().prop_map(|place| Change::Garble { place }),
        1 => Just(Change::Truncate),
    ]
}

/// The lines of the company's log after `changes` to what happens at `cutoff` or later.
fn changed(changes: &[Change], cutoff: Timestamp) -> Vec<u8> {
    let mut log: Vec<Option<Event<'_>>> = company().iter().cloned().map(Some).collect();
    let is_later = |slot: &Option<Event<'_>>| slot.as_ref().is_some_and(|event| event.time >= cutoff);
    for (number, change) in changes.iter().enumerate() {
        let later: Vec<usize> = (0..log.len()).filter(|index| is_later(&log[*index])).collect();
        let some_later = |place: usize| (!later.is_empty()).then(|| later[place % later.len()]);
        let end = log.len() + 1;
        match change {
            Change::Add { place, hours, account } => {
                let account = match company().get(usize::from(*account) * 97) {
                    Some(event) if *account < 60 => event.account_id.to_string(),
                    _ => format!("new-{account}"),
                };
                let event = use_of(&account, number, cutoff.plus(Span::from_hours(*hours)));
                log.insert(place % end, Some(event));
            }
            Change::Remove { place } => drop(some_later(*place).map(|index| log.remove(index))),
            Change::Move { from, to } => {
                if let Some(event) = some_later(*from).map(|index| log.remove(index)) {
                    log.insert(to % end.saturating_sub(1).max(1), event);
                }
            }
            Change::Garble { place } => log.insert(place % end, None),
            Change::Truncate => log.retain(|slot| !is_later(slot)),
        }
    }
    let bytes = |slot: &Option<Event<'_>>| slot.as_ref().map_or_else(|| b"garbled\n".to_vec(), line);
    log.iter().flat_map(bytes).collect()
}

/// A log as a dump of two partitions, with a progress record in each before every event.
fn dumped(events: &[(Timestamp, Event<'_>)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut next = [0_i64; 2];
    let mut append = |partition: usize, at: Timestamp, value: Vec<u8>| {
        let record = dump::DumpRecord {
            topic: "churnwatch.events.v1".into(),
            partition: PartitionIndex(i32::try_from(partition).unwrap()),
            offset: Offset(next[partition]),
            timestamp: Some(at),
            key: None,
            value: Some(value.into()),
            headers: Vec::new(),
        };
        next[partition] += 1;
        dump::encode_line(&record, &mut out);
    };
    for (received_at, event) in events {
        for partition in 0..2 {
            let mut value = Vec::new();
            let progress = Progress { reached: Some(*received_at), ..Progress::default() };
            canonical::encode_progress(&progress, &mut value);
            append(partition, *received_at, value);
        }
        let mut value = Vec::new();
        canonical::encode_event(event, &mut value);
        let partition = partition_of(&event.account_id, 2).0;
        append(usize::try_from(partition).unwrap(), *received_at, value);
    }
    out
}

/// The company's events with when the log received them: half an hour late each tenth of them.
fn received() -> Vec<(Timestamp, Event<'static>)> {
    let mut received: Vec<(Timestamp, Event<'static>)> = company()
        .iter()
        .enumerate()
        .map(|(number, event)| {
            let delay = if number % 10 == 0 { Span::from_ms(1_800_000) } else { Span::ZERO };
            (event.time.plus(delay), event.clone())
        })
        .collect();
    received.sort_by_key(|(received_at, _)| *received_at);
    received
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn nothing_at_or_after_a_cutoff_changes_what_is_said_at_it(
        changes in proptest::collection::vec(change(), 1..40),
        cutoff in 20_i64..110,
    ) {
        let cutoffs = [day(10), day(cutoff)];
        let plain = ask_at(&lines(company()), &cutoffs);
        let after = ask_at(&changed(&changes, day(cutoff)), &cutoffs);
        prop_assert!(risks(&plain.sheets) == risks(&after.sheets));
        // The cut-offs themselves change nothing either.
        let alone = ask_at(&changed(&changes, day(cutoff)), &cutoffs[1..]);
        prop_assert!(risks(&plain.sheets[1..]) == risks(&alone.sheets));
    }

    #[test]
    fn in_a_dump_nothing_later_by_time_or_position_does_either(
        cutoff in 20_i64..110,
        future in proptest::collection::vec((0_usize..60, 0_i64..30), 1..20),
        truncate in any::<bool>(),
    ) {
        // At noon, when the company is at work.
        let at = day(cutoff).plus(Span::from_hours(12));
        let log = received();
        let plain = ask_at(&dumped(&log), &[at]);
        // What the log receives once its clock has come to the cut-off was not known at it, whenever it happened.
        let known = log.partition_point(|(received_at, _)| *received_at < at.plus(Rules::default().lateness));
        let mut other = log[..known].to_vec();
        if !truncate {
            other.extend(log[known..].iter().map(|(received_at, event)| {
                (*received_at, Event { time: event.time.minus(Span::from_days(30)), ..event.clone() })
            }));
        }
        // What is from after the cut-off is not seen, even if the log has it before: clocks are half an hour apart.
        let shortly_before = at.minus(Span::from_ms(25 * 60_000));
        for (number, (account, minutes)) in future.iter().enumerate() {
            let place = other.partition_point(|(received_at, _)| *received_at < shortly_before);
            let time = at.plus(Span::from_ms(minutes * 60_000));
            let event = use_of(&log[account * 7].1.account_id, number, time);
            other.insert(place, (shortly_before, event));
        }
        let after = ask_at(&dumped(&other), &[at]);
        prop_assert!(!plain.sheets[0].rows.is_empty());
        prop_assert_eq!(after.replayed.replay.tally().rejected_total(), 0);
        prop_assert!(risks(&plain.sheets) == risks(&after.sheets));
    }
}

#[test]
fn a_dump_says_what_its_events_say() {
    // With nothing late by more than the allowed lateness, positions and times agree.
    let prompt: Vec<(Timestamp, Event<'static>)> = {
        let mut events = company().to_vec();
        events.sort_by_key(|event| event.time);
        events.into_iter().map(|event| (event.time, event)).collect()
    };
    let noon = |number| day(number).plus(Span::from_hours(12));
    let cutoffs = [noon(40), noon(80), noon(500)];
    let answers = ask_at(&dumped(&prompt), &cutoffs);
    for (sheet, at) in answers.sheets.iter().zip(cutoffs) {
        let expected = oracle(prompt.iter().map(|(_, event)| event), at, None);
        assert_eq!(risks(std::slice::from_ref(sheet)), expected, "{at}");
    }
}

/// A folder with the log of a small shop: `steady` buys every few days, `gone` stops at day 60 and is labelled so at day
/// 80, `late` comes on day 70.
fn shop() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mut events = Vec::new();
    for number in 0..50_i64 {
        for (account, from, until, step) in [
            ("steady", 0, 150, 3),
            ("gone", 0, 60, 4),
            ("late", 70, 150, 5),
            ("rare", 1, 150, 21),
            ("rarer", 2, 55, 26),
        ] {
            let at = from + number * step;
            if at < until {
                events.push(use_of(account, usize::try_from(number).unwrap(), day(at).plus(Span::from_hours(9))));
            }
        }
    }
    events.sort_by_key(|event| event.time);
    let write = |name: &str, text: &[u8]| fs::write(directory.path().join(name), text).unwrap();
    write("log.ndjson", &lines(&events));
    let (left, end) = (day(80), day(150));
    write(
        "labels.csv",
        format!(
            "account,churn_time,last_observed\nsteady,,{end}\ngone,{left},{end}\nlate,,{end}\nrare,,{end}\n\
             rarer,{},{end}\nnobody,,{end}\n",
            day(90)
        )
        .as_bytes(),
    );
    directory
}

fn churnwatch(directory: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_churnwatch"))
        .current_dir(directory)
        .args(arguments.split_whitespace())
        .output()
        .unwrap()
}

fn json(directory: &Path, arguments: &str) -> serde_json::Value {
    let output = churnwatch(directory, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_report_tells_risks_alerts_and_what_was_left_out() {
    let shop = shop();
    let cutoffs = format!("as_of\n{}\n{}\n", day(75), day(85));
    fs::write(shop.path().join("cutoffs.csv"), cutoffs).unwrap();
    let run = "backtest --input log.ndjson --labels labels.csv --cutoffs cutoffs.csv --resamples 40";
    let report = json(shop.path(), &format!("{run} --output json --alerts alerts.csv"));
    let counts = |of: &serde_json::Value| ["scored", "measured", "churned"].map(|name| of[name].as_u64().unwrap());
    let cutoffs = report["cutoffs"].as_array().unwrap();
    // At day 85 `gone` is known to have left.
    assert_eq!(cutoffs.iter().map(counts).collect::<Vec<_>>(), [[5, 5, 2], [5, 4, 1]]);
    assert_eq!(
        report["rows"],
        serde_json::json!({
            "measured": 9, "unscored": 0, "gone": 1, "unknown": 0, "unlabelled": 0,
        })
    );
    let value = |name: &str| report["mean"][name]["value"].as_f64().unwrap();
    let of_cutoff = |index: usize| cutoffs[index]["measures"]["auc"]["value"].as_f64().unwrap();
    assert!((value("auc") - f64::midpoint(of_cutoff(0), of_cutoff(1))).abs() < 1e-12);
    assert!(report["mean"]["auc"]["interval"][0].as_f64().unwrap() <= value("auc"));
    let alerts = fs::read_to_string(shop.path().join("alerts.csv")).unwrap();
    assert_eq!(alerts.lines().count() as u64, report["alerts_raised"].as_u64().unwrap() + 1);
    assert_eq!(report["alerts"]["churned"], 2);
    let text = String::from_utf8(churnwatch(shop.path(), run).stdout).unwrap();
    assert!(text.contains(&format!("{:.4} (", value("auc"))), "{text}");
    assert!(text.contains("note: 1 labelled accounts never occur in the log"), "{text}");
}

#[test]
fn without_cutoffs_there_is_one_a_month() {
    let shop = shop();
    let report = json(shop.path(), "backtest --input log.ndjson --labels labels.csv --output json --resamples 50");
    let cutoffs: Vec<&str> =
        report["cutoffs"].as_array().unwrap().iter().map(|of| of["as_of"].as_str().unwrap()).collect();
    assert_eq!(cutoffs, ["2020-03-01T00:00:00Z", "2020-04-01T00:00:00Z"]);
    assert_eq!(report["labels_without_events"], 1);
}

#[test]
fn scores_are_written_for_the_pairs_in_their_order_with_every_digit() {
    let shop = shop();
    let pairs = format!("account,as_of,label\nsteady,{0},0\ngone,{0},1\nlate,{1},0\nsteady,{1},0\n", day(75), day(61));
    fs::write(shop.path().join("pairs.csv"), pairs).unwrap();
    let report = json(shop.path(), "backtest --input log.ndjson --pairs pairs.csv --scores scores.csv --output json");
    let scores = fs::read_to_string(shop.path().join("scores.csv")).unwrap();
    let order: Vec<String> = scores.lines().map(|line| line.rsplit_once(',').unwrap().0.to_owned()).collect();
    assert_eq!(
        order,
        ["account,as_of", "steady,2020-03-16T00:00:00Z", "gone,2020-03-16T00:00:00Z", "steady,2020-03-02T00:00:00Z"]
    );
    // `late` has no event before its cut-off: counted, not written, measured as the lowest.
    assert_eq!(report["rows"]["unscored"], 1);
    assert_eq!(report["rows"]["measured"], 4);
    assert_eq!(report["cutoffs"][1]["measures"]["auc"]["value"], 1.0);
    let answers = ask_at(&fs::read(shop.path().join("log.ndjson")).unwrap(), &[day(61), day(75)]);
    for line in scores.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let sheet = &answers.sheets[usize::from(cells[1].starts_with("2020-03-16"))];
        assert_eq!(cells[2].parse::<f64>().unwrap().to_bits(), sheet.row(cells[0]).unwrap().risk.get().to_bits());
    }
    // Truncated at the cut-off, the file of scores is the same byte for byte.
    let log = fs::read_to_string(shop.path().join("log.ndjson")).unwrap();
    let kept: Vec<&str> = log
        .lines()
        .filter(|line| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            event["time"].as_str().unwrap() < "2020-03-16T00:00:00Z"
        })
        .collect();
    fs::write(shop.path().join("log.ndjson"), kept.join("\n")).unwrap();
    json(shop.path(), "backtest --input log.ndjson --pairs pairs.csv --scores again.csv --output json");
    assert_eq!(fs::read_to_string(shop.path().join("again.csv")).unwrap(), scores);
}

#[test]
fn between_cutoffs_the_order_of_lines_does_not_matter() {
    let shop = shop();
    let log = fs::read_to_string(shop.path().join("log.ndjson")).unwrap();
    let backwards = log.lines().rev().collect::<Vec<_>>().join("\n");
    let cutoffs = [day(20), day(60), day(100), day(140)];
    let (forwards, backwards) = (ask_at(log.as_bytes(), &cutoffs), ask_at(backwards.as_bytes(), &cutoffs));
    assert_eq!(forwards.sheets.last().unwrap().rows.len(), 5);
    assert_eq!(risks(&forwards.sheets), risks(&backwards.sheets));
}

#[test]
fn a_log_too_far_out_of_order_is_refused() {
    let shop = shop();
    let log = fs::read_to_string(shop.path().join("log.ndjson")).unwrap();
    let backwards = log.lines().rev().collect::<Vec<_>>().join("\n");
    let cutoffs = [day(60)];
    assert!(try_ask_at(log.as_bytes(), &cutoffs, 1_000).is_ok());
    let refused = try_ask_at(backwards.as_bytes(), &cutoffs, 1_000).unwrap_err().to_string();
    expect!["at line 5, more than 1000 bytes of later events stand before earlier ones; sort the input by time"]
        .assert_eq(&refused);
}

#[test]
fn two_sets_of_rules_are_compared_account_by_account() {
    let shop = shop();
    fs::write(shop.path().join("a.toml"), "").unwrap();
    fs::write(shop.path().join("b.toml"), "[signals.engagement_lag]\nenabled = false\n").unwrap();
    let cutoffs = format!("as_of\n{}\n{}\n", day(40), day(88));
    fs::write(shop.path().join("cutoffs.csv"), cutoffs).unwrap();
    let run = "backtest --input log.ndjson --labels labels.csv --cutoffs cutoffs.csv --resamples 0 --rules a.toml";
    let report = json(shop.path(), &format!("{run} --against b.toml --output json"));
    let found = report["against"]["differences"].as_array().unwrap();
    // Only the signal that was switched off differs: those who buy as always are judged as before.
    let gone = found.iter().find(|found| found["account"] == "gone").unwrap();
    assert_eq!(gone["as_of"].as_str(), Some("2020-03-29T00:00:00Z"));
    assert!(gone["risk_against"].as_f64() < gone["risk"].as_f64(), "{gone}");
    assert!(found.iter().all(|found| found["account"] != "steady"), "{found:?}");
    let lost = report["against"]["alerts_lost"].as_array().unwrap();
    assert!(lost.iter().any(|alert| alert["account"] == "gone" && alert["type"] == "engagement_lag"), "{lost:?}");
    let text = String::from_utf8(churnwatch(shop.path(), &format!("{run} --against b.toml")).stdout).unwrap();
    assert!(text.contains("against the other rules:") && text.contains("2020-03-29T00:00:00Z gone "), "{text}");
    let same = json(shop.path(), &format!("{run} --against a.toml --output json"));
    assert_eq!(same["against"]["differences"], serde_json::json!([]));
    assert_eq!(same["against"]["alerts_gained"], serde_json::json!([]));
    assert_eq!(same["against"]["alerts_lost"], serde_json::json!([]));
}

#[test]
fn an_account_is_explained_as_of_any_time() {
    let shop = shop();
    let story = json(shop.path(), "explain gone --input log.ndjson --at 2020-03-16 --output json");
    let terms: f64 = story["terms"].as_array().unwrap().iter().map(|term| term["logit"].as_f64().unwrap()).sum();
    assert!((terms - story["logit"].as_f64().unwrap()).abs() < 1e-9);
    let answers = ask_at(&fs::read(shop.path().join("log.ndjson")).unwrap(), &[day(75)]);
    assert_eq!(story["risk"].as_f64(), answers.sheets[0].row("gone").map(|row| row.risk.get()));
    assert!(story["looked_at"].as_str().is_some_and(|at| at < "2020-03-16"), "{}", story["looked_at"]);
    // The record behind the expected activity is the last one of the account before the time.
    let term = story["terms"]
        .as_array()
        .unwrap()
        .iter()
        .find(|term| term["term"].as_str().unwrap().starts_with("expected_activity"));
    let record = term.unwrap()["record"].as_str().unwrap();
    let number: usize = record.strip_prefix("line ").unwrap().parse().unwrap();
    let log = fs::read_to_string(shop.path().join("log.ndjson")).unwrap();
    let own: Vec<usize> =
        (1..).zip(log.lines()).filter(|(_, line)| line.contains("\"gone\"")).map(|(at, _)| at).collect();
    assert_eq!(own.last(), Some(&number));
    let uses: Vec<u64> = story["weeks"].as_array().unwrap().iter().map(|week| week["uses"].as_u64().unwrap()).collect();
    assert_eq!(uses, [2, 1, 2, 2, 2, 1, 2, 2, 1, 0, 0]);
    let text = String::from_utf8(churnwatch(shop.path(), "explain gone --input log.ndjson --at 2020-03-16").stdout);
    let text = text.unwrap();
    assert!(text.contains("█▄███▄██▄··\n") && text.contains(&format!("  line {number}\n")), "{text}");
    // As of the end of the log more is known, and the alerts are told.
    let story = json(shop.path(), "explain gone --input log.ndjson --output json");
    assert!(story["as_of"].as_str() > Some("2020-05-01"), "{}", story["as_of"]);
    assert!(
        story["moments"]
            .as_array()
            .unwrap()
            .iter()
            .any(|moment| { moment["what"].as_str().unwrap().starts_with("alert ") })
    );
}

#[test]
fn a_time_beyond_the_end_of_the_log_is_told() {
    let shop = shop();
    let told = |at: &str| {
        let output = churnwatch(shop.path(), &format!("explain gone --input log.ndjson --at {at}"));
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(told("2020-03-16"), "");
    assert_eq!(
        told("2021-01-01"),
        "the log ends at 2020-05-28T09:00:00.000Z: what happened from then to 2021-01-01T00:00:00.000Z is not in it, and \
         counts as silence\n"
    );
}

#[test]
fn of_an_account_that_has_left_what_was_told_last_is_explained() {
    let directory = tempfile::tempdir().unwrap();
    let event = |number: i64, rest: &str| {
        format!("{{\"id\":\"e{number}\",\"time\":\"{}\",\"account_id\":\"gone\",{rest}}}\n", day(number))
    };
    let subscription =
        "\"subscription\":\"s\",\"plan\":\"pro\",\"mrr\":9900,\"currency\":\"USD\",\"interval\":\"month\"";
    let mut log = event(0, &format!("\"type\":\"subscription.started\",{subscription}"));
    (1..60).for_each(|day| log += &event(day, "\"type\":\"feature.used\",\"feature\":\"f\",\"user_id\":\"ann\""));
    log += &event(60, "\"type\":\"subscription.canceled\",\"subscription\":\"s\"");
    (61..65).for_each(|day| log += &event(day, "\"type\":\"nps.responded\",\"user_id\":\"ann\",\"score\":0"));
    fs::write(directory.path().join("log.ndjson"), log).unwrap();
    let run = churnwatch(directory.path(), "run --input log.ndjson --alerts a --health h");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let healths = fs::read_to_string(directory.path().join("h")).unwrap();
    let told: serde_json::Value = serde_json::from_str(healths.lines().last().unwrap()).unwrap();
    assert_eq!(told["churned_at"].as_str(), Some(day(60).to_string().as_str()));
    for at in ["", "--at 2020-06-01"] {
        let story = json(directory.path(), &format!("explain gone --input log.ndjson {at} --output json"));
        assert_eq!(story["health"], told, "{at}");
        assert!(story["terms"].as_array().unwrap().iter().all(|term| term["term"] != "nps" && term["term"] != "other"));
    }
}

#[test]
fn in_a_dump_the_record_is_named_by_its_position() {
    let directory = tempfile::tempdir().unwrap();
    let log = received();
    fs::write(directory.path().join("log.ndjson"), dumped(&log)).unwrap();
    let account = log.iter().find(|(_, event)| event.kind.is_usage()).unwrap().1.account_id.to_string();
    let at = day(400);
    let story = json(directory.path(), &format!("explain {account} --input log.ndjson --at {at} --output json"));
    let term = story["terms"].as_array().unwrap().iter().find(|term| term["record"].is_string());
    let record = term.unwrap()["record"].as_str().unwrap();
    let words: Vec<&str> = record.split(' ').collect();
    assert_eq!((words[0], words[2]), ("partition", "offset"));
    let text = fs::read_to_string(directory.path().join("log.ndjson")).unwrap();
    let cited = format!("\"partition\":{},\"offset\":{},", words[1], words[3]);
    let line = text.lines().find(|line| line.contains(&cited)).unwrap();
    assert!(line.contains(&format!("\"account_id\":\"{account}\"")), "{line}");
    assert!(
        story["moments"]
            .as_array()
            .unwrap()
            .iter()
            .any(|moment| { moment["what"].as_str().unwrap().starts_with("subscription.started") })
    );
}

#[test]
fn bad_input_is_told_with_what_to_do() {
    let shop = shop();
    let write = |name: &str, text: &str| fs::write(shop.path().join(name), text).unwrap();
    let mut seen: BTreeMap<&str, String> = BTreeMap::new();
    let mut told = |case: &'static str, arguments: &str| {
        let output = churnwatch(shop.path(), arguments);
        let code = output.status.code().unwrap();
        seen.insert(case, format!("{code} {}", String::from_utf8_lossy(&output.stderr).trim_end()));
    };
    write("empty", "");
    write("blank", "\n\n");
    write("junk", "not json\n{\"id\":1}\n");
    write("bad-labels", "account,churn_time,last_observed\ngone,tomorrow,2020-05-01\n");
    write("far", "as_of\n2010-01-01\n2024-01-01\n");
    told("empty log", "backtest --input empty --labels labels.csv");
    told("blank log", "explain gone --input blank");
    told("junk log", "backtest --input junk --labels labels.csv");
    told("no log", "backtest --input nowhere --labels labels.csv");
    told("standard input", "backtest --input - --labels labels.csv");
    told("nothing to measure", "backtest --input log.ndjson");
    told("empty labels", "backtest --input log.ndjson --labels empty");
    told("bad labels", "backtest --input log.ndjson --labels bad-labels");
    told("over the input", "backtest --input log.ndjson --labels labels.csv --scores log.ndjson");
    told("unknown source", "backtest --input log.ndjson --labels labels.csv --source nothing");
    told("unknown account", "explain gnoe --input log.ndjson");
    told("unknown account, earlier", "explain gnoe --input log.ndjson --at 2020-03-01");
    told("before its first event", "explain late --input log.ndjson --at 2020-03-01");
    told("no time", "explain late --input log.ndjson --at yesterday");
    let shown: Vec<String> = seen.iter().map(|(case, told)| format!("{case}: {told}")).collect();
    let shown = shown.join("\n");
    expect![[r#"
        bad labels: 1 churnwatch: bad-labels: line 2: churn_time `tomorrow` is no time such as 2026-03-01T00:00:00Z; correct or remove these rows
        before its first event: 1 churnwatch: account `late` has no event before 2020-03-01T00:00:00.000Z: its first is at 2020-03-11T09:00:00.000Z; choose a later --at
        blank log: 1 churnwatch: blank has 2 lines and no event; --source names the format of other events
        empty labels: 1 churnwatch: empty has no rows; it needs the columns account, churn_time, last_observed
        empty log: 1 churnwatch: empty has 0 lines and no event; --source names the format of other events
        junk log: 65 line 1: not_json: record is not JSON: expected ident at line 1 column 2; it begins with `not json`
        line 2: missing_field: type is missing
        rejected missing_field: 1
        rejected not_json: 1
        churnwatch: junk has 2 lines and no event; --source names the format of other events
        no log: 1 churnwatch: cannot open input nowhere: No such file or directory (os error 2); check the path and its permissions
        no time: 2 error: invalid value 'yesterday' for '--at <TIME>': is no time such as 2026-03-01T00:00:00Z or 2026-03-01

        For more information, try '--help'.
        nothing to measure: 1 churnwatch: nothing to measure by: give --labels, --pairs with labels, or --scores to write the risks
        over the input: 1 churnwatch: log.ndjson is named twice; give each output a file of its own
        standard input: 1 churnwatch: the input may be read twice: give --input a file instead of standard input or a pipe
        unknown account: 1 churnwatch: account `gnoe` never occurs in the log; the nearest are `gone`, `late`, `rare`
        unknown account, earlier: 1 churnwatch: account `gnoe` never occurs in the log; the nearest are `gone`, `late`, `rare`
        unknown source: 1 churnwatch: --source nothing is no topic of [[sources]]: product.usage, billing.events"#]].assert_eq(&shown);
    let report = json(shop.path(), "backtest --input log.ndjson --labels labels.csv --cutoffs far --output json");
    let notes: Vec<&str> = report["notes"].as_array().unwrap().iter().filter_map(|note| note.as_str()).collect();
    let notes = notes.join("\n");
    expect![[r#"
        cut-off 2010-01-01T00:00:00Z is not after the first event: there is nobody to score
        cut-off 2024-01-01T00:00:00Z lies 1313 days after the last event of the log: that silence counts against every account
        2 left out: churned before the cut-off
        3 left out: not observed for the whole horizon after the cut-off
        1 labelled accounts never occur in the log; check that the ids are alike"#]].assert_eq(&notes);
    assert_eq!(report["cutoffs"][0]["scored"], 0);
    assert_eq!(report["cutoffs"][1]["scored"], 5);
    assert!(report["mean"].is_null());
}

#[test]
fn lines_that_cannot_be_read_are_told_and_the_rest_is_measured() {
    let shop = shop();
    let log = fs::read_to_string(shop.path().join("log.ndjson")).unwrap();
    fs::write(shop.path().join("log.ndjson"), format!("oops\n{log}")).unwrap();
    let output = churnwatch(shop.path(), "backtest --input log.ndjson --labels labels.csv --output json --resamples 0");
    assert_eq!(output.status.code(), Some(65));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("line 1: not_json: "));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["rejected"]["not_json"], 1);
    assert!(report["mean"]["auc"]["value"].is_number());
}
