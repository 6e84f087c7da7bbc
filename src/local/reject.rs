//! Lines that file mode refuses: why, and how that is written down.
//!
//! Events are refused by `wire` and by the engine with the reasons of the dead-letter topic; this adds the reasons that
//! only a file can give. In a file of refused lines each is kept byte for byte, so that it can be mended and run over
//! again; standard error names its number only.

use serde_json::json;

use crate::wire::dump::DumpError;
use crate::wire::notice::NoticeError;
use crate::wire::{Refusal, base64};

/// A refused line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its number, from 1.
    pub line: u64,
    /// Stable snake-case reason, the same as in dead-letter headers.
    pub reason: &'static str,
    /// What is wrong and what to do.
    pub message: String,
    /// Its bytes, without the line feed; absent where nobody keeps them, and where it was longer than
    /// [`LINE_BYTES_MAX`](super::lines::LINE_BYTES_MAX).
    pub content: Option<Vec<u8>>,
}

impl Rejected {
    /// As one JSON object: `line`, `reason`, `message`, and the line itself as `text`, or, where it is not UTF-8, as
    /// `text_base64`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut object = json!({ "line": self.line, "reason": self.reason, "message": self.message });
        if let (Some(content), Some(object)) = (&self.content, object.as_object_mut()) {
            let (name, text) = match std::str::from_utf8(content) {
                Ok(text) => ("text", text.to_owned()),
                Err(_) => ("text_base64", base64::encode(content)),
            };
            object.insert(name.to_owned(), text.into());
        }
        object.to_string()
    }

    /// As one sentence for people.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("line {}: {}: {}", self.line, self.reason, self.message)
    }
}

/// Why a line gives no input to an engine.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It holds no event.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A line of a dump cannot be read as one.
    #[error(transparent)]
    DamagedDumpLine(#[from] DumpError),
    /// A dump holds a line that is none of a dump.
    #[error("line is no dumped record, but the lines before it are; do not mix events with a dump")]
    NoDumpLine,
    /// A dump holds records of several topics.
    #[error("record is of topic {found}, the dump began with {wanted}; run one topic at a time")]
    OtherTopic {
        /// Its topic.
        found: String,
        /// The topic of the dump.
        wanted: String,
    },
    /// A record of a dump of alerts is none.
    #[error(transparent)]
    NoAlert(#[from] NoticeError),
    /// No partition has this number.
    #[error("partition {0} is not between 0 and {max}", max = super::replay::PARTITIONS_MAX - 1)]
    Partition(i32),
    /// A partition's records are not in order.
    #[error("offset {found} comes after {} in its partition; keep each partition in the order of its offsets", wanted - 1)]
    OffsetOrder {
        /// Its offset.
        found: i64,
        /// The smallest that could follow.
        wanted: i64,
    },
}

impl LineError {
    /// Stable snake-case name of the reason.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            LineError::Refused(refusal) => refusal.name(),
            LineError::DamagedDumpLine(_) => "damaged_dump_line",
            LineError::NoDumpLine => "no_dump_line",
            LineError::OtherTopic { .. } => "other_topic",
            LineError::NoAlert(_) => "unreadable_alert",
            LineError::Partition(_) => "partition_out_of_range",
            LineError::OffsetOrder { .. } => "offset_order",
        }
    }
}
