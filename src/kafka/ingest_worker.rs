//! One ingest worker: a thread that reads its source partitions, steps the machine and commits. Without sources it only
//! keeps the clock of the canonical log.
//!
//! Its loop is in [`frame`]. Invariants: a source counts as caught up only by a look at its end that began after the wall
//! time reported; a partition is read from its start only where nothing that it holds can have been taken in before.

use std::collections::BTreeMap;
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
use crate::engine::input::{Input, SourceTopic};
use crate::telemetry::{Readiness, Role};
use crate::units::{NextOffset, PartitionIndex, Timestamp};
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

/// A partition of a source topic.
type Place = (String, PartitionIndex);

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
                member.take(BATCH_RECORDS_MAX, wait).map_err(|error| about_sources(context.config, member, error))?
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
        let Frame { context, member, .. } = &self.frame;
        // Every member is asked when the group has found new partitions, whoever gets them. Without a source the group would
        // go on, while the clock waits for it.
        for (index, source) in context.config.sources.iter().enumerate() {
            let count = member.partitions(&source.topic)?.ok_or_else(|| missing(context.config, &source.topic))?;
            self.machine.widen(SourceIndex(index), count);
        }
        let asked: Vec<_> = places.iter().map(|(source, index)| (self.topic(*source).to_owned(), *index)).collect();
        let committed = if asked.is_empty() { Vec::new() } else { member.committed(&asked)? };
        let marks = asked.iter().map(|(topic, index)| member.watermarks(topic, *index));
        let marks: Vec<Watermarks> = marks.collect::<Result<_, _>>()?;
        // A position behind the end belongs to a log that is there no more.
        let held = |(next, marks): (Option<NextOffset>, &Watermarks)| next.filter(|next| next.0 <= marks.high.0);
        let committed: Vec<_> = committed.into_iter().zip(&marks).map(held).collect();
        let found = asked.iter().zip(&committed).zip(&marks);
        let unplaced = found.filter(|((_, next), marks)| next.is_none() && marks.low < marks.high);
        self.check_never_read(&unplaced.map(|((place, _), _)| place).collect::<Vec<_>>())?;
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
    /// Whether the canonical log has nothing but what the learner wrote.
    fn nothing_is_taken_in(&self) -> Result<bool, WorkerError> {
        let config = self.frame.context.config;
        let mut is_empty = true;
        dump::read(config, &config.topics.events, None, Extent::Whole, &mut |record| {
            let said = record.payload().map(canonical::decode);
            is_empty = matches!(said, Some(Ok(Decoded::Input(Input::Fleet(_)))));
            if is_empty { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(is_empty)
    }

    /// Whether the group knows a position in any source.
    fn knows_a_position(&self) -> Result<bool, WorkerError> {
        let Frame { context, member, .. } = &self.frame;
        let of = |source: &SourceTopic| {
            let topic = source.topic.clone();
            (0..source.partitions).map(move |index| (topic.clone(), PartitionIndex(index)))
        };
        let partitions: Vec<_> = context.shape.sources.iter().flat_map(of).collect();
        Ok(member.committed(&partitions)?.iter().any(Option::is_some))
    }

    /// When the canonical log has lately told how far each of `places` was read.
    fn told(&self, places: &[&Place]) -> Result<BTreeMap<Place, Timestamp>, WorkerError> {
        let config = self.frame.context.config;
        let mut told = BTreeMap::new();
        // Progress is told in every partition of the log, every second.
        let first = Some(PartitionIndex(0));
        dump::read(config, &config.topics.events, first, Extent::Latest(TOLD_LATELY), &mut |record| {
            let said = record.payload().filter(|_| record.key() == Some(CONTROL_KEY)).map(canonical::decode);
            if let Some(Ok(Decoded::Input(Input::Progress(progress)))) = said {
                let at = Timestamp::clamped(record.timestamp().to_millis().unwrap_or(i64::MAX));
                let reports = progress.reports.into_iter().map(|report| (report.topic, report.partition));
                told.extend(reports.filter(|place| places.contains(&place)).map(|place| (place, at)));
            }
            ControlFlow::Continue(())
        })?;
        Ok(told)
    }

    /// Refuses partitions with records of which the group knows no position though they may have been taken in: it was
    /// deleted, has expired or bears a new name. A position is committed with what the canonical log tells of a partition. Of
    /// which it has told of late, those are refused that hold anything from before: the others were made anew. Of which it
    /// has not, those are new, unless no position is known at all. Says which are read from their start.
    fn check_never_read(&self, unplaced: &[&Place]) -> Result<(), WorkerError> {
        // The log is looked at before the group: who writes to it commits a position with it.
        if unplaced.is_empty() || self.nothing_is_taken_in()? {
            return Ok(());
        }
        let is_known = self.knows_a_position()?;
        let told = self.told(unplaced)?;
        let mut refused = Vec::new();
        for place in unplaced {
            let is_new = match told.get(*place) {
                Some(at) => self.frame.member.is_younger(&place.0, place.1, *at)?,
                None => is_known,
            };
            if !is_new {
                refused.push(*place);
            }
        }
        let names = |places: &[&Place]| {
            places.iter().map(|(topic, index)| format!("{topic}/{}", index.0)).collect::<Vec<_>>().join(", ")
        };
        let config = self.frame.context.config;
        if !refused.is_empty() {
            let group = config.ingest.group_id.clone();
            let places = if is_known { names(&refused) } else { "any source".to_owned() };
            return Err(WorkerError::PositionsLost { group, places, log: config.topics.events.clone() });
        }
        tracing::warn!(
            partitions = names(unplaced),
            group = config.ingest.group_id,
            "the group has no position here: read from the start, as what is new or was made anew is; a source that had been \
             taken out for as long as the broker keeps offsets comes in a second time"
        );
        Ok(())
    }

    /// Looks at how far the sources have been read, and whether all are still there.
    fn observe(&mut self) -> Result<(), WorkerError> {
        let Frame { context, member, .. } = &self.frame;
        let positions = member.positions();
        let owned: Vec<_> = self.machine.owned().iter().map(|owned| (owned.source, owned.partition)).collect();
        let mut seen_of = vec![false; context.config.sources.len()];
        for (source, index) in owned {
            let topic = self.topic(source);
            // Before the look: what arrives during it is not vouched for.
            let wall = wall_time();
            let Some(ends) = member.glance(topic, index) else { break };
            if let Some(seen) = seen_of.get_mut(source.0) {
                *seen = true;
            }
            let is_it = |place: &&(String, PartitionIndex, _)| place.0 == topic && place.1 == index;
            let position = positions.iter().find(is_it).map(|(_, _, next)| *next);
            let seen = Observation { position, low: ends.low, high: ends.high };
            if let Some(lag) = self.machine.observe(source, index, seen, wall) {
                context.telemetry.lag(Role::Ingest, topic, index, lag);
            }
        }
        // Others may own all of a source.
        let unseen = context.config.sources.iter().zip(seen_of).filter(|(_, seen)| !seen);
        match unseen.map(|(source, _)| &source.topic).find(|topic| member.is_gone(topic)) {
            Some(gone) => Err(missing(context.config, gone)),
            None => Ok(()),
        }
    }

    fn topic(&self, source: SourceIndex) -> &'a str {
        self.frame.context.config.sources.get(source.0).map_or("", |source| source.topic.as_str())
    }
}

/// What is to be said where a source topic is gone.
fn missing(config: &Config, topic: &str) -> WorkerError {
    WorkerError::SourceMissing { topic: topic.to_owned(), create: config.command("topics create --sources") }
}

/// What an error of the client means for sources.
fn about_sources(config: &Config, member: &Member, error: WorkerError) -> WorkerError {
    match error {
        WorkerError::PositionGone { topic } => {
            WorkerError::SourceGone { topics: topic, group: config.ingest.group_id.clone() }
        }
        WorkerError::TopicUnknown { .. } => {
            let gone = config.sources.iter().find(|source| member.is_gone(&source.topic));
            gone.map_or(error, |source| missing(config, &source.topic))
        }
        error => error,
    }
}
