//! Checks of a cluster file as a whole: defaults, contradictions and warnings.

mod pki;
mod ranges;
mod ssh;
mod systemd;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

use kcm_kubeconfig::ServerUrl;

use self::ssh::SshChoices;
use super::choice::{ApiVia, Comparison, CredentialsForm};
use super::error::ClusterFileError;
use super::file::{ClusterFile, InstallSection, MasterEntry};
use super::lint::{Allowed, Source};
use super::locate::{Places, Step, Step::Index, Step::Key, show};
use super::scalar::{FlagChange, FlagMap, Text};
use super::value::{BindAddress, ClusterName, HostAddress, MasterFile};
use super::{Cluster, Install, Master, Paths};
use crate::cluster::layout::{self, Layout};
use crate::util::files::RemotePath;

/// Lifetime of a leaf certificate in the tutorial: ten years.
pub(crate) const LIFETIME: Duration = Duration::from_secs(87_600 * 3600);
/// Minimum lifetime. Certificates are backdated by five minutes, and a shorter lifetime would cause
/// constant renewal.
pub(crate) const SHORTEST_LIFETIME: Duration = Duration::from_secs(3600);
/// Default port of `ssh`.
const SSH_PORT: u16 = 22;

pub(super) fn check(
    file: ClusterFile,
    text: &str,
    origin: &Path,
) -> Result<Cluster, ClusterFileError> {
    let at = At { text, origin };
    let folder = origin.parent().unwrap_or(Path::new(""));
    let cluster = file.cluster;
    ranges::check_ranges(&at, &cluster.cluster_cidr, &cluster.service_cluster_ip_range)?;
    let manager = file.controller_manager;
    let (bind, flags, csr_signing) =
        manager.map_or((None, None, None), |m| (m.bind_address, m.flags, m.csr_signing));
    let csr_signing = csr_signing.unwrap_or_default();
    let bind = bind.map_or(BindAddress::Host, |bind| bind.0);
    let flags = flags.unwrap_or_default();
    check_flags(&at, &[Key("controllerManager"), Key("flags")], &flags)?;
    let node_masks = ranges::node_masks(&at, &cluster, &flags)?;
    let ssh = SshChoices::of_all(&at, file.ssh, folder)?;
    let defaults = MasterDefaults { server: cluster.server.0.clone(), bind, flags, ssh };
    let masters = masters(&at, file.masters, &defaults, folder)?;
    let names = masters.iter().map(|master| master.name.to_string()).collect();
    let allowed = file.lint.and_then(|lint| lint.allow).unwrap_or_default().into_iter();
    let install = install(&at, file.install, folder)?;
    let pki = pki::pki(&at, file.pki, folder)?;
    if csr_signing.uses_ca_key(&pki) {
        pki::check_distribution(&at, &pki, &install)?;
    }
    let layout = Layout::of(&install).map_err(|error| {
        let below = error.key.split('.').map(Key);
        at.error(&std::iter::once(Key("install")).chain(below).collect::<Vec<_>>(), error.reason)
    })?;
    let service = systemd::service(&at, file.systemd, &layout)?;
    let (pods, services) = (cluster.cluster_cidr, cluster.service_cluster_ip_range);
    let mut warnings = ranges::warnings(&masters, &pods, &services);
    warnings.extend(systemd::warnings(&service, install.owner.as_ref(), &install.root, &masters));
    let sources = masters.iter().map(|master| &master.ssh.sudo_password);
    let secret_variables = sources.chain([&pki.ca_key_passphrase]).filter_map(|it| it.variable());
    let secret_variables = secret_variables.map(str::to_owned).collect();
    Ok(Cluster {
        server: cluster.server.0,
        name: match cluster.name {
            Some(name) => name.0,
            None => at.known(layout::CLUSTER_NAME.parse::<ClusterName>())?,
        },
        cluster_cidr: pods,
        service_cluster_ip_range: services,
        node_masks,
        pki,
        install,
        csr_signing,
        credentials: file
            .kubeconfig
            .and_then(|kubeconfig| kubeconfig.credentials)
            .map_or(CredentialsForm::Embedded, |credentials| credentials.0),
        service,
        api_via: file.api.and_then(|api| api.via).map_or(ApiVia::Master, |via| via.0),
        masters,
        left_out: Vec::new(),
        secret_variables,
        warnings,
        kubernetes_version: file.kubernetes_version.map(|version| version.0),
        allowed: allowed
            .map(|entry| Allowed { code: entry.code.0.0, reason: entry.reason.0.0 })
            .collect(),
        source: Source::new(origin, text, names),
    })
}

/// Creates errors that know the position of their key.
struct At<'a> {
    text: &'a str,
    origin: &'a Path,
}

impl At<'_> {
    fn error(&self, path: &[Step<'_>], problem: impl std::fmt::Display) -> ClusterFileError {
        let key = show(path);
        ClusterFileError::new(self.origin, Places::of(self.text).get(&key), &key, problem)
    }

    /// Validates a built-in default with the same check as the operator's values.
    fn known<T, E: std::fmt::Display>(&self, value: Result<T, E>) -> Result<T, ClusterFileError> {
        value.map_err(|error| ClusterFileError::new(self.origin, None, "", error))
    }
}

fn install(
    at: &At<'_>,
    section: Option<InstallSection>,
    folder: &Path,
) -> Result<Install, ClusterFileError> {
    let section = section.unwrap_or_default();
    let InstallSection { root, binary, distribute_ca, owner, paths, compare } = section;
    let paths = paths.unwrap_or_default();
    let path = |path: Option<Text<MasterFile>>| path.map(|path| path.0.0);
    Ok(Install {
        root: match root {
            Some(root) => root.0.0,
            None => at.known(RemotePath::new(layout::INSTALL_ROOT))?,
        },
        binary: binary.map(|path| path.0.from(folder)),
        distribute_ca: distribute_ca.unwrap_or(false),
        owner: owner.map(|owner| owner.0),
        paths: Paths {
            unit: path(paths.unit),
            binary: path(paths.binary),
            kubeconfig: path(paths.kubeconfig),
            ca_cert: path(paths.ca_cert),
            ca_key: path(paths.ca_key),
            trust: path(paths.trust),
            cert: path(paths.cert),
            key: path(paths.key),
        },
        compare: compare.map_or(Comparison::Bytes, |compare| compare.0),
    })
}

struct MasterDefaults {
    server: ServerUrl,
    bind: BindAddress,
    flags: FlagMap,
    ssh: SshChoices,
}

fn masters(
    at: &At<'_>,
    entries: Vec<MasterEntry>,
    defaults: &MasterDefaults,
    folder: &Path,
) -> Result<Vec<Master>, ClusterFileError> {
    if entries.is_empty() {
        let problem = "the list is empty; add `- {name: …, address: …}` for each host";
        return Err(at.error(&[Key("masters")], problem));
    }
    let mut masters: Vec<Master> = Vec::with_capacity(entries.len());
    for (index, entry) in entries.into_iter().enumerate() {
        let path = [Key("masters"), Index(index)];
        if let Some(first) = masters.iter().position(|master| master.name == entry.name.0) {
            let problem = format!(
                "`{}` is also the name of masters[{first}]; give each master a unique name",
                entry.name.0
            );
            return Err(at.error(&[path[0], path[1], Key("name")], problem));
        }
        if let Some(first) = masters.iter().find(|master| is_same_target(master, &entry)) {
            let problem = format!(
                "`{}` is also the address of {}; write another address, or set another `ssh.port`",
                entry.address.0, first.name
            );
            return Err(at.error(&[path[0], path[1], Key("address")], problem));
        }
        masters.push(master(at, &path, entry, defaults, folder)?);
    }
    Ok(masters)
}

/// True if both are the same host. One address may serve several masters on different ports, as
/// with port forwarding.
fn is_same_target(master: &Master, entry: &MasterEntry) -> bool {
    let is_same_host = match (&master.address, &entry.address.0) {
        (HostAddress::Name(one), HostAddress::Name(other)) => one.eq_ignore_ascii_case(other),
        (one, other) => one == other,
    };
    let port = entry.ssh.as_ref().and_then(|ssh| ssh.port);
    is_same_host && port.is_none_or(|port| port == master.ssh.port.unwrap_or(SSH_PORT))
}

fn master(
    at: &At<'_>,
    path: &[Step<'_>; 2],
    entry: MasterEntry,
    defaults: &MasterDefaults,
    folder: &Path,
) -> Result<Master, ClusterFileError> {
    let [masters, index] = *path;
    let address = entry.address.0;
    let own = entry.bind_address.map(|bind| bind.0);
    let bind_address = match (own.unwrap_or(defaults.bind), address.ip()) {
        (BindAddress::Host, Some(ip)) | (BindAddress::Ip(ip), _) => ip,
        (BindAddress::Host, None) => {
            let problem = format!(
                "`{address}` is a host name, and bindAddress `host` needs an IP address; write the IP address, or set `bindAddress` for this master"
            );
            return Err(at.error(&[masters, index, Key("address")], problem));
        }
        (BindAddress::Loopback, Some(IpAddr::V6(_))) => Ipv6Addr::LOCALHOST.into(),
        (BindAddress::Loopback, _) => Ipv4Addr::LOCALHOST.into(),
        (BindAddress::Any, Some(IpAddr::V6(_))) => Ipv6Addr::UNSPECIFIED.into(),
        (BindAddress::Any, _) => Ipv4Addr::UNSPECIFIED.into(),
    };
    let own_flags = entry.flags.unwrap_or_default();
    check_flags(at, &[masters, index, Key("flags")], &own_flags)?;
    let ssh = defaults.ssh.of_master(at, &[masters, index, Key("ssh")], entry.ssh, folder)?;
    Ok(Master {
        name: entry.name.0,
        server: entry.server.map_or_else(|| defaults.server.clone(), |server| server.0),
        bind_address,
        flags: defaults.flags.0.iter().cloned().chain(own_flags.0).collect(),
        ssh,
        address,
    })
}

/// Flags that have their own key in the cluster file, with that key.
pub(crate) const OWN_KEY: &[(&str, &str)] = &[
    ("bind-address", "bindAddress of controllerManager or of the master"),
    ("cluster-cidr", "cluster.clusterCidr"),
    ("cluster-name", "cluster.name"),
    ("node-cidr-mask-size", "cluster.nodeCidrMaskSize"),
    ("node-cidr-mask-size-ipv4", "cluster.nodeCidrMaskSizeIpv4"),
    ("node-cidr-mask-size-ipv6", "cluster.nodeCidrMaskSizeIpv6"),
    ("service-cluster-ip-range", "cluster.serviceClusterIpRange"),
];

fn check_flags(at: &At<'_>, path: &[Step<'_>], flags: &FlagMap) -> Result<(), ClusterFileError> {
    for (name, change) in &flags.0 {
        let problem = match (name.as_str(), change) {
            (flag, FlagChange::Set(value)) if value.contains('\0') => {
                format!(
                    "the value contains a NUL byte, which is not allowed in a process argument; remove the byte from --{flag}"
                )
            }
            ("kubeconfig", _) => {
                "kcm sets this flag to the path of its kubeconfig; set install.paths.kubeconfig instead"
                    .to_owned()
            }
            (flag, FlagChange::Set(_)) => match OWN_KEY.iter().find(|(known, _)| *known == flag) {
                Some((_, key)) => format!("kcm sets this flag from another key; set {key} instead"),
                None => continue,
            },
            (_, FlagChange::Remove) => continue,
        };
        let mut field = path.to_vec();
        field.push(Key(name.as_str()));
        return Err(at.error(&field, problem));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
