//! When which account is to be judged again if nothing happens.
//!
//! Derived from the accounts, never stored. Due times are whole hours; accounts wait in one list an hour. Moving a due
//! time later costs nothing: the account stays in its list, is looked at when the hour comes, without touching the
//! account, and moves on to the list of its due time.

use std::collections::BTreeMap;

use super::close;
use super::store::Slot;
use crate::units::{HOUR_MS, Timestamp, stable_hash};

/// The timers of a partition.
#[derive(Debug, Default)]
pub struct Timers {
    /// Who waits for which hour; entries of accounts that are queued for another hour are stale.
    hours: BTreeMap<u32, Vec<Waiting>>,
    /// The timer of each slot.
    slots: Vec<Timer>,
    /// Emptied lists, kept since the next hours need as much room.
    spare: Vec<Vec<Waiting>>,
}

/// The timer of one account.
#[derive(Clone, Copy, Debug)]
struct Timer {
    /// The hour it is due; [`NEVER`] for none.
    due: u32,
    /// The hour it is queued for; [`NEVER`] for none.
    queued: u32,
}

/// An account in a list: half the hash of its id, by which those of the same hour are ordered, and where it is kept.
type Waiting = (u32, Slot);

/// No hour.
const NEVER: u32 = u32::MAX;
/// Emptied lists kept.
const SPARE_MAX: usize = 64;

/// `time` as a whole hour: the first that is not before it.
#[must_use]
pub fn round_up(time: Timestamp) -> Timestamp {
    Timestamp::clamped(time.ms().saturating_add(HOUR_MS - 1) / HOUR_MS * HOUR_MS)
}

fn hour(time: Timestamp) -> u32 {
    u32::try_from(time.ms() / HOUR_MS).unwrap_or(NEVER)
}

impl Timers {
    /// Makes the account of `id` in `slot` due at `due`, a whole hour; accounts due at the same time come up in the order
    /// of the hashes of their ids.
    #[allow(clippy::cast_possible_truncation)] // a half of a good hash
    pub fn set(&mut self, slot: Slot, id: &str, due: Timestamp) {
        if slot.index() >= self.slots.len() {
            self.slots.resize(slot.index() + 1, Timer { due: NEVER, queued: NEVER });
        }
        let due = hour(due);
        let Some(timer) = self.slots.get_mut(slot.index()) else { return };
        timer.due = due;
        // Where it waits already, it is found in time and moved on.
        if due < timer.queued {
            timer.queued = due;
            self.queue(due, (stable_hash(id.as_bytes()) as u32, slot));
        }
    }

    fn queue(&mut self, hour: u32, waiting: Waiting) {
        self.hours.entry(hour).or_insert_with(|| self.spare.pop().unwrap_or_default()).push(waiting);
    }

    /// The account in `slot` is not due any more.
    pub fn clear(&mut self, slot: Slot) {
        if let Some(timer) = self.slots.get_mut(slot.index()) {
            timer.due = NEVER;
        }
    }

    /// Takes out the accounts due in the earliest hour that is not after `clock`, in their order; they may be none.
    /// `None` when nobody waits until then.
    pub fn pop(&mut self, clock: Timestamp) -> Option<Vec<Waiting>> {
        let next = self.hours.first_entry().filter(|entry| *entry.key() <= hour(clock))?;
        let (now, mut waiting) = next.remove_entry();
        // The whole list before any account is judged: these reads do not wait for one another.
        let mut later = self.spare.pop().unwrap_or_default();
        waiting.retain(|(tie, slot)| {
            let Some(timer) = self.slots.get_mut(slot.index()).filter(|timer| timer.queued == now) else {
                return false;
            };
            timer.queued = NEVER;
            if timer.due > now && timer.due != NEVER {
                timer.queued = timer.due;
                later.push((*tie, *slot));
            }
            timer.due <= now
        });
        for (tie, slot) in later.drain(..) {
            if let Some(timer) = self.slots.get(slot.index()) {
                self.queue(timer.due, (tie, slot));
            }
        }
        self.give_back(later);
        waiting.sort_unstable();
        Some(waiting)
    }

    /// Takes back a list that [`Timers::pop`] handed out.
    pub fn give_back(&mut self, mut list: Vec<Waiting>) {
        if self.spare.len() < SPARE_MAX {
            list.clear();
            self.spare.push(list);
        }
    }

    /// Brings the timers of `slots` close.
    pub fn bring_close(&self, slots: impl Iterator<Item = Slot>) {
        slots.for_each(|slot| close::at(&self.slots, slot.index()));
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
        // In the order of the hashes of these ids.
        let at = |hours: i64| Timestamp::clamped(Timestamp::MIN.ms() + hours * HOUR_MS);
        let mut timers = Timers::default();
        timers.set(slots[0], "0", at(5));
        timers.set(slots[1], "1", at(5));
        timers.set(slots[2], "2", at(2));
        timers.set(slots[3], "3", at(3));
        timers.set(slots[2], "2", at(7)); // later: stays queued for hour 2, moves on when it comes
        timers.set(slots[3], "3", at(1)); // earlier
        let fired = |timers: &mut Timers, clock| {
            let hours = std::iter::from_fn(|| timers.pop(at(clock)));
            hours.flatten().map(|(_, slot)| slot).collect::<Vec<_>>()
        };
        assert_eq!(fired(&mut timers, 4), [slots[3]]);
        assert_eq!(fired(&mut timers, 6), [slots[1], slots[0]]);
        timers.clear(slots[2]);
        assert_eq!(fired(&mut timers, 9), []);
    }
}
