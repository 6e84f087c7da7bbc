//! Keeps the totals of a partition in step with its accounts, by differences.

use std::sync::Arc;

use super::account::Account;
use super::alert;
use super::close;
use super::effect::{Band, Severity};
use super::facts::crowd::{Crowd, Seen};
use super::kpis::{
    self, Parts,
    tables::{Contribution, OTHER, Tables, named},
};
use super::rules::Rules;
use super::store::Slot;
use super::totals::{ACTIVE_DAYS, SegmentTotals, Totals};
use crate::units::Day;

/// The totals, and what each account adds to them.
#[derive(Debug, Default)]
pub struct Sums {
    /// The totals.
    pub totals: Totals,
    /// What KPIs are reckoned from.
    pub kpis: Arc<Tables>,
    counted: Vec<Counted>,
}

/// What one account adds to the totals of segments and open alerts.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
struct Counted {
    /// Index of its segment; `None`: it is not counted (not judged yet, or left).
    segment: Option<u16>,
    /// What was told of it when the segment was looked up.
    told: u32,
    band: Band,
    mrr_minor: i64,
    at_risk_minor: i64,
    /// Bit `kind` for open alerts: warnings, criticals.
    alerts: [u32; 2],
}

impl Sums {
    /// Brings what the account in `slot` adds close.
    pub fn bring_close(&self, slot: Slot) {
        close::at(&self.counted, slot.index());
    }

    /// Brings the totals in step with the account in `slot`.
    pub fn recount(&mut self, slot: Slot, account: &Account, rules: &Rules) {
        if slot.index() >= self.counted.len() {
            self.counted.resize(slot.index() + 1, Counted::default());
        }
        let known = self.counted.get(slot.index()).copied().unwrap_or_default();
        let counted = self.count(account, &known, rules);
        let Some(known) = self.counted.get_mut(slot.index()) else { return };
        let before = std::mem::replace(known, counted);
        if before != counted {
            self.totals.apply(&before, u64::wrapping_sub, i64::wrapping_sub);
            self.totals.apply(&counted, u64::wrapping_add, i64::wrapping_add);
        }
    }

    /// Takes out what the account in `slot` adds, and forgets slots from there on: it has ceased to exist.
    pub fn remove_last(&mut self, slot: Slot) {
        if let Some(known) = self.counted.get(slot.index()).copied() {
            self.totals.apply(&known, u64::wrapping_sub, i64::wrapping_sub);
            self.counted.truncate(slot.index());
        }
    }

    fn count(&mut self, account: &Account, known: &Counted, rules: &Rules) -> Counted {
        let judgement = &account.judgement;
        let Some(published) = judgement.published.filter(|_| !account.has_left()) else { return Counted::default() };
        let mrr_minor = account.mrr_minor().unwrap_or(0);
        let mut alerts = [0_u32; 2];
        for open in &judgement.alerts {
            let mask = match open.open {
                Some(Severity::Warning) => alerts.first_mut(),
                Some(Severity::Critical) => alerts.last_mut(),
                None => None,
            };
            if let Some(mask) = mask {
                *mask |= 1 << open.kind;
            }
        }
        let told = account.standing.told;
        let segment = known
            .segment
            .filter(|_| known.told == told)
            .unwrap_or_else(|| self.totals.segment(account.segment(rules), rules));
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // amounts are held below 10^13
        Counted {
            segment: Some(segment),
            told,
            band: judgement.band,
            mrr_minor,
            at_risk_minor: (f64::from(published.risk) * mrr_minor as f64).round() as i64,
            alerts,
        }
    }

    /// Brings the active users in step with a sighting of one user on `day`.
    ///
    /// `before` is the weight of the crowd's members before the sighting, `seen` what it changed.
    pub fn see_user(&mut self, users: &Crowd, before: u64, hash: u32, day: Day, seen: Seen) {
        let weight = users.weight();
        if weight != before {
            // Every member stands for more users than before: count the whole crowd anew.
            for member in users.members.iter().filter(|member| member.hash != hash) {
                self.totals.users(member.last_day, before, u64::wrapping_sub);
                self.totals.users(member.last_day, weight, u64::wrapping_add);
            }
        }
        match seen {
            Seen::Known | Seen::LeftOut => {
                if let Some(member) = users.get(hash).filter(|_| weight != before) {
                    self.totals.users(member.last_day, before, u64::wrapping_sub);
                    self.totals.users(member.last_day, weight, u64::wrapping_add);
                }
            }
            Seen::Joined => self.totals.users(day, weight, u64::wrapping_add),
            Seen::Moved(from) | Seen::Displaced(from) => {
                self.totals.users(from, before, u64::wrapping_sub);
                self.totals.users(day, weight, u64::wrapping_add);
            }
        }
    }

    /// Adds what an account has that is counted as it comes: users, MRR movements, what KPIs are reckoned from.
    pub fn add(&mut self, account: &Account, rules: &Rules) {
        self.totals.lasting(account, u64::wrapping_add, i64::wrapping_add);
        let added = kpis::contribution(account, rules, Parts::ALL);
        Arc::make_mut(&mut self.kpis).apply(&added, 1, rules.segments_max);
    }

    /// Takes the same out again.
    pub fn subtract(&mut self, account: &Account, rules: &Rules) {
        self.totals.lasting(account, u64::wrapping_sub, i64::wrapping_sub);
        let added = kpis::contribution(account, rules, Parts::ALL);
        Arc::make_mut(&mut self.kpis).apply(&added, -1, rules.segments_max);
    }

    /// Brings the tables in step with an account whose `parts` were `before`.
    pub fn contribute(&mut self, mut before: Contribution, account: &Account, parts: Parts, rules: &Rules) {
        let mut after = kpis::contribution(account, rules, parts);
        if before == after {
            return;
        }
        if parts == Parts::SEGMENTS {
            // Only where its history belongs has changed: the history is the same.
            let (was, is) = (before.segments, after.segments);
            after = kpis::contribution(account, rules, Parts::MONEY);
            before = Contribution { segments: was, ..after.clone() };
            after.segments = is;
        }
        let tables = Arc::make_mut(&mut self.kpis);
        tables.apply(&before, -1, rules.segments_max);
        tables.apply(&after, 1, rules.segments_max);
    }

    /// Books the movements by which the account's ledger has changed.
    pub fn book(&mut self, before: ([i64; 5], [u32; 5]), account: &Account) {
        self.totals.movements_of(before, u64::wrapping_sub, i64::wrapping_sub);
        self.totals.movements_of(movements(account), u64::wrapping_add, i64::wrapping_add);
    }
}

/// Amounts and numbers of the MRR movements of an account.
pub fn movements(account: &Account) -> ([i64; 5], [u32; 5]) {
    account.billing.as_ref().map(|billing| (billing.ledger.moved_minor, billing.ledger.moved)).unwrap_or_default()
}

/// Adding or taking out: sums over differences wrap around and come back.
type Of<T> = fn(T, T) -> T;

impl Totals {
    /// The index of the segment of `value`; past the most that are shown, that of [`OTHER`]. A segment that nobody is in any
    /// more gives up its place: no account knows its index.
    fn segment(&mut self, value: &str, rules: &Rules) -> u16 {
        let is_taken = |segment: &&SegmentTotals| segment.accounts.iter().any(|accounts| *accounts != 0);
        let known = |totals: &Totals, name: &str| {
            totals.segments.iter().position(|segment| segment.name == name && is_taken(&segment))
        };
        let index = known(self, named(value)).unwrap_or_else(|| {
            let own = self.segments.iter().filter(is_taken).filter(|segment| segment.name != OTHER).count();
            let name = if own < rules.segments_max { named(value) } else { OTHER };
            known(self, name).unwrap_or_else(|| {
                let segment = SegmentTotals { name: name.to_owned(), ..SegmentTotals::default() };
                let free = self.segments.iter().position(|segment| !is_taken(&segment));
                match free.and_then(|index| self.segments.get_mut(index)) {
                    Some(place) => *place = segment,
                    None => self.segments.push(segment),
                }
                free.unwrap_or(self.segments.len() - 1)
            })
        });
        u16::try_from(index).unwrap_or(u16::MAX)
    }

    fn apply(&mut self, counted: &Counted, count: Of<u64>, sum: Of<i64>) {
        let Some(segment) = counted.segment.and_then(|index| self.segments.get_mut(usize::from(index))) else { return };
        let band = counted.band as usize;
        if let Some(accounts) = segment.accounts.get_mut(band) {
            *accounts = count(*accounts, 1);
        }
        if let Some(mrr) = segment.mrr_minor.get_mut(band) {
            *mrr = sum(*mrr, counted.mrr_minor);
        }
        if let Some(at_risk) = segment.revenue_at_risk_minor.get_mut(band) {
            *at_risk = sum(*at_risk, counted.at_risk_minor);
        }
        if counted.mrr_minor > 0 {
            segment.paying = count(segment.paying, 1);
        }
        self.open_alerts.resize(alert::types_len(), [0; 2]);
        for (kind, totals) in self.open_alerts.iter_mut().enumerate() {
            for (total, mask) in totals.iter_mut().zip(counted.alerts) {
                *total = count(*total, u64::from(mask >> kind & 1));
            }
        }
    }

    fn lasting(&mut self, account: &Account, count: Of<u64>, sum: Of<i64>) {
        let weight = account.users.weight();
        for member in &account.users.members {
            self.users(member.last_day, weight, count);
        }
        self.movements_of(movements(account), count, sum);
    }

    fn movements_of(&mut self, (amounts, numbers): ([i64; 5], [u32; 5]), count: Of<u64>, sum: Of<i64>) {
        for (total, amount) in self.movements_minor.iter_mut().zip(amounts) {
            *total = sum(*total, amount);
        }
        for (total, number) in self.movements.iter_mut().zip(numbers) {
            *total = count(*total, u64::from(number));
        }
    }

    /// Counts `weight` users last seen on `day`, moving the window on where the day is new.
    fn users(&mut self, day: Day, weight: u64, count: Of<u64>) {
        if day > self.active_day {
            for passed in 1..=day.since(self.active_day).min(ACTIVE_DAYS) {
                if let Some(users) =
                    self.users_last_seen.get_mut(usize::from((self.active_day.number() + passed) % ACTIVE_DAYS))
                {
                    *users = 0;
                }
            }
            self.active_day = day;
        }
        if self.active_day.since(day) < ACTIVE_DAYS
            && let Some(users) = self.users_last_seen.get_mut(usize::from(day.number() % ACTIVE_DAYS))
        {
            *users = count(*users, weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_that_nobody_is_in_any_more_gives_up_its_place() {
        let rules = Rules { segments_max: 2, ..Rules::default() };
        let mut totals = Totals::default();
        let mut placed = Vec::new();
        for value in ["a", "b", "other", "d"] {
            let counted = Counted { segment: Some(totals.segment(value, &rules)), ..Counted::default() };
            totals.apply(&counted, u64::wrapping_add, i64::wrapping_add);
            placed.push(counted);
        }
        totals.apply(&placed[0], u64::wrapping_sub, i64::wrapping_sub);
        assert_eq!(["a", "b", "other", "d"].map(|value| totals.segment(value, &rules)), [0, 1, 0, 0]);
        let names: Vec<_> = totals.segments.iter().map(|segment| segment.name.as_str()).collect();
        assert_eq!(names, ["d", "b", "other"]);
    }
}
