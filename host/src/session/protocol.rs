//! What clients say and are told: JSON in text frames, in and out.
//!
//! Only the form is judged here. Whether a channel exists, and whether this client may have
//! it, is for the session to find out.

use serde_json::{Map, Value, json};

use crate::channel::Pattern;

/// The longest `id` that a request may carry, in bytes.
pub(crate) const MAX_ID_BYTES: usize = 64;

/// The longest piece of a client's own text that an answer repeats, in characters.
const MAX_ECHO_CHARS: usize = 160;

/// What a client chose to recognise its answers by. Boxed: it is seldom there, and errors
/// carry it along.
pub(super) type Id = Option<Box<Value>>;

/// A request of a client, with the `id` that its answers repeat.
#[derive(Debug, PartialEq)]
pub(super) struct ClientRequest {
    pub(super) id: Id,
    pub(super) action: ClientAction,
}

#[derive(Debug, PartialEq)]
pub(super) enum ClientAction {
    Subscribe(Vec<String>),
    Unsubscribe(Vec<String>),
    Ping,
}

/// Codes of `error` messages; part of the public contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorCode {
    ParseError,
    InvalidMessage,
    InvalidChannel,
    ForbiddenChannel,
    SubscriptionLimit,
    RateLimited,
}

impl ErrorCode {
    pub(super) const ALL: [Self; 6] = [
        Self::ParseError,
        Self::InvalidMessage,
        Self::InvalidChannel,
        Self::ForbiddenChannel,
        Self::SubscriptionLimit,
        Self::RateLimited,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::ParseError => "PARSE_ERROR",
            Self::InvalidMessage => "INVALID_MESSAGE",
            Self::InvalidChannel => "INVALID_CHANNEL",
            Self::ForbiddenChannel => "FORBIDDEN_CHANNEL",
            Self::SubscriptionLimit => "SUBSCRIPTION_LIMIT",
            Self::RateLimited => "RATE_LIMITED",
        }
    }
}

/// An `error` message on its way to the client.
#[derive(Debug, PartialEq)]
pub(super) struct ClientError {
    pub(super) code: ErrorCode,
    pub(super) message: String,
    pub(super) channel: Option<String>,
    pub(super) id: Id,
}

impl ClientError {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            channel: None,
            id: None,
        }
    }

    pub(super) fn about(mut self, channel: &str, id: &Id) -> Self {
        self.channel = Some(channel.chars().take(MAX_ECHO_CHARS).collect());
        self.id.clone_from(id);
        self
    }

    pub(super) fn body(&self) -> Value {
        let mut body =
            json!({ "type": "error", "code": self.code.as_str(), "message": self.message });
        if let Some(channel) = &self.channel {
            body["channel"] = channel.as_str().into();
        }
        answer(body, &self.id)
    }
}

/// `numbers` are the channels among `patterns`, each with the number that the next of its
/// messages follows; `latest` are those whose numbers may jump. These are named only where there
/// are some.
pub(super) fn subscribed(
    patterns: &[Pattern],
    epoch: &str,
    numbers: impl Iterator<Item = (String, u64)>,
    latest: &[&Pattern],
    id: &Id,
) -> Value {
    let numbers: Map<String, Value> = numbers
        .map(|(channel, seq)| (channel, seq.into()))
        .collect();
    let mut body =
        json!({ "type": "subscribed", "channels": patterns, "epoch": epoch, "seq": numbers });
    if !latest.is_empty() {
        body["latest"] = json!(latest);
    }
    answer(body, id)
}

pub(super) fn unsubscribed(patterns: &[Pattern], id: &Id) -> Value {
    answer(json!({ "type": "unsubscribed", "channels": patterns }), id)
}

pub(super) fn pong(id: &Id) -> Value {
    answer(json!({ "type": "pong" }), id)
}

fn answer(mut body: Value, id: &Id) -> Value {
    if let Some(id) = id {
        body["id"] = Value::clone(id);
    }
    body
}

/// Reads one text message. `max_channels` is how many a message may name.
pub(super) fn parse(text: &str, max_channels: usize) -> Result<ClientRequest, ClientError> {
    let value: Value = serde_json::from_str(text)
        .map_err(|_| ClientError::new(ErrorCode::ParseError, "the message is not JSON"))?;
    let Value::Object(mut message) = value else {
        return Err(invalid("a message is a JSON object", None));
    };
    let id = take_id(&mut message)?;
    let action = match message.get("action").and_then(Value::as_str) {
        Some("subscribe") => take_channels(&mut message, max_channels).map(ClientAction::Subscribe),
        Some("unsubscribe") => {
            take_channels(&mut message, max_channels).map(ClientAction::Unsubscribe)
        }
        Some("ping") => Ok(ClientAction::Ping),
        _ => Err("\"action\" is one of \"subscribe\", \"unsubscribe\", \"ping\"".into()),
    };
    match action {
        Ok(action) => Ok(ClientRequest { id, action }),
        Err(message) => Err(invalid(message, id)),
    }
}

fn invalid(message: impl Into<String>, id: Id) -> ClientError {
    ClientError {
        id,
        ..ClientError::new(ErrorCode::InvalidMessage, message)
    }
}

fn take_id(message: &mut Map<String, Value>) -> Result<Id, ClientError> {
    let Some(id) = message.remove("id") else {
        return Ok(None);
    };
    let usable = match &id {
        Value::String(text) => text.len() <= MAX_ID_BYTES,
        Value::Number(number) => number.is_i64() || number.is_u64(),
        _ => false,
    };
    if usable {
        Ok(Some(Box::new(id)))
    } else {
        Err(invalid(
            format!("\"id\" is an integer or a string of at most {MAX_ID_BYTES} bytes"),
            None,
        ))
    }
}

fn take_channels(message: &mut Map<String, Value>, max: usize) -> Result<Vec<String>, String> {
    let rule = || format!("\"channels\" is a list of 1 to {max} strings");
    let Some(Value::Array(channels)) = message.remove("channels") else {
        return Err(rule());
    };
    if !(1..=max).contains(&channels.len()) {
        return Err(rule());
    }
    channels
        .into_iter()
        .map(|channel| match channel {
            Value::String(text) => Ok(text),
            _ => Err(rule()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> ErrorCode {
        parse(text, 20).unwrap_err().code
    }

    #[test]
    fn requests_are_read_with_their_ids() {
        let request = parse(
            r#"{"action":"subscribe","channels":["a:b","a:*"],"id":"r1","extra":1}"#,
            20,
        )
        .unwrap();
        assert_eq!(request.id, Some(Box::new("r1".into())));
        assert_eq!(
            request.action,
            ClientAction::Subscribe(vec!["a:b".into(), "a:*".into()])
        );
        assert_eq!(
            parse(r#"{"action":"ping","id":7}"#, 20).unwrap(),
            ClientRequest {
                id: Some(Box::new(7.into())),
                action: ClientAction::Ping
            }
        );
    }

    #[test]
    fn what_is_not_json_and_what_is_not_a_request_are_told_apart() {
        for text in ["", "{", "subscribe", "{\"a\":1}x", &"[".repeat(500)] {
            assert_eq!(code(text), ErrorCode::ParseError, "{text}");
        }
        for text in [
            "1",
            "[]",
            "{}",
            r#"{"action":"dance"}"#,
            r#"{"action":1}"#,
            r#"{"action":"subscribe"}"#,
            r#"{"action":"subscribe","channels":[]}"#,
            r#"{"action":"subscribe","channels":"a:b"}"#,
            r#"{"action":"subscribe","channels":[1]}"#,
            r#"{"action":"ping","id":{}}"#,
            r#"{"action":"ping","id":1.5}"#,
        ] {
            assert_eq!(code(text), ErrorCode::InvalidMessage, "{text}");
        }
    }

    #[test]
    fn the_number_of_channels_has_a_limit_on_both_sides() {
        let message = |n| json!({"action": "subscribe", "channels": vec!["a:b"; n]}).to_string();
        assert!(parse(&message(20), 20).is_ok());
        assert_eq!(code(&message(21)), ErrorCode::InvalidMessage);
    }

    #[test]
    fn a_long_channel_is_not_echoed_whole() {
        let error =
            ClientError::new(ErrorCode::InvalidChannel, "x").about(&"é".repeat(10_000), &None);
        assert!(error.body().to_string().len() < 500);
    }
}
