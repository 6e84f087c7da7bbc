//! Account health as JSON, version 1: the value of the compacted topic of account health, keyed by account.
//!
//! Equal health gives equal bytes. What is absent is left out. The part that tells about the account is shared with
//! alerts, so that both say it in the same words.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::engine::effect::{Contribution, Evidence, Health};
use crate::engine::fleet::features::FACTS;
use crate::units::{Money, Position};

/// Version of the forms in this file and in `alert`.
pub(super) const VERSION: u32 = 1;

/// Appends the JSON of `health` to `out`.
pub fn encode_health(health: &Health, out: &mut Vec<u8>) {
    let form = HealthForm { version: VERSION, story: StoryForm::of(health) };
    // Writing plain structs to memory cannot fail.
    let _ = serde_json::to_writer(out, &form);
}

/// The health of one account: its risk, why, and what is at stake.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "Account health, version 1")]
pub(super) struct HealthForm<'a> {
    /// Version of this form.
    #[schemars(extend("const" = VERSION))]
    version: u32,
    #[serde(flatten)]
    story: StoryForm<'a>,
}

/// What is known about an account at one moment.
#[derive(Serialize, JsonSchema)]
pub(super) struct StoryForm<'a> {
    /// The account.
    account_id: &'a str,
    /// Its display name, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    /// The customer-success manager who owns it, where known. In alerts: who is to act, without such a manager by routing.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a str>,
    /// Its segment, `unknown` where it has none.
    segment: &'a str,
    /// The moment judged: everything before it is taken into account. RFC 3339, UTC, with milliseconds.
    #[schemars(extend("format" = "date-time"))]
    as_of: String,
    /// The last time a person used the product; absent when never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    last_seen: Option<String>,
    /// How bad the outlook is.
    #[schemars(extend("enum" = ["healthy", "watch", "at_risk", "critical"]))]
    band: &'static str,
    /// Probability of churn within the configured horizon, with four digits.
    #[schemars(range(min = 0.0, max = 1.0))]
    risk: f64,
    /// The terms that add up to the logit of the risk, largest first.
    contributions: Vec<ContributionForm>,
    /// What the signals saw, strongest contribution first.
    evidence: Vec<EvidenceForm<'a>>,
    /// Monthly recurring revenue; absent when the account has no known subscription, or none whose price
    /// has a rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    mrr: Option<MoneyForm>,
    /// `risk` times `mrr`.
    #[serde(skip_serializing_if = "Option::is_none")]
    revenue_at_risk: Option<MoneyForm>,
    /// End of the running term, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    renewal_at: Option<String>,
    /// When the account left, while it is gone: its health stays as it was then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    churned_at: Option<String>,
    /// Signals that cannot judge this account for want of data.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    unknown: &'a [&'static str],
}

/// One term of the risk.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Contribution")]
struct ContributionForm {
    #[schemars(description = terms())]
    term: &'static str,
    /// Added to the logit of the risk; above 0 speaks for churn.
    logit: f64,
}

/// Which terms there may be.
fn terms() -> String {
    let facts = FACTS.map(|name| format!("`{name}`")).join(", ");
    format!("`base`, one of {facts}, or a signal's name; docs/terms.md says what each means.")
}

/// What one signal saw.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Evidence")]
struct EvidenceForm<'a> {
    /// The signal's name.
    signal: &'static str,
    /// How strongly it speaks.
    #[schemars(range(min = 0.0, max = 1.0))]
    strength: f64,
    /// One plain sentence.
    sentence: &'a str,
    /// The numbers behind the sentence, by name; null where a number is not finite.
    #[serde(serialize_with = "write_numbers")]
    #[schemars(with = "BTreeMap<String, Option<f64>>")]
    numbers: &'a [(&'static str, f64)],
    /// The newest record behind it, where one record is behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<PositionForm>,
}

/// An amount of money.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Money")]
pub(super) struct MoneyForm {
    /// Whole minor units, such as cents.
    minor: i64,
    /// ISO 4217 code of the currency.
    currency: String,
}

/// Where a record stands in the canonical log.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Position")]
struct PositionForm {
    /// Its partition.
    partition: i32,
    /// Its offset there.
    offset: i64,
}

impl<'a> StoryForm<'a> {
    /// The form of `health`.
    pub(super) fn of(health: &'a Health) -> StoryForm<'a> {
        StoryForm {
            account_id: &health.account_id,
            name: health.name.as_deref(),
            owner: health.owner.as_deref(),
            segment: &health.segment,
            as_of: health.as_of.to_string(),
            last_seen: health.last_seen.map(|time| time.to_string()),
            band: health.band.name(),
            risk: rounded(health.risk.get()),
            contributions: health.contributions.iter().map(ContributionForm::of).collect(),
            evidence: health.evidence.iter().map(EvidenceForm::of).collect(),
            mrr: health.mrr.map(MoneyForm::of),
            revenue_at_risk: health.revenue_at_risk.map(MoneyForm::of),
            renewal_at: health.renewal_at.map(|time| time.to_string()),
            churned_at: health.churned_at.map(|time| time.to_string()),
            unknown: &health.unknown,
        }
    }
}

impl<'a> StoryForm<'a> {
    /// The same, to be acted on by `owner`.
    pub(super) fn owned_by(self, owner: &'a str) -> StoryForm<'a> {
        StoryForm { owner: Some(owner), ..self }
    }
}

impl ContributionForm {
    fn of(contribution: &Contribution) -> ContributionForm {
        ContributionForm { term: contribution.term, logit: rounded(contribution.logit) }
    }
}

impl<'a> EvidenceForm<'a> {
    fn of(evidence: &'a Evidence) -> EvidenceForm<'a> {
        EvidenceForm {
            signal: evidence.signal,
            strength: rounded(evidence.strength.get()),
            sentence: &evidence.sentence,
            numbers: &evidence.numbers,
            position: evidence.position.map(PositionForm::of),
        }
    }
}

impl MoneyForm {
    pub(super) fn of(money: Money) -> MoneyForm {
        MoneyForm { minor: money.minor, currency: money.currency.code().to_owned() }
    }
}

impl PositionForm {
    fn of(position: Position) -> PositionForm {
        PositionForm { partition: position.partition.0, offset: position.offset.0 }
    }
}

fn write_numbers<S: Serializer>(numbers: &&[(&'static str, f64)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(numbers.len()))?;
    for (name, value) in *numbers {
        // Small ones are often tail probabilities, of which four decimals would leave nothing.
        let shown = if value.abs() < 0.1 { significant(*value) } else { rounded(*value) };
        map.serialize_entry(name, &shown)?;
    }
    map.end()
}

/// `value` to four decimals, never a negative zero.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4 + 0.0
}

/// `value` to four significant digits.
fn significant(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value) + 0.0
}

#[cfg(test)]
pub(super) mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::engine::effect::Band;
    use crate::units::{Currency, Offset, PartitionIndex, Ratio, Timestamp};

    fn check(health: &Health, expected: &Expect) {
        let mut out = Vec::new();
        encode_health(health, &mut out);
        expected.assert_eq(std::str::from_utf8(&out).unwrap());
        let mut again = Vec::new();
        encode_health(health, &mut again);
        assert_eq!(out, again);
    }

    /// An account about which everything is known.
    pub(in crate::wire) fn known() -> Health {
        let time = |ms: i64| Timestamp::from_ms(1_772_366_400_000 + ms);
        let money = |minor| Some(Money { minor, currency: Currency::USD });
        Health {
            account_id: "acct-7".to_owned(),
            name: Some("Acme \"Ltd\"".to_owned()),
            owner: Some("kim".to_owned()),
            segment: "pro".to_owned(),
            as_of: time(0).unwrap(),
            last_seen: time(-86_400_001),
            band: Band::AtRisk,
            risk: Ratio::clamped(0.612_349_9),
            contributions: vec![
                Contribution { term: "usage_frequency", logit: 1.234_56 },
                Contribution { term: "base", logit: -0.000_01 },
            ],
            evidence: vec![Evidence {
                signal: "usage_frequency",
                strength: Ratio::clamped(0.75),
                sentence: "Used on 3 of the last 28 days, usually on 18.".to_owned(),
                numbers: vec![("days", 3.0), ("tail", 0.000_012_345_6), ("before", 18.123_456), ("odd", f64::NAN)],
                position: Some(Position { partition: PartitionIndex(2), offset: Offset(4711) }),
            }],
            mrr: money(490_000),
            revenue_at_risk: money(300_051),
            renewal_at: time(86_400_000),
            churned_at: None,
            unknown: vec!["nps"],
        }
    }

    #[test]
    fn everything_known_is_told() {
        check(
            &known(),
            &expect![[
                r#"{"version":1,"account_id":"acct-7","name":"Acme \"Ltd\"","owner":"kim","segment":"pro","as_of":"2026-03-01T12:00:00.000Z","last_seen":"2026-02-28T11:59:59.999Z","band":"at_risk","risk":0.6123,"contributions":[{"term":"usage_frequency","logit":1.2346},{"term":"base","logit":0.0}],"evidence":[{"signal":"usage_frequency","strength":0.75,"sentence":"Used on 3 of the last 28 days, usually on 18.","numbers":{"days":3.0,"tail":0.00001235,"before":18.1235,"odd":null},"position":{"partition":2,"offset":4711}}],"mrr":{"minor":490000,"currency":"USD"},"revenue_at_risk":{"minor":300051,"currency":"USD"},"renewal_at":"2026-03-02T12:00:00.000Z","unknown":["nps"]}"#
            ]],
        );
    }

    #[test]
    fn what_is_absent_is_left_out() {
        let health = Health {
            name: None,
            owner: None,
            segment: "unknown".to_owned(),
            last_seen: None,
            contributions: Vec::new(),
            evidence: Vec::new(),
            mrr: None,
            revenue_at_risk: None,
            renewal_at: None,
            unknown: Vec::new(),
            ..known()
        };
        check(
            &health,
            &expect![[
                r#"{"version":1,"account_id":"acct-7","segment":"unknown","as_of":"2026-03-01T12:00:00.000Z","band":"at_risk","risk":0.6123,"contributions":[],"evidence":[]}"#
            ]],
        );
    }
}
