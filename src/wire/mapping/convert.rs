//! From a source's values to the values of canonical fields: texts that are numbers, major units, times of all kinds.
//!
//! What cannot be converted is passed on as it is, so that the shared checks say what is wrong with it.

use std::borrow::Cow;

use super::spec::TimeFormat;
use crate::wire::Refusal;
use crate::wire::check::malformed_time;
use crate::wire::raw::Found;
use crate::wire::types::Shape;

/// How a value becomes that of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Conversion {
    /// What the field holds.
    pub(super) shape: Shape,
    /// Factor of numbers, with rounding half away from zero.
    pub(super) scale: Option<f64>,
    /// What becomes of the sign of numbers.
    pub(super) sign: Sign,
    /// How times are written.
    pub(super) time_format: TimeFormat,
}

/// What becomes of the sign of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// Kept.
    Kept,
    /// Dropped.
    Dropped,
}

impl Conversion {
    /// `found` as the field called `field` wants it.
    pub(super) fn apply<'a>(&self, field: &'static str, found: Found<'a>) -> Result<Found<'a>, Refusal> {
        Ok(match self.shape {
            Shape::Text => text(found),
            Shape::Whole => self.whole(number(found)),
            Shape::Measure => self.measure(number(found)),
            Shape::Flag => flag(found),
            Shape::Time => time(self.time_format, field, found)?,
            Shape::Traits => found,
        })
    }

    fn whole<'a>(&self, found: Found<'a>) -> Found<'a> {
        match (self.measure(found), self.scale) {
            (Found::Float(value), Some(_)) => integer(value.round()),
            (Found::Float(value), None) if value.fract() == 0.0 => integer(value),
            (found, _) => found,
        }
    }

    #[allow(clippy::cast_precision_loss)] // amounts are believed up to 10^12 only
    fn measure<'a>(&self, found: Found<'a>) -> Found<'a> {
        let found = match (found, self.scale) {
            (Found::Integer(value), Some(scale)) => Found::Float(value as f64 * scale),
            (Found::Float(value), Some(scale)) => Found::Float(value * scale),
            (found, _) => found,
        };
        match (found, self.sign) {
            (Found::Integer(value), Sign::Dropped) => Found::Integer(value.saturating_abs()),
            (Found::Float(value), Sign::Dropped) => Found::Float(value.abs()),
            (found, _) => found,
        }
    }
}

/// Numbers as text: many sources number their accounts.
pub(super) fn text(found: Found<'_>) -> Found<'_> {
    match found {
        Found::Integer(value) => Found::Text(Cow::Owned(value.to_string())),
        Found::Float(value) => Found::Text(Cow::Owned(value.to_string())),
        found => found,
    }
}

/// Text that says a number as that number.
fn number(found: Found<'_>) -> Found<'_> {
    let Found::Text(text) = found else { return found };
    let digits = text.trim_ascii();
    match (digits.parse::<i64>(), digits.parse::<f64>()) {
        (Ok(value), _) => Found::Integer(value),
        (_, Ok(value)) if value.is_finite() => Found::Float(value),
        _ => Found::Text(text),
    }
}

fn flag(found: Found<'_>) -> Found<'_> {
    match &found {
        Found::Text(text) if text == "true" => Found::Bool(true),
        Found::Text(text) if text == "false" => Found::Bool(false),
        _ => found,
    }
}

/// `value`, which has no fraction, as an integer where it fits one exactly enough.
#[allow(clippy::cast_possible_truncation)] // the range is checked
fn integer<'a>(value: f64) -> Found<'a> {
    if value.abs() < 9e18 { Found::Integer(value as i64) } else { Found::Float(value) }
}

fn time<'a>(format: TimeFormat, field: &'static str, found: Found<'a>) -> Result<Found<'a>, Refusal> {
    if matches!(found, Found::Absent | Found::Null) {
        return Ok(found);
    }
    let (ms, wanted) = match format {
        TimeFormat::Rfc3339 => return Ok(found),
        TimeFormat::Seconds => (instant(&found, 1000), "seconds since 1970"),
        TimeFormat::Milliseconds => (instant(&found, 1), "milliseconds since 1970"),
        TimeFormat::Date => (day_start(&found), "a day such as 2026-03-01 or 20260301"),
    };
    ms.map(Found::Instant).ok_or_else(|| malformed_time(field, wanted, &found))
}

/// Milliseconds since 1970 of a number of units of `unit_ms` each.
#[allow(clippy::cast_possible_truncation)] // saturates; checked against the believed range later
fn instant(found: &Found<'_>, unit_ms: u16) -> Option<i64> {
    match number(found.clone()) {
        Found::Integer(value) => Some(value.saturating_mul(i64::from(unit_ms))),
        Found::Float(value) => Some((value * f64::from(unit_ms)).round() as i64),
        _ => None,
    }
}

fn day_start(found: &Found<'_>) -> Option<i64> {
    let Found::Text(day) = text(found.clone()) else { return None };
    let day = day.trim_ascii();
    // Lengths are checked because chrono also takes years of other lengths.
    let format = match day.len() {
        8 => "%Y%m%d",
        10 => "%Y-%m-%d",
        _ => return None,
    };
    let day = chrono::NaiveDate::parse_from_str(day, format).ok()?;
    Some(day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis())
}
