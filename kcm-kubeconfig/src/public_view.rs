//! The part of a kubeconfig's text that may be shown. Works on tokens, not on a YAML tree, so that a POSIX shell with
//! sed can do the same to a file that must not leave its host: `kubeconfig.sh` in kcm-cli.

mod tokens;

use tokens::{RULES, is_plain, normal};

/// Keys that are shown, and what is below them.
const OUTER: &[&str] =
    &["<<", "cluster", "clusters", "context", "contexts", "preferences", "user", "users"];
/// Keys that are shown, and their values if these are of a harmless form.
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
/// Keys that are shown without anything below them.
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
/// `PRIVATE KEY` within base64, at each of the three alignments it can have.
const PRIVATE_KEY: &[&str] = &["UFJJVkFURSBLRV", "BSSVZBVEUgS0VZ", "QUklWQVRFIEtFW"];
/// `BEGIN CERTIFICATE`, likewise.
const CERTIFICATE: &[&str] =
    &["QkVHSU4gQ0VSVElGSUNBVE", "JFR0lOIENFUlRJRklDQVRF", "CRUdJTiBDRVJUSUZJQ0FUR"];
/// Beginnings of the base64 of keys and tokens.
const OPAQUE: &[&str] = &["LS0t", "MC4C", "MII", "eyJ"];

/// The end of a view of which the rest is hidden.
pub(crate) const HIDDEN_REST: &str = " # hidden from here";
/// The beginning of what stands for a hidden value.
pub(crate) const DIGEST: &str = "sha256:";
/// What stands before the digest of a value with an escape, whose digest says nothing about the value.
pub(crate) const ESCAPED: &str = "escaped-";
/// What stands before the digest of a value that should be base64 and is not.
pub(crate) const NOT_BASE64: &str = "not-base64-";

/// No column and no depth: nothing is dark.
const NOWHERE: usize = usize::MAX;
/// What distinguishes a depth from a column.
const IN_BRACKETS: usize = 1 << 32;

/// Returns a view of a kubeconfig's text that can be shown: YAML of the same structure, with public values as they are
/// and digests in place of the rest.
///
/// `sha256_hex` is to return the SHA-256 of the bytes in lower-case hexadecimal. Equal values have equal digests,
/// however they are quoted or wrapped, so that references still match and a change is seen. The digest of a secret
/// that can be guessed, such as a short password, lets a guess be confirmed.
///
/// The text may be anything; it need not be YAML. What is not proven to be public is hidden:
///
/// - Every scalar is a digest, unless it is null, empty, or the value of a known key outside of hidden and unknown keys,
///   and of a harmless form: a name, a URL without user, or a path in one line of `A-Za-z0-9 ._:/@%+=~,()[]-` with no run
///   of 40 characters of base64; or base64 that holds a certificate and no private key.
/// - Keys that are not known and names of anchors are digests. Comments lose their text.
/// - Documents after the first, of which kubectl takes no notice, and blanks at ends of lines are left out.
/// - Where tokens alone cannot tell which text belongs to which key (block scalars other than literal base64, plain texts of
///   several lines, quoted texts whose further lines are not indented, escapes in keys, tags, explicit keys, unclosed quotes), the view ends with ` # hidden from here`.
///
/// Values are in one line, followed by the line breaks that stood in them: lines keep their numbers.
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

/// Whether a view has this in place of a value.
pub(crate) fn is_hidden(value: &str) -> bool {
    value.strip_prefix(ESCAPED).unwrap_or(value).starts_with(DIGEST)
}

/// What the last token leaves.
#[derive(Clone, Copy, PartialEq)]
enum Open {
    /// A place where something begins.
    Nothing,
    /// A plain scalar that the next token may continue.
    Plain,
    /// Something complete, which nothing may follow in its place.
    Complete,
}

struct View<F> {
    sha256_hex: F,
    out: String,
    /// Nothing but blanks, dashes and anchors stands before in this line.
    is_line_start: bool,
    open: Open,
    /// The number of open brackets.
    depth: usize,
    column: usize,
    /// The column of the last key or dash outside of brackets.
    key_column: Option<usize>,
    /// The key whose value comes next.
    key: String,
    /// That value may be shown.
    is_lit: bool,
    /// The column or depth of a key below which every value is hidden.
    dark: usize,
}

impl<F: Fn(&[u8]) -> String> View<F> {
    /// Takes all tokens, or nothing from one on that cannot be told.
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

    /// Tells whether the further lines of a quoted text are indented more than its key. Else a quote that somebody forgot to
    /// close would turn keys into text, and text into keys.
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
            // A value was to come.
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

    /// Shows what may be seen of the value of the last key, in its quotes if it has some, and then its line breaks.
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

/// Whether the length and the padding are those of base64.
fn is_padded(text: &str) -> bool {
    let unpadded = text.trim_end_matches('=');
    text.len().is_multiple_of(4) && text.len() - unpadded.len() < 3 && !unpadded.contains('=')
}

/// Whether a value of this key is no secret by its form.
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
