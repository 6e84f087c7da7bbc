//! S5, limit hits: the account keeps running into a limit of its plan without an upgrade.
//!
//! Hits within `window_days`, against the number that is friction. An account whose usage grows at the same time is
//! more likely to buy than to leave: there the same evidence counts a third, and the sentence says that it is an
//! opportunity. Growth is that of the last two weeks over the account's own eight weeks before, as far as it is known for
//! so long, in fleet days; with few visits on either side it is drawn towards none (`(recent + 2) / (usual + 2)`, in days
//! with use); the hits themselves are no growth, and where there were more of them in that time than are kept, growth cannot
//! be told and counts as none. Who is about to buy does so within weeks: the longer the hits have gone on without an upgrade, the more they
//! are friction, whatever usage does.

use super::{Case, Declaration, PARAMETERS_MAX, Parameter, Reading, Signal, Telling, counted, percent, ramp};
use crate::engine::facts::limits::Limits;
use crate::units::Day;

pub(super) const SIGNAL: Signal = Signal {
    declaration: Declaration {
        name: "limit_hits",
        summary: "repeated hits of a plan limit without an upgrade since",
        weight: 6.8,
        parameters: &[
            Parameter {
                name: "window_days",
                summary: "Hits older than this do not count.",
                default: 14.0,
                min: 1.0,
                max: 90.0,
            },
            Parameter {
                name: "hits_start",
                summary: "So many hits within the window begin to count.",
                default: 3.0,
                min: 1.0,
                max: 15.0,
            },
            Parameter {
                name: "hits_full",
                summary: "So many hits within the window count fully.",
                default: 6.0,
                min: 2.0,
                max: 16.0,
            },
        ],
    },
    read,
    tell,
    has_dates: None,
};

const WINDOW: usize = 0;
/// Usage that grew by this factor makes the hits an opportunity, usage that fell to this one makes them friction only.
const GROWTH: f64 = 1.1;
const DECLINE: f64 = 0.8;
/// What is left of the strength while usage grows.
const GROWING_SHARE: f64 = 1.0 / 3.0;
/// Days with use by whose uses either side is drawn towards the other.
const DOUBT_DAYS: f64 = 2.0;
/// Days that are compared, and days before them that they are compared with.
const RECENT_DAYS: u16 = 14;
const USUAL_DAYS: u16 = 56;
/// Fewer fleet days of those tell nothing.
const USUAL_DAYS_MIN: f64 = 14.0;
/// Hits that have gone on for less may end in an upgrade; for more, they are friction.
const PATIENCE_DAYS: f64 = 14.0;
const FRICTION_DAYS: f64 = 28.0;

/// Hits within the window and since the last rise of revenue, and whether there may have been more.
fn hits(case: &Case<'_>) -> (usize, bool) {
    let Some(limits) = &case.account.limits else { return (0, false) };
    let upgraded = case.account.billing.as_ref().and_then(|billing| billing.ledger.expanded_at);
    let from = case.now.minus(case.span(WINDOW)).max(upgraded.unwrap_or_default());
    (limits.hits_after(from), limits.may_have_forgotten_after(from))
}

/// The factor by which usage has grown lately; 1 where it cannot be told.
#[allow(clippy::cast_precision_loss)] // counts of events
fn growth(case: &Case<'_>) -> f64 {
    let (activity, today) = (&case.account.activity, case.now.day());
    let back = |days: u16| Day::new(today.number().saturating_sub(days));
    // The first day is why the account is known, and tells nothing of its rate.
    let first = Day::new(activity.first_day.number().saturating_add(1));
    let begin = first.max(back(RECENT_DAYS + USUAL_DAYS));
    let recent_from = back(RECENT_DAYS);
    let usual_days = case.calendar.at(recent_from) - case.calendar.at(begin);
    let is_forgotten = |limits: &Limits| limits.may_have_forgotten_after(begin.start());
    let are_hits_unknown = case.account.limits.as_deref().is_some_and(is_forgotten);
    if !activity.is_used() || usual_days < USUAL_DAYS_MIN || are_hits_unknown {
        return 1.0;
    }
    let days = recent_from.since(begin);
    // A hit is a use as well, and no growth.
    let uses = activity.volume(case.now, RECENT_DAYS, days) as f64 - hits_between(case, begin, recent_from);
    let active = f64::from(activity.active_days_within(case.now, RECENT_DAYS, days));
    if uses <= 0.0 {
        return 1.0;
    }
    let usual = uses * (case.calendar.at(today) - case.calendar.at(recent_from)) / usual_days;
    let doubt = DOUBT_DAYS * uses / active;
    let recent = activity.volume(case.now, 0, RECENT_DAYS) as f64 - hits_between(case, recent_from, today);
    (recent + doubt) / (usual + doubt)
}

/// Hits on the days from `begin` to before `end`, as far as they are kept.
#[allow(clippy::cast_precision_loss)] // at most HITS_MAX
fn hits_between(case: &Case<'_>, begin: Day, end: Day) -> f64 {
    let Some(limits) = &case.account.limits else { return 0.0 };
    limits.hits.iter().filter(|hit| (begin..end).contains(&hit.time.day())).count() as f64
}

/// For how many days the hits have gone on since the last rise of revenue, as far as they are kept, without a pause as long
/// as the window.
fn lasting_days(case: &Case<'_>) -> f64 {
    let Some(limits) = &case.account.limits else { return 0.0 };
    let upgraded = case.account.billing.as_ref().and_then(|billing| billing.ledger.expanded_at);
    let mut since = case.now;
    for hit in limits.hits.iter().rev().filter(|hit| hit.time <= case.now) {
        if since.since(hit.time) > case.span(WINDOW) || upgraded.is_some_and(|at| hit.time <= at) {
            break;
        }
        since = hit.time;
    }
    case.now.since(since).days()
}

/// How strongly so many hits speak. One hit below the start counts nothing, so that the start itself counts something.
fn strength_of(hits: f64, parameters: &[f64; PARAMETERS_MAX]) -> f64 {
    let [_, start, full, ..] = parameters;
    ramp(hits, start - 1.0, *full)
}

/// Whether so many hits may speak at all.
pub(super) fn may_speak(hits: u8, parameters: &[f64; PARAMETERS_MAX]) -> bool {
    strength_of(hits.into(), parameters) > 0.0
}

#[allow(clippy::cast_precision_loss)] // at most HITS_MAX
fn read(case: &Case<'_>) -> Reading {
    let standing = &case.account.standing;
    if standing.limit_hits == 0 {
        // Whether it has limits at all, nobody has said.
        return Reading::UNKNOWN;
    }
    let are_recent = standing.limit_hit_at.is_some_and(|at| at > case.now.minus(case.span(WINDOW)));
    if !are_recent || !may_speak(standing.limit_hits, case.parameters) {
        return Reading::QUIET;
    }
    let strength = strength_of(hits(case).0 as f64, case.parameters);
    if strength <= 0.0 {
        return Reading::QUIET;
    }
    let friction = ramp(growth(case), GROWTH, DECLINE).max(ramp(lasting_days(case), PATIENCE_DAYS, FRICTION_DAYS));
    Reading::of(strength * (GROWING_SHARE + (1.0 - GROWING_SHARE) * friction))
}

#[allow(clippy::cast_precision_loss)] // at most HITS_MAX
fn tell(case: &Case<'_>) -> Telling {
    let ((hits, has_more), growth) = (hits(case), growth(case));
    let latest = case.account.limits.as_ref().and_then(|limits| limits.latest.as_ref());
    let outlook = if growth >= GROWTH {
        format!(
            "usage is up {} % in the last two weeks: an opportunity, a larger plan would help",
            percent(growth - 1.0)
        )
    } else if growth <= DECLINE {
        format!("no upgrade since, and usage fell {} % in the last two weeks", percent(1.0 - growth))
    } else {
        "no upgrade since".to_owned()
    };
    let mut numbers = vec![
        ("hits", hits as f64),
        ("window_days", case.parameter(WINDOW)),
        ("growth_ratio", growth),
        ("expansion_opportunity", f64::from(u8::from(growth >= GROWTH))),
    ];
    for (name, value) in [("used", latest.and_then(|hit| hit.used)), ("allowed", latest.and_then(|hit| hit.allowed))] {
        numbers.extend(value.map(|value| (name, value)));
    }
    let which = latest.map_or_else(String::new, |hit| format!(", the latest being {}", hit.limit));
    Telling {
        sentence: format!(
            "Plan limits hit {}{} in {}{which}; {outlook}.",
            if has_more { "at least " } else { "" },
            counted(hits as u64, "time"),
            counted(case.days(WINDOW), "day")
        ),
        numbers,
        offset: latest.map(|hit| hit.offset),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use expect_test::expect;

    /// Of more hits than are kept it is not known how many of the uses they were.
    #[test]
    fn a_storm_of_hits_is_no_growth() {
        let storm = |hits: u32| {
            let hits = (0..hits).map(|hit| format!("limit 118 api-{hit:02}")).collect::<Vec<_>>();
            format!("uses 0..120 every 1; {}", hits.join("; "))
        };
        let [fifteen, kept, more] = [15, 16, 40].map(storm);
        check(
            "limit_hits",
            &[("fifteen", &fifteen), ("as many as are kept", &kept), ("more", &more)],
            &expect![[r#"
                fifteen      0.56 Plan limits hit 15 times in 14 days, the latest being api-07; no upgrade since.
                as many as are kept 0.56 Plan limits hit at least 16 times in 14 days, the latest being api-07; no upgrade since.
                more         0.56 Plan limits hit at least 16 times in 14 days, the latest being api-35; no upgrade since.
            "#]],
        );
    }

    #[test]
    fn fires_on_repeated_hits_without_an_upgrade() {
        check(
            "limit_hits",
            &[
                ("none", "uses 0..120 every 1"),
                ("one", "limit 118 api_calls"),
                ("two", "limit 115 api_calls; limit 118 api_calls"),
                ("many", "limit 108 seats; limit 110 seats; limit 112 seats; limit 114 seats; limit 118 seats"),
                ("upgraded", "start 0 100; limit 112 seats; limit 114 seats; limit 116 seats; change 118 200"),
                (
                    "falling",
                    "uses 0..106 every 1; limit 108 seats; limit 110 seats; limit 112 seats; limit 114 seats; limit 118 seats",
                ),
                (
                    "for a month",
                    "uses 60..92 every 2; uses 90..120 every 1; limit 93 seats; limit 97 seats; limit 101 seats; limit 106 seats; limit 112 seats; limit 113 seats; limit 114 seats; limit 116 seats",
                ),
                ("two limits", "uses 0..120 every 1; limit 112 api; limit 113 api; limit 114 seats; limit 116 seats"),
                ("young", "uses 90..120 every 2; limit 112 seats; limit 113 seats; limit 114 seats; limit 116 seats"),
                ("old", "limit 10 seats; limit 11 seats; limit 12 seats; limit 13 seats"),
                (
                    "growing",
                    "uses 60..92 every 2; uses 90..120 every 1; limit 112 seats; limit 113 seats; limit 114 seats; limit 116 seats",
                ),
            ],
            &expect![[r#"
                none         unknown
                one          quiet
                two          quiet
                many         0.42 Plan limits hit 5 times in 14 days, the latest being seats; no upgrade since.
                upgraded     quiet
                falling      0.75 Plan limits hit 5 times in 14 days, the latest being seats; no upgrade since, and usage fell 88 % in the last two weeks.
                for a month  0.48 Plan limits hit 4 times in 14 days, the latest being seats; usage is up 37 % in the last two weeks: an opportunity, a larger plan would help.
                two limits   0.28 Plan limits hit 4 times in 14 days, the latest being seats; no upgrade since.
                young        0.22 Plan limits hit 4 times in 14 days, the latest being seats; no upgrade since.
                old          quiet
                growing      0.17 Plan limits hit 4 times in 14 days, the latest being seats; usage is up 37 % in the last two weeks: an opportunity, a larger plan would help.
            "#]],
        );
    }
}
