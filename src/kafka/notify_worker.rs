//! The notify worker: a thread that reads all partitions of the alerts, steps the machine and commits.
//!
//! One process at a time has the desk: whoever the group gives the one partition of the desk's changelog. That partition
//! is read to its end, which restores the desk; then the partitions of the alerts are assigned beside it, from the
//! committed positions, and the changelog is read no further. The group's generation fences all of it. The loop is in
//! [`frame`]. Invariants: the alerts are read only after the restore; they are given up together with the changelog.

use std::time::{Duration, Instant};

use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::batch::Fetched;
use super::client::OffsetReset;
use super::error::WorkerError;
use super::failpoint::{self, Point};
use super::frame::{self, Frame, Worker};
use super::member::Member;
use super::shell::{BATCH_RECORDS_MAX, Offsets, WorkerContext, wall_time};
use crate::telemetry::{Readiness, Role};
use crate::units::{NextOffset, PartitionIndex, Span};
use crate::worker::Start;
use crate::worker::notify::{DESK, NotifyMachine, OUTGOING_KINDS, Settings};
use crate::worker::policy::Moment;

/// What was written so long ago can be read by now, even where it waited for a long transaction: the present of the desk
/// stays behind the wall clock by this while nothing comes.
const PRESENT_LAG: Span = Span::from_seconds(60);
/// Time given to a restore between two polls.
const RESTORE_BUDGET: Duration = Duration::from_millis(100);

struct NotifyWorker<'a> {
    frame: Frame<'a>,
    machine: NotifyMachine,
    /// Whether the group has told what is ours at least once.
    joined: bool,
    restore: Option<Restore>,
    /// Whether the alerts are assigned.
    reads: bool,
}

/// How far the changelog has been read.
struct Restore {
    /// The group's offsets of the alerts, asked for before the changelog's end was.
    committed: Vec<Option<NextOffset>>,
    target: NextOffset,
    reached: NextOffset,
    moved: Instant,
}

/// Runs until the process is to stop, or until nothing but a new worker helps.
pub fn run(context: WorkerContext<'_>) -> Result<(), WorkerError> {
    frame::run::<NotifyWorker<'_>>(context)
}

impl<'a> Worker<'a> for NotifyWorker<'a> {
    type Place = PartitionIndex;

    fn start(context: WorkerContext<'a>) -> Result<NotifyWorker<'a>, WorkerError> {
        let config = context.config;
        let topics = [config.topics.desk.as_str()];
        let instance = context.instance();
        let member = Member::join(config, &config.notify.group_id, instance.as_deref(), OffsetReset::Error, &topics)?;
        let machine = NotifyMachine::new(Settings { desk: config.alerts.desk(), partitions: context.shape.partitions });
        Ok(NotifyWorker { frame: Frame::start(context, member)?, machine, joined: false, restore: None, reads: false })
    }

    fn frame(&mut self) -> &mut Frame<'a> {
        &mut self.frame
    }

    fn readiness(&self) -> Option<Readiness> {
        Some(if !self.joined {
            Readiness::Unassigned
        } else if self.machine.is_restoring() {
            Readiness::Restoring
        } else {
            Readiness::Ready
        })
    }

    fn places(&self, partitions: &TopicPartitionList) -> Vec<PartitionIndex> {
        let indices = partitions.elements().into_iter().map(|element| PartitionIndex(element.partition()));
        indices.filter(|index| *index == DESK).collect()
    }

    /// Takes one batch, which is one transaction, or a part of the changelog.
    fn read(&mut self) -> Result<(), WorkerError> {
        if self.restore.is_some() {
            return self.read_changelog();
        }
        let Frame { context, member, shell, outbox, .. } = &mut self.frame;
        let Some(batch) = member.take(BATCH_RECORDS_MAX, Duration::from_millis(50))? else { return Ok(()) };
        let topic = &context.config.topics.alerts;
        let good = batch.messages().filter(|fetched| fetched.error().is_none() && fetched.topic() == topic);
        let fetched: Vec<_> = good.collect();
        let records: Vec<_> = fetched.iter().map(Fetched::raw).collect();
        for (partition, next, error) in self.machine.step_all(&records, outbox) {
            tracing::warn!(
                topic,
                partition = partition.0,
                next_offset = next.0,
                error = error.to_string(),
                "record passed over: nobody is told of it"
            );
        }
        shell.send(outbox)
    }

    fn restore(&mut self) -> Result<(), WorkerError> {
        let Some(restore) = &self.restore else { return Ok(()) };
        let Frame { context, member, .. } = &mut self.frame;
        let context = *context;
        if restore.reached < restore.target {
            let stall_max = context.config.commit.transaction_timeout + Duration::from_secs(30);
            if restore.moved.elapsed() < stall_max {
                return Ok(());
            }
            return Err(WorkerError::RestoreStalled {
                partition: DESK,
                reached: restore.reached,
                target: restore.target,
                waited_s: stall_max.as_secs(),
            });
        }
        let starts = self.machine.finish_restore(&restore.committed)?;
        self.restore = None;
        let desk = &context.config.topics.desk;
        let topic = &context.config.topics.alerts;
        member.pause(desk, DESK)?;
        let mut assignment = TopicPartitionList::new();
        for (index, start) in (0..).map(PartitionIndex).zip(starts) {
            let low = member.watermarks(topic, index)?.low;
            let next = match start {
                Start::At(next) => Some(next),
                Start::Beginning => None,
            };
            assignment
                .add_partition_offset(
                    topic,
                    index.0,
                    KafkaOffset::Offset(context.first_left(topic, index, next, low).0),
                )
                .map_err(WorkerError::client("take on the alerts"))?;
        }
        member.take_on(&assignment)?;
        self.reads = true;
        for index in indices(context) {
            member.resume(topic, index)?;
        }
        tracing::info!("desk restored");
        self.frame.glanced = None;
        frame::tell_readiness(self);
        Ok(())
    }

    /// Looks at how far the alerts have been read; when to their end, time goes on without them.
    fn glance(&mut self, _now: Moment) -> Result<(), WorkerError> {
        if !self.reads {
            return Ok(());
        }
        let Frame { context, member, shell, outbox, .. } = &mut self.frame;
        let topic = &context.config.topics.alerts;
        // Before the look: what arrives during it is not vouched for.
        let wall = wall_time();
        let positions = member.positions();
        let mut is_at_end = true;
        for index in indices(*context) {
            let Some(ends) = member.glance(topic, index) else { return Ok(()) };
            let is_it = |place: &&(String, PartitionIndex, _)| place.0 == *topic && place.1 == index;
            let position = positions.iter().find(is_it).map(|(_, _, next)| *next);
            let reached = position.max(self.machine.next_offset(index)).unwrap_or(ends.low).max(ends.low);
            let lag = ends.high.0.saturating_sub(reached.0).max(0).unsigned_abs();
            context.telemetry.lag(Role::Notify, topic, index, lag);
            is_at_end &= lag == 0;
        }
        if is_at_end {
            self.machine.tick(wall.minus(PRESENT_LAG), outbox);
            shell.send(outbox)?;
        }
        Ok(())
    }

    fn take_on(&mut self, partitions: &TopicPartitionList) -> Result<(), WorkerError> {
        self.joined = true;
        if self.places(partitions).is_empty() {
            return self.frame.member.take_on(&TopicPartitionList::new());
        }
        let desk = &self.frame.context.config.topics.desk;
        let restore = self.begin_restore()?;
        let member = &mut self.frame.member;
        let mut assignment = TopicPartitionList::new();
        assignment
            .add_partition_offset(desk, DESK.0, member.offset(desk, DESK, Start::At(restore.reached))?)
            .map_err(WorkerError::client("take on the desk"))?;
        member.take_on(&assignment)?;
        member.resume(desk, DESK)?;
        self.restore = Some(restore);
        Ok(())
    }

    fn let_go(&mut self, _places: &[PartitionIndex]) {
        self.machine.revoke();
        self.restore = None;
        self.reads = false;
        self.forget_lag();
    }

    /// The alerts go with the desk.
    fn with_dependents(&self, partitions: &TopicPartitionList) -> TopicPartitionList {
        let mut all = partitions.clone();
        if self.reads && !self.places(partitions).is_empty() {
            add_alerts(self.frame.context, &mut all);
        }
        all
    }

    fn commit_due(&self, _now: Moment) -> bool {
        self.machine.commit_due()
    }

    fn prepare(&mut self) -> Result<Option<Offsets>, WorkerError> {
        let Frame { context, shell, outbox, .. } = &mut self.frame;
        let Some(offsets) = self.machine.prepare_commit(outbox) else { return Ok(None) };
        shell.send(outbox)?;
        let topic = &context.config.topics.alerts;
        Ok(Some(offsets.into_iter().map(|(index, next)| (topic.clone(), index, next)).collect()))
    }

    fn committed(&mut self, _now: Moment) {
        let committed = self.machine.committed();
        let context = self.frame.context;
        context.count(&committed.tally);
        for (kind, count) in OUTGOING_KINDS.into_iter().zip(committed.sent) {
            context.telemetry.gone_out(kind, count);
        }
    }

    /// Nothing is gone on with from memory: the desk is restored from what is committed.
    fn aborted(&mut self, _now: Moment, leaving: &[PartitionIndex]) -> Result<(), WorkerError> {
        if !leaving.is_empty() || !self.reads {
            return Ok(());
        }
        let context = self.frame.context;
        let mut alerts = TopicPartitionList::new();
        add_alerts(context, &mut alerts);
        self.frame.member.give_up(&alerts)?;
        self.reads = false;
        let desk = &context.config.topics.desk;
        let restore = self.begin_restore()?;
        self.frame.member.seek(desk, DESK, Start::At(restore.reached))?;
        self.frame.member.resume(desk, DESK)?;
        self.restore = Some(restore);
        Ok(())
    }

    fn end(&mut self) {
        self.forget_lag();
        if self.reads {
            // Leaving the group gives up the changelog only.
            let mut alerts = TopicPartitionList::new();
            add_alerts(self.frame.context, &mut alerts);
            if let Err(error) = self.frame.member.give_up(&alerts) {
                tracing::debug!(error = error.to_string(), "alerts not given up");
            }
        }
    }
}

impl NotifyWorker<'_> {
    /// The desk's state begins anew. Order matters: the offsets first, then the changelog's end.
    fn begin_restore(&mut self) -> Result<Restore, WorkerError> {
        let Frame { context, member, .. } = &self.frame;
        let topics = &context.config.topics;
        let asked: Vec<_> = indices(*context).map(|index| (topics.alerts.clone(), index)).collect();
        let committed = member.committed(&asked)?;
        let ends = member.watermarks(&topics.desk, DESK)?;
        self.machine.assign();
        tracing::info!(low = ends.low.0, high = ends.high.0, "restoring the desk");
        Ok(Restore { committed, target: ends.high, reached: ends.low, moved: Instant::now() })
    }

    fn read_changelog(&mut self) -> Result<(), WorkerError> {
        let Frame { context, member, .. } = &self.frame;
        let Some(restore) = &mut self.restore else { return Ok(()) };
        let topic = &context.config.topics.desk;
        let deadline = Instant::now() + RESTORE_BUDGET;
        while restore.reached < restore.target && Instant::now() < deadline {
            let Some(batch) = member.take(BATCH_RECORDS_MAX, Duration::from_millis(20))? else { break };
            for fetched in batch.messages().filter(|fetched| fetched.error().is_none() && fetched.topic() == topic) {
                let record = fetched.raw();
                // The end was fixed before: nobody has written since whose commit counts.
                if record.offset.0 < restore.target.0 {
                    self.machine.restore(record.key, record.value)?;
                }
            }
            if !batch.is_empty() {
                let _ = failpoint::is_hit(Role::Notify, Point::Restoring);
            }
            let is_it = |place: &&(String, PartitionIndex, _)| place.0 == *topic && place.1 == DESK;
            // The position passes the markers of transactions, which no record tells of.
            let position = member.positions().iter().find(is_it).map(|(_, _, next)| *next);
            if let Some(position) = position.filter(|position| *position > restore.reached) {
                restore.reached = position;
                restore.moved = Instant::now();
            }
        }
        Ok(())
    }

    fn forget_lag(&self) {
        let context = self.frame.context;
        for index in indices(context) {
            context.telemetry.forget_lag(Role::Notify, &context.config.topics.alerts, index);
        }
    }
}

/// The partitions of the alerts.
fn indices(context: WorkerContext<'_>) -> impl Iterator<Item = PartitionIndex> + use<> {
    (0..context.shape.partitions).map(PartitionIndex)
}

fn add_alerts(context: WorkerContext<'_>, list: &mut TopicPartitionList) {
    for index in indices(context) {
        list.add_partition(&context.config.topics.alerts, index.0);
    }
}
