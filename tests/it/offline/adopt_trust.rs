//! Tests of `kcm adopt` with one hostile master, which must not affect the settings of the others.

use std::fs;

use kcm_pki::{Certificate, KeyAlgorithm};
use kcm_tests::{CommandOutput, Workspace};

use crate::offline::adopt::{CA, KUBECONFIG, MASTERS, UNIT, edit_file as edit};

const HOSTILE: &str = "k8s-master-01";
const HONEST: [&str; 2] = ["k8s-master-02", "k8s-master-03"];

fn masters() -> Workspace {
    let workspace = Workspace::new();
    workspace.bring_everything();
    workspace.apply();
    workspace
}

fn adopt(workspace: &Workspace, masters: &[&str]) -> CommandOutput {
    let arguments = [&["adopt", "--root", "out", "-f", "new/kcm.yaml"], masters].concat();
    workspace.kcm(&arguments)
}

fn fingerprint(pem: &str) -> String {
    Certificate::from_pem(pem.as_bytes()).unwrap().fingerprint().to_string()
}

/// Asserts that the cluster file equals the one for identical masters, except for the hostile one.
#[track_caller]
fn assert_is_what_the_others_have(workspace: &Workspace, ran: &CommandOutput) {
    assert!(matches!(ran.code, 0 | 3), "{ran:?}");
    let ca = workspace.read("new/pki/ca/cert/ca.pem");
    assert_eq!(ca, workspace.read("pki/ca/cert/ca.pem"));
    assert_eq!(ca.matches("BEGIN").count(), 1);
    let text = workspace.read("new/kcm.yaml");
    let (shared, masters) = text.split_once("\nmasters:\n").unwrap();
    for absent in ["directives", "flags", "paths", "trust", "csr", "signing", "lifetime", "user"] {
        assert!(!shared.contains(absent), "{absent}: {text}");
    }
    for master in HONEST {
        let line = masters.lines().find(|line| line.contains(master)).unwrap();
        assert!(!line.contains("flags") && !line.contains("server"), "{text}");
    }
}

#[test]
fn the_certificate_of_the_ca_is_that_of_most_masters() {
    let (other, key) = kcm_tests::ca(KeyAlgorithm::EcdsaP256, "other");
    let workspace = masters();
    let (path, ours) = (workspace.on_master(HOSTILE, CA), workspace.read("pki/ca/cert/ca.pem"));
    for (lie, is_read) in [
        (other.clone(), true),
        ("garbage".to_owned(), false),
        (String::new(), false),
        (format!("{other}{ours}"), true),
        (format!("{key}{other}"), true),
        (format!("\u{1b}]0;x\u{7}\n{other}"), true),
        (other.replace("CERTIFICATE", "TRUSTED CERTIFICATE"), false),
    ] {
        fs::write(&path, &lie).unwrap();
        let ran = adopt(&workspace, &MASTERS);
        let begin = lie.get(..60).unwrap_or(&lie);
        assert_is_what_the_others_have(&workspace, &ran);
        let named = ran.stdout.contains("find out why k8s-master-01 differs")
            && ran.stdout.contains("Adopted, with differences");
        assert!(named && ran.code == 3, "{begin}: {ran:?}");
        assert!(!is_read || ran.stdout.contains(&fingerprint(&other)), "{begin}: {ran:?}");
        assert!(!ran.stdout.contains("PRIVATE KEY"), "{begin}");
        fs::remove_dir_all(workspace.file("new")).unwrap();
    }
}

#[test]
fn a_file_larger_than_any_certificate_is_refused_at_once() {
    let workspace = masters();
    let padding = "x".repeat(40 << 20);
    for path in [CA, KUBECONFIG, UNIT] {
        let path = workspace.on_master(HOSTILE, path);
        let there = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{padding}\n{there}")).unwrap();
        let ran = adopt(&workspace, &MASTERS);
        assert_eq!((ran.code, workspace.file("new").exists()), (1, false), "{ran:?}");
        for part in ["k8s-master-01: ", "larger than 1 MiB", "leave out its --master"] {
            assert!(ran.stderr.contains(part), "{part}: {ran:?}");
        }
        fs::write(&path, there).unwrap();
    }
}

#[test]
fn two_masters_with_two_cas_are_refused_and_nothing_is_written() {
    let workspace = masters();
    let (other, _) = kcm_tests::ca(KeyAlgorithm::EcdsaP256, "other");
    fs::write(workspace.on_master(HOSTILE, CA), &other).unwrap();
    let before = workspace.tree();
    let ran = adopt(&workspace, &MASTERS[..2]);
    assert_eq!((ran.code, workspace.tree() == before), (1, true), "{ran:?}");
    for part in [
        "the certificate of --cluster-signing-cert-file is not the same on all masters",
        &fingerprint(&other),
        &fingerprint(&workspace.read("pki/ca/cert/ca.pem")),
        "help: make it the same, or adopt only the masters with the correct value",
    ] {
        assert!(ran.stderr.contains(part), "{part}: {ran:?}");
    }
}

#[test]
fn a_setting_of_one_master_is_left_out_and_named() {
    for lie in [
        "ExecStartPre=/bin/sh -c 'id > /tmp/x'",
        "ExecStopPost=-/usr/bin/touch /tmp/x",
        "Environment=LD_PRELOAD=/tmp/x.so",
        "EnvironmentFile=-/tmp/x",
        "User=nobody",
        "RootDirectory=/srv",
        "BindPaths=/tmp/x:/etc/passwd",
        "AmbientCapabilities=CAP_SYS_ADMIN",
    ] {
        let workspace = masters();
        edit(&workspace, HOSTILE, UNIT, "RestartSec=5", &format!("RestartSec=5\n{lie}"));
        let ran = adopt(&workspace, &MASTERS);
        assert_is_what_the_others_have(&workspace, &ran);
        let key = lie.split('=').next().unwrap();
        let named = format!(
            "{key}= in [Service] of the unit is not the same on all masters: {HOSTILE} has"
        );
        assert!(ran.code == 3 && ran.stdout.contains(&named), "{lie}: {ran:?}");
    }
}

#[test]
fn a_command_that_not_all_masters_run_is_left_out_even_if_most_do() {
    let workspace = masters();
    let line = "ExecStartPre=/bin/sleep 1";
    for master in [HOSTILE, HONEST[0]] {
        edit(&workspace, master, UNIT, "RestartSec=5", &format!("RestartSec=5\n{line}"));
    }
    let ran = adopt(&workspace, &MASTERS);
    assert_is_what_the_others_have(&workspace, &ran);
    assert!(ran.stdout.contains("only commands that all masters share"), "{ran:?}");
    edit(&workspace, HONEST[1], UNIT, "RestartSec=5", &format!("RestartSec=5\n{line}"));
    let ran = workspace.kcm(&[&["adopt", "--root", "out", "-f", "-"], &MASTERS[..]].concat());
    assert!(ran.code == 0 && ran.stdout.contains("ExecStartPre: \"/bin/sleep 1\""), "{ran:?}");
}

#[test]
fn flags_of_one_master_stay_its_own() {
    for (from, to) in [
        ("--v=2", "--v=9 \\\n  --root-ca-file=/tmp/ca.pem"),
        ("--cluster-signing-cert-file=", "--cluster-signing-cert-file=/etc/shadow --v=2 #"),
        ("--cluster-name=kubernetes", "--cluster-name=other"),
        ("--cluster-cidr=172.20.0.0/16", "--cluster-cidr=172.16.0.0/12"),
        ("--service-cluster-ip-range=10.68.0.0/16", "--service-cluster-ip-range=10.96.0.0/12"),
        ("/opt/kubernetes/bin/kube-controller-manager", "/tmp/bin/kube-controller-manager"),
    ] {
        let workspace = masters();
        edit(&workspace, HOSTILE, UNIT, from, to);
        let ran = adopt(&workspace, &MASTERS);
        assert_is_what_the_others_have(&workspace, &ran);
        assert!(ran.code == 3 && ran.stdout.contains(HOSTILE), "{to}: {ran:?}");
    }
}

#[test]
fn two_masters_that_disagree_about_the_cluster_are_refused() {
    for (from, to, what) in [
        ("--cluster-cidr=172.20.0.0/16", "--cluster-cidr=172.16.0.0/12", "--cluster-cidr"),
        ("--cluster-name=kubernetes", "--cluster-name=other", "--cluster-name"),
        ("/opt/kubernetes/bin/kube-c", "/tmp/bin/kube-c", "the program"),
    ] {
        let workspace = masters();
        edit(&workspace, HOSTILE, UNIT, from, to);
        let before = workspace.tree();
        let ran = adopt(&workspace, &MASTERS[..2]);
        assert_eq!((ran.code, workspace.tree() == before), (1, true), "{ran:?}");
        let named = format!("{what} is not the same on all masters, and no value");
        assert!(ran.stderr.contains(&named), "{ran:?}");
    }
}

#[test]
fn a_ca_that_one_kubeconfig_trusts_is_not_trusted_by_the_others() {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::STANDARD;
    let workspace = masters();
    let ours = workspace.read("pki/ca/cert/ca.pem");
    let (other, _) = kcm_tests::ca(KeyAlgorithm::EcdsaP256, "other");
    let bundle = format!("{ours}{other}");
    edit(&workspace, HOSTILE, KUBECONFIG, &engine.encode(&ours), &engine.encode(&bundle));
    let ran = adopt(&workspace, &MASTERS);
    assert_is_what_the_others_have(&workspace, &ran);
    let named = "the set of CA certificates that the kubeconfig trusts is not the same";
    assert!(ran.code == 3 && ran.stdout.contains(named), "{ran:?}");
    // Two of three masters are the majority.
    edit(&workspace, HONEST[0], KUBECONFIG, &engine.encode(&ours), &engine.encode(&bundle));
    fs::remove_dir_all(workspace.file("new")).unwrap();
    let ran = adopt(&workspace, &MASTERS);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(workspace.read("new/pki/ca/cert/ca-bundle.pem"), bundle);
}

/// Checks that one master's certificate does not decide the next identity of all masters.
#[test]
fn the_next_identity_is_like_that_of_most_masters() {
    let workspace = masters();
    let elsewhere = masters();
    elsewhere.write("csr.json", r#"{"CN": "system:kube-controller-manager", "key": {"algo": "ecdsa", "size": 384}, "names": [{"O": "system:masters"}]}"#);
    for (name, key) in [("pki/ca/cert/ca.pem", "ca.pem"), ("pki/ca/cert/ca-key.pem", "ca-key.pem")]
    {
        elsewhere.write(&format!("pki/ca/cert/{key}"), workspace.read(name));
    }
    elsewhere.edit("pki:\n", "pki:\n  csr: csr.json\n  lifetime: 500h\n");
    fs::remove_dir_all(elsewhere.file("out")).unwrap();
    elsewhere.apply();
    let folder = "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager";
    for path in [KUBECONFIG, &format!("{folder}.pem"), &format!("{folder}-key.pem")] {
        fs::copy(elsewhere.on_master(HOSTILE, path), workspace.on_master(HOSTILE, path)).unwrap();
    }
    let ran = adopt(&workspace, &MASTERS);
    let text = workspace.read("new/kcm.yaml");
    assert!(!text.contains("csr") && !text.contains("500h") && !text.contains("384"), "{text}");
    let named = "the client certificate is not the same on all masters";
    assert!(ran.code == 3 && ran.stdout.contains(named), "{ran:?}");
}
