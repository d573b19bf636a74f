//! The quick way through the guard, in one pass over the text and without a tree.
//!
//! It knows only data that is written as the guard itself would write it, of the kinds that
//! nearly all messages have: objects of strings. What it lets through leaves as it is, byte for
//! byte, so what is judged is what is sent. It never refuses: whatever it does not know (white
//! space, escapes, numbers, a name twice) is for the validator to judge.

use serde_json::Value;

use super::check::Patterns;
use super::node::{Node, Rule};
use crate::transform::whole_match::WholeMatch;

/// So many fields have a bit each.
const MAX_FIELDS: usize = u64::BITS as usize;

/// What a value must be, where it can be told from plain text.
#[derive(Debug)]
pub(super) enum Plain {
    Object(Object),
    Text(Text),
    /// One of these strings.
    OneOf(Vec<String>),
}

#[derive(Debug)]
pub(super) struct Object {
    /// None where a field's value is never told from plain text.
    fields: Vec<(String, Option<Plain>)>,
    /// The fields that must be there, a bit each.
    required: u64,
}

#[derive(Debug)]
pub(super) struct Text {
    /// In characters.
    min: usize,
    max: usize,
    pattern: Option<WholeMatch>,
}

impl Plain {
    /// None where the schema says something that is not known here.
    pub(super) fn of(node: &Node, patterns: &Patterns) -> Option<Self> {
        let rule = |name: &str| {
            let mut keywords = node.keywords.iter();
            keywords.find_map(|(keyword, rule)| (*keyword == name).then_some(rule))
        };
        let only = |known: &[&str]| {
            let mut keywords = node.keywords.iter();
            keywords.all(|(keyword, _)| known.contains(keyword))
        };
        let kind = match rule("type") {
            Some(Rule::Plain(Value::String(kind))) => Some(kind.as_str()),
            Some(_) => return None,
            None => None,
        };
        match kind {
            Some("object") if only(&["type", "properties", "required", "additionalProperties"]) => {
                // The check has seen to it that no other fields are allowed.
                Object::of(rule("properties"), rule("required"), patterns).map(Self::Object)
            }
            Some("string") if only(&["type", "pattern", "minLength", "maxLength"]) => {
                let [min, max] = [rule("minLength"), rule("maxLength")];
                Text::of(min, max, rule("pattern"), patterns).map(Self::Text)
            }
            Some("string") | None if only(&["type", "enum"]) => match rule("enum") {
                Some(Rule::Plain(Value::Array(values))) => strings(values).map(Self::OneOf),
                _ => None,
            },
            Some("string") | None if only(&["type", "const"]) => match rule("const") {
                Some(Rule::Plain(value)) => strings(std::slice::from_ref(value)).map(Self::OneOf),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether the text is certainly what the schema describes, and as the guard would write it.
    pub(super) fn certainly_allows(&self, text: &str) -> bool {
        self.pass(text) == Some("")
    }

    /// What follows the value that the text begins with.
    fn pass<'a>(&self, text: &'a str) -> Option<&'a str> {
        match self {
            Self::Object(object) => object.pass(text),
            Self::Text(allowed) => {
                let (text, rest) = string(text)?;
                allowed.allows(text).then_some(rest)
            }
            Self::OneOf(values) => {
                let (text, rest) = string(text)?;
                values.iter().any(|value| value == text).then_some(rest)
            }
        }
    }
}

impl Object {
    fn of(fields: Option<&Rule>, required: Option<&Rule>, patterns: &Patterns) -> Option<Self> {
        let Some(Rule::Fields(fields)) = fields else {
            return None;
        };
        if fields.len() > MAX_FIELDS {
            return None;
        }
        let bit = |name: &Value| {
            let mut names = fields.iter().map(|(field, _)| field.as_str());
            Some(1_u64 << names.position(|field| name.as_str() == Some(field))?)
        };
        let required = match required {
            None => 0,
            Some(Rule::Plain(Value::Array(names))) => names
                .iter()
                .try_fold(0, |bits, name| Some(bits | bit(name)?))?,
            Some(_) => return None,
        };
        let fields = fields.iter();
        let fields = fields.map(|(name, node)| (name.clone(), Plain::of(node, patterns)));
        Some(Self {
            fields: fields.collect(),
            required,
        })
    }

    fn pass<'a>(&self, text: &'a str) -> Option<&'a str> {
        let mut rest = text.strip_prefix('{')?;
        let mut seen = 0;
        let mut next = 0;
        if let Some(rest) = rest.strip_prefix('}') {
            return (self.required == 0).then_some(rest);
        }
        loop {
            let (name, after) = string(rest)?;
            let place = self.place(name, next)?;
            let bit = 1_u64 << place;
            if seen & bit != 0 {
                return None;
            }
            seen |= bit;
            next = place + 1;
            let value = self.fields.get(place)?.1.as_ref()?;
            rest = value.pass(after.strip_prefix(':')?)?;
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break,
            }
        }
        let complete = self.required & !seen == 0;
        rest.strip_prefix('}').filter(|_| complete)
    }

    /// Fields mostly come in their order.
    fn place(&self, name: &str, likely: usize) -> Option<usize> {
        let is_at = |place: usize| {
            self.fields
                .get(place)
                .is_some_and(|(field, _)| field == name)
        };
        match is_at(likely) {
            true => Some(likely),
            false => (0..self.fields.len()).find(|place| is_at(*place)),
        }
    }
}

impl Text {
    fn of(
        min: Option<&Rule>,
        max: Option<&Rule>,
        pattern: Option<&Rule>,
        patterns: &Patterns,
    ) -> Option<Self> {
        let count = |rule: Option<&Rule>, without: usize| match rule {
            None => Some(without),
            Some(Rule::Plain(count)) => usize::try_from(count.as_u64()?).ok(),
            Some(_) => None,
        };
        let pattern = match pattern {
            None => None,
            Some(Rule::Plain(Value::String(text))) => Some(patterns.get(text)?.clone()),
            Some(_) => return None,
        };
        Some(Self {
            min: count(min, 0)?,
            max: count(max, usize::MAX)?,
            pattern,
        })
    }

    fn allows(&self, text: &str) -> bool {
        // As many bytes are never more characters, and counting is for the rest.
        let fits = self.min == 0 && text.len() <= self.max
            || (self.min..=self.max).contains(&text.chars().count());
        fits && self
            .pattern
            .as_ref()
            .is_none_or(|pattern| pattern.is_match(text))
    }
}

/// All of them, if they are strings that are written without escapes; others are never met.
fn strings(values: &[Value]) -> Option<Vec<String>> {
    let texts = values.iter().map(|value| value.as_str().map(str::to_owned));
    texts.collect()
}

/// The string without escapes that the text begins with, and what follows it.
fn string(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('"')?;
    let ends = |byte: u8| byte == b'"' || byte == b'\\' || byte < b' ';
    let end = text.bytes().position(ends)?;
    let (string, rest) = text.split_at_checked(end)?;
    Some((string, rest.strip_prefix('"')?))
}
