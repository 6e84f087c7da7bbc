//! The present of this process: which parts run, which partitions they hold, how ready they are.
//!
//! Written by workers, read when somebody asks. Bounded by what the process is assigned.

use std::collections::BTreeMap;
use std::sync::Arc;

use dashmap::DashMap;
use serde::Serialize;

use super::Settings;
use super::view::PartitionView;
use crate::units::PartitionIndex;

/// A part of the product that a process can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Source topics to the canonical log.
    Ingest,
    /// Reports on the fleet to fleet records in the canonical log; runs wherever `ingest` does, one at a time.
    Learner,
    /// The canonical log to alerts and health.
    Engine,
    /// Alerts to deliveries and digests, one process at a time.
    Notify,
    /// HTTP for people and programs.
    Serve,
}

impl Role {
    /// All roles.
    pub const ALL: [Role; 5] = [Role::Ingest, Role::Learner, Role::Engine, Role::Notify, Role::Serve];

    /// Stable snake-case name: metric label and command-line value.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Ingest => "ingest",
            Role::Learner => "learner",
            Role::Engine => "engine",
            Role::Notify => "notify",
            Role::Serve => "serve",
        }
    }

    /// Whether it reads records.
    #[must_use]
    pub fn reads(self) -> bool {
        self != Role::Serve
    }
}

/// What a rebalance did to this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RebalanceKind {
    /// Partitions came.
    Assigned,
    /// Partitions went in good order.
    Revoked,
    /// Partitions were lost: the group had given them to somebody else already.
    Lost,
}

impl RebalanceKind {
    /// All kinds.
    pub const ALL: [RebalanceKind; 3] = [RebalanceKind::Assigned, RebalanceKind::Revoked, RebalanceKind::Lost];

    /// Stable snake-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            RebalanceKind::Assigned => "assigned",
            RebalanceKind::Revoked => "revoked",
            RebalanceKind::Lost => "lost",
        }
    }
}

/// How far a role, or one worker of it, is from doing its work. Ordered from furthest to nearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Readiness {
    /// Not connected, or not yet given its partitions (being given none counts as assigned).
    Unassigned,
    /// State is being read back.
    Restoring,
    /// At work.
    Ready,
}

impl Readiness {
    /// Stable snake-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Readiness::Unassigned => "unassigned",
            Readiness::Restoring => "restoring",
            Readiness::Ready => "ready",
        }
    }
}

/// How far the restore of a partition's state has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RestoreProgress {
    /// Changelog records read so far.
    pub records: u64,
    /// Offsets still to go, an upper bound of the records; 0 when done.
    pub remaining: u64,
}

/// Something that keeps the process from being ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The role that is not ready.
    pub role: Role,
    /// Where its least ready worker stands.
    pub state: Readiness,
    /// Changelog offsets that restores still have to read; 0 where nothing is known to be restored.
    pub restore_remaining: u64,
}

/// A worker of a role, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct WorkerIndex(pub usize);

/// Everything the gauges are gathered from.
pub(super) struct Status {
    pub settings: Settings,
    pub views: DashMap<PartitionIndex, Arc<PartitionView>>,
    pub restores: DashMap<PartitionIndex, RestoreProgress>,
    pub readiness: DashMap<(Role, WorkerIndex), Readiness>,
    /// By partition, the lag of each topic: few topics, so a list is searched without allocating a key.
    lags: DashMap<(Role, PartitionIndex), Vec<(String, u64)>>,
}

impl Status {
    pub fn new(settings: Settings) -> Status {
        Status {
            settings,
            views: DashMap::new(),
            restores: DashMap::new(),
            readiness: DashMap::new(),
            lags: DashMap::new(),
        }
    }

    pub fn set_lag(&self, role: Role, topic: &str, partition: PartitionIndex, records: u64) {
        let mut topics = self.lags.entry((role, partition)).or_default();
        match topics.iter_mut().find(|(known, _)| known == topic) {
            Some((_, lag)) => *lag = records,
            None => topics.push((topic.to_owned(), records)),
        }
    }

    pub fn forget_lag(&self, role: Role, topic: &str, partition: PartitionIndex) {
        if let Some(mut topics) = self.lags.get_mut(&(role, partition)) {
            topics.retain(|(known, _)| known != topic);
        }
    }

    pub fn unpublish(&self, partition: PartitionIndex) {
        self.views.remove(&partition);
        self.restores.remove(&partition);
        self.lags.remove(&(Role::Engine, partition));
    }

    /// Lag in records by role, topic and partition, in that order.
    pub fn lags(&self) -> BTreeMap<(Role, String, PartitionIndex), u64> {
        let mut all = BTreeMap::new();
        for entry in &self.lags {
            let (role, partition) = *entry.key();
            all.extend(entry.value().iter().map(|(topic, lag)| ((role, topic.clone(), partition), *lag)));
        }
        all
    }

    /// How ready `role` is: as its least ready worker. `serve` has no partitions and is ready once it answers.
    pub fn readiness_of(&self, role: Role) -> Readiness {
        let reported = self.readiness.iter().filter(|entry| entry.key().0 == role).map(|entry| *entry.value()).min();
        match (role, reported) {
            (Role::Engine, Some(Readiness::Ready)) if self.restore_remaining() > 0 => Readiness::Restoring,
            (_, Some(readiness)) => readiness,
            (Role::Serve, None) => Readiness::Ready,
            (_, None) => Readiness::Unassigned,
        }
    }

    pub fn missing(&self) -> Vec<Missing> {
        let stands = self.settings.roles.iter().map(|role| (*role, self.readiness_of(*role)));
        stands
            .filter(|(_, state)| *state != Readiness::Ready)
            .map(|(role, state)| Missing {
                role,
                state,
                restore_remaining: if role == Role::Engine { self.restore_remaining() } else { 0 },
            })
            .collect()
    }

    pub fn restore_remaining(&self) -> u64 {
        self.restores.iter().map(|entry| entry.value().remaining).sum()
    }
}
