//! A compiled mapping, and reading by it.

use super::super::{Decoded, Refusal};
use super::spec::{Problem, Spec};

/// A mapping that is ready to read records.
#[derive(Debug, PartialEq)]
pub struct Mapping {
    spec: Spec,
}

impl Spec {
    /// The mapping, ready to read, or everything that is wrong with it.
    pub fn compile(&self) -> Result<Mapping, Vec<Problem>> {
        Ok(Mapping { spec: self.clone() })
    }
}

impl Mapping {
    /// Reads one record.
    pub fn decode<'a>(&self, value: &'a [u8]) -> Result<Decoded<'a>, Refusal> {
        let _ = &self.spec;
        super::super::canonical::decode_event(value)
    }
}
