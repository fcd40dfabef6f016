//! Helpers without knowledge of Kubernetes: message texts, files on this machine, concurrent tasks.

pub(crate) mod explanation;
pub mod files;
pub(crate) mod interrupt;
pub(crate) mod nearest;
pub(crate) mod schema;
pub(crate) mod tasks;
pub(crate) mod words;
