//! Metrics in Prometheus' text format, for node exporter's textfile collector.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::certs::{CertificateCheck, CertificateUse, Validity};
use crate::files::Mode;

/// Writes the whole file or none, so that a collector never reads half.
pub(crate) fn certificate_metrics(check: &CertificateCheck, file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut fresh = tempfile::Builder::new()
        .permissions(Permissions::from_mode(Mode::PUBLIC.bits()))
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    fresh.write_all(certificates(check).as_bytes())?;
    fresh.as_file().sync_all()?;
    fresh.persist(file).map(drop).map_err(|error| error.error)
}

fn certificates(check: &CertificateCheck) -> String {
    let mut text = String::new();
    let mut ends = Vec::new();
    let mut due = Vec::new();
    for it in &check.certificates {
        let labels = format!(
            "master=\"{}\",use=\"{}\",place=\"{}\"",
            escaped(it.master.as_deref().unwrap_or_default()),
            name(it.role),
            escaped(&it.place)
        );
        ends.push((labels.clone(), it.not_after.unix_timestamp()));
        due.push((labels, i64::from(it.validity != Validity::Good)));
    }
    let mut unseen = BTreeMap::<_, i64>::new();
    for master in check.unseen.iter().map(|it| it.master.as_deref().unwrap_or_default()) {
        *unseen.entry(format!("master=\"{}\"", escaped(master))).or_default() += 1;
    }
    metric(
        &mut text,
        "kcm_certificate_not_after_timestamp_seconds",
        "When a certificate ends. No master means the machine that kcm runs on.",
        ends,
    );
    metric(
        &mut text,
        "kcm_certificate_due",
        "Whether a certificate is to be replaced, has ended or has not begun.",
        due,
    );
    metric(
        &mut text,
        "kcm_certificates_unseen",
        "How many certificates could not be seen; one for a master that cannot be asked.",
        unseen.into_iter().collect(),
    );
    metric(
        &mut text,
        "kcm_certificates_checked_timestamp_seconds",
        "When this was looked at.",
        vec![(String::new(), check.at.unix_timestamp())],
    );
    text
}

fn metric(text: &mut String, name: &str, help: &str, samples: Vec<(String, i64)>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
    for (labels, value) in samples {
        let labels = if labels.is_empty() { labels } else { format!("{{{labels}}}") };
        let _ = writeln!(text, "{name}{labels} {value}");
    }
}

/// A label's value: the format escapes these three.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn name(role: CertificateUse) -> &'static str {
    match role {
        CertificateUse::Ca => "ca",
        CertificateUse::Client => "client",
        CertificateUse::Kubeconfig => "kubeconfig",
        CertificateUse::Served => "served",
    }
}
