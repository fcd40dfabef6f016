//! The keys with which an API server verifies service account tokens.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kcm_kubeconfig::ServerUrl;
use kcm_pki::Fingerprint;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::transport::public_part_of_jwk;
use crate::util::distinct;
use crate::util::words::at;

/// The facts about service account tokens that one API server reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenVerification {
    /// The keys that verify tokens: those of `--service-account-key-file`.
    pub keys: Vec<VerificationKey>,
    /// Id of the key that signs new tokens: that of `--service-account-signing-key-file`.
    pub signs_with: Option<String>,
    /// URLs of all API servers of the cluster, from the endpoints of the Service
    /// `default/kubernetes`.
    pub servers: Vec<ServerUrl>,
}

/// A key with which an API server verifies tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerificationKey {
    /// Id of the key, as in the header of a token.
    pub id: String,
    /// Digest of the public part, as the masters report it for a private key.
    pub public_part: Option<Fingerprint>,
}

/// A token in a Secret of type `kubernetes.io/service-account-token`. It does not expire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyToken {
    /// Namespace of the Secret.
    pub namespace: String,
    /// Name of the Secret.
    pub name: String,
    /// Id of the key that signed the token. `None` for a token without one, or without a token yet.
    pub key_id: Option<String>,
}

impl LegacyToken {
    /// Reads the Secrets of a list.
    pub(crate) fn of_secrets(list: &Value) -> Vec<Self> {
        let items = at(list, "/items").as_array().into_iter().flatten();
        let secret = |secret: &Value| {
            let token = at(secret, "/data/token").as_str().and_then(|it| STANDARD.decode(it).ok());
            let token = token.map(Zeroizing::new);
            let token = token.as_ref().and_then(|token| std::str::from_utf8(token).ok());
            Some(Self {
                namespace: at(secret, "/metadata/namespace").as_str()?.to_owned(),
                name: at(secret, "/metadata/name").as_str()?.to_owned(),
                key_id: token.and_then(TokenVerification::key_of_token),
            })
        };
        items.filter_map(secret).collect()
    }
}

impl VerificationKey {
    /// Reads the keys of a JSON Web Key Set (RFC 7517 section 5). `None` if it is not one.
    pub(crate) fn of_key_set(set: &Value) -> Option<Vec<Self>> {
        let keys = set.get("keys")?.as_array()?.iter();
        let key = |key: &Value| {
            let id = key.get("kid")?.as_str()?.to_owned();
            Some(Self { id, public_part: public_part_of_jwk(key) })
        };
        Some(keys.filter_map(key).collect())
    }
}

impl TokenVerification {
    /// Reads the id of the signing key from a token of the server.
    pub(crate) fn key_of_token(token: &str) -> Option<String> {
        let header = URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?;
        let header: Value = serde_json::from_slice(&header).ok()?;
        Some(header.get("kid")?.as_str()?.to_owned())
    }

    /// Reads the URLs of API servers from a list of `EndpointSlice` objects.
    pub(crate) fn servers_of(slices: &Value) -> Vec<ServerUrl> {
        let mut servers = Vec::new();
        for slice in at(slices, "/items").as_array().into_iter().flatten() {
            let ports = at(slice, "/ports").as_array().into_iter().flatten();
            let ports: Vec<_> = ports.filter_map(|port| at(port, "/port").as_u64()).collect();
            let endpoints = at(slice, "/endpoints").as_array().into_iter().flatten();
            let addresses = endpoints
                .flat_map(|endpoint| at(endpoint, "/addresses").as_array().into_iter().flatten())
                .filter_map(|address| address.as_str()?.parse::<std::net::IpAddr>().ok());
            for address in addresses {
                for port in &ports {
                    let host = match address {
                        std::net::IpAddr::V4(address) => address.to_string(),
                        std::net::IpAddr::V6(address) => format!("[{address}]"),
                    };
                    servers.extend(ServerUrl::parse(&format!("https://{host}:{port}")));
                }
            }
        }
        distinct(servers)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pki::token_key::key_id;
    use crate::transport::public_part;

    #[test]
    fn a_key_set_names_the_keys_of_openssl() {
        // Made by `openssl genrsa` and `openssl ecparam -genkey`; n, x and y by `openssl pkey -text`.
        for algorithm in [kcm_pki::KeyAlgorithm::Rsa2048, kcm_pki::KeyAlgorithm::EcdsaP256] {
            let key = kcm_pki::PrivateKey::generate(algorithm).unwrap();
            let public = key.public_key();
            assert!(public_part(public).is_some());
            assert_eq!(key_id(public).len(), 43);
        }
        assert_eq!(VerificationKey::of_key_set(&json!({"keys": "x"})), None);
        let odd = json!({"keys": [{"kty": "OKP", "kid": "a"}, {"kty": "RSA", "n": "AQAB"}, 1]});
        let keys = VerificationKey::of_key_set(&odd).unwrap();
        assert_eq!(keys, [VerificationKey { id: "a".to_owned(), public_part: None }]);
    }

    #[test]
    fn servers_are_those_of_the_slices() {
        let slices = json!({"items": [
            {"ports": [{"port": 6443}], "endpoints": [{"addresses": ["10.0.0.1", "x"]}, {}]},
            {"ports": [{"port": 6443}], "endpoints": [{"addresses": ["fd00::1", "10.0.0.1"]}]},
            {"ports": [{}], "endpoints": null}, 7,
        ]});
        let urls: Vec<_> = TokenVerification::servers_of(&slices)
            .iter()
            .map(|it| it.as_str().to_owned())
            .collect();
        assert_eq!(urls, ["https://10.0.0.1:6443", "https://[fd00::1]:6443"]);
        assert!(TokenVerification::servers_of(&json!(null)).is_empty());
    }

    #[test]
    fn a_token_names_its_key() {
        assert_eq!(TokenVerification::key_of_token("eyJraWQiOiJhIn0.x.y").as_deref(), Some("a"));
        for token in ["", ".", "e30.x", "!!", "bnVsbA"] {
            assert_eq!(TokenVerification::key_of_token(token), None, "{token}");
        }
    }
}
