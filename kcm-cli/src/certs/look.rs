//! Where certificates are looked for, and what is seen of each.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kcm_pki::Certificate;

use super::{CertificateUse, Found, UnseenCertificate};
use crate::accounts::Accounts;
use crate::cluster::Cluster;
use crate::layout::Layout;
use crate::observe::{ObservedFile, ObservedMaster, look_at};
use crate::operator;
use crate::rollout::listener;
use crate::transport::{Activity, PathState, Transport, served_certificate};
use crate::words::in_full;

type Seen = Result<Found, UnseenCertificate>;

/// Who keeps certificates: a master, or this machine.
struct Keeper<'a>(Option<&'a str>);

impl Keeper<'_> {
    fn unseen(&self, role: CertificateUse, reason: impl Into<String>) -> UnseenCertificate {
        let (master, reason) = (self.0.map(str::to_owned), reason.into());
        UnseenCertificate { master, role: Some(role), reason }
    }

    fn found(&self, role: CertificateUse, place: String, certificate: Certificate) -> Found {
        Found { master: self.0.map(str::to_owned), role, place, certificate }
    }

    fn pem(&self, role: CertificateUse, place: String, pem: &[u8]) -> Seen {
        match Certificate::from_pem(pem) {
            Ok(certificate) => Ok(self.found(role, place, certificate)),
            Err(error) => Err(self.unseen(role, format!("{place}: {}", in_full(&error)))),
        }
    }
}

/// The CA's certificate and the pair. Where there is none, there is nothing to expire.
pub(super) fn at_operator(cluster: &Cluster) -> Vec<Seen> {
    let keeper = Keeper(None);
    let ca = read(&cluster.pki.ca_cert).map(|pem| {
        let place = cluster.pki.ca_cert.display().to_string();
        let pem = pem.map_err(|why| keeper.unseen(CertificateUse::Ca, why))?;
        keeper.pem(CertificateUse::Ca, place, &pem)
    });
    let client = match operator::pair(cluster) {
        Ok(None) => None,
        Ok(Some(pair)) => {
            let place = cluster.pki.directory.display().to_string();
            Some(keeper.pem(CertificateUse::Client, place, pair.certificate.as_bytes()))
        }
        Err(error) => Some(Err(keeper.unseen(CertificateUse::Client, error.to_string()))),
    };
    ca.into_iter().chain(client).collect()
}

fn read(path: &Path) -> Option<Result<Vec<u8>, String>> {
    match fs::read(path) {
        Ok(bytes) => Some(Ok(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => Some(Err(format!("{}: {error}", path.display()))),
    }
}

/// Everything on one master, in one exchange and, if its service runs, one look at what it shows.
pub(super) async fn at_master(name: &str, transport: &dyn Transport, layout: &Layout) -> Vec<Seen> {
    let observed = match look_at(name, transport, layout, &Accounts::default()).await {
        Ok(observed) => observed,
        Err(error) => {
            let reason = error.to_string();
            let reason = reason.strip_prefix(&format!("{name}: ")).unwrap_or(&reason).to_owned();
            let master = Some(name.to_owned());
            return vec![Err(UnseenCertificate { master, role: None, reason })];
        }
    };
    let keeper = Keeper(Some(name));
    let mut seen = files(&keeper, layout, &observed);
    if matches!(observed.probe.unit.activity, Activity::Active { .. }) {
        seen.extend(served(&keeper, transport, layout).await);
    }
    seen
}

fn files(keeper: &Keeper<'_>, layout: &Layout, observed: &ObservedMaster) -> Vec<Seen> {
    let files = &observed.files;
    let in_file = |role, path: &str, file: &ObservedFile| match (&file.text, &file.state) {
        (_, PathState::Absent) => Err(keeper.unseen(role, format!("{path} is missing"))),
        (Some(text), _) => keeper.pem(role, path.to_owned(), text.as_bytes()),
        (None, _) => Err(keeper.unseen(role, format!("{path} cannot be read"))),
    };
    let kubeconfig = layout.kubeconfig.as_str();
    let in_kubeconfig = match files.kubeconfig.text.as_deref().and_then(embedded) {
        Some(pem) => keeper.pem(CertificateUse::Kubeconfig, kubeconfig.to_owned(), &pem),
        None => Err(keeper.unseen(
            CertificateUse::Kubeconfig,
            match files.kubeconfig.state {
                PathState::Absent => format!("{kubeconfig} is missing"),
                _ => format!("{kubeconfig} embeds no client certificate"),
            },
        )),
    };
    vec![
        in_file(CertificateUse::Ca, layout.ca_certificate.as_str(), &files.ca_certificate),
        in_file(CertificateUse::Client, layout.certificate.as_str(), &files.certificate),
        in_kubeconfig,
    ]
}

/// The client certificate in what may be shown of a kubeconfig.
fn embedded(view: &str) -> Option<Vec<u8>> {
    let mut values =
        view.lines().filter_map(|line| line.trim().strip_prefix("client-certificate-data: "));
    STANDARD.decode(values.next()?.trim()).ok()
}

/// What the service's own process shows; nothing if it listens nowhere.
async fn served(keeper: &Keeper<'_>, transport: &dyn Transport, layout: &Layout) -> Option<Seen> {
    let unseen = |reason: String| Some(Err(keeper.unseen(CertificateUse::Served, reason)));
    let address = match listener(transport, layout).await {
        Ok(address) => address?,
        Err(reason) => return unseen(reason),
    };
    match served_certificate(transport, &address).await {
        Ok(der) => match Certificate::from_der(&der) {
            Ok(certificate) => {
                let place = address.to_string();
                Some(Ok(keeper.found(CertificateUse::Served, place, certificate)))
            }
            Err(error) => unseen(format!("{address}: {}", in_full(&error))),
        },
        Err(error) => unseen(error.to_string()),
    }
}
