//! Reading records by a compiled mapping.
//!
//! The record is read once, along the declared paths, into numbered slots; from the slots an event is put together for
//! the checks that every format shares.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::convert::{Conversion, text};
use crate::engine::event::Text;
use crate::units::stable_hash;
use crate::wire::canonical::{not_json, text_of};
use crate::wire::check::build;
use crate::wire::raw::{Field, Found, FoundSeed, Raw};
use crate::wire::refusal::excerpt;
use crate::wire::{Decoded, Refusal};

/// A mapping that is ready to read records.
#[derive(Debug, PartialEq)]
pub struct Mapping {
    pub(super) walk: Walk,
    /// The declared paths; a value's slot is its path's index.
    pub(super) paths: Vec<String>,
    pub(super) id: Identity,
    pub(super) time: Conversion,
    pub(super) time_slot: usize,
    pub(super) account_slot: usize,
    pub(super) user_slot: Option<usize>,
    pub(super) type_slots: Vec<usize>,
    /// The source's types; `None` is skipped.
    pub(super) types: BTreeMap<String, Option<String>>,
    pub(super) type_default: Option<String>,
    /// By our type.
    pub(super) fields: BTreeMap<String, Vec<(Target, Origin)>>,
}

/// How a record is taken apart.
#[derive(Debug, PartialEq)]
pub(super) enum Walk {
    /// JSON, along a tree of keys.
    Json(Node),
    /// A line: the slot of each column, if it is asked for.
    Columns { delimiter: Option<String>, slots: Vec<Option<usize>> },
}

/// A node of the tree of declared paths. Its depth is bounded by the longest path.
#[derive(Debug, PartialEq, Default)]
pub(super) struct Node {
    /// Where a value found here goes.
    pub(super) slot: Option<usize>,
    /// Further keys below it; those that are numbers are also indices into arrays.
    pub(super) children: BTreeMap<String, Node>,
}

/// Where ids come from.
#[derive(Debug, PartialEq)]
pub(super) enum Identity {
    /// The record's own bytes.
    Hash,
    /// These slots, joined.
    Slots(Vec<usize>),
}

/// A field of our event.
#[derive(Debug, PartialEq)]
pub(super) enum Target {
    /// A field.
    Field(Field),
    /// A trait by its name.
    Trait(String),
}

/// Where its value comes from.
#[derive(Debug, PartialEq)]
pub(super) enum Origin {
    /// Always the same.
    Constant(Found<'static>),
    /// A slot, converted.
    Slot(usize, Conversion),
}

impl Mapping {
    /// Reads one record: a JSON object or a line of columns.
    pub fn decode<'a>(&self, value: &'a [u8]) -> Result<Decoded<'a>, Refusal> {
        let record = text_of(value)?.trim_ascii_end();
        let slots = self.read(record)?;
        let found_type = slots.joined(&self.type_slots);
        let known = found_type.as_ref().and_then(|name| self.types.get(name.as_ref()));
        let our_type = match (known, &self.type_default, found_type) {
            (Some(Some(ours)), _, _) | (None, Some(ours), _) => ours,
            (_, _, Some(name)) => return Ok(Decoded::UnknownType(name)),
            (_, _, None) => return Err(Refusal::MissingField { field: Field::Type.name() }),
        };
        let mut raw = Raw::default();
        raw.duplicate.clone_from(&slots.duplicate);
        raw.put(Field::Type, Found::Text(Cow::Owned(our_type.clone())));
        raw.put(Field::Id, self.identity(record, &slots));
        raw.put(Field::Time, self.time.apply(Field::Time.name(), slots.get(self.time_slot))?);
        raw.put(Field::AccountId, text(slots.get(self.account_slot)));
        if let Some(slot) = self.user_slot {
            raw.put(Field::UserId, present(text(slots.get(slot))));
        }
        for (target, origin) in self.fields.get(our_type).into_iter().flatten() {
            target.put(&mut raw, origin.value(target.name(), &slots)?);
        }
        build(&mut raw)
    }

    fn read<'a>(&self, record: &'a str) -> Result<Slots<'a>, Refusal> {
        let mut slots = Slots { found: vec![Found::Absent; self.paths.len()], duplicate: None };
        match &self.walk {
            Walk::Json(node) => {
                let mut reader = serde_json::Deserializer::from_str(record);
                let mut root = Visit { node, paths: &self.paths, slots: &mut slots };
                reader.deserialize_map(&mut root).map_err(|error| not_json(record, &error))?;
                reader.end().map_err(|error| not_json(record, &error))?;
            }
            Walk::Columns { delimiter: None, slots: columns } => {
                slots.fill(record, record.split_ascii_whitespace(), columns)?;
            }
            Walk::Columns { delimiter: Some(delimiter), slots: columns } => {
                slots.fill(record, record.split(delimiter.as_str()).map(str::trim_ascii), columns)?;
            }
        }
        Ok(slots)
    }

    fn identity<'a>(&self, record: &str, slots: &Slots<'a>) -> Found<'a> {
        match &self.id {
            Identity::Hash => Found::Text(Cow::Owned(format!("{:016x}", stable_hash(record.as_bytes())))),
            Identity::Slots(id) => match id.as_slice() {
                [slot] => text(slots.get(*slot)),
                several => slots.joined(several).map_or(Found::Absent, Found::Text),
            },
        }
    }
}

impl Target {
    /// What a refusal calls it.
    fn name(&self) -> &'static str {
        match self {
            Target::Field(field) => field.name(),
            Target::Trait(_) => "a value of traits",
        }
    }

    /// Puts `found` there.
    pub(super) fn put<'a>(&self, raw: &mut Raw<'a>, found: Found<'a>) {
        match self {
            Target::Field(field) => raw.put(*field, found),
            Target::Trait(name) => raw.put_trait(Cow::Owned(name.clone()), found),
        }
    }
}

impl Origin {
    fn value<'a>(&self, field: &'static str, slots: &Slots<'a>) -> Result<Found<'a>, Refusal> {
        match self {
            Origin::Constant(constant) => Ok(constant.clone()),
            Origin::Slot(slot, conversion) => conversion.apply(field, present(slots.get(*slot))),
        }
    }
}

/// Sources often write nothing as empty text; where nothing is allowed, it counts as that.
fn present(found: Found<'_>) -> Found<'_> {
    match found {
        Found::Text(text) if text.trim_ascii().is_empty() => Found::Absent,
        found => found,
    }
}

/// What was found at each declared path.
struct Slots<'a> {
    found: Vec<Found<'a>>,
    duplicate: Option<String>,
}

impl<'a> Slots<'a> {
    fn get(&self, slot: usize) -> Found<'a> {
        self.found.get(slot).cloned().unwrap_or_default()
    }

    /// The texts of `wanted` joined by `:`; `None` unless all of them are there.
    fn joined(&self, wanted: &[usize]) -> Option<Text<'a>> {
        let mut joined: Option<Text<'a>> = None;
        for slot in wanted {
            let Found::Text(part) = present(text(self.get(*slot))) else { return None };
            joined = Some(match joined {
                None => part,
                Some(before) => Cow::Owned(format!("{before}:{part}")),
            });
        }
        joined
    }

    fn fill(
        &mut self,
        record: &str,
        values: impl Iterator<Item = &'a str>,
        columns: &[Option<usize>],
    ) -> Result<(), Refusal> {
        let mut count = 0;
        for value in values {
            if let Some(found) = columns.get(count).copied().flatten().and_then(|slot| self.found.get_mut(slot)) {
                *found = Found::Text(Cow::Borrowed(value));
            }
            count += 1;
        }
        if count == columns.len() {
            return Ok(());
        }
        Err(Refusal::WrongColumns { found: count, wanted: columns.len(), excerpt: excerpt(record) })
    }
}

/// Walks a JSON value along `node`.
struct Visit<'t, 's, 'de> {
    node: &'t Node,
    paths: &'t [String],
    slots: &'s mut Slots<'de>,
}

impl<'de> Visit<'_, '_, 'de> {
    fn store(&mut self, found: Found<'de>) {
        let Some(slot) = self.node.slot else { return };
        let Some(place) = self.slots.found.get_mut(slot) else { return };
        if *place != Found::Absent {
            self.slots.duplicate = self.paths.get(slot).cloned();
        }
        *place = found;
    }

    fn below<'n>(&'n mut self, node: &'n Node) -> Visit<'n, 'n, 'de> {
        Visit { node, paths: self.paths, slots: self.slots }
    }
}

impl<'de> DeserializeSeed<'de> for Visit<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(mut self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(&mut self)
    }
}

impl<'de> Visitor<'de> for &mut Visit<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event as a JSON object")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.store(Found::Null);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.store(Found::Bool(value));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.store(Found::Integer(value));
        Ok(())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.store(FoundSeed.visit_u64(value)?);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.store(Found::Float(value));
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.store(FoundSeed.visit_str(value)?);
        Ok(())
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, value: &'de str) -> Result<(), E> {
        self.store(FoundSeed.visit_borrowed_str(value)?);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let node = self.node;
        for index in 0_usize.. {
            let child = node.children.iter().find(|(key, _)| key.parse() == Ok(index)).map(|(_, child)| child);
            let more = match child {
                Some(child) => list.next_element_seed(self.below(child))?.is_some(),
                None => list.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                break;
            }
        }
        self.store(Found::List);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let node = self.node;
        while let Some(child) = map.next_key_seed(ChildSeed(node))? {
            match child {
                Some(child) => map.next_value_seed(self.below(child))?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        self.store(Found::Object);
        Ok(())
    }
}

/// Reads a key: the child of the node that it leads to, if any.
struct ChildSeed<'t>(&'t Node);

impl<'de, 't> DeserializeSeed<'de> for ChildSeed<'t> {
    type Value = Option<&'t Node>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<'t> Visitor<'_> for ChildSeed<'t> {
    type Value = Option<&'t Node>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.children.get(key))
    }
}
