//! The replica set controller: creates and deletes pods.

use serde_json::{Value, json};

use super::{Kind, Snapshot, is_ending, owner_reference, text, write_status};
use crate::standin::controller_manager::controllers::Account;

pub(super) async fn run(snapshot: &Snapshot, account: &mut Account) -> Result<(), String> {
    for set in snapshot.all(Kind::ReplicaSets) {
        if !is_ending(set) {
            reconcile(snapshot, set, account).await?;
        }
    }
    Ok(())
}

async fn reconcile(snapshot: &Snapshot, set: &Value, account: &mut Account) -> Result<(), String> {
    let pods: Vec<&Value> = snapshot.owned(Kind::Pods, set).filter(|pod| !is_ending(pod)).collect();
    let wanted = usize::try_from(set["spec"]["replicas"].as_u64().unwrap_or(0)).unwrap();
    let path = Kind::Pods.within(text(&set["metadata"]["namespace"]));
    for _ in pods.len()..wanted {
        account.ask("POST", &path, Some(&pod(set))).await?;
    }
    for pod in pods.iter().skip(wanted) {
        match account.send("DELETE", &Kind::Pods.of(pod), None).await? {
            (200 | 404, _) => (),
            (_, answer) => return Err(text(&answer["message"]).to_owned()),
        }
    }
    let mut status = json!({
        "replicas": pods.len(), "observedGeneration": set["metadata"]["generation"],
    });
    if !pods.is_empty() {
        status["fullyLabeledReplicas"] = json!(pods.len());
    }
    write_status(Kind::ReplicaSets, set, status, account).await
}

fn pod(set: &Value) -> Value {
    let (metadata, template) = (&set["metadata"], &set["spec"]["template"]);
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "generateName": format!("{}-", text(&metadata["name"])),
            "namespace": metadata["namespace"],
            "labels": template["metadata"]["labels"],
            "ownerReferences": owner_reference("apps/v1", "ReplicaSet", set),
        },
        "spec": template["spec"],
    })
}
