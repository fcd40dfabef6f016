//! Feature gates: names, stages and defaults by version, and the check of `--feature-gates`.

use std::collections::BTreeMap;

use crate::standin::flags::{Parsed, boolean};

/// Table of gates; its header explains the format.
const TABLE: &str = include_str!("data/gates.txt");
/// Minor versions that the table covers.
const COVERED: std::ops::RangeInclusive<u32> = 25..=37;
/// First minor version that checks gates and versions after parsing instead of while parsing.
const CHECKED_AFTER_PARSING: u32 = 31;
/// First minor version that checks dependencies between gates.
const NEEDS_CHECKED: u32 = 35;
const RELEASE: &str = "ControllerManagerReleaseLeaderElectionLockOnExit";

/// A gate in one minor version.
#[derive(Debug, PartialEq, Eq)]
struct Gate {
    name: &'static str,
    stage: char,
    default: bool,
    is_locked: bool,
    needs: Vec<&'static str>,
}

/// The states of all gates by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Gates(BTreeMap<String, bool>);

impl Gates {
    /// Reads `--feature-gates` as a minor version of kube-controller-manager does.
    ///
    /// # Errors
    /// The messages of k8s.io/component-base/featuregate. An unknown name ends the check.
    pub(super) fn read(flags: &Parsed, minor: u32) -> Result<Self, Vec<String>> {
        let minor = emulated(flags, minor).map_err(|why| vec![why])?;
        let given = given(flags, minor).map_err(|why| vec![why])?;
        let known = known(minor);
        if !COVERED.contains(&minor) {
            return Ok(Self(given));
        }
        let mut errors = Vec::new();
        for (name, value) in &given {
            let gate = known.iter().find(|gate| gate.name == name);
            let gate = gate.ok_or_else(|| vec![format!("unrecognized feature gate: {name}")])?;
            if gate.is_locked && *value != gate.default {
                errors.push(format!(
                    "cannot set feature gate {name} to {value}, feature is locked to {}",
                    gate.default
                ));
            }
        }
        let all = |stage: char| match stage {
            'a' => given.get("AllAlpha"),
            'b' => given.get("AllBeta"),
            _ => None,
        };
        let state = known.iter().map(|gate| {
            let set = given.get(gate.name).or_else(|| all(gate.stage).filter(|_| !gate.is_locked));
            (gate.name.to_owned(), set.copied().unwrap_or(gate.default))
        });
        let gates = Self(state.collect());
        if minor >= NEEDS_CHECKED {
            errors.extend(known.iter().filter_map(|gate| gates.lacks(gate)));
        }
        if errors.is_empty() { Ok(gates) } else { Err(errors) }
    }

    /// Reports whether a gate is on.
    pub(super) fn is_on(&self, name: &str) -> bool {
        self.0.get(name).copied().unwrap_or(false)
    }

    /// Reports whether a leader releases its Lease on SIGTERM (KEP-5366).
    pub(super) fn releases_lease(&self) -> bool {
        self.is_on(RELEASE)
    }

    fn lacks(&self, gate: &Gate) -> Option<String> {
        let off: Vec<_> = gate.needs.iter().copied().filter(|needed| !self.is_on(needed)).collect();
        (self.is_on(gate.name) && !off.is_empty()).then(|| {
            format!(
                "{} is enabled, but depends on features that are disabled: [{}]",
                gate.name,
                off.join(" ")
            )
        })
    }
}

/// Reports whether a minor version reports an invalid gate as a flag that does not parse.
pub(super) fn is_parse_error(minor: u32) -> bool {
    minor < CHECKED_AFTER_PARSING
}

/// Returns the gates that `--help` of a minor version lists: neither GA nor deprecated.
pub(super) fn listed(minor: u32) -> Vec<String> {
    let prefix = if minor >= CHECKED_AFTER_PARSING { "kube:" } else { "" };
    let open = known(minor).into_iter().filter(|gate| matches!(gate.stage, 'a' | 'b'));
    open.map(|Gate { name, stage, default, .. }| {
        let stage = if stage == 'a' { "ALPHA" } else { "BETA" };
        format!("{prefix}{name}=true|false ({stage} - default={default})")
    })
    .collect()
}

/// Returns the gates that flags set, by name. Either all names have a component prefix or none.
fn given(flags: &Parsed, minor: u32) -> Result<BTreeMap<String, bool>, String> {
    let mut given = BTreeMap::new();
    let mut prefixes = [false; 2];
    let pairs = flags.all("feature-gates").iter().flat_map(|value| value.split(','));
    for pair in pairs.map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) =
            pair.split_once('=').ok_or_else(|| format!("missing bool value for {pair}"))?;
        let (name, value) = (name.trim(), value.trim());
        let name = match name.split_once(':').filter(|_| !is_parse_error(minor)) {
            Some(("kube", name)) => {
                prefixes[0] = true;
                name
            }
            Some((component, _)) => return Err(format!("component not registered: {component}")),
            None => {
                prefixes[1] = true;
                name
            }
        };
        let value = boolean(value).ok_or_else(|| {
            format!(
                "invalid value of {name}={value}, err: strconv.ParseBool: parsing {value:?}: \
                 invalid syntax"
            )
        })?;
        given.insert(name.to_owned(), value);
    }
    if prefixes == [true; 2] {
        return Err("set kube feature gates with default empty prefix or kube: prefix \
                    consistently, do not mix use"
            .to_owned());
    }
    Ok(given)
}

/// Returns the minor version whose stages apply: `--emulated-version`, at most three behind.
fn emulated(flags: &Parsed, minor: u32) -> Result<u32, String> {
    let Some(text) = flags.text("emulated-version").filter(|text| !text.is_empty()) else {
        return Ok(minor);
    };
    let text = text.strip_prefix("kube=").unwrap_or(text);
    let number = text.trim_start_matches('v').strip_prefix("1.");
    let number = number.and_then(|number| number.split('.').next()?.parse().ok());
    let least = minor.saturating_sub(3).max(CHECKED_AFTER_PARSING);
    number
        .filter(|number| (least..=minor).contains(number))
        .ok_or_else(|| format!("emulation version {text} is not between [1.{least}, 1.{minor}.0]"))
}

fn known(minor: u32) -> Vec<Gate> {
    TABLE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| gate(line, minor))
        .collect()
}

fn gate(line: &'static str, minor: u32) -> Option<Gate> {
    let mut words = line.split(' ');
    let name = words.next()?;
    let mut gate = None;
    let mut needs = Vec::new();
    for word in words {
        let (is_needs, word) = match word.strip_prefix('>') {
            Some(rest) => (true, rest),
            None => (false, word),
        };
        let (from, rest) = word.split_once('-')?;
        let (to, rest) = rest.split_at(2);
        if !(from.parse().ok()?..=to.parse().ok()?).contains(&minor) {
            continue;
        }
        if is_needs {
            needs.extend(rest.strip_prefix(':')?.split(','));
        } else {
            let (stage, is_locked) = (rest.chars().next()?, rest.ends_with('!'));
            gate = Some((stage, rest.contains('+'), is_locked));
        }
    }
    let (stage, default, is_locked) = gate?;
    Some(Gate { name, stage, default, is_locked, needs })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(minor: u32, gates: &str) -> Result<Gates, Vec<String>> {
        Gates::read(&Parsed::of([("feature-gates", gates)]), minor)
    }

    #[test]
    fn the_defaults_of_every_version_go_together() {
        for (minor, count) in [(25, 143), (28, 154), (31, 167), (34, 208), (36, 242)] {
            assert_eq!(known(minor).len(), count, "1.{minor}");
        }
        for minor in COVERED {
            assert!(read(minor, "").is_ok(), "1.{minor}: {:?}", read(minor, ""));
        }
    }

    #[test]
    fn gates_are_refused_as_their_version_refuses_them() {
        let cases = [
            (36, "NoSuchGate=true", "unrecognized feature gate: NoSuchGate"),
            (36, "controllerManagerReleaseLeaderElectionLockOnExit=true", "unrecognized"),
            (35, "ControllerManagerReleaseLeaderElectionLockOnExit=true", "unrecognized"),
            (37, "SidecarContainers=true", "unrecognized feature gate: SidecarContainers"),
            (36, "SidecarContainers=false", "feature is locked to true"),
            (36, "AllAlpha", "missing bool value for AllAlpha"),
            (36, "AllAlpha=on", "invalid value of AllAlpha=on"),
            (36, "scheduler:AllAlpha=true", "component not registered: scheduler"),
            (36, "kube:AllAlpha=false,AllBeta=true", "do not mix use"),
            (36, "GracefulNodeShutdown=false", "depends on features that are disabled"),
        ];
        for (minor, gates, text) in cases {
            let errors = read(minor, gates).expect_err(gates);
            assert!(errors[0].contains(text), "{gates}: {errors:?}");
        }
        for gates in ["AllBeta=true", "kube:GracefulNodeShutdown=1", " AllAlpha = F ", ","] {
            assert!(read(36, gates).is_ok(), "{gates}");
        }
    }

    #[test]
    fn a_lease_is_released_only_with_the_gate_on() {
        let released = |minor: u32, gates: &str| read(minor, gates).unwrap().releases_lease();
        for minor in [36, 37] {
            assert!(!released(minor, ""));
            assert!(released(minor, "ControllerManagerReleaseLeaderElectionLockOnExit=true"));
            let off = "AllBeta=false,ControllerManagerReleaseLeaderElectionLockOnExit=true";
            assert!(released(
                minor,
                &format!("{off},ControllerManagerReleaseLeaderElectionLockOnExit=t")
            ));
            assert!(!released(
                minor,
                &format!("{off},ControllerManagerReleaseLeaderElectionLockOnExit=0")
            ));
        }
        assert!(!released(34, "AllAlpha=false"));
    }
}
