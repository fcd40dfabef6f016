//! Resolves plain (unquoted) scalars as goyaml.v2 does: YAML 1.1 with some exceptions.
//! Reference: <https://github.com/kubernetes-sigs/yaml/blob/v1.4.0/goyaml.v2/resolve.go>

use super::timestamp::is_timestamp;

/// The resolved type of a plain scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plain {
    Text,
    Null,
    Bool(bool),
    Number,
    /// Quoted when printed, but read as text, as in goyaml.v2.
    Timestamp,
}

/// Resolves a plain scalar.
pub(crate) fn resolve(text: &str) -> Plain {
    let Some(first) = text.bytes().next() else {
        return Plain::Null;
    };
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => word(text),
        b'.' if is_special_float(text) || is_go_float(text) => Plain::Number,
        b'0'..=b'9' | b'+' | b'-' => number_or_timestamp(text),
        _ => Plain::Text,
    }
}

/// Returns `true` if `text` is a base-60 float such as `1:30`: goyaml.v2 reads it as text, but
/// quotes it for other readers.
pub(crate) fn is_base60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let mut parts = unsigned.split(':');
    let whole = parts.next().unwrap_or_default();
    if !all(whole, |b| b.is_ascii_digit() || b == b'_') {
        return false;
    }
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return false;
    }
    while let Some(part) = parts.next() {
        let digits = match part.split_once('.') {
            Some((digits, fraction)) if parts.peek().is_none() => {
                if !fraction.bytes().all(|b| b.is_ascii_digit() || b == b'_') {
                    return false;
                }
                digits
            }
            Some(_) => return false,
            None => part,
        };
        match digits.as_bytes() {
            [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9'] => {}
            _ => return false,
        }
    }
    true
}

fn word(text: &str) -> Plain {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Plain::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Plain::Bool(false)
        }
        "~" | "null" | "Null" | "NULL" => Plain::Null,
        _ => Plain::Text,
    }
}

fn number_or_timestamp(text: &str) -> Plain {
    if is_timestamp(text) {
        return Plain::Timestamp;
    }
    let digits: String;
    let plain = if text.contains('_') {
        digits = text.replace('_', "");
        &digits
    } else {
        text
    };
    if is_special_float(text) || is_integer(plain) || is_yaml_float(plain) || is_binary(plain) {
        Plain::Number
    } else {
        Plain::Text
    }
}

fn is_special_float(text: &str) -> bool {
    matches!(text, ".nan" | ".NaN" | ".NAN")
        || matches!(text.strip_prefix(['+', '-']).unwrap_or(text), ".inf" | ".Inf" | ".INF")
}

/// Reports whether Go's `ParseInt(text, 0, 64)` or `ParseUint(text, 0, 64)` accepts the text: the
/// prefix determines the base.
fn is_integer(text: &str) -> bool {
    let (signed, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, digits.get(2..)),
        [b'0', b'o' | b'O', ..] => (8, digits.get(2..)),
        [b'0', b'b' | b'B', ..] => (2, digits.get(2..)),
        [b'0', _, ..] => (8, digits.get(1..)),
        _ => (10, Some(digits)),
    };
    in_range(digits.unwrap_or_default(), base, signed, text.starts_with('-'))
}

/// Reports whether the number fits in an `i64`, or without a sign in a `u64`.
fn in_range(digits: &str, base: u32, signed: bool, negative: bool) -> bool {
    if !all(digits, |b| char::from(b).is_digit(base)) {
        return false;
    }
    let Ok(value) = u64::from_str_radix(digits, base) else {
        return false;
    };
    match (signed, negative) {
        (false, _) => true,
        (true, true) => value <= i64::MIN.unsigned_abs(),
        (true, false) => value <= i64::MAX.unsigned_abs(),
    }
}

/// Reports whether goyaml.v2's separate attempt for `0b` succeeds, which accepts a second sign
/// after `0b`.
fn is_binary(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("0b") else {
        return false;
    };
    match rest.strip_prefix(['+', '-']) {
        Some(digits) => in_range(digits, 2, true, rest.starts_with('-')),
        None => in_range(rest, 2, false, false),
    }
}

/// Matches `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?` with a finite value.
fn is_yaml_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| all(text, |b| b.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => digits(fraction),
        Some((whole, "")) => digits(whole),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|e| digits(e.strip_prefix(['+', '-']).unwrap_or(e)));
    // Go returns an error for a value out of range, so that the scalar stays text; Rust returns an
    // infinity.
    mantissa_fits && exponent_fits && text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// Reports whether Go's `ParseFloat` accepts a text that starts with a dot: underscores are allowed
/// between digits.
fn is_go_float(text: &str) -> bool {
    let bytes = text.as_bytes();
    let between_digits = |index: usize| {
        let digit =
            |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
        digit(index.checked_sub(1)) && digit(index.checked_add(1))
    };
    let underscores_fit =
        bytes.iter().enumerate().all(|(index, byte)| *byte != b'_' || between_digits(index));
    underscores_fit && is_yaml_float(&text.replace('_', ""))
}

/// Reports whether the text has at least one byte and all bytes match.
fn all(text: &str, fits: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_yaml_1_1_are_not_text() {
        for text in ["yes", "Off", "y", "N", "TRUE", "on"] {
            assert!(matches!(resolve(text), Plain::Bool(_)), "{text}");
        }
        for text in ["", "~", "null", "Null", "NULL"] {
            assert_eq!(resolve(text), Plain::Null, "{text}");
        }
        for text in ["yEs", "nULL", "oN", "truE", "yes ", "~~"] {
            assert_eq!(resolve(text), Plain::Text, "{text}");
        }
    }

    #[test]
    fn numbers_are_what_go_parses() {
        let numbers = [
            "0",
            "-1",
            "+1",
            "017",
            "08",
            "0o17",
            "0x1F",
            "-0x1f",
            "0b101",
            "0b-1",
            "0b+1",
            "1_000",
            "1__0_",
            "1e3",
            "1.",
            ".5",
            "-.5",
            "1.5E-3",
            ".inf",
            "-.Inf",
            "+.INF",
            ".nan",
            ".1_0",
            ".1e1_0",
            "18446744073709551615",
            "99999999999999999999",
            "1e-400",
        ];
        for text in numbers {
            assert_eq!(resolve(text), Plain::Number, "{text}");
        }
        let texts = [
            "-", "+", "0x", "0o8", "0b2", "-0b-1", "1e400", ".5e400", "._1", ".1_", "1:30",
            "1.2.3", ".", "..", "1e", "0xg", "-.nan", "--1", "1 ",
        ];
        for text in texts {
            assert_eq!(resolve(text), Plain::Text, "{text}");
        }
    }

    #[test]
    fn base_60_is_recognised() {
        for text in ["1:30", "1:2", "-1:59:59", "1_0:30.5_", "190:20:30.15", "9:0", "1:30."] {
            assert!(is_base60(text), "{text}");
        }
        for text in ["1:60", "1:", ":1", "1:2:", "a:1", "1:2.5:3", "1:2x", "12", "_1:30", "1:030"] {
            assert!(!is_base60(text), "{text}");
        }
    }
}
