//! Scalars of the cluster file, checked during parsing, so that errors have line and column.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use kcm_systemd::FlagName;

use crate::util::schema::schema;

/// A value that the file holds as text.
pub(super) struct Text<T>(pub(super) T);

/// The description of a scalar in the schema and in errors.
pub(super) trait Scalar: FromStr<Err: fmt::Display> {
    /// Noun phrase that completes "expected …".
    const EXPECTED: &'static str;
    /// A valid value, for editors.
    const EXAMPLE: &'static str;
}

/// Makes a type a [`Scalar`]: its phrase, an example, and unless the type can be parsed already, the
/// function that parses it, or the words that it accepts and the fix of any other word.
macro_rules! scalar {
    ($name:ident, $expected:expr, $example:expr $(,)?) => {
        impl $crate::cluster::scalar::Scalar for $name {
            const EXPECTED: &'static str = $expected;
            const EXAMPLE: &'static str = $example;
        }
    };
    ($name:ident, $expected:expr, $example:expr, |$text:ident| $parsed:expr $(,)?) => {
        scalar!($name, $expected, $example);

        impl std::str::FromStr for $name {
            type Err = $crate::cluster::value::InvalidValue;

            fn from_str($text: &str) -> Result<Self, Self::Err> {
                $parsed
            }
        }
    };
    ($name:ident, $expected:expr, $example:expr, $words:expr, $help:expr $(,)?) => {
        scalar!($name, $expected, $example, |text| {
            let found = $words.into_iter().find(|(word, _)| *word == text);
            let wrong = || $crate::cluster::value::invalid::<Self>(text, $help);
            found.map(|(_, value)| value).ok_or_else(wrong)
        });
    };
}
pub(super) use scalar;

impl<'de, T: Scalar> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);
        impl<T: Scalar> Visitor<'_> for Reader<T> {
            type Value = Text<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}, as in {}", T::EXPECTED, T::EXAMPLE)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<T>, E> {
                text.parse().map(Text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Reader(PhantomData))
    }
}

impl<T: Scalar> JsonSchema for Text<T> {
    fn schema_name() -> Cow<'static, str> {
        T::EXPECTED.into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": T::EXPECTED, "examples": [T::EXAMPLE] })
    }
}

/// The change of one flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlagChange {
    /// Adds the flag, or changes its value.
    Set(String),
    /// Removes the flag.
    Remove,
}

/// Flags by name; `null` removes a flag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FlagMap(pub(super) Vec<(FlagName, FlagChange)>);

impl<'de> Deserialize<'de> for FlagMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = FlagMap;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("flags as lines `name: value`, or `name: null` to remove one")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FlagMap, A::Error> {
                let mut flags: Vec<(FlagName, FlagChange)> = Vec::new();
                while let Some(Text(name)) = map.next_key::<Text<FlagName>>()? {
                    if flags.iter().any(|(known, _)| *known == name) {
                        let text = format!("duplicate flag `{name}`; keep one of them");
                        return Err(A::Error::custom(text));
                    }
                    flags.push((name, map.next_value::<FlagValue>()?.0));
                }
                Ok(FlagMap(flags))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// The text of a scalar as written (`010` stays `010`), or `null`.
struct FlagValue(FlagChange);

impl<'de> Deserialize<'de> for FlagValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = FlagValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "one value (join several with commas: \"a,b\"), or null to remove the flag",
                )
            }

            fn visit_none<E: Error>(self) -> Result<FlagValue, E> {
                Ok(FlagValue(FlagChange::Remove))
            }

            fn visit_unit<E: Error>(self) -> Result<FlagValue, E> {
                Ok(FlagValue(FlagChange::Remove))
            }

            fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<FlagValue, D::Error> {
                value.deserialize_str(self)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<FlagValue, E> {
                Ok(FlagValue(FlagChange::Set(text.to_owned())))
            }
        }
        deserializer.deserialize_option(Reader)
    }
}

schema!(FlagMap, "Flags", {
    "type": ["object", "null"],
    "description": "Flags of kube-controller-manager by name, without dashes; null removes one.",
    "additionalProperties": { "type": ["string", "number", "boolean", "null"] },
    "examples": [{ "profiling": false, "v": 4 }],
});
