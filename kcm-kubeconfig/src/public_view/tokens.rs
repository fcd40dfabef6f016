//! Tokens of a kubeconfig, defined so that a POSIX shell with sed can find the same ones.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

pub(super) struct Rules {
    line_end: Regex,
    first_marker: Regex,
    next_marker: Regex,
    /// A block scalar with lines of base64; `joined` matches one that is already in one line.
    wrapped: Regex,
    joined: Regex,
    /// One token; the first matching alternative is the longest.
    pub(super) token: Regex,
}

pub(super) static RULES: LazyLock<Result<Rules, regex::Error>> = LazyLock::new(|| {
    let inner = r"[^\] \t\n,\[{}:#?]";
    let first = format!("(?:[^\\] \\t\\n,\\[{{}}:#?&*!|>%@\"'`-]|-+{inner})");
    let atom = format!("(?:/\\[[0-9A-Fa-f:.]*\\]|{inner}|#|:+(?:{inner}|#))");
    let plain = format!("{first}{atom}*(?:[ \\t]+(?:{inner}|:+(?:{inner}|#)){atom}*)*");
    Ok(Rules {
        line_end: Regex::new(r"[ \t\r]+(\n|$)")?,
        first_marker: Regex::new(r"^((?:(?:[ \t]*#[^\n]*)?\n)*)---([ \t\n]|$)")?,
        next_marker: Regex::new(r"(?s)\n(?:---|\.\.\.)(?:[ \t\n].*)?$")?,
        wrapped: Regex::new(
            r#"(-data["']?:)[ \t]*[|][-+0-9]*( *[A-Za-z0-9+/=]*)(\n+)[ \t]+([A-Za-z0-9+/=]+)(\n|$)"#,
        )?,
        joined: Regex::new(r#"(-data["']?:) [|] +([A-Za-z0-9+/=])"#)?,
        token: Regex::new(&format!(
            "(?s)(?:{plain}|\"(?:[^\"\\\\]|\\\\.)*\"|'(?:[^']|'')*')(?:[ \\t]*:)?|\\n[ \\t]*|[ \\t]+\
             |#[^\\n]*|[&*][^\\] \\t\\n,\\[{{}}]*|-\\n[ \\t]*|-[ \\t]+|."
        ))?,
    })
});

/// Normalises the text for tokenisation; `None` if it contains characters that make that unsafe.
pub(super) fn normal(text: &str, rules: &Rules) -> Option<String> {
    let is_odd = |c: char| {
        (c.is_ascii_control() && !matches!(c, '\t' | '\r' | '\n'))
            || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}')
    };
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.contains(is_odd) || text.split("\r\n").any(|part| part.contains('\r')) {
        return None;
    }
    let text = rules.line_end.replace_all(text, "$1");
    let text = rules.first_marker.replace(&text, "$1   $2");
    let mut text = rules.next_marker.replace(&text, "").into_owned();
    while let Cow::Owned(joined) = rules.wrapped.replace(&text, "$1 | $2$4$3$5") {
        text = joined;
    }
    let text = rules.joined.replace_all(&text, "$1 $2").into_owned();
    Some(text)
}

/// Reports whether this token is a plain scalar and not a key.
pub(super) fn is_plain(token: &str) -> bool {
    let is_dash = token == "-"
        || token.starts_with("- ")
        || token.starts_with("-\t")
        || token.starts_with("-\n");
    !is_dash
        && !token.ends_with(':')
        && !token.starts_with([
            '[', ']', '{', '}', ',', '?', '"', '\'', '|', '>', '&', '*', '!', '%', '@', '`',
        ])
}
