//! One ingest worker: a thread that reads its source partitions, steps the machine and commits. Without sources it only
//! keeps the clock of the canonical log.
//!
//! Invariants: partitions are given up only after their transaction has ended; a source counts as caught up only by a
//! look at its end that began after the wall time reported.

use std::time::Duration;

use rdkafka::TopicPartitionList;

use super::client::{Loss, OffsetReset, Rebalance};
use super::error::WorkerError;
use super::member::Member;
use super::shell::{BATCH_RECORDS_MAX, BATCHES_MAX, GLANCE_INTERVAL, Shell, WorkerContext, commit_policy, wall_time};
use super::transaction::End;
use crate::telemetry::{Readiness, RebalanceKind, Role};
use crate::units::PartitionIndex;
use crate::worker::Start;
use crate::worker::ingest::{IngestMachine, Settings};
use crate::worker::outbox::{Outbox, PART_RECORDS};
use crate::worker::policy::Moment;
use crate::worker::progress::{Observation, SourceIndex};

struct IngestWorker<'a> {
    context: WorkerContext<'a>,
    // Dropped in this order: the transaction is aborted before the group is left.
    shell: Shell<'a>,
    member: Option<Member>,
    machine: IngestMachine,
    outbox: Outbox,
    joined: bool,
    glanced: Option<Moment>,
}

/// Runs until the process is to stop, or until nothing but a new worker helps.
pub fn run(context: WorkerContext<'_>) -> Result<(), WorkerError> {
    context.telemetry.ready_worker(Role::Ingest, context.index, Readiness::Unassigned);
    let mut worker = IngestWorker::start(context)?;
    let result = worker.serve();
    for owned in worker.machine.owned() {
        context.telemetry.forget_lag(Role::Ingest, worker.topic(owned.source), owned.partition);
    }
    context.telemetry.ready_worker(Role::Ingest, context.index, Readiness::Unassigned);
    result
}

impl<'a> IngestWorker<'a> {
    fn start(context: WorkerContext<'a>) -> Result<IngestWorker<'a>, WorkerError> {
        let config = context.config;
        let topics: Vec<&str> = config.sources.iter().map(|source| source.topic.as_str()).collect();
        let join = || {
            let instance = context.instance();
            Member::join(config, &config.ingest.group_id, instance.as_deref(), OffsetReset::Earliest, &topics)
        };
        // The group settles while the producer starts.
        let member = if topics.is_empty() { None } else { Some(join()?) };
        let shell = Shell::start(context)?;
        let machine = IngestMachine::new(Settings {
            topics: context.shape.sources.clone(),
            formats: config.sources.iter().map(|source| source.format.clone()).collect(),
            canonical_partitions: context.shape.partitions,
            event_bytes_max: config.limits.event_bytes_max,
            future_skew: config.rules.future_skew,
            policy: commit_policy(&config.commit),
            dead_letters: context.dead_letters(),
        });
        let worker = IngestWorker {
            context,
            shell,
            joined: member.is_none(),
            member,
            machine,
            outbox: Outbox::new(),
            glanced: None,
        };
        worker.tell_readiness();
        Ok(worker)
    }

    /// Works until the process is to stop; then commits what is done.
    fn serve(&mut self) -> Result<(), WorkerError> {
        while !self.context.stopping() {
            self.turn()?;
        }
        if self.member.as_ref().is_none_or(|member| member.loss() == Loss::Orderly) {
            self.commit(&[])?;
        }
        self.shell.abort("stop")
    }

    fn turn(&mut self) -> Result<(), WorkerError> {
        self.read()?;
        while let Some(rebalance) = self.member.as_ref().and_then(Member::next_rebalance) {
            self.rebalance(rebalance)?;
        }
        let now = self.context.now();
        if self.glanced.is_none_or(|glanced| now.since(glanced) >= GLANCE_INTERVAL) {
            self.glance(now);
            self.machine.tick(now, wall_time(), &mut self.outbox);
            self.shell.send(&mut self.outbox)?;
        }
        if self.machine.commit_due(self.context.now()) {
            self.commit(&[])?;
        }
        Ok(())
    }

    /// Takes what has come, up to some batches.
    fn read(&mut self) -> Result<(), WorkerError> {
        let mut wait = Duration::from_millis(if self.machine.is_dirty() { 5 } else { 50 });
        let Some(member) = &self.member else {
            std::thread::sleep(wait);
            return Ok(());
        };
        let sources = &self.context.config.sources;
        for _ in 0..BATCHES_MAX {
            let Some(batch) = member.take(BATCH_RECORDS_MAX, wait)? else { break };
            wait = Duration::ZERO;
            for fetched in batch.messages().filter(|fetched| fetched.error().is_none()) {
                let Some(source) = sources.iter().position(|source| source.topic == fetched.topic()) else { continue };
                self.machine.step(SourceIndex(source), &fetched.raw(), &mut self.outbox);
            }
            if self.outbox.len() >= PART_RECORDS {
                self.shell.send(&mut self.outbox)?;
            }
            if batch.len() < BATCH_RECORDS_MAX {
                break;
            }
        }
        self.shell.send(&mut self.outbox)
    }

    fn rebalance(&mut self, rebalance: Rebalance) -> Result<(), WorkerError> {
        match rebalance {
            Rebalance::Assign(partitions) => self.take_on(&partitions)?,
            Rebalance::Revoke { partitions, loss } => {
                let places = self.places(&partitions);
                let lost = self.member.as_ref().is_some_and(|member| member.loss() == Loss::Lost);
                if loss == Loss::Lost || lost {
                    self.context.telemetry.rebalanced(Role::Ingest, RebalanceKind::Lost);
                    self.shell.abort("partitions_lost")?;
                    self.roll_back(&places)?;
                } else {
                    self.context.telemetry.rebalanced(Role::Ingest, RebalanceKind::Revoked);
                    if let Some(member) = &mut self.member {
                        member.refresh_group();
                    }
                    self.commit(&places)?;
                }
                for (source, partition) in places {
                    self.machine.revoke(source, partition);
                    self.context.telemetry.forget_lag(Role::Ingest, self.topic(source), partition);
                }
                tracing::info!(worker = self.context.index, partitions = partitions.count(), ?loss, "sources revoked");
                if let Some(member) = &self.member {
                    member.give_up(&partitions)?;
                }
            }
        }
        self.tell_readiness();
        Ok(())
    }

    fn take_on(&mut self, partitions: &TopicPartitionList) -> Result<(), WorkerError> {
        let places = self.places(partitions);
        let Some(member) = &mut self.member else { return Ok(()) };
        let sources = &self.context.config.sources;
        let name = |source: SourceIndex| sources.get(source.0).map_or("", |source| source.topic.as_str());
        let asked: Vec<_> = places.iter().map(|(source, index)| (name(*source).to_owned(), *index)).collect();
        let committed = if asked.is_empty() { Vec::new() } else { member.committed(&asked)? };
        let mut assignment = TopicPartitionList::new();
        for (((topic, index), (source, _)), next) in asked.iter().zip(&places).zip(committed) {
            let start = next.map_or(Start::Beginning, Start::At);
            assignment
                .add_partition_offset(topic, index.0, member.offset(topic, *index, start)?)
                .map_err(WorkerError::client("take on partitions"))?;
            self.machine.assign(*source, *index, start);
        }
        member.take_on(&assignment)?;
        for (topic, index) in &asked {
            member.resume(topic, *index)?;
        }
        self.joined = true;
        self.glanced = None;
        if !asked.is_empty() {
            self.context.telemetry.rebalanced(Role::Ingest, RebalanceKind::Assigned);
            tracing::info!(worker = self.context.index, partitions = ?asked, "sources assigned");
        }
        Ok(())
    }

    /// Commits; should that end in an abort, the partitions of `leaving` are not read again.
    fn commit(&mut self, leaving: &[(SourceIndex, PartitionIndex)]) -> Result<(), WorkerError> {
        if !self.machine.is_dirty() {
            return Ok(());
        }
        let offsets = self.machine.prepare_commit(&mut self.outbox);
        let offsets =
            offsets.into_iter().map(|(source, index, next)| (self.topic(source).to_owned(), index, next)).collect();
        self.shell.send(&mut self.outbox)?;
        match self.shell.commit(&offsets, self.member.as_mut())? {
            End::Committed => {
                let tally = self.machine.committed(self.context.now());
                self.context.count(&tally);
                Ok(())
            }
            End::Aborted { .. } => {
                if let Some(member) = &mut self.member {
                    member.refresh_group();
                }
                self.roll_back(leaving)
            }
        }
    }

    /// Takes back the aborted transaction and reads again what stays ours.
    fn roll_back(&mut self, leaving: &[(SourceIndex, PartitionIndex)]) -> Result<(), WorkerError> {
        self.outbox.clear();
        for (source, partition, start) in self.machine.aborted(self.context.now()) {
            if let Some(member) = self.member.as_ref().filter(|_| !leaving.contains(&(source, partition))) {
                member.seek(self.topic(source), partition, start)?;
            }
        }
        Ok(())
    }

    /// Looks at how far the sources have been read.
    fn glance(&mut self, now: Moment) {
        self.glanced = Some(now);
        let Some(member) = &self.member else { return };
        let positions = member.positions();
        let owned: Vec<_> = self.machine.owned().iter().map(|owned| (owned.source, owned.partition)).collect();
        for (source, index) in owned {
            let topic = self.topic(source);
            // Before the look: what arrives during it is not vouched for.
            let wall = wall_time();
            let Some(ends) = member.glance(topic, index) else { break };
            let is_it = |place: &&(String, PartitionIndex, _)| place.0 == topic && place.1 == index;
            let position = positions.iter().find(is_it).map(|(_, _, next)| *next);
            let seen = Observation { position, low: ends.low, high: ends.high };
            if let Some(lag) = self.machine.observe(source, index, seen, wall) {
                self.context.telemetry.lag(Role::Ingest, topic, index, lag);
            }
        }
    }

    fn places(&self, partitions: &TopicPartitionList) -> Vec<(SourceIndex, PartitionIndex)> {
        let sources = &self.context.config.sources;
        let place = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
            let source = sources.iter().position(|source| source.topic == element.topic())?;
            Some((SourceIndex(source), PartitionIndex(element.partition())))
        };
        partitions.elements().iter().filter_map(place).collect()
    }

    fn topic(&self, source: SourceIndex) -> &'a str {
        self.context.config.sources.get(source.0).map_or("", |source| source.topic.as_str())
    }

    fn tell_readiness(&self) {
        let readiness = if self.joined { Readiness::Ready } else { Readiness::Unassigned };
        self.context.telemetry.ready_worker(Role::Ingest, self.context.index, readiness);
    }
}
