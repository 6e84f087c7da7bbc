//! `churnwatch run`: the service against Kafka, or the same engine over a file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::ValueEnum;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::model::{self, ModelFile};
use super::{ConfigArgs, EXIT_REJECTED, Output};
use crate::config::Config;
use crate::http::{self, TokenHash};
use crate::kafka::service;
use crate::local::{self, LateOutput, LocalError};
use crate::telemetry::{Readiness, Role, Settings, Telemetry};

/// Arguments of `churnwatch run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Parts to run in this process.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "ROLES", default_value = "ingest,engine,notify,serve")]
    pub role: Vec<RoleName>,
    /// Run over this file of NDJSON events instead of Kafka; `-` is standard input. Lines that say nothing of when they were
    /// received, as all but those of a dump, count as received now: events later than that, by more than
    /// `rules.future_skew_s`, are refused as `future_time`.
    #[arg(long, value_name = "FILE", conflicts_with = "role")]
    pub input: Option<PathBuf>,
    /// The lines are what this source topic carries, read by its format; without it they are canonical events.
    #[arg(long, value_name = "TOPIC", requires = "input")]
    pub source: Option<String>,
    /// Write alerts as NDJSON to this file instead of standard output, which `-` names here and for every other output.
    #[arg(long, value_name = "FILE", requires = "input")]
    pub alerts: Option<PathBuf>,
    /// Write account health as NDJSON to this file, each time it changes enough to be told.
    #[arg(long, value_name = "FILE", requires = "input")]
    pub health: Option<PathBuf>,
    /// Write what each owner is given as NDJSON to this file: deliveries within the budget, and daily digests.
    #[arg(long, value_name = "FILE", requires = "input")]
    pub desk: Option<PathBuf>,
    /// Write rejected lines as NDJSON to this file instead of telling them on standard error: each with its number (`line`),
    /// `reason` and `message`, and whole as `text`, or as `text_base64` where it is not UTF-8. Lines beyond 16 MiB are not
    /// kept.
    #[arg(long, value_name = "FILE", requires = "input")]
    pub rejects: Option<PathBuf>,
    /// Write the gauges as they stand at the end of the file, in the Prometheus text format, to this file.
    #[arg(long, value_name = "FILE", requires = "input")]
    pub metrics: Option<PathBuf>,
    /// Start from this model, as `calibrate` writes it: a file of events from its first line, the service where it has never
    /// learned before. A dumped canonical log has learned already and is not changed by it.
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// How the summary of a file is printed.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// A part of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleName {
    /// Source topics to the canonical log.
    Ingest,
    /// Canonical log to alerts, health and state.
    Engine,
    /// Alerts to what each owner is given.
    Notify,
    /// The HTTP server.
    Serve,
}

impl RoleName {
    fn role(self) -> Role {
        match self {
            RoleName::Ingest => Role::Ingest,
            RoleName::Engine => Role::Engine,
            RoleName::Notify => Role::Notify,
            RoleName::Serve => Role::Serve,
        }
    }
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = match args.config.load() {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    super::start_logging(&config)?;
    let model = match args.model.as_deref().map(|path| model::read(path, &config)).transpose()? {
        Some(Ok(file)) => Some(file),
        Some(Err(code)) => return Ok(code),
        None => None,
    };
    match &args.input {
        Some(input) => run_over_file(args, input, model, &config),
        None => run_service(args, model, &config),
    }
}

/// The same engine over a file or standard input.
fn run_over_file(args: &Args, input: &Path, model: Option<ModelFile>, config: &Config) -> anyhow::Result<ExitCode> {
    let input = if input == Path::new("-") { local::Input::Stdin } else { local::Input::File(input.to_owned()) };
    let mut options = local::Options::new(input, super::wall_time());
    options.format = super::format_of(config, args.source.as_deref())?;
    options.rules = Arc::new(config.rules.clone());
    options.model = model.map(|file| file.learner.undated());
    let alerts = args.alerts.clone().filter(|path| path.as_path() != Path::new("-"));
    options.alerts = alerts.map_or(local::Alerts::Stdout, local::Alerts::File);
    options.health.clone_from(&args.health);
    options.desk.clone_from(&args.desk);
    options.desk_settings = config.alerts.desk();
    options.rejects.clone_from(&args.rejects);
    options.event_bytes_max = config.limits.event_bytes_max;
    let gauges = args.metrics.as_deref().map(|path| open_gauges(path, args)).transpose()?;
    let summary = local::run(&options)?;
    if let Some(gauges) = gauges {
        let telemetry = Telemetry::new(Settings::new(&[Role::Engine], &config.rules, &config.kpis))?;
        for (partition, view) in &summary.views {
            telemetry.publish(*partition, view.clone());
        }
        gauges.write(&telemetry.render()?)?;
    }
    match args.output {
        // Standard output may be carrying the alerts.
        Output::Text => super::tell(&summary),
        Output::Json => super::tell(&summary.to_json()),
    }
    Ok(if summary.tally.rejected_total() == 0 { ExitCode::SUCCESS } else { ExitCode::from(EXIT_REJECTED) })
}

/// Opens the file for the gauges, unless it is one of the others.
fn open_gauges(path: &Path, args: &Args) -> Result<LateOutput, LocalError> {
    let stdout = PathBuf::from("-");
    let input = args.input.as_ref().filter(|input| **input != stdout);
    let alerts = args.alerts.as_ref().unwrap_or(&stdout);
    let others = [input, Some(alerts), args.health.as_ref(), args.desk.as_ref(), args.rejects.as_ref()];
    match local::named_twice(others.into_iter().flatten().map(PathBuf::as_path).chain([path])) {
        Some(path) => Err(LocalError::SameFile { path: path.to_owned() }),
        None => LateOutput::open(path),
    }
}

/// The service, until `SIGTERM` or Ctrl-C; a second signal ends the process at once.
fn run_service(args: &Args, model: Option<ModelFile>, config: &Config) -> anyhow::Result<ExitCode> {
    let mut roles: Vec<Role> = args.role.iter().map(|name| name.role()).collect();
    roles.sort_unstable();
    roles.dedup();
    let telemetry = Telemetry::new(Settings::new(&roles, &config.rules, &config.kpis))?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let server = if roles.contains(&Role::Serve) {
        let token = config.http.token_sha256.as_deref().map(TokenHash::parse).transpose()?;
        let options = http::Options { listen: config.http.listen, token };
        telemetry.ready(Role::Serve, Readiness::Ready);
        Some(http::start(options, telemetry.clone())?)
    } else {
        None
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), roles = ?roles, "churnwatch starts");
    if roles.iter().any(|role| role.reads()) {
        service::run(config, &roles, model.map(|file| file.text), telemetry, Arc::clone(&stop))?;
    }
    // Serving alone: nothing else ends the process.
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(50));
    }
    if let Some(server) = server {
        server.stop();
    }
    tracing::info!("churnwatch has stopped");
    Ok(ExitCode::SUCCESS)
}
