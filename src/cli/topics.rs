//! `churnwatch topics`: shows, creates and dumps the topics that the product needs.
//!
//! Only the printing lives here; what topics should be, and the reading of them, live in `kafka`.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use serde_json::json;

use super::{ConfigArgs, Output};
use crate::config::Config;
use crate::kafka::dump::{self, Extent};
use crate::kafka::topics::spec::{TopicReport, TopicState, Verdict};
use crate::kafka::topics::{self, Scope};
use crate::local;
use crate::units::{Offset, PartitionIndex, Timestamp};
use crate::wire::dump::{DumpRecord, encode_line};

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
    /// Show the topics: what they should be and what they are. Fails when one is missing or does not fit.
    Show,
    /// Create the topics that are missing. Those that exist are never altered; what does not fit is told.
    Create {
        /// Create missing source topics too, for trials: in production they belong to their producers.
        #[arg(long)]
        sources: bool,
    },
    /// Write a topic's committed records as NDJSON, one line each, partition by partition, up to its present end.
    Dump {
        /// The topic.
        topic: String,
        /// Only this partition.
        #[arg(long, value_name = "N")]
        partition: Option<i32>,
        /// Write to this file instead of standard output, which `-` names as well.
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = match args.config.load() {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    match args.action.as_ref().unwrap_or(&Action::Show) {
        Action::Show => show(&config, args.output),
        Action::Create { sources } => {
            create(&config, if *sources { Scope::OwnAndSources } else { Scope::Own }, args.output)
        }
        Action::Dump { topic, partition, to } => {
            dump_topic(&config, topic, partition.map(PartitionIndex), to.as_deref())
        }
    }
}

fn show(config: &Config, output: Output) -> anyhow::Result<ExitCode> {
    let report = topics::look(config)?;
    match output {
        Output::Text => print(&report_text(&report))?,
        Output::Json => print(&format!("{}\n", report_json(&report)))?,
    }
    let obstacles = report.obstacles(config);
    for obstacle in &obstacles {
        eprintln!("churnwatch: {obstacle}");
    }
    Ok(if obstacles.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn create(config: &Config, scope: Scope, output: Output) -> anyhow::Result<ExitCode> {
    let created = topics::create(config, scope)?;
    let misfits: Vec<String> = created.before.misfits().collect();
    match output {
        Output::Text if created.topics.is_empty() => print("nothing to create\n")?,
        Output::Text => {
            let lines: String = created.topics.iter().map(|topic| ["created ", topic, "\n"].concat()).collect();
            print(&lines)?;
        }
        Output::Json => print(&format!("{}\n", json!({ "created": created.topics, "misfits": misfits })))?,
    }
    for (topic, warning) in created.before.warnings() {
        eprintln!("churnwatch: topic {topic}: {warning}");
    }
    for misfit in &misfits {
        eprintln!("churnwatch: {misfit}");
    }
    Ok(if misfits.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report_text(report: &TopicReport) -> String {
    let mut text = String::new();
    for state in &report.topics {
        let verdict = state.verdict();
        let _ = writeln!(text, "{} ({}): {}", state.spec.topic, state.spec.purpose.name(), verdict.name());
        for (name, is, wanted) in rows(state) {
            let _ = match is {
                Some(is) if is == wanted => writeln!(text, "  {name:<26} {is}"),
                Some(is) => writeln!(text, "  {name:<26} {is}, wanted {wanted}"),
                None => writeln!(text, "  {name:<26} wanted {wanted}"),
            };
        }
        for misfit in &state.misfits {
            let _ = writeln!(text, "  does not fit: {misfit}");
        }
        for warning in &state.warnings {
            let _ = writeln!(text, "  warning: {warning}");
        }
    }
    text
}

fn report_json(report: &TopicReport) -> serde_json::Value {
    let topics: Vec<serde_json::Value> = report
        .topics
        .iter()
        .map(|state| {
            let settings: Vec<_> = rows(state)
                .into_iter()
                .map(|(name, is, wanted)| json!({ "name": name, "is": is, "wanted": wanted }))
                .collect();
            json!({
                "topic": state.spec.topic,
                "purpose": state.spec.purpose.name(),
                "exists": state.found.is_some(),
                "fits": state.verdict() == Verdict::Fits,
                "settings": settings,
                "misfits": state.misfits,
                "warnings": state.warnings,
            })
        })
        .collect();
    json!({ "topics": topics })
}

/// Partitions and settings of a topic: name, what it is, what is wanted.
fn rows(state: &TopicState) -> Vec<(&'static str, Option<String>, String)> {
    let found = state.found.as_ref();
    let partitions =
        ("partitions", found.map(|found| found.partitions.to_string()), state.spec.partitions.wanted().to_string());
    let settings = state.spec.settings.iter().map(|setting| {
        let is = found.map(|found| found.settings.get(setting.name).cloned().unwrap_or_default());
        (setting.name, is, setting.wanted.to_string())
    });
    std::iter::once(partitions).chain(settings).collect()
}

fn dump_topic(
    config: &Config,
    topic: &str,
    partition: Option<PartitionIndex>,
    to: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let to = to.unwrap_or(Path::new("-"));
    let mut out = BufWriter::new(local::create(to).with_context(|| format!("cannot write {}", to.display()))?);
    let mut line = Vec::new();
    let mut failure = None;
    dump::read(config, topic, partition, Extent::Whole, &mut |message| {
        line.clear();
        encode_line(&line_of(topic, message), &mut line);
        match out.write_all(&line) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    match failure.map_or_else(|| out.flush(), Err) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("cannot write the dump"),
        _ => Ok(ExitCode::SUCCESS), // a reader such as `head` may have had enough
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

fn line_of<'a>(topic: &'a str, message: &'a BorrowedMessage<'_>) -> DumpRecord<'a> {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        headers.iter().map(|header| (Cow::Borrowed(header.key), header.value.map(Cow::Borrowed))).collect()
    });
    DumpRecord {
        topic: Cow::Borrowed(topic),
        partition: PartitionIndex(message.partition()),
        offset: Offset(message.offset()),
        timestamp: message.timestamp().to_millis().and_then(Timestamp::from_ms),
        key: message.key().map(Cow::Borrowed),
        value: message.payload().map(Cow::Borrowed),
        headers,
    }
}
