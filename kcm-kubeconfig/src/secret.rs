use std::fmt;

use zeroize::{Zeroize, Zeroizing};

/// A secret value: a private key, a token, a password.
///
/// `Debug` reveals nothing of the value, not even its length, and `Display` is not implemented. The
/// memory is overwritten on drop. The caller must wipe any copies, including the text from which a
/// kubeconfig was parsed.
///
/// Comparison is not constant-time: it is meant to compare documents, not to check credentials.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret<T: Zeroize>(Zeroizing<T>);

impl<T: Zeroize> Secret<T> {
    /// Wraps `value`, which is moved and not copied.
    pub fn new(value: T) -> Self {
        Self(Zeroizing::new(value))
    }

    /// Returns the value. The name is long so that reviewers find every use.
    pub fn expose_secret(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl<T: Zeroize> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_the_text_nor_its_length() {
        let short = format!("{:?}", Secret::new("abc".to_owned()));
        let long = format!("{:?}", Secret::new("abc".repeat(100)));
        assert_eq!(short, "Secret(..)");
        assert_eq!(short, long);
    }
}
