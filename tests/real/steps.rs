//! Deaths at every named step of the commit cycle and of a restore, commits of which nobody knows how they ended, and a
//! process that sleeps through its own removal: nothing is lost and nothing twice.

use std::time::{Duration, Instant};

use crate::desk::{gone_out_is_what_file_mode_says, wait_alerts_worked_off};
use crate::support::compare::{everything_sent_is_there_once, outputs_are_those_of_file_mode, wait_worked_off};
use crate::support::events::{fresh_seed, now, send, stream};
use crate::support::{Membership, SOON, Settings, Site, committed, wait};

const ROLES: &str = "ingest,engine,notify,serve";

/// Where the process dies, in this order: each start goes on from what the death before left. Only one passing is asked
/// of `notify`, which takes in whatever waits for it in one transaction.
const DEATHS: &[&str] = &[
    "ingest:begun:1",
    "ingest:unflushed:2",
    "ingest:offsets_sent:1",
    "ingest:committed:1",
    "engine:begun:2",
    "engine:unflushed:3",
    "engine:produced:2",
    "engine:offsets_sent:4",
    "engine:committed:2",
    "engine:restoring:1",
    "notify:produced:0",
    "notify:offsets_sent:0",
    "notify:committed:0",
    "notify:restoring:0",
];

/// Where something gets lost and the process lives on.
const LOSSES: &[&str] = &[
    "ingest:lost_request:1",
    "ingest:lost_answer:1",
    "engine:lost_request:2",
    "engine:lost_answer:2",
    "notify:lost_request:0",
    "notify:lost_answer:0",
];

/// History goes out as though it were the present, and few places a week make owners' alerts compete.
const HEAD: &str = "[alerts]\ndeliver_max_age_hours = 1000000\nbudget_per_owner_week = 3\n";

fn site(name: &str) -> Site {
    Site::with_topics(name, Settings { head: HEAD.to_owned(), events_max: 500, ..Settings::default() })
}

#[track_caller]
fn everything_is_as_it_should_be(site: &Site) {
    everything_sent_is_there_once(site);
    outputs_are_those_of_file_mode(site, 10);
    let (deliveries, _) = gone_out_is_what_file_mode_says(site);
    assert!(deliveries >= 5, "{deliveries} deliveries prove nothing");
}

#[test]
fn a_death_at_any_step_loses_nothing_and_repeats_nothing() {
    let seed = fresh_seed();
    println!("seed {seed}");
    let site = site("deaths");
    let sent = stream(seed, now(), 300, 45_000, 1);
    let portion = sent.len() / (DEATHS.len() + LOSSES.len() + 1);
    let mut portions = sent.chunks(portion);
    for death in DEATHS {
        send(&site, portions.next().unwrap_or_default(), |_| ());
        let mut service = site.start_failing("one", ROLES, Membership::Stable, death);
        let status = service.wait_end(&format!("its death at {death}"));
        assert!(!status.success() && status.code().is_none(), "at {death} it ended with {status}:\n{}", service.log());
    }
    for loss in LOSSES {
        send(&site, portions.next().unwrap_or_default(), |_| ());
        let mut service = site.start_failing("one", ROLES, Membership::Stable, loss);
        service.wait_until(&format!("the outcome to be asked for after {loss}"), |service| {
            service.log().contains("asking the group how it ended").then_some(())
        });
        wait_worked_off(&site);
        service.stop();
    }
    for rest in portions {
        send(&site, rest, |_| ());
    }
    let mut service = site.start("one", ROLES, Membership::Stable);
    wait_worked_off(&site);
    wait_alerts_worked_off(&site);
    service.stop();
    everything_is_as_it_should_be(&site);
}

#[test]
fn a_process_that_sleeps_through_its_removal_writes_nothing_more_when_it_wakes() {
    let seed = fresh_seed();
    println!("seed {seed}");
    let site = site("sleeper");
    let sent = stream(seed, now(), 300, 30_000, 1);
    let (first, rest) = sent.split_at(sent.len() / 3);
    let (second, third) = rest.split_at(rest.len() / 2);
    let mut sleeper = site.start("one", ROLES, Membership::New);
    sleeper.wait_ready();
    let mut other = site.start("two", ROLES, Membership::New);
    other.wait_ready();
    let reached = || committed(&site.brokers, &site.group("engine"), &site.topic("events")).iter().sum::<i64>();
    let before = reached();
    send(&site, first, |_| ());
    wait("the pair to be at work", SOON, || (reached() > before).then_some(()));
    sleeper.signal("STOP");
    let slept = Instant::now();
    send(&site, second, |_| ());
    // The other has everything only once the session of the sleeper is over.
    wait_worked_off(&site);
    assert!(slept.elapsed() > Duration::from_secs(3), "the sleeper was not missed");
    sleeper.signal("CONT");
    send(&site, third, |_| ());
    wait_worked_off(&site);
    wait_alerts_worked_off(&site);
    sleeper.wait_ready();
    sleeper.stop();
    wait_alerts_worked_off(&site);
    other.stop();
    everything_is_as_it_should_be(&site);
}
