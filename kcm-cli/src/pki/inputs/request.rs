//! Reads the properties that a client certificate for kube-controller-manager must have: CSR,
//! signing profile and lifetime.

use std::path::Path;
use std::time::Duration;

use kcm_pki::{CsrFile, Hosts, KeyAlgorithm, SigningConfig, Subject, Usage, Usages, Warning};

use super::read;
use crate::cluster::layout::USER;
use crate::cluster::{LIFETIME, Pki, SHORTEST_LIFETIME};
use crate::pki::OperatorError;
use crate::util::words::in_full;

/// The group whose members may do everything, regardless of the user name.
pub(crate) const MASTERS: &str = "system:masters";
const CSR: &str = "the CSR file (pki.csr)";
const SIGNING_CONFIG: &str = "the signing config (pki.signingConfig)";
/// Name of the built-in CSR in messages, instead of a path.
const BUILT_IN_CSR: &str = "the built-in CSR";

/// The CSR of the tutorial, used if the cluster file names none.
pub(crate) const TUTORIAL_CSR: &str = r#"{
  "CN": "system:kube-controller-manager",
  "hosts": [],
  "key": {"algo": "rsa", "size": 2048},
  "names": [{"C": "CN", "ST": "Shanghai", "L": "Shanghai", "O": "system:kube-controller-manager", "OU": "System"}]
}"#;

/// Longest default of the renewal period: 720 hours. A third of the lifetime applies if it is
/// shorter.
pub(crate) const RENEW_BEFORE: Duration = Duration::from_secs(720 * 3600);

/// The properties that a certificate for kube-controller-manager must have.
#[derive(Clone, Debug)]
pub struct IdentityRequest {
    /// Subject of the certificate.
    pub subject: Subject,
    /// Subject alternative names. Usually none for a client certificate.
    pub hosts: Hosts,
    /// Key usages, in the order of the signing profile.
    pub usages: Usages,
    /// Algorithm and size of the key.
    pub key_algorithm: KeyAlgorithm,
    /// Lifetime of a new certificate.
    pub lifetime: Duration,
    /// Time before expiry at which the certificate is renewed.
    pub renew_before: Duration,
}

/// Returns the time before expiry at which a client certificate is renewed. `None` if the
/// configuration is invalid.
pub(crate) fn renew_before(pki: &Pki) -> Option<Duration> {
    identity_request(pki, &mut Vec::new()).ok().map(|request| request.renew_before)
}

pub(super) fn identity_request(
    pki: &Pki,
    warnings: &mut Vec<String>,
) -> Result<IdentityRequest, OperatorError> {
    let csr = client_csr(pki, warnings)?;
    let (usages, profile_lifetime) = signing_profile(pki, warnings)?;
    let lifetime = pki.lifetime.unwrap_or(profile_lifetime);
    let renew_before = pki.renew_before.unwrap_or_else(|| RENEW_BEFORE.min(lifetime / 3));
    check_durations(pki, lifetime, renew_before)?;
    Ok(IdentityRequest {
        subject: csr.subject,
        hosts: csr.hosts,
        usages,
        key_algorithm: pki.key_algorithm.unwrap_or(csr.key),
        lifetime,
        renew_before,
    })
}

fn csr_path(pki: &Pki) -> &Path {
    pki.csr.as_deref().unwrap_or(Path::new(BUILT_IN_CSR))
}

/// Reads the CSR file, or returns the built-in CSR. Its user must be the one that RBAC binds.
fn client_csr(pki: &Pki, warnings: &mut Vec<String>) -> Result<CsrFile, OperatorError> {
    let path = csr_path(pki);
    let csr_text = match &pki.csr {
        Some(path) => text(CSR, path)?,
        None => TUTORIAL_CSR.to_owned(),
    };
    let wrong = |reason: String| OperatorError::configuration(CSR, path, reason);
    let csr = CsrFile::parse(&csr_text).map_err(|error| wrong(in_full(&error)))?;
    warnings.extend(in_words(path, &csr.warnings));
    let csr = csr.value;
    if csr.ca.is_some() {
        let reason = "the section `ca` is valid only in the CSR of a CA, not of a client; remove the section";
        return Err(wrong(reason.to_owned()));
    }
    let is_master = csr.subject.names().iter().any(|entry| entry.organization == MASTERS);
    // Members of `system:masters` need no role.
    if csr.subject.common_name() != USER && !is_master {
        let reason = format!(
            "CN is `{}`, but RBAC binds the user {}; set CN to that user",
            csr.subject.common_name(),
            USER
        );
        return Err(wrong(reason));
    }
    Ok(csr)
}

/// Returns the usages and the lifetime of the selected or built-in signing profile.
fn signing_profile(
    pki: &Pki,
    warnings: &mut Vec<String>,
) -> Result<(Usages, Duration), OperatorError> {
    let (usages, lifetime) = match &pki.signing {
        None => {
            let wrong = |reason| OperatorError::configuration(CSR, csr_path(pki), reason);
            let built_in = SigningConfig::built_in();
            let profile = built_in.default_profile().map_err(|error| wrong(in_full(&error)))?;
            (profile.usages.clone(), LIFETIME)
        }
        Some((path, profile)) => {
            let wrong = |reason: String| OperatorError::configuration(SIGNING_CONFIG, path, reason);
            let config = SigningConfig::parse(&text(SIGNING_CONFIG, path)?)
                .map_err(|error| wrong(in_full(&error)))?;
            warnings.extend(in_words(path, &config.warnings));
            let profile = config.value.profile(profile.as_str()).map_err(|error| {
                wrong(format!("{}; select a profile with pki.profile", in_full(&error)))
            })?;
            (profile.usages.clone(), profile.expiry.as_duration())
        }
    };
    if !usages.contains(Usage::ClientAuth) {
        let path = pki.signing.as_ref().map_or(Path::new(BUILT_IN_CSR), |(path, _)| path);
        let reason = "the profile lacks the usage `client auth`, which the API server requires; add the usage, or select another profile with pki.profile";
        return Err(OperatorError::configuration(SIGNING_CONFIG, path, reason));
    }
    Ok((usages, lifetime))
}

/// Rejects a profile lifetime that is under an hour, or not longer than the renewal period.
fn check_durations(
    pki: &Pki,
    lifetime: Duration,
    renew_before: Duration,
) -> Result<(), OperatorError> {
    let Some((path, _)) = &pki.signing else { return Ok(()) };
    let wrong = |reason: &str| Err(OperatorError::configuration(SIGNING_CONFIG, path, reason));
    if lifetime < SHORTEST_LIFETIME {
        return wrong(
            "the profile's expiry is shorter than an hour; write 1h or more, or set pki.lifetime",
        );
    }
    if renew_before >= lifetime {
        return wrong(
            "pki.renewBefore is not shorter than the profile's expiry: every run would issue a new certificate; decrease pki.renewBefore or set pki.lifetime",
        );
    }
    Ok(())
}

/// Returns warnings with the path of the file that they are about.
pub(crate) fn in_words(path: &Path, warnings: &[Warning]) -> Vec<String> {
    warnings.iter().map(|warning| format!("{}: {warning}", path.display())).collect()
}

fn text(what: &'static str, path: &Path) -> Result<String, OperatorError> {
    let bytes = read(what, path).map_err(|error| match error {
        OperatorError::File { what, error } => {
            OperatorError::configuration(what, path, error.detail)
        }
        other => other,
    })?;
    std::str::from_utf8(&bytes).map(str::to_owned).map_err(|_| {
        OperatorError::configuration(what, path, "not UTF-8 text; save the file as UTF-8")
    })
}
