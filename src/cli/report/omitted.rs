//! What reports leave out or take with doubt, and why: what is the same for several of them.

use super::Sums;
use super::table::{LeftOut, whole};

/// Events that are in no figure, or in some only.
pub fn events(sums: &Sums<'_>) -> Vec<LeftOut> {
    let census = &sums.report.census;
    let mut counts: Vec<LeftOut> = vec![
        (
            "unpriced",
            whole(census.unpriced),
            "subscription events in a currency without a rate, or worth more than is believed; MRR left as it was"
                .into(),
        ),
        (
            "too_late",
            whole(census.too_late),
            "events too old for activity windows or for a timeline that has moved on".into(),
        ),
        ("duplicates", whole(census.duplicates), "events seen before, by their ids; counted once".into()),
        (
            "excluded",
            whole(census.excluded),
            "events of users, sources or roles that do not count by configuration (rules.excluded_*)".into(),
        ),
    ];
    if let Some(refused) = &sums.report.refused {
        let unknown = "events of types that are not known; passed over".into();
        counts.extend([
            ("rejected", whole(refused.rejected), "lines that are no events; told on standard error".into()),
            ("unknown_type", whole(refused.unknown_types), unknown),
        ]);
    }
    counts
}

/// What was told of accounts longer ago than their histories reach.
pub fn long_history(sums: &Sums<'_>) -> LeftOut {
    let told = "of long histories: movements told in sums only, terms in no rate";
    ("long_history", sums.report.census.tables.left_out, told.into())
}

/// What was told of accounts and is in sums only, or in none.
pub fn ledger(sums: &Sums<'_>) -> Vec<LeftOut> {
    let census = &sums.report.census;
    vec![
        long_history(sums),
        (
            "never_paid",
            whole(census.accounts.saturating_sub(paid(sums))),
            "accounts that have never paid; customers are those that have".into(),
        ),
    ]
}

/// Accounts that have ever paid.
fn paid(sums: &Sums<'_>) -> u64 {
    sums.report.census.found.strongest.0.values().map(|cohort| cohort.joined).sum()
}
