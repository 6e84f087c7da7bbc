//! Bytes to engine types and back: every format that crosses the product's edge, pure and versioned.
//!
//! Imports `engine` and `units` only. Engine types never derive a wire format themselves, so that either side can
//! change without the other.

pub mod state;

/// The format of a source's records.
#[derive(Clone, Debug)]
pub enum Format {
    /// Canonical JSON.
    Canonical,
}
