//! Splits text into words as systemd does, with quotes and escapes.
//!
//! Follows `extract_first_word()` in `src/basic/extract-word.c` and `cunescape_one()` in
//! `src/basic/escape.c` of systemd 252.

use crate::text::{is_blank, is_unit_char, trim_start};

/// The treatment of backslashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escapes {
    /// C escapes are resolved; other escapes are an error.
    Strict,
    /// C escapes are resolved; other escapes are kept.
    Relaxed,
    /// A backslash is an ordinary character.
    Kept,
    /// A backslash is dropped, and the next character is kept.
    Dropped,
}

/// The rules for splitting text into words.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WordRules {
    /// True if single and double quotes group words and are removed.
    pub(crate) unquote: bool,
    /// Treatment of backslashes.
    pub(crate) escapes: Escapes,
}

/// A word that is not valid under the given rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WordError {
    /// A quote is not closed.
    Quote,
    /// A backslash escapes nothing.
    Escape,
}

/// A word, and the remaining text after white space.
pub(crate) type Split<'a> = (Vec<u8>, &'a [u8]);

/// Splits the first word off `text`; `None` if only white space is left.
pub(crate) fn first_word(text: &[u8], rules: WordRules) -> Result<Option<Split<'_>>, WordError> {
    let mut rest = trim_start(text);
    if rest.is_empty() {
        return Ok(None);
    }
    let mut word = Vec::new();
    let mut quote = None;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (quote, byte) {
            (_, b'\\') if rules.escapes != Escapes::Kept => {
                rest = unescape(rest, rules.escapes, quote.is_some(), &mut word)?;
            }
            (Some(open), _) if byte == open => quote = None,
            (None, b'\'' | b'"') if rules.unquote => quote = Some(byte),
            (None, _) if is_blank(byte) => return Ok(Some((word, trim_start(rest)))),
            _ => word.push(byte),
        }
    }
    // systemd splits the values of variables with `EXTRACT_RELAX`.
    if quote.is_some() && rules.escapes != Escapes::Dropped {
        Err(WordError::Quote)
    } else {
        Ok(Some((word, rest)))
    }
}

/// Resolves the escape after a backslash, and returns the remaining text.
fn unescape<'a>(
    text: &'a [u8],
    escapes: Escapes,
    quoted: bool,
    word: &mut Vec<u8>,
) -> Result<&'a [u8], WordError> {
    let Some((&byte, after)) = text.split_first() else {
        // The backslash is the last character.
        return match escapes {
            Escapes::Dropped => Ok(text),
            Escapes::Relaxed if !quoted => {
                word.push(b'\\');
                Ok(text)
            }
            _ => Err(if quoted { WordError::Quote } else { WordError::Escape }),
        };
    };
    if escapes == Escapes::Dropped {
        word.push(byte);
        return Ok(after);
    }
    match (escape(byte, after), escapes) {
        (Some((Escaped::Byte(value), rest)), _) => {
            word.push(value);
            Ok(rest)
        }
        (Some((Escaped::Code(code), rest)), _) => {
            push_utf8(word, code);
            Ok(rest)
        }
        (None, Escapes::Relaxed) => {
            word.extend([b'\\', byte]);
            Ok(after)
        }
        (None, _) => Err(WordError::Escape),
    }
}

/// The resolved value of an escape sequence.
enum Escaped {
    /// One byte, not necessarily valid UTF-8.
    Byte(u8),
    /// A code point, not encoded yet. Surrogates are possible: systemd accepts them in `\uXXXX`.
    Code(u32),
}

/// Resolves the escape sequence that starts with `byte`; NUL is rejected.
fn escape(byte: u8, after: &[u8]) -> Option<(Escaped, &[u8])> {
    let simple = match byte {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b's' => b' ',
        b'\\' | b'"' | b'\'' => byte,
        b'x' => {
            let (value, rest) = digits(after, 2, 16)?;
            return Some((Escaped::Byte(u8::try_from(value).ok()?), rest));
        }
        b'u' => {
            let (code, rest) = digits(after, 4, 16)?;
            return Some((Escaped::Code(code), rest));
        }
        b'U' => {
            let (code, rest) = digits(after, 8, 16)?;
            let valid = char::from_u32(code).is_some_and(is_unit_char);
            return valid.then_some((Escaped::Code(code), rest));
        }
        b'0'..=b'7' => {
            let (tail, rest) = octal_tail(byte, after)?;
            return Some((Escaped::Byte(tail), rest));
        }
        _ => return None,
    };
    Some((Escaped::Byte(simple), after))
}

/// Parses exactly `count` digits; zero is rejected.
fn digits(text: &[u8], count: usize, radix: u32) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_at_checked(count)?;
    let mut value = 0;
    for &digit in digits {
        value = value * radix + char::from(digit).to_digit(radix)?;
    }
    (value != 0).then_some((value, rest))
}

/// Parses the last two digits of `\NNN`; zero and values above one byte are rejected.
fn octal_tail(first: u8, after: &[u8]) -> Option<(u8, &[u8])> {
    let (tail, rest) = after.split_at_checked(2)?;
    let mut value = u32::from(first - b'0');
    for &digit in tail {
        value = value * 8 + char::from(digit).to_digit(8)?;
    }
    let value = u8::try_from(value).ok()?;
    (value != 0).then_some((value, rest))
}

/// Encodes a code point as UTF-8, including surrogates. Code points above four hexadecimal digits
/// are valid characters.
fn push_utf8(word: &mut Vec<u8>, code: u32) {
    if let Some(character) = char::from_u32(code) {
        word.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        return;
    }
    let six_bits = |shift: u32| 0x80 | u8::try_from((code >> shift) & 0x3f).unwrap_or_default();
    word.extend([
        0xe0 | u8::try_from((code >> 12) & 0x0f).unwrap_or_default(),
        six_bits(6),
        six_bits(0),
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMAND: WordRules = WordRules { unquote: true, escapes: Escapes::Strict };

    fn words(text: &str, rules: WordRules) -> Result<Vec<Vec<u8>>, WordError> {
        let (mut rest, mut words) = (text.as_bytes(), Vec::new());
        while let Some((word, after)) = first_word(rest, rules)? {
            words.push(word);
            rest = after;
        }
        Ok(words)
    }

    #[test]
    fn quotes_hold_words_together_and_are_removed() {
        assert_eq!(
            words(r#" a "b c"d 'e "f' "" g"#, COMMAND).unwrap(),
            [&b"a"[..], b"b cd", b"e \"f", b"", b"g"]
        );
        assert_eq!(words("\"a", COMMAND), Err(WordError::Quote));
        assert_eq!(words("\"a\\", COMMAND), Err(WordError::Quote));
        assert_eq!(words("\t\r\n ", COMMAND).unwrap(), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn escapes_are_those_of_c_and_a_few_more() {
        let text = r#"\a\b\f\n\r\t\v\\\"\'\s \x41\xff \101\377 \u00e9\ud800 \U0001F600 'a\'b'"#;
        let expected: [&[u8]; 6] = [
            b"\x07\x08\x0c\n\r\t\x0b\\\"' ",
            b"A\xff",
            b"A\xff",
            b"\xc3\xa9\xed\xa0\x80",
            "\u{1f600}".as_bytes(),
            b"a'b",
        ];
        assert_eq!(words(text, COMMAND).unwrap(), expected);
    }

    #[test]
    fn an_escape_that_is_none_is_refused_or_stays() {
        let relaxed = WordRules { escapes: Escapes::Relaxed, ..COMMAND };
        for text in [
            r"\q",
            r"\x4",
            r"\x00",
            r"\400",
            r"\000",
            r"\08",
            r"\u12",
            r"\U00110000",
            r"\U0000ffff",
            r"\;",
            "\\",
        ] {
            assert_eq!(words(text, COMMAND), Err(WordError::Escape), "{text}");
            assert_eq!(words(text, relaxed).unwrap(), [text.as_bytes()], "{text}");
        }
    }

    #[test]
    fn names_of_units_keep_their_backslashes() {
        let names = WordRules { unquote: true, escapes: Escapes::Kept };
        assert_eq!(words(r#"a\x2db.target "c""#, names).unwrap(), [&br"a\x2db.target"[..], b"c"]);
        let also = WordRules { unquote: false, escapes: Escapes::Dropped };
        assert_eq!(words(r#"a\x2db.target "c""#, also).unwrap(), [&b"ax2db.target"[..], b"\"c\""]);
    }
}
