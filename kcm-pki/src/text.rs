//! Helpers for messages: hexadecimal, times, and spelling suggestions.

use std::fmt::Write as _;

use time::OffsetDateTime;
use x509_parser::error::X509Error;

/// Formats octets as lowercase hexadecimal without separators.
pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// Formats a time in UTC to the second, `2026-11-23T06:21:00Z`.
pub(crate) fn utc(moment: OffsetDateTime) -> String {
    let moment = moment.to_offset(time::UtcOffset::UTC);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        moment.year(),
        u8::from(moment.month()),
        moment.day(),
        moment.hour(),
        moment.minute(),
        moment.second(),
    )
}

/// Returns the message of an error of `x509-parser`.
pub(crate) fn parser_message(error: x509_parser::nom::Err<X509Error>) -> String {
    match error {
        x509_parser::nom::Err::Error(error) | x509_parser::nom::Err::Failure(error) => {
            error.to_string()
        }
        x509_parser::nom::Err::Incomplete(_) => "unexpected end of the data".to_owned(),
    }
}

/// Returns the end of a sentence that lists the labels of other PEM blocks.
pub(crate) fn only(labels: &[String]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    format!(" (found: {})", labels.join(", "))
}

/// Returns the known word most similar to a misspelt one: at most two edits away, and at most half
/// its length.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (edits(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 2 && distance * 2 <= candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Counts insertions, deletions and substitutions (Levenshtein distance) with one row of memory.
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, from) in left.chars().enumerate() {
        let mut diagonal = line;
        let mut previous = line + 1;
        for (to, cell) in right.iter().zip(row.iter_mut().skip(1)) {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = *cell;
            previous = substituted.min(*cell + 1).min(previous + 1);
            *cell = previous;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_distance_counts_single_changes() {
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("abc", ""), 3);
        assert_eq!(edits("host", "hosts"), 1);
        assert_eq!(edits("kitten", "sitting"), 3);
    }

    #[test]
    fn nearest_finds_typing_errors_and_nothing_far_away() {
        let known = ["CN", "hosts", "key", "names"];
        assert_eq!(nearest("host", known), Some("hosts"));
        assert_eq!(nearest("Name", known), Some("names"));
        assert_eq!(nearest("comment", known), None);
        assert_eq!(nearest("xy", known), None);
    }

    #[test]
    fn times_are_written_in_utc_to_the_second() {
        let moment = time::macros::datetime!(2026-11-23 08:21:07.5 +02:00);
        assert_eq!(utc(moment), "2026-11-23T06:21:07Z");
    }
}
