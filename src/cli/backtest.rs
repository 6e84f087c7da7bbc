//! `churnwatch backtest`: how good risks and alerts would have been over a log, given what really happened.
//!
//! This file arranges: tables in, replay, measures, scores out. What is reported is in `report`, how it looks in `text`.

mod report;
mod text;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::value_parser;

use self::report::{Comparison, Report, Run};
use super::{ConfigArgs, EXIT_REJECTED, LogArgs, Output};
use crate::evaluation::bootstrap::ROUNDS;
use crate::evaluation::cases::{Pair, Sheet};
use crate::evaluation::cutoffs::monthly;
use crate::evaluation::outcome::{Label, Outcome};
use crate::local;
use crate::local::backtest::{Answers, ask};
use crate::local::rerun::Log;
use crate::local::tables;
use crate::units::{Span, Timestamp};

/// Arguments of `churnwatch backtest`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
    /// What became of the accounts, as CSV: account, `churn_time` (empty: none seen), `last_observed`.
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// When to look, as CSV: `as_of`; also at those of the pairs. Without either: the first of each month, the last twelve.
    #[arg(long, value_name = "FILE")]
    pub cutoffs: Option<PathBuf>,
    /// Whom to look at when, as CSV: account, `as_of`, and the label 0 or 1 where it is known. Without it: everybody.
    #[arg(long, value_name = "FILE")]
    pub pairs: Option<PathBuf>,
    /// Write the risks to this file as CSV: account, `as_of`, risk.
    #[arg(long, value_name = "FILE")]
    pub scores: Option<PathBuf>,
    /// Write the alerts that were raised to this file as CSV: account, time, type, owner.
    #[arg(long, value_name = "FILE")]
    pub alerts: Option<PathBuf>,
    /// The configuration, named so when it is compared with another one.
    #[arg(long, value_name = "FILE", conflicts_with = "config", requires = "against")]
    pub rules: Option<PathBuf>,
    /// Compare with the rules of this configuration, account by account.
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// Resamples from which the 95 % intervals come; 0 for none.
    #[arg(long, value_name = "N", default_value_t = ROUNDS, value_parser = value_parser!(u32).range(0..=10_000))]
    pub resamples: u32,
    /// How the report is printed.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// What is known of the accounts, and what is asked about them.
#[derive(Debug, Default)]
struct Tables {
    labels: Option<BTreeMap<String, Label>>,
    pairs: Option<Vec<Pair>>,
    cutoffs: Option<Vec<Timestamp>>,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    check(args)?;
    let base = ConfigArgs { config: args.rules.clone().or_else(|| args.config.config.clone()) };
    let config = match base.load() {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    let against = args.against.as_ref().map(|path| ConfigArgs { config: Some(path.clone()) }.load()).transpose();
    let against = match against {
        Ok(against) => against,
        Err(code) => return Ok(code),
    };
    let tables = Tables {
        labels: args.labels.as_deref().map(tables::labels).transpose()?,
        pairs: args.pairs.as_deref().map(tables::pairs).transpose()?,
        cutoffs: args.cutoffs.as_deref().map(tables::cutoffs).transpose()?,
    };
    let log = args.log.log(&config)?;
    let scan = log.scan()?;
    let (Some(first), Some(begin), Some(last)) = (scan.first, scan.begin(), scan.last) else {
        return super::no_events(&log);
    };
    let cutoffs = choose_cutoffs(&tables, begin, last, config.rules.horizon)?;
    let answers = ask(&log, &scan, cutoffs.clone(), tables.pairs.as_deref())?;
    super::tell_rejected(&answers.replayed);
    if let Some(path) = &args.scores {
        to_file(path, |out| write_scores(&answers, &tables, config.rules.horizon, out))?;
    }
    if let Some(path) = &args.alerts {
        to_file(path, |out| write_alerts(&answers, out))?;
    }
    let run = measure(&answers, &tables, config.rules.horizon, args);
    let comparison = match &against {
        Some(other) => {
            let settings = local::replay::Settings { rules: Arc::new(other.rules.clone()), ..log.settings.clone() };
            let other_log = Log { settings, ..log.clone() };
            let others = ask(&other_log, &scan, cutoffs, tables.pairs.as_deref())?;
            let of_others = measure(&others, &tables, other.rules.horizon, args);
            Some(Comparison::of((&answers, &run), (&others, of_others), args.resamples))
        }
        None => None,
    };
    let report = Report {
        input: args.log.input.display().to_string(),
        first,
        last,
        horizon: config.rules.horizon,
        run,
        loads: crate::evaluation::alerts::loads(&answers.raised, begin, last),
        tally: answers.replayed.replay.tally().clone(),
        accounts: answers.replayed.replay.engines().map(crate::engine::Engine::accounts_len).sum(),
        labels_without_events: labels_without_events(&answers, &tables),
        comparison,
    };
    let mut out = io::stdout().lock();
    let printed = match args.output {
        Output::Text => out.write_all(text::report(&report).as_bytes()),
        Output::Json => writeln!(out, "{}", report.json()),
    };
    match printed {
        // Whoever read the report has seen enough (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        printed => printed.context("cannot write the report")?,
    }
    let rejected = report.tally.rejected_total();
    Ok(if rejected == 0 { ExitCode::SUCCESS } else { ExitCode::from(EXIT_REJECTED) })
}

/// Refuses arguments with which nothing would come out, or something would be lost.
fn check(args: &Args) -> anyhow::Result<()> {
    if args.labels.is_none() && args.pairs.is_none() && args.scores.is_none() && args.against.is_none() {
        bail!("nothing to measure by: give --labels, --pairs with labels, or --scores to write the risks");
    }
    if [&args.scores, &args.alerts].into_iter().flatten().any(|path| path == Path::new("-")) {
        bail!("standard output carries the report: give --scores and --alerts a file each");
    }
    let files = [&Some(args.log.input.clone()), &args.labels, &args.cutoffs, &args.pairs, &args.scores, &args.alerts];
    match local::named_twice(files.into_iter().flatten().map(PathBuf::as_path)) {
        // A file of pairs or labels may well serve as cut-offs too.
        Some(path) if [&args.cutoffs, &args.pairs].into_iter().flatten().all(|table| table != path) => {
            bail!("{} is named twice; give each output a file of its own", path.display())
        }
        _ => Ok(()),
    }
}

/// Those named, those of the pairs, or else the first of each month.
fn choose_cutoffs(tables: &Tables, begin: Timestamp, last: Timestamp, horizon: Span) -> anyhow::Result<Vec<Timestamp>> {
    let of_pairs = tables.pairs.iter().flatten().map(|pair| pair.as_of);
    let mut cutoffs: Vec<Timestamp> = tables.cutoffs.iter().flatten().copied().chain(of_pairs).collect();
    if cutoffs.is_empty() {
        cutoffs = monthly(begin, last, horizon);
    }
    cutoffs.sort_unstable();
    cutoffs.dedup();
    if cutoffs.is_empty() {
        bail!(
            "the log, from {begin} to {last}, is too short for monthly cut-offs with {:.0} days after them; name some \
             with --cutoffs",
            horizon.days()
        );
    }
    Ok(cutoffs)
}

/// What the answers are worth.
fn measure(answers: &Answers, tables: &Tables, horizon: Span, args: &Args) -> Run {
    let none = BTreeMap::new();
    let labels = tables.labels.as_ref().unwrap_or(&none);
    Run::measure(answers, tables.pairs.as_deref(), labels, horizon, args.resamples)
}

/// Labelled accounts that the log does not know.
fn labels_without_events(answers: &Answers, tables: &Tables) -> usize {
    let known = |account_id: &str| answers.replayed.replay.engines().any(|engine| engine.account(account_id).is_some());
    tables.labels.iter().flat_map(BTreeMap::keys).filter(|account_id| !known(account_id)).count()
}

/// The risks: of the pairs in their order, or of everybody who had not churned yet.
fn write_scores(answers: &Answers, tables: &Tables, horizon: Span, out: &mut dyn Write) -> io::Result<()> {
    let mut table = csv::Writer::from_writer(out);
    table.write_record(["account", "as_of", "risk"])?;
    let mut write = |sheet: &Sheet, account_id: &str| match sheet.row(account_id) {
        Some(row) => table.write_record([account_id, &seconds(sheet.at), &row.risk.get().to_string()]),
        None => Ok(()),
    };
    let labels = tables.labels.as_ref();
    for pair in tables.pairs.iter().flatten() {
        if let Ok(index) = answers.sheets.binary_search_by(|sheet| sheet.at.cmp(&pair.as_of)) {
            answers.sheets.get(index).map_or(Ok(()), |sheet| write(sheet, &pair.account_id))?;
        }
    }
    if tables.pairs.is_none() {
        for sheet in &answers.sheets {
            for row in &sheet.rows {
                let label = labels.and_then(|labels| labels.get(row.account_id.as_str()));
                if label.is_none_or(|label| label.outcome(sheet.at, horizon) != Outcome::Gone) {
                    write(sheet, &row.account_id)?;
                }
            }
        }
    }
    table.flush()
}

fn write_alerts(answers: &Answers, out: &mut dyn Write) -> io::Result<()> {
    let mut table = csv::Writer::from_writer(out);
    table.write_record(["account", "time", "type", "owner"])?;
    for alert in &answers.raised {
        let owner = alert.owner.as_deref().unwrap_or_default();
        table.write_record([&alert.account_id, &alert.at.to_string(), alert.alert_type, owner])?;
    }
    table.flush()
}

/// A time as most tables have it: without milliseconds where there are none.
fn seconds(time: Timestamp) -> String {
    time.to_string().replace(".000Z", "Z")
}

fn to_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    let mut out = BufWriter::with_capacity(1 << 16, file);
    write(&mut out).and_then(|()| out.flush()).with_context(|| format!("cannot write {}", path.display()))
}
