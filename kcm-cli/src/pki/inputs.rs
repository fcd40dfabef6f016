//! Reading what the cluster file points at: CA, CSR, signing config, and the identity's pair.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kcm_pki::{
    CaCertificate, Certificate, CertificateAuthority, CsrFile, Hosts, KeyAlgorithm, PrivateKey,
    SigningConfig, Subject, Usage, Usages, Warning,
};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::binary::brought_binary;
use super::exposure;
use super::serving;
use super::store::{read_ca_certificate, read_ca_pair, read_identity, read_serving_pair};
use super::{Binary, Found, OperatorError, Pair};
use crate::cluster::layout::{CERTIFICATE, KEY, USER};
use crate::cluster::{Cluster, CredentialsForm, LIFETIME, Pki, SHORTEST_LIFETIME};
use crate::util::files::{Bytes, read_small};
use crate::util::words::in_full;

pub(crate) const CA_CERT: &str = "the CA certificate (pki.caCert)";
pub(crate) const TRUST: &str = "the trust bundle (pki.trust)";
pub(crate) const CA_KEY: &str = "the CA key (pki.caKey)";
/// The group that may do everything, whatever the user.
pub(crate) const MASTERS: &str = "system:masters";
const CSR: &str = "the CSR file (pki.csr)";
const SIGNING_CONFIG: &str = "the signing config (pki.signingConfig)";
const IDENTITY_KEY: &str = "kube-controller-manager's key (pki.directory)";
pub(crate) const SERVING_PAIR: &str = "the serving certificate's pair (pki.directory)";
pub(crate) const IDENTITY: &str = "kube-controller-manager's pair (pki.directory)";

/// The tutorial's CSR, for a cluster file that names none.
pub(crate) const TUTORIAL_CSR: &str = r#"{
  "CN": "system:kube-controller-manager",
  "hosts": [],
  "key": {"algo": "rsa", "size": 2048},
  "names": [{"C": "CN", "ST": "Shanghai", "L": "Shanghai", "O": "system:kube-controller-manager", "OU": "System"}]
}"#;
/// The tutorial's lifetime of a root: a hundred years.
pub(crate) const CA_LIFETIME: Duration = Duration::from_secs(876_000 * 3600);
/// How long before its end a certificate is replaced, where a third of its lifetime is not shorter.
pub(crate) const RENEW_BEFORE: Duration = Duration::from_secs(720 * 3600);

/// Everything on the operator's side, read once.
#[derive(Debug)]
pub struct Inputs {
    /// What a certificate for kube-controller-manager must be.
    pub request: IdentityRequest,
    /// The CA.
    pub ca: Ca,
    /// The PEM of every CA certificate that clients accept, if that is not the CA's alone.
    pub trust: Option<String>,
    /// The CA key, if it is to be distributed and is there.
    pub ca_key: Option<Bytes>,
    /// kube-controller-manager itself, if it is to be distributed.
    pub binary: Option<Binary>,
    /// The pair that is there, if its files are.
    pub pair: Option<Pair>,
    /// Whether the certificate is there and its key is not.
    pub key_is_missing: bool,
    /// What is served with, if that is issued.
    pub serving: Option<Serving>,
    /// Where the kubeconfigs have certificate and key.
    pub credentials: CredentialsForm,
    /// What is legal and still looks like a mistake, in words.
    pub warnings: Vec<String>,
}

/// The certificate that kube-controller-manager serves with, as far as it is there.
#[derive(Clone, Debug)]
pub struct Serving {
    /// What it must be.
    pub request: IdentityRequest,
    /// The pair that is there, if its files are.
    pub pair: Option<Pair>,
    /// Whether the certificate is there and its key is not.
    pub key_is_missing: bool,
}

/// What a certificate for kube-controller-manager must be.
#[derive(Clone, Debug)]
pub struct IdentityRequest {
    /// Its subject.
    pub subject: Subject,
    /// Its alternative names; none for a client.
    pub hosts: Hosts,
    /// Its usages, in the profile's order.
    pub usages: Usages,
    /// Algorithm and size of its key.
    pub key_algorithm: KeyAlgorithm,
    /// How long a new one lives.
    pub lifetime: Duration,
    /// How long before its end it is replaced.
    pub renew_before: Duration,
}

/// The CA, as far as it is there.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one in a run")]
pub enum Ca {
    /// Its certificate; the key is read only to sign.
    Present(CaCertificate),
    /// Neither file exists and the cluster file allows to make one.
    ToBeCreated,
}

impl Inputs {
    /// Reads everything but the CA key, and that too if it is to be distributed. Changes nothing.
    ///
    /// # Errors
    /// The first file that is missing, unreadable or not what it should be.
    pub fn read(cluster: &Cluster, now: OffsetDateTime) -> Result<Self, OperatorError> {
        let mut warnings = Vec::new();
        let request = identity_request(&cluster.pki, &mut warnings)?;
        let (ca, has_ca_key) = read_ca(&cluster.pki, now)?;
        let trust = read_trust(&cluster.pki, &ca, &mut warnings)?;
        let found = read_identity(&cluster.pki)?;
        let (pair, key_is_missing) = match found {
            Found::Nothing => (None, false),
            Found::Pair(pair) => {
                check_pair(&cluster.pki, &pair)?;
                (Some(pair), false)
            }
            Found::CertificateAlone => (None, true),
            Found::KeyAlone => {
                let path = cluster.pki.directory.join(KEY);
                let reason = "there is no certificate beside it; put it there, or move the key away to get a new pair";
                return Err(OperatorError::content(IDENTITY, &path, reason));
            }
        };
        let ca_key = if cluster.install.distribute_ca && has_ca_key {
            ca_key_to_distribute(&cluster.pki)?
        } else {
            None
        };
        let binary = brought_binary(cluster)?;
        let serving = read_serving(cluster, &request)?;
        warnings.extend(exposure::of_key(CA_KEY, &cluster.pki.ca_key));
        warnings.extend(exposure::of_key(IDENTITY_KEY, &cluster.pki.directory.join(KEY)));
        warnings.extend(ends_soon(&ca, &request, now));
        Ok(Self {
            request,
            ca,
            trust,
            ca_key,
            binary,
            pair,
            key_is_missing,
            serving,
            credentials: cluster.credentials,
            warnings,
        })
    }
}

fn read_serving(
    cluster: &Cluster,
    client: &IdentityRequest,
) -> Result<Option<Serving>, OperatorError> {
    if !cluster.pki.serving_certificate {
        return Ok(None);
    }
    let directory = &cluster.pki.directory;
    let request = serving::request(cluster, client)
        .map_err(|reason| OperatorError::content(SERVING_PAIR, directory, reason))?;
    let (pair, key_is_missing) = match read_serving_pair(&cluster.pki)? {
        Found::Pair(pair) => (Some(pair), false),
        Found::CertificateAlone => (None, true),
        Found::Nothing | Found::KeyAlone => (None, false),
    };
    Ok(Some(Serving { request, pair, key_is_missing }))
}

/// A pair that cannot be read is refused, because a new one would replace it.
fn check_pair(pki: &Pki, pair: &Pair) -> Result<(), OperatorError> {
    const MEND: &str = "mend it, or move both files away to get a new pair";
    let (certificate, key) = (pki.directory.join(CERTIFICATE), pki.directory.join(KEY));
    if let Err(error) = PrivateKey::from_pem(pair.key.as_bytes()) {
        return Err(OperatorError::content(IDENTITY, &key, with_mend(&error, MEND)));
    }
    if let Err(error) = Certificate::first_from_pem(pair.certificate.as_bytes()) {
        return Err(OperatorError::content(IDENTITY, &certificate, with_mend(&error, MEND)));
    }
    if pair.certificate.contains("PRIVATE KEY-----") {
        let reason = "it holds a private key too; take the key out of this file";
        return Err(OperatorError::content(IDENTITY, &certificate, reason.to_owned()));
    }
    Ok(())
}

/// A warning if the CA's end makes renewing pointless before long.
fn ends_soon(ca: &Ca, request: &IdentityRequest, now: OffsetDateTime) -> Option<String> {
    let Ca::Present(ca) = ca else { return None };
    let end = ca.certificate().not_after();
    let text = || {
        format!("{CA_CERT} ends {}, and every certificate with it; replace it in time", end.date())
    };
    (end - now <= request.renew_before).then(text)
}

/// The CA with its key, to sign with.
pub(crate) fn load_authority(pki: &Pki) -> Result<CertificateAuthority, OperatorError> {
    if let Ok(Found::Pair(pair)) = read_ca_pair(pki) {
        return authority(pki, pair.certificate.as_bytes(), pair.key.as_bytes());
    }
    // For the error of the file that is missing or cannot be read.
    let certificate = read(CA_CERT, &pki.ca_cert)?;
    let key = read(CA_KEY, &pki.ca_key)?;
    authority(pki, &certificate, &key)
}

/// The CA key's bytes, if it is there and is the CA's.
pub(crate) fn ca_key_to_distribute(pki: &Pki) -> Result<Option<Bytes>, OperatorError> {
    let Found::Pair(pair) = read_ca_pair(pki)? else { return Ok(None) };
    authority(pki, pair.certificate.as_bytes(), pair.key.as_bytes())?;
    Ok(Some(Bytes::new(pair.key.as_bytes())))
}

fn authority(
    pki: &Pki,
    certificate: &[u8],
    key: &[u8],
) -> Result<CertificateAuthority, OperatorError> {
    CertificateAuthority::load(certificate, key).map_err(|error| {
        OperatorError::content(CA_KEY, &pki.ca_key, with_mend(&error, "put the CA's own key there"))
    })
}

fn read_ca(pki: &Pki, now: OffsetDateTime) -> Result<(Ca, bool), OperatorError> {
    let (pem, has_key) = match read_ca_certificate(pki)? {
        (Some(certificate), has_key) => (certificate, has_key),
        (None, false) if pki.create_ca => return Ok((Ca::ToBeCreated, false)),
        (None, false) => {
            let reason = "there is no such file; put the cluster's CA there, or set pki.createCa: true to make one for a first try";
            return Err(OperatorError::content(CA_CERT, &pki.ca_cert, reason));
        }
        (None, true) => {
            let reason = "there is no such file, though its key is at pki.caKey; put the certificate there too";
            return Err(OperatorError::content(CA_CERT, &pki.ca_cert, reason));
        }
    };
    let unusable = |reason| OperatorError::content(CA_CERT, &pki.ca_cert, reason);
    let ca = CaCertificate::load(pem.as_bytes())
        .map_err(|error| unusable(with_mend(&error, "put the cluster's CA certificate there")))?;
    ca.check_validity(now).map_err(|error| {
        unusable(with_mend(&error, "put a CA certificate there that is valid now"))
    })?;
    Ok((Ca::Present(ca), has_key))
}

/// Reads the CA certificates that clients accept, each once and in the file's order.
fn read_trust(
    pki: &Pki,
    ca: &Ca,
    warnings: &mut Vec<String>,
) -> Result<Option<String>, OperatorError> {
    let Some(path) = &pki.trust else { return Ok(None) };
    let certificates = certificates_in(path)?;
    let shown = path.display();
    for other in certificates.iter().filter(|it| !it.is_ca()) {
        let subject = other.subject();
        warnings.push(format!(
            "{shown}: `{subject}` is not a CA: clients accept it alone, and nothing that it signed"
        ));
    }
    if let Ca::Present(ca) = ca {
        let ca = ca.certificate();
        let is_trusted = |it: &Certificate| it == ca || it.subject_der() == ca.issuer_der();
        if !certificates.iter().any(is_trusted) {
            let subject = ca.subject();
            warnings.push(format!("{shown} holds neither the CA of pki.caCert (`{subject}`) nor its issuer: clients accept nothing that it signs"));
        }
    }
    Ok(Some(certificates.iter().map(Certificate::to_pem).collect()))
}

fn certificates_in(path: &Path) -> Result<Vec<Certificate>, OperatorError> {
    let all = Certificate::all_from_pem(&read(TRUST, path)?).map_err(|error| {
        OperatorError::content(TRUST, path, with_mend(&error, "put CA certificates there, PEM"))
    })?;
    let mut once: Vec<Certificate> = Vec::new();
    for certificate in all {
        if !once.contains(&certificate) {
            once.push(certificate);
        }
    }
    Ok(once)
}

/// The CA certificates that API servers are verified with, where the CA is here.
pub(crate) fn trusted(pki: &Pki) -> Result<Option<String>, OperatorError> {
    let (ca, _) = read_ca_certificate(pki)?;
    let trust = pki.trust.as_deref().map(certificates_in).transpose()?;
    Ok(match trust {
        Some(all) => ca.map(|_| all.iter().map(Certificate::to_pem).collect()),
        None => ca,
    })
}

/// How long before its end a client certificate is renewed, if the cluster file and what it names say so.
pub(crate) fn renew_before(pki: &Pki) -> Option<Duration> {
    identity_request(pki, &mut Vec::new()).ok().map(|request| request.renew_before)
}

/// kube-controller-manager's pair, if both files are here.
pub(crate) fn pair(cluster: &Cluster) -> Result<Option<Pair>, OperatorError> {
    Ok(match read_identity(&cluster.pki)? {
        Found::Pair(pair) => Some(pair),
        Found::Nothing | Found::CertificateAlone | Found::KeyAlone => None,
    })
}

/// What is served with, if that is issued and both files are here.
pub(crate) fn serving_pair(cluster: &Cluster) -> Result<Option<Pair>, OperatorError> {
    if !cluster.pki.serving_certificate {
        return Ok(None);
    }
    Ok(match read_serving_pair(&cluster.pki)? {
        Found::Pair(pair) => Some(pair),
        Found::Nothing | Found::CertificateAlone | Found::KeyAlone => None,
    })
}

/// An error in one line: the cause where there is one, and what to do where it does not say so itself.
fn with_mend(error: &dyn std::error::Error, mend: &str) -> String {
    let reason = in_full(error.source().unwrap_or(error));
    if reason.contains("; ") { reason } else { format!("{reason}; {mend}") }
}

fn identity_request(
    pki: &Pki,
    warnings: &mut Vec<String>,
) -> Result<IdentityRequest, OperatorError> {
    let tutorial = PathBuf::from("the built-in CSR");
    let (csr_path, csr_text) = match &pki.csr {
        Some(path) => (path, text(CSR, path)?),
        None => (&tutorial, TUTORIAL_CSR.to_owned()),
    };
    let wrong = |reason: String| OperatorError::configuration(CSR, csr_path, reason);
    let csr = CsrFile::parse(&csr_text).map_err(|error| wrong(in_full(&error)))?;
    warnings.extend(in_words(csr_path, &csr.warnings));
    let csr = csr.value;
    if csr.ca.is_some() {
        let reason =
            "the section `ca` is for a CA's own CSR, and this one is for a client; remove it";
        return Err(wrong(reason.to_owned()));
    }
    let is_master = csr.subject.names().iter().any(|entry| entry.organization == MASTERS);
    // Whoever is in that group needs no role.
    if csr.subject.common_name() != USER && !is_master {
        let reason = format!(
            "CN is `{}`, but RBAC binds the user {}: set CN to that",
            csr.subject.common_name(),
            USER
        );
        return Err(wrong(reason));
    }
    let (usages, profile_lifetime) = match &pki.signing {
        None => {
            let built_in = SigningConfig::built_in();
            let profile = built_in.default_profile().map_err(|error| wrong(in_full(&error)))?;
            (profile.usages.clone(), LIFETIME)
        }
        Some((path, profile)) => {
            let wrong = |reason: String| OperatorError::configuration(SIGNING_CONFIG, path, reason);
            let config = SigningConfig::parse(&text(SIGNING_CONFIG, path)?)
                .map_err(|error| wrong(in_full(&error)))?;
            warnings.extend(in_words(path, &config.warnings));
            let profile = config
                .value
                .profile(profile.as_str())
                .map_err(|error| wrong(format!("{}; pki.profile chooses one", in_full(&error))))?;
            (profile.usages.clone(), profile.expiry.as_duration())
        }
    };
    if !usages.contains(Usage::ClientAuth) {
        let path = pki.signing.as_ref().map_or(tutorial.as_path(), |(path, _)| path);
        let reason = "the profile lacks the usage `client auth`, without which the API server refuses the certificate; add it, or name another profile in pki.profile";
        return Err(OperatorError::configuration(SIGNING_CONFIG, path, reason));
    }
    let lifetime = pki.lifetime.unwrap_or(profile_lifetime);
    let renew_before = pki.renew_before.unwrap_or_else(|| RENEW_BEFORE.min(lifetime / 3));
    if let Some((path, _)) = &pki.signing {
        let wrong = |reason: &str| Err(OperatorError::configuration(SIGNING_CONFIG, path, reason));
        if lifetime < SHORTEST_LIFETIME {
            return wrong(
                "the profile's expiry is shorter than an hour; write 1h or more, or set pki.lifetime",
            );
        }
        if renew_before >= lifetime {
            return wrong(
                "pki.renewBefore is not shorter than the profile's expiry: every run would issue a new certificate; shorten it or set pki.lifetime",
            );
        }
    }
    Ok(IdentityRequest {
        subject: csr.subject,
        hosts: csr.hosts,
        usages,
        key_algorithm: pki.key_algorithm.unwrap_or(csr.key),
        lifetime,
        renew_before,
    })
}

fn in_words(path: &Path, warnings: &[Warning]) -> Vec<String> {
    warnings.iter().map(|warning| format!("{}: {warning}", path.display())).collect()
}

fn read(what: &'static str, path: &Path) -> Result<Zeroizing<Vec<u8>>, OperatorError> {
    read_small(path).map_err(|error| OperatorError::unreadable(what, path, &error))
}

fn text(what: &'static str, path: &Path) -> Result<String, OperatorError> {
    let bytes = read(what, path).map_err(|error| match error {
        OperatorError::File { what, error } => {
            OperatorError::configuration(what, path, error.detail)
        }
        other => other,
    })?;
    std::str::from_utf8(&bytes).map(str::to_owned).map_err(|_| {
        OperatorError::configuration(what, path, "it is not UTF-8 text; save it as UTF-8")
    })
}
