//! What a log comes to, as of its end or of any time in it: the census that reports are made of.
//!
//! A replay, and what its engines have summed up; partitions are merged.

use std::ops::ControlFlow;

use super::LocalError;
use super::gate::Gate;
use super::replay::{Found, Stop};
use super::rerun::{Log, Replayed};
use crate::engine::census::Census;
use crate::units::Timestamp;
use crate::units::calendar::Month;

/// What a log comes to.
#[derive(Debug)]
pub struct Gathered {
    /// The merged census.
    pub census: Census,
    /// As of when.
    pub now: Timestamp,
    /// When the log ends: its latest event, or where the clock of its service stood.
    pub ends: Timestamp,
    /// The first month that is not over then.
    pub open: Month,
    /// The replay at its end.
    pub replayed: Replayed,
}

/// A moment of the past that a log is reported as of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsOf {
    /// What happened before this counts, ...
    pub before: Timestamp,
    /// ... and it is told as it stood at this moment: `before`, or the last one before it.
    pub now: Timestamp,
}

/// Replays `log` up to `as_of`, or to its end, and takes the census.
pub fn gather(log: &Log, as_of: Option<AsOf>) -> Result<Gathered, LocalError> {
    let gate = match as_of {
        Some(AsOf { before, .. }) => {
            let scan = log.scan()?;
            Some(Gate::new(vec![before], |cutoff| scan.last_line_before(cutoff)))
        }
        None => None,
    };
    let zone = log.settings.rules.kpis.time_zone;
    let mut census = Census::default();
    let replayed = log.replay(gate, Found::default(), &mut |stop: &Stop<'_>| {
        if let (Some(engine), Some(AsOf { now, before })) = (stop.engine, as_of) {
            census.merge(&Census::when_open(engine, now, zone.month(before)));
        }
        ControlFlow::Continue(())
    })?;
    // Of plain events nothing more is to come that the clock would have to wait for; a dump is as of where its service stood.
    let clock = || replayed.replay.engines().filter_map(|engine| engine.partition().clock).max();
    let ends = replayed.replay.reached.or_else(clock).unwrap_or_default();
    let now = as_of.map_or(ends, |as_of| as_of.now);
    if as_of.is_none() {
        replayed.replay.engines().for_each(|engine| census.merge(&Census::of(engine, now)));
    }
    Ok(Gathered { census, now, ends, open: zone.month(as_of.map_or(now, |as_of| as_of.before)), replayed })
}
