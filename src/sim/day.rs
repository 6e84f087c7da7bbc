//! What one account does on one day.
//!
//! A pure function of (seed, account, day): nothing is carried from day to day, so that accounts need no state and any
//! day can be generated alone. What spans days (a ticket that is closed later, a payment tried again) is found by
//! looking back with the same dice.

use super::occurrence::{Occurrence, What, Who};
use super::plan::{ChurnKind, EXPANSION_DAYS, Trap};
use super::profile::{Profile, Rhythm};
use super::random::{Die, exp, whole};
use crate::engine::event::{Role, SubscriptionChange};
use crate::units::{DAY_MS, HOUR_MS, Timestamp};

/// Share of the records that are sent twice.
const DUPLICATE_SHARE: f64 = 0.005;
/// Share of the records that arrive minutes late.
const LATE_SHARE: f64 = 0.03;
/// No record arrives later than this after it happened (imported history apart): 9 minutes.
pub const LATE_MS_MAX: i64 = 540_000;

/// A day as the whole fleet sees it.
#[derive(Clone, Debug)]
pub struct Today {
    /// Its number in the window.
    pub number: i32,
    /// Its first instant, in milliseconds since the epoch.
    pub start_ms: i64,
    /// First instant of the window, likewise.
    pub window_ms: i64,
    /// Day of the week, 0 = Monday.
    pub weekday: u16,
    /// Share of the usual activity: below 1 on holidays, 0 in the outage.
    pub activity: f64,
}

impl Today {
    /// Day `number` of a window of `days` days that begins at `window`.
    #[must_use]
    pub fn new(number: i32, days: u16, window: Timestamp) -> Today {
        let start = Timestamp::clamped(window.ms() + i64::from(number) * DAY_MS);
        // RFC 3339 begins with the date, which is all that holidays need.
        let text = start.to_string();
        let holiday = match text.get(5..10).unwrap_or_default() {
            "01-01" | "12-25" | "12-26" => 0.08,
            "01-02" | "04-03" | "04-06" | "05-01" | "12-24" | "12-31" => 0.2,
            "04-04" | "04-05" | "12-28" | "12-29" | "12-30" => 0.5,
            _ => 1.0,
        };
        let activity = if number == outage_day(days) { 0.0 } else { holiday };
        Today { number, start_ms: start.ms(), window_ms: window.ms(), weekday: start.day().weekday(), activity }
    }
}

/// The day on which the product is down: the first Tuesday from two thirds of the window on.
#[must_use]
pub fn outage_day(days: u16) -> i32 {
    let from = i32::from(days) * 2 / 3;
    // The window begins on a Thursday, so that day 5 is its first Tuesday.
    from + (5 - from).rem_euclid(7)
}

/// The pauses of the whole fleet in a window of `days` days: name and first day.
#[must_use]
pub fn pauses(days: u16) -> Vec<(&'static str, i32)> {
    // Good Friday of the first year is day 92 of a window that begins on its first of January.
    let easter = (days > 92).then_some(("easter", 92));
    easter.into_iter().chain([("outage", outage_day(days))]).collect()
}

/// Appends what `profile` does on `today` to `out`.
pub fn generate(profile: &Profile, today: &Today, seed: u64, out: &mut Vec<Occurrence>) {
    if today.number < profile.first_day() || today.number > profile.churn.day {
        return;
    }
    let leaves_ms = if today.number == profile.churn.day { today.start_ms + profile.churn.at_ms } else { i64::MAX };
    let die = Die::new(seed, [u64::from(profile.account), u64::from(today.number.unsigned_abs()), 2]);
    let mut scribe = Scribe { profile, today, seed, die, leaves_ms, number: 0, out };
    if today.number == profile.first_day() {
        scribe.introduce();
    }
    scribe.billing();
    scribe.people();
    scribe.limits();
    scribe.voice();
    if today.number > profile.signup {
        scribe.usage();
    }
    if leaves_ms < i64::MAX {
        scribe.leaves_ms = i64::MAX;
        scribe.tell(leaves_ms, Who::Nobody, What::Subscription(SubscriptionChange::Canceled, today.number));
    }
}

struct Scribe<'a> {
    profile: &'a Profile,
    today: &'a Today,
    seed: u64,
    die: Die,
    leaves_ms: i64,
    number: u16,
    out: &'a mut Vec<Occurrence>,
}

impl Scribe<'_> {
    /// Writes down what happened at `time_ms`, unless the account has left by then.
    fn tell(&mut self, time_ms: i64, who: Who, what: What) {
        self.number += 1;
        if time_ms >= self.leaves_ms {
            return;
        }
        let mut arrival_ms = time_ms.max(self.today.start_ms) + i64::from(50 + self.die.below(1_950));
        if self.die.chance(LATE_SHARE) {
            arrival_ms += i64::from(60_000 + self.die.below(470_000));
        }
        let (account, day, number) = (self.profile.account, self.today.number, self.number);
        let occurrence = Occurrence { arrival_ms, time_ms, account, day, number, who, what };
        self.out.push(occurrence);
        if self.die.chance(DUPLICATE_SHARE) {
            let arrival_ms = arrival_ms + i64::from(500 + self.die.below(1_200_000));
            self.out.push(Occurrence { arrival_ms, ..occurrence });
        }
    }

    /// A moment of today at `hour`, give or take half of it.
    fn around(&mut self, hour: i64) -> i64 {
        self.today.start_ms + hour * HOUR_MS + i64::from(self.die.below(3_600_000))
    }

    /// A moment within the working hours of the account's region.
    fn at_work(&mut self) -> i64 {
        let begin = match self.profile.region {
            0 => 7,
            1 => 13,
            _ => 0,
        };
        // Two dice make the middle of the day busier than its ends.
        let within = f64::midpoint(self.die.unit(), self.die.unit()) * 10.0 * 3_600_000.0;
        self.today.start_ms + begin * HOUR_MS + i64::from(whole(within))
    }

    /// What the log learns first: the customer record, the people and, for those who joined earlier, the subscription.
    fn introduce(&mut self) {
        let profile = self.profile;
        let newcomer = profile.signup >= 0;
        // Existing customers are imported in the first minutes of the window.
        let begin = self.today.start_ms + i64::from(self.die.below(if newcomer { 21_600_000 } else { 300_000 }));
        self.tell(begin, Who::Nobody, What::AccountUpdated);
        for user in 0..profile.users.min(8) {
            let role = match user {
                0 => Role::Champion,
                1 => Role::Admin,
                2 if profile.users > 6 => Role::Sponsor,
                _ => Role::Member,
            };
            self.tell(begin + 1_000 * i64::from(1 + user), Who::User(user), What::UserAdded(role));
        }
        if newcomer {
            self.tell(begin + 20_000, Who::User(0), What::Onboarding(0));
        }
        if profile.trial_days > 0 && profile.paid_from() >= 0 {
            let since = if newcomer { begin + 500 } else { self.past(profile.signup) };
            self.tell(since, Who::Nobody, What::TrialStarted);
        } else {
            let since = if newcomer { begin + 500 } else { self.past(profile.paid_from()) };
            let term_end = profile.term_end(self.today.number);
            self.tell(since, Who::Nobody, What::Subscription(SubscriptionChange::Started, term_end));
        }
    }

    fn past(&self, day: i32) -> i64 {
        self.today.window_ms + i64::from(day) * DAY_MS + 10 * HOUR_MS
    }

    fn billing(&mut self) {
        let (profile, day) = (self.profile, self.today.number);
        let (_, _, mrr) = profile.terms(day);
        let amount = mrr.minor * if profile.period_days() == 365 { 12 } else { 1 };
        let failing = profile.churn.kind == ChurnKind::FailedPayments && day >= profile.churn.evidence_day;
        if profile.trial_days > 0 && day == profile.paid_from() {
            let time = self.around(1);
            self.tell(time, Who::Nobody, What::TrialConverted);
            let term_end = profile.term_end(day);
            self.tell(time + 500, Who::Nobody, What::Subscription(SubscriptionChange::Started, term_end));
        }
        if self.is_due(day) && day != profile.churn.day && !failing {
            let time = self.around(2);
            if day > profile.paid_from() {
                let term_end = profile.term_end(day);
                self.tell(time, Who::Nobody, What::Subscription(SubscriptionChange::Renewed, term_end));
            }
            if self.stumbles(day) {
                self.tell(time + 2_000, Who::Nobody, What::PaymentFailed(amount, 1, 3));
            } else {
                self.tell(time + 2_000, Who::Nobody, What::InvoicePaid(amount));
            }
        }
        if self.is_due(day - 3) && self.stumbles(day - 3) && day - 3 >= profile.first_day() {
            let time = self.around(2);
            self.tell(time, Who::Nobody, What::InvoicePaid(amount));
        }
        if failing {
            let attempts = [(0, 1, 3), (3, 2, 4), (7, 3, 7), (14, 4, 0)];
            for (after, attempt, next_days) in attempts {
                if day == profile.churn.evidence_day + after {
                    let time = self.around(2);
                    self.tell(time, Who::Nobody, What::PaymentFailed(amount, attempt, next_days));
                }
            }
        }
        if profile.trap == Trap::Expansion && day == profile.trap_day + EXPANSION_DAYS {
            let time = self.around(15);
            let term_end = profile.term_end(day);
            self.tell(time, Who::Nobody, What::Subscription(SubscriptionChange::Changed, term_end));
            self.tell(time + 1_000, Who::Nobody, What::AccountUpdated);
        }
        if profile.trap == Trap::WithdrawnCancellation {
            self.waver();
        }
        if profile.churn.kind == ChurnKind::PlannedNonRenewal && day == profile.churn.evidence_day {
            let time = self.at_work();
            let end = profile.churn.day;
            self.tell(time, Who::User(1), What::Subscription(SubscriptionChange::CancelScheduled, end));
        }
    }

    /// Schedules the end for the close of the running term, or thinks better of it.
    fn waver(&mut self) {
        let (profile, day) = (self.profile, self.today.number);
        let end = profile.term_end(profile.trap_day);
        let change = match day - profile.trap_day {
            0 => SubscriptionChange::CancelScheduled,
            8 => SubscriptionChange::Resumed,
            _ => return,
        };
        let time = self.at_work();
        self.tell(time, Who::User(1), What::Subscription(change, end));
    }

    fn is_due(&self, day: i32) -> bool {
        let since = day - self.profile.paid_from();
        since >= 0 && since % self.profile.period_days() == 0
    }

    /// Whether the payment due on `day` fails at first and is made good three days later.
    fn stumbles(&self, day: i32) -> bool {
        let round = (day - self.profile.paid_from()) / self.profile.period_days();
        self.profile.trap == Trap::RecoveredPayment && round % 3 == 1
    }

    fn people(&mut self) {
        let (profile, day) = (self.profile, self.today.number);
        if profile.churn.kind == ChurnKind::ChampionLeft && day == profile.churn.evidence_day {
            let time = self.at_work();
            let what = if profile.account.is_multiple_of(4) {
                What::UserRoleChanged(Role::Member)
            } else {
                What::UserDeactivated
            };
            self.tell(time, Who::User(0), what);
        }
        if profile.trap == Trap::UserLeft && profile.users > 4 && day == profile.trap_day {
            let time = self.at_work();
            self.tell(time, Who::User(3), What::UserDeactivated);
            self.tell(time + 600_000, Who::User(profile.users), What::UserAdded(Role::Member));
        }
        let pace = if profile.trap == Trap::SlowOnboarding { [5, 19, 36, 58] } else { [1, 3, 6, 11] };
        let age = day - profile.signup;
        let Some(done) = (1_u8..).zip(pace).find(|(_, due)| *due == age).map(|(step, _)| step) else { return };
        let stalled = profile.churn.kind == ChurnKind::OnboardingStall && day >= profile.churn.evidence_day;
        if profile.signup >= 0 && !stalled {
            let time = self.at_work();
            self.tell(time, Who::User(u16::from(done % 2 == 0)), What::Onboarding(done));
        }
    }

    fn limits(&mut self) {
        let (profile, day) = (self.profile, self.today.number);
        let frustrated = profile.churn.kind == ChurnKind::LimitFrustration && day >= profile.churn.evidence_day;
        let growing = profile.trap == Trap::Expansion && (0..EXPANSION_DAYS).contains(&(day - profile.trap_day));
        let limit = u8::try_from(profile.account % 3).unwrap_or(0);
        let allowed = profile.terms(day).1 * 1_000;
        let chance = if frustrated {
            0.5
        } else if growing {
            0.4
        } else {
            0.002
        };
        if self.die.chance(chance * profile.rhythm.weight(self.today.weekday)) && self.today.activity > 0.0 {
            let time = self.at_work();
            let user = self.die.below(u32::from(profile.users.min(3)));
            self.tell(time, Who::User(u16::try_from(user).unwrap_or(0)), What::LimitReached(limit, allowed, allowed));
        }
        if self.today.weekday == 0 && profile.visits > 0.4 {
            let share = if frustrated || growing { 0.97 } else { 0.25 + 0.5 * self.die.unit() };
            let time = self.around(3);
            self.tell(time, Who::Nobody, What::LimitUsage(limit, whole(f64::from(allowed) * share), allowed));
        }
    }

    /// Surveys and tickets.
    fn voice(&mut self) {
        let (profile, day) = (self.profile, self.today.number);
        let rounds = i64::from(day) + i64::from(profile.account) * 37;
        if rounds % 90 == 17 {
            for user in 0..profile.users.min(3) {
                let time = self.around(8);
                self.tell(time, Who::User(user), What::SurveySent);
                if self.die.chance(0.4) && self.present(user) {
                    let score = 3.0 + 7.0 * profile.mood + self.die.normal();
                    let score = u8::try_from(whole(score).min(10)).unwrap_or(10);
                    self.tell(time + 1_800_000, Who::User(user), What::Nps(score));
                }
            }
        }
        let since = day - profile.churn.evidence_day;
        if profile.churn.kind == ChurnKind::BadNps && since >= 0 {
            if let 0 | 6 | 18 = since {
                let time = self.at_work();
                let user = u16::from(since == 6);
                let score = u8::try_from(self.die.below(4)).unwrap_or(0);
                self.tell(time, Who::User(user), What::Nps(score));
            }
            if let 2 | 8 | 15 = since {
                let time = self.at_work();
                self.tell(time, Who::User(0), What::TicketOpened(self.ticket(day), 3, 1));
            }
        }
        let into = day - profile.trap_day;
        if profile.trap == Trap::SupportBurst && (0..=14).contains(&into) {
            if let 0 | 3 | 7 | 12 = into {
                let time = self.at_work();
                self.tell(time, Who::User(1), What::TicketOpened(self.burst_ticket(day), 2, 1));
            }
            if let 2 | 5 | 9 | 14 = into {
                let time = self.around(16);
                self.tell(time, Who::Nobody, What::TicketClosed(self.burst_ticket(day - 2)));
            }
        }
        if let Some(severity) = self.ticket_opened(day) {
            let time = self.at_work();
            let topic = u8::try_from(self.die.below(5)).unwrap_or(0);
            self.tell(time, Who::User(1), What::TicketOpened(self.ticket(day), severity, topic));
        }
        let before = day - 2;
        if before >= profile.first_day() && self.ticket_opened(before).is_some() {
            let time = self.around(16);
            self.tell(time, Who::Nobody, What::TicketClosed(self.ticket(before)));
        }
    }

    /// Severity of the ticket that the account opens on `day` in the ordinary course of things.
    fn ticket_opened(&self, day: i32) -> Option<u8> {
        let mut die = Die::new(self.seed, [u64::from(self.profile.account), u64::from(day.unsigned_abs()), 3]);
        let chance = 0.012 * (1.5 - self.profile.mood) * self.profile.visits.min(2.0);
        die.chance(chance).then(|| u8::try_from(die.weighted(&[0.4, 0.4, 0.15, 0.05])).unwrap_or(0))
    }

    fn ticket(&self, day: i32) -> u32 {
        self.profile.account.wrapping_mul(4096).wrapping_add(day.unsigned_abs())
    }

    /// Another ticket of the same day.
    fn burst_ticket(&self, day: i32) -> u32 {
        self.ticket(day) ^ 0x8000_0000
    }

    fn usage(&mut self) {
        let (profile, day) = (self.profile, self.today.number);
        if profile.trap == Trap::Bot && self.today.activity > 0.0 {
            for hour in [3, 9, 21] {
                let time = self.around(hour);
                self.tell(time, Who::Service, What::Feature(9, 50));
            }
        }
        let activity = self.today.activity * self.own_activity(day);
        let (activity, chance) = if profile.cycle_days > 0 {
            (activity, if self.is_visit_day() { 0.96 * activity } else { 0.0 })
        } else {
            let activity = activity * profile.rhythm.weight(self.today.weekday);
            (activity, 1.0 - exp(-profile.visits * activity))
        };
        if activity <= 0.0 || !self.die.chance(chance) {
            return;
        }
        let mean = (profile.intensity - 1.0).max(0.2) * activity.clamp(0.15, 1.6);
        let events = 1 + self.die.poisson(mean);
        let breadth = (f64::from(profile.features) * activity.clamp(0.3, 1.0)).max(1.0);
        for index in 0..events {
            let time = self.at_work();
            let user = self.somebody();
            let what = if index % 4 == 0 {
                What::Session(u16::try_from(60 + self.die.below(3_000)).unwrap_or(60))
            } else {
                let skewed = self.die.unit() * self.die.unit() * breadth;
                let feature = u8::try_from(whole(skewed)).unwrap_or(0);
                What::Feature(feature, u8::try_from(1 + self.die.below(4)).unwrap_or(1))
            };
            self.tell(time, Who::User(user), what);
        }
    }

    /// Whether a steady account comes today: once in each cycle, near its middle, on a working day.
    fn is_visit_day(&self) -> bool {
        let (profile, day) = (self.profile, self.today.number);
        // A visit that would fall on a weekend moves to Monday, which may be a day of the next cycle.
        let shift = i32::from(profile.rhythm == Rhythm::Office && self.today.weekday == 0) * 2;
        (day - shift..=day).any(|target| {
            let cycle = (target + i32::try_from(profile.account % 512).unwrap_or(0)).div_euclid(profile.cycle_days);
            let purpose = [u64::from(profile.account), u64::from(cycle.unsigned_abs()), 5];
            let quarter = profile.cycle_days / 4;
            let within = Die::new(self.seed, purpose).between(quarter, profile.cycle_days - 1 - quarter);
            let planned = cycle * profile.cycle_days + within - i32::try_from(profile.account % 512).unwrap_or(0);
            let is_weekend = profile.rhythm == Rhythm::Office && target == day && self.today.weekday >= 5;
            planned == target && !is_weekend
        })
    }

    /// Factor on the account's activity from its own story.
    fn own_activity(&self, day: i32) -> f64 {
        let profile = self.profile;
        let age = day - profile.signup;
        let ramp = if profile.signup >= 0 && age < 14 { 0.5 + f64::from(age) / 28.0 } else { 1.0 };
        let trap = match profile.trap {
            Trap::Vacation => {
                let length = 10 + i32::try_from(profile.account % 5).unwrap_or(0);
                if (0..length).contains(&(day - profile.trap_day)) { 0.0 } else { 1.0 }
            }
            Trap::Expansion if profile.expanded(day) => 1.4,
            Trap::Expansion if day >= profile.trap_day => 1.2,
            Trap::Seasonal => {
                let phase = (i64::from(day) + i64::from(profile.account)).rem_euclid(60);
                let away = u32::try_from((phase - 30).abs()).unwrap_or(0);
                0.6 + f64::from(away) / 37.5
            }
            Trap::Noisy => {
                let week = u64::from(day.div_euclid(7).unsigned_abs());
                Die::new(self.seed, [u64::from(profile.account), week, 4]).range(0.35, 1.9)
            }
            _ => 1.0,
        };
        ramp * trap * profile.churn.activity(day)
    }

    /// A user who is still there; the champion most often.
    fn somebody(&mut self) -> u16 {
        let users = self.profile.users;
        let user = if self.die.chance(0.35) {
            0
        } else {
            u16::try_from(whole(self.die.unit() * self.die.unit() * f64::from(users))).unwrap_or(0)
        };
        match user {
            0 if !self.present(0) => 1 + u16::try_from(self.die.below(u32::from(users) - 1)).unwrap_or(0),
            3 if !self.present(3) => users,
            _ => user,
        }
    }

    fn present(&self, user: u16) -> bool {
        let (profile, day) = (self.profile, self.today.number);
        match user {
            0 => profile.churn.kind != ChurnKind::ChampionLeft || day < profile.churn.evidence_day,
            3 => profile.trap != Trap::UserLeft || profile.users <= 4 || day < profile.trap_day,
            _ => true,
        }
    }
}
