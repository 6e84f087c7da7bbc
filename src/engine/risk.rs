//! The risk of one account at one moment: a probability, and the terms that add up to it.
//!
//! `risk = sigmoid(base + w14 gp14 + w182 gp182 + sum of weight x strength)`, where `gp_h = -ln(rate_h x H)`: how few
//! active days are to be expected within the horizon `H`, by the gamma-Poisson rate with half-life `h`. Every term is
//! kept, so that the risk decomposes exactly into contributions.

use super::account::Account;
use super::effect::{Contribution, Evidence};
use super::facts::activity::Evidence as RateEvidence;
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
    /// The logits of [`BASE_TERMS`].
    base: [f64; BASE_TERMS.len()],
    /// What each signal says; those past the last signal and those switched off are unknown.
    pub readings: [Reading; SIGNALS_MAX],
    /// The logit each signal adds.
    pub signal_logits: [f64; SIGNALS_MAX],
}

/// How few active days are to be expected within the horizon: `-ln(rate x H)`; larger is riskier.
///
/// ```
/// use churnwatch::{engine::{facts::activity::Evidence, input::GammaPrior, risk::expected_activity}, units::Span};
/// // One active day a week, known well: four are expected in 28 days.
/// let weekly = Evidence { active: 26.0, exposure: 182.0 };
/// let prior = GammaPrior { shape: 0.1, exposure_days: 0.7 };
/// assert!((expected_activity(weekly, prior, Span::from_days(28)) + 4.0_f64.ln()).abs() < 1e-9);
/// ```
#[must_use]
pub fn expected_activity(evidence: RateEvidence, prior: super::input::GammaPrior, horizon: crate::units::Span) -> f64 {
    -libm::log(evidence.rate(prior) * horizon.days())
}

/// Assesses `account` at `now`.
#[must_use]
pub fn assess(account: &Account, now: Timestamp, rules: &Rules, fleet: &Fleet) -> Assessment {
    let [short, long] = account.activity.evidence(now);
    let base = [
        rules.base_logit,
        rules.weight_14 * expected_activity(short, fleet.prior_14, rules.horizon),
        rules.weight_182 * expected_activity(long, fleet.prior_182, rules.horizon),
    ];
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
    Assessment { now, risk: Ratio::clamped(sigmoid(logit)), base, readings, signal_logits }
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

    /// What the signals that speak have seen, the strongest contribution first.
    #[must_use]
    pub fn evidence(&self, account: &Account, rules: &Rules, partition: PartitionIndex) -> Vec<Evidence> {
        let mut speaking: Vec<usize> = (0..SIGNALS.len()).filter(|index| self.strength(*index) > 0.0).collect();
        speaking.sort_by(|a, b| self.logit(*b).total_cmp(&self.logit(*a)).then(a.cmp(b)));
        speaking
            .into_iter()
            .filter_map(|index| {
                let signal = SIGNALS.get(index)?;
                let telling = (signal.tell)(&case(account, self.now, rules, rules.signals.get(index)?));
                Some(Evidence {
                    signal: signal.declaration.name,
                    strength: self.readings.get(index)?.strength?,
                    sentence: telling.sentence,
                    numbers: telling.numbers,
                    position: telling.offset.map(|offset| Position { partition, offset }),
                })
            })
            .collect()
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
