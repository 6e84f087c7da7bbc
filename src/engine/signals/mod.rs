//! The churn signals: evidence about one account, judged against its own rhythm.
//!
//! A signal is one file here and one line in [`SIGNALS`]. It declares its name and parameters, from which configuration,
//! validation and reference documentation follow; it reads the account's facts and says how strongly they speak for
//! churn, or that it cannot know. Signals keep no state, see one account at a time and never each other. What reads a silence
//! or a fall of use says nothing while the account rests: while each of its subscriptions has ended or is paused.

mod breadth;
mod champion_departure;
mod contract_decline;
mod engagement_lag;
mod limit_hits;
mod nps;
mod onboarding_stall;
mod payment_failures;
mod rhythm;
pub mod statistics;
mod support_issues;
mod usage_frequency;

use super::account::{Account, Standing};
use super::fleet::calendar::Calendar;
use super::rules::{Rules, SignalRules};
use crate::units::{Money, Offset, Ratio, Span, Timestamp};

/// Most parameters a signal may declare.
pub const PARAMETERS_MAX: usize = 8;
/// Most signals there may be: the states of alerts refer to them by a small number.
pub const SIGNALS_MAX: usize = 16;

/// Every signal, in the order in which rules and states refer to them. Append only: the order is part of the state.
pub static SIGNALS: &[Signal] = &[
    usage_frequency::SIGNAL,
    breadth::SIGNAL,
    nps::SIGNAL,
    champion_departure::SIGNAL,
    limit_hits::SIGNAL,
    engagement_lag::SIGNAL,
    payment_failures::SIGNAL,
    contract_decline::SIGNAL,
    onboarding_stall::SIGNAL,
    support_issues::SIGNAL,
];

/// Which of them reads the hits of plan limits.
const LIMIT_HITS: usize = 4;

/// Whether the signal that reads them may find anything in so many hits of plan limits.
#[must_use]
pub fn limits_may_speak(hits: u8, rules: &Rules) -> bool {
    let settings = rules.signals.get(LIMIT_HITS).filter(|settings| settings.enabled);
    settings.is_some_and(|settings| limit_hits::may_speak(hits, &settings.parameters))
}

/// A signal: what it declares and how it judges.
pub struct Signal {
    /// Name, meaning and parameters.
    pub declaration: Declaration,
    /// Reads the facts; called at every judgement.
    pub read: fn(&Case<'_>) -> Reading,
    /// Explains a reading that speaks; called when something is published.
    pub tell: fn(&Case<'_>) -> Telling,
    /// Of which accounts it may know dates that their activity does not put off; `None`: of none.
    pub has_dates: Option<fn(&Standing) -> bool>,
}

/// What a signal says about itself.
#[derive(Debug)]
pub struct Declaration {
    /// Stable snake-case name: configuration table, metric label, alert type.
    pub name: &'static str,
    /// One sentence: what it notices, and by which statistic.
    pub summary: &'static str,
    /// Logit added to the risk at full strength, by default.
    pub weight: f64,
    /// Its parameters, at most [`PARAMETERS_MAX`].
    pub parameters: &'static [Parameter],
}

/// A declared parameter of a signal.
#[derive(Debug)]
pub struct Parameter {
    /// Stable snake-case name with the unit last, such as `quiet_days_min`.
    pub name: &'static str,
    /// What it means.
    pub summary: &'static str,
    /// Default.
    pub default: f64,
    /// Smallest allowed value.
    pub min: f64,
    /// Largest allowed value.
    pub max: f64,
}

/// One account at one moment, with the parameters of the signal that looks at it.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// The account.
    pub account: &'a Account,
    /// The moment; everything before it is taken into account.
    pub now: Timestamp,
    /// Values of the signal's parameters, in declared order.
    pub parameters: &'a [f64; PARAMETERS_MAX],
    /// The reporting currency, for sentences about money.
    pub currency: crate::units::Currency,
    /// How active the whole fleet was: what is measured in its days does not count holidays and outages.
    pub calendar: &'a Calendar,
}

/// What a signal says about a case.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Reading {
    /// How strongly the facts speak for churn; `None`: there are not enough data to tell.
    pub strength: Option<Ratio>,
    /// When it would speak up, or change, if nothing more happened; `None`: not before the next regular look.
    pub next_due: Option<Timestamp>,
}

/// A reading in words and numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Telling {
    /// One plain sentence.
    pub sentence: String,
    /// The numbers behind it, by name with the unit last.
    pub numbers: Vec<(&'static str, f64)>,
    /// The newest record behind it, where one record is.
    pub offset: Option<Offset>,
}

impl Declaration {
    /// The settings that a configuration which says nothing leads to.
    #[must_use]
    pub fn defaults(&self) -> SignalRules {
        let mut parameters = [0.0; PARAMETERS_MAX];
        for (value, parameter) in parameters.iter_mut().zip(self.parameters) {
            *value = parameter.default;
        }
        SignalRules { enabled: true, weight: self.weight, parameters }
    }
}

impl Reading {
    /// There are not enough data to tell.
    pub const UNKNOWN: Reading = Reading { strength: None, next_due: None };
    /// Nothing speaks for churn.
    pub const QUIET: Reading = Reading { strength: Some(Ratio::ZERO), next_due: None };

    /// The facts speak with `strength`, held to [0, 1].
    #[must_use]
    pub fn of(strength: f64) -> Reading {
        Reading { strength: Some(Ratio::clamped(strength)), next_due: None }
    }

    /// The same, changing at `next_due` if nothing more happens.
    #[must_use]
    pub fn until(self, next_due: Timestamp) -> Reading {
        Reading { next_due: Some(next_due), ..self }
    }
}

impl Telling {
    /// There is nothing to tell.
    fn nothing() -> Telling {
        Telling { sentence: String::new(), numbers: Vec::new(), offset: None }
    }
}

impl Case<'_> {
    /// The value of the parameter declared at `index`.
    fn parameter(&self, index: usize) -> f64 {
        self.parameters.get(index).copied().unwrap_or_default()
    }

    /// The same, as a number of days.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // declared ranges are small and positive
    fn days(&self, index: usize) -> u16 {
        self.parameter(index) as u16
    }

    /// The same, as a span of days.
    fn span(&self, index: usize) -> Span {
        Span::from_days(i64::from(self.days(index)))
    }

    fn money(&self, minor: i64) -> Money {
        Money { minor, currency: self.currency }
    }
}

/// Where `value` lies between `start` (0) and `full` (1); either may be the larger.
fn ramp(value: f64, start: f64, full: f64) -> f64 {
    if (full - start).abs() < f64::EPSILON { 0.0 } else { ((value - start) / (full - start)).clamp(0.0, 1.0) }
}

/// Several pieces of evidence as one: `1 - (1 - a)(1 - b)...`, so that each adds and none goes beyond 1.
fn all_of<const N: usize>(strengths: [f64; N]) -> f64 {
    1.0 - strengths.into_iter().fold(1.0, |rest, strength| rest * (1.0 - strength.clamp(0.0, 1.0)))
}

/// Parts joined by semicolons to one sentence, beginning with a capital letter.
fn sentence(parts: &[String]) -> String {
    let joined = parts.join("; ");
    let mut letters = joined.chars();
    match letters.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), letters.as_str()),
        None => joined,
    }
}

/// `count` with its noun, such as `1 day` and `2 days`.
pub(super) fn counted(count: impl Into<u64>, noun: &str) -> String {
    let count = count.into();
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// How long ago something was, in whole days that have passed since.
pub(super) fn ago(days: impl Into<u64>) -> String {
    match days.into() {
        0 => "less than a day ago".to_owned(),
        days => format!("{} ago", counted(days, "day")),
    }
}

/// What was usual in as much time, to the nearest whole.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // means of what is counted
fn usually(mean: f64) -> String {
    match mean.round() as u64 {
        0 => "hardly any were usual".to_owned(),
        1 => "1 was usual".to_owned(),
        count => format!("{count} were usual"),
    }
}

/// A share as whole percent, for sentences.
#[allow(clippy::cast_possible_truncation)] // shares of what is countable
pub(super) fn percent(share: f64) -> i64 {
    (share * 100.0).round() as i64
}

#[cfg(test)]
mod testing;
