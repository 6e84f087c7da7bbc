//! The keys that the signals declare: a section `signals.NAME` each, with a switch, a weight and its parameters.
//!
//! No signal is named here: a new signal's keys exist as soon as it stands in the registry.

use super::{Access, Key, Section};
use crate::engine::rules::SignalRules;
use crate::engine::signals::{Declaration, Parameter, SIGNALS};

use super::Config;

/// Largest weight: a logit this high decides alone.
const WEIGHT_MAX: f64 = 10.0;

/// The section of each signal.
pub(super) fn sections() -> impl Iterator<Item = Section> {
    SIGNALS
        .iter()
        .map(|signal| Section { path: path(&signal.declaration), summary: signal.declaration.summary.to_owned() })
}

/// The keys of each signal.
pub(super) fn keys() -> impl Iterator<Item = Key> {
    SIGNALS.iter().enumerate().flat_map(|(index, signal)| {
        let declaration = &signal.declaration;
        let parameters = declaration.parameters.iter().enumerate();
        [enabled(index, declaration), weight(index, declaration)]
            .into_iter()
            .chain(parameters.map(move |(slot, declared)| parameter(index, declaration, slot, declared)))
    })
}

fn path(declaration: &Declaration) -> String {
    format!("signals.{}", declaration.name)
}

fn enabled(index: usize, declaration: &Declaration) -> Key {
    Key {
        path: format!("{}.enabled", path(declaration)),
        summary: "Whether it judges and explains.".to_owned(),
        example: None,
        access: Access::Switch {
            get: Box::new(move |config| read(config, index, |signal| signal.enabled)),
            set: Box::new(move |config, value| write(config, index, |signal| signal.enabled = value)),
        },
    }
}

fn weight(index: usize, declaration: &Declaration) -> Key {
    Key {
        path: format!("{}.weight", path(declaration)),
        summary: "Logit added to the risk at full strength.".to_owned(),
        example: None,
        access: Access::Number {
            min: 0.0,
            max: WEIGHT_MAX,
            get: Box::new(move |config| read(config, index, |signal| signal.weight)),
            set: Box::new(move |config, value| write(config, index, |signal| signal.weight = value)),
        },
    }
}

fn parameter(index: usize, declaration: &Declaration, slot: usize, declared: &Parameter) -> Key {
    let get = move |signal: &SignalRules| signal.parameters.get(slot).copied().unwrap_or_default();
    Key {
        path: format!("{}.{}", path(declaration), declared.name),
        summary: declared.summary.to_owned(),
        example: None,
        access: Access::Number {
            min: declared.min,
            max: declared.max,
            get: Box::new(move |config| read(config, index, get)),
            set: Box::new(move |config, value| {
                write(config, index, |signal| {
                    if let Some(parameter) = signal.parameters.get_mut(slot) {
                        *parameter = value;
                    }
                });
            }),
        },
    }
}

fn read<T: Default>(config: &Config, index: usize, get: impl Fn(&SignalRules) -> T) -> T {
    config.rules.signals.get(index).map(get).unwrap_or_default()
}

fn write(config: &mut Config, index: usize, set: impl FnOnce(&mut SignalRules)) {
    if let Some(signal) = config.rules.signals.get_mut(index) {
        set(signal);
    }
}
