//! The CA certificates that the API publishes for clients.

use std::collections::BTreeMap;

use kcm_kubeconfig::ServerUrl;
use kcm_pki::Certificate;
use serde_json::Value;

use crate::util::words::at;

/// The CA certificates that one API server publishes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishedTrust {
    /// The CA certificates with which servers verify clients, by the `ConfigMap`
    /// `kube-system/extension-apiserver-authentication`.
    pub client_cas: Vec<Certificate>,
    /// The CA certificates with which Pods verify API servers: the `ConfigMap` `kube-root-ca.crt` of
    /// each namespace that is not being deleted. Empty for a namespace without it.
    pub roots: BTreeMap<String, Vec<Certificate>>,
    /// URLs of all API servers of the cluster, from the endpoints of the Service
    /// `default/kubernetes`.
    pub servers: Vec<ServerUrl>,
}

impl PublishedTrust {
    /// Reads the CA certificates from the field `field` of a `ConfigMap`.
    pub(crate) fn of_config_map(map: &Value, field: &str) -> Vec<Certificate> {
        let pem = at(map, "/data").get(field).and_then(Value::as_str).unwrap_or_default();
        Certificate::all_from_pem(pem.as_bytes()).unwrap_or_default()
    }

    /// Adds the namespaces of a list, as yet without CA certificates.
    pub(crate) fn add_namespaces(&mut self, list: &Value) {
        for namespace in at(list, "/items").as_array().into_iter().flatten() {
            let is_ending = at(namespace, "/status/phase").as_str() == Some("Terminating");
            if let Some(name) = at(namespace, "/metadata/name").as_str().filter(|_| !is_ending) {
                self.roots.entry(name.to_owned()).or_default();
            }
        }
    }

    /// Adds the CA certificates of a list of `kube-root-ca.crt`.
    pub(crate) fn add_roots(&mut self, list: &Value) {
        for map in at(list, "/items").as_array().into_iter().flatten() {
            let Some(namespace) = at(map, "/metadata/namespace").as_str() else { continue };
            if let Some(roots) = self.roots.get_mut(namespace) {
                *roots = Self::of_config_map(map, "ca.crt");
            }
        }
    }

    /// Returns the namespaces whose Pods do not receive this CA certificate.
    pub(crate) fn namespaces_without(&self, ca: &Certificate) -> Vec<&str> {
        let without = self.roots.iter().filter(|(_, roots)| !roots.contains(ca));
        without.map(|(namespace, _)| namespace.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use kcm_pki::{CaRequest, CertificateAuthority, CsrFile, PrivateKey, SerialNumber};
    use serde_json::json;

    use super::*;

    fn ca() -> Certificate {
        let csr = CsrFile::parse(r#"{"CN": "kubernetes"}"#).unwrap().value;
        let key = PrivateKey::generate(csr.key).unwrap();
        let lifetime = CaRequest::DEFAULT_LIFETIME;
        let request = CaRequest { subject: csr.subject, lifetime, path_len: None };
        let serial = SerialNumber::from_random([1; 20]);
        CertificateAuthority::create(&request, &key, serial, time::OffsetDateTime::now_utc())
            .unwrap()
    }

    #[test]
    fn a_namespace_lacks_a_ca_that_its_config_map_does_not_contain() {
        let (old, new) = (ca(), ca());
        let both = format!("{}{}", old.to_pem(), new.to_pem());
        let mut trust = PublishedTrust::default();
        trust.add_namespaces(&json!({"items": [
            {"metadata": {"name": "default"}},
            {"metadata": {"name": "without"}, "status": {"phase": "Active"}},
            {"metadata": {"name": "gone"}, "status": {"phase": "Terminating"}},
            {"metadata": {"name": "old"}}, {"metadata": {}}, 1,
        ]}));
        trust.add_roots(&json!({"items": [
            {"metadata": {"namespace": "default"}, "data": {"ca.crt": both}},
            {"metadata": {"namespace": "old"}, "data": {"ca.crt": old.to_pem()}},
            {"metadata": {"namespace": "without"}, "data": {"other": both}},
            {"metadata": {"namespace": "gone"}, "data": {"ca.crt": both}}, null,
        ]}));
        assert_eq!(trust.namespaces_without(&new), ["old", "without"]);
        assert_eq!(trust.namespaces_without(&old), ["without"]);
        for odd in [json!(null), json!({"items": "x"}), json!([])] {
            trust.add_namespaces(&odd);
            trust.add_roots(&odd);
        }
        assert_eq!(trust.roots.len(), 3);
    }
}
