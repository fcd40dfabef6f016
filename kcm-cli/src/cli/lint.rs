//! Runs `kcm lint`.

use super::cluster_file;
use super::exit::{Exit, Failure};
use crate::cli::args::{CommonArguments, LintArguments};
use crate::cli::report;
use crate::cluster::Cluster;
use crate::preflight::lint::{self, Severity};

pub(super) fn run(arguments: &LintArguments, common: &CommonArguments) -> Result<Exit, Failure> {
    let text = cluster_file::text(&common.file)?;
    let mut report = match Cluster::parse(&text, &common.file) {
        Ok(cluster) => lint::lint(&cluster, &arguments.kubernetes),
        Err(error) => lint::lint_of_error(&error),
    };
    if !arguments.cis {
        report.without_benchmark();
    }
    report::lint(&report, common.output)?;
    Ok(match report.worst() {
        Some(Severity::Error) => Exit::Usage,
        Some(Severity::Warning) => Exit::ToDo,
        Some(Severity::Benchmark) | None => Exit::Done,
    })
}
