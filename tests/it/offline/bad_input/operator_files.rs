//! Tests of an invalid CA on the operator's machine.

use std::fs;
use std::os::unix::fs::symlink;

use kcm_pki::{
    CaRequest, CertificateAuthority, CsrFile, KeyAlgorithm, LeafRequest, OutlivesCa, PrivateKey,
    SigningConfig,
};
use kcm_tests::{Workspace, ca, peers, serial};
use time::{Duration, OffsetDateTime};

use super::{Case, FAILED, check};

pub(super) const CA: &str = "pki/ca/cert/ca.pem";
pub(super) const CA_KEY: &str = "pki/ca/cert/ca-key.pem";
pub(super) const PAIR: &str = "pki/kube-controller-manager/cert/kube-controller-manager.pem";
pub(super) const PAIR_KEY: &str =
    "pki/kube-controller-manager/cert/kube-controller-manager-key.pem";

#[test]
fn a_ca_certificate_that_is_none_is_refused() {
    check([
        Case::new(
            "no CA",
            FAILED,
            |workspace| {
                remove(workspace, CA);
                remove(workspace, CA_KEY);
            },
            "the CA certificate (pki.caCert) pki/ca/cert/ca.pem: no such file or directory | help: copy the cluster's CA certificate to this path, or set `pki.createCa: true` to create a test CA",
        ),
        Case::new(
            "no CA certificate",
            FAILED,
            |workspace| remove(workspace, CA),
            "the CA certificate (pki.caCert) pki/ca/cert/ca.pem: no such file or directory, but the file of pki.caKey exists | help: copy the CA certificate to this path",
        ),
        Case::new(
            "a folder as CA",
            FAILED,
            |workspace| {
                remove(workspace, CA);
                fs::create_dir(workspace.file(CA)).unwrap();
            },
            "the CA certificate (pki.caCert) pki/ca/cert/ca.pem: is a directory | help: replace the directory with the file or correct the path",
        ),
        Case::new(
            "a link to nothing",
            FAILED,
            |workspace| {
                remove(workspace, CA);
                symlink("gone.pem", workspace.file(CA)).unwrap();
            },
            "the CA certificate (pki.caCert) pki/ca/cert/ca.pem: pki/ca/cert/ca.pem is a dangling symbolic link | help: correct or remove the link",
        ),
        Case::new(
            "an empty CA",
            FAILED,
            |workspace| workspace.write(CA, ""),
            "the CA certificate (pki.caCert) pki/ca/cert/ca.pem: no certificate in PEM format | help: replace the file with the CA certificate of the cluster",
        ),
        Case::new(
            "no PEM",
            FAILED,
            |workspace| workspace.write(CA, "a certificate\n"),
            "the CA certificate (pki.caCert) pki/ca/cert/ca.pem: no certificate in PEM format | help: replace the file with the CA certificate of the cluster",
        ),
        Case::new(
            "bytes",
            FAILED,
            |workspace| workspace.write(CA, b"\x30\x82\xff\x00"),
            "the CA certificate (pki.caCert) pki/ca/cert/ca.pem: not PEM text | help: replace the file or move the file away",
        ),
        Case::new(
            "a key",
            FAILED,
            |workspace| workspace.write(CA, workspace.read(CA_KEY)),
            "the CA certificate (pki.caCert) pki/ca/cert/ca.pem: no certificate in PEM format (found: EC PRIVATE KEY) | help: replace the file with the CA certificate of the cluster",
        ),
    ]);
}

#[test]
fn a_ca_certificate_that_cannot_sign_is_refused() {
    check([
        Case::new(
            "PEM that holds no certificate",
            FAILED,
            |workspace| {
                workspace
                    .write(CA, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
            },
            "the CA certificate (pki.caCert) pki/ca/cert/ca.pem: cannot parse the certificate: BER error: Unexpected Tag (expected: Some(Tag(16)), actual: Tag(0)) | help: replace the file with the CA certificate of the cluster",
        ),
        Case::new(
            "half a certificate",
            FAILED,
            |workspace| {
                let pem = workspace.read(CA);
                workspace.write(CA, &pem[..pem.len() / 2]);
            },
            "the CA certificate (pki.caCert) pki/ca/cert/ca.pem: cannot parse the certificate: the PEM block is truncated or not base64 | help: replace the file with the CA certificate of the cluster",
        ),
        Case::new(
            "two certificates",
            FAILED,
            |workspace| {
                workspace.write(CA, workspace.read(CA) + &ca(KeyAlgorithm::EcdsaP256, "another").0);
            },
            "the CA certificate (pki.caCert) pki/ca/cert/ca.pem: expected exactly one certificate, found 2 | help: replace the file with the CA certificate of the cluster",
        ),
        Case::new(
            "an expired CA",
            FAILED,
            |workspace| root_of(workspace, -10, 5),
            "the CA certificate (pki.caCert) pki/ca/cert/ca.pem: expired at … (now: …) | help: replace the file with a CA certificate that is valid now",
        ),
        Case::new(
            "a CA to come",
            FAILED,
            |workspace| root_of(workspace, 5, 5),
            "the CA certificate (pki.caCert) pki/ca/cert/ca.pem: not valid before … (now: …) | help: replace the file with a CA certificate that is valid now",
        ),
        Case::new(
            "a leaf",
            FAILED,
            |workspace| {
                let (certificate, key) = leaf(workspace);
                workspace.write(CA, certificate);
                workspace.write(CA_KEY, key);
            },
            "the CA certificate (pki.caCert) pki/ca/cert/ca.pem: the certificate of CN=kubernetes is not a CA certificate: its basic constraints lack CA:TRUE | help: replace the file with the CA certificate of the cluster",
        ),
    ]);
}

#[test]
fn a_ca_that_openssl_made_wrong_is_refused() {
    if !peers::has("openssl") {
        return;
    }
    check([
        Case::new(
            "a CA that may not sign certificates",
            FAILED,
            |workspace| {
                root_by_openssl(workspace, "ec:ca.param", "keyUsage=critical,digitalSignature");
            },
            r#"the CA certificate (pki.caCert) pki/ca/cert/ca.pem: the certificate of CN=kubernetes is not allowed to sign certificates: its key usage lacks "cert sign" | help: replace the file with the CA certificate of the cluster"#,
        ),
        Case::new(
            "a CA with a weak key",
            FAILED,
            |workspace| {
                root_by_openssl(workspace, "rsa:1024", "keyUsage=critical,keyCertSign");
            },
            "the CA key (pki.caKey) pki/ca/cert/ca-key.pem: the RSA key has 1024 bits, which is too weak | help: use at least 2048 bits",
        ),
    ]);
}

#[test]
fn a_ca_key_that_is_needed_and_cannot_be_used_is_refused_before_anything_is_made() {
    let cases = vec![
        Case::new(
            "no key",
            FAILED,
            |workspace| remove(workspace, CA_KEY),
            "the CA key (pki.caKey) pki/ca/cert/ca-key.pem: no such file or directory | help: create the file or correct the path",
        ),
        Case::new(
            "an empty key",
            FAILED,
            |workspace| workspace.write(CA_KEY, ""),
            "the CA key (pki.caKey) pki/ca/cert/ca-key.pem: no private key in PEM format | help: replace the file with the CA key",
        ),
        Case::new(
            "no PEM in the key",
            FAILED,
            |workspace| workspace.write(CA_KEY, "a key\n"),
            "the CA key (pki.caKey) pki/ca/cert/ca-key.pem: no private key in PEM format | help: replace the file with the CA key",
        ),
        Case::new(
            "a certificate",
            FAILED,
            |workspace| workspace.write(CA_KEY, workspace.read(CA)),
            "the CA key (pki.caKey) pki/ca/cert/ca-key.pem: no private key in PEM format (found: CERTIFICATE) | help: replace the file with the CA key",
        ),
        Case::new(
            "the key of another CA",
            FAILED,
            |workspace| {
                workspace.write(CA_KEY, ca(KeyAlgorithm::EcdsaP256, "kubernetes").1);
            },
            "the CA key (pki.caKey) pki/ca/cert/ca-key.pem: the CA key does not match the CA certificate of CN=kubernetes (sha256:…) | help: replace the file with the CA key",
        ),
        Case::new(
            "two keys",
            FAILED,
            |workspace| workspace.write(CA_KEY, workspace.read(CA_KEY).repeat(2)),
            "the CA key (pki.caKey) pki/ca/cert/ca-key.pem: expected exactly one private key, found 2 | help: replace the file with the CA key",
        ),
        Case::new(
            "an encrypted key",
            FAILED,
            |workspace| {
                workspace.write(CA_KEY, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
            },
            "the CA key (pki.caKey) pki/ca/cert/ca-key.pem: the key is encrypted: cannot prompt for the secret of pki.caKeyPassphrase: there is no terminal | help: set pki.caKeyPassphrase.file or pki.caKeyPassphrase.env",
        ),
        Case::new(
            "a key encrypted the old way",
            FAILED,
            |workspace| {
                workspace.write(CA_KEY, "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n");
            },
            "the CA key (pki.caKey) pki/ca/cert/ca-key.pem: the key is encrypted: cannot prompt for the secret of pki.caKeyPassphrase: there is no terminal | help: set pki.caKeyPassphrase.file or pki.caKeyPassphrase.env",
        ),
        Case::new(
            "half a key",
            FAILED,
            |workspace| {
                let pem = workspace.read(CA_KEY);
                workspace.write(CA_KEY, &pem[..pem.len() / 2]);
            },
            "the CA key (pki.caKey) pki/ca/cert/ca-key.pem: cannot parse the private key: the PEM block is truncated or not base64 | help: replace the file with the CA key",
        ),
        Case::new(
            "a folder as key",
            FAILED,
            |workspace| {
                remove(workspace, CA_KEY);
                fs::create_dir(workspace.file(CA_KEY)).unwrap();
            },
            "the CA key (pki.caKey) pki/ca/cert/ca-key.pem: is a directory | help: replace the directory with the file or correct the path",
        ),
    ];
    check(cases);
}

#[test]
fn a_second_ca_is_not_made_where_one_is_in_use() {
    let create = |workspace: &Workspace| {
        workspace.edit("  keyAlgorithm:", "  createCa: true\n  keyAlgorithm:");
        remove(workspace, CA);
    };
    check([
        Case::new(
            "its key is there",
            FAILED,
            create,
            "the CA certificate (pki.caCert) pki/ca/cert/ca.pem: no such file or directory, but the file of pki.caKey exists | help: copy the CA certificate to this path",
        ),
        Case::new(
            "its certificate is there",
            FAILED,
            move |workspace| {
                workspace.edit("  keyAlgorithm:", "  createCa: true\n  keyAlgorithm:");
                remove(workspace, CA_KEY);
            },
            "the CA key (pki.caKey) pki/ca/cert/ca-key.pem: no such file or directory | help: create the file or correct the path",
        ),
        Case::new(
            "masters have been set up",
            FAILED,
            move |workspace| {
                workspace.apply();
                create(workspace);
                remove(workspace, CA_KEY);
                fs::remove_dir_all(workspace.file("pki/kube-controller-manager")).unwrap();
            },
            "pki.createCa: this machine has no CA, but k8s-master-01 has a kube-controller-manager unit, and k8s-master-02 has a kube-controller-manager unit, and k8s-master-03 has a kube-controller-manager unit, and clients of an existing CA would not trust a second CA | help: copy the CA of the cluster to pki/ca/cert/ca.pem",
        ),
        Case::new(
            "a master has its certificate",
            FAILED,
            move |workspace| {
                create(workspace);
                remove(workspace, CA_KEY);
                workspace
                    .write("out/k8s-master-02/opt/kubernetes/pki/ca/cert/ca.pem", "a certificate");
            },
            "pki.createCa: this machine has no CA, but k8s-master-02 has a CA certificate, and clients of an existing CA would not trust a second CA | help: copy the CA of the cluster to pki/ca/cert/ca.pem",
        ),
        Case::new(
            "it has signed a pair",
            FAILED,
            move |workspace| {
                workspace.apply();
                create(workspace);
                remove(workspace, CA_KEY);
                fs::remove_dir_all(workspace.file("out")).unwrap();
            },
            "pki.createCa: this machine has no CA, but pki/kube-controller-manager/cert contains an identity, and clients of an existing CA would not trust a second CA | help: copy the CA of the cluster to pki/ca/cert/ca.pem",
        ),
    ]);
}

pub(super) fn remove(workspace: &Workspace, name: &str) {
    fs::remove_file(workspace.file(name)).unwrap();
}

/// Writes a root CA whose validity begins `from` days from now and lasts `days`.
fn root_of(workspace: &Workspace, from: i64, days: i64) {
    let csr = CsrFile::parse(r#"{"CN": "kubernetes"}"#).unwrap().value;
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let lifetime = Duration::days(days).unsigned_abs();
    let request = CaRequest { subject: csr.subject, lifetime, path_len: None };
    let now = OffsetDateTime::now_utc() + Duration::days(from);
    let root = CertificateAuthority::create(&request, &key, serial(), now).unwrap();
    workspace.write(CA, root.to_pem());
    workspace.write(CA_KEY, &*key.to_pem());
}

/// Returns a client certificate of the workspace's CA, and its key.
fn leaf(workspace: &Workspace) -> (String, String) {
    let ca = CertificateAuthority::load(
        workspace.read(CA).as_bytes(),
        workspace.read(CA_KEY).as_bytes(),
    )
    .unwrap();
    let csr = CsrFile::parse(r#"{"CN": "kubernetes"}"#).unwrap().value;
    let config = SigningConfig::built_in();
    let request = LeafRequest {
        subject: csr.subject,
        hosts: csr.hosts,
        usages: config.default_profile().unwrap().usages.clone(),
        lifetime: Duration::days(1).unsigned_abs(),
        outlives_ca: OutlivesCa::Refuse,
    };
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let now = OffsetDateTime::now_utc();
    let issued = ca.issue(&request, key.public_key(), serial(), now).unwrap();
    (issued.certificate.to_pem(), key.to_pem().to_string())
}

/// Writes a root CA with extensions that kcm does not set.
fn root_by_openssl(workspace: &Workspace, key: &str, usage: &str) {
    let config = format!(
        "[req]\ndistinguished_name=dn\nx509_extensions=ca\nprompt=no\n[dn]\nCN=kubernetes\n\
         [ca]\nbasicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\n{usage}\n"
    );
    workspace.write("openssl.cnf", config);
    if key.starts_with("ec") {
        let curve = [
            "genpkey",
            "-genparam",
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-out",
            "ca.param",
        ];
        peers::run(&mut peers::openssl(workspace.path(), &curve));
    }
    let request = [
        "req",
        "-x509",
        "-config",
        "openssl.cnf",
        "-newkey",
        key,
        "-nodes",
        "-keyout",
        CA_KEY,
        "-out",
        CA,
        "-days",
        "10",
    ];
    peers::run(&mut peers::openssl(workspace.path(), &request));
}
