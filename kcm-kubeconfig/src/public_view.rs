//! What of a kubeconfig's text may be shown. Works on lines, not on YAML, so that a POSIX shell can do the same to a
//! file that must not leave its host.

/// Keys whose values are shown, if they are of a harmless form.
const SHOWN: &[&str] = &[
    "apiVersion",
    "certificate-authority",
    "certificate-authority-data",
    "client-certificate",
    "client-certificate-data",
    "client-key",
    "cluster",
    "clusters",
    "context",
    "contexts",
    "current-context",
    "disable-compression",
    "insecure-skip-tls-verify",
    "kind",
    "name",
    "namespace",
    "preferences",
    "proxy-url",
    "server",
    "tls-server-name",
    "tokenFile",
    "user",
    "users",
];

/// Keys that are shown without their values.
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
const PRIVATE_KEY_IN_BASE64: &[&str] = &["UFJJVkFURSBLRV", "BSSVZBVEUgS0VZ", "QUklWQVRFIEtFW"];

/// Returns a view of a kubeconfig's text that can be shown: public parts as they are, the rest as digests.
///
/// `sha256_hex` is to return the SHA-256 of the bytes in lower-case hexadecimal. A view changes with its text, so that
/// views can be compared and diffed in place of texts; only the final newline, and a value that spells out the digest
/// of another one, make no difference. The digest of a secret that can be guessed, such as a short password, lets a guess be confirmed.
///
/// The text may be anything; it need not be YAML. The rules, exactly:
///
/// 1. The text is split at `\n`; a `\n` at its end begins no further line. Every line gives one line of the view,
///    which ends with `\n`. Two things are remembered from line to line: a *column*, at first none, and whether the
///    *rest is hidden*, at first not.
/// 2. A line of nothing but blanks (`U+0020`, here and below) is shown as it is, and changes nothing.
/// 3. `indent` is the number of blanks the line begins with, `body` what follows them, without one `- ` at its
///    start. `start` is `indent`, plus two if there was a `- `. If `body` begins with letters of `A-Za-z0-9-`, at
///    least one, followed by `:` and either the end of the line or a blank, then they are the `key`, and `value` is
///    what follows the `:` and that one blank; else there is no key, and `value` is `body`.
/// 4. If the rest is hidden, the line gives `sha256:` and the digest of the whole line.
/// 5. Otherwise, if there is a column, then the line is *below* it if `indent` is greater, or if it is equal and the
///    line has a `-` there. Below it, the line gives `sha256:` and the digest of the whole line, and rule 8 is applied.
///    Otherwise the column is forgotten.
/// 6. A line with a key of the list `SHOWN` in this crate's source, and with a *harmless* value, is shown as it is. A
///    value is harmless if it is empty with no blank after the `:`; or `{}`, `[]` or `""`; or if it begins with one of
///    `A-Za-z0-9/.`, goes on with these and `_:@%+=-[]~`, does not end with `:`, holds no `@` if the key is `server`
///    or `proxy-url`, and holds none of `UFJJVkFURSBLRV`, `BSSVZBVEUgS0VZ`, `QUklWQVRFIEtFW` (the base64 of
///    `PRIVATE KEY`).
/// 7. Any other line is hidden. With a key of the lists `SHOWN` or `NAMED`, it gives everything up to and with the
///    `:`, and, unless the value is empty with no blank after the `:`, a blank, `sha256:` and the digest of `value`.
///    Otherwise it gives `sha256:` and the digest of the whole line. Unless `body` begins with `#`, the column becomes
///    `start`, and rule 8 is applied.
/// 8. A hidden line hides the rest if what it opens may go on in any column: if it holds a carriage return, `U+0085`,
///    `U+2028` or `U+2029`; or if `value` holds one of `"'{}[]` and is neither `{}` nor `[]`, nor a text in double
///    quotes with no `"` or `\` within, nor one in single quotes with no `'` within, and does not begin with `#`.
pub fn public_view(text: &str, sha256_hex: impl Fn(&[u8]) -> String) -> String {
    let mut view = String::with_capacity(text.len());
    let mut state = State { column: None, rest_hidden: false };
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n').filter(|_| !text.is_empty()) {
        match state.judge(line) {
            Verdict::Shown => view.push_str(line),
            Verdict::Key { shown, value } => {
                view.push_str(shown);
                if let Some(value) = value {
                    view.push_str(" sha256:");
                    view.push_str(&sha256_hex(value.as_bytes()));
                }
            }
            Verdict::Hidden => {
                view.push_str("sha256:");
                view.push_str(&sha256_hex(line.as_bytes()));
            }
        }
        view.push('\n');
    }
    view
}

/// What becomes of a line.
enum Verdict<'a> {
    Shown,
    /// The line up to the colon, and the value to digest.
    Key {
        shown: &'a str,
        value: Option<&'a str>,
    },
    Hidden,
}

struct State {
    /// Lines that stand below this column belong to something hidden.
    column: Option<usize>,
    rest_hidden: bool,
}

impl State {
    fn judge<'a>(&mut self, text: &'a str) -> Verdict<'a> {
        let line = Line::of(text);
        if line.is_blank() {
            return Verdict::Shown;
        }
        if self.rest_hidden {
            return Verdict::Hidden;
        }
        if let Some(column) = self.column {
            if line.is_below(column) {
                self.rest_hidden = line.opens_anything();
                return Verdict::Hidden;
            }
            self.column = None;
        }
        if line.is_public() {
            return Verdict::Shown;
        }
        if !line.body.starts_with('#') {
            self.column = Some(line.start);
            self.rest_hidden = line.opens_anything();
        }
        match line.key {
            Some(key) if SHOWN.contains(&key) || NAMED.contains(&key) => Verdict::Key {
                shown: line.up_to_colon(),
                value: line.has_value.then_some(line.value),
            },
            _ => Verdict::Hidden,
        }
    }
}

/// A line, taken apart by rule 3.
struct Line<'a> {
    text: &'a str,
    indent: usize,
    start: usize,
    body: &'a str,
    key: Option<&'a str>,
    value: &'a str,
    /// Whether anything follows the colon, if only a blank.
    has_value: bool,
}

impl<'a> Line<'a> {
    fn of(text: &'a str) -> Self {
        let unindented = text.trim_start_matches(' ');
        let indent = text.len() - unindented.len();
        let (start, body) = match unindented.strip_prefix("- ") {
            Some(body) => (indent + 2, body),
            None => (indent, unindented),
        };
        let is_key = |key: &str| {
            !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let split = body.split_once(':').filter(|(key, _)| is_key(key));
        let (key, value, has_value) = match split {
            Some((key, "")) => (Some(key), "", false),
            Some((key, rest)) => match rest.strip_prefix(' ') {
                Some(value) => (Some(key), value, true),
                None => (None, body, true),
            },
            None => (None, body, true),
        };
        Self { text, indent, start, body, key, value, has_value }
    }

    fn is_blank(&self) -> bool {
        self.text.len() == self.indent
    }

    fn is_below(&self, column: usize) -> bool {
        let dash = self.text.as_bytes().get(self.indent) == Some(&b'-');
        self.indent > column || (self.indent == column && dash)
    }

    fn up_to_colon(&self) -> &'a str {
        let length = self.text.len() - self.body.len() + self.key.map_or(0, str::len) + 1;
        self.text.get(..length).unwrap_or_default()
    }

    /// Rule 6.
    fn is_public(&self) -> bool {
        let Some(key) = self.key.filter(|key| SHOWN.contains(key)) else {
            return false;
        };
        if !self.has_value || matches!(self.value, "{}" | "[]" | "\"\"") {
            return true;
        }
        let first = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.');
        let further = |b: u8| first(b) || b"_:@%+=-[]~".contains(&b);
        let may_hold_user = matches!(key, "server" | "proxy-url");
        self.value.bytes().next().is_some_and(first)
            && self.value.bytes().all(further)
            && !self.value.ends_with(':')
            && !(may_hold_user && self.value.contains('@'))
            && !PRIVATE_KEY_IN_BASE64.iter().any(|pattern| self.value.contains(pattern))
    }

    /// Rule 8.
    fn opens_anything(&self) -> bool {
        if self.text.contains(['\r', '\u{85}', '\u{2028}', '\u{2029}']) {
            return true;
        }
        let closed = |quote: char, not_within: &[char]| {
            let inner = self.value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
            inner.is_some_and(|inner| !inner.contains(not_within))
        };
        self.value.contains(['"', '\'', '{', '}', '[', ']'])
            && !matches!(self.value, "{}" | "[]")
            && !closed('"', &['"', '\\'])
            && !closed('\'', &['\''])
            && !self.value.starts_with('#')
    }
}

#[cfg(test)]
mod tests;
