//! The traits of customers, counted so that the best of them can be told from the rest once all are known.
//!
//! The best are those who pay most, and how much that is shows only when every partition has been counted: so each value
//! of a trait counts its accounts by class of revenue. Bounded: [`KEYS_MAX`] traits, of each [`VALUES_MAX`] values;
//! what is beyond is counted, whatever the order of arrival.

use std::collections::BTreeMap;

use compact_str::CompactString;

use super::behaviour::BEHAVIOURS;
use super::member::Member;
use crate::engine::effect::Band;
use crate::engine::kpis::contribution::{UNKNOWN, segment};

/// Calendar months since the month of the first payment from which a customer is compared: before, nobody can tell.
pub const TENURE_MONTHS_MIN: u16 = 6;
/// Traits that are counted, those by behaviour among them; of more, the first by name.
pub const KEYS_MAX: usize = 64;
/// Values of one trait that are told apart; a trait of more is no trait but a name, and its values are let go.
pub const VALUES_MAX: usize = 256;

/// Whose word a trait is. Ordered as reports show them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// `account.updated` or the plan of the subscription.
    Stated,
    /// What the account did: [`BEHAVIOURS`].
    Behaviour,
}

/// A trait: whose word it is, and its name.
pub type Key = (Origin, CompactString);

/// Classes of MRR, eight to each doubling: close enough that a class holds hardly more than one price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RevenueClass(pub u16);

impl RevenueClass {
    /// The class of an amount in minor units; that of 0 for less.
    ///
    /// ```
    /// use churnwatch::engine::census::traits::RevenueClass;
    /// let class = |minor| RevenueClass::of(minor).0;
    /// assert_eq!([0, 1, 15, 16, 17, 18].map(class), [0, 1, 15, 16, 16, 17]);
    /// assert_eq!(class(20_000) - class(10_000), 8);
    /// ```
    #[must_use]
    #[allow(clippy::cast_possible_truncation)] // below 16 and 8 x 60
    pub fn of(minor: i64) -> RevenueClass {
        let minor = minor.max(0).unsigned_abs();
        let shift = minor.checked_ilog2().unwrap_or(0).saturating_sub(3);
        RevenueClass((8 * shift) as u16 + (minor >> shift) as u16)
    }
}

/// Where a customer of [`TENURE_MONTHS_MIN`] stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// It pays and is not at risk: it may be one of the best.
    Sound(RevenueClass),
    /// It pays and is at risk or critical.
    AtRisk,
    /// It pays nothing any more.
    Gone,
}

/// Customers by where they stand.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Held {
    /// The sound ones by class of revenue, none of them none.
    pub sound: BTreeMap<RevenueClass, u64>,
    /// All others.
    pub others: u64,
}

/// The customers who have a value of one trait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values {
    /// By value.
    Told(BTreeMap<CompactString, Held>),
    /// There were more than [`VALUES_MAX`] values: how many customers have one.
    TooMany(u64),
}

/// The traits of all customers of [`TENURE_MONTHS_MIN`], present and past.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Traits {
    /// The sound ones: how many, and the least that one of them pays, in minor units, by class of revenue.
    pub sound: BTreeMap<RevenueClass, (u64, i64)>,
    /// Those at risk or critical.
    pub at_risk: u64,
    /// Those who pay nothing any more.
    pub gone: u64,
    /// Customers of less tenure, who are not compared.
    pub young: u64,
    /// The customers by trait.
    pub keys: BTreeMap<Key, Values>,
    /// Statements of traits past [`KEYS_MAX`].
    pub left_out: u64,
}

impl Held {
    fn add(&mut self, stand: Stand) {
        match stand {
            Stand::Sound(class) => *self.sound.entry(class).or_default() += 1,
            Stand::AtRisk | Stand::Gone => self.others += 1,
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.sound.values().sum::<u64>() + self.others
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn merge(&mut self, other: &Held) {
        for (class, accounts) in &other.sound {
            *self.sound.entry(*class).or_default() += accounts;
        }
        self.others += other.others;
    }
}

impl Values {
    /// How many customers have one of them.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Values::Told(values) => values.values().map(Held::len).sum(),
            Values::TooMany(accounts) => *accounts,
        }
    }

    /// Whether nobody has any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn merge(&mut self, other: &Values) {
        match (&mut *self, other) {
            (Values::Told(values), Values::Told(others)) => {
                for (value, held) in others {
                    values.entry(value.clone()).or_default().merge(held);
                }
            }
            _ => *self = Values::TooMany(self.len() + other.len()),
        }
        self.bound();
    }

    fn bound(&mut self) {
        if matches!(self, Values::Told(values) if values.len() > VALUES_MAX) {
            *self = Values::TooMany(self.len());
        }
    }
}

impl Traits {
    /// Counts an account, if it is a customer or was one.
    pub fn count(&mut self, member: &Member<'_>) {
        let Some(activated) = member.activated else { return };
        if member.month.since(activated) < TENURE_MONTHS_MIN {
            self.young += 1;
            return;
        }
        let stand = match member.pays_minor {
            ..=0 => Stand::Gone,
            _ if member.account.judgement.band >= Band::AtRisk => Stand::AtRisk,
            minor => Stand::Sound(RevenueClass::of(minor)),
        };
        match stand {
            Stand::Sound(class) => self.add_sound(class, 1, member.pays_minor),
            Stand::AtRisk => self.at_risk += 1,
            Stand::Gone => self.gone += 1,
        }
        for behaviour in BEHAVIOURS {
            if let Some(class) = (behaviour.class)(member) {
                self.note(Origin::Behaviour, behaviour.key, class, stand);
            }
        }
        let stated = member.account.profile.as_deref().map(|profile| profile.traits.as_slice()).unwrap_or_default();
        let mut has_plan = false;
        for (key, _) in stated {
            has_plan |= key == "plan";
            self.note(Origin::Stated, key, &segment(member.account, key), stand);
        }
        let plan = segment(member.account, "plan");
        if !has_plan && plan != UNKNOWN {
            self.note(Origin::Stated, "plan", &plan, stand);
        }
    }

    fn add_sound(&mut self, class: RevenueClass, accounts: u64, least_minor: i64) {
        let (known, least) = self.sound.entry(class).or_insert((0, least_minor));
        *known += accounts;
        *least = (*least).min(least_minor);
    }

    fn note(&mut self, origin: Origin, key: &str, value: &str, stand: Stand) {
        let values = self.keys.entry((origin, key.into())).or_insert_with(|| Values::Told(BTreeMap::new()));
        match values {
            Values::Told(values) => values.entry(value.into()).or_default().add(stand),
            Values::TooMany(accounts) => *accounts += 1,
        }
        values.bound();
        self.bound();
    }

    /// Lets go of stated traits past the most that are counted: the last by name, so that what went never returns.
    fn bound(&mut self) {
        while self.keys.len() > KEYS_MAX {
            let last = self.keys.keys().rfind(|(origin, _)| *origin == Origin::Stated).cloned();
            let Some(values) = last.and_then(|key| self.keys.remove(&key)) else { return };
            self.left_out += values.len();
        }
    }

    /// Adds those of another partition.
    pub fn merge(&mut self, other: &Traits) {
        for (class, (accounts, least_minor)) in &other.sound {
            self.add_sound(*class, *accounts, *least_minor);
        }
        self.at_risk += other.at_risk;
        self.gone += other.gone;
        self.young += other.young;
        self.left_out += other.left_out;
        for (key, values) in &other.keys {
            self.keys.entry(key.clone()).or_insert_with(|| Values::Told(BTreeMap::new())).merge(values);
        }
        self.bound();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: Stand = Stand::Sound(RevenueClass(7));

    fn traits(notes: impl Iterator<Item = (String, String)>) -> Traits {
        let mut traits = Traits::default();
        notes.for_each(|(key, value)| traits.note(Origin::Stated, &key, &value, SOUND));
        traits
    }

    #[test]
    fn a_trait_of_too_many_values_is_a_name_in_whatever_parts_it_comes() {
        let notes = |from: usize, to: usize| (from..to).map(|n| ("crm_id".to_owned(), format!("value {n}")));
        let whole = traits(notes(0, 300));
        assert_eq!(whole.keys.values().next(), Some(&Values::TooMany(300)));
        let mut parts = traits(notes(0, 200));
        assert!(matches!(parts.keys.values().next(), Some(Values::Told(values)) if values.len() == 200));
        parts.merge(&traits(notes(200, 300)));
        assert_eq!(parts, whole);
        let mut reversed = traits(notes(200, 300));
        reversed.merge(&traits(notes(0, 200)));
        assert_eq!(reversed, whole);
    }

    #[test]
    fn of_a_million_traits_the_first_by_name_are_counted_and_the_rest_is_told() {
        let key = |n: usize| (format!("trait {:06}", n * 7_919 % 1_000_000), "yes".to_owned());
        let all = traits((0..1_000_000).map(key));
        assert_eq!(all.keys.len(), KEYS_MAX);
        assert_eq!(all.keys.keys().next_back().unwrap().1, format!("trait {:06}", KEYS_MAX - 1));
        assert_eq!(all.left_out, 1_000_000 - all.keys.len() as u64);
        let mut halves = traits((500_000..1_000_000).map(key));
        halves.merge(&traits((0..500_000).map(key)));
        assert_eq!(halves, all);
    }
}
