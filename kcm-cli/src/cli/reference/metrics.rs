//! The tables of metrics, from the metrics of sample reports.

use super::markdown::{code, codes, line, table};
use crate::cli::report::tests::metrics;

/// Returns the tables of the metrics of both reports, of the certificates, and of their check.
pub(super) fn tables() -> [(&'static str, String); 3] {
    let [status, check] = metrics().map(|text| rows(&text));
    let both: Vec<_> = status.iter().filter(|row| check.contains(row)).cloned().collect();
    let only = |rows: Vec<[String; 3]>| {
        rows.into_iter().filter(|row| !both.contains(row)).collect::<Vec<_>>()
    };
    let (status, check) = (only(status), only(check));
    let table = |rows: &[_]| table(["Metric", "Labels", "Meaning"], rows);
    [("status", table(&status)), ("certificates", table(&both)), ("check", table(&check))]
}

/// Returns a row for each metric of a text: name, labels, meaning.
fn rows(text: &str) -> Vec<[String; 3]> {
    let helps = text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '));
    helps.map(|(name, help)| [code(name), labels(text, name), line(help)]).collect()
}

/// Returns the names of the labels of a metric, from its first sample.
fn labels(text: &str, name: &str) -> String {
    let mut samples = text.lines().filter_map(|line| line.strip_prefix(name));
    let sample = samples.find(|rest| rest.starts_with([' ', '{']));
    let sample = sample.unwrap_or_else(|| panic!("the sample report has no value of {name}"));
    // No label value of the sample reports contains a quote or a comma.
    let labels = sample.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|it| it.0);
    let labels = labels.into_iter().flat_map(|labels| labels.split(','));
    codes(labels.filter_map(|label| label.split('=').next()))
}
