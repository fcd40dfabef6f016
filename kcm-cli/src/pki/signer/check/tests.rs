use kcm_pki::{
    CaRequest, CertificateAuthority, CsrFile, KeyAlgorithm, LeafRequest, OutlivesCa, PrivateKey,
    SerialNumber, Usages,
};
use time::macros::datetime;

use super::*;
use crate::pki::IdentityRequest;

const NOW: OffsetDateTime = datetime!(2026-11-23 06:00 UTC);
const HOUR: Duration = Duration::from_secs(3600);
const CSR: &str = r#"{"CN": "system:kube-controller-manager", "hosts": ["localhost"]}"#;

/// A change of an otherwise right certificate.
type Lie = fn(&mut LeafRequest);

fn authority(name: &str) -> CertificateAuthority {
    let subject = CsrFile::parse(&format!(r#"{{"CN": "{name}"}}"#)).unwrap().value.subject;
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let request = CaRequest { subject, lifetime: HOUR * 10_000, path_len: None };
    let serial = SerialNumber::from_random([7; 20]);
    let root = CertificateAuthority::create(&request, &key, serial, NOW).unwrap();
    CertificateAuthority::new(CaCertificate::new(root).unwrap(), key).unwrap()
}

fn order() -> SigningOrder {
    let csr = CsrFile::parse(CSR).unwrap().value;
    let properties = IdentityRequest {
        subject: csr.subject,
        hosts: csr.hosts,
        usages: Usages::parse(["signing", "client auth"]).unwrap(),
        key_algorithm: KeyAlgorithm::EcdsaP256,
        lifetime: HOUR * 1000,
        renew_before: HOUR * 100,
    };
    SigningOrder::new(properties, &PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap(), NOW)
        .unwrap()
}

/// Returns the certificate that a signer issues for `order`, changed by `lie`.
fn signed(
    ca: &CertificateAuthority,
    order: &SigningOrder,
    lie: impl FnOnce(&mut LeafRequest),
) -> CertificateChain {
    let IdentityRequest { subject, hosts, usages, lifetime, .. } = order.properties.clone();
    let outlives_ca = OutlivesCa::Clamp;
    let mut leaf = LeafRequest { subject, hosts, usages, lifetime, outlives_ca };
    lie(&mut leaf);
    let serial = SerialNumber::from_random([9; 20]);
    let issued = ca.issue(&leaf, order.request.public_key(), serial, NOW).unwrap();
    CertificateChain::order(vec![issued.certificate]).unwrap()
}

#[test]
fn the_requested_certificate_is_accepted_without_its_root() {
    let (ca, order) = (authority("kubernetes"), order());
    let leaf = signed(&ca, &order, |_| {}).leaf().clone();
    let root = ca.certificate().certificate().clone();
    let chain = CertificateChain::order(vec![root, leaf.clone()]).unwrap();
    let accepted = accept(&order, &chain, ca.certificate()).unwrap();
    assert_eq!(accepted.certificate(), &leaf);
    assert_eq!(accepted.to_pem(), leaf.to_pem());
    assert!(accepted.warnings(NOW).is_empty());
}

#[test]
fn each_difference_from_the_request_is_refused() {
    let (ca, other, order) = (authority("kubernetes"), authority("other"), order());
    let refused =
        |chain: CertificateChain| accept(&order, &chain, ca.certificate()).unwrap_err().to_string();
    let lies: [(Lie, &str); 5] = [
        (
            |leaf| leaf.subject = CsrFile::parse(r#"{"CN": "admin"}"#).unwrap().value.subject,
            "its subject is `CN=admin`, not `CN=system:kube-controller-manager`",
        ),
        (|leaf| leaf.hosts = Hosts::default(), "its names are [], not [localhost]"),
        (
            |leaf| leaf.usages = Usages::parse(["signing", "server auth"]).unwrap(),
            "it lacks the usages client auth",
        ),
        (|leaf| leaf.lifetime = HOUR * 2, "which is within pki.renewBefore"),
        (
            |leaf| leaf.usages = Usages::parse(["key encipherment", "client auth"]).unwrap(),
            "it lacks the usages signing",
        ),
    ];
    for (lie, expected) in lies {
        let text = refused(signed(&ca, &order, lie));
        assert!(text.contains(expected), "{text}");
    }
    let another = self::order();
    assert_eq!(
        refused(signed(&ca, &another, |_| {})),
        "it belongs to another key than the request"
    );
    let text = refused(signed(&other, &order, |_| {}));
    assert!(text.contains("issued by CN=other"), "{text}");
    let again = authority("kubernetes");
    let text = refused(signed(&again, &order, |_| {}));
    assert!(text.contains("not signed by the key of this CA"), "{text}");
}

#[test]
fn a_certificate_that_expires_with_its_ca_is_accepted_with_a_warning() {
    let ca = authority("kubernetes");
    let mut order = order();
    order.properties.lifetime = HOUR * 20_000;
    order.properties.renew_before = HOUR * 10_001;
    let accepted = accept(&order, &signed(&ca, &order, |_| {}), ca.certificate()).unwrap();
    let warnings = accepted.warnings(NOW);
    assert!(warnings[0].contains("expires with its CA"), "{warnings:?}");
}
