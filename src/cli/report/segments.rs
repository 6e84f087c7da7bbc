//! The report of segments: the accounts by each trait, side by side, and who leaves.

use std::cmp::Reverse;

use super::table::{self, Cell, Column, LeftOut, Table, columns, whole};
use super::{Sums, omitted};
use crate::engine::kpis::leavers::{Fate, Worth};
use crate::engine::kpis::registry::{Unit, find};
use crate::engine::kpis::retention::share;
use crate::engine::kpis::satisfaction::nps;
use crate::engine::kpis::tables::{Group, OTHER};

/// What is told of every segment, by the id of the KPI.
const TOLD: [&str; 8] = ["arpa", "customer_churn_rate", "crr", "grr", "nrr", "revenue_churn", "lifetime", "ltv"];

/// The tables.
pub fn tables(sums: &Sums<'_>) -> Vec<Table> {
    vec![segments(sums), leavers(sums), left_out(sums)]
}

fn left_out(sums: &Sums<'_>) -> Table {
    let own = sums.report.census.tables.dimensions.iter().skip(1);
    let others =
        own.filter(|dimension| dimension.groups.iter().any(|(name, group)| name == OTHER && !group.is_empty()));
    let other = "traits of more values than rules.segments_max; those beyond it are told together".into();
    let mut counts: Vec<LeftOut> = vec![("other", whole(others.count() as u64), other)];
    counts.extend(omitted::ledger(sums));
    counts.extend(omitted::events(sums));
    table::left_out(counts)
}

fn segments(sums: &Sums<'_>) -> Table {
    let present = sums.present();
    let period = sums.length.of(sums.open).previous();
    let mut head = columns([
        ("trait", "trait"),
        ("segment", "segment"),
        ("customers", "customers"),
        ("mrr", "MRR"),
        ("share", "of MRR"),
    ]);
    let told: Vec<_> = TOLD.iter().filter_map(|id| find(id)).collect();
    head.extend(told.iter().map(|kpi| Column::new(kpi.id, title(kpi.id))));
    let total = sums.report.census.tables.total();
    let whole = total.at(period).mrr_end_minor();
    let row = |dimension: &str, name: &str, group: &Group| {
        let figures = present.figures(group, period);
        let mrr = figures.ledger.mrr_end_minor();
        let mut row = vec![
            Cell::text(dimension),
            Cell::text(name),
            Cell::count(figures.ledger.customers_end()),
            Cell::Value(Some(figures.whole_major(mrr)), Unit::Amount),
            Cell::Value(share(mrr, whole), Unit::Share),
        ];
        row.extend(told.iter().map(|kpi| Cell::Value((kpi.value)(&figures), kpi.unit)));
        row
    };
    let mut rows = vec![row("", "all", &total)];
    // The first dimension is that of the metrics; reports have their own.
    let own = sums.report.census.tables.dimensions.iter().skip(1);
    for (name, dimension) in sums.report.rules.kpis.dimensions.iter().zip(own) {
        let mut groups: Vec<_> = dimension.groups.iter().filter(|(_, group)| !group.is_empty()).collect();
        groups.sort_by_key(|(value, group)| (Reverse(group.at(period).mrr_end_minor()), value.clone()));
        rows.extend(groups.into_iter().map(|(value, group)| row(name, value, group)));
    }
    Table {
        id: "segments",
        title: format!("Segments in {period}"),
        periods: vec![("period", period.to_string())],
        columns: head,
        rows,
        notes: vec![
            "The whole history of an account belongs to its present value. `other` holds values beyond rules.segments_max."
                .to_owned(),
        ],
    }
}

fn title(id: &str) -> &'static str {
    match id {
        "arpa" => "ARPA",
        "customer_churn_rate" => "churn",
        "crr" => "CRR",
        "grr" => "GRR",
        "nrr" => "NRR",
        "revenue_churn" => "revenue churn",
        "lifetime" => "lifetime",
        _ => "LTV",
    }
}

/// Who left or pays less, against who stayed.
fn leavers(sums: &Sums<'_>) -> Table {
    let period = sums.length.of(sums.open).previous();
    let figures = sums.present().figures(&Group::default(), period);
    let leavers = sums.leavers();
    let all: i64 = leavers.0.iter().map(|worth| worth.start_minor).sum();
    let row = |(fate, worth): (Fate, Worth)| {
        let each = |sum: i64| share(sum, worth.accounts);
        let [promoters, passives, detractors] = worth.nps;
        vec![
            Cell::text(fate.name()),
            Cell::count(worth.accounts),
            Cell::Value(share(worth.start_minor, all), Unit::Share),
            Cell::Value(each(worth.start_minor).map(|minor| figures.major(minor)), Unit::Amount),
            Cell::Value(Some(figures.whole_major(worth.gone_minor)), Unit::Amount),
            Cell::Value(each(worth.tenure_months), Unit::Months),
            Cell::Value(each(worth.expanded), Unit::Share),
            Cell::Value(each(worth.users), Unit::Times),
            Cell::Value(each(worth.active_days), Unit::Times),
            Cell::Value(nps(promoters, passives, detractors), Unit::Points),
        ]
    };
    Table {
        id: "leavers",
        title: format!("Who left or pays less in {period}, of those who paid at its start"),
        periods: vec![("period", period.to_string())],
        columns: columns([
            ("fate", ""),
            ("accounts", "accounts"),
            ("share", "of MRR"),
            ("arpa", "MRR each before"),
            ("gone", "MRR gone"),
            ("tenure", "customers for"),
            ("expanded", "had expanded"),
            ("users", "users each"),
            ("active_days", "active days each"),
            ("nps", "NPS"),
        ]),
        rows: Fate::ALL.into_iter().zip(leavers.0).map(row).collect(),
        notes: vec!["Users, active days and NPS are as of the report.".to_owned()],
    }
}
