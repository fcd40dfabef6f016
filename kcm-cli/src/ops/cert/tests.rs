use std::path::Path;

use kcm_pki::{CaCertificate, SigningConfig};
use time::macros::datetime;

use super::*;

const NOW: OffsetDateTime = datetime!(2026-11-30 09:00 UTC);

fn csr(text: &str) -> (CsrFile, Vec<String>) {
    (CsrFile::parse(text).unwrap().value, Vec::new())
}

fn signing() -> Signing {
    let ca =
        new_ca(csr(r#"{"CN": "ca", "ca": {"expiry": "100h", "pathlen": 2}}"#), None, NOW).unwrap();
    let certificate = CaCertificate::new(ca.certificate.unwrap()).unwrap();
    let authority = CertificateAuthority::new(certificate, ca.key.unwrap()).unwrap();
    let profile = SigningConfig::built_in().default_profile().unwrap().clone();
    Signing { authority, profile, warnings: Vec::new() }
}

fn signed(made: Made, subject: Option<&str>, hosts: &[&str]) -> Result<Made, Error> {
    let hosts = Hosts::parse(hosts.iter().copied()).unwrap();
    sign(signing(), made.request, (subject.map(csr), hosts), NOW)
}

#[test]
fn a_root_always_asks_to_be_a_ca() {
    for text in [r#"{"CN": "ca"}"#, r#"{"CN": "ca", "ca": {"pathlen": 1}}"#] {
        let made = new_ca(csr(text), None, NOW).unwrap();
        assert!(made.request.asks_to_be_ca() && made.certificate.unwrap().is_ca());
    }
}

#[test]
fn nothing_but_subject_and_key_comes_from_the_request() {
    let asked = request(csr(r#"{"CN": "x", "hosts": ["b.example", "10.0.0.1"]}"#)).unwrap();
    let key = asked.request.public_key().clone();
    let made = signed(asked, None, &["10.0.0.1", "c.example"]).unwrap();
    let certificate = made.certificate.unwrap();
    assert_eq!((certificate.subject().as_str(), certificate.public_key()), ("CN=x", &key));
    assert_eq!(certificate.sans().len(), 2);
    assert_eq!(
        made.warnings[0],
        "the request asks for the names b.example, which are not in the certificate; if they are \
         right, add --hostname c.example,10.0.0.1,b.example"
    );
    assert!(made.warnings[1].starts_with("the certificate expires on 2026-12-04 with its CA"));
    assert!(made.key.is_none());
}

#[test]
fn another_subject_replaces_that_of_the_request() {
    let asked = request(csr(r#"{"CN": "x"}"#)).unwrap();
    let made = signed(asked, Some(r#"{"CN": "y", "names": [{"O": "o"}]}"#), &[]).unwrap();
    assert_eq!(made.certificate.unwrap().subject(), "O=o, CN=y");
}

#[test]
fn a_request_for_a_ca_is_refused() {
    let asked = request(csr(r#"{"CN": "x", "ca": {}}"#)).unwrap();
    let error = signed(asked, None, &[]).unwrap_err();
    assert!(error.to_string().contains("asks for a CA certificate (CA:TRUE)"), "{error}");
    let error = issue_new(signing(), csr(r#"{"CN": "x", "ca": {}}"#), None, NOW).unwrap_err();
    assert!(error.is_usage(), "{error}");
}

#[test]
fn the_json_of_cfssl_has_its_fields_in_order() {
    let made = request(csr(r#"{"CN": "x"}"#)).unwrap();
    let text = made.cfssl_json();
    let expected =
        serde_json::json!({"csr": made.request.to_pem(), "key": *made.key.unwrap().to_pem()});
    assert_eq!(*text, format!("{expected}\n"));
}

#[test]
fn an_input_is_read_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("csr.json");
    let made = request(csr(r#"{"CN": "x"}"#)).unwrap();
    for content in [made.request.to_pem(), made.cfssl_json().to_string()] {
        std::fs::write(&path, content).unwrap();
        assert_eq!(read_request(&Input::new(&path)).unwrap(), made.request);
    }
    let error = read_csr(&Input::new(Path::new("/missing.json"))).unwrap_err();
    assert!(error.is_usage(), "{error}");
}
