//! The MRR ledger of one account: its movements by month, in the currencies they were made in, and the terms that ended.
//!
//! Derived from the timeline of its subscriptions ([`super::billing`]), so that late and disordered billing corrects it;
//! what the timeline has folded is kept here, bounded. Not here: what movements add up to over accounts and periods,
//! which is `kpis`. Invariant: the amounts of a currency add up to what the account pays in it.

use std::iter;

use super::billing::{Change, Ledger, SUBSCRIPTIONS_MAX};
use super::subscription::Subscription;
use crate::engine::event::SubscriptionChange;
use crate::engine::rates::Valuation;
use crate::units::calendar::Month;
use crate::units::{Currency, Day, Money, Span, Timestamp};

/// Lines kept of what the timeline has folded: years of monthly movements.
pub const LINES_MAX: usize = 60;
/// Ended terms kept of it.
pub const TERMS_MAX: usize = 16;
/// A change of currency that moves the worth of a subscription by no more than this share left its price as it was: the
/// difference is `fx`.
const SAME_WORTH: f64 = 0.05;
/// How a subscription stands so long after the end of a term tells whether it was renewed: what comes later ends the next.
const LAPSE_WITHIN: Span = Span::from_days(30);

/// How an account's MRR moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flow {
    /// Its first.
    New,
    /// More, while it pays.
    Expansion,
    /// Less, while it keeps paying.
    Contraction,
    /// Down to nothing.
    Churned,
    /// Up from nothing, after having paid.
    Reactivation,
    /// Worth more or less because a rate changed, or the currency it is paid in.
    Fx,
}

impl Flow {
    /// All of them.
    pub const ALL: [Flow; 6] =
        [Flow::New, Flow::Expansion, Flow::Contraction, Flow::Churned, Flow::Reactivation, Flow::Fx];

    /// Stable snake-case name: metric label and column of reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Flow::New => "new",
            Flow::Expansion => "expansion",
            Flow::Contraction => "contraction",
            Flow::Churned => "churned",
            Flow::Reactivation => "reactivation",
            Flow::Fx => "fx",
        }
    }
}

/// What billing says that cannot be: each has a defined result, and is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// A change or end of a subscription that never started: a change with an MRR starts it, an end leaves nothing.
    UnknownSubscription,
    /// A start of a subscription that runs: taken as a change.
    StartedTwice,
    /// A change of a subscription that has ended: its terms are noted, its MRR stays 0.
    ChangedAfterEnd,
    /// A start, renewal or resumption of a subscription that has ended: it goes on.
    RevivedAfterEnd,
    /// A start of which no MRR is known: it pays nothing until one is told.
    StartedWithoutMrr,
    /// A term that ends before it begins: no term.
    TermBeforeBegin,
    /// A subscription beyond the most that are told apart: left out.
    TooManySubscriptions,
}

impl Doubt {
    /// All of them.
    pub const ALL: [Doubt; 7] = [
        Doubt::UnknownSubscription,
        Doubt::StartedTwice,
        Doubt::ChangedAfterEnd,
        Doubt::RevivedAfterEnd,
        Doubt::StartedWithoutMrr,
        Doubt::TermBeforeBegin,
        Doubt::TooManySubscriptions,
    ];

    /// Stable snake-case name: metric label and row of reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Doubt::UnknownSubscription => "unknown_subscription",
            Doubt::StartedTwice => "started_twice",
            Doubt::ChangedAfterEnd => "changed_after_end",
            Doubt::RevivedAfterEnd => "revived_after_end",
            Doubt::StartedWithoutMrr => "started_without_mrr",
            Doubt::TermBeforeBegin => "term_before_begin",
            Doubt::TooManySubscriptions => "too_many_subscriptions",
        }
    }

    /// What became of it, in one sentence.
    #[must_use]
    pub fn told(self) -> &'static str {
        match self {
            Doubt::UnknownSubscription => {
                "changes of a subscription that never started; one with an MRR starts it, an end leaves nothing"
            }
            Doubt::StartedTwice => "starts of a subscription that runs already; taken as changes",
            Doubt::ChangedAfterEnd => "changes of a subscription that has ended; its MRR stays 0",
            Doubt::RevivedAfterEnd => {
                "starts, renewals and resumptions of a subscription that had ended; it goes on, at its last MRR unless another is told"
            }
            Doubt::StartedWithoutMrr => {
                "starts of which no MRR is told, or none that has a rate; nothing is paid until one is"
            }
            Doubt::TermBeforeBegin => "terms that end before they begin; no terms",
            Doubt::TooManySubscriptions => "changes of subscriptions beyond eight that run at once; left out",
        }
    }
}

/// The ledger of one account.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Book {
    /// By month, flow and currency, each at most once.
    pub lines: Vec<Line>,
    /// Terms that have ended or will, in the order in which that became known.
    pub terms: Vec<Term>,
    /// How often billing contradicted itself, by [`Doubt`].
    pub doubts: [u32; Doubt::ALL.len()],
    /// Movements and terms that are not told one by one any more: the oldest movements count as part of what the account
    /// began with.
    pub left_out: u32,
}

/// What moved in one month by one flow in one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The month.
    pub month: Month,
    /// How.
    pub flow: Flow,
    /// The currency, ...
    pub currency: Currency,
    /// ... the sum in its minor units, negative for less, ...
    pub minor: i64,
    /// ... and how many movements that was; of a movement in several currencies, only one line counts it.
    pub count: u32,
}

/// The end of a subscription's term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// Its last date, as the configured time zone has it.
    pub day: Day,
    /// Half the hash of the subscription's id.
    pub subscription: u32,
    /// Whether the subscription went on; until 30 days after it, whether it does as things stand.
    pub renewed: bool,
    /// MRR that was up for renewal: what it was at the end of the term, or when its renewal or its end was told before.
    pub money: Money,
}

/// What the book needs to know of a subscription.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// Half the hash of its id.
    subscription: u32,
    ended: bool,
    renewal_due_at: Option<Timestamp>,
    /// Whether it goes on beyond its term: neither paused, nor to end by then or soon after.
    goes_on: bool,
    full: Money,
}

impl Seen {
    #[allow(clippy::cast_possible_truncation)] // a half of a good hash
    fn of(known: &Subscription, reporting: Currency) -> Seen {
        let lapses_by = known.renewal_due_at.map(|due| due.plus(LAPSE_WITHIN));
        let lapses = known.cancel_scheduled.is_some() && known.term_ends_at <= lapses_by;
        Seen {
            subscription: known.id as u32,
            ended: known.ended,
            renewal_due_at: known.renewal_due_at,
            goes_on: !lapses && known.paused.is_none(),
            full: known.full(reporting),
        }
    }
}

/// A ledger while it is being derived.
#[derive(Debug)]
pub struct Bookkeeper<'v> {
    /// The ledger so far.
    pub book: Book,
    valuation: Valuation<'v>,
    /// The latest instant that has been followed.
    since: Timestamp,
    /// What the account pays, by currency.
    pays: Vec<(Currency, i64)>,
}

impl<'v> Bookkeeper<'v> {
    /// Goes on from `book`, which tells all up to and with `since`.
    #[must_use]
    pub fn new(book: Book, since: Timestamp, valuation: Valuation<'v>) -> Bookkeeper<'v> {
        let mut pays = Vec::new();
        for line in &book.lines {
            add(&mut pays, line.currency, line.minor);
        }
        Bookkeeper { book, valuation, since, pays }
    }

    /// Applies the changes of one instant to `ledger` and books what follows.
    pub fn follow(&mut self, ledger: &mut Ledger, instant: &[Change]) {
        let (reporting, seats_before) = (self.valuation.currency, ledger.seats());
        let find = |ledger: &Ledger, change: &Change| {
            let known = ledger.subscriptions.iter().find(|known| known.id == change.subscription);
            known.map(|known| Seen::of(known, reporting))
        };
        let Some(last) = instant.last() else { return };
        let at = last.stamp.time;
        self.stand(ledger, Some(at));
        for change in ledger.in_order(instant) {
            let before = find(ledger, change);
            self.doubt(ledger, before, change);
            ledger.change(change);
            if let Some(before) = before {
                self.settle(before, find(ledger, change), change);
            }
        }
        ledger.settle(seats_before, last);
        self.move_on(ledger, at);
        self.since = at;
    }

    /// Adds the terms that run at the end of the timeline.
    #[must_use]
    pub fn finish(mut self, ledger: &Ledger) -> Book {
        self.stand(ledger, None);
        self.book
    }

    /// Notes how the terms of running subscriptions end that are due up to and with `until`, as these have stood since the
    /// latest instant. How they stand more than 30 days after says nothing of them.
    fn stand(&mut self, ledger: &Ledger, until: Option<Timestamp>) {
        for known in ledger.subscriptions.iter().filter(|known| !known.ended) {
            let seen = Seen::of(known, self.valuation.currency);
            let is_told =
                |due: &Timestamp| until.is_none_or(|until| *due <= until) && self.since <= due.plus(LAPSE_WITHIN);
            if let Some(due_at) = seen.renewal_due_at.filter(is_told) {
                self.term(seen, due_at, seen.goes_on, self.since < due_at);
            }
        }
    }

    fn doubt(&mut self, ledger: &Ledger, known: Option<Seen>, change: &Change) {
        use SubscriptionChange::{Changed, Renewed, Resumed, Started};
        let runs = ledger.subscriptions.iter().filter(|known| !known.ended).count();
        let doubt = match (known, change.kind) {
            (None, _) if runs >= SUBSCRIPTIONS_MAX => Some(Doubt::TooManySubscriptions),
            (None, Started) => None,
            (None, _) => Some(Doubt::UnknownSubscription),
            (Some(known), Started) if !known.ended => Some(Doubt::StartedTwice),
            (Some(known), Started | Renewed | Resumed) if known.ended => Some(Doubt::RevivedAfterEnd),
            (Some(known), _) if known.ended => Some(Doubt::ChangedAfterEnd),
            _ => None,
        };
        let is_unpaid = change.kind == Started
            && change.mrr_minor.is_none()
            && doubt != Some(Doubt::TooManySubscriptions)
            && known.is_none_or(|known| known.full.minor == 0);
        let is_backward = change.term_ends_at.is_some_and(|ends| ends <= change.stamp.time)
            && matches!(change.kind, Started | Changed | Renewed | Resumed);
        let further = [(is_unpaid, Doubt::StartedWithoutMrr), (is_backward, Doubt::TermBeforeBegin)];
        let further = further.into_iter().filter_map(|(holds, doubt)| holds.then_some(doubt));
        for doubt in doubt.into_iter().chain(further) {
            if let Some(count) = self.book.doubts.get_mut(doubt as usize) {
                *count = count.saturating_add(1);
            }
        }
    }

    /// Notes how the term that ran before `change` ended, if it says so.
    fn settle(&mut self, before: Seen, after: Option<Seen>, change: &Change) {
        use SubscriptionChange::{Canceled, Renewed, Resumed, Started};
        let at = change.stamp.time;
        match change.kind {
            Started | Renewed | Resumed if before.ended => return self.retell(before, at.minus(LAPSE_WITHIN), true),
            _ if before.ended => return,
            // Also those that it had renewed before they were over.
            Canceled => self.retell(before, at, false),
            _ => {}
        }
        let Some(due_at) = before.renewal_due_at else { return };
        let is_recent = at <= due_at.plus(LAPSE_WITHIN);
        // A later term was agreed once the old one was over.
        let is_followed = at >= due_at && after.and_then(|known| known.renewal_due_at) > Some(due_at);
        let renewed = match change.kind {
            Renewed => true,
            Canceled if is_recent => false,
            Canceled => return,
            _ if is_followed && is_recent => true,
            _ => return,
        };
        self.term(before, due_at, renewed, at <= due_at);
    }

    /// Corrects how the terms of the subscription end that are due from `since` on.
    fn retell(&mut self, seen: Seen, since: Timestamp, renewed: bool) {
        let first = self.valuation.zone.day(since);
        let own = self.book.terms.iter_mut().filter(|term| term.subscription == seen.subscription && term.day >= first);
        own.for_each(|term| term.renewed = renewed);
    }

    /// Books whether the subscription's term that is due at `due_at` was renewed; and, where `seen` is from before its end,
    /// what was up for renewal, which is no term where it was nothing.
    fn term(&mut self, seen: Seen, due_at: Timestamp, renewed: bool, is_before: bool) {
        let (day, subscription, money) = (self.valuation.zone.day(due_at), seen.subscription, seen.full);
        let terms = &mut self.book.terms;
        let known = terms.iter().position(|term| term.day == day && term.subscription == subscription);
        match known.and_then(|index| terms.get_mut(index)) {
            Some(term) => {
                term.renewed = renewed;
                term.money = if is_before { money } else { term.money };
            }
            None if is_before => {
                let end = terms.len();
                super::insert(terms, end, Term { day, subscription, renewed, money });
            }
            None => {}
        }
        terms.retain(|term| term.money.minor != 0);
    }

    /// Books what the account of `ledger` moved at `time`: one movement, however many subscriptions had a part in it.
    fn move_on(&mut self, ledger: &Ledger, time: Timestamp) {
        let mut pays = Vec::new();
        for known in &ledger.subscriptions {
            let Money { currency, minor } = known.pays(self.valuation.currency);
            add(&mut pays, currency, minor);
        }
        let mut moved = pays.clone();
        self.pays.iter().for_each(|(currency, minor)| add(&mut moved, *currency, -minor));
        moved.retain(|(_, minor)| *minor != 0);
        if moved.is_empty() {
            return;
        }
        let is_paying = |pays: &[(Currency, i64)]| pays.iter().any(|(_, minor)| *minor > 0);
        let had_paid = self.book.lines.iter().any(|line| line.flow == Flow::New);
        let month = self.valuation.zone.month(time);
        let flow = match (is_paying(&self.pays), is_paying(&pays)) {
            (false, _) if had_paid => Flow::Reactivation,
            (false, _) => Flow::New,
            (true, false) => Flow::Churned,
            (true, true) => self.change_of_price(&moved, month),
        };
        for ((currency, minor), count) in moved.into_iter().zip(iter::once(1).chain(iter::repeat(0))) {
            self.book.add(Line { month, flow, currency, minor, count });
        }
        self.pays = pays;
    }

    /// How an account moves that keeps paying: by more, by less, or from some currencies to others.
    fn change_of_price(&self, moved: &[(Currency, i64)], month: Month) -> Flow {
        let (more, less): (Vec<_>, Vec<_>) = moved.iter().partition(|(_, minor)| *minor > 0);
        let worth = |amounts: &[&(Currency, i64)]| {
            let worth = |(currency, minor): &(Currency, i64)| Money { minor: minor.abs(), currency: *currency };
            amounts.iter().map(|amount| self.valuation.in_month(worth(amount), month)).sum::<i64>()
        };
        match (worth(&less), worth(&more)) {
            _ if less.is_empty() => Flow::Expansion,
            _ if more.is_empty() => Flow::Contraction,
            (was, is) if is_same_worth(was, is) => Flow::Fx,
            (was, is) if is > was => Flow::Expansion,
            _ => Flow::Contraction,
        }
    }
}

/// Whether two amounts are one price in two currencies.
#[allow(clippy::cast_precision_loss)] // amounts are held below 10^13
fn is_same_worth(before: i64, after: i64) -> bool {
    (after - before).abs() as f64 <= SAME_WORTH * before as f64
}

fn add(pays: &mut Vec<(Currency, i64)>, currency: Currency, minor: i64) {
    match pays.iter_mut().find(|(known, _)| *known == currency) {
        Some((_, sum)) => *sum = sum.saturating_add(minor),
        None => pays.push((currency, minor)),
    }
}

impl Book {
    /// What is known of an account whose ledger was folded before months were kept: what it began with, and whether it
    /// still pays.
    #[must_use]
    pub fn opening(ledger: &Ledger, first: Month, churned: Option<Month>, currency: Currency) -> Book {
        let mut book = Book::default();
        let [new, ..] = ledger.moved_minor;
        if new == 0 {
            return book;
        }
        let minor = if ledger.mrr_minor > 0 { ledger.mrr_minor } else { new };
        book.add(Line { month: first, flow: Flow::New, currency, minor, count: 1 });
        if ledger.mrr_minor == 0 {
            let month = churned.unwrap_or(first);
            book.add(Line { month, flow: Flow::Churned, currency, minor: -minor, count: 1 });
        }
        let told = 1 + u32::from(ledger.mrr_minor == 0);
        book.left_out = ledger.moved.iter().sum::<u32>().saturating_sub(told);
        book
    }

    /// The month in which the account first paid; `None` while it has not.
    #[must_use]
    pub fn activated(&self) -> Option<Month> {
        self.lines.iter().find(|line| line.flow == Flow::New).map(|line| line.month)
    }

    fn add(&mut self, line: Line) {
        let key = |line: &Line| (line.month, line.flow, line.currency);
        match self.lines.binary_search_by_key(&key(&line), key) {
            Ok(index) => {
                if let Some(known) = self.lines.get_mut(index) {
                    known.minor = known.minor.saturating_add(line.minor);
                    known.count = known.count.saturating_add(line.count);
                }
            }
            Err(index) => super::insert(&mut self.lines, index, line),
        }
    }

    /// Brings it back within its bounds: the movements of the oldest months become part of what the account began with,
    /// which by that is what it paid at their end and never less than nothing; the oldest terms are let go of.
    pub fn bound(&mut self) {
        while self.lines.len() > LINES_MAX {
            let oldest = self.lines.iter().find(|line| line.flow != Flow::New).map(|line| line.month);
            let (Some(oldest), Some(began)) = (oldest, self.activated()) else { break };
            let (folded, kept) = std::mem::take(&mut self.lines).into_iter().partition(|line| line.month <= oldest);
            self.lines = kept;
            for Line { flow, currency, minor, count, .. } in folded {
                let is_first = flow == Flow::New;
                self.left_out = self.left_out.saturating_add(if is_first { 0 } else { count });
                let count = if is_first { count } else { 0 };
                self.add(Line { month: began, flow: Flow::New, currency, minor, count });
            }
            self.lines.retain(|line| line.minor != 0 || line.count != 0);
        }
        while self.terms.len() > TERMS_MAX {
            if let Some(oldest) = (0..self.terms.len()).min_by_key(|index| self.terms.get(*index).map(|term| term.day))
            {
                self.terms.remove(oldest);
            }
            self.left_out = self.left_out.saturating_add(1);
        }
    }
}
