//! What one account adds to the tables, by its facts; and which events can change that.
//!
//! Pure: a function of the account and the rules. The engine takes out what an account added before an event and adds
//! what it adds after it, for the few events that [`touched`] names; usage is none of them but for an account's first, and
//! its first after the first week.

use compact_str::CompactString;

use super::days::{Card, Count, CsatClass, NpsClass, Tally};
use super::flows::month_flows;
use super::tables::{Contribution, named};
use super::{DROP_OFF, TRIAL_BELIEVED_MAX, TRIAL_MAX};
use crate::engine::account::Account;
use crate::engine::event::{Event, Kind, Survey};
use crate::engine::facts::onboarding::{Onboarding, Trial};
use crate::engine::facts::voice::{Answer, latest};
use crate::engine::rules::Rules;
use crate::units::calendar::Zone;
use crate::units::{Day, Span, Timestamp};

/// The value of an account that has none.
pub const UNKNOWN: &str = "unknown";

/// Parts of what an account adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts(u8);

impl Parts {
    /// Nothing.
    pub const NONE: Parts = Parts(0);
    /// Ledger and terms.
    pub const MONEY: Parts = Parts(1);
    /// Sign-up, onboarding and trial.
    pub const START: Parts = Parts(2);
    /// Surveys and ratings.
    pub const VOICE: Parts = Parts(4);
    /// Its value of each trait.
    pub const SEGMENTS: Parts = Parts(8);
    /// Everything.
    pub const ALL: Parts = Parts(15);

    const fn and(self, other: Parts) -> Parts {
        Parts(self.0 | other.0)
    }

    fn has(self, part: Parts) -> bool {
        self.0 & part.0 != 0
    }
}

/// What an event can change of what `account` adds, asked before it is taken in.
#[must_use]
pub fn touched(event: &Event<'_>, account: &Account) -> Parts {
    match event.kind {
        Kind::OnboardingStep { .. } | Kind::TrialStarted { .. } | Kind::TrialConverted | Kind::TrialExpired => {
            Parts::START
        }
        // The plan may be a segment.
        Kind::Subscription { .. } => Parts::MONEY.and(Parts::START).and(Parts::SEGMENTS),
        Kind::AccountUpdated(_) => Parts::SEGMENTS,
        Kind::NpsResponded { .. } | Kind::CsatResponded { .. } | Kind::SurveySent { .. } => Parts::VOICE,
        Kind::FeatureUsed { .. } | Kind::SessionStarted { .. } | Kind::LimitReached(_) => {
            let activity = &account.activity;
            // Most accounts have been active for longer than a week: one comparison.
            if event.time >= activity.first_at && activity.last_at > activity.first_at.plus(DROP_OFF) {
                return Parts::NONE;
            }
            let is_first = event.time < activity.first_at;
            let stayed = |at: Timestamp| signed_up_at(account).is_some_and(|signed_up| at > signed_up.plus(DROP_OFF));
            if is_first || (!stayed(activity.last_at) && stayed(event.time)) { Parts::START } else { Parts::NONE }
        }
        _ => Parts::NONE,
    }
}

/// When the account signed up: its first usage, trial or subscription, whichever came first; `None` before any of them.
#[must_use]
pub fn signed_up_at(account: &Account) -> Option<Timestamp> {
    let used = account.activity.is_used().then_some(account.activity.first_at);
    let trial = account.onboarding.as_deref().and_then(began);
    let subscribed = account.billing.as_ref().and_then(|billing| billing.first_at);
    [used, trial, subscribed].into_iter().flatten().min()
}

/// What `account` adds, as far as `parts` say.
#[must_use]
pub fn contribution(account: &Account, rules: &Rules, parts: Parts) -> Contribution {
    let mut added = Contribution::default();
    let zone = rules.kpis.time_zone;
    if parts.has(Parts::SEGMENTS) && account.billing.is_some() {
        added.segments.push(named(account.segment(rules)).into());
        let own = rules.kpis.dimensions.iter().map(|dimension| segment(account, dimension));
        added.segments.extend(own.map(|value| named(&value).into()));
    }
    if parts.has(Parts::MONEY) {
        money(account, rules, &mut added);
    }
    if parts.has(Parts::START) {
        start(account, rules, &mut added.tallies);
    }
    if parts.has(Parts::VOICE) {
        voice(account, zone, &mut added.tallies);
    }
    added
}

fn money(account: &Account, rules: &Rules, added: &mut Contribution) {
    let Some(billing) = &account.billing else { return };
    let valuation = rules.valuation();
    let book = billing.book(valuation);
    added.flows = month_flows(&book, valuation);
    added.activated = book.activated();
    added.doubts = book.doubts;
    added.left_out = book.left_out;
    debug_assert!(
        book.lines.iter().any(|line| line.currency != rules.currency)
            || added.flows.last().map_or(0, |flow| flow.end_minor) == billing.ledger.mrr_minor,
        "the months of {book:?} do not lead to {}",
        billing.ledger.mrr_minor
    );
    for term in &book.terms {
        let minor = valuation.in_month(term.money, valuation.zone.month(valuation.zone.start(term.day)));
        let mut tally = |count, amount| added.tallies.push(Tally { day: term.day, count, amount });
        tally(Count::RenewalsDue, 1);
        tally(Count::RenewalsDueMinor, minor);
        if term.renewed {
            tally(Count::Renewed, 1);
            tally(Count::RenewedMinor, minor);
        }
    }
}

/// The account's value of a trait; numbers of employees are told by size class.
#[must_use]
pub fn segment(account: &Account, dimension: &str) -> CompactString {
    let Some(value) = account.value(dimension) else { return UNKNOWN.into() };
    if dimension == "employees" { size_class(value).into() } else { value.into() }
}

/// The class of a number of employees, part-time ones by halves and the like; fewer than none is [`UNKNOWN`], any other text
/// a class of its own.
///
/// ```
/// use churnwatch::engine::kpis::contribution::size_class;
/// assert_eq!(["9.5", "10", "1200", "mid-market"].map(size_class), ["1-9", "10-49", "1000+", "mid-market"]);
/// assert_eq!(["0", "-3"].map(size_class), ["0", "unknown"]);
/// ```
#[must_use]
pub fn size_class(value: &str) -> &str {
    match value.trim().parse::<f64>() {
        Ok(count) if !count.is_finite() => value,
        Ok(..0.0) => UNKNOWN,
        Ok(0.0) => "0",
        Ok(..10.0) => "1-9",
        Ok(..50.0) => "10-49",
        Ok(..250.0) => "50-249",
        Ok(..1000.0) => "250-999",
        Ok(_) => "1000+",
        Err(_) => value,
    }
}

fn start(account: &Account, rules: &Rules, tallies: &mut Vec<Tally>) {
    let Some(signed_up) = signed_up_at(account) else { return };
    let zone = rules.kpis.time_zone;
    let day = zone.day(signed_up);
    let mut one = |day: Day, count| tallies.push(Tally { day, count, amount: 1 });
    one(day, Count::SignUps);
    let onboarding = account.onboarding.as_deref();
    let in_time = signed_up.plus(Span::from_days(rules.kpis.onboarding_days.into()));
    if onboarding.and_then(|onboarding| onboarding.done_at).is_some_and(|done| done <= in_time) {
        one(day, Count::Onboarded);
    }
    if account.activity.is_used() && account.activity.last_at > signed_up.plus(DROP_OFF) {
        one(day, Count::Stayed);
    }
    if let Some((onboarding, began)) = onboarding.and_then(|known| Some((known, began(known)?))) {
        if onboarding.trial.as_ref().is_some_and(|trial| trial.starts > 1) {
            one(day, Count::SignUpsRepeated);
        }
        trial(account, onboarding, began, zone, &mut one);
    }
}

/// When the account's trial began, as far as anything of it is known: one that ended without a start before began then.
fn began(onboarding: &Onboarding) -> Option<Timestamp> {
    let trial = onboarding.trial.as_deref();
    let ends = trial.map_or([None; 2], |trial| [trial.converted_at, trial.expired_at]);
    ends.into_iter().chain([onboarding.trial_at]).flatten().min()
}

/// When a trial that began at `began` is to end, where an end is told that can be believed.
fn believed_end(trial: &Trial, began: Timestamp) -> Option<Timestamp> {
    let (_, ends_at) = trial.ends_at?;
    (ends_at > began && ends_at <= began.plus(TRIAL_BELIEVED_MAX)).then_some(ends_at)
}

/// When a trial that began at `began` was converted, and when it ended or is to end as far as that is told.
///
/// Who pays after the trial has begun has converted, whether or not somebody says so.
fn trial_ends(account: &Account, onboarding: &Onboarding, began: Timestamp) -> (Option<Timestamp>, Option<Timestamp>) {
    let trial = onboarding.trial.as_deref();
    let activated_at = account.billing.as_ref().and_then(|billing| billing.activated_at());
    let paid_at = activated_at.filter(|paid| *paid >= began);
    let told_end = trial.and_then(|trial| trial.expired_at.or_else(|| believed_end(trial, began)));
    (trial.and_then(|trial| trial.converted_at).or(paid_at), told_end)
}

/// Whether the account is on a trial at `now` that has neither been converted nor ended; one without a known end lasts
/// [`TRIAL_MAX`].
#[must_use]
pub fn is_on_trial(account: &Account, now: Timestamp) -> bool {
    let Some(onboarding) = account.onboarding.as_deref() else { return false };
    let Some(began) = began(onboarding).filter(|began| *began <= now) else { return false };
    let (converted_at, told_end) = trial_ends(account, onboarding, began);
    converted_at.is_none() && told_end.unwrap_or(began.plus(TRIAL_MAX)) > now
}

fn trial(account: &Account, onboarding: &Onboarding, began: Timestamp, zone: Zone, one: &mut dyn FnMut(Day, Count)) {
    let trial = onboarding.trial.as_deref();
    let card = match trial.and_then(|trial| trial.card) {
        Some((_, true)) => Card::With,
        Some((_, false)) => Card::Without,
        None => Card::Unknown,
    };
    one(zone.day(began), Count::TrialsStarted(card));
    if onboarding.trial_at.is_none_or(|started| started > began) {
        one(zone.day(began), Count::TrialsUnstarted);
    }
    if trial.is_some_and(|trial| trial.ends_at.is_some() && believed_end(trial, began).is_none()) {
        one(zone.day(began), Count::TrialsMisdated);
    }
    let ledger = account.billing.as_ref().map(|billing| &billing.ledger);
    match trial_ends(account, onboarding, began) {
        (Some(at), _) => {
            one(zone.day(at), Count::TrialsEnded(card));
            one(zone.day(at), Count::TrialsConverted(card));
            if let Some(churned) = ledger.filter(|ledger| ledger.has_paid()).and_then(|ledger| ledger.churned_at) {
                one(zone.day(churned), Count::ConvertedChurned(card));
            }
        }
        (None, Some(at)) => one(zone.day(at), Count::TrialsEnded(card)),
        (None, None) => {
            let day = zone.day(began.plus(TRIAL_MAX));
            one(day, Count::TrialsEnded(card));
            one(day, Count::TrialsEndless);
        }
    }
}

fn voice(account: &Account, zone: Zone, tallies: &mut Vec<Tally>) {
    let Some(voice) = &account.voice else { return };
    for (list, count) in
        [(&voice.sent, Count::SurveysSent as fn(Survey) -> Count), (&voice.answered, Count::SurveysAnswered)]
    {
        for of in list {
            let told = Survey::ALL.into_iter().zip(of.counts).filter(|(_, amount)| *amount != 0);
            tallies.extend(told.map(|(survey, amount)| Tally {
                day: of.day,
                count: count(survey),
                amount: amount.into(),
            }));
        }
    }
    let mut one = |answer: &Answer, count| tallies.push(Tally { day: zone.day(answer.stamp.time), count, amount: 1 });
    latest(&voice.ratings).for_each(|(rating, _)| one(rating, Count::Csat(CsatClass::of(rating.score))));
    latest(&voice.answers).for_each(|(answer, _)| one(answer, Count::Nps(NpsClass::of(answer.score))));
}
