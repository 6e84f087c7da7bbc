//! The prior of activity rates: how many active days a day an account of this fleet is likely to have.
//!
//! A gamma distribution fitted by moments to what the accounts have shown (an empirical Bayes prior; see Gelman et al.,
//! *Bayesian Data Analysis*, on the gamma-Poisson model). Not here: the rate of one account, which is
//! [`crate::engine::facts::activity::Evidence::rate`].

use crate::engine::facts::activity::Evidence;

/// A gamma distribution of activity rates (active days a day): mean `shape / exposure_days`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GammaPrior {
    /// Its shape, above 0.
    pub shape: f64,
    /// Its rate parameter, in days of exposure, above 0.
    pub exposure_days: f64,
}

/// Accounts known for less (in decayed days of exposure) say nothing about the prior.
const EXPOSURE_MIN: f64 = 3.0;
/// Fewer accounts make no prior.
const ACCOUNTS_MIN: f64 = 30.0;
/// Nor do fewer decayed active days of all together: of a fleet that has been still for long, only what fades is left.
const ACTIVE_MIN: f64 = 1.0;

/// Sums over accounts from which the prior follows; they add up over partitions.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct PriorSums {
    /// Accounts.
    pub accounts: f64,
    /// Decayed active days `A`.
    pub active: f64,
    /// Decayed exposure `E`.
    pub exposure: f64,
    /// `A^2`.
    pub active_squared: f64,
    /// `A E`.
    pub active_exposure: f64,
    /// `E^2`.
    pub exposure_squared: f64,
}

impl PriorSums {
    /// Adds one account.
    pub fn add(&mut self, Evidence { active, exposure }: Evidence) {
        if exposure <= EXPOSURE_MIN {
            return;
        }
        self.accounts += 1.0;
        self.active += active;
        self.exposure += exposure;
        self.active_squared += active * active;
        self.active_exposure += active * exposure;
        self.exposure_squared += exposure * exposure;
    }

    /// Adds the accounts of another partition.
    pub fn merge(&mut self, other: &PriorSums) {
        self.accounts += other.accounts;
        self.active += other.active;
        self.exposure += other.exposure;
        self.active_squared += other.active_squared;
        self.active_exposure += other.active_exposure;
        self.exposure_squared += other.exposure_squared;
    }

    /// The prior that fits: `mu = sum A / sum E`, `v = max((sum (A - mu E)^2 - mu sum E) / sum E^2, mu^2 / 20)`,
    /// `shape = mu^2 / v` held to [0.05, 20], `exposure = shape / mu`. `None` below 30 accounts, and when all together
    /// have less than one decayed active day left.
    ///
    /// ```
    /// use churnwatch::engine::{facts::activity::Evidence, fleet::prior::PriorSums};
    /// let mut sums = PriorSums::default();
    /// // Half of the accounts are active on one day in ten, half on five in ten, over a hundred days.
    /// (0..50).for_each(|_| sums.add(Evidence { active: 10.0, exposure: 100.0 }));
    /// (0..50).for_each(|_| sums.add(Evidence { active: 50.0, exposure: 100.0 }));
    /// let prior = sums.fit().unwrap();
    /// // Mean 0.3, spread (0.2^2) less the Poisson noise (0.3 / 100): 0.037.
    /// assert!((prior.shape / prior.exposure_days - 0.3).abs() < 1e-12);
    /// assert!((prior.shape - 0.09 / 0.037).abs() < 1e-9);
    /// ```
    #[must_use]
    pub fn fit(&self) -> Option<GammaPrior> {
        if self.accounts < ACCOUNTS_MIN || self.active < ACTIVE_MIN {
            return None;
        }
        let mean = self.active / self.exposure;
        let spread = self.active_squared - 2.0 * mean * self.active_exposure + mean * mean * self.exposure_squared;
        let variance = ((spread - mean * self.exposure) / self.exposure_squared).max(mean * mean / 20.0);
        let shape = (mean * mean / variance).clamp(0.05, 20.0);
        Some(GammaPrior { shape, exposure_days: shape / mean })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// However long ago the accounts were active, down to where numbers vanish.
        #[test]
        fn a_prior_is_positive_and_finite_or_there_is_none(
            accounts in prop::collection::vec((0.0..300.0_f64, 3.1..300.0_f64), 30..60),
            half_lives in 0.0..1_100.0_f64,
        ) {
            let mut sums = PriorSums::default();
            for (active, exposure) in accounts {
                sums.add(Evidence { active: active * libm::exp2(-half_lives), exposure });
            }
            if let Some(prior) = sums.fit() {
                let is_sound = |number: f64| number.is_finite() && number > 0.0;
                prop_assert!(is_sound(prior.shape) && is_sound(prior.exposure_days), "{prior:?}");
            }
        }
    }

    #[test]
    fn a_fleet_that_has_gone_teaches_no_prior() {
        let mut sums = PriorSums::default();
        (0..1_000).for_each(|_| sums.add(Evidence { active: 0.002, exposure: 20.0 }));
        assert!(sums.fit().is_some());
        let mut sums = PriorSums::default();
        (0..1_000).for_each(|_| sums.add(Evidence { active: 0.0005, exposure: 20.0 }));
        assert_eq!(sums.fit(), None);
    }
}
