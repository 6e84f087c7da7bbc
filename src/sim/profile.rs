//! Who the accounts are: drawn once per account from the seed, and never changed.
//!
//! A profile says what an account is and what is planned for it (see [`super::plan`]); what it does on a day follows in
//! [`super::day`]. Days are counted from the first day of the window; signed, because most accounts are older.

use super::Options;
use super::plan::{self, Churn, Trap};
use super::random::{Die, whole};
use crate::engine::event::{CURRENCY_DEFAULT, Interval};
use crate::units::{Currency, Money};

/// What an account pays for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plan {
    /// Small teams.
    Starter,
    /// Departments.
    Pro,
    /// Companies.
    Enterprise,
}

impl Plan {
    /// Name in events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Plan::Starter => "starter",
            Plan::Pro => "pro",
            Plan::Enterprise => "enterprise",
        }
    }

    /// How many of [`super::names::FEATURES`] it opens.
    #[must_use]
    pub fn features(self) -> u32 {
        match self {
            Plan::Starter => 6,
            Plan::Pro => 10,
            Plan::Enterprise => 14,
        }
    }

    /// The next larger plan.
    #[must_use]
    pub fn larger(self) -> Plan {
        match self {
            Plan::Starter => Plan::Pro,
            Plan::Pro | Plan::Enterprise => Plan::Enterprise,
        }
    }
}

/// On which days of the week an account works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rhythm {
    /// Monday to Friday.
    Office,
    /// Every day.
    Daily,
    /// Mostly from Thursday to Sunday.
    Weekend,
}

impl Rhythm {
    /// Share of the usual activity on a weekday (0 = Monday).
    #[must_use]
    pub fn weight(self, weekday: u16) -> f64 {
        match (self, weekday) {
            (Rhythm::Daily, _) | (Rhythm::Office, 0..=3) | (Rhythm::Weekend, 3..=6) => 1.0,
            (Rhythm::Office, 4) => 0.8,
            (Rhythm::Office, _) => 0.06,
            (Rhythm::Weekend, _) => 0.35,
        }
    }
}

/// An account.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Its number.
    pub account: u32,
    /// Day it signed up; negative when before the window.
    pub signup: i32,
    /// Days of trial before it pays; 0 for none.
    pub trial_days: i32,
    /// Plan at sign-up.
    pub plan: Plan,
    /// Month or year.
    pub interval: Interval,
    /// Revenue a month at sign-up.
    pub mrr: Money,
    /// Paid seats at sign-up.
    pub seats: u32,
    /// People who use the product.
    pub users: u16,
    /// Employees of the company.
    pub employees: u32,
    /// Index into the industries.
    pub industry: u8,
    /// Index into the regions.
    pub region: u8,
    /// Index into the channels.
    pub channel: u8,
    /// Index into the owners.
    pub owner: u8,
    /// Days of the week it works on.
    pub rhythm: Rhythm,
    /// Expected visits of a working day; above about 2 hardly a working day is missed.
    pub visits: f64,
    /// Days from one visit to the next of an account that comes seldom but steadily; 0 for those who come as they like.
    pub cycle_days: i32,
    /// Expected events of a day on which it is active.
    pub intensity: f64,
    /// How many features it has made its own.
    pub features: u32,
    /// How content it is, 0 to 1.
    pub mood: f64,
    /// What may look like trouble but is none.
    pub trap: Trap,
    /// First day of the trap.
    pub trap_day: i32,
    /// Its end; beyond the window for most.
    pub churn: Churn,
}

impl Profile {
    /// Draws account number `account`.
    #[must_use]
    pub fn draw(account: u32, options: &Options) -> Profile {
        let mut die = Die::new(options.seed, [u64::from(account), 0, 1]);
        let days = i32::from(options.days);
        let signup = if die.chance(0.76) { -1 - die.between(0, 900) } else { die.between(0, days - 1) };
        let plan = match die.weighted(&[0.52, 0.36, 0.12]) {
            0 => Plan::Starter,
            1 => Plan::Pro,
            _ => Plan::Enterprise,
        };
        let region = u8::try_from(die.weighted(&[0.42, 0.42, 0.16])).unwrap_or(0);
        let (seats, seat_price) = match plan {
            Plan::Starter => (1 + die.below(8), 19_00 + i64::from(die.below(3)) * 5_00),
            Plan::Pro => (6 + die.below(40), 29_00 + i64::from(die.below(4)) * 5_00),
            Plan::Enterprise => (40 + die.below(260), 39_00 + i64::from(die.below(4)) * 5_00),
        };
        let annual = if plan == Plan::Enterprise { 0.75 } else { 0.25 };
        let (visits, intensity) = draw_rate(plan, &mut die);
        let mut profile = Profile {
            account,
            signup,
            trial_days: if plan != Plan::Enterprise && die.chance(0.4) { 14 } else { 0 },
            plan,
            interval: if die.chance(annual) { Interval::Year } else { Interval::Month },
            mrr: Money { minor: i64::from(seats) * seat_price, currency: draw_currency(region, &mut die) },
            seats,
            users: u16::try_from(2 + whole(f64::from(seats) * die.range(0.4, 0.9))).unwrap_or(2).min(120),
            employees: seats * (2 + die.below(12)),
            industry: u8::try_from(die.below(6)).unwrap_or(0),
            region,
            channel: u8::try_from(die.weighted(&[0.5, 0.3, 0.1, 0.1])).unwrap_or(0),
            owner: u8::try_from(die.below(8)).unwrap_or(0),
            rhythm: match die.weighted(&[0.8, 0.14, 0.06]) {
                0 => Rhythm::Office,
                1 => Rhythm::Daily,
                _ => Rhythm::Weekend,
            },
            visits,
            cycle_days: draw_cycle(visits, &mut die),
            intensity: intensity * options.rate,
            features: 3 + die.below(plan.features() - 3),
            mood: die.range(0.35, 1.0),
            trap: Trap::None,
            trap_day: 0,
            churn: Churn::never(),
        };
        plan::draw(&mut profile, days, &mut die);
        profile
    }

    /// Its last day before the window or in it: the first day of which anything is told.
    #[must_use]
    pub fn first_day(&self) -> i32 {
        self.signup.max(0)
    }

    /// The first day it pays for.
    #[must_use]
    pub fn paid_from(&self) -> i32 {
        self.signup + self.trial_days
    }

    /// Length of its billing period in days.
    #[must_use]
    pub fn period_days(&self) -> i32 {
        if self.interval == Interval::Year { 365 } else { 30 }
    }

    /// The day after `day` on which the running billing period ends.
    #[must_use]
    pub fn term_end(&self, day: i32) -> i32 {
        let period = self.period_days();
        day + period - (day - self.paid_from()).rem_euclid(period)
    }

    /// Whether it has moved to the larger plan by `day`.
    #[must_use]
    pub fn expanded(&self, day: i32) -> bool {
        self.trap == Trap::Expansion && day >= self.trap_day + plan::EXPANSION_DAYS
    }

    /// Plan, seats and revenue in force on `day`.
    #[must_use]
    pub fn terms(&self, day: i32) -> (Plan, u32, Money) {
        if self.expanded(day) {
            let mrr = Money { minor: self.mrr.minor * 8 / 5, currency: self.mrr.currency };
            (self.plan.larger(), self.seats * 5 / 4 + 1, mrr)
        } else {
            (self.plan, self.seats, self.mrr)
        }
    }
}

fn draw_currency(region: u8, die: &mut Die) -> Currency {
    let euro = Currency::parse("EUR").unwrap_or(CURRENCY_DEFAULT);
    if region == 0 && die.chance(0.7) { euro } else { CURRENCY_DEFAULT }
}

/// Visits of a working day and events of an active day: from heavy daily users to those who come twice a month.
fn draw_rate(plan: Plan, die: &mut Die) -> (f64, f64) {
    let weights = match plan {
        Plan::Starter => [0.02, 0.20, 0.30, 0.28, 0.20],
        Plan::Pro => [0.07, 0.36, 0.32, 0.17, 0.08],
        Plan::Enterprise => [0.22, 0.48, 0.20, 0.08, 0.02],
    };
    match die.weighted(&weights) {
        0 => (die.range(4.0, 6.0), die.range(10.0, 24.0)),
        1 => (die.range(2.0, 4.0), die.range(3.0, 7.0)),
        2 => (die.range(0.5, 1.4), die.range(2.0, 4.0)),
        3 => (die.range(0.16, 0.4), die.range(1.5, 3.5)),
        _ => (die.range(0.07, 0.15), die.range(1.5, 3.0)),
    }
}

/// Most of those who come seldom come for something that recurs, such as a weekly review or a monthly report.
fn draw_cycle(visits: f64, die: &mut Die) -> i32 {
    let is_steady = die.chance(0.7);
    if visits < 0.45 && is_steady { i32::try_from(whole(0.75 / visits + 2.0)).unwrap_or(7) } else { 0 }
}
