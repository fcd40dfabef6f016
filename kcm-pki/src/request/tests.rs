use proptest::prelude::*;
use yasna::Tag;

use super::*;
use crate::{
    ca::LeafRequest,
    subject::Subject,
    testing::{NOW, authority, leaf_request, p256, serial, testdata},
};

const OPENSSL: &str = testdata!("requests/openssl.csr.pem");
const CFSSL_RSA: &str = testdata!("requests/cfssl-rsa.csr.pem");

fn load(pem: &str) -> CertificateRequest {
    CertificateRequest::from_pem(pem.as_bytes()).unwrap()
}

fn refused(pem: &str) -> RequestError {
    CertificateRequest::from_pem(pem.as_bytes()).unwrap_err()
}

fn created(csr: &str, key: &str) -> CertificateRequest {
    let csr = CsrFile::parse(csr).unwrap().value;
    CertificateRequest::create(&csr, &PrivateKey::from_pem(key.as_bytes()).unwrap()).unwrap()
}

fn hosts(request: &CertificateRequest) -> Vec<String> {
    request.hosts().iter().map(ToString::to_string).collect()
}

/// Signs a request with these attributes, each an object identifier and its values in DER.
fn request(version: u8, attributes: &[(&[u8], &[&[u8]])]) -> Vec<u8> {
    let key = p256();
    let subject = Subject::new("x", vec![], None).unwrap();
    let info = yasna::construct_der(|writer| {
        writer.write_sequence(|fields| {
            fields.next().write_u8(version);
            fields.next().write_der(subject.der());
            fields.next().write_der(key.public_key().der());
            fields.next().write_tagged_implicit(Tag::context(0), |writer| {
                writer.write_set_of(|set| {
                    for (oid, values) in attributes {
                        set.next().write_sequence(|attribute| {
                            attribute.next().write_der(oid);
                            attribute.next().write_set_of(|set| {
                                values.iter().for_each(|value| set.next().write_der(value));
                            });
                        });
                    }
                });
            });
        });
    });
    key.sign_structure(&info).unwrap()
}

/// A list of basicConstraints extensions with CA:TRUE.
fn ca_true(count: usize) -> Vec<u8> {
    let extension = [&[0x30, 0x0c, 6, 3, 0x55, 0x1d, 0x13, 4, 5][..], &[0x30, 3, 1, 1, 0xff]];
    let extension = extension.concat();
    [vec![0x30, u8::try_from(extension.len() * count).unwrap()], extension.repeat(count)].concat()
}

#[test]
fn requests_equal_those_of_cfssl_octet_for_octet() {
    for (csr, key, theirs) in [
        (
            testdata!("requests/cfssl-rsa.json"),
            testdata!("requests/cfssl-rsa-key.pem"),
            testdata!("requests/cfssl-rsa.csr.pem"),
        ),
        (
            testdata!("requests/cfssl-ca.json"),
            testdata!("requests/cfssl-ca-key.pem"),
            testdata!("requests/cfssl-ca.csr.pem"),
        ),
    ] {
        assert_eq!(created(csr, key).to_pem(), theirs);
    }
}

#[test]
fn requests_of_cfssl_and_openssl_are_read() {
    let request = load(CFSSL_RSA);
    assert_eq!(
        request.subject(),
        "C=CN, O=b* + O=system:kube-scheduler, OU=ünï, CN=system:kube-scheduler, serialNumber=7"
    );
    assert_eq!(hosts(&request), ["b.example", "a.example", "me@x.example", "10.0.0.1", "fd00::1"]);
    assert_eq!(request.public_key().key_type().to_string(), "rsa-2048");
    assert!(!request.asks_to_be_ca() && request.requested_usages().is_empty());
    assert!(load(testdata!("requests/cfssl-ca.csr.pem")).asks_to_be_ca());
    assert!(load(testdata!("requests/ca-true.csr.pem")).asks_to_be_ca());

    let request = load(OPENSSL);
    assert_eq!(request.subject(), "O=system:masters, CN=admin");
    assert_eq!(hosts(&request), ["a.example", "10.0.0.1"]);
    assert_eq!(request.requested_usages().to_string(), "cert sign, client auth");
    assert_eq!(hosts(&load(testdata!("requests/challenge.csr.pem"))), ["a"]);
    assert_eq!(load(testdata!("requests/new-header.csr.pem")).subject(), "CN=new header");
    let request = load(testdata!("requests/p256-sha384.csr.pem"));
    assert_eq!(request.signature_algorithm(), "ecdsa-with-SHA384");
}

#[test]
fn the_subject_of_a_request_is_issued_octet_for_octet() {
    let request = load(OPENSSL);
    let subject = Subject::from_der(request.subject_der()).unwrap();
    let leaf = LeafRequest { subject, ..leaf_request() };
    let issued = authority().issue(&leaf, request.public_key(), serial(), NOW).unwrap().certificate;
    assert_eq!(issued.subject_der(), request.subject_der());
    assert_eq!(issued.public_key(), request.public_key());
    assert!(issued.sans().is_empty() && !issued.is_ca());
    assert_eq!(issued.usages().to_string(), "signing, key encipherment, client auth");
}

#[test]
fn exactly_one_request_is_expected() {
    assert_eq!(refused("text").to_string(), "no certificate request in PEM format");
    let key = testdata!("requests/cfssl-rsa-key.pem");
    assert_eq!(refused(key), RequestError::NoRequest { found: vec!["RSA PRIVATE KEY".into()] });
    assert_eq!(load(&format!("{key}{OPENSSL}")), load(OPENSSL));
    assert_eq!(refused(&format!("{OPENSSL}{OPENSSL}")), RequestError::SeveralRequests { count: 2 });
    assert!(matches!(refused(&OPENSSL[..200]), RequestError::Malformed { .. }));
    let mut der = load(OPENSSL).der().to_vec();
    der.push(0);
    assert_eq!(
        CertificateRequest::from_der(&der).unwrap_err().to_string(),
        "cannot parse the certificate request: octets follow the certificate request"
    );
}

#[test]
fn weak_and_unsupported_requests_are_refused_by_name() {
    let sha1 = RequestError::WeakSignature { algorithm: "ecdsa-with-SHA1".into() };
    assert_eq!(refused(testdata!("requests/sha1.csr.pem")), sha1);
    let md5 = RequestError::WeakSignature { algorithm: "md5WithRSAEncryption".into() };
    assert_eq!(refused(testdata!("requests/md5.csr.pem")), md5);
    let pss = RequestError::UnsupportedSignature { algorithm: "rsassaPss".into() };
    assert_eq!(refused(testdata!("requests/pss.csr.pem")), pss);
    let weak = RequestError::WeakKey { bits: 1024 };
    assert_eq!(refused(testdata!("requests/rsa-1024.csr.pem")), weak);
    for (pem, oid) in [
        (testdata!("requests/ed25519.csr.pem"), "1.3.101.112"),
        (testdata!("requests/secp256k1.csr.pem"), "1.3.132.0.10"),
    ] {
        let key_type = KeyType::Other { oid: oid.into() };
        assert_eq!(refused(pem), RequestError::UnsupportedKey { key_type });
    }
}

#[test]
fn a_request_that_lies_is_refused() {
    let der = load(OPENSSL).der().to_vec();
    let changed = |from: &[u8], to: &[u8]| {
        let mut der = der.clone();
        let at = der.windows(from.len()).rposition(|window| window == from).unwrap();
        der[at..at + from.len()].copy_from_slice(to);
        CertificateRequest::from_der(&der).unwrap_err()
    };
    assert_eq!(changed(b"admin", b"admim"), RequestError::BadSignature);
    assert_eq!(changed(b"a.example", b"b.example"), RequestError::BadSignature);
    // ecdsa-with-SHA256 becomes ecdsa-with-SHA384.
    let sha256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    let sha384 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
    assert_eq!(changed(&sha256, &sha384), RequestError::BadSignature);
    let mut der = load(CFSSL_RSA).der().to_vec();
    let rsa = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11, 5, 0];
    let at = der.windows(rsa.len()).rposition(|window| window == rsa).unwrap();
    let ecdsa = [0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2, 4, 1, 0];
    der[at..at + rsa.len()].copy_from_slice(&ecdsa);
    assert_eq!(
        CertificateRequest::from_der(&der).unwrap_err().to_string(),
        "the certificate request claims a signature with ecdsa-with-SHA256, but its key has the \
         type rsa-2048"
    );
}

#[test]
fn contradictory_extension_requests_are_refused() {
    let reason = |attributes: &[(&[u8], &[&[u8]])]| match CertificateRequest::from_der(&request(
        0, attributes,
    ))
    .unwrap_err()
    {
        RequestError::Extensions { reason } => reason,
        other => panic!("{other:?}"),
    };
    let (one, two) = (ca_true(1), ca_true(2));
    let (pkcs9, microsoft) = (oid::EXTENSION_REQUEST, oid::MICROSOFT_EXTENSION_REQUEST);
    let read = CertificateRequest::from_der(&request(0, &[(microsoft, &[&one])])).unwrap();
    assert!(read.asks_to_be_ca(), "OpenSSL reads the older attribute, too");
    assert_eq!(reason(&[(pkcs9, &[&two])]), "the extension 2.5.29.19 occurs more than once");
    let several = "the request has more than one extension request";
    assert_eq!(reason(&[(pkcs9, &[&one]), (pkcs9, &[&one])]), several);
    assert_eq!(reason(&[(microsoft, &[&one]), (pkcs9, &[&one])]), several);
    let values = "the extension request does not have exactly one value";
    assert_eq!(reason(&[(pkcs9, &[&one, &one])]), values);
    assert_eq!(reason(&[(pkcs9, &[])]), values);
    assert_eq!(reason(&[(pkcs9, &[&[4, 0]])]), "the extension request is malformed");
    let broken = [0x30, 9, 0x30, 7, 6, 3, 0x55, 0x1d, 0x13, 4, 0];
    assert_eq!(reason(&[(pkcs9, &[&broken])]), "the extension 2.5.29.19 is malformed");
    assert!(matches!(
        CertificateRequest::from_der(&request(1, &[])),
        Err(RequestError::Malformed { .. })
    ));
}

#[test]
fn a_request_without_common_name_is_read_but_has_no_subject_to_issue() {
    let request = load(testdata!("requests/empty.csr.pem"));
    assert_eq!((request.subject(), request.subject_der()), (String::new(), &[0x30, 0][..]));
    let error = Subject::from_der(request.subject_der()).unwrap_err();
    assert!(error.to_string().starts_with("`CN` is missing or empty"), "{error}");
}

proptest! {
    #[test]
    fn no_octets_make_the_reader_panic(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(CertificateRequest::from_der(&octets).is_err());
    }

    #[test]
    fn no_damage_goes_unnoticed(position in 0_usize..316, with in any::<u8>()) {
        let mut der = load(OPENSSL).der().to_vec();
        let unchanged = der[position] == with;
        der[position] = with;
        prop_assert_eq!(CertificateRequest::from_der(&der).is_ok(), unchanged);
    }

    #[test]
    fn created_requests_have_the_subject_and_the_hosts_of_the_file(
        name in "[a-zA-Z0-9:*@ üé中]{1,20}",
        hosts in prop::collection::vec("[a-z]{1,9}(\\.[a-z]{1,9}){0,2}", 0..5),
        pathlen in prop::option::of(0_u8..9),
    ) {
        let ca = pathlen.map(|pathlen| serde_json::json!({"pathlen": pathlen}));
        let csr = serde_json::json!({"CN": name, "hosts": hosts, "ca": ca}).to_string();
        let csr = CsrFile::parse(&csr).unwrap().value;
        let request = CertificateRequest::create(&csr, &p256()).unwrap();
        let again = CertificateRequest::from_pem(request.to_pem().as_bytes()).unwrap();
        let subject = Subject::from_der(again.subject_der()).unwrap();
        prop_assert_eq!(subject.der(), csr.subject.der());
        prop_assert_eq!(again.hosts(), &csr.hosts);
        prop_assert_eq!(again.asks_to_be_ca(), csr.ca.is_some());
        prop_assert_eq!(again, request);
    }
}

#[test]
fn a_length_that_leads_back_to_its_element_is_an_error() {
    // With 64 bits, the content of this element ends where the element begins.
    let back = [&[0x04, 0x88][..], &(u64::MAX - 9).to_be_bytes()].concat();
    let expected = RequestError::Malformed { reason: "unexpected end of the data".to_owned() };
    for (attribute, values) in [(oid::EXTENSION_REQUEST, &[&*back][..]), (&*back, &[])] {
        let der = request(0, &[(attribute, values)]);
        assert_eq!(CertificateRequest::from_der(&der).err().as_ref(), Some(&expected));
    }
    let subject = [&[0x30, 19, 0x31, 17, 0x30, 15, 6, 3, 0x55, 4, 3][..], &back].concat();
    assert!(Subject::from_der(&subject).is_err());
}
