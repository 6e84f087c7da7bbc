//! The rules in force: everything configurable that the engine's output depends on.
//!
//! Part of the function that the engine computes, so their [`Rules::hash`] stands in every commit record and on every
//! alert. Built from configuration by `config`; ranges are checked there, from the same declarations.

use std::sync::Arc;

use super::exclusions::Exclusions;
use super::fleet::Population;
use super::playbook::Playbooks;
use super::rates::{Rates, Valuation};
use super::signals::{PARAMETERS_MAX, SIGNALS};
use crate::units::calendar::Zone;
use crate::units::{Currency, HOUR_MS, Money, Span, stable_hash};

/// The rules in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Churn is foretold for this long ahead (28 days).
    pub horizon: Span,
    /// The clock stays this far behind what the sources have reached, so that stragglers are not late (10 minutes).
    pub lateness: Span,
    /// Events may be this far ahead of their record's timestamp (1 hour).
    pub future_skew: Span,
    /// An event id seen again within this time of its account's activity is a duplicate (1 hour).
    pub dedup_window: Span,
    /// Who does not count (nobody is left out).
    pub exclusions: Exclusions,
    /// The trait that splits the fleet into segments; `plan` is the subscription's plan.
    pub segment_by: String,
    /// Distinct segments shown; accounts of further ones count as `other` (50).
    pub segments_max: usize,
    /// Money is reported in this currency.
    pub currency: Currency,
    /// What money of other currencies is worth in [`Rules::currency`].
    pub rates: Rates,
    /// By which calendar and which traits KPIs are reckoned.
    pub kpis: KpiRules,
    /// How the risk is reckoned.
    pub risk: RiskRules,
    /// Bands by probability.
    pub bands: BandRules,
    /// Health is published when the risk moved by this much since it was last published (0.1).
    pub health_step: f64,
    /// A signal this strong raises an alert of its own, while its account is on watch (0.4).
    pub alert_enter: f64,
    /// Its alert closes when it is weaker than this and the account is below `at_risk` (0.25).
    pub alert_exit: f64,
    /// After closing, an alert of the same type waits this long (7 days).
    pub alert_cooldown: Span,
    /// When silence is held since everybody is silent.
    pub guard: GuardRules,
    /// Who acts on alerts, by which plan, and how they may be closed (none).
    pub playbooks: Arc<Playbooks>,
    /// Settings of each signal, in the order of [`SIGNALS`].
    pub signals: Vec<SignalRules>,
}

/// By which calendar and which traits KPIs are reckoned.
#[derive(Clone, Debug, PartialEq)]
pub struct KpiRules {
    /// Months, quarters and years are those of this zone (UTC).
    pub time_zone: Zone,
    /// Traits that KPIs are shown by in reports, beside [`Rules::segment_by`] (plan, industry, region, employees, channel).
    pub dimensions: Vec<String>,
    /// A sign-up should be through its onboarding after so many days (30).
    pub onboarding_days: u16,
}

impl Default for KpiRules {
    fn default() -> KpiRules {
        let dimensions = ["channel", "employees", "industry", "plan", "region"].map(str::to_owned).to_vec();
        KpiRules { time_zone: Zone::UTC, dimensions, onboarding_days: 30 }
    }
}

/// How the risk is reckoned.
#[derive(Clone, Debug, PartialEq)]
pub struct RiskRules {
    /// What leaving means.
    pub target: Target,
    /// Whether weights learned from outcomes replace the defaults.
    pub learning: Learning,
    /// Weights for accounts with a subscription, until enough has been learned.
    pub subscribed: DefaultWeights,
    /// Weights for the others, likewise.
    pub unsubscribed: DefaultWeights,
}

/// What leaving means: what the risk is a probability of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Of accounts with a subscription, that it ends; of the others, that they fall silent.
    Auto,
    /// That every subscription ends within the horizon.
    Cancellation,
    /// That no usage follows throughout the horizon.
    Silence,
}

impl Target {
    /// All of them.
    pub const ALL: [Target; 3] = [Target::Auto, Target::Cancellation, Target::Silence];

    /// Stable name, as the configuration and model files write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Target::Auto => "auto",
            Target::Cancellation => "cancellation",
            Target::Silence => "silence",
        }
    }
}

/// What happens with outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learning {
    /// Weights are learned from them, and used once there are enough.
    On,
    /// Weights learned before are used; nothing more is learned.
    Frozen,
    /// The default weights hold.
    Off,
}

impl Learning {
    /// All of them.
    pub const ALL: [Learning; 3] = [Learning::On, Learning::Frozen, Learning::Off];

    /// Stable name, as the configuration and model files write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Learning::On => "on",
            Learning::Frozen => "frozen",
            Learning::Off => "off",
        }
    }
}

/// Default weights of the terms that tell how little activity is to be expected: see [`crate::engine::risk`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DefaultWeights {
    /// Risk, as a logit, of an account about which nothing speaks.
    pub base_logit: f64,
    /// Weight of the expected activity by the 14-day rate.
    pub activity_14: f64,
    /// Weight of the expected activity by the 182-day rate.
    pub activity_182: f64,
    /// Weight of the log-odds that the present silence goes on throughout the horizon.
    pub silence: f64,
    /// Share of the signals' own weights. Where leaving means falling silent, much of what they tell is told already.
    pub signals: f64,
}

impl RiskRules {
    /// The default weights for a population.
    #[must_use]
    pub fn defaults(&self, population: Population) -> &DefaultWeights {
        match population {
            Population::Subscribed => &self.subscribed,
            Population::Unsubscribed => &self.unsubscribed,
        }
    }
}

/// When silence is held: see [`crate::engine::guard`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GuardRules {
    /// Held while fewer accounts are active than this share of what is usual; 0: never.
    pub share: f64,
    /// For no longer than this.
    pub hold_max: Span,
}

/// Enter and exit levels of the bands above `healthy`, as probabilities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BandRules {
    /// `watch`.
    pub watch: Level,
    /// `at_risk`.
    pub at_risk: Level,
    /// `critical`.
    pub critical: Level,
    /// A band is left for a better one only after the risk stayed below its exit level this long.
    pub dwell: Span,
}

/// Where a band begins and where it ends; `exit` below `enter` keeps an account from flapping.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Entered at this risk.
    pub enter: f64,
    /// Left below this risk.
    pub exit: f64,
}

/// Settings of one signal.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalRules {
    /// Off: the signal neither judges nor explains.
    pub enabled: bool,
    /// Logit added at full strength.
    pub weight: f64,
    /// Values of its declared parameters, in declared order.
    pub parameters: [f64; PARAMETERS_MAX],
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            horizon: Span::from_days(28),
            lateness: Span::from_ms(600_000),
            future_skew: Span::from_hours(1),
            dedup_window: Span::from_hours(1),
            exclusions: Exclusions::default(),
            segment_by: "plan".to_owned(),
            segments_max: 50,
            currency: Currency::USD,
            rates: Rates::default(),
            kpis: KpiRules::default(),
            risk: RiskRules {
                target: Target::Auto,
                learning: Learning::On,
                subscribed: DefaultWeights {
                    base_logit: -2.7,
                    activity_14: 0.7,
                    activity_182: 0.7,
                    silence: 0.2,
                    signals: 1.0,
                },
                unsubscribed: DefaultWeights {
                    base_logit: 0.0,
                    activity_14: 1.0 / 3.0,
                    activity_182: 1.0 / 3.0,
                    silence: 1.0 / 3.0,
                    signals: 0.25,
                },
            },
            bands: BandRules {
                watch: Level { enter: 0.25, exit: 0.20 },
                at_risk: Level { enter: 0.50, exit: 0.40 },
                critical: Level { enter: 0.75, exit: 0.65 },
                dwell: Span::from_days(2),
            },
            health_step: 0.1,
            alert_enter: 0.4,
            alert_exit: 0.25,
            alert_cooldown: Span::from_days(7),
            guard: GuardRules { share: 0.25, hold_max: Span::from_days(7) },
            playbooks: Arc::default(),
            signals: SIGNALS.iter().map(|signal| signal.declaration.defaults()).collect(),
        }
    }
}

impl Rules {
    /// Stable hash of every rule: equal hashes, equal outputs for equal input.
    #[must_use]
    pub fn hash(&self) -> u64 {
        // Debug output names every field and prints floats exactly; it is stable within a version of the product.
        stable_hash(format!("{self:?}").as_bytes())
    }
}

impl Rules {
    /// An account may be judged so far ahead of the clock, at the time of its own latest event: what has been read of one
    /// source ahead of the others says nothing about what has not been read of them. The lateness allowed, and an hour for
    /// the steps in which the clock moves.
    #[must_use]
    pub fn ahead(&self) -> Span {
        Span::from_ms(self.lateness.ms() + HOUR_MS)
    }

    /// How amounts are valued and dated.
    #[must_use]
    pub fn valuation(&self) -> Valuation<'_> {
        Valuation { zone: self.kpis.time_zone, currency: self.currency, rates: &self.rates }
    }

    /// `money` in minor units of the reporting currency at the latest rate, rounded to the nearest; `None` when no rate is
    /// configured.
    #[must_use]
    pub fn in_reporting_currency(&self, money: Money) -> Option<i64> {
        self.valuation().latest(money)
    }
}
