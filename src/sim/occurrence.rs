//! What happened, in small: 40 bytes or so per event while it waits for its turn, and its expansion into an event.
//!
//! A day of a large company is held in memory at once, so occurrences carry numbers only; texts are made when an event
//! leaves the simulator.

use super::names::{
    CHANNELS, FEATURES, INDUSTRIES, LIMITS, OWNERS, REGIONS, SEVERITIES, STEPS, TOPICS, account_id, company, entry,
    service_user, user,
};
use super::profile::Profile;
use super::random::mix;
use crate::engine::event::{
    Event, Kind, LimitUse, PlanFeatures, Role, SubscriptionChange, Survey, Terms, Text, Traits,
};
use crate::units::{DAY_MS, Money, Span, Timestamp};

/// The one behind an occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Nobody in particular.
    Nobody,
    /// A person, by number; 0 is the champion, 1 the administrator.
    User(u16),
    /// The service user of an automation.
    Service,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    /// A session began and lasted so many seconds.
    Session(u16),
    /// A feature was used, so many times.
    Feature(u8, u8),
    /// A limit stopped somebody: which, used, allowed.
    LimitReached(u8, u32, u32),
    /// The weekly report of a limit: which, used, allowed.
    LimitUsage(u8, u32, u32),
    /// A user was added.
    UserAdded(Role),
    /// A user was deactivated.
    UserDeactivated,
    /// A user's role changed.
    UserRoleChanged(Role),
    /// A survey was sent.
    SurveySent,
    /// A survey was answered.
    Nps(u8),
    /// A ticket was opened: number, severity, topic.
    TicketOpened(u32, u8, u8),
    /// A ticket was closed.
    TicketClosed(u32),
    /// A trial began.
    TrialStarted,
    /// A trial became a subscription.
    TrialConverted,
    /// A subscription changed; the day on which its term ends.
    Subscription(SubscriptionChange, i32),
    /// An invoice over so many minor units was paid.
    InvoicePaid(i64),
    /// An invoice was not paid: minor units, attempt, days to the next attempt (0 for none).
    PaymentFailed(i64, u8, u8),
    /// The customer record was written.
    AccountUpdated,
    /// A step of onboarding was completed.
    Onboarding(u8),
}

/// One thing that happened to one account.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Occurrence {
    /// When the log receives it, in milliseconds since the epoch.
    pub arrival_ms: i64,
    /// When it happened, likewise.
    pub time_ms: i64,
    /// Which account.
    pub account: u32,
    /// Day of the window on which it was generated.
    pub day: i32,
    /// Number within account and day.
    pub number: u16,
    /// The one behind it.
    pub who: Who,
    /// What happened.
    pub what: What,
}

impl Occurrence {
    /// Whether the billing system reports it rather than the product.
    #[must_use]
    pub fn is_billing(&self) -> bool {
        matches!(
            self.what,
            What::TrialStarted
                | What::TrialConverted
                | What::Subscription(..)
                | What::InvoicePaid(_)
                | What::PaymentFailed(..)
                | What::AccountUpdated
        )
    }

    /// The event it stands for; `start_ms` is the beginning of the window.
    #[must_use]
    pub fn event(&self, profile: &Profile, seed: u64, start_ms: i64) -> Event<'static> {
        Event {
            id: Text::Owned(self.id(seed)),
            time: Timestamp::clamped(self.time_ms),
            account_id: Text::Owned(account_id(self.account)),
            user_id: match self.who {
                Who::Nobody => None,
                Who::User(number) => Some(Text::Owned(user(self.account, number))),
                Who::Service => Some(Text::Owned(service_user(self.account))),
            },
            source: Some(Text::Borrowed(self.source(profile))),
            kind: self.kind(profile, start_ms),
        }
    }

    /// Looks like a UUID and is unique, but says nothing.
    fn id(&self, seed: u64) -> String {
        let place =
            (u64::from(self.account) << 32) ^ (u64::from(self.day.unsigned_abs()) << 16) ^ u64::from(self.number);
        let high = mix(mix(seed).wrapping_add(place));
        let low = mix(high ^ place.rotate_left(17));
        let mut id = String::with_capacity(40);
        id.push_str("evt-");
        for index in 0..32_u32 {
            if matches!(index, 8 | 12 | 16 | 20) {
                id.push('-');
            }
            let half = if index < 16 { high } else { low };
            let digit = u32::try_from(half >> (60 - 4 * (index % 16)) & 15).unwrap_or(0);
            id.push(char::from_digit(digit, 16).unwrap_or('0'));
        }
        id
    }

    fn source(&self, profile: &Profile) -> &'static str {
        match self.what {
            _ if self.who == Who::Service => "automation",
            What::AccountUpdated => "crm",
            What::TicketOpened(..) | What::TicketClosed(_) => "helpdesk",
            What::SurveySent | What::Nps(_) => "survey",
            _ if self.is_billing() => "billing",
            _ => match profile.region {
                0 => "//app.product.example/web/eu-central-1",
                1 => "//app.product.example/web/us-east-1",
                _ => "//app.product.example/web/ap-southeast-1",
            },
        }
    }

    fn kind(&self, profile: &Profile, start_ms: i64) -> Kind<'static> {
        let borrowed = Text::Borrowed;
        let money = |minor| Money { minor, currency: profile.mrr.currency };
        let instant = |day: i32| Timestamp::clamped(start_ms + i64::from(day) * DAY_MS);
        match self.what {
            What::Session(duration_s) => Kind::SessionStarted { duration_s: Some(u32::from(duration_s)) },
            What::Feature(feature, quantity) => Kind::FeatureUsed {
                feature: borrowed(entry(&FEATURES, usize::from(feature))),
                quantity: u32::from(quantity),
            },
            What::LimitReached(limit, used, allowed) => Kind::LimitReached(limit_use(limit, used, allowed)),
            What::LimitUsage(limit, used, allowed) => Kind::LimitUsage(limit_use(limit, used, allowed)),
            What::UserAdded(role) => Kind::UserAdded { role: Some(role), title: None },
            What::UserDeactivated => Kind::UserDeactivated,
            What::UserRoleChanged(role) => Kind::UserRoleChanged { role: Some(role), title: None },
            What::SurveySent => Kind::SurveySent { survey: Survey::Nps },
            What::Nps(score) => Kind::NpsResponded { score },
            What::TicketOpened(ticket, severity, topic) => Kind::TicketOpened {
                ticket: ticket_id(ticket),
                severity: Some(borrowed(entry(&SEVERITIES, usize::from(severity)))),
                topic: Some(borrowed(entry(&TOPICS, usize::from(topic)))),
            },
            What::TicketClosed(ticket) => Kind::TicketClosed { ticket: ticket_id(ticket) },
            What::TrialStarted => {
                Kind::TrialStarted { card_on_file: Some(true), ends_at: Some(instant(profile.paid_from())) }
            }
            What::TrialConverted => Kind::TrialConverted,
            What::Subscription(change, term_end) => {
                Kind::Subscription { change, terms: self.terms(profile, change, instant(term_end)) }
            }
            What::InvoicePaid(minor) => Kind::InvoicePaid { amount: money(minor) },
            What::PaymentFailed(minor, attempt, next_days) => Kind::PaymentFailed {
                amount: money(minor),
                attempt: Some(u32::from(attempt)),
                next_attempt_at: (next_days > 0)
                    .then(|| Timestamp::clamped(self.time_ms + i64::from(next_days) * DAY_MS)),
            },
            What::AccountUpdated => Kind::AccountUpdated(traits(profile, self.day)),
            What::Onboarding(step) => Kind::OnboardingStep {
                step: borrowed(entry(&STEPS, usize::from(step))),
                done: usize::from(step) + 1 == STEPS.len(),
            },
        }
    }

    fn terms(&self, profile: &Profile, change: SubscriptionChange, term_end: Timestamp) -> Terms<'static> {
        let (plan, seats, mrr) = profile.terms(self.day);
        // A cancellation takes effect at the moment of the end, not at the beginning of its day.
        let end_of_day = Span::from_ms(profile.churn.at_ms);
        let ends = matches!(change, SubscriptionChange::CancelScheduled | SubscriptionChange::Canceled);
        Terms {
            subscription: Text::Owned(format!("sub-{:06}", self.account)),
            plan: Some(Text::Borrowed(plan.name())),
            mrr: (!ends).then_some(mrr),
            seats: (!ends).then_some(seats),
            interval: (!ends).then_some(profile.interval),
            term_ends_at: (change != SubscriptionChange::Canceled).then_some(term_end),
            effective_at: (change == SubscriptionChange::CancelScheduled).then_some(term_end.plus(end_of_day)),
            reason: ends.then_some(Text::Borrowed("customer_request")),
        }
    }
}

fn limit_use(limit: u8, used: u32, allowed: u32) -> LimitUse<'static> {
    LimitUse {
        limit: Text::Borrowed(entry(&LIMITS, usize::from(limit))),
        used: Some(f64::from(used)),
        allowed: Some(f64::from(allowed)),
    }
}

fn ticket_id(ticket: u32) -> Text<'static> {
    Text::Owned(format!("T-{ticket:08x}"))
}

fn traits(profile: &Profile, day: i32) -> Traits<'static> {
    let (plan, ..) = profile.terms(day);
    let text = |name, value: &'static str| (Text::Borrowed(name), Text::Borrowed(value));
    let size = match profile.employees {
        0..=49 => "small",
        50..=499 => "medium",
        _ => "large",
    };
    Traits {
        name: Some(Text::Owned(company(profile.account, profile.industry))),
        owner: Some(Text::Borrowed(entry(&OWNERS, usize::from(profile.owner)))),
        traits: vec![
            text("industry", entry(&INDUSTRIES, usize::from(profile.industry))),
            (Text::Borrowed("employees"), Text::Owned(profile.employees.to_string())),
            text("size", size),
            text("region", entry(&REGIONS, usize::from(profile.region))),
            text("channel", entry(&CHANNELS, usize::from(profile.channel))),
        ],
        plan_features: Some(PlanFeatures::Names(
            FEATURES
                .iter()
                .take(usize::try_from(plan.features()).unwrap_or(0))
                .map(|name| Text::Borrowed(*name))
                .collect(),
        )),
    }
}
