//! Tests of `kcm status` on folders and through the library.

use std::os::unix::fs::PermissionsExt as _;

use kcm::status::{Health, Sync};
use kcm::transport::fake::{FakeState, Power};
use kcm::{FindingCode, Status};
use kcm_tests::{CommandOutput, Workspace};
use serde_json::Value;

use crate::fake::masters::FakeCluster;

const UNIT_FILE: &str = "etc/systemd/system/kube-controller-manager.service";
const KEY: &str = "opt/kubernetes/pki/kube-controller-manager/cert/kube-controller-manager-key.pem";

fn status(workspace: &Workspace, arguments: &[&str]) -> CommandOutput {
    workspace.kcm(&[&["status", "--root", "out"], arguments].concat())
}

fn codes(ran: &CommandOutput) -> Vec<(String, String)> {
    let status: Value = serde_json::from_str(&ran.stdout).unwrap();
    let all = status["findings"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all.map(|it| (text(&it["master"]), text(&it["code"]))).collect()
}

#[test]
fn folders_are_compared_with_the_cluster_file_and_nothing_is_written() {
    let workspace = Workspace::new();
    workspace.bring_everything();
    let before = workspace.tree();
    let none = status(&workspace, &[]);
    assert_eq!(none.code, 1, "{none:?}");
    assert!(none.stdout.contains("[not-deployed]"), "{none:?}");
    assert_eq!(workspace.tree(), before);

    assert_eq!(workspace.kcm(&["apply", "--root", "out"]).code, 0);
    let before = workspace.tree();
    let well = status(&workspace, &[]);
    assert_eq!(well.code, 0, "{well:?}");
    assert!(well.stdout.contains("No findings: 3 masters."), "{well:?}");
    assert_eq!(workspace.tree(), before);

    let unit = workspace.on_master("k8s-master-02", UNIT_FILE);
    let text = std::fs::read_to_string(&unit).unwrap();
    std::fs::write(&unit, text.replace("--v=2", "--v=4")).unwrap();
    let key = workspace.on_master("k8s-master-03", KEY);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o604)).unwrap();
    let ran = status(&workspace, &["-o", "json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let expected = [
        ("k8s-master-02", "drift"),
        ("k8s-master-03", "drift"),
        ("k8s-master-03", "secret-readable"),
    ];
    let expected = expected.map(|(master, code)| (master.to_owned(), code.to_owned()));
    assert_eq!(codes(&ran), expected);
    // A warning alone also exits with 3.
    let one = status(&workspace, &["--master", "k8s-master-02"]);
    assert_eq!(one.code, 3, "{one:?}");
}

fn found(status: &Status) -> Vec<(Option<&str>, FindingCode)> {
    status.findings.iter().map(|it| (it.master.as_deref(), it.code)).collect()
}

#[tokio::test(start_paused = true)]
async fn an_embedder_gets_the_same_as_values_in_one_exchange_with_each_master() {
    let masters = FakeCluster::furnished(Workspace::new());
    masters.apply().await.unwrap();
    let exchanges = |state: &mut FakeState| state.exchanges;
    let before: Vec<_> = masters.fakes.iter().map(|fake| fake.inspect(exchanges)).collect();
    let status = masters.status().await;
    assert_eq!(found(&status), []);
    for (fake, before) in masters.fakes.iter().zip(before) {
        assert_eq!(fake.inspect(exchanges), before + 1);
    }
    for master in &status.masters {
        let facts = master.facts().unwrap();
        assert_eq!(facts.health, Some(Health::Healthy));
        assert_eq!(facts.sync, Sync::InSync);
        assert!(
            facts.process.as_ref().unwrap().argv.iter().any(|word| word == "--leader-elect=true")
        );
    }

    masters.fakes[1].inspect(|state| state.clock_offset = time::Duration::minutes(-6));
    masters.fakes[2].inspect(|state| state.power = Power::Off);
    let status = masters.status().await;
    let expected = [
        (Some("k8s-master-02"), FindingCode::ClockOff),
        (Some("k8s-master-03"), FindingCode::NotObserved),
    ];
    assert_eq!(found(&status), expected);
}

#[test]
fn what_somebody_else_put_there_is_not_called_drifted() {
    let workspace = Workspace::new();
    workspace.bring_everything();
    let unit = workspace.on_master("k8s-master-01", UNIT_FILE);
    std::fs::create_dir_all(unit.parent().unwrap()).unwrap();
    std::fs::write(unit, "[Service]\nExecStart=/usr/local/bin/kube-controller-manager\n").unwrap();
    let ran = status(&workspace, &["--master", "k8s-master-01", "-o", "json"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let codes: Vec<_> = codes(&ran).into_iter().map(|(_, code)| code).collect();
    assert!(codes.contains(&"not-managed".to_owned()), "{codes:?}");
    assert!(!codes.contains(&"drift".to_owned()), "{codes:?}");
}
