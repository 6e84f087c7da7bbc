//! File mode: the same engine over a file or standard input, without Kafka.
//!
//! This file opens, reads, writes and counts; what the lines mean is decided in [`replay`]. Outputs are the bytes that
//! the service writes as record values, one JSON object a line, in the order of the engine's effects, and do not depend
//! on how the input arrives. Memory is bounded by the accounts, not by the input. Looking back over a file ([`rerun`]) is
//! the same replay, stopped at cut-offs. Not here: the command line, which
//! turns its arguments into [`Options`] and a [`Summary`] into text and an exit code.

pub mod backtest;
pub mod gate;
pub mod learn;
pub mod lines;
mod output;
pub mod place;
pub mod reject;
pub mod replay;
pub mod report;
pub mod rerun;
pub mod scan;
pub mod story;
pub mod summary;
pub mod tables;

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::desk;
use crate::engine::alert::action;
use crate::engine::fleet::learner::Learner;
use crate::engine::rules::Rules;
use crate::telemetry::view::PartitionView;
use crate::units::{Span, Timestamp};
use crate::wire::Format;
use lines::{LINE_BYTES_MAX, Line, LineReader};
pub(crate) use output::{LateOutput, create, named_twice};
use output::{Outputs, Written};
use replay::{Replay, Settings};
pub use summary::{Ending, Summary};

/// The progress bar is redrawn this often at most.
const REDRAW_EVERY: Duration = Duration::from_millis(200);

/// What to run over, and where the results go.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the lines come from: plain, gzip or Zstandard.
    pub input: Input,
    /// The format of the events.
    pub format: Format,
    /// The rules in force.
    pub rules: Arc<Rules>,
    /// What the fleet has taught elsewhere, to begin from; a dumped canonical log has records of its own.
    pub model: Option<Learner>,
    /// Where alerts go.
    pub alerts: Alerts,
    /// The file for account health; none is written when absent.
    pub health: Option<PathBuf>,
    /// The file for what goes out from the owners' desks; none is written when absent.
    pub desk: Option<PathBuf>,
    /// What the desks go by.
    pub desk_settings: desk::Settings,
    /// The file for refused lines; standard error when absent.
    pub rejects: Option<PathBuf>,
    /// Longer events are refused, in bytes (1 MiB).
    pub event_bytes_max: usize,
    /// The present wall time: taken as the time of receipt of lines that carry none.
    pub start: Timestamp,
}

/// Where the lines come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Standard input, until it ends.
    Stdin,
    /// A file.
    File(PathBuf),
}

/// Where alerts go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alerts {
    /// Standard output.
    Stdout,
    /// A file, replaced when it exists.
    File(PathBuf),
}

/// Why a run over a file could not be done.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The input cannot be opened.
    #[error("cannot open input {path}: {source}; check the path and its permissions", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The input broke off.
    #[error("cannot read input after line {lines}: {source}; the results up to there have been written")]
    Read {
        /// Lines read before.
        lines: u64,
        /// Why.
        source: io::Error,
    },
    /// The input broke off where nothing has been written yet.
    #[error("cannot read input after line {lines}: {source}; nothing can be said from a part of it")]
    Unreadable {
        /// Lines read before.
        lines: u64,
        /// Why.
        source: io::Error,
    },
    /// Too much of the input waits for earlier events that come later.
    #[error(
        "at line {line}, more than {bytes_max} bytes of later events stand before earlier ones; sort the input by time"
    )]
    OutOfOrder {
        /// The line.
        line: u64,
        /// How much may wait.
        bytes_max: usize,
    },
    /// An output cannot be created.
    #[error("cannot create {path}: {source}; check the path and its permissions", path = path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An output cannot be written.
    #[error("cannot write {name}: {source}; what is there already is incomplete")]
    Write {
        /// The output.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// Two of the files are the same one.
    #[error("{path} is named twice; give the input and each output a file of its own (`-` is standard output)", path = path.display())]
    SameFile {
        /// The file.
        path: PathBuf,
    },
}

impl Options {
    /// Reads `input` in the canonical format under the default rules, alerts to standard output, refused lines to
    /// standard error.
    #[must_use]
    pub fn new(input: Input, start: Timestamp) -> Options {
        Options {
            input,
            format: Format::Canonical,
            rules: Arc::new(Rules::default()),
            model: None,
            alerts: Alerts::Stdout,
            health: None,
            desk: None,
            desk_settings: desk::Settings { budget_per_owner_week: 10, deliver_max_age: Span::from_days(1) },
            rejects: None,
            event_bytes_max: 1024 * 1024,
            start,
        }
    }
}

/// Runs the engine over the whole input and writes what it says.
///
/// Refused lines are no error: [`summary::Tally::rejected_total`] tells of them. When nobody reads standard output any
/// more, the run ends without an error as well, and the summary says so.
pub fn run(options: &Options) -> Result<Summary, LocalError> {
    let bar = progress_bar(options);
    let input = open(&options.input, &bar)?;
    let mut outputs = Outputs::create(options, bar.clone())?;
    let began = Instant::now();
    let mut replay = Replay::new(Settings {
        format: options.format.clone(),
        rules: Arc::clone(&options.rules),
        desk: options.desk_settings,
        event_bytes_max: options.event_bytes_max,
        start: options.start,
    });
    if let Some(model) = &options.model {
        replay.begin_from(model.clone());
    }
    let result = read_all(LineReader::new(input, LINE_BYTES_MAX), &mut replay, &mut outputs);
    bar.finish_and_clear();
    Ok(summarise(&replay, result?, began.elapsed()))
}

/// Takes every line through the engine; results are handed on whenever the next line has to be waited for.
fn read_all<R: Read>(
    mut reader: LineReader<R>,
    replay: &mut Replay,
    outputs: &mut Outputs,
) -> Result<Ending, LocalError> {
    let mut found = outputs.wanted();
    let mut lines = 0;
    let broken = loop {
        match reader.next_line() {
            Ok(Some(Line::Text(line))) => replay.line(lines, line, &mut found),
            Ok(Some(Line::TooLong { bytes })) => replay.line_too_long(lines, bytes, &mut found),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
        lines += 1;
        if outputs.write(&mut found)? == Written::ReaderGone
            || (reader.must_wait() && outputs.flush()? == Written::ReaderGone)
        {
            return Ok(Ending::ReaderGone);
        }
    };
    if broken.is_none() {
        replay.finish(lines, &mut found);
    }
    let written = match outputs.write(&mut found)? {
        Written::All => outputs.flush()?,
        Written::ReaderGone => Written::ReaderGone,
    };
    match broken {
        Some(source) => Err(LocalError::Read { lines, source }),
        None if written == Written::ReaderGone => Ok(Ending::ReaderGone),
        None => Ok(Ending::Complete),
    }
}

fn open(input: &Input, bar: &ProgressBar) -> Result<Box<dyn Read>, LocalError> {
    let (path, raw): (PathBuf, Box<dyn Read>) = match input {
        Input::Stdin => ("standard input".into(), Box::new(bar.wrap_read(io::stdin().lock()))),
        Input::File(path) => {
            let file = File::open(path).map_err(|source| LocalError::Open { path: path.clone(), source })?;
            if let Ok(metadata) = file.metadata() {
                bar.set_length(metadata.len());
            }
            (path.clone(), Box::new(bar.wrap_read(file)))
        }
    };
    lines::decompressed(raw).map_err(|source| LocalError::Open { path, source })
}

/// A bar on standard error, by bytes of the input; invisible unless that is a terminal which the alerts leave alone.
fn progress_bar(options: &Options) -> ProgressBar {
    let disturbs = options.alerts == Alerts::Stdout && io::stdout().is_terminal();
    let bar = match &options.input {
        Input::File(_) => ProgressBar::new(0).with_style(style("{bar:40} {bytes}/{total_bytes} {eta} left")),
        Input::Stdin => ProgressBar::new_spinner().with_style(style("{spinner} {bytes} read")),
    };
    bar.set_draw_target(if disturbs { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() });
    bar.enable_steady_tick(REDRAW_EVERY);
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn summarise(replay: &Replay, ending: Ending, elapsed: Duration) -> Summary {
    Summary {
        tally: replay.tally().clone(),
        ending,
        accounts: replay.engines().map(crate::engine::Engine::accounts_len).sum(),
        duplicates: replay.engines().map(|engine| engine.counts().duplicates).sum(),
        too_late: replay.engines().map(|engine| engine.counts().too_late).sum(),
        unpriced: replay.engines().map(|engine| engine.counts().unpriced).sum(),
        alert_actions: action::sum(replay.engines().map(|engine| engine.counts().alert_actions)),
        clock: replay.engines().map(|engine| engine.partition().clock).min().flatten(),
        views: replay.engines().map(|engine| (engine.partition().index, PartitionView::of(engine))).collect(),
        elapsed,
    }
}
