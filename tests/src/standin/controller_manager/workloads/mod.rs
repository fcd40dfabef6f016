//! The work of the controllers: each compares a snapshot with its desired state and requests the
//! changes.

mod deployment;
mod garbage;
mod namespace;
mod quota;
mod replica_set;
mod token;

use serde_json::{Value, json};

use super::controllers::Account;
use super::files::Material;
use crate::standin::client::Client;

/// A controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Controller {
    Deployment,
    Garbage,
    Namespace,
    ReplicaSet,
    ResourceQuota,
    RootCa,
    ServiceAccount,
    Token,
}

/// A kind that controllers read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    // Dependents are listed before their owners, so that a snapshot contains the owner of each
    // dependent.
    Pods,
    ReplicaSets,
    Deployments,
    Secrets,
    ServiceAccounts,
    ConfigMaps,
    ResourceQuotas,
    Namespaces,
}

impl Kind {
    pub(super) const ALL: [Self; 8] = [
        Self::Pods,
        Self::ReplicaSets,
        Self::Deployments,
        Self::Secrets,
        Self::ServiceAccounts,
        Self::ConfigMaps,
        Self::ResourceQuotas,
        Self::Namespaces,
    ];

    fn plural(self) -> &'static str {
        match self {
            Self::Pods => "pods",
            Self::ReplicaSets => "replicasets",
            Self::Deployments => "deployments",
            Self::Secrets => "secrets",
            Self::ServiceAccounts => "serviceaccounts",
            Self::ConfigMaps => "configmaps",
            Self::ResourceQuotas => "resourcequotas",
            Self::Namespaces => "namespaces",
        }
    }

    fn root(self) -> &'static str {
        match self {
            Self::ReplicaSets | Self::Deployments => "/apis/apps/v1",
            _ => "/api/v1",
        }
    }

    /// Path of all objects of the kind.
    pub(super) fn path(self) -> String {
        format!("{}/{}", self.root(), self.plural())
    }

    /// Path of the objects in a namespace.
    fn within(self, namespace: &str) -> String {
        format!("{}/namespaces/{namespace}/{}", self.root(), self.plural())
    }

    /// Path of an object.
    fn of(self, object: &Value) -> String {
        let name = text(&object["metadata"]["name"]);
        match object["metadata"]["namespace"].as_str() {
            Some(namespace) => format!("{}/{name}", self.within(namespace)),
            None => format!("{}/{name}", self.path()),
        }
    }
}

/// All objects that controllers read, by kind.
#[derive(Debug)]
pub(super) struct Snapshot(Vec<Vec<Value>>);

impl Snapshot {
    pub(super) async fn take(root: &Client) -> Result<Self, String> {
        let mut lists = Vec::new();
        for kind in Kind::ALL {
            let (code, mut list) = root.get(&kind.path()).await?;
            if code != 200 {
                return Err(text(&list["message"]).to_owned());
            }
            let items = list["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
            lists.push(items);
        }
        Ok(Self(lists))
    }

    fn all(&self, kind: Kind) -> &[Value] {
        let index = Kind::ALL.iter().position(|own| *own == kind).unwrap();
        &self.0[index]
    }

    /// Returns the objects in a namespace.
    fn within<'a>(&'a self, kind: Kind, namespace: &'a str) -> impl Iterator<Item = &'a Value> {
        let own = move |object: &&Value| object["metadata"]["namespace"] == namespace;
        self.all(kind).iter().filter(own)
    }

    /// Returns the objects that `owner` owns.
    fn owned<'a>(&'a self, kind: Kind, owner: &'a Value) -> impl Iterator<Item = &'a Value> {
        let uid = &owner["metadata"]["uid"];
        self.all(kind).iter().filter(move |object| {
            let owners = object["metadata"]["ownerReferences"].as_array();
            owners.is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == *uid))
        })
    }
}

/// Runs one controller once.
pub(super) async fn run(
    controller: Controller,
    snapshot: &Snapshot,
    material: &Material,
    account: &mut Account,
) -> Result<(), String> {
    match controller {
        Controller::Deployment => deployment::run(snapshot, account).await,
        Controller::Garbage => garbage::run(snapshot, account).await,
        Controller::Namespace => namespace::delete(snapshot, account).await,
        Controller::ReplicaSet => replica_set::run(snapshot, account).await,
        Controller::ResourceQuota => quota::run(snapshot, account).await,
        Controller::RootCa => match &material.root_ca {
            Some(root_ca) => namespace::publish_root_ca(snapshot, root_ca, account).await,
            None => Ok(()),
        },
        Controller::ServiceAccount => namespace::default_account(snapshot, account).await,
        Controller::Token => token::run(snapshot, material, account).await,
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn is_ending(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// Returns the `ownerReferences` of a dependent.
fn owner_reference(api_version: &str, kind: &str, owner: &Value) -> Value {
    json!([{
        "apiVersion": api_version, "kind": kind, "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    }])
}

/// Writes a status, unless the object has it already.
async fn write_status(
    kind: Kind,
    object: &Value,
    status: Value,
    account: &mut Account,
) -> Result<(), String> {
    if object["status"] == status {
        return Ok(());
    }
    let mut object = object.clone();
    object["status"] = status;
    let path = format!("{}/status", kind.of(&object));
    match account.send("PUT", &path, Some(&object)).await? {
        // Another client changed or deleted the object. The next snapshot shows that.
        (200 | 404 | 409, _) => Ok(()),
        (_, answer) => Err(text(&answer["message"]).to_owned()),
    }
}
