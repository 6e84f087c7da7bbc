//! S6, engagement lag: the account is silent far longer than its own rhythm explains.
//!
//! The present gap against the account's own gaps between active days: the predictive survival
//! `(1 + gap / total)^(-count)` with the number of gaps divided by their dispersion, so that irregular and little
//! known accounts are not accused early. A silence that may be a holiday counts half at most.

use super::statistics::{gap_at, gap_survival};
use super::{Case, Declaration, Parameter, Reading, Signal, Telling, counted, ramp};
use crate::units::{DAY_MS, Timestamp};

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
                summary: "Shorter silences never count.",
                default: 7.0,
                min: 1.0,
                max: 90.0,
            },
            Parameter {
                name: "dormant_days",
                summary: "Shorter silences count half at most: a fortnight off has sixteen days with its weekends.",
                default: 16.0,
                min: 1.0,
                max: 90.0,
            },
        ],
    },
    read,
    tell,
};

const SURVIVAL_START: usize = 0;
const SURVIVAL_FULL: usize = 1;
const QUIET_MIN: usize = 2;
const DORMANT: usize = 3;
/// Most that a silence counts which may be a holiday.
const HOLIDAY_MAX: f64 = 0.5;
/// With fewer gaps there is no rhythm to speak of.
const GAPS_MIN: u32 = 3;

struct Rhythm {
    /// Gaps divided by their dispersion.
    count: f64,
    /// Their mean in days.
    mean: f64,
    /// `mean` times `count`.
    total: f64,
}

fn rhythm(case: &Case<'_>) -> Option<Rhythm> {
    let gaps = case.account.activity.gaps();
    if gaps.count < GAPS_MIN {
        return None;
    }
    let mean = gaps.days / f64::from(gaps.count);
    // Squared coefficient of variation: 1 for random gaps, above for bursts. Regularity is not rewarded.
    let dispersion = ((gaps.squares / f64::from(gaps.count) - mean * mean) / (mean * mean)).max(1.0);
    let count = f64::from(gaps.count) / dispersion;
    Some(Rhythm { count, mean, total: mean * count })
}

fn read(case: &Case<'_>) -> Reading {
    let activity = &case.account.activity;
    let quiet = activity.quiet_days(case.now);
    let gaps = activity.days.count_ones().saturating_sub(1);
    if gaps >= GAPS_MIN {
        // Irregular accounts are given longer; the shortest silence that can count follows from number and sum of the
        // gaps alone, and spares the rest of the work for all who are active.
        let total = f64::from(activity.days.ilog2());
        let soonest = gap_at(case.parameter(SURVIVAL_START), gaps.into(), total).max(case.parameter(QUIET_MIN));
        if f64::from(quiet) < soonest {
            return Reading::QUIET.until(day_of_silence(case, soonest));
        }
    }
    let Some(rhythm) = rhythm(case) else { return Reading::UNKNOWN };
    let start = case.parameter(SURVIVAL_START);
    let start_day = gap_at(start, rhythm.count, rhythm.total).ceil().max(case.parameter(QUIET_MIN));
    if f64::from(quiet) < start_day {
        return Reading::QUIET.until(day_of_silence(case, start_day));
    }
    let survival = gap_survival(f64::from(quiet), rhythm.count, rhythm.total).max(1e-300);
    // At the start it counts a fifth at once: the silence has been found improbable already.
    let belief = ramp(-libm::log(survival), -libm::log(start), -libm::log(case.parameter(SURVIVAL_FULL)));
    let strength = 0.2 + 0.8 * belief;
    let dormant = case.parameter(DORMANT);
    if f64::from(quiet) < dormant {
        return Reading::of(strength * HOLIDAY_MAX).until(day_of_silence(case, dormant));
    }
    Reading::of(strength)
}

/// The beginning of the day on which the account has been silent for `days`.
#[allow(clippy::cast_possible_truncation)] // 365 days ahead is as good as never: the regular looks come first
fn day_of_silence(case: &Case<'_>, days: f64) -> Timestamp {
    Timestamp::clamped((i64::from(case.account.activity.last_day.number()) + days.ceil().min(365.0) as i64) * DAY_MS)
}

fn tell(case: &Case<'_>) -> Telling {
    let quiet = case.account.activity.quiet_days(case.now);
    let mean = rhythm(case).map_or(0.0, |rhythm| rhythm.mean);
    let longest = case.account.activity.gaps().longest;
    Telling {
        sentence: format!(
            "Silent for {}; usually active every {mean:.1} days, longest gap so far {}.",
            counted(quiet, "day"),
            counted(longest, "day")
        ),
        numbers: vec![
            ("quiet_days", f64::from(quiet)),
            ("usual_gap_days", mean),
            ("longest_gap_days", f64::from(longest)),
        ],
        offset: Some(case.account.activity.last_offset),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
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
                ("weekly, 40 off", "uses 0..81 every 7"),
                ("monthly, 40 off", "uses 0..85 every 28"),
                ("bursts", "uses 0..5 every 1; uses 40..45 every 1; uses 80..85 every 1"),
                ("recovered", "uses 0..80 every 1; uses 119..120 every 1"),
                ("late", "uses 0..80 every 1; uses 119..120 every 1; uses 60..118 every 1"),
                ("new", "uses 110..112 every 1"),
                ("never", ""),
            ],
            &expect![[r#"
                daily        quiet
                daily, 12 off 0.50 Silent for 13 days; usually active every 1.0 days, longest gap so far 1 day.
                daily, 9 off 0.50 Silent for 10 days; usually active every 1.0 days, longest gap so far 1 day.
                daily, 20 off 1.00 Silent for 21 days; usually active every 1.0 days, longest gap so far 1 day.
                weekly       quiet
                weekly, 40 off 0.28 Silent for 43 days; usually active every 7.0 days, longest gap so far 7 days.
                monthly, 40 off quiet
                bursts       quiet
                recovered    quiet
                late         quiet
                new          unknown
                never        unknown
            "#]],
        );
    }
}
