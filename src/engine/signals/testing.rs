//! One way to try a signal: a short script of an account's days, judged on day 120 at noon, shown as one line.
//!
//! Steps, separated by `;`: `uses FROM..TO every N [USER]`, `features FROM..TO COUNT`, `drop FROM..TO` (leaves out uses
//! scripted before), `role DAY USER ROLE`, `leaves DAY USER`, `nps DAY USER SCORE`, `limit DAY NAME`, `start DAY MRR`,
//! `change DAY MRR`, `paid DAY`, `failed DAY [ATTEMPT]`. Every script is run forwards, disordered and with each
//! event twice: the reading must be the same.

use std::fmt::Write;

use expect_test::Expect;

use super::{Case, SIGNALS};
use crate::engine::account::Account;
use crate::engine::event::{Event, Kind, LimitUse, Role, SubscriptionChange, Terms};
use crate::engine::rules::Rules;
use crate::units::{Currency, DAY_MS, HOUR_MS, Money, Offset, Span, Timestamp, stable_hash};

/// Shows what `signal` says of each named script.
pub fn check(signal: &str, scripts: &[(&str, &str)], expected: &Expect) {
    let mut shown = String::new();
    for (name, script) in scripts {
        let events = events(script);
        let line = judge(signal, events.iter());
        // Backwards within each half, since the whole is longer than the horizon within which order must not matter.
        let (early, late): (Vec<_>, Vec<_>) = events.iter().rev().partition(|event| event.time < at(60, 0));
        let backwards = early.into_iter().chain(late);
        assert_eq!(line, judge(signal, backwards), "{name}: the order of arrival matters");
        assert_eq!(line, judge(signal, events.iter().chain(&events)), "{name}: duplicates matter");
        writeln!(shown, "{name:<12} {line}").unwrap();
    }
    expected.assert_eq(&shown);
}

fn judge<'a>(signal: &str, events: impl Iterator<Item = &'a Event<'static>>) -> String {
    let rules = Rules { dedup_window: Span::from_days(400), ..Rules::default() };
    let mut account = Account::new("acme");
    let mut seen = std::collections::BTreeSet::new();
    for event in events {
        // The window of ids is not under test here: a set stands in for it.
        if seen.insert(event.id.clone()) {
            account.take(event, stable_hash(event.id.as_bytes()), Offset(7), &rules);
        }
    }
    let (index, signal) = SIGNALS.iter().enumerate().find(|(_, known)| known.declaration.name == signal).unwrap();
    let case = Case {
        account: &account,
        now: at(120, 12),
        parameters: &rules.signals[index].parameters,
        currency: Currency::USD,
    };
    let reading = (signal.read)(&case);
    if let Some(due) = reading.next_due {
        assert!(due > case.now || reading.strength.unwrap().get() > 0.0, "due in the past: {due}");
    }
    match reading.strength {
        None => "unknown".to_owned(),
        Some(strength) if strength.get() <= 0.0 => "quiet".to_owned(),
        Some(strength) => format!("{:.2} {}", strength.get(), (signal.tell)(&case).sentence),
    }
}

fn at(day: i64, hour: i64) -> Timestamp {
    // Day 0 is a Thursday.
    Timestamp::clamped((20_000 + day) * DAY_MS + hour * HOUR_MS)
}

fn events(script: &str) -> Vec<Event<'static>> {
    let mut events: Vec<Event<'static>> = Vec::new();
    for step in script.split(';').map(str::trim).filter(|step| !step.is_empty()) {
        let words: Vec<&str> = step.split_whitespace().collect();
        if words[0] == "drop" {
            let days = range(words[1]);
            events.retain(|event| !days.clone().any(|day| event.time.day() == at(day, 0).day()));
            continue;
        }
        let days: Vec<i64> = match words[0] {
            "uses" => range(words[1]).step_by(words[3].parse().unwrap()).collect(),
            "features" => range(words[1]).step_by(2).collect(),
            _ => vec![words[1].parse().unwrap()],
        };
        for day in days {
            for (kind, user) in kinds(&words) {
                events.push(Event {
                    id: format!("{step}/{day}/{kind:?}").into(),
                    time: at(day, 10),
                    account_id: "acme".into(),
                    user_id: user.map(|user| user.to_owned().into()),
                    source: None,
                    kind,
                });
            }
        }
    }
    events
}

fn range(words: &str) -> std::ops::Range<i64> {
    let (from, to) = words.split_once("..").unwrap();
    from.parse().unwrap()..to.parse().unwrap()
}

fn kinds<'a>(words: &[&'a str]) -> Vec<(Kind<'static>, Option<&'a str>)> {
    let role = |name| match name {
        "champion" => Role::Champion,
        "sponsor" => Role::Sponsor,
        "admin" => Role::Admin,
        _ => Role::Member,
    };
    let amount = Money { minor: 9_900, currency: Currency::USD };
    let subscription = |change| Kind::Subscription {
        change,
        terms: Terms {
            subscription: "sub".into(),
            plan: None,
            mrr: Some(Money { minor: words[2].parse().unwrap(), currency: Currency::USD }),
            seats: None,
            interval: None,
            term_ends_at: None,
            effective_at: None,
            reason: None,
        },
    };
    match words[0] {
        "uses" => {
            let user = words.get(4).copied();
            vec![(Kind::FeatureUsed { feature: "reports".into(), quantity: 1 }, user)]
        }
        "features" => (0..words[2].parse::<u32>().unwrap())
            .map(|n| (Kind::FeatureUsed { feature: format!("feature-{n}").into(), quantity: 1 }, None))
            .collect(),
        "role" => vec![(Kind::UserRoleChanged { role: Some(role(words[3])), title: None }, Some(words[2]))],
        "leaves" => vec![(Kind::UserDeactivated, Some(words[2]))],
        "nps" => vec![(Kind::NpsResponded { score: words[3].parse().unwrap() }, Some(words[2]))],
        "limit" => {
            vec![(Kind::LimitReached(LimitUse { limit: words[2].to_owned().into(), used: None, allowed: None }), None)]
        }
        "start" => vec![(subscription(SubscriptionChange::Started), None)],
        "change" => vec![(subscription(SubscriptionChange::Changed), None)],
        "paid" => vec![(Kind::InvoicePaid { amount }, None)],
        "failed" => {
            let attempt = words.get(2).map(|attempt| attempt.parse().unwrap());
            vec![(Kind::PaymentFailed { amount, attempt, next_attempt_at: None }, None)]
        }
        other => panic!("unknown step {other}"),
    }
}
