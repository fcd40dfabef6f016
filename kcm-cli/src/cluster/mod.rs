//! The cluster file `kcm.yaml`: parsing, defaults and checks.
//!
//! Parsing is strict. Unknown keys, keys that are not implemented yet, invalid values and
//! contradictions are errors. A [`ClusterFileError`] has line, column and fix.

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
mod secret;
mod signer;
mod signing;
mod ssh;
mod systemd;
mod unbuilt;
mod value;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kcm_kubeconfig::ServerUrl;
use kcm_pki::KeyAlgorithm;
use kcm_systemd::{FlagName, KubernetesVersion};

use crate::util::files::{RemotePath, with_suffix};

pub(crate) use check::{LIFETIME, OWN_KEY, SHORTEST_LIFETIME};
pub use choice::{ApiVia, Comparison, CredentialsForm};
pub use error::ClusterFileError;
pub use file::schema;
pub use lint::{Allowed, Source};
pub use ranges::{Cidr, IpFamily, NodeMasks, Ranges};
pub use scalar::FlagChange;
pub use secret::{SecretError, SecretSource};
pub use signer::SignerCommand;
pub use signing::{CsrSigner, CsrSigning, SigningPair};
pub use ssh::{HostKeys, Jump, Ssh, Sudo};
pub use systemd::{Ownership, Service};
pub use value::{
    BindAddress, ClusterName, HostAddress, InvalidValue, MasterName, ProfileName, SshUser,
};

/// Maximum length of a cluster file, in bytes.
pub const LONGEST_FILE: u64 = 1024 * 1024;

/// A cluster file, complete and consistent.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// URL of the API server for masters without an override.
    pub server: ServerUrl,
    /// Name of the cluster.
    pub name: ClusterName,
    /// Address ranges of Pods.
    pub cluster_cidr: Ranges,
    /// Address ranges of Services.
    pub service_cluster_ip_range: Ranges,
    /// Prefix lengths of each node's Pod ranges.
    pub node_masks: NodeMasks,
    /// Certificates and keys on the operator's machine.
    pub pki: Pki,
    /// Paths on the masters, and the files that kcm uploads.
    pub install: Install,
    /// Route of requests to the API server.
    pub api_via: ApiVia,
    /// The keys with which kube-controller-manager signs certificates.
    pub csr_signing: CsrSigning,
    /// Storage of certificate and key for the kubeconfig.
    pub credentials: CredentialsForm,
    /// Settings of the systemd service.
    pub service: Service,
    /// The masters in the order of the file, in which kcm always works.
    pub masters: Vec<Master>,
    /// Masters of the file that are excluded from this run.
    pub left_out: Vec<MasterName>,
    /// Environment variables that hold secrets, also those of excluded masters. No child process
    /// inherits them.
    pub secret_variables: BTreeSet<String>,
    /// Warnings about valid settings that are likely mistakes.
    pub warnings: Vec<String>,
    /// Version of kube-controller-manager, if set in the file.
    pub kubernetes_version: Option<KubernetesVersion>,
    /// The accepted findings.
    pub allowed: Vec<Allowed>,
    /// The text of the file, with the positions of its keys.
    pub source: Source,
}

/// Certificates and keys on the operator's machine.
///
/// Paths are absolute or relative to the working directory, no longer to the cluster file.
#[derive(Clone, Debug)]
pub struct Pki {
    /// Path of the CA certificate.
    pub ca_cert: PathBuf,
    /// Path of the CA key, if this machine has it.
    pub ca_key: Option<PathBuf>,
    /// Source of the passphrase of an encrypted CA key.
    pub ca_key_passphrase: SecretSource,
    /// The command that signs certificates in place of the CA key.
    pub signer: Option<SignerCommand>,
    /// Path of the CA bundle that clients accept, if it is not the CA certificate alone.
    pub trust: Option<PathBuf>,
    /// True if kcm may create a CA if none exists and nothing is deployed.
    pub create_ca: bool,
    /// Path of the cfssl CSR file.
    pub csr: Option<PathBuf>,
    /// Path of the cfssl signing config, and the name of its profile.
    pub signing: Option<(PathBuf, ProfileName)>,
    /// Algorithm of new keys, if set in the file.
    pub key_algorithm: Option<KeyAlgorithm>,
    /// Lifetime of new certificates, if set in the file.
    pub lifetime: Option<Duration>,
    /// Remaining lifetime at which a certificate is replaced, if set in the file.
    pub renew_before: Option<Duration>,
    /// True if kcm issues the serving certificate.
    pub serving_certificate: bool,
    /// The separate key that signs service account tokens; `None` if the CA key signs them.
    pub service_account_key: Option<ServiceAccountKey>,
    /// Folder of the client certificate and key.
    pub directory: PathBuf,
}

/// A separate key that signs service account tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccountKey {
    /// Path of the key on the operator's machine.
    pub file: PathBuf,
    /// Algorithm of a new key.
    pub algorithm: KeyAlgorithm,
}

impl ServiceAccountKey {
    /// Returns the path of the public keys with which API servers verify tokens: `file` with the
    /// extension `pub`.
    #[must_use]
    pub fn public_file(&self) -> PathBuf {
        self.file.with_extension("pub")
    }

    /// Returns the path of the key that a rotation introduces next.
    #[must_use]
    pub fn next_file(&self) -> PathBuf {
        with_suffix(&self.file, ".next")
    }
}

/// Paths on the masters, and the files that kcm uploads beside identity, kubeconfig and unit.
#[derive(Clone, Debug)]
pub struct Install {
    /// Default folder on the masters of all files except the unit.
    pub root: RemotePath,
    /// Path of the kube-controller-manager program on the operator's machine; `None` if the masters
    /// already have it.
    pub binary: Option<PathBuf>,
    /// True if kcm uploads the CA certificate and key to the masters.
    pub distribute_ca: bool,
    /// Owner of the files, if set in the file.
    pub owner: Option<Ownership>,
    /// Paths of single files outside the root.
    pub paths: Paths,
    /// Comparison of unit and kubeconfig with the desired files.
    pub compare: Comparison,
}

/// Paths of single files on the masters outside [`Install::root`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paths {
    /// Path of the unit, whose file name is the unit name.
    pub unit: Option<RemotePath>,
    /// Path of the kube-controller-manager program.
    pub binary: Option<RemotePath>,
    /// Path of the kubeconfig.
    pub kubeconfig: Option<RemotePath>,
    /// Path of the CA certificate.
    pub ca_cert: Option<RemotePath>,
    /// Path of the CA key.
    pub ca_key: Option<RemotePath>,
    /// Path of the CA bundle that clients accept.
    pub trust: Option<RemotePath>,
    /// Path of the client certificate.
    pub cert: Option<RemotePath>,
    /// Path of the client key.
    pub key: Option<RemotePath>,
}

/// A host that runs kube-controller-manager.
#[derive(Clone, Debug)]
pub struct Master {
    /// Name of the master.
    pub name: MasterName,
    /// Address of the master for SSH.
    pub address: HostAddress,
    /// URL of the API server that the master uses.
    pub server: ServerUrl,
    /// Address that kube-controller-manager binds.
    pub bind_address: IpAddr,
    /// Changes to the flags: those of all masters, then those of this master.
    pub flags: Vec<(FlagName, FlagChange)>,
    /// SSH access to the master.
    pub ssh: Ssh,
}

impl Cluster {
    /// Parses the text of a cluster file. `origin` names it in errors; relative paths start at its
    /// folder.
    ///
    /// # Errors
    /// The first problem, with its position and its fix.
    pub fn parse(text: &str, origin: &Path) -> Result<Self, ClusterFileError> {
        // A byte order mark is valid YAML, but the parser takes it for a document.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let file = read::read(text, origin)?;
        check::check(file, text, origin)
    }

    /// Reports whether a flag of kcm's names the CA key on the masters.
    pub(crate) fn uses_ca_key(&self) -> bool {
        self.csr_signing.uses_ca_key(&self.pki)
    }

    /// Excludes masters: all except those in `only`, if it is not empty, and those in `skip`.
    ///
    /// # Errors
    /// A message, if a name is unknown or no master is left.
    pub fn select(mut self, only: &[String], skip: &[String]) -> Result<Self, String> {
        self.check_names(only.iter().chain(skip))?;
        let is_in = |name: &str| {
            let named = |names: &[String]| names.iter().any(|it| it == name);
            (only.is_empty() || named(only)) && !named(skip)
        };
        let (masters, left_out): (Vec<_>, Vec<_>) =
            self.masters.into_iter().partition(|master| is_in(master.name.as_str()));
        if masters.is_empty() {
            return Err("no master is selected; exclude fewer masters with --skip".to_owned());
        }
        self.left_out.extend(left_out.into_iter().map(|master| master.name));
        self.masters = masters;
        Ok(self)
    }

    /// Checks that each name is that of a selected master.
    ///
    /// # Errors
    /// A message with the known names, if a name is unknown.
    pub(crate) fn check_names<'n>(
        &self,
        names: impl IntoIterator<Item = &'n String>,
    ) -> Result<(), String> {
        let unknown = names.into_iter().find(|name| self.master(name).is_none());
        let Some(name) = unknown else { return Ok(()) };
        let known = self.masters.iter().map(|master| master.name.as_str());
        let known = known.collect::<Vec<_>>().join(", ");
        Err(format!("unknown master `{name}`; use one of: {known}"))
    }

    /// Returns the URL of the API server that a master uses.
    #[must_use]
    pub fn server_of(&self, name: &str) -> &ServerUrl {
        self.master(name).map_or(&self.server, |master| &master.server)
    }

    /// Returns the master with this name.
    #[must_use]
    pub fn master(&self, name: &str) -> Option<&Master> {
        self.masters.iter().find(|master| master.name.as_str() == name)
    }
}
