//! From the ledger of one account to what it adds to periods: month by month in the reporting currency, then by period.
//!
//! Pure. Invariants: the flows of every period lead from its start to its end; what rates do is in `fx` alone
//! ([`steady`](super::steady)); an account that has only ever paid in the reporting currency has no `fx`.

use std::collections::BTreeSet;

use super::steady::{Moved, Steady};
use crate::engine::facts::book::{Book, Flow, Line};
use crate::engine::rates::Valuation;
use crate::units::calendar::{Length, Month};
use crate::units::{Currency, Money};

/// What one account did in a month in which its MRR moved, in minor units of the reporting currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct MonthFlow {
    /// The month.
    pub month: Month,
    /// MRR at its start, ...
    pub start_minor: i64,
    /// ... and at its end.
    pub end_minor: i64,
    /// The same at the rates of the month in which it first paid: MRR at the start, ...
    pub start_steady_minor: i64,
    /// ... and at the end.
    pub end_steady_minor: i64,
    /// Whether it paid at the start, ...
    pub paid: bool,
    /// ... and at the end.
    pub pays: bool,
    /// What moved but for `fx`, by [`Length`] of the period that it is told of: at the rates with which that began.
    pub moved_minor: [Moved; Length::ALL.len()],
    /// How many movements, by [`Flow`].
    pub moved: [i64; Flow::ALL.len()],
}

/// What accounts add to a period: all of it adds up over accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Cell {
    /// What moved, in minor units of the reporting currency at the rates with which the period began, by [`Flow`]; negative
    /// for less. `fx` is what rates did since.
    pub moved_minor: [i64; Flow::ALL.len()],
    /// How many movements, likewise.
    pub moved: [i64; Flow::ALL.len()],
    /// Accounts that first paid within the period and pay at its end.
    pub acquired: i64,
    /// Accounts that had paid before it, not at its start, and pay at its end.
    pub returned: i64,
    /// Accounts that paid at its start and do not at its end.
    pub lost: i64,
    /// Of the accounts that paid at its start, the MRR that is gone at its end, `fx` left out.
    pub gone_minor: i64,
    /// Of the same accounts, their MRR at its end less that at its start, `fx` left out.
    pub opening_change_minor: i64,
    /// By how much MRR grew, that of each account at the rates of the month in which it first paid.
    pub grown_steady_minor: i64,
}

impl Cell {
    /// Adds another one `sign` times.
    pub fn add(&mut self, other: &Cell, sign: i64) {
        let more = |sum: &mut i64, value: i64| *sum = sum.wrapping_add(value.wrapping_mul(sign));
        self.moved_minor.iter_mut().zip(other.moved_minor).for_each(|(sum, value)| more(sum, value));
        self.moved.iter_mut().zip(other.moved).for_each(|(sum, value)| more(sum, value));
        more(&mut self.acquired, other.acquired);
        more(&mut self.returned, other.returned);
        more(&mut self.lost, other.lost);
        more(&mut self.gone_minor, other.gone_minor);
        more(&mut self.opening_change_minor, other.opening_change_minor);
        more(&mut self.grown_steady_minor, other.grown_steady_minor);
    }

    /// By how much MRR grew.
    #[must_use]
    pub fn grown_minor(&self) -> i64 {
        self.moved_minor.iter().fold(0, |sum, moved| sum.wrapping_add(*moved))
    }

    /// By how many the paying accounts became more.
    #[must_use]
    pub fn grown(&self) -> i64 {
        self.acquired + self.returned - self.lost
    }
}

/// The months in which the account's MRR moved, or was worth something else, in order.
#[must_use]
pub fn month_flows(book: &Book, valuation: Valuation<'_>) -> Vec<MonthFlow> {
    let Some(first) = book.lines.first().map(|line| line.month) else { return Vec::new() };
    let mut pays: Vec<(Currency, i64)> = Vec::new();
    for line in &book.lines {
        if pays.iter().all(|(known, _)| *known != line.currency) {
            pays.push((line.currency, 0));
        }
    }
    let is_plain = pays.iter().all(|(currency, _)| *currency == valuation.currency);
    let mut flows = Vec::with_capacity(book.lines.len());
    let mut before = MonthFlow::default();
    let mut steady = Length::ALL.map(Steady::of_periods);
    let mut lasting = Steady::from_first();
    let mut month_of_lines = |month: Month, lines: &[Line]| {
        let still = MonthFlow {
            month,
            start_minor: before.end_minor,
            end_minor: before.end_minor,
            start_steady_minor: before.end_steady_minor,
            end_steady_minor: before.end_steady_minor,
            paid: before.pays,
            pays: before.pays,
            ..MonthFlow::default()
        };
        let mut flow = still;
        if is_plain {
            let mut moved = Moved::default();
            for line in lines {
                if let Some(sum) = moved.get_mut(line.flow as usize) {
                    *sum = sum.saturating_add(line.minor);
                }
            }
            flow.moved_minor = [moved; Length::ALL.len()];
        } else {
            let by_length = steady.iter_mut().map(|steady| steady.moved(month, lines, &pays, valuation));
            flow.moved_minor.iter_mut().zip(by_length).for_each(|(moved, told)| *moved = told);
            lasting.moved(month, lines, &pays, valuation);
        }
        for line in lines {
            if let Some(count) = flow.moved.get_mut(line.flow as usize) {
                *count += i64::from(line.count);
            }
            if let Some((_, minor)) = pays.iter_mut().find(|(known, _)| *known == line.currency) {
                *minor = minor.saturating_add(line.minor);
            }
        }
        flow.end_minor = pays
            .iter()
            .map(|(currency, minor)| valuation.in_month(Money { minor: *minor, currency: *currency }, month))
            .sum();
        flow.end_steady_minor = if is_plain { flow.end_minor } else { lasting.worth(&pays, valuation) };
        flow.pays = pays.iter().any(|(_, minor)| *minor > 0);
        debug_assert!(
            !is_plain || flow.moved_minor.iter().all(|moved| told(moved) == flow.end_minor - flow.start_minor),
            "the ledger of {book:?} does not add up in {month}"
        );
        before = flow;
        if flow != still {
            flows.push(flow);
        }
    };
    if is_plain {
        // Nearly all accounts: no rate has a say.
        for lines in book.lines.chunk_by(|one, next| one.month == next.month) {
            month_of_lines(lines.first().map_or(first, |line| line.month), lines);
        }
        return flows;
    }
    let mut months: BTreeSet<Month> = book.lines.iter().map(|line| line.month).collect();
    for line in &book.lines {
        months.extend(valuation.rates.changes(line.currency).filter(|month| *month > first));
    }
    for month in months {
        let from = book.lines.partition_point(|line| line.month < month);
        let to = book.lines.partition_point(|line| line.month <= month);
        month_of_lines(month, book.lines.get(from..to).unwrap_or_default());
    }
    flows
}

/// The sum of what moved.
fn told(moved: &Moved) -> i64 {
    moved.iter().fold(0, |sum, minor| sum.saturating_add(*minor))
}

/// What the account adds, month by month, to the periods of `length` in which its MRR moved: what a period comes to up to the
/// end of a month is the sum of its months so far. So no month knows of a later one, nor of its rates.
pub fn cells(flows: &[MonthFlow], activated: Month, length: Length) -> impl Iterator<Item = (Month, Cell)> + '_ {
    let mut first = MonthFlow::default();
    let (mut sums, mut told_before) = (Cell::default(), Cell::default());
    flows.iter().enumerate().map(move |(index, flow)| {
        if index == 0 || length.of(first.month) != length.of(flow.month) {
            first = *flow;
            (sums, told_before) = (Cell::default(), Cell::default());
        }
        let moved_minor = flow.moved_minor.get(length as usize).copied().unwrap_or_default();
        sums.add(&Cell { moved_minor, moved: flow.moved, ..Cell::default() }, 1);
        let so_far = cell(&first, flow, sums, activated >= length.of(flow.month).first);
        let mut step = so_far;
        step.add(&told_before, -1);
        told_before = so_far;
        (flow.month, step)
    })
}

/// What the account adds to a period that begins with `first` up to the end of `last`, when `sums` has moved in it.
fn cell(first: &MonthFlow, last: &MonthFlow, sums: Cell, is_new: bool) -> Cell {
    let mut cell = sums;
    let moved = told(&cell.moved_minor);
    // What the movements do not tell: other rates, another currency at the same worth, and the rounding of both.
    if let Some(fx) = cell.moved_minor.get_mut(Flow::Fx as usize) {
        *fx = last.end_minor - first.start_minor - moved;
    }
    let (paid, pays) = (first.paid, last.pays);
    cell.acquired = i64::from(!paid && pays && is_new);
    cell.returned = i64::from(!paid && pays && !is_new);
    cell.lost = i64::from(paid && !pays);
    if paid {
        let end = if pays { first.start_minor.saturating_add(moved).max(0) } else { 0 };
        cell.gone_minor = first.start_minor - end.min(first.start_minor);
        cell.opening_change_minor = end - first.start_minor;
    }
    cell.grown_steady_minor = last.end_steady_minor - first.start_steady_minor;
    cell
}
