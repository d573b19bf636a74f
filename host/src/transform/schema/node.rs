//! The closed form itself: what the check understood, and the two ways to write it.

use serde_json::{Map, Value};

/// A schema at one place. No word of it but notes, names of fields and values is its author's:
/// the keywords are those that the check names.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// What describes and does not decide.
    pub(super) notes: Map<String, Value>,
    pub(super) keywords: Vec<(&'static str, Rule)>,
}

/// What one keyword says.
#[derive(Debug)]
pub(super) enum Rule {
    /// A bound, a list of names, or values, which are data and no schemas.
    Plain(Value),
    /// `items`.
    Each(Node),
    /// `anyOf`, `oneOf` and `prefixItems`.
    List(Vec<Node>),
    /// `properties`.
    Fields(Vec<(String, Node)>),
}

impl Node {
    /// Whether it allows objects and nothing else.
    pub(super) fn is_object(&self) -> bool {
        let object =
            |rule: &Rule| matches!(rule, Rule::Plain(Value::String(name)) if name == "object");
        self.keywords
            .iter()
            .any(|(keyword, rule)| *keyword == "type" && object(rule))
    }

    /// What decides.
    pub(super) fn enforced(&self) -> Value {
        self.write(false)
    }

    /// What decides and what describes.
    pub(super) fn document(&self) -> Value {
        self.write(true)
    }

    fn write(&self, described: bool) -> Value {
        let mut written = match described {
            true => self.notes.clone(),
            false => Map::new(),
        };
        for (keyword, rule) in &self.keywords {
            let node = |node: &Self| node.write(described);
            let value = match rule {
                Rule::Plain(value) => value.clone(),
                Rule::Each(each) => node(each),
                Rule::List(list) => list.iter().map(node).collect(),
                Rule::Fields(fields) => {
                    let fields = fields
                        .iter()
                        .map(|(name, inner)| (name.clone(), node(inner)));
                    Value::Object(fields.collect())
                }
            };
            written.insert((*keyword).to_owned(), value);
        }
        Value::Object(written)
    }
}
