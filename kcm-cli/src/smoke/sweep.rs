//! Removing everything, and naming what stays.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::cause;
use super::report::{Book, CheckName, CheckResult, LeftBehind};
use super::trial::{APPS, CORE, LABELS, Trial};
use super::wait::{Glance, until};
use crate::api::{ApiError, Change};
use crate::interrupt::Interrupt;
use crate::words::{at, in_one_line};

const ASKED: &str = "the namespace goes with everything in it";

/// Deletes the namespace and waits until it is gone: also where it was asked to stop.
pub(super) async fn check(trial: &Trial<'_>, kubectl: &str, book: &mut Book<'_>) {
    let clock = Instant::now();
    let path = format!("/api/v1/namespaces/{}", trial.namespace);
    // What has begun is ended: nobody can stop the removal but by a second signal.
    let unhurried = Interrupt::new();
    let ended = until(&unhurried, trial.patience, async || step(trial, &path).await).await;
    let why = match ended {
        Ok(seen) => {
            return book.enter(
                CheckName::Namespace,
                None,
                ASKED,
                CheckResult::Passed { seen },
                clock,
            );
        }
        Err(why) => why,
    };
    let causes = cause::of_idleness(trial.leader(), cause::NAMESPACE);
    let why = std::iter::once(why).chain(causes).collect::<Vec<_>>().join("; ");
    let emptied = empty(trial).await;
    let what = format!(
        "namespace {}{}",
        trial.namespace,
        if emptied { ", in which nothing runs any more" } else { "" }
    );
    let remove = format!("kubectl {kubectl}delete namespace {}", trial.namespace);
    let look = format!(
        "`kubectl {kubectl}get namespace {} -o yaml`, its finalizers and conditions",
        trial.namespace
    );
    let result = CheckResult::Failed { seen: why.clone(), look };
    book.enter(CheckName::Namespace, None, ASKED, result, clock);
    book.left(LeftBehind { what, why, remove });
}

/// One look, and one deletion where nobody has asked for that yet.
async fn step(trial: &Trial<'_>, path: &str) -> Result<Glance, ApiError> {
    let Some(namespace) = trial.api.read(path).await? else {
        return Ok(Glance::Seen(format!("{} is gone", trial.namespace)));
    };
    let labels = at(&namespace, "/metadata/labels");
    if !LABELS.iter().all(|(label, value)| labels.get(label).is_some_and(|it| it == value)) {
        return Ok(Glance::Seen(
            "nothing was made: somebody else has a namespace of that name".to_owned(),
        ));
    }
    if at(&namespace, "/metadata/deletionTimestamp").is_null() {
        let options = json!({
            "apiVersion": "v1", "kind": "DeleteOptions",
            "preconditions": {"uid": at(&namespace, "/metadata/uid")},
        });
        match trial.api.change(path, Change::Delete(&options)).await {
            // The next look shows it.
            Err(error) if error.is_fate_unknown() => {}
            deleted => drop(deleted?),
        }
    }
    Ok(Glance::NotYet(waits_for(&namespace)))
}

/// What keeps a namespace that is to go.
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
    let mut parts = vec!["it is still there".to_owned()];
    if !own.is_empty() {
        parts.push(format!("it waits for whoever removes its finalizers {}", own.join(", ")));
    } else if said.is_empty() && !texts(at(namespace, "/spec/finalizers")).is_empty() {
        parts.push("it waits for the namespace controller".to_owned());
    }
    parts.extend(said);
    parts.join("; ")
}

/// Deletes what could run in a namespace that stays; whether that was taken.
async fn empty(trial: &Trial<'_>) -> bool {
    let options =
        json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"});
    let mut is_taken = true;
    for (root, plural) in [(APPS, "deployments"), (APPS, "replicasets"), (CORE, "pods")] {
        let deleted = trial.api.change(&trial.path(root, plural), Change::Delete(&options)).await;
        is_taken &= deleted.is_ok();
    }
    is_taken
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
        assert_eq!(waits_for(&said), "it is still there; Some resources remain");
    }
}
