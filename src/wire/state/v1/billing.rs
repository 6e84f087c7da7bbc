//! Billing in version 1 of the state: timeline, ledger and payments.

use serde::{Deserialize, Serialize};

use super::{StampForm, maybe_time, pick, stamp, stamp_form, time};
use crate::engine::event::{Interval, SubscriptionChange};
use crate::engine::facts::billing::{Billing, Change, Failure, Fall, Folded, Ledger};
use crate::engine::facts::book::Book;
use crate::engine::facts::subscription::Subscription;
use crate::units::{Offset, Timestamp};
use crate::wire::state::{StateError, Text};

#[derive(Serialize, Deserialize)]
pub struct BillingForm {
    folded: Option<(LedgerForm, StampForm)>,
    changes: Vec<ChangeForm>,
    first_ms: Option<i64>,
    paid_ms: Option<i64>,
    failures: Vec<(StampForm, u32, i64, i64)>,
}

impl BillingForm {
    pub fn of(billing: &Billing) -> BillingForm {
        // An amount of 0 stands for none.
        let amount = |known: &Failure| known.amount_minor.unwrap_or(0);
        let failure = |known: &Failure| (stamp_form(known.stamp), known.attempt, amount(known), known.offset.0);
        BillingForm {
            folded: billing.folded.as_ref().map(|folded| (LedgerForm::of(&folded.ledger), stamp_form(folded.until))),
            changes: billing.changes.iter().map(ChangeForm::of).collect(),
            first_ms: billing.first_at.map(Timestamp::ms),
            paid_ms: billing.paid_at.map(Timestamp::ms),
            failures: billing.failures.iter().map(failure).collect(),
        }
    }

    pub fn into_billing(self) -> Result<Billing, StateError> {
        let failure = |(at, attempt, amount_minor, offset)| {
            let amount_minor = Some(amount_minor).filter(|minor| *minor != 0);
            Ok(Failure { stamp: stamp(at)?, attempt, amount_minor, offset: Offset(offset) })
        };
        let folded = match self.folded {
            Some((ledger, at)) => Some(Box::new(Folded {
                ledger: ledger.into_ledger()?,
                until: stamp(at)?,
                book: Book::default(),
                activated_at: None,
            })),
            None => None,
        };
        let mut billing = Billing {
            folded,
            changes: self.changes.into_iter().map(ChangeForm::into_change).collect::<Result<_, _>>()?,
            ledger: Ledger::default(),
            comeback: None,
            first_at: maybe_time(self.first_ms)?,
            paid_at: maybe_time(self.paid_ms)?,
            failures: self.failures.into_iter().map(failure).collect::<Result<_, _>>()?,
        };
        billing.derive();
        Ok(billing)
    }
}

#[derive(Serialize, Deserialize)]
pub struct LedgerForm {
    subscriptions: Vec<SubscriptionForm>,
    mrr_minor: i64,
    moved_minor: [i64; 5],
    moved: [u32; 5],
    churned_ms: Option<i64>,
    expanded_ms: Option<i64>,
    contraction: Option<FallForm>,
    seat_loss: Option<FallForm>,
}

/// When, before, after, offset.
type FallForm = (i64, i64, i64, i64);

impl LedgerForm {
    pub fn of(ledger: &Ledger) -> LedgerForm {
        LedgerForm {
            subscriptions: ledger.subscriptions.iter().map(SubscriptionForm::of).collect(),
            mrr_minor: ledger.mrr_minor,
            moved_minor: ledger.moved_minor,
            moved: ledger.moved,
            churned_ms: ledger.churned_at.map(Timestamp::ms),
            expanded_ms: ledger.expanded_at.map(Timestamp::ms),
            contraction: ledger.contraction.as_deref().map(fall_form),
            seat_loss: ledger.seat_loss.as_deref().map(fall_form),
        }
    }

    pub fn into_ledger(self) -> Result<Ledger, StateError> {
        let subscriptions = self.subscriptions.into_iter().map(SubscriptionForm::into_subscription);
        let ledger = Ledger {
            subscriptions: subscriptions.collect::<Result<_, _>>()?,
            mrr_minor: self.mrr_minor,
            moved_minor: self.moved_minor,
            moved: self.moved,
            ended_at: None,
            churned_at: maybe_time(self.churned_ms)?,
            expanded_at: maybe_time(self.expanded_ms)?,
            contraction: self.contraction.map(fall).transpose()?,
            seat_loss: self.seat_loss.map(fall).transpose()?,
        };
        Ok(Ledger { ended_at: ledger.churned_at.filter(|_| ledger.has_left()), ..ledger })
    }
}

fn fall_form(fall: &Fall) -> FallForm {
    (fall.at.ms(), fall.before, fall.after, fall.offset.0)
}

fn fall((at, before, after, offset): FallForm) -> Result<Box<Fall>, StateError> {
    Ok(Box::new(Fall { at: time(at)?, before, after, offset: Offset(offset) }))
}

#[derive(Serialize, Deserialize)]
pub struct SubscriptionForm {
    id: u64,
    full_minor: i64,
    mrr_minor: i64,
    ended: bool,
    plan: Option<Text>,
    seats: Option<u32>,
    term_ends_ms: Option<i64>,
    interval: Option<u8>,
    cancel_scheduled: Option<i64>,
    paused: Option<i64>,
}

impl SubscriptionForm {
    pub fn of(known: &Subscription) -> SubscriptionForm {
        SubscriptionForm {
            id: known.id,
            full_minor: known.full_minor,
            mrr_minor: known.mrr_minor,
            ended: known.ended,
            plan: known.plan.clone(),
            seats: known.seats,
            term_ends_ms: known.term_ends_at.map(Timestamp::ms),
            interval: known.interval.map(|interval| interval as u8),
            cancel_scheduled: known.cancel_scheduled.as_ref().map(|offset| offset.0),
            paused: known.paused.as_ref().map(|offset| offset.0),
        }
    }

    pub fn into_subscription(self) -> Result<Subscription, StateError> {
        Ok(Subscription {
            id: self.id,
            full_minor: self.full_minor,
            mrr_minor: self.mrr_minor,
            foreign: None,
            ended: self.ended,
            plan: self.plan,
            seats: self.seats,
            term_ends_at: maybe_time(self.term_ends_ms)?,
            renewal_due_at: maybe_time(self.term_ends_ms)?,
            interval: interval(self.interval)?,
            cancel_scheduled: self.cancel_scheduled.map(|offset| Box::new(Offset(offset))),
            paused: self.paused.map(|offset| Box::new(Offset(offset))),
        })
    }
}

#[derive(Serialize, Deserialize)]
pub struct ChangeForm {
    stamp: StampForm,
    subscription: u64,
    kind: u8,
    mrr_minor: Option<i64>,
    plan: Option<Text>,
    seats: Option<u32>,
    term_ends_ms: Option<i64>,
    interval: Option<u8>,
    offset: i64,
}

impl ChangeForm {
    pub fn of(change: &Change) -> ChangeForm {
        ChangeForm {
            stamp: stamp_form(change.stamp),
            subscription: change.subscription,
            kind: change.kind as u8,
            mrr_minor: change.mrr_minor,
            plan: change.plan.clone(),
            seats: change.seats,
            term_ends_ms: change.term_ends_at.map(Timestamp::ms),
            interval: change.interval.map(|interval| interval as u8),
            offset: change.offset.0,
        }
    }

    pub fn into_change(self) -> Result<Change, StateError> {
        Ok(Change {
            stamp: stamp(self.stamp)?,
            subscription: self.subscription,
            kind: pick(self.kind, &SUBSCRIPTION_CHANGES, "subscription change")?,
            mrr_minor: self.mrr_minor,
            told: None,
            plan: self.plan,
            seats: self.seats,
            term_ends_at: maybe_time(self.term_ends_ms)?,
            interval: interval(self.interval)?,
            offset: Offset(self.offset),
        })
    }
}

fn interval(number: Option<u8>) -> Result<Option<Interval>, StateError> {
    number.map(|number| pick(number, &INTERVALS, "interval")).transpose()
}

/// Intervals by their number in the forms.
const INTERVALS: [Interval; 5] = [Interval::Day, Interval::Week, Interval::Month, Interval::Quarter, Interval::Year];

/// Subscription changes by their number in the forms.
const SUBSCRIPTION_CHANGES: [SubscriptionChange; 7] = [
    SubscriptionChange::Started,
    SubscriptionChange::Changed,
    SubscriptionChange::Renewed,
    SubscriptionChange::Paused,
    SubscriptionChange::Resumed,
    SubscriptionChange::CancelScheduled,
    SubscriptionChange::Canceled,
];
