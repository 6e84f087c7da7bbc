//! The engine's clock: how far every source has been read, taken from progress records and from nothing else.

use super::input::{Progress, SourceReport};
use super::{PartitionState, rules::Rules};
use crate::units::Timestamp;

impl PartitionState {
    /// Merges a progress record. The clock is the least time reached over all source partitions, less the allowed
    /// lateness; it never goes back, and stays where it is while a listed source partition has not reported.
    pub fn advance(&mut self, progress: &Progress, rules: &Rules) {
        if self.sources != progress.sources {
            self.sources.clone_from(&progress.sources);
            let sources = &self.sources;
            self.reports
                .retain(|report| sources.iter().any(|s| s.topic == report.topic && report.partition.0 < s.partitions));
        }
        for report in &progress.reports {
            self.merge(report);
        }
        let reached = if self.sources.is_empty() { progress.reached } else { self.reached_by_all() };
        if let Some(reached) = reached {
            self.clock = self.clock.max(Some(reached.minus(rules.lateness)));
        }
    }

    /// The latest moment at which an account may be judged; `None` before there is a clock.
    #[must_use]
    pub fn reach(&self, rules: &Rules) -> Option<Timestamp> {
        self.clock.map(|clock| clock.plus(rules.ahead()))
    }

    fn merge(&mut self, report: &SourceReport) {
        let key = |known: &SourceReport| {
            (known.topic.as_str().cmp(&report.topic)).then(known.partition.cmp(&report.partition))
        };
        match self.reports.binary_search_by(key) {
            Ok(index) => {
                if let Some(known) = self.reports.get_mut(index) {
                    known.caught_up = report.caught_up;
                    known.reached = known.reached.max(report.reached);
                }
            }
            Err(index) => {
                let listed = self.sources.iter().any(|s| s.topic == report.topic && report.partition.0 < s.partitions);
                if listed {
                    self.reports.insert(index, report.clone());
                }
            }
        }
    }

    /// The least time reached; `None` while a listed partition has not reported.
    fn reached_by_all(&self) -> Option<Timestamp> {
        let listed: i64 = self.sources.iter().map(|source| i64::from(source.partitions.max(0))).sum();
        if i64::try_from(self.reports.len()).ok()? < listed {
            return None;
        }
        self.reports.iter().map(|report| report.reached).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::effect::{Effect, Reject};
    use crate::engine::input::{Input, Record, SourceTopic};
    use crate::engine::{Engine, Journal};
    use crate::units::{Offset, PartitionIndex, Position, Span};
    use expect_test::{Expect, expect};
    use std::fmt::Write;
    use std::sync::Arc;

    /// Lines of `topic/partition=minute ...`, one progress record each; shows the clock in minutes.
    fn check(sources: &[(&str, i32)], records: &str, expected: &Expect) {
        let rules = Rules { lateness: Span::from_ms(0), ..Rules::default() };
        let mut state = PartitionState::default();
        let mut shown = String::new();
        for line in records.lines().map(str::trim) {
            let reports = line
                .split_whitespace()
                .map(|word| {
                    let (place, minute) = word.split_once('=').unwrap();
                    let (topic, partition) = place.split_once('/').unwrap();
                    SourceReport {
                        topic: topic.to_owned(),
                        partition: PartitionIndex(partition.parse().unwrap()),
                        reached: Timestamp::clamped(Timestamp::MIN.ms() + minute.parse::<i64>().unwrap() * 60_000),
                        caught_up: false,
                    }
                })
                .collect();
            let sources = sources
                .iter()
                .map(|(topic, partitions)| SourceTopic { topic: (*topic).to_owned(), partitions: *partitions })
                .collect();
            state.advance(&Progress { sources, reports, reached: None }, &rules);
            let minute = state.clock.map(|clock| (clock.ms() - Timestamp::MIN.ms()) / 60_000);
            writeln!(shown, "{line} -> {minute:?}").unwrap();
        }
        expected.assert_eq(&shown);
    }

    /// Nobody has read on from a time that is not yet: a record that says so is refused, wherever it came from.
    #[test]
    fn progress_ahead_of_its_record_moves_nothing() {
        let rules = Rules::default();
        let now = Timestamp::MIN.plus(Span::from_days(100));
        let mut engine = Engine::new(Arc::new(rules.clone()), Journal::Off);
        let mut give = |reached: Timestamp, of_source: bool| {
            let report =
                SourceReport { topic: "usage".to_owned(), partition: PartitionIndex(0), reached, caught_up: true };
            let source = SourceTopic { topic: "usage".to_owned(), partitions: 1 };
            let progress = if of_source {
                Progress { sources: vec![source], reports: vec![report], reached: None }
            } else {
                Progress { reached: Some(reached), ..Progress::default() }
            };
            let position = Position { partition: PartitionIndex(0), offset: Offset(0) };
            let mut effects = Vec::new();
            engine.step(&Record { position, received_at: now, input: Input::Progress(progress) }, &mut effects);
            (effects, engine.partition().clock)
        };
        let refused = vec![Effect::Reject(Reject::FutureTime)];
        let beyond = now.plus(rules.future_skew).plus(Span::from_ms(1));
        assert_eq!(give(beyond, false), (refused.clone(), None));
        assert_eq!(give(beyond, true), (refused, None));
        let within = now.plus(rules.future_skew);
        assert_eq!(give(within, true), (Vec::new(), Some(within.minus(rules.lateness))));
    }

    #[test]
    fn the_slowest_source_sets_the_clock() {
        check(
            &[("usage", 2), ("billing", 1)],
            "usage/0=50 usage/1=60
             billing/0=10
             usage/0=90
             billing/0=70
             usage/1=20
             usage/1=80 gone/0=1",
            &expect![[r"
                usage/0=50 usage/1=60 -> None
                billing/0=10 -> Some(10)
                usage/0=90 -> Some(10)
                billing/0=70 -> Some(60)
                usage/1=20 -> Some(60)
                usage/1=80 gone/0=1 -> Some(70)
            "]],
        );
    }
}
