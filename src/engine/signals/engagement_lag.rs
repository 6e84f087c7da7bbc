//! S6, engagement lag: the account is silent far longer than its own rhythm explains.
//!
//! The present gap against the account's own gaps between active days, all in days of the fleet, so that weekends, holidays
//! and outages count only as much as everybody was active: the predictive survival of a renewal process whose gaps are as
//! regular as the account's have been ([`super::rhythm`]). Who comes like clockwork is missed sooner, who is irregular or
//! little known is not accused early. A silence that may be a holiday counts about a third at most, and a holiday begins
//! where the next use was due.

use super::rhythm::{GAPS_MIN, Rhythm, gaps};
use super::statistics::gap_at;
use super::{Case, Declaration, Parameter, Reading, Signal, Telling, counted, ramp};
use crate::units::Timestamp;

pub(super) const SIGNAL: Signal = Signal {
    declaration: Declaration {
        name: "engagement_lag",
        summary: "the present silence against the account's own gaps between active days (predictive survival)",
        weight: 5.5,
        parameters: &[
            Parameter {
                name: "survival_start_ratio",
                summary: "A silence that the account's rhythm explains with this probability begins to count.",
                default: 0.012,
                min: 0.0001,
                max: 0.5,
            },
            Parameter {
                name: "survival_full_ratio",
                summary: "A silence that it explains with this probability counts fully.",
                default: 0.0001,
                min: 0.000_000_1,
                max: 0.1,
            },
            Parameter {
                name: "quiet_days_min",
                summary: "Shorter silences never count, in days of the fleet.",
                default: 7.0,
                min: 1.0,
                max: 90.0,
            },
            Parameter {
                name: "dormant_days",
                summary: "Silences shorter than this beyond the usual gap count a third at most: they may be a fortnight off. In days of the fleet.",
                default: 16.0,
                min: 1.0,
                max: 90.0,
            },
        ],
    },
    read,
    tell,
    has_dates: None,
};

const SURVIVAL_START: usize = 0;
const SURVIVAL_FULL: usize = 1;
const QUIET_MIN: usize = 2;
const DORMANT: usize = 3;
/// Most that a silence counts which may be a holiday: too little for an alert of its own, with the default rules.
const HOLIDAY_MAX: f64 = 0.35;

/// How long it has been silent, in fleet days: as long as its gap would be if it were active now.
fn quiet_fleet_days(case: &Case<'_>) -> f64 {
    (case.calendar.at(case.now.day()) - case.calendar.at(case.account.activity.last_day)).max(0.0)
}

fn read(case: &Case<'_>) -> Reading {
    if case.account.standing.rests {
        return Reading::UNKNOWN;
    }
    let quiet = quiet_fleet_days(case);
    let (start, least) = (case.parameter(SURVIVAL_START), case.parameter(QUIET_MIN));
    let (count, total) = gaps(case);
    if count >= GAPS_MIN && quiet < least && gap_at(start, count.into(), total) <= least {
        // Whoever comes often is judged from the shortest silence on that can count, however regular; that spares the
        // rest of the work for most who are active.
        return Reading::QUIET.until(day_of_silence(case, least));
    }
    let Some(rhythm) = Rhythm::of(case) else { return Reading::UNKNOWN };
    let gaps = rhythm.regular();
    let start_days = gaps.gap_at(start).max(least);
    if quiet < start_days {
        return Reading::QUIET.until(day_of_silence(case, start_days));
    }
    // At the start it counts a fifth at once: the silence has been found improbable already.
    let full = -libm::log(case.parameter(SURVIVAL_FULL));
    let belief = ramp(-gaps.log_survival(quiet), -libm::log(start), full);
    let strength = 0.2 + 0.8 * belief;
    // A holiday begins where the next use was due.
    let dormant = case.parameter(DORMANT) + (rhythm.mean - 1.0).max(0.0);
    if quiet < dormant {
        return Reading::of(strength * HOLIDAY_MAX).until(day_of_silence(case, dormant));
    }
    Reading::of(strength)
}

/// The beginning of the day on which the account has been silent for so many fleet days.
fn day_of_silence(case: &Case<'_>, fleet_days: f64) -> Timestamp {
    case.calendar.day_after(case.account.activity.last_day, fleet_days).start()
}

fn tell(case: &Case<'_>) -> Telling {
    let quiet = case.account.activity.quiet_days(case.now);
    // People are told days of the calendar throughout.
    let gaps = case.account.activity.gaps();
    let mean = gaps.days / f64::from(gaps.count.max(1));
    let every = if mean < 1.05 { "day".to_owned() } else { format!("{mean:.1} days").replace(".0 ", " ") };
    Telling {
        sentence: format!(
            "Silent for {}; active every {every} in the {:.0} days before, longest gap {}.",
            counted(quiet, "day"),
            gaps.days,
            counted(gaps.longest, "day")
        ),
        numbers: vec![
            ("quiet_days", f64::from(quiet)),
            ("usual_gap_days", mean),
            ("longest_gap_days", f64::from(gaps.longest)),
        ],
        offset: Some(case.account.activity.last_offset),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, check_in, holidays};
    use crate::engine::fleet::calendar::Calendar;
    use expect_test::expect;

    #[test]
    fn fires_against_the_accounts_own_rhythm() {
        check(
            "engagement_lag",
            &[
                ("daily", "uses 0..120 every 1"),
                ("daily, 12 off", "uses 0..108 every 1"),
                ("daily, 9 off", "uses 0..111 every 1"),
                ("daily, 20 off", "uses 0..100 every 1"),
                ("weekly", "uses 0..120 every 7"),
                ("weekly, 20 off", "uses 0..102 every 7"),
                ("weekly, 26 off", "uses 0..96 every 7"),
                ("weekly, 40 off", "uses 0..81 every 7"),
                (
                    "as it comes",
                    "uses 0..80 every 9; uses 0..80 every 14; uses 0..80 every 5; drop 20..30; drop 48..58",
                ),
                ("monthly, 40 off", "uses 0..85 every 28"),
                ("bursts", "uses 0..5 every 1; uses 40..45 every 1; uses 80..85 every 1"),
                ("recovered", "uses 0..80 every 1; uses 119..120 every 1"),
                ("late", "uses 0..80 every 1; uses 119..120 every 1; uses 60..118 every 1"),
                ("new", "uses 110..112 every 1"),
                ("never", ""),
            ],
            &expect![[r#"
                daily        quiet
                daily, 12 off 0.35 Silent for 13 days; active every day in the 107 days before, longest gap 1 day.
                daily, 9 off 0.35 Silent for 10 days; active every day in the 110 days before, longest gap 1 day.
                daily, 20 off 1.00 Silent for 21 days; active every day in the 99 days before, longest gap 1 day.
                weekly       quiet
                weekly, 20 off 0.47 Silent for 22 days; active every 7 days in the 98 days before, longest gap 7 days.
                weekly, 26 off 0.85 Silent for 29 days; active every 7 days in the 91 days before, longest gap 7 days.
                weekly, 40 off 1.00 Silent for 43 days; active every 7 days in the 77 days before, longest gap 7 days.
                as it comes  1.00 Silent for 45 days; active every 4.2 days in the 75 days before, longest gap 15 days.
                monthly, 40 off quiet
                bursts       quiet
                recovered    quiet
                late         quiet
                new          unknown
                never        unknown
            "#]],
        );
    }

    #[test]
    fn days_on_which_the_whole_fleet_rests_are_no_silence() {
        let script = [("daily, 17 off", "uses 0..103 every 1"), ("weekly, 26 off", "uses 0..96 every 7")];
        check_in(
            &Calendar::default(),
            "engagement_lag",
            &script,
            &expect![[r#"
                daily, 17 off 1.00 Silent for 18 days; active every day in the 102 days before, longest gap 1 day.
                weekly, 26 off 0.85 Silent for 29 days; active every 7 days in the 91 days before, longest gap 7 days.
            "#]],
        );
        check_in(
            &holidays(105..118),
            "engagement_lag",
            &script,
            &expect![[r#"
            daily, 17 off quiet
            weekly, 26 off quiet
        "#]],
        );
        // What is told of it are days of the calendar.
        check_in(
            &holidays(0..60),
            "engagement_lag",
            &[("daily, 20 off", "uses 0..100 every 1")],
            &expect![[r#"
            daily, 20 off 1.00 Silent for 21 days; active every day in the 99 days before, longest gap 1 day.
        "#]],
        );
    }
}
