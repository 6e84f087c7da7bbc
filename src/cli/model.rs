//! `churnwatch model`: shows what the fleet has taught, and makes the service forget it.
//!
//! Only arranging and printing lives here; how it is learned is in `engine::fleet`, files and topic are read in `wire` and
//! `kafka`.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;
use serde_json::{Value, json};

use super::{ConfigArgs, EXIT_CONFIG, EXIT_REJECTED, Output};
use crate::config::Config;
use crate::engine::fleet::learner::{KIND_MIN, Learner, OUTCOMES_MIN};
use crate::engine::fleet::model::Model;
use crate::engine::fleet::{Fleet, Population, features};
use crate::engine::rules::Rules;
use crate::kafka::fleet_topic;
use crate::local::learn::learn;
use crate::local::rerun::Log;
use crate::wire::fleet::{ModelError, decode_model};

/// Arguments of `churnwatch model`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with what was learned.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Show weights, outcomes, calibration and the fleet's habits: of a model file, of a log, or of the running service.
    Show {
        /// A model file, as `calibrate` writes it. Without it, and without --input: what the service has learned.
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// Learn from this log and show it.
        #[arg(long, value_name = "LOG", conflicts_with = "file")]
        input: Option<PathBuf>,
        /// The lines of the log are what this source topic carries, read by its format.
        #[arg(long, value_name = "TOPIC", requires = "input")]
        source: Option<String>,
        /// How it is printed.
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Make the service forget what it has learned. What it is told from then on it learns anew.
    Reset {
        /// Go on from this model file instead of from nothing.
        #[arg(long, value_name = "FILE")]
        model: Option<PathBuf>,
    },
}

/// Where what is shown comes from.
pub(super) enum Source<'a> {
    /// A model file.
    File(&'a Path),
    /// A log.
    Log(&'a Path),
    /// The fleet topic of the service.
    Service,
}

/// A model file that fits the configuration.
pub(super) struct ModelFile {
    /// Its text.
    pub text: String,
    /// What it holds.
    pub learner: Learner,
}

/// Reads a model file; or, its problem printed to standard error, the exit code that says so.
pub(super) fn read(path: &Path, config: &Config) -> anyhow::Result<Result<ModelFile, ExitCode>> {
    let cannot = || format!("cannot read model {}", path.display());
    let bytes = std::fs::read(path).with_context(cannot)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    match decode_model(&text, 1, &config.rules) {
        Ok(learner) => Ok(Ok(ModelFile { text, learner })),
        Err(error) => {
            super::tell(&format_args!("churnwatch: {}: {error}", path.display()));
            let code = if matches!(error, ModelError::Other { .. }) { EXIT_CONFIG } else { EXIT_REJECTED };
            Ok(Err(ExitCode::from(code)))
        }
    }
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = match args.config.load() {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    match &args.action {
        Action::Show { file: Some(path), output, .. } => match read(path, &config)? {
            Ok(file) => print(&file.learner, &config.rules, &Source::File(path), *output)?,
            Err(code) => return Ok(code),
        },
        Action::Show { input: Some(path), source, output, .. } => {
            let settings = super::replay_settings(&config, source.as_deref())?;
            let log = Log::new(path.clone(), settings);
            let lesson = learn(&log)?;
            super::tell_rejected(&lesson.replayed);
            if lesson.replayed.replay.tally().events == 0 {
                return super::no_events(&log);
            }
            print(&lesson.learner, &config.rules, &Source::Log(path), *output)?;
        }
        Action::Show { output, .. } => {
            let learner = fleet_topic::learned(&config)?;
            if learner.fleet().day.is_none() && learner == Learner::new(learner.partitions) {
                bail!(
                    "topic {} has taught nothing yet: the service learns from the first day on which all partitions have \
                     reported",
                    config.topics.fleet
                );
            }
            print(&learner, &config.rules, &Source::Service, *output)?;
        }
        Action::Reset { model } => {
            let file = match model.as_deref().map(|path| read(path, &config)).transpose()? {
                Some(Ok(file)) => Some(file),
                Some(Err(code)) => return Ok(code),
                None => None,
            };
            fleet_topic::begin(&config, file.as_ref().map(|file| file.text.as_str()))?;
            super::tell(&"the learner begins anew; the engines follow when they have read the record that it writes");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what was learned.
pub(super) fn print(learner: &Learner, rules: &Rules, source: &Source<'_>, output: Output) -> anyhow::Result<()> {
    let text = match output {
        Output::Text => text(learner, rules, source),
        Output::Json => format!("{}\n", json(learner, rules)),
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()), // a reader such as `head` may have had enough
    }
}

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// The features that carry a weight, the heaviest first: index and name.
fn ranked(model: &Model) -> Vec<(usize, &'static str)> {
    let weight = |index: usize| model.weights.get(index).map_or(0.0, |weight| weight.abs());
    let named = (0..model.weights.len()).filter_map(|index| Some((index, features::name(index)?)));
    let mut ranked: Vec<_> = named.filter(|(index, _)| weight(*index) > 0.0).collect();
    ranked.sort_by(|(a, _), (b, _)| weight(*b).total_cmp(&weight(*a)).then(a.cmp(b)));
    ranked
}

/// Whether the feature is the strength of a signal: one may be called as a fact is.
fn is_signal(index: usize) -> bool {
    index >= features::FACTS.len()
}

/// Days out of the ordinary among those the calendar knows.
fn low_days(fleet: &Fleet) -> usize {
    fleet.calendar.days().iter().filter(|day| day.missing > 0.0).count()
}

fn text(learner: &Learner, rules: &Rules, source: &Source<'_>) -> String {
    let fleet = learner.fleet();
    let mut out = match source {
        Source::File(path) => format!("model {}", path.display()),
        Source::Log(path) => format!("learned from {}", path.display()),
        Source::Service => "learned by the service".to_owned(),
    };
    let known = fleet.day.map(|day| format!(", up to {}", date(day)));
    let _ = writeln!(out, "{}; churn within {:.0} days", known.unwrap_or_default(), rules.horizon.days());
    for (population, learned) in Population::ALL.into_iter().zip(&learner.learned) {
        let record = &learned.record;
        let _ = write!(out, "\n{}: {:.0} outcomes, {:.0} churned", population.name(), record.outcomes, record.churned);
        match record.calibration_error() {
            Some(error) => _ = writeln!(out, ", calibration error {error:.3}"),
            None => _ = writeln!(out),
        }
        let Some(model) = fleet.model(population) else {
            let _ = writeln!(
                out,
                "  not learned: needs {OUTCOMES_MIN} outcomes, {KIND_MIN} of each kind; the weights of the configuration hold"
            );
            continue;
        };
        let _ = writeln!(out, "  {:<28}{:>9}{:>11}{:>10}", "feature", "weight", "mean", "scale");
        let _ = writeln!(out, "  {:<28}{:>9.3}", "base", model.intercept);
        for (index, name) in ranked(model) {
            let at = |values: &[f64]| values.get(index).copied().unwrap_or_default();
            let (weight, mean, scale) = (at(&model.weights), at(&model.means), at(&model.scales));
            let name = if is_signal(index) { format!("{name} (signal)") } else { name.to_owned() };
            let _ = writeln!(out, "  {name:<28}{weight:>9.3}{mean:>11.3}{scale:>10.3}");
        }
    }
    for (name, prior) in [("14 days", fleet.prior_14), ("182 days", fleet.prior_182)] {
        let rate = prior.shape / prior.exposure_days;
        let _ =
            write!(out, "\nrate over {name}: {rate:.3} active days a day, worth {:.1} days of", prior.exposure_days);
        out.push_str(" evidence");
    }
    let _ = write!(out, "\ncalendar: {} days known, {} of them low", fleet.calendar.days().len(), low_days(fleet));
    let profile = fleet.calendar.profile();
    let week: Vec<String> = WEEKDAYS.iter().zip(profile).map(|(day, weight)| format!("{day} {weight:.2}")).collect();
    let _ = writeln!(out, "; {}", week.join(", "));
    out
}

fn json(learner: &Learner, rules: &Rules) -> Value {
    let fleet = learner.fleet();
    let populations = Population::ALL.into_iter().zip(&learner.learned).map(|(population, learned)| {
        let model = fleet.model(population);
        let weights = model.map(|model| {
            let at = |values: &[f64], index: usize| values.get(index).copied().unwrap_or_default();
            let row = |(index, name)| {
                json!({
                    "feature": name, "is_signal": is_signal(index), "weight": at(&model.weights, index), "mean": at(&model.means, index),
                    "scale": at(&model.scales, index),
                })
            };
            ranked(model).into_iter().map(row).collect::<Vec<_>>()
        });
        json!({
            "population": population.name(),
            "learned": model.is_some(),
            "outcomes": learned.record.outcomes,
            "churned": learned.record.churned,
            "calibration_error": learned.record.calibration_error(),
            "intercept": model.map(|model| model.intercept),
            "weights": weights,
        })
    });
    let prior = |prior: crate::engine::fleet::prior::GammaPrior| json!({ "shape": prior.shape, "exposure_days": prior.exposure_days });
    json!({
        "up_to": fleet.day.map(date),
        "horizon_days": rules.horizon.days(),
        "populations": populations.collect::<Vec<_>>(),
        "prior_14_days": prior(fleet.prior_14),
        "prior_182_days": prior(fleet.prior_182),
        "calendar": {
            "days": fleet.calendar.days().len(), "low_days": low_days(fleet), "weekdays": fleet.calendar.profile(),
        },
    })
}

fn date(day: crate::units::Day) -> String {
    day.start().to_string().chars().take(10).collect()
}
