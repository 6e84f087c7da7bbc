//! Alerts as JSON, version 1: every change of an alert with the whole story as it stood then.
//!
//! Equal changes give equal bytes, and the same change has the same `alert_id` and `transition` on every replay, so that
//! any sink can tell what it has seen.

use schemars::JsonSchema;
use serde::Serialize;

use super::health::{StoryForm, VERSION};
use crate::engine::effect::AlertChange;

/// Appends the JSON of `change` to `out`.
pub fn encode_alert(change: &AlertChange, out: &mut Vec<u8>) {
    let form = AlertForm {
        version: VERSION,
        alert_id: &change.alert_id,
        alert_type: change.alert_type,
        episode: change.episode,
        transition: change.transition.name(),
        severity: change.severity.name(),
        raised_at: change.raised_at.to_string(),
        story: StoryForm::of(&change.health),
        rules: &change.rules,
    };
    // Writing plain structs to memory cannot fail.
    let _ = serde_json::to_writer(out, &form);
}

/// A change of one alert, with the account's health at that moment.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "Alert, version 1")]
pub(super) struct AlertForm<'a> {
    /// Version of this form.
    #[schemars(extend("const" = VERSION))]
    version: u32,
    /// Identity of the episode, 32 hexadecimal digits; the same on every replay.
    alert_id: &'a str,
    /// The signal that caused it, or `churn_risk` where no single signal does.
    alert_type: &'static str,
    /// Number of the episode of this type on this account, from 1.
    episode: u32,
    /// What happened to the alert.
    #[schemars(extend("enum" = ["raised", "escalated", "eased", "resolved", "churned"]))]
    transition: &'static str,
    /// How loud it is now: act this week, or today.
    #[schemars(extend("enum" = ["warning", "critical"]))]
    severity: &'static str,
    /// When this episode was raised. RFC 3339, UTC, with milliseconds.
    #[schemars(extend("format" = "date-time"))]
    raised_at: String,
    #[serde(flatten)]
    story: StoryForm<'a>,
    /// Hash of the rules in force, 16 hexadecimal digits.
    rules: &'a str,
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::engine::effect::{Severity, Transition};
    use crate::wire::health::tests::known;

    fn check(change: &AlertChange, expected: &Expect) {
        let mut out = Vec::new();
        encode_alert(change, &mut out);
        expected.assert_eq(std::str::from_utf8(&out).unwrap());
    }

    #[test]
    fn the_whole_story_is_told() {
        let health = known();
        let change = AlertChange {
            alert_id: "00112233445566778899aabbccddeeff".to_owned(),
            alert_type: "usage_frequency",
            episode: 2,
            transition: Transition::Escalated,
            severity: Severity::Critical,
            raised_at: health.as_of,
            health,
            rules: "0123456789abcdef".to_owned(),
        };
        check(
            &change,
            &expect![[
                r#"{"version":1,"alert_id":"00112233445566778899aabbccddeeff","alert_type":"usage_frequency","episode":2,"transition":"escalated","severity":"critical","raised_at":"2026-03-01T12:00:00.000Z","account_id":"acct-7","name":"Acme \"Ltd\"","owner":"kim","segment":"pro","as_of":"2026-03-01T12:00:00.000Z","last_seen":"2026-02-28T11:59:59.999Z","band":"at_risk","risk":0.6123,"contributions":[{"term":"usage_frequency","logit":1.2346},{"term":"base","logit":0.0}],"evidence":[{"signal":"usage_frequency","strength":0.75,"sentence":"Used on 3 of the last 28 days, usually on 18.","numbers":{"days":3.0,"tail":0.00001235,"before":18.1235,"odd":null},"position":{"partition":2,"offset":4711}}],"mrr":{"minor":490000,"currency":"USD"},"revenue_at_risk":{"minor":300051,"currency":"USD"},"renewal_at":"2026-03-02T12:00:00.000Z","unknown":["nps"],"rules":"0123456789abcdef"}"#
            ]],
        );
    }
}
