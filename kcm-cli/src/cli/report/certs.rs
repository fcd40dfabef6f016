//! The human-readable report of `kcm certs check`.

use std::io::{self, Write};

use super::human::{BAD, GOOD, NAME, NOTE, column, count};
use crate::ops::certs::{
    CertificateCheck, CertificateUse, CheckedCertificate, UnseenCertificate, Validity,
};

/// Label of this machine in the column of the masters.
const HERE: &str = "here";

pub(super) fn check(out: &mut dyn Write, check: &CertificateCheck) -> io::Result<()> {
    let names = check.certificates.iter().map(|it| keeper(it.master.as_deref()));
    let unseen = check.unseen.iter().map(|it| keeper(it.master.as_deref()));
    let width = column(names.chain(unseen).map(str::len));
    if !check.certificates.is_empty() {
        writeln!(
            out,
            "{NAME}{:width$}  {:10}  {:10}  {:>6}  WHERE{NAME:#}",
            "", "USE", "ENDS", "DAYS"
        )?;
    }
    for certificate in &check.certificates {
        row(out, certificate, width)?;
    }
    for UnseenCertificate { master, role, reason } in &check.unseen {
        let keeper = keeper(master.as_deref());
        let what = role.map_or_else(String::new, |role| format!("{role} "));
        writeln!(out, "{keeper:width$}  {what}{BAD}not seen{BAD:#}: {reason}")?;
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
        Validity::NotYetValid => (BAD, "not valid yet: "),
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
            writeln!(out, "{GOOD}Nothing is due{GOOD:#}: {all}, the first ends on {ends}.")?;
        }
        (0, None) => {}
        (number, _) => writeln!(out, "{NOTE}{number} of {all} due.{NOTE:#}")?,
    }
    if !check.unseen.is_empty() {
        let unseen = check.unseen.len();
        writeln!(out, "{BAD}{unseen} not seen.{BAD:#} Nothing is known about what was not seen.")?;
    }
    let is_due =
        |role| due.iter().any(|it| it.role == role && it.validity != Validity::NotYetValid);
    if is_due(CertificateUse::Client) || is_due(CertificateUse::Kubeconfig) {
        writeln!(out, "`kcm certs renew` renews the client certificate, and hands over the lead.")?;
    }
    if is_due(CertificateUse::Serving) {
        writeln!(out, "`kcm certs renew` renews what is served with, without a restart.")?;
    }
    if is_due(CertificateUse::Served) && !is_due(CertificateUse::Serving) {
        writeln!(
            out,
            "One that a service made for itself is made anew when it starts: `kcm certs renew` restarts it, the leader last."
        )?;
    }
    if is_due(CertificateUse::Ca) {
        writeln!(
            out,
            "A CA is replaced with care: let everybody trust both first; `kcm apply --replace-ca` is the last step."
        )?;
    }
    if due.iter().any(|it| it.validity == Validity::NotYetValid) {
        writeln!(
            out,
            "What is not valid yet was made by a clock that is ahead of this one: compare them."
        )?;
    }
    Ok(())
}

fn keeper(master: Option<&str>) -> &str {
    master.unwrap_or(HERE)
}
