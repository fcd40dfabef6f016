//! Controllers of kube-controller-manager by version.

use std::sync::LazyLock;

use crate::flags::KubernetesVersion;
use crate::gates::lines;
use crate::nearest::nearest_of;

/// First version with the long names; the old names are aliases since then.
const RENAMED: KubernetesVersion = KubernetesVersion::v1(28);

/// A controller and its versions.
#[derive(Debug)]
pub(crate) struct Controller {
    /// Name since 1.28.
    pub(crate) name: &'static str,
    /// Name up to 1.27.
    pub(crate) alias: Option<&'static str>,
    first: KubernetesVersion,
    last: Option<KubernetesVersion>,
    /// True if the controller runs only when `--controllers` names it.
    pub(crate) off_by_default: bool,
    gates: Vec<Condition>,
}

/// The gates that a controller requires in a range of versions.
#[derive(Debug)]
struct Condition {
    from: KubernetesVersion,
    to: Option<KubernetesVersion>,
    gates: Vec<&'static str>,
}

/// All controllers, in byte order of their names.
pub(crate) static CONTROLLERS: LazyLock<Vec<Controller>> = LazyLock::new(|| {
    lines(include_str!("tables/controllers.txt")).filter_map(Controller::parse).collect()
});

impl Controller {
    /// Returns the controller that has this name in any version.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        CONTROLLERS.iter().find(|it| it.name == name || it.alias == Some(name))
    }

    /// Returns the controller name of `version` that is most similar to a misspelt one.
    pub(crate) fn nearest(name: &str, version: KubernetesVersion) -> Option<&'static str> {
        let wanted = name.trim().trim_start_matches(['-', '+']).to_ascii_lowercase();
        let names = CONTROLLERS.iter().flat_map(|it| [Some(it.name), it.alias]).flatten();
        let known = |name: &&str| Self::find(name).is_some_and(|it| it.has_name(name, version));
        nearest_of(&wanted, names.filter(known))
    }

    /// Reports whether `version` knows the controller by this name, regardless of its gates; see
    /// [`Controller::gates`].
    pub(crate) fn has_name(&self, name: &str, version: KubernetesVersion) -> bool {
        let lives = self.first <= version && self.last.is_none_or(|last| version <= last);
        lives && (self.alias == Some(name) || (self.name == name && version >= RENAMED))
    }

    /// Returns the gates that the controller requires in `version`.
    pub(crate) fn gates(&self, version: KubernetesVersion) -> &[&'static str] {
        let is_in = |it: &&Condition| it.from <= version && it.to.is_none_or(|to| version <= to);
        self.gates.iter().find(is_in).map_or(&[], |condition| &condition.gates)
    }

    /// Reports whether `version` rejects the name of a controller whose gates are off.
    pub(crate) fn is_hidden_by_gates(version: KubernetesVersion) -> bool {
        version <= RENAMED
    }

    /// Returns the first version with this name.
    pub(crate) fn first_with(&self, name: &str) -> KubernetesVersion {
        if self.alias == Some(name) { self.first } else { self.first.max(RENAMED) }
    }

    /// Returns the first version that no longer has the controller.
    pub(crate) fn removed_in(&self) -> Option<KubernetesVersion> {
        self.last.map(|last| KubernetesVersion::v1(last.minor() + 1))
    }

    fn parse(line: &'static str) -> Option<Self> {
        let minor = |text: &str| text.parse().ok().map(KubernetesVersion::v1);
        let mut words = line.split(' ');
        let (name, alias, minors) = (words.next()?, words.next()?, words.next()?);
        let (first, last) = minors.split_once('-').unwrap_or((minors, ""));
        let (mut off_by_default, mut gates) = (false, Vec::new());
        for word in words {
            if word == "off" {
                off_by_default = true;
                continue;
            }
            let (range, names) = word.split_once('=')?;
            let (from, to) = range.split_once('-')?;
            let gates_named = names.split(',').collect();
            gates.push(Condition { from: minor(from)?, to: minor(to), gates: gates_named });
        }
        let alias = Some(alias).filter(|alias| *alias != ".");
        Some(Self { name, alias, first: minor(first)?, last: minor(last), off_by_default, gates })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gates::Gate;

    #[test]
    fn every_line_is_read() {
        assert_eq!(CONTROLLERS.len(), lines(include_str!("tables/controllers.txt")).count());
        for condition in CONTROLLERS.iter().flat_map(|it| &it.gates) {
            assert!(condition.gates.iter().all(|gate| Gate::find(gate).is_some()));
        }
    }

    #[test]
    fn each_version_has_as_many_controllers_as_counted_in_its_source() {
        for (minor, count) in [
            (25, 39),
            (26, 40),
            (27, 40),
            (28, 42),
            (29, 44),
            (30, 45),
            (31, 45),
            (32, 48),
            (33, 49),
            (34, 50),
            (35, 50),
            (36, 52),
            (37, 49),
        ] {
            let version = KubernetesVersion::v1(minor);
            let known = |it: &&Controller| {
                it.has_name(it.name, version)
                    || it.alias.is_some_and(|alias| it.has_name(alias, version))
            };
            assert_eq!(CONTROLLERS.iter().filter(known).count(), count, "1.{minor}");
        }
    }

    #[test]
    fn names_changed_in_1_28_and_the_cloud_s_went_in_1_37() {
        let has = |name: &str, minor| {
            Controller::find(name).unwrap().has_name(name, KubernetesVersion::v1(minor))
        };
        assert!(has("deployment", 27) && has("deployment", 37));
        assert!(!has("deployment-controller", 27) && has("deployment-controller", 28));
        assert!(has("route", 36) && !has("route", 37) && !has("node-route-controller", 37));
    }

    #[test]
    fn a_misspelt_controller_finds_the_right_one() {
        let version = KubernetesVersion::NEWEST_KNOWN;
        assert_eq!(Controller::nearest("-Tokencleaner", version), Some("tokencleaner"));
        assert_eq!(Controller::nearest("deploymnt", version), Some("deployment"));
        assert_eq!(Controller::nearest("colour", version), None);
    }
}
