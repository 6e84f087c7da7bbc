//! Accounts that rest, and those that are customers again: since when, after what was no time to use or to pay anything.
//!
//! An account rests while each of its subscriptions has ended or is paused. What is not used then is no silence, and what
//! was before is not what it is to be compared with afterwards. Of one that had left altogether, what it said and owed
//! before is settled. Derived from the timeline, as far as its changes are kept one by one.

use std::borrow::Cow;

use super::Stamp;
use super::billing::{Billing, Ledger};
use super::people::{People, Person};
use super::voice::Voice;
use crate::engine::account::Account;
use crate::engine::totals::Movement;
use crate::units::{Day, Span, Timestamp};

/// Shorter rests are none: one subscription in place of another, told in two steps.
const REST_MIN: Span = Span::from_days(7);
/// For so long after it a rest shows in what is kept of use.
const SHOWS_DAYS: i64 = 120;

/// Since when an account rests, or is back.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Comeback {
    /// Since when it rests, while it does.
    pub rests_since: Option<Timestamp>,
    /// The end of its latest rest.
    pub rested_until: Option<Timestamp>,
    /// The same, of those for which it had left.
    pub returned_at: Option<Timestamp>,
}

impl Comeback {
    /// The end of the latest rest that still shows at `now`.
    #[must_use]
    pub fn shows_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.rested_until.filter(|at| *at <= now && now.since(*at) < Span::from_days(SHOWS_DAYS))
    }

    /// When it became a customer again before `now`.
    #[must_use]
    pub fn returned_before(&self, now: Timestamp) -> Option<Timestamp> {
        self.returned_at.filter(|at| *at <= now)
    }
}

impl Billing {
    /// Since when the account rests, or is back; `None` where it never rested, as nearly always.
    pub(super) fn last_rest(&self) -> Option<Comeback> {
        // It runs, and nothing has ever been taken up again.
        let is_back = self.ledger.moved.get(Movement::Reactivation as usize).is_some_and(|count| *count > 0);
        if !is_back && !self.ledger.rests() {
            return None;
        }
        let mut comeback = Comeback::default();
        let mut ledger = self.folded.as_ref().map(|folded| folded.ledger.clone()).unwrap_or_default();
        comeback.rests_since = ledger.churned_at.filter(|_| ledger.rests());
        let mut left_at = ledger.ended_at;
        for instant in self.changes.chunk_by(|one, next| one.stamp.time == next.stamp.time) {
            ledger.apply(instant);
            let Some(now) = instant.first().map(|change| change.stamp.time) else { continue };
            follow(&mut comeback.rests_since, ledger.rests(), now, &mut comeback.rested_until);
            follow(&mut left_at, ledger.has_left(), now, &mut comeback.returned_at);
        }
        (comeback != Comeback::default()).then_some(comeback)
    }
}

/// Brings a rest in step with whether it lasts after `now`.
fn follow(since: &mut Option<Timestamp>, lasts: bool, now: Timestamp, ended_at: &mut Option<Timestamp>) {
    match *since {
        None if lasts => *since = Some(now),
        Some(began_at) if !lasts => {
            if now.since(began_at) >= REST_MIN {
                *ended_at = Some(now);
            }
            *since = None;
        }
        _ => {}
    }
}

impl Ledger {
    /// Whether every subscription has ended or is paused.
    #[must_use]
    pub fn rests(&self) -> bool {
        !self.subscriptions.is_empty() && self.subscriptions.iter().all(|known| known.ended || known.paused.is_some())
    }
}

impl Account {
    /// Since when it rests, or is back.
    #[must_use]
    pub fn comeback(&self) -> Comeback {
        let billing = self.billing.as_deref().filter(|_| self.standing.has_rested);
        billing.and_then(|billing| billing.comeback.as_deref().copied()).unwrap_or_default()
    }

    /// The account as it is to be judged at `now`: once it is back, by its use since the end of its rest, and, where it
    /// had left, by what it said and owed since. Otherwise, as nearly always, as it is.
    #[must_use]
    pub fn since_comeback(&self, now: Timestamp) -> Cow<'_, Account> {
        let comeback = self.comeback();
        let shown = comeback.shows_at(now);
        let returned_at = comeback.returned_before(now).filter(|at| Before(*at).is_remembered(self));
        if shown.is_none() && returned_at.is_none() {
            return Cow::Borrowed(self);
        }
        let mut back = self.clone();
        if let Some(at) = shown {
            back.activity = self.activity.since(at);
            back.users.forget_before(at.day());
            back.features.forget_before(at.day());
        }
        if let Some(at) = returned_at {
            Before(at).settle(&mut back);
        }
        back.derive();
        Cow::Owned(back)
    }
}

/// What was before this moment, at which an account became a customer again: what it owed and said, and who had gone.
#[derive(Clone, Copy)]
struct Before(Timestamp);

impl Before {
    fn holds(self, stamp: Stamp) -> bool {
        stamp.time < self.0
    }

    fn holds_day(self, day: Day) -> bool {
        day < self.0.day()
    }

    fn holds_departure(self, person: &Person) -> bool {
        let deactivated = || person.deactivated.filter(|gone| person.present < Some(*gone));
        person.departed().or_else(deactivated).is_some_and(|gone| self.holds(gone))
    }

    /// Whether `account` knows anything of it.
    fn is_remembered(self, account: &Account) -> bool {
        let owes = |billing: &Billing| billing.failures.iter().any(|failure| self.holds(failure.stamp));
        let said = |voice: &Voice| {
            voice.answers.iter().chain(&voice.ratings).any(|answer| self.holds(answer.stamp))
                || voice.asked.iter().any(|day| self.holds_day(*day))
        };
        let lost = |people: &People| people.list.iter().any(|person| self.holds_departure(person));
        account.billing.as_deref().is_some_and(owes)
            || account.voice.as_deref().is_some_and(said)
            || account.people.as_deref().is_some_and(lost)
    }

    /// Has `account` forget it.
    fn settle(self, account: &mut Account) {
        if let Some(billing) = &mut account.billing {
            billing.failures.retain(|failure| !self.holds(failure.stamp));
        }
        if let Some(voice) = &mut account.voice {
            voice.answers.retain(|answer| !self.holds(answer.stamp));
            voice.ratings.retain(|rating| !self.holds(rating.stamp));
            voice.asked.retain(|day| !self.holds_day(*day));
        }
        if let Some(people) = &mut account.people {
            people.list.retain(|person| !self.holds_departure(person));
        }
    }
}
