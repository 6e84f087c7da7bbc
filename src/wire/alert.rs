//! Alerts as JSON, version 1: every change of an alert with the whole story as it stood then.
//!
//! Equal changes give equal bytes, and the same change has the same `alert_id` and `transition` on every replay, so that
//! any sink can tell what it has seen.

use schemars::JsonSchema;
use serde::Serialize;

use super::health::{StoryForm, VERSION};
use crate::engine::effect::{AlertChange, Plan, Step};

/// Appends the JSON of `change` to `out`.
pub fn encode_alert(change: &AlertChange, out: &mut Vec<u8>) {
    let form = AlertForm {
        version: VERSION,
        alert_id: &change.alert_id,
        alert_type: change.alert_type,
        episode: change.episode,
        transition: change.transition.name(),
        severity: change.severity.name(),
        open: change.is_open,
        raised_at: change.raised_at.to_string(),
        reason: change.reason.as_deref(),
        by: change.act.as_ref().map(|act| act.by.as_str()),
        note: change.act.as_ref().and_then(|act| act.note.as_deref()),
        reason_given: change.act.as_ref().and_then(|act| act.reason_given.as_deref()),
        acknowledged: change.is_acknowledged,
        snoozed_until: change.snoozed_until.map(|time| time.to_string()),
        title: &change.title,
        escalate_to: change.escalate_to.as_deref(),
        plan: change.plan.as_ref().map(PlanForm::of),
        resolution_reasons: &change.reasons,
        link: change.link.as_deref(),
        story: StoryForm::of(&change.health).owned_by(&change.owner),
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
    #[schemars(extend("enum" = [
        "raised", "escalated", "eased", "amended", "acknowledged", "snoozed", "woken", "commented", "resolved",
        "retracted", "churned", "retained",
    ]))]
    transition: &'static str,
    /// How loud it is now: act this week, or today.
    #[schemars(extend("enum" = ["warning", "critical"]))]
    severity: &'static str,
    /// Whether it is open after this change.
    open: bool,
    /// When this episode was raised. RFC 3339, UTC, with milliseconds.
    #[schemars(extend("format" = "date-time"))]
    raised_at: String,
    /// Why. For `resolved`: one of the resolution reasons of the type, `other`, or `recovered` where its cause is gone by
    /// itself. For `escalated`: `worse`, or `unacknowledged` where nobody acknowledged it in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// Who did it, where a person did.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    /// What that person remarked.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    /// The resolution reason that person gave, where it is none of the list and counts as `other`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_given: Option<&'a str>,
    /// Whether somebody has acknowledged or snoozed it.
    acknowledged: bool,
    /// Until when it keeps quiet, where it does. RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    snoozed_until: Option<String>,
    /// What alerts of this type are called where people read it.
    title: &'a str,
    /// Who else is to know, where it was escalated since nobody acknowledged it in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    escalate_to: Option<&'a str>,
    /// What is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<PlanForm<'a>>,
    /// The reasons for which a person may resolve it.
    resolution_reasons: &'a [String],
    /// Where a person finds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<&'a str>,
    #[serde(flatten)]
    story: StoryForm<'a>,
    /// Hash of the rules in force, 16 hexadecimal digits.
    rules: &'a str,
}

/// An action plan.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Plan")]
struct PlanForm<'a> {
    /// Stable name of the play.
    play: &'a str,
    /// What it is called where people read it.
    title: &'a str,
    /// What is to be done, in order.
    steps: Vec<StepForm<'a>>,
    /// The resolution reason to give when it has worked.
    #[serde(skip_serializing_if = "Option::is_none")]
    done_reason: Option<&'a str>,
}

/// One step of a plan.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Step")]
struct StepForm<'a> {
    /// What to do.
    text: &'a str,
    /// By when. RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    due_at: String,
}

impl<'a> PlanForm<'a> {
    fn of(plan: &'a Plan) -> PlanForm<'a> {
        let step = |step: &'a Step| StepForm { text: &step.text, due_at: step.due_at.to_string() };
        PlanForm {
            play: &plan.play,
            title: &plan.title,
            steps: plan.steps.iter().map(step).collect(),
            done_reason: plan.done_reason.as_deref(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::engine::effect::{Act, Severity, Transition};
    use crate::wire::health::tests::known;

    fn check(change: &AlertChange, expected: &Expect) {
        let mut out = Vec::new();
        encode_alert(change, &mut out);
        expected.assert_eq(std::str::from_utf8(&out).unwrap());
    }

    /// A change about which everything is known.
    pub(in crate::wire) fn told() -> AlertChange {
        let health = known();
        AlertChange {
            alert_id: "00112233445566778899aabbccddeeff".to_owned(),
            alert_type: "usage_frequency",
            episode: 2,
            transition: Transition::Escalated,
            severity: Severity::Critical,
            is_open: true,
            raised_at: health.as_of,
            reason: Some("unacknowledged".to_owned()),
            act: Some(Act {
                by: "kim@example.com".to_owned(),
                note: Some("on it".to_owned()),
                reason_given: Some("moon".to_owned()),
            }),
            is_acknowledged: true,
            snoozed_until: Some(health.as_of),
            title: "Usage is falling".to_owned(),
            owner: "sam".to_owned(),
            escalate_to: Some("head".to_owned()),
            plan: Some(Plan {
                play: "call".to_owned(),
                title: "Call".to_owned(),
                steps: vec![Step { text: "Call them".to_owned(), due_at: health.as_of }],
                done_reason: Some("settled".to_owned()),
            }),
            reasons: vec!["settled".to_owned(), "other".to_owned()],
            link: Some("https://crm.example/7".to_owned()),
            health,
            rules: "0123456789abcdef".to_owned(),
        }
    }

    #[test]
    fn the_whole_story_is_told() {
        check(
            &told(),
            &expect![[
                r#"{"version":1,"alert_id":"00112233445566778899aabbccddeeff","alert_type":"usage_frequency","episode":2,"transition":"escalated","severity":"critical","open":true,"raised_at":"2026-03-01T12:00:00.000Z","reason":"unacknowledged","by":"kim@example.com","note":"on it","reason_given":"moon","acknowledged":true,"snoozed_until":"2026-03-01T12:00:00.000Z","title":"Usage is falling","escalate_to":"head","plan":{"play":"call","title":"Call","steps":[{"text":"Call them","due_at":"2026-03-01T12:00:00.000Z"}],"done_reason":"settled"},"resolution_reasons":["settled","other"],"link":"https://crm.example/7","account_id":"acct-7","name":"Acme \"Ltd\"","owner":"sam","segment":"pro","as_of":"2026-03-01T12:00:00.000Z","last_seen":"2026-02-28T11:59:59.999Z","band":"at_risk","risk":0.6123,"contributions":[{"term":"usage_frequency","logit":1.2346},{"term":"base","logit":0.0}],"evidence":[{"signal":"usage_frequency","strength":0.75,"sentence":"Used on 3 of the last 28 days, usually on 18.","numbers":{"days":3.0,"tail":0.00001235,"before":18.1235,"odd":null},"position":{"partition":2,"offset":4711}}],"mrr":{"minor":490000,"currency":"USD"},"revenue_at_risk":{"minor":300051,"currency":"USD"},"renewal_at":"2026-03-02T12:00:00.000Z","unknown":["nps"],"rules":"0123456789abcdef"}"#
            ]],
        );
    }
}
