//! Tests of `kcm rotate ca` on real masters: the CA is replaced while masters and API servers work.

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use kcm_tests::control_plane::{Authority, ControlPlane, Identity, LeaseWatcher};
use kcm_tests::lab::Machine;
use kcm_tests::{CommandOutput, peers};
use serde_json::{Value, json};

use super::rotate::{Probe, invocations, token_secret, trust_public_keys};
use super::{CA, CA_KEY, Ground, UNIT, assert_says, plain, until};

const KUBECONFIG: &str = "/opt/kubernetes/kubeconfig/kube-controller-manager.kubeconfig";
const CERTIFICATE: &str =
    "/opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager.pem";
const ROTATE: [&str; 3] = ["rotate", "ca", "--yes"];
const PATIENCE: Duration = Duration::from_secs(30);

/// Two API servers, and masters as the tutorial deploys them, but with a separate service account key.
struct Site {
    ground: Ground,
    second: ControlPlane,
    old: Authority,
}

impl Site {
    fn new(masters: usize) -> Option<Self> {
        let ground = Ground::new(&plain(masters))?;
        let old = ground.plane.authority().clone();
        let binaries = ground.plane.binaries();
        let second = ControlPlane::start(binaries, ground.lab.address(21), 6443, &old);
        // The servers of a cluster share their objects; these two have separate stores.
        second.create_service_account("kube-system", "default");
        for plane in [&ground.plane, &second] {
            plane.restart_with(|settings| settings.downtime = Duration::from_secs(1));
        }
        ground.plane.restart_with(|settings| settings.peers = vec![second.address()]);
        ground.apply(&[]);
        let site = Self { ground, second, old };
        site.separates_the_token_key();
        Some(site)
    }

    /// Replaces the CA key by a separate key for service account tokens.
    fn separates_the_token_key(&self) {
        let rotate = |code| {
            let ran = self.ground.kcm(&["rotate", "service-account-key", "--yes"]);
            assert_eq!(ran.code, code, "{ran:?}");
        };
        self.ground.workspace.edit("pki:\n", "pki:\n  serviceAccountKey: {file: pki/sa.key}\n");
        rotate(3);
        for plane in self.planes() {
            trust_public_keys(plane, &self.ground.lab.machines()[0]);
        }
        rotate(3);
        rotate(0);
    }

    fn planes(&self) -> [&ControlPlane; 2] {
        [&self.ground.plane, &self.second]
    }

    /// Returns the stage by `kcm rotate -o json`.
    fn stage(&self) -> (String, Value) {
        let ran = self.ground.kcm(&["rotate", "-o", "json"]);
        let rotations: Value = serde_json::from_str(&ran.stdout).unwrap();
        let rotation = rotations["ca"].clone();
        (rotation["stage"].as_str().unwrap().to_owned(), rotation)
    }

    fn rotate(&self, more: &[&str], code: i32) -> CommandOutput {
        let ran = self.ground.kcm(&[&ROTATE[..], more].concat());
        assert_eq!(ran.code, code, "{ran:?}");
        ran
    }

    /// Carries out a stage that restarts all masters, and asserts that leadership changes once.
    fn restarts_all(&self, more: &[&str], code: i32, texts: &[&str]) {
        let watcher = LeaseWatcher::start(self.ground.plane.admin());
        let ran = self.rotate(more, code);
        let done = format!("Done: {} masters", self.ground.lab.machines().len());
        assert_says(&ran.stdout, &[&[&*done], texts].concat());
        let history = watcher.end();
        assert_eq!(history.successions().count(), 1, "{history:?}");
        for machine in self.ground.lab.machines() {
            assert!(machine.serves(), "{}", machine.name());
        }
    }

    /// Asserts that a stage is refused because one server is behind, and that nothing restarts.
    fn is_behind(&self, behind: &ControlPlane, text: &str) {
        let before = invocations(&self.ground);
        let ran = self.rotate(&[], 3);
        assert_says(&ran.stdout, &[text, &behind.server()]);
        let findings: Vec<_> = ran.stdout.lines().filter(|it| it.contains("error[")).collect();
        for plane in self.planes() {
            let is_named = findings.iter().any(|line| line.contains(&plane.server()));
            assert_eq!(is_named, plane.address() == behind.address(), "{ran:?}");
        }
        assert_eq!(invocations(&self.ground), before);
    }

    /// Waits until the controller manager that leads has given these CA certificates to all Pods.
    fn publishes(&self, ca: &str) {
        let path = "/api/v1/namespaces/default/configmaps/kube-root-ca.crt";
        until("the namespace has the bundle", PATIENCE, || {
            let reply = self.ground.plane.admin().try_get(path).unwrap();
            reply.body["data"]["ca.crt"].as_str().is_some_and(|held| held.trim() == ca.trim())
        });
    }

    /// Asserts which clients complete the TLS handshake: with the old CA only, with both, and with
    /// the new one only. The server accepts the identity of each.
    fn clients(&self, plane: &ControlPlane, new: &Authority, expected: [bool; 3]) {
        let identity = plane.settings().admin;
        let both = format!("{}{}", self.old.certificate, new.certificate);
        let cas = [&self.old.certificate, &both, &new.certificate];
        let seen = cas.map(|ca| {
            let client = plane.client_trusting(ca, &identity);
            client.try_get("/api").is_ok_and(|reply| reply.code == 200)
        });
        assert_eq!(seen, expected, "{}", plane.server());
    }

    /// Asserts that no request of kube-controller-manager was refused, and that none failed in TLS.
    fn refused_nothing(&self) {
        for plane in self.planes() {
            let own = plane.requests().into_iter();
            let own = own.filter(|it| it.user_agent.contains("kube-controller-manager"));
            let refused: Vec<_> = own.filter(|it| [401, 403].contains(&it.code)).collect();
            assert!(refused.is_empty(), "{refused:?}");
        }
        for machine in self.ground.lab.machines() {
            let journal = machine.output(&["journalctl", "-u", UNIT, "-o", "cat", "--no-pager"]);
            let is_refusal = |line: &&str| {
                line.starts_with('E')
                    && ["x509", "certificate", "401"].iter().any(|it| line.contains(it))
            };
            let failed: Vec<_> = journal.lines().filter(is_refusal).collect();
            assert!(failed.is_empty(), "{}: {failed:#?}", machine.name());
        }
    }
}

/// Returns the CA certificates of a kubeconfig, as PEM.
fn trusted(machine: &Machine) -> String {
    let path = machine.file(KUBECONFIG).display().to_string();
    let mut kubectl = Command::new("kubectl");
    kubectl.args(["config", "view", "--raw", "--kubeconfig", &path]);
    kubectl.args(["-o", "jsonpath={.clusters[0].cluster.certificate-authority-data}"]);
    let encoded = peers::run(&mut kubectl);
    let decode = ["-c", "printf %s \"$1\" | base64 -d", "decode", &encoded];
    peers::run(Command::new("sh").args(decode))
}

/// openssl verifies the client certificate of a master with this CA alone.
fn verifies(machine: &Machine, ca: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root.pem");
    fs::write(&root, ca).unwrap();
    let file = machine.file(CERTIFICATE).display().to_string();
    let root = root.display().to_string();
    let verify = ["verify", "-purpose", "sslclient", "-CAfile", &root, &file];
    peers::output(&mut peers::openssl(folder.path(), &verify)).status.success()
}

/// Writes the `ConfigMap` `kube-root-ca.crt` of each namespace.
fn give_root_ca(plane: &ControlPlane, ca: &str) {
    let admin = plane.admin();
    for namespace in admin.list("/api/v1/namespaces") {
        let name = namespace["metadata"]["name"].as_str().unwrap();
        let map = json!({"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": ca}});
        admin.create(&format!("/api/v1/namespaces/{name}/configmaps"), &map).ok();
    }
}

fn serve(plane: &ControlPlane, new: &Authority) {
    let serving = plane.serving_identity(new);
    plane.restart_with(|settings| settings.serving = serving);
}

fn accept(plane: &ControlPlane, ca: &str) {
    plane.restart_with(|settings| ca.clone_into(&mut settings.client_ca));
}

#[test]
fn the_ca_is_replaced_while_masters_and_api_servers_work() {
    let Some(site) = Site::new(3) else { return };
    let ground = &site.ground;
    let pki = |name: &str| ground.workspace.read(&format!("pki/ca/cert/{name}"));
    let old = pki("ca.pem");
    let probe = Probe::start(&ground.plane, &token_secret(ground, "token"));

    ground.workspace.edit("pki:\n", "pki:\n  trust: pki/ca/cert/ca-bundle.pem\n");
    let refused = ground.kcm(&["apply"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert_says(&refused.stderr, &["ca-bundle.pem", "kcm rotate ca"]);
    assert_eq!(site.stage().0, "done");

    let before = (ground.workspace.tree(), invocations(ground));
    let shown = site.rotate(&["--new", "--dry-run"], 3);
    assert_says(
        &shown.stdout,
        &["trust (1 of 3)", "start kube-controller-manager", "later  masters and Pods no longer"],
    );
    assert_eq!((ground.workspace.tree(), invocations(ground)), before);

    site.restarts_all(&["--new"], 3, &["issue (2 of 3)"]);
    let next = pki("ca.pem.next");
    let both = format!("{old}{next}");
    let new = Authority { certificate: next.clone(), key: pki("ca-key.pem.next") };
    assert_eq!(pki("ca-bundle.pem"), both);
    for machine in ground.lab.machines() {
        assert_eq!(trusted(machine), both, "{}", machine.name());
        assert_eq!(fs::read_to_string(machine.file(CA)).unwrap(), old);
    }
    site.publishes(&both);
    ground.apply(&[]);

    // Every API server has to accept certificates of the next CA first.
    let blocked = site.rotate(&[], 3);
    let servers = site.planes().map(ControlPlane::server);
    assert_says(
        &blocked.stdout,
        &["[ca-not-trusted]", "--client-ca-file", &servers[0], &servers[1]],
    );
    for plane in site.planes() {
        site.clients(plane, &new, [true, true, false]);
    }
    accept(&ground.plane, &both);
    site.is_behind(&site.second, "does not accept certificates of the next CA");
    accept(&site.second, &both);
    // The masters write to the first server only.
    give_root_ca(&site.second, &both);

    site.restarts_all(&[], 3, &["drop (3 of 3)"]);
    assert_eq!((pki("ca.pem"), pki("ca.pem.former")), (next.clone(), old.clone()));
    assert!(!ground.workspace.file("pki/ca/cert/ca.pem.next").exists());
    for machine in ground.lab.machines() {
        assert!(verifies(machine, &next) && !verifies(machine, &old), "{}", machine.name());
        assert_eq!(fs::read_to_string(machine.file(CA)).unwrap(), next);
        assert_eq!(fs::read_to_string(machine.file(CA_KEY)).unwrap(), pki("ca-key.pem"));
        assert_eq!(machine.output(&["stat", "-c", "%a %U", CA_KEY]).trim(), "600 root");
        assert_eq!(trusted(machine), both);
    }
    let again = ground.apply(&[]);
    assert!(again.stdout.starts_with("Nothing to do"), "{again:?}");

    // Every API server has to serve with the new CA before the old one is dropped.
    let blocked = site.rotate(&[], 3);
    assert_says(&blocked.stdout, &["[ca-in-use]", "--tls-cert-file", &servers[0], &servers[1]]);
    let admin = new.client("kubernetes-admin", &["system:masters"]);
    let trusting = |plane: &ControlPlane, admin: &Identity| {
        plane.restart_with(|settings| {
            settings.server_ca.clone_from(&both);
            settings.admin = admin.clone();
        });
    };
    for plane in site.planes() {
        trusting(plane, &admin);
    }
    serve(&ground.plane, &new);
    site.clients(&ground.plane, &new, [false, true, true]);
    site.is_behind(&site.second, "the new CA alone does not verify");
    serve(&site.second, &new);
    assert_eq!(site.stage().0, "drop");

    site.restarts_all(&[], 0, &["done: no rotation"]);
    assert_eq!(pki("ca-bundle.pem"), next);
    for machine in ground.lab.machines() {
        assert_eq!(trusted(machine), next, "{}", machine.name());
    }
    site.publishes(&next);
    for plane in site.planes() {
        accept(plane, &next);
        site.clients(plane, &new, [false, true, true]);
    }
    assert_eq!(site.stage().0, "done");
    let again = ground.apply(&[]);
    assert!(again.stdout.starts_with("Nothing to do"), "{again:?}");

    // No other component needs the CA key on the masters.
    let file = ground.workspace.read("kcm.yaml");
    let none = "controllerManager: {csrSigning: none}\nmasters:\n";
    ground.workspace.write("kcm.yaml", file.replace("masters:\n", none));
    ground.apply(&["--remove-ca-key", "--yes"]);
    for machine in ground.lab.machines() {
        assert!(!machine.file(CA_KEY).exists(), "{}", machine.name());
    }
    let status = ground.kcm(&["status"]);
    assert_eq!(status.code, 0, "{status:?}");
    probe.end();
    site.refused_nothing();
    ground.is_whole();
}

#[test]
fn a_rotation_that_is_killed_or_rolled_back_continues_from_the_certificates() {
    let Some(site) = Site::new(2) else { return };
    let ground = &site.ground;
    ground.workspace.edit("pki:\n", "pki:\n  trust: pki/ca/cert/ca-bundle.pem\n");
    let pki = |name: &str| ground.workspace.read(&format!("pki/ca/cert/{name}"));
    let old = pki("ca.pem");
    let killed = |arguments: &[&str], stages: &[&str]| {
        for after in [100, 600, 1200, 2000, 3500] {
            let kcm = ground.start(&[&ROTATE[..], arguments].concat());
            sleep(Duration::from_millis(after));
            kcm.kill();
            // A script on its way may still finish, and a stopped service starts by its timer.
            sleep(Duration::from_secs(1));
            until("all serve", Duration::from_secs(60), || {
                ground.lab.machines().iter().all(Machine::serves)
            });
            let (stage, rotation) = site.stage();
            assert!(stages.contains(&&*stage), "after {after} ms: {rotation}");
        }
    };
    let rolled_back = |stage: &str| {
        let ran = ground.kcm(&["rollback", "--yes"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(site.stage().0, stage);
    };
    killed(&["--new"], &["done", "trust", "issue"]);
    let next = pki("ca.pem.next");
    if site.stage().0 == "trust" {
        site.rotate(&[], 3);
    }
    rolled_back("trust");
    site.rotate(&[], 3);
    let both = format!("{old}{next}");
    for plane in site.planes() {
        accept(plane, &both);
    }
    give_root_ca(&site.second, &both);
    site.publishes(&both);
    assert_eq!(site.stage().0, "issue");

    killed(&[], &["issue", "drop"]);
    if site.stage().0 == "issue" {
        site.rotate(&[], 3);
    }
    rolled_back("issue");
    let refused = ground.kcm(&["apply", "--yes"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert_says(&refused.stderr, &["[ca-mismatch]", "kcm rotate ca"]);
    site.rotate(&[], 3);
    let new = Authority { certificate: next.clone(), key: pki("ca-key.pem") };
    for plane in site.planes() {
        let (admin, serving) =
            (new.client("kubernetes-admin", &["system:masters"]), plane.serving_identity(&new));
        plane.restart_with(|settings| {
            settings.server_ca.clone_from(&both);
            (settings.admin, settings.serving) = (admin, serving);
        });
    }

    killed(&[], &["drop", "done"]);
    if site.stage().0 == "drop" {
        site.rotate(&[], 0);
    }
    assert_eq!((site.stage().0.as_str(), pki("ca-bundle.pem")), ("done", next.clone()));
    for machine in ground.lab.machines() {
        assert_eq!(trusted(machine), next, "{}", machine.name());
        assert!(verifies(machine, &next), "{}", machine.name());
    }
    ground.is_whole();
}
