//! Hides the secrets of a kubeconfig's text.
//!
//! The text is processed as tokens instead of a YAML tree. Therefore a POSIX shell with sed can do
//! the same to a file that must not leave its host: `kubeconfig.sh` in kcm-cli.

mod tokens;

use tokens::{RULES, is_plain, normal};

/// Keys that are shown and whose nested keys are evaluated.
const OUTER: &[&str] =
    &["<<", "cluster", "clusters", "context", "contexts", "preferences", "user", "users"];
/// Keys that are shown, with their values if these have a harmless form.
const LEAF: &[&str] = &[
    "apiVersion",
    "certificate-authority",
    "certificate-authority-data",
    "client-certificate",
    "client-certificate-data",
    "client-key",
    "current-context",
    "disable-compression",
    "insecure-skip-tls-verify",
    "kind",
    "name",
    "namespace",
    "proxy-url",
    "server",
    "tls-server-name",
    "tokenFile",
];
/// Keys that are shown without the values below them.
const NAMED: &[&str] = &[
    "as",
    "as-groups",
    "as-uid",
    "as-user-extra",
    "auth-provider",
    "client-key-data",
    "exec",
    "extensions",
    "password",
    "token",
    "username",
];
/// `PRIVATE KEY` within base64, at each of the three possible alignments.
const PRIVATE_KEY: &[&str] = &["UFJJVkFURSBLRV", "BSSVZBVEUgS0VZ", "QUklWQVRFIEtFW"];
/// `BEGIN CERTIFICATE` within base64, likewise.
const CERTIFICATE: &[&str] =
    &["QkVHSU4gQ0VSVElGSUNBVE", "JFR0lOIENFUlRJRklDQVRF", "CRUdJTiBDRVJUSUZJQ0FUR"];
/// Prefixes of the base64 of keys and tokens.
const OPAQUE: &[&str] = &["LS0t", "MC4C", "MII", "eyJ"];

/// Marker at the end of a view whose remaining text is hidden.
pub(crate) const HIDDEN_REST: &str = " # hidden from here";
/// Prefix of the digest of a hidden value.
pub(crate) const DIGEST: &str = "sha256:";
/// Prefix before the digest of a value with an escape; such a digest does not identify the value.
pub(crate) const ESCAPED: &str = "escaped-";
/// Prefix before the digest of a value that should be base64 but is not.
pub(crate) const NOT_BASE64: &str = "not-base64-";

/// Value larger than any column or depth: no value is hidden.
const NOWHERE: usize = usize::MAX;
/// Offset that distinguishes a depth from a column.
const IN_BRACKETS: usize = 1 << 32;

/// Returns a view of a kubeconfig's text that is safe to show: YAML of the same structure, with
/// public values verbatim and digests in place of all others.
///
/// `sha256_hex` must return the SHA-256 digest of the bytes in lower-case hexadecimal. Equal values
/// have equal digests in any quoting and line width, so that references still match and changes are
/// visible. A digest confirms a correct guess of its secret, such as a short password.
///
/// The text may be anything, even invalid YAML. All text that is not provably public is hidden:
///
/// - Every scalar is a digest with these exceptions: null, empty values, and values of known keys
///   outside of hidden and unknown keys. Such a value must be a name, a URL without user, or a
///   path, in one line of `A-Za-z0-9 ._:/@%+=~,()[]-`. A run of 40 base64 characters is not
///   allowed, except in embedded data that contain a certificate and no private key.
/// - Unknown keys and names of anchors are digests. Comments lose their text.
/// - Documents after the first, which kubectl ignores, and trailing blanks are removed.
/// - The view ends with ` # hidden from here` where tokens alone cannot assign a text to its key.
///   Examples are block scalars other than literal base64, plain texts of several lines, and quoted
///   texts whose further lines are not indented. Others are escapes in keys, tags, explicit keys
///   and unclosed quotes.
///
/// Values are joined into one line, followed by their original line breaks, so that line numbers do
/// not change.
pub fn public_view(text: &str, sha256_hex: impl Fn(&[u8]) -> String) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = text.strip_suffix('\n').unwrap_or(text);
    let mut view = View {
        sha256_hex,
        out: String::with_capacity(text.len()),
        is_line_start: true,
        open: Open::Nothing,
        depth: 0,
        column: 0,
        key_column: None,
        key: String::new(),
        is_lit: false,
        dark: NOWHERE,
    };
    if view.tokens(text).is_none() {
        view.out.push_str(HIDDEN_REST);
    }
    if !view.out.is_empty() {
        view.out.push('\n');
    }
    view.out
}

/// Reports whether `value` is a digest in a view.
pub(crate) fn is_hidden(value: &str) -> bool {
    value.strip_prefix(ESCAPED).unwrap_or(value).starts_with(DIGEST)
}

/// The state after the last token.
#[derive(Clone, Copy, PartialEq)]
enum Open {
    /// A position at which a value can begin.
    Nothing,
    /// A plain scalar, which the next token may continue.
    Plain,
    /// A complete value, after which another one is an error.
    Complete,
}

struct View<F> {
    sha256_hex: F,
    out: String,
    /// True if the line so far contains only blanks, dashes and anchors.
    is_line_start: bool,
    open: Open,
    /// Number of open brackets.
    depth: usize,
    column: usize,
    /// Column of the last key or dash outside of brackets.
    key_column: Option<usize>,
    /// Key of the next value.
    key: String,
    /// True if the next value may be shown.
    is_lit: bool,
    /// Column or depth of a key below which every value is hidden.
    dark: usize,
}

impl<F: Fn(&[u8]) -> String> View<F> {
    /// Processes all tokens; `None` at the first token that cannot be assigned.
    fn tokens(&mut self, text: &str) -> Option<()> {
        let rules = RULES.as_ref().ok()?;
        let text = normal(text, rules)?;
        rules.token.find_iter(&text).try_for_each(|token| self.token(token.as_str()))
    }

    fn token(&mut self, token: &str) -> Option<()> {
        match token.as_bytes() {
            [b'\n', indent @ ..] => {
                self.is_line_start = true;
                self.column = indent.len();
                self.out.push_str(token);
                return (self.depth > 0 || !token.contains('\t')).then_some(());
            }
            [b' ' | b'\t', ..] => {
                self.column += token.len();
                self.out.push_str(token);
                return Some(());
            }
            [b'#', ..] => {
                self.out.push('#');
                return Some(());
            }
            _ => {}
        }
        let is_below = self.key_column.is_none_or(|key| self.column > key);
        if self.open != Open::Nothing && (self.depth > 0 || !self.is_line_start || is_below) {
            match (self.open, token) {
                (_, "," | "]" | "}") if self.depth > 0 => {}
                (Open::Plain, "[" | "]" | "{" | "}" | "," | "?")
                    if self.depth == 0 && !self.is_line_start =>
                {
                    self.out.push_str(token);
                    return Some(());
                }
                (Open::Plain, _) if self.depth == 0 && !self.is_line_start && is_plain(token) => {}
                _ => return None,
            }
        }
        self.open = Open::Nothing;
        self.begin(token)
    }

    fn begin(&mut self, token: &str) -> Option<()> {
        match token.as_bytes() {
            [b'-', b' ' | b'\t' | b'\n', ..] => return self.dash(token),
            [b'&' | b'*', name @ ..] => {
                let (sign, digest) = (token.get(..1)?, (self.sha256_hex)(name));
                self.out += sign;
                self.out += &digest;
                self.column += token.len();
                if sign == "*" {
                    self.open = Open::Complete;
                }
                return Some(());
            }
            [b'[' | b'{'] => self.depth += 1,
            [b']' | b'}'] => {
                self.depth = self.depth.checked_sub(1)?;
                self.open = Open::Complete;
            }
            [b','] if self.depth > 0 => {}
            [.., b':'] => return self.key(token),
            [quote @ (b'"' | b'\''), inner @ .., last] if quote == last => {
                if !self.is_below_key(token) {
                    return None;
                }
                let inner = std::str::from_utf8(inner).ok()?;
                self.value(inner, token.get(..1)?);
                self.open = Open::Complete;
            }
            _ if is_plain(token) => {
                self.value(token, "");
                self.open = Open::Plain;
            }
            _ => return None,
        }
        if token.len() == 1 && !is_plain(token) {
            self.out.push_str(token);
        }
        self.key.clear();
        self.is_line_start = false;
        Some(())
    }

    /// Reports whether the further lines of a quoted text are indented more than its key. Without
    /// this check, an unclosed quote would turn keys into text and text into keys.
    fn is_below_key(&self, quoted: &str) -> bool {
        let lines =
            quoted.split('\n').skip(1).filter(|line| !line.trim_matches([' ', '\t']).is_empty());
        let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
        let key = self.key_column.filter(|_| self.depth == 0);
        key.is_none_or(|key| lines.map(indent).all(|indent| indent > key))
    }

    fn dash(&mut self, token: &str) -> Option<()> {
        if self.depth > 0 || !self.is_line_start || token.contains('\t') {
            return None;
        }
        self.out.push_str(token);
        self.key.clear();
        self.key_column = Some(self.column);
        match token.split_once('\n') {
            Some((_, indent)) => self.column = indent.len(),
            None => self.column += token.len(),
        }
        Some(())
    }

    fn key(&mut self, token: &str) -> Option<()> {
        let at = match self.depth {
            0 if !self.is_line_start => return None,
            0 => self.column,
            // The preceding key still lacks a value.
            _ if !self.key.is_empty() => return None,
            depth => IN_BRACKETS + depth,
        };
        let name = token.strip_suffix(':')?.trim_end_matches([' ', '\t']);
        let quote = name.get(..1).filter(|it| matches!(*it, "\"" | "'")).unwrap_or_default();
        let name = name.strip_prefix(quote)?.strip_suffix(quote)?;
        if name.contains(['\\', '\n']) || name.is_empty() {
            return None;
        }
        if self.depth == 0 {
            self.key_column = Some(at);
        }
        if at <= self.dark {
            self.dark = NOWHERE;
        }
        let [is_outer, is_leaf, is_named] = [OUTER, LEAF, NAMED].map(|keys| keys.contains(&name));
        self.is_lit = self.dark == NOWHERE && (is_outer || is_leaf);
        if is_outer || is_leaf || is_named {
            self.out.push_str(token);
        } else {
            let digest = (self.sha256_hex)(name.as_bytes());
            self.out.extend([quote, DIGEST, &digest, quote, ":"]);
        }
        if !is_outer {
            self.dark = self.dark.min(at);
        }
        name.clone_into(&mut self.key);
        self.is_line_start = false;
        Some(())
    }

    /// Writes the value of the last key, hidden if necessary, in its quotes and followed by its
    /// line breaks.
    fn value(&mut self, value: &str, quote: &str) {
        let joined: String = value.split([' ', '\t', '\n']).collect();
        let is_data = self.key.ends_with("-data");
        let is_base64 = value.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b));
        let has = |patterns: &[&str]| patterns.iter().any(|pattern| joined.contains(pattern));
        let is_lit = self.is_lit && !self.key.is_empty();
        let shown = match (quote, value) {
            (_, "") | ("", "null" | "Null" | "NULL" | "~") => value.to_owned(),
            _ if is_lit && !is_data && is_public(&self.key, value) => value.to_owned(),
            _ if is_lit && is_data && is_base64 && has(CERTIFICATE) && !has(PRIVATE_KEY) => {
                joined.clone()
            }
            _ => {
                let is_escaped = matches!(quote, "\"") && joined.contains('\\')
                    || matches!(quote, "'") && joined.contains('\'');
                let kind = match () {
                    () if is_data && !(is_base64 && is_padded(value)) => NOT_BASE64,
                    () if is_escaped => ESCAPED,
                    () => "",
                };
                format!("{kind}{DIGEST}{}", (self.sha256_hex)(joined.as_bytes()))
            }
        };
        self.out.extend([quote, &shown, quote]);
        self.out.extend(value.chars().filter(|c| *c == '\n'));
    }
}

/// Reports whether length and padding are valid base64.
fn is_padded(text: &str) -> bool {
    let unpadded = text.trim_end_matches('=');
    text.len().is_multiple_of(4) && text.len() - unpadded.len() < 3 && !unpadded.contains('=')
}

/// Reports whether the form of a value is harmless for its key.
fn is_public(key: &str, value: &str) -> bool {
    let is_harmless = |b: u8| b.is_ascii_alphanumeric() || b" ._:/@%+=~,()[]-".contains(&b);
    let is_address = matches!(key, "server" | "proxy-url");
    let is_credential = is_address && value.contains('@');
    let is_opaque = |part: &str| OPAQUE.iter().any(|start| part.starts_with(start));
    let mut runs = value.split(|c: char| !(c.is_ascii_alphanumeric() || c == '+' || c == '='));
    value.bytes().all(is_harmless)
        && !is_credential
        && !value.split(',').any(is_opaque)
        && runs.all(|run| run.len() < 40)
}

#[cfg(test)]
mod tests;
