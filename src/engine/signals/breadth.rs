//! S2, breadth of use: the account uses fewer of the product's features than it used to.
//!
//! Distinct features of the last four weeks against the mean of the two four-week periods before, with the Poisson
//! tail for small numbers. An account that has gone silent altogether is left to the engagement lag.

use super::statistics::poisson_at_most;
use super::{Case, Declaration, Parameter, Reading, Signal, Telling, counted, ramp};

pub(super) const SIGNAL: Signal = Signal {
    declaration: Declaration {
        name: "breadth",
        summary: "fewer distinct features used in the last four weeks than in the eight weeks before (Poisson tail)",
        weight: 0.5,
        parameters: &[
            Parameter {
                name: "fall_start_ratio",
                summary: "A fall by this share begins to count.",
                default: 0.3,
                min: 0.05,
                max: 0.9,
            },
            Parameter {
                name: "fall_full_ratio",
                summary: "A fall by this share counts fully.",
                default: 0.6,
                min: 0.1,
                max: 1.0,
            },
            Parameter {
                name: "features_min",
                summary: "Accounts that used fewer features a period than this are not judged.",
                default: 3.0,
                min: 1.0,
                max: 100.0,
            },
        ],
    },
    read,
    tell,
};

const FALL_START: usize = 0;
const FALL_FULL: usize = 1;
const FEATURES_MIN: usize = 2;

/// This week so far and the four before it.
const RECENT: u16 = 0b1_1111;
/// The four weeks before those, and the four before these.
const BEFORE: [u16; 2] = [0b1_1110_0000, 0b1_1110_0000_0000];
/// A fall that chance explains more often than this does not count.
const CHANCE_MAX: f64 = 0.25;

fn compare(case: &Case<'_>) -> Option<(usize, f64)> {
    let features = &case.account.features;
    let today = case.now.day();
    if features.members.len() < case.days(FEATURES_MIN).into() {
        return None;
    }
    let [recent, near, far] = features.seen_in(today, [RECENT, BEFORE[0], BEFORE[1]]);
    #[allow(clippy::cast_precision_loss)] // at most CROWD_MAX
    let usual = if far == 0 { near as f64 } else { (near + far) as f64 / 2.0 };
    (usual >= case.parameter(FEATURES_MIN)).then_some((recent, usual))
}

#[allow(clippy::cast_precision_loss)] // at most CROWD_MAX
fn read(case: &Case<'_>) -> Reading {
    let Some((recent, usual)) = compare(case) else { return Reading::UNKNOWN };
    if recent == 0 {
        return Reading::QUIET;
    }
    let strength = ramp(1.0 - recent as f64 / usual, case.parameter(FALL_START), case.parameter(FALL_FULL));
    if strength <= 0.0 || poisson_at_most(recent as f64, usual) > CHANCE_MAX {
        return Reading::QUIET;
    }
    Reading::of(strength)
}

#[allow(clippy::cast_precision_loss)] // at most CROWD_MAX
fn tell(case: &Case<'_>) -> Telling {
    let (recent, usual) = compare(case).unwrap_or_default();
    let offered = case.account.profile.as_ref().and_then(|profile| profile.plan_features);
    let mut numbers = vec![("recent_features", recent as f64), ("usual_features", usual)];
    let of_plan = offered.map_or_else(String::new, |(_, offered)| {
        numbers.push(("plan_features", f64::from(offered)));
        format!(" of {offered} in the plan")
    });
    Telling {
        sentence: format!(
            "Only {} used in the last four weeks{of_plan}; {usual:.0} were usual.",
            counted(recent as u64, "feature")
        ),
        numbers,
        offset: Some(case.account.activity.last_offset),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use expect_test::expect;

    #[test]
    fn fires_when_features_are_given_up() {
        check(
            "breadth",
            &[
                ("steady", "features 0..120 8"),
                ("halved", "features 0..84 8; features 84..120 3"),
                ("one of three", "features 0..84 3; features 84..120 2"),
                ("silent", "features 0..80 8"),
                ("narrow", "features 0..120 2"),
                ("broader", "features 0..84 3; features 84..120 8"),
                ("never", ""),
            ],
            &expect![[r"
                steady       quiet
                halved       1.00 Only 3 features used in the last four weeks; 8 were usual.
                one of three quiet
                silent       quiet
                narrow       unknown
                broader      quiet
                never        unknown
            "]],
        );
    }
}
