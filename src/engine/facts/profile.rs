//! Who an account is: name, owner, traits, what its plan offers. The latest statement about each holds.

use compact_str::CompactString;

use super::Stamp;
use crate::engine::event::{PlanFeatures, TRAITS_MAX, Traits};

/// Longest name, owner, trait or plan that is kept, in bytes; longer ones are cut at a character boundary.
pub const TEXT_MAX: usize = 64;

/// Who an account is.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Profile {
    /// Display name.
    pub name: Option<Stated>,
    /// Its customer-success manager.
    pub owner: Option<Stated>,
    /// Further traits by key, sorted, at most [`TRAITS_MAX`]; a further key is left out.
    pub traits: Vec<(CompactString, Stated)>,
    /// How many features its plan offers.
    pub plan_features: Option<(Stamp, u16)>,
}

/// A value and when it was stated.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Stated {
    /// When.
    pub stamp: Stamp,
    /// What.
    pub value: CompactString,
}

/// `text` cut to [`TEXT_MAX`] bytes.
#[must_use]
pub fn clip(text: &str) -> CompactString {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().into()
}

impl Profile {
    /// Takes in what an event states.
    pub fn take(&mut self, stamp: Stamp, stated: &Traits<'_>) {
        for (slot, value) in [(&mut self.name, &stated.name), (&mut self.owner, &stated.owner)] {
            if let Some(value) = value {
                restate(slot, stamp, value);
            }
        }
        for (key, value) in &stated.traits {
            let key = clip(key);
            match self.traits.binary_search_by(|(known, _)| known.cmp(&key)) {
                Ok(index) => {
                    if let Some((_, known)) = self.traits.get_mut(index)
                        && known.stamp < stamp
                    {
                        *known = Stated { stamp, value: clip(value) };
                    }
                }
                Err(index) if self.traits.len() < TRAITS_MAX => {
                    super::insert(&mut self.traits, index, (key, Stated { stamp, value: clip(value) }));
                }
                Err(_) => {}
            }
        }
        if let Some(features) = &stated.plan_features
            && self.plan_features.is_none_or(|(known, _)| known < stamp)
        {
            let count = match features {
                PlanFeatures::Names(names) => u16::try_from(names.len()).unwrap_or(u16::MAX),
                PlanFeatures::Count(count) => *count,
            };
            self.plan_features = Some((stamp, count));
        }
    }

    /// The value of trait `key`.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        self.traits.iter().find(|(known, _)| known == key).map(|(_, stated)| stated.value.as_str())
    }
}

fn restate(slot: &mut Option<Stated>, stamp: Stamp, value: &str) {
    if slot.as_ref().is_none_or(|known| known.stamp < stamp) {
        *slot = Some(Stated { stamp, value: clip(value) });
    }
}
