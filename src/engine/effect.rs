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
    /// What the partition's accounts have shown on a day, for the fleet's learner.
    Fleet(Box<super::fleet::report::FleetReport>),
}

/// Why a well-formed event cannot be believed. Each is a label of the rejection counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reject {
    /// `time` is further ahead of when the record was received (its timestamp) than the allowed skew.
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
            Reject::FutureTime => "event time is ahead of when the record was received; correct the producer's clock",
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
    /// It got worse, or nobody acknowledged it in time.
    Escalated,
    /// It got better, but is still open.
    Eased,
    /// Late data changed its severity or its evidence.
    Amended,
    /// A person looks after it.
    Acknowledged,
    /// A person wants it to keep quiet for now.
    Snoozed,
    /// The quiet is over and its cause still stands.
    Woken,
    /// A person remarked on it.
    Commented,
    /// Closed: by a person with a reason, or since its cause is gone.
    Resolved,
    /// Late data show that there was no cause: closed, as though it had never been raised.
    Retracted,
    /// The account has left: closed by outcome, or the outcome of one closed before.
    Churned,
    /// The horizon has passed and the account is still there: closed by outcome, or the outcome of one closed before.
    Retained,
}

impl Transition {
    /// All transitions.
    pub const ALL: [Transition; 12] = [
        Transition::Raised,
        Transition::Escalated,
        Transition::Eased,
        Transition::Amended,
        Transition::Acknowledged,
        Transition::Snoozed,
        Transition::Woken,
        Transition::Commented,
        Transition::Resolved,
        Transition::Retracted,
        Transition::Churned,
        Transition::Retained,
    ];

    /// Stable snake-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Transition::Raised => "raised",
            Transition::Escalated => "escalated",
            Transition::Eased => "eased",
            Transition::Amended => "amended",
            Transition::Acknowledged => "acknowledged",
            Transition::Snoozed => "snoozed",
            Transition::Woken => "woken",
            Transition::Commented => "commented",
            Transition::Resolved => "resolved",
            Transition::Retracted => "retracted",
            Transition::Churned => "churned",
            Transition::Retained => "retained",
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

    /// The severity of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Severity> {
        [Severity::Warning, Severity::Critical].into_iter().find(|known| known.name() == name)
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
    /// Whether it is open after this change.
    pub is_open: bool,
    /// When this episode was raised (engine time).
    pub raised_at: Timestamp,
    /// Why: for `resolved` the resolution reason, for `escalated` what about it; absent for the others.
    pub reason: Option<String>,
    /// Who did it and what they said, where a person did.
    pub act: Option<Act>,
    /// Whether somebody has acknowledged or snoozed it.
    pub is_acknowledged: bool,
    /// Until when it keeps quiet, where it does.
    pub snoozed_until: Option<Timestamp>,
    /// What alerts of this type are called where people read it; the type's name where no playbook says.
    pub title: String,
    /// Who is to act: the account's owner, else by the routes, else the default owner.
    pub owner: String,
    /// Who else is to know, where it was escalated since nobody acknowledged it in time.
    pub escalate_to: Option<String>,
    /// What is to be done; absent where no playbook says.
    pub plan: Option<Plan>,
    /// The reasons for which a person may close it, the last of them `other`.
    pub reasons: Vec<String>,
    /// Where a person finds it, where an address is configured.
    pub link: Option<String>,
    /// The account's health at this moment.
    pub health: Health,
    /// Hash of the rules in force, 16 hexadecimal digits.
    pub rules: String,
}

/// What a person did with an alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// Who.
    pub by: String,
    /// What they remarked.
    pub note: Option<String>,
    /// The resolution reason they gave, where it is none of the list and counts as `other`.
    pub reason_given: Option<String>,
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
    /// Monthly recurring revenue; absent when the account has no known subscription, or none whose price
    /// has a rate.
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
    /// `base`, one of [`FACTS`](super::fleet::features::FACTS) or a signal's name.
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
