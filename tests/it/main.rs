//! Integration tests: one binary, with one module for each kind of masters and each subject.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::format_collect,
    clippy::similar_names,
    reason = "tests report by panicking, and are written to be read, not to be fast"
)]

mod fake;
mod lab;
mod model;
mod offline;
