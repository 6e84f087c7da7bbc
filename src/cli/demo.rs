//! `churnwatch demo`: a simulated company through the same engine, with no broker.

use std::net::SocketAddr;
use std::process::ExitCode;

use super::Output;

/// Arguments of `churnwatch demo`.
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
    /// End after the report instead of going on live.
    #[arg(long)]
    pub once: bool,
    /// Where metrics are served while it goes on live.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9464")]
    pub listen: SocketAddr,
    /// How the report is printed.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let _ = args;
    anyhow::bail!("the demo is not in this build")
}
