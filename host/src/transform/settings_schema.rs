//! What settings a component takes, as it says itself, and which of them nobody is shown.

use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

/// What stands in the place of a value that is not shown.
pub(crate) const HIDDEN: &str = "(secret)";

/// How many faults of settings are told.
const MAX_FAULTS: usize = 20;

/// The most bytes that one pattern of a schema may take when it is compiled.
const MAX_PATTERN: usize = 1 << 20;

/// The only dialect; a schema need not name it.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Words that lead elsewhere: a schema is read by itself.
const REFERENCES: [&str; 6] = [
    "$ref",
    "$dynamicRef",
    "$id",
    "$anchor",
    "$dynamicAnchor",
    "$vocabulary",
];

/// A JSON Schema of settings. It may be open: what it describes goes in, not out.
#[derive(Debug)]
pub struct SettingsSchema {
    document: Value,
    validator: Validator,
    secrets: Vec<String>,
}

impl SettingsSchema {
    /// # Errors
    /// One sentence for each thing that is wrong, as the rest of "settings-schema".
    pub(super) fn parse(text: &str) -> Result<Self, Vec<String>> {
        let document: Value =
            serde_json::from_str(text).map_err(|error| vec![format!("is not JSON: {error}")])?;
        let mut faults = Vec::new();
        if document.get("type").and_then(Value::as_str) != Some("object") {
            faults.push("settings are an object, so \"type\" at the top is \"object\"".to_owned());
        }
        let dialect = document.get("$schema");
        if dialect.is_some_and(|dialect| dialect != DIALECT) {
            faults.push(format!("\"$schema\" is \"{DIALECT}\" or is left out"));
        }
        look_through("", &document, SchemaPosition::Top, &mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .should_validate_formats(true)
            .with_pattern_options(PatternOptions::regex().size_limit(MAX_PATTERN))
            .build(&document)
            .map_err(|error| vec![format!("is not a JSON Schema: {error}")])?;
        Ok(Self {
            secrets: secrets_of(&document),
            document,
            validator,
        })
    }

    /// What is wrong with these settings, a sentence for each, by field and without values.
    pub fn faults(&self, settings: &Value) -> Vec<String> {
        let errors = self.validator.iter_errors(settings).take(MAX_FAULTS);
        let hidden = self.secrets.iter().filter(|place| {
            let value = settings.pointer(place);
            value.is_some_and(|value| value == HIDDEN)
        });
        let hidden = hidden.map(|place| {
            format!(
                "the setting {}: {HIDDEN} only stands for a value that is not shown; give the value",
                name(place)
            )
        });
        errors.map(|error| sentence(&error)).chain(hidden).collect()
    }

    pub fn document(&self) -> &Value {
        &self.document
    }

    /// Where the settings are whose values nobody is shown, as JSON pointers.
    pub fn secrets(&self) -> &[String] {
        &self.secrets
    }
}

impl PartialEq for SettingsSchema {
    fn eq(&self, schema: &Self) -> bool {
        self.document == schema.document
    }
}

/// The settings as they may be shown: without the values at these places.
pub(crate) fn shown(settings: &Value, secrets: &[String]) -> Value {
    let mut shown = settings.clone();
    for place in secrets {
        if let Some(value) = shown.pointer_mut(place) {
            *value = Value::from(HIDDEN);
        }
    }
    shown
}

fn sentence(error: &ValidationError<'_>) -> String {
    let what = error.masked();
    match name(error.instance_path().as_str()).as_str() {
        "" => format!("the settings: {what}"),
        name => format!("the setting {name}: {what}"),
    }
}

/// A place in the settings as people write it.
fn name(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".")
}

/// Where a schema of settings has those that nobody is shown, as JSON pointers.
pub(crate) fn secrets_of(document: &Value) -> Vec<String> {
    let mut secrets = Vec::new();
    find_secrets("", document, &mut secrets);
    secrets
}

fn find_secrets(at: &str, schema: &Value, found: &mut Vec<String>) {
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, inner) in properties.into_iter().flatten() {
        let place = below(at, name);
        if inner.get("secret") == Some(&Value::Bool(true)) {
            found.push(place.clone());
        }
        find_secrets(&place, inner, found);
    }
}

/// Where a schema stands, for whether it may be called secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SchemaPosition {
    Top,
    /// A property at the top or of a property: it has one place in the settings.
    Property,
    /// An item of a list, an alternative, a definition.
    Elsewhere,
}

/// Words whose value has a schema for each name in it.
const NAMED: [&str; 4] = [
    "properties",
    "patternProperties",
    "dependentSchemas",
    "$defs",
];

/// Words whose value is a value of the settings, and no schema.
const VALUES: [&str; 4] = ["const", "enum", "default", "examples"];

/// Notes what leads elsewhere, and what is called secret and has no place of its own in the
/// settings, each with its place in the schema as a JSON pointer.
fn look_through(at: &str, schema: &Value, place: SchemaPosition, faults: &mut Vec<String>) {
    match schema {
        Value::Object(words) => {
            for (word, inner) in words {
                let here = below(at, word);
                if REFERENCES.contains(&word.as_str())
                    || (word == "$schema" && place != SchemaPosition::Top)
                {
                    faults.push(format!("{here}: \"{word}\" is not supported; take it out"));
                }
                match inner {
                    Value::Bool(true) if word == "secret" && place != SchemaPosition::Property => {
                        faults.push(format!(
                            "{here}: \"secret\": true belongs to a property, in \"properties\" of an \
                             object that is no item of a list and no alternative; say it of the \
                             whole property"
                        ));
                    }
                    Value::Bool(_) => {}
                    _ if word == "secret" => {
                        faults.push(format!("{here}: \"secret\" is true or false"));
                    }
                    Value::Object(named) if NAMED.contains(&word.as_str()) => {
                        let own = word == "properties" && place != SchemaPosition::Elsewhere;
                        let place = if own {
                            SchemaPosition::Property
                        } else {
                            SchemaPosition::Elsewhere
                        };
                        for (name, inner) in named {
                            look_through(&below(&here, name), inner, place, faults);
                        }
                    }
                    _ if VALUES.contains(&word.as_str()) => {}
                    _ => look_through(&here, inner, SchemaPosition::Elsewhere, faults),
                }
            }
        }
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                look_through(
                    &format!("{at}/{number}"),
                    item,
                    SchemaPosition::Elsewhere,
                    faults,
                );
            }
        }
        _ => {}
    }
}

/// A name below a place, as a JSON pointer.
fn below(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema(document: &Value) -> SettingsSchema {
        SettingsSchema::parse(&document.to_string()).unwrap()
    }

    #[test]
    fn a_bad_setting_is_told_by_field_and_never_by_value() {
        let schema = schema(&json!({
            "type": "object", "additionalProperties": false, "required": ["key"],
            "properties": {
                "key": {"type": "string", "minLength": 5, "pattern": "^[a-z]+$", "secret": true},
                "venue": {"type": "object", "properties": {"port": {"type": "integer"}}},
            },
        }));
        assert_eq!(
            schema.faults(&json!({"key": "abcde"})),
            Vec::<String>::new()
        );
        for (settings, says) in [
            (json!({"key": "K3Y"}), "the setting key: "),
            (json!({"key": HIDDEN}), "give the value"),
            (json!({}), "\"key\" is a required property"),
            (
                json!({"key": "abcde", "venue": {"port": "K3Y"}}),
                "the setting venue.port: ",
            ),
        ] {
            let faults = schema.faults(&settings).join("\n");
            assert!(faults.contains(says), "{faults}");
            assert!(!faults.contains("K3Y"), "{faults}");
        }
    }

    #[test]
    fn what_is_secret_is_hidden_at_any_depth() {
        let schema = schema(&json!({"type": "object", "properties": {
            "key": {"type": "string", "secret": true},
            "a/b": {"type": "object", "properties": {"c~d": {"secret": true}}},
        }}));
        assert_eq!(schema.secrets(), ["/key", "/a~1b/c~0d"]);
        assert_eq!(
            shown(
                &json!({"key": "x", "a/b": {"c~d": {"deep": 1}}, "rest": 2}),
                schema.secrets()
            ),
            json!({"key": HIDDEN, "a/b": {"c~d": HIDDEN}, "rest": 2})
        );
        assert_eq!(
            shown(&json!({"rest": 2}), schema.secrets()),
            json!({"rest": 2})
        );
    }

    #[test]
    fn a_setting_may_have_the_name_of_a_word_and_a_value_may_say_anything() {
        let schema = schema(&json!({"type": "object", "properties": {
            "secret": {"type": "string", "secret": true},
            "$ref": {"type": "object", "default": {"$ref": "x", "secret": 1}},
            "properties": {"type": "boolean", "const": true},
        }}));
        assert_eq!(schema.secrets(), ["/secret"]);
    }

    #[test]
    fn a_schema_that_cannot_be_held_to_is_refused() {
        for (document, says) in [
            (json!({}), "\"type\""),
            (
                json!({"type": "object", "$ref": "http://a.example"}),
                "\"$ref\"",
            ),
            (
                json!({"type": "object", "properties": {"a/b": {"items": {"secret": true}}}}),
                "/properties/a~1b/items/secret: \"secret\": true belongs to a property",
            ),
            (
                json!({"type": "object", "anyOf": [{"properties": {"a": {"secret": true}}}]}),
                "/anyOf/0/properties/a/secret: \"secret\": true belongs",
            ),
            (
                json!({"type": "object", "secret": true}),
                "/secret: \"secret\": true belongs",
            ),
            (
                json!({"type": "object", "properties": {"a": {"secret": "true"}}}),
                "/properties/a/secret: \"secret\" is true or false",
            ),
            (
                json!({"type": "object", "properties": {"a": {"pattern": "("}}}),
                "not a JSON Schema",
            ),
            (
                json!({"type": "object", "$schema": "http://a.example"}),
                "$schema",
            ),
        ] {
            let faults = SettingsSchema::parse(&document.to_string()).unwrap_err();
            assert!(faults.join("\n").contains(says), "{says}: {faults:?}");
        }
        assert!(SettingsSchema::parse("{").is_err());
    }
}
