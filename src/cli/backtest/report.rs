//! What a backtest reports, and its JSON form. Pure: answers and tables in, figures out.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::seconds;
use crate::engine::account::Account;
use crate::evaluation::alerts::{Load, Quality, Raised, judge};
use crate::evaluation::bootstrap::Interval;
use crate::evaluation::cases::{Cases, Pair};
use crate::evaluation::compare::{AlertDifferences, Difference, alert_differences, differences};
use crate::evaluation::measures::{Measure, Measures};
use crate::evaluation::outcome::Label;
use crate::evaluation::paired;
use crate::evaluation::summary::{Estimate, Evaluation, evaluate};
use crate::local::backtest::Answers;
use crate::local::summary::Tally;
use crate::units::{DAY_MS, Ratio, Span, Timestamp};

/// A log that ends this long before a cut-off makes everybody look silent.
const STALE: Span = Span::from_ms(DAY_MS);

/// The whole report.
#[derive(Debug)]
pub struct Report {
    /// The log.
    pub input: String,
    /// Time of its first event.
    pub first: Timestamp,
    /// Time of its last event.
    pub last: Timestamp,
    /// How far ahead churn is foretold.
    pub horizon: Span,
    /// What was measured.
    pub run: Run,
    /// Alerts by owner.
    pub loads: BTreeMap<Option<String>, Load>,
    /// What was counted while reading.
    pub tally: Tally,
    /// Accounts in the log.
    pub accounts: usize,
    /// Labelled accounts that are not in the log.
    pub labels_without_events: usize,
    /// What other rules say, where some were given.
    pub comparison: Option<Comparison>,
}

/// What was measured under one set of rules.
#[derive(Debug)]
pub struct Run {
    /// Which rows count.
    pub cases: Cases,
    /// How good the risks were.
    pub evaluation: Evaluation,
    /// Accounts scored at each cut-off.
    pub scored: Vec<usize>,
    /// Alerts raised.
    pub raised: usize,
    /// How good they were; absent without labels.
    pub quality: Option<Quality>,
}

/// What other rules say differently.
#[derive(Debug)]
pub struct Comparison {
    /// What was measured under them.
    pub other: Run,
    /// The 95 % interval of the change of the mean measures, drawn by account from both together; absent when none was
    /// drawn.
    pub change: Option<Interval>,
    /// By account and cut-off, the largest change of risk first.
    pub differences: Vec<Difference>,
    /// Alerts that one of the two raised alone.
    pub alerts: AlertDifferences,
}

impl Run {
    /// Measures `answers` by `pairs` where there are any, and by `labels`.
    #[must_use]
    pub fn measure(
        answers: &Answers,
        pairs: Option<&[Pair]>,
        labels: &BTreeMap<String, Label>,
        horizon: Span,
        resamples: u32,
    ) -> Run {
        let cases = match pairs {
            Some(pairs) => Cases::by_pairs(&answers.sheets, pairs, labels, horizon),
            None => Cases::by_labels(&answers.sheets, labels, horizon),
        };
        let evaluation = evaluate(cases.cutoffs.clone(), cases.subjects, resamples);
        Run {
            cases,
            evaluation,
            scored: answers.sheets.iter().map(|sheet| sheet.rows.len()).collect(),
            raised: answers.raised.len(),
            quality: (!labels.is_empty()).then(|| {
                let occurs = |id: &str| account(answers, id).is_some();
                judge(labels, |id| since(answers, id), occurs, &answers.raised, horizon)
            }),
        }
    }
}

fn account<'a>(answers: &'a Answers, account_id: &str) -> Option<&'a Account> {
    answers.replayed.replay.engines().find_map(|engine| engine.account(account_id))
}

/// Since when the account is in use.
fn since(answers: &Answers, account_id: &str) -> Option<Timestamp> {
    let account = account(answers, account_id)?;
    account.activity.is_used().then_some(account.activity.first_at)
}

impl Comparison {
    /// Compares what was measured under the rules with what was under others: answers and runs of either.
    #[must_use]
    pub fn of(base: (&Answers, &Run), other: (&Answers, Run), resamples: u32) -> Comparison {
        Comparison {
            differences: differences(&base.0.sheets, &other.0.sheets),
            alerts: alert_differences(&base.0.raised, &other.0.raised),
            change: paired::change(&base.1.cases, &other.1.cases, resamples),
            other: other.1,
        }
    }
}

impl Report {
    /// What a reader should know before believing the figures, one sentence each.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for of in &self.run.evaluation.cutoffs {
            if of.at <= self.first {
                notes
                    .push(format!("cut-off {} is not after the first event: there is nobody to score", seconds(of.at)));
            } else if of.at.since(self.last) > STALE {
                notes.push(format!(
                    "cut-off {} lies {:.0} days after the last event of the log: that silence counts against every account",
                    seconds(of.at),
                    of.at.since(self.last).days()
                ));
            }
        }
        let Cases { unscored, gone, unknown, unlabelled, .. } = &self.run.cases;
        let counted = [
            (
                *unscored,
                "pairs have no event before their cut-off: no risk is written, and they are measured as the lowest",
            ),
            (*gone, "left out: churned before the cut-off"),
            (*unknown, "left out: not observed for the whole horizon after the cut-off"),
            (*unlabelled, "left out: no label"),
            (
                count(self.labels_without_events),
                "labelled accounts never occur in the log; check that the ids are alike",
            ),
        ];
        notes.extend(counted.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
        if let Some(quality) = self.run.quality.as_ref().filter(|quality| quality.unlabelled > 0) {
            notes.push(format!("{} alerts are of accounts without a label: not judged", quality.unlabelled));
        }
        if let Some(quality) = self.run.quality.as_ref().filter(|quality| quality.unheard > 0) {
            notes.push(format!("{} churned accounts never occur in the log: recall is without them", quality.unheard));
        }
        notes
    }

    /// As one JSON object.
    #[must_use]
    pub fn json(&self) -> Value {
        let load = |(owner, load): (&Option<String>, &Load)| {
            json!({
                "owner": owner, "raised": load.raised,
                "per_week": load.per_week, "busiest_week": load.busiest_week,
            })
        };
        let mut report = json!({
            "input": self.input,
            "first": self.first.to_string(),
            "last": self.last.to_string(),
            "horizon_days": self.horizon.days(),
            "events": self.tally.events,
            "accounts": self.accounts,
            "rejected": self.tally.rejected,
            "labels_without_events": self.labels_without_events,
            "owners": self.loads.iter().map(load).collect::<Vec<_>>(),
            "notes": self.notes(),
        });
        if let (Some(report), Value::Object(run)) = (report.as_object_mut(), self.run.json()) {
            report.extend(run);
            if let Some(comparison) = &self.comparison {
                report.insert("against".to_owned(), comparison.json(&self.run));
            }
        }
        report
    }
}

impl Run {
    fn json(&self) -> Value {
        let cutoffs = self.evaluation.cutoffs.iter().zip(&self.scored).map(|(of, scored)| {
            json!({
                "as_of": seconds(of.at), "scored": scored, "measured": of.accounts, "churned": of.churned,
                "measures": of.estimate.as_ref().map(estimate),
            })
        });
        let Cases { measured, unscored, gone, unknown, unlabelled, .. } = &self.cases;
        json!({
            "cutoffs": cutoffs.collect::<Vec<_>>(),
            "mean": self.evaluation.mean.as_ref().map(estimate),
            "pooled": self.evaluation.pooled.as_ref().map(estimate),
            "rows": {
                "measured": measured, "unscored": unscored, "gone": gone, "unknown": unknown, "unlabelled": unlabelled,
            },
            "alerts_raised": self.raised,
            "alerts": self.quality.as_ref().map(|quality| json!({
                "right": quality.right, "wrong": quality.wrong, "folded": quality.folded,
                "not_countable": quality.not_countable, "unlabelled": quality.unlabelled,
                "churned": quality.churned, "churned_without_events": quality.unheard, "warned": quality.warned,
                "precision": quality.precision().map(Ratio::get),
                "recall": quality.recall().map(Ratio::get),
                "precision_of_chance": quality.chance.map(Ratio::get),
                "lead_days": quality.lead_days,
            })),
        })
    }
}

impl Comparison {
    fn json(&self, base: &Run) -> Value {
        let difference = |found: &Difference| {
            json!({
                "account": found.account_id.as_str(), "as_of": seconds(found.at),
                "risk": found.base.risk.get(), "risk_against": found.other.risk.get(),
                "band": found.base.band.name(), "band_against": found.other.band.name(),
            })
        };
        let alert = |alert: &Raised| json!({ "account": alert.account_id, "type": alert.alert_type, "time": alert.at.to_string() });
        json!({
            "run": self.other.json(),
            "mean_change": changes(base, &self.other),
            "mean_change_interval": self.change.map(|change| {
                by_name(|measure| json!([change.low.get(measure), change.high.get(measure)]))
            }),
            "differences": self.differences.iter().map(difference).collect::<Vec<_>>(),
            "alerts_gained": self.alerts.gained.iter().map(alert).collect::<Vec<_>>(),
            "alerts_lost": self.alerts.lost.iter().map(alert).collect::<Vec<_>>(),
        })
    }
}

/// How much the mean measures change from `base` to `other`; absent where either has none.
#[must_use]
pub fn mean_change(base: &Run, other: &Run) -> Option<Measures> {
    let (base, other) = (base.evaluation.mean?.measures, other.evaluation.mean?.measures);
    Some(Measures::each(|measure| other.get(measure) - base.get(measure)))
}

fn changes(base: &Run, other: &Run) -> Option<Value> {
    mean_change(base, other).map(|change| by_name(|measure| json!(change.get(measure))))
}

fn estimate(estimate: &Estimate) -> Value {
    by_name(|measure| {
        let interval = estimate.interval.map(|interval| [interval.low.get(measure), interval.high.get(measure)]);
        json!({ "value": estimate.measures.get(measure), "interval": interval })
    })
}

fn by_name(value: impl Fn(Measure) -> Value) -> Value {
    let named = Measure::ALL.iter().map(|measure| (measure.name().to_owned(), value(*measure)));
    Value::Object(named.collect::<Map<_, _>>())
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
