//! Tests of masters that cannot be observed: all are reported at once, with the masters that
//! answered.

use kcm::Error;
use kcm::files::FileErrorKind;
use kcm::transport::fake::{Fault, FaultKind, FaultPoint, Power, When};
use kcm_tests::Workspace;

use crate::fake::masters::FakeCluster;

fn failing() -> FakeCluster {
    let masters = FakeCluster::furnished(Workspace::new());
    masters.fakes[2].inspect(|state| state.power = Power::Off);
    masters.fakes[0].inspect(|state| {
        let at = FaultPoint::Operation { index: 0, when: When::Before };
        let kind = FaultKind::Fails(FileErrorKind::PermissionDenied);
        state.faults.push(Fault { at, kind });
    });
    masters
}

#[tokio::test(start_paused = true)]
async fn every_master_that_fails_is_named_with_its_reason_and_who_answered() {
    let masters = failing();
    let error = masters.apply().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot observe 2 of 3 masters; no master has changed
  k8s-master-01: the master: scheduled fault; run as a user with permission, or correct the permissions
  k8s-master-03: cannot run commands on the master, nothing was changed: the master is off"
    );
    assert_eq!(
        error.help().as_deref(),
        Some("add `--skip k8s-master-01 --skip k8s-master-03` to continue without them")
    );
    assert_eq!(masters.effects(), [0; 3]);
    let Error::Observe(error) = error else { panic!("{error}") };
    let failed: Vec<_> =
        error.masters.iter().map(|(name, error)| (&**name, error.is_some())).collect();
    let names = ["k8s-master-01", "k8s-master-02", "k8s-master-03"];
    assert_eq!(failed, [(names[0], true), (names[1], false), (names[2], true)]);
}

#[tokio::test(start_paused = true)]
async fn programs_are_told_of_each_master_too() {
    let error = failing().plan().await.unwrap_err();
    let document = serde_json::to_value(error.document()).unwrap();
    assert_eq!(document["message"], "cannot observe 2 of 3 masters; no master has changed");
    assert_eq!(
        document["masters"][0]["error"],
        "the master: scheduled fault; run as a user with permission, or correct the permissions"
    );
    let answered = serde_json::json!({ "name": "k8s-master-02", "result": "untouched" });
    assert_eq!(document["masters"][1], answered);
    assert_eq!(document["masters"][2]["result"], "untouched");
}

#[tokio::test(start_paused = true)]
async fn where_nobody_answers_nobody_is_said_to() {
    let masters = failing();
    masters.fakes[1].inspect(|state| state.power = Power::Off);
    let error = masters.plan().await.unwrap_err().to_string();
    assert!(error.starts_with("cannot observe 3 of 3 masters; no master has changed\n"), "{error}");
    assert!(error.ends_with("the master is off"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn no_more_of_a_certificates_file_is_fetched_than_the_certificate() {
    let masters = FakeCluster::furnished(Workspace::new());
    let both = masters.workspace.read("pki/ca/cert/ca.pem")
        + &masters.workspace.read("pki/ca/cert/ca-key.pem");
    for fake in &masters.fakes {
        fake.inspect(|state| state.put_file(crate::fake::masters::CA, both.as_bytes(), 0o644));
    }
    let observed = masters.plan().await.unwrap().observed;
    for master in observed.masters {
        let text = master.files.ca_certificate.text.unwrap();
        assert_eq!(text, masters.workspace.read("pki/ca/cert/ca.pem"));
    }
}
