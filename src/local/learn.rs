//! Learning from a whole log: what the service's learner would have learned from it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::LocalError;
use super::replay::Found;
use super::rerun::{Log, Replayed};
use crate::engine::fleet::learner::Learner;
use crate::engine::fleet::report::FleetReport;
use crate::units::{Day, PartitionIndex};

/// What a log teaches.
#[derive(Debug)]
pub struct Lesson {
    /// What was learned.
    pub learner: Learner,
    /// The replay at its end.
    pub replayed: Replayed,
}

/// Replays `log` and learns from it. Plain events teach as they go. A dumped canonical log comes one partition after the
/// other, so that the reports of all are kept until its end.
pub fn learn(log: &Log) -> Result<Lesson, LocalError> {
    let found = Found { reports: Some(Vec::new()), ..Found::default() };
    let mut replayed = log.replay(None, found, &mut |_| ControlFlow::Continue(()))?;
    let reports = replayed.found.reports.take().unwrap_or_default();
    let learner = if replayed.replay.is_log() {
        let mut learner = Learner::new(replayed.replay.engines().count());
        let ordered: BTreeMap<(Day, PartitionIndex), FleetReport> =
            reports.into_iter().map(|report| ((report.day, report.partition), report)).collect();
        for report in ordered.into_values() {
            learner.take(report, &log.settings.rules);
        }
        learner
    } else {
        replayed.replay.learner().clone()
    };
    Ok(Lesson { learner, replayed })
}
