//! Dead letters: records that could not become events, untouched, with the reason in headers.
//!
//! Key, value, timestamp and headers stay as they were; `__connect.errors.*` headers of Kafka Connect's convention are
//! added behind them, so that common tools can read them. A header of the record that already has such a name stays.

use super::RawRecord;
use super::outbox::{OutTopic, Outbox};
use crate::units::PartitionIndex;

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
    /// Records above this many bytes are written without their value.
    pub record_bytes_max: usize,
}

/// Room left for headers and framing beside key and value.
const OVERHEAD_BYTES: usize = 64 << 10;

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
        let fits = record.bytes().saturating_add(OVERHEAD_BYTES) <= self.record_bytes_max;
        let value = record.value.filter(|_| fits);
        outbox.push_raw(OutTopic::DeadLetters, partition, record.timestamp, record.key, value);
        record.headers.each(&mut |name, value| outbox.header(name, value));
        let mut add = |name: &str, value: &str| {
            let mut taken = false;
            record.headers.each(&mut |known, _| taken |= known == name);
            if !taken {
                outbox.header(name, Some(value.as_bytes()));
            }
        };
        add("__connect.errors.topic", source_topic);
        add("__connect.errors.partition", &record.partition.0.to_string());
        add("__connect.errors.offset", &record.offset.0.to_string());
        add("__connect.errors.stage", stage.name());
        add("__connect.errors.exception.class.name", reason.name);
        if fits {
            add("__connect.errors.exception.message", reason.message);
        } else {
            let bytes = record.value.map_or(0, <[u8]>::len);
            let message = format!("{}; its value of {bytes} bytes is left in the source", reason.message);
            add("__connect.errors.exception.message", &message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Offset;
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
            timestamp: None,
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
            __connect.errors.partition=5
            __connect.errors.offset=42
            __connect.errors.stage=INGEST
            __connect.errors.exception.class.name=not_json
            __connect.errors.exception.message=no JSON"#]]
        .assert_eq(&headers.join("\n"));
    }

    #[test]
    fn a_value_that_no_topic_would_take_is_left_out() {
        let value = vec![b'x'; 200_000];
        let record = RawRecord {
            partition: PartitionIndex(0),
            offset: Offset(0),
            timestamp: None,
            key: None,
            value: Some(&value),
            headers: &crate::worker::NoHeaders,
        };
        let topic = DeadLetterTopic { partitions: 1, record_bytes_max: 200_000 };
        let mut outbox = Outbox::new();
        topic.push(&mut outbox, "t", &record, Stage::Engine, Reason { name: "too_large", message: "too large" });
        let letter = outbox.records().next().unwrap();
        assert_eq!(letter.value, None);
        let (_, message) = letter.headers().last().unwrap();
        assert_eq!(message, Some(&b"too large; its value of 200000 bytes is left in the source"[..]));
    }
}
