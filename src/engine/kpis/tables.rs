//! What the accounts of a partition add up to: by period and segment, by activation cohort, by day.
//!
//! Kept by differences as accounts change, and equal at any moment to a recount. Everything here adds up over partitions
//! and instances. Shared with whoever shows it: a change copies only the group it touches, and only while somebody still
//! looks at the old one. Bounded: groups by `segments_max`, months and days by the believed range of time.

use std::sync::Arc;

use compact_str::CompactString;

use super::days::{Days, Tally};
use super::flows::{Cell, MonthFlow, cells};
use crate::engine::facts::book::Doubt;
use crate::units::calendar::{Length, Month, Period};
use crate::units::stable_hash;

/// Where accounts of segments beyond the most that are shown are counted.
pub const OTHER: &str = "other";
/// Classes of values by hash: two values of one class wait for each other where places are scarce.
const FOLDED: usize = 256;

/// `value` of a trait as the name of a segment: one that is `other` by itself is told apart from what is told together.
#[must_use]
pub fn named(value: &str) -> &str {
    if value == OTHER { "other (value)" } else { value }
}

/// What the accounts of a partition add up to.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Tables {
    /// By trait: first the one that splits the gauges, then those of reports.
    pub dimensions: Vec<Dimension>,
    /// By the month in which the accounts first paid, ascending; only months are told apart in them.
    pub cohorts: Vec<(Month, Arc<Group>)>,
    /// By day.
    pub days: Days,
    /// How often billing contradicted itself, by [`Doubt`].
    pub doubts: [i64; Doubt::ALL.len()],
    /// Movements and terms that are not told one by one any more.
    pub left_out: i64,
}

/// The accounts by the value of one trait.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Dimension {
    /// By value, in order of first appearance; one that nobody has any more gives up its place.
    pub groups: Vec<(CompactString, Arc<Group>)>,
    /// How much [`OTHER`] holds of the values of a hash, in 256 classes; empty where it never held anything. While it
    /// holds anything of a value, that value gets no place of its own: what was put there has to be taken out there.
    pub folded: Vec<i64>,
}

/// What the accounts of one segment or cohort add to periods in which their MRR moved.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Group {
    /// By [`Length`] of the period, then by the month in which it happens, ascending; none of them is nothing.
    periods: [Vec<(Month, Cell)>; Length::ALL.len()],
}

/// Where a group stands at a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Standing {
    /// Paying accounts at its start.
    pub customers: i64,
    /// MRR at its start, in minor units of the reporting currency.
    pub mrr_minor: i64,
    /// What happens within it.
    pub cell: Cell,
}

/// Everything that one account adds.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Contribution {
    /// Its value of each dimension.
    pub segments: Vec<CompactString>,
    /// When it first paid; `None` while it has not.
    pub activated: Option<Month>,
    /// The months in which its MRR moved.
    pub flows: Vec<MonthFlow>,
    /// What it adds to days.
    pub tallies: Vec<Tally>,
    /// How often its billing contradicted itself.
    pub doubts: [u32; Doubt::ALL.len()],
    /// What is not told one by one any more.
    pub left_out: u32,
}

impl Tables {
    /// Adds (`sign` 1) or takes out (-1) what an account contributes.
    pub fn apply(&mut self, account: &Contribution, sign: i64, segments_max: usize) {
        self.days.apply(&account.tallies, sign);
        for (sum, count) in self.doubts.iter_mut().zip(account.doubts) {
            *sum += i64::from(count) * sign;
        }
        self.left_out += i64::from(account.left_out) * sign;
        let Some(activated) = account.activated else { return };
        if self.dimensions.len() < account.segments.len() {
            self.dimensions.resize_with(account.segments.len(), Dimension::default);
        }
        for length in Length::ALL {
            for (month, cell) in cells(&account.flows, activated, length) {
                for (dimension, segment) in self.dimensions.iter_mut().zip(&account.segments) {
                    dimension.apply(segment, segments_max, sign, |group| group.apply(length, month, &cell, sign));
                }
                if length == Length::Month {
                    self.change_cohort(activated, |group| group.apply(length, month, &cell, sign));
                }
            }
        }
    }

    fn change_cohort(&mut self, activated: Month, change: impl FnOnce(&mut Group)) {
        let index = match self.cohorts.binary_search_by_key(&activated, |(month, _)| *month) {
            Ok(index) => index,
            Err(index) => {
                self.cohorts.insert(index, (activated, Arc::default()));
                index
            }
        };
        if let Some((_, group)) = self.cohorts.get_mut(index) {
            change(Arc::make_mut(group));
        }
    }

    /// Adds those of another partition.
    pub fn merge(&mut self, other: &Tables) {
        if self.dimensions.len() < other.dimensions.len() {
            self.dimensions.resize_with(other.dimensions.len(), Dimension::default);
        }
        for (dimension, others) in self.dimensions.iter_mut().zip(&other.dimensions) {
            for (name, group) in &others.groups {
                dimension.change(name, |known| known.merge(group));
            }
        }
        for (month, group) in &other.cohorts {
            self.change_cohort(*month, |known| known.merge(group));
        }
        self.days.merge(&other.days);
        for (sum, count) in self.doubts.iter_mut().zip(other.doubts) {
            *sum += count;
        }
        self.left_out += other.left_out;
    }

    /// All accounts together.
    #[must_use]
    pub fn total(&self) -> Group {
        let mut total = Group::default();
        for (_, group) in self.dimensions.first().map(|dimension| dimension.groups.as_slice()).unwrap_or_default() {
            total.merge(group);
        }
        total
    }

    /// The same in one order and without what is nothing: two that say the same are then equal.
    #[must_use]
    pub fn normal(&self) -> Tables {
        let mut tables = self.clone();
        for dimension in &mut tables.dimensions {
            dimension.groups.retain(|(_, group)| !group.is_empty());
            dimension.groups.sort_by(|one, other| one.0.cmp(&other.0));
            dimension.folded.clear();
        }
        tables.dimensions.retain(|dimension| !dimension.groups.is_empty());
        tables.cohorts.retain(|(_, group)| !group.is_empty());
        tables.days = tables.days.normal();
        tables
    }
}

impl Dimension {
    /// Changes what accounts of `value` add, by adding (`sign` 1) or taking out (-1); where no place is free, in [`OTHER`].
    fn apply(&mut self, value: &str, groups_max: usize, sign: i64, change: impl FnOnce(&mut Group)) {
        if self.index(value).is_some() {
            return self.change(value, change);
        }
        let class = usize::try_from(stable_hash(value.as_bytes()) % FOLDED as u64).unwrap_or(0);
        let is_folded = self.folded.get(class).is_some_and(|held| *held != 0);
        let taken = self.groups.len() - usize::from(self.index(OTHER).is_some());
        if !is_folded && taken < groups_max {
            return self.change(value, change);
        }
        self.folded.resize(FOLDED, 0);
        if let Some(held) = self.folded.get_mut(class) {
            *held += sign;
        }
        self.change(OTHER, change);
    }

    /// Changes the group of `name`, which begins with that, and ends where nothing is left of it.
    fn change(&mut self, name: &str, change: impl FnOnce(&mut Group)) {
        let index = self.index(name).unwrap_or_else(|| {
            self.groups.push((name.into(), Arc::default()));
            self.groups.len() - 1
        });
        if let Some((_, group)) = self.groups.get_mut(index) {
            let group = Arc::make_mut(group);
            change(group);
            if group.is_empty() {
                self.groups.remove(index);
            }
        }
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.groups.iter().position(|(known, _)| known == name)
    }
}

impl Group {
    /// What each month adds to its period of `length`, ascending.
    #[must_use]
    pub fn of(&self, length: Length) -> &[(Month, Cell)] {
        self.periods.get(length as usize).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether nothing ever moved.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.periods.iter().all(Vec::is_empty)
    }

    /// Adds (`sign` 1) or takes out (-1) what `month` adds to its period of `length`.
    pub fn apply(&mut self, length: Length, month: Month, cell: &Cell, sign: i64) {
        let Some(periods) = self.periods.get_mut(length as usize) else { return };
        match periods.binary_search_by_key(&month, |(known, _)| *known) {
            Ok(index) => {
                if let Some((_, known)) = periods.get_mut(index) {
                    known.add(cell, sign);
                    if *known == Cell::default() {
                        periods.remove(index);
                    }
                }
            }
            Err(index) => {
                let mut known = Cell::default();
                known.add(cell, sign);
                if known != Cell::default() {
                    periods.insert(index, (month, known));
                }
            }
        }
    }

    /// Adds another group.
    pub fn merge(&mut self, other: &Group) {
        for length in Length::ALL {
            for (month, cell) in other.of(length) {
                self.apply(length, *month, cell, 1);
            }
        }
    }

    /// The first month in which anything moved.
    #[must_use]
    pub fn first(&self) -> Option<Month> {
        self.of(Length::Month).first().map(|(month, _)| *month)
    }

    /// Where it stands at `period`, all of it.
    #[must_use]
    pub fn at(&self, period: Period) -> Standing {
        self.so_far(period, period.last())
    }

    /// Where it stands at `period`, as of the end of `month` if that comes before the end of the period: what is told of
    /// later months, their rates above all, is not in it.
    #[must_use]
    pub fn so_far(&self, period: Period, month: Month) -> Standing {
        let until = month.min(period.last());
        let mut standing = Standing::default();
        for (_, cell) in self.of(period.length).iter().take_while(|(of, _)| *of < period.first) {
            standing.customers += cell.grown();
            standing.mrr_minor = standing.mrr_minor.wrapping_add(cell.grown_minor());
        }
        standing.cell = self.within(period, until);
        standing
    }

    /// Where it stands at the period before the one of `length` that `month` is in, and at that one as of the end of `month`.
    #[must_use]
    pub fn before_and_at(&self, length: Length, month: Month) -> [Standing; 2] {
        let period = length.of(month);
        let before = self.at(period.previous());
        let cell = self.within(period, month);
        [before, Standing { customers: before.customers_end(), mrr_minor: before.mrr_end_minor(), cell }]
    }

    /// What happens in `period` up to the end of `until`.
    fn within(&self, period: Period, until: Month) -> Cell {
        let cells = self.of(period.length);
        let from = cells.partition_point(|(month, _)| *month < period.first);
        let mut sum = Cell::default();
        let within = cells.iter().skip(from).take_while(|(month, _)| *month <= until);
        within.for_each(|(_, cell)| sum.add(cell, 1));
        sum
    }

    /// Paying accounts at the ends of `count` months from `first` on, and their MRR, that of each at the rates of the month
    /// in which it first paid: what stays of a cohort.
    #[must_use]
    pub fn ends(&self, first: Month, count: u16) -> Vec<(i64, i64)> {
        let mut ends = Vec::with_capacity(usize::from(count));
        let (mut customers, mut minor) = (0, 0_i64);
        let mut cells = self.of(Length::Month).iter().peekable();
        for month in (first.number()..).take(usize::from(count)) {
            while let Some((_, cell)) = cells.next_if(|(of, _)| of.number() <= month) {
                customers += cell.grown();
                minor = minor.wrapping_add(cell.grown_steady_minor);
            }
            ends.push((customers, minor));
        }
        ends
    }

    /// Where it stands at each of `count` periods that end with `last`, in order.
    #[must_use]
    pub fn over(&self, last: Period, count: u16) -> Vec<(Period, Standing)> {
        let mut period = last;
        let mut periods: Vec<Period> = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            periods.push(period);
            period = period.previous();
        }
        periods.into_iter().rev().map(|period| (period, self.at(period))).collect()
    }
}

impl Standing {
    /// Paying accounts at the end.
    #[must_use]
    pub fn customers_end(&self) -> i64 {
        self.customers + self.cell.grown()
    }

    /// MRR at the end, in minor units of the reporting currency.
    #[must_use]
    pub fn mrr_end_minor(&self) -> i64 {
        self.mrr_minor.wrapping_add(self.cell.grown_minor())
    }

    /// Of the accounts that paid at the start, the MRR that is still there, at most what it was: what GRR counts.
    #[must_use]
    pub fn kept_minor(&self) -> i64 {
        self.mrr_minor - self.cell.gone_minor
    }

    /// Of the same accounts, all their MRR at the end: what NRR counts.
    #[must_use]
    pub fn opening_end_minor(&self) -> i64 {
        self.mrr_minor + self.cell.opening_change_minor
    }

    /// Adds another one of the same period.
    pub fn add(&mut self, other: &Standing) {
        self.customers += other.customers;
        self.mrr_minor = self.mrr_minor.wrapping_add(other.mrr_minor);
        self.cell.add(&other.cell, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An account that pays from January on.
    fn account(value: &str) -> Contribution {
        let january = Month::new(2026, 1);
        let flow = MonthFlow { month: january, end_minor: 100, pays: true, ..MonthFlow::default() };
        let segments = vec![value.into()];
        Contribution { segments, activated: Some(january), flows: vec![flow], ..Contribution::default() }
    }

    /// What was told together is taken out there, even when its value could have a place meanwhile.
    #[test]
    fn a_value_that_nobody_has_any_more_gives_up_its_place() {
        let mut tables = Tables::default();
        let mut shown = |changes: &[(i64, &str)]| {
            for (sign, value) in changes {
                tables.apply(&account(value), *sign, 2);
            }
            let customers = |group: &Group| group.at(Length::Month.of(Month::new(2026, 1))).customers_end();
            let groups = &tables.dimensions[0].groups;
            groups.iter().map(|(name, group)| format!("{name} {}", customers(group))).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(shown(&[(1, "a"), (1, "b"), (1, "c"), (1, "d")]), "a 1, b 1, other 2");
        assert_eq!(shown(&[(-1, "a")]), "b 1, other 2");
        // `c` waits until nothing of it is told together.
        assert_eq!(shown(&[(1, "c")]), "b 1, other 3");
        assert_eq!(shown(&[(1, "e"), (-1, "c")]), "b 1, other 2, e 1");
        assert_eq!(shown(&[(-1, "e"), (-1, "c"), (1, "c")]), "b 1, other 1, c 1");
        assert_eq!(shown(&[(-1, "d"), (-1, "c"), (-1, "b")]), "");
    }
}
