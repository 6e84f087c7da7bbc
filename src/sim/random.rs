//! The simulator's dice: a keyed generator whose stream is the same on every platform and in every version.
//!
//! Only integer operations and the four exact floating-point operations (and the square root, exact as well) are used,
//! so that no library function can change a seed's company. A die is made for one purpose (account, day, topic) and
//! thrown away: nothing depends on the order in which accounts or days are generated.

/// Mixes the bits of `value` thoroughly (the finaliser of `SplitMix64`).
#[must_use]
pub fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Die {
    state: u64,
}

impl Die {
    /// The stream that belongs to `seed` and the numbers in `purpose`.
    #[must_use]
    pub fn new(seed: u64, purpose: [u64; 3]) -> Die {
        let state = purpose.iter().fold(mix(seed ^ 0x9e37_79b9_7f4a_7c15), |state, part| {
            mix(state.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ part.wrapping_mul(0xd1b5_4a32_d192_ed03))
        });
        Die { state }
    }

    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// A whole number from 0 up to, but not including, `bound`; 0 when `bound` is 0.
    #[allow(clippy::cast_possible_truncation)] // the product of two 32-bit numbers, shifted by 32, has 32 bits
    pub fn below(&mut self, bound: u32) -> u32 {
        (((self.bits() >> 32) * u64::from(bound)) >> 32) as u32
    }

    /// A whole number from `low` to `high`, both included; `low` when the range is empty.
    pub fn between(&mut self, low: i32, high: i32) -> i32 {
        let width = u32::try_from(i64::from(high) - i64::from(low) + 1).unwrap_or(0);
        low.saturating_add(i32::try_from(self.below(width)).unwrap_or(0))
    }

    /// A number in [0, 1).
    #[allow(clippy::cast_precision_loss)] // 53 bits fit
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number in [`low`, `high`).
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// About normal with mean 0 and deviation 1: the sum of four uniform numbers, scaled; never beyond 3.5.
    pub fn normal(&mut self) -> f64 {
        (self.unit() + self.unit() + self.unit() + self.unit() - 2.0) * 1.732_050_807_568_877_2
    }

    /// A Poisson number of this mean (normal approximation above 30).
    pub fn poisson(&mut self, mean: f64) -> u32 {
        if mean <= 0.0 {
            return 0;
        }
        if mean > 30.0 {
            return whole(mean + mean.sqrt() * self.normal() + 0.5);
        }
        let floor = exp(-mean);
        let mut product = self.unit();
        let mut count = 0;
        while product > floor {
            product *= self.unit();
            count += 1;
        }
        count
    }

    /// An index into weights that need not add up to one; the last one when all are 0.
    pub fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut rest = self.unit() * weights.iter().sum::<f64>();
        for (index, weight) in weights.iter().enumerate() {
            rest -= weight;
            if rest < 0.0 {
                return index;
            }
        }
        weights.len().saturating_sub(1)
    }
}

/// The exponential function by repeated squaring: exact operations only, good to a few percent between -30 and 3.
#[must_use]
pub fn exp(x: f64) -> f64 {
    let mut power = 1.0 + x / 65_536.0;
    for _ in 0..16 {
        power *= power;
    }
    power
}

/// The whole part of a number, held to what 32 bits can say.
#[must_use]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // `as` saturates, which is what is wanted
pub fn whole(value: f64) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_the_same_for_ever() {
        let mut die = Die::new(7, [1, 2, 3]);
        let drawn: Vec<u32> = (0..4).map(|_| die.below(1000)).collect();
        expect_test::expect!["[203, 7, 774, 279]"].assert_eq(&format!("{drawn:?}"));
    }

    #[test]
    fn poisson_numbers_have_their_mean() {
        let mut die = Die::new(1, [0, 0, 0]);
        for mean in [0.2, 3.0, 80.0] {
            let sum: u32 = (0..20_000).map(|_| die.poisson(mean)).sum();
            let found = f64::from(sum) / 20_000.0;
            assert!((found - mean).abs() < 0.03 * mean, "mean {mean}, found {found}");
        }
    }

    #[test]
    fn exp_is_near_the_library() {
        for x in [-25.0_f64, -3.0, -0.1, 0.0, 1.0] {
            assert!((exp(x) / x.exp() - 1.0).abs() < 0.01, "{x}");
        }
    }
}
