//! K6: how many people use the product, and how often.

use super::retention::share;

/// Stickiness: daily over monthly active users, in [0, 1]. `None` when nobody was active.
///
/// ```
/// use churnwatch::engine::kpis::engagement::stickiness;
/// assert_eq!(stickiness(200, 1_000), Some(0.2));
/// assert_eq!(stickiness(0, 0), None);
/// ```
#[must_use]
pub fn stickiness(daily: i64, monthly: i64) -> Option<f64> {
    share(daily, monthly)
}
