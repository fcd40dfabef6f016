//! Shared test helpers: a fixed time, and files created by OpenSSL and cfssl (see
//! `testdata/README.md`).

use time::{OffsetDateTime, macros::datetime};

use crate::{
    ca::{CaRequest, CertificateAuthority, LeafRequest, OutlivesCa},
    certificate::Certificate,
    hosts::Hosts,
    key::{KeyAlgorithm, PrivateKey},
    serial::SerialNumber,
    subject::Subject,
    usages::Usages,
};

pub(crate) const NOW: OffsetDateTime = datetime!(2026-11-23 07:46:00 UTC);
pub(crate) const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);

macro_rules! testdata {
    ($path:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/", $path))
    };
}
pub(crate) use testdata;

pub(crate) const RSA_2048: &str = testdata!("keys/rsa-2048.pkcs1.pem");

pub(crate) fn p256() -> PrivateKey {
    PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap()
}

pub(crate) fn serial() -> SerialNumber {
    SerialNumber::from_random([7; 20])
}

pub(crate) fn subject(common_name: &str) -> Subject {
    Subject::new(common_name, vec![], None).unwrap()
}

pub(crate) fn root(
    common_name: &str,
    hours: u32,
    key: &PrivateKey,
    now: OffsetDateTime,
) -> Certificate {
    let request =
        CaRequest { subject: subject(common_name), lifetime: HOUR * hours, path_len: None };
    CertificateAuthority::create(&request, key, serial(), now).unwrap()
}

/// Returns a CA with a P-256 key, valid for 1000 hours from five minutes before `NOW`.
pub(crate) fn authority() -> CertificateAuthority {
    let key = p256();
    let root = root("kubernetes", 1000, &key, NOW);
    CertificateAuthority::load(root.to_pem().as_bytes(), key.to_pem().as_bytes()).unwrap()
}

/// Returns a request for a client certificate of 100 hours.
pub(crate) fn leaf_request() -> LeafRequest {
    LeafRequest {
        subject: subject("system:kube-controller-manager"),
        hosts: Hosts::default(),
        usages: usages(&["signing", "key encipherment", "client auth"]),
        lifetime: HOUR * 100,
        outlives_ca: OutlivesCa::Clamp,
    }
}

pub(crate) fn usages(names: &[&str]) -> Usages {
    Usages::parse(names.iter().copied()).unwrap()
}

/// Returns an error joined with all its sources, as users see it.
pub(crate) fn report(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
