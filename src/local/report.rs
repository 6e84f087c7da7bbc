//! What a log adds up to, as of its end or of any time in it: the sums that reports are made of.
//!
//! A replay, and what its engines have summed up; partitions are merged. Checked against the accounts themselves before
//! anybody sees it: a report never shows figures that do not add up.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::LocalError;
use super::gate::Gate;
use super::replay::{Found, Stop};
use super::rerun::{Log, Replayed};
use crate::engine::Engine;
use crate::engine::account::Account;
use crate::engine::kpis::figures::Live;
use crate::engine::kpis::leavers::Leavers;
use crate::engine::kpis::tables::{Group, Standing, Tables};
use crate::engine::rules::Rules;
use crate::units::calendar::{Length, Month, Period, Zone};
use crate::units::{Currency, Money, Timestamp};

/// What a log adds up to.
#[derive(Debug)]
pub struct Gathered {
    /// The merged tables.
    pub tables: Tables,
    /// What the live totals say.
    pub live: Live,
    /// As of when.
    pub now: Timestamp,
    /// Accounts known.
    pub accounts: usize,
    /// Who left or shrank in the last complete period of the length asked for.
    pub leavers: Leavers,
    /// Subscription events in a currency without a rate.
    pub unpriced: u64,
    /// Events that came too late for windows or timelines.
    pub too_late: u64,
    /// What the accounts pay, at the rates of the present month, in minor units.
    pub pays_minor: i64,
    /// The replay at its end.
    pub replayed: Replayed,
}

/// Why sums are not shown.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unsound {
    /// The parts of a whole do not come to it.
    #[error(
        "in {period} {parts} do not add up to all accounts; nothing is shown: this is a fault of the program, please report it"
    )]
    Parts {
        /// The period.
        period: Period,
        /// Which parts.
        parts: String,
    },
    /// The movements of a period do not lead from its start to its end.
    #[error(
        "the movements of {period} do not lead to its end; nothing is shown: this is a fault of the program, please report it"
    )]
    Movements {
        /// The period.
        period: Period,
    },
    /// The ledger does not lead to what the accounts pay.
    #[error(
        "the ledger leads to {ledger} and the accounts pay {accounts}; nothing is shown: this is a fault of the program, please report it"
    )]
    Accounts {
        /// What the ledger says, in minor units.
        ledger: i64,
        /// What the accounts say, likewise.
        accounts: i64,
    },
}

/// Replays `log` up to `as_of`, or to its end, and sums up; leavers are those of the last complete period of `length`.
pub fn gather(log: &Log, as_of: Option<Timestamp>, length: Length) -> Result<Gathered, LocalError> {
    let gate = match as_of {
        Some(at) => {
            let scan = log.scan()?;
            Some(Gate::new(vec![at], |cutoff| scan.last_line_before(cutoff)))
        }
        None => None,
    };
    let rules = &log.settings.rules;
    let mut sums = Sums::default();
    let replayed = log.replay(gate, Found::default(), &mut |stop: &Stop<'_>| {
        if let (Some(engine), Some(now)) = (stop.engine, as_of) {
            sums.add(engine, now, rules, length);
        }
        ControlFlow::Continue(())
    })?;
    let end = || replayed.replay.engines().filter_map(|engine| engine.partition().clock).max();
    let now = as_of.or_else(end).unwrap_or_default();
    if as_of.is_none() {
        for engine in replayed.replay.engines() {
            sums.add(engine, now, rules, length);
        }
    }
    let Sums { tables, live, accounts, leavers, unpriced, too_late, pays_minor } = sums;
    Ok(Gathered { tables, live, now, accounts, leavers, unpriced, too_late, pays_minor, replayed })
}

impl Gathered {
    /// Whether everything adds up as of the present month; why not, where it does not.
    pub fn check(&self, zone: Zone) -> Result<(), Unsound> {
        check(&self.tables, zone.month(self.now), self.pays_minor)
    }
}

/// Checks that segments and cohorts come to the whole in every period up to that of `month`, that movements lead from one
/// period to the next, and that the ledger leads to what the accounts pay.
fn check(tables: &Tables, month: Month, pays_minor: i64) -> Result<(), Unsound> {
    let total = tables.total();
    for length in Length::ALL {
        let mut period = length.of(total.first().unwrap_or(month));
        while period <= length.of(month) {
            let whole = total.at(period);
            let next = total.at(period.next());
            let moved = whole.cell.moved_minor.iter().fold(0_i64, |sum, moved| sum.wrapping_add(*moved));
            if whole.mrr_minor.wrapping_add(moved) != next.mrr_minor || whole.customers_end() != next.customers {
                return Err(Unsound::Movements { period });
            }
            let parts = |name: &str, groups: &mut dyn Iterator<Item = &Group>| {
                let mut sum = Standing::default();
                groups.for_each(|group| sum.add(&group.at(period)));
                if sum == whole { Ok(()) } else { Err(Unsound::Parts { period, parts: name.to_owned() }) }
            };
            for (index, dimension) in tables.dimensions.iter().enumerate() {
                let name = format!("the segments of dimension {index}");
                parts(&name, &mut dimension.groups.iter().map(|(_, group)| &**group))?;
            }
            if length == Length::Month {
                parts("the cohorts", &mut tables.cohorts.iter().map(|(_, group)| &**group))?;
            }
            period = period.next();
        }
    }
    let ledger = total.at(Length::Month.of(month)).mrr_end_minor();
    if ledger == pays_minor { Ok(()) } else { Err(Unsound::Accounts { ledger, accounts: pays_minor }) }
}

/// Sums over partitions.
#[derive(Debug, Default)]
struct Sums {
    tables: Tables,
    live: Live,
    accounts: usize,
    leavers: Leavers,
    unpriced: u64,
    too_late: u64,
    pays_minor: i64,
}

impl Sums {
    fn add(&mut self, engine: &Engine, now: Timestamp, rules: &Rules, length: Length) {
        self.tables.merge(engine.kpis());
        let totals = engine.totals();
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let windows = [1, 7, 30].map(|days| count(totals.active_users(now.day(), days)));
        self.live.active_users.iter_mut().zip(windows).for_each(|(sum, users)| *sum += users);
        self.live.nps.iter_mut().zip(totals.nps).for_each(|(sum, users)| *sum += count(users));
        self.accounts += engine.accounts_len();
        let month = rules.kpis.time_zone.month(now);
        let period = length.of(month).previous();
        for account in engine.accounts() {
            self.leavers.count(account, rules, period);
            self.pays_minor += pays_minor(account, rules, month);
        }
        self.unpriced += engine.counts().unpriced;
        self.too_late += engine.counts().too_late;
    }
}

/// What the account's subscriptions pay at the rates of `month`, in minor units of the reporting currency.
fn pays_minor(account: &Account, rules: &Rules, month: Month) -> i64 {
    let Some(billing) = &account.billing else { return 0 };
    let mut by_currency: BTreeMap<Currency, i64> = BTreeMap::new();
    for known in &billing.ledger.subscriptions {
        let Money { minor, currency } = known.pays(rules.currency);
        *by_currency.entry(currency).or_default() += minor;
    }
    let valuation = rules.valuation();
    by_currency.into_iter().map(|(currency, minor)| valuation.in_month(Money { minor, currency }, month)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::facts::book::Flow;
    use crate::engine::kpis::flows::MonthFlow;
    use crate::engine::kpis::tables::Contribution;

    /// Tables of one account that pays 100 from January on, in one segment.
    fn tables() -> Tables {
        let january = Month::new(2026, 1);
        let mut flow = MonthFlow { month: january, end_minor: 100, pays: true, ..MonthFlow::default() };
        flow.moved_minor[Flow::New as usize] = 100;
        let mut tables = Tables::default();
        let segments = vec!["pro".into(), "EU".into()];
        let account = Contribution { segments, activated: Some(january), flows: vec![flow], ..Contribution::default() };
        tables.apply(&account, 1, 50);
        tables
    }

    #[test]
    fn what_does_not_add_up_is_refused() {
        let march = Month::new(2026, 3);
        assert_eq!(check(&tables(), march, 100), Ok(()));
        let found = |tables: &Tables, pays| check(tables, march, pays).unwrap_err().to_string();
        assert!(found(&tables(), 99).starts_with("the ledger leads to 100 and the accounts pay 99; "));
        let mut without = tables();
        without.cohorts.clear();
        assert!(found(&without, 100).starts_with("in 2026-01 the cohorts do not add up to all accounts; "));
        let mut without = tables();
        without.dimensions[1].groups.clear();
        assert!(found(&without, 100).starts_with("in 2026-01 the segments of dimension 1 do not add up"));
    }
}
