//! Tests of the serving certificate, verified by openssl.

use kcm_tests::{Workspace, peers};

const SERVING: &str = "pki/kube-controller-manager/cert/kube-controller-manager-serving.pem";
const SERVING_KEY: &str =
    "pki/kube-controller-manager/cert/kube-controller-manager-serving-key.pem";
const ON_A_MASTER: &str =
    "opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager-serving.pem";
const UNIT_FILE: &str = "etc/systemd/system/kube-controller-manager.service";

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    workspace.bring_everything();
    workspace.edit("pki:\n", "pki:\n  servingCertificate: true\n");
    workspace
}

fn apply(workspace: &Workspace) -> kcm_tests::CommandOutput {
    let ran = workspace.kcm(&["apply", "--root", "out"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran
}

fn verify(workspace: &Workspace, by: &[&str]) -> bool {
    let arguments = ["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile"];
    let arguments = [&arguments[..], &["pki/ca/cert/ca.pem"], by, &[SERVING]].concat();
    peers::openssl(workspace.path(), &arguments).output().unwrap().status.success()
}

#[test]
fn openssl_takes_it_for_each_master_and_for_nobody_else() {
    let workspace = workspace();
    apply(&workspace);
    for address in ["192.168.1.204", "192.168.1.205", "192.168.1.206", "127.0.0.1"] {
        assert!(verify(&workspace, &["-verify_ip", address]), "{address}");
    }
    assert!(verify(&workspace, &["-verify_hostname", "k8s-master-02"]));
    assert!(!verify(&workspace, &["-verify_ip", "192.168.1.207"]));
    let of = |what: &str| {
        peers::run(&mut peers::openssl(workspace.path(), &["x509", "-noout", what, "-in", SERVING]))
    };
    let key =
        peers::run(&mut peers::openssl(workspace.path(), &["pkey", "-pubout", "-in", SERVING_KEY]));
    assert_eq!(of("-pubkey"), key);
    let text = peers::run(&mut peers::openssl(
        workspace.path(),
        &["x509", "-noout", "-text", "-in", SERVING],
    ));
    assert!(
        text.contains("TLS Web Server Authentication") && !text.contains("TLS Web Client"),
        "{text}"
    );

    let both = workspace.read(SERVING) + &workspace.read(SERVING_KEY);
    for master in ["k8s-master-01", "k8s-master-02", "k8s-master-03"] {
        assert_eq!(
            std::fs::read_to_string(workspace.on_master(master, ON_A_MASTER)).unwrap(),
            both
        );
        let unit = std::fs::read_to_string(workspace.on_master(master, UNIT_FILE)).unwrap();
        for flag in ["tls-cert-file", "tls-private-key-file"] {
            assert!(unit.contains(&format!("--{flag}=/{ON_A_MASTER}")), "{unit}");
        }
    }
    let again = workspace.kcm(&["apply", "--root", "out"]);
    assert!(again.stdout.starts_with("Nothing to do"), "{again:?}");
}

#[test]
fn it_is_issued_anew_for_a_master_that_is_not_in_it_and_the_client_s_stays() {
    let workspace = workspace();
    apply(&workspace);
    let client = workspace.read("pki/kube-controller-manager/cert/kube-controller-manager.pem");
    workspace.edit("192.168.1.206", "192.168.1.209");
    let ran = apply(&workspace);
    assert!(
        ran.stderr.contains("the certificate lacks the subject alternative names 192.168.1.209"),
        "{ran:?}"
    );
    assert!(verify(&workspace, &["-verify_ip", "192.168.1.209"]));
    assert_eq!(
        workspace.read("pki/kube-controller-manager/cert/kube-controller-manager.pem"),
        client
    );
}

#[test]
fn a_second_operator_keeps_what_the_masters_hold_and_no_key_is_fetched() {
    let workspace = workspace();
    apply(&workspace);
    for name in [SERVING, SERVING_KEY] {
        std::fs::remove_file(workspace.file(name)).unwrap();
    }
    let ran = workspace.kcm(&["apply", "--root", "out"]);
    assert!(ran.stdout.starts_with("Nothing to do"), "{ran:?}");
    assert!(!workspace.file(SERVING).exists());
}

#[test]
fn who_sets_the_flags_as_well_is_told_to_choose() {
    let workspace = workspace();
    workspace
        .edit("masters:\n", "controllerManager: {flags: {tls-cert-file: /etc/x.pem}}\nmasters:\n");
    let ran = workspace.kcm(&["plan", "--root", "out"]);
    assert!(ran.code != 0 && ran.stderr.contains("remove one of them"), "{ran:?}");
}
