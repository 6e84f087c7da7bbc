//! The best customers against the rest, trait by trait: counts, intervals, and which differences hold. Pure.

use std::cmp::Reverse;

use compact_str::CompactString;

use super::proportions::{Difference, LEVEL, Portion, Z_95, chance, difference, holm};
use super::traits::{Held, Key, RevenueClass, Traits, Values};

/// The best are about one in so many of the sound customers.
pub const BEST_ONE_IN: u64 = 4;
/// Groups of fewer, of which the trait is known, are too few for an interval.
pub const GROUP_MIN: u64 = 10;
/// A value that fewer customers have is not compared.
pub const HOLDERS_MIN: u64 = 5;

/// The best against the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Contrast {
    /// How many are the best.
    pub best: u64,
    /// All others of the same tenure: sound ones who pay less, those at risk, those who left.
    pub rest: u64,
    /// What each of the best pays at least, in minor units of the reporting currency.
    pub best_from_minor: i64,
    /// The values that at least [`HOLDERS_MIN`] customers have: those of which most can be said first.
    pub compared: Vec<Compared>,
    /// Values that fewer have.
    pub rare: u64,
}

/// One value of a trait among the best and among the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// The trait.
    pub key: Key,
    /// The value.
    pub value: CompactString,
    /// Of the best whose trait is known.
    pub best: Portion,
    /// Of the rest whose trait is known.
    pub rest: Portion,
    /// By how much the best exceed the rest, with its 95 % interval; `None` where either are fewer than [`GROUP_MIN`].
    pub difference: Option<Difference>,
    /// Whether the difference holds among all that are compared, at [`LEVEL`] by [`holm`].
    pub holds: bool,
}

impl Compared {
    /// How many times as common it is among the best as among the rest; `None` where the rest have none or it is too few.
    #[must_use]
    pub fn lift(&self) -> Option<f64> {
        let (best, rest) = (self.best.share()?, self.rest.share()?);
        (self.difference.is_some() && rest > 0.0).then(|| best / rest)
    }
}

impl Traits {
    /// Customers who are compared.
    #[must_use]
    pub fn compared_len(&self) -> u64 {
        self.sound_len() + self.at_risk + self.gone
    }

    /// Those who pay and are not at risk.
    #[must_use]
    pub fn sound_len(&self) -> u64 {
        self.sound.values().map(|(accounts, _)| accounts).sum()
    }

    /// Tells the best from the rest; `None` where there is no sound customer.
    ///
    /// The best are the sound customers from that class of revenue on with which they come nearest to one in
    /// [`BEST_ONE_IN`]; of two that come equally near, the dearer. Whoever pays the same is in the same group.
    #[must_use]
    pub fn contrast(&self) -> Option<Contrast> {
        let all = self.sound_len();
        let mut best = 0;
        // In units of 1 / BEST_ONE_IN account, so that nothing is rounded.
        let tops = self.sound.iter().rev().map(|(class, (accounts, least_minor))| {
            best += accounts;
            ((BEST_ONE_IN * best).abs_diff(all), *class, best, *least_minor)
        });
        let (_, from, best, best_from_minor) = tops.min_by_key(|(distance, class, ..)| (*distance, Reverse(*class)))?;
        let mut contrast =
            Contrast { best, rest: self.compared_len() - best, best_from_minor, compared: Vec::new(), rare: 0 };
        for (key, values) in &self.keys {
            let Values::Told(values) = values else { continue };
            let known = values.values().fold([0; 2], |sum, held| plus(sum, split(held, from)));
            for (value, held) in values {
                if held.len() < HOLDERS_MIN {
                    contrast.rare += 1;
                    continue;
                }
                let [best, rest] = split(held, from);
                let (best, rest) = (Portion { with: best, of: known[0] }, Portion { with: rest, of: known[1] });
                let is_enough = best.of >= GROUP_MIN && rest.of >= GROUP_MIN;
                contrast.compared.push(Compared {
                    key: key.clone(),
                    value: value.clone(),
                    best,
                    rest,
                    difference: difference(best, rest, Z_95).filter(|_| is_enough),
                    holds: false,
                });
            }
        }
        contrast.mark();
        Some(contrast)
    }
}

impl Contrast {
    /// Marks the differences that hold, and puts first what most can be said of.
    fn mark(&mut self) {
        let enough = || self.compared.iter().filter(|compared| compared.difference.is_some());
        let chances: Vec<f64> = enough().map(|compared| chance(compared.best, compared.rest)).collect();
        let holds = holm(&chances, LEVEL);
        let enough = self.compared.iter_mut().filter(|compared| compared.difference.is_some());
        enough.zip(holds).for_each(|(compared, holds)| compared.holds = holds);
        let value = |compared: &Compared| compared.difference.map(|difference| difference.value);
        self.compared.sort_by(|one, other| {
            let by_difference = || value(other).unwrap_or(-2.0).total_cmp(&value(one).unwrap_or(-2.0));
            let name = |compared: &Compared| (compared.key.clone(), compared.value.clone());
            other.holds.cmp(&one.holds).then_with(by_difference).then_with(|| name(one).cmp(&name(other)))
        });
    }
}

/// How many are the best, and how many the rest, when the best begin with the class `from`.
fn split(held: &Held, from: RevenueClass) -> [u64; 2] {
    let best = held.sound.range(from..).map(|(_, accounts)| accounts).sum();
    [best, held.len() - best]
}

fn plus(sum: [u64; 2], more: [u64; 2]) -> [u64; 2] {
    [sum[0] + more[0], sum[1] + more[1]]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sound customers by MRR in minor units.
    fn traits(sound: &[(i64, u64)], others: u64) -> Traits {
        let mut traits = Traits { at_risk: others, ..Traits::default() };
        for (minor, accounts) in sound {
            traits.sound.insert(RevenueClass::of(*minor), (*accounts, *minor));
        }
        traits
    }

    fn best(sound: &[(i64, u64)]) -> (u64, u64, i64) {
        let contrast = traits(sound, 5).contrast().unwrap();
        (contrast.best, contrast.rest, contrast.best_from_minor)
    }

    #[test]
    fn the_best_come_nearest_to_a_quarter_and_equal_prices_stay_together() {
        assert_eq!(best(&[(10, 6), (20, 1), (30, 1)]), (2, 11, 20));
        // Ten of forty and thirteen of forty: ten is nearer; three or seven of twenty are equally near: the dearer.
        assert_eq!(best(&[(10, 27), (20, 3), (30, 10)]), (10, 35, 30));
        assert_eq!(best(&[(10, 13), (20, 4), (30, 3)]), (3, 22, 30));
        assert_eq!(best(&[(10, 8)]), (8, 5, 10), "one price: all of them");
        assert_eq!(best(&[(10, 1), (20, 99)]), (99, 6, 20));
        assert!(traits(&[], 9).contrast().is_none());
    }
}
