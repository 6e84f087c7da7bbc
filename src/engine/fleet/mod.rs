//! What all accounts together teach about one: the fleet record, and how it is learned.
//!
//! An account's own history is short, so its risk leans on its fleet: a prior of activity rates ([`prior`]), a curve of
//! silences ([`curve`]), the days on which the whole fleet rests ([`calendar`]) and the weights of what foretells churn
//! ([`model`], over [`features`]). These are sums over the accounts of all partitions, and an engine must stay a function
//! of its log. So every engine reports on its own accounts once a day ([`report`]), one [`learner`] adds the reports up,
//! and the [`Fleet`] that follows is written into every partition of the log; an engine uses the last one it has read.

#![allow(clippy::cast_precision_loss)] // counts of accounts, days and bins: far below 2^52

pub mod calendar;
pub mod curve;
pub mod features;
pub mod learner;
pub mod linear;
pub mod logistic;
pub mod model;
pub mod prior;
#[cfg(test)]
mod reference;
pub mod report;
pub(super) mod sample;

use calendar::Calendar;
use curve::Curve;
use model::Model;
use prior::GammaPrior;

use super::account::Account;
use super::rules::{Rules, Target};
use crate::units::Day;

/// The fleet record (`fleet.updated`): what the fleet teaches, as of one day.
#[derive(Clone, Debug, PartialEq)]
pub struct Fleet {
    /// The first day not yet taken into account; `None` in the shipped record.
    pub day: Option<Day>,
    /// Gamma prior of the 14-day rate.
    pub prior_14: GammaPrior,
    /// Gamma prior of the 182-day rate.
    pub prior_182: GammaPrior,
    /// How silences end.
    pub curve: Curve,
    /// How active the fleet was, day by day.
    pub calendar: Calendar,
    /// What was learned about the accounts of each [`Population`]; `None`: not enough outcomes yet, the weights of the
    /// configuration hold.
    pub models: [Option<Model>; 2],
    /// Mean scarcity of each segment, by ascending hash of its name, at most [`SEGMENTS_MAX`].
    pub segments: Vec<(u32, f64)>,
}

/// Segments whose mean is known; accounts of further ones are compared with nobody.
pub const SEGMENTS_MAX: usize = 64;

/// Accounts that leave in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Population {
    /// Those with a subscription: they leave by ending it.
    Subscribed,
    /// The others: they leave by falling silent throughout the horizon.
    Unsubscribed,
}

impl Population {
    /// Both, in the order in which arrays hold them.
    pub const ALL: [Population; 2] = [Population::Subscribed, Population::Unsubscribed];

    /// The population whose way of leaving is foretold for `account`.
    #[must_use]
    pub fn of(account: &Account, rules: &Rules) -> Population {
        match rules.risk.target {
            Target::Auto if account.standing.is_subscribed => Population::Subscribed,
            Target::Auto | Target::Silence => Population::Unsubscribed,
            Target::Cancellation => Population::Subscribed,
        }
    }

    /// Its place in arrays.
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Population::Subscribed => 0,
            Population::Unsubscribed => 1,
        }
    }

    /// Stable snake-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Population::Subscribed => "subscribed",
            Population::Unsubscribed => "unsubscribed",
        }
    }
}

impl Default for Fleet {
    /// The shipped record, on which the first day already ranks: an account is expected on about one day in six, with
    /// the weight of a few days of evidence, so that its own history soon outvotes it.
    fn default() -> Fleet {
        let prior = GammaPrior { shape: 0.6, exposure_days: 4.0 };
        Fleet {
            day: None,
            prior_14: prior,
            prior_182: prior,
            curve: Curve::default(),
            calendar: Calendar::default(),
            models: [None, None],
            segments: Vec::new(),
        }
    }
}

impl Fleet {
    /// What was learned about a population, where enough was.
    #[must_use]
    pub fn model(&self, population: Population) -> Option<&Model> {
        self.models.get(population.index())?.as_ref()
    }

    /// The mean scarcity of the segment with this hash, where it is known.
    #[must_use]
    pub fn segment_mean(&self, segment: u32) -> Option<f64> {
        let index = self.segments.binary_search_by_key(&segment, |(hash, _)| *hash).ok()?;
        self.segments.get(index).map(|(_, mean)| *mean)
    }
}
