//! The census of parts is that of the whole, in whatever stages it is taken.

use std::sync::Arc;

use super::{Census, Walk};
use crate::engine::input::{Input, Progress, Record};
use crate::engine::{Engine, Journal};
use crate::sim::{Arrival, Options, Population, START};
use crate::units::{DAY_MS, Position, Span, Timestamp, stable_hash};

/// A simulated company in one engine, and in two that share its accounts; and the end of it.
fn company() -> (Engine, [Engine; 2], Timestamp) {
    let options = Options { accounts: 80, days: 300, seed: 11, ..Options::default() };
    let engine = || Engine::new(Arc::default(), Journal::Off);
    let (mut whole, mut parts, mut population) = (engine(), [engine(), engine()], Population::new(&options));
    let mut effects = Vec::new();
    let mut step = |engine: &mut Engine, received_at: Timestamp, input: Input<'static>| {
        engine.step(&Record { position: Position::default(), received_at, input }, &mut effects);
        effects.clear();
    };
    for day in 1..=i64::from(options.days) {
        let until = START.plus(Span::from_ms(day * DAY_MS));
        while let Some(Arrival { received_at, event, .. }) = population.next_before(until) {
            let part = usize::from(stable_hash(event.account_id.as_bytes()).is_multiple_of(2));
            step(&mut parts[part], received_at, Input::Event(event.clone()));
            step(&mut whole, received_at, Input::Event(event));
        }
        for engine in parts.iter_mut().chain([&mut whole]) {
            let progress = Progress { reached: Some(until), ..Progress::default() };
            step(engine, until, Input::Progress(progress));
        }
    }
    (whole, parts, options.end())
}

/// With its tables in one order.
fn normal(census: Census) -> Census {
    Census { tables: census.tables.normal(), ..census }
}

#[test]
fn the_census_of_parts_adds_up_to_that_of_the_whole() {
    let (whole, parts, now) = company();
    let mut sum = Census::default();
    for part in &parts {
        sum.merge(&Census::of(part, now));
    }
    let whole = Census::of(&whole, now);
    assert!(whole.found.traits.compared_len() > 20 && whole.found.adoption.accounts.iter().sum::<u64>() > 20);
    assert_eq!(normal(sum), normal(whole));
}

#[test]
fn a_walk_in_stages_finds_what_a_walk_at_once_does_and_says_when_events_came_in() {
    let (mut whole, _, now) = company();
    let mut walk = Walk::new(&whole, now);
    let mut stages = 1;
    while !walk.go_on(&whole, 7) {
        stages += 1;
    }
    assert_eq!(stages, whole.accounts_len().div_ceil(7));
    assert_eq!(walk.end(&whole), Census::of(&whole, now));

    let mut walk = Walk::new(&whole, now);
    walk.go_on(&whole, 7);
    let mut later = Population::new(&Options { accounts: 1, days: 400, seed: 12, ..Options::default() });
    let Some(Arrival { received_at, event, .. }) = later.next_before(now) else { panic!("nobody came") };
    let input = Input::Event(event);
    whole.step(&Record { position: Position::default(), received_at, input }, &mut Vec::new());
    while !walk.go_on(&whole, 7) {}
    assert!(walk.end(&whole).is_moving);
    assert!(!Census::of(&whole, now).is_moving);
}
