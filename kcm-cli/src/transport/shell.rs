//! Words for a POSIX shell on a master.

use thiserror::Error;

/// Words that no shell can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("word {index} holds a NUL, which no argument can")]
pub struct Unquotable {
    /// Which word, from 0.
    pub index: usize,
}

/// Writes `words` as one line of a POSIX shell (POSIX.1-2017, XCU 2.2), which that shell splits into exactly these
/// words: nothing in them is expanded.
///
/// # Errors
/// When a word holds a NUL.
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
