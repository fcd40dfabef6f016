//! Checks of files that flags name and kcm does not upload: they must exist and be usable. Pure.

use super::signers;
use crate::artifact::DesiredService;
use crate::cluster::layout::{Layout, Role};
use crate::finding::{Finding, FindingCode};
use crate::observed::{ObservedMaster, trust};
use crate::pki::Ca;
use crate::plan::Step;
use crate::transport::{Activity, PathState};
use crate::util::files::RemotePath;
use crate::util::words::command;

/// Files of the CA, which kcm uploads only if the cluster file says so.
const CAS: [Role; 2] = [Role::CaCertificate, Role::CaKey];

/// Finds faults of files that flags of `service` name.
///
/// Such a file may be missing, not a regular file, empty, of another CA, or unreadable for the
/// service's user. A key may not belong to its certificate. Files that `steps` write or change
/// count as readable and matching.
///
/// For a folder, all findings are warnings: it may be part of a system that is completed later.
pub(crate) fn named(
    layout: &Layout,
    ca: &Ca,
    service: &DesiredService,
    master: &ObservedMaster,
    is_brought: impl Fn(Role) -> bool,
    steps: &[Step],
) -> Vec<Finding> {
    let is_named = |role: &Role| service.files.contains(layout.path(*role)) && !is_brought(*role);
    let cas = CAS.into_iter().filter(is_named).map(|role| {
        let (path, file) = (layout.path(role), master.files.of(role));
        let (state, text) = master.followed(path, &file.state, file.text.as_deref());
        fault(path, state, Some(role)).or_else(|| {
            let text = text.filter(|_| role == Role::CaCertificate)?;
            let signs = service.signing_certificates.contains(path);
            certificate_fault(path, text, ca, signs)
        })
    });
    let others = master.others.iter().filter(|(path, _)| service.files.contains(path));
    let others =
        others.map(|(path, state)| fault(path, master.followed(path, state, None).0, None));
    let unreadable = unreadable(layout, service, master, steps);
    let found = cas.chain(others).flatten().chain(unreadable);
    let found = found.map(|Fault { code, problem, help }| {
        let finding = Finding::error(code, &master.name, problem, help);
        if code == FindingCode::CaMismatch { finding.into_warning() } else { finding }
    });
    let mismatched = signers::mismatched(layout, service, master, |path| is_touched(steps, path));
    let is_offline = master.probe.unit.activity == Activity::Offline;
    let as_it_weighs = |it: Finding| if is_offline { it.into_warning() } else { it };
    found.chain(mismatched).map(as_it_weighs).collect()
}

/// Finds files that the service's user certainly cannot read, by the mode and owner of the file.
/// Supplementary groups of the user are not known.
fn unreadable(
    layout: &Layout,
    service: &DesiredService,
    master: &ObservedMaster,
    steps: &[Step],
) -> Vec<Fault> {
    let account = service.account.filter(|_| master.probe.can_set_owner);
    let Some(account) = account else { return Vec::new() };
    let managed = [Role::CaCertificate, Role::CaKey, Role::Kubeconfig]
        .map(|role| (layout.path(role), &master.files.of(role).state));
    let others = master.others.iter().map(|(path, state)| (path, state));
    let all = managed.into_iter().chain(others);
    let named = all.filter(|(path, _)| service.files.contains(path) && !is_touched(steps, path));
    let closed = named.filter(|(path, state)| {
        let (state, _) = master.followed(path, state, None);
        state.attributes().is_some_and(|(mode, owner)| {
            let own = if owner.uid == account.uid { 0o400 } else { 0o044 };
            mode.bits() & own == 0
        })
    });
    let (by, uid) = (service.runs_as(), account.uid.to_string());
    let owner = service.user.as_ref().unwrap_or(&uid);
    let fault = |(path, _): (&RemotePath, &PathState)| Fault {
        code: FindingCode::FileUnreadable,
        problem: not_readable(path, &by),
        help: format!(
            "run `{}` on the master, or permit a group of this account to read the file",
            command(["chown", owner, path.as_str()])
        ),
    };
    closed.map(fault).collect()
}

/// Returns the problem of an existing file that the account of the service cannot read.
pub(super) fn not_readable(path: &RemotePath, by: &str) -> String {
    format!("{path} exists but is not readable by {by}, the account of the service")
}

/// Reports whether a step writes or removes a file, or sets its mode and owner.
pub(super) fn is_touched(steps: &[Step], path: &RemotePath) -> bool {
    steps.iter().any(|step| match step {
        Step::Write { path: touched, .. }
        | Step::SetAttributes { path: touched, .. }
        | Step::Remove { path: touched, .. } => touched == path,
        _ => false,
    })
}

struct Fault {
    code: FindingCode,
    problem: String,
    help: String,
}

fn fault(path: &RemotePath, state: &PathState, role: Option<Role>) -> Option<Fault> {
    let (code, problem, help) = match state {
        PathState::Absent => {
            let help = match role {
                Some(_) => {
                    "create the file, or set `install.distributeCa: true` and run `kcm apply`"
                }
                None => "create the file, or remove the flag that names the file",
            };
            (FindingCode::FileMissing, format!("{path} is missing"), help)
        }
        PathState::File { size: 0, .. } | PathState::Unread { size: 0, .. } => {
            let help = "replace the file with the one of the cluster";
            (FindingCode::FileUnusable, format!("{path} is empty"), help)
        }
        PathState::File { .. } | PathState::Unread { .. } => return None,
        PathState::Link { .. } => {
            let help = "replace the link with the file";
            (
                FindingCode::FileMissing,
                format!("{path} is a symbolic link that does not resolve to a file"),
                help,
            )
        }
        PathState::Folder { .. } | PathState::Other => {
            let help = "move this path away and create the file";
            (FindingCode::FileMissing, format!("{path} is {}", state.describe()), help)
        }
    };
    Some(Fault { code, problem, help: help.to_owned() })
}

fn certificate_fault(path: &RemotePath, text: &str, ca: &Ca, signs: bool) -> Option<Fault> {
    let Some(found) = trust::fingerprints(text.as_bytes()) else {
        let problem = format!("{path}: cannot parse the certificates");
        let help = "replace the file with the CA certificate of the cluster".to_owned();
        return Some(Fault { code: FindingCode::FileUnusable, problem, help });
    };
    if signs && found.len() > 1 {
        let problem = format!(
            "{path} contains {} certificates; the leader exits if --cluster-signing-cert-file contains more than one",
            found.len()
        );
        let help = "keep only the signing certificate in this file, and put the bundle into the file of --root-ca-file";
        let (code, help) = (FindingCode::FileUnusable, help.to_owned());
        return Some(Fault { code, problem, help });
    }
    let Ca::Present(ca) = ca else { return None };
    let ours = ca.certificate().fingerprint();
    (!found.contains(&ours)).then(|| Fault {
        code: FindingCode::CaMismatch,
        problem: format!("{path} does not contain the CA certificate of pki.caCert ({ours})"),
        help: "use the same CA on every master and in `pki.caCert`".to_owned(),
    })
}
