//! The token controller: fills the Secrets that hold a service account token, and deletes those
//! without a service account.
//!
//! Upstream: `pkg/controller/serviceaccount/tokens_controller.go`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::{Kind, Snapshot, is_ending, text};
use crate::standin::controller_manager::controllers::Account;
use crate::standin::controller_manager::files::Material;
use crate::standin::service_account::{
    NAME_ANNOTATION, SECRET_TYPE, SigningKey, UID_ANNOTATION, issue, legacy_claims,
};

pub(super) async fn run(
    snapshot: &Snapshot,
    material: &Material,
    account: &mut Account,
) -> Result<(), String> {
    // Without a key, upstream does not start the controller.
    let Some(signer) = &material.signer else { return Ok(()) };
    let desired = Desired { signer, root_ca: material.root_ca.as_deref().map(encode) };
    let is_token = |secret: &&Value| secret["type"] == SECRET_TYPE && !is_ending(secret);
    for secret in snapshot.all(Kind::Secrets).iter().filter(is_token) {
        let name = text(&secret["metadata"]["annotations"][NAME_ANNOTATION]);
        let namespace = text(&secret["metadata"]["namespace"]);
        let path = format!("{}/{name}", Kind::ServiceAccounts.within(namespace));
        let owner = match account.send("GET", &path, None).await? {
            (200, owner) if is_owner(&owner, secret) => Some(owner),
            (200 | 404, _) => None,
            (_, answer) => return Err(text(&answer["message"]).to_owned()),
        };
        match owner {
            Some(owner) => fill(secret, &owner, &desired, account).await?,
            None => delete(secret, account).await?,
        }
    }
    Ok(())
}

/// Contents of token Secrets, apart from their own names.
struct Desired<'a> {
    signer: &'a SigningKey,
    /// Content of `data["ca.crt"]`.
    root_ca: Option<String>,
}

fn is_owner(account: &Value, secret: &Value) -> bool {
    let uid = &secret["metadata"]["annotations"][UID_ANNOTATION];
    uid.as_str().is_none_or(str::is_empty) || *uid == account["metadata"]["uid"]
}

async fn fill(
    secret: &Value,
    owner: &Value,
    desired: &Desired<'_>,
    account: &mut Account,
) -> Result<(), String> {
    if filled(secret, owner, desired).is_none() {
        return Ok(());
    }
    let path = Kind::Secrets.of(secret);
    let live = match account.send("GET", &path, None).await? {
        (200, live) => live,
        (404, _) => return Ok(()),
        (_, answer) => return Err(text(&answer["message"]).to_owned()),
    };
    // The next snapshot shows a newer Secret.
    let version = |secret: &Value| secret["metadata"]["resourceVersion"].clone();
    if version(&live) != version(secret) {
        return Ok(());
    }
    let Some(live) = filled(&live, owner, desired) else { return Ok(()) };
    match account.send("PUT", &path, Some(&live)).await? {
        (200 | 404 | 409, _) => Ok(()),
        (_, answer) => Err(text(&answer["message"]).to_owned()),
    }
}

/// Returns the Secret with everything that it lacks; `None` if it is complete.
fn filled(secret: &Value, owner: &Value, desired: &Desired<'_>) -> Option<Value> {
    let is_empty = |key: &str| text(&secret["data"][key]).is_empty();
    let root_ca = desired.root_ca.as_deref();
    let needs_ca = root_ca.is_some_and(|root_ca| secret["data"]["ca.crt"] != root_ca);
    if !needs_ca && !is_empty("namespace") && !is_empty("token") {
        return None;
    }
    let mut filled = secret.clone();
    if needs_ca {
        filled["data"]["ca.crt"] = json!(root_ca);
    }
    if is_empty("namespace") {
        let namespace = text(&secret["metadata"]["namespace"]);
        filled["data"]["namespace"] = json!(encode(namespace));
    }
    if is_empty("token") {
        let token = issue(desired.signer, &legacy_claims(owner, secret));
        filled["data"]["token"] = json!(encode(&token));
    }
    let annotations = &mut filled["metadata"]["annotations"];
    annotations[NAME_ANNOTATION] = owner["metadata"]["name"].clone();
    annotations[UID_ANNOTATION] = owner["metadata"]["uid"].clone();
    Some(filled)
}

fn encode(text: &str) -> String {
    BASE64.encode(text)
}

async fn delete(secret: &Value, account: &mut Account) -> Result<(), String> {
    let options = json!({
        "kind": "DeleteOptions", "apiVersion": "v1",
        "preconditions": {"uid": secret["metadata"]["uid"]},
    });
    match account.send("DELETE", &Kind::Secrets.of(secret), Some(&options)).await? {
        (200 | 404 | 409, _) => Ok(()),
        (_, answer) => Err(text(&answer["message"]).to_owned()),
    }
}
