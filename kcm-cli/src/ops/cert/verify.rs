//! Verifies a certificate as a TLS peer does.

use std::time::Duration;

use kcm_pki::{
    CaCertificate, Certificate, CertificateChain, Host, Usage, verify_client_chain,
    verify_host_name, verify_server_chain,
};
use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;

use super::Input;
use crate::error::Error;
use crate::pki::{OperatorError, with_help};
use crate::util::schema::Rfc3339;
use crate::util::words::in_full;

const FILE: &str = "the certificate";
const CA: &str = "the CA certificates (--ca)";

/// The TLS role of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Purpose {
    /// A client, such as kube-controller-manager at the API server.
    Client,
    /// A server.
    Server,
}

/// The parameters of `cert verify`.
#[derive(Clone, Debug)]
pub(crate) struct Verification {
    /// The certificate, and its intermediates.
    pub(crate) file: Input,
    /// The trusted CA certificates.
    pub(crate) ca: Input,
    /// The role; if absent, that of a server only for a certificate that no client can use.
    pub(crate) purpose: Option<Purpose>,
    /// Names that the certificate must have.
    pub(crate) hosts: Vec<Host>,
    /// Time in which the certificate must not expire.
    pub(crate) within: Duration,
}

/// Result of `cert verify`: the certificate is valid.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CertificateVerification {
    /// Path of the file, or `-`.
    pub(crate) source: String,
    /// The verified role.
    pub(crate) purpose: Purpose,
    /// Subjects from the certificate to its last intermediate.
    pub(crate) chain: Vec<String>,
    /// The end of the certificate, or of an intermediate that ends before.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "Rfc3339")]
    pub(crate) not_after: OffsetDateTime,
    /// Whole days until then, rounded towards zero.
    pub(crate) days_left: i64,
    /// True if that is within the time of `--within`.
    pub(crate) is_due: bool,
}

/// Verifies the chain, the role, the names and the dates of a certificate.
///
/// # Errors
/// If a file cannot be read, or a TLS peer would reject the certificate.
pub(crate) fn verify(
    asked: &Verification,
    now: OffsetDateTime,
) -> Result<CertificateVerification, Error> {
    let (file, ca) = (asked.file.path(), asked.ca.path());
    let roots = Certificate::all_from_pem(&asked.ca.read(CA)?)
        .map_err(|error| in_full(&error))
        .and_then(|all| {
            let all = all.into_iter().map(CaCertificate::new).collect::<Result<Vec<_>, _>>();
            all.map_err(|error| in_full(&error))
        })
        .map_err(|reason| {
            OperatorError::content(CA, ca, format!("{reason}; name a file with CA certificates"))
        })?;
    let chain = CertificateChain::from_pem(&asked.file.read(FILE)?).map_err(|error| {
        let help = "name a file with a certificate and its intermediates in PEM format";
        OperatorError::content(FILE, file, with_help(&error, help))
    })?;
    let (leaf, intermediates) = (chain.leaf(), chain.intermediates());
    let serves_only = !leaf.allows(Usage::ClientAuth) && leaf.allows(Usage::ServerAuth);
    let purpose =
        asked.purpose.unwrap_or(if serves_only { Purpose::Server } else { Purpose::Client });
    let verified = match purpose {
        Purpose::Client => verify_client_chain(leaf, intermediates, &roots, now),
        Purpose::Server => verify_server_chain(leaf, intermediates, &roots, now),
    };
    let named = || asked.hosts.iter().try_for_each(|host| verify_host_name(leaf, host));
    verified
        .and_then(|()| named())
        .map_err(|error| OperatorError::content(FILE, file, in_full(&error)))?;
    let intermediates = intermediates.iter().map(CaCertificate::certificate);
    let all: Vec<_> = std::iter::once(leaf).chain(intermediates).collect();
    let not_after = all.iter().map(|it| it.not_after()).min().unwrap_or(leaf.not_after());
    Ok(CertificateVerification {
        source: file.display().to_string(),
        purpose,
        chain: all.iter().map(|it| it.subject()).collect(),
        not_after,
        days_left: (not_after - now).whole_days(),
        is_due: not_after - now <= asked.within && !asked.within.is_zero(),
    })
}
