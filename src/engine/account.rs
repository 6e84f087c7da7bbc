//! The state of one account: facts, what has been judged of it, and which event ids it has shown.

mod standing;

use compact_str::CompactString;

use super::close;
use super::dedup::Dedup;
use super::effect::{Band, Severity};
use super::event::{Event, Kind};
use super::facts::Stamp;
use super::facts::activity::{Activity, Taken};
use super::facts::billing::{Billing, Booked, Failure};
use super::facts::crowd::{CROWD_MAX, Crowd, Seen};
use super::facts::limits::Limits;
use super::facts::onboarding::Onboarding;
use super::facts::people::{People, Statement};
use super::facts::profile::Profile;
use super::facts::tickets::Tickets;
use super::facts::voice::{Answer, Voice};
use super::kpis::contribution::UNKNOWN;
use super::rules::Rules;
use super::signals;
use crate::units::{Offset, Timestamp};
pub use standing::Standing;

/// Everything known about one account.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// Its id.
    pub id: CompactString,
    /// When it was active.
    pub activity: Activity,
    /// Its users.
    pub users: Crowd,
    /// The features it has used.
    pub features: Crowd,
    /// Hits of plan limits, once there are any.
    pub limits: Option<Box<Limits>>,
    /// The people who matter, once one is known.
    pub people: Option<Box<People>>,
    /// Survey answers, once there are any.
    pub voice: Option<Box<Voice>>,
    /// Its support tickets, once there are any.
    pub tickets: Option<Box<Tickets>>,
    /// How it began, once a trial or a step of onboarding is known.
    pub onboarding: Option<Box<Onboarding>>,
    /// What it pays, once something is known.
    pub billing: Option<Box<Billing>>,
    /// Who it is, once something is known.
    pub profile: Option<Box<Profile>>,
    /// Event ids seen lately.
    pub dedup: Dedup,
    /// What has been judged of it.
    pub judgement: Judgement,
    /// What every judgement needs of the facts it points to, kept at hand; derived.
    pub(crate) standing: Standing,
}

/// What has been judged of an account. Unlike facts, this is history: it depends on when the account was judged.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Judgement {
    /// When it was last judged; `None` before the first time.
    pub at: Option<Timestamp>,
    /// When it is to be judged again if nothing happens; `None` once it has left.
    pub due: Option<Timestamp>,
    /// How many days of silence `due` stood for when it was judged.
    pub patience_days: u8,
    /// For how many days from `at` activity alone is no reason to judge it.
    pub content_days: u8,
    /// Its band.
    pub band: Band,
    /// Since when the risk has been below the exit level of `band`.
    pub below_since: Option<Timestamp>,
    /// What was last published about it.
    pub published: Option<Published>,
    /// Its alerts: of each type that was ever raised the latest episode, behind earlier ones whose outcome is not known
    /// yet; at most [`super::alert::EPISODES_MAX`].
    pub alerts: Vec<AlertState>,
}

/// What was last published about an account: it is published again when this has changed enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// The risk.
    pub risk: f32,
    /// The band.
    pub band: Band,
    /// MRR in minor units of the reporting currency, where known.
    pub mrr_minor: Option<i64>,
    /// [`Standing::told`].
    pub told: u32,
}

/// One episode of an alert: the latest of its type, or an earlier one whose outcome is not known yet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlertState {
    /// Index of the alert type: 0 is `churn_risk`, `n + 1` the signal `n`.
    pub kind: u8,
    /// The episode, from 1.
    pub episode: u32,
    /// How loud it is; `None` when it is closed.
    pub open: Option<Severity>,
    /// When the episode was raised.
    pub raised_at: Timestamp,
    /// When it was closed; meaningless while it is open.
    pub closed_at: Timestamp,
    /// What closed it; meaningless while it is open.
    pub closed_by: ClosedBy,
    /// Until when it keeps quiet; `None` when it does not.
    pub snoozed_until: Option<Timestamp>,
    /// Whether somebody has acknowledged or snoozed it.
    pub is_acknowledged: bool,
    /// Whether it has been escalated since nobody had acknowledged it in time.
    pub is_overdue: bool,
    /// Whether its outcome is known: the account has left, or the horizon has passed since it was raised.
    pub is_settled: bool,
    /// For which reason it was resolved, until its outcome is known: see [`super::quality::Resolutions::number`]; 0 for
    /// none.
    pub reason_number: u8,
}

/// What closed an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedBy {
    /// Its cause is gone, or the account.
    Recovery,
    /// A person resolved it.
    Person,
    /// Late data showed that there was no cause.
    LateData,
}

/// How soon an event asks for a judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Urgency {
    /// Nothing has happened that a judgement would see.
    None,
    /// The account was active on one more day: an account in trouble is judged now, a healthy one at times.
    Routine,
    /// Something has happened that may change the judgement: now.
    #[default]
    Now,
}

/// What taking in an event did to an account's facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Change {
    /// How soon it is to be judged.
    pub urgency: Urgency,
    /// Whether the event came too late for some of its effect.
    pub too_late: bool,
    /// Whether money in it could not be converted to the reporting currency.
    pub unpriced: bool,
    /// What it changed about when users were last seen.
    pub user: Seen,
    /// Whether it tells of a feature that was not known of the account.
    pub is_new_feature: bool,
}

impl Account {
    /// An account of which nothing is known.
    #[must_use]
    pub fn new(id: &str) -> Account {
        Account {
            id: id.into(),
            activity: Activity::default(),
            users: Crowd::default(),
            features: Crowd::default(),
            limits: None,
            people: None,
            voice: None,
            tickets: None,
            onboarding: None,
            billing: None,
            profile: None,
            dedup: Dedup::default(),
            judgement: Judgement::default(),
            standing: Standing::default(),
        }
    }

    /// Takes in the facts of an event that is not a repetition.
    pub fn take(&mut self, event: &Event<'_>, event_hash: u64, offset: Offset, rules: &Rules) -> Change {
        let stamp = Stamp { time: event.time, tie: event_hash };
        let mut change = Change::default();
        let (is_judged, had_key_people) = (self.judgement.at.is_some(), self.standing.has_key_people);
        self.activity.note(event.time);
        if event.kind.is_usage() {
            let quantity = if let Kind::FeatureUsed { quantity, .. } = event.kind { quantity.max(1) } else { 1 };
            match self.activity.take(event.time, quantity, offset) {
                Taken::NewDay => change.urgency = Urgency::Routine,
                // More of the same on an active day: nothing a judgement would see.
                Taken::SameDay => change.urgency = Urgency::None,
                Taken::TooLate => return Change { urgency: Urgency::None, too_late: true, ..change },
            }
            if let Some(user_id) = &event.user_id {
                change.user = self.see_user(user_id, event.time);
            }
        } else if event.kind.is_by_customer() {
            self.activity.others = self.activity.others.saturating_add(1);
        }
        match &event.kind {
            Kind::FeatureUsed { feature, .. } => {
                let seen = self.features.see(Crowd::hash(feature), event.time.day());
                change.is_new_feature = matches!(seen, Seen::Joined | Seen::Displaced(_));
            }
            Kind::LimitReached(limit) => {
                self.limits.get_or_insert_default().hit(stamp, limit, offset);
                change.urgency = Urgency::Now;
            }
            Kind::UserAdded { role, .. } | Kind::UserRoleChanged { role, .. } => {
                self.speak_of(event, Statement::Role(*role), stamp, offset);
            }
            Kind::UserDeactivated => self.speak_of(event, Statement::Deactivated, stamp, offset),
            Kind::NpsResponded { score } | Kind::CsatResponded { score } => {
                let respondent = Crowd::hash(event.user_id.as_ref().unwrap_or(&event.id));
                let answer = Answer { respondent, stamp, score: *score, offset };
                let voice = self.voice.get_or_insert_default();
                if matches!(event.kind, Kind::NpsResponded { .. }) { voice.answer(answer) } else { voice.rate(answer) }
            }
            Kind::SurveySent { survey } => {
                self.voice.get_or_insert_default().survey_sent(event.time, *survey);
                change.urgency = Urgency::None;
            }
            Kind::TicketOpened { ticket, severity, topic } => {
                let topic = topic.as_ref().map_or(0, |topic| Crowd::hash(topic));
                let tickets = self.tickets.get_or_insert_default();
                tickets.opened(Crowd::hash(ticket), severity.as_deref(), topic, stamp, offset);
            }
            Kind::TicketClosed { ticket } => {
                self.tickets.get_or_insert_default().closed(Crowd::hash(ticket), stamp, offset);
            }
            Kind::TrialStarted { card_on_file, ends_at } => {
                self.onboarding.get_or_insert_default().trial_started(stamp, *card_on_file, *ends_at);
            }
            // No signal reads how a trial ended: the subscription says what matters.
            Kind::TrialConverted => {
                self.onboarding.get_or_insert_default().trial_converted(event.time);
                change.urgency = Urgency::None;
            }
            Kind::TrialExpired => {
                self.onboarding.get_or_insert_default().trial_expired(event.time);
                change.urgency = Urgency::None;
            }
            Kind::OnboardingStep { step, done } => {
                self.onboarding.get_or_insert_default().step(step, *done, stamp, offset);
                change.urgency = Urgency::Now;
            }
            Kind::Subscription { change: kind, terms } => {
                let valuation = rules.valuation();
                change.unpriced = terms.mrr.is_some_and(|mrr| valuation.latest(mrr).is_none());
                let booked = self.billing.get_or_insert_default().take(stamp, *kind, terms, valuation, offset);
                change.too_late = booked == Booked::TooLate;
            }
            Kind::InvoicePaid { .. } => {
                self.billing.get_or_insert_default().paid(event.time);
                // A payment of an account that owes nothing is no news.
                if is_judged && !self.standing.is_unpaid {
                    change.urgency = Urgency::None;
                }
            }
            Kind::PaymentFailed { amount, attempt, .. } => self.billing.get_or_insert_default().failed(Failure {
                stamp,
                attempt: attempt.unwrap_or(0),
                amount_minor: rules.valuation().latest(*amount).filter(|minor| *minor != 0),
                offset,
            }),
            Kind::AccountUpdated(traits) => self.profile.get_or_insert_default().take(stamp, traits),
            Kind::SessionStarted { .. } => {}
            // No signal reads these.
            Kind::LimitUsage(_) | Kind::PaymentRefunded { .. } | Kind::AlertAction { .. } => {
                change.urgency = Urgency::None;
            }
        }
        self.derive_after(&event.kind);
        // Who comes and goes is no news where nobody matters by name.
        if event.kind.is_about_user() && is_judged && !(had_key_people || self.standing.has_key_people) {
            change.urgency = Urgency::None;
        }
        // Nor are a few hits, of which nobody says anything.
        if matches!(event.kind, Kind::LimitReached(_))
            && is_judged
            && !signals::limits_may_speak(self.standing.limit_hits, rules)
        {
            change.urgency = Urgency::None;
        }
        change
    }

    fn see_user(&mut self, user_id: &str, time: Timestamp) -> Seen {
        let hash = Crowd::hash(user_id);
        // A full crowd may lose a member to this one: the people who matter keep what it knows of them.
        let full = self.users.members.len() >= CROWD_MAX && self.users.get(hash).is_none();
        if let (true, Some(people)) = (full, &mut self.people) {
            people.keep(&self.users);
        }
        let seen = self.users.see(hash, time.day());
        if let (Seen::LeftOut, Some(people)) = (seen, &mut self.people) {
            people.see(hash, time.day());
        }
        seen
    }

    fn speak_of(&mut self, event: &Event<'_>, statement: Statement, stamp: Stamp, offset: Offset) {
        if let Some(user_id) = &event.user_id {
            self.people.get_or_insert_default().take(user_id, statement, stamp, offset);
        }
    }

    /// The moment at which it is judged when the engine's clock stands at `clock`: its own latest event may be ahead, by
    /// [`Rules::ahead`] at most.
    #[must_use]
    pub fn present(&self, clock: Option<Timestamp>, rules: &Rules) -> Timestamp {
        let latest_at = self.activity.latest_at;
        clock.map_or(latest_at, |clock| clock.max(latest_at.min(clock.plus(rules.ahead()))))
    }

    /// Its MRR in minor units of the reporting currency; `None` when it has no known subscription, or when none has ever
    /// told an MRR that has a rate.
    #[must_use]
    pub fn mrr_minor(&self) -> Option<i64> {
        self.standing.is_priced.then_some(self.standing.mrr_minor)
    }

    /// Whether it has left: every subscription it had has ended.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.standing.has_left
    }

    /// When it left, while it is gone.
    #[must_use]
    pub fn left_at(&self) -> Option<Timestamp> {
        self.billing.as_ref()?.ledger.ended_at
    }

    /// Whether its band, an alert or a fading risk asks for attention.
    #[must_use]
    pub fn is_troubled(&self) -> bool {
        let judgement = &self.judgement;
        judgement.band > Band::Healthy
            || judgement.below_since.is_some()
            || judgement.alerts.iter().any(|alert| alert.open.is_some())
    }

    /// The value by which it belongs to a segment; [`UNKNOWN`] when it has none.
    #[must_use]
    pub fn segment(&self, rules: &Rules) -> &str {
        self.value(&rules.segment_by).unwrap_or(UNKNOWN)
    }

    /// Its value of a trait, or its plan; `None` when nothing was told, or nothing but blanks.
    #[must_use]
    pub fn value(&self, dimension: &str) -> Option<&str> {
        let stated = self.profile.as_ref().and_then(|profile| profile.value(dimension));
        let plan = || self.billing.as_ref().filter(|_| dimension == "plan")?.ledger.plan();
        stated.or_else(plan).filter(|value| !value.trim().is_empty())
    }

    /// Brings it close: every line of the cache that it lies in.
    pub(super) fn bring_close(&self) {
        let Account { judgement, standing, dedup, .. } = self;
        close::item(&self.id);
        self.activity.bring_close();
        close::item(&self.users);
        close::item(&self.features);
        close::item(&self.people);
        close::item(&self.profile);
        close::item(&dedup.window);
        close::item(&dedup.ids);
        close::item(&judgement.at);
        close::item(&judgement.below_since);
        close::item(&judgement.alerts);
        close::item(&judgement.band);
        close::item(&standing.mrr_minor);
        close::item(&standing.answered);
        close::item(&standing.has_rested);
        close::item(&standing.is_unpaid);
    }

    /// Brings the lists close that nearly every event looks at. Waits for the account itself.
    pub(super) fn bring_lists_close(&self) {
        close::list(&self.users.members);
        close::list(&self.features.members);
        close::list(&self.activity.volumes);
        close::list(self.dedup.ids.as_slice());
        close::list(&self.judgement.alerts);
    }

    /// Brings close where what is told of it begins, beside what every event looks at.
    pub(super) fn bring_story_close(&self) {
        if let Some(billing) = self.billing.as_deref() {
            close::item(&billing.first_at);
            close::item(&billing.ledger.subscriptions);
        }
        if let Some(profile) = self.profile.as_deref() {
            close::item(profile);
        }
    }

    /// The latest episode of an alert type.
    #[must_use]
    pub fn alert(&self, kind: u8) -> Option<&AlertState> {
        self.judgement.alerts.iter().rev().find(|alert| alert.kind == kind)
    }
}
