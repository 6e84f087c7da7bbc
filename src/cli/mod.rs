//! The command line: one file per command, joined here.
//!
//! Here live the parsing of arguments, the exit codes and what commands share. What a command does lives in its own
//! file, which only arranges calls into the other modules. Results go to standard output, everything else to standard
//! error.

pub mod backtest;
pub mod calibrate;
pub mod demo;
pub mod explain;
pub mod model;
pub mod report;
pub mod run;
pub mod simulate;
pub mod topics;
pub mod validate;

use std::fmt::Display;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use clap::{Parser, Subcommand, ValueEnum};

use crate::config::{self, Complaint, Config, LogFormat};
use crate::kafka;
use crate::local::replay::{Found, Settings};
use crate::local::rerun::{Log, Replayed};
use crate::telemetry::TelemetryError;
use crate::telemetry::logging::{self, LogStyle};
use crate::units::Timestamp;
use crate::wire::Format;

/// Exit code: some input lines were rejected, or a model file cannot be read (`EX_DATAERR`).
pub const EXIT_REJECTED: u8 = 65;
/// Exit code of arguments that make no sense, as of those that cannot be read.
pub const EXIT_USAGE: u8 = 2;
/// Exit code: the configuration has problems (`EX_CONFIG`).
pub const EXIT_CONFIG: u8 = 78;

/// Churn signals from usage and billing events: alerts and live retention gauges, exactly once.
///
/// Exit codes: 0 success, 1 failure, 2 wrong usage, 65 some input lines were rejected or a model file is no use, 78 the
/// configuration has problems.
#[derive(Debug, Parser)]
#[command(name = "churnwatch", version)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the product on a simulated company: no broker needed.
    Demo(demo::Args),
    /// Run the service against Kafka, or the same engine over a file.
    Run(run::Args),
    /// Write the events of a simulated company, and the planted truth beside them.
    Simulate(simulate::Args),
    /// Measure risks and alerts over a log against what really happened.
    Backtest(backtest::Args),
    /// Tell why an account was judged as it was, at any time in a log.
    Explain(explain::Args),
    /// Print KPIs, cohorts, segments and who the best customers are as tables, of a log or of the running service.
    Report(report::Args),
    /// Learn weights from the outcomes in a log, for a run to start from.
    Calibrate(calibrate::Args),
    /// Show what the fleet has taught, or make the service forget it.
    Model(model::Args),
    /// Check a configuration and report every problem at once.
    Validate(validate::Args),
    /// Show, create or dump the topics that the product needs.
    Topics(topics::Args),
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For scripts.
    Json,
}

/// Where the configuration comes from: the same for every command that needs one.
#[derive(Debug, clap::Args)]
pub struct ConfigArgs {
    /// Configuration file; without it the defaults hold. Environment variables `CHURNWATCH__SECTION__KEY` override both.
    #[arg(short, long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
}

impl ConfigArgs {
    /// The configuration; or, its problems printed to standard error, the exit code that says so.
    pub fn load(&self) -> Result<Config, ExitCode> {
        config::load_with(self.config.as_deref(), &refused).map_err(|problems| {
            tell(&problems);
            ExitCode::from(EXIT_CONFIG)
        })
    }
}

/// What a configuration holds that only those who use it can judge: librdkafka properties, the log's level.
fn refused(config: &Config) -> Vec<Complaint> {
    let level = logging::refused_level(&config.log.level).map(|error| Complaint {
        path: "log.level".to_owned(),
        message: error.to_string(),
        found: None,
        allowed: None,
        hint: None,
    });
    kafka::client::refused_properties(config).into_iter().chain(level).collect()
}

/// Starts the log of the process as `config` says.
fn start_logging(config: &Config) -> Result<(), TelemetryError> {
    let style = match config.log.format {
        LogFormat::Pretty => LogStyle::Pretty,
        LogFormat::Json => LogStyle::Json,
    };
    logging::start(style, &config.log.level)
}

/// The log to look back over: the same for every command that needs one.
#[derive(Debug, clap::Args)]
pub struct LogArgs {
    /// The log: NDJSON events or a dumped canonical log, plain or compressed. It may be read twice, so no pipe.
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,
    /// The lines are what this source topic carries, read by its format; without it they are canonical.
    #[arg(long, value_name = "TOPIC")]
    pub source: Option<String>,
}

impl LogArgs {
    /// The log, under the rules of `config`.
    fn log(&self, config: &Config) -> anyhow::Result<Log> {
        log_at(&self.input, self.source.as_deref(), config)
    }
}

/// The log at `input` that carries what `source` does, under the rules of `config`.
fn log_at(input: &Path, source: Option<&str>, config: &Config) -> anyhow::Result<Log> {
    refuse_what_is_read_once(input)?;
    Ok(Log::new(input.to_owned(), replay_settings(config, source)?))
}

/// Refuses an input that could be read but once: standard input, a pipe.
fn refuse_what_is_read_once(input: &Path) -> anyhow::Result<()> {
    let is_other = || input.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir());
    if input == Path::new("-") || is_other() {
        bail!("the input may be read twice: give --input a file instead of standard input or a pipe");
    }
    Ok(())
}

/// Parses the process's arguments, runs the command and gives its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments.command) {
        Ok(code) => code,
        Err(error) => {
            tell(&format_args!("churnwatch: {}", told(&error)));
            ExitCode::FAILURE
        }
    }
}

/// The present wall time.
fn wall_time() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    Timestamp::clamped(i64::try_from(now).unwrap_or(i64::MAX))
}

/// The format of the source topic called `source`; the canonical one where none is named.
fn format_of(config: &Config, source: Option<&str>) -> anyhow::Result<Format> {
    let Some(topic) = source else { return Ok(Format::Canonical) };
    let topics = || config.sources.iter().map(|source| source.topic.as_str()).collect::<Vec<_>>().join(", ");
    let source = config.sources.iter().find(|source| source.topic == topic);
    Ok(source.with_context(|| format!("--source {topic} is no topic of [[sources]]: {}", topics()))?.format.clone())
}

/// How `config` looks back over a log that carries what `source` does.
fn replay_settings(config: &Config, source: Option<&str>) -> anyhow::Result<Settings> {
    Ok(Settings {
        format: format_of(config, source)?,
        rules: Arc::new(config.rules.clone()),
        event_bytes_max: config.limits.event_bytes_max,
        start: wall_time(),
        desk: config.alerts.desk(),
    })
}

/// Prints the first refused lines of a replay to standard error, and how many there were.
fn tell_rejected(replayed: &Replayed) {
    for rejected in &replayed.rejected {
        tell(&rejected.to_text());
    }
    let tally = replayed.replay.tally();
    for (reason, count) in &tally.rejected {
        tell(&format_args!("rejected {reason}: {count}"));
    }
    for (name, count) in &tally.unknown_types {
        tell(&format_args!("unknown type {name}: {count}"));
    }
}

/// Says why a log without events is of no use.
fn no_events(log: &Log) -> anyhow::Result<ExitCode> {
    let replayed = log.replay(None, Found::default(), &mut |_| ControlFlow::Continue(()))?;
    tell_rejected(&replayed);
    let lines = replayed.replay.tally().lines;
    let path = log.path.display();
    tell(&format_args!("churnwatch: {path} has {lines} lines and no event; --source names the format of other events"));
    Ok(if replayed.replay.tally().rejected_total() == 0 { ExitCode::FAILURE } else { ExitCode::from(EXIT_REJECTED) })
}

/// Prints a line to standard error. Where nobody reads it any more there is nobody left to tell: the exit code still does.
fn tell(line: &dyn Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// The message of `error` with its causes, leaving out those that the message already tells.
fn told(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |mut message, cause| {
        let cause = cause.to_string();
        if !message.contains(&cause) {
            if !message.is_empty() {
                message.push_str(": ");
            }
            message.push_str(&cause);
        }
        message
    })
}

fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(args) => demo::run(args),
        Command::Run(args) => run::run(args),
        Command::Simulate(args) => simulate::run(args),
        Command::Backtest(args) => backtest::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Report(args) => report::run(args),
        Command::Calibrate(args) => calibrate::run(args),
        Command::Model(args) => model::run(args),
        Command::Validate(args) => validate::run(args),
        Command::Topics(args) => topics::run(args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::LocalError;

    #[test]
    fn a_cause_is_told_once() {
        let source = io::Error::other("disk gone");
        let error = anyhow::Error::new(LocalError::Open { path: "events".into(), source });
        assert_eq!(told(&error), "cannot open input events: disk gone; check the path and its permissions");
        let error = Err::<(), _>(io::Error::other("disk gone")).context("cannot write events").unwrap_err();
        assert_eq!(told(&error), "cannot write events: disk gone");
    }
}
