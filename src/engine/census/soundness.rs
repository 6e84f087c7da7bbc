//! Whether a census adds up: a report never shows figures that do not.

use super::Census;
use crate::engine::kpis::tables::{Group, Standing, Tables};
use crate::units::calendar::{Length, Month, Period};

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

impl Census {
    /// Whether everything adds up as of `month`; why not, where it does not. Of a census that was taken on the move, what
    /// accounts pay is not of one moment and is left out of it.
    ///
    /// The clock that `month` is of waits for late events, so that accounts may have gone on into the next month already,
    /// and rates may be known of later ones. What accounts pay is therefore held against the end of the whole ledger.
    pub fn check(&self, month: Month) -> Result<(), Unsound> {
        let ledger = check(&self.tables, month)?;
        let accounts = self.found.pays_minor;
        if self.is_moving || ledger == accounts { Ok(()) } else { Err(Unsound::Accounts { ledger, accounts }) }
    }
}

/// Checks that segments and cohorts come to the whole in every period up to that of `month`, and that movements lead from
/// one period to the next; what the ledger leads to at its own end, which may be later.
fn check(tables: &Tables, month: Month) -> Result<i64, Unsound> {
    let total = tables.total();
    for length in Length::ALL {
        let mut period = length.of(total.first().unwrap_or(month));
        while period <= length.of(month) {
            let whole = total.at(period);
            let next = total.at(period.next());
            if whole.mrr_minor.wrapping_add(whole.cell.grown_minor()) != next.mrr_minor
                || whole.customers_end() != next.customers
            {
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
    let months = total.of(Length::Month).iter();
    Ok(months.fold(0, |sum, (_, cell)| sum.wrapping_add(cell.grown_minor())))
}

#[cfg(test)]
mod tests {
    use super::super::Found;
    use super::*;
    use crate::engine::facts::book::Flow;
    use crate::engine::kpis::flows::MonthFlow;
    use crate::engine::kpis::tables::Contribution;

    /// Tables of one account that pays 100 from January on, in one segment.
    fn tables() -> Tables {
        let january = Month::new(2026, 1);
        let mut flow = MonthFlow { month: january, end_minor: 100, pays: true, ..MonthFlow::default() };
        flow.moved_minor.iter_mut().for_each(|moved| moved[Flow::New as usize] = 100);
        let mut tables = Tables::default();
        let segments = vec!["pro".into(), "EU".into()];
        let account = Contribution { segments, activated: Some(january), flows: vec![flow], ..Contribution::default() };
        tables.apply(&account, 1, 50);
        tables
    }

    #[test]
    fn what_does_not_add_up_is_refused() {
        let march = Month::new(2026, 3);
        let census = |tables: &Tables, pays_minor| Census {
            tables: tables.clone(),
            found: Found { pays_minor, ..Found::default() },
            ..Census::default()
        };
        assert_eq!(census(&tables(), 100).check(march), Ok(()));
        assert_eq!(Census { is_moving: true, ..census(&tables(), 99) }.check(march), Ok(()));
        let found = |tables: &Tables, pays| census(tables, pays).check(march).unwrap_err().to_string();
        assert!(found(&tables(), 99).starts_with("the ledger leads to 100 and the accounts pay 99; "));
        // The accounts are a month ahead of the clock, or a rate of a later month is known.
        let december = Month::new(2025, 12);
        assert_eq!(census(&tables(), 100).check(december), Ok(()));
        assert!(census(&tables(), 0).check(december).is_err());
        let mut without = tables();
        without.cohorts.clear();
        assert!(found(&without, 100).starts_with("in 2026-01 the cohorts do not add up to all accounts; "));
        let mut without = tables();
        without.dimensions[1].groups.clear();
        assert!(found(&without, 100).starts_with("in 2026-01 the segments of dimension 1 do not add up"));
    }
}
