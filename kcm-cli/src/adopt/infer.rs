//! From what was found to what a cluster file says. Pure.

use std::path::Path;

use kcm_kubeconfig::Access;
use kcm_pki::Certificate;

use super::changes::{directives, is_written_as_kcm_writes, set_flags};
use super::choices::{Choices, MasterChoice};
use super::findings::Findings;
use super::look::{Found, pairs};
use super::ranges::ranges;
use super::{AdoptError, AdoptRequest, Adopted};
use crate::cluster::{Cluster, ClusterName};
use crate::files::RemotePath;
use crate::layout::{self, Layout};
use crate::transport::PathState;

/// Folders that hold other programs too: kcm keeps its notes in none of them.
const SHARED_ROOTS: [&str; 4] = ["/", "/usr", "/usr/local", "/opt"];
pub(super) fn infer(
    found: &[Found],
    request: &AdoptRequest,
    origin: &Path,
    now: time::OffsetDateTime,
) -> Result<Adopted, AdoptError> {
    let mut findings = Findings::of(found);
    let unknown = |what, reason: &str| AdoptError::Unknown { what, reason: reason.to_owned() };
    if found.is_empty() {
        return Err(unknown("anything", "no master is named; name one with --master"));
    }
    let accesses = found.iter().map(Found::access).collect::<Result<Vec<_>, _>>()?;
    let ca = found.iter().find_map(|master| master.ca.clone());
    let embedded = accesses.iter().find_map(|it| String::from_utf8(it.authority()?.to_vec()).ok());
    let ca_certificate = ca.or(embedded).ok_or_else(|| {
        unknown("the CA", "no flag names its certificate, and no kubeconfig has it; name the file with --cluster-signing-cert-file in the unit")
    })?;
    let mut choices = Choices {
        ca_cert: request.ca_cert.clone(),
        ca_key: request.ca_key.clone(),
        ..Choices::default()
    };
    alike(found, &mut findings);
    ranges(&mut choices, &mut findings)?;
    cluster_name(&mut choices, &mut findings);
    places(&mut choices, found, &mut findings);
    let identity = identity(&mut choices, found, &ca_certificate, &mut findings);
    choices.owner = owner(found, &mut findings);
    binds(&mut choices, found);
    servers(&mut choices, &accesses);
    // What kcm would render of that: what else is there is said as changes of it.
    let allocates = |master: &Found| master.flag("allocate-node-cidrs") == Some("true");
    if !found.iter().any(allocates) {
        // Nodes' parts of the ranges are of no matter then.
        choices.flags.push(("allocate-node-cidrs".to_owned(), None));
    }
    let plain = parsed(&choices, request, origin)?;
    directives(&mut choices, found, &plain, &mut findings)?;
    set_flags(&mut choices, found, &plain, &mut findings)?;
    let cluster = parsed(&choices, request, origin)?;
    choices.by_meaning =
        !is_written_as_kcm_writes(&cluster, found, identity.as_deref(), &ca_certificate);
    let cluster = parsed(&choices, request, origin)?;
    let mut findings = findings.all();
    findings.extend(super::findings::of_identity(identity.as_deref(), now));
    findings.extend(super::findings::of_subject(identity.as_deref()));
    let text = choices.text(&request.ssh);
    Ok(Adopted { text, cluster, ca_certificate, findings })
}

fn parsed(choices: &Choices, request: &AdoptRequest, origin: &Path) -> Result<Cluster, AdoptError> {
    Cluster::parse(&choices.text(&request.ssh), origin).map_err(AdoptError::NotSayable)
}

/// What must be the same on all masters and has no place in the cluster file.
fn alike(found: &[Found], findings: &mut Findings<'_>) {
    let _ = findings.agree("the CA certificate", |master, _| {
        let certificate = master.ca.as_deref().map(|pem| Certificate::from_pem(pem.as_bytes()));
        certificate
            .and_then(Result::ok)
            .map_or_else(|| "none".to_owned(), |it| it.fingerprint().to_string())
    });
    let digest = |master: &Found, flag: &str| {
        let path = master.flag(flag)?;
        match master.state(path)? {
            PathState::File { digest, .. } => Some(digest.to_string()),
            _ => None,
        }
    };
    for (what, flag) in [
        ("the CA key", "cluster-signing-key-file"),
        ("the key for service-account tokens", "service-account-private-key-file"),
    ] {
        if found.iter().any(|master| digest(master, flag).is_some()) {
            let _ = findings
                .agree(what, |master, _| digest(master, flag).unwrap_or_else(|| "none".to_owned()));
        }
    }
}

fn cluster_name(choices: &mut Choices, findings: &mut Findings<'_>) {
    let name = findings.agree_on_flag("cluster-name");
    choices.name = name.filter(|name| name != layout::CLUSTER_NAME);
    if let Some(error) = choices.name.as_ref().and_then(|name| name.parse::<ClusterName>().err()) {
        let mend = "`kcm plan` shows kcm's own name for it; choose one before you apply";
        findings.not_reproduced(format!("--cluster-name: {error}"), mend);
        choices.name = None;
    }
}

/// Where the files are.
fn places(choices: &mut Choices, found: &[Found], findings: &mut Findings<'_>) {
    let executable = findings.agree("the program", |master, _| master.meaning.executable.clone());
    let root = RemotePath::new(executable.as_str())
        .ok()
        .filter(|path| path.as_str().ends_with("/bin/kube-controller-manager"));
    let root = root.and_then(|path| path.parent()?.parent());
    let root = root.filter(|root| !SHARED_ROOTS.contains(&root.as_str()));
    let root = root.map_or_else(|| layout::INSTALL_ROOT.to_owned(), |root| root.to_string());
    let unit = findings.agree("the unit's file", |master, _| master.unit_file.to_string());
    let kubeconfig = findings.agree_on_flag("kubeconfig");
    let signing = findings.agree_on_flag("cluster-signing-cert-file");
    let signing =
        signing.or_else(|| found.iter().find_map(|it| it.flag("root-ca-file").map(str::to_owned)));
    let signing_key = findings.agree_on_flag("cluster-signing-key-file");
    let usual = RemotePath::new(root.as_str()).ok().and_then(|root| Layout::below(&root).ok());
    let Some(usual) = usual else { return };
    let paths = [
        ("unit", Some(unit), &usual.unit_file),
        ("binary", Some(executable), &usual.executable),
        ("kubeconfig", kubeconfig, &usual.kubeconfig),
        ("caCert", signing, &usual.ca_certificate),
        ("caKey", signing_key, &usual.ca_key),
    ];
    let differing = paths.into_iter().filter_map(|(key, path, usual)| {
        path.filter(|path| !path.is_empty() && path != usual.as_str()).map(|path| (key, path))
    });
    choices.paths = differing.collect();
    choices.root = Some(root).filter(|root| root != layout::INSTALL_ROOT);
}

/// The certificate that the masters hold, as PEM, and where it is.
fn identity(
    choices: &mut Choices,
    found: &[Found],
    ca: &str,
    findings: &mut Findings<'_>,
) -> Option<String> {
    let held = |master: &Found| {
        let access = master.access().ok()?;
        if let Some(pem) = access.certificate() {
            return Certificate::from_pem(pem).ok();
        }
        let named = access.certificate_file()?;
        let mut beside = master.certificates.iter();
        let (_, certificate) = beside.find(|(path, _)| path.as_str() == named)?;
        Some(certificate.clone())
    };
    let shown = |certificate: Option<Certificate>| {
        certificate.map_or_else(|| "none".to_owned(), |it| it.fingerprint().to_string())
    };
    let _ = findings.agree("the client certificate", |master, _| shown(held(master)));
    if let Some(file) =
        found.iter().find_map(|it| it.access().ok()?.certificate_file().map(str::to_owned))
    {
        findings.not_reproduced(
            format!("the kubeconfig names {file} for its client certificate; kcm embeds it, or names one file of its own"),
            "`kcm plan` shows what kcm would write",
        );
    }
    let certificate = found.iter().find_map(held)?;
    let first = found.first()?;
    let is_pair = |(cert, key): &(RemotePath, RemotePath)| {
        found.iter().all(|master| {
            let beside = master.certificates.iter().find(|(path, _)| path == cert);
            beside.is_some_and(|(_, beside)| {
                Some(beside.fingerprint()) == held(master).map(|it| it.fingerprint())
            }) && matches!(master.state(key.as_str()), Some(PathState::File { .. }))
        })
    };
    let root = RemotePath::new(choices.root.as_deref().unwrap_or(layout::INSTALL_ROOT)).ok();
    let usual = root.and_then(|root| Layout::below(&root).ok());
    match pairs(first).into_iter().find(is_pair).zip(usual) {
        Some(((cert, key), usual)) => {
            let paths = [("cert", cert, usual.certificate), ("key", key, usual.key)];
            let differing = paths.into_iter().filter(|(_, path, usual)| path != usual);
            choices.paths.extend(differing.map(|(name, path, _)| (name, path.to_string())));
        }
        None => choices.credentials = Some("embedded-only"),
    }
    let algorithm = certificate.key_algorithm().map(|algorithm| algorithm.to_string());
    choices.key_algorithm = algorithm.filter(|algorithm| algorithm != "rsa-2048");
    let lifetime = (certificate.not_after() - certificate.not_before()).whole_hours();
    // One that ends with its CA was cut short.
    let ends_with_ca = Certificate::from_pem(ca.as_bytes())
        .is_ok_and(|ca| ca.not_after() <= certificate.not_after());
    choices.lifetime =
        (lifetime >= 1 && lifetime != 87_600 && !ends_with_ca).then(|| format!("{lifetime}h"));
    Some(certificate.to_pem())
}

/// Whose the kubeconfig is, where that is not the service's user.
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
    let name = findings.agree("the owner of the kubeconfig", |master, _| {
        of(master).unwrap_or_else(|| default.to_owned())
    });
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        findings.not_reproduced(
            format!("the kubeconfig belongs to {name}, which no account there is"),
            "give it to an account; until then `kcm plan` shows another owner",
        );
        return None;
    }
    (name != default).then_some(name)
}

/// The API server of most masters, and at those that have another, their own; at all where each has its own.
fn servers(choices: &mut Choices, accesses: &[Access]) {
    let times = |server: &str| accesses.iter().filter(|it| it.server() == server).count();
    let most = accesses.iter().map(|it| times(it.server())).max().unwrap_or(0);
    let common = accesses.iter().find(|it| times(it.server()) == most);
    let common = common.map_or("", |it| it.server());
    let each = most == 1 && accesses.len() > 1;
    for (choice, access) in choices.masters.iter_mut().zip(accesses) {
        let own = Some(access.server()).filter(|server| each || *server != common);
        choice.server = own.map(str::to_owned);
    }
    common.clone_into(&mut choices.server);
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
