//! The styles of reports: the only escape sequences that kcm itself writes.

use std::fmt;

/// All escape sequences of reports.
///
/// [`Style`] writes these strings themselves, not copies, so [`is_ours`] can distinguish them from
/// equal bytes that a master sent.
static SEQUENCES: [&str; 6] =
    ["\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[1m\x1b[31m", "\x1b[32m", "\x1b[33m"];

/// A text style. `{style}` begins it and `{style:#}` ends it; plain text needs neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    /// Success.
    Good,
    /// An error.
    Bad,
    /// A warning.
    Note,
    /// A name or a heading.
    Name,
    /// A removed line.
    Gone,
}

impl Style {
    fn sequence(self) -> Option<&'static str> {
        let [_, bold, red, bold_red, green, yellow] = SEQUENCES;
        match self {
            Self::Plain => None,
            Self::Good => Some(green),
            Self::Bad => Some(bold_red),
            Self::Note => Some(yellow),
            Self::Name => Some(bold),
            Self::Gone => Some(red),
        }
    }
}

impl fmt::Display for Style {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [reset, ..] = SEQUENCES;
        match self.sequence() {
            Some(_) if f.alternate() => f.write_str(reset),
            Some(sequence) => f.write_str(sequence),
            None => Ok(()),
        }
    }
}

/// True if a text is one of kcm's escape sequences: the same string in memory, not an equal one.
pub(super) fn is_ours(text: &str) -> bool {
    SEQUENCES.iter().any(|ours| std::ptr::eq(*ours, text))
}
