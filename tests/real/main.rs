//! The product on real servers: Apache Kafka and Prometheus, which the tests start themselves on loopback.
//!
//! Run by `scripts/test`, which fetches the servers first; without them these tests fail, they are never skipped.
//! Every test is a deployment of its own on one shared broker, except where the broker itself is what goes wrong.

#[path = "../support/mod.rs"]
mod support;

mod crash;
mod exactly_once;
mod lifecycle;
mod metrics;
mod purchases;
mod topics;
