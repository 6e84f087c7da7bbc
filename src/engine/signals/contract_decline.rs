//! S8, contract decline: the account pays for less, has scheduled its end, is paused, or comes up for renewal while
//! nothing speaks for it.
//!
//! A scheduled end counts fully once it lies within `notice_days`, and partly before. A downgrade or loss of seats
//! counts by the share lost since before it began, one by more than half the more the less it leaves, and fades over
//! `memory_days`; made good, it is gone. A renewal counts
//! only where it is a decision (billed by quarter or year) and where usage of the last four weeks has fallen below
//! the account's own, beyond chance (Poisson tail); an expansion or a promoter speaks for it.

use super::statistics::poisson_at_most;
use super::{Case, Declaration, Parameter, Reading, Signal, Telling, ago, all_of, counted, percent, ramp, usually};
use crate::engine::facts::billing::{Fall, Ledger};
use crate::engine::facts::subscription::Subscription;
use crate::engine::facts::voice;
use crate::units::{Offset, Span, Timestamp};

pub(super) const SIGNAL: Signal = Signal {
    declaration: Declaration {
        name: "contract_decline",
        summary: "scheduled cancellation, pause, downgrade or seat loss, and a renewal for which nothing speaks (Poisson tail)",
        weight: 7.6,
        parameters: &[
            Parameter {
                name: "notice_days",
                summary: "A scheduled end counts fully when it is this close.",
                default: 28.0,
                min: 1.0,
                max: 365.0,
            },
            Parameter {
                name: "memory_days",
                summary: "A downgrade has faded out after so many days.",
                default: 90.0,
                min: 7.0,
                max: 365.0,
            },
            Parameter {
                name: "renewal_days",
                summary: "A renewal that is a decision begins to count so many days before it.",
                default: 60.0,
                min: 7.0,
                max: 180.0,
            },
        ],
    },
    read,
    tell,
    has_dates: Some(|standing| standing.is_contract_open),
};

const NOTICE: usize = 0;
const MEMORY: usize = 1;
const RENEWAL: usize = 2;
/// A scheduled end that is still far away.
const FAR_END: f64 = 0.2;
/// A pause of everything.
const PAUSE: f64 = 0.5;
/// A downgrade by half, and one that leaves next to nothing.
const DOWNGRADE: f64 = 0.35;
const COLLAPSE: f64 = 0.6;
/// Shares lost that begin to count, that count as a downgrade by half, and that count fully.
const LOSS_START: f64 = 0.05;
const LOSS_HALF: f64 = 0.5;
const LOSS_FULL: f64 = 0.9;
/// A renewal tomorrow for which nothing speaks.
const RENEWAL_STRENGTH: f64 = 0.3;
/// A fall of usage that chance explains more often than this does not count against a renewal.
const CHANCE_MAX: f64 = 0.05;
/// An expansion speaks for a renewal for this long.
const EXPANSION_SPEAKS: Span = Span::from_days(120);

/// What there is to find, each with its strength.
struct Findings<'a> {
    ledger: &'a Ledger,
    scheduled: Option<(&'a Subscription, f64)>,
    paused: Option<(&'a Subscription, f64)>,
    fall: Option<(Fall, &'static str, f64)>,
    renewal: Option<(Timestamp, f64)>,
}

fn find<'a>(case: &Case<'a>) -> Option<Findings<'a>> {
    let ledger = &case.account.billing.as_deref()?.ledger;
    let running = || ledger.subscriptions.iter().filter(|known| !known.ended);
    let whole: i64 = running().map(|known| known.full_minor).sum();
    #[allow(clippy::cast_precision_loss)] // amounts are held below 10^13
    let share = |known: &Subscription| if whole > 0 { known.full_minor as f64 / whole as f64 } else { 1.0 };
    let stronger = |a: &(&Subscription, f64), b: &(&Subscription, f64)| a.1.total_cmp(&b.1);
    let scheduled = running().filter(|known| known.cancel_scheduled.is_some()).map(|known| {
        let is_near = known.term_ends_at.is_none_or(|end| end.since(case.now) <= case.span(NOTICE));
        (known, share(known) * if is_near { 1.0 } else { FAR_END })
    });
    let paused = running().filter(|known| known.paused.is_some()).map(|known| (known, share(known) * PAUSE));
    let falls = [(&ledger.contraction, "revenue"), (&ledger.seat_loss, "seats")];
    let fall = falls.into_iter().filter_map(|(fall, what)| {
        let fall = **fall.as_ref()?;
        let fresh = 1.0 - case.now.since(fall.at).days().max(0.0) / case.parameter(MEMORY);
        let lost = DOWNGRADE * ramp(fall.share(), LOSS_START, LOSS_HALF)
            + (COLLAPSE - DOWNGRADE) * ramp(fall.share(), LOSS_HALF, LOSS_FULL);
        let strength = fresh * lost;
        (strength > 0.0).then_some((fall, what, strength))
    });
    Some(Findings {
        ledger,
        scheduled: scheduled.max_by(stronger),
        paused: paused.max_by(stronger),
        // Of two equal falls the revenue is told: it comes first, and `max_by` takes the last.
        fall: fall.rev().max_by(|a, b| a.2.total_cmp(&b.2)),
        renewal: renewal(case, ledger),
    })
}

/// The next renewal that is a decision and for which nothing speaks.
fn renewal(case: &Case<'_>, ledger: &Ledger) -> Option<(Timestamp, f64)> {
    let at = next_renewal(case, ledger)?;
    let days = at.since(case.now).days();
    let expanded = ledger.expanded_at.is_some_and(|at| case.now.since(at) <= EXPANSION_SPEAKS);
    let promoted = case.account.voice.as_ref().is_some_and(|voice| {
        voice::latest(&voice.answers)
            .any(|(answer, _)| answer.score >= 9 && case.now.since(answer.stamp.time) <= voice::ANSWER_VALID)
    });
    if days > case.parameter(RENEWAL) || expanded || promoted {
        return None;
    }
    let (recent, usual) = active_days(case);
    let lost = if usual > 0.0 { (1.0 - recent / usual).max(0.0) } else { 1.0 };
    if usual > 0.0 && poisson_at_most(recent, usual) > CHANCE_MAX {
        return None;
    }
    let near = 0.5 + 0.5 * ramp(days, case.parameter(RENEWAL), 0.0);
    let strength = RENEWAL_STRENGTH * near * lost;
    (strength > 0.0).then_some((at, strength))
}

fn next_renewal(case: &Case<'_>, ledger: &Ledger) -> Option<Timestamp> {
    // Where the end is scheduled, the decision has been taken.
    let is_open = |known: &&Subscription| !known.ended && known.is_long() && known.cancel_scheduled.is_none();
    let bound = ledger.subscriptions.iter().filter(is_open);
    bound.filter_map(|known| known.term_ends_at).filter(|at| *at > case.now).min()
}

/// Active days of the last four weeks, and how many are usual by the eight weeks before.
fn active_days(case: &Case<'_>) -> (f64, f64) {
    let activity = &case.account.activity;
    let usual = f64::from(activity.active_days_within(case.now, 28, 56)) / 2.0;
    (f64::from(activity.active_days_within(case.now, 0, 28)), usual)
}

fn read(case: &Case<'_>) -> Reading {
    let standing = &case.account.standing;
    if !standing.is_contract_open {
        return if standing.is_subscribed { Reading::QUIET } else { Reading::UNKNOWN };
    }
    let Some(found) = find(case) else { return Reading::UNKNOWN };
    let strength = all_of([
        found.scheduled.map_or(0.0, |(_, strength)| strength),
        found.paused.map_or(0.0, |(_, strength)| strength),
        found.fall.map_or(0.0, |(.., strength)| strength),
        found.renewal.map_or(0.0, |(_, strength)| strength),
    ]);
    let ends = found.scheduled.and_then(|(known, _)| known.term_ends_at).map(|end| end.minus(case.span(NOTICE)));
    let renews = next_renewal(case, found.ledger).map(|at| at.minus(case.span(RENEWAL)));
    let due = [ends, renews].into_iter().flatten().filter(|due| *due > case.now).min();
    let reading = Reading::of(strength);
    due.map_or(reading, |due| reading.until(due))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // days of a term
fn tell(case: &Case<'_>) -> Telling {
    let Some(found) = find(case) else { return Telling::nothing() };
    let days_to = |at: Timestamp| at.since(case.now).days().ceil().max(0.0);
    let in_days = |at: Timestamp| counted(days_to(at) as u64, "day");
    let mut sentences = Vec::new();
    let mut numbers = Vec::new();
    let mut offset: Option<Offset> = None;
    if let Some((known, _)) = found.scheduled {
        sentences.push(match known.term_ends_at {
            Some(end) if end > case.now => format!("The subscription is set to end in {}", in_days(end)),
            _ => "The subscription is set to end".to_owned(),
        });
        numbers.extend(known.term_ends_at.map(|end| ("days_to_end", days_to(end))));
        offset = offset.max(known.cancel_scheduled.as_deref().copied());
    }
    if let Some((known, _)) = found.paused {
        sentences.push("the subscription is paused".to_owned());
        offset = offset.max(known.paused.as_deref().copied());
    }
    if let Some((fall, what, _)) = found.fall {
        let days = case.now.since(fall.at).days().max(0.0);
        sentences.push(format!("{what} fell {} %, most recently {}", percent(fall.share()), ago(days as u64)));
        numbers.push(("lost_ratio", fall.share()));
        offset = offset.max(Some(fall.offset));
    }
    if let Some((at, _)) = found.renewal {
        let (recent, usual) = active_days(case);
        let days = counted(recent as u64, "active day");
        let use_told = if usual > 0.0 {
            format!("{days} in the last four weeks, {} before", usually(usual))
        } else {
            format!("{days} in the last twelve weeks")
        };
        sentences.push(format!("the renewal is due in {} and nothing speaks for it: {use_told}", in_days(at)));
        numbers.extend([("days_to_renewal", days_to(at)), ("active_days", recent), ("usual_active_days", usual)]);
        offset = offset.max(case.account.activity.is_used().then_some(case.account.activity.last_offset));
    }
    Telling { sentence: super::sentence(&sentences), numbers, offset }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use expect_test::expect;

    #[test]
    fn fires_on_what_the_contract_tells() {
        check(
            "contract_decline",
            &[
                ("no contract", "uses 0..120 every 1"),
                ("steady", "start 0 100; renew 30 100; renew 60 100; renew 90 100"),
                ("scheduled", "start 0 100; schedule 110 135"),
                ("far away", "start 0 100; schedule 110 200"),
                ("edge of notice", "start 0 100; schedule 110 148"),
                ("withdrawn", "start 0 100; schedule 110 135; renew 118 100"),
                ("order", "schedule 110 135; start 0 100"),
                ("one of two", "start 0 100; start 0 300 b; schedule 110 135"),
                ("paused", "start 0 100; pause 110"),
                ("resumed", "start 0 100; pause 110; resume 115"),
                ("downgrade", "start 0 100; change 115 50"),
                ("by 60 %", "start 0 100; change 120 40"),
                ("by 75 %", "start 0 100; change 120 25"),
                ("by 90 %", "start 0 100; change 120 10"),
                ("by 99 %", "start 0 1000; change 120 10"),
                ("drip", "start 0 100; change 60 70; change 75 50; change 90 30; change 115 16"),
                ("seats by 60 %", "start 0 100; seats 0 100; seats 120 40"),
                ("small cut", "start 0 100; change 115 96"),
                ("in steps", "start 0 100; change 80 80; change 115 60"),
                ("made good", "start 0 100; change 105 50; change 115 100"),
                ("old cut", "start 0 100; change 20 50"),
                ("seats", "start 0 100; seats 0 20; seats 116 10"),
                ("renewal", "start 0 100 a year; ends 1 140 a; uses 0..95 every 1"),
                ("renewal far", "start 0 100 a year; ends 1 190 a; uses 0..95 every 1"),
                ("still in use", "start 0 100 a year; ends 1 140 a; uses 0..120 every 1"),
                ("promoter", "start 0 100 a year; ends 1 140 a; uses 0..95 every 1; nps 60 ann 10"),
                ("monthly", "start 0 100 a month; ends 1 140 a; uses 0..95 every 1"),
                ("never used", "start 0 100 a year; ends 1 140 a"),
                ("gone", "start 0 100; schedule 100 110; cancel 110"),
            ],
            &expect![[r#"
                no contract  unknown
                steady       quiet
                scheduled    1.00 The subscription is set to end in 15 days.
                far away     0.20 The subscription is set to end in 80 days.
                edge of notice 1.00 The subscription is set to end in 28 days.
                withdrawn    quiet
                order        1.00 The subscription is set to end in 15 days.
                one of two   0.25 The subscription is set to end in 15 days.
                paused       0.50 The subscription is paused.
                resumed      quiet
                downgrade    0.33 Revenue fell 50 %, most recently 5 days ago.
                by 60 %      0.41 Revenue fell 60 %, most recently less than a day ago.
                by 75 %      0.51 Revenue fell 75 %, most recently less than a day ago.
                by 90 %      0.60 Revenue fell 90 %, most recently less than a day ago.
                by 99 %      0.60 Revenue fell 99 %, most recently less than a day ago.
                drip         0.53 Revenue fell 84 %, most recently 5 days ago.
                seats by 60 % 0.41 Seats fell 60 %, most recently less than a day ago.
                small cut    quiet
                in steps     0.26 Revenue fell 40 %, most recently 5 days ago.
                made good    quiet
                old cut      quiet
                seats        0.33 Seats fell 50 %, most recently 4 days ago.
                renewal      0.22 The renewal is due in 20 days and nothing speaks for it: 3 active days in the last four weeks, 28 were usual before.
                renewal far  quiet
                still in use quiet
                promoter     quiet
                monthly      quiet
                never used   0.25 The renewal is due in 20 days and nothing speaks for it: 0 active days in the last twelve weeks.
                gone         quiet
            "#]],
        );
    }
}
