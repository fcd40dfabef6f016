//! The deployment controller, without rolling updates: a new template replaces the old one at once.

use serde_json::{Value, json};

use super::{Kind, Snapshot, is_ending, owner_reference, text, write_status};
use crate::standin::controller_manager::controllers::Account;

pub(super) async fn run(snapshot: &Snapshot, account: &mut Account) -> Result<(), String> {
    for deployment in snapshot.all(Kind::Deployments) {
        let is_paused = deployment["spec"]["paused"].as_bool().unwrap_or(false);
        if !is_ending(deployment) && !is_paused {
            reconcile(snapshot, deployment, account).await?;
        }
    }
    Ok(())
}

async fn reconcile(
    snapshot: &Snapshot,
    deployment: &Value,
    account: &mut Account,
) -> Result<(), String> {
    let hash = hash(&deployment["spec"]["template"]);
    let mut current = None;
    for set in snapshot.owned(Kind::ReplicaSets, deployment) {
        let is_current = set["metadata"]["labels"][HASH] == hash.as_str();
        let wanted = if is_current { &deployment["spec"]["replicas"] } else { &json!(0) };
        if is_current {
            current = Some(set);
        }
        if set["spec"]["replicas"] != *wanted && !is_ending(set) {
            let mut set = set.clone();
            set["spec"]["replicas"] = wanted.clone();
            account.ask("PUT", &Kind::ReplicaSets.of(&set), Some(&set)).await?;
        }
    }
    let revision =
        snapshot.owned(Kind::ReplicaSets, deployment).count() + usize::from(current.is_none());
    if current.is_none() {
        let namespace = text(&deployment["metadata"]["namespace"]);
        let set = replica_set(deployment, &hash, revision);
        let path = Kind::ReplicaSets.within(namespace);
        match account.send("POST", &path, Some(&set)).await? {
            (201 | 409, _) => (),
            (_, answer) => return Err(text(&answer["message"]).to_owned()),
        }
    }
    if deployment["metadata"]["annotations"][REVISION].is_null() {
        let mut annotated = deployment.clone();
        annotated["metadata"]["annotations"][REVISION] = json!(revision.to_string());
        // On a conflict, the next snapshot shows the change of the other client.
        account.send("PUT", &Kind::Deployments.of(deployment), Some(&annotated)).await?;
        return Ok(());
    }
    let status = status(snapshot, deployment, current);
    write_status(Kind::Deployments, deployment, status, account).await
}

fn replica_set(deployment: &Value, hash: &str, revision: usize) -> Value {
    let (metadata, spec) = (&deployment["metadata"], &deployment["spec"]);
    let mut template = spec["template"].clone();
    template["metadata"]["labels"][HASH] = json!(hash);
    let mut selector = spec["selector"].clone();
    selector["matchLabels"][HASH] = json!(hash);
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{}-{hash}", text(&metadata["name"])),
            "namespace": metadata["namespace"],
            "labels": template["metadata"]["labels"],
            "annotations": {
                REVISION: revision.to_string(),
                "deployment.kubernetes.io/desired-replicas": spec["replicas"].to_string(),
            },
            "ownerReferences": owner_reference("apps/v1", "Deployment", deployment),
        },
        "spec": {"replicas": spec["replicas"], "selector": selector, "template": template},
    })
}

fn status(snapshot: &Snapshot, deployment: &Value, current: Option<&Value>) -> Value {
    let count = |set: &Value| set["status"]["replicas"].as_i64().unwrap_or(0);
    let all: i64 = snapshot.owned(Kind::ReplicaSets, deployment).map(count).sum();
    let wanted = deployment["spec"]["replicas"].as_i64().unwrap_or(0);
    // No node runs pods, so that all wanted replicas are unavailable.
    let is_available = wanted == 0;
    let (state, reason) = if is_available {
        ("True", "MinimumReplicasAvailable")
    } else {
        ("False", "MinimumReplicasUnavailable")
    };
    let since = deployment["metadata"]["creationTimestamp"].clone();
    let mut status = json!({
        "observedGeneration": deployment["metadata"]["generation"],
        "conditions": [{
            "type": "Available", "status": state, "reason": reason,
            "lastTransitionTime": since, "lastUpdateTime": since,
        }],
    });
    let updated = current.map_or(0, count);
    let counts = [("replicas", all), ("updatedReplicas", updated), ("unavailableReplicas", wanted)];
    // Go omits fields with the value 0.
    for (field, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        status[field] = json!(count);
    }
    status
}

fn hash(template: &Value) -> String {
    let digest =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, template.to_string().as_bytes());
    crate::standin::random::hex(&digest.as_ref()[..5])
}

const HASH: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";
