//! The registry of keys: every setting of one value, with its meaning, range and place in [`Config`].
//!
//! From it follow the parsing of files and of the environment, the report of what is wrong, the shipped commented
//! configuration and the reference. Defaults are not written here: they are what [`Config::default`] says. Signals
//! bring their own keys by their declarations. Lists and tables of free names (sources, mappings, librdkafka
//! properties, exchange rates) are no keys; their own files check them.

mod declared;
mod kpis;
mod risk;
mod signals;

use super::Config;
use super::document::{Node, Raw};
use super::problem::{Origin, Problem};
use super::text::TextRule;

/// A setting of one value.
pub struct Key {
    /// Its dotted path, such as `rules.lateness_s`.
    pub path: String,
    /// What it means, in sentences.
    pub summary: String,
    /// A value to show where there is no default: the setting is optional.
    pub example: Option<&'static str>,
    access: Access,
}

/// Type, range and place of a setting.
enum Access {
    Integer { min: i64, max: i64, get: Get<i64>, set: Set<i64> },
    Number { min: f64, max: f64, get: Get<f64>, set: Set<f64> },
    Switch { get: Get<bool>, set: Set<bool> },
    Text { rule: TextRule, get: Get<Option<String>>, set: Set<String> },
    Texts { rule: TextRule, count_max: usize, get: Get<Vec<String>>, set: Set<Vec<String>> },
}

type Get<T> = Box<dyn Fn(&Config) -> T>;
type Set<T> = Box<dyn Fn(&mut Config, T)>;

/// A table of keys.
#[derive(Debug)]
pub struct Section {
    /// Its dotted path.
    pub path: String,
    /// What it is about, in sentences.
    pub summary: String,
}

/// Every key, in the order of the shipped configuration: those of one section stand together.
#[must_use]
pub fn all() -> Vec<Key> {
    let mut keys = declared::keys();
    keys.extend(kpis::keys());
    keys.extend(risk::keys());
    keys.extend(signals::keys());
    keys
}

/// Every section that has keys, in the order of the shipped configuration.
#[must_use]
pub fn sections() -> Vec<Section> {
    let section = |(path, summary): &(&str, &str)| Section { path: (*path).to_owned(), summary: (*summary).to_owned() };
    declared::SECTIONS
        .iter()
        .chain(kpis::SECTIONS)
        .chain(risk::SECTIONS)
        .map(section)
        .chain(signals::sections())
        .collect()
}

impl Key {
    /// The path of its section.
    #[must_use]
    pub fn section(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// Its name within its section.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.rsplit_once('.').map_or(&self.path, |(_, name)| name)
    }

    /// The environment variable that overrides it, such as `CHURNWATCH__RULES__LATENESS_S`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("CHURNWATCH__{}", self.path.replace('.', "__").to_uppercase())
    }

    /// Which values it takes, such as `whole number from 1 to 256`.
    #[must_use]
    pub fn allowed(&self) -> String {
        match &self.access {
            Access::Integer { min, max, .. } => format!("whole number from {min} to {max}"),
            Access::Number { min, max, .. } => format!("number from {min} to {max}"),
            Access::Switch { .. } => "true or false".to_owned(),
            Access::Text { rule, .. } => rule.allowed.to_owned(),
            Access::Texts { rule, count_max, .. } => format!("a list of at most {count_max}, each {}", rule.allowed),
        }
    }

    /// Its value in `config` in TOML; absent where it has none.
    #[must_use]
    pub fn value(&self, config: &Config) -> Option<String> {
        match &self.access {
            Access::Integer { get, .. } => Some(get(config).to_string()),
            Access::Number { get, .. } => Some(format!("{:?}", get(config))),
            Access::Switch { get, .. } => Some(get(config).to_string()),
            Access::Text { get, .. } => get(config).map(|text| toml::Value::String(text).to_string()),
            Access::Texts { get, .. } => {
                let texts = get(config).into_iter().map(toml::Value::String).collect();
                Some(toml::Value::Array(texts).to_string())
            }
        }
    }

    /// What the text of an environment variable stands for: the same types as in the file.
    pub(super) fn raw_of_text(&self, text: &str) -> Raw {
        let written = || Raw::Text(text.to_owned());
        match &self.access {
            Access::Integer { .. } => text.trim().parse().map_or_else(|_| written(), Raw::Integer),
            Access::Number { .. } => text.trim().parse().map_or_else(|_| written(), Raw::Number),
            Access::Switch { .. } => text.trim().parse().map_or_else(|_| written(), Raw::Switch),
            Access::Text { .. } => written(),
            // In the environment the items of a list are separated by commas.
            Access::Texts { .. } => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                let node = |item: &str| Node { origin: Origin::Default, raw: Raw::Text(item.to_owned()) };
                Raw::List(items.map(node).collect())
            }
        }
    }

    /// Puts a value into `config`, when it is of the right type and within the range.
    pub(super) fn apply(&self, config: &mut Config, node: &Node) -> Result<(), Box<Problem>> {
        match (&self.access, &node.raw) {
            (Access::Integer { min, max, set, .. }, Raw::Integer(value)) if (*min..=*max).contains(value) => {
                set(config, *value);
            }
            (Access::Number { min, max, set, .. }, Raw::Number(value)) if (*min..=*max).contains(value) => {
                set(config, *value);
            }
            (Access::Number { min, max, set, .. }, Raw::Integer(value)) => {
                let value = i32::try_from(*value).map_or(f64::NAN, f64::from);
                if !(*min..=*max).contains(&value) {
                    return Err(Box::new(self.refusal(node)));
                }
                set(config, value);
            }
            (Access::Switch { set, .. }, Raw::Switch(value)) => set(config, *value),
            (Access::Text { rule, set, .. }, Raw::Text(value)) if (rule.accepts)(value) => set(config, value.clone()),
            (Access::Texts { rule, count_max, set, .. }, Raw::List(items)) if items.len() <= *count_max => {
                let mut texts = Vec::with_capacity(items.len());
                for item in items {
                    match &item.raw {
                        Raw::Text(text) if (rule.accepts)(text) => texts.push(text.clone()),
                        _ => return Err(Box::new(self.refusal_of_item(node, item, *rule))),
                    }
                }
                // Sorted, so that the order of the items does not change the hash of the rules.
                texts.sort_unstable();
                texts.dedup();
                set(config, texts);
            }
            _ => return Err(Box::new(self.refusal(node))),
        }
        Ok(())
    }

    /// Why an item of a list cannot be used; an item of an environment variable stands where the variable does.
    fn refusal_of_item(&self, node: &Node, item: &Node, rule: TextRule) -> Problem {
        let origin = if item.origin == Origin::Default { &node.origin } else { &item.origin };
        Problem::new(origin.clone(), format!("an item of `{}`", self.path))
            .found(item.raw.shown())
            .allowed(rule.allowed)
    }

    fn refusal(&self, node: &Node) -> Problem {
        let problem = Problem::new(node.origin.clone(), format!("`{}`", self.path))
            .found(node.raw.shown())
            .allowed(self.allowed());
        match (&self.access, &node.raw, &node.origin) {
            (Access::Text { .. }, Raw::Integer(_) | Raw::Number(_) | Raw::Switch(_), Origin::Line(..)) => {
                problem.hint("put the text in quotes")
            }
            (
                Access::Integer { .. } | Access::Number { .. } | Access::Switch { .. },
                Raw::Text(_),
                Origin::Line(..),
            ) => problem.hint("write it without quotes"),
            _ => problem,
        }
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("path", &self.path).field("allowed", &self.allowed()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_key_is_described_reachable_and_unique() {
        let sections: Vec<String> = sections().into_iter().map(|section| section.path).collect();
        let mut paths = BTreeSet::new();
        for key in all() {
            assert!(sections.iter().any(|section| section == key.section()), "{} has no section", key.path);
            assert!(!key.summary.is_empty(), "{} is not described", key.path);
            assert!(!key.allowed().is_empty());
            assert!(paths.insert(key.path.clone()), "{} stands twice", key.path);
            assert_eq!(key.example.is_some(), key.value(&Config::default()).is_none(), "{}", key.path);
        }
    }

    #[test]
    fn every_default_is_within_its_range_and_lands_where_it_was_read() {
        for key in all() {
            let mut config = Config::default();
            let Some(value) = key.value(&config) else { continue };
            let document = format!("{} = {value}", key.name());
            let document = super::super::document::Document::parse("defaults", &document).unwrap();
            let (_, node) = document.entries().remove(0);
            key.apply(&mut config, &node).unwrap_or_else(|problem| panic!("{problem}"));
            assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()), "{}", key.path);
        }
    }

    #[test]
    fn a_changed_value_is_read_back_at_its_own_place_only() {
        for key in all() {
            let raw = match &key.access {
                Access::Integer { min, .. } => Raw::Integer(*min),
                Access::Number { min, .. } => Raw::Number(*min),
                Access::Switch { get, .. } => Raw::Switch(!get(&Config::default())),
                Access::Text { .. } => continue,
                Access::Texts { rule, .. } => {
                    let text = ["a", "nrr"].into_iter().find(|text| (rule.accepts)(text)).unwrap();
                    Raw::List(vec![Node { origin: Origin::Default, raw: Raw::Text(text.to_owned()) }])
                }
            };
            let mut config = Config::default();
            key.apply(&mut config, &Node { origin: Origin::Default, raw: raw.clone() }).unwrap();
            let shown = match &raw {
                Raw::List(items) => format!("[{}]", items[0].raw.shown()),
                raw => raw.shown(),
            };
            assert_eq!(key.value(&config), Some(shown), "{}", key.path);
            for other in all().iter().filter(|other| other.path != key.path) {
                assert_eq!(other.value(&config), other.value(&Config::default()), "{} set by {}", other.path, key.path);
            }
        }
    }
}
