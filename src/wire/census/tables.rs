//! The tables of KPIs within a census.

use std::sync::Arc;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::engine::facts::book::{Doubt, Flow};
use crate::engine::kpis::days::Days;
use crate::engine::kpis::flows::Cell;
use crate::engine::kpis::tables::{Dimension, Group, Tables};
use crate::units::Day;
use crate::units::calendar::{Length, Month};

/// Movements by flow, their numbers, then acquired, returned, lost, gone, change of the opening MRR, and growth at steady
/// rates.
type CellForm = ([i64; Flow::ALL.len()], [i64; Flow::ALL.len()], [i64; 6]);
/// By length of period, what each month adds to it.
type GroupForm = [Vec<(u16, CellForm)>; Length::ALL.len()];

#[derive(Serialize, Deserialize)]
pub struct TablesForm {
    dimensions: Vec<Vec<(CompactString, GroupForm)>>,
    cohorts: Vec<(u16, GroupForm)>,
    /// Day, what is counted, how much.
    days: Vec<(u16, usize, i64)>,
    doubts: [i64; Doubt::ALL.len()],
    left_out: i64,
}

impl TablesForm {
    pub fn of(tables: &Tables) -> TablesForm {
        let groups = |dimension: &Dimension| {
            dimension.groups.iter().map(|(name, group)| (name.clone(), group_form(group))).collect()
        };
        TablesForm {
            dimensions: tables.dimensions.iter().map(groups).collect(),
            cohorts: tables.cohorts.iter().map(|(month, group)| (month.number(), group_form(group))).collect(),
            days: tables.days.iter().map(|(day, index, amount)| (day.number(), index, amount)).collect(),
            doubts: tables.doubts,
            left_out: tables.left_out,
        }
    }

    pub fn into_tables(self) -> Tables {
        let dimension = |groups: Vec<(CompactString, GroupForm)>| Dimension {
            groups: groups.into_iter().map(|(name, form)| (name, Arc::new(group(form)))).collect(),
            folded: Vec::new(),
        };
        let mut days = Days::default();
        self.days.into_iter().for_each(|(day, index, amount)| days.add(Day::new(day), index, amount));
        let cohorts = self.cohorts.into_iter();
        let mut tables = Tables {
            dimensions: self.dimensions.into_iter().map(dimension).collect(),
            cohorts: cohorts.map(|(month, form)| (Month::from_number(month), Arc::new(group(form)))).collect(),
            days,
            doubts: self.doubts,
            left_out: self.left_out,
        };
        tables.cohorts.sort_by_key(|(month, _)| *month);
        tables
    }
}

fn group_form(group: &Group) -> GroupForm {
    Length::ALL.map(|length| {
        let cells = group.of(length).iter();
        let form = |cell: &Cell| {
            let rest = [
                cell.acquired,
                cell.returned,
                cell.lost,
                cell.gone_minor,
                cell.opening_change_minor,
                cell.grown_steady_minor,
            ];
            (cell.moved_minor, cell.moved, rest)
        };
        cells.map(|(month, cell)| (month.number(), form(cell))).collect()
    })
}

fn group(form: GroupForm) -> Group {
    let mut group = Group::default();
    for (length, cells) in Length::ALL.into_iter().zip(form) {
        for (month, (moved_minor, moved, rest)) in cells {
            let [acquired, returned, lost, gone_minor, opening_change_minor, grown_steady_minor] = rest;
            let cell = Cell {
                moved_minor,
                moved,
                acquired,
                returned,
                lost,
                gone_minor,
                opening_change_minor,
                grown_steady_minor,
            };
            group.apply(length, Month::from_number(month), &cell, 1);
        }
    }
    group
}
