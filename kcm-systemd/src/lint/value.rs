//! Values as Go's flag types parse them.

use std::net::IpAddr;
use std::time::Duration;

use crate::flags::FlagKind;

/// Why a value is not of its kind; `None` if it is, or if the kind takes anything.
pub(super) fn problem(kind: FlagKind, text: &str) -> Option<&'static str> {
    let (valid, problem) = match kind {
        FlagKind::Bool => (boolean(text).is_some(), "is not `true` or `false`"),
        FlagKind::Integer => (integer(text).is_some(), "is not a whole number"),
        FlagKind::IntegerList => {
            (text.split(',').all(|item| integer(item).is_some()), "is not a list of whole numbers")
        }
        FlagKind::Float => (text.parse::<f64>().is_ok(), "is not a number"),
        FlagKind::Duration => (is_duration(text), "is not a duration such as `15s` or `1h30m`"),
        FlagKind::Ip => (text.trim().parse::<IpAddr>().is_ok(), "is not an IP address"),
        _ => return None,
    };
    (!valid).then_some(problem)
}

/// A boolean, by [`strconv.ParseBool`](https://pkg.go.dev/strconv#ParseBool).
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// A decimal number. Go takes other bases too, which nobody writes here.
pub(super) fn integer(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// A duration that is not negative, by [`time.ParseDuration`](https://pkg.go.dev/time#ParseDuration): decimal numbers,
/// each with a unit.
pub(super) fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut seconds = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let is_number = |c: char| c.is_ascii_digit() || c == '.';
        let (number, tail) = rest.split_at_checked(rest.find(|c| !is_number(c))?)?;
        let (unit, tail) = tail.split_at_checked(tail.find(is_number).unwrap_or(tail.len()))?;
        let scale = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * scale;
        rest = tail;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

fn is_duration(text: &str) -> bool {
    duration(text.strip_prefix('-').unwrap_or(text)).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        for (text, millis) in
            [("15s", 15_000), ("1h30m", 5_400_000), ("1.5s", 1_500), ("0", 0), ("300ms", 300)]
        {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "15", "s", "1d", "1 s", "-1s", ".s", "1.1.1s", "+"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn values_must_be_of_their_kind() {
        for (kind, good, bad) in [
            (FlagKind::Bool, "True", "yes"),
            (FlagKind::Integer, "-5", "5.0"),
            (FlagKind::IntegerList, "1,2", "1,x"),
            (FlagKind::Float, "0.1", "x"),
            (FlagKind::Duration, "-1s", "5"),
            (FlagKind::Ip, "::", "localhost"),
        ] {
            assert_eq!(problem(kind, good), None, "{good}");
            assert!(problem(kind, bad).is_some(), "{bad}");
        }
        assert_eq!(problem(FlagKind::String, "anything"), None);
    }
}
