//! Conformance suite for implementors of [`Signer`].

use kcm_pki::{CaCertificate, CsrFile, KeyAlgorithm, PrivateKey, Usage, Usages};
use time::OffsetDateTime;

use super::{Signer, SignerError, SigningOrder, accept};
use crate::pki::IdentityRequest;

/// Lets `signer` sign a client and a serving certificate for each kind of key, and checks them as
/// kcm does before it stores a certificate.
///
/// `lifetime` is what the signer can issue, at least an hour.
///
/// # Errors
/// The first answer that kcm would not accept.
pub async fn signer(
    signer: &dyn Signer,
    ca: &CaCertificate,
    lifetime: std::time::Duration,
    now: OffsetDateTime,
) -> Result<(), SignerError> {
    signer.check().await?;
    for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384, KeyAlgorithm::Rsa2048] {
        for (csr, usage) in [(CLIENT, Usage::ClientAuth), (SERVING, Usage::ServerAuth)] {
            let order = order(csr, usage, algorithm, lifetime, now)?;
            accept(&order, &signer.sign(&order).await?, ca)?;
        }
    }
    Ok(())
}

const CLIENT: &str = r#"{"CN": "system:kube-controller-manager", "names": [{"O": "system:kube-controller-manager"}]}"#;
const SERVING: &str =
    r#"{"CN": "kube-controller-manager", "hosts": ["localhost", "127.0.0.1", "::1"]}"#;

fn order(
    csr: &str,
    usage: Usage,
    algorithm: KeyAlgorithm,
    lifetime: std::time::Duration,
    now: OffsetDateTime,
) -> Result<SigningOrder, SignerError> {
    let failed = |error: &dyn std::fmt::Display| SignerError::Crypto { reason: error.to_string() };
    let csr = CsrFile::parse(csr).map_err(|error| failed(&error))?.value;
    let key = PrivateKey::generate(algorithm).map_err(|error| failed(&error))?;
    let usages = Usages::parse([Usage::Signing.name(), usage.name()]);
    let properties = IdentityRequest {
        subject: csr.subject,
        hosts: csr.hosts,
        usages: usages.map_err(|error| failed(&error))?,
        key_algorithm: algorithm,
        lifetime,
        renew_before: lifetime / 3,
    };
    SigningOrder::new(properties, &key, now)
}
