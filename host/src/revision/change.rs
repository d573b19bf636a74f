//! What differs between two revisions, as operators are shown it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One difference between two revisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    pub area: Area,
    /// What it concerns: a field as `open` or `legs[].price`, a parameter, a limit.
    pub subject: String,
    /// What happened to it, such as `added (string)`.
    pub what: String,
    pub level: Level,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.area.word(), self.subject, self.what)
    }
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Area {
    /// Family, message type.
    Channel,
    Parameter,
    Field,
    Upstream,
    Import,
    Settings,
    Limit,
    /// Version, summary, size.
    Component,
}

impl Area {
    pub fn word(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Parameter => "parameter",
            Self::Field => "field",
            Self::Upstream => "upstream",
            Self::Import => "import",
            Self::Settings => "settings",
            Self::Limit => "limit",
            Self::Component => "component",
        }
    }
}

/// What a change asks of the operator.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing: clients see no more than before, and nothing that they rely on is gone.
    Note,
    /// Clients could see something that they could not see before, or it reads or lets out more.
    Wider,
    /// Something that clients rely on is gone or has another form.
    Breaking,
}
