//! The gauges of KPIs: by hand-worked accounts, and how many there are with a million of them.

use std::sync::Arc;

use expect_test::expect;

use super::{NOON, check, page, settings, view};
use crate::config::kpis::{Benchmark, Kpis, Target};
use crate::engine::event::Survey;
use crate::engine::facts::book::Flow;
use crate::engine::kpis::days::{Card, Count, CsatClass, NpsClass, Tally};
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
        start_steady_minor: start,
        end_steady_minor: start + by,
        paid: start > 0,
        pays: start + by > 0,
        ..MonthFlow::default()
    };
    moved.moved_minor.iter_mut().for_each(|moved| moved[flow as usize] = by);
    moved.moved[flow as usize] = 1;
    moved
}

/// An account that first paid 100.00 two months and more ago, 20.00 more last month, and whatever else can be counted.
pub(super) fn account(number: u16, segment: &str) -> Contribution {
    let activated = months_ago(2 + number);
    let flows = vec![moved(activated, 0, Flow::New, 10_000), moved(months_ago(1), 10_000, Flow::Expansion, 2_000)];
    let day = |text| parse_day(text).unwrap();
    let several = |text, count, amount| Tally { day: day(text), count, amount };
    let tally = |text, count| several(text, count, 1);
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
        several("2026-03-01", Count::Nps(NpsClass::Promoter), 5),
        several("2026-03-01", Count::Nps(NpsClass::Passive), 1),
        several("2026-03-01", Count::Nps(NpsClass::Detractor), 2),
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
    for account in accounts {
        tables.apply(account, 1, 50);
    }
    tables
}

#[test]
#[allow(clippy::too_many_lines)] // one page of metrics
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
        &expect![[r#"
            churnwatch_billing_contradictions{kind="changed_after_end"} 0
            churnwatch_billing_contradictions{kind="revived_after_end"} 0
            churnwatch_billing_contradictions{kind="started_twice"} 0
            churnwatch_billing_contradictions{kind="started_without_mrr"} 0
            churnwatch_billing_contradictions{kind="term_before_begin"} 0
            churnwatch_billing_contradictions{kind="too_many_subscriptions"} 0
            churnwatch_billing_contradictions{kind="unknown_subscription"} 0
            churnwatch_cohort_customers{cohort="2025-02",month_of_life="0"} 1
            churnwatch_cohort_customers{cohort="2025-02",month_of_life="1"} 1
            churnwatch_cohort_customers{cohort="2025-02",month_of_life="10"} 1
            churnwatch_cohort_customers{cohort="2025-02",month_of_life="11"} 1
            churnwatch_cohort_customers{cohort="2025-02",month_of_life="12"} 1
            churnwatch_cohort_customers{cohort="2025-02",month_of_life="2"} 1
            churnwatch_cohort_customers{cohort="2025-02",month_of_life="3"} 1
            churnwatch_cohort_customers{cohort="2025-02",month_of_life="4"} 1
            churnwatch_cohort_customers{cohort="2025-02",month_of_life="5"} 1
            churnwatch_cohort_customers{cohort="2025-02",month_of_life="6"} 1
            churnwatch_cohort_customers{cohort="2025-02",month_of_life="7"} 1
            churnwatch_cohort_customers{cohort="2025-02",month_of_life="8"} 1
            churnwatch_cohort_customers{cohort="2025-02",month_of_life="9"} 1
            churnwatch_cohort_customers{cohort="2025-12",month_of_life="0"} 1
            churnwatch_cohort_customers{cohort="2025-12",month_of_life="1"} 1
            churnwatch_cohort_customers{cohort="2025-12",month_of_life="2"} 1
            churnwatch_cohort_customers{cohort="2026-01",month_of_life="0"} 2
            churnwatch_cohort_customers{cohort="2026-01",month_of_life="1"} 2
            churnwatch_csat_respondents{class="dissatisfied"} 0
            churnwatch_csat_respondents{class="neutral"} 4
            churnwatch_csat_respondents{class="satisfied"} 0
            churnwatch_kpi_benchmark{benchmark="peer_median",kpi="nrr",source="a survey"} 1.01
            churnwatch_kpi_focus{kpi="nrr"} 1
            churnwatch_kpi_margin 0.8
            churnwatch_kpi_target{kpi="nrr"} 1.02
            churnwatch_period_customers_acquired{period="year",phase="complete",segment="free"} 0
            churnwatch_period_customers_acquired{period="year",phase="complete",segment="pro"} 2
            churnwatch_period_customers_acquired{period="year",phase="running",segment="free"} 1
            churnwatch_period_customers_acquired{period="year",phase="running",segment="pro"} 1
            churnwatch_period_customers_end{period="month",phase="complete",segment="free"} 1
            churnwatch_period_customers_end{period="month",phase="complete",segment="pro"} 3
            churnwatch_period_customers_end{period="month",phase="running",segment="free"} 1
            churnwatch_period_customers_end{period="month",phase="running",segment="pro"} 2
            churnwatch_period_customers_lost{period="month",phase="complete",segment="free"} 0
            churnwatch_period_customers_lost{period="month",phase="complete",segment="pro"} 0
            churnwatch_period_customers_lost{period="month",phase="running",segment="free"} 0
            churnwatch_period_customers_lost{period="month",phase="running",segment="pro"} 1
            churnwatch_period_customers_start{period="month",phase="complete",segment="free"} 1
            churnwatch_period_customers_start{period="month",phase="complete",segment="pro"} 3
            churnwatch_period_customers_start{period="month",phase="running",segment="free"} 1
            churnwatch_period_customers_start{period="month",phase="running",segment="pro"} 3
            churnwatch_period_start_timestamp_seconds{period="month",phase="complete"} 1769904000
            churnwatch_period_start_timestamp_seconds{period="month",phase="running"} 1772323200
            churnwatch_period_start_timestamp_seconds{period="quarter",phase="complete"} 1759276800
            churnwatch_period_start_timestamp_seconds{period="quarter",phase="running"} 1767225600
            churnwatch_period_start_timestamp_seconds{period="year",phase="complete"} 1735689600
            churnwatch_period_start_timestamp_seconds{period="year",phase="running"} 1767225600
            churnwatch_renewals_due{period="month",phase="complete"} 0
            churnwatch_renewals_due{period="month",phase="running"} 4
            churnwatch_renewals_due{period="quarter",phase="complete"} 0
            churnwatch_renewals_due{period="quarter",phase="running"} 4
            churnwatch_renewals_due{period="year",phase="complete"} 0
            churnwatch_renewals_due{period="year",phase="running"} 4
            churnwatch_renewals_due_amount{currency="USD",period="month",phase="complete"} 0
            churnwatch_renewals_due_amount{currency="USD",period="month",phase="running"} 0.04
            churnwatch_renewals_due_amount{currency="USD",period="quarter",phase="complete"} 0
            churnwatch_renewals_due_amount{currency="USD",period="quarter",phase="running"} 0.04
            churnwatch_renewals_due_amount{currency="USD",period="year",phase="complete"} 0
            churnwatch_renewals_due_amount{currency="USD",period="year",phase="running"} 0.04
            churnwatch_renewals_renewed{period="month",phase="complete"} 0
            churnwatch_renewals_renewed{period="month",phase="running"} 0
            churnwatch_renewals_renewed{period="quarter",phase="complete"} 0
            churnwatch_renewals_renewed{period="quarter",phase="running"} 0
            churnwatch_renewals_renewed{period="year",phase="complete"} 0
            churnwatch_renewals_renewed{period="year",phase="running"} 0
            churnwatch_renewals_renewed_amount{currency="USD",period="month",phase="complete"} 0
            churnwatch_renewals_renewed_amount{currency="USD",period="month",phase="running"} 0
            churnwatch_renewals_renewed_amount{currency="USD",period="quarter",phase="complete"} 0
            churnwatch_renewals_renewed_amount{currency="USD",period="quarter",phase="running"} 0
            churnwatch_renewals_renewed_amount{currency="USD",period="year",phase="complete"} 0
            churnwatch_renewals_renewed_amount{currency="USD",period="year",phase="running"} 0
            churnwatch_signups 12
            churnwatch_signups_dropoff_due 8
            churnwatch_signups_dropped_off 4
            churnwatch_signups_onboarded 4
            churnwatch_signups_onboarding_due 8
            churnwatch_surveys_answered{survey="csat"} 0
            churnwatch_surveys_answered{survey="nps"} 4
            churnwatch_surveys_sent{survey="csat"} 0
            churnwatch_surveys_sent{survey="nps"} 4
            churnwatch_trials_converted{card="unknown"} 0
            churnwatch_trials_converted{card="with"} 4
            churnwatch_trials_converted{card="without"} 0
            churnwatch_trials_ended{card="unknown"} 0
            churnwatch_trials_ended{card="with"} 4
            churnwatch_trials_ended{card="without"} 0
            churnwatch_trials_started{card="unknown"} 0
            churnwatch_trials_started{card="with"} 4
            churnwatch_trials_started{card="without"} 0
            churnwatch_vintage_mrr_amount{cohort="2025-12",currency="USD"} 0
            churnwatch_vintage_mrr_amount{cohort="2026-01",currency="USD"} 240
            churnwatch_vintage_mrr_amount{cohort="older",currency="USD"} 120
        "#]],
    );
    check(
        &telemetry,
        &["churnwatch_period_mrr", "churnwatch_period_opening"],
        &expect![[r#"
        churnwatch_period_mrr_end_amount{currency="USD",period="month",phase="complete",segment="free"} 120
        churnwatch_period_mrr_end_amount{currency="USD",period="month",phase="complete",segment="pro"} 360
        churnwatch_period_mrr_end_amount{currency="USD",period="month",phase="running",segment="free"} 120
        churnwatch_period_mrr_end_amount{currency="USD",period="month",phase="running",segment="pro"} 240
        churnwatch_period_mrr_end_amount{currency="USD",period="quarter",phase="complete",segment="free"} 0
        churnwatch_period_mrr_end_amount{currency="USD",period="quarter",phase="complete",segment="pro"} 200
        churnwatch_period_mrr_end_amount{currency="USD",period="quarter",phase="running",segment="free"} 120
        churnwatch_period_mrr_end_amount{currency="USD",period="quarter",phase="running",segment="pro"} 240
        churnwatch_period_mrr_end_amount{currency="USD",period="year",phase="complete",segment="free"} 0
        churnwatch_period_mrr_end_amount{currency="USD",period="year",phase="complete",segment="pro"} 200
        churnwatch_period_mrr_end_amount{currency="USD",period="year",phase="running",segment="free"} 120
        churnwatch_period_mrr_end_amount{currency="USD",period="year",phase="running",segment="pro"} 240
        churnwatch_period_mrr_movements_amount{currency="USD",movement="churned",period="month",phase="complete",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="churned",period="month",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="churned",period="month",phase="running",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="churned",period="month",phase="running",segment="pro"} 120
        churnwatch_period_mrr_movements_amount{currency="USD",movement="churned",period="quarter",phase="complete",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="churned",period="quarter",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="churned",period="quarter",phase="running",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="churned",period="quarter",phase="running",segment="pro"} 120
        churnwatch_period_mrr_movements_amount{currency="USD",movement="churned",period="year",phase="complete",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="churned",period="year",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="churned",period="year",phase="running",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="churned",period="year",phase="running",segment="pro"} 120
        churnwatch_period_mrr_movements_amount{currency="USD",movement="contraction",period="month",phase="complete",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="contraction",period="month",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="contraction",period="month",phase="running",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="contraction",period="month",phase="running",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="contraction",period="quarter",phase="complete",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="contraction",period="quarter",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="contraction",period="quarter",phase="running",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="contraction",period="quarter",phase="running",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="contraction",period="year",phase="complete",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="contraction",period="year",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="contraction",period="year",phase="running",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="contraction",period="year",phase="running",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="expansion",period="month",phase="complete",segment="free"} 20
        churnwatch_period_mrr_movements_amount{currency="USD",movement="expansion",period="month",phase="complete",segment="pro"} 60
        churnwatch_period_mrr_movements_amount{currency="USD",movement="expansion",period="month",phase="running",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="expansion",period="month",phase="running",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="expansion",period="quarter",phase="complete",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="expansion",period="quarter",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="expansion",period="quarter",phase="running",segment="free"} 20
        churnwatch_period_mrr_movements_amount{currency="USD",movement="expansion",period="quarter",phase="running",segment="pro"} 60
        churnwatch_period_mrr_movements_amount{currency="USD",movement="expansion",period="year",phase="complete",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="expansion",period="year",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="expansion",period="year",phase="running",segment="free"} 20
        churnwatch_period_mrr_movements_amount{currency="USD",movement="expansion",period="year",phase="running",segment="pro"} 60
        churnwatch_period_mrr_movements_amount{currency="USD",movement="fx",period="month",phase="complete",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="fx",period="month",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="fx",period="month",phase="running",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="fx",period="month",phase="running",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="fx",period="quarter",phase="complete",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="fx",period="quarter",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="fx",period="quarter",phase="running",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="fx",period="quarter",phase="running",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="fx",period="year",phase="complete",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="fx",period="year",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="fx",period="year",phase="running",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="fx",period="year",phase="running",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="new",period="month",phase="complete",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="new",period="month",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="new",period="month",phase="running",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="new",period="month",phase="running",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="new",period="quarter",phase="complete",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="new",period="quarter",phase="complete",segment="pro"} 100
        churnwatch_period_mrr_movements_amount{currency="USD",movement="new",period="quarter",phase="running",segment="free"} 100
        churnwatch_period_mrr_movements_amount{currency="USD",movement="new",period="quarter",phase="running",segment="pro"} 100
        churnwatch_period_mrr_movements_amount{currency="USD",movement="new",period="year",phase="complete",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="new",period="year",phase="complete",segment="pro"} 200
        churnwatch_period_mrr_movements_amount{currency="USD",movement="new",period="year",phase="running",segment="free"} 100
        churnwatch_period_mrr_movements_amount{currency="USD",movement="new",period="year",phase="running",segment="pro"} 100
        churnwatch_period_mrr_movements_amount{currency="USD",movement="reactivation",period="month",phase="complete",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="reactivation",period="month",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="reactivation",period="month",phase="running",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="reactivation",period="month",phase="running",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="reactivation",period="quarter",phase="complete",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="reactivation",period="quarter",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="reactivation",period="quarter",phase="running",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="reactivation",period="quarter",phase="running",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="reactivation",period="year",phase="complete",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="reactivation",period="year",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="reactivation",period="year",phase="running",segment="free"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="reactivation",period="year",phase="running",segment="pro"} 0
        churnwatch_period_mrr_start_amount{currency="USD",period="month",phase="complete",segment="free"} 100
        churnwatch_period_mrr_start_amount{currency="USD",period="month",phase="complete",segment="pro"} 300
        churnwatch_period_mrr_start_amount{currency="USD",period="month",phase="running",segment="free"} 120
        churnwatch_period_mrr_start_amount{currency="USD",period="month",phase="running",segment="pro"} 360
        churnwatch_period_mrr_start_amount{currency="USD",period="quarter",phase="complete",segment="free"} 0
        churnwatch_period_mrr_start_amount{currency="USD",period="quarter",phase="complete",segment="pro"} 100
        churnwatch_period_mrr_start_amount{currency="USD",period="quarter",phase="running",segment="free"} 0
        churnwatch_period_mrr_start_amount{currency="USD",period="quarter",phase="running",segment="pro"} 200
        churnwatch_period_mrr_start_amount{currency="USD",period="year",phase="complete",segment="free"} 0
        churnwatch_period_mrr_start_amount{currency="USD",period="year",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_start_amount{currency="USD",period="year",phase="running",segment="free"} 0
        churnwatch_period_mrr_start_amount{currency="USD",period="year",phase="running",segment="pro"} 200
        churnwatch_period_opening_mrr_end_amount{currency="USD",period="month",phase="complete",segment="free"} 120
        churnwatch_period_opening_mrr_end_amount{currency="USD",period="month",phase="complete",segment="pro"} 360
        churnwatch_period_opening_mrr_end_amount{currency="USD",period="month",phase="running",segment="free"} 120
        churnwatch_period_opening_mrr_end_amount{currency="USD",period="month",phase="running",segment="pro"} 240
        churnwatch_period_opening_mrr_end_amount{currency="USD",period="quarter",phase="complete",segment="free"} 0
        churnwatch_period_opening_mrr_end_amount{currency="USD",period="quarter",phase="complete",segment="pro"} 100
        churnwatch_period_opening_mrr_end_amount{currency="USD",period="quarter",phase="running",segment="free"} 0
        churnwatch_period_opening_mrr_end_amount{currency="USD",period="quarter",phase="running",segment="pro"} 120
        churnwatch_period_opening_mrr_end_amount{currency="USD",period="year",phase="complete",segment="free"} 0
        churnwatch_period_opening_mrr_end_amount{currency="USD",period="year",phase="complete",segment="pro"} 0
        churnwatch_period_opening_mrr_end_amount{currency="USD",period="year",phase="running",segment="free"} 0
        churnwatch_period_opening_mrr_end_amount{currency="USD",period="year",phase="running",segment="pro"} 120
        churnwatch_period_opening_mrr_kept_amount{currency="USD",period="month",phase="complete",segment="free"} 100
        churnwatch_period_opening_mrr_kept_amount{currency="USD",period="month",phase="complete",segment="pro"} 300
        churnwatch_period_opening_mrr_kept_amount{currency="USD",period="month",phase="running",segment="free"} 120
        churnwatch_period_opening_mrr_kept_amount{currency="USD",period="month",phase="running",segment="pro"} 240
        churnwatch_period_opening_mrr_kept_amount{currency="USD",period="quarter",phase="complete",segment="free"} 0
        churnwatch_period_opening_mrr_kept_amount{currency="USD",period="quarter",phase="complete",segment="pro"} 100
        churnwatch_period_opening_mrr_kept_amount{currency="USD",period="quarter",phase="running",segment="free"} 0
        churnwatch_period_opening_mrr_kept_amount{currency="USD",period="quarter",phase="running",segment="pro"} 100
        churnwatch_period_opening_mrr_kept_amount{currency="USD",period="year",phase="complete",segment="free"} 0
        churnwatch_period_opening_mrr_kept_amount{currency="USD",period="year",phase="complete",segment="pro"} 0
        churnwatch_period_opening_mrr_kept_amount{currency="USD",period="year",phase="running",segment="free"} 0
        churnwatch_period_opening_mrr_kept_amount{currency="USD",period="year",phase="running",segment="pro"} 100
    "#]],
    );
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
        // Twenty-five accounts of each kind: adding them one by one takes a minute without optimisation.
        for _ in 0..5_000 {
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
            tables.apply(&account, 25, 50);
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
