//! The types of flags, with checks as strict as Go's.

/// The type of a flag's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// True or false; true without a value.
    Bool,
    /// A Go duration.
    Duration,
    /// `name=true` or `name=false`, separated by commas.
    FeatureGates,
    /// A decimal fraction.
    Float,
    /// A 32-bit integer.
    Int32,
    /// 32-bit integers, separated by commas.
    Int32List,
    /// A 64-bit integer.
    Int64,
    /// An IP address.
    Ip,
    /// Strings, separated by commas.
    List,
    /// `key=value`, separated by commas.
    Map,
    /// A resource quantity, such as `1Ki`.
    Quantity,
    /// `certificate,key`, optionally with `:domains`.
    SniPair,
    /// Any text.
    Text,
    /// klog's verbosity.
    Verbosity,
    /// `true`, `raw` or a version; `true` without a value.
    Version,
    /// `pattern=N`, separated by commas.
    VModule,
}

impl Type {
    /// Returns the value of a flag without one, if the type permits that.
    pub(super) fn without_value(self) -> Option<&'static str> {
        matches!(self, Self::Bool | Self::Version).then_some("true")
    }

    /// Name of the type in `--help`.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Bool => "",
            Self::Duration => "duration",
            Self::FeatureGates => "mapStringBool",
            Self::Float => "float",
            Self::Int32 => "int32",
            Self::Int32List => "int32Slice",
            Self::Int64 => "int",
            Self::Ip => "ip",
            Self::List => "strings",
            Self::Map => "mapStringString",
            Self::Quantity => "quantity",
            Self::SniPair => "namedCertKey",
            Self::Text => "string",
            Self::Verbosity => "Level",
            Self::Version => "version[=true]",
            Self::VModule => "pattern=N,...",
        }
    }

    /// Checks that a value is of this type; the error is Go's.
    pub(super) fn check(self, value: &str) -> Result<(), String> {
        let every = |is_right: fn(&str) -> bool| value.split(',').all(is_right);
        match self {
            Self::Bool => boolean(value).map(drop).ok_or_else(|| syntax("ParseBool", value)),
            Self::Int32 => integer(value, i32::MIN.into(), i32::MAX.into()),
            Self::Int64 => integer(value, i64::MIN, i64::MAX),
            Self::Verbosity if !value.bytes().all(|c| c.is_ascii_digit()) || value.is_empty() => {
                Err(syntax("ParseUint", value))
            }
            Self::Verbosity => integer(value, 0, i32::MAX.into()),
            Self::Int32List => value
                .split(',')
                .try_for_each(|item| integer(item, i32::MIN.into(), i32::MAX.into())),
            Self::Float if value.parse::<f64>().is_err() => Err(syntax("ParseFloat", value)),
            Self::Duration => duration(value).map(drop).ok_or_else(|| no_duration(value)),
            Self::Ip if !value.is_empty() && value.trim().parse::<std::net::IpAddr>().is_err() => {
                Err(format!("failed to parse IP: {value:?}"))
            }
            Self::Map => match value.split(',').find(|pair| !pair.contains('=')) {
                Some(pair) if !value.is_empty() => {
                    Err(format!("{pair} must be formatted as key=value"))
                }
                _ => Ok(()),
            },
            Self::VModule if !value.is_empty() && !every(is_pattern) => {
                Err(format!("{value:?} does not have the pattern=N format"))
            }
            Self::Quantity if !value.starts_with(|c: char| c.is_ascii_digit()) => {
                Err("quantities must match the regular expression of a quantity".to_owned())
            }
            Self::SniPair if value.split(',').count() < 2 => {
                Err("expected comma separated certificate and key file paths".to_owned())
            }
            Self::Version if !is_version(value) => Err(syntax("ParseBool", value)),
            _ => Ok(()),
        }
    }
}

fn syntax(function: &str, value: &str) -> String {
    format!("strconv.{function}: parsing {value:?}: invalid syntax")
}

fn integer(value: &str, least: i64, most: i64) -> Result<(), String> {
    let digits = value.trim_start_matches(['+', '-']);
    match whole(value) {
        Some(number) if (least..=most).contains(&number) => Ok(()),
        // Digits that exceed the widest type are out of range, not a syntax error.
        None if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_digit()) => {
            Err(syntax("ParseInt", value))
        }
        None if digits.len() < 19 => Err(syntax("ParseInt", value)),
        _ => Err(format!("strconv.ParseInt: parsing {value:?}: value out of range")),
    }
}

/// Returns Go's error for an invalid duration.
fn no_duration(text: &str) -> String {
    let rest = text.trim_start_matches(['+', '-']);
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (number, unit) = rest.split_at(end);
    let end = unit.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(unit.len());
    let unit = &unit[..end];
    let is_unit = matches!(unit, "ns" | "us" | "µs" | "μs" | "ms" | "s" | "m" | "h");
    if number.parse::<f64>().is_err() || is_unit {
        format!("time: invalid duration {text:?}")
    } else if unit.is_empty() {
        format!("time: missing unit in duration {text:?}")
    } else {
        format!("time: unknown unit {unit:?} in duration {text:?}")
    }
}

/// Parses a boolean as Go's `strconv.ParseBool`.
pub(in super::super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Parses an integer as Go's `strconv.ParseInt` with base 0.
pub(super) fn whole(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    // Underscores may separate digits and follow the prefix.
    if lower.starts_with('_') || lower.ends_with('_') || lower.contains("__") {
        return None;
    }
    let lower = lower.replace('_', "");
    let radix = |prefix: &str, radix| {
        lower.strip_prefix(prefix).map(|digits| i64::from_str_radix(digits, radix))
    };
    let value = radix("0x", 16)
        .or_else(|| radix("0b", 2))
        .or_else(|| radix("0o", 8))
        .or_else(|| radix("0", 8).filter(|_| lower.len() > 1))
        .unwrap_or_else(|| lower.parse());
    // `ParseInt` rejects a second sign, which Rust's parser accepts.
    value.ok().filter(|_| !lower.starts_with(['+', '-'])).map(|value| sign * value)
}

/// Parses a duration as Go's `time.ParseDuration`; returns seconds.
pub(super) fn duration(text: &str) -> Option<f64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0.0);
    }
    let mut seconds = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        seconds += number
            * match &rest[..end] {
                "ns" => 1e-9,
                "us" | "µs" | "μs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = &rest[end..];
    }
    Some(sign * seconds)
}

fn is_pattern(pair: &str) -> bool {
    pair.split_once('=').is_some_and(|(name, level)| !name.is_empty() && whole(level).is_some())
}

fn is_version(text: &str) -> bool {
    let is_number = |text: &str| text.bytes().next().is_some_and(|c| c.is_ascii_digit());
    boolean(text).is_some()
        || text == "raw"
        || text.strip_prefix('v').is_some_and(|rest| rest.split('.').all(is_number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_durations_are_gos() {
        let numbers = [("10", Some(10)), ("0x1F", Some(31)), ("010", Some(8)), ("0", Some(0))];
        for (text, value) in numbers {
            assert_eq!(whole(text), value, "{text}");
        }
        for text in ["", "1.5", "08", "--1", "1 ", "+-1"] {
            assert_eq!(whole(text), None, "{text}");
        }
        for (text, seconds) in [("1h30m", 5400.0), ("-1.5s", -1.5), ("0", 0.0), ("100ms", 0.1)] {
            assert_eq!(duration(text), Some(seconds), "{text}");
        }
        for text in ["", "15", "1d", "s", "1h ", "1.2.3s"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
