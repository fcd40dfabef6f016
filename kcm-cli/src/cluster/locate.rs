//! Where a field of a YAML text is: for errors that are found after reading.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

/// One step of a field's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// Line and column of the value at `path`, both from 1; `None` if there is no such value.
///
/// Reads the text again along the path and fails there on purpose: the parser's own error then has the
/// place, so that no second parser is needed.
pub(super) fn locate(text: &str, path: &[Step<'_>]) -> Option<(usize, usize)> {
    let error = Walk { path }.deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
    let location = error.location()?;
    error.to_string().contains(HERE).then(|| (location.line(), location.column()))
}

/// The path in messages: `masters[1].name`.
pub(super) fn show(path: &[Step<'_>]) -> String {
    path.iter().fold(String::new(), |shown, step| match step {
        Step::Key(key) if shown.is_empty() => (*key).to_owned(),
        Step::Key(key) => format!("{shown}.{key}"),
        Step::Index(index) => format!("{shown}[{index}]"),
    })
}

/// The steps of such a path.
pub(super) fn steps(shown: &str) -> impl Iterator<Item = Step<'_>> {
    shown.split(['.', '[']).filter(|part| !part.is_empty()).map(|part| {
        let index = part.strip_suffix(']').and_then(|index| index.parse().ok());
        index.map_or(Step::Key(part), Step::Index)
    })
}

const HERE: &str = "the value that was looked for";

struct Walk<'a> {
    path: &'a [Step<'a>],
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HERE)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((Step::Key(wanted), rest)) = self.path.split_first() else {
            return Err(A::Error::custom(HERE));
        };
        while let Some(key) = map.next_key::<String>()? {
            if key == *wanted {
                return map.next_value_seed(Walk { path: rest });
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some((Step::Index(wanted), rest)) = self.path.split_first() else {
            return Err(A::Error::custom(HERE));
        };
        for _ in 0..*wanted {
            items.next_element::<IgnoredAny>()?;
        }
        items.next_element_seed(Walk { path: rest }).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "cluster:\n  server: x\nmasters:\n  - name: a\n  - {name: b, address: c}\n";

    #[test]
    fn the_place_is_that_of_the_value() {
        use Step::{Index, Key};
        assert_eq!(locate(TEXT, &[Key("cluster"), Key("server")]), Some((2, 11)));
        assert_eq!(locate(TEXT, &[Key("masters"), Index(1), Key("name")]), Some((5, 12)));
        assert_eq!(locate(TEXT, &[Key("masters"), Index(2)]), None);
        assert_eq!(locate(TEXT, &[Key("nothing")]), None);
        let path = [Key("masters"), Index(1), Key("name")];
        assert_eq!(show(&path), "masters[1].name");
        assert_eq!(steps("masters[1].name").collect::<Vec<_>>(), path);
    }
}
