//! Everything that talks to a broker: the shell around the worker machines, and the topics themselves.
//!
//! ```text
//! service ─▶ one thread per worker: frame (its loop) over
//!                                   member (group, rebalance) ─▶ machine (worker) ─▶ transaction (producer)
//! identity (its name)               batch (records) ───────────▶
//!                                   restore (changelog) ───────▶
//! ```
//!
//! Nothing is decided here about records: that is `worker`. Invariants: offsets and outputs are committed in one
//! transaction or not at all; a partition is read only after its state has been restored and agrees with the group's
//! offset; a transaction never outlives the value that opened it.

pub mod batch;
pub mod client;
pub mod dump;
pub mod engine_worker;
pub mod error;
pub mod failpoint;
pub mod fleet_topic;
pub mod flush;
pub mod frame;
pub mod identity;
pub mod ingest_worker;
pub mod learner_worker;
pub mod member;
pub mod notify_worker;
pub mod restore;
pub mod service;
pub mod shell;
pub mod source_writer;
pub mod topics;
pub mod transaction;
