//! The test harness: an operator's folder, the `kcm` command to run in it, and other
//! implementations that check the results.
//!
//! A helper that cannot do its work panics, so that the test fails.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::missing_panics_doc,
    reason = "a harness reports by panicking, and says on standard error what it skips"
)]

pub mod control_plane;
pub mod hostile;
pub mod lab;
pub mod peers;
pub mod proxy;
mod seed;
pub mod standin;
mod tree;
mod workspace;

pub use seed::{csr_json, unit_of};
pub use tree::{Entry, Tree, is_kept};
pub use workspace::{
    CommandOutput, SERVES_NOT, SLEEPER, Workspace, ca, ignored_test, kcm, program, serial,
};
