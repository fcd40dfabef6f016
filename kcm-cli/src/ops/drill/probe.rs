//! Probe: a Deployment for each leader, which shows that the leader reconciles.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::ProbeRequest;
use crate::context::Run;
use crate::kube::{ApiError, ApiServer, Change, Patience};
use crate::ops::smoke::{APPS, CORE, Glance, LeftBehind, Namespace, Seat, until, ways};
use crate::util::interrupt::Interrupt;
use crate::util::words::at;

/// Prefix of the namespace's name.
const LABEL: &str = "kcm-drill";
/// Name of a scheduler that does not exist. The Pods are not scheduled, so no image is pulled and
/// no container runs.
const NOBODY: &str = "kcm-drill";

/// A namespace with a Deployment for each leader.
pub(super) struct Probe<'p> {
    namespace: Namespace<'p>,
    request: &'p ProbeRequest,
}

/// Connects to the API server through the first master that reaches it, or directly from this
/// machine.
///
/// # Errors
/// If the API server cannot be queried. The text is the cause.
pub(super) async fn reach(
    run: Run<'_>,
    request: &ProbeRequest,
    seats: &[Seat],
) -> Result<ApiServer, String> {
    let mut why = "no master is reachable as a route to the API server".to_owned();
    for via in ways(run, seats) {
        let asking = async {
            let api = ApiServer::new(&request.credentials, via, Patience::USUAL).await?;
            api.version().await?;
            Ok::<_, ApiError>(api)
        };
        match asking.await {
            Ok(api) => return Ok(api),
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}

impl<'p> Probe<'p> {
    /// Creates the namespace.
    ///
    /// # Errors
    /// If the namespace is not known to exist. The second part is present if the namespace may
    /// exist and must be removed.
    pub(super) async fn begin(
        api: &'p ApiServer,
        request: &'p ProbeRequest,
    ) -> Result<Self, (String, Option<Self>)> {
        let namespace = Namespace::new(api, LABEL).map_err(|why| (why, None))?;
        let probe = Self { namespace, request };
        match probe.namespace.create().await {
            Ok(()) => Ok(probe),
            Err(error) if error.is_fate_unknown() => Err((error.to_string(), Some(probe))),
            Err(error) => Err((
                format!("{error}; pass an administrator's kubeconfig with --kubeconfig"),
                None,
            )),
        }
    }

    /// Creates the Deployment with this number.
    ///
    /// # Errors
    /// If the API server refuses. The text is its message.
    pub(super) async fn ask(&self, number: usize) -> Result<(), String> {
        let name = name(number);
        let labels = json!({"app": name});
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "replicas": 1, "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "schedulerName": NOBODY, "terminationGracePeriodSeconds": 1,
                        "containers": [{"name": "probe", "image": "nginx"}],
                    },
                },
            },
        });
        let path = self.namespace.path(APPS, "deployments");
        match self.namespace.api.change(&path, Change::Create(&deployment)).await {
            Ok(_) => Ok(()),
            // If the Deployment was created, its Pod shows that.
            Err(error) if error.is_fate_unknown() => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Waits until the Deployment has its Pod, which is the work of two controllers. Returns the
    /// time at which the Pod was seen.
    ///
    /// # Errors
    /// If the Pod does not appear in time. The text is the last observation.
    pub(super) async fn reconciled(
        &self,
        number: usize,
        interrupt: &Interrupt,
    ) -> Result<Instant, String> {
        let name = name(number);
        let seen = until(interrupt, self.request.timeout, async || {
            let has_label =
                |object: &serde_json::Value| at(object, "/metadata/labels/app") == &*name;
            let pods = self.namespace.list(CORE, "pods").await?;
            if pods.iter().any(has_label) {
                return Ok(Glance::Seen(String::new()));
            }
            let sets = self.namespace.list(APPS, "replicasets").await?;
            let what = if sets.iter().any(has_label) {
                "its ReplicaSet has no Pod"
            } else {
                "no ReplicaSet was created"
            };
            Ok(Glance::NotYet(format!("the Deployment {name}: {what}")))
        });
        seen.await.map(|_| Instant::now())
    }

    /// Removes the namespace. Returns what could not be removed, if anything.
    pub(super) async fn end(self) -> Option<LeftBehind> {
        // The deletion of a namespace is slow in a cluster with many kinds of objects.
        let patience = self.request.timeout.max(Duration::from_secs(30));
        let why = self.namespace.remove(patience).await.err()?;
        Some(self.namespace.left_behind(why, &self.request.credentials).await)
    }
}

fn name(number: usize) -> String {
    format!("leader-{number}")
}
