//! `churnwatch validate`: every problem of a configuration at once, or what is in force.

use std::process::ExitCode;

use super::{ConfigArgs, Output};

/// Arguments of `churnwatch validate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// How the report is printed.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match args.config.load() {
        Ok(_) => {
            println!("configuration is valid");
            Ok(ExitCode::SUCCESS)
        }
        Err(code) => Ok(code),
    }
}
