//! What an event says by its channel.

use crate::{Event, Rejection, reject};

impl Event {
    /// What the capture of this name stands for in the event's channel. Where the pattern has
    /// no such capture, the event is refused.
    pub fn capture(&self, name: &str) -> Result<&str, Rejection> {
        let captured = self.captures.iter().find(|(known, _)| known == name);
        captured
            .map(|(_, value)| value.as_str())
            .ok_or_else(|| reject::missing(name))
    }
}

/// What a pattern captures of a channel, as the host does it: for tests, which have no host.
pub(crate) fn captures(pattern: &str, channel: &str) -> Option<Vec<(String, String)>> {
    let mut found = Vec::new();
    let (mut parts, mut values) = (pattern.split(':'), channel.split(':'));
    loop {
        match (parts.next(), values.next()) {
            (Some(part), Some(value)) => capture_part(part, value, &mut found)?,
            (None, None) => return Some(found),
            _ => return None,
        }
    }
}

fn capture_part(part: &str, text: &str, found: &mut Vec<(String, String)>) -> Option<()> {
    let Some((begins, mut captures)) = part.split_once('{') else {
        return (part == text).then_some(());
    };
    let mut rest = text.strip_prefix(begins)?;
    loop {
        let (name, after) = captures.split_once('}')?;
        let mut note = |value: &str| found.push((name.to_owned(), value.to_owned()));
        let Some((follows, more)) = after.split_once('{') else {
            note(rest.strip_suffix(after)?);
            return Some(());
        };
        let (value, after) = rest.split_once(follows)?;
        note(value);
        (rest, captures) = (after, more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_is_part_of_one_part_of_a_channel() {
        let captured = |pattern: &str, channel: &str| {
            let found = captures(pattern, channel)?;
            let each = found.iter().map(|(name, value)| format!("{name}={value}"));
            Some(each.collect::<Vec<_>>().join(" "))
        };
        for (pattern, channel, expected) in [
            ("a:{b}:c", "a:x:c", Some("b=x")),
            ("{a}-{b}:c", "x-y-z:c", Some("a=x b=y-z")),
            ("a", "a", Some("")),
            ("a:{b}", "a:x:y", None),
            ("a:{b}", "a:", Some("b=")),
            ("a:{b}", "a", None),
            ("{a}-{b}", "-y", Some("a= b=y")),
            ("{a}-{b}", "xy", None),
        ] {
            assert_eq!(
                captured(pattern, channel).as_deref(),
                expected,
                "{pattern} {channel}"
            );
        }
    }
}
