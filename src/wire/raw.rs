//! An event as found, before any check: one slot for each field of any event type.
//!
//! The hot path of the whole product begins here, so an event is read in one pass into one flat array, borrowed from
//! its bytes. What is not a known field is passed over without recursion. Nothing is judged here; that is `check`.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::refusal::excerpt;
use crate::engine::event::{TRAITS_MAX, Text};

/// A value as found in a record.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) enum Found<'a> {
    /// Nothing was said.
    #[default]
    Absent,
    /// `null`, which counts as nothing said.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Another number, or a whole one too large for 64 bits.
    Float(f64),
    /// Text.
    Text(Text<'a>),
    /// A time that a mapping has read already, in milliseconds since 1970.
    Instant(i64),
    /// An array, passed over.
    List,
    /// An object, passed over.
    Object,
}

impl Found<'_> {
    /// What it is, for a message: type and, where short, value.
    pub(super) fn describe(&self) -> String {
        match self {
            Found::Absent | Found::Null => "null".to_owned(),
            Found::Bool(value) => value.to_string(),
            Found::Integer(value) => format!("the number {value}"),
            Found::Float(value) => format!("the number {value:?}"),
            Found::Text(text) => format!("the text `{}`", excerpt(text)),
            Found::Instant(ms) => chrono::DateTime::from_timestamp_millis(*ms)
                .map_or_else(|| format!("{ms} ms after 1970"), |time| time.to_rfc3339()),
            Found::List => "an array".to_owned(),
            Found::Object => "an object".to_owned(),
        }
    }
}

/// Declares [`Field`] with the names of the fields, so that either is looked up from the other.
macro_rules! fields {
    ($($variant:ident = $name:literal,)*) => {
        /// A field of the canonical event.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Field { $(#[doc = concat!("`", $name, "`")] $variant,)* }

        impl Field {
            /// All fields.
            pub(super) const ALL: &[Field] = &[$(Field::$variant,)*];

            /// The field called `name`.
            pub(super) fn parse(name: &str) -> Option<Field> {
                match name { $($name => Some(Field::$variant),)* _ => None }
            }

            /// Its name in the record.
            pub(super) fn name(self) -> &'static str {
                match self { $(Field::$variant => $name,)* }
            }
        }
    };
}

fields! {
    Id = "id",
    Time = "time",
    AccountId = "account_id",
    Type = "type",
    UserId = "user_id",
    Source = "source",
    Feature = "feature",
    Quantity = "quantity",
    DurationS = "duration_s",
    Limit = "limit",
    Used = "used",
    Allowed = "allowed",
    Role = "role",
    Title = "title",
    Score = "score",
    Ticket = "ticket",
    Severity = "severity",
    Topic = "topic",
    CardOnFile = "card_on_file",
    EndsAt = "ends_at",
    Survey = "survey",
    Subscription = "subscription",
    Plan = "plan",
    Mrr = "mrr",
    Currency = "currency",
    Seats = "seats",
    Interval = "interval",
    TermEndsAt = "term_ends_at",
    EffectiveAt = "effective_at",
    Reason = "reason",
    Amount = "amount",
    Attempt = "attempt",
    NextAttemptAt = "next_attempt_at",
    Name = "name",
    Owner = "owner",
    Step = "step",
    Done = "done",
    Alert = "alert",
    By = "by",
    Until = "until",
    Note = "note",
    Traits = "traits",
}

/// An event as found.
#[derive(Debug, Default)]
pub(super) struct Raw<'a> {
    slots: Slots<'a>,
    /// The members of `traits` in the record's order, `plan_features` apart; at most [`TRAITS_MAX`].
    pub(super) traits: Vec<(Text<'a>, Found<'a>)>,
    /// The members of `traits.plan_features`; `Err` with what stands there when it is no array of text.
    pub(super) plan_features: Option<Result<Vec<Text<'a>>, Found<'a>>>,
    /// The first key that stood twice.
    pub(super) duplicate: Option<String>,
}

#[derive(Debug)]
struct Slots<'a>([Found<'a>; Field::ALL.len()]);

impl Default for Slots<'_> {
    fn default() -> Self {
        Slots([const { Found::Absent }; Field::ALL.len()])
    }
}

impl<'a> Raw<'a> {
    /// What was found for `field`, which is taken out.
    pub(super) fn take(&mut self, field: Field) -> Found<'a> {
        self.slots.0.get_mut(field as usize).map_or(Found::Absent, std::mem::take)
    }

    /// Puts `found` in the place of `field`; a second one makes the event a duplicate of itself.
    pub(super) fn put(&mut self, field: Field, found: Found<'a>) {
        if let Some(slot) = self.slots.0.get_mut(field as usize) {
            if *slot != Found::Absent {
                self.duplicate.get_or_insert_with(|| field.name().to_owned());
            }
            *slot = found;
        }
    }

    /// Adds a trait; those beyond [`TRAITS_MAX`] are left out, since an account holds no more.
    pub(super) fn put_trait(&mut self, name: Text<'a>, found: Found<'a>) {
        if self.traits.iter().any(|(known, _)| *known == name) {
            self.duplicate.get_or_insert_with(|| format!("traits.{}", excerpt(&name)));
        } else if self.traits.len() < TRAITS_MAX {
            self.traits.push((name, found));
        }
    }
}

/// Reads one JSON object into a [`Raw`], in place: it is too large to be moved about for every record.
pub(super) struct RawSeed<'r, 'de>(pub(super) &'r mut Raw<'de>);

impl<'de> DeserializeSeed<'de> for RawSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RawSeed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event as a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let raw = self.0;
        while let Some(field) = map.next_key_seed(KeySeed)? {
            match field {
                Some(Field::Traits) => {
                    let found = map.next_value_seed(TraitsSeed(raw))?;
                    raw.put(Field::Traits, found);
                }
                Some(field) => raw.put(field, map.next_value_seed(FoundSeed)?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Reads a key: the field it names, if any.
struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Option<Field>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Field>, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for KeySeed {
    type Value = Option<Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, name: &str) -> Result<Option<Field>, E> {
        Ok(Field::parse(name))
    }
}

/// Reads any value as [`Found`]; arrays and objects are passed over without recursion.
pub(super) struct FoundSeed;

impl<'de> DeserializeSeed<'de> for FoundSeed {
    type Value = Found<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FoundSeed {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Found<'de>, E> {
        Ok(Found::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Found<'de>, E> {
        Ok(Found::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Found<'de>, E> {
        Ok(Found::Integer(value))
    }

    #[allow(clippy::cast_precision_loss)] // only for what is too large to be believed anyway
    fn visit_u64<E>(self, value: u64) -> Result<Found<'de>, E> {
        Ok(i64::try_from(value).map_or(Found::Float(value as f64), Found::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Found<'de>, E> {
        Ok(Found::Float(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Found<'de>, E> {
        Ok(Found::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Found<'de>, E> {
        Ok(Found::Text(Cow::Borrowed(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Found<'de>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Found::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Found::Object)
    }
}

/// Reads the object `traits` into a [`Raw`].
struct TraitsSeed<'r, 'de>(&'r mut Raw<'de>);

impl<'de> DeserializeSeed<'de> for TraitsSeed<'_, 'de> {
    type Value = Found<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TraitsSeed<'_, 'de> {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of traits")
    }

    fn visit_unit<E>(self) -> Result<Found<'de>, E> {
        Ok(Found::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Found<'de>, E> {
        Ok(Found::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Found<'de>, E> {
        Ok(Found::Integer(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Found<'de>, E> {
        FoundSeed.visit_u64(value)
    }

    fn visit_f64<E>(self, value: f64) -> Result<Found<'de>, E> {
        Ok(Found::Float(value))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Found<'de>, E> {
        FoundSeed.visit_str(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Found<'de>, A::Error> {
        FoundSeed.visit_seq(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found<'de>, A::Error> {
        while let Some(name) = map.next_key_seed(FoundSeed)? {
            let Found::Text(name) = name else { continue };
            if name == "plan_features" {
                let features = map.next_value_seed(FeaturesSeed)?;
                if self.0.plan_features.is_some() {
                    self.0.duplicate.get_or_insert_with(|| "traits.plan_features".to_owned());
                }
                self.0.plan_features = features;
            } else {
                self.0.put_trait(name, map.next_value_seed(FoundSeed)?);
            }
        }
        Ok(Found::Object)
    }
}

/// Reads the array `traits.plan_features`: its texts, or what stands there instead; `None` for null.
struct FeaturesSeed;

type Features<'de> = Option<Result<Vec<Text<'de>>, Found<'de>>>;

impl<'de> DeserializeSeed<'de> for FeaturesSeed {
    type Value = Features<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Features<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FeaturesSeed {
    type Value = Features<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of feature names")
    }

    fn visit_unit<E>(self) -> Result<Features<'de>, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Features<'de>, E> {
        Ok(Some(Err(Found::Bool(value))))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Features<'de>, E> {
        Ok(Some(Err(Found::Integer(value))))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Features<'de>, E> {
        Ok(Some(Err(FoundSeed.visit_u64(value)?)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Features<'de>, E> {
        Ok(Some(Err(Found::Float(value))))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Features<'de>, E> {
        Ok(Some(Err(FoundSeed.visit_str(text)?)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Features<'de>, A::Error> {
        let mut features = Vec::new();
        let mut other = None;
        while let Some(found) = list.next_element_seed(FoundSeed)? {
            match found {
                Found::Text(feature) => features.push(feature),
                found => other = Some(found),
            }
        }
        Ok(Some(other.map_or(Ok(features), Err)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Features<'de>, A::Error> {
        Ok(Some(Err(FoundSeed.visit_map(map)?)))
    }
}
