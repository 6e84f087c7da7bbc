//! The standing of an account: answers that every judgement needs, derived from its facts and kept at hand.
//!
//! Derived after each event that can change them and after decoding, never stored.

use super::Account;
use crate::engine::event::Kind;
use crate::engine::facts::billing::{Billing, Ledger};
use crate::engine::facts::people::Person;
use crate::engine::facts::voice::Voice;
use crate::units::{Timestamp, stable_hash};

/// What every judgement needs of what an account points to: most often that it need not look there.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
#[allow(clippy::struct_excessive_bools)] // independent answers to independent questions
pub struct Standing {
    /// Whether it has or had a subscription.
    pub is_subscribed: bool,
    /// Whether every subscription has ended.
    pub has_left: bool,
    /// Whether every subscription has ended or is paused.
    pub rests: bool,
    /// Whether a payment has ever succeeded or failed.
    pub is_invoiced: bool,
    /// Whether a payment has failed since the last success.
    pub is_unpaid: bool,
    /// Whether its contract may speak: its end is scheduled, it is paused, it has shrunk, or its renewal is a decision.
    pub is_contract_open: bool,
    /// Whether it has ever been told what a subscription pays, at a rate that is known.
    pub is_priced: bool,
    /// Its MRR in minor units of the reporting currency.
    pub mrr_minor: i64,
    /// Hash of everything that is told of it beside risk and MRR; changes when any of it does.
    pub told: u32,
    /// Whether its answers, or surveys left unanswered, may speak for churn.
    pub is_outspoken: bool,
    /// Whether it has, or had, a champion, a sponsor or an admin.
    pub has_key_people: bool,
    /// Whether one of its users is none of the customer's people, by role.
    pub has_people_apart: bool,
    /// Hits of plan limits kept.
    pub limit_hits: u8,
    /// The latest of them.
    pub limit_hit_at: Option<Timestamp>,
    /// The earliest and the latest NPS answer kept.
    pub answered: Option<(Timestamp, Timestamp)>,
    /// Whether it rests, or is back from a rest.
    pub has_rested: bool,
}

impl Account {
    /// Derives the standing; after decoding.
    pub(crate) fn derive(&mut self) {
        self.derive_terms();
        self.derive_voices();
    }

    /// Derives what an event of this kind can change of the standing.
    pub(super) fn derive_after(&mut self, kind: &Kind<'_>) {
        match kind {
            Kind::Subscription { .. }
            | Kind::InvoicePaid { .. }
            | Kind::PaymentFailed { .. }
            | Kind::AccountUpdated(_) => self.derive_terms(),
            Kind::LimitReached(_)
            | Kind::UserAdded { .. }
            | Kind::UserRoleChanged { .. }
            | Kind::NpsResponded { .. }
            | Kind::CsatResponded { .. }
            | Kind::SurveySent { .. } => self.derive_voices(),
            _ => {}
        }
    }

    /// Derives the standing of limits, people and voice.
    fn derive_voices(&mut self) {
        let hits = self.limits.as_deref().map(|limits| limits.hits.as_slice()).unwrap_or_default();
        let people = self.people.as_deref().map(|people| people.list.as_slice()).unwrap_or_default();
        let answers = self.voice.as_deref().map(|voice| voice.answers.as_slice()).unwrap_or_default();
        let times = || answers.iter().map(|answer| answer.stamp.time);
        self.standing.limit_hits = u8::try_from(hits.len()).unwrap_or(u8::MAX);
        self.standing.limit_hit_at = hits.last().map(|hit| hit.time);
        self.standing.has_key_people = people.iter().any(Person::is_key);
        self.standing.has_people_apart = people.iter().any(|person| person.apart().is_some());
        self.standing.is_outspoken = self.voice.as_deref().is_some_and(Voice::is_outspoken);
        self.standing.answered = times().min().zip(times().max());
    }

    /// Derives the standing of billing and profile.
    fn derive_terms(&mut self) {
        let billing = self.billing.as_deref();
        let ledger = billing.map(|billing| &billing.ledger);
        self.standing = Standing {
            is_subscribed: ledger.is_some_and(|ledger| !ledger.subscriptions.is_empty()),
            has_left: ledger.is_some_and(Ledger::has_left),
            rests: ledger.is_some_and(Ledger::rests),
            is_invoiced: billing.is_some_and(|billing| billing.paid_at.is_some() || !billing.failures.is_empty()),
            is_unpaid: billing.is_some_and(|billing| !billing.unpaid().is_empty()),
            is_contract_open: ledger.is_some_and(Ledger::is_open),
            is_priced: billing.is_some_and(Billing::is_priced),
            mrr_minor: ledger.map_or(0, |ledger| ledger.mrr_minor),
            told: self.told(),
            has_rested: billing.is_some_and(|billing| billing.comeback.is_some()),
            ..self.standing
        };
    }

    #[allow(clippy::cast_possible_truncation)] // a half of a good hash
    fn told(&self) -> u32 {
        let mut hash = 0_u64;
        let mut tell = |text: &str| hash = hash.rotate_left(7) ^ stable_hash(text.as_bytes());
        if let Some(profile) = &self.profile {
            let stated = [&profile.name, &profile.owner].into_iter().flatten();
            stated.chain(profile.traits.iter().map(|(_, value)| value)).for_each(|stated| tell(&stated.value));
        }
        if let Some(billing) = &self.billing {
            tell(billing.ledger.plan().unwrap_or_default());
            tell(if billing.ledger.has_left() { "left" } else { "stays" });
            let times = [billing.ledger.renewal_at(), billing.ledger.ended_at];
            times.into_iter().flatten().for_each(|time| hash = hash.rotate_left(7) ^ time.ms().unsigned_abs());
        }
        hash as u32
    }
}
