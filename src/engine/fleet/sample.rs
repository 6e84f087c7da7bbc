//! The accounts that the reports speak of: all of a small partition, a uniform sample of a large one.
//!
//! An account is sampled by the leading bits of the hash of its id: as many bits must be zero as it takes to keep the
//! sample within [`SAMPLE_MAX`]. So the sample is a function of the set of accounts, whatever the order of their arrival.

use std::collections::BTreeSet;

use crate::engine::store::Slot;

/// Accounts sampled.
pub const SAMPLE_MAX: usize = 8192;

/// The sampled accounts, by ascending hash of their ids.
#[derive(Debug, Default)]
pub struct Sample {
    members: BTreeSet<(u64, Slot)>,
    /// Leading zero bits a hash must have.
    zeros: u32,
}

impl Sample {
    /// Considers the account in `slot`, whose id has this hash.
    pub fn consider(&mut self, hash: u64, slot: Slot) {
        if hash.leading_zeros() < self.zeros {
            return;
        }
        self.members.insert((hash, slot));
        while self.members.len() > SAMPLE_MAX {
            self.zeros += 1;
            let zeros = self.zeros;
            self.members.retain(|(hash, _)| hash.leading_zeros() >= zeros);
        }
    }

    /// The sample of these accounts.
    pub fn of(accounts: impl Iterator<Item = (u64, Slot)>) -> Sample {
        let mut sample = Sample::default();
        accounts.for_each(|(hash, slot)| sample.consider(hash, slot));
        sample
    }

    /// The hashes and slots of its accounts, by ascending hash.
    pub fn iter(&self) -> impl Iterator<Item = (u64, Slot)> + '_ {
        self.members.iter().copied()
    }
}
