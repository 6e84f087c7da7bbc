//! Alerts as lines of text, and what goes out about them.

use std::collections::BTreeMap;
use std::fmt::Write;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::notice::Notice;
use super::owner::OPEN_MAX;
use super::{DIGEST_ITEMS_MAX, Desk, OWNERS_MAX, Outgoing, Settings, Shown, Why};
use crate::engine::effect::{AlertChange, Band, Health, Severity, Transition};
use crate::units::{Currency, DAY_MS, HOUR_MS, Money, Ratio, Span, Timestamp};

/// A Monday.
const DAY_0: i64 = 20_003;

fn settings() -> Settings {
    Settings { budget_per_owner_week: 2, deliver_max_age: Span::from_days(1) }
}

fn change(id: &str, owner: &str, transition: Transition, minor: i64, hour: i64) -> AlertChange {
    let as_of = Timestamp::clamped(DAY_0 * DAY_MS + hour * HOUR_MS);
    let closing = [Transition::Resolved, Transition::Retracted, Transition::Churned, Transition::Retained];
    AlertChange {
        alert_id: id.to_owned(),
        alert_type: "churn_risk",
        episode: 1,
        transition,
        severity: Severity::Warning,
        is_open: !closing.contains(&transition),
        raised_at: as_of,
        reason: None,
        act: None,
        is_acknowledged: false,
        snoozed_until: None,
        title: "At risk".to_owned(),
        owner: owner.to_owned(),
        escalate_to: None,
        plan: None,
        reasons: Vec::new(),
        link: None,
        health: Health {
            account_id: format!("account of {id}"),
            name: None,
            owner: None,
            segment: String::new(),
            as_of,
            last_seen: None,
            band: Band::AtRisk,
            risk: Ratio::ONE,
            contributions: Vec::new(),
            evidence: Vec::new(),
            mrr: None,
            revenue_at_risk: Some(Money { minor, currency: Currency::USD }),
            renewal_at: None,
            churned_at: None,
            unknown: Vec::new(),
        },
        rules: String::new(),
    }
}

fn shown(outgoing: &Outgoing) -> String {
    let when = |time: Timestamp| {
        let hours = (time.ms() - DAY_0 * DAY_MS) / HOUR_MS;
        format!("day {} {:02}h", hours / 24, hours % 24)
    };
    match outgoing {
        Outgoing::Delivered(delivery) => {
            let displaced = delivery.displaced.as_ref().map(|id| format!(", {id} goes back")).unwrap_or_default();
            let (at, id) = (when(delivery.at), &delivery.item.alert_id);
            let what = delivery.transition.map_or("waited", Transition::name);
            format!("{at} to {}: {id} {what} {:?}{displaced}", delivery.owner, delivery.why)
        }
        Outgoing::Digest(digest) => {
            let mut out = format!("{} digest for {}", when(digest.at), digest.owner);
            if digest.is_catch_up {
                out.push_str(" to catch up");
            }
            for item in &digest.items {
                let minor = item.revenue_at_risk.map_or(0, |money| money.minor);
                let _ = write!(
                    out,
                    ", {} {minor}{}",
                    item.alert_id,
                    if item.shown == Shown::Delivered { " delivered" } else { "" }
                );
            }
            if digest.items.is_empty() {
                out.push_str(", nothing open");
            }
            if digest.more > 0 {
                let _ = write!(out, ", {} more", digest.more);
            }
            out
        }
    }
}

/// Lines `HOUR OWNER ID TRANSITION REVENUE`, all known at once, or at the hour after `@`; then the end.
fn check(lines: &[&str], expected: &Expect) {
    let mut desk = Desk::new(settings());
    let (mut out, mut text) = (Vec::new(), String::new());
    let mut last = Timestamp::MIN;
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let [hour, owner, id, transition, minor, ..] = words.as_slice() else { panic!("{line}") };
        let transition = Transition::ALL.into_iter().find(|known| known.name() == *transition).unwrap();
        let change = change(id, owner, transition, minor.parse().unwrap(), hour.parse().unwrap());
        let known_at = words.get(5).map_or(change.health.as_of, |hour| {
            Timestamp::clamped(DAY_0 * DAY_MS + hour.trim_start_matches('@').parse::<i64>().unwrap() * HOUR_MS)
        });
        last = last.max(known_at);
        desk.change(Notice::of(&change), known_at, &mut out);
        writeln!(text, "> {line}").unwrap();
        out.drain(..).for_each(|outgoing| writeln!(text, "{}", shown(&outgoing)).unwrap());
    }
    desk.finish(last, &mut out);
    out.drain(..).for_each(|outgoing| writeln!(text, "{}", shown(&outgoing)).unwrap());
    expected.assert_eq(&text);
}

#[test]
fn beyond_the_budget_the_lowest_revenue_at_risk_is_in_the_digest() {
    check(
        &["1 kim a raised 10", "2 kim b raised 30", "3 kim c raised 5", "4 kim d raised 20", "30 kim a escalated 12"],
        &expect![[r#"
            > 1 kim a raised 10
            day 0 01h to kim: a raised New
            > 2 kim b raised 30
            day 0 02h to kim: b raised New
            > 3 kim c raised 5
            > 4 kim d raised 20
            day 0 04h to kim: d raised New, a goes back
            > 30 kim a escalated 12
            day 1 00h digest for kim, b 30 delivered, d 20 delivered, a 10, c 5
            day 2 00h digest for kim, b 30 delivered, d 20 delivered, a 12, c 5
        "#]],
    );
}

#[test]
fn never_more_than_twice_the_budget_goes_out_in_a_week() {
    check(
        &[
            "1 kim a raised 1",
            "2 kim b raised 2",
            "3 kim c raised 3",
            "4 kim d raised 4",
            "5 kim e raised 5",
            "168 kim f raised 1",
        ],
        &expect![[r#"
            > 1 kim a raised 1
            day 0 01h to kim: a raised New
            > 2 kim b raised 2
            day 0 02h to kim: b raised New
            > 3 kim c raised 3
            day 0 03h to kim: c raised New, a goes back
            > 4 kim d raised 4
            day 0 04h to kim: d raised New, b goes back
            > 5 kim e raised 5
            > 168 kim f raised 1
            day 1 00h digest for kim, e 5, d 4 delivered, c 3 delivered, b 2, a 1
            day 7 00h to kim: e waited Promoted
            day 7 00h to kim: b waited Promoted
            day 8 00h digest for kim, e 5 delivered, d 4 delivered, c 3 delivered, b 2 delivered, a 1, f 1
        "#]],
    );
}

#[test]
fn the_places_of_a_new_week_go_to_what_waits_with_the_most_at_risk() {
    check(
        &[
            "1 kim a raised 50",
            "2 kim b raised 60",
            "3 kim c raised 10",
            "4 kim d raised 30",
            "5 kim e raised 40",
            "6 kim f raised 20",
            "7 sam g raised 5",
            "160 kim h raised 25",
            "170 kim i raised 25",
            "171 kim j raised 70",
            "172 kim d resolved 30",
            "310 sam g eased 5",
            "700 sam g eased 5",
        ],
        &expect![[r#"
            > 1 kim a raised 50
            day 0 01h to kim: a raised New
            > 2 kim b raised 60
            day 0 02h to kim: b raised New
            > 3 kim c raised 10
            > 4 kim d raised 30
            > 5 kim e raised 40
            > 6 kim f raised 20
            > 7 sam g raised 5
            day 0 07h to sam: g raised New
            > 160 kim h raised 25
            day 1 00h digest for kim, b 60 delivered, a 50 delivered, e 40, d 30, f 20, c 10
            day 1 00h digest for sam, g 5 delivered
            > 170 kim i raised 25
            day 7 00h digest for kim, b 60 delivered, a 50 delivered, e 40, d 30, h 25, f 20, c 10
            day 7 00h to kim: e waited Promoted
            day 7 00h to kim: d waited Promoted
            > 171 kim j raised 70
            day 7 03h to kim: j raised New, d goes back
            > 172 kim d resolved 30
            day 7 04h to kim: d resolved FollowUp
            > 310 sam g eased 5
            day 8 00h digest for kim, j 70 delivered, b 60 delivered, a 50 delivered, e 40 delivered, h 25, i 25, f 20, c 10
            day 12 22h to sam: g eased FollowUp
            > 700 sam g eased 5
            day 13 00h digest for sam, g 5 delivered
            day 14 00h to kim: h waited Promoted
            day 14 00h to kim: i waited Promoted
            day 21 00h to kim: f waited Promoted
            day 21 00h to kim: c waited Promoted
            day 29 04h to sam: g eased FollowUp
            day 30 00h digest for sam, g 5 delivered
        "#]],
    );
}

#[test]
fn what_has_gone_out_is_followed_up_and_what_has_not_is_not() {
    check(
        &[
            "1 kim a raised 10",
            "2 kim b raised 10",
            "3 kim c raised 10",
            "4 kim a acknowledged 10",
            "5 kim c eased 10",
            "6 kim a resolved 10",
            "7 kim c resolved 10",
            "8 kim c retained 10",
        ],
        &expect![[r#"
            > 1 kim a raised 10
            day 0 01h to kim: a raised New
            > 2 kim b raised 10
            day 0 02h to kim: b raised New
            > 3 kim c raised 10
            > 4 kim a acknowledged 10
            day 0 04h to kim: a acknowledged FollowUp
            > 5 kim c eased 10
            > 6 kim a resolved 10
            day 0 06h to kim: a resolved FollowUp
            > 7 kim c resolved 10
            > 8 kim c retained 10
            day 1 00h digest for kim, b 10 delivered
        "#]],
    );
}

#[test]
fn whoever_was_told_of_a_displaced_alert_is_told_of_its_end() {
    check(
        &["1 kim a raised 1", "2 kim b raised 2", "3 kim c raised 3", "4 kim a amended 1", "5 kim a resolved 1"],
        &expect![[r#"
            > 1 kim a raised 1
            day 0 01h to kim: a raised New
            > 2 kim b raised 2
            day 0 02h to kim: b raised New
            > 3 kim c raised 3
            day 0 03h to kim: c raised New, a goes back
            > 4 kim a amended 1
            > 5 kim a resolved 1
            day 0 05h to kim: a resolved FollowUp
            day 1 00h digest for kim, c 3 delivered, b 2 delivered
        "#]],
    );
}

#[test]
fn an_alert_moves_with_its_owner() {
    check(
        &["1 kim a raised 10", "2 sam a escalated 10", "30 sam b raised 7"],
        &expect![[r#"
            > 1 kim a raised 10
            day 0 01h to kim: a raised New
            > 2 sam a escalated 10
            day 0 02h to sam: a escalated Promoted
            > 30 sam b raised 7
            day 1 00h digest for kim, nothing open
            day 1 00h digest for sam, a 10 delivered
            day 1 06h to sam: b raised New
            day 2 00h digest for sam, a 10 delivered, b 7 delivered
        "#]],
    );
}

#[test]
fn an_alert_that_goes_to_and_fro_goes_out_no_more_often_than_others() {
    check(
        &[
            "1 kim a raised 10",
            "2 sam a escalated 10",
            "3 kim a escalated 10",
            "4 sam a escalated 10",
            "5 kim a escalated 10",
            "6 kim b raised 5",
            "7 kim c raised 20",
        ],
        &expect![[r#"
            > 1 kim a raised 10
            day 0 01h to kim: a raised New
            > 2 sam a escalated 10
            day 0 02h to sam: a escalated Promoted
            > 3 kim a escalated 10
            day 0 03h to kim: a escalated Promoted
            > 4 sam a escalated 10
            day 0 04h to sam: a escalated Promoted
            > 5 kim a escalated 10
            day 0 05h to kim: a escalated Promoted
            > 6 kim b raised 5
            day 0 06h to kim: b raised New
            > 7 kim c raised 20
            day 1 00h digest for kim, c 20, a 10 delivered, b 5 delivered
            day 1 00h digest for sam, nothing open
        "#]],
    );
}

#[test]
fn history_goes_out_as_one_digest_of_what_is_open() {
    check(
        &[
            "1 kim a raised 10 @500",
            "2 kim b raised 30 @500",
            "50 sam c raised 5 @500",
            "60 kim b resolved 30 @500",
            "490 kim d raised 40 @500",
        ],
        &expect![[r#"
            > 1 kim a raised 10 @500
            > 2 kim b raised 30 @500
            > 50 sam c raised 5 @500
            > 60 kim b resolved 30 @500
            > 490 kim d raised 40 @500
            day 20 10h to kim: d raised New
            day 21 00h digest for kim to catch up, d 40 delivered, a 10
            day 21 00h digest for sam to catch up, c 5
        "#]],
    );
    check(
        &["1 kim a raised 10 @500", "2 kim b raised 30 @500"],
        &expect![[r#"
            > 1 kim a raised 10 @500
            > 2 kim b raised 30 @500
            day 21 00h digest for kim to catch up, b 30, a 10
        "#]],
    );
}

/// The input may go on for longer than anything is raised.
#[test]
fn the_digest_of_the_last_day_with_news_is_of_that_day() {
    check(
        &["1 kim a raised 10 @25"],
        &expect![[r#"
            > 1 kim a raised 10 @25
            day 0 01h to kim: a raised New
            day 1 00h digest for kim, a 10 delivered
        "#]],
    );
}

#[test]
fn desks_are_bounded() {
    let mut desk = Desk::new(settings());
    let mut out = Vec::new();
    for n in 0..OPEN_MAX + 10 {
        let minor = i64::try_from(n).unwrap();
        let change = change(&format!("a{n}"), "kim", Transition::Raised, minor, 1);
        desk.change(Notice::of(&change), Timestamp::MIN, &mut out);
    }
    for n in 0..OWNERS_MAX + 10 {
        let change = change(&format!("b{n}"), &format!("owner{n}"), Transition::Raised, 1, 1);
        desk.change(Notice::of(&change), Timestamp::MIN, &mut out);
    }
    assert!(desk.owners.len() <= OWNERS_MAX + 1);
    assert_eq!(desk.owner_of.len(), OPEN_MAX + OWNERS_MAX + 10);
    out.clear();
    desk.finish(Timestamp::MIN, &mut out);
    let digest = out.iter().find_map(|outgoing| match outgoing {
        Outgoing::Digest(digest) if digest.owner == "kim" => Some(digest),
        _ => None,
    });
    let digest = digest.unwrap();
    assert_eq!((digest.items.len(), digest.more), (DIGEST_ITEMS_MAX, (OPEN_MAX + 10 - DIGEST_ITEMS_MAX) as u64));
    assert!(digest.items.is_sorted_by_key(|item| -item.revenue_at_risk.unwrap().minor));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn budgets_hold_and_nothing_that_is_open_is_lost(
        steps in proptest::collection::vec((0..3_u8, 0..30_u8, 0..6_u8, 0..50_i64, 0..20_i64), 1..120)
    ) {
        let mut desk = Desk::new(settings());
        let (mut out, mut hour) = (Vec::new(), 0);
        let mut open: BTreeMap<String, String> = BTreeMap::new();
        let mut sent: BTreeMap<(String, u16), u32> = BTreeMap::new();
        for (owner, id, choice, minor, hours) in steps {
            hour += hours;
            let (owner, id) = (format!("o{owner}"), format!("a{id}"));
            let transition = match (choice, open.contains_key(&id)) {
                (_, false) => Transition::Raised,
                (0 | 1, true) => Transition::Escalated,
                (2, true) => Transition::Acknowledged,
                (3, true) => Transition::Woken,
                (_, true) => Transition::Resolved,
            };
            let change = change(&id, &owner, transition, minor, hour);
            if change.is_open { open.insert(id, owner) } else { open.remove(&id) };
            desk.change(Notice::of(&change), change.health.as_of, &mut out);
        }
        desk.old_until = Some(Timestamp::MIN);
        desk.finish(Timestamp::clamped(DAY_0 * DAY_MS + hour * HOUR_MS), &mut out);
        let mut listed: BTreeMap<String, String> = BTreeMap::new();
        for outgoing in &out {
            match outgoing {
                Outgoing::Delivered(delivery) if delivery.why != Why::FollowUp => {
                    *sent.entry((delivery.owner.clone(), delivery.at.day().week())).or_default() += 1;
                }
                Outgoing::Delivered(_) => {}
                Outgoing::Digest(digest) => {
                    prop_assert!(digest.items.is_sorted_by_key(|item| -item.revenue_at_risk.unwrap().minor));
                    if digest.is_catch_up {
                        listed.extend(digest.items.iter().map(|item| (item.alert_id.clone(), digest.owner.clone())));
                    }
                }
            }
        }
        prop_assert!(sent.values().all(|count| *count <= 2 * settings().budget_per_owner_week), "{:?}", sent);
        prop_assert_eq!(listed, open);
    }
}
