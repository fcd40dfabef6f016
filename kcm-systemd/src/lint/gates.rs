//! Lints of `--feature-gates`, by
//! [component-base/featuregate](https://pkg.go.dev/k8s.io/component-base/featuregate).

use std::collections::BTreeMap;

use super::value::boolean;
use super::{LintCode, Linter};
use crate::flags::{Flags, KubernetesVersion};
use crate::gates::{GATES, Gate, Maturity};

/// First version that accepts `COMPONENT:NAME=BOOL`.
const COMPONENTS: KubernetesVersion = KubernetesVersion::v1(31);
/// First version that checks dependencies of gates.
const DEPENDENCIES: KubernetesVersion = KubernetesVersion::v1(35);
const FLAG: &str = "feature-gates";

/// The gates that the flags set, evaluated for one version.
pub(super) struct GateSettings<'a> {
    version: KubernetesVersion,
    set: BTreeMap<&'a str, bool>,
}

impl<'a> GateSettings<'a> {
    pub(super) fn new(flags: &'a Flags, version: KubernetesVersion) -> Self {
        let settings = settings(flags.get(FLAG).unwrap_or_default());
        let set = settings.filter_map(|it| {
            let name = if version >= COMPONENTS { it.name } else { it.text.split('=').next()? };
            Some((name.trim(), boolean(it.value?)?))
        });
        Self { version, set: set.collect() }
    }

    /// Reports whether a gate is on; `None` if unknown.
    pub(super) fn is_on(&self, name: &str) -> Option<bool> {
        if let Some(set) = self.set.get(name) {
            return Some(*set);
        }
        let stage = Gate::find(name)?.stage(self.version)?;
        let group = match stage.maturity {
            Maturity::Alpha => self.set.get("AllAlpha"),
            Maturity::Beta => self.set.get("AllBeta"),
            Maturity::Uncertain => return None,
            Maturity::Stable | Maturity::Deprecated => None,
        };
        Some(group.copied().unwrap_or(stage.on))
    }
}

/// One setting of `--feature-gates`.
struct Setting<'a> {
    /// Complete setting without surrounding blanks.
    text: &'a str,
    component: Option<&'a str>,
    name: &'a str,
    value: Option<&'a str>,
}

fn settings(text: &str) -> impl Iterator<Item = Setting<'_>> {
    text.split(',').filter(|setting| !setting.is_empty()).map(|setting| {
        let (named, value) = match setting.split_once('=') {
            Some((named, value)) => (named, Some(value.trim())),
            None => (setting, None),
        };
        let (component, name) = match named.split_once(':') {
            Some((component, name)) => (Some(component.trim()), name),
            None => (None, named),
        };
        Setting { text: setting.trim(), component, name: name.trim(), value }
    })
}

impl Linter<'_> {
    pub(super) fn feature_gates(&mut self) {
        let Some(text) = self.flags.get(FLAG) else { return };
        for setting in settings(text) {
            self.gate_setting(&setting);
        }
        let has_component =
            |wanted: bool| settings(text).any(|it| it.component.is_some() == wanted);
        if self.version >= COMPONENTS && has_component(true) && has_component(false) {
            let problem =
                "some feature gates have a component prefix such as `kube:`, and others do not";
            let help = "prefix all feature gates with `kube:`, or none";
            self.lint(LintCode::GateValue, FLAG, problem, help).about("kube:");
        }
        if self.version >= DEPENDENCIES && self.emulated().is_none() {
            self.gate_dependencies();
        }
    }

    fn gate_setting(&mut self, setting: &Setting<'_>) {
        let Setting { text, component, name, value } = *setting;
        let name = if self.version >= COMPONENTS {
            if let Some(other) = component.filter(|component| *component != "kube") {
                let problem = format!("`{other}` is not a component of kube-controller-manager");
                let help = format!("write `{name}` alone, or `kube:{name}`");
                self.lint(LintCode::GateValue, FLAG, problem, help).about(text);
                return;
            }
            name
        } else {
            text.split('=').next().unwrap_or(text).trim()
        };
        let Some(value) = value else {
            let problem = format!("`{name}` has no value");
            let help = format!("write `{name}=true` or `{name}=false`");
            self.lint(LintCode::GateValue, FLAG, problem, help).about(text);
            return;
        };
        let value_read = boolean(value);
        if value_read.is_none() {
            let problem = format!("`{value}` is not `true` or `false`");
            let help = format!("write `{name}=true` or `{name}=false`");
            self.lint(LintCode::GateValue, FLAG, problem, help).about(text);
        }
        if self.version < KubernetesVersion::OLDEST_WITH_NAMES {
            return;
        }
        let gate = Gate::find(name);
        let Some(stage) = gate.and_then(|gate| gate.stage(self.version)) else {
            return self.unknown_gate(name, gate);
        };
        if stage.locked
            && value_read.is_some_and(|value| value != stage.on)
            && self.emulated().is_none()
        {
            let problem = format!("`{name}` is locked to `{}`", stage.on);
            let help = format!("remove `{name}`");
            self.lint(LintCode::GateLocked, FLAG, problem, help).about(name);
        }
    }

    fn unknown_gate(&mut self, name: &str, gate: Option<&Gate>) {
        let version = self.version;
        let (problem, help) = match gate {
            None => {
                let help = Gate::nearest(name, version).map_or_else(
                    || format!("remove `{name}`"),
                    |near| format!("did you mean `{near}`?"),
                );
                (format!("`{name}` is not a known feature gate"), help)
            }
            Some(gate) => {
                let removed = gate.removed_in().filter(|removed| *removed <= version);
                let problem = match (removed, gate.first()) {
                    (Some(removed), _) => {
                        format!("the feature gate `{name}` was removed in Kubernetes {removed}")
                    }
                    (None, Some(first)) => {
                        format!("the feature gate `{name}` was added in Kubernetes {first}")
                    }
                    (None, None) => format!("`{name}` is not a known feature gate"),
                };
                (problem, format!("remove `{name}`"))
            }
        };
        let lint = self.lint(LintCode::GateUnknown, FLAG, problem, help);
        if !version.is_known() {
            lint.warning();
        }
        lint.about(name);
    }

    /// Checks that the dependencies of each enabled gate are on, also if a setting only turns a
    /// dependency off.
    fn gate_dependencies(&mut self) {
        for gate in &*GATES {
            // A gate with an uncertain stage is never reported.
            let stage = gate.stage(self.version);
            let is_there = stage.is_some_and(|stage| stage.maturity != Maturity::Uncertain);
            if !is_there || self.gates.is_on(gate.name) != Some(true) {
                continue;
            }
            let needs = gate.needs(self.version).iter();
            let off: Vec<_> =
                needs.filter(|needed| self.gates.is_on(needed) == Some(false)).copied().collect();
            if off.is_empty() {
                continue;
            }
            let (name, off) = (gate.name, off.join(", "));
            let problem =
                format!("`{name}` is on and depends on feature gates that are off: {off}");
            let help = format!("turn on the required feature gates, or set `{name}=false`");
            self.lint(LintCode::GateNeeds, FLAG, problem, help).about(name);
        }
    }

    /// Returns the emulated version if it differs. Its stages are then in effect, and they are not
    /// checked.
    fn emulated(&self) -> Option<&str> {
        self.set("emulated-version").filter(|text| !text.ends_with(&self.version.to_string()))
    }
}
