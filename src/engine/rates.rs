//! What money of other currencies is worth in the reporting currency, month by month.
//!
//! A rate holds for whole months: that in force on a month's first date. So an amount has one worth in a month, and what
//! changes between two months because the rate did is a movement of its own, `fx`. Live amounts (alerts, account health)
//! are at the latest rate, however it is dated. Nothing here knows accounts.

use crate::units::calendar::{Month, Zone};
use crate::units::{Currency, Money};

/// Most rates of one currency: twenty years of monthly ones.
pub const RATES_MAX: usize = 240;

/// The most that a subscription is believed to be worth, in minor units of the reporting currency. One worth more, by the
/// latest rate, counts as one without a rate.
pub const WORTH_MAX: i64 = 10_000_000_000_000;

/// The most that an account is told to be worth in one currency, likewise: sums over accounts stay far from their end.
const SUM_MAX: f64 = 8e13;

/// A rate and since when it holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// The first month that it holds for. The first rate of a currency holds before as well.
    pub from: Month,
    /// Worth of one major unit in major units of the reporting currency; above 0.
    pub rate: f64,
}

/// The rates of every currency but the reporting one.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Rates(Vec<(Currency, Vec<Rate>)>);

impl Rates {
    /// One rate for one currency, for all time.
    #[must_use]
    pub fn constant(currency: Currency, rate: f64) -> Rates {
        let mut rates = Rates::default();
        rates.set(currency, vec![Rate { from: Month::default(), rate }]);
        rates
    }

    /// Sets the rates of a currency, in any order, each from a month of its own.
    pub fn set(&mut self, currency: Currency, mut rates: Vec<Rate>) {
        rates.sort_by_key(|rate| rate.from);
        // Sorted, so that the order of the lines of a configuration does not change the hash of the rules.
        match self.0.binary_search_by_key(&currency, |(known, _)| *known) {
            Ok(index) => {
                if let Some((_, known)) = self.0.get_mut(index) {
                    *known = rates;
                }
            }
            Err(index) => self.0.insert(index, (currency, rates)),
        }
    }

    /// The currencies that have rates, in order of their letters.
    pub fn currencies(&self) -> impl Iterator<Item = Currency> + '_ {
        self.0.iter().map(|(currency, _)| *currency)
    }

    fn of(&self, currency: Currency) -> &[Rate] {
        let known = self.0.iter().find(|(known, _)| *known == currency);
        known.map(|(_, rates)| rates.as_slice()).unwrap_or_default()
    }

    /// The latest rate of a currency, however it is dated; `None` when it has none.
    #[must_use]
    pub fn latest(&self, currency: Currency) -> Option<f64> {
        self.of(currency).last().map(|rate| rate.rate)
    }

    /// The rate of a currency in `month`; `None` when it has none.
    ///
    /// ```
    /// use churnwatch::engine::rates::{Rate, Rates};
    /// use churnwatch::units::{Currency, calendar::Month};
    /// let euro = Currency::parse("EUR").unwrap();
    /// let mut rates = Rates::default();
    /// let (january, march) = (Month::new(2026, 1), Month::new(2026, 3));
    /// rates.set(euro, vec![Rate { from: january, rate: 1.08 }, Rate { from: march, rate: 1.10 }]);
    /// let at = |year, month| rates.at(euro, Month::new(year, month));
    /// assert_eq!((at(2020, 1), at(2026, 2), at(2026, 3)), (Some(1.08), Some(1.08), Some(1.10)));
    /// ```
    #[must_use]
    pub fn at(&self, currency: Currency, month: Month) -> Option<f64> {
        let rates = self.of(currency);
        let later = rates.partition_point(|rate| rate.from <= month);
        rates.get(later.saturating_sub(1)).map(|rate| rate.rate)
    }

    /// The months with which a rate of `currency` changes.
    pub fn changes(&self, currency: Currency) -> impl Iterator<Item = Month> + '_ {
        self.of(currency).iter().skip(1).map(|rate| rate.from)
    }
}

/// How amounts are valued and dated: what the ledger needs of the rules.
#[derive(Clone, Copy, Debug)]
pub struct Valuation<'r> {
    /// Months are those of this zone.
    pub zone: Zone,
    /// The reporting currency.
    pub currency: Currency,
    /// The rates of the others.
    pub rates: &'r Rates,
}

impl Valuation<'_> {
    /// `money` at the latest rate, in minor units of the reporting currency, rounded to the nearest; `None` when there is
    /// no rate, or when it is worth more than [`WORTH_MAX`].
    #[must_use]
    pub fn latest(&self, money: Money) -> Option<i64> {
        if money.currency == self.currency {
            return Some(money.minor);
        }
        self.rates.latest(money.currency).map(|rate| self.at_rate(money, rate)).filter(|worth| worth.abs() <= WORTH_MAX)
    }

    /// `money` at the rate of `month`, likewise; nothing where there is no rate (any more).
    #[must_use]
    pub fn in_month(&self, money: Money, month: Month) -> i64 {
        if money.currency == self.currency {
            return money.minor;
        }
        self.rates.at(money.currency, month).map_or(0, |rate| self.at_rate(money, rate))
    }

    /// The rate of `currency` in `month`: 1 for the reporting one, 0 where there is none (any more).
    #[must_use]
    pub fn rate(&self, currency: Currency, month: Month) -> f64 {
        if currency == self.currency { 1.0 } else { self.rates.at(currency, month).unwrap_or(0.0) }
    }

    /// `money` at `rate`, in minor units of the reporting currency, rounded to the nearest.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // amounts are held below 10^13
    pub fn at_rate(&self, money: Money, rate: f64) -> i64 {
        let digits = i32::from(self.currency.minor_digits()) - i32::from(money.currency.minor_digits());
        bounded(money.minor as f64 * rate * 10_f64.powi(digits))
    }
}

/// An amount to the nearest minor unit, and within what is told of an account.
#[allow(clippy::cast_possible_truncation)] // bounded
pub(super) fn bounded(minor: f64) -> i64 {
    minor.round().clamp(-SUM_MAX, SUM_MAX) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_given_in_any_order() {
        let euro = Currency::parse("EUR").unwrap();
        let rate = |month, rate| Rate { from: Month::new(2026, month), rate };
        let mut rates = Rates::default();
        rates.set(euro, vec![rate(3, 1.2), rate(1, 1.0)]);
        assert_eq!(rates.at(euro, Month::new(2026, 3)), Some(1.2));
        assert_eq!(rates.latest(euro), Some(1.2));
        assert_eq!(rates.changes(euro).map(|month| month.to_string()).collect::<Vec<_>>(), ["2026-03"]);
    }

    #[test]
    fn what_is_worth_more_than_believed_has_no_worth() {
        let euro = Currency::parse("EUR").unwrap();
        let worth = |minor, rate| {
            let rates = Rates::constant(euro, rate);
            let valuation = Valuation { zone: Zone::UTC, currency: Currency::USD, rates: &rates };
            let money = Money { minor, currency: euro };
            (valuation.latest(money), valuation.in_month(money, Month::default()))
        };
        assert_eq!(worth(1_000_000_000_000, 10.0), (Some(WORTH_MAX), WORTH_MAX));
        assert_eq!(worth(1_000_000_000_000, 10.1), (None, 10_100_000_000_000));
        assert_eq!(worth(1_000_000_000_000, 1e9), (None, 8 * WORTH_MAX));
        assert_eq!(worth(-1_000_000_000_000, 1e9), (None, -8 * WORTH_MAX));
    }

    #[test]
    fn digits_of_minor_units_are_minded() {
        let (yen, dollar) = (Currency::parse("JPY").unwrap(), Currency::USD);
        let rates = Rates::constant(yen, 0.0067);
        let valuation = Valuation { zone: Zone::UTC, currency: dollar, rates: &rates };
        assert_eq!(valuation.latest(Money { minor: 10_000, currency: yen }), Some(6_700));
        assert_eq!(valuation.latest(Money { minor: 5, currency: dollar }), Some(5));
        assert_eq!(valuation.latest(Money { minor: 5, currency: Currency::parse("EUR").unwrap() }), None);
    }
}
