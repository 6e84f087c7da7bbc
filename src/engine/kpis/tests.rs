//! KPIs by hand-worked examples, and the ledger against an independent model of it.

#![allow(clippy::needless_raw_string_hashes)] // expect-test writes them

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::days::Count;
use super::figures::{Live, Present};
use super::flows::Cell;
use super::registry::find;
use super::starts::SignUps;
use super::tables::{Standing, Tables};
use crate::engine::census::Census;
use crate::engine::event::{Event, Interval, Kind, SubscriptionChange, Terms, Traits};
use crate::engine::facts::book::{Doubt, Flow, LINES_MAX};
use crate::engine::input::{Input, Record};
use crate::engine::rates::{Rate, Rates};
use crate::engine::rules::{KpiRules, Rules};
use crate::engine::{Engine, Journal};
use crate::units::calendar::{Length, Month, Period, Zone};
use crate::units::{Currency, Day, Money, Offset, PartitionIndex, Position, Span, Timestamp, stable_hash};
use crate::wire::state::{decode_account, encode_account};

const CHANGES: [(&str, SubscriptionChange); 7] = [
    ("start", SubscriptionChange::Started),
    ("change", SubscriptionChange::Changed),
    ("renew", SubscriptionChange::Renewed),
    ("pause", SubscriptionChange::Paused),
    ("resume", SubscriptionChange::Resumed),
    ("schedule", SubscriptionChange::CancelScheduled),
    ("cancel", SubscriptionChange::Canceled),
];

fn instant(text: &str) -> Timestamp {
    let text = if text.contains('T') { text.to_owned() } else { format!("{text}T12:00:00Z") };
    Timestamp::from_ms(chrono::DateTime::parse_from_rfc3339(&text).unwrap().timestamp_millis()).unwrap()
}

fn terms(subscription: &str, mrr: Option<Money>) -> Terms<'static> {
    Terms {
        subscription: subscription.to_owned().into(),
        plan: None,
        mrr,
        seats: None,
        interval: Some(Interval::Month),
        term_ends_at: None,
        effective_at: None,
        reason: None,
    }
}

/// Reads `TIME ACCOUNT CHANGE SUBSCRIPTION [MRR[CURRENCY]] [until=TIME] [effective=TIME] [plan=PLAN]`, `TIME ACCOUNT trait KEY VALUE`, or
/// `TIME ACCOUNT KIND [...]` of what else is counted.
fn parse(line: &str, index: usize) -> Event<'static> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let option = |name: &str| words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let kind = match words[2] {
        "trait" => Kind::AccountUpdated(Traits {
            traits: vec![(words[3].to_owned().into(), words[4].to_owned().into())],
            ..Traits::default()
        }),
        "use" => Kind::FeatureUsed { feature: "f".into(), quantity: 1 },
        "refund" => Kind::PaymentRefunded { amount: None },
        "trial" => Kind::TrialStarted {
            card_on_file: option("card").map(|card| card == "yes"),
            ends_at: option("until").map(instant),
        },
        "converted" => Kind::TrialConverted,
        "expired" => Kind::TrialExpired,
        "onboarded" => Kind::OnboardingStep { step: "last".into(), done: true },
        "nps" => Kind::NpsResponded { score: words[3].parse().unwrap() },
        "csat" => Kind::CsatResponded { score: words[3].parse().unwrap() },
        "asked" => Kind::SurveySent { survey: crate::engine::event::Survey::ALL[usize::from(words[3] == "csat")] },
        name => {
            let (_, change) = CHANGES.into_iter().find(|(known, _)| *known == name).unwrap();
            let money = words.get(4).filter(|word| !word.contains('=')).map(|word| {
                let digits = word.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
                let currency = Currency::parse(&word[digits.len()..]).unwrap_or(Currency::USD);
                Money { minor: digits.parse().unwrap(), currency }
            });
            let plan = option("plan").map(|plan| plan.to_owned().into());
            let [term_ends_at, effective_at] = ["until", "effective"].map(|name| option(name).map(instant));
            let told = Terms { plan, term_ends_at, effective_at, ..terms(words[3], money) };
            Kind::Subscription { change, terms: told }
        }
    };
    Event {
        id: format!("e{index}").into(),
        time: instant(words[0]),
        account_id: words[1].to_owned().into(),
        user_id: option("user").map(|user| user.to_owned().into()),
        source: None,
        kind,
    }
}

fn record(index: usize, input: Input<'static>) -> Record<'static> {
    let position = Position { partition: PartitionIndex(0), offset: Offset(i64::try_from(index).unwrap()) };
    Record { position, received_at: Timestamp::MAX, input }
}

fn engine(events: &[Event<'static>], rules: Arc<Rules>) -> Engine {
    let mut engine = Engine::new(rules, Journal::Off);
    for (index, event) in events.iter().enumerate() {
        engine.step(&record(index, Input::Event(event.clone())), &mut Vec::new());
    }
    engine
}

fn script(text: &str) -> Vec<Event<'static>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.enumerate().map(|(index, line)| parse(line, index)).collect()
}

/// Rates of the euro that change with March and with June 2026.
fn rates() -> Rates {
    let rate = |month, rate| Rate { from: Month::new(2026, month), rate };
    let mut rates = Rates::default();
    rates.set(Currency::parse("EUR").unwrap(), vec![rate(1, 1.5), rate(3, 2.0), rate(6, 0.5)]);
    rates.set(Currency::parse("JPY").unwrap(), vec![rate(1, 0.5)]);
    rates
}

fn rules_in(zone: &str) -> Arc<Rules> {
    let kpis = KpiRules { time_zone: Zone::parse(zone).unwrap(), ..KpiRules::default() };
    Arc::new(Rules { rates: rates(), kpis, ..Rules::default() })
}

fn row(period: Period, standing: &Standing) -> String {
    let Cell { moved_minor, acquired, returned, lost, .. } = standing.cell;
    let mut moved = String::new();
    for (flow, minor) in Flow::ALL.iter().zip(moved_minor).filter(|(_, minor)| *minor != 0) {
        write!(moved, " {} {minor:+}", flow.name()).unwrap();
    }
    format!(
        "{period}: customers {} +{acquired} +{returned} -{lost} = {}, MRR {}{moved} = {}, kept {}, opening end {}",
        standing.customers,
        standing.customers_end(),
        standing.mrr_minor,
        standing.mrr_end_minor(),
        standing.kept_minor(),
        standing.opening_end_minor(),
    )
}

/// The periods from the first movement to `last`, for everybody together. Every other order of the events says the same.
fn check(zone: &str, text: &str, length: Length, last: &str, expected: &Expect) {
    let events = script(text);
    let forward = engine(&events, rules_in(zone));
    let total = forward.kpis().total();
    let mut shown = String::new();
    let last = length.of(Month::parse(last).unwrap());
    let mut period = length.of(total.first().unwrap_or_default());
    while period <= last {
        writeln!(shown, "{}", row(period, &total.at(period))).unwrap();
        period = period.next();
    }
    for (doubt, count) in Doubt::ALL.iter().zip(forward.kpis().doubts).filter(|(_, count)| *count > 0) {
        writeln!(shown, "{} {count}", doubt.name()).unwrap();
    }
    expected.assert_eq(&shown);
    let reversed: Vec<_> = events.iter().rev().cloned().collect();
    assert_eq!(engine(&reversed, rules_in(zone)).kpis().normal(), forward.kpis().normal());
}

/// Every movement: new, expansion by plan and by a second subscription, contraction, churn, reactivation, and the year's end.
const STORY: &str = "
    2025-11-05 acme start a 10000
    2025-12-10 acme change a 15000
    2025-12-20 beta start b 20000
    2026-01-07 acme start a2 5000
    2026-01-15 beta change b 12000
    2026-01-31 core start c 30000
    2026-02-03 beta cancel b
    2026-02-28 acme cancel a2
    2026-03-09 beta start b3 8000
    2026-03-20 core cancel c
    2026-03-25 core start c2 30000
    2026-04-02 dust start d 4000
    2026-04-29 dust cancel d
    2026-05-01 acme refund
";

#[test]
fn every_movement_is_told_by_month() {
    check(
        "UTC",
        STORY,
        Length::Month,
        "2026-05",
        &expect![[r#"
        2025-11: customers 0 +1 +0 -0 = 1, MRR 0 new +10000 = 10000, kept 0, opening end 0
        2025-12: customers 1 +1 +0 -0 = 2, MRR 10000 new +20000 expansion +5000 = 35000, kept 10000, opening end 15000
        2026-01: customers 2 +1 +0 -0 = 3, MRR 35000 new +30000 expansion +5000 contraction -8000 = 62000, kept 27000, opening end 32000
        2026-02: customers 3 +0 +0 -1 = 2, MRR 62000 contraction -5000 churned -12000 = 45000, kept 45000, opening end 45000
        2026-03: customers 2 +0 +1 -0 = 3, MRR 45000 churned -30000 reactivation +38000 = 53000, kept 45000, opening end 45000
        2026-04: customers 3 +0 +0 -0 = 3, MRR 53000 new +4000 churned -4000 = 53000, kept 53000, opening end 53000
        2026-05: customers 3 +0 +0 -0 = 3, MRR 53000 = 53000, kept 53000, opening end 53000
    "#]],
    );
}

#[test]
fn a_quarter_is_no_sum_of_months_for_who_joins_and_leaves_within_it() {
    check(
        "UTC",
        STORY,
        Length::Quarter,
        "2026-05",
        &expect![[r#"
        2025-Q4: customers 0 +2 +0 -0 = 2, MRR 0 new +30000 expansion +5000 = 35000, kept 0, opening end 0
        2026-Q1: customers 2 +1 +0 -0 = 3, MRR 35000 new +30000 expansion +5000 contraction -13000 churned -42000 reactivation +38000 = 53000, kept 23000, opening end 23000
        2026-Q2: customers 3 +0 +0 -0 = 3, MRR 53000 new +4000 churned -4000 = 53000, kept 53000, opening end 53000
    "#]],
    );
    check(
        "UTC",
        STORY,
        Length::Year,
        "2026-05",
        &expect![[r#"
        2025: customers 0 +2 +0 -0 = 2, MRR 0 new +30000 expansion +5000 = 35000, kept 0, opening end 0
        2026: customers 2 +1 +0 -0 = 3, MRR 35000 new +34000 expansion +5000 contraction -13000 churned -46000 reactivation +38000 = 53000, kept 23000, opening end 23000
    "#]],
    );
}

#[test]
fn months_are_those_of_the_zone() {
    let text = "
        2024-02-29T23:30:00Z leap start a 100
        2024-12-31T23:30:00Z year start b 200
        2025-01-31T22:59:00Z edge start c 400
    ";
    check(
        "UTC",
        text,
        Length::Month,
        "2024-03",
        &expect![[r#"
        2024-02: customers 0 +1 +0 -0 = 1, MRR 0 new +100 = 100, kept 0, opening end 0
        2024-03: customers 1 +0 +0 -0 = 1, MRR 100 = 100, kept 100, opening end 100
    "#]],
    );
    check(
        "Europe/Berlin",
        text,
        Length::Month,
        "2024-03",
        &expect![[r#"
        2024-03: customers 0 +1 +0 -0 = 1, MRR 0 new +100 = 100, kept 0, opening end 0
    "#]],
    );
    check(
        "Europe/Berlin",
        text,
        Length::Year,
        "2025-01",
        &expect![[r#"
        2024: customers 0 +1 +0 -0 = 1, MRR 0 new +100 = 100, kept 0, opening end 0
        2025: customers 1 +2 +0 -0 = 3, MRR 100 new +600 = 700, kept 100, opening end 100
    "#]],
    );
}

#[test]
fn rates_move_revenue_as_fx_and_nothing_else() {
    check(
        "UTC",
        "
        2026-01-10 euro start a 1000EUR
        2026-02-10 both start b 1000
        2026-02-11 both start c 200EUR
        2026-04-10 both change b 1500
        # At 2.0 a euro: 750 EUR are 1500 USD, the same worth.
        2026-04-20 both change b 750EUR
        2026-07-10 euro change a 520
        2026-07-20 both cancel b
        2026-07-21 both cancel c
        ",
        Length::Month,
        "2026-08",
        &expect![[r#"
            2026-01: customers 0 +1 +0 -0 = 1, MRR 0 new +1500 = 1500, kept 0, opening end 0
            2026-02: customers 1 +1 +0 -0 = 2, MRR 1500 new +1000 expansion +300 = 2800, kept 1500, opening end 1500
            2026-03: customers 2 +0 +0 -0 = 2, MRR 2800 fx +600 = 3400, kept 2800, opening end 2800
            2026-04: customers 2 +0 +0 -0 = 2, MRR 3400 expansion +500 = 3900, kept 3400, opening end 3900
            2026-05: customers 2 +0 +0 -0 = 2, MRR 3900 = 3900, kept 3900, opening end 3900
            2026-06: customers 2 +0 +0 -0 = 2, MRR 3900 fx -2925 = 975, kept 3900, opening end 3900
            2026-07: customers 2 +0 +0 -1 = 1, MRR 975 contraction -375 churned -100 fx +20 = 520, kept 500, opening end 500
            2026-08: customers 1 +0 +0 -0 = 1, MRR 520 = 520, kept 520, opening end 520
        "#]],
    );
}

/// EUR is worth 1 until `changes`, then `rate`; what `text` comes to in the period of 2026-03, at the start of which it was 1.
fn ratios(text: &str, changes: &str, rate: f64, length: Length) -> String {
    let mut rates = Rates::default();
    let from = |month, rate| Rate { from: Month::parse(month).unwrap(), rate };
    rates.set(Currency::parse("EUR").unwrap(), vec![from("2025-01", 1.0), from(changes, rate)]);
    let rules = Rules { rates, ..Rules::default() };
    let engine = engine(&script(text), Arc::new(rules.clone()));
    let present = Present {
        tables: engine.kpis(),
        month: Month::new(2026, 4),
        open: Month::new(2026, 4),
        now: Month::new(2026, 4).first_day().start(),
        currency: rules.currency,
        margin: 1.0,
        rules: &rules.kpis,
        live: Live::default(),
    };
    let period = length.of(Month::new(2026, 3));
    let figures = present.figures(&engine.kpis().total(), period);
    let told = ["grr", "nrr", "revenue_churn", "net_revenue_churn", "quick_ratio"].map(|id| {
        let value = (find(id).unwrap().value)(&figures).map(|value| (value * 100.0).round());
        format!(" {id} {}", value.map_or_else(|| "-".to_owned(), |value| value.to_string()))
    });
    format!("{period} at {rate}:{}\n", told.concat())
}

/// Of a quarter and a year that are running, the rates of the running month hold, whatever is known of later ones.
#[test]
fn a_running_period_knows_no_later_rate() {
    let mut rates = Rates::default();
    let from = |month, rate| Rate { from: Month::parse(month).unwrap(), rate };
    rates.set(Currency::parse("EUR").unwrap(), vec![from("2024-01", 1.0), from("2025-05", 2.0)]);
    let engine = engine(&script("2025-01-05 a start s 10000EUR"), Arc::new(Rules { rates, ..Rules::default() }));
    let total = engine.kpis().total();
    let mut shown = String::new();
    for month in ["2025-04", "2025-05"].map(|month| Month::parse(month).unwrap()) {
        for length in Length::ALL {
            let [before, now] = total.before_and_at(length, month);
            assert_eq!(now, total.so_far(length.of(month), month));
            assert_eq!(before, total.at(length.of(month).previous()));
            writeln!(shown, "{month} {}", row(length.of(month), &now)).unwrap();
        }
    }
    expect![[r#"
        2025-04 2025-04: customers 1 +0 +0 -0 = 1, MRR 10000 = 10000, kept 10000, opening end 10000
        2025-04 2025-Q2: customers 1 +0 +0 -0 = 1, MRR 10000 = 10000, kept 10000, opening end 10000
        2025-04 2025: customers 0 +1 +0 -0 = 1, MRR 0 new +10000 = 10000, kept 0, opening end 0
        2025-05 2025-05: customers 1 +0 +0 -0 = 1, MRR 10000 fx +10000 = 20000, kept 10000, opening end 10000
        2025-05 2025-Q2: customers 1 +0 +0 -0 = 1, MRR 10000 fx +10000 = 20000, kept 10000, opening end 10000
        2025-05 2025: customers 0 +1 +0 -0 = 1, MRR 0 new +10000 fx +10000 = 20000, kept 0, opening end 0
    "#]]
    .assert_eq(&shown);
}

/// The churn of a few days is not that of a month.
#[test]
fn no_lifetime_is_told_of_a_running_period() {
    let text = "
        2026-01-05 stays start s 10000
        2026-01-05 goes start s 10000
        2026-03-02 goes cancel s
    ";
    let (rules, march) = (Rules::default(), Month::new(2026, 3));
    let engine = engine(&script(text), Arc::new(rules.clone()));
    let told = |month: Month| {
        let present = Present {
            tables: engine.kpis(),
            month,
            open: month,
            now: month.first_day().start(),
            currency: rules.currency,
            margin: 1.0,
            rules: &rules.kpis,
            live: Live::default(),
        };
        let figures = present.figures(&engine.kpis().total(), Length::Month.of(march));
        ["customer_churn_rate", "lifetime", "ltv"].map(|id| (find(id).unwrap().value)(&figures))
    };
    assert_eq!(told(march), [Some(0.5), None, None]);
    assert_eq!(told(march.plus(1)), [Some(0.5), Some(2.0), Some(200.0)]);
}

/// What stays of a cohort is at the rates of its first month, account by account, in whatever currencies they pay.
#[test]
fn the_revenue_of_a_cohort_is_at_the_rates_of_its_first_month() {
    let stays = |text: &str| {
        let engine = engine(&script(text), rules_in("UTC"));
        let [(activated, group)] = engine.kpis().cohorts.as_slice() else { panic!("one cohort") };
        group.ends(*activated, 7).into_iter().map(|(_, minor)| minor).collect::<Vec<_>>()
    };
    // The euro is worth 1.5 in January and February, then 2, and 0.5 from June on.
    let two_accounts = "
        2026-01-05 eur start s 10000EUR
        2026-01-05 usd start s 10000
        2026-03-05 eur change s 20000EUR
        2026-05-05 usd change s 5000
    ";
    assert_eq!(stays(two_accounts), [25_000, 25_000, 40_000, 40_000, 35_000, 35_000, 35_000]);
    let one_account = "
        2026-01-05 both start e 10000EUR
        2026-01-05 both start d 10000
        2026-04-05 both cancel e
    ";
    assert_eq!(stays(one_account), [25_000, 25_000, 25_000, 10_000, 10_000, 10_000, 10_000]);
    // At 2.0 a euro, 10000 USD are 5000 EUR: the price stays as it was.
    let goes_over = "
        2026-01-05 over start d 10000
        2026-04-05 over change d 5000EUR
        2026-07-05 over change d 10000EUR
    ";
    assert_eq!(stays(goes_over), [10_000, 10_000, 10_000, 10_000, 10_000, 10_000, 20_000]);
}

#[test]
fn rates_are_in_no_ratio() {
    let story = |rest: &str| {
        let text = format!("2025-12-10 a start a 10000EUR\n{rest}");
        let mut shown = format!("{}\n", rest.replace('\n', "; "));
        for rate in [1.5, 0.5] {
            for (changes, length) in
                [("2026-03", Length::Month), ("2026-02", Length::Quarter), ("2026-02", Length::Year)]
            {
                shown.push_str(&ratios(&text, changes, rate, length));
            }
        }
        shown
    };
    let stories = [
        "2026-03-10 a cancel a",
        "2026-03-10 a change a 3000EUR",
        "2026-03-10 a change a 12000EUR",
        "2026-03-10 a cancel a\n2026-03-20 a start b 10000EUR",
        // 40 of 100 in dollars stay, of the rest in euros nothing does.
        "2025-12-11 a change a 6000EUR\n2025-12-11 a start b 4000\n2026-03-10 a cancel a",
    ];
    expect![[r#"
        2026-03-10 a cancel a
        2026-03 at 1.5: grr 0 nrr 0 revenue_churn 100 net_revenue_churn 100 quick_ratio 0
        2026-Q1 at 1.5: grr 0 nrr 0 revenue_churn 100 net_revenue_churn 100 quick_ratio 0
        2026 at 1.5: grr 0 nrr 0 revenue_churn 100 net_revenue_churn 100 quick_ratio 0
        2026-03 at 0.5: grr 0 nrr 0 revenue_churn 100 net_revenue_churn 100 quick_ratio 0
        2026-Q1 at 0.5: grr 0 nrr 0 revenue_churn 100 net_revenue_churn 100 quick_ratio 0
        2026 at 0.5: grr 0 nrr 0 revenue_churn 100 net_revenue_churn 100 quick_ratio 0
        2026-03-10 a change a 3000EUR
        2026-03 at 1.5: grr 30 nrr 30 revenue_churn 70 net_revenue_churn 70 quick_ratio 0
        2026-Q1 at 1.5: grr 30 nrr 30 revenue_churn 70 net_revenue_churn 70 quick_ratio 0
        2026 at 1.5: grr 30 nrr 30 revenue_churn 70 net_revenue_churn 70 quick_ratio 0
        2026-03 at 0.5: grr 30 nrr 30 revenue_churn 70 net_revenue_churn 70 quick_ratio 0
        2026-Q1 at 0.5: grr 30 nrr 30 revenue_churn 70 net_revenue_churn 70 quick_ratio 0
        2026 at 0.5: grr 30 nrr 30 revenue_churn 70 net_revenue_churn 70 quick_ratio 0
        2026-03-10 a change a 12000EUR
        2026-03 at 1.5: grr 100 nrr 120 revenue_churn 0 net_revenue_churn -20 quick_ratio -
        2026-Q1 at 1.5: grr 100 nrr 120 revenue_churn 0 net_revenue_churn -20 quick_ratio -
        2026 at 1.5: grr 100 nrr 120 revenue_churn 0 net_revenue_churn -20 quick_ratio -
        2026-03 at 0.5: grr 100 nrr 120 revenue_churn 0 net_revenue_churn -20 quick_ratio -
        2026-Q1 at 0.5: grr 100 nrr 120 revenue_churn 0 net_revenue_churn -20 quick_ratio -
        2026 at 0.5: grr 100 nrr 120 revenue_churn 0 net_revenue_churn -20 quick_ratio -
        2026-03-10 a cancel a; 2026-03-20 a start b 10000EUR
        2026-03 at 1.5: grr 100 nrr 100 revenue_churn 100 net_revenue_churn 0 quick_ratio 100
        2026-Q1 at 1.5: grr 100 nrr 100 revenue_churn 100 net_revenue_churn 0 quick_ratio 100
        2026 at 1.5: grr 100 nrr 100 revenue_churn 100 net_revenue_churn 0 quick_ratio 100
        2026-03 at 0.5: grr 100 nrr 100 revenue_churn 100 net_revenue_churn 0 quick_ratio 100
        2026-Q1 at 0.5: grr 100 nrr 100 revenue_churn 100 net_revenue_churn 0 quick_ratio 100
        2026 at 0.5: grr 100 nrr 100 revenue_churn 100 net_revenue_churn 0 quick_ratio 100
        2025-12-11 a change a 6000EUR; 2025-12-11 a start b 4000; 2026-03-10 a cancel a
        2026-03 at 1.5: grr 40 nrr 40 revenue_churn 60 net_revenue_churn 60 quick_ratio 0
        2026-Q1 at 1.5: grr 40 nrr 40 revenue_churn 60 net_revenue_churn 60 quick_ratio 0
        2026 at 1.5: grr 40 nrr 40 revenue_churn 60 net_revenue_churn 60 quick_ratio 0
        2026-03 at 0.5: grr 40 nrr 40 revenue_churn 60 net_revenue_churn 60 quick_ratio 0
        2026-Q1 at 0.5: grr 40 nrr 40 revenue_churn 60 net_revenue_churn 60 quick_ratio 0
        2026 at 0.5: grr 40 nrr 40 revenue_churn 60 net_revenue_churn 60 quick_ratio 0
    "#]]
    .assert_eq(&stories.map(story).concat());
    // Over to dollars at the same price, then half of it; over to dollars at a third less.
    let switched = |text: &str| ratios(text, "2026-02", 1.5, Length::Quarter);
    expect![[r#"
        2026-Q1 at 1.5: grr 50 nrr 50 revenue_churn 50 net_revenue_churn 50 quick_ratio 0
    "#]]
    .assert_eq(&switched("2025-12-10 a start a 10000EUR\n2026-03-10 a change a 15000\n2026-03-20 a change a 7500"));
    expect![[r#"
        2026-Q1 at 1.5: grr 67 nrr 67 revenue_churn 33 net_revenue_churn 33 quick_ratio 0
    "#]]
    .assert_eq(&switched("2025-12-10 a start a 10000EUR\n2026-03-10 a change a 10000"));
    expect![[r#"
        2026-Q1 at 1.5: grr 0 nrr 0 revenue_churn 100 net_revenue_churn 100 quick_ratio 0
    "#]]
    .assert_eq(&switched("2025-12-10 a start a 10000EUR\n2026-02-10 a change a 15000\n2026-03-20 a cancel a"));
    // Down into euros and up again in dollars, within the month in which they became worth twice as much; and back at the
    // same worth.
    let back = |text: &str| ratios(text, "2026-03", 2.0, Length::Month);
    expect![[r#"
        2026-03 at 2: grr 100 nrr 120 revenue_churn 20 net_revenue_churn -20 quick_ratio 200
    "#]]
    .assert_eq(&back("2025-12-10 a start a 10000\n2026-03-05 a change a 4000EUR\n2026-03-15 a change a 12000"));
    expect![[r#"
        2026-03 at 2: grr 80 nrr 80 revenue_churn 20 net_revenue_churn 20 quick_ratio 0
    "#]]
    .assert_eq(&back("2025-12-10 a start a 10000\n2026-03-05 a change a 4000EUR\n2026-03-15 a change a 8000"));
}

#[test]
fn no_rate_makes_sums_overflow() {
    let mut text = String::new();
    for (account, subscription) in (0..64).map(|number| (number / 8, number % 8)) {
        writeln!(text, "2026-01-10 a{account} start s{subscription} 1000000000000EUR").unwrap();
    }
    let total = |latest: f64| {
        let mut rates = Rates::default();
        let from = |month, rate| Rate { from: Month::new(2026, month), rate };
        rates.set(Currency::parse("EUR").unwrap(), vec![from(1, 1e9), from(3, latest)]);
        let engine = engine(&script(&text), Arc::new(Rules { rates, ..Rules::default() }));
        assert_eq!(Census::of(&engine, instant("2026-03-10")).check(Month::new(2026, 3)), Ok(()));
        let total = engine.kpis().total();
        let end = |month| total.at(Length::Month.of(Month::new(2026, month))).mrr_end_minor();
        let [.., (_, stays)] = total.ends(Month::new(2026, 1), 3)[..] else { panic!("three months") };
        (engine.counts.unpriced, [1, 2, 3].map(end), stays)
    };
    // All of it is worth more than is believed: counted, and left out.
    assert_eq!(total(1e9), (64, [0; 3], 0));
    // It was: as much as is told of an account, until the rate is one that is believed.
    let told = [640_000_000_000_000, 640_000_000_000_000, 64_000_000_000_000];
    assert_eq!(total(1.0), (0, told, 640_000_000_000_000));
}

#[test]
fn a_change_of_currency_at_another_worth_is_a_change_of_price() {
    check(
        "UTC",
        "
        2026-01-10 up start a 1000
        2026-01-11 down start b 1000
        2026-01-12 same start c 1000
        2026-02-10 up change a 1000EUR
        2026-02-11 down change b 400EUR
        2026-02-12 same change c 680EUR
        ",
        Length::Month,
        "2026-02",
        &expect![[r#"
            2026-01: customers 0 +3 +0 -0 = 3, MRR 0 new +3000 = 3000, kept 0, opening end 0
            2026-02: customers 3 +0 +0 -0 = 3, MRR 3000 expansion +500 contraction -400 fx +20 = 3120, kept 2600, opening end 3100
        "#]],
    );
}

#[test]
fn contradictions_have_a_result_and_are_counted() {
    check(
        "UTC",
        "
        # Cancelled before it started.
        2026-01-05 early cancel a
        2026-01-09 early start a 100
        # Cancelled before a change with an MRR starts it.
        2026-01-05 first cancel a
        2026-02-05 first change a 1000
        # Two starts.
        2026-01-06 twice start b 200
        2026-01-16 twice start b 250
        # A change of a subscription that never started, with and without an MRR.
        2026-01-07 ghost change c 300
        2026-01-08 other pause d
        # A change after the end.
        2026-01-10 late start e 400
        2026-01-11 late cancel e
        2026-01-12 late change e 500
        # Back after the end, at its last MRR.
        2026-01-13 lazarus start e 60
        2026-01-14 lazarus cancel e
        2026-02-14 lazarus resume e
        # Started without an MRR, which is told later.
        2026-01-15 bare start e
        2026-02-15 bare change e 70
        # A term that ends before it begins.
        2026-01-20 back start f 50 until=2026-01-19
        # Nothing a month, and back from it.
        2026-01-21 zero start g 0
        2026-02-21 zero change g 10
        2026-02-22 zero change g 0
        2026-02-23 zero change g 20
        # No rate: left as it was.
        2026-02-24 zero change g 30GBP
        ",
        Length::Month,
        "2026-02",
        &expect![[r#"
            2026-01: customers 0 +4 +0 -0 = 4, MRR 0 new +1110 expansion +50 churned -460 = 700, kept 0, opening end 0
            2026-02: customers 4 +3 +1 -0 = 8, MRR 700 new +1080 churned -10 reactivation +80 = 1850, kept 700, opening end 700
            unknown_subscription 5
            started_twice 1
            changed_after_end 1
            revived_after_end 1
            started_without_mrr 1
            term_before_begin 1
        "#]],
    );
}

#[test]
fn more_subscriptions_than_are_told_apart_are_counted() {
    let starts = (0..10).map(|n| format!("2026-01-{:02} many start s{n} 100", n + 1));
    let text = starts.collect::<Vec<_>>().join("\n");
    check(
        "UTC",
        &text,
        Length::Month,
        "2026-01",
        &expect![[r#"
        2026-01: customers 0 +1 +0 -0 = 1, MRR 0 new +100 expansion +700 = 800, kept 0, opening end 0
        too_many_subscriptions 2
    "#]],
    );
}

/// Whatever the order of their ids: the old one cancelled and the new one started at once is one movement.
#[test]
fn a_swap_of_subscriptions_at_one_instant_is_one_movement() {
    check(
        "UTC",
        "
        2026-01-05 up start a 100
        2026-01-05 down start a 100
        2026-01-05 same start a 100
        2026-01-05 over start a 100
        2026-01-05 again start a 100
        2026-02-05 up cancel a
        2026-02-05 up start b 150
        2026-02-06 down start b 60
        2026-02-06 down cancel a
        2026-02-07 same cancel a
        2026-02-07 same start b 40
        2026-02-07 same start c 60
        # At 1.5 a euro: 66 EUR are 99 USD, the same worth.
        2026-02-08 over start b 66EUR
        2026-02-08 over cancel a
        2026-02-09 again cancel a
        2026-02-09 again start a 120
        # Begun and ended at once: never a customer.
        2026-02-10 none cancel a
        2026-02-10 none start a 500
        ",
        Length::Month,
        "2026-02",
        &expect![[r#"
            2026-01: customers 0 +5 +0 -0 = 5, MRR 0 new +500 = 500, kept 0, opening end 0
            2026-02: customers 5 +0 +0 -0 = 5, MRR 500 expansion +70 contraction -40 fx -1 = 529, kept 460, opening end 530
            revived_after_end 1
        "#]],
    );
}

#[test]
fn pauses_and_annual_plans_are_by_the_month() {
    check(
        "UTC",
        "
        2026-01-31 annual start a 1000 until=2027-01-31
        2026-02-01 pausing start b 500
        2026-02-14 pausing pause b
        2026-03-31 pausing resume b
        2026-04-10 pausing pause b
        2026-04-20 pausing resume b
        ",
        Length::Month,
        "2026-04",
        &expect![[r#"
            2026-01: customers 0 +1 +0 -0 = 1, MRR 0 new +1000 = 1000, kept 0, opening end 0
            2026-02: customers 1 +0 +0 -0 = 1, MRR 1000 new +500 churned -500 = 1000, kept 1000, opening end 1000
            2026-03: customers 1 +0 +1 -0 = 2, MRR 1000 reactivation +500 = 1500, kept 1000, opening end 1000
            2026-04: customers 2 +0 +0 -0 = 2, MRR 1500 churned -500 reactivation +500 = 1500, kept 1500, opening end 1500
        "#]],
    );
}

/// One drawn event: account, subscription, change, amount in units of 4, currency, minute.
type Drawn = (u8, u8, usize, Option<i64>, usize, i64);

fn drawn(count: usize, accounts: u8) -> impl Strategy<Value = Vec<Drawn>> {
    let amount = proptest::option::weighted(0.7, prop_oneof![Just(0_i64), 1..300_i64]);
    let minute = prop_oneof![
        0..60 * 24 * 1000_i64,
        (0..34_i64).prop_map(|month| month * 43_829 - month % 3),
        // Many at the same instant.
        (0..12_i64).prop_map(|month| month * 60 * 24 * 83),
    ];
    proptest::collection::vec((0..accounts, 0..3_u8, 0..CHANGES.len(), amount, 0..6_usize, minute), 1..count)
}

/// The events; with `switches` the subscriptions may go over to other currencies.
fn events_of(drawn: &[Drawn], switches: bool) -> Vec<Event<'static>> {
    let currencies = ["USD", "USD", "USD", "EUR", "EUR", "JPY"].map(|code| Currency::parse(code).unwrap());
    let start = instant("2025-05-01T00:00:00Z").ms();
    let event = |(index, (account, subscription, change, amount, currency, minute)): (usize, &Drawn)| Event {
        id: format!("e{index}").into(),
        time: Timestamp::clamped(start + minute * 60_000),
        account_id: format!("acct-{account}").into(),
        user_id: None,
        source: None,
        kind: Kind::Subscription {
            change: CHANGES[*change].1,
            terms: terms(
                &format!("s{subscription}"),
                amount.map(|amount| {
                    let currency = if switches { *currency } else { usize::from(account * 2 + subscription) % 6 };
                    Money { minor: amount * 4, currency: currencies[currency] }
                }),
            ),
        },
    };
    drawn.iter().enumerate().map(event).collect()
}

/// The ledger told the long way: every account's whole life is replayed for every question.
struct Naive<'e> {
    events: BTreeMap<&'e str, Vec<&'e Event<'static>>>,
    rules: &'e Rules,
}

/// Whether a change of a subscription belongs to a phase of an instant.
type Phase<'p> = dyn Fn(SubscriptionChange, &str) -> bool + 'p;

/// A subscription in the naive model: full amount, whether it counts, whether it has ended.
type Plain = BTreeMap<String, (Money, bool, bool)>;

impl<'e> Naive<'e> {
    fn new(events: &'e [Event<'static>], rules: &'e Rules) -> Naive<'e> {
        let mut by_account: BTreeMap<&str, Vec<&Event<'static>>> = BTreeMap::new();
        for event in events {
            by_account.entry(&event.account_id).or_default().push(event);
        }
        for own in by_account.values_mut() {
            own.sort_by_key(|event| (event.time, stable_hash(event.id.as_bytes())));
        }
        Naive { events: by_account, rules }
    }

    fn apply(state: &mut Plain, event: &Event<'_>) {
        let Kind::Subscription { change, terms } = &event.kind else { return };
        let nothing = (Money { minor: 0, currency: Currency::USD }, false, false);
        let is_new = !state.contains_key(&*terms.subscription);
        // What never started has no end.
        if is_new && *change == SubscriptionChange::Canceled {
            return;
        }
        let (full, counts, ended) = state.entry(terms.subscription.to_string()).or_insert(nothing);
        let is_price = !matches!(
            change,
            SubscriptionChange::Paused | SubscriptionChange::CancelScheduled | SubscriptionChange::Canceled
        );
        if let Some(mrr) = terms.mrr.filter(|mrr| mrr.minor > 0 || is_price) {
            *full = mrr;
        }
        match change {
            SubscriptionChange::Started | SubscriptionChange::Renewed | SubscriptionChange::Resumed => {
                (*counts, *ended) = (true, false);
            }
            // Paused, it stays so until it is told what is paid.
            SubscriptionChange::Changed if !*ended => *counts |= is_new || terms.mrr.is_some(),
            SubscriptionChange::CancelScheduled if !*ended => *counts |= is_new,
            SubscriptionChange::Paused => *counts = false,
            SubscriptionChange::Canceled => (*counts, *ended) = (false, true),
            _ => {}
        }
    }

    /// What happens at one instant: what runs ends first, what does not begins, changes and is paused before it ends.
    fn apply_all(state: &mut Plain, instant: &[&Event<'static>]) {
        use SubscriptionChange::{CancelScheduled, Canceled, Changed, Paused, Renewed, Resumed, Started};
        let told = |event: &Event<'static>| match &event.kind {
            Kind::Subscription { change, terms } => (*change, terms.subscription.to_string()),
            other => panic!("{other:?}"),
        };
        let begun = state.clone();
        let runs = |id: &str| begun.get(id).is_some_and(|(.., ended)| !ended);
        let pays = |id: &str| begun.get(id).is_some_and(|(_, counts, ended)| *counts && !ended);
        let also = |kind, id: &str| instant.iter().any(|event| told(event) == (kind, id.to_owned()));
        let (resumes, ends) = (|id: &str| also(Resumed, id), |id: &str| also(Canceled, id));
        let phases: [&Phase<'_>; 9] = [
            &|change, id| change == CancelScheduled && runs(id) && ends(id),
            &|change, id| change == Canceled && runs(id),
            &|change, id| change == Paused && pays(id) && resumes(id),
            &|change, _| change == Started,
            &|change, _| matches!(change, Resumed | Renewed),
            &|change, _| change == Changed,
            &|change, id| change == CancelScheduled && !(runs(id) && ends(id)),
            &|change, id| change == Paused && !(pays(id) && resumes(id)),
            &|change, id| change == Canceled && !runs(id),
        ];
        for phase in phases {
            for event in instant {
                let (change, id) = told(event);
                if phase(change, &id) {
                    Self::apply(state, event);
                }
            }
        }
    }

    fn sums(state: &Plain) -> BTreeMap<Currency, i64> {
        let mut sums: BTreeMap<Currency, i64> = BTreeMap::new();
        for (full, counts, _) in state.values() {
            *sums.entry(full.currency).or_default() += if *counts { full.minor } else { 0 };
        }
        sums
    }

    fn worth(&self, state: &Plain, month: Month) -> i64 {
        let valuation = self.rules.valuation();
        Self::sums(state)
            .into_iter()
            .map(|(currency, minor)| valuation.in_month(Money { minor, currency }, month))
            .sum()
    }

    fn pays(state: &Plain) -> bool {
        state.values().any(|(full, counts, _)| *counts && full.minor > 0)
    }

    /// How an account moves by `moved` that pays before and after.
    fn change_of_price(&self, moved: &BTreeMap<Currency, i64>, month: Month) -> Flow {
        let worth = |sign: i64| -> i64 {
            let amounts =
                moved.iter().map(|(currency, minor)| Money { minor: (minor * sign).max(0), currency: *currency });
            amounts.map(|money| self.rules.valuation().in_month(money, month)).sum()
        };
        let (less, more) = (worth(-1), worth(1));
        let is_switch = moved.values().any(|minor| *minor < 0) && moved.values().any(|minor| *minor > 0);
        match more - less {
            by if is_switch && by.abs() * 20 <= less => Flow::Fx,
            by if by > 0 => Flow::Expansion,
            _ => Flow::Contraction,
        }
    }

    /// What one account adds to a period, and its MRR and whether it pays at the start.
    fn account(&self, events: &[&Event<'static>], period: Period) -> (i64, bool, Cell) {
        let zone = self.rules.kpis.time_zone;
        let (from, to) = period.days();
        let (from, to) = (zone.start(from), zone.start(to));
        let mut state = Plain::new();
        let mut ever = false;
        let mut cell = Cell::default();
        let mut instants = events.chunk_by(|one, next| one.time == next.time).peekable();
        while let Some(instant) = instants.next_if(|instant| instant[0].time < from) {
            Self::apply_all(&mut state, instant);
            ever |= Self::pays(&state);
        }
        let base = period.first.plus(-1);
        let (start, paid, ever_before) = (self.worth(&state, base), Self::pays(&state), ever);
        let mut rates = BTreeMap::new();
        let mut month = base;
        while month < period.last() {
            month = month.plus(1);
            let held = Self::sums(&state);
            let mut lines: BTreeMap<(Flow, Currency), i64> = BTreeMap::new();
            while let Some(instant) =
                instants.next_if(|instant| instant[0].time < to && zone.month(instant[0].time) == month)
            {
                let before = state.clone();
                Self::apply_all(&mut state, instant);
                let mut moved = Self::sums(&state);
                for (currency, minor) in Self::sums(&before) {
                    *moved.entry(currency).or_default() -= minor;
                }
                if moved.values().all(|minor| *minor == 0) {
                    continue;
                }
                let flow = match (Self::pays(&before), Self::pays(&state)) {
                    (false, _) if ever => Flow::Reactivation,
                    (false, _) => Flow::New,
                    (_, false) => Flow::Churned,
                    _ => self.change_of_price(&moved, month),
                };
                ever = true;
                cell.moved[flow as usize] += 1;
                for (currency, minor) in moved {
                    *lines.entry((flow, currency)).or_default() += minor;
                }
            }
            self.at_steady_rates(month, held, &lines, base, &mut rates, &mut cell);
        }
        let (end, pays) = (self.worth(&state, month), Self::pays(&state));
        let moved: i64 = cell.moved_minor.iter().sum();
        cell.moved_minor[Flow::Fx as usize] = end - start - moved;
        cell.acquired = i64::from(!paid && pays && !ever_before);
        cell.returned = i64::from(!paid && pays && ever_before);
        cell.lost = i64::from(paid && !pays);
        if paid {
            let end = if pays { (start + moved).max(0) } else { 0 };
            cell.gone_minor = start - end.min(start);
            cell.opening_change_minor = end - start;
        }
        (start, paid, cell)
    }

    /// Adds what the `lines` of a month move at the rates with which the period began: of a flow from some currencies to
    /// others, what comes in is worth as much as goes out if that is all (`fx`), else in the proportion of that month.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // amounts are small
    fn at_steady_rates(
        &self,
        month: Month,
        mut held: BTreeMap<Currency, i64>,
        lines: &BTreeMap<(Flow, Currency), i64>,
        base: Month,
        rates: &mut BTreeMap<Currency, f64>,
        cell: &mut Cell,
    ) {
        let valuation = self.rules.valuation();
        let major = |minor: i64, currency: Currency| minor as f64 / 10_f64.powi(i32::from(currency.minor_digits()));
        let mut rest = vec![Flow::Fx, Flow::New, Flow::Expansion, Flow::Contraction, Flow::Churned, Flow::Reactivation];
        while !rest.is_empty() {
            // The first that takes out only what is there.
            let takes_too_much = |flow: &Flow| {
                let left = |currency, minor| held.get(currency).unwrap_or(&0) + minor;
                lines.iter().any(|((known, currency), minor)| known == flow && *minor < 0 && left(currency, minor) < 0)
            };
            let flow = rest.remove(rest.iter().position(|flow| !takes_too_much(flow)).unwrap_or(0));
            let own: Vec<_> = lines.iter().filter(|((known, _), _)| *known == flow).collect();
            let has = |sign: i64| own.iter().any(|(_, minor)| **minor * sign > 0);
            let is_exchange = has(1) && has(-1) && matches!(flow, Flow::Fx | Flow::Expansion | Flow::Contraction);
            let (mut out, mut out_steady, mut into) = (0.0, 0.0, 0.0);
            for ((_, currency), minor) in &own {
                let steady = *rates.entry(*currency).or_insert_with(|| valuation.rate(*currency, base));
                if !is_exchange {
                    if flow != Flow::Fx {
                        let money = Money { minor: **minor, currency: *currency };
                        cell.moved_minor[flow as usize] += valuation.at_rate(money, steady);
                    }
                } else if **minor < 0 {
                    out -= major(**minor, *currency) * valuation.rate(*currency, month);
                    out_steady -= major(**minor, *currency) * steady;
                } else {
                    into += major(**minor, *currency) * valuation.rate(*currency, month);
                }
                if **minor < 0 || !is_exchange {
                    *held.entry(*currency).or_default() += **minor;
                }
            }
            if !is_exchange {
                continue;
            }
            let scale = out_steady / if flow == Flow::Fx { into } else { out };
            for ((_, currency), minor) in own.into_iter().filter(|(_, minor)| **minor > 0) {
                let had = held.entry(*currency).or_default();
                let (had_worth, came) = (major(*had, *currency), major(*minor, *currency));
                // What went out within the month may not have come in yet.
                if had_worth + came > 0.0 {
                    let rate = rates.get_mut(currency).unwrap();
                    *rate = (had_worth * *rate + came * valuation.rate(*currency, month) * scale) / (had_worth + came);
                }
                *had += *minor;
            }
            if flow != Flow::Fx {
                let digits = i32::from(valuation.currency.minor_digits());
                cell.moved_minor[flow as usize] += ((into * scale - out_steady) * 10_f64.powi(digits)).round() as i64;
            }
        }
    }

    /// What the accounts that first paid in `activated` pay at the end of `month`, at the rates of `activated`.
    fn stays(&self, activated: Month, month: Month) -> i64 {
        let zone = self.rules.kpis.time_zone;
        let mut sum = 0;
        for events in self.events.values() {
            let (mut state, mut first) = (Plain::new(), None);
            let past = events.chunk_by(|one, next| one.time == next.time);
            for instant in past.take_while(|instant| zone.month(instant[0].time) <= month) {
                Self::apply_all(&mut state, instant);
                first = first.or(Self::pays(&state).then(|| zone.month(instant[0].time)));
            }
            sum += if first == Some(activated) { self.worth(&state, activated) } else { 0 };
        }
        sum
    }

    /// Whether an account, at one instant, gives up what it pays in one currency and takes on more in another. To the product
    /// that is an exchange, by which the new currency is worth what the old one was: no matter of this model's.
    fn exchanges(&self) -> bool {
        self.events.values().any(|events| {
            let mut state = Plain::new();
            events.chunk_by(|one, next| one.time == next.time).any(|instant| {
                let before = Self::sums(&state);
                Self::apply_all(&mut state, instant);
                let moved = |(currency, minor): (Currency, i64)| minor - before.get(&currency).copied().unwrap_or(0);
                let moved: Vec<i64> = Self::sums(&state).into_iter().map(moved).collect();
                moved.iter().any(|minor| *minor < 0) && moved.iter().any(|minor| *minor > 0)
            })
        })
    }

    fn at(&self, period: Period) -> Standing {
        let mut standing = Standing::default();
        for events in self.events.values() {
            let (start, paid, cell) = self.account(events, period);
            standing.add(&Standing { customers: i64::from(paid), mrr_minor: start, cell });
        }
        standing
    }
}

/// What is compared with the model; the number of `fx` movements means nothing, and the revenue of cohorts is compared apart.
fn comparable(mut standing: Standing) -> Standing {
    standing.cell.moved[Flow::Fx as usize] = 0;
    standing.cell.grown_steady_minor = 0;
    standing
}

/// Whether two are the same but for the rounding of rates that are no fractions: a minor unit an account and movement.
fn is_near(one: &Standing, other: &Standing, units: i64) -> bool {
    let amounts = |standing: &Standing| {
        let Cell { moved_minor, gone_minor, opening_change_minor, .. } = standing.cell;
        moved_minor.into_iter().chain([gone_minor, opening_change_minor]).collect::<Vec<_>>()
    };
    let rounded = Standing {
        cell: Cell {
            moved_minor: other.cell.moved_minor,
            gone_minor: other.cell.gone_minor,
            opening_change_minor: other.cell.opening_change_minor,
            ..one.cell
        },
        ..*one
    };
    rounded == *other && amounts(one).iter().zip(amounts(other)).all(|(one, other)| (one - other).abs() <= units)
}

fn agrees_with_the_model(
    tables: &Tables,
    events: &[Event<'static>],
    rules: &Rules,
    switches: bool,
) -> Result<(), TestCaseError> {
    let naive = Naive::new(events, rules);
    let total = tables.total();
    let (first, last) = (Month::new(2025, 4), Month::new(2028, 3));
    for length in Length::ALL {
        let mut period = length.of(first);
        while period <= length.of(last) {
            let standing = total.at(period);
            let (told, model) = (comparable(standing), comparable(naive.at(period)));
            prop_assert!(is_near(&told, &model, if switches { 3 } else { 0 }), "{period}: {told:?}, not {model:?}");
            let moved: i64 = standing.cell.moved_minor.iter().sum();
            prop_assert_eq!(standing.mrr_end_minor(), standing.mrr_minor + moved);
            prop_assert_eq!(standing.mrr_end_minor(), total.at(period.next()).mrr_minor);
            prop_assert_eq!(standing.customers_end(), total.at(period.next()).customers);
            period = period.next();
        }
    }
    let is_comparable = !switches && !naive.exchanges();
    for (activated, group) in tables.cohorts.iter().filter(|_| is_comparable) {
        for (k, (_, minor)) in (0..).zip(group.ends(*activated, 30)) {
            prop_assert_eq!(minor, naive.stays(*activated, activated.plus(k)), "{} k{}", activated, k);
        }
    }
    // Cohorts and every other way to divide the accounts come to the same.
    for month in (first.number()..last.number()).map(|number| Length::Month.of(Month::from_number(number))) {
        let mut cohorts = Standing::default();
        tables.cohorts.iter().for_each(|(_, group)| cohorts.add(&group.at(month)));
        prop_assert_eq!(cohorts, total.at(month));
        for dimension in &tables.dimensions {
            let mut sum = Standing::default();
            dimension.groups.iter().for_each(|(_, group)| sum.add(&group.at(month)));
            prop_assert_eq!(sum, total.at(month));
        }
    }
    Ok(())
}

const ZONES: [&str; 4] = ["UTC", "Europe/Berlin", "America/Los_Angeles", "Pacific/Kiritimati"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_agrees_with_a_naive_model_in_any_order(
        (drawn, order) in drawn(22, 3).prop_flat_map(|drawn| {
            let order = Just((0..drawn.len()).collect::<Vec<_>>()).prop_shuffle();
            (Just(drawn), order)
        }),
        zone in 0..ZONES.len(),
        switches in any::<bool>(),
    ) {
        let rules = rules_in(ZONES[zone]);
        let events = events_of(&drawn, switches);
        let disordered: Vec<_> = order.iter().map(|index| events[*index].clone()).collect();
        let engine = engine(&disordered, Arc::clone(&rules));
        agrees_with_the_model(engine.kpis(), &events, &rules, switches)?;
    }

    #[test]
    fn a_long_timeline_that_is_folded_agrees_as_well(
        drawn in drawn(80, 1),
        zone in 0..ZONES.len(),
        switches in any::<bool>(),
    ) {
        let rules = rules_in(ZONES[zone]);
        let mut events = events_of(&drawn, switches);
        events.sort_by_key(|event| (event.time, stable_hash(event.id.as_bytes())));
        let engine = engine(&events, Arc::clone(&rules));
        prop_assert_eq!(engine.kpis().left_out, 0);
        agrees_with_the_model(engine.kpis(), &events, &rules, switches)?;
    }
}

/// Down to nothing and back, twice a month for years: what is folded is what was paid when, so no movement changes its sign.
#[test]
fn every_movement_of_a_folded_ledger_keeps_its_sign() {
    let change = |index: usize| {
        let month = Month::new(2010, 1).plus(i32::try_from(index / 4).unwrap());
        let day = ["05", "10", "15", "20"][index % 4];
        let change = if index == 0 { "start a 100" } else { ["resume a", "pause a"][index % 2] };
        parse(&format!("{month}-{day} old {change}"), index)
    };
    for len in (40..400).step_by(7) {
        let events: Vec<_> = (0..len).map(change).collect();
        let engine = engine(&events, rules_in("UTC"));
        let book = engine.account("old").unwrap().billing.as_ref().unwrap().book(engine.rules().valuation());
        for line in &book.lines {
            let is_less = matches!(line.flow, Flow::Contraction | Flow::Churned);
            assert!(if is_less { line.minor < 0 } else { line.minor >= 0 }, "{len}: {line:?}");
        }
        let month = engine.rules().kpis.time_zone.month(events[len - 1].time);
        assert_eq!(Census::of(&engine, events[len - 1].time).check(month), Ok(()));
        let told: i64 = book.lines.iter().map(|line| i64::from(line.count)).sum();
        assert_eq!(told + i64::from(book.left_out), i64::try_from(len).unwrap());
    }
}

/// Years of monthly ups and downs: the bound holds, the end is right, and what was left out is counted.
#[test]
fn what_is_left_out_of_a_very_long_ledger_is_counted() {
    let events: Vec<_> = (0..300_usize)
        .map(|index| {
            let month = Month::new(2001, 1).plus(i32::try_from(index).unwrap());
            let change = if index == 0 { "start" } else { "change" };
            parse(&format!("{month}-15 old {change} a {}", 1_000 + index % 7 * 100), index)
        })
        .collect();
    let engine = engine(&events, rules_in("UTC"));
    let total = engine.kpis().total();
    let last = Length::Month.of(Month::new(2025, 12));
    assert_eq!(engine.kpis().left_out, 300 - 24 - i64::try_from(LINES_MAX).unwrap());
    assert_eq!(total.at(last).mrr_end_minor(), 1_000 + 299 % 7 * 100);
    let account = engine.account("old").unwrap();
    let book = account.billing.as_ref().unwrap().book(engine.rules().valuation());
    assert!(book.lines.len() <= LINES_MAX + 24);
    let months: BTreeSet<Month> = book.lines.iter().map(|line| line.month).collect();
    assert_eq!(months.first().unwrap().to_string(), "2001-01");
}

#[test]
fn the_history_of_an_account_belongs_to_its_present_segment() {
    let text = "
        2026-01-05 acme start a 100 plan=starter
        2026-01-06 acme trait region EU
        2026-01-07 acme trait employees 120
        2026-01-08 beta start b 300 plan=team
        2026-02-05 acme change a 200 plan=team
        2026-03-01 acme trait region US
    ";
    let shown = |text: &str| {
        let events = script(text);
        let engine = engine(&events, rules_in("UTC"));
        let names = ["segment"].into_iter().chain(engine.rules().kpis.dimensions.iter().map(String::as_str));
        let mut shown = String::new();
        for (name, dimension) in names.zip(&engine.kpis().normal().dimensions) {
            for (value, group) in &dimension.groups {
                let month = Length::Month.of(Month::new(2026, 2));
                writeln!(shown, "{name} {value}: {}", group.at(month).mrr_minor).unwrap();
            }
        }
        shown
    };
    expect![[r#"
        segment team: 400
        channel unknown: 400
        employees 50-249: 100
        employees unknown: 300
        industry unknown: 400
        plan team: 400
        region US: 100
        region unknown: 300
    "#]]
    .assert_eq(&shown(text));
}

/// What is counted by day, as of `today`.
fn counted(text: &str, today: &str) -> String {
    let events = script(text);
    let engine = engine(&events, rules_in("UTC"));
    let reversed: Vec<_> = events.iter().rev().cloned().collect();
    assert_eq!(engine.kpis().days.normal(), self::engine(&reversed, rules_in("UTC")).kpis().days.normal());
    let (days, now) = (&engine.kpis().days, instant(today));
    let today = now.day();
    let mut shown = format!("{:?}\n", SignUps::at(days, now, &Rules::default().kpis));
    for card in super::days::Card::ALL {
        let trials = super::starts::Trials::at(days, today, card);
        if trials != super::starts::Trials::default() {
            writeln!(shown, "card {}: {trials:?}", card.name()).unwrap();
        }
    }
    let month = Length::Month.of(Zone::UTC.month(today.start()));
    writeln!(shown, "{:?}", super::renewals::Renewals::at(days, month, today)).unwrap();
    writeln!(shown, "{:?}", super::satisfaction::Voices::at(days, today)).unwrap();
    shown
}

#[test]
fn sign_ups_are_judged_when_they_are_old_enough() {
    let text = "
        2026-01-01 old use
        2026-03-01 early trial
        2026-03-20 early onboarded
        2026-03-02 stays use
        2026-03-12 stays use
        2026-03-03 goes use
        2026-03-09 goes use
        2026-03-30 young use
    ";
    expect![[r#"
        SignUps { all: 4, onboarding_due: 3, onboarded: 1, drop_off_due: 3, dropped_off: 1 }
        card unknown: Trials { started: 1, ended: 0, converted: 0, churned: 0 }
        Renewals { due: 0, renewed: 0, due_minor: 0, renewed_minor: 0 }
        Voices { sent: [0, 0], answered: [0, 0], csat: [0, 0, 0], nps: [0, 0, 0] }
    "#]]
    .assert_eq(&counted(text, "2026-04-10"));
    // At the end of a date, those of as many days before are as old.
    let days = &engine(&script(text), rules_in("UTC")).kpis().days.clone();
    let judged = ["2026-03-31T23:59:59.998Z", "2026-03-31T23:59:59.999Z"].map(|now| {
        let SignUps { onboarding_due, drop_off_due, .. } = SignUps::at(days, instant(now), &Rules::default().kpis);
        (onboarding_due, drop_off_due)
    });
    assert_eq!(judged, [(1, 4), (2, 4)]);
    // Also where the clocks went forward in between.
    let rules = rules_in("Europe/Berlin");
    let days = &engine(&script(text), Arc::clone(&rules)).kpis().days.clone();
    let end = instant("2026-03-31T21:59:59.999Z");
    assert_eq!(SignUps::at(days, end, &rules.kpis).onboarding_due, 2);
}

/// Who first pays after a trial has begun has converted, whatever was told of a subscription before that.
#[test]
fn a_trial_after_a_free_plan_converts_by_paying() {
    let text = "
        2026-01-02 free start plan 0
        2026-02-01 free trial until=2026-02-20
        2026-02-15 free start pro 100
        2026-02-01 early start s 0
        2026-02-02 early trial until=2026-02-16
        2026-02-16 early change s 100
        2026-01-02 stray cancel s
        2026-02-03 stray trial until=2026-02-17
        2026-02-10 stray start s 100
        2026-01-02 paid start s 100
        2026-02-04 paid trial until=2026-02-18
    ";
    let trials = counted(text, "2026-03-01");
    expect![["card unknown: Trials { started: 4, ended: 4, converted: 3, churned: 0 }"]]
        .assert_eq(trials.lines().find(|line| line.starts_with("card")).unwrap());
}

#[test]
fn active_users_are_those_of_the_days_that_end_with_the_present_one() {
    let days = ["2026-01-31", "2026-02-01", "2026-02-22", "2026-02-23", "2026-02-24", "2026-03-02"];
    let line = |day: &str| format!("{day} acme use user=of-{day}\n{day} acme use user=ann\n");
    let engine = engine(&script(&days.map(line).concat()), rules_in("UTC"));
    let active = Live::of(engine.totals(), instant("2026-03-02").day()).active_users;
    assert_eq!(active, [2, 3, 6]);
}

#[test]
fn trials_end_by_conversion_expiry_date_or_age() {
    let text = "
        2026-01-05 converts trial card=yes until=2026-01-19
        2026-01-12 converts start a 100
        2026-02-20 converts cancel a
        2026-01-06 told trial card=no
        2026-01-20 told converted
        2026-01-07 expires trial card=no
        2026-01-21 expires expired
        2026-01-08 ends trial card=no until=2026-01-22
        2026-01-08 runs trial card=no until=2026-04-22
        2026-01-09 endless trial
        2026-01-10 endless trial
    ";
    expect![[r#"
        SignUps { all: 6, onboarding_due: 6, onboarded: 0, drop_off_due: 6, dropped_off: 6 }
        card with: Trials { started: 1, ended: 1, converted: 1, churned: 1 }
        card without: Trials { started: 4, ended: 3, converted: 1, churned: 0 }
        card unknown: Trials { started: 1, ended: 0, converted: 0, churned: 0 }
        Renewals { due: 0, renewed: 0, due_minor: 0, renewed_minor: 0 }
        Voices { sent: [0, 0], answered: [0, 0], csat: [0, 0, 0], nps: [0, 0, 0] }
    "#]]
    .assert_eq(&counted(text, "2026-03-01"));
    expect![[r#"
        SignUps { all: 0, onboarding_due: 0, onboarded: 0, drop_off_due: 0, dropped_off: 0 }
        card with: Trials { started: 1, ended: 1, converted: 1, churned: 1 }
        card without: Trials { started: 4, ended: 4, converted: 1, churned: 0 }
        card unknown: Trials { started: 1, ended: 1, converted: 0, churned: 0 }
        Renewals { due: 0, renewed: 0, due_minor: 0, renewed_minor: 0 }
        Voices { sent: [0, 0], answered: [0, 0], csat: [0, 0, 0], nps: [0, 0, 0] }
    "#]]
    .assert_eq(&counted(text, "2026-04-30"));
}

#[test]
fn trials_that_cannot_be_have_a_result_and_are_counted() {
    let text = "
        2026-01-05 backward trial until=2026-01-01
        2026-01-05 forever trial until=2099-01-01
        2026-01-05 year trial until=2027-01-05
        2026-01-06 unstarted converted
        2026-01-07 late trial until=2026-02-07
        2026-01-03 late expired
    ";
    let engine = engine(&script(text), rules_in("UTC"));
    let days = &engine.kpis().days;
    let mut shown = String::new();
    for today in ["2026-01-31", "2026-12-31", "2027-12-31"] {
        let until = Day::new(0)..Day::new(instant(today).day().number() + 1);
        let trials = super::starts::Trials::at(days, instant(today).day(), super::days::Card::Unknown);
        let counts = [Count::TrialsEndless, Count::TrialsMisdated, Count::TrialsUnstarted];
        let [endless, misdated, unstarted] = counts.map(|count| days.sum(count, until.clone()));
        writeln!(shown, "{today}: {trials:?}, endless {endless}, misdated {misdated}, unstarted {unstarted}").unwrap();
    }
    expect![[r#"
        2026-01-31: Trials { started: 5, ended: 2, converted: 1, churned: 0 }, endless 0, misdated 2, unstarted 2
        2026-12-31: Trials { started: 5, ended: 4, converted: 1, churned: 0 }, endless 2, misdated 2, unstarted 2
        2027-12-31: Trials { started: 5, ended: 5, converted: 1, churned: 0 }, endless 2, misdated 2, unstarted 2
    "#]]
    .assert_eq(&shown);
}

#[test]
fn renewals_are_due_on_the_last_day_of_a_term() {
    let text = "
        2025-03-10 told start a 1000 until=2026-03-10
        2026-03-08 told renew a 1100 until=2027-03-10
        2025-03-11 goes-on start b 200 until=2026-03-11
        2025-03-12 ends start c 300 until=2026-03-12
        2026-03-02 ends cancel c
        2025-03-13 lapses start d 400 until=2026-03-13
        2026-03-25 lapses cancel d
        2025-03-14 scheduled start e 500 until=2026-03-14
        2026-03-01 scheduled schedule e
        2025-03-28 not-yet start f 600 until=2026-03-28
    ";
    expect![[r#"
        SignUps { all: 0, onboarding_due: 0, onboarded: 0, drop_off_due: 0, dropped_off: 0 }
        Renewals { due: 5, renewed: 2, due_minor: 2400, renewed_minor: 1200 }
        Voices { sent: [0, 0], answered: [0, 0], csat: [0, 0, 0], nps: [0, 0, 0] }
    "#]]
    .assert_eq(&counted(text, "2026-03-20"));
    expect![[r#"
        SignUps { all: 0, onboarding_due: 0, onboarded: 0, drop_off_due: 0, dropped_off: 0 }
        Renewals { due: 6, renewed: 3, due_minor: 3000, renewed_minor: 1800 }
        Voices { sent: [0, 0], answered: [0, 0], csat: [0, 0, 0], nps: [0, 0, 0] }
    "#]]
    .assert_eq(&counted(text, "2026-03-31"));
}

/// A term has ended as the subscription stood 30 days after, at the price it had when it ended.
#[test]
fn what_comes_long_after_a_term_says_nothing_of_it() {
    let began = |account: &str| format!("2025-03-10 {account} start s 1000 until=2026-03-10\n");
    let told = [
        "",
        "2026-06-01 a pause s",
        "2026-06-01 a schedule s",
        "2026-06-01 a cancel s",
        "2026-06-01 a change s 0",
        "2026-06-01 a change s 5000",
        "2026-03-10 a change s 5000",
        "2026-03-09 a change s 5000",
        "2026-03-09 a change s 0",
        "2026-03-20 a pause s",
        "2026-03-20 a pause s\n2026-04-20 a resume s",
        "2026-03-20 a pause s\n2026-04-01 a resume s",
        "2026-03-20 a schedule s effective=2026-04-01",
        "2026-03-20 a schedule s effective=2026-05-01",
        "2026-03-01 a cancel s\n2026-03-05 a resume s",
        "2026-03-01 a renew s\n2026-08-01 a cancel s",
        "2026-03-01 a renew s until=2027-03-10\n2026-03-05 a cancel s",
        "2026-03-10 a cancel s\n2026-03-12 a start s until=2027-03-12",
        "2026-03-10 a cancel s\n2026-03-12 a start s",
        "2026-03-10 a cancel s\n2026-05-12 a start s",
        "2026-03-01 a pause s\n2026-03-20 a resume s until=2027-03-20",
        "2026-03-01 a pause s\n2026-05-20 a resume s until=2027-05-20",
    ];
    let mut shown = String::new();
    for told in told {
        let engine = engine(&script(&(began("a") + told)), rules_in("UTC"));
        let month = Length::Month.of(Month::new(2026, 3));
        let found = super::renewals::Renewals::at(&engine.kpis().days, month, instant("2026-12-31").day());
        let super::renewals::Renewals { due, renewed, due_minor, renewed_minor } = found;
        writeln!(shown, "{}: {renewed} of {due}, {renewed_minor} of {due_minor}", told.replace('\n', ", ")).unwrap();
    }
    expect![[r#"
        : 1 of 1, 1000 of 1000
        2026-06-01 a pause s: 1 of 1, 1000 of 1000
        2026-06-01 a schedule s: 1 of 1, 1000 of 1000
        2026-06-01 a cancel s: 1 of 1, 1000 of 1000
        2026-06-01 a change s 0: 1 of 1, 1000 of 1000
        2026-06-01 a change s 5000: 1 of 1, 1000 of 1000
        2026-03-10 a change s 5000: 1 of 1, 1000 of 1000
        2026-03-09 a change s 5000: 1 of 1, 5000 of 5000
        2026-03-09 a change s 0: 0 of 0, 0 of 0
        2026-03-20 a pause s: 0 of 1, 0 of 1000
        2026-03-20 a pause s, 2026-04-20 a resume s: 0 of 1, 0 of 1000
        2026-03-20 a pause s, 2026-04-01 a resume s: 1 of 1, 1000 of 1000
        2026-03-20 a schedule s effective=2026-04-01: 0 of 1, 0 of 1000
        2026-03-20 a schedule s effective=2026-05-01: 1 of 1, 1000 of 1000
        2026-03-01 a cancel s, 2026-03-05 a resume s: 1 of 1, 1000 of 1000
        2026-03-01 a renew s, 2026-08-01 a cancel s: 1 of 1, 1000 of 1000
        2026-03-01 a renew s until=2027-03-10, 2026-03-05 a cancel s: 0 of 1, 0 of 1000
        2026-03-10 a cancel s, 2026-03-12 a start s until=2027-03-12: 1 of 1, 1000 of 1000
        2026-03-10 a cancel s, 2026-03-12 a start s: 1 of 1, 1000 of 1000
        2026-03-10 a cancel s, 2026-05-12 a start s: 0 of 1, 0 of 1000
        2026-03-01 a pause s, 2026-03-20 a resume s until=2027-03-20: 1 of 1, 1000 of 1000
        2026-03-01 a pause s, 2026-05-20 a resume s until=2027-05-20: 0 of 1, 0 of 1000
    "#]]
    .assert_eq(&shown);
}

#[test]
fn surveys_and_ratings_grow_old() {
    let text = "
        2026-01-05 acme asked nps
        2026-01-05 acme asked nps
        2026-01-06 acme asked csat
        2026-01-07 acme nps 9 user=ann
        2026-01-08 acme csat 2 user=ann
        2026-02-08 acme csat 5 user=ann
        2026-02-08 acme csat 3 user=bob
    ";
    expect![[r#"
        SignUps { all: 0, onboarding_due: 0, onboarded: 0, drop_off_due: 0, dropped_off: 0 }
        Renewals { due: 0, renewed: 0, due_minor: 0, renewed_minor: 0 }
        Voices { sent: [2, 1], answered: [1, 3], csat: [1, 1, 0], nps: [1, 0, 0] }
    "#]]
    .assert_eq(&counted(text, "2026-03-01"));
    expect![[r#"
        SignUps { all: 0, onboarding_due: 0, onboarded: 0, drop_off_due: 0, dropped_off: 0 }
        Renewals { due: 0, renewed: 0, due_minor: 0, renewed_minor: 0 }
        Voices { sent: [0, 0], answered: [0, 0], csat: [1, 1, 0], nps: [1, 0, 0] }
    "#]]
    .assert_eq(&counted(text, "2026-06-01"));
}

/// Segments by plan: any name is one, no name or a blank one is `unknown`, `other` itself is not what is told together.
#[test]
fn plans_that_are_unknown_blank_or_called_other_are_told_apart() {
    let text = "
        2026-01-05 a start s 100 plan=brandnew
        2026-01-06 a change s 120
        2026-01-05 b start s 100
        2026-01-05 c start s 100 plan=other
        2026-01-05 d start s 100 plan=BLANK
        2026-01-05 e start s 100 plan=late
    ";
    let rules = Rules { segment_by: "plan".to_owned(), segments_max: 3, ..Rules::clone(&rules_in("UTC")) };
    let mut events = script(text);
    for event in &mut events {
        if let Kind::Subscription { terms, .. } = &mut event.kind
            && terms.plan.as_deref() == Some("BLANK")
        {
            terms.plan = Some(" ".into());
        }
    }
    let engine = engine(&events, Arc::new(rules));
    let customers = |group: &super::tables::Group| group.at(Length::Month.of(Month::new(2026, 1))).customers_end();
    let groups = &engine.kpis().dimensions[0].groups;
    let mut told: Vec<_> = groups.iter().map(|(name, group)| format!("{name} {}", customers(group))).collect();
    told.sort();
    assert_eq!(told, ["brandnew 1", "other (value) 1", "other 1", "unknown 2"]);
}

/// What was said counts for 180 days, whether or not the account is still there, without anybody looking at it again.
#[test]
fn the_answers_of_leavers_count_until_they_are_old() {
    let text = "
        2026-01-05 acme start s 100
        2026-01-10 acme nps 3 user=ann
        2026-01-12 acme nps 10 user=bob
        2026-01-20 acme cancel s
    ";
    let engine = engine(&script(text), rules_in("UTC"));
    let nps = |day: &str| {
        super::satisfaction::Voices::at(&engine.kpis().days, crate::units::calendar::parse_day(day).unwrap()).nps
    };
    assert_eq!(nps("2026-01-11"), [0, 0, 1]);
    assert_eq!(nps("2026-07-08"), [1, 0, 1]);
    assert_eq!(nps("2026-07-09"), [1, 0, 0]);
    assert_eq!(nps("2026-07-11"), [0, 0, 0]);
}

/// Every survey and every answer counts, however many an account keeps to judge it by.
#[test]
fn many_surveys_and_answers_are_all_counted() {
    let mut text = String::new();
    for number in 0..200_u32 {
        let day = Day::new(20_000 + u16::try_from(number % 80).unwrap());
        writeln!(text, "{} acme asked nps", crate::units::calendar::day_text(day)).unwrap();
        if number % 10 < 3 {
            writeln!(text, "{} acme nps 9 user=u{number}", crate::units::calendar::day_text(day)).unwrap();
        }
    }
    let mut events = script(&text);
    // An answer told again, long after its id has been forgotten, is the same answer.
    let repeated = events.iter().find(|event| event.user_id.as_deref() == Some("u72")).cloned();
    events.extend(repeated);
    let engine = engine(&events, Arc::new(Rules { dedup_window: Span::from_ms(1), ..Rules::clone(&rules_in("UTC")) }));
    assert_eq!(engine.counts().duplicates, 0, "its id is still known");
    let voices = super::satisfaction::Voices::at(&engine.kpis().days, Day::new(20_080));
    assert_eq!((voices.sent, voices.answered), ([200, 0], [60, 0]));
}

/// Paused, it pays nothing until it goes on: an end that is scheduled meanwhile, or other seats, are no return.
#[test]
fn what_is_paused_stays_so_until_it_is_told_what_is_paid() {
    check(
        "UTC",
        "2026-01-05 a start s 10000
         2026-02-05 a pause s
         2026-03-05 a schedule s
         2026-04-01 a cancel s
         2026-01-05 b start s 10000
         2026-02-05 b pause s
         2026-03-05 b change s
         2026-04-05 b change s 7000",
        Length::Month,
        "2026-05",
        &expect![[r#"
            2026-01: customers 0 +2 +0 -0 = 2, MRR 0 new +20000 = 20000, kept 0, opening end 0
            2026-02: customers 2 +0 +0 -2 = 0, MRR 20000 churned -20000 = 0, kept 0, opening end 0
            2026-03: customers 0 +0 +0 -0 = 0, MRR 0 = 0, kept 0, opening end 0
            2026-04: customers 0 +0 +1 -0 = 1, MRR 0 reactivation +7000 = 7000, kept 0, opening end 0
            2026-05: customers 1 +0 +0 -0 = 1, MRR 7000 = 7000, kept 7000, opening end 7000
        "#]],
    );
}

/// An MRR of 0 told with a pause or an end is what is paid meanwhile: the price, and what was up for renewal, stay known.
#[test]
fn nothing_paid_while_paused_or_ended_is_no_price() {
    let text = "
        2025-03-10 pauses start s 100EUR until=2026-03-10
        2025-03-11 ends start s 200
        2025-03-12 scheduled start s 400
        2025-03-13 stays start s 800 until=2026-03-13
        2025-04-10 pauses pause s 0
        2025-04-11 ends cancel s 0
        2025-04-12 scheduled schedule s 0
        2026-02-13 stays pause s 0
        2026-03-20 pauses resume s
        2026-03-21 ends start s
        2026-03-22 scheduled renew s
    ";
    check(
        "UTC",
        text,
        Length::Year,
        "2026-03",
        &expect![[r#"
        2025: customers 0 +2 +0 -0 = 2, MRR 0 new +1550 churned -350 = 1200, kept 0, opening end 0
        2026: customers 2 +0 +2 -1 = 3, MRR 1200 churned -800 reactivation +350 fx -100 = 650, kept 400, opening end 400
        revived_after_end 1
    "#]],
    );
    expect![[r#"
        SignUps { all: 0, onboarding_due: 0, onboarded: 0, drop_off_due: 0, dropped_off: 0 }
        Renewals { due: 2, renewed: 1, due_minor: 1000, renewed_minor: 200 }
        Voices { sent: [0, 0], answered: [0, 0], csat: [0, 0, 0], nps: [0, 0, 0] }
    "#]]
    .assert_eq(&counted(text, "2026-03-31"));
}

/// Only who leaves is told to end by a schedule: that is no term, whether told as `effective_at` or as `term_ends_at`. A
/// term that was told before is due when it was told to be, and renewed if the end comes more than 30 days later.
#[test]
fn a_scheduled_end_is_no_term() {
    let text = "
        2026-01-05 monthly start s 1000
        2026-02-05 monthly schedule s effective=2026-03-05
        2026-03-05 monthly cancel s
        2026-01-06 another start s 2000
        2026-02-06 another schedule s until=2026-03-06
        2026-01-07 stays start s 4000
        2026-02-07 stays schedule s effective=2026-03-07
        2026-02-20 stays resume s
        2025-03-08 told start s 100 until=2026-03-08
        2026-02-08 told schedule s effective=2026-03-08
        2025-03-09 earlier start s 200 until=2026-03-09
        2026-01-09 earlier schedule s effective=2026-02-09
        2026-02-09 earlier cancel s
        2025-03-10 later start s 400 until=2026-03-10
        2026-02-10 later schedule s effective=2027-03-10
        2026-01-11 then start s 800
        2026-02-11 then schedule s effective=2026-04-11
        2026-02-12 then change s until=2026-03-12
    ";
    expect![[r#"
        SignUps { all: 4, onboarding_due: 4, onboarded: 0, drop_off_due: 4, dropped_off: 4 }
        Renewals { due: 4, renewed: 1, due_minor: 1500, renewed_minor: 400 }
        Voices { sent: [0, 0], answered: [0, 0], csat: [0, 0, 0], nps: [0, 0, 0] }
    "#]]
    .assert_eq(&counted(text, "2026-03-31"));
    let engine = engine(&script(text), rules_in("UTC"));
    let ends = ["monthly", "another", "stays", "told", "later"].map(|account| {
        let ends_at = engine.account(account).unwrap().billing.as_ref().unwrap().ledger.renewal_at();
        format!("{account} {:?}\n", ends_at.map(|at| at.to_string()))
    });
    expect![[r#"
        monthly None
        another Some("2026-03-06T12:00:00.000Z")
        stays None
        told Some("2026-03-08T12:00:00.000Z")
        later Some("2027-03-10T12:00:00.000Z")
    "#]]
    .assert_eq(&ends.concat());
}

/// Also when the timeline has folded the scheduling, and the account has been written and read since.
#[test]
fn a_folded_scheduled_end_is_no_term() {
    let mut text = "2026-01-05 a start s 1000\n2026-01-06 a schedule s effective=2026-03-05\n".to_owned();
    (1..=24).for_each(|n| writeln!(text, "2026-02-{n:02} a change b {n}").unwrap());
    let engine = engine(&script(&text), rules_in("UTC"));
    let (account, mut bytes) = (engine.account("a").unwrap(), Vec::new());
    encode_account(account, &mut bytes);
    let account = decode_account(&bytes).unwrap();
    let book = account.billing.as_ref().unwrap().book(engine.rules().valuation());
    assert_eq!(account.billing.unwrap().folded.unwrap().ledger.renewal_at(), Some(instant("2026-03-05")));
    assert_eq!(book.terms, []);
}
