//! From the lines of an input to engines and what they say: everything about file mode that needs no file.
//!
//! Pure: what is decided depends on the lines and the options alone, so the outputs are the same whatever the chunks in
//! which the input arrives. Three layouts are told apart by the first line that can be read. A dump of the canonical log
//! (`churnwatch topics dump`) gets one engine for each partition, fed with the records' own positions and timestamps,
//! and its time comes from the progress records in it: its outputs are those of the service that read the same log.
//! Anything else is one partition of events, whose time is derived from the events (see [`Replay::line`]); so is a dump
//! that is read through a mapping, since it must be one of a source topic. A dump of alerts gets no engine, only the
//! owners' desks. A replay may stop at cut-offs, to be looked at
//! as it stood then: see [`super::gate`].

mod desk;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::gate::{Gate, Held};
use super::place::Place;
use super::reject::{LineError, Rejected};
use super::story::Moments;
use super::summary::Tally;
use crate::desk::{Desk, Settings as DeskSettings};
use crate::engine::effect::{AlertChange, Effect, Transition};
use crate::engine::fleet::Fleet;
use crate::engine::fleet::learner::Learner;
use crate::engine::fleet::report::FleetReport;
use crate::engine::input::{Input, Progress, Record};
use crate::engine::rules::Rules;
use crate::engine::{Engine, Journal};
use crate::evaluation::alerts::Raised;
use crate::units::{HOUR_MS, NextOffset, Offset, PartitionIndex, Position, Timestamp};
use crate::wire::notice::decode_notice;
use crate::wire::{Decoded, Format, Refusal, alert, canonical, dump, health};

/// Partitions beyond this are not believed: each costs an engine.
pub const PARTITIONS_MAX: i32 = 4096;

/// How every dumped record begins.
pub(super) const DUMP_HEAD: &[u8] = b"{\"topic\":";

/// What has been found and waits to be written.
#[derive(Debug, Default)]
pub struct Found {
    /// Alert changes, one JSON object a line, in the order of the effects.
    pub alerts: Vec<u8>,
    /// Account health, likewise; absent where nobody wants it.
    pub health: Option<Vec<u8>>,
    /// What goes out from the desk, likewise; absent where nobody wants it.
    pub desk: Option<Vec<u8>>,
    /// Lines that were refused, in order.
    pub rejected: Vec<Rejected>,
    /// Whether refused lines are kept whole.
    pub keeps_rejected: bool,
    /// The alerts that were raised, for judging them; absent where nobody wants that.
    pub raised: Option<Vec<Raised>>,
    /// What the engines of a dumped canonical log have reported of their fleet; absent where nobody learns from it.
    pub reports: Option<Vec<FleetReport>>,
    /// What happened to the one account that is watched; absent where none is.
    pub moments: Option<Moments>,
}

/// What a replay depends on besides its input.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The format of the events.
    pub format: Format,
    /// The rules in force.
    pub rules: Arc<Rules>,
    /// What the desk goes by.
    pub desk: DeskSettings,
    /// Longer events are refused, in bytes.
    pub event_bytes_max: usize,
    /// Taken as the time of receipt of lines that carry none: events far ahead of it are refused.
    pub start: Timestamp,
}

/// A run of engines over lines.
#[derive(Debug)]
pub struct Replay {
    settings: Settings,
    layout: Layout,
    /// Where time is derived from events: the latest event time so far.
    pub(super) reached: Option<Timestamp>,
    lanes: BTreeMap<PartitionIndex, Lane>,
    effects: Vec<Effect>,
    /// What new engines know of their fleet, where that is not the shipped record.
    beginning: Option<Arc<Fleet>>,
    /// Learns what the fleet teaches; in the dump of a canonical log that has been done already.
    learner: Learner,
    desk: Desk,
    /// When the latest record of a dump of alerts was written.
    told_until: Option<Timestamp>,
    tally: Tally,
    /// Present where the replay stops at cut-offs.
    gate: Option<Gate>,
}

/// A partition that stands at a cut-off.
#[derive(Debug)]
pub struct Stop<'a> {
    /// The number of the cut-off, from 0.
    pub cutoff: usize,
    /// The engine of the partition, with everything from before the cut-off and nothing else; absent while it has had
    /// no record.
    pub engine: Option<&'a Engine>,
}

/// How the input is laid out.
#[derive(Debug)]
enum Layout {
    /// No line could be read yet.
    Unknown,
    /// One event a line.
    Events,
    /// One record of this topic a line.
    Dump {
        /// The topic.
        topic: String,
        /// What it carries.
        carries: Carries,
    },
}

/// What a dumped topic carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carries {
    /// Inputs of the engine, or of a source.
    Inputs,
    /// Alerts.
    Alerts,
}

/// One partition.
#[derive(Debug)]
struct Lane {
    engine: Engine,
    next_offset: NextOffset,
}

impl Replay {
    /// Nothing read yet.
    #[must_use]
    pub fn new(settings: Settings) -> Replay {
        Replay {
            learner: Learner::new(1),
            desk: Desk::new(settings.desk),
            told_until: None,
            settings,
            layout: Layout::Unknown,
            reached: None,
            lanes: BTreeMap::new(),
            effects: Vec::new(),
            beginning: None,
            tally: Tally::default(),
            gate: None,
        }
    }

    /// Nothing read yet, to stop at the cut-offs of `gate`: after each line, [`Replay::stop`] is to be asked.
    #[must_use]
    pub fn with_stops(settings: Settings, gate: Gate) -> Replay {
        Replay { gate: Some(gate), ..Replay::new(settings) }
    }

    /// Goes on from what was learned elsewhere, before the first line. The dump of a canonical log has records of its own.
    pub fn begin_from(&mut self, learner: Learner) {
        self.beginning = Some(Arc::new(learner.fleet().clone()));
        self.learner = learner;
    }

    /// What has been learned of a fleet of plain events.
    #[must_use]
    pub fn learner(&self) -> &Learner {
        &self.learner
    }

    /// Takes in the line with this index (from 0) and adds what follows from it to `found`.
    ///
    /// Time in an input of plain events: before the first event of each hour that is later than all before it, a
    /// progress record says that everything up to the beginning of that hour has been read. [`Replay::finish`] adds one
    /// at the latest event time.
    pub fn line(&mut self, index: u64, line: &[u8], found: &mut Found) {
        self.tally.lines += 1;
        if line.trim_ascii().is_empty() {
            self.note_line(index);
            return;
        }
        let refused_before = found.rejected.len();
        if let Err(error) = self.understand(index, line, found) {
            self.reject(index, error.name(), error.to_string(), found);
        }
        if found.keeps_rejected {
            let refused = found.rejected.iter_mut().skip(refused_before);
            refused.for_each(|rejected| rejected.content = Some(line.to_vec()));
        }
        self.note_line(index);
    }

    /// Takes note of a line that was too long to be held.
    pub fn line_too_long(&mut self, index: u64, bytes: u64, found: &mut Found) {
        self.tally.lines += 1;
        let refusal = self.too_large(usize::try_from(bytes).unwrap_or(usize::MAX));
        self.reject(index, refusal.name(), refusal.to_string(), found);
        self.note_line(index);
    }

    /// The end of the input, after `lines` lines.
    pub fn finish(&mut self, lines: u64, found: &mut Found) {
        if let Some(reached) = self.reached {
            let position = Position { partition: PartitionIndex(0), offset: offset_of(lines) };
            self.step(lines, &progress(position, self.settings.start, reached), found);
        }
        self.finish_desk(found);
    }

    /// Where the replay stands at a cut-off, if it does. It must not be given another line before [`Replay::go_on`].
    #[must_use]
    pub fn stop(&self) -> Option<Stop<'_>> {
        let (partition, cutoff) = self.gate.as_ref()?.stop()?;
        Some(Stop { cutoff, engine: self.lanes.get(&partition).map(|lane| &lane.engine) })
    }

    /// Leaves the cut-off at which the replay stands: what waited for it is taken in.
    pub fn go_on(&mut self, found: &mut Found) {
        for Held { index, position, received_at, value } in self.gate.as_mut().map(Gate::go_on).unwrap_or_default() {
            // It was read without fault when it began to wait.
            let format = self.settings.format.clone();
            let decoded = if self.is_log() { canonical::decode(&value) } else { format.decode_source(&value) };
            if let Ok(Decoded::Input(input)) = decoded {
                self.take(index, &Record { position, received_at, input }, &value, found);
            }
        }
    }

    /// No line follows: what cut-offs are left are stopped at as well.
    pub fn end_lines(&mut self) {
        if let Some(gate) = &mut self.gate {
            gate.end();
        }
    }

    /// Bytes of the records that wait for a cut-off.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.gate.as_ref().map_or(0, Gate::held_bytes)
    }

    /// Where the record at `position` is found in the input.
    #[must_use]
    pub fn place(&self, position: Position) -> Place {
        if self.is_log() { Place::Record(position) } else { Place::Line(line_number(position.offset)) }
    }

    /// What has been counted so far.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The engines, by partition.
    pub fn engines(&self) -> impl Iterator<Item = &Engine> {
        self.lanes.values().map(|lane| &lane.engine)
    }

    fn understand(&mut self, index: u64, line: &[u8], found: &mut Found) -> Result<(), LineError> {
        let is_dump = line.trim_ascii_start().starts_with(DUMP_HEAD);
        match self.layout {
            Layout::Dump { .. } if !is_dump => return Err(LineError::NoDumpLine),
            Layout::Dump { .. } => return self.dumped(index, line, found),
            Layout::Unknown if is_dump => return self.dumped(index, line, found),
            Layout::Unknown | Layout::Events => {}
        }
        self.event(index, line, self.settings.start, found)?;
        self.layout = Layout::Events;
        Ok(())
    }

    /// A line of a dumped topic.
    fn dumped(&mut self, index: u64, line: &[u8], found: &mut Found) -> Result<(), LineError> {
        let dumped = dump::decode_line(line)?;
        let value = dumped.value.as_deref();
        let carries = match &self.layout {
            Layout::Dump { topic, .. } if *topic != *dumped.topic => {
                return Err(LineError::OtherTopic { found: dumped.topic.to_string(), wanted: topic.clone() });
            }
            Layout::Dump { carries, .. } => *carries,
            _ => {
                let is_alert = value.is_some_and(|value| decode_notice(value).is_ok());
                let carries = if is_alert { Carries::Alerts } else { Carries::Inputs };
                self.layout = Layout::Dump { topic: dumped.topic.to_string(), carries };
                carries
            }
        };
        match self.settings.format {
            Format::Canonical if carries == Carries::Alerts => self.alert_record(&dumped, found),
            Format::Canonical => {
                let position = Position { partition: dumped.partition, offset: dumped.offset };
                // As the service does: where the log keeps no timestamps, every event is believed.
                self.log_record(index, position, dumped.timestamp.unwrap_or(Timestamp::MAX), value, found)
            }
            Format::Mapped(_) => {
                let received_at = dumped.timestamp.unwrap_or(self.settings.start);
                self.event(index, value.ok_or(Refusal::NullPayload)?, received_at, found)
            }
        }
    }

    /// A record of the canonical log.
    fn log_record(
        &mut self,
        index: u64,
        position: Position,
        received_at: Timestamp,
        value: Option<&[u8]>,
        found: &mut Found,
    ) -> Result<(), LineError> {
        if !(0..PARTITIONS_MAX).contains(&position.partition.0) {
            return Err(LineError::Partition(position.partition.0));
        }
        let lane = self.lane(position.partition);
        if position.offset.0 < lane.next_offset.0 {
            return Err(LineError::OffsetOrder { found: position.offset.0, wanted: lane.next_offset.0 });
        }
        lane.next_offset = position.offset.next();
        // No limit on length: as in the service, what is in the log has been let in.
        match canonical::decode(value.ok_or(Refusal::NullPayload)?)? {
            Decoded::UnknownType(name) => self.tally.unknown_type(&name),
            Decoded::Input(input) => {
                self.take(index, &Record { position, received_at, input }, value.unwrap_or_default(), found);
            }
        }
        Ok(())
    }

    /// An event that is not of the canonical log: time is derived from it.
    fn event(&mut self, index: u64, value: &[u8], received_at: Timestamp, found: &mut Found) -> Result<(), LineError> {
        self.check_length(value.len())?;
        match self.settings.format.clone().decode_source(value)? {
            Decoded::UnknownType(name) => self.tally.unknown_type(&name),
            Decoded::Input(input) => {
                let position = Position { partition: PartitionIndex(0), offset: offset_of(index) };
                self.take(index, &Record { position, received_at, input }, value, found);
            }
        }
        Ok(())
    }

    /// Takes in a record whose bytes are `value`, unless it has to wait for a cut-off.
    fn take(&mut self, index: u64, record: &Record<'_>, value: &[u8], found: &mut Found) {
        let is_log = self.is_log();
        if let Some(gate) = &mut self.gate {
            let lane = self.lanes.get(&record.position.partition);
            let Record { position, received_at, .. } = *record;
            if gate.holds(record, lane.map(|lane| lane.engine.partition()), &self.settings.rules) {
                gate.hold(Held { index, position, received_at, value: value.to_vec() });
                return;
            }
        }
        if !is_log {
            self.reach(index, record, found);
        }
        self.step(index, record, found);
    }

    /// Whether the input is a dump of the canonical log, with progress records of its own.
    #[must_use]
    pub fn is_log(&self) -> bool {
        matches!(self.layout, Layout::Dump { .. }) && self.settings.format == Format::Canonical
    }

    /// Tells the gate that a line of plain events has been read.
    fn note_line(&mut self, index: u64) {
        let is_log = self.is_log();
        if let Some(gate) = self.gate.as_mut().filter(|_| !is_log) {
            gate.line_read(index);
        }
    }

    /// Moves the derived time on to that of an event, unless the engine is going to refuse it as one of the future.
    fn reach(&mut self, index: u64, record: &Record<'_>, found: &mut Found) {
        let Input::Event(event) = &record.input else { return };
        let believed_until = record.received_at.plus(self.settings.rules.future_skew);
        if event.time > believed_until || self.reached.is_some_and(|reached| event.time <= reached) {
            return;
        }
        let before = self.reached.replace(event.time);
        let hour = Timestamp::clamped(event.time.ms() / HOUR_MS * HOUR_MS);
        if before.is_none_or(|before| before < hour) {
            self.step(index, &progress(record.position, record.received_at, hour), found);
        }
    }

    fn check_length(&self, bytes: usize) -> Result<(), Refusal> {
        if bytes > self.settings.event_bytes_max { Err(self.too_large(bytes)) } else { Ok(()) }
    }

    fn too_large(&self, bytes: usize) -> Refusal {
        Refusal::TooLarge { bytes, bytes_max: self.settings.event_bytes_max }
    }

    fn lane(&mut self, partition: PartitionIndex) -> &mut Lane {
        let beginning = self.beginning.clone().filter(|_| !self.is_log());
        self.lanes.entry(partition).or_insert_with(|| {
            let mut engine = Engine::new(Arc::clone(&self.settings.rules), Journal::Off);
            if let Some(fleet) = beginning {
                let position = Position { partition, offset: Offset(0) };
                let record = Record { position, received_at: self.settings.start, input: Input::Fleet(fleet) };
                engine.step(&record, &mut Vec::new());
            }
            Lane { engine, next_offset: NextOffset(0) }
        })
    }

    /// Gives one record to its engine and writes down what the engine wants done.
    fn step(&mut self, index: u64, record: &Record<'_>, found: &mut Found) {
        let mut effects = std::mem::take(&mut self.effects);
        let engine = &mut self.lane(record.position.partition).engine;
        let accepted = engine.counts().accepted;
        engine.step(record, &mut effects);
        if let (Some(moments), Input::Event(event)) = (&mut found.moments, &record.input) {
            // What the engine passed over, such as a repetition, did not happen.
            if engine.counts().accepted > accepted {
                moments.see(event, index);
            }
        }
        if matches!(record.input, Input::Event(_)) && !matches!(effects.as_slice(), [Effect::Reject(_), ..]) {
            self.tally.events += 1;
        }
        for effect in effects.drain(..) {
            match effect {
                Effect::Alert(change) => {
                    self.tally.alert(change.alert_type, change.transition);
                    alert::encode_alert(&change, &mut found.alerts);
                    found.alerts.push(b'\n');
                    note_alert(&change, found);
                    self.tell_desk(&change, record, found);
                }
                Effect::Health(health) => {
                    found.moments.iter_mut().for_each(|moments| moments.see_health(&health));
                    if let Some(out) = &mut found.health {
                        health::encode_health(&health, out);
                        out.push(b'\n');
                    }
                }
                Effect::Reject(reason) => self.reject(index, reason.name(), reason.message().to_owned(), found),
                Effect::Fleet(report) => self.learn(record.position, record.received_at, *report, found),
            }
        }
        self.effects = effects;
    }

    /// Gives the engine of plain events what its own reports teach, at once; a canonical log has its fleet records.
    fn learn(&mut self, position: Position, received_at: Timestamp, report: FleetReport, found: &mut Found) {
        if self.is_log() {
            if let Some(reports) = &mut found.reports {
                reports.push(report);
            }
            return;
        }
        if let Some(fleet) = self.learner.take(report, &self.settings.rules) {
            let record = Record { position, received_at, input: Input::Fleet(fleet) };
            self.lane(position.partition).engine.step(&record, &mut Vec::new());
        }
    }

    fn reject(&mut self, index: u64, reason: &'static str, message: String, found: &mut Found) {
        self.tally.reject(reason);
        found.rejected.push(Rejected { line: index + 1, reason, message, content: None });
    }
}

/// Notes an alert change where somebody wants to know of it.
fn note_alert(change: &AlertChange, found: &mut Found) {
    found.moments.iter_mut().for_each(|moments| moments.see_alert(change));
    if let Some(raised) = found.raised.as_mut().filter(|_| change.transition == Transition::Raised) {
        raised.push(Raised {
            account_id: change.health.account_id.clone(),
            alert_type: change.alert_type,
            at: change.raised_at,
            owner: Some(change.owner.clone()),
        });
    }
}

/// A line's index as the offset of its record.
fn offset_of(index: u64) -> Offset {
    Offset(i64::try_from(index).unwrap_or(i64::MAX))
}

/// The number of the line whose record has this offset.
fn line_number(offset: Offset) -> u64 {
    u64::try_from(offset.0).unwrap_or_default() + 1
}

/// A record that says: everything up to `reached` has been read.
fn progress(position: Position, received_at: Timestamp, reached: Timestamp) -> Record<'static> {
    let progress = Progress { reached: Some(reached), ..Progress::default() };
    Record { position, received_at, input: Input::Progress(progress) }
}
