//! The desk of one owner: what is open, and who has a place this week.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::state::OwnerMemory;
use super::{DIGEST_ITEMS_MAX, Digest, Item, Shown, Why};
use crate::units::{Money, Timestamp};

/// Open alerts kept for one owner; of more than that the one with the lowest revenue at risk is left out, and counted.
pub(super) const OPEN_MAX: usize = 5_000;
/// So many alerts may go out for each place: the one that takes it, and one that takes it over.
const SENT_PER_PLACE_MAX: u32 = 2;

/// Where an alert goes.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// Out to its owner.
    Out { why: Why, displaced: Option<String> },
    /// Into the digest.
    Digest,
}

/// The desk of one owner.
#[derive(Clone, Debug, Default)]
pub(super) struct Owner {
    /// Whether something has happened since the last digest.
    pub(super) has_news: bool,
    open: BTreeMap<String, Item>,
    /// Alerts that were left out for want of room since the desk was last empty: they may have been closed by now.
    left_out: u64,
    /// The week that the places are of.
    week: u16,
    /// Who has a place: revenue at risk in minor units, and id.
    places: BTreeSet<(i64, String)>,
    /// How many have gone out this week.
    sent: u32,
}

impl Owner {
    /// Whether the alert gets a place in `week`.
    pub(super) fn compete(&mut self, item: &Item, week: u16, why: Why, budget: u32) -> Verdict {
        self.begin(week);
        if self.sent >= budget.saturating_mul(SENT_PER_PLACE_MAX) {
            return Verdict::Digest;
        }
        let asking = (worth(item), item.alert_id.clone());
        // One that went to another owner and came back has its place still.
        self.places.retain(|(_, id)| *id != asking.1);
        let is_free = self.places.len() < usize::try_from(budget).unwrap_or(usize::MAX);
        let mut displaced = None;
        if !is_free {
            let beats = self.places.first().is_some_and(|lowest| lowest.0 < asking.0);
            if !beats {
                return Verdict::Digest;
            }
            displaced = self.places.pop_first().map(|(_, id)| id);
        }
        if let Some(item) = displaced.as_ref().and_then(|id| self.open.get_mut(id)) {
            item.shown = Shown::Displaced;
        }
        self.places.insert(asking);
        self.sent += 1;
        Verdict::Out { why, displaced }
    }

    /// Frees the places with the first of `week`. A change of an earlier week that comes late takes one of the present week.
    fn begin(&mut self, week: u16) {
        if self.week < week {
            self.week = week;
            self.places.clear();
            self.sent = 0;
        }
    }

    /// Gives the free places of the week that begins at `monday` to the alerts that wait and that nobody has taken up, those
    /// with the highest revenue at risk first: these go out.
    pub(super) fn promote(&mut self, monday: Timestamp, budget: u32) -> Vec<Item> {
        self.begin(monday.day().week());
        let is_left = |item: &&mut Item| {
            let is_snoozed = item.snoozed_until.is_some_and(|until| until > monday);
            item.shown != Shown::Delivered && !item.is_acknowledged && !is_snoozed
        };
        let mut waiting: Vec<&mut Item> = self.open.values_mut().filter(is_left).collect();
        waiting.sort_by(|a, b| by_worth(a, b));
        let free = usize::try_from(budget).unwrap_or(usize::MAX).saturating_sub(self.places.len());
        let promoted = waiting.into_iter().take(free).map(|item| {
            item.shown = Shown::Delivered;
            self.places.insert((worth(item), item.alert_id.clone()));
            self.sent += 1;
            item.clone()
        });
        promoted.collect()
    }

    /// Lays an open alert on the desk. The ids of those for which there is no room any more.
    pub(super) fn keep(&mut self, item: Item) -> Option<String> {
        self.open.insert(item.alert_id.clone(), item);
        if self.open.len() <= OPEN_MAX {
            return None;
        }
        let lowest = self.open.values().min_by_key(|item| (worth(item), &item.alert_id))?.alert_id.clone();
        self.open.remove(&lowest);
        self.left_out += 1;
        Some(lowest)
    }

    /// Takes an alert off the desk.
    pub(super) fn take(&mut self, alert_id: &str) -> Option<Item> {
        let item = self.open.remove(alert_id);
        if self.open.is_empty() {
            self.left_out = 0;
        }
        item
    }

    /// The open alert of this id.
    pub(super) fn item(&self, alert_id: &str) -> Option<&Item> {
        self.open.get(alert_id)
    }

    /// What is to be remembered beside the open alerts.
    pub(super) fn memory(&self) -> OwnerMemory {
        OwnerMemory {
            has_news: self.has_news,
            left_out: self.left_out,
            week: self.week,
            places: self.places.iter().cloned().collect(),
            sent: self.sent,
        }
    }

    /// Puts back an open alert.
    pub(super) fn restore_item(&mut self, item: Item) {
        self.open.insert(item.alert_id.clone(), item);
    }

    /// Takes an alert back that was put back.
    pub(super) fn forget_item(&mut self, alert_id: &str) {
        self.open.remove(alert_id);
    }

    /// Puts back what was remembered.
    pub(super) fn restore(&mut self, memory: OwnerMemory) {
        let OwnerMemory { has_news, left_out, week, places, sent } = memory;
        let places = places.into_iter().collect();
        *self = Owner { has_news, left_out, week, places, sent, open: std::mem::take(&mut self.open) };
    }

    /// Whether nothing is open.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether there is nothing left to remember about the owner.
    pub(super) fn is_idle(&self, now: Timestamp) -> bool {
        self.open.is_empty() && !self.has_news && self.week != now.day().week()
    }

    /// What is open, by revenue at risk.
    pub(super) fn digest(&self, name: &str, at: Timestamp, is_catch_up: bool) -> Digest {
        let mut items: Vec<&Item> = self.open.values().collect();
        items.sort_by(|a, b| by_worth(a, b));
        let mut revenues: BTreeMap<&str, Money> = BTreeMap::new();
        for item in &items {
            if let Some(money) = item.revenue_at_risk {
                revenues.entry(&item.account_id).or_insert(money);
            }
        }
        let revenue_at_risk = revenues
            .values()
            .copied()
            .reduce(|sum, money| Money { minor: sum.minor.saturating_add(money.minor), ..sum });
        let beyond = u64::try_from(items.len().saturating_sub(DIGEST_ITEMS_MAX)).unwrap_or(u64::MAX);
        Digest {
            owner: name.to_owned(),
            at,
            is_catch_up,
            items: items.into_iter().take(DIGEST_ITEMS_MAX).cloned().collect(),
            more: beyond.saturating_add(self.left_out),
            revenue_at_risk,
        }
    }
}

/// The highest revenue at risk first.
fn by_worth(a: &Item, b: &Item) -> Ordering {
    worth(b).cmp(&worth(a)).then_with(|| a.alert_id.cmp(&b.alert_id))
}

/// What an alert is ranked by: revenue at risk in minor units, 0 where it is not known.
fn worth(item: &Item) -> i64 {
    item.revenue_at_risk.map_or(0, |money| money.minor)
}
