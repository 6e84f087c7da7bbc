//! Why bytes are no event: the reasons on dead letters, in the rejection counter and in file mode's messages.
//!
//! Names are stable: dashboards and dead-letter consumers rely on them. Messages name the field, say what was found and
//! what is wanted, and quote at most [`EXCERPT_CHARS_MAX`] characters of the record.

use crate::engine::event::MINOR_UNITS_MAX;
use crate::units::Timestamp;

/// Most characters of a record that a message quotes.
pub const EXCERPT_CHARS_MAX: usize = 64;

/// Why bytes are no event.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The record has no value at all.
    #[error("record has no value; send one event in each record")]
    NullPayload,
    /// The record has a value of no bytes, or of blanks only.
    #[error("record is empty; send one event in each record")]
    Empty,
    /// The record is longer than the configured limit; checked by whoever reads it.
    #[error("record has {bytes} bytes, the limit is {bytes_max}; raise limits.event_bytes_max or send less")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The configured limit.
        bytes_max: usize,
    },
    /// The bytes are no UTF-8 text.
    #[error("record is not UTF-8 from byte {valid_bytes} on; send UTF-8 text")]
    NotUtf8 {
        /// How many bytes at the beginning are UTF-8.
        valid_bytes: usize,
    },
    /// The text is no JSON.
    #[error("record is not JSON: {problem}; it begins with `{excerpt}`")]
    NotJson {
        /// What the parser met, and where.
        problem: String,
        /// The beginning of the record.
        excerpt: String,
    },
    /// A delimited line has another number of columns than the mapping names.
    #[error("line has {found} columns, the mapping names {wanted}; it begins with `{excerpt}`")]
    WrongColumns {
        /// Columns found.
        found: usize,
        /// Columns named.
        wanted: usize,
        /// The beginning of the line.
        excerpt: String,
    },
    /// A field holds another type than it should.
    #[error("{field} is {found}, it must be {wanted}")]
    WrongType {
        /// The field.
        field: &'static str,
        /// What it must be.
        wanted: &'static str,
        /// What it is.
        found: String,
    },
    /// The event says the same thing twice.
    #[error("key {field} stands twice in the record; send each key once")]
    DuplicateKey {
        /// The key.
        field: String,
    },
    /// A field that events of this type need is missing or null.
    #[error("{field} is missing")]
    MissingField {
        /// The field.
        field: &'static str,
    },
    /// The account is missing or null.
    #[error("account_id is missing; every event belongs to an account")]
    MissingAccount,
    /// The account is empty or blank.
    #[error("account_id is empty; every event belongs to an account")]
    EmptyAccount,
    /// An identity that the event may do without is empty or blank.
    #[error("{field} is empty; leave it out or give its value")]
    EmptyId {
        /// The field.
        field: &'static str,
    },
    /// The event's type, or an identity that it needs, is empty or blank.
    #[error("{field} is empty; the event needs its value")]
    EmptyRequired {
        /// The field.
        field: &'static str,
    },
    /// An identity is longer than the limit.
    #[error("{field} has {bytes} bytes, the limit is {bytes_max}")]
    IdTooLong {
        /// The field.
        field: &'static str,
        /// Its length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Free text is longer than the limit.
    #[error("{field} has {bytes} bytes, the limit is {bytes_max}")]
    TextTooLong {
        /// The field.
        field: &'static str,
        /// Its length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// A time cannot be read.
    #[error("{field} is {found}, it must be {wanted}")]
    MalformedTime {
        /// The field.
        field: &'static str,
        /// What it must be.
        wanted: &'static str,
        /// What it is.
        found: String,
    },
    /// A time is outside the range that is believed.
    #[error(
        "{field} is {found}, which is not from {} to {}; correct the producer's clock or unit",
        Timestamp::MIN,
        Timestamp::MAX
    )]
    AbsurdTime {
        /// The field.
        field: &'static str,
        /// What it is.
        found: String,
    },
    /// An amount of money is negative.
    #[error("{field} is {found}, it must not be negative")]
    NegativeAmount {
        /// The field.
        field: &'static str,
        /// What it is.
        found: i64,
    },
    /// An amount of money is absurdly large.
    #[error("{field} is {found}, the largest believed amount is {MINOR_UNITS_MAX} minor units")]
    AmountTooLarge {
        /// The field.
        field: &'static str,
        /// What it is.
        found: String,
    },
    /// The currency is none that circulates.
    #[error("currency is `{found}`, it must be an ISO 4217 code such as USD")]
    UnknownCurrency {
        /// What it is.
        found: String,
    },
    /// A survey score is outside its scale.
    #[error("score is {found}, it must be from {min} to {max}")]
    ScoreOutOfRange {
        /// What it is.
        found: i64,
        /// Lowest score.
        min: u8,
        /// Highest score.
        max: u8,
    },
    /// Another number is outside its range.
    #[error("{field} is {found}, it must be from {min} to {max}")]
    NumberOutOfRange {
        /// The field.
        field: &'static str,
        /// What it is.
        found: String,
        /// Smallest allowed.
        min: u32,
        /// Largest allowed.
        max: u32,
    },
    /// A field of a few fixed values holds another one.
    #[error("{field} is `{found}`, it must be one of {wanted}")]
    UnknownValue {
        /// The field.
        field: &'static str,
        /// What it is.
        found: String,
        /// The values.
        wanted: &'static str,
    },
    /// A control record of the canonical log is damaged, or of a newer version.
    #[error("control record {record} cannot be read: {problem}")]
    ControlRecord {
        /// Its type.
        record: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

impl Refusal {
    /// Stable snake-case name, used as metric label and in dead-letter headers.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Refusal::NullPayload => "null_payload",
            Refusal::Empty => "empty",
            Refusal::TooLarge { .. } => "too_large",
            Refusal::NotUtf8 { .. } => "not_utf8",
            Refusal::NotJson { .. } => "not_json",
            Refusal::WrongColumns { .. } => "wrong_columns",
            Refusal::WrongType { .. } => "wrong_type",
            Refusal::DuplicateKey { .. } => "duplicate_key",
            Refusal::MissingField { .. } => "missing_field",
            Refusal::MissingAccount => "missing_account",
            Refusal::EmptyAccount => "empty_account",
            Refusal::EmptyId { .. } | Refusal::EmptyRequired { .. } => "empty_id",
            Refusal::IdTooLong { .. } => "id_too_long",
            Refusal::TextTooLong { .. } => "text_too_long",
            Refusal::MalformedTime { .. } => "malformed_time",
            Refusal::AbsurdTime { .. } => "absurd_time",
            Refusal::NegativeAmount { .. } => "negative_amount",
            Refusal::AmountTooLarge { .. } => "amount_too_large",
            Refusal::UnknownCurrency { .. } => "unknown_currency",
            Refusal::ScoreOutOfRange { .. } => "score_out_of_range",
            Refusal::NumberOutOfRange { .. } => "number_out_of_range",
            Refusal::UnknownValue { .. } => "unknown_value",
            Refusal::ControlRecord { .. } => "control_record",
        }
    }
}

/// The beginning of `text`, for a message: at most [`EXCERPT_CHARS_MAX`] characters, control characters shown as `?`.
#[must_use]
pub(super) fn excerpt(text: &str) -> String {
    let mut shown: String =
        text.chars().take(EXCERPT_CHARS_MAX).map(|c| if c.is_control() { '?' } else { c }).collect();
    if text.chars().nth(EXCERPT_CHARS_MAX).is_some() {
        shown.pop();
        shown.push('…');
    }
    shown
}
