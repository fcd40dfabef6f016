use std::time::Duration;

use time::OffsetDateTime;
use yasna::{
    DERWriter,
    tags::{TAG_GENERALIZEDTIME, TAG_UTCTIME},
};

use super::IssueError;

/// Time between the start of validity and now, for peers whose clocks are behind; cfssl's value.
const BACKDATE: time::Duration = time::Duration::minutes(5);

/// A certificate's validity in UTC, to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: OffsetDateTime,
    pub(super) not_after: OffsetDateTime,
}

impl Validity {
    /// Returns a validity that begins five minutes before `now`, rounded to the nearest minute
    /// (half a minute up), and lasts for `lifetime`.
    pub(super) fn starting(now: OffsetDateTime, lifetime: Duration) -> Result<Self, IssueError> {
        let minute = (now.unix_timestamp() + 30).div_euclid(60) * 60;
        let validity = || {
            let not_before =
                OffsetDateTime::from_unix_timestamp(minute).ok()?.checked_sub(BACKDATE)?;
            let lifetime = time::Duration::seconds(i64::try_from(lifetime.as_secs()).ok()?);
            Some(Self { not_before, not_after: not_before.checked_add(lifetime)? })
        };
        let validity = validity().ok_or(IssueError::YearOutOfRange)?;
        if validity.not_before.year() < 0 || validity.not_after.year() > 9999 {
            return Err(IssueError::YearOutOfRange);
        }
        if validity.not_after <= now {
            return Err(IssueError::TooShort { lifetime });
        }
        Ok(validity)
    }

    pub(super) fn write(&self, writer: DERWriter<'_>) {
        writer.write_sequence(|fields| {
            write_time(fields.next(), self.not_before);
            write_time(fields.next(), self.not_after);
        });
    }
}

/// Writes `UTCTime` for 1950 through 2049 and `GeneralizedTime` otherwise, separately for each
/// field (RFC 5280 section 4.1.2.5).
fn write_time(writer: DERWriter<'_>, moment: OffsetDateTime) {
    let year = moment.year();
    let rest = format!(
        "{:02}{:02}{:02}{:02}{:02}Z",
        u8::from(moment.month()),
        moment.day(),
        moment.hour(),
        moment.minute(),
        moment.second(),
    );
    let (tag, text) = match year {
        1950..2050 => (TAG_UTCTIME, format!("{:02}{rest}", year % 100)),
        _ => (TAG_GENERALIZEDTIME, format!("{year:04}{rest}")),
    };
    writer.write_tagged_implicit(tag, |writer| writer.write_bytes(text.as_bytes()));
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn begin(now: OffsetDateTime) -> OffsetDateTime {
        Validity::starting(now, HOUR).unwrap().not_before
    }

    #[test]
    fn begins_at_the_nearest_minute_less_five() {
        assert_eq!(begin(datetime!(2026-11-23 06:21:00 UTC)), datetime!(2026-11-23 06:16:00 UTC));
        assert_eq!(
            begin(datetime!(2026-11-23 06:21:29.999 UTC)),
            datetime!(2026-11-23 06:16:00 UTC)
        );
        assert_eq!(begin(datetime!(2026-11-23 06:21:30 UTC)), datetime!(2026-11-23 06:17:00 UTC));
        assert_eq!(begin(datetime!(2026-12-31 23:59:45 UTC)), datetime!(2026-12-31 23:55:00 UTC));
        assert_eq!(
            begin(datetime!(2026-11-23 08:21:10 +02:00)),
            datetime!(2026-11-23 06:16:00 UTC)
        );
    }

    #[test]
    fn each_time_is_written_by_its_own_year() {
        let der = |not_before, not_after| {
            yasna::construct_der(|writer| {
                Validity { not_before, not_after }.write(writer);
            })
        };
        assert_eq!(
            der(datetime!(2026-11-23 06:16:00 UTC), datetime!(2049-12-31 23:59:59 UTC)),
            b"\x30\x1e\x17\x0d261123061600Z\x17\x0d491231235959Z"
        );
        assert_eq!(
            der(datetime!(2049-12-31 23:59:59 UTC), datetime!(2050-01-01 00:00:00 UTC)),
            b"\x30\x20\x17\x0d491231235959Z\x18\x0f20500101000000Z"
        );
        assert_eq!(
            der(datetime!(1950-01-01 00:00:00 UTC), datetime!(9999-12-31 23:59:59 UTC)),
            b"\x30\x20\x17\x0d500101000000Z\x18\x0f99991231235959Z"
        );
    }

    #[test]
    fn a_lifetime_of_no_more_than_the_backdating_is_refused() {
        let now = datetime!(2026-11-23 06:21:00 UTC);
        let five_minutes = Duration::from_secs(300);
        assert_eq!(
            Validity::starting(now, five_minutes),
            Err(IssueError::TooShort { lifetime: five_minutes })
        );
        assert!(Validity::starting(now, Duration::from_secs(301)).is_ok());
    }

    #[test]
    fn years_that_x509_cannot_write_are_refused() {
        let now = datetime!(2026-11-23 06:21:00 UTC);
        for hours in [7974 * 366 * 24, u64::MAX / 3600] {
            let lifetime = Duration::from_secs(hours * 3600);
            assert_eq!(Validity::starting(now, lifetime), Err(IssueError::YearOutOfRange));
        }
    }
}
