//! The `[Install]` section, and the links that `systemctl enable` creates.

mod error;
mod links;

use serde::Serialize;

pub use self::error::InstallError;
use self::links::{Links, enabled_name};
use crate::exec::word::{Escapes, WordRules, first_word};
use crate::reader::UnitFile;
use crate::unit_name::{UnitName, UnitNameKind};

/// Directory in which `systemctl enable` creates links.
const CONFIG_DIRECTORY: &str = "/etc/systemd/system";

/// Directories in which systemd 252 finds system units (`lookup_paths_init()` in
/// `src/basic/path-lookup.c`).
const SEARCH_PATH: [&str; 9] = [
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    CONFIG_DIRECTORY,
    "/etc/systemd/system.attached",
    "/run/systemd/system",
    "/run/systemd/system.attached",
    "/usr/local/lib/systemd/system",
    "/lib/systemd/system",
    "/usr/lib/systemd/system",
];

/// Directories of units that programs create at run time, which cannot be enabled.
const GENERATED: [&str; 4] = [
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    "/run/systemd/generator",
    "/run/systemd/generator.late",
];

/// The contents of `[Install]`, with unresolved specifiers.
///
/// See [systemd.unit(5)](https://www.freedesktop.org/software/systemd/man/252/systemd.unit.html#%5BInstall%5D%20Section%20Options).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Install {
    /// `WantedBy=`.
    pub wanted_by: Vec<String>,
    /// `RequiredBy=`.
    pub required_by: Vec<String>,
    /// `Alias=`.
    pub alias: Vec<String>,
    /// `Also=`: units that `systemctl enable` also enables, by their own `[Install]` sections. An
    /// empty assignment does not reset the list.
    pub also: Vec<String>,
    /// `DefaultInstance=`: instance to enable for a template. Ignored for other units.
    pub default_instance: Option<String>,
}

/// A symbolic link. Link and target are absolute paths on the system with the enabled unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[non_exhaustive]
pub struct Link {
    /// Path of the link.
    pub path: String,
    /// Target of the link, verbatim.
    pub target: String,
}

impl Install {
    /// Collects the values of the section, split into words as in systemd.
    #[must_use]
    pub fn of(file: &UnitFile) -> Self {
        let list = |key| {
            let rules = WordRules { unquote: true, escapes: Escapes::Kept };
            file.values("Install", key).flat_map(move |entry| words(&entry.value, rules)).collect()
        };
        let also =
            file.entries.iter().filter(|entry| entry.section == "Install" && entry.key == "Also");
        let rules = WordRules { unquote: false, escapes: Escapes::Dropped };
        Self {
            wanted_by: list("WantedBy"),
            required_by: list("RequiredBy"),
            alias: list("Alias"),
            also: also.flat_map(|entry| words(&entry.value, rules)).collect(),
            default_instance: file.value("Install", "DefaultInstance").map(str::to_owned),
        }
    }

    /// Reports whether enabling the unit creates no link and enables no other unit; `systemctl`
    /// calls such a unit static.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.wanted_by.is_empty()
            && self.required_by.is_empty()
            && self.alias.is_empty()
            && self.also.is_empty()
    }
}

/// Returns the links that `systemctl --root=DIR enable UNIT` creates for the unit itself, in its
/// order and without duplicates.
///
/// `path` is the path of the unit's file on the system, not below `DIR`; for an instance, that of
/// its template. A file outside of systemd's search path is linked into it first. The caller reads
/// and enables the units in [`Install::also`]. Follows `install_info_apply()` in
/// `src/shared/install.c` of systemd 252.
///
/// # Errors
///
/// An [`InstallError`] for the first word about which `systemctl` would complain.
pub fn enable_links(
    unit: &UnitName,
    path: &str,
    install: &Install,
) -> Result<Vec<Link>, InstallError> {
    let file_name = path.strip_prefix('/').and_then(|rest| rest.rsplit('/').next());
    let names_unit = |name| {
        name == unit.as_str() || unit.template().is_some_and(|template| name == template.as_str())
    };
    if !file_name.is_some_and(names_unit) {
        return Err(InstallError::Path { path: path.into(), unit: unit.clone() });
    }
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let refuse = |reason| Err(InstallError::Unit { unit: unit.clone(), reason });
    if unit.kind() != UnitNameKind::Plain && !unit.may_template() {
        return refuse("units of this type do not support templates");
    }
    if GENERATED.contains(&directory) {
        return refuse("the unit file is transient or generated");
    }
    let mut links = Links { unit, target: path, found: Vec::new() };
    if !SEARCH_PATH.contains(&directory) {
        links.add(file_name.unwrap_or_default());
    }
    links.aliases(&install.alias)?;
    let enabled = enabled_name(unit, install)?;
    links.dependencies("WantedBy", &install.wanted_by, ".wants", &enabled)?;
    links.dependencies("RequiredBy", &install.required_by, ".requires", &enabled)?;
    Ok(links.found)
}

/// Returns the words of a value up to the first invalid one, as systemd reads them.
fn words(value: &str, rules: WordRules) -> Vec<String> {
    let mut rest = value.as_bytes();
    let mut words = Vec::new();
    while let Ok(Some((word, after))) = first_word(rest, rules) {
        words.push(String::from_utf8_lossy(&word).into_owned());
        rest = after;
    }
    words
}

#[cfg(test)]
mod tests;
