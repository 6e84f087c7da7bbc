//! C6: who leaves or pays less, against who stays: what they were worth, and how good their use and their word was.
//!
//! From the accounts themselves, for one period. Sums only, so that partitions add up.

use super::flows::month_flows;
use crate::engine::account::Account;
use crate::engine::rules::Rules;
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
    /// How much less they pay at the end, likewise.
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
    /// Counts `account` for `period`, if it paid at its start.
    pub fn count(&mut self, account: &Account, rules: &Rules, period: Period) {
        let Some(billing) = &account.billing else { return };
        let valuation = rules.valuation();
        let book = billing.book(valuation);
        let Some(activated) = book.activated() else { return };
        let flows = month_flows(&book, valuation);
        let until = |month| flows.iter().take_while(move |flow| flow.month < month);
        let start_minor = until(period.first).last().map_or(0, |flow| flow.end_minor);
        let end_minor = until(period.next().first).last().map_or(0, |flow| flow.end_minor);
        if start_minor <= 0 {
            return;
        }
        let fate = match end_minor {
            ..=0 => Fate::Left,
            end if end < start_minor => Fate::Shrank,
            _ => Fate::Stayed,
        };
        let [_, expansion, ..] = until(period.first).fold([0; 6], |mut sums: [i64; 6], flow| {
            sums.iter_mut().zip(flow.moved).for_each(|(sum, moved)| *sum += moved);
            sums
        });
        let Some(worth) = self.0.get_mut(fate as usize) else { return };
        worth.accounts += 1;
        worth.start_minor += start_minor;
        worth.gone_minor += (start_minor - end_minor).max(0);
        worth.tenure_months += i64::from(period.first.since(activated));
        worth.expanded += i64::from(expansion > 0);
        worth.active_days += i64::from(account.activity.active_days);
        worth.users += i64::try_from(account.users.members.len()).unwrap_or(i64::MAX);
        let at = account.judgement.at.unwrap_or_default();
        let classes = account.voice.as_ref().map(|voice| voice.classes(at)).unwrap_or_default();
        worth.nps.iter_mut().zip(classes).for_each(|(sum, class)| *sum += i64::from(class));
    }
}
