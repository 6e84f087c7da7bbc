//! The report of cohorts: customers and revenue side by side, the months of life in which customers leave, and how old
//! today's revenue is.
//!
//! Months of life are counted from 0, the month in which the customers first paid; so the second month is k1. Only
//! complete months are told.

use super::table::{self, Cell, Column, LeftOut, Table, columns, shown};
use super::{Sums, omitted};
use crate::engine::facts::book::Flow;
use crate::engine::kpis::registry::Unit;
use crate::engine::kpis::retention::share;
use crate::engine::kpis::tables::Group;
use crate::units::calendar::{Length, Month};

/// Cohorts shown, and their months of life.
const COHORTS: u16 = 13;
/// Months of life by which churn is told.
const LIFE_MAX: u16 = 36;
/// The worst months of life that are marked.
const WORST: usize = 3;
/// A cohort whose customers leave: at least this share of them has ...
const LEAVES: f64 = 0.1;
/// ... while its revenue is still at least this share of what it was, ...
const HOLDS: f64 = 0.95;
/// ... and its customers are not so few that one makes the difference. Nor are those at risk in the worst months of life.
const MARKED_MIN: i64 = 5;

/// The tables.
pub fn tables(sums: &Sums<'_>) -> Vec<Table> {
    vec![life(sums), churn(sums), vintages(sums), left_out(sums)]
}

fn left_out(sums: &Sums<'_>) -> Table {
    let (mut older, mut running, mut small, mut empty) = (0, 0, 0, 0);
    for (activated, group) in &sums.report.census.tables.cohorts {
        let customers = ends(group, *activated, sums.open).first().map_or(0, |(customers, _)| *customers);
        older += i64::from(*activated < oldest(sums));
        running += i64::from(*activated >= sums.open);
        let is_shown = (oldest(sums)..sums.open).contains(activated);
        small += i64::from(is_shown && (1..MARKED_MIN).contains(&customers));
        empty += i64::from(is_shown && customers == 0);
    }
    let mut counts: Vec<LeftOut> = vec![
        (
            "older_cohorts",
            older,
            format!("cohorts of more than {COHORTS} months ago, in no row of the first table; in the others").into(),
        ),
        ("running_cohort", running, "cohorts whose first month is not over; in no row of the first two tables".into()),
        (
            "small_cohorts",
            small,
            format!("cohorts of fewer than {MARKED_MIN} customers in k0; shown, and too small to be marked").into(),
        ),
        (
            "empty_cohorts",
            empty,
            "cohorts of which nobody paid at the end of the first month; there is no share of them".into(),
        ),
    ];
    counts.extend(omitted::ledger(sums));
    counts.extend(omitted::events(sums));
    table::left_out(counts)
}

/// The oldest cohort that is shown.
fn oldest(sums: &Sums<'_>) -> Month {
    sums.open.plus(-i32::from(COHORTS))
}

/// Customers and MRR of a cohort at the ends of its complete months of life; the MRR at the rates of the first.
fn ends(group: &Group, activated: Month, running: Month) -> Vec<(i64, i64)> {
    group.ends(activated, running.since(activated))
}

fn life(sums: &Sums<'_>) -> Table {
    let mut head = columns([("cohort", "cohort"), ("joined", "joined"), ("customers_0", "k0"), ("mrr_0", "MRR")]);
    head.extend((1..COHORTS).map(|k| Column { is_pair: true, ..Column::new(format!("k{k}"), format!("k{k}")) }));
    head.extend(columns([("mark", "")]));
    let oldest = oldest(sums);
    let present = sums.present();
    let cohorts = sums.report.census.tables.cohorts.iter().filter(|(month, _)| (oldest..sums.open).contains(month));
    let mut marked = 0;
    let rows = cohorts.map(|(activated, group)| {
        let ends = ends(group, *activated, sums.open);
        let (customers, minor) = ends.first().copied().unwrap_or_default();
        let joined = group.at(Length::Month.of(*activated)).cell.moved.first().copied().unwrap_or(0);
        let figures = present.figures(group, Length::Month.of(*activated));
        let mut row = vec![
            Cell::text(activated.to_string()),
            Cell::count(joined),
            Cell::count(customers),
            Cell::Value(Some(figures.whole_major(minor)), Unit::Amount),
        ];
        let shares: Vec<_> = ends.iter().map(|(of, worth)| (share(*of, customers), share(*worth, minor))).collect();
        for k in 1..usize::from(COHORTS) {
            row.push(shares.get(k).map_or(Cell::Empty, |(customers, revenue)| Cell::Pair(*customers, *revenue)));
        }
        let latest = shares.iter().take(usize::from(COHORTS)).next_back();
        let is_marked = customers >= MARKED_MIN
            && latest.is_some_and(|(customers, revenue)| {
                customers.is_some_and(|share| share <= 1.0 - LEAVES) && revenue.is_some_and(|share| share >= HOLDS)
            });
        marked += usize::from(is_marked);
        row.push(Cell::text(if is_marked { "customers leave, revenue holds" } else { "" }));
        row
    });
    let rows = rows.collect();
    let mut notes = vec![
        "k1/... customers/revenue in percent of k0, at the end of the k-th month after the one in which they first paid: k1 is \
         the second month, k11 the twelfth."
            .to_owned(),
        "k0 counts those who still pay at the end of that month; `joined` all who first paid in it. Revenue is at the rates of k0."
            .to_owned(),
    ];
    if marked > 0 {
        notes.push("Marked: 10 % of the customers or more have left and 95 % of the revenue or more is there: a few carry the cohort.".to_owned());
    }
    Table {
        id: "cohorts",
        title: "Customers/revenue by the month of the first payment".to_owned(),
        periods: Vec::new(),
        columns: head,
        rows,
        notes,
    }
}

/// Churn by month of life, over all cohorts that have come so far.
fn churn(sums: &Sums<'_>) -> Table {
    let mut rows = Vec::new();
    let mut rates: Vec<(f64, u16)> = Vec::new();
    let cohorts_of = &sums.report.census.tables.cohorts;
    let lives: Vec<_> = cohorts_of.iter().map(|(activated, group)| ends(group, *activated, sums.open)).collect();
    for k in 0..LIFE_MAX {
        let (mut start, mut lost, mut kept, mut whole, mut left) = (0, 0, (0, 0), (0, 0), 0);
        let mut cohorts = 0;
        for ((activated, group), life) in cohorts_of.iter().zip(&lives) {
            let month = activated.plus(i32::from(k));
            if month >= sums.open {
                continue;
            }
            cohorts += 1;
            let at = group.at(Length::Month.of(month));
            let first = group.at(Length::Month.of(*activated));
            // In the first month nobody pays at the start: who joined is at risk.
            let joined = first.cell.moved.first().copied().unwrap_or(0);
            start += if k == 0 { joined } else { at.customers };
            lost += if k == 0 { joined - at.customers_end() } else { at.cell.lost };
            let churned = at.cell.moved_minor.get(Flow::Churned as usize).copied().unwrap_or(0);
            left += if k == 0 { -churned } else { at.cell.gone_minor };
            let end = |k: u16| life.get(usize::from(k)).copied().unwrap_or_default();
            kept = (kept.0 + end(k).0, kept.1 + end(k).1);
            whole = (whole.0 + end(0).0, whole.1 + end(0).1);
        }
        if cohorts == 0 {
            break;
        }
        let rate = share(lost, start);
        rates.extend(rate.filter(|rate| *rate > 0.0 && start >= MARKED_MIN).map(|rate| (rate, k)));
        let figures = sums.present().figures(&Group::default(), Length::Month.of(sums.open));
        rows.push(vec![
            Cell::text(format!("k{k}")),
            Cell::text(ordinal(k + 1)),
            Cell::count(cohorts),
            Cell::count(start),
            Cell::count(lost),
            Cell::Value(rate, Unit::Share),
            Cell::Value(Some(figures.whole_major(left)), Unit::Amount),
            Cell::Value(share(kept.0, whole.0), Unit::Share),
            Cell::Value(share(kept.1, whole.1), Unit::Share),
        ]);
    }
    rates.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
    let told = |k: usize| rows.get(k).map(|row| (row.get(7).cloned(), row.get(8).cloned()));
    let mut notes = Vec::new();
    for (k, name) in [(1, "month-2 retention (k1)"), (11, "month-12 retention (k11)")] {
        if let Some((Some(Cell::Value(customers, unit)), Some(Cell::Value(revenue, _)))) = told(k) {
            notes.push(format!("{name}: {} of customers, {} of revenue", shown(customers, unit), shown(revenue, unit)));
        } else {
            notes.push(format!("{name}: no cohort is old enough"));
        }
    }
    let worst: Vec<String> = rates
        .iter()
        .take(WORST)
        .map(|(rate, k)| format!("k{k} ({} month) {}", ordinal(k + 1), shown(Some(*rate), Unit::Share)))
        .collect();
    if !worst.is_empty() {
        notes.push(format!("months with the worst churn, of {MARKED_MIN} customers or more: {}", worst.join(", ")));
    }
    Table {
        id: "life",
        title: "Churn and retention by month of life, over all cohorts old enough".to_owned(),
        periods: Vec::new(),
        columns: columns([
            ("k", "k"),
            ("month", "month"),
            ("cohorts", "cohorts"),
            ("at_risk", "paying before"),
            ("lost", "lost"),
            ("churn", "churn"),
            ("gone", "MRR gone"),
            ("customers", "customers of k0"),
            ("revenue", "revenue of k0"),
        ]),
        rows,
        notes,
    }
}

/// How old the revenue is, and was a year ago.
fn vintages(sums: &Sums<'_>) -> Table {
    let year_ago = sums.month.plus(-12);
    let present = sums.present();
    let cohorts = &sums.report.census.tables.cohorts;
    let at = |group: &Group, month: Month| group.at(Length::Month.of(month)).mrr_end_minor();
    let sum = |from: Option<Month>, to: Month, of: Month| -> i64 {
        let within = cohorts.iter().filter(|(month, _)| from.is_none_or(|from| *month >= from) && *month < to);
        within.map(|(_, group)| at(group, of)).sum()
    };
    let (now, then) = (sum(None, sums.month.plus(1), sums.month), sum(None, year_ago.plus(1), year_ago));
    let figures = present.figures(&Group::default(), Length::Month.of(sums.month));
    let amount = |minor| Cell::Value(Some(figures.whole_major(minor)), Unit::Amount);
    let row = |name: String, minor: i64, before: Option<i64>| {
        let mut row = vec![Cell::text(name), amount(minor), Cell::Value(share(minor, now), Unit::Share)];
        row.extend([
            before.map_or(Cell::Empty, amount),
            before.map_or(Cell::Empty, |before| Cell::Value(share(before, then), Unit::Share)),
        ]);
        row
    };
    let next = sums.month.plus(1);
    let oldest = next.plus(-i32::from(COHORTS));
    let mut rows =
        vec![row(format!("before {oldest}"), sum(None, oldest, sums.month), Some(sum(None, oldest, year_ago)))];
    for month in (oldest.number()..next.number()).map(Month::from_number) {
        let before = (month <= year_ago).then(|| sum(Some(month), month.plus(1), year_ago));
        rows.push(row(month.to_string(), sum(Some(month), month.plus(1), sums.month), before));
    }
    let new_from = |of: Month| of.plus(-11);
    for (name, from_new) in [("new: first paid in the latest 12 months", true), ("old: first paid before", false)] {
        let of = |of: Month| {
            if from_new { sum(Some(new_from(of)), of.plus(1), of) } else { sum(None, new_from(of), of) }
        };
        rows.push(row(name.to_owned(), of(sums.month), Some(of(year_ago))));
    }
    let growth = share(now, then).map(|share| share - 1.0);
    let notes = vec![match growth {
        Some(growth) => format!("MRR against a year ago: {}", shown(Some(growth), Unit::Share)),
        None => "a year ago there was no MRR".to_owned(),
    }];
    Table {
        id: "vintages",
        title: format!("Today's revenue by the month of the first payment, and that of {year_ago}"),
        periods: vec![("month", sums.month.to_string()), ("year_ago", year_ago.to_string())],
        columns: columns([
            ("cohort", "cohort"),
            ("mrr", "MRR"),
            ("share", "share"),
            ("mrr_year_ago", "a year ago"),
            ("share_year_ago", "share"),
        ]),
        rows,
        notes,
    }
}

/// A number as a place: `1st`, `2nd`, `11th`.
fn ordinal(number: u16) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}
