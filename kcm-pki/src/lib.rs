//! X.509 certificates for Kubernetes components, byte for byte as cfssl makes them.
//!
//! This crate reads the input files of cfssl: CSR and signing config files in JSON, keys,
//! certificates and certificate requests (PKCS #10) in PEM. It writes the same names, string types, times, extensions and orders as
//! cfssl. cfssl silently accepts some invalid requests: an expired CA, a misspelt profile or usage,
//! a port in a host name. This crate rejects them with an error.
//!
//! The crate is pure: it does not access a clock, file, environment or network. The time and the
//! random octets of the serial number are arguments. Only key generation and ECDSA signing use the
//! randomness of the operating system.
//!
//! The crate is *not* a general X.509 toolkit. It verifies chains with intermediate CAs but does not
//! issue intermediate CAs. It does not support revocation, Ed25519, policies or name constraints.
//!
//! ```
//! use kcm_pki::{
//!     CertificateAuthority, CsrFile, LeafRequest, OutlivesCa, PrivateKey, CaRequest, SerialNumber,
//!     SigningConfig, verify_client_chain,
//! };
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let now = time::macros::datetime!(2026-11-23 06:21:00 UTC);
//! # let random = || [0x5a; 20];
//! // A CA; most callers read one with `CertificateAuthority::load`.
//! let csr = CsrFile::parse(r#"{"CN": "kubernetes", "ca": {"expiry": "876000h"}}"#)?.value;
//! let key = PrivateKey::generate(csr.key)?;
//! let request = CaRequest { subject: csr.subject, lifetime: CaRequest::DEFAULT_LIFETIME, path_len: None };
//! let root = CertificateAuthority::create(&request, &key, SerialNumber::from_random(random()), now)?;
//! let ca = CertificateAuthority::load(root.to_pem().as_bytes(), key.to_pem().as_bytes())?;
//!
//! // A client certificate.
//! let csr = CsrFile::parse(r#"{"CN": "system:kube-controller-manager", "hosts": []}"#)?.value;
//! let config = SigningConfig::built_in();
//! let profile = config.default_profile()?;
//! let key = PrivateKey::generate(csr.key)?;
//! let request = LeafRequest {
//!     subject: csr.subject,
//!     hosts: csr.hosts,
//!     usages: profile.usages.clone(),
//!     lifetime: profile.expiry.as_duration(),
//!     outlives_ca: OutlivesCa::Clamp,
//! };
//! let issued = ca.issue(&request, key.public_key(), SerialNumber::from_random(random()), now)?;
//! assert_eq!(issued.certificate.common_name(), Some("system:kube-controller-manager"));
//! verify_client_chain(&issued.certificate, &[], &[ca.certificate().clone()], now)?;
//! # Ok(())
//! # }
//! ```

mod asn1;
mod ca;
mod certificate;
mod chain;
mod csr_file;
mod duration;
mod extension;
mod fingerprint;
mod hosts;
mod json;
mod key;
mod name;
mod oid;
mod pem;
mod request;
mod serial;
mod signing_config;
mod subject;
#[cfg(test)]
mod testing;
mod text;
mod usages;
mod warning;

pub use self::{
    ca::{
        CaCertificate, CaError, CaRequest, CertificateAuthority, Clamped, IssueError, Issued,
        LeafRequest, OutlivesCa,
    },
    certificate::{Certificate, CertificateError, ValidityError},
    chain::{
        CertificateChain, CertificateChainError, ChainError, verify_client_chain, verify_host_name,
        verify_server_chain,
    },
    csr_file::{CaSection, CsrFile, CsrFileError},
    duration::{DurationError, GoDuration},
    fingerprint::{Fingerprint, FingerprintError},
    hosts::{Host, HostError, HostProblem, Hosts},
    json::JsonError,
    key::{
        KeyAlgorithm, KeyError, KeyType, PrivateKey, PublicKey, PublicKeyError, UnknownKeyAlgorithm,
    },
    request::{CertificateRequest, RequestError},
    serial::SerialNumber,
    signing_config::{Profile, SigningConfig, SigningConfigError, UnknownProfile},
    subject::{NameEntry, Subject, SubjectError},
    usages::{UnknownUsage, Usage, Usages},
    warning::{Parsed, Warning},
};
