//! Sets of JSON types, as JSON Schema counts them.

use serde_json::Value;

/// A set of JSON types, integers apart from numbers at large.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Types {
    pub(super) null: bool,
    pub(super) boolean: bool,
    pub(super) integer: bool,
    /// Any number; then integers may stand there too.
    pub(super) number: bool,
    pub(super) string: bool,
    pub(super) array: bool,
    pub(super) object: bool,
}

impl Types {
    /// What `type` says.
    pub(super) fn stated(schema: &Value) -> Self {
        let mut types = Self::default();
        match schema.get("type") {
            Some(Value::String(name)) => types.add(name),
            Some(Value::Array(several)) => {
                several
                    .iter()
                    .filter_map(Value::as_str)
                    .for_each(|name| types.add(name));
            }
            _ => {}
        }
        types
    }

    pub(super) fn of_values(values: &[&Value]) -> Self {
        let mut types = Self::default();
        for value in values {
            types.add(match value {
                Value::Null => "null",
                Value::Bool(_) => "boolean",
                // As JSON Schema has it, 1.0 is an integer.
                Value::Number(n) if n.as_f64().is_none_or(|n| n.fract() == 0.0) => "integer",
                Value::Number(_) => "number",
                Value::String(_) => "string",
                Value::Array(_) => "array",
                Value::Object(_) => "object",
            });
        }
        types
    }

    fn add(&mut self, name: &str) {
        match name {
            "null" => self.null = true,
            "boolean" => self.boolean = true,
            "integer" => self.integer = true,
            "number" => (self.integer, self.number) = (true, true),
            "string" => self.string = true,
            "array" => self.array = true,
            "object" => self.object = true,
            _ => {}
        }
    }

    fn each(self) -> [(bool, &'static str); 7] {
        [
            (self.object, "object"),
            (self.array, "array"),
            (self.string, "string"),
            (self.number, "number"),
            (self.integer, "integer"),
            (self.boolean, "boolean"),
            (self.null, "null"),
        ]
    }

    /// Their names, `number` alone where any number may stand.
    pub(super) fn names(self) -> impl Iterator<Item = &'static str> {
        let named = self.each().into_iter();
        named
            .filter(move |(is, name)| *is && !(*name == "integer" && self.number))
            .map(|(_, name)| name)
    }

    pub(super) fn words(self) -> String {
        self.names().collect::<Vec<_>>().join(" or ")
    }

    pub(super) fn has_numbers(self) -> bool {
        self.integer
    }

    pub(super) fn within(self, wider: Self) -> bool {
        let pairs = self.each().into_iter().zip(wider.each());
        pairs.fold(true, |fits, ((mine, _), (theirs, _))| {
            fits && (!mine || theirs)
        })
    }

    pub(super) fn meets(self, types: Self) -> bool {
        let mut pairs = self.each().into_iter().zip(types.each());
        pairs.any(|((mine, _), (theirs, _))| mine && theirs)
    }
}
