//! S7, payment failures: payments fail and stay unpaid.
//!
//! Failures since the last successful payment: one counts a little (cards expire), from the second attempt on it is
//! dunning. Payments that fail and are never tried again fade out after `memory_days`.

use super::{Case, Declaration, Parameter, Reading, Signal, Telling, counted};
use crate::engine::facts::billing::Failure;

pub(super) const SIGNAL: Signal = Signal {
    declaration: Declaration {
        name: "payment_failures",
        summary: "failed payments since the last successful one; dunning from the second attempt",
        weight: 5.4,
        parameters: &[
            Parameter {
                name: "first_ratio",
                summary: "Strength of a single failure.",
                default: 0.3,
                min: 0.0,
                max: 1.0,
            },
            Parameter {
                name: "memory_days",
                summary: "A failure older than this does not count.",
                default: 45.0,
                min: 7.0,
                max: 365.0,
            },
        ],
    },
    read,
    tell,
};

const FIRST: usize = 0;
const MEMORY: usize = 1;
/// At so many attempts it counts fully.
const ATTEMPTS_FULL: f64 = 3.0;

/// Attempts that failed since the last success, and the latest of them.
fn unpaid<'a>(case: &Case<'a>) -> Option<(u32, &'a Failure)> {
    let failures = case.account.billing.as_ref()?.unpaid();
    let from = case.now.minus(case.span(MEMORY));
    let mut recent = failures.iter().filter(|failure| failure.stamp.time > from && failure.stamp.time <= case.now);
    let seen = u32::try_from(recent.clone().count()).unwrap_or(u32::MAX);
    // A source that numbers its attempts knows of those that were not reported.
    let attempts = recent.clone().map(|failure| failure.attempt).max().unwrap_or(0).max(seen);
    recent.next_back().map(|latest| (attempts, latest))
}

fn read(case: &Case<'_>) -> Reading {
    let standing = &case.account.standing;
    if !standing.is_unpaid {
        return if standing.is_invoiced { Reading::QUIET } else { Reading::UNKNOWN };
    }
    let Some((attempts, latest)) = unpaid(case) else { return Reading::QUIET };
    let first = case.parameter(FIRST);
    let more = (f64::from(attempts) - 1.0) / (ATTEMPTS_FULL - 1.0);
    Reading::of(first + (1.0 - first) * more.min(1.0)).until(latest.stamp.time.plus(case.span(MEMORY)))
}

fn tell(case: &Case<'_>) -> Telling {
    let Some((attempts, latest)) = unpaid(case) else {
        return Telling { sentence: String::new(), numbers: Vec::new(), offset: None };
    };
    Telling {
        sentence: format!(
            "Payment of {} failed ({}) and is still open.",
            case.money(latest.amount_minor),
            counted(attempts, "attempt")
        ),
        numbers: vec![("failed_attempts", f64::from(attempts))],
        offset: Some(latest.offset),
    }
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
                ("old", "failed 20"),
                ("none", "uses 0..120 every 1"),
            ],
            &expect![[r#"
                paid         quiet
                failed once  0.30 Payment of 99 USD failed (1 attempt) and is still open.
                dunning      0.65 Payment of 99 USD failed (2 attempts) and is still open.
                third attempt 1.00 Payment of 99 USD failed (3 attempts) and is still open.
                paid at last quiet
                late failure quiet
                old          quiet
                none         unknown
            "#]],
        );
    }
}
