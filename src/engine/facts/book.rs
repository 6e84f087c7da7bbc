//! The MRR ledger of one account: its movements by month, in the currencies they were made in, and the terms that ended.
//!
//! Derived from the timeline of its subscriptions ([`super::billing`]), so that late and disordered billing corrects it;
//! what the timeline has folded is kept here, bounded. Not here: what movements add up to over accounts and periods,
//! which is `kpis`. Invariant: the amounts of a currency add up to what the account pays in it.

use super::billing::{Change, Ledger, SUBSCRIPTIONS_MAX, Subscription};
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
/// A cancellation so long after the end of a term ends the next one.
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
    /// A term that ends before it begins: no term.
    TermBeforeBegin,
    /// A subscription beyond the most that are told apart: left out.
    TooManySubscriptions,
}

impl Doubt {
    /// All of them.
    pub const ALL: [Doubt; 5] = [
        Doubt::UnknownSubscription,
        Doubt::StartedTwice,
        Doubt::ChangedAfterEnd,
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
    /// Whether the subscription went on; for a term still running, whether it will as things stand.
    pub renewed: bool,
    /// MRR that was up for renewal.
    pub money: Money,
}

/// What the book needs to know of a subscription.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// Half the hash of its id.
    subscription: u32,
    ended: bool,
    term_ends_at: Option<Timestamp>,
    pays: Money,
    full: Money,
}

impl Seen {
    #[allow(clippy::cast_possible_truncation)] // a half of a good hash
    fn of(known: &Subscription, reporting: Currency) -> Seen {
        Seen {
            subscription: known.id as u32,
            ended: known.ended,
            term_ends_at: known.term_ends_at,
            pays: known.pays(reporting),
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
    /// What the account pays, by currency.
    pays: Vec<(Currency, i64)>,
}

impl<'v> Bookkeeper<'v> {
    /// Goes on from `book`.
    #[must_use]
    pub fn new(book: Book, valuation: Valuation<'v>) -> Bookkeeper<'v> {
        let mut pays = Vec::new();
        for line in &book.lines {
            add(&mut pays, line.currency, line.minor);
        }
        Bookkeeper { book, valuation, pays }
    }

    /// Applies `change` to `ledger` and books what follows.
    pub fn follow(&mut self, ledger: &mut Ledger, change: &Change) {
        let reporting = self.valuation.currency;
        let find = |ledger: &Ledger| {
            let known = ledger.subscriptions.iter().find(|known| known.id == change.subscription);
            known.map(|known| Seen::of(known, reporting))
        };
        let before = find(ledger);
        self.doubt(ledger, before, change);
        ledger.apply(change);
        let after = find(ledger);
        if let Some(before) = before {
            self.settle(before, after, change);
        }
        let nothing = Money { minor: 0, currency: reporting };
        let pays = |seen: Option<Seen>| seen.map_or(nothing, |seen| seen.pays);
        self.move_on(pays(before), pays(after), change.stamp.time);
    }

    /// Adds the terms that run at the end of the timeline.
    #[must_use]
    pub fn finish(mut self, ledger: &Ledger) -> Book {
        for known in ledger.subscriptions.iter().filter(|known| !known.ended) {
            let renewed = known.cancel_scheduled.is_none() && known.paused.is_none();
            self.term(Seen::of(known, self.valuation.currency), renewed);
        }
        self.book
    }

    fn doubt(&mut self, ledger: &Ledger, known: Option<Seen>, change: &Change) {
        use SubscriptionChange::{Changed, Renewed, Resumed, Started};
        let runs = ledger.subscriptions.iter().filter(|known| !known.ended).count();
        let doubt = match (known, change.kind) {
            (None, _) if runs >= SUBSCRIPTIONS_MAX => Some(Doubt::TooManySubscriptions),
            (None, Started) => None,
            (None, _) => Some(Doubt::UnknownSubscription),
            (Some(known), Started) if !known.ended => Some(Doubt::StartedTwice),
            (Some(known), Started | Renewed | Resumed) if known.ended => None,
            (Some(known), _) if known.ended => Some(Doubt::ChangedAfterEnd),
            _ => None,
        };
        let is_backward = change.term_ends_at.is_some_and(|ends| ends <= change.stamp.time)
            && matches!(change.kind, Started | Changed | Renewed | Resumed);
        for doubt in doubt.into_iter().chain(is_backward.then_some(Doubt::TermBeforeBegin)) {
            if let Some(count) = self.book.doubts.get_mut(doubt as usize) {
                *count = count.saturating_add(1);
            }
        }
    }

    /// Notes how the term that ran before `change` ended, if it says so.
    fn settle(&mut self, before: Seen, after: Option<Seen>, change: &Change) {
        let Some(ends_at) = before.term_ends_at.filter(|_| !before.ended) else { return };
        let at = change.stamp.time;
        match change.kind {
            SubscriptionChange::Renewed => self.term(before, true),
            SubscriptionChange::Canceled => self.term(before, at > ends_at.plus(LAPSE_WITHIN)),
            // A later term was agreed once the old one was over.
            _ if at >= ends_at && after.and_then(|known| known.term_ends_at) > Some(ends_at) => self.term(before, true),
            _ => {}
        }
    }

    /// Books the end of the subscription's term, unless it is known how that ended.
    fn term(&mut self, seen: Seen, renewed: bool) {
        let Some(ends_at) = seen.term_ends_at else { return };
        let (day, subscription, money) = (self.valuation.zone.day(ends_at), seen.subscription, seen.full);
        if money.minor == 0 {
            return;
        }
        let is_known = self.book.terms.iter().any(|term| term.day == day && term.subscription == subscription);
        if !is_known {
            let end = self.book.terms.len();
            super::insert(&mut self.book.terms, end, Term { day, subscription, renewed, money });
        }
    }

    /// Books that a subscription pays `after` instead of `before`.
    fn move_on(&mut self, before: Money, after: Money, time: Timestamp) {
        if before == after || (before.minor, after.minor) == (0, 0) {
            return;
        }
        let month = self.valuation.zone.month(time);
        let had_paid = self.book.lines.iter().any(|line| line.flow == Flow::New);
        let paid = self.pays.iter().any(|(_, minor)| *minor > 0);
        add(&mut self.pays, before.currency, -before.minor);
        add(&mut self.pays, after.currency, after.minor);
        let pays = self.pays.iter().any(|(_, minor)| *minor > 0);
        let switched = before.currency != after.currency && before.minor > 0 && after.minor > 0;
        let worth = |money: Money| self.valuation.in_month(money, month);
        let (was, is) = if switched { (worth(before), worth(after)) } else { (before.minor, after.minor) };
        let flow = match (paid, pays) {
            (false, false) => return,
            (false, true) if had_paid => Flow::Reactivation,
            (false, true) => Flow::New,
            (true, false) => Flow::Churned,
            (true, true) if switched && is_same_worth(was, is) => Flow::Fx,
            (true, true) if before.currency != after.currency && before.minor == 0 => Flow::Expansion,
            (true, true) if before.currency != after.currency && after.minor == 0 => Flow::Contraction,
            (true, true) if is > was => Flow::Expansion,
            (true, true) => Flow::Contraction,
        };
        if before.currency == after.currency {
            self.book.add(Line { month, flow, currency: after.currency, minor: after.minor - before.minor, count: 1 });
        } else {
            let out = Line {
                month,
                flow,
                currency: before.currency,
                minor: -before.minor,
                count: u32::from(after.minor == 0),
            };
            let into =
                Line { month, flow, currency: after.currency, minor: after.minor, count: u32::from(after.minor != 0) };
            [out, into].into_iter().filter(|line| line.minor != 0).for_each(|line| self.book.add(line));
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

    /// Brings it back within its bounds: the oldest movements become part of what the account began with, the oldest
    /// terms are let go of.
    pub fn bound(&mut self) {
        while self.lines.len() > LINES_MAX {
            let Some(index) = self.lines.iter().position(|line| line.flow != Flow::New) else { return };
            let Line { currency, minor, count, .. } = self.lines.remove(index);
            self.left_out = self.left_out.saturating_add(count);
            if let Some(month) = self.activated() {
                self.add(Line { month, flow: Flow::New, currency, minor, count: 0 });
            }
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
