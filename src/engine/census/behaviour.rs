//! Traits that nobody states: how an account began, who uses it and how much, in classes.
//!
//! Everything here is as well known of an account that has left as of one that stays: what it has ever done, and how
//! active it was while it was active. What it did lately would only say that it has left.

use super::member::Member;
use crate::engine::event::Interval;
use crate::engine::kpis::contribution::signed_up_at;
use crate::units::Span;

/// A trait by behaviour.
#[derive(Debug)]
pub struct Behaviour {
    /// Its stable name.
    pub key: &'static str,
    /// What it says, for readers.
    pub told: &'static str,
    /// Its class for an account; `None` where that is not known.
    pub class: fn(&Member<'_>) -> Option<&'static str>,
}

/// All of them.
pub const BEHAVIOURS: &[Behaviour] = &[
    Behaviour { key: "features_used", told: "distinct features ever used", class: features_used },
    Behaviour { key: "users", told: "distinct users ever seen", class: users },
    Behaviour {
        key: "active_days_a_week",
        told: "in the four weeks up to the last active day",
        class: active_days_a_week,
    },
    Behaviour { key: "champions", told: "champions and sponsors ever named", class: champions },
    Behaviour { key: "onboarding", told: "through within kpis.onboarding_days of the sign-up", class: onboarding },
    Behaviour {
        key: "began_with_trial",
        told: "whether a trial was ever told",
        class: |member| Some(if began_with_trial(member) { "yes" } else { "no" }),
    },
    Behaviour { key: "billing_interval", told: "of the subscription that pays most", class: billing_interval },
];

/// Days of the four weeks up to the last active one.
const FOUR_WEEKS: u128 = (1 << 28) - 1;

fn features_used(member: &Member<'_>) -> Option<&'static str> {
    Some(match member.account.features.members.len() {
        0 => return None,
        1..=2 => "1-2",
        3..=5 => "3-5",
        6..=10 => "6-10",
        _ => "11+",
    })
}

fn users(member: &Member<'_>) -> Option<&'static str> {
    Some(match member.account.users.members.len() {
        0 => return None,
        1 => "1",
        2..=4 => "2-4",
        5..=9 => "5-9",
        10..=24 => "10-24",
        _ => "25+",
    })
}

fn active_days_a_week(member: &Member<'_>) -> Option<&'static str> {
    let activity = &member.account.activity;
    activity.is_used().then(|| match (activity.days & FOUR_WEEKS).count_ones() {
        0..=3 => "below 1",
        4..=7 => "1",
        8..=11 => "2",
        12..=15 => "3",
        _ => "4+",
    })
}

fn champions(member: &Member<'_>) -> Option<&'static str> {
    let people = member.account.people.as_ref()?;
    Some(match people.list.iter().filter(|person| person.champion_since.is_some()).count() {
        0 => "0",
        1 => "1",
        _ => "2+",
    })
}

fn onboarding(member: &Member<'_>) -> Option<&'static str> {
    let account = member.account;
    let onboarding = account.onboarding.as_ref().filter(|onboarding| onboarding.first_step_at.is_some())?;
    let in_time = signed_up_at(account)?.plus(Span::from_days(member.rules.kpis.onboarding_days.into()));
    Some(match onboarding.done_at {
        Some(done) if done <= in_time => "in time",
        Some(_) => "late",
        None => "not done",
    })
}

fn began_with_trial(member: &Member<'_>) -> bool {
    member.account.onboarding.as_ref().is_some_and(|onboarding| onboarding.trial_at.is_some())
}

fn billing_interval(member: &Member<'_>) -> Option<&'static str> {
    let subscriptions = &member.account.billing.as_ref()?.ledger.subscriptions;
    let main = subscriptions.iter().max_by_key(|known| (!known.ended, known.mrr_minor, known.full_minor))?;
    Some(match main.interval? {
        Interval::Day => "day",
        Interval::Week => "week",
        Interval::Month => "month",
        Interval::Quarter => "quarter",
        Interval::Year => "year",
    })
}
