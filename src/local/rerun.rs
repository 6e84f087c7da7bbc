//! Looking back over a file: a first reading that finds out its times, and a replay that stops at cut-offs.
//!
//! The engine and its driver are those of every other run; this file opens the input, shows how far it is, and hands the
//! replay to whoever looks at it when it stands at a cut-off. The input is read twice, so that it has to be a file.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget};

use super::gate::{Gate, HELD_BYTES_MAX};
use super::lines::{LINE_BYTES_MAX, Line, LineReader};
use super::reject::Rejected;
use super::replay::{Found, Replay, Settings, Stop};
use super::scan::Scan;
use super::{Input, LocalError, REDRAW_EVERY, open, style};

/// Refused lines that are kept to be told; further ones are only counted.
pub const REJECTED_MAX: usize = 20;

/// A log to look back over.
#[derive(Clone, Debug)]
pub struct Log {
    /// The file.
    pub path: PathBuf,
    /// How it is read, and under which rules.
    pub settings: Settings,
    /// Bytes that may wait for a cut-off ([`HELD_BYTES_MAX`]).
    pub held_bytes_max: usize,
}

/// A replay at its end.
#[derive(Debug)]
pub struct Replayed {
    /// Engines and counts.
    pub replay: Replay,
    /// What was found and not taken out.
    pub found: Found,
    /// The first refused lines, at most [`REJECTED_MAX`].
    pub rejected: Vec<Rejected>,
}

impl Log {
    /// The log at `path`.
    #[must_use]
    pub fn new(path: PathBuf, settings: Settings) -> Log {
        Log { path, settings, held_bytes_max: HELD_BYTES_MAX }
    }

    /// Reads it once for its times.
    pub fn scan(&self) -> Result<Scan, LocalError> {
        let believed_until = self.settings.start.plus(self.settings.rules.future_skew);
        let mut scan = Scan::default();
        each_line(&self.path, "reading", |index, line| {
            if let Line::Text(line) = line {
                scan.line(index, line, &self.settings.format, believed_until);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(scan)
    }

    /// Replays it, stopping where `gate` says; `look` sees every stop and may end the replay there. `found` says what is
    /// wanted.
    pub fn replay(
        &self,
        gate: Option<Gate>,
        mut found: Found,
        look: &mut dyn FnMut(&Stop<'_>) -> ControlFlow<()>,
    ) -> Result<Replayed, LocalError> {
        let mut replay = match gate {
            Some(gate) => Replay::with_stops(self.settings.clone(), gate),
            None => Replay::new(self.settings.clone()),
        };
        let (mut rejected, mut ended) = (Vec::new(), ControlFlow::Continue(()));
        let lines = each_line(&self.path, "replaying", |index, line| {
            match line {
                Line::Text(line) => replay.line(index, line, &mut found),
                Line::TooLong { bytes } => replay.line_too_long(index, bytes, &mut found),
            }
            ended = pass_stops(&mut replay, &mut found, look);
            keep(&mut found, &mut rejected);
            if replay.held_bytes() > self.held_bytes_max {
                return Err(LocalError::OutOfOrder { line: index + 1, bytes_max: self.held_bytes_max });
            }
            Ok(ended)
        })?;
        if ended.is_continue() {
            replay.end_lines();
            ended = pass_stops(&mut replay, &mut found, look);
        }
        if ended.is_continue() {
            replay.finish(lines, &mut found);
        }
        keep(&mut found, &mut rejected);
        Ok(Replayed { replay, found, rejected })
    }
}

fn pass_stops(
    replay: &mut Replay,
    found: &mut Found,
    look: &mut dyn FnMut(&Stop<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    while let Some(stop) = replay.stop() {
        look(&stop)?;
        replay.go_on(found);
    }
    ControlFlow::Continue(())
}

/// Keeps the first refused lines and lets go of what nobody writes here.
fn keep(found: &mut Found, rejected: &mut Vec<Rejected>) {
    found.alerts.clear();
    let room = REJECTED_MAX.saturating_sub(rejected.len());
    rejected.extend(found.rejected.drain(..).take(room));
}

/// Hands each line to `take`, with a progress bar on standard error where that is a terminal; how many lines were read.
fn each_line(
    path: &Path,
    doing: &'static str,
    mut take: impl FnMut(u64, Line<'_>) -> Result<ControlFlow<()>, LocalError>,
) -> Result<u64, LocalError> {
    let bar = ProgressBar::new(0).with_style(style("{msg:9} {bar:40} {bytes}/{total_bytes} {eta} left"));
    bar.set_message(doing);
    bar.set_draw_target(ProgressDrawTarget::stderr());
    bar.enable_steady_tick(REDRAW_EVERY);
    let mut reader = LineReader::new(open(&Input::File(path.to_owned()), &bar)?, LINE_BYTES_MAX);
    let mut lines = 0;
    loop {
        match reader.next_line() {
            Ok(Some(line)) => {
                let flow = take(lines, line)?;
                lines += 1;
                if flow.is_break() {
                    break;
                }
            }
            Ok(None) => break,
            Err(source) => return Err(LocalError::Unreadable { lines, source }),
        }
    }
    bar.finish_and_clear();
    Ok(lines)
}
