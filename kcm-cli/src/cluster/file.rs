//! The cluster file as it is written: names, shapes and scalars. What they mean together is `check`'s.

use kcm_kubeconfig::ServerUrl;
use kcm_pki::{GoDuration, KeyAlgorithm};
use kcm_systemd::{AccountName, FlagName, KubernetesVersion};
use schemars::JsonSchema;
use serde::Deserialize;

use super::choice::{ApiVia, Comparison, CredentialsForm};
use super::directives::DirectiveMap;
use super::lint::{LintName, Reason};
use super::ranges::Ranges;
use super::scalar::{FlagMap, Scalar, Text};
use super::ssh::{ConnectTimeout, HostKeys, Sudo, VariableName};
use super::systemd::{HardeningName, Ownership};
use super::value::{
    ApiVersion, BindAddress, ClusterName, HostAddress, InstallRoot, MasterFile, MasterName,
    OperatorPath, ProfileName, SshUser,
};

/// kcm's cluster file: a highly available kube-controller-manager on your own masters.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "kcm cluster file")]
pub(super) struct ClusterFile {
    /// The form of this file.
    #[expect(dead_code, reason = "reading it is checking it")]
    pub(super) api_version: Text<ApiVersion>,
    /// The cluster.
    pub(super) cluster: ClusterSection,
    /// Certificates and keys, on the operator's machine.
    pub(super) pki: PkiSection,
    /// kube-controller-manager itself, on all masters.
    pub(super) controller_manager: Option<ControllerManagerSection>,
    /// The kubeconfig.
    pub(super) kubeconfig: Option<KubeconfigSection>,
    /// How systemd runs it, on all masters.
    pub(super) systemd: Option<SystemdSection>,
    /// Where things are on the masters, and what is brought there.
    pub(super) install: Option<InstallSection>,
    /// How the API server is asked who leads.
    pub(super) api: Option<ApiSection>,
    /// The hosts that run kube-controller-manager. Their order is the order of everything kcm does.
    pub(super) masters: Vec<MasterEntry>,
    /// How to reach the masters.
    pub(super) ssh: Option<SshSection>,
    /// Version of kube-controller-manager, as in v1.36.2; flags, controllers and feature gates are checked against it. Default: the
    /// version of the program on a master where it can be asked, else every known one.
    pub(super) kubernetes_version: Option<Text<KubernetesVersion>>,
    /// Findings of `kcm lint` that are accepted.
    pub(super) lint: Option<LintSection>,
}

/// Findings of `kcm lint` that are accepted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct LintSection {
    /// The accepted findings, by code.
    pub(super) allow: Option<Vec<AllowEntry>>,
}

/// A finding that is accepted, wherever it is found.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct AllowEntry {
    /// The code of the finding, as in cis-1.3.2.
    pub(super) code: Text<LintName>,
    /// The reason why it is accepted.
    pub(super) reason: Text<Reason>,
}

/// The cluster.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ClusterSection {
    /// URL of the API server, as the masters reach it: the load balancer. A master can have its own.
    pub(super) server: Text<ServerUrl>,
    /// Name of the cluster (`--cluster-name`, and in the kubeconfig). Default: kubernetes.
    pub(super) name: Option<Text<ClusterName>>,
    /// Range of Pod addresses (`--cluster-cidr`), or with dual stack a list of one IPv4 and one IPv6 range.
    pub(super) cluster_cidr: Ranges,
    /// Range of Service addresses (`--service-cluster-ip-range`), or with dual stack a list of one IPv4 and one IPv6 range.
    pub(super) service_cluster_ip_range: Ranges,
    /// Prefix length of each node's part of clusterCidr, where that is one range. Default: 24, or 64 for IPv6.
    pub(super) node_cidr_mask_size: Option<u8>,
    /// Prefix length of each node's part of the IPv4 range. Default with two ranges: 24.
    pub(super) node_cidr_mask_size_ipv4: Option<u8>,
    /// Prefix length of each node's part of the IPv6 range. Default with two ranges: 64.
    pub(super) node_cidr_mask_size_ipv6: Option<u8>,
}

/// Certificates and keys, on the operator's machine. Relative paths start at this file's folder.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct PkiSection {
    /// The CA certificate, PEM.
    pub(super) ca_cert: Text<OperatorPath>,
    /// The CA key, PEM. Read only to sign, or to distribute (install.distributeCa).
    pub(super) ca_key: Text<OperatorPath>,
    /// A bundle of CA certificates, PEM, that clients accept in place of caCert alone: in the kubeconfig, and on the masters in
    /// --root-ca-file. A CA that a master trusts is never dropped unasked. Default: caCert alone.
    pub(super) trust: Option<Text<OperatorPath>>,
    /// Makes a root CA if neither file exists and nothing is deployed yet: for first tries. Default: false.
    pub(super) create_ca: Option<bool>,
    /// A cfssl CSR file with the certificate's subject. Default: the tutorial's subject.
    pub(super) csr: Option<Text<OperatorPath>>,
    /// A cfssl signing config (ca-config.json) with the certificate's usages and lifetime.
    pub(super) signing_config: Option<Text<OperatorPath>>,
    /// The profile in signingConfig. Default: kubernetes.
    pub(super) profile: Option<Text<ProfileName>>,
    /// Algorithm and size of the new key. Default: what the CSR file says, else rsa-2048.
    pub(super) key_algorithm: Option<Text<KeyAlgorithm>>,
    /// Lifetime of the certificate. Default: what the profile says, else 87600h.
    pub(super) lifetime: Option<Text<GoDuration>>,
    /// How long before its end a certificate is replaced. Default: 720h, at most a third of the lifetime.
    pub(super) renew_before: Option<Text<GoDuration>>,
    /// Issues the certificate that kube-controller-manager serves with, too: from the CA, with the address and name of
    /// each master, so that Prometheus can verify it and it is renewed without a restart. Default: false, it makes its
    /// own when it starts.
    pub(super) serving_certificate: Option<bool>,
    /// Folder of kube-controller-manager's certificate and key. Default: pki/kube-controller-manager/cert.
    pub(super) directory: Option<Text<OperatorPath>>,
}

/// kube-controller-manager itself, on all masters.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ControllerManagerSection {
    /// Address it serves /healthz and metrics on: host (the master's address), loopback, any, or an IP
    /// address. Default: host.
    pub(super) bind_address: Option<Text<BindAddress>>,
    /// Flags added, changed or (with null) removed.
    pub(super) flags: Option<FlagMap>,
}

/// The kubeconfig.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct KubeconfigSection {
    /// Where certificate and key are: embedded (in the kubeconfig, the tutorial's, with their files beside it; a renewal restarts
    /// the service), embedded-only (the same without those files), or files (in a file that it names and the service reads again within 5 minutes; a renewal
    /// restarts nothing). Default: embedded.
    pub(super) credentials: Option<Text<CredentialsForm>>,
}

/// How systemd runs kube-controller-manager, on all masters.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct SystemdSection {
    /// The user that the service runs as. It must exist on the masters. Default: root.
    pub(super) user: Option<Text<AccountName>>,
    /// The group that it runs as. Default: the user's own.
    pub(super) group: Option<Text<AccountName>>,
    /// What is closed to the service: none, or strict (all that it can do without; directives can change
    /// it). Default: none.
    pub(super) hardening: Option<Text<HardeningName>>,
    /// Further directives of the unit, by section, as they would stand there. They come after kcm's own: the
    /// last one counts, or adds to a list that "" empties.
    pub(super) directives: Option<DirectiveMap>,
}

/// Where things are on the masters, and what is brought there.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct InstallSection {
    /// Folder with bin/, kubeconfig/ and pki/. Default: /opt/kubernetes.
    pub(super) root: Option<Text<InstallRoot>>,
    /// kube-controller-manager on this machine, put into bin/ on every master. Default: it is expected there.
    pub(super) binary: Option<Text<OperatorPath>>,
    /// Brings the CA certificate and key to pki/ca/cert/ on every master; others that are there are never
    /// replaced. Default: false, they are expected there.
    pub(super) distribute_ca: Option<bool>,
    /// Owner of the files that kcm places, USER or USER:GROUP. Default: the service's user, else root with
    /// sudo, else the SSH user.
    pub(super) owner: Option<Text<Ownership>>,
    /// Single files that are elsewhere than below root.
    pub(super) paths: Option<PathsSection>,
    /// How unit and kubeconfig on a master are compared with what kcm would write: bytes, or meaning (what systemd and a client
    /// make of them: what comes to the same stays as it is). Default: bytes.
    pub(super) compare: Option<Text<Comparison>>,
}

/// Single files on the masters that are elsewhere than below install.root.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct PathsSection {
    /// The unit; its name is the file's. Default: /etc/systemd/system/kube-controller-manager.service.
    pub(super) unit: Option<Text<MasterFile>>,
    /// kube-controller-manager itself. Default: bin/kube-controller-manager.
    pub(super) binary: Option<Text<MasterFile>>,
    /// The kubeconfig. Default: kubeconfig/kube-controller-manager.kubeconfig.
    pub(super) kubeconfig: Option<Text<MasterFile>>,
    /// The CA certificate. Default: pki/ca/cert/ca.pem.
    pub(super) ca_cert: Option<Text<MasterFile>>,
    /// The CA key. Default: pki/ca/cert/ca-key.pem.
    pub(super) ca_key: Option<Text<MasterFile>>,
    /// The bundle of pki.trust. Default: pki/ca/cert/ca-bundle.pem.
    pub(super) trust: Option<Text<MasterFile>>,
    /// The identity's certificate; kcm's further files with certificates are beside it. Default:
    /// pki/kube-controller-manager/cert/kube-controller-manager.pem.
    pub(super) cert: Option<Text<MasterFile>>,
    /// The identity's key. Default: pki/kube-controller-manager/cert/kube-controller-manager-key.pem.
    pub(super) key: Option<Text<MasterFile>>,
}

/// How the API server is asked who leads.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ApiSection {
    /// From where: master (through each master's SSH connection) or direct (from this machine). Default: master.
    pub(super) via: Option<Text<ApiVia>>,
}

/// A host that runs kube-controller-manager.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct MasterEntry {
    /// Its name in messages and reports; under --root its folder.
    pub(super) name: Text<MasterName>,
    /// Its IP address or host name, for SSH, and with bindAddress `host` what the process binds.
    pub(super) address: Text<HostAddress>,
    /// Overrides cluster.server here, such as the API server on the same host.
    pub(super) server: Option<Text<ServerUrl>>,
    /// Overrides controllerManager.bindAddress here.
    pub(super) bind_address: Option<Text<BindAddress>>,
    /// Flags added, changed or removed here, after controllerManager.flags.
    pub(super) flags: Option<FlagMap>,
    /// Overrides the ssh section here.
    pub(super) ssh: Option<SshSection>,
}

/// How to reach the masters. What is absent is what `ssh` itself would do.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct SshSection {
    /// Login name.
    pub(super) user: Option<Text<SshUser>>,
    /// TCP port.
    pub(super) port: Option<u16>,
    /// Private key file.
    pub(super) identity_file: Option<Text<OperatorPath>>,
    /// An ssh configuration file used in place of ~/.ssh/config.
    pub(super) config_file: Option<Text<OperatorPath>>,
    /// Hosts to jump through, first to last.
    pub(super) jump: Option<Vec<JumpEntry>>,
    /// How root's part is done: passwordless (`sudo -n`, unless the login is root's), password, or none
    /// (nothing is run as another user). Default: passwordless.
    pub(super) sudo: Option<Text<Sudo>>,
    /// Where the password for sudo is read. Default: asked for once on the terminal.
    pub(super) sudo_password: Option<SudoPasswordSection>,
    /// What becomes of host keys that are not known: strict (refused) or accept-new (accepted at first
    /// contact). Default: strict.
    pub(super) host_keys: Option<Text<HostKeys>>,
    /// How long connecting may take, in whole seconds from 1s to 300s. Default: 10s.
    pub(super) connect_timeout: Option<Text<ConnectTimeout>>,
}

/// Where the password for sudo is read: one of the two.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct SudoPasswordSection {
    /// A file that holds it.
    pub(super) file: Option<Text<OperatorPath>>,
    /// The name of an environment variable that holds it.
    pub(super) env: Option<Text<VariableName>>,
}

/// A host to jump through.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct JumpEntry {
    /// Its IP address or host name.
    pub(super) host: Text<HostAddress>,
    /// Login name there.
    pub(super) user: Option<Text<SshUser>>,
    /// TCP port there.
    pub(super) port: Option<u16>,
    /// Private key file for it.
    pub(super) identity_file: Option<Text<OperatorPath>>,
}

/// The JSON schema of the cluster file (draft 2020-12), for editors.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(ClusterFile).to_value()
}

impl Scalar for ServerUrl {
    const EXPECTED: &'static str = "an https URL";
    const EXAMPLE: &'static str = "https://192.168.1.210:6443";
}

impl Scalar for KubernetesVersion {
    const EXPECTED: &'static str = "a version of Kubernetes";
    const EXAMPLE: &'static str = "v1.36.2";
}

impl Scalar for GoDuration {
    const EXPECTED: &'static str = "a duration in hours, minutes or seconds";
    const EXAMPLE: &'static str = "8760h";
}

impl Scalar for KeyAlgorithm {
    const EXPECTED: &'static str = "a key algorithm";
    const EXAMPLE: &'static str = "ecdsa-p256";
}

impl Scalar for AccountName {
    const EXPECTED: &'static str = "the name of an account on the masters";
    const EXAMPLE: &'static str = "kube-controller-manager";
}

impl Scalar for FlagName {
    const EXPECTED: &'static str = "a flag's name without dashes in front";
    const EXAMPLE: &'static str = "node-cidr-mask-size";
}
