//! One argument of a command, and how `ExecStart=` must spell it.

use std::ffi::OsStr;
use std::fmt;

use thiserror::Error;

use crate::text::{is_clean_char, is_plain_byte, push_hex};

/// What an argument or an executable path cannot be.
///
/// When one of these is returned, nothing has been made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ArgumentError {
    /// The kernel ends every argument at its first NUL byte.
    #[error("argument holds a NUL byte at offset {offset}; no process can receive it")]
    Nul {
        /// Offset of the first NUL, in bytes.
        offset: usize,
    },
    /// The kernel refuses one argument of 128 KiB or more (`MAX_ARG_STRLEN`), its final NUL included.
    #[error("argument is {length} bytes long; Linux takes at most {limit} for one argument")]
    TooLong {
        /// Length of the argument, in bytes.
        length: usize,
        /// The longest argument that works, in bytes.
        limit: usize,
    },
    /// systemd searches a bare name in a fixed path of its own and refuses a relative path.
    #[error("executable path `{path}` is not absolute; write it from `/` on")]
    NotAbsolute {
        /// The path as given, lossily decoded.
        path: String,
    },
    /// The path names a directory: it ends with `/`, `/.` or `/..`.
    #[error("executable path `{path}` names a directory; name the file itself")]
    Directory {
        /// The path as given, lossily decoded.
        path: String,
    },
    /// systemd refuses quotes, backslashes and control characters in an executable path, however they are written.
    #[error(
        "executable path `{path}` holds {character:?}, which systemd refuses there; rename the file or link to it"
    )]
    UnsafeCharacter {
        /// The path as given, lossily decoded.
        path: String,
        /// The first character that systemd refuses.
        character: char,
    },
    /// The path, or one component of it, is longer than Linux allows.
    #[error("executable path `{path}` is too long: at most {limit} bytes for {what}")]
    PathTooLong {
        /// The path as given, lossily decoded.
        path: String,
        /// `the whole path` or `one component`.
        what: &'static str,
        /// The longest that works, in bytes.
        limit: usize,
    },
}

/// An argument as a process receives it: any bytes but NUL, at most [`Argument::MAX_BYTES`] of them.
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
    /// The longest argument that Linux passes to a process: `MAX_ARG_STRLEN` less the final NUL.
    pub const MAX_BYTES: usize = 131_071;

    /// Takes the bytes of an argument.
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

    /// Takes bytes which the caller has checked already, or which a reader found in a unit.
    pub(crate) fn from_checked(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes, as the process receives them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The argument as text, if it is UTF-8.
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

/// Spells an argument for `ExecStart=` so that the process receives its bytes verbatim.
///
/// Plain if that is safe on a line of its own inside a continued command; otherwise in double quotes, with C escapes
/// for what systemd would take apart. `%` and `$` are doubled: systemd resolves specifiers and variables after it has
/// removed the quotes, so that no quoting protects them. See "Command lines" in
/// [systemd.service(5)](https://www.freedesktop.org/software/systemd/man/252/systemd.service.html#Command%20lines).
///
/// The result holds no line break and never ends with a backslash. It is right for a command without the `:` prefix,
/// which turns off the expansion of variables and with it the meaning of `$$`.
#[must_use]
pub fn quote_argument(argument: &Argument) -> String {
    let mut out = String::with_capacity(argument.0.len() + 2);
    quote_into(&mut out, &argument.0);
    out
}

/// Appends the spelling of `bytes`, as [`quote_argument`] does.
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

/// The argument itself, if it needs no quotes. A leading `#` or `;` would make a comment of its line, and a lone `;`
/// would separate commands.
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
