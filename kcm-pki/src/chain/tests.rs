use super::*;
use crate::{
    ca::{CertificateAuthority, LeafRequest},
    testing::{HOUR, NOW, authority, leaf_request, p256, report, root, serial, testdata, usages},
};

fn verify(leaf: &LeafRequest, now: OffsetDateTime) -> Result<(), ChainError> {
    let ca = authority();
    let issued = ca.issue(leaf, p256().public_key(), serial(), NOW).unwrap();
    verify_client_chain(&issued.certificate, ca.certificate(), now)
}

fn with_usages(names: &[&str]) -> LeafRequest {
    LeafRequest { usages: usages(names), ..leaf_request() }
}

fn ca(pem: &str) -> CaCertificate {
    CaCertificate::load(pem.as_bytes()).unwrap()
}

fn certificate(pem: &str) -> Certificate {
    Certificate::from_pem(pem.as_bytes()).unwrap()
}

#[test]
fn our_own_and_cfssls_client_certificates_are_accepted() {
    assert_eq!(verify(&leaf_request(), NOW), Ok(()));
    assert_eq!(verify(&with_usages(&["signing"]), NOW), Ok(()), "no extended usage allows all");
    assert_eq!(verify(&with_usages(&["client auth"]), NOW), Ok(()), "no basic usage allows all");
    let (leaf, ca) =
        (certificate(testdata!("cfssl/tutorial.pem")), ca(testdata!("cfssl/root.pem")));
    assert_eq!(verify_client_chain(&leaf, &ca, NOW), Ok(()));
}

#[test]
fn a_leaf_that_is_not_for_clients_is_refused() {
    assert_eq!(
        verify(&with_usages(&["signing", "server auth"]), NOW),
        Err(ChainError::NoClientAuth)
    );
    assert_eq!(verify(&with_usages(&["signing", "any"]), NOW), Err(ChainError::NoClientAuth));
    assert_eq!(
        verify(&with_usages(&["key encipherment", "client auth"]), NOW),
        Err(ChainError::NoSigning)
    );
}

#[test]
fn each_validity_is_refused_by_itself() {
    let day = HOUR * 24;
    let error = verify(&leaf_request(), NOW - day).unwrap_err();
    assert!(matches!(error, ChainError::CaNotValid { .. }));
    let error = verify(&leaf_request(), NOW + day * 5).unwrap_err();
    assert!(
        report(&error).contains("is not valid now: expired at 2026-11-27T11:41:00Z"),
        "{}",
        report(&error)
    );
    let error = verify(&leaf_request(), NOW + day * 60).unwrap_err();
    assert!(matches!(error, ChainError::CaNotValid { source: ValidityError::Expired { .. }, .. }));
    let late =
        authority().issue(&leaf_request(), p256().public_key(), serial(), NOW + day).unwrap();
    let ca = CaCertificate::new(root("kubernetes", 1000, &p256(), NOW)).unwrap();
    let error = verify_client_chain(&late.certificate, &ca, NOW).unwrap_err();
    assert!(matches!(
        error,
        ChainError::LeafNotValid { source: ValidityError::NotYetValid { .. }, .. }
    ));
}

#[test]
fn another_ca_is_told_from_a_ca_made_anew() {
    let leaf =
        authority().issue(&leaf_request(), p256().public_key(), serial(), NOW).unwrap().certificate;
    let anew = CaCertificate::new(root("kubernetes", 1000, &p256(), NOW)).unwrap();
    assert_eq!(
        verify_client_chain(&leaf, &anew, NOW),
        Err(ChainError::BadSignature { ca: "CN=kubernetes".into() })
    );
    let other = CaCertificate::new(root("other", 1000, &p256(), NOW)).unwrap();
    let error = verify_client_chain(&leaf, &other, NOW).unwrap_err();
    assert_eq!(error.to_string(), "the certificate was issued by CN=kubernetes, not by CN=other");
    // A key of another type cannot even have the signature's algorithm.
    let key = crate::PrivateKey::from_pem(crate::testing::RSA_2048.as_bytes()).unwrap();
    let anew = CaCertificate::new(root("kubernetes", 1000, &key, NOW)).unwrap();
    assert!(matches!(verify_client_chain(&leaf, &anew, NOW), Err(ChainError::BadSignature { .. })));
}

#[test]
fn a_ca_as_leaf_is_refused() {
    let key = p256();
    let root = root("kubernetes", 1000, &key, NOW);
    let ca = CertificateAuthority::new(CaCertificate::new(root.clone()).unwrap(), key).unwrap();
    let error = verify_client_chain(&root, ca.certificate(), NOW).unwrap_err();
    assert!(matches!(error, ChainError::LeafIsCa { .. }));
}

#[test]
fn weak_signatures_and_unknown_critical_extensions_are_refused() {
    let ca = ca(testdata!("openssl/no-ski.pem"));
    let leaf = certificate(testdata!("openssl/sha1-leaf.pem"));
    let algorithm = "ecdsa-with-SHA1".to_owned();
    assert_eq!(verify_client_chain(&leaf, &ca, NOW), Err(ChainError::WeakSignature { algorithm }));
    let leaf = certificate(testdata!("openssl/critical-leaf.pem"));
    let error = verify_client_chain(&leaf, &ca, NOW).unwrap_err();
    assert_eq!(error.to_string(), "TLS peers reject the certificate: UnsupportedCriticalExtension");
}

#[test]
fn a_ca_with_a_weak_key_is_named_as_such() {
    let ca = ca(testdata!("openssl/rsa-1024.pem"));
    let leaf = certificate(testdata!("openssl/rsa-1024-leaf.pem"));
    let error = verify_client_chain(&leaf, &ca, NOW).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the CA CN=weak has a key of type rsa-1024, which TLS peers reject"
    );
}
