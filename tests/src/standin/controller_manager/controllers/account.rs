//! The identity of a controller: a service account's token, requested and renewed as by client-go.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::standin::client::{Answer, Client};

/// Sends the requests of a controller.
#[derive(Debug)]
pub(in super::super) struct Account {
    root: Arc<Client>,
    name: Option<&'static str>,
    current: Option<(Client, Instant)>,
}

impl Account {
    /// Creates the identity. Without a name, requests use the kubeconfig's identity.
    pub(super) fn new(root: Arc<Client>, name: Option<&'static str>) -> Self {
        Self { root, name, current: None }
    }

    /// Sends a request. A response other than 2xx is an error with its message.
    pub(in super::super) async fn ask(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, String> {
        let (code, answer) = self.send(method, path, body).await?;
        if (200..300).contains(&code) {
            return Ok(answer);
        }
        Err(answer["message"].as_str().unwrap_or("no message").to_owned())
    }

    /// Sends a request with a valid token. After a 401 response, the next request gets a new token.
    pub(in super::super) async fn send(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let Some(name) = self.name else { return self.root.send(method, path, body).await };
        if self.current.as_ref().is_none_or(|(_, until)| Instant::now() > *until) {
            self.current = Some(self.login(name).await?);
        }
        let (client, _) = self.current.as_ref().unwrap();
        let answer = client.send(method, path, body).await?;
        if answer.0 == 401 {
            self.current = None;
        }
        Ok(answer)
    }

    async fn login(&self, name: &str) -> Result<(Client, Instant), String> {
        const ACCOUNTS: &str = "/api/v1/namespaces/kube-system/serviceaccounts";
        let checked = |(code, answer): Answer, wanted: &[u16]| {
            if wanted.contains(&code) {
                return Ok((code, answer));
            }
            Err(format!("service account {name}: {}", answer["message"]))
        };
        let found = self.root.get(&format!("{ACCOUNTS}/{name}")).await?;
        if checked(found, &[200, 404])?.0 == 404 {
            let account = json!({"metadata": {"name": name, "namespace": "kube-system"}});
            checked(self.root.send("POST", ACCOUNTS, Some(&account)).await?, &[201, 409])?;
        }
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"expirationSeconds": SECONDS},
        });
        let path = format!("{ACCOUNTS}/{name}/token");
        let (_, answer) = checked(self.root.send("POST", &path, Some(&request)).await?, &[201])?;
        let token = answer["status"]["token"].as_str().unwrap_or_default().to_owned();
        let until = Instant::now() + Duration::from_secs(SECONDS * 4 / 5);
        Ok((self.root.with_token(token), until))
    }
}

const SECONDS: u64 = 3600;
