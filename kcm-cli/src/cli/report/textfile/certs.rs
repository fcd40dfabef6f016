//! Metrics of certificates.

use std::collections::BTreeMap;

use super::{escaped, metric};
use crate::ops::certs::{CertificateCheck, CheckedCertificate, Validity};

pub(super) fn check(check: &CertificateCheck) -> String {
    let mut text = String::new();
    certificates(&mut text, &check.certificates);
    let mut unseen = BTreeMap::<_, i64>::new();
    for master in check.unseen.iter().map(|it| it.master.as_deref().unwrap_or_default()) {
        *unseen.entry(format!("master=\"{}\"", escaped(master))).or_default() += 1;
    }
    metric(
        &mut text,
        "kcm_certificates_unseen",
        "Number of certificates that could not be observed; a master that cannot be observed counts as one.",
        unseen,
    );
    metric(
        &mut text,
        "kcm_certificates_checked_timestamp_seconds",
        "Time of the check in seconds since the Unix epoch.",
        vec![(String::new(), check.at.unix_timestamp())],
    );
    text
}

/// Writes the expiry of certificates.
pub(super) fn certificates(text: &mut String, certificates: &[CheckedCertificate]) {
    let mut ends = Vec::new();
    let mut due = Vec::new();
    for it in certificates {
        let labels = format!(
            "master=\"{}\",use=\"{}\",place=\"{}\"",
            escaped(it.master.as_deref().unwrap_or_default()),
            it.role.to_string().to_lowercase(),
            escaped(&it.place)
        );
        ends.push((labels.clone(), it.not_after.unix_timestamp()));
        due.push((labels, i64::from(it.validity != Validity::Good)));
    }
    metric(
        text,
        "kcm_certificate_not_after_timestamp_seconds",
        "Expiry of a certificate in seconds since the Unix epoch. An empty master label means the machine that runs kcm.",
        ends,
    );
    metric(
        text,
        "kcm_certificate_due",
        "1 if a certificate is due, expired or not yet valid, otherwise 0.",
        due,
    );
}
