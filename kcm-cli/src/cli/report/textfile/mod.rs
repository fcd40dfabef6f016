//! Metrics in Prometheus' text format, for node exporter's textfile collector.

mod certs;
mod status;

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use super::FreshFile;
use crate::ops::certs::CertificateCheck;
use crate::ops::status::Status;

/// Writes what `certs check` found.
pub(crate) fn certificate_metrics(check: &CertificateCheck, file: &Path) -> io::Result<()> {
    write(file, &certs::check(check))
}

/// Writes what `status` found.
pub(crate) fn status_metrics(status: &Status, file: &Path) -> io::Result<()> {
    write(file, &status::status(status))
}

/// Writes the whole file or none, so that a collector never reads half.
fn write(file: &Path, text: &str) -> io::Result<()> {
    FreshFile::beside(file)?.persist(text)
}

/// One metric: its samples, each with its labels as they are written.
fn metric<V: std::fmt::Display>(
    text: &mut String,
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = (String, V)>,
) {
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
