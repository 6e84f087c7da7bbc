//! What the engine says of accounts at cut-offs: a replay that fills a sheet for each.
//!
//! Looks and copies; how good what it says was is for `evaluation`.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::LocalError;
use super::gate::Gate;
use super::replay::{Found, Stop};
use super::rerun::{Log, Replayed};
use super::scan::Scan;
use crate::engine::Engine;
use crate::engine::account::Account;
use crate::evaluation::alerts::Raised;
use crate::evaluation::cases::{Pair, Row, Sheet};
use crate::units::Timestamp;

/// What a replay has said.
#[derive(Debug)]
pub struct Answers {
    /// What it said at each cut-off, in order of time; the rows by account.
    pub sheets: Vec<Sheet>,
    /// The alerts it raised over the whole log, in the order in which they were raised.
    pub raised: Vec<Raised>,
    /// The replay at its end.
    pub replayed: Replayed,
}

/// Replays `log`, whose times `scan` knows, and looks at the accounts at `cutoffs`: at those that `pairs` name there, or
/// at all that have had an event.
pub fn ask(log: &Log, scan: &Scan, cutoffs: Vec<Timestamp>, pairs: Option<&[Pair]>) -> Result<Answers, LocalError> {
    let gate = Gate::new(cutoffs, |cutoff| scan.last_line_before(cutoff));
    let mut sheets: Vec<Sheet> = gate.cutoffs().iter().map(|at| Sheet { at: *at, rows: Vec::new() }).collect();
    let wanted = pairs.map(by_cutoff);
    let found = Found { raised: Some(Vec::new()), ..Found::default() };
    let mut replayed = log.replay(Some(gate), found, &mut |stop: &Stop<'_>| {
        if let (Some(sheet), Some(engine)) = (sheets.get_mut(stop.cutoff), stop.engine) {
            match &wanted {
                Some(wanted) => {
                    let here = wanted.get(&sheet.at).into_iter().flatten();
                    let accounts = here.filter_map(|account_id| engine.account(account_id));
                    sheet.rows.extend(accounts.map(|account| row(engine, account, sheet.at)));
                }
                None => sheet.rows.extend(engine.accounts().map(|account| row(engine, account, sheet.at))),
            }
        }
        ControlFlow::Continue(())
    })?;
    for sheet in &mut sheets {
        sheet.rows.sort_by(|a, b| a.account_id.cmp(&b.account_id));
        sheet.rows.dedup_by(|a, b| a.account_id == b.account_id);
    }
    let raised = replayed.found.raised.take().unwrap_or_default();
    Ok(Answers { sheets, raised, replayed })
}

fn by_cutoff(pairs: &[Pair]) -> BTreeMap<Timestamp, Vec<&str>> {
    let mut wanted: BTreeMap<Timestamp, Vec<&str>> = BTreeMap::new();
    for pair in pairs {
        wanted.entry(pair.as_of).or_default().push(&pair.account_id);
    }
    wanted
}

fn row(engine: &Engine, account: &Account, at: Timestamp) -> Row {
    let (risk, band) = engine.verdict_at(account, at);
    Row { account_id: account.id.clone(), risk, band, has_left: account.left_at().is_some_and(|left_at| left_at <= at) }
}
