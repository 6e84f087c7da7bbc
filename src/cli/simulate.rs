//! `churnwatch simulate`: the events of a simulated company, and the planted truth beside them.
//!
//! Events come in the order in which a log would receive them, one canonical JSON object a line. This file only
//! arranges [`crate::sim`] and files; the company itself is drawn there.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::value_parser;
use serde_json::json;

use super::{ConfigArgs, Output};
use crate::config::Config;
use crate::kafka::source_writer::SourceWriter;
use crate::local;
use crate::sim::plan::ChurnKind;
use crate::sim::truth::{self, Subject};
use crate::sim::{Arrival, Options, Population, Stream};
use crate::units::DAY_MS;
use crate::wire::Format;
use crate::wire::canonical::encode_event;

/// Arguments of `churnwatch simulate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Accounts of the simulated company.
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = value_parser!(u32).range(1..=5_000_000))]
    pub accounts: u32,
    /// Days of history.
    #[arg(long, value_name = "N", default_value_t = 180, value_parser = value_parser!(u16).range(14..=3_650))]
    pub days: u16,
    /// Seed of the simulation: the same seed, the same company.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Factor on the number of events of an active day; 1 gives about two events per account and day.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = parse_rate)]
    pub rate: f64,
    /// Write the events to this file as NDJSON; `-` is standard output.
    #[arg(long, value_name = "FILE", default_value = "-", conflicts_with_all = ["kafka", "usage", "billing"])]
    pub events: PathBuf,
    /// Write product usage to this file, apart from billing (needs --billing).
    #[arg(long, value_name = "FILE", requires = "billing", conflicts_with = "kafka")]
    pub usage: Option<PathBuf>,
    /// Write billing and customer records to this file, apart from usage (needs --usage).
    #[arg(long, value_name = "FILE", requires = "usage", conflicts_with = "kafka")]
    pub billing: Option<PathBuf>,
    /// Write the events to the configured source topics instead.
    #[arg(long)]
    pub kafka: bool,
    /// Write who was planted to leave to this file as CSV: account, kind, churn time, first evidence.
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
    /// Write every account's outcome to this file as CSV: account, churn time (empty when it stays), last observed.
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// How the summary on standard error is printed.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    // Written only where nothing else takes the events.
    let events = Some(&args.events).filter(|_| !args.kafka && args.usage.is_none());
    let outputs = [events, args.usage.as_ref(), args.billing.as_ref(), args.truth.as_ref(), args.labels.as_ref()];
    if let Some(path) = local::named_twice(outputs.into_iter().flatten().map(PathBuf::as_path)) {
        bail!("{} is named twice; give each output a file of its own (`-` is standard output)", path.display());
    }
    let options = Options { accounts: args.accounts, days: args.days, seed: args.seed, rate: args.rate };
    let mut population = Population::new(&options);
    let subjects = truth::subjects(&population);
    if let Some(path) = &args.truth {
        to_file(path, |out| truth::write_truth(&subjects, out))?;
    }
    if let Some(path) = &args.labels {
        to_file(path, |out| truth::write_labels(&subjects, out))?;
    }
    let written = match (&args.usage, &args.billing) {
        _ if args.kafka => match args.config.load() {
            Ok(config) => to_kafka(&mut population, &config)?,
            Err(code) => return Ok(code),
        },
        (Some(usage), Some(billing)) => {
            let (mut usage, mut billing) = (create(usage)?, create(billing)?);
            write_events(&mut population, &mut usage, Some(&mut billing)).context("cannot write the events")?
        }
        _ if args.events == Path::new("-") => {
            let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
            match write_events(&mut population, &mut out, None) {
                // Whoever read the output has seen enough (`| head`).
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
                written => written.context("cannot write the events to standard output")?,
            }
        }
        _ => {
            let mut out = create(&args.events)?;
            write_events(&mut population, &mut out, None)
                .with_context(|| format!("cannot write the events to {}", args.events.display()))?
        }
    };
    summarise(&written, &subjects, args.output);
    Ok(ExitCode::SUCCESS)
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Events.
    pub events: u64,
    /// Bytes, line ends included.
    pub bytes: u64,
}

/// Writes the window of `population` as NDJSON to `usage`, or its billing part to `billing` where that is given.
pub fn write_events(
    population: &mut Population,
    usage: &mut dyn Write,
    mut billing: Option<&mut dyn Write>,
) -> io::Result<Written> {
    let written = each_event(population, |arrival, line| {
        line.push(b'\n');
        match &mut billing {
            Some(billing) if arrival.stream == Stream::Billing => billing.write_all(line),
            _ => usage.write_all(line),
        }
    })?;
    usage.flush()?;
    if let Some(billing) = billing {
        billing.flush()?;
    }
    Ok(written)
}

/// Writes the window of `population` to the configured source topics: billing to the second where there are two.
fn to_kafka(population: &mut Population, config: &Config) -> anyhow::Result<Written> {
    let mut sources = config.sources.iter().take(2);
    let usage = sources.next().context("no source topic is configured; name one under [[sources]]")?;
    let billing = sources.next().unwrap_or(usage);
    if let Some(mapped) = [usage, billing].into_iter().find(|source| matches!(source.format, Format::Mapped(_))) {
        bail!(
            "source topic {} is read by a mapping, and simulated events are canonical JSON: every one would become a dead \
             letter; use a configuration whose first two [[sources]] name no `mapping`, or write files (--events FILE)",
            mapped.topic
        );
    }
    let (usage, billing) = (usage.topic.as_str(), billing.topic.as_str());
    super::start_logging(config)?;
    let writer = SourceWriter::new(config, &[usage, billing])?;
    let written = each_event::<anyhow::Error>(population, |arrival, line| {
        let topic = if arrival.stream == Stream::Billing { billing } else { usage };
        Ok(writer.write(topic, arrival.event.account_id.as_bytes(), line)?)
    })?;
    writer.finish()?;
    Ok(written)
}

/// Hands each event of the window with its JSON to `write`, which may add to it.
///
/// A progress bar is shown on standard error when that is a terminal.
fn each_event<E>(
    population: &mut Population,
    mut write: impl FnMut(&Arrival, &mut Vec<u8>) -> Result<(), E>,
) -> Result<Written, E> {
    let days = u64::from(population.options().days);
    let bar = super::demo::progress_bar(days, "simulating", "days");
    let (mut written, mut line) = (Written::default(), Vec::with_capacity(512));
    for arrival in population.by_ref() {
        line.clear();
        encode_event(&arrival.event, &mut line);
        write(&arrival, &mut line)?;
        written.events += 1;
        written.bytes += u64::try_from(line.len()).unwrap_or(0);
        if written.events.is_multiple_of(8_192) {
            let day = arrival.received_at.since(crate::sim::START).ms() / DAY_MS;
            bar.set_position(u64::try_from(day).unwrap_or(0));
        }
    }
    bar.finish_and_clear();
    Ok(written)
}

fn create(path: &Path) -> anyhow::Result<BufWriter<Box<dyn Write>>> {
    let file = local::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(BufWriter::with_capacity(1 << 16, file))
}

fn to_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    let mut out = create(path)?;
    write(&mut out).and_then(|()| out.flush()).with_context(|| format!("cannot write {}", path.display()))
}

fn summarise(written: &Written, subjects: &[Subject], output: Output) {
    let churned = subjects.iter().filter(|subject| subject.churn.is_some()).count();
    match output {
        Output::Text => {
            super::tell(&format_args!(
                "{} events of {} accounts; {churned} of them leave",
                written.events,
                subjects.len()
            ));
        }
        Output::Json => {
            let of_kind = |kind: ChurnKind| {
                subjects.iter().filter(|subject| subject.churn.is_some_and(|churn| churn.kind == kind)).count()
            };
            let kinds: serde_json::Map<String, serde_json::Value> =
                ChurnKind::ALL.iter().map(|kind| (kind.name().to_owned(), json!(of_kind(*kind)))).collect();
            super::tell(&json!({
                "events": written.events, "bytes": written.bytes, "accounts": subjects.len(),
                "churned": churned, "churned_by_kind": kinds,
            }));
        }
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 1_000.0 => Ok(rate),
        _ => Err("must be a number above 0, at most 1000".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_that_read_other_events_are_refused() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/purchases.toml");
        let config = crate::config::load(Some(Path::new(file))).unwrap();
        let options = Options { accounts: 2, days: 14, ..Options::default() };
        let refused = to_kafka(&mut Population::new(&options), &config).unwrap_err().to_string();
        assert!(refused.contains("is read by a mapping") && refused.contains("--events FILE"), "{refused}");
    }

    #[test]
    fn the_two_streams_together_are_the_whole() {
        let options = Options { accounts: 50, days: 40, ..Options::default() };
        let (mut whole, mut usage, mut billing) = (Vec::new(), Vec::new(), Vec::new());
        let all = write_events(&mut Population::new(&options), &mut whole, None).unwrap();
        let split = write_events(&mut Population::new(&options), &mut usage, Some(&mut billing)).unwrap();
        assert_eq!(all, split);
        assert_eq!(usize::try_from(all.bytes).unwrap(), whole.len());
        let mut lines: Vec<&[u8]> = whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        let parts = usage.split(|byte| *byte == b'\n').chain(billing.split(|byte| *byte == b'\n'));
        let mut pieces: Vec<&[u8]> = parts.filter(|line| !line.is_empty()).collect();
        lines.sort_unstable();
        pieces.sort_unstable();
        assert_eq!(lines, pieces);
        assert!(String::from_utf8(billing).unwrap().contains("subscription.started"));
        for line in lines {
            let decoded = crate::wire::canonical::decode_event(line).unwrap();
            assert!(matches!(decoded, crate::wire::Decoded::Input(_)));
        }
    }
}
