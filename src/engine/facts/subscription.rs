//! Where one subscription stands, and what a change makes of it.
//!
//! Not here: what the account pays for all of them, and how that moves ([`super::billing`]).

use compact_str::CompactString;

use super::billing::{Change, Ledger};
use crate::engine::event::{Interval, SubscriptionChange};
use crate::units::{Currency, Money, Offset, Timestamp};

/// Where one subscription stands.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Subscription {
    /// Hash of its id.
    pub id: u64,
    /// Its MRR when it is not paused or canceled.
    pub full_minor: i64,
    /// Its MRR now.
    pub mrr_minor: i64,
    /// The same in the currency it is paid in; absent where that is the reporting currency.
    pub foreign: Option<Box<Foreign>>,
    /// Whether it has ended.
    pub ended: bool,
    /// Its plan.
    pub plan: Option<CompactString>,
    /// Its seats.
    pub seats: Option<u32>,
    /// End of its term; while its end is scheduled, when that comes.
    pub term_ends_at: Option<Timestamp>,
    /// When its renewal is due: the end of its term as anything but its end told it.
    pub renewal_due_at: Option<Timestamp>,
    /// How often it is billed.
    pub interval: Option<Interval>,
    /// The record that scheduled its end, while that stands.
    pub cancel_scheduled: Option<Box<Offset>>,
    /// The record that paused it, while it is paused.
    pub paused: Option<Box<Offset>>,
}

/// What a subscription pays in a currency that is not the reporting one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// The currency.
    pub currency: Currency,
    /// [`Subscription::full_minor`] in its minor units.
    pub full_minor: i64,
    /// [`Subscription::mrr_minor`], likewise.
    pub mrr_minor: i64,
}

impl Ledger {
    /// The next end of a running term after `now`.
    #[must_use]
    pub fn renewal_after(&self, now: Timestamp) -> Option<Timestamp> {
        let running = self.subscriptions.iter().filter(|known| !known.ended);
        running.filter_map(|known| known.term_ends_at).filter(|ends| *ends > now).min()
    }
}

impl Subscription {
    /// Whether it is bound for longer than a month at a time, so that its renewal is a decision.
    #[must_use]
    pub fn is_long(&self) -> bool {
        matches!(self.interval, Some(Interval::Quarter | Interval::Year))
    }

    /// Brings it to where it stands after `change`.
    pub(super) fn apply(&mut self, change: &Change) {
        let is_ending = matches!(change.kind, SubscriptionChange::CancelScheduled | SubscriptionChange::Canceled);
        // An MRR of 0 told with a pause or an end tells what is paid from then on, not the price.
        let is_price = |mrr: &i64| *mrr > 0 || !(is_ending || change.kind == SubscriptionChange::Paused);
        if let Some(mrr) = change.mrr_minor.filter(is_price) {
            self.full_minor = mrr;
            self.tell(change.told.as_deref().copied());
        }
        if change.plan.is_some() {
            self.plan.clone_from(&change.plan);
        }
        self.seats = change.seats.or(self.seats);
        // A term that ends before it begins is none; an end that is scheduled may have come already.
        let ends_at = change.term_ends_at.filter(|ends| is_ending || *ends > change.stamp.time);
        self.term_ends_at = ends_at.or(self.term_ends_at);
        if !is_ending {
            self.renewal_due_at = ends_at.or(self.renewal_due_at);
        }
        self.interval = change.interval.or(self.interval);
        match change.kind {
            SubscriptionChange::Started | SubscriptionChange::Resumed | SubscriptionChange::Renewed => {
                self.ended = false;
                self.cancel_scheduled = None;
                self.term_ends_at = self.renewal_due_at;
                self.paused = None;
                self.pay_in_full();
            }
            // What is paused stays so, unless it is told what is paid now.
            SubscriptionChange::Changed => {
                if !self.ended && (self.paused.is_none() || change.mrr_minor.is_some()) {
                    self.pay_in_full();
                    self.paused = None;
                }
            }
            SubscriptionChange::Paused => {
                self.pay_nothing();
                self.paused = Some(Box::new(change.offset));
            }
            SubscriptionChange::CancelScheduled => {
                self.cancel_scheduled = Some(Box::new(change.offset));
                if !self.ended && self.paused.is_none() {
                    self.pay_in_full();
                }
            }
            SubscriptionChange::Canceled => {
                self.ended = true;
                self.pay_nothing();
            }
        }
    }

    /// Notes a new full MRR as it was told, where that was not in the reporting currency. What it pays now follows.
    fn tell(&mut self, told: Option<Money>) {
        let pays = |known: &Foreign, money: &Money| if known.currency == money.currency { known.mrr_minor } else { 0 };
        self.foreign = told.map(|money| {
            let mrr_minor = self.foreign.as_ref().map_or(0, |known| pays(known, &money));
            Box::new(Foreign { currency: money.currency, full_minor: money.minor, mrr_minor })
        });
    }

    fn pay_in_full(&mut self) {
        self.mrr_minor = self.full_minor;
        if let Some(foreign) = &mut self.foreign {
            foreign.mrr_minor = foreign.full_minor;
        }
    }

    fn pay_nothing(&mut self) {
        self.mrr_minor = 0;
        if let Some(foreign) = &mut self.foreign {
            foreign.mrr_minor = 0;
        }
    }

    /// What it pays a month now, in the currency it is paid in.
    #[must_use]
    pub fn pays(&self, reporting: Currency) -> Money {
        let own = || Money { minor: self.mrr_minor, currency: reporting };
        self.foreign.as_ref().map_or_else(own, |known| Money { minor: known.mrr_minor, currency: known.currency })
    }

    /// What it pays a month when it is not paused or canceled, likewise.
    #[must_use]
    pub fn full(&self, reporting: Currency) -> Money {
        let own = || Money { minor: self.full_minor, currency: reporting };
        self.foreign.as_ref().map_or_else(own, |known| Money { minor: known.full_minor, currency: known.currency })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_is_one_to_come_of_what_runs() {
        let at = |day: i64| Timestamp::clamped(1_700_000_000_000 + day * crate::units::DAY_MS);
        let ending = |day, ended| Subscription { term_ends_at: Some(at(day)), ended, ..Subscription::default() };
        let ledger = Ledger {
            subscriptions: [ending(10, false), ending(40, false), ending(30, true)].into_iter().collect(),
            ..Ledger::default()
        };
        let renewals = [5, 10, 39, 40].map(|now| ledger.renewal_after(at(now)));
        assert_eq!(renewals, [Some(at(10)), Some(at(40)), Some(at(40)), None]);
    }
}
