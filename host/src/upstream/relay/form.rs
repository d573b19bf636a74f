//! A message as ingest hosts send it to edge hosts: `1 GENERATION EPOCH NUMBER INSTANCE CHANGES`, a
//! line's end, and what clients get. What comes is checked before anything of it is used.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::transform::Family;

/// The longest name of an epoch or an ingest host, in bytes.
const MAX_NAME: usize = 32;

/// The first line of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RelayHead<'a> {
    pub(super) generation: u64,
    pub(super) epoch: &'a str,
    pub(super) seq: u64,
    /// The ingest host that sent it, and how often what that says of itself had changed by then.
    pub(super) instance: &'a str,
    pub(super) changes: u64,
    /// What clients get.
    pub(super) text: &'a str,
}

/// What clients get; nothing else may be in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientMessage<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    channel: Cow<'a, str>,
    seq: u64,
    #[expect(dead_code, reason = "that it is JSON is checked")]
    data: IgnoredAny,
}

/// Reads a message of this public channel, which is of this family; none where it is not one.
pub(super) fn read<'a>(payload: &'a [u8], channel: &str, family: &Family) -> Option<RelayHead<'a>> {
    let head = head(payload)?;
    let message: ClientMessage<'_> = serde_json::from_str(head.text).ok()?;
    let fits = message.channel == channel
        && message.seq == head.seq
        && family.message(&message.kind).is_some();
    fits.then_some(head)
}

fn head(payload: &[u8]) -> Option<RelayHead<'_>> {
    let text = std::str::from_utf8(payload).ok()?;
    let (line, text) = text.split_once('\n')?;
    let words: Vec<&str> = line.split(' ').collect();
    let ["1", generation, epoch, seq, instance, changes] = words[..] else {
        return None;
    };
    let is_name = |name: &str| {
        let is_word = name.bytes().all(|sign| sign.is_ascii_alphanumeric());
        is_word && (1..=MAX_NAME).contains(&name.len())
    };
    (is_name(epoch) && is_name(instance)).then_some(RelayHead {
        generation: generation.parse().ok()?,
        epoch,
        seq: seq.parse().ok()?,
        instance,
        changes: changes.parse().ok()?,
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::descriptor_example;

    const GOOD: &str = "1 7 abc 3 ef 5\n{\"type\":\"tick\",\"channel\":\"ticks:A:bid\",\"seq\":3,\"data\":{\"price\":\"1\"}}";

    fn is_taken(payload: &str) -> bool {
        let descriptor = descriptor_example();
        let read = read(payload.as_bytes(), "ticks:A:bid", &descriptor.families[0]);
        read.is_some_and(|head| (head.generation, head.epoch, head.seq) == (7, "abc", 3))
    }

    #[test]
    fn what_is_no_message_of_the_channel_is_not_taken() {
        assert!(is_taken(GOOD));
        for (part, wrong) in [
            ("1 7", "2 7"),
            ("abc", "a-b"),
            ("abc", ""),
            ("abc 3", "abc 4"),
            ("abc 3", "abc -3"),
            ("abc 3", "abc 3 3"),
            ("ef 5", "ef"),
            ("ef 5", "e-f 5"),
            ("ef 5", "ef five"),
            ("\n", " "),
            ("tick\"", "tock\""),
            ("A:bid", "B:bid"),
            ("\"seq\":3", "\"seq\":4"),
            ("\"seq\":3", "\"seq\":3,\"more\":1"),
            ("{\"price\"", "{price"),
            ("}}", "}"),
            ("}}", "}}}"),
        ] {
            let wrong = GOOD.replacen(part, wrong, 1);
            assert!(!is_taken(&wrong), "{wrong}");
        }
        let descriptor = descriptor_example();
        assert_eq!(head(b"\xff"), None);
        assert!(read(b"", "ticks:A:bid", &descriptor.families[0]).is_none());
    }
}
