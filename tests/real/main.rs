//! The product on real servers: Apache Kafka and Prometheus, which the tests start themselves on loopback.
//!
//! Run by `scripts/test`, which fetches the servers first; without them these tests fail, they are never skipped.
//! Every test is a deployment of its own on one shared broker, except where the broker itself is what goes wrong.

// Helpers of tests may fail as tests do; clippy's own exception covers only the test functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;

mod crash;
mod dashboards;
mod desk;
mod exactly_once;
mod fleet;
mod lifecycle;
mod metrics;
mod positions;
mod purchases;
mod report;
mod rules;
mod steps;
mod topics;
