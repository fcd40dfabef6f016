//! Data model of a unit, and its renderer.

mod error;
mod parts;

use std::fmt;

pub use self::error::UnitError;
pub use self::parts::{Key, SectionName, Value};

/// systemd's `LONG_LINE_MAX`: maximum length of a logical line, and one more than that of a
/// physical line, in bytes.
pub(crate) const LONG_LINE_MAX: usize = 1024 * 1024;

/// A complete unit, with its sections in the order of writing.
///
/// Rendering cannot fail and is deterministic. systemd reads back exactly the given sections, keys
/// and values without a parser warning. The existence of the keys is not checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unit {
    /// Sections. systemd merges sections with the same name.
    pub sections: Vec<Section>,
}

/// One `[Section]` and its directives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Name between the brackets.
    pub name: SectionName,
    /// Assignments in order; later ones override or extend earlier ones of the same key.
    pub directives: Vec<Directive>,
}

/// One assignment, `Key=Value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// Key, left of `=`.
    pub key: Key,
    /// Value, right of `=`.
    pub value: Value,
}

impl Unit {
    /// Renders the unit: an empty line between sections, one final line break, no comments.
    #[must_use]
    pub fn render(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, section) in self.sections.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            writeln!(f, "[{}]", section.name)?;
            for directive in &section.directives {
                writeln!(f, "{directive}")?;
            }
        }
        Ok(())
    }
}

impl Directive {
    /// Parses key and value.
    ///
    /// # Errors
    ///
    /// Those of [`Key::parse`] and [`Value::parse`].
    pub fn parse(key: &str, value: &str) -> Result<Self, UnitError> {
        Ok(Self { key: Key::parse(key)?, value: Value::parse(value)? })
    }
}

impl fmt::Display for Directive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_parted_by_one_empty_line() {
        let section = |name| Section {
            name: SectionName::parse(name).unwrap(),
            directives: vec![
                Directive::parse("Key", "value # no comment").unwrap(),
                Directive::parse("L", "").unwrap(),
            ],
        };
        let unit = Unit { sections: vec![section("Unit"), section("X-Site")] };
        assert_eq!(
            unit.render(),
            "[Unit]\nKey=value # no comment\nL=\n\n[X-Site]\nKey=value # no comment\nL=\n"
        );
    }

    #[test]
    fn what_would_not_be_read_back_is_refused() {
        for key in ["", "a=b", "#a", "[a", " a", "a b", "é"] {
            assert!(matches!(Key::parse(key), Err(UnitError::Key { .. })), "{key}");
            assert!(matches!(SectionName::parse(key), Err(UnitError::SectionName { .. })), "{key}");
        }
        for value in ["a\nb", "a\rb", "a\0b", "\u{ffff}"] {
            assert!(
                matches!(Value::parse(value), Err(UnitError::ValueCharacter { .. })),
                "{value:?}"
            );
        }
        for value in [" a", "a ", "\ta"] {
            assert!(
                matches!(Value::parse(value), Err(UnitError::ValuePadding { .. })),
                "{value:?}"
            );
        }
        assert!(matches!(Value::parse("a\\"), Err(UnitError::ValueBackslash { .. })));
        assert!(Value::parse("a\\\\").is_ok());
        assert!(Value::parse(&"a".repeat(Value::MAX_BYTES)).is_ok());
        assert!(matches!(
            Value::parse(&"a".repeat(Value::MAX_BYTES + 1)),
            Err(UnitError::TooLong { .. })
        ));
    }

    #[test]
    fn values_are_equal_if_systemd_reads_the_same() {
        let folded = Value::folded(vec!["a".into(), "b".into()]);
        assert_eq!(folded.to_string(), "a \\\n  b");
        assert_eq!(folded, Value::parse("a    b").unwrap());
        assert_ne!(folded, Value::parse("a b").unwrap());
    }

    #[test]
    fn a_literal_value_keeps_its_percent_signs() {
        assert_eq!(Value::literal("100% ours").unwrap().text(), "100%% ours");
    }
}
