//! Derivation of a cluster file from the observed masters. Pure.

use std::path::Path;

use kcm_kubeconfig::Access;

use super::changes::{directives, is_written_as_kcm_writes, own_forms, set_flags};
use super::choices::{Choices, MasterChoice};
use super::findings::{Findings, Share};
use super::identity::{Identity, identity};
use super::look::Found;
use super::ranges::ranges;
use super::trust::{signing_ca, trust};
use super::{AdoptError, AdoptRequest, Adopted};
use crate::cluster::layout::{self, Layout};
use crate::cluster::{Cluster, ClusterName};
use crate::transport::PathState;
use crate::util::files::RemotePath;

/// Folders that also hold other programs, in which kcm does not keep its notes.
const SHARED_ROOTS: [&str; 4] = ["/", "/usr", "/usr/local", "/opt"];

pub(super) fn infer(
    found: &[Found],
    request: &AdoptRequest,
    origin: &Path,
    now: time::OffsetDateTime,
) -> Result<Adopted, AdoptError> {
    let mut findings = Findings::of(found, now);
    let unknown = |what, reason: &str| AdoptError::Unknown { what, why: reason.into() };
    if found.is_empty() {
        return Err(unknown("the configuration", "no master is given; name one with --master"));
    }
    let accesses = found.iter().map(Found::access).collect::<Result<Vec<_>, _>>()?;
    let ca = signing_ca(found, &mut findings)?;
    let mut choices = Choices {
        ca_cert: request.ca_cert.clone(),
        ca_key: request.ca_key.clone(),
        ..Choices::default()
    };
    alike(&mut findings);
    ranges(&mut choices, &mut findings)?;
    cluster_name(&mut choices, &mut findings)?;
    places(&mut choices, found, &mut findings)?;
    let trust = trust(&mut choices, found, &ca, &mut findings)?;
    let identity = identity(&mut choices, found, &ca, &mut findings);
    choices.owner = owner(found, &mut findings);
    binds(&mut choices, found);
    servers(&mut choices, &accesses);
    // The rest of the observed configuration becomes changes to what kcm would render from these
    // values.
    let allocates = |master: &Found| master.flag("allocate-node-cidrs") == Some("true");
    if !found.iter().any(allocates) {
        // Nodes get no part of the Pod range then, so their prefix lengths do not matter.
        choices.flags.push(("allocate-node-cidrs".to_owned(), None));
    }
    let plain = parsed(&choices, request, origin)?;
    let plain = own_forms(&mut choices, found, plain, |choices| parsed(choices, request, origin))?;
    directives(&mut choices, found, &plain, &mut findings)?;
    set_flags(&mut choices, found, &plain, &mut findings)?;
    let cluster = parsed(&choices, request, origin)?;
    let ca_certificate = ca.to_pem();
    let accepted = trust.as_deref().unwrap_or(&ca_certificate);
    let held = identity.pem.as_deref();
    choices.by_meaning = !is_written_as_kcm_writes(&cluster, found, held, accepted);
    let cluster = parsed(&choices, request, origin)?;
    let findings = findings.all();
    let text = choices.text(&request.ssh);
    let Identity { csr, signing_config, .. } = identity;
    let ca_fingerprint = ca.fingerprint();
    Ok(Adopted {
        text,
        cluster,
        ca_certificate,
        ca_fingerprint,
        trust,
        csr,
        signing_config,
        findings,
    })
}

fn parsed(choices: &Choices, request: &AdoptRequest, origin: &Path) -> Result<Cluster, AdoptError> {
    Cluster::parse(&choices.text(&request.ssh), origin).map_err(AdoptError::NotSayable)
}

/// Reports keys that differ between masters, which the cluster file cannot express.
fn alike(findings: &mut Findings<'_>) {
    let of = |master: &Found, flag: &str| match master.state(master.flag(flag)?)? {
        PathState::File { digest, .. } => Some(digest.to_string()),
        _ => None,
    };
    for (what, flag) in [
        ("the CA key", "cluster-signing-key-file"),
        ("the key for service-account tokens", "service-account-private-key-file"),
    ] {
        // Only the finding matters, not the common value.
        let _ = findings.agree(what, Share::Most, |master| of(master, flag), Clone::clone);
    }
}

fn cluster_name(choices: &mut Choices, findings: &mut Findings<'_>) -> Result<(), AdoptError> {
    let name = findings.agree_on_flag("cluster-name")?;
    choices.name = name.filter(|name| name != layout::CLUSTER_NAME);
    if let Some(error) = choices.name.as_ref().and_then(|name| name.parse::<ClusterName>().err()) {
        let help = "choose a valid name in the cluster file before you run `kcm apply`; `kcm plan` shows the default name";
        findings.not_reproduced(format!("--cluster-name: {error}"), help);
        choices.name = None;
    }
    Ok(())
}

/// Sets the paths of the files.
fn places(
    choices: &mut Choices,
    found: &[Found],
    findings: &mut Findings<'_>,
) -> Result<(), AdoptError> {
    let mut path = |what: &str, of: &dyn Fn(&Found) -> Option<String>| {
        findings.agree(what, Share::Most, of, Clone::clone)
    };
    let executable = path("the program", &|it| Some(it.meaning.executable.clone()))?;
    let unit = path("the unit file", &|it| Some(it.unit_file.to_string()))?;
    let kubeconfig = path("--kubeconfig", &|it| it.flag("kubeconfig").map(str::to_owned))?;
    // A master with a different path gets a separate flag.
    let most = |of: &dyn Fn(&Found) -> Option<String>| Share::Most.common(found.iter().map(of));
    let signing = most(&|it| it.flag("cluster-signing-cert-file").map(str::to_owned));
    let signing_key = most(&|it| it.flag("cluster-signing-key-file").map(str::to_owned));
    // A bundle is not the file of the signing CA.
    let roots = most(&|it| {
        let path = it.flag("root-ca-file")?;
        (it.certificates_at(path).map(<[_]>::len) == Some(1)).then(|| path.to_owned())
    });
    let root = executable
        .as_deref()
        .and_then(|path| RemotePath::new(path).ok())
        .filter(|path| path.as_str().ends_with("/bin/kube-controller-manager"));
    let root = root.and_then(|path| path.parent()?.parent());
    let root = root.filter(|root| !SHARED_ROOTS.contains(&root.as_str()));
    let root = root.map_or_else(|| layout::INSTALL_ROOT.to_owned(), |root| root.to_string());
    let usual = RemotePath::new(root.as_str()).ok().and_then(|root| Layout::below(&root).ok());
    let Some(usual) = usual else { return Ok(()) };
    let paths = [
        ("unit", unit, &usual.unit_file),
        ("binary", executable, &usual.executable),
        ("kubeconfig", kubeconfig, &usual.kubeconfig),
        ("caCert", signing.or(roots), &usual.ca_certificate),
        ("caKey", signing_key, &usual.ca_key),
    ];
    let differing = paths.into_iter().filter_map(|(key, path, usual)| {
        path.filter(|path| !path.is_empty() && path != usual.as_str()).map(|path| (key, path))
    });
    choices.paths = differing.collect();
    choices.root = Some(root).filter(|root| root != layout::INSTALL_ROOT);
    Ok(())
}

/// Returns the owner of the kubeconfig, if that is not the service's user.
fn owner(found: &[Found], findings: &mut Findings<'_>) -> Option<String> {
    let of = |master: &Found| {
        let (_, owner) = master.state(master.flag("kubeconfig")?)?.attributes()?;
        (owner != master.service_owner())
            .then(|| master.owner_name(owner).unwrap_or_else(|| owner.to_string()))
    };
    if found.iter().any(|master| !master.can_set_owner) {
        return None;
    }
    let default = "the service's user";
    let of = |master: &Found| Some(of(master).unwrap_or_else(|| default.to_owned()));
    let what = "the owner of the kubeconfig";
    let name = findings.agree(what, Share::Most, of, Clone::clone).ok()??;
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        findings.not_reproduced(
            format!("the kubeconfig is owned by {name}, which is not an account on the masters"),
            "change its owner to an account; until then `kcm plan` shows another owner",
        );
        return None;
    }
    (name != default).then_some(name)
}

/// Sets the API server of most masters, and a separate one for each other master. Without a
/// majority, every master gets a separate one.
fn servers(choices: &mut Choices, accesses: &[Access]) {
    let servers: Vec<_> = accesses.iter().map(Access::server).collect();
    let common = Share::Most.of(&servers).copied();
    for (choice, server) in choices.masters.iter_mut().zip(&servers) {
        choice.server = (Some(*server) != common).then(|| (*server).to_owned());
    }
    common.or(servers.first().copied()).unwrap_or_default().clone_into(&mut choices.server);
}

fn binds(choices: &mut Choices, found: &[Found]) {
    let binds: Vec<_> =
        found.iter().map(|master| master.flag("bind-address").unwrap_or("0.0.0.0")).collect();
    choices.masters = found
        .iter()
        .map(|master| MasterChoice {
            name: master.name.clone(),
            address: master.address.clone(),
            ..MasterChoice::default()
        })
        .collect();
    let is_host = binds.iter().zip(found).all(|(bind, master)| *bind == master.address);
    if is_host {
        return;
    }
    match binds.split_first() {
        Some((first, rest)) if rest.iter().all(|other| other == first) => {
            let word = match *first {
                "127.0.0.1" => "loopback",
                "0.0.0.0" => "any",
                other => other,
            };
            choices.bind = Some(word.to_owned());
        }
        _ => {
            for ((choice, bind), master) in choices.masters.iter_mut().zip(&binds).zip(found) {
                choice.bind = (*bind != master.address).then(|| (*bind).to_owned());
            }
        }
    }
}
