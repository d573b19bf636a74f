//! What is inside of a field: the fields of objects and the items of arrays.

use serde_json::Value;

use super::fields::{fields_below, prefix, properties, required};
use super::types::Types;
use super::words::shape;
use super::{Walk, field};

impl Walk<'_> {
    pub(super) fn objects(&mut self, at: &str, from: &Value, to: &Value) {
        let (old, new) = (properties(from), properties(to));
        for (name, before) in old {
            let at = field(at, name);
            match new.get(name) {
                Some(now) => self.node(&at, before, now),
                None => self.breaking(&at, &format!("gone (was {})", shape(before))),
            }
        }
        for (name, now) in new {
            if !old.contains_key(name) {
                let at = field(at, name);
                self.wider(&at, &format!("added ({})", shape(now)));
                self.added_below(&at, now);
            }
        }
        let (old, new) = (required(from), required(to));
        for name in old.iter().filter(|name| !new.contains(name)) {
            if properties(to).contains_key(*name) || !properties(from).contains_key(*name) {
                self.breaking(&field(at, name), "can be absent, was always there");
            }
        }
        for name in new.iter().filter(|name| !old.contains(name)) {
            if properties(from).contains_key(*name) {
                self.note(&field(at, name), "always there, could be absent");
            }
        }
    }

    pub(super) fn arrays(&mut self, at: &str, from: &Value, to: &Value) {
        let (old, new) = (prefix(from), prefix(to));
        for place in 0..old.len().max(new.len()) {
            let before = old.get(place).or_else(|| from.get("items"));
            let now = new.get(place).or_else(|| to.get("items"));
            self.item(&format!("{at}[{place}]"), before, now);
        }
        self.item(&format!("{at}[]"), from.get("items"), to.get("items"));
        self.array_bounds(at, from, to);
    }

    /// Items at one place, or all that follow; `false` allows none.
    fn item(&mut self, at: &str, from: Option<&Value>, to: Option<&Value>) {
        match (from, to) {
            (_, Some(Value::Bool(false))) => {
                if from != to {
                    self.note(at, "no items here any more");
                }
            }
            (Some(Value::Bool(false)), Some(to)) => {
                self.wider(at, &format!("added ({})", shape(to)));
                self.added_below(at, to);
            }
            (Some(from), Some(to)) => self.node(at, from, to),
            (None, None) => {}
            _ => self.both(at, "items changed in a way that cannot be judged"),
        }
    }

    /// Names each field inside of what is new, as each of them is one that clients see now.
    pub(super) fn added_below(&mut self, at: &str, schema: &Value) {
        for (path, inner) in fields_below(at, schema) {
            // Not just `]`: with that ends a name in quotation marks as well.
            if !path.ends_with("[]") {
                self.wider(&path, &format!("added ({})", shape(inner)));
            }
        }
    }

    /// As `added_below`, where objects or arrays were not possible before.
    pub(super) fn nested_in_new_types(&mut self, at: &str, old: Types, to: &Value) {
        let types = Types::stated(to);
        if (types.object && !old.object) || (types.array && !old.array) {
            self.added_below(at, to);
        }
    }
}
