//! R2: which features trial accounts use, and which paying ones, lately.

use std::collections::BTreeMap;

use super::member::Member;
use super::proportions::Portion;
use crate::engine::facts::crowd::FOUR_WEEKS;
use crate::engine::kpis::contribution::is_on_trial;
use crate::engine::vocabulary::FEATURES_MAX;

/// Whose use is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// On a trial that has not ended, and paying nothing.
    Trial,
    /// Paying something now.
    Paying,
}

impl Stage {
    /// Both of them.
    pub const ALL: [Stage; 2] = [Stage::Trial, Stage::Paying];

    /// What reports call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Stage::Trial => "trial",
            Stage::Paying => "paying",
        }
    }
}

/// How many accounts used which feature this week or in the four before it, by [`Stage`].
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Adoption {
    /// Accounts whose features are all known.
    pub accounts: [u64; Stage::ALL.len()],
    /// Accounts of more features than are kept of one, whose use is known in part only: counted nowhere else.
    pub sampled: [u64; Stage::ALL.len()],
    /// Accounts that used a feature, by its hash: at most [`FEATURES_MAX`], those of the smallest hashes.
    pub used: BTreeMap<u32, [u64; Stage::ALL.len()]>,
    /// Whether features were left out.
    pub is_cut: bool,
}

impl Adoption {
    /// Counts an account, if it is on trial or pays.
    pub fn count(&mut self, member: &Member<'_>) {
        let account = member.account;
        let stage = match member.pays_minor {
            1.. => Stage::Paying,
            _ if is_on_trial(account, member.now) => Stage::Trial,
            _ => return,
        };
        let counts = if account.features.sampled { &mut self.sampled } else { &mut self.accounts };
        if let Some(accounts) = counts.get_mut(stage as usize) {
            *accounts += 1;
        }
        if account.features.sampled {
            return;
        }
        let today = member.now.day();
        let mut one = [0; Stage::ALL.len()];
        if let Some(accounts) = one.get_mut(stage as usize) {
            *accounts = 1;
        }
        for feature in account.features.members.iter().filter(|feature| feature.weeks_before(today) & FOUR_WEEKS != 0) {
            self.add(feature.hash, one);
        }
    }

    fn add(&mut self, hash: u32, accounts: [u64; Stage::ALL.len()]) {
        let known = self.used.entry(hash).or_default();
        known.iter_mut().zip(accounts).for_each(|(sum, accounts)| *sum += accounts);
        if self.used.len() > FEATURES_MAX {
            self.used.pop_last();
            self.is_cut = true;
        }
    }

    /// Adds that of another partition.
    pub fn merge(&mut self, other: &Adoption) {
        let sum = |sums: &mut [u64], others: &[u64]| sums.iter_mut().zip(others).for_each(|(sum, more)| *sum += more);
        sum(&mut self.accounts, &other.accounts);
        sum(&mut self.sampled, &other.sampled);
        self.is_cut |= other.is_cut;
        for (hash, accounts) in &other.used {
            self.add(*hash, *accounts);
        }
    }

    /// How many accounts of `stage` used the feature of `hash`, of all whose features are known.
    #[must_use]
    pub fn of(&self, stage: Stage, hash: u32) -> Portion {
        let at = |counts: &[u64]| counts.get(stage as usize).copied().unwrap_or(0);
        Portion { with: self.used.get(&hash).map_or(0, |used| at(used)), of: at(&self.accounts) }
    }
}
