//! The `OpenID` discovery documents of the service account issuer.
//!
//! Upstream: `pkg/serviceaccount/openidmetadata.go`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::tokens::Tokens;
use crate::standin::service_account::PublicKey;

/// Content type of the key set (RFC 7517, section 8.5.1).
pub(super) const KEY_SET: &str = "application/jwk-set+json";

/// Returns the document at a path, with its content type. `address` is the server's own.
///
/// As upstream, an issuer that is not an `https` URL has no documents.
pub(super) fn answer(path: &str, tokens: &Tokens, address: &str) -> Option<(&'static str, Value)> {
    if !tokens.issuer().starts_with("https://") || tokens.issuer().contains(['?', '#']) {
        return None;
    }
    match path {
        "/openid/v1/jwks" => {
            let keys: Vec<_> = tokens.keys().iter().map(PublicKey::jwk).collect();
            Some((KEY_SET, json!({"keys": keys})))
        }
        "/.well-known/openid-configuration" => {
            let algorithms: BTreeSet<_> = tokens.keys().iter().map(PublicKey::algorithm).collect();
            let document = json!({
                "issuer": tokens.issuer(), "jwks_uri": format!("https://{address}/openid/v1/jwks"),
                "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": algorithms,
            });
            Some(("application/json", document))
        }
        _ => None,
    }
}
