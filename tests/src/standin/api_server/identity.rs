//! Authentication by client certificate or service account token.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hyper::HeaderMap;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use serde_json::{Value, json};
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::status::Failure;
use crate::standin::random::hex;
use crate::standin::version::Version;

/// The user who sent a request.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) groups: Vec<String>,
    pub(super) uid: Option<String>,
    /// Credential id: `X509SHA256=…` of the certificate, or `JTI=…` of the token.
    pub(super) credential: Option<String>,
}

impl User {
    /// Returns the user as reviews and the audit log show it.
    pub(super) fn info(&self) -> Value {
        let mut info = json!({"username": self.name, "groups": self.groups});
        if let Some(uid) = &self.uid {
            info["uid"] = json!(uid);
        }
        if let Some(credential) = &self.credential {
            info["extra"] = json!({"authentication.kubernetes.io/credential-id": [credential]});
        }
        info
    }

    fn anonymous() -> Self {
        Self {
            name: "system:anonymous".to_owned(),
            groups: vec!["system:unauthenticated".to_owned()],
            uid: None,
            credential: None,
        }
    }
}

/// Verifies client certificates and service account tokens.
#[derive(Debug)]
pub(super) struct Authenticator {
    anchors: Vec<TrustAnchor<'static>>,
    names_certificates: bool,
    token_key: hmac::Key,
}

impl Authenticator {
    /// Creates the authenticator. `secret` signs tokens, which outlive the process only if it stays
    /// the same.
    ///
    /// Before 1.32, users of certificates have no credential id.
    pub(super) fn new(
        cas: &[CertificateDer<'static>],
        secret: &[u8],
        version: Version,
    ) -> Result<Self, String> {
        let anchor = |ca: &CertificateDer<'static>| {
            let anchor = webpki::anchor_from_trusted_cert(ca).map_err(|e| e.to_string())?;
            Ok::<_, String>(anchor.to_owned())
        };
        let anchors = cas.iter().map(anchor).collect::<Result<_, _>>()?;
        let names_certificates = version.minor >= 32;
        Ok(Self {
            anchors,
            names_certificates,
            token_key: hmac::Key::new(hmac::HMAC_SHA256, secret),
        })
    }

    /// Authenticates a request. An invalid certificate or token is refused; a client without either
    /// is anonymous.
    pub(super) fn user(
        &self,
        chain: &[CertificateDer<'_>],
        headers: &HeaderMap,
    ) -> Result<User, Failure> {
        if headers.keys().any(|name| name.as_str().starts_with("impersonate-")) {
            return Err(Failure::forbidden("this stand-in knows no impersonation"));
        }
        if let Some(user) = self.user_of_chain(chain).map_err(|()| Failure::unauthorized())? {
            return Ok(user);
        }
        let Some(authorization) = headers.get("authorization") else {
            return Ok(User::anonymous());
        };
        let text = authorization.to_str().unwrap_or_default();
        let token = text.strip_prefix("Bearer ").ok_or_else(Failure::unauthorized)?;
        self.user_of_token(token).ok_or_else(Failure::unauthorized)
    }

    fn user_of_chain(&self, chain: &[CertificateDer<'_>]) -> Result<Option<User>, ()> {
        let [leaf, intermediates @ ..] = chain else { return Ok(None) };
        let (algorithms, now) = (webpki::ALL_VERIFICATION_ALGS, UnixTime::now());
        let usage = KeyUsage::client_auth();
        let end_entity = EndEntityCert::try_from(leaf).map_err(drop)?;
        end_entity
            .verify_for_usage(algorithms, &self.anchors, intermediates, now, usage, None, None)
            .map_err(drop)?;
        let (_, certificate) = X509Certificate::from_der(leaf).map_err(drop)?;
        let subject = certificate.subject();
        let Some(name) = subject.iter_common_name().next().and_then(|name| name.as_str().ok())
        else {
            return Ok(None);
        };
        let organizations = subject.iter_organization().filter_map(|name| name.as_str().ok());
        let mut groups: Vec<String> = organizations.map(str::to_owned).collect();
        groups.push("system:authenticated".to_owned());
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, leaf);
        let credential =
            self.names_certificates.then(|| format!("X509SHA256={}", hex(digest.as_ref())));
        Ok(Some(User { name: name.to_owned(), groups, uid: None, credential }))
    }

    /// Issues a token in the format of a JWT for a service account.
    pub(super) fn token(&self, namespace: &str, name: &str, uid: &Value, expires: i64) -> String {
        let claims = json!({
            "iss": "https://kubernetes.default.svc", "exp": expires,
            "sub": format!("system:serviceaccount:{namespace}:{name}"),
            "jti": crate::standin::random::uuid(),
            "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}},
        });
        let header = json!({"alg": "HS256", "typ": "JWT"});
        let signed = [header, claims].map(|part| BASE64.encode(part.to_string())).join(".");
        let signature = hmac::sign(&self.token_key, signed.as_bytes());
        format!("{signed}.{}", BASE64.encode(signature))
    }

    /// Returns the service account of a token from [`Authenticator::token`] that has not expired.
    pub(super) fn user_of_token(&self, token: &str) -> Option<User> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = BASE64.decode(signature).ok()?;
        hmac::verify(&self.token_key, signed.as_bytes(), &signature).ok()?;
        let claims = BASE64.decode(signed.split_once('.')?.1).ok()?;
        let claims: Value = serde_json::from_slice(&claims).ok()?;
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        if claims["exp"].as_i64()? <= now {
            return None;
        }
        let bound = &claims["kubernetes.io"];
        let groups = vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{}", bound["namespace"].as_str()?),
            "system:authenticated".to_owned(),
        ];
        Some(User {
            name: claims["sub"].as_str()?.to_owned(),
            groups,
            uid: bound["serviceaccount"]["uid"].as_str().map(str::to_owned),
            credential: Some(format!("JTI={}", claims["jti"].as_str()?)),
        })
    }
}
