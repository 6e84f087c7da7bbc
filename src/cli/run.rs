//! `churnwatch run`: the service against Kafka, or the same engine over a file.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;

use super::ConfigArgs;

/// Arguments of `churnwatch run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Parts to run in this process.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "ROLES", default_value = "ingest,engine,serve")]
    pub role: Vec<RoleName>,
    /// Run over this file of NDJSON events instead of Kafka; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "role")]
    pub input: Option<PathBuf>,
    /// Write alerts as NDJSON to this file instead of standard output.
    #[arg(long, value_name = "FILE", requires = "input")]
    pub alerts: Option<PathBuf>,
    /// Write the health of every account at the end as NDJSON to this file.
    #[arg(long, value_name = "FILE", requires = "input")]
    pub health: Option<PathBuf>,
    /// Write rejected lines as NDJSON to this file instead of standard error.
    #[arg(long, value_name = "FILE", requires = "input")]
    pub rejects: Option<PathBuf>,
}

/// A part of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleName {
    /// Source topics to the canonical log.
    Ingest,
    /// Canonical log to alerts, health and state.
    Engine,
    /// The HTTP server.
    Serve,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let _config = match args.config.load() {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    anyhow::bail!("the service is not in this build")
}
