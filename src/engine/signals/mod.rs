//! The churn signals: evidence about one account, judged against its own rhythm.
//!
//! A signal is one file here and one line in [`SIGNALS`]. It declares its name and parameters, from which configuration,
//! validation and reference documentation follow; it reads the account's facts and says how strongly they speak for
//! churn, or that it cannot know. Signals keep no state, see one account at a time and never each other.

use super::rules::SignalRules;

/// Most parameters a signal may declare.
pub const PARAMETERS_MAX: usize = 8;

/// Every signal, in the order in which rules and states refer to them. Append only: the order is part of the state.
pub static SIGNALS: [Signal; 0] = [];

/// A signal: what it declares and how it judges.
pub struct Signal {
    /// Name, meaning and parameters.
    pub declaration: Declaration,
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
