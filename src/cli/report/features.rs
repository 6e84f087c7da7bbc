//! The report of features: which are used most by trial accounts, and which by paying ones.

use std::cmp::Reverse;

use super::table::{self, Cell, Column, LeftOut, Table, columns, whole};
use super::{Sums, omitted};
use crate::engine::census::adoption::Stage;
use crate::engine::census::proportions::{Portion, Z_95};
use crate::engine::facts::crowd::CROWD_MAX;
use crate::engine::kpis::registry::Unit;
use crate::engine::vocabulary::FEATURES_MAX;

/// Features shown for each stage where nobody says how many.
const TOP: usize = 20;

/// The tables.
pub fn tables(sums: &Sums<'_>) -> Vec<Table> {
    let [trial, paying] = Stage::ALL.map(|stage| used(sums, stage));
    vec![trial, paying, left_out(sums)]
}

/// The features that most accounts of `stage` use, side by side with the other stage.
fn used(sums: &Sums<'_>, stage: Stage) -> Table {
    let adoption = &sums.report.census.found.adoption;
    let other = if stage == Stage::Trial { Stage::Paying } else { Stage::Trial };
    let mut ranked: Vec<(u32, Portion)> = adoption.used.keys().map(|hash| (*hash, adoption.of(stage, *hash))).collect();
    ranked.retain(|(_, portion)| portion.with > 0);
    ranked.sort_by_key(|(hash, portion)| (Reverse(portion.with), sums.report.census.features.name(*hash), *hash));
    let rows = ranked.iter().take(sums.top.unwrap_or(TOP)).zip(1..).map(|((hash, portion), rank)| {
        let name = sums.report.census.features.name(*hash);
        let mut row = vec![Cell::count(rank), Cell::text(name.map_or_else(|| format!("#{hash:08x}"), str::to_owned))];
        row.extend(portion_cells(*portion));
        row.extend(portion_cells(adoption.of(other, *hash)));
        row
    });
    let of = adoption.accounts.get(stage as usize).copied().unwrap_or(0);
    let mut notes = vec![match stage {
        Stage::Trial if of == 0 => "No account is on trial.".to_owned(),
        Stage::Trial => "Trial: a trial that has not ended, was not converted, and nothing is paid.".to_owned(),
        Stage::Paying if of == 0 => sums.no_billing().unwrap_or_else(|| "No account pays.".to_owned()),
        Stage::Paying => {
            "Used: this week so far or in the four before it. from, to: the 95 % score interval.".to_owned()
        }
    }];
    if ranked.iter().any(|(hash, _)| sums.report.census.features.name(*hash).is_none()) {
        notes.push(
            "#...: a feature whose name was not kept; it comes when an account uses the feature for the first time."
                .to_owned(),
        );
    }
    let mut head = columns([("rank", "rank"), ("feature", "feature")]);
    for stage in [stage, other] {
        let column = |id: &str, title: &str| Column::new(format!("{}{id}", stage.name()), title);
        head.extend([
            column("", stage.name()),
            column("_of", "of"),
            column("_share", "share"),
            column("_low", "from"),
            column("_high", "to"),
        ]);
    }
    Table {
        id: stage.name(),
        title: format!("Features most used by {} accounts", stage.name()),
        periods: Vec::new(),
        columns: head,
        rows: rows.collect(),
        notes,
    }
}

fn portion_cells(portion: Portion) -> Vec<Cell> {
    let share = |value: Option<f64>| Cell::Value(value, Unit::Share);
    let [low, high] = portion.interval(Z_95).map_or([None; 2], |ends| ends.map(Some));
    vec![
        Cell::count(whole(portion.with)),
        Cell::count(whole(portion.of)),
        share(portion.share()),
        share(low),
        share(high),
    ]
}

fn left_out(sums: &Sums<'_>) -> Table {
    let adoption = &sums.report.census.found.adoption;
    let [trial, paying] = adoption.sampled;
    let sampled = |stage: Stage| {
        format!("{} accounts of more than {CROWD_MAX} features, known in part only", stage.name()).into()
    };
    let cut =
        format!("more than {FEATURES_MAX} features are used: those of the smallest hashes are told, a fair sample");
    let mut counts: Vec<LeftOut> = vec![
        ("trial_sampled", whole(trial), sampled(Stage::Trial)),
        ("paying_sampled", whole(paying), sampled(Stage::Paying)),
        ("features", i64::from(adoption.is_cut), cut.into()),
    ];
    counts.extend(omitted::events(sums));
    table::left_out(counts)
}
