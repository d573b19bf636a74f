//! The name of one exact component with its settings and limits.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::limits::Limits;

/// How many digits of a digest people are shown: as many as Git shows of large repositories,
/// and enough for any number of revisions that one host keeps.
const SHORT: usize = 12;

/// SHA-256 over the component's digest, its settings and its limits, in hex: what would
/// behave alike has one name, wherever it came from.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[0-9a-f]{64}$"))]
pub struct RevisionId(Arc<str>);

impl RevisionId {
    /// `component` is the SHA-256 of the component's bytes, in hex.
    pub fn of(component: &str, settings: &Value, limits: &Limits) -> Self {
        let text =
            json!({ "component": component, "settings": sorted(settings), "limits": limits });
        let digest = Sha256::digest(text.to_string());
        Self(data_encoding::HEXLOWER.encode(&digest).into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first digits, for people and labels.
    pub fn short(&self) -> &str {
        &self.0[..SHORT]
    }
}

#[cfg(test)]
impl RevisionId {
    /// The id that has this digit only.
    pub(crate) fn example(digit: char) -> Self {
        let text: String = std::iter::repeat_n(digit, 64).collect();
        text.parse().expect("64 digits are a revision's id")
    }
}

/// The order in which settings were written does not matter.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().map(|(k, v)| (k.clone(), sorted(v))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        value => value.clone(),
    }
}

/// Whether a text is a SHA-256 in lower-case hex, and so also a safe name of a file.
pub(crate) fn is_digest(text: &str) -> bool {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == 64 && text.bytes().all(hex)
}

impl FromStr for RevisionId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_digest(text) {
            Ok(Self(text.into()))
        } else {
            Err("a revision is 64 digits of lower-case hex")
        }
    }
}

impl TryFrom<String> for RevisionId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RevisionId> for String {
    fn from(id: RevisionId) -> Self {
        id.as_str().to_owned()
    }
}

impl fmt::Display for RevisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

impl fmt::Debug for RevisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RevisionId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_behaves_alike_has_one_name() {
        let limits = Limits::default();
        let of = |settings: Value| RevisionId::of("aa", &settings, &limits);
        assert_eq!(of(json!({"a": 1, "b": 2})), of(json!({"b": 2, "a": 1})));
        assert_ne!(of(json!({"a": 1})), of(json!({"a": 2})));
        let limits = Limits {
            memory: 1,
            ..Limits::default()
        };
        let settings = json!({});
        assert_ne!(
            of(settings.clone()),
            RevisionId::of("aa", &settings, &limits)
        );
        assert_ne!(
            of(settings.clone()),
            RevisionId::of("ab", &settings, &limits)
        );
    }

    #[test]
    fn only_a_whole_digest_is_read() {
        let id = RevisionId::of("aa", &json!({}), &Limits::default());
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
        for wrong in [
            "",
            id.short(),
            &id.as_str().to_uppercase(),
            &format!("{id}../.."),
        ] {
            assert!(wrong.parse::<RevisionId>().is_err(), "{wrong}");
        }
    }
}
