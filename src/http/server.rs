//! Connections and their limits: how many, how long, how large a request head; and an orderly end.
//!
//! Knows nothing of paths. A client that sends or reads slowly loses its connection and takes no thread with it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// What a server takes upon itself at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Connections at a time; further ones wait in the operating system's queue.
    pub connections_max: usize,
    /// A request's head must be complete this long after the connection opened or the previous request ended.
    pub head_time_max: Duration,
    /// A connection of this age is closed, after the request that is running.
    pub connection_age_max: Duration,
    /// A running request has this long to end once its connection is to be closed.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections_max: 128,
            head_time_max: Duration::from_secs(30),
            connection_age_max: Duration::from_secs(300),
            grace: Duration::from_secs(3),
        }
    }
}

/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Headers of a request.
const HEADERS_MAX: usize = 64;
/// How long to wait before accepting again when the system has no resources for it.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(200);

/// Accepts connections until `stopping` turns true (or its sender is gone), then lets them end within the grace.
pub(super) async fn run(listener: TcpListener, routes: Router, limits: Limits, mut stopping: watch::Receiver<bool>) {
    let slots = Arc::new(Semaphore::new(limits.connections_max));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut stopping) => break,
            Some(_) = connections.join_next() => {}
            accepted = accept(&listener, &slots) => if let Some((stream, slot)) = accepted {
                let (routes, stopping) = (routes.clone(), stopping.clone());
                connections.spawn(async move {
                    connection(stream, routes, limits, stopping).await;
                    drop(slot);
                });
            },
        }
    }
    drop(listener);
    // Connections enforce the grace themselves; the margin is for one that does not.
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(limits.grace + Duration::from_secs(1), all).await.is_err() {
        tracing::warn!("http connections did not end in time and are dropped");
    }
}

/// The next connection, once there is room for it; `None` when it could not be taken.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, slot)),
        Err(error) => {
            tracing::warn!(%error, "http connection could not be accepted");
            sleep(ACCEPT_BACKOFF).await;
            None
        }
    }
}

async fn connection(stream: TcpStream, routes: Router, limits: Limits, mut stopping: watch::Receiver<bool>) {
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time_max)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let mut serving = pin!(serving);
    tokio::select! {
        // A client that breaks off is its own affair.
        _ = serving.as_mut() => return,
        () = stopped(&mut stopping) => {}
        () = sleep(limits.connection_age_max) => {}
    }
    serving.as_mut().graceful_shutdown();
    if timeout(limits.grace, serving).await.is_err() {
        tracing::debug!("http connection was cut off");
    }
}

/// Resolves once the server is to stop.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the server's owner is gone, which stops it as well.
    let _ = stopping.wait_for(|stop| *stop).await;
}
