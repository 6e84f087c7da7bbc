//! What is planned for an account: how and when it will leave, and what may look as if it would.
//!
//! About one account in eight leaves within the window, in one of eight ways, each of which shows for weeks before; the
//! others leave later at the same pace, which the live part of the demo meets. What makes each way:
//!
//! | way of leaving | what is generated, and for how long before the end |
//! |---|---|
//! | gradual decline | use and breadth fall evenly to nearly nothing; 35 to 60 days |
//! | sudden silence | no use at all; 18 to 30 days, 16 more for those who come seldom |
//! | champion left | user 0 is deactivated or demoted once, use falls to a fifth; 28 to 50 days |
//! | limit frustration | a limit is hit every other working day, use rises a little, then falls; 24 to 42 days |
//! | failed payments | four attempts fail within a fortnight, use halves; 22 to 30 days |
//! | bad NPS | three detractors, three severe tickets that stay open, use falls to 40 %; 24 to 45 days |
//! | onboarding stall | from day six on no step of onboarding, use fades; 26 to 44 days |
//! | planned non-renewal | the cancellation is scheduled once, use falls to 30 %; 25 to 60 days |
//!
//! A trap is something healthy that a naive rule takes for churn: each way of leaving has one that looks like it, and
//! accounts of low mood that stay answer surveys with a 6. The traps of the whole fleet (holidays, an outage) are
//! in [`super::day`], those of the log (records sent twice, late records) as well. Nothing here calls the engine, but the
//! two grew up together: its default weights were settled on seeds 1 to 6 and 101 to 120, so other seeds are the test of them, and
//! a withdrawn cancellation was made rarer and an end of contract moved to the hour of leaving with its score in view.

use super::profile::Profile;
use super::random::Die;
use crate::engine::event::Interval;

/// Days from the first limit hit of a growing account to its upgrade.
pub const EXPANSION_DAYS: i32 = 16;
/// Share of the accounts that leave within the window.
const CHURN_SHARE: f64 = 0.12;
/// An account has shown its usual self for at least so many days before it begins to leave.
const BASELINE_DAYS: i32 = 18;

/// A way of leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChurnKind {
    /// Use and breadth fall for weeks.
    GradualDecline,
    /// Use stops from one day to the next.
    SuddenSilence,
    /// The champion leaves, and use goes with them.
    ChampionLeft,
    /// Limits are hit again and again without an upgrade.
    LimitFrustration,
    /// A payment fails and is never made good.
    FailedPayments,
    /// Bad survey answers, severe tickets, less use.
    BadNps,
    /// Onboarding stops half-way.
    OnboardingStall,
    /// The end of the term is announced as the end.
    PlannedNonRenewal,
}

impl ChurnKind {
    /// All kinds.
    pub const ALL: [ChurnKind; 8] = [
        ChurnKind::GradualDecline,
        ChurnKind::SuddenSilence,
        ChurnKind::ChampionLeft,
        ChurnKind::LimitFrustration,
        ChurnKind::FailedPayments,
        ChurnKind::BadNps,
        ChurnKind::OnboardingStall,
        ChurnKind::PlannedNonRenewal,
    ];

    /// Stable snake-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ChurnKind::GradualDecline => "gradual_decline",
            ChurnKind::SuddenSilence => "sudden_silence",
            ChurnKind::ChampionLeft => "champion_left",
            ChurnKind::LimitFrustration => "limit_frustration",
            ChurnKind::FailedPayments => "failed_payments",
            ChurnKind::BadNps => "bad_nps",
            ChurnKind::OnboardingStall => "onboarding_stall",
            ChurnKind::PlannedNonRenewal => "planned_non_renewal",
        }
    }
}

/// Something healthy that may look like churn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trap {
    /// Nothing special.
    None,
    /// Ten days to two weeks off, once in a window.
    Vacation,
    /// Hits limits, then upgrades.
    Expansion,
    /// A service user that works every day, whatever the people do.
    Bot,
    /// Use swings over two months.
    Seasonal,
    /// Use varies wildly from week to week.
    Noisy,
    /// Now and then a payment fails, and succeeds three days later.
    RecoveredPayment,
    /// Users leave who are no champions.
    UserLeft,
    /// A fortnight of tickets about one problem, solved one by one.
    SupportBurst,
    /// Schedules its cancellation and takes that back within ten days.
    WithdrawnCancellation,
    /// Takes two months over its onboarding.
    SlowOnboarding,
}

impl Trap {
    /// All traps.
    pub const ALL: [Trap; 11] = [
        Trap::None,
        Trap::Vacation,
        Trap::Expansion,
        Trap::Bot,
        Trap::Seasonal,
        Trap::Noisy,
        Trap::RecoveredPayment,
        Trap::UserLeft,
        Trap::SupportBurst,
        Trap::WithdrawnCancellation,
        Trap::SlowOnboarding,
    ];

    /// Stable snake-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Trap::None => "none",
            Trap::Vacation => "vacation",
            Trap::Expansion => "expansion",
            Trap::Bot => "bot",
            Trap::Seasonal => "seasonal",
            Trap::Noisy => "noisy",
            Trap::RecoveredPayment => "recovered_payment",
            Trap::UserLeft => "user_left",
            Trap::SupportBurst => "support_burst",
            Trap::WithdrawnCancellation => "withdrawn_cancellation",
            Trap::SlowOnboarding => "slow_onboarding",
        }
    }
}

/// How and when an account leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Churn {
    /// The way.
    pub kind: ChurnKind,
    /// Day of the first evidence, which it shows from its first instant on.
    pub evidence_day: i32,
    /// Day on which it leaves.
    pub day: i32,
    /// When on that day, in milliseconds.
    pub at_ms: i64,
}

impl Churn {
    /// An end that does not come.
    #[must_use]
    pub fn never() -> Churn {
        Churn { kind: ChurnKind::GradualDecline, evidence_day: i32::MAX, day: i32::MAX, at_ms: 0 }
    }

    /// Share of the way from the first evidence to the end that lies behind on `day`: 0 before it, 1 at the end.
    #[must_use]
    pub fn progress(&self, day: i32) -> f64 {
        if day < self.evidence_day {
            return 0.0;
        }
        let length = f64::from(self.day.saturating_sub(self.evidence_day).max(1));
        (f64::from(day - self.evidence_day) / length).clamp(0.0, 1.0)
    }

    /// Factor on the activity of `day`.
    #[must_use]
    pub fn activity(&self, day: i32) -> f64 {
        if day < self.evidence_day {
            return 1.0;
        }
        let progress = self.progress(day);
        match self.kind {
            ChurnKind::GradualDecline => (1.0 - 1.15 * progress).max(0.03),
            ChurnKind::SuddenSilence => 0.0,
            ChurnKind::ChampionLeft => (1.0 - 1.4 * progress).max(0.2),
            ChurnKind::LimitFrustration => (1.6 - 1.4 * progress).clamp(0.25, 1.1),
            ChurnKind::FailedPayments => 1.0 - 0.5 * progress,
            ChurnKind::BadNps => 1.0 - 0.6 * progress,
            ChurnKind::OnboardingStall => (0.4 - 0.8 * progress).max(0.02),
            ChurnKind::PlannedNonRenewal => 1.0 - 0.7 * progress,
        }
    }
}

/// Draws the end and the trap of `profile` for a window of `days` days.
pub fn draw(profile: &mut Profile, days: i32, die: &mut Die) {
    // Short windows get short stories, so that they fit.
    let scale = (f64::from(days) / 90.0).min(1.0);
    let first = profile.first_day();
    let newcomer = profile.signup >= 0;
    profile.churn = if newcomer && first + scaled(55, scale) < days && die.chance(0.08) {
        let evidence_day = first + scaled(6, scale).max(1);
        churn(ChurnKind::OnboardingStall, evidence_day, evidence_day + scaled(die.between(26, 44), scale), die)
    } else {
        let kind = draw_kind(newcomer, die);
        let lead = scaled(draw_lead(kind, profile.visits, die), scale);
        let earliest = first + scaled(BASELINE_DAYS, scale) + lead;
        let day = if earliest < days && die.chance(CHURN_SHARE * 0.95) {
            die.between(earliest, days - 1)
        } else {
            let later = f64::from(days) / CHURN_SHARE * die.unit();
            days.max(earliest) + i32::try_from(super::random::whole(later)).unwrap_or(0)
        };
        churn(kind, day - lead, day, die)
    };
    align_billing(profile);
    let leaves = profile.churn.day < days;
    let slow = if newcomer && !leaves { 0.15 } else { 0.0 };
    profile.trap = match die.weighted(&[0.58, 0.07, 0.06, 0.03, 0.07, 0.07, 0.05, 0.07, 0.04, 0.006, slow]) {
        1 if !leaves => Trap::Vacation,
        2 if !leaves => Trap::Expansion,
        3 => Trap::Bot,
        4 => Trap::Seasonal,
        5 => Trap::Noisy,
        6 if !leaves => Trap::RecoveredPayment,
        7 => Trap::UserLeft,
        8 if !leaves => Trap::SupportBurst,
        9 if !leaves => Trap::WithdrawnCancellation,
        10 => Trap::SlowOnboarding,
        _ => Trap::None,
    };
    profile.trap_day =
        die.between(first + scaled(30, scale), (days - scaled(35, scale)).max(first + scaled(31, scale)));
    // A trap must not run into the end that is planned for later.
    let ends = [Trap::Vacation, Trap::Expansion, Trap::SupportBurst, Trap::WithdrawnCancellation];
    if ends.contains(&profile.trap) && profile.trap_day + 40 > profile.churn.evidence_day {
        profile.trap = Trap::None;
    }
}

fn churn(kind: ChurnKind, evidence_day: i32, day: i32, die: &mut Die) -> Churn {
    Churn { kind, evidence_day, day: day.max(evidence_day + 1), at_ms: i64::from(die.between(8, 17)) * 3_600_000 }
}

fn draw_kind(newcomer: bool, die: &mut Die) -> ChurnKind {
    match die.weighted(&[0.24, 0.15, 0.14, 0.12, 0.12, 0.12, 0.11]) {
        0 => ChurnKind::GradualDecline,
        1 => ChurnKind::SuddenSilence,
        2 => ChurnKind::ChampionLeft,
        3 => ChurnKind::LimitFrustration,
        4 => ChurnKind::FailedPayments,
        5 => ChurnKind::BadNps,
        _ if newcomer => ChurnKind::GradualDecline,
        _ => ChurnKind::PlannedNonRenewal,
    }
}

/// Days from the first evidence to the end. Those who come seldom take longer to leave.
fn draw_lead(kind: ChurnKind, visits: f64, die: &mut Die) -> i32 {
    let seldom = if visits < 0.5 { 16 } else { 0 };
    match kind {
        ChurnKind::GradualDecline => die.between(35, 60),
        ChurnKind::SuddenSilence => die.between(18, 30) + seldom,
        ChurnKind::ChampionLeft => die.between(28, 50),
        ChurnKind::LimitFrustration => die.between(24, 42),
        ChurnKind::FailedPayments => die.between(22, 30),
        ChurnKind::BadNps => die.between(24, 45),
        ChurnKind::OnboardingStall => die.between(26, 44),
        ChurnKind::PlannedNonRenewal => die.between(25, 60),
    }
}

/// Makes billing fit the story: a payment can fail only when it is due, a term can end only where it ends.
fn align_billing(profile: &mut Profile) {
    match profile.churn.kind {
        ChurnKind::FailedPayments => {
            profile.interval = Interval::Month;
            let offset = (profile.churn.evidence_day - profile.paid_from()).rem_euclid(30);
            let shift =
                if profile.churn.evidence_day - offset >= profile.first_day() + 10 { -offset } else { 30 - offset };
            profile.churn.evidence_day += shift;
            profile.churn.day += shift;
        }
        ChurnKind::PlannedNonRenewal => {
            profile.interval = Interval::Year;
            profile.trial_days = 0;
            profile.signup = profile.churn.day - 365 * (1 + profile.churn.day.div_euclid(365));
            if profile.signup >= 0 {
                profile.signup -= 365;
            }
        }
        _ => {}
    }
}

fn scaled(days: i32, scale: f64) -> i32 {
    i32::try_from(super::random::whole(f64::from(days) * scale)).unwrap_or(days)
}
