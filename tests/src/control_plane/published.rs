//! The published addresses of real API servers, which run without a reconciler of endpoints.

use serde_json::Value;

use super::ControlPlane;
use crate::standin::api_server::endpoints::{NAMESPACE, endpoints, slices};

impl ControlPlane {
    /// Publishes the addresses of the server and of its peers, as its reconciler would.
    ///
    /// The API refuses loopback addresses, so that a server on one publishes nothing.
    ///
    /// # Panics
    /// If a server on a loopback address has peers.
    pub(super) fn publish(&self) {
        let peers = self.settings().peers;
        let servers: Vec<_> = std::iter::once(self.at).chain(peers).collect();
        if servers.iter().any(|server| server.ip().is_loopback()) {
            assert_eq!(servers.len(), 1, "a real server has no peers on a loopback address");
            return;
        }
        let core = format!("/api/v1/namespaces/{NAMESPACE}/endpoints");
        self.put(&core, endpoints(&servers));
        let discovery = format!("/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices");
        let slices = slices(&servers);
        let admin = self.admin();
        for old in
            admin.list(&format!("{discovery}?labelSelector=kubernetes.io/service-name=kubernetes"))
        {
            let name = &old["metadata"]["name"];
            if !slices.iter().any(|slice| slice["metadata"]["name"] == *name) {
                admin.delete(&format!("{discovery}/{}", name.as_str().unwrap())).ok();
            }
        }
        for slice in slices {
            self.put(&discovery, slice);
        }
    }

    /// Creates an object, or replaces the existing one of the same name.
    fn put(&self, path: &str, mut object: Value) {
        let admin = self.admin();
        let created = admin.create(path, &object);
        if created.code != 409 {
            created.ok();
            return;
        }
        let path = format!("{path}/{}", object["metadata"]["name"].as_str().unwrap());
        let old = admin.get(&path).ok();
        object["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
        admin.update(&path, &object).ok();
    }
}
