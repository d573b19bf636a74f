//! What operators can say along with what they ask for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::revision::certificate::Certificate;

/// How a component shall run. What is not given is inherited from the active revision of the
/// same transform, or is the default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushRequest {
    /// The transform to inherit from; by default the one of the component's own name.
    pub transform: Option<String>,
    /// For `configure`, an object.
    pub settings: Option<Value>,
    /// Those limits that shall be others, as the settings' file has them.
    pub limits: Option<Value>,
    /// That the fuzzer found nothing in the component.
    pub certificate: Option<Certificate>,
}

/// How long a shadow runs: until the first of the two is reached.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ShadowRequest {
    #[schemars(range(min = 1))]
    pub events: Option<u64>,
    #[schemars(range(min = 1))]
    pub seconds: Option<u64>,
    /// Also keep the payloads of a few events that came out differently. They are internal.
    pub show_input: bool,
}

/// Where to go back to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RollbackRequest {
    /// A revision that ran before; the last good one that was not taken back if none.
    pub to: Option<String>,
    /// What was seen running, or at least 6 digits of it: if something else runs by now, this
    /// is refused. Not looked at if none.
    pub from: Option<String>,
    /// The revision may publish, or read, more than what is left.
    pub allow_wider: bool,
    /// The revision was taken back, and clients may lose what they rely on.
    pub allow_breaking: bool,
}

/// What an operator agrees to when a transform follows the settings again.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FollowRequest {
    pub allow_wider: bool,
    pub allow_breaking: bool,
}

/// What an operator agrees to when a plan is applied.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Consent {
    pub allow_wider: bool,
    pub allow_breaking: bool,
    /// Nothing may come any more of what came of the last events.
    pub allow_silent: bool,
    /// The revision may fail on events, as it did on the last ones, or be returned from.
    pub allow_failing: bool,
    /// If it fails, what runs now may come back although it shows clients more. Otherwise nothing
    /// goes out then, until somebody decides.
    pub return_wider: bool,
    pub probation: bool,
    /// In a fleet: the share of hosts, in percent, that goes first.
    #[schemars(range(min = 1, max = 100))]
    pub canary: Option<u8>,
}

impl Consent {
    /// What it says other than by default, as the request has it, for the audit log. By its JSON,
    /// so that no field is forgotten there.
    pub(super) fn stated(&self) -> String {
        let fields = |consent: &Self| match serde_json::to_value(consent) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        let usual = fields(&Self::default());
        let given = fields(self).into_iter();
        let given = given.filter(|(name, value)| usual.get(name) != Some(value));
        let stated: Vec<String> = given
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        stated.join(", ")
    }
}

impl Default for Consent {
    fn default() -> Self {
        Self {
            allow_wider: false,
            allow_breaking: false,
            allow_silent: false,
            allow_failing: false,
            return_wider: false,
            probation: true,
            canary: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consent_tells_what_is_not_by_default() {
        assert_eq!(Consent::default().stated(), "");
        let consent = Consent {
            allow_wider: true,
            probation: false,
            canary: Some(10),
            ..Consent::default()
        };
        assert_eq!(
            consent.stated(),
            "allow_wider true, probation false, canary 10"
        );
    }
}
