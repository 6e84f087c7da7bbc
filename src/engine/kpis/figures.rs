//! Everything that KPIs of one period are reckoned from: sums, before any ratio.
//!
//! Taken from the merged tables of all partitions, so that a ratio is one of sums and never a mean of ratios.

use super::days::Card;
use super::renewals::Renewals;
use super::satisfaction::Voices;
use super::starts::{SignUps, Trials};
use super::tables::{Group, Standing, Tables};
use crate::engine::facts::book::Flow;
use crate::engine::rules::KpiRules;
use crate::engine::totals::Totals;
use crate::units::calendar::{Month, Period};
use crate::units::{Currency, Day, Timestamp};

/// Everything that KPIs of one period are reckoned from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// The period.
    pub period: Period,
    /// Whether it is over: of one that is running, no churn of a whole period can be told.
    pub is_complete: bool,
    /// The reporting currency.
    pub currency: Currency,
    /// Share of revenue that is left after the cost of serving it, in [0, 1].
    pub margin: f64,
    /// Customers and MRR.
    pub ledger: Standing,
    /// Terms due within the period so far.
    pub renewals: Renewals,
    /// Sign-ups of the latest days before the present.
    pub sign_ups: SignUps,
    /// Trials since the beginning of the log.
    pub trials: Trials,
    /// Surveys and ratings of the latest days before the present.
    pub voices: Voices,
    /// What the live totals say.
    pub live: Live,
}

/// What the live totals say now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Live {
    /// Distinct users of the latest 1, 7 and 30 days.
    pub active_users: [i64; 3],
}

impl Live {
    /// What the totals of a partition say on `today`.
    #[must_use]
    pub fn of(totals: &Totals, today: Day) -> Live {
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        Live { active_users: [1, 7, 30].map(|days| count(totals.active_users(today, days))) }
    }

    /// Adds what those of another partition say.
    pub fn merge(&mut self, other: &Live) {
        self.active_users.iter_mut().zip(other.active_users).for_each(|(sum, users)| *sum += users);
    }
}

/// What is the same for every period that is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Present<'t> {
    /// The merged tables.
    pub tables: &'t Tables,
    /// The month in the configured time zone: what running periods come to is told as of its end.
    pub month: Month,
    /// The first month that is not over: `month`, or the next one at the end of `month`.
    pub open: Month,
    /// The last moment that is looked at.
    pub now: Timestamp,
    /// The reporting currency.
    pub currency: Currency,
    /// Share of revenue that is left after the cost of serving it.
    pub margin: f64,
    /// By which calendar.
    pub rules: &'t KpiRules,
    /// What the live totals say.
    pub live: Live,
}

impl Present<'_> {
    /// The day in the configured time zone that what is counted by day ends with.
    #[must_use]
    pub fn today(&self) -> Day {
        self.rules.time_zone.day(self.now)
    }

    /// The figures of `group` in `period`, the running one as of the end of the present month. What is no matter of customers and MRR is that of everybody.
    #[must_use]
    pub fn figures(&self, group: &Group, period: Period) -> Figures {
        let days = &self.tables.days;
        let today = self.today();
        let mut trials = Trials::default();
        for card in Card::ALL {
            trials.add(Trials::at(days, today, card));
        }
        Figures {
            period,
            is_complete: period.last() < self.open,
            currency: self.currency,
            margin: self.margin,
            ledger: group.so_far(period, self.month),
            renewals: Renewals::at(days, period, today),
            sign_ups: SignUps::at(days, self.now, self.rules),
            trials,
            voices: Voices::at(days, today),
            live: self.live,
        }
    }
}

impl Figures {
    /// Size of what moved by `flow`, in minor units; that of `fx` with its sign.
    #[must_use]
    pub fn moved_minor(&self, flow: Flow) -> i64 {
        let minor = self.ledger.cell.moved_minor.get(flow as usize).copied().unwrap_or(0);
        if matches!(flow, Flow::Contraction | Flow::Churned) { -minor } else { minor }
    }

    /// Churned and contraction, in minor units.
    #[must_use]
    pub fn lost_minor(&self) -> i64 {
        self.moved_minor(Flow::Churned) + self.moved_minor(Flow::Contraction)
    }

    /// Expansion and reactivation, in minor units.
    #[must_use]
    pub fn won_back_minor(&self) -> i64 {
        self.moved_minor(Flow::Expansion) + self.moved_minor(Flow::Reactivation)
    }

    /// An amount in major units of the reporting currency.
    #[must_use]
    pub fn major(&self, minor: f64) -> f64 {
        minor / 10_f64.powi(i32::from(self.currency.minor_digits()))
    }

    /// A whole amount in major units of the reporting currency.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // exact below 2^53 minor units
    pub fn whole_major(&self, minor: i64) -> f64 {
        self.major(minor as f64)
    }
}
