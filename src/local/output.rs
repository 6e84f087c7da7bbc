//! Where file mode writes: alerts, account health, the desk's records and refused lines, to files or the standard streams.
//!
//! Writes what it is given and decides nothing. Everywhere `-` names standard output. A file that is also the input, or
//! another output, is refused before anything is overwritten, and so is standard output for two outputs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;

use super::replay::Found;
use super::{Alerts, Input, LocalError, Options};

/// Bytes gathered before a file is written to.
const BUFFER_BYTES: usize = 256 * 1024;

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// Everything was taken.
    All,
    /// Nobody reads standard output any more.
    ReaderGone,
}

/// The open outputs of a run.
pub(super) struct Outputs {
    alerts: Sink,
    health: Option<Sink>,
    desk: Option<Sink>,
    rejects: Option<Sink>,
    bar: ProgressBar,
}

/// One output.
struct Sink {
    name: String,
    writer: BufWriter<Box<dyn Write>>,
}

impl Outputs {
    /// Opens the outputs; existing files are replaced.
    pub(super) fn create(options: &Options, bar: ProgressBar) -> Result<Outputs, LocalError> {
        check_distinct(options)?;
        let alerts = match &options.alerts {
            Alerts::Stdout => Sink::new("standard output".to_owned(), Box::new(io::stdout())),
            Alerts::File(path) => Sink::create(path)?,
        };
        let health = options.health.as_deref().map(Sink::create).transpose()?;
        let desk = options.desk.as_deref().map(Sink::create).transpose()?;
        let rejects = options.rejects.as_deref().map(Sink::create).transpose()?;
        Ok(Outputs { alerts, health, desk, rejects, bar })
    }

    /// What may be found, nothing yet: health, the desk and refused lines only where they are going to be written.
    pub(super) fn wanted(&self) -> Found {
        let wanted = |sink: &Option<Sink>| sink.as_ref().map(|_| Vec::new());
        let keeps_rejected = self.rejects.is_some();
        Found { health: wanted(&self.health), desk: wanted(&self.desk), keeps_rejected, ..Found::default() }
    }

    /// Writes what was found and empties it.
    pub(super) fn write(&mut self, found: &mut Found) -> Result<Written, LocalError> {
        for rejected in found.rejected.drain(..) {
            match &mut self.rejects {
                Some(sink) => {
                    let mut line = rejected.to_json();
                    line.push('\n');
                    let _ = sink.write(line.as_bytes())?;
                }
                // When standard error is closed there is nobody left to tell; the exit code still does.
                None => self.bar.suspend(|| drop(writeln!(io::stderr(), "{}", rejected.to_text()))),
            }
        }
        for (sink, lines) in [(&mut self.health, &mut found.health), (&mut self.desk, &mut found.desk)] {
            if let (Some(sink), Some(lines)) = (sink, lines) {
                let _ = sink.write(lines)?;
                lines.clear();
            }
        }
        let written = self.alerts.write(&found.alerts)?;
        found.alerts.clear();
        Ok(written)
    }

    /// Hands on everything written so far.
    pub(super) fn flush(&mut self) -> Result<Written, LocalError> {
        for sink in self.health.iter_mut().chain(&mut self.desk).chain(&mut self.rejects) {
            let _ = sink.settle(Write::flush)?;
        }
        self.alerts.settle(Write::flush)
    }
}

impl Sink {
    fn new(name: String, writer: Box<dyn Write>) -> Sink {
        Sink { name, writer: BufWriter::with_capacity(BUFFER_BYTES, writer) }
    }

    fn create(path: &Path) -> Result<Sink, LocalError> {
        let writer = create(path).map_err(|source| LocalError::Create { path: path.to_owned(), source })?;
        let name = if path == Path::new(STDOUT) { "standard output".to_owned() } else { path.display().to_string() };
        Ok(Sink::new(name, writer))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<Written, LocalError> {
        if bytes.is_empty() { Ok(Written::All) } else { self.settle(|writer| writer.write_all(bytes)) }
    }

    fn settle(
        &mut self,
        action: impl FnOnce(&mut BufWriter<Box<dyn Write>>) -> io::Result<()>,
    ) -> Result<Written, LocalError> {
        match action(&mut self.writer) {
            Ok(()) => Ok(Written::All),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Written::ReaderGone),
            Err(source) => Err(LocalError::Write { name: self.name.clone(), source }),
        }
    }
}

/// An output that is written when all is done. It is opened before, so that one that cannot be is refused at the start,
/// and keeps what it has until then.
pub(crate) struct LateOutput {
    name: String,
    /// Absent for standard output.
    file: Option<File>,
}

impl LateOutput {
    /// Opens the file at `path`, or standard output where that is named.
    pub(crate) fn open(path: &Path) -> Result<LateOutput, LocalError> {
        if path == Path::new(STDOUT) {
            return Ok(LateOutput { name: "standard output".to_owned(), file: None });
        }
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|source| LocalError::Create { path: path.to_owned(), source })?;
        Ok(LateOutput { name: path.display().to_string(), file: Some(file) })
    }

    /// Puts `text` in the place of what is there.
    pub(crate) fn write(self, text: &str) -> Result<(), LocalError> {
        let written = match self.file {
            None => io::stdout().write_all(text.as_bytes()),
            Some(file) => replace(file, text),
        };
        written.map_err(|source| LocalError::Write { name: self.name, source })
    }
}

fn replace(mut file: File, text: &str) -> io::Result<()> {
    // Devices and pipes have no length.
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    file.write_all(text.as_bytes())
}

/// Refuses a file of `options` that is named twice.
fn check_distinct(options: &Options) -> Result<(), LocalError> {
    let input = match &options.input {
        Input::File(path) => Some(path),
        Input::Stdin => None,
    };
    let stdout = PathBuf::from(STDOUT);
    let alerts = match &options.alerts {
        Alerts::File(path) => path,
        Alerts::Stdout => &stdout,
    };
    let paths = [input, Some(alerts), options.health.as_ref(), options.desk.as_ref(), options.rejects.as_ref()];
    match named_twice(paths.into_iter().flatten().map(PathBuf::as_path)) {
        Some(path) => Err(LocalError::SameFile { path: path.to_owned() }),
        None => Ok(()),
    }
}

/// How standard output is named.
pub(crate) const STDOUT: &str = "-";

/// Creates the file at `path`, or opens standard output where that is named.
pub(crate) fn create(path: &Path) -> io::Result<Box<dyn Write>> {
    if path == Path::new(STDOUT) {
        return Ok(Box::new(io::stdout()));
    }
    Ok(Box::new(File::create(path)?))
}

/// The first of `paths` that is the same ordinary file as one before it: creating it would destroy the other; or the
/// second that names standard output, where both would mingle.
pub(crate) fn named_twice<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Option<&'a Path> {
    let mut seen: Vec<Place> = Vec::new();
    for path in paths {
        let Some(place) = place_of(path) else { continue };
        if seen.contains(&place) {
            return Some(path);
        }
        seen.push(place);
    }
    None
}

/// Where an ordinary file is or would be. Two names of one file, by links of either kind, are one place.
#[derive(PartialEq, Eq)]
enum Place {
    /// It exists: its device and number there.
    File(u64, u64),
    /// It does not exist yet.
    Path(PathBuf),
    /// Standard output.
    Stdout,
}

/// The place of an ordinary file; `None` for devices and pipes, which may well be shared, and where it cannot be told.
fn place_of(path: &Path) -> Option<Place> {
    if path == Path::new(STDOUT) {
        return Some(Place::Stdout);
    }
    if let Ok(metadata) = fs::metadata(path) {
        return metadata.is_file().then(|| Place::File(metadata.dev(), metadata.ino()));
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some(Place::Path(directory.canonicalize().ok()?.join(path.file_name()?)))
}
