//! The garbage collector: deletes objects without an owner, and releases owners that wait for their
//! dependents.

use serde_json::{Value, json};

use super::{Kind, Snapshot, is_ending, text};
use crate::standin::controller_manager::controllers::Account;

pub(super) async fn run(snapshot: &Snapshot, account: &mut Account) -> Result<(), String> {
    for (kind, owners) in [(Kind::ReplicaSets, Kind::Deployments), (Kind::Pods, Kind::ReplicaSets)]
    {
        for object in snapshot.all(kind).iter().filter(|object| !is_ending(object)) {
            for reference in object["metadata"]["ownerReferences"].as_array().into_iter().flatten()
            {
                let own = |owner: &&Value| owner["metadata"]["uid"] == reference["uid"];
                let owner = snapshot.all(owners).iter().find(own);
                if owner.is_some_and(|owner| !is_waiting(owner)) {
                    continue;
                }
                if owner.is_some() || is_gone(owners, object, reference, account).await? {
                    delete(kind, object, account).await?;
                }
            }
        }
        for owner in snapshot.all(owners).iter().filter(|owner| is_waiting(owner)) {
            if snapshot.owned(kind, owner).next().is_none() {
                let rest = owner["metadata"]["finalizers"].as_array().into_iter().flatten();
                let rest: Vec<&Value> = rest.filter(|name| **name != FOREGROUND).collect();
                let patch = json!({"metadata": {"finalizers": rest}});
                account.ask("PATCH", &owners.of(owner), Some(&patch)).await?;
            }
        }
    }
    Ok(())
}

/// Reports whether an owner is being deleted in the foreground, after its dependents.
fn is_waiting(owner: &Value) -> bool {
    let finalizers = owner["metadata"]["finalizers"].as_array();
    is_ending(owner) && finalizers.is_some_and(|names| names.iter().any(|name| *name == FOREGROUND))
}

/// Reports whether an owner is gone, by a query: the snapshot may be out of date.
async fn is_gone(
    kind: Kind,
    object: &Value,
    reference: &Value,
    account: &mut Account,
) -> Result<bool, String> {
    let path = kind.within(text(&object["metadata"]["namespace"]));
    match account.send("GET", &format!("{path}/{}", text(&reference["name"])), None).await? {
        (404, _) => Ok(true),
        (200, owner) => Ok(owner["metadata"]["uid"] != reference["uid"]),
        (_, answer) => Err(text(&answer["message"]).to_owned()),
    }
}

async fn delete(kind: Kind, object: &Value, account: &mut Account) -> Result<(), String> {
    let options = json!({
        "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background",
        "preconditions": {"uid": object["metadata"]["uid"]},
    });
    match account.send("DELETE", &kind.of(object), Some(&options)).await? {
        (200 | 404 | 409, _) => Ok(()),
        (_, answer) => Err(text(&answer["message"]).to_owned()),
    }
}

const FOREGROUND: &str = "foregroundDeletion";
