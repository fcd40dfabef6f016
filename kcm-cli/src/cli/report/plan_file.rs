//! The report of plan files.

use std::io;
use std::path::Path;

use super::document::Document;
use super::human::plan_with_advice;
use super::terminal::{self, Terminal};
use crate::cli::args::Form;
use crate::plan::{Plan, PlanFile};

/// Returns the text of a plan without styles, as a plan file holds it.
pub(crate) fn plan_text(plan: &Plan, file: &Path) -> io::Result<String> {
    let mut out = Terminal(anstream::StripStream::new(Vec::new()));
    let advice = "Run `kcm apply FILE` with the plan file to make these changes.";
    plan_with_advice(&mut out, plan, file, advice)?;
    String::from_utf8(out.0.into_inner()).map_err(io::Error::other)
}

/// Returns the content of a plan file.
pub(crate) fn plan_file_text(file: &PlanFile) -> io::Result<String> {
    Ok(terminal::json(&Document::new(file), true)? + "\n")
}

/// Reports a plan file as a document.
pub(crate) fn plan_file(form: Form, file: &PlanFile) -> io::Result<()> {
    super::document(form, file)
}
