//! What happened to one account in a replay: its weeks of usage, and the events and alerts worth telling.
//!
//! Collects and puts into words; what it means is for the engine. Memory is bounded: usage is counted by week, and of
//! the rest the latest [`MOMENTS_MAX`] are kept.

use std::collections::{BTreeMap, VecDeque};

use crate::engine::effect::{AlertChange, Health};
use crate::engine::event::{Event, Kind, LimitUse, Terms};
use crate::units::{Day, Timestamp};

/// Moments kept: the latest.
pub const MOMENTS_MAX: usize = 200;

/// What happened to the account that is watched.
#[derive(Clone, Debug)]
pub struct Moments {
    account_id: String,
    /// Usage by week, that of the engine's calendar: from Monday to Sunday.
    weeks: BTreeMap<u16, Week>,
    told: VecDeque<Moment>,
    left_out: u64,
    first: Option<Timestamp>,
    published: Option<Health>,
}

/// Usage in one week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Week {
    /// Uses.
    pub uses: u64,
    /// Bit `i`: active on the day `i` of the week, Monday being 0.
    days: u8,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// What, in a few words.
    pub what: String,
    /// The number of its line in the input, from 1; absent for what the engine said.
    pub line: Option<u64>,
}

impl Week {
    /// Days with usage.
    #[must_use]
    pub fn active_days(&self) -> u32 {
        self.days.count_ones()
    }
}

impl Moments {
    /// Nothing yet of the account.
    #[must_use]
    pub fn of(account_id: &str) -> Moments {
        Moments {
            account_id: account_id.to_owned(),
            weeks: BTreeMap::new(),
            told: VecDeque::new(),
            left_out: 0,
            first: None,
            published: None,
        }
    }

    /// Notes an event that the engine has taken in, read from the line with this index (from 0).
    pub(super) fn see(&mut self, event: &Event<'_>, index: u64) {
        if event.account_id != self.account_id {
            return;
        }
        self.first = Some(self.first.map_or(event.time, |first| first.min(event.time)));
        if event.kind.is_usage() {
            let day = event.time.day();
            let week = self.weeks.entry(day.week()).or_default();
            week.uses += if let Kind::FeatureUsed { quantity, .. } = event.kind { quantity.max(1).into() } else { 1 };
            week.days |= 1 << day.weekday();
        }
        if let Some(what) = words(event) {
            self.tell(Moment { at: event.time, what, line: Some(index + 1) });
        }
    }

    /// Notes a change of an alert.
    pub(super) fn see_alert(&mut self, change: &AlertChange) {
        if change.health.account_id == self.account_id {
            let what = format!("alert {} {}", change.alert_type, change.transition.name());
            let risk = format!("risk {:.0} %", change.health.risk.get() * 100.0);
            self.tell(Moment { at: change.health.as_of, what: format!("{what}, {risk}"), line: None });
        }
    }

    /// Notes a health that was published.
    pub(super) fn see_health(&mut self, health: &Health) {
        if health.account_id == self.account_id {
            self.published = Some(health.clone());
        }
    }

    fn tell(&mut self, moment: Moment) {
        // Late events are told at their place in time.
        let place = self.told.partition_point(|before| before.at <= moment.at);
        self.told.insert(place, moment);
        if self.told.len() > MOMENTS_MAX {
            self.told.pop_front();
            self.left_out += 1;
        }
    }

    /// Usage of each week from the first one with usage to that of `until`, by the Monday it began.
    #[must_use]
    pub fn weeks(&self, until: Timestamp) -> Vec<(Day, Week)> {
        let Some((&first, _)) = self.weeks.first_key_value() else { return Vec::new() };
        let monday = |week: u16| Day::new((week * 7).saturating_sub(3));
        let of = |week| (monday(week), self.weeks.get(&week).copied().unwrap_or_default());
        (first..=until.day().week()).map(of).collect()
    }

    /// What is worth telling, in order of time.
    pub fn told(&self) -> impl Iterator<Item = &Moment> {
        self.told.iter()
    }

    /// How many earlier moments were left out.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The health that was published last, if any was.
    #[must_use]
    pub fn published(&self) -> Option<&Health> {
        self.published.as_ref()
    }

    /// Time of the first event; absent when there was none.
    #[must_use]
    pub fn first(&self) -> Option<Timestamp> {
        self.first
    }
}

/// The event in a few words; `None` for what happens every day.
fn words(event: &Event<'_>) -> Option<String> {
    let by = |what: String| match &event.user_id {
        Some(user) => format!("{what} by {user}"),
        None => what,
    };
    let name = event.kind.type_name();
    Some(match &event.kind {
        Kind::FeatureUsed { .. }
        | Kind::SessionStarted { .. }
        | Kind::LimitUsage(_)
        | Kind::SurveySent { .. }
        | Kind::InvoicePaid { .. } => return None,
        Kind::LimitReached(limit) => by(limit_words(name, limit)),
        Kind::UserAdded { role, .. } | Kind::UserRoleChanged { role, .. } => {
            let user = event.user_id.as_deref().unwrap_or("somebody");
            role.map_or_else(|| format!("{name}: {user}"), |role| format!("{name}: {user}, {}", role.name()))
        }
        Kind::UserDeactivated => format!("{name}: {}", event.user_id.as_deref().unwrap_or("somebody")),
        Kind::NpsResponded { score } | Kind::CsatResponded { score } => by(format!("{name}: {score}")),
        Kind::TicketOpened { ticket, severity, topic } => {
            [severity, topic].into_iter().flatten().fold(format!("{name}: {ticket}"), |told, more| told + ", " + more)
        }
        Kind::TicketClosed { ticket } => format!("{name}: {ticket}"),
        Kind::Subscription { terms, .. } => terms_words(name, terms),
        Kind::PaymentFailed { amount, attempt, .. } => match attempt {
            Some(attempt) => format!("{name}: {amount}, attempt {attempt}"),
            None => format!("{name}: {amount}"),
        },
        Kind::PaymentRefunded { amount: Some(amount) } => format!("{name}: {amount}"),
        Kind::AccountUpdated(traits) => match &traits.owner {
            Some(owner) => format!("{name}: owner {owner}"),
            None => name.to_owned(),
        },
        Kind::OnboardingStep { step, .. } => format!("{name}: {step}"),
        Kind::AlertAction { by, .. } => format!("{name} by {by}"),
        Kind::TrialStarted { .. }
        | Kind::TrialConverted
        | Kind::TrialExpired
        | Kind::PaymentRefunded { amount: None } => name.to_owned(),
    })
}

fn limit_words(name: &str, limit: &LimitUse<'_>) -> String {
    match (limit.used, limit.allowed) {
        (Some(used), Some(allowed)) => format!("{name}: {}, {used} of {allowed}", limit.limit),
        _ => format!("{name}: {}", limit.limit),
    }
}

fn terms_words(name: &str, terms: &Terms<'_>) -> String {
    let parts = [
        terms.plan.as_ref().map(|plan| format!("plan {plan}")),
        terms.mrr.map(|mrr| format!("{mrr} a month")),
        terms.seats.map(|seats| format!("{seats} seats")),
        terms.reason.as_ref().map(|reason| format!("reason {reason}")),
    ];
    let told: Vec<String> = parts.into_iter().flatten().collect();
    if told.is_empty() { name.to_owned() } else { format!("{name}: {}", told.join(", ")) }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use expect_test::{Expect, expect};

    use super::*;
    use crate::engine::event::Role;
    use crate::units::{Currency, DAY_MS, Money};

    /// Events of one account on days counted from a Monday, and one of another account; shows weeks and moments.
    fn check(events: &[(i64, Kind<'static>)], expected: &Expect) -> Moments {
        let mut moments = Moments::of("a");
        let event = |account: &'static str, day: i64, kind: &Kind<'static>| Event {
            id: "1".into(),
            time: Timestamp::clamped(1_767_571_200_000 + day * DAY_MS),
            account_id: account.into(),
            user_id: Some("ann".into()),
            source: None,
            kind: kind.clone(),
        };
        for ((day, kind), index) in events.iter().zip(0..) {
            moments.see(&event("a", *day, kind), index);
        }
        moments.see(&event("b", 0, &Kind::TrialConverted), 99);
        let mut shown = String::new();
        for (monday, week) in moments.weeks(Timestamp::clamped(1_767_571_200_000 + 20 * DAY_MS)) {
            writeln!(shown, "{} {} {}", monday.start(), week.uses, week.active_days()).unwrap();
        }
        for moment in moments.told() {
            writeln!(shown, "{} {} [{:?}]", moment.at, moment.what, moment.line).unwrap();
        }
        expected.assert_eq(&shown);
        moments
    }

    #[test]
    fn usage_is_counted_by_week_and_the_rest_is_told_in_order_of_time() {
        let used = |quantity| Kind::FeatureUsed { feature: "search".into(), quantity };
        let amount = Money { minor: 490_000, currency: Currency::USD };
        let terms = Terms {
            subscription: "s".into(),
            plan: Some("pro".into()),
            mrr: Some(amount),
            seats: Some(12),
            interval: None,
            term_ends_at: None,
            effective_at: None,
            reason: None,
        };
        let started = crate::engine::event::SubscriptionChange::Started;
        let limit = LimitUse { limit: "calls".into(), used: Some(10.0), allowed: Some(10.0) };
        check(
            &[
                (1, used(3)),
                (1, used(1)),
                (6, Kind::SessionStarted { duration_s: None }),
                (16, Kind::NpsResponded { score: 3 }),
                (15, Kind::LimitReached(limit)),
                (2, Kind::Subscription { change: started, terms }),
                (3, Kind::UserRoleChanged { role: Some(Role::Champion), title: None }),
                (4, Kind::InvoicePaid { amount }),
                (5, Kind::PaymentFailed { amount, attempt: Some(2), next_attempt_at: None }),
            ],
            &expect![[r#"
                2026-01-05T00:00:00.000Z 5 2
                2026-01-12T00:00:00.000Z 0 0
                2026-01-19T00:00:00.000Z 1 1
                2026-01-07T00:00:00.000Z subscription.started: plan pro, 4,900 USD a month, 12 seats [Some(6)]
                2026-01-08T00:00:00.000Z user.role_changed: ann, champion [Some(7)]
                2026-01-10T00:00:00.000Z invoice.payment_failed: 4,900 USD, attempt 2 [Some(9)]
                2026-01-20T00:00:00.000Z limit.reached: calls, 10 of 10 by ann [Some(5)]
                2026-01-21T00:00:00.000Z nps.responded: 3 by ann [Some(4)]
            "#]],
        );
    }

    #[test]
    fn an_account_without_usage_has_no_weeks() {
        let moments = check(
            &[(0, Kind::TrialExpired)],
            &expect![[r#"
            2026-01-05T00:00:00.000Z trial.expired [Some(1)]
        "#]],
        );
        assert_eq!(moments.first().map(Timestamp::ms), Some(1_767_571_200_000));
    }

    #[test]
    fn of_many_moments_the_latest_stay() {
        let mut moments = Moments::of("a");
        for number in 0..500 {
            moments.tell(Moment {
                at: Timestamp::clamped(1_767_571_200_000 + number),
                what: String::new(),
                line: None,
            });
        }
        assert_eq!((moments.told().count(), moments.left_out()), (MOMENTS_MAX, 300));
        assert_eq!(moments.told().next().map(|moment| moment.at.ms()), Some(1_767_571_200_300));
    }
}
