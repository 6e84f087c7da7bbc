//! Mappings in as the TOML of the configuration, records in as text, canonical events or refusals out.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::engine::input::Input;
use crate::wire::canonical::encode_event;
use crate::wire::{Decoded, Refusal};

#[derive(serde::Deserialize)]
struct File {
    mappings: BTreeMap<String, Spec>,
}

fn mapping(toml: &str) -> Mapping {
    toml::from_str::<Spec>(toml).unwrap().compile().unwrap()
}

fn example(name: &str) -> Mapping {
    let path = format!("{}/config/mappings/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let file: File = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    file.mappings[name].compile().unwrap()
}

/// How each line is read by `mapping`.
fn check(mapping: &Mapping, lines: &str, expected: &Expect) {
    let shown: Vec<String> = lines
        .trim_end()
        .trim_start_matches('\n')
        .lines()
        .map(|line| match mapping.decode(line.trim_start_matches("        ").as_bytes()) {
            Ok(Decoded::Input(Input::Event(event))) => {
                let mut out = Vec::new();
                encode_event(&event, &mut out);
                String::from_utf8(out).unwrap()
            }
            Ok(Decoded::Input(other)) => panic!("{other:?}"),
            Ok(Decoded::UnknownType(name)) => format!("unknown type {name}"),
            Err(refusal) => format!("{}: {refusal}", refusal.name()),
        })
        .collect();
    expected.assert_eq(&shown.join("\n"));
}

/// Everything that is wrong with a mapping.
fn check_problems(toml: &str, expected: &Expect) {
    let problems = toml::from_str::<Spec>(toml).unwrap().compile().unwrap_err();
    let shown: Vec<String> = problems.iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect();
    expected.assert_eq(&shown.join("\n"));
}

/// The first lines are real ones; the others have their form.
#[test]
fn cdnow_lines_are_purchases() {
    check(
        &example("cdnow"),
        "
         00004 0001 19970101  2   29.33\r
         00004 0001 19970101  2   29.33\r
         00004 0001 19970118  2   29.73
         00004 0001 19970101  2   29.33
         00004 0001 19971301  2   29.33
         00004 0001 19970101  2
         00004 0001 1997-01-01 two 3.00
         00004 0001 19970101  0   29.33
        ",
        &expect![[r#"
            {"id":"ce1abc0a330b2b05","time":"1997-01-01T00:00:00.000Z","account_id":"00004","type":"feature.used","source":"cdnow","feature":"purchase","quantity":2}
            {"id":"ce1abc0a330b2b05","time":"1997-01-01T00:00:00.000Z","account_id":"00004","type":"feature.used","source":"cdnow","feature":"purchase","quantity":2}
            {"id":"07490771984446c5","time":"1997-01-18T00:00:00.000Z","account_id":"00004","type":"feature.used","source":"cdnow","feature":"purchase","quantity":2}
            {"id":"ce1abc0a330b2b05","time":"1997-01-01T00:00:00.000Z","account_id":"00004","type":"feature.used","source":"cdnow","feature":"purchase","quantity":2}
            malformed_time: time is the text `19971301`, it must be a day such as 2026-03-01 or 20260301
            wrong_columns: line has 4 columns, the mapping names 5; it begins with ` 00004 0001 19970101  2`
            wrong_type: quantity is the text `two`, it must be a whole number
            {"id":"6d6ae899b518b977","time":"1997-01-01T00:00:00.000Z","account_id":"00004","type":"feature.used","source":"cdnow","feature":"purchase","quantity":0}"#]],
    );
}

#[test]
fn online_retail_orders_and_credit_notes_are_told_apart() {
    check(
        &example("online-retail"),
        r#"
        {"id":"r-0","time":"2010-12-01T08:26:00Z","account":"17850","type":"usage","name":"order","properties":{"invoice":"1","value":139.12,"units":40}}
        {"id":"r-1","time":"2010-12-01T09:41:00Z","account":"14527","type":"billing","name":"credit_note","properties":{"value":-27.5,"units":-1}}
        {"id":"r-2","time":"2010-12-01T09:41:00Z","account":"14527","type":"billing","name":"credit_note","properties":{"value":-4.655}}
        {"id":"r-3","time":"2010-12-01T09:41:00Z","account":"14527","type":"billing","name":"credit_note"}
        {"id":"r-4","time":"2010-12-01T09:41:00Z","account":"14527","type":"billing","name":"gift"}
        {"id":"r-5","time":"2010-12-01T09:41:00Z","account":"14527","type":"billing"}
        {"id":"r-6","time":"2010-12-01T09:41:00Z","type":"usage","name":"order"}
        {"id":"r-7","time":"2010-12-01T09:41:00Z","account":"","type":"usage","name":"order"}
        {"time":"2010-12-01T09:41:00Z","account":"1","type":"usage","name":"order"}
        {"id":"r-8","id":"r-9","time":"2010-12-01T09:41:00Z","account":"1","type":"usage","name":"order"}
        ["r-8"]
        {"id":"r-8"
        "#,
        &expect![[r#"
            {"id":"r-0","time":"2010-12-01T08:26:00.000Z","account_id":"17850","type":"feature.used","source":"online-retail","feature":"order","quantity":139}
            {"id":"r-1","time":"2010-12-01T09:41:00.000Z","account_id":"14527","type":"payment.refunded","source":"online-retail","amount":2750,"currency":"GBP"}
            {"id":"r-2","time":"2010-12-01T09:41:00.000Z","account_id":"14527","type":"payment.refunded","source":"online-retail","amount":466,"currency":"GBP"}
            {"id":"r-3","time":"2010-12-01T09:41:00.000Z","account_id":"14527","type":"payment.refunded","source":"online-retail"}
            unknown type billing:gift
            missing_field: type is missing
            missing_account: account_id is missing; every event belongs to an account
            empty_account: account_id is empty; every event belongs to an account
            missing_field: id is missing
            duplicate_key: key id stands twice in the record; send each key once
            wrong_type: record is `["r-8"]`, it must be a JSON object
            not_json: record is not JSON: EOF while parsing an object at line 1 column 11; it begins with `{"id":"r-8"`"#]],
    );
}

const RICH: &str = r#"
    id = ["meta.batch", "meta.index"]
    time = "at"
    time_format = "seconds"
    account = "org.id"
    user = "actor.0.id"
    type = "event"
    types = { "Limit Hit" = "limit.reached", "Plan" = "subscription.changed", "Trial" = "trial.started", "Ping" = "", "Org" = "account.updated", "NPS" = "nps.responded" }
    type_default = "feature.used"
    skip = ["Debug"]

    [fields."limit.reached"]
    limit = { path = "props.limit" }
    used = { path = "props.used", scale = 0.001 }
    [fields."subscription.changed"]
    subscription = { path = "props.sub" }
    mrr = { path = "props.mrr", scale = 100.0 }
    currency = { path = "props.currency" }
    seats = { path = "props.seats" }
    term_ends_at = { path = "props.until", time_format = "date" }
    [fields."trial.started"]
    card_on_file = { path = "props.card" }
    ends_at = { constant = "2026-05-01T00:00:00Z" }
    [fields."feature.used"]
    feature = { path = "event" }
    quantity = { constant = 3 }
    [fields."account.updated"]
    name = { path = "org.name" }
    "traits.industry" = { path = "org.industry" }
    "traits.tier" = { constant = "gold" }
    [fields."nps.responded"]
    score = { path = "props.score" }
"#;

#[test]
fn paths_constants_and_conversions() {
    check(
        &mapping(RICH),
        r#"
        {"meta":{"batch":"b","index":7},"at":1772366400,"org":{"id":42},"actor":[{"id":"u1"},{"id":"u2"}],"event":"Report Opened"}
        {"meta":{"batch":"b","index":7},"at":1772366400.5,"org":{"id":"42"},"actor":[],"event":"Limit Hit","props":{"limit":"rows","used":1500}}
        {"meta":{"batch":"b","index":7},"at":"1772366400","org":{"id":"42"},"event":"Plan","props":{"sub":"s","mrr":"49.005","currency":"EUR","seats":"5","until":"2027-01-31"}}
        {"meta":{"batch":"b","index":7},"at":1772366400,"org":{"id":"42"},"event":"Plan","props":{"sub":"s","mrr":"","seats":5.0,"until":20270131}}
        {"meta":{"batch":"b","index":7},"at":1772366400,"org":{"id":"42"},"event":"Plan","props":{"sub":"s","mrr":"free"}}
        {"meta":{"batch":"b","index":7},"at":1772366400,"org":{"id":"42"},"event":"Plan","props":{"sub":"s","mrr":1e300}}
        {"meta":{"batch":"b","index":7},"at":1772366400,"org":{"id":"42"},"event":"Plan","props":{"sub":"s","until":"soon"}}
        {"meta":{"batch":"b","index":7},"at":1772366400,"org":{"id":"42"},"event":"Trial","props":{"card":"true"}}
        {"meta":{"batch":"b","index":7},"at":1772366400,"org":{"id":"42","name":"Acme","industry":null},"event":"Org"}
        {"meta":{"batch":"b","index":7},"at":1772366400,"org":{"id":"42"},"event":"NPS","props":{"score":"9"}}
        {"meta":{"batch":"b","index":7},"at":1772366400,"org":{"id":"42"},"event":"NPS","props":{"score":9.5}}
        {"meta":{"batch":"b","index":7},"at":1772366400000,"org":{"id":"42"},"event":"NPS","props":{"score":"9"}}
        {"meta":{"batch":"b","index":7},"at":"2026-03-01T12:00:00Z","org":{"id":"42"},"event":"NPS","props":{"score":"9"}}
        {"meta":{"batch":"b","index":7},"org":{"id":"42"},"event":"NPS","props":{"score":"9"}}
        {"meta":{"batch":"b"},"at":1772366400,"org":{"id":"42"},"event":"NPS","props":{"score":"9"}}
        {"meta":{"batch":"b","index":7},"at":1772366400,"org":{"id":{"x":1}},"event":"NPS","props":{"score":"9"}}
        {"meta":{"batch":"b","index":7},"at":1772366400,"org":{"id":"42"},"org":{"id":"43"},"event":"NPS","props":{"score":"9"}}
        {"event":"Ping"}
        {"event":"Debug"}
        {}
        source.progress
        "#,
        &expect![[r#"
            {"id":"b:7","time":"2026-03-01T12:00:00.000Z","account_id":"42","type":"feature.used","user_id":"u1","feature":"Report Opened","quantity":3}
            {"id":"b:7","time":"2026-03-01T12:00:00.500Z","account_id":"42","type":"limit.reached","limit":"rows","used":1.5}
            {"id":"b:7","time":"2026-03-01T12:00:00.000Z","account_id":"42","type":"subscription.changed","subscription":"s","mrr":4901,"currency":"EUR","seats":5,"term_ends_at":"2027-01-31T00:00:00.000Z"}
            {"id":"b:7","time":"2026-03-01T12:00:00.000Z","account_id":"42","type":"subscription.changed","subscription":"s","seats":5,"term_ends_at":"2027-01-31T00:00:00.000Z"}
            wrong_type: mrr is the text `free`, it must be a whole number of minor units
            amount_too_large: mrr is 1e302, the largest believed amount is 1000000000000 minor units
            malformed_time: term_ends_at is the text `soon`, it must be a day such as 2026-03-01 or 20260301
            {"id":"b:7","time":"2026-03-01T12:00:00.000Z","account_id":"42","type":"trial.started","card_on_file":true,"ends_at":"2026-05-01T00:00:00.000Z"}
            {"id":"b:7","time":"2026-03-01T12:00:00.000Z","account_id":"42","type":"account.updated","name":"Acme","traits":{"tier":"gold"}}
            {"id":"b:7","time":"2026-03-01T12:00:00.000Z","account_id":"42","type":"nps.responded","score":9}
            wrong_type: score is the number 9.5, it must be a whole number
            absurd_time: time is +58134-01-21T00:00:00+00:00, which is not from 1990-01-01T00:00:00.000Z to 2100-01-01T00:00:00.000Z; correct the producer's clock or unit
            malformed_time: time is the text `2026-03-01T12:00:00Z`, it must be seconds since 1970
            missing_field: time is missing
            missing_field: id is missing
            wrong_type: account_id is an object, it must be text
            duplicate_key: key org.id stands twice in the record; send each key once
            unknown type Ping
            unknown type Debug
            missing_account: account_id is missing; every event belongs to an account
            not_json: record is not JSON: expected value at line 1 column 1; it begins with `source.progress`"#]],
    );
}

#[test]
fn delimited_lines_and_other_times() {
    let lines = mapping(
        r#"
        format = "columns"
        columns = ["when", "who", "what"]
        delimiter = ";"
        id = ["when", "who"]
        time = "when"
        time_format = "milliseconds"
        account = "who"
        type = "what"
        types = { survey = "survey.sent" }
        "#,
    );
    check(
        &lines,
        "
1772366400000; acme ltd ;survey
1772366400000;;survey
1772366400000;acme;other
1772366400000;acme;
1772366400000;acme
1772366400000;acme;survey;more
x;acme;survey
        ",
        &expect![[r#"
            {"id":"1772366400000:acme ltd","time":"2026-03-01T12:00:00.000Z","account_id":"acme ltd","type":"survey.sent"}
            empty_account: account_id is empty; every event belongs to an account
            unknown type other
            missing_field: type is missing
            wrong_columns: line has 2 columns, the mapping names 3; it begins with `1772366400000;acme`
            wrong_columns: line has 4 columns, the mapping names 3; it begins with `1772366400000;acme;survey;more`
            malformed_time: time is the text `x`, it must be milliseconds since 1970"#]],
    );
}

#[test]
fn control_records_cannot_be_forged() {
    let mapping = mapping(RICH);
    let forged = br#"{"type":"source.progress","version":1,"event":"Limit Hit","reached":"2026-03-01T12:00:00Z"}"#;
    assert!(matches!(mapping.decode(forged), Err(Refusal::MissingAccount)));
    check_problems(
        "id = 'id'\ntime = 'time'\naccount = 'account'\ntype_default = 'source.progress'",
        &expect!["type_default: `source.progress` is no event type; see docs/schemas/event.schema.json"],
    );
}

#[test]
fn every_problem_is_told_at_once() {
    check_problems(
        "",
        &expect![[r#"
        id: is missing; give the path of the event's id, or "@hash" where there is none
        time: is missing; give the path of the value in the record
        account: is missing; give the path of the value in the record
        type: is missing; give the path of the event type, or type_default where there is none"#]],
    );
    check_problems(
        r#"
        columns = ["a"]
        delimiter = ""
        id = "a..b"
        time = "@hash"
        account = "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q"
        type = "type"
        types = { a = "feature.abused", b = "feature.used", c = "invoice.paid", d = "trial.started", e = "account.updated" }
        [fields."feature.used"]
        feature = { constant = 7 }
        quantity = { path = "n", constant = 1 }
        score = { constant = 7 }
        [fields."invoice.paid"]
        amount = { path = "x", scale = 0.0, time_format = "date" }
        currency = { path = "x", abs = true }
        [fields."trial.started"]
        ends_at = {}
        id = { path = "x" }
        [fields."account.updated"]
        "traits.plan_features" = { path = "x" }
        traits = { path = "x" }
        [fields."survey.sent"]
        [fields."survey.cent"]
        "#,
        &expect![[r#"
            format: columns and delimiter need format = "columns"
            delimiter: the delimiter is empty; leave it out for columns parted by blanks
            id: `a..b` is no path; write keys parted by dots, such as properties.value
            time: `@hash` is no path; write keys parted by dots, such as properties.value
            account: `a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q` has more than 16 keys
            types."a": `feature.abused` is no event type; see docs/schemas/event.schema.json
            fields."account.updated".traits: events of type account.updated have no such field; they have name, owner, "traits.NAME", source
            fields."account.updated".traits.plan_features: events of type account.updated have no such field; they have name, owner, "traits.NAME", source
            fields."feature.used".feature: the constant is refused: feature is the number 7, it must be text
            fields."feature.used".quantity: give either path or constant
            fields."feature.used".score: events of type feature.used have no such field; they have feature, quantity, source
            fields."invoice.paid".amount: scale must be above 0; use abs to drop a sign
            fields."invoice.paid".amount: time_format is for times that are copied from a path
            fields."invoice.paid".currency: scale and abs are for numbers that are copied from a path
            fields."survey.cent": `survey.cent` is no event type; see docs/schemas/event.schema.json
            fields."survey.sent": no type of the source becomes this one; add it to types or leave this out
            fields."trial.started".ends_at: give either path or constant
            fields."trial.started".id: events of type trial.started have no such field; they have card_on_file, ends_at, source"#]],
    );
    check_problems(
        r#"
        format = "columns"
        columns = ["a", "b", "a"]
        id = "c"
        time = "a"
        account = "b"
        type = "a"
        "#,
        &expect![[r"
            columns: column `a` is named twice; give each its own name
            id: there is no column `c`; the columns are a, b, a
            types: is empty; say which types of the source become which of ours, or give type_default"]],
    );
}

#[test]
fn an_empty_path_is_told_as_one() {
    check_problems(
        "id = 'id'\ntime = ''\naccount = ''\nuser = ''\ntype_default = 'trial.expired'",
        &expect![[r#"
        time: is empty; give the path of the value in the record
        account: is empty; give the path of the value in the record
        user: is empty; give the path of the value in the record"#]],
    );
}

#[test]
fn constants_are_judged_as_records_are() {
    check_problems(
        r#"
        id = "id"
        time = "time"
        account = "account"
        type = "type"
        types = { a = "feature.used", b = "invoice.paid", c = "subscription.started", d = "user.added", e = "nps.responded", f = "trial.started", g = "payment.refunded" }
        [fields."feature.used"]
        feature = { constant = "" }
        quantity = { constant = -4 }
        source = { constant = " " }
        [fields."invoice.paid"]
        amount = { constant = -5 }
        currency = { constant = "ZZZ" }
        [fields."subscription.started"]
        subscription = { path = "sub" }
        mrr = { constant = 1.5 }
        interval = { constant = "decade" }
        [fields."user.added"]
        role = { constant = "boss" }
        [fields."nps.responded"]
        score = { constant = 11 }
        [fields."trial.started"]
        card_on_file = { constant = "yes" }
        ends_at = { constant = "soon" }
        [fields."payment.refunded"]
        currency = { constant = 840 }
        "#,
        &expect![[r#"
            fields."feature.used".feature: the constant is refused: feature is empty; the event needs its value
            fields."feature.used".quantity: the constant is refused: quantity is -4, it must be from 0 to 4294967295
            fields."feature.used".source: the constant is refused: source is empty; leave it out or give its value
            fields."invoice.paid".amount: the constant is refused: amount is -5, it must not be negative
            fields."invoice.paid".currency: the constant is refused: currency is `ZZZ`, it must be an ISO 4217 code such as USD
            fields."nps.responded".score: the constant is refused: score is 11, it must be from 0 to 10
            fields."payment.refunded".currency: the constant is refused: currency is the number 840, it must be text
            fields."subscription.started".interval: the constant is refused: interval is `decade`, it must be one of day, week, month, quarter, year
            fields."subscription.started".mrr: the constant is refused: mrr is the number 1.5, it must be a whole number of minor units
            fields."trial.started".card_on_file: the constant is refused: card_on_file is the text `yes`, it must be true or false
            fields."trial.started".ends_at: the constant is refused: ends_at is the text `soon`, it must be an RFC 3339 time such as 2026-03-01T12:00:00Z
            fields."user.added".role: the constant is refused: role is `boss`, it must be one of champion, admin, sponsor, member, internal, service"#]],
    );
}

#[test]
fn a_right_constant_is_taken_in_events_of_every_type() {
    for known in crate::wire::types::TYPES {
        let mut spec: Spec = toml::from_str("id = 'id'\ntime = 'time'\naccount = 'account'").unwrap();
        spec.type_default = Some(known.name.to_owned());
        let given = |field: &crate::wire::raw::Field| {
            (field.name().to_owned(), FieldSpec { path: Some("x".to_owned()), ..FieldSpec::default() })
        };
        let mut fields: TypeSpec = known.required.iter().map(given).collect();
        fields.insert(
            "source".to_owned(),
            FieldSpec { constant: Some(Constant::Text("x".to_owned())), ..FieldSpec::default() },
        );
        spec.fields.insert(known.name.to_owned(), fields);
        assert!(spec.compile().is_ok(), "{}", known.name);
    }
}

#[test]
fn unknown_keys_are_refused() {
    let error = toml::from_str::<Spec>("acount = 'x'").unwrap_err().to_string();
    assert!(error.contains("acount"), "{error}");
}

#[test]
fn deep_nesting_is_passed_over_or_refused() {
    let mapping = mapping(RICH);
    for nested in ["[".repeat(100_000) + &"]".repeat(100_000), r#"{"a":"#.repeat(100_000) + "1" + &"}".repeat(100_000)]
    {
        let record = |org: &str, more: &str| {
            let json = format!(
                r#"{{"meta":{{"batch":"b","index":7}},"at":1772366400,"org":{{"id":{org}}},"event":"X","more":{more}}}"#
            );
            mapping.decode(json.as_bytes()).map(|_| ()).map_err(|refusal| refusal.name())
        };
        assert_eq!(record("1", &nested), Ok(()));
        assert_eq!(record(&nested, "1"), Err("wrong_type"));
        assert!(mapping.decode(nested.as_bytes()).is_err());
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100), text in "[ \\[\\]{}\",:.0-9aet\n]{0,40}") {
        for mapping in [mapping(RICH), example("cdnow")] {
            let _ = mapping.decode(&bytes);
            let _ = mapping.decode(text.as_bytes());
            let _ = mapping.decode(format!(r#"{{"event":"Plan","props":{text}}}"#).as_bytes());
        }
    }
}
