//! The resource quota controller: counts the objects that a `ResourceQuota` limits.

use serde_json::{Map, Value, json};

use super::{Kind, Snapshot, is_ending, text, write_status};
use crate::standin::controller_manager::controllers::Account;

pub(super) async fn run(snapshot: &Snapshot, account: &mut Account) -> Result<(), String> {
    for quota in snapshot.all(Kind::ResourceQuotas).iter().filter(|quota| !is_ending(quota)) {
        let namespace = text(&quota["metadata"]["namespace"]);
        let hard = quota["spec"]["hard"].as_object().cloned().unwrap_or_default();
        let counted = hard.keys().filter_map(|name| {
            let used = match kind(name) {
                Some(kind) => snapshot.within(kind, namespace).count().to_string(),
                // Pods in tests request no resources.
                None if is_compute(name) => "0".to_owned(),
                None => return None,
            };
            Some((name.clone(), json!(used)))
        });
        let used: Map<String, Value> = counted.collect();
        let status = json!({"hard": hard, "used": used});
        write_status(Kind::ResourceQuotas, quota, status, account).await?;
    }
    Ok(())
}

fn kind(resource: &str) -> Option<Kind> {
    match resource {
        "pods" | "count/pods" => Some(Kind::Pods),
        "configmaps" | "count/configmaps" => Some(Kind::ConfigMaps),
        "resourcequotas" | "count/resourcequotas" => Some(Kind::ResourceQuotas),
        "secrets" | "count/secrets" => Some(Kind::Secrets),
        "count/serviceaccounts" => Some(Kind::ServiceAccounts),
        "count/deployments.apps" => Some(Kind::Deployments),
        "count/replicasets.apps" => Some(Kind::ReplicaSets),
        _ => None,
    }
}

fn is_compute(resource: &str) -> bool {
    let bare = resource.trim_start_matches("requests.").trim_start_matches("limits.");
    matches!(bare, "cpu" | "memory")
}
