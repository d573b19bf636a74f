//! The check: from any JSON to the closed form, or to what is wrong with it.
//!
//! It knows a part of JSON Schema 2020-12 and refuses the rest, so that a keyword it has never
//! heard of cannot open a hole. What single keywords may say is in `keywords`.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::NOTES;
use super::keywords::{MAX_FORMAT, MAX_ITEMS, are_types, note, plain};
use super::node::{Node, Rule};
use crate::transform::whole_match::WholeMatch;

/// Bounds on what one validation can cost: subschemas in all, and alternatives in one place.
/// It runs on a lane, and nothing interrupts it.
const MAX_SUBSCHEMAS: usize = 1_000;
const MAX_ALTERNATIVES: usize = 16;

/// Values of all `enum`s together: each item of a message can be held against all of them.
const MAX_VALUES: usize = 2_000;

/// What is wrong is not looked for any longer then: that takes time, and nobody reads more.
const MAX_FAULTS: usize = 50;

/// What all patterns of a schema may take together, in bytes of memory.
const MAX_PATTERNS: usize = 4 << 20;

/// The deepest nesting of a schema; real ones have two or three levels.
const MAX_DEPTH: usize = 16;

/// The only dialect; a schema need not name it.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

type SchemaFields = Map<String, Value>;

/// The patterns of a schema by their text, as they were judged and as they are enforced.
pub(super) type Patterns = HashMap<String, WholeMatch>;

/// Checks a whole schema of a message's data.
///
/// # Errors
/// One sentence for each thing that is wrong, with the place as a JSON pointer.
pub(super) fn of_data(stated: &Value) -> Result<(Node, Patterns), Vec<String>> {
    let mut check = Check::default();
    let root = check.node(stated);
    if !root.is_object() {
        check.fault("`data` is an object, so \"type\" is \"object\"");
    }
    check.done(root)
}

/// Checks a part of a schema as if it were a whole one.
///
/// # Errors
/// As of the whole.
pub(super) fn of_part(stated: &Value) -> Result<(Node, Patterns), Vec<String>> {
    let mut check = Check::default();
    let root = check.node(stated);
    check.done(root)
}

#[derive(Default)]
struct Check {
    /// The place as a JSON pointer.
    at: String,
    depth: usize,
    subschemas: usize,
    /// Of all `enum`s.
    values: usize,
    patterns: Patterns,
    faults: Vec<String>,
}

/// The ways in which a schema can say what it allows.
enum ClosedForm<'a> {
    /// `const` or `enum`: these values, as far as a `type` beside them allows.
    Values(&'static str),
    /// `anyOf` or `oneOf`.
    Alternatives(&'static str),
    /// These types.
    Typed(Vec<&'a str>),
}

impl<'a> ClosedForm<'a> {
    fn of(keywords: &'a SchemaFields) -> Self {
        let there = |keyword: &&&str| keywords.contains_key(**keyword);
        if let Some(keyword) = ["const", "enum"].iter().find(there) {
            return Self::Values(keyword);
        }
        if let Some(keyword) = ["anyOf", "oneOf"].iter().find(there) {
            return Self::Alternatives(keyword);
        }
        Self::Typed(match keywords.get("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        })
    }

    /// The keyword by the name that the closed form has for it, where it is one of this form.
    fn knows(&self, keyword: &str) -> Option<&'static str> {
        let find = |known: &[&'static str]| known.iter().copied().find(|name| *name == keyword);
        match self {
            Self::Values(decides) => find(&[decides, "type"]),
            Self::Alternatives(decides) => find(&[decides]),
            Self::Typed(types) => {
                let mut of_types = types.iter().map(|name| keywords_of(name));
                find(&["type"]).or_else(|| of_types.find_map(find))
            }
        }
    }

    fn unknown(&self, keyword: &str) -> String {
        match self {
            Self::Values(decides) | Self::Alternatives(decides) => {
                format!("\"{keyword}\" beside \"{decides}\" is not supported; take it out")
            }
            Self::Typed(_) => format!("\"{keyword}\" is not supported here; take it out"),
        }
    }
}

fn keywords_of(name: &str) -> &'static [&'static str] {
    match name {
        "object" => &["properties", "required", "additionalProperties"],
        "string" => &["format", "pattern", "maxLength", "minLength"],
        "array" => &[
            "items",
            "prefixItems",
            "maxItems",
            "minItems",
            "uniqueItems",
        ],
        "number" | "integer" => &[
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "multipleOf",
        ],
        _ => &[],
    }
}

impl Check {
    fn node(&mut self, stated: &Value) -> Node {
        let mut node = Node::default();
        self.subschemas += 1;
        if self.subschemas > MAX_SUBSCHEMAS || self.faults.len() > MAX_FAULTS {
            return node;
        }
        let Value::Object(keywords) = stated else {
            self.fault("a schema is an object; `true` would allow anything");
            return node;
        };
        if self.depth > MAX_DEPTH {
            self.fault(format!("nested deeper than {MAX_DEPTH}"));
            return node;
        }
        let form = ClosedForm::of(keywords);
        for (keyword, value) in keywords {
            self.keyword(&form, keyword, value, &mut node);
        }
        match &form {
            ClosedForm::Values(keyword) => self.values(keyword, keywords, &mut node),
            ClosedForm::Alternatives(_) => {}
            ClosedForm::Typed(types) => self.types(types, keywords, &mut node),
        }
        node
    }

    fn keyword(&mut self, form: &ClosedForm<'_>, keyword: &str, value: &Value, node: &mut Node) {
        if NOTES.contains(&keyword) || keyword == "$comment" {
            match note(keyword, value) {
                // A comment is for those who maintain the schema.
                Ok(()) if keyword == "$comment" => {}
                Ok(()) => drop(node.notes.insert(keyword.to_owned(), value.clone())),
                Err(wrong) => self.fault(wrong),
            }
            return;
        }
        if keyword == "$schema" {
            return self.dialect(value);
        }
        let Some(keyword) = form.knows(keyword) else {
            return self.fault(form.unknown(keyword));
        };
        let rule = match keyword {
            "properties" => self.fields(value),
            "items" => self.items(value),
            "prefixItems" | "anyOf" | "oneOf" => self.list(keyword, value),
            "pattern" => self.pattern(value),
            "enum" => self.listed(value),
            _ => plain(keyword, value).map(Rule::Plain),
        };
        match rule {
            Ok(rule) => node.keywords.push((keyword, rule)),
            Err(wrong) => self.fault(wrong),
        }
    }

    fn dialect(&mut self, value: &Value) {
        if !self.at.is_empty() {
            self.fault("\"$schema\" stands only at the top; take it out here");
        } else if value.as_str().map(|uri| uri.trim_end_matches('#')) != Some(DIALECT) {
            self.fault(format!(
                "\"$schema\" is \"{DIALECT}\" or is left out: schemas are read as 2020-12 only"
            ));
        }
    }

    fn fields(&mut self, value: &Value) -> Result<Rule, String> {
        let Value::Object(fields) = value else {
            return Err("\"properties\" is an object of schemas".into());
        };
        let mut nodes = Vec::with_capacity(fields.len());
        for (name, field) in fields {
            nodes.push((name.clone(), self.below(&["properties", name], field)));
        }
        Ok(Rule::Fields(nodes))
    }

    fn items(&mut self, value: &Value) -> Result<Rule, String> {
        // `false` allows nothing, which is as closed as can be.
        if *value == Value::Bool(false) {
            return Ok(Rule::Plain(value.clone()));
        }
        Ok(Rule::Each(self.below(&["items"], value)))
    }

    fn list(&mut self, keyword: &'static str, value: &Value) -> Result<Rule, String> {
        let list = match value {
            Value::Array(list) if !list.is_empty() => list,
            _ => return Err(format!("\"{keyword}\" is a list of one schema or more")),
        };
        if keyword != "prefixItems" && list.len() > MAX_ALTERNATIVES {
            return Err(format!(
                "\"{keyword}\" has at most {MAX_ALTERNATIVES} alternatives"
            ));
        }
        let mut nodes = Vec::with_capacity(list.len());
        for (place, inner) in list.iter().enumerate() {
            nodes.push(self.below(&[keyword, &place.to_string()], inner));
        }
        Ok(Rule::List(nodes))
    }

    fn listed(&mut self, value: &Value) -> Result<Rule, String> {
        self.values += value.as_array().map_or(0, Vec::len);
        if self.values > MAX_VALUES {
            return Err(format!(
                "more than {MAX_VALUES} values in all \"enum\"s; a \"pattern\" or \"maxLength\" costs less"
            ));
        }
        plain("enum", value).map(Rule::Plain)
    }

    fn pattern(&mut self, value: &Value) -> Result<Rule, String> {
        let text = value.as_str().ok_or("a \"pattern\" is a text")?;
        if !self.patterns.contains_key(text) {
            let whole =
                WholeMatch::anchored(text).map_err(|wrong| format!("the \"pattern\" {wrong}"))?;
            let others: usize = self.patterns.values().map(WholeMatch::memory).sum();
            if others + whole.memory() > MAX_PATTERNS {
                return Err(format!(
                    "all patterns together take more than {MAX_PATTERNS} bytes when they are compiled"
                ));
            }
            self.patterns.insert(text.to_owned(), whole);
        }
        Ok(Rule::Plain(value.clone()))
    }

    fn below(&mut self, steps: &[&str], stated: &Value) -> Node {
        let length = self.at.len();
        for step in steps {
            self.at.push('/');
            self.at
                .push_str(&step.replace('~', "~0").replace('/', "~1"));
        }
        self.depth += 1;
        let node = self.node(stated);
        self.depth -= 1;
        self.at.truncate(length);
        node
    }

    /// A `type` beside values takes away those of other types: the closed form has only the
    /// rest, so that nobody has to read the two together.
    fn values(&mut self, keyword: &str, keywords: &SchemaFields, node: &mut Node) {
        let Some(types) = keywords.get("type") else {
            return;
        };
        let fits = |value: &Value| are_types(value, types);
        let mut stated = node
            .keywords
            .iter_mut()
            .filter(|(name, _)| *name == keyword);
        let left = stated.all(|(_, rule)| match rule {
            Rule::Plain(Value::Array(values)) if keyword == "enum" => {
                values.retain(fits);
                !values.is_empty()
            }
            Rule::Plain(value) => fits(value),
            _ => false,
        });
        if !left {
            self.fault(format!(
                "no value of \"{keyword}\" is of the \"type\" beside it"
            ));
        }
    }

    fn types(&mut self, types: &[&str], keywords: &SchemaFields, node: &mut Node) {
        if !keywords.contains_key("type") {
            self.fault("\"type\", \"enum\" or \"const\" must say what is allowed");
        }
        for name in types {
            match *name {
                "object" => self.object(keywords),
                "string" => self.string(keywords, node),
                "array" => self.array(keywords),
                _ => {}
            }
        }
    }

    fn object(&mut self, keywords: &SchemaFields) {
        if !keywords.contains_key("additionalProperties") {
            self.fault(
                "an object needs \"additionalProperties\": false, or fields that nobody declared could leave",
            );
        }
        if !keywords.contains_key("properties") {
            self.fault("an object needs \"properties\"");
        }
    }

    fn string(&mut self, keywords: &SchemaFields, node: &mut Node) {
        let has = |keyword: &str| keywords.contains_key(keyword);
        if has("format") && !has("maxLength") {
            // Some formats allow fractions of any length, and with them any number.
            node.keywords
                .push(("maxLength", Rule::Plain(MAX_FORMAT.into())));
        }
        if !["format", "pattern", "maxLength"].into_iter().any(has) {
            self.fault(
                "a string needs \"enum\", \"const\", \"format\", \"pattern\" or \"maxLength\"",
            );
        }
    }

    fn array(&mut self, keywords: &SchemaFields) {
        if !keywords.contains_key("items") {
            self.fault("an array needs \"items\", or anything could follow");
        }
        if !keywords.contains_key("maxItems") {
            self.fault(format!("an array needs \"maxItems\", at most {MAX_ITEMS}"));
        }
    }

    fn done(self, root: Node) -> Result<(Node, Patterns), Vec<String>> {
        if self.subschemas > MAX_SUBSCHEMAS {
            // Nothing else is worth a sentence then, and there could be thousands.
            return Err(vec![format!("more than {MAX_SUBSCHEMAS} subschemas")]);
        }
        match self.faults.is_empty() {
            true => Ok((root, self.patterns)),
            false => Err(self.faults),
        }
    }

    fn fault(&mut self, wrong: impl AsRef<str>) {
        let place = match self.at.as_str() {
            "" => "at the top",
            at => at,
        };
        self.faults.push(format!("{place}: {}", wrong.as_ref()));
    }
}
