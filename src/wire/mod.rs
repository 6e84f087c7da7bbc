//! Bytes to engine types and back: every format that crosses the product's edge, pure and versioned.
//!
//! Imports `engine` and `units` only. Engine types never derive a wire format themselves, so that either side can
//! change without the other. Reading order: [`canonical`] (the log's own form) -> [`mapping`] (anybody else's) ->
//! [`refusal`] -> the outputs [`alert`] and [`health`]. Every event, whatever its format, passes the same checks.
//! No function here panics or overflows the stack, whatever the bytes.

pub mod alert;
pub(crate) mod base64;
pub mod canonical;
pub mod census;
mod check;
mod control;
pub mod desk;
pub mod desk_state;
pub mod dump;
pub mod fleet;
pub mod health;
mod json;
pub mod mapping;
pub mod notice;
pub mod partitioner;
mod raw;
pub mod refusal;
pub mod schema;
pub mod state;
mod types;

use std::borrow::Cow;
use std::sync::Arc;

pub use alert::encode_alert;
pub use health::encode_health;
pub use partitioner::partition_of;
pub use refusal::Refusal;

use crate::engine::input::Input;

/// What a record says.
#[allow(clippy::large_enum_variant)] // boxing would allocate for every event on the hot path
#[derive(Clone, Debug)]
pub enum Decoded<'a> {
    /// An event or, from the canonical log only, a control record.
    Input(Input<'a>),
    /// An event of a type that is not known here or that the mapping skips: counted, not refused.
    UnknownType(Cow<'a, str>),
}

/// How the records of a source are written.
#[derive(Clone, Debug, PartialEq)]
pub enum Format {
    /// The canonical JSON.
    Canonical,
    /// Another shape, by a declared mapping.
    Mapped(Arc<mapping::Mapping>),
}

impl Format {
    /// Reads a record of a source topic or file. Control records count as unknown types here, so that no source can
    /// move the engine's clock.
    pub fn decode_source<'a>(&self, value: &'a [u8]) -> Result<Decoded<'a>, Refusal> {
        match self {
            Format::Canonical => canonical::decode_event(value),
            Format::Mapped(mapping) => mapping.decode(value),
        }
    }
}
