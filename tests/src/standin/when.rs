//! Times in the formats of the API.

use time::OffsetDateTime;
use time::format_description::FormatItem;
use time::macros::format_description;

const SECONDS: &[FormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
const MICROSECONDS: &[FormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// Returns the current time as a `Time`.
pub(super) fn now() -> String {
    OffsetDateTime::now_utc().format(SECONDS).unwrap()
}

/// Returns the current time as a `MicroTime`.
pub(super) fn now_micro() -> String {
    OffsetDateTime::now_utc().format(MICROSECONDS).unwrap()
}

/// Reports whether `text` is a `MicroTime`. The API server accepts exactly six digits after the
/// point.
pub(super) fn is_micro(text: &str) -> bool {
    let Some((_, fraction)) = text.split_once('.') else { return false };
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    let is_time =
        OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).is_ok();
    digits == 6 && is_time
}
