//! An event's payload as a tree that keeps what was published: the text of each number, names
//! in their order, and a name that stands twice.

use std::fmt::Write;

use serde_json::Value;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// Written as it is: a number, or what only a broken event has.
    Literal(String),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// One step from a value into it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Name(String),
    Item(usize),
}

/// Where a value stands in a payload.
pub(super) type Path = Vec<Step>;

impl Json {
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(is) => Self::Bool(*is),
            Value::Number(number) => Self::Literal(number.to_string()),
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(items) => Self::Array(items.iter().map(Self::of).collect()),
            Value::Object(fields) => {
                let fields = fields.iter();
                Self::Object(
                    fields
                        .map(|(name, of)| (name.clone(), Self::of(of)))
                        .collect(),
                )
            }
        }
    }

    /// As bytes of an event.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, to: &mut String) {
        match self {
            Self::Null => to.push_str("null"),
            Self::Bool(is) => to.push_str(if *is { "true" } else { "false" }),
            Self::Literal(literal) => to.push_str(literal),
            Self::Text(text) => quote(text, to),
            Self::Array(items) => {
                to.push('[');
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        to.push(',');
                    }
                    item.write(to);
                }
                to.push(']');
            }
            Self::Object(fields) => {
                to.push('{');
                for (place, (name, value)) in fields.iter().enumerate() {
                    if place > 0 {
                        to.push(',');
                    }
                    quote(name, to);
                    to.push(':');
                    value.write(to);
                }
                to.push('}');
            }
        }
    }

    pub(super) fn is_scalar(&self) -> bool {
        !matches!(self, Self::Array(_) | Self::Object(_))
    }

    pub(super) fn at(&self, path: &[Step]) -> Option<&Self> {
        let Some((step, rest)) = path.split_first() else {
            return Some(self);
        };
        match (self, step) {
            (Self::Object(fields), Step::Name(name)) => {
                let found = fields.iter().find(|(own, _)| own == name);
                found.and_then(|(_, value)| value.at(rest))
            }
            (Self::Array(items), Step::Item(place)) => items.get(*place)?.at(rest),
            _ => None,
        }
    }

    /// Puts a value where `path` leads, into an object also where there was none. Nothing is done
    /// where the path leads nowhere.
    pub(super) fn set(&mut self, path: &[Step], value: Self) {
        let Some((step, rest)) = path.split_first() else {
            *self = value;
            return;
        };
        match (self, step) {
            (Self::Object(fields), Step::Name(name)) => {
                match fields.iter_mut().find(|(own, _)| own == name) {
                    Some((_, own)) => own.set(rest, value),
                    None if rest.is_empty() => fields.push((name.clone(), value)),
                    None => {}
                }
            }
            (Self::Array(items), Step::Item(place)) => {
                if let Some(item) = items.get_mut(*place) {
                    item.set(rest, value);
                }
            }
            _ => {}
        }
    }

    /// Takes away what stands where `path` leads.
    pub(super) fn remove(&mut self, path: &[Step]) {
        let Some((step, rest)) = path.split_first() else {
            return;
        };
        match (self, step) {
            (Self::Object(fields), Step::Name(name)) if rest.is_empty() => {
                fields.retain(|(own, _)| own != name);
            }
            (Self::Object(fields), Step::Name(name)) => {
                if let Some((_, own)) = fields.iter_mut().find(|(own, _)| own == name) {
                    own.remove(rest);
                }
            }
            (Self::Array(items), Step::Item(place)) if *place < items.len() => {
                if rest.is_empty() {
                    items.remove(*place);
                } else {
                    items[*place].remove(rest);
                }
            }
            _ => {}
        }
    }

    /// Everything that stands in it and has nothing in it, with where.
    pub(super) fn leaves(&self) -> Vec<(Path, &Self)> {
        let mut found = Vec::new();
        self.walk(&mut Vec::new(), &mut |path, value| {
            let empty = match value {
                Self::Array(items) => items.is_empty(),
                Self::Object(fields) => fields.is_empty(),
                _ => true,
            };
            if empty {
                found.push((path.to_vec(), value));
            }
        });
        found
    }

    /// Visits each value in it, itself first.
    pub(super) fn walk<'a>(&'a self, path: &mut Path, visit: &mut impl FnMut(&[Step], &'a Self)) {
        visit(path, self);
        match self {
            Self::Array(items) => {
                for (place, item) in items.iter().enumerate() {
                    path.push(Step::Item(place));
                    item.walk(path, visit);
                    path.pop();
                }
            }
            Self::Object(fields) => {
                for (name, value) in fields {
                    path.push(Step::Name(name.clone()));
                    value.walk(path, visit);
                    path.pop();
                }
            }
            _ => {}
        }
    }
}

/// A path as people write it: `legs[].price`. All items of a list have one name.
pub(super) fn name_of(path: &[Step]) -> String {
    let mut name = String::new();
    for step in path {
        match step {
            Step::Item(_) => name.push_str("[]"),
            Step::Name(step) => {
                if !name.is_empty() {
                    name.push('.');
                }
                name.push_str(step);
            }
        }
    }
    name
}

fn quote(text: &str, to: &mut String) {
    to.push('"');
    for c in text.chars() {
        match c {
            '"' => to.push_str("\\\""),
            '\\' => to.push_str("\\\\"),
            // Writing to a string cannot fail.
            c if c < ' ' => drop(write!(to, "\\u{:04x}", u32::from(c))),
            c => to.push(c),
        }
    }
    to.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Json {
        Json::of(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn what_was_read_is_written_again() {
        for text in [
            r#"{"b":1,"a":[true,null,{"c":-1.5}],"t":"x\"\\\u0001é"}"#,
            "[]",
            "{}",
            "1e300",
        ] {
            let value: Value = serde_json::from_str(&read(text).text()).unwrap();
            assert_eq!(
                value,
                serde_json::from_str::<Value>(text).unwrap(),
                "{text}"
            );
        }
    }

    #[test]
    fn each_leaf_is_found_set_and_taken_away_by_its_path() {
        let mut json = read(r#"{"a":{"b":[1,{"c":2}]},"d":[]}"#);
        let names: Vec<String> = json
            .leaves()
            .iter()
            .map(|(path, _)| name_of(path))
            .collect();
        assert_eq!(names, ["a.b[]", "a.b[].c", "d"]);
        let paths: Vec<Path> = json.leaves().into_iter().map(|(path, _)| path).collect();
        json.set(&paths[1], Json::Text("x".into()));
        assert_eq!(json.at(&paths[1]), Some(&Json::Text("x".into())));
        json.remove(&paths[0]);
        json.set(&[Step::Name("e".into())], Json::Null);
        assert_eq!(json.text(), r#"{"a":{"b":[{"c":"x"}]},"d":[],"e":null}"#);
    }
}
