//! `churnwatch report`: KPIs, cohorts and segments as tables, from a log.
//!
//! This file arranges: what the log adds up to, which tables are asked for, how they are printed. The sums are gathered
//! by [`crate::local::report`], the formulas are `engine::kpis`.

mod cohorts;
mod kpis;
mod segments;
mod table;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::ValueEnum;

use super::{ConfigArgs, EXIT_REJECTED};
use crate::config::Config;
use crate::config::kpis::Kpis;
use crate::engine::kpis::figures::Present;
use crate::engine::rules::Rules;
use crate::local::report::{Gathered, gather};
use crate::local::rerun::Log;
use crate::local::tables::parse_instant;
use crate::units::Timestamp;
use crate::units::calendar::{Length, Month, day_text};

/// Arguments of `churnwatch report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to report.
    #[arg(value_enum)]
    pub what: What,
    /// The log: NDJSON events or a dumped canonical log, plain or compressed. It may be read twice, so no pipe.
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,
    /// The lines are what this source topic carries, read by its format; without it they are canonical.
    #[arg(long, value_name = "TOPIC")]
    pub source: Option<String>,
    /// As of then, by what happened before; without it as of the end of the log.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub as_of: Option<Timestamp>,
    /// Segments, and who leaves, over the last complete period of this length.
    #[arg(long, value_enum, default_value_t)]
    pub period: PeriodArg,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// What can be reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// Every KPI against its target, the ledger by month, trials, and what was left out.
    Kpis,
    /// Customers and revenue by the month in which the customers first paid.
    Cohorts,
    /// The accounts by their traits, and who leaves.
    Segments,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// One JSON object.
    Json,
    /// Comma-separated values: the tables one after the other, an empty line between them.
    Csv,
}

/// Length of a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PeriodArg {
    /// A calendar month.
    Month,
    /// A calendar quarter.
    #[default]
    Quarter,
    /// A calendar year.
    Year,
}

impl PeriodArg {
    fn length(self) -> Length {
        match self {
            PeriodArg::Month => Length::Month,
            PeriodArg::Quarter => Length::Quarter,
            PeriodArg::Year => Length::Year,
        }
    }
}

/// What the tables are made of.
#[derive(Debug)]
pub struct Sums<'g> {
    /// What the log adds up to.
    gathered: &'g Gathered,
    /// The rules in force.
    rules: &'g Rules,
    /// What is wanted.
    wanted: &'g Kpis,
    /// The month that the report is as of.
    month: Month,
    /// Length of the periods of segments.
    length: Length,
}

impl Sums<'_> {
    fn present(&self) -> Present<'_> {
        Present {
            tables: &self.gathered.tables,
            today: self.rules.kpis.time_zone.day(self.gathered.now),
            currency: self.rules.currency,
            margin: self.wanted.margin,
            rules: &self.rules.kpis,
            live: self.gathered.live,
        }
    }
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.input == Path::new("-") {
        bail!("the input may be read twice: give --input a file instead of standard input");
    }
    let config = match args.config.load() {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    let log = Log::new(args.input.clone(), super::replay_settings(&config, args.source.as_deref())?);
    let gathered = gather(&log, args.as_of, args.period.length())?;
    super::tell_rejected(&gathered.replayed);
    if gathered.replayed.replay.tally().events == 0 {
        return super::no_events(&log);
    }
    gathered.check(config.rules.kpis.time_zone)?;
    print(args, &config, &gathered)?;
    Ok(match gathered.replayed.replay.tally().rejected_total() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(EXIT_REJECTED),
    })
}

fn print(args: &Args, config: &Config, gathered: &Gathered) -> anyhow::Result<()> {
    let zone = config.rules.kpis.time_zone;
    let sums = Sums {
        gathered,
        rules: &config.rules,
        wanted: &config.kpis,
        month: zone.month(gathered.now),
        length: args.period.length(),
    };
    let tables = match args.what {
        What::Kpis => kpis::tables(&sums),
        What::Cohorts => cohorts::tables(&sums),
        What::Segments => segments::tables(&sums),
    };
    let day = day_text(zone.day(gathered.now));
    let (currency, name) = (config.rules.currency.code().to_owned(), zone.name());
    let head = format!(
        "{} of {} as of {day} ({name}), amounts in {currency}, {} accounts",
        args.what.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default(),
        args.input.display(),
        gathered.accounts,
    );
    let printed = match args.output {
        Output::Text => table::text(&head, &tables),
        Output::Json => {
            let head = serde_json::json!({
                "as_of": gathered.now.to_string(), "time_zone": name, "currency": currency, "accounts": gathered.accounts,
            });
            table::json(&head, &tables)
        }
        Output::Csv => table::csv(&tables),
    };
    match io::stdout().lock().write_all(printed.as_bytes()) {
        // Whoever read it has seen enough (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write the report"),
    }
}

fn moment(text: &str) -> Result<Timestamp, String> {
    parse_instant(text).ok_or_else(|| "is no time such as 2026-03-01T00:00:00Z or 2026-03-01".to_owned())
}
