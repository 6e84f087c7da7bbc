//! C6: who leaves or pays less, against who stays: what they were worth, and how good their use and their word was.
//!
//! From the accounts themselves, for one period. Sums only, so that partitions add up.

use super::days::NpsClass;
use super::flows::{Cell, cells};
use super::satisfaction::VALID_DAYS;
use crate::engine::census::member::Member;
use crate::engine::facts::book::Flow;
use crate::engine::facts::voice::latest;
use crate::units::calendar::Period;

/// What became of the accounts that paid at the start of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They pay at its end, no less than before.
    Stayed,
    /// They pay less.
    Shrank,
    /// They pay nothing.
    Left,
}

impl Fate {
    /// All of them.
    pub const ALL: [Fate; 3] = [Fate::Stayed, Fate::Shrank, Fate::Left];

    /// What reports call them.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Fate::Stayed => "stayed",
            Fate::Shrank => "shrank",
            Fate::Left => "left",
        }
    }
}

/// Sums over the accounts of one fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Worth {
    /// How many.
    pub accounts: i64,
    /// Their MRR at the start, in minor units of the reporting currency.
    pub start_minor: i64,
    /// How much less they pay at the end, likewise; `fx` left out.
    pub gone_minor: i64,
    /// Months since they first paid, at the start of the period.
    pub tenure_months: i64,
    /// Those that had expanded before.
    pub expanded: i64,
    /// Active days ever, a measure of how much they used the product.
    pub active_days: i64,
    /// Users known.
    pub users: i64,
    /// Users by the class of their latest NPS answer: promoters, passives, detractors.
    pub nps: [i64; 3],
}

/// What became of the accounts that paid at the start of a period, by [`Fate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Leavers(pub [Worth; Fate::ALL.len()]);

impl Leavers {
    /// Counts an account for `period`, if it paid at its start.
    pub fn count(&mut self, member: &Member<'_>, period: Period) {
        let (account, Some(activated)) = (member.account, member.activated) else { return };
        let start_minor = member.minor_before(period.first);
        if start_minor <= 0 {
            return;
        }
        let from = member.flows.partition_point(|flow| flow.month < period.first);
        let to = member.flows.partition_point(|flow| flow.month < period.next().first);
        let within = member.flows.get(from..to).unwrap_or_default();
        let mut cell = Cell::default();
        cells(within, activated, period.length).for_each(|(_, step)| cell.add(&step, 1));
        let fate = match cell {
            Cell { lost: 1.., .. } => Fate::Left,
            Cell { gone_minor: 1.., .. } => Fate::Shrank,
            _ => Fate::Stayed,
        };
        let before = member.flows.iter().take_while(|flow| flow.month < period.first);
        let expansion: i64 = before.filter_map(|flow| flow.moved.get(Flow::Expansion as usize)).sum();
        let Some(worth) = self.0.get_mut(fate as usize) else { return };
        worth.accounts += 1;
        worth.start_minor += start_minor;
        worth.gone_minor += cell.gone_minor;
        worth.tenure_months += i64::from(period.first.since(activated));
        worth.expanded += i64::from(expansion > 0);
        worth.active_days += i64::from(account.activity.active_days);
        worth.users += i64::try_from(account.users.members.len()).unwrap_or(i64::MAX);
        let (zone, answers) =
            (member.rules.kpis.time_zone, account.voice.as_ref().map(|voice| voice.answers.as_slice()));
        let today = zone.day(member.now);
        for (answer, _) in latest(answers.unwrap_or_default()) {
            if today.since(zone.day(answer.stamp.time)) < VALID_DAYS
                && let Some(users) = worth.nps.get_mut(NpsClass::of(answer.score) as usize)
            {
                *users += 1;
            }
        }
    }

    /// Adds those of another partition.
    pub fn merge(&mut self, other: &Leavers) {
        for (worth, more) in self.0.iter_mut().zip(&other.0) {
            worth.accounts += more.accounts;
            worth.start_minor += more.start_minor;
            worth.gone_minor += more.gone_minor;
            worth.tenure_months += more.tenure_months;
            worth.expanded += more.expanded;
            worth.active_days += more.active_days;
            worth.users += more.users;
            worth.nps.iter_mut().zip(more.nps).for_each(|(sum, users)| *sum += users);
        }
    }
}
