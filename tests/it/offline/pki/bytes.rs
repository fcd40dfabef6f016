//! Tests that the crate and cfssl or openssl create the same bytes.

use super::*;

#[test]
fn any_leaf_is_cfssls_to_the_byte_given_its_key_serial_and_time() {
    if !peers::has("cfssl") {
        return;
    }
    for (algorithm, size) in [("rsa", 2048), ("ecdsa", 521)] {
        let workspace = site_of(algorithm, size, "876000h");
        let ca = CertificateAuthority::load(
            workspace.read(CA).as_bytes(),
            workspace.read(CA_KEY).as_bytes(),
        );
        let ca = ca.unwrap();
        for (index, (profile, csr)) in csrs().into_iter().enumerate() {
            let bare = format!("theirs-{index}");
            sign(&workspace, profile, &csr, &bare);
            let theirs =
                Certificate::from_pem(workspace.read(&format!("{bare}.pem")).as_bytes()).unwrap();
            let key = PrivateKey::from_pem(workspace.read(&format!("{bare}-key.pem")).as_bytes())
                .unwrap();
            let ours = issue(&ca, profile, &csr, &key, &theirs);
            assert_eq!(
                tbs(&ours),
                tbs(&theirs),
                "{csr} {profile}\n{}{}",
                ours.to_pem(),
                theirs.to_pem()
            );
            // ECDSA signatures are random.
            assert!(algorithm == "ecdsa" || ours.der() == theirs.der(), "{csr}");
        }
    }
}

fn csrs() -> Vec<(&'static str, Json)> {
    let csr = |algorithm: &str, size: u32, names: Json, hosts: Json| {
        let key = json!({"algo": algorithm, "size": size});
        json!({"CN": "system:kube-controller-manager", "key": key, "names": names, "hosts": hosts})
    };
    let hosts = json!([
        "kubernetes",
        "10.68.0.1",
        "a.b.c.d.example.com",
        "::1",
        "fd00:0:0::1",
        "::ffff:10.0.0.9",
        "*.example.com",
        "someone@example.com",
        "255.255.255.255",
        "xn--bcher-kva.example",
        "localhost",
        "a_b.example"
    ]);
    let names = json!([
        {"C": "CN", "ST": "Shanghai", "L": "Shanghai", "O": "system:kube-controller-manager", "OU": "System"},
        {"C": "DE", "O": "b", "OU": "zz"},
        {"O": "aa", "OU": "上海"},
        {},
        {"L": "a@b", "O": "system:masters"},
    ]);
    let hostile = "()+,-./:=?' 09AZaz";
    let not_printable = [
        "*",
        "&",
        "@",
        "_",
        "\"",
        "<x>",
        "a;b",
        "#a",
        "\\,",
        "é",
        "上海 浦东",
        "😀",
        "%",
        "!",
        "~",
    ];
    let mut csrs = vec![
        ("kubernetes", tutorials_csr()),
        ("kubernetes", json!({"CN": "x"})),
        (
            "kubernetes",
            json!({"cn": "x", "CN": "y", "serialnumber": "12-3", "names": null, "hosts": null}),
        ),
        (
            "kubernetes",
            csr("rsa", 3072, json!([{"O": hostile, "OU": format!(" {hostile} ")}]), json!([])),
        ),
        ("odd", csr("ecdsa", 384, names, hosts)),
        (
            "extended",
            csr("ecdsa", 521, json!([{"ST": "a".repeat(128)}]), json!(["b.example", "a.example"])),
        ),
        ("basic", csr("ecdsa", 256, json!([{"O": "x".repeat(300)}]), json!(["10.0.0.1"]))),
    ];
    csrs.extend(not_printable.map(|value| {
        (
            "kubernetes",
            csr("ecdsa", 256, json!([{"C": value, "O": value}, {"O": "plain"}]), json!([])),
        )
    }));
    csrs
}

fn tbs(certificate: &Certificate) -> Vec<u8> {
    let (_, x509) = X509Certificate::from_der(certificate.der()).unwrap();
    x509.tbs_certificate.as_ref().to_vec()
}

#[test]
fn hosts_of_every_type_are_what_openssl_reads() {
    if !peers::has("cfssl") || !peers::has("openssl") {
        return;
    }
    let workspace = site_of("ecdsa", 256, "876000h");
    let ca = CertificateAuthority::load(
        workspace.read(CA).as_bytes(),
        workspace.read(CA_KEY).as_bytes(),
    )
    .unwrap();
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let hosts = [
        "10.0.0.1",
        "spiffe://cluster.local/ns/kube-system",
        "a@b.example",
        "b.example",
        "fd00::1",
        "*.a.example",
    ];
    assert_eq!(Hosts::parse(hosts).unwrap().len(), hosts.len());
    let issued = issue(
        &ca,
        "kubernetes",
        &json!({"CN": "x", "hosts": hosts}),
        &key,
        ca.certificate().certificate(),
    );
    workspace.write("ours.pem", issued.to_pem());
    let names = ["x509", "-noout", "-ext", "subjectAltName", "-in", "ours.pem"];
    let names = peers::run(&mut peers::openssl(workspace.path(), &names));
    let expected = "DNS:b.example, DNS:*.a.example, email:a@b.example, IP Address:10.0.0.1, \
        IP Address:FD00:0:0:0:0:0:0:1, URI:spiffe://cluster.local/ns/kube-system";
    assert_eq!(names.lines().nth(1).unwrap().trim(), expected);
}

#[test]
fn key_files_are_openssls_to_the_byte() {
    if !peers::has("openssl") {
        return;
    }
    let workspace = Workspace::empty();
    for algorithm in [
        KeyAlgorithm::Rsa2048,
        KeyAlgorithm::Rsa3072,
        KeyAlgorithm::Rsa4096,
        KeyAlgorithm::EcdsaP256,
        KeyAlgorithm::EcdsaP384,
        KeyAlgorithm::EcdsaP521,
    ] {
        let ours = PrivateKey::generate(algorithm).unwrap().to_pem();
        workspace.write("ours.pem", ours.as_bytes());
        let rewrite: &[&str] = if algorithm.as_str().starts_with("rsa") {
            &["rsa", "-traditional", "-in", "ours.pem"]
        } else {
            &["ec", "-in", "ours.pem"]
        };
        assert_eq!(
            peers::run(&mut peers::openssl(workspace.path(), rewrite)),
            *ours,
            "{algorithm}"
        );
        peers::run(&mut peers::openssl(
            workspace.path(),
            &["pkey", "-in", "ours.pem", "-check", "-noout"],
        ));

        // kcm reads a key in OpenSSL's PKCS#8 form, and writes its original form.
        let pkcs8 = peers::run(&mut peers::openssl(
            workspace.path(),
            &["pkcs8", "-topk8", "-nocrypt", "-in", "ours.pem"],
        ));
        assert_eq!(*PrivateKey::from_pem(pkcs8.as_bytes()).unwrap().to_pem(), *ours, "{algorithm}");
    }
}
