//! The audit log: one `audit.k8s.io/v1` event per line, as kube-apiserver writes it at level
//! `Metadata`.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;

use hyper::HeaderMap;
use serde_json::{Value, json};

use super::identity::User;
use super::rbac::Access;
use crate::standin::http::Peer;
use crate::standin::random::uuid;
use crate::standin::when::now_micro;

/// Writes events to a file, if there is one.
#[derive(Debug)]
pub(super) struct Audit(Option<Mutex<File>>);

impl Audit {
    pub(super) fn open(path: Option<&Path>) -> Result<Self, String> {
        let open = |path: &Path| {
            let file = File::options().create(true).append(true).open(path);
            file.map_err(|error| format!("open {}: {error}", path.display()))
        };
        Ok(Self(path.map(open).transpose()?.map(Mutex::new)))
    }

    pub(super) fn write(&self, event: &Value) {
        if let Some(file) = &self.0 {
            file.lock().unwrap().write_all(format!("{event}\n").as_bytes()).unwrap();
        }
    }
}

/// Returns an event without the fields that are known only at its end.
pub(super) fn begin(peer: &Peer, uri: &hyper::Uri, headers: &HeaderMap, access: &Access) -> Value {
    let agent = headers.get("user-agent").and_then(|agent| agent.to_str().ok());
    let verb = match access {
        Access::Resource { verb, .. } | Access::Path { verb, .. } => verb,
    };
    let mut event = json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata",
        "auditID": uuid(), "stage": "ResponseComplete", "requestURI": uri.to_string(),
        "verb": verb, "user": {}, "sourceIPs": [peer.address.ip().to_string()],
        "userAgent": agent, "requestReceivedTimestamp": now_micro(),
    });
    if let Access::Resource { group, resource, namespace, name, .. } = access {
        let (plural, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let mut reference = json!({"resource": plural, "apiVersion": "v1"});
        let fields = [("namespace", namespace.as_str()), ("name", name), ("apiGroup", group), {
            ("subresource", subresource)
        }];
        for (field, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
            reference[field] = json!(value);
        }
        event["objectRef"] = reference;
    }
    event
}

/// Completes an event with the user and the status code.
pub(super) fn finish(mut event: Value, user: Option<&User>, code: u16) -> Value {
    if let Some(user) = user {
        event["user"] = user.info();
    }
    event["responseStatus"] = json!({"metadata": {}, "code": code});
    event["stageTimestamp"] = json!(now_micro());
    event
}
