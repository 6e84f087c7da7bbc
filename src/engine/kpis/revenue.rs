//! K3, K4: how much revenue there is, and how much of it stays.
//!
//! Amounts are in minor units of the reporting currency over one period. What rates do (`fx`) is in none of the ratios.

use super::retention::share;

/// Annual recurring revenue: twelve times the monthly.
///
/// ```
/// assert_eq!(churnwatch::engine::kpis::revenue::annual(1_000), 12_000);
/// ```
#[must_use]
pub fn annual(mrr_minor: i64) -> i64 {
    mrr_minor.saturating_mul(12)
}

/// Gross revenue retention: of the accounts that paid at the start, what is still there of each, at most what it was,
/// over the MRR at the start. At most 1; `None` when there was none.
///
/// ```
/// use churnwatch::engine::kpis::revenue::gross_retention;
/// // Of 1,000 one account of 100 left, one shrank by 50, one grew by 400: what grew does not make good what is gone.
/// assert_eq!(gross_retention(1_000, 850), Some(0.85));
/// assert_eq!(gross_retention(0, 0), None);
/// ```
#[must_use]
pub fn gross_retention(start_minor: i64, kept_minor: i64) -> Option<f64> {
    share(kept_minor, start_minor)
}

/// Net revenue retention: of the accounts that paid at the start, all their MRR at the end, over that at the start. Above
/// 1 where expansion outweighs what is gone; `None` when there was none.
///
/// ```
/// use churnwatch::engine::kpis::revenue::net_retention;
/// assert_eq!(net_retention(1_000, 1_250), Some(1.25));
/// ```
#[must_use]
pub fn net_retention(start_minor: i64, opening_end_minor: i64) -> Option<f64> {
    share(opening_end_minor, start_minor)
}

/// Revenue churn: `(churned + contraction) / start`, sizes of movements. Above 1 where new customers leave within the
/// period; `None` when there was no MRR at the start.
///
/// ```
/// use churnwatch::engine::kpis::revenue::revenue_churn;
/// assert_eq!(revenue_churn(1_000, 100, 50), Some(0.15));
/// ```
#[must_use]
pub fn revenue_churn(start_minor: i64, churned_minor: i64, contraction_minor: i64) -> Option<f64> {
    share(churned_minor + contraction_minor, start_minor)
}

/// Net revenue churn: revenue churn less `(expansion + reactivation) / start`. Negative where more was won back than
/// lost; `None` when there was no MRR at the start.
///
/// ```
/// use churnwatch::engine::kpis::revenue::net_revenue_churn;
/// assert_eq!(net_revenue_churn(1_000, 150, 400), Some(-0.25));
/// ```
#[must_use]
pub fn net_revenue_churn(start_minor: i64, lost_minor: i64, won_minor: i64) -> Option<f64> {
    share(lost_minor - won_minor, start_minor)
}

/// Quick ratio: `(new + expansion + reactivation) / (churned + contraction)`. `None` when nothing was lost: it would be
/// without bounds.
///
/// ```
/// use churnwatch::engine::kpis::revenue::quick_ratio;
/// assert_eq!(quick_ratio(600, 150), Some(4.0));
/// assert_eq!(quick_ratio(600, 0), None);
/// ```
#[must_use]
pub fn quick_ratio(won_minor: i64, lost_minor: i64) -> Option<f64> {
    share(won_minor, lost_minor)
}
