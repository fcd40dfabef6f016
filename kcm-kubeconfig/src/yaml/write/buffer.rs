use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::yaml::{Plain, resolve};

/// A text buffer that wipes its old memory when it grows.
pub(super) struct Buffer(Zeroizing<String>);

impl Buffer {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self(Zeroizing::new(String::with_capacity(capacity)))
    }

    pub(super) fn push(&mut self, text: &str) {
        self.reserve(text.len());
        self.0.push_str(text);
    }

    /// Appends the base64 of `bytes` in the style of a scalar, encoded in place to avoid another
    /// copy.
    pub(super) fn push_base64(&mut self, bytes: &[u8]) {
        const QUOTES: usize = 2;
        self.reserve(bytes.len().div_ceil(3) * 4 + QUOTES);
        let start = self.0.len();
        STANDARD.encode_string(bytes, &mut self.0);
        // Base64 contains no characters that need quotes, but three bytes can be encoded as `true`
        // or `1234`.
        if self.0.get(start..).is_some_and(|text| resolve(text) != Plain::Text) {
            self.0.insert(start, '"');
            self.0.push('"');
        }
    }

    fn reserve(&mut self, more: usize) {
        let needed = self.0.len() + more;
        if needed > self.0.capacity() {
            let mut larger =
                Zeroizing::new(String::with_capacity(needed.max(self.0.capacity() * 2)));
            larger.push_str(&self.0);
            self.0 = larger;
        }
    }

    pub(super) fn push_char(&mut self, char: char) {
        self.push(char.encode_utf8(&mut [0; 4]));
    }

    /// Starts a line with `indent` blanks, after ending the preceding line if necessary.
    pub(super) fn new_line(&mut self, indent: usize) {
        self.end_line();
        self.pad(indent);
    }

    /// Ends the line unless it is already ended. A block scalar may have ended it with a Unicode
    /// line break.
    pub(super) fn end_line(&mut self) {
        if !self.0.is_empty() && !self.0.ends_with(['\n', '\u{2028}', '\u{2029}']) {
            self.push("\n");
        }
    }

    pub(super) fn pad(&mut self, blanks: usize) {
        const BLANKS: &str = "                ";
        let (many, rest) = (blanks / BLANKS.len(), blanks % BLANKS.len());
        for _ in 0..many {
            self.push(BLANKS);
        }
        self.push(BLANKS.get(..rest).unwrap_or_default());
    }

    /// Returns the column in characters, counted from 0.
    pub(super) fn column(&self) -> usize {
        self.0.chars().rev().take_while(|c| !matches!(c, '\n' | '\u{2028}' | '\u{2029}')).count()
    }

    pub(super) fn into_text(self) -> Zeroizing<String> {
        self.0
    }
}
