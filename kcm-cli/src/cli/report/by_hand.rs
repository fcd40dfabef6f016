//! The human-readable reports of `kcm certs request` and `kcm certs import`.

use std::io::{self, Write};

use super::human::{NAME, count};
use crate::ops::certs::{CertificateRequests, ImportedCertificate, RequestedCertificate};

pub(super) fn requests(out: &mut dyn Write, requests: &CertificateRequests) -> io::Result<()> {
    let CertificateRequests { requests } = requests;
    if requests.is_empty() {
        return writeln!(out, "No certificate is due; nothing to request.");
    }
    for request in requests {
        one(out, request)?;
    }
    writeln!(
        out,
        "{} to sign. Then run `kcm certs import FILE…` with the signed certificates.",
        count(requests.len(), "request")
    )?;
    writeln!(out, "The keys stay on this machine.")
}

fn one(out: &mut dyn Write, request: &RequestedCertificate) -> io::Result<()> {
    let RequestedCertificate { role, request, subject, names, usages, lifetime_hours, ca, why } =
        request;
    writeln!(out, "{NAME}{}{NAME:#}", request.display())?;
    let why: Vec<_> = why.iter().map(ToString::to_string).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let lines = [
        ("use", role.to_string()),
        ("reason", why.join("; ")),
        ("subject", subject.clone()),
        ("names", names),
        ("usages", usages.join(", ")),
        ("lifetime", format!("{lifetime_hours} h")),
        ("CA", ca.clone().unwrap_or_else(|| "does not exist yet".to_owned())),
    ];
    for (label, value) in lines {
        writeln!(out, "  {label:9} {value}")?;
    }
    writeln!(out)
}

pub(super) fn imported(out: &mut dyn Write, imported: &[ImportedCertificate]) -> io::Result<()> {
    for ImportedCertificate { role, not_after, .. } in imported {
        writeln!(out, "imported the {role} certificate, valid until {}", not_after.date())?;
    }
    Ok(())
}
