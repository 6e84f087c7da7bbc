//! The accounts of a partition: found by id, kept in slots, with a journal of what changed since the last commit.
//!
//! Accounts are never removed but by taking back their creation, so a slot stays valid. Memory grows in fixed chunks,
//! which never move.

use std::num::NonZeroU32;

use super::Journal;
use super::account::Account;
use super::index::{Fingerprint, Index};

/// Bytes of a chunk: one of the sizes in which the allocator hands out memory, so that nothing is lost to rounding up.
const CHUNK_BYTES: usize = 112 << 10;
/// Accounts in one chunk.
const CHUNK: usize = CHUNK_BYTES / size_of::<Account>();
/// Accounts brought close at a time: enough reads to overlap, few enough to stay in the first cache.
pub const ANTICIPATED_MAX: usize = 64;

/// Where an account is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(NonZeroU32);

impl Slot {
    /// The slot with this index from 0; past 2^32 - 2 the last.
    #[must_use]
    pub fn of(index: u32) -> Slot {
        Slot(NonZeroU32::MIN.saturating_add(index))
    }

    /// As an index from 0, dense.
    #[must_use]
    pub fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// The accounts of a partition.
#[derive(Debug)]
pub struct Store {
    chunks: Vec<Vec<Account>>,
    len: usize,
    /// By fingerprint of the id; the account itself tells which of equal ones it is.
    index: Index,
    journal: Journal,
    /// Accounts changed since the last commit, with what they were; `None`: they were not there.
    changed: Vec<(Slot, Option<Box<Account>>)>,
    /// The commit in which each slot was last changed; equal to `commit` when it stands in `changed`.
    changed_in: Vec<u32>,
    commit: u32,
}

impl Store {
    /// No accounts.
    #[must_use]
    pub fn new(journal: Journal) -> Store {
        Store {
            chunks: Vec::new(),
            len: 0,
            index: Index::default(),
            journal,
            changed: Vec::new(),
            changed_in: Vec::new(),
            commit: 1,
        }
    }

    /// How many accounts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// All accounts, in order of their first event.
    pub fn iter(&self) -> impl Iterator<Item = &Account> {
        self.chunks.iter().flatten()
    }

    /// All slots.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        (0..u32::try_from(self.len).unwrap_or(u32::MAX)).map(Slot::of)
    }

    /// The account in `slot`.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&Account> {
        self.chunks.get(slot.index() / CHUNK)?.get(slot.index() % CHUNK)
    }

    /// Where the account of `id` is kept.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<Slot> {
        self.find_by(Fingerprint::of(id), id)
    }

    fn find_by(&self, fingerprint: Fingerprint, id: &str) -> Option<Slot> {
        self.index.find(fingerprint, |slot| self.get(slot).is_some_and(|account| account.id == id))
    }

    /// Where the account of `id` is kept, made when it is new.
    pub fn find_or_add(&mut self, id: &str) -> Slot {
        let fingerprint = Fingerprint::of(id);
        if let Some(slot) = self.find_by(fingerprint, id) {
            return slot;
        }
        let slot = self.add(fingerprint, Account::new(id));
        if self.journal == Journal::Keep {
            self.changed.push((slot, None));
            self.mark(slot);
        }
        slot
    }

    fn add(&mut self, fingerprint: Fingerprint, account: Account) -> Slot {
        let slot = self.push(account);
        self.index.insert(fingerprint, slot);
        slot
    }

    /// Where the accounts of `ids` are kept, as far as they are there; at most [`ANTICIPATED_MAX`]. Leaves the accounts
    /// themselves alone, so that one of the same fingerprint may be taken for another.
    pub fn find_all<'a>(&self, ids: impl Iterator<Item = &'a str>) -> [Option<Slot>; ANTICIPATED_MAX] {
        let mut fingerprints = [None; ANTICIPATED_MAX];
        for (place, id) in fingerprints.iter_mut().zip(ids) {
            let fingerprint = Fingerprint::of(id);
            self.index.anticipate(fingerprint);
            *place = Some(fingerprint);
        }
        fingerprints.map(|fingerprint| self.index.find(fingerprint?, |_| true))
    }

    /// Brings the accounts in `slots` close: first themselves, then what every event looks at of what they point to.
    pub fn bring_close(&self, slots: impl Iterator<Item = Slot> + Clone) {
        let accounts = slots.filter_map(|slot| self.get(slot));
        accounts.clone().for_each(Account::bring_close);
        accounts.for_each(Account::bring_lists_close);
    }

    fn push(&mut self, account: Account) -> Slot {
        let slot = Slot::of(u32::try_from(self.len).unwrap_or(u32::MAX));
        if self.len.is_multiple_of(CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(account);
            self.len += 1;
        }
        slot
    }

    /// The account in `slot`, to be changed: the journal notes what it was.
    pub fn change(&mut self, slot: Slot) -> Option<&mut Account> {
        if self.journal == Journal::Keep && self.changed_in.get(slot.index()) != Some(&self.commit) {
            let before = self.get(slot).map(|account| Box::new(account.clone()));
            self.changed.push((slot, before));
            self.mark(slot);
        }
        self.place(slot)
    }

    fn place(&mut self, slot: Slot) -> Option<&mut Account> {
        self.chunks.get_mut(slot.index() / CHUNK)?.get_mut(slot.index() % CHUNK)
    }

    fn mark(&mut self, slot: Slot) {
        if slot.index() >= self.changed_in.len() {
            self.changed_in.resize(slot.index() + 1, 0);
        }
        if let Some(commit) = self.changed_in.get_mut(slot.index()) {
            *commit = self.commit;
        }
    }

    /// The slots changed since the last commit, each once, in order of first change.
    pub fn changed(&self) -> impl Iterator<Item = Slot> + '_ {
        self.changed.iter().map(|(slot, _)| *slot)
    }

    /// How many accounts have changed since the last commit.
    #[must_use]
    pub fn changed_len(&self) -> usize {
        self.changed.len()
    }

    /// Makes all changes final.
    pub fn commit(&mut self) {
        self.changed.clear();
        self.commit = self.commit.wrapping_add(1);
        if self.commit == 0 {
            // The numbers have come round: forget the old marks rather than mistake one for the present.
            self.changed_in.clear();
            self.commit = 1;
        }
    }

    /// Takes back the latest change that is left to take back: calls `undone` with the account as it is and as it was
    /// (`None`: it was not there), then puts it back. False when nothing is left.
    pub fn roll_back_one(&mut self, undone: impl FnOnce(Slot, &Account, Option<&Account>)) -> bool {
        let Some((slot, before)) = self.changed.pop() else {
            self.commit();
            return false;
        };
        if let Some(now) = self.get(slot) {
            undone(slot, now, before.as_deref());
        }
        match before {
            Some(before) => {
                if let Some(place) = self.place(slot) {
                    *place = *before;
                }
            }
            None => self.remove_last(),
        }
        true
    }

    /// Accounts are made one after the other, so taking back the latest creation first removes the last slot.
    fn remove_last(&mut self) {
        let Some(chunk) = self.chunks.last_mut() else { return };
        if let Some(account) = chunk.pop() {
            self.len -= 1;
            let slot = Slot::of(u32::try_from(self.len).unwrap_or(u32::MAX));
            self.index.remove(Fingerprint::of(&account.id), slot);
        }
        if chunk.is_empty() {
            self.chunks.pop();
        }
        self.changed_in.truncate(self.len);
    }

    /// Puts back an account read from the changelog; one of the same id is replaced.
    pub fn restore(&mut self, account: Account) {
        if let Some(place) = self.find(&account.id).and_then(|slot| self.place(slot)) {
            *place = account;
            return;
        }
        self.add(Fingerprint::of(&account.id), account);
    }
}
