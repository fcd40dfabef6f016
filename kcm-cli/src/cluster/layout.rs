//! Default paths and names of the tutorial, and the paths of all managed files on a master.

use std::fmt;

use kcm_systemd::{ExecutablePath, UnitName};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cluster::{Comparison, Install};
use crate::util::files::{Mode, RemotePath};
use crate::util::words::in_full;

/// Name of the cluster in the tutorial.
pub(crate) const CLUSTER_NAME: &str = "kubernetes";
/// Folder of `bin/`, `kubeconfig/` and `pki/` on the masters.
pub(crate) const INSTALL_ROOT: &str = "/opt/kubernetes";
/// File name of the identity's certificate, on the operator's machine and on the masters.
pub(crate) const CERTIFICATE: &str = "kube-controller-manager.pem";
/// File name of the identity's key.
pub(crate) const KEY: &str = "kube-controller-manager-key.pem";
/// File name of certificate and key in one file, which a kubeconfig names. The counterpart of
/// kubelet is `kubelet-client-current.pem`.
pub(crate) const COMBINED: &str = "kube-controller-manager-current.pem";
/// File name of the serving certificate and its key in one file.
pub(crate) const SERVING: &str = "kube-controller-manager-serving.pem";
/// File name of the serving key alone, on the operator's machine.
pub(crate) const SERVING_KEY: &str = "kube-controller-manager-serving-key.pem";
/// File name of a request for the client certificate.
pub(crate) const REQUEST: &str = "kube-controller-manager.csr";
/// File name of a request for the serving certificate.
pub(crate) const SERVING_REQUEST: &str = "kube-controller-manager-serving.csr";
/// File name of the bundle of CA certificates that clients accept.
pub(crate) const TRUST: &str = "ca-bundle.pem";
/// User that the default RBAC roles bind. No group is needed.
pub(crate) const USER: &str = "system:kube-controller-manager";
/// Names of user and context in the kubeconfig.
pub(crate) const KUBECONFIG_USER: &str = "kube-controller-manager";
pub(crate) const KUBECONFIG_CONTEXT: &str = "default";

/// File name of the unit.
pub(crate) const UNIT: &str = "kube-controller-manager.service";
/// Folder of the unit.
pub(crate) const UNIT_FOLDER: &str = "/etc/systemd/system";

/// The role of a managed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// The CA's certificate.
    CaCertificate,
    /// The CA's key.
    CaKey,
    /// CA bundle that clients accept, if it is not the CA certificate alone.
    Trust,
    /// The identity's certificate.
    Certificate,
    /// The identity's key.
    Key,
    /// Certificate and key of the identity in one file, which the kubeconfig names.
    Combined,
    /// Serving certificate and key in one file.
    Serving,
    /// The key that signs service account tokens, if it is not the CA key.
    ServiceAccountKey,
    /// The public keys with which API servers verify these tokens.
    ServiceAccountPublicKeys,
    /// Kubeconfig, with certificate and key or with their path.
    Kubeconfig,
    /// The kube-controller-manager program.
    Binary,
    /// The systemd unit.
    Unit,
}

impl Role {
    /// All roles.
    pub(crate) const ALL: [Self; 12] = [
        Self::CaCertificate,
        Self::CaKey,
        Self::Trust,
        Self::Certificate,
        Self::Key,
        Self::Combined,
        Self::Serving,
        Self::ServiceAccountKey,
        Self::ServiceAccountPublicKeys,
        Self::Kubeconfig,
        Self::Binary,
        Self::Unit,
    ];

    /// Returns the permission bits of the file.
    pub(crate) fn mode(self) -> Mode {
        match self {
            Self::CaKey
            | Self::Key
            | Self::Combined
            | Self::Serving
            | Self::ServiceAccountKey
            | Self::Kubeconfig => Mode::PRIVATE,
            Self::CaCertificate
            | Self::Trust
            | Self::Certificate
            | Self::ServiceAccountPublicKeys
            | Self::Unit => Mode::PUBLIC,
            Self::Binary => Mode::PROGRAM,
        }
    }
}

/// Every path on a master that kcm reads, writes or names in the unit.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// Default folder of all files except the unit.
    pub(crate) root: RemotePath,
    pub(crate) certificate: RemotePath,
    pub(crate) key: RemotePath,
    /// Certificate and key in one file, if the kubeconfig names files.
    pub(crate) combined: RemotePath,
    /// Serving certificate and key in one file.
    pub(crate) serving: RemotePath,
    /// The key that signs service account tokens, if it is not the CA key.
    pub(crate) service_account_key: RemotePath,
    /// The public keys with which API servers verify these tokens.
    pub(crate) service_account_public_keys: RemotePath,
    pub(crate) kubeconfig: RemotePath,
    pub(crate) unit: UnitName,
    pub(crate) unit_file: RemotePath,
    pub(crate) executable: RemotePath,
    pub(crate) ca_certificate: RemotePath,
    pub(crate) ca_key: RemotePath,
    /// CA bundle that clients accept, if it is not the CA certificate alone.
    pub(crate) trust: RemotePath,
    /// Record of the state before a change that is not verified yet.
    pub(crate) pending: RemotePath,
    /// Record of the state before the last verified change.
    pub(crate) previous: RemotePath,
    /// Record of the service's connections when its credentials were replaced.
    pub(crate) connections: RemotePath,
    /// Record of the program's digest and version.
    pub(crate) program: RemotePath,
    /// Comparison of unit and kubeconfig with the desired files.
    pub(crate) compare: Comparison,
}

/// An error of a path in the `install` section.
#[derive(Debug)]
pub(crate) struct LayoutError {
    /// Key below `install`.
    pub(crate) key: &'static str,
    pub(crate) reason: String,
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "install.{}: {}", self.key, self.reason)
    }
}

impl Layout {
    /// Returns the tutorial's layout below `root`.
    ///
    /// # Errors
    /// If a path below `root` would be too long.
    pub(crate) fn below(root: &RemotePath) -> Result<Self, LayoutError> {
        let wrong = |reason: String| LayoutError { key: "root", reason };
        let below = |names: &str| root.join(names).map_err(|error| wrong(error.to_string()));
        Ok(Self {
            root: root.clone(),
            certificate: below(&format!("pki/kube-controller-manager/cert/{CERTIFICATE}"))?,
            key: below(&format!("pki/kube-controller-manager/cert/{KEY}"))?,
            combined: below(&format!("pki/kube-controller-manager/cert/{COMBINED}"))?,
            serving: below(&format!("pki/kube-controller-manager/cert/{SERVING}"))?,
            service_account_key: below("pki/service-account/sa.key")?,
            service_account_public_keys: below("pki/service-account/sa.pub")?,
            kubeconfig: below("kubeconfig/kube-controller-manager.kubeconfig")?,
            unit: UNIT.parse().map_err(|error: kcm_systemd::UnitError| wrong(in_full(&error)))?,
            unit_file: RemotePath::new(format!("{UNIT_FOLDER}/{UNIT}"))
                .map_err(|error| wrong(error.to_string()))?,
            executable: below("bin/kube-controller-manager")?,
            ca_certificate: below("pki/ca/cert/ca.pem")?,
            ca_key: below("pki/ca/cert/ca-key.pem")?,
            trust: below(&format!("pki/ca/cert/{TRUST}"))?,
            pending: below(".kcm/pending.json")?,
            previous: below(".kcm/previous.json")?,
            connections: below(".kcm/connections.json")?,
            program: below(".kcm/program")?,
            compare: Comparison::Bytes,
        })
    }

    /// Returns the layout of a cluster file.
    ///
    /// # Errors
    /// If two files have the same path, or a path is not valid for its file.
    pub(crate) fn of(install: &Install) -> Result<Self, LayoutError> {
        let mut layout = Self { compare: install.compare, ..Self::below(&install.root)? };
        let paths = &install.paths;
        if let Some(path) = &paths.unit {
            let wrong = |reason: String| LayoutError { key: "paths.unit", reason };
            let unit = path.name().parse::<UnitName>().map_err(|error| wrong(in_full(&error)))?;
            if !unit.as_str().ends_with(".service") || unit.as_str().contains('@') {
                let reason = format!(
                    "`{unit}` is not the name of a service unit; write NAME.service, without `@`"
                );
                return Err(wrong(reason));
            }
            layout.unit = unit;
        }
        if let Some(path) = &paths.binary {
            let wrong = |reason: String| LayoutError { key: "paths.binary", reason };
            ExecutablePath::try_from(path.as_str()).map_err(|error| wrong(in_full(&error)))?;
        }
        if let Some(path) = &paths.cert {
            layout.combined = path.sibling(COMBINED);
            layout.serving = path.sibling(SERVING);
        }
        if let Some(path) = &paths.ca_cert {
            layout.trust = path.sibling(TRUST);
        }
        let single = [
            (&paths.unit, &mut layout.unit_file),
            (&paths.binary, &mut layout.executable),
            (&paths.kubeconfig, &mut layout.kubeconfig),
            (&paths.ca_cert, &mut layout.ca_certificate),
            (&paths.ca_key, &mut layout.ca_key),
            (&paths.trust, &mut layout.trust),
            (&paths.cert, &mut layout.certificate),
            (&paths.key, &mut layout.key),
        ];
        for (path, place) in single {
            if let Some(path) = path {
                place.clone_from(path);
            }
        }
        let all: Vec<_> = layout.managed().collect();
        let twice =
            all.iter().enumerate().find(|(at, path)| all.iter().take(*at).any(|it| it == *path));
        if let Some((_, path)) = twice {
            let reason = format!("two files have the path {path}; give each file a separate path");
            return Err(LayoutError { key: "paths", reason });
        }
        Ok(layout)
    }

    /// True if a path in the kubeconfig names the combined file. It may be relative to the
    /// kubeconfig's folder.
    pub(crate) fn is_combined(&self, path: &str) -> bool {
        let folder = self.kubeconfig.parent();
        let folder = folder.as_ref().map_or("/", |it| it.as_str());
        let named = |path| kcm_kubeconfig::path_in_kubeconfig(folder, path);
        named(path) == named(self.combined.as_str())
    }

    /// Returns every path where kcm may write a file.
    pub(crate) fn managed(&self) -> impl Iterator<Item = &RemotePath> {
        Role::ALL.iter().map(|role| self.path(*role))
    }

    /// Returns the folders that only kcm uses, outermost first.
    ///
    /// They are the folders of identity, kubeconfig and program, and their parents down from the
    /// root.
    pub(crate) fn own_folders(&self) -> Vec<RemotePath> {
        let innermost = [&self.certificate, &self.kubeconfig, &self.executable];
        let mut folders: Vec<_> = innermost
            .into_iter()
            .flat_map(|path| {
                let above = std::iter::successors(path.parent(), RemotePath::parent);
                let root = self.root.as_str();
                // Folders outside the root may belong to others.
                above.take_while(move |folder| {
                    let below = folder.as_str().strip_prefix(root);
                    below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
                })
            })
            .collect();
        folders.sort();
        folders.dedup();
        folders
    }

    /// Returns the path of a role.
    pub(crate) fn path(&self, role: Role) -> &RemotePath {
        match role {
            Role::CaCertificate => &self.ca_certificate,
            Role::CaKey => &self.ca_key,
            Role::Trust => &self.trust,
            Role::Certificate => &self.certificate,
            Role::Key => &self.key,
            Role::Combined => &self.combined,
            Role::Serving => &self.serving,
            Role::ServiceAccountKey => &self.service_account_key,
            Role::ServiceAccountPublicKeys => &self.service_account_public_keys,
            Role::Kubeconfig => &self.kubeconfig,
            Role::Binary => &self.executable,
            Role::Unit => &self.unit_file,
        }
    }
}
