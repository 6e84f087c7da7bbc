//! What each path answers. Errors are JSON problems (RFC 9457); nothing is cached.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use super::auth::{TokenHash, require_token};
use super::census::census;
use crate::telemetry::{self, Missing, Role, Telemetry};

/// A request that is not answered by then gets 503.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);

/// All paths. What says anything of the business or the build asks for the token where there is one; probes stay open.
pub(super) fn router(telemetry: Telemetry, token: Option<TokenHash>) -> Router {
    let guarded = Router::new()
        .route("/metrics", get(metrics))
        .route("/version", get(version))
        .route("/api/v1/census", get(census))
        .route_layer(from_fn_with_state(token, require_token));
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .merge(guarded)
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(from_fn(in_time))
        .with_state(telemetry)
}

/// An error as a JSON problem.
pub(super) fn problem(status: StatusCode, detail: &str) -> Response {
    #[derive(Serialize)]
    struct Problem<'a> {
        title: &'a str,
        status: u16,
        detail: &'a str,
    }
    let title = status.canonical_reason().unwrap_or("Error");
    let mut response = (status, Json(Problem { title, status: status.as_u16(), detail })).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

async fn metrics(State(telemetry): State<Telemetry>) -> Response {
    // Rendering takes milliseconds with many series: off the thread that all connections wait on.
    match tokio::task::spawn_blocking(move || telemetry.render()).await {
        Ok(Ok(page)) => ([(header::CONTENT_TYPE, telemetry::CONTENT_TYPE)], page).into_response(),
        Ok(Err(error)) => {
            tracing::error!(%error, "metrics could not be rendered");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "metrics could not be rendered; the log says why")
        }
        Err(error) => {
            tracing::error!(%error, "metrics could not be rendered");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "metrics could not be rendered; the log says why")
        }
    }
}

async fn live() -> Response {
    #[derive(Serialize)]
    struct Answer {
        alive: bool,
    }
    Json(Answer { alive: true }).into_response()
}

async fn ready(State(telemetry): State<Telemetry>) -> Response {
    #[derive(Serialize)]
    struct Answer<'a> {
        ready: bool,
        roles: &'a [Role],
        missing: &'a [Missing],
    }
    let missing = telemetry.missing();
    let status = if missing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = Answer { ready: missing.is_empty(), roles: telemetry.roles(), missing: &missing };
    (status, Json(body)).into_response()
}

async fn version(State(telemetry): State<Telemetry>) -> Response {
    #[derive(Serialize)]
    struct Answer<'a> {
        name: &'a str,
        version: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        commit: Option<&'a str>,
        rules: &'a str,
        roles: &'a [Role],
    }
    Json(Answer {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        // Set by whoever builds a release from a commit.
        commit: option_env!("CHURNWATCH_COMMIT"),
        rules: telemetry.rules_hash(),
        roles: telemetry.roles(),
    })
    .into_response()
}

async fn unknown_path() -> Response {
    problem(StatusCode::NOT_FOUND, "there is /metrics, /livez, /readyz, /version and /api/v1/census")
}

async fn unknown_method() -> Response {
    problem(StatusCode::METHOD_NOT_ALLOWED, "use GET or HEAD")
}

async fn in_time(request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(ANSWER_TIME_MAX, next.run(request)).await;
    let mut response = answer
        .unwrap_or_else(|_| problem(StatusCode::SERVICE_UNAVAILABLE, "the answer took too long; ask again later"));
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
