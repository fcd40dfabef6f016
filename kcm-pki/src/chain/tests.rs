use super::*;
use crate::{
    ca::{CertificateAuthority, LeafRequest},
    testing::{HOUR, NOW, authority, leaf_request, p256, report, root, serial, testdata, usages},
};

fn verify(leaf: &LeafRequest, now: OffsetDateTime) -> Result<(), ChainError> {
    let ca = authority();
    let issued = ca.issue(leaf, p256().public_key(), serial(), NOW).unwrap();
    verify_client(&issued.certificate, ca.certificate(), now)
}

fn verify_client(
    leaf: &Certificate,
    ca: &CaCertificate,
    now: OffsetDateTime,
) -> Result<(), ChainError> {
    verify_client_chain(leaf, &[], std::slice::from_ref(ca), now)
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
    assert_eq!(verify_client(&leaf, &ca, NOW), Ok(()));
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
    let ca = authority();
    let late = ca.issue(&leaf_request(), p256().public_key(), serial(), NOW + day).unwrap();
    let error = verify_client(&late.certificate, ca.certificate(), NOW).unwrap_err();
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
        verify_client(&leaf, &anew, NOW),
        Err(ChainError::BadSignature { ca: "CN=kubernetes".into() })
    );
    let other = CaCertificate::new(root("other", 1000, &p256(), NOW)).unwrap();
    let error = verify_client(&leaf, &other, NOW).unwrap_err();
    assert_eq!(error.to_string(), "the certificate was issued by CN=kubernetes, not by CN=other");
    // A key of another type cannot even have the signature's algorithm.
    let key = crate::PrivateKey::from_pem(crate::testing::RSA_2048.as_bytes()).unwrap();
    let anew = CaCertificate::new(root("kubernetes", 1000, &key, NOW)).unwrap();
    assert!(matches!(verify_client(&leaf, &anew, NOW), Err(ChainError::BadSignature { .. })));
}

#[test]
fn a_ca_as_leaf_is_refused() {
    let key = p256();
    let root = root("kubernetes", 1000, &key, NOW);
    let ca = CertificateAuthority::new(CaCertificate::new(root.clone()).unwrap(), key).unwrap();
    let error = verify_client(&root, ca.certificate(), NOW).unwrap_err();
    assert!(matches!(error, ChainError::LeafIsCa { .. }));
}

#[test]
fn weak_signatures_and_unknown_critical_extensions_are_refused() {
    let ca = ca(testdata!("openssl/no-ski.pem"));
    let leaf = certificate(testdata!("openssl/sha1-leaf.pem"));
    let algorithm = "ecdsa-with-SHA1".to_owned();
    assert_eq!(verify_client(&leaf, &ca, NOW), Err(ChainError::WeakSignature { algorithm }));
    let leaf = certificate(testdata!("openssl/critical-leaf.pem"));
    let error = verify_client(&leaf, &ca, NOW).unwrap_err();
    assert_eq!(error.to_string(), "TLS peers reject the certificate: UnsupportedCriticalExtension");
}

#[test]
fn a_ca_with_a_weak_key_is_named_as_such() {
    let ca = ca(testdata!("openssl/rsa-1024.pem"));
    let leaf = certificate(testdata!("openssl/rsa-1024-leaf.pem"));
    let error = verify_client(&leaf, &ca, NOW).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the CA CN=weak has a key of type rsa-1024, which TLS peers reject"
    );
}

/// A time at which the certificates in `testdata/chain` are valid.
const LATER: OffsetDateTime = time::macros::datetime!(2027-01-01 00:00 UTC);
const LEAF: &str = testdata!("chain/leaf.pem");
const INTERMEDIATE: &str = testdata!("chain/intermediate.pem");
const ROOT: &str = testdata!("chain/root.pem");
const RECREATED: &str = testdata!("chain/recreated.pem");
const OTHER: &str = testdata!("openssl/no-ski.pem");

fn chained(
    leaf: &str,
    intermediates: &[&str],
    roots: &[&str],
    now: OffsetDateTime,
) -> Result<(), ChainError> {
    let cas = |pems: &[&str]| pems.iter().copied().map(ca).collect::<Vec<_>>();
    verify_client_chain(&certificate(leaf), &cas(intermediates), &cas(roots), now)
}

#[test]
fn an_intermediate_leads_to_one_of_several_roots() {
    for roots in [&[ROOT][..], &[OTHER, ROOT], &[RECREATED, ROOT], &[ROOT, RECREATED]] {
        assert_eq!(chained(LEAF, &[INTERMEDIATE], roots, LATER), Ok(()));
    }
    let superfluous = [OTHER, RECREATED, INTERMEDIATE, ROOT];
    assert_eq!(chained(LEAF, &superfluous, &[ROOT], LATER), Ok(()));
    assert_eq!(chained(LEAF, &[], &[INTERMEDIATE], LATER), Ok(()), "a trusted intermediate");
}

#[test]
fn a_missing_link_is_named() {
    assert_eq!(chained(LEAF, &[INTERMEDIATE], &[], LATER), Err(ChainError::NoRoots));
    let error = chained(LEAF, &[], &[ROOT, OTHER], LATER).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the certificate was issued by CN=intermediate, not by CN=root or C=CN, O=a b, OU=x, OU=y, \
         CN=no ski"
    );
    let error = chained(LEAF, &[INTERMEDIATE], &[OTHER], LATER).unwrap_err();
    assert!(matches!(error, ChainError::OtherIssuer { issuer, .. } if issuer == "CN=root"));
    for roots in [&[RECREATED][..], &[OTHER, RECREATED], &[RECREATED, OTHER]] {
        let bad = Err(ChainError::BadSignature { ca: "CN=root".into() });
        assert_eq!(chained(LEAF, &[INTERMEDIATE], roots, LATER), bad);
    }
}

#[test]
fn an_unusable_intermediate_is_named() {
    let late = time::macros::datetime!(2040-01-01 00:00 UTC);
    let error = chained(LEAF, &[INTERMEDIATE], &[RECREATED, ROOT], late).unwrap_err();
    assert!(
        matches!(&error, ChainError::CaNotValid { subject, .. } if subject == "CN=intermediate"),
        "{error:?}"
    );
    let intermediates = [INTERMEDIATE, testdata!("chain/below-pathlen.pem")];
    let error = chained(testdata!("chain/too-deep.pem"), &intermediates, &[ROOT], LATER);
    assert_eq!(
        error.unwrap_err().to_string(),
        "TLS peers reject the certificate: PathLenConstraintViolated"
    );
    let server = testdata!("chain/server.pem");
    let error = chained(server, &[INTERMEDIATE], &[ROOT], LATER);
    assert_eq!(error, Err(ChainError::NoClientAuth));
    let (leaf, cas) = (certificate(server), [ca(INTERMEDIATE)]);
    assert_eq!(verify_server_chain(&leaf, &cas, &[ca(ROOT)], LATER), Ok(()));
}

#[test]
fn host_names_are_compared_as_tls_clients_do() {
    let many = certificate(testdata!("cfssl/many.pem"));
    for (host, is_named) in [
        ("a.example", true),
        ("A.Example", true),
        ("x.w.example", true),
        ("x.y.w.example", false),
        ("w.example", false),
        ("*.w.example", true),
        ("a_b", true),
        ("10.0.0.1", true),
        ("10.0.0.3", false),
        ("fd00::1", true),
        ("me@x.example", true),
        ("other@x.example", false),
    ] {
        let verified = verify_host_name(&many, &host.parse().unwrap());
        assert_eq!(verified.is_ok(), is_named, "{host}: {verified:?}");
    }
    let error = verify_host_name(&certificate(LEAF), &"x".parse().unwrap()).unwrap_err();
    let expected = "the certificate is not valid for x; its names are: leaf.example";
    assert_eq!(error.to_string(), expected);
}
