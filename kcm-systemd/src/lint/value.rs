//! Parses values as the program's flag types do.

use std::net::{IpAddr, Ipv4Addr};

use crate::flags::FlagKind;

/// Returns the reason a value does not have its type; `None` if it does, or if the type accepts any
/// text.
pub(super) fn problem(kind: FlagKind, text: &str) -> Option<&'static str> {
    let (valid, problem) = match kind {
        FlagKind::Bool => (boolean(text).is_some(), "is not `true` or `false`"),
        FlagKind::Integer => (integer(text, 64).is_some(), "is not a 64-bit integer"),
        FlagKind::Int32 => (integer(text, 32).is_some(), "is not a 32-bit integer"),
        FlagKind::IntegerList => {
            (text.split(',').all(|item| integer(item, 32).is_some()), "is not a list of integers")
        }
        FlagKind::Float => (float(text).is_some(), "is not a number"),
        FlagKind::Float32 => (float32(text), "is not a single-precision number"),
        FlagKind::Duration => (duration(text).is_some(), "is not a duration"),
        FlagKind::Ip => {
            let text = text.trim();
            (text.is_empty() || text.parse::<IpAddr>().is_ok(), "is not an IP address")
        }
        FlagKind::Quantity => (is_quantity(text), "is not a Kubernetes quantity such as `64Ki`"),
        FlagKind::StringList => (csv(text).is_some(), "has unbalanced quotes"),
        _ => return None,
    };
    (!valid).then_some(problem)
}

/// Parses a boolean, by [`strconv.ParseBool`](https://pkg.go.dev/strconv#ParseBool).
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Parses an integer with any of Go's prefixes, by
/// [`strconv.ParseInt`](https://pkg.go.dev/strconv#ParseInt) with base 0.
pub(super) fn integer(text: &str, bits: u32) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let prefix = digits.get(..2).unwrap_or_default().to_ascii_lowercase();
    let (radix, number) = match prefix.as_str() {
        "0x" => (16, digits.get(2..)?),
        "0o" => (8, digits.get(2..)?),
        "0b" => (2, digits.get(2..)?),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    if !underscores_part_digits(number, radix != 10) || number.starts_with(['+', '-']) {
        return None;
    }
    let magnitude = i128::from_str_radix(&number.replace('_', ""), radix).ok()?;
    let value = if negative { -magnitude } else { magnitude };
    let limit = 1_i128 << (bits - 1);
    (-limit..limit).contains(&value).then(|| i64::try_from(value).ok()).flatten()
}

/// Reports whether every `_` is between digits; a base prefix counts as a digit.
fn underscores_part_digits(number: &str, is_prefixed: bool) -> bool {
    let mut before = if is_prefixed { '0' } else { '_' };
    for c in number.chars() {
        if c == '_' && !before.is_ascii_alphanumeric() {
            return false;
        }
        if before == '_' && !c.is_ascii_alphanumeric() {
            return false;
        }
        before = c;
    }
    before != '_'
}

/// Parses a number, by [`strconv.ParseFloat`](https://pkg.go.dev/strconv#ParseFloat). Hexadecimal
/// numbers are not evaluated.
pub(super) fn float(text: &str) -> Option<f64> {
    let bare = text.trim_start_matches(['+', '-']);
    if text.len() - bare.len() > 1 || text == "+nan" || text == "-nan" {
        return None;
    }
    if let Some(hexadecimal) = bare.to_ascii_lowercase().strip_prefix("0x") {
        let (mantissa, exponent) = hexadecimal.split_once('p')?;
        let digits = mantissa.replace(['.', '_'], "");
        let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        return (valid && exponent.parse::<i32>().is_ok()).then_some(f64::NAN);
    }
    let value: f64 = text.replace('_', "").parse().ok()?;
    let is_named = bare.starts_with(['i', 'I', 'n', 'N']);
    (value.is_finite() || is_named).then_some(value)
}

fn float32(text: &str) -> bool {
    float(text).is_some_and(|value| !value.is_finite() || value.abs() <= f64::from(f32::MAX))
}

/// Parses a duration to nanoseconds, by
/// [`time.ParseDuration`](https://pkg.go.dev/time#ParseDuration).
pub(super) fn duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut nanoseconds = 0_i128;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let is_number = |c: char| c.is_ascii_digit() || c == '.';
        let (number, tail) = rest.split_at_checked(rest.find(|c| !is_number(c))?)?;
        let (unit, tail) = tail.split_at_checked(tail.find(is_number).unwrap_or(tail.len()))?;
        let scale: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        nanoseconds = nanoseconds.checked_add(scaled(number, scale)?)?;
        rest = tail;
    }
    i64::try_from(if negative { -nanoseconds } else { nanoseconds }).ok()
}

/// Multiplies an unsigned decimal number by `scale`.
fn scaled(number: &str, scale: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // Digits beyond the precision of the largest unit amount to less than a nanosecond.
    let fraction = fraction.get(..fraction.len().min(15))?;
    let part: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let digits = u32::try_from(fraction.len()).ok()?;
    whole.checked_mul(scale)?.checked_add(part.checked_mul(scale)? / 10_i128.pow(digits))
}

/// Reports whether a text is a
/// [quantity](https://pkg.go.dev/k8s.io/apimachinery/pkg/api/resource#Quantity).
fn is_quantity(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let is_number = number.bytes().any(|byte| byte.is_ascii_digit())
        && number.bytes().filter(|byte| *byte == b'.').count() <= 1;
    let is_exponent =
        suffix.strip_prefix(['e', 'E']).is_some_and(|exponent| exponent.parse::<i32>().is_ok());
    let units =
        ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    is_number && (is_exponent || units.contains(&suffix))
}

/// Parses a list of texts as pflag does: one record of
/// [`encoding/csv`](https://pkg.go.dev/encoding/csv) with its blanks; an empty text is an empty
/// list.
pub(super) fn csv(text: &str) -> Option<Vec<String>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let record = if text.contains('"') { text } else { text.split('\n').next()? };
    let (mut items, mut rest) = (Vec::new(), Some(record));
    while let Some(field) = rest {
        let (item, tail) = match field.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => match field.split_once(',') {
                Some((item, tail)) => (item.to_owned(), Some(tail)),
                None => (field.to_owned(), None),
            },
        };
        if !field.starts_with('"') && item.contains('"') {
            return None;
        }
        items.push(item);
        rest = tail;
    }
    Some(items)
}

/// Parses a field after its opening quote: returns its content, and the text after the next comma.
fn quoted_field(text: &str) -> Option<(String, Option<&str>)> {
    let (mut item, mut rest) = (String::new(), text);
    loop {
        let (part, tail) = rest.split_once('"')?;
        item.push_str(part);
        match tail.strip_prefix('"') {
            Some(more) => {
                item.push('"');
                rest = more;
            }
            None if tail.is_empty() => return Some((item, None)),
            None => return Some((item, Some(tail.strip_prefix(',')?))),
        }
    }
}

/// Parses an address whose octets may have leading zeros, as Kubernetes does in CIDRs.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return text.parse().ok();
    }
    let mut octets = text.split('.').map(|octet| {
        let is_number = !octet.is_empty() && octet.bytes().all(|byte| byte.is_ascii_digit());
        octet.parse::<u8>().ok().filter(|_| is_number)
    });
    let mut next = || octets.next().flatten();
    let address = Ipv4Addr::new(next()?, next()?, next()?, next()?);
    octets.next().is_none().then_some(address.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn durations_are_those_of_go() {
        for (text, nanoseconds) in [
            ("15s", 15 * SECOND),
            ("1h30m", 5_400 * SECOND),
            ("1.5s", SECOND + SECOND / 2),
            (".5s", SECOND / 2),
            ("1.s", SECOND),
            ("0", 0),
            ("-0", 0),
            ("+300ms", 3 * SECOND / 10),
            ("-1m", -60 * SECOND),
            ("1h1h", 7_200 * SECOND),
            ("2µs", 2_000),
            ("2562047h47m16s", 9_223_372_036 * SECOND),
        ] {
            assert_eq!(duration(text), Some(nanoseconds), "{text}");
        }
        for text in
            ["", "15", "s", "1d", "1y", "1 s", "1h 30m", ".s", "1.1.1s", "+", "--1s", "2562048h"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn whole_numbers_are_those_of_go() {
        for (text, value) in [
            ("-5", -5),
            ("+5", 5),
            ("0x10", 16),
            ("0b1", 1),
            ("1_0", 10),
            ("010", 8),
            ("0o17", 15),
            ("0_7", 7),
            ("0", 0),
            ("2147483647", 2_147_483_647),
        ] {
            assert_eq!(integer(text, 32), Some(value), "{text}");
        }
        for text in ["", "5.0", "abc", "08", "0x", "_1", "1_", "1__0", "- 5", "0x-1", "2147483648"]
        {
            assert_eq!(integer(text, 32), None, "{text}");
        }
        assert_eq!(integer("-9223372036854775808", 64), Some(i64::MIN));
    }

    #[test]
    fn numbers_are_those_of_go() {
        for text in ["1e3", "NaN", "-Inf", "infinity", ".5", "5.", "1_000.5", "0x1p-2"] {
            assert!(float(text).is_some(), "{text}");
        }
        for text in ["", "abc", "1e400", "1,5", "0x1", "--1", "+nan"] {
            assert_eq!(float(text), None, "{text}");
        }
        assert!(!float32("1e39") && float32("1e38") && float32("inf"));
    }

    #[test]
    fn lists_are_records_of_csv() {
        let list = |items: &[&str]| Some(items.iter().map(|&item| item.to_owned()).collect());
        for (text, items) in [
            ("", list(&[])),
            ("a,b", list(&["a", "b"])),
            ("a, b", list(&["a", " b"])),
            ("a,,b", list(&["a", "", "b"])),
            ("\"a,b\",c", list(&["a,b", "c"])),
            ("\"a\"\"b\"", list(&["a\"b"])),
            ("a\"b", None),
            ("\"a", None),
            ("\"a\"b", None),
        ] {
            assert_eq!(csv(text), items, "{text}");
        }
    }

    #[test]
    fn values_must_be_of_their_kind() {
        for (kind, good, bad) in [
            (FlagKind::Bool, "True", "yes"),
            (FlagKind::Bool, "F", ""),
            (FlagKind::Int32, "-5", "5.0"),
            (FlagKind::Integer, "99999999999", "99999999999999999999"),
            (FlagKind::IntegerList, "1,2", "1,x"),
            (FlagKind::Float, "0.1", "x"),
            (FlagKind::Duration, "-1s", "5"),
            (FlagKind::Ip, "::", "localhost"),
            (FlagKind::Ip, "", "10.0.0.1:80"),
            (FlagKind::Quantity, "64Ki", "64KB"),
            (FlagKind::Quantity, "1e3", "Ki"),
        ] {
            assert_eq!(problem(kind, good), None, "{good}");
            assert!(problem(kind, bad).is_some(), "{bad}");
        }
        assert_eq!(problem(FlagKind::String, "anything"), None);
    }

    #[test]
    fn octets_may_begin_with_zeros() {
        assert_eq!(address("010.0.0.007"), Some(IpAddr::from([10, 0, 0, 7])));
        for text in ["10.0.0", "10.0.0.0.0", "10.0.0.256", "10.0.0.+1", "", "a.b.c.d", "10..0.1"] {
            assert_eq!(address(text), None, "{text}");
        }
    }
}
