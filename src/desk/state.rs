//! A desk that outlives the process: what has changed, in parts that are written one by one, and how they are put back.
//!
//! The parts are each open alert, each owner, and the desk's own memory. Invariant: a desk put back from the latest of
//! every part goes on as the one they were taken from.

use std::collections::BTreeSet;

use super::{Desk, Item, Settings};
use crate::desk::owner::Owner;
use crate::units::{Day, Timestamp};

/// What has changed: the ids of alerts and the names of owners, among them such as are no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Ids of alerts.
    pub alerts: BTreeSet<String>,
    /// Names of owners.
    pub owners: BTreeSet<String>,
}

impl Touched {
    pub(super) fn alert(&mut self, id: &str) {
        if !self.alerts.contains(id) {
            self.alerts.insert(id.to_owned());
        }
    }

    pub(super) fn owner(&mut self, name: &str) {
        if !self.owners.contains(name) {
            self.owners.insert(name.to_owned());
        }
    }
}

/// What is remembered of an owner beside the open alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnerMemory {
    /// Whether something has happened since the last digest.
    pub has_news: bool,
    /// Alerts that were left out for want of room since the desk was last empty.
    pub left_out: u64,
    /// The week that the places are of.
    pub week: u16,
    /// Who has a place: revenue at risk in minor units, and id.
    pub places: Vec<(i64, String)>,
    /// How many have gone out this week.
    pub sent: u32,
}

/// What a desk remembers beside owners and alerts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The day for which digests are being gathered.
    pub day: Option<Day>,
    /// When the latest change that did not go out for its age became known, if one has since the last catching up.
    pub old_until: Option<Timestamp>,
}

impl Desk {
    /// Empty desks that note what changes.
    #[must_use]
    pub fn kept(settings: Settings) -> Desk {
        Desk { touched: Some(Touched::default()), ..Desk::new(settings) }
    }

    /// What has changed since the last time, or since the beginning.
    pub fn take_touched(&mut self) -> Touched {
        self.touched.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The alert of this id and under whose name it is kept, if it is open.
    #[must_use]
    pub fn alert(&self, id: &str) -> Option<(&str, &Item)> {
        let owner = self.owner_of.get(id)?;
        Some((owner, self.owners.get(owner)?.item(id)?))
    }

    /// How many alerts are open.
    #[must_use]
    pub fn alerts_len(&self) -> usize {
        self.owner_of.len()
    }

    /// What is remembered of an owner, if anything is.
    #[must_use]
    pub fn owner(&self, name: &str) -> Option<OwnerMemory> {
        self.owners.get(name).map(Owner::memory)
    }

    /// What it remembers beside owners and alerts.
    #[must_use]
    pub fn memory(&self) -> Memory {
        Memory { day: self.day, old_until: self.old_until }
    }

    /// Puts back an open alert that was kept under `owner`.
    pub fn restore_alert(&mut self, owner: &str, item: Item) {
        self.owner_of.insert(item.alert_id.clone(), owner.to_owned());
        self.owners.entry(owner.to_owned()).or_default().restore_item(item);
    }

    /// Takes back an alert that was put back: a later part says otherwise.
    pub fn forget_alert(&mut self, id: &str) {
        if let Some(owner) = self.owner_of.remove(id).and_then(|owner| self.owners.get_mut(&owner)) {
            owner.forget_item(id);
        }
    }

    /// Takes back an owner that was put back.
    pub fn forget_owner(&mut self, name: &str) {
        self.owners.remove(name);
    }

    /// Puts back what was remembered of an owner.
    pub fn restore_owner(&mut self, name: &str, memory: OwnerMemory) {
        self.owners.entry(name.to_owned()).or_default().restore(memory);
    }

    /// Puts back what it remembered beside owners and alerts.
    pub fn restore_memory(&mut self, memory: Memory) {
        self.day = memory.day;
        self.old_until = memory.old_until;
    }
}
