//! When which account is to be judged again if nothing happens.
//!
//! Derived from the accounts, never stored. Due times are whole hours; accounts wait in one list an hour. Moving a due
//! time later costs nothing: the account stays in its list, is looked at when the hour comes, without touching the
//! account, and moves on to the list of its due time.

use std::collections::BTreeMap;

use super::store::{ANTICIPATED_MAX, Slot};
use crate::units::{HOUR_MS, Timestamp};

/// The timers of a partition.
#[derive(Debug, Default)]
pub struct Timers {
    /// Who waits for which hour; entries of accounts that are queued for another hour are stale.
    hours: BTreeMap<u32, Vec<(u64, Slot)>>,
    /// Of each slot: the hour it is due, and the hour it is queued for; [`NEVER`] for none.
    slots: Vec<(u32, u32)>,
    /// The hour that is being fired and who is left of it, last first.
    firing: (u32, Vec<(u64, Slot)>),
}

/// No hour.
const NEVER: u32 = u32::MAX;

/// `time` as a whole hour: the first that is not before it.
#[must_use]
pub fn round_up(time: Timestamp) -> Timestamp {
    Timestamp::clamped(time.ms().saturating_add(HOUR_MS - 1) / HOUR_MS * HOUR_MS)
}

fn hour(time: Timestamp) -> u32 {
    u32::try_from(time.ms() / HOUR_MS).unwrap_or(NEVER)
}

impl Timers {
    /// Makes the account in `slot` due at `due`, a whole hour; `tie` orders accounts due at the same time.
    pub fn set(&mut self, slot: Slot, tie: u64, due: Timestamp) {
        if slot.index() >= self.slots.len() {
            self.slots.resize(slot.index() + 1, (NEVER, NEVER));
        }
        if let Some((known, _)) = self.slots.get_mut(slot.index()) {
            *known = hour(due);
            self.queue(slot, tie);
        }
    }

    /// The account in `slot` is not due any more.
    pub fn clear(&mut self, slot: Slot) {
        if let Some((due, _)) = self.slots.get_mut(slot.index()) {
            *due = NEVER;
        }
    }

    /// Puts the account into the list of its due hour, unless it waits in an earlier one.
    fn queue(&mut self, slot: Slot, tie: u64) {
        if let Some((due, queued)) = self.slots.get_mut(slot.index())
            && *due < *queued
        {
            *queued = *due;
            self.hours.entry(*due).or_default().push((tie, slot));
        }
    }

    /// Takes out the next account due at `clock`, in order of due time and tie.
    pub fn pop(&mut self, clock: Timestamp) -> Option<Slot> {
        loop {
            let (firing, left) = &mut self.firing;
            let Some((tie, slot)) = left.pop() else {
                let next = self.hours.first_entry().filter(|entry| *entry.key() <= hour(clock))?;
                let (hour, mut accounts) = next.remove_entry();
                accounts.sort_unstable_by(|a, b| b.cmp(a));
                self.firing = (hour, accounts);
                continue;
            };
            let firing = *firing;
            let Some((due, queued)) = self.slots.get_mut(slot.index()) else { continue };
            if *queued != firing {
                continue;
            }
            *queued = NEVER;
            if *due > firing {
                self.queue(slot, tie);
            } else {
                return Some(slot);
            }
        }
    }

    /// Some of the accounts that come up next within the hour that is being fired.
    pub fn upcoming(&self) -> [Option<Slot>; ANTICIPATED_MAX] {
        let mut slots = [None; ANTICIPATED_MAX];
        let (hour, left) = &self.firing;
        let due = |slot: Slot| self.slots.get(slot.index()).is_some_and(|(due, _)| due <= hour);
        for (upcoming, (_, slot)) in slots.iter_mut().zip(left.iter().rev()) {
            *upcoming = due(*slot).then_some(*slot);
        }
        slots
    }

    /// Forgets slots from `len` on, which have ceased to exist.
    pub fn truncate(&mut self, len: usize) {
        self.slots.truncate(len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Journal;
    use crate::engine::store::Store;

    #[test]
    fn accounts_come_up_once_in_order_of_due_time_and_tie() {
        let mut store = Store::new(Journal::Off);
        let slots: Vec<Slot> = (0..4).map(|n| store.find_or_add(&n.to_string())).collect();
        let at = |hours: i64| Timestamp::clamped(Timestamp::MIN.ms() + hours * HOUR_MS);
        let mut timers = Timers::default();
        timers.set(slots[0], 9, at(5));
        timers.set(slots[1], 1, at(5));
        timers.set(slots[2], 5, at(2));
        timers.set(slots[3], 5, at(3));
        timers.set(slots[2], 5, at(7)); // later: stays queued for hour 2, moves on when it comes
        timers.set(slots[3], 5, at(1)); // earlier
        let fired = |timers: &mut Timers, clock| std::iter::from_fn(|| timers.pop(at(clock))).collect::<Vec<_>>();
        assert_eq!(fired(&mut timers, 4), [slots[3]]);
        assert_eq!(fired(&mut timers, 6), [slots[1], slots[0]]);
        timers.clear(slots[2]);
        assert_eq!(fired(&mut timers, 9), []);
    }
}
