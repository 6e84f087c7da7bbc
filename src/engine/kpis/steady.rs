//! Movements at the rates with which their period began, so that what rates do is in none of the ratios.
//!
//! The MRR at the start of a period is at the rates of the month before. A movement within the period is told at the same
//! rates, by which what is gone is all that was there and no more; what rates did since is `fx`, and nothing else is.
//!
//! A subscription that goes over to another currency takes its price along. At the same price nothing moves: from then on the
//! new currency is worth what the old one was. At another price it moves by as much as it did on that day, in proportion.
//!
//! What stays of a cohort is told likewise, at the rates of its first month for as long as it lives.

use crate::engine::facts::book::{Flow, Line};
use crate::engine::rates::{Valuation, bounded};
use crate::units::calendar::{Length, Month};
use crate::units::{Currency, Money};

/// What moved, in minor units of the reporting currency, by [`Flow`]; `fx` is no movement here and always 0.
pub type Moved = [i64; Flow::ALL.len()];

/// The rates that hold for one account while a period lasts, or for ever.
#[derive(Debug)]
pub struct Steady {
    /// Length of the periods; `None` for one that begins with the first movement and has no end.
    length: Option<Length>,
    /// The first month of the period; `None` before any.
    first: Option<Month>,
    /// What one major unit is worth, by currency in the order of the account's currencies.
    rates: Vec<f64>,
}

/// A movement from some currencies to others.
#[derive(Debug, Default)]
struct Exchange {
    /// What goes out, at the rates of the period, ...
    out_steady: f64,
    /// ... and at those of the month.
    out: f64,
    /// What comes in, at those of the month.
    into: f64,
}

impl Steady {
    /// The rates with which each period of `length` begins, those of the month before it; before the first period.
    #[must_use]
    pub fn of_periods(length: Length) -> Steady {
        Steady { length: Some(length), first: None, rates: Vec::new() }
    }

    /// The rates of the month of the first movement, for ever; before it.
    #[must_use]
    pub fn from_first() -> Steady {
        Steady { length: None, first: None, rates: Vec::new() }
    }

    /// What `pays` is worth at these rates, in minor units of the reporting currency.
    #[must_use]
    pub fn worth(&self, pays: &[(Currency, i64)], valuation: Valuation<'_>) -> i64 {
        let amounts = pays.iter().zip(&self.rates);
        amounts
            .map(|((currency, minor), rate)| valuation.at_rate(Money { minor: *minor, currency: *currency }, *rate))
            .sum()
    }

    /// What the lines of `month` move of an account that pays `pays` before them, in minor units by currency.
    pub fn moved(&mut self, month: Month, lines: &[Line], pays: &[(Currency, i64)], valuation: Valuation<'_>) -> Moved {
        let (first, rates_of) = match self.length.map(|length| length.of(month).first) {
            Some(first) => (first, first.plus(-1)),
            None => (self.first.unwrap_or(month), month),
        };
        if self.first.replace(first) != Some(first) {
            self.rates = pays.iter().map(|(currency, _)| valuation.rate(*currency, rates_of)).collect();
        }
        let mut held = pays.to_vec();
        let mut moved = Moved::default();
        // First what only changes currency: what then moves may already be in the new one.
        let mut rest = vec![Flow::Fx, Flow::New, Flow::Expansion, Flow::Contraction, Flow::Churned, Flow::Reactivation];
        while !rest.is_empty() {
            // What goes out has come in before.
            let next = rest.iter().position(|flow| is_held(lines, *flow, &held)).unwrap_or(0);
            let flow = rest.remove(next);
            let own = || lines.iter().filter(move |line| line.flow == flow);
            let is_exchange = matches!(flow, Flow::Fx | Flow::Expansion | Flow::Contraction)
                && own().any(|line| line.minor < 0)
                && own().any(|line| line.minor > 0);
            let sum = if is_exchange {
                self.exchange(month, &own().collect::<Vec<_>>(), &mut held, valuation)
            } else {
                let worth = |line: &Line| {
                    let rate = held.iter().position(|(known, _)| *known == line.currency);
                    let rate = rate.and_then(|index| self.rates.get(index)).copied().unwrap_or(0.0);
                    valuation.at_rate(Money { minor: line.minor, currency: line.currency }, rate)
                };
                let sum = own().map(worth).sum();
                own().for_each(|line| hold(&mut held, line));
                sum
            };
            if let Some(moved) = moved.get_mut(flow as usize).filter(|_| flow != Flow::Fx) {
                *moved = sum;
            }
        }
        moved
    }

    /// What an exchange moves; the currencies that come in are from then on worth what they came in for.
    fn exchange(
        &mut self,
        month: Month,
        lines: &[&Line],
        held: &mut [(Currency, i64)],
        valuation: Valuation<'_>,
    ) -> i64 {
        let mut sums = Exchange::default();
        for line in lines {
            let worth = minor_of(line.minor, line.currency, valuation) * valuation.rate(line.currency, month);
            if line.minor > 0 {
                sums.into += worth;
                continue;
            }
            let index = held.iter().position(|(known, _)| *known == line.currency);
            let rate = index.and_then(|index| self.rates.get(index)).copied().unwrap_or(0.0);
            sums.out -= worth;
            sums.out_steady -= minor_of(line.minor, line.currency, valuation) * rate;
            hold(held, line);
        }
        let is_same = lines.iter().any(|line| line.flow == Flow::Fx);
        let from = if is_same { sums.into } else { sums.out };
        let scale = if from > 0.0 { sums.out_steady / from } else { 1.0 };
        for line in lines.iter().filter(|line| line.minor > 0) {
            let Some(index) = held.iter().position(|(known, _)| *known == line.currency) else { continue };
            let came = minor_of(line.minor, line.currency, valuation);
            let came_steady = came * valuation.rate(line.currency, month) * scale;
            let had = held.get(index).map_or(0.0, |(currency, minor)| minor_of(*minor, *currency, valuation));
            if let Some(rate) = self.rates.get_mut(index).filter(|_| had + came > 0.0) {
                *rate = had.mul_add(*rate, came_steady) / (had + came);
            }
            hold(held, line);
        }
        bounded(sums.into.mul_add(scale, -sums.out_steady))
    }
}

/// An amount as minor units of the reporting currency would have it if both were worth the same.
#[allow(clippy::cast_precision_loss)] // amounts are held below 10^13
fn minor_of(minor: i64, currency: Currency, valuation: Valuation<'_>) -> f64 {
    let digits = i32::from(valuation.currency.minor_digits()) - i32::from(currency.minor_digits());
    minor as f64 * 10_f64.powi(digits)
}

/// Whether what goes out by `flow` is there.
fn is_held(lines: &[Line], flow: Flow, held: &[(Currency, i64)]) -> bool {
    let is_there = |line: &Line| {
        let known = held.iter().find(|(known, _)| *known == line.currency);
        known.is_some_and(|(_, minor)| minor.saturating_add(line.minor) >= 0)
    };
    lines.iter().filter(|line| line.flow == flow && line.minor < 0).all(is_there)
}

fn hold(held: &mut [(Currency, i64)], line: &Line) {
    if let Some((_, minor)) = held.iter_mut().find(|(known, _)| *known == line.currency) {
        *minor = minor.saturating_add(line.minor);
    }
}
