//! Differences of what clients can see: the family, its channels and its message type. The
//! messages' fields are compared in `schema`.

use super::{Changes, list, missing, schema, short};
use crate::registry::report::Area;
use crate::registry::revision::{Allowed, Parameter, Surface};
use crate::transform::WholeMatch;

/// All of a transform that is new: one change, as a reviewer agrees to the whole or not at all.
pub(super) fn announce(to: &Surface, found: &mut Changes) {
    let fields = schema::fields(&to.data_schema);
    let names: Vec<&str> = fields
        .iter()
        .map(|(path, _)| path.as_str())
        .filter(|path| !path.ends_with("[]"))
        .collect();
    let what = format!(
        "new: {}, messages of type {} with fields {}",
        channel_form(to),
        short(&to.message_type),
        names.join(", ")
    );
    found.wider(Area::Channel, &family(to), what);
}

pub(super) fn compare(from: &Surface, to: &Surface, found: &mut Changes) {
    if from.family != to.family {
        let new = format!("new, takes the place of {}", short(&from.family));
        found.wider(Area::Channel, &family(to), new);
        let gone = format!("gone, {} takes its place", short(&to.family));
        found.breaking(Area::Channel, &family(from), gone);
    }
    if from.message_type != to.message_type {
        let (old, new) = (short(&from.message_type), short(&to.message_type));
        found.breaking(Area::Channel, "message type", format!("{new}, was {old}"));
    }
    if names(from).eq(names(to)) {
        // By place: nothing keeps two parameters from having one name.
        for (old, new) in from.parameters.iter().zip(&to.parameters) {
            parameter(old, new, found);
        }
    } else {
        other_form(from, to, found);
    }
    schema::compare(&from.data_schema, &to.data_schema, found);
}

fn other_form(from: &Surface, to: &Surface, found: &mut Changes) {
    let what = format!(
        "channels are {}, were {}",
        channel_form(to),
        channel_form(from)
    );
    found.breaking(Area::Channel, "form", what);
    // Each is held against one of its name; nothing keeps two from having one name.
    let mut rest: Vec<&Parameter> = to.parameters.iter().collect();
    for old in &from.parameters {
        match rest.iter().position(|new| new.name == old.name) {
            Some(place) => parameter(old, rest.remove(place), found),
            None => found.breaking(Area::Parameter, &old.name, "gone"),
        }
    }
    for new in rest {
        let what = format!("added ({})", rule(&new.allowed));
        found.wider(Area::Parameter, &new.name, what);
    }
}

fn parameter(from: &Parameter, to: &Parameter, found: &mut Changes) {
    let (gone, added) = match (&from.allowed, &to.allowed) {
        (Allowed::OneOf(old), Allowed::OneOf(new)) => (missing(old, new), missing(new, old)),
        (Allowed::Pattern(old), Allowed::Pattern(new)) if old == new => return,
        (Allowed::OneOf(old), Allowed::Pattern(pattern)) => {
            let what = format!(
                "any value like {}, was {}",
                short(pattern.as_str()),
                list(&all(old))
            );
            found.wider(Area::Parameter, &to.name, what);
            (unmatched(old, pattern), Vec::new())
        }
        (Allowed::Pattern(pattern), Allowed::OneOf(new)) => {
            let what = format!(
                "only {} now, was any value like {}",
                list(&all(new)),
                short(pattern.as_str())
            );
            found.breaking(Area::Parameter, &to.name, what);
            (Vec::new(), unmatched(new, pattern))
        }
        // Which values fit one and not the other, nobody can know in general.
        (Allowed::Pattern(old), Allowed::Pattern(new)) => {
            let what = format!(
                "values like {}, was like {}; some may be new and some gone",
                short(new.as_str()),
                short(old.as_str())
            );
            return found.both(Area::Parameter, &to.name, what);
        }
    };
    if !gone.is_empty() {
        let what = format!("no longer {}", list(&gone));
        found.breaking(Area::Parameter, &to.name, what);
    }
    if !added.is_empty() {
        found.wider(Area::Parameter, &to.name, format!("also {}", list(&added)));
    }
}

/// The values that the pattern does not allow.
fn unmatched<'a>(values: &'a [String], pattern: &WholeMatch) -> Vec<&'a str> {
    all(values)
        .into_iter()
        .filter(|value| !pattern.is_match(value))
        .collect()
}

fn all(values: &[String]) -> Vec<&str> {
    values.iter().map(String::as_str).collect()
}

fn family(surface: &Surface) -> String {
    format!("family {}", surface.family)
}

fn names(surface: &Surface) -> impl Iterator<Item = &str> {
    surface.parameters.iter().map(|one| one.name.as_str())
}

fn channel_form(surface: &Surface) -> String {
    names(surface).fold(short(&surface.family), |form, name| {
        format!("{form}:{{{}}}", short(name))
    })
}

fn rule(allowed: &Allowed) -> String {
    match allowed {
        Allowed::OneOf(values) => format!("one of {}", list(&all(values))),
        Allowed::Pattern(pattern) => format!("any value like {}", short(pattern.as_str())),
    }
}
