//! Specifiers and variables in a command.

use crate::environment::Surroundings;
use crate::exec::word::{Escapes, WordRules, first_word};

/// Specifiers that systemd 252 resolves in a command (`unit_full_printf_full()` in
/// `src/core/unit-printf.c`).
const SPECIFIERS: &[u8] = b"iIjJnNpPfyYcrRCdELSthsaAbBHlmMoqvwWgGuUTV";

/// A text with resolved `%%`, and its other specifiers.
pub(crate) struct Specified {
    /// Text, in which specifiers that depend on the unit or the machine are unchanged.
    pub(crate) text: Vec<u8>,
    /// Each unresolved specifier as `%x`.
    pub(super) specifiers: Vec<[u8; 2]>,
    /// First invalid specifier as `%x`, for which systemd rejects the text.
    pub(super) unknown: Option<[u8; 2]>,
}

/// Resolves `%%` and the specifiers that `known` returns.
///
/// Follows `specifier_printf()` in `src/shared/specifier.c`: `%` is literal at the end and before
/// any character other than a letter or digit.
pub(crate) fn specifiers<'k>(text: &[u8], known: impl Fn(u8) -> Option<&'k str>) -> Specified {
    let mut out =
        Specified { text: Vec::with_capacity(text.len()), specifiers: Vec::new(), unknown: None };
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        out.text.push(byte);
        if byte != b'%' {
            continue;
        }
        match bytes.next() {
            None | Some(b'%') => {}
            Some(letter) => {
                if let Some(meaning) = known(letter) {
                    out.text.pop();
                    out.text.extend_from_slice(meaning.as_bytes());
                    continue;
                }
                out.text.push(letter);
                if SPECIFIERS.contains(&letter) {
                    out.specifiers.push([b'%', letter]);
                } else if letter.is_ascii_alphanumeric() {
                    out.unknown = out.unknown.or(Some([b'%', letter]));
                }
            }
        }
    }
    out
}

/// An argument with resolved `$$`, and its references to variables.
pub(super) struct Expanded {
    /// Argument, in which references are unchanged.
    pub(super) text: Vec<u8>,
    /// Each reference, as `$NAME` or `${NAME}`.
    pub(super) references: Vec<Vec<u8>>,
}

/// Resolves `$$`. Follows `replace_env_argv()` in `src/basic/env-util.c`: an argument `$NAME` is
/// replaced by the words of the variable, and `${NAME}` anywhere by its value. Any other `$` is
/// literal.
pub(super) fn variables(text: &[u8]) -> Expanded {
    if text.first() == Some(&b'$') && !matches!(text.get(1), Some(b'{' | b'$')) {
        return Expanded { text: text.to_vec(), references: vec![text.to_vec()] };
    }
    let mut out = Expanded { text: Vec::with_capacity(text.len()), references: Vec::new() };
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        out.text.push(byte);
        rest = after;
        if byte != b'$' {
            continue;
        }
        match after.split_first() {
            Some((b'$', after_second)) => rest = after_second,
            Some((b'{', name)) => {
                // A reference ends at its brace; with a colon before the brace, the text is not a
                // reference.
                let end =
                    name.iter().position(|byte| matches!(byte, b'}' | b':')).unwrap_or(name.len());
                let is_reference = name.get(end) == Some(&b'}');
                let length = "{".len() + end + usize::from(end < name.len());
                let (taken, left) = after.split_at_checked(length).unwrap_or((after, b""));
                out.text.extend_from_slice(taken);
                if is_reference {
                    out.references.push([b"$", taken].concat());
                }
                rest = left;
            }
            // The next character is literal, even if it is a quote or another letter.
            Some((&other, left)) => {
                out.text.push(other);
                rest = left;
            }
            None => {}
        }
    }
    out
}

/// Returns the words into which an argument expands, with the references of [`variables`] replaced.
/// An unset variable is empty, and an argument that is only `$NAME` of an unset variable
/// disappears.
pub(super) fn expanded(text: &[u8], around: &Surroundings) -> Vec<Vec<u8>> {
    if let Some(name) = text.strip_prefix(b"$")
        && !matches!(name.first(), Some(b'{' | b'$'))
    {
        let rules = WordRules { unquote: true, escapes: Escapes::Dropped };
        let (mut words, mut rest) = (Vec::new(), around.variable(name).as_bytes());
        while let Ok(Some((word, after))) = first_word(rest, rules) {
            words.push(word);
            rest = after;
        }
        return words;
    }
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'$' {
            out.push(byte);
            continue;
        }
        if let Some(after) = after.strip_prefix(b"$") {
            out.push(b'$');
            rest = after;
            continue;
        }
        let name = after.strip_prefix(b"{");
        let end = name.and_then(|name| name.iter().position(|byte| matches!(byte, b'}' | b':')));
        match name.zip(end).filter(|(name, end)| name.get(*end) == Some(&b'}')) {
            Some((name, end)) => {
                let (name, after) = name.split_at_checked(end).unwrap_or((name, b""));
                out.extend_from_slice(around.variable(name).as_bytes());
                rest = after.strip_prefix(b"}").unwrap_or(after);
            }
            None => out.push(b'$'),
        }
    }
    vec![out]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_variable_is_words_and_one_in_braces_is_text() {
        let unit = "x.service".parse().unwrap();
        let around = Surroundings::of(unit).with_file("A=\"--v=2  --w='x y'\"\nE=\"\"\n");
        let words = |text: &str| -> Vec<String> {
            let words = expanded(text.as_bytes(), &around).into_iter();
            words.map(|word| String::from_utf8(word).unwrap()).collect()
        };
        assert_eq!(words("$A"), ["--v=2", "--w=x y"]);
        assert_eq!(words("${A}"), ["--v=2  --w='x y'"]);
        assert_eq!(words("x$A"), ["x$A"]);
        assert_eq!(words("--a=${A:-b}$$"), ["--a=${A:-b}$"]);
        assert_eq!(words("$E"), Vec::<String>::new());
        assert_eq!(words("$NONE"), Vec::<String>::new());
        assert_eq!(words("${NONE}"), [""]);
    }

    #[test]
    fn only_a_letter_or_digit_makes_a_specifier() {
        for (text, resolved, found, unknown) in [
            ("50%%", "50%", &[][..], None),
            ("50%", "50%", &[], None),
            ("%-%é", "%-%é", &[], None),
            ("%n-%i", "%n-%i", &[*b"%n", *b"%i"], None),
            ("%%n", "%n", &[], None),
            ("%z%0", "%z%0", &[], Some(*b"%z")),
        ] {
            let out = specifiers(text.as_bytes(), |_| None);
            assert_eq!(
                (out.text, &out.specifiers[..], out.unknown),
                (resolved.into(), found, unknown),
                "{text}"
            );
        }
    }

    #[test]
    fn variables_are_found_where_systemd_replaces_them() {
        for (text, resolved, references) in [
            ("$$HOME", "$HOME", &[][..]),
            ("a$$$$b", "a$$b", &[]),
            ("$HOME", "$HOME", &["$HOME"]),
            ("$", "$", &["$"]),
            ("a$HOME", "a$HOME", &[]),
            ("a$", "a$", &[]),
            ("${A}b${C}", "${A}b${C}", &["${A}", "${C}"]),
            ("${A:-b}", "${A:-b}", &[]),
            ("${A", "${A", &[]),
            ("x${A$$", "x${A$$", &[]),
            ("x${A:$$", "x${A:$", &[]),
            ("${A}$$", "${A}$", &["${A}"]),
        ] {
            let out = variables(text.as_bytes());
            let expected: Vec<Vec<u8>> =
                references.iter().map(|reference| reference.as_bytes().to_vec()).collect();
            assert_eq!((out.text, out.references), (resolved.into(), expected), "{text}");
        }
    }
}
