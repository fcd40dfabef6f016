//! Unit directives in the cluster file: values by key and section.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use kcm_systemd::{Key, SectionName, Value};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::scalar::{Scalar, Text, scalar};
use crate::util::schema::schema;

/// Directives by section, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct DirectiveMap(pub(super) Vec<(SectionName, Vec<(Key, Values)>)>);

/// The values of a directive's key.
#[derive(Debug)]
pub(super) enum Values {
    /// One value.
    One(Value),
    /// A list of values, each for one directive.
    Several(Vec<Value>),
}

impl<'de> Deserialize<'de> for DirectiveMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let sections = Lines::<SectionName, Lines<Key, Values>>::deserialize(deserializer)?.0;
        Ok(Self(sections.into_iter().map(|(name, directives)| (name, directives.0)).collect()))
    }
}

/// Lines `name: …` without duplicate names.
struct Lines<K, V>(Vec<(K, V)>);

/// The terms for a name in errors.
trait Name: Scalar + fmt::Display + Clone + Ord {
    /// Noun for the named item.
    const KIND: &'static str;
    /// Fix for a duplicate name.
    const HELP: &'static str;
}

impl Name for SectionName {
    const KIND: &'static str = "section";
    const HELP: &'static str = "keep one of them";
}

impl Name for Key {
    const KIND: &'static str = "directive";
    const HELP: &'static str = "write a list of values";
}

impl<'de, K: Name, V: Deserialize<'de>> Deserialize<'de> for Lines<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<K, V>(PhantomData<(K, V)>);
        impl<'de, K: Name, V: Deserialize<'de>> Visitor<'de> for Reader<K, V> {
            type Value = Lines<K, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("directives by section, as in `Service: {LimitNOFILE: 65536}`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Lines<K, V>, A::Error> {
                let (mut lines, mut known) = (Vec::new(), BTreeSet::new());
                while let Some(Text(name)) = map.next_key::<Text<K>>()? {
                    if !known.insert(name.clone()) {
                        let text = format!("duplicate {} `{name}`; {}", K::KIND, K::HELP);
                        return Err(A::Error::custom(text));
                    }
                    lines.push((name, map.next_value()?));
                }
                Ok(Lines(lines))
            }
        }
        deserializer.deserialize_map(Reader(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Values;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one value or a list of them (\"\" is the empty value)")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Values, E> {
                Value::parse(text).map(Values::One).map_err(E::custom)
            }

            fn visit_bool<E: Error>(self, truth: bool) -> Result<Values, E> {
                self.visit_str(&truth.to_string())
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Values, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Values, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Values, E> {
                // A float would turn 1.10 into 1.1.
                Err(E::custom("a number with a fraction requires quotes; put the number in quotes"))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Values, A::Error> {
                let mut values = Vec::new();
                while let Some(item) = items.next_element()? {
                    match item {
                        Values::One(value) => values.push(value),
                        Values::Several(_) => {
                            let text = "a list contains another list; write all values in one list";
                            return Err(A::Error::custom(text));
                        }
                    }
                }
                if values.is_empty() {
                    let text =
                        "the list is empty; write \"\" for the empty value, or remove the key";
                    return Err(A::Error::custom(text));
                }
                Ok(Values::Several(values))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

scalar!(SectionName, "a section name of a unit file", "Service");

scalar!(Key, "a directive name", "LimitNOFILE");

schema!(DirectiveMap, "Directives", {
    "type": ["object", "null"],
    "description": "Directives of the unit by section. A list sets the directive several times.",
    "additionalProperties": {
        "type": "object",
        "additionalProperties": {
            "anyOf": [
                { "type": ["string", "integer", "boolean"] },
                {
                    "type": "array",
                    "items": { "type": ["string", "integer", "boolean"] },
                    "minItems": 1,
                },
            ],
        },
    },
    "examples": [{ "Service": { "LimitNOFILE": 65536, "Environment": ["A=1", "B=2"] } }],
});
