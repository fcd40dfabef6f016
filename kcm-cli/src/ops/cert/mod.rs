//! `cert`: keys, certificate requests and certificates by hand, as cfssl makes them.
//!
//! The policy for a certificate is that of the signing profile and of the operator, never that of
//! the request.

mod details;
mod inputs;
mod verify;

use kcm_pki::{
    CaRequest, Certificate, CertificateAuthority, CertificateRequest, CsrFile, Host, Hosts, Issued,
    LeafRequest, OutlivesCa, PrivateKey, PublicKey, Subject,
};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::pki::NamedContent;
use crate::pki::signer::{SignerError, serial};
use crate::util::explanation::Explanation;
use crate::util::words::in_full;

pub(crate) use details::{CertificateDetails, CertificateList};
pub(crate) use inputs::{CaFiles, Input, SigningFiles, read_csr, read_request, read_subject};
pub(crate) use verify::{CertificateVerification, Purpose, Verification, verify};

/// The result of a command: what was made, and warnings.
#[derive(Debug)]
pub(crate) struct Made {
    /// The certificate; absent if only a request was made.
    pub(crate) certificate: Option<Certificate>,
    /// The key; absent if it stays with the requester.
    pub(crate) key: Option<PrivateKey>,
    pub(crate) request: CertificateRequest,
    pub(crate) warnings: Vec<String>,
}

/// The CA and the policy that issue a certificate.
pub(crate) struct Signing {
    pub(crate) authority: CertificateAuthority,
    /// Usages and lifetime of the signing profile.
    pub(crate) profile: kcm_pki::Profile,
    pub(crate) warnings: Vec<String>,
}

impl Made {
    /// Returns the contents of the files of `--out`.
    pub(crate) fn content(&self) -> NamedContent {
        NamedContent {
            certificate: self.certificate.as_ref().map(Certificate::to_pem),
            key: self.key.as_ref().map(PrivateKey::to_pem),
            request: Some(self.request.to_pem()),
        }
    }

    /// Returns the JSON object that cfssl prints, for `cfssljson`.
    pub(crate) fn cfssl_json(&self) -> Zeroizing<String> {
        let content = self.content();
        let key = content.key.as_deref().map(String::as_str);
        let fields = [
            ("cert", content.certificate.as_deref()),
            ("csr", content.request.as_deref()),
            ("key", key),
        ];
        let present = fields.into_iter().filter_map(|(name, pem)| Some((name, pem?)));
        // PEM has no character that JSON escapes except the line ends.
        let members = present.map(|(name, pem)| {
            Zeroizing::new(format!("\"{name}\":\"{}\"", pem.replace('\n', "\\n")))
        });
        let members: Vec<_> = members.collect();
        let mut text = Zeroizing::new(String::from("{"));
        for (place, member) in members.iter().enumerate() {
            text.push_str(if place == 0 { "" } else { "," });
            text.push_str(member);
        }
        text.push_str("}\n");
        text
    }
}

/// Creates a CA with a new key: a root, as `cfssl gencert -initca` does, or an intermediate below
/// `parent`.
///
/// # Errors
/// If no key can be generated, the lifetime is not possible, or `parent` permits no CA below it.
pub(crate) fn new_ca(
    (csr, mut warnings): (CsrFile, Vec<String>),
    parent: Option<&CertificateAuthority>,
    now: OffsetDateTime,
) -> Result<Made, Error> {
    let section = csr.ca.clone().unwrap_or_default();
    // cfssl's request for a root always asks for a CA.
    let csr = CsrFile { ca: Some(section.clone()), ..csr };
    let (key, request) = keyed(&csr)?;
    let lifetime = section.lifetime.map(kcm_pki::GoDuration::as_duration);
    let ca = CaRequest {
        subject: csr.subject,
        lifetime: lifetime.unwrap_or(CaRequest::DEFAULT_LIFETIME),
        path_len: section.path_len,
    };
    let serial = serial().map_err(issue)?;
    let certificate = match parent {
        None => CertificateAuthority::create(&ca, &key, serial, now).map_err(issue)?,
        Some(parent) => {
            let issued = parent.issue_ca(&ca, key.public_key(), serial, now).map_err(issue)?;
            warnings.extend(remarks(&issued));
            issued.certificate
        }
    };
    Ok(Made { certificate: Some(certificate), key: Some(key), request, warnings })
}

/// Creates a key and its certificate request, as `cfssl genkey` does.
///
/// # Errors
/// If no key can be generated.
pub(crate) fn request((csr, warnings): (CsrFile, Vec<String>)) -> Result<Made, Error> {
    let (key, request) = keyed(&csr)?;
    Ok(Made { certificate: None, key: Some(key), request, warnings })
}

/// Creates a key and its certificate, as `cfssl gencert` does. `hosts` replaces those of the CSR, unless it is
/// empty.
///
/// # Errors
/// If the CSR is that of a CA, no key can be generated, or the CA cannot issue the certificate.
pub(crate) fn issue_new(
    signing: Signing,
    (mut csr, warnings): (CsrFile, Vec<String>),
    hosts: Option<Hosts>,
    now: OffsetDateTime,
) -> Result<Made, Error> {
    if csr.ca.is_some() {
        let reason = "the CSR has the section `ca`, which is valid only for `kcm cert new-ca` and `kcm cert request`; remove the section";
        return Err(Error::Request(reason.into()));
    }
    csr.hosts = hosts.filter(|hosts| !hosts.is_empty()).unwrap_or(csr.hosts);
    let (key, request) = keyed(&csr)?;
    let mut signed = signing.sign((csr.subject, csr.hosts), key.public_key(), now)?;
    signed.1.splice(0..0, warnings);
    let (certificate, warnings) = signed;
    Ok(Made { certificate: Some(certificate), key: Some(key), request, warnings })
}

/// Issues the certificate for a request, as `cfssl sign` does, except that nothing but the subject
/// and the key is copied. `subject` replaces the subject of the request.
///
/// # Errors
/// If the request asks for a CA certificate or has no usable subject, or the CA cannot issue the
/// certificate.
pub(crate) fn sign(
    signing: Signing,
    request: CertificateRequest,
    (subject, hosts): (Option<(CsrFile, Vec<String>)>, Hosts),
    now: OffsetDateTime,
) -> Result<Made, Error> {
    if request.asks_to_be_ca() {
        let reason = "the request asks for a CA certificate (CA:TRUE), which this command does not issue; ask for a request without basic constraints";
        return Err(Error::Request(reason.into()));
    }
    let mut warnings = Vec::new();
    let mut asked: Vec<_> = request.hosts().iter().cloned().collect();
    let subject = match subject {
        Some((file, of_file)) => {
            warnings.extend(of_file);
            asked.extend(file.hosts.iter().cloned());
            file.subject
        }
        None => Subject::from_der(request.subject_der()).map_err(|error| {
            let help = "name a file with another subject as second argument";
            Error::Request(Explanation::parse(&in_full(&error)).or_help(help))
        })?,
    };
    warnings.extend(left_out(&asked, &hosts));
    let (certificate, remarks) = signing.sign((subject, hosts), request.public_key(), now)?;
    warnings.extend(remarks);
    Ok(Made { certificate: Some(certificate), key: None, request, warnings })
}

/// Returns the warning about requested names that the certificate does not get, with the option
/// that adds the valid ones.
fn left_out(asked: &[Host], given: &Hosts) -> Option<String> {
    let missing: Vec<_> = asked.iter().filter(|host| !given.contains(host)).collect();
    if missing.is_empty() {
        return None;
    }
    let joined =
        |hosts: &[&Host]| hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let names = joined(&missing);
    // The requester chose the names; only those that are valid and need no quotes become an option.
    let is_safe = |host: &Host| {
        let text = host.to_string();
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:@/".contains(&b);
        text.bytes().all(is_plain) && text.parse().as_ref() == Ok(host)
    };
    let safe = missing.iter().copied().filter(|host| is_safe(host));
    let option = joined(&given.iter().chain(safe).collect::<Vec<_>>());
    let help = if option.is_empty() {
        "none of them is valid in a certificate".to_owned()
    } else {
        format!("if they are right, add --hostname {option}")
    };
    Some(format!(
        "the request asks for the names {names}, which are not in the certificate; {help}"
    ))
}

impl Signing {
    /// Issues a leaf; returns it with remarks.
    fn sign(
        self,
        (subject, hosts): (Subject, Hosts),
        key: &PublicKey,
        now: OffsetDateTime,
    ) -> Result<(Certificate, Vec<String>), Error> {
        let leaf = LeafRequest {
            subject,
            hosts,
            usages: self.profile.usages.clone(),
            lifetime: self.profile.expiry.as_duration(),
            outlives_ca: OutlivesCa::Clamp,
        };
        let issued =
            self.authority.issue(&leaf, key, serial().map_err(issue)?, now).map_err(issue)?;
        let mut warnings = self.warnings;
        warnings.extend(remarks(&issued));
        Ok((issued.certificate, warnings))
    }
}

/// Returns the warnings about an issued certificate.
fn remarks(issued: &Issued) -> Vec<String> {
    let clamped = issued.clamped.map(|clamped| {
        format!(
            "the certificate expires on {} with its CA, not on {} as requested",
            clamped.not_after.date(),
            clamped.requested.date()
        )
    });
    issued.warnings.iter().map(ToString::to_string).chain(clamped).collect()
}

/// Generates the key of a CSR, and creates the request.
fn keyed(csr: &CsrFile) -> Result<(PrivateKey, CertificateRequest), Error> {
    let failed = |reason| Error::of_signer("the key", SignerError::Crypto { reason });
    let key = PrivateKey::generate(csr.key).map_err(|error| failed(in_full(&error)))?;
    let request = CertificateRequest::create(csr, &key).map_err(|error| failed(in_full(&error)))?;
    Ok((key, request))
}

fn issue(error: impl Into<SignerError>) -> Error {
    Error::of_signer("the certificate", error.into())
}

#[cfg(test)]
mod tests;
