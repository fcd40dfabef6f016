//! Paths of the tutorial, defined a second time.

pub(in super::super) const CERTIFICATE: &str =
    "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager.pem";
pub(in super::super) const KEY: &str =
    "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager-key.pem";
pub(in super::super) const KUBECONFIG: &str =
    "/opt/kubernetes/kubeconfig/kube-controller-manager.kubeconfig";
pub(in super::super) const COMBINED: &str =
    "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager-current.pem";
pub(in super::super) const UNIT: &str = "/etc/systemd/system/kube-controller-manager.service";
pub(in super::super) const CA: &str = "/opt/kubernetes/pki/ca/cert/ca.pem";
pub(in super::super) const CA_KEY: &str = "/opt/kubernetes/pki/ca/cert/ca-key.pem";
pub(in super::super) const BUNDLE: &str = "/opt/kubernetes/pki/ca/cert/ca-bundle.pem";
pub(in super::super) const TOKEN_KEY: &str = "/opt/kubernetes/pki/service-account/sa.key";
pub(in super::super) const TOKEN_PUBLIC: &str = "/opt/kubernetes/pki/service-account/sa.pub";
pub(in super::super) const BINARY: &str = "/opt/kubernetes/bin/kube-controller-manager";
pub(in super::super) const PENDING: &str = "/opt/kubernetes/.kcm/pending.json";
pub(in super::super) const PREVIOUS: &str = "/opt/kubernetes/.kcm/previous.json";
pub(in super::super) const CONNECTIONS: &str = "/opt/kubernetes/.kcm/connections.json";

/// The files that kcm manages.
pub(in super::super) const MANAGED: [&str; 11] = [
    CERTIFICATE,
    KEY,
    COMBINED,
    KUBECONFIG,
    UNIT,
    CA,
    CA_KEY,
    BUNDLE,
    TOKEN_KEY,
    TOKEN_PUBLIC,
    BINARY,
];

/// Files of the identity, which differ after each renewal.
pub(in super::super) const IDENTITY: [&str; 4] = [CERTIFICATE, KEY, COMBINED, KUBECONFIG];

/// Folders of staged files (`STAGE`) and of earlier generations (`KEPT`).
const STAGE: &str = ".kcm-stage";
const KEPT: [&str; 2] = [".kcm.a", ".kcm.b"];

/// The purpose of a file: in place, staged, or kept for a rollback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Stands {
    InPlace,
    Staged,
    Kept,
}

/// Returns the path of a file once it is in place, and its purpose.
pub(in super::super) fn stands(path: &str) -> (String, Stands) {
    let Some((folder, name)) = path.rsplit_once('/') else { panic!("{path}") };
    let Some((above, last)) = folder.rsplit_once('/') else {
        return (path.to_owned(), Stands::InPlace);
    };
    let target = || format!("{above}/{name}");
    match last {
        STAGE => (target(), Stands::Staged),
        _ if KEPT.contains(&last) => (target(), Stands::Kept),
        _ => (path.to_owned(), Stands::InPlace),
    }
}

/// Returns the path at which a file is staged.
pub(in super::super) fn staged(target: &str) -> String {
    let (folder, name) = target.rsplit_once('/').unwrap();
    format!("{folder}/{STAGE}/{name}")
}

/// Returns the path at which a file of an earlier generation is kept.
pub(in super::super) fn kept(target: &str, slot: &str) -> String {
    let (folder, name) = target.rsplit_once('/').unwrap();
    format!("{folder}/.kcm.{slot}/{name}")
}

/// True if only its owner may access a folder of this path.
pub(in super::super) fn is_private_folder(path: &str) -> bool {
    path.rsplit_once('/').is_some_and(|(_, name)| name == STAGE || KEPT.contains(&name))
}
