//! Unit names, by the rules of systemd.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::unit::UnitError;

/// Unit types of systemd, as suffixes of names.
const TYPES: [&str; 11] = [
    "service",
    "socket",
    "target",
    "device",
    "mount",
    "automount",
    "swap",
    "timer",
    "path",
    "slice",
    "scope",
];

/// Unit types that can be a template (`unit_type_may_template()` in `src/basic/unit-file.c`).
const TEMPLATE_TYPES: [&str; 5] = ["service", "socket", "target", "timer", "path"];

/// Unit types that can have an alias (`unit_type_may_alias()` in `src/basic/unit-file.c`).
const ALIAS_TYPES: [&str; 6] = ["service", "socket", "target", "device", "timer", "path"];

/// A valid unit name, such as `kube-controller-manager.service`.
///
/// A name has at most 255 bytes: letters, digits and `:-_.\`, at most one `@` outside the instance,
/// and the suffix of a unit type. See
/// [systemd.unit(5)](https://www.freedesktop.org/software/systemd/man/252/systemd.unit.html#Description).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct UnitName(String);

/// The kind of a unit name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitNameKind {
    /// A single unit: `kube-controller-manager.service`.
    Plain,
    /// A template: `getty@.service`. It cannot be started.
    Template,
    /// An instance of a template: `getty@tty1.service`.
    Instance,
}

impl UnitName {
    /// Maximum length in bytes.
    pub const MAX_BYTES: usize = 255;

    /// Parses a name.
    ///
    /// # Errors
    ///
    /// [`UnitError::Name`], whose message names the fix.
    pub fn parse(name: &str) -> Result<Self, UnitError> {
        let refuse = |problem| Err(UnitError::Name { name: name.into(), problem });
        if name.len() > Self::MAX_BYTES {
            return refuse("is longer than 255 bytes");
        }
        let Some((stem, suffix)) = name.rsplit_once('.') else {
            return refuse("has no unit type; add `.service`");
        };
        if !TYPES.contains(&suffix) {
            return refuse("does not end with a unit type such as `.service` or `.target`");
        }
        if stem.is_empty() || stem.starts_with('@') {
            return refuse("has no name before the `.` or `@`");
        }
        if !stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte)) {
            return refuse(
                "may contain only letters, digits and `:-_.\\@`; escape other characters as `\\xHH` with `systemd-escape`",
            );
        }
        Ok(Self(name.into()))
    }

    pub(crate) fn known(name: &'static str) -> Self {
        Self(name.into())
    }

    /// Returns the complete name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the kind: plain name, template or instance.
    #[must_use]
    pub fn kind(&self) -> UnitNameKind {
        match self.instance() {
            None => UnitNameKind::Plain,
            Some("") => UnitNameKind::Template,
            Some(_) => UnitNameKind::Instance,
        }
    }

    /// Returns the unit type: `service`, `target`, …
    #[must_use]
    pub fn unit_type(&self) -> &str {
        self.0.rsplit_once('.').map_or("", |(_, suffix)| suffix)
    }

    /// Returns the name without its suffix, including the instance: `%N`.
    #[must_use]
    pub fn stem(&self) -> &str {
        self.0.rsplit_once('.').map_or(&self.0, |(stem, _)| stem)
    }

    /// Returns the part before the first `@`, or the stem: `%p`.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.stem().split_once('@').map_or(self.stem(), |(prefix, _)| prefix)
    }

    /// Returns the part between the first `@` and the suffix: `%i`. Empty for a template, `None`
    /// for a plain name.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        self.stem().split_once('@').map(|(_, instance)| instance)
    }

    /// Returns the template of an instance or template.
    #[must_use]
    pub fn template(&self) -> Option<Self> {
        self.instance().map(|_| Self(format!("{}@.{}", self.prefix(), self.unit_type())))
    }

    /// Returns the given instance of this template, or of this instance's template.
    ///
    /// # Errors
    ///
    /// [`UnitError::Name`] if the name is plain, or if the instance is empty or results in an
    /// invalid name.
    pub fn with_instance(&self, instance: &str) -> Result<Self, UnitError> {
        let name = format!("{}@{instance}.{}", self.prefix(), self.unit_type());
        if self.kind() == UnitNameKind::Plain {
            return Err(UnitError::Name {
                name: self.0.clone(),
                problem: "is not a template and has no instances",
            });
        }
        if instance.is_empty() {
            return Err(UnitError::Name { name, problem: "has an empty instance name" });
        }
        Self::parse(&name)
    }

    pub(crate) fn may_template(&self) -> bool {
        TEMPLATE_TYPES.contains(&self.unit_type())
    }

    pub(crate) fn may_alias(&self) -> bool {
        ALIAS_TYPES.contains(&self.unit_type())
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for UnitName {
    type Err = UnitError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::parse(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_apart_as_the_specifiers_say() {
        let plain = UnitName::parse("kube-controller-manager.service").unwrap();
        assert_eq!(
            (plain.kind(), plain.prefix(), plain.instance()),
            (UnitNameKind::Plain, plain.stem(), None)
        );
        let instance = UnitName::parse("a.b@c@d.service").unwrap();
        assert_eq!(instance.kind(), UnitNameKind::Instance);
        assert_eq!(
            (instance.prefix(), instance.instance(), instance.stem()),
            ("a.b", Some("c@d"), "a.b@c@d")
        );
        assert_eq!(instance.template().unwrap().as_str(), "a.b@.service");
        assert_eq!(instance.template().unwrap().kind(), UnitNameKind::Template);
        assert_eq!(instance.with_instance("x").unwrap().as_str(), "a.b@x.service");
        assert!(plain.with_instance("x").is_err());
        assert!(instance.with_instance("").is_err());
    }

    #[test]
    fn names_that_systemd_refuses_are_refused() {
        for name in [
            "",
            "a",
            ".service",
            "a.",
            "a.unit",
            "@.service",
            "@a.service",
            "a b.service",
            "a/b.service",
            "é.service",
        ] {
            assert!(UnitName::parse(name).is_err(), "{name}");
        }
        assert!(UnitName::parse(&format!("{}.service", "a".repeat(247))).is_ok());
        assert!(UnitName::parse(&format!("{}.service", "a".repeat(248))).is_err());
    }
}
