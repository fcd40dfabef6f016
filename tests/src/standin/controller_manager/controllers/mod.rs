//! Starts the controllers, each under its own identity, and runs them after each change.

mod account;
pub(super) mod names;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::files::{self, Material};
use super::options::Options;
use super::workloads::{self, Controller, Kind, Snapshot};
use crate::standin::client::Client;
use crate::standin::flags::Parsed;
use crate::standin::kubeconfig::Kubeconfig;
use crate::standin::log;
pub(super) use account::Account;

/// Runs the enabled controllers; returns only on an error.
pub(super) async fn run(
    flags: &Parsed,
    options: &Options,
    kubeconfig: &Kubeconfig,
) -> Result<Infallible, String> {
    let client = || Client::new(kubeconfig.clone(), Duration::from_secs(30));
    let root = Arc::new(client());
    wait_for_server(&root).await?;
    let material = files::check(flags, options)?;
    let has_accounts = flags.is_on("use-service-account-credentials", false);
    let mut controllers: Vec<(Controller, Account)> = Vec::new();
    for (name, account, controller) in CONTROLLERS {
        if options.is_enabled(name) {
            log::line('I', &format!("\"Starting controller\" controller={name:?}"));
            let account = account.filter(|_| has_accounts);
            controllers.push((*controller, Account::new(root.clone(), account)));
        }
    }
    // As upstream, informers list and watch under the kubeconfig's identity.
    let news = Arc::new(Notify::new());
    for kind in Kind::ALL {
        let (client, news) = (client(), news.clone());
        tokio::spawn(async move {
            let path = format!("{}?watch=true", kind.path());
            loop {
                let ended = client.watch(&path, || news.notify_one()).await;
                if let Err(error) = ended {
                    log::line('E', &format!("\"Failed to watch\" err={error:?}"));
                }
                news.notify_one();
                sleep(Duration::from_secs(1)).await;
            }
        });
    }
    loop {
        let has_failed = match Snapshot::take(&root).await {
            Ok(snapshot) => !pass(&mut controllers, &snapshot, &material).await,
            Err(error) => {
                log::line('E', &format!("\"Failed to list\" err={error:?}"));
                true
            }
        };
        let patience = if has_failed { RETRY } else { RESYNC };
        let _ = timeout(patience, news.notified()).await;
        // Waits for further changes, which come in bursts.
        sleep(Duration::from_millis(if has_failed { 300 } else { 20 })).await;
    }
}

/// Runs each controller once on the snapshot; returns whether all succeeded.
async fn pass(
    controllers: &mut [(Controller, Account)],
    snapshot: &Snapshot,
    material: &Material,
) -> bool {
    let mut is_fine = true;
    for (controller, account) in controllers {
        let done = workloads::run(*controller, snapshot, material, account).await;
        if let Err(error) = done {
            log::line('E', &format!("\"Unhandled Error\" controller={controller:?} err={error:?}"));
            is_fine = false;
        }
    }
    is_fine
}

async fn wait_for_server(root: &Client) -> Result<(), String> {
    let mut last = String::new();
    for _ in 0..10 {
        match root.get("/healthz").await {
            Ok((200, _)) => return Ok(()),
            Ok((code, _)) => last = format!("/healthz answers {code}"),
            Err(error) => last = error,
        }
        sleep(Duration::from_secs(1)).await;
    }
    Err(format!("failed to wait for apiserver being healthy: {last}"))
}

/// Controllers: name, service account, implementation. As upstream, the token controller starts
/// first and uses the identity of the kubeconfig.
const CONTROLLERS: &[(&str, Option<&str>, Controller)] = &[
    ("serviceaccount-token-controller", None, Controller::Token),
    ("serviceaccount-controller", Some("service-account-controller"), Controller::ServiceAccount),
    (
        "root-ca-certificate-publisher-controller",
        Some("root-ca-cert-publisher"),
        Controller::RootCa,
    ),
    ("deployment-controller", Some("deployment-controller"), Controller::Deployment),
    ("replicaset-controller", Some("replicaset-controller"), Controller::ReplicaSet),
    ("resourcequota-controller", Some("resourcequota-controller"), Controller::ResourceQuota),
    ("garbage-collector-controller", Some("generic-garbage-collector"), Controller::Garbage),
    ("namespace-controller", Some("namespace-controller"), Controller::Namespace),
];

const RETRY: Duration = Duration::from_millis(700);
const RESYNC: Duration = Duration::from_secs(30);
