//! How often an account is looked at: as seldom as its risk allows.
//!
//! A judgement costs more than all else about an event, and most find what the last one found. What can change without an
//! event that asks for a judgement itself is slow: the risk of silence, and the signals that read weeks of usage. So the
//! farther the risk is from whatever would be told, the later the next look. Nothing here decides what a look finds.

use super::account::Account;
use super::alert;
use super::effect::Band;
use super::risk::Assessment;
use super::rules::{BandRules, Rules};
use super::timers;
use crate::units::{Day, Span, Timestamp};

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
/// Most by which the log-odds of an account at risk move in a day without an event, but for a signal that says when they
/// will: one part in twenty of the risk where that is even, less the nearer it is to certain.
const DAILY_MOVE: f64 = 0.2;
/// No account is looked at again sooner than this by its timer, so that time always moves on.
const SOONEST: Span = Span::from_hours(1);

/// Whether an account that was active once more is judged at once: it has not been looked at for longer than what was
/// found then allows.
pub fn is_due_on_activity(account: &Account, now: Timestamp) -> bool {
    let content = Span::from_days(account.judgement.content_days.into());
    account.judgement.at.is_none_or(|at| now.since(at) >= content)
}

/// For how many days activity alone is no reason to look at an account that has just been judged.
pub fn content_days(account: &Account, assessment: &Assessment, rules: &Rules) -> u8 {
    if account.is_troubled() {
        // The end of a silence is news at once.
        let is_silent = account.activity.quiet_days(assessment.now) > 1;
        return if is_silent { 0 } else { days_of_room(account, assessment, rules) };
    }
    match assessment.risk.get() / rules.bands.watch.enter {
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
    if let Some(alerts) = alert::due(&account.judgement, rules) {
        due = due.min(alerts);
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
    let risk = assessment.risk.get();
    let room = room(risk, account.judgement.band, &rules.bands).min(rules.health_step);
    let daily_move = DAILY_MOVE * (risk * (1.0 - risk)).max(0.01);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a few days
    let days = (room / daily_move) as u8;
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

/// How many days after the last activity the account that has just been judged at `now` is due.
pub fn patience_days(account: &Account, now: Timestamp) -> u8 {
    let due_day = account.judgement.due.map_or_else(Day::default, Timestamp::day);
    // Of an account that was never used it is known from now on that it is silent; of one that is back, since it came back.
    let silent_since = if account.activity.is_used() { account.activity.last_day } else { now.day() };
    let back_on = account.comeback().rested_until.map_or_else(Day::default, Timestamp::day);
    u8::try_from(due_day.since(silent_since.max(back_on)).max(1)).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::event::{Event, Kind};
    use crate::engine::fleet::Fleet;
    use crate::engine::risk::assess;
    use crate::units::{HOUR_MS, Offset, Ratio};
    use expect_test::{Expect, expect};
    use std::fmt::Write;

    /// Lines of `band risk quiet_days`; shows for how long activity and for how long silence is no reason to look.
    fn check(cases: &str, expected: &Expect) {
        let rules = Rules::default();
        let mut shown = String::new();
        for line in cases.lines().map(str::trim) {
            let words: Vec<&str> = line.split(' ').collect();
            let used_at = Timestamp::clamped(20_000 * 24 * HOUR_MS);
            let mut account = Account::new("acme");
            let kind = Kind::SessionStarted { duration_s: None };
            let event =
                Event { id: "e".into(), time: used_at, account_id: "acme".into(), user_id: None, source: None, kind };
            account.take(&event, 1, Offset(1), &rules);
            account.judgement.band = Band::ALL.into_iter().find(|band| band.name() == words[0]).unwrap();
            let now = used_at.plus(Span::from_days(words[2].parse().unwrap()));
            let mut assessment = assess(&account, now, &rules, &Fleet::default());
            assessment.risk = Ratio::clamped(words[1].parse().unwrap());
            let content = content_days(&account, &assessment, &rules);
            let quiet = next_look(&account, &assessment, &rules).since(now).days();
            account.judgement.at = Some(now);
            account.judgement.content_days = content;
            let on = |days: i64| is_due_on_activity(&account, now.plus(Span::from_days(days)));
            assert!(on(content.into()) && (content == 0 || !on(i64::from(content) - 1)), "{line}");
            writeln!(shown, "{line}: activity {content} silence {quiet}").unwrap();
        }
        expected.assert_eq(&shown);
    }

    #[test]
    fn the_farther_from_any_band_the_later_the_next_look() {
        check(
            "healthy 0.01 0
             healthy 0.07 0
             healthy 0.2 0
             watch 0.26 0
             watch 0.35 0
             watch 0.35 9
             at_risk 0.42 9
             at_risk 0.6 9
             at_risk 0.6 40
             critical 0.9 9",
            &expect![[r#"
                healthy 0.01 0: activity 28 silence 14
                healthy 0.07 0: activity 14 silence 14
                healthy 0.2 0: activity 7 silence 7
                watch 0.26 0: activity 1 silence 7
                watch 0.35 0: activity 2 silence 7
                watch 0.35 9: activity 0 silence 7
                at_risk 0.42 9: activity 0 silence 1
                at_risk 0.6 9: activity 0 silence 2
                at_risk 0.6 40: activity 0 silence 7
                critical 0.9 9: activity 0 silence 5
            "#]],
        );
    }

    #[test]
    fn an_account_that_was_never_judged_is_due() {
        assert!(is_due_on_activity(&Account::new("acme"), Timestamp::MIN));
    }
}
