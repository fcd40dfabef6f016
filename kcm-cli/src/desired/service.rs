//! Desired state of the service: its flags, its unit, and the facts that a rollout needs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use kcm_systemd::{ControllerManagerUnit, ExecutablePath, FlagName, Flags, Hardening};

use super::{Artifact, Content, DesiredError, artifact};
use crate::artifact::{DesiredService, SigningFiles};
use crate::cluster::layout::{Layout, Role};
use crate::cluster::{Cluster, Comparison, CsrSigning, FlagChange, Master};
use crate::desired::meaning::EffectiveContent;
use crate::observed::accounts::Owners;
use crate::util::files::{Bytes, Owner, RemotePath};
use crate::util::words::in_full;

/// Default of `--secure-port`.
const SECURE_PORT: u16 = 10257;

/// The unit, the files that the service reads when it starts, and further facts.
pub(super) struct Service {
    pub(super) unit: Artifact,
    pub(super) reads: Vec<Role>,
    pub(super) known: DesiredService,
}

pub(super) fn service(
    cluster: &Cluster,
    layout: &Layout,
    master: &Master,
    owners: Owners,
) -> Result<Service, DesiredError> {
    let invalid =
        |reason: String| DesiredError::Unit { master: master.name.to_string(), why: reason.into() };
    let flags = flags(cluster, layout, master).map_err(&invalid)?;
    let is_named =
        |role: &Role| flags.iter().any(|(_, value)| value == layout.path(*role).as_str());
    let named = [Role::CaCertificate, Role::CaKey, Role::Trust, Role::ServiceAccountKey];
    let named = named.into_iter().filter(is_named);
    let reads = named.chain([Role::Kubeconfig, Role::Binary, Role::Unit]).collect();
    // Root without capabilities is also limited by file permissions.
    let is_bound = owners.service != Owner::ROOT || cluster.service.hardening == Hardening::Strict;
    let known = DesiredService {
        flags: flags.iter().map(|(name, _)| name.clone()).collect(),
        files: files_of(&flags, |_| true),
        secrets: files_of(&flags, |name| {
            name.ends_with("key-file") || name.ends_with("kubeconfig")
        }),
        signing_certificates: files_of(&flags, |name| {
            name.starts_with("cluster-signing-") && name.ends_with("cert-file")
        }),
        signers: signers(cluster, layout, &flags),
        read_once: files_of(&flags, |name| !is_reloaded(name)),
        service_account_key: flags.get(SIGNS_TOKENS).map(str::to_owned),
        serving: serving(&flags),
        account: is_bound.then_some(owners.service),
        user: cluster.service.user.as_ref().map(ToString::to_string),
    };
    let text = unit(cluster, layout, flags).map_err(&invalid)?.render();
    let by_meaning = layout.compare == Comparison::Semantic;
    let meaning = by_meaning.then(|| EffectiveContent::of_unit(&text, &layout.unit)).flatten();
    let unit = artifact(layout, Role::Unit, Content::Known(Bytes::new(text.as_str())), text);
    let unit = Artifact { meaning, ..unit };
    Ok(Service { unit, reads, known })
}

/// Returns the text of a master's unit.
pub(crate) fn unit_text(
    cluster: &Cluster,
    layout: &Layout,
    master: &Master,
) -> Result<String, DesiredError> {
    let unit = flags(cluster, layout, master).and_then(|flags| unit(cluster, layout, flags));
    let invalid =
        |reason: String| DesiredError::Unit { master: master.name.to_string(), why: reason.into() };
    Ok(unit.map_err(invalid)?.render())
}

fn unit(cluster: &Cluster, layout: &Layout, flags: Flags) -> Result<ControllerManagerUnit, String> {
    let executable = ExecutablePath::try_from(layout.executable.as_str());
    let executable = executable.map_err(|error| in_full(&error))?;
    let how = cluster.service.clone();
    Ok(ControllerManagerUnit {
        user: how.user,
        group: how.group,
        hardening: how.hardening,
        additions: how.directives,
        ..ControllerManagerUnit::new(executable, flags)
    })
}

/// Returns the facts about every master's service that are known before the masters are observed.
pub(crate) fn known_services(
    cluster: &Cluster,
    layout: &Layout,
) -> Result<Vec<DesiredService>, DesiredError> {
    let services = cluster.masters.iter();
    let known = |master| Ok(service(cluster, layout, master, Owners::ROOT)?.known);
    services.map(known).collect()
}

/// Returns the files that flags name: kubeconfigs, and the values of flags that end in `-file`.
fn files_of(flags: &Flags, is_of: impl Fn(&str) -> bool) -> Vec<RemotePath> {
    let named = flags.iter().filter(|(name, _)| {
        let name = name.as_str();
        (name.ends_with("-file") || name.ends_with("kubeconfig")) && is_of(name)
    });
    named.filter_map(|(_, value)| RemotePath::new(value).ok()).collect()
}

/// Returns the certificates and keys that flags name for signers, without a CA that kcm
/// distributes.
fn signers(cluster: &Cluster, layout: &Layout, flags: &Flags) -> Vec<SigningFiles> {
    let signer = |(name, value): (&FlagName, &str)| {
        let signer = name.as_str().strip_prefix("cluster-signing-")?.strip_suffix("cert-file")?;
        let key_flag = format!("cluster-signing-{signer}key-file");
        let key = RemotePath::new(flags.get(&key_flag)?).ok()?;
        let certificate = RemotePath::new(value).ok()?;
        let certificate_flag = name.as_str().to_owned();
        Some(SigningFiles { certificate_flag, certificate, key_flag, key })
    };
    let is_distributed = |it: &SigningFiles| {
        cluster.install.distribute_ca
            && it.certificate == layout.ca_certificate
            && it.key == layout.ca_key
    };
    flags.iter().filter_map(signer).filter(|it| !is_distributed(it)).collect()
}

/// Reports whether a running process reloads the file of a flag.
///
/// These are the dynamic certificates of client-go and apiserver, and those of the signer
/// (`pkg/controller/certificates/signer`).
fn is_reloaded(flag: &str) -> bool {
    let dynamic =
        ["client-ca-file", "requestheader-client-ca-file", "tls-cert-file", "tls-private-key-file"];
    dynamic.contains(&flag) || flag.starts_with("cluster-signing-")
}

/// Returns the address at which a process with these flags is reached from its own machine. `None`
/// if it does not serve.
fn serving(flags: &Flags) -> Option<SocketAddr> {
    let port = flags.get("secure-port").map_or(Ok(SECURE_PORT), str::parse::<u16>).ok()?;
    let address = match flags.get("bind-address").and_then(|address| address.parse().ok()) {
        Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) => Ipv6Addr::LOCALHOST.into(),
        None | Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) => Ipv4Addr::LOCALHOST.into(),
        Some(address) => address,
    };
    (port != 0).then(|| SocketAddr::new(address, port))
}

/// Reports whether a flag names a file of a signer.
fn is_signing(flag: &str) -> bool {
    flag.starts_with("cluster-signing-") && flag.ends_with("-file")
}

/// The flags that name the serving certificate and key.
const SERVED_FROM: [&str; 2] = ["tls-cert-file", "tls-private-key-file"];
/// The flag that names the key for service account tokens.
pub(crate) const SIGNS_TOKENS: &str = "service-account-private-key-file";

fn set(flags: &mut Flags, name: &str, value: &str) -> Result<(), String> {
    let name = FlagName::parse(name).map_err(|error| in_full(&error))?;
    flags.set(name, value).map(drop).map_err(|error| in_full(&error))
}

/// Returns the flags of a master: the tutorial's flags, changed first for all masters and then for
/// this one.
pub(crate) fn flags(cluster: &Cluster, layout: &Layout, master: &Master) -> Result<Flags, String> {
    let kubeconfig = layout.kubeconfig.as_str();
    let trust = if cluster.pki.trust.is_some() { &layout.trust } else { &layout.ca_certificate };
    let token_key = if cluster.pki.service_account_key.is_some() {
        &layout.service_account_key
    } else {
        &layout.ca_key
    };
    let mut flags = Flags::from_pairs([
        ("allocate-node-cidrs", "true"),
        ("authentication-kubeconfig", kubeconfig),
        ("authorization-kubeconfig", kubeconfig),
        ("bind-address", &master.bind_address.to_string()),
        ("cluster-cidr", &cluster.cluster_cidr.to_string()),
        ("cluster-name", cluster.name.as_str()),
        ("kubeconfig", kubeconfig),
        ("leader-elect", "true"),
        ("root-ca-file", trust.as_str()),
        (SIGNS_TOKENS, token_key.as_str()),
        ("service-cluster-ip-range", &cluster.service_cluster_ip_range.to_string()),
        ("use-service-account-credentials", "true"),
        ("v", "2"),
    ])
    .map_err(|error| in_full(&error))?;
    match &cluster.csr_signing {
        CsrSigning::Ca => {
            set(&mut flags, "cluster-signing-cert-file", layout.ca_certificate.as_str())?;
            set(&mut flags, "cluster-signing-key-file", layout.ca_key.as_str())?;
        }
        CsrSigning::None => {}
        CsrSigning::PerSigner(signers) => {
            for (signer, pair) in signers {
                let flag = |end| format!("cluster-signing-{}-{end}-file", signer.name());
                set(&mut flags, &flag("cert"), pair.cert.as_str())?;
                set(&mut flags, &flag("key"), pair.key.as_str())?;
            }
        }
    }
    for (name, mask) in cluster.node_masks.flags() {
        set(&mut flags, name, &mask)?;
    }
    if cluster.pki.serving_certificate {
        for name in SERVED_FROM {
            set(&mut flags, name, layout.serving.as_str())?;
        }
    }
    for (name, change) in &master.flags {
        let key = match name.as_str() {
            SIGNS_TOKENS if cluster.pki.service_account_key.is_some() => {
                Some("pki.serviceAccountKey")
            }
            name if cluster.pki.serving_certificate && SERVED_FROM.contains(&name) => {
                Some("pki.servingCertificate")
            }
            name if is_signing(name) && cluster.csr_signing != CsrSigning::Ca => {
                Some("controllerManager.csrSigning")
            }
            _ => None,
        };
        if let Some(key) = key {
            return Err(format!(
                "flags.{name} conflicts with {key}, which sets the same flag; remove one of them"
            ));
        }
        match change {
            FlagChange::Set(value) => {
                flags.set(name.clone(), value.as_str()).map_err(|error| in_full(&error))?;
            }
            FlagChange::Remove if flags.remove(name.as_str()).is_none() => {
                return Err(format!(
                    "flags.{name} is null, but kcm does not set --{name}; remove the line"
                ));
            }
            FlagChange::Remove => {}
        }
    }
    Ok(flags)
}
