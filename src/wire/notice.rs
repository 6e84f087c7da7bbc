//! What a desk needs of an alert's record, version 1 of which is written by [`super::alert`].
//!
//! Read leniently: fields that a desk does not need are passed over, so that records of later versions serve too.

use serde::Deserialize;

use super::desk::money;
use crate::desk::notice::Notice;
use crate::desk::{Item, Shown};
use crate::engine::effect::{Severity, Transition};
use crate::units::Timestamp;

/// Why a record is no alert.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoticeError {
    /// Not the JSON of an alert.
    #[error("not the record of an alert: {0}")]
    Form(String),
    /// A field holds what this program does not know.
    #[error(
        "field `{field}` of the alert is {found:?}, which this program does not know; was a newer version at work?"
    )]
    Unknown {
        /// The field.
        field: &'static str,
        /// What it holds.
        found: String,
    },
}

#[derive(Deserialize)]
struct AlertForm {
    alert_id: String,
    alert_type: String,
    transition: String,
    severity: String,
    open: bool,
    raised_at: String,
    acknowledged: bool,
    snoozed_until: Option<String>,
    title: String,
    escalate_to: Option<String>,
    link: Option<String>,
    account_id: String,
    name: Option<String>,
    owner: String,
    as_of: String,
    revenue_at_risk: Option<money::Form>,
}

/// Reads the record of an alert.
pub fn decode_notice(value: &[u8]) -> Result<Notice, NoticeError> {
    let form: AlertForm = serde_json::from_slice(value).map_err(|error| NoticeError::Form(error.to_string()))?;
    let unknown = |field, found: &str| NoticeError::Unknown { field, found: found.to_owned() };
    let transition = Transition::ALL.into_iter().find(|known| known.name() == form.transition);
    Ok(Notice {
        owner: form.owner,
        escalate_to: form.escalate_to,
        at: time("as_of", &form.as_of)?,
        transition: transition.ok_or_else(|| unknown("transition", &form.transition))?,
        is_open: form.open,
        item: Item {
            alert_id: form.alert_id,
            alert_type: form.alert_type,
            title: form.title,
            account_id: form.account_id,
            name: form.name,
            severity: Severity::of_name(&form.severity).ok_or_else(|| unknown("severity", &form.severity))?,
            raised_at: time("raised_at", &form.raised_at)?,
            revenue_at_risk: form
                .revenue_at_risk
                .map(|money| money.read().ok_or_else(|| unknown("revenue_at_risk", &money.currency)))
                .transpose()?,
            is_acknowledged: form.acknowledged,
            snoozed_until: form.snoozed_until.map(|text| time("snoozed_until", &text)).transpose()?,
            shown: Shown::Waiting,
            link: form.link,
        },
    })
}

fn time(field: &'static str, text: &str) -> Result<Timestamp, NoticeError> {
    let ms = chrono::DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_millis());
    ms.and_then(Timestamp::from_ms).ok_or_else(|| NoticeError::Unknown { field, found: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::wire::alert::encode_alert;
    use crate::wire::alert::tests::told;

    #[test]
    fn what_a_desk_reads_is_what_the_engine_said() {
        let change = told();
        let mut bytes = Vec::new();
        encode_alert(&change, &mut bytes);
        assert_eq!(decode_notice(&bytes), Ok(Notice::of(&change)));
    }

    fn check(value: &str, expected: &Expect) {
        expected.assert_eq(&decode_notice(value.as_bytes()).unwrap_err().to_string());
    }

    #[test]
    fn what_is_no_alert_is_said() {
        check("{", &expect!["not the record of an alert: EOF while parsing an object at line 1 column 1"]);
        check("{}", &expect!["not the record of an alert: missing field `alert_id` at line 1 column 2"]);
        let mut bytes = Vec::new();
        encode_alert(&told(), &mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        check(
            &text.replace(r#""transition":"escalated""#, r#""transition":"melted""#),
            &expect![[
                r#"field `transition` of the alert is "melted", which this program does not know; was a newer version at work?"#
            ]],
        );
        check(
            &text.replace(r#""as_of":"2026"#, r#""as_of":"20x6"#),
            &expect![[
                r#"field `as_of` of the alert is "20x6-03-01T12:00:00.000Z", which this program does not know; was a newer version at work?"#
            ]],
        );
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(0..=u8::MAX, 0..200)) {
            let _ = decode_notice(&bytes);
        }
    }
}
