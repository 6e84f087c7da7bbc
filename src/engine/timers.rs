//! When which account is to be judged again if nothing happens.
//!
//! Derived from the accounts, never stored: one valid entry an account. Moving a due time later costs nothing: the old
//! entry is looked at again when it comes up and put back.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::store::Slot;
use crate::units::Timestamp;

/// The timers of a partition.
#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Timestamp, u64, Slot)>>,
    /// The entry that stands for each slot; others in the heap are stale.
    queued: Vec<Option<Timestamp>>,
}

impl Timers {
    /// Sees to it that the account in `slot` comes up at `due` or earlier. `tie` orders accounts due at the same time.
    pub fn set(&mut self, slot: Slot, tie: u64, due: Timestamp) {
        let index = slot.index();
        if index >= self.queued.len() {
            self.queued.resize(index + 1, None);
        }
        if let Some(queued) = self.queued.get_mut(index)
            && queued.is_none_or(|at| due < at)
        {
            *queued = Some(due);
            self.heap.push(Reverse((due, tie, slot)));
        }
    }

    /// Takes out the next entry due at `clock`, in order of time and tie, with its time. The account's own due time
    /// decides whether it is judged or, where that is later, put back to keep its place among the others.
    pub fn pop(&mut self, clock: Timestamp) -> Option<(Timestamp, Slot)> {
        while let Some(Reverse((due, _, slot))) = self.heap.peek().copied() {
            if due > clock {
                return None;
            }
            self.heap.pop();
            if let Some(queued) = self.queued.get_mut(slot.index())
                && *queued == Some(due)
            {
                *queued = None;
                return Some((due, slot));
            }
        }
        None
    }

    /// Forgets slots from `len` on, which have ceased to exist.
    pub fn truncate(&mut self, len: usize) {
        self.queued.truncate(len);
    }
}
