//! Suggestions for misspelt names.

use strsim::levenshtein;

/// Returns the candidate with the least edit distance to `wanted`, the first of several. `None` if
/// all differ in more than a third of the longer name.
pub(crate) fn nearest_of<'a>(
    wanted: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .map(|candidate| (levenshtein(wanted, candidate), candidate))
        .filter(|&(edits, candidate)| edits * 3 <= wanted.len().max(candidate.len()))
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_names_are_not_suggested() {
        assert_eq!(
            nearest_of("Restart-Sec", ["Restart", "RestartSec"].into_iter()),
            Some("RestartSec")
        );
        assert_eq!(nearest_of("Foo", ["Bar"].into_iter()), None);
    }
}
