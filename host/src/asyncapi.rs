//! The AsyncAPI 3.1 document of the public stream, written from the loaded descriptors.
//!
//! What every host has in common (requests, answers, close codes) stands here and in
//! `messages`; what there is to subscribe to comes from the components.

mod draft_07;
mod messages;

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use self::draft_07::draft_07;
use self::messages::{answers, message, number, object, requests};
use crate::catalog::Catalog;
use crate::channel::MAX_BYTES;
use crate::session::{CloseReason, SessionLimits};
use crate::transform::{AllowedValues, Delivery, Family, FamilyParameter, MessageType};

fn close_codes() -> String {
    let row =
        |(code, text, meaning): (u16, &str, &str)| format!("| {code} | `{text}` | {meaning} |\n");
    let rows: String = CloseReason::table().into_iter().map(row).collect();
    format!("| code | text | meaning |\n|---|---|---|\n{rows}")
}

/// What a client may do, and what happens beyond it.
fn limits_table(limits: &SessionLimits) -> String {
    let size = |bytes: usize| {
        bytesize::ByteSize::b(bytes as u64)
            .display()
            .iec()
            .to_string()
    };
    let time = |time| humantime::format_duration(time).to_string();
    let rows = [
        (
            "one message of the client",
            size(limits.max_message_size),
            "close 1009".to_owned(),
        ),
        (
            "messages of the client, pings included",
            format!(
                "{} a second, and {} at once",
                limits.message_rate, limits.message_burst
            ),
            "`RATE_LIMITED`, and close 1008 after a whole further burst".to_owned(),
        ),
        (
            "channels in one request",
            format!("1 to {}", limits.max_channels_per_message),
            "`INVALID_MESSAGE`".to_owned(),
        ),
        (
            "subscriptions of a connection",
            limits.max_subscriptions.to_string(),
            "`SUBSCRIPTION_LIMIT`".to_owned(),
        ),
        (
            "a channel's name",
            format!("{MAX_BYTES} bytes"),
            "`INVALID_CHANNEL`".to_owned(),
        ),
        (
            "age of the oldest message that the client has not got",
            time(limits.lag_limit),
            "it is passed by, and a `gap` tells of it; sooner where all that wait take too much memory"
                .to_owned(),
        ),
        (
            "time without a byte being taken while something waits",
            time(limits.stall_limit),
            "close 1013".to_owned(),
        ),
        (
            "time from a ping to a sign of life",
            time(limits.heartbeat_interval),
            "the connection is cut".to_owned(),
        ),
        (
            "connections of a key",
            "5, unless the key says otherwise".to_owned(),
            "close 4008".to_owned(),
        ),
    ];
    let rows = rows.map(|(what, most, beyond)| format!("| {what} | {most} | {beyond} |\n"));
    format!(
        "| limit | at most | beyond it |\n|---|---|---|\n{}",
        rows.concat()
    )
}

/// The document of a running host, written anew when what runs has changed.
#[derive(Debug)]
pub struct RunningDocument {
    catalog: Arc<Catalog>,
    limits: SessionLimits,
    /// The version of the catalog that the text is of, and the text.
    written: Mutex<(u64, Arc<str>)>,
}

impl RunningDocument {
    pub fn new(catalog: Arc<Catalog>, limits: SessionLimits) -> Self {
        let written = (catalog.version(), document(&catalog, &limits).into());
        Self {
            catalog,
            limits,
            written: Mutex::new(written),
        }
    }

    /// The present document, as YAML.
    pub fn text(&self) -> Arc<str> {
        let version = self.catalog.version();
        let mut written = self.written.lock();
        if written.0 != version {
            *written = (version, document(&self.catalog, &self.limits).into());
        }
        written.1.clone()
    }
}

/// The document as YAML, with the limits that a host is set to.
///
/// # Panics
/// Never: a JSON value always has a YAML form.
pub fn document(catalog: &Catalog, limits: &SessionLimits) -> String {
    serde_saphyr::to_string(&value(catalog, limits))
        .expect("a JSON value is written without errors")
}

fn value(catalog: &Catalog, limits: &SessionLimits) -> Value {
    let mut messages = requests(limits);
    messages.extend(answers());
    let mut sent: Vec<String> = answers().keys().cloned().collect();
    for family in catalog.families() {
        for kind in &family.messages {
            messages.insert(kind.name.clone(), family_message(&family, kind));
            sent.push(kind.name.clone());
        }
    }
    let received: Vec<String> = requests(limits).keys().cloned().collect();
    let channel_messages: Map<String, Value> = messages
        .keys()
        .map(|name| {
            (
                name.clone(),
                reference(&format!("#/components/messages/{name}")),
            )
        })
        .collect();
    json!({
        "asyncapi": "3.1.0",
        "info": {
            "title": "Tidegate public stream",
            "version": "1.0.0",
            "description": "Messages as JSON in WebSocket text frames. Clients subscribe to channels; `*` in a \
                channel stands for every value of a parameter. A message whose subscriptions overlap arrives once. \
                Within a channel messages keep their order and are numbered without a hole; a `gap` tells a \
                connected client which of them it does not get. Where `x-delivery` is `latest`, a newer message \
                of a channel replaces an older one that waits, so that numbers jump and no `gap` tells of it. \
                Where `x-snapshot-on-subscribe` is true, `subscribed` is followed by the last message of each \
                channel.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "tidegate": {
                "host": "{host}",
                "protocol": "wss",
                "description": "Plain `ws` where nothing in front of the host speaks TLS.",
                "variables": { "host": { "default": "localhost:8080" } },
                "security": [
                    reference("#/components/securitySchemes/query"),
                    reference("#/components/securitySchemes/header"),
                    reference("#/components/securitySchemes/bearer"),
                ],
            },
        },
        "channels": {
            "stream": {
                "address": "/public/v1/stream",
                "title": "The stream",
                "description": format!(
                    "Browsers, which cannot set headers, offer the subprotocols `tidegate` and `key.<KEY>`.\n\n\
                     Limits:\n\n{}\n\
                     Close codes:\n\n{}",
                    limits_table(limits),
                    close_codes()
                ),
                "messages": channel_messages,
                "bindings": { "ws": { "method": "GET" } },
            },
        },
        "operations": {
            "receiveRequests": operation("receive", "Clients ask for channels.", &received),
            "sendMessages": operation("send", "Answers, and messages of the subscribed channels.", &sent),
        },
        "components": {
            "messages": messages,
            "securitySchemes": {
                "query": { "type": "httpApiKey", "name": "apiKey", "in": "query" },
                "header": { "type": "httpApiKey", "name": "X-API-Key", "in": "header" },
                "bearer": { "type": "http", "scheme": "bearer" },
            },
        },
    })
}

fn reference(to: &str) -> Value {
    json!({ "$ref": to })
}

fn operation(action: &str, summary: &str, messages: &[String]) -> Value {
    let messages: Vec<Value> = messages
        .iter()
        .map(|name| reference(&format!("#/channels/stream/messages/{name}")))
        .collect();
    json!({
        "action": action,
        "summary": summary,
        "channel": reference("#/channels/stream"),
        "messages": messages,
    })
}

fn family_message(family: &Family, kind: &MessageType) -> Value {
    let seq = if family.delivery.is_latest {
        "The message's number in its channel, larger than that of the message before: those between were replaced."
    } else {
        "The message's number in its channel, one more than that of the message before."
    };
    let properties = json!({
        "type": { "const": kind.name },
        "channel": { "type": "string", "pattern": channel_pattern(family), "description": channel_rules(family) },
        "seq": number(1, seq),
        "data": draft_07(kind.data_schema.document()),
    });
    let mut payload = object(&properties, &["type", "channel", "seq", "data"]);
    payload["additionalProperties"] = false.into();
    let mut described = message(&family.summary, &payload);
    let Delivery {
        is_latest,
        has_snapshot,
    } = family.delivery;
    described["x-delivery"] = if is_latest { "latest" } else { "every" }.into();
    described["x-snapshot-on-subscribe"] = has_snapshot.into();
    described
}

/// The form of a family's channels, and which values there are, for a person.
fn channel_rules(family: &Family) -> String {
    let rules = family.parameters.iter().map(FamilyParameter::rule);
    let rules_of_channel: Vec<String> = std::iter::once(family.channel_form())
        .chain(rules)
        .collect();
    rules_of_channel.join("; ")
}

fn channel_pattern(family: &Family) -> String {
    let part = |parameter: &FamilyParameter| match &parameter.allowed {
        AllowedValues::OneOf(values) => format!(
            "(?:{})",
            // Of all that a channel can have in it, only the dot means something else here.
            values
                .iter()
                .map(|value| value.replace('.', "\\."))
                .collect::<Vec<_>>()
                .join("|")
        ),
        AllowedValues::Pattern(pattern) => format!("(?:{pattern})"),
    };
    let parts: Vec<String> = family.parameters.iter().map(part).collect();
    format!("^{}:{}$", family.name, parts.join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::session_limits;
    use crate::session::error_codes;
    use crate::settings::Settings;

    #[test]
    fn the_page_for_clients_has_every_limit_close_code_and_error_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/clients.md");
        let page = std::fs::read_to_string(path).unwrap();
        let limits = limits_table(&session_limits(&Settings::default()));
        for table in [limits, close_codes()] {
            assert!(page.contains(&table), "docs/clients.md: copy\n{table}");
        }
        for code in error_codes() {
            assert!(page.contains(&format!("| `{code}` |")), "{code}");
        }
    }
}
