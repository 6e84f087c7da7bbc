//! The risk of one account at one moment: a probability, and the terms that add up to it.
//!
//! Until enough outcomes have been seen, `risk = sigmoid(base + w14 e14 + w182 e182 + ws silence + sum of weight x
//! strength)` with the default weights of the rules, where `e_h` tells how few active days are to be expected within the
//! horizon by the gamma-Poisson rate with half-life `h`, and `silence` are the log-odds that the present silence goes on
//! throughout it (see [`super::fleet::features::Scarcity`]); of an account that has a subscription and has never
//! used anything nothing is known of these three, and they add nothing. From then on the weights are those that the fleet has
//! learned ([`super::fleet::model::Model`]). Every term is kept, so that the risk decomposes exactly into contributions.

use super::account::Account;
use super::effect::{Contribution, Evidence};
use super::fleet::features::{self, FACTS, FEATURES, Features, Scarcity};
use super::fleet::{Fleet, Population};
use super::rules::{Learning, Rules};
use super::signals::{Case, Reading, SIGNALS, SIGNALS_MAX, ago, counted, percent};
use crate::units::{PartitionIndex, Position, Ratio, Timestamp};

/// Contributions smaller than this are not listed.
const LISTED_MIN: f64 = 0.005;
/// The name of the term that every account has.
const BASE: &str = "base";

/// The risk of an account with everything behind it.
#[derive(Clone, Copy, Debug)]
pub struct Assessment {
    /// The moment judged.
    pub now: Timestamp,
    /// Probability of churn within the horizon.
    pub risk: Ratio,
    /// How little activity is to be expected.
    pub scarcity: Scarcity,
    /// What each signal says; those past the last signal and those switched off are unknown.
    pub readings: [Reading; SIGNALS_MAX],
    /// The logit of the account about which nothing speaks.
    base: f64,
    /// The logit each feature adds, signals included.
    terms: Features,
}

/// Assesses `account` at `now`.
#[must_use]
pub fn assess(account: &Account, now: Timestamp, rules: &Rules, fleet: &Fleet) -> Assessment {
    let account = &*account.since_comeback(now);
    let scarcity = Scarcity::of(account, now, rules, fleet);
    let mut readings = [Reading::UNKNOWN; SIGNALS_MAX];
    for ((signal, settings), reading) in SIGNALS.iter().zip(&rules.signals).zip(&mut readings) {
        if settings.enabled {
            *reading = (signal.read)(&case(account, now, rules, settings, fleet));
        }
    }
    let population = Population::of(account, rules);
    let learned = fleet.model(population).filter(|_| rules.risk.learning != Learning::Off);
    let (base, terms) = match learned {
        Some(model) => {
            let features = features::read(account, now, &scarcity, &readings, rules, fleet);
            let mut terms = model.terms(&features);
            if !scarcity.is_known {
                features::leave_use_out(&mut terms);
            }
            (model.intercept, terms)
        }
        None => default_terms(&scarcity, &readings, population, rules),
    };
    // Places past the last signal hold nothing.
    let logit = terms.iter().take(FACTS.len() + SIGNALS.len()).fold(base, |sum, term| sum + term);
    Assessment { now, risk: Ratio::clamped(sigmoid(logit)), scarcity, readings, base, terms }
}

/// When what is known of the account changes however active it is: what its contract or its champion comes to.
#[must_use]
pub fn appointment(account: &Account, now: Timestamp, rules: &Rules, fleet: &Fleet) -> Option<Timestamp> {
    let dated = SIGNALS.iter().zip(&rules.signals).filter(|(signal, settings)| {
        settings.enabled && signal.has_dates.is_some_and(|has_dates| has_dates(&account.standing))
    });
    dated.filter_map(|(signal, settings)| (signal.read)(&case(account, now, rules, settings, fleet)).next_due).min()
}

/// Base and terms by the default weights.
fn default_terms(
    scarcity: &Scarcity,
    readings: &[Reading; SIGNALS_MAX],
    population: Population,
    rules: &Rules,
) -> (f64, Features) {
    let weights = rules.risk.defaults(population);
    let [soon, late, silence] = scarcity.terms;
    let facts = [weights.activity_14 * soon, weights.activity_182 * late, weights.silence * silence];
    let mut terms = [0.0; FEATURES];
    terms.iter_mut().zip(facts).for_each(|(term, fact)| *term = fact);
    for ((term, reading), settings) in terms.iter_mut().skip(FACTS.len()).zip(readings).zip(&rules.signals) {
        *term = weights.signals * settings.weight * reading.strength.unwrap_or_default().get();
    }
    (weights.base_logit, terms)
}

fn case<'a>(
    account: &'a Account,
    now: Timestamp,
    rules: &'a Rules,
    settings: &'a super::rules::SignalRules,
    fleet: &'a Fleet,
) -> Case<'a> {
    Case { account, now, parameters: &settings.parameters, currency: rules.currency, calendar: &fleet.calendar }
}

/// The probability with these log-odds.
#[must_use]
pub(super) fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-logit))
}

impl Assessment {
    /// The same with a risk that was told before: the base takes the difference.
    #[must_use]
    pub(super) fn held_to(self, risk: f64) -> Assessment {
        let logit = |risk: f64| libm::log(risk / (1.0 - risk));
        let apart = logit(risk) - logit(self.risk.get());
        let base = if apart.is_finite() { self.base + apart } else { self.base };
        Assessment { risk: Ratio::clamped(risk), base, ..self }
    }

    /// The terms of the risk, largest first; they add up to the logit of [`Assessment::risk`] but for those too small to
    /// be listed, which are counted with the base.
    #[must_use]
    pub fn contributions(&self) -> Vec<Contribution> {
        let mut base = self.base;
        let mut terms = Vec::with_capacity(FACTS.len() + SIGNALS.len() + 1);
        for (index, logit) in self.terms.iter().copied().enumerate() {
            match features::name(index).filter(|_| logit.abs() >= LISTED_MIN) {
                Some(term) => terms.push(Contribution { term, logit }),
                None => base += logit,
            }
        }
        terms.push(Contribution { term: BASE, logit: base });
        terms.sort_by(|a, b| b.logit.total_cmp(&a.logit));
        terms
    }

    /// What the signals that speak have seen, the strongest contribution first; before them, where hardly any activity
    /// is to be expected, that, and so where no signal explains the risk of an account on watch.
    #[must_use]
    pub fn evidence(
        &self,
        account: &Account,
        rules: &Rules,
        fleet: &Fleet,
        partition: PartitionIndex,
    ) -> Vec<Evidence> {
        let account = &*account.since_comeback(self.now);
        let mut speaking: Vec<usize> = (0..SIGNALS.len()).filter(|index| self.strength(*index) > 0.0).collect();
        speaking.sort_by(|a, b| self.logit(*b).total_cmp(&self.logit(*a)).then(a.cmp(b)));
        let told = speaking.into_iter().filter_map(|index| {
            let signal = SIGNALS.get(index)?;
            let telling = (signal.tell)(&case(account, self.now, rules, rules.signals.get(index)?, fleet));
            Some(Evidence {
                signal: signal.declaration.name,
                strength: self.readings.get(index)?.strength?,
                sentence: telling.sentence,
                numbers: telling.numbers,
                position: telling.offset.map(|offset| Position { partition, offset }),
            })
        });
        let told: Vec<Evidence> = told.collect();
        let is_alone = told.is_empty() && self.risk.get() >= rules.bands.watch.exit;
        self.scarcity(account, rules, partition, is_alone).into_iter().chain(told).collect()
    }

    /// Says how much activity is to be expected within the horizon, where it is less than one active day; where it is more
    /// and nothing else explains the risk, how probable it is that the present silence lasts.
    fn scarcity(
        &self,
        account: &Account,
        rules: &Rules,
        partition: PartitionIndex,
        is_alone: bool,
    ) -> Option<Evidence> {
        let [_, expected_days] = self.scarcity.expected_days;
        let is_told = self.scarcity.is_known && account.activity.is_used();
        if !is_told || (expected_days >= 1.0 && !is_alone) {
            return None;
        }
        let quiet_days = account.activity.quiet_days(self.now);
        let active_days = account.activity.active_days;
        let horizon = format!("{:.0} days", rules.horizon.days());
        let (strength, foretold, number) = if expected_days < 1.0 {
            let days = if expected_days < 0.1 { "hardly any".to_owned() } else { format!("{expected_days:.1}") };
            let foretold = format!("{days} active days are to be expected in the next {horizon}");
            // The probability that there is none, if they come by chance.
            (libm::exp(-expected_days), foretold, ("expected_days", expected_days))
        } else {
            let [.., silence] = self.scarcity.terms;
            let lasts = sigmoid(silence);
            let foretold = format!("it stays silent for the next {horizon} with a probability of {} %", percent(lasts));
            (lasts, foretold, ("silence_ratio", lasts))
        };
        Some(Evidence {
            signal: "expected_activity",
            strength: Ratio::clamped(strength),
            sentence: format!(
                "Last active {}, on {} in all: {foretold}.",
                ago(quiet_days),
                counted(active_days, "day")
            ),
            numbers: vec![number, ("quiet_days", f64::from(quiet_days)), ("active_days", f64::from(active_days))],
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
        self.terms.get(FACTS.len() + index).copied().unwrap_or_default()
    }

    /// The signal that adds most to the risk, if one adds at all.
    #[must_use]
    pub fn leading_signal(&self) -> Option<usize> {
        (0..SIGNALS.len())
            .filter(|index| self.logit(*index) > 0.0)
            .max_by(|a, b| self.logit(*a).total_cmp(&self.logit(*b)).then(b.cmp(a)))
    }
}
