//! The log of the process: structured records to standard error, for people or for machines.
//!
//! Messages are constant and lowercase; what varies stands in fields. [`RateLimit`] keeps a repeated message from
//! flooding. No payload and no secret is ever logged.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use tracing_subscriber::EnvFilter;

use super::TelemetryError;

/// How records of the log are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogStyle {
    /// One coloured line for people (plain when `NO_COLOR` is set or standard error is no terminal).
    #[default]
    Pretty,
    /// One JSON object a line.
    Json,
}

/// Starts logging to standard error. `level` is a level (`info`) or a filter by module
/// (`info,churnwatch::kafka=debug`). Fails when the filter is not understood or logging is already set up.
pub fn start(style: LogStyle, level: &str) -> Result<(), TelemetryError> {
    let filter = EnvFilter::builder()
        .parse(level)
        .map_err(|error| TelemetryError::Level { level: level.to_owned(), reason: error.to_string() })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match style {
        LogStyle::Pretty => builder.with_ansi(colours_wanted()).try_init(),
        LogStyle::Json => builder.json().flatten_event(true).with_ansi(false).try_init(),
    };
    started.map_err(|_| TelemetryError::LoggingTwice)
}

fn colours_wanted() -> bool {
    use std::io::IsTerminal;
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && std::io::stderr().is_terminal()
}

/// Lets one message through per period and counts the others, so that the next one can say how many were left out.
///
/// ```
/// use std::time::{Duration, Instant};
/// let limit = churnwatch::telemetry::logging::RateLimit::new(Duration::from_secs(10));
/// let start = Instant::now();
/// assert_eq!(limit.pass(start), Some(0));
/// assert_eq!(limit.pass(start), None);
/// assert_eq!(limit.pass(start + Duration::from_secs(10)), Some(1));
/// ```
#[derive(Debug)]
pub struct RateLimit {
    period: Duration,
    state: Mutex<(Option<Instant>, u64)>,
}

impl RateLimit {
    /// At most one message per `period`.
    #[must_use]
    pub const fn new(period: Duration) -> RateLimit {
        RateLimit { period, state: Mutex::new((None, 0)) }
    }

    /// Whether a message at `now` may be written: the number left out since the last one, or `None` to leave it out.
    pub fn pass(&self, now: Instant) -> Option<u64> {
        // A poisoned lock guards two plain values that are whole at any moment.
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (last, left_out) = *state;
        if last.is_some_and(|last| now.saturating_duration_since(last) < self.period) {
            *state = (last, left_out.saturating_add(1));
            return None;
        }
        *state = (Some(now), 0);
        Some(left_out)
    }
}
