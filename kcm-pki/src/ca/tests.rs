mod cfssl;

use std::time::Duration;

use time::macros::datetime;

use super::*;
use crate::{
    hosts::Hosts,
    key::PrivateKey,
    testing::{
        HOUR, NOW, authority, leaf_request, p256, report, root, serial, subject, testdata, usages,
    },
    warning::Warning,
};

fn certificate(pem: &str) -> Certificate {
    Certificate::from_pem(pem.as_bytes()).unwrap()
}

fn key(pem: &str) -> PrivateKey {
    PrivateKey::from_pem(pem.as_bytes()).unwrap()
}

#[test]
fn an_issued_certificate_has_every_field_that_was_asked_for() {
    let ca = authority();
    let key = p256();
    let entries = ["api.example", "me@x.example", "10.0.0.1", "fd00::1", "spiffe://td.example/kcm"];
    let request = LeafRequest { hosts: Hosts::parse(entries).unwrap(), ..leaf_request() };
    let issued = ca.issue(&request, key.public_key(), serial(), NOW).unwrap();
    assert_eq!((issued.clamped, issued.warnings), (None, vec![]));

    let certificate = issued.certificate;
    assert_eq!(certificate.subject(), "CN=system:kube-controller-manager");
    assert_eq!(certificate.common_name(), Some("system:kube-controller-manager"));
    assert_eq!(certificate.issuer_der(), ca.certificate().certificate().subject_der());
    assert_eq!(certificate.serial(), "07".repeat(20));
    assert_eq!(certificate.not_before(), datetime!(2026-11-23 07:41:00 UTC));
    assert_eq!(certificate.not_after(), datetime!(2026-11-27 11:41:00 UTC));
    assert!(!certificate.is_ca() && certificate.path_len().is_none());
    assert_eq!(*certificate.usages(), request.usages);
    assert_eq!(*certificate.sans(), request.hosts);
    assert!(key.matches(&certificate) && !ca.key().matches(&certificate));
    assert_eq!(certificate.subject_key_id(), Some(key.public_key().key_id().as_slice()));
    assert_eq!(certificate.authority_key_id(), Some(ca.key().public_key().key_id().as_slice()));
    assert_eq!(certificate.signature_algorithm(), "ecdsa-with-SHA256");

    let (_, parsed) = x509_parser::parse_x509_certificate(certificate.der()).unwrap();
    let ca_der = ca.certificate().certificate().der();
    let (_, parsed_ca) = x509_parser::parse_x509_certificate(ca_der).unwrap();
    parsed.verify_signature(Some(parsed_ca.public_key())).unwrap();
    assert_eq!(parsed.version(), x509_parser::x509::X509Version::V3);
    assert_eq!(parsed.signature_algorithm, parsed.tbs_certificate.signature);
    let order: Vec<_> =
        parsed.extensions().iter().map(|e| (e.oid.to_id_string(), e.critical)).collect();
    let expected =
        [("15", true), ("37", false), ("19", true), ("14", false), ("35", false), ("17", false)];
    assert_eq!(order, expected.map(|(arc, critical)| (format!("2.5.29.{arc}"), critical)));
}

#[test]
fn the_same_request_gives_the_same_bytes_where_the_signature_allows() {
    let ca = CertificateAuthority::load(
        testdata!("cfssl/root.pem").as_bytes(),
        testdata!("cfssl/root-key.pem").as_bytes(),
    );
    let (ca, key) = (ca.unwrap(), p256());
    let issue = || ca.issue(&leaf_request(), key.public_key(), serial(), NOW).unwrap();
    assert_eq!(issue(), issue());
}

#[test]
fn a_leaf_ends_with_its_ca_at_the_latest() {
    let (ca, key) = (authority(), p256());
    let not_after = ca.certificate().certificate().not_after();
    let long = LeafRequest { lifetime: HOUR * 2000, ..leaf_request() };
    let issued = ca.issue(&long, key.public_key(), serial(), NOW).unwrap();
    assert_eq!(issued.certificate.not_after(), not_after);
    let requested = datetime!(2027-02-14 15:41:00 UTC);
    assert_eq!(issued.clamped, Some(Clamped { requested, not_after }));

    let refuse = LeafRequest { outlives_ca: OutlivesCa::Refuse, ..long };
    let error = ca.issue(&refuse, key.public_key(), serial(), NOW).unwrap_err();
    assert_eq!(error, IssueError::OutlivesCa { requested, ca_not_after: not_after });
    let equal = LeafRequest { lifetime: HOUR * 1000, ..refuse };
    assert!(ca.issue(&equal, key.public_key(), serial(), NOW).unwrap().clamped.is_none());
}

#[test]
fn a_ca_out_of_its_validity_issues_nothing() {
    let (ca, key) = (authority(), p256());
    let issue = |now| ca.issue(&leaf_request(), key.public_key(), serial(), now);
    let (begin, end) =
        (ca.certificate().certificate().not_before(), ca.certificate().certificate().not_after());
    let second = time::Duration::SECOND;
    assert!(issue(begin).is_ok() && issue(end - second * 60).is_ok());
    for (now, text) in [(begin - second, "not valid before"), (end + second, "expired at")] {
        let error = issue(now).unwrap_err();
        assert!(matches!(error, IssueError::CaNotValid { .. }));
        assert!(report(&error).contains(text), "{}", report(&error));
    }
}

#[test]
fn a_leaf_gets_no_usages_of_a_ca_and_not_none_at_all() {
    let (ca, key) = (authority(), p256());
    let issue = |names: &[&str]| {
        let request = LeafRequest { usages: usages(names), ..leaf_request() };
        ca.issue(&request, key.public_key(), serial(), NOW)
    };
    assert_eq!(issue(&["signing", "cert sign"]), Err(IssueError::CertSignUsage));
    assert_eq!(issue(&[]), Err(IssueError::NoUsages));
}

#[test]
fn the_subject_of_the_ca_is_warned_of_and_still_gets_an_aki() {
    let (ca, key) = (authority(), p256());
    let request = LeafRequest { subject: subject("kubernetes"), ..leaf_request() };
    let issued = ca.issue(&request, key.public_key(), serial(), NOW).unwrap();
    assert_eq!(issued.warnings, [Warning::SubjectEqualsIssuer { subject: "CN=kubernetes".into() }]);
    assert!(issued.certificate.authority_key_id().is_some());
}

#[test]
fn the_aki_is_the_cas_ski_or_else_computed() {
    // Created with `openssl req -x509` and `subjectKeyIdentifier=none`; the subject has two OUs.
    let key = key(testdata!("openssl/no-ski-key.pem"));
    let ca = CaCertificate::load(testdata!("openssl/no-ski.pem").as_bytes()).unwrap();
    assert_eq!(ca.certificate().subject_key_id(), None);
    assert_eq!(ca.certificate().subject(), "C=CN, O=a b, OU=x, OU=y, CN=no ski");
    let ca = CertificateAuthority::new(ca, key).unwrap();
    let issued = ca.issue(&leaf_request(), p256().public_key(), serial(), NOW).unwrap().certificate;
    assert_eq!(issued.authority_key_id(), Some(ca.key().public_key().key_id().as_slice()));
    assert_eq!(issued.issuer_der(), ca.certificate().certificate().subject_der());

    // Created with `openssl req -x509` and `subjectKeyIdentifier=01:02:03`.
    let ca = CertificateAuthority::load(
        testdata!("openssl/own-ski.pem").as_bytes(),
        testdata!("openssl/no-ski-key.pem").as_bytes(),
    );
    let issued =
        ca.unwrap().issue(&leaf_request(), p256().public_key(), serial(), NOW).unwrap().certificate;
    assert_eq!(issued.authority_key_id(), Some([1, 2, 3].as_slice()));
}

#[test]
fn what_is_no_ca_is_refused() {
    let load = |pem: &str| CaCertificate::load(pem.as_bytes()).unwrap_err();
    assert!(matches!(load(testdata!("cfssl/tutorial.pem")), CaError::NotCa { .. }));
    assert!(matches!(load(testdata!("openssl/no-cert-sign.pem")), CaError::NoCertSign { .. }));
    let bundle = format!("{}{}", testdata!("cfssl/root.pem"), testdata!("cfssl/root-p384.pem"));
    assert_eq!(
        report(&load(&bundle)),
        "cannot load the CA certificate: expected exactly one certificate, found 2"
    );
    assert_eq!(report(&load("")), "cannot load the CA certificate: no certificate in PEM format");
}

#[test]
fn a_key_of_another_ca_is_refused() {
    let error = CertificateAuthority::load(
        testdata!("cfssl/root.pem").as_bytes(),
        testdata!("cfssl/root-p384-key.pem").as_bytes(),
    );
    let message = error.unwrap_err().to_string();
    assert!(
        message.starts_with("the CA key does not match the CA certificate of C=CN, ST=Shanghai"),
        "{message}"
    );
}

#[test]
fn a_root_beyond_2050_mixes_time_types_and_reads_back() {
    let key = p256();
    let certificate = root("kubernetes", 876_000, &key, NOW);
    assert_eq!(certificate.not_after(), datetime!(2126-10-30 07:41:00 UTC));
    assert!(certificate.is_ca() && certificate.authority_key_id().is_none());
    assert_eq!(certificate.usages().to_string(), "cert sign, crl sign");
    assert!(CaCertificate::new(certificate).unwrap().check_validity(NOW).is_ok());
}
