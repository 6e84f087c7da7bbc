//! K1, K2: how many customers stay.
//!
//! Counts are of paying accounts over one period; a ratio without a denominator is undefined, not 0.

/// Customer retention rate: `(end - acquired) / start`.
///
/// Those who come back within the period make it larger, up to above 1: they are shown apart. `None` when nobody paid at
/// the start.
///
/// ```
/// use churnwatch::engine::kpis::retention::customer_retention;
/// // 100 at the start, 8 lost, 12 acquired: 104 at the end.
/// assert_eq!(customer_retention(100, 104, 12), Some(0.92));
/// assert_eq!(customer_retention(0, 5, 5), None);
/// ```
#[must_use]
pub fn customer_retention(start: i64, end: i64, acquired: i64) -> Option<f64> {
    share(end - acquired, start)
}

/// Customer churn rate: `lost / start`, of those who paid at the start.
///
/// Who joins or comes back within the period and leaves again is in neither number. `None` when nobody paid at the start.
///
/// ```
/// use churnwatch::engine::kpis::retention::customer_churn;
/// assert_eq!(customer_churn(100, 8), Some(0.08));
/// assert_eq!(customer_churn(100, 0), Some(0.0));
/// assert_eq!(customer_churn(0, 0), None);
/// ```
#[must_use]
pub fn customer_churn(start: i64, lost: i64) -> Option<f64> {
    share(lost, start)
}

/// `part / whole`; `None` when `whole` is not above 0.
#[must_use]
#[allow(clippy::cast_precision_loss)] // counts and minor units below 2^53
pub fn share(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
