//! The cluster file as serde types: names, shapes and scalars. `check` validates their combination.

use kcm_kubeconfig::ServerUrl;
use kcm_pki::{GoDuration, KeyAlgorithm};
use kcm_systemd::{AccountName, FlagName, KubernetesVersion};
use schemars::JsonSchema;
use serde::Deserialize;

use super::choice::{ApiVia, Comparison, CredentialsForm};
use super::directives::DirectiveMap;
use super::lint::{LintName, Reason};
use super::ranges::Ranges;
use super::scalar::{FlagMap, Text, scalar};
use super::signer::{CommandWord, SignerTimeout};
use super::signing::CsrSigning;
use super::ssh::{ConnectTimeout, HostKeys, Sudo, VariableName};
use super::systemd::{HardeningName, Ownership};
use super::value::{
    ApiVersion, BindAddress, ClusterName, HostAddress, InstallRoot, MasterFile, MasterName,
    OperatorPath, ProfileName, SshUser,
};

/// The cluster file of kcm: a highly available kube-controller-manager on your own masters.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "kcm cluster file")]
pub(super) struct ClusterFile {
    /// Version of the file format.
    #[expect(dead_code, reason = "reading it is checking it")]
    pub(super) api_version: Text<ApiVersion>,
    /// The Kubernetes cluster.
    pub(super) cluster: ClusterSection,
    /// Certificates and keys, on the operator's machine.
    pub(super) pki: PkiSection,
    /// Settings of kube-controller-manager on all masters.
    pub(super) controller_manager: Option<ControllerManagerSection>,
    /// The kubeconfig.
    pub(super) kubeconfig: Option<KubeconfigSection>,
    /// Settings of the systemd service on all masters.
    pub(super) systemd: Option<SystemdSection>,
    /// Paths on the masters, and the files that kcm uploads there.
    pub(super) install: Option<InstallSection>,
    /// Access to the API server, to determine the leader.
    pub(super) api: Option<ApiSection>,
    /// The hosts that run kube-controller-manager. kcm always works in this order.
    pub(super) masters: Vec<MasterEntry>,
    /// SSH access to the masters.
    pub(super) ssh: Option<SshSection>,
    /// Version of kube-controller-manager, such as v1.36.2, to check flags, controllers and feature
    /// gates against. Default: the version of the program on a master, or every known version if no
    /// master can be queried.
    pub(super) kubernetes_version: Option<Text<KubernetesVersion>>,
    /// Accepted findings of `kcm lint`.
    pub(super) lint: Option<LintSection>,
}

/// Accepted findings of `kcm lint`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct LintSection {
    /// The accepted findings, by code.
    pub(super) allow: Option<Vec<AllowEntry>>,
}

/// A finding that is accepted at every place where it occurs.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct AllowEntry {
    /// Code of the finding, such as cis-1.3.2.
    pub(super) code: Text<LintName>,
    /// Reason for the acceptance.
    pub(super) reason: Text<Reason>,
}

/// The Kubernetes cluster.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ClusterSection {
    /// URL of the API server as the masters reach it, usually of a load balancer. A master can
    /// override it.
    pub(super) server: Text<ServerUrl>,
    /// Name of the cluster, for `--cluster-name` and the kubeconfig. Default: kubernetes.
    pub(super) name: Option<Text<ClusterName>>,
    /// Address range of Pods (`--cluster-cidr`), or for dual stack a list of one IPv4 and one IPv6
    /// range.
    pub(super) cluster_cidr: Ranges,
    /// Address range of Services (`--service-cluster-ip-range`), or for dual stack a list of one
    /// IPv4 and one IPv6 range.
    #[schemars(extend("examples" = ["10.68.0.0/16", ["10.68.0.0/16", "fd00:68::/112"]]))]
    pub(super) service_cluster_ip_range: Ranges,
    /// Prefix length of each node's Pod range, if clusterCidr is one range. Default: 24, or 64 for
    /// IPv6.
    pub(super) node_cidr_mask_size: Option<u8>,
    /// Prefix length of each node's IPv4 Pod range. Default with two ranges: 24.
    pub(super) node_cidr_mask_size_ipv4: Option<u8>,
    /// Prefix length of each node's IPv6 Pod range. Default with two ranges: 64.
    pub(super) node_cidr_mask_size_ipv6: Option<u8>,
}

/// Certificates and keys on the operator's machine. Relative paths start at the folder of this
/// file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct PkiSection {
    /// Path of the CA certificate (PEM).
    pub(super) ca_cert: Text<OperatorPath>,
    /// Path of the CA key (PEM). kcm reads it only to sign, or to distribute it
    /// (install.distributeCa). Without caKey and signer, certificates are signed by hand, with
    /// `kcm certs request` and `kcm certs import`.
    #[schemars(extend("examples" = ["pki/ca/cert/ca-key.pem"]))]
    pub(super) ca_key: Option<Text<OperatorPath>>,
    /// Source of the passphrase of an encrypted caKey. Default: one prompt on the terminal.
    pub(super) ca_key_passphrase: Option<SecretSection>,
    /// Command that signs certificate requests in place of caKey, such as a client of Vault or
    /// step-ca.
    pub(super) signer: Option<SignerSection>,
    /// Path of a bundle of CA certificates (PEM) that clients accept instead of caCert alone: in
    /// the kubeconfig, and on the masters in --root-ca-file. A CA that a master trusts is dropped
    /// only if the operator requests it. Default: caCert alone.
    #[schemars(extend("examples" = ["pki/ca/cert/ca-bundle.pem"]))]
    pub(super) trust: Option<Text<OperatorPath>>,
    /// Create a root CA if neither file exists and nothing is deployed yet; for trials. Default:
    /// false.
    pub(super) create_ca: Option<bool>,
    /// Path of a cfssl CSR file with the subject of the certificate. Default: the subject of the
    /// tutorial.
    #[schemars(extend("examples" = ["pki/kube-controller-manager/csr.json"]))]
    pub(super) csr: Option<Text<OperatorPath>>,
    /// Path of a cfssl signing config (ca-config.json) with usages and lifetime of the certificate.
    #[schemars(extend("examples" = ["pki/ca/ca-config.json"]))]
    pub(super) signing_config: Option<Text<OperatorPath>>,
    /// Name of the profile in signingConfig. Default: kubernetes.
    pub(super) profile: Option<Text<ProfileName>>,
    /// Algorithm and size of a new key. Default: those of the CSR file, or rsa-2048.
    pub(super) key_algorithm: Option<Text<KeyAlgorithm>>,
    /// Lifetime of the certificate. Default: that of the profile, or 87600h.
    pub(super) lifetime: Option<Text<GoDuration>>,
    /// Remaining lifetime at which a certificate is replaced. Default: 720h, but at most a third of
    /// the lifetime.
    #[schemars(extend("examples" = ["720h"]))]
    pub(super) renew_before: Option<Text<GoDuration>>,
    /// Issue the serving certificate of kube-controller-manager from the CA, with address and name
    /// of each master. Prometheus can then verify it, and a renewal needs no restart. Default:
    /// false, kube-controller-manager generates a self-signed one at its start.
    pub(super) serving_certificate: Option<bool>,
    /// Separate key that signs service account tokens. kcm creates it once and uploads it, with
    /// the public keys for --service-account-key-file of the API servers beside it. Default: the CA
    /// key signs tokens, as in the tutorial.
    pub(super) service_account_key: Option<ServiceAccountKeySection>,
    /// Folder of the client certificate and key of kube-controller-manager. Default:
    /// pki/kube-controller-manager/cert.
    #[schemars(extend("examples" = ["pki/kube-controller-manager/cert"]))]
    pub(super) directory: Option<Text<OperatorPath>>,
}

/// A separate key that signs service account tokens.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ServiceAccountKeySection {
    /// Path of the key (PEM) on this machine. The public keys are in the file of the same name that
    /// ends in .pub.
    #[schemars(extend("examples" = ["pki/service-account/sa.key"]))]
    pub(super) file: Text<OperatorPath>,
    /// Algorithm and size of a new key. Default: rsa-2048.
    pub(super) algorithm: Option<Text<KeyAlgorithm>>,
}

/// A command that signs certificate requests: it reads a request (PKCS #10, PEM) on standard input,
/// and writes the certificate, followed by its intermediates (PEM), to standard output.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct SignerSection {
    /// Program and arguments, without a shell. The command runs in the folder of this file.
    pub(super) command: Vec<Text<CommandWord>>,
    /// Time in which the command must end, from 1s to 1h. Default: 1m.
    pub(super) timeout: Option<Text<SignerTimeout>>,
}

/// Settings of kube-controller-manager on all masters.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ControllerManagerSection {
    /// Address for /healthz and metrics: host (the master's address), loopback, any, or an IP
    /// address. Default: host.
    pub(super) bind_address: Option<Text<BindAddress>>,
    /// Keys that sign the certificates of kubelets and other clients: ca (the CA of the cluster, for
    /// all signers), none, or certificate and key on the masters for each signer. Default: ca.
    #[schemars(extend("examples" = ["none", {"kubelet-serving": {"cert": "/etc/kubernetes/signing/kubelet.pem", "key": "/etc/kubernetes/signing/kubelet-key.pem"}}]))]
    pub(super) csr_signing: Option<CsrSigning>,
    /// Flags to add, change or (with null) remove.
    pub(super) flags: Option<FlagMap>,
}

/// The kubeconfig.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct KubeconfigSection {
    /// Storage of certificate and key: embedded, embedded-only or files. With embedded they are in
    /// the kubeconfig as in the tutorial, and in separate files; a renewal restarts the service.
    /// With embedded-only, separate files do not exist. With files they are in one file that the
    /// kubeconfig names. The service reads it again within 5 minutes, and a renewal restarts
    /// nothing. Default: embedded.
    pub(super) credentials: Option<Text<CredentialsForm>>,
}

/// Settings of the systemd service on all masters.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct SystemdSection {
    /// User that the service runs as. The account must exist on the masters. Default: root.
    pub(super) user: Option<Text<AccountName>>,
    /// Group that the service runs as. Default: the primary group of the user.
    pub(super) group: Option<Text<AccountName>>,
    /// Sandboxing of the service: none, or strict (removes all access that the service does not
    /// need; directives can override it). Default: none.
    pub(super) hardening: Option<Text<HardeningName>>,
    /// Additional directives of the unit, by section, in systemd syntax. They follow kcm's
    /// directives: the last value applies, or is added to a list; the value "" empties a list.
    pub(super) directives: Option<DirectiveMap>,
}

/// Paths on the masters, and the files that kcm uploads there.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct InstallSection {
    /// Folder of bin/, kubeconfig/ and pki/. Default: /opt/kubernetes.
    pub(super) root: Option<Text<InstallRoot>>,
    /// Path of the kube-controller-manager program on this machine, for upload to every master.
    /// Default: the program must already exist on the masters.
    #[schemars(extend("examples" = ["kube-controller-manager"]))]
    pub(super) binary: Option<Text<OperatorPath>>,
    /// Upload the CA certificate to pki/ca/cert/ on every master, and the CA key if a flag names it; a
    /// different CA is never replaced. Default: false, both must already exist on the masters.
    pub(super) distribute_ca: Option<bool>,
    /// Owner of the files that kcm writes, as USER or USER:GROUP. Default: the user of the service,
    /// or root with sudo, or the SSH user.
    pub(super) owner: Option<Text<Ownership>>,
    /// Paths of single files outside root.
    pub(super) paths: Option<PathsSection>,
    /// Comparison of unit and kubeconfig on a master with the desired files: bytes or semantic. With
    /// semantic, a file stays unchanged if systemd or a client treats it as equal. Default: bytes.
    pub(super) compare: Option<Text<Comparison>>,
}

/// Paths of single files on the masters outside install.root.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct PathsSection {
    /// Path of the unit, whose file name is the unit name. Default:
    /// /etc/systemd/system/kube-controller-manager.service.
    pub(super) unit: Option<Text<MasterFile>>,
    /// Path of the kube-controller-manager program. Default: bin/kube-controller-manager.
    pub(super) binary: Option<Text<MasterFile>>,
    /// Path of the kubeconfig. Default: kubeconfig/kube-controller-manager.kubeconfig.
    pub(super) kubeconfig: Option<Text<MasterFile>>,
    /// Path of the CA certificate. Default: pki/ca/cert/ca.pem.
    pub(super) ca_cert: Option<Text<MasterFile>>,
    /// Path of the CA key. Default: pki/ca/cert/ca-key.pem.
    pub(super) ca_key: Option<Text<MasterFile>>,
    /// Path of the bundle of pki.trust. Default: pki/ca/cert/ca-bundle.pem.
    pub(super) trust: Option<Text<MasterFile>>,
    /// Path of the client certificate; kcm puts its other certificate files into the same folder.
    /// Default: pki/kube-controller-manager/cert/kube-controller-manager.pem.
    pub(super) cert: Option<Text<MasterFile>>,
    /// Path of the client key. Default:
    /// pki/kube-controller-manager/cert/kube-controller-manager-key.pem.
    pub(super) key: Option<Text<MasterFile>>,
}

/// Access to the API server, to determine the leader.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ApiSection {
    /// Route of the requests: master (through each master's SSH connection) or direct (from this
    /// machine). Default: master.
    pub(super) via: Option<Text<ApiVia>>,
}

/// A host that runs kube-controller-manager.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct MasterEntry {
    /// Name of the master in messages and reports; its folder under --root.
    pub(super) name: Text<MasterName>,
    /// IP address or host name for SSH; also the address that the process binds if bindAddress is
    /// `host`.
    pub(super) address: Text<HostAddress>,
    /// Override of cluster.server for this master, such as the API server on the same host.
    pub(super) server: Option<Text<ServerUrl>>,
    /// Override of controllerManager.bindAddress for this master.
    pub(super) bind_address: Option<Text<BindAddress>>,
    /// Flags to add, change or remove on this master, after controllerManager.flags.
    pub(super) flags: Option<FlagMap>,
    /// Override of the ssh section for this master.
    pub(super) ssh: Option<SshSection>,
}

/// SSH access to the masters. The default of each absent key is that of `ssh`, unless stated.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct SshSection {
    /// Login name.
    pub(super) user: Option<Text<SshUser>>,
    /// TCP port.
    pub(super) port: Option<u16>,
    /// Private key file.
    #[schemars(extend("examples" = ["/home/kube/.ssh/id_ed25519"]))]
    pub(super) identity_file: Option<Text<OperatorPath>>,
    /// Path of an ssh configuration file to use instead of ~/.ssh/config.
    #[schemars(extend("examples" = ["ssh_config"]))]
    pub(super) config_file: Option<Text<OperatorPath>>,
    /// Jump hosts, first to last.
    pub(super) jump: Option<Vec<JumpEntry>>,
    /// Use of sudo: passwordless (`sudo -n`, unless the login is root), password, or none (no
    /// command runs as another user). Default: passwordless.
    pub(super) sudo: Option<Text<Sudo>>,
    /// Source of the sudo password. Default: one prompt on the terminal.
    pub(super) sudo_password: Option<SecretSection>,
    /// Policy for unknown host keys: strict (refuse) or accept-new (accept at first contact).
    /// Default: strict.
    pub(super) host_keys: Option<Text<HostKeys>>,
    /// Timeout for a connection, in whole seconds from 1s to 300s. Default: 10s.
    pub(super) connect_timeout: Option<Text<ConnectTimeout>>,
}

/// Source of a password or passphrase: exactly one of file and env.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct SecretSection {
    /// Path of a file whose first line is the secret.
    #[schemars(extend("examples" = ["sudo-password"]))]
    pub(super) file: Option<Text<OperatorPath>>,
    /// Name of an environment variable that holds the secret.
    pub(super) env: Option<Text<VariableName>>,
}

/// A jump host.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct JumpEntry {
    /// IP address or host name of the jump host.
    pub(super) host: Text<HostAddress>,
    /// Login name on the jump host.
    pub(super) user: Option<Text<SshUser>>,
    /// TCP port of sshd on the jump host.
    pub(super) port: Option<u16>,
    /// Private key file for the jump host.
    #[schemars(extend("examples" = ["/home/kube/.ssh/id_ed25519"]))]
    pub(super) identity_file: Option<Text<OperatorPath>>,
}

/// The JSON schema of the cluster file (draft 2020-12), for editors.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(ClusterFile).to_value()
}

scalar!(ServerUrl, "an https URL", "https://192.168.1.210:6443");

scalar!(KubernetesVersion, "a Kubernetes version", "v1.36.2");

scalar!(GoDuration, "a duration in hours, minutes or seconds", "8760h");

scalar!(KeyAlgorithm, "a key algorithm", "ecdsa-p256");

scalar!(AccountName, "an account name on the masters", "kube-controller-manager");

scalar!(FlagName, "a flag name without leading dashes", "node-cidr-mask-size");
