//! The report of accounts: the strongest of each activation cohort, to nurture.

use anyhow::bail;

use super::table::{self, Cell, LeftOut, Table, columns, whole};
use super::{Sums, omitted};
use crate::engine::census::strongest::{ACTIVE_DAYS, CohortOf, STRONGEST_MAX, Strong};
use crate::engine::kpis::registry::Unit;
use crate::units::calendar::{Month, day_text};

/// Cohorts shown where none is asked for, newest first: complete months.
const COHORTS: usize = 12;
/// Accounts shown of each cohort where nobody says how many.
const TOP: usize = 5;

/// The tables; a cohort that does not exist is refused.
pub fn tables(sums: &Sums<'_>) -> anyhow::Result<Vec<Table>> {
    let all = &sums.report.census.found.strongest.0;
    let mut chosen: Vec<(Month, &CohortOf)> = match sums.cohort {
        Some(month) => all.get_key_value(&month).into_iter().map(|(month, cohort)| (*month, cohort)).collect(),
        None => all.range(..sums.open).rev().take(COHORTS).map(|(month, cohort)| (*month, cohort)).collect(),
    };
    if let (Some(month), true) = (sums.cohort, chosen.is_empty()) {
        match (all.first_key_value(), all.last_key_value(), sums.no_billing()) {
            (Some((first, _)), Some((last, _)), _) => {
                bail!("no account first paid in {month}: there are cohorts from {first} to {last}")
            }
            (.., Some(note)) => bail!("no account first paid in {month}. {note}"),
            _ => bail!("no account first paid in {month}, nor in any other month"),
        }
    }
    // The running month is all there is.
    if chosen.is_empty() {
        chosen = all.iter().rev().take(1).map(|(month, cohort)| (*month, cohort)).collect();
    }
    let older = if sums.cohort.is_some() { 0 } else { all.range(..sums.open).count().saturating_sub(COHORTS) };
    let top = sums.top.unwrap_or(TOP);
    Ok(vec![accounts(sums, &chosen, top), cohorts(sums, &chosen, top, older), left_out(sums, &chosen, top)])
}

fn left_out(sums: &Sums<'_>, chosen: &[(Month, &CohortOf)], top: usize) -> Table {
    let all = &sums.report.census.found.strongest.0;
    let elsewhere = all.keys().filter(|month| chosen.iter().all(|(shown, _)| shown != *month)).count();
    let sum = |count: fn(&CohortOf) -> u64| chosen.iter().map(|(_, cohort)| count(cohort)).sum::<u64>();
    let shown: u64 = chosen.iter().map(|(_, cohort)| cohort.strongest.len().min(top) as u64).sum();
    let paying = sum(|cohort| cohort.paying);
    let mut counts: Vec<LeftOut> = vec![
        ("other_cohorts", whole(elsewhere as u64), "cohorts that are not shown; --cohort YYYY-MM shows one".into()),
        (
            "weaker",
            whole(paying.saturating_sub(shown)),
            format!("paying accounts of these cohorts after the strongest; --top shows up to {STRONGEST_MAX}").into(),
        ),
        ("gone", whole(sum(|cohort| cohort.joined) - paying), "accounts of these cohorts that pay nothing now".into()),
    ];
    counts.extend(omitted::ledger(sums).into_iter().filter(|(what, ..)| *what == "never_paid"));
    counts.extend(omitted::events(sums));
    table::left_out(counts)
}

fn accounts(sums: &Sums<'_>, chosen: &[(Month, &CohortOf)], top: usize) -> Table {
    let amount = |minor: i64| Cell::Value(Some(sums.whole_major(minor)), Unit::Amount);
    let zone = sums.report.rules.kpis.time_zone;
    #[allow(clippy::cast_precision_loss)] // amounts are held below 10^13
    let growth =
        |strong: &Strong| (strong.joined_minor > 0).then(|| strong.mrr_minor as f64 / strong.joined_minor as f64 - 1.0);
    let row = |(month, strong): (Month, &Strong)| {
        vec![
            Cell::text(month.to_string()),
            Cell::text(strong.id.as_str()),
            Cell::text(strong.name.as_deref().unwrap_or_default()),
            amount(strong.likely_minor()),
            amount(strong.mrr_minor),
            Cell::Value(growth(strong), Unit::Share),
            Cell::Value(strong.risk.map(f64::from), Unit::Share),
            Cell::text(strong.band.name()),
            Cell::text(strong.alert_names().collect::<Vec<_>>().join(" ")),
            Cell::count(whole(strong.active_users)),
            Cell::text(strong.last_seen.map(|seen| day_text(zone.day(seen))).unwrap_or_default()),
            Cell::text(strong.owner.as_str()),
        ]
    };
    let strongest =
        chosen.iter().flat_map(|(month, cohort)| cohort.strongest.iter().take(top).map(|strong| (*month, strong)));
    let mut notes = vec![
        format!(
            "Strongest: by the MRR that is likely to be there in {} days, MRR x (1 - risk), by the risk last told.",
            sums.report.rules.horizon.days()
        ),
        format!(
            "growth: MRR against the end of the month in which they first paid, both at the rates of that month. users: seen in the latest {ACTIVE_DAYS} days."
        ),
    ];
    notes.extend(sums.no_billing());
    Table {
        id: "accounts",
        title: "The strongest accounts by the month in which they first paid".to_owned(),
        periods: Vec::new(),
        columns: columns([
            ("cohort", "cohort"),
            ("account", "account"),
            ("name", "name"),
            ("likely_mrr", "likely MRR"),
            ("mrr", "MRR"),
            ("growth", "growth"),
            ("risk", "risk"),
            ("band", "band"),
            ("open_alerts", "open alerts"),
            ("active_users", "users"),
            ("last_seen", "last seen"),
            ("owner", "owner"),
        ]),
        rows: strongest.map(row).collect(),
        notes,
    }
}

fn cohorts(sums: &Sums<'_>, chosen: &[(Month, &CohortOf)], top: usize, older: usize) -> Table {
    let row = |(month, cohort): &(Month, &CohortOf)| {
        let shown = cohort.strongest.len().min(top) as u64;
        let [joined, paying] = [cohort.joined, cohort.paying].map(|count| Cell::count(whole(count)));
        let told = match cohort.paying {
            0 => "nobody of them pays any more".to_owned(),
            paying if paying > shown && top >= STRONGEST_MAX => format!("{STRONGEST_MAX} are the most that are kept"),
            paying if paying > shown => "more with --top".to_owned(),
            _ => String::new(),
        };
        vec![Cell::text(month.to_string()), joined, paying, Cell::count(whole(shown)), Cell::text(told)]
    };
    let mut notes = Vec::new();
    if older > 0 {
        notes.push(format!("{older} older cohorts are left out: ask for one with --cohort YYYY-MM"));
    }
    if sums.cohort.is_none()
        && sums.report.census.found.strongest.0.contains_key(&sums.open)
        && chosen.first().is_some_and(|(month, _)| *month != sums.open)
    {
        notes.push(format!("{} is still running and left out: --cohort {} shows it", sums.open, sums.open));
    }
    Table {
        id: "cohorts",
        title: "Their cohorts".to_owned(),
        periods: Vec::new(),
        columns: columns([
            ("cohort", "cohort"),
            ("joined", "joined"),
            ("paying", "pay now"),
            ("shown", "shown"),
            ("told", ""),
        ]),
        rows: chosen.iter().map(row).collect(),
        notes,
    }
}
