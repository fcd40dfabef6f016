//! Reads certificates from files and services, on this machine and on masters.

use std::path::Path;

use kcm_pki::Certificate;

use super::{CertificateUse, Found, UnseenCertificate};
use crate::artifact::view::{client_certificate, embedded};
use crate::cluster::Cluster;
use crate::cluster::layout::Layout;
use crate::observed::accounts::Accounts;
use crate::observed::{Beside, Inspects, ObservedFile, ObservedMaster, Seen, look_beside};
use crate::pki;
use crate::rollout::{answers_at, health_question};
use crate::transport::{HttpsAnswer, Inspected, Observation, PathState, StreamAddress, Transport};
use crate::util::files::read_small;
use crate::util::words::in_full;

pub(crate) type SeenCertificate = Result<Found, UnseenCertificate>;

/// The holder of certificates: a master, or this machine if `None`.
struct Keeper<'a>(Option<&'a str>);

impl Keeper<'_> {
    fn unseen(&self, role: CertificateUse, reason: impl Into<String>) -> UnseenCertificate {
        let (master, reason) = (self.0.map(str::to_owned), reason.into());
        UnseenCertificate { master, role: Some(role), reason }
    }

    fn found(&self, role: CertificateUse, place: String, certificate: Certificate) -> Found {
        Found { master: self.0.map(str::to_owned), role, place, certificate }
    }

    fn shown(
        &self,
        address: &StreamAddress,
        shown: Result<Certificate, String>,
    ) -> SeenCertificate {
        let role = CertificateUse::Served;
        shown
            .map(|certificate| self.found(role, address.to_string(), certificate))
            .map_err(|reason| self.unseen(role, reason))
    }

    fn pem(&self, role: CertificateUse, place: String, pem: &[u8]) -> SeenCertificate {
        let read = match role {
            CertificateUse::Ca => Certificate::from_pem(pem),
            // Intermediate certificates may follow the leaf.
            _ => Certificate::first_from_pem(pem),
        };
        match read {
            Ok(certificate) => Ok(self.found(role, place, certificate)),
            Err(error) => Err(self.unseen(role, format!("{place}: {}", in_full(&error)))),
        }
    }
}

/// Reads the CA certificate and the certificates of the pairs on this machine. Skips missing files.
pub(super) fn at_operator(cluster: &Cluster) -> Vec<SeenCertificate> {
    let keeper = Keeper(None);
    let ca = read(&cluster.pki.ca_cert).map(|pem| {
        let place = cluster.pki.ca_cert.display().to_string();
        let pem = pem.map_err(|why| keeper.unseen(CertificateUse::Ca, why))?;
        keeper.pem(CertificateUse::Ca, place, &pem)
    });
    let client = match pki::pair(cluster) {
        Ok(None) => None,
        Ok(Some(pair)) => {
            let place = cluster.pki.directory.display().to_string();
            Some(keeper.pem(CertificateUse::Client, place, pair.certificate.as_bytes()))
        }
        Err(error) => Some(Err(keeper.unseen(CertificateUse::Client, error.to_string()))),
    };
    let serving = match pki::serving_pair(cluster) {
        Ok(None) => None,
        Ok(Some(pair)) => {
            let place = cluster.pki.directory.display().to_string();
            Some(keeper.pem(CertificateUse::Serving, place, pair.certificate.as_bytes()))
        }
        Err(error) => Some(Err(keeper.unseen(CertificateUse::Serving, error.to_string()))),
    };
    ca.into_iter().chain(client).chain(serving).collect()
}

fn read(path: &Path) -> Option<Result<Vec<u8>, String>> {
    match read_small(path) {
        Ok(bytes) => Some(Ok(bytes.to_vec())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => Some(Err(format!("{}: {error}", path.display()))),
    }
}

/// Reads all certificates of one master in one exchange. If the service runs, also queries its
/// serving certificate.
pub(super) async fn at_master(
    name: &str,
    transport: &dyn Transport,
    layout: &Layout,
) -> Vec<SeenCertificate> {
    let inspects = Some(Inspects { version: false });
    let beside = Beside { inspects, only_once: true, ..Beside::default() };
    let look = look_beside(name, transport, layout, &Accounts::default(), &beside).await;
    let Seen { master: observed, inspected, .. } = match look {
        Ok(seen) => seen,
        Err(error) => {
            let reason = error.without_name();
            let master = Some(name.to_owned());
            return vec![Err(UnseenCertificate { master, role: None, reason })];
        }
    };
    let keeper = Keeper(Some(name));
    let mut seen = files(&keeper, layout, &observed);
    if let Some(inspected) = inspected {
        seen.extend(shown(&keeper, transport, &inspected).await);
    }
    seen
}

fn files(keeper: &Keeper<'_>, layout: &Layout, observed: &ObservedMaster) -> Vec<SeenCertificate> {
    let files = &observed.files;
    let in_file = |role, path: &str, file: &ObservedFile| match (&file.text, &file.state) {
        (_, PathState::Absent) => Err(keeper.unseen(role, format!("{path} is missing"))),
        (Some(text), _) => keeper.pem(role, path.to_owned(), text.as_bytes()),
        (None, _) => Err(keeper.unseen(role, format!("{path} cannot be read"))),
    };
    let kubeconfig = layout.kubeconfig.as_str();
    let public = files.kubeconfig.text.as_deref();
    let unseen = |reason: String| Err(keeper.unseen(CertificateUse::Kubeconfig, reason));
    let in_kubeconfig = match (public.and_then(embedded), public.and_then(client_certificate)) {
        (Some(pem), _) => keeper.pem(CertificateUse::Kubeconfig, kubeconfig.to_owned(), &pem),
        (None, Some(path)) if layout.is_combined(&path) => {
            in_file(CertificateUse::Kubeconfig, layout.combined.as_str(), &files.combined)
        }
        (None, Some(path)) => unseen(format!(
            "{kubeconfig} names the client certificate {path}, which kcm does not read; run `openssl x509 -noout -enddate -in` with this path on the master"
        )),
        (None, None) => unseen(match files.kubeconfig.state {
            PathState::Absent => format!("{kubeconfig} is missing"),
            _ => {
                format!(
                    "{kubeconfig}: no client certificate found (client-certificate-data or client-certificate)"
                )
            }
        }),
    };
    let (path, ca) = (&layout.ca_certificate, &files.ca_certificate);
    let (state, text) = observed.followed(path, &ca.state, ca.text.as_deref());
    let ca = ObservedFile { state: state.clone(), text: text.map(str::to_owned) };
    let mut seen = vec![in_file(CertificateUse::Ca, path.as_str(), &ca)];
    // If only the kubeconfig holds the pair, no separate file can expire.
    let is_in_kubeconfig_alone = public.and_then(embedded).is_some()
        && [&files.certificate, &files.key].iter().all(|file| file.state == PathState::Absent);
    if !is_in_kubeconfig_alone {
        seen.push(in_file(CertificateUse::Client, layout.certificate.as_str(), &files.certificate));
    }
    seen.push(in_kubeconfig);
    if files.serving.state != PathState::Absent {
        let (path, role) = (layout.serving.as_str(), CertificateUse::Serving);
        seen.push(in_file(role, path, &files.serving));
    }
    seen
}

/// Queries the certificate that the service presents. Returns `None` without a process or a
/// listening address.
async fn shown(
    keeper: &Keeper<'_>,
    transport: &dyn Transport,
    inspected: &Inspected,
) -> Option<SeenCertificate> {
    let unseen = |reason: String| Some(Err(keeper.unseen(CertificateUse::Served, reason)));
    let address = match &inspected.process.as_ref()?.listening {
        Observation::Known(listening) => answers_at(listening)?,
        Observation::Unknown(reason) => return unseen(reason.clone()),
    };
    let shown = match transport.insecure_https(&health_question(address.clone())).await {
        Ok(HttpsAnswer { certificate: None, .. }) => {
            Err(format!("{address} presents no certificate"))
        }
        Ok(HttpsAnswer { certificate: Some(der), .. }) => {
            Certificate::from_der(&der).map_err(|error| format!("{address}: {}", in_full(&error)))
        }
        Err(error) => Err(error.to_string()),
    };
    Some(keeper.shown(&address, shown))
}

/// Returns the certificates in a master's files.
pub(crate) fn in_files(
    master: &str,
    layout: &Layout,
    observed: &ObservedMaster,
) -> Vec<SeenCertificate> {
    files(&Keeper(Some(master)), layout, observed)
}

/// Returns the certificate that a master's service presents at `address`.
pub(crate) fn served(
    master: &str,
    address: &StreamAddress,
    shown: Result<Certificate, String>,
) -> SeenCertificate {
    Keeper(Some(master)).shown(address, shown)
}
