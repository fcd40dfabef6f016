//! `[Install]`, and the links that enabling a unit makes.

mod error;
mod links;

use serde::Serialize;

pub use self::error::InstallError;
use self::links::{Links, enabled_name};
use crate::exec::word::{Escapes, WordRules, first_word};
use crate::reader::UnitFile;
use crate::unit_name::{UnitName, UnitNameKind};

/// Where `systemctl enable` makes links: the directory of the administrator.
const CONFIG_DIRECTORY: &str = "/etc/systemd/system";

/// The directories in which systemd 252 finds system units (`lookup_paths_init()` in `src/basic/path-lookup.c`).
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

/// The directories of units that programs make at run time, which cannot be enabled.
const GENERATED: [&str; 4] = [
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    "/run/systemd/generator",
    "/run/systemd/generator.late",
];

/// What `[Install]` says, specifiers unresolved.
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
    /// `Also=`: units that `systemctl enable` enables too, by their own `[Install]` sections. An empty assignment does
    /// not reset it.
    pub also: Vec<String>,
    /// `DefaultInstance=`: the instance that stands in for a template. Ignored for other units.
    pub default_instance: Option<String>,
}

/// A symbolic link. Both ends are absolute paths on the system whose unit is enabled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[non_exhaustive]
pub struct Link {
    /// Where the link stands.
    pub path: String,
    /// What it holds, verbatim.
    pub target: String,
}

impl Install {
    /// Gathers what the section says, words split as systemd does.
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

    /// Tells whether enabling the unit makes no link and enables no other unit: `systemctl` calls such a unit static.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.wanted_by.is_empty()
            && self.required_by.is_empty()
            && self.alias.is_empty()
            && self.also.is_empty()
    }
}

/// Lists the links that `systemctl --root=DIR enable UNIT` makes for the unit itself, in its order and each once.
///
/// `path` is where the unit's file is (for an instance, its template's) on the system, not below `DIR`. A file outside
/// systemd's search path is linked into it first. The units in [`Install::also`] are the caller's to read and enable.
/// Follows `install_info_apply()` in `src/shared/install.c` of systemd 252.
///
/// # Errors
///
/// An [`InstallError`] for the first word that `systemctl` would complain about; no link is proposed then.
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
        return refuse("units of its type have no templates");
    }
    if GENERATED.contains(&directory) {
        return refuse("its file is transient or generated");
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

/// The words of a value, up to the first that cannot be read, as systemd takes them.
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
