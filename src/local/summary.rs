//! What a run over a file has counted, and how that is shown at its end.
//!
//! Counts only: everything but the elapsed time is the same on every run over the same input.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::alert::action::{ACTIONS, ActionCounts, RESULTS, advice};
use crate::engine::effect::Transition;
use crate::telemetry::view::PartitionView;
use crate::units::{PartitionIndex, Timestamp};

/// Distinct unknown types counted by name; further ones count under [`OTHER_TYPES`].
pub const UNKNOWN_TYPES_MAX: usize = 100;
/// Longest part of an unknown type's name that is kept, in characters.
const UNKNOWN_TYPE_CHARS_MAX: usize = 100;
/// Stands for the unknown types beyond [`UNKNOWN_TYPES_MAX`].
pub const OTHER_TYPES: &str = "(others)";

/// What has been counted while reading.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Tally {
    /// Lines read, blank ones included.
    pub lines: u64,
    /// Events that the engine took, those seen before included; none that is among `rejected` or `unknown_types`.
    pub events: u64,
    /// Refused lines by reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Events of types that are not known here, by type; passed over, not refused.
    pub unknown_types: BTreeMap<String, u64>,
    /// Changes of alerts by alert type and transition.
    pub alerts: BTreeMap<(&'static str, Transition), u64>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// At the end of the input.
    Complete,
    /// Whoever read the alerts from standard output went away; the rest of the input was not read.
    ReaderGone,
}

/// The result of a run.
#[derive(Clone, Debug)]
pub struct Summary {
    /// What was counted.
    pub tally: Tally,
    /// How it ended.
    pub ending: Ending,
    /// Accounts known at the end.
    pub accounts: usize,
    /// Events that had been seen before.
    pub duplicates: u64,
    /// Events too old for the activity windows.
    pub too_late: u64,
    /// Events whose MRR has no rate to the reporting currency, and was left out.
    pub unpriced: u64,
    /// What people did with alerts, by action and result.
    pub alert_actions: ActionCounts,
    /// How far the clock came, in the partition that is furthest behind; absent when time never began to run.
    pub clock: Option<Timestamp>,
    /// The sums of each partition at the end.
    pub views: Vec<(PartitionIndex, PartitionView)>,
    /// How long it took.
    pub elapsed: Duration,
}

impl Tally {
    /// How many lines were refused.
    #[must_use]
    pub fn rejected_total(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Counts a refused line.
    pub(super) fn reject(&mut self, reason: &'static str) {
        *self.rejected.entry(reason).or_default() += 1;
    }

    /// Counts a change of an alert.
    pub(super) fn alert(&mut self, alert_type: &'static str, transition: Transition) {
        *self.alerts.entry((alert_type, transition)).or_default() += 1;
    }

    /// Counts an event of an unknown type.
    pub(super) fn unknown_type(&mut self, name: &str) {
        let end = name.char_indices().nth(UNKNOWN_TYPE_CHARS_MAX).map_or(name.len(), |(end, _)| end);
        let name = name.get(..end).unwrap_or_default();
        if let Some(count) = self.unknown_types.get_mut(name) {
            *count += 1;
            return;
        }
        let name = if self.unknown_types.len() < UNKNOWN_TYPES_MAX { name } else { OTHER_TYPES };
        *self.unknown_types.entry(name.to_owned()).or_default() += 1;
    }
}

impl Summary {
    /// Events a second.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // for people to read
    pub fn events_per_second(&self) -> f64 {
        self.tally.events as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// As one JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let alerts: Vec<Value> = (self.tally.alerts.iter())
            .map(|((alert_type, transition), count)| {
                json!({ "type": alert_type, "transition": transition.name(), "count": count })
            })
            .collect();
        json!({
            "complete": self.ending == Ending::Complete,
            "lines": self.tally.lines,
            "events": self.tally.events,
            "duplicates": self.duplicates,
            "too_late": self.too_late,
            "unpriced": self.unpriced,
            "rejected": self.tally.rejected,
            "unknown_types": self.tally.unknown_types,
            "accounts": self.accounts,
            "alerts": alerts,
            "alert_actions": self.actions().map(|(action, result, count)| {
                json!({ "action": action, "result": result, "count": count })
            }).collect::<Vec<_>>(),
            "clock": self.clock.map(|clock| clock.to_string()),
            "seconds": (self.elapsed.as_secs_f64() * 1000.0).round() / 1000.0,
            "events_per_second": self.events_per_second().round(),
        })
    }
}

impl Summary {
    /// Which action came to which result how often, where it did.
    fn actions(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
        let by_action = ACTIONS.iter().zip(self.alert_actions);
        let counts = by_action
            .flat_map(|(action, counts)| RESULTS.iter().zip(counts).map(|(result, count)| (*action, *result, count)));
        counts.filter(|(_, _, count)| *count > 0)
    }
}

impl fmt::Display for Summary {
    /// A few lines for people, without a line feed at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tally = &self.tally;
        write!(
            f,
            "{} lines, {} events, {} accounts in {:.1} s ({:.0} events/s)",
            tally.lines,
            tally.events,
            self.accounts,
            self.elapsed.as_secs_f64(),
            self.events_per_second()
        )?;
        match self.clock {
            Some(clock) => write!(f, "\nclock reached {clock}")?,
            None => write!(f, "\nclock did not start: the input carries no time to judge by")?,
        }
        for ((alert_type, transition), count) in &tally.alerts {
            write!(f, "\nalert {alert_type} {}: {count}", transition.name())?;
        }
        for (action, result, count) in self.actions() {
            write!(f, "\nalert action {action} {result}: {count}")?;
            if let Some(advice) = advice(result) {
                write!(f, " ({advice})")?;
            }
        }
        let left_out = [
            ("duplicates", self.duplicates),
            ("too late for the activity windows", self.too_late),
            ("MRR without a rate to the reporting currency, left out", self.unpriced),
        ];
        for (name, count) in left_out {
            if count > 0 {
                write!(f, "\n{name}: {count}")?;
            }
        }
        for (name, count) in &tally.unknown_types {
            write!(f, "\nunknown type {name}: {count}")?;
        }
        for (reason, count) in &tally.rejected {
            write!(f, "\nrejected {reason}: {count}")?;
        }
        if self.ending == Ending::ReaderGone {
            write!(f, "\nstopped early: nobody reads the alerts any more")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn sample() -> Summary {
        let mut tally = Tally { lines: 12, events: 9, ..Tally::default() };
        tally.reject("not_json");
        tally.reject("not_json");
        tally.unknown_type("page.viewed");
        tally.alert("churn_risk", Transition::Raised);
        Summary {
            tally,
            ending: Ending::Complete,
            accounts: 3,
            duplicates: 1,
            too_late: 0,
            unpriced: 2,
            alert_actions: [[1, 0, 2, 0, 0], [0; 5], [0; 5], [0; 5]],
            clock: Timestamp::from_ms(1_772_409_600_000),
            views: Vec::new(),
            elapsed: Duration::from_millis(500),
        }
    }

    #[test]
    fn text_says_what_was_found() {
        expect![[r#"
            12 lines, 9 events, 3 accounts in 0.5 s (18 events/s)
            clock reached 2026-03-02T00:00:00.000Z
            alert churn_risk raised: 1
            alert action acknowledged taken: 1
            alert action acknowledged unknown_alert: 2 (no alert of that account has that id; send `alert_id` and `account_id` as the alert's own record has them)
            duplicates: 1
            MRR without a rate to the reporting currency, left out: 2
            unknown type page.viewed: 1
            rejected not_json: 2"#]]
        .assert_eq(&sample().to_string());
    }

    #[test]
    fn json_has_the_same_figures() {
        expect![[r#"{"accounts":3,"alert_actions":[{"action":"acknowledged","count":1,"result":"taken"},{"action":"acknowledged","count":2,"result":"unknown_alert"}],"alerts":[{"count":1,"transition":"raised","type":"churn_risk"}],"clock":"2026-03-02T00:00:00.000Z","complete":true,"duplicates":1,"events":9,"events_per_second":18.0,"lines":12,"rejected":{"not_json":2},"seconds":0.5,"too_late":0,"unknown_types":{"page.viewed":1},"unpriced":2}"#]]
        .assert_eq(&sample().to_json().to_string());
    }

    #[test]
    fn hostile_types_are_counted_in_bounded_memory() {
        let mut tally = Tally::default();
        for number in 0..10_000 {
            tally.unknown_type(&format!("{number}{}", "x".repeat(1000)));
        }
        assert_eq!(tally.unknown_types.len(), UNKNOWN_TYPES_MAX + 1);
        assert_eq!(tally.unknown_types.values().sum::<u64>(), 10_000);
    }
}
