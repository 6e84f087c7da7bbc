//! Everything that talks to a broker.

pub mod dump;
pub mod topics;
