//! A mapping as the configuration declares it. What it does is in `read`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A declared mapping: the table `[mappings.NAME]` of the configuration.
///
/// Paths are dotted: `properties.value`, or `items.0.id` with an index into an array. With [`Layout::Columns`] a path is
/// the name of a column.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct Spec {
    /// How records are laid out; JSON when not given.
    pub format: Layout,
    /// Names of the columns, in order; only with the layout `columns`.
    pub columns: Vec<String>,
    /// What stands between two columns; any run of blanks when not given.
    pub delimiter: Option<String>,
    /// Path of the event's id, or several whose values are joined by `:`, or `@hash` for a hash of the record's bytes,
    /// which makes equal records one event.
    pub id: Paths,
    /// Path of the event time.
    pub time: Option<String>,
    /// How times are written; RFC 3339 when not given.
    pub time_format: TimeFormat,
    /// Path of the account.
    pub account: Option<String>,
    /// Path of the user, where the source knows one.
    pub user: Option<String>,
    /// Path of the source's event type, or several whose values are joined by `:`; not needed with `type_default`.
    pub r#type: Paths,
    /// The source's types and ours; an empty one is skipped.
    pub types: BTreeMap<String, String>,
    /// Our type for records whose type is missing or not among `types`; without it they are skipped as unknown.
    pub type_default: Option<String>,
    /// Types of the source that are skipped, also where `type_default` is given.
    pub skip: Vec<String>,
    /// By our type: its fields, each constant or copied. Traits are written `"traits.industry"`.
    pub fields: BTreeMap<String, TypeSpec>,
}

/// The fields of one of our types, by field name.
pub type TypeSpec = BTreeMap<String, FieldSpec>;

/// One path, or several whose values are joined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a path in quotes, or a list of paths")]
pub enum Paths {
    /// One.
    One(String),
    /// Several, joined by `:`.
    Joined(Vec<String>),
}

impl Default for Paths {
    fn default() -> Paths {
        Paths::Joined(Vec::new())
    }
}

impl Paths {
    /// The paths, in order.
    #[must_use]
    pub fn list(&self) -> &[String] {
        match self {
            Paths::One(path) => std::slice::from_ref(path),
            Paths::Joined(paths) => paths,
        }
    }
}

/// How records are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// One JSON object.
    #[default]
    Json,
    /// One line of columns.
    Columns,
}

/// How a source writes times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeFormat {
    /// RFC 3339 with any offset.
    #[default]
    Rfc3339,
    /// Seconds since 1970, whole or with a fraction.
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
    /// A day, `2026-03-01` or `20260301`, taken as 00:00 UTC.
    Date,
}

/// Where one field comes from: exactly one of `path` and `constant`.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "{ path = \"...\" } or { constant = ... }")]
pub struct FieldSpec {
    /// Copied from here; absent in the record, absent in the event.
    pub path: Option<String>,
    /// Always this.
    pub constant: Option<Constant>,
    /// Numbers are multiplied by this and rounded half away from zero: 100 makes cents of dollars.
    pub scale: Option<f64>,
    /// Numbers lose their sign: for sources that write refunds as negative amounts.
    pub abs: bool,
    /// How this time is written, where it differs from the mapping's.
    pub time_format: Option<TimeFormat>,
}

/// A constant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected text, a number, true or false")]
pub enum Constant {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Another number.
    Float(f64),
    /// Text.
    Text(String),
}

/// What is wrong with a mapping, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key within the mapping's table, such as `fields."feature.used".quantity`.
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
}
