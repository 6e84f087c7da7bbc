//! The learner's worker: a thread in every process that ingests, of which the group lets one at a time read the reports
//! of the partitions, steps the machine and commits.
//!
//! Taking the topic on means reading it from its beginning, which may take a while where much was reported: it happens in
//! slices between polls, like everything else; see [`frame`].

use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;

use super::client::OffsetReset;
use super::error::WorkerError;
use super::frame::{self, Frame, Worker};
use super::member::Member;
use super::shell::{Offsets, WorkerContext};
use crate::telemetry::{Readiness, Role};
use crate::units::{NextOffset, PartitionIndex};
use crate::worker::Start;
use crate::worker::learner::{LearnerMachine, REPORTS, Settings};
use crate::worker::policy::Moment;

/// Reports taken at a time: a report that closes a week takes as long as thousands of events.
const BATCH_RECORDS_MAX: usize = 32;

struct LearnerWorker<'a> {
    frame: Frame<'a>,
    machine: LearnerMachine,
}

/// Runs until the process is to stop, or until nothing but a new worker helps.
pub fn run(context: WorkerContext<'_>) -> Result<(), WorkerError> {
    frame::run::<LearnerWorker<'_>>(context)
}

impl<'a> Worker<'a> for LearnerWorker<'a> {
    type Place = PartitionIndex;

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
        Ok(LearnerWorker { frame: Frame::start(context, member)?, machine })
    }

    fn frame(&mut self) -> &mut Frame<'a> {
        &mut self.frame
    }

    fn readiness(&self) -> Option<Readiness> {
        None
    }

    fn places(&self, partitions: &TopicPartitionList) -> Vec<PartitionIndex> {
        let indices = partitions.elements().into_iter().map(|element| PartitionIndex(element.partition()));
        indices.filter(|index| *index == REPORTS).collect()
    }

    fn read(&mut self) -> Result<(), WorkerError> {
        let Frame { context, member, .. } = &self.frame;
        let Some(batch) = member.take(BATCH_RECORDS_MAX, Duration::from_millis(50))? else { return Ok(()) };
        for fetched in batch.messages().filter(|fetched| fetched.error().is_none()) {
            let record = fetched.raw();
            if let Err(error) = self.machine.step(&record) {
                tracing::warn!(
                    topic = context.config.topics.fleet,
                    offset = record.offset.0,
                    error = error.to_string(),
                    "record passed over: nothing is learned from it"
                );
            }
        }
        Ok(())
    }

    /// Looks at how far the reports have been read.
    fn glance(&mut self, _now: Moment) -> Result<(), WorkerError> {
        let Some(NextOffset(next)) = self.machine.next_offset() else { return Ok(()) };
        let member = &self.frame.member;
        let positions = member.positions();
        let position = positions.first().map_or(next, |(_, _, NextOffset(position))| next.max(*position));
        if let Some(ends) = member.glance(self.topic(), REPORTS) {
            let lag = ends.high.0.saturating_sub(position).max(0).unsigned_abs();
            self.frame.context.telemetry.lag(Role::Learner, self.topic(), REPORTS, lag);
        }
        Ok(())
    }

    fn take_on(&mut self, partitions: &TopicPartitionList) -> Result<(), WorkerError> {
        if self.places(partitions).is_empty() {
            return self.frame.member.take_on(&TopicPartitionList::new());
        }
        let topic = self.topic();
        let Frame { context, member, .. } = &mut self.frame;
        let asked = [(topic.to_owned(), REPORTS)];
        let committed = member.committed(&asked)?.first().copied().flatten();
        let ends = member.watermarks(topic, REPORTS)?;
        let mut assignment = TopicPartitionList::new();
        let start = member.offset(topic, REPORTS, Start::At(ends.low))?;
        assignment
            .add_partition_offset(topic, REPORTS.0, start)
            .map_err(WorkerError::client("take on the fleet reports"))?;
        member.take_on(&assignment)?;
        self.machine.assign(ends.low, ends.high, committed);
        member.resume(topic, REPORTS)?;
        tracing::info!(
            low = ends.low.0,
            high = ends.high.0,
            committed_next_offset = committed.map(|next| next.0),
            "learning from the beginning of the fleet reports"
        );
        if context.model.is_some() && committed.is_some() {
            tracing::warn!(
                command = context.config.command("model reset --model FILE"),
                "the model given is not taken: the fleet has learned already; the command begins anew from it"
            );
        }
        Ok(())
    }

    fn let_go(&mut self, _places: &[PartitionIndex]) {
        self.machine.revoke();
        self.frame.context.telemetry.forget_lag(Role::Learner, self.topic(), REPORTS);
    }

    fn commit_due(&self, now: Moment) -> bool {
        self.machine.commit_due(now)
    }

    fn prepare(&mut self) -> Result<Option<Offsets>, WorkerError> {
        let topic = self.topic();
        let Frame { shell, outbox, .. } = &mut self.frame;
        let Some(next) = self.machine.prepare_commit(outbox) else { return Ok(None) };
        shell.send(outbox)?;
        Ok(Some(vec![(topic.to_owned(), REPORTS, next)]))
    }

    fn committed(&mut self, now: Moment) {
        let tally = self.machine.committed(now);
        self.frame.context.count(&tally);
    }

    fn aborted(&mut self, now: Moment, _leaving: &[PartitionIndex]) -> Result<(), WorkerError> {
        self.machine.aborted(now);
        Ok(())
    }

    fn end(&mut self) {
        self.frame.context.telemetry.forget_lag(Role::Learner, self.topic(), REPORTS);
    }
}

impl<'a> LearnerWorker<'a> {
    fn topic(&self) -> &'a str {
        &self.frame.context.config.topics.fleet
    }
}
