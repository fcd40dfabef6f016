//! Defaults and validation of kube-apiserver, per kind.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::kinds::Kind;
use super::status::Failure;
use crate::standin::service_account::{NAME_ANNOTATION, SECRET_TYPE};
use crate::standin::when::is_micro;

/// Sets defaults and refuses invalid objects. `old` is the object to replace, if any.
pub(super) fn admit(kind: &Kind, object: &mut Value, old: Option<&Value>) -> Result<(), Failure> {
    match kind.kind {
        "Lease" => lease(kind, object),
        "Deployment" | "ReplicaSet" => workload(kind, object, old),
        "Pod" => pod(kind, object),
        "Secret" => secret(kind, object, old),
        "Namespace" => {
            namespace(object);
            Ok(())
        }
        _ => Ok(()),
    }
}

fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// Reports whether a name is a DNS subdomain (RFC 1123), as nearly all kinds require.
pub(super) fn is_subdomain(name: &str) -> bool {
    let is_label = |label: &str| {
        let is_inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        !label.is_empty()
            && label.bytes().all(is_inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

fn lease(kind: &Kind, object: &Value) -> Result<(), Failure> {
    let (name, spec) = (name_of(object), &object["spec"]);
    let malformed = |field: &str| {
        Failure::bad_request(format!(
            "Lease in version \"v1\" cannot be handled as a Lease: spec.{field} cannot be decoded"
        ))
    };
    for field in ["acquireTime", "renewTime"] {
        match &spec[field] {
            Value::Null => (),
            Value::String(time) if is_micro(time) => (),
            _ => return Err(malformed(field)),
        }
    }
    for field in ["holderIdentity", "strategy", "preferredHolder"] {
        if !matches!(&spec[field], Value::Null | Value::String(_)) {
            return Err(malformed(field));
        }
    }
    let limits = [("leaseDurationSeconds", 1, "must be greater than 0"), {
        ("leaseTransitions", 0, "must be greater than or equal to 0")
    }];
    for (field, least, why) in limits {
        match &spec[field] {
            Value::Null => (),
            Value::Number(number) => match number.as_i64() {
                Some(number) if i32::try_from(number).is_err() => return Err(malformed(field)),
                Some(number) if number >= least => (),
                Some(number) => {
                    let why = format!("Invalid value: {number}: {why}");
                    return Err(Failure::invalid(kind, name, &format!("spec.{field}"), &why));
                }
                None => return Err(malformed(field)),
            },
            _ => return Err(malformed(field)),
        }
    }
    Ok(())
}

fn workload(kind: &Kind, object: &mut Value, old: Option<&Value>) -> Result<(), Failure> {
    let name = name_of(object).to_owned();
    let spec = &mut object["spec"];
    default(spec, "replicas", json!(1));
    if kind.kind == "Deployment" {
        let update = json!({"maxUnavailable": "25%", "maxSurge": "25%"});
        default(spec, "strategy", json!({"type": "RollingUpdate", "rollingUpdate": update}));
        default(spec, "revisionHistoryLimit", json!(10));
        default(spec, "progressDeadlineSeconds", json!(600));
    }
    if spec["replicas"].as_i64().is_none_or(|replicas| replicas < 0) {
        let why =
            format!("Invalid value: {}: must be greater than or equal to 0", spec["replicas"]);
        return Err(Failure::invalid(kind, &name, "spec.replicas", &why));
    }
    let Some(wanted) = spec["selector"]["matchLabels"].as_object().filter(|map| !map.is_empty())
    else {
        return Err(Failure::invalid(kind, &name, "spec.selector", "Required value"));
    };
    let labels = &spec["template"]["metadata"]["labels"];
    if wanted.iter().any(|(label, value)| labels[label] != *value) {
        let why = "Invalid value: `selector` does not match template `labels`";
        return Err(Failure::invalid(kind, &name, "spec.template.metadata.labels", why));
    }
    if old.is_some_and(|old| old["spec"]["selector"] != spec["selector"]) {
        let why = "Invalid value: field is immutable";
        return Err(Failure::invalid(kind, &name, "spec.selector", why));
    }
    default(&mut spec["template"]["metadata"], "creationTimestamp", Value::Null);
    pod_spec(kind, &name, "spec.template.spec", &mut spec["template"]["spec"])
}

fn pod(kind: &Kind, object: &mut Value) -> Result<(), Failure> {
    let name = name_of(object).to_owned();
    default(&mut object["spec"], "serviceAccountName", json!("default"));
    pod_spec(kind, &name, "spec", &mut object["spec"])
}

fn pod_spec(kind: &Kind, name: &str, at: &str, spec: &mut Value) -> Result<(), Failure> {
    let required = |field: &str| Failure::invalid(kind, name, field, "Required value");
    let Some(containers) = spec["containers"].as_array_mut().filter(|list| !list.is_empty()) else {
        return Err(required(&format!("{at}.containers")));
    };
    for (container, index) in containers.iter_mut().zip(0..) {
        for field in ["name", "image"] {
            if container[field].as_str().is_none_or(str::is_empty) {
                return Err(required(&format!("{at}.containers[{index}].{field}")));
            }
        }
        default(container, "imagePullPolicy", json!("IfNotPresent"));
        default(container, "resources", json!({}));
        default(container, "terminationMessagePath", json!("/dev/termination-log"));
        default(container, "terminationMessagePolicy", json!("File"));
    }
    default(spec, "restartPolicy", json!("Always"));
    default(spec, "terminationGracePeriodSeconds", json!(30));
    default(spec, "dnsPolicy", json!("ClusterFirst"));
    default(spec, "securityContext", json!({}));
    default(spec, "schedulerName", json!("default-scheduler"));
    Ok(())
}

/// Checks a Secret, and moves `stringData` to `data`.
fn secret(kind: &Kind, object: &mut Value, old: Option<&Value>) -> Result<(), Failure> {
    let name = name_of(object).to_owned();
    let written = object["stringData"].take();
    object.as_object_mut().unwrap().remove("stringData");
    for (key, value) in written.as_object().into_iter().flatten() {
        object["data"][key] = json!(BASE64.encode(value.as_str().unwrap_or_default()));
    }
    for (key, value) in object["data"].as_object().into_iter().flatten() {
        if value.as_str().is_none_or(|value| BASE64.decode(value).is_err()) {
            let why = format!("illegal base64 data in data.{key}");
            return Err(Failure::bad_request(format!("Secret in version \"v1\": {why}")));
        }
    }
    default(object, "type", json!("Opaque"));
    if old.is_some_and(|old| old["type"] != object["type"]) {
        let why = format!("Invalid value: {}: field is immutable", object["type"]);
        return Err(Failure::invalid(kind, &name, "type", &why));
    }
    let account = &object["metadata"]["annotations"][NAME_ANNOTATION];
    if object["type"] == SECRET_TYPE && account.as_str().is_none_or(str::is_empty) {
        let field = format!("metadata.annotations[{NAME_ANNOTATION}]");
        return Err(Failure::invalid(kind, &name, &field, "Required value"));
    }
    Ok(())
}

fn namespace(object: &mut Value) {
    let name = json!(name_of(object));
    object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
}

fn default(object: &mut Value, field: &str, value: Value) {
    if object[field].is_null() {
        object[field] = value;
    }
}

/// Returns the status of a new object.
pub(super) fn first_status(kind: &Kind) -> Option<Value> {
    match kind.kind {
        "Pod" => Some(json!({"phase": "Pending", "qosClass": "BestEffort"})),
        "Namespace" => Some(json!({"phase": "Active"})),
        "ReplicaSet" => Some(json!({"replicas": 0})),
        _ => kind.has_status().then(|| json!({})),
    }
}
