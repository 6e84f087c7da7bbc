//! One engine worker: a thread that reads its partitions of the canonical log, steps the machine and commits.
//!
//! Everything is dealt with between two polls, in one thread: rebalances, restores, commits; see [`frame`]. Invariant: a
//! partition's records come only after its restore.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;

use super::batch::Fetched;
use super::client::OffsetReset;
use super::error::WorkerError;
use super::frame::{self, Frame, Worker};
use super::member::Member;
use super::restore::Restores;
use super::shell::{BATCH_RECORDS_MAX, BATCHES_MAX, GLANCE_INTERVAL, Offsets, WorkerContext, commit_policy, wall_time};
use crate::engine::alert::action;
use crate::engine::census::Walk;
use crate::engine::rules::Rules;
use crate::telemetry::inquiry::{Counted, Question};
use crate::telemetry::view::PartitionView;
use crate::telemetry::{Readiness, Role};
use crate::units::PartitionIndex;
use crate::worker::Start;
use crate::worker::engine::{EngineMachine, Settings};
use crate::worker::futile::Futile;
use crate::worker::outbox::PART_RECORDS;
use crate::worker::policy::{Moment, Pace};

/// Views are published at most this often.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(250);
/// Looks at the lag come this close together while it seems to be gone.
const HOPEFUL_GLANCE_INTERVAL: Duration = Duration::from_millis(100);
/// Accounts counted for a census between two reads: some milliseconds, by which no alert is late.
const COUNTED_MAX: usize = 2_000;
/// Time given to a restore between two polls while other partitions are at work.
const RESTORE_BUDGET: Duration = Duration::from_millis(100);

struct EngineWorker<'a> {
    frame: Frame<'a>,
    restores: Restores,
    machine: EngineMachine,
    /// Whether the group has told what is ours at least once.
    joined: bool,
    /// Whether the latest read found nothing.
    drained: bool,
    published: Moment,
    /// Whether silence is held in one of its partitions.
    holds_silence: bool,
    /// What people did with alerts and had no effect.
    futile: Futile,
    /// The census that is being taken of a partition, and what asked for it.
    walk: Option<(PartitionIndex, Question, Walk)>,
}

/// Runs until the process is to stop, or until nothing but a new worker helps.
pub fn run(context: WorkerContext<'_>) -> Result<(), WorkerError> {
    frame::run::<EngineWorker<'_>>(context)
}

impl<'a> Worker<'a> for EngineWorker<'a> {
    type Place = PartitionIndex;

    fn start(context: WorkerContext<'a>) -> Result<EngineWorker<'a>, WorkerError> {
        let config = context.config;
        let member = Member::join(
            config,
            &config.engine.group_id,
            context.instance().as_deref(),
            OffsetReset::Error,
            &[&config.topics.events],
        )?;
        let frame = Frame::start(context, member)?;
        let rules: Arc<Rules> = Arc::new(config.rules.clone());
        let machine = EngineMachine::new(Settings {
            rules,
            policy: commit_policy(&config.commit),
            events_topic: config.topics.events.clone(),
            dead_letters: context.dead_letters(),
        });
        Ok(EngineWorker {
            frame,
            restores: Restores::new(config),
            machine,
            joined: false,
            drained: false,
            published: Moment::default(),
            holds_silence: false,
            futile: Futile::default(),
            walk: None,
        })
    }

    fn frame(&mut self) -> &mut Frame<'a> {
        &mut self.frame
    }

    fn readiness(&self) -> Option<Readiness> {
        Some(if !self.joined {
            Readiness::Unassigned
        } else if self.restores.is_busy() {
            Readiness::Restoring
        } else {
            Readiness::Ready
        })
    }

    fn places(&self, partitions: &TopicPartitionList) -> Vec<PartitionIndex> {
        partitions.elements().iter().map(|element| PartitionIndex(element.partition())).collect()
    }

    /// Takes what has come, up to some batches.
    fn read(&mut self) -> Result<(), WorkerError> {
        let mut wait = if self.restores.is_busy() || self.walk.is_some() {
            Duration::ZERO
        } else if self.machine.is_dirty() {
            Duration::from_millis(5)
        } else {
            Duration::from_millis(50)
        };
        self.drained = false;
        let Frame { member, shell, outbox, .. } = &mut self.frame;
        for _ in 0..BATCHES_MAX {
            let Some(batch) = member.take(BATCH_RECORDS_MAX, wait)? else { break };
            wait = Duration::ZERO;
            let fetched: Vec<_> = batch.messages().filter(|fetched| fetched.error().is_none()).collect();
            let records: Vec<_> = fetched.iter().map(Fetched::raw).collect();
            self.machine.step_all(&records, outbox);
            if outbox.len() >= PART_RECORDS {
                shell.send(outbox)?;
            }
            if batch.len() < BATCH_RECORDS_MAX {
                self.drained = batch.is_empty();
                break;
            }
        }
        shell.send(outbox)?;
        self.count_accounts();
        Ok(())
    }

    fn restore(&mut self) -> Result<(), WorkerError> {
        if !self.restores.is_busy() {
            return Ok(());
        }
        let Frame { context, member, .. } = &self.frame;
        let context = *context;
        let done =
            self.restores.advance(context.config, member, &mut self.machine, context.telemetry, RESTORE_BUDGET)?;
        let Some((partition, restored)) = done else { return Ok(()) };
        let topic = &context.config.topics.events;
        member.seek(topic, partition, restored.start)?;
        member.resume(topic, partition)?;
        tracing::info!(
            worker = context.index,
            partition = partition.0,
            accounts = restored.accounts,
            rules_changed = restored.rules_changed,
            start = ?restored.start,
            "partition restored"
        );
        self.frame.glanced = None;
        // Who sees that it is ready is to see all that it holds.
        if let Some((index, engine)) = self.machine.running().find(|(index, _)| *index == partition) {
            context.telemetry.publish(index, PartitionView::of(engine));
        }
        self.published = Moment::default();
        frame::tell_readiness(self);
        Ok(())
    }

    fn glance_interval(&self) -> Duration {
        // A worker that thinks it lags but finds nothing to read has probably caught up: its records wait for the commit.
        let hopeful = self.drained && self.machine.is_dirty() && self.machine.pace() == Pace::Lagging;
        if hopeful { HOPEFUL_GLANCE_INTERVAL } else { GLANCE_INTERVAL }
    }

    fn glance(&mut self, now: Moment) -> Result<(), WorkerError> {
        let Frame { context, member, .. } = &self.frame;
        let topic = &context.config.topics.events;
        let positions = member.positions();
        let running: Vec<PartitionIndex> = self.machine.running().map(|(index, _)| index).collect();
        for index in running {
            let Some(ends) = member.glance(topic, index) else { break };
            let position = positions.iter().find(|(_, partition, _)| *partition == index).map(|(_, _, next)| *next);
            let reached = position.max(self.machine.next_offset(index)).unwrap_or(ends.low).max(ends.low);
            let lag = ends.high.0.saturating_sub(reached.0).max(0).unsigned_abs();
            self.machine.observe(index, lag);
            context.telemetry.lag(Role::Engine, topic, index, lag);
        }
        if now.since(self.published) >= PUBLISH_INTERVAL && !self.machine.is_dirty() {
            self.publish(now);
        }
        Ok(())
    }

    fn take_on(&mut self, partitions: &TopicPartitionList) -> Result<(), WorkerError> {
        // They stay paused; the place to begin is known after the restore.
        let Frame { context, member, .. } = &mut self.frame;
        let mut assignment = TopicPartitionList::new();
        let topic = &context.config.topics.events;
        for element in partitions.elements() {
            let index = PartitionIndex(element.partition());
            let offset = member.offset(topic, index, Start::Beginning)?;
            assignment
                .add_partition_offset(topic, index.0, offset)
                .map_err(WorkerError::client("take on partitions"))?;
        }
        member.take_on(&assignment)?;
        for index in self.places(partitions) {
            self.machine.assign(index);
            self.restores.add(index);
        }
        self.joined = true;
        Ok(())
    }

    fn let_go(&mut self, places: &[PartitionIndex]) {
        self.walk = None;
        for index in places {
            self.restores.cancel(*index);
            self.machine.revoke(*index);
            self.frame.context.telemetry.unpublish(*index);
        }
    }

    fn commit_due(&self, now: Moment) -> bool {
        self.machine.commit_due(now)
    }

    fn prepare(&mut self) -> Result<Option<Offsets>, WorkerError> {
        let Frame { context, shell, outbox, .. } = &mut self.frame;
        // Part by part, so that the client sends one while the next is encoded, and none of them grows large.
        let offsets = self.machine.prepare_commit(outbox, &mut |part| shell.send(part))?;
        let topic = &context.config.topics.events;
        let offsets: Offsets = offsets.into_iter().map(|(index, next)| (topic.clone(), index, next)).collect();
        Ok((!offsets.is_empty()).then_some(offsets))
    }

    fn committed(&mut self, now: Moment) {
        let context = self.frame.context;
        let committed = self.machine.committed(now);
        context.count(&committed.tally);
        let wall = wall_time();
        for told in &committed.alerts {
            context.telemetry.alert(told.alert_type, told.transition);
            let waited = u64::try_from(wall.since(told.received_at).ms()).unwrap_or_default();
            context.telemetry.event_to_alert(Duration::from_millis(waited));
        }
        if now.since(self.published) >= PUBLISH_INTERVAL {
            self.publish(now);
        }
    }

    fn aborted(&mut self, now: Moment, leaving: &[PartitionIndex]) -> Result<(), WorkerError> {
        // What was counted of it is taken back with it.
        self.walk = None;
        let topic = &self.frame.context.config.topics.events;
        for (partition, start) in self.machine.aborted(now) {
            if !leaving.contains(&partition) {
                self.frame.member.seek(topic, partition, start)?;
            }
        }
        Ok(())
    }

    fn end(&mut self) {
        // What is shown here is no longer held here.
        for index in self.machine.assigned() {
            self.frame.context.telemetry.unpublish(index);
        }
    }
}

impl EngineWorker<'_> {
    /// Goes on with the census that somebody asks for, one partition after the other, by some accounts.
    fn count_accounts(&mut self) {
        let context = self.frame.context;
        let inquiry = context.telemetry.inquiry();
        let Some(question) = inquiry.asked() else {
            self.walk = None;
            return;
        };
        let begun = self.walk.take().or_else(|| {
            let (index, engine) = self.machine.running().find(|(index, _)| inquiry.lacks(*index, question))?;
            Some((index, question, Walk::new(engine, question.now)))
        });
        let Some((partition, question, mut walk)) = begun else { return };
        // One that has been given up meanwhile is for others to count.
        let Some((_, engine)) = self.machine.running().find(|(index, _)| *index == partition) else { return };
        if walk.go_on(engine, COUNTED_MAX) {
            let (partitions_len, rules) = (context.shape.partitions, Arc::clone(engine.rules()));
            inquiry.answer(partition, question, Counted { partitions_len, rules, census: walk.end(engine) });
        } else {
            self.walk = Some((partition, question, walk));
        }
    }

    fn publish(&mut self, now: Moment) {
        self.published = now;
        let mut held_since = None;
        for (index, engine) in self.machine.running() {
            held_since = held_since.max(engine.partition().guard.held_since);
            self.frame.context.telemetry.publish(index, PartitionView::of(engine));
        }
        match held_since {
            Some(since) if !self.holds_silence => tracing::warn!(
                since = since.to_string(),
                "far fewer accounts are active than usual: nobody is judged for being silent until they are back; is a \
                 source out?"
            ),
            None if self.holds_silence => tracing::info!("accounts are active as usual again: silence is judged"),
            _ => {}
        }
        self.holds_silence = held_since.is_some();
        let counts = self.machine.running().map(|(index, engine)| (index, engine.counts().alert_actions));
        for (result, actions) in self.futile.note(now, counts) {
            tracing::warn!(reason = result, actions, advice = action::advice(result), "actions on alerts did nothing");
        }
    }
}
