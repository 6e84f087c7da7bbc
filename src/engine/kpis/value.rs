//! K5: what a customer is worth.
//!
//! Worth is told in minor units of the reporting currency, life in months. Without churn in the period, neither life nor
//! lifetime value can be told from it: they are undefined, not without bounds.

use super::retention::share;

/// Average revenue per account: MRR over paying accounts, in minor units. `None` when nobody pays.
///
/// ```
/// use churnwatch::engine::kpis::value::arpa;
/// assert_eq!(arpa(90_000, 30), Some(3_000.0));
/// assert_eq!(arpa(0, 0), None);
/// ```
#[must_use]
pub fn arpa(mrr_minor: i64, customers: i64) -> Option<f64> {
    share(mrr_minor, customers)
}

/// Average customer lifetime in months: the months of the period over its customer churn. `None` at churn 0.
///
/// ```
/// use churnwatch::engine::kpis::value::lifetime_months;
/// assert_eq!(lifetime_months(0.05, 1), Some(20.0));
/// assert_eq!(lifetime_months(0.15, 3), Some(20.0));
/// assert_eq!(lifetime_months(0.0, 1), None);
/// ```
#[must_use]
pub fn lifetime_months(churn: f64, months: u16) -> Option<f64> {
    (churn > 0.0).then(|| f64::from(months) / churn)
}

/// Customer lifetime value in minor units: `arpa x margin x lifetime`, which is `arpa x margin / monthly churn`.
///
/// ```
/// use churnwatch::engine::kpis::value::lifetime_value;
/// assert_eq!(lifetime_value(3_000.0, 0.75, 20.0), 45_000.0);
/// ```
#[must_use]
pub fn lifetime_value(arpa_minor: f64, margin: f64, lifetime_months: f64) -> f64 {
    arpa_minor * margin * lifetime_months
}
