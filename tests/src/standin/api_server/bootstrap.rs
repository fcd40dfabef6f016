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
    put_client_ca(store, client_ca)?;
    publish(store, servers)
}

/// Adds the CA certificates to those that this or another server has published. As upstream
/// (`cluster_authentication_trust_controller.go`), no server removes any.
fn put_client_ca(store: &mut Store, client_ca: &str) -> Result<(), Failure> {
    const NAME: &str = "extension-apiserver-authentication";
    const END: &str = "-----END CERTIFICATE-----";
    let (kind, namespace) = (CONFIG_MAPS, "kube-system");
    let place = Place { kind, subresource: "", namespace, name: NAME };
    let before = place
        .found(store)
        .ok()
        .and_then(|map| map["data"]["client-ca-file"].as_str().map(str::to_owned));
    let mut all: Vec<&str> = Vec::new();
    for text in before.iter().map(String::as_str).chain([client_ca]) {
        let blocks = text.split_inclusive(END).map(str::trim).filter(|block| !block.is_empty());
        for block in blocks {
            if !all.contains(&block) {
                all.push(block);
            }
        }
    }
    let client_ca = all.join("\n") + "\n";
    let map = json!({"metadata": {"name": NAME}, "data": {"client-ca-file": client_ca}});
    put(store, kind, namespace, &map)
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
