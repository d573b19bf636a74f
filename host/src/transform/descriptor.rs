//! What a component says of itself, after every word of it has been checked. What belongs to
//! one family of channels is in `family`.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::contract;
use super::family::Family;
use super::settings_schema::SettingsSchema;
use crate::channel::MAX_PARAMETERS;

/// The longest name of a component, a family, a parameter or a message type, in bytes.
const MAX_NAME: usize = 64;
const MAX_VERSION: usize = 64;
const MAX_SUMMARY: usize = 256;
const MAX_SCHEMA: usize = 64 << 10;
const MAX_FAMILIES: usize = 16;
const MAX_MESSAGES: usize = 16;

/// All that the host knows of a component's families, whatever its settings.
#[derive(Debug)]
pub struct Descriptor {
    pub name: String,
    pub version: semver::Version,
    pub summary: String,
    pub settings: Arc<SettingsSchema>,
    /// One at least.
    pub families: Vec<Arc<Family>>,
}

/// What a component says of itself, and the parts of it that can be used whatever is wrong
/// with the rest.
#[derive(Debug)]
pub(super) struct Reading {
    /// Where it is a name.
    pub(super) name: Option<String>,
    /// What settings are held against, where that is a schema.
    pub(super) settings: Option<Arc<SettingsSchema>>,
    /// One sentence for each thing that is wrong, for the component's developer.
    pub(super) descriptor: Result<Descriptor, Vec<String>>,
}

impl Reading {
    pub(super) fn of(stated: &contract::Descriptor) -> Self {
        let named = misnamed("name", &stated.name, '-').is_none();
        let settings = if sizes_of_schemas().contains(&stated.settings_schema.len()) {
            SettingsSchema::parse(&stated.settings_schema).map(Arc::new)
        } else {
            // That there is too much is told with the other sizes.
            Err(Vec::new())
        };
        Self {
            name: named.then(|| stated.name.clone()),
            settings: settings.as_ref().ok().cloned(),
            descriptor: Descriptor::check(stated, settings),
        }
    }
}

impl Descriptor {
    /// # Errors
    /// One sentence for each thing that is wrong, for the component's developer.
    fn check(
        stated: &contract::Descriptor,
        settings: Result<Arc<SettingsSchema>, Vec<String>>,
    ) -> Result<Self, Vec<String>> {
        let mut faults = oversized(stated);
        if !faults.is_empty() {
            // What is too much is not looked at any closer: that would take time.
            return Err(faults);
        }
        faults.extend(misnamed("name", &stated.name, '-'));
        if stated.summary.is_empty() || stated.summary.len() > MAX_SUMMARY {
            faults.push(format!("summary has 1 to {MAX_SUMMARY} bytes"));
        }
        let version = semver::Version::parse(&stated.version)
            .map_err(|error| faults.push(format!("version is not a semantic version: {error}")));
        let settings = settings.map_err(|errors| {
            let of_schema = errors
                .iter()
                .map(|error| format!("settings-schema: {error}"));
            faults.extend(of_schema);
        });
        let mut families = Vec::new();
        for family in &stated.families {
            match Family::check(family, &stated.summary) {
                Ok(family) => families.push(Arc::new(family)),
                Err(errors) => faults.extend(errors),
            }
        }
        faults.extend(repeated(stated));
        match (version, settings) {
            (Ok(version), Ok(settings)) if faults.is_empty() => Ok(Self {
                name: stated.name.clone(),
                version,
                summary: stated.summary.clone(),
                settings,
                families,
            }),
            _ => Err(faults),
        }
    }

    /// The family of this name, and its place among the families.
    pub fn family(&self, name: &str) -> Option<(usize, &Arc<Family>)> {
        let mut families = self.families.iter().enumerate();
        families.find(|(_, family)| family.name == name)
    }

    /// The names of its families.
    pub fn family_names(&self) -> impl Iterator<Item = &str> {
        self.families.iter().map(|family| family.name.as_str())
    }

    /// The types of all its messages.
    pub fn message_types(&self) -> impl Iterator<Item = &str> {
        let messages = self.families.iter().flat_map(|family| &family.messages);
        messages.map(|message| message.name.as_str())
    }
}

/// How many bytes a schema may have, of settings or of data.
fn sizes_of_schemas() -> RangeInclusive<usize> {
    2..=MAX_SCHEMA
}

/// What there is too much or too little of.
fn oversized(stated: &contract::Descriptor) -> Vec<String> {
    let mut faults = Vec::new();
    let mut between = |what: &str, count: usize, least: usize, most: usize| {
        if !(least..=most).contains(&count) {
            faults.push(format!("{what}: {count}; allowed are {least} to {most}"));
        }
    };
    between("families", stated.families.len(), 1, MAX_FAMILIES);
    between("bytes of version", stated.version.len(), 1, MAX_VERSION);
    let schemas = sizes_of_schemas();
    let (least, most) = (*schemas.start(), *schemas.end());
    let bytes = stated.settings_schema.len();
    between("bytes of settings-schema", bytes, least, most);
    for family in stated.families.iter().take(MAX_FAMILIES) {
        between("parameters", family.parameters.len(), 1, MAX_PARAMETERS);
        between("messages", family.messages.len(), 1, MAX_MESSAGES);
        for message in family.messages.iter().take(MAX_MESSAGES) {
            let bytes = message.data_schema.len();
            between("bytes of data-schema", bytes, least, most);
        }
    }
    faults
}

/// Names of families and of message types that stand more than once.
fn repeated(stated: &contract::Descriptor) -> Vec<String> {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    let mut again = |what: &'static str, name: &str| {
        if !seen.insert((what, name.to_owned())) {
            let name = name.escape_debug();
            faults.push(format!("the {what} \"{name}\" stands more than once"));
        }
    };
    for family in &stated.families {
        again("family", &family.name);
        for message in &family.messages {
            again("message-type", &message.message_type);
        }
    }
    faults
}

/// What is wrong with a name.
pub(super) fn misnamed(what: &str, text: &str, extra: char) -> Option<String> {
    (!is_name(text, extra)).then(|| {
        format!(
            "{what} \"{}\" is not {}",
            text.escape_debug(),
            name_rule(extra)
        )
    })
}

pub(super) fn is_name(text: &str, extra: char) -> bool {
    text.len() <= MAX_NAME
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == extra)
}

/// Whether a transform can be called so.
pub(crate) fn is_transform_name(text: &str) -> bool {
    is_name(text, '-')
}

pub(super) fn name_rule(extra: char) -> String {
    format!("a-z, then a-z 0-9 {extra}, at most {MAX_NAME} bytes")
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::family::Delivery;
    use super::*;

    pub(in crate::transform) fn stated() -> contract::Descriptor {
        contract::Descriptor {
            name: "test".into(),
            version: "1.2.3".into(),
            summary: "Ticks.".into(),
            settings_schema: r#"{"type":"object"}"#.into(),
            families: vec![contract::Family {
                name: "ticks".into(),
                parameters: vec![
                    contract::Parameter {
                        name: "symbol".into(),
                        allowed: contract::AllowedValues::Pattern("^[A-Z]{1,4}$".into()),
                    },
                    contract::Parameter {
                        name: "side".into(),
                        allowed: contract::AllowedValues::OneOf(vec!["bid".into(), "ask".into()]),
                    },
                ],
                messages: vec![message("tick", "price"), message("tick_correction", "was")],
                delivery: contract::Delivery::Every,
                snapshot_on_subscribe: false,
            }],
        }
    }

    fn message(name: &str, field: &str) -> contract::Message {
        contract::Message {
            message_type: name.into(),
            data_schema: serde_json::json!({
                "type": "object", "additionalProperties": false, "required": [field],
                "properties": {field: {"type": "string", "maxLength": 20}},
            })
            .to_string(),
        }
    }

    /// Ticks by symbol and side.
    pub(crate) fn example() -> Descriptor {
        Reading::of(&stated()).descriptor.unwrap()
    }

    fn faults_after(change: impl FnOnce(&mut contract::Descriptor)) -> Vec<String> {
        let mut wrong = stated();
        change(&mut wrong);
        Reading::of(&wrong).descriptor.unwrap_err()
    }

    #[test]
    fn channels_are_checked_against_the_parameters() {
        let descriptor = example();
        let (_, family) = descriptor.family("ticks").unwrap();
        for good in ["ticks:AB:bid", "ticks:*:ask", "ticks:AB:*", "ticks:*:*"] {
            assert_eq!(
                family.check_channel(&good.parse().unwrap()),
                Ok(()),
                "{good}"
            );
        }
        let form =
            "a channel of this family is ticks:{symbol}:{side}, where `*` stands for any part";
        for (bad, rule) in [
            ("ticks:ab:bid", "symbol matches [A-Z]{1,4}"),
            ("ticks:ABCDE:bid", "symbol matches [A-Z]{1,4}"),
            ("ticks:AB:mid", "side is one of bid, ask"),
            ("ticks:AB", form),
            ("other:AB:bid", form),
        ] {
            let refused = family.check_channel(&bad.parse().unwrap());
            assert_eq!(refused, Err(rule.into()), "{bad}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let faults = faults_after(|wrong| {
            wrong.name = "Test".into();
            wrong.version = "1".into();
            wrong.summary = String::new();
            wrong.settings_schema = "{}".into();
            let family = &mut wrong.families[0];
            family.name = "a:b".into();
            family.parameters = vec![contract::Parameter {
                name: "p".into(),
                allowed: contract::AllowedValues::Pattern("(".into()),
            }];
            family.messages[0].data_schema = "{}".into();
        });
        for says in [
            "name \"Test\"",
            "family \"a:b\"",
            "summary",
            "version",
            "settings-schema: settings are an object",
            "parameter p",
            "data-schema of tick, at the top",
        ] {
            let mut lines = faults.iter();
            assert!(
                lines.any(|fault| fault.contains(says)),
                "{says}: {faults:#?}"
            );
        }
    }

    #[test]
    fn the_name_and_the_schema_of_settings_can_be_used_whatever_else_is_wrong() {
        let mut wrong = stated();
        wrong.families.clear();
        wrong.version = "1".into();
        let reading = Reading::of(&wrong);
        assert!(reading.descriptor.is_err());
        assert_eq!(reading.name.as_deref(), Some("test"));
        let settings = reading.settings.unwrap();
        assert_eq!(settings.faults(&serde_json::json!([])).len(), 1);
        wrong.settings_schema = "{".into();
        wrong.name = "Test".into();
        let reading = Reading::of(&wrong);
        assert!(reading.name.is_none() && reading.settings.is_none());
    }

    #[test]
    fn names_stand_once_and_values_have_no_colon() {
        let faults = faults_after(|wrong| wrong.families.push(stated().families.remove(0)));
        for says in [
            "the family \"ticks\" stands",
            "the message-type \"tick\" stands",
        ] {
            assert!(
                faults.iter().any(|fault| fault.contains(says)),
                "{faults:?}"
            );
        }
        let faults = faults_after(|wrong| {
            wrong.families[0].parameters[1].allowed =
                contract::AllowedValues::OneOf(vec!["a:b".into()]);
        });
        assert!(
            faults[0].contains("\"a:b\" cannot be part of a channel"),
            "{faults:?}"
        );
    }

    #[test]
    fn how_a_family_is_delivered_is_as_it_says() {
        let mut stated = stated();
        assert_eq!(example().families[0].delivery, Delivery::default());
        stated.families[0].delivery = contract::Delivery::Latest;
        stated.families[0].snapshot_on_subscribe = true;
        let delivery = Reading::of(&stated).descriptor.unwrap().families[0].delivery;
        assert!(delivery.is_latest && delivery.has_snapshot);
    }

    #[test]
    fn a_pattern_that_would_take_the_hosts_memory_is_refused() {
        let mut wrong = stated();
        wrong.families[0].parameters[0].allowed =
            contract::AllowedValues::Pattern("(((a{100}){100}){100})".into());
        assert!(Reading::of(&wrong).descriptor.is_err());
    }
}
