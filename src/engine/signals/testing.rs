//! One way to try a signal: a short script of an account's days, judged on day 120 at noon, shown as one line.
//!
//! Steps, separated by `;`: `uses FROM..TO every N [USER]`, `features FROM..TO COUNT`, `drop FROM..TO` (leaves out uses
//! scripted before), `role DAY USER ROLE`, `leaves DAY USER`, `nps DAY USER SCORE`, `limit DAY NAME`, `start DAY MRR`,
//! `change DAY MRR`, `renew DAY MRR` (each with `[SUBSCRIPTION [INTERVAL]]`), `schedule DAY END`, `pause DAY`, `resume DAY`,
//! `cancel DAY`, `seats DAY SEATS`, `ends DAY END SUBSCRIPTION`, `paid DAY`, `failed DAY [ATTEMPT [MINOR [CURRENCY]]]` (USD, EUR at 1.25, else without a rate), `trial DAY`,
//! `step DAY NAME [done]`, `ticket DAY ID [SEVERITY [TOPIC]]`, `tickets FROM..TO every N` (each closed at once), `opens FROM..TO COUNT [TOPIC]` (so many tickets every day),
//! `closed DAY ID`, `csat DAY USER SCORE`, `asked DAY [SURVEYS]`, `answers DAY COUNT` (NPS of 9), `rounds FROM..TO SURVEYS` (every day), `plan DAY FEATURES`. Every script is run forwards, disordered and with each
//! event twice: the reading must be the same.

use std::fmt::Write;
use std::ops::Range;

use expect_test::Expect;

use super::{Case, SIGNALS};
use crate::engine::account::Account;
use crate::engine::event::{
    Event, Interval, Kind, LimitUse, PlanFeatures, Role, SubscriptionChange, Survey, Terms, Traits,
};
use crate::engine::fleet::calendar::{Calendar, DayWeight};
use crate::engine::rates::Rates;
use crate::engine::rules::Rules;
use crate::units::{Currency, DAY_MS, HOUR_MS, Money, Offset, Span, Timestamp, stable_hash};

/// A fleet that hardly works on these days and as usual on all others.
pub fn holidays(days: Range<u16>) -> Calendar {
    let weight = |day: u16| if days.contains(&day) { 0.05 } else { 1.0 };
    let days = (0..120).map(|day| DayWeight { weight: weight(day), missing: 0.0 }).collect();
    Calendar::of(at(120, 0).day(), days, [1.0; 7])
}

/// Shows what `signal` says of each named script.
pub fn check(signal: &str, scripts: &[(&str, &str)], expected: &Expect) {
    check_in(&Calendar::default(), signal, scripts, expected);
}

/// The same in a fleet with this calendar.
pub fn check_in(calendar: &Calendar, signal: &str, scripts: &[(&str, &str)], expected: &Expect) {
    let mut shown = String::new();
    for (name, script) in scripts {
        let events = events(script);
        let line = judge(calendar, signal, events.iter());
        // Backwards within each half, since the whole is longer than the horizon within which order must not matter.
        let (early, late): (Vec<_>, Vec<_>) = events.iter().rev().partition(|event| event.time < at(60, 0));
        let backwards = early.into_iter().chain(late);
        assert_eq!(line, judge(calendar, signal, backwards), "{name}: the order of arrival matters");
        assert_eq!(line, judge(calendar, signal, events.iter().chain(&events)), "{name}: duplicates matter");
        writeln!(shown, "{name:<12} {line}").unwrap();
    }
    expected.assert_eq(&shown);
}

fn judge<'a>(calendar: &Calendar, signal: &str, events: impl Iterator<Item = &'a Event<'static>>) -> String {
    let rates = Rates::constant(Currency::parse("EUR").unwrap(), 1.25);
    let rules = Rules { dedup_window: Span::from_days(400), rates, ..Rules::default() };
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
        calendar,
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
            "uses" | "tickets" => range(words[1]).step_by(words[3].parse().unwrap()).collect(),
            "features" => range(words[1]).step_by(2).collect(),
            "rounds" | "opens" => range(words[1]).collect(),
            _ => vec![words[1].parse().unwrap()],
        };
        for day in days {
            for (index, (kind, user)) in kinds(&words, day).into_iter().enumerate() {
                events.push(Event {
                    id: format!("{step}/{day}/{index}/{kind:?}").into(),
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

fn kinds<'a>(words: &[&'a str], day: i64) -> Vec<(Kind<'static>, Option<&'a str>)> {
    let role = |name| match name {
        "champion" => Role::Champion,
        "sponsor" => Role::Sponsor,
        "admin" => Role::Admin,
        _ => Role::Member,
    };
    let amount = Money { minor: 9_900, currency: Currency::USD };
    let blank = Terms {
        subscription: "sub".into(),
        plan: None,
        mrr: None,
        seats: None,
        interval: None,
        term_ends_at: None,
        effective_at: None,
        reason: None,
    };
    let change = |change, terms| vec![(Kind::Subscription { change, terms }, None)];
    let named = |at: usize| words.get(at).map_or("sub".into(), |name| (*name).to_owned().into());
    let paying = || Terms {
        subscription: named(3),
        mrr: Some(Money { minor: words[2].parse().unwrap(), currency: Currency::USD }),
        interval: words.get(4).map(|interval| if *interval == "year" { Interval::Year } else { Interval::Month }),
        ..blank.clone()
    };
    let until = || Some(at(words[2].parse().unwrap(), 12));
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
        "start" => change(SubscriptionChange::Started, paying()),
        "change" => change(SubscriptionChange::Changed, paying()),
        "renew" => change(SubscriptionChange::Renewed, paying()),
        "schedule" => change(SubscriptionChange::CancelScheduled, Terms { effective_at: until(), ..blank }),
        "pause" => change(SubscriptionChange::Paused, blank),
        "resume" => change(SubscriptionChange::Resumed, blank),
        "cancel" => change(SubscriptionChange::Canceled, blank),
        "seats" => change(SubscriptionChange::Changed, Terms { seats: words[2].parse().ok(), ..blank }),
        "ends" => {
            let terms = Terms { subscription: named(3), term_ends_at: until(), ..blank };
            change(SubscriptionChange::Changed, terms)
        }
        "trial" => vec![(Kind::TrialStarted { card_on_file: None, ends_at: None }, None)],
        "step" => {
            let done = words.get(3) == Some(&"done");
            vec![(Kind::OnboardingStep { step: words[2].to_owned().into(), done }, None)]
        }
        "ticket" => {
            let text = |at: usize| words.get(at).map(|text| (*text).to_owned().into());
            let ticket = words[2].to_owned().into();
            vec![(Kind::TicketOpened { ticket, severity: text(3), topic: text(4) }, None)]
        }
        "tickets" => {
            let ticket = format!("t-{day}");
            let opened = Kind::TicketOpened { ticket: ticket.clone().into(), severity: None, topic: None };
            vec![(opened, None), (Kind::TicketClosed { ticket: ticket.into() }, None)]
        }
        "opens" => {
            let topic = words.get(3).map(|topic| (*topic).to_owned().into());
            let opened = |index: u32| Kind::TicketOpened {
                ticket: format!("{day}-{index}").into(),
                severity: None,
                topic: topic.clone(),
            };
            (0..words[2].parse().unwrap()).map(|index| (opened(index), None)).collect()
        }
        "closed" => vec![(Kind::TicketClosed { ticket: words[2].to_owned().into() }, None)],
        "csat" => vec![(Kind::CsatResponded { score: words[3].parse().unwrap() }, Some(words[2]))],
        "asked" | "rounds" => {
            let surveys = words.get(2).map_or(1, |surveys| surveys.parse().unwrap());
            vec![(Kind::SurveySent { survey: Survey::Nps }, None); surveys]
        }
        "answers" => vec![(Kind::NpsResponded { score: 9 }, None); words[2].parse().unwrap()],
        "plan" => {
            let plan_features = Some(PlanFeatures::Count(words[2].parse().unwrap()));
            vec![(Kind::AccountUpdated(Traits { plan_features, ..Traits::default() }), None)]
        }
        "paid" => vec![(Kind::InvoicePaid { amount }, None)],
        "failed" => {
            let attempt = words.get(2).map(|attempt| attempt.parse().unwrap());
            let minor = words.get(3).map_or(amount.minor, |minor| minor.parse().unwrap());
            let currency = words.get(4).map_or(Currency::USD, |letters| Currency::parse(letters).unwrap());
            let amount = Money { minor, currency };
            vec![(Kind::PaymentFailed { amount, attempt, next_attempt_at: None }, None)]
        }
        other => panic!("unknown step {other}"),
    }
}
