//! S9, onboarding stall: an account signed up, began, and got no further, or did not come back after its first week.
//!
//! Two findings. **Stalled**: steps of onboarding were done, the last one not, and the pause since the latest is longer
//! than the account's own pace explains. **Dropped off**: no activity after day seven, judged against the active days of
//! the first week; of an account that was used, what was found of that when onboarding was over stands until it comes
//! back. Both by the predictive survival `(1 + gap / total)^(-count)` of a gamma-Poisson rate, with one step (two active
//! days) a week as the prior, so that who began slowly is not accused early.

use super::statistics::{gap_at, gap_survival};
use super::{Case, Declaration, Parameter, Reading, Signal, Telling, ago, all_of, counted, ramp};
use crate::units::{DAY_MS, Offset, Span, Timestamp};

pub(super) const SIGNAL: Signal = Signal {
    declaration: Declaration {
        name: "onboarding_stall",
        summary: "onboarding begun but not finished beyond the account's own pace, or no activity after day seven (predictive survival)",
        weight: 5.1,
        parameters: &[
            Parameter {
                name: "milestone_days",
                summary: "Nothing is said before the sign-up is so many days old.",
                default: 14.0,
                min: 7.0,
                max: 28.0,
            },
            Parameter {
                name: "survival_start_ratio",
                summary: "A pause that the account's pace explains with this probability begins to count.",
                default: 0.1,
                min: 0.0001,
                max: 0.5,
            },
            Parameter {
                name: "survival_full_ratio",
                summary: "A pause that it explains with this probability counts fully.",
                default: 0.005,
                min: 0.000_001,
                max: 0.1,
            },
            Parameter {
                name: "onboarding_days_max",
                summary: "An account that signed up longer ago than this is no longer being onboarded; one that was used in its first week only has never been.",
                default: 90.0,
                min: 30.0,
                max: 365.0,
            },
        ],
    },
    read,
    tell,
    has_dates: None,
};

const MILESTONE: usize = 0;
const SURVIVAL_START: usize = 1;
const SURVIVAL_FULL: usize = 2;
const ONBOARDING_MAX: usize = 3;
/// The week within which everybody tries the product.
const FIRST_WEEK: Span = Span::from_days(7);
/// The prior: so many steps, and active days, in so many days.
const PRIOR_STEPS: f64 = 1.0;
const PRIOR_ACTIVE_DAYS: f64 = 2.0;
const PRIOR_DAYS: f64 = 7.0;
/// Strength of a pause that is certainly too long, and of staying away.
const STALLED: f64 = 0.7;
const DROPPED_OFF: f64 = 0.7;

/// A pause against the pace before it.
struct Pause {
    /// When it began.
    since: Timestamp,
    /// Steps, or active days, in the time before, with the prior.
    count: f64,
    /// That time in days, with the prior.
    total: f64,
    /// Steps done, or active days of the first week.
    done: u32,
}

impl Pause {
    fn days(&self, now: Timestamp) -> f64 {
        now.since(self.since).days().max(0.0)
    }

    fn belief(&self, case: &Case<'_>, onboarding_ends: Timestamp) -> f64 {
        let survival = gap_survival(self.days(case.now.min(onboarding_ends)), self.count, self.total).max(1e-300);
        let [start, full] = [SURVIVAL_START, SURVIVAL_FULL].map(|index| -libm::log(case.parameter(index)));
        ramp(-libm::log(survival), start, full)
    }

    /// When it begins to count.
    #[allow(clippy::cast_possible_truncation)] // a year ahead is as good as never
    fn due(&self, case: &Case<'_>) -> Timestamp {
        let days = gap_at(case.parameter(SURVIVAL_START), self.count, self.total).min(365.0);
        self.since.plus(Span::from_ms((days * 86_400_000.0) as i64))
    }
}

struct Findings {
    signed_up: Timestamp,
    onboarding_ends: Timestamp,
    stalled: Option<Pause>,
    dropped_off: Option<Pause>,
}

/// What is known of its beginning; `None` when no sign-up is known or it is over.
fn find(case: &Case<'_>) -> Option<Findings> {
    let account = case.account;
    let onboarding = account.onboarding.as_deref();
    let told = [
        onboarding.and_then(|known| known.trial_at),
        onboarding.and_then(|known| known.first_step_at),
        account.billing.as_deref().and_then(|billing| billing.first_at),
    ];
    let signed_up = told.into_iter().flatten().min()?.min(account.activity.first_at);
    let first_week_ends = signed_up.plus(FIRST_WEEK);
    let (is_used, is_early) = (account.activity.is_used(), account.activity.last_at < first_week_ends);
    let onboarding_ends = signed_up.plus(case.span(ONBOARDING_MAX));
    let is_over = case.now > onboarding_ends;
    // What an old customer did before its use was ever told is not known: nothing is not the same as no more.
    if (is_over && !(is_used && is_early)) || onboarding.is_some_and(|known| known.done_at.is_some()) {
        return None;
    }
    let stalled = onboarding.filter(|_| !is_over).and_then(|known| {
        let latest = known.latest.as_ref()?.stamp.time;
        let done = u32::try_from(known.steps.len()).unwrap_or(u32::MAX);
        let taken = latest.since(signed_up).days().max(0.0);
        Some(Pause { since: latest, count: f64::from(done) + PRIOR_STEPS, total: taken + PRIOR_DAYS, done })
    });
    let dropped_off = (!is_used || is_early).then(|| {
        let done = account.activity.days.count_ones();
        let (count, total) = (f64::from(done) + PRIOR_ACTIVE_DAYS, FIRST_WEEK.days() + PRIOR_DAYS);
        Pause { since: first_week_ends, count, total, done }
    });
    Some(Findings { signed_up, onboarding_ends, stalled, dropped_off })
}

fn is_past(case: &Case<'_>) -> bool {
    // Who has been active for longer than this, and came back after a week, needs no look at how it began.
    let activity = &case.account.activity;
    activity.is_used()
        && case.now.since(activity.first_at) > case.span(ONBOARDING_MAX)
        && activity.last_at >= activity.first_at.plus(FIRST_WEEK)
}

fn strengths(case: &Case<'_>, found: &Findings) -> [f64; 2] {
    let [stalled, dropped_off] = [&found.stalled, &found.dropped_off]
        .map(|pause| pause.as_ref().map_or(0.0, |pause| pause.belief(case, found.onboarding_ends)));
    [stalled * STALLED, dropped_off * DROPPED_OFF]
}

fn read(case: &Case<'_>) -> Reading {
    let account = case.account;
    if is_past(case) {
        return Reading::QUIET;
    }
    if account.onboarding.is_none() && !account.standing.is_subscribed {
        return Reading::UNKNOWN;
    }
    let Some(found) = find(case) else { return Reading::QUIET };
    let milestone = found.signed_up.plus(case.span(MILESTONE));
    let pauses = [&found.stalled, &found.dropped_off].into_iter().flatten();
    let due = pauses.map(|pause| pause.due(case).max(milestone)).filter(|due| *due > case.now).min();
    let strength = if case.now < milestone { 0.0 } else { all_of(strengths(case, &found)) };
    let reading = Reading::of(strength);
    due.map_or(reading, |due| reading.until(round_up(due)))
}

/// The end of the hour, so that the pause is really reached.
fn round_up(time: Timestamp) -> Timestamp {
    const HOUR: i64 = DAY_MS / 24;
    Timestamp::clamped((time.ms() / HOUR + 1) * HOUR)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // days since a sign-up
fn tell(case: &Case<'_>) -> Telling {
    let Some(found) = find(case) else { return Telling::nothing() };
    let onboarding = case.account.onboarding.as_deref();
    let age = case.now.since(found.signed_up).days().max(0.0).floor();
    let mut sentences = vec![format!("signed up {}", ago(age as u64))];
    let mut numbers = vec![("days_since_sign_up", age)];
    let mut offset: Option<Offset> = None;
    let [stalled, dropped_off] = strengths(case, &found);
    if let Some(pause) = found.stalled.as_ref().filter(|_| stalled > 0.0) {
        let latest = onboarding.and_then(|known| known.latest.as_ref());
        let days = pause.days(case.now).floor();
        let name = latest.map_or("", |step| step.name.as_str());
        sentences.push(format!(
            "onboarding stopped after {} ({name}) {}",
            counted(pause.done, "step"),
            ago(days as u64)
        ));
        numbers.extend([("steps_done", f64::from(pause.done)), ("days_since_step", days)]);
        offset = offset.max(latest.map(|step| step.offset));
    }
    if let Some(pause) = found.dropped_off.as_ref().filter(|_| dropped_off > 0.0) {
        sentences.push(match pause.done {
            0 => "no activity so far".to_owned(),
            days => format!("no activity after day seven, {} until then", counted(days, "active day")),
        });
        numbers.push(("first_week_active_days", f64::from(pause.done)));
        offset = offset.max(case.account.activity.is_used().then_some(case.account.activity.last_offset));
    }
    Telling { sentence: super::sentence(&sentences), numbers, offset }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use expect_test::expect;

    #[test]
    fn fires_when_a_beginner_gets_no_further() {
        check(
            "onboarding_stall",
            &[
                ("no sign-up", "uses 100..120 every 1"),
                ("never anything", ""),
                ("old customer", "start 0 100; uses 100..120 every 1"),
                ("too new", "trial 110; step 110 a"),
                ("done", "trial 90; step 90 a; step 92 b; step 95 c done; uses 90..120 every 1"),
                ("stalled", "trial 80; step 80 a; step 82 b; step 85 c; uses 80..120 every 2"),
                ("slow but steady", "trial 60; step 60 a; step 80 b; step 100 c; uses 60..120 every 4"),
                ("late step", "trial 80; step 80 a; step 82 b; step 119 c; uses 80..120 every 2"),
                ("resumed", "trial 80; step 80 a; step 82 b; step 85 c; step 118 d done; uses 80..120 every 2"),
                ("dropped off", "start 80 100; uses 80..86 every 1"),
                ("hardly began", "start 95 100; uses 95..96 every 1"),
                ("came back", "start 80 100; uses 80..86 every 1; uses 115..117 every 1"),
                ("never used", "start 60 100"),
                ("both", "trial 80; step 80 a; step 81 b; uses 80..85 every 1"),
                ("long ago", "trial 10; step 10 a; uses 10..14 every 1"),
                ("long ago, came back", "trial 10; step 10 a; uses 10..14 every 1; uses 30..31 every 1"),
                ("never used, long ago", "start 5 100"),
            ],
            &expect![[r#"
                no sign-up   unknown
                never anything unknown
                old customer quiet
                too new      quiet
                done         quiet
                stalled      0.70 Signed up 40 days ago; onboarding stopped after 3 steps (c) 35 days ago.
                slow but steady quiet
                late step    quiet
                resumed      quiet
                dropped off  0.70 Signed up 40 days ago; no activity after day seven, 6 active days until then.
                hardly began 0.04 Signed up 25 days ago; no activity after day seven, 1 active day until then.
                came back    quiet
                never used   0.19 Signed up 60 days ago; no activity so far.
                both         0.91 Signed up 40 days ago; onboarding stopped after 2 steps (b) 39 days ago; no activity after day seven, 5 active days until then.
                long ago     0.70 Signed up 110 days ago; no activity after day seven, 4 active days until then.
                long ago, came back quiet
                never used, long ago quiet
            "#]],
        );
    }
}
