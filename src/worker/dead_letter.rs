//! Dead letters: records that could not become events, untouched, with the reason in headers.
//!
//! Key, value and headers stay as they were; `__connect.errors.*` headers of Kafka Connect's convention are added behind
//! them, so that common tools can read them. Of several headers of one name the last counts, as for Kafka's own clients: a
//! record that was a dead letter before keeps what was said of it then, and is told by what is said now. The timestamp is
//! the time of production, since brokers refuse records of the future and delete those of the past; the record's own is
//! in [`TIMESTAMP_HEADER`].

use super::RawRecord;
use super::outbox::{OutTopic, Outbox};
use crate::units::PartitionIndex;

/// The header with the record's own timestamp, in milliseconds since 1970; absent where its topic kept none.
pub const TIMESTAMP_HEADER: &str = "churnwatch.record.timestamp";

/// Where in the product a record was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Between a source topic and the canonical log.
    Ingest,
    /// Behind the canonical log.
    Engine,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Stage::Ingest => "INGEST",
            Stage::Engine => "ENGINE",
        }
    }
}

/// Why a record was refused.
#[derive(Clone, Copy, Debug)]
pub struct Reason<'a> {
    /// Stable snake-case name; the metric label.
    pub name: &'static str,
    /// What is wrong, for people.
    pub message: &'a str,
}

/// Where dead letters go and what fits there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadLetterTopic {
    /// How many partitions it has, at least 1.
    pub partitions: i32,
    /// Records above this many bytes are written without their value; if that is not enough, without key and headers too.
    /// Topic and producer leave room beside it for what is added here.
    pub record_bytes_max: usize,
}

impl DeadLetterTopic {
    /// Appends `record`, read from `source_topic`, to the dead letters.
    pub fn push(
        &self,
        outbox: &mut Outbox,
        source_topic: &str,
        record: &RawRecord<'_>,
        stage: Stage,
        reason: Reason<'_>,
    ) {
        let partition = PartitionIndex(record.partition.0.rem_euclid(self.partitions.max(1)));
        let mut headers_bytes = 0_usize;
        record.headers.each(&mut |name, value| headers_bytes += name.len() + value.map_or(0, <[u8]>::len));
        let bytes = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
        let beside_value = bytes(record.key).saturating_add(headers_bytes);
        let (value_fits, rest_fits) = (
            beside_value.saturating_add(bytes(record.value)) <= self.record_bytes_max,
            beside_value <= self.record_bytes_max,
        );
        let (key, value) = (record.key.filter(|_| rest_fits), record.value.filter(|_| value_fits));
        outbox.push_raw(OutTopic::DeadLetters, partition, key, value);
        if rest_fits {
            record.headers.each(&mut |name, value| outbox.header(name, value));
        }
        let mut add = |name: &str, value: &str| outbox.header(name, Some(value.as_bytes()));
        add("__connect.errors.topic", source_topic);
        add("__connect.errors.partition", &record.partition.0.to_string());
        add("__connect.errors.offset", &record.offset.0.to_string());
        add("__connect.errors.stage", stage.name());
        add("__connect.errors.exception.class.name", reason.name);
        let left = match (value_fits, rest_fits) {
            (true, _) => String::new(),
            (false, true) => format!("; its value of {} bytes is left in the source", bytes(record.value)),
            (false, false) => {
                format!(
                    "; its key, value and headers of {} bytes are left in the source",
                    record.bytes() + headers_bytes
                )
            }
        };
        add("__connect.errors.exception.message", &format!("{}{left}", reason.message));
        if let Some(timestamp) = record.timestamp {
            add(TIMESTAMP_HEADER, &timestamp.ms().to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Offset, Timestamp};
    use crate::worker::Headers;

    struct Two;
    impl Headers for Two {
        fn each(&self, visit: &mut dyn FnMut(&str, Option<&[u8]>)) {
            visit("trace", Some(b"abc"));
            visit("__connect.errors.topic", Some(b"earlier"));
        }
    }

    #[test]
    fn the_record_stays_as_it_was_and_the_reason_is_added() {
        let record = RawRecord {
            partition: PartitionIndex(5),
            offset: Offset(42),
            timestamp: Timestamp::from_ms(1_700_000_000_000),
            key: Some(b"key"),
            value: Some(b"{broken"),
            headers: &Two,
        };
        let topic = DeadLetterTopic { partitions: 4, record_bytes_max: 1 << 20 };
        let mut outbox = Outbox::new();
        let reason = Reason { name: "not_json", message: "no JSON" };
        topic.push(&mut outbox, "product.usage", &record, Stage::Ingest, reason);
        let letter = outbox.records().next().unwrap();
        assert_eq!((letter.partition, letter.key, letter.value), (PartitionIndex(1), record.key, record.value));
        let headers: Vec<_> = letter
            .headers()
            .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value.unwrap_or_default())))
            .collect();
        expect_test::expect![[r#"
            trace=abc
            __connect.errors.topic=earlier
            __connect.errors.topic=product.usage
            __connect.errors.partition=5
            __connect.errors.offset=42
            __connect.errors.stage=INGEST
            __connect.errors.exception.class.name=not_json
            __connect.errors.exception.message=no JSON
            churnwatch.record.timestamp=1700000000000"#]]
        .assert_eq(&headers.join("\n"));
    }

    #[test]
    fn what_no_topic_would_take_is_left_out_and_nothing_else() {
        let large = vec![b'x'; 1_000];
        // Key, value and the largest record; the headers of `Two` have 37 bytes.
        let check = |key: usize, value: usize, record_bytes_max: usize| {
            let record = RawRecord {
                partition: PartitionIndex(0),
                offset: Offset(0),
                timestamp: None,
                key: large.get(..key),
                value: large.get(..value),
                headers: &Two,
            };
            let mut outbox = Outbox::new();
            let reason = Reason { name: "too_large", message: "too large" };
            DeadLetterTopic { partitions: 1, record_bytes_max }.push(&mut outbox, "t", &record, Stage::Engine, reason);
            let letter = outbox.records().next().unwrap();
            let (_, message) = letter.headers().last().unwrap();
            let length = |part: Option<&[u8]>| part.map(<[u8]>::len);
            format!(
                "{:?} {:?} {} headers: {}",
                length(letter.key),
                length(letter.value),
                letter.headers().count(),
                String::from_utf8_lossy(message.unwrap())
            )
        };
        expect_test::expect![[r#"
            Some(100) Some(863) 8 headers: too large
            Some(100) None 8 headers: too large; its value of 864 bytes is left in the source
            None None 6 headers: too large; its key, value and headers of 1012 bytes are left in the source"#]]
        .assert_eq(&[check(100, 863, 1_000), check(100, 864, 1_000), check(965, 10, 1_000)].join("\n"));
    }
}
