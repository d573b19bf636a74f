//! Families as one host states them to another: what is read is checked by the very rules that a
//! component's own descriptor is.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::contract;
use super::descriptor::Reading;
use super::family::{AllowedValues, Family};

/// Whoever states families is no component, and has none of these.
const NAMELESS: &str = "relay";
const VERSION: &str = "1.0.0";
const NO_SETTINGS: &str = r#"{"type":"object"}"#;

/// A family, as JSON has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatedFamily {
    name: String,
    summary: String,
    parameters: Vec<StatedParameter>,
    messages: Vec<StatedMessage>,
    is_latest: bool,
    has_snapshot: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatedParameter {
    name: String,
    allowed: StatedValues,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StatedValues {
    OneOf(Vec<String>),
    Pattern(String),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatedMessage {
    name: String,
    data_schema: serde_json::Value,
}

impl StatedFamily {
    pub fn of(family: &Family) -> Self {
        let parameters = family.parameters.iter().map(|parameter| StatedParameter {
            name: parameter.name.clone(),
            allowed: match &parameter.allowed {
                AllowedValues::OneOf(values) => StatedValues::OneOf(values.clone()),
                AllowedValues::Pattern(pattern) => {
                    StatedValues::Pattern(pattern.as_str().to_owned())
                }
            },
        });
        let messages = family.messages.iter().map(|message| StatedMessage {
            name: message.name.clone(),
            data_schema: message.data_schema.document().clone(),
        });
        Self {
            name: family.name.clone(),
            summary: family.summary.clone(),
            parameters: parameters.collect(),
            messages: messages.collect(),
            is_latest: family.delivery.is_latest,
            has_snapshot: family.delivery.has_snapshot,
        }
    }

    /// # Errors
    /// What is wrong with it, a sentence each.
    pub fn check(self) -> Result<Arc<Family>, Vec<String>> {
        let parameters = self
            .parameters
            .into_iter()
            .map(|stated| contract::Parameter {
                name: stated.name,
                allowed: match stated.allowed {
                    StatedValues::OneOf(values) => contract::AllowedValues::OneOf(values),
                    StatedValues::Pattern(text) => contract::AllowedValues::Pattern(text),
                },
            });
        let messages = self.messages.into_iter().map(|stated| contract::Message {
            message_type: stated.name,
            data_schema: stated.data_schema.to_string(),
        });
        let stated = contract::Descriptor {
            name: NAMELESS.into(),
            version: VERSION.into(),
            summary: self.summary,
            settings_schema: NO_SETTINGS.into(),
            families: vec![contract::Family {
                name: self.name,
                parameters: parameters.collect(),
                messages: messages.collect(),
                delivery: match self.is_latest {
                    true => contract::Delivery::Latest,
                    false => contract::Delivery::Every,
                },
                snapshot_on_subscribe: self.has_snapshot,
            }],
        };
        let mut families = Reading::of(&stated).descriptor?.families;
        families.pop().ok_or_else(Vec::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_the_same_after_the_way_and_a_wrong_one_is_refused() {
        let example = super::super::descriptor::tests::example();
        let family = &example.families[0];
        let text = serde_json::to_string(&StatedFamily::of(family)).unwrap();
        let stated: StatedFamily = serde_json::from_str(&text).unwrap();
        let read = stated.clone().check().unwrap();
        assert_eq!(read.channel_form(), family.channel_form());
        assert_eq!(read.delivery, family.delivery);
        assert_eq!(
            serde_json::to_string(&StatedFamily::of(&read)).unwrap(),
            text
        );
        for (field, wrong) in [("\"ticks\"", "\"Ticks\""), ("\"tick\"", "\"gap\"")] {
            let wrong = text.replacen(field, wrong, 1);
            let stated: StatedFamily = serde_json::from_str(&wrong).unwrap();
            assert_eq!(stated.check().unwrap_err().len(), 1, "{wrong}");
        }
        let open = text.replace(
            "\"additionalProperties\":false",
            "\"additionalProperties\":true",
        );
        let stated: StatedFamily = serde_json::from_str(&open).unwrap();
        assert!(stated.check().is_err());
    }
}
