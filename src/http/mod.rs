//! The HTTP face of a process: metrics, liveness, readiness, version, the census; and how one process asks another.
//!
//! `routes` says what each path answers, `auth` who may ask, `server` keeps connections within limits. Reads from
//! [`Telemetry`] only; changes nothing. Invariant: without a token the server listens on loopback addresses only.

mod auth;
mod census;
pub mod client;
mod routes;
mod server;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use tokio::sync::watch;

use crate::telemetry::Telemetry;
pub use auth::TokenHash;

/// Where to listen and whom to let in.
#[derive(Clone, Debug)]
pub struct Options {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Who may read `/metrics`, `/version` and `/api`: the SHA-256 of the bearer token. `None` lets everybody in, which is
    /// allowed on loopback addresses only.
    pub token: Option<TokenHash>,
}

/// Why HTTP cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Another process has the port.
    #[error(
        "cannot listen on {0}: the address is in use; stop the process that has it or set another one as http.listen"
    )]
    AddressInUse(SocketAddr),
    /// Ports below 1024 need a right.
    #[error("cannot listen on {0}: not permitted; choose a port of 1024 or above as http.listen")]
    NotPermitted(SocketAddr),
    /// No interface of this machine has the address.
    #[error("cannot listen on {0}: this machine has no such address; set one of its own, or 127.0.0.1, as http.listen")]
    NoSuchAddress(SocketAddr),
    /// Everybody on the network could read.
    #[error(
        "refusing to listen on {0}: it can be reached from other machines; set http.token_sha256, or listen on 127.0.0.1"
    )]
    PublicWithoutToken(SocketAddr),
    /// Not 64 hexadecimal digits.
    #[error(
        "http.token_sha256 is not the SHA-256 of a token: expected 64 hexadecimal digits; make it with: printf %s \"$TOKEN\" | sha256sum"
    )]
    TokenHash,
    /// Anything else the operating system says.
    #[error("cannot serve http on {listen}: {source}")]
    Io {
        /// The address asked for.
        listen: SocketAddr,
        /// What the operating system says.
        source: std::io::Error,
    },
}

/// A server on a thread of its own. Dropping it stops it, as [`Server::stop`] does.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Where it listens, with the port that was found where 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections, lets running requests end within 3 seconds and returns.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("http thread ended by a panic");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// Serves from a thread with a runtime of its own, for a caller that is not async. The address is bound on return.
pub fn start(options: Options, telemetry: Telemetry) -> Result<Server, HttpError> {
    let listen = options.listen;
    let listener = bind(&options)?;
    let io = |source| HttpError::Io { listen, source };
    let address = listener.local_addr().map_err(io)?;
    // Answers are short and rare: one thread waits, and a few others render pages.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(2).build().map_err(io)?;
    let listener = {
        let _context = runtime.enter();
        tokio::net::TcpListener::from_std(listener).map_err(io)?
    };
    let (stop, stopping) = watch::channel(false);
    let routes = routes::router(telemetry, options.token);
    let thread = std::thread::Builder::new()
        .name("http".to_owned())
        .spawn(move || runtime.block_on(server::run(listener, routes, server::Limits::default(), stopping)))
        .map_err(io)?;
    tracing::info!(%address, "http is served");
    Ok(Server { address, stop, thread: Some(thread) })
}

/// Serves on the present runtime until `stop` resolves, then lets running requests end.
pub async fn serve(
    options: Options,
    telemetry: Telemetry,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), HttpError> {
    let listen = options.listen;
    let listener = bind(&options)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(|source| HttpError::Io { listen, source })?;
    let (sender, stopping) = watch::channel(false);
    let routes = routes::router(telemetry, options.token);
    let stop = async {
        stop.await;
        sender.send_replace(true);
    };
    tokio::join!(server::run(listener, routes, server::Limits::default(), stopping), stop);
    Ok(())
}

/// Binds the address without waiting, ready for a runtime.
fn bind(options: &Options) -> Result<TcpListener, HttpError> {
    use std::io::ErrorKind;
    let listen = options.listen;
    if options.token.is_none() && !listen.ip().is_loopback() {
        return Err(HttpError::PublicWithoutToken(listen));
    }
    let listener = TcpListener::bind(listen).map_err(|source| match source.kind() {
        ErrorKind::AddrInUse => HttpError::AddressInUse(listen),
        ErrorKind::PermissionDenied => HttpError::NotPermitted(listen),
        ErrorKind::AddrNotAvailable => HttpError::NoSuchAddress(listen),
        _ => HttpError::Io { listen, source },
    })?;
    listener.set_nonblocking(true).map_err(|source| HttpError::Io { listen, source })?;
    Ok(listener)
}
