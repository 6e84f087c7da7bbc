//! Where a record stands in an input, as people are told.

use std::fmt;

use crate::units::Position;

/// Where a record is found in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The line with this number, from 1.
    Line(u64),
    /// The record at this position of the dumped log.
    Record(Position),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line(line) => write!(f, "line {line}"),
            Place::Record(Position { partition, offset }) => write!(f, "partition {} offset {}", partition.0, offset.0),
        }
    }
}
