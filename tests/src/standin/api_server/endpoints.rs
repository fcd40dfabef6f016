//! The addresses of the API servers, in the objects behind the Service `default/kubernetes`.
//!
//! Upstream: `pkg/controlplane/reconcilers/endpointsadapter.go`. Real servers learn their peers
//! from etcd and have one port. Peers of a stand-in may have others, in a subset and an
//! `EndpointSlice` each.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};

/// Namespace of the objects.
pub(crate) const NAMESPACE: &str = "default";

/// Returns the `Endpoints` object of the servers.
pub(crate) fn endpoints(servers: &[SocketAddr]) -> Value {
    let subsets = by_port(servers).into_iter().map(|(port, addresses)| {
        let addresses: Vec<_> = addresses.iter().map(|ip| json!({"ip": ip})).collect();
        json!({"addresses": addresses, "ports": [self::port(port)]})
    });
    json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": {
            "name": "kubernetes", "namespace": NAMESPACE,
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
        },
        "subsets": subsets.collect::<Vec<_>>(),
    })
}

/// Returns the `EndpointSlice` objects of the servers. The first is named `kubernetes`.
pub(crate) fn slices(servers: &[SocketAddr]) -> Vec<Value> {
    let slice = |(index, (port, addresses)): (usize, (u16, BTreeSet<IpAddr>))| {
        let name = if index == 0 { "kubernetes".to_owned() } else { format!("kubernetes-{port}") };
        let family = if addresses.iter().all(IpAddr::is_ipv4) { "IPv4" } else { "IPv6" };
        let endpoints: Vec<_> = addresses
            .iter()
            .map(|ip| json!({"addresses": [ip], "conditions": {"ready": true}}))
            .collect();
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {
                "name": name, "namespace": NAMESPACE,
                "labels": {"kubernetes.io/service-name": "kubernetes"},
            },
            "addressType": family, "endpoints": endpoints, "ports": [self::port(port)],
        })
    };
    by_port(servers).into_iter().enumerate().map(slice).collect()
}

fn port(number: u16) -> Value {
    json!({"name": "https", "port": number, "protocol": "TCP"})
}

fn by_port(servers: &[SocketAddr]) -> BTreeMap<u16, BTreeSet<IpAddr>> {
    let mut ports: BTreeMap<u16, BTreeSet<IpAddr>> = BTreeMap::new();
    for server in servers {
        ports.entry(server.port()).or_default().insert(server.ip());
    }
    ports
}
