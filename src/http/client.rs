//! A GET to another process of the product: plain HTTP, one request a connection, bounded in time and size.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, Uri, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Reaching the other side may take this long.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// So may its whole answer: longer than any that the server gives.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);
/// The largest answer that is read, in bytes.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not an address that can be asked.
    #[error("{0:?} is no address such as http://127.0.0.1:9464: plain http, a host and no path")]
    Address(String),
    /// Nobody there.
    #[error("cannot reach {address}: {source}; is the service running there, with the role serve?")]
    Unreachable {
        /// What was asked.
        address: String,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The other side refuses.
    #[error("{address} answers {status}: {detail}")]
    Refused {
        /// What was asked.
        address: String,
        /// Its status.
        status: StatusCode,
        /// What it says about it.
        detail: String,
    },
    /// Not in time.
    #[error("{0} does not answer in time; ask again later")]
    Late(String),
    /// The connection broke, or what answers speaks no HTTP.
    #[error("{address} gave no answer that can be read: {problem}; is that the service's HTTP address?")]
    Broken {
        /// What was asked.
        address: String,
        /// What is wrong.
        problem: String,
    },
}

/// The body of the answer to `GET path` at `address`, such as `http://127.0.0.1:9464`, with `token` where there is one.
pub fn get(address: &str, path: &str, token: Option<&str>) -> Result<Vec<u8>, ClientError> {
    // Whatever stands before an @ may be a secret.
    let no_address = || ClientError::Address(address.rsplit('@').next().unwrap_or_default().to_owned());
    let uri: Uri = address.parse().map_err(|_| no_address())?;
    let is_plain = uri.scheme_str() == Some("http") && matches!(uri.path(), "" | "/") && uri.query().is_none();
    let authority = uri.authority().filter(|authority| is_plain && !authority.as_str().contains('@'));
    let authority = authority.ok_or_else(no_address)?.clone();
    let mut request = Request::get(path).header(header::HOST, authority.as_str()).header(header::CONNECTION, "close");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let broken = |problem: &dyn std::fmt::Display| ClientError::Broken {
        address: address.to_owned(),
        problem: problem.to_string(),
    };
    let request = request.body(Body::empty()).map_err(|error| broken(&error))?;
    let unreachable = |source| ClientError::Unreachable { address: address.to_owned(), source };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unreachable)?;
    runtime.block_on(async {
        // An address of the sixth version of the protocol stands in brackets.
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let connecting = TcpStream::connect((host, authority.port_u16().unwrap_or(80)));
        let late = |_| ClientError::Late(address.to_owned());
        let stream = timeout(CONNECT_TIME_MAX, connecting).await.map_err(late)?.map_err(unreachable)?;
        let asking = async {
            let (mut sender, connection) =
                http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
            // Ends when the answer has been read.
            tokio::spawn(connection);
            let answer = sender.send_request(request).await.map_err(|error| broken(&error))?;
            let status = answer.status();
            let body = to_bytes(Body::new(answer.into_body()), ANSWER_BYTES_MAX).await;
            Ok((status, body.map_err(|error| broken(&error))?.to_vec()))
        };
        let (status, body) = timeout(ANSWER_TIME_MAX, asking).await.map_err(late)??;
        if status == StatusCode::OK {
            return Ok(body);
        }
        Err(ClientError::Refused { address: address.to_owned(), status, detail: detail(&body) })
    })
}

/// Longest reason of a refusal that is told, in characters.
const DETAIL_MAX: usize = 300;

/// What a refusal says about itself: the detail of a JSON problem, else its text.
fn detail(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Problem {
        detail: String,
    }
    let text = || String::from_utf8_lossy(body).into_owned();
    let told = serde_json::from_slice::<Problem>(body).map_or_else(|_| text(), |problem| problem.detail);
    told.chars().filter(|letter| !letter.is_control()).take(DETAIL_MAX).collect()
}
