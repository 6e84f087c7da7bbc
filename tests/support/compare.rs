//! The product's promise, checked on a deployment: what came out is what the canonical log says, and what went in is
//! in the canonical log or the dead letters, each once.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::events::{Fate, fate};
use super::{EVENTUALLY, PARTITIONS, Read, Site, committed, ends, has_reached, read_topic, said, succeed, wait};

/// Waits until the sources have been ingested to their present ends, and the canonical log has been worked off as far as
/// it reached then.
pub fn wait_worked_off(site: &Site) {
    for source in ["usage", "billing"] {
        let topic = site.topic(source);
        let ends = ends(&site.brokers, &topic);
        wait(&format!("{topic} to be ingested up to {ends:?}"), EVENTUALLY, || {
            has_reached(&site.brokers, &site.group("ingest"), &topic, &ends).then_some(())
        });
    }
    wait_log_worked_off(site);
}

/// Waits until the canonical log has been worked off as far as it holds records now. Behind the last record stands the
/// mark of its transaction, which is no record: a reader that has everything may never commit a position beyond it.
pub fn wait_log_worked_off(site: &Site) {
    let log = site.topic("events");
    let mut ends = vec![0; usize::try_from(PARTITIONS).unwrap()];
    for record in read_topic(&site.brokers, &log) {
        ends[usize::try_from(record.partition).unwrap()] = record.offset + 1;
    }
    wait(&format!("{log} to be worked off up to {ends:?}"), EVENTUALLY, || {
        has_reached(&site.brokers, &site.group("engine"), &log, &ends).then_some(())
    });
}

/// The events in the canonical log, without the records that control the engine.
pub fn events_of_log(site: &Site) -> Vec<Read> {
    let control = Some(churnwatch::wire::canonical::CONTROL_KEY);
    let log = read_topic(&site.brokers, &site.topic("events"));
    log.into_iter().filter(|record| record.key.as_deref() != control).collect()
}

/// What file mode made of the canonical log.
pub struct Replayed {
    /// Alerts, one a line.
    pub alerts: PathBuf,
    /// Account health, one a line.
    pub health: PathBuf,
    /// The gauges at its end, in the Prometheus text format.
    pub metrics: PathBuf,
    /// What it printed at its end.
    pub said: String,
}

/// Dumps the canonical log as far as the engine has committed it, and runs file mode over that.
pub fn replay(site: &Site) -> Replayed {
    let log = site.topic("events");
    let positions = committed(&site.brokers, &site.group("engine"), &log);
    let whole = site.path("log.ndjson");
    succeed(site.command(&["topics", "dump", &log]).arg("--to").arg(&whole));
    let dump = site.path("committed.ndjson");
    let mut kept = String::new();
    for line in fs::read_to_string(&whole).unwrap().lines() {
        let record = churnwatch::wire::dump::decode_line(line.as_bytes()).unwrap();
        if record.offset.0 < positions[usize::try_from(record.partition.0).unwrap()] {
            let _ = writeln!(kept, "{line}");
        }
    }
    fs::write(&dump, kept).unwrap();
    let (alerts, health, rejects) =
        (site.path("alerts.ndjson"), site.path("health.ndjson"), site.path("rejects.ndjson"));
    let metrics = site.path("metrics.prom");
    let output = site
        .command(&["run", "--output", "json"])
        .arg("--input")
        .arg(&dump)
        .arg("--alerts")
        .arg(&alerts)
        .arg("--health")
        .arg(&health)
        .arg("--rejects")
        .arg(&rejects)
        .arg("--metrics")
        .arg(&metrics)
        .output()
        .unwrap();
    let code = output.status.code();
    assert!([Some(0), Some(65)].contains(&code), "file mode ended with {code:?}: {}", said(&output));
    Replayed { alerts, health, metrics, said: said(&output) }
}

/// Everything that was published equals what file mode says about the same canonical log, byte for byte, for each
/// account in order.
#[track_caller]
pub fn outputs_are_those_of_file_mode(site: &Site, least_alerts: usize) -> Replayed {
    let replayed = replay(site);
    let alerts = by_account_of_topic(site, "alerts");
    let found: usize = alerts.values().map(Vec::len).sum();
    assert!(found >= least_alerts, "only {found} alerts: the stream proves nothing");
    assert_same("alerts", &alerts, &by_account_of_file(&replayed.alerts));
    assert_same("health", &by_account_of_topic(site, "health"), &by_account_of_file(&replayed.health));
    replayed
}

type ByAccount = BTreeMap<String, Vec<String>>;

fn by_account_of_topic(site: &Site, kind: &str) -> ByAccount {
    let mut accounts = ByAccount::new();
    for record in read_topic(&site.brokers, &site.topic(kind)) {
        let value = String::from_utf8(record.value.clone().unwrap_or_default()).unwrap();
        accounts.entry(record.key_text()).or_default().push(value);
    }
    accounts
}

fn by_account_of_file(path: &PathBuf) -> ByAccount {
    let mut accounts = ByAccount::new();
    for line in fs::read_to_string(path).unwrap().lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        let account = value.pointer("/account_id").or_else(|| value.pointer("/health/account_id"));
        let account = account.and_then(Value::as_str).unwrap_or_else(|| panic!("no account in {line}"));
        accounts.entry(account.to_owned()).or_default().push(line.to_owned());
    }
    accounts
}

#[track_caller]
fn assert_same(what: &str, published: &ByAccount, expected: &ByAccount) {
    let accounts: std::collections::BTreeSet<&String> = published.keys().chain(expected.keys()).collect();
    let none = Vec::new();
    for account in accounts {
        let (published, expected) = (published.get(account).unwrap_or(&none), expected.get(account).unwrap_or(&none));
        let same = published.iter().zip(expected).take_while(|(left, right)| left == right).count();
        assert!(
            published == expected,
            "{what} of {account}: {} published, {} expected; they part at number {same}:\npublished {}\nexpected  {}",
            published.len(),
            expected.len(),
            published.get(same).map_or("nothing", String::as_str),
            expected.get(same).map_or("nothing", String::as_str),
        );
    }
}

/// Every record of the sources is where it should be, once: good events in the canonical log, bad ones in the dead
/// letters with their reason and origin, unknown types in neither.
#[track_caller]
pub fn everything_sent_is_there_once(site: &Site) {
    let mut events_wanted: HashMap<String, i64> = HashMap::new();
    let mut letters_wanted: BTreeMap<(String, String, String), (Read, &'static str)> = BTreeMap::new();
    for source in ["usage", "billing"] {
        let topic = site.topic(source);
        for record in read_topic(&site.brokers, &topic) {
            let case = record.header("case").unwrap();
            match fate(&case) {
                Fate::Event => *events_wanted.entry(id_of(&record)).or_default() += 1,
                Fate::DeadLetter(reason) => {
                    let place = (topic.clone(), record.partition.to_string(), record.offset.to_string());
                    letters_wanted.insert(place, (record, reason));
                }
                Fate::Skipped => {}
            }
        }
    }

    for record in events_of_log(site) {
        *events_wanted.entry(id_of(&record)).or_default() -= 1;
    }
    assert_balanced("the canonical log", &events_wanted);

    for letter in read_topic(&site.brokers, &site.topic("dead-letters")) {
        let said = |name: &str| letter.header(&format!("__connect.errors.{name}")).unwrap_or_default();
        let place = (said("topic"), said("partition"), said("offset"));
        let reason = said("exception.class.name");
        let Some((sent, wanted)) = letters_wanted.remove(&place) else {
            panic!("a dead letter too many, or twice: {place:?} {reason}")
        };
        assert_eq!(reason, wanted, "reason of the dead letter of {place:?}");
        assert!(letter.key == sent.key && letter.value == sent.value, "{wanted} at {place:?} was not left untouched");
        assert_eq!(letter.header("case"), sent.header("case"), "headers of {place:?}");
        assert!(!said("exception.message").is_empty(), "{place:?} does not say what is wrong");
    }
    assert!(letters_wanted.is_empty(), "not in the dead letters: {:?}", letters_wanted.keys().collect::<Vec<_>>());
}

fn id_of(record: &Read) -> String {
    let value: Value = serde_json::from_slice(record.value.as_deref().unwrap_or_default())
        .or_else(|_| lenient(record))
        .unwrap_or_else(|error| panic!("no JSON at partition {} offset {}: {error}", record.partition, record.offset));
    value["id"].as_str().unwrap_or_else(|| panic!("no id in {value}")).to_owned()
}

/// Only the beginning: what is nested more deeply than the tests' own parser reads.
fn lenient(record: &Read) -> serde_json::Result<Value> {
    let text = String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned();
    let (head, _) = text.split_once(",\"deep\"").unwrap_or((&text, ""));
    serde_json::from_str(&format!("{head}}}"))
}

#[track_caller]
fn assert_balanced(place: &str, counts: &HashMap<String, i64>) {
    let missing: Vec<_> = counts.iter().filter(|(_, count)| **count > 0).take(5).collect();
    let extra: Vec<_> = counts.iter().filter(|(_, count)| **count < 0).take(5).collect();
    assert!(missing.is_empty(), "missing in {place}, such as {missing:?}");
    assert!(extra.is_empty(), "too often in {place}, such as {extra:?}");
}
