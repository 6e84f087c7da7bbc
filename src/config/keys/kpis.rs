//! The keys of KPIs that have one value. Targets, owners, sources and benchmarks are tables: see `config::kpis`.

use super::declared::{count, key, number};
use super::{Access, Key};
use crate::config::kpis::FOCUS_MAX;
use crate::config::text;
use crate::units::calendar::Zone;

/// Traits that KPIs can be shown by.
const DIMENSIONS_MAX: usize = 8;

/// Sections with their meaning.
pub(super) const SECTIONS: &[(&str, &str)] = &[(
    "kpis",
    "KPIs: by which calendar they are reckoned, and what is wanted of them. Time zone, traits and days are part of the \
     rules; the rest changes nothing but what is shown.",
)];

/// The keys.
pub(super) fn keys() -> Vec<Key> {
    vec![
        time_zone(),
        dimensions(),
        count(
            "kpis.onboarding_days",
            1..=60,
            "A sign-up should be through its onboarding (`onboarding.step_completed` with `done`) within so many days. Of \
             the sign-ups of the latest 90 days, those as old are judged.",
            |c| &mut c.rules.kpis.onboarding_days,
        ),
        number(
            "kpis.margin",
            0.0..=1.0,
            "Share of revenue that is left after the cost of serving it: what lifetime value is reckoned with.",
            |c| &mut c.kpis.margin,
        ),
        focus(),
    ]
}

fn time_zone() -> Key {
    let access = Access::Text {
        rule: text::TIME_ZONE,
        get: Box::new(|config| Some(config.rules.kpis.time_zone.name().to_owned())),
        set: Box::new(|config, value| {
            if let Some(zone) = Zone::parse(&value) {
                config.rules.kpis.time_zone = zone;
            }
        }),
    };
    key("kpis.time_zone", "Months, quarters and years are those of this zone.", access)
}

fn dimensions() -> Key {
    let access = Access::Texts {
        rule: text::TRAIT,
        count_max: DIMENSIONS_MAX,
        get: Box::new(|config| config.rules.kpis.dimensions.clone()),
        set: Box::new(|config, value| config.rules.kpis.dimensions = value),
    };
    key(
        "kpis.dimensions",
        "Traits by which reports divide the accounts; `plan` is the subscription's plan, numbers of `employees` are told by \
         size class. The whole history of an account belongs to its present value. Metrics go by `rules.segment_by`.",
        access,
    )
}

fn focus() -> Key {
    let access = Access::Texts {
        rule: text::KPI,
        count_max: FOCUS_MAX,
        get: Box::new(|config| config.kpis.focus.clone()),
        set: Box::new(|config, value| config.kpis.focus = value),
    };
    key("kpis.focus", "The one or two KPIs that matter most now: first in reports and on the overview.", access)
}
