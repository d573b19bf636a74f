//! How much could stand in a string that a schema allows, for whoever judges what it lets out.

use serde_json::Value;

use super::ClosedSchema;
use crate::transform::whole_match::WholeMatch;

/// Texts that have nothing in common: what matches each of them says nothing.
const ANYTHING: [&str; 6] = [
    "q",
    "07",
    "Zz 9",
    r#"{"k":[-1.5e3]}"#,
    "ümläut 漢字",
    "../=+;'<>&%$#@!~^|",
];

/// What a place of a schema lets a string be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Width {
    /// Characters at most; none where there is no bound.
    pub longest: Option<u64>,
    /// Its pattern matches anything.
    pub anything: bool,
}

impl ClosedSchema {
    /// The width of the strings at one place of a closed schema; none where no string may stand
    /// there but those that it lists.
    pub fn width(place: &Value) -> Option<Width> {
        let alternatives = ["anyOf", "oneOf"].into_iter();
        let alternatives = alternatives.filter_map(|keyword| place.get(keyword)?.as_array());
        let widths = alternatives.flatten().filter_map(Self::width);
        widths.chain(width_of_type(place)).reduce(Width::or)
    }
}

impl Width {
    fn or(self, alternative: Self) -> Self {
        let both = self.longest.zip(alternative.longest);
        Self {
            longest: both.map(|(own, others)| own.max(others)),
            anything: self.anything || alternative.anything,
        }
    }
}

fn width_of_type(place: &Value) -> Option<Width> {
    let keyword = |name: &str| place.get(name);
    let is_string = match keyword("type")? {
        Value::String(name) => name == "string",
        Value::Array(names) => names.iter().any(|name| name == "string"),
        _ => false,
    };
    if !is_string || keyword("enum").or(keyword("const")).is_some() {
        return None;
    }
    let pattern = keyword("pattern").and_then(Value::as_str);
    // Each was judged when the schema was.
    let pattern = pattern.and_then(|text| WholeMatch::anchored(text).ok());
    let matched = pattern.as_ref().and_then(WholeMatch::longest);
    let stated = keyword("maxLength").and_then(Value::as_u64);
    let bounds = [stated, matched.map(|bytes| bytes as u64)];
    let matches_all = |whole: &WholeMatch| ANYTHING.iter().all(|text| whole.is_match(text));
    Some(Width {
        longest: bounds.into_iter().flatten().min(),
        anything: pattern.as_ref().is_some_and(matches_all),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn width(place: &Value) -> Option<(Option<u64>, bool)> {
        ClosedSchema::width(place).map(|width| (width.longest, width.anything))
    }

    #[test]
    fn what_may_stand_in_a_string_is_bounded_by_its_length_or_its_pattern() {
        for (place, expected) in [
            (
                json!({"type": "string", "maxLength": 20}),
                (Some(20), false),
            ),
            (
                json!({"type": ["null", "string"], "maxLength": 9}),
                (Some(9), false),
            ),
            (
                json!({"type": "string", "pattern": "^[a-f0-9]{64}$"}),
                (Some(64), false),
            ),
            (
                json!({"type": "string", "pattern": "^[A-Z]+$"}),
                (None, false),
            ),
            (
                json!({"type": "string", "pattern": "^[A-Z]+$", "maxLength": 8}),
                (Some(8), false),
            ),
            (json!({"type": "string", "pattern": "^.*$"}), (None, true)),
            (
                json!({"type": "string", "pattern": "^(.|\\s)*$", "maxLength": 8}),
                (Some(8), true),
            ),
            (
                json!({"anyOf": [{"type": "string", "maxLength": 9}, {"type": "null"}]}),
                (Some(9), false),
            ),
            (
                json!({"oneOf": [
                    {"type": "string", "maxLength": 9}, {"type": "string", "pattern": "^a*$"},
                ]}),
                (None, false),
            ),
        ] {
            assert_eq!(width(&place), Some(expected), "{place}");
        }
    }

    #[test]
    fn what_is_listed_or_is_no_string_has_no_width() {
        for place in [
            json!({"type": "integer"}),
            json!({"type": "string", "enum": ["a", "b"]}),
            json!({"const": "a"}),
            json!({"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        ] {
            assert_eq!(width(&place), None, "{place}");
        }
    }
}
