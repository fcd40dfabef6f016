//! JSON Web Tokens (RFC 7519) in the compact form of signatures (RFC 7515).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};

use super::keys::{Algorithm, PublicKey, SigningKey};

/// Issuer of the tokens in Secrets.
pub(in crate::standin) const LEGACY_ISSUER: &str = "kubernetes/serviceaccount";

/// Signs claims; returns the token.
pub(in crate::standin) fn issue(key: &SigningKey, claims: &Value) -> String {
    let header = json!({"alg": key.public().algorithm(), "kid": key.public().kid});
    let signed = [&header, claims].map(|part| BASE64.encode(part.to_string())).join(".");
    let signature = key.sign(signed.as_bytes());
    format!("{signed}.{}", BASE64.encode(signature))
}

/// Returns the claims of the legacy token in a Secret.
pub(in crate::standin) fn legacy_claims(account: &Value, secret: &Value) -> Value {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (namespace, name) =
        (text(&account["metadata"]["namespace"]), text(&account["metadata"]["name"]));
    json!({
        "iss": LEGACY_ISSUER,
        "kubernetes.io/serviceaccount/namespace": namespace,
        "kubernetes.io/serviceaccount/secret.name": secret["metadata"]["name"],
        "kubernetes.io/serviceaccount/service-account.name": name,
        "kubernetes.io/serviceaccount/service-account.uid": account["metadata"]["uid"],
        "sub": format!("system:serviceaccount:{namespace}:{name}"),
    })
}

/// A parsed token, whose signature is not verified yet.
#[derive(Debug)]
pub(in crate::standin) struct Token<'a> {
    signed: &'a str,
    signature: Vec<u8>,
    algorithm: Algorithm,
    kid: String,
    claims: Value,
}

impl<'a> Token<'a> {
    /// Parses a token; `None` for other texts, and for algorithms that no service account token
    /// uses, such as `none` and `HS256`.
    pub(in crate::standin) fn parse(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let part = |text: &str| serde_json::from_slice::<Value>(&BASE64.decode(text).ok()?).ok();
        let (header, claims) = (part(header)?, part(claims)?);
        if !header["crit"].is_null() || !claims.is_object() {
            return None;
        }
        Some(Self {
            signed,
            signature: BASE64.decode(signature).ok()?,
            algorithm: Algorithm::find(header["alg"].as_str()?)?,
            kid: header["kid"].as_str().unwrap_or_default().to_owned(),
            claims,
        })
    }

    /// Issuer, which is not verified.
    pub(in crate::standin) fn issuer(&self) -> &str {
        self.claims["iss"].as_str().unwrap_or_default()
    }

    /// Returns the claims, if one of `keys` verifies the signature. A token with a key id is
    /// verified by the key with this id only.
    ///
    /// # Errors
    /// Upstream's message.
    pub(in crate::standin) fn verified(&self, keys: &[PublicKey]) -> Result<&Value, String> {
        let has_id = |key: &&PublicKey| self.kid.is_empty() || key.kid == self.kid;
        let mut candidates = keys.iter().filter(has_id).peekable();
        if candidates.peek().is_none() {
            return Err("invalid signature, no keys found".to_owned());
        }
        let verifies = |key: &PublicKey| {
            key.algorithm == self.algorithm && key.verifies(self.signed.as_bytes(), &self.signature)
        };
        if candidates.any(verifies) {
            return Ok(&self.claims);
        }
        Err("go-jose/go-jose: error in cryptographic primitive".to_owned())
    }
}
