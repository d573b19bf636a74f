//! The egress guard: what leaves is checked, not trusted.

use super::contract;
use super::descriptor::Descriptor;
use super::family::MessageType;
use super::schema::BlockReason;
use crate::channel::Channel;

/// A publication that may leave.
#[derive(Debug)]
pub struct Admitted {
    pub channel: Channel,
    /// The whole message, but for its number.
    pub text: String,
    /// Where in `text` the number belongs, in bytes: right before `,"data"`.
    pub head: usize,
    /// The place of its family in the descriptor.
    pub family: usize,
}

impl Admitted {
    /// The type of the message. It has no character that JSON escapes.
    pub fn message_type(&self) -> &str {
        let named = self.text.strip_prefix(AROUND[0]).unwrap_or_default();
        named.split('"').next().unwrap_or_default()
    }

    /// The data as it leaves: JSON.
    pub fn data(&self) -> &str {
        let data = &self.text[self.head - 1 + AROUND[2].len()..];
        data.strip_suffix('}').unwrap_or(data)
    }
}

/// Why a publication was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// Not a channel of the component's own families, or a value that their parameters refuse.
    Channel,
    /// Not a message type of the channel's family.
    MessageType,
    /// `data` is not JSON.
    Json,
    /// `data` is not what the declared schema describes.
    Schema,
}

impl Block {
    pub(super) const ALL: [Self; 4] = [Self::Channel, Self::MessageType, Self::Json, Self::Schema];

    pub fn label(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::MessageType => "message_type",
            Self::Json => "json",
            Self::Schema => "schema",
        }
    }
}

impl Descriptor {
    /// The message type that a publication says it is of.
    pub(super) fn message_of(&self, publication: &contract::Publication) -> Option<&MessageType> {
        let (family, _) = publication.channel.split_once(':')?;
        let (_, family) = self.family(family)?;
        family.message(&publication.message_type)
    }

    /// Lets a publication out as the one frame that all its receivers share, or stops it.
    pub(super) fn admit(&self, publication: &contract::Publication) -> Result<Admitted, Block> {
        let channel: Channel = publication.channel.parse().map_err(|_| Block::Channel)?;
        let pattern = channel.as_pattern();
        let (place, family) = self.family(pattern.family()).ok_or(Block::Channel)?;
        family.check_channel(pattern).map_err(|_| Block::Channel)?;
        let message = family
            .message(&publication.message_type)
            .ok_or(Block::MessageType)?;
        let (mut text, head) = opening(&message.name, &channel, publication.data.len());
        message
            .data_schema
            .write(&publication.data, &mut text)
            .map_err(|refusal| match refusal {
                BlockReason::Json => Block::Json,
                BlockReason::Schema => Block::Schema,
            })?;
        text.push('}');
        Ok(Admitted {
            channel,
            text,
            head,
            family: place,
        })
    }
}

/// What stands before a message's type, its channel and its data.
const AROUND: [&str; 3] = [r#"{"type":""#, r#"","channel":""#, r#"","data":"#];

/// A message up to its `data`, which takes some `room` bytes, and where its number belongs.
/// Neither a type nor a channel has a character that JSON writes in another way.
fn opening(message_type: &str, channel: &Channel, room: usize) -> (String, usize) {
    let channel = channel.as_str();
    let fixed: usize = AROUND.iter().map(|part| part.len()).sum();
    let mut text = String::with_capacity(fixed + message_type.len() + channel.len() + room + 1);
    for part in [AROUND[0], message_type, AROUND[1], channel] {
        text.push_str(part);
    }
    let head = text.len() + 1;
    text.push_str(AROUND[2]);
    (text, head)
}

#[cfg(test)]
mod tests {
    use super::super::descriptor::Reading;
    use super::super::descriptor::tests::stated;
    use super::*;

    fn admit(channel: &str, data: &str) -> Result<String, Block> {
        admit_as("tick", channel, data)
    }

    fn admit_as(message_type: &str, channel: &str, data: &str) -> Result<String, Block> {
        let descriptor = Reading::of(&stated()).descriptor.unwrap();
        let publication = contract::Publication {
            channel: channel.into(),
            message_type: message_type.into(),
            data: data.into(),
        };
        let admitted = descriptor.admit(&publication)?;
        assert!(admitted.text[admitted.head..].starts_with(r#","data":"#));
        assert_eq!(admitted.message_type(), message_type);
        assert_eq!(admitted.channel.as_str(), channel);
        let whole = format!(
            "{},\"data\":{}}}",
            &admitted.text[..admitted.head],
            admitted.data()
        );
        assert_eq!(admitted.text, whole);
        Ok(admitted.text)
    }

    #[test]
    fn what_was_declared_leaves() {
        let text = admit("ticks:AB:bid", r#" {"price" : "1.5"} "#).unwrap();
        assert_eq!(
            text,
            r#"{"type":"tick","channel":"ticks:AB:bid","data":{"price":"1.5"}}"#
        );
    }

    #[test]
    fn what_was_not_declared_does_not() {
        let good = r#"{"price":"1"}"#;
        for channel in [
            "other:AB:bid",
            "ticks:ab:bid",
            "ticks:AB:mid",
            "ticks:AB",
            "ticks:*:bid",
            "",
            "ticks:AB:bid:x",
        ] {
            assert_eq!(admit(channel, good), Err(Block::Channel), "{channel}");
        }
        for data in ["", "{", "secret", r#"{"price":"1"}x"#] {
            assert_eq!(admit("ticks:AB:bid", data), Err(Block::Json), "{data}");
        }
        for data in [
            "{}",
            "1",
            r#"{"price":1}"#,
            r#"{"price":"1","secret":"2"}"#,
            r#"{"price":"123456789012345678901"}"#,
        ] {
            assert_eq!(admit("ticks:AB:bid", data), Err(Block::Schema), "{data}");
        }
    }

    #[test]
    fn each_message_type_has_a_schema_of_its_own() {
        let was = r#"{"was":"1"}"#;
        let text = admit_as("tick_correction", "ticks:AB:bid", was).unwrap();
        assert!(text.starts_with(r#"{"type":"tick_correction""#), "{text}");
        for (message_type, block) in [
            ("tick", Block::Schema),
            ("trade", Block::MessageType),
            ("", Block::MessageType),
            ("gap", Block::MessageType),
        ] {
            let blocked = admit_as(message_type, "ticks:AB:bid", was);
            assert_eq!(blocked, Err(block), "{message_type}");
        }
    }

    #[test]
    fn a_name_that_stands_twice_shows_nothing_that_was_not_validated() {
        let text = admit("ticks:AB:bid", r#"{"price":{"secret":1},"price":"1"}"#).unwrap();
        assert!(!text.contains("secret"), "{text}");
    }
}
