//! Differences of what clients can see: the families, their channels and their message types.
//! The messages' fields are compared in `schema`.

use super::{Changes, list, missing, schema, short};
use crate::revision::change::Area;
use crate::revision::{Allowed, Parameter, PublicFamily, PublicMessage, Surface};
use crate::transform::WholeMatch;

/// All of a transform that is new: one change for each family, as a reviewer agrees to the
/// whole or not at all.
pub(super) fn announce(to: &Surface, found: &mut Changes) {
    for family in &to.families {
        new_family(family, found);
    }
}

pub(super) fn compare(from: &Surface, to: &Surface, found: &mut Changes) {
    let (both, gone, new) = paired(&from.families, &to.families, |family| &family.name);
    // Subjects say of which they are where there are several.
    let several = from.families.len() > 1 || to.families.len() > 1;
    let messages = |surface: &Surface| surface.messages().count() > 1;
    let several_messages = messages(from) || messages(to);
    let within = |old: &PublicFamily, new: &PublicFamily, found: &mut Changes| {
        let family = if several { &*new.name } else { "" };
        found.within(family, |found| {
            channels(old, new, found);
            delivery(old, new, found);
        });
        message_types(old, new, several_messages, found);
    };
    for (old, new) in both {
        within(old, new, found);
    }
    if let ([gone], [new]) = (&*gone, &*new) {
        let what = format!("new, takes the place of {}", short(&gone.name));
        found.wider(Area::Channel, &subject(new), what);
        let what = format!("gone, {} takes its place", short(&new.name));
        found.breaking(Area::Channel, &subject(gone), what);
        return within(gone, new, found);
    }
    for gone in gone {
        found.breaking(Area::Channel, &subject(gone), "gone");
    }
    for new in new {
        new_family(new, found);
    }
}

/// Those that have the same name on both sides, and those that are on one side only.
fn paired<'a, T>(
    from: &'a [T],
    to: &'a [T],
    name: impl Fn(&'a T) -> &'a String,
) -> (Vec<(&'a T, &'a T)>, Vec<&'a T>, Vec<&'a T>) {
    let find =
        |items: &'a [T], of: &'a T| items.iter().find(|candidate| name(candidate) == name(of));
    let both = from.iter().filter_map(|old| Some((old, find(to, old)?)));
    let gone = from.iter().filter(|old| find(to, old).is_none());
    let new = to.iter().filter(|new| find(from, new).is_none());
    (both.collect(), gone.collect(), new.collect())
}

fn new_family(family: &PublicFamily, found: &mut Changes) {
    let messages: Vec<String> = family.messages.iter().map(in_words).collect();
    let delivery = match (family.latest, family.snapshot_on_subscribe) {
        (false, false) => "",
        (true, false) => "; delivered as latest",
        (false, true) => "; with a snapshot on subscribe",
        (true, true) => "; delivered as latest, with a snapshot on subscribe",
    };
    let what = format!(
        "new: {}, messages of type {}{delivery}",
        channel_form(family),
        messages.join("; of type ")
    );
    found.wider(Area::Channel, &subject(family), what);
}

/// A message type with its fields.
fn in_words(message: &PublicMessage) -> String {
    let fields = schema::fields(&message.data_schema);
    let names: Vec<&str> = fields
        .iter()
        .map(|(path, _)| path.as_str())
        .filter(|path| !path.ends_with("[]"))
        .collect();
    format!(
        "{} with fields {}",
        short(&message.message_type),
        names.join(", ")
    )
}

fn message_types(from: &PublicFamily, to: &PublicFamily, several: bool, found: &mut Changes) {
    let (both, gone, new) = paired(&from.messages, &to.messages, |message| {
        &message.message_type
    });
    let fields = |old: &PublicMessage, new: &PublicMessage, found: &mut Changes| {
        let of = if several { &*new.message_type } else { "" };
        found.within(of, |found| {
            schema::compare(&old.data_schema, &new.data_schema, found);
        });
    };
    if let ([gone], [new]) = (&*gone, &*new) {
        let (old_name, new_name) = (short(&gone.message_type), short(&new.message_type));
        let what = format!("{new_name}, was {old_name}");
        found.breaking(Area::Channel, "message type", what);
        fields(gone, new, found);
    } else {
        for gone in gone {
            let what = format!("no longer {}", short(&gone.message_type));
            found.breaking(Area::Channel, "message type", what);
        }
        for new in new {
            let what = format!("also {}", in_words(new));
            found.wider(Area::Channel, "message type", what);
        }
    }
    for (old, new) in both {
        fields(old, new, found);
    }
}

/// Notes what clients that are behind, or have just come, get less of than before, which breaks
/// them.
fn delivery(from: &PublicFamily, to: &PublicFamily, found: &mut Changes) {
    match (from.latest, to.latest) {
        (false, true) => found.breaking(
            Area::Channel,
            "delivery",
            "latest, was every: a client that is behind no longer gets each message",
        ),
        (true, false) => found.note(Area::Channel, "delivery", "every, was latest"),
        _ => {}
    }
    match (from.snapshot_on_subscribe, to.snapshot_on_subscribe) {
        (true, false) => found.breaking(Area::Channel, "snapshot-on-subscribe", "no longer"),
        (false, true) => found.note(Area::Channel, "snapshot-on-subscribe", "now"),
        _ => {}
    }
}

fn channels(from: &PublicFamily, to: &PublicFamily, found: &mut Changes) {
    if names(from).eq(names(to)) {
        // By place: nothing keeps two parameters from having one name.
        for (old, new) in from.parameters.iter().zip(&to.parameters) {
            parameter(old, new, found);
        }
    } else {
        other_form(from, to, found);
    }
}

fn other_form(from: &PublicFamily, to: &PublicFamily, found: &mut Changes) {
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
                list(&texts(old))
            );
            found.wider(Area::Parameter, &to.name, what);
            (unmatched(old, pattern), Vec::new())
        }
        (Allowed::Pattern(pattern), Allowed::OneOf(new)) => {
            let what = format!(
                "only {} now, was any value like {}",
                list(&texts(new)),
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
    texts(values)
        .into_iter()
        .filter(|value| !pattern.is_match(value))
        .collect()
}

fn texts(values: &[String]) -> Vec<&str> {
    values.iter().map(String::as_str).collect()
}

fn subject(family: &PublicFamily) -> String {
    format!("family {}", family.name)
}

fn names(family: &PublicFamily) -> impl Iterator<Item = &str> {
    family
        .parameters
        .iter()
        .map(|parameter| parameter.name.as_str())
}

fn channel_form(family: &PublicFamily) -> String {
    names(family).fold(short(&family.name), |form, name| {
        format!("{form}:{{{}}}", short(name))
    })
}

fn rule(allowed: &Allowed) -> String {
    match allowed {
        Allowed::OneOf(values) => format!("one of {}", list(&texts(values))),
        Allowed::Pattern(pattern) => format!("any value like {}", short(pattern.as_str())),
    }
}
