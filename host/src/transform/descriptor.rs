//! What a component says of itself, after every word of it has been checked.

use serde_json::Value;

use super::contract;
use super::schema::ClosedSchema;
use super::upstream_pattern::UpstreamPattern;
use super::whole_match::WholeMatch;
use crate::channel::{MAX_PARAMETERS, Pattern};

/// The longest name of a component, a family, a parameter or a message type, in bytes.
const MAX_NAME: usize = 64;
const MAX_SUMMARY: usize = 256;
const MAX_UPSTREAM_PATTERNS: usize = 16;
const MAX_SCHEMA: usize = 64 << 10;
pub(super) const MAX_SAMPLES: usize = 64;
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
pub struct Descriptor {
    pub name: String,
    pub version: semver::Version,
    pub summary: String,
    pub upstream_patterns: Vec<UpstreamPattern>,
    pub family: String,
    pub parameters: Vec<Parameter>,
    pub message_type: String,
    /// The schema of `data`: what the guard holds publications against.
    pub data_schema: ClosedSchema,
}

/// One variable part of a channel's name.
#[derive(Debug)]
pub struct Parameter {
    pub name: String,
    pub allowed: Allowed,
}

#[derive(Debug)]
pub enum Allowed {
    OneOf(Vec<String>),
    Pattern(WholeMatch),
}

impl Parameter {
    /// Whether a channel may have `value` here.
    pub fn allows(&self, value: &str) -> bool {
        match &self.allowed {
            Allowed::OneOf(values) => values.iter().any(|one| one == value),
            Allowed::Pattern(pattern) => pattern.is_match(value),
        }
    }

    /// What is allowed here, in words.
    pub fn rule(&self) -> String {
        match &self.allowed {
            Allowed::OneOf(values) => format!("{} is one of {}", self.name, values.join(", ")),
            Allowed::Pattern(pattern) => format!("{} matches {pattern}", self.name),
        }
    }
}

impl Descriptor {
    /// # Errors
    /// One sentence for each thing that is wrong, for the component's developer.
    pub(super) fn check(stated: &contract::Descriptor) -> Result<Self, Vec<String>> {
        let mut faults = oversized(stated);
        if !faults.is_empty() {
            // What is too much is not looked at any closer: that would take time.
            return Err(faults);
        }
        let mut name = |what: &str, text: &str, extra: char| {
            if !is_name(text, extra) {
                faults.push(format!(
                    "{what} \"{}\" is not {}",
                    text.escape_debug(),
                    name_rule(extra)
                ));
            }
        };
        name("name", &stated.name, '-');
        name("family", &stated.family, '_');
        name("message-type", &stated.message_type, '_');
        for parameter in &stated.parameters {
            name("parameter", &parameter.name, '_');
        }
        if stated.summary.is_empty() || stated.summary.len() > MAX_SUMMARY {
            faults.push(format!("summary has 1 to {MAX_SUMMARY} bytes"));
        }
        if RESERVED_TYPES.contains(&&*stated.message_type) {
            faults.push(format!(
                "message-type \"{}\" is the protocol's own",
                stated.message_type
            ));
        }
        let mut note = |error: String| faults.push(error);
        let version = semver::Version::parse(&stated.version)
            .map_err(|error| note(format!("version is not a semantic version: {error}")));
        let upstream_patterns: Vec<_> = stated
            .upstream_patterns
            .iter()
            .filter_map(|text| text.parse().map_err(&mut note).ok())
            .collect();
        let parameters: Vec<_> = stated
            .parameters
            .iter()
            .filter_map(|one| parameter(one).map_err(&mut note).ok())
            .collect();
        let data_schema = serde_json::from_str(&stated.data_schema)
            .map_err(|error| note(format!("data-schema is not JSON: {error}")));
        let closed = data_schema.and_then(|stated: Value| {
            ClosedSchema::parse(&stated).map_err(|errors| {
                let of_schema = errors.iter().map(|error| format!("data-schema, {error}"));
                faults.extend(of_schema);
            })
        });
        match (version, closed) {
            (Ok(version), Ok(data_schema)) if faults.is_empty() => Ok(Self {
                name: stated.name.clone(),
                version,
                summary: stated.summary.clone(),
                upstream_patterns,
                family: stated.family.clone(),
                parameters,
                message_type: stated.message_type.clone(),
                data_schema,
            }),
            _ => Err(faults),
        }
    }

    /// Whether `pattern`, a channel or a subscription, is one of this family.
    ///
    /// # Errors
    /// What is allowed, in words for an API client.
    pub fn check_channel(&self, pattern: &Pattern) -> Result<(), String> {
        if pattern.family() != self.family || pattern.parameters().count() != self.parameters.len()
        {
            return Err(format!(
                "a channel of this family is {}",
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
            .fold(self.family.clone(), |form, parameter| {
                format!("{form}:{{{}}}", parameter.name)
            })
    }
}

/// What there is too much or too little of.
fn oversized(stated: &contract::Descriptor) -> Vec<String> {
    let mut faults = Vec::new();
    let mut between = |what: &str, count: usize, least: usize, most: usize| {
        if !(least..=most).contains(&count) {
            faults.push(format!("{what}: {count}; allowed are {least} to {most}"));
        }
    };
    between("parameters", stated.parameters.len(), 1, MAX_PARAMETERS);
    between(
        "upstream-patterns",
        stated.upstream_patterns.len(),
        1,
        MAX_UPSTREAM_PATTERNS,
    );
    between("samples", stated.samples.len(), 0, MAX_SAMPLES);
    between(
        "bytes of data-schema",
        stated.data_schema.len(),
        2,
        MAX_SCHEMA,
    );
    faults
}

fn parameter(stated: &contract::Parameter) -> Result<Parameter, String> {
    let name = stated.name.clone();
    let allowed = match &stated.allowed {
        contract::AllowedValues::OneOf(values) => {
            if !(1..=MAX_ALLOWED_VALUES).contains(&values.len()) {
                return Err(format!(
                    "parameter {name}: one-of has 1 to {MAX_ALLOWED_VALUES} values"
                ));
            }
            if let Some(value) = values.iter().find(|value| {
                format!("x:{value}")
                    .parse::<crate::channel::Channel>()
                    .is_err()
            }) {
                return Err(format!(
                    "parameter {name}: \"{}\" cannot be part of a channel",
                    value.escape_debug()
                ));
            }
            Allowed::OneOf(values.clone())
        }
        contract::AllowedValues::Pattern(text) => {
            let whole = WholeMatch::of_value(text)
                .map_err(|wrong| format!("parameter {name}: the pattern {wrong}"))?;
            Allowed::Pattern(whole)
        }
    };
    Ok(Parameter { name, allowed })
}

fn is_name(text: &str, extra: char) -> bool {
    text.len() <= MAX_NAME
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == extra)
}

fn name_rule(extra: char) -> String {
    format!("a-z, then a-z 0-9 {extra}, at most {MAX_NAME} bytes")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::transform) fn stated() -> contract::Descriptor {
        contract::Descriptor {
            name: "test".into(),
            version: "1.2.3".into(),
            summary: "Ticks.".into(),
            upstream_patterns: vec!["in:*".into()],
            family: "ticks".into(),
            parameters: vec![
                contract::Parameter { name: "symbol".into(), allowed: contract::AllowedValues::Pattern("^[A-Z]{1,4}$".into()) },
                contract::Parameter { name: "side".into(), allowed: contract::AllowedValues::OneOf(vec!["bid".into(), "ask".into()]) },
            ],
            message_type: "tick".into(),
            data_schema: r#"{"type":"object","additionalProperties":false,"properties":{"price":{"type":"string","maxLength":20}},"required":["price"]}"#.into(),
            samples: Vec::new(),
        }
    }

    /// Ticks by symbol and side.
    pub(crate) fn example() -> Descriptor {
        Descriptor::check(&stated()).unwrap()
    }

    #[test]
    fn channels_are_checked_against_the_parameters() {
        let descriptor = Descriptor::check(&stated()).unwrap();
        for good in ["ticks:AB:bid", "ticks:*:ask", "ticks:AB:*", "ticks:*:*"] {
            assert_eq!(
                descriptor.check_channel(&good.parse().unwrap()),
                Ok(()),
                "{good}"
            );
        }
        for (bad, rule) in [
            ("ticks:ab:bid", "symbol matches [A-Z]{1,4}"),
            ("ticks:ABCDE:bid", "symbol matches [A-Z]{1,4}"),
            ("ticks:AB:mid", "side is one of bid, ask"),
            (
                "ticks:AB",
                "a channel of this family is ticks:{symbol}:{side}",
            ),
            (
                "other:AB:bid",
                "a channel of this family is ticks:{symbol}:{side}",
            ),
        ] {
            assert_eq!(
                descriptor.check_channel(&bad.parse().unwrap()),
                Err(rule.into()),
                "{bad}"
            );
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let wrong = contract::Descriptor {
            name: "Test".into(),
            version: "1".into(),
            family: "a:b".into(),
            summary: String::new(),
            upstream_patterns: vec!["in:?".into()],
            parameters: vec![contract::Parameter {
                name: "p".into(),
                allowed: contract::AllowedValues::Pattern("(".into()),
            }],
            data_schema: "{}".into(),
            ..stated()
        };
        let faults = Descriptor::check(&wrong).unwrap_err();
        for says in [
            "name \"Test\"",
            "family \"a:b\"",
            "summary",
            "version",
            "'?'",
            "parameter p",
            "data-schema, at the top",
        ] {
            assert!(
                faults.iter().any(|fault| fault.contains(says)),
                "{says}: {faults:#?}"
            );
        }
    }

    #[test]
    fn a_pattern_that_would_take_the_hosts_memory_is_refused() {
        let mut wrong = stated();
        wrong.parameters[0].allowed =
            contract::AllowedValues::Pattern("(((a{100}){100}){100})".into());
        assert!(Descriptor::check(&wrong).is_err());
    }
}
