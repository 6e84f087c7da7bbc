//! S1, usage frequency: the account uses the product much less than it used to, and goes on doing so.
//!
//! A change-point test on the account's own rate: for every moment within eight weeks at which the fall may have begun,
//! the uses since then against those before it, as far back as volumes are kept. The generalised likelihood ratio of two
//! Poisson rates against one (Lorden 1971; Siegmund, *Sequential Analysis*), divided by the dispersion of the account's own
//! weeks (Wedderburn, *Quasi-likelihood functions*, 1974), tells how far chance explains the fall, the share by which the
//! rate fell how much it matters. Exposure is counted in fleet days, so that weekends, holidays and outages are no fall;
//! and of all absences since the change one, as long as a holiday may be, is forgiven: a fall shows in what is still
//! used, while silence is left to the engagement lag.

use super::rhythm::Rhythm;
use super::{Case, Declaration, Parameter, Reading, Signal, Telling, counted, percent, ramp};
use crate::engine::facts::activity::HORIZON_DAYS;
use crate::units::Day;

pub(super) const SIGNAL: Signal = Signal {
    declaration: Declaration {
        name: "usage_frequency",
        summary: "sustained fall of the account's own rate of use within eight weeks (likelihood ratio of a change, quasi-Poisson)",
        weight: 6.0,
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
                default: 0.05,
                min: 0.0001,
                max: 0.5,
            },
            Parameter {
                name: "holiday_days",
                summary: "Of all absences since the change one is forgiven up to this length, in days of the fleet.",
                default: 16.0,
                min: 0.0,
                max: 60.0,
            },
        ],
    },
    read,
    tell,
    has_dates: None,
};

const FALL_START: usize = 0;
const FALL_FULL: usize = 1;
const CHANCE_MAX: usize = 2;
const HOLIDAY: usize = 3;

/// Fewer forgiven days are not worth a word.
const TOLD_MIN: f64 = 4.0;
/// Fleet days that must have passed since the change, and that may.
const SINCE_MIN: f64 = 14.0;
const SINCE_MAX: f64 = 56.0;
/// Fleet days before it, below which nothing is usual yet.
const BEFORE_MIN: f64 = 21.0;
const KNOWN_MIN: f64 = SINCE_MIN + BEFORE_MIN;
/// With fewer days of use before it there is no rate to fall from: of a few large orders one is missed by chance.
const VISITS_MIN: f64 = 6.0;
/// Weeks that are too near to tell how much visits usually vary in size, and weeks in their uses.
const LAST_WEEKS: u16 = 2;
const NEAR_WEEKS: u16 = 4;
/// Weeks in all of which volumes are kept.
const WEEKS: u16 = HORIZON_DAYS / 7;
/// At this share of the chance allowed a fall counts fully. The moment is chosen from many, so that much is asked.
const CERTAIN_SHARE: f64 = 0.01;
/// So many weeks' worth of doubt about the variation from week to week: it is drawn towards that of visits by chance.
const DOUBT_WEEKS: f64 = 3.0;

/// The uses of a stretch of time.
#[derive(Clone, Copy, Default)]
struct Stretch {
    uses: f64,
    /// In fleet days.
    exposure: f64,
}

impl Stretch {
    fn rate(self) -> f64 {
        self.uses / self.exposure
    }
}

/// The fall that counts most.
struct Fall {
    /// The first day of it.
    since: Day,
    /// Since when what was usual is known.
    begin: Day,
    /// Uses since then.
    uses: f64,
    /// Fleet days of one absence that are forgiven.
    forgiven: f64,
    /// Uses that were usual in as much time, without what is forgiven.
    usual: f64,
    share: f64,
    strength: f64,
}

enum Finding {
    Unknown,
    Steady,
    Fallen(Fall),
}

fn find(case: &Case<'_>) -> Finding {
    let activity = &case.account.activity;
    let (calendar, today) = (case.calendar, case.now.day());
    let since_first = today.since(activity.first_day);
    if !activity.is_used() || f64::from(since_first) < KNOWN_MIN {
        return Finding::Unknown;
    }
    // The first day is why the account is known, and tells nothing of its rate.
    let kept_from = activity.last_day.number().saturating_sub(HORIZON_DAYS - 1);
    let begin = Day::new(kept_from.max(activity.first_day.number() + 1));
    let end = calendar.at(today);
    let volumes = activity.volumes_between(begin, today);
    #[allow(clippy::cast_precision_loss)] // at most 91
    let mut visits = volumes.len() as f64;
    let uses: u32 = volumes.iter().copied().map(u32::from).sum();
    let whole = Stretch { uses: uses.into(), exposure: end - calendar.at(begin) };
    if whole.exposure < KNOWN_MIN || visits < VISITS_MIN {
        return Finding::Unknown;
    }
    let usual_gap = whole.exposure / visits;
    let start = case.parameter(FALL_START);
    let (mut since, mut longest, mut next) = (0.0, 0.0_f64, end);
    let mut dispersion = None;
    let mut worst: Option<Fall> = None;
    for (day, uses) in uses_by_day(case, begin) {
        let changed_on = Day::new(day.number() + 1);
        let changed_at = calendar.at(changed_on);
        longest = longest.max(next - changed_at);
        let forgiven = (longest - usual_gap).clamp(0.0, case.parameter(HOLIDAY));
        let recent = Stretch { uses: since, exposure: end - changed_at - forgiven };
        let before = Stretch { uses: whole.uses - since, exposure: whole.exposure - (end - changed_at) };
        if before.exposure < BEFORE_MIN || visits < VISITS_MIN || end - changed_at > SINCE_MAX {
            break;
        }
        // The rates without the divisions: most of them have not fallen.
        let fallen = recent.uses * before.exposure < before.uses * recent.exposure * (1.0 - start);
        if fallen && recent.exposure >= SINCE_MIN {
            let share = 1.0 - recent.rate() / before.rate();
            let matters = ramp(share, start, case.parameter(FALL_FULL));
            let found = worst.as_ref().map_or(-1.0, |worst| worst.strength);
            // Belief adds nothing: what matters less than what has been found needs none.
            if matters > found {
                let dispersion = *dispersion.get_or_insert_with(|| self::dispersion(case, begin));
                let strength = matters * belief(case, recent, before, dispersion);
                if strength > found {
                    let usual = before.rate() * recent.exposure;
                    worst = Some(Fall { since: changed_on, begin, uses: since, forgiven, usual, share, strength });
                }
            }
        }
        since += uses;
        visits -= 1.0;
        next = calendar.at(day);
    }
    worst.map_or(Finding::Steady, Finding::Fallen)
}

/// The days before today with use, newest first, back to `begin`.
fn uses_by_day<'a>(case: &Case<'a>, begin: Day) -> impl Iterator<Item = (Day, f64)> + use<'a> {
    let activity = &case.account.activity;
    let (last, today) = (activity.last_day, case.now.day());
    let mut rest = activity.days;
    let mut uses = activity.volumes.iter().rev();
    let days = std::iter::from_fn(move || {
        let age = rest.trailing_zeros();
        // Takes the lowest bit away.
        rest &= rest.wrapping_sub(1);
        let uses = f64::from(*uses.next()?);
        Some((Day::new(last.number().saturating_sub(u16::try_from(age).ok()?)), uses))
    });
    days.skip_while(move |(day, _)| *day >= today).take_while(move |(day, _)| *day >= begin)
}

/// How little chance explains that the rate fell from `before` to `recent`: 0 where it does, 1 where it is far less likely
/// than is allowed.
///
/// `ln L = r ln(r / p) + b ln(b / p)`, each rate against the pooled one and weighted by its uses; `L^(-1 / dispersion)`
/// bounds the chance of such a fall at a given moment (Chernoff).
fn belief(case: &Case<'_>, recent: Stretch, before: Stretch, dispersion: f64) -> f64 {
    let pooled = (recent.uses + before.uses) / (recent.exposure + before.exposure);
    let part = |stretch: Stretch| {
        if stretch.uses > 0.0 { stretch.uses * libm::log(stretch.rate() / pooled) } else { 0.0 }
    };
    let ratio = (part(recent) + part(before)) / dispersion;
    let chance_max = case.parameter(CHANCE_MAX);
    ramp(ratio, -libm::log(chance_max), -libm::log(chance_max * CERTAIN_SHARE))
}

/// Variance of uses over their mean, at least 1: Pearson's over the known weeks that are not near, drawn towards what
/// follows from visits with gaps as regular as the account's, each of as many uses as they are.
///
/// For a renewal process whose gaps have the squared coefficient of variation `c`, with events of mean `m` and variance
/// `v`: `v / m + m c` (Cox, *Renewal Theory*, section 8.3).
fn dispersion(case: &Case<'_>, begin: Day) -> f64 {
    let today = case.now.day();
    let mut weeks = [0.0; WEEKS as usize];
    let (mut count, mut sum, mut squares, mut far) = (0.0, 0.0, 0.0, 0.0);
    for (day, uses) in uses_by_day(case, begin) {
        let week = (today.since(day) - 1) / 7;
        if let Some(sum) = weeks.get_mut(usize::from(week)) {
            *sum += uses;
        }
        if week >= LAST_WEEKS {
            count += 1.0;
            sum += uses;
            squares += uses * uses;
        }
        if week >= NEAR_WEEKS {
            far += uses;
        }
    }
    if sum <= 0.0 {
        // Nothing is known of how it varies, so nothing is beyond chance.
        return f64::INFINITY;
    }
    let mean = sum / count;
    let spread = Rhythm::of(case).map_or(1.0, |rhythm| rhythm.spread);
    // Of one visit the variance is not known: it is taken to vary by its own size.
    let variance = if count > 1.0 { (squares - count * mean * mean).max(0.0) / (count - 1.0) } else { mean * mean };
    let by_visits = variance / mean + mean * spread;
    let at = |weeks: u16| case.calendar.at(Day::new(today.number().saturating_sub(weeks * 7)));
    let known = (today.since(begin) / 7).min(WEEKS);
    let rate = far / (at(NEAR_WEEKS) - case.calendar.at(begin)).max(0.1);
    let (mut pearson, mut end) = (0.0, at(NEAR_WEEKS));
    for (week, uses) in (NEAR_WEEKS..known).zip(weeks.iter().skip(usize::from(NEAR_WEEKS))) {
        let begin = at(week + 1);
        let expected = (rate * (end - begin)).max(0.1);
        pearson += (uses - expected) * (uses - expected) / expected;
        end = begin;
    }
    let freedom = (f64::from(known) - f64::from(NEAR_WEEKS) - 1.0).max(0.0);
    ((pearson + DOUBT_WEEKS * by_visits) / (freedom + DOUBT_WEEKS)).max(1.0)
}

fn read(case: &Case<'_>) -> Reading {
    if case.account.standing.rests {
        return Reading::UNKNOWN;
    }
    match find(case) {
        Finding::Unknown => Reading::UNKNOWN,
        Finding::Steady => Reading::QUIET,
        Finding::Fallen(fall) => Reading::of(fall.strength),
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // uses of three months
fn tell(case: &Case<'_>) -> Telling {
    let Finding::Fallen(fall) = find(case) else { return Telling::nothing() };
    let Fall { since, begin, uses, forgiven, usual, share, .. } = fall;
    let days = case.now.day().since(since);
    let absence = if forgiven < TOLD_MIN { String::new() } else { format!(" (one absence of {forgiven:.0} left out)") };
    Telling {
        sentence: format!(
            "Usage fell {} %: {} in the last {days} days{absence}, {usual:.0} at the rate of the {} days before.",
            percent(share),
            counted(uses as u64, "use"),
            since.since(begin)
        ),
        numbers: vec![
            ("recent_uses", uses),
            ("usual_uses", usual),
            ("fall_ratio", share),
            ("recent_days", f64::from(days)),
            ("absence_days", forgiven),
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
    fn fires_on_a_fall_beyond_chance_and_stays_silent_on_small_counts() {
        check(
            "usage_frequency",
            &[
                ("steady", "uses 0..120 every 1"),
                ("halved", "uses 0..92 every 1; uses 92..120 every 3"),
                ("by a quarter", "uses 0..92 every 1 ann; uses 0..120 every 1 bob; uses 92..120 every 2 eve"),
                ("for a week", "uses 0..113 every 1; uses 113..120 every 7"),
                ("in decline", "uses 0..106 every 1 ann; uses 0..106 every 1 bob; uses 106..120 every 2 ann"),
                (
                    "slow decline",
                    "uses 0..80 every 1 ann; uses 0..95 every 1 bob; uses 0..110 every 1 eve; uses 0..120 every 4 kim",
                ),
                ("decline, silent", "uses 0..80 every 1; uses 80..105 every 3"),
                ("a fortnight off", "uses 0..106 every 1"),
                ("back again", "uses 0..98 every 1; uses 112..120 every 1"),
                ("stopped", "uses 0..80 every 1"),
                ("weekly, missed", "uses 0..120 every 7; drop 100..114"),
                ("two to one", "uses 0..120 every 14; drop 92..106"),
                ("grown", "uses 0..92 every 3; uses 92..120 every 1"),
                ("young", "uses 78..104 every 1; uses 104..120 every 4"),
                ("new", "uses 90..120 every 1"),
                ("long ago", "uses 0..50 every 1; uses 50..120 every 3"),
                ("recovered", "uses 0..60 every 1; uses 60..80 every 5; uses 80..120 every 1"),
                ("never", ""),
            ],
            &expect![[r#"
                steady       quiet
                halved       0.54 Usage fell 66 %: 9 uses in the last 27 days, 26 at the rate of the 64 days before.
                by a quarter quiet
                for a week   quiet
                in decline   1.00 Usage fell 75 %: 7 uses in the last 14 days, 28 at the rate of the 78 days before.
                slow decline 1.00 Usage fell 75 %: 10 uses in the last 16 days, 40 at the rate of the 78 days before.
                decline, silent 0.71 Usage fell 69 %: 8 uses in the last 39 days (one absence of 14 left out), 25 at the rate of the 67 days before.
                a fortnight off quiet
                back again   quiet
                stopped      1.00 Usage fell 100 %: 0 uses in the last 40 days (one absence of 16 left out), 24 at the rate of the 79 days before.
                weekly, missed quiet
                two to one   quiet
                grown        quiet
                young        0.17 Usage fell 72 %: 4 uses in the last 16 days, 14 at the rate of the 25 days before.
                new          unknown
                long ago     quiet
                recovered    quiet
                never        unknown
            "#]],
        );
    }

    #[test]
    fn weeks_in_which_the_whole_fleet_rests_are_no_fall() {
        let script = [("every fourth day", "uses 0..100 every 1; uses 100..120 every 4")];
        check_in(
            &Calendar::default(),
            "usage_frequency",
            &script,
            &expect![[r#"
                every fourth day 0.73 Usage fell 77 %: 4 uses in the last 19 days, 17 at the rate of the 75 days before.
            "#]],
        );
        check_in(
            &holidays(100..120),
            "usage_frequency",
            &script,
            &expect![[r#"
            every fourth day quiet
        "#]],
        );
    }
}
