//! `churnwatch report`: KPIs, cohorts, segments, and who the best customers are, as tables, from a log or a service.
//!
//! This file arranges: what the accounts come to, which tables are asked for, how they are printed. The census of a log is
//! taken by [`crate::local::report`], that of a running service by its instances; from there on both are told by the same
//! code. The formulas are `engine::kpis` and `engine::census`.

mod accounts;
mod cohorts;
mod features;
mod kpis;
mod omitted;
mod profile;
mod segments;
mod service;
mod table;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{ArgGroup, ValueEnum};

use super::{ConfigArgs, EXIT_REJECTED, EXIT_USAGE};
use crate::config::Config;
use crate::config::kpis::Kpis;
use crate::engine::census::Census;
use crate::engine::census::strongest::STRONGEST_MAX;
use crate::engine::kpis::figures::Present;
use crate::engine::kpis::leavers::Leavers;
use crate::engine::kpis::tables::Group;
use crate::engine::rules::Rules;
use crate::local::report::{AsOf, gather};
use crate::local::tables::parse_instant;
use crate::units::calendar::{Length, Month, Zone, day_text, parse_day};
use crate::units::{Day, Span, Timestamp};

/// Arguments of `churnwatch report`.
#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("from").required(true).args(["input", "service"])))]
pub struct Args {
    /// What to report.
    #[arg(value_enum)]
    pub what: What,
    /// The log: NDJSON events or a dumped canonical log, plain or compressed. It may be read twice, so no pipe.
    #[arg(long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// Instead of a log: the HTTP address of a running instance, such as `http://127.0.0.1:9464`, once for each instance of the
    /// service; what their partitions come to is added up. It is told by their rules, targets by this configuration.
    #[arg(long, value_name = "URL", conflicts_with = "source")]
    pub service: Vec<String>,
    /// The bearer token of the instances, in this file.
    #[arg(long, value_name = "FILE", requires = "service")]
    pub token_file: Option<PathBuf>,
    /// The lines are what this source topic carries, read by its format; without it they are canonical.
    #[arg(long, value_name = "TOPIC")]
    pub source: Option<String>,
    /// As of the end of this date in `kpis.time_zone`, such as `2026-03-31`, or of an instant, such as `2026-03-31T18:00:00Z`, by
    /// what happened before; without it as of the end of the log. A service knows the present only.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub as_of: Option<Moment>,
    /// Segments, and who leaves, over the last complete period of this length (quarter).
    #[arg(long, value_enum)]
    pub period: Option<PeriodArg>,
    /// Accounts: of those that first paid in this month alone; without it of the latest complete months.
    #[arg(long, value_name = "YYYY-MM", value_parser = month)]
    pub cohort: Option<Month>,
    /// Accounts of each cohort (5), or features of each list (20), that are shown.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=STRONGEST_MAX as i64))]
    pub top: Option<u16>,
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
    /// The ideal customer: traits of the best customers against those of the rest.
    Profile,
    /// The features most used by trial and by paying accounts.
    Features,
    /// The strongest accounts of a cohort, to nurture.
    Accounts,
}

impl What {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

impl Args {
    /// What is wrong with an option that says nothing of what is reported.
    fn idle_option(&self) -> Option<String> {
        let options: [(_, _, &[What]); 3] = [
            ("--period", self.period.is_some(), &[What::Segments]),
            ("--cohort", self.cohort.is_some(), &[What::Accounts]),
            ("--top", self.top.is_some(), &[What::Accounts, What::Features]),
        ];
        let (option, _, of) = options.into_iter().find(|(_, is_given, of)| *is_given && !of.contains(&self.what))?;
        let reports: Vec<_> = of.iter().map(|what| format!("`report {}`", what.name())).collect();
        let (what, reports) = (self.what.name(), reports.join(" and "));
        Some(format!("{option} says nothing of `report {what}`: leave it out; it is for {reports}\n"))
    }
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// One JSON object.
    Json,
    /// Comma-separated values: the tables one after the other, an empty line between them; what they are and what to know
    /// about them is told on standard error.
    Csv,
}

/// When a report is as of, as it was asked for.
#[derive(Clone, Copy, Debug)]
pub enum Moment {
    /// The end of a date.
    Date(Day),
    /// An instant.
    Instant(Timestamp),
}

impl Moment {
    fn in_zone(self, zone: Zone) -> AsOf {
        let before = match self {
            Moment::Date(day) => zone.start(Day::new(day.number().saturating_add(1))),
            Moment::Instant(instant) => instant,
        };
        // The first instant of a day is the end of the day before: nothing of it has passed.
        let is_end = zone.start(zone.day(before)) == before;
        AsOf { before, now: if is_end { before.minus(Span::from_ms(1)) } else { before } }
    }
}

/// Length of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PeriodArg {
    /// A calendar month.
    Month,
    /// A calendar quarter.
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
pub struct Sums<'r> {
    /// What is reported on.
    report: &'r Report,
    /// What is wanted.
    wanted: &'r Kpis,
    /// The month that the report is as of.
    month: Month,
    /// The first month that is not over: `month`, or the next one where `month` ends with the report.
    open: Month,
    /// Length of the periods of segments.
    length: Length,
    /// The cohort whose accounts are asked for.
    cohort: Option<Month>,
    /// How many rows are asked for.
    top: Option<usize>,
}

/// Lines of a log that are no events.
#[derive(Clone, Copy, Debug)]
pub struct Refused {
    /// Those that cannot be read.
    rejected: u64,
    /// Those of types that are not known.
    unknown_types: u64,
}

impl Sums<'_> {
    fn present(&self) -> Present<'_> {
        Present {
            tables: &self.report.census.tables,
            month: self.month,
            open: self.open,
            now: self.report.now,
            currency: self.report.rules.currency,
            margin: self.wanted.margin,
            rules: &self.report.rules.kpis,
            live: self.report.census.live,
        }
    }

    /// A whole amount in major units of the reporting currency.
    fn whole_major(&self, minor: i64) -> f64 {
        self.present().figures(&Group::default(), self.length.of(self.month)).whole_major(minor)
    }

    fn leavers(&self) -> Leavers {
        self.report.census.found.leavers.get(self.length as usize).copied().unwrap_or_default()
    }

    /// What is to be said where no subscription is known of any account.
    fn no_billing(&self) -> Option<String> {
        let note = "No subscription is known of any account (no billing): nothing can be told by what accounts pay.";
        (self.report.census.found.billed == 0).then(|| note.to_owned())
    }
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(message) = args.idle_option() {
        let error = clap::Error::raw(clap::error::ErrorKind::ArgumentConflict, message);
        error.print().context("cannot write to standard error")?;
        return Ok(ExitCode::from(EXIT_USAGE));
    }
    let config = match args.config.load() {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    if !args.service.is_empty() && args.as_of.is_some() {
        bail!(
            "a service knows the present only: leave out --as-of, or dump the canonical log ({}) and give the file as \
             --input",
            config.command(&format!("topics dump {}", config.topics.events))
        );
    }
    let Some(input) = &args.input else {
        print(args, &config, &service::gather(&args.service, args.token_file.as_deref())?)?;
        return Ok(ExitCode::SUCCESS);
    };
    let log = super::log_at(input, args.source.as_deref(), &config)?;
    let gathered = gather(&log, args.as_of.map(|moment| moment.in_zone(config.rules.kpis.time_zone)))?;
    super::tell_rejected(&gathered.replayed);
    let tally = gathered.replayed.replay.tally();
    if tally.events == 0 {
        return super::no_events(&log);
    }
    let refused = Refused { rejected: tally.rejected_total(), unknown_types: tally.unknown_types.values().sum() };
    let report = Report {
        of: input.display().to_string(),
        census: gathered.census,
        now: gathered.now,
        log_ends: gathered.ends,
        open: gathered.open,
        refused: Some(refused),
        rules: config.rules.clone(),
    };
    print(args, &config, &report)?;
    Ok(match refused.rejected {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(EXIT_REJECTED),
    })
}

/// What is reported on.
#[derive(Debug)]
struct Report {
    /// What readers know it by.
    of: String,
    /// What the accounts come to.
    census: Census,
    /// As of when.
    now: Timestamp,
    /// When the log ends, so far.
    log_ends: Timestamp,
    /// The first month that is not over then: all periods that end before it are complete.
    open: Month,
    /// What was read and is not in the census; `None` where nobody can tell.
    refused: Option<Refused>,
    /// The rules by which it was counted, as far as they matter for telling it.
    rules: Rules,
}

fn print(args: &Args, config: &Config, report: &Report) -> anyhow::Result<()> {
    let Report { of, census, now, log_ends, open, rules, .. } = report;
    let zone = rules.kpis.time_zone;
    let month = zone.month(*now);
    census.check(month)?;
    let sums = Sums {
        report,
        wanted: &config.kpis,
        month,
        open: *open,
        length: args.period.map_or(Length::Quarter, PeriodArg::length),
        cohort: args.cohort,
        top: args.top.map(usize::from),
    };
    let tables = match args.what {
        What::Kpis => kpis::tables(&sums),
        What::Cohorts => cohorts::tables(&sums),
        What::Segments => segments::tables(&sums),
        What::Profile => profile::tables(&sums),
        What::Features => features::tables(&sums),
        What::Accounts => accounts::tables(&sums)?,
    };
    // What ended with a date is as of its end.
    let end = if zone.day(now.plus(Span::from_ms(1))) > zone.day(*now) { "the end of " } else { "" };
    let day = format!("{end}{}", day_text(zone.day(*now)));
    let (currency, name, accounts) = (rules.currency.code().to_owned(), zone.name(), census.accounts);
    let what = args.what.name();
    let mut head = format!("{what} of {of} as of {day} ({name}), amounts in {currency}, {accounts} accounts");
    if zone.day(*log_ends) < zone.day(*now) {
        let last = day_text(zone.day(*log_ends));
        let _ = write!(head, "; the log ends on {last}, what came later is not known and taken for nothing");
    }
    if census.unpriced > 0 {
        let _ = write!(
            head,
            "; MRR is incomplete: {} subscription events have no rate or are not believed",
            census.unpriced
        );
    }
    let printed = match args.output {
        Output::Text => {
            let columns = console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
            table::text(&head, &tables, columns.unwrap_or(usize::MAX))
        }
        Output::Json => {
            let head = serde_json::json!({
                "as_of": now.to_string(), "time_zone": name, "currency": currency, "accounts": accounts,
                "log_ends": log_ends.to_string(),
            });
            table::json(&head, &tables)
        }
        Output::Csv => {
            eprint!("{}", table::notes(&head, &tables));
            table::csv(&[("as_of", now.to_string()), ("time_zone", name.to_owned()), ("currency", currency)], &tables)
        }
    };
    match io::stdout().lock().write_all(printed.as_bytes()) {
        // Whoever read it has seen enough (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write the report"),
    }
}

fn moment(text: &str) -> Result<Moment, String> {
    let [first, last] = [Timestamp::MIN, Timestamp::MAX].map(Timestamp::day);
    let moment = match parse_day(text) {
        Some(day) => (first..=last).contains(&day).then_some(Moment::Date(day)),
        None => parse_instant(text).map(Moment::Instant),
    };
    moment.ok_or_else(|| {
        let [first, last] = [first, last].map(day_text);
        format!("is no time such as 2026-03-01T00:00:00Z or 2026-03-01 between {first} and {last}")
    })
}

fn month(text: &str) -> Result<Month, String> {
    Month::parse(text).ok_or_else(|| "is no month such as 2026-03".to_owned())
}
