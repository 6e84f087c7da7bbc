//! The canonical log's JSON, version 1: one object per record, keyed by account.
//!
//! Reading is one pass over the bytes and borrows from them. Writing gives equal bytes for equal events, and reads back
//! as the same event. Unknown fields are passed over; what they say is nowhere kept.

use std::borrow::Cow;

use serde::de::DeserializeSeed;

use super::Decoded;
use super::check::build;
use super::control::{self, FLEET, PROGRESS};
use super::json::{INTERVALS, Object, ROLES, name_of, write_text};
use super::raw::{Raw, RawSeed};
use super::refusal::{Refusal, excerpt};
use std::sync::Arc;

use crate::engine::event::{AlertAction, Event, Kind, LimitUse, PlanFeatures, Role, Survey, Terms, Traits};
use crate::engine::fleet::Fleet;
use crate::engine::input::{Input, Progress};

/// Key of control records; no account is called so.
pub const CONTROL_KEY: &[u8] = b"\0control";

/// Reads a record of the canonical log: an event or a control record.
pub fn decode(value: &[u8]) -> Result<Decoded<'_>, Refusal> {
    let text = text_of(value)?;
    Ok(match read(text)? {
        Decoded::UnknownType(name) if name == PROGRESS => {
            Decoded::Input(Input::Progress(control::decode_progress(text)?))
        }
        Decoded::UnknownType(name) if name == FLEET => {
            Decoded::Input(Input::Fleet(Arc::new(control::decode_fleet(text)?)))
        }
        decoded => decoded,
    })
}

/// Reads a record that somebody else wrote: an event. Control records are unknown types here.
pub fn decode_event(value: &[u8]) -> Result<Decoded<'_>, Refusal> {
    read(text_of(value)?)
}

/// Appends the JSON of `event` to `out`.
pub fn encode_event(event: &Event<'_>, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.text("id", &event.id);
    object.time("time", event.time);
    object.text("account_id", &event.account_id);
    object.text("type", event.kind.type_name());
    object.optional_text("user_id", event.user_id.as_deref());
    object.optional_text("source", event.source.as_deref());
    encode_kind(&event.kind, &mut object);
    object.end();
}

/// Appends the JSON of a progress record to `out`.
pub fn encode_progress(progress: &Progress, out: &mut Vec<u8>) {
    control::encode_progress(progress, out);
}

/// Appends the JSON of a fleet record to `out`.
pub fn encode_fleet(fleet: &Fleet, out: &mut Vec<u8>) {
    control::encode_fleet(fleet, out);
}

/// What some programs write before UTF-8 text; nobody sees it.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The text of a record, refused when there is none.
pub(super) fn text_of(value: &[u8]) -> Result<&str, Refusal> {
    let text = std::str::from_utf8(value).map_err(|error| Refusal::NotUtf8 { valid_bytes: error.valid_up_to() })?;
    if text.bytes().all(|byte| byte.is_ascii_whitespace()) { Err(Refusal::Empty) } else { Ok(text) }
}

/// The refusal of text that the JSON parser gave up on.
pub(super) fn not_json(text: &str, error: &serde_json::Error) -> Refusal {
    if error.is_data() {
        // Any value is taken in any place, except that the whole must be an object.
        return Refusal::WrongType { field: "record", wanted: "a JSON object", found: format!("`{}`", excerpt(text)) };
    }
    let problem = match text.strip_prefix(BYTE_ORDER_MARK) {
        Some(_) => "a byte order mark stands before it, send UTF-8 without one".to_owned(),
        None => error.to_string(),
    };
    Refusal::NotJson { problem, excerpt: excerpt(text.trim_start_matches(BYTE_ORDER_MARK)) }
}

fn read(text: &str) -> Result<Decoded<'_>, Refusal> {
    let mut raw = Raw::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    RawSeed(&mut raw).deserialize(&mut reader).map_err(|error| not_json(text, &error))?;
    reader.end().map_err(|error| not_json(text, &error))?;
    build(&mut raw)
}

fn encode_kind(kind: &Kind<'_>, object: &mut Object<'_>) {
    match kind {
        Kind::FeatureUsed { feature, quantity } => {
            object.text("feature", feature);
            object.integer("quantity", *quantity);
        }
        Kind::SessionStarted { duration_s } => optional_integer(object, "duration_s", *duration_s),
        Kind::LimitReached(limit) | Kind::LimitUsage(limit) => encode_limit(limit, object),
        Kind::UserAdded { role, title } | Kind::UserRoleChanged { role, title } => {
            encode_person(*role, title.as_deref(), object);
        }
        Kind::NpsResponded { score } | Kind::CsatResponded { score } => object.integer("score", *score),
        Kind::TicketOpened { ticket, severity, topic } => {
            object.text("ticket", ticket);
            object.optional_text("severity", severity.as_deref());
            object.optional_text("topic", topic.as_deref());
        }
        Kind::TicketClosed { ticket } => object.text("ticket", ticket),
        Kind::TrialStarted { card_on_file, ends_at } => {
            if let Some(card_on_file) = card_on_file {
                object.flag("card_on_file", *card_on_file);
            }
            object.optional_time("ends_at", *ends_at);
        }
        // The other kind is what a survey is that does not say.
        Kind::SurveySent { survey: Survey::Csat } => object.text("survey", Survey::Csat.name()),
        Kind::UserDeactivated
        | Kind::SurveySent { survey: Survey::Nps }
        | Kind::TrialConverted
        | Kind::TrialExpired => {}
        Kind::Subscription { terms, .. } => encode_terms(terms, object),
        Kind::InvoicePaid { amount } => object.money("amount", *amount),
        Kind::PaymentFailed { amount, attempt, next_attempt_at } => {
            object.money("amount", *amount);
            optional_integer(object, "attempt", *attempt);
            object.optional_time("next_attempt_at", *next_attempt_at);
        }
        Kind::PaymentRefunded { amount } => {
            if let Some(amount) = amount {
                object.money("amount", *amount);
            }
        }
        Kind::AccountUpdated(traits) => encode_traits(traits, object),
        Kind::OnboardingStep { step, done } => {
            object.text("step", step);
            object.flag("done", *done);
        }
        Kind::AlertAction { alert, action, by, note } => {
            object.text("alert", alert);
            object.text("by", by);
            match action {
                AlertAction::Snoozed { until } => object.time("until", *until),
                AlertAction::Resolved { reason } => object.text("reason", reason),
                AlertAction::Acknowledged | AlertAction::Commented => {}
            }
            object.optional_text("note", note.as_deref());
        }
    }
}

fn encode_limit(limit: &LimitUse<'_>, object: &mut Object<'_>) {
    object.text("limit", &limit.limit);
    if let Some(used) = limit.used {
        object.float("used", used);
    }
    if let Some(allowed) = limit.allowed {
        object.float("allowed", allowed);
    }
}

fn encode_person(role: Option<Role>, title: Option<&str>, object: &mut Object<'_>) {
    object.optional_text("role", role.map(|role| name_of(ROLES, &role)));
    object.optional_text("title", title);
}

fn encode_terms(terms: &Terms<'_>, object: &mut Object<'_>) {
    object.text("subscription", &terms.subscription);
    object.optional_text("plan", terms.plan.as_deref());
    if let Some(mrr) = terms.mrr {
        object.money("mrr", mrr);
    }
    optional_integer(object, "seats", terms.seats);
    object.optional_text("interval", terms.interval.map(|interval| name_of(INTERVALS, &interval)));
    object.optional_time("term_ends_at", terms.term_ends_at);
    object.optional_time("effective_at", terms.effective_at);
    object.optional_text("reason", terms.reason.as_deref());
}

fn encode_traits(traits: &Traits<'_>, object: &mut Object<'_>) {
    object.optional_text("name", traits.name.as_deref());
    object.optional_text("owner", traits.owner.as_deref());
    if traits.traits.is_empty() && traits.plan_features.is_none() {
        return;
    }
    let mut members = Object::begin(object.key("traits"));
    for (name, value) in &traits.traits {
        members.text(name, value);
    }
    match &traits.plan_features {
        Some(PlanFeatures::Names(names)) => write_list(members.key("plan_features"), names),
        Some(PlanFeatures::Count(count)) => members.integer("plan_features", u32::from(*count)),
        None => {}
    }
    members.end();
}

fn write_list(out: &mut Vec<u8>, texts: &[Cow<'_, str>]) {
    out.push(b'[');
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_text(out, text);
    }
    out.push(b']');
}

fn optional_integer(object: &mut Object<'_>, name: &str, value: Option<u32>) {
    if let Some(value) = value {
        object.integer(name, value);
    }
}

#[cfg(test)]
mod tests;
