//! Every metric the product exports, declared once: registration, `docs/metrics.md` and the tests follow from it.
//!
//! A new metric is one variant and one arm here, plus the place that feeds it. Names are never reused with another
//! meaning.

/// Upper bounds of duration buckets, in seconds: from a quick commit to a stalled pipeline, fine around the few commit
/// intervals that an alert may take.
pub const DURATION_BUCKETS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// A metric. The order is that of the documentation: the pipeline first, then the business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // each is documented by its declaration, which is what users read
pub enum Metric {
    BuildInfo,
    Ready,
    RecordsRead,
    ReadBytes,
    RecordsRejected,
    UnknownTypes,
    EventsAccepted,
    EventsDuplicate,
    EventsTooLate,
    EventsExcluded,
    EventsUnpriced,
    Judgements,
    CommitDuration,
    Aborts,
    Rebalances,
    EventToAlert,
    Lag,
    PartitionLag,
    Clock,
    PartitionClock,
    SourceReached,
    Partitions,
    RestoredRecords,
    RestoreRemaining,
    PartitionRestoreRemaining,
    SeriesOmitted,
    StateAccounts,
    StateBytes,
    AlertTransitions,
    AlertActions,
    OpenAlerts,
    AlertsMatured,
    AlertsFollowedByChurn,
    AlertsAcknowledged,
    AlertsAcknowledgeDelay,
    AlertResolutions,
    LeftAccounts,
    LeftAccountsForetold,
    ForetoldLead,
    Accounts,
    Mrr,
    RevenueAtRisk,
    PayingCustomers,
    MrrMovementAmount,
    MrrMovements,
    ActiveUsers,
    NpsRespondents,
    PeriodStart,
    PeriodCustomersStart,
    PeriodCustomersEnd,
    PeriodCustomersAcquired,
    PeriodCustomersReturned,
    PeriodCustomersLost,
    PeriodMrrStart,
    PeriodMrrEnd,
    PeriodMrrMovements,
    PeriodMrrKept,
    PeriodOpeningMrrEnd,
    CohortCustomers,
    CohortMrr,
    VintageMrr,
    SignUps,
    SignUpsOnboardingDue,
    SignUpsOnboarded,
    SignUpsDropOffDue,
    SignUpsDroppedOff,
    RenewalsDue,
    RenewalsRenewed,
    RenewalsDueAmount,
    RenewalsRenewedAmount,
    TrialsStarted,
    TrialsEnded,
    TrialsConverted,
    ConvertedTrialsChurned,
    SurveysSent,
    SurveysAnswered,
    CsatRespondents,
    BillingContradictions,
    LedgerLeftOut,
    KpiTarget,
    KpiFocus,
    KpiBenchmark,
    KpiMargin,
    FleetDay,
    LearnedOutcomes,
    LearnedChurned,
    CalibrationError,
    LearnedInForce,
}

/// How a metric behaves over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; begins at 0 with the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Durations by bucket, with their count and sum; begins at 0 with the process.
    Histogram,
}

/// What a value is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Whole things, named by the metric.
    Count,
    /// Seconds.
    Seconds,
    /// Seconds since 1970-01-01T00:00:00Z.
    TimestampSeconds,
    /// Bytes.
    Bytes,
    /// Major units (dollars, not cents) of the currency in the `currency` label.
    CurrencyAmount,
    /// A share, from 0 to 1.
    Ratio,
    /// Always 1; the labels carry the information.
    Info,
}

/// Which part of the product feeds a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Counted by this process as it works.
    Work,
    /// The present assignment and progress of this process.
    Status,
    /// The engine's state as of the last commit of each partition held; the same after a restart.
    State,
}

/// How a metric of several instances becomes one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregation {
    /// `sum`: instances add up.
    Sum,
    /// `min`: the slowest decides.
    Min,
    /// `max`: all tell of the same thing; who knows more is ahead.
    Max,
    /// Each instance for itself.
    PerInstance,
}

/// All there is to know about a metric.
#[derive(Clone, Copy, Debug)]
pub struct Declaration {
    /// Its name, with prefix and unit suffix.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// What it is measured in.
    pub unit: Unit,
    /// Its labels, in order.
    pub labels: &'static [&'static str],
    /// Who feeds it.
    pub origin: Origin,
    /// How instances are put together.
    pub aggregation: Aggregation,
    /// One sentence.
    pub help: &'static str,
}

use Aggregation::{Max, Min, PerInstance, Sum};
use Kind::{Counter, Gauge, Histogram};
use Origin::{State, Status, Work};
use Unit::{Bytes, Count, CurrencyAmount, Info, Ratio, Seconds, TimestampSeconds};

impl Metric {
    /// All metrics, in the order of the documentation.
    pub const ALL: [Metric; 88] = [
        Metric::BuildInfo,
        Metric::Ready,
        Metric::RecordsRead,
        Metric::ReadBytes,
        Metric::RecordsRejected,
        Metric::UnknownTypes,
        Metric::EventsAccepted,
        Metric::EventsDuplicate,
        Metric::EventsTooLate,
        Metric::EventsExcluded,
        Metric::EventsUnpriced,
        Metric::Judgements,
        Metric::CommitDuration,
        Metric::Aborts,
        Metric::Rebalances,
        Metric::EventToAlert,
        Metric::Lag,
        Metric::PartitionLag,
        Metric::Clock,
        Metric::PartitionClock,
        Metric::SourceReached,
        Metric::Partitions,
        Metric::RestoredRecords,
        Metric::RestoreRemaining,
        Metric::PartitionRestoreRemaining,
        Metric::SeriesOmitted,
        Metric::StateAccounts,
        Metric::StateBytes,
        Metric::AlertTransitions,
        Metric::AlertActions,
        Metric::OpenAlerts,
        Metric::AlertsMatured,
        Metric::AlertsFollowedByChurn,
        Metric::AlertsAcknowledged,
        Metric::AlertsAcknowledgeDelay,
        Metric::AlertResolutions,
        Metric::LeftAccounts,
        Metric::LeftAccountsForetold,
        Metric::ForetoldLead,
        Metric::Accounts,
        Metric::Mrr,
        Metric::RevenueAtRisk,
        Metric::PayingCustomers,
        Metric::MrrMovementAmount,
        Metric::MrrMovements,
        Metric::ActiveUsers,
        Metric::NpsRespondents,
        Metric::PeriodStart,
        Metric::PeriodCustomersStart,
        Metric::PeriodCustomersEnd,
        Metric::PeriodCustomersAcquired,
        Metric::PeriodCustomersReturned,
        Metric::PeriodCustomersLost,
        Metric::PeriodMrrStart,
        Metric::PeriodMrrEnd,
        Metric::PeriodMrrMovements,
        Metric::PeriodMrrKept,
        Metric::PeriodOpeningMrrEnd,
        Metric::CohortCustomers,
        Metric::CohortMrr,
        Metric::VintageMrr,
        Metric::SignUps,
        Metric::SignUpsOnboardingDue,
        Metric::SignUpsOnboarded,
        Metric::SignUpsDropOffDue,
        Metric::SignUpsDroppedOff,
        Metric::RenewalsDue,
        Metric::RenewalsRenewed,
        Metric::RenewalsDueAmount,
        Metric::RenewalsRenewedAmount,
        Metric::TrialsStarted,
        Metric::TrialsEnded,
        Metric::TrialsConverted,
        Metric::ConvertedTrialsChurned,
        Metric::SurveysSent,
        Metric::SurveysAnswered,
        Metric::CsatRespondents,
        Metric::BillingContradictions,
        Metric::LedgerLeftOut,
        Metric::KpiTarget,
        Metric::KpiFocus,
        Metric::KpiBenchmark,
        Metric::KpiMargin,
        Metric::FleetDay,
        Metric::LearnedOutcomes,
        Metric::LearnedChurned,
        Metric::CalibrationError,
        Metric::LearnedInForce,
    ];

    /// Its declaration.
    #[must_use]
    #[rustfmt::skip] // a table, two lines a metric
    #[allow(clippy::too_many_lines)] // likewise
    pub const fn declaration(self) -> Declaration {
        match self {
            Metric::BuildInfo => declare("churnwatch_build_info", Gauge, Info, &["version", "rules"], Status, PerInstance,
                "Always 1: the version of the program and the hash of the rules in force."),
            Metric::Ready => declare("churnwatch_ready", Gauge, Count, &["role"], Status, PerInstance,
                "1 when the role is assigned and restored in this process, else 0."),
            Metric::RecordsRead => declare("churnwatch_records_read_total", Counter, Count, &["role"], Work, Sum,
                "Records read, good or bad."),
            Metric::ReadBytes => declare("churnwatch_read_bytes_total", Counter, Bytes, &["role"], Work, Sum,
                "Bytes of the values of records read."),
            Metric::RecordsRejected => declare("churnwatch_records_rejected_total", Counter, Count, &["role", "reason"], Work, Sum,
                "Records that could not become events and went to the dead letters, by reason."),
            Metric::UnknownTypes => declare("churnwatch_unknown_type_records_total", Counter, Count, &["role"], Work, Sum,
                "Well-formed records of an event type that the product does not know; skipped."),
            Metric::EventsAccepted => declare("churnwatch_events_accepted_total", Counter, Count, &[], Work, Sum,
                "Events that changed the state of an account."),
            Metric::EventsDuplicate => declare("churnwatch_events_duplicate_total", Counter, Count, &[], Work, Sum,
                "Events ignored because their id had been seen within the deduplication window."),
            Metric::EventsTooLate => declare("churnwatch_events_too_late_total", Counter, Count, &[], Work, Sum,
                "Events too old for the activity windows; they still reached billing and identity."),
            Metric::EventsExcluded => declare("churnwatch_events_excluded_total", Counter, Count, &[], Work, Sum,
                "Events left out because their user or source does not count by configuration."),
            Metric::EventsUnpriced => declare("churnwatch_events_unpriced_total", Counter, Count, &[], Work, Sum,
                "Subscription events in a currency without a configured rate; their MRR was left as it was."),
            Metric::Judgements => declare("churnwatch_judgements_total", Counter, Count, &[], Work, Sum,
                "Times an account was judged anew."),
            Metric::CommitDuration => declare("churnwatch_commit_duration_seconds", Histogram, Seconds, &["role"], Work, Sum,
                "Time of a transaction from its begin to the broker's answer; the count is the number of commits."),
            Metric::Aborts => declare("churnwatch_transactions_aborted_total", Counter, Count, &["role", "cause"], Work, Sum,
                "Transactions aborted, by cause; their work is done again."),
            Metric::Rebalances => declare("churnwatch_rebalances_total", Counter, Count, &["role", "kind"], Work, Sum,
                "Rebalances that assigned partitions to this process, revoked them, or found them lost."),
            Metric::EventToAlert => declare("churnwatch_event_to_alert_seconds", Histogram, Seconds, &[], Work, Sum,
                "Time from the arrival of a record on the canonical topic to the commit of the alert it caused."),
            Metric::Lag => declare("churnwatch_lag_records", Gauge, Count, &["role", "topic"], Status, Sum,
                "Records of the topic still to be read by this process."),
            Metric::PartitionLag => declare("churnwatch_partition_lag_records", Gauge, Count, &["role", "topic", "partition"], Status, Sum,
                "Records of the partition still to be read."),
            Metric::Clock => declare("churnwatch_clock_timestamp_seconds", Gauge, TimestampSeconds, &[], State, Min,
                "Engine clock of the partition furthest behind; everything up to it has been judged. Absent until every partition has one."),
            Metric::PartitionClock => declare("churnwatch_partition_clock_timestamp_seconds", Gauge, TimestampSeconds, &["partition"], State, Min,
                "Engine clock of the partition. Absent until every source has reported."),
            Metric::SourceReached => declare("churnwatch_source_reached_timestamp_seconds", Gauge, TimestampSeconds, &["topic"], State, Min,
                "Event time that the slowest partition of the source topic has reached; the source with the smallest holds the clock."),
            Metric::Partitions => declare("churnwatch_partitions", Gauge, Count, &[], Status, Sum,
                "Engine partitions whose state is held by this process."),
            Metric::RestoredRecords => declare("churnwatch_restored_records", Gauge, Count, &[], Status, Sum,
                "Changelog records read to restore the partitions now held."),
            Metric::RestoreRemaining => declare("churnwatch_restore_remaining_records", Gauge, Count, &[], Status, Sum,
                "Changelog offsets still to be read before the partitions now held are restored; 0 when done."),
            Metric::PartitionRestoreRemaining => declare("churnwatch_partition_restore_remaining_records", Gauge, Count, &["partition"], Status, Sum,
                "Changelog offsets still to be read before the partition is restored; 0 when done."),
            Metric::SeriesOmitted => declare("churnwatch_series_omitted", Gauge, Count, &["dimension"], Status, Sum,
                "Partitions or segments that have no series of their own because there are more than the limit; sums still contain them."),
            Metric::StateAccounts => {
                declare("churnwatch_state_accounts", Gauge, Count, &[], State, Sum, "Accounts held in memory.")
            }
            Metric::StateBytes => declare("churnwatch_state_bytes", Gauge, Bytes, &[], State, Sum,
                "Size of the state as written to the changelog, where known."),
            Metric::AlertTransitions => declare("churnwatch_alert_transitions_total", Counter, Count, &["type", "transition"], Work, Sum,
                "Changes of alerts committed, by alert type and transition."),
            Metric::AlertActions => declare("churnwatch_alert_actions_total", Counter, Count, &["action", "result"], Work, Sum,
                "What people did with alerts over the log, by action and result; only `taken` and `other_reason` changed anything."),
            Metric::AlertsMatured => declare("churnwatch_alerts_matured", Gauge, Count, &["type"], State, Sum,
                "Alerts whose outcome is known: their account left, or the horizon passed since they were raised. Denominator of precision."),
            Metric::AlertsFollowedByChurn => declare("churnwatch_alerts_followed_by_churn", Gauge, Count, &["type"], State, Sum,
                "Alerts whose account left within the horizon after they were raised. Numerator of precision."),
            Metric::AlertsAcknowledged => declare("churnwatch_alerts_acknowledged", Gauge, Count, &["type"], State, Sum,
                "Alerts that somebody acknowledged, snoozed or resolved."),
            Metric::AlertsAcknowledgeDelay => declare("churnwatch_alerts_acknowledge_delay_seconds", Gauge, Seconds, &["type"], State, Sum,
                "Sum of the times from the raise of those alerts to that; divide by their number."),
            Metric::AlertResolutions => declare("churnwatch_alert_resolutions", Gauge, Count, &["type", "reason"], State, Sum,
                "Alerts resolved, by type and resolution reason; `recovered` where the cause was gone by itself."),
            Metric::LeftAccounts => declare("churnwatch_left_accounts", Gauge, Count, &[], State, Sum,
                "Times an account left that had been judged before. Denominator of recall."),
            Metric::LeftAccountsForetold => declare("churnwatch_left_accounts_foretold", Gauge, Count, &["lead"], State, Sum,
                "Those of them for which an alert stood within the horizon before, by days from its raise to the leaving. Numerator of recall."),
            Metric::ForetoldLead => declare("churnwatch_foretold_lead_seconds", Gauge, Seconds, &[], State, Sum,
                "Sum of those lead times in whole days; divide by the accounts foretold."),
            Metric::OpenAlerts => {
                declare("churnwatch_open_alerts", Gauge, Count, &["type", "severity"], State, Sum, "Alerts open now.")
            }
            Metric::Accounts => declare("churnwatch_accounts", Gauge, Count, &["segment", "band"], State, Sum,
                "Accounts by segment and risk band."),
            Metric::Mrr => declare("churnwatch_mrr_amount", Gauge, CurrencyAmount, &["segment", "band", "currency"], State, Sum,
                "Monthly recurring revenue by segment and risk band."),
            Metric::RevenueAtRisk => declare("churnwatch_revenue_at_risk_amount", Gauge, CurrencyAmount, &["segment", "band", "currency"], State, Sum,
                "Monthly recurring revenue expected to be lost: the sum of risk times MRR."),
            Metric::PayingCustomers => declare("churnwatch_paying_customers", Gauge, Count, &["segment"], State, Sum,
                "Accounts with monthly recurring revenue above 0."),
            Metric::MrrMovementAmount => declare("churnwatch_mrr_movements_amount", Gauge, CurrencyAmount, &["movement", "currency"], State, Sum,
                "Size of all movements of monthly recurring revenue since the beginning of the log; late events correct it."),
            Metric::MrrMovements => declare("churnwatch_mrr_movements", Gauge, Count, &["movement"], State, Sum,
                "Number of movements of monthly recurring revenue since the beginning of the log; late events correct it."),
            Metric::ActiveUsers => declare("churnwatch_active_users", Gauge, Count, &["window"], State, Sum,
                "Distinct users seen in the 1, 7 or 30 days that end with the clock's day."),
            Metric::NpsRespondents => declare("churnwatch_nps_respondents", Gauge, Count, &["class"], State, Sum,
                "Users by the class of their latest valid NPS answer: promoter (9-10), passive (7-8), detractor (0-6)."),
            Metric::PeriodStart => declare("churnwatch_period_start_timestamp_seconds", Gauge, TimestampSeconds, &["period", "phase"], State, Max,
                "First instant of the running and of the last complete month, quarter and year, in the configured time zone."),
            Metric::PeriodCustomersStart => declare("churnwatch_period_customers_start", Gauge, Count, &["period", "phase", "segment"], State, Sum,
                "Paying customers at the start of the period."),
            Metric::PeriodCustomersEnd => declare("churnwatch_period_customers_end", Gauge, Count, &["period", "phase", "segment"], State, Sum,
                "Paying customers at its end; of the running one, now."),
            Metric::PeriodCustomersAcquired => declare("churnwatch_period_customers_acquired", Gauge, Count, &["period", "phase", "segment"], State, Sum,
                "Customers who first paid within the period and pay at its end."),
            Metric::PeriodCustomersReturned => declare("churnwatch_period_customers_returned", Gauge, Count, &["period", "phase", "segment"], State, Sum,
                "Customers who had paid before, not at its start, and pay at its end."),
            Metric::PeriodCustomersLost => declare("churnwatch_period_customers_lost", Gauge, Count, &["period", "phase", "segment"], State, Sum,
                "Customers who paid at its start and do not at its end."),
            Metric::PeriodMrrStart => declare("churnwatch_period_mrr_start_amount", Gauge, CurrencyAmount, &["period", "phase", "segment", "currency"], State, Sum,
                "MRR at the start of the period."),
            Metric::PeriodMrrEnd => declare("churnwatch_period_mrr_end_amount", Gauge, CurrencyAmount, &["period", "phase", "segment", "currency"], State, Sum,
                "MRR at its end; of the running one, now."),
            Metric::PeriodMrrMovements => declare("churnwatch_period_mrr_movements_amount", Gauge, CurrencyAmount, &["period", "phase", "segment", "movement", "currency"], State, Sum,
                "Size of the movements of MRR within the period; `fx` with its sign. Start and movements lead to the end."),
            Metric::PeriodMrrKept => declare("churnwatch_period_opening_mrr_kept_amount", Gauge, CurrencyAmount, &["period", "phase", "segment", "currency"], State, Sum,
                "Of the customers at its start, the MRR still there at its end, of each at most what it was; `fx` left out. Numerator of GRR."),
            Metric::PeriodOpeningMrrEnd => declare("churnwatch_period_opening_mrr_end_amount", Gauge, CurrencyAmount, &["period", "phase", "segment", "currency"], State, Sum,
                "Of the same customers, all their MRR at its end; `fx` left out. Numerator of NRR."),
            Metric::CohortCustomers => declare("churnwatch_cohort_customers", Gauge, Count, &["cohort", "month_of_life"], State, Sum,
                "Customers by the month in which they first paid, at the end of their months of life (0 is that month); complete months only."),
            Metric::CohortMrr => declare("churnwatch_cohort_mrr_amount", Gauge, CurrencyAmount, &["cohort", "month_of_life", "currency"], State, Sum,
                "MRR of the same customers at the same moments."),
            Metric::VintageMrr => declare("churnwatch_vintage_mrr_amount", Gauge, CurrencyAmount, &["cohort", "currency"], State, Sum,
                "Present MRR by the month in which the customers first paid: the latest 13 months, and `older`."),
            Metric::SignUps => declare("churnwatch_signups", Gauge, Count, &[], State, Sum,
                "Accounts that signed up in the latest 90 days: first usage, trial or subscription."),
            Metric::SignUpsOnboardingDue => declare("churnwatch_signups_onboarding_due", Gauge, Count, &[], State, Sum,
                "Those of them whose time for onboarding has passed."),
            Metric::SignUpsOnboarded => declare("churnwatch_signups_onboarded", Gauge, Count, &[], State, Sum,
                "Those of these that were through their onboarding in time."),
            Metric::SignUpsDropOffDue => declare("churnwatch_signups_dropoff_due", Gauge, Count, &[], State, Sum,
                "Sign-ups of the latest 90 days that are at least 14 days old."),
            Metric::SignUpsDroppedOff => declare("churnwatch_signups_dropped_off", Gauge, Count, &[], State, Sum,
                "Those of them without usage after their first 7 days."),
            Metric::RenewalsDue => declare("churnwatch_renewals_due", Gauge, Count, &["period", "phase"], State, Sum,
                "Terms that ended within the period so far."),
            Metric::RenewalsRenewed => declare("churnwatch_renewals_renewed", Gauge, Count, &["period", "phase"], State, Sum,
                "Those of them that were renewed or simply went on."),
            Metric::RenewalsDueAmount => declare("churnwatch_renewals_due_amount", Gauge, CurrencyAmount, &["period", "phase", "currency"], State, Sum,
                "MRR of the terms that ended within the period so far."),
            Metric::RenewalsRenewedAmount => declare("churnwatch_renewals_renewed_amount", Gauge, CurrencyAmount, &["period", "phase", "currency"], State, Sum,
                "MRR, as it was before, of those of them that went on."),
            Metric::TrialsStarted => declare("churnwatch_trials_started", Gauge, Count, &["card"], State, Sum,
                "Trials since the beginning of the log, by whether a card was given."),
            Metric::TrialsEnded => declare("churnwatch_trials_ended", Gauge, Count, &["card"], State, Sum,
                "Those of them that have ended: converted, expired, past their end, or 90 days old without a known one."),
            Metric::TrialsConverted => declare("churnwatch_trials_converted", Gauge, Count, &["card"], State, Sum,
                "Those of these that became paying customers."),
            Metric::ConvertedTrialsChurned => declare("churnwatch_converted_trials_churned", Gauge, Count, &["card"], State, Sum,
                "Those of the converted that pay nothing any more."),
            Metric::SurveysSent => declare("churnwatch_surveys_sent", Gauge, Count, &["survey"], State, Sum,
                "Surveys sent in the latest 90 days."),
            Metric::SurveysAnswered => declare("churnwatch_surveys_answered", Gauge, Count, &["survey"], State, Sum,
                "Answers in the latest 90 days."),
            Metric::CsatRespondents => declare("churnwatch_csat_respondents", Gauge, Count, &["class"], State, Sum,
                "Users by the class of their latest rating in 180 days: satisfied (4-5), neutral (3), dissatisfied (1-2)."),
            Metric::BillingContradictions => declare("churnwatch_billing_contradictions", Gauge, Count, &["kind"], State, Sum,
                "Times billing contradicted itself, by kind; each has a defined result, see docs/kpis.md."),
            Metric::LedgerLeftOut => declare("churnwatch_ledger_left_out", Gauge, Count, &[], State, Sum,
                "Movements and terms of very long histories that are not told one by one any more; sums still contain the movements."),
            Metric::KpiTarget => declare("churnwatch_kpi_target", Gauge, Ratio, &["kpi"], State, Max,
                "The target of the KPI that is in force, in the KPI's unit."),
            Metric::KpiFocus => declare("churnwatch_kpi_focus", Gauge, Count, &["kpi"], State, Max,
                "1 for the one or two KPIs in focus."),
            Metric::KpiBenchmark => declare("churnwatch_kpi_benchmark", Gauge, Ratio, &["kpi", "benchmark"], State, Max,
                "What others reach, in the KPI's unit: a reference value, never a threshold."),
            Metric::KpiMargin => declare("churnwatch_kpi_margin", Gauge, Ratio, &[], State, Max,
                "Share of revenue that is left after the cost of serving it, as configured: what lifetime value is reckoned with."),
            Metric::FleetDay => declare("churnwatch_fleet_timestamp_seconds", Gauge, TimestampSeconds, &[], State, Max,
                "Up to when the fleet record in force knows the fleet. Absent while the shipped one holds."),
            Metric::LearnedOutcomes => declare("churnwatch_learned_outcomes", Gauge, Count, &["population"], State, Max,
                "Outcomes that the weights were learned from, by population. Absent until enough have been seen."),
            Metric::LearnedChurned => declare("churnwatch_learned_churned", Gauge, Count, &["population"], State, Max,
                "Those of the outcomes learned from that were churn."),
            Metric::CalibrationError => declare("churnwatch_calibration_error", Gauge, Ratio, &["population"], State, Max,
                "Mean distance between the risk foretold and the share that left, before the outcomes were learned from."),
            Metric::LearnedInForce => declare("churnwatch_learned_weights_in_force", Gauge, Count, &["population"], State, Max,
                "1 when risks are reckoned with learned weights, 0 when with those of the configuration."),
        }
    }
}

const fn declare(
    name: &'static str,
    kind: Kind,
    unit: Unit,
    labels: &'static [&'static str],
    origin: Origin,
    aggregation: Aggregation,
    help: &'static str,
) -> Declaration {
    Declaration { name, kind, unit, labels, origin, aggregation, help }
}
