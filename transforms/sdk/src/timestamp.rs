//! Timestamps as the public sees them: ISO 8601, UTC, always three decimals.

use chrono::{DateTime, Datelike, Timelike, Utc};

/// The last millisecond of the year 9999, counted from 1970.
pub const MAX_MILLISECONDS: i64 = 253_402_300_799_999;

/// Writes milliseconds since 1970, if they fall in the years 1970 to 9999.
pub fn from_milliseconds(milliseconds: i64) -> Option<String> {
    if !(0..=MAX_MILLISECONDS).contains(&milliseconds) {
        return None;
    }
    write(milliseconds)
}

/// Writes an RFC 3339 timestamp in UTC, if its year there is 0 to 9999. Digits after the
/// millisecond are cut off; a leap second is the second after it.
pub fn from_rfc3339(text: &str) -> Option<String> {
    // The parser also takes a space for the `T`, and the typographic minus.
    if text.contains(' ') || !text.is_ascii() {
        return None;
    }
    let instant = DateTime::parse_from_rfc3339(text).ok()?;
    write(instant.timestamp_millis())
}

fn write(milliseconds: i64) -> Option<String> {
    let utc: DateTime<Utc> = DateTime::from_timestamp_millis(milliseconds)?;
    if !(0..=9999).contains(&utc.year()) {
        return None;
    }
    Some(format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        utc.year(),
        utc.month(),
        utc.day(),
        utc.hour(),
        utc.minute(),
        utc.second(),
        utc.timestamp_subsec_millis(),
    ))
}

#[cfg(test)]
mod tests;
