//! `/api/v1/census`: what the accounts of this process come to, for reports.
//!
//! The engines count between two pieces of their work; here one waits for all of them and adds up.

use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::routes::problem;
use crate::engine::census::Census;
use crate::telemetry::{Role, Telemetry};
use crate::units::PartitionIndex;
use crate::wire::census::{self, InstanceCensus, Terms};

/// Engines that take longer to count are not waited for: less than the time in which every request is answered.
const PATIENCE: Duration = Duration::from_secs(15);

/// Answers with the census of all partitions held here; with a problem while that cannot be told.
pub(super) async fn census(State(telemetry): State<Telemetry>) -> Response {
    if !telemetry.roles().contains(&Role::Engine) {
        return problem(StatusCode::NOT_FOUND, "no engine runs in this process; ask one that has the role engine");
    }
    let unavailable = |detail: &str| problem(StatusCode::SERVICE_UNAVAILABLE, detail);
    if telemetry.missing().iter().any(|missing| missing.role == Role::Engine) {
        return unavailable("the engine is not ready, its state may still be read back; /readyz tells when it is");
    }
    let held = || -> Vec<PartitionIndex> { telemetry.views().iter().map(|view| *view.key()).collect() };
    if held().is_empty() {
        return unavailable("this process holds no partition at present; ask the others");
    }
    let Some(now) = telemetry.views().iter().filter_map(|view| view.clock).max() else {
        return unavailable("no clock yet: not every source has been heard of");
    };
    let Some(counted) = telemetry.inquiry().ask(now, PATIENCE, held).await else {
        return unavailable("the engine did not count its accounts in time; ask again later");
    };
    // Adding up and writing takes a while with many accounts: off the thread that all connections wait on.
    let written = tokio::task::spawn_blocking(move || {
        let mut sum = Census::default();
        for counted in counted.values() {
            sum.merge(&counted.census);
        }
        let instance = InstanceCensus {
            terms: counted.values().next().map(|counted| Terms::of(&counted.rules))?,
            partitions_len: counted.values().map(|counted| counted.partitions_len).max()?,
            partitions: counted.keys().copied().collect(),
            now,
            census: sum,
        };
        Some(census::encode(&instance))
    });
    match written.await {
        Ok(Some(body)) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Ok(None) => unavailable("this process holds no partition at present; ask the others"),
        Err(error) => {
            tracing::error!(%error, "the census could not be written");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "the census could not be written; the log says why")
        }
    }
}
