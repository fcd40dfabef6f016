//! Where the tutorial has things. One place, so that every path can be found by its name.

use std::fmt;

use kcm_systemd::{ExecutablePath, UnitName};
use serde::Serialize;

use crate::cluster::{Comparison, Install};
use crate::util::files::{Mode, RemotePath};
use crate::util::words::in_full;

/// The tutorial's name for the cluster.
pub(crate) const CLUSTER_NAME: &str = "kubernetes";
/// The folder on the masters with `bin/`, `kubeconfig/` and `pki/`.
pub(crate) const INSTALL_ROOT: &str = "/opt/kubernetes";
/// File name of the identity's certificate, on the operator's machine and on the masters.
pub(crate) const CERTIFICATE: &str = "kube-controller-manager.pem";
/// File name of the identity's key.
pub(crate) const KEY: &str = "kube-controller-manager-key.pem";
/// File name of both in one file, which a kubeconfig names; kubelet's is `kubelet-client-current.pem`.
pub(crate) const COMBINED: &str = "kube-controller-manager-current.pem";
/// File name of the certificate and key that are served with, in one file.
pub(crate) const SERVING: &str = "kube-controller-manager-serving.pem";
/// On the operator's machine, the key alone.
pub(crate) const SERVING_KEY: &str = "kube-controller-manager-serving-key.pem";
/// File name of the bundle of CA certificates that clients accept.
pub(crate) const TRUST: &str = "ca-bundle.pem";
/// The user that stock RBAC binds; groups play no part.
pub(crate) const USER: &str = "system:kube-controller-manager";
/// The kubeconfig's names for user and context.
pub(crate) const KUBECONFIG_USER: &str = "kube-controller-manager";
pub(crate) const KUBECONFIG_CONTEXT: &str = "default";

/// File name of the unit.
pub(crate) const UNIT: &str = "kube-controller-manager.service";
/// The folder with it.
pub(crate) const UNIT_FOLDER: &str = "/etc/systemd/system";

/// What a managed file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// The CA's certificate.
    CaCertificate,
    /// The CA's key.
    CaKey,
    /// Every CA certificate that clients accept, where that is not the CA's alone.
    Trust,
    /// The identity's certificate.
    Certificate,
    /// The identity's key.
    Key,
    /// Both in one file, where the kubeconfig names files.
    Combined,
    /// Certificate and key that the service serves with, in one file.
    Serving,
    /// The kubeconfig, with both or with the path of both.
    Kubeconfig,
    /// kube-controller-manager itself.
    Binary,
    /// The systemd unit.
    Unit,
}

impl Role {
    /// All of them.
    pub(crate) const ALL: [Self; 10] = [
        Self::CaCertificate,
        Self::CaKey,
        Self::Trust,
        Self::Certificate,
        Self::Key,
        Self::Combined,
        Self::Serving,
        Self::Kubeconfig,
        Self::Binary,
        Self::Unit,
    ];

    /// The permission bits of its file.
    pub(crate) fn mode(self) -> Mode {
        match self {
            Self::CaKey | Self::Key | Self::Combined | Self::Serving | Self::Kubeconfig => {
                Mode::PRIVATE
            }
            Self::CaCertificate | Self::Trust | Self::Certificate | Self::Unit => Mode::PUBLIC,
            Self::Binary => Mode::PROGRAM,
        }
    }
}

/// Every path on a master that kcm reads, writes or names in the unit.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// What everything but the unit is below.
    pub(crate) root: RemotePath,
    pub(crate) certificate: RemotePath,
    pub(crate) key: RemotePath,
    /// Both in one file, where the kubeconfig names files.
    pub(crate) combined: RemotePath,
    /// What is served with, certificate and key in one file.
    pub(crate) serving: RemotePath,
    pub(crate) kubeconfig: RemotePath,
    pub(crate) unit: UnitName,
    pub(crate) unit_file: RemotePath,
    pub(crate) executable: RemotePath,
    pub(crate) ca_certificate: RemotePath,
    pub(crate) ca_key: RemotePath,
    /// Every CA certificate that clients accept, where that is not the CA's alone.
    pub(crate) trust: RemotePath,
    /// The note of what was before a change that is not proven.
    pub(crate) pending: RemotePath,
    /// The note of what was before the last change that was.
    pub(crate) previous: RemotePath,
    /// The note of what the service was connected to when its credentials came.
    pub(crate) connections: RemotePath,
    /// The note of the program's digest and version.
    pub(crate) program: RemotePath,
    /// How unit and kubeconfig at these paths are compared with what kcm would write.
    pub(crate) compare: Comparison,
}

/// Why files cannot be where the cluster file has them.
#[derive(Debug)]
pub(crate) struct LayoutError {
    /// The key below `install`.
    pub(crate) key: &'static str,
    pub(crate) reason: String,
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "install.{}: {}", self.key, self.reason)
    }
}

impl Layout {
    /// The tutorial's layout below `root`.
    ///
    /// # Errors
    /// When `root` is so long that a path below it would be too long.
    pub(crate) fn below(root: &RemotePath) -> Result<Self, LayoutError> {
        let wrong = |reason: String| LayoutError { key: "root", reason };
        let below = |names: &str| root.join(names).map_err(|error| wrong(error.to_string()));
        Ok(Self {
            root: root.clone(),
            certificate: below(&format!("pki/kube-controller-manager/cert/{CERTIFICATE}"))?,
            key: below(&format!("pki/kube-controller-manager/cert/{KEY}"))?,
            combined: below(&format!("pki/kube-controller-manager/cert/{COMBINED}"))?,
            serving: below(&format!("pki/kube-controller-manager/cert/{SERVING}"))?,
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

    /// What a cluster file says.
    ///
    /// # Errors
    /// When two files would be at one path, or one is where it cannot be.
    pub(crate) fn of(install: &Install) -> Result<Self, LayoutError> {
        let mut layout = Self { compare: install.compare, ..Self::below(&install.root)? };
        let paths = &install.paths;
        if let Some(path) = &paths.unit {
            let wrong = |reason: String| LayoutError { key: "paths.unit", reason };
            let unit = path.name().parse::<UnitName>().map_err(|error| wrong(in_full(&error)))?;
            if !unit.as_str().ends_with(".service") || unit.as_str().contains('@') {
                let reason = format!("`{unit}` is no unit of one service; write NAME.service");
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
            let reason = format!("two files would be at {path}; give each its own");
            return Err(LayoutError { key: "paths", reason });
        }
        Ok(layout)
    }

    /// Whether a path in the kubeconfig, which may be relative to its folder, is that of the combined file.
    pub(crate) fn is_combined(&self, path: &str) -> bool {
        let folder = self.kubeconfig.parent();
        let folder = folder.as_ref().map_or("/", |it| it.as_str());
        let named = |path| kcm_kubeconfig::path_in_kubeconfig(folder, path);
        named(path) == named(self.combined.as_str())
    }

    /// Every path that kcm may put a file at.
    pub(crate) fn managed(&self) -> impl Iterator<Item = &RemotePath> {
        Role::ALL.iter().map(|role| self.path(*role))
    }

    /// The folders that are nobody else's, outermost first: those of the identity, kubeconfig and program, and what
    /// holds them.
    pub(crate) fn own_folders(&self) -> Vec<RemotePath> {
        let innermost = [&self.certificate, &self.kubeconfig, &self.executable];
        let mut folders: Vec<_> = innermost
            .into_iter()
            .flat_map(|path| {
                let above = std::iter::successors(path.parent(), RemotePath::parent);
                let root = self.root.as_str();
                // Folders elsewhere are others' too.
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

    /// Where the file of this role is.
    pub(crate) fn path(&self, role: Role) -> &RemotePath {
        match role {
            Role::CaCertificate => &self.ca_certificate,
            Role::CaKey => &self.ca_key,
            Role::Trust => &self.trust,
            Role::Certificate => &self.certificate,
            Role::Key => &self.key,
            Role::Combined => &self.combined,
            Role::Serving => &self.serving,
            Role::Kubeconfig => &self.kubeconfig,
            Role::Binary => &self.executable,
            Role::Unit => &self.unit_file,
        }
    }
}
