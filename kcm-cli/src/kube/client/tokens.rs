//! Queries an API server for the keys of service account tokens.

use kcm_kubeconfig::ServerUrl;
use kube::api::ListParams;
use serde_json::json;

use super::connect::Patience;
use super::objects::Change;
use super::server::ApiServer;
use crate::kube::credentials::Credentials;
use crate::kube::error::{ApiError, Problem};
use crate::kube::token_keys::{LegacyToken, TokenVerification, VerificationKey};
use crate::kube::via::Via;
use crate::util::words::at;

/// Service account whose token reads the key set. It exists in every cluster.
const ACCOUNT: &str = "/api/v1/namespaces/kube-system/serviceaccounts/default/token";
/// Key set of the server (RFC 7517). By default, RBAC permits every service account to read it.
const KEY_SET: &str = "/openid/v1/jwks";
/// Endpoints of Services in the namespace of the API servers.
const ENDPOINTS: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
const SECRETS: &str = "/api/v1/secrets";

/// Lists the tokens in Secrets of all namespaces.
pub(super) async fn legacy_tokens(
    credentials: &Credentials,
    via: Via,
) -> Result<Vec<LegacyToken>, ApiError> {
    let server = ApiServer::new(credentials, via, Patience::USUAL).await?;
    let which = ListParams::default().fields("type=kubernetes.io/service-account-token");
    let lists = server.list_all(SECRETS, which).await?;
    Ok(lists.iter().flat_map(LegacyToken::of_secrets).collect())
}

/// Lists the URLs of all API servers.
pub(super) async fn servers(server: &ApiServer) -> Result<Vec<ServerUrl>, ApiError> {
    let which = ListParams::default().labels("kubernetes.io/service-name=kubernetes");
    Ok(TokenVerification::servers_of(&server.list(ENDPOINTS, &which).await?))
}

/// Queries one server. The token is valid for ten minutes, the shortest lifetime that the API
/// grants.
pub(super) async fn token_verification(
    credentials: &Credentials,
    via: Via,
) -> Result<TokenVerification, ApiError> {
    let server = ApiServer::new(credentials, via.clone(), Patience::USUAL).await?;
    let asked = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"expirationSeconds": 600},
    });
    let answer = server.change(ACCOUNT, Change::Create(&asked)).await?;
    let Some(answer) = answer else {
        let message = "the service account kube-system/default does not exist; start kube-controller-manager, which creates it".to_owned();
        return Err(server.failed(Problem::Refusal { code: 404, message }));
    };
    let Some(token) = at(&answer, "/status/token").as_str() else {
        let what = "an answer without a token for kube-system/default".to_owned();
        return Err(server.failed(Problem::Garbage { what }));
    };
    let signs_with = TokenVerification::key_of_token(token);
    let servers = servers(&server).await?;
    let bearer = credentials.bearing(token);
    let bearer = ApiServer::new(&bearer, via, Patience::USUAL).await?;
    let keys = bearer.read(KEY_SET).await?.as_ref().and_then(VerificationKey::of_key_set);
    let Some(keys) = keys else {
        let what = format!("no JSON Web Key Set at {KEY_SET}");
        return Err(server.failed(Problem::Garbage { what }));
    };
    Ok(TokenVerification { keys, signs_with, servers })
}
