//! What an account pays: its subscriptions' timeline, the MRR movements that follow from it, and its payments.
//!
//! The timeline is sorted by event time, so a late or disordered event lands at its place and the movements are derived
//! anew. Of a long timeline the oldest changes are folded into a starting point that no later event corrects.

use compact_str::CompactString;

use super::book::{Book, Bookkeeper};
use super::{Stamp, onboarding::keep_earliest, profile::clip};
use crate::engine::event::{Interval, SubscriptionChange, Terms};
use crate::engine::rates::Valuation;
use crate::engine::totals::Movement;
use crate::units::{Currency, Money, Offset, Span, Timestamp};

/// Subscription changes kept one by one.
pub const CHANGES_MAX: usize = 24;
/// Subscriptions of one account that are told apart; changes of further ones are left out.
pub const SUBSCRIPTIONS_MAX: usize = 8;
/// Failed payments kept.
pub const FAILURES_MAX: usize = 8;
/// Falls of MRR or seats that follow each other within this time are one.
const FALLS_WITHIN: Span = Span::from_days(60);

/// What an account pays.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Billing {
    /// What the changes folded so far led to.
    pub folded: Option<Box<Folded>>,
    /// The changes since, oldest first, at most [`CHANGES_MAX`].
    pub changes: Vec<Change>,
    /// What they lead to; derived.
    pub ledger: Ledger,
    /// The earliest change of a subscription that was ever told.
    pub first_at: Option<Timestamp>,
    /// The latest successful payment.
    pub paid_at: Option<Timestamp>,
    /// The latest failed payments, oldest first, at most [`FAILURES_MAX`].
    pub failures: Vec<Failure>,
}

/// What the changes folded so far led to.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Folded {
    /// Where the subscriptions stood.
    pub ledger: Ledger,
    /// The stamp of the latest: earlier changes come too late.
    pub until: Stamp,
    /// How the account's MRR had moved, by month.
    pub book: Book,
}

/// One change of one subscription, in the reporting currency.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// When it was reported to happen.
    pub stamp: Stamp,
    /// Hash of the subscription's id.
    pub subscription: u64,
    /// What happened.
    pub kind: SubscriptionChange,
    /// Its MRR from then on, in minor units, at the latest rate known when it came; absent: unchanged.
    pub mrr_minor: Option<i64>,
    /// The same as it was told; absent where that was in the reporting currency, or nothing was told.
    pub told: Option<Box<Money>>,
    /// Its plan; absent: unchanged.
    pub plan: Option<CompactString>,
    /// Its seats; absent: unchanged.
    pub seats: Option<u32>,
    /// End of its term; absent: unchanged. Of a scheduled cancellation: when it takes effect.
    pub term_ends_at: Option<Timestamp>,
    /// How often it is billed; absent: unchanged.
    pub interval: Option<Interval>,
    /// The record that told it.
    pub offset: Offset,
}

/// A failed payment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Failure {
    /// When.
    pub stamp: Stamp,
    /// The attempt, from 1; 0 where not told.
    pub attempt: u32,
    /// The amount in minor units of the currency it was to be paid in.
    pub amount_minor: i64,
    /// The record that told it.
    pub offset: Offset,
}

/// Where the subscriptions stand and how the account's MRR has moved.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Ledger {
    /// The subscriptions by order of appearance, at most [`SUBSCRIPTIONS_MAX`].
    pub subscriptions: Vec<Subscription>,
    /// The account's MRR in minor units of the reporting currency.
    pub mrr_minor: i64,
    /// Amounts moved, by [`Movement`].
    pub moved_minor: [i64; 5],
    /// Number of movements, likewise.
    pub moved: [u32; 5],
    /// When the account last fell to nothing, while it is there.
    pub churned_at: Option<Timestamp>,
    /// When its MRR last rose.
    pub expanded_at: Option<Timestamp>,
    /// Its latest fall in MRR that left something, until it is made good.
    pub contraction: Option<Fall>,
    /// Its latest loss of seats that left some, until it is made good.
    pub seat_loss: Option<Fall>,
}

/// How something an account pays for became less; falls that follow each other closely are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fall {
    /// When it last fell.
    pub at: Timestamp,
    /// How much it was before the first of them.
    pub before: i64,
    /// How much it is now.
    pub after: i64,
    /// The record that told the last of them.
    pub offset: Offset,
}

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
    /// End of its term.
    pub term_ends_at: Option<Timestamp>,
    /// How often it is billed.
    pub interval: Option<Interval>,
    /// The record that scheduled its end, while that stands.
    pub cancel_scheduled: Option<Offset>,
    /// The record that paused it, while it is paused.
    pub paused: Option<Offset>,
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

/// What taking in a change led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Booked {
    /// It stands in the timeline.
    Yes,
    /// It lies before what has been folded already.
    TooLate,
}

impl Billing {
    /// Takes in a change of a subscription. An MRR without a rate is left out.
    pub fn take(
        &mut self,
        stamp: Stamp,
        kind: SubscriptionChange,
        terms: &Terms<'_>,
        valuation: Valuation<'_>,
        offset: Offset,
    ) -> Booked {
        keep_earliest(&mut self.first_at, stamp.time);
        if self.folded.as_ref().is_some_and(|folded| stamp <= folded.until) {
            return Booked::TooLate;
        }
        let mrr_minor = terms.mrr.and_then(|mrr| valuation.latest(mrr));
        let is_foreign = |mrr: &Money| mrr_minor.is_some() && mrr.currency != valuation.currency;
        let change = Change {
            stamp,
            subscription: crate::units::stable_hash(terms.subscription.as_bytes()),
            kind,
            mrr_minor,
            told: terms.mrr.filter(is_foreign).map(Box::new),
            plan: terms.plan.as_deref().map(clip),
            seats: terms.seats,
            term_ends_at: match kind {
                SubscriptionChange::CancelScheduled => terms.effective_at.or(terms.term_ends_at),
                _ => terms.term_ends_at,
            },
            interval: terms.interval,
            offset,
        };
        if !super::insert_new(&mut self.changes, change, |known| known.stamp) {
            return Booked::Yes;
        }
        if self.changes.len() > CHANGES_MAX {
            let oldest = self.changes.remove(0);
            let folded = self.folded.get_or_insert_default();
            let mut keeper = Bookkeeper::new(std::mem::take(&mut folded.book), valuation);
            keeper.follow(&mut folded.ledger, &oldest);
            folded.book = keeper.book;
            folded.book.bound();
            folded.until = oldest.stamp;
        }
        self.derive();
        Booked::Yes
    }

    /// Derives the ledger from the timeline; also after decoding.
    pub(crate) fn derive(&mut self) {
        let mut ledger = self.folded.as_ref().map(|folded| folded.ledger.clone()).unwrap_or_default();
        for change in &self.changes {
            ledger.apply(change);
        }
        self.ledger = ledger;
    }

    /// The account's ledger by month: derived anew, since it is asked for rarely and would take room.
    #[must_use]
    pub fn book(&self, valuation: Valuation<'_>) -> Book {
        let folded = self.folded.as_deref().cloned().unwrap_or_default();
        let (mut ledger, mut keeper) = (folded.ledger, Bookkeeper::new(folded.book, valuation));
        for change in &self.changes {
            keeper.follow(&mut ledger, change);
        }
        keeper.finish(&ledger)
    }

    /// Begins the book of a timeline that was folded before months were kept: what is known are the sums.
    pub(crate) fn open_book(&mut self, valuation: Valuation<'_>) {
        let month = |time: Timestamp| valuation.zone.month(time);
        let (Some(folded), Some(first)) = (&mut self.folded, self.first_at) else { return };
        if folded.book.lines.is_empty() && folded.ledger.has_paid() {
            let churned = folded.ledger.churned_at.map(month);
            folded.book = Book::opening(&folded.ledger, month(first), churned, valuation.currency);
        }
    }

    /// Notes a successful payment.
    pub fn paid(&mut self, time: Timestamp) {
        self.paid_at = self.paid_at.max(Some(time));
    }

    /// Notes a failed payment; one that is known already, told again after days, is none.
    pub fn failed(&mut self, failure: Failure) {
        let is_new = super::insert_new(&mut self.failures, failure, |known| known.stamp);
        if is_new && self.failures.len() > FAILURES_MAX {
            self.failures.remove(0);
        }
    }

    /// Payments failed since the last successful one, oldest first.
    #[must_use]
    pub fn unpaid(&self) -> &[Failure] {
        let from = self.failures.partition_point(|failure| Some(failure.stamp.time) <= self.paid_at);
        self.failures.get(from..).unwrap_or_default()
    }
}

impl Ledger {
    /// Applies one change and books the movement of the account that follows from it.
    pub(super) fn apply(&mut self, change: &Change) {
        let seats_before = self.seats();
        let known = self.subscriptions.iter_mut().find(|known| known.id == change.subscription);
        if let Some(subscription) = known {
            subscription.apply(change);
        } else {
            if self.subscriptions.len() >= SUBSCRIPTIONS_MAX {
                // One that has ended makes room; where all are running, a further one is left out.
                let Some(ended) = self.subscriptions.iter().position(|known| known.ended) else { return };
                self.subscriptions.remove(ended);
            }
            let mut subscription = Subscription { id: change.subscription, ..Subscription::default() };
            subscription.apply(change);
            let end = self.subscriptions.len();
            super::insert(&mut self.subscriptions, end, subscription);
        }
        let before = self.mrr_minor;
        let after = self.subscriptions.iter().fold(0_i64, |sum, known| sum.saturating_add(known.mrr_minor));
        self.book(before, after, change.stamp.time);
        Fall::follow(&mut self.contraction, before, after, change);
        let seats = self.seats();
        Fall::follow(&mut self.seat_loss, seats_before, seats, change);
    }

    /// The paid seats of all running subscriptions.
    fn seats(&self) -> i64 {
        let running = self.subscriptions.iter().filter(|known| !known.ended);
        running.fold(0_i64, |sum, known| sum.saturating_add(known.seats.unwrap_or(0).into()))
    }

    fn book(&mut self, before: i64, after: i64, time: Timestamp) {
        self.mrr_minor = after;
        let had_paid = self.has_paid();
        let movement = match (before, after) {
            _ if before == after => return,
            (0, _) if had_paid => Movement::Reactivation,
            (0, _) => Movement::New,
            (_, 0) => Movement::Churned,
            _ if after > before => Movement::Expansion,
            _ => Movement::Contraction,
        };
        if let (Some(amount), Some(count)) =
            (self.moved_minor.get_mut(movement as usize), self.moved.get_mut(movement as usize))
        {
            *amount = amount.saturating_add((after - before).abs());
            *count = count.saturating_add(1);
        }
        self.churned_at = (after == 0).then_some(time);
        if after > before {
            self.expanded_at = Some(time);
        }
    }

    /// The plan of the subscription that pays most; of the latest one where none pays.
    #[must_use]
    pub fn plan(&self) -> Option<&str> {
        self.subscriptions
            .iter()
            .filter(|subscription| subscription.plan.is_some())
            .max_by_key(|subscription| (!subscription.ended, subscription.mrr_minor))
            .and_then(|subscription| subscription.plan.as_deref())
    }

    /// The next end of a running term.
    #[must_use]
    pub fn renewal_at(&self) -> Option<Timestamp> {
        self.subscriptions.iter().filter(|known| !known.ended).filter_map(|known| known.term_ends_at).min()
    }

    /// Whether something about the contract is open: an end is scheduled, something is paused or has shrunk, or a
    /// renewal is a decision.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let is_open = |known: &Subscription| {
            known.cancel_scheduled.is_some()
                || known.paused.is_some()
                || (known.is_long() && known.term_ends_at.is_some())
        };
        self.contraction.is_some()
            || self.seat_loss.is_some()
            || self.subscriptions.iter().any(|known| !known.ended && is_open(known))
    }

    /// Whether it has ever paid.
    #[must_use]
    pub fn has_paid(&self) -> bool {
        self.moved.first().is_some_and(|new| *new > 0)
    }

    /// Whether every subscription has ended.
    #[must_use]
    pub fn has_left(&self) -> bool {
        !self.subscriptions.is_empty() && self.subscriptions.iter().all(|known| known.ended)
    }
}

impl Fall {
    /// Brings a fall in step with a change from `before` to `after`. What ends altogether is no fall, but an end.
    fn follow(fall: &mut Option<Fall>, before: i64, after: i64, change: &Change) {
        let at = change.stamp.time;
        if after < before && after > 0 {
            let recent = fall.filter(|known| at.since(known.at) <= FALLS_WITHIN);
            let before = recent.map_or(before, |known| known.before.max(before));
            *fall = Some(Fall { at, before, after, offset: change.offset });
        } else if let Some(known) = fall.as_mut().filter(|_| after > before) {
            known.after = after;
            if known.after >= known.before {
                *fall = None;
            }
        }
    }

    /// The share that is gone, in [0, 1].
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // amounts are held below 10^13
    pub fn share(&self) -> f64 {
        if self.before > 0 { (1.0 - self.after as f64 / self.before as f64).clamp(0.0, 1.0) } else { 0.0 }
    }
}

impl Subscription {
    /// Whether it is bound for longer than a month at a time, so that its renewal is a decision.
    #[must_use]
    pub fn is_long(&self) -> bool {
        matches!(self.interval, Some(Interval::Quarter | Interval::Year))
    }

    fn apply(&mut self, change: &Change) {
        // An end that is scheduled with an MRR of 0 tells what will be.
        let is_told = |mrr: &i64| *mrr > 0 || change.kind != SubscriptionChange::CancelScheduled;
        if let Some(mrr) = change.mrr_minor.filter(is_told) {
            self.full_minor = mrr;
            self.tell(change.told.as_deref().copied());
        }
        if change.plan.is_some() {
            self.plan.clone_from(&change.plan);
        }
        self.seats = change.seats.or(self.seats);
        // A term that ends before it begins is none; an end that is scheduled may have come already.
        let is_ending = matches!(change.kind, SubscriptionChange::CancelScheduled | SubscriptionChange::Canceled);
        let ends_at = change.term_ends_at.filter(|ends| is_ending || *ends > change.stamp.time);
        self.term_ends_at = ends_at.or(self.term_ends_at);
        self.interval = change.interval.or(self.interval);
        match change.kind {
            SubscriptionChange::Started | SubscriptionChange::Resumed | SubscriptionChange::Renewed => {
                self.ended = false;
                self.cancel_scheduled = None;
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
                self.paused = Some(change.offset);
            }
            SubscriptionChange::CancelScheduled => {
                self.cancel_scheduled = Some(change.offset);
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
    use crate::engine::rules::Rules;
    use expect_test::{Expect, expect};
    use std::borrow::Cow;
    use std::fmt::Write;

    /// Lines of `day change subscription mrr`; shows MRR and movements after each, then checks every other order.
    fn check(script: &str, expected: &Expect) {
        let events: Vec<_> = script.lines().map(str::trim).filter(|line| !line.is_empty()).map(parse).collect();
        let mut billing = Billing::default();
        let mut shown = String::new();
        let rules = Rules::default();
        for (stamp, kind, terms) in &events {
            billing.take(*stamp, *kind, terms, rules.valuation(), Offset(0));
            let Ledger { mrr_minor, moved_minor, .. } = &billing.ledger;
            writeln!(shown, "{} mrr {mrr_minor} moved {moved_minor:?}", stamp.tie).unwrap();
        }
        expected.assert_eq(&shown);
        let mut reversed = Billing::default();
        for (stamp, kind, terms) in events.iter().rev() {
            reversed.take(*stamp, *kind, terms, rules.valuation(), Offset(0));
        }
        assert_eq!(reversed.ledger, billing.ledger, "the order of arrival matters");
        let [new, up, down, gone, back] = billing.ledger.moved_minor;
        assert_eq!(billing.ledger.mrr_minor, new + up + back - down - gone, "ledger identity");
    }

    fn parse(line: &str) -> (Stamp, SubscriptionChange, Terms<'static>) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let day: u64 = words[0].parse().unwrap();
        let kind = match words[1] {
            "start" => SubscriptionChange::Started,
            "change" => SubscriptionChange::Changed,
            "renew" => SubscriptionChange::Renewed,
            "pause" => SubscriptionChange::Paused,
            "resume" => SubscriptionChange::Resumed,
            "schedule" => SubscriptionChange::CancelScheduled,
            "cancel" => SubscriptionChange::Canceled,
            other => panic!("{other}"),
        };
        let terms = Terms {
            subscription: Cow::Owned(words[2].to_owned()),
            plan: None,
            mrr: words.get(3).map(|mrr| Money { minor: mrr.parse().unwrap(), currency: Currency::USD }),
            seats: None,
            interval: None,
            term_ends_at: None,
            effective_at: None,
            reason: None,
        };
        let time = Timestamp::clamped(1_700_000_000_000 + i64::try_from(day).unwrap() * crate::units::DAY_MS);
        (Stamp { time, tie: day }, kind, terms)
    }

    #[test]
    fn movements_are_those_of_the_account() {
        check(
            "1 start a 100
             2 start b 50
             3 change a 80
             4 cancel b
             5 pause a
             6 resume a
             7 schedule a
             8 cancel a
             9 start c 30",
            &expect![[r#"
                1 mrr 100 moved [100, 0, 0, 0, 0]
                2 mrr 150 moved [100, 50, 0, 0, 0]
                3 mrr 130 moved [100, 50, 20, 0, 0]
                4 mrr 80 moved [100, 50, 70, 0, 0]
                5 mrr 0 moved [100, 50, 70, 80, 0]
                6 mrr 80 moved [100, 50, 70, 80, 80]
                7 mrr 80 moved [100, 50, 70, 80, 80]
                8 mrr 0 moved [100, 50, 70, 160, 80]
                9 mrr 30 moved [100, 50, 70, 160, 110]
            "#]],
        );
    }

    #[test]
    fn contradictory_changes_keep_the_identity() {
        check(
            "1 cancel a
             2 change b 70
             3 start a 10
             4 start a 20
             5 change a 0
             6 renew a 25",
            &expect![[r#"
                1 mrr 0 moved [0, 0, 0, 0, 0]
                2 mrr 70 moved [70, 0, 0, 0, 0]
                3 mrr 80 moved [70, 10, 0, 0, 0]
                4 mrr 90 moved [70, 20, 0, 0, 0]
                5 mrr 70 moved [70, 20, 20, 0, 0]
                6 mrr 95 moved [70, 45, 20, 0, 0]
            "#]],
        );
    }
}
