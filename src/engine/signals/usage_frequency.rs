//! S1, usage frequency: the account uses the product much less than it used to.
//!
//! Uses of the last four whole weeks against the four-week mean of the nine weeks before. Whole weeks on both sides
//! make the day of the week cancel out. A fall counts only as far as chance does not explain it: the quasi-Poisson tail,
//! with the dispersion estimated from the account's own weeks (Wedderburn, *Quasi-likelihood functions*, 1974).

use super::statistics::poisson_at_most;
use super::{Case, Declaration, Parameter, Reading, Signal, Telling, percent, ramp};

pub(super) const SIGNAL: Signal = Signal {
    declaration: Declaration {
        name: "usage_frequency",
        summary: "fall of usage in the last 28 days against the account's own previous nine weeks (quasi-Poisson tail)",
        weight: 2.4,
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
                default: 0.001,
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

/// Days compared.
const RECENT_DAYS: u16 = 28;
/// Days they are compared with.
const BASELINE_DAYS: u16 = 63;
/// Below so many uses expected in four weeks nothing can be told.
const EXPECTED_MIN: f64 = 4.0;

struct Comparison {
    recent: f64,
    expected: f64,
    fall: f64,
}

#[allow(clippy::cast_precision_loss)] // counts of events
fn compare(case: &Case<'_>) -> Option<Comparison> {
    let activity = &case.account.activity;
    let known_days = activity.known_for(case.now).days() - f64::from(RECENT_DAYS) - 1.0;
    if known_days < f64::from(RECENT_DAYS) {
        return None;
    }
    let baseline_days = known_days.min(f64::from(BASELINE_DAYS));
    let baseline = activity.volume(case.now, RECENT_DAYS, BASELINE_DAYS) as f64;
    let expected = baseline * f64::from(RECENT_DAYS) / baseline_days;
    if expected < EXPECTED_MIN {
        return None;
    }
    let recent = activity.volume(case.now, 0, RECENT_DAYS) as f64;
    Some(Comparison { recent, expected, fall: 1.0 - recent / expected })
}

fn read(case: &Case<'_>) -> Reading {
    let Some(Comparison { recent, expected, fall }) = compare(case) else { return Reading::UNKNOWN };
    let strength = ramp(fall, case.parameter(FALL_START), case.parameter(FALL_FULL));
    if strength <= 0.0 {
        return Reading::QUIET;
    }
    let dispersion = dispersion(case, expected / 4.0);
    let chance = poisson_at_most(recent / dispersion, expected / dispersion);
    let chance_max = case.parameter(CHANCE_MAX);
    // At the allowed chance nothing counts yet, at a tenth of it everything does.
    let belief = ramp(-libm::log(chance.max(1e-300)), -libm::log(chance_max), -libm::log(chance_max / 10.0));
    Reading::of(strength * belief)
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
    let Some(Comparison { recent, expected, fall }) = compare(case) else {
        return Telling { sentence: String::new(), numbers: Vec::new(), offset: None };
    };
    Telling {
        sentence: format!(
            "Usage fell {} %: {recent:.0} uses in the last 28 days, {expected:.0} were usual for this account.",
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
                ("two to one", "uses 0..120 every 14; drop 92..106"),
                ("grown", "uses 0..92 every 3; uses 92..120 every 1"),
                ("new", "uses 90..120 every 1"),
                ("recovered", "uses 0..60 every 1; uses 80..120 every 1"),
                ("never", ""),
            ],
            &expect![[r#"
                steady       quiet
                halved       0.84 Usage fell 64 %: 10 uses in the last 28 days, 28 were usual for this account.
                stopped      1.00 Usage fell 100 %: 0 uses in the last 28 days, 28 were usual for this account.
                two to one   unknown
                grown        quiet
                new          unknown
                recovered    quiet
                never        unknown
            "#]],
        );
    }
}
