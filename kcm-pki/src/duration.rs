use std::{fmt, str::FromStr, time::Duration};

/// A positive duration in the format of Go's `time.ParseDuration` and of cfssl's `expiry` fields.
///
/// Units are `h`, `m`, `s`, `ms`, `us` (`µs`) and `ns`, each with an optional fraction: `87600h`,
/// `1h30m15s`, `1.5h`. Days and years are not supported. The maximum is a little over 292 years
/// (2^63 - 1 nanoseconds).
///
/// `Display` prints the format of Go's `Duration.String`: `87600h0m0s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration(Duration);

/// The reason a text is not a valid duration for the lifetime of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// The text is empty.
    #[error("the duration is empty; write a number of hours, such as `8760h` for one year")]
    Empty,
    /// A number without a unit.
    #[error("the duration {text:?} has no unit; did you mean `{text}h`?")]
    NoUnit {
        /// Text as given.
        text: String,
    },
    /// Days, weeks or years, which Go does not have.
    #[error("the duration {text:?} is in {unit}, which cfssl does not support; write `{hours}h`")]
    CalendarUnit {
        /// Text as given.
        text: String,
        /// Name of the unit, in the plural.
        unit: &'static str,
        /// Equal duration in hours; a year has 365 days.
        hours: u64,
    },
    /// The text is not a duration.
    #[error(
        "{text:?} is not a duration; write hours, minutes and seconds, such as `87600h` or `1h30m`"
    )]
    Malformed {
        /// Text as given.
        text: String,
    },
    /// The duration is zero or negative.
    #[error("the duration {text:?} is not positive; write a duration above zero, such as `8760h`")]
    NotPositive {
        /// Text as given.
        text: String,
    },
    /// The duration exceeds 2^63 - 1 nanoseconds.
    #[error(
        "the duration {text:?} is longer than 2562047h47m16s, the maximum in Go; write a shorter duration"
    )]
    TooLong {
        /// Text as given.
        text: String,
    },
}

impl GoDuration {
    /// Returns a duration of whole hours, at least one.
    pub(crate) const fn from_hours(hours: u16) -> Self {
        let hours = if hours == 0 { 1 } else { hours };
        Self(Duration::from_secs(hours as u64 * 3600))
    }

    /// Returns the duration.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        self.0
    }
}

impl From<GoDuration> for Duration {
    fn from(duration: GoDuration) -> Self {
        duration.0
    }
}

impl FromStr for GoDuration {
    type Err = DurationError;

    /// Parses a duration that `time.ParseDuration` accepts and that is positive.
    ///
    /// # Errors
    /// [`DurationError`], whose message suggests a valid duration.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_or_zero(text)?.ok_or_else(|| DurationError::NotPositive { text: text.to_owned() })
    }
}

/// Parses a duration; `None` is zero, which means "unset" to cfssl.
pub(crate) fn parse_or_zero(text: &str) -> Result<Option<GoDuration>, DurationError> {
    let owned = || text.to_owned();
    let (negative, unsigned) = match text.as_bytes().first() {
        None => return Err(DurationError::Empty),
        Some(b'-') => (true, text.get(1..).unwrap_or_default()),
        Some(b'+') => (false, text.get(1..).unwrap_or_default()),
        Some(_) => (false, text),
    };
    if unsigned == "0" {
        return Ok(None);
    }
    let mut rest = unsigned;
    let mut total: u128 = 0;
    if rest.is_empty() {
        return Err(DurationError::Malformed { text: owned() });
    }
    while !rest.is_empty() {
        let (number, after) =
            Number::split(rest).ok_or_else(|| DurationError::Malformed { text: owned() })?;
        let unit_end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let nanoseconds =
            unit_nanoseconds(unit).ok_or_else(|| unknown_unit(text, unit, number.whole))?;
        let part =
            number.times(nanoseconds).ok_or_else(|| DurationError::TooLong { text: owned() })?;
        total = total.saturating_add(part);
        rest = after;
    }
    if total > i64::MAX.unsigned_abs().into() {
        return Err(DurationError::TooLong { text: owned() });
    }
    if total == 0 {
        return Ok(None);
    }
    if negative {
        return Err(DurationError::NotPositive { text: owned() });
    }
    let total = u64::try_from(total).map_err(|_| DurationError::TooLong { text: owned() })?;
    Ok(Some(GoDuration(Duration::from_nanos(total))))
}

/// A decimal number: its whole part, and its fraction as digits with a scale.
struct Number {
    whole: u64,
    fraction: u128,
    scale: u128,
}

impl Number {
    /// Splits a number off the front; at least one digit must precede or follow the point.
    fn split(text: &str) -> Option<(Self, &str)> {
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (whole, rest) = text.split_at(digits(text));
        let (fraction, rest) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_at(digits(rest)),
            None => ("", rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        // Digits after the 18th amount to far less than a nanosecond, even in hours.
        let fraction = fraction.get(..18).unwrap_or(fraction);
        let number = Self {
            whole: if whole.is_empty() { 0 } else { whole.parse().unwrap_or(u64::MAX) },
            fraction: if fraction.is_empty() { 0 } else { fraction.parse().ok()? },
            scale: 10_u128.pow(u32::try_from(fraction.len()).ok()?),
        };
        Some((number, rest))
    }

    fn times(&self, nanoseconds: u64) -> Option<u128> {
        let nanoseconds = u128::from(nanoseconds);
        let whole = u128::from(self.whole).checked_mul(nanoseconds)?;
        whole.checked_add(self.fraction * nanoseconds / self.scale)
    }
}

fn unit_nanoseconds(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        // Go accepts the micro sign, U+00B5, and the Greek letter mu, U+03BC.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

fn unknown_unit(text: &str, unit: &str, amount: u64) -> DurationError {
    let text = text.to_owned();
    let (unit, hours) = match unit {
        "" => return DurationError::NoUnit { text },
        "d" | "day" | "days" => ("days", 24),
        "w" | "week" | "weeks" => ("weeks", 7 * 24),
        "y" | "year" | "years" => ("years", 365 * 24),
        _ => return DurationError::Malformed { text },
    };
    DurationError::CalendarUnit { text, unit, hours: amount.saturating_mul(hours) }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanoseconds = self.0.as_nanos();
        match nanoseconds {
            0..1_000 => return write!(f, "{nanoseconds}ns"),
            1_000..1_000_000 => return decimal(f, nanoseconds, 3, "\u{b5}s"),
            1_000_000..1_000_000_000 => return decimal(f, nanoseconds, 6, "ms"),
            _ => {}
        }
        let minutes = nanoseconds / 60_000_000_000;
        if minutes >= 60 {
            write!(f, "{}h", minutes / 60)?;
        }
        if minutes > 0 {
            write!(f, "{}m", minutes % 60)?;
        }
        decimal(f, nanoseconds % 60_000_000_000, 9, "s")
    }
}

/// Writes `value` with its last `decimals` digits after the point, without trailing zeros.
fn decimal(f: &mut fmt::Formatter<'_>, value: u128, decimals: u8, unit: &str) -> fmt::Result {
    let scale = 10_u128.pow(decimals.into());
    let fraction = format!("{:0width$}", value % scale, width = decimals.into());
    match fraction.trim_end_matches('0') {
        "" => write!(f, "{}{unit}", value / scale),
        fraction => write!(f, "{}.{fraction}{unit}", value / scale),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(text: &str) -> f64 {
        text.parse::<GoDuration>().unwrap().as_duration().as_secs_f64()
    }

    #[test]
    fn go_durations_are_read() {
        for (text, expected) in [
            ("87600h", 315_360_000.0),
            ("1h30m15s", 5415.0),
            ("1.5h", 5400.0),
            (".5h", 1800.0),
            ("1.h", 3600.0),
            ("+2m", 120.0),
            ("1500ms", 1.5),
            ("1us", 1e-6),
            ("1\u{b5}s", 1e-6),
            ("1\u{3bc}s", 1e-6),
            ("2562047h47m16s", 9_223_372_036.0),
        ] {
            assert!((seconds(text) - expected).abs() < 1e-6, "{text}");
        }
    }

    #[test]
    fn what_go_refuses_is_refused_with_what_to_write() {
        let message = |text: &str| text.parse::<GoDuration>().unwrap_err().to_string();
        assert!(message("10y").contains("write `87600h`"), "{}", message("10y"));
        assert!(message("3650d").contains("write `87600h`"));
        assert!(message("2w").contains("write `336h`"));
        assert!(message("87600").contains("did you mean `87600h`"));
        assert!(message("").contains("8760h"));
        for text in ["h", ".h", "1x", "1 h", " 1h", "1h ", "+", "-", "1h-2m", "--1h", "1hm", "一h"]
        {
            assert!(
                matches!(text.parse::<GoDuration>(), Err(DurationError::Malformed { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn zero_and_less_are_refused() {
        for text in ["0", "0h", "-1h", "-0", "0.0s", "-0s", "0.1ns"] {
            let error = text.parse::<GoDuration>().unwrap_err();
            assert!(matches!(error, DurationError::NotPositive { .. }), "{text}: {error}");
        }
    }

    #[test]
    fn more_than_go_can_hold_is_refused() {
        for text in ["2562047h47m17s", "9999999999999999999999999h", "2562048h"] {
            assert!(
                matches!(text.parse::<GoDuration>(), Err(DurationError::TooLong { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn display_is_what_go_prints() {
        // Output of `fmt.Println(d)` in Go.
        for (text, printed) in [
            ("87600h", "87600h0m0s"),
            ("90m", "1h30m0s"),
            ("1.5h", "1h30m0s"),
            ("1m", "1m0s"),
            ("1.5s", "1.5s"),
            ("1h0.25s", "1h0m0.25s"),
            ("61.001s", "1m1.001s"),
            ("1ms", "1ms"),
            ("1500us", "1.5ms"),
            ("1001us", "1.001ms"),
            ("1500ns", "1.5\u{b5}s"),
            ("7ns", "7ns"),
        ] {
            assert_eq!(text.parse::<GoDuration>().unwrap().to_string(), printed);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".*") {
            let _ = text.parse::<GoDuration>();
        }

        #[test]
        fn nearly_durations_do_not_panic(text in "[-+]?[0-9.]{0,30}[a-zµ]{0,3}[0-9.]{0,5}[hmsdy]?") {
            let _ = text.parse::<GoDuration>();
        }

        #[test]
        fn what_is_displayed_reads_back(nanoseconds in 1_u64..=i64::MAX as u64) {
            let duration = GoDuration(Duration::from_nanos(nanoseconds));
            prop_assert_eq!(duration.to_string().parse::<GoDuration>(), Ok(duration));
        }
    }
}
