//! Tests of intermediate CAs: one as the CA of the cluster file, and one behind a command.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use kcm_tests::peers;

use super::{CERTIFICATE, Offline, SERVING, SIGN};

/// Creates an intermediate CA (`issuing.pem`) below the root `ca.pem`, in the folder of the root.
pub(crate) fn create_intermediate(ca: &Path) {
    let script = r"
printf 'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n' >ext
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout issuing-key.pem -subj /CN=issuing -out issuing.csr
openssl x509 -req -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 3000 -extfile ext -in issuing.csr -out issuing.pem
";
    let mut command = std::process::Command::new("sh");
    command.current_dir(ca).args(["-euc", script]);
    peers::run(&mut command);
}

#[test]
fn an_intermediate_signs_and_verifiers_need_only_its_root() {
    let offline = Offline::new("  caKey: issuing-key.pem\n  trust: root.pem\n");
    create_intermediate(offline.ca.path());
    for (from, to) in [
        ("issuing.pem", "pki/ca/cert/ca.pem"),
        ("issuing-key.pem", "issuing-key.pem"),
        ("ca.pem", "root.pem"),
    ] {
        offline.workspace.write(to, fs::read(offline.ca.path().join(from)).unwrap());
    }
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(offline.workspace.file("issuing-key.pem"), private).unwrap();
    offline.workspace.bring_everything();
    offline.workspace.edit("pki:\n", "pki:\n  servingCertificate: true\n");
    offline.done(&["apply"]);
    let root = offline.ca.path().join("ca.pem");
    offline.verify(CERTIFICATE, &root, "sslclient");
    offline.verify(SERVING, &root, "sslserver");
    assert_eq!(offline.workspace.plan()["masters"][0]["steps"], serde_json::json!([]));
    let on_master = |path: &str| {
        let path = offline.workspace.on_master("k8s-master-01", path);
        fs::read_to_string(path).unwrap().matches("BEGIN CERTIFICATE").count()
    };
    assert_eq!(
        on_master("/opt/kubernetes/pki/ca/cert/ca.pem"),
        1,
        "for --cluster-signing-cert-file"
    );
    assert_eq!(on_master("/opt/kubernetes/pki/ca/cert/ca-bundle.pem"), 1, "for --root-ca-file");
    let unit = "/etc/systemd/system/kube-controller-manager.service";
    let unit = fs::read_to_string(offline.workspace.on_master("k8s-master-01", unit)).unwrap();
    assert!(unit.contains("--root-ca-file=/opt/kubernetes/pki/ca/cert/ca-bundle.pem"), "{unit}");
    assert!(
        unit.contains("--cluster-signing-cert-file=/opt/kubernetes/pki/ca/cert/ca.pem"),
        "{unit}"
    );
}

#[test]
fn a_command_may_sign_with_an_intermediate_of_the_ca() {
    let sign = SIGN.replace(
        "-CA \"$ca/ca.pem\" -CAkey \"$ca/ca-key.pem\"",
        "-CA \"$ca/issuing.pem\" -CAkey \"$ca/issuing-key.pem\"",
    );
    let offline = Offline::with_script(&sign);
    create_intermediate(offline.ca.path());
    offline.refuses(&["apply"], "issued by CN=issuing");
    // The order of the certificates does not matter, and the root may be among them.
    offline.script(&format!("cat \"$ca/ca.pem\" \"$ca/issuing.pem\"\n{sign}"));
    offline.done(&["apply"]);
    offline.verify(CERTIFICATE, &offline.ca.path().join("ca.pem"), "sslclient");
    assert_eq!(offline.workspace.read(CERTIFICATE).matches("BEGIN CERTIFICATE").count(), 2);
    assert_eq!(offline.workspace.plan()["masters"][0]["steps"], serde_json::json!([]));
    offline.done(&["certs", "renew", "--force", "--yes"]);
    assert_eq!(offline.workspace.plan()["masters"][0]["steps"], serde_json::json!([]));
}
