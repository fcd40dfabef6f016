//! The stand-in for etcd's JSON gateway: `/v3/kv/range` over the objects of the API server's
//! stand-in.
//!
//! Like etcd with `--client-cert-auth`, it accepts only clients with a certificate of its CA for
//! client authentication.
//! It also copies peculiarities of etcd: 64-bit numbers are strings, and fields with the value 0
//! are omitted. A gateway whose serving certificate is not also for client authentication cannot
//! reach its own server.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kcm_pki::{Certificate, Usage};
use serde_json::{Value, json};

use super::scripted::{Answer, Heard, Scripted, Wire};
use crate::control_plane::Identity;

/// Starts a gateway on 127.0.0.1 with certificate `serving`, for clients of `ca`. `data` is the API
/// server's folder of objects.
#[must_use]
pub fn start(serving: &Identity, ca: &str, data: &Path) -> Scripted {
    let certificate = Certificate::from_pem(serving.certificate.as_bytes()).unwrap();
    let reaches_itself = certificate.usages().contains(Usage::ClientAuth);
    let objects = data.join("objects.jsonl");
    let wire = Wire::MutualTls(serving.clone(), ca.to_owned());
    Scripted::start(&wire, move |heard| answer(heard, reaches_itself, &objects))
}

fn answer(heard: &Heard, reaches_itself: bool, objects: &Path) -> Answer {
    if heard.path != "/v3/kv/range" {
        return Answer::Json(404, json!("Not Found"));
    }
    if heard.method != "POST" {
        return failed(501, 12, "Method Not Allowed");
    }
    if !reaches_itself {
        let why = "connection error: desc = \"transport: error while dialing: write: broken pipe\"";
        return failed(503, 14, why);
    }
    let known = ["key", "range_end", "count_only", "keys_only", "limit"];
    let fields = heard.body.as_object().cloned().unwrap_or_default();
    if let Some(unknown) = fields.keys().find(|field| !known.contains(&field.as_str())) {
        return failed(400, 3, &format!("unknown field {unknown:?} in etcdserverpb.RangeRequest"));
    }
    let key = fields.get("key").and_then(Value::as_str).and_then(|key| STANDARD.decode(key).ok());
    let Some(key) = key.filter(|key| !key.is_empty()) else {
        return failed(400, 3, "etcdserver: key is not provided");
    };
    let key = String::from_utf8_lossy(&key).into_owned();
    let mut answer =
        json!({"header": {"cluster_id": "1", "member_id": "1", "revision": "7", "raft_term": "2"}});
    if is_there(&fs::read_to_string(objects).unwrap_or_default(), &key) {
        answer["count"] = json!("1");
    }
    Answer::Json(200, answer)
}

fn failed(status: u16, code: u16, message: &str) -> Answer {
    Answer::Json(status, json!({"error": message, "code": code, "message": message}))
}

/// Reports whether an object exists after the last line about it.
fn is_there(journal: &str, key: &str) -> bool {
    let mut is_there = false;
    for entry in journal.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let text = |field: &str| entry[field].as_str().unwrap_or_default();
        let plural = text("resource").split('.').next().unwrap_or_default();
        let path = match text("namespace") {
            "" => format!("/registry/{plural}/{}", text("name")),
            namespace => format!("/registry/{plural}/{namespace}/{}", text("name")),
        };
        if path == key {
            is_there = !entry["object"].is_null();
        }
    }
    is_there
}
