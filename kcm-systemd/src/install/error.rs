//! Errors of enabling a unit.

use thiserror::Error;

use crate::unit_name::UnitName;

/// The reason a unit cannot be enabled as its `[Install]` section specifies.
///
/// No link is returned; `systemctl` would create the remaining links and exit with 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InstallError {
    /// A word is not a unit name.
    #[error("`{key}={word}` in [Install]: {reason}")]
    Name {
        /// Name of the directive.
        key: &'static str,
        /// Word as written in the file.
        word: String,
        /// Description of the error with its fix.
        reason: String,
    },
    /// A word contains a specifier whose value depends on the machine.
    #[error(
        "`{key}={word}` in [Install] contains the specifier `{specifier}`, which is unknown or depends on the machine; write the full name"
    )]
    Specifier {
        /// Name of the directive.
        key: &'static str,
        /// Word as written in the file.
        word: String,
        /// The specifier, or the text after a percent sign.
        specifier: String,
    },
    /// The unit cannot be enabled, regardless of its `[Install]` section.
    #[error("cannot enable {unit}: {reason}")]
    Unit {
        /// Name of the unit.
        unit: UnitName,
        /// Description of the reason.
        reason: &'static str,
    },
    /// The path of the unit is not absolute, or does not end with the name of the unit or its
    /// template.
    #[error(
        "`{path}` is not the path of unit {unit}; write an absolute path that ends with `/{unit}` or its template"
    )]
    Path {
        /// Path as given.
        path: String,
        /// Name of the unit.
        unit: UnitName,
    },
}
