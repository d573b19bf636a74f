//! The messages that every host knows, whatever it publishes: requests, and what answers them
//! or tells of messages that do not come.

use serde_json::{Map, Value, json};

use crate::hub::notice::Reason;
use crate::session::{MAX_ID_BYTES, SessionLimits, error_codes};

pub(super) fn message(summary: &str, payload: &Value) -> Value {
    json!({ "summary": summary, "payload": payload })
}

pub(super) fn object(properties: &Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": properties, "required": required })
}

fn id() -> Value {
    json!({ "type": ["string", "integer"], "maxLength": MAX_ID_BYTES, "description": "Chosen by the client and repeated in each answer." })
}

fn channels() -> Value {
    json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 })
}

/// A message's number in its channel, or the last one that it has.
pub(super) fn number(least: u64, description: &str) -> Value {
    json!({ "type": "integer", "minimum": least, "description": description })
}

/// An end of a gap, where it is known.
fn end_of_gap(description: &str) -> Value {
    json!({ "type": ["integer", "null"], "minimum": 1, "description": description })
}

pub(super) fn requests(limits: &SessionLimits) -> Map<String, Value> {
    let with_channels = |action: &str| {
        let mut channels = channels();
        channels["maxItems"] = limits.max_channels_per_message.into();
        let properties = json!({ "action": { "const": action }, "channels": channels, "id": id() });
        object(&properties, &["action", "channels"])
    };
    let ping = object(
        &json!({ "action": { "const": "ping" }, "id": id() }),
        &["action"],
    );
    Map::from_iter([
        (
            "subscribe".to_owned(),
            message("Ask for channels.", &with_channels("subscribe")),
        ),
        (
            "unsubscribe".to_owned(),
            message("Ask for channels no more.", &with_channels("unsubscribe")),
        ),
        ("ping".to_owned(), message("Ask for a pong.", &ping)),
    ])
}

pub(super) fn answers() -> Map<String, Value> {
    let subscribed = json!({
        "type": { "const": "subscribed" },
        "channels": channels(),
        "epoch": {
            "type": "string",
            "pattern": "^[0-9a-f]{16}$",
            "description": "Whose numbers these are: another host has another epoch, and so has a host that was started anew.",
        },
        "seq": {
            "type": "object",
            "additionalProperties": number(0, "Of the last message; 0 before the first one. The next has one more."),
            "description": "For each of the channels without `*`, the number of its last message.",
        },
        "latest": {
            "type": "array",
            "items": { "type": "string" },
            "minItems": 1,
            "description": "Those of the channels whose newer messages replace older ones, so that numbers may jump; absent where there are none.",
        },
        "id": id(),
    });
    let unsubscribed =
        json!({ "type": { "const": "unsubscribed" }, "channels": channels(), "id": id() });
    let pong = object(
        &json!({ "type": { "const": "pong" }, "id": id() }),
        &["type"],
    );
    let error = json!({
        "type": { "const": "error" },
        "code": { "enum": error_codes() },
        "message": { "type": "string", "description": "For a person." },
        "channel": { "type": "string", "description": "The channel at fault, if one is." },
        "id": id(),
    });
    let status = json!({
        "type": { "const": "status" },
        "channel": { "type": "string", "description": "The subscription, as it was asked for." },
        "state": {
            "enum": ["paused", "stale", "live"],
            "description": "Stopped by the operator; without its source, so that silence means nothing; or coming again.",
        },
    });
    let gap = json!({
        "type": { "const": "gap" },
        "channel": {
            "type": "string",
            "description": "The channel; or the subscription, as it was asked for, where `from` and `to` are null.",
        },
        "from": end_of_gap("The number of the first message that is missing; null where nobody knows."),
        "to": end_of_gap("The number of the last message that is missing; null where nobody knows."),
        "count": number(1, "How many are missing, where too many channels are concerned to name each."),
        "reason": {
            "enum": Reason::ALL.map(Reason::word),
            "description": "The client was too far behind; the source was away; events could not be made messages; the operator had paused them.",
        },
    });
    Map::from_iter([
        (
            "subscribed".to_owned(),
            message(
                "The channels that are subscribed now.",
                &object(&subscribed, &["type", "channels", "epoch", "seq"]),
            ),
        ),
        (
            "unsubscribed".to_owned(),
            message(
                "The channels that are subscribed no more.",
                &object(&unsubscribed, &["type", "channels"]),
            ),
        ),
        ("pong".to_owned(), message("The answer to a ping.", &pong)),
        (
            "status".to_owned(),
            message(
                "Whether messages of this subscription can be expected; those of the meantime do not come later.",
                &object(&status, &["type", "channel", "state"]),
            ),
        ),
        (
            "gap".to_owned(),
            message(
                "Messages that this client does not get; said before anything newer of their channel.",
                &object(&gap, &["type", "channel", "from", "to", "reason"]),
            ),
        ),
        (
            "error".to_owned(),
            message(
                "Why a request was not followed. The session goes on.",
                &object(&error, &["type", "code", "message"]),
            ),
        ),
    ])
}
