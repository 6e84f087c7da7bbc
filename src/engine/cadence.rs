//! How often an account is looked at: as seldom as its risk allows.
//!
//! A judgement costs more than all else about an event, and most find what the last one found. What can change without an
//! event that asks for a judgement itself is slow: the risk of silence, and the signals that read weeks of usage. So the
//! farther the risk is from whatever would be told, the later the next look. Nothing here decides what a look finds.

use super::account::Account;
use super::effect::Band;
use super::risk::Assessment;
use super::rules::{BandRules, Rules};
use super::timers;
use crate::units::{Ratio, Span, Timestamp};

/// Who is at risk and has been silent for longer than this changes slowly.
const LONG_QUIET_DAYS: u16 = 28;
/// An account that is on watch, or whose risk is not far below it, is looked at this often.
const NEAR_DAYS: u8 = 7;
/// One that is far below any band.
const FAR_DAYS: u8 = 14;
/// One that is farther still, while it is active.
const FARTHEST_DAYS: u8 = 28;
/// Far: below this share of where `watch` begins.
const FAR_SHARE: f64 = 0.5;
/// Farther still: below this share of it.
const FARTHEST_SHARE: f64 = 0.25;
/// Most by which the risk of an account at risk moves in a day without an event, but for a signal that says when it will.
const DAILY_MOVE: f64 = 0.05;
/// No account is looked at again sooner than this by its timer, so that time always moves on.
const SOONEST: Span = Span::from_hours(1);

/// Whether an account that was active once more is judged at once: it is in trouble, or has not been looked at for
/// longer than its risk allows.
pub fn is_due_on_activity(account: &Account, now: Timestamp) -> bool {
    let judgement = &account.judgement;
    let content = Span::from_days(judgement.content_days.into());
    account.is_troubled() || judgement.at.is_none_or(|at| now.since(at) >= content)
}

/// For how many days activity alone is no reason to look at a healthy account of this risk.
pub fn content_days(risk: Ratio, rules: &Rules) -> u8 {
    match risk.get() / rules.bands.watch.enter {
        ..FARTHEST_SHARE => FARTHEST_DAYS,
        ..FAR_SHARE => FAR_DAYS,
        _ => NEAR_DAYS,
    }
}

/// When an account that has just been judged is to be looked at again if nothing happens.
pub fn next_look(account: &Account, assessment: &Assessment, rules: &Rules) -> Timestamp {
    let now = assessment.now;
    let mut due = now.plus(Span::from_days(quiet_days(account, assessment, rules).into()));
    for reading in assessment.readings.iter().filter_map(|reading| reading.next_due) {
        due = due.min(reading);
    }
    if let Some(since) = account.judgement.below_since {
        due = due.min(since.plus(rules.bands.dwell));
    }
    timers::round_up(due.max(now.plus(SOONEST)))
}

/// For how many days silence alone is no reason to look at an account that has just been judged.
fn quiet_days(account: &Account, assessment: &Assessment, rules: &Rules) -> u8 {
    let risk = assessment.risk.get();
    if account.judgement.band >= Band::AtRisk && account.activity.quiet_days(assessment.now) <= LONG_QUIET_DAYS {
        days_of_room(account, assessment, rules)
    } else if !account.is_troubled() && risk < rules.bands.watch.enter * FAR_SHARE {
        FAR_DAYS
    } else {
        NEAR_DAYS
    }
}

/// For how many days a risk may move at its fastest without being worth telling; at least one.
fn days_of_room(account: &Account, assessment: &Assessment, rules: &Rules) -> u8 {
    let room = room(assessment.risk.get(), account.judgement.band, &rules.bands).min(rules.health_step);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a few days
    let days = (room / DAILY_MOVE) as u8;
    days.clamp(1, NEAR_DAYS)
}

/// How far a risk is from another band.
fn room(risk: f64, band: Band, bands: &BandRules) -> f64 {
    match band {
        Band::Healthy => bands.watch.enter - risk,
        Band::Watch => (bands.at_risk.enter - risk).min(risk - bands.watch.exit),
        Band::AtRisk => (bands.critical.enter - risk).min(risk - bands.at_risk.exit),
        Band::Critical => risk - bands.critical.exit,
    }
}

/// How many days after the last activity the account is due.
pub fn patience_days(account: &Account) -> u8 {
    let due_day = account.judgement.due.map_or(0, |due| due.day().number());
    u8::try_from(due_day.saturating_sub(account.activity.last_day.number()).max(1)).unwrap_or(u8::MAX)
}
