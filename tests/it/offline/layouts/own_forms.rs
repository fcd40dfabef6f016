//! Tests that each form of kcm's own deployment is adopted to the same cluster file.

use std::fs;
use std::os::unix::fs::symlink;

use kcm_tests::{Tree, Workspace};

const MASTERS: [&str; 3] = [
    "--master=k8s-master-01=192.168.1.204",
    "--master=k8s-master-02=192.168.1.205",
    "--master=k8s-master-03=192.168.1.206",
];

/// Sections before the masters, and their expected lines in the adopted cluster file.
const FORMS: &[(&str, &[&str])] = &[
    ("kubeconfig: {credentials: files}", &["credentials: files"]),
    ("kubeconfig: {credentials: embedded-only}", &["credentials: embedded-only"]),
    ("systemd: {hardening: strict}", &["hardening: strict"]),
    ("systemd: {user: kcm}", &["user: kcm"]),
    (
        "systemd: {user: kcm, group: kube, hardening: strict}",
        &["user: kcm", "group: kube", "hardening: strict"],
    ),
    (
        "systemd: {directives: {Service: {LimitNOFILE: 65536, Restart: on-failure}, Unit: {After: network-online.target}}}",
        &["LimitNOFILE: \"65536\"", "Restart: on-failure", "After: network-online.target"],
    ),
    ("controllerManager: {bindAddress: loopback}", &["bindAddress: loopback"]),
    ("controllerManager: {bindAddress: any}", &["bindAddress: any"]),
    ("controllerManager: {bindAddress: \"::\"}", &["bindAddress: \"::\""]),
    (
        "controllerManager: {flags: {profiling: false, v: 4, use-service-account-credentials: null}}",
        &["profiling: \"false\"", "v: \"4\"", "use-service-account-credentials: null"],
    ),
    (
        "kubeconfig: {credentials: files}\nsystemd: {hardening: strict, user: kcm}",
        &["credentials: files", "hardening: strict", "user: kcm"],
    ),
];

fn accounts(workspace: &Workspace) {
    for master in ["k8s-master-01", "k8s-master-02", "k8s-master-03"] {
        workspace.write(
            &format!("out/{master}/etc/passwd"),
            "root:x:0:0::/:/bin/sh\nkcm:x:990:990::/:/bin/false\n",
        );
        workspace.write(&format!("out/{master}/etc/group"), "root:x:0:\nkcm:x:990:\nkube:x:991:\n");
    }
}

fn back(workspace: &Workspace, what: &str) -> String {
    fs::create_dir(workspace.file("new")).unwrap();
    let before = Tree::of(&workspace.file("out"));
    let ran =
        workspace.kcm(&[&["adopt", "--root", "out", "-f", "new/kcm.yaml"], &MASTERS[..]].concat());
    assert_eq!(ran.code, 0, "{what}: {ran:?}");
    let ran = workspace.kcm(&["plan", "--check", "--root", "out", "-f", "new/kcm.yaml"]);
    assert_eq!(ran.code, 0, "{what}: {ran:?}");
    assert!(before == Tree::of(&workspace.file("out")), "{what}");
    workspace.read("new/kcm.yaml")
}

#[test]
fn every_form_of_kcms_own_is_adopted_back() {
    for (sections, printed) in FORMS {
        let workspace = Workspace::new();
        workspace.bring_everything();
        accounts(&workspace);
        workspace.edit("masters:\n", &format!("{sections}\nmasters:\n"));
        workspace.apply();
        let text = back(&workspace, sections);
        for part in *printed {
            assert!(text.contains(part), "{sections}: no {part} in {text}");
        }
        assert!(!text.contains("compare: semantic"), "{sections}: {text}");
    }
}

#[test]
fn a_serving_certificate_a_bundle_and_own_settings_are_adopted_back() {
    let changes: [(&str, &str, &[&str]); 8] = [
        (
            "  keyAlgorithm",
            "  servingCertificate: true\n  keyAlgorithm",
            &["servingCertificate: true"],
        ),
        ("  keyAlgorithm", "  lifetime: 8760h\n  keyAlgorithm", &["lifetime: \"8760h\""]),
        (
            "  keyAlgorithm",
            "  trust: pki/trust.pem\n  keyAlgorithm",
            &["trust: pki/ca/cert/ca-bundle.pem"],
        ),
        ("ecdsa-p256", "ecdsa-p384", &["keyAlgorithm: ecdsa-p384"]),
        (
            "address: 192.168.1.205}",
            "address: 192.168.1.205, bindAddress: loopback, flags: {v: 5}}",
            &["bindAddress: 127.0.0.1", "v: \"5\""],
        ),
        (
            "address: 192.168.1.205}",
            "address: 192.168.1.205, server: \"https://192.168.1.205:6443\"}",
            &["https://192.168.1.205:6443"],
        ),
        ("install: {", "install: {root: /srv/kcm, ", &["root: /srv/kcm"]),
        (
            "install: {",
            "install: {paths: {kubeconfig: /etc/kubernetes/kcm.conf, caCert: /etc/kubernetes/ca.pem, caKey: /etc/kubernetes/ca.key, unit: /etc/systemd/system/kcm.service}, ",
            &["/etc/kubernetes/kcm.conf", "/etc/kubernetes/ca.key", "kcm.service"],
        ),
    ];
    for (from, to, printed) in changes {
        let workspace = Workspace::new();
        workspace.bring_everything();
        accounts(&workspace);
        workspace.write(
            "pki/trust.pem",
            workspace.read("pki/ca/cert/ca.pem") + &super::hand::root("new").certificate,
        );
        workspace.edit(from, to);
        workspace.apply();
        let unit: &[&str] =
            if to.contains("kcm.service") { &["--unit", "kcm.service"] } else { &[] };
        fs::create_dir(workspace.file("new")).unwrap();
        let arguments =
            [&["adopt", "--root", "out", "-f", "new/kcm.yaml"], &MASTERS[..], unit].concat();
        let ran = workspace.kcm(&arguments);
        assert_eq!(ran.code, 0, "{to}: {ran:?}");
        let ran = workspace.kcm(&["plan", "--check", "--root", "out", "-f", "new/kcm.yaml"]);
        assert_eq!(ran.code, 0, "{to}: {ran:?}");
        let text = workspace.read("new/kcm.yaml");
        for part in printed {
            assert!(text.contains(part), "{to}: no {part} in {text}");
        }
    }
}

#[test]
fn an_owner_of_its_own_is_adopted_back() {
    let workspace = Workspace::new();
    workspace.bring_everything();
    accounts(&workspace);
    workspace.edit("install: {", "install: {owner: kcm:kube, ");
    workspace.apply();
    let text = back(&workspace, "owner");
    // Only root can change the owner of a file.
    let is_root =
        fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0);
    assert_eq!(text.contains("owner: kcm:kube"), is_root, "{text}");
    assert!(symlink("x", workspace.file("x")).is_ok());
}
