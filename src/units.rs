//! The quantities everything else is said in: time, days, ratios, money, identities.
//!
//! Pure values with checked construction. Nothing here reads a clock, allocates per call or fails by panicking.
//! Every instant is UTC; a day is a UTC day.

pub mod calendar;

use std::fmt;
use std::num::NonZeroI64;

/// Milliseconds in one day.
pub const DAY_MS: i64 = 86_400_000;
/// Milliseconds in one hour.
pub const HOUR_MS: i64 = 3_600_000;

/// An instant: milliseconds since 1970-01-01T00:00:00Z, between [`Timestamp::MIN`] and [`Timestamp::MAX`].
///
/// Never 0, so that an optional instant takes no more room: there are dozens in the state of every account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(NonZeroI64);

impl Timestamp {
    /// 1990-01-01T00:00:00Z: nothing older is believed.
    pub const MIN: Timestamp = Timestamp(literal(631_152_000_000));
    /// 2100-01-01T00:00:00Z: nothing later is believed. A [`Day`] of any instant fits 16 bits.
    pub const MAX: Timestamp = Timestamp(literal(4_102_444_800_000));

    /// The instant `ms` after the epoch; `None` outside [`Timestamp::MIN`]..=[`Timestamp::MAX`].
    #[must_use]
    pub const fn from_ms(ms: i64) -> Option<Timestamp> {
        match NonZeroI64::new(ms) {
            Some(number) if ms >= Self::MIN.ms() && ms <= Self::MAX.ms() => Some(Timestamp(number)),
            _ => None,
        }
    }

    /// The instant nearest to `ms` within the believed range.
    #[must_use]
    pub const fn clamped(ms: i64) -> Timestamp {
        match Self::from_ms(ms) {
            Some(time) => time,
            None if ms < Self::MIN.ms() => Self::MIN,
            None => Self::MAX,
        }
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn ms(self) -> i64 {
        self.0.get()
    }

    /// The UTC day it falls on.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 7305..=47482 within the believed range
    pub const fn day(self) -> Day {
        Day((self.ms() / DAY_MS) as u16)
    }

    /// Days since the epoch with the fraction of the day.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // below 2^53
    pub fn days(self) -> f64 {
        self.ms() as f64 / DAY_MS as f64
    }

    /// Time from `earlier` to `self`; negative when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Timestamp) -> Span {
        Span(self.ms() - earlier.ms())
    }

    /// `span` later, within the believed range.
    #[must_use]
    pub const fn plus(self, span: Span) -> Timestamp {
        Self::clamped(self.ms().saturating_add(span.0))
    }

    /// `span` earlier, within the believed range.
    #[must_use]
    pub const fn minus(self, span: Span) -> Timestamp {
        Self::clamped(self.ms().saturating_sub(span.0))
    }
}

/// A number above 0 that stands in this file.
const fn literal(number: i64) -> NonZeroI64 {
    match NonZeroI64::new(number) {
        Some(number) => number,
        None => NonZeroI64::MAX,
    }
}

impl Default for Timestamp {
    /// The earliest: what anything that has happened is later than.
    fn default() -> Timestamp {
        Timestamp::MIN
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds, such as `2026-03-01T12:00:00.000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match chrono::DateTime::from_timestamp_millis(self.ms()) {
            Some(time) => f.write_str(&time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)),
            None => write!(f, "{}ms", self.ms()),
        }
    }
}

/// A length of time in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(i64);

impl Span {
    /// No time.
    pub const ZERO: Span = Span(0);

    /// `ms` milliseconds.
    #[must_use]
    pub const fn from_ms(ms: i64) -> Span {
        Span(ms)
    }

    /// `seconds` seconds.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Span {
        Span(seconds.saturating_mul(1000))
    }

    /// `hours` hours.
    #[must_use]
    pub const fn from_hours(hours: i64) -> Span {
        Span(hours.saturating_mul(HOUR_MS))
    }

    /// `days` days.
    #[must_use]
    pub const fn from_days(days: i64) -> Span {
        Span(days.saturating_mul(DAY_MS))
    }

    /// In milliseconds.
    #[must_use]
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// In days, with the fraction.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // below 2^53
    pub fn days(self) -> f64 {
        self.0 as f64 / DAY_MS as f64
    }
}

/// A UTC day, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Day(u16);

impl Day {
    /// The day `number` days after 1970-01-01.
    #[must_use]
    pub const fn new(number: u16) -> Day {
        Day(number)
    }

    /// Days after 1970-01-01.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Its first instant.
    #[must_use]
    pub const fn start(self) -> Timestamp {
        Timestamp::clamped(self.0 as i64 * DAY_MS)
    }

    /// Whole days from `earlier` to `self`; 0 when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Day) -> u16 {
        self.0.saturating_sub(earlier.0)
    }

    /// The week it belongs to: weeks begin on Monday and are counted from 1970.
    #[must_use]
    pub const fn week(self) -> u16 {
        (self.0 + 3) / 7
    }

    /// The Monday of a week counted from 1970; the first day for the week before that.
    #[must_use]
    pub const fn monday(week: u16) -> Day {
        Day(week.saturating_mul(7).saturating_sub(3))
    }

    /// Day of the week, 0 = Monday ... 6 = Sunday.
    #[must_use]
    pub const fn weekday(self) -> u16 {
        (self.0 + 3) % 7
    }
}

/// A share in [0, 1]. Shown as percent only where people read it.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Default)]
pub struct Ratio(f64);

impl Ratio {
    /// Nothing.
    pub const ZERO: Ratio = Ratio(0.0);
    /// Everything.
    pub const ONE: Ratio = Ratio(1.0);

    /// `value` held to [0, 1]; not-a-number counts as 0.
    #[must_use]
    pub const fn clamped(value: f64) -> Ratio {
        if value >= 1.0 {
            Ratio(1.0)
        } else if value > 0.0 {
            Ratio(value)
        } else {
            Ratio(0.0)
        }
    }

    /// As a number in [0, 1].
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// An ISO 4217 currency that the product knows, by its three capital letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// Decimal digits of the minor unit of most currencies.
const MINOR_DIGITS: &[u8] = b"2";

/// Circulating ISO 4217 currencies with the digits of their minor unit.
const CURRENCIES: &[(&str, &[u8])] = &[
    (
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP \
         CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR \
         JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN \
         NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP \
         SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW ZWG",
        MINOR_DIGITS,
    ),
    ("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF", b"0"),
    ("BHD IQD JOD KWD LYD OMR TND", b"3"),
];

impl Currency {
    /// United States dollar.
    pub const USD: Currency = Currency(*b"USD");

    /// The currency of `code`, in any letter case; `None` when ISO 4217 has no such circulating currency.
    ///
    /// ```
    /// use churnwatch::units::Currency;
    /// assert_eq!(Currency::parse("eur").unwrap().code(), "EUR");
    /// assert_eq!(Currency::parse("JPY").unwrap().minor_digits(), 0);
    /// assert!(Currency::parse("XXZ").is_none());
    /// ```
    #[must_use]
    pub fn parse(code: &str) -> Option<Currency> {
        let letters: [u8; 3] = code.as_bytes().try_into().ok()?;
        let currency = Currency(letters.map(|letter| letter.to_ascii_uppercase()));
        if currency == Currency::USD {
            return Some(currency);
        }
        CURRENCIES.iter().any(|(codes, _)| currency.is_among(codes)).then_some(currency)
    }

    /// Whether it stands in a list of codes, three letters and a space each.
    fn is_among(self, codes: &str) -> bool {
        codes.as_bytes().chunks(4).any(|code| code.starts_with(&self.0))
    }

    /// Its three letters.
    #[must_use]
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }

    /// The same as bytes.
    #[must_use]
    pub const fn letters(self) -> [u8; 3] {
        self.0
    }

    /// Decimal digits of its minor unit: 2 for most, 0 for JPY, 3 for KWD.
    #[must_use]
    pub fn minor_digits(&self) -> u8 {
        // Nearly all have two: only the short lists of the others are searched.
        let unusual = CURRENCIES.iter().filter(|(_, digits)| *digits != MINOR_DIGITS);
        let digits = unusual.filter(|(codes, _)| self.is_among(codes)).find_map(|(_, digits)| digits.first());
        digits.map_or(2, |digit| digit - b'0')
    }
}

/// An amount of money: whole minor units (cents) of one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    /// Minor units; the sign says the direction.
    pub minor: i64,
    /// What they are units of.
    pub currency: Currency,
}

impl fmt::Display for Money {
    /// Major units with grouping, such as `12,340.50 USD`; whole amounts lose their zeros: `12,340 USD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minor_digits = self.currency.minor_digits();
        let scale = 10_u64.pow(u32::from(minor_digits));
        let (whole, part) = (self.minor.unsigned_abs() / scale, self.minor.unsigned_abs() % scale);
        if self.minor < 0 {
            f.write_str("-")?;
        }
        let digits = whole.to_string();
        let (mut group, mut rest) = digits.split_at(digits.len() % 3);
        if group.is_empty() {
            (group, rest) = rest.split_at(3);
        }
        f.write_str(group)?;
        while let Some((group, more)) = rest.split_at_checked(3) {
            f.write_str(",")?;
            f.write_str(group)?;
            rest = more;
        }
        if part > 0 {
            write!(f, ".{part:0width$}", width = usize::from(minor_digits))?;
        }
        f.write_str(" ")?;
        f.write_str(self.currency.code())
    }
}

/// A partition of a topic, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PartitionIndex(pub i32);

/// The offset of one record in its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(pub i64);

impl Offset {
    /// The position to read next once this record has been read.
    #[must_use]
    pub const fn next(self) -> NextOffset {
        NextOffset(self.0.saturating_add(1))
    }
}

/// The position a reader goes on from: the offset of the first record not yet read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NextOffset(pub i64);

/// Where a record stands in the canonical log (in file mode: partition 0 and the line's index, from 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// Its partition.
    pub partition: PartitionIndex,
    /// Its offset there.
    pub offset: Offset,
}

/// The product's one stable hash of bytes (XXH3, 64 bits): the same on every machine and in every version.
#[must_use]
pub fn stable_hash(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_shown_in_major_units_with_grouping() {
        let show = |minor, code| Money { minor, currency: Currency::parse(code).unwrap() }.to_string();
        assert_eq!(show(1_234_050, "USD"), "12,340.50 USD");
        assert_eq!(show(100_000, "EUR"), "1,000 EUR");
        assert_eq!(show(-5, "USD"), "-0.05 USD");
        assert_eq!(show(1_234, "JPY"), "1,234 JPY");
        assert_eq!(show(1, "KWD"), "0.001 KWD");
        assert_eq!(show(i64::MIN, "USD"), "-92,233,720,368,547,758.08 USD");
    }

    #[test]
    fn weeks_begin_on_monday() {
        let monday = Timestamp::from_ms(1_772_409_600_000).unwrap().day(); // 2026-03-02
        assert_eq!(monday.weekday(), 0);
        assert_eq!(Day::new(monday.number() - 1).week() + 1, monday.week());
        assert_eq!(Day::new(monday.number() + 6).week(), monday.week());
    }

    #[test]
    fn instants_outside_the_believed_range_are_refused() {
        assert!(Timestamp::from_ms(0).is_none());
        assert!(Timestamp::from_ms(i64::MAX).is_none());
        assert_eq!(Timestamp::MAX.plus(Span::from_days(1)), Timestamp::MAX);
        assert_eq!(Timestamp::clamped(i64::MIN), Timestamp::MIN);
    }
}
