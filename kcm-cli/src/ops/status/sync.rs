//! Comparison of a master with the cluster file, and of its process with its files. Pure.

use kcm_systemd::UnitFile;
use schemars::JsonSchema;
use serde::Serialize;

use super::look::Look;
use super::{Wanted, steps};
use crate::cluster::layout::{Layout, Role};
use crate::desired::Content;
use crate::observed::Seen;
use crate::plan::Step;
use crate::transport::{Activity, PathState};

/// Result of comparing the files of a master with the cluster file, and its process with its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "sync", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Sync {
    /// The files match the cluster file, and the process was started from them.
    InSync,
    /// The files match the cluster file, but the process was not started from them.
    RestartPending {
        /// Evidence for the pending restart.
        why: Vec<String>,
    },
    /// The files do not match the cluster file.
    Drift {
        /// Differences of the files and of the process.
        why: Vec<String>,
        /// True if the plan replaces a file of a CA, which may need a further option of `apply`.
        #[serde(skip)]
        replaces_ca: bool,
    },
    /// The unit, kubeconfig and certificate do not match the cluster file, and kcm has no note on
    /// the master.
    NotManaged,
    /// The unit is not installed.
    NotDeployed,
    /// The comparison is not possible.
    Unknown {
        /// The cause.
        why: String,
    },
}

pub(super) fn sync(look: &Look, seen: &Seen, wanted: &Wanted, layout: &Layout) -> Sync {
    let observed = &seen.master;
    match &observed.files.unit.state {
        PathState::Absent => return Sync::NotDeployed,
        PathState::File { .. } => {}
        other => {
            let why = format!("{} is {}", layout.unit_file, other.describe());
            return Sync::Unknown { why };
        }
    }
    let desired = match wanted.on(&look.name) {
        Ok(desired) => desired,
        Err(why) => return Sync::Unknown { why },
    };
    let steps = steps(desired, observed);
    let writes = |role: Role| {
        steps
            .iter()
            .any(|step| matches!(step, Step::Write { role: written, .. } if *written == role))
    };
    let has_note = observed.generations.last().is_some() || !observed.notes.is_empty();
    if !has_note && [Role::Unit, Role::Kubeconfig, Role::Certificate].into_iter().all(writes) {
        return Sync::NotManaged;
    }
    let drift: Vec<_> = steps.iter().filter_map(drifted).collect();
    let pending = pending(look, seen, &desired.reads, layout);
    match (drift.is_empty(), pending.is_empty()) {
        (true, true) => Sync::InSync,
        (true, false) => Sync::RestartPending { why: pending },
        (false, _) => {
            Sync::Drift { why: [drift, pending].concat(), replaces_ca: replaces_ca(&steps) }
        }
    }
}

/// Returns the evidence that the process was not started from the current files.
fn pending(look: &Look, seen: &Seen, reads: &[Role], layout: &Layout) -> Vec<String> {
    let observed = &seen.master;
    let mut pending = Vec::new();
    if observed.probe.unit.needs_reload {
        pending.push("systemd has not reloaded the unit".to_owned());
    }
    if observed.generations.pending.is_some() {
        pending.push("the last change is not verified as healthy".to_owned());
    }
    let Activity::Active { since, .. } = observed.probe.unit.activity else { return pending };
    let managed = reads.iter().map(|role| (layout.path(*role), &observed.files.of(*role).state));
    let others =
        seen.master.others.iter().filter(|(path, _)| look.service.read_once.contains(path));
    let all = managed.chain(others.map(|(path, state)| (path, state)));
    let late = all.filter(|(_, state)| state.changed().is_some_and(|changed| changed > since));
    pending.extend(late.map(|(path, _)| format!("{path} changed after the process was started")));
    let process = seen.inspected.as_ref().and_then(|inspected| inspected.process.as_ref());
    // With drop-ins, the unit file is only a part of the effective unit.
    let unit = observed.files.unit.text.as_deref();
    let unit = unit.filter(|_| observed.probe.unit.drop_ins.is_empty());
    if unit.zip(process).is_some_and(|(unit, process)| !is_started_as(unit, &process.argv)) {
        pending.push("the arguments of the process differ from the unit".to_owned());
    }
    pending
}

/// Reports whether steps replace a file that holds CA certificates or the CA key.
fn replaces_ca(steps: &[Step]) -> bool {
    let of_ca = [Role::CaCertificate, Role::CaKey, Role::Trust];
    steps.iter().any(|step| {
        matches!(step, Step::Write { role, before: PathState::File { .. }, .. } if of_ca.contains(role))
    })
}

/// Describes the difference between a file and the cluster file. `None` if the step does not show
/// one.
fn drifted(step: &Step) -> Option<String> {
    match step {
        Step::Write { path, before: PathState::Absent, .. } => Some(format!("{path} is missing")),
        Step::Write { path, before: other, .. } if other.attributes().is_none() => {
            Some(format!("{path} is {}", other.describe()))
        }
        Step::Write { path, after: Content::Known(_), .. } => {
            Some(format!("{path} differs from the cluster file"))
        }
        Step::Write { path, after: Content::AsItIs, .. } => {
            Some(format!("{path} differs from the other masters and the cluster file"))
        }
        Step::Write { path, after: Content::Pending, .. } => {
            Some(format!("{path} depends on a certificate that must be replaced"))
        }
        Step::Remove { path, .. } => Some(format!("{path} contains an unused key")),
        Step::RemoveLeftover { path } => Some(format!("{path} remains from an interrupted run")),
        Step::SetAttributes { path, mode, owner, before, .. } => {
            let (is_mode, is_owner) = before.attributes()?;
            let wanted = owner.map_or_else(String::new, |owner| format!(" {owner}"));
            Some(format!("{path} has mode and owner {is_mode} {is_owner}, not {mode}{wanted}"))
        }
        _ => None,
    }
}

/// Reports whether a process has the arguments of the unit's first command. A script has the
/// arguments of its interpreter before them.
fn is_started_as(unit: &str, argv: &[String]) -> bool {
    let unit = UnitFile::parse(unit);
    let Some((_, line)) = unit.commands("ExecStart").next() else { return true };
    let Some(command) = line.commands.into_iter().next() else { return true };
    // Expansions by systemd are unknown, so such a line cannot be compared.
    if !line.findings.is_empty() {
        return true;
    }
    let says = command.arguments.iter().map(|word| String::from_utf8_lossy(word.as_bytes()));
    let says: Vec<_> = says.map(std::borrow::Cow::into_owned).collect();
    argv.len() > says.len() && argv.len() <= says.len() + 3 && argv.ends_with(&says)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_compared_with_the_command_as_systemd_reads_it() {
        let unit = "[Service]\nExecStart=/opt/bin/kcm --a=1 \\\n  \"--b=x y\"\n";
        let started = |argv: &[&str]| {
            is_started_as(unit, &argv.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
        };
        assert!(started(&["/opt/bin/kcm", "--a=1", "--b=x y"]));
        assert!(started(&["/bin/sh", "/opt/bin/kcm", "--a=1", "--b=x y"]));
        for other in [
            &["/opt/bin/kcm", "--a=1"][..],
            &["/opt/bin/kcm", "--a=2", "--b=x y"],
            &["/opt/bin/kcm", "--a=1", "--b=x", "y"],
            &["/opt/bin/kcm", "--a=1", "--b=x y", "--c"],
            &["--a=1", "--b=x y"],
        ] {
            assert!(!started(other), "{other:?}");
        }
    }

    #[test]
    fn what_only_systemd_can_expand_is_not_compared() {
        let unit = "[Service]\nExecStart=/opt/bin/kcm --name=%H\n";
        assert!(is_started_as(unit, &["/opt/bin/kcm".to_owned(), "--name=m1".to_owned()]));
        assert!(is_started_as("[Service]\n", &[]));
    }
}
