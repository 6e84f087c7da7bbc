//! The learner's worker: a thread in every process that ingests, of which the group lets one at a time read the reports
//! of the partitions, steps the machine and commits.
//!
//! Taking the topic on means reading it from its beginning, which may take a while where much was reported: it happens in
//! slices between polls, like everything else. Invariant: the topic is given up only after its transaction has ended.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;

use super::client::{Loss, OffsetReset, Rebalance};
use super::error::WorkerError;
use super::member::Member;
use super::shell::{GLANCE_INTERVAL, Shell, WorkerContext};
use super::transaction::End;
use crate::telemetry::{RebalanceKind, Role};
use crate::units::NextOffset;
use crate::worker::Start;
use crate::worker::learner::{LearnerMachine, REPORTS, Settings};
use crate::worker::outbox::Outbox;
use crate::worker::policy::Moment;

/// Reports taken at a time: a report that closes a week takes as long as thousands of events.
const BATCH_RECORDS_MAX: usize = 32;

struct LearnerWorker<'a> {
    context: WorkerContext<'a>,
    // Dropped in this order: the transaction is aborted before the group is left.
    shell: Shell<'a>,
    member: Member,
    machine: LearnerMachine,
    outbox: Outbox,
    glanced: Option<Moment>,
}

/// Runs until the process is to stop, or until nothing but a new worker helps.
pub fn run(context: WorkerContext<'_>) -> Result<(), WorkerError> {
    let mut worker = LearnerWorker::start(context)?;
    let result = worker.serve();
    context.telemetry.forget_lag(Role::Learner, worker.topic(), REPORTS);
    result
}

impl<'a> LearnerWorker<'a> {
    fn start(context: WorkerContext<'a>) -> Result<LearnerWorker<'a>, WorkerError> {
        let config = context.config;
        let topics = [config.topics.fleet.as_str()];
        let group = config.ingest.learner_group_id();
        // A topic that has lost its beginning meanwhile is read from what is left: less is learned, nothing is wrong.
        let member = Member::join(config, &group, context.instance().as_deref(), OffsetReset::Earliest, &topics)?;
        let machine = LearnerMachine::new(Settings {
            rules: Arc::new(config.rules.clone()),
            canonical_partitions: context.shape.partitions,
            model: context.model.map(Arc::from),
        });
        Ok(LearnerWorker {
            context,
            shell: Shell::start(context)?,
            member,
            machine,
            outbox: Outbox::new(),
            glanced: None,
        })
    }

    /// Works until the process is to stop; then commits what is done.
    fn serve(&mut self) -> Result<(), WorkerError> {
        while !self.context.stopping() {
            self.turn()?;
        }
        if self.member.loss() == Loss::Orderly {
            self.commit()?;
        }
        self.shell.abort("stop")
    }

    fn turn(&mut self) -> Result<(), WorkerError> {
        self.read()?;
        while let Some(rebalance) = self.member.next_rebalance() {
            self.rebalance(rebalance)?;
        }
        let now = self.context.now();
        if self.glanced.is_none_or(|glanced| now.since(glanced) >= GLANCE_INTERVAL) {
            self.glance(now);
        }
        if self.machine.commit_due(now) {
            self.commit()?;
        }
        Ok(())
    }

    fn read(&mut self) -> Result<(), WorkerError> {
        let Some(batch) = self.member.take(BATCH_RECORDS_MAX, Duration::from_millis(50))? else { return Ok(()) };
        for fetched in batch.messages().filter(|fetched| fetched.error().is_none()) {
            let record = fetched.raw();
            if let Err(error) = self.machine.step(&record) {
                tracing::warn!(
                    topic = self.topic(),
                    offset = record.offset.0,
                    error = error.to_string(),
                    "record passed over: nothing is learned from it"
                );
            }
        }
        Ok(())
    }

    fn rebalance(&mut self, rebalance: Rebalance) -> Result<(), WorkerError> {
        match rebalance {
            Rebalance::Assign(partitions) => {
                if has_reports(&partitions) {
                    return self.take_on();
                }
                self.member.take_on(&TopicPartitionList::new())
            }
            Rebalance::Revoke { partitions, loss } => {
                if has_reports(&partitions) {
                    self.end_transaction(loss)?;
                    self.machine.revoke();
                    self.context.telemetry.forget_lag(Role::Learner, self.topic(), REPORTS);
                    tracing::info!(?loss, "fleet reports revoked");
                }
                self.member.give_up(&partitions)
            }
        }
    }

    fn take_on(&mut self) -> Result<(), WorkerError> {
        let topic = self.topic();
        let asked = [(topic.to_owned(), REPORTS)];
        let committed = self.member.committed(&asked)?.first().copied().flatten();
        let ends = self.member.watermarks(topic, REPORTS)?;
        let mut assignment = TopicPartitionList::new();
        let start = self.member.offset(topic, REPORTS, Start::At(ends.low))?;
        assignment
            .add_partition_offset(topic, REPORTS.0, start)
            .map_err(WorkerError::client("take on the fleet reports"))?;
        self.member.take_on(&assignment)?;
        self.machine.assign(ends.low, ends.high, committed);
        self.member.resume(topic, REPORTS)?;
        self.glanced = None;
        self.context.telemetry.rebalanced(Role::Learner, RebalanceKind::Assigned);
        tracing::info!(
            low = ends.low.0,
            high = ends.high.0,
            committed_next_offset = committed.map(|next| next.0),
            "fleet reports assigned: learning from their beginning"
        );
        if self.context.model.is_some() && committed.is_some() {
            tracing::warn!(
                "the model given is not taken: the fleet has learned already; `churnwatch model reset --model` begins anew \
                 from it"
            );
        }
        Ok(())
    }

    fn end_transaction(&mut self, loss: Loss) -> Result<(), WorkerError> {
        if loss == Loss::Lost || self.member.loss() == Loss::Lost {
            self.context.telemetry.rebalanced(Role::Learner, RebalanceKind::Lost);
            self.outbox.clear();
            return self.shell.abort("partitions_lost");
        }
        self.context.telemetry.rebalanced(Role::Learner, RebalanceKind::Revoked);
        self.member.refresh_group();
        self.commit()
    }

    fn commit(&mut self) -> Result<(), WorkerError> {
        let Some(next) = self.machine.prepare_commit(&mut self.outbox) else { return Ok(()) };
        self.shell.send(&mut self.outbox)?;
        let offsets = vec![(self.topic().to_owned(), REPORTS, next)];
        match self.shell.commit(&offsets, Some(&mut self.member))? {
            End::Committed => {
                let tally = self.machine.committed(self.context.now());
                self.context.count(&tally);
            }
            End::Aborted { .. } => {
                self.outbox.clear();
                self.member.refresh_group();
                self.machine.aborted(self.context.now());
            }
        }
        Ok(())
    }

    /// Looks at how far the reports have been read.
    fn glance(&mut self, now: Moment) {
        self.glanced = Some(now);
        let Some(NextOffset(next)) = self.machine.next_offset() else { return };
        let positions = self.member.positions();
        let position = positions.first().map_or(next, |(_, _, NextOffset(position))| next.max(*position));
        if let Some(ends) = self.member.glance(self.topic(), REPORTS) {
            let lag = ends.high.0.saturating_sub(position).max(0).unsigned_abs();
            self.context.telemetry.lag(Role::Learner, self.topic(), REPORTS, lag);
        }
    }

    fn topic(&self) -> &'a str {
        &self.context.config.topics.fleet
    }
}

fn has_reports(partitions: &TopicPartitionList) -> bool {
    partitions.elements().iter().any(|element| element.partition() == REPORTS.0)
}
