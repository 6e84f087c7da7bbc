//! The curve of silences: how likely a silence is to go on, measured in the account's own expected gaps.
//!
//! A Kaplan-Meier (product-limit) estimate over the whole fleet, with forgetting (Kaplan and Meier 1958). A silence of
//! `g` days of an account expected on `rate` days a day has lasted `u = rate x g` expected gaps; `u` falls into one of
//! [`BINS`] bins, four to a doubling. Every bin that a silence newly reaches was at risk once; a silence that ends, ends
//! in its bin. Strata by the number of active days before the silence: who was active once and who was active for months
//! fall silent differently.

/// Strata by active days: 0, 1, 2, 3-4, 5-8, 9-16, 17 and more.
pub const STRATA: usize = 7;
/// Bins of silence, from 2^-5 to 2^11 expected gaps.
pub const BINS: usize = 64;

const BINS_PER_DOUBLING: f64 = 4.0;
/// Doublings below one expected gap at which the first bin begins.
const DOUBLINGS_BELOW: f64 = 5.0;
/// Weight of the pooled curve in each stratum, in silences.
const POOLED_WEIGHT: f64 = 20.0;
const HAZARD_MIN: f64 = 1e-5;
const HAZARD_MAX: f64 = 0.98;

/// How silences end: for each stratum the log of the share of silences that outlast each bin.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Hazards by stratum and bin: of the silences that reach the bin, the share that ends in it.
    hazards: Box<[[f64; BINS]; STRATA]>,
    /// `sum of ln(1 - hazard)` over the bins before; derived.
    survival: Box<[[f64; BINS + 1]; STRATA]>,
}

/// Sums over silences from which the curve follows; they add up over partitions.
#[derive(Clone, Debug, PartialEq)]
pub struct CurveSums {
    /// Silences that ended, by stratum and bin.
    pub ended: Box<[[f64; BINS]; STRATA]>,
    /// Silences that reached the bin.
    pub reached: Box<[[f64; BINS]; STRATA]>,
}

impl Default for CurveSums {
    fn default() -> CurveSums {
        CurveSums { ended: Box::new([[0.0; BINS]; STRATA]), reached: Box::new([[0.0; BINS]; STRATA]) }
    }
}

/// The stratum of an account with this many active days.
#[must_use]
pub fn stratum(active_days: u32) -> usize {
    match active_days {
        0..=2 => active_days as usize,
        3..=4 => 3,
        5..=8 => 4,
        9..=16 => 5,
        _ => 6,
    }
}

/// Where `gaps` expected gaps lie among the bins, with the fraction; below 0 before the first.
fn place(gaps: f64) -> f64 {
    (libm::log2(gaps) + DOUBLINGS_BELOW) * BINS_PER_DOUBLING
}

/// How many bins a silence of `gaps` expected gaps has reached.
#[must_use]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // held to the number of bins
pub fn bins_reached(gaps: f64) -> usize {
    if gaps <= 0.0 { 0 } else { (place(gaps).max(0.0) as usize).min(BINS - 1) + 1 }
}

impl Default for Curve {
    /// The shipped curve: silences of accounts with a steady rate end as those of a Poisson process would, except that
    /// some accounts have gone for good, the fewer the more active days they have shown.
    fn default() -> Curve {
        let mut hazards = Box::new([[0.0; BINS]; STRATA]);
        for (stratum, row) in hazards.iter_mut().enumerate() {
            let gone_before = GONE.get(stratum).copied().unwrap_or_default();
            let mut begin = 0.0;
            for (bin, hazard) in (1_u32..).zip(row) {
                let end = libm::exp2(f64::from(bin) / BINS_PER_DOUBLING - DOUBLINGS_BELOW);
                let outlast = |gaps: f64| gone_before + (1.0 - gone_before) / (1.0 + gaps / SPREAD).powi(2);
                *hazard = 1.0 - outlast(end) / outlast(begin);
                begin = end;
            }
        }
        Curve::of(hazards)
    }
}

/// Share of silences that never end in the shipped curve, by stratum.
const GONE: [f64; STRATA] = [0.5, 0.45, 0.3, 0.2, 0.12, 0.08, 0.05];
/// In expected gaps: gaps of the shipped curve vary as a gamma mixture of exponentials with shape 2 does.
const SPREAD: f64 = 2.0;

impl Curve {
    /// The curve of these hazards, each held to [1e-5, 0.98].
    #[must_use]
    pub fn of(mut hazards: Box<[[f64; BINS]; STRATA]>) -> Curve {
        let mut survival = Box::new([[0.0; BINS + 1]; STRATA]);
        for (hazards, survival) in hazards.iter_mut().zip(&mut *survival) {
            let mut sum = 0.0;
            for (hazard, after) in hazards.iter_mut().zip(survival.iter_mut().skip(1)) {
                *hazard = if hazard.is_finite() { hazard.clamp(HAZARD_MIN, HAZARD_MAX) } else { HAZARD_MIN };
                sum += libm::log1p(-*hazard);
                *after = sum;
            }
        }
        Curve { hazards, survival }
    }

    /// The hazards, by stratum and bin.
    #[must_use]
    pub fn hazards(&self) -> &[[f64; BINS]; STRATA] {
        &self.hazards
    }

    /// `ln` of the share of silences that outlast `gaps` expected gaps, linear within a bin.
    fn log_survival(&self, stratum: usize, gaps: f64) -> f64 {
        let Some(row) = self.survival.get(stratum) else { return 0.0 };
        if gaps <= 0.0 {
            return 0.0;
        }
        let place = place(gaps).clamp(0.0, BINS as f64);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // held to the number of bins
        let bin = (place as usize).min(BINS - 1);
        let at = |bin: usize| row.get(bin).copied().unwrap_or_default();
        at(bin) + (place - bin as f64) * (at(bin + 1) - at(bin))
    }

    /// Log-odds that a silence which has lasted `gaps` expected gaps goes on for `further` more.
    ///
    /// `P = S(gaps + further) / S(gaps)`, the conditional survival, held to [1e-4, 1 - 1e-4].
    ///
    /// ```
    /// use churnwatch::engine::fleet::curve::{CurveSums, stratum};
    /// let mut sums = CurveSums::default();
    /// // A thousand silences of regulars: 900 end within one expected gap, the others go on for good.
    /// (0..900).for_each(|_| sums.silence(stratum(20), 0.0, 1.0, true));
    /// (0..100).for_each(|_| sums.silence(stratum(20), 0.0, 64.0, false));
    /// let curve = sums.fit();
    /// let odds = |gaps: f64| curve.log_odds_of_silence(stratum(20), gaps, 8.0);
    /// // Fresh, about one silence in ten goes on; past one gap, nearly all of those left do.
    /// assert!((odds(0.0) + 9.0_f64.ln()).abs() < 0.1, "{}", odds(0.0));
    /// assert!(odds(2.0) > 3.0, "{}", odds(2.0));
    /// ```
    #[must_use]
    pub fn log_odds_of_silence(&self, stratum: usize, gaps: f64, further: f64) -> f64 {
        let log_p = self.log_survival(stratum, gaps + further) - self.log_survival(stratum, gaps);
        let p = libm::exp(log_p).clamp(1e-4, 1.0 - 1e-4);
        libm::log(p / (1.0 - p))
    }
}

impl CurveSums {
    /// Adds the growth of a silence from `before` to `after` expected gaps; `ended` when it ended there.
    pub fn silence(&mut self, stratum: usize, before: f64, after: f64, ended: bool) {
        let reached = bins_reached(after);
        let (Some(at_risk), Some(ends)) = (self.reached.get_mut(stratum), self.ended.get_mut(stratum)) else { return };
        at_risk.iter_mut().take(reached).skip(bins_reached(before)).for_each(|count| *count += 1.0);
        if let (true, Some(count)) = (ended, ends.get_mut(reached.saturating_sub(1))) {
            *count += 1.0;
        }
    }

    /// Adds the silences of another partition.
    pub fn merge(&mut self, other: &CurveSums) {
        let add = |sums: &mut [[f64; BINS]; STRATA], more: &[[f64; BINS]; STRATA]| {
            sums.as_flattened_mut().iter_mut().zip(more.as_flattened()).for_each(|(sum, more)| *sum += more);
        };
        add(&mut self.ended, &other.ended);
        add(&mut self.reached, &other.reached);
    }

    /// Forgets: every sum is multiplied by `factor`.
    pub fn fade(&mut self, factor: f64) {
        self.ended.as_flattened_mut().iter_mut().for_each(|sum| *sum *= factor);
        self.reached.as_flattened_mut().iter_mut().for_each(|sum| *sum *= factor);
    }

    /// Silences that have ended, with forgetting.
    #[must_use]
    pub fn ended_len(&self) -> f64 {
        self.ended.as_flattened().iter().sum()
    }

    /// The curve that fits: over all strata `h0 = (ended + 0.02) / (reached + 0.4)`, in each
    /// `h = (ended + 20 h0) / (reached + 20)`.
    #[must_use]
    pub fn fit(&self) -> Curve {
        let mut hazards = Box::new([[0.0; BINS]; STRATA]);
        for bin in 0..BINS {
            let sum = |rows: &[[f64; BINS]; STRATA]| rows.iter().filter_map(|row| row.get(bin)).sum::<f64>();
            let pooled = (sum(&self.ended) + 0.02) / (sum(&self.reached) + 0.4);
            for ((hazards, ended), reached) in hazards.iter_mut().zip(&*self.ended).zip(&*self.reached) {
                if let (Some(hazard), Some(ended), Some(reached)) =
                    (hazards.get_mut(bin), ended.get(bin), reached.get(bin))
                {
                    *hazard = (ended + POOLED_WEIGHT * pooled) / (reached + POOLED_WEIGHT);
                }
            }
        }
        Curve::of(hazards)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_curve_is_one_of_growing_doubt() {
        let curve = Curve::default();
        for stratum in 0..STRATA {
            let odds: Vec<f64> =
                [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 32.0].map(|gaps| curve.log_odds_of_silence(stratum, gaps, 4.0)).to_vec();
            assert!(odds.is_sorted(), "{stratum}: {odds:?}");
        }
        // Regulars come back sooner than those who came once.
        assert!(curve.log_odds_of_silence(6, 1.0, 4.0) < curve.log_odds_of_silence(1, 1.0, 4.0));
    }

    #[test]
    fn bins_are_reached_in_order_and_none_beyond_the_last() {
        assert_eq!(bins_reached(0.0), 0);
        assert_eq!(bins_reached(0.001), 1);
        assert_eq!(bins_reached(1.0), 21);
        assert_eq!(bins_reached(2.0), 25);
        assert_eq!(bins_reached(f64::MAX), BINS);
    }

    #[test]
    fn a_growing_silence_reaches_each_bin_once() {
        let mut by_day = CurveSums::default();
        (0..40).for_each(|day| by_day.silence(3, f64::from(day) * 0.3, f64::from(day + 1) * 0.3, day == 39));
        let mut at_once = CurveSums::default();
        at_once.silence(3, 0.0, 12.0, true);
        assert_eq!(by_day, at_once);
        assert!((by_day.ended_len() - 1.0).abs() < 1e-12);
    }
}
