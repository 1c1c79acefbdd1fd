//! Timestamps and durations as texts, and their parts (UTC).

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::evaluate::Stop;

/// Longest text that is read as either.
const LONGEST: usize = 64;

/// An RFC 3339 text.
pub(super) fn moment(text: &str) -> Result<Timestamp, Stop> {
    let read = || text.parse().ok();
    let moment = (text.len() <= LONGEST).then(read).flatten();
    moment.ok_or_else(|| Stop::new("timestamp(…) expects a text like '2030-01-31T12:00:00Z'"))
}

/// `1h30m`, `1.5s`, `500ms`.
pub(super) fn span(text: &str) -> Result<SignedDuration, Stop> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte));
    let read = || text.parse().ok();
    let span = (plain && text.len() <= LONGEST).then(read).flatten();
    span.ok_or_else(|| Stop::new("duration(…) expects a text like '1h30m' or '2.5s'"))
}

/// A duration as JSON says it: seconds with an `s`.
pub(super) fn written(span: SignedDuration) -> String {
    let (seconds, nanos) = (span.as_secs(), span.subsec_nanos().unsigned_abs());
    if nanos == 0 {
        return format!("{seconds}s");
    }
    let sign = if span.is_negative() { "-" } else { "" };
    let text = format!("{sign}{}.{nanos:09}", seconds.unsigned_abs());
    format!("{}s", text.trim_end_matches('0'))
}

/// A part of a moment in UTC, by the name of CEL's function for it.
pub(super) fn part(moment: Timestamp, name: &str) -> i64 {
    let at = moment.to_zoned(TimeZone::UTC);
    match name {
        "getFullYear" => i64::from(at.year()),
        "getMonth" => i64::from(at.month()) - 1,
        "getDate" => i64::from(at.day()),
        "getDayOfMonth" => i64::from(at.day()) - 1,
        "getDayOfWeek" => i64::from(at.weekday().to_sunday_zero_offset()),
        "getDayOfYear" => i64::from(at.day_of_year()) - 1,
        "getHours" => i64::from(at.hour()),
        "getMinutes" => i64::from(at.minute()),
        "getSeconds" => i64::from(at.second()),
        _ => i64::from(at.millisecond()),
    }
}

/// A whole duration in a unit, by the name of CEL's function for it.
pub(super) fn whole(span: SignedDuration, name: &str) -> Option<i64> {
    match name {
        "getHours" => Some(span.as_hours()),
        "getMinutes" => Some(span.as_mins()),
        "getSeconds" => Some(span.as_secs()),
        "getMilliseconds" => i64::try_from(span.as_millis()).ok(),
        _ => None,
    }
}
