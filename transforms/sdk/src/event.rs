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
    use crate::vectors;

    #[test]
    fn a_capture_is_part_of_one_part_of_a_channel() {
        for vector in vectors::of("captures") {
            let text = |name: &str| vector[name].as_str().unwrap();
            let found = captures(text("pattern"), text("channel"));
            let found: Option<serde_json::Map<_, _>> = found.map(|found| {
                found
                    .into_iter()
                    .map(|(name, value)| (name, value.into()))
                    .collect()
            });
            assert_eq!(serde_json::json!(found), vector["captured"], "{vector}");
        }
    }
}
