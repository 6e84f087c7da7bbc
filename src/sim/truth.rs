//! What was planted: which accounts leave, how, when, and since when it shows; and which traps the others carry.
//!
//! For scoring only: nothing that decides may read it.

use std::io::{self, Write};

use super::names::account_id;
use super::plan::{ChurnKind, Trap};
use super::profile::Profile;
use super::{Population, START};
use crate::units::{HOUR_MS, Span, Timestamp};

/// What is true about one account in the window.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// The account.
    pub account_id: String,
    /// Its end, when that lies in the window.
    pub churn: Option<PlantedChurn>,
    /// Its trap.
    pub trap: Trap,
    /// The first moment anything is known about it.
    pub observed_from: Timestamp,
    /// The last moment it is observed: its end, or that of the window.
    pub observed_until: Timestamp,
}

/// A planted end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlantedChurn {
    /// The way of leaving.
    pub kind: ChurnKind,
    /// When `subscription.canceled` happens.
    pub at: Timestamp,
    /// When its evidence begins.
    pub first_evidence: Timestamp,
}

/// The truth about every account of `population` that appears in the window, by account number.
#[must_use]
pub fn subjects(population: &Population) -> Vec<Subject> {
    let end = population.options().end();
    population.profiles().iter().map(|profile| subject(profile, end)).collect()
}

/// Writes the planted ends as CSV: `account,kind,churn_time,first_evidence`.
pub fn write_truth(subjects: &[Subject], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "account,kind,churn_time,first_evidence")?;
    for subject in subjects {
        if let Some(churn) = &subject.churn {
            writeln!(out, "{},{},{},{}", subject.account_id, churn.kind.name(), churn.at, churn.first_evidence)?;
        }
    }
    Ok(())
}

/// Writes every account as CSV: `account,churn_time,last_observed`; `churn_time` is empty for those who stay.
pub fn write_labels(subjects: &[Subject], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "account,churn_time,last_observed")?;
    for subject in subjects {
        let churn_time = subject.churn.map(|churn| churn.at.to_string()).unwrap_or_default();
        writeln!(out, "{},{churn_time},{}", subject.account_id, subject.observed_until)?;
    }
    Ok(())
}

fn subject(profile: &Profile, end: Timestamp) -> Subject {
    let on = |day: i32| START.plus(Span::from_days(i64::from(day)));
    let churn = PlantedChurn {
        kind: profile.churn.kind,
        at: on(profile.churn.day).plus(Span::from_ms(profile.churn.at_ms)),
        first_evidence: on(profile.churn.evidence_day),
    };
    let churn = (churn.at < end).then_some(churn);
    Subject {
        account_id: account_id(profile.account),
        churn,
        trap: profile.trap,
        observed_from: on(profile.first_day()),
        observed_until: churn.map_or(end.minus(Span::from_ms(HOUR_MS)), |churn| churn.at),
    }
}
