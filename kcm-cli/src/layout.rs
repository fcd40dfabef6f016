//! Where the tutorial has things. One place, so that every path can be found by its name.

use kcm_systemd::UnitName;

use crate::desired::Role;
use crate::files::{Mode, RemotePath};
use crate::words::in_full;

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
/// The user that stock RBAC binds; groups play no part.
pub(crate) const USER: &str = "system:kube-controller-manager";
/// The kubeconfig's names for user and context.
pub(crate) const KUBECONFIG_USER: &str = "kube-controller-manager";
pub(crate) const KUBECONFIG_CONTEXT: &str = "default";

const UNIT: &str = "kube-controller-manager.service";
const UNIT_FOLDER: &str = "/etc/systemd/system";

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
    /// The note of what was before a change that is not proven.
    pub(crate) pending: RemotePath,
    /// The note of what was before the last change that was.
    pub(crate) previous: RemotePath,
    /// The note of what the service was connected to when its credentials came.
    pub(crate) connections: RemotePath,
}

impl Layout {
    /// The tutorial's layout below `root`.
    ///
    /// # Errors
    /// When `root` is so long that a path below it would be too long.
    pub(crate) fn below(root: &RemotePath) -> Result<Self, String> {
        let below = |names: &str| root.join(names).map_err(|error| error.to_string());
        Ok(Self {
            root: root.clone(),
            certificate: below(&format!("pki/kube-controller-manager/cert/{CERTIFICATE}"))?,
            key: below(&format!("pki/kube-controller-manager/cert/{KEY}"))?,
            combined: below(&format!("pki/kube-controller-manager/cert/{COMBINED}"))?,
            serving: below(&format!("pki/kube-controller-manager/cert/{SERVING}"))?,
            kubeconfig: below("kubeconfig/kube-controller-manager.kubeconfig")?,
            unit: UNIT.parse().map_err(|error: kcm_systemd::UnitError| in_full(&error))?,
            unit_file: RemotePath::new(format!("{UNIT_FOLDER}/{UNIT}"))
                .map_err(|e| e.to_string())?,
            executable: below("bin/kube-controller-manager")?,
            ca_certificate: below("pki/ca/cert/ca.pem")?,
            ca_key: below("pki/ca/cert/ca-key.pem")?,
            pending: below(".kcm/pending.json")?,
            previous: below(".kcm/previous.json")?,
            connections: below(".kcm/connections.json")?,
        })
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
                above.take_while(|folder| folder.as_str().len() >= self.root.as_str().len())
            })
            .collect();
        folders.sort();
        folders.dedup();
        folders
    }

    /// The permission bits that kcm gives the file at `path`; a file of another path is private.
    pub(crate) fn mode(&self, path: &RemotePath) -> Mode {
        let role = Role::ALL.into_iter().find(|role| self.path(*role) == path);
        role.map_or(Mode::PRIVATE, Role::mode)
    }

    /// Where the file of this role is.
    pub(crate) fn path(&self, role: Role) -> &RemotePath {
        match role {
            Role::CaCertificate => &self.ca_certificate,
            Role::CaKey => &self.ca_key,
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
