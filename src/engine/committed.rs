//! What has been committed: making changes final, taking them back, and putting the state back after a restart.
//!
//! Totals, timers and sample are derived from the accounts, so that whatever changes these without a step is followed by
//! deriving those.

use super::account::Account;
use super::fleet::sample::Sample;
use super::{Engine, PartitionState};
use crate::units::stable_hash;

impl Engine {
    /// Makes everything since the last commit final.
    pub fn commit(&mut self) {
        self.store.commit();
        self.committed = None;
    }

    /// Takes back everything since the last commit: accounts, partition state, totals, timers, counts.
    pub fn roll_back(&mut self) {
        let Engine { store, sums, timers, rules, .. } = self;
        while store.roll_back_one(|slot, now, before| {
            sums.subtract(now, rules);
            if let Some(before) = before {
                sums.add(before, rules);
                sums.recount(slot, before, rules);
                match before.judgement.due {
                    Some(due) => timers.set(slot, &before.id, due),
                    None => timers.clear(slot),
                }
            } else {
                sums.remove_last(slot);
                timers.truncate(slot.index());
            }
        }) {}
        self.sample = self.sampled();
        if let Some((partition, counts)) = self.committed.take() {
            self.partition = partition;
            self.counts = counts;
        }
    }

    /// Puts back an account from the changelog; a later one of the same id replaces it.
    pub fn restore_account(&mut self, mut account: Account) {
        if let Some(billing) = &mut account.billing {
            billing.open_book(self.rules.valuation());
        }
        self.store.restore(account);
    }

    /// Puts back the partition state from the commit record.
    pub fn restore_partition(&mut self, partition: PartitionState) {
        self.partition = partition;
    }

    /// The sample of the accounts that are there.
    fn sampled(&self) -> Sample {
        let account = |slot| self.store.get(slot).map(|account| (stable_hash(account.id.as_bytes()), slot));
        Sample::of(self.store.slots().filter_map(account))
    }

    /// Ends a restore: derives totals, timers and sample from the accounts.
    pub fn finish_restore(&mut self) {
        self.sample = self.sampled();
        for slot in self.store.slots() {
            let Some(account) = self.store.get(slot) else { continue };
            self.sums.add(account, &self.rules);
            self.sums.recount(slot, account, &self.rules);
            if let Some(due) = account.judgement.due {
                self.timers.set(slot, &account.id, due);
            }
        }
    }
}
