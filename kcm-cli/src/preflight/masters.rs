//! Checks of the observed state of masters. Pure.

use kcm_pki::{Certificate, Fingerprint};
use kcm_systemd::UnitFile;

use super::exposed::exposed;
use super::{Sink, Subject, files, units};
use crate::cluster::layout::{Layout, Role};
use crate::context::Consent;
use crate::desired::{Artifact, Content, DesiredMaster};
use crate::finding::{Finding, FindingCode};
use crate::observed::{ObservedFile, ObservedMaster};
use crate::plan;
use crate::transport::{Activity, Observation, PathState};
use crate::util::words::command;

pub(super) fn evaluate(consent: Consent, subject: Subject<'_>, found: &mut Sink) {
    let masters = subject.desired.masters.iter().zip(&subject.observed.masters);
    for (desired, observed) in masters {
        found.extend(observed.notes.iter().map(|note| unreadable_note(&observed.name, note)));
        found.extend(untrusted_folders(subject.layout, observed));
        for artifact in &desired.artifacts {
            let there = observed.files.of(artifact.role);
            found.extend(kind(&desired.name, subject.layout, artifact, there, observed));
            if !consent.replace_ca && !has_replaced_ca(subject, observed) {
                found.extend(ca_file(artifact, observed));
            }
        }
        if !consent.remove_ca_key {
            found.extend(unread_ca_key(subject.layout, desired, observed));
        }
        units::evaluate(subject, observed, found);
        let planned = subject.plan.masters.iter().find(|planned| planned.name == observed.name);
        let steps = planned.map_or(&[][..], |planned| &planned.steps);
        let secrets = &desired.service.secrets;
        // Files that `apply` closes need no finding.
        let left = exposed(subject.layout, observed, secrets, steps).left;
        found.extend(left.into_iter().map(Finding::into_warning));
        let is_brought =
            |role: Role| desired.artifacts.iter().any(|artifact| artifact.role == role);
        found.extend(files::named(
            subject.layout,
            &subject.inputs.ca,
            &desired.service,
            observed,
            is_brought,
            steps,
        ));
        if observed.probe.unit.activity == Activity::Offline {
            continue;
        }
        missing(subject, desired, observed, found);
        found.extend(strays(subject.layout, observed));
    }
    let masters: Vec<_> = subject.observed.masters.iter().collect();
    found.extend(host_names(&masters));
    for role in [Role::CaCertificate, Role::CaKey, Role::ServiceAccountKey] {
        let masters = subject.desired.masters.iter().zip(&subject.observed.masters);
        // Files that the plan writes become equal.
        let is_written = |name: &str| {
            subject.plan.masters.iter().any(|planned| planned.name == name && planned.writes(role))
        };
        let reading = masters.filter(|(desired, _)| desired.reads.contains(&role));
        let reading = reading.map(|(_, observed)| observed).filter(|it| !is_written(&it.name));
        found.extend(equal_files(subject.layout, role, &reading.collect::<Vec<_>>()));
    }
}

/// Returns the warning that the CA key lies on a master although no flag names it.
pub(crate) fn unread_ca_key(
    layout: &Layout,
    desired: &DesiredMaster,
    observed: &ObservedMaster,
) -> Option<Finding> {
    if !plan::has_unread_ca_key(desired, observed) {
        return None;
    }
    let problem = format!(
        "{} is on the master although no flag of kube-controller-manager names it; whoever reads this key can act as any user of the cluster",
        layout.path(Role::CaKey)
    );
    let help = "run `kcm apply --remove-ca-key` if no other component of the master reads the file";
    Some(Finding::error(FindingCode::CaKeyUnread, &observed.name, problem, help).into_warning())
}

/// Returns findings on folders above managed files that other users can change.
pub(crate) fn untrusted_folders(
    layout: &Layout,
    observed: &ObservedMaster,
) -> impl Iterator<Item = Finding> {
    observed.untrusted_folders.iter().map(|folder| {
        let code = FindingCode::FolderUntrusted;
        let help = folder.help(layout.managed().chain([&layout.executable]));
        Finding::error(code, &observed.name, folder.problem(), help)
    })
}

/// Returns the finding for a generation note that cannot be read.
pub(crate) fn unreadable_note(master: &str, problem: &str) -> Finding {
    let help = "remove the file if the earlier generation is not needed; kcm cannot restore that generation without the note";
    Finding::error(FindingCode::RecordUnreadable, master, problem, help).into_warning()
}

fn kind(
    master: &str,
    layout: &Layout,
    artifact: &Artifact,
    there: &ObservedFile,
    observed: &ObservedMaster,
) -> Option<Finding> {
    let path = &artifact.path;
    match &there.state {
        PathState::Absent | PathState::File { .. } => None,
        PathState::Link { .. } if plan::is_right(artifact, observed) => None,
        PathState::Link { target } if artifact.role == Role::Unit && target == "/dev/null" => {
            let unmask = command(["systemctl", "unmask", layout.unit.as_str()]);
            let help = format!("run `{unmask}` on the master");
            Some(Finding::error(FindingCode::UnitMasked, master, format!("{path} is masked"), help))
        }
        other => {
            let problem =
                format!("{path} is {}, but kcm manages only regular files", other.describe());
            let help = "move this path away or replace it with a regular file";
            Some(Finding::error(FindingCode::NotAFile, master, problem, help))
        }
    }
}

/// Reports whether the CA certificate on a master is the one that a rotation replaces, or the one
/// that it introduces.
fn has_replaced_ca(subject: Subject<'_>, observed: &ObservedMaster) -> bool {
    let Some(replaced) = &subject.inputs.replaced_ca else { return false };
    let known = [Some(replaced), subject.inputs.ca.present()];
    let text = observed.files.of(Role::CaCertificate).text.as_deref();
    let found = text.and_then(|pem| Certificate::from_pem(pem.as_bytes()).ok());
    found.is_some_and(|found| known.iter().flatten().any(|ca| *ca.certificate() == found))
}

/// Refuses to replace a CA: certificates signed by the old one would become invalid at once.
pub(crate) fn ca_file(artifact: &Artifact, observed: &ObservedMaster) -> Option<Finding> {
    let (master, there) = (&observed.name, observed.files.of(artifact.role));
    let key = match artifact.role {
        Role::CaCertificate => "pki.caCert",
        Role::CaKey => "pki.caKey",
        _ => return None,
    };
    let (PathState::File { digest, .. }, Content::Known(bytes)) = (&there.state, &artifact.content)
    else {
        return None;
    };
    if plan::is_right(artifact, observed) {
        return None;
    }
    let certificates = plan::certificate(bytes.expose()).zip(plan::certificate_in(there));
    let (ours, theirs) = certificates.unwrap_or((bytes.digest(), *digest));
    let problem = format!(
        "{} differs from the file of {key}: expected {ours}, found {theirs}; kcm replaces a CA only with --replace-ca",
        artifact.path
    );
    let help = format!(
        "set `{key}` to the CA of the cluster, or remove the file on the master if nothing uses the file; to replace the CA of a running cluster, run `kcm rotate ca`"
    );
    Some(Finding::error(FindingCode::CaMismatch, master, problem, help))
}

/// Returns the value of a flag in the unit on the master.
pub(crate) fn unit_flag(observed: &ObservedMaster, flag: &str) -> Option<String> {
    if let Some(meaning) = observed.effective.as_ref().and_then(|unit| unit.meaning().ok()) {
        return meaning.flags.get(flag).map(str::to_owned);
    }
    let unit = UnitFile::parse(observed.files.unit.text.as_deref()?);
    let (_, line) = unit.commands("ExecStart").next()?;
    let prefix = format!("--{flag}=");
    let arguments = line.commands.first()?.arguments.iter();
    let last = arguments.filter_map(|word| word.to_str()?.strip_prefix(&prefix)).next_back()?;
    Some(last.to_owned())
}

/// Finds a missing or unusable program where kcm does not upload it.
fn missing(
    subject: Subject<'_>,
    desired: &DesiredMaster,
    observed: &ObservedMaster,
    found: &mut Sink,
) {
    let is_brought = desired.artifacts.iter().any(|artifact| artifact.role == Role::Binary);
    let fault = fault(Role::Binary, &observed.files.binary.state).filter(|_| !is_brought);
    found.extend(fault.map(|fault| {
        let problem = format!("{} {fault}", subject.layout.executable);
        let help = "install kube-controller-manager at this path, or set `install.binary` so that kcm uploads the program";
        Finding::error(FindingCode::FileMissing, &desired.name, problem, help)
    }));
}

/// Returns the reason why a service cannot use a path in this state.
pub(super) fn fault(role: Role, state: &PathState) -> Option<String> {
    match state {
        PathState::Absent => Some("is missing".to_owned()),
        PathState::File { mode, .. } | PathState::Unread { mode, .. }
            if role == Role::Binary && mode.bits() & 0o111 == 0 =>
        {
            Some(format!("has mode {mode} and is not executable"))
        }
        // systemd and the service resolve links themselves.
        PathState::File { .. } | PathState::Unread { .. } | PathState::Link { .. } => None,
        other => Some(format!("is {}", other.describe())),
    }
}

/// Finds unmanaged processes, which systemd did not start for the unit. They would keep the port,
/// and perhaps the leadership.
pub(crate) fn strays(layout: &Layout, observed: &ObservedMaster) -> Option<Finding> {
    let Observation::Known(processes) = &observed.probe.processes else { return None };
    let main = match observed.probe.unit.activity {
        Activity::Active { main_pid, .. } => Some(main_pid),
        _ => None,
    };
    // systemd may restart a failed service at any moment, so its process may be among these.
    if matches!(observed.probe.unit.activity, Activity::Failed { .. }) {
        return None;
    }
    let strays: Vec<_> = processes.iter().filter(|process| Some(**process) != main).collect();
    if strays.is_empty() {
        return None;
    }
    let numbers = strays.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let (executable, unit) = (&layout.executable, &layout.unit);
    let problem = format!("{executable} runs as process {numbers} outside {unit}");
    let help = "stop the unmanaged process at its source (an old unit, a static Pod, a shell)";
    Some(Finding::error(FindingCode::ProcessUnmanaged, &observed.name, problem, help))
}

/// Finds duplicate host names. Each master needs its own, because the Lease names the leader by
/// host name.
pub(crate) fn host_names(masters: &[&ObservedMaster]) -> Vec<Finding> {
    let names = masters.iter().filter_map(|it| Some((&*it.name, it.probe.hostname.as_deref()?)));
    let names: Vec<_> = names.collect();
    let finding = |(master, hostname): &(&str, &str)| {
        let owner = owner_of(hostname, &names).filter(|owner| owner != master)?;
        let problem = format!("the host name `{hostname}` is also the host name of {owner}");
        let help = "set a unique host name on each master with `hostnamectl hostname NAME`";
        Some(Finding::error(FindingCode::HostnameDuplicate, master, problem, help))
    };
    names.iter().filter_map(finding).collect()
}

/// Returns the master that owns a host name: the one of this name in the cluster file, else the
/// first that has it. Other masters with the host name are reported.
fn owner_of<'n>(hostname: &str, names: &[(&'n str, &str)]) -> Option<&'n str> {
    let having = || names.iter().filter(|(_, other)| *other == hostname).map(|(master, _)| *master);
    let label = hostname.split('.').next();
    let called = |master: &&str| *master == hostname || Some(*master) == label;
    having().find(called).or_else(|| having().next())
}

/// Finds masters whose CA file differs from that of the first master. Any of them may become the
/// leader, and all must sign alike.
pub(crate) fn equal_files(
    layout: &Layout,
    role: Role,
    masters: &[&ObservedMaster],
) -> Vec<Finding> {
    let identified = masters
        .iter()
        .filter_map(|observed| Some((&observed.name, identity_of(layout, role, observed)?)));
    let all: Vec<_> = identified.collect();
    let Some(((first, digest), rest)) = all.split_first() else { return Vec::new() };
    let others = rest.iter().filter(|(_, other)| other != digest);
    let finding = |(name, other): &(&String, Fingerprint)| {
        let path = layout.path(role);
        let problem = format!("{path} ({other}) differs from the file on {first} ({digest})");
        let help = "copy the file of the cluster to every master";
        Finding::error(FindingCode::CaDiffers, name, problem, help)
    };
    others.map(finding).collect()
}

fn identity_of(layout: &Layout, role: Role, observed: &ObservedMaster) -> Option<Fingerprint> {
    let file = observed.files.of(role);
    let (state, text) = observed.followed(layout.path(role), &file.state, file.text.as_deref());
    let PathState::File { digest, .. } = *state else { return None };
    let certificate = text.filter(|_| role == Role::CaCertificate);
    let certificate = certificate.and_then(|pem| Certificate::from_pem(pem.as_bytes()).ok());
    Some(certificate.map_or(digest, |certificate| certificate.fingerprint()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_belongs_to_the_master_that_is_called_so() {
        for (names, owner) in [
            ([("m1", "m2"), ("m2", "m2"), ("m3", "m3")], "m2"),
            ([("m1", "m2"), ("m2", "m2"), ("m3", "m2")], "m2"),
            ([("m1", "m2.example.org"), ("m2", "m2.example.org"), ("m3", "m3")], "m2"),
            ([("m1", "a"), ("m2", "a"), ("m3", "b")], "m1"),
        ] {
            let hostname = names[0].1;
            assert_eq!(owner_of(hostname, &names), Some(owner), "{names:?}");
        }
        assert_eq!(owner_of("none", &[("m1", "a")]), None);
    }
}
