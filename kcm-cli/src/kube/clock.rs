//! Differences between clocks.

use std::fmt;

use time::{Duration, OffsetDateTime, UtcDateTime};

/// The offset of another clock from this machine's clock, as a range. Positive values are ahead,
/// negative ones behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockOffset {
    least: Duration,
    most: Duration,
}

impl ClockOffset {
    /// The offset of this machine's own clock: exactly zero.
    pub const NONE: Self = Self { least: Duration::ZERO, most: Duration::ZERO };

    /// Computes the offset from a reading of the other clock between two readings of this machine's
    /// clock.
    ///
    /// The other clock truncates its readings to multiples of `resolution`.
    #[must_use]
    pub fn between(
        reading: OffsetDateTime,
        asked: OffsetDateTime,
        answered: OffsetDateTime,
        resolution: std::time::Duration,
    ) -> Self {
        let resolution = Duration::try_from(resolution).unwrap_or(Duration::MAX);
        let (least, most) = (reading - answered, (reading - asked).saturating_add(resolution));
        // A clock that was set between the readings swaps the bounds.
        Self { least: least.min(most), most: most.max(least) }
    }

    /// Reports whether the offset certainly exceeds `tolerance`, in either direction.
    #[must_use]
    pub fn exceeds(self, tolerance: std::time::Duration) -> bool {
        let tolerance = Duration::try_from(tolerance).unwrap_or(Duration::MAX);
        self.least > tolerance || self.most < -tolerance
    }

    /// Returns the middle of the range.
    pub(super) fn middle(self) -> Duration {
        self.least.saturating_add(self.most) / 2
    }

    /// Returns the greatest possible difference between any two of these clocks and this machine's
    /// clock.
    #[must_use]
    pub fn spread(clocks: impl IntoIterator<Item = Self>) -> std::time::Duration {
        let (mut least, mut most) = (Duration::ZERO, Duration::ZERO);
        for clock in clocks {
            least = least.min(clock.least);
            most = most.max(clock.most);
        }
        most.saturating_sub(least).unsigned_abs()
    }
}

impl fmt::Display for ClockOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:+.0} s", self.middle().as_seconds_f64())
    }
}

/// Reads this machine's clock. Only this function of `kube` does, because a clock offset refers to
/// the real time.
pub(super) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// Parses an HTTP date: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
pub(super) fn http_date(text: &str) -> Option<OffsetDateTime> {
    let format = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    UtcDateTime::parse(text, format).ok().map(OffsetDateTime::from)
}

#[cfg(test)]
mod tests {
    use std::time::Duration as Plain;

    use time::macros::datetime;

    use super::*;

    const SECOND: Plain = Plain::from_secs(1);

    fn offset(seconds: i64) -> ClockOffset {
        let here = datetime!(2026-11-23 06:00:00.5 UTC);
        let there = datetime!(2026-11-23 06:00 UTC) + Duration::seconds(seconds);
        ClockOffset::between(there, here, here + Duration::milliseconds(200), SECOND)
    }

    #[test]
    fn the_first_and_the_last_moment_of_a_clock_have_an_offset() {
        let now = datetime!(2026-11-23 06:00 UTC);
        for reading in
            [datetime!(1970-01-01 00:00 UTC), datetime!(9999-12-31 23:59:59.999_999_999 UTC)]
        {
            let offset = ClockOffset::between(reading, now, now, Plain::ZERO);
            assert!(offset.exceeds(Plain::from_secs(86_400)), "{offset}");
        }
    }

    #[test]
    fn a_date_of_whole_seconds_is_never_more_than_its_resolution_wrong() {
        assert!(!offset(0).exceeds(Plain::ZERO));
        for seconds in [2, -2, 120, -120] {
            assert!(offset(seconds).exceeds(Plain::from_secs(seconds.unsigned_abs() - 2)));
            assert!(!offset(seconds).exceeds(Plain::from_secs(seconds.unsigned_abs() + 1)));
        }
        assert_eq!(offset(120).to_string(), "+120 s");
        assert_eq!(offset(-120).to_string(), "-120 s");
    }

    #[test]
    fn the_spread_counts_our_own_clock() {
        assert_eq!(ClockOffset::spread([]), Plain::ZERO);
        assert_eq!(ClockOffset::spread([ClockOffset::NONE]), Plain::ZERO);
        assert!(ClockOffset::spread([offset(0)]) <= Plain::from_secs(2));
        // This machine's clock is off, and all others agree.
        assert!(ClockOffset::spread([offset(120), offset(120)]) > Plain::from_secs(119));
        assert!(ClockOffset::spread([offset(60), offset(-60)]) > Plain::from_secs(119));
    }

    #[test]
    fn only_dates_of_http_are_read() {
        let date = datetime!(1994-11-06 08:49:37 UTC);
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(date));
        for text in ["", "Sunday, 06-Nov-94 08:49:37 GMT", "1994-11-06T08:49:37Z", "yesterday"] {
            assert_eq!(http_date(text), None, "{text}");
        }
    }
}
