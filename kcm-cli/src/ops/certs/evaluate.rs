//! Validity of a certificate at a point in time. Pure.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;

use crate::pki::RENEW_BEFORE;

/// Validity of a certificate at the time of the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Validity {
    /// Valid and not due.
    Good,
    /// Valid, but due for renewal.
    Due,
    /// Expired.
    Expired,
    /// Not valid yet, by this machine's clock.
    NotYetValid,
}

/// Evaluates the validity of a certificate. Both limits are inclusive (RFC 5280 section 4.1.2.5).
pub(super) fn validity(
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    due_within: Option<Duration>,
    now: OffsetDateTime,
) -> Validity {
    let third: time::Duration = (not_after - not_before) / 3;
    let usual = || third.min(time::Duration::try_from(RENEW_BEFORE).unwrap_or(third));
    let due_within = match due_within {
        Some(given) => time::Duration::try_from(given).unwrap_or(time::Duration::MAX),
        None => usual(),
    };
    if now > not_after {
        Validity::Expired
    } else if now < not_before {
        Validity::NotYetValid
    } else if not_after - now <= due_within {
        Validity::Due
    } else {
        Validity::Good
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const BEGIN: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);
    const END: OffsetDateTime = datetime!(2027-01-01 00:00 UTC);

    fn at(now: OffsetDateTime) -> Validity {
        validity(BEGIN, END, None, now)
    }

    #[test]
    fn both_ends_belong_to_it() {
        let second = time::Duration::SECOND;
        assert_eq!(at(BEGIN - second), Validity::NotYetValid);
        assert_eq!(at(BEGIN), Validity::Good);
        assert_eq!(at(END), Validity::Due);
        assert_eq!(at(END + second), Validity::Expired);
    }

    #[test]
    fn it_is_due_in_its_last_30_days_and_what_lives_short_in_its_last_third() {
        let day = time::Duration::DAY;
        assert_eq!(at(END - 30 * day), Validity::Due);
        assert_eq!(at(END - 30 * day - time::Duration::SECOND), Validity::Good);
        let short =
            |left: i32| validity(END - 3 * day, END, None, END - left * time::Duration::HOUR);
        assert_eq!((short(24), short(25)), (Validity::Due, Validity::Good));
    }

    #[test]
    fn who_says_how_long_before_is_obeyed() {
        let given = |days: u64| {
            let within = Some(Duration::from_secs(days * 24 * 3600));
            validity(BEGIN, END, within, datetime!(2026-06-01 00:00 UTC))
        };
        assert_eq!((given(213), given(214)), (Validity::Good, Validity::Due));
        assert_eq!(validity(BEGIN, END, Some(Duration::MAX), BEGIN), Validity::Due);
    }
}
