//! The serving certificate of kube-controller-manager. The cluster's CA issues one for all masters,
//! with their addresses and names. Pure.

use kcm_pki::{Certificate, CsrFile, Hosts, Usage, Usages};

use crate::cluster::Cluster;
use crate::pki::IdentityRequest;
use crate::util::words::in_full;

/// CSR with the subject of the serving certificate. Clients ignore the subject; it is for people.
const CSR: &str = r#"{"CN": "kube-controller-manager"}"#;

/// Returns the properties of the serving certificate. All except subject, names and usages are
/// those of the client certificate.
///
/// # Errors
/// A message, if a certificate cannot contain the address or name of a master.
pub(crate) fn request(
    cluster: &Cluster,
    client: &IdentityRequest,
) -> Result<IdentityRequest, String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    for master in &cluster.masters {
        let bound = master.bind_address;
        for name in [master.address.to_string(), master.name.to_string(), bound.to_string()] {
            let is_nowhere = bound.is_unspecified() && name == bound.to_string();
            if !is_nowhere && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    // Masters excluded from this run share the certificate, so their names must stay in it.
    names.extend(cluster.left_out.iter().map(ToString::to_string));
    let hosts = Hosts::parse(names.iter().map(String::as_str)).map_err(|error| in_full(&error))?;
    let usages = Usages::parse([
        Usage::Signing.name(),
        Usage::KeyEncipherment.name(),
        Usage::ServerAuth.name(),
    ]);
    let usages = usages.map_err(|error| in_full(&error))?;
    let subject = CsrFile::parse(CSR).map_err(|error| in_full(&error))?.value.subject;
    Ok(IdentityRequest { subject, hosts, usages, ..client.clone() })
}

/// Reports whether a certificate has the subject of the serving certificates that kcm issues.
pub(crate) fn is_of_kcm(pem: &str) -> bool {
    let subject =
        Certificate::first_from_pem(pem.as_bytes()).map(|certificate| certificate.subject());
    let ours = CsrFile::parse(CSR).map(|csr| csr.value.subject.to_string());
    subject.ok().zip(ours.ok()).is_some_and(|(subject, ours)| subject == ours)
}
