//! `churnwatch simulate`: the events of a simulated company to a file, standard output or Kafka.

use std::path::PathBuf;
use std::process::ExitCode;

use super::ConfigArgs;

/// Arguments of `churnwatch simulate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Accounts of the simulated company.
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub accounts: u32,
    /// Days of history.
    #[arg(long, value_name = "N", default_value_t = 180, value_parser = clap::value_parser!(u16).range(1..=3_650))]
    pub days: u16,
    /// Seed of the simulation: the same seed, the same company.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Write the events to this file as NDJSON; `-` is standard output.
    #[arg(long, value_name = "FILE", default_value = "-", conflicts_with = "kafka")]
    pub events: PathBuf,
    /// Write the events to the configured source topics instead.
    #[arg(long)]
    pub kafka: bool,
    /// Write the planted truth to this file as NDJSON.
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let _ = args;
    anyhow::bail!("the simulator is not in this build")
}
