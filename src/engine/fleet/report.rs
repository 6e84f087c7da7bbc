//! What one partition's accounts have shown on one day, for the learner.
//!
//! Made by the engine when its clock has passed the end of the day, from the facts as they stand then: later arrivals
//! change no report. Everything in it adds up over partitions. Once a week it also carries the features of a sample of
//! accounts, and what became of those whose horizon has passed since such a week. Outcomes are looked for from the day
//! after the features were taken on, so that nothing the features could have seen is among them.

use super::curve::{self, CurveSums};
use super::features::{self, FEATURES, Scarcity};
use super::prior::PriorSums;
use super::{Fleet, Population};
use crate::engine::account::Account;
use crate::engine::risk;
use crate::engine::rules::Rules;
use crate::units::{Day, PartitionIndex, Timestamp};

/// Rows of one partition's weekly snapshot.
pub const ROWS_MAX: usize = 2048;
/// Days between snapshots.
pub const SNAPSHOT_DAYS: u16 = 7;
/// An account that was not active for this long is not expected on any day.
const LIVE_DAYS: u16 = 28;

/// The report of one partition on one day.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct FleetReport {
    /// Whose accounts.
    pub partition: PartitionIndex,
    /// The day.
    pub day: Day,
    /// Sampled accounts that were active on it.
    pub active: u32,
    /// Sampled accounts that were active on it or in the 28 days before.
    pub live: u32,
    /// How silences grew and ended on it.
    pub silences: Vec<SilenceStep>,
    /// On snapshot days: sums for the priors of the 14-day and the 182-day rate.
    pub priors: Option<[PriorSums; 2]>,
    /// On snapshot days: features of sampled accounts.
    pub rows: Vec<Row>,
    /// What became of the accounts of an earlier snapshot.
    pub outcomes: Vec<Outcome>,
}

/// The silence of one account on one day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SilenceStep {
    /// Stratum of the account.
    pub stratum: u8,
    /// Expected gaps it had lasted before the day.
    pub before: f32,
    /// Expected gaps it had lasted after it.
    pub after: f32,
    /// Whether it ended on it.
    pub ended: bool,
}

/// The features of one account at the end of a snapshot day.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Hash of the account's id.
    pub account: u64,
    /// How it may leave.
    pub population: Population,
    /// Hash of its segment.
    pub segment: u32,
    /// The risk foretold.
    pub risk: f32,
    /// Its features.
    pub features: [f32; FEATURES],
}

/// What became of an account.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Hash of the account's id.
    pub account: u64,
    /// The snapshot day whose features it belongs to.
    pub snapshot: Day,
    /// Whether it left, in the way of its population, within the horizon after that day.
    pub churned: bool,
}

/// Whether features are taken at the end of `day`.
#[must_use]
pub fn is_snapshot(day: Day) -> bool {
    day.number().is_multiple_of(SNAPSHOT_DAYS)
}

impl FleetReport {
    /// The report on `day`, which has ended. `accounts` are the sampled accounts with the hashes of their ids, by
    /// ascending hash; features are taken only when `is_present`: when the clock has not gone on past the next day.
    #[must_use]
    pub fn on<'a>(
        day: Day,
        accounts: impl Iterator<Item = (u64, &'a Account)>,
        rules: &Rules,
        fleet: &Fleet,
        is_present: bool,
    ) -> FleetReport {
        let now = Day::new(day.number().saturating_add(1)).start();
        let mut report = FleetReport { day, ..FleetReport::default() };
        let snapshot = is_snapshot(day);
        let due = snapshot.then(|| due_snapshot(day, rules)).flatten();
        let mut priors = [PriorSums::default(); 2];
        for (hash, account) in accounts {
            report.take_silence(account, day, fleet);
            if !snapshot || !account.activity.is_used() || account.activity.first_at >= now {
                continue;
            }
            let rhythm = account.activity.rhythm(now);
            priors.iter_mut().zip([rhythm.short, rhythm.long]).for_each(|(sums, evidence)| sums.add(evidence));
            let population = Population::of(account, rules);
            if is_present && report.rows.len() < ROWS_MAX && is_observed(account, population, day, rules) {
                report.rows.push(row(hash, account, population, now, rules, fleet));
            }
            if let Some(snapshot) = due {
                let churned = has_churned(account, population, snapshot, rules);
                report.outcomes.push(Outcome { account: hash, snapshot, churned });
            }
        }
        report.priors = snapshot.then_some(priors);
        report
    }

    fn take_silence(&mut self, account: &Account, day: Day, fleet: &Fleet) {
        let activity = &account.activity;
        let is_active = activity.is_active_on(day);
        let Some(last) = activity.last_active_before(day) else {
            self.active += u32::from(is_active);
            self.live += u32::from(is_active);
            return;
        };
        let is_live = day.since(last) <= LIVE_DAYS;
        self.active += u32::from(is_active);
        self.live += u32::from(is_active || is_live);
        let rate = activity.evidence_through(last).rate(fleet.prior_182);
        let after = rate * fleet.calendar.fleet_days(last, day.start());
        let before = rate * fleet.calendar.fleet_days(last, Day::new(day.number() - 1).start());
        let before = if day.since(last) <= 1 { 0.0 } else { before };
        if is_active || curve::bins_reached(after) > curve::bins_reached(before) {
            let stratum = curve::stratum(activity.active_days_through(last));
            #[allow(clippy::cast_possible_truncation)] // seven digits are plenty
            self.silences.push(SilenceStep {
                stratum: stratum as u8,
                before: before as f32,
                after: after as f32,
                ended: is_active,
            });
        }
    }
}

impl CurveSums {
    /// Adds a day of one silence.
    pub fn step(&mut self, step: &SilenceStep) {
        self.silence(step.stratum.into(), step.before.into(), step.after.into(), step.ended);
    }
}

/// The latest snapshot day whose horizon has passed at the end of `day`.
fn due_snapshot(day: Day, rules: &Rules) -> Option<Day> {
    // Outcomes are looked for from the day after the one that follows the features.
    let passed = day.number().checked_sub(horizon_days(rules) + 1)?;
    Some(Day::new(passed - passed % SNAPSHOT_DAYS))
}

fn horizon_days(rules: &Rules) -> u16 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // configured: 1 to 112 days
    let days = rules.horizon.days() as u16;
    days
}

/// Whether the account had not left already, in the way of its population.
fn is_observed(account: &Account, population: Population, day: Day, rules: &Rules) -> bool {
    match population {
        Population::Subscribed => !account.has_left(),
        Population::Unsubscribed => day.since(account.activity.last_day) < horizon_days(rules),
    }
}

/// Whether it left within the horizon that begins two days after `snapshot`.
fn has_churned(account: &Account, population: Population, snapshot: Day, rules: &Rules) -> bool {
    let begin = Day::new(snapshot.number() + 2);
    let end = Day::new(begin.number() + horizon_days(rules));
    match population {
        Population::Subscribed => {
            let ledger = account.billing.as_ref().map(|billing| &billing.ledger);
            let churned_at = ledger.filter(|_| account.has_left()).and_then(|ledger| ledger.churned_at);
            churned_at.is_some_and(|at| (snapshot.number() < at.day().number()) && at.day() < end)
        }
        Population::Unsubscribed => !account.activity.is_active_within(begin, end),
    }
}

fn row(hash: u64, account: &Account, population: Population, now: Timestamp, rules: &Rules, fleet: &Fleet) -> Row {
    let scarcity = Scarcity::of(account, now, rules, fleet);
    let assessment = risk::assess(account, now, rules, fleet);
    let values = features::read(account, now, &scarcity, &assessment.readings, rules, fleet);
    #[allow(clippy::cast_possible_truncation)] // seven digits are plenty
    Row {
        account: hash,
        population,
        segment: features::segment_hash(account.segment(rules)),
        risk: assessment.risk.get() as f32,
        features: values.map(|value| value as f32),
    }
}
