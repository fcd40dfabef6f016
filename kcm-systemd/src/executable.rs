//! The path of the executable in `ExecStart=`, whose quoting differs from that of arguments.

use std::ffi::OsStr;
use std::fmt;

use crate::argument::ArgumentError;
use crate::text::{is_clean_char, is_plain_byte, push_hex, unsafe_byte};

/// An absolute path of an executable that is valid in `ExecStart=`.
///
/// systemd loads a unit with this path and executes exactly this path. The path is absolute, does
/// not name a directory, and contains no quotes, backslashes or control characters. The path and
/// its components are within the limits of Linux. The existence of the file is not checked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExecutablePath(Vec<u8>);

impl ExecutablePath {
    /// Maximum length of a path on Linux: `PATH_MAX` minus the final NUL, in bytes.
    pub const MAX_BYTES: usize = 4095;

    /// Maximum length of a component on Linux: `NAME_MAX`, in bytes.
    pub const MAX_COMPONENT_BYTES: usize = 255;

    /// Creates a path from its bytes.
    ///
    /// # Errors
    ///
    /// Any [`ArgumentError`] except [`ArgumentError::TooLong`].
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, ArgumentError> {
        let bytes = bytes.into();
        let path = || String::from_utf8_lossy(&bytes).into_owned();
        if let Some(offset) = bytes.iter().position(|&byte| byte == 0) {
            return Err(ArgumentError::Nul { offset });
        }
        if bytes.first() != Some(&b'/') {
            return Err(ArgumentError::NotAbsolute { path: path() });
        }
        if let Some(byte) = unsafe_byte(&bytes) {
            return Err(ArgumentError::UnsafeCharacter { path: path(), character: byte.into() });
        }
        if bytes.len() > Self::MAX_BYTES {
            let (what, limit) = ("the whole path", Self::MAX_BYTES);
            return Err(ArgumentError::PathTooLong { path: path(), what, limit });
        }
        let mut last: &[u8] = b"";
        for component in bytes.split(|&byte| byte == b'/') {
            if component.len() > Self::MAX_COMPONENT_BYTES {
                let (what, limit) = ("one component", Self::MAX_COMPONENT_BYTES);
                return Err(ArgumentError::PathTooLong { path: path(), what, limit });
            }
            last = component;
        }
        if matches!(last, b"" | b"." | b"..") {
            return Err(ArgumentError::Directory { path: path() });
        }
        Ok(Self(bytes))
    }

    /// Returns the bytes of the path.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the path as text, if it is UTF-8.
    #[must_use]
    pub fn to_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Returns the path quoted for `ExecStart=`.
    #[must_use]
    pub fn quoted(&self) -> String {
        let mut out = String::with_capacity(self.0.len() + 2);
        self.quote_into(&mut out);
        out
    }

    /// Appends the path quoted for `ExecStart=`. `%` is doubled but `$` is not, since systemd
    /// resolves specifiers in the path but does not expand variables there.
    pub(crate) fn quote_into(&self, out: &mut String) {
        let plain = self.0.iter().all(|&byte| is_plain_byte(byte) || matches!(byte, b'%' | b'$'));
        if !plain {
            out.push('"');
        }
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '%' => out.push_str("%%"),
                    other if is_clean_char(other) => out.push(other),
                    other => push_hex(out, other.encode_utf8(&mut [0; 4]).as_bytes()),
                }
            }
            push_hex(out, chunk.invalid());
        }
        if !plain {
            out.push('"');
        }
    }
}

impl TryFrom<&str> for ExecutablePath {
    type Error = ArgumentError;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl TryFrom<&OsStr> for ExecutablePath {
    type Error = ArgumentError;

    fn try_from(text: &OsStr) -> Result<Self, Self::Error> {
        Self::new(text.as_encoded_bytes())
    }
}

impl fmt::Debug for ExecutablePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExecutablePath(\"{}\")", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(path: &[u8]) -> String {
        let mut out = String::new();
        ExecutablePath::new(path).unwrap().quote_into(&mut out);
        out
    }

    #[test]
    fn percent_is_doubled_and_dollar_is_not() {
        assert_eq!(
            quoted(b"/opt/kubernetes/bin/kube-controller-manager"),
            "/opt/kubernetes/bin/kube-controller-manager"
        );
        assert_eq!(quoted(b"/opt/50%/$x"), "/opt/50%%/$x");
        assert_eq!(quoted(b"/opt/my dir/kcm"), r#""/opt/my dir/kcm""#);
        assert_eq!(quoted(b"/opt/\xff"), r#""/opt/\xff""#);
    }

    #[test]
    fn a_path_that_would_make_the_unit_unloadable_is_refused() {
        let error = |path: &str| ExecutablePath::try_from(path).unwrap_err();
        assert!(matches!(error(""), ArgumentError::NotAbsolute { .. }));
        assert!(matches!(error("bin/kcm"), ArgumentError::NotAbsolute { .. }));
        assert!(matches!(error("/opt/"), ArgumentError::Directory { .. }));
        assert!(matches!(error("/opt/."), ArgumentError::Directory { .. }));
        assert!(matches!(error("/opt/.."), ArgumentError::Directory { .. }));
        assert!(matches!(error("/"), ArgumentError::Directory { .. }));
        assert!(matches!(
            error("/opt/it's"),
            ArgumentError::UnsafeCharacter { character: '\'', .. }
        ));
        assert!(matches!(
            error("/opt/a\\b"),
            ArgumentError::UnsafeCharacter { character: '\\', .. }
        ));
        assert!(matches!(
            error("/opt/a\nb"),
            ArgumentError::UnsafeCharacter { character: '\n', .. }
        ));
        assert!(matches!(error("/a\0"), ArgumentError::Nul { offset: 2 }));
        assert!(matches!(
            error(&format!("/{}", "a".repeat(256))),
            ArgumentError::PathTooLong { limit: 255, .. }
        ));
        assert!(matches!(
            error(&"/aaaaaaa".repeat(512)),
            ArgumentError::PathTooLong { limit: 4095, .. }
        ));
    }
}
