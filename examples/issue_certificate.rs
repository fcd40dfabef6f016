//! Issues the client certificate of kube-controller-manager from a CSR file and a signing config of
//! cfssl.
//!
//! `kcm-pki` has no clock and no source of serial numbers: the caller passes both. The caller also
//! reads and writes the files, with the mode that a private key requires.
//!
//! Run it with `cargo run --example issue_certificate`.
#![expect(
    clippy::disallowed_methods,
    reason = "clock and output are the caller's, not the crate's"
)]

use std::error::Error;
use std::io::{self, Write};

use kcm_pki::{
    CaRequest, CertificateAuthority, CsrFile, LeafRequest, OutlivesCa, PrivateKey, SerialNumber,
    SigningConfig, verify_client_chain,
};
use time::OffsetDateTime;

const CA_CSR: &str =
    r#"{"CN": "kubernetes", "key": {"algo": "ecdsa", "size": 256}, "names": [{"O": "k8s"}]}"#;
const CLIENT_CSR: &str = r#"{
  "CN": "system:kube-controller-manager",
  "hosts": [],
  "key": {"algo": "ecdsa", "size": 256},
  "names": [{"C": "CN", "ST": "Beijing", "L": "XS", "O": "system:kube-controller-manager"}]
}"#;
const SIGNING_CONFIG: &str = r#"{"signing": {"default": {
  "expiry": "8760h", "usages": ["signing", "key encipherment", "client auth"]
}}}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout();
    let now = OffsetDateTime::now_utc();
    let ca = create_ca(now)?;
    let csr = CsrFile::parse(CLIENT_CSR)?;
    for warning in &csr.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    let config = SigningConfig::parse(SIGNING_CONFIG)?.value;
    let profile = config.default_profile()?;
    let request = LeafRequest {
        subject: csr.value.subject,
        hosts: csr.value.hosts,
        usages: profile.usages.clone(),
        lifetime: profile.expiry.as_duration(),
        // The certificate ends with its CA at the latest; cfssl would let it outlive the CA.
        outlives_ca: OutlivesCa::Clamp,
    };
    let key = PrivateKey::generate(csr.value.key)?;
    let issued = ca.issue(&request, key.public_key(), random_serial()?, now)?;

    let certificate = &issued.certificate;
    verify_client_chain(certificate, &[], &[ca.certificate().clone()], now)?;
    writeln!(out, "subject: {}", certificate.subject())?;
    writeln!(out, "issuer: {}", certificate.issuer())?;
    writeln!(out, "valid: {} to {}", certificate.not_before(), certificate.not_after())?;
    write!(out, "{}", certificate.to_pem())?;
    Ok(())
}

/// Creates a root CA; `CertificateAuthority::load` reads an existing one.
fn create_ca(now: OffsetDateTime) -> Result<CertificateAuthority, Box<dyn Error>> {
    let csr = CsrFile::parse(CA_CSR)?.value;
    let key = PrivateKey::generate(csr.key)?;
    let (subject, lifetime) = (csr.subject, CaRequest::DEFAULT_LIFETIME);
    let request = CaRequest { subject, lifetime, path_len: None };
    let root = CertificateAuthority::create(&request, &key, random_serial()?, now)?;
    Ok(CertificateAuthority::load(root.to_pem().as_bytes(), key.to_pem().as_bytes())?)
}

/// Returns a serial number from a cryptographic source.
fn random_serial() -> Result<SerialNumber, Box<dyn Error>> {
    let mut octets = [0; 20];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| "the system has no randomness")?;
    Ok(SerialNumber::from_random(octets))
}
