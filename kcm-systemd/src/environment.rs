//! The environment of a process that systemd starts: variables and specifiers in its arguments.

use std::collections::BTreeMap;

use crate::environment_text::{Assignment, EnvironmentText, is_name};
use crate::exec::specifiers;
use crate::exec::word::{Escapes, WordRules, first_word};
use crate::reader::UnitFile;
use crate::unit_name::UnitName;

/// Variables that systemd sets for a service ("Environment variables in spawned processes" in
/// systemd.exec(5)).
#[rustfmt::skip]
const OF_SYSTEMD: [&str; 16] = [
    "PATH", "LANG", "USER", "LOGNAME", "HOME", "SHELL", "INVOCATION_ID", "MAINPID", "MANAGERPID", "NOTIFY_SOCKET",
    "RUNTIME_DIRECTORY", "STATE_DIRECTORY", "CACHE_DIRECTORY", "LOGS_DIRECTORY", "CONFIGURATION_DIRECTORY",
    "CREDENTIALS_DIRECTORY",
];

/// The unit name, host name and variables with which a command's arguments are resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// Name of the unit, for `%n`, `%N` and `%p`.
    pub unit: UnitName,
    /// Kernel host name, for `%H`; `None` if the system is not running.
    pub hostname: Option<String>,
    /// Variables by name.
    pub variables: BTreeMap<String, String>,
}

/// A file of `EnvironmentFile=`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct EnvironmentFile {
    /// Path of the file.
    pub path: String,
    /// True if the unit starts without the file: the path has the prefix `-`.
    pub is_optional: bool,
}

impl Surroundings {
    /// Creates surroundings in which only the unit's name is known.
    #[must_use]
    pub fn of(unit: UnitName) -> Self {
        Self { unit, hostname: None, variables: BTreeMap::new() }
    }

    /// Adds the variables of `Environment=` from a unit with its drop-ins.
    #[must_use]
    pub fn with_environment(mut self, file: &UnitFile) -> Self {
        let rules = WordRules { unquote: true, escapes: Escapes::Strict };
        for entry in file.values("Service", "Environment") {
            let mut rest = entry.value.as_bytes();
            while let Ok(Some((word, after))) = first_word(rest, rules) {
                rest = after;
                let word = String::from_utf8_lossy(&word).replace("%%", "%");
                if let Some((name, value)) = word.split_once('=') {
                    self.set(name, value);
                }
            }
        }
        self
    }

    /// Adds the variables of a file of `EnvironmentFile=`. Later files take precedence, and all of
    /// them over `Environment=`.
    #[must_use]
    pub fn with_file(mut self, content: &str) -> Self {
        for Assignment { name, value, .. } in EnvironmentText::parse(content).assignments {
            self.variables.insert(name, value);
        }
        self
    }

    /// Removes the variables of `UnsetEnvironment=`, which systemd applies last.
    #[must_use]
    pub fn without_unset(mut self, file: &UnitFile) -> Self {
        for entry in file.values("Service", "UnsetEnvironment") {
            for word in entry.value.split_ascii_whitespace() {
                let (name, value) = word.split_once('=').unzip();
                let name = name.unwrap_or(word);
                let set = self.variables.get(name);
                if value.is_none_or(|value| set.is_some_and(|set| set == value)) {
                    self.variables.remove(name);
                }
            }
        }
        self
    }

    fn set(&mut self, name: &str, value: &str) {
        if is_name(name) {
            self.variables.insert(name.to_owned(), value.to_owned());
        }
    }

    /// Reports whether a variable is set here or by systemd itself.
    pub(crate) fn knows(&self, name: &[u8]) -> bool {
        let name = String::from_utf8_lossy(name);
        self.variables.contains_key(&*name) || OF_SYSTEMD.contains(&&*name)
    }

    pub(crate) fn variable(&self, name: &[u8]) -> &str {
        let name = std::str::from_utf8(name).ok();
        name.and_then(|name| self.variables.get(name)).map_or("", String::as_str)
    }

    /// Resolves the known specifiers of a text; others are kept.
    #[must_use]
    pub fn specified(&self, text: &str) -> String {
        let specified = specifiers(text.as_bytes(), |letter| self.specifier(letter));
        String::from_utf8_lossy(&specified.text).into_owned()
    }

    /// Returns the value of a specifier, if it is known.
    pub(crate) fn specifier(&self, letter: u8) -> Option<&str> {
        let name = self.unit.as_str();
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        match letter {
            b'n' => Some(name),
            b'N' => Some(stem),
            b'p' => Some(stem.split_once('@').map_or(stem, |(prefix, _)| prefix)),
            b'i' => Some(stem.split_once('@').map_or("", |(_, instance)| instance)),
            b'j' => Some(self.unit.prefix().rsplit('-').next().unwrap_or_default()),
            b'H' => self.hostname.as_deref(),
            b'l' => self.hostname.as_deref().map(|name| name.split('.').next().unwrap_or(name)),
            // Folders of the system manager.
            b't' => Some("/run"),
            b'S' => Some("/var/lib"),
            b'C' => Some("/var/cache"),
            b'L' => Some("/var/log"),
            b'E' => Some("/etc"),
            _ => None,
        }
    }
}

impl UnitFile {
    /// Returns the files of `EnvironmentFile=` in systemd's order. A path may be a pattern for
    /// several files (glob(7)).
    #[must_use]
    pub fn environment_files(&self, around: &Surroundings) -> Vec<EnvironmentFile> {
        let files = self.values("Service", "EnvironmentFile").map(|entry| {
            let path = entry.value.strip_prefix('-');
            let (path, is_optional) = path.map_or((&*entry.value, false), |path| (path, true));
            EnvironmentFile { path: around.specified(path), is_optional }
        });
        files.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn later_files_win_and_what_is_no_name_is_dropped() {
        let unit = UnitFile::parse(
            "[Service]\nEnvironment=A=1 \"B=two words\"\nEnvironment=A=2 C-D=3\nEnvironmentFile=-%E/%p.env\n",
        );
        let around = Surroundings::of("kcm.service".parse().unwrap()).with_environment(&unit);
        let around = around.with_file("B=3\nexport D=4\n");
        assert_eq!(around.variables, pairs(&[("A", "2"), ("B", "3")]).into_iter().collect());
        let files = unit.environment_files(&around);
        assert_eq!((files[0].path.as_str(), files[0].is_optional), ("/etc/kcm.env", true));
    }

    #[test]
    fn a_variable_that_is_unset_is_not_there() {
        let unit =
            UnitFile::parse("[Service]\nEnvironment=A=1 B=2 C=3\nUnsetEnvironment=A B=9 C=3\n");
        let around = Surroundings::of("kcm.service".parse().unwrap()).with_environment(&unit);
        let left = around.without_unset(&unit).variables;
        assert_eq!(left, pairs(&[("B", "2")]).into_iter().collect());
    }
}
