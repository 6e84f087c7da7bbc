//! S4, champion departure: the person who drives the adoption leaves, loses the role, or goes quiet while others work on.
//!
//! Champions are those named so (champion or sponsor); where none ever was, the most regular admin stands in. A
//! departure counts fully at first and fades over `memory_days`; another champion still there halves it, and so do
//! many engaged colleagues. Quiet is judged by the champion's own weeks: `(1 - p)^w` for `w` quiet weeks, where `p` is
//! the share of weeks in which they used to be seen.

use super::{Case, Declaration, Parameter, Reading, Signal, Telling, counted, ramp};
use crate::engine::facts::crowd::{Crowd, WEEKS};
use crate::engine::facts::people::Person;

pub(super) const SIGNAL: Signal = Signal {
    declaration: Declaration {
        name: "champion_departure",
        summary: "the champion was deactivated, lost the role, or is quiet beyond their own rhythm while others are active",
        weight: 2.8,
        parameters: &[
            Parameter {
                name: "memory_days",
                summary: "A departure has faded out after so many days.",
                default: 60.0,
                min: 7.0,
                max: 365.0,
            },
            Parameter {
                name: "quiet_chance_max_ratio",
                summary: "Quiet that the champion's own rhythm explains more often than this does not count.",
                default: 0.02,
                min: 0.0001,
                max: 0.5,
            },
        ],
    },
    read,
    tell,
};

const MEMORY: usize = 0;
const QUIET_CHANCE_MAX: usize = 1;
/// An admin stands in for a champion when seen in at least so many of the weeks kept.
const REGULAR_WEEKS_MIN: u32 = 6;
/// Quiet is weaker evidence than a departure.
const QUIET_STRENGTH_MAX: f64 = 0.8;

enum Finding<'a> {
    Departed { person: &'a Person, days: f64, strength: f64 },
    Quiet { person: &'a Person, weeks: u32, strength: f64 },
    Present,
    Unknown,
}

fn find<'a>(case: &Case<'a>) -> Finding<'a> {
    let people = case.account.people.as_deref().filter(|_| case.account.standing.has_key_people);
    let Some(people) = people else { return Finding::Unknown };
    let departed = people
        .list
        .iter()
        .filter_map(|person| Some((person.departed()?, person)))
        .filter(|(stamp, _)| stamp.time <= case.now)
        .max_by_key(|(stamp, _)| *stamp);
    if let Some((stamp, person)) = departed {
        let days = case.now.since(stamp.time).days();
        let fresh = 1.0 - days / case.parameter(MEMORY);
        if fresh > 0.0 {
            let replaced = people.list.iter().any(|other| other.is_champion() && other.hash != person.hash);
            let strength = fresh * if replaced { 0.5 } else { 1.0 };
            return Finding::Departed { person, days, strength };
        }
    }
    let users = &case.account.users;
    let champion = people
        .list
        .iter()
        .filter(|person| person.is_champion())
        .max_by_key(|person| (person.seen(users).map(|seen| seen.last_day), person.hash))
        .or_else(|| {
            people.list.iter().filter(|person| is_regular_admin(person, users)).max_by_key(|person| person.hash)
        });
    let Some(person) = champion else {
        return if departed.is_some() { Finding::Present } else { Finding::Unknown };
    };
    quiet(case, person).unwrap_or(Finding::Present)
}

fn is_regular_admin(person: &Person, users: &Crowd) -> bool {
    person.is_admin() && person.seen(users).is_some_and(|seen| seen.weeks.count_ones() >= REGULAR_WEEKS_MIN)
}

/// A finding when the person is quiet beyond their own rhythm while others are active.
fn quiet<'a>(case: &Case<'a>, person: &'a Person) -> Option<Finding<'a>> {
    let seen = person.seen(&case.account.users)?;
    let today = case.now.day();
    let weeks = u32::from(today.week().saturating_sub(seen.last_day.week())).saturating_sub(1);
    if weeks == 0 || case.account.activity.quiet_days(case.now) > 14 {
        return None;
    }
    // One week of doubt on either side, so that three weeks known do not make certainty.
    let known = u32::from(WEEKS).min(weeks_known(case, seen.last_day.week())).max(1);
    let share = f64::from(seen.weeks.count_ones()) / f64::from(known + 1);
    let chance = libm::pow(1.0 - share.min(0.95), f64::from(weeks));
    let chance_max = case.parameter(QUIET_CHANCE_MAX);
    let belief = ramp(-libm::log(chance), -libm::log(chance_max), -libm::log(chance_max / 10.0));
    (belief > 0.0).then_some(Finding::Quiet { person, weeks, strength: belief * QUIET_STRENGTH_MAX })
}

/// Weeks from the account's first event to `last_week`, both included.
fn weeks_known(case: &Case<'_>, last_week: u16) -> u32 {
    u32::from(last_week.saturating_sub(case.account.activity.first_at.day().week())) + 1
}

fn read(case: &Case<'_>) -> Reading {
    match find(case) {
        Finding::Departed { strength, .. } | Finding::Quiet { strength, .. } => Reading::of(strength),
        Finding::Present => Reading::QUIET,
        Finding::Unknown => Reading::UNKNOWN,
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // days and weeks of a year
fn tell(case: &Case<'_>) -> Telling {
    match find(case) {
        Finding::Departed { person, days, .. } => {
            let what = if person.deactivated > person.champion_since { "left" } else { "lost the role" };
            Telling {
                sentence: format!("Champion {} {what} {} ago.", person.user_id, counted(days as u64, "day")),
                numbers: vec![("days_since_departure", days.floor())],
                offset: Some(person.offset),
            }
        }
        Finding::Quiet { person, weeks, .. } => Telling {
            sentence: format!(
                "Champion {} has not been seen for {} while others work on.",
                person.user_id,
                counted(weeks, "week")
            ),
            numbers: vec![("quiet_weeks", f64::from(weeks))],
            offset: Some(person.offset),
        },
        Finding::Present | Finding::Unknown => Telling { sentence: String::new(), numbers: Vec::new(), offset: None },
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use expect_test::expect;

    #[test]
    fn fires_when_the_champion_leaves_or_goes_quiet() {
        check(
            "champion_departure",
            &[
                ("present", "role 0 ann champion; uses 0..120 every 1 ann"),
                ("left", "role 0 ann champion; uses 0..110 every 1 ann; leaves 115 ann"),
                ("left long ago", "role 0 ann champion; leaves 30 ann; uses 0..120 every 1 bob"),
                ("replaced", "role 0 ann champion; role 0 bob sponsor; leaves 115 ann"),
                ("demoted", "role 0 ann champion; role 117 ann member"),
                ("back again", "role 0 ann champion; leaves 110 ann; role 112 ann champion"),
                ("order", "leaves 115 ann; role 0 ann champion"),
                ("quiet", "role 0 ann champion; uses 0..85 every 1 ann; uses 0..120 every 1 bob"),
                ("all quiet", "role 0 ann champion; uses 0..85 every 1 ann"),
                ("admin quiet", "role 0 ann admin; uses 0..85 every 1 ann; uses 0..120 every 1 bob"),
                ("a member left", "role 0 ann champion; role 0 bob member; leaves 115 bob"),
                ("no champion", "uses 0..120 every 1 bob"),
                ("never seen", "leaves 115 ann"),
            ],
            &expect![[r"
                present      quiet
                left         0.92 Champion ann left 5 days ago.
                left long ago quiet
                replaced     0.46 Champion ann left 5 days ago.
                demoted      0.95 Champion ann lost the role 3 days ago.
                back again   quiet
                order        0.92 Champion ann left 5 days ago.
                quiet        0.80 Champion ann has not been seen for 4 weeks while others work on.
                all quiet    quiet
                admin quiet  0.80 Champion ann has not been seen for 4 weeks while others work on.
                a member left quiet
                no champion  unknown
                never seen   unknown
            "]],
        );
    }
}
