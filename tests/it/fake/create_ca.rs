//! Tests that kcm creates a CA only where none can be in use.

use std::net::TcpListener;
use std::sync::Arc;

use kcm::transport::fake::Fake;
use kcm::{Cluster, Error, Fleet, Interrupt, Network, PreflightError, Run, Silent};
use kcm_tests::{Tree, Workspace};
use time::OffsetDateTime;

/// Applies to one fake master with the API server at `server`.
async fn apply(
    workspace: &Workspace,
    server: &str,
    network: Network,
    fake: &Fake,
) -> Result<kcm::Outcome, Error> {
    let text = workspace.read("kcm.yaml").replace("https://192.168.1.210:6443", server);
    let text = text.replace("  keyAlgorithm", "  createCa: true\n  keyAlgorithm");
    let cluster = Cluster::parse(&text, &workspace.file("kcm.yaml")).unwrap();
    let fleet = Fleet::new(&cluster, network, |_| Arc::new(fake.clone()));
    let (now, interrupt) = (OffsetDateTime::now_utc(), Interrupt::default());
    kcm::apply(Run::new(&cluster, &fleet, now, &Silent, &interrupt)).await
}

fn workspace() -> Workspace {
    // One master suffices for a refusal and for a deployment.
    let workspace = Workspace::one_master();
    std::fs::remove_dir_all(workspace.file("pki")).unwrap();
    workspace.bring_everything();
    workspace
}

async fn refusal(server: &str, prepare: impl FnOnce(&Fake)) -> String {
    let (workspace, fake) = (workspace(), Fake::new("k8s-master-01"));
    prepare(&fake);
    let effects = fake.inspect(|state| state.effects);
    let before = Tree::of(workspace.path()).content();
    let error = apply(&workspace, server, Network::Allowed, &fake).await.unwrap_err();
    assert!(matches!(error, Error::Preflight(PreflightError::CaInUse { .. })), "{error}");
    assert_eq!(Tree::of(workspace.path()).content(), before);
    assert_eq!(fake.inspect(|state| state.effects), effects);
    format!("{error}; {}", error.help().unwrap_or_default())
}

/// Returns the URL of a loopback address on which no process listens.
fn silent_server() -> String {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("https://127.0.0.1:{port}")
}

#[tokio::test]
async fn not_while_the_server_answers() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", server.local_addr().unwrap());
    let printed = refusal(&url, |_| {}).await;
    assert!(printed.contains(&format!("{url} accepts connections")), "{printed}");

    // With the network forbidden, kcm does not connect to the server.
    let (workspace, fake) = (workspace(), Fake::new("k8s-master-01"));
    assert!(apply(&workspace, &url, Network::Forbidden, &fake).await.unwrap().is_done());
    server.set_nonblocking(true).unwrap();
    assert!(server.accept().is_ok(), "the first run did connect");
    assert!(server.accept().is_err(), "the second did not");
}

#[tokio::test]
async fn not_while_a_master_has_a_unit_a_ca_file_or_a_process() {
    let server = silent_server();
    let unit = "/etc/systemd/system/kube-controller-manager.service";
    let printed =
        refusal(&server, |fake| fake.inspect(|state| state.put_file(unit, b"[Unit]\n", 0o644)))
            .await;
    assert!(printed.contains("k8s-master-01 has a kube-controller-manager unit"), "{printed}");

    let ca = "/opt/kubernetes/pki/ca/cert/ca.pem";
    let printed =
        refusal(&server, |fake| fake.inspect(|state| state.put_file(ca, b"x", 0o644))).await;
    assert!(printed.contains("k8s-master-01 has a CA certificate"), "{printed}");

    let key = "/opt/kubernetes/pki/ca/cert/ca-key.pem";
    let printed =
        refusal(&server, |fake| fake.inspect(|state| state.put_file(key, b"x", 0o600))).await;
    assert!(printed.contains("k8s-master-01 has a CA key"), "{printed}");

    let executable = "/opt/kubernetes/bin/kube-controller-manager".to_owned();
    let printed = refusal(&server, |fake| {
        fake.inspect(|state| state.strangers.insert(executable, vec![4711]));
    })
    .await;
    assert!(printed.contains("k8s-master-01 runs kube-controller-manager"), "{printed}");
}

#[tokio::test]
async fn but_where_nothing_is_and_nobody_answers() {
    let (workspace, fake) = (workspace(), Fake::new("k8s-master-01"));
    let outcome = apply(&workspace, &silent_server(), Network::Allowed, &fake).await.unwrap();
    assert!(outcome.created_ca && outcome.is_done());
    assert!(workspace.file("pki/ca/cert/ca-key.pem").exists());
}

#[test]
fn a_ca_beside_the_cluster_file_is_made_too() {
    let workspace = Workspace::one_master();
    std::fs::remove_dir_all(workspace.file("pki")).unwrap();
    workspace.edit(
        "  caCert: pki/ca/cert/ca.pem\n  caKey: pki/ca/cert/ca-key.pem\n",
        "  caCert: ca.pem\n  caKey: ca-key.pem\n  createCa: true\n",
    );
    workspace.apply();
    assert!(workspace.file("ca.pem").is_file() && workspace.file("ca-key.pem").is_file());
}
