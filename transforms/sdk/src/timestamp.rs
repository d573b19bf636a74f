//! Timestamps as the public sees them: ISO 8601, UTC, always three decimals.

use chrono::{DateTime, Datelike, Timelike, Utc};

/// How many characters are written.
pub const LENGTH: usize = 24;

/// What is written, as a pattern.
pub const PATTERN: &str = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$";

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
    let year = u32::try_from(utc.year()).ok()?;
    if year > 9999 {
        return None;
    }
    let millisecond = utc.timestamp_subsec_millis();
    // Pushed digit by digit: this is on the way of every event, and formatting takes longer
    // than all the rest of it.
    let mut text = String::with_capacity(LENGTH);
    push_two(&mut text, year / 100);
    push_two(&mut text, year % 100);
    for (mark, number) in [
        ('-', utc.month()),
        ('-', utc.day()),
        ('T', utc.hour()),
        (':', utc.minute()),
        (':', utc.second()),
    ] {
        text.push(mark);
        push_two(&mut text, number);
    }
    text.push('.');
    push_digit(&mut text, millisecond / 100);
    push_two(&mut text, millisecond % 100);
    text.push('Z');
    Some(text)
}

fn push_two(text: &mut String, number: u32) {
    push_digit(text, number / 10);
    push_digit(text, number % 10);
}

fn push_digit(text: &mut String, digit: u32) {
    // Out of range there would be no digit; all callers are below 10.
    text.push(char::from_digit(digit, 10).unwrap_or('0'));
}

#[cfg(test)]
mod tests;
