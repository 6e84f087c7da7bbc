//! `churnwatch topics`: shows, creates and dumps the topics that the product needs.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::{ConfigArgs, Output};

/// Arguments of `churnwatch topics`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t, global = true)]
    pub output: Output,
    /// What to do; without it the topics are shown.
    #[command(subcommand)]
    pub action: Option<Action>,
}

/// What to do with the topics.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Show the topics, what they should be and what they are.
    Show,
    /// Create the topics that are missing.
    Create,
    /// Write a topic's records as NDJSON, one line each.
    Dump {
        /// The topic.
        topic: String,
        /// Write to this file instead of standard output.
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let _config = match args.config.load() {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    anyhow::bail!("topic administration is not in this build")
}
