//! The loop that every worker runs between two records: reading, rebalances, looks at the lag, the end of a transaction.
//!
//! What is read, where it begins and what a transaction holds is for each [`Worker`] to say; when things happen, and in
//! which order, is said here once. Invariants: partitions are given up only after the transaction that touched them has
//! ended; a lost partition's transaction is aborted, never committed; an abort leaves nothing in the outbox.

use std::time::Duration;

use rdkafka::TopicPartitionList;

use super::client::{Loss, Rebalance};
use super::error::WorkerError;
use super::member::Member;
use super::shell::{GLANCE_INTERVAL, Offsets, Shell, WorkerContext};
use super::transaction::End;
use crate::telemetry::{Readiness, RebalanceKind};
use crate::worker::outbox::Outbox;
use crate::worker::policy::Moment;

/// What every worker holds.
pub struct Frame<'a> {
    /// What it was given.
    pub context: WorkerContext<'a>,
    // Dropped in this order: the transaction is aborted before the group is left.
    /// Its transactional producer.
    pub shell: Shell<'a>,
    /// Its membership.
    pub member: Member,
    /// Records waiting for the transaction.
    pub outbox: Outbox,
    /// When it last looked how far it has read; `None` asks for a look at once.
    pub glanced: Option<Moment>,
}

impl<'a> Frame<'a> {
    /// The frame of a member. The group settles while the producer starts.
    pub fn start(context: WorkerContext<'a>, member: Member) -> Result<Frame<'a>, WorkerError> {
        Ok(Frame { context, shell: Shell::start(context)?, member, outbox: Outbox::new(), glanced: None })
    }
}

/// What differs between workers.
pub trait Worker<'a>: Sized {
    /// A partition, as this worker's machine knows it.
    type Place: PartialEq;

    /// Joins the group.
    fn start(context: WorkerContext<'a>) -> Result<Self, WorkerError>;

    /// What it holds.
    fn frame(&mut self) -> &mut Frame<'a>;

    /// How near it is to doing its work; `None` where nobody waits for it.
    fn readiness(&self) -> Option<Readiness>;

    /// Which of `partitions` are its own to work on.
    fn places(&self, partitions: &TopicPartitionList) -> Vec<Self::Place>;

    /// Takes what has come.
    fn read(&mut self) -> Result<(), WorkerError>;

    /// Goes on reading state back, where some is to be read.
    fn restore(&mut self) -> Result<(), WorkerError> {
        Ok(())
    }

    /// How long after a look at the lag the next one comes.
    fn glance_interval(&self) -> Duration {
        GLANCE_INTERVAL
    }

    /// Looks how far it has read.
    fn glance(&mut self, now: Moment) -> Result<(), WorkerError>;

    /// Takes partitions on, and assigns them at the client.
    fn take_on(&mut self, partitions: &TopicPartitionList) -> Result<(), WorkerError>;

    /// Forgets partitions whose transaction has ended.
    fn let_go(&mut self, places: &[Self::Place]);

    /// What else is to be unassigned at the client together with `partitions`.
    fn with_dependents(&self, partitions: &TopicPartitionList) -> TopicPartitionList {
        partitions.clone()
    }

    /// Whether the transaction is to end now.
    fn commit_due(&self, now: Moment) -> bool;

    /// Sends the rest of what the transaction is to hold. The offsets to commit with it; `None` when there is nothing.
    fn prepare(&mut self) -> Result<Option<Offsets>, WorkerError>;

    /// The transaction is committed.
    fn committed(&mut self, now: Moment);

    /// The transaction is aborted: reads again what it held, but for the places that are `leaving`.
    fn aborted(&mut self, now: Moment, leaving: &[Self::Place]) -> Result<(), WorkerError>;

    /// Whatever comes next, nothing is held here any more.
    fn end(&mut self);
}

/// Runs a worker until the process is to stop, or until nothing but a new worker helps.
pub fn run<'a, W: Worker<'a>>(context: WorkerContext<'a>) -> Result<(), WorkerError> {
    let mut worker = W::start(context)?;
    tell_readiness(&mut worker);
    let result = serve(&mut worker);
    worker.end();
    if worker.readiness().is_some() {
        context.telemetry.ready_worker(context.role, context.index, Readiness::Unassigned);
    }
    result
}

/// Works until the process is to stop; then commits what is done.
fn serve<'a, W: Worker<'a>>(worker: &mut W) -> Result<(), WorkerError> {
    while !worker.frame().context.stopping() {
        turn(worker)?;
    }
    if worker.frame().member.loss() == Loss::Orderly {
        commit(worker, &[])?;
    }
    worker.frame().shell.abort("stop")
}

fn turn<'a, W: Worker<'a>>(worker: &mut W) -> Result<(), WorkerError> {
    worker.read()?;
    while let Some(rebalance) = worker.frame().member.next_rebalance() {
        match rebalance {
            Rebalance::Assign(partitions) => take_on(worker, &partitions)?,
            Rebalance::Revoke { partitions, loss } => give_up(worker, &partitions, loss)?,
        }
        tell_readiness(worker);
    }
    worker.restore()?;
    let now = worker.frame().context.now();
    let interval = worker.glance_interval();
    if worker.frame().glanced.is_none_or(|glanced| now.since(glanced) >= interval) {
        worker.frame().glanced = Some(now);
        worker.glance(now)?;
    }
    let now = worker.frame().context.now();
    if worker.commit_due(now) {
        commit(worker, &[])?;
    }
    Ok(())
}

fn take_on<'a, W: Worker<'a>>(worker: &mut W, partitions: &TopicPartitionList) -> Result<(), WorkerError> {
    let is_something = !worker.places(partitions).is_empty();
    worker.take_on(partitions)?;
    if is_something {
        let context = worker.frame().context;
        worker.frame().glanced = None;
        context.telemetry.rebalanced(context.role, RebalanceKind::Assigned);
        tracing::info!(
            role = context.role.name(),
            worker = context.index,
            partitions = ?names(partitions),
            "partitions assigned"
        );
    }
    Ok(())
}

fn give_up<'a, W: Worker<'a>>(worker: &mut W, partitions: &TopicPartitionList, loss: Loss) -> Result<(), WorkerError> {
    let places = worker.places(partitions);
    let leaving = worker.with_dependents(partitions);
    if !places.is_empty() {
        let context = worker.frame().context;
        if loss == Loss::Lost || worker.frame().member.loss() == Loss::Lost {
            context.telemetry.rebalanced(context.role, RebalanceKind::Lost);
            worker.frame().shell.abort("partitions_lost")?;
            roll_back(worker, &places)?;
        } else {
            context.telemetry.rebalanced(context.role, RebalanceKind::Revoked);
            worker.frame().member.refresh_group();
            commit(worker, &places)?;
        }
        worker.let_go(&places);
        tracing::info!(
            role = context.role.name(),
            worker = context.index,
            partitions = ?names(partitions),
            ?loss,
            "partitions revoked"
        );
    }
    worker.frame().member.give_up(&leaving)
}

/// Commits; should that end in an abort, the places that are `leaving` are not read again.
fn commit<'a, W: Worker<'a>>(worker: &mut W, leaving: &[W::Place]) -> Result<(), WorkerError> {
    let Some(offsets) = worker.prepare()? else { return Ok(()) };
    let frame = worker.frame();
    match frame.shell.commit(&offsets, &mut frame.member)? {
        End::Committed => {
            let now = frame.context.now();
            worker.committed(now);
            Ok(())
        }
        End::Aborted { .. } => {
            frame.member.refresh_group();
            roll_back(worker, leaving)
        }
    }
}

/// Takes back what the aborted transaction held.
fn roll_back<'a, W: Worker<'a>>(worker: &mut W, leaving: &[W::Place]) -> Result<(), WorkerError> {
    let frame = worker.frame();
    frame.outbox.clear();
    let now = frame.context.now();
    worker.aborted(now, leaving)
}

/// Shows how near the worker is to doing its work.
pub fn tell_readiness<'a, W: Worker<'a>>(worker: &mut W) {
    if let Some(readiness) = worker.readiness() {
        let context = worker.frame().context;
        context.telemetry.ready_worker(context.role, context.index, readiness);
    }
}

fn names(partitions: &TopicPartitionList) -> Vec<String> {
    partitions.elements().iter().map(|element| format!("{}/{}", element.topic(), element.partition())).collect()
}
