//! Compares two units by their effect.

use std::collections::BTreeSet;
use std::path::Path;

use kcm_systemd::{EffectiveService, Prefixes, Privileges};
use schemars::JsonSchema;
use serde::Serialize;

use super::load::{load, unclear};
use crate::error::Error;

/// The differences between two units.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UnitDiff {
    /// The first unit file, as it was named.
    pub first: String,
    /// The second unit file, as it was named.
    pub second: String,
    /// The settings with different effects; empty if the units are equal.
    pub differences: Vec<UnitDifference>,
}

/// A setting that differs between two units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UnitDifference {
    /// Name of the setting: `program`, `prefixes`, a flag such as `--v`, or a directive such as
    /// `[Service] Restart`.
    pub setting: String,
    /// Effective values in the first unit; empty if the setting is not set.
    pub first: Vec<String>,
    /// Effective values in the second unit; empty if the setting is not set.
    pub second: Vec<String>,
}

/// Compares two units of kube-controller-manager with their drop-ins and environment files.
///
/// Comments, folds, the order of flags, `Description=` and `Documentation=` make no difference. The
/// paths of environment files start at `root`.
///
/// # Errors
/// If a unit cannot be read, or its effect cannot be determined.
pub fn compare_units(first: &Path, second: &Path, root: &Path) -> Result<UnitDiff, Error> {
    let [one, other] = [effective(first, root)?, effective(second, root)?].map(|it| settings(&it));
    let names: BTreeSet<_> = one.iter().chain(&other).map(|(name, _)| name).collect();
    let differences = names.into_iter().filter(|name| find(&one, name) != find(&other, name));
    let differences = differences.map(|name| UnitDifference {
        setting: name.1.clone(),
        first: find(&one, name).cloned().unwrap_or_default(),
        second: find(&other, name).cloned().unwrap_or_default(),
    });
    Ok(UnitDiff {
        first: first.display().to_string(),
        second: second.display().to_string(),
        differences: differences.collect(),
    })
}

/// Rank of a kind of setting, and its name.
type Setting = (u8, String);

fn find<'s>(of: &'s [(Setting, Vec<String>)], name: &Setting) -> Option<&'s Vec<String>> {
    of.iter().find(|(it, _)| it == name).map(|(_, values)| values)
}

fn effective(file: &Path, root: &Path) -> Result<EffectiveService, Error> {
    let unit = load(file, root)?;
    let meaning = unit.meaning().map_err(|error| unclear(file, error.to_string()))?;
    // A file that only feeds the command has the effect of the flags in it.
    Ok(meaning.without_environment_files(&unit.feeding()))
}

fn settings(service: &EffectiveService) -> Vec<(Setting, Vec<String>)> {
    let mut settings = vec![((0, "program".to_owned()), vec![service.executable.clone()])];
    let prefixes = prefixes(service.prefixes);
    if !prefixes.is_empty() {
        settings.push(((1, "prefixes".to_owned()), vec![prefixes]));
    }
    let flags = service.flags.iter();
    settings.extend(flags.map(|(name, value)| ((2, format!("--{name}")), vec![value.to_owned()])));
    let directives = service.settings.iter();
    settings.extend(
        directives
            .map(|((section, key), values)| ((3, format!("[{section}] {key}")), values.clone())),
    );
    settings
}

fn prefixes(prefixes: Prefixes) -> String {
    let privileges = match prefixes.privileges {
        Privileges::Unit => "",
        Privileges::Full => "+",
        Privileges::NoUser => "!",
        Privileges::Ambient => "!!",
    };
    let ignore = if prefixes.ignore_failure { "-" } else { "" };
    let expansion = if prefixes.no_expansion { ":" } else { "" };
    format!("{ignore}{expansion}{privileges}")
}
