//! Service account tokens of a control plane, for tests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::ControlPlane;

impl ControlPlane {
    /// Creates a service account if it does not exist.
    pub fn create_service_account(&self, namespace: &str, name: &str) {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
        let reply = self.admin().create(&path, &json!({"metadata": {"name": name}}));
        assert!(matches!(reply.code, 201 | 409), "{reply:?}");
    }

    /// Requests a token for a service account and returns it. Without audiences, it is for the API
    /// server.
    #[must_use]
    pub fn request_token(&self, namespace: &str, account: &str, audiences: &[&str]) -> String {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
        let spec = json!({"audiences": audiences, "expirationSeconds": 3600});
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec,
        });
        let answer = self.admin().create(&path, &request).ok();
        answer["status"]["token"].as_str().unwrap().to_owned()
    }

    /// Creates a Secret that the token controller fills with a token of a service account; returns
    /// the path of the Secret.
    #[must_use]
    pub fn create_token_secret(&self, namespace: &str, name: &str, account: &str) -> String {
        let path = format!("/api/v1/namespaces/{namespace}/secrets");
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
            "metadata": {
                "name": name, "annotations": {"kubernetes.io/service-account.name": account},
            },
        });
        self.admin().create(&path, &secret).ok();
        format!("{path}/{name}")
    }

    /// Returns the decoded value of a key in a Secret, if the Secret exists and has the key.
    #[must_use]
    pub fn secret_value(&self, path: &str, key: &str) -> Option<String> {
        let reply = self.admin().get(path);
        let encoded = reply.body["data"][key].as_str()?;
        Some(String::from_utf8(BASE64.decode(encoded).unwrap()).unwrap())
    }

    /// Sends a GET request with a bearer token and without a client certificate; returns the HTTP
    /// status.
    ///
    /// Each valid token may read `/api`.
    #[must_use]
    pub fn status_with_token(&self, token: &str, path: &str) -> u16 {
        self.client(None).with_token(token).get(path).code
    }

    /// Returns the status of a `TokenReview` for these audiences, or for those of the API server.
    #[must_use]
    pub fn review_token(&self, token: &str, audiences: &[&str]) -> Value {
        let path = "/apis/authentication.k8s.io/v1/tokenreviews";
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
            "spec": {"token": token, "audiences": audiences},
        });
        self.admin().create(path, &review).ok()["status"].clone()
    }
}
