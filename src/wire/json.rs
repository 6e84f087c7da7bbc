//! Writing JSON objects member by member, and the names of small enumerations.
//!
//! Members are written in the order of the calls, so that equal values give equal bytes. Nothing can fail: the target is
//! memory, and all text is UTF-8 already.

use std::io::Write;

use chrono::{Datelike, Timelike};

use crate::engine::event::{Interval, Role};
use crate::units::{Money, Timestamp};

/// Roles by name.
pub(super) const ROLES: &[(&str, Role)] = &[
    ("champion", Role::Champion),
    ("admin", Role::Admin),
    ("sponsor", Role::Sponsor),
    ("member", Role::Member),
    ("internal", Role::Internal),
    ("service", Role::Service),
];

/// Billing intervals by name.
pub(super) const INTERVALS: &[(&str, Interval)] = &[
    ("day", Interval::Day),
    ("week", Interval::Week),
    ("month", Interval::Month),
    ("quarter", Interval::Quarter),
    ("year", Interval::Year),
];

/// The name of `value` in such a table.
pub(super) fn name_of<T: PartialEq>(values: &[(&'static str, T)], value: &T) -> &'static str {
    values.iter().find(|(_, known)| known == value).map_or("unknown", |(name, _)| name)
}

/// An object being written; [`Object::end`] closes it.
pub(super) struct Object<'o> {
    out: &'o mut Vec<u8>,
    members: usize,
}

impl<'o> Object<'o> {
    /// Opens an object at the end of `out`.
    pub(super) fn begin(out: &'o mut Vec<u8>) -> Object<'o> {
        out.push(b'{');
        Object { out, members: 0 }
    }

    /// Writes the key; the caller appends the value to what is returned.
    pub(super) fn key(&mut self, name: &str) -> &mut Vec<u8> {
        if self.members > 0 {
            self.out.push(b',');
        }
        self.members += 1;
        write_text(self.out, name);
        self.out.push(b':');
        self.out
    }

    /// A member of text.
    pub(super) fn text(&mut self, name: &str, value: &str) {
        write_text(self.key(name), value);
    }

    /// A member of text, left out when absent.
    pub(super) fn optional_text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// A member that is true or false.
    pub(super) fn flag(&mut self, name: &str, value: bool) {
        self.key(name).extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// A whole number.
    pub(super) fn integer(&mut self, name: &str, value: impl Into<i64>) {
        write_integer(self.key(name), value.into());
    }

    /// A number; `null` where it is not finite, which JSON cannot say.
    pub(super) fn float(&mut self, name: &str, value: f64) {
        // The shortest digits that read back as the same number.
        let _ = serde_json::to_writer(self.key(name), &value);
    }

    /// A time with milliseconds, in UTC.
    pub(super) fn time(&mut self, name: &str, value: Timestamp) {
        let out = self.key(name);
        out.push(b'"');
        write_time(out, value);
        out.push(b'"');
    }

    /// A time, left out when absent.
    pub(super) fn optional_time(&mut self, name: &str, value: Option<Timestamp>) {
        if let Some(value) = value {
            self.time(name, value);
        }
    }

    /// An amount in minor units, and `currency`.
    pub(super) fn money(&mut self, name: &str, value: Money) {
        self.integer(name, value.minor);
        self.text("currency", value.currency.code());
    }

    /// Closes the object.
    pub(super) fn end(self) {
        self.out.push(b'}');
    }
}

/// Appends `text` as a JSON string.
pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    let _ = serde_json::to_writer(out, text);
}

fn write_integer(out: &mut Vec<u8>, value: i64) {
    let _ = serde_json::to_writer(out, &value);
}

/// Appends `time` as RFC 3339 in UTC with milliseconds: what [`Timestamp`] displays, without its allocations.
fn write_time(out: &mut Vec<u8>, time: Timestamp) {
    let Some(at) = chrono::DateTime::from_timestamp_millis(time.ms()) else {
        let _ = write!(out, "{time}");
        return;
    };
    digits(out, at.year().unsigned_abs(), 4);
    out.push(b'-');
    digits(out, at.month(), 2);
    out.push(b'-');
    digits(out, at.day(), 2);
    out.push(b'T');
    digits(out, at.hour(), 2);
    out.push(b':');
    digits(out, at.minute(), 2);
    out.push(b':');
    digits(out, at.second(), 2);
    out.push(b'.');
    digits(out, at.timestamp_subsec_millis(), 3);
    out.push(b'Z');
}

fn digits(out: &mut Vec<u8>, mut number: u32, width: usize) {
    let end = out.len() + width;
    out.resize(end, b'0');
    for place in out.iter_mut().rev().take(width) {
        *place = b'0' + (number % 10) as u8;
        number /= 10;
    }
}
