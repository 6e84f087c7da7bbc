//! Events in as text, what they are read as out; and the properties of reading and writing.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::engine::event::{Interval, SubscriptionChange};
use crate::engine::fleet::prior::GammaPrior;
use crate::engine::input::{SourceReport, SourceTopic};
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
        {"id":"e","time":"2026-03-01T12:00:00Z","account_id":"a","type":" "}
        {"id":"e","time":"2026-03-01T12:00:00Z","account_id":"a","type":"survey.shredded"}
        {"id":"e","id":"e","time":"2026-03-01T12:00:00Z","account_id":"a","type":"survey.sent"}
        "#,
        &expect![[r#"
            {"id":"e1","time":"2026-03-01T10:00:00.000Z","account_id":"aä","type":"survey.sent","user_id":"u","source":"s"}
            missing_field: id is missing
            missing_field: id is missing
            empty_id: id is empty; the event needs its value
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
            empty_id: type is empty; the event needs its value
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
    let marked = decode("\u{feff}{\"id\":\"e\"}".as_bytes()).unwrap_err().to_string();
    expect![[
        r#"record is not JSON: a byte order mark stands before it, send UTF-8 without one; it begins with `{"id":"e"}`"#
    ]]
    .assert_eq(&marked);
    assert_eq!(decode(b"").unwrap_err().name(), "empty");
    assert_eq!(decode(b" \r\n").unwrap_err().name(), "empty");
    assert_eq!(decode(b"{\"id\":\"\xff\"}").unwrap_err(), Refusal::NotUtf8 { valid_bytes: 7 });
}

#[test]
fn a_survey_says_which_it_is_or_is_one_of_nps() {
    check_own(
        r#"
        "type":"survey.sent","survey":"csat"
        "type":"survey.sent","survey":" CSAT "
        "type":"survey.sent","survey":"nps"
        "type":"survey.sent","survey":"relationship"
        "type":"survey.sent","survey":""
        "type":"survey.sent","survey":7
        "#,
        &expect![[r#"
            {"id":"e1","time":"2026-03-01T12:00:00.000Z","account_id":"a1","type":"survey.sent","survey":"csat"}
            {"id":"e1","time":"2026-03-01T12:00:00.000Z","account_id":"a1","type":"survey.sent","survey":"csat"}
            {"id":"e1","time":"2026-03-01T12:00:00.000Z","account_id":"a1","type":"survey.sent"}
            {"id":"e1","time":"2026-03-01T12:00:00.000Z","account_id":"a1","type":"survey.sent"}
            {"id":"e1","time":"2026-03-01T12:00:00.000Z","account_id":"a1","type":"survey.sent"}
            {"id":"e1","time":"2026-03-01T12:00:00.000Z","account_id":"a1","type":"survey.sent"}"#]],
    );
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
            {"id":"e1","time":"2026-03-01T12:00:00.000Z","account_id":"a1","type":"feature.used","feature":"export","quantity":0}
            wrong_type: quantity is the number 1.5, it must be a whole number
            number_out_of_range: quantity is 99999999999, it must be from 0 to 4294967295
            empty_id: feature is empty; the event needs its value
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
            unknown_value: role is `king`, it must be one of champion, admin, sponsor, member, internal, service
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
            {"type":"fleet.updated","version":1,"day":null,"prior_14":{"shape":0.5,"exposure_days":3.0},"prior_182":{"shape":0.6,"exposure_days":4.0},"curve":[[0.018076000239368062,0.0033705901334143418,0.003976729543440194,0.004684968943223011,0.005509743070509665,0.006466407377570205,0.0075707951507917315,0.00883851483021525,0.010283909992532703,0.011918600114883993,0.013749527850096643,0.015776466837288283,0.017989004203730286,0.020363116074597176,0.02285761227019012,0.02541093845610054,0.02793907156299824,0.030335476931679706,0.03247422138754008,0.034217223512365,0.03542612659342237,0.0359783106266407,0.03578518336087677,0.03480943074419951,0.033076960144453826,0.030679525080848147,0.02776587064564351,0.024522357752901125,0.021147273592015847,0.017824957800899432,0.014705559680365798,0.011893929272979054,0.00944804107404218,0.0073848269065465155,0.005690130283530381,0.004329653038614101,0.0032587021062231436,0.0024296522329114723,0.0017969250223280886,0.001319812708474366,0.0009636875505377729,0.0007001432908660954,0.0005065187310572261,0.00036512814577460695,0.0002624084516840153,0.00018810409259018002,0.00013454903424936493,0.00009606653084404115,0.0000684852886255749,0.000048759723612068484,0.00003467788582189879,0.000024640310749668437,0.00001749463709654897,0.000012413148494205828,0.00001,0.00001,0.00001,0.00001,0.00001,0.00001,0.00001,0.00001,0.00001,0.00001],[0.019883600263304713,0.0037144870556902188,0.0043839828174470075,0.005166864997297793,0.006079418855345797,0.0071390862531965915,0.008364022737429866,0.009772378186124309,0.011381214769288106,0.013204968604546785,0.015253365575266464,0.017528726380643955,0.020022652969260202,0.02271219183907669,0.025555731691719208,0.028489118408911662,0.03142274632147679,0.034240667153774496,0.03680295837774261,0.03895257345477676,0.040527488822875046,0.04137802418787684,0.04138773439826182,0.040494509877323726,0.03870708102010556,0.03611184099534959,0.0328664679460372,0.029180208019702114,0.02528478364262754,0.021402917480945693,0.017721929405453363,0.014377599426006804,0.011449744691424013,0.008967530429533133,0.0069206641630989996,0.005272498500522915,0.0039720936483964575,0.002963670242633887,0.0021930486624761603,0.001611398653046936,0.0011769384709858777,0.0008552580190909209,0.000618832553394455,0.00044614061097814073,0.0003206560676407566,0.00022987153303177799,0.000164431748755689,0.0001174059692682361,0.00008369984033673727,0.00005959299086910619,0.000042382958084563604,0.000030115368336636195,0.000021382048712714763,0.000015171482330766928,0.00001075893211210932,0.00001,0.00001,0.00001,0.00001,0.00001,0.00001,0.00001,0.00001,0.00001],[0.02530640033511533,0.004753831034790323,0.005616516464848842,0.00662770668191115,0.007809737398745575,0.00918700001503947,0.01078556773741346,0.012632517324426051,0.014754838894890043,0.01717780917666023,0.019922694730682755,0.02300365977102914,0.02642379054527666,0.030170230598374537,0.03420856619250756,0.03847682414896969,0.042879751543211,0.04728442373697894,0.05151862472616908,0.05537376056925347,0.05861413672729876,0.060994024800447466,0.06228281327060381,0.06229652478961534,0.06093124237136249,0.05819123743618948,0.05420319862889922,0.04920949013854503,0.043538504454150306,0.03755757099887558,0.031620204782947026,0.02602128770880696,0.020970042383849585,0.01658361229747274,0.012897469050034527,0.009885414041484353,0.007481980035888514,0.005602218605023301,0.004156514282043333,0.0030601269471821624,0.002238313189463992,0.001628268373352726,0.0011790659986159469,0.0008505116112006439,0.0006115383281457554,0.00043852645578190685,0.0003137523088231342,0.00022405585517137894,0.00015974860496137389,0.00011374718530665628,0.00008090218699752239,0.0000574875640255712,0.00004081754964835316,0.000028962368282092754,0.000020539090695770312,0.000014558841678113943,0.000010315806168836872,0.00001,0.00001,0.00001,0.00001,0.00001,0.00001,0.00001],[0.028921600382988633,0.0054531759275648906,0.00644730303519403,0.0076144286663542005,0.008981359388996801,0.01057773050786337,0.01243574496497668,0.01458961327860775,0.0170745801856218,0.01992540146199484,0.02317411764002464,0.026846967491382823,0.03096030397081173,0.035515432865661056,0.04049240597199233,0.04584298221156036,0.05148323299249091,0.05728661268920654,0.0630787233883221,0.06863542995043914,0.07368634331431845,0.07792584664354407,0.08103356876646794,0.0827051956882553,0.08269240036113479,0.0808473070106932,0.07716279394554781,0.07179672578800123,0.0650685341292796,0.057422583459363685,0.04936369261264173,0.04138119881030233,0.03388263005863401,0.027153325921020044,0.02134722529069022,0.01650309641240011,0.01257475636283778,0.00946405510694559,0.007049144167200483,0.005204870052979427,0.0038152817700468633,0.002779832954979522,0.0020152644795604635,0.0014549159969062808,0.001046752835628717,0.0007509403340485443,0.0005374428917772622,0.0003838829994874393,0.00027374682405456596,0.00019494055282021083,0.00013866187347755243,0.00009853619674415892,0.0000699659358517346,0.000049646249924761854,0.00003520809873502895,0.000024957125040470096,0.000017683792933431697,0.000012526010967572887,0.00001,0.00001,0.00001,0.00001,0.00001,0.00001],[0.031813760421287696,0.006016412183632469,0.007117249290321537,0.008411323914543356,0.009929285379946418,0.011705339783564472,0.013777123954441306,0.01618530282899855,0.018972777475068092,0.022183367139586574,0.025859808632031744,0.03004090643820112,0.034757676202240906,0.040028364037650865,0.0458523071048228,0.052202738214516486,0.05901883501129823,0.06619756984000846,0.07358621633868367,0.0809766916703335,0.08810323657146757,0.0946452406706716,0.10023728060031156,0.1044885629363208,0.10701369458499799,0.10747550899412295,0.1056378171441198,0.10142097510647918,0.0949469426580305,0.08655624871696888,0.07678184768427365,0.06627718429384089,0.05571422159125905,0.04568129710455493,0.03661067964730014,0.028751373652055934,0.02218376830047797,0.016860093752935956,0.0126524326094275,0.009395182599925889,0.006916002893622708,0.005054766978919267,0.0036728768591466343,0.0026560373754879185,0.0019132121226460574,0.0013737296302305246,0.0009837821063981567,0.0007030067023848785,0.0005014739114826972,0.00035719090108299323,0.0002541123319217409,0.00018059870124664812,0.00012824519996779138,0.00009100520527860478,0.00006454168822078721,0.00004575146895136051,0.00003241865105252373,0.00002296353298436582,0.000016261485510371543,0.000011512757791098949,0.00001,0.00001,0.00001,0.00001],[0.03325984044043706,0.006299294071148931,0.007454012111061448,0.00881230665557231,0.010406840399677653,0.012274235628364827,0.014455032206120322,0.016993387259485182,0.019936407633219577,0.023332982825901682,0.027231966244379402,0.0316795422219851,0.036715623634908656,0.0423691603191948,0.04865231236279788,0.0555535626305419,0.06303001072705072,0.07099929634863233,0.07933182184339183,0.08784415308498572,0.09629465319484798,0.10438255254701123,0.11175183221241558,0.11800157581826332,0.1227048521487808,0.1254385312735996,0.1258260812294788,0.12359321124693023,0.11863104697960125,0.11105346060880505,0.10122747281957378,0.08975495461814398,0.07739628167503043,0.06495023171123182,0.05312620299059789,0.04244918085571714,0.033221146877497,0.025536971156282284,0.01933451986218826,0.014454855560195434,0.01069516799016057,0.007846743154446001,0.005717617240674655,0.004143192403086582,0.0029889049903308873,0.002148416935880526,0.0015397607916524114,0.0011009195059973331,0.0007856288308540904,0.0005597485047176276,0.0003982963315103394,0.00028311170569839117,0.00020106147013820852,0.0001426873910446158,0.00010120037751182309,0.00007174023188105672,0.00005083513259873662,0.00003600938675552001,0.00002550015979019271,0.000018053693523034653,0.000012779159795917039,0.00001,0.00001,0.00001],[0.03434440045479914,0.006512011486432878,0.007707372453575112,0.009114161659954378,0.010766593090861809,0.01270316011395689,0.014966664206142566,0.017604002531666607,0.020665609930657247,0.02420442862236294,0.028274260334525847,0.03292734648717244,0.03821103051756136,0.04416339204243225,0.050807814712180877,0.0581465641752037,0.06615360713548801,0.07476708152167544,0.0838820004072186,0.09334389685237476,0.10294415610088614,0.11241772939671946,0.1214438356751909,0.1296502684275509,0.13662222668361412,0.14191733475724877,0.1450896282241253,0.14572617721085068,0.14349935651725054,0.1382336390735307,0.12997689131768064,0.11905432674896077,0.10607573387674618,0.09187368315439859,0.07737624775007823,0.06345059069736914,0.0507705788149575,0.039748690987130075,0.03053987782809664,0.02309609721119754,0.017239994816437565,0.012732732465491337,0.00932376415274938,0.006780930630031823,0.004904764471458267,0.0035323193367997607,0.0025351133446864793,0.0018143992180752466,0.0012957016411169198,0.0009236390603746258,0.0006574667709684512,0.0004674529918193837,0.0003320389712305749,0.00023566913134132061,0.0001671627955638355,0.00011850834140847422,0.00008397894562361952,0.00005948898751706455,0.0000421283016539542,0.00002982664031880855,0.000021112792782385092,0.000014942140701079687,0.000010573481784126315,0.00001]],"calendar":{"end":0,"days":[],"profile":[1.0,1.0,1.0,1.0,1.0,1.0,1.0]},"models":[null,null],"segments":[]}
            control_record: control record fleet.updated cannot be read: shape and exposure_days must be above 0 and at most 1e12"#]],
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
        "survey" => "\"csat\"",
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
        prop_assert_eq!(&*back, &fleet);
    }
}
