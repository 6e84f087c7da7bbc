//! JSON Schemas of the public forms: canonical events, alerts, what goes out from the desk, account health.
//!
//! The files under `docs/schemas/` are written from here by this file's test, which fails when they differ
//! (`UPDATE_EXPECT=1 cargo test schema` rewrites them).

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::alert::AlertForm;
use super::check::{ID_BYTES_MAX, TEXT_BYTES_MAX};
use super::desk::DeskForm;
use super::health::HealthForm;
use super::json::{INTERVALS, ROLES};
use super::raw::Field;
use super::types::{Shape, TYPES};
use crate::engine::event::{MINOR_UNITS_MAX, TRAITS_MAX};
use crate::units::Timestamp;

/// Every schema, with the name of its file.
#[must_use]
pub fn schemas() -> Vec<(&'static str, Value)> {
    let generator = || SchemaSettings::draft2020_12().for_serialize().into_generator();
    vec![
        ("event.schema.json", event()),
        ("alert.schema.json", generator().into_root_schema_for::<AlertForm<'_>>().to_value()),
        ("desk.schema.json", generator().into_root_schema_for::<DeskForm<'_>>().to_value()),
        ("account-health.schema.json", generator().into_root_schema_for::<HealthForm<'_>>().to_value()),
    ]
}

/// The canonical event: what every type has in common, then one branch for each type.
fn event() -> Value {
    let common = [Field::Id, Field::Time, Field::AccountId, Field::UserId, Field::Source];
    let mut properties: serde_json::Map<String, Value> =
        common.iter().map(|field| (field.name().to_owned(), property(*field))).collect();
    let names: Vec<&str> = TYPES.iter().map(|event_type| event_type.name).collect();
    properties.insert("type".to_owned(), json!({ "description": "What happened.", "enum": names }));
    let branches: Vec<Value> = TYPES
        .iter()
        .map(|event_type| {
            let own = event_type.required.iter().chain(event_type.optional);
            let mut properties: serde_json::Map<String, Value> = own
                .map(|field| {
                    let schema = if event_type.optional.contains(field) {
                        json!({ "anyOf": [property(*field), { "type": "null" }] })
                    } else {
                        property(*field)
                    };
                    (field.name().to_owned(), schema)
                })
                .collect();
            properties.insert("type".to_owned(), json!({ "const": event_type.name }));
            let required: Vec<&str> = event_type.required.iter().map(|field| field.name()).collect();
            json!({
                "title": event_type.name,
                "description": event_type.summary,
                "properties": properties,
                "required": required,
            })
        })
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Canonical event, version 1",
        "description": "One thing that happened to one account. The record's key is the account. Other fields are passed over.",
        "type": "object",
        "properties": properties,
        "required": ["id", "time", "account_id", "type"],
        "oneOf": branches,
    })
}

fn property(field: Field) -> Value {
    let mut schema = match (field, field.shape()) {
        (Field::Role, _) => json!({ "enum": ROLES.iter().map(|(name, _)| name).collect::<Vec<_>>() }),
        (Field::Interval, _) => json!({ "enum": INTERVALS.iter().map(|(name, _)| name).collect::<Vec<_>>() }),
        (Field::Currency, _) => json!({ "type": "string", "pattern": "^[A-Za-z]{3}$", "default": "USD" }),
        (
            Field::Title | Field::Severity | Field::Topic | Field::Reason | Field::Note | Field::Name | Field::Owner,
            _,
        ) => {
            json!({ "type": "string", "maxLength": TEXT_BYTES_MAX })
        }
        (Field::Mrr | Field::Amount, _) => json!({ "type": "integer", "minimum": 0, "maximum": MINOR_UNITS_MAX }),
        (Field::Score, _) => json!({ "type": "integer", "minimum": 0, "maximum": 10 }),
        (Field::Attempt, _) => json!({ "type": "integer", "minimum": 1, "maximum": u32::MAX }),
        (_, Shape::Text) => json!({ "type": "string", "minLength": 1, "maxLength": ID_BYTES_MAX }),
        (_, Shape::Whole) => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
        (_, Shape::Measure) => json!({ "type": "number", "minimum": 0 }),
        (_, Shape::Time) => json!({ "type": "string", "format": "date-time" }),
        (_, Shape::Flag) => json!({ "type": "boolean" }),
        (_, Shape::Traits) => json!({
            "type": "object",
            "properties": { "plan_features": {
                "type": ["array", "integer", "null"], "items": { "type": "string" }, "minimum": 0, "maximum": u16::MAX,
            } },
            "additionalProperties": { "type": ["string", "number", "boolean", "null"] },
        }),
    };
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), Value::from(description(field)));
    }
    schema
}

fn description(field: Field) -> String {
    match field {
        Field::Id => "Unique at its producer; an id seen again within the deduplication window is a duplicate.",
        Field::AccountId => "The account it happened to; not blank. Limits of length are in bytes of UTF-8.",
        Field::Type => "What happened.",
        Field::UserId => "The person behind it, where known.",
        Field::Source => "The system that reported it, where known.",
        Field::Feature => "Name of the feature.",
        Field::Quantity => "How many uses the event stands for; 1 when not given, and 0 counts as 1.",
        Field::DurationS => "Length of the session in seconds.",
        Field::Limit => "Name of the limit, such as api_calls.",
        Field::Used => "Used, in the limit's own unit.",
        Field::Allowed => "Allowed by the plan, in the same unit.",
        Field::Role => {
            "The person's role at the customer; `internal` and `service` stand for our own people and for programs."
        }
        Field::Title => "The person's job title.",
        Field::Score => "The answer: 0 to 10 for NPS, 1 to 5 for CSAT.",
        Field::Ticket => "The ticket's id.",
        Field::Severity => "The ticket's severity as reported.",
        Field::Topic => "The ticket's topic as reported.",
        Field::CardOnFile => "Whether a card was given.",
        Field::EndsAt => "When the trial ends.",
        Field::Survey => "Which survey: csat, or nps, which is what any other text counts as.",
        Field::Subscription => "The subscription's id.",
        Field::Plan => "The plan.",
        Field::Mrr => "Monthly recurring revenue from the subscription, in minor units.",
        Field::Currency => "ISO 4217 code.",
        Field::Seats => "Paid seats.",
        Field::Interval => "How often the subscription is billed.",
        Field::TermEndsAt => "End of the committed term.",
        Field::EffectiveAt => "When the change takes effect, where that is not at once.",
        Field::Reason => "Why, in the source's words; for alerts, one of the configured resolution reasons.",
        Field::Amount => "The amount in minor units.",
        Field::Attempt => "Which attempt this was.",
        Field::NextAttemptAt => "When the next attempt is due.",
        Field::Name => "Display name of the account.",
        Field::Owner => "The customer-success manager who owns the account.",
        Field::Step => "Name of the step.",
        Field::Done => "True when this was the last step.",
        Field::Alert => "The alert's id.",
        Field::By => "Who did it.",
        Field::Until => "When the alert may speak up again.",
        Field::Note => "A remark.",
        Field::Time => {
            return format!(
                "When it happened, RFC 3339 with any offset, from {} to {}.",
                Timestamp::MIN,
                Timestamp::MAX
            );
        }
        Field::Traits => return format!("Further facts about the account; the first {TRAITS_MAX} are kept."),
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::effect::{Band, Severity, Transition};

    #[test]
    fn the_committed_schemas_are_those_of_the_code() {
        for (name, schema) in schemas() {
            let path = format!("{}/docs/schemas/{name}", env!("CARGO_MANIFEST_DIR"));
            let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
            expect_test::expect_file![path].assert_eq(&text);
        }
    }

    /// The smallest number of each field that the schema allows is taken, and the one before it is not.
    #[test]
    fn the_least_numbers_are_those_that_are_read() {
        for (field, event) in [
            (Field::Quantity, r#""type":"feature.used","feature":"x""#),
            (Field::DurationS, r#""type":"session.started""#),
            (Field::Attempt, r#""type":"invoice.payment_failed","amount":1"#),
            (Field::Seats, r#""type":"subscription.started","subscription":"s""#),
            (Field::Mrr, r#""type":"subscription.started","subscription":"s""#),
        ] {
            let least = property(field)["minimum"].as_i64().unwrap();
            for (value, is_taken) in [(least, true), (least - 1, false)] {
                let head = r#""id":"e","time":"2026-03-01T12:00:00Z","account_id":"a""#;
                let event = format!("{{{head},{event},\"{}\":{value}}}", field.name());
                let read = crate::wire::canonical::decode(event.as_bytes());
                assert_eq!(read.is_ok(), is_taken, "{event}: {read:?}");
            }
        }
    }

    #[test]
    fn the_enumerations_are_complete() {
        let text = serde_json::to_string(&schemas()[1].1).unwrap();
        let list = |names: Vec<&str>| format!(r#""enum":{}"#, serde_json::to_string(&names).unwrap());
        assert!(text.contains(&list(Band::ALL.map(Band::name).to_vec())));
        assert!(text.contains(&list(Transition::ALL.map(Transition::name).to_vec())));
        assert!(text.contains(&list(vec![Severity::Warning.name(), Severity::Critical.name()])));
    }
}
