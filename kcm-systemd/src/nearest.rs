//! Suggestions for misspelt names.

/// Returns the candidate with the least edit distance to `wanted`, the first of several. `None` if
/// all differ in more than a third of the longer name.
pub(crate) fn nearest_of<'a>(
    wanted: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .map(|candidate| (distance(wanted, candidate), candidate))
        .filter(|&(edits, candidate)| edits * 3 <= wanted.len().max(candidate.len()))
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, candidate)| candidate)
}

/// Returns the Levenshtein distance in bytes, since the compared names are ASCII.
fn distance(a: &str, b: &str) -> usize {
    // `row[j]` is the distance between the processed part of `a` and the first `j` bytes of `b`.
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, byte_a) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, byte_b) in row.iter_mut().skip(1).zip(b.bytes()) {
            let substituted = diagonal + usize::from(byte_a != byte_b);
            diagonal = *cell;
            left = substituted.min(left + 1).min(*cell + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (a, b, edits) in [
            ("", "", 0),
            ("abc", "", 3),
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }

    #[test]
    fn far_names_are_not_suggested() {
        assert_eq!(
            nearest_of("Restart-Sec", ["Restart", "RestartSec"].into_iter()),
            Some("RestartSec")
        );
        assert_eq!(nearest_of("Foo", ["Bar"].into_iter()), None);
    }
}
