//! Tests of `kcm certs renew` on real masters, with a certificate that has about an hour left.

use std::fs;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kcm_tests::lab::Machine;
use kcm_tests::peers;

use super::{Ground, UNIT, assert_says, plain, until};

const CERTIFICATE: &str =
    "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager.pem";
const KEY: &str =
    "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager-key.pem";
const KUBECONFIG: &str = "/opt/kubernetes/kubeconfig/kube-controller-manager.kubeconfig";
/// Returns the end of validity of a certificate, as openssl reports it. Asserts that its key and
/// the kubeconfig match.
fn end_of(machine: &Machine) -> String {
    let openssl = |arguments: &[&str]| {
        let mut openssl = std::process::Command::new("openssl");
        peers::run(openssl.args(arguments))
    };
    let (certificate, key) = (machine.file(CERTIFICATE), machine.file(KEY));
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let of_certificate = openssl(&["x509", "-noout", "-pubkey", "-in", certificate]);
    assert_eq!(of_certificate, openssl(&["pkey", "-pubout", "-in", key]), "{}", machine.name());
    let embedded = fs::read_to_string(machine.file(KUBECONFIG)).unwrap();
    let embedded = embedded.split("client-certificate-data: ").nth(1).unwrap();
    let embedded = embedded.lines().next().unwrap().to_owned();
    let pem = fs::read(machine.file(CERTIFICATE)).unwrap();

    assert_eq!(STANDARD.decode(embedded).unwrap(), pem);
    openssl(&["x509", "-noout", "-enddate", "-dateopt", "iso_8601", "-in", certificate])
}

fn invocation(machine: &Machine) -> String {
    machine.output(&["systemctl", "show", "-p", "InvocationID", "--value", UNIT])
}

#[test]
fn a_certificate_with_an_hour_left_is_renewed_with_a_handover_and_without_an_api_server() {
    let Some(ground) = Ground::new(&plain(3)) else { return };
    let machines = ground.lab.machines();
    let an_hour = "  lifetime: 65m\n  renewBefore: 10m\n";
    ground.workspace.edit("pki:\n", &format!("pki:\n{an_hour}"));
    ground.apply(&[]);
    let before: Vec<_> = machines.iter().map(end_of).collect();
    // With these lifetimes nothing is due. A later run also ignores the changed flag.
    let early = ground.kcm(&["certs", "renew"]);
    assert_eq!((early.code, early.stdout.starts_with("Nothing to do")), (0, true), "{early:?}");
    ground.workspace.edit(an_hour, "  lifetime: 8760h\n");
    ground.workspace.edit("masters:\n", "controllerManager: {flags: {v: 4}}\nmasters:\n");
    assert_eq!(ground.kcm(&["certs", "check"]).code, 3);
    let gap = ground.gap("a renewal", || {
        let ran = ground.kcm(&["certs", "renew"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_says(&ran.stderr, &["settings other than certificates differ", "`kcm plan`"]);
        assert_says(&ran.stdout, &["Done: the certificates of 3 masters are renewed."]);
    });
    // This limit allows for a busy machine.
    assert!(gap.beyond_the_stop() < Duration::from_secs(10), "{gap:?}");
    let renewed: Vec<_> = machines.iter().map(end_of).collect();
    assert!(renewed.iter().zip(&before).all(|(new, old)| new > old), "{before:?} {renewed:?}");
    for machine in machines {
        let unit = fs::read_to_string(machine.file(super::UNIT_FILE)).unwrap();
        assert!(unit.contains("--v=2") && !unit.contains("--v=4"), "{unit}");
    }
    let again = ground.kcm(&["certs", "renew"]);
    assert!(again.stdout.starts_with("Nothing to do"), "{again:?}");

    // A forced renewal with the same key also works while the API server is down.
    let key = fs::read(machines[0].file(KEY)).unwrap();
    ground.plane.stop();
    let ran = ground.kcm(&["certs", "renew", "--force", "--same-key"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_says(
        &ran.stdout,
        &["Applied, not verified", "the service becomes healthy once the API server is available"],
    );
    assert_eq!(fs::read(machines[0].file(KEY)).unwrap(), key);
    for machine in machines {
        end_of(machine);
    }
    ground.plane.resume();
    let healthy = || machines.iter().all(Machine::serves);
    until("all are healthy by themselves", Duration::from_secs(30), healthy);
    let since = SystemTime::now();
    let runs: Vec<_> = machines.iter().map(invocation).collect();
    let proven = ground.kcm(&["certs", "renew"]);
    assert_eq!(proven.code, 0, "{proven:?}");
    assert_says(&proven.stdout, &["1 service verified"]);
    assert_eq!(machines.iter().map(invocation).collect::<Vec<_>>(), runs, "{:?}", since.elapsed());
}

#[test]
fn a_renewal_of_what_is_not_deployed_is_refused() {
    let Some(ground) = Ground::new(&plain(1)) else { return };
    let ran = ground.kcm(&["certs", "renew"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_says(&ran.stderr, &["[not-deployed]", "kcm apply"]);
}
