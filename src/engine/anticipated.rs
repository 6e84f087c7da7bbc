//! The events that will be stepped next: their accounts are found and brought close together.
//!
//! Changes nothing but the time that the steps take.

use super::Engine;
use super::input::Input;
use super::store::{ANTICIPATED_MAX, Slot, Store};

/// Where the accounts of the next events were found; those of accounts that were not there yet are absent.
#[derive(Debug)]
pub(super) struct Anticipated {
    slots: [Option<Slot>; ANTICIPATED_MAX],
    /// How many of these events have come.
    come: usize,
}

impl Default for Anticipated {
    fn default() -> Anticipated {
        Anticipated { slots: [None; ANTICIPATED_MAX], come: 0 }
    }
}

impl Anticipated {
    /// Where the account called `id` was found, if it is the one of the next event.
    pub(super) fn next(&mut self, store: &Store, id: &str) -> Option<Slot> {
        let slot = self.slots.get(self.come).copied().flatten();
        self.come += 1;
        slot.filter(|slot| store.get(*slot).is_some_and(|account| account.id == id))
    }
}

impl Engine {
    /// Brings the accounts of records that will be stepped next close, at most [`ANTICIPATED_MAX`] of them.
    ///
    /// With many accounts, steps then wait less for memory.
    pub fn anticipate<'a>(&mut self, records: impl Iterator<Item = &'a Input<'a>>) {
        let ids = records.filter_map(|input| match input {
            Input::Event(event) => Some(&*event.account_id),
            Input::Progress(_) | Input::Fleet(_) => None,
        });
        let slots = self.store.find_all(ids);
        let found = slots.iter().copied().flatten();
        self.timers.bring_close(found.clone());
        self.store.bring_close(found);
        self.anticipated = Anticipated { slots, come: 0 };
    }
}
