//! K8: how many terms are renewed, by count and by value.
//!
//! A term is due on its last date, as it was told with anything but an end. It was renewed when a renewal is told, when a
//! later term is agreed after it, or when the subscription simply goes on; it was not when, as the subscription stands 30
//! days after its term, it has ended, is paused or is to end by then. What is not yet due is in neither number.

use super::days::{Count, Days};
use super::retention::share;
use crate::units::Day;
use crate::units::calendar::Period;

/// The terms that were due in a period so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Renewals {
    /// Terms due.
    pub due: i64,
    /// Those of them renewed.
    pub renewed: i64,
    /// MRR of the terms due, in minor units of the reporting currency.
    pub due_minor: i64,
    /// MRR of those renewed, likewise.
    pub renewed_minor: i64,
}

impl Renewals {
    /// What `days` say of `period`, up to and with `today`.
    #[must_use]
    pub fn at(days: &Days, period: Period, today: Day) -> Renewals {
        let (from, to) = period.days();
        let until = Day::new((today.number() + 1).min(to.number()));
        let sum = |count| days.sum(count, from..until.max(from));
        Renewals {
            due: sum(Count::RenewalsDue),
            renewed: sum(Count::Renewed),
            due_minor: sum(Count::RenewalsDueMinor),
            renewed_minor: sum(Count::RenewedMinor),
        }
    }
}

/// Renewal rate: renewed of due, by count or by value, in [0, 1]. `None` when nothing was due.
///
/// ```
/// use churnwatch::engine::kpis::renewals::renewal_rate;
/// assert_eq!(renewal_rate(20, 18), Some(0.9));
/// assert_eq!(renewal_rate(0, 0), None);
/// ```
#[must_use]
pub fn renewal_rate(due: i64, renewed: i64) -> Option<f64> {
    share(renewed, due)
}
