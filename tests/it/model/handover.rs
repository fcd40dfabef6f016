//! Tests of freeing the Lease of a stopped leader.

mod cases;
mod model;
mod real;

use std::time::Duration;

use kcm::kube::handover::EndedProcess;
use kcm::kube::{FakeLeases, Lease, LeaseStore as _};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

use crate::lab::api::run;

pub(super) const STARTED: OffsetDateTime = datetime!(2026-11-23 06:00 UTC);
pub(super) const GONE: OffsetDateTime = datetime!(2026-11-23 07:00 UTC);
/// Timeout that no test reaches unless it waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Returns the specification of a Lease that the process renewed a second before it ended.
fn spec() -> Value {
    json!({
        "holderIdentity": "k8s-master-01_a", "leaseDurationSeconds": 15, "leaseTransitions": 3,
        "acquireTime": "2026-11-23T06:00:00.300000Z", "renewTime": "2026-11-23T06:59:59.000000Z",
    })
}

fn with(field: &str, value: impl Into<Value>) -> Value {
    let mut spec = spec();
    spec[field] = value.into();
    spec
}

fn process() -> EndedProcess<'static> {
    EndedProcess {
        hostname: "k8s-master-01",
        started: STARTED,
        gone: GONE,
        other_hostnames: &[],
        clock_spread: Some(Duration::from_secs(2)),
    }
}

/// Returns a store with this specification, and the Lease read from it.
fn store(spec: &Value) -> (FakeLeases, Lease) {
    let store = FakeLeases::new();
    store.put(spec);
    let before = run(store.lease()).unwrap().unwrap();
    (store, before)
}
