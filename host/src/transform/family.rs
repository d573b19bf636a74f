//! A family of channels: which there are, and what their messages have in them.

use serde_json::Value;

use super::contract;
use super::descriptor::misnamed;
use super::schema::ClosedSchema;
use super::whole_match::WholeMatch;
use crate::channel::{Channel, Pattern};

/// Types of the protocol's own messages; a client could not tell them apart.
const RESERVED_TYPES: [&str; 8] = [
    "error",
    "gap",
    "ping",
    "pong",
    "status",
    "subscribe",
    "subscribed",
    "unsubscribed",
];
const MAX_ALLOWED_VALUES: usize = 1_000;

/// All that the host knows of a channel family.
#[derive(Debug)]
pub struct Family {
    pub name: String,
    /// What its transform says of itself, for people.
    pub summary: String,
    pub parameters: Vec<FamilyParameter>,
    /// One at least.
    pub messages: Vec<MessageType>,
    pub delivery: Delivery,
}

/// What the clients of a family are owed beside each message in its turn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delivery {
    /// A newer message of a channel replaces an older one that waits.
    pub is_latest: bool,
    /// Whoever subscribes is given the last message of each channel first.
    pub has_snapshot: bool,
}

impl Delivery {
    /// Whether the last message of a channel is of use after it was sent.
    pub fn keeps_last(self) -> bool {
        self.is_latest || self.has_snapshot
    }
}

/// One kind of message.
#[derive(Debug)]
pub struct MessageType {
    pub name: String,
    /// The schema of `data`: what the guard holds publications against.
    pub data_schema: ClosedSchema,
}

/// One variable part of a channel's name.
#[derive(Debug)]
pub struct FamilyParameter {
    pub name: String,
    pub allowed: AllowedValues,
}

#[derive(Debug)]
pub enum AllowedValues {
    OneOf(Vec<String>),
    Pattern(WholeMatch),
}

impl FamilyParameter {
    /// Whether a channel may have `value` here.
    pub fn allows(&self, value: &str) -> bool {
        match &self.allowed {
            AllowedValues::OneOf(values) => values.iter().any(|allowed| allowed == value),
            AllowedValues::Pattern(pattern) => pattern.is_match(value),
        }
    }

    /// What is allowed here, in words.
    pub fn rule(&self) -> String {
        match &self.allowed {
            AllowedValues::OneOf(values) => {
                format!("{} is one of {}", self.name, values.join(", "))
            }
            AllowedValues::Pattern(pattern) => format!("{} matches {pattern}", self.name),
        }
    }
}

impl Family {
    /// # Errors
    /// One sentence for each thing that is wrong, for the component's developer.
    pub(super) fn check(stated: &contract::Family, summary: &str) -> Result<Self, Vec<String>> {
        let mut faults: Vec<String> = misnamed("family", &stated.name, '_').into_iter().collect();
        let of_parameters = stated.parameters.iter();
        faults.extend(of_parameters.filter_map(|stated| misnamed("parameter", &stated.name, '_')));
        let mut parameters = Vec::new();
        for stated in &stated.parameters {
            match parameter(stated) {
                Ok(parameter) => parameters.push(parameter),
                Err(fault) => faults.push(fault),
            }
        }
        let mut messages = Vec::new();
        for stated in &stated.messages {
            match message(stated) {
                Ok(message) => messages.push(message),
                Err(errors) => faults.extend(errors),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            name: stated.name.clone(),
            summary: summary.to_owned(),
            parameters,
            messages,
            delivery: Delivery {
                is_latest: stated.delivery == contract::Delivery::Latest,
                has_snapshot: stated.snapshot_on_subscribe,
            },
        })
    }

    /// The message type of this name.
    pub fn message(&self, name: &str) -> Option<&MessageType> {
        self.messages.iter().find(|message| message.name == name)
    }

    /// Whether `pattern`, a channel or a subscription, is one of this family.
    ///
    /// # Errors
    /// What is allowed, in words for an API client.
    pub fn check_channel(&self, pattern: &Pattern) -> Result<(), String> {
        if pattern.family() != self.name || pattern.parameters().count() != self.parameters.len() {
            return Err(format!(
                "a channel of this family is {}, where `*` stands for any part",
                self.channel_form()
            ));
        }
        match pattern
            .parameters()
            .zip(&self.parameters)
            .find(|(value, parameter)| *value != "*" && !parameter.allows(value))
        {
            Some((_, parameter)) => Err(parameter.rule()),
            None => Ok(()),
        }
    }

    /// The form of this family's channels, such as `ticks:{symbol}:{timeframe}`.
    pub fn channel_form(&self) -> String {
        self.parameters
            .iter()
            .fold(self.name.clone(), |form, parameter| {
                format!("{form}:{{{}}}", parameter.name)
            })
    }
}

fn message(stated: &contract::Message) -> Result<MessageType, Vec<String>> {
    let name = &stated.message_type;
    let mut faults: Vec<String> = misnamed("message-type", name, '_').into_iter().collect();
    if RESERVED_TYPES.contains(&&**name) {
        faults.push(format!("message-type \"{name}\" is the protocol's own"));
    }
    let place = || format!("data-schema of {}", name.escape_debug());
    let parsed: Result<Value, _> = serde_json::from_str(&stated.data_schema)
        .map_err(|error| faults.push(format!("{} is not JSON: {error}", place())));
    let closed = parsed.and_then(|stated| {
        ClosedSchema::parse(&stated).map_err(|errors| {
            let of_schema = errors.iter().map(|error| format!("{}, {error}", place()));
            faults.extend(of_schema);
        })
    });
    match closed {
        Ok(data_schema) if faults.is_empty() => Ok(MessageType {
            name: name.clone(),
            data_schema,
        }),
        _ => Err(faults),
    }
}

fn parameter(stated: &contract::Parameter) -> Result<FamilyParameter, String> {
    let name = stated.name.clone();
    let allowed = match &stated.allowed {
        contract::AllowedValues::OneOf(values) => {
            if !(1..=MAX_ALLOWED_VALUES).contains(&values.len()) {
                return Err(format!(
                    "parameter {name}: one-of has 1 to {MAX_ALLOWED_VALUES} values"
                ));
            }
            if let Some(value) = values.iter().find(|value| !is_value(value)) {
                return Err(format!(
                    "parameter {name}: \"{}\" cannot be part of a channel",
                    value.escape_debug()
                ));
            }
            AllowedValues::OneOf(values.clone())
        }
        contract::AllowedValues::Pattern(text) => {
            let whole = WholeMatch::of_value(text)
                .map_err(|wrong| format!("parameter {name}: the pattern {wrong}"))?;
            AllowedValues::Pattern(whole)
        }
    };
    Ok(FamilyParameter { name, allowed })
}

/// Whether a channel can have this as one of its parts.
fn is_value(text: &str) -> bool {
    !text.contains(':') && format!("x:{text}").parse::<Channel>().is_ok()
}
