//! A command argument and its quoting in `ExecStart=`.

use std::ffi::OsStr;
use std::fmt;

use thiserror::Error;

use crate::text::{is_clean_char, is_plain_byte, push_hex};

/// The reason an argument or an executable path is not valid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ArgumentError {
    /// The kernel ends every argument at its first NUL byte.
    #[error("argument contains a NUL byte at offset {offset}; remove the byte")]
    Nul {
        /// Offset of the first NUL, in bytes.
        offset: usize,
    },
    /// The kernel rejects an argument of 128 KiB or more (`MAX_ARG_STRLEN`), including its final
    /// NUL.
    #[error("argument is {length} bytes long; Linux accepts at most {limit} bytes per argument")]
    TooLong {
        /// Length of the argument, in bytes.
        length: usize,
        /// Maximum length in bytes.
        limit: usize,
    },
    /// The path is not absolute. systemd searches a bare name in a fixed list of folders and
    /// rejects a relative path.
    #[error("executable path `{path}` is not absolute; write an absolute path")]
    NotAbsolute {
        /// Path as given, lossily decoded.
        path: String,
    },
    /// The path names a directory: it ends with `/`, `/.` or `/..`.
    #[error(
        "executable path `{path}` is the path of a directory; write the path of the executable file"
    )]
    Directory {
        /// Path as given, lossily decoded.
        path: String,
    },
    /// systemd rejects quotes, backslashes and control characters in an executable path, even if
    /// escaped.
    #[error(
        "executable path `{path}` contains {character:?}, which systemd rejects; rename the file or create a symbolic link"
    )]
    UnsafeCharacter {
        /// Path as given, lossily decoded.
        path: String,
        /// First character that systemd rejects.
        character: char,
    },
    /// The path or one of its components exceeds the limits of Linux.
    #[error("executable path `{path}` is too long: at most {limit} bytes for {what}")]
    PathTooLong {
        /// Path as given, lossily decoded.
        path: String,
        /// `the whole path` or `one component`.
        what: &'static str,
        /// Maximum length in bytes.
        limit: usize,
    },
}

/// An argument as a process receives it: any bytes except NUL, at most [`Argument::MAX_BYTES`] of
/// them.
///
/// # Examples
///
/// ```
/// use kcm_systemd::{Argument, quote_argument};
///
/// let argument = Argument::try_from("--note=50% of \"it\"")?;
/// assert_eq!(quote_argument(&argument), r#""--note=50%% of \"it\"""#);
/// # Ok::<(), kcm_systemd::ArgumentError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Argument(Vec<u8>);

impl Argument {
    /// Maximum length of an argument on Linux: `MAX_ARG_STRLEN` minus the final NUL.
    pub const MAX_BYTES: usize = 131_071;

    /// Creates an argument from its bytes.
    ///
    /// # Errors
    ///
    /// [`ArgumentError::Nul`] and [`ArgumentError::TooLong`].
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, ArgumentError> {
        let bytes = bytes.into();
        if let Some(offset) = bytes.iter().position(|&byte| byte == 0) {
            return Err(ArgumentError::Nul { offset });
        }
        if bytes.len() > Self::MAX_BYTES {
            return Err(ArgumentError::TooLong { length: bytes.len(), limit: Self::MAX_BYTES });
        }
        Ok(Self(bytes))
    }

    /// Creates an argument from bytes that the caller has checked, or that were read from a unit.
    pub(crate) fn from_checked(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Returns the bytes as the process receives them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the argument as text, if it is UTF-8.
    #[must_use]
    pub fn to_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl TryFrom<&str> for Argument {
    type Error = ArgumentError;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl TryFrom<&OsStr> for Argument {
    type Error = ArgumentError;

    fn try_from(text: &OsStr) -> Result<Self, Self::Error> {
        Self::new(text.as_encoded_bytes())
    }
}

impl fmt::Debug for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Argument(\"{}\")", self.0.escape_ascii())
    }
}

/// Quotes an argument for `ExecStart=` so that the process receives its bytes verbatim.
///
/// The argument stays unquoted if that is safe in a continued command where it is alone on a line.
/// Otherwise it is double-quoted, with C escapes for special characters. `%` and `$` are doubled,
/// because quotes do not protect them: systemd resolves specifiers and variables after unquoting.
/// See "Command lines" in
///
/// The result contains no line break and never ends with a backslash. It is not valid in a command
/// with the prefix `:`, which disables variable expansion and therefore the escape `$$`.
#[must_use]
pub fn quote_argument(argument: &Argument) -> String {
    let mut out = String::with_capacity(argument.0.len() + 2);
    quote_into(&mut out, &argument.0);
    out
}

/// Appends the quoted form of `bytes`, as [`quote_argument`] does.
pub(crate) fn quote_into(out: &mut String, bytes: &[u8]) {
    if let Some(plain) = plain_text(bytes) {
        out.push_str(plain);
        return;
    }
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => out.push_str(r"\\"),
                '"' => out.push_str("\\\""),
                '\n' => out.push_str(r"\n"),
                '\t' => out.push_str(r"\t"),
                '\r' => out.push_str(r"\r"),
                '%' => out.push_str("%%"),
                '$' => out.push_str("$$"),
                other if is_clean_char(other) => out.push(other),
                other => push_hex(out, other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        push_hex(out, chunk.invalid());
    }
    out.push('"');
}

/// Returns the argument as text if it needs no quotes. A leading `#` or `;` would start a comment,
/// and a lone `;` would separate commands.
fn plain_text(bytes: &[u8]) -> Option<&str> {
    let safe_start = !matches!(bytes.first(), None | Some(b'#' | b';'));
    if safe_start && bytes.iter().all(|&byte| is_plain_byte(byte)) {
        std::str::from_utf8(bytes).ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(bytes: &[u8]) -> String {
        quote_argument(&Argument::new(bytes).unwrap())
    }

    #[test]
    fn what_a_flag_usually_holds_stays_plain() {
        for plain in [
            "--v=2",
            "--cluster-cidr=10.0.0.0/16,fd00::/64",
            "a_-./:=,@+*~^!?&|<>()[]{}#;`z",
            "-",
            "a;",
            "a#",
        ] {
            assert_eq!(quoted(plain.as_bytes()), plain);
        }
    }

    #[test]
    fn whatever_systemd_would_take_apart_is_quoted() {
        for (argument, expected) in [
            (&b""[..], r#""""#),
            (b";", r#"";""#),
            (b"#x", r##""#x""##),
            (b"a b", r#""a b""#),
            (b"it's", r#""it's""#),
            (b"50%", r#""50%%""#),
            (b"$HOME", r#""$$HOME""#),
            (b"a\\", r#""a\\""#),
            (b"\"", r#""\"""#),
            (b"a\nb\tc\rd", r#""a\nb\tc\rd""#),
            (b"\x01\x7f", r#""\x01\x7f""#),
            (b"\xff\xfe", r#""\xff\xfe""#),
            ("é漢".as_bytes(), "\"é漢\""),
            ("\u{85}".as_bytes(), r#""\xc2\x85""#),
            (
                "\u{fffe}\u{fdd0}\u{1ffff}".as_bytes(),
                r#""\xef\xbf\xbe\xef\xb7\x90\xf0\x9f\xbf\xbf""#,
            ),
        ] {
            assert_eq!(quoted(argument), expected);
        }
    }

    #[test]
    fn what_no_process_can_receive_is_refused() {
        assert_eq!(Argument::new("a\0b"), Err(ArgumentError::Nul { offset: 1 }));
        assert!(Argument::new(vec![b'a'; Argument::MAX_BYTES]).is_ok());
        let error = Argument::new(vec![b'a'; Argument::MAX_BYTES + 1]).unwrap_err();
        assert_eq!(error, ArgumentError::TooLong { length: 131_072, limit: 131_071 });
    }
}
