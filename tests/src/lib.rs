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
mod site;
pub mod standin;
mod tree;

pub use seed::{csr_json, unit_of};
pub use site::{Ran, SERVES_NOT, SLEEPER, Site, ca, kcm, program, serial};
pub use tree::{Entry, Tree, is_kept};
