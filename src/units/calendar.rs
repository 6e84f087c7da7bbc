//! The civil calendar: months, quarters and years of a configured time zone.
//!
//! Everything else in the product counts in UTC; only what people report by the month is reckoned here. Zones come with
//! the program, so that the same instant falls into the same month on every machine. Nothing here reads a clock.

use std::fmt;

use chrono::{Datelike, NaiveDate, Offset as _, TimeZone};
use chrono_tz::Tz;

use super::{Day, Timestamp};

/// A time zone, by its name in the IANA database.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Zone(Tz);

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Zone = Zone(Tz::UTC);

    /// The zone called `name`, such as `Europe/Berlin`; `None` when there is none.
    ///
    /// ```
    /// use churnwatch::units::calendar::Zone;
    /// assert_eq!(Zone::parse("Europe/Berlin").unwrap().name(), "Europe/Berlin");
    /// assert!(Zone::parse("Europe/Atlantis").is_none());
    /// ```
    #[must_use]
    pub fn parse(name: &str) -> Option<Zone> {
        name.parse().ok().map(Zone)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The month that `time` falls into here.
    ///
    /// ```
    /// use churnwatch::units::{Timestamp, calendar::Zone};
    /// // 2026-01-31T23:30:00Z is February in Berlin.
    /// let late = Timestamp::from_ms(1_769_902_200_000).unwrap();
    /// assert_eq!(Zone::UTC.month(late).to_string(), "2026-01");
    /// assert_eq!(Zone::parse("Europe/Berlin").unwrap().month(late).to_string(), "2026-02");
    /// ```
    #[must_use]
    pub fn month(self, time: Timestamp) -> Month {
        let date = self.date(time);
        Month::new(date.year(), date.month())
    }

    /// The date that `time` falls on here, as days after 1970-01-01.
    #[must_use]
    pub fn day(self, time: Timestamp) -> Day {
        if self.0 == Tz::UTC {
            return time.day();
        }
        day_of(self.date(time))
    }

    /// The first instant of the date `day` here. Where the clocks skip midnight, the day begins when they have.
    #[must_use]
    pub fn start(self, day: Day) -> Timestamp {
        let midnight = day.start();
        if self.0 == Tz::UTC {
            return midnight;
        }
        let Some(naive) = chrono::DateTime::from_timestamp_millis(midnight.ms()).map(|time| time.naive_utc()) else {
            return midnight;
        };
        let local = |hours: i64| self.0.from_local_datetime(&(naive + chrono::Duration::hours(hours))).earliest();
        // Gaps at midnight are of an hour at most; a day that a zone skipped as a whole begins with the next one.
        match local(0).or_else(|| local(1)) {
            Some(time) => Timestamp::clamped(time.timestamp_millis()),
            None => midnight,
        }
    }

    fn date(self, time: Timestamp) -> NaiveDate {
        let utc = chrono::DateTime::from_timestamp_millis(time.ms()).unwrap_or_default().naive_utc();
        (utc + self.0.offset_from_utc_datetime(&utc).fix()).date()
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A calendar month, counted from January 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Month(u16);

impl Month {
    /// The month `month` (1 to 12) of `year`; years before 1970 count as 1970.
    #[must_use]
    pub fn new(year: i32, month: u32) -> Month {
        let months = i64::from(year - 1970) * 12 + i64::from(month.clamp(1, 12)) - 1;
        Month(u16::try_from(months.max(0)).unwrap_or(u16::MAX))
    }

    /// The month `number` months after January 1970.
    #[must_use]
    pub const fn from_number(number: u16) -> Month {
        Month(number)
    }

    /// Months after January 1970.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Its year.
    #[must_use]
    pub const fn year(self) -> u16 {
        1970 + self.0 / 12
    }

    /// Its place in the year, 1 to 12.
    #[must_use]
    pub const fn of_year(self) -> u16 {
        self.0 % 12 + 1
    }

    /// `months` later, or earlier where negative; never before January 1970.
    #[must_use]
    pub fn plus(self, months: i32) -> Month {
        Month(u16::try_from((i32::from(self.0) + months).max(0)).unwrap_or(u16::MAX))
    }

    /// Whole months from `earlier` to `self`; 0 when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Month) -> u16 {
        self.0.saturating_sub(earlier.0)
    }

    /// Its first date.
    #[must_use]
    pub fn first_day(self) -> Day {
        NaiveDate::from_ymd_opt(i32::from(self.year()), u32::from(self.of_year()), 1).map_or(Day::new(u16::MAX), day_of)
    }

    /// The month called `text`, such as `2026-03`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Month> {
        let (year, month) = text.split_once('-')?;
        let (year, month) = (year.parse().ok()?, month.parse().ok()?);
        ((1970..=2100).contains(&year) && (1..=12).contains(&month)).then(|| Month::new(year, month))
    }
}

impl fmt::Display for Month {
    /// Such as `2026-03`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year(), self.of_year())
    }
}

/// How long a period is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Length {
    /// A calendar month.
    Month,
    /// January to March, and so on.
    Quarter,
    /// A calendar year.
    Year,
}

impl Length {
    /// All lengths, from the shortest.
    pub const ALL: [Length; 3] = [Length::Month, Length::Quarter, Length::Year];

    /// Stable name: metric label and column of reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Length::Month => "month",
            Length::Quarter => "quarter",
            Length::Year => "year",
        }
    }

    /// Its months.
    #[must_use]
    pub const fn months(self) -> u16 {
        match self {
            Length::Month => 1,
            Length::Quarter => 3,
            Length::Year => 12,
        }
    }

    /// The period that `month` belongs to.
    #[must_use]
    pub const fn of(self, month: Month) -> Period {
        Period { length: self, first: Month(month.0 - month.0 % self.months()) }
    }
}

/// A calendar month, quarter or year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    /// How long it is.
    pub length: Length,
    /// Its first month.
    pub first: Month,
}

impl Period {
    /// The period after it.
    #[must_use]
    pub fn next(self) -> Period {
        Period { first: self.first.plus(i32::from(self.length.months())), ..self }
    }

    /// The period before it.
    #[must_use]
    pub fn previous(self) -> Period {
        Period { first: self.first.plus(-i32::from(self.length.months())), ..self }
    }

    /// Its last month.
    #[must_use]
    pub fn last(self) -> Month {
        self.first.plus(i32::from(self.length.months()) - 1)
    }

    /// Its first date, and that of the period after it.
    #[must_use]
    pub fn days(self) -> (Day, Day) {
        (self.first.first_day(), self.next().first.first_day())
    }
}

impl fmt::Display for Period {
    /// Such as `2026-03`, `2026-Q1` or `2026`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.length {
            Length::Month => self.first.fmt(f),
            Length::Quarter => write!(f, "{:04}-Q{}", self.first.year(), self.first.of_year().div_ceil(3)),
            Length::Year => write!(f, "{:04}", self.first.year()),
        }
    }
}

/// The date `text`, such as `2026-03-01`, as days after 1970-01-01.
#[must_use]
pub fn parse_day(text: &str) -> Option<Day> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    (1970..=2100).contains(&date.year()).then(|| day_of(date))
}

/// The date `day` as text, such as `2026-03-01`.
#[must_use]
pub fn day_text(day: Day) -> String {
    chrono::DateTime::from_timestamp_millis(i64::from(day.number()) * super::DAY_MS)
        .unwrap_or_default()
        .date_naive()
        .to_string()
}

fn day_of(date: NaiveDate) -> Day {
    let days = date.signed_duration_since(NaiveDate::default()).num_days();
    Day::new(u16::try_from(days.max(0)).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn instant(text: &str) -> Timestamp {
        Timestamp::from_ms(chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()).unwrap()
    }

    #[test]
    fn an_instant_falls_into_the_month_of_its_zone() {
        let zones = ["UTC", "Europe/Berlin", "America/Los_Angeles", "Pacific/Kiritimati"];
        let mut shown = String::new();
        for text in ["2024-02-29T23:30:00Z", "2026-01-01T00:00:00Z", "2026-03-31T22:30:00Z", "2026-12-31T11:00:00Z"] {
            let time = instant(text);
            let months = zones.map(|name| {
                let zone = Zone::parse(name).unwrap();
                assert_eq!(Month::new(i32::from(zone.month(time).year()), 1).year(), zone.month(time).year());
                format!("{} {}", zone.month(time), day_text(zone.day(time)))
            });
            shown.extend([text, ": ", &months.join(", "), "\n"]);
        }
        expect![[r#"
            2024-02-29T23:30:00Z: 2024-02 2024-02-29, 2024-03 2024-03-01, 2024-02 2024-02-29, 2024-03 2024-03-01
            2026-01-01T00:00:00Z: 2026-01 2026-01-01, 2026-01 2026-01-01, 2025-12 2025-12-31, 2026-01 2026-01-01
            2026-03-31T22:30:00Z: 2026-03 2026-03-31, 2026-04 2026-04-01, 2026-03 2026-03-31, 2026-04 2026-04-01
            2026-12-31T11:00:00Z: 2026-12 2026-12-31, 2026-12 2026-12-31, 2026-12 2026-12-31, 2027-01 2027-01-01
        "#]]
        .assert_eq(&shown);
    }

    #[test]
    fn a_day_begins_where_the_zone_says() {
        let starts = [("UTC", "2026-03-29"), ("Europe/Berlin", "2026-03-30"), ("America/Santiago", "2026-09-06")];
        let shown: String = starts
            .map(|(name, day)| format!("{name} {}\n", Zone::parse(name).unwrap().start(parse_day(day).unwrap())))
            .concat();
        // In Santiago the clocks skip the hour after midnight.
        expect![[r#"
            UTC 2026-03-29T00:00:00.000Z
            Europe/Berlin 2026-03-29T22:00:00.000Z
            America/Santiago 2026-09-06T04:00:00.000Z
        "#]]
        .assert_eq(&shown);
    }

    #[test]
    fn periods_follow_each_other() {
        let month = Month::parse("2025-11").unwrap();
        let shown: String = Length::ALL
            .map(|length| {
                let period = length.of(month);
                let (from, to) = period.days();
                let days = format!("{} to {}", day_text(from), day_text(to));
                format!("{period} ({days}), {} {}, last {}\n", period.previous(), period.next(), period.last())
            })
            .concat();
        expect![[r#"
            2025-11 (2025-11-01 to 2025-12-01), 2025-10 2025-12, last 2025-11
            2025-Q4 (2025-10-01 to 2026-01-01), 2025-Q3 2026-Q1, last 2025-12
            2025 (2025-01-01 to 2026-01-01), 2024 2026, last 2025-12
        "#]]
        .assert_eq(&shown);
        assert_eq!(
            Month::parse("2024-03").unwrap().first_day().since(Month::parse("2024-02").unwrap().first_day()),
            29
        );
        assert!(
            Month::parse("2024-13").is_none() && Month::parse("march").is_none() && parse_day("2025-02-29").is_none()
        );
    }
}
