//! What an account pays: its subscriptions' timeline, the MRR movements that follow from it, and its payments.
//!
//! The timeline is sorted by event time, so a late or disordered event lands at its place and the movements are derived
//! anew. The changes of one instant are one movement of the account. Of a long timeline the oldest instants are folded into
//! a starting point that no later event corrects.

use compact_str::CompactString;
use smallvec::SmallVec;

use super::book::{Book, Bookkeeper};
use super::comeback::Comeback;
use super::subscription::Subscription;
use super::{Stamp, onboarding::keep_earliest, profile::clip};
use crate::engine::event::{Interval, SubscriptionChange, Terms};
use crate::engine::rates::Valuation;
use crate::engine::totals::Movement;
use crate::units::{Money, Offset, Span, Timestamp};

/// Subscription changes kept one by one that say what is paid, or until when.
pub const CHANGES_MAX: usize = 24;
/// Those kept beside them that do not: they tell seats, plan or interval only.
pub const DETAILS_MAX: usize = 8;
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
    /// The changes since, oldest first, at most [`CHANGES_MAX`] and [`DETAILS_MAX`].
    pub changes: Vec<Change>,
    /// What they lead to; derived.
    pub ledger: Ledger,
    /// Since when the account rests, or is back, if it ever rested; derived.
    pub comeback: Option<Box<Comeback>>,
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
    /// The stamp of the latest: what is not after its time comes too late.
    pub until: Stamp,
    /// How the account's MRR had moved, by month.
    pub book: Book,
    /// When the account first paid, if it had by then.
    pub activated_at: Option<Timestamp>,
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
    /// The amount in minor units of the reporting currency, at the latest rate known when it came; absent where there was
    /// none. A payment of nothing has none.
    pub amount_minor: Option<i64>,
    /// The record that told it.
    pub offset: Offset,
}

/// Where the subscriptions stand and how the account's MRR has moved.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Ledger {
    /// The subscriptions by order of appearance, at most [`SUBSCRIPTIONS_MAX`]; most accounts have one.
    pub subscriptions: SmallVec<[Subscription; 1]>,
    /// The account's MRR in minor units of the reporting currency.
    pub mrr_minor: i64,
    /// Amounts moved, by [`Movement`].
    pub moved_minor: [i64; 5],
    /// Number of movements, likewise.
    pub moved: [u32; 5],
    /// When the last of its subscriptions ended, while none runs.
    pub ended_at: Option<Timestamp>,
    /// When the account last fell to nothing, while it is there.
    pub churned_at: Option<Timestamp>,
    /// When its MRR last rose.
    pub expanded_at: Option<Timestamp>,
    /// Its latest fall in MRR that left something, until it is made good.
    pub contraction: Option<Box<Fall>>,
    /// Its latest loss of seats that left some, until it is made good.
    pub seat_loss: Option<Box<Fall>>,
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
        if self.folded.as_ref().is_some_and(|folded| stamp.time <= folded.until.time) {
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
        self.bound(valuation);
        self.derive();
        Booked::Yes
    }

    /// Brings the timeline back within its bounds. What only tells details pushes out nothing that tells money.
    fn bound(&mut self, valuation: Valuation<'_>) {
        while self.changes.iter().filter(|change| !change.is_detail()).count() > CHANGES_MAX {
            self.fold(valuation);
        }
        while self.changes.iter().filter(|change| change.is_detail()).count() > DETAILS_MAX {
            if !self.pass_on_a_detail() {
                self.fold(valuation);
            }
        }
    }

    /// Folds the oldest instant.
    fn fold(&mut self, valuation: Valuation<'_>) {
        let Some(first) = self.changes.first().map(|change| change.stamp.time) else { return };
        let end = self.changes.partition_point(|change| change.stamp.time == first);
        let instant: Vec<Change> = self.changes.drain(..end).collect();
        let folded = self.folded.get_or_insert_default();
        let mut keeper = Bookkeeper::new(std::mem::take(&mut folded.book), folded.until.time, valuation);
        keeper.follow(&mut folded.ledger, &instant);
        folded.book = keeper.book;
        folded.book.bound();
        folded.activated_at = folded.activated_at.or(folded.ledger.has_paid().then_some(first));
        folded.until = instant.last().map_or(folded.until, |change| change.stamp);
    }

    /// Lets the oldest detail go that another change of its subscription follows, which then tells what it told. One that
    /// fell below what was before it and what came after it stays, if another can go: the time of a loss is in it alone.
    /// Whether there was one.
    fn pass_on_a_detail(&mut self) -> bool {
        let next = |(index, change): (usize, &Change)| {
            let mut later = self.changes.iter().skip(index + 1);
            let next = later.position(|later| later.subscription == change.subscription)?;
            change.is_detail().then_some((index, index + 1 + next))
        };
        let is_low = |&(index, next): &(usize, usize)| {
            let seats = |index: usize| self.changes.get(index).and_then(|change| change.seats);
            seats(index).is_some() && self.seats_before(index) > seats(index) && seats(next) > seats(index)
        };
        let passed: Vec<_> = self.changes.iter().enumerate().filter_map(next).collect();
        let Some((index, next)) = passed.iter().find(|passed| !is_low(passed)).or(passed.first()).copied() else {
            return false;
        };
        let detail = self.changes.remove(index);
        if let Some(next) = self.changes.get_mut(next - 1) {
            next.seats = next.seats.or(detail.seats);
            next.plan = next.plan.take().or(detail.plan);
            next.interval = next.interval.or(detail.interval);
        }
        true
    }

    /// The seats of a subscription before the change at `index` of the timeline.
    fn seats_before(&self, index: usize) -> Option<u32> {
        let (earlier, rest) = self.changes.split_at_checked(index)?;
        let subscription = rest.first()?.subscription;
        let mut told = earlier.iter().rev().filter(|change| change.subscription == subscription);
        let folded = || self.folded.as_ref()?.ledger.subscriptions.iter().find(|known| known.id == subscription)?.seats;
        told.find_map(|change| change.seats).or_else(folded)
    }

    /// The changes kept one by one, by the instant.
    fn instants(&self) -> impl Iterator<Item = &[Change]> {
        self.changes.chunk_by(|one, next| one.stamp.time == next.stamp.time)
    }

    /// Derives the ledger from the timeline; also after decoding.
    pub(crate) fn derive(&mut self) {
        let mut ledger = self.folded.as_ref().map(|folded| folded.ledger.clone()).unwrap_or_default();
        self.instants().for_each(|instant| ledger.apply(instant));
        self.ledger = ledger;
        self.comeback = self.last_rest().map(Box::new);
    }

    /// The account's ledger by month: derived anew, since it is asked for rarely and would take room.
    #[must_use]
    pub fn book(&self, valuation: Valuation<'_>) -> Book {
        let folded = self.folded.as_deref().cloned().unwrap_or_default();
        let (mut ledger, mut keeper) = (folded.ledger, Bookkeeper::new(folded.book, folded.until.time, valuation));
        self.instants().for_each(|instant| keeper.follow(&mut ledger, instant));
        keeper.finish(&ledger)
    }

    /// When the account first paid: found anew, since it is asked for rarely and would take room.
    #[must_use]
    pub fn activated_at(&self) -> Option<Timestamp> {
        if let Some(at) = self.folded.as_ref().and_then(|folded| folded.activated_at) {
            return Some(at);
        }
        let mut ledger = self.folded.as_ref().map(|folded| folded.ledger.clone()).unwrap_or_default();
        let paid = self.instants().find(|instant| {
            ledger.apply(instant);
            ledger.has_paid()
        });
        paid?.first().map(|change| change.stamp.time)
    }

    /// Begins the book of a timeline that was folded before months were kept: what is known are the sums.
    pub(crate) fn open_book(&mut self, valuation: Valuation<'_>) {
        let month = |time: Timestamp| valuation.zone.month(time);
        let (Some(folded), Some(first)) = (&mut self.folded, self.first_at) else { return };
        if folded.book.lines.is_empty() && folded.ledger.has_paid() {
            let churned = folded.ledger.churned_at.map(month);
            folded.book = Book::opening(&folded.ledger, month(first), churned, valuation.currency);
            folded.activated_at = Some(first);
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

    /// Forgets what happened at `time` and after, as far as it is kept one by one: changes and payments.
    pub(in crate::engine) fn go_back_before(&mut self, time: Timestamp) {
        self.changes.retain(|change| change.stamp.time < time);
        self.failures.retain(|failure| failure.stamp.time < time);
        self.paid_at = self.paid_at.filter(|paid_at| *paid_at < time);
        self.derive();
    }

    /// Whether it was ever told what a subscription pays, and that has a worth: an MRR of 0 that was told is one.
    #[must_use]
    pub fn is_priced(&self) -> bool {
        let is_told = || self.changes.iter().any(|change| change.mrr_minor.is_some());
        self.ledger.has_paid() || !self.ledger.subscriptions.is_empty() && (self.folded.is_some() || is_told())
    }

    /// Payments failed since the last successful one, oldest first.
    #[must_use]
    pub fn unpaid(&self) -> &[Failure] {
        let from = self.failures.partition_point(|failure| Some(failure.stamp.time) <= self.paid_at);
        self.failures.get(from..).unwrap_or_default()
    }
}

impl Change {
    /// Whether it says nothing about what is paid, or until when.
    fn is_detail(&self) -> bool {
        self.kind == SubscriptionChange::Changed && self.mrr_minor.is_none() && self.term_ends_at.is_none()
    }
}

impl Ledger {
    /// Applies the changes of one instant and books the one movement of the account that follows from them.
    pub(super) fn apply(&mut self, instant: &[Change]) {
        let seats_before = self.seats();
        self.in_order(instant).into_iter().for_each(|change| self.change(change));
        if let Some(last) = instant.last() {
            self.settle(seats_before, last);
        }
    }

    /// The changes of one instant in the order in which they hold. What runs ends, or is paused to be resumed, before
    /// anything else happens, so that what begins then stays; what does not run yet ends last, since it has to begin before.
    /// In between it begins, changes, is scheduled to end and is paused, in this order. Several changes of one kind come in
    /// an order that means nothing, but is the same however they arrive.
    pub(super) fn in_order<'c>(&self, instant: &'c [Change]) -> Vec<&'c Change> {
        use SubscriptionChange::{CancelScheduled, Canceled, Changed, Paused, Renewed, Resumed, Started};
        let also = |one: &Change, kind| {
            instant.iter().any(|other| other.kind == kind && other.subscription == one.subscription)
        };
        let mut ordered: Vec<&Change> = instant.iter().collect();
        ordered.sort_by_key(|change| match (change.kind, self.running(change.subscription)) {
            (CancelScheduled, Some(_)) if also(change, Canceled) => 0,
            (Canceled, Some(_)) => 1,
            (Paused, Some(known)) if known.paused.is_none() && also(change, Resumed) => 2,
            (Started, _) => 3,
            (Resumed | Renewed, _) => 4,
            (Changed, _) => 5,
            (CancelScheduled, _) => 6,
            (Paused, _) => 7,
            (Canceled, None) => 8,
        });
        ordered
    }

    fn running(&self, subscription: u64) -> Option<&Subscription> {
        self.subscriptions.iter().find(|known| known.id == subscription && !known.ended)
    }

    /// Applies one change to its subscription; what the account pays follows with [`Ledger::settle`].
    pub(super) fn change(&mut self, change: &Change) {
        let known = self.subscriptions.iter_mut().find(|known| known.id == change.subscription);
        if let Some(subscription) = known {
            subscription.apply(change);
        } else if change.kind != SubscriptionChange::Canceled {
            // An end of what never started leaves nothing behind that later changes would find ended.
            if self.subscriptions.len() >= SUBSCRIPTIONS_MAX {
                // One that has ended makes room; where all are running, a further one is left out.
                let Some(ended) = self.subscriptions.iter().position(|known| known.ended) else { return };
                self.subscriptions.remove(ended);
            }
            let mut subscription = Subscription { id: change.subscription, ..Subscription::default() };
            subscription.apply(change);
            self.subscriptions.push(subscription);
        }
    }

    /// Books what the account moved by the changes of an instant of which `last` is the last.
    pub(super) fn settle(&mut self, seats_before: i64, last: &Change) {
        let before = self.mrr_minor;
        let after = self.subscriptions.iter().fold(0_i64, |sum, known| sum.saturating_add(known.mrr_minor));
        self.book(before, after, last.stamp.time);
        self.ended_at = self.has_left().then(|| self.ended_at.unwrap_or(last.stamp.time));
        Fall::follow(&mut self.contraction, before, after, last);
        let seats = self.seats();
        Fall::follow(&mut self.seat_loss, seats_before, seats, last);
    }

    /// The paid seats of all running subscriptions.
    pub(super) fn seats(&self) -> i64 {
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
    fn follow(fall: &mut Option<Box<Fall>>, before: i64, after: i64, change: &Change) {
        let at = change.stamp.time;
        if after < before && after > 0 {
            let recent = fall.as_ref().filter(|known| at.since(known.at) <= FALLS_WITHIN);
            let before = recent.map_or(before, |known| known.before.max(before));
            *fall = Some(Box::new(Fall { at, before, after, offset: change.offset }));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::Rules;
    use crate::units::Currency;
    use expect_test::{Expect, expect};
    use std::borrow::Cow;
    use std::fmt::Write;

    /// Lines of `day change subscription mrr`; shows MRR and movements after each, then checks every other order.
    fn check(script: &str, expected: &Expect) {
        let events = events(script);
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

    fn events(script: &str) -> Vec<(Stamp, SubscriptionChange, Terms<'static>)> {
        let lines = script.lines().map(str::trim).filter(|line| !line.is_empty());
        (1..).zip(lines).map(|(number, line)| parse(line, number)).collect()
    }

    fn parse(line: &str, number: u64) -> (Stamp, SubscriptionChange, Terms<'static>) {
        let (seats, told): (Vec<&str>, Vec<&str>) =
            line.split_whitespace().partition(|word| word.starts_with("seats="));
        let seats: Vec<&str> = seats.iter().filter_map(|word| word.strip_prefix("seats=")).collect();
        let day: u64 = told[0].parse().unwrap();
        let kind = match told[1] {
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
            subscription: Cow::Owned(told[2].to_owned()),
            plan: None,
            mrr: told.get(3).map(|mrr| Money { minor: mrr.parse().unwrap(), currency: Currency::USD }),
            seats: seats.first().map(|seats| seats.parse().unwrap()),
            interval: None,
            term_ends_at: None,
            effective_at: None,
            reason: None,
        };
        let time = Timestamp::clamped(1_700_000_000_000 + i64::try_from(day).unwrap() * crate::units::DAY_MS);
        (Stamp { time, tie: number }, kind, terms)
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
    fn a_swap_at_one_instant_is_one_movement() {
        check(
            "1 start a 100
             2 cancel a
             2 start b 150
             3 start c 20
             3 cancel b",
            &expect![[r#"
                1 mrr 100 moved [100, 0, 0, 0, 0]
                2 mrr 0 moved [100, 0, 0, 100, 0]
                3 mrr 150 moved [100, 50, 0, 0, 0]
                4 mrr 170 moved [100, 70, 0, 0, 0]
                5 mrr 20 moved [100, 50, 130, 0, 0]
            "#]],
        );
    }

    /// An account leaves when the last of its subscriptions ends, whatever it paid before.
    #[test]
    fn an_account_leaves_with_its_last_subscription() {
        let ended_on = |script: &str| {
            let mut billing = Billing::default();
            for (stamp, kind, terms) in events(&script.replace(", ", "\n")) {
                billing.take(stamp, kind, &terms, Rules::default().valuation(), Offset(0));
            }
            billing.ledger.ended_at.map(|at| (at.ms() - 1_700_000_000_000) / crate::units::DAY_MS)
        };
        assert_eq!(ended_on("1 start a 100, 10 change a 0"), None);
        assert_eq!(ended_on("1 start a 100, 10 change a 0, 20 cancel a"), Some(20));
        assert_eq!(ended_on("1 start a 100, 10 pause a, 20 cancel a, 30 change a 50"), Some(20));
        assert_eq!(ended_on("1 start a 100, 2 start b, 10 cancel a, 20 cancel b"), Some(20));
        assert_eq!(ended_on("1 start a, 20 cancel a, 30 start b 100, 40 cancel b"), Some(40));
    }

    /// The order in which the changes of one instant hold, whatever their ids: the MRR and the contradictions they lead to.
    #[test]
    fn changes_of_one_instant_hold_in_their_order() {
        let told = [
            "2 start a 100, 2 change a 150",
            "2 start a 100, 2 renew a 120",
            "2 start a 100, 2 pause a",
            "1 start a 100, 2 pause a, 2 resume a",
            "1 start a 100, 2 pause a, 3 pause a, 3 resume a",
            "1 start a 100, 2 pause a, 2 change a 150",
            "1 start a 100, 2 schedule a, 2 cancel a",
            "2 start a 100, 2 schedule a, 2 cancel a",
            "1 start a 100, 2 cancel a, 2 start a 130",
            "1 start a 100, 2 renew a, 2 schedule a",
            "1 start a 100, 2 change a 150, 2 schedule a",
        ];
        let mut shown = String::new();
        for script in told {
            let mut events = events(&script.replace(", ", "\n"));
            let books = [1, u64::MAX].map(|sign| {
                for (stamp, _, _) in &mut events {
                    stamp.tie = stamp.tie.wrapping_mul(sign);
                }
                let (mut billing, rules) = (Billing::default(), Rules::default());
                for (stamp, kind, terms) in &events {
                    billing.take(*stamp, *kind, terms, rules.valuation(), Offset(0));
                }
                let doubts = billing.book(rules.valuation()).doubts.iter().sum::<u32>();
                let ends = billing.ledger.subscriptions.iter().any(|known| known.cancel_scheduled.is_some());
                format!(
                    "{}, moved {:?}, doubts {doubts}, to end {ends}",
                    billing.ledger.mrr_minor, billing.ledger.moved_minor
                )
            });
            assert_eq!(books[0], books[1], "{script}");
            writeln!(shown, "{script}: mrr {}", books[0]).unwrap();
        }
        expect![[r#"
            2 start a 100, 2 change a 150: mrr 150, moved [150, 0, 0, 0, 0], doubts 0, to end false
            2 start a 100, 2 renew a 120: mrr 120, moved [120, 0, 0, 0, 0], doubts 0, to end false
            2 start a 100, 2 pause a: mrr 0, moved [0, 0, 0, 0, 0], doubts 0, to end false
            1 start a 100, 2 pause a, 2 resume a: mrr 100, moved [100, 0, 0, 0, 0], doubts 0, to end false
            1 start a 100, 2 pause a, 3 pause a, 3 resume a: mrr 0, moved [100, 0, 0, 100, 0], doubts 0, to end false
            1 start a 100, 2 pause a, 2 change a 150: mrr 0, moved [100, 0, 0, 100, 0], doubts 0, to end false
            1 start a 100, 2 schedule a, 2 cancel a: mrr 0, moved [100, 0, 0, 100, 0], doubts 0, to end true
            2 start a 100, 2 schedule a, 2 cancel a: mrr 0, moved [0, 0, 0, 0, 0], doubts 0, to end true
            1 start a 100, 2 cancel a, 2 start a 130: mrr 130, moved [100, 30, 0, 0, 0], doubts 1, to end false
            1 start a 100, 2 renew a, 2 schedule a: mrr 100, moved [100, 0, 0, 0, 0], doubts 0, to end true
            1 start a 100, 2 change a 150, 2 schedule a: mrr 150, moved [100, 50, 0, 0, 0], doubts 0, to end true
        "#]]
        .assert_eq(&shown);
    }

    /// Of what only tells seats the latest eight are kept: a late change of what is paid still finds its place, and a loss
    /// keeps its time.
    #[test]
    fn seats_push_out_no_money() {
        let mut script = "1 start a 100 seats=100\n3 change a seats=50\n".to_owned();
        (4..40).for_each(|day| writeln!(script, "{day} change a seats={}", 47 + day).unwrap());
        let mut billing = Billing::default();
        let rules = Rules::default();
        for (stamp, kind, terms) in events(&script).into_iter().chain([parse("2 change a 130", 99)]) {
            assert_eq!(billing.take(stamp, kind, &terms, rules.valuation(), Offset(0)), Booked::Yes);
        }
        let Ledger { mrr_minor, moved_minor, seat_loss, .. } = billing.ledger;
        assert_eq!((mrr_minor, moved_minor), (130, [100, 30, 0, 0, 0]));
        let seat_loss = seat_loss.map(|fall| (fall.at, fall.before, fall.after));
        assert_eq!(seat_loss, Some((parse("3 change a", 0).0.time, 100, 86)));
        assert_eq!(billing.changes.len(), 2 + DETAILS_MAX);
    }

    /// An account whose price has no rate has no MRR to tell; one that is told to pay nothing pays 0.
    #[test]
    fn what_has_no_rate_is_no_price() {
        let mrr_of = |script: &str, letters: &str| {
            let mut account = crate::engine::account::Account::new("acme");
            for (number, (stamp, change, mut terms)) in (0_u64..).zip(events(script)) {
                let currency = Currency::parse(letters).unwrap();
                terms.mrr = terms.mrr.map(|mrr| Money { currency, ..mrr });
                let event = crate::engine::event::Event {
                    id: number.to_string().into(),
                    time: stamp.time,
                    account_id: "acme".into(),
                    user_id: None,
                    source: None,
                    kind: crate::engine::event::Kind::Subscription { change, terms },
                };
                account.take(&event, number, Offset(0), &Rules::default());
            }
            account.mrr_minor()
        };
        assert_eq!(mrr_of("1 start a 900", "USD"), Some(900));
        assert_eq!(mrr_of("1 start a 900", "EUR"), None);
        assert_eq!(mrr_of("1 start a", "USD"), None);
        assert_eq!(mrr_of("1 start a 0", "USD"), Some(0));
        assert_eq!(mrr_of("1 start a 900\n2 pause a", "USD"), Some(0));
        assert_eq!(mrr_of("", "USD"), None);
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
