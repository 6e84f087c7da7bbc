//! One ingest worker: a thread that reads its source partitions, steps the machine and commits. Without sources it only
//! keeps the clock of the canonical log.
//!
//! Its loop is in [`frame`]. Invariants: a source counts as caught up only by a look at its end that began after the wall
//! time reported; a source is read from its start only where nothing of any source can have been taken in before.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use rdkafka::{Message, Offset as KafkaOffset, TopicPartitionList};

use super::client::OffsetReset;
use super::dump::{self, Extent};
use super::error::WorkerError;
use super::frame::{self, Frame, Worker};
use super::member::{Member, Watermarks};
use super::shell::{BATCH_RECORDS_MAX, BATCHES_MAX, Offsets, WorkerContext, commit_policy, wall_time};
use crate::config::Config;
use crate::engine::input::Input;
use crate::telemetry::{Readiness, Role};
use crate::units::PartitionIndex;
use crate::wire::Decoded;
use crate::wire::canonical::{self, CONTROL_KEY};
use crate::worker::Start;
use crate::worker::ingest::{IngestMachine, Settings};
use crate::worker::outbox::PART_RECORDS;
use crate::worker::policy::Moment;
use crate::worker::progress::{Observation, SourceIndex};

/// So many of the latest records of the canonical log are searched for what was told of a source: what comes in within
/// some seconds, however fast.
const TOLD_LATELY: i64 = 500_000;

struct IngestWorker<'a> {
    frame: Frame<'a>,
    machine: IngestMachine,
    joined: bool,
}

/// Runs until the process is to stop, or until nothing but a new worker helps.
pub fn run(context: WorkerContext<'_>) -> Result<(), WorkerError> {
    frame::run::<IngestWorker<'_>>(context)
}

impl<'a> Worker<'a> for IngestWorker<'a> {
    type Place = (SourceIndex, PartitionIndex);

    fn start(context: WorkerContext<'a>) -> Result<IngestWorker<'a>, WorkerError> {
        let config = context.config;
        let topics: Vec<&str> = config.sources.iter().map(|source| source.topic.as_str()).collect();
        let member = if topics.is_empty() {
            Member::of_no_group(config)?
        } else {
            let instance = context.instance();
            Member::join(config, &config.ingest.group_id, instance.as_deref(), OffsetReset::Error, &topics)?
        };
        let frame = Frame::start(context, member)?;
        let machine = IngestMachine::new(Settings {
            topics: context.shape.sources.clone(),
            formats: config.sources.iter().map(|source| source.format.clone()).collect(),
            canonical_partitions: context.shape.partitions,
            event_bytes_max: config.limits.event_bytes_max,
            future_skew: config.rules.future_skew,
            policy: commit_policy(&config.commit),
            dead_letters: context.dead_letters(),
        });
        Ok(IngestWorker { frame, machine, joined: topics.is_empty() })
    }

    fn frame(&mut self) -> &mut Frame<'a> {
        &mut self.frame
    }

    fn readiness(&self) -> Option<Readiness> {
        Some(if self.joined { Readiness::Ready } else { Readiness::Unassigned })
    }

    fn places(&self, partitions: &TopicPartitionList) -> Vec<(SourceIndex, PartitionIndex)> {
        let sources = &self.frame.context.config.sources;
        let place = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
            let source = sources.iter().position(|source| source.topic == element.topic())?;
            Some((SourceIndex(source), PartitionIndex(element.partition())))
        };
        partitions.elements().iter().filter_map(place).collect()
    }

    /// Takes what has come, up to some batches.
    fn read(&mut self) -> Result<(), WorkerError> {
        let mut wait = Duration::from_millis(if self.machine.is_dirty() { 5 } else { 50 });
        let Frame { context, member, shell, outbox, .. } = &mut self.frame;
        if member.is_of_no_group() {
            std::thread::sleep(wait);
        }
        let sources = &context.config.sources;
        for _ in 0..BATCHES_MAX {
            let Some(batch) =
                member.take(BATCH_RECORDS_MAX, wait).map_err(|error| about_sources(context.config, error))?
            else {
                break;
            };
            wait = Duration::ZERO;
            for fetched in batch.messages().filter(|fetched| fetched.error().is_none()) {
                let Some(source) = sources.iter().position(|source| source.topic == fetched.topic()) else { continue };
                self.machine.step(SourceIndex(source), &fetched.raw(), outbox);
            }
            if outbox.len() >= PART_RECORDS {
                shell.send(outbox)?;
            }
            if batch.len() < BATCH_RECORDS_MAX {
                break;
            }
        }
        shell.send(outbox)
    }

    fn glance(&mut self, now: Moment) -> Result<(), WorkerError> {
        self.observe()?;
        let Frame { shell, outbox, .. } = &mut self.frame;
        self.machine.tick(now, wall_time(), outbox);
        shell.send(outbox)
    }

    fn take_on(&mut self, partitions: &TopicPartitionList) -> Result<(), WorkerError> {
        let places = self.places(partitions);
        // Every member is asked when the group has found new partitions, whoever gets them.
        for (index, source) in self.frame.context.config.sources.iter().enumerate() {
            let Some(count) = self.frame.member.partition_count(&source.topic) else { continue };
            // The group would go on without it, while the clock waits for it.
            let gone = || missing(&self.frame.member, self.frame.context.config, &source.topic);
            if let Some(gone) = (count == 0).then(gone).flatten() {
                return Err(gone);
            }
            self.machine.widen(SourceIndex(index), count);
        }
        let asked: Vec<_> = places.iter().map(|(source, index)| (self.topic(*source).to_owned(), *index)).collect();
        let committed = if asked.is_empty() { Vec::new() } else { self.frame.member.committed(&asked)? };
        let Frame { context, member, .. } = &self.frame;
        let marks = asked.iter().map(|(topic, index)| {
            let marks = member.watermarks(topic, *index);
            marks.map_err(|error| missing(member, context.config, topic).unwrap_or(error))
        });
        let marks: Vec<Watermarks> = marks.collect::<Result<_, _>>()?;
        if committed.contains(&None) && self.knows_positions()? {
            let found = asked.iter().zip(&committed).zip(&marks);
            let unplaced = found.filter(|((_, next), marks)| next.is_none() && marks.low < marks.high);
            self.check_never_read(&unplaced.map(|((place, _), _)| place).collect::<Vec<_>>())?;
        }
        let Frame { context, member, .. } = &mut self.frame;
        let mut assignment = TopicPartitionList::new();
        let known = committed.into_iter().zip(marks);
        for (((topic, index), (source, _)), (next, Watermarks { low, .. })) in asked.iter().zip(&places).zip(known) {
            let start = context.first_left(topic, *index, next, low);
            assignment
                .add_partition_offset(topic, index.0, KafkaOffset::Offset(start.0))
                .map_err(WorkerError::client("take on partitions"))?;
            self.machine.assign(*source, *index, start, next.is_some());
        }
        member.take_on(&assignment)?;
        for (topic, index) in &asked {
            member.resume(topic, *index)?;
        }
        self.joined = true;
        Ok(())
    }

    fn let_go(&mut self, places: &[(SourceIndex, PartitionIndex)]) {
        for (source, partition) in places {
            self.machine.revoke(*source, *partition);
            self.frame.context.telemetry.forget_lag(Role::Ingest, self.topic(*source), *partition);
        }
    }

    fn commit_due(&self, now: Moment) -> bool {
        self.machine.commit_due(now)
    }

    fn prepare(&mut self) -> Result<Option<Offsets>, WorkerError> {
        if !self.machine.is_dirty() {
            return Ok(None);
        }
        let offsets = self.machine.prepare_commit(&mut self.frame.outbox);
        let offsets =
            offsets.into_iter().map(|(source, index, next)| (self.topic(source).to_owned(), index, next)).collect();
        let Frame { shell, outbox, .. } = &mut self.frame;
        shell.send(outbox)?;
        // Without offsets too: progress records stand for themselves.
        Ok(Some(offsets))
    }

    fn committed(&mut self, now: Moment) {
        let tally = self.machine.committed(now);
        self.frame.context.count(&tally);
    }

    fn aborted(&mut self, now: Moment, leaving: &[(SourceIndex, PartitionIndex)]) -> Result<(), WorkerError> {
        for (source, partition, start) in self.machine.aborted(now) {
            if !leaving.contains(&(source, partition)) {
                self.frame.member.seek(self.topic(source), partition, Start::At(start))?;
            }
        }
        Ok(())
    }

    fn end(&mut self) {
        for owned in self.machine.owned() {
            self.frame.context.telemetry.forget_lag(Role::Ingest, self.topic(owned.source), owned.partition);
        }
    }
}

impl<'a> IngestWorker<'a> {
    /// Whether the group knows a position in any source. Where it knows none, a source may be read from its start only if
    /// the canonical log has nothing but what the learner wrote: else the group was deleted, has expired or bears a new
    /// name, and everything would be taken in a second time. The log is looked at first: who writes to it commits a
    /// position with it.
    fn knows_positions(&self) -> Result<bool, WorkerError> {
        let Frame { context, member, .. } = &self.frame;
        let config = context.config;
        let mut is_empty = true;
        dump::read(config, &config.topics.events, None, Extent::Whole, &mut |record| {
            let said = record.payload().map(canonical::decode);
            is_empty = matches!(said, Some(Ok(Decoded::Input(Input::Fleet(_)))));
            if is_empty { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let sources = &context.shape.sources;
        let partitions: Vec<_> = sources
            .iter()
            .flat_map(|source| (0..source.partitions).map(|index| (source.topic.clone(), PartitionIndex(index))))
            .collect();
        let is_known = member.committed(&partitions)?.iter().any(Option::is_some);
        if is_known || is_empty {
            return Ok(is_known);
        }
        Err(self.positions_lost("any source".to_owned()))
    }

    /// Refuses partitions with records of which the group knows no position though the canonical log has told of late how
    /// far they were read: a position is committed with what is told. Says which others are read from their start.
    fn check_never_read(&self, unplaced: &[&(String, PartitionIndex)]) -> Result<(), WorkerError> {
        if unplaced.is_empty() {
            return Ok(());
        }
        let config = self.frame.context.config;
        let mut read = BTreeSet::new();
        // Progress is told in every partition of the log, every second.
        let first = Some(PartitionIndex(0));
        dump::read(config, &config.topics.events, first, Extent::Latest(TOLD_LATELY), &mut |record| {
            let said = record.payload().filter(|_| record.key() == Some(CONTROL_KEY)).map(canonical::decode);
            if let Some(Ok(Decoded::Input(Input::Progress(progress)))) = said {
                let told = progress.reports.into_iter().map(|report| (report.topic, report.partition));
                read.extend(told.filter(|place| unplaced.contains(&place)));
            }
            ControlFlow::Continue(())
        })?;
        let names = |places: &mut dyn Iterator<Item = &(String, PartitionIndex)>| {
            places.map(|(topic, index)| format!("{topic}/{}", index.0)).collect::<Vec<_>>().join(", ")
        };
        if !read.is_empty() {
            return Err(self.positions_lost(names(&mut read.iter())));
        }
        tracing::warn!(
            partitions = names(&mut unplaced.iter().copied()),
            group = config.ingest.group_id,
            "the group has positions, but none here: read from the start, as what is new is; a source that had been taken \
             out for as long as the broker keeps offsets comes in a second time"
        );
        Ok(())
    }

    fn positions_lost(&self, places: String) -> WorkerError {
        let config = self.frame.context.config;
        WorkerError::PositionsLost { group: config.ingest.group_id.clone(), places, log: config.topics.events.clone() }
    }

    /// Looks at how far the sources have been read, and whether they are still there.
    fn observe(&mut self) -> Result<(), WorkerError> {
        let member = &self.frame.member;
        let positions = member.positions();
        let owned: Vec<_> = self.machine.owned().iter().map(|owned| (owned.source, owned.partition)).collect();
        for (source, index) in owned {
            let topic = self.topic(source);
            // Before the look: what arrives during it is not vouched for.
            let wall = wall_time();
            let Some(ends) = member.glance(topic, index) else {
                return missing(member, self.frame.context.config, topic).map_or(Ok(()), Err);
            };
            let is_it = |place: &&(String, PartitionIndex, _)| place.0 == topic && place.1 == index;
            let position = positions.iter().find(is_it).map(|(_, _, next)| *next);
            let seen = Observation { position, low: ends.low, high: ends.high };
            if let Some(lag) = self.machine.observe(source, index, seen, wall) {
                self.frame.context.telemetry.lag(Role::Ingest, topic, index, lag);
            }
        }
        Ok(())
    }

    fn topic(&self, source: SourceIndex) -> &'a str {
        self.frame.context.config.sources.get(source.0).map_or("", |source| source.topic.as_str())
    }
}

/// What is to be said where a source topic is gone; `None` where it is there, or nobody answers.
fn missing(member: &Member, config: &Config, topic: &str) -> Option<WorkerError> {
    let create = config.command("topics create --sources");
    member.is_gone(topic).then(|| WorkerError::SourceMissing { topic: topic.to_owned(), create })
}

/// What it means for a source that its log does not hold the next record.
fn about_sources(config: &Config, error: WorkerError) -> WorkerError {
    match error {
        WorkerError::PositionGone { topic } => {
            WorkerError::SourceGone { topics: topic, group: config.ingest.group_id.clone() }
        }
        error => error,
    }
}
