//! Recreates certificates of cfssl with the same key, serial number and time, and compares them.

use super::*;
use crate::{csr_file::CsrFile, serial::SerialNumber, signing_config::SigningConfig};

/// Returns the serial number and time with which cfssl created a certificate.
fn circumstances(made: &Certificate) -> (SerialNumber, OffsetDateTime) {
    let digits = format!("{:0>40}", made.serial());
    let octet = |index: usize| u8::from_str_radix(&digits[2 * index..2 * index + 2], 16).unwrap();
    let serial = SerialNumber::from_random(std::array::from_fn(octet));
    (serial, made.not_before() + Duration::from_secs(300))
}

/// Returns the signed part, which is comparable even where signatures are random.
fn tbs(certificate: &Certificate) -> Vec<u8> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate.der()).unwrap();
    parsed.tbs_certificate.as_ref().to_vec()
}

fn like_cfssl(
    csr: &str,
    made: &str,
    made_key: &str,
    profile: Option<&str>,
    ca: &CertificateAuthority,
) -> Certificate {
    let csr = CsrFile::parse(csr).unwrap().value;
    let config = match profile {
        Some(_) => SigningConfig::parse(testdata!("cfssl/ca-config.json")).unwrap().value,
        None => SigningConfig::built_in(),
    };
    let profile = match profile {
        Some(name) => config.profile(name).unwrap(),
        None => config.default_profile().unwrap(),
    };
    let request = LeafRequest {
        subject: csr.subject,
        hosts: csr.hosts,
        usages: profile.usages.clone(),
        lifetime: profile.expiry.as_duration(),
        outlives_ca: OutlivesCa::Refuse,
    };
    let (serial, now) = circumstances(&certificate(made));
    ca.issue(&request, key(made_key).public_key(), serial, now).unwrap().certificate
}

#[test]
fn an_rsa_root_is_cfssls_to_the_byte() {
    let made = certificate(testdata!("cfssl/root.pem"));
    let (serial, now) = circumstances(&made);
    let csr = CsrFile::parse(testdata!("cfssl/root.json")).unwrap().value;
    let request = CaRequest {
        subject: csr.subject,
        lifetime: csr.ca.unwrap().lifetime.unwrap().as_duration(),
        path_len: None,
    };
    let root =
        CertificateAuthority::create(&request, &key(testdata!("cfssl/root-key.pem")), serial, now);
    assert_eq!(root.unwrap().to_pem(), testdata!("cfssl/root.pem"));
}

#[test]
fn an_ecdsa_root_without_expiry_is_cfssls_up_to_the_signature() {
    let made = certificate(testdata!("cfssl/root-p384.pem"));
    let (serial, now) = circumstances(&made);
    let csr = CsrFile::parse(testdata!("cfssl/root-p384.json")).unwrap().value;
    let request = CaRequest {
        subject: csr.subject,
        lifetime: CaRequest::DEFAULT_LIFETIME,
        path_len: csr.ca.unwrap().path_len,
    };
    let root = CertificateAuthority::create(
        &request,
        &key(testdata!("cfssl/root-p384-key.pem")),
        serial,
        now,
    );
    assert_eq!(tbs(&root.unwrap()), tbs(&made));
}

#[test]
fn leaves_of_an_rsa_ca_are_cfssls_to_the_byte() {
    let ca = CertificateAuthority::load(
        testdata!("cfssl/root.pem").as_bytes(),
        testdata!("cfssl/root-key.pem").as_bytes(),
    );
    let ca = ca.unwrap();
    let plain = r#"{"CN":"x","key":{"algo":"ecdsa","size":256}}"#;
    for (csr, made, key, profile) in [
        (
            testdata!("cfssl/tutorial.json"),
            testdata!("cfssl/tutorial.pem"),
            testdata!("cfssl/tutorial-key.pem"),
            "kubernetes",
        ),
        (
            testdata!("cfssl/many.json"),
            testdata!("cfssl/many.pem"),
            testdata!("cfssl/many-key.pem"),
            "odd",
        ),
        (plain, testdata!("cfssl/extended.pem"), testdata!("cfssl/extended-key.pem"), "extended"),
        (plain, testdata!("cfssl/basic.pem"), testdata!("cfssl/basic-key.pem"), "basic"),
    ] {
        let issued = like_cfssl(csr, made, key, Some(profile), &ca);
        assert_eq!(issued.to_pem(), made, "{profile}");
    }
}

#[test]
fn a_leaf_of_an_ecdsa_ca_without_a_config_is_cfssls_up_to_the_signature() {
    let ca = CertificateAuthority::load(
        testdata!("cfssl/root-p384.pem").as_bytes(),
        testdata!("cfssl/root-p384-key.pem").as_bytes(),
    );
    let made = testdata!("cfssl/p384-built-in.pem");
    let key = testdata!("cfssl/p384-built-in-key.pem");
    let issued = like_cfssl(r#"{"CN":"x"}"#, made, key, None, &ca.unwrap());
    assert_eq!(tbs(&issued), tbs(&certificate(made)));
    assert_eq!(issued.signature_algorithm(), "ecdsa-with-SHA384");
}
