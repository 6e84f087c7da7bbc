//! The simulator against its promises: stable, truthful, of the stated mix.

use std::collections::{BTreeMap, BTreeSet};

use expect_test::expect;

use super::plan::{ChurnKind, Trap};
use super::truth::{Subject, subjects};
use super::*;
use crate::engine::event::{Kind, SubscriptionChange};
use crate::units::stable_hash;
use crate::wire::canonical::encode_event;

fn options() -> Options {
    Options { accounts: 400, ..Options::default() }
}

fn bytes(options: &Options, events: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for arrival in Population::new(options).take(events) {
        encode_event(&arrival.event, &mut out);
        out.push(b'\n');
    }
    out
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let first = bytes(&Options::default(), 10_000);
    assert_eq!(first, bytes(&Options::default(), 10_000));
    expect!["82550f3d45b6afe3"].assert_eq(&format!("{:016x}", stable_hash(&first)));
    assert_ne!(first, bytes(&Options { seed: 2, ..Options::default() }, 10_000));
}

#[test]
fn records_are_of_a_typical_size() {
    let population = Population::new(&options());
    let lines = 100_000;
    let size = population.take(lines).fold(0, |sum, arrival| {
        let mut out = Vec::new();
        encode_event(&arrival.event, &mut out);
        sum + out.len()
    }) / lines;
    assert!((220..320).contains(&size), "{size} bytes");
}

#[test]
fn events_arrive_in_order_soon_after_they_happened() {
    let mut before = START;
    let (mut late, mut all) = (0, 0);
    for arrival in Population::new(&options()) {
        assert!(arrival.received_at >= before && arrival.received_at >= arrival.event.time);
        before = arrival.received_at;
        all += 1;
        late += u32::from(arrival.received_at.since(arrival.event.time).ms() > 60_000);
    }
    assert!(before < options().end());
    assert!(late * 10 < all && late * 100 > all, "{late} of {all} are late");
}

#[test]
fn stopping_anywhere_does_not_change_what_comes() {
    let whole: Vec<Arrival> = Population::new(&options()).take(5_000).collect();
    let mut pieces = Vec::new();
    let mut population = Population::new(&options());
    let mut until = START;
    while pieces.len() < whole.len() {
        until = until.plus(Span::from_hours(1));
        while let Some(arrival) = population.next_before(until) {
            assert!(arrival.received_at < until);
            pieces.push(arrival);
        }
    }
    pieces.truncate(whole.len());
    assert_eq!(whole, pieces);
}

#[test]
fn nobody_acts_after_the_end_and_every_end_is_told() {
    let population = Population::new(&options());
    let truth: BTreeMap<String, Subject> =
        subjects(&population).into_iter().map(|subject| (subject.account_id.clone(), subject)).collect();
    let mut canceled = BTreeSet::new();
    for arrival in population {
        let subject = &truth[arrival.event.account_id.as_ref()];
        let is_end = matches!(arrival.event.kind, Kind::Subscription { change: SubscriptionChange::Canceled, .. });
        match subject.churn {
            Some(churn) if is_end => {
                assert_eq!(arrival.event.time, churn.at);
                canceled.insert(subject.account_id.clone());
            }
            Some(churn) => assert!(arrival.event.time < churn.at, "{arrival:?} after {churn:?}"),
            None => assert!(!is_end, "{arrival:?}"),
        }
    }
    assert_eq!(canceled.len(), truth.values().filter(|subject| subject.churn.is_some()).count());
}

#[test]
fn every_churner_shows_evidence_for_weeks() {
    for seed in 1..4 {
        let population = Population::new(&Options { accounts: 2_000, seed, ..Options::default() });
        for subject in subjects(&population) {
            let Some(churn) = subject.churn else { continue };
            let lead = churn.at.since(churn.first_evidence).days();
            assert!((18.0..80.0).contains(&lead), "{subject:?}");
            assert!(churn.first_evidence >= subject.observed_from, "{subject:?}");
        }
    }
}

#[test]
fn evidence_of_each_kind_is_in_the_events() {
    let options = Options { accounts: 2_000, ..Options::default() };
    let population = Population::new(&options);
    let truth: BTreeMap<String, Subject> =
        subjects(&population).into_iter().map(|subject| (subject.account_id.clone(), subject)).collect();
    // Events that speak of the kind, and usage in the 14 days before the evidence and before the end.
    let mut told: BTreeMap<String, u32> = BTreeMap::new();
    let mut usage: BTreeMap<ChurnKind, [u32; 2]> = BTreeMap::new();
    for arrival in population {
        let event = &arrival.event;
        let subject = &truth[event.account_id.as_ref()];
        let Some(churn) = subject.churn else { continue };
        if event.kind.is_usage() && event.source.as_deref() != Some("automation") {
            let fortnight = Span::from_days(14);
            let counts = usage.entry(churn.kind).or_default();
            counts[0] +=
                u32::from(event.time < churn.first_evidence && churn.first_evidence.since(event.time) < fortnight);
            counts[1] += u32::from(churn.at.since(event.time) < fortnight);
        }
        let speaks = match churn.kind {
            ChurnKind::ChampionLeft => matches!(event.kind, Kind::UserDeactivated | Kind::UserRoleChanged { .. }),
            ChurnKind::LimitFrustration => matches!(event.kind, Kind::LimitReached(_)),
            ChurnKind::FailedPayments => matches!(event.kind, Kind::PaymentFailed { .. }),
            ChurnKind::BadNps => matches!(event.kind, Kind::NpsResponded { score: 0..=6 }),
            ChurnKind::PlannedNonRenewal => {
                matches!(event.kind, Kind::Subscription { change: SubscriptionChange::CancelScheduled, .. })
            }
            _ => false,
        };
        if speaks && event.time >= churn.first_evidence {
            *told.entry(subject.account_id.clone()).or_default() += 1;
        }
    }
    for subject in truth.values() {
        let Some(churn) = subject.churn else { continue };
        let least = match churn.kind {
            ChurnKind::GradualDecline | ChurnKind::SuddenSilence | ChurnKind::OnboardingStall => continue,
            ChurnKind::ChampionLeft | ChurnKind::PlannedNonRenewal => 1,
            ChurnKind::LimitFrustration | ChurnKind::FailedPayments => 3,
            ChurnKind::BadNps => 2,
        };
        let told = told.get(&subject.account_id).copied().unwrap_or(0);
        assert!(told >= least, "{told} pieces of evidence for {subject:?}");
    }
    for (kind, [before, after]) in usage {
        match kind {
            ChurnKind::SuddenSilence => assert_eq!(after, 0),
            ChurnKind::GradualDecline | ChurnKind::OnboardingStall => assert!(after * 4 < before, "{kind:?}"),
            _ => assert!(after < before, "{kind:?}: {before}, then {after}"),
        }
    }
}

#[test]
fn the_mix_is_as_stated() {
    let subjects = subjects(&Population::new(&Options { accounts: 20_000, ..Options::default() }));
    let share = |count: usize| f64::from(u32::try_from(count).unwrap()) / 20_000.0;
    let churned = share(subjects.iter().filter(|subject| subject.churn.is_some()).count());
    assert!((0.105..0.135).contains(&churned), "{churned}");
    for kind in ChurnKind::ALL {
        let found = share(subjects.iter().filter(|subject| subject.churn.is_some_and(|c| c.kind == kind)).count());
        assert!((0.005..0.04).contains(&found), "{kind:?} {found}");
    }
    for trap in Trap::ALL {
        let found = share(subjects.iter().filter(|subject| subject.trap == trap).count());
        // Those who take back a cancellation are a third as many as those who mean it.
        let least = if trap == Trap::WithdrawnCancellation { 0.004 } else { 0.02 };
        assert!(found > least, "{trap:?} {found}");
    }
}

#[test]
fn the_fleet_pauses_on_holidays_and_in_the_outage() {
    let mut active: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
    for arrival in Population::new(&options()) {
        let event = arrival.event;
        if event.kind.is_usage() && event.time >= START {
            active.entry(event.time.since(START).ms() / DAY_MS).or_default().insert(event.account_id.into_owned());
        }
    }
    let count = |day: i64| active.get(&day).map_or(0, BTreeSet::len);
    let outage = i64::from(day::outage_day(180));
    assert_eq!(count(outage), 0);
    // Good Friday 2026 is day 92.
    for holiday in [92, 95] {
        assert!(count(holiday) * 2 < count(holiday - 7) && count(holiday) > 0, "day {holiday}");
    }
}

#[test]
fn some_records_are_sent_twice_and_unchanged() {
    let mut seen: BTreeMap<String, Event<'static>> = BTreeMap::new();
    let (mut twice, mut all) = (0, 0);
    for arrival in Population::new(&options()).take(50_000) {
        all += 1;
        if let Some(before) = seen.insert(arrival.event.id.to_string(), arrival.event.clone()) {
            assert_eq!(before, arrival.event);
            twice += 1;
        }
    }
    assert!(twice * 400 > all && twice * 100 < all, "{twice} of {all} are sent twice");
}

#[test]
fn growing_accounts_hit_limits_and_then_upgrade() {
    let population = Population::new(&options());
    let growing: BTreeSet<String> = subjects(&population)
        .into_iter()
        .filter(|subject| subject.trap == Trap::Expansion && subject.churn.is_none())
        .map(|subject| subject.account_id)
        .collect();
    let mut hits: BTreeMap<String, u32> = BTreeMap::new();
    let mut upgraded = BTreeMap::new();
    for arrival in population {
        let account_id = arrival.event.account_id.into_owned();
        match arrival.event.kind {
            Kind::LimitReached(_) => *hits.entry(account_id).or_default() += 1,
            Kind::Subscription { change: SubscriptionChange::Changed, .. } => {
                let before = hits.get(&account_id).copied().unwrap_or(0);
                upgraded.entry(account_id).or_insert(before);
            }
            _ => {}
        }
    }
    // Those who joined late upgrade after the window.
    assert!(upgraded.keys().all(|account_id| growing.contains(account_id)));
    assert!(upgraded.len() * 10 > growing.len() * 7);
    assert!(upgraded.values().filter(|hits| **hits > 1).count() * 10 > upgraded.len() * 9);
}

#[test]
fn short_windows_and_small_companies_work() {
    for (accounts, days) in [(1, 14), (30, 14), (50, 30), (5, 3_650)] {
        let population = Population::new(&Options { accounts, days, ..Options::default() });
        let truth = subjects(&population);
        assert!(truth.iter().all(|subject| subject.observed_from <= subject.observed_until));
        let events = population.take(20_000).count();
        assert!(events > 3, "{accounts} accounts, {days} days: {events} events");
    }
}
