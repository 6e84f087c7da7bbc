//! One engine worker: a thread that reads its partitions of the canonical log, steps the machine and commits.
//!
//! Everything is dealt with between two polls, in one thread: rebalances, restores, commits. Invariants: a partition's
//! records come only after its restore; partitions are given up only after their transaction has ended.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;

use super::batch::Fetched;
use super::client::{Loss, OffsetReset, Rebalance};
use super::error::WorkerError;
use super::member::Member;
use super::restore::Restores;
use super::shell::{BATCH_RECORDS_MAX, BATCHES_MAX, GLANCE_INTERVAL, Shell, WorkerContext, commit_policy, wall_time};
use super::transaction::End;
use crate::engine::rules::Rules;
use crate::telemetry::view::PartitionView;
use crate::telemetry::{Readiness, RebalanceKind, Role};
use crate::units::PartitionIndex;
use crate::worker::Start;
use crate::worker::engine::{EngineMachine, Settings};
use crate::worker::outbox::{Outbox, PART_RECORDS};
use crate::worker::policy::{Moment, Pace};

/// Views are published at most this often.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(250);
/// Looks at the lag come this close together while it seems to be gone.
const HOPEFUL_GLANCE_INTERVAL: Duration = Duration::from_millis(100);
/// Time given to a restore between two polls while other partitions are at work.
const RESTORE_BUDGET: Duration = Duration::from_millis(100);

struct EngineWorker<'a> {
    context: WorkerContext<'a>,
    // Dropped in this order: the transaction is aborted before the group is left.
    shell: Shell<'a>,
    restores: Restores,
    member: Member,
    machine: EngineMachine,
    outbox: Outbox,
    /// Whether the group has told what is ours at least once.
    joined: bool,
    /// Whether the latest read found nothing.
    drained: bool,
    glanced: Option<Moment>,
    published: Moment,
}

/// Runs until the process is to stop, or until nothing but a new worker helps.
pub fn run(context: WorkerContext<'_>) -> Result<(), WorkerError> {
    context.telemetry.ready_worker(Role::Engine, context.index, Readiness::Unassigned);
    let mut worker = EngineWorker::start(context)?;
    let result = worker.serve();
    // Whatever comes next, what is shown here is no longer held here.
    for index in worker.machine.assigned() {
        context.telemetry.unpublish(index);
    }
    context.telemetry.ready_worker(Role::Engine, context.index, Readiness::Unassigned);
    result
}

impl<'a> EngineWorker<'a> {
    fn start(context: WorkerContext<'a>) -> Result<EngineWorker<'a>, WorkerError> {
        let config = context.config;
        // The group settles while the producer starts.
        let member = Member::join(
            config,
            &config.engine.group_id,
            context.instance().as_deref(),
            OffsetReset::Error,
            &[&config.topics.events],
        )?;
        let shell = Shell::start(context)?;
        let rules: Arc<Rules> = Arc::new(config.rules.clone());
        let machine = EngineMachine::new(Settings {
            rules,
            policy: commit_policy(&config.commit),
            events_topic: config.topics.events.clone(),
            dead_letters: context.dead_letters(),
        });
        Ok(EngineWorker {
            context,
            shell,
            restores: Restores::new(config),
            member,
            machine,
            outbox: Outbox::new(),
            joined: false,
            drained: false,
            glanced: None,
            published: Moment::default(),
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
        self.restore()?;
        let now = self.context.now();
        // A worker that thinks it lags but finds nothing to read has probably caught up: its records wait for the commit.
        let hopeful = self.drained && self.machine.is_dirty() && self.machine.pace() == Pace::Lagging;
        let interval = if hopeful { HOPEFUL_GLANCE_INTERVAL } else { GLANCE_INTERVAL };
        if self.glanced.is_none_or(|glanced| now.since(glanced) >= interval) {
            self.glance(now);
        }
        if self.machine.commit_due(now) {
            self.commit()?;
        }
        Ok(())
    }

    /// Takes what has come, up to some batches.
    fn read(&mut self) -> Result<(), WorkerError> {
        let mut wait = if self.restores.is_busy() {
            Duration::ZERO
        } else if self.machine.is_dirty() {
            Duration::from_millis(5)
        } else {
            Duration::from_millis(50)
        };
        self.drained = false;
        for _ in 0..BATCHES_MAX {
            let Some(batch) = self.member.take(BATCH_RECORDS_MAX, wait)? else { break };
            wait = Duration::ZERO;
            let fetched: Vec<_> = batch.messages().filter(|fetched| fetched.error().is_none()).collect();
            let records: Vec<_> = fetched.iter().map(Fetched::raw).collect();
            self.machine.step_all(&records, &mut self.outbox);
            if self.outbox.len() >= PART_RECORDS {
                self.shell.send(&mut self.outbox)?;
            }
            if batch.len() < BATCH_RECORDS_MAX {
                self.drained = batch.is_empty();
                break;
            }
        }
        self.shell.send(&mut self.outbox)
    }

    fn rebalance(&mut self, rebalance: Rebalance) -> Result<(), WorkerError> {
        match rebalance {
            Rebalance::Assign(partitions) => {
                // They stay paused; the place to begin is known after the restore.
                let mut assignment = TopicPartitionList::new();
                let topic = &self.context.config.topics.events;
                for index in indices(&partitions) {
                    let offset = self.member.offset(topic, index, Start::Beginning)?;
                    assignment
                        .add_partition_offset(topic, index.0, offset)
                        .map_err(WorkerError::client("take on partitions"))?;
                }
                self.member.take_on(&assignment)?;
                for index in indices(&partitions) {
                    self.machine.assign(index);
                    self.restores.add(index);
                }
                self.joined = true;
                if partitions.count() > 0 {
                    self.context.telemetry.rebalanced(Role::Engine, RebalanceKind::Assigned);
                    tracing::info!(worker = self.context.index, partitions = ?numbers(&partitions), "partitions assigned");
                }
            }
            Rebalance::Revoke { partitions, loss } => {
                if loss == Loss::Lost || self.member.loss() == Loss::Lost {
                    self.context.telemetry.rebalanced(Role::Engine, RebalanceKind::Lost);
                    self.shell.abort("partitions_lost")?;
                    self.roll_back(&indices(&partitions))?;
                } else {
                    self.context.telemetry.rebalanced(Role::Engine, RebalanceKind::Revoked);
                    self.member.refresh_group();
                    self.commit_leaving(&indices(&partitions))?;
                }
                for index in indices(&partitions) {
                    self.restores.cancel(index);
                    self.machine.revoke(index);
                    self.context.telemetry.unpublish(index);
                }
                tracing::info!(worker = self.context.index, partitions = ?numbers(&partitions), ?loss, "partitions revoked");
                self.member.give_up(&partitions)?;
            }
        }
        self.tell_readiness();
        Ok(())
    }

    fn restore(&mut self) -> Result<(), WorkerError> {
        if !self.restores.is_busy() {
            return Ok(());
        }
        let context = self.context;
        let done = self.restores.advance(
            context.config,
            &self.member,
            &mut self.machine,
            context.telemetry,
            RESTORE_BUDGET,
        )?;
        let Some((partition, restored)) = done else { return Ok(()) };
        let topic = &context.config.topics.events;
        self.member.seek(topic, partition, restored.start)?;
        self.member.resume(topic, partition)?;
        tracing::info!(
            worker = context.index,
            partition = partition.0,
            accounts = restored.accounts,
            rules_changed = restored.rules_changed,
            start = ?restored.start,
            "partition restored"
        );
        self.glanced = None;
        self.published = Moment::default();
        self.tell_readiness();
        Ok(())
    }

    fn commit(&mut self) -> Result<(), WorkerError> {
        self.commit_leaving(&[])
    }

    /// Commits; should that end in an abort, the partitions of `leaving` are not read again.
    fn commit_leaving(&mut self, leaving: &[PartitionIndex]) -> Result<(), WorkerError> {
        let topic = &self.context.config.topics.events;
        // Part by part, so that the client sends one while the next is encoded, and none of them grows large.
        let offsets = self.machine.prepare_commit(&mut self.outbox, &mut |part| self.shell.send(part))?;
        if offsets.is_empty() {
            return Ok(());
        }
        let offsets = offsets.into_iter().map(|(partition, next)| (topic.clone(), partition, next)).collect();
        match self.shell.commit(&offsets, Some(&mut self.member))? {
            End::Committed => {
                let now = self.context.now();
                let committed = self.machine.committed(now);
                self.context.count(&committed.tally);
                let wall = wall_time();
                for told in &committed.alerts {
                    self.context.telemetry.alert(told.alert_type, told.transition);
                    let waited = u64::try_from(wall.since(told.received_at).ms()).unwrap_or_default();
                    self.context.telemetry.event_to_alert(Duration::from_millis(waited));
                }
                if now.since(self.published) >= PUBLISH_INTERVAL {
                    self.publish(now);
                }
                Ok(())
            }
            End::Aborted { .. } => {
                self.member.refresh_group();
                self.roll_back(leaving)
            }
        }
    }

    /// Takes back the aborted transaction and reads again what stays ours.
    fn roll_back(&mut self, leaving: &[PartitionIndex]) -> Result<(), WorkerError> {
        self.outbox.clear();
        for (partition, start) in self.machine.aborted(self.context.now()) {
            if !leaving.contains(&partition) {
                self.member.seek(&self.context.config.topics.events, partition, start)?;
            }
        }
        Ok(())
    }

    /// Looks at how far the partitions have been read.
    fn glance(&mut self, now: Moment) {
        self.glanced = Some(now);
        let topic = &self.context.config.topics.events;
        let positions = self.member.positions();
        let running: Vec<PartitionIndex> = self.machine.running().map(|(index, _)| index).collect();
        for index in running {
            let Some(ends) = self.member.glance(topic, index) else { break };
            let position = positions.iter().find(|(_, partition, _)| *partition == index).map(|(_, _, next)| *next);
            let reached = position.max(self.machine.next_offset(index)).unwrap_or(ends.low).max(ends.low);
            let lag = ends.high.0.saturating_sub(reached.0).max(0).unsigned_abs();
            self.machine.observe(index, lag);
            self.context.telemetry.lag(Role::Engine, topic, index, lag);
        }
        if now.since(self.published) >= PUBLISH_INTERVAL && !self.machine.is_dirty() {
            self.publish(now);
        }
    }

    fn publish(&mut self, now: Moment) {
        self.published = now;
        for (index, engine) in self.machine.running() {
            self.context.telemetry.publish(index, PartitionView::of(engine));
        }
    }

    fn tell_readiness(&self) {
        let readiness = if !self.joined {
            Readiness::Unassigned
        } else if self.restores.is_busy() {
            Readiness::Restoring
        } else {
            Readiness::Ready
        };
        self.context.telemetry.ready_worker(Role::Engine, self.context.index, readiness);
    }
}

fn indices(partitions: &TopicPartitionList) -> Vec<PartitionIndex> {
    partitions.elements().iter().map(|element| PartitionIndex(element.partition())).collect()
}

fn numbers(partitions: &TopicPartitionList) -> Vec<i32> {
    partitions.elements().iter().map(rdkafka::topic_partition_list::TopicPartitionListElem::partition).collect()
}
