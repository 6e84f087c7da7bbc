//! `churnwatch demo`: a simulated company through the same engine, with no broker.
//!
//! First the whole window as fast as it goes, then a report, then on live at one simulated hour a second. This file
//! arranges; the run is in `stage`, what is reported in `report`, how it looks in `text`. The planted truth is used for
//! the score in the report and nowhere else.

mod report;
mod stage;
mod text;

use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::value_parser;
use indicatif::{ProgressBar, ProgressStyle};

use self::report::Report;
use self::stage::Stage;
use self::text::Look;
use super::Output;
use crate::config::Config;
use crate::config::kpis::Kpis;
use crate::engine::Engine;
use crate::engine::census::Census;
use crate::engine::effect::AlertChange;
use crate::engine::exclusions::Exclusions;
use crate::engine::rates::Rates;
use crate::engine::rules::Rules;
use crate::http;
use crate::sim::Options;
use crate::telemetry::inquiry::Counted;
use crate::telemetry::view::PartitionView;
use crate::telemetry::{Readiness, Role, Settings, Telemetry};
use crate::units::{Currency, Span};

/// Arguments of `churnwatch demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Accounts of the simulated company.
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub accounts: u32,
    /// Days of history.
    #[arg(long, value_name = "N", default_value_t = 180, value_parser = value_parser!(u16).range(14..=3_650))]
    pub days: u16,
    /// Seed of the simulation: the same seed, the same company.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// End after the report instead of going on live.
    #[arg(long)]
    pub once: bool,
    /// Where metrics are served while it goes on live.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9464")]
    pub listen: SocketAddr,
    /// How the report is printed.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// Real time per simulated hour once it is live.
const HOUR_LIVE: Duration = Duration::from_secs(1);

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    let rules = rules();
    let telemetry = Telemetry::new(Settings::new(&[Role::Engine], &rules, &Kpis::default()))?;
    let mut server = None;
    let outcome = perform(args, &mut out, &mut |engine| {
        telemetry.publish(engine.partition().index, PartitionView::of(engine));
        telemetry.ready(Role::Engine, Readiness::Ready);
        if let Some(question) = telemetry.inquiry().asked() {
            let counted = Counted {
                partitions_len: 1,
                rules: Arc::clone(engine.rules()),
                census: Census::of(engine, question.now),
            };
            telemetry.inquiry().answer(engine.partition().index, question, counted);
        }
        if server.is_none() && !args.once {
            // Served from the moment there is something to show; without the port the demo still goes on.
            server = Some(http::start(http::Options { listen: args.listen, token: None }, telemetry.clone()));
            match &server {
                Some(Ok(server)) => eprintln!("metrics: http://{}/metrics", server.address()),
                Some(Err(error)) => eprintln!("no metrics are served: {error}; choose another address with --listen"),
                None => {}
            }
        }
    });
    match outcome {
        // Whoever read the output has seen enough (`| head`).
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe) => {
            Ok(ExitCode::SUCCESS)
        }
        outcome => outcome.map(|()| ExitCode::SUCCESS),
    }
}

/// The rules that the demo runs under: those of a configuration that says nothing, a rate for the simulated company's
/// second currency, and its service users left out.
#[must_use]
pub fn rules() -> Rules {
    let rates = Currency::parse("EUR").map(|euro| Rates::constant(euro, 1.08)).unwrap_or_default();
    let exclusions = Exclusions { users: vec!["svc-*".to_owned()], ..Exclusions::default() };
    Rules { exclusions, rates, ..Config::default().rules }
}

/// A progress bar on standard error, drawn only when that is a terminal.
#[must_use]
pub fn progress_bar(length: u64, doing: &'static str, unit: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(length);
    let template = format!("{{msg}} {{wide_bar}} {{pos}}/{{len}} {unit} {{elapsed}}");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_message(doing);
    bar
}

/// Runs the window, prints the report to `out` and, unless asked to end there, goes on live until interrupted.
/// `publish` sees the engine at the end of the window and after each live hour.
fn perform(args: &Args, out: &mut dyn Write, publish: &mut dyn FnMut(&Engine)) -> anyhow::Result<()> {
    let began = Instant::now();
    let options = Options { accounts: args.accounts, days: args.days, seed: args.seed, ..Options::default() };
    let mut stage = Stage::new(&options, Arc::new(rules()));
    let bar = progress_bar(u64::from(args.days), "simulating", "days");
    for _ in 0..args.days {
        stage.advance(Span::from_days(1), &mut |_| {});
        bar.inc(1);
    }
    bar.finish_and_clear();
    let report = Report::new(&stage, began.elapsed());
    match args.output {
        Output::Text => out.write_all(text::report(&report, &Look::of_terminal()).as_bytes())?,
        Output::Json => writeln!(out, "{}", report.json())?,
    }
    out.flush()?;
    publish(stage.engine());
    if args.once { Ok(()) } else { live(args, &mut stage, out, publish) }
}

/// Goes on beyond the window, printing alerts as they are raised, until interrupted.
fn live(args: &Args, stage: &mut Stage, out: &mut dyn Write, publish: &mut dyn FnMut(&Engine)) -> anyhow::Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("cannot listen for Ctrl-C")?;
    }
    let look = Look::of_terminal();
    if args.output == Output::Text {
        writeln!(out, "{}", text::live_title(stage.now(), &look))?;
        out.flush()?;
    }
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let mut changes: Vec<AlertChange> = Vec::new();
        stage.advance(Span::from_hours(1), &mut |change| changes.push(change.clone()));
        for change in &changes {
            match args.output {
                Output::Text => out.write_all(text::alert(change, &look).as_bytes())?,
                Output::Json => writeln!(out, "{}", report::alert_json(change))?,
            }
        }
        out.flush()?;
        publish(stage.engine());
        due += HOUR_LIVE;
        while !stop.load(Ordering::Relaxed) {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            // Short naps, so that Ctrl-C is felt at once.
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn the_shipped_configuration_judges_the_simulated_company_as_the_demo_does() {
        let config = crate::config::load(Some(std::path::Path::new("config/simulated.toml"))).unwrap();
        assert_eq!(config.rules.hash(), rules().hash());
    }

    #[test]
    fn once_with_json_prints_one_report_for_scripts() {
        let line = ["demo", "--once", "--output", "json", "--accounts", "300", "--days", "120", "--seed", "3"];
        let mut out = Vec::new();
        let mut published = 0;
        perform(&Line::parse_from(line).args, &mut out, &mut |_| published += 1).unwrap();
        assert_eq!(published, 1);
        let report: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(report["accounts"], 300);
        assert_eq!(report["days"], 120);
        assert!(report["events"].as_u64().unwrap() > 10_000);
        let churned = report["score"]["churned"].as_u64().unwrap();
        assert!((20..60).contains(&churned), "{churned}");
        let by_kind = report["score"]["by_kind"].as_array().unwrap();
        let sum = |key: &str| by_kind.iter().map(|kind| kind[key].as_u64().unwrap()).sum::<u64>();
        assert_eq!(sum("churned"), churned);
        assert_eq!(sum("warned"), report["score"]["warned"].as_u64().unwrap());
        assert!(report["score"]["warned"].as_u64().unwrap() <= churned);
        for key in ["right", "wrong", "early", "folded", "not_judged"] {
            assert!(report["score"][key].is_u64(), "{key}");
        }
        assert!(report["score"]["wrong_means"].as_str().unwrap().contains("28 days"));
        let at_risk = report["at_risk"].as_array().unwrap();
        let revenue: Vec<i64> =
            at_risk.iter().map(|account| account["revenue_at_risk_reporting_minor"].as_i64().unwrap()).collect();
        assert!(revenue.is_sorted_by(|left, right| left >= right), "{revenue:?}");
    }
}
