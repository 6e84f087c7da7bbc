//! The machines as functions of their inputs: rollback, batch splits, restore, bad records, clocks.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use super::changelog::RestoreError;
use super::dead_letter::DeadLetterTopic;
use super::engine::EngineMachine;
use super::ingest::IngestMachine;
use super::learner::LearnerMachine;
use super::outbox::{OutTopic, Outbox};
use super::policy::{CommitPolicy, Moment, Pace};
use super::progress::{Observation, SourceIndex};
use super::{NoHeaders, RawRecord, Start, engine, ingest, learner};
use crate::engine::input::{Input, Progress, SourceReport, SourceTopic};
use crate::engine::rules::Rules;
use crate::units::{NextOffset, Offset, PartitionIndex, Span, Timestamp};
use crate::wire::canonical::{self, CONTROL_KEY};
use crate::wire::{Decoded, Format};

const P0: PartitionIndex = PartitionIndex(0);
const DEAD_LETTERS: DeadLetterTopic = DeadLetterTopic { partitions: 1, record_bytes_max: 1 << 20 };

fn policy() -> CommitPolicy {
    CommitPolicy {
        interval_caught_up: Duration::from_millis(50),
        interval_lagging: Duration::from_secs(1),
        events_max: 1_000_000,
        bytes_max: 1 << 30,
        accounts_max: 100_000,
    }
}

fn at(seconds: u64) -> Moment {
    Moment(Duration::from_secs(seconds))
}

fn day(number: i64) -> Timestamp {
    Timestamp::from_ms(1_767_225_600_000).unwrap().plus(Span::from_days(number)) // from 2026-01-01
}

fn record(offset: i64, timestamp: Timestamp, value: &[u8]) -> RawRecord<'_> {
    RawRecord {
        partition: P0,
        offset: Offset(offset),
        timestamp: Some(timestamp),
        key: Some(b"key"),
        value: Some(value),
        headers: &NoHeaders,
    }
}

fn event(id: i64, time: Timestamp, account: &str) -> Vec<u8> {
    format!(
        r#"{{"id":"{id}","time":"{time}","account_id":"{account}","type":"feature.used","feature":"f","user_id":"u"}}"#
    )
    .into_bytes()
}

fn progress(reached: Timestamp) -> Vec<u8> {
    let mut out = Vec::new();
    let sources = vec![SourceTopic { topic: "usage".to_owned(), partitions: 1 }];
    let reports = vec![SourceReport { topic: "usage".to_owned(), partition: P0, reached, caught_up: false }];
    canonical::encode_progress(&Progress { sources, reports, reached: None }, &mut out);
    out
}

/// Ninety days of ten accounts, half of which fall silent on day 45; a bad and an unknown record among them; the clock
/// follows each day. Offsets have gaps, as a log with transactions has.
fn log() -> Vec<(i64, Timestamp, Vec<u8>)> {
    let mut log: Vec<(i64, Timestamp, Vec<u8>)> = Vec::new();
    let mut push = |time: Timestamp, value: Vec<u8>| log.push((i64::try_from(log.len()).unwrap() * 2, time, value));
    for number in 0..90 {
        for account in 0..10 {
            if number < 45 || account % 2 == 0 {
                let time = day(number).plus(Span::from_hours(8 + account));
                push(time, event(number * 100 + account, time, &format!("acct-{account}")));
            }
        }
        if number == 20 {
            push(day(number), b"{broken".to_vec());
            let value = format!(r#"{{"id":"x","time":"{}","account_id":"a","type":"made.up"}}"#, day(number));
            push(day(number), value.into_bytes());
        }
        push(day(number + 1), progress(day(number + 1)));
    }
    log
}

fn engine_machine() -> EngineMachine {
    EngineMachine::new(engine::Settings {
        rules: Arc::new(Rules::default()),
        policy: policy(),
        events_topic: "events".to_owned(),
        dead_letters: DEAD_LETTERS,
    })
}

fn running() -> EngineMachine {
    let mut machine = engine_machine();
    machine.assign(P0);
    let restored = machine.finish_restore(P0, None).unwrap();
    assert_eq!(restored.start, Start::Beginning);
    machine
}

/// What reading the output topics gives: alerts, health and dead letters in order, and the changelog compacted.
#[derive(Debug, Default, PartialEq)]
struct Topics {
    told: Vec<(OutTopic, Vec<u8>, Vec<u8>)>,
    changelog: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Topics {
    fn take(&mut self, outbox: &mut Outbox) {
        for record in outbox.records() {
            let (key, value) = (record.key.unwrap().to_vec(), record.value.unwrap().to_vec());
            match record.topic {
                OutTopic::State => {
                    self.changelog.insert(key, value);
                }
                topic => self.told.push((topic, key, value)),
            }
        }
        outbox.clear();
    }

    /// The changelog without the commit record, whose transaction number depends on how often one commits.
    fn accounts(&self) -> Vec<(&Vec<u8>, &Vec<u8>)> {
        self.changelog.iter().filter(|(key, _)| key.first() == Some(&b'a')).collect()
    }
}

fn step_all(machine: &mut EngineMachine, log: &[(i64, Timestamp, Vec<u8>)], outbox: &mut Outbox) {
    for (offset, time, value) in log {
        machine.step(&record(*offset, *time, value), outbox);
    }
}

/// Prepares a commit, leaving all of it in the outbox.
fn prepare(machine: &mut EngineMachine, outbox: &mut Outbox) -> Vec<(PartitionIndex, NextOffset)> {
    let Ok(offsets) = machine.prepare_commit::<Infallible>(outbox, &mut |_| Ok(()));
    offsets
}

fn commit(machine: &mut EngineMachine, outbox: &mut Outbox, topics: &mut Topics) -> NextOffset {
    let offsets = prepare(machine, outbox);
    topics.take(outbox);
    machine.committed(at(0));
    offsets.first().map(|(_, next)| *next).unwrap()
}

fn run(log: &[(i64, Timestamp, Vec<u8>)], batch: usize) -> Topics {
    let (mut machine, mut outbox, mut topics) = (running(), Outbox::new(), Topics::default());
    for batch in log.chunks(batch) {
        step_all(&mut machine, batch, &mut outbox);
        commit(&mut machine, &mut outbox, &mut topics);
    }
    topics
}

#[test]
fn outputs_do_not_depend_on_how_the_log_is_split_into_transactions() {
    let log = log();
    let whole = run(&log, log.len());
    assert!(whole.told.iter().any(|(topic, _, _)| *topic == OutTopic::Alerts), "the scenario must alert");
    assert_eq!(whole.told.iter().filter(|(topic, _, _)| *topic == OutTopic::DeadLetters).count(), 1);
    for batch in [1, 7, 100] {
        let split = run(&log, batch);
        assert_eq!(split.told, whole.told, "batches of {batch}");
        assert_eq!(split.accounts(), whole.accounts(), "batches of {batch}");
    }
}

#[test]
fn an_aborted_transaction_leaves_no_trace() {
    let log = log();
    let expected = run(&log, 50);
    let (mut machine, mut outbox, mut topics) = (running(), Outbox::new(), Topics::default());
    let mut committed = None;
    for (number, batch) in log.chunks(50).enumerate() {
        if number % 3 == 1 {
            step_all(&mut machine, batch, &mut outbox);
            prepare(&mut machine, &mut outbox);
            outbox.clear();
            let start = committed.map_or(Start::Beginning, Start::At);
            assert_eq!(machine.aborted(at(0)), vec![(P0, start)]);
            assert!(!machine.is_dirty());
        }
        step_all(&mut machine, batch, &mut outbox);
        committed = Some(commit(&mut machine, &mut outbox, &mut topics));
    }
    assert_eq!(topics, expected);
}

#[test]
fn a_restored_partition_goes_on_as_the_original_would() {
    let log = log();
    let (before, after) = log.split_at(log.len() * 2 / 3);
    let (mut machine, mut outbox, mut topics) = (running(), Outbox::new(), Topics::default());
    step_all(&mut machine, before, &mut outbox);
    let next = commit(&mut machine, &mut outbox, &mut topics);

    let mut restored = engine_machine();
    restored.assign(P0);
    restored.restore(P0, Some(b"agone"), Some(b"never decoded")).unwrap();
    for (key, value) in &topics.changelog {
        restored.restore(P0, Some(key), Some(value)).unwrap();
    }
    restored.restore(P0, Some(b"agone"), None).unwrap();
    let found = restored.finish_restore(P0, Some(next)).unwrap();
    assert_eq!((found.start, found.accounts, found.rules_changed), (Start::At(next), 10, false));
    let engines = |machine: &EngineMachine| {
        machine.running().map(|(_, engine)| (engine.partition().clone(), engine.totals().clone())).collect::<Vec<_>>()
    };
    assert_eq!(engines(&restored), engines(&machine));

    let mut original = Topics::default();
    let mut copy = Topics::default();
    step_all(&mut machine, after, &mut outbox);
    commit(&mut machine, &mut outbox, &mut original);
    step_all(&mut restored, after, &mut outbox);
    commit(&mut restored, &mut outbox, &mut copy);
    assert!(!original.told.is_empty());
    assert_eq!(copy, original);
}

#[test]
fn a_restore_is_refused_where_state_and_offset_disagree() {
    let log = log();
    let (mut machine, mut outbox, mut topics) = (running(), Outbox::new(), Topics::default());
    step_all(&mut machine, &log[..100], &mut outbox);
    let next = commit(&mut machine, &mut outbox, &mut topics);
    let attempt = |offset: Option<NextOffset>, keep: &dyn Fn(&[u8]) -> bool| {
        let mut machine = engine_machine();
        machine.assign(P0);
        for (key, value) in topics.changelog.iter().filter(|(key, _)| keep(key)) {
            machine.restore(P0, Some(key), Some(value))?;
        }
        machine.finish_restore(P0, offset)
    };
    let all = |_: &[u8]| true;
    assert_eq!(attempt(Some(next), &all).unwrap().start, Start::At(next));
    assert_eq!(attempt(None, &all).unwrap().start, Start::At(next), "an expired offset is no loss: the record knows");
    let other = Some(NextOffset(next.0 + 1));
    assert!(matches!(attempt(other, &all), Err(RestoreError::Differs { recorded, .. }) if recorded == next));
    let accounts_only = |key: &[u8]| key[0] == b'a';
    assert!(matches!(attempt(Some(next), &accounts_only), Err(RestoreError::RecordMissing { .. })));
    assert!(matches!(attempt(None, &accounts_only), Err(RestoreError::Incomplete { accounts: 10, .. })));
    let nothing = |_: &[u8]| false;
    assert_eq!(attempt(None, &nothing).unwrap().start, Start::Beginning);
    let mut machine = engine_machine();
    machine.assign(P0);
    assert!(matches!(machine.restore(P0, Some(b"zebra"), None), Err(RestoreError::Key { first: Some(b'z'), .. })));
}

#[test]
fn records_are_stepped_once_and_only_while_running() {
    let log = log();
    let mut outbox = Outbox::new();
    let mut machine = engine_machine();
    step_all(&mut machine, &log[..10], &mut outbox);
    machine.assign(P0);
    step_all(&mut machine, &log[..10], &mut outbox);
    assert!(!machine.is_dirty(), "not assigned, then restoring");
    machine.finish_restore(P0, None).unwrap();
    step_all(&mut machine, &log[..10], &mut outbox);
    step_all(&mut machine, &log[5..12], &mut outbox);
    prepare(&mut machine, &mut outbox);
    assert_eq!(machine.committed(at(0)).tally.records, 12);
    machine.revoke(P0);
    step_all(&mut machine, &log[12..], &mut outbox);
    assert!(!machine.is_dirty());
}

#[test]
fn a_commit_waits_for_its_interval_and_for_something_to_commit() {
    let mut machine = running();
    let mut outbox = Outbox::new();
    assert!(!machine.commit_due(at(100)), "nothing stepped");
    assert!(prepare(&mut machine, &mut outbox).is_empty());
    step_all(&mut machine, &log()[..1], &mut outbox);
    assert_eq!(machine.pace(), Pace::Lagging, "not observed yet");
    assert!(!machine.commit_due(Moment(Duration::from_millis(500))));
    machine.observe(P0, 0);
    assert!(machine.commit_due(Moment(Duration::from_millis(500))));
}

fn ingest_machine(sources: &[(&str, i32)]) -> IngestMachine {
    let topic = |(topic, partitions): &(&str, i32)| SourceTopic { topic: (*topic).to_owned(), partitions: *partitions };
    let mut machine = IngestMachine::new(ingest::Settings {
        topics: sources.iter().map(topic).collect(),
        formats: vec![Format::Canonical; sources.len()],
        canonical_partitions: 4,
        event_bytes_max: 1000,
        future_skew: Span::from_hours(1),
        policy: policy(),
        dead_letters: DEAD_LETTERS,
    });
    for index in 0..sources.len() {
        machine.assign(SourceIndex(index), P0, NextOffset(0), false);
    }
    machine
}

/// The records of the outbox, one a line, by what they are; the outbox is emptied.
fn shown(outbox: &mut Outbox) -> String {
    let mut lines = Vec::new();
    for record in outbox.records() {
        let key = String::from_utf8_lossy(record.key.unwrap_or(b"-"));
        lines.push(match (record.topic, canonical::decode(record.value.unwrap_or_default())) {
            (OutTopic::Events, Ok(Decoded::Input(Input::Event(event)))) => {
                format!("{} event {} of {key}", record.partition.0, event.id)
            }
            (OutTopic::Events, Ok(Decoded::Input(Input::Progress(progress)))) => {
                assert_eq!(record.key, Some(CONTROL_KEY));
                let reports: Vec<_> = progress
                    .reports
                    .iter()
                    .map(|report| {
                        format!("{}/{} {} {}", report.topic, report.partition.0, report.reached, report.caught_up)
                    })
                    .collect();
                let reached = progress.reached.map(|reached| reached.to_string()).unwrap_or_default();
                format!(
                    "{} progress of {}: {}{reached}",
                    record.partition.0,
                    progress.sources.len(),
                    reports.join(", ")
                )
            }
            (topic, _) => {
                let reason =
                    record.headers().find(|(name, _)| name.ends_with("class.name")).and_then(|(_, value)| value);
                format!("{topic:?} {}", String::from_utf8_lossy(reason.unwrap_or_default()))
            }
        });
    }
    outbox.clear();
    lines.join("\n")
}

const USAGE: SourceIndex = SourceIndex(0);
const BILLING: SourceIndex = SourceIndex(1);

#[test]
fn every_source_record_becomes_an_event_a_dead_letter_or_a_count() {
    let mut machine = ingest_machine(&[("usage", 1)]);
    let mut outbox = Outbox::new();
    let now = day(0);
    let early = event(9, now.plus(Span::from_hours(2)), "acme");
    let control = progress(now);
    let large = vec![b'x'; 1001];
    let values: [&[u8]; 8] =
        [&event(1, now, "acme"), b"{broken", b"", &large, &early, &control, b"\xff", &event(2, now, "umbrella")];
    for (offset, value) in (0..).zip(values) {
        machine.step(USAGE, &record(offset, now, value), &mut outbox);
    }
    machine.step(USAGE, &RawRecord { value: None, ..record(8, now, b"") }, &mut outbox);
    let offsets = machine.prepare_commit(&mut outbox);
    assert_eq!(offsets, vec![(USAGE, P0, NextOffset(9))]);
    expect_test::expect![[r#"
        0 event 1 of acme
        DeadLetters not_json
        DeadLetters empty
        DeadLetters too_large
        DeadLetters future_time
        DeadLetters not_utf8
        2 event 2 of umbrella
        DeadLetters null_payload
        0 progress of 1: usage/0 2026-01-01T00:00:00.000Z false
        2 progress of 1: usage/0 2026-01-01T00:00:00.000Z false"#]]
    .assert_eq(&shown(&mut outbox));
    let tally = machine.committed(at(1));
    assert_eq!((tally.records, tally.unknown_types), (9, 1));
    assert_eq!(tally.rejected.iter().map(|(_, count)| count).sum::<u64>(), 6);
}

#[test]
fn the_clock_of_a_backfill_moves_in_steps_behind_its_events() {
    let mut machine = ingest_machine(&[("usage", 1), ("billing", 1)]);
    let mut outbox = Outbox::new();
    let now = day(100);
    let mut offset = 0;
    let mut step = |machine: &mut IngestMachine, outbox: &mut Outbox, source, minutes: i64| {
        let time = day(0).plus(Span::from_seconds(minutes * 60));
        machine.step(source, &record(offset, now, &event(offset, time, "acme")), outbox);
        offset += 1;
    };
    for minutes in [0, 30, 61, 90, 200] {
        step(&mut machine, &mut outbox, USAGE, minutes);
    }
    // Billing lags behind and holds the steps until it has come past the next one.
    for minutes in [10, 250, 280] {
        step(&mut machine, &mut outbox, BILLING, minutes);
    }
    machine.prepare_commit(&mut outbox);
    expect_test::expect![[r#"
        0 event 0 of acme
        0 event 1 of acme
        0 event 2 of acme
        0 progress of 2: usage/0 2026-01-01T01:01:00.000Z false
        0 event 3 of acme
        0 event 4 of acme
        0 progress of 2: usage/0 2026-01-01T03:20:00.000Z false
        0 event 5 of acme
        0 event 6 of acme
        0 event 7 of acme
        0 progress of 2: usage/0 2026-01-01T03:20:00.000Z false, billing/0 2026-01-01T04:40:00.000Z false"#]]
    .assert_eq(&shown(&mut outbox));
}

#[test]
fn the_clock_waits_for_partitions_that_a_source_has_got_since() {
    let mut machine = ingest_machine(&[("usage", 1), ("billing", 1)]);
    let listed = |machine: &mut IngestMachine, seconds: u64| {
        let mut outbox = Outbox::new();
        machine.tick(at(seconds), day(5), &mut outbox);
        let value = outbox.records().next().unwrap().value.unwrap().to_vec();
        let Ok(Decoded::Input(Input::Progress(progress))) = canonical::decode(&value) else { panic!("no progress") };
        progress.sources.iter().map(|source| source.partitions).collect::<Vec<_>>()
    };
    machine.step(USAGE, &record(0, day(5), &event(0, day(5), "acme")), &mut Outbox::new());
    assert_eq!(listed(&mut machine, 1), [1, 1]);
    machine.widen(BILLING, 3);
    machine.assign(USAGE, PartitionIndex(1), NextOffset(0), false);
    machine.widen(USAGE, 1);
    assert_eq!(listed(&mut machine, 3), [2, 3]);
}

#[test]
fn each_second_every_partition_hears_how_far_the_sources_are() {
    let mut machine = ingest_machine(&[("usage", 1), ("billing", 1)]);
    let mut outbox = Outbox::new();
    machine.tick(at(1), day(5), &mut outbox);
    assert!(outbox.is_empty(), "nothing is known yet");
    assert!(!machine.is_dirty());
    machine.step(USAGE, &record(7, day(5), &event(1, day(1), "acme")), &mut outbox);
    outbox.clear();
    let seen = |position: Option<i64>, high| Observation {
        position: position.map(NextOffset),
        low: NextOffset(0),
        high: NextOffset(high),
    };
    machine.observe(USAGE, P0, seen(Some(8), 20), day(5));
    machine.observe(BILLING, P0, seen(None, 0), day(5));
    machine.tick(at(1), day(5), &mut outbox);
    machine.tick(at(1), day(5), &mut outbox);
    expect_test::expect![[r#"
        0 progress of 2: usage/0 2026-01-02T00:00:00.000Z false, billing/0 2026-01-06T00:00:00.000Z true
        1 progress of 2: usage/0 2026-01-02T00:00:00.000Z false, billing/0 2026-01-06T00:00:00.000Z true
        2 progress of 2: usage/0 2026-01-02T00:00:00.000Z false, billing/0 2026-01-06T00:00:00.000Z true
        3 progress of 2: usage/0 2026-01-02T00:00:00.000Z false, billing/0 2026-01-06T00:00:00.000Z true"#]]
    .assert_eq(&shown(&mut outbox));
    assert!(machine.commit_due(at(2)));
    // Progress is committed under the positions of all that it tells of, empty or not: the group can refuse it, and knows
    // a position of whatever was told of.
    let positions = vec![(USAGE, P0, NextOffset(8)), (BILLING, P0, NextOffset(0))];
    assert_eq!(machine.prepare_commit(&mut outbox), positions);
    machine.committed(at(2));
    outbox.clear();
    machine.tick(at(3), day(6), &mut outbox);
    assert_eq!(machine.prepare_commit(&mut outbox), positions);
}

#[test]
fn without_sources_the_wall_time_is_the_clock() {
    let mut machine = ingest_machine(&[]);
    let mut outbox = Outbox::new();
    machine.tick(at(1), day(5), &mut outbox);
    assert!(machine.commit_due(at(1)));
    assert!(machine.prepare_commit(&mut outbox).is_empty());
    expect_test::expect![[r#"
        0 progress of 0: 2026-01-06T00:00:00.000Z
        1 progress of 0: 2026-01-06T00:00:00.000Z
        2 progress of 0: 2026-01-06T00:00:00.000Z
        3 progress of 0: 2026-01-06T00:00:00.000Z"#]]
    .assert_eq(&shown(&mut outbox));
    machine.committed(at(1));
    assert!(!machine.is_dirty());
}

#[test]
fn an_aborted_ingest_transaction_is_read_again_and_says_the_same() {
    let values: Vec<_> =
        (0..50).map(|id| event(id, day(0).plus(Span::from_hours(id)), &format!("acct-{}", id % 7))).collect();
    let mut outbox = Outbox::new();
    let run = |machine: &mut IngestMachine, outbox: &mut Outbox, range: std::ops::Range<usize>| {
        for index in range {
            machine.step(USAGE, &record(i64::try_from(index).unwrap(), day(30), &values[index]), outbox);
        }
        machine.prepare_commit(outbox);
        shown(outbox)
    };
    let mut straight = ingest_machine(&[("usage", 1)]);
    let first = run(&mut straight, &mut outbox, 0..20);
    straight.committed(at(0));
    // After an abort or a commit alike, steps are counted from where the transaction begins.
    let mut bumpy = ingest_machine(&[("usage", 1)]);
    run(&mut bumpy, &mut outbox, 0..15);
    assert_eq!(bumpy.aborted(at(0)), vec![(USAGE, P0, NextOffset(0))]);
    assert_eq!(run(&mut bumpy, &mut outbox, 0..20), first);
    bumpy.committed(at(0));
    run(&mut bumpy, &mut outbox, 20..50);
    assert_eq!(bumpy.aborted(at(0)), vec![(USAGE, P0, NextOffset(20))]);
    assert!(!bumpy.is_dirty());
    // What was committed before is not stepped again.
    run(&mut bumpy, &mut outbox, 10..20);
    assert!(!bumpy.is_dirty());
}

/// Forty accounts buy for some weeks; then nothing comes for thirty years, in which all that is known of them fades.
#[test]
fn what_is_learned_of_a_fleet_long_gone_can_be_read_by_its_engines() {
    let mut engine = running();
    let mut learner = LearnerMachine::new(learner::Settings {
        rules: Arc::new(Rules::default()),
        canonical_partitions: 1,
        model: None,
    });
    learner.assign(NextOffset(0), NextOffset(0), None);
    let start = Timestamp::from_ms(852_076_800_000).unwrap(); // 1997-01-01
    let (mut outbox, mut taught) = (Outbox::new(), Outbox::new());
    let (mut offset, mut reports, mut records) = (0, 0, 0);
    for week in 0..52 * 30 {
        let now = start.plus(Span::from_days(7 * week));
        let mut log: Vec<Vec<u8>> = Vec::new();
        if week < 10 {
            log.extend((0..40).map(|account| event(offset * 100 + account, now, &format!("acct-{account}"))));
        }
        log.push(progress(now));
        for value in log {
            engine.step(&record(offset, now, &value), &mut outbox);
            offset += 1;
        }
        for record in outbox.records().filter(|record| record.topic == OutTopic::Fleet) {
            let report = RawRecord { key: Some(b""), ..self::record(reports, now, record.value.unwrap()) };
            learner.step(&report).unwrap();
            reports += 1;
        }
        outbox.clear();
        engine.committed(at(1));
        let moment = at(u64::try_from(week).unwrap() * 2 + 2);
        if learner.commit_due(moment) && learner.prepare_commit(&mut taught).is_some() {
            learner.committed(moment);
            for record in taught.records() {
                let value = record.value.unwrap();
                let read = canonical::decode(value);
                let is_fleet = matches!(read, Ok(Decoded::Input(Input::Fleet(_))));
                assert!(is_fleet, "week {week}: {:?}", read.err());
                engine.step(&self::record(offset, now, value), &mut outbox);
                offset += 1;
                records += 1;
            }
            taught.clear();
        }
    }
    assert!(records > 1_500, "{records} fleet records");
}
