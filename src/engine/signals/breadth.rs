//! S2, breadth of use: the account uses fewer of the product's features than it used to, or hardly any of those it pays
//! for.
//!
//! Distinct features of the 28 days up to the last activity against the mean of two periods of four weeks before, with the
//! Poisson tail for small numbers: all three are of one length, so that nobody looks broader for the day of the week, and
//! end with activity, so that nobody looks narrower for a silence. Against the plan: the share of the offered features
//! (trait `plan_features`) used lately, once the account is known for two months; it counts half at most, since it may have
//! been so for years. An account that has been silent for the 28 days is left to the engagement lag.

use super::statistics::poisson_at_most;
use super::{Case, Declaration, Parameter, Reading, Signal, Telling, all_of, counted, ramp, usually};

pub(super) const SIGNAL: Signal = Signal {
    declaration: Declaration {
        name: "breadth",
        summary: "fewer distinct features used in the last four weeks than in the eight weeks before (Poisson tail), or than the plan offers",
        weight: 1.3,
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
            Parameter {
                name: "plan_share_ratio",
                summary: "Use of a smaller share of the features of the plan begins to count.",
                default: 0.25,
                min: 0.01,
                max: 1.0,
            },
        ],
    },
    read,
    tell,
    has_dates: None,
};

const FALL_START: usize = 0;
const FALL_FULL: usize = 1;
const FEATURES_MIN: usize = 2;
const PLAN_SHARE: usize = 3;
/// Strength of using none of what the plan offers but one feature.
const WASTED: f64 = 0.5;
/// An account known for less is still finding its way.
const KNOWN_DAYS_MIN: f64 = 56.0;

/// What is recent.
const RECENT_DAYS: u16 = 28;
/// The four calendar weeks before the one in which that begins, and the four before these.
const BEFORE: [u16; 2] = [0b1_1110_0000, 0b1_1110_0000_0000];
/// A fall that chance explains more often than this does not count.
const CHANCE_MAX: f64 = 0.25;

/// What was used lately, and what it is compared with.
struct Comparison {
    recent: usize,
    /// What is usual, where enough is known.
    usual: Option<f64>,
    /// What the plan offers, where that is told and the account known for long enough.
    offered: Option<u16>,
}

#[allow(clippy::cast_precision_loss)] // at most CROWD_MAX
fn compare(case: &Case<'_>) -> Option<Comparison> {
    let features = &case.account.features;
    if features.members.is_empty() {
        return None;
    }
    // As of its last activity: a silence is no loss of breadth.
    let last = case.account.activity.last_day;
    let recent = features.members.iter().filter(|feature| last.since(feature.last_day) < RECENT_DAYS).count();
    let [near, far] = features.seen_in(last, BEFORE);
    let usual = if far == 0 { near as f64 } else { (near + far) as f64 / 2.0 };
    let is_known = case.account.activity.known_for(case.now).days() >= KNOWN_DAYS_MIN;
    let offered = case.account.profile.as_ref().and_then(|profile| profile.plan_features);
    let comparison = Comparison {
        recent,
        usual: Some(usual).filter(|usual| *usual >= case.parameter(FEATURES_MIN)),
        offered: offered.map(|(_, offered)| offered).filter(|offered| is_known && *offered > 1),
    };
    (comparison.usual.is_some() || comparison.offered.is_some()).then_some(comparison)
}

/// How much the fall counts, and how much what is not used of the plan.
#[allow(clippy::cast_precision_loss)] // at most CROWD_MAX
fn strengths(case: &Case<'_>, found: &Comparison) -> [f64; 2] {
    let recent = found.recent as f64;
    let fallen = found.usual.map_or(0.0, |usual| {
        let strength = ramp(1.0 - recent / usual, case.parameter(FALL_START), case.parameter(FALL_FULL));
        if strength <= 0.0 || poisson_at_most(recent, usual) > CHANCE_MAX { 0.0 } else { strength }
    });
    let wasted = found.offered.map_or(0.0, |offered| {
        let (share, least) = (recent / f64::from(offered), 1.0 / f64::from(offered));
        // Of a plan of few features a single one is no small share.
        if least < case.parameter(PLAN_SHARE) { WASTED * ramp(share, case.parameter(PLAN_SHARE), least) } else { 0.0 }
    });
    [fallen, wasted]
}

fn read(case: &Case<'_>) -> Reading {
    if case.account.standing.rests {
        return Reading::UNKNOWN;
    }
    let is_silent = case.account.activity.quiet_days(case.now) >= RECENT_DAYS;
    match compare(case) {
        None => Reading::UNKNOWN,
        Some(found) if found.recent == 0 || is_silent => Reading::QUIET,
        Some(found) => Reading::of(all_of(strengths(case, &found))),
    }
}

#[allow(clippy::cast_precision_loss)] // at most CROWD_MAX
fn tell(case: &Case<'_>) -> Telling {
    let Some(found) = compare(case) else { return Telling::nothing() };
    let [fallen, _] = strengths(case, &found);
    let mut numbers = vec![("recent_features", found.recent as f64)];
    let of_plan = found.offered.map_or_else(String::new, |offered| {
        numbers.push(("plan_features", f64::from(offered)));
        format!(" of {offered} in the plan")
    });
    let before = found.usual.filter(|_| fallen > 0.0).map_or_else(String::new, |usual| {
        numbers.push(("usual_features", usual));
        format!(", {} before", usually(usual))
    });
    Telling {
        sentence: format!(
            "Only {}{of_plan} used in the {RECENT_DAYS} days up to the last activity{before}.",
            counted(found.recent as u64, "feature")
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
                ("silent of late", "features 0..84 8; features 84..92 3"),
                ("silent for weeks", "features 0..92 8; features 92..100 2"),
                ("given up a month ago", "features 0..92 8; features 92..120 3"),
                ("narrow", "features 0..120 2"),
                ("broader", "features 0..84 3; features 84..120 8"),
                ("little of it", "plan 0 20; features 0..120 2"),
                ("most of it", "plan 0 5; features 0..120 4"),
                ("half given up", "plan 0 20; features 0..84 8; features 84..120 3"),
                ("plan, new", "plan 100 20; features 100..120 2"),
                ("recovered", "features 0..60 8; features 60..100 3; features 100..120 8"),
                ("never", ""),
            ],
            &expect![[r#"
                steady       quiet
                halved       1.00 Only 3 features used in the 28 days up to the last activity, 8 were usual before.
                one of three quiet
                silent       quiet
                silent of late quiet
                silent for weeks quiet
                given up a month ago 1.00 Only 3 features used in the 28 days up to the last activity, 8 were usual before.
                narrow       unknown
                broader      quiet
                little of it 0.38 Only 2 features of 20 in the plan used in the 28 days up to the last activity.
                most of it   quiet
                half given up 1.00 Only 3 features of 20 in the plan used in the 28 days up to the last activity, 8 were usual before.
                plan, new    unknown
                recovered    quiet
                never        unknown
            "#]],
        );
    }
}
