//! From an event as found to an event: the one place where shape and range are judged, whatever the format.
//!
//! An event type is one arm of [`kind`]. Whether an event makes sense for its account is for the engine.

use super::raw::{Field, Found, Raw};
use super::refusal::{Refusal, excerpt};
use super::{Decoded, json};
use crate::engine::event::{
    AlertAction, CURRENCY_DEFAULT, Event, Interval, Kind, LimitUse, MINOR_UNITS_MAX, PlanFeatures, Role,
    SubscriptionChange, Survey, Terms, Text, Traits,
};
use crate::engine::input::Input;
use crate::units::{Currency, Money, Timestamp};

/// Most bytes of an identity: ids, and names that are used as such (features, limits, plans, steps).
pub(super) const ID_BYTES_MAX: usize = 256;
/// Most bytes of free text: titles, reasons, notes, traits.
pub(super) const TEXT_BYTES_MAX: usize = 4096;

const RFC_3339: &str = "an RFC 3339 time such as 2026-03-01T12:00:00Z";

/// The event that `raw` says, or why it is none.
pub(super) fn build<'a>(raw: &mut Raw<'a>) -> Result<Decoded<'a>, Refusal> {
    if let Some(field) = raw.duplicate.take() {
        return Err(Refusal::DuplicateKey { field });
    }
    let type_name = raw.required_text(Field::Type)?;
    if is_blank(&type_name) {
        return Err(Refusal::EmptyRequired { field: Field::Type.name() });
    }
    let Some(kind) = kind(raw, &type_name) else { return Ok(Decoded::UnknownType(type_name)) };
    // The common fields are judged first, so that the reason told is the one that matters most.
    Ok(Decoded::Input(Input::Event(Event {
        account_id: raw.account()?,
        id: raw.required_id(Field::Id)?,
        time: raw.time(Field::Time)?.ok_or(Refusal::MissingField { field: Field::Time.name() })?,
        user_id: raw.id(Field::UserId)?,
        source: raw.id(Field::Source)?,
        kind: kind?,
    })))
}

/// What happened, by its canonical type; `None` for types that are not known.
fn kind<'a>(raw: &mut Raw<'a>, type_name: &str) -> Option<Result<Kind<'a>, Refusal>> {
    use SubscriptionChange as Change;
    Some(match type_name {
        "feature.used" => feature_used(raw),
        "session.started" => raw.number(Field::DurationS, 0).map(|duration_s| Kind::SessionStarted { duration_s }),
        "limit.reached" => limit_use(raw).map(Kind::LimitReached),
        "limit.usage" => limit_use(raw).map(Kind::LimitUsage),
        "user.added" => role_and_title(raw).map(|(role, title)| Kind::UserAdded { role, title }),
        "user.deactivated" => Ok(Kind::UserDeactivated),
        "user.role_changed" => role_and_title(raw).map(|(role, title)| Kind::UserRoleChanged { role, title }),
        "nps.responded" => raw.score(0, 10).map(|score| Kind::NpsResponded { score }),
        "csat.responded" => raw.score(1, 5).map(|score| Kind::CsatResponded { score }),
        "survey.sent" => Ok(survey_sent(raw)),
        "ticket.opened" => ticket_opened(raw),
        "ticket.closed" => raw.required_id(Field::Ticket).map(|ticket| Kind::TicketClosed { ticket }),
        "trial.started" => trial_started(raw),
        "trial.converted" => Ok(Kind::TrialConverted),
        "trial.expired" => Ok(Kind::TrialExpired),
        "subscription.started" => subscription(raw, Change::Started),
        "subscription.changed" => subscription(raw, Change::Changed),
        "subscription.renewed" => subscription(raw, Change::Renewed),
        "subscription.paused" => subscription(raw, Change::Paused),
        "subscription.resumed" => subscription(raw, Change::Resumed),
        "subscription.cancel_scheduled" => subscription(raw, Change::CancelScheduled),
        "subscription.canceled" => subscription(raw, Change::Canceled),
        "invoice.paid" => raw.required_money(Field::Amount).map(|amount| Kind::InvoicePaid { amount }),
        "invoice.payment_failed" => payment_failed(raw),
        "payment.refunded" => raw.money(Field::Amount).map(|amount| Kind::PaymentRefunded { amount }),
        "account.updated" => traits(raw).map(Kind::AccountUpdated),
        "onboarding.step_completed" => onboarding_step(raw),
        "alert.acknowledged" => alert_action(raw, |_| Ok(AlertAction::Acknowledged)),
        "alert.snoozed" => alert_action(raw, |raw| {
            let until = raw.time(Field::Until)?.ok_or(Refusal::MissingField { field: Field::Until.name() })?;
            Ok(AlertAction::Snoozed { until })
        }),
        "alert.resolved" => {
            alert_action(raw, |raw| Ok(AlertAction::Resolved { reason: raw.required_text(Field::Reason)? }))
        }
        "alert.commented" => alert_action(raw, |_| Ok(AlertAction::Commented)),
        _ => return None,
    })
}

fn feature_used<'a>(raw: &mut Raw<'a>) -> Result<Kind<'a>, Refusal> {
    Ok(Kind::FeatureUsed {
        feature: raw.required_id(Field::Feature)?,
        quantity: raw.number(Field::Quantity, 0)?.unwrap_or(1),
    })
}

fn limit_use<'a>(raw: &mut Raw<'a>) -> Result<LimitUse<'a>, Refusal> {
    Ok(LimitUse {
        limit: raw.required_id(Field::Limit)?,
        used: raw.measure(Field::Used)?,
        allowed: raw.measure(Field::Allowed)?,
    })
}

fn role_and_title<'a>(raw: &mut Raw<'a>) -> Result<(Option<Role>, Option<Text<'a>>), Refusal> {
    Ok((
        raw.one_of(Field::Role, json::ROLES, "champion, admin, sponsor, member, internal, service")?,
        raw.text(Field::Title)?,
    ))
}

fn ticket_opened<'a>(raw: &mut Raw<'a>) -> Result<Kind<'a>, Refusal> {
    Ok(Kind::TicketOpened {
        ticket: raw.required_id(Field::Ticket)?,
        severity: raw.text(Field::Severity)?,
        topic: raw.text(Field::Topic)?,
    })
}

/// A survey that does not say which is one of NPS, as the first that asked were; what it says otherwise is no fault.
fn survey_sent<'a>(raw: &mut Raw<'a>) -> Kind<'a> {
    let csat = Survey::Csat.name();
    let is_csat = matches!(raw.take(Field::Survey), Found::Text(text) if text.trim().eq_ignore_ascii_case(csat));
    Kind::SurveySent { survey: if is_csat { Survey::Csat } else { Survey::Nps } }
}

fn trial_started<'a>(raw: &mut Raw<'a>) -> Result<Kind<'a>, Refusal> {
    Ok(Kind::TrialStarted { card_on_file: raw.flag(Field::CardOnFile)?, ends_at: raw.time(Field::EndsAt)? })
}

fn subscription<'a>(raw: &mut Raw<'a>, change: SubscriptionChange) -> Result<Kind<'a>, Refusal> {
    let terms = Terms {
        subscription: raw.required_id(Field::Subscription)?,
        plan: raw.id(Field::Plan)?,
        mrr: raw.money(Field::Mrr)?,
        seats: raw.number(Field::Seats, 0)?,
        interval: raw.one_of::<Interval>(Field::Interval, json::INTERVALS, "day, week, month, quarter, year")?,
        term_ends_at: raw.time(Field::TermEndsAt)?,
        effective_at: raw.time(Field::EffectiveAt)?,
        reason: raw.text(Field::Reason)?,
    };
    Ok(Kind::Subscription { change, terms })
}

fn payment_failed<'a>(raw: &mut Raw<'a>) -> Result<Kind<'a>, Refusal> {
    Ok(Kind::PaymentFailed {
        amount: raw.required_money(Field::Amount)?,
        attempt: raw.number(Field::Attempt, 1)?,
        next_attempt_at: raw.time(Field::NextAttemptAt)?,
    })
}

fn onboarding_step<'a>(raw: &mut Raw<'a>) -> Result<Kind<'a>, Refusal> {
    Ok(Kind::OnboardingStep { step: raw.required_id(Field::Step)?, done: raw.flag(Field::Done)?.unwrap_or(false) })
}

fn alert_action<'a>(
    raw: &mut Raw<'a>,
    action: impl FnOnce(&mut Raw<'a>) -> Result<AlertAction<'a>, Refusal>,
) -> Result<Kind<'a>, Refusal> {
    Ok(Kind::AlertAction {
        alert: raw.required_id(Field::Alert)?,
        action: action(raw)?,
        by: raw.required_id(Field::By)?,
        note: raw.text(Field::Note)?,
    })
}

fn traits<'a>(raw: &mut Raw<'a>) -> Result<Traits<'a>, Refusal> {
    match raw.take(Field::Traits) {
        Found::Absent | Found::Null | Found::Object => {}
        found => return Err(wrong_type("traits", "an object", &found)),
    }
    let mut traits = Traits { name: raw.text(Field::Name)?, owner: raw.text(Field::Owner)?, ..Traits::default() };
    for (name, found) in std::mem::take(&mut raw.traits) {
        let value = match found {
            Found::Absent | Found::Null => continue,
            Found::Text(text) => text,
            Found::Bool(value) => value.to_string().into(),
            Found::Integer(value) => value.to_string().into(),
            Found::Float(value) => value.to_string().into(),
            found => return Err(wrong_type("a value of traits", "text, a number, true or false", &found)),
        };
        let name = checked_id("a key of traits", name)?;
        traits.traits.push((name, checked_text("a value of traits", value)?));
    }
    traits.plan_features = match raw.plan_features.take() {
        None => None,
        Some(Ok(features)) => {
            let features = features.into_iter().map(|feature| checked_id("traits.plan_features", feature));
            Some(PlanFeatures::Names(features.collect::<Result<_, _>>()?))
        }
        Some(Err(found)) => match found {
            Found::Integer(count) if u16::try_from(count).is_ok() => u16::try_from(count).ok().map(PlanFeatures::Count),
            found => {
                let allowed = "an array of text or a whole number from 0 to 65535";
                return Err(wrong_type("traits.plan_features", allowed, &found));
            }
        },
    };
    Ok(traits)
}

impl<'a> Raw<'a> {
    fn account(&mut self) -> Result<Text<'a>, Refusal> {
        let field = Field::AccountId.name();
        match self.take(Field::AccountId) {
            Found::Absent | Found::Null => Err(Refusal::MissingAccount),
            Found::Text(text) if is_blank(&text) => Err(Refusal::EmptyAccount),
            // Keys of that kind belong to the product itself.
            Found::Text(text) if text.starts_with('\0') => {
                Err(wrong_type(field, "text that does not begin with NUL", &Found::Text(text)))
            }
            Found::Text(text) => checked_id(field, text),
            found => Err(wrong_type(field, "text", &found)),
        }
    }

    /// Free text; `None` where the record says nothing.
    fn text(&mut self, field: Field) -> Result<Option<Text<'a>>, Refusal> {
        match self.take(field) {
            Found::Absent | Found::Null => Ok(None),
            Found::Text(text) => checked_text(field.name(), text).map(Some),
            found => Err(wrong_type(field.name(), "text", &found)),
        }
    }

    fn required_text(&mut self, field: Field) -> Result<Text<'a>, Refusal> {
        self.text(field)?.ok_or(Refusal::MissingField { field: field.name() })
    }

    /// An identity: neither empty nor long; `None` where the record says nothing.
    fn id(&mut self, field: Field) -> Result<Option<Text<'a>>, Refusal> {
        match self.take(field) {
            Found::Absent | Found::Null => Ok(None),
            Found::Text(text) => checked_id(field.name(), text).map(Some),
            found => Err(wrong_type(field.name(), "text", &found)),
        }
    }

    fn required_id(&mut self, field: Field) -> Result<Text<'a>, Refusal> {
        match self.id(field) {
            Err(Refusal::EmptyId { field }) => Err(Refusal::EmptyRequired { field }),
            found => found?.ok_or(Refusal::MissingField { field: field.name() }),
        }
    }

    fn flag(&mut self, field: Field) -> Result<Option<bool>, Refusal> {
        match self.take(field) {
            Found::Absent | Found::Null => Ok(None),
            Found::Bool(value) => Ok(Some(value)),
            found => Err(wrong_type(field.name(), "true or false", &found)),
        }
    }

    /// A whole number from `min` to the largest of 32 bits.
    fn number(&mut self, field: Field, min: u32) -> Result<Option<u32>, Refusal> {
        match self.take(field) {
            Found::Absent | Found::Null => Ok(None),
            Found::Integer(value) => match u32::try_from(value) {
                Ok(value) if value >= min => Ok(Some(value)),
                _ => Err(out_of_range(field, min, value.to_string())),
            },
            Found::Float(value) if value.abs() >= f64::from(u32::MAX) => {
                Err(out_of_range(field, min, format!("{value:?}")))
            }
            found => Err(wrong_type(field.name(), "a whole number", &found)),
        }
    }

    /// A number that is not negative, with or without a fraction.
    #[allow(clippy::cast_precision_loss)] // a measure, not an identity
    fn measure(&mut self, field: Field) -> Result<Option<f64>, Refusal> {
        let value = match self.take(field) {
            Found::Absent | Found::Null => return Ok(None),
            Found::Integer(value) => value as f64,
            Found::Float(value) => value,
            found => return Err(wrong_type(field.name(), "a number", &found)),
        };
        if value >= 0.0 { Ok(Some(value)) } else { Err(out_of_range(field, 0, format!("{value:?}"))) }
    }

    fn score(&mut self, min: u8, max: u8) -> Result<u8, Refusal> {
        match self.take(Field::Score) {
            Found::Absent | Found::Null => Err(Refusal::MissingField { field: Field::Score.name() }),
            Found::Integer(found) => match u8::try_from(found) {
                Ok(score) if (min..=max).contains(&score) => Ok(score),
                _ => Err(Refusal::ScoreOutOfRange { found, min, max }),
            },
            found => Err(wrong_type(Field::Score.name(), "a whole number", &found)),
        }
    }

    /// An amount in minor units of `currency`, which stays for a second amount.
    fn money(&mut self, field: Field) -> Result<Option<Money>, Refusal> {
        let minor = match self.take(field) {
            Found::Absent | Found::Null => return Ok(None),
            Found::Integer(minor) if minor < 0 => {
                return Err(Refusal::NegativeAmount { field: field.name(), found: minor });
            }
            Found::Integer(minor) if minor > MINOR_UNITS_MAX => return Err(too_large(field, minor.to_string())),
            Found::Integer(minor) => minor,
            Found::Float(value) if value >= 9e18 => return Err(too_large(field, format!("{value:?}"))),
            found => return Err(wrong_type(field.name(), "a whole number of minor units", &found)),
        };
        let currency = match self.take(Field::Currency) {
            Found::Absent | Found::Null => CURRENCY_DEFAULT,
            Found::Text(code) => {
                Currency::parse(&code).ok_or_else(|| Refusal::UnknownCurrency { found: excerpt(&code) })?
            }
            found => return Err(wrong_type(Field::Currency.name(), "text", &found)),
        };
        Ok(Some(Money { minor, currency }))
    }

    fn required_money(&mut self, field: Field) -> Result<Money, Refusal> {
        self.money(field)?.ok_or(Refusal::MissingField { field: field.name() })
    }

    /// An instant within the believed range; `None` where the record says nothing.
    fn time(&mut self, field: Field) -> Result<Option<Timestamp>, Refusal> {
        let found = self.take(field);
        let ms = match &found {
            Found::Absent | Found::Null => return Ok(None),
            Found::Instant(ms) => *ms,
            Found::Text(text) => match chrono::DateTime::parse_from_rfc3339(text) {
                Ok(time) => time.timestamp_millis(),
                Err(_) => return Err(malformed_time(field.name(), RFC_3339, &found)),
            },
            _ => return Err(malformed_time(field.name(), RFC_3339, &found)),
        };
        let time = Timestamp::from_ms(ms);
        time.map(Some).ok_or_else(|| Refusal::AbsurdTime { field: field.name(), found: found.describe() })
    }

    /// One of a few values by its name.
    fn one_of<T: Copy>(
        &mut self,
        field: Field,
        values: &[(&str, T)],
        wanted: &'static str,
    ) -> Result<Option<T>, Refusal> {
        let Some(name) = self.text(field)? else { return Ok(None) };
        let value = values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        value.map(Some).ok_or_else(|| Refusal::UnknownValue { field: field.name(), found: excerpt(&name), wanted })
    }
}

fn is_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

fn checked_id<'a>(field: &'static str, text: Text<'a>) -> Result<Text<'a>, Refusal> {
    if is_blank(&text) {
        return Err(Refusal::EmptyId { field });
    }
    if text.len() > ID_BYTES_MAX {
        return Err(Refusal::IdTooLong { field, bytes: text.len(), bytes_max: ID_BYTES_MAX });
    }
    Ok(text)
}

fn checked_text<'a>(field: &'static str, text: Text<'a>) -> Result<Text<'a>, Refusal> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Refusal::TextTooLong { field, bytes: text.len(), bytes_max: TEXT_BYTES_MAX });
    }
    Ok(text)
}

fn wrong_type(field: &'static str, wanted: &'static str, found: &Found<'_>) -> Refusal {
    Refusal::WrongType { field, wanted, found: found.describe() }
}

/// The refusal of a time that cannot be read.
pub(super) fn malformed_time(field: &'static str, wanted: &'static str, found: &Found<'_>) -> Refusal {
    Refusal::MalformedTime { field, wanted, found: found.describe() }
}

fn too_large(field: Field, found: String) -> Refusal {
    Refusal::AmountTooLarge { field: field.name(), found }
}

fn out_of_range(field: Field, min: u32, found: String) -> Refusal {
    Refusal::NumberOutOfRange { field: field.name(), found, min, max: u32::MAX }
}
