//! Tests of a renewal where the kubeconfig names a file with certificate and key.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use kcm_tests::lab::Machine;
use kcm_tests::peers;

use super::{Ground, UNIT, assert_says, line_of, plain, until};

const FOLDER: &str = "/opt/kubernetes/pki/kube-controller-manager/cert";
const COMBINED: &str =
    "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager-current.pem";
/// Path of the key on the operator's machine.
const KEY: &str = "pki/kube-controller-manager/cert/kube-controller-manager-key.pem";
const KUBECONFIG: &str = "/opt/kubernetes/kubeconfig/kube-controller-manager.kubeconfig";
/// Sections for a named file and a certificate reload after 25 s: longer than a renewal, and
/// shorter than client-go's five minutes.
const NAMED: &str = "kubeconfig: {credentials: files}
systemd: {directives: {Service: {Environment: KCM_STANDIN_CERT_RELOAD_SECONDS=25}}}
";

/// Returns the invocation and the main process of the service, as systemd reports them.
fn run(machine: &Machine) -> String {
    machine.output(&["systemctl", "show", "-p", "InvocationID", "-p", "MainPID", UNIT])
}

/// Returns the fingerprint of the certificate in the combined file, as the API server's audit log
/// has it. openssl verifies that the key matches.
fn certificate(machine: &Machine) -> String {
    let path = machine.file(COMBINED);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    let openssl = |arguments: &[&str]| {
        peers::run(Command::new("openssl").args(arguments).arg("-in").arg(&path))
    };
    let public = openssl(&["x509", "-noout", "-pubkey"]);
    assert_eq!(openssl(&["pkey", "-pubout"]), public, "one pair");
    let text = fs::read_to_string(path).unwrap();
    let end = text.find("-----END CERTIFICATE-----\n").unwrap() + 26;
    kcm_pki::Certificate::from_pem(&text.as_bytes()[..end]).unwrap().fingerprint().to_hex()
}

impl Ground {
    /// True if the API server accepted a request of a service with this certificate.
    fn has_let_in(&self, certificate: &str) -> bool {
        let is_of = |user_agent: &str| user_agent.starts_with("kube-controller-manager");
        self.plane.requests().iter().any(|request| {
            request.certificate.as_deref() == Some(certificate)
                && is_of(&request.user_agent)
                && request.code < 400
        })
    }
}

#[test]
fn a_renewal_of_a_named_file_restarts_nothing_keeps_the_leader_and_is_taken_up() {
    let Some(ground) = Ground::new(&plain(2)) else { return };
    ground.write(NAMED);
    ground.apply(&[]);
    let machines = ground.lab.machines();
    let before: Vec<_> =
        machines.iter().map(|machine| (run(machine), certificate(machine))).collect();
    let leader = ground.plane.admin().holder();
    let kubeconfig = fs::read(machines[0].file(KUBECONFIG)).unwrap();
    assert!(!String::from_utf8_lossy(&kubeconfig).contains("-key-data"));

    // A missing key is a reason like any other. `--force` would also renew the self-signed serving
    // certificates, which needs a restart.
    fs::remove_file(ground.workspace.file(KEY)).unwrap();
    let renewed = ground.kcm(&["certs", "renew"]);
    assert_eq!(renewed.code, 0, "{renewed:?}");
    for (machine, (run_before, certificate_before)) in machines.iter().zip(&before) {
        assert_ne!(certificate(machine), *certificate_before);
        assert_eq!(run(machine), *run_before, "the same process");
        let printed = line_of(&renewed.stdout, machine);
        assert_says(
            printed,
            &["done: 3 files written", "nothing restarted", "certificate reload not verified yet"],
        );
        assert_eq!(fs::read(machine.file(KUBECONFIG)).unwrap(), kubeconfig);
    }
    let again = ground.apply(&[]);
    assert!(again.stdout.starts_with("Nothing to do"), "{again:?}");
    // A slow machine may reload meanwhile.
    let states =
        ["certificate reload not verified yet", " are closed; the others", "uses the current"];
    assert!(states.iter().any(|state| again.stderr.contains(state)), "{again:?}");
    let checked = ground.kcm(&["certs", "check"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    assert_says(&checked.stdout, &[COMBINED]);

    let certificate = certificate(&machines[0]);
    until("a service has used it", Duration::from_secs(60), || ground.has_let_in(&certificate));
    let is_leader = |machine: &Machine| {
        leader.as_deref().is_some_and(|it| it.starts_with(&format!("{}_", machine.hostname())))
    };
    until("kcm has seen that it is used", Duration::from_secs(60), || {
        let plan = ground.kcm(&["plan", "--check"]);
        assert_eq!(plan.code, 0, "{plan:?}");
        machines.iter().all(|machine| {
            let printed = line_of(&plan.stderr, machine);
            // Connections of the leader's controllers authenticate with tokens and stay open.
            printed.contains("the running process uses the current certificate")
                || is_leader(machine) && printed.contains(" are closed; the others may belong to")
        })
    });
    assert_eq!(ground.plane.admin().holder(), leader, "the same leader");
    for (machine, (run_before, _)) in machines.iter().zip(&before) {
        assert_eq!(run(machine), *run_before, "the same process");
    }

    // A rollback restores the first pair without a restart.
    let back = ground.kcm(&["rollback"]);
    assert_eq!(back.code, 0, "{back:?}");
    for (machine, (run_before, certificate_before)) in machines.iter().zip(&before) {
        assert_eq!((&run(machine), &self::certificate(machine)), (run_before, certificate_before));
    }

    // With the tutorial's form, no key remains in the unused file.
    ground.write("");
    ground.apply(&[]);
    for machine in machines {
        assert!(!machine.file(COMBINED).exists());
        let kept = machine.output(&["find", FOLDER, "-name", "*current*"]);
        assert!(kept.lines().all(|path| path.contains(".kcm.")), "{kept}");
    }
}
