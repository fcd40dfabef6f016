//! Tests of creating, changing, finding and deleting objects.

use super::*;

#[test]
fn objects_look_as_clients_expect() {
    let plane = control_plane();
    let admin = plane.admin();
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    let made = admin.create(deployments, &deployment("web", 2)).ok();
    let metadata = &made["metadata"];
    assert_eq!((&metadata["generation"], &metadata["namespace"]), (&json!(1), &json!("default")));
    for field in ["uid", "resourceVersion", "creationTimestamp"] {
        assert!(metadata[field].as_str().is_some_and(|text| !text.is_empty()), "{field}");
    }
    let path = format!("{deployments}/web");
    let mut wider = admin.get(&path).ok();
    wider["spec"]["replicas"] = json!(3);
    assert_eq!(admin.update(&path, &wider).ok()["metadata"]["generation"], 2);
    let patched = admin.patch(&path, &json!({"spec": {"replicas": 1}})).ok();
    assert_eq!(patched["metadata"]["generation"], 3);
    let scale = admin.get(&format!("{path}/scale")).ok();
    assert_eq!((&scale["kind"], &scale["spec"]["replicas"]), (&json!("Scale"), &json!(1)));
    let same = admin.patch(&path, &json!({"spec": {"replicas": 1}})).ok();
    assert_eq!(same["metadata"]["resourceVersion"], patched["metadata"]["resourceVersion"]);
    wider["spec"]["replicas"] = json!(9);
    assert_eq!(admin.update(&path, &wider).code, 409);
    let moved = json!({"spec": {"selector": {"matchLabels": {"app": "other"}}}});
    assert_eq!(admin.patch(&path, &moved).code, 422);
    assert_eq!(admin.patch(&path, &json!({"spec": {"replicas": -1}})).code, 422);
    assert_eq!(admin.list(&format!("{deployments}?fieldSelector=metadata.name%3Dweb")).len(), 1);
    assert_eq!(admin.list(&format!("{deployments}?labelSelector=app%3Dweb")).len(), 0);
    assert_eq!(admin.delete(&path).ok()["status"], "Success");
    assert_eq!(admin.get(&path).code, 404);
    assert_eq!(admin.get("/apis/apps/v1/namespaces/default/sandcastles").code, 404);
}

#[test]
fn namespaces_come_first() {
    let plane = control_plane();
    let admin = plane.admin();
    let map = json!({"metadata": {"name": "settings"}, "data": {"key": "value"}});
    let maps = format!("{CORE}/smoke/configmaps");
    assert_eq!(admin.create(&maps, &map).code, 404);
    let namespace = admin.create(CORE, &json!({"metadata": {"name": "smoke"}})).ok();
    assert_eq!(namespace["status"]["phase"], "Active");
    assert_eq!(admin.create(&maps, &map).code, 201);
    // Without kube-controller-manager, the namespace is not emptied and remains.
    assert_eq!(admin.delete(&format!("{CORE}/smoke")).ok()["status"]["phase"], "Terminating");
    assert_eq!(admin.create(&maps, &json!({"metadata": {"name": "late"}})).code, 403);
    assert_eq!(admin.get(&format!("{CORE}/smoke")).ok()["status"]["phase"], "Terminating");
    assert_eq!(admin.delete(&format!("{CORE}/kube-system")).code, 403);
}

#[test]
fn data_outlives_the_server() {
    let plane = control_plane();
    let map = json!({"metadata": {"name": "settings"}, "data": {"key": "value"}});
    let maps = format!("{CORE}/default/configmaps");
    let made = plane.admin().create(&maps, &map).ok();
    plane.stop();
    assert!(plane.admin().try_get("/readyz").is_err());
    plane.resume();
    let found = plane.admin().get(&format!("{maps}/settings")).ok();
    assert_eq!(found, made);
    plane.kill();
    plane.resume();
    assert_eq!(plane.admin().get(&format!("{maps}/settings")).ok(), made);
    let changed =
        plane.admin().patch(&format!("{maps}/settings"), &json!({"data": {"key": "new"}}));
    assert_ne!(changed.ok()["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
}
