//! What goes out to owners, through Kafka: within the budget over all partitions, once, wherever the process dies.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use churnwatch::units::{NextOffset, PartitionIndex, Timestamp};
use churnwatch::wire::desk_state::{self, DeskRecord};
use churnwatch::wire::dump::{self, DumpRecord};
use churnwatch::worker::notify::order;
use churnwatch::worker::{NoHeaders, RawRecord};

use crate::support::compare::{outputs_are_those_of_file_mode, wait_worked_off};
use crate::support::events::{Random, fresh_seed, now, send, stream};
use crate::support::{
    EVENTUALLY, Membership, PARTITIONS, Settings, Site, committed, has_reached, read_topic, said, succeed, wait,
};

/// History goes out as though it were the present, and few places a week make owners' alerts compete.
const HEAD: &str = "[alerts]\ndeliver_max_age_hours = 1000000\nbudget_per_owner_week = 3\n";

/// How often the process is killed.
const KILLS: usize = 5;

/// The committed alerts as dumped lines, in the order in which the desk took them in: each transaction what its commit
/// record stands for, by time.
fn alerts_in_the_order_of_the_desk(site: &Site) -> String {
    let path = site.path("alerts-dump.ndjson");
    succeed(site.command(&["topics", "dump", &site.topic("alerts")]).arg("--to").arg(&path));
    let text = fs::read_to_string(&path).unwrap();
    let mut waiting: BTreeMap<PartitionIndex, Vec<(DumpRecord<'_>, &str)>> = BTreeMap::new();
    for line in text.lines() {
        let record = dump::decode_line(line.as_bytes()).unwrap();
        waiting.entry(record.partition).or_default().push((record, line));
    }
    let mut ordered = String::new();
    for record in read_topic(&site.brokers, &site.topic("desk")) {
        let key = record.key.unwrap_or_default();
        let Ok(DeskRecord::Commit(commit)) = desk_state::decode(&key, record.value.as_deref()) else { continue };
        let mut batch: Vec<(DumpRecord<'_>, &str)> = Vec::new();
        for (index, next) in (0..).zip(commit.next) {
            let Some(NextOffset(next)) = next else { continue };
            let Some(theirs) = waiting.get_mut(&PartitionIndex(index)) else { continue };
            let taken = theirs.iter().take_while(|(record, _)| record.offset.0 < next).count();
            batch.extend(theirs.drain(..taken));
        }
        let records: Vec<RawRecord<'_>> = batch.iter().map(|(record, _)| raw(record)).collect();
        for index in order(&records) {
            ordered.push_str(batch[index].1);
            ordered.push('\n');
        }
    }
    assert!(waiting.values().all(Vec::is_empty), "alerts that no commit record of the desk stands for");
    ordered
}

fn raw<'r>(record: &'r DumpRecord<'_>) -> RawRecord<'r> {
    RawRecord {
        partition: record.partition,
        offset: record.offset,
        timestamp: record.timestamp.or(Some(Timestamp::MIN)),
        key: None,
        value: record.value.as_deref(),
        headers: &NoHeaders,
    }
}

/// What went out, of the service, is what file mode says about the same alerts; how many deliveries and digests.
#[track_caller]
pub fn gone_out_is_what_file_mode_says(site: &Site) -> (usize, usize) {
    let (input, desk) = (site.path("ordered.ndjson"), site.path("desk.ndjson"));
    fs::write(&input, alerts_in_the_order_of_the_desk(site)).unwrap();
    let output = site.command(&["run"]).arg("--input").arg(&input).arg("--desk").arg(&desk).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let expected = fs::read_to_string(&desk).unwrap();
    let expected: Vec<&str> = expected.lines().collect();
    let gone_out: Vec<String> = read_topic(&site.brokers, &site.topic("deliveries"))
        .into_iter()
        .map(|record| String::from_utf8(record.value.unwrap()).unwrap())
        .collect();
    let same = gone_out.iter().zip(&expected).take_while(|(left, right)| left == *right).count();
    assert!(
        gone_out == expected,
        "{} went out, {} expected; they part at number {same}:\nwent out {}\nexpected {}",
        gone_out.len(),
        expected.len(),
        gone_out.get(same).map_or("nothing", String::as_str),
        expected.get(same).copied().unwrap_or("nothing"),
    );
    let digests = gone_out.iter().filter(|line| line.contains(r#""record":"digest""#)).count();
    (gone_out.len() - digests, digests)
}

/// Waits until everything that was alerted has been taken in by the desk.
pub fn wait_alerts_worked_off(site: &Site) {
    wait("the desk to catch up", EVENTUALLY, || has_all(site).then_some(()));
}

/// Whether the desk has taken in everything that has been alerted so far. The mark of a transaction is no record, so the
/// last record counts, not the end.
fn has_all(site: &Site) -> bool {
    let topic = site.topic("alerts");
    let mut last = vec![0; usize::try_from(PARTITIONS).unwrap()];
    for record in read_topic(&site.brokers, &topic) {
        last[usize::try_from(record.partition).unwrap()] = record.offset + 1;
    }
    has_reached(&site.brokers, &site.group("notify"), &topic, &last)
}

#[test]
fn what_goes_out_goes_out_once_however_often_the_process_is_killed() {
    let seed = fresh_seed();
    println!("seed {seed}");
    let mut random = Random::new(seed);
    // Small transactions, so that alerts come in many of them.
    let site = Site::with_topics("desk", Settings { head: HEAD.to_owned(), events_max: 500, ..Settings::default() });
    let sent = stream(seed, now(), 400, 60_000, 1);
    let (history, rest) = sent.split_at(sent.len() / 3);
    send(&site, history, |_| ());
    let reached = || committed(&site.brokers, &site.group("notify"), &site.topic("alerts")).iter().sum::<i64>();
    let mut in_work = 0;
    for records in rest.chunks(rest.len() / KILLS + 1) {
        send(&site, records, |_| ());
        let mut service = site.start("one", "ingest,engine,notify,serve", Membership::Stable);
        let (before, started) = (reached(), Instant::now());
        service.wait_until("the desk to make progress", |_| {
            (reached() > before || started.elapsed() > Duration::from_secs(20)).then_some(())
        });
        in_work += usize::from(reached() > before);
        std::thread::sleep(Duration::from_millis(random.below(100)));
        service.kill();
    }
    assert!(in_work >= KILLS / 2, "only {in_work} of {KILLS} kills hit a desk at work");
    let mut service = site.start("one", "ingest,engine,notify,serve", Membership::Stable);
    wait_worked_off(&site);
    wait_alerts_worked_off(&site);
    service.stop();
    outputs_are_those_of_file_mode(&site, 20);
    let (deliveries, digests) = gone_out_is_what_file_mode_says(&site);
    assert!(deliveries >= 10 && digests >= 5, "{deliveries} deliveries and {digests} digests prove nothing");
}
