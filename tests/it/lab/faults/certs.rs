//! Tests of `kcm certs check` on real masters, of which one is off, without the API server.

use std::process::{Command, Stdio};

use kcm_tests::lab::Machine;
use kcm_tests::peers;
use serde_json::Value;

use super::{Ground, assert_says, plain};

/// Returns the SHA-256 fingerprint of a machine's serving certificate, as openssl reports it.
fn served(machine: &Machine) -> String {
    let at = format!("{}:10257", machine.address());
    let mut see = Command::new("sh");
    let line = "openssl s_client -connect \"$1\" </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256";
    let printed = peers::run(see.args(["-c", line, "see", &at]).stdin(Stdio::null()));
    let fingerprint = printed.trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase();
    format!("sha256:{fingerprint}")
}

#[test]
fn certificates_are_seen_on_masters_as_they_are_without_an_api_server_and_with_one_master_off() {
    let Some(ground) = Ground::deployed(&plain(2)) else { return };
    let check = |code: i32| -> Value {
        let ran = ground.kcm(&["certs", "check", "-o", "json"]);
        assert_eq!(ran.code, code, "{ran:?}");
        serde_json::from_str(&ran.stdout).unwrap()
    };
    let found = |check: &Value, machine: &Machine, of: &str| {
        let mut all = check["certificates"].as_array().unwrap().iter();
        all.find(|it| it["master"] == machine.name() && it["use"] == of).cloned()
    };
    let all = check(0);
    for machine in ground.lab.machines() {
        let shown = found(&all, machine, "served").unwrap();
        assert_eq!(shown["fingerprint"], served(machine));
        assert_eq!(shown["place"], format!("{}:10257", machine.address()));
    }
    let [first, second] = ground.lab.machines() else { panic!() };
    ground.plane.stop();
    let without = ground.kcm(&["certs", "check"]);
    for machine in [first, second] {
        let rows = without.stdout.lines().filter(|line| line.starts_with(machine.name()));
        let rows: Vec<_> = rows.collect();
        assert_says(&rows.join("\n"), &["CA ", "client ", "kubeconfig "]);
    }
    ground.plane.resume();
    second.power_off();
    let one = check(1);
    assert!(found(&one, first, "kubeconfig").is_some() && found(&one, second, "ca").is_none());
    let unseen = one["unseen"].as_array().unwrap();
    assert_eq!((unseen.len(), &unseen[0]["master"]), (1, &Value::from(second.name())));
    assert_says(unseen[0]["reason"].as_str().unwrap(), &["Connection refused"]);
    let ran = ground.kcm(&["certs", "check", "--skip", second.name()]);
    assert_eq!(ran.code, 0, "{ran:?}");
}
