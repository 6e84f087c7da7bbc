//! The gauges, gathered when somebody reads them: sums over the partitions of this process, bounded in number.
//!
//! A partition without a clock contributes no business gauges. Where there is nothing to show, a series is absent.

mod kpis;

use std::collections::BTreeMap;
use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Gauge, LabelPair, Metric as Series, MetricFamily, MetricType};

use super::TelemetryError;
use super::metric::{Kind, Metric};
use super::status::{Readiness, Status};
use super::view::PartitionView;
use crate::engine::effect::{Band, Severity};
use crate::engine::fleet::Population;
use crate::engine::kpis::tables::Tables;
use crate::engine::quality::{LEAD_DAYS_MIN, Quality, RESOLUTIONS_MAX};
use crate::engine::totals::{Movement, SegmentTotals, Totals};
use crate::units::{Currency, PartitionIndex, Timestamp};

/// Where segments beyond the limit are counted.
const OTHER_SEGMENT: &str = "other";
/// Longer segment names are cut, since a trait may hold any text.
const SEGMENT_BYTES_MAX: usize = 64;
/// Source topics with a series of their own; configuration names them one by one, so few are expected.
const SOURCE_TOPICS_MAX: usize = 64;

/// Gathers every metric of kind [`Kind::Gauge`].
pub(super) struct Gauges {
    status: Arc<Status>,
    descriptions: Vec<Desc>,
}

impl Gauges {
    pub fn new(status: Arc<Status>) -> Result<Gauges, TelemetryError> {
        let mut descriptions = Vec::new();
        for declared in Metric::ALL.map(Metric::declaration).iter().filter(|declared| declared.kind == Kind::Gauge) {
            let labels = declared.labels.iter().map(|label| (*label).to_owned()).collect();
            let description =
                Desc::new(declared.name.to_owned(), declared.help.to_owned(), labels, std::collections::HashMap::new())
                    .map_err(|source| TelemetryError::Register { name: declared.name, source })?;
            descriptions.push(description);
        }
        Ok(Gauges { status, descriptions })
    }
}

impl Collector for Gauges {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let views: BTreeMap<PartitionIndex, Arc<PartitionView>> =
            self.status.views.iter().map(|entry| (*entry.key(), Arc::clone(entry.value()))).collect();
        let mut page = Page::default();
        process(&self.status, &mut page);
        lag(&self.status, &mut page);
        restore(&self.status, &mut page);
        clocks(&views, self.status.settings.partition_series_max, &mut page);
        page.gauge(Metric::Partitions, &[], whole(views.len() as u64));
        page.gauge(Metric::StateAccounts, &[], whole(views.values().map(|view| view.accounts as u64).sum()));
        let known: Vec<(Timestamp, &Totals)> =
            views.values().filter_map(|view| Some((view.clock?, &view.totals))).collect();
        if !known.is_empty() {
            let held = views.values().filter(|view| view.silence_held_since.is_some()).count();
            page.gauge(Metric::SilenceHeld, &[], whole(held as u64));
            let settings = &self.status.settings;
            segments(&known, settings.segment_series_max, settings.currency, &mut page);
            business(&known, settings.currency, &settings.alert_types, &mut page);
            let tables: Vec<&Tables> =
                views.values().filter(|view| view.clock.is_some()).map(|view| &*view.kpis).collect();
            let furthest = known.iter().map(|(clock, _)| *clock).max().unwrap_or_default();
            kpis::kpis(&tables, furthest, settings, &mut page);
            let quality = views.values().filter(|view| view.clock.is_some()).map(|view| &view.quality);
            alert_quality(&quality.collect::<Vec<_>>(), &settings.alert_types, &mut page);
        }
        fleet(&views, self.status.settings.uses_learned, &mut page);
        page.into_families()
    }
}

fn process(status: &Status, page: &mut Page) {
    page.gauge(Metric::BuildInfo, &[env!("CARGO_PKG_VERSION"), &status.settings.rules_hash], 1.0);
    for role in &status.settings.roles {
        let ready = status.readiness_of(*role) == Readiness::Ready;
        page.gauge(Metric::Ready, &[role.name()], f64::from(u8::from(ready)));
    }
}

fn lag(status: &Status, page: &mut Page) {
    let lags = status.lags();
    let mut by_topic = BTreeMap::new();
    for ((role, topic, _), lag) in &lags {
        *by_topic.entry((*role, topic)).or_insert(0_u64) += lag;
    }
    for ((role, topic), lag) in by_topic {
        page.gauge(Metric::Lag, &[role.name(), topic], whole(lag));
    }
    if lags.len() <= status.settings.partition_series_max {
        for ((role, topic, partition), lag) in &lags {
            page.gauge(Metric::PartitionLag, &[role.name(), topic, &partition.0.to_string()], whole(*lag));
        }
    }
    let omitted = if lags.len() > status.settings.partition_series_max { lags.len() } else { 0 };
    page.gauge(Metric::SeriesOmitted, &["lag_partition"], whole(omitted as u64));
}

fn restore(status: &Status, page: &mut Page) {
    let restores: BTreeMap<_, _> = status.restores.iter().map(|entry| (*entry.key(), *entry.value())).collect();
    if restores.is_empty() {
        return;
    }
    page.gauge(Metric::RestoredRecords, &[], whole(restores.values().map(|progress| progress.records).sum()));
    page.gauge(Metric::RestoreRemaining, &[], whole(restores.values().map(|progress| progress.remaining).sum()));
    if restores.len() <= status.settings.partition_series_max {
        for (partition, progress) in restores {
            page.gauge(Metric::PartitionRestoreRemaining, &[&partition.0.to_string()], whole(progress.remaining));
        }
    }
}

fn clocks(views: &BTreeMap<PartitionIndex, Arc<PartitionView>>, series_max: usize, page: &mut Page) {
    // A partition without a clock holds the minimum back: it is then unknown, not the minimum of the others.
    let slowest =
        views.values().map(|view| view.clock).collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().min());
    if let Some(clock) = slowest {
        page.gauge(Metric::Clock, &[], seconds(clock));
    }
    let omitted = if views.len() > series_max { views.len() } else { 0 };
    page.gauge(Metric::SeriesOmitted, &["engine_partition"], whole(omitted as u64));
    if omitted == 0 {
        for (partition, view) in views {
            if let Some(clock) = view.clock {
                page.gauge(Metric::PartitionClock, &[&partition.0.to_string()], seconds(clock));
            }
        }
    }
    let mut reached: BTreeMap<&str, Timestamp> = BTreeMap::new();
    for report in views.values().flat_map(|view| &view.sources) {
        let slowest = reached.entry(&report.topic).or_insert(report.reached);
        *slowest = report.reached.min(*slowest);
    }
    for (topic, reached) in reached.into_iter().take(SOURCE_TOPICS_MAX) {
        page.gauge(Metric::SourceReached, &[topic], seconds(reached));
    }
}

fn segments(known: &[(Timestamp, &Totals)], series_max: usize, currency: Currency, page: &mut Page) {
    let mut by_name: BTreeMap<&str, SegmentTotals> = BTreeMap::new();
    for segment in known.iter().flat_map(|(_, totals)| &totals.segments) {
        add_segment(by_name.entry(shown(&segment.name)).or_default(), segment);
    }
    // Each partition bounds its own segments, but their union may be larger: the smallest then count as `other`.
    let omitted = if by_name.len() > series_max { by_name.len() - series_max.max(1) + 1 } else { 0 };
    if omitted > 0 {
        let mut by_size: Vec<_> =
            by_name.iter().map(|(name, segment)| (segment.accounts.iter().sum::<u64>(), *name)).collect();
        by_size.retain(|(_, name)| *name != OTHER_SEGMENT);
        by_size.sort_unstable();
        for (_, name) in by_size.into_iter().take(omitted) {
            if let Some(segment) = by_name.remove(name) {
                add_segment(by_name.entry(OTHER_SEGMENT).or_default(), &segment);
            }
        }
    }
    page.gauge(Metric::SeriesOmitted, &["segment"], whole(omitted as u64));
    for (name, segment) in &by_name {
        for (band, accounts) in Band::ALL.iter().zip(segment.accounts) {
            page.gauge(Metric::Accounts, &[name, band.name()], whole(accounts));
        }
        for (band, minor) in Band::ALL.iter().zip(segment.mrr_minor) {
            page.gauge(Metric::Mrr, &[name, band.name(), currency.code()], major(minor, currency));
        }
        for (band, minor) in Band::ALL.iter().zip(segment.revenue_at_risk_minor) {
            page.gauge(Metric::RevenueAtRisk, &[name, band.name(), currency.code()], major(minor, currency));
        }
        page.gauge(Metric::PayingCustomers, &[name], whole(segment.paying));
    }
}

fn business(known: &[(Timestamp, &Totals)], currency: Currency, alert_types: &[&'static str], page: &mut Page) {
    for (index, movement) in Movement::ALL.iter().enumerate() {
        let minor = known.iter().filter_map(|(_, totals)| totals.movements_minor.get(index)).sum();
        let count = known.iter().filter_map(|(_, totals)| totals.movements.get(index)).sum();
        page.gauge(Metric::MrrMovementAmount, &[movement.name(), currency.code()], major(minor, currency));
        page.gauge(Metric::MrrMovements, &[movement.name()], whole(count));
    }
    for (window, days) in [("1d", 1), ("7d", 7), ("30d", 30)] {
        let users = known.iter().map(|(clock, totals)| totals.active_users(clock.day(), days)).sum();
        page.gauge(Metric::ActiveUsers, &[window], whole(users));
    }
    for (index, alert_type) in alert_types.iter().enumerate() {
        for (place, severity) in [Severity::Warning, Severity::Critical].iter().enumerate() {
            let open = known.iter().filter_map(|(_, totals)| totals.open_alerts.get(index)?.get(place)).sum();
            page.gauge(Metric::OpenAlerts, &[alert_type, severity.name()], whole(open));
        }
    }
}

/// Labels of the classes of lead time.
const LEADS: [&str; LEAD_DAYS_MIN.len()] = ["0-6d", "7-13d", "14-27d", "28d+"];

fn alert_quality(known: &[&Quality], alert_types: &[&'static str], page: &mut Page) {
    let mut resolutions: BTreeMap<(&'static str, &str), [u64; 3]> = BTreeMap::new();
    for (kind, alert_type) in alert_types.iter().enumerate() {
        let types = || known.iter().filter_map(|quality| quality.types.get(kind));
        page.gauge(Metric::AlertsMatured, &[alert_type], whole(types().map(|quality| quality.matured).sum()));
        page.gauge(Metric::AlertsFollowedByChurn, &[alert_type], whole(types().map(|quality| quality.churned).sum()));
        page.gauge(Metric::AlertsAcknowledged, &[alert_type], whole(types().map(|quality| quality.acknowledged).sum()));
        let delay = types().map(|quality| quality.acknowledge_seconds).sum();
        page.gauge(Metric::AlertsAcknowledgeDelay, &[alert_type], whole(delay));
    }
    for resolved in known.iter().flat_map(|quality| &quality.resolutions) {
        let alert_type = alert_types.get(usize::from(resolved.kind)).copied().unwrap_or("unknown");
        let sums = resolutions.entry((alert_type, resolved.reason.as_str())).or_default();
        let counts = [resolved.count, resolved.churned, resolved.retained];
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    for ((alert_type, reason), [count, churned, retained]) in resolutions.into_iter().take(RESOLUTIONS_MAX) {
        page.gauge(Metric::AlertResolutions, &[alert_type, reason], whole(count));
        for (outcome, count) in [("churned", churned), ("retained", retained)] {
            page.gauge(Metric::ResolutionOutcomes, &[alert_type, reason, outcome], whole(count));
        }
    }
    page.gauge(Metric::LeftAccounts, &[], whole(known.iter().map(|quality| quality.left).sum()));
    for (class, lead) in LEADS.iter().enumerate() {
        let foretold = known.iter().filter_map(|quality| quality.foretold.get(class)).sum();
        page.gauge(Metric::LeftAccountsForetold, &[lead], whole(foretold));
    }
    let lead_days: u64 = known.iter().map(|quality| quality.lead_days).sum();
    page.gauge(Metric::ForetoldLead, &[], whole(lead_days * 86_400));
}

/// What the fleet teaches, as the partition knows it that has read furthest: all get the same records.
fn fleet(views: &BTreeMap<PartitionIndex, Arc<PartitionView>>, uses_learned: bool, page: &mut Page) {
    let Some(fleet) = views.values().map(|view| &view.fleet).max_by_key(|fleet| fleet.day) else { return };
    if let Some(day) = fleet.day {
        page.gauge(Metric::FleetDay, &[], seconds(day.start()));
    }
    for population in Population::ALL {
        let (name, model) = (population.name(), fleet.model(population));
        page.gauge(Metric::LearnedInForce, &[name], f64::from(u8::from(uses_learned && model.is_some())));
        let Some(model) = model else { continue };
        page.gauge(Metric::LearnedOutcomes, &[name], model.record.outcomes);
        page.gauge(Metric::LearnedChurned, &[name], model.record.churned);
        if let Some(error) = model.record.calibration_error() {
            page.gauge(Metric::CalibrationError, &[name], error);
        }
    }
}

fn add_segment(sum: &mut SegmentTotals, segment: &SegmentTotals) {
    for (sum, value) in sum.accounts.iter_mut().zip(segment.accounts) {
        *sum += value;
    }
    for (sum, value) in sum.mrr_minor.iter_mut().zip(segment.mrr_minor) {
        *sum = sum.saturating_add(value);
    }
    for (sum, value) in sum.revenue_at_risk_minor.iter_mut().zip(segment.revenue_at_risk_minor) {
        *sum = sum.saturating_add(value);
    }
    sum.paying += segment.paying;
}

/// A segment's name as a label: cut to [`SEGMENT_BYTES_MAX`] at a character.
fn shown(name: &str) -> &str {
    let end = (0..=SEGMENT_BYTES_MAX.min(name.len())).rev().find(|end| name.is_char_boundary(*end));
    end.and_then(|end| name.get(..end)).unwrap_or(name)
}

#[allow(clippy::cast_precision_loss)] // counts stay far below 2^53
fn whole(value: u64) -> f64 {
    value as f64
}

#[allow(clippy::cast_precision_loss)] // below 2^53
fn seconds(time: Timestamp) -> f64 {
    time.ms() as f64 / 1000.0
}

#[allow(clippy::cast_precision_loss)] // exact below 2^53 minor units, 90 thousand billion in cents
fn major(minor: i64, currency: Currency) -> f64 {
    minor as f64 / 10_f64.powi(i32::from(currency.minor_digits()))
}

/// The families under construction.
#[derive(Default)]
struct Page(BTreeMap<Metric, Vec<Series>>);

impl Page {
    /// Adds one series. `values` are those of the declared labels, in order.
    fn gauge(&mut self, metric: Metric, values: &[&str], value: f64) {
        let labels = metric.declaration().labels;
        debug_assert_eq!(labels.len(), values.len(), "{metric:?}");
        let mut pairs: Vec<LabelPair> = labels
            .iter()
            .zip(values)
            .map(|(name, value)| {
                let mut pair = LabelPair::default();
                pair.set_name((*name).to_owned());
                pair.set_value((*value).to_owned());
                pair
            })
            .collect();
        pairs.sort_by(|one, other| one.name().cmp(other.name()));
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        let mut series = Series::from_label(pairs);
        series.set_gauge(gauge);
        self.0.entry(metric).or_default().push(series);
    }

    fn into_families(self) -> Vec<MetricFamily> {
        self.0
            .into_iter()
            .map(|(metric, series)| {
                let declared = metric.declaration();
                let mut family = MetricFamily::default();
                family.set_name(declared.name.to_owned());
                family.set_help(declared.help.to_owned());
                family.set_field_type(MetricType::GAUGE);
                family.set_metric(series);
                family
            })
            .collect()
    }
}
