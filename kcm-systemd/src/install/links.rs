//! Links for dependencies and aliases, and their specifiers.

use crate::install::error::InstallError;
use crate::install::{CONFIG_DIRECTORY, Install, Link};
use crate::unit_name::{UnitName, UnitNameKind};

/// The links found so far.
pub(super) struct Links<'a> {
    pub(super) unit: &'a UnitName,
    pub(super) target: &'a str,
    pub(super) found: Vec<Link>,
}

impl Links<'_> {
    pub(super) fn add(&mut self, name: &str) {
        let link = Link { path: format!("{CONFIG_DIRECTORY}/{name}"), target: self.target.into() };
        if !self.found.contains(&link) {
            self.found.push(link);
        }
    }

    pub(super) fn dependencies(
        &mut self,
        key: &'static str,
        words: &[String],
        suffix: &str,
        enabled: &UnitName,
    ) -> Result<(), InstallError> {
        for word in words {
            let by = self.name(key, word)?;
            if enabled.kind() == UnitNameKind::Template && by.kind() == UnitNameKind::Plain {
                let reason =
                    format!("{enabled} is a template; enable an instance or set DefaultInstance=");
                return Err(InstallError::Name { key, word: word.clone(), reason });
            }
            self.add(&format!("{by}{suffix}/{enabled}"));
        }
        Ok(())
    }

    /// Follows `unit_file_verify_alias()` in `src/shared/install.c`.
    pub(super) fn aliases(&mut self, words: &[String]) -> Result<(), InstallError> {
        // systemd only warns about aliases of unit types that cannot have any.
        if !self.unit.may_alias() {
            return Ok(());
        }
        for word in words {
            if word.contains('/') {
                self.dependency_alias(word)?;
                continue;
            }
            let mut alias = self.name("Alias", word)?;
            if let (UnitNameKind::Template, Some(instance)) = (alias.kind(), self.unit.instance())
                && !instance.is_empty()
            {
                alias = alias.with_instance(instance).map_err(|source| InstallError::Name {
                    key: "Alias",
                    word: word.clone(),
                    reason: source.to_string(),
                })?;
            }
            if alias == *self.unit {
                continue;
            }
            if let Some(reason) = self.alias_problem(&alias) {
                return Err(InstallError::Name { key: "Alias", word: word.clone(), reason });
            }
            self.add(alias.as_str());
        }
        Ok(())
    }

    /// Adds `Alias=x.target.wants/NAME`, with which old units replace `WantedBy=`.
    fn dependency_alias(&mut self, word: &str) -> Result<(), InstallError> {
        let refuse = |reason| InstallError::Name { key: "Alias", word: word.into(), reason };
        let resolved = resolve(self.unit, "Alias", word)?;
        let (directory, name) = resolved.rsplit_once('/').unwrap_or_default();
        let by = directory
            .strip_suffix(".wants")
            .or_else(|| directory.strip_suffix(".requires"))
            .unwrap_or_default();
        let by = UnitName::parse(by).map_err(|source| refuse(source.to_string()))?;
        let name = UnitName::parse(name).map_err(|source| refuse(source.to_string()))?;
        let is_unit = name == *self.unit
            && (name.kind() != UnitNameKind::Template || by.kind() == UnitNameKind::Template);
        let is_instance =
            name.kind() == UnitNameKind::Instance && name.template().as_ref() == Some(self.unit);
        if !is_unit && !is_instance {
            return Err(refuse(format!("the link name is not valid for {}", self.unit)));
        }
        self.add(&resolved);
        Ok(())
    }

    /// Returns the reason a name cannot be an alias of the unit. Follows
    /// `unit_validate_alias_symlink_or_warn()`.
    fn alias_problem(&self, alias: &UnitName) -> Option<String> {
        let unit = self.unit;
        if alias.unit_type() != unit.unit_type() {
            return Some(format!("an alias of {unit} must end with `.{}`", unit.unit_type()));
        }
        if alias.kind() != UnitNameKind::Plain && !alias.may_template() {
            return Some(format!("units of type {} do not support templates", alias.unit_type()));
        }
        let same_kind = alias.kind() == unit.kind();
        let instance_of_template =
            alias.kind() == UnitNameKind::Instance && unit.kind() == UnitNameKind::Template;
        if !same_kind && !instance_of_template {
            return Some(format!(
                "the kind of the alias (plain name, template or instance) does not match {unit}"
            ));
        }
        if same_kind && alias.instance() != unit.instance() {
            return Some(format!("the instance must be equal to the instance of {unit}"));
        }
        None
    }

    fn name(&self, key: &'static str, word: &str) -> Result<UnitName, InstallError> {
        let resolved = resolve(self.unit, key, word)?;
        UnitName::parse(&resolved).map_err(|source| InstallError::Name {
            key,
            word: word.into(),
            reason: source.to_string(),
        })
    }
}

/// Returns the name in the links to dependencies: the unit's own, or that of a template's default
/// instance.
pub(super) fn enabled_name(unit: &UnitName, install: &Install) -> Result<UnitName, InstallError> {
    let (UnitNameKind::Template, Some(word)) = (unit.kind(), &install.default_instance) else {
        return Ok(unit.clone());
    };
    let instance = resolve(unit, "DefaultInstance", word)?;
    unit.with_instance(&instance).map_err(|source| InstallError::Name {
        key: "DefaultInstance",
        word: word.clone(),
        reason: source.to_string(),
    })
}

/// Resolves the specifiers that depend only on the unit's name (`install_name_printf()` in
/// `src/shared/install-printf.c`).
fn resolve(unit: &UnitName, key: &'static str, word: &str) -> Result<String, InstallError> {
    let mut out = String::with_capacity(word.len());
    let mut characters = word.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => out.push_str(unit.as_str()),
            Some('N') => out.push_str(unit.stem()),
            Some('p') => out.push_str(unit.prefix()),
            Some('i') => out.push_str(unit.instance().unwrap_or_default()),
            Some('j') => out.push_str(unit.prefix().rsplit('-').next().unwrap_or_default()),
            None | Some('%') => out.push('%'),
            Some(other) if other.is_ascii_alphanumeric() => {
                let specifier = format!("%{other}");
                return Err(InstallError::Specifier { key, word: word.into(), specifier });
            }
            Some(other) => out.extend(['%', other]),
        }
    }
    Ok(out)
}
