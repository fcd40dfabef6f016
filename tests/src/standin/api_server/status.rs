//! `Status` objects, worded as by kube-apiserver.

use serde_json::{Value, json};

use super::kinds::Kind;
use super::rbac::Access;

/// The reason why a request failed.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) code: u16,
    reason: &'static str,
    pub(super) message: String,
    details: Option<Value>,
}

impl Failure {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None }
    }

    fn about(self, kind: &Kind, name: &str) -> Self {
        let details = json!({"name": name, "group": kind.group, "kind": kind.plural});
        Self { details: Some(details), ..self }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, "Forbidden", message)
    }

    /// Returns a failure like [`Failure::forbidden`], with the requested resource in its details.
    pub(super) fn unauthorized_access(message: String, access: &Access) -> Self {
        let details = match access {
            Access::Path { .. } => json!({}),
            Access::Resource { group, resource, name, .. } => {
                let kind = resource.split('/').next().unwrap_or_default();
                let fields = [("name", name.as_str()), ("group", group), ("kind", kind)];
                let said = fields.into_iter().filter(|(_, value)| !value.is_empty());
                said.map(|(field, value)| (field.to_owned(), json!(value))).collect()
            }
        };
        Self { details: Some(details), ..Self::forbidden(message) }
    }

    pub(super) fn not_found(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", kind.qualified());
        Self::new(404, "NotFound", message).about(kind, name)
    }

    pub(super) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message)
    }

    pub(super) fn already_exists(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", kind.qualified());
        Self::new(409, "AlreadyExists", message).about(kind, name)
    }

    pub(super) fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        let message =
            format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.qualified());
        Self::new(409, "Conflict", message).about(kind, name)
    }

    pub(super) fn modified(kind: &Kind, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version \
                   and try again";
        Self::conflict(kind, name, why)
    }

    pub(super) fn expired(revision: u64, oldest: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {revision} ({oldest})"))
    }

    pub(super) fn unsupported_media_type(given: &str) -> Self {
        let message = format!("the body of the request was in an unknown format: {given}");
        Self::new(415, "UnsupportedMediaType", message)
    }

    pub(super) fn invalid(kind: &Kind, name: &str, field: &str, why: &str) -> Self {
        let qualified = match kind.group {
            "" => kind.kind.to_owned(),
            group => format!("{}.{group}", kind.kind),
        };
        let message = format!("{qualified} \"{name}\" is invalid: {field}: {why}");
        let cause = json!({"reason": "FieldValueInvalid", "message": why, "field": field});
        let details =
            json!({"name": name, "group": kind.group, "kind": kind.kind, "causes": [cause]});
        Self { details: Some(details), ..Self::new(422, "Invalid", message) }
    }

    pub(super) fn invalid_review(kind: &str, why: &str) -> Self {
        let message = format!("{kind}.authorization.k8s.io \"\" is invalid: spec: {why}");
        Self::new(422, "Invalid", message)
    }

    /// Returns the `Status` object.
    pub(super) fn object(&self) -> Value {
        let mut object = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if let Some(details) = &self.details {
            object["details"] = details.clone();
        }
        object
    }
}

/// Returns the `Status` of a deletion that removed the object.
pub(super) fn deleted(kind: &Kind, name: &str, uid: &Value) -> Value {
    let details = json!({"name": name, "group": kind.group, "kind": kind.plural, "uid": uid});
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
    })
}
