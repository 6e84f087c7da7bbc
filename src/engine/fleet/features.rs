//! What the risk is reckoned from: the features of one account at one moment.
//!
//! Three of them, [`Scarcity`], carry the risk before anything has been learned. The others are what has been found to
//! help where outcomes can be learned from: the shape of the account's rhythm, its size, its place in its segment, and
//! the strengths of the signals. Append only: the order is part of what has been learned.

use super::{Fleet, Population, curve};
use crate::engine::account::Account;
use crate::engine::facts::activity::Evidence;
use crate::engine::rules::Rules;
use crate::engine::signals::{Reading, SIGNALS, SIGNALS_MAX};
use crate::units::{Timestamp, stable_hash};

/// The features that are no signals, in order.
pub const FACTS: [&str; 15] = [
    "expected_activity_14d",
    "expected_activity_182d",
    "silence",
    "tenure",
    "active_days",
    "gap_spread",
    "longest_gap",
    "overdue",
    "intensity",
    "magnitude",
    "other_events",
    "distinct_features",
    "distinct_users",
    "price",
    "segment",
];

/// What each of [`FACTS`] means, in the same order.
pub const FACTS_TOLD: [&str; FACTS.len()] = [
    "How few active days the next horizon is likely to bring, by the rate that forgets within weeks.",
    "The same by the rate that forgets within half a year.",
    "How likely the present silence is to go on throughout the horizon, by all silences of such accounts.",
    "How long it has been known.",
    "On how many days it has been used.",
    "How uneven the gaps between its active days are.",
    "The longest gap between its active days.",
    "How long the present silence is in its own usual gaps.",
    "How many uses it has on an active day.",
    "How much it uses at a time, by the logarithm of the quantities.",
    "How many events other than use it has had, such as payments, answers and tickets.",
    "How many distinct features it has used.",
    "How many distinct users it has had.",
    "What it pays a month, in the reporting currency.",
    "How much less activity is to be expected of it than of its segment.",
];

/// Those of [`FACTS`] that do not follow from how the account uses the product.
const NOT_OF_USE: [&str; 4] = ["tenure", "other_events", "price", "segment"];

/// Whether the feature called `name` follows from how the account uses the product.
#[must_use]
pub fn is_of_use(name: &str) -> bool {
    FACTS.contains(&name) && !NOT_OF_USE.contains(&name)
}

/// Takes out of `terms` what hangs on how the account uses the product: where that says nothing.
pub fn leave_use_out(terms: &mut Features) {
    let of_use = terms.iter_mut().zip(FACTS).filter(|(_, name)| is_of_use(name) || *name == "segment");
    of_use.for_each(|(term, _)| *term = 0.0);
}

/// The first of [`FACTS`]: what carries the risk before anything has been learned.
pub const SCARCITY_TERMS: usize = 3;

/// All features: [`FACTS`], then the strength of each signal there may be.
pub const FEATURES: usize = FACTS.len() + SIGNALS_MAX;

/// The value of each feature.
pub type Features = [f64; FEATURES];

/// The name of the feature at `index`; `None` where no signal stands yet.
#[must_use]
pub fn name(index: usize) -> Option<&'static str> {
    let signal = || SIGNALS.get(index.checked_sub(FACTS.len())?).map(|signal| signal.declaration.name);
    FACTS.get(index).copied().or_else(signal)
}

/// How little activity is to be expected of an account: larger is riskier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scarcity {
    /// Active days to be expected within the horizon, by the 14-day and the 182-day rate.
    pub expected_days: [f64; 2],
    /// The present silence in the account's own expected gaps, measured in fleet days.
    pub gaps: f64,
    /// [`FACTS`] 0 to 2: [`expected_activity`] of each rate, and the log-odds that the silence goes on throughout the
    /// horizon.
    /// All are 0 where nothing is known.
    pub terms: [f64; SCARCITY_TERMS],
    /// Whether use says anything of its leaving: not where an account has a subscription and has never used anything.
    pub is_known: bool,
}

/// How much less an active day more counts where several are to be expected: an account expected on twenty days is
/// hardly safer than one expected on ten, while one expected on a tenth of a day is far worse than one expected on one.
const BUSY_SHARE: f64 = 0.2;

/// How few active days are to be expected within the horizon: `-ln(x)` for `x = rate x H` below 1, a fifth of it above;
/// larger is riskier. For small `x` it is the log-odds of silence throughout the horizon, `-ln(e^x - 1)`.
///
/// ```
/// use churnwatch::engine::fleet::features::expected_activity;
/// // One active day in ten is to be expected: the odds of silence are about ten to one.
/// assert!((expected_activity(0.1) - 10.0_f64.ln()).abs() < 1e-12);
/// // Four are: a fifth of -ln 4.
/// assert!((expected_activity(4.0) + 4.0_f64.ln() / 5.0).abs() < 1e-12);
/// ```
#[must_use]
pub fn expected_activity(expected_days: f64) -> f64 {
    let scarcity = -libm::log(expected_days);
    if scarcity > 0.0 { scarcity } else { scarcity * BUSY_SHARE }
}

impl Scarcity {
    /// What is to be expected of `account` from `now` on; while it rests, what was when the rest began.
    #[must_use]
    pub fn of(account: &Account, now: Timestamp, rules: &Rules, fleet: &Fleet) -> Scarcity {
        let activity = &account.activity;
        let rests_since = account.comeback().rests_since;
        let now = rests_since.map_or(now, |since| since.max(activity.last_at).min(now));
        let horizon_days = rules.horizon.days();
        let rhythm = activity.rhythm(now);
        let missing = fleet.calendar.missing(activity.first_at.min(now), now);
        let rate = |evidence: Evidence, missing: f64, prior| {
            Evidence { exposure: (evidence.exposure - missing).max(0.0), ..evidence }.rate(prior)
        };
        let expected_days =
            [rate(rhythm.short, missing[0], fleet.prior_14), rate(rhythm.long, missing[1], fleet.prior_182)]
                .map(|rate| rate * horizon_days);
        let [soon, late] = expected_days.map(expected_activity);
        let rate_before = rhythm.before.rate(fleet.prior_182);
        let quiet = if activity.is_used() { fleet.calendar.fleet_days(activity.last_day, now) } else { 0.0 };
        let gaps = rate_before * quiet;
        let stratum = curve::stratum(activity.active_days);
        let silence = fleet.curve.log_odds_of_silence(stratum, gaps, rate_before * horizon_days);
        let leaves_by_silence = Population::of(account, rules) == Population::Unsubscribed;
        let is_known = leaves_by_silence || activity.is_used();
        let terms = if is_known { [soon, late, silence] } else { [0.0; SCARCITY_TERMS] };
        Scarcity { expected_days, gaps, terms, is_known }
    }

    /// The mean of the terms: the rank that needs no weights.
    #[must_use]
    pub fn rank(&self) -> f64 {
        let [soon, late, silence] = self.terms;
        (soon + late + silence) / 3.0
    }
}

/// The hash by which a segment is known.
#[must_use]
#[allow(clippy::cast_possible_truncation)] // the low half of a good hash is a good hash
pub fn segment_hash(segment: &str) -> u32 {
    stable_hash(segment.as_bytes()) as u32
}

/// All features of `account` at `now`.
#[must_use]
pub fn read(
    account: &Account,
    now: Timestamp,
    scarcity: &Scarcity,
    readings: &[Reading; SIGNALS_MAX],
    rules: &Rules,
    fleet: &Fleet,
) -> Features {
    let activity = &account.activity;
    let gaps = activity.gaps();
    let active_days = f64::from(activity.active_days.max(1));
    let uses = f64::from(activity.uses.max(1));
    let segment_mean = fleet.segment_mean(segment_hash(account.segment(rules)));
    let minor_digits = i32::from(rules.currency.minor_digits());
    #[allow(clippy::cast_precision_loss)] // amounts are held below 10^13
    let price = account.standing.mrr_minor.max(0) as f64 / libm::pow(10.0, f64::from(minor_digits));
    let [soon, late, silence] = scarcity.terms;
    let facts: [f64; FACTS.len()] = [
        soon,
        late,
        silence,
        libm::log1p(activity.known_for(now).days().max(0.0)),
        libm::log(active_days),
        gaps.spread().unwrap_or(UNKNOWN_SPREAD),
        if gaps.count > 0 { libm::log1p(f64::from(gaps.longest)) } else { UNKNOWN_LONGEST },
        libm::log(scarcity.gaps + 0.05),
        libm::log1p(uses / active_days),
        activity.mean_magnitude(),
        libm::log1p(f64::from(activity.others)),
        libm::log1p(account.features.distinct()),
        libm::log1p(account.users.distinct()),
        libm::log1p(price),
        segment_mean.map_or(0.0, |mean| scarcity.rank() - mean),
    ];
    let mut features = [0.0; FEATURES];
    let strengths = readings.iter().map(|reading| reading.strength.unwrap_or_default().get());
    features.iter_mut().zip(facts.into_iter().chain(strengths)).for_each(|(feature, value)| *feature = value);
    features
}

/// Spread of gaps assumed where fewer than two are known.
const UNKNOWN_SPREAD: f64 = 0.7;
/// Logarithm of the longest gap assumed where none is known: about three weeks.
const UNKNOWN_LONGEST: f64 = 3.0;
