//! `kill -9` in mid-stream: nothing lost, nothing twice; what another process held goes on elsewhere.

use std::time::{Duration, Instant};

use crate::support::compare::{
    everything_sent_is_there_once, outputs_are_those_of_file_mode, wait_log_worked_off, wait_worked_off,
};
use crate::support::events::{Random, fresh_seed, now, send, stream};
use crate::support::{Membership, SOON, Settings, Site, committed, http, wait};

/// How often the process is killed.
const KILLS: usize = 20;

#[test]
fn killed_twenty_times_in_mid_stream_nothing_is_lost_and_nothing_twice() {
    let seed = fresh_seed();
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let site = Site::with_topics("killed", Settings::default());
    let sent = stream(seed, now(), 400, 60_000, 2);
    let portion = sent.len() / (KILLS + 1);
    let mut in_work = 0;
    for (round, records) in sent.chunks(portion).take(KILLS).enumerate() {
        // The name in the group is stable, so that each start goes on where the killed one was.
        let mut service = site.start("one", "ingest,engine,serve", Membership::Stable);
        send(&site, records, |_| ());
        // Until it has written something of its own: a process that is killed before it begins proves little.
        let before = progress(&site);
        if round % 4 != 3 {
            service.wait_until("some progress", |_| (progress(&site) > before).then_some(()));
        }
        let moment = Duration::from_millis(random.below(400));
        let started = Instant::now();
        while started.elapsed() < moment && service.is_running() {
            std::thread::sleep(Duration::from_millis(1));
        }
        in_work += usize::from(progress(&site) > before);
        service.kill();
    }
    assert!(in_work >= KILLS / 2, "only {in_work} of {KILLS} kills hit a process at work");
    for records in sent.chunks(portion).skip(KILLS) {
        send(&site, records, |_| ());
    }
    let mut service = site.start("one", "ingest,engine,serve", Membership::Stable);
    wait_worked_off(&site);
    service.stop();
    everything_sent_is_there_once(&site);
    outputs_are_those_of_file_mode(&site, 10);
}

/// Everything committed by either role, as one number that only grows.
fn progress(site: &Site) -> i64 {
    let of = |role, topic| committed(&site.brokers, &site.group(role), &site.topic(topic)).iter().sum::<i64>();
    of("ingest", "usage") + of("ingest", "billing") + of("engine", "events")
}

#[test]
fn when_one_of_two_processes_is_killed_the_other_takes_over() {
    let seed = fresh_seed();
    println!("seed {seed}");
    let site = Site::with_topics("takeover", Settings::default());
    let sent = stream(seed, now(), 300, 40_000, 1);
    let (first, rest) = sent.split_at(sent.len() / 2);
    let mut one = site.start("one", "ingest,engine,serve", Membership::New);
    let mut two = site.start("two", "ingest,engine,serve", Membership::New);
    one.wait_ready();
    two.wait_ready();
    send(&site, first, |_| ());
    let before = progress(&site);
    wait("the pair to make progress", SOON, || (progress(&site) > before).then_some(()));
    one.kill();
    send(&site, rest, |_| ());
    wait_worked_off(&site);
    two.wait_ready();
    two.stop();
    everything_sent_is_there_once(&site);
    outputs_are_those_of_file_mode(&site, 5);
}

#[test]
fn a_killed_process_comes_back_without_waiting_for_its_session_to_end() {
    let session = Duration::from_secs(120);
    let site = Site::with_topics("comeback", Settings { session, ..Settings::default() });
    // No name in the configuration: it finds its own again.
    let mut service = site.start("one", "ingest,engine,serve", Membership::New);
    send(&site, &stream(7, now(), 200, 10_000, 0), |_| ());
    wait_worked_off(&site);
    service.kill();
    let killed = Instant::now();
    let mut service = site.start("one", "ingest,engine,serve", Membership::New);
    service.wait_ready();
    let took = killed.elapsed();
    assert!(took < session / 2, "ready after {took:?}; the session of the killed one ends after {session:?}");
    service.stop();
    outputs_are_those_of_file_mode(&site, 0);
}

#[test]
fn a_restart_restores_before_it_processes_and_is_ready_only_then() {
    let seed = fresh_seed();
    println!("seed {seed}");
    let site = Site::with_topics("restart", Settings::default());
    let sent = stream(seed, now(), 2_000, 30_000, 1);
    let (first, rest) = sent.split_at(sent.len() * 2 / 3);
    send(&site, first, |_| ());
    let mut service = site.start("one", "ingest,engine,serve", Membership::New);
    wait_worked_off(&site);
    service.kill();
    send(&site, rest, |_| ());
    // Only the engine: what it commits after the start, it has read after the restore.
    let before = committed(&site.brokers, &site.group("engine"), &site.topic("events"));
    let mut ingest = site.start("two", "ingest", Membership::New);
    let mut service = site.start("one", "engine,serve", Membership::New);
    let mut refused = 0;
    service.wait_until("/readyz", |service| {
        if service.is_ready() {
            return Some(());
        }
        refused += 1;
        None
    });
    assert!(refused > 0, "it was ready before it could have restored anything");
    let accounts = http::get(service.port, "/metrics").unwrap().sum("churnwatch_state_accounts");
    assert!(accounts >= 1_500.0, "ready with {accounts} accounts of 2,000");
    wait_worked_off(&site);
    wait_log_worked_off(&site);
    let after = committed(&site.brokers, &site.group("engine"), &site.topic("events"));
    assert!(after.iter().zip(&before).all(|(after, before)| after >= before), "{before:?} -> {after:?}");
    ingest.stop();
    service.stop();
    everything_sent_is_there_once(&site);
    outputs_are_those_of_file_mode(&site, 5);
}
