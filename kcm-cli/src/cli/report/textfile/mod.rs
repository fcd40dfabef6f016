//! Metrics in the Prometheus text format, for the textfile collector of the node exporter.

mod certs;
mod status;

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use super::FreshFile;
use crate::ops::certs::CertificateCheck;
use crate::ops::status::Status;

/// Writes the metrics of `certs check`.
pub(crate) fn certificate_metrics(check: &CertificateCheck, file: &Path) -> io::Result<()> {
    write(file, &certs::check(check))
}

/// Writes the metrics of `status`.
pub(crate) fn status_metrics(status: &Status, file: &Path) -> io::Result<()> {
    write(file, &status::status(status))
}

/// Writes the file atomically, so that a collector never reads a part.
fn write(file: &Path, text: &str) -> io::Result<()> {
    FreshFile::beside(file)?.persist(text)
}

/// Appends one metric: its samples, each with its formatted labels.
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

/// Escapes a label value. The format requires these three escapes.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
