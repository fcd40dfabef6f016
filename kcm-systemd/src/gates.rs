//! Feature gates of kube-controller-manager by version.

use std::sync::LazyLock;

use crate::flags::KubernetesVersion;
use crate::nearest::nearest_of;

/// A feature gate and its history.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Name, which is case-sensitive.
    pub(crate) name: &'static str,
    /// Stage from each minor version on; `None` from the version on that no longer has the gate.
    stages: Vec<(u16, Option<Stage>)>,
    /// Gates that must be on while this one is on, from each minor version on.
    needs: Vec<(u16, Vec<&'static str>)>,
}

/// The state of a feature gate in one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stage {
    pub(crate) maturity: Maturity,
    /// True if the gate is on by default.
    pub(crate) on: bool,
    /// True if the default cannot be changed.
    pub(crate) locked: bool,
}

/// The maturity of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maturity {
    Alpha,
    Beta,
    Stable,
    Deprecated,
    /// The gate exists, but its stage and default are uncertain.
    Uncertain,
}

/// All gates, in byte order of their names.
pub(crate) static GATES: LazyLock<Vec<Gate>> =
    LazyLock::new(|| lines(include_str!("tables/gates.txt")).filter_map(Gate::parse).collect());

/// Returns the lines of a table without comments.
pub(crate) fn lines(table: &'static str) -> impl Iterator<Item = &'static str> {
    table.lines().filter(|line| !line.starts_with('#'))
}

impl Gate {
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        let index = GATES.binary_search_by(|gate| gate.name.cmp(name)).ok()?;
        GATES.get(index)
    }

    /// Returns the gate of `version` with the most similar spelling.
    pub(crate) fn nearest(name: &str, version: KubernetesVersion) -> Option<&'static str> {
        let known = GATES.iter().filter(|gate| gate.stage(version).is_some());
        nearest_of(name, known.map(|gate| gate.name))
    }

    /// Returns the stage in `version`; `None` if the version does not have the gate.
    pub(crate) fn stage(&self, version: KubernetesVersion) -> Option<Stage> {
        self.stages.iter().rev().find(|(minor, _)| *minor <= version.minor())?.1
    }

    /// Returns the gates that must be on in `version` while this one is on.
    pub(crate) fn needs(&self, version: KubernetesVersion) -> &[&'static str] {
        let needs = self.needs.iter().rev().find(|(minor, _)| *minor <= version.minor());
        needs.map_or(&[], |(_, names)| names)
    }

    /// Returns the first version in the table that has the gate; the gate may be older than the
    /// table.
    pub(crate) fn first(&self) -> Option<KubernetesVersion> {
        self.stages.first().map(|(minor, _)| KubernetesVersion::v1(*minor))
    }

    /// Returns the first version that no longer has the gate.
    pub(crate) fn removed_in(&self) -> Option<KubernetesVersion> {
        let end = self.stages.iter().find(|(_, stage)| stage.is_none());
        end.map(|(minor, _)| KubernetesVersion::v1(*minor))
    }

    fn parse(line: &'static str) -> Option<Self> {
        let (stages, needs) = line.split_once(" needs ").unwrap_or((line, ""));
        let mut words = stages.split(' ');
        let name = words.next()?;
        let stages = words.map(stage).collect::<Option<_>>()?;
        let needs = needs.split(' ').filter(|word| !word.is_empty()).map(|word| {
            let (minor, names) = word.split_once('=')?;
            let names = names.split(',').filter(|name| !name.is_empty()).collect();
            Some((minor.parse().ok()?, names))
        });
        Some(Self { name, stages, needs: needs.collect::<Option<_>>()? })
    }
}

/// Parses a stage such as `34g+!`, `37?` or `33`.
fn stage(word: &str) -> Option<(u16, Option<Stage>)> {
    let end = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
    let (minor, stage) = word.split_at_checked(end)?;
    let minor = minor.parse().ok()?;
    let mut marks = stage.chars();
    let maturity = match marks.next() {
        None => return Some((minor, None)),
        Some('a') => Maturity::Alpha,
        Some('b') => Maturity::Beta,
        Some('g') => Maturity::Stable,
        Some('d') => Maturity::Deprecated,
        Some('?') => Maturity::Uncertain,
        Some(_) => return None,
    };
    let (on, locked) = match marks.as_str() {
        "+" => (true, false),
        "+!" => (true, true),
        "-!" => (false, true),
        "-" | "" => (false, false),
        _ => return None,
    };
    Some((minor, Some(Stage { maturity, on, locked })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read_and_in_order() {
        assert_eq!(GATES.len(), lines(include_str!("tables/gates.txt")).count());
        assert!(GATES.is_sorted_by(|a, b| a.name < b.name));
        for gate in &*GATES {
            assert!(gate.stages.is_sorted_by(|a, b| a.0 < b.0), "{}", gate.name);
            assert!(gate.needs.iter().flat_map(|it| &it.1).all(|name| Gate::find(name).is_some()));
        }
    }

    #[test]
    fn each_version_has_as_many_gates_as_counted_in_its_source() {
        for (minor, count) in [
            (25, 143),
            (26, 148),
            (27, 149),
            (28, 154),
            (29, 162),
            (30, 169),
            (31, 167),
            (32, 179),
            (33, 191),
            (34, 208),
            (35, 218),
            (36, 242),
        ] {
            let version = KubernetesVersion::v1(minor);
            let known = GATES.iter().filter(|gate| gate.stage(version).is_some());
            assert_eq!(known.count(), count, "1.{minor}");
        }
    }

    #[test]
    fn a_gate_goes_through_its_stages() {
        let gate = Gate::find("AuthorizeWithSelectors").unwrap();
        let in_minor = |minor| gate.stage(KubernetesVersion::v1(minor));
        assert_eq!(in_minor(30), None);
        assert!(!in_minor(31).unwrap().on && in_minor(33).unwrap().on);
        assert!(!in_minor(33).unwrap().locked && in_minor(36).unwrap().locked);
        assert_eq!(in_minor(37), None);
        assert_eq!(gate.removed_in(), Some(KubernetesVersion::v1(37)));
        let needing = Gate::find("UserNamespacesHostNetworkSupport").unwrap();
        assert_eq!(needing.needs(KubernetesVersion::v1(34)), [""; 0]);
        assert_eq!(needing.needs(KubernetesVersion::v1(35)), ["UserNamespacesSupport"]);
        assert_eq!(needing.needs(KubernetesVersion::v1(37)).len(), 2);
    }

    #[test]
    fn a_misspelt_gate_finds_the_right_one() {
        let version = KubernetesVersion::NEWEST_KNOWN;
        assert_eq!(
            Gate::nearest("RotateKubeletServerCert", version),
            Some("RotateKubeletServerCertificate")
        );
        assert_eq!(Gate::nearest("Colour", version), None);
    }
}
