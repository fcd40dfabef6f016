//! A temporary namespace: all test objects are created in it and removed with it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::report::LeftBehind;
use super::wait::{Glance, until};
use crate::kube::{ApiError, ApiServer, Change, Credentials};
use crate::util::interrupt::Interrupt;
use crate::util::words::{at, in_one_line};

pub(crate) const CORE: &str = "/api/v1";
pub(crate) const APPS: &str = "/apis/apps/v1";

/// A namespace with a random name.
pub(crate) struct Namespace<'a> {
    pub(crate) api: &'a ApiServer,
    pub(crate) name: String,
    /// Value of the label `app.kubernetes.io/name`, which names the creator, such as `kcm-smoke`.
    label: &'static str,
}

impl<'a> Namespace<'a> {
    /// Chooses a name that begins with `label`. Does not create the namespace yet.
    ///
    /// # Errors
    /// If the system provides no random numbers.
    pub(crate) fn new(api: &'a ApiServer, label: &'static str) -> Result<Self, String> {
        Ok(Self { api, name: format!("{label}-{}", random_word()?), label })
    }

    fn labels(&self) -> BTreeMap<&'static str, &'static str> {
        let by = [("app.kubernetes.io/managed-by", "kcm"), ("app.kubernetes.io/name", self.label)];
        BTreeMap::from(by)
    }

    /// Creates the namespace.
    pub(crate) async fn create(&self) -> Result<(), ApiError> {
        let object = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": self.name, "labels": self.labels()},
        });
        self.api.change("/api/v1/namespaces", Change::Create(&object)).await.map(drop)
    }

    /// Returns the API path of a resource in the namespace.
    pub(crate) fn path(&self, root: &str, plural: &str) -> String {
        format!("{root}/namespaces/{}/{plural}", self.name)
    }

    /// Lists the objects of a resource in the namespace.
    pub(crate) async fn list(&self, root: &str, plural: &str) -> Result<Vec<Value>, ApiError> {
        let list = self.api.read(&self.path(root, plural)).await?.unwrap_or_default();
        Ok(at(&list, "/items").as_array().cloned().unwrap_or_default())
    }

    /// Deletes the namespace and waits until it is gone. Ignores interrupts, so that the cleanup
    /// completes.
    ///
    /// # Errors
    /// If the namespace still exists after `patience`, or the API server refuses. The text names
    /// what the deletion waits for.
    pub(crate) async fn remove(&self, patience: Duration) -> Result<String, String> {
        let path = format!("/api/v1/namespaces/{}", self.name);
        let unhurried = Interrupt::new();
        until(&unhurried, patience, async || self.step(&path).await).await
    }

    /// Describes a namespace that could not be removed because of `why`. Deletes the workloads in
    /// it first.
    pub(crate) async fn left_behind(&self, why: String, admin: &Credentials) -> LeftBehind {
        let emptied = self.empty().await;
        let emptied = if emptied { ", whose workloads are deleted" } else { "" };
        let what = format!("namespace {}{emptied}", self.name);
        LeftBehind { what, why, remove: admin.kubectl(&["delete", "namespace", &self.name]) }
    }

    /// Reads the namespace once, and deletes it if its deletion has not been requested yet.
    async fn step(&self, path: &str) -> Result<Glance, ApiError> {
        let Some(namespace) = self.api.read(path).await? else {
            return Ok(Glance::Seen(format!("{} is gone", self.name)));
        };
        let found = at(&namespace, "/metadata/labels");
        if !self
            .labels()
            .iter()
            .all(|(label, value)| found.get(label).is_some_and(|it| it == value))
        {
            return Ok(Glance::Seen(
                "nothing was created: another namespace of that name exists".to_owned(),
            ));
        }
        if at(&namespace, "/metadata/deletionTimestamp").is_null() {
            let options = json!({
                "apiVersion": "v1", "kind": "DeleteOptions",
                "preconditions": {"uid": at(&namespace, "/metadata/uid")},
            });
            match self.api.change(path, Change::Delete(&options)).await {
                // The next read shows whether it was deleted.
                Err(error) if error.is_fate_unknown() => {}
                deleted => drop(deleted?),
            }
        }
        Ok(Glance::NotYet(waits_for(&namespace)))
    }

    /// Deletes the workloads of a namespace that could not be removed. Returns true if all
    /// deletions were accepted.
    async fn empty(&self) -> bool {
        let options =
            json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"});
        let mut is_taken = true;
        for (root, plural) in [(APPS, "deployments"), (APPS, "replicasets"), (CORE, "pods")] {
            let deleted = self.api.change(&self.path(root, plural), Change::Delete(&options)).await;
            is_taken &= deleted.is_ok();
        }
        is_taken
    }
}

/// Describes what blocks the deletion of a namespace.
fn waits_for(namespace: &Value) -> String {
    let texts = |list: &Value| -> Vec<String> {
        let all = list.as_array().into_iter().flatten().filter_map(Value::as_str);
        all.map(str::to_owned).collect()
    };
    let own = texts(at(namespace, "/metadata/finalizers"));
    let conditions = at(namespace, "/status/conditions").as_array().into_iter().flatten();
    let said: Vec<_> = conditions
        .filter(|condition| at(condition, "/status") == "True")
        .filter_map(|condition| at(condition, "/message").as_str().map(in_one_line))
        .collect();
    let mut parts = vec!["the namespace still exists".to_owned()];
    if !own.is_empty() {
        parts.push(format!("waiting for the removal of its finalizers {}", own.join(", ")));
    } else if said.is_empty() && !texts(at(namespace, "/spec/finalizers")).is_empty() {
        parts.push("waiting for the namespace controller".to_owned());
    }
    parts.extend(said);
    parts.join("; ")
}

/// Returns a random suffix in the alphabet of Kubernetes' generated names, which has no vowels and
/// so forms no words.
fn random_word() -> Result<String, String> {
    const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut random = [0_u8; 5];
    aws_lc_rs::rand::fill(&mut random)
        .map_err(|_| "the system's random number generator failed".to_owned())?;
    let letter = |byte: &u8| LETTERS.get(usize::from(*byte) % LETTERS.len()).copied();
    Ok(random.iter().filter_map(letter).map(char::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_that_stays_says_what_it_waits_for() {
        let foreign = json!({"metadata": {"finalizers": ["example.com/keep"]}, "spec": {"finalizers": ["kubernetes"]}});
        assert!(waits_for(&foreign).contains("example.com/keep"));
        let idle = json!({"metadata": {}, "spec": {"finalizers": ["kubernetes"]}});
        assert!(waits_for(&idle).contains("namespace controller"));
        let said = json!({
            "metadata": {}, "spec": {"finalizers": ["kubernetes"]},
            "status": {"conditions": [
                {"type": "NamespaceContentRemaining", "status": "True", "message": "Some resources\nremain"},
                {"type": "NamespaceDeletionGroupVersionParsingFailure", "status": "False", "message": "fine"},
            ]},
        });
        assert_eq!(waits_for(&said), "the namespace still exists; Some resources remain");
    }
}
