//! The canonical event, version 1, as the engine sees it: what happened, to which account, when.
//!
//! Borrowed from the bytes it was decoded from; the JSON form lives in `wire::canonical`. A value of these types is
//! already checked for shape and range; whether it makes sense for its account is for the engine to judge.

use std::borrow::Cow;

use crate::units::{Currency, Money, Timestamp};

/// Text of an event, borrowed from its record where the JSON has no escapes.
pub type Text<'a> = Cow<'a, str>;

/// One thing that happened to one account.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    /// Unique at its producer; the key of deduplication.
    pub id: Text<'a>,
    /// When it happened (event time).
    pub time: Timestamp,
    /// The account it happened to, 1 to 256 bytes.
    pub account_id: Text<'a>,
    /// The person behind it, where known.
    pub user_id: Option<Text<'a>>,
    /// The system that reported it, where known.
    pub source: Option<Text<'a>>,
    /// What happened.
    pub kind: Kind<'a>,
}

/// What happened. Each variant's canonical `type` stands in its first line.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind<'a> {
    /// `feature.used`
    FeatureUsed {
        /// Name of the feature.
        feature: Text<'a>,
        /// How many uses the record stands for; 1 when not given.
        quantity: u32,
    },
    /// `session.started`
    SessionStarted {
        /// Length in seconds, where known.
        duration_s: Option<u32>,
    },
    /// `limit.reached`: use was stopped or throttled at a limit of the plan.
    LimitReached(LimitUse<'a>),
    /// `limit.usage`: how much of a limit is used.
    LimitUsage(LimitUse<'a>),
    /// `user.added`
    UserAdded {
        /// Role at the customer, where known.
        role: Option<Role>,
        /// Job title, where known.
        title: Option<Text<'a>>,
    },
    /// `user.deactivated`
    UserDeactivated,
    /// `user.role_changed`
    UserRoleChanged {
        /// The new role, where known.
        role: Option<Role>,
        /// The new title, where known.
        title: Option<Text<'a>>,
    },
    /// `nps.responded`
    NpsResponded {
        /// 0 to 10.
        score: u8,
    },
    /// `csat.responded`
    CsatResponded {
        /// 1 to 5.
        score: u8,
    },
    /// `survey.sent`
    SurveySent {
        /// Which one.
        survey: Survey,
    },
    /// `ticket.opened`
    TicketOpened {
        /// The ticket's id.
        ticket: Text<'a>,
        /// Its severity as reported.
        severity: Option<Text<'a>>,
        /// Its topic as reported.
        topic: Option<Text<'a>>,
    },
    /// `ticket.closed`
    TicketClosed {
        /// The ticket's id.
        ticket: Text<'a>,
    },
    /// `trial.started`
    TrialStarted {
        /// Whether a card was given.
        card_on_file: Option<bool>,
        /// When the trial ends.
        ends_at: Option<Timestamp>,
    },
    /// `trial.converted`
    TrialConverted,
    /// `trial.expired`
    TrialExpired,
    /// `subscription.*`
    Subscription {
        /// Which of the seven things happened to it.
        change: SubscriptionChange,
        /// The subscription and, where the change carries them, its terms.
        terms: Terms<'a>,
    },
    /// `invoice.paid`
    InvoicePaid {
        /// What was paid.
        amount: Money,
    },
    /// `invoice.payment_failed`
    PaymentFailed {
        /// What was not paid.
        amount: Money,
        /// Which attempt this was, from 1, where known.
        attempt: Option<u32>,
        /// When the next attempt is due, where known.
        next_attempt_at: Option<Timestamp>,
    },
    /// `payment.refunded`
    PaymentRefunded {
        /// What went back; absent where the source does not say.
        amount: Option<Money>,
    },
    /// `account.updated`
    AccountUpdated(Traits<'a>),
    /// `onboarding.step_completed`
    OnboardingStep {
        /// Name of the step.
        step: Text<'a>,
        /// True when this was the last one.
        done: bool,
    },
    /// `alert.acknowledged`, `.snoozed`, `.resolved`, `.commented`: what a person did with an alert.
    AlertAction {
        /// The alert's id.
        alert: Text<'a>,
        /// What was done.
        action: AlertAction<'a>,
        /// Who did it.
        by: Text<'a>,
        /// A remark.
        note: Option<Text<'a>>,
    },
}

/// Use of a limited resource.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitUse<'a> {
    /// Name of the limit, such as `api_calls`.
    pub limit: Text<'a>,
    /// Used, in the limit's own unit.
    pub used: Option<f64>,
    /// Allowed by the plan, in the same unit.
    pub allowed: Option<f64>,
}

/// A person's role at the customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// `champion`: drives the adoption.
    Champion,
    /// `admin`: administers the product.
    Admin,
    /// `sponsor`: pays for it.
    Sponsor,
    /// `member`: everybody else.
    Member,
    /// `internal`: one of our own people who works in the account.
    Internal,
    /// `service`: no person, but a program that acts as one.
    Service,
}

impl Role {
    /// All roles.
    pub const ALL: [Role; 6] =
        [Role::Champion, Role::Admin, Role::Sponsor, Role::Member, Role::Internal, Role::Service];

    /// Stable name, as events and the configuration write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Role::Champion => "champion",
            Role::Admin => "admin",
            Role::Sponsor => "sponsor",
            Role::Member => "member",
            Role::Internal => "internal",
            Role::Service => "service",
        }
    }

    /// Whether it stands for somebody who is not of the customer.
    #[must_use]
    pub fn is_apart(self) -> bool {
        matches!(self, Role::Internal | Role::Service)
    }
}

/// A kind of survey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Survey {
    /// `nps`, and every survey that does not say otherwise.
    Nps,
    /// `csat`
    Csat,
}

impl Survey {
    /// All of them.
    pub const ALL: [Survey; 2] = [Survey::Nps, Survey::Csat];

    /// Stable name: metric label and value of events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Survey::Nps => "nps",
            Survey::Csat => "csat",
        }
    }
}

/// What happened to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SubscriptionChange {
    /// `subscription.started`
    Started,
    /// `subscription.changed`
    Changed,
    /// `subscription.renewed`
    Renewed,
    /// `subscription.paused`
    Paused,
    /// `subscription.resumed`
    Resumed,
    /// `subscription.cancel_scheduled`
    CancelScheduled,
    /// `subscription.canceled`
    Canceled,
}

/// How often a subscription is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interval {
    /// `day`
    Day,
    /// `week`
    Week,
    /// `month`
    Month,
    /// `quarter`
    Quarter,
    /// `year`
    Year,
}

/// A subscription and its terms; fields that a change does not touch are absent.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms<'a> {
    /// The subscription's id.
    pub subscription: Text<'a>,
    /// Its plan.
    pub plan: Option<Text<'a>>,
    /// Monthly recurring revenue from it, not negative.
    pub mrr: Option<Money>,
    /// Paid seats.
    pub seats: Option<u32>,
    /// Billing interval.
    pub interval: Option<Interval>,
    /// End of the committed term.
    pub term_ends_at: Option<Timestamp>,
    /// When the change takes effect, where that is not at once.
    pub effective_at: Option<Timestamp>,
    /// Why, in the source's words.
    pub reason: Option<Text<'a>>,
}

/// Facts about an account; absent means unchanged.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Traits<'a> {
    /// Display name.
    pub name: Option<Text<'a>>,
    /// The customer-success manager who owns it.
    pub owner: Option<Text<'a>>,
    /// Further traits (industry, employees, region, channel, ...), at most [`TRAITS_MAX`], in the record's order.
    pub traits: Vec<(Text<'a>, Text<'a>)>,
    /// Features that the plan offers (trait `plan_features`).
    pub plan_features: Option<PlanFeatures<'a>>,
}

/// Features that a plan offers.
#[derive(Clone, Debug, PartialEq)]
pub enum PlanFeatures<'a> {
    /// By name.
    Names(Vec<Text<'a>>),
    /// Only how many.
    Count(u16),
}

/// Most traits that one `account.updated` may carry and one account may hold.
pub const TRAITS_MAX: usize = 16;

/// What a person did with an alert.
#[derive(Clone, Debug, PartialEq)]
pub enum AlertAction<'a> {
    /// Somebody looks after it.
    Acknowledged,
    /// Not before `until`.
    Snoozed {
        /// When it may speak up again.
        until: Timestamp,
    },
    /// Closed by a person.
    Resolved {
        /// One of the configured resolution reasons.
        reason: Text<'a>,
    },
    /// Only remarked on.
    Commented,
}

impl Kind<'_> {
    /// Its canonical `type`.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Kind::FeatureUsed { .. } => "feature.used",
            Kind::SessionStarted { .. } => "session.started",
            Kind::LimitReached(_) => "limit.reached",
            Kind::LimitUsage(_) => "limit.usage",
            Kind::UserAdded { .. } => "user.added",
            Kind::UserDeactivated => "user.deactivated",
            Kind::UserRoleChanged { .. } => "user.role_changed",
            Kind::NpsResponded { .. } => "nps.responded",
            Kind::CsatResponded { .. } => "csat.responded",
            Kind::SurveySent { .. } => "survey.sent",
            Kind::TicketOpened { .. } => "ticket.opened",
            Kind::TicketClosed { .. } => "ticket.closed",
            Kind::TrialStarted { .. } => "trial.started",
            Kind::TrialConverted => "trial.converted",
            Kind::TrialExpired => "trial.expired",
            Kind::Subscription { change, .. } => match change {
                SubscriptionChange::Started => "subscription.started",
                SubscriptionChange::Changed => "subscription.changed",
                SubscriptionChange::Renewed => "subscription.renewed",
                SubscriptionChange::Paused => "subscription.paused",
                SubscriptionChange::Resumed => "subscription.resumed",
                SubscriptionChange::CancelScheduled => "subscription.cancel_scheduled",
                SubscriptionChange::Canceled => "subscription.canceled",
            },
            Kind::InvoicePaid { .. } => "invoice.paid",
            Kind::PaymentFailed { .. } => "invoice.payment_failed",
            Kind::PaymentRefunded { .. } => "payment.refunded",
            Kind::AccountUpdated(_) => "account.updated",
            Kind::OnboardingStep { .. } => "onboarding.step_completed",
            Kind::AlertAction { action, .. } => match action {
                AlertAction::Acknowledged => "alert.acknowledged",
                AlertAction::Snoozed { .. } => "alert.snoozed",
                AlertAction::Resolved { .. } => "alert.resolved",
                AlertAction::Commented => "alert.commented",
            },
        }
    }

    /// Whether it is a person using the product, which is what activity is counted by.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Kind::FeatureUsed { .. }
                | Kind::SessionStarted { .. }
                | Kind::LimitReached(_)
                | Kind::OnboardingStep { .. }
        )
    }

    /// Whether the customer did it, or it was done to the account in the customer's matters: not our own outreach.
    #[must_use]
    pub fn is_by_customer(&self) -> bool {
        !matches!(self, Kind::SurveySent { .. } | Kind::AlertAction { .. })
    }

    /// Whether it says who its user is, rather than what they do.
    #[must_use]
    pub fn is_about_user(&self) -> bool {
        matches!(self, Kind::UserAdded { .. } | Kind::UserRoleChanged { .. } | Kind::UserDeactivated)
    }
}

/// Smallest-unit amounts above this are refused as absurd: they could overflow the sums of a million accounts.
pub const MINOR_UNITS_MAX: i64 = 1_000_000_000_000;

/// The currency of an event that names none.
pub const CURRENCY_DEFAULT: Currency = Currency::USD;
