//! The cluster file `kcm.yaml`: read, completed with the tutorial's defaults, and checked.
//!
//! Reading is strict: an unknown key, a key that this version does not build yet, a value of the wrong
//! form and a contradiction are each one [`ClusterFileError`] with line, column and mend.

mod check;
mod choice;
mod directives;
mod error;
mod file;
pub(crate) mod init;
pub(crate) mod layout;
mod lint;
mod locate;
mod ranges;
mod read;
mod scalar;
mod ssh;
mod systemd;
mod unbuilt;
mod value;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kcm_kubeconfig::ServerUrl;
use kcm_pki::KeyAlgorithm;
use kcm_systemd::{FlagName, KubernetesVersion};

use crate::util::files::RemotePath;

pub(crate) use check::{LIFETIME, SHORTEST_LIFETIME};
pub use choice::{ApiVia, Comparison, CredentialsForm};
pub use error::ClusterFileError;
pub use file::schema;
pub use lint::{Allowed, Source};
pub use ranges::{Cidr, IpFamily, NodeMasks, Ranges};
pub use scalar::FlagChange;
pub use ssh::{HostKeys, Jump, Ssh, Sudo, SudoPassword};
pub use systemd::{Ownership, Service};
pub use value::{
    BindAddress, ClusterName, HostAddress, InvalidValue, MasterName, ProfileName, SshUser,
};

/// The longest cluster file that is read, in bytes.
pub const LONGEST_FILE: u64 = 1024 * 1024;

/// A cluster file, complete and consistent.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// URL of the API server as masters reach it that have none of their own.
    pub server: ServerUrl,
    /// Name of the cluster.
    pub name: ClusterName,
    /// Ranges of Pod addresses.
    pub cluster_cidr: Ranges,
    /// Ranges of Service addresses.
    pub service_cluster_ip_range: Ranges,
    /// Prefix lengths of each node's parts of the Pod ranges.
    pub node_masks: NodeMasks,
    /// Certificates and keys on the operator's machine.
    pub pki: Pki,
    /// Where things are on the masters, and what is brought there.
    pub install: Install,
    /// From where the API server is asked.
    pub api_via: ApiVia,
    /// Where the kubeconfig has certificate and key.
    pub credentials: CredentialsForm,
    /// How systemd runs the service.
    pub service: Service,
    /// The masters, in the file's order, which is the order of everything.
    pub masters: Vec<Master>,
    /// Masters of the file that are left out of this run.
    pub left_out: Vec<MasterName>,
    /// What is legal and still looks like a mistake, in words.
    pub warnings: Vec<String>,
    /// The version of kube-controller-manager, if the file says.
    pub kubernetes_version: Option<KubernetesVersion>,
    /// The findings that are accepted.
    pub allowed: Vec<Allowed>,
    /// The file itself.
    pub source: Source,
}

/// Certificates and keys on the operator's machine. Paths are absolute or relative to the working
/// folder, never to the cluster file any more.
#[derive(Clone, Debug)]
pub struct Pki {
    /// The CA certificate.
    pub ca_cert: PathBuf,
    /// The CA key.
    pub ca_key: PathBuf,
    /// The bundle of CA certificates that clients accept, if it is not the CA certificate alone.
    pub trust: Option<PathBuf>,
    /// Whether a CA is made if there is none and nothing is deployed.
    pub create_ca: bool,
    /// cfssl CSR file.
    pub csr: Option<PathBuf>,
    /// cfssl signing config and the profile in it.
    pub signing: Option<(PathBuf, ProfileName)>,
    /// Algorithm of new keys, if the file says.
    pub key_algorithm: Option<KeyAlgorithm>,
    /// Lifetime of new certificates, if the file says.
    pub lifetime: Option<Duration>,
    /// How long before its end a certificate is replaced, if the file says.
    pub renew_before: Option<Duration>,
    /// Whether the certificate that is served with is issued, too.
    pub serving_certificate: bool,
    /// Folder of the identity's certificate and key.
    pub directory: PathBuf,
}

/// Where things are on the masters, and what is brought there beside the identity, kubeconfig and unit.
#[derive(Clone, Debug)]
pub struct Install {
    /// Folder on the masters below which everything but the unit is.
    pub root: RemotePath,
    /// kube-controller-manager itself, on the operator's machine; `None` where the masters have it already.
    pub binary: Option<PathBuf>,
    /// Whether the CA's certificate and key are brought to the masters.
    pub distribute_ca: bool,
    /// Whose the files are, if the file says.
    pub owner: Option<Ownership>,
    /// Single files that are elsewhere than below the root.
    pub paths: Paths,
    /// How unit and kubeconfig are compared.
    pub compare: Comparison,
}

/// Single files on the masters that are elsewhere than below [`Install::root`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paths {
    /// The unit, whose name is the file's.
    pub unit: Option<RemotePath>,
    /// kube-controller-manager itself.
    pub binary: Option<RemotePath>,
    /// The kubeconfig.
    pub kubeconfig: Option<RemotePath>,
    /// The CA certificate.
    pub ca_cert: Option<RemotePath>,
    /// The CA key.
    pub ca_key: Option<RemotePath>,
    /// The bundle of CA certificates that clients accept.
    pub trust: Option<RemotePath>,
    /// The identity's certificate.
    pub cert: Option<RemotePath>,
    /// The identity's key.
    pub key: Option<RemotePath>,
}

/// A host that runs kube-controller-manager.
#[derive(Clone, Debug)]
pub struct Master {
    /// Its name.
    pub name: MasterName,
    /// Where it is.
    pub address: HostAddress,
    /// URL of the API server that it uses.
    pub server: ServerUrl,
    /// What kube-controller-manager binds there.
    pub bind_address: IpAddr,
    /// Changes to the flags: those of all masters, then its own.
    pub flags: Vec<(FlagName, FlagChange)>,
    /// How to reach it.
    pub ssh: Ssh,
}

impl Cluster {
    /// Reads a cluster file's text. `origin` names it in errors; relative paths start at its folder.
    ///
    /// # Errors
    /// The first thing that is wrong: where it is and how to mend it.
    pub fn parse(text: &str, origin: &Path) -> Result<Self, ClusterFileError> {
        // Some editors begin a UTF-8 file with a byte order mark, which YAML allows and the parser takes for a document.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let file = read::read(text, origin)?;
        check::check(file, text, origin)
    }

    /// Leaves masters out: all but those of `only`, if it names any, and those of `skip`.
    ///
    /// # Errors
    /// When a name is that of no master, or no master is left: in words.
    pub fn select(mut self, only: &[String], skip: &[String]) -> Result<Self, String> {
        self.check_names(only.iter().chain(skip))?;
        let is_in = |name: &str| {
            let named = |names: &[String]| names.iter().any(|it| it == name);
            (only.is_empty() || named(only)) && !named(skip)
        };
        let (masters, left_out): (Vec<_>, Vec<_>) =
            self.masters.into_iter().partition(|master| is_in(master.name.as_str()));
        if masters.is_empty() {
            return Err("no master is left; name fewer with --skip".to_owned());
        }
        self.left_out.extend(left_out.into_iter().map(|master| master.name));
        self.masters = masters;
        Ok(self)
    }

    /// Checks that each name is that of a master that takes part.
    ///
    /// # Errors
    /// When one is not: in words, with the names that are.
    pub(crate) fn check_names<'n>(
        &self,
        names: impl IntoIterator<Item = &'n String>,
    ) -> Result<(), String> {
        let unknown = names.into_iter().find(|name| self.master(name).is_none());
        let Some(name) = unknown else { return Ok(()) };
        let known = self.masters.iter().map(|master| master.name.as_str());
        let known = known.collect::<Vec<_>>().join(", ");
        Err(format!("no master is called `{name}`; there are {known}"))
    }

    /// Returns the URL of the API server that a master uses.
    #[must_use]
    pub fn server_of(&self, name: &str) -> &ServerUrl {
        self.master(name).map_or(&self.server, |master| &master.server)
    }

    /// The master of this name.
    #[must_use]
    pub fn master(&self, name: &str) -> Option<&Master> {
        self.masters.iter().find(|master| master.name.as_str() == name)
    }
}
