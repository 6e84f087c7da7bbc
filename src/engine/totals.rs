//! Sums over the accounts of one partition: what the live gauges show.
//!
//! Everything here adds up over partitions and instances; ratios are for whoever reads them. Kept by differences as
//! accounts change, and equal at any moment to a recount.

use super::effect::Band;
use crate::units::Day;

/// Days of user activity kept for the active-user counts.
pub const ACTIVE_DAYS: u16 = 32;

/// Sums over the accounts of one partition.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Totals {
    /// Per segment, in order of first appearance.
    pub segments: Vec<SegmentTotals>,
    /// MRR movements since the beginning of the log, in minor units of the reporting currency, by [`Movement`].
    pub movements_minor: [i64; 5],
    /// Number of movements, likewise.
    pub movements: [u64; 5],
    /// Users by the day they were last seen, at `day % ACTIVE_DAYS`, for the days up to `active_day`.
    pub users_last_seen: [u64; ACTIVE_DAYS as usize],
    /// The latest day of any user activity.
    pub active_day: Day,
    /// Open alerts by alert type index and severity (warning, critical).
    pub open_alerts: Vec<[u64; 2]>,
}

/// Sums over the accounts of one segment.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct SegmentTotals {
    /// Its name.
    pub name: String,
    /// Accounts by band, in the order of [`Band::ALL`].
    pub accounts: [u64; Band::ALL.len()],
    /// MRR by band, in minor units of the reporting currency.
    pub mrr_minor: [i64; Band::ALL.len()],
    /// Revenue at risk by band (sum of risk x MRR at the last published risk), likewise.
    pub revenue_at_risk_minor: [i64; Band::ALL.len()],
    /// Accounts with MRR above 0.
    pub paying: u64,
}

/// How MRR moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Movement {
    /// First revenue of an account.
    New,
    /// More from a paying account.
    Expansion,
    /// Less from an account that keeps paying.
    Contraction,
    /// Down to nothing.
    Churned,
    /// Up from nothing after having paid.
    Reactivation,
}

impl Movement {
    /// All movements.
    pub const ALL: [Movement; 5] =
        [Movement::New, Movement::Expansion, Movement::Contraction, Movement::Churned, Movement::Reactivation];

    /// Stable snake-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Movement::New => "new",
            Movement::Expansion => "expansion",
            Movement::Contraction => "contraction",
            Movement::Churned => "churned",
            Movement::Reactivation => "reactivation",
        }
    }
}

impl Totals {
    /// Distinct users seen in the `days` days that end with `today` (1, 7 and 30 are of use; at most [`ACTIVE_DAYS`]).
    #[must_use]
    pub fn active_users(&self, today: Day, days: u16) -> u64 {
        let oldest = today.number().saturating_sub(days.clamp(1, ACTIVE_DAYS) - 1);
        (oldest..=today.number())
            .filter(|day| *day <= self.active_day.number() && self.active_day.number() - day < ACTIVE_DAYS)
            .filter_map(|day| self.users_last_seen.get(usize::from(day % ACTIVE_DAYS)))
            .sum()
    }
}
