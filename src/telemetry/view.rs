//! What is shown of one partition: a copy of its sums as of the last commit. No account is named here.

use std::sync::Arc;

use crate::engine::fleet::Fleet;
use crate::engine::input::SourceReport;
use crate::engine::kpis::tables::Tables;
use crate::engine::quality::Quality;
use crate::engine::totals::Totals;
use crate::engine::{Counts, Engine};
use crate::units::Timestamp;

/// A partition as of its last commit.
#[derive(Clone, Debug, Default)]
pub struct PartitionView {
    /// The engine's clock. While absent, the partition shows no business gauges: nothing is known yet, which is not 0.
    pub clock: Option<Timestamp>,
    /// The latest report of each source partition.
    pub sources: Vec<SourceReport>,
    /// Sums over the accounts.
    pub totals: Totals,
    /// What KPIs are reckoned from.
    pub kpis: Arc<Tables>,
    /// How good the alerts have been.
    pub quality: Quality,
    /// The fleet record in force.
    pub fleet: Arc<Fleet>,
    /// Since when silence is held in it; `None` while it is not.
    pub silence_held_since: Option<Timestamp>,
    /// What the engine has counted since it was created or restored.
    pub counts: Counts,
    /// Accounts held.
    pub accounts: usize,
}

impl PartitionView {
    /// The view of `engine` as it stands; to be taken when everything in it has been committed.
    #[must_use]
    pub fn of(engine: &Engine) -> PartitionView {
        PartitionView {
            clock: engine.partition().clock,
            sources: engine.partition().reports.clone(),
            totals: engine.totals().clone(),
            kpis: Arc::clone(engine.kpis()),
            quality: Quality::clone(&engine.partition().quality),
            fleet: Arc::clone(&engine.partition().fleet),
            silence_held_since: engine.partition().guard.held_since,
            counts: *engine.counts(),
            accounts: engine.accounts_len(),
        }
    }
}
