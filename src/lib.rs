//! churnwatch: usage and billing events in, churn alerts and live retention gauges out.
//!
//! ```text
//! source topics ─▶ ingest ─▶ canonical log ─▶ engine ─▶ alerts, account health, state, dead letters
//!                  (wire)    (one per account) (pure)    and /metrics
//! ```
//!
//! In reading order: [`units`], [`engine`], [`desk`], [`wire`], [`worker`], [`kafka`], [`local`], [`sim`],
//! [`evaluation`], [`config`], [`telemetry`], [`http`], [`cli`].

pub mod cli;
pub mod config;
pub mod desk;
pub mod engine;
pub mod evaluation;
pub mod http;
pub mod kafka;
pub mod local;
pub mod sim;
pub mod telemetry;
pub mod units;
pub mod wire;
pub mod worker;
