//! Events in as text, what they are read as out; and the properties of reading and writing.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::engine::event::{Interval, SubscriptionChange};
use crate::engine::input::{GammaPrior, SourceReport, SourceTopic};
use crate::units::{Currency, Money, PartitionIndex, Timestamp};
use crate::wire::Format;
use crate::wire::check::ID_BYTES_MAX;
use crate::wire::types::TYPES;

/// How each line is read by `decode`: the canonical JSON it is written as again, or the refusal.
fn check(lines: &str, expected: &Expect) {
    let shown: Vec<String> = lines.trim().lines().map(|line| show(&decode(line.trim().as_bytes()))).collect();
    expected.assert_eq(&shown.join("\n"));
}

/// As [`check`], each line standing after the common fields.
fn check_own(lines: &str, expected: &Expect) {
    let whole =
        |line: &str| format!(r#"{{"id":"e1","time":"2026-03-01T12:00:00Z","account_id":"a1",{}}}"#, line.trim());
    check(&lines.trim().lines().map(whole).collect::<Vec<_>>().join("\n"), expected);
}

fn show(decoded: &Result<Decoded<'_>, Refusal>) -> String {
    let mut out = Vec::new();
    match decoded {
        Ok(Decoded::Input(Input::Event(event))) => encode_event(event, &mut out),
        Ok(Decoded::Input(Input::Progress(progress))) => encode_progress(progress, &mut out),
        Ok(Decoded::Input(Input::Fleet(fleet))) => encode_fleet(fleet, &mut out),
        Ok(Decoded::UnknownType(name)) => return format!("unknown type {name}"),
        Err(refusal) => return format!("{}: {refusal}", refusal.name()),
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn common_fields_are_checked() {
    check(
        r#"
        {"id":"e1","time":"2026-03-01T12:00:00+02:00","account_id":"a\u00e4","type":"survey.sent","user_id":"u","source":"s","more":[{}]}
        {"time":"2026-03-01T12:00:00Z","account_id":"a","type":"survey.sent"}
        {"id":null,"time":"2026-03-01T12:00:00Z","account_id":"a","type":"survey.sent"}
        {"id":" ","time":"2026-03-01T12:00:00Z","account_id":"a","type":"survey.sent"}
        {"id":7,"time":"2026-03-01T12:00:00Z","account_id":"a","type":"survey.sent"}
        {"id":"e","time":"2026-03-01T12:00:00Z","type":"survey.sent"}
        {"id":"e","time":"2026-03-01T12:00:00Z","account_id":"","type":"survey.sent"}
        {"id":"e","time":"2026-03-01T12:00:00Z","account_id":["a"],"type":"survey.sent"}
        {"id":"e","time":"2026-03-01T12:00:00Z","account_id":"\u0000control","type":"survey.sent"}
        {"id":"e","time":"2026-03-01T12:00:00Z","account_id":"a","type":"survey.sent","user_id":""}
        {"id":"e","account_id":"a","type":"survey.sent"}
        {"id":"e","time":1772366400,"account_id":"a","type":"survey.sent"}
        {"id":"e","time":"yesterday","account_id":"a","type":"survey.sent"}
        {"id":"e","time":"1969-12-31T23:59:59Z","account_id":"a","type":"survey.sent"}
        {"id":"e","time":"9999-12-31T23:59:59Z","account_id":"a","type":"survey.sent"}
        {"id":"e","time":"2026-03-01T12:00:00Z","account_id":"a"}
        {"id":"e","time":"2026-03-01T12:00:00Z","account_id":"a","type":4}
        {"id":"e","time":"2026-03-01T12:00:00Z","account_id":"a","type":"survey.shredded"}
        {"id":"e","id":"e","time":"2026-03-01T12:00:00Z","account_id":"a","type":"survey.sent"}
        "#,
        &expect![[r#"
            {"id":"e1","time":"2026-03-01T10:00:00.000Z","account_id":"aä","type":"survey.sent","user_id":"u","source":"s"}
            missing_field: id is missing
            missing_field: id is missing
            empty_id: id is empty; leave it out or give its value
            wrong_type: id is the number 7, it must be text
            missing_account: account_id is missing; every event belongs to an account
            empty_account: account_id is empty; every event belongs to an account
            wrong_type: account_id is an array, it must be text
            wrong_type: account_id is the text `?control`, it must be text that does not begin with NUL
            empty_id: user_id is empty; leave it out or give its value
            missing_field: time is missing
            malformed_time: time is the number 1772366400, it must be an RFC 3339 time such as 2026-03-01T12:00:00Z
            malformed_time: time is the text `yesterday`, it must be an RFC 3339 time such as 2026-03-01T12:00:00Z
            absurd_time: time is the text `1969-12-31T23:59:59Z`, which is not from 1990-01-01T00:00:00.000Z to 2100-01-01T00:00:00.000Z; correct the producer's clock or unit
            absurd_time: time is the text `9999-12-31T23:59:59Z`, which is not from 1990-01-01T00:00:00.000Z to 2100-01-01T00:00:00.000Z; correct the producer's clock or unit
            missing_field: type is missing
            wrong_type: type is the number 4, it must be text
            unknown type survey.shredded
            duplicate_key: key id stands twice in the record; send each key once"#]],
    );
}

#[test]
fn bytes_that_are_no_event_are_refused() {
    check(
        r#"
        nonsense
        {"id":"e"
        {"id":"e"} {}
        [1,2]
        "text"
        {"id":1e999}
        "#,
        &expect![[r#"
            not_json: record is not JSON: expected ident at line 1 column 2; it begins with `nonsense`
            not_json: record is not JSON: EOF while parsing an object at line 1 column 9; it begins with `{"id":"e"`
            not_json: record is not JSON: trailing characters at line 1 column 12; it begins with `{"id":"e"} {}`
            wrong_type: record is `[1,2]`, it must be a JSON object
            wrong_type: record is `"text"`, it must be a JSON object
            not_json: record is not JSON: number out of range at line 1 column 11; it begins with `{"id":1e999}`"#]],
    );
    assert_eq!(decode(b"").unwrap_err().name(), "empty");
    assert_eq!(decode(b" \r\n").unwrap_err().name(), "empty");
    assert_eq!(decode(b"{\"id\":\"\xff\"}").unwrap_err(), Refusal::NotUtf8 { valid_bytes: 7 });
}

#[test]
fn numbers_and_money_are_checked() {
    check_own(
        r#"
        "type":"feature.used","feature":"export"
        "type":"feature.used","feature":"export","quantity":0
        "type":"feature.used","feature":"export","quantity":1.5
        "type":"feature.used","feature":"export","quantity":99999999999
        "type":"feature.used","feature":""
        "type":"feature.used"
        "type":"limit.reached","limit":"api_calls","used":1000,"allowed":999.5
        "type":"limit.reached","limit":"api_calls","used":-1
        "type":"limit.reached","limit":"api_calls","used":"many"
        "type":"nps.responded","score":10
        "type":"nps.responded","score":11
        "type":"nps.responded","score":-1
        "type":"nps.responded","score":9.5
        "type":"nps.responded"
        "type":"csat.responded","score":0
        "type":"invoice.paid","amount":1900,"currency":"eur"
        "type":"invoice.paid","amount":1900
        "type":"invoice.paid","currency":"EUR"
        "type":"invoice.paid","amount":-1,"currency":"EUR"
        "type":"invoice.paid","amount":19.0,"currency":"EUR"
        "type":"invoice.paid","amount":"19","currency":"EUR"
        "type":"invoice.paid","amount":1000000000001,"currency":"EUR"
        "type":"invoice.paid","amount":99999999999999999999,"currency":"EUR"
        "type":"invoice.paid","amount":1,"currency":"XXZ"
        "type":"invoice.payment_failed","amount":1,"attempt":2,"next_attempt_at":"2026-03-05T00:00:00Z"
        "type":"invoice.payment_failed","amount":1,"attempt":0
        "type":"payment.refunded"
        "#,
        &expect![[r#"
            {"id":"e1","time":"2026-03-01T12:00:00.000Z","account_id":"a1","type":"feature.used","feature":"export","quantity":1}
            number_out_of_range: quantity is 0, it must be from 1 to 4294967295
            wrong_type: quantity is the number 1.5, it must be a whole number
            number_out_of_range: quantity is 99999999999, it must be from 1 to 4294967295
            empty_id: feature is empty; leave it out or give its value
            missing_field: feature is missing
            {"id":"e1","time":"2026-03-01T12:00:00.000Z","account_id":"a1","type":"limit.reached","limit":"api_calls","used":1000.0,"allowed":999.5}
            number_out_of_range: used is -1.0, it must be from 0 to 4294967295
            wrong_type: used is the text `many`, it must be a number
            {"id":"e1","time":"2026-03-01T12:00:00.000Z","account_id":"a1","type":"nps.responded","score":10}
            score_out_of_range: score is 11, it must be from 0 to 10
            score_out_of_range: score is -1, it must be from 0 to 10
            wrong_type: score is the number 9.5, it must be a whole number
            missing_field: score is missing
            score_out_of_range: score is 0, it must be from 1 to 5
            {"id":"e1","time":"2026-03-01T12:00:00.000Z","account_id":"a1","type":"invoice.paid","amount":1900,"currency":"EUR"}
            {"id":"e1","time":"2026-03-01T12:00:00.000Z","account_id":"a1","type":"invoice.paid","amount":1900,"currency":"USD"}
            missing_field: amount is missing
            negative_amount: amount is -1, it must not be negative
            wrong_type: amount is the number 19.0, it must be a whole number of minor units
            wrong_type: amount is the text `19`, it must be a whole number of minor units
            amount_too_large: amount is 1000000000001, the largest believed amount is 1000000000000 minor units
            amount_too_large: amount is 1e20, the largest believed amount is 1000000000000 minor units
            unknown_currency: currency is `XXZ`, it must be an ISO 4217 code such as USD
            {"id":"e1","time":"2026-03-01T12:00:00.000Z","account_id":"a1","type":"invoice.payment_failed","amount":1,"currency":"USD","attempt":2,"next_attempt_at":"2026-03-05T00:00:00.000Z"}
            number_out_of_range: attempt is 0, it must be from 1 to 4294967295
            {"id":"e1","time":"2026-03-01T12:00:00.000Z","account_id":"a1","type":"payment.refunded"}"#]],
    );
}

#[test]
fn the_other_types_are_checked() {
    check_own(
        r#"
        "type":"subscription.started","subscription":"s1","plan":"pro","mrr":4900,"currency":"USD","seats":5,"interval":"month","term_ends_at":null
        "type":"subscription.canceled","subscription":"s1","reason":"price","effective_at":"2026-04-01T00:00:00Z"
        "type":"subscription.started","subscription":"s1","mrr":-4900
        "type":"subscription.started","subscription":"s1","interval":"fortnight"
        "type":"subscription.started","plan":"pro"
        "type":"user.added","user_id":"u","role":"champion","title":"VP"
        "type":"user.role_changed","user_id":"u","role":"king"
        "type":"trial.started","card_on_file":true,"ends_at":"2026-03-15T00:00:00Z"
        "type":"trial.started","card_on_file":"yes"
        "type":"account.updated","name":"Acme","owner":"kim","traits":{"industry":"retail","employees":50,"vip":true,"none":null,"plan_features":["a","b"]}
        "type":"account.updated","traits":{"a":"1","a":"2"}
        "type":"account.updated","traits":"many"
        "type":"account.updated","traits":{"a":{"b":1}}
        "type":"account.updated","traits":{"plan_features":["a",1]}
        "type":"account.updated","traits":{"plan_features":"a"}
        "type":"account.updated","traits":{"plan_features":12}
        "type":"account.updated","traits":{"plan_features":-1}
        "type":"onboarding.step_completed","step":"invite"
        "type":"alert.snoozed","alert":"x","by":"kim","until":"2026-03-15T00:00:00Z","note":"on leave"
        "type":"alert.snoozed","alert":"x","by":"kim"
        "type":"alert.resolved","alert":"x","by":"kim"
        "type":"ticket.opened","ticket":"t1","severity":"high","topic":"login"
        "#,
        &expect![[r#"
            {"id":"e1","time":"2026-03-01T12:00:00.000Z","account_id":"a1","type":"subscription.started","subscription":"s1","plan":"pro","mrr":4900,"currency":"USD","seats":5,"interval":"month"}
            {"id":"e1","time":"2026-03-01T12:00:00.000Z","account_id":"a1","type":"subscription.canceled","subscription":"s1","effective_at":"2026-04-01T00:00:00.000Z","reason":"price"}
            negative_amount: mrr is -4900, it must not be negative
            unknown_value: interval is `fortnight`, it must be one of day, week, month, quarter, year
            missing_field: subscription is missing
            {"id":"e1","time":"2026-03-01T12:00:00.000Z","account_id":"a1","type":"user.added","user_id":"u","role":"champion","title":"VP"}
            unknown_value: role is `king`, it must be one of champion, admin, sponsor, member
            {"id":"e1","time":"2026-03-01T12:00:00.000Z","account_id":"a1","type":"trial.started","card_on_file":true,"ends_at":"2026-03-15T00:00:00.000Z"}
            wrong_type: card_on_file is the text `yes`, it must be true or false
            {"id":"e1","time":"2026-03-01T12:00:00.000Z","account_id":"a1","type":"account.updated","name":"Acme","owner":"kim","traits":{"industry":"retail","employees":"50","vip":"true","plan_features":["a","b"]}}
            duplicate_key: key traits.a stands twice in the record; send each key once
            wrong_type: traits is the text `many`, it must be an object
            wrong_type: a value of traits is an object, it must be text, a number, true or false
            {"id":"e1","time":"2026-03-01T12:00:00.000Z","account_id":"a1","type":"account.updated","traits":{"plan_features":1}}
            wrong_type: traits.plan_features is the text `a`, it must be an array of text or a whole number from 0 to 65535
            {"id":"e1","time":"2026-03-01T12:00:00.000Z","account_id":"a1","type":"account.updated","traits":{"plan_features":12}}
            wrong_type: traits.plan_features is the number -1, it must be an array of text or a whole number from 0 to 65535
            {"id":"e1","time":"2026-03-01T12:00:00.000Z","account_id":"a1","type":"onboarding.step_completed","step":"invite","done":false}
            {"id":"e1","time":"2026-03-01T12:00:00.000Z","account_id":"a1","type":"alert.snoozed","alert":"x","by":"kim","until":"2026-03-15T00:00:00.000Z","note":"on leave"}
            missing_field: until is missing
            missing_field: reason is missing
            {"id":"e1","time":"2026-03-01T12:00:00.000Z","account_id":"a1","type":"ticket.opened","ticket":"t1","severity":"high","topic":"login"}"#]],
    );
}

#[test]
fn control_records_are_read_from_the_canonical_log_only() {
    let lines = r#"
        {"type":"source.progress","version":1,"sources":[{"topic":"product.usage","partitions":3}],"reports":[{"topic":"product.usage","partition":2,"reached":"2026-03-01T12:00:00Z","caught_up":true}]}
        {"type":"source.progress","version":1,"reached":"2026-03-01T12:00:00Z"}
        {"type":"source.progress","version":2}
        {"type":"source.progress","version":1,"reached":"1970-01-01T00:00:00Z"}
        {"type":"source.progress","version":1,"reports":7}
        {"type":"fleet.updated","version":1,"prior_14":{"shape":0.5,"exposure_days":3.0}}
        {"type":"fleet.updated","version":1,"prior_14":{"shape":0.0,"exposure_days":3.0}}
        "#;
    check(
        lines,
        &expect![[r#"
            {"type":"source.progress","version":1,"sources":[{"topic":"product.usage","partitions":3}],"reports":[{"topic":"product.usage","partition":2,"reached":"2026-03-01T12:00:00.000Z","caught_up":true}]}
            {"type":"source.progress","version":1,"sources":[],"reports":[],"reached":"2026-03-01T12:00:00.000Z"}
            control_record: control record source.progress cannot be read: it has version 2, this program knows 1; run the newer program
            malformed_time: reached is the text `1970-01-01T00:00:00Z`, it must be an RFC 3339 time within the believed range
            control_record: control record source.progress cannot be read: invalid type: integer `7`, expected a sequence at line 1 column…
            {"type":"fleet.updated","version":1,"prior_14":{"shape":0.5,"exposure_days":3.0},"prior_182":{"shape":0.6,"exposure_days":4.0}}
            control_record: control record fleet.updated cannot be read: shape and exposure_days must be above 0"#]],
    );
    for line in lines.trim().lines() {
        let decoded = Format::Canonical.decode_source(line.trim().as_bytes()).unwrap();
        assert!(matches!(decoded, Decoded::UnknownType(_)), "{line}");
    }
}

#[test]
fn texts_have_limits() {
    let event = |account: usize, title: usize| {
        let (account, title) = ("a".repeat(account), "t".repeat(title));
        let json = format!(
            r#"{{"id":"e","time":"2026-03-01T12:00:00Z","account_id":"{account}","type":"user.added","title":"{title}"}}"#
        );
        decode(json.as_bytes()).map(|_| ()).map_err(|refusal| refusal.name())
    };
    assert_eq!(event(ID_BYTES_MAX, 4096), Ok(()));
    assert_eq!(event(ID_BYTES_MAX + 1, 1), Err("id_too_long"));
    assert_eq!(event(1, 4097), Err("text_too_long"));
}

#[test]
fn messages_quote_little_of_the_record() {
    let long = "x\u{7}".repeat(50_000);
    for record in [
        long.clone(),
        format!(r#""{}""#, "y".repeat(50_000)),
        format!(
            r#"{{"type":"survey.sent","account_id":"a","id":"e","time":"{}"}}"#,
            "z".repeat(9000).get(..4000).unwrap()
        ),
    ] {
        let message = decode(record.as_bytes()).unwrap_err().to_string();
        assert!(message.chars().count() < 260, "{message}");
    }
}

#[test]
fn deep_nesting_is_passed_over_or_refused() {
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    let nested = format!("{open}{close}");
    let objects = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    let own = |member: &str, value: &str| {
        let json = format!(
            r#"{{"id":"e","time":"2026-03-01T12:00:00Z","account_id":"a","type":"account.updated","{member}":{value}}}"#
        );
        decode(json.as_bytes()).map(|_| ()).map_err(|refusal| refusal.name())
    };
    for value in [&nested, &objects] {
        assert_eq!(own("unknown", value), Ok(()));
        assert_eq!(own("name", value), Err("wrong_type"));
        assert_eq!(own("traits", value), Err("wrong_type"));
        assert_eq!(own("traits", &format!(r#"{{"t":{value}}}"#)), Err("wrong_type"));
        assert_eq!(own("traits", &format!(r#"{{"plan_features":[{value}]}}"#)), Err("wrong_type"));
        assert!(decode(value.as_bytes()).is_err());
    }
    assert_eq!(decode(open.as_bytes()).unwrap_err().name(), "wrong_type");
    assert_eq!(own("unknown", &open), Err("not_json"));
}

/// The table of types says what the checks ask for: an event with the required fields is one, and without any is none.
#[test]
fn the_table_of_types_is_what_is_checked() {
    for event_type in TYPES {
        let json = |fields: &[&str]| {
            let members =
                fields.iter().map(|name| format!(r#","{name}":{}"#, sample(name))).collect::<Vec<_>>().concat();
            format!(
                r#"{{"id":"e","time":"2026-03-01T12:00:00Z","account_id":"a","type":"{}"{members}}}"#,
                event_type.name
            )
        };
        let required: Vec<&str> = event_type.required.iter().map(|field| field.name()).collect();
        let optional: Vec<&str> = event_type.optional.iter().map(|field| field.name()).collect();
        let all = [required.clone(), optional].concat();
        assert!(matches!(decode(json(&required).as_bytes()), Ok(Decoded::Input(_))), "{}", event_type.name);
        let whole = json(&all);
        let Ok(Decoded::Input(Input::Event(event))) = decode(whole.as_bytes()) else { panic!("{whole}") };
        assert_eq!(event.kind.type_name(), event_type.name);
        let mut out = Vec::new();
        encode_event(&event, &mut out);
        for name in &all {
            let written = String::from_utf8_lossy(&out).contains(&format!(r#""{name}":"#));
            assert!(written, "{} loses {name}", event_type.name);
        }
        for missing in &required {
            let fewer: Vec<&str> = required.iter().filter(|name| *name != missing).copied().collect();
            assert_eq!(decode(json(&fewer).as_bytes()).unwrap_err().name(), "missing_field", "{missing}");
        }
    }
}

fn sample(field: &str) -> &'static str {
    match field {
        "quantity" | "duration_s" | "score" | "seats" | "attempt" | "mrr" | "amount" | "used" | "allowed" => "4",
        "ends_at" | "term_ends_at" | "effective_at" | "next_attempt_at" | "until" => "\"2026-03-05T00:00:00Z\"",
        "card_on_file" | "done" => "true",
        "role" => "\"admin\"",
        "interval" => "\"year\"",
        "currency" => "\"EUR\"",
        "traits" => r#"{"region":"north"}"#,
        _ => "\"x\"",
    }
}

fn text() -> impl Strategy<Value = Cow<'static, str>> {
    "[ -~äß\u{0}-\u{1f}\u{1F600}]{0,20}x".prop_map(Cow::Owned)
}

fn account() -> impl Strategy<Value = Cow<'static, str>> {
    text().prop_map(|text| Cow::Owned(format!("a{text}")))
}

fn time() -> impl Strategy<Value = Timestamp> {
    (Timestamp::MIN.ms()..=Timestamp::MAX.ms()).prop_map(Timestamp::clamped)
}

fn money() -> impl Strategy<Value = Money> {
    let currency = prop_oneof![Just("USD"), Just("JPY"), Just("KWD")].prop_map(|code| Currency::parse(code).unwrap());
    (0..=crate::engine::event::MINOR_UNITS_MAX, currency).prop_map(|(minor, currency)| Money { minor, currency })
}

fn option<T: std::fmt::Debug>(some: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    proptest::option::of(some)
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Champion), Just(Role::Admin), Just(Role::Sponsor), Just(Role::Member)]
}

fn limit_use() -> impl Strategy<Value = LimitUse<'static>> {
    (text(), option(0.0..1e300), option(0.0..1e9)).prop_map(|(limit, used, allowed)| LimitUse { limit, used, allowed })
}

fn terms() -> impl Strategy<Value = Terms<'static>> {
    let interval = prop_oneof![Just(Interval::Day), Just(Interval::Quarter), Just(Interval::Year)];
    let times = (option(time()), option(time()));
    (text(), option(text()), option(money()), option(any::<u32>()), option(interval), times, option(text())).prop_map(
        |(subscription, plan, mrr, seats, interval, (term_ends_at, effective_at), reason)| Terms {
            subscription,
            plan,
            mrr,
            seats,
            interval,
            term_ends_at,
            effective_at,
            reason,
        },
    )
}

fn traits() -> impl Strategy<Value = Traits<'static>> {
    let pairs = proptest::collection::btree_map(text(), text(), 0..8);
    let names = proptest::collection::vec(text(), 0..4).prop_map(PlanFeatures::Names);
    let features = option(prop_oneof![names, any::<u16>().prop_map(PlanFeatures::Count)]);
    (option(text()), option(text()), pairs, features).prop_map(|(name, owner, traits, plan_features)| Traits {
        name,
        owner,
        traits: traits.into_iter().collect(),
        plan_features,
    })
}

fn action() -> impl Strategy<Value = AlertAction<'static>> {
    prop_oneof![
        Just(AlertAction::Acknowledged),
        Just(AlertAction::Commented),
        time().prop_map(|until| AlertAction::Snoozed { until }),
        text().prop_map(|reason| AlertAction::Resolved { reason }),
    ]
}

fn kind() -> impl Strategy<Value = Kind<'static>> {
    let change = prop_oneof![
        Just(SubscriptionChange::Started),
        Just(SubscriptionChange::CancelScheduled),
        Just(SubscriptionChange::Canceled)
    ];
    prop_oneof![
        (text(), 1..=u32::MAX).prop_map(|(feature, quantity)| Kind::FeatureUsed { feature, quantity }),
        option(any::<u32>()).prop_map(|duration_s| Kind::SessionStarted { duration_s }),
        limit_use().prop_map(Kind::LimitReached),
        limit_use().prop_map(Kind::LimitUsage),
        (option(role()), option(text())).prop_map(|(role, title)| Kind::UserRoleChanged { role, title }),
        Just(Kind::UserDeactivated),
        (0_u8..=10).prop_map(|score| Kind::NpsResponded { score }),
        (1_u8..=5).prop_map(|score| Kind::CsatResponded { score }),
        (text(), option(text()), option(text())).prop_map(|(ticket, severity, topic)| Kind::TicketOpened {
            ticket,
            severity,
            topic
        }),
        (option(any::<bool>()), option(time()))
            .prop_map(|(card_on_file, ends_at)| Kind::TrialStarted { card_on_file, ends_at }),
        (change, terms()).prop_map(|(change, terms)| Kind::Subscription { change, terms }),
        (money(), option(1..=u32::MAX), option(time())).prop_map(|(amount, attempt, next_attempt_at)| {
            Kind::PaymentFailed { amount, attempt, next_attempt_at }
        }),
        option(money()).prop_map(|amount| Kind::PaymentRefunded { amount }),
        traits().prop_map(Kind::AccountUpdated),
        (text(), any::<bool>()).prop_map(|(step, done)| Kind::OnboardingStep { step, done }),
        (text(), action(), text(), option(text())).prop_map(|(alert, action, by, note)| Kind::AlertAction {
            alert,
            action,
            by,
            note
        }),
    ]
}

fn event() -> impl Strategy<Value = Event<'static>> {
    (text(), time(), account(), option(text()), option(text()), kind())
        .prop_map(|(id, time, account_id, user_id, source, kind)| Event { id, time, account_id, user_id, source, kind })
}

proptest! {
    #[test]
    fn what_is_written_reads_back_as_the_same(event in event()) {
        let mut out = Vec::new();
        encode_event(&event, &mut out);
        let Ok(Decoded::Input(Input::Event(back))) = decode(&out) else { panic!("{:?}", decode(&out)) };
        prop_assert_eq!(&back, &event);
        let mut again = Vec::new();
        encode_event(&back, &mut again);
        prop_assert_eq!(again, out);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn no_damage_makes_it_panic(event in event(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut out = Vec::new();
        encode_event(&event, &mut out);
        let index = at.index(out.len());
        out[index] = byte;
        let _ = decode(&out);
        let _ = decode(&out[..index]);
    }

    #[test]
    fn control_records_read_back_as_the_same(
        partitions in 1_i32..100, partition in 0_i32..100, reached in time(), caught_up: bool, wall in option(time()),
        shape in 0.01..9.0, exposure_days in 0.01..99.0,
    ) {
        let topic = "product.usage".to_owned();
        let progress = Progress {
            sources: vec![SourceTopic { topic: topic.clone(), partitions }],
            reports: vec![SourceReport { topic, partition: PartitionIndex(partition), reached, caught_up }],
            reached: wall,
        };
        let mut out = Vec::new();
        encode_progress(&progress, &mut out);
        let Ok(Decoded::Input(Input::Progress(back))) = decode(&out) else { panic!() };
        prop_assert_eq!(back, progress);
        let fleet = Fleet { prior_14: GammaPrior { shape, exposure_days }, ..Fleet::default() };
        out.clear();
        encode_fleet(&fleet, &mut out);
        let Ok(Decoded::Input(Input::Fleet(back))) = decode(&out) else { panic!() };
        prop_assert_eq!(back, fleet);
    }
}
