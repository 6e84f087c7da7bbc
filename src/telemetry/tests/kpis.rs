//! The gauges of KPIs: by hand-worked accounts, and how many there are with a million of them.

use std::sync::Arc;

use expect_test::expect;

use super::{NOON, check, page, settings, view};
use crate::config::kpis::{Benchmark, Kpis, Target};
use crate::engine::event::Survey;
use crate::engine::facts::book::Flow;
use crate::engine::kpis::days::{Card, Count, CsatClass, Tally};
use crate::engine::kpis::flows::MonthFlow;
use crate::engine::kpis::tables::{Contribution, Tables};
use crate::telemetry::view::PartitionView;
use crate::telemetry::{Settings, Telemetry};
use crate::units::calendar::{Month, parse_day};
use crate::units::{Day, PartitionIndex};

/// What is wanted: a target with a revision, one KPI in focus, a benchmark.
pub(super) fn wanted() -> Kpis {
    let target = |day, value| Target { from: parse_day(day).unwrap(), value };
    Kpis {
        targets: [("nrr".to_owned(), vec![target("2026-01-01", 1.02), target("2026-06-01", 1.05)])].into(),
        focus: vec!["nrr".to_owned()],
        benchmarks: vec![Benchmark {
            kpi: "nrr".to_owned(),
            name: "peer_median".to_owned(),
            value: 1.01,
            source: "a survey".to_owned(),
        }],
        ..Kpis::default()
    }
}

/// Month `number` before March 2026.
fn months_ago(number: u16) -> Month {
    Month::new(2026, 3).plus(-i32::from(number))
}

fn moved(month: Month, start: i64, flow: Flow, by: i64) -> MonthFlow {
    let mut moved = MonthFlow {
        month,
        start_minor: start,
        end_minor: start + by,
        paid: start > 0,
        pays: start + by > 0,
        ..MonthFlow::default()
    };
    moved.moved_minor[flow as usize] = by;
    moved.moved[flow as usize] = 1;
    moved
}

/// An account that first paid 100.00 two months and more ago, 20.00 more last month, and whatever else can be counted.
pub(super) fn account(number: u16, segment: &str) -> Contribution {
    let activated = months_ago(2 + number);
    let flows = vec![moved(activated, 0, Flow::New, 10_000), moved(months_ago(1), 10_000, Flow::Expansion, 2_000)];
    let day = |text| parse_day(text).unwrap();
    let tally = |text, count| Tally { day: day(text), count, amount: 1 };
    let tallies = vec![
        tally("2026-01-10", Count::SignUps),
        tally("2026-01-10", Count::Onboarded),
        tally("2026-01-20", Count::SignUps),
        tally("2026-01-20", Count::Stayed),
        tally("2026-02-28", Count::SignUps),
        tally("2026-01-10", Count::TrialsStarted(Card::With)),
        tally("2026-01-24", Count::TrialsEnded(Card::With)),
        tally("2026-01-24", Count::TrialsConverted(Card::With)),
        tally("2026-03-24", Count::TrialsEnded(Card::Without)),
        tally("2026-03-01", Count::RenewalsDue),
        tally("2026-03-01", Count::RenewalsDueMinor),
        tally("2026-03-20", Count::RenewalsDue),
        tally("2026-03-01", Count::SurveysSent(Survey::Nps)),
        tally("2026-03-01", Count::SurveysAnswered(Survey::Nps)),
        tally("2025-03-01", Count::SurveysSent(Survey::Csat)),
        tally("2026-03-01", Count::Csat(CsatClass::Neutral)),
    ];
    Contribution {
        segments: vec![segment.into()],
        activated: Some(activated),
        flows,
        tallies,
        ..Contribution::default()
    }
}

pub(super) fn tables(accounts: &[Contribution]) -> Tables {
    let mut tables = Tables::default();
    accounts.iter().for_each(|account| tables.apply(account, 1, 50));
    tables
}

#[test]
fn periods_cohorts_and_days_are_shown_and_add_up_over_partitions() {
    let telemetry = Telemetry::new(settings()).unwrap();
    let mut leaver = account(1, "pro");
    leaver.flows.push(moved(months_ago(0), 12_000, Flow::Churned, -12_000));
    for (partition, accounts) in
        [(0, vec![account(0, "pro"), leaver]), (1, vec![account(0, "free"), account(11, "pro")])]
    {
        let kpis = Arc::new(tables(&accounts));
        telemetry.publish(PartitionIndex(partition), PartitionView { kpis, ..view(NOON, Vec::new()) });
    }
    check(
        &telemetry,
        &[
            "churnwatch_period_start",
            "churnwatch_period_customers_start{period=\"month\"",
            "churnwatch_period_customers_end{period=\"month\"",
            "churnwatch_period_customers_lost{period=\"month\"",
            "churnwatch_period_customers_acquired{period=\"year\"",
            "churnwatch_cohort_customers",
            "churnwatch_vintage",
            "churnwatch_signups",
            "churnwatch_trials",
            "churnwatch_renewals",
            "churnwatch_surveys",
            "churnwatch_csat",
            "churnwatch_kpi",
            "churnwatch_billing_contradictions",
        ],
        &expect![],
    );
    check(&telemetry, &["churnwatch_period_mrr", "churnwatch_period_opening"], &expect![]);
}

#[test]
fn series_stay_below_five_thousand_with_a_million_accounts() {
    let telemetry = Telemetry::new(Settings { alert_types: vec!["a"; 1], ..settings() }).unwrap();
    let mut draw = 0_u64;
    let mut next = |below: u64| {
        // The multiplier of Knuth's MMIX generator: any spread will do.
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (draw >> 33) % below
    };
    for partition in 0..8 {
        let mut tables = Tables::default();
        for _ in 0..125_000 {
            let activated = months_ago(u16::try_from(next(60)).unwrap());
            let mut flows = vec![moved(activated, 0, Flow::New, 10_000)];
            if activated < months_ago(3) && next(3) == 0 {
                flows.push(moved(months_ago(3), 10_000, Flow::Churned, -10_000));
            }
            let signed_up = activated.first_day().number() + u16::try_from(next(28)).unwrap();
            let tallies = vec![Tally { day: Day::new(signed_up), count: Count::SignUps, amount: 1 }];
            let segments = vec![format!("segment-{}", next(5_000)).into()];
            let account =
                Contribution { segments, activated: Some(activated), flows, tallies, ..Contribution::default() };
            tables.apply(&account, 1, 50);
        }
        let segments = (0..50).map(|index| super::segment(&format!("plan-{index}-{partition}"), [1; 4])).collect();
        let view = PartitionView { kpis: Arc::new(tables), ..view(NOON, segments) };
        telemetry.publish(PartitionIndex(partition), view);
    }
    let page = page(&telemetry);
    let series = page.lines().count();
    assert!((2_000..5_000).contains(&series), "{series} series");
    // What has no series of its own is counted as `other`: customers stay whole.
    let sum = |name: &str| -> f64 {
        let lines = page.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    let running = |what| sum(&format!("churnwatch_period_customers_{what}{{period=\"month\",phase=\"running\""));
    assert!((500_000.0..=1_000_000.0).contains(&running("end")), "{}", running("end"));
    assert!(
        (running("start") + running("acquired") + running("returned") - running("lost") - running("end")).abs() < 0.5
    );
    let vintages = sum("churnwatch_vintage_mrr_amount");
    let mrr = sum("churnwatch_period_mrr_end_amount{currency=\"USD\",period=\"month\",phase=\"running\"");
    assert!((vintages - mrr).abs() < 0.5, "{vintages} against {mrr}");
}
