//! The controllers of namespaces: their service account, their root CA, and their deletion.

use serde_json::{Value, json};

use super::{Kind, Snapshot, is_ending, text};
use crate::standin::controller_manager::controllers::Account;

/// Creates the `default` service account of every namespace.
pub(super) async fn default_account(
    snapshot: &Snapshot,
    account: &mut Account,
) -> Result<(), String> {
    let default =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
    give(snapshot, Kind::ServiceAccounts, &default, account).await
}

/// Publishes the root CA in every namespace.
pub(super) async fn publish_root_ca(
    snapshot: &Snapshot,
    root_ca: &str,
    account: &mut Account,
) -> Result<(), String> {
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt"},
        "data": {"ca.crt": root_ca},
    });
    give(snapshot, Kind::ConfigMaps, &map, account).await
}

async fn give(
    snapshot: &Snapshot,
    kind: Kind,
    object: &Value,
    account: &mut Account,
) -> Result<(), String> {
    for namespace in snapshot.all(Kind::Namespaces).iter().filter(|own| !is_ending(own)) {
        let name = text(&namespace["metadata"]["name"]);
        let is_same = |own: &Value| own["metadata"]["name"] == object["metadata"]["name"];
        let found = snapshot.within(kind, name).find(|own| is_same(own));
        let path = kind.within(name);
        let (method, path) = match found {
            None => ("POST", path),
            Some(own) if own["data"] != object["data"] => ("PUT", kind.of(own)),
            Some(_) => continue,
        };
        match account.send(method, &path, Some(object)).await? {
            (200 | 201 | 404 | 409, _) => (),
            // A namespace that is being deleted accepts no new objects.
            (403, answer) if text(&answer["message"]).contains("being terminated") => (),
            (_, answer) => return Err(text(&answer["message"]).to_owned()),
        }
    }
    Ok(())
}

/// Deletes the content of terminating namespaces, then their finalizers.
pub(super) async fn delete(snapshot: &Snapshot, account: &mut Account) -> Result<(), String> {
    for namespace in snapshot.all(Kind::Namespaces).iter().filter(|own| is_ending(own)) {
        let name = text(&namespace["metadata"]["name"]);
        let mut is_empty = true;
        for plural in CONTENT {
            let (group, plural) = plural;
            let path = format!("{group}/namespaces/{name}/{plural}");
            account.ask("DELETE", &path, None).await?;
            let left = account.ask("GET", &path, None).await?;
            is_empty &= left["items"].as_array().is_none_or(Vec::is_empty);
        }
        if !is_empty {
            return Err(format!("some content of namespace {name} is left"));
        }
        let mut namespace = namespace.clone();
        namespace["spec"]["finalizers"] = json!([]);
        let path = format!("/api/v1/namespaces/{name}/finalize");
        match account.send("PUT", &path, Some(&namespace)).await? {
            (200 | 404 | 409, _) => (),
            (_, answer) => return Err(text(&answer["message"]).to_owned()),
        }
    }
    Ok(())
}

/// Resources in a namespace.
const CONTENT: &[(&str, &str)] = &[
    ("/apis/apps/v1", "deployments"),
    ("/apis/apps/v1", "replicasets"),
    ("/api/v1", "pods"),
    ("/api/v1", "resourcequotas"),
    ("/api/v1", "configmaps"),
    ("/api/v1", "secrets"),
    ("/api/v1", "endpoints"),
    ("/apis/discovery.k8s.io/v1", "endpointslices"),
    ("/api/v1", "events"),
    ("/apis/coordination.k8s.io/v1", "leases"),
    ("/api/v1", "serviceaccounts"),
];
