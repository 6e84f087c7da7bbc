//! How good risks and alerts were, given what really happened. Pure: outcomes, risks and alerts in, figures out.
//!
//! Nothing here reads a file or knows where a risk came from. Reading order: [`outcome`] says what happened to an account
//! after a moment, [`cases`] which accounts count at a cut-off, [`measures`] ranks the accounts of one cut-off, [`bootstrap`] says how sure that is, [`summary`] puts
//! the cut-offs together, [`alerts`] judges the stream of alerts, [`compare`] sets two
//! sets of rules side by side. The definitions are the usual ones; where there are
//! several, the item says which.

pub mod alerts;
pub mod bootstrap;
pub mod cases;
pub mod compare;
pub mod cutoffs;
pub mod measures;
pub mod outcome;
pub mod paired;
pub mod summary;
