//! The desk: which alerts an owner is given one by one, and which wait in the owner's daily digest.
//!
//! An owner's accounts lie in many partitions, so this is no engine's business: the desk takes the changes of all alerts
//! in about the order of time and keeps, for each owner, what is open. It is pure; whoever feeds it says what the present
//! is and writes down what goes out. Here is no delivery to any channel.
//!
//! A week has as many places for an owner as the budget says. A new alert takes a free one and goes out at once; when none
//! is free it takes that of the alert with the lowest revenue at risk, if its own is higher, and the other goes back to
//! the digest. When twice the budget has gone out in a week, no more does until the next, however much is at risk: what
//! came early took the places, since nobody knew what was to come. With a new week all places are free again: they go to
//! what waits, the highest revenue at risk first, but for what somebody has acknowledged or snoozed. Within the week an
//! alert in the digest tries again when it escalates or wakes. Every further change of an alert that has gone out goes out
//! too.
//!
//! What is old when it becomes known does not go out: once nothing old has come for [`QUIET`], each owner gets one digest
//! of what is open. Invariant: what goes out depends on the changes, the order they are taken in and when each became
//! known, and on nothing else; whoever keeps the desk outside of memory is told what has changed ([`Desk::take_touched`]).

pub mod notice;
mod owner;
pub mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::engine::effect::{Severity, Transition};
use crate::units::{Day, Money, Span, Timestamp};
use notice::Notice;
use owner::{Owner, Verdict};
use state::Touched;

/// Owners with a desk of their own; alerts of further ones are kept for [`OTHER_OWNER`].
pub const OWNERS_MAX: usize = 10_000;
/// Stands for the owners beyond [`OWNERS_MAX`].
pub const OTHER_OWNER: &str = "(others)";
/// Alerts that a digest lists; of the rest it says how many.
pub const DIGEST_ITEMS_MAX: usize = 50;
/// History is over when nothing that is too old to go out has become known for so long.
pub const QUIET: Span = Span::from_seconds(600);
/// A day's digests go out so long after its end where no change of the next day has come before.
pub const DAY_CLOSED_AFTER: Span = Span::from_seconds(900);

/// What the desk goes by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// New alerts that one owner is given in a week, from Monday, UTC.
    pub budget_per_owner_week: u32,
    /// A change that is older than this when it becomes known does not go out.
    pub deliver_max_age: Span,
}

/// What goes out.
#[derive(Clone, Debug, PartialEq)]
pub enum Outgoing {
    /// One change of one alert.
    Delivered(Box<Delivery>),
    /// What is open for an owner.
    Digest(Box<Digest>),
}

/// A change of an alert that goes out to its owner.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// To whom.
    pub owner: String,
    /// Who else is to know, where nobody acknowledged it in time.
    pub also_to: Option<String>,
    /// When the change happened, or a new week had a place for it.
    pub at: Timestamp,
    /// Why it goes out.
    pub why: Why,
    /// What happened; absent where a new week had a place for it.
    pub transition: Option<Transition>,
    /// The alert as it is since.
    pub item: Item,
    /// The alert that lost its place to this one, and is in the digest from now on.
    pub displaced: Option<String>,
}

/// Why a change goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was raised, and has a place.
    New,
    /// It was in the digest, got worse or woke or came into a new week, and has a place now.
    Promoted,
    /// An earlier change of it has gone out.
    FollowUp,
}

/// What an owner has been shown of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// It waits in the digest.
    Waiting,
    /// It has gone out.
    Delivered,
    /// It has gone out, and then lost its place to another.
    Displaced,
}

/// What is open for an owner, by revenue at risk.
#[derive(Clone, Debug, PartialEq)]
pub struct Digest {
    /// For whom.
    pub owner: String,
    /// When it was put together.
    pub at: Timestamp,
    /// Whether it is the first after a time for which nothing went out.
    pub is_catch_up: bool,
    /// The alerts, the highest revenue at risk first, at most [`DIGEST_ITEMS_MAX`].
    pub items: Vec<Item>,
    /// How many more there are. Of thousands, this counts some that have been closed since.
    pub more: u64,
    /// Revenue at risk of the accounts of all of them, each account once, as far as it is known.
    pub revenue_at_risk: Option<Money>,
}

/// An alert in short.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Its id.
    pub alert_id: String,
    /// Its type.
    pub alert_type: String,
    /// What alerts of its type are called.
    pub title: String,
    /// Its account.
    pub account_id: String,
    /// The account's name, where known.
    pub name: Option<String>,
    /// How loud it is.
    pub severity: Severity,
    /// When it was raised.
    pub raised_at: Timestamp,
    /// Revenue at risk, where known.
    pub revenue_at_risk: Option<Money>,
    /// Whether somebody has acknowledged it.
    pub is_acknowledged: bool,
    /// Until when it is snoozed, where it is.
    pub snoozed_until: Option<Timestamp>,
    /// What its owner has been shown of it.
    pub shown: Shown,
    /// Where a person finds it.
    pub link: Option<String>,
}

/// The desks of all owners.
#[derive(Clone, Debug)]
pub struct Desk {
    settings: Settings,
    owners: BTreeMap<String, Owner>,
    /// Whose each open alert is.
    owner_of: BTreeMap<String, String>,
    /// The day for which digests are being gathered.
    day: Option<Day>,
    /// When the latest change that did not go out for its age became known, if one has since the last catching up.
    old_until: Option<Timestamp>,
    /// What has changed since it was last asked for; absent where nobody asks.
    touched: Option<Touched>,
}

impl Desk {
    /// Empty desks.
    #[must_use]
    pub fn new(settings: Settings) -> Desk {
        Desk { settings, owners: BTreeMap::new(), owner_of: BTreeMap::new(), day: None, old_until: None, touched: None }
    }

    /// Takes in a change that became known at `present`, and appends what goes out.
    pub fn change(&mut self, notice: Notice, present: Timestamp, out: &mut Vec<Outgoing>) {
        self.catch_up(present, out);
        let at = notice.at;
        let is_old = present.since(at) > self.settings.deliver_max_age;
        if is_old {
            self.old_until = Some(self.old_until.map_or(present, |until| until.max(present)));
        } else {
            self.advance(at, out);
        }
        let name = self.desk_of(&notice.owner);
        let before = self.take_away(&notice, &name);
        let Some(owner) = self.owners.get_mut(&name) else { return };
        owner.has_news |= !is_old;
        let mut item = Item { shown: before, ..notice.item };
        let asks = match notice.transition {
            Transition::Raised => Some(Why::New),
            Transition::Escalated | Transition::Woken => Some(Why::Promoted),
            _ => None,
        };
        let verdict = match (before, asks) {
            _ if is_old => Verdict::Digest,
            (Shown::Delivered, _) => Verdict::Out { why: Why::FollowUp, displaced: None },
            // Whoever was told of it is told of its end.
            (Shown::Displaced, _) if !notice.is_open => Verdict::Out { why: Why::FollowUp, displaced: None },
            (_, Some(why)) if notice.is_open => {
                owner.compete(&item, at.day().week(), why, self.settings.budget_per_owner_week)
            }
            _ => Verdict::Digest,
        };
        if let Verdict::Out { why, displaced } = verdict {
            item.shown = Shown::Delivered;
            if let (Some(touched), Some(displaced)) = (&mut self.touched, &displaced) {
                touched.alert(displaced);
            }
            let delivery = Delivery {
                owner: notice.owner,
                also_to: notice.escalate_to,
                at,
                why,
                transition: Some(notice.transition),
                item: item.clone(),
                displaced,
            };
            out.push(Outgoing::Delivered(Box::new(delivery)));
        }
        if let Some(touched) = &mut self.touched {
            touched.alert(&item.alert_id);
            touched.owner(&name);
        }
        if notice.is_open {
            self.owner_of.insert(item.alert_id.clone(), name);
            if let Some(left_out) = owner.keep(item) {
                self.owner_of.remove(&left_out);
                if let Some(touched) = &mut self.touched {
                    touched.alert(&left_out);
                }
            }
        }
    }

    /// Nothing has become known up to `present`: what waits for that goes out. History is caught up with, and the digests
    /// of yesterday are not kept waiting for a change of today.
    pub fn tick(&mut self, present: Timestamp, out: &mut Vec<Outgoing>) {
        self.catch_up(present, out);
        let today = present.day();
        let is_yesterday = self.day.is_some_and(|day| day.number().saturating_add(1) == today.number());
        if is_yesterday && present.since(today.start()) >= DAY_CLOSED_AFTER {
            self.advance(present, out);
        }
    }

    /// The end, on the day of `now`: with that its last day is over. What is open goes out, to the owners for whom something
    /// has happened since their last digest.
    pub fn finish(&mut self, now: Timestamp, out: &mut Vec<Outgoing>) {
        self.advance(now, out);
        let at = end(now.day());
        if self.old_until.take().is_some() {
            self.digests(at, true, out);
        }
        self.digests(at, false, out);
    }

    /// Moves on to `now`: when a day has ended, the digests of that day go out; when a week has, what waits gets its places.
    fn advance(&mut self, now: Timestamp, out: &mut Vec<Outgoing>) {
        let day = *self.day.get_or_insert(now.day());
        if day < now.day() {
            self.day = Some(now.day());
            self.digests(end(day), false, out);
            // Each by itself: what goes out is the same whether the desk ticked in each or in none.
            for week in day.week() + 1..=now.day().week() {
                self.promote(Day::monday(week).start(), out);
            }
        }
    }

    /// Gives the places of the week that begins at `monday` to what waits.
    fn promote(&mut self, monday: Timestamp, out: &mut Vec<Outgoing>) {
        for (name, owner) in &mut self.owners {
            for item in owner.promote(monday, self.settings.budget_per_owner_week) {
                if let Some(touched) = &mut self.touched {
                    touched.alert(&item.alert_id);
                    touched.owner(name);
                }
                let (owner, also_to) = (name.clone(), None);
                let (why, transition, displaced) = (Why::Promoted, None, None);
                let delivery = Delivery { owner, also_to, at: monday, why, transition, item, displaced };
                out.push(Outgoing::Delivered(Box::new(delivery)));
            }
        }
    }

    /// After a time for which nothing went out: one digest an owner of what is open now.
    fn catch_up(&mut self, present: Timestamp, out: &mut Vec<Outgoing>) {
        if let Some(over) = self.old_until.map(|until| until.plus(QUIET))
            && over <= present
        {
            self.old_until = None;
            self.digests(over, true, out);
        }
    }

    fn digests(&mut self, at: Timestamp, is_catch_up: bool, out: &mut Vec<Outgoing>) {
        for (name, owner) in &mut self.owners {
            let is_due = if is_catch_up { !owner.is_empty() } else { owner.has_news };
            if is_due {
                owner.has_news = false;
                if let Some(touched) = &mut self.touched {
                    touched.owner(name);
                }
                out.push(Outgoing::Digest(Box::new(owner.digest(name, at, is_catch_up))));
            }
        }
        let touched = &mut self.touched;
        self.owners.retain(|name, owner| {
            let is_idle = owner.is_idle(at);
            if let Some(touched) = touched.as_mut().filter(|_| is_idle) {
                touched.owner(name);
            }
            !is_idle
        });
    }

    /// Under which name an owner's alerts are kept.
    fn desk_of(&mut self, owner: &str) -> String {
        let name = if self.owners.contains_key(owner) || self.owners.len() < OWNERS_MAX { owner } else { OTHER_OWNER };
        self.owners.entry(name.to_owned()).or_default();
        name.to_owned()
    }

    /// Takes the alert off the desk it lies on, which may be that of another owner. What `name` has been shown of it.
    fn take_away(&mut self, notice: &Notice, name: &str) -> Shown {
        let id = &notice.item.alert_id;
        let Some(before) = self.owner_of.remove(id) else { return Shown::Waiting };
        let owner = self.owners.get_mut(&before);
        let Some((owner, item)) = owner.and_then(|owner| owner.take(id).map(|item| (owner, item))) else {
            return Shown::Waiting;
        };
        if before == name {
            return item.shown;
        }
        owner.has_news = true;
        if let Some(touched) = &mut self.touched {
            touched.owner(&before);
        }
        Shown::Waiting
    }
}

/// When a day is over, and its digests go out.
fn end(day: Day) -> Timestamp {
    Day::new(day.number().saturating_add(1)).start()
}
