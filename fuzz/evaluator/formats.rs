//! Formats by their own documents: RFC 3339, ISO 8601 (durations), RFC 4122, RFC 2673.

pub(super) fn fits(format: &str, text: &str) -> bool {
    match format {
        "date" => is_date(text),
        "time" => is_time(text),
        "date-time" => text
            .split_once(['T', 't'])
            .is_some_and(|(date, time)| is_date(date) && is_time(time)),
        "duration" => is_duration(text),
        "uuid" => {
            let lengths: Vec<usize> = text.split('-').map(str::len).collect();
            lengths == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
        }
        "ipv4" => {
            let part = |part: &str| {
                digits(part, 1..=3).is_some_and(|n| n < 256)
                    && (part.len() == 1 || !part.starts_with('0'))
            };
            text.split('.').count() == 4 && text.split('.').all(part)
        }
        _ => false,
    }
}

fn digits(text: &str, count: std::ops::RangeInclusive<usize>) -> Option<u32> {
    let all = count.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten()
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else {
        return false;
    };
    let (Some(year), Some(month), Some(day)) = (
        digits(year, 4..=4),
        digits(month, 2..=2),
        digits(day, 2..=2),
    ) else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

fn is_time(text: &str) -> bool {
    let (local, offset) = match text.strip_suffix(['Z', 'z']) {
        Some(local) => (local, Some(0)),
        None => match text.rfind(['+', '-']) {
            Some(at) => (&text[..at], offset(&text[at..])),
            None => return false,
        },
    };
    let (seconds, fraction) = match local.split_once('.') {
        Some((seconds, fraction)) => (seconds, Some(fraction)),
        None => (local, None),
    };
    let parts: Vec<Option<u32>> = seconds.split(':').map(|part| digits(part, 2..=2)).collect();
    let (
        [
            Some(hour @ 0..24),
            Some(minute @ 0..60),
            Some(second @ 0..=60),
        ],
        Some(offset),
    ) = (&parts[..], offset)
    else {
        return false;
    };
    let minutes = i64::from(hour * 60 + minute) - offset;
    let counted =
        |fraction: &str| !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    fraction.is_none_or(counted) && (*second < 60 || minutes.rem_euclid(1440) == 1439)
}

/// Minutes, such as of `+01:30`.
fn offset(text: &str) -> Option<i64> {
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2..=2)?, digits(minutes, 2..=2)?);
    let size = i64::from(hours * 60 + minutes);
    let sign = if text.starts_with('-') { -1 } else { 1 };
    (hours < 24 && minutes < 60).then_some(sign * size)
}

fn is_duration(text: &str) -> bool {
    let Some(text) = text.strip_prefix('P') else {
        return false;
    };
    if let Some(weeks) = text.strip_suffix('W') {
        return all_digits(weeks);
    }
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let time_fits = time.is_none_or(|time| !time.is_empty() && counted(time, "HMS"));
    !text.is_empty() && counted(date, "YMD") && time_fits
}

/// Counts, each with one of the units, in their order and none of them twice.
fn counted(mut text: &str, units: &str) -> bool {
    for unit in units.chars() {
        if let Some((count, rest)) = text.split_once(unit)
            && all_digits(count)
        {
            text = rest;
        }
    }
    text.is_empty()
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
