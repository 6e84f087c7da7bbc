//! `churnwatch calibrate`: learns weights from the outcomes in a log, and writes them as a model that a run can start
//! from. This file arranges; what is learned is `engine::fleet`, how it looks is `super::model`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

use super::model::{self, Source};
use super::{ConfigArgs, EXIT_REJECTED, LogArgs, Output};
use crate::engine::fleet::Population;
use crate::engine::fleet::learner::{KIND_MIN, Learner, OUTCOMES_MIN};
use crate::engine::rules::{Learning, Rules};
use crate::local;
use crate::local::learn::learn;
use crate::wire::fleet::encode_model;

/// Arguments of `churnwatch calibrate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
    /// Write the model to this file: JSON, for `run --model`.
    #[arg(long, value_name = "FILE")]
    pub model: PathBuf,
    /// How it is told what was learned.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if [&args.log.input, &args.model].into_iter().any(|path| path == Path::new("-")) {
        bail!(
            "the log is read from a file, and standard output tells of the model: give --input and --model a file each"
        );
    }
    if let Some(path) = local::named_twice([args.log.input.as_path(), args.model.as_path()]) {
        bail!("{} is named twice; give the input and the model a file of its own", path.display());
    }
    let config = match args.config.load() {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    if config.rules.risk.learning != Learning::On {
        bail!("rules.risk.learning is not \"on\", so nothing is learned from outcomes; set it to \"on\" to calibrate");
    }
    let log = args.log.log(&config)?;
    let lesson = learn(&log)?;
    super::tell_rejected(&lesson.replayed);
    if lesson.replayed.replay.tally().events == 0 {
        return super::no_events(&log);
    }
    if let Some(missing) = missing(&lesson.learner) {
        bail!("{} teaches nothing: {missing}; give a longer log, or one in which more is known", log.path.display());
    }
    write(&args.model, &lesson.learner, &config.rules)?;
    model::print(&lesson.learner, &config.rules, &Source::Log(&args.log.input), args.output)?;
    super::tell(&format_args!("wrote {}", args.model.display()));
    Ok(match lesson.replayed.replay.tally().rejected_total() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(EXIT_REJECTED),
    })
}

/// What is missing before anything counts as learned; `None` when something was.
fn missing(learner: &Learner) -> Option<String> {
    if learner.fleet().models.iter().any(Option::is_some) {
        return None;
    }
    let short = |population: Population| {
        let record = learner.learned.get(population.index()).map(|learned| &learned.record)?;
        let stayed = record.outcomes - record.churned;
        Some(format!(
            "of {} accounts {:.0} outcomes are known (at least {OUTCOMES_MIN} are needed), {:.0} left and {stayed:.0} stayed \
             (at least {KIND_MIN} of each)",
            population.name(),
            record.outcomes,
            record.churned,
        ))
    };
    Some(Population::ALL.into_iter().filter_map(short).collect::<Vec<_>>().join("; "))
}

/// Writes the model beside its place first, so that no half of one is ever found there.
fn write(path: &Path, learner: &Learner, rules: &Rules) -> anyhow::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let written = std::fs::write(&beside, encode_model(learner, rules)).and_then(|()| std::fs::rename(&beside, path));
    written.with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn what_is_missing_is_told_by_population() {
        let mut learner = Learner::new(1);
        learner.learned[0].record.outcomes = 290.0;
        learner.learned[0].record.churned = 12.0;
        expect![[r#"of subscribed accounts 290 outcomes are known (at least 300 are needed), 12 left and 278 stayed (at least 30 of each); of unsubscribed accounts 0 outcomes are known (at least 300 are needed), 0 left and 0 stayed (at least 30 of each)"#]].assert_eq(&missing(&learner).unwrap());
    }
}
