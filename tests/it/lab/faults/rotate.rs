//! Tests of `kcm rotate` on real masters: the key of service account tokens is replaced while tokens
//! of the old and of the new key are in use.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use kcm_tests::control_plane::{ControlPlane, LeaseWatcher};
use kcm_tests::lab::Machine;
use kcm_tests::peers;
use serde_json::Value;

use super::{Ground, UNIT, assert_says, plain, until};

const KEY: &str = "/opt/kubernetes/pki/service-account/sa.key";
const PUBLIC: &str = "/opt/kubernetes/pki/service-account/sa.pub";
const ROTATE: [&str; 3] = ["rotate", "service-account-key", "--yes"];
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends requests with a token every 100 ms, until the end.
pub(super) struct Probe {
    stop: Arc<AtomicBool>,
    refused: Arc<Mutex<Vec<u16>>>,
    thread: Option<JoinHandle<usize>>,
}

impl Probe {
    pub(super) fn start(plane: &ControlPlane, token: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let refused: Arc<Mutex<Vec<u16>>> = Arc::default();
        let client = plane.client(None).with_token(token);
        let (is_over, answers) = (Arc::clone(&stop), Arc::clone(&refused));
        let thread = std::thread::spawn(move || {
            let mut accepted = 0;
            while !is_over.load(Ordering::Relaxed) {
                // A server that restarts does not answer.
                match client.try_get("/api").map(|reply| reply.code) {
                    Ok(200) => accepted += 1,
                    Ok(code) => answers.lock().unwrap().push(code),
                    Err(_) => {}
                }
                sleep(Duration::from_millis(100));
            }
            accepted
        });
        Self { stop, refused, thread: Some(thread) }
    }

    /// Ends the requests, and asserts that none was refused.
    pub(super) fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let accepted = self.thread.take().unwrap().join().unwrap();
        assert!(accepted > 5, "{accepted} answers");
        assert_eq!(*self.refused.lock().unwrap(), [0_u16; 0], "after {accepted} answers");
    }
}

/// Creates a Secret with a token of the controller manager that leads, and returns the token.
pub(super) fn token_secret(ground: &Ground, name: &str) -> String {
    ground.plane.create_service_account("default", "robot");
    let path = ground.plane.create_token_secret("default", name, "robot");
    let token = || ground.plane.secret_value(&path, "token");
    until("the Secret has a token", PATIENCE, || token().is_some());
    token().unwrap()
}

fn delete_secret(ground: &Ground, name: &str) {
    ground.plane.admin().delete(&format!("/api/v1/namespaces/default/secrets/{name}")).ok();
}

/// Lets the API server verify tokens of the keys in `sa.pub` on the first master too.
pub(super) fn trust_public_keys(plane: &ControlPlane, machine: &Machine) {
    let keys = fs::read_to_string(machine.file(PUBLIC)).unwrap();
    plane.restart_with(|settings| {
        settings.service_account_keys.truncate(2);
        settings.service_account_keys.push(keys);
    });
}

/// Returns the stage by `kcm rotate -o json`.
fn stage(ground: &Ground) -> (String, Value) {
    let ran = ground.kcm(&["rotate", "-o", "json"]);
    let rotations: Value = serde_json::from_str(&ran.stdout).unwrap();
    let rotation = rotations["serviceAccountKey"].clone();
    let stage = rotation["stage"].as_str().unwrap().to_owned();
    assert_eq!(ran.code, if stage == "done" { 0 } else { 3 }, "{ran:?}");
    (stage, rotation)
}

pub(super) fn invocations(ground: &Ground) -> Vec<String> {
    let of = |machine: &Machine| {
        machine.output(&["systemctl", "show", "-p", "InvocationID", "--value", UNIT])
    };
    ground.lab.machines().iter().map(of).collect()
}

/// Carries out the stage "switch", and asserts that leadership changes once.
fn switches(ground: &Ground) {
    let watcher = LeaseWatcher::start(ground.plane.admin());
    let ran = ground.kcm(&ROTATE);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_says(&ran.stdout, &["Done: 3 masters", "retire (3 of 3)"]);
    let history = watcher.end();
    assert_eq!(history.successions().count(), 1, "{history:?}");
    let key = fs::read(ground.workspace.file("pki/sa.key")).unwrap();
    for machine in ground.lab.machines() {
        assert_eq!(fs::read(machine.file(KEY)).unwrap(), key, "{}", machine.name());
    }
}

#[test]
fn the_ca_key_and_then_the_separate_key_are_replaced_while_tokens_are_in_use() {
    let Some(ground) = Ground::new(&plain(3)) else { return };
    let authority = ground.plane.authority();
    let binaries = ground.plane.binaries();
    let second = ControlPlane::start(binaries, ground.lab.address(21), 6443, authority);
    for plane in [&ground.plane, &second] {
        plane.restart_with(|settings| settings.downtime = Duration::from_secs(1));
    }
    // The servers of a cluster share their objects; these two have separate stores.
    second.create_service_account("kube-system", "default");
    ground.plane.restart_with(|settings| settings.peers = vec![second.address()]);
    ground.apply(&[]);
    let first = &ground.lab.machines()[0];
    let old = Probe::start(&ground.plane, &token_secret(&ground, "old"));
    assert_eq!(ground.kcm(&["rotate"]).code, 0);

    // The cluster file names a key that does not exist yet: apply refuses to switch unproven.
    ground.workspace.edit("pki:\n", "pki:\n  serviceAccountKey: {file: pki/sa.key}\n");
    let refused = ground.kcm(&["apply"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert_says(
        &refused.stderr,
        &["[service-account-key-unverified]", "kcm rotate service-account-key", &second.server()],
    );
    assert!(!ground.workspace.file("pki/sa.key").exists());
    assert_eq!(stage(&ground).0, "announce");

    let before = invocations(&ground);
    let announced = ground.kcm(&ROTATE);
    assert_eq!(announced.code, 3, "{announced:?}");
    let line = format!("--service-account-key-file={PUBLIC}");
    assert_says(&announced.stdout, &[&line, &ground.plane.server(), &second.server()]);
    assert_eq!(invocations(&ground), before, "an announcement restarts nothing");
    let public = fs::read_to_string(first.file(PUBLIC)).unwrap();
    assert_eq!(public.matches("BEGIN PUBLIC KEY").count(), 2, "the new key, and the CA's");

    // One server is behind: the stage stays, and the server is named.
    trust_public_keys(&ground.plane, first);
    let behind = ground.kcm(&ROTATE);
    assert_eq!(behind.code, 3, "{behind:?}");
    assert!(!behind.stdout.contains(&format!("{} does not", ground.plane.server())), "{behind:?}");
    assert_says(&behind.stdout, &[&format!("{} does not verify", second.server())]);
    assert_eq!(invocations(&ground), before);
    trust_public_keys(&second, first);
    assert_eq!(stage(&ground).0, "switch");

    switches(&ground);
    let new = Probe::start(&ground.plane, &token_secret(&ground, "new"));
    let again = ground.apply(&[]);
    assert!(again.stdout.starts_with("Nothing to do"), "{again:?}");

    // The token of the old key still exists.
    let (at, rotation) = stage(&ground);
    assert_eq!((&*at, &rotation["legacyTokens"]), ("retire", &serde_json::json!(["default/old"])));
    let kept = ground.kcm(&ROTATE);
    assert_eq!(kept.code, 3, "{kept:?}");
    assert_says(&kept.stdout, &["[service-account-key-in-use]", "default/old"]);
    old.end();
    delete_secret(&ground, "old");
    let retired = ground.kcm(&ROTATE);
    assert_eq!(retired.code, 0, "{retired:?}");
    for machine in ground.lab.machines() {
        let public = fs::read_to_string(machine.file(PUBLIC)).unwrap();
        assert_eq!(public, ground.workspace.read("pki/sa.pub"));
        assert_eq!(public.matches("BEGIN PUBLIC KEY").count(), 1);
    }
    assert_eq!(stage(&ground).0, "done");

    // A second rotation, from the separate key to the next one.
    let key = ground.workspace.read("pki/sa.key");
    let begun = ground.kcm(&[&ROTATE[..], &["--new"]].concat());
    assert_eq!(begun.code, 3, "{begun:?}");
    assert_eq!(ground.workspace.read("pki/sa.key"), key, "the current key still signs");
    ground.apply(&[]);
    for plane in [&ground.plane, &second] {
        trust_public_keys(plane, first);
    }
    switches(&ground);
    assert_ne!(ground.workspace.read("pki/sa.key"), key);
    assert!(!ground.workspace.file("pki/sa.key.next").exists());
    new.end();
    delete_secret(&ground, "new");
    let retired = ground.kcm(&ROTATE);
    assert_eq!(retired.code, 0, "{retired:?}");
    ground.is_whole();
}

#[test]
fn a_rotation_that_is_killed_continues_from_the_facts() {
    let Some(ground) = Ground::deployed(&plain(2)) else { return };
    ground.plane.restart_with(|settings| settings.downtime = Duration::from_secs(1));
    ground.workspace.edit("pki:\n", "pki:\n  serviceAccountKey: {file: pki/sa.key}\n");
    let first = &ground.lab.machines()[0];
    let killed = |after: u64| {
        let kcm = ground.start(&ROTATE);
        sleep(Duration::from_millis(after));
        kcm.kill();
        // A script on its way may still finish.
        sleep(Duration::from_secs(1));
    };
    for after in [50, 400, 700] {
        killed(after);
        assert_eq!(stage(&ground).0, "announce");
    }
    assert_eq!(ground.kcm(&ROTATE).code, 3);
    trust_public_keys(&ground.plane, first);
    for after in [300, 900, 1500, 2200, 3000] {
        killed(after);
        // A service that was stopped starts again by its timer.
        until("all serve", Duration::from_secs(60), || {
            ground.lab.machines().iter().all(Machine::serves)
        });
        let (at, rotation) = stage(&ground);
        assert!(["switch", "retire"].contains(&&*at), "{rotation}");
    }
    let (at, _) = stage(&ground);
    if at == "switch" {
        assert_eq!(ground.kcm(&ROTATE).code, 3);
    }
    let done = ground.kcm(&ROTATE);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(stage(&ground).0, "done");
    ground.is_whole();
    let mode = first.output(&["stat", "-c", "%a %U", KEY]);
    assert_eq!(mode.trim(), "600 root");
    // openssl takes the uploaded key for the pair of the public file.
    let key = first.file(KEY).display().to_string();
    let public = ["pkey", "-in", &key, "-pubout"];
    let public = peers::run(&mut peers::openssl(ground.workspace.path(), &public));
    assert_eq!(public, fs::read_to_string(first.file(PUBLIC)).unwrap());
}
