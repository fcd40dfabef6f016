//! Why a unit cannot be enabled.

use thiserror::Error;

use crate::unit_name::UnitName;

/// Why a unit cannot be enabled as its `[Install]` section says.
///
/// When one of these is returned, no link is proposed; `systemctl` makes the remaining ones and exits 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InstallError {
    /// A word is no unit name.
    #[error("`{key}={word}` in [Install]: {reason}")]
    Name {
        /// The directive.
        key: &'static str,
        /// The word as it stands in the file.
        word: String,
        /// What is wrong, and how to mend it.
        reason: String,
    },
    /// A word holds a specifier whose value depends on the machine.
    #[error(
        "`{key}={word}` in [Install] depends on the machine through `{specifier}`; write the name out"
    )]
    Specifier {
        /// The directive.
        key: &'static str,
        /// The word as it stands in the file.
        word: String,
        /// The specifier, or what follows a percent sign.
        specifier: String,
    },
    /// The unit cannot be enabled, whatever its `[Install]` section says.
    #[error("{unit} cannot be enabled: {reason}")]
    Unit {
        /// The name of the unit.
        unit: UnitName,
        /// Why.
        reason: &'static str,
    },
    /// The path of the unit is not absolute, or does not end with the name of the unit or its template.
    #[error(
        "`{path}` is not the path of unit {unit}; it must be absolute and end with `/{unit}` or its template"
    )]
    Path {
        /// The path as given.
        path: String,
        /// The name of the unit.
        unit: UnitName,
    },
}
