//! Lints of flag names and types, and of the names in `--controllers`.

use super::value::problem;
use super::{LintCode, Linter};
use crate::controllers::Controller;
use crate::flags::{KubernetesVersion, lookup, nearest};

impl Linter<'_> {
    pub(super) fn names_and_kinds(&mut self) {
        let version = self.version;
        for (name, text) in self.flags.iter() {
            let name = name.as_str();
            let Some(flag) = lookup(name) else {
                let help = nearest(name).map_or_else(
                    || "remove the flag".to_owned(),
                    |near| format!("did you mean `--{near}`?"),
                );
                let problem = "no known version of kube-controller-manager has this flag";
                let lint = self.lint(LintCode::FlagUnknown, name, problem, help);
                if !version.is_known() {
                    lint.warning();
                }
                continue;
            };
            match (flag.removed_in, flag.first) {
                (Some(removed), _) if version >= removed => {
                    let problem = format!("removed in Kubernetes {removed}");
                    self.lint(LintCode::FlagRemoved, name, problem, "remove the flag");
                }
                (_, Some(first)) if version < first => {
                    let problem = format!("added in Kubernetes {first}");
                    self.lint(LintCode::FlagTooNew, name, problem, "remove the flag");
                }
                _ => {}
            }
            if let Some(problem) = problem(flag.kind, text) {
                let help = format!("write the value as {}", flag.kind.example());
                self.lint(LintCode::BadValue, name, format!("`{text}` {problem}"), help);
            }
        }
    }

    /// Checks the names in `--controllers`, by `ControllerManagerConfiguration.Validate` of
    /// [controller-manager](https://pkg.go.dev/k8s.io/controller-manager/options).
    pub(super) fn controllers(&mut self) {
        if self.version < KubernetesVersion::OLDEST_WITH_NAMES {
            return;
        }
        for item in self.list("controllers") {
            let name = item.strip_prefix('-').unwrap_or(&item);
            if item == "*" {
                continue;
            }
            let Some((problem, help)) = self.unknown_controller(name) else { continue };
            let is_known_version = self.version.is_known();
            let lint = self.lint(LintCode::ControllerUnknown, "controllers", problem, help);
            if !is_known_version {
                lint.warning();
            }
            lint.about(&item);
        }
    }

    /// Returns the problem and the help for a rejected controller name.
    fn unknown_controller(&self, name: &str) -> Option<(String, String)> {
        let version = self.version;
        let Some(controller) = Controller::find(name) else {
            let help = Controller::nearest(name, version).map_or_else(
                || {
                    "remove the name; write a controller name alone or with one `-` before the name"
                        .to_owned()
                },
                |near| format!("did you mean `{near}`?"),
            );
            return Some((format!("`{name}` is not a known controller"), help));
        };
        if !controller.has_name(name, version) {
            let first = controller.first_with(name);
            let problem = match controller.removed_in() {
                Some(removed) if version >= removed => {
                    format!("the controller `{name}` was removed in Kubernetes {removed}")
                }
                _ => format!("the controller name `{name}` was added in Kubernetes {first}"),
            };
            let old = controller.alias.filter(|alias| controller.has_name(alias, version));
            let help =
                old.map_or_else(|| "remove the name".to_owned(), |old| format!("write `{old}`"));
            return Some((problem, help));
        }
        let off =
            controller.gates(version).iter().find(|gate| self.gates.is_on(gate) == Some(false));
        let gate = off.filter(|_| Controller::is_hidden_by_gates(version))?;
        let problem =
            format!("the controller `{name}` is unknown while the feature gate {gate} is off");
        Some((problem, format!("remove the name, or set `{gate}=true` in `--feature-gates`")))
    }

    /// Reports whether `--controllers` lets a controller run. The first of `NAME` and `-NAME`
    /// counts.
    pub(super) fn runs(&self, name: &str) -> bool {
        let Some(list) = self.flags.get("controllers") else { return true };
        let Some(items) = super::value::csv(list) else { return true };
        let is_it = |item: &str| Controller::find(item).is_some_and(|it| it.name == name);
        for item in &items {
            match item.strip_prefix('-') {
                Some(off) if is_it(off) => return false,
                None if is_it(item) => return true,
                _ => {}
            }
        }
        let is_off_by_default = Controller::find(name).is_some_and(|it| it.off_by_default);
        items.iter().any(|item| item == "*") && !is_off_by_default
    }
}
