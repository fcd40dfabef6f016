//! The reports of `kcm cert`.

use std::io::{self, Write};
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;

use super::human::{BAD, GOOD, NAME, NOTE};
use crate::ops::cert::{
    CertificateDetails, CertificateList, CertificateVerification, Made, Purpose,
};
use crate::pki::NamedPaths;
use crate::util::words;

/// The files that a command wrote.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CertificateFiles {
    /// Path of the certificate, if one was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) certificate_file: Option<String>,
    /// Path of the key, if one was generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key_file: Option<String>,
    /// Path of the certificate request.
    pub(super) request_file: String,
    /// Subject of the certificate request.
    pub(super) requested_subject: String,
    /// The certificate, if one was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) certificate: Option<CertificateDetails>,
    /// Warnings about the inputs and the certificate.
    pub(super) warnings: Vec<String>,
}

impl CertificateFiles {
    pub(crate) fn new(made: &Made, paths: &NamedPaths, now: OffsetDateTime) -> Self {
        let path = |path: &Path| path.display().to_string();
        Self {
            certificate_file: made.certificate.is_some().then(|| path(&paths.certificate)),
            key_file: made.key.is_some().then(|| path(&paths.key)),
            request_file: path(&paths.request),
            requested_subject: made.request.subject(),
            certificate: made.certificate.as_ref().map(|it| CertificateDetails::new(it, now)),
            warnings: made.warnings.clone(),
        }
    }
}

/// Writes the paths of the files, and the end of the certificate.
pub(super) fn files(out: &mut dyn Write, made: &CertificateFiles) -> io::Result<()> {
    let files = [made.certificate_file.as_ref(), made.key_file.as_ref(), Some(&made.request_file)];
    let files: Vec<_> = files.into_iter().flatten().map(String::as_str).collect();
    writeln!(out, "wrote {}", files.join(", "))?;
    match &made.certificate {
        Some(certificate) => writeln!(
            out,
            "{NAME}{}{NAME:#}: valid until {}, {}",
            certificate.subject,
            words::moment(certificate.not_after),
            remaining(certificate.days_left)
        ),
        None => writeln!(out, "{NAME}{}{NAME:#}: certificate request", made.requested_subject),
    }
}

/// Writes the fields of each certificate.
pub(super) fn list(out: &mut dyn Write, list: &CertificateList) -> io::Result<()> {
    for (place, certificate) in list.certificates.iter().enumerate() {
        if place > 0 {
            writeln!(out)?;
        }
        details(out, certificate, list)?;
    }
    Ok(())
}

fn details(
    out: &mut dyn Write,
    certificate: &CertificateDetails,
    list: &CertificateList,
) -> io::Result<()> {
    let style = match certificate.days_left {
        _ if list.at > certificate.not_after || list.at < certificate.not_before => BAD,
        0..30 => NOTE,
        _ => GOOD,
    };
    let begin = words::moment(certificate.not_before);
    let end = words::moment(certificate.not_after);
    let key_id = |id: &Option<String>| id.clone().unwrap_or_else(|| "none".to_owned());
    let listed = |list: &[String]| if list.is_empty() { "none".into() } else { list.join(", ") };
    let ca = match (certificate.is_ca, certificate.path_length) {
        (false, _) => "no".to_owned(),
        (true, None) => "yes".to_owned(),
        (true, Some(length)) => format!("yes, path length {length}"),
    };
    let remaining = remaining(certificate.days_left);
    writeln!(out, "{NAME}{}{NAME:#}", certificate.subject)?;
    writeln!(out, "  issuer       {}", certificate.issuer)?;
    writeln!(out, "  serial       {}", certificate.serial)?;
    writeln!(out, "  not before   {begin}")?;
    writeln!(out, "  not after    {end} ({style}{remaining}{style:#})")?;
    writeln!(out, "  key          {}", certificate.key_type)?;
    writeln!(out, "  signature    {}", certificate.signature_algorithm)?;
    writeln!(out, "  names        {}", listed(&certificate.names))?;
    writeln!(out, "  usages       {}", listed(&certificate.usages))?;
    writeln!(out, "  CA           {ca}")?;
    writeln!(out, "  fingerprint  {}", certificate.fingerprint)?;
    writeln!(out, "  key id       {}", key_id(&certificate.subject_key_id))?;
    writeln!(out, "  issuer's id  {}", key_id(&certificate.authority_key_id))
}

fn remaining(days: i64) -> String {
    match days {
        ..0 => format!("{} ago", days_in_words(days.unsigned_abs())),
        _ => format!("{} left", days_in_words(days.unsigned_abs())),
    }
}

fn days_in_words(days: u64) -> String {
    if days == 1 { "1 day".to_owned() } else { format!("{days} days") }
}

/// Writes the result of a verification.
pub(super) fn verified(out: &mut dyn Write, verified: &CertificateVerification) -> io::Result<()> {
    let role = match verified.purpose {
        Purpose::Client => "client",
        Purpose::Server => "server",
    };
    writeln!(out, "{}: {GOOD}valid{GOOD:#} {role} certificate", verified.source)?;
    writeln!(out, "  chain      {}", verified.chain.join(" <- "))?;
    let style = if verified.is_due { NOTE } else { GOOD };
    let (end, remaining) = (words::moment(verified.not_after), remaining(verified.days_left));
    writeln!(out, "  not after  {end} ({style}{remaining}{style:#})")
}
