//! Tests of inputs that cfssl signs silently and kcm refuses or corrects, and of certificates that
//! peers refuse.

use super::*;

#[test]
fn openssl_and_rustls_and_go_refuse_the_certificate_of_another_ca_of_the_same_name() {
    if !peers::has("cfssl") || !peers::has("openssl") {
        return;
    }
    let (workspace, other) = (site_of("ecdsa", 256, "876000h"), site_of("ecdsa", 256, "876000h"));
    other.apply();
    workspace.write("other.pem", other.read(CERTIFICATE));
    assert!(verify_with_openssl(&workspace, "other.pem").is_err());
    assert!(verify_with_rustls(&workspace.read("other.pem"), &workspace.read(CA)).is_err());
    assert!(verify_with_go(&workspace, "other.pem").is_err());
}

#[test]
fn a_ca_that_must_not_sign_is_refused_though_cfssl_signs_with_it() {
    if !peers::has("cfssl") || !peers::has("openssl") {
        return;
    }
    let expired = site_of("ecdsa", 256, "1m");
    let made = |extensions: &[&str]| {
        let workspace = site_of("ecdsa", 256, "876000h");
        let mut request = peers::openssl(
            workspace.path(),
            &["req", "-x509", "-new", "-key", CA_KEY, "-days", "3650"],
        );
        request.args(["-subj", "/CN=kubernetes", "-config", "/dev/null", "-out", CA]);
        for extension in extensions {
            request.args(["-addext", extension]);
        }
        peers::run(&mut request);
        workspace
    };
    let no_ca = made(&["basicConstraints=critical,CA:FALSE", "keyUsage=critical,keyCertSign"]);
    let no_sign =
        made(&["basicConstraints=critical,CA:TRUE", "keyUsage=critical,digitalSignature,cRLSign"]);
    for (workspace, reason) in [
        (expired, "expired"),
        (no_ca, "basic constraints lack CA:TRUE"),
        (no_sign, r#"its key usage lacks "cert sign""#),
    ] {
        sign(&workspace, "kubernetes", &tutorials_csr(), "theirs");
        assert!(verify_with_openssl(&workspace, "theirs.pem").is_err(), "{reason}");

        let before = workspace.tree().content();
        let ran = workspace.kcm(&["apply", "--root", "out"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.contains(reason), "{ran:?}");
        assert_eq!(workspace.tree().content(), before, "{reason}");
    }
    // A CA without a key usage extension may sign.
    let silent = made(&["basicConstraints=critical,CA:TRUE"]);
    silent.apply();
}

#[test]
fn a_leaf_that_would_outlive_its_ca_ends_with_it_though_cfssls_does_not() {
    if !peers::has("cfssl") {
        return;
    }
    let workspace = site_of("ecdsa", 256, "8760h");
    let ran = workspace.apply();
    sign(&workspace, "kubernetes", &tutorials_csr(), "theirs");
    let ends =
        |file: &str| Certificate::from_pem(workspace.read(file).as_bytes()).unwrap().not_after();
    assert!(ends("theirs.pem") > ends(CA));
    assert_eq!(ends(CERTIFICATE), ends(CA));
    assert!(ran.stderr.contains("expires with its CA"), "{ran:?}");
}

#[test]
fn a_leaf_named_like_its_ca_has_an_authority_key_id_though_cfssls_has_none() {
    if !peers::has("cfssl") || !peers::has("openssl") {
        return;
    }
    let workspace = site_of("ecdsa", 256, "876000h");
    let ca = CertificateAuthority::load(
        workspace.read(CA).as_bytes(),
        workspace.read(CA_KEY).as_bytes(),
    )
    .unwrap();
    let mut csr = ca_csr("ecdsa", 256, "876000h");
    // cfssl refuses this section when it issues a leaf.
    csr.as_object_mut().unwrap().remove("ca");
    sign(&workspace, "kubernetes", &csr, "theirs");
    let theirs = Certificate::from_pem(workspace.read("theirs.pem").as_bytes()).unwrap();
    let key = PrivateKey::from_pem(workspace.read("theirs-key.pem").as_bytes()).unwrap();
    workspace.write("ours.pem", issue(&ca, "kubernetes", &csr, &key, &theirs).to_pem());
    let has_key_id = |file| text(&workspace, file).contains("Authority Key Identifier");
    assert_eq!((has_key_id("ours.pem"), has_key_id("theirs.pem")), (true, false));
    let verify = |file| {
        peers::output(&mut peers::openssl(workspace.path(), &["verify", "-CAfile", CA, file]))
    };
    assert!(verify("ours.pem").status.success(), "{:?}", verify("ours.pem"));
    assert!(!verify("theirs.pem").status.success());
}
