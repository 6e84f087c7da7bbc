//! The engine: decides, for one partition of the canonical log, what is to be told about its accounts.
//!
//! Pure and deterministic: the same records give the same state and the same effects, byte for byte. There is no I/O,
//! clock, randomness, logging or locking here, and nothing here can fail on data: a record that cannot be believed
//! becomes an [`effect::Effect::Reject`]. Reading order: [`event`] -> [`input`] -> [`account`] -> [`signals`] ->
//! [`risk`] -> [`alert`] -> [`effect`]; this file joins them.

pub mod account;
pub mod effect;
pub mod event;
pub mod input;
pub mod rules;
pub mod signals;
pub mod totals;

use std::sync::Arc;

use account::Account;
use effect::{Effect, Health};
use input::{Fleet, Record, SourceReport, SourceTopic};
use rules::Rules;
use totals::Totals;

use crate::units::Timestamp;

/// Whether the engine remembers how to take back what it did since the last commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Journal {
    /// Keep pre-images of changed accounts until [`Engine::commit`] or [`Engine::roll_back`].
    Keep,
    /// Changes are final at once (file mode, simulator).
    Off,
}

/// The state of one partition and the function over it.
#[derive(Debug)]
pub struct Engine {
    rules: Arc<Rules>,
    journal: Journal,
    partition: PartitionState,
    totals: Totals,
    counts: Counts,
    accounts: Vec<Account>,
}

/// What belongs to the partition rather than to an account; part of the commit record.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct PartitionState {
    /// The engine's clock: everything up to it has been read from every source. `None` until all have reported.
    pub clock: Option<Timestamp>,
    /// The sources that must report.
    pub sources: Vec<SourceTopic>,
    /// The latest report of each source partition, by topic and partition.
    pub reports: Vec<SourceReport>,
    /// The fleet record in force.
    pub fleet: Fleet,
}

/// What the engine has counted since it was created or restored; each becomes a counter metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counts {
    /// Events that changed state.
    pub accepted: u64,
    /// Events seen before.
    pub duplicates: u64,
    /// Events too old for the activity windows (they still reached billing and identity).
    pub too_late: u64,
    /// Times an account was judged.
    pub judgements: u64,
}

impl Engine {
    /// An empty partition under `rules`.
    #[must_use]
    pub fn new(rules: Arc<Rules>, journal: Journal) -> Engine {
        Engine {
            rules,
            journal,
            partition: PartitionState::default(),
            totals: Totals::default(),
            counts: Counts::default(),
            accounts: Vec::new(),
        }
    }

    /// Takes in one record and appends what is to be done about it to `effects`, in order.
    pub fn step(&mut self, record: &Record<'_>, effects: &mut Vec<Effect>) {
        let _ = (record, effects, &self.rules, self.journal);
    }

    /// Clock, sources and fleet record.
    #[must_use]
    pub fn partition(&self) -> &PartitionState {
        &self.partition
    }

    /// Sums over its accounts.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Counters since creation or restore.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How many accounts it holds.
    #[must_use]
    pub fn accounts_len(&self) -> usize {
        self.accounts.len()
    }

    /// The health of every account as of the clock, in no particular order.
    pub fn healths(&self) -> impl Iterator<Item = Health> + '_ {
        std::iter::empty()
    }

    /// The accounts changed since the last commit, each once, in order of first change. Needs [`Journal::Keep`].
    pub fn changed(&self) -> impl Iterator<Item = &Account> {
        std::iter::empty()
    }

    /// How many accounts have changed since the last commit. Needs [`Journal::Keep`].
    #[must_use]
    pub fn changed_len(&self) -> usize {
        0
    }

    /// Makes everything since the last commit final.
    pub fn commit(&mut self) {}

    /// Takes back everything since the last commit: accounts, partition state, totals, timers, counts.
    pub fn roll_back(&mut self) {}

    /// Puts back an account from the changelog; a later one of the same id replaces it.
    pub fn restore_account(&mut self, account: Account) {
        self.accounts.push(account);
    }

    /// Puts back the partition state from the commit record.
    pub fn restore_partition(&mut self, partition: PartitionState) {
        self.partition = partition;
    }

    /// Ends a restore: derives totals and timers from the accounts.
    pub fn finish_restore(&mut self) {}
}
