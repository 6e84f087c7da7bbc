//! Adds up the reports of all partitions and learns from them: priors, curve, calendar, weights.
//!
//! Pure, and a function of the reports in their order. A day is closed when every partition has reported on it or on a
//! later one (partitions need not begin on the same day); then the next fleet record follows. Weights are learned as
//! outcomes mature, each batch once: what one has taught ([`super::logistic::posterior`]) is the prior of the next, with a
//! little forgetting towards the first prior (assumed-density filtering; see West and Harrison on discounting).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::calendar::{Calendar, DAYS_MAX, DayWeight, Watch};
use super::curve::CurveSums;
use super::features::{FACTS, FEATURES, Features};
use super::linear::Symmetric;
use super::logistic::{self, Case};
use super::model::{Model, TrackRecord, scale};
use super::prior::PriorSums;
use super::report::{FleetReport, Row, SNAPSHOT_DAYS};
use super::{Fleet, Population, SEGMENTS_MAX};
use crate::engine::rules::{Learning, Rules};
use crate::engine::signals::SIGNALS;
use crate::units::{Day, PartitionIndex};

/// Outcomes below which the weights of the configuration hold.
pub const OUTCOMES_MIN: f64 = 300.0;
/// As many of either kind must be among them.
pub const KIND_MIN: f64 = 30.0;
/// Rows from which the deviations of the features are taken, at the last snapshot before the first outcomes.
const SCALE_ROWS_MIN: usize = 50;
/// Deviations below this count as this: a feature that hardly varies is not blown up.
pub const SCALE_MIN: f64 = 0.1;
/// Precision of the prior of each weight, in outcomes.
const PRECISION: f64 = 100.0;
/// Share of the posterior precision kept from batch to batch.
const KEEP: f64 = 0.99;
/// Half-life of the curve, in days.
const CURVE_HALF_LIFE: f64 = 91.0;
/// Half-life of the track record, in batches.
const RECORD_FADE: f64 = 0.95;
/// Silences that must have ended before the fleet's own curve replaces the shipped one.
const SILENCES_MIN: f64 = 200.0;
/// Snapshots that wait for their outcomes.
const SNAPSHOTS_MAX: usize = 24;
/// Days that wait for partitions that have not reported.
const OPEN_DAYS_MAX: usize = 512;

/// Learns what the fleet teaches.
#[derive(Clone, Debug, PartialEq)]
pub struct Learner {
    /// Partitions that must report on a day before it is closed.
    pub partitions: usize,
    /// The last day closed.
    pub closed: Option<Day>,
    /// Silences, with forgetting.
    pub curve: CurveSums,
    /// How active the fleet is.
    pub watch: Watch,
    /// What the last days were worth.
    pub days: VecDeque<DayWeight>,
    /// What was learned about each population.
    pub learned: [Learned; 2],
    /// Features that wait for their outcomes, oldest first.
    pub snapshots: VecDeque<Snapshot>,
    /// Reports on days not closed yet.
    open: BTreeMap<Day, Vec<FleetReport>>,
    /// The last day each partition has reported on.
    reported: BTreeMap<PartitionIndex, Day>,
    /// The fleet record as of the last closed day.
    fleet: Fleet,
}

/// A snapshot day with the accounts whose features were taken, by the hashes of their ids.
pub type Snapshot = (Day, BTreeMap<u64, (Population, Waiting)>);

/// The features and the foretold risk of one account.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// The risk foretold.
    pub risk: f32,
    /// Its features, less their means over the live accounts at that moment.
    pub centered: [f32; FEATURES],
}

/// What was learned about one population.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    /// Intercept, then the weight of each feature.
    pub weights: Vec<f64>,
    /// Precision of `weights`.
    pub precision: Symmetric,
    /// Means of the features at the last snapshot.
    pub means: Features,
    /// Deviations of the features at the last snapshot before the first outcomes; `None` before there are enough rows.
    pub scales: Option<Features>,
    /// How much was learned, and how well it foretold.
    pub record: TrackRecord,
}

impl Learned {
    /// Nothing learned: the prior.
    fn new() -> Learned {
        Learned {
            weights: vec![0.0; FEATURES + 1],
            precision: prior_precision(),
            means: [0.0; FEATURES],
            scales: None,
            record: TrackRecord::default(),
        }
    }

    fn model(&self) -> Option<Model> {
        let stayed = self.record.outcomes - self.record.churned;
        if self.record.outcomes < OUTCOMES_MIN || self.record.churned.min(stayed) < KIND_MIN {
            return None;
        }
        let (intercept, rest) = self.weights.split_first()?;
        let mut weights = [0.0; FEATURES];
        weights.iter_mut().zip(rest).for_each(|(weight, learned)| *weight = *learned);
        Some(Model {
            intercept: *intercept,
            weights,
            means: self.means,
            scales: self.scales?,
            record: self.record.clone(),
        })
    }

    /// Takes the means, and the first time the deviations, of the features from a snapshot.
    fn measure(&mut self, rows: &[&Row]) {
        let count = rows.len().max(1) as f64;
        let mut means = [0.0; FEATURES];
        for row in rows {
            means.iter_mut().zip(row.features).for_each(|(mean, value)| *mean += f64::from(value) / count);
        }
        if self.record.outcomes <= 0.0 && rows.len() >= SCALE_ROWS_MIN {
            let mut squares = [0.0; FEATURES];
            for row in rows {
                let parts = squares.iter_mut().zip(means).zip(row.features);
                parts.for_each(|((square, mean), value)| *square += (f64::from(value) - mean).powi(2) / count);
            }
            let mut scales = squares.map(|square: f64| square.sqrt().max(SCALE_MIN));
            // The strength of a signal is a share already: 1 is its deviation.
            scales.iter_mut().skip(FACTS.len()).for_each(|scale| *scale = 1.0);
            self.scales = Some(scales);
        }
        self.means = means;
    }

    /// Learns from a batch of features with their outcomes: one step of the posterior.
    fn learn(&mut self, batch: &[(&Waiting, bool)], rules: &Rules, population: Population) {
        let Some(scales) = self.scales.filter(|_| !batch.is_empty()) else { return };
        if self.record.outcomes <= 0.0 {
            self.weights = default_weights(rules, population, &self.means, &scales);
        }
        self.record.fade(RECORD_FADE);
        // Snapshots are closer than the horizon is long: one churn is foretold by several.
        let weight = (f64::from(SNAPSHOT_DAYS) / rules.horizon.days()).min(1.0);
        let rows: Vec<Case> = batch
            .iter()
            .map(|(waiting, churned)| {
                self.record.note(waiting.risk.into(), *churned);
                let deviations = scale(&waiting.centered.map(f64::from), &[0.0; FEATURES], &scales);
                let values = std::iter::once(1.0).chain(deviations).collect();
                Case { values, churned: *churned, weight }
            })
            .collect();
        self.record.outcomes += batch.len() as f64;
        self.record.churned += rows.iter().filter(|row| row.churned).count() as f64;
        self.precision.blend(KEEP, &prior_precision());
        (self.weights, self.precision) = logistic::posterior(&rows, &self.weights, &self.precision);
    }
}

impl Learner {
    /// Nothing learned yet, over as many partitions.
    #[must_use]
    pub fn new(partitions: usize) -> Learner {
        Learner {
            partitions,
            closed: None,
            curve: CurveSums::default(),
            watch: Watch::default(),
            days: VecDeque::new(),
            learned: [Learned::new(), Learned::new()],
            snapshots: VecDeque::new(),
            open: BTreeMap::new(),
            reported: BTreeMap::new(),
            fleet: Fleet::default(),
        }
    }

    /// The fleet record as of the last closed day.
    #[must_use]
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Goes on from this fleet record.
    pub fn restore_fleet(&mut self, fleet: Fleet) {
        self.fleet = fleet;
    }

    /// What it knows, without when it came to know it: to go on from at the beginning of another log.
    #[must_use]
    pub fn undated(mut self) -> Learner {
        self.closed = None;
        self.days.clear();
        self.snapshots.clear();
        self.open.clear();
        self.reported.clear();
        self.fleet.day = None;
        self.fleet.calendar = Calendar::default();
        self
    }

    /// Takes in a report. When it closes days, the fleet record that follows.
    ///
    /// Reports of a partition come by ascending day; others, and those on days closed already, are left out.
    pub fn take(&mut self, report: FleetReport, rules: &Rules) -> Option<Arc<Fleet>> {
        let known = self.reported.get(&report.partition).copied();
        if known.max(self.closed).is_some_and(|last| report.day <= last) {
            return None;
        }
        self.reported.insert(report.partition, report.day);
        self.open.entry(report.day).or_default().push(report);
        let mut has_closed = false;
        while let Some(entry) = self.open.first_entry() {
            let day = *entry.key();
            let passed = self.reported.values().filter(|reported| **reported >= day).count();
            let complete = passed >= self.partitions;
            // A partition that stays behind for more than a year is not waited for.
            if !complete && self.open.len() <= OPEN_DAYS_MAX {
                break;
            }
            let Some((day, mut reports)) = self.open.pop_first() else { break };
            reports.sort_by_key(|report| report.partition);
            self.close(day, &reports, rules);
            has_closed = true;
        }
        has_closed.then(|| Arc::new(self.fleet.clone()))
    }

    /// The partitions that hold up the earliest open day, of those numbered from 0.
    pub fn awaited(&self) -> impl Iterator<Item = PartitionIndex> + '_ {
        let open = self.open.first_key_value().map(|(day, _)| *day);
        let all = (0_i32..).take(self.partitions).map(PartitionIndex);
        all.filter(move |index| open.is_some_and(|day| self.reported.get(index).is_none_or(|last| *last < day)))
    }

    fn close(&mut self, day: Day, reports: &[FleetReport], rules: &Rules) {
        let passed = self.closed.map_or(1, |closed| day.since(closed));
        self.curve.fade(libm::exp2(-f64::from(passed) / CURVE_HALF_LIFE));
        reports.iter().flat_map(|report| &report.silences).for_each(|step| self.curve.step(step));
        let sum = |part: fn(&FleetReport) -> u32| reports.iter().map(|report| f64::from(part(report))).sum::<f64>();
        let weight = self.watch.observe(day, sum(|report| report.active), sum(|report| report.live));
        if passed > 1 {
            // Days on which nobody reported are not known.
            self.days.clear();
        }
        self.days.push_back(weight);
        if self.days.len() > DAYS_MAX {
            self.days.pop_front();
        }
        self.closed = Some(day);
        if rules.risk.learning == Learning::On {
            self.learn_outcomes(reports, rules);
            self.take_snapshot(day, reports);
        }
        self.publish(day, reports);
    }

    fn learn_outcomes(&mut self, reports: &[FleetReport], rules: &Rules) {
        let outcomes = || reports.iter().flat_map(|report| &report.outcomes);
        let Some(snapshot) = outcomes().map(|outcome| outcome.snapshot).max() else { return };
        while self.snapshots.front().is_some_and(|(day, _)| *day < snapshot) {
            self.snapshots.pop_front();
        }
        if self.snapshots.front().is_none_or(|(day, _)| *day != snapshot) {
            return;
        }
        let Some((_, waiting)) = self.snapshots.pop_front() else { return };
        for (population, learned) in Population::ALL.into_iter().zip(&mut self.learned) {
            let batch: Vec<(&Waiting, bool)> = outcomes()
                .filter_map(|outcome| waiting.get(&outcome.account).map(|row| (row, outcome.churned)))
                .filter(|((of, _), _)| *of == population)
                .map(|((_, row), churned)| (row, churned))
                .collect();
            learned.learn(&batch, rules, population);
        }
    }

    fn take_snapshot(&mut self, day: Day, reports: &[FleetReport]) {
        let rows = || reports.iter().flat_map(|report| &report.rows);
        if rows().next().is_none() {
            return;
        }
        let mut waiting = BTreeMap::new();
        for (population, learned) in Population::ALL.into_iter().zip(&mut self.learned) {
            let theirs: Vec<&Row> = rows().filter(|row| row.population == population).collect();
            if theirs.is_empty() {
                continue;
            }
            learned.measure(&theirs);
            for row in theirs {
                let mut centered = row.features;
                #[allow(clippy::cast_possible_truncation)] // seven digits are plenty
                centered.iter_mut().zip(learned.means).for_each(|(value, mean)| *value -= mean as f32);
                waiting.insert(row.account, (population, Waiting { risk: row.risk, centered }));
            }
        }
        self.snapshots.push_back((day, waiting));
        if self.snapshots.len() > SNAPSHOTS_MAX {
            self.snapshots.pop_front();
        }
        self.fleet.segments = segments(rows());
    }

    fn publish(&mut self, day: Day, reports: &[FleetReport]) {
        let mut sums = [PriorSums::default(); 2];
        for priors in reports.iter().filter_map(|report| report.priors.as_ref()) {
            sums.iter_mut().zip(priors).for_each(|(sum, prior)| sum.merge(prior));
        }
        let [short, long] = sums.map(|sums| sums.fit());
        self.fleet.prior_14 = short.unwrap_or(self.fleet.prior_14);
        self.fleet.prior_182 = long.unwrap_or(self.fleet.prior_182);
        if self.curve.ended_len() >= SILENCES_MIN {
            self.fleet.curve = self.curve.fit();
        }
        let end = Day::new(day.number().saturating_add(1));
        self.fleet.day = Some(end);
        self.fleet.calendar = Calendar::of(end, self.days.iter().copied().collect(), self.watch.ahead());
        for (model, learned) in self.fleet.models.iter_mut().zip(&self.learned) {
            *model = learned.model();
        }
    }
}

/// Mean scarcity of each segment: the mean of the first three features, of the largest segments.
fn segments<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<(u32, f64)> {
    let mut sums: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
    for row in rows {
        let (count, sum) = sums.entry(row.segment).or_default();
        *count += 1.0;
        *sum += row.features.iter().take(3).map(|value| f64::from(*value)).sum::<f64>() / 3.0;
    }
    let mut largest: Vec<(u32, (f64, f64))> = sums.into_iter().collect();
    largest.sort_by(|a, b| b.1.0.total_cmp(&a.1.0).then(a.0.cmp(&b.0)));
    largest.truncate(SEGMENTS_MAX);
    let mut means: Vec<(u32, f64)> = largest.into_iter().map(|(hash, (count, sum))| (hash, sum / count)).collect();
    means.sort_by_key(|(hash, _)| *hash);
    means
}

/// The default weights of the rules, for features as deviations: where learning begins.
fn default_weights(rules: &Rules, population: Population, means: &Features, scales: &Features) -> Vec<f64> {
    let defaults = rules.risk.defaults(population);
    let facts = [defaults.activity_14, defaults.activity_182, defaults.silence];
    let signals = SIGNALS.iter().zip(&rules.signals).map(|(_, settings)| defaults.signals * settings.weight);
    let mut raw = [0.0; FEATURES];
    raw.iter_mut().zip(facts).for_each(|(weight, fact)| *weight = fact);
    raw.iter_mut().skip(FACTS.len()).zip(signals).for_each(|(weight, signal)| *weight = signal);
    let intercept = raw.iter().zip(means).fold(defaults.base_logit, |sum, (weight, mean)| sum + weight * mean);
    std::iter::once(intercept).chain(raw.iter().zip(scales).map(|(weight, scale)| weight * scale)).collect()
}

fn prior_precision() -> Symmetric {
    let mut diagonal = vec![PRECISION; FEATURES + 1];
    if let Some(intercept) = diagonal.first_mut() {
        *intercept = 1.0;
    }
    Symmetric::diagonal(&diagonal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fleet::report::{Outcome, is_snapshot};
    use crate::engine::risk::sigmoid;
    use crate::units::stable_hash;

    /// Day 0 of the story: a snapshot day.
    const DAY_0: u16 = 19_999;

    /// Accounts of a fleet whose scarcity foretells their leaving, by a die of their own: `report` on each day.
    fn report(partition: i32, day: u16, accounts: u64, rules: &Rules) -> FleetReport {
        let horizon = u16::try_from(rules.horizon.ms() / crate::units::DAY_MS).unwrap();
        let mut report =
            FleetReport { partition: PartitionIndex(partition), day: Day::new(day), ..FleetReport::default() };
        if !is_snapshot(report.day) {
            return report;
        }
        let all = || (0..accounts).map(|index| stable_hash(format!("{partition}-{index}").as_bytes()));
        report.rows = all().map(row).collect();
        let due = day - horizon - 1;
        let snapshot = Day::new(due - due % SNAPSHOT_DAYS);
        if snapshot.number() >= DAY_0 {
            report.outcomes = all().map(|account| Outcome { account, snapshot, churned: leaves(account) }).collect();
        }
        report
    }

    fn share(account: u64, salt: &str) -> f64 {
        f64::from(u32::try_from(stable_hash(format!("{account}{salt}").as_bytes()) >> 32).unwrap()) / 2.0_f64.powi(32)
    }

    fn row(account: u64) -> Row {
        let mut features = [0.0; FEATURES];
        #[allow(clippy::cast_possible_truncation)]
        let scarcity = (share(account, "scarcity") * 4.0 - 2.0) as f32;
        features[2] = scarcity;
        // Says nothing.
        #[allow(clippy::cast_possible_truncation)]
        let noise = share(account, "noise") as f32;
        features[5] = noise;
        Row { account, population: Population::Unsubscribed, segment: 7, risk: 0.3, features }
    }

    /// Log-odds of leaving: 3 x scarcity - 1.
    fn leaves(account: u64) -> bool {
        let odds = 3.0 * f64::from(row(account).features[2]) - 1.0;
        share(account, "die") < sigmoid(odds)
    }

    fn learn(partitions: i32, accounts: u64, days: u16, rules: &Rules) -> Learner {
        let mut learner = Learner::new(usize::try_from(partitions).unwrap());
        for day in DAY_0..DAY_0 + days {
            for partition in 0..partitions {
                learner.take(report(partition, day, accounts, rules), rules);
            }
        }
        learner
    }

    #[test]
    fn what_foretells_churn_is_learned_and_what_does_not_is_left() {
        let rules = Rules::default();
        let learner = learn(1, 400, 200, &rules);
        let model = learner.fleet().model(Population::Unsubscribed).unwrap();
        // The scarcity varies by 1.15 around its mean: a deviation of it is worth 3.5 in log-odds, of which the prior, worth a
        // hundred outcomes, holds back some.
        assert!((1.5..4.0).contains(&model.weights[2]), "{:?}", model.weights);
        assert!(model.weights[5].abs() < 0.7, "{:?}", model.weights);
        let risk = |account: u64| {
            let features = row(account).features.map(f64::from);
            sigmoid(model.terms(&features).iter().sum::<f64>() + model.intercept)
        };
        let foretold: f64 = (0..400).map(risk).sum::<f64>() / 400.0;
        let came = (0..400).filter(|account| leaves(*account)).count();
        assert!((foretold - came as f64 / 400.0).abs() < 0.05, "{foretold} against {came} of 400");
        assert!(learner.fleet().model(Population::Subscribed).is_none());
        assert!(learner.fleet().segment_mean(7).is_some() && learner.fleet().segment_mean(8).is_none());
    }

    #[test]
    fn until_300_outcomes_of_both_kinds_the_default_weights_hold() {
        let rules = Rules::default();
        // 140 accounts: two batches are 280 outcomes, three are 420.
        let horizon_weeks = 4;
        let days_until = |batches: u16| (horizon_weeks + batches) * SNAPSHOT_DAYS + 1;
        assert!(learn(1, 140, days_until(2), &rules).fleet().model(Population::Unsubscribed).is_none());
        assert!(learn(1, 140, days_until(3), &rules).fleet().model(Population::Unsubscribed).is_some());
    }

    #[test]
    fn frozen_nothing_is_learned() {
        let mut rules = Rules::default();
        rules.risk.learning = Learning::Frozen;
        let learner = learn(1, 400, 120, &rules);
        assert!(learner.snapshots.is_empty() && learner.fleet().model(Population::Unsubscribed).is_none());
        assert_eq!(learner.fleet().day, Some(Day::new(DAY_0 + 120)));
    }

    #[test]
    fn a_day_is_closed_when_every_partition_has_reported_once_whatever_the_order() {
        let rules = Rules::default();
        let mut learner = Learner::new(2);
        let of = |partition, day| report(partition, day, 10, &rules);
        assert!(learner.take(of(1, DAY_0), &rules).is_none());
        assert!(learner.take(of(1, DAY_0), &rules).is_none(), "a report counts once");
        assert!(learner.take(of(1, DAY_0 + 1), &rules).is_none());
        assert_eq!(learner.awaited().collect::<Vec<_>>(), [PartitionIndex(0)]);
        assert!(learner.take(of(0, DAY_0), &rules).is_some());
        assert_eq!(learner.closed, Some(Day::new(DAY_0)));
        assert!(learner.take(of(0, DAY_0 + 1), &rules).is_some());
        assert!(learner.take(of(0, DAY_0), &rules).is_none(), "that day is closed");

        let mut other = Learner::new(2);
        for (partition, day) in [(0, DAY_0), (0, DAY_0 + 1), (1, DAY_0), (1, DAY_0 + 1)] {
            other.take(of(partition, day), &rules);
        }
        assert_eq!(learner, other);
    }

    #[test]
    fn one_partition_and_four_learn_the_same_of_the_same_fleet() {
        // Not the same accounts, but the same kind: weights differ by chance only.
        let rules = Rules::default();
        let weight = |partitions, accounts| {
            learn(partitions, accounts, 200, &rules).fleet().model(Population::Unsubscribed).unwrap().weights[2]
        };
        let (one, four) = (weight(1, 800), weight(4, 200));
        assert!((one - four).abs() < 1.0, "{one} against {four}");
    }
}
