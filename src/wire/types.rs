//! The event types by name, with the fields each needs and the fields each may carry.
//!
//! Mappings and schemas are checked against this table; a test holds it to what `check` really asks for.

use super::raw::Field;

/// An event type.
#[derive(Debug)]
pub(super) struct EventType {
    /// Its canonical name.
    pub(super) name: &'static str,
    /// What it means, in one sentence.
    pub(super) summary: &'static str,
    /// Own fields that must be given.
    pub(super) required: &'static [Field],
    /// Own fields that may be given.
    pub(super) optional: &'static [Field],
}

/// The event type called `name`.
pub(super) fn event_type(name: &str) -> Option<&'static EventType> {
    TYPES.iter().find(|known| known.name == name)
}

/// What kind of value a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Text, mostly a name or an id.
    Text,
    /// A whole number.
    Whole,
    /// A number with or without a fraction.
    Measure,
    /// A time.
    Time,
    /// True or false.
    Flag,
    /// An object of traits.
    Traits,
}

impl Field {
    /// What kind of value it holds.
    pub(super) fn shape(self) -> Shape {
        use Field as F;
        match self {
            F::Quantity | F::DurationS | F::Score | F::Mrr | F::Seats | F::Amount | F::Attempt => Shape::Whole,
            F::Used | F::Allowed => Shape::Measure,
            F::Time | F::EndsAt | F::TermEndsAt | F::EffectiveAt | F::NextAttemptAt | F::Until => Shape::Time,
            F::CardOnFile | F::Done => Shape::Flag,
            F::Traits => Shape::Traits,
            _ => Shape::Text,
        }
    }
}

const fn event(
    name: &'static str,
    required: &'static [Field],
    optional: &'static [Field],
    summary: &'static str,
) -> EventType {
    EventType { name, summary, required, optional }
}

const LIMIT_OPTIONAL: &[Field] = &[Field::Used, Field::Allowed];
const PERSON: &[Field] = &[Field::Role, Field::Title];
const TERMS: &[Field] = &[
    Field::Plan,
    Field::Mrr,
    Field::Currency,
    Field::Seats,
    Field::Interval,
    Field::TermEndsAt,
    Field::EffectiveAt,
    Field::Reason,
];
const ALERT: &[Field] = &[Field::Alert, Field::By];

/// Every event type.
pub(super) const TYPES: &[EventType] = &[
    event("feature.used", &[Field::Feature], &[Field::Quantity], "A person used a feature."),
    event("session.started", &[], &[Field::DurationS], "A person began to work with the product."),
    event("limit.reached", &[Field::Limit], LIMIT_OPTIONAL, "Use was stopped or throttled at a limit of the plan."),
    event("limit.usage", &[Field::Limit], LIMIT_OPTIONAL, "How much of a limit is used."),
    event("user.added", &[], PERSON, "A user was added."),
    event("user.deactivated", &[], &[], "A user was deactivated."),
    event("user.role_changed", &[], PERSON, "A user got another role or title."),
    event("nps.responded", &[Field::Score], &[], "A person answered how likely they recommend the product, 0 to 10."),
    event("csat.responded", &[Field::Score], &[], "A person answered how satisfied they are, 1 to 5."),
    event("survey.sent", &[], &[Field::Survey], "A survey was sent."),
    event("ticket.opened", &[Field::Ticket], &[Field::Severity, Field::Topic], "A support ticket was opened."),
    event("ticket.closed", &[Field::Ticket], &[], "A support ticket was closed."),
    event("trial.started", &[], &[Field::CardOnFile, Field::EndsAt], "A trial began."),
    event("trial.converted", &[], &[], "A trial became a paid subscription."),
    event("trial.expired", &[], &[], "A trial ended without a subscription."),
    event("subscription.started", &[Field::Subscription], TERMS, "A subscription began."),
    event("subscription.changed", &[Field::Subscription], TERMS, "The terms of a subscription changed."),
    event("subscription.renewed", &[Field::Subscription], TERMS, "A subscription went into another term."),
    event("subscription.paused", &[Field::Subscription], TERMS, "A subscription was paused."),
    event("subscription.resumed", &[Field::Subscription], TERMS, "A paused subscription went on."),
    event("subscription.cancel_scheduled", &[Field::Subscription], TERMS, "A subscription will end."),
    event("subscription.canceled", &[Field::Subscription], TERMS, "A subscription ended."),
    event("invoice.paid", &[Field::Amount], &[Field::Currency], "An invoice was paid."),
    event(
        "invoice.payment_failed",
        &[Field::Amount],
        &[Field::Currency, Field::Attempt, Field::NextAttemptAt],
        "An attempt to collect an invoice failed.",
    ),
    event("payment.refunded", &[], &[Field::Amount, Field::Currency], "A payment went back, in part or in whole."),
    event("account.updated", &[], &[Field::Name, Field::Owner, Field::Traits], "Facts about the account changed."),
    event("onboarding.step_completed", &[Field::Step], &[Field::Done], "A step of the onboarding was completed."),
    event("alert.acknowledged", ALERT, &[Field::Note], "Somebody looks after an alert."),
    event("alert.snoozed", &[Field::Alert, Field::By, Field::Until], &[Field::Note], "An alert keeps quiet for now."),
    event("alert.resolved", &[Field::Alert, Field::By, Field::Reason], &[Field::Note], "A person closed an alert."),
    event("alert.commented", ALERT, &[Field::Note], "A person remarked on an alert."),
];
