//! The objects that kube-apiserver creates at start.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::endpoints;
use super::kinds::{CONFIG_MAPS, ENDPOINT_SLICES, ENDPOINTS, Kind, NAMESPACES};
use super::objects::{self, Place};
use super::request::Selector;
use super::status::Failure;
use super::store::Store;

/// Creates or updates the objects. `servers` are the addresses of this server and of its peers.
pub(super) fn run(
    store: &mut Store,
    client_ca: &str,
    servers: &[SocketAddr],
) -> Result<(), Failure> {
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        let place = Place { kind: NAMESPACES, subresource: "", namespace: "", name };
        if place.found(store).is_err() {
            objects::create(store, place, json!({"metadata": {"name": name}}))?;
        }
    }
    let map = json!({
        "metadata": {"name": "extension-apiserver-authentication"},
        "data": {"client-ca-file": client_ca},
    });
    put(store, CONFIG_MAPS, "kube-system", &map)?;
    publish(store, servers)
}

/// Publishes the addresses of the servers and removes the slices of other servers.
fn publish(store: &mut Store, servers: &[SocketAddr]) -> Result<(), Failure> {
    if servers.is_empty() {
        return Ok(());
    }
    let (namespace, slices) = (endpoints::NAMESPACE, endpoints::slices(servers));
    put(store, ENDPOINTS, namespace, &endpoints::endpoints(servers))?;
    let selector = Selector::of_label("kubernetes.io/service-name", "kubernetes");
    let old = store.list(ENDPOINT_SLICES, namespace).filter(|(_, slice)| selector.takes(slice));
    let old: Vec<_> = old.map(|(key, _)| key.clone()).collect();
    for key in old.iter().filter(|key| !slices.iter().any(|it| it["metadata"]["name"] == *key.name))
    {
        store.remove(key);
    }
    for slice in &slices {
        put(store, ENDPOINT_SLICES, namespace, slice)?;
    }
    Ok(())
}

fn put(
    store: &mut Store,
    kind: &'static Kind,
    namespace: &str,
    object: &Value,
) -> Result<(), Failure> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let place = Place { kind, subresource: "", namespace, name };
    if place.found(store).is_ok() {
        objects::update(store, place, object)?;
    } else {
        objects::create(store, place, object.clone())?;
    }
    Ok(())
}
