//! What a transform in Rust costs that does nothing: each event becomes one empty message.
//! `tidegate transform bench` has it with it, and holds those of projects in Rust beside it.

use tidegate_sdk::sample::published;
use tidegate_sdk::{
    AllowedValues, Configuration, Delivery, Descriptor, Event, Family, Message, Parameter,
    Publication, Rejection, Transform,
};

tidegate_sdk::export!(Empty);

/// The transform; it has no settings.
pub struct Empty;

const CHANNEL: &str = "empties:one";
const MESSAGE_TYPE: &str = "empty";
const DATA: &str = "{}";

impl Transform for Empty {
    fn describe() -> Descriptor {
        Descriptor {
            name: MESSAGE_TYPE.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "One empty message for each event.".to_owned(),
            settings_schema: r#"{"type":"object","additionalProperties":false}"#.to_owned(),
            families: vec![Family {
                name: "empties".to_owned(),
                parameters: vec![Parameter {
                    name: "name".to_owned(),
                    allowed: AllowedValues::OneOf(vec!["one".to_owned()]),
                }],
                messages: vec![Message {
                    message_type: MESSAGE_TYPE.to_owned(),
                    data_schema:
                        r#"{"type":"object","additionalProperties":false,"properties":{}}"#
                            .to_owned(),
                }],
                delivery: Delivery::Every,
                snapshot_on_subscribe: false,
            }],
        }
    }

    fn configure(_: &str) -> Result<(Self, Configuration), String> {
        let configuration = Configuration {
            upstream_patterns: vec!["empty:one".to_owned()],
            samples: vec![published("empty:one", DATA, CHANNEL, MESSAGE_TYPE, DATA)],
        };
        Ok((Self, configuration))
    }

    fn transform(&self, _: &Event) -> Result<Vec<Publication>, Rejection> {
        Ok(vec![Publication {
            channel: CHANNEL.to_owned(),
            message_type: MESSAGE_TYPE.to_owned(),
            data: DATA.to_owned(),
        }])
    }
}
