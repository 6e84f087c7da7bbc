//! The accounts of a partition: found by id, kept in slots, with a journal of what changed since the last commit.
//!
//! Accounts are never removed but by taking back their creation, so a slot stays valid. Memory grows in fixed chunks,
//! which never move.

use hashbrown::HashTable;

use super::Journal;
use super::account::Account;
use super::effect::Band;
use super::facts::crowd::Member;
use crate::units::stable_hash;

/// Accounts in one chunk.
const CHUNK: usize = 256;
/// Accounts brought close at a time: enough reads to overlap, few enough to stay in the first cache.
pub const ANTICIPATED_MAX: usize = 64;

/// Half the hash of an account's id: with the whole of it, the index would be twice as large and miss the cache more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fingerprint(u32);

impl Fingerprint {
    #[allow(clippy::cast_possible_truncation)] // a half of a good hash
    fn of(id: &str) -> Fingerprint {
        Fingerprint((stable_hash(id.as_bytes()) >> 32) as u32)
    }

    /// Spread over 64 bits, all of which the table uses.
    fn hash(self) -> u64 {
        u64::from(self.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// Where an account is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(u32);

impl Slot {
    /// As an index from 0, dense.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The accounts of a partition.
#[derive(Debug)]
pub struct Store {
    chunks: Vec<Vec<Account>>,
    len: usize,
    /// By fingerprint of the id; the account itself tells which of equal ones it is.
    index: HashTable<(Fingerprint, Slot)>,
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
            index: HashTable::new(),
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
        (0..u32::try_from(self.len).unwrap_or(u32::MAX)).map(Slot)
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
        let is_same = |account: &Account| account.id == id;
        let entry = |(known, slot): &(Fingerprint, Slot)| *known == fingerprint && self.get(*slot).is_some_and(is_same);
        self.index.find(fingerprint.hash(), entry).map(|(_, slot)| *slot)
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
        self.index.insert_unique(fingerprint.hash(), (fingerprint, slot), |(known, _)| known.hash());
        slot
    }

    /// Where the accounts of `ids` are kept, as far as they are there; at most [`ANTICIPATED_MAX`].
    pub fn find_all<'a>(&self, ids: impl Iterator<Item = &'a str>) -> [Option<Slot>; ANTICIPATED_MAX] {
        let mut slots = [None; ANTICIPATED_MAX];
        for (slot, id) in slots.iter_mut().zip(ids) {
            let fingerprint = Fingerprint::of(id);
            // Leaves the account itself alone; the rare wrong one does no harm here.
            *slot = self.index.find(fingerprint.hash(), |(known, _)| *known == fingerprint).map(|(_, slot)| *slot);
        }
        slots
    }

    /// Reads the accounts in `slots`, at most [`ANTICIPATED_MAX`] of them, so that they are in the processor's cache when
    /// they are needed.
    ///
    /// A million accounts do not fit any cache, and one miss after the other is what costs an event most. Reads that do
    /// not wait for one another overlap: first the accounts themselves, then what they point to.
    pub fn warm(&self, slots: impl Iterator<Item = Slot>) {
        let mut places = [None; ANTICIPATED_MAX];
        for (place, slot) in places.iter_mut().zip(slots) {
            *place = self.get(slot);
        }
        let accounts = || places.iter().copied().flatten();
        let mut read = 0_u64;
        for account in accounts() {
            read ^= u64::from(account.activity.last_day.number()) ^ account.activity.latest_at.ms().unsigned_abs();
            read ^= account.dedup.window.unsigned_abs() ^ u64::from(account.standing.told);
            read ^= account.id.len() as u64 ^ account.judgement.band as u64 ^ u64::from(account.users.sampled);
        }
        for account in accounts() {
            // One of eight: each line of the cache that they are in.
            let lines = |list: &[Member]| list.iter().step_by(8).fold(0, |read, member| read ^ u64::from(member.hash));
            read ^= lines(&account.users.members) ^ lines(&account.features.members);
            read ^= account.dedup.ids.as_slice().first().copied().unwrap_or_default();
            read ^= account.activity.volumes.last().copied().map_or(0, u64::from);
        }
        // Who is in trouble is about to be judged, mostly by these.
        for account in accounts().filter(|account| account.judgement.band > Band::Healthy) {
            let standing = &account.standing;
            let answers = account.voice.as_ref().filter(|_| standing.is_outspoken).map(|voice| voice.answers.first());
            let failures =
                account.billing.as_ref().filter(|_| standing.is_unpaid).map(|billing| billing.failures.first());
            read ^= answers.flatten().map_or(0, |answer| u64::from(answer.respondent));
            read ^= failures.flatten().map_or(0, |failure| u64::from(failure.attempt));
            read ^= account.judgement.alerts.first().map_or(0, |alert| u64::from(alert.episode));
        }
        std::hint::black_box(read);
    }

    fn push(&mut self, account: Account) -> Slot {
        let slot = Slot(u32::try_from(self.len).unwrap_or(u32::MAX));
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
            let hash = Fingerprint::of(&account.id).hash();
            let slot = Slot(u32::try_from(self.len).unwrap_or(u32::MAX));
            if let Ok(entry) = self.index.find_entry(hash, |(_, known)| *known == slot) {
                entry.remove();
            }
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
