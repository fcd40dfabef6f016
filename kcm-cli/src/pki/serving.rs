//! The certificate that kube-controller-manager serves with, from the cluster's CA: one for all masters, with the address
//! and name of each. Pure.

use kcm_pki::{Certificate, CsrFile, Hosts, Usage, Usages};

use crate::cluster::Cluster;
use crate::pki::IdentityRequest;
use crate::util::words::in_full;

/// Its subject: nobody goes by that, but people read it.
const CSR: &str = r#"{"CN": "kube-controller-manager"}"#;

/// What it must be, beside what the client's must.
///
/// # Errors
/// When a master's address or name cannot be in a certificate: in words.
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
    // A master that is left out of this run has the same certificate, and must not lose its name in it.
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

/// Whether a certificate is one that kcm issues to serve with.
pub(crate) fn is_of_kcm(pem: &str) -> bool {
    let subject =
        Certificate::first_from_pem(pem.as_bytes()).map(|certificate| certificate.subject());
    let ours = CsrFile::parse(CSR).map(|csr| csr.value.subject.to_string());
    subject.ok().zip(ours.ok()).is_some_and(|(subject, ours)| subject == ours)
}
