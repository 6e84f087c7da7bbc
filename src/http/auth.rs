//! Who may ask: one bearer token, known by its SHA-256 only.

use std::fmt;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use sha2::{Digest, Sha256};

use super::HttpError;
use super::routes::problem;

/// The SHA-256 of a bearer token. The token itself is never held.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// From 64 hexadecimal digits in either case, as `sha256sum` prints them; any other text is refused.
    pub fn parse(digits: &str) -> Result<TokenHash, HttpError> {
        let mut hash = [0; 32];
        if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(HttpError::TokenHash);
        }
        for (place, byte) in hash.iter_mut().enumerate() {
            let pair = digits.get(place * 2..place * 2 + 2).ok_or(HttpError::TokenHash)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| HttpError::TokenHash)?;
        }
        Ok(TokenHash(hash))
    }

    /// Whether `token` is the one. Takes the same time wherever the hashes differ.
    #[must_use]
    pub fn admits(&self, token: &[u8]) -> bool {
        let given: [u8; 32] = Sha256::digest(token).into();
        let difference = self.0.iter().zip(given).fold(0, |sum, (ours, theirs)| sum | (ours ^ theirs));
        std::hint::black_box(difference) == 0
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

/// Lets a request through that carries the token, or every one where none is asked for; answers 401 to the others.
pub(super) async fn require_token(State(token): State<Option<TokenHash>>, request: Request, next: Next) -> Response {
    let Some(token) = token else { return next.run(request).await };
    if bearer(request.headers()).is_some_and(|given| token.admits(given)) {
        return next.run(request).await;
    }
    let mut refusal = problem(StatusCode::UNAUTHORIZED, "send the token as: Authorization: Bearer TOKEN");
    refusal.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"churnwatch\""));
    refusal
}

/// The token of the `Authorization` header; the scheme's letter case does not matter.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}
