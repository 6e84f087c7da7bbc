//! S4, champion departure: the person who drives the adoption leaves, loses the role, or goes quiet while others work on.
//!
//! Champions are those named so (champion or sponsor). Where none ever was, the sustained top user among the admins
//! stands in: seen in most weeks, and in at least three quarters as many as anybody. A departure counts fully at first
//! and fades over `memory_days`; another champion still there halves it, and colleagues who work on as they used to take
//! off up to 45 %, so that it is worst when nobody else is engaged. Quiet is judged by the champion's own weeks:
//! `(1 - p)^w` for `w` quiet weeks in which others worked, where `p` is the share of weeks in which they used to be seen. A named champion whose
//! use was never seen can depart, but not be quiet: of their use nothing is known.

use super::{Case, Declaration, Parameter, Reading, Signal, Telling, ago, counted, ramp, usually};
use crate::engine::event::Role;
use crate::engine::facts::Stamp;
use crate::engine::facts::crowd::{Crowd, Member, WEEKS};
use crate::engine::facts::people::Person;
use crate::units::{Day, Timestamp};

pub(super) const SIGNAL: Signal = Signal {
    declaration: Declaration {
        name: "champion_departure",
        summary: "the champion was deactivated, lost the role, or is quiet beyond their own rhythm while others are active",
        weight: 6.5,
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
                default: 0.005,
                min: 0.0001,
                max: 0.5,
            },
        ],
    },
    read,
    tell,
    has_dates: Some(|standing| standing.has_key_people),
};

const MEMORY: usize = 0;
const QUIET_CHANCE_MAX: usize = 1;
/// An admin stands in for a champion when seen in at least so many of the weeks kept.
const REGULAR_WEEKS_MIN: u32 = 6;
/// And in at least this share of the weeks of the most regular user.
const TOP_SHARE: f64 = 0.75;
/// Who was only inferred to be the champion counts less.
const INFERRED: f64 = 0.8;
/// What colleagues who work on as usual take off.
const COLLEAGUES: f64 = 0.45;
/// Quiet is weaker evidence than a departure.
const QUIET_STRENGTH_MAX: f64 = 0.8;
/// Where nobody has been active for longer, it is the account that is quiet.
const OTHERS_QUIET_DAYS_MAX: u16 = 14;
/// This week so far and the one before; three such pairs before those.
const LATELY: u16 = 0b11;
const BEFORE: [u16; 3] = [0b1100, 0b11_0000, 0b1100_0000];

enum Finding<'a> {
    Departed {
        person: &'a Person,
        days: f64,
        strength: f64,
    },
    Quiet {
        person: &'a Person,
        weeks: u32,
        strength: f64,
    },
    /// Seen lately enough; from when on that is so no more, unless the person is seen again.
    Present {
        until: Option<Timestamp>,
    },
    Unknown,
}

fn find<'a>(case: &Case<'a>) -> Finding<'a> {
    let people = case.account.people.as_deref().filter(|_| case.account.standing.has_key_people);
    let Some(people) = people else { return Finding::Unknown };
    let is_named = people.list.iter().any(|person| person.champion_since.is_some());
    let departures = people.list.iter().filter_map(|person| {
        let stamp = if is_named { person.departed() } else { inferred_departure(case, person) };
        stamp.filter(|stamp| stamp.time <= case.now).map(|stamp| (stamp, person))
    });
    let departed = departures.max_by_key(|(stamp, _)| *stamp);
    if let Some((stamp, person)) = departed {
        let days = case.now.since(stamp.time).days();
        let fresh = 1.0 - days / case.parameter(MEMORY);
        if fresh > 0.0 {
            let replaced = people.list.iter().any(|other| other.is_champion() && other.hash != person.hash);
            let share = if replaced { 0.5 } else { 1.0 } * if is_named { 1.0 } else { INFERRED };
            let strength = fresh * share * (1.0 - COLLEAGUES * colleagues(case, person).engaged);
            return Finding::Departed { person, days, strength };
        }
    }
    let champion = if is_named {
        let named = people.list.iter().filter(|person| person.is_champion());
        named.max_by_key(|person| (person.seen(&case.account.users).map(|seen| seen.last_day), person.hash))
    } else {
        let admins = people.list.iter().filter(|person| person.is_admin() && is_top_user(case, person));
        admins.max_by_key(|person| (weeks_seen(person, &case.account.users), person.hash))
    };
    match champion {
        None if departed.is_some() => Finding::Present { until: None },
        Some(person) => match person.seen(&case.account.users) {
            Some(seen) => quiet(case, person, seen),
            None => Finding::Unknown,
        },
        None => Finding::Unknown,
    }
}

/// When an admin who had been the top user was deactivated.
fn inferred_departure(case: &Case<'_>, person: &Person) -> Option<Stamp> {
    let was_admin = person.role.is_some_and(|(_, role)| role == Role::Admin);
    let gone = person.deactivated.filter(|at| person.present.is_none_or(|present| *at > present))?;
    (was_admin && is_top_user(case, person)).then_some(gone)
}

/// Whether a person has been seen in most weeks, up to their last, and in nearly as many as anybody.
fn is_top_user(case: &Case<'_>, person: &Person) -> bool {
    let users = &case.account.users;
    let own = weeks_seen(person, users);
    let most = users.members.iter().map(|member| member.weeks.count_ones()).max().unwrap_or(0);
    own >= REGULAR_WEEKS_MIN && f64::from(own) >= TOP_SHARE * f64::from(most)
}

fn weeks_seen(person: &Person, users: &Crowd) -> u32 {
    person.seen(users).map_or(0, |seen| seen.weeks.count_ones())
}

/// The others at the account.
struct Colleagues {
    /// Seen lately.
    active: f64,
    /// How many used to be seen in as much time.
    usual: f64,
    /// The one over the other, at most 1, which is what those are worth who have begun since; 0 where there are none.
    engaged: f64,
}

#[allow(clippy::cast_precision_loss)] // at most CROWD_MAX
fn colleagues(case: &Case<'_>, person: &Person) -> Colleagues {
    let (users, today) = (&case.account.users, case.now.day());
    let [near, middle, far] = BEFORE;
    let [lately, near, middle, far] = users.seen_in(today, [LATELY, near, middle, far]).map(|count| count as f64);
    let own =
        person.seen(users).filter(|_| users.get(person.hash).is_some()).map_or(0, |seen| seen.weeks_before(today));
    let without = |count: f64, mask: u16| count - f64::from(u8::from(own & mask != 0));
    let [first, second, third] = BEFORE;
    let active = without(lately, LATELY);
    let usual = (without(near, first) + without(middle, second) + without(far, third)) / 3.0;
    let engaged = if active > 0.0 { (active / usual).min(1.0) } else { 0.0 };
    Colleagues { active, usual, engaged }
}

/// Whether the person, last `seen` so, is quiet beyond their own rhythm while others are active.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)] // weeks of a year or two
fn quiet<'a>(case: &Case<'a>, person: &'a Person, seen: Member) -> Finding<'a> {
    let last_week = seen.last_day.week();
    // One week of doubt on either side, so that three weeks known do not make certainty.
    let known = u32::from(WEEKS).min(weeks_known(case, last_week)).max(1);
    let share = f64::from(seen.weeks.count_ones()) / f64::from(known + 1);
    let missing = 1.0 - share.min(0.95);
    let chance_max = case.parameter(QUIET_CHANCE_MAX);
    // Weeks in which nobody worked tell nothing of one.
    let today = case.now.day();
    let is_worked = |ago: &u16| case.account.activity.active_days_within(case.now, today.weekday() + 7 * ago, 7) > 0;
    let over = today.week().saturating_sub(last_week).saturating_sub(1).min(WEEKS);
    let weeks = (0..over).filter(is_worked).count();
    let chance = libm::pow(missing, weeks as f64);
    let belief = ramp(-libm::log(chance), -libm::log(chance_max), -libm::log(chance_max / 10.0));
    if belief > 0.0 && case.account.activity.quiet_days(case.now) <= OTHERS_QUIET_DAYS_MAX {
        return Finding::Quiet { person, weeks: weeks as u32, strength: belief * QUIET_STRENGTH_MAX };
    }
    // If others work on in every week.
    let enough = (libm::log(chance_max) / libm::log(missing)).floor() as u16 + 1;
    let over_by = last_week.saturating_add(enough.max(over + 1)).saturating_add(1);
    Finding::Present { until: Some(Day::monday(over_by).start()) }
}

/// Weeks from the account's first event to `last_week`, both included.
fn weeks_known(case: &Case<'_>, last_week: u16) -> u32 {
    u32::from(last_week.saturating_sub(case.account.activity.first_at.day().week())) + 1
}

fn read(case: &Case<'_>) -> Reading {
    match find(case) {
        Finding::Departed { strength, .. } => Reading::of(strength),
        // Another week makes it worse.
        Finding::Quiet { strength, .. } => Reading::of(strength).until(Day::monday(case.now.day().week() + 1).start()),
        Finding::Present { until } => until.map_or(Reading::QUIET, |until| Reading::QUIET.until(until)),
        Finding::Unknown => Reading::UNKNOWN,
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // days and weeks of a year, people of a crowd
fn tell(case: &Case<'_>) -> Telling {
    match find(case) {
        Finding::Departed { person, days, .. } => {
            let what = if person.deactivated > person.champion_since { "left" } else { "lost the role" };
            let Colleagues { active, usual, .. } = colleagues(case, person);
            let others = if active < 1.0 && usual < 0.5 {
                "nobody else is engaged".to_owned()
            } else {
                format!("{} active this week and last, {}", counted(active as u64, "other"), usually(usual))
            };
            Telling {
                sentence: format!("Champion {} {what} {}; {others}.", person.user_id, ago(days as u64)),
                numbers: vec![
                    ("days_since_departure", days.floor()),
                    ("others_active", active),
                    ("others_usual", usual),
                ],
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
        Finding::Present { .. } | Finding::Unknown => Telling::nothing(),
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
                (
                    "all quiet, back",
                    "role 0 ann champion; uses 0..85 every 1 ann; uses 0..85 every 1 bob; uses 118..120 every 1 bob",
                ),
                ("admin quiet", "role 0 ann admin; uses 0..85 every 1 ann; uses 0..120 every 1 bob"),
                ("a member left", "role 0 ann champion; role 0 bob member; leaves 115 bob"),
                (
                    "others work on",
                    "role 0 ann champion; uses 0..114 every 1 ann; uses 0..120 every 1 bob; uses 0..120 every 1 eve; leaves 115 ann",
                ),
                (
                    "others left too",
                    "role 0 ann champion; uses 0..110 every 1 ann; uses 0..95 every 1 bob; leaves 115 ann",
                ),
                (
                    "others took over",
                    "role 0 ann champion; uses 0..109 every 1 ann; leaves 109 ann; uses 109..120 every 1 bob; uses 110..120 every 1 eve",
                ),
                ("never used", "role 0 ann champion; uses 0..120 every 1 bob"),
                ("never used, left", "role 0 ann champion; uses 0..120 every 1 bob; leaves 115 ann"),
                (
                    "top admin left",
                    "role 0 ann admin; uses 0..114 every 1 ann; uses 0..120 every 20 bob; leaves 115 ann",
                ),
                (
                    "idle admin left",
                    "role 0 ann admin; uses 0..114 every 28 ann; uses 0..120 every 1 bob; leaves 115 ann",
                ),
                ("no champion", "uses 0..120 every 1 bob"),
                ("never seen", "leaves 115 ann"),
            ],
            &expect![[r#"
                present      quiet
                left         0.92 Champion ann left 5 days ago; nobody else is engaged.
                left long ago quiet
                replaced     0.46 Champion ann left 5 days ago; nobody else is engaged.
                demoted      0.95 Champion ann lost the role 3 days ago; nobody else is engaged.
                back again   unknown
                order        0.92 Champion ann left 5 days ago; nobody else is engaged.
                quiet        0.80 Champion ann has not been seen for 4 weeks while others work on.
                all quiet    quiet
                all quiet, back quiet
                admin quiet  0.80 Champion ann has not been seen for 4 weeks while others work on.
                a member left unknown
                others work on 0.50 Champion ann left 5 days ago; 2 others active this week and last, 2 were usual.
                others left too 0.92 Champion ann left 5 days ago; 0 others active this week and last, 1 was usual.
                others took over 0.45 Champion ann left 11 days ago; 2 others active this week and last, hardly any were usual.
                never used   unknown
                never used, left 0.50 Champion ann left 5 days ago; 1 other active this week and last, 1 was usual.
                top admin left 0.73 Champion ann left 5 days ago; 0 others active this week and last, 1 was usual.
                idle admin left unknown
                no champion  unknown
                never seen   unknown
            "#]],
        );
    }
}
