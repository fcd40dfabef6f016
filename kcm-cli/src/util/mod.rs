//! Helpers without knowledge of Kubernetes: message texts, files on this machine, concurrent tasks.

pub(crate) mod explanation;
pub mod files;
pub(crate) mod interrupt;
pub(crate) mod nearest;
pub(crate) mod schema;
pub(crate) mod tasks;
pub(crate) mod words;

/// Returns the items without those that equal an earlier one, in their order.
pub(crate) fn distinct<T: PartialEq>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    for item in items {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}
