//! churnwatch: usage and billing events in, churn alerts and live retention gauges out.
//!
//! ```text
//! source topics ─▶ ingest ─▶ canonical log ─▶ engine ─▶ alerts, account health, state, dead letters
//!                  (wire)    (one per account) (pure)    and /metrics
//! ```

pub mod cli;
pub mod config;
pub mod engine;
pub mod http;
pub mod kafka;
pub mod local;
pub mod telemetry;
pub mod units;
pub mod wire;
pub mod worker;
