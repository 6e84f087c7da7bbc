//! What the parts of the census ask of one account, found out once.

use std::collections::BTreeMap;

use crate::engine::account::Account;
use crate::engine::facts::book::Book;
use crate::engine::kpis::flows::{MonthFlow, month_flows};
use crate::engine::rules::Rules;
use crate::units::calendar::Month;
use crate::units::{Currency, Day, Money, Timestamp};

/// An account as the census meets it.
#[derive(Debug)]
pub struct Member<'a> {
    /// The account.
    pub account: &'a Account,
    /// The rules in force.
    pub rules: &'a Rules,
    /// As of when.
    pub now: Timestamp,
    /// The month in the configured zone that it is in.
    pub month: Month,
    /// When it first paid; `None` while it has not.
    pub activated: Option<Month>,
    /// The months in which its MRR moved.
    pub flows: Vec<MonthFlow>,
    /// What it pays a month at the rates of `month`, in minor units of the reporting currency.
    pub pays_minor: i64,
    /// The same at the latest rates: what its months lead to, whichever month is the present one.
    pub pays_latest_minor: i64,
}

impl<'a> Member<'a> {
    /// `account` as of `now`.
    #[must_use]
    pub fn of(account: &'a Account, rules: &'a Rules, now: Timestamp) -> Member<'a> {
        let month = rules.kpis.time_zone.month(now);
        let valuation = rules.valuation();
        let book = account.billing.as_ref().map(|billing| billing.book(valuation));
        Member {
            account,
            rules,
            now,
            month,
            activated: book.as_ref().and_then(Book::activated),
            flows: book.map(|book| month_flows(&book, valuation)).unwrap_or_default(),
            pays_minor: pays_minor(account, rules, |money| valuation.in_month(money, month)),
            pays_latest_minor: pays_minor(account, rules, |money| {
                valuation.in_month(money, Month::from_number(u16::MAX))
            }),
        }
    }

    /// What it paid a month at the end of the month before `month`, in minor units; 0 before it first paid.
    #[must_use]
    pub fn minor_before(&self, month: Month) -> i64 {
        self.flows.iter().take_while(|flow| flow.month < month).last().map_or(0, |flow| flow.end_minor)
    }

    /// Users seen in the `days` days that end with the present one; an estimate above [`CROWD_MAX`] users.
    ///
    /// [`CROWD_MAX`]: crate::engine::facts::crowd::CROWD_MAX
    #[must_use]
    pub fn active_users(&self, days: u16) -> u64 {
        let oldest = Day::new(self.now.day().number().saturating_sub(days.saturating_sub(1)));
        let users = &self.account.users;
        users.members.iter().filter(|member| member.last_day >= oldest).count() as u64 * users.weight()
    }
}

/// What the account's subscriptions pay, each currency by `worth`, in minor units of the reporting currency.
fn pays_minor(account: &Account, rules: &Rules, worth: impl Fn(Money) -> i64) -> i64 {
    let Some(billing) = &account.billing else { return 0 };
    let mut by_currency: BTreeMap<Currency, i64> = BTreeMap::new();
    for known in &billing.ledger.subscriptions {
        let Money { minor, currency } = known.pays(rules.currency);
        *by_currency.entry(currency).or_default() += minor;
    }
    by_currency.into_iter().map(|(currency, minor)| worth(Money { minor, currency })).sum()
}
