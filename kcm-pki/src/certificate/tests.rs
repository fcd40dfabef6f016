use proptest::prelude::*;
use time::macros::datetime;

use super::*;
use crate::testing::testdata;

const TUTORIAL: &str = testdata!("cfssl/tutorial.pem");
const MANY: &str = testdata!("cfssl/many.pem");

fn load(pem: &str) -> Certificate {
    Certificate::from_pem(pem.as_bytes()).unwrap()
}

#[test]
fn a_certificate_of_cfssl_is_read_field_by_field() {
    let certificate = load(MANY);
    assert_eq!(
        certificate.subject(),
        "C=CN + C=China, ST=a&b + ST=what?, L=a*b, O=one + O=one + O=ünï + O=two longer, OU=t1, \
         CN=a_b? \\\"quoted\\\"\\, ünï, serialNumber=77"
    );
    assert_eq!(certificate.common_name(), Some("a_b? \"quoted\", ünï"));
    assert_eq!(certificate.issuer(), load(testdata!("cfssl/root.pem")).subject());
    assert_eq!(certificate.not_after(), datetime!(2083-12-07 14:41:00 UTC));
    let usages = "decipher only, client auth, any, netscape sgc, microsoft sgc, server auth";
    assert_eq!(certificate.usages().to_string(), usages);
    let sans: Vec<_> = certificate.sans().iter().map(ToString::to_string).collect();
    assert_eq!(
        sans,
        [
            "b.example",
            "a.example",
            "b.example",
            "*.w.example",
            "a_b",
            "me@x.example",
            "10.0.0.1",
            "10.0.0.2",
            "fd00::1",
            "127.0.0.1"
        ]
    );
    assert_eq!(certificate.key_algorithm(), Some(KeyAlgorithm::EcdsaP384));
    assert_eq!(certificate.signature_algorithm(), "sha256WithRSAEncryption");
    assert!(certificate.has_key_usage() && certificate.has_extended_key_usage());
    assert!(!load(testdata!("cfssl/extended.pem")).has_key_usage());
    assert!(!load(testdata!("cfssl/basic.pem")).has_extended_key_usage());
    assert_eq!(load(testdata!("cfssl/root-p384.pem")).path_len(), Some(0));
}

#[test]
fn pem_comes_back_as_it_was() {
    assert_eq!(load(TUTORIAL).to_pem(), TUTORIAL);
    let der = load(TUTORIAL).der().to_vec();
    assert_eq!(Certificate::from_der(&der).unwrap(), load(TUTORIAL));
}

#[test]
fn a_certificate_is_found_among_other_text_and_blocks() {
    let key = testdata!("cfssl/tutorial-key.pem");
    for file in
        [format!("{TUTORIAL}{key}"), format!("{key}{TUTORIAL}"), TUTORIAL.replace('\n', "\r\n")]
    {
        assert_eq!(load(&file), load(TUTORIAL));
    }
}

#[test]
fn what_is_not_exactly_one_certificate_is_refused() {
    let refused = |pem: &str| Certificate::from_pem(pem.as_bytes()).unwrap_err();
    assert_eq!(refused("text"), CertificateError::NoCertificate { found: vec![] });
    assert_eq!(
        refused(testdata!("cfssl/root-key.pem")).to_string(),
        "no certificate in PEM format (found: RSA PRIVATE KEY)"
    );
    assert_eq!(
        refused(&format!("{TUTORIAL}{MANY}")),
        CertificateError::SeveralCertificates { count: 2 }
    );
    assert!(matches!(refused(&TUTORIAL[..200]), CertificateError::Malformed { .. }));
}

#[test]
fn octets_after_the_certificate_are_refused() {
    let mut der = load(TUTORIAL).der().to_vec();
    der.push(0);
    let error = Certificate::from_der(&der).unwrap_err();
    assert_eq!(error.to_string(), "cannot parse the certificate: 1 octets follow the certificate");
}

#[test]
fn both_ends_of_the_validity_are_valid() {
    let certificate = load(TUTORIAL);
    let (begin, end) = (certificate.not_before(), certificate.not_after());
    let second = time::Duration::SECOND;
    for now in [begin, end, end + second / 2] {
        assert_eq!(certificate.check_validity(now), Ok(()));
    }
    let now = begin - second;
    assert_eq!(
        certificate.check_validity(now),
        Err(ValidityError::NotYetValid { not_before: begin, now })
    );
    let now = end + second;
    assert_eq!(
        certificate.check_validity(now),
        Err(ValidityError::Expired { not_after: end, now })
    );
}

#[test]
fn debug_shows_subject_and_fingerprint() {
    let certificate = load(testdata!("cfssl/extended.pem"));
    let fingerprint = Fingerprint::of(certificate.der());
    assert_eq!(format!("{certificate:?}"), format!("Certificate(CN=x, {fingerprint})"));
}

proptest! {
    #[test]
    fn no_octets_make_the_reader_panic(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Certificate::from_der(&octets).is_err());
    }

    #[test]
    fn no_damage_makes_the_reader_panic(position in 0_usize..700, with in any::<u8>()) {
        let mut der = load(MANY).der().to_vec();
        der[position] = with;
        if let Ok(certificate) = Certificate::from_der(&der) {
            let _ = (certificate.subject(), certificate.issuer(), format!("{certificate:?}"));
        }
    }
}
