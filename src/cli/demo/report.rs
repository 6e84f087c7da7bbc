//! What the demo reports: accounts at risk, alerts by type, the score; and its JSON form.
//!
//! Pure apart from the elapsed time handed in. The text form is in `text`.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::stage::Stage;
use crate::engine::alert;
use crate::engine::effect::{AlertChange, Band, Health, Transition};
use crate::engine::rules::Rules;
use crate::sim::score::{self, Score, Verdicts};
use crate::sim::{START, day, truth};
use crate::units::{Money, Span, Timestamp};

/// Most accounts shown.
pub const ACCOUNTS_SHOWN_MAX: usize = 10;

/// The report at the end of the window.
#[derive(Debug)]
pub struct Report {
    /// Accounts simulated.
    pub accounts: usize,
    /// Days of the window.
    pub days: u16,
    /// The seed.
    pub seed: u64,
    /// Events fed.
    pub events: u64,
    /// Real time it took.
    pub elapsed: Duration,
    /// The moment reported on.
    pub as_of: Timestamp,
    /// Alerts foretell churn for this long.
    pub horizon: Span,
    /// The first accounts by revenue at risk, at most [`ACCOUNTS_SHOWN_MAX`], with it in the reporting currency.
    pub at_risk: Vec<(Money, Health)>,
    /// All accounts in the bands `at_risk` and `critical` that pay.
    pub at_risk_accounts: usize,
    /// The monthly revenue of those, in the reporting currency.
    pub at_risk_mrr: Money,
    /// Their risk-weighted monthly revenue, likewise.
    pub revenue_at_risk: Money,
    /// Alerts by type.
    pub alerts: Vec<AlertsOfType>,
    /// How good they were.
    pub score: Score,
    /// The weeks from a pause of the whole fleet on.
    pub pauses: Vec<PauseWeek>,
}

/// The week from a pause of the whole fleet on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PauseWeek {
    /// Its name.
    pub name: &'static str,
    /// Alerts raised in it on accounts that did not leave within the horizon.
    pub wrong: u64,
}

/// The alerts of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertsOfType {
    /// The type.
    pub alert_type: &'static str,
    /// Transitions, in the order of [`Transition::ALL`].
    pub transitions: [u64; Transition::ALL.len()],
    /// How many are open.
    pub open: u64,
    /// How good those raised were.
    pub verdicts: Verdicts,
}

impl AlertsOfType {
    /// How many were raised.
    #[must_use]
    pub fn raised(&self) -> u64 {
        let [raised, ..] = self.transitions;
        raised
    }
}

impl Report {
    /// Reports on `stage` as it stands.
    #[must_use]
    pub fn new(stage: &Stage, elapsed: Duration) -> Report {
        let rules = stage.rules();
        let mut at_risk: Vec<(Money, Health)> = stage
            .engine()
            .healths()
            .filter(|health| health.band >= Band::AtRisk && health.churned_at.is_none())
            .filter(|health| health.mrr.is_some_and(|mrr| mrr.minor > 0))
            .map(|health| (health.revenue_at_risk.map_or(nothing(rules), |money| reporting(money, rules)), health))
            .collect();
        at_risk.sort_by(|left, right| {
            (Reverse(left.0.minor), &left.1.account_id).cmp(&(Reverse(right.0.minor), &right.1.account_id))
        });
        let sum = |amounts: &mut dyn Iterator<Item = Money>| Money {
            minor: amounts.map(|money| reporting(money, rules).minor).sum(),
            currency: rules.currency,
        };
        let at_risk_accounts = at_risk.len();
        let at_risk_mrr = sum(&mut at_risk.iter().filter_map(|(_, health)| health.mrr));
        let revenue_at_risk = sum(&mut at_risk.iter().map(|(money, _)| *money));
        at_risk.truncate(ACCOUNTS_SHOWN_MAX);
        let subjects = truth::subjects(stage.population());
        let score = score::score(&subjects, stage.raised(), rules.horizon);
        let options = stage.population().options();
        let pauses = day::pauses(options.days)
            .into_iter()
            .map(|(name, day)| {
                let from = START.plus(Span::from_days(i64::from(day)));
                PauseWeek { name, wrong: score::wrong_in_week(&subjects, stage.raised(), rules.horizon, from) }
            })
            .collect();
        Report {
            accounts: subjects.len(),
            days: options.days,
            seed: options.seed,
            events: stage.events(),
            elapsed,
            as_of: stage.now(),
            horizon: rules.horizon,
            at_risk,
            at_risk_accounts,
            at_risk_mrr,
            revenue_at_risk,
            alerts: alerts_by_type(stage, &score),
            score,
            pauses,
        }
    }

    /// What counts as a wrong alert, in one sentence.
    #[must_use]
    pub fn wrong_means(&self) -> String {
        format!(
            "an alert is wrong when its account does not leave within the {:.0} days after it; repeats in that time \
             count once",
            self.horizon.days()
        )
    }

    /// The report for scripts.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "accounts": self.accounts,
            "days": self.days,
            "seed": self.seed,
            "events": self.events,
            "elapsed_seconds": rounded(self.elapsed.as_secs_f64(), 3),
            "as_of": self.as_of.to_string(),
            "at_risk_accounts": self.at_risk_accounts,
            "at_risk_mrr": money_json(self.at_risk_mrr),
            "revenue_at_risk": money_json(self.revenue_at_risk),
            "at_risk": self.at_risk.iter().map(|(revenue, health)| account_json(*revenue, health)).collect::<Vec<_>>(),
            "alerts": self.alerts.iter().map(alerts_json).collect::<Vec<_>>(),
            "score": self.score_json(),
        })
    }

    fn score_json(&self) -> Value {
        let score = &self.score;
        let by_kind: Vec<Value> = score
            .kinds
            .iter()
            .map(|kind| {
                json!({
                    "kind": kind.kind.name(), "churned": kind.churned, "warned": kind.warned,
                    "lead_days_median": kind.lead_days.map(|days| rounded(days, 1)),
                })
            })
            .collect();
        let by_trap: serde_json::Map<String, Value> =
            score.wrong_by_trap.iter().map(|(trap, wrong)| (trap.name().to_owned(), json!(wrong))).collect();
        let staying: serde_json::Map<String, Value> =
            score.staying_by_trap.iter().map(|(trap, accounts)| (trap.name().to_owned(), json!(accounts))).collect();
        let pauses: serde_json::Map<String, Value> =
            self.pauses.iter().map(|pause| (pause.name.to_owned(), json!(pause.wrong))).collect();
        json!({
            "churned": score.churned,
            "warned": score.warned,
            "warned_within_horizon": score.warned_in_horizon,
            "lead_days_median": score.lead_days.map(|days| rounded(days, 1)),
            "by_kind": by_kind,
            "right": score.verdicts.right,
            "wrong": score.verdicts.wrong,
            "early": score.verdicts.early,
            "folded": score.verdicts.folded,
            "not_judged": score.verdicts.open,
            "precision": score.verdicts.precision().map(|precision| rounded(precision, 4)),
            "false_per_100_healthy_accounts_and_month": rounded(score.false_per_100_account_months, 3),
            "wrong_on_accounts_that_stay_by_trap": by_trap,
            "accounts_that_stay_by_trap": staying,
            "wrong_in_week_from": pauses,
            "horizon_days": rounded(self.horizon.days(), 2),
            "wrong_means": self.wrong_means(),
        })
    }
}

/// A change of an alert, in short, for the live part.
#[must_use]
pub fn alert_json(change: &AlertChange) -> Value {
    json!({
        "alert_id": change.alert_id,
        "alert_type": change.alert_type,
        "transition": change.transition.name(),
        "severity": change.severity.name(),
        "raised_at": change.raised_at.to_string(),
        "as_of": change.health.as_of.to_string(),
        "account": health_json(&change.health),
    })
}

fn alerts_by_type(stage: &Stage, score: &Score) -> Vec<AlertsOfType> {
    let mut types: BTreeMap<&'static str, [u64; Transition::ALL.len()]> = BTreeMap::new();
    for ((alert_type, transition), count) in stage.changes() {
        let transitions = types.entry(alert_type).or_default();
        for (slot, known) in transitions.iter_mut().zip(Transition::ALL) {
            if known == *transition {
                *slot += count;
            }
        }
    }
    let known = stage.engine().totals().open_alerts.iter().map(|by_severity| by_severity.iter().sum());
    let open_by_type: BTreeMap<&'static str, u64> = alert::type_names().zip(known).collect();
    let open = |alert_type| open_by_type.get(alert_type).copied().unwrap_or(0);
    let mut alerts: Vec<AlertsOfType> = types
        .into_iter()
        .map(|(alert_type, transitions)| AlertsOfType {
            alert_type,
            transitions,
            open: open(alert_type),
            verdicts: score.by_type.get(alert_type).copied().unwrap_or_default(),
        })
        .collect();
    alerts.sort_by_key(|alerts| Reverse(alerts.raised()));
    alerts
}

fn nothing(rules: &Rules) -> Money {
    Money { minor: 0, currency: rules.currency }
}

/// `money` in the reporting currency; unchanged where no rate is known.
fn reporting(money: Money, rules: &Rules) -> Money {
    rules.in_reporting_currency(money).map_or(money, |minor| Money { minor, currency: rules.currency })
}

fn account_json(revenue: Money, health: &Health) -> Value {
    let mut account = health_json(health);
    if let Some(fields) = account.as_object_mut() {
        fields.insert("revenue_at_risk_reporting_minor".to_owned(), json!(revenue.minor));
    }
    account
}

fn health_json(health: &Health) -> Value {
    json!({
        "account_id": health.account_id,
        "name": health.name,
        "segment": health.segment,
        "owner": health.owner,
        "band": health.band.name(),
        "risk": rounded(health.risk.get(), 4),
        "mrr": health.mrr.map(money_json),
        "revenue_at_risk": health.revenue_at_risk.map(money_json),
        "last_seen": health.last_seen.map(|time| time.to_string()),
        "renewal_at": health.renewal_at.map(|time| time.to_string()),
        "reasons": health.evidence.iter().map(|evidence| evidence.sentence.as_str()).collect::<Vec<_>>(),
    })
}

fn alerts_json(alerts: &AlertsOfType) -> Value {
    let mut json = json!({
        "type": alerts.alert_type, "open": alerts.open,
        "right": alerts.verdicts.right, "wrong": alerts.verdicts.wrong, "early": alerts.verdicts.early,
        "folded": alerts.verdicts.folded, "not_judged": alerts.verdicts.open,
    });
    if let Some(object) = json.as_object_mut() {
        let counted = Transition::ALL.iter().zip(alerts.transitions);
        object.extend(counted.map(|(transition, count)| (transition.name().to_owned(), Value::from(count))));
    }
    json
}

fn money_json(money: Money) -> Value {
    json!({ "minor": money.minor, "currency": money.currency.code() })
}

fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}
