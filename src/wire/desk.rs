//! What goes out from the desk as JSON, version 1: deliveries and digests, told apart by `record`.
//!
//! An alert's whole story is in its own record; here it is named by its id, with what a list of alerts shows.

use schemars::JsonSchema;
use serde::Serialize;

use super::health::{MoneyForm, VERSION};
use crate::desk::{Delivery, Digest, Item, Outgoing, Shown, Why};
use crate::engine::effect::Transition;

/// Appends the JSON of `outgoing` to `out`.
pub fn encode_outgoing(outgoing: &Outgoing, out: &mut Vec<u8>) {
    let form = match outgoing {
        Outgoing::Delivered(delivery) => DeskForm::delivered(delivery),
        Outgoing::Digest(digest) => DeskForm::digest(digest),
    };
    // Writing plain structs to memory cannot fail.
    let _ = serde_json::to_writer(out, &form);
}

/// What goes out to an owner.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "record", rename_all = "snake_case")]
#[schemars(title = "Desk, version 1")]
pub(super) enum DeskForm<'a> {
    /// One change of one alert.
    Delivered {
        /// Version of this form.
        #[schemars(extend("const" = VERSION))]
        version: u32,
        /// To whom.
        owner: &'a str,
        /// Who else is to know, where nobody acknowledged it in time.
        #[serde(skip_serializing_if = "Option::is_none")]
        also_to: Option<&'a str>,
        /// When the change happened, or a new week had a place for it. RFC 3339, UTC, with milliseconds.
        #[schemars(extend("format" = "date-time"))]
        at: String,
        /// Why it goes out: it is new, it was promoted out of the digest, or an earlier change of it has gone out.
        #[schemars(extend("enum" = ["new", "promoted", "follow_up"]))]
        why: &'static str,
        /// What happened to the alert; absent where a new week had a place for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        transition: Option<&'static str>,
        /// The alert as it is since.
        alert: ItemForm<'a>,
        /// Id of the alert that lost its place to this one, and is in the digest from now on.
        #[serde(skip_serializing_if = "Option::is_none")]
        displaced: Option<&'a str>,
    },
    /// What is open for an owner, by revenue at risk.
    Digest {
        /// Version of this form.
        #[schemars(extend("const" = VERSION))]
        version: u32,
        /// For whom.
        owner: &'a str,
        /// When it was put together. RFC 3339, UTC, with milliseconds.
        #[schemars(extend("format" = "date-time"))]
        at: String,
        /// Whether it is the first after a time for which nothing went out, such as the history of a first deployment.
        catch_up: bool,
        /// The alerts, the highest revenue at risk first.
        alerts: Vec<ItemForm<'a>>,
        /// How many more are open.
        more: u64,
        /// Revenue at risk of their accounts, each once, where known.
        #[serde(skip_serializing_if = "Option::is_none")]
        revenue_at_risk: Option<MoneyForm>,
    },
}

/// An alert in short.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DeskAlert")]
pub(super) struct ItemForm<'a> {
    /// Its id.
    alert_id: &'a str,
    /// Its type.
    alert_type: &'a str,
    /// What alerts of its type are called.
    title: &'a str,
    /// Its account.
    account_id: &'a str,
    /// The account's name, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    /// How loud it is.
    #[schemars(extend("enum" = ["warning", "critical"]))]
    severity: &'static str,
    /// When it was raised. RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    raised_at: String,
    /// Revenue at risk, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    revenue_at_risk: Option<MoneyForm>,
    /// Whether somebody has acknowledged it.
    acknowledged: bool,
    /// Until when it is snoozed, where it is. RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    snoozed_until: Option<String>,
    /// Whether it has gone out by itself and has its place still.
    delivered: bool,
    /// Where a person finds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<&'a str>,
}

impl<'a> DeskForm<'a> {
    fn delivered(delivery: &'a Delivery) -> DeskForm<'a> {
        DeskForm::Delivered {
            version: VERSION,
            owner: &delivery.owner,
            also_to: delivery.also_to.as_deref(),
            at: delivery.at.to_string(),
            why: match delivery.why {
                Why::New => "new",
                Why::Promoted => "promoted",
                Why::FollowUp => "follow_up",
            },
            transition: delivery.transition.map(Transition::name),
            alert: ItemForm::of(&delivery.item),
            displaced: delivery.displaced.as_deref(),
        }
    }

    fn digest(digest: &'a Digest) -> DeskForm<'a> {
        DeskForm::Digest {
            version: VERSION,
            owner: &digest.owner,
            at: digest.at.to_string(),
            catch_up: digest.is_catch_up,
            alerts: digest.items.iter().map(ItemForm::of).collect(),
            more: digest.more,
            revenue_at_risk: digest.revenue_at_risk.map(MoneyForm::of),
        }
    }
}

impl<'a> ItemForm<'a> {
    fn of(item: &'a Item) -> ItemForm<'a> {
        ItemForm {
            alert_id: &item.alert_id,
            alert_type: &item.alert_type,
            title: &item.title,
            account_id: &item.account_id,
            name: item.name.as_deref(),
            severity: item.severity.name(),
            raised_at: item.raised_at.to_string(),
            revenue_at_risk: item.revenue_at_risk.map(MoneyForm::of),
            acknowledged: item.is_acknowledged,
            snoozed_until: item.snoozed_until.map(|time| time.to_string()),
            delivered: item.shown == Shown::Delivered,
            link: item.link.as_deref(),
        }
    }
}

/// Money as it is read back.
pub(super) mod money {
    use serde::{Deserialize, Serialize};

    use crate::units::{Currency, Money};

    /// An amount, in the form in which alerts carry it.
    #[derive(Clone, Debug, Serialize, Deserialize)]
    pub struct Form {
        /// Whole minor units.
        pub minor: i64,
        /// ISO 4217 code.
        pub currency: String,
    }

    impl Form {
        /// The form of `money`.
        pub fn of(money: Money) -> Form {
            Form { minor: money.minor, currency: money.currency.code().to_owned() }
        }

        /// The amount; `None` where the currency is not known.
        pub fn read(&self) -> Option<Money> {
            Some(Money { minor: self.minor, currency: Currency::parse(&self.currency)? })
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::engine::effect::Severity;
    use crate::units::{Currency, Money, Timestamp};

    fn check(outgoing: &Outgoing, expected: &Expect) {
        let mut out = Vec::new();
        encode_outgoing(outgoing, &mut out);
        expected.assert_eq(std::str::from_utf8(&out).unwrap());
    }

    #[test]
    fn deliveries_and_digests_are_told_apart() {
        let at = Timestamp::from_ms(1_772_409_600_000).unwrap();
        let money = Some(Money { minor: 12_000, currency: Currency::USD });
        let item = Item {
            alert_id: "00112233445566778899aabbccddeeff".to_owned(),
            alert_type: "nps".to_owned(),
            title: "Unhappy answers".to_owned(),
            account_id: "acct-7".to_owned(),
            name: Some("Acme".to_owned()),
            severity: Severity::Critical,
            raised_at: at,
            revenue_at_risk: money,
            is_acknowledged: false,
            snoozed_until: Some(at),
            shown: Shown::Delivered,
            link: Some("https://crm.example/7".to_owned()),
        };
        let delivery = Delivery {
            owner: "kim".to_owned(),
            also_to: Some("head".to_owned()),
            at,
            why: Why::Promoted,
            transition: Some(Transition::Escalated),
            item: item.clone(),
            displaced: Some("ff".to_owned()),
        };
        check(
            &Outgoing::Delivered(Box::new(delivery)),
            &expect![[
                r#"{"record":"delivered","version":1,"owner":"kim","also_to":"head","at":"2026-03-02T00:00:00.000Z","why":"promoted","transition":"escalated","alert":{"alert_id":"00112233445566778899aabbccddeeff","alert_type":"nps","title":"Unhappy answers","account_id":"acct-7","name":"Acme","severity":"critical","raised_at":"2026-03-02T00:00:00.000Z","revenue_at_risk":{"minor":12000,"currency":"USD"},"acknowledged":false,"snoozed_until":"2026-03-02T00:00:00.000Z","delivered":true,"link":"https://crm.example/7"},"displaced":"ff"}"#
            ]],
        );
        let item = Item { name: None, snoozed_until: None, link: None, shown: Shown::Displaced, ..item };
        let digest = Digest {
            owner: "kim".to_owned(),
            at,
            is_catch_up: true,
            items: vec![item],
            more: 3,
            revenue_at_risk: money,
        };
        check(
            &Outgoing::Digest(Box::new(digest)),
            &expect![[
                r#"{"record":"digest","version":1,"owner":"kim","at":"2026-03-02T00:00:00.000Z","catch_up":true,"alerts":[{"alert_id":"00112233445566778899aabbccddeeff","alert_type":"nps","title":"Unhappy answers","account_id":"acct-7","severity":"critical","raised_at":"2026-03-02T00:00:00.000Z","revenue_at_risk":{"minor":12000,"currency":"USD"},"acknowledged":false,"delivered":false}],"more":3,"revenue_at_risk":{"minor":12000,"currency":"USD"}}"#
            ]],
        );
    }
}
