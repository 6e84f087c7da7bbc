//! The whole slice: over a hundred thousand events with bad records among them, through both source topics.

use crate::support::compare::{everything_sent_is_there_once, outputs_are_those_of_file_mode, wait_worked_off};
use crate::support::events::{fresh_seed, now, send, stream};
use crate::support::{Membership, Settings, Site};

#[test]
fn what_is_published_is_what_file_mode_says_and_everything_sent_is_there_once() {
    let seed = fresh_seed();
    println!("seed {seed}");
    let site = Site::with_topics("whole", Settings::default());
    let sent = stream(seed, now(), 600, 100_000, 4);
    assert!(sent.len() > 100_000);
    let mut service = site.start("one", "ingest,engine,serve", Membership::New);
    send(&site, &sent, |_| ());
    service.wait_ready();
    wait_worked_off(&site);
    service.stop();
    everything_sent_is_there_once(&site);
    outputs_are_those_of_file_mode(&site, 20);
}
