//! Checks the answer of a signer. Pure.

use std::time::Duration;

use kcm_pki::{
    CaCertificate, Certificate, CertificateChain, ChainError, Hosts, Usage, ValidityError, Warning,
    verify_client_chain, verify_server_chain,
};
use thiserror::Error;
use time::OffsetDateTime;

use super::SigningOrder;

/// Longest time by which a certificate may begin later than the run: that by which kcm itself
/// backdates certificates.
const CLOCK_SKEW: Duration = Duration::from_secs(300);

/// The reason kcm does not accept a signed certificate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UnacceptableCertificate {
    /// The certificate is for another key.
    #[error("it belongs to another key than the request")]
    OtherKey,
    /// The subject differs from the request.
    #[error("its subject is `{found}`, not `{expected}`")]
    Subject {
        /// Subject of the certificate.
        found: String,
        /// Subject of the request.
        expected: String,
    },
    /// The certificate is a CA certificate, or may sign certificates.
    #[error("it is a CA certificate")]
    IsCa,
    /// Usages are missing.
    #[error("it lacks the usages {}", missing.join(", "))]
    Usages {
        /// Names of the usages in signing configs.
        missing: Vec<String>,
    },
    /// The names differ from the request.
    #[error("its names are [{found}], not [{expected}]")]
    Names {
        /// Names in the certificate.
        found: String,
        /// Names in the request.
        expected: String,
    },
    /// The certificate is not valid now.
    #[error("it is {0}")]
    NotValid(ValidityError),
    /// The certificate would be renewed at once.
    #[error("it expires on {}, which is within pki.renewBefore", not_after.date())]
    TooShort {
        /// Last second of its validity.
        not_after: OffsetDateTime,
    },
    /// The certificate does not lead to a trusted CA.
    #[error("{0}")]
    Chain(ChainError),
}

impl UnacceptableCertificate {
    pub(super) fn help(&self) -> &'static str {
        match self {
            Self::OtherKey => "let the signer sign the request that it receives",
            Self::Subject { .. } | Self::Names { .. } => {
                "let the signer copy subject and names of the request, or change pki.csr"
            }
            Self::IsCa => "let the signer issue a leaf certificate, with CA:FALSE",
            Self::Usages { .. } => "add the usages to the signer's profile",
            Self::NotValid(_) => "correct the clock of the signer or of this machine",
            Self::TooShort { .. } => {
                "let the signer issue a longer lifetime, or decrease pki.renewBefore"
            }
            Self::Chain(_) => {
                "let the signer return its intermediates, or set pki.caCert and pki.trust to its CA"
            }
        }
    }
}

/// A certificate that fulfils its order.
#[derive(Clone, Debug)]
pub(crate) struct SignedCertificate {
    certificate: Certificate,
    intermediates: Vec<CaCertificate>,
    /// The requested lifetime.
    lifetime: Duration,
    /// True if the certificate expires with its CA.
    ends_with_ca: bool,
}

impl SignedCertificate {
    pub(crate) fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Encodes the certificate, followed by its intermediates, as verifiers that have only the root
    /// need them.
    pub(crate) fn to_pem(&self) -> String {
        let issuers = self.intermediates.iter().map(CaCertificate::certificate);
        std::iter::once(&self.certificate).chain(issuers).map(Certificate::to_pem).collect()
    }

    /// Returns warnings about an acceptable certificate.
    pub(crate) fn warnings(&self, now: OffsetDateTime) -> Vec<String> {
        let (ends, requested) = (self.certificate.not_after().date(), (now + self.lifetime).date());
        let mut warnings = Vec::new();
        // A difference within the same day is not worth a warning.
        if ends < requested {
            let with_ca = if self.ends_with_ca { " with its CA" } else { "" };
            warnings.push(format!(
                "the certificate expires{with_ca} on {ends}, not on {requested} as requested"
            ));
        }
        if self.certificate.is_self_issued() {
            let subject = self.certificate.subject();
            warnings.push(Warning::SubjectEqualsIssuer { subject }.to_string());
        }
        warnings
    }
}

/// Checks that the certificates are what `order` asks for, and that they lead to `ca`.
///
/// # Errors
/// The first difference.
pub(crate) fn accept(
    order: &SigningOrder,
    chain: &CertificateChain,
    ca: &CaCertificate,
) -> Result<SignedCertificate, UnacceptableCertificate> {
    use UnacceptableCertificate as Refused;
    let leaf = chain.leaf();
    let wanted = &order.properties;
    if leaf.public_key() != order.request.public_key() {
        return Err(Refused::OtherKey);
    }
    let (found, expected) = (leaf.subject(), order.request.subject());
    if found != expected {
        return Err(Refused::Subject { found, expected });
    }
    if leaf.is_ca() || leaf.usages().contains(Usage::CertSign) {
        return Err(Refused::IsCa);
    }
    let missing = wanted.usages.iter().filter(|usage| !leaf.allows(*usage));
    let missing: Vec<_> = missing.map(|usage| usage.name().to_owned()).collect();
    if !missing.is_empty() {
        return Err(Refused::Usages { missing });
    }
    if sorted(leaf.sans()) != sorted(&wanted.hosts) {
        let text = |hosts| sorted(hosts).join(", ");
        return Err(Refused::Names { found: text(leaf.sans()), expected: text(&wanted.hosts) });
    }
    // The signer worked after the run began, and its clock may be ahead.
    let at = order.now.max(leaf.not_before().min(order.now + CLOCK_SKEW));
    leaf.check_validity(at).map_err(Refused::NotValid)?;
    let ends_with_ca = leaf.not_after() >= ca.certificate().not_after();
    let is_shortened = leaf.not_after() + CLOCK_SKEW * 2 < order.now + wanted.lifetime;
    if leaf.not_after() - order.now <= wanted.renew_before && is_shortened && !ends_with_ca {
        return Err(Refused::TooShort { not_after: leaf.not_after() });
    }
    let is_client = wanted.usages.contains(Usage::ClientAuth);
    let verify = if is_client { verify_client_chain } else { verify_server_chain };
    let trusted = std::slice::from_ref(ca);
    verify(leaf, chain.intermediates(), trusted, at).map_err(Refused::Chain)?;
    let is_intermediate = |ca: &&CaCertificate| !ca.certificate().is_self_issued();
    let mut intermediates: Vec<_> =
        chain.intermediates().iter().filter(is_intermediate).cloned().collect();
    // A verifier that has only the root needs the intermediate that is the CA.
    if is_intermediate(&ca) && !intermediates.contains(ca) {
        intermediates.push(ca.clone());
    }
    let certificate = leaf.clone();
    let lifetime = wanted.lifetime;
    Ok(SignedCertificate { certificate, intermediates, lifetime, ends_with_ca })
}

fn sorted(hosts: &Hosts) -> Vec<String> {
    let mut names: Vec<_> = hosts.iter().map(ToString::to_string).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests;
