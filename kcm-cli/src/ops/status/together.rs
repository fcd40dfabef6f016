//! Findings from the comparison of all masters. Pure.

use kcm_pki::Fingerprint;

use super::look::Look;
use super::{Alike, Leadership, MasterStatus, Service};
use crate::cluster::CredentialsForm;
use crate::cluster::layout::{Layout, Role};
use crate::context::Run;
use crate::finding::{Finding, FindingCode, Severity};
use crate::ops::certs::{
    CertificateCheck, CertificateUse, CheckedCertificate, UnseenCertificate, Validity,
};
use crate::pki::identity::{Reason, reasons};
use crate::preflight;
use crate::transport::{Observation, PathState};
use crate::util::files::RemotePath;

pub(super) fn evaluate(
    run: Run<'_>,
    layout: &Layout,
    looks: &[Look],
    masters: &[MasterStatus],
    leadership: &Observation<Leadership>,
    found: &mut Vec<Finding>,
) -> Alike {
    let seen: Vec<_> = looks.iter().filter_map(Look::master).collect();
    found.extend(preflight::host_names(&seen));
    let mut equal = |role: Role| {
        let differing = preflight::equal_files(layout, role, &seen);
        let holders = seen.iter().filter(|it| it.files.of(role).state.attributes().is_some());
        let equal = (holders.count() > 1).then_some(differing.is_empty());
        found.extend(differing);
        equal
    };
    let (ca_certificate, ca_key) = (equal(Role::CaCertificate), equal(Role::CaKey));
    let (holders, differing) = service_account_keys(looks, layout);
    let is_ca_key =
        |look: &Look| look.service.service_account_key.as_deref() == Some(layout.ca_key.as_str());
    let service_account_key = if looks.iter().all(is_ca_key) {
        ca_key
    } else {
        (holders > 1).then_some(differing.is_empty())
    };
    found.extend(differing);
    let runs = masters
        .iter()
        .filter_map(MasterStatus::facts)
        .any(|facts| matches!(facts.service, Service::Running | Service::CrashLooping { .. }));
    let left_out = &run.cluster.left_out;
    let is_whole = left_out.is_empty() && masters.iter().all(|it| it.facts().is_some());
    match leadership {
        Observation::Known(leadership) if runs => found.extend(no_leader(leadership, is_whole)),
        _ => {}
    }
    Alike { ca_certificate, ca_key, service_account_key }
}

/// Compares the keys that sign service-account tokens, which must be the same on all masters. A CA
/// key in that role is compared elsewhere.
///
/// Returns the number of masters with a separate key, and a finding for each key that differs from
/// the first.
fn service_account_keys<'l>(looks: &'l [Look], layout: &'l Layout) -> (usize, Vec<Finding>) {
    let mut holders = 0;
    let mut first: Option<(&str, &RemotePath, Fingerprint)> = None;
    let mut found = Vec::new();
    for look in looks {
        let Ok(seen) = &look.seen else { continue };
        let is_key =
            |path: &RemotePath| look.service.service_account_key.as_deref() == Some(path.as_str());
        let own = (&layout.service_account_key, &seen.master.files.service_account_key.state);
        let others = seen.master.others.iter().map(|(path, state)| (path, state));
        let mut keys = std::iter::once(own).chain(others).filter(|(path, _)| is_key(path));
        let Some((path, PathState::File { digest, .. })) = keys.next() else { continue };
        holders += 1;
        match first {
            None => first = Some((&look.name, path, *digest)),
            Some((other, _, expected)) if expected != *digest => {
                let problem =
                    format!("{path}, which signs tokens, is not the key that {other} has");
                let help = "put the same key on all masters; a token signed with one key is not valid under another";
                found.push(Finding::error(
                    FindingCode::ServiceAccountKeyDiffers,
                    &look.name,
                    problem,
                    help,
                ));
            }
            Some(_) => {}
        }
    }
    (holders, found)
}

fn no_leader(leadership: &Leadership, is_whole: bool) -> Option<Finding> {
    let finding = |code, problem: String, help: &str| {
        Some(Finding::general(code, problem, help).into_error())
    };
    let journal = "check the journals of the services for the cause";
    match &leadership.holder {
        None => finding(FindingCode::NoLeader, "no leader".to_owned(), journal),
        Some(holder) if leadership.is_stale() => {
            let ago = leadership.age_milliseconds.map_or_else(
                || "at an unknown time".to_owned(),
                |age| format!("{} s ago", age / 1000),
            );
            let problem = format!("no leader: {holder} held the Lease last and renewed it {ago}");
            finding(FindingCode::NoLeader, problem, journal)
        }
        // A holder with an unknown host name may be a master that was not observed.
        Some(holder) if leadership.master.is_none() && is_whole => {
            let (problem, help) = crate::rollout::unmanaged_leader(holder);
            finding(FindingCode::LeaderUnmanaged, problem, help)
        }
        Some(_) => None,
    }
}

/// Reports certificates that are due. The CA certificate is reported once, and a client certificate
/// only in the kubeconfig if that holds the same one.
pub(super) fn certificates(
    check: &CertificateCheck,
    looks: &[Look],
    masters: &[MasterStatus],
    form: CredentialsForm,
    found: &mut Vec<Finding>,
) {
    let mut ca_is_told = false;
    for it in check.certificates.iter().filter(|it| it.validity != Validity::Good) {
        let in_use = |master: &str| {
            let mut all = check.certificates.iter();
            all.any(|other| {
                other.master.as_deref() == Some(master)
                    && other.role == CertificateUse::Kubeconfig
                    && other.fingerprint == it.fingerprint
            })
        };
        match (it.role, it.master.as_deref()) {
            (CertificateUse::Ca, _) if ca_is_told => continue,
            (CertificateUse::Ca, _) => ca_is_told = true,
            (CertificateUse::Client, Some(master)) if in_use(master) => continue,
            // The certificate that the service presents is reported instead.
            (CertificateUse::Serving, Some(_)) => continue,
            _ => {}
        }
        let makes_it = looks.iter().any(|look| {
            Some(&look.name) == it.master.as_ref() && look.service.makes_its_certificate()
        });
        found.push(due(it, makes_it));
    }
    let is_requested = |unseen: &&UnseenCertificate| match unseen.role {
        Some(CertificateUse::Client) => form != CredentialsForm::EmbeddedOnly,
        role => role.is_some(),
    };
    for unseen in check.unseen.iter().filter(is_requested) {
        let is_used = |master: &MasterStatus| {
            let service = master.facts().map(|facts| &facts.service);
            Some(&master.name) == unseen.master.as_ref()
                && matches!(service, Some(Service::Running | Service::Offline))
        };
        // A file with a finding is not reported again.
        let place = unseen.reason.split([' ', ':']).next().unwrap_or_default();
        let is_told =
            |finding: &Finding| finding.master == unseen.master && finding.problem.contains(place);
        if masters.iter().any(is_used) && !found.iter().any(is_told) {
            let problem = format!("cannot read a certificate: {}", unseen.reason);
            let help = "fix the cause, then run `kcm certs check`";
            let finding = Finding::general(FindingCode::CertificateNotObserved, problem, help);
            found.push(Finding { master: unseen.master.clone(), ..finding });
        }
    }
}

fn due(it: &CheckedCertificate, makes_it: bool) -> Finding {
    let what = match it.role {
        CertificateUse::Ca => "the CA certificate",
        CertificateUse::Client => "the client certificate",
        CertificateUse::Kubeconfig => "the client certificate in the kubeconfig",
        CertificateUse::Serving | CertificateUse::Served => "the serving certificate",
    };
    let ends = it.not_after.date();
    let (code, severity, how) = match it.validity {
        Validity::Expired => {
            (FindingCode::CertificateExpired, Severity::Error, format!("expired on {ends}"))
        }
        Validity::NotYetValid => {
            (FindingCode::CertificateNotYetValid, Severity::Error, "is not valid yet".to_owned())
        }
        Validity::Due | Validity::Good => {
            (FindingCode::CertificateDue, Severity::Warning, format!("expires on {ends}"))
        }
    };
    let help = match it.role {
        _ if it.validity == Validity::NotYetValid => {
            "run `timedatectl` on this machine and on the master, and correct the wrong clock"
        }
        CertificateUse::Ca => "before you replace the CA, let all clients trust both CAs",
        CertificateUse::Client | CertificateUse::Kubeconfig | CertificateUse::Serving => {
            "run `kcm certs renew`"
        }
        CertificateUse::Served if makes_it => {
            "run `kcm certs renew`; it restarts the service, which creates a new certificate"
        }
        CertificateUse::Served => "replace the file that --tls-cert-file names",
    };
    let problem = format!("{what} {how} ({})", it.place);
    Finding { code, severity, master: it.master.clone(), problem, help: help.to_owned() }
}

/// Returns the finding about a certificate that `apply` would replace.
pub(super) fn replaced((what, why): &(&'static str, Vec<Reason>)) -> Finding {
    let problem = format!("{what} does not match the cluster file: {}", reasons(why));
    Finding::general(
        FindingCode::CertificateReplaced,
        problem,
        "run `kcm apply`; it issues a new certificate",
    )
}

/// Returns the finding that the masters cannot be compared with the cluster file.
pub(super) fn not_compared(why: &str) -> Finding {
    let problem = format!("cannot compare the observed state with the cluster file: {why}");
    Finding::general(FindingCode::NotCompared, problem, "fix the cause on this machine")
}
