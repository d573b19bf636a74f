//! What is known of a revision, as it is kept on disk and shown to operators; and what differs
//! between two of them, by their records and on the same events. Nothing here runs for clients.

pub mod certificate;
pub mod change;
pub mod claims;
pub mod compare;
pub mod diff;
pub mod needs;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::certificate::Certificate;
use crate::settings::limits_from_json;
use crate::transform::limits::Limits;
use crate::transform::{
    self, ClosedSchema, Component, RevisionId, Secrets, WholeMatch, secrets_of, shown_settings,
};

/// One exact component with its settings and limits, and how it came here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Revision {
    pub id: RevisionId,
    /// The name in its descriptor: the transform that it can become.
    pub transform: String,
    pub version: String,
    /// SHA-256 of the component's bytes, in hex.
    pub component: String,
    /// Bytes of the component.
    pub size: u64,
    /// For the component's `configure`. Always an object.
    #[schemars(with = "serde_json::Map<String, Value>")]
    pub settings: Value,
    /// Which settings there are, and which of them nobody is shown: a JSON Schema.
    #[schemars(with = "serde_json::Map<String, Value>")]
    pub settings_schema: Value,
    pub limits: Limits,
    pub surface: Surface,
    pub upstream_patterns: Vec<String>,
    /// Where it came from: `upload`, `watch: ticks.wasm`, `builtin:…`, a path of the settings.
    pub origin: String,
    /// Who sent it: the name of a token, `configuration` or `watch`.
    pub by: String,
    pub at: Timestamp,
    /// That the fuzzer found nothing, where whoever sent it has shown that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
}

impl Revision {
    /// What is kept and shown of a loaded component.
    pub fn of(component: &Component, origin: &str, by: &str) -> Self {
        let descriptor = &component.descriptor;
        Self {
            id: component.revision.clone(),
            transform: descriptor.name.clone(),
            version: descriptor.version.to_string(),
            component: component.digest.clone(),
            size: component.size,
            settings: component.settings.clone(),
            settings_schema: descriptor.settings.document().clone(),
            limits: component.limits().clone(),
            surface: Surface {
                summary: descriptor.summary.clone(),
                families: descriptor
                    .families
                    .iter()
                    .map(|family| PublicFamily::of(family))
                    .collect(),
            },
            upstream_patterns: component.patterns.iter().map(ToString::to_string).collect(),
            origin: origin.to_owned(),
            by: by.to_owned(),
            at: Timestamp::now(),
            certificate: None,
        }
    }

    /// What stands for a revision of which nothing is known here but its name.
    pub fn unknown(transform: &str, id: &RevisionId) -> Self {
        let unknown = || "unknown".to_owned();
        Self {
            id: id.clone(),
            transform: transform.to_owned(),
            version: unknown(),
            component: unknown(),
            size: 0,
            settings: json!({}),
            settings_schema: json!({}),
            limits: Limits::default(),
            surface: Surface {
                summary: unknown(),
                families: Vec::new(),
            },
            upstream_patterns: Vec::new(),
            origin: unknown(),
            by: unknown(),
            at: Timestamp::UNIX_EPOCH,
            certificate: None,
        }
    }

    /// Whether it could have come from an operator: what is read from disk or Redis passes the
    /// same checks.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let given = serde_json::to_value(&self.limits).map_err(|error| error.to_string())?;
        let limits = limits_from_json(&Limits::default(), &given);
        limits.map_err(|faults| faults.join("; "))?;
        if let Some(certificate) = &self.certificate {
            certificate.check(&self.component)?;
        }
        if self.settings.is_object() {
            Ok(())
        } else {
            Err("its settings are no object".to_owned())
        }
    }

    /// Short name and version, as metrics show them.
    pub fn label(&self) -> [&str; 2] {
        [self.id.short(), &self.version]
    }

    /// As it may be shown: without the values of secret settings, also where the component has
    /// made an upstream pattern of one.
    pub fn shown(&self) -> Self {
        const MAX_PATTERN: usize = 256;
        let unsaid = self.unsaid();
        let patterns = self.upstream_patterns.iter();
        Self {
            settings: shown_settings(&self.settings, &self.secrets()),
            upstream_patterns: patterns
                .map(|pattern| unsaid.shown(pattern, MAX_PATTERN))
                .collect(),
            ..self.clone()
        }
    }

    /// The values of secret settings.
    pub fn unsaid(&self) -> Secrets {
        Secrets::at(&self.settings, &self.secrets())
    }

    /// Where the settings are that nobody is shown, as JSON pointers.
    pub fn secrets(&self) -> Vec<String> {
        secrets_of(&self.settings_schema)
    }
}

/// All that clients can see of a transform: its channels and its messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Surface {
    pub summary: String,
    pub families: Vec<PublicFamily>,
}

impl Surface {
    /// The types of all its messages with their schemas.
    pub fn messages(&self) -> impl Iterator<Item = &PublicMessage> {
        self.families.iter().flat_map(|family| &family.messages)
    }
}

/// One family of channels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublicFamily {
    pub name: String,
    pub parameters: Vec<Parameter>,
    pub messages: Vec<PublicMessage>,
    /// A newer message of a channel replaces an older one that waits for a client.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub latest: bool,
    /// Whoever subscribes is given the last message of each channel first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub snapshot_on_subscribe: bool,
}

impl PublicFamily {
    fn of(family: &transform::Family) -> Self {
        let parameter = |parameter: &transform::FamilyParameter| Parameter {
            name: parameter.name.clone(),
            allowed: match &parameter.allowed {
                transform::AllowedValues::OneOf(values) => Allowed::OneOf(values.clone()),
                transform::AllowedValues::Pattern(pattern) => Allowed::Pattern(pattern.clone()),
            },
        };
        let message = |message: &transform::MessageType| PublicMessage {
            message_type: message.name.clone(),
            data_schema: message.data_schema.clone(),
        };
        Self {
            name: family.name.clone(),
            parameters: family.parameters.iter().map(parameter).collect(),
            messages: family.messages.iter().map(message).collect(),
            latest: family.delivery.is_latest,
            snapshot_on_subscribe: family.delivery.has_snapshot,
        }
    }
}

/// One kind of message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublicMessage {
    pub message_type: String,
    /// The closed JSON Schema of `data`.
    #[schemars(with = "serde_json::Map<String, Value>")]
    pub data_schema: ClosedSchema,
}

/// One variable part of a channel's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Parameter {
    pub name: String,
    #[serde(flatten)]
    pub allowed: Allowed,
}

/// What a channel may have in the place of a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Allowed {
    OneOf(Vec<String>),
    /// A regular expression that holds from start to end.
    #[schemars(with = "String")]
    Pattern(WholeMatch),
}
