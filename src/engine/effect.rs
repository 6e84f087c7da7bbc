//! What the engine wants done: alerts to publish, account health to publish, records to refuse.
//!
//! Effects are data. The shell performs them in the transaction that consumed the record; their JSON forms live in
//! `wire::alert` and `wire::health`.

use crate::units::{Money, Position, Ratio, Timestamp};

/// One thing to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// An alert changed.
    Alert(Box<AlertChange>),
    /// An account's health changed enough to be told.
    Health(Box<Health>),
    /// The record was refused: it goes to the dead letters.
    Reject(Reject),
}

/// Why a well-formed event cannot be believed. Each is a label of the rejection counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reject {
    /// `time` is further ahead of the record's timestamp than the allowed skew.
    FutureTime,
}

impl Reject {
    /// Stable snake-case name, used as metric label and in dead-letter headers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Reject::FutureTime => "future_time",
        }
    }

    /// What is wrong and what to do, for the dead letter.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Reject::FutureTime => "event time is ahead of the record's timestamp; correct the producer's clock",
        }
    }
}

/// How bad an account's outlook is. Ordered from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Band {
    /// Nothing to do.
    #[default]
    Healthy,
    /// Worth a look.
    Watch,
    /// Likely to leave.
    AtRisk,
    /// About to leave.
    Critical,
}

impl Band {
    /// All bands, best first.
    pub const ALL: [Band; 4] = [Band::Healthy, Band::Watch, Band::AtRisk, Band::Critical];

    /// Stable snake-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Band::Healthy => "healthy",
            Band::Watch => "watch",
            Band::AtRisk => "at_risk",
            Band::Critical => "critical",
        }
    }
}

/// What happened to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transition {
    /// A new episode began.
    Raised,
    /// It got worse.
    Escalated,
    /// It got better, but is still open.
    Eased,
    /// Its cause is gone: closed by recovery.
    Resolved,
    /// The account has left: closed by outcome.
    Churned,
}

impl Transition {
    /// All transitions.
    pub const ALL: [Transition; 5] =
        [Transition::Raised, Transition::Escalated, Transition::Eased, Transition::Resolved, Transition::Churned];

    /// Stable snake-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Transition::Raised => "raised",
            Transition::Escalated => "escalated",
            Transition::Eased => "eased",
            Transition::Resolved => "resolved",
            Transition::Churned => "churned",
        }
    }
}

/// How loud an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Act this week.
    Warning,
    /// Act today.
    Critical,
}

impl Severity {
    /// Stable snake-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

/// A change of one alert, with the whole story as it stood at that moment.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertChange {
    /// Identity of the episode: hash of account, type and episode, 32 hexadecimal digits; the same on every replay.
    pub alert_id: String,
    /// Alert type: the name of the signal that caused it, or `churn_risk` where no single signal does.
    pub alert_type: &'static str,
    /// Episode number of this type on this account, from 1.
    pub episode: u32,
    /// What happened to it.
    pub transition: Transition,
    /// How loud it is now.
    pub severity: Severity,
    /// When this episode was raised (engine time).
    pub raised_at: Timestamp,
    /// The account's health at this moment.
    pub health: Health,
    /// Hash of the rules in force, 16 hexadecimal digits.
    pub rules: String,
}

/// What is to be done about an alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Stable snake-case name of the play.
    pub play: String,
    /// What it is called where people read it.
    pub title: String,
    /// What is to be done, in order.
    pub steps: Vec<Step>,
    /// The resolution reason to give when it has worked, where the play names one.
    pub done_reason: Option<String>,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What to do.
    pub text: String,
    /// By when.
    pub due_at: Timestamp,
}

/// The health of one account at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// The account.
    pub account_id: String,
    /// Its display name, where known.
    pub name: Option<String>,
    /// Who owns it, where known.
    pub owner: Option<String>,
    /// Its segment (the value of the configured trait), `unknown` where it has none.
    pub segment: String,
    /// The moment judged: everything before it is taken into account.
    pub as_of: Timestamp,
    /// Last time a person used the product; absent when never.
    pub last_seen: Option<Timestamp>,
    /// Its band.
    pub band: Band,
    /// Probability of churn within the configured horizon.
    pub risk: Ratio,
    /// The logit terms that add up to the logit of `risk`, largest first.
    pub contributions: Vec<Contribution>,
    /// Evidence of the signals that speak, strongest contribution first.
    pub evidence: Vec<Evidence>,
    /// Monthly recurring revenue; absent when the account has no known subscription.
    pub mrr: Option<Money>,
    /// `risk x mrr`.
    pub revenue_at_risk: Option<Money>,
    /// End of the running term, where known.
    pub renewal_at: Option<Timestamp>,
    /// When it left, while it is gone: its health stays as it was then.
    pub churned_at: Option<Timestamp>,
    /// Signals that cannot judge this account for want of data.
    pub unknown: Vec<&'static str>,
}

/// One term of the risk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contribution {
    /// `base`, `expected_activity_14d`, `expected_activity_182d` or a signal's name.
    pub term: &'static str,
    /// Added to the logit.
    pub logit: f64,
}

/// What one signal saw.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The signal's name.
    pub signal: &'static str,
    /// How strongly it speaks.
    pub strength: Ratio,
    /// One plain sentence.
    pub sentence: String,
    /// The numbers behind the sentence, by name.
    pub numbers: Vec<(&'static str, f64)>,
    /// The newest record behind it, where one record is behind it.
    pub position: Option<Position>,
}
