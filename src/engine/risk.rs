//! The risk of one account at one moment: a probability, and the terms that add up to it.
//!
//! `risk = sigmoid(base + w14 gp14 + w182 gp182 + sum of weight x strength)`, where `gp_h` tells how few active
//! days are to be expected within the horizon `H` by the gamma-Poisson rate with half-life `h`: see [`expected_activity`]. Every term is
//! kept, so that the risk decomposes exactly into contributions.

use super::account::Account;
use super::effect::{Contribution, Evidence};
use super::input::Fleet;
use super::rules::Rules;
use super::signals::{Case, Reading, SIGNALS, SIGNALS_MAX};
use crate::units::{PartitionIndex, Position, Ratio, Timestamp};

/// The terms that are no signals.
const BASE_TERMS: [&str; 3] = ["base", "expected_activity_14d", "expected_activity_182d"];
/// Contributions smaller than this are not listed.
const LISTED_MIN: f64 = 0.005;

/// The risk of an account with everything behind it.
#[derive(Clone, Copy, Debug)]
pub struct Assessment {
    /// The moment judged.
    pub now: Timestamp,
    /// Probability of churn within the horizon.
    pub risk: Ratio,
    /// Active days to be expected within the horizon, by the 14-day and the 182-day rate.
    pub expected_days: [f64; 2],
    /// The logits of [`BASE_TERMS`].
    base: [f64; BASE_TERMS.len()],
    /// What each signal says; those past the last signal and those switched off are unknown.
    pub readings: [Reading; SIGNALS_MAX],
    /// The logit each signal adds.
    pub signal_logits: [f64; SIGNALS_MAX],
}

/// How much less an active day more counts where several are to be expected: an account expected on twenty days is
/// hardly safer than one expected on ten, while one expected on a tenth of a day is far worse than one expected on one.
const BUSY_SHARE: f64 = 0.2;

/// How few active days are to be expected within the horizon: `-ln(x)` for `x = rate x H` below 1, a fifth of it above;
/// larger is riskier. For small `x` it is the log-odds of silence throughout the horizon, `-ln(e^x - 1)`.
///
/// ```
/// use churnwatch::engine::risk::expected_activity;
/// // One active day in ten is to be expected: the odds of silence are about ten to one.
/// assert!((expected_activity(0.1) - 10.0_f64.ln()).abs() < 1e-12);
/// // Four are: a fifth of -ln 4.
/// assert!((expected_activity(4.0) + 4.0_f64.ln() / 5.0).abs() < 1e-12);
/// ```
#[must_use]
pub fn expected_activity(expected_days: f64) -> f64 {
    let scarcity = -libm::log(expected_days);
    if scarcity > 0.0 { scarcity } else { scarcity * BUSY_SHARE }
}

/// Assesses `account` at `now`.
#[must_use]
pub fn assess(account: &Account, now: Timestamp, rules: &Rules, fleet: &Fleet) -> Assessment {
    let [short, long] = account.activity.evidence(now);
    let horizon_days = rules.horizon.days();
    let expected_days = [short.rate(fleet.prior_14), long.rate(fleet.prior_182)].map(|rate| rate * horizon_days);
    let [soon, late] = expected_days.map(expected_activity);
    let base = [rules.base_logit, rules.weight_14 * soon, rules.weight_182 * late];
    let mut readings = [Reading::UNKNOWN; SIGNALS_MAX];
    let mut signal_logits = [0.0; SIGNALS_MAX];
    let mut logit: f64 = base.iter().sum();
    let slots = readings.iter_mut().zip(&mut signal_logits);
    for ((signal, settings), (reading, term)) in SIGNALS.iter().zip(&rules.signals).zip(slots) {
        if settings.enabled {
            *reading = (signal.read)(&case(account, now, rules, settings));
            *term = settings.weight * reading.strength.unwrap_or_default().get();
            logit += *term;
        }
    }
    Assessment { now, risk: Ratio::clamped(sigmoid(logit)), expected_days, base, readings, signal_logits }
}

fn case<'a>(
    account: &'a Account,
    now: Timestamp,
    rules: &'a Rules,
    settings: &'a super::rules::SignalRules,
) -> Case<'a> {
    Case { account, now, parameters: &settings.parameters, currency: rules.currency }
}

fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-logit))
}

impl Assessment {
    /// The terms of the risk, largest first; they add up to the logit of [`Assessment::risk`].
    #[must_use]
    pub fn contributions(&self) -> Vec<Contribution> {
        let base = BASE_TERMS.iter().copied().zip(self.base);
        let signals = SIGNALS.iter().map(|signal| signal.declaration.name).zip(self.signal_logits);
        let mut terms: Vec<Contribution> = base
            .chain(signals.filter(|(_, logit)| logit.abs() >= LISTED_MIN))
            .map(|(term, logit)| Contribution { term, logit })
            .collect();
        terms.sort_by(|a, b| b.logit.total_cmp(&a.logit));
        terms
    }

    /// What the signals that speak have seen, the strongest contribution first; before them, where hardly any activity
    /// is to be expected, that.
    #[must_use]
    pub fn evidence(&self, account: &Account, rules: &Rules, partition: PartitionIndex) -> Vec<Evidence> {
        let mut speaking: Vec<usize> = (0..SIGNALS.len()).filter(|index| self.strength(*index) > 0.0).collect();
        speaking.sort_by(|a, b| self.logit(*b).total_cmp(&self.logit(*a)).then(a.cmp(b)));
        let told = speaking.into_iter().filter_map(|index| {
            let signal = SIGNALS.get(index)?;
            let telling = (signal.tell)(&case(account, self.now, rules, rules.signals.get(index)?));
            Some(Evidence {
                signal: signal.declaration.name,
                strength: self.readings.get(index)?.strength?,
                sentence: telling.sentence,
                numbers: telling.numbers,
                position: telling.offset.map(|offset| Position { partition, offset }),
            })
        });
        self.scarcity(account, rules, partition).into_iter().chain(told).collect()
    }

    /// Says so where less than one active day is to be expected within the horizon.
    fn scarcity(&self, account: &Account, rules: &Rules, partition: PartitionIndex) -> Option<Evidence> {
        let [_, expected_days] = self.expected_days;
        if expected_days >= 1.0 || !account.activity.is_used() {
            return None;
        }
        let quiet_days = account.activity.quiet_days(self.now);
        let active_days = account.activity.active_days;
        Some(Evidence {
            signal: "expected_activity",
            strength: Ratio::clamped(1.0 - expected_days),
            sentence: format!(
                "Last active {quiet_days} days ago, on {active_days} days in all: {expected_days:.2} active days are to be expected in the next {:.0}.",
                rules.horizon.days()
            ),
            numbers: vec![
                ("expected_days", expected_days),
                ("quiet_days", f64::from(quiet_days)),
                ("active_days", f64::from(active_days)),
            ],
            position: Some(Position { partition, offset: account.activity.last_offset }),
        })
    }

    /// The signals that cannot judge this account for want of data.
    #[must_use]
    pub fn unknown(&self, rules: &Rules) -> Vec<&'static str> {
        SIGNALS
            .iter()
            .zip(&self.readings)
            .zip(&rules.signals)
            .filter(|((_, reading), settings)| settings.enabled && reading.strength.is_none())
            .map(|((signal, _), _)| signal.declaration.name)
            .collect()
    }

    /// Strength of the signal at `index`; 0 where it is unknown.
    #[must_use]
    pub fn strength(&self, index: usize) -> f64 {
        self.readings.get(index).and_then(|reading| reading.strength).unwrap_or_default().get()
    }

    fn logit(&self, index: usize) -> f64 {
        self.signal_logits.get(index).copied().unwrap_or_default()
    }

    /// The signal that adds most to the risk, if one adds at all.
    #[must_use]
    pub fn leading_signal(&self) -> Option<usize> {
        (0..SIGNALS.len())
            .filter(|index| self.logit(*index) > 0.0)
            .max_by(|a, b| self.logit(*a).total_cmp(&self.logit(*b)).then(b.cmp(a)))
    }
}
