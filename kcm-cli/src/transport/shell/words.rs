//! Quoting of words for a POSIX shell on a master.

use thiserror::Error;

/// The error of a word that cannot be an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("argument {index} contains a NUL byte")]
#[non_exhaustive]
pub struct Unquotable {
    /// Index of the word, from 0.
    pub index: usize,
}

/// Writes `words` as one line for a POSIX shell (POSIX.1-2017, XCU 2.2). The shell splits it into
/// exactly these words and expands none of them.
///
/// # Errors
/// Returns an error if a word contains a NUL.
pub fn command_line<'w>(words: impl IntoIterator<Item = &'w str>) -> Result<String, Unquotable> {
    let mut line = String::new();
    for (index, word) in words.into_iter().enumerate() {
        if index > 0 {
            line.push(' ');
        }
        line.push_str(&shlex::try_quote(word).map_err(|_| Unquotable { index })?);
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_their_borders() {
        assert_eq!(command_line(["cat", "a b", ""]).unwrap(), "cat 'a b' ''");
        assert_eq!(command_line(["a", "\0"]), Err(Unquotable { index: 1 }));
    }
}
