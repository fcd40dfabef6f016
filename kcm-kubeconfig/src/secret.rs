use std::fmt;

use zeroize::{Zeroize, Zeroizing};

/// Holds a value that must not be shown: a private key, a token, a password.
///
/// `Debug` prints nothing of it, not even its length, and there is no `Display`. The memory is overwritten when the
/// value is dropped. Copies the holder makes (and the text a kubeconfig was read from) are the holder's to wipe.
///
/// Comparison is not constant-time: it is for telling two documents apart, not for checking credentials.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret<T: Zeroize>(Zeroizing<T>);

impl<T: Zeroize> Secret<T> {
    /// Takes `value` into custody. The value is moved, not copied.
    pub fn new(value: T) -> Self {
        Self(Zeroizing::new(value))
    }

    /// Shows the value. The name is long so that a reviewer finds every place which does.
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
