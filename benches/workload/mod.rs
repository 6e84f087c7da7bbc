//! The load that every benchmark runs on: events of a software company's customers, in the order of their times.
//!
//! Pure and seeded: the same settings give the same bytes. Each account subscribes in the first days; the rest is nine
//! parts use (about eight people an account, ten features) and one part billing, surveys, limits and people. Accounts
//! differ in how busy they are. Records are about 270 bytes long, with a `context` object that the engine passes over.

use std::io::Write;

/// 2026-01-05T00:00:00Z, a Monday.
pub const START_MS: i64 = 1_767_571_200_000;
/// Length of the history in milliseconds: 90 days.
pub const LENGTH_MS: i64 = 90 * 86_400_000;

/// Names of the features that are used.
const FEATURES: [&str; 10] = [
    "dashboards.view",
    "dashboards.export",
    "reports.create",
    "reports.schedule",
    "search.query",
    "alerts.configure",
    "api.request",
    "comments.write",
    "files.upload",
    "users.invite",
];
/// Plans with their monthly price in cents.
const PLANS: [(&str, u64); 4] = [("starter", 4_900), ("team", 19_900), ("business", 79_900), ("enterprise", 420_000)];

/// A seeded series of events.
#[derive(Clone, Debug)]
pub struct Workload {
    accounts: u64,
    events: u64,
    next: u64,
}

/// Mixes a number into another that looks random (the finaliser of the `SplitMix64` generator).
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Workload {
    /// `events` events of `accounts` accounts, spread evenly over the history.
    pub fn new(accounts: u64, events: u64) -> Workload {
        Workload { accounts, events, next: 0 }
    }

    /// How many events have been written so far.
    pub fn written(&self) -> u64 {
        self.next
    }

    /// The time of the next event, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        let position = u128::from(self.next) * u128::from(LENGTH_MS.unsigned_abs()) / u128::from(self.events.max(1));
        START_MS + i64::try_from(position).unwrap_or(LENGTH_MS)
    }

    /// Appends the next event to `out`, without a line feed; its account's number, or `None` when all are written.
    pub fn write_next(&mut self, out: &mut Vec<u8>) -> Option<u64> {
        if self.next >= self.events {
            return None;
        }
        let index = self.next;
        let draw = mix(index);
        let account = if index < self.accounts { index } else { self.busy_account(draw) };
        let time = chrono::DateTime::from_timestamp_millis(self.now_ms()).unwrap_or_default();
        let user = mix(draw ^ 1) % 8;
        // A vector takes everything: writing to it cannot fail.
        let _ = write!(
            out,
            r#"{{"id":"evt_{index:012x}","time":"{}","account_id":"acct_{account:07}","#,
            time.format("%Y-%m-%dT%H:%M:%S%.3fZ")
        );
        write_kind(index < self.accounts, account, user, mix(draw ^ 2), out);
        let _ = write!(
            out,
            r#","source":"product-api","context":{{"ip":"10.{}.{}.{}","agent":"Mozilla/5.0 (X11; Linux x86_64)"}}}}"#,
            draw & 255,
            draw >> 8 & 255,
            draw >> 16 & 255
        );
        self.next += 1;
        Some(account)
    }

    /// An account: half of the draws fall evenly, half on the busier ones.
    fn busy_account(&self, draw: u64) -> u64 {
        let (even, skewed) = (mix(draw ^ 3) % self.accounts, mix(draw ^ 4) % self.accounts);
        let account = if draw.is_multiple_of(2) { even } else { skewed * skewed / self.accounts };
        // Busy accounts are scattered over the numbers.
        account.wrapping_mul(7_368_787) % self.accounts
    }
}

/// Appends type and own fields of an event.
fn write_kind(first: bool, account: u64, user: u64, draw: u64, out: &mut Vec<u8>) {
    let (plan, price) = PLANS.get((mix(account) % 4) as usize).copied().unwrap_or(("starter", 4_900));
    let who = format!(r#""user_id":"user_{account:07}_{user}""#);
    let _ = match if first { 1000 } else { draw % 1000 } {
        0..700 => {
            let feature = FEATURES.get((draw >> 32) as usize % FEATURES.len()).copied().unwrap_or("api.request");
            write!(out, r#""type":"feature.used",{who},"feature":"{feature}","quantity":{}"#, 1 + draw % 5)
        }
        700..900 => write!(out, r#""type":"session.started",{who},"duration_s":{}"#, 30 + draw % 5000),
        900..940 => {
            write!(
                out,
                r#""type":"invoice.paid","amount":{price},"currency":"USD","attempt":1,"invoice":"in_{draw:016x}""#
            )
        }
        940..945 => {
            write!(
                out,
                r#""type":"invoice.payment_failed","amount":{price},"currency":"USD","attempt":{}"#,
                1 + draw % 3
            )
        }
        945..960 => write!(out, r#""type":"nps.responded",{who},"score":{},"survey":"relationship""#, draw % 11),
        960..980 => write!(
            out,
            r#""type":"limit.reached",{who},"limit":"api_calls","used":{},"allowed":10000"#,
            10_000 + draw % 500
        ),
        980..992 => write!(
            out,
            r#""type":"user.added",{who},"role":"{}""#,
            if draw.is_multiple_of(3) { "champion" } else { "member" }
        ),
        992..996 => write!(out, r#""type":"user.deactivated",{who}"#),
        996..1000 => write!(
            out,
            r#""type":"subscription.changed","subscription":"sub_{account:07}","plan":"{plan}","mrr":{},"currency":"USD""#,
            price + price / 10
        ),
        _ => write!(
            out,
            r#""type":"subscription.started","subscription":"sub_{account:07}","plan":"{plan}","mrr":{price},"currency":"USD","interval":"month""#
        ),
    };
}
