//! Leader election, step by step as in `k8s.io/client-go/tools/leaderelection`.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::{sleep, timeout_at};

use super::health::Health;
use super::options::Election;
use crate::standin::client::Client;
use crate::standin::when::now_micro;
use crate::standin::{log, random};

/// A candidate of the election.
#[derive(Debug)]
pub(super) struct Elector {
    client: Client,
    options: Election,
    identity: String,
    health: Arc<Health>,
    /// The Lease as last read or written, with the local time. The times in the Lease are not used.
    observed: Option<(Value, Instant)>,
}

impl Elector {
    pub(super) fn new(
        client: Client,
        options: Election,
        health: Arc<Health>,
        identity: String,
    ) -> Self {
        Self { client, options, identity, health, observed: None }
    }

    /// Releases the Lease if this process holds it, with one attempt, as `LeaderElector.release`
    /// does.
    pub(super) async fn release(&mut self) -> Result<(), String> {
        let (code, lease) = self.client.get(&self.at()).await?;
        if code != 200 || !self.is_ours(&lease) {
            return Ok(());
        }
        let now = now_micro();
        let spec = json!({
            "holderIdentity": "", "leaseDurationSeconds": 1, "acquireTime": now, "renewTime": now,
        });
        self.update(lease, spec).await.map_err(|why| format!("Failed to release lease: {why}"))
    }

    /// Acquires the Lease. Tries at once, then every retry period plus a jitter of up to 120 %.
    pub(super) async fn acquire(&mut self) {
        let place = format!("{}/{}", self.options.namespace, self.options.name);
        log::line('I', &format!("\"Attempting to acquire leader lease...\" lock={place:?}"));
        while !self.acquire_or_renew().await {
            sleep(self.options.retry_period.mul_f64(1.0 + 1.2 * random::fraction())).await;
        }
        log::line('I', &format!("\"Successfully acquired lease\" lock={place:?}"));
    }

    /// Renews the Lease until renewals have failed for the renew deadline.
    pub(super) async fn renew(&mut self) {
        loop {
            let deadline = tokio::time::Instant::now() + self.options.renew_deadline;
            let until_renewed = async {
                while !self.acquire_or_renew().await {
                    sleep(self.options.retry_period).await;
                }
            };
            if timeout_at(deadline, until_renewed).await.is_err() {
                log::line('I', "\"Failed to renew lease\" err=\"context deadline exceeded\"");
                return;
            }
            sleep(self.options.retry_period).await;
        }
    }

    async fn acquire_or_renew(&mut self) -> bool {
        match self.try_once().await {
            Ok(has_it) => has_it,
            Err(why) => {
                log::line('E', &why);
                false
            }
        }
    }

    async fn try_once(&mut self) -> Result<bool, String> {
        if self.options.name.is_empty() {
            return Err("Error retrieving lease lock: resource name may not be empty".to_owned());
        }
        if let Some((lease, at)) = &self.observed
            && self.is_ours(lease)
            && at.elapsed() < duration(lease)
        {
            let spec = self.record(Some(&lease["spec"]));
            match self.update(lease.clone(), spec).await {
                Ok(()) => return Ok(true),
                Err(why) => {
                    log::line('E', &format!("Failed to update lease optimistically: {why}"));
                }
            }
        }
        let lease = match self.client.get(&self.at()).await? {
            (200, lease) => lease,
            (404, _) => return self.create().await,
            (_, status) => {
                return Err(format!("Error retrieving lease lock: {}", message(&status)));
            }
        };
        // As client-go, compares the record, not the resource version.
        let is_news = self.observed.as_ref().is_none_or(|(old, _)| old["spec"] != lease["spec"]);
        let since = match &self.observed {
            Some((_, at)) if !is_news => *at,
            _ => Instant::now(),
        };
        let old = lease["spec"].clone();
        self.observed = Some((lease.clone(), since));
        let is_held = old["holderIdentity"].as_str().is_some_and(|holder| !holder.is_empty());
        if is_held && since.elapsed() < duration(&lease) && !self.is_ours(&lease) {
            return Ok(false);
        }
        let mut spec = self.record(self.is_ours(&lease).then_some(&old));
        if !self.is_ours(&lease) {
            let transitions = old["leaseTransitions"].as_i64().unwrap_or(0);
            spec["leaseTransitions"] = json!(transitions + 1);
        }
        self.update(lease, spec).await?;
        Ok(true)
    }

    async fn create(&mut self) -> Result<bool, String> {
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": self.options.name, "namespace": self.options.namespace},
            "spec": self.record(None),
        });
        match self.client.send("POST", &self.path(""), Some(&lease)).await? {
            (201, lease) => {
                self.observe(lease);
                Ok(true)
            }
            (_, status) => {
                Err(format!("Error initially creating lease lock: {}", message(&status)))
            }
        }
    }

    async fn update(&mut self, mut lease: Value, spec: Value) -> Result<(), String> {
        if let (Some(own), Some(new)) = (lease["spec"].as_object_mut(), spec.as_object()) {
            own.extend(new.clone());
        } else {
            lease["spec"] = spec;
        }
        match self.client.send("PUT", &self.at(), Some(&lease)).await? {
            (200, lease) => {
                self.observe(lease);
                Ok(())
            }
            (_, status) => Err(format!("Failed to update lock: {}", message(&status))),
        }
    }

    fn observe(&mut self, lease: Value) {
        self.health.renewed(self.options.lease_duration);
        self.observed = Some((lease, Instant::now()));
    }

    /// Returns the record of a claim. A holder that renews keeps the acquire time and the
    /// transitions.
    fn record(&self, held: Option<&Value>) -> Value {
        let now = now_micro();
        json!({
            "holderIdentity": self.identity,
            "leaseDurationSeconds": self.options.lease_duration.as_secs(),
            "acquireTime": held.map_or(json!(now), |held| held["acquireTime"].clone()),
            "renewTime": now,
            "leaseTransitions": held.map_or(json!(0), |held| held["leaseTransitions"].clone()),
        })
    }

    fn is_ours(&self, lease: &Value) -> bool {
        lease["spec"]["holderIdentity"] == self.identity.as_str()
    }

    fn at(&self) -> String {
        self.path(&format!("/{}", self.options.name))
    }

    /// Returns the path of a Lease with the client's timeout, which client-go sends in each
    /// request.
    fn path(&self, name: &str) -> String {
        let namespace = &self.options.namespace;
        let timeout = self.options.patience().as_secs_f64();
        format!(
            "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases{name}?timeout={timeout}s"
        )
    }
}

/// Returns a new identity, `hostname_uuid`, so that each process is a separate candidate.
pub(super) fn identity() -> Result<String, String> {
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname");
    let hostname = hostname.map_err(|error| format!("hostname: {error}"))?;
    Ok(format!("{}_{}", hostname.trim(), random::uuid()))
}

fn duration(lease: &Value) -> Duration {
    Duration::from_secs(lease["spec"]["leaseDurationSeconds"].as_u64().unwrap_or(0))
}

fn message(status: &Value) -> &str {
    status["message"].as_str().unwrap_or_default()
}
