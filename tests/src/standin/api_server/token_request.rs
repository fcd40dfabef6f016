//! The subresource `token` of service accounts.
//!
//! Upstream: `pkg/registry/core/serviceaccount/storage/token.go`.

use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use super::kinds::TOKEN_REQUESTS;
use super::status::Failure;
use super::tokens::Tokens;

/// Issues the requested token for a service account; returns the completed request.
pub(super) fn answer(
    account: &Value,
    mut request: Value,
    tokens: &Tokens,
) -> Result<Value, Failure> {
    let (name, namespace) = (&account["metadata"]["name"], &account["metadata"]["namespace"]);
    let spec = &request["spec"];
    if !spec["boundObjectRef"].is_null() {
        return Err(Failure::bad_request("this stand-in supports no boundObjectRef"));
    }
    let seconds = spec["expirationSeconds"].as_i64().unwrap_or(3600);
    let limit = match seconds {
        ..600 => Some("may not specify a duration less than 10 minutes"),
        4_294_967_297.. => Some("may not specify a duration larger than 2^32 seconds"),
        _ => None,
    };
    if let Some(why) = limit {
        let why = format!("Invalid value: {seconds}: {why}");
        let name = name.as_str().unwrap_or_default();
        return Err(Failure::invalid(TOKEN_REQUESTS, name, "spec.expirationSeconds", &why));
    }
    let audiences = spec["audiences"].as_array().into_iter().flatten();
    let mut audiences: Vec<_> =
        audiences.filter_map(|item| item.as_str().map(str::to_owned)).collect();
    if audiences.is_empty() {
        audiences = tokens.audiences().to_vec();
    }
    let (token, expires) = tokens.issue(account, &audiences, seconds);
    request["kind"] = json!("TokenRequest");
    request["apiVersion"] = json!("authentication.k8s.io/v1");
    request["metadata"] = json!({"name": name, "namespace": namespace});
    request["spec"] = json!({
        "audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": null,
    });
    request["status"] =
        json!({"token": token, "expirationTimestamp": expires.format(&Rfc3339).unwrap()});
    Ok(request)
}
