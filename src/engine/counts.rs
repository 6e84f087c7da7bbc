//! What the engine counts of its own work.

use super::alert::action::ActionCounts;

/// What the engine has counted since it was created or restored; each becomes a counter metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counts {
    /// Events that changed state.
    pub accepted: u64,
    /// Events seen before.
    pub duplicates: u64,
    /// Events too old for the activity windows or for the billing timeline; the rest of what they say was taken in.
    pub too_late: u64,
    /// Events of users or sources that do not count by configuration.
    pub excluded: u64,
    /// Subscription events whose money is in a currency without a configured rate: their MRR is left as it was.
    pub unpriced: u64,
    /// Times an account was judged.
    pub judgements: u64,
    /// What people did with alerts, by action and result.
    pub alert_actions: ActionCounts,
}
