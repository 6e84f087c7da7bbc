//! Tests of the page: what stands on it, what must not, and how large it may grow.

#![allow(clippy::needless_raw_string_hashes)] // expect-test writes them

mod kpis;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use expect_test::{Expect, expect, expect_file};

use super::metric::{Kind, Metric, Unit};
use super::view::PartitionView;
use super::{Readiness, RebalanceKind, RestoreProgress, Role, Settings, Telemetry, reference};
use crate::engine::Counts;
use crate::engine::effect::Transition;
use crate::engine::fleet::Fleet;
use crate::engine::fleet::features::FEATURES;
use crate::engine::fleet::model::{Model, TrackRecord};
use crate::engine::input::SourceReport;
use crate::engine::quality::{Quality, Resolutions, TypeQuality};
use crate::engine::rules::KpiRules;
use crate::engine::totals::{ACTIVE_DAYS, SegmentTotals, Totals};
use crate::units::{Currency, Day, PartitionIndex, Timestamp};

/// 2026-03-02T12:00:00Z.
const NOON: i64 = 1_772_452_800_000;

fn settings() -> Settings {
    Settings {
        roles: vec![Role::Ingest, Role::Engine],
        currency: Currency::USD,
        alert_types: vec!["usage_frequency", "churn_risk"],
        uses_learned: true,
        rules_hash: "00000000deadbeef".to_owned(),
        partition_series_max: 256,
        segment_series_max: 52,
        kpi_segment_series_max: 20,
        kpi_rules: KpiRules::default(),
        kpis: kpis::wanted(),
    }
}

fn telemetry() -> Telemetry {
    Telemetry::new(settings()).unwrap()
}

fn segment(name: &str, accounts: [u64; 4]) -> SegmentTotals {
    SegmentTotals {
        name: name.to_owned(),
        accounts,
        mrr_minor: [100_050, 0, 0, 25],
        revenue_at_risk_minor: [10, 0, 0, 20],
        paying: 3,
    }
}

fn view(clock_ms: i64, segments: Vec<SegmentTotals>) -> PartitionView {
    let clock = Timestamp::from_ms(clock_ms).unwrap();
    let mut users_last_seen = [0; ACTIVE_DAYS as usize];
    let today = usize::from(clock.day().number()) % usize::from(ACTIVE_DAYS);
    users_last_seen[today] = 2;
    users_last_seen[(today + usize::from(ACTIVE_DAYS) - 5) % usize::from(ACTIVE_DAYS)] = 3;
    users_last_seen[(today + usize::from(ACTIVE_DAYS) - 20) % usize::from(ACTIVE_DAYS)] = 4;
    let accounts = segments.iter().flat_map(|segment| segment.accounts).sum::<u64>();
    PartitionView {
        clock: Some(clock),
        sources: vec![SourceReport {
            topic: "product.usage".to_owned(),
            partition: PartitionIndex(0),
            reached: clock,
            caught_up: true,
        }],
        totals: Totals {
            segments,
            movements_minor: [200_000, 10, 0, 99, 0],
            movements: [2, 1, 0, 1, 0],
            users_last_seen,
            active_day: clock.day(),
            open_alerts: vec![[1, 2], [0, 7]],
        },
        quality: Quality {
            types: vec![TypeQuality { matured: 4, churned: 3, acknowledged: 2, acknowledge_seconds: 90 }],
            left: 6,
            foretold: [1, 0, 2, 1],
            lead_days: 60,
            resolutions: vec![Resolutions {
                kind: 0,
                reason: "renewed".into(),
                count: 2,
                number: 1,
                churned: 0,
                retained: 1,
            }],
        },
        kpis: Arc::new(kpis::tables(&[kpis::account(1, "pro")])),
        fleet: Arc::default(),
        silence_held_since: Some(clock),
        counts: Counts {
            accepted: 10,
            duplicates: 1,
            too_late: 2,
            excluded: 4,
            unpriced: 3,
            judgements: 30,
            alert_actions: [[1, 0, 2, 0, 0], [0; 5], [0, 1, 0, 0, 0], [0; 5]],
        },
        accounts: usize::try_from(accounts).unwrap(),
    }
}

/// A fleet record with a model of accounts without a subscription.
fn fleet(day: u16, outcomes: f64) -> Arc<Fleet> {
    let mut record = TrackRecord { outcomes, churned: outcomes / 4.0, ..TrackRecord::default() };
    (0..10).for_each(|index| record.note(0.25, index < 4));
    let (zeros, ones) = ([0.0; FEATURES], [1.0; FEATURES]);
    let model = Model { intercept: 0.0, weights: zeros, means: zeros, scales: ones, record };
    Arc::new(Fleet { day: Some(Day::new(day)), models: [None, Some(model)], ..Fleet::default() })
}

/// The page without comments, buckets and what differs from machine to machine.
fn page(telemetry: &Telemetry) -> String {
    let text = telemetry.render().unwrap();
    let left_out = |line: &str| line.starts_with('#') || line.starts_with("process_") || line.contains("_bucket{");
    text.lines().filter(|line| !left_out(line)).fold(String::new(), |page, line| page + line + "\n")
}

/// Checks the series whose names begin with one of `prefixes`.
fn check(telemetry: &Telemetry, prefixes: &[&str], expected: &Expect) {
    let page = page(telemetry);
    let lines = page.lines().filter(|line| prefixes.iter().any(|prefix| line.starts_with(prefix)));
    expected.assert_eq(&lines.fold(String::new(), |page, line| page + line + "\n"));
}

/// Feeds every metric.
fn feed(telemetry: &Telemetry) {
    telemetry.records_read(Role::Ingest, 100);
    telemetry.bytes_read(Role::Ingest, 27_000);
    telemetry.rejected(Role::Ingest, "not_json", 3);
    telemetry.skipped_unknown_type(Role::Engine, 4);
    telemetry.committed(Role::Engine, Duration::from_millis(12));
    telemetry.aborted(Role::Engine, "illegal_generation");
    telemetry.gone_out("new", 3);
    telemetry.rebalanced(Role::Engine, RebalanceKind::Assigned);
    telemetry.alert("churn_risk", Transition::Raised);
    telemetry.event_to_alert(Duration::from_millis(60));
    telemetry.lag(Role::Engine, "churnwatch.events.v1", PartitionIndex(0), 7);
    telemetry.lag(Role::Engine, "churnwatch.events.v1", PartitionIndex(1), 5);
    telemetry.restore(PartitionIndex(0), RestoreProgress { records: 50, remaining: 0 });
    telemetry.ready(Role::Engine, Readiness::Ready);
    telemetry.publish(PartitionIndex(0), view(NOON, vec![segment("pro", [1, 2, 3, 4])]));
    telemetry.publish(
        PartitionIndex(1),
        view(NOON - 500, vec![segment("pro", [1, 0, 0, 0]), segment("free \"trial\"", [9, 0, 0, 0])]),
    );
}

#[test]
fn what_the_fleet_teaches_is_shown_once_however_many_partitions_know_it() {
    let telemetry = telemetry();
    let names = ["churnwatch_fleet", "churnwatch_learned", "churnwatch_calibration"];
    check(&telemetry, &names, &expect![""]);
    let with = |fleet| PartitionView { fleet, ..view(NOON, Vec::new()) };
    telemetry.publish(PartitionIndex(0), with(fleet(20_511, 400.0)));
    telemetry.publish(PartitionIndex(1), with(fleet(20_512, 500.0)));
    telemetry.publish(PartitionIndex(2), view(NOON, Vec::new()));
    check(
        &telemetry,
        &names,
        &expect![[r#"
        churnwatch_calibration_error{population="unsubscribed"} 0.15
        churnwatch_fleet_timestamp_seconds 1772236800
        churnwatch_learned_churned{population="unsubscribed"} 125
        churnwatch_learned_outcomes{population="unsubscribed"} 500
        churnwatch_learned_weights_in_force{population="subscribed"} 0
        churnwatch_learned_weights_in_force{population="unsubscribed"} 1
    "#]],
    );
}

#[test]
fn weights_that_are_switched_off_are_not_in_force() {
    let telemetry = Telemetry::new(Settings { uses_learned: false, ..settings() }).unwrap();
    telemetry.publish(PartitionIndex(0), view(NOON, Vec::new()));
    check(
        &telemetry,
        &["churnwatch_learned_weights"],
        &expect![[r#"
        churnwatch_learned_weights_in_force{population="subscribed"} 0
        churnwatch_learned_weights_in_force{population="unsubscribed"} 0
    "#]],
    );
}

#[test]
fn the_documentation_follows_the_declarations() {
    expect_file!["../../docs/metrics.md"].assert_eq(&reference::document());
}

#[test]
fn every_declared_metric_is_exported_once_and_nothing_else() {
    let telemetry = telemetry();
    feed(&telemetry);
    telemetry.publish(PartitionIndex(2), PartitionView { fleet: fleet(20_512, 500.0), ..view(NOON, Vec::new()) });
    let text = telemetry.render().unwrap();
    let exported: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .filter(|name| !name.starts_with("process_"))
        .collect();
    let declared: BTreeSet<&str> = Metric::ALL.iter().map(|metric| metric.declaration().name).collect();
    assert_eq!(exported.len(), declared.len());
    assert_eq!(exported.into_iter().collect::<BTreeSet<_>>(), declared);
}

#[test]
fn names_and_labels_keep_the_conventions() {
    // A label outside this list may identify somebody or grow without bound: think before adding one.
    let labels_allowed = [
        "version",
        "rules",
        "role",
        "reason",
        "action",
        "result",
        "lead",
        "cause",
        "kind",
        "topic",
        "partition",
        "dimension",
        "type",
        "transition",
        "severity",
        "segment",
        "band",
        "currency",
        "movement",
        "window",
        "class",
        "population",
        "outcome",
        "period",
        "phase",
        "cohort",
        "month_of_life",
        "card",
        "survey",
        "kpi",
        "benchmark",
        // Of a benchmark: a line of the configuration.
        "source",
    ];
    let mut names = BTreeSet::new();
    for (place, metric) in Metric::ALL.into_iter().enumerate() {
        assert_eq!(metric as usize, place, "{metric:?} stands in the order of the enum");
        let declared = metric.declaration();
        let name = declared.name;
        let base = name.strip_suffix("_total").unwrap_or(name);
        assert!(names.insert(name), "{name} is declared twice");
        assert!(name.starts_with("churnwatch_"), "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert_eq!(name.ends_with("_total"), declared.kind == Kind::Counter, "{name}");
        let suffix = match declared.unit {
            Unit::Count | Unit::Ratio => "",
            Unit::Seconds => "_seconds",
            Unit::TimestampSeconds => "_timestamp_seconds",
            Unit::Bytes => "_bytes",
            Unit::CurrencyAmount => "_amount",
            Unit::Info => "_info",
        };
        assert!(base.ends_with(suffix), "{name} lacks {suffix}");
        for reserved in ["_count", "_sum", "_bucket", "_age_seconds", "_ratio", "_percent", "_milliseconds", "_ms"] {
            assert!(!base.ends_with(reserved), "{name}");
        }
        assert_eq!(declared.unit == Unit::CurrencyAmount, declared.labels.contains(&"currency"), "{name}");
        assert!(declared.help.ends_with('.') && !declared.help.contains('\n'), "{name}");
        for label in declared.labels {
            assert!(labels_allowed.contains(label), "{name} has label {label}");
        }
    }
}

#[test]
#[allow(clippy::too_many_lines)] // a whole page
fn a_published_view_is_shown_in_full() {
    let telemetry = telemetry();
    feed(&telemetry);
    expect![[r#"
        churnwatch_accounts{band="at_risk",segment="free \"trial\""} 0
        churnwatch_accounts{band="at_risk",segment="pro"} 3
        churnwatch_accounts{band="critical",segment="free \"trial\""} 0
        churnwatch_accounts{band="critical",segment="pro"} 4
        churnwatch_accounts{band="healthy",segment="free \"trial\""} 9
        churnwatch_accounts{band="healthy",segment="pro"} 2
        churnwatch_accounts{band="watch",segment="free \"trial\""} 0
        churnwatch_accounts{band="watch",segment="pro"} 2
        churnwatch_active_users{window="1d"} 4
        churnwatch_active_users{window="30d"} 18
        churnwatch_active_users{window="7d"} 10
        churnwatch_alert_actions_total{action="acknowledged",result="closed_alert"} 0
        churnwatch_alert_actions_total{action="acknowledged",result="other_reason"} 0
        churnwatch_alert_actions_total{action="acknowledged",result="past_time"} 0
        churnwatch_alert_actions_total{action="acknowledged",result="taken"} 2
        churnwatch_alert_actions_total{action="acknowledged",result="unknown_alert"} 4
        churnwatch_alert_actions_total{action="commented",result="closed_alert"} 0
        churnwatch_alert_actions_total{action="commented",result="other_reason"} 0
        churnwatch_alert_actions_total{action="commented",result="past_time"} 0
        churnwatch_alert_actions_total{action="commented",result="taken"} 0
        churnwatch_alert_actions_total{action="commented",result="unknown_alert"} 0
        churnwatch_alert_actions_total{action="resolved",result="closed_alert"} 0
        churnwatch_alert_actions_total{action="resolved",result="other_reason"} 2
        churnwatch_alert_actions_total{action="resolved",result="past_time"} 0
        churnwatch_alert_actions_total{action="resolved",result="taken"} 0
        churnwatch_alert_actions_total{action="resolved",result="unknown_alert"} 0
        churnwatch_alert_actions_total{action="snoozed",result="closed_alert"} 0
        churnwatch_alert_actions_total{action="snoozed",result="other_reason"} 0
        churnwatch_alert_actions_total{action="snoozed",result="past_time"} 0
        churnwatch_alert_actions_total{action="snoozed",result="taken"} 0
        churnwatch_alert_actions_total{action="snoozed",result="unknown_alert"} 0
        churnwatch_alert_resolution_outcomes{outcome="churned",reason="renewed",type="usage_frequency"} 0
        churnwatch_alert_resolution_outcomes{outcome="retained",reason="renewed",type="usage_frequency"} 2
        churnwatch_alert_resolutions{reason="renewed",type="usage_frequency"} 4
        churnwatch_alert_transitions_total{transition="acknowledged",type="churn_risk"} 0
        churnwatch_alert_transitions_total{transition="acknowledged",type="usage_frequency"} 0
        churnwatch_alert_transitions_total{transition="amended",type="churn_risk"} 0
        churnwatch_alert_transitions_total{transition="amended",type="usage_frequency"} 0
        churnwatch_alert_transitions_total{transition="churned",type="churn_risk"} 0
        churnwatch_alert_transitions_total{transition="churned",type="usage_frequency"} 0
        churnwatch_alert_transitions_total{transition="commented",type="churn_risk"} 0
        churnwatch_alert_transitions_total{transition="commented",type="usage_frequency"} 0
        churnwatch_alert_transitions_total{transition="eased",type="churn_risk"} 0
        churnwatch_alert_transitions_total{transition="eased",type="usage_frequency"} 0
        churnwatch_alert_transitions_total{transition="escalated",type="churn_risk"} 0
        churnwatch_alert_transitions_total{transition="escalated",type="usage_frequency"} 0
        churnwatch_alert_transitions_total{transition="raised",type="churn_risk"} 1
        churnwatch_alert_transitions_total{transition="raised",type="usage_frequency"} 0
        churnwatch_alert_transitions_total{transition="resolved",type="churn_risk"} 0
        churnwatch_alert_transitions_total{transition="resolved",type="usage_frequency"} 0
        churnwatch_alert_transitions_total{transition="retained",type="churn_risk"} 0
        churnwatch_alert_transitions_total{transition="retained",type="usage_frequency"} 0
        churnwatch_alert_transitions_total{transition="retracted",type="churn_risk"} 0
        churnwatch_alert_transitions_total{transition="retracted",type="usage_frequency"} 0
        churnwatch_alert_transitions_total{transition="snoozed",type="churn_risk"} 0
        churnwatch_alert_transitions_total{transition="snoozed",type="usage_frequency"} 0
        churnwatch_alert_transitions_total{transition="woken",type="churn_risk"} 0
        churnwatch_alert_transitions_total{transition="woken",type="usage_frequency"} 0
        churnwatch_alerts_acknowledge_delay_seconds{type="churn_risk"} 0
        churnwatch_alerts_acknowledge_delay_seconds{type="usage_frequency"} 180
        churnwatch_alerts_acknowledged{type="churn_risk"} 0
        churnwatch_alerts_acknowledged{type="usage_frequency"} 4
        churnwatch_alerts_followed_by_churn{type="churn_risk"} 0
        churnwatch_alerts_followed_by_churn{type="usage_frequency"} 6
        churnwatch_alerts_matured{type="churn_risk"} 0
        churnwatch_alerts_matured{type="usage_frequency"} 8
        churnwatch_billing_contradictions{kind="changed_after_end"} 0
        churnwatch_billing_contradictions{kind="revived_after_end"} 0
        churnwatch_billing_contradictions{kind="started_twice"} 0
        churnwatch_billing_contradictions{kind="started_without_mrr"} 0
        churnwatch_billing_contradictions{kind="term_before_begin"} 0
        churnwatch_billing_contradictions{kind="too_many_subscriptions"} 0
        churnwatch_billing_contradictions{kind="unknown_subscription"} 0
        churnwatch_build_info{rules="00000000deadbeef",version="0.1.0"} 1
        churnwatch_clock_timestamp_seconds 1772452799.5
        churnwatch_cohort_customers{cohort="2025-12",month_of_life="0"} 2
        churnwatch_cohort_customers{cohort="2025-12",month_of_life="1"} 2
        churnwatch_cohort_customers{cohort="2025-12",month_of_life="2"} 2
        churnwatch_cohort_mrr_amount{cohort="2025-12",currency="USD",month_of_life="0"} 200
        churnwatch_cohort_mrr_amount{cohort="2025-12",currency="USD",month_of_life="1"} 200
        churnwatch_cohort_mrr_amount{cohort="2025-12",currency="USD",month_of_life="2"} 240
        churnwatch_commit_duration_seconds_sum{role="engine"} 0.012
        churnwatch_commit_duration_seconds_count{role="engine"} 1
        churnwatch_commit_duration_seconds_sum{role="ingest"} 0
        churnwatch_commit_duration_seconds_count{role="ingest"} 0
        churnwatch_commit_duration_seconds_sum{role="learner"} 0
        churnwatch_commit_duration_seconds_count{role="learner"} 0
        churnwatch_converted_trials_churned{card="unknown"} 0
        churnwatch_converted_trials_churned{card="with"} 0
        churnwatch_converted_trials_churned{card="without"} 0
        churnwatch_csat_respondents{class="dissatisfied"} 0
        churnwatch_csat_respondents{class="neutral"} 2
        churnwatch_csat_respondents{class="satisfied"} 0
        churnwatch_deliveries_total{kind="new"} 3
        churnwatch_event_to_alert_seconds_sum 0.06
        churnwatch_event_to_alert_seconds_count 1
        churnwatch_events_accepted_total 20
        churnwatch_events_duplicate_total 2
        churnwatch_events_excluded_total 8
        churnwatch_events_too_late_total 4
        churnwatch_events_unpriced_total 6
        churnwatch_foretold_lead_seconds 10368000
        churnwatch_judgements_total 60
        churnwatch_kpi_benchmark{benchmark="peer_median",kpi="nrr",source="a survey"} 1.01
        churnwatch_kpi_focus{kpi="nrr"} 1
        churnwatch_kpi_margin 0.8
        churnwatch_kpi_target{kpi="nrr"} 1.02
        churnwatch_lag_records{role="engine",topic="churnwatch.events.v1"} 12
        churnwatch_learned_weights_in_force{population="subscribed"} 0
        churnwatch_learned_weights_in_force{population="unsubscribed"} 0
        churnwatch_ledger_left_out 0
        churnwatch_left_accounts 12
        churnwatch_left_accounts_foretold{lead="0-6d"} 2
        churnwatch_left_accounts_foretold{lead="14-27d"} 4
        churnwatch_left_accounts_foretold{lead="28d+"} 2
        churnwatch_left_accounts_foretold{lead="7-13d"} 0
        churnwatch_mrr_amount{band="at_risk",currency="USD",segment="free \"trial\""} 0
        churnwatch_mrr_amount{band="at_risk",currency="USD",segment="pro"} 0
        churnwatch_mrr_amount{band="critical",currency="USD",segment="free \"trial\""} 0.25
        churnwatch_mrr_amount{band="critical",currency="USD",segment="pro"} 0.5
        churnwatch_mrr_amount{band="healthy",currency="USD",segment="free \"trial\""} 1000.5
        churnwatch_mrr_amount{band="healthy",currency="USD",segment="pro"} 2001
        churnwatch_mrr_amount{band="watch",currency="USD",segment="free \"trial\""} 0
        churnwatch_mrr_amount{band="watch",currency="USD",segment="pro"} 0
        churnwatch_mrr_movements{movement="churned"} 2
        churnwatch_mrr_movements{movement="contraction"} 0
        churnwatch_mrr_movements{movement="expansion"} 2
        churnwatch_mrr_movements{movement="new"} 4
        churnwatch_mrr_movements{movement="reactivation"} 0
        churnwatch_mrr_movements_amount{currency="USD",movement="churned"} 1.98
        churnwatch_mrr_movements_amount{currency="USD",movement="contraction"} 0
        churnwatch_mrr_movements_amount{currency="USD",movement="expansion"} 0.2
        churnwatch_mrr_movements_amount{currency="USD",movement="new"} 4000
        churnwatch_mrr_movements_amount{currency="USD",movement="reactivation"} 0
        churnwatch_nps_respondents{class="detractor"} 4
        churnwatch_nps_respondents{class="passive"} 2
        churnwatch_nps_respondents{class="promoter"} 10
        churnwatch_open_alerts{severity="critical",type="churn_risk"} 14
        churnwatch_open_alerts{severity="critical",type="usage_frequency"} 4
        churnwatch_open_alerts{severity="warning",type="churn_risk"} 0
        churnwatch_open_alerts{severity="warning",type="usage_frequency"} 2
        churnwatch_partition_clock_timestamp_seconds{partition="0"} 1772452800
        churnwatch_partition_clock_timestamp_seconds{partition="1"} 1772452799.5
        churnwatch_partition_lag_records{partition="0",role="engine",topic="churnwatch.events.v1"} 7
        churnwatch_partition_lag_records{partition="1",role="engine",topic="churnwatch.events.v1"} 5
        churnwatch_partition_restore_remaining_records{partition="0"} 0
        churnwatch_partitions 2
        churnwatch_paying_customers{segment="free \"trial\""} 3
        churnwatch_paying_customers{segment="pro"} 6
        churnwatch_period_customers_acquired{period="month",phase="complete",segment="pro"} 0
        churnwatch_period_customers_acquired{period="month",phase="running",segment="pro"} 0
        churnwatch_period_customers_acquired{period="quarter",phase="complete",segment="pro"} 2
        churnwatch_period_customers_acquired{period="quarter",phase="running",segment="pro"} 0
        churnwatch_period_customers_acquired{period="year",phase="complete",segment="pro"} 2
        churnwatch_period_customers_acquired{period="year",phase="running",segment="pro"} 0
        churnwatch_period_customers_end{period="month",phase="complete",segment="pro"} 2
        churnwatch_period_customers_end{period="month",phase="running",segment="pro"} 2
        churnwatch_period_customers_end{period="quarter",phase="complete",segment="pro"} 2
        churnwatch_period_customers_end{period="quarter",phase="running",segment="pro"} 2
        churnwatch_period_customers_end{period="year",phase="complete",segment="pro"} 2
        churnwatch_period_customers_end{period="year",phase="running",segment="pro"} 2
        churnwatch_period_customers_lost{period="month",phase="complete",segment="pro"} 0
        churnwatch_period_customers_lost{period="month",phase="running",segment="pro"} 0
        churnwatch_period_customers_lost{period="quarter",phase="complete",segment="pro"} 0
        churnwatch_period_customers_lost{period="quarter",phase="running",segment="pro"} 0
        churnwatch_period_customers_lost{period="year",phase="complete",segment="pro"} 0
        churnwatch_period_customers_lost{period="year",phase="running",segment="pro"} 0
        churnwatch_period_customers_returned{period="month",phase="complete",segment="pro"} 0
        churnwatch_period_customers_returned{period="month",phase="running",segment="pro"} 0
        churnwatch_period_customers_returned{period="quarter",phase="complete",segment="pro"} 0
        churnwatch_period_customers_returned{period="quarter",phase="running",segment="pro"} 0
        churnwatch_period_customers_returned{period="year",phase="complete",segment="pro"} 0
        churnwatch_period_customers_returned{period="year",phase="running",segment="pro"} 0
        churnwatch_period_customers_start{period="month",phase="complete",segment="pro"} 2
        churnwatch_period_customers_start{period="month",phase="running",segment="pro"} 2
        churnwatch_period_customers_start{period="quarter",phase="complete",segment="pro"} 0
        churnwatch_period_customers_start{period="quarter",phase="running",segment="pro"} 2
        churnwatch_period_customers_start{period="year",phase="complete",segment="pro"} 0
        churnwatch_period_customers_start{period="year",phase="running",segment="pro"} 2
        churnwatch_period_mrr_end_amount{currency="USD",period="month",phase="complete",segment="pro"} 240
        churnwatch_period_mrr_end_amount{currency="USD",period="month",phase="running",segment="pro"} 240
        churnwatch_period_mrr_end_amount{currency="USD",period="quarter",phase="complete",segment="pro"} 200
        churnwatch_period_mrr_end_amount{currency="USD",period="quarter",phase="running",segment="pro"} 240
        churnwatch_period_mrr_end_amount{currency="USD",period="year",phase="complete",segment="pro"} 200
        churnwatch_period_mrr_end_amount{currency="USD",period="year",phase="running",segment="pro"} 240
        churnwatch_period_mrr_movements_amount{currency="USD",movement="churned",period="month",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="churned",period="month",phase="running",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="churned",period="quarter",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="churned",period="quarter",phase="running",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="churned",period="year",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="churned",period="year",phase="running",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="contraction",period="month",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="contraction",period="month",phase="running",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="contraction",period="quarter",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="contraction",period="quarter",phase="running",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="contraction",period="year",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="contraction",period="year",phase="running",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="expansion",period="month",phase="complete",segment="pro"} 40
        churnwatch_period_mrr_movements_amount{currency="USD",movement="expansion",period="month",phase="running",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="expansion",period="quarter",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="expansion",period="quarter",phase="running",segment="pro"} 40
        churnwatch_period_mrr_movements_amount{currency="USD",movement="expansion",period="year",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="expansion",period="year",phase="running",segment="pro"} 40
        churnwatch_period_mrr_movements_amount{currency="USD",movement="fx",period="month",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="fx",period="month",phase="running",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="fx",period="quarter",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="fx",period="quarter",phase="running",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="fx",period="year",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="fx",period="year",phase="running",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="new",period="month",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="new",period="month",phase="running",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="new",period="quarter",phase="complete",segment="pro"} 200
        churnwatch_period_mrr_movements_amount{currency="USD",movement="new",period="quarter",phase="running",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="new",period="year",phase="complete",segment="pro"} 200
        churnwatch_period_mrr_movements_amount{currency="USD",movement="new",period="year",phase="running",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="reactivation",period="month",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="reactivation",period="month",phase="running",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="reactivation",period="quarter",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="reactivation",period="quarter",phase="running",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="reactivation",period="year",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_movements_amount{currency="USD",movement="reactivation",period="year",phase="running",segment="pro"} 0
        churnwatch_period_mrr_start_amount{currency="USD",period="month",phase="complete",segment="pro"} 200
        churnwatch_period_mrr_start_amount{currency="USD",period="month",phase="running",segment="pro"} 240
        churnwatch_period_mrr_start_amount{currency="USD",period="quarter",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_start_amount{currency="USD",period="quarter",phase="running",segment="pro"} 200
        churnwatch_period_mrr_start_amount{currency="USD",period="year",phase="complete",segment="pro"} 0
        churnwatch_period_mrr_start_amount{currency="USD",period="year",phase="running",segment="pro"} 200
        churnwatch_period_opening_mrr_end_amount{currency="USD",period="month",phase="complete",segment="pro"} 240
        churnwatch_period_opening_mrr_end_amount{currency="USD",period="month",phase="running",segment="pro"} 240
        churnwatch_period_opening_mrr_end_amount{currency="USD",period="quarter",phase="complete",segment="pro"} 0
        churnwatch_period_opening_mrr_end_amount{currency="USD",period="quarter",phase="running",segment="pro"} 240
        churnwatch_period_opening_mrr_end_amount{currency="USD",period="year",phase="complete",segment="pro"} 0
        churnwatch_period_opening_mrr_end_amount{currency="USD",period="year",phase="running",segment="pro"} 240
        churnwatch_period_opening_mrr_kept_amount{currency="USD",period="month",phase="complete",segment="pro"} 200
        churnwatch_period_opening_mrr_kept_amount{currency="USD",period="month",phase="running",segment="pro"} 240
        churnwatch_period_opening_mrr_kept_amount{currency="USD",period="quarter",phase="complete",segment="pro"} 0
        churnwatch_period_opening_mrr_kept_amount{currency="USD",period="quarter",phase="running",segment="pro"} 200
        churnwatch_period_opening_mrr_kept_amount{currency="USD",period="year",phase="complete",segment="pro"} 0
        churnwatch_period_opening_mrr_kept_amount{currency="USD",period="year",phase="running",segment="pro"} 200
        churnwatch_period_start_timestamp_seconds{period="month",phase="complete"} 1769904000
        churnwatch_period_start_timestamp_seconds{period="month",phase="running"} 1772323200
        churnwatch_period_start_timestamp_seconds{period="quarter",phase="complete"} 1759276800
        churnwatch_period_start_timestamp_seconds{period="quarter",phase="running"} 1767225600
        churnwatch_period_start_timestamp_seconds{period="year",phase="complete"} 1735689600
        churnwatch_period_start_timestamp_seconds{period="year",phase="running"} 1767225600
        churnwatch_read_bytes_total{role="engine"} 0
        churnwatch_read_bytes_total{role="ingest"} 27000
        churnwatch_read_bytes_total{role="learner"} 0
        churnwatch_ready{role="engine"} 1
        churnwatch_ready{role="ingest"} 0
        churnwatch_rebalances_total{kind="assigned",role="engine"} 1
        churnwatch_rebalances_total{kind="assigned",role="ingest"} 0
        churnwatch_rebalances_total{kind="assigned",role="learner"} 0
        churnwatch_rebalances_total{kind="lost",role="engine"} 0
        churnwatch_rebalances_total{kind="lost",role="ingest"} 0
        churnwatch_rebalances_total{kind="lost",role="learner"} 0
        churnwatch_rebalances_total{kind="revoked",role="engine"} 0
        churnwatch_rebalances_total{kind="revoked",role="ingest"} 0
        churnwatch_rebalances_total{kind="revoked",role="learner"} 0
        churnwatch_records_lost_total{role="ingest"} 0
        churnwatch_records_read_total{role="engine"} 0
        churnwatch_records_read_total{role="ingest"} 100
        churnwatch_records_read_total{role="learner"} 0
        churnwatch_records_rejected_total{reason="not_json",role="ingest"} 3
        churnwatch_renewals_due{period="month",phase="complete"} 0
        churnwatch_renewals_due{period="month",phase="running"} 2
        churnwatch_renewals_due{period="quarter",phase="complete"} 0
        churnwatch_renewals_due{period="quarter",phase="running"} 2
        churnwatch_renewals_due{period="year",phase="complete"} 0
        churnwatch_renewals_due{period="year",phase="running"} 2
        churnwatch_renewals_due_amount{currency="USD",period="month",phase="complete"} 0
        churnwatch_renewals_due_amount{currency="USD",period="month",phase="running"} 0.02
        churnwatch_renewals_due_amount{currency="USD",period="quarter",phase="complete"} 0
        churnwatch_renewals_due_amount{currency="USD",period="quarter",phase="running"} 0.02
        churnwatch_renewals_due_amount{currency="USD",period="year",phase="complete"} 0
        churnwatch_renewals_due_amount{currency="USD",period="year",phase="running"} 0.02
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
        churnwatch_restore_remaining_records 0
        churnwatch_restored_records 50
        churnwatch_revenue_at_risk_amount{band="at_risk",currency="USD",segment="free \"trial\""} 0
        churnwatch_revenue_at_risk_amount{band="at_risk",currency="USD",segment="pro"} 0
        churnwatch_revenue_at_risk_amount{band="critical",currency="USD",segment="free \"trial\""} 0.2
        churnwatch_revenue_at_risk_amount{band="critical",currency="USD",segment="pro"} 0.4
        churnwatch_revenue_at_risk_amount{band="healthy",currency="USD",segment="free \"trial\""} 0.1
        churnwatch_revenue_at_risk_amount{band="healthy",currency="USD",segment="pro"} 0.2
        churnwatch_revenue_at_risk_amount{band="watch",currency="USD",segment="free \"trial\""} 0
        churnwatch_revenue_at_risk_amount{band="watch",currency="USD",segment="pro"} 0
        churnwatch_series_omitted{dimension="engine_partition"} 0
        churnwatch_series_omitted{dimension="kpi_segment"} 0
        churnwatch_series_omitted{dimension="lag_partition"} 0
        churnwatch_series_omitted{dimension="segment"} 0
        churnwatch_signups 6
        churnwatch_signups_dropoff_due 4
        churnwatch_signups_dropped_off 2
        churnwatch_signups_onboarded 2
        churnwatch_signups_onboarding_due 4
        churnwatch_silence_held_partitions 2
        churnwatch_source_reached_timestamp_seconds{topic="product.usage"} 1772452799.5
        churnwatch_state_accounts 20
        churnwatch_surveys_answered{survey="csat"} 0
        churnwatch_surveys_answered{survey="nps"} 2
        churnwatch_surveys_sent{survey="csat"} 0
        churnwatch_surveys_sent{survey="nps"} 2
        churnwatch_transactions_aborted_total{cause="illegal_generation",role="engine"} 1
        churnwatch_trials_converted{card="unknown"} 0
        churnwatch_trials_converted{card="with"} 2
        churnwatch_trials_converted{card="without"} 0
        churnwatch_trials_ended{card="unknown"} 0
        churnwatch_trials_ended{card="with"} 2
        churnwatch_trials_ended{card="without"} 0
        churnwatch_trials_started{card="unknown"} 0
        churnwatch_trials_started{card="with"} 2
        churnwatch_trials_started{card="without"} 0
        churnwatch_unknown_type_records_total{role="engine"} 4
        churnwatch_unknown_type_records_total{role="ingest"} 0
        churnwatch_unknown_type_records_total{role="learner"} 0
        churnwatch_vintage_mrr_amount{cohort="2025-12",currency="USD"} 240
    "#]]
    .assert_eq(&page(&telemetry));
}

#[test]
fn a_partition_without_a_clock_shows_no_business_gauges() {
    let telemetry = telemetry();
    telemetry
        .publish(PartitionIndex(0), PartitionView { clock: None, ..view(NOON, vec![segment("pro", [1, 0, 0, 0])]) });
    let business =
        ["churnwatch_accounts", "churnwatch_mrr", "churnwatch_active", "churnwatch_open", "churnwatch_clock"];
    check(&telemetry, &business, &expect![[r#""#]]);
    // A second partition that has one shows its own, but the slowest clock stays unknown.
    telemetry.publish(PartitionIndex(1), view(NOON, vec![segment("pro", [2, 0, 0, 0])]));
    check(
        &telemetry,
        &["churnwatch_accounts", "churnwatch_clock", "churnwatch_partition_clock"],
        &expect![[r#"
        churnwatch_accounts{band="at_risk",segment="pro"} 0
        churnwatch_accounts{band="critical",segment="pro"} 0
        churnwatch_accounts{band="healthy",segment="pro"} 2
        churnwatch_accounts{band="watch",segment="pro"} 0
        churnwatch_partition_clock_timestamp_seconds{partition="1"} 1772452800
    "#]],
    );
}

#[test]
fn counters_take_the_difference_between_publications() {
    let telemetry = telemetry();
    let publish = |accepted| {
        let counts = Counts { accepted, ..Counts::default() };
        telemetry.publish(PartitionIndex(0), PartitionView { counts, ..PartitionView::default() });
    };
    publish(10);
    publish(15);
    check(
        &telemetry,
        &["churnwatch_events_accepted"],
        &expect![[r#"
        churnwatch_events_accepted_total 15
    "#]],
    );
    publish(4); // restored: a new engine counts from 0
    telemetry.unpublish(PartitionIndex(0));
    publish(1);
    check(
        &telemetry,
        &["churnwatch_events_accepted"],
        &expect![[r#"
        churnwatch_events_accepted_total 20
    "#]],
    );
}

#[test]
fn what_is_no_longer_held_disappears() {
    let telemetry = telemetry();
    feed(&telemetry);
    telemetry.lag(Role::Ingest, "product.usage", PartitionIndex(0), 3);
    telemetry.forget_lag(Role::Ingest, "product.usage", PartitionIndex(0));
    telemetry.unpublish(PartitionIndex(0));
    telemetry.unpublish(PartitionIndex(1));
    let gone =
        ["churnwatch_lag", "churnwatch_accounts", "churnwatch_restore", "churnwatch_state", "churnwatch_partition"];
    check(
        &telemetry,
        &gone,
        &expect![[r#"
        churnwatch_partitions 0
        churnwatch_state_accounts 0
    "#]],
    );
}

#[test]
fn a_role_is_as_ready_as_its_least_ready_worker() {
    let telemetry = telemetry();
    let missing = || {
        let missing: Vec<String> = telemetry
            .missing()
            .iter()
            .map(|missing| format!("{} {} {}", missing.role.name(), missing.state.name(), missing.restore_remaining))
            .collect();
        missing.join(", ")
    };
    assert_eq!(missing(), "ingest unassigned 0, engine unassigned 0");
    telemetry.ready(Role::Ingest, Readiness::Ready);
    telemetry.ready_worker(Role::Engine, 0, Readiness::Ready);
    telemetry.ready_worker(Role::Engine, 1, Readiness::Unassigned);
    assert_eq!(missing(), "engine unassigned 0");
    telemetry.restore(PartitionIndex(3), RestoreProgress { records: 1, remaining: 99 });
    telemetry.ready_worker(Role::Engine, 1, Readiness::Ready);
    assert_eq!(missing(), "engine restoring 99");
    telemetry.restore(PartitionIndex(3), RestoreProgress { records: 100, remaining: 0 });
    assert_eq!(missing(), "");
    telemetry.ready_worker(Role::Engine, 1, Readiness::Unassigned);
    assert_eq!(missing(), "engine unassigned 0");
}

/// `partitions` partitions with 50 segments each, all different, and three topics.
fn crowd(partitions: i32) -> Telemetry {
    let alert_types = vec!["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    let telemetry = Telemetry::new(Settings { alert_types, ..settings() }).unwrap();
    for partition in (0..partitions).map(PartitionIndex) {
        let segments = (0..50).map(|index| segment(&format!("plan-{index}-{}", partition.0), [1, 1, 1, 1])).collect();
        telemetry.publish(partition, view(NOON, segments));
        telemetry.restore(partition, RestoreProgress { records: 1, remaining: 1 });
        for topic in ["product.usage", "billing.events", "churnwatch.events.v1"] {
            telemetry.lag(Role::Engine, topic, partition, 1);
        }
    }
    telemetry
}

#[test]
fn series_stay_within_the_budget() {
    // The worst is where series by partition are just still shown.
    for partitions in [1, 85, 256, 257, 1024] {
        let page = crowd(partitions).render().unwrap();
        let series = page.lines().filter(|line| !line.starts_with('#')).count();
        assert!(series < 2_000, "{series} series with {partitions} partitions");
    }
}

#[test]
fn beyond_the_limits_sums_stay_whole() {
    let telemetry = crowd(1024);
    let page = page(&telemetry);
    let segments_shown = page.lines().filter(|line| line.starts_with("churnwatch_paying_customers{")).count();
    assert_eq!(segments_shown, 52);
    check(
        &telemetry,
        &[
            "churnwatch_series_omitted",
            "churnwatch_lag",
            "churnwatch_restore",
            "churnwatch_paying_customers{segment=\"other",
        ],
        &expect![[r#"
            churnwatch_lag_records{role="engine",topic="billing.events"} 1024
            churnwatch_lag_records{role="engine",topic="churnwatch.events.v1"} 1024
            churnwatch_lag_records{role="engine",topic="product.usage"} 1024
            churnwatch_paying_customers{segment="other"} 153447
            churnwatch_restore_remaining_records 1024
            churnwatch_restored_records 1024
            churnwatch_series_omitted{dimension="engine_partition"} 1024
            churnwatch_series_omitted{dimension="kpi_segment"} 0
            churnwatch_series_omitted{dimension="lag_partition"} 3072
            churnwatch_series_omitted{dimension="segment"} 51149
        "#]],
    );
    // Nothing is lost by folding.
    let accounts: f64 = page
        .lines()
        .filter(|line| line.starts_with("churnwatch_accounts{"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum();
    assert!((accounts - 1024.0 * 50.0 * 4.0).abs() < 0.5, "{accounts}");
}

#[test]
fn a_segment_name_is_cut_at_a_character() {
    let telemetry = telemetry();
    telemetry.publish(
        PartitionIndex(0),
        view(NOON, vec![segment(&"é".repeat(40), [0; 4]), segment(&"é".repeat(50), [0; 4])]),
    );
    check(
        &telemetry,
        &["churnwatch_paying_customers"],
        &expect![[r#"
        churnwatch_paying_customers{segment="éééééééééééééééééééééééééééééééé"} 6
    "#]],
    );
}

#[test]
fn a_currency_without_minor_units_is_not_divided() {
    let telemetry = Telemetry::new(Settings { currency: Currency::parse("JPY").unwrap(), ..settings() }).unwrap();
    telemetry.publish(PartitionIndex(0), view(NOON, vec![segment("pro", [1, 0, 0, 0])]));
    check(
        &telemetry,
        &["churnwatch_mrr_amount"],
        &expect![[r#"
        churnwatch_mrr_amount{band="at_risk",currency="JPY",segment="pro"} 0
        churnwatch_mrr_amount{band="critical",currency="JPY",segment="pro"} 25
        churnwatch_mrr_amount{band="healthy",currency="JPY",segment="pro"} 100050
        churnwatch_mrr_amount{band="watch",currency="JPY",segment="pro"} 0
    "#]],
    );
}

#[test]
fn alert_quality_adds_up_over_partitions() {
    let telemetry = telemetry();
    feed(&telemetry);
    let prefixes = ["churnwatch_alerts_", "churnwatch_alert_res", "churnwatch_left", "churnwatch_foretold"];
    check(
        &telemetry,
        &prefixes,
        &expect![[r#"
            churnwatch_alert_resolution_outcomes{outcome="churned",reason="renewed",type="usage_frequency"} 0
            churnwatch_alert_resolution_outcomes{outcome="retained",reason="renewed",type="usage_frequency"} 2
            churnwatch_alert_resolutions{reason="renewed",type="usage_frequency"} 4
            churnwatch_alerts_acknowledge_delay_seconds{type="churn_risk"} 0
            churnwatch_alerts_acknowledge_delay_seconds{type="usage_frequency"} 180
            churnwatch_alerts_acknowledged{type="churn_risk"} 0
            churnwatch_alerts_acknowledged{type="usage_frequency"} 4
            churnwatch_alerts_followed_by_churn{type="churn_risk"} 0
            churnwatch_alerts_followed_by_churn{type="usage_frequency"} 6
            churnwatch_alerts_matured{type="churn_risk"} 0
            churnwatch_alerts_matured{type="usage_frequency"} 8
            churnwatch_foretold_lead_seconds 10368000
            churnwatch_left_accounts 12
            churnwatch_left_accounts_foretold{lead="0-6d"} 2
            churnwatch_left_accounts_foretold{lead="14-27d"} 4
            churnwatch_left_accounts_foretold{lead="28d+"} 2
            churnwatch_left_accounts_foretold{lead="7-13d"} 0
        "#]],
    );
    let actions = page(&telemetry).lines().filter(|line| line.starts_with("churnwatch_alert_actions")).count();
    assert_eq!(actions, 20);
    check(
        &telemetry,
        &[
            "churnwatch_alert_actions_total{action=\"acknowledged\"",
            "churnwatch_alert_actions_total{action=\"resolved\"",
        ],
        &expect![[r#"
            churnwatch_alert_actions_total{action="acknowledged",result="closed_alert"} 0
            churnwatch_alert_actions_total{action="acknowledged",result="other_reason"} 0
            churnwatch_alert_actions_total{action="acknowledged",result="past_time"} 0
            churnwatch_alert_actions_total{action="acknowledged",result="taken"} 2
            churnwatch_alert_actions_total{action="acknowledged",result="unknown_alert"} 4
            churnwatch_alert_actions_total{action="resolved",result="closed_alert"} 0
            churnwatch_alert_actions_total{action="resolved",result="other_reason"} 2
            churnwatch_alert_actions_total{action="resolved",result="past_time"} 0
            churnwatch_alert_actions_total{action="resolved",result="taken"} 0
            churnwatch_alert_actions_total{action="resolved",result="unknown_alert"} 0
        "#]],
    );
}
