//! The log of the process: structured records to standard error, for people or for machines.
//!
//! Messages are constant and lowercase; what varies stands in fields. [`RateLimit`] keeps a repeated message from
//! flooding. No payload and no secret is ever logged.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

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
    let filter = filter(level)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match style {
        LogStyle::Pretty => builder.with_ansi(colours_wanted()).try_init(),
        LogStyle::Json => builder.json().flatten_event(true).with_ansi(false).try_init(),
    };
    started.map_err(|_| TelemetryError::LoggingTwice)
}

/// What is wrong with a level, if anything is.
#[must_use]
pub fn refused_level(level: &str) -> Option<TelemetryError> {
    filter(level).err()
}

fn filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    let refuse = |reason: String| TelemetryError::Level { level: level.to_owned(), reason };
    // A bare word that is no level would be taken for a module, and a misspelt level silence everything.
    let words = level.split(',').map(str::trim).filter(|part| !part.contains('='));
    for word in words {
        // The parser would take an empty word for `error`.
        let level = Some(word).filter(|word| !word.is_empty()).and_then(|word| word.parse::<LevelFilter>().ok());
        level.ok_or_else(|| refuse(format!("{word:?} is no level")))?;
    }
    EnvFilter::builder().parse(level).map_err(|error| refuse(error.to_string()))
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

#[cfg(test)]
mod tests {
    use super::filter;

    #[test]
    fn levels_and_filters_are_understood_and_slips_refused() {
        for good in ["info", "off", "DEBUG", "info,churnwatch::kafka=debug", "churnwatch=trace, warn"] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for bad in ["", "inf", "info,,", "churnwatch", "churnwatch=loud"] {
            let message = filter(bad).unwrap_err().to_string();
            assert!(message.starts_with(&format!("log level {bad:?} is not understood: ")), "{message}");
        }
    }
}
