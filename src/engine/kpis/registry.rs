//! The registry of KPIs: what each is called, what it means, where it comes from, and how it is reckoned.
//!
//! Configuration (targets, owners), reports, metrics of targets and `docs/kpis.md` follow from it. A new KPI is one entry
//! here and its formula in the file of its family. Ids are stable: they stand in configurations, metrics and rules.

use std::ops::RangeInclusive;

use super::engagement::stickiness;
use super::figures::Figures;
use super::renewals::renewal_rate;
use super::retention::{customer_churn, customer_retention};
use super::revenue::{annual, gross_retention, net_retention, net_revenue_churn, quick_ratio, revenue_churn};
use super::satisfaction::{csat, nps, response_rate};
use super::starts::{drop_off, onboarding_rate, trial_conversion};
use super::value::{arpa, lifetime_months, lifetime_value};
use crate::engine::facts::book::Flow;

/// A KPI.
#[derive(Debug)]
pub struct Kpi {
    /// Stable snake-case id.
    pub id: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// What it is measured in.
    pub unit: Unit,
    /// Where a target of it can lie, ends included.
    ///
    /// ```
    /// use churnwatch::engine::kpis::registry::find;
    /// let takes = |id: &str, target: f64| find(id).unwrap().targets.contains(&target);
    /// assert!(takes("nrr", 1.2) && !takes("nrr", 120.0));
    /// assert!(takes("net_revenue_churn", -0.05) && !takes("grr", -0.05));
    /// ```
    pub targets: RangeInclusive<f64>,
    /// Which way is good.
    pub better: Better,
    /// What it covers.
    pub span: Span,
    /// How it is reckoned, in one line.
    pub formula: &'static str,
    /// What to know at its edges, in one or two sentences.
    pub edges: &'static str,
    /// The data that it comes from, unless the configuration says more.
    pub source: &'static str,
    /// Who answers for it, unless the configuration names somebody.
    pub owner: &'static str,
    /// The metrics that it is reckoned from.
    pub metrics: &'static [&'static str],
    /// The panel of the retention overview that shows it, by its title.
    pub panel: &'static str,
    /// Its value, in its unit (shares as such, not in percent); `None` where it is undefined.
    pub value: fn(&Figures) -> Option<f64>,
}

/// A part of a whole.
const WHOLE: RangeInclusive<f64> = 0.0..=1.0;
/// A share that may grow beyond the whole.
const GROWING: RangeInclusive<f64> = 0.0..=3.0;
/// What is lost less what is won.
const NET: RangeInclusive<f64> = -2.0..=1.0;
/// Points for and against.
const POINTS: RangeInclusive<f64> = -100.0..=100.0;
/// Amounts, counts, months and multiples.
const ANY: RangeInclusive<f64> = 0.0..=f64::INFINITY;

/// What a KPI is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A share, shown in percent.
    Share,
    /// A multiple.
    Times,
    /// Major units of the reporting currency.
    Amount,
    /// People or accounts.
    Count,
    /// Months.
    Months,
    /// Points from -100 to 100.
    Points,
}

impl Unit {
    /// Its name in documents and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Unit::Share => "share",
            Unit::Times => "times",
            Unit::Amount => "amount",
            Unit::Count => "count",
            Unit::Months => "months",
            Unit::Points => "points",
        }
    }
}

/// Which way is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// More is.
    Higher,
    /// Less is.
    Lower,
}

/// What a KPI covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// A month, quarter or year.
    Period,
    /// The present, with the window that its formula names.
    Present,
}

/// The KPI of `id`.
#[must_use]
pub fn find(id: &str) -> Option<&'static Kpi> {
    KPIS.iter().find(|kpi| kpi.id == id)
}

impl Kpi {
    /// Its recording rules begin with this.
    #[must_use]
    pub fn rule(&self) -> String {
        format!("churnwatch:{}:", self.id)
    }

    /// How far from `baseline` to `target` the value has come: 0 at the baseline, 1 at the target, held to [0, 1]. Without
    /// a baseline, how near it is to the target.
    ///
    /// ```
    /// use churnwatch::engine::kpis::registry::find;
    /// let churn = find("customer_churn_rate").unwrap();
    /// // From 6 % down to 4 % on the way to 2 %: half the way.
    /// assert!((churn.progress(0.04, 0.02, Some(0.06)) - 0.5).abs() < 1e-9);
    /// assert_eq!(churn.progress(0.01, 0.02, Some(0.06)), 1.0);
    /// assert_eq!(churn.progress(0.04, 0.02, None), 0.5);
    /// assert_eq!(find("mrr").unwrap().progress(75.0, 100.0, None), 0.75);
    /// ```
    #[must_use]
    pub fn progress(&self, value: f64, target: f64, baseline: Option<f64>) -> f64 {
        if self.is_reached(value, target) {
            return 1.0;
        }
        let share = match (baseline.filter(|baseline| !self.is_reached(*baseline, target)), self.better) {
            (Some(baseline), _) => (value - baseline) / (target - baseline),
            (None, Better::Higher) if target > 0.0 => value / target,
            (None, Better::Lower) if value > 0.0 => target / value,
            _ => 0.0,
        };
        share.clamp(0.0, 1.0)
    }

    /// Whether the target is reached.
    #[must_use]
    pub fn is_reached(&self, value: f64, target: f64) -> bool {
        match self.better {
            Better::Higher => value >= target,
            Better::Lower => value <= target,
        }
    }
}

const BILLING: &str = "subscription events";
const USAGE: &str = "usage events";
const FINANCE: &str = "finance";
const SUCCESS: &str = "customer success";
const PRODUCT: &str = "product";
const MARKETING: &str = "marketing";

const MOVEMENTS: &[&str] = &["churnwatch_period_mrr_movements_amount", "churnwatch_period_mrr_start_amount"];
const MRR: &[&str] = &["churnwatch_mrr_amount"];
const LOSSES: &[&str] = &["churnwatch_period_customers_start", "churnwatch_period_customers_lost"];
const USERS: &[&str] = &["churnwatch_active_users"];
const RENEWALS: &[&str] = &["churnwatch_renewals_due", "churnwatch_renewals_renewed"];
const RENEWALS_AMOUNT: &[&str] = &["churnwatch_renewals_due_amount", "churnwatch_renewals_renewed_amount"];
const SURVEYS: &[&str] = &["churnwatch_surveys_sent", "churnwatch_surveys_answered"];

/// Every KPI, in the order of reports.
#[rustfmt::skip] // a table, a few lines a KPI
pub static KPIS: &[Kpi] = &[
    Kpi {
        id: "crr", title: "Customer retention rate", unit: Unit::Share, targets: GROWING,
        better: Better::Higher, span: Span::Period,
        formula: "(customers at the end - acquired) / customers at the start",
        edges: "Undefined when nobody paid at the start. Customers who return within the period make it larger, up to above 100 %; they are shown apart.",
        source: BILLING, owner: SUCCESS,
        metrics: &["churnwatch_period_customers_end", "churnwatch_period_customers_acquired", "churnwatch_period_customers_start"],
        panel: "Customer retention rate",
        value: |f| customer_retention(f.ledger.customers, f.ledger.customers_end(), f.ledger.cell.acquired),
    },
    Kpi {
        id: "customer_churn_rate", title: "Customer churn rate", unit: Unit::Share, targets: WHOLE,
        better: Better::Lower, span: Span::Period,
        formula: "customers at the start who do not pay at the end / customers at the start",
        edges: "Undefined when nobody paid at the start. Who joins or returns within the period and leaves again is in neither number. The annual rate is that of the calendar year, not twelve months added up.",
        source: BILLING, owner: SUCCESS, metrics: LOSSES, panel: "Customer churn",
        value: |f| customer_churn(f.ledger.customers, f.ledger.cell.lost),
    },
    Kpi {
        id: "mrr", title: "Monthly recurring revenue", unit: Unit::Amount, targets: ANY,
        better: Better::Higher, span: Span::Period,
        formula: "sum of the monthly amounts of all running subscriptions at the end",
        edges: "Trials and paused subscriptions are 0, a year is twelve months; refunds are cash and no movement. At the rates of the month; the gauge is live and at the last rates.",
        source: BILLING, owner: FINANCE, metrics: MRR, panel: "MRR",
        value: |f| Some(f.whole_major(f.ledger.mrr_end_minor())),
    },
    Kpi {
        id: "arr", title: "Annual recurring revenue", unit: Unit::Amount, targets: ANY,
        better: Better::Higher, span: Span::Period,
        formula: "12 x MRR",
        edges: "A rate, not a forecast: it holds as long as nothing moves.",
        source: BILLING, owner: FINANCE, metrics: MRR, panel: "ARR",
        value: |f| Some(f.whole_major(annual(f.ledger.mrr_end_minor()))),
    },
    Kpi {
        id: "grr", title: "Gross revenue retention", unit: Unit::Share, targets: WHOLE,
        better: Better::Higher, span: Span::Period,
        formula: "sum over customers at the start of min(MRR at the start, MRR at the end) / MRR at the start",
        edges: "At most 100 %. It compares start and end of each customer, so it is (start - churned - contraction) / start but for what is made good within the period: who is won back, or pays less after having paid more, has lost only what is gone at the end, and who joined within it has lost nothing. Undefined without MRR at the start. What rates do (fx) is left out.",
        source: BILLING, owner: SUCCESS,
        metrics: &["churnwatch_period_opening_mrr_kept_amount", "churnwatch_period_mrr_start_amount"],
        panel: "Gross revenue retention",
        value: |f| gross_retention(f.ledger.mrr_minor, f.ledger.kept_minor()),
    },
    Kpi {
        id: "nrr", title: "Net revenue retention", unit: Unit::Share, targets: GROWING,
        better: Better::Higher, span: Span::Period,
        formula: "MRR at the end of the customers at the start / MRR at the start",
        edges: "Above 100 % where expansion outweighs what is lost. Undefined without MRR at the start. What rates do (fx) is left out.",
        source: BILLING, owner: SUCCESS,
        metrics: &["churnwatch_period_opening_mrr_end_amount", "churnwatch_period_mrr_start_amount"],
        panel: "Net revenue retention",
        value: |f| net_retention(f.ledger.mrr_minor, f.ledger.opening_end_minor()),
    },
    Kpi {
        id: "revenue_churn", title: "Revenue churn", unit: Unit::Share, targets: WHOLE,
        better: Better::Lower, span: Span::Period,
        formula: "(churned + contraction) / MRR at the start",
        edges: "Counts movements, so that customers who join and leave within the period are in it. Undefined without MRR at the start. What rates do (fx) is left out.",
        source: BILLING, owner: SUCCESS, metrics: MOVEMENTS, panel: "Revenue churn",
        value: |f| revenue_churn(f.ledger.mrr_minor, f.moved_minor(Flow::Churned), f.moved_minor(Flow::Contraction)),
    },
    Kpi {
        id: "net_revenue_churn", title: "Net revenue churn", unit: Unit::Share, targets: NET,
        better: Better::Lower, span: Span::Period,
        formula: "(churned + contraction - expansion - reactivation) / MRR at the start",
        edges: "Negative where more was won back than lost. Undefined without MRR at the start. What rates do (fx) is left out.",
        source: BILLING, owner: SUCCESS, metrics: MOVEMENTS, panel: "Net revenue churn",
        value: |f| net_revenue_churn(f.ledger.mrr_minor, f.lost_minor(), f.won_back_minor()),
    },
    Kpi {
        id: "arpa", title: "Average revenue per account", unit: Unit::Amount, targets: ANY,
        better: Better::Higher, span: Span::Period,
        formula: "MRR / customers, at the end",
        edges: "Undefined when nobody pays.",
        source: BILLING, owner: FINANCE, metrics: &["churnwatch_mrr_amount", "churnwatch_paying_customers"],
        panel: "ARPA",
        value: |f| arpa(f.ledger.mrr_end_minor(), f.ledger.customers_end()).map(|minor| f.major(minor)),
    },
    Kpi {
        id: "ltv", title: "Customer lifetime value", unit: Unit::Amount, targets: ANY,
        better: Better::Higher, span: Span::Period,
        formula: "ARPA x margin x lifetime",
        edges: "Undefined when nobody left in the period: that says nothing about how long customers stay; nor is it told of a running period, whose churn is not that of a whole one. Of a small period it jumps; use the quarter or the year. The recording rule has MRR, customers and margin, and takes customers at the start and lost ones by way of that of `lifetime`.",
        source: BILLING, owner: FINANCE,
        metrics: &[
            "churnwatch_period_mrr_end_amount", "churnwatch_period_customers_end", "churnwatch_kpi_margin",
            "churnwatch_period_customers_start", "churnwatch_period_customers_lost",
        ],
        panel: "Customer lifetime value",
        value: |f| {
            let arpa = arpa(f.ledger.mrr_end_minor(), f.ledger.customers_end())?;
            Some(f.major(lifetime_value(arpa, f.margin, lifetime(f)?)))
        },
    },
    Kpi {
        id: "lifetime", title: "Average customer lifetime", unit: Unit::Months, targets: ANY,
        better: Better::Higher, span: Span::Period,
        formula: "months of the period / customer churn rate",
        edges: "Undefined when nobody left in the period, and while the period is running.",
        source: BILLING, owner: SUCCESS, metrics: LOSSES, panel: "Customer lifetime",
        value: lifetime,
    },
    Kpi {
        id: "quick_ratio", title: "Quick ratio", unit: Unit::Times, targets: ANY,
        better: Better::Higher, span: Span::Period,
        formula: "(new + expansion + reactivation) / (churned + contraction)",
        edges: "Undefined when nothing was lost. What rates do (fx) is left out.",
        source: BILLING, owner: FINANCE, metrics: &["churnwatch_period_mrr_movements_amount"], panel: "Quick ratio",
        value: |f| quick_ratio(f.moved_minor(Flow::New) + f.won_back_minor(), f.lost_minor()),
    },
    Kpi {
        id: "dau", title: "Daily active users", unit: Unit::Count, targets: ANY,
        better: Better::Higher, span: Span::Present,
        formula: "distinct users seen on the present day (UTC)",
        edges: "A user of two accounts counts in both. Above 128 users an account's count is an estimate.",
        source: USAGE, owner: PRODUCT, metrics: USERS, panel: "Active users",
        value: |f| active(f, 0),
    },
    Kpi {
        id: "wau", title: "Weekly active users", unit: Unit::Count, targets: ANY,
        better: Better::Higher, span: Span::Present,
        formula: "distinct users seen in the 7 days that end with the present one",
        edges: "As for daily active users.",
        source: USAGE, owner: PRODUCT, metrics: USERS, panel: "Active users",
        value: |f| active(f, 1),
    },
    Kpi {
        id: "mau", title: "Monthly active users", unit: Unit::Count, targets: ANY,
        better: Better::Higher, span: Span::Present,
        formula: "distinct users seen in the 30 days that end with the present one",
        edges: "As for daily active users.",
        source: USAGE, owner: PRODUCT, metrics: USERS, panel: "Active users",
        value: |f| active(f, 2),
    },
    Kpi {
        id: "stickiness", title: "Stickiness", unit: Unit::Share, targets: WHOLE,
        better: Better::Higher, span: Span::Present,
        formula: "daily active users / monthly active users",
        edges: "Undefined when nobody was active for 30 days. Days of use are UTC: on one that has just begun, as at the end of a date west of Greenwich, it is low.",
        source: USAGE, owner: PRODUCT, metrics: USERS, panel: "Stickiness",
        value: |f| {
            let [daily, _, monthly] = f.live.active_users;
            stickiness(daily, monthly)
        },
    },
    Kpi {
        id: "onboarding_rate", title: "Onboarding rate", unit: Unit::Share, targets: WHOLE,
        better: Better::Higher, span: Span::Present,
        formula: "sign-ups of the latest 90 days that were through their onboarding within kpis.onboarding_days / those old enough",
        edges: "An account signs up with its first usage, trial or subscription, whichever comes first. Undefined while no sign-up is old enough.",
        source: "onboarding steps, usage, trials and subscriptions", owner: PRODUCT,
        metrics: &["churnwatch_signups_onboarded", "churnwatch_signups_onboarding_due"], panel: "Onboarding",
        value: |f| onboarding_rate(f.sign_ups.onboarding_due, f.sign_ups.onboarded),
    },
    Kpi {
        id: "seven_day_dropoff", title: "Seven-day drop-off", unit: Unit::Share, targets: WHOLE,
        better: Better::Lower, span: Span::Present,
        formula: "sign-ups of the latest 90 days without usage after their first 7 days / those 14 days old",
        edges: "Who comes back later, however late, has not dropped off. Undefined while no sign-up is old enough.",
        source: USAGE, owner: PRODUCT,
        metrics: &["churnwatch_signups_dropped_off", "churnwatch_signups_dropoff_due"], panel: "Onboarding",
        value: |f| drop_off(f.sign_ups.drop_off_due, f.sign_ups.dropped_off),
    },
    Kpi {
        id: "renewal_rate", title: "Renewal rate", unit: Unit::Share, targets: WHOLE,
        better: Better::Higher, span: Span::Period,
        formula: "terms renewed / terms that ended, by count",
        edges: "A term is due from the beginning of its last date; later ones are left out. A subscription that goes on after its term was renewed; one that is cancelled before, or within 30 days after, was not, whatever it does later. Undefined when nothing was due.",
        source: "subscription events with term_ends_at", owner: SUCCESS, metrics: RENEWALS, panel: "Renewal rate",
        value: |f| renewal_rate(f.renewals.due, f.renewals.renewed),
    },
    Kpi {
        id: "renewal_rate_value", title: "Renewal rate by value", unit: Unit::Share, targets: WHOLE,
        better: Better::Higher, span: Span::Period,
        formula: "MRR of terms renewed / MRR of terms that ended",
        edges: "At the MRR at the end of the term, before the renewal, so that a dearer renewal makes it no larger, nor a later change of price. Otherwise as by count.",
        source: "subscription events with term_ends_at", owner: SUCCESS, metrics: RENEWALS_AMOUNT, panel: "Renewal rate by value",
        value: |f| renewal_rate(f.renewals.due_minor, f.renewals.renewed_minor),
    },
    Kpi {
        id: "trial_conversion", title: "Trial conversion", unit: Unit::Share, targets: WHOLE,
        better: Better::Higher, span: Span::Present,
        formula: "trials that converted, as told or by paying / trials that have ended, since the beginning of the log",
        edges: "A trial converts when trial.converted says so, whether or not a subscription is known, or when its account first pays an MRR above 0 and does so after it began. It ends when it converts, expires, or its end has come; one without a known end, after 90 days, and is counted as endless. An end before the trial begins, or more than a year later, is none; one that converts or expires before any start began then: both are counted. Undefined while none has ended.",
        source: "trial and subscription events", owner: MARKETING,
        metrics: &["churnwatch_trials_converted", "churnwatch_trials_ended"], panel: "Trial conversion",
        value: |f| trial_conversion(f.trials.ended, f.trials.converted),
    },
    Kpi {
        id: "nps", title: "Net promoter score", unit: Unit::Points, targets: POINTS,
        better: Better::Higher, span: Span::Present,
        formula: "100 x (promoters - detractors) / respondents",
        edges: "The latest answer of each user, for 180 days, whether or not the account has left since: without those who leave unhappy it would flatter. Of an account the latest 20 answers. Undefined without answers.",
        source: "nps.responded", owner: SUCCESS, metrics: &["churnwatch_nps_respondents"], panel: "NPS",
        value: |f| {
            let [promoters, passives, detractors] = f.voices.nps;
            nps(promoters, passives, detractors)
        },
    },
    Kpi {
        id: "csat", title: "Customer satisfaction", unit: Unit::Share, targets: WHOLE,
        better: Better::Higher, span: Span::Present,
        formula: "users whose latest rating is 4 or 5 of 5 / users who rated",
        edges: "For 180 days, likewise of accounts that have left; of an account the latest 12 ratings. Undefined without ratings.",
        source: "csat.responded", owner: SUCCESS, metrics: &["churnwatch_csat_respondents"], panel: "CSAT",
        value: |f| {
            let [satisfied, neutral, dissatisfied] = f.voices.csat;
            csat(satisfied, neutral, dissatisfied)
        },
    },
    Kpi {
        id: "nps_response_rate", title: "NPS response rate", unit: Unit::Share, targets: WHOLE,
        better: Better::Higher, span: Span::Present,
        formula: "NPS answers / NPS surveys sent, in the latest 90 days",
        edges: "A survey that does not say which it is counts as one of NPS. All answers count, of each user more than one. At most 100 %. Undefined when nobody was asked.",
        source: "survey.sent, nps.responded", owner: SUCCESS, metrics: SURVEYS, panel: "Response rate",
        value: |f| response(f, 0),
    },
    Kpi {
        id: "csat_response_rate", title: "CSAT response rate", unit: Unit::Share, targets: WHOLE,
        better: Better::Higher, span: Span::Present,
        formula: "CSAT answers / CSAT surveys sent, in the latest 90 days",
        edges: "At most 100 %. Undefined when nobody was asked.",
        source: "survey.sent with survey csat, csat.responded", owner: SUCCESS, metrics: SURVEYS, panel: "Response rate",
        value: |f| response(f, 1),
    },
];

fn lifetime(figures: &Figures) -> Option<f64> {
    let churn = customer_churn(figures.ledger.customers, figures.ledger.cell.lost).filter(|_| figures.is_complete)?;
    lifetime_months(churn, figures.period.length.months())
}

#[allow(clippy::cast_precision_loss)] // users
fn active(figures: &Figures, window: usize) -> Option<f64> {
    figures.live.active_users.get(window).map(|users| *users as f64)
}

fn response(figures: &Figures, survey: usize) -> Option<f64> {
    response_rate(*figures.voices.sent.get(survey)?, *figures.voices.answered.get(survey)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_every_entry_says_all_there_is_to_say() {
        for (index, kpi) in KPIS.iter().enumerate() {
            assert!(KPIS.iter().skip(index + 1).all(|other| other.id != kpi.id), "{}", kpi.id);
            assert!(kpi.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{}", kpi.id);
            for text in [kpi.title, kpi.formula, kpi.edges, kpi.source, kpi.owner, kpi.panel] {
                assert!(!text.is_empty(), "{}", kpi.id);
            }
            assert!(!kpi.metrics.is_empty(), "{}", kpi.id);
        }
        let ids: Vec<&str> = KPIS.iter().map(|kpi| kpi.id).collect();
        assert_eq!(
            ids.join(", "),
            "crr, customer_churn_rate, mrr, arr, grr, nrr, revenue_churn, net_revenue_churn, arpa, ltv, lifetime, \
             quick_ratio, dau, wau, mau, stickiness, onboarding_rate, seven_day_dropoff, renewal_rate, \
             renewal_rate_value, trial_conversion, nps, csat, nps_response_rate, csat_response_rate"
        );
    }
}
