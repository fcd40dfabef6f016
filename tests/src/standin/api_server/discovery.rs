//! Discovery of the API's groups and resources, as `kubectl` and other clients request it.

use serde_json::{Value, json};

use super::kinds::KINDS;
use super::reviews::REVIEWS;

const GROUPS: &[&str] = &[
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
];

/// Returns the discovery document at a path, if there is one.
pub(super) fn answer(path: &str) -> Option<Value> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        ["api"] => Some(json!({
            "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [],
        })),
        ["api", "v1"] => Some(resources("")),
        ["apis"] => {
            let groups: Vec<Value> = GROUPS.iter().map(|name| group(name)).collect();
            Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        ["apis", name] if GROUPS.contains(name) => {
            let mut group = group(name);
            group["kind"] = json!("APIGroup");
            group["apiVersion"] = json!("v1");
            Some(group)
        }
        ["apis", name, "v1"] if GROUPS.contains(name) => Some(resources(name)),
        _ => None,
    }
}

fn group(name: &str) -> Value {
    let version = json!({"groupVersion": format!("{name}/v1"), "version": "v1"});
    json!({"name": name, "versions": [version], "preferredVersion": version})
}

fn resources(group: &str) -> Value {
    let mut list = Vec::new();
    for kind in KINDS.iter().filter(|kind| kind.group == group) {
        list.push(json!({
            "name": kind.plural, "singularName": kind.kind.to_lowercase(), "kind": kind.kind,
            "namespaced": kind.is_namespaced, "shortNames": kind.short,
            "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        }));
        for subresource in kind.subresources {
            let mut entry = json!({
                "name": format!("{}/{subresource}", kind.plural), "singularName": "",
                "kind": kind.kind, "namespaced": kind.is_namespaced, "verbs": ["get", "patch", "update"],
            });
            match *subresource {
                "scale" => {
                    entry["kind"] = json!("Scale");
                    entry["group"] = json!("autoscaling");
                    entry["version"] = json!("v1");
                }
                "token" => {
                    entry["kind"] = json!("TokenRequest");
                    entry["group"] = json!("authentication.k8s.io");
                    entry["version"] = json!("v1");
                    entry["verbs"] = json!(["create"]);
                }
                _ => (),
            }
            list.push(entry);
        }
    }
    for (_, plural, kind) in REVIEWS.iter().filter(|(own, ..)| *own == group) {
        list.push(json!({
            "name": plural, "singularName": kind.to_lowercase(), "kind": kind,
            "namespaced": false, "verbs": ["create"],
        }));
    }
    let version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
    json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": list,
    })
}
