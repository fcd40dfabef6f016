//! Authentication by client certificate or service account token.

use hyper::HeaderMap;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use serde_json::{Value, json};
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::status::Failure;
use super::store::Store;
use super::tokens::Tokens;
use crate::standin::log;
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
    pub(super) tokens: Tokens,
}

impl Authenticator {
    /// Creates the authenticator.
    ///
    /// Before 1.32, users of certificates have no credential id.
    pub(super) fn new(
        cas: &[CertificateDer<'static>],
        tokens: Tokens,
        version: Version,
    ) -> Result<Self, String> {
        let anchor = |ca: &CertificateDer<'static>| {
            let anchor = webpki::anchor_from_trusted_cert(ca).map_err(|e| e.to_string())?;
            Ok::<_, String>(anchor.to_owned())
        };
        let anchors = cas.iter().map(anchor).collect::<Result<_, _>>()?;
        let names_certificates = version.minor >= 32;
        Ok(Self { anchors, names_certificates, tokens })
    }

    /// Authenticates a request. An invalid certificate or token is refused; a client without either
    /// is anonymous.
    pub(super) fn user(
        &self,
        chain: &[CertificateDer<'_>],
        headers: &HeaderMap,
        store: &Store,
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
        let verified = self.tokens.verify(token, self.tokens.audiences(), store);
        verified.map(|verified| verified.user).map_err(|why| {
            log::line('E', &format!("\"Unable to authenticate the request\" err={why:?}"));
            Failure::unauthorized()
        })
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
}
