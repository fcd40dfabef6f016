//! Helpers that know nothing of Kubernetes: words for people, files on this machine, tasks for each master.

pub mod files;
pub(crate) mod interrupt;
pub(crate) mod nearest;
pub(crate) mod tasks;
pub(crate) mod words;
