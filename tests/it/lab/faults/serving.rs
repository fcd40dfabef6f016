//! Tests of serving certificates that the cluster's CA issues: verified by curl, and renewed
//! without a restart.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use kcm_tests::lab::Machine;
use kcm_tests::peers;

use super::{Ground, UNIT, assert_says, plain, until};

const SERVING: &str =
    "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager-serving.pem";

fn run(machine: &Machine) -> String {
    machine.output(&["systemctl", "show", "-p", "InvocationID", "-p", "MainPID", UNIT])
}

/// Returns the answer to curl with the cluster's CA as the only trusted CA.
fn healthz(ground: &Ground, machine: &Machine) -> String {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--cacert"])
        .arg(ground.workspace.file("pki/ca/cert/ca.pem"));
    peers::run(curl.arg(format!("https://{}:10257/healthz", machine.address())))
}

/// Returns the SHA-256 fingerprint of a machine's serving certificate.
fn shown(machine: &Machine) -> String {
    let at = format!("{}:10257", machine.address());
    let mut see = Command::new("sh");
    let line = "openssl s_client -connect \"$1\" </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256";
    peers::run(see.args(["-c", line, "see", &at]).stdin(Stdio::null()))
}

#[test]
fn what_is_served_is_verified_by_the_ca_and_renewed_without_a_restart() {
    let Some(ground) = Ground::new(&plain(2)) else { return };
    ground.write("kubeconfig: {credentials: files}\n");
    ground.workspace.edit("pki:\n", "pki:\n  servingCertificate: true\n");
    ground.apply(&[]);
    let machines = ground.lab.machines();
    for machine in machines {
        assert_eq!(healthz(&ground, machine), "ok");
        let mode =
            std::os::unix::fs::MetadataExt::mode(&fs::metadata(machine.file(SERVING)).unwrap());
        assert_eq!(mode & 0o7777, 0o600);
    }
    let again = ground.apply(&[]);
    assert!(again.stdout.starts_with("Nothing to do"), "{again:?}");
    let well = ground.kcm(&["status"]);
    assert_eq!(well.code, 0, "{well:?}");
    let check = ground.kcm(&["certs", "check"]);
    assert_eq!(check.code, 0, "{check:?}");
    assert_says(&check.stdout, &["this machine   serving", "serving     2036", SERVING]);

    let before: Vec<_> = machines.iter().map(|it| (run(it), shown(it))).collect();
    let leader = ground.plane.admin().holder();
    let renewed = ground.kcm(&["certs", "renew", "--force"]);
    assert_eq!(renewed.code, 0, "{renewed:?}");
    for (machine, (run_before, shown_before)) in machines.iter().zip(&before) {
        let is_new = || shown(machine) != *shown_before;
        until("the new certificate is shown", Duration::from_secs(20), is_new);
        assert_eq!(healthz(&ground, machine), "ok");
        assert_eq!(run(machine), *run_before, "the same process");
    }
    assert_eq!(ground.plane.admin().holder(), leader);

    // Without `servingCertificate`, an apply removes the certificate and its key.
    ground.write("");
    let ran = ground.apply(&[]);
    assert_says(&ran.stdout, &["Done"]);
    for machine in machines {
        assert!(!machine.file(SERVING).exists(), "no key is left where nothing names it");
    }
}
