//! What the process tells about itself: one handle that every part reports to, and the page that Prometheus reads.
//!
//! [`metric`] declares every metric; [`view`] holds the published state of each partition; `gauges` turns it into
//! series when somebody reads; [`inquiry`] hands questions to the engines and their answers back; [`logging`] sets up the
//! log. Nothing here decides anything, serves HTTP or knows Kafka.
//! Invariants: a method of [`Telemetry`] never blocks on a reader and never fails; the number of series is bounded;
//! no label carries an account, a user or the text of an error.

mod gauges;
pub mod inquiry;
pub mod logging;
pub mod metric;
#[cfg(test)]
mod reference;
mod status;
pub mod view;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use prometheus::core::Collector;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder};

use crate::config::kpis::Kpis;
use crate::engine::alert::action::{ACTIONS, RESULTS};
use crate::engine::effect::Transition;
use crate::engine::rules::{KpiRules, Learning, Rules};
use crate::engine::{Counts, alert};
use crate::units::{Currency, PartitionIndex};
use crate::worker::notify::OUTGOING_KINDS;
use gauges::Gauges;
use inquiry::Inquiry;
use metric::Metric;
pub use status::{Missing, Readiness, RebalanceKind, RestoreProgress, Role};
use status::{Status, WorkerIndex};
use view::PartitionView;

/// Content type of the page that [`Telemetry::render`] makes.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the telemetry of a process must know from the start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The parts that run in this process. Each must become ready before the process is.
    pub roles: Vec<Role>,
    /// The reporting currency: a label of every amount.
    pub currency: Currency,
    /// Alert type names by alert type index, as [`crate::engine::totals::Totals::open_alerts`] counts them.
    pub alert_types: Vec<&'static str>,
    /// Whether learned weights are used once there are any.
    pub uses_learned: bool,
    /// Hash of the rules in force, 16 hexadecimal digits: a label of `churnwatch_build_info`.
    pub rules_hash: String,
    /// While the process holds more partitions than this of one kind, series by partition give way to their sum or
    /// minimum (256).
    pub partition_series_max: usize,
    /// Segments shown at most; the smaller ones beyond count as `other` (64).
    pub segment_series_max: usize,
    /// Segments shown by period at most, of which there are many series each; the smaller ones beyond count as `other` (20).
    pub kpi_segment_series_max: usize,
    /// By which calendar KPIs are reckoned.
    pub kpi_rules: KpiRules,
    /// What is wanted of KPIs.
    pub kpis: Kpis,
}

impl Settings {
    /// Settings for a process that runs `roles` under the rules `in_force`, with the default limits.
    #[must_use]
    pub fn new(roles: &[Role], in_force: &Rules, kpis: &Kpis) -> Settings {
        Settings {
            roles: roles.to_vec(),
            currency: in_force.currency,
            alert_types: alert::type_names().collect(),
            uses_learned: in_force.risk.learning != Learning::Off,
            rules_hash: format!("{:016x}", in_force.hash()),
            partition_series_max: 256,
            // Room for `unknown` and `other` beside the segments that each partition keeps.
            segment_series_max: in_force.segments_max.saturating_add(2),
            kpi_segment_series_max: 20,
            kpi_rules: in_force.kpis.clone(),
            kpis: kpis.clone(),
        }
    }
}

/// Why telemetry cannot be set up or read.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A metric could not be registered: two share a name or one has an invalid name.
    #[error("metric {name} could not be registered: {source}")]
    Register {
        /// Which metric.
        name: &'static str,
        /// What the registry says.
        source: prometheus::Error,
    },
    /// The page could not be written.
    #[error("metrics could not be rendered: {0}")]
    Render(prometheus::Error),
    /// The log level is no filter that the log understands.
    #[error(
        "log level {level:?} is not understood: {reason}; use error, warn, info, debug or trace, or a filter such as info,churnwatch::kafka=debug"
    )]
    Level {
        /// What was asked for.
        level: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something else in this process has set up logging already.
    #[error("logging is already set up in this process")]
    LoggingTwice,
}

/// The handle that every part of the process reports to. Cloning shares it; every method is cheap and thread-safe.
#[derive(Clone)]
pub struct Telemetry(Arc<Shared>);

struct Shared {
    registry: Registry,
    counters: Counters,
    status: Arc<Status>,
    inquiry: Inquiry,
}

/// The series that are counted where things happen. Gauges are gathered when somebody reads, by [`gauges`].
struct Counters {
    records_read: IntCounterVec,
    read_bytes: IntCounterVec,
    rejected: IntCounterVec,
    unknown_types: IntCounterVec,
    lost: IntCounterVec,
    accepted: IntCounterVec,
    duplicates: IntCounterVec,
    too_late: IntCounterVec,
    excluded: IntCounterVec,
    unpriced: IntCounterVec,
    judgements: IntCounterVec,
    commit_duration: HistogramVec,
    aborts: IntCounterVec,
    rebalances: IntCounterVec,
    alert_transitions: IntCounterVec,
    alert_actions: IntCounterVec,
    event_to_alert: HistogramVec,
    gone_out: IntCounterVec,
}

impl Telemetry {
    /// Telemetry of a process, with every counter that can be foreseen at 0. Fails when metrics collide.
    pub fn new(settings: Settings) -> Result<Telemetry, TelemetryError> {
        let registry = Registry::new();
        let counters = Counters::register(&registry)?;
        counters.begin(&settings);
        let status = Arc::new(Status::new(settings));
        let gauges = Box::new(Gauges::new(Arc::clone(&status))?);
        register(&registry, "churnwatch_build_info", gauges)?;
        #[cfg(target_os = "linux")]
        register(
            &registry,
            "process_cpu_seconds_total",
            Box::new(prometheus::process_collector::ProcessCollector::for_self()),
        )?;
        Ok(Telemetry(Arc::new(Shared { registry, counters, status, inquiry: Inquiry::default() })))
    }

    /// `count` records were read from Kafka or a file, good or bad.
    pub fn records_read(&self, role: Role, count: u64) {
        self.0.counters.records_read.with_label_values(&[role.name()]).inc_by(count);
    }

    /// `bytes` of record values were read.
    pub fn bytes_read(&self, role: Role, bytes: u64) {
        self.0.counters.read_bytes.with_label_values(&[role.name()]).inc_by(bytes);
    }

    /// `count` records were refused for `reason`, a stable snake-case name (`Refusal::name`, `Reject::name`).
    pub fn rejected(&self, role: Role, reason: &'static str, count: u64) {
        self.0.counters.rejected.with_label_values(&[role.name(), reason]).inc_by(count);
    }

    /// `count` records were of a type that the product does not know, and were skipped.
    pub fn skipped_unknown_type(&self, role: Role, count: u64) {
        self.0.counters.unknown_types.with_label_values(&[role.name()]).inc_by(count);
    }

    /// Up to `count` records were deleted before the role read them.
    pub fn records_lost(&self, role: Role, count: u64) {
        self.0.counters.lost.with_label_values(&[role.name()]).inc_by(count);
    }

    /// A transaction was committed; `duration` is from its begin to the broker's answer.
    pub fn committed(&self, role: Role, duration: Duration) {
        self.0.counters.commit_duration.with_label_values(&[role.name()]).observe(duration.as_secs_f64());
    }

    /// A transaction was aborted for `cause`, a stable snake-case name.
    pub fn aborted(&self, role: Role, cause: &'static str) {
        self.0.counters.aborts.with_label_values(&[role.name(), cause]).inc();
    }

    /// The consumer group moved partitions to or from this process.
    pub fn rebalanced(&self, role: Role, kind: RebalanceKind) {
        self.0.counters.rebalances.with_label_values(&[role.name(), kind.name()]).inc();
    }

    /// An alert changed and the change was committed.
    pub fn alert(&self, alert_type: &'static str, transition: Transition) {
        self.0.counters.alert_transitions.with_label_values(&[alert_type, transition.name()]).inc();
    }

    /// An alert was committed this long after the record that caused it arrived on the canonical topic.
    pub fn event_to_alert(&self, duration: Duration) {
        self.0.counters.event_to_alert.with_label_values::<&str>(&[]).observe(duration.as_secs_f64());
    }

    /// `count` records of `kind` (one of `worker::notify::OUTGOING_KINDS`) went out to owners.
    pub fn gone_out(&self, kind: &'static str, count: u64) {
        self.0.counters.gone_out.with_label_values(&[kind]).inc_by(count);
    }

    /// `records` of a partition are still to be read.
    pub fn lag(&self, role: Role, topic: &str, partition: PartitionIndex, records: u64) {
        self.0.status.set_lag(role, topic, partition, records);
    }

    /// The partition is no longer read here: its lag disappears.
    pub fn forget_lag(&self, role: Role, topic: &str, partition: PartitionIndex) {
        self.0.status.forget_lag(role, topic, partition);
    }

    /// How far the restore of a partition's state has come. While any has `remaining`, the engine is not ready: a
    /// restore that is given up must be ended by [`Telemetry::unpublish`].
    pub fn restore(&self, partition: PartitionIndex, progress: RestoreProgress) {
        self.0.status.restores.insert(partition, progress);
    }

    /// Whether a role can do its work, where it has one worker or its workers are summed up by the caller.
    pub fn ready(&self, role: Role, readiness: Readiness) {
        self.ready_worker(role, 0, readiness);
    }

    /// Whether one of a role's workers (numbered from 0) can do its work. A role is as ready as its least ready worker.
    pub fn ready_worker(&self, role: Role, worker: usize, readiness: Readiness) {
        self.0.status.readiness.insert((role, WorkerIndex(worker)), readiness);
    }

    /// Replaces what is shown of a partition, after a commit. Its counts since the last publication are added to the
    /// counters of the process.
    pub fn publish(&self, partition: PartitionIndex, view: PartitionView) {
        let counts = view.counts;
        let before = self.0.status.views.insert(partition, Arc::new(view)).map(|view| view.counts).unwrap_or_default();
        self.0.counters.add(counts, before);
    }

    /// The partition's state is no longer held here: its gauges, restore progress and engine lag disappear. A later
    /// publication must come from an engine created or restored anew, whose counts begin at 0.
    pub fn unpublish(&self, partition: PartitionIndex) {
        self.0.status.unpublish(partition);
    }

    /// The view last published of each partition of this process.
    #[must_use]
    pub fn views(&self) -> &DashMap<PartitionIndex, Arc<PartitionView>> {
        &self.0.status.views
    }

    /// What is asked of the engines of this process.
    #[must_use]
    pub fn inquiry(&self) -> &Inquiry {
        &self.0.inquiry
    }

    /// What is missing before every role of this process can do its work; empty when ready.
    #[must_use]
    pub fn missing(&self) -> Vec<Missing> {
        self.0.status.missing()
    }

    /// The parts that run in this process.
    #[must_use]
    pub fn roles(&self) -> &[Role] {
        &self.0.status.settings.roles
    }

    /// Hash of the rules in force, 16 hexadecimal digits.
    #[must_use]
    pub fn rules_hash(&self) -> &str {
        &self.0.status.settings.rules_hash
    }

    /// The page that Prometheus reads, as [`CONTENT_TYPE`]. Takes milliseconds: keep it off threads that must not wait.
    pub fn render(&self) -> Result<String, TelemetryError> {
        TextEncoder::new().encode_to_string(&self.0.registry.gather()).map_err(TelemetryError::Render)
    }
}

impl Counters {
    fn register(registry: &Registry) -> Result<Counters, TelemetryError> {
        Ok(Counters {
            records_read: counter(registry, Metric::RecordsRead)?,
            read_bytes: counter(registry, Metric::ReadBytes)?,
            rejected: counter(registry, Metric::RecordsRejected)?,
            unknown_types: counter(registry, Metric::UnknownTypes)?,
            lost: counter(registry, Metric::RecordsLost)?,
            accepted: counter(registry, Metric::EventsAccepted)?,
            duplicates: counter(registry, Metric::EventsDuplicate)?,
            too_late: counter(registry, Metric::EventsTooLate)?,
            excluded: counter(registry, Metric::EventsExcluded)?,
            unpriced: counter(registry, Metric::EventsUnpriced)?,
            judgements: counter(registry, Metric::Judgements)?,
            commit_duration: histogram(registry, Metric::CommitDuration)?,
            aborts: counter(registry, Metric::Aborts)?,
            rebalances: counter(registry, Metric::Rebalances)?,
            alert_transitions: counter(registry, Metric::AlertTransitions)?,
            alert_actions: counter(registry, Metric::AlertActions)?,
            event_to_alert: histogram(registry, Metric::EventToAlert)?,
            gone_out: counter(registry, Metric::GoneOut)?,
        })
    }

    /// Shows series at 0 before the first event, since a rate needs the value before.
    fn begin(&self, settings: &Settings) {
        let learner = settings.roles.contains(&Role::Ingest).then_some(&Role::Learner);
        for role in settings.roles.iter().chain(learner).filter(|role| role.reads()) {
            for by_role in [&self.records_read, &self.read_bytes, &self.unknown_types] {
                by_role.with_label_values(&[role.name()]);
            }
            for kind in RebalanceKind::ALL {
                self.rebalances.with_label_values(&[role.name(), kind.name()]);
            }
            self.commit_duration.with_label_values(&[role.name()]);
        }
        for role in settings.roles.iter().filter(|role| matches!(role, Role::Ingest | Role::Notify)) {
            self.lost.with_label_values(&[role.name()]);
        }
        if settings.roles.contains(&Role::Notify) {
            for kind in OUTGOING_KINDS {
                self.gone_out.with_label_values(&[kind]);
            }
        }
        if settings.roles.contains(&Role::Engine) {
            for alert_type in &settings.alert_types {
                for transition in Transition::ALL {
                    self.alert_transitions.with_label_values(&[*alert_type, transition.name()]);
                }
            }
            let plain =
                [&self.accepted, &self.duplicates, &self.too_late, &self.excluded, &self.unpriced, &self.judgements];
            for plain in plain {
                plain.with_label_values::<&str>(&[]);
            }
            for (action, result) in ACTIONS.iter().flat_map(|action| RESULTS.iter().map(move |result| (action, result)))
            {
                self.alert_actions.with_label_values(&[action, result]);
            }
            self.event_to_alert.with_label_values::<&str>(&[]);
        }
    }

    /// Adds what an engine counted from `before` to `now`. A count below the one before comes from a new engine.
    fn add(&self, now: Counts, before: Counts) {
        let pairs = [
            (&self.accepted, now.accepted, before.accepted),
            (&self.duplicates, now.duplicates, before.duplicates),
            (&self.too_late, now.too_late, before.too_late),
            (&self.excluded, now.excluded, before.excluded),
            (&self.unpriced, now.unpriced, before.unpriced),
            (&self.judgements, now.judgements, before.judgements),
        ];
        for (counter, now, before) in pairs {
            counter.with_label_values::<&str>(&[]).inc_by(now.checked_sub(before).unwrap_or(now));
        }
        for ((action, now), before) in ACTIONS.iter().zip(now.alert_actions).zip(before.alert_actions) {
            for ((result, now), before) in RESULTS.iter().zip(now).zip(before).filter(|((_, now), _)| *now > 0) {
                let more = now.checked_sub(before).unwrap_or(now);
                self.alert_actions.with_label_values(&[*action, *result]).inc_by(more);
            }
        }
    }
}

fn counter(registry: &Registry, metric: Metric) -> Result<IntCounterVec, TelemetryError> {
    let declared = metric.declaration();
    let counter = IntCounterVec::new(Opts::new(declared.name, declared.help), declared.labels)
        .map_err(|source| TelemetryError::Register { name: declared.name, source })?;
    register(registry, declared.name, Box::new(counter.clone()))?;
    Ok(counter)
}

fn histogram(registry: &Registry, metric: Metric) -> Result<HistogramVec, TelemetryError> {
    let declared = metric.declaration();
    let options = HistogramOpts::new(declared.name, declared.help).buckets(metric::DURATION_BUCKETS.to_vec());
    let histogram = HistogramVec::new(options, declared.labels)
        .map_err(|source| TelemetryError::Register { name: declared.name, source })?;
    register(registry, declared.name, Box::new(histogram.clone()))?;
    Ok(histogram)
}

fn register(registry: &Registry, name: &'static str, collector: Box<dyn Collector>) -> Result<(), TelemetryError> {
    registry.register(collector).map_err(|source| TelemetryError::Register { name, source })
}
