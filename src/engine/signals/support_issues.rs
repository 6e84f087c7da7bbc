//! S10, support issues: more tickets than the account usually has, bad ones, the same again, or one left open.
//!
//! Openings of the last four weeks against the account's own rate in the ten weeks before those, by the
//! negative-binomial tail: a gamma prior of one ticket in two months (half a ticket in thirty days), updated by the
//! openings before and the time in which they came. Openings are counted by the week; where each one of the last four weeks
//! is kept, these are counted by the day, else what is told is the least that there were. Severity, repetition and tickets left open add to it; none of them alone is enough for an alert, and what has
//! been solved counts less.

use super::statistics::negative_binomial_at_least;
use super::{Case, Declaration, Parameter, Reading, Signal, Telling, all_of, counted, ramp, usually};
use crate::engine::facts::tickets::{FORGOTTEN, Grade, Ticket, Tickets, What};
use crate::units::{Offset, Span, Timestamp};

pub(super) const SIGNAL: Signal = Signal {
    declaration: Declaration {
        name: "support_issues",
        summary: "tickets of the last four weeks against the account's own rate (negative-binomial tail), severe, repeated or left open",
        weight: 2.7,
        parameters: &[
            Parameter {
                name: "chance_max_ratio",
                summary: "So many tickets as chance brings more often than this do not count.",
                default: 0.05,
                min: 0.0001,
                max: 0.5,
            },
            Parameter {
                name: "open_days",
                summary: "A ticket open for longer than this begins to count.",
                default: 14.0,
                min: 1.0,
                max: 90.0,
            },
        ],
    },
    read,
    tell,
    has_dates: None,
};

const CHANCE_MAX: usize = 0;
const OPEN: usize = 1;
/// What is recent.
const RECENT_WEEKS: u16 = 4;
const RECENT_DAYS: u16 = 7 * RECENT_WEEKS;
const RECENT: Span = Span::from_days(28);
/// The weeks in which openings are counted, the present one included.
const COUNTED_WEEKS: u16 = 14;
/// The prior rate: this many tickets in this many days.
const PRIOR_TICKETS: f64 = 0.5;
const PRIOR_DAYS: f64 = 30.0;
/// Tickets left open for so many times `open_days` count fully.
const OPEN_FULL: f64 = 3.0;
/// Strength of more tickets than usual.
const MANY: f64 = 0.5;
/// Strength of three urgent ones.
const SEVERE: f64 = 0.5;
/// Strength of the same trouble again.
const AGAIN: f64 = 0.35;
/// Strength of a ticket left open.
const LEFT_OPEN: f64 = 0.3;
/// What is taken off the first three where every ticket has been solved.
const SOLVED: f64 = 0.4;

struct Findings {
    /// Openings lately, and how many are usual in that time.
    recent: u32,
    /// Whether there may have been more of them than are kept one by one.
    has_more: bool,
    usual: f64,
    chance: f64,
    /// Urgent ones lately, high ones counting half.
    severe: f64,
    /// Openings lately of a ticket that had been opened before, or the third and further of one topic.
    again: u32,
    /// The same with the second of a topic: what is told where there is a third.
    repeated: u32,
    /// Share of the tickets opened lately that have been closed, in [0, 1].
    solved: f64,
    /// Days that the oldest open ticket has been open.
    open_days: f64,
    /// When a ticket that is open now begins to count as left open.
    due: Option<Timestamp>,
}

fn find(case: &Case<'_>, tickets: &Tickets) -> Findings {
    let from = case.now.minus(RECENT);
    let lately = |at: Timestamp| at > from && at <= case.now;
    let week = case.now.day().week();
    let kept = count(tickets.openings().filter(|(at, ..)| lately(*at)));
    let has_more = tickets.may_have_forgotten_after(from);
    let (recent, before, before_days) = if has_more {
        // Of the week in which the last four begin it is not known which openings belong to them.
        let begun = RECENT_WEEKS + 1;
        let before = tickets.opened_in(week, begun, COUNTED_WEEKS - begun);
        (tickets.opened_in(week, 0, RECENT_WEEKS).max(kept), before, 7 * (COUNTED_WEEKS - begun))
    } else {
        let all = tickets.opened_in(week, 0, COUNTED_WEEKS);
        let days = 7 * (COUNTED_WEEKS - 1) + case.now.day().weekday() + 1;
        (kept, all.saturating_sub(kept), days - RECENT_DAYS)
    };
    let usual = usual(case, before, before_days);
    let severe = tickets.openings().filter(|(at, ..)| lately(*at)).fold(0.0, |sum, (_, grade, _)| {
        sum + match grade {
            Grade::Urgent => 1.0,
            Grade::High => 0.5,
            Grade::Ordinary => 0.0,
        }
    });
    let list = tickets.tickets();
    let reopened = list.iter().filter(|known| known.openings > 1 && lately(known.reopened_at));
    let reopened: u32 = reopened.map(|known| known.openings - 1).sum();
    let is_kept = |known: &&Ticket| known.opened_at <= case.now && known.reopened_at > case.now.minus(FORGOTTEN);
    let open = || list.iter().filter(|known| !known.is_closed).filter(is_kept).map(|known| known.opened_at);
    let due = open().map(|opened_at| opened_at.plus(case.span(OPEN))).filter(|due| *due > case.now).min();
    let topics = topics(tickets, from, case.now);
    Findings {
        recent,
        has_more,
        usual,
        chance: negative_binomial_at_least(recent, PRIOR_TICKETS + f64::from(before), usual),
        severe,
        again: reopened + topics.iter().map(|openings| openings.saturating_sub(2)).sum::<u32>(),
        repeated: reopened + topics.iter().map(|openings| openings.saturating_sub(1)).sum::<u32>(),
        solved: share_closed(list.iter().filter(|known| lately(known.reopened_at))),
        open_days: open().min().map_or(0.0, |opened_at| case.now.since(opened_at).days()),
        due,
    }
}

/// How many openings the account's own rate lets expect lately: the posterior mean after so many in so many days.
fn usual(case: &Case<'_>, before: u32, before_days: u16) -> f64 {
    let known = case.account.activity.known_for(case.now).days() - RECENT.days();
    let known_days = known.clamp(0.0, before_days.into());
    (PRIOR_TICKETS + f64::from(before)) / (PRIOR_DAYS + known_days) * RECENT.days()
}

fn share_closed<'t>(tickets: impl Iterator<Item = &'t Ticket> + Clone) -> f64 {
    let all = count(tickets.clone());
    if all == 0 { 0.0 } else { f64::from(count(tickets.filter(|known| known.is_closed))) / f64::from(all) }
}

/// How many openings lately were about one topic, of each that was told.
fn topics(tickets: &Tickets, from: Timestamp, now: Timestamp) -> Vec<u32> {
    let mut topics: Vec<u32> = tickets
        .openings()
        .filter(|(at, _, topic)| *at > from && *at <= now && *topic != 0)
        .map(|(.., topic)| topic)
        .collect();
    topics.sort_unstable();
    topics.chunk_by(|one, next| one == next).map(|same| count(same.iter())).collect()
}

fn count(items: impl Iterator) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

fn strength(case: &Case<'_>, found: &Findings) -> f64 {
    let chance_max = case.parameter(CHANCE_MAX);
    let unsolved = 1.0 - SOLVED * found.solved;
    let [many, severe, again] = [MANY, SEVERE, AGAIN].map(|part| part * unsolved);
    let belief = ramp(-libm::log(found.chance.max(1e-300)), -libm::log(chance_max), -libm::log(chance_max / 20.0));
    all_of([
        many * belief,
        severe * ramp(found.severe, 0.5, 3.0),
        again * ramp(f64::from(found.again), 0.0, 2.0),
        LEFT_OPEN * ramp(found.open_days, case.parameter(OPEN), case.parameter(OPEN) * OPEN_FULL),
    ])
}

fn read(case: &Case<'_>) -> Reading {
    let Some(tickets) = case.account.tickets.as_deref() else { return Reading::UNKNOWN };
    if tickets.entries.last().is_none_or(|latest| latest.stamp.time <= case.now.minus(FORGOTTEN)) {
        return Reading::QUIET;
    }
    let found = find(case, tickets);
    let reading = Reading::of(strength(case, &found));
    found.due.map_or(reading, |due| reading.until(due))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // days
fn tell(case: &Case<'_>) -> Telling {
    let Some(tickets) = case.account.tickets.as_deref() else { return Telling::nothing() };
    let found = find(case, tickets);
    let at_least = if found.has_more { "at least " } else { "" };
    let tickets_told = counted(found.recent, "ticket");
    let mut sentences = Vec::new();
    if found.recent > 0 {
        sentences.push(format!("{at_least}{tickets_told} in the last four weeks, {} before", usually(found.usual)));
    }
    if found.severe >= 1.0 {
        sentences.push(if found.recent == 1 { "a severe one" } else { "severe ones among them" }.to_owned());
    }
    if found.again > 0 {
        sentences.push(format!("{at_least}{} again about the same", found.repeated));
    }
    if found.open_days > case.parameter(OPEN) {
        sentences.push(format!("one ticket open for {}", counted(found.open_days as u64, "day")));
    }
    Telling {
        sentence: super::sentence(&sentences),
        numbers: vec![
            ("tickets", f64::from(found.recent)),
            ("usual_tickets", found.usual),
            ("severe_tickets", found.severe),
            ("repeated_tickets", f64::from(if found.again > 0 { found.repeated } else { 0 })),
            ("open_days", found.open_days.floor()),
        ],
        offset: latest_opening(tickets),
    }
}

fn latest_opening(tickets: &Tickets) -> Option<Offset> {
    tickets.entries.iter().rfind(|entry| entry.what != What::Closed).map(|entry| entry.offset)
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use expect_test::expect;

    #[test]
    fn fires_on_trouble_beyond_the_accounts_own_rate() {
        check(
            "support_issues",
            &[
                ("none", "uses 0..120 every 1"),
                ("one", "uses 0..120 every 1; ticket 112 t1; closed 114 t1"),
                ("two", "uses 0..120 every 1; ticket 104 t1; closed 106 t1; ticket 112 t2; closed 114 t2"),
                (
                    "many",
                    "uses 0..120 every 1; ticket 100 t1; closed 102 t1; ticket 104 t2; closed 106 t2; ticket 108 t3; closed 109 t3; ticket 112 t4; closed 114 t4; ticket 116 t5; closed 117 t5",
                ),
                ("as ever", "uses 0..120 every 1; tickets 0..120 every 7"),
                (
                    "severe",
                    "uses 0..120 every 1; ticket 110 t1 urgent; closed 111 t1; ticket 115 t2 urgent; closed 116 t2",
                ),
                ("reopened", "uses 0..120 every 1; ticket 104 t1; closed 106 t1; ticket 110 t1; closed 118 t1"),
                (
                    "same topic",
                    "uses 0..120 every 1; ticket 100 t1 low sync; closed 101 t1; ticket 106 t2 low sync; closed 107 t2; ticket 112 t3 low sync; closed 113 t3; ticket 116 t4 low sync; closed 117 t4",
                ),
                ("one a day", "uses 0..120 every 1; opens 93..121 1"),
                ("a storm", "uses 0..120 every 1; opens 100..115 2 sync"),
                ("three of one topic", "uses 0..120 every 1; opens 112..115 1 sync"),
                ("open behind many", "uses 0..120 every 1; ticket 80 t0; tickets 81..120 every 1"),
                ("left open", "uses 0..120 every 1; ticket 70 t1"),
                ("edge of open", "uses 0..120 every 1; ticket 106 t1"),
                ("closed at last", "uses 0..120 every 1; ticket 70 t1; closed 119 t1"),
                ("closed first", "uses 0..120 every 1; closed 119 t1; ticket 70 t1"),
                (
                    "old trouble",
                    "uses 0..120 every 1; ticket 20 t1 urgent; closed 21 t1; ticket 24 t2 urgent; closed 30 t2",
                ),
            ],
            &expect![[r#"
                none         unknown
                one          quiet
                two          0.09 2 tickets in the last four weeks, hardly any were usual before.
                many         0.30 5 tickets in the last four weeks, hardly any were usual before.
                as ever      quiet
                severe       0.26 2 tickets in the last four weeks, hardly any were usual before; severe ones among them.
                reopened     0.19 2 tickets in the last four weeks, hardly any were usual before; 1 again about the same.
                same topic   0.45 4 tickets in the last four weeks, hardly any were usual before; 3 again about the same.
                one a day    0.57 At least 27 tickets in the last four weeks, hardly any were usual before; one ticket open for 27 days.
                a storm      0.70 At least 30 tickets in the last four weeks, hardly any were usual before; at least 23 again about the same; one ticket open for 20 days.
                three of one topic 0.53 3 tickets in the last four weeks, hardly any were usual before; 2 again about the same.
                open behind many 0.50 At least 26 tickets in the last four weeks, 2 were usual before; one ticket open for 40 days.
                left open    0.30 One ticket open for 50 days.
                edge of open 0.00 1 ticket in the last four weeks, hardly any were usual before; one ticket open for 14 days.
                closed at last quiet
                closed first quiet
                old trouble  quiet
            "#]],
        );
    }
}
