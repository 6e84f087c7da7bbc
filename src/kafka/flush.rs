//! Hands everything that waits in a producer to the broker now, instead of when a batch is full.
//!
//! With `batch`, the only file with `unsafe` code. rust-rdkafka's own flush asks for it for an instant only, which the
//! client's threads nearly always miss. Why nothing simpler does, as read in librdkafka 2.12.1 and measured: a partition
//! whose records have waited for longer than `linger.ms`, and that has as many requests in flight as an idempotent producer
//! may have, is tried again and again without a pause until the broker answers. With a short `linger.ms` a lagging service
//! spent a fifth of its processor time on that. So `linger.ms` is long, full batches leave by themselves, and the rest is
//! asked for at the end of a transaction, for a moment at a time.

#![allow(unsafe_code)]

use std::ffi::c_int;
use std::time::Duration;

use rdkafka::bindings;
use rdkafka::producer::Producer;

use super::client::Produce;

/// Sends what waits in `producer`, and waits until all of it has been delivered or has failed for good, but no longer than
/// `wait`, in whole milliseconds. What has become of it is for the producer's next poll to tell.
pub fn flush(producer: &Produce, wait: Duration) {
    let wait_ms = c_int::try_from(wait.as_millis()).unwrap_or(c_int::MAX);
    // SAFETY: the handle is valid as long as `producer` lives. The call may come from any thread and keeps nothing.
    unsafe { bindings::rd_kafka_flush(producer.client().native_ptr(), wait_ms) };
}
