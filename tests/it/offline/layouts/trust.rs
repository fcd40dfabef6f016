//! Tests of the signing CA and of the trust bundles.

use kcm_pki::{CaCertificate, CertificateAuthority, CsrFile, PrivateKey};

use super::hand::{Hand, Pem, USAGES, USER, embedded, leaf, root};

const BUNDLE: &str = "/etc/kubernetes/ssl/bundle.pem";
const NAMES: &str = r#"[{"O": "system:kube-controller-manager"}]"#;

/// Concatenates certificates.
fn joined(all: &[&Pem]) -> String {
    all.iter().map(|it| it.certificate.as_str()).collect()
}

/// Returns a setup with these certificates in the kubeconfig and in `--root-ca-file`.
fn hand(kubeconfig: Option<&str>, roots: Option<&str>) -> impl Fn(Hand) -> Hand {
    move |hand| {
        hand.each(|master| {
            if let Some(pem) = kubeconfig {
                master.authority = embedded(pem);
            }
            if let Some(pem) = roots {
                master.files.push(("bundle.pem", pem.to_owned()));
                master.set("root-ca-file", BUNDLE);
            }
        })
    }
}

/// Makes the trusted CAs of a kubeconfig and of `--root-ca-file` from three CAs.
type MakeOptional = fn(&Pem, &Pem, &Pem) -> (Option<String>, Option<String>);

#[test]
fn a_bundle_of_cas_is_kept_wherever_it_is() {
    let (new, third) = (root("kubernetes-new"), root("third"));
    let cases: [(&str, MakeOptional, bool); 7] = [
        ("in both", |a, b, _| (Some(joined(&[a, b])), Some(joined(&[a, b]))), true),
        ("three", |a, b, c| (Some(joined(&[a, b, c])), Some(joined(&[a, b, c]))), true),
        ("in another order", |a, b, c| (Some(joined(&[b, a, c])), Some(joined(&[c, b, a]))), true),
        ("in the kubeconfig alone", |a, b, _| (Some(joined(&[a, b])), None), true),
        ("in --root-ca-file alone", |a, b, _| (None, Some(joined(&[a, b]))), false),
        ("twice the same", |a, b, _| (Some(joined(&[a, b, a])), Some(joined(&[a, b]))), true),
        ("another CA alone", |_, b, _| (Some(joined(&[b])), None), true),
    ];
    for (what, make, is_named) in cases {
        let made = Hand::new();
        let (kubeconfig, roots) = make(&made.ca, &new, &third);
        let made = hand(kubeconfig.as_deref(), roots.as_deref())(made);
        let text = made.adopted_wholly(what);
        assert_eq!(text.contains("trust: "), is_named, "{what}: {text}");
    }
}

#[test]
fn a_finding_says_which_cas_are_trusted() {
    let new = root("kubernetes-new");
    let made = Hand::new();
    let both = joined(&[&made.ca, &new]);
    let made = hand(Some(&both), Some(&both))(made);
    made.lay_out();
    let ran = made.adopt(&[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for part in ["[trust-bundle]", "CN=kubernetes`", "CN=kubernetes-new`", "2 CA certificates"] {
        assert!(ran.stdout.contains(part), "{part}: {ran:?}");
    }
    assert_eq!(made.workspace.read("pki/ca/cert/ca-bundle.pem"), both);
    assert_eq!(made.workspace.read("pki/ca/cert/ca.pem"), made.ca.certificate);
}

#[test]
fn a_kubeconfig_that_names_its_ca_file_stays_as_it_is() {
    let new = root("kubernetes-new");
    for line in [
        "certificate-authority: /etc/kubernetes/ssl/ca.pem",
        "certificate-authority: ssl/ca.pem",
        "certificate-authority: /etc/kubernetes/ssl/bundle.pem",
    ] {
        let made = Hand::new();
        let both = joined(&[&made.ca, &new]);
        let made = hand(None, Some(&both))(made).each(|master| master.authority = line.to_owned());
        made.adopted_wholly(line);
    }
}

#[test]
fn other_bundles_on_other_masters_are_named_and_none_loses_a_ca() {
    let (new, third) = (root("kubernetes-new"), root("third"));
    let mut made = Hand::new();
    made.masters[0].authority = embedded(&joined(&[&made.ca, &new]));
    made.masters[1].authority = embedded(&joined(&[&made.ca, &third]));
    made.lay_out();
    let ran = made.adopt(&[]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        ran.stdout
            .contains("the set of CA certificates that the kubeconfig trusts is not the same"),
        "{ran:?}"
    );
    // A CA that only one master trusts is not uploaded to the other, and is not removed from that
    // master.
    assert!(!made.workspace.read("kcm.yaml").contains("trust"));
    let ran = made.workspace.kcm(&["apply", "--root", "out"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    for (master, name) in [("m1", "kubernetes-new"), ("m2", "third")] {
        let refused = ran.stderr.lines().any(|line| {
            line.contains(master) && line.contains(name) && line.contains("[ca-mismatch]")
        });
        assert!(refused, "{master}: {ran:?}");
        let trusted = made.in_kubeconfig(master, "certificate-authority-data");
        assert_eq!(trusted.matches("BEGIN").count(), 2, "{trusted}");
    }
}

#[test]
fn trust_is_dropped_only_where_that_is_asked_for() {
    let new = root("kubernetes-new");
    let made = Hand::new();
    let both = joined(&[&made.ca, &new]);
    let made = hand(Some(&both), Some(&both))(made);
    made.adopted_wholly("both");
    made.workspace.write("pki/ca/cert/ca-bundle.pem", &made.ca.certificate);
    for command in ["plan", "apply"] {
        let ran = made.workspace.kcm(&[command, "--root", "out"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        for part in [
            "[ca-mismatch]",
            "CN=kubernetes-new`",
            "--replace-ca",
            "bundle.pem trusts",
            "kcm.kubeconfig trusts",
        ] {
            assert!(ran.stderr.contains(part), "{part}: {ran:?}");
        }
    }
    assert_eq!(made.in_kubeconfig("m1", "certificate-authority-data"), both);
    let ran = made.workspace.kcm(&["apply", "--root", "out", "--replace-ca"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(made.in_kubeconfig("m2", "certificate-authority-data"), made.ca.certificate);
    assert_eq!(
        std::fs::read_to_string(made.workspace.on_master("m1", BUNDLE)).unwrap(),
        made.ca.certificate
    );
}

#[test]
fn a_cluster_file_without_the_bundle_drops_no_trust_either() {
    let new = root("kubernetes-new");
    let made = Hand::new();
    let both = joined(&[&made.ca, &new]);
    let made = hand(Some(&both), None)(made);
    made.adopted_wholly("both");
    made.workspace.edit("  trust: pki/ca/cert/ca-bundle.pem\n", "");
    let ran = made.workspace.kcm(&["apply", "--root", "out"]);
    assert!(ran.code == 1 && ran.stderr.contains("[ca-mismatch]"), "{ran:?}");
}

#[test]
fn another_root_ca_file_that_holds_less_is_refused() {
    let new = root("kubernetes-new");
    let made = Hand::new();
    let both = joined(&[&made.ca, &new]);
    let made = hand(None, Some(&both))(made);
    let text = made.adopted_wholly("both");
    for less in ["root-ca-file: /etc/kubernetes/ssl/ca.pem", "root-ca-file: null"] {
        let line = "root-ca-file: /etc/kubernetes/ssl/bundle.pem";
        made.workspace.write("kcm.yaml", text.replace(line, less));
        let ran = made.workspace.kcm(&["apply", "--root", "out"]);
        assert!(ran.code == 1 && ran.stderr.contains("CN=kubernetes-new`"), "{less}: {ran:?}");
    }
}

#[test]
fn a_bundle_is_brought_to_masters_that_have_nothing() {
    let workspace = kcm_tests::Workspace::new();
    let new = root("kubernetes-new");
    workspace.write("pki/trust.pem", workspace.read("pki/ca/cert/ca.pem") + &new.certificate);
    workspace.edit("  caKey:", "  trust: pki/trust.pem\n  caKey:");
    workspace.bring_everything();
    workspace.apply();
    let bundle = "/opt/kubernetes/pki/ca/cert/ca-bundle.pem";
    let at = workspace.on_master("k8s-master-02", bundle);
    assert_eq!(std::fs::read_to_string(at).unwrap(), workspace.read("pki/trust.pem"));
    let unit =
        std::fs::read_to_string(workspace.on_master("k8s-master-02", super::hand::UNIT)).unwrap();
    assert!(unit.contains(&format!("--root-ca-file={bundle}")), "{unit}");
    let ran = workspace.kcm(&["plan", "--check", "--root", "out"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_bundle_that_holds_no_ca_of_ours_or_no_ca_is_a_warning_or_an_error() {
    let workspace = kcm_tests::Workspace::new();
    workspace.edit("  caKey:", "  trust: pki/trust.pem\n  caKey:");
    for (content, code, printed) in [
        (String::new(), 1, "pki.trust"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(),
            1,
            "pki.trust",
        ),
        (root("other").certificate, 0, "contains neither the CA of pki.caCert"),
    ] {
        workspace.write("pki/trust.pem", content);
        let ran = workspace.kcm(&["plan", "--root", "out"]);
        assert!(ran.code == code && ran.stderr.contains(printed), "{printed}: {ran:?}");
    }
    std::fs::remove_file(workspace.file("pki/trust.pem")).unwrap();
    let ran = workspace.kcm(&["plan", "--root", "out"]);
    assert!(ran.code == 1 && ran.stderr.contains("pki.trust"), "{ran:?}");
}

/// Issues an intermediate CA from `above`.
fn intermediate(hand: &Hand, above: &Pem) -> Pem {
    let workspace = &hand.workspace;
    workspace.write("x/root.pem", &above.certificate);
    workspace.write("x/root-key.pem", &above.key);
    workspace.write(
        "x/int.ext",
        "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n",
    );
    let key = PrivateKey::generate(kcm_pki::KeyAlgorithm::EcdsaP256).unwrap();
    workspace.write("x/int-key.pem", key.to_pem().as_bytes());
    let _ = hand.openssl(&[
        "req",
        "-new",
        "-key",
        "x/int-key.pem",
        "-subj",
        "/CN=kubernetes-int",
        "-out",
        "x/int.csr",
    ]);
    let printed = hand.openssl(&[
        "x509",
        "-req",
        "-in",
        "x/int.csr",
        "-CA",
        "x/root.pem",
        "-CAkey",
        "x/root-key.pem",
        "-CAcreateserial",
        "-days",
        "3000",
        "-extfile",
        "x/int.ext",
        "-out",
        "x/int.pem",
    ]);
    assert!(workspace.file("x/int.pem").exists(), "{printed}");
    let pem =
        Pem { certificate: workspace.read("x/int.pem"), key: workspace.read("x/int-key.pem") };
    assert!(CertificateAuthority::load(pem.certificate.as_bytes(), pem.key.as_bytes()).is_ok());
    assert!(CaCertificate::load(pem.certificate.as_bytes()).is_ok());
    assert!(CsrFile::parse(r#"{"CN": "x"}"#).is_ok());
    pem
}

/// Makes the trusted CAs of a kubeconfig and of `--root-ca-file` from an intermediate CA and its
/// root.
type MakeBoth = fn(&Pem, &Pem) -> (String, String);

#[test]
fn an_intermediate_that_signs_is_kept_with_its_root() {
    let above = root("root");
    let cases: [(&str, MakeBoth, bool); 5] = [
        ("chain in both", |i, r| (joined(&[i, r]), joined(&[i, r])), false),
        ("root in the kubeconfig", |i, r| (joined(&[r]), joined(&[i, r])), true),
        ("root in both", |_, r| (joined(&[r]), joined(&[r])), true),
        ("intermediate alone", |i, _| (joined(&[i]), joined(&[i])), false),
        ("root first", |i, r| (joined(&[r, i]), joined(&[r, i])), true),
    ];
    for (what, make, sends_chain) in cases {
        let mut made = Hand::new();
        let int = intermediate(&made, &above);
        let (kubeconfig, roots) = make(&int, &above);
        let mut identity = leaf(&int, USER, NAMES, &USAGES);
        if sends_chain {
            identity.certificate += &int.certificate;
        }
        made.ca = int.clone();
        let made = hand(Some(&kubeconfig), Some(&roots))(made).each(|master| {
            master.identity = identity.clone();
            for (name, content) in &mut master.files {
                match *name {
                    "ca.pem" => content.clone_from(&int.certificate),
                    "ca-key.pem" => content.clone_from(&int.key),
                    _ => {}
                }
            }
        });
        made.adopted_wholly(what);
        // A client that has only the root can verify the next identity.
        made.workspace.edit("keyAlgorithm: ecdsa-p256", "keyAlgorithm: ecdsa-p384");
        let ran = made.workspace.kcm(&["apply", "--root", "out"]);
        assert_eq!(ran.code, 0, "{what}: {ran:?}");
        let trusted = made.in_kubeconfig("m1", "certificate-authority-data");
        assert_eq!(trusted.matches("BEGIN").count(), kubeconfig.matches("BEGIN").count(), "{what}");
        made.workspace.write("x/chain.pem", made.in_kubeconfig("m1", "client-certificate-data"));
        let printed = made.openssl(&[
            "verify",
            "-CAfile",
            "x/root.pem",
            "-untrusted",
            "x/chain.pem",
            "-purpose",
            "sslclient",
            "x/chain.pem",
        ]);
        assert!(printed.contains("x/chain.pem: OK"), "{what}: {printed}");
    }
}
