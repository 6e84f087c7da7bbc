//! The keys of the risk: what leaving means, what happens with outcomes, and the weights that hold until enough is learned.

use std::ops::RangeInclusive;

use super::declared::key;
use super::{Access, Config, Key};
use crate::config::text;
use crate::engine::rules::{DefaultWeights, Learning, Target};

/// Sections with their meaning.
pub(super) const SECTIONS: &[(&str, &str)] = &[
    ("rules.risk", "How the risk is reckoned. It is the probability that an account leaves within the horizon."),
    (
        "rules.risk.subscribed",
        "Weights for accounts that leave by ending their subscriptions, until 300 outcomes have been seen.",
    ),
    (
        "rules.risk.unsubscribed",
        "Weights for accounts that leave by falling silent, until 300 outcomes have been seen.",
    ),
];

/// The keys.
pub(super) fn keys() -> Vec<Key> {
    vec![
        target(),
        learning(),
        base_logit("subscribed", |c| &mut c.rules.risk.subscribed),
        activity_14("subscribed", |c| &mut c.rules.risk.subscribed),
        activity_182("subscribed", |c| &mut c.rules.risk.subscribed),
        silence("subscribed", |c| &mut c.rules.risk.subscribed),
        signals_share("subscribed", |c| &mut c.rules.risk.subscribed),
        base_logit("unsubscribed", |c| &mut c.rules.risk.unsubscribed),
        activity_14("unsubscribed", |c| &mut c.rules.risk.unsubscribed),
        activity_182("unsubscribed", |c| &mut c.rules.risk.unsubscribed),
        silence("unsubscribed", |c| &mut c.rules.risk.unsubscribed),
        signals_share("unsubscribed", |c| &mut c.rules.risk.unsubscribed),
    ]
}

fn target() -> Key {
    let access = Access::Text {
        rule: text::TARGET,
        get: Box::new(|config| Some(config.rules.risk.target.name().to_owned())),
        set: Box::new(|config, value| {
            if let Some(target) = Target::ALL.into_iter().find(|target| target.name() == value) {
                config.rules.risk.target = target;
            }
        }),
    };
    key(
        "rules.risk.target",
        "What leaving means: `cancellation`, that every subscription ends; `silence`, that no usage follows throughout \
         the horizon; `auto`, the one for accounts with a subscription and the other for those without.",
        access,
    )
}

fn learning() -> Key {
    let access = Access::Text {
        rule: text::LEARNING,
        get: Box::new(|config| Some(config.rules.risk.learning.name().to_owned())),
        set: Box::new(|config, value| {
            if let Some(learning) = Learning::ALL.into_iter().find(|learning| learning.name() == value) {
                config.rules.risk.learning = learning;
            }
        }),
    };
    key(
        "rules.risk.learning",
        "`on`: weights are learned from what became of the accounts, and used once there are 300 outcomes; `frozen`: what \
         was learned is used as it is; `off`: the weights below hold.",
        access,
    )
}

type Weights = fn(&mut Config) -> &mut DefaultWeights;

fn base_logit(population: &str, weights: Weights) -> Key {
    weight(
        population,
        "base_logit",
        -10.0..=10.0,
        "Risk, as a logit, of an account about which nothing speaks.",
        weights,
        |w| &mut w.base_logit,
    )
}

fn activity_14(population: &str, weights: Weights) -> Key {
    let summary = "Weight of how little the rate of the last two weeks lets expect.";
    weight(population, "expected_activity_14d_weight", 0.0..=10.0, summary, weights, |w| &mut w.activity_14)
}

fn activity_182(population: &str, weights: Weights) -> Key {
    let summary = "Weight of how little the rate of the last half year lets expect.";
    weight(population, "expected_activity_182d_weight", 0.0..=10.0, summary, weights, |w| &mut w.activity_182)
}

fn silence(population: &str, weights: Weights) -> Key {
    let summary = "Weight of the log-odds that the present silence goes on throughout the horizon.";
    weight(population, "silence_weight", 0.0..=10.0, summary, weights, |w| &mut w.silence)
}

fn signals_share(population: &str, weights: Weights) -> Key {
    let summary = "Share of the signals' own weights that counts.";
    weight(population, "signals_share", 0.0..=2.0, summary, weights, |w| &mut w.signals)
}

fn weight(
    population: &str,
    name: &str,
    range: RangeInclusive<f64>,
    summary: &str,
    weights: Weights,
    place: fn(&mut DefaultWeights) -> &mut f64,
) -> Key {
    let (min, max) = range.into_inner();
    let get = Box::new(move |config: &Config| *place(weights(&mut config.clone())));
    let set = Box::new(move |config: &mut Config, value| *place(weights(config)) = value);
    key(&format!("rules.risk.{population}.{name}"), summary, Access::Number { min, max, get, set })
}
