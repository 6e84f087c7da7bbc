//! Retention in numbers: what the accounts of a partition add up to, and the KPIs that follow.
//!
//! [`flows`] takes one account's ledger by month and period, [`mod@contribution`] says all that an account adds, [`tables`]
//! holds the sums, [`days`] those by day. Ratios are pure functions, one file a family. Everything that is summed adds up
//! over partitions; a ratio is only ever reckoned from sums. Pure: no clock, no I/O.

pub mod contribution;
pub mod days;
pub mod engagement;
pub mod figures;
pub mod flows;
pub mod leavers;
#[cfg(test)]
mod reference;
pub mod registry;
pub mod renewals;
pub mod retention;
pub mod revenue;
pub mod satisfaction;
pub mod starts;
pub mod steady;
pub mod tables;
pub mod value;

use crate::units::Span;

pub use contribution::{Parts, contribution, touched};

/// A sign-up that is not active after its first week has dropped off.
pub const DROP_OFF: Span = Span::from_days(7);
/// A trial of which nobody says when it ends is taken for ended after so long.
pub const TRIAL_MAX: Span = Span::from_days(90);
/// No trial is believed to last longer, whatever is said of its end.
pub const TRIAL_BELIEVED_MAX: Span = Span::from_days(366);

#[cfg(test)]
mod tests;
