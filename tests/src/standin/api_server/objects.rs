//! The verbs that read and change stored objects.

use serde_json::{Value, json};

use super::checks;
use super::kinds::{Kind, NAMESPACES, SERVICE_ACCOUNTS};
use super::status::{Failure, deleted};
use super::store::{Key, Store};
use crate::standin::random::{suffix, uuid};
use crate::standin::when::now;

type Answer = Result<Value, Failure>;

/// The object or collection that a request addresses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) kind: &'static Kind,
    pub(super) subresource: &'a str,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
}

impl Place<'_> {
    fn key(&self) -> Key {
        let namespace = if self.kind.is_namespaced { self.namespace } else { "" };
        Key::new(self.kind, namespace, self.name)
    }

    pub(super) fn found<'a>(&self, store: &'a Store) -> Result<&'a Value, Failure> {
        store.get(&self.key()).ok_or_else(|| Failure::not_found(self.kind, self.name))
    }
}

/// Stores a new object with its defaults.
pub(super) fn create(store: &mut Store, place: Place<'_>, mut object: Value) -> Answer {
    let kind = place.kind;
    check_kind(kind, &object)?;
    object["apiVersion"] = json!(kind.api_version());
    object["kind"] = json!(kind.kind);
    if kind.is_namespaced {
        let own = object["metadata"]["namespace"].as_str().unwrap_or(place.namespace);
        if own != place.namespace {
            let why = "the namespace of the provided object does not match the namespace sent on \
                       the request";
            return Err(Failure::bad_request(why));
        }
        is_open(store, place.namespace, kind, &object)?;
    }
    let metadata = &mut object["metadata"];
    if metadata["resourceVersion"].as_str().is_some_and(|version| !version.is_empty()) {
        let why = "resourceVersion should not be set on objects to be created";
        return Err(Failure::bad_request(why));
    }
    if let (None, Some(prefix)) = (metadata["name"].as_str(), metadata["generateName"].as_str()) {
        metadata["name"] = json!(format!("{prefix}{}", suffix()));
    }
    let name = metadata["name"].as_str().unwrap_or_default().to_owned();
    if name.is_empty() {
        let why = "Required value: name or generateName is required";
        return Err(Failure::invalid(kind, "", "metadata.name", why));
    }
    if !checks::is_subdomain(&name) {
        let why = format!("Invalid value: {name:?}: a lowercase RFC 1123 subdomain is wanted");
        return Err(Failure::invalid(kind, &name, "metadata.name", &why));
    }
    let key = Place { name: &name, ..place }.key();
    if store.get(&key).is_some() {
        return Err(Failure::already_exists(kind, &name));
    }
    metadata["uid"] = json!(uuid());
    metadata["creationTimestamp"] = json!(now());
    if kind.is_namespaced {
        metadata["namespace"] = json!(place.namespace);
    }
    if kind.has_generation {
        metadata["generation"] = json!(1);
    }
    if let Some(fields) = metadata.as_object_mut() {
        fields.retain(|field, _| !field.starts_with("deletion") && field != "managedFields");
    }
    if let Some(status) = checks::first_status(kind) {
        object["status"] = status;
    }
    if kind == NAMESPACES {
        object["spec"] = json!({"finalizers": ["kubernetes"]});
    }
    checks::admit(kind, &mut object, None)?;
    if kind.kind == "Pod" {
        has_service_account(store, place.namespace, &object)?;
    }
    Ok(store.put(&key, object))
}

/// Stores a new object on an update, and ignores its `resourceVersion`.
pub(super) fn create_at(store: &mut Store, place: Place<'_>, mut object: Value) -> Answer {
    check_kind(place.kind, &object)?;
    if object["metadata"]["name"].as_str() != Some(place.name) {
        let why = "the name of the object does not match the name on the URL";
        return Err(Failure::bad_request(why));
    }
    if let Some(fields) = object["metadata"].as_object_mut() {
        fields.remove("resourceVersion");
    }
    create(store, Place { name: "", ..place }, object)
}

/// Replaces an object, or only the part that the subresource covers.
pub(super) fn update(store: &mut Store, place: Place<'_>, object: &Value) -> Answer {
    let kind = place.kind;
    check_kind(kind, object)?;
    if object["metadata"]["name"].as_str() != Some(place.name) {
        let why = "the name of the object does not match the name on the URL";
        return Err(Failure::bad_request(why));
    }
    let old = place.found(store)?.clone();
    match object["metadata"]["resourceVersion"].as_str().unwrap_or_default() {
        // A Lease is never updated unconditionally: `AllowUnconditionalUpdate` is false.
        "" if kind.kind == "Lease" => {
            let why = "Invalid value: 0x0: must be specified for an update";
            return Err(Failure::invalid(kind, place.name, "metadata.resourceVersion", why));
        }
        "" => (),
        version if old["metadata"]["resourceVersion"] != version => {
            return Err(Failure::modified(kind, place.name));
        }
        _ => (),
    }
    if let Some(uid) =
        object["metadata"]["uid"].as_str().filter(|uid| old["metadata"]["uid"] != **uid)
    {
        let why = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            old["metadata"]["uid"].as_str().unwrap_or_default()
        );
        return Err(Failure::conflict(kind, place.name, &why));
    }
    replace(store, place, &old, object)
}

/// Applies a JSON merge patch (RFC 7396) to a stored object.
pub(super) fn patch(store: &mut Store, place: Place<'_>, patch: &Value) -> Answer {
    let old = place.found(store)?.clone();
    let mut object = old.clone();
    merge(&mut object, patch);
    update(store, place, &object)
}

fn replace(store: &mut Store, place: Place<'_>, old: &Value, given: &Value) -> Answer {
    let kind = place.kind;
    let is_status = place.subresource == "status";
    let mut object = if is_status { old.clone() } else { given.clone() };
    if is_status {
        object["status"] = given["status"].clone();
    } else {
        if kind.has_status() {
            object["status"] = old["status"].clone();
        }
        if kind == NAMESPACES && place.subresource != "finalize" {
            object["spec"] = old["spec"].clone();
        }
    }
    object["apiVersion"] = json!(kind.api_version());
    object["kind"] = json!(kind.kind);
    let metadata = object["metadata"].as_object_mut().unwrap();
    for (field, value) in old["metadata"].as_object().unwrap() {
        let is_servers = ["uid", "creationTimestamp", "namespace", "generation", "resourceVersion"];
        if is_servers.contains(&field.as_str()) || field.starts_with("deletion") {
            metadata.insert(field.clone(), value.clone());
        }
    }
    checks::admit(kind, &mut object, Some(old))?;
    if kind.has_generation && object["spec"] != old["spec"] {
        let generation = old["metadata"]["generation"].as_u64().unwrap_or(0);
        object["metadata"]["generation"] = json!(generation + 1);
    }
    if object == *old {
        return Ok(object);
    }
    if is_gone(&object) {
        store.put(&place.key(), object);
        return Ok(store.remove(&place.key()).unwrap());
    }
    Ok(store.put(&place.key(), object))
}

/// Reports whether an object is marked for deletion and has no finalizers left.
fn is_gone(object: &Value) -> bool {
    let is_empty = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
    object["metadata"]["deletionTimestamp"].is_string()
        && is_empty(&object["metadata"]["finalizers"])
        && is_empty(&object["spec"]["finalizers"])
}

/// Removes an object, or marks it for deletion while it has finalizers.
pub(super) fn delete(store: &mut Store, place: Place<'_>, options: &Value) -> Answer {
    let kind = place.kind;
    let mut object = place.found(store)?.clone();
    for field in ["uid", "resourceVersion"] {
        let wanted = &options["preconditions"][field];
        if !wanted.is_null() && *wanted != object["metadata"][field] {
            let why =
                format!("the {field} in the precondition ({wanted}) is not that of the object");
            return Err(Failure::conflict(kind, place.name, &why));
        }
    }
    if kind == NAMESPACES && ["default", "kube-system", "kube-public"].contains(&place.name) {
        let name = place.name;
        let why = format!("namespaces \"{name}\" is forbidden: this namespace may not be deleted");
        return Err(Failure::forbidden(why));
    }
    match options["propagationPolicy"].as_str() {
        None | Some("Background") => (),
        Some("Foreground") => {
            let finalizers = &mut object["metadata"]["finalizers"];
            let mut list = finalizers.as_array().cloned().unwrap_or_default();
            list.push(json!("foregroundDeletion"));
            *finalizers = json!(list);
        }
        Some(policy) => {
            let why = format!("this stand-in knows no propagationPolicy {policy:?}");
            return Err(Failure::bad_request(why));
        }
    }
    if object["metadata"]["deletionTimestamp"].is_null() {
        object["metadata"]["deletionTimestamp"] = json!(now());
        object["metadata"]["deletionGracePeriodSeconds"] = json!(0);
    }
    if kind == NAMESPACES {
        object["status"]["phase"] = json!("Terminating");
    }
    if is_gone(&object) {
        let removed = store.remove(&place.key()).unwrap();
        // No kubelet runs the pod, so that it is removed without a grace period. As upstream, these
        // kinds return the object.
        return match kind.kind {
            "Pod" | "ServiceAccount" | "ResourceQuota" => Ok(removed),
            _ => Ok(deleted(kind, place.name, &removed["metadata"]["uid"])),
        };
    }
    if object == *place.found(store)? {
        return Ok(object);
    }
    Ok(store.put(&place.key(), object))
}

/// Applies a JSON merge patch (RFC 7396, section 2).
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (field, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(field);
        } else {
            merge(&mut target[field.as_str()], value);
        }
    }
}

fn check_kind(kind: &Kind, object: &Value) -> Result<(), Failure> {
    let wanted = [("apiVersion", kind.api_version()), ("kind", kind.kind.to_owned())];
    let is_ours = |(field, wanted): &(&str, String)| {
        object[*field].is_null() || object[*field] == wanted.as_str()
    };
    if !object.is_object() || !wanted.iter().all(is_ours) || !object["metadata"].is_object() {
        let (version, kind) = (kind.api_version(), kind.kind);
        let why =
            format!("the object provided is unrecognized (must be of type {kind} in {version})");
        return Err(Failure::bad_request(why));
    }
    Ok(())
}

fn is_open(store: &Store, namespace: &str, kind: &Kind, object: &Value) -> Result<(), Failure> {
    let place = Place { kind: NAMESPACES, subresource: "", namespace: "", name: namespace };
    let found = place.found(store)?;
    if found["metadata"]["deletionTimestamp"].is_string() {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        return Err(Failure::forbidden(format!(
            "{} \"{name}\" is forbidden: unable to create new content in namespace {namespace} \
             because it is being terminated",
            kind.qualified()
        )));
    }
    Ok(())
}

fn has_service_account(store: &Store, namespace: &str, pod: &Value) -> Result<(), Failure> {
    let account = pod["spec"]["serviceAccountName"].as_str().unwrap_or_default();
    let place = Place { kind: SERVICE_ACCOUNTS, subresource: "", namespace, name: account };
    if place.found(store).is_ok() {
        return Ok(());
    }
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    Err(Failure::forbidden(format!(
        "pods \"{name}\" is forbidden: error looking up service account {namespace}/{account}: \
         serviceaccount \"{account}\" not found"
    )))
}

/// Returns the `Scale` of a workload.
pub(super) fn scale(object: &Value) -> Value {
    let metadata = &object["metadata"];
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": {"replicas": object["spec"]["replicas"]},
        "status": {"replicas": object["status"]["replicas"].as_i64().unwrap_or(0)},
    })
}
