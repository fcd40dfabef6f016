//! Prints one scalar in the style of goyaml.v2.

use super::buffer::Buffer;
use crate::yaml::resolve::is_base60;
use crate::yaml::{Plain, resolve};

/// Column after which lines are folded at the next single blank.
const BEST_WIDTH: usize = 80;

/// Maximum length in bytes of a key without `? `.
const LONGEST_SIMPLE_KEY: usize = 128;

/// Writes a value. Continuation lines are indented by `indent` blanks.
pub(super) fn write(out: &mut Buffer, text: &str, indent: usize) {
    match style(text) {
        Style::Plain => flow(out, text, indent, Quote::None),
        Style::Single => flow(out, text, indent, Quote::Single),
        Style::Double => double_quoted(out, text, Some(indent)),
        Style::Literal => literal(out, text, indent),
    }
}

/// Writes a key for which [`is_simple_key`] is true, always in one line.
pub(super) fn write_key(out: &mut Buffer, key: &str) {
    // goyaml.v2 writes `<<` without quotes, which readers take for a merge key.
    let style = if key == "<<" { Style::Single } else { style(key) };
    match style {
        Style::Plain => out.push(key),
        Style::Single => {
            out.push("'");
            out.push(&key.replace('\'', "''"));
            out.push("'");
        }
        Style::Double | Style::Literal => double_quoted(out, key, None),
    }
}

/// Returns `true` if a key can be written before `:` without the `? ` of an explicit key.
pub(super) fn is_simple_key(key: &str) -> bool {
    key.len() <= LONGEST_SIMPLE_KEY && !key.contains(is_break)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

fn style(text: &str) -> Style {
    let other_type = resolve(text) != Plain::Text || is_base60(text);
    let allowed = Allowed::of(text);
    if text.contains('\n') && allowed.literal {
        Style::Literal
    } else if other_type || text.contains('\n') {
        Style::Double
    } else if allowed.plain {
        Style::Plain
    } else if allowed.single {
        Style::Single
    } else {
        Style::Double
    }
}

/// The styles that can represent a text.
struct Allowed {
    plain: bool,
    single: bool,
    literal: bool,
}

impl Allowed {
    fn of(text: &str) -> Self {
        // Fast path for common texts: base64, names, paths.
        if text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'_'))
        {
            return Self { plain: true, single: true, literal: true };
        }
        let mut indicator =
            text.starts_with("---") || text.starts_with("...") || starts_with_indicator(text);
        let (mut special, mut breaks, mut space_break, mut break_space) =
            (false, false, false, false);
        let mut before = None;
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            let blank_follows = chars.peek().is_none_or(|next| matches!(next, ' ' | '\t'));
            let blank_before = before.is_some_and(|c| matches!(c, ' ' | '\t') || is_break(c));
            indicator |=
                (char == ':' && blank_follows && before.is_some()) || (char == '#' && blank_before);
            special |= !is_printable(char);
            breaks |= is_break(char);
            space_break |= is_break(char) && before == Some(' ');
            break_space |= char == ' ' && before.is_some_and(is_break);
            before = Some(char);
        }
        let at_edge = |edge: fn(char) -> bool| text.starts_with(edge) || text.ends_with(edge);
        let edged = at_edge(|c| c == ' ' || is_break(c));
        let unfit = space_break || special;
        Self {
            plain: !(indicator || breaks || edged || unfit),
            single: !(break_space || unfit),
            literal: !(text.ends_with(' ') || unfit),
        }
    }
}

fn starts_with_indicator(text: &str) -> bool {
    let mut chars = text.chars();
    let first = chars.next();
    let blank_follows = chars.next().is_none_or(|next| matches!(next, ' ' | '\t'));
    match first {
        Some('?' | ':' | '-') => blank_follows,
        Some(first) => "#,[]{}&*!|>'\"%@`".contains(first),
        None => false,
    }
}

/// Reports whether YAML 1.1 has the character as a line break.
fn is_break(char: char) -> bool {
    matches!(char, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Reports whether goyaml.v2 writes the character without an escape: only characters of the basic
/// plane.
fn is_printable(char: char) -> bool {
    matches!(char, '\n' | ' '..='~' | '\u{A0}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}')
        && char != '\u{FEFF}'
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    None,
    Single,
}

/// Writes plain and single-quoted scalars, which are folded alike.
fn flow(out: &mut Buffer, text: &str, indent: usize, quote: Quote) {
    let single = quote == Quote::Single;
    if single {
        out.push("'");
    }
    // 0xE2 is the first byte of the Unicode line breaks.
    if text.bytes().any(|b| matches!(b, b' ' | b'\'' | 0xE2)) {
        folded(out, text, indent, single);
    } else {
        out.push(text);
    }
    if single {
        out.push("'");
    }
}

fn folded(out: &mut Buffer, text: &str, indent: usize, single: bool) {
    let mut column = out.column();
    let (mut after_space, mut after_break, mut first) = (false, false, true);
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let next = chars.peek().copied();
        if char == ' ' {
            let inside = !single || (!first && next.is_some());
            if !after_space && column > BEST_WIDTH && inside && next != Some(' ') {
                out.push("\n");
                out.pad(indent);
                column = indent;
            } else {
                out.push(" ");
                column += 1;
            }
            after_space = true;
        } else if is_break(char) {
            // Only LS and PS reach this branch: a newline requires a literal scalar, other breaks a
            // double-quoted one.
            out.push_char(char);
            column = 0;
            after_break = true;
        } else {
            if after_break {
                out.pad(indent);
                column = indent;
            }
            if single && char == '\'' {
                out.push("'");
                column += 1;
            }
            out.push_char(char);
            column += 1;
            (after_space, after_break) = (false, false);
        }
        first = false;
    }
}

/// Writes a double-quoted scalar. `indent` is `None` in a key, which is never folded.
fn double_quoted(out: &mut Buffer, text: &str, indent: Option<usize>) {
    out.push("\"");
    // For every character, goyaml.v2 checks the start of the text for a byte order mark.
    let escape_all = text.starts_with('\u{FEFF}');
    let fold = indent.filter(|_| text.contains(' ') && !escape_all);
    let mut column = if fold.is_some() { out.column() } else { 0 };
    let (mut after_space, mut first) = (false, true);
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let next = chars.peek().copied();
        if escape_all || !is_printable(char) || is_break(char) || matches!(char, '"' | '\\') {
            column += escape(out, char);
            after_space = false;
        } else if char == ' ' {
            match fold {
                Some(indent) if !after_space && column > BEST_WIDTH && !first && next.is_some() => {
                    out.push("\n");
                    out.pad(indent);
                    column = indent;
                    if next == Some(' ') {
                        out.push("\\");
                        column += 1;
                    }
                }
                _ => {
                    out.push(" ");
                    column += 1;
                }
            }
            after_space = true;
        } else {
            out.push_char(char);
            column += 1;
            after_space = false;
        }
        first = false;
    }
    out.push("\"");
}

/// Writes an escape sequence and returns its width.
fn escape(out: &mut Buffer, char: char) -> usize {
    let short = match char {
        '\0' => "\\0",
        '\u{7}' => "\\a",
        '\u{8}' => "\\b",
        '\t' => "\\t",
        '\n' => "\\n",
        '\u{B}' => "\\v",
        '\u{C}' => "\\f",
        '\r' => "\\r",
        '\u{1B}' => "\\e",
        '"' => "\\\"",
        '\\' => "\\\\",
        '\u{85}' => "\\N",
        '\u{A0}' => "\\_",
        '\u{2028}' => "\\L",
        '\u{2029}' => "\\P",
        _ => "",
    };
    if !short.is_empty() {
        out.push(short);
        return short.len();
    }
    let long = match u32::from(char) {
        code @ 0..=0xFF => format!("\\x{code:02X}"),
        code @ 0x100..=0xFFFF => format!("\\u{code:04X}"),
        code => format!("\\U{code:08X}"),
    };
    out.push(&long);
    long.len()
}

fn literal(out: &mut Buffer, text: &str, indent: usize) {
    out.push("|");
    if text.starts_with([' ', '\n', '\u{2028}', '\u{2029}']) {
        out.push("2");
    }
    let mut backwards = text.chars().rev();
    match (backwards.next().is_some_and(is_break), backwards.next().is_none_or(is_break)) {
        (false, _) => out.push("-"),
        (true, true) => out.push("+"),
        (true, false) => {}
    }
    out.push("\n");
    let mut at_start = true;
    for piece in text.split_inclusive(is_break) {
        let is_empty_line = piece.chars().next().is_some_and(is_break);
        if at_start && !is_empty_line {
            out.pad(indent);
        }
        out.push(piece);
        at_start = piece.ends_with(is_break);
    }
}

#[cfg(test)]
mod tests;
