//! What one partition's accounts have shown on one day, for the learner.
//!
//! Made by the engine when its clock has passed the end of the day, from the facts as they stand then: later arrivals
//! change no report. Everything in it adds up over partitions. Once a week it also carries the features of a sample of
//! accounts, and what became of those whose horizon has passed since such a week. Outcomes are looked for from the day
//! after the features were taken on, so that nothing the features could have seen is among them.

use super::curve::{self, CurveSums};
use super::features::{self, FEATURES};
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

/// Whether the account had not left already, in the way of its population, nor rests: it uses nothing then.
fn is_observed(account: &Account, population: Population, day: Day, rules: &Rules) -> bool {
    match population {
        Population::Subscribed => !account.standing.rests,
        Population::Unsubscribed => day.since(account.activity.last_day) < horizon_days(rules),
    }
}

/// Whether it left within the horizon that begins two days after `snapshot`.
fn has_churned(account: &Account, population: Population, snapshot: Day, rules: &Rules) -> bool {
    let begin = Day::new(snapshot.number() + 2);
    let end = Day::new(begin.number() + horizon_days(rules));
    match population {
        Population::Subscribed => {
            account.left_at().is_some_and(|at| (snapshot.number() < at.day().number()) && at.day() < end)
        }
        Population::Unsubscribed => !account.activity.is_active_within(begin, end),
    }
}

fn row(hash: u64, account: &Account, population: Population, now: Timestamp, rules: &Rules, fleet: &Fleet) -> Row {
    let account = &*account.since_comeback(now);
    let assessment = risk::assess(account, now, rules, fleet);
    let values = features::read(account, now, &assessment.scarcity, &assessment.readings, rules, fleet);
    #[allow(clippy::cast_possible_truncation)] // seven digits are plenty
    Row {
        account: hash,
        population,
        segment: features::segment_hash(account.segment(rules)),
        risk: assessment.risk.get() as f32,
        features: values.map(|value| value as f32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::event::{Event, Kind, SubscriptionChange, Terms};
    use crate::units::{Currency, DAY_MS, HOUR_MS, Money, Offset};
    use expect_test::{Expect, expect};
    use std::fmt::Write;

    /// The last day of the story; the snapshot it settles is 28 days and a week before.
    const DAY: u16 = 20_034;

    #[derive(Clone, Copy)]
    enum Subscribed {
        Still,
        Until(u16),
    }

    /// An account that was active on some days, and its subscription, if it has one.
    fn account(uses: &[u16], subscription: Option<Subscribed>) -> Account {
        let rules = Rules::default();
        let mut account = Account::new("acme");
        let mut take = |day: u16, kind: Kind<'static>| {
            let time = Timestamp::clamped(i64::from(day) * DAY_MS + 10 * HOUR_MS);
            let id = format!("{day}-{kind:?}").into();
            let event = Event { id, time, account_id: "acme".into(), user_id: None, source: None, kind };
            account.take(&event, u64::from(day), Offset(1), &rules);
        };
        for day in uses {
            take(*day, Kind::SessionStarted { duration_s: None });
        }
        if let Some(subscription) = subscription {
            let terms = Terms {
                subscription: "s".into(),
                plan: None,
                mrr: Some(Money { minor: 100, currency: Currency::USD }),
                seats: None,
                interval: None,
                term_ends_at: None,
                effective_at: None,
                reason: None,
            };
            take(19_000, Kind::Subscription { change: SubscriptionChange::Started, terms: terms.clone() });
            if let Subscribed::Until(day) = subscription {
                take(day, Kind::Subscription { change: SubscriptionChange::Canceled, terms });
            }
        }
        account
    }

    /// Reports on the last day of each named account.
    fn check(accounts: &[(&str, Account)], expected: &Expect) {
        assert!(is_snapshot(Day::new(DAY)));
        let mut shown = String::new();
        for (name, account) in accounts {
            let one = std::iter::once((1, account));
            let report = FleetReport::on(Day::new(DAY), one, &Rules::default(), &Fleet::default(), true);
            let outcome = report.outcomes.first().map(|outcome| (outcome.snapshot.number(), outcome.churned));
            let row = report.rows.first().map(|row| row.population.name());
            let ended = report.silences.first().map(|step| step.ended);
            writeln!(
                shown,
                "{name:<18} active {} of {}, silence ended {ended:?}, row {row:?}, outcome {outcome:?}",
                report.active, report.live
            )
            .unwrap();
        }
        expected.assert_eq(&shown);
    }

    #[test]
    fn what_became_of_an_account_is_told_once_its_horizon_has_passed() {
        let daily: Vec<u16> = (19_950..=DAY).collect();
        let until = |day: u16| (19_950..=day).collect::<Vec<u16>>();
        check(
            &[
                ("daily", account(&daily, None)),
                ("silent since", account(&until(19_999), None)),
                ("came back", account(&[&until(19_999)[..], &[20_030]].concat(), None)),
                ("silent for long", account(&until(19_960), None)),
                ("stays", account(&daily, Some(Subscribed::Still))),
                ("left in time", account(&until(20_010), Some(Subscribed::Until(20_012)))),
                ("left later", account(&daily, Some(Subscribed::Until(DAY)))),
                ("left before", account(&until(19_970), Some(Subscribed::Until(19_980)))),
                ("never used", account(&[], Some(Subscribed::Still))),
            ],
            &expect![[r#"
                daily              active 1 of 1, silence ended Some(true), row Some("unsubscribed"), outcome Some((19999, false))
                silent since       active 0 of 0, silence ended Some(false), row None, outcome Some((19999, true))
                came back          active 0 of 1, silence ended Some(false), row Some("unsubscribed"), outcome Some((19999, true))
                silent for long    active 0 of 0, silence ended None, row None, outcome Some((19999, true))
                stays              active 1 of 1, silence ended Some(true), row Some("subscribed"), outcome Some((19999, false))
                left in time       active 0 of 1, silence ended None, row None, outcome Some((19999, true))
                left later         active 1 of 1, silence ended Some(true), row None, outcome Some((19999, false))
                left before        active 0 of 0, silence ended None, row None, outcome Some((19999, false))
                never used         active 0 of 0, silence ended None, row None, outcome None
            "#]],
        );
    }

    #[test]
    fn features_are_those_of_the_present_or_none() {
        let known = account(&[DAY - 3, DAY], None);
        let on = |is_present| {
            FleetReport::on(
                Day::new(DAY),
                std::iter::once((1, &known)),
                &Rules::default(),
                &Fleet::default(),
                is_present,
            )
        };
        assert_eq!((on(true).rows.len(), on(false).rows.len()), (1, 0));
        assert_eq!(on(true).outcomes, on(false).outcomes);
        let other_day = Day::new(DAY + 1);
        let report =
            FleetReport::on(other_day, std::iter::once((1, &known)), &Rules::default(), &Fleet::default(), true);
        assert!(report.rows.is_empty() && report.outcomes.is_empty() && report.priors.is_none());
    }
}
