//! Reviews of identities and permissions, such as `SubjectAccessReview`.

use serde_json::{Value, json};

use super::identity::User;
use super::rbac::{Access, decide};
use super::server::Server;
use super::status::Failure;
use super::tokens::Verified;
use crate::standin::when::now;

/// Answers a review; `None` if the resource is not a review.
pub(super) fn answer(
    group: &str,
    plural: &str,
    body: &Value,
    user: &User,
    server: &Server,
) -> Option<Result<Value, Failure>> {
    let answer = match (group, plural) {
        ("authentication.k8s.io", "selfsubjectreviews") => Ok(self_subject(user)),
        ("authentication.k8s.io", "tokenreviews") => token(body, server),
        ("authorization.k8s.io", "selfsubjectaccessreviews") => {
            access(body, "SelfSubjectAccessReview", user, server)
        }
        ("authorization.k8s.io", "subjectaccessreviews") => subject_access(body, server),
        _ => return None,
    };
    Some(answer)
}

/// Resources of [`answer`]: group, plural, kind.
pub(super) const REVIEWS: &[(&str, &str, &str)] = &[
    ("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview"),
    ("authentication.k8s.io", "tokenreviews", "TokenReview"),
    ("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    ("authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview"),
];

fn self_subject(user: &User) -> Value {
    json!({
        "kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"creationTimestamp": now()}, "status": {"userInfo": user.info()},
    })
}

/// Reviews a token for the audiences of the review, or for those of the API server.
fn token(body: &Value, server: &Server) -> Result<Value, Failure> {
    let spec = &body["spec"];
    let Some(token) = spec["token"].as_str().filter(|token| !token.is_empty()) else {
        let why = "token is required for TokenReview in authentication";
        return Err(Failure::bad_request(why));
    };
    let wanted = spec["audiences"].as_array().into_iter().flatten();
    let wanted: Vec<_> = wanted.filter_map(|item| item.as_str().map(str::to_owned)).collect();
    let status = match server.review(token, &wanted) {
        Ok(Verified { user, audiences }) => {
            json!({"authenticated": true, "user": user.info(), "audiences": audiences})
        }
        Err(error) => json!({"user": {}, "error": error}),
    };
    Ok(json!({
        "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"creationTimestamp": null}, "spec": spec, "status": status,
    }))
}

fn subject_access(body: &Value, server: &Server) -> Result<Value, Failure> {
    let spec = &body["spec"];
    let name = spec["user"].as_str().unwrap_or_default().to_owned();
    let groups: Vec<String> = spec["groups"].as_array().map_or_else(Vec::new, |groups| {
        groups.iter().filter_map(|group| group.as_str().map(str::to_owned)).collect()
    });
    if name.is_empty() && groups.is_empty() {
        return Err(Failure::invalid_review(
            "SubjectAccessReview",
            "at least one of user or group must be specified",
        ));
    }
    let user = User { name, groups, uid: None, credential: None };
    access(body, "SubjectAccessReview", &user, server)
}

fn access(body: &Value, kind: &str, user: &User, server: &Server) -> Result<Value, Failure> {
    let spec = &body["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let access = match (&spec["resourceAttributes"], &spec["nonResourceAttributes"]) {
        (Value::Object(_), Value::Object(_)) | (Value::Null, Value::Null) => {
            let why =
                "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            return Err(Failure::invalid_review(kind, why));
        }
        (Value::Null, path) => {
            Access::Path { verb: text(&path["verb"]), path: text(&path["path"]) }
        }
        (asked, _) => {
            let resource = match asked["subresource"].as_str() {
                Some(subresource) if !subresource.is_empty() => {
                    format!("{}/{subresource}", text(&asked["resource"]))
                }
                _ => text(&asked["resource"]),
            };
            Access::Resource {
                verb: text(&asked["verb"]),
                group: text(&asked["group"]),
                resource,
                namespace: text(&asked["namespace"]),
                name: text(&asked["name"]),
            }
        }
    };
    let status = match decide(user, &access, server.version.minor) {
        Some(reason) => json!({"allowed": true, "reason": reason}),
        None => json!({"allowed": false}),
    };
    Ok(json!({
        "kind": kind, "apiVersion": "authorization.k8s.io/v1",
        "metadata": {"creationTimestamp": null}, "spec": spec, "status": status,
    }))
}
