//! The human-readable report of `kcm certs check`.

use std::io::{self, Write};

use super::human::{BAD, GOOD, NAME, NOTE, column, count};
use crate::ops::certs::{
    CertificateCheck, CertificateUse, CheckedCertificate, UnseenCertificate, Validity,
};

/// Label of this machine in the column of the masters.
const HERE: &str = "this machine";

pub(super) fn check(out: &mut dyn Write, check: &CertificateCheck) -> io::Result<()> {
    let names = check.certificates.iter().map(|it| keeper(it.master.as_deref()));
    let unseen = check.unseen.iter().map(|it| keeper(it.master.as_deref()));
    let width = column(names.chain(unseen).map(str::len)).max(7);
    if !check.certificates.is_empty() {
        writeln!(
            out,
            "{NAME}{:width$}  {:10}  {:10}  {:>6}  LOCATION{NAME:#}",
            "MACHINE", "USE", "EXPIRES", "DAYS"
        )?;
    }
    for certificate in &check.certificates {
        row(out, certificate, width)?;
    }
    for UnseenCertificate { master, role, reason } in &check.unseen {
        let keeper = keeper(master.as_deref());
        let what = role.map_or_else(String::new, |role| format!("{role} "));
        writeln!(out, "{keeper:width$}  {what}{BAD}not observed{BAD:#}: {reason}")?;
    }
    summary(out, check)
}

fn row(out: &mut dyn Write, certificate: &CheckedCertificate, width: usize) -> io::Result<()> {
    let CheckedCertificate { master, role, place, not_after, days_left, validity, .. } =
        certificate;
    let keeper = keeper(master.as_deref());
    let (style, remark) = match validity {
        Validity::Good => (GOOD, ""),
        Validity::Due => (NOTE, "due: "),
        Validity::Expired => (BAD, "expired: "),
        Validity::NotYetValid => (BAD, "not yet valid: "),
    };
    let ends = not_after.date();
    writeln!(
        out,
        "{keeper:width$}  {role:<10}  {ends}  {style}{days_left:>6}{style:#}  {style}{remark}{style:#}{place}"
    )
}

fn summary(out: &mut dyn Write, check: &CertificateCheck) -> io::Result<()> {
    let due: Vec<_> =
        check.certificates.iter().filter(|it| it.validity != Validity::Good).collect();
    let all = count(check.certificates.len(), "certificate");
    match (due.len(), check.certificates.iter().min_by_key(|it| it.not_after)) {
        (0, Some(first)) => {
            let ends = first.not_after.date();
            writeln!(
                out,
                "{GOOD}No certificate is due{GOOD:#}: {all}, the first expires on {ends}."
            )?;
        }
        (0, None) => {}
        (number, _) => writeln!(out, "{NOTE}{number} of {all} due.{NOTE:#}")?,
    }
    if !check.unseen.is_empty() {
        let unseen = check.unseen.len();
        writeln!(
            out,
            "{BAD}{unseen} not observed.{BAD:#} The expiry of these certificates is unknown."
        )?;
    }
    let is_due =
        |role| due.iter().any(|it| it.role == role && it.validity != Validity::NotYetValid);
    if is_due(CertificateUse::Client) || is_due(CertificateUse::Kubeconfig) {
        writeln!(
            out,
            "Run `kcm certs renew` to renew the client certificate; a restart of the leader includes a handover."
        )?;
    }
    if is_due(CertificateUse::Serving) {
        writeln!(
            out,
            "Run `kcm certs renew` to renew the serving certificate, without a restart."
        )?;
    }
    if is_due(CertificateUse::Served) && !is_due(CertificateUse::Serving) {
        writeln!(
            out,
            "If kube-controller-manager generated its serving certificate, run `kcm certs renew`; a restart replaces the certificate, the leader last."
        )?;
    }
    if is_due(CertificateUse::Ca) {
        writeln!(
            out,
            "To replace the CA, first make every component trust both CAs; run `kcm apply --replace-ca` as the last step."
        )?;
    }
    if due.iter().any(|it| it.validity == Validity::NotYetValid) {
        writeln!(
            out,
            "A certificate that is not yet valid was issued on a machine whose clock is ahead of this machine; compare the clocks."
        )?;
    }
    Ok(())
}

fn keeper(master: Option<&str>) -> &str {
    master.unwrap_or(HERE)
}
