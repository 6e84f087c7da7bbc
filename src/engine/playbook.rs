//! Playbooks: for each alert type who is to act, by which plan, by when, and the reasons for which it may be closed.
//!
//! Part of the rules and so of their hash. Read and checked by `config`, which also ships the defaults; here lives what
//! they mean for one account at one moment. Nothing here changes an alert: that is for `alert`.

use std::sync::Arc;

use super::account::Account;
use super::alert;
use super::effect::{Plan, Step};
use super::facts::billing::Ledger;
use super::rules::Rules;
use crate::units::{Span, Timestamp};

/// Most resolution reasons of one alert type.
pub const REASONS_MAX: usize = 16;
/// Most plays of one playbook.
pub const PLAYS_MAX: usize = 16;
/// Most steps of one play.
pub const STEPS_MAX: usize = 16;
/// Most routes of one playbook, and of those that all share.
pub const ROUTES_MAX: usize = 64;
/// Most values that one condition on a segment, a plan or a trait may list, and most traits of one condition.
pub const VALUES_MAX: usize = 32;
/// Longest text of a playbook, in bytes.
pub const TEXT_BYTES_MAX: usize = 512;

/// Recorded for a resolution reason that is not on the list; every list has it.
pub const REASON_OTHER: &str = "other";
/// Recorded where nobody closed the alert: its cause is gone.
pub const REASON_RECOVERED: &str = "recovered";
/// Told with an alert that is escalated since its account got worse.
pub const REASON_WORSE: &str = "worse";
/// Told with an alert that is escalated since nobody acknowledged it in time.
pub const REASON_UNACKNOWLEDGED: &str = "unacknowledged";
/// Owner of the last resort, where no configuration names one.
const NOBODY: &str = "unassigned";

/// What is done about alerts.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Playbooks {
    /// By alert type index; types without a playbook of their own share that of `churn_risk`. Empty: there are none, and
    /// alerts come without a plan.
    pub books: Vec<Arc<Playbook>>,
    /// Who acts where neither the account nor its playbook's routes name an owner: the first that fits.
    pub routes: Vec<Route>,
    /// Who acts where no route fits either.
    pub owner_default: Option<String>,
    /// Address of an alert for people, with `{account_id}` and `{alert_id}` to be filled in.
    pub link: Option<String>,
}

/// What is done about alerts of one type.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Playbook {
    /// The alert type it was written for.
    pub alert_type: String,
    /// What such an alert is called where people read it.
    pub title: String,
    /// An alert that nobody has acknowledged for this long is escalated; `None`: never.
    pub acknowledge_within: Option<Span>,
    /// Who is to know of an alert that is escalated for that; `None`: its owner alone.
    pub escalate_to: Option<String>,
    /// After closing, an alert of this type waits this long; `None`: as the rules say.
    pub cooldown: Option<Span>,
    /// The reasons for which a person may close it, beside [`REASON_OTHER`].
    pub reasons: Vec<String>,
    /// Who acts where the account has no owner: the first that fits.
    pub routes: Vec<Route>,
    /// The plans: the first that fits.
    pub plays: Vec<Play>,
}

/// Whom alerts of some accounts go to.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Which accounts.
    pub when: Conditions,
    /// To whom.
    pub owner: String,
}

/// A plan of action.
#[derive(Clone, Debug, PartialEq)]
pub struct Play {
    /// Stable snake-case name.
    pub name: String,
    /// What it is called where people read it.
    pub title: String,
    /// For which accounts.
    pub when: Conditions,
    /// What is to be done, in order.
    pub steps: Vec<PlayStep>,
    /// The resolution reason to give when it has worked.
    pub done_reason: Option<String>,
}

/// One step of a play.
#[derive(Clone, Debug, PartialEq)]
pub struct PlayStep {
    /// What to do.
    pub text: String,
    /// By when, after the alert was raised.
    pub due_after: Span,
}

/// What must hold of an account; all of it. Without any condition every account fits. Segments, plans and values of traits
/// are compared without regard to case.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Conditions {
    /// Its segment is one of these.
    pub segments: Vec<String>,
    /// Its plan is one of these.
    pub plans: Vec<String>,
    /// It pays at least so much a month, in major units of the reporting currency.
    pub mrr_min: Option<f64>,
    /// Its trait `employees` is a number that is at least this.
    pub employees_min: Option<f64>,
    /// Its term ends within this time, or has ended.
    pub renewal_within: Option<Span>,
    /// Each of these traits has one of these values.
    pub traits: Vec<(String, Vec<String>)>,
}

impl Playbooks {
    /// The playbooks of `own`, with that of `churn_risk` for the types that have none of their own.
    #[must_use]
    pub fn books(own: &[Arc<Playbook>]) -> Vec<Arc<Playbook>> {
        let of = |name: &str| own.iter().find(|book| book.alert_type == name);
        let shared = of(alert::type_name(alert::CHURN_RISK));
        let Some(shared) = shared else { return Vec::new() };
        alert::type_names().map(|name| Arc::clone(of(name).unwrap_or(shared))).collect()
    }

    /// The playbook of the alert type at index `kind`; `None` where there are no playbooks at all.
    #[must_use]
    pub fn of(&self, kind: u8) -> Option<&Playbook> {
        self.books.get(usize::from(kind)).map(Arc::as_ref)
    }

    /// Who is to act on an alert of the account: its owner, else the first route that fits, else the default owner.
    #[must_use]
    pub fn owner<'a>(&'a self, kind: u8, account: &'a Account, rules: &Rules, now: Timestamp) -> &'a str {
        let stated = account.profile.as_ref().and_then(|profile| profile.owner.as_ref());
        if let Some(owner) = stated.map(|owner| owner.value.as_str()).filter(|owner| !owner.trim().is_empty()) {
            return owner;
        }
        let own = self.of(kind).map(|book| book.routes.as_slice()).unwrap_or_default();
        let route = own.iter().chain(&self.routes).find(|route| route.when.hold(account, rules, now));
        route.map(|route| &route.owner).or(self.owner_default.as_ref()).map_or(NOBODY, String::as_str)
    }

    /// Where a person finds an alert, as configured.
    #[must_use]
    pub fn link(&self, account_id: &str, alert_id: &str) -> Option<String> {
        let link = self.link.as_ref()?;
        Some(link.replace("{account_id}", &percent_encoded(account_id)).replace("{alert_id}", alert_id))
    }
}

impl Playbook {
    /// The plan for the account: the first play that fits.
    #[must_use]
    pub fn plan(&self, account: &Account, rules: &Rules, raised_at: Timestamp, now: Timestamp) -> Option<Plan> {
        let play = self.plays.iter().find(|play| play.when.hold(account, rules, now))?;
        let step = |step: &PlayStep| Step { text: step.text.clone(), due_at: raised_at.plus(step.due_after) };
        Some(Plan {
            play: play.name.clone(),
            title: play.title.clone(),
            steps: play.steps.iter().map(step).collect(),
            done_reason: play.done_reason.clone(),
        })
    }

    /// The reason on the list that `given` is; [`REASON_OTHER`] when it is none of them.
    #[must_use]
    pub fn reason(&self, given: &str) -> &str {
        self.reasons.iter().find(|reason| *reason == given).map_or(REASON_OTHER, String::as_str)
    }
}

impl Conditions {
    /// Whether they hold of every account of which `other` hold, by what they say.
    #[must_use]
    pub fn include(&self, other: &Conditions) -> bool {
        let lists = |own: &[String], other: &[String]| {
            let is_listed = |value: &String| own.iter().any(|one| is_alike(one, value));
            own.is_empty() || (!other.is_empty() && other.iter().all(is_listed))
        };
        let at_least =
            |own: Option<f64>, other: Option<f64>| own.is_none_or(|own| other.is_some_and(|other| other >= own));
        lists(&self.segments, &other.segments)
            && lists(&self.plans, &other.plans)
            && at_least(self.mrr_min, other.mrr_min)
            && at_least(self.employees_min, other.employees_min)
            && self.renewal_within.is_none_or(|own| other.renewal_within.is_some_and(|other| other <= own))
            && self.traits.iter().all(|(name, own)| {
                other.traits.iter().any(|(other_name, other)| other_name == name && lists(own, other))
            })
    }

    /// Whether they hold of the account.
    #[must_use]
    pub fn hold(&self, account: &Account, rules: &Rules, now: Timestamp) -> bool {
        let ledger = account.billing.as_ref().map(|billing| &billing.ledger);
        let value = |name: &str| account.profile.as_ref().and_then(|profile| profile.value(name));
        let listed = |list: &[String], value: Option<&str>| {
            list.is_empty() || value.is_some_and(|value| list.iter().any(|one| is_alike(one, value)))
        };
        let pays = |min: f64| account.mrr_minor().is_some_and(|minor| major(minor, rules) >= min);
        let employs = |min: f64| {
            value("employees").and_then(|count| count.trim().parse::<f64>().ok()).is_some_and(|count| count >= min)
        };
        let renews = |span: Span| ledger.and_then(Ledger::renewal_at).is_some_and(|ends| ends.since(now) <= span);
        listed(&self.segments, Some(account.segment(rules)))
            && listed(&self.plans, ledger.and_then(Ledger::plan))
            && self.mrr_min.is_none_or(pays)
            && self.employees_min.is_none_or(employs)
            && self.renewal_within.is_none_or(renews)
            && self.traits.iter().all(|(name, values)| listed(values, value(name)))
    }
}

/// Whether two values that people have written are the same, whatever their case.
fn is_alike(a: &str, b: &str) -> bool {
    a.trim().to_lowercase() == b.trim().to_lowercase()
}

#[allow(clippy::cast_precision_loss)] // amounts are held below 10^13
fn major(minor: i64, rules: &Rules) -> f64 {
    minor as f64 / 10_f64.powi(i32::from(rules.currency.minor_digits()))
}

/// `text` as a part of an address: everything but letters, digits and `-._~` as percent escapes.
fn percent_encoded(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}"); // writing to memory cannot fail
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::event::{Event, Kind, SubscriptionChange, Terms, Traits};
    use crate::units::{Currency, Money, Offset};

    const NOW: i64 = 1_750_000_000_000;

    fn rules() -> Rules {
        Rules::default()
    }

    /// An account with what `facts` says: `mrr`, `plan`, `renews` (days ahead), `owner` or a trait, as `name=value`.
    fn account(facts: &str) -> Account {
        let mut account = Account::new("acme");
        let mut terms = Terms {
            subscription: "s".into(),
            plan: None,
            mrr: None,
            seats: None,
            interval: None,
            term_ends_at: None,
            effective_at: None,
            reason: None,
        };
        let mut traits = Traits::default();
        for (name, value) in facts.split_whitespace().filter_map(|fact| fact.split_once('=')) {
            match name {
                "mrr" => {
                    let minor = value.parse::<i64>().unwrap() * 100;
                    terms.mrr = Some(Money { minor, currency: Currency::USD });
                }
                "plan" => terms.plan = Some(value.to_owned().into()),
                "renews" => {
                    let days = value.parse().unwrap();
                    terms.term_ends_at = Some(Timestamp::clamped(NOW).plus(Span::from_days(days)));
                }
                "owner" => traits.owner = Some(value.to_owned().into()),
                _ => traits.traits.push((name.to_owned().into(), value.to_owned().into())),
            }
        }
        let kinds = [Kind::Subscription { change: SubscriptionChange::Started, terms }, Kind::AccountUpdated(traits)];
        for (index, kind) in kinds.into_iter().enumerate() {
            let event = Event {
                id: format!("e{index}").into(),
                time: Timestamp::clamped(NOW - 1),
                account_id: "acme".into(),
                user_id: None,
                source: None,
                kind,
            };
            account.take(&event, 1, Offset(0), &rules());
        }
        account
    }

    fn list(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    fn route(owner: &str, when: Conditions) -> Route {
        Route { when, owner: owner.to_owned() }
    }

    #[test]
    fn the_owner_is_the_accounts_else_the_first_route_that_fits_else_the_default() {
        let playbooks = Playbooks {
            books: Playbooks::books(&[Arc::new(Playbook {
                alert_type: "churn_risk".to_owned(),
                routes: vec![route("own", Conditions { segments: list(&["vip"]), ..Conditions::default() })],
                ..Playbook::default()
            })]),
            routes: vec![
                route("large", Conditions { mrr_min: Some(1000.0), ..Conditions::default() }),
                route("many", Conditions { employees_min: Some(500.0), ..Conditions::default() }),
                route(
                    "north",
                    Conditions {
                        traits: vec![("region".to_owned(), list(&["se", "no"]))],
                        plans: list(&["pro"]),
                        ..Conditions::default()
                    },
                ),
            ],
            owner_default: Some("team".to_owned()),
            link: None,
        };
        for (facts, expected) in [
            ("owner=kim mrr=5000 plan=vip", "kim"),
            ("mrr=5000 plan=vip", "own"),
            ("mrr=1000 plan=pro region=se", "large"),
            ("mrr=999 plan=pro region=se employees=501", "many"),
            ("mrr=999 plan=pro region=no employees=many", "north"),
            ("mrr=999 plan=PRO region=No", "north"),
            ("plan=Vip", "own"),
            ("mrr=999 plan=pro region=dk", "team"),
            ("mrr=999 plan=free region=no", "team"),
            ("plan=pro", "team"),
        ] {
            let account = account(facts);
            // Every type without a playbook of its own goes by that of `churn_risk`.
            for kind in [0, 3] {
                let owner = playbooks.owner(kind, &account, &rules(), Timestamp::clamped(NOW));
                assert_eq!(owner, expected, "{facts}");
            }
        }
        assert_eq!(Playbooks::default().owner(0, &account(""), &rules(), Timestamp::clamped(NOW)), "unassigned");
    }

    #[test]
    fn the_plan_is_the_first_play_that_fits_with_its_steps_due_from_the_raise() {
        let play = |name: &str, when| Play {
            name: name.to_owned(),
            title: name.to_owned(),
            when,
            steps: vec![PlayStep { text: "call".to_owned(), due_after: Span::from_days(2) }],
            done_reason: None,
        };
        let renewal = Conditions { renewal_within: Some(Span::from_days(60)), ..Conditions::default() };
        let large = Conditions { mrr_min: Some(1000.0), ..Conditions::default() };
        let book = Playbook {
            plays: vec![play("large", large), play("renewal", renewal), play("all", Conditions::default())],
            ..Playbook::default()
        };
        let raised_at = Timestamp::clamped(NOW - 5);
        for (facts, expected) in
            [("mrr=2000 renews=30", "large"), ("mrr=20 renews=60", "renewal"), ("mrr=20 renews=61", "all"), ("", "all")]
        {
            let found = book.plan(&account(facts), &rules(), raised_at, Timestamp::clamped(NOW)).unwrap();
            assert_eq!(found.play, expected, "{facts}");
            assert_eq!(found.steps[0].due_at, raised_at.plus(Span::from_days(2)));
        }
    }

    #[test]
    fn links_are_filled_in_and_escaped() {
        let playbooks =
            Playbooks { link: Some("https://x/{account_id}?a={alert_id}".to_owned()), ..Playbooks::default() };
        assert_eq!(playbooks.link("a/b c", "12").unwrap(), "https://x/a%2Fb%20c?a=12");
    }
}
