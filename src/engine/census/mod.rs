//! The census: what the accounts of a partition come to when somebody asks, for reports.
//!
//! Some of it is kept as accounts change (`kpis::tables`, `totals`), the rest takes a walk over all accounts, which may be
//! taken in stages while the partition goes on. Everything adds up over partitions and instances; who is best, which
//! shares differ and what is shown follows from the sums ([`contrast`], [`proportions`]). Pure: no clock, no I/O.

pub mod adoption;
pub mod behaviour;
pub mod contrast;
pub mod member;
pub mod proportions;
pub mod soundness;
pub mod strongest;
#[cfg(test)]
mod tests;
pub mod traits;

use adoption::Adoption;
use member::Member;
use strongest::Strongest;
use traits::Traits;

use super::Engine;
use super::account::Account;
use super::kpis::figures::Live;
use super::kpis::leavers::Leavers;
use super::kpis::tables::Tables;
use super::rules::Rules;
use super::store::Slot;
use super::vocabulary::Vocabulary;
use crate::units::Timestamp;
use crate::units::calendar::{Length, Month};

/// What accounts come to.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Census {
    /// What KPIs are reckoned from.
    pub tables: Tables,
    /// What the live totals say.
    pub live: Live,
    /// Accounts known.
    pub accounts: u64,
    /// Subscription events in a currency without a rate, since the engine began or was restored.
    pub unpriced: u64,
    /// Events that came too late for windows or timelines, likewise.
    pub too_late: u64,
    /// Events seen before, likewise.
    pub duplicates: u64,
    /// Events that do not count by configuration, likewise.
    pub excluded: u64,
    /// The names of features.
    pub features: Vocabulary,
    /// What the walk over the accounts found.
    pub found: Found,
    /// Whether events came in while the walk was under way: the accounts are then not all of one moment.
    pub is_moving: bool,
}

/// What a walk over accounts finds.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Found {
    /// Who left or shrank in the last complete period, by [`Length`].
    pub leavers: [Leavers; Length::ALL.len()],
    /// What the accounts pay, at the latest rates, in minor units: what their ledgers lead to.
    pub pays_minor: i64,
    /// Accounts of which a subscription is known.
    pub billed: u64,
    /// The traits of customers.
    pub traits: Traits,
    /// Who uses which features.
    pub adoption: Adoption,
    /// The strongest accounts by cohort.
    pub strongest: Strongest,
}

impl Found {
    /// Counts `account` as of `now`, when the months before `open` are over.
    pub fn count(&mut self, account: &Account, rules: &Rules, now: Timestamp, open: Month) {
        let member = Member::of(account, rules, now);
        for (length, leavers) in Length::ALL.into_iter().zip(&mut self.leavers) {
            leavers.count(&member, length.of(open).previous());
        }
        self.pays_minor += member.pays_latest_minor;
        self.billed += u64::from(account.standing.is_subscribed);
        self.traits.count(&member);
        self.adoption.count(&member);
        self.strongest.count(&member);
    }

    /// Adds what was found in another partition.
    pub fn merge(&mut self, other: &Found) {
        self.leavers.iter_mut().zip(&other.leavers).for_each(|(leavers, others)| leavers.merge(others));
        self.pays_minor += other.pays_minor;
        self.billed += other.billed;
        self.traits.merge(&other.traits);
        self.adoption.merge(&other.adoption);
        self.strongest.merge(&other.strongest);
    }
}

impl Census {
    /// The census of `engine` as of `now`.
    #[must_use]
    pub fn of(engine: &Engine, now: Timestamp) -> Census {
        Census::when_open(engine, now, engine.rules.kpis.time_zone.month(now))
    }

    /// The same when the months before `open` are over: with the last moment of a month, that month may be.
    #[must_use]
    pub fn when_open(engine: &Engine, now: Timestamp, open: Month) -> Census {
        let mut walk = Walk { open, ..Walk::new(engine, now) };
        while !walk.go_on(engine, usize::MAX) {}
        walk.end(engine)
    }

    /// Adds that of another partition.
    pub fn merge(&mut self, other: &Census) {
        self.tables.merge(&other.tables);
        self.live.merge(&other.live);
        self.accounts += other.accounts;
        self.unpriced += other.unpriced;
        self.too_late += other.too_late;
        self.duplicates += other.duplicates;
        self.excluded += other.excluded;
        self.features.merge(&other.features);
        self.found.merge(&other.found);
        self.is_moving |= other.is_moving;
    }
}

/// A walk over the accounts of an engine that goes on with its work between stages.
#[derive(Debug)]
pub struct Walk {
    now: Timestamp,
    /// The first month that is not over.
    open: Month,
    /// Slots walked over.
    walked: usize,
    /// Events accepted when it began.
    accepted: u64,
    found: Found,
}

impl Walk {
    /// At the beginning; accounts are counted as of `now`.
    #[must_use]
    pub fn new(engine: &Engine, now: Timestamp) -> Walk {
        let open = engine.rules.kpis.time_zone.month(now);
        Walk { now, open, walked: 0, accepted: engine.counts.accepted, found: Found::default() }
    }

    /// Walks over the next `accounts_max` accounts at most; whether it has come to the end.
    pub fn go_on(&mut self, engine: &Engine, accounts_max: usize) -> bool {
        let end = self.walked.saturating_add(accounts_max).min(engine.store.len());
        let slots = (self.walked..end).filter_map(|index| u32::try_from(index).ok()).map(Slot::of);
        for account in slots.filter_map(|slot| engine.store.get(slot)) {
            self.found.count(account, &engine.rules, self.now, self.open);
        }
        self.walked = end;
        self.walked == engine.store.len()
    }

    /// What was found, with what the engine keeps.
    #[must_use]
    pub fn end(self, engine: &Engine) -> Census {
        Census {
            tables: Tables::clone(&engine.sums.kpis),
            live: Live::of(&engine.sums.totals, self.now.day()),
            accounts: engine.store.len() as u64,
            unpriced: engine.counts.unpriced,
            too_late: engine.counts.too_late,
            duplicates: engine.counts.duplicates,
            excluded: engine.counts.excluded,
            features: Vocabulary::clone(&engine.partition.features),
            found: self.found,
            is_moving: engine.counts.accepted != self.accepted,
        }
    }
}
