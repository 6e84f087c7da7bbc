//! What happened to one account in a replay: its weeks of usage, and the events and alerts worth telling.
//!
//! Collects and puts into words; what it means is for the engine. Memory is bounded: usage is counted by week, and of
//! the rest the latest [`MOMENTS_MAX`] are kept.

use std::collections::{BTreeMap, VecDeque};

use crate::engine::effect::AlertChange;
use crate::engine::event::{Event, Kind, LimitUse, Role, Terms};
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
        | Kind::SurveySent
        | Kind::InvoicePaid { .. } => return None,
        Kind::LimitReached(limit) => by(limit_words(name, limit)),
        Kind::UserAdded { role, .. } | Kind::UserRoleChanged { role, .. } => {
            let user = event.user_id.as_deref().unwrap_or("somebody");
            role.map_or_else(|| format!("{name}: {user}"), |role| format!("{name}: {user}, {}", role_name(role)))
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

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Champion => "champion",
        Role::Admin => "admin",
        Role::Sponsor => "sponsor",
        Role::Member => "member",
    }
}
