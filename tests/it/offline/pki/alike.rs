//! Tests that kcm and cfssl issue equal certificates from one cluster file, field by field.

use super::*;

#[test]
fn under_every_kind_of_ca_the_tutorials_leaf_is_cfssls_field_by_field_and_accepted() {
    if !peers::has("cfssl") || !peers::has("openssl") {
        return;
    }
    for (algorithm, size) in CA_KEYS {
        let workspace = site_of(algorithm, size, "876000h");
        workspace.apply();
        sign(&workspace, "kubernetes", &tutorials_csr(), "theirs");
        assert_alike(&workspace, CERTIFICATE, "theirs.pem");
        for (ours, theirs, mode) in
            [(CERTIFICATE, "theirs.pem", 0o644), (KEY, "theirs-key.pem", 0o600)]
        {
            for file in [ours, theirs] {
                let found =
                    fs::metadata(workspace.file(file)).unwrap().permissions().mode() & 0o7777;
                assert_eq!(found, mode, "{file}");
            }
        }
        let label = |file: &str| workspace.read(file).lines().next().unwrap().to_owned();
        assert_eq!(label(KEY), label("theirs-key.pem"));

        verify_with_openssl(&workspace, CERTIFICATE).unwrap();
        verify_with_rustls(&workspace.read(CERTIFICATE), &workspace.read(CA)).unwrap();
        verify_with_go(&workspace, CERTIFICATE).unwrap();
    }
}

#[test]
fn the_root_that_kcm_makes_is_cfssls_field_by_field() {
    if !peers::has("cfssl") || !peers::has("openssl") {
        return;
    }
    let workspace = Workspace::new();
    fs::remove_dir_all(workspace.file("pki")).unwrap();
    workspace.edit("  keyAlgorithm: ecdsa-p256\n", "  createCa: true\n");
    workspace.apply();
    gencert(&workspace, &["-initca"], &ca_csr("rsa", 2048, "876000h"), "theirs");
    assert_alike(&workspace, CA, "theirs.pem");
    let times = shape(&workspace.read(CA)).times;
    assert_eq!(times, ["UTCTime", "GeneralizedTime"], "it reaches beyond 2050");
}

/// Asserts that two certificates differ only in key, serial number, time of issue and signature.
fn assert_alike(workspace: &Workspace, ours: &str, theirs: &str) {
    let (our_shape, their_shape) = (shape(&workspace.read(ours)), shape(&workspace.read(theirs)));
    let apart = (our_shape.not_before - their_shape.not_before).abs();
    assert!(apart <= 120, "{apart} s");
    assert_eq!(Shape { not_before: 0, ..our_shape }, Shape { not_before: 0, ..their_shape });
    assert_eq!(text(workspace, ours), text(workspace, theirs));
    assert_eq!(structure(workspace, ours), structure(workspace, theirs));
}

/// Content of a certificate, except key, serial number and signature.
#[derive(Debug, PartialEq)]
struct Shape {
    version: u32,
    signature_algorithms: [String; 2],
    issuer: Vec<u8>,
    subject: Vec<u8>,
    not_before: i64,
    lifetime: i64,
    times: [&'static str; 2],
    key_algorithm: String,
    key_bits: usize,
    /// Identifier, criticality and value of each extension.
    extensions: Vec<(String, bool, Vec<u8>)>,
}

fn shape(pem: &str) -> Shape {
    let certificate = Certificate::from_pem(pem.as_bytes()).unwrap();
    let (rest, x509) = X509Certificate::from_der(certificate.der()).unwrap();
    assert!(rest.is_empty());
    let serial = x509.raw_serial();
    assert!(serial.len() <= 20 && serial[0] < 0x80, "{serial:?}");
    let key = x509.public_key();
    let extension = |extension: &x509_parser::extensions::X509Extension<'_>| {
        let oid = extension.oid.to_id_string();
        let value = if oid == "2.5.29.14" {
            let sha1 = digest(&SHA1_FOR_LEGACY_USE_ONLY, &key.subject_public_key.data);
            assert_eq!(
                extension.value[2..],
                *sha1.as_ref(),
                "the key identifier is the key's SHA-1"
            );
            Vec::new()
        } else {
            extension.value.to_vec()
        };
        (oid, extension.critical, value)
    };
    let validity = x509.validity();
    let kind = |time: x509_parser::time::ASN1Time| {
        if time.is_utctime() { "UTCTime" } else { "GeneralizedTime" }
    };
    Shape {
        version: x509.version().0,
        signature_algorithms: [&x509.signature_algorithm, &x509.tbs_certificate.signature]
            .map(|algorithm| format!("{algorithm:?}")),
        issuer: x509.issuer().as_raw().to_vec(),
        subject: x509.subject().as_raw().to_vec(),
        not_before: validity.not_before.timestamp(),
        lifetime: validity.not_after.timestamp() - validity.not_before.timestamp(),
        times: [kind(validity.not_before), kind(validity.not_after)],
        key_algorithm: format!("{:?}", key.algorithm),
        key_bits: key.parsed().unwrap().key_size(),
        extensions: x509.extensions().iter().map(extension).collect(),
    }
}

/// Returns the certificate's ASN.1 as OpenSSL parses it: nesting, types, and the values that must
/// be equal.
fn structure(workspace: &Workspace, file: &str) -> String {
    let parsed = peers::run(&mut peers::openssl(workspace.path(), &["asn1parse", "-in", file]));
    let (mut lines, mut is_key_id) = (Vec::new(), false);
    for line in parsed.lines() {
        // "  13:d=2  hl=2 l=  20 prim: INTEGER           :739B…": lengths of numbers and signatures
        // vary.
        let (depth, rest) = line.split_once("d=").unwrap().1.split_once(' ').unwrap();
        let kind = rest.find("prim:").or_else(|| rest.find("cons:")).unwrap();
        let (kind, value) = rest[kind..].split_at((rest.len() - kind).min(24));
        let differs = matches!((depth, kind.trim()), ("2", "prim: INTEGER"))
            || kind.contains("TIME")
            || is_key_id;
        lines.push(format!("{depth} {} {}", kind.trim(), if differs { "" } else { value }));
        is_key_id = value.contains("Subject Key Identifier");
    }
    assert!(lines.len() > 40, "{parsed}");
    lines.join("\n")
}
