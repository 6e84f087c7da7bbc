//! Records of a topic as lines of JSON, for reading by people and for reading back.
//!
//! A line gives back the record's key and value byte for byte. A value stands in its line as JSON where it is JSON on
//! one line that any reader takes; every other value stands in Base64, `null` only where there is none.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::base64;
use super::json::Object;
use crate::units::{Offset, PartitionIndex, Timestamp};

/// Deepest nesting of a value that stands in its line as it is. Common readers stop somewhere beyond 100.
const NESTING_MAX: usize = 64;

/// A record of a topic.
#[derive(Clone, Debug, PartialEq)]
pub struct DumpRecord<'a> {
    /// Its topic.
    pub topic: Cow<'a, str>,
    /// Its partition.
    pub partition: PartitionIndex,
    /// Its offset there.
    pub offset: Offset,
    /// The record's timestamp (not the event's); absent where the broker gave none that is believed.
    pub timestamp: Option<Timestamp>,
    /// Its key, if it has one.
    pub key: Option<Cow<'a, [u8]>>,
    /// Its value; absent: a tombstone.
    pub value: Option<Cow<'a, [u8]>>,
    /// Its headers in order; names may repeat, values may be absent.
    pub headers: Vec<Header<'a>>,
}

/// A header: its name and its value, if it has one.
pub type Header<'a> = (Cow<'a, str>, Option<Cow<'a, [u8]>>);

/// Why a line is no dumped record.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// It is not the JSON object that [`encode_line`] writes.
    #[error("line is no dumped record: {0}")]
    Shape(#[from] serde_json::Error),
    /// What should be Base64 is not.
    #[error("line is no dumped record: {0} is not Base64")]
    Base64(&'static str),
    /// The timestamp cannot be read.
    #[error("line is no dumped record: timestamp is no RFC 3339 time that is believed")]
    Timestamp,
}

/// Appends the line of `record`, with its line feed, to `out`.
pub fn encode_line(record: &DumpRecord<'_>, out: &mut Vec<u8>) {
    let mut line = Object::begin(out);
    line.text("topic", &record.topic);
    line.integer("partition", record.partition.0);
    line.integer("offset", record.offset.0);
    line.optional_time("timestamp", record.timestamp);
    bytes(&mut line, "key", "key_base64", record.key.as_deref());
    match record.value.as_deref().map(|value| (value, embeddable(value))) {
        Some((_, Some(json))) => line.key("value").extend_from_slice(json.as_bytes()),
        Some((value, None)) => line.text("value_base64", &base64::encode(value)),
        None => line.key("value").extend_from_slice(b"null"),
    }
    if !record.headers.is_empty() {
        let list = line.key("headers");
        list.push(b'[');
        for (index, (name, value)) in record.headers.iter().enumerate() {
            if index > 0 {
                list.push(b',');
            }
            let mut header = Object::begin(list);
            header.text("name", name);
            bytes(&mut header, "value", "value_base64", value.as_deref());
            header.end();
        }
        list.push(b']');
    }
    line.end();
    out.push(b'\n');
}

/// The record of a line that [`encode_line`] wrote.
pub fn decode_line(line: &[u8]) -> Result<DumpRecord<'_>, DumpError> {
    let form: LineForm<'_> = serde_json::from_slice(line)?;
    let value = match (form.value_base64, form.value.map(RawValue::get)) {
        (Some(text), _) => Some(Cow::Owned(base64::decode(&text).ok_or(DumpError::Base64("value_base64"))?)),
        (None, None | Some("null")) => None,
        (None, Some(json)) => Some(Cow::Borrowed(json.as_bytes())),
    };
    let headers = form.headers.into_iter().map(|header| {
        Ok((Cow::Owned(header.name), either(header.value, header.value_base64, "the value of a header")?))
    });
    Ok(DumpRecord {
        headers: headers.collect::<Result<_, DumpError>>()?,
        topic: Cow::Owned(form.topic),
        partition: PartitionIndex(form.partition),
        offset: Offset(form.offset),
        timestamp: form.timestamp.map(|text| instant(&text)).transpose()?,
        key: either(form.key, form.key_base64, "key_base64")?,
        value,
    })
}

#[derive(Deserialize)]
struct LineForm<'a> {
    topic: String,
    partition: i32,
    offset: i64,
    timestamp: Option<String>,
    key: Option<String>,
    key_base64: Option<String>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    value_base64: Option<String>,
    #[serde(default)]
    headers: Vec<HeaderForm>,
}

#[derive(Deserialize)]
struct HeaderForm {
    name: String,
    value: Option<String>,
    value_base64: Option<String>,
}

/// `value` as JSON that can stand in a line, be taken out again as it was, and is no trouble to any reader of the line.
fn embeddable(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    let is_whole = text.trim_ascii().len() == text.len() && !text.contains(['\n', '\r']) && text != "null";
    // Read in full: numbers beyond any double and halves of surrogate pairs are JSON to some readers only.
    let is_plain = || is_shallow(value) && serde_json::from_str::<serde_json::Value>(text).is_ok();
    (is_whole && is_plain()).then_some(text)
}

/// Whether nothing in `json` is nested deeper than [`NESTING_MAX`].
fn is_shallow(json: &[u8]) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    json.iter().all(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth <= NESTING_MAX
    })
}

/// Bytes as text where they are text, else in Base64 under the other name.
fn bytes(object: &mut Object<'_>, name: &str, name_base64: &str, bytes: Option<&[u8]>) {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        Some((_, Ok(text))) => object.text(name, text),
        Some((bytes, Err(_))) => object.text(name_base64, &base64::encode(bytes)),
        None => object.key(name).extend_from_slice(b"null"),
    }
}

type Bytes<'a> = Option<Cow<'a, [u8]>>;

fn either<'a>(text: Option<String>, base64: Option<String>, name: &'static str) -> Result<Bytes<'a>, DumpError> {
    match (text, base64) {
        (_, Some(base64)) => Ok(Some(Cow::Owned(base64::decode(&base64).ok_or(DumpError::Base64(name))?))),
        (text, None) => Ok(text.map(|text| Cow::Owned(text.into_bytes()))),
    }
}

fn instant(text: &str) -> Result<Timestamp, DumpError> {
    let parsed = chrono::DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_millis());
    parsed.and_then(Timestamp::from_ms).ok_or(DumpError::Timestamp)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    fn record<'a>(key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> DumpRecord<'a> {
        DumpRecord {
            topic: "churnwatch.events.v1".into(),
            partition: PartitionIndex(1),
            offset: Offset(42),
            timestamp: Timestamp::from_ms(1_772_366_400_123),
            key: key.map(Cow::Borrowed),
            value: value.map(Cow::Borrowed),
            headers: Vec::new(),
        }
    }

    fn check(records: &[DumpRecord<'_>], expected: &Expect) {
        let mut out = Vec::new();
        for record in records {
            encode_line(record, &mut out);
        }
        expected.assert_eq(std::str::from_utf8(&out).unwrap());
        for (line, record) in out.split_inclusive(|byte| *byte == b'\n').zip(records) {
            assert_eq!(decode_line(line).unwrap(), *record);
        }
    }

    #[test]
    fn lines_are_readable_and_lose_nothing() {
        let headers = vec![
            ("reason".into(), Some(Cow::Borrowed(&b"not_json"[..]))),
            ("reason".into(), None),
            ("raw".into(), Some(Cow::Borrowed(&b"\xff"[..]))),
        ];
        check(
            &[
                record(Some(b"acct-7"), Some(br#"{"id": "e1", "x":[1.50,{}]}"#)),
                record(Some(b"\0control"), Some(b" {}")),
                record(None, None),
                record(Some(b"\xff"), Some(b"null")),
                record(Some(b""), Some(b"{\n}")),
                DumpRecord { headers, timestamp: None, ..record(None, Some(b"not json")) },
                record(None, Some(b"")),
            ],
            &expect![[r#"
                {"topic":"churnwatch.events.v1","partition":1,"offset":42,"timestamp":"2026-03-01T12:00:00.123Z","key":"acct-7","value":{"id": "e1", "x":[1.50,{}]}}
                {"topic":"churnwatch.events.v1","partition":1,"offset":42,"timestamp":"2026-03-01T12:00:00.123Z","key":"\u0000control","value_base64":"IHt9"}
                {"topic":"churnwatch.events.v1","partition":1,"offset":42,"timestamp":"2026-03-01T12:00:00.123Z","key":null,"value":null}
                {"topic":"churnwatch.events.v1","partition":1,"offset":42,"timestamp":"2026-03-01T12:00:00.123Z","key_base64":"/w==","value_base64":"bnVsbA=="}
                {"topic":"churnwatch.events.v1","partition":1,"offset":42,"timestamp":"2026-03-01T12:00:00.123Z","key":"","value_base64":"ewp9"}
                {"topic":"churnwatch.events.v1","partition":1,"offset":42,"key":null,"value_base64":"bm90IGpzb24=","headers":[{"name":"reason","value":"not_json"},{"name":"reason","value":null},{"name":"raw","value_base64":"/w=="}]}
                {"topic":"churnwatch.events.v1","partition":1,"offset":42,"timestamp":"2026-03-01T12:00:00.123Z","key":null,"value_base64":""}
            "#]],
        );
    }

    #[test]
    fn every_line_can_be_read_by_any_reader_of_json() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for value in [
            nested(64),
            nested(65),
            nested(100_000),
            r#"{"a":"[[\"[["}"#.to_owned(),
            "1e999".to_owned(),
            r#""\ud800""#.to_owned(),
        ] {
            let mut line = Vec::new();
            encode_line(&record(None, Some(value.as_bytes())), &mut line);
            serde_json::from_slice::<serde_json::Value>(&line).unwrap();
            assert_eq!(decode_line(&line).unwrap().value.as_deref(), Some(value.as_bytes()));
            let as_it_is = value == nested(64) || value.starts_with('{');
            assert_eq!(line.windows(14).any(|part| part == b"\"value_base64\""), !as_it_is, "{value:.80}");
        }
    }

    #[test]
    fn other_lines_are_refused() {
        for line in ["", "{}", "[]", r#"{"topic":"t","partition":0,"offset":0,"value_base64":"!"}"#] {
            assert!(decode_line(line.as_bytes()).is_err(), "{line}");
        }
        let deep = format!(r#"{{"topic":"t","partition":0,"offset":0,"value":{}"#, "[".repeat(100_000));
        assert!(decode_line(deep.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_record_comes_back(
            key in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..9)),
            value in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..30)),
            json in "[ \\[\\]{}\",:0-9a\n\\\\]{0,12}",
        ) {
            let value = value.as_deref().or(Some(json.as_bytes()));
            let record = record(key.as_deref(), value);
            let mut out = Vec::new();
            encode_line(&record, &mut out);
            prop_assert_eq!(out.iter().position(|byte| *byte == b'\n'), Some(out.len() - 1));
            prop_assert_eq!(decode_line(&out).unwrap(), record);
        }
    }
}
