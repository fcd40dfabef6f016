//! Queries an API server for the CA certificates that it publishes.

use kube::api::ListParams;

use super::connect::Patience;
use super::server::ApiServer;
use crate::kube::credentials::Credentials;
use crate::kube::error::ApiError;
use crate::kube::published_trust::PublishedTrust;
use crate::kube::via::Via;

/// The CA certificates with which servers verify clients. By default, RBAC permits
/// kube-controller-manager to read it.
const AUTHENTICATION: &str =
    "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
const NAMESPACES: &str = "/api/v1/namespaces";
const CONFIG_MAPS: &str = "/api/v1/configmaps";

/// Queries one server.
pub(super) async fn published_trust(
    credentials: &Credentials,
    via: Via,
) -> Result<PublishedTrust, ApiError> {
    let server = ApiServer::new(credentials, via, Patience::USUAL).await?;
    let mut trust = PublishedTrust::default();
    if let Some(map) = server.read(AUTHENTICATION).await? {
        trust.client_cas = PublishedTrust::of_config_map(&map, "client-ca-file");
    }
    for list in server.list_all(NAMESPACES, ListParams::default()).await? {
        trust.add_namespaces(&list);
    }
    let roots = ListParams::default().fields("metadata.name=kube-root-ca.crt");
    for list in server.list_all(CONFIG_MAPS, roots).await? {
        trust.add_roots(&list);
    }
    trust.servers = super::tokens::servers(&server).await?;
    Ok(trust)
}
