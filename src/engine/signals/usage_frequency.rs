//! S1, usage frequency: the account uses the product much less than it used to.
//!
//! Uses of the last four whole weeks against the mean of the nine weeks before; and, so that a decline is seen while it
//! goes on, those of the last two weeks. Weeks without any use are left out while two with some remain: silence is left
//! to the engagement lag, and a fortnight away is no decline. Whole weeks on both sides make the day of the week cancel out. A fall counts only as far as
//! chance does not explain it: the quasi-Poisson tail, with the dispersion estimated from the account's own weeks
//! (Wedderburn, *Quasi-likelihood functions*, 1974).

use super::statistics::poisson_at_most;
use super::{Case, Declaration, Parameter, Reading, Signal, Telling, percent, ramp};

pub(super) const SIGNAL: Signal = Signal {
    declaration: Declaration {
        name: "usage_frequency",
        summary: "fall of usage in the last four or two weeks against the account's own nine weeks before (quasi-Poisson tail)",
        weight: 2.7,
        parameters: &[
            Parameter {
                name: "fall_start_ratio",
                summary: "A fall by this share begins to count.",
                default: 0.35,
                min: 0.05,
                max: 0.9,
            },
            Parameter {
                name: "fall_full_ratio",
                summary: "A fall by this share counts fully.",
                default: 0.7,
                min: 0.1,
                max: 1.0,
            },
            Parameter {
                name: "chance_max_ratio",
                summary: "A fall that chance produces more often than this does not count.",
                default: 0.005,
                min: 0.0001,
                max: 0.5,
            },
        ],
    },
    read,
    tell,
};

const FALL_START: usize = 0;
const FALL_FULL: usize = 1;
const CHANCE_MAX: usize = 2;

/// Days compared: the whole period, and its later half.
const RECENT_DAYS: u16 = 28;
const LATELY_DAYS: u16 = 14;
/// Days they are compared with.
const BASELINE_DAYS: u16 = 63;
/// With fewer weeks of use among the recent ones all of them are counted.
const WEEKS_MIN: usize = 2;
/// Below so many uses expected in four weeks nothing can be told.
const EXPECTED_MIN: f64 = 4.0;

struct Comparison {
    days: u16,
    recent: f64,
    expected: f64,
    fall: f64,
    strength: f64,
}

#[allow(clippy::cast_precision_loss)] // counts of events
fn compare(case: &Case<'_>) -> Option<Comparison> {
    let activity = &case.account.activity;
    let known_days = activity.known_for(case.now).days() - f64::from(RECENT_DAYS) - 1.0;
    if known_days < f64::from(RECENT_DAYS) {
        return None;
    }
    let baseline_days = known_days.min(f64::from(BASELINE_DAYS));
    let daily = activity.volume(case.now, RECENT_DAYS, BASELINE_DAYS) as f64 / baseline_days;
    if daily * f64::from(RECENT_DAYS) < EXPECTED_MIN {
        return None;
    }
    let weeks = [0, 7, 14, 21].map(|skip| activity.volume(case.now, skip, 7));
    let used = || weeks.iter().filter(|uses| **uses > 0);
    // Weeks without any use are for the engagement lag; where hardly another is left, the fall is beyond doubt.
    let counted_weeks = if used().count() >= WEEKS_MIN { u16::try_from(used().count()).unwrap_or(0) } else { 4 };
    let whole = judge(case, counted_weeks * 7, used().sum::<u64>() as f64, daily);
    let [last_week, week_before, ..] = weeks;
    if last_week == 0 || week_before == 0 {
        return Some(whole);
    }
    let half = judge(case, LATELY_DAYS, (last_week + week_before) as f64, daily);
    Some(if half.strength > whole.strength { half } else { whole })
}

/// Uses of the last `days` days, `recent` of them, against `daily` a day.
fn judge(case: &Case<'_>, days: u16, recent: f64, daily: f64) -> Comparison {
    let expected = daily * f64::from(days);
    let fall = 1.0 - recent / expected;
    let mut strength = ramp(fall, case.parameter(FALL_START), case.parameter(FALL_FULL));
    if strength > 0.0 {
        let dispersion = dispersion(case, daily * 7.0);
        let chance = poisson_at_most(recent / dispersion, expected / dispersion);
        let chance_max = case.parameter(CHANCE_MAX);
        // At the allowed chance nothing counts yet, at a tenth of it everything does.
        strength *= ramp(-libm::log(chance.max(1e-300)), -libm::log(chance_max), -libm::log(chance_max / 10.0));
    }
    Comparison { days, recent, expected, fall, strength }
}

fn read(case: &Case<'_>) -> Reading {
    compare(case).map_or(Reading::UNKNOWN, |found| Reading::of(found.strength))
}

/// Variance of the weekly uses of the baseline over their mean, at least 1.
#[allow(clippy::cast_precision_loss)] // counts of events
fn dispersion(case: &Case<'_>, weekly: f64) -> f64 {
    let weeks = BASELINE_DAYS / 7;
    let squares: f64 = (0..weeks)
        .map(|week| case.account.activity.volume(case.now, RECENT_DAYS + week * 7, 7) as f64 - weekly)
        .map(|difference| difference * difference)
        .sum();
    (squares / f64::from(weeks - 1) / weekly.max(0.25)).max(1.0)
}

fn tell(case: &Case<'_>) -> Telling {
    let Some(Comparison { days, recent, expected, fall, .. }) = compare(case) else { return Telling::nothing() };
    Telling {
        sentence: format!(
            "Usage fell {} %: {recent:.0} uses in {days} days, {expected:.0} were usual for this account.",
            percent(fall)
        ),
        numbers: vec![("recent_uses", recent), ("usual_uses", expected), ("fall_ratio", fall)],
        offset: Some(case.account.activity.last_offset),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use expect_test::expect;

    #[test]
    fn fires_on_a_fall_beyond_chance_and_stays_silent_on_small_counts() {
        check(
            "usage_frequency",
            &[
                ("steady", "uses 0..120 every 1"),
                ("halved", "uses 0..92 every 1; uses 92..120 every 3"),
                ("stopped", "uses 0..92 every 1"),
                ("in decline", "uses 0..106 every 1 ann; uses 0..106 every 1 bob; uses 106..120 every 2 ann"),
                ("a fortnight off", "uses 0..106 every 1"),
                ("back again", "uses 0..98 every 1; uses 112..120 every 1"),
                ("two to one", "uses 0..120 every 14; drop 92..106"),
                ("grown", "uses 0..92 every 3; uses 92..120 every 1"),
                ("new", "uses 90..120 every 1"),
                ("recovered", "uses 0..60 every 1; uses 80..120 every 1"),
                ("never", ""),
            ],
            &expect![[r#"
                steady       quiet
                halved       0.84 Usage fell 64 %: 10 uses in 28 days, 28 were usual for this account.
                stopped      1.00 Usage fell 100 %: 0 uses in 28 days, 28 were usual for this account.
                in decline   1.00 Usage fell 75 %: 7 uses in 14 days, 28 were usual for this account.
                a fortnight off quiet
                back again   quiet
                two to one   unknown
                grown        quiet
                new          unknown
                recovered    quiet
                never        unknown
            "#]],
        );
    }
}
