//! A small company that shows everything there is a KPI for: trials with and without a card, sign-ups that get through
//! onboarding and that drop off, renewals, every movement of revenue, surveys, and customers who fall silent and leave.

use churnwatch::units::{DAY_MS, HOUR_MS, Timestamp};
use serde_json::Value;

use super::events::Sent;

/// Days over which the accounts sign up and live.
const DAYS: i64 = 200;
/// Accounts; one signs up about every other day.
const ACCOUNTS: i64 = 90;
/// Length of a trial, in days.
const TRIAL_DAYS: i64 = 10;
/// Length of a term, in days.
const TERM_DAYS: i64 = 30;
/// An account that will leave falls silent so many days before.
const SILENT_DAYS: i64 = 24;

/// Its events up to `present`, in time order.
pub fn company(present: Timestamp) -> Vec<Sent> {
    let start = present.ms() - DAYS * DAY_MS;
    let mut events: Vec<(i64, Sent)> = Vec::new();
    for account in 0..ACCOUNTS {
        let signed_up = account * (DAYS - 5) / ACCOUNTS;
        let mut add = |source: &'static str, day: i64, hour: i64, fields: String| {
            let at = start + day * DAY_MS + hour * HOUR_MS + account;
            if at < present.ms() {
                let number = events.len();
                let time = Timestamp::from_ms(at).unwrap();
                let value =
                    format!(r#"{{"id":"c-{number}","time":"{time}","account_id":"customer-{account}",{fields}}}"#);
                events.push((at, Sent { source, key: None, value: Some(value.into_bytes()), case: "event" }));
            }
        };
        let fate = Fate::of(account, signed_up);
        trial(account, signed_up, &mut add);
        billing(account, start, &fate, &mut add);
        use_it(account, signed_up, &fate, &mut add);
    }
    // On the first days of a month too something has been lost within it.
    let at = present.ms() - 60_000;
    let time = Timestamp::from_ms(at).unwrap();
    let value = format!(
        r#"{{"id":"c-last","time":"{time}","account_id":"customer-0","type":"subscription.changed","subscription":"sub-0","plan":"team","mrr":1000,"currency":"USD","interval":"month"}}"#
    );
    events.push((at, Sent { source: "billing", key: None, value: Some(value.into_bytes()), case: "event" }));
    events.sort_by_key(|(at, _)| *at);
    events.into_iter().map(|(_, sent)| sent).collect()
}

/// Takes an event: its source, day, hour and fields.
type Add<'a> = &'a mut dyn FnMut(&'static str, i64, i64, String);

/// What becomes of an account, in days of the window.
struct Fate {
    /// First day of the subscription; `None` for a trial that ends as one.
    paid_from: Option<i64>,
    /// Day on which it leaves.
    leaves: Option<i64>,
    /// Day on which it comes back.
    returns: Option<i64>,
    /// Last day of use; those who drop off early stop a week after they signed up.
    used_until: i64,
}

impl Fate {
    fn of(account: i64, signed_up: i64) -> Fate {
        let paid_from = (account % 9 != 8).then_some(signed_up + TRIAL_DAYS);
        // Every fourth leaves two to four months after it began to pay, so that some do in every month.
        let leaves = paid_from.filter(|_| account % 4 == 1).map(|day| day + 60 + account % 60);
        let returns = leaves.filter(|_| account % 8 == 5).map(|day| day + 12);
        let used_until = match leaves {
            _ if account % 10 == 7 => signed_up + 5,
            Some(day) => day - SILENT_DAYS,
            None => DAYS,
        };
        Fate { paid_from, leaves, returns, used_until }
    }
}

fn trial(account: i64, signed_up: i64, add: Add) {
    let card = ["", r#","card_on_file":true"#, r#","card_on_file":false"#][usize::try_from(account % 3).unwrap()];
    add("billing", signed_up, 9, format!(r#""type":"trial.started"{card}"#));
    add("usage", signed_up, 10, r#""type":"user.added","user_id":"u-0","role":"champion""#.to_owned());
    let ends = if account % 9 == 8 { "trial.expired" } else { "trial.converted" };
    add("billing", signed_up + TRIAL_DAYS, 8, format!(r#""type":"{ends}""#));
    for (step, day) in [("invite", 1), ("import", 3), ("report", 5)] {
        let done = step == "report" && account % 4 != 0;
        add(
            "usage",
            signed_up + day,
            11,
            format!(r#""type":"onboarding.step_completed","step":"{step}","done":{done}"#),
        );
    }
}

fn billing(account: i64, start: i64, fate: &Fate, add: Add) {
    let Some(first) = fate.paid_from else { return };
    let plan = ["team", "enterprise"][usize::try_from(account % 2).unwrap()];
    let mut mrr = 5_000 + 1_000 * (account % 30);
    let mut terms = |kind: &str, day: i64, mrr: i64| {
        let ends = Timestamp::from_ms(start + (day + TERM_DAYS) * DAY_MS).unwrap();
        let fields = format!(
            r#""type":"subscription.{kind}","subscription":"sub-{account}","plan":"{plan}","mrr":{mrr},"currency":"USD","interval":"month","term_ends_at":"{ends}""#
        );
        add("billing", day, 12, fields);
    };
    terms("started", first, mrr);
    let last = fate.leaves.unwrap_or(DAYS);
    for term in (first + TERM_DAYS..last).step_by(usize::try_from(TERM_DAYS).unwrap()) {
        terms("renewed", term, mrr);
        // Halfway through each term some grow and some shrink.
        match account % 7 {
            1 => mrr += mrr / 10,
            2 => mrr -= mrr / 10,
            _ => continue,
        }
        if term + 15 < last {
            terms("changed", term + 15, mrr);
        }
    }
    if let Some(day) = fate.leaves {
        terms("canceled", day, 0);
    }
    if let Some(day) = fate.returns {
        terms("started", day, mrr);
    }
}

fn use_it(account: i64, signed_up: i64, fate: &Fate, add: Add) {
    for day in signed_up..=fate.used_until {
        for user in 0..3 {
            let fields =
                format!(r#""type":"feature.used","user_id":"u-{user}","feature":"feature-{}""#, (day + user) % 8);
            add("usage", day, 13 + user, fields);
        }
        if (day + account) % 20 == 0 {
            for survey in ["nps", "csat"] {
                add("usage", day, 17, format!(r#""type":"survey.sent","user_id":"u-1","survey":"{survey}""#));
            }
        }
        if (day + account) % 40 == 0 {
            add(
                "usage",
                day,
                18,
                format!(r#""type":"nps.responded","user_id":"u-1","score":{}"#, (account + day / 40) % 11),
            );
            add("usage", day, 19, format!(r#""type":"csat.responded","user_id":"u-1","score":{}"#, 1 + account % 5));
        }
    }
}

/// What people do with `alerts` at `time`: all are acknowledged, every other one is resolved with a reason of its list.
pub fn people<'a>(alerts: impl Iterator<Item = &'a Value>, time: Timestamp) -> Vec<Sent> {
    let mut sent = Vec::new();
    for (index, alert) in alerts.enumerate() {
        let text = |name: &str| alert[name].as_str().unwrap_or_else(|| panic!("no {name} in {alert}"));
        let (account, id) = (text("account_id"), text("alert_id"));
        let mut act = |action: &str, fields: String| {
            let value = format!(
                r#"{{"id":"p-{index}-{action}","time":"{time}","account_id":"{account}","type":"alert.{action}","alert":"{id}","by":"kim"{fields}}}"#
            );
            sent.push(Sent { source: "usage", key: None, value: Some(value.into_bytes()), case: "event" });
        };
        act("acknowledged", String::new());
        if index % 2 == 0 {
            let reason = alert["resolution_reasons"][0].as_str().unwrap_or_else(|| panic!("no reasons in {alert}"));
            act("resolved", format!(r#","reason":"{reason}""#));
        }
    }
    sent
}

/// The part of the configuration that says what is wanted of the KPIs.
pub fn kpis() -> &'static str {
    r#"[kpis]
margin = 0.75
focus = ["nrr", "customer_churn_rate"]

[kpis.targets]
grr = 0.9
nrr = [{ from = "2020-01-01", value = 1.0 }, { from = "2026-01-01", value = 1.05 }]
customer_churn_rate = 0.03
stickiness = 0.4
nps = 30

[[kpis.benchmarks]]
kpi = "nrr"
name = "peers"
value = 1.02
source = "a survey"

[[kpis.benchmarks]]
kpi = "customer_churn_rate"
name = "peers"
value = 0.035
source = "a survey"

[[kpis.benchmarks]]
kpi = "stickiness"
name = "peers"
value = 0.2
source = "a survey"

[[kpis.benchmarks]]
kpi = "nps"
name = "peers"
value = 41
source = "a survey"
"#
}
