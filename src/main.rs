//! The `churnwatch` program: arguments -> run -> exit code. No logic.

use std::process::ExitCode;

fn main() -> ExitCode {
    churnwatch::cli::main()
}
