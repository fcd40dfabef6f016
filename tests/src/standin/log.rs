//! Log lines in klog's format.

use time::OffsetDateTime;
use time::macros::format_description;

/// Writes a line to standard error. `severity` is one of `I`, `W`, `E`, `F`.
pub(super) fn line(severity: char, message: &str) {
    let form = format_description!("[month][day] [hour]:[minute]:[second].[subsecond digits:6]");
    let now = OffsetDateTime::now_utc().format(form).unwrap_or_default();
    eprintln!("{severity}{now} {:>7} standin] {message}", std::process::id());
}
