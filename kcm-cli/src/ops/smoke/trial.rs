//! Checks of the controllers, in a temporary namespace.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::cause::{self, Controller};
use super::masters::Seat;
use super::namespace::{APPS, CORE, Namespace};
use super::report::Book;
use super::wait::{Glance, until};
use super::{SmokeRequest, store, sweep};
use crate::cluster::layout::Layout;
use crate::context::Run;
use crate::event::CheckName;
use crate::kube::{ApiError, ApiServer, Change};
use crate::util::words::{at, journal_of};

/// Prefix of the namespace's name.
const LABEL: &str = "kcm-smoke";
/// Name of the Deployment and of the quota.
pub(super) const NAME: &str = "nginx";
/// Name of the service account.
pub(super) const ACCOUNT: &str = "smoke";
const REPLICAS: u64 = 3;

/// A test and its namespace.
pub(super) struct Trial<'t> {
    pub(super) run: Run<'t>,
    pub(super) api: &'t ApiServer,
    pub(super) namespace: Namespace<'t>,
    pub(super) patience: Duration,
    leader: &'t Seat,
    layout: &'t Layout,
}

/// Creates the namespace, runs the checks in it, and removes it.
pub(super) async fn carry_out(
    run: Run<'_>,
    request: &SmokeRequest,
    api: &ApiServer,
    leader: &Seat,
    layout: &Layout,
    book: &mut Book<'_>,
) {
    let clock = Instant::now();
    let asked = "the credentials allow the creation of a namespace";
    let namespace = match Namespace::new(api, LABEL) {
        Ok(namespace) => namespace,
        Err(why) => return book.skip_rest(&why),
    };
    let made = namespace.create().await;
    let trial = Trial { run, api, namespace, patience: request.timeout, leader, layout };
    match made {
        Ok(()) => {
            book.namespace(&trial.namespace.name);
            trial.accounts(book).await;
            trial.workload(book).await;
            trial.quota(book).await;
            store::check(&trial, request, book).await;
            trial.garbage(book).await;
            sweep::check(&trial, &request.credentials, book).await;
        }
        // The namespace may exist nevertheless.
        Err(error) if error.is_fate_unknown() => {
            book.namespace(&trial.namespace.name);
            let look = "check the API server's log".to_owned();
            book.fail(CheckName::ServiceAccount, asked, error.to_string(), look, clock);
            sweep::check(&trial, &request.credentials, book).await;
        }
        Err(error) => {
            let look = "pass an administrator's kubeconfig with --kubeconfig".to_owned();
            book.fail(CheckName::ServiceAccount, asked, error.to_string(), look, clock);
        }
    }
    book.skip_rest("a prerequisite was not met");
}

impl Trial<'_> {
    /// Returns the master that leads.
    pub(super) fn leader(&self) -> &Seat {
        self.leader
    }

    /// Returns the API path of a resource in the namespace.
    pub(super) fn path(&self, root: &str, plural: &str) -> String {
        self.namespace.path(root, plural)
    }

    async fn until(
        &self,
        look: impl AsyncFnMut() -> Result<Glance, ApiError>,
    ) -> Result<String, String> {
        until(self.run.interrupt, self.patience, look).await
    }

    /// Lists the objects of a resource in the namespace.
    async fn list(&self, root: &str, plural: &str) -> Result<Vec<Value>, ApiError> {
        self.namespace.list(root, plural).await
    }

    /// Records the result of a check. A failure includes possible causes.
    pub(super) fn enter(
        &self,
        book: &mut Book<'_>,
        name: CheckName,
        asked: &str,
        controller: Option<Controller>,
        (ended, since): (Result<String, String>, Instant),
    ) {
        match ended {
            Ok(seen) => book.pass(name, asked, seen, since),
            Err(_) if self.run.interrupt.is_requested() => book.skip(name, asked, "interrupted"),
            Err(seen) => {
                let causes = controller.map(|it| cause::of_idleness(self.leader, it));
                let causes = causes.unwrap_or_default();
                let seen = std::iter::once(seen).chain(causes).collect::<Vec<_>>().join("; ");
                let look =
                    format!("run `{}` on {}", journal_of(&self.layout.unit), self.leader.name);
                book.fail(name, asked, seen, look, since);
            }
        }
    }

    /// Checks that the default service account appears, and that a token of another service account
    /// is accepted.
    async fn accounts(&self, book: &mut Book<'_>) {
        let asked = "the namespace gets its default service account, and a token of another account is accepted";
        let clock = Instant::now();
        let accounts = self.path(CORE, "serviceaccounts");
        let appeared = self.until(async || {
            Ok(match self.api.read(&format!("{accounts}/default")).await? {
                Some(_) => Glance::Seen(String::new()),
                None => Glance::NotYet("the default service account was not created".to_owned()),
            })
        });
        let ended = match appeared.await {
            Err(why) => (Err(why), Some(cause::SERVICE_ACCOUNT)),
            Ok(_) => (self.token(&accounts).await, None),
        };
        self.enter(book, CheckName::ServiceAccount, asked, ended.1, (ended.0, clock));
    }

    /// Creates a service account, and lets the API server review one of its tokens.
    async fn token(&self, accounts: &str) -> Result<String, String> {
        let account =
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}});
        self.create(accounts, &account).await?;
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"expirationSeconds": 600},
        });
        let path = format!("{accounts}/{ACCOUNT}/token");
        let mut issued = self.create(&path, &request).await?;
        let token =
            zeroize::Zeroizing::new(match issued.pointer_mut("/status/token").map(Value::take) {
                Some(Value::String(token)) => token,
                _ => {
                    return Err("the API server issued no token for the service account".to_owned());
                }
            });
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": *token},
        });
        let review = self.create("/apis/authentication.k8s.io/v1/tokenreviews", &review).await?;
        let user = review.pointer("/status/user/username").and_then(Value::as_str);
        let wanted = format!("system:serviceaccount:{}:{ACCOUNT}", self.namespace.name);
        if user == Some(&wanted) {
            return Ok(format!(
                "the default service account exists, and a token of {wanted} is accepted"
            ));
        }
        let why =
            review.pointer("/status/error").and_then(Value::as_str).unwrap_or("no reason given");
        Err(format!(
            "the API server rejects the token that it issued for {wanted} ({why}); add the key of its --service-account-signing-key-file to its --service-account-key-file"
        ))
    }

    async fn create(&self, path: &str, object: &Value) -> Result<Value, String> {
        let made = self.api.change(path, Change::Create(object)).await;
        made.map_err(|error| error.to_string())?.ok_or_else(|| format!("{path}: not found"))
    }

    /// Checks that a Deployment gets its `ReplicaSet` and Pods, and that scaling down removes Pods.
    async fn workload(&self, book: &mut Book<'_>) {
        let asked = "a Deployment of 3 replicas gets its ReplicaSet";
        let clock = Instant::now();
        let deployments = self.path(APPS, "deployments");
        let ended = match self.create(&deployments, &deployment()).await {
            Err(why) => Err(why),
            Ok(made) => {
                let uid = at(&made, "/metadata/uid").clone();
                self.until(async || {
                    let sets = self.list(APPS, "replicasets").await?;
                    let own = sets.iter().find(|set| is_owned(set, &uid));
                    Ok(match own.map(name_of) {
                        Some(set) => Glance::Seen(format!("{NAME} has the ReplicaSet {set}")),
                        None => Glance::NotYet(format!("the Deployment {NAME} has no ReplicaSet")),
                    })
                })
                .await
            }
        };
        let has_set = ended.is_ok();
        self.enter(book, CheckName::Deployment, asked, Some(cause::DEPLOYMENT), (ended, clock));
        if !has_set {
            return;
        }

        let asked = "the ReplicaSet gets its 3 Pods";
        let clock = Instant::now();
        let ended = self.pods(REPLICAS).await;
        let has_pods = ended.is_ok();
        self.enter(book, CheckName::ReplicaSet, asked, Some(cause::REPLICA_SET), (ended, clock));
        if !has_pods {
            return;
        }

        let asked = "the Deployment loses Pods when scaled to 1 replica";
        let clock = Instant::now();
        let patch = json!({"spec": {"replicas": 1}});
        let scaled = self.api.change(&format!("{deployments}/{NAME}"), Change::Merge(&patch)).await;
        let ended = match scaled {
            Err(error) => Err(error.to_string()),
            Ok(_) => self.pods(1).await,
        };
        self.enter(book, CheckName::Scale, asked, Some(cause::DEPLOYMENT), (ended, clock));
    }

    /// Waits for this number of Pods that are not being deleted.
    async fn pods(&self, wanted: u64) -> Result<String, String> {
        self.until(async || {
            let pods = self.list(CORE, "pods").await?;
            let pods: Vec<_> = pods.iter().filter(|pod| !is_ending(pod)).collect();
            let pending = pods.iter().filter(|pod| at(pod, "/status/phase") == "Pending").count();
            if pods.len() as u64 == wanted {
                return Ok(Glance::Seen(format!(
                    "{}{}",
                    number(pods.len()),
                    phases(pods.len(), pending)
                )));
            }
            let why = self.refusal().await?;
            Ok(Glance::NotYet(format!("{} instead of {wanted}{why}", number(pods.len()))))
        })
        .await
    }

    /// Returns the `ReplicaSet` controller's message about Pods that it may not create, for example
    /// because of a quota or an admission plug-in.
    async fn refusal(&self) -> Result<String, ApiError> {
        let sets = self.list(APPS, "replicasets").await?;
        let mut all =
            sets.iter().filter_map(|set| at(set, "/status/conditions").as_array()).flatten();
        let failure =
            all.find(|it| at(it, "/type") == "ReplicaFailure" && at(it, "/status") == "True");
        let message = failure.and_then(|it| at(it, "/message").as_str());
        Ok(message
            .map_or_else(String::new, |it| format!(" ({})", crate::util::words::in_one_line(it))))
    }

    /// Checks that a quota is counted. Runs after the Pods were created, because the API server
    /// refuses Pods under a quota without a count.
    async fn quota(&self, book: &mut Book<'_>) {
        let asked = "a ResourceQuota is counted";
        if self.run.interrupt.is_requested() {
            return;
        }
        let clock = Instant::now();
        let quotas = self.path(CORE, "resourcequotas");
        let object = json!({
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": NAME},
            "spec": {"hard": {"pods": "10"}},
        });
        let ended = match self.create(&quotas, &object).await {
            Err(why) => Err(why),
            Ok(_) => {
                self.until(async || {
                    let quota =
                        self.api.read(&format!("{quotas}/{NAME}")).await?.unwrap_or_default();
                    Ok(match at(&quota, "/status/used/pods").as_str() {
                        Some(used) => Glance::Seen(format!("{used} of 10 Pods used")),
                        None => {
                            Glance::NotYet("status.used of the ResourceQuota is empty".to_owned())
                        }
                    })
                })
                .await
            }
        };
        self.enter(book, CheckName::ResourceQuota, asked, Some(cause::QUOTA), (ended, clock));
    }

    /// Checks that the `ReplicaSet` and Pods of a Deployment are deleted with it.
    async fn garbage(&self, book: &mut Book<'_>) {
        let asked = "the ReplicaSet and the Pods of a deleted Deployment are deleted";
        if self.run.interrupt.is_requested() || !book.has_passed(CheckName::Deployment) {
            return book.skip(
                CheckName::GarbageCollector,
                asked,
                "there is no ReplicaSet to delete",
            );
        }
        let clock = Instant::now();
        let options = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background",
        });
        let path = format!("{}/{NAME}", self.path(APPS, "deployments"));
        let ended = match self.api.change(&path, Change::Delete(&options)).await {
            Err(error) => Err(error.to_string()),
            Ok(_) => {
                self.until(async || {
                    let left = |list: Vec<Value>| list.iter().filter(|it| !is_ending(it)).count();
                    let sets = left(self.list(APPS, "replicasets").await?);
                    let pods = left(self.list(CORE, "pods").await?);
                    Ok(match (sets, pods) {
                        (0, 0) => Glance::Seen(
                            "the ReplicaSet and the Pods are deleted or terminating".to_owned(),
                        ),
                        _ => {
                            Glance::NotYet(format!("remaining: ReplicaSets: {sets}, Pods: {pods}"))
                        }
                    })
                })
                .await
            }
        };
        self.enter(book, CheckName::GarbageCollector, asked, Some(cause::GARBAGE), (ended, clock));
    }
}

fn deployment() -> Value {
    let labels = json!({"app": NAME});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NAME, "labels": labels},
        "spec": {
            "replicas": REPLICAS, "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "containers": [{"name": NAME, "image": "nginx"}],
                },
            },
        },
    })
}

fn name_of(object: &Value) -> &str {
    at(object, "/metadata/name").as_str().unwrap_or_default()
}

fn is_owned(object: &Value, by: &Value) -> bool {
    let owners = at(object, "/metadata/ownerReferences").as_array();
    owners.is_some_and(|owners| owners.iter().any(|owner| at(owner, "/uid") == by))
}

fn is_ending(object: &Value) -> bool {
    at(object, "/metadata/deletionTimestamp").is_string()
}

fn number(pods: usize) -> String {
    if pods == 1 { "1 Pod".to_owned() } else { format!("{pods} Pods") }
}

/// Describes pending Pods. Pods stay pending without a scheduler or nodes, which
/// kube-controller-manager is not responsible for.
fn phases(pods: usize, pending: usize) -> String {
    match pending {
        0 => String::new(),
        _ if pending == pods => {
            ", all Pending, as expected without a scheduler or nodes".to_owned()
        }
        _ => format!(", {pending} of them Pending"),
    }
}
