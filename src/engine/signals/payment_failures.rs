//! S7, payment failures: payments fail and stay unpaid.
//!
//! Failures since the last successful payment: one counts a little (cards expire), from the second attempt on it is
//! dunning. What is open stays open until it is paid, however long ago it was last tried. Failures of one amount are
//! attempts at one payment; those of different amounts are told with their sum.

use super::{Case, Declaration, Parameter, Reading, Signal, Telling, ago, counted};
use crate::engine::facts::billing::{FAILURES_MAX, Failure};

pub(super) const SIGNAL: Signal = Signal {
    declaration: Declaration {
        name: "payment_failures",
        summary: "failed payments since the last successful one; dunning from the second attempt",
        weight: 5.4,
        parameters: &[Parameter {
            name: "first_ratio",
            summary: "Strength of a single failure.",
            default: 0.3,
            min: 0.0,
            max: 1.0,
        }],
    },
    read,
    tell,
    has_dates: None,
};

const FIRST: usize = 0;
/// At so many attempts it counts fully.
const ATTEMPTS_FULL: f64 = 3.0;

/// What has failed since the last success.
struct Open<'a> {
    /// Payments, by amount.
    payments: u32,
    /// Attempts at all of them.
    attempts: u32,
    /// Whether there may have been more than are kept.
    is_full: bool,
    /// Their sum in minor units of the reporting currency; `None` where one of them has no rate.
    amount_minor: Option<i64>,
    latest: &'a Failure,
}

fn open<'a>(case: &Case<'a>) -> Option<Open<'a>> {
    let unpaid = case.account.billing.as_deref()?.unpaid();
    let known = unpaid.get(..unpaid.partition_point(|failure| failure.stamp.time <= case.now))?;
    let latest = known.last()?;
    let mut by_amount: Vec<&Failure> = known.iter().collect();
    by_amount.sort_by_key(|failure| failure.amount_minor);
    let mut found =
        Open { payments: 0, attempts: 0, is_full: unpaid.len() >= FAILURES_MAX, amount_minor: Some(0), latest };
    for same in by_amount.chunk_by(|one, next| one.amount_minor == next.amount_minor) {
        let seen = u32::try_from(same.len()).unwrap_or(u32::MAX);
        // A source that numbers its attempts knows of those that were not reported.
        let attempts = same.iter().map(|failure| failure.attempt).max().unwrap_or(0).max(seen);
        found.payments += 1;
        found.attempts = found.attempts.saturating_add(attempts);
        let amount_minor = same.first().and_then(|failure| failure.amount_minor);
        found.amount_minor = found.amount_minor.zip(amount_minor).map(|(sum, minor)| sum.saturating_add(minor));
    }
    Some(found)
}

fn read(case: &Case<'_>) -> Reading {
    let standing = &case.account.standing;
    if !standing.is_unpaid {
        return if standing.is_invoiced { Reading::QUIET } else { Reading::UNKNOWN };
    }
    let Some(open) = open(case) else { return Reading::QUIET };
    let first = case.parameter(FIRST);
    let more = (f64::from(open.attempts) - 1.0) / (ATTEMPTS_FULL - 1.0);
    Reading::of(first + (1.0 - first) * more.min(1.0))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // days
fn tell(case: &Case<'_>) -> Telling {
    let Some(open) = open(case) else { return Telling::nothing() };
    let at_least = if open.is_full { "at least " } else { "" };
    let days = case.now.since(open.latest.stamp.time).days().max(0.0);
    let latest = if open.attempts == 1 { "" } else { "the latest " };
    let attempts = format!("{at_least}{}, {latest}{}", counted(open.attempts, "attempt"), ago(days as u64));
    let money = open.amount_minor.map(|minor| case.money(minor));
    let sentence = match (open.payments, money) {
        (1, Some(money)) => format!("Payment of {money} failed ({attempts}) and is still open."),
        (1, None) => format!("Payment failed ({attempts}) and is still open."),
        (payments, Some(money)) => {
            format!("{payments} payments of {money} in all failed ({attempts}) and are still open.")
        }
        (payments, None) => format!("{payments} payments failed ({attempts}) and are still open."),
    };
    let numbers = vec![("failed_attempts", f64::from(open.attempts)), ("open_payments", f64::from(open.payments))];
    Telling { sentence, numbers, offset: Some(open.latest.offset) }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use expect_test::expect;

    #[test]
    fn fires_on_dunning_and_ends_with_the_payment() {
        check(
            "payment_failures",
            &[
                ("paid", "paid 100"),
                ("failed once", "paid 80; failed 118"),
                ("dunning", "paid 80; failed 112; failed 118"),
                ("third attempt", "failed 118 3"),
                ("paid at last", "failed 112; failed 115; paid 118"),
                ("late failure", "paid 118; failed 112"),
                ("long ago", "failed 20; failed 25; failed 30"),
                ("long ago, later paid", "failed 20; failed 25; failed 30; paid 90"),
                ("two payments", "paid 80; failed 112 1 500000; failed 118 1 100"),
                ("again and another", "failed 112 1 500000; failed 114 2 500000; failed 118 1 100"),
                (
                    "more than kept",
                    "failed 1; failed 2; failed 3; failed 4; failed 5; failed 6; failed 7; failed 8; failed 9",
                ),
                ("another currency", "failed 118 4 123456 EUR"),
                ("no rate", "failed 118 4 123456 JPY"),
                ("one with a rate", "failed 118 1 99900 GBP; failed 118 1 100"),
                ("none", "uses 0..120 every 1"),
            ],
            &expect![[r#"
                paid         quiet
                failed once  0.30 Payment of 99 USD failed (1 attempt, 2 days ago) and is still open.
                dunning      0.65 Payment of 99 USD failed (2 attempts, the latest 2 days ago) and is still open.
                third attempt 1.00 Payment of 99 USD failed (3 attempts, the latest 2 days ago) and is still open.
                paid at last quiet
                late failure quiet
                long ago     1.00 Payment of 99 USD failed (3 attempts, the latest 90 days ago) and is still open.
                long ago, later paid quiet
                two payments 0.65 2 payments of 5,001 USD in all failed (2 attempts, the latest 2 days ago) and are still open.
                again and another 1.00 2 payments of 5,001 USD in all failed (3 attempts, the latest 2 days ago) and are still open.
                more than kept 1.00 Payment of 99 USD failed (at least 8 attempts, the latest 111 days ago) and is still open.
                another currency 1.00 Payment of 1,543.20 USD failed (4 attempts, the latest 2 days ago) and is still open.
                no rate      1.00 Payment failed (4 attempts, the latest 2 days ago) and is still open.
                one with a rate 0.65 2 payments failed (2 attempts, the latest 2 days ago) and are still open.
                none         unknown
            "#]],
        );
    }
}
