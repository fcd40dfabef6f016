//! Lints over several versions: merges lints, and reports the versions of each.

use super::{FlagLint, LintCode, Severity, lint_one};
use crate::flags::{Flags, KubernetesVersion};

/// The versions for which flags are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LintVersions {
    /// The given versions: a flag that one of them rejects is an error.
    These(Vec<KubernetesVersion>),
    /// An unknown version: a flag is an error if all known versions reject it, and a warning if
    /// some do.
    Unknown,
}

impl LintVersions {
    /// Returns the versions to check, oldest first.
    #[must_use]
    pub fn to_vec(&self) -> Vec<KubernetesVersion> {
        match self {
            Self::These(versions) => {
                let mut versions = versions.clone();
                versions.sort_unstable();
                versions.dedup();
                versions
            }
            Self::Unknown => KubernetesVersion::known().collect(),
        }
    }
}

/// Checks flags for versions, against each other, and against section 1.3 of the CIS Kubernetes
/// Benchmark.
///
/// The checks use only the flags: files that they name are not read. An unset flag counts with the
/// default of the program. The most severe lints come first.
#[must_use]
pub fn lint_flags(flags: &Flags, versions: &LintVersions) -> Vec<FlagLint> {
    let asked = versions.to_vec();
    let mut merged: Vec<FlagLint> = Vec::new();
    for lint in asked.iter().flat_map(|version| lint_one(flags, *version)) {
        let is_same = |other: &&mut FlagLint| {
            (other.code, &other.flag, &other.subject) == (lint.code, &lint.flag, &lint.subject)
        };
        match merged.iter_mut().find(is_same) {
            // The text of the newest version counts.
            Some(known) => {
                known.versions.extend(lint.versions);
                known.versions.dedup();
                known.severity = known.severity.max(lint.severity);
                (known.problem, known.help) = (lint.problem, lint.help);
            }
            None => merged.push(lint),
        }
    }
    let is_unknown = *versions == LintVersions::Unknown;
    let disjoint = if is_unknown { no_common_version(&merged, &asked) } else { None };
    for lint in &mut merged {
        // The names of older versions are unknown.
        let can_tell = |version: &&KubernetesVersion| {
            !lint.code.is_of_names() || **version >= KubernetesVersion::OLDEST_WITH_NAMES
        };
        let asked: Vec<_> = asked.iter().filter(can_tell).copied().collect();
        lint.scope = scope(&lint.versions, &asked);
        if is_unknown && lint.scope.is_some() {
            lint.warning();
        }
    }
    merged.extend(disjoint);
    merged.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    merged
}

/// Reports flags that are valid in some version each, but never together in one version.
fn no_common_version(lints: &[FlagLint], asked: &[KubernetesVersion]) -> Option<FlagLint> {
    let errors = || lints.iter().filter(|lint| lint.severity == Severity::Error);
    let refuses = |version: &KubernetesVersion| errors().any(|it| it.versions.contains(version));
    let is_everywhere = |lint: &FlagLint| {
        asked.iter().all(|version| {
            lint.versions.contains(version)
                || (lint.code.is_of_names() && *version < KubernetesVersion::OLDEST_WITH_NAMES)
        })
    };
    if !asked.iter().all(refuses) || errors().any(is_everywhere) {
        return None;
    }
    let mut flags: Vec<_> = errors().map(|lint| lint.flag.clone()).collect();
    flags.dedup();
    let flag = flags.first()?.clone();
    let named = flags.iter().map(|flag| format!("`--{flag}`")).collect::<Vec<_>>().join(", ");
    Some(FlagLint {
        code: LintCode::NoCommonVersion,
        severity: Severity::Error,
        flag,
        related: flags.into_iter().skip(1).collect(),
        subject: String::new(),
        problem: format!("no known version of Kubernetes accepts the values of {named} together"),
        help: "change the values that the target version rejects".to_owned(),
        versions: asked.to_vec(),
        scope: None,
    })
}

/// Formats the versions that have a problem, relative to all checked versions; `None` if all have
/// it.
fn scope(having: &[KubernetesVersion], asked: &[KubernetesVersion]) -> Option<String> {
    let has = |version: &KubernetesVersion| having.contains(version);
    if asked.iter().all(has) {
        return None;
    }
    let having: Vec<_> = asked.iter().filter(|version| has(version)).collect();
    let (first, last) = (having.first()?, having.last()?);
    let gap = |first: &KubernetesVersion, last: &KubernetesVersion| {
        asked.iter().any(|it| first < it && it < last && !has(it))
    };
    Some(if gap(first, last) {
        let but: Vec<_> = asked.iter().filter(|version| !has(version)).collect();
        let named = |versions: &[&KubernetesVersion]| {
            versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        if but.len() < having.len() {
            format!("in all versions except {}", named(&but))
        } else {
            format!("in {}", named(&having))
        }
    } else if asked.last() == Some(last) {
        format!("from {first} on")
    } else if asked.first() == Some(first) {
        format!("up to {last}")
    } else if first == last {
        format!("in {first}")
    } else {
        format!("from {first} to {last}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minors(minors: &[u16]) -> Vec<KubernetesVersion> {
        minors.iter().copied().map(KubernetesVersion::v1).collect()
    }

    #[test]
    fn a_scope_is_said_as_short_as_it_can_be() {
        let asked = minors(&[30, 31, 32, 33, 34]);
        for (having, said) in [
            (&[30, 31, 32, 33, 34][..], None),
            (&[32, 33, 34], Some("from 1.32 on")),
            (&[34], Some("from 1.34 on")),
            (&[30, 31], Some("up to 1.31")),
            (&[31, 32], Some("from 1.31 to 1.32")),
            (&[32], Some("in 1.32")),
            (&[30, 31, 33, 34], Some("in all versions except 1.32")),
            (&[30, 34], Some("in 1.30, 1.34")),
        ] {
            assert_eq!(scope(&minors(having), &asked).as_deref(), said);
        }
    }
}
