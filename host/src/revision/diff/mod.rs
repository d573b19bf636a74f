//! What would change if one revision took the place of another, as a reviewer signs it.
//!
//! Judged from what is recorded of both alone, without I/O. Where it cannot be decided whether
//! clients would see more, it is said to be so: a change that nobody was asked about is worse
//! than one question too many. Who may consent to what is for the rollout.

mod inside;
pub mod schema;
mod surface;

use super::Revision;
use super::change::{Area, Change, Level};
use crate::transform::printable;

/// The most characters of a text that comes from a component or from settings.
const MAX_TEXT: usize = 120;
/// The most characters of what is said of one change.
const MAX_WHAT: usize = 1_000;

/// One of the two revisions that are held against each other.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    pub revision: &'a Revision,
    /// What its component imports, by name.
    pub imports: &'a [String],
}

/// All differences: first what breaks clients, then what shows them more, then the rest, each
/// by area. Without `from`, the transform is new. What differs in order only is no change.
pub fn changes(from: Option<Side<'_>>, to: Side<'_>) -> Vec<Change> {
    let mut found = Changes::default();
    match from {
        Some(from) => surface::compare(&from.revision.surface, &to.revision.surface, &mut found),
        None => surface::announce(&to.revision.surface, &mut found),
    }
    inside::compare(from, to, &mut found);
    let mut changes = found.list;
    changes.sort_by_key(|change| (std::cmp::Reverse(change.level), change.area));
    changes
}

/// The changes found so far.
#[derive(Debug, Default)]
struct Changes {
    list: Vec<Change>,
    /// What the subjects belong to, where that has to be said.
    within: String,
}

impl Changes {
    fn note(&mut self, area: Area, subject: &str, what: impl AsRef<str>) {
        self.add(Level::Note, area, subject, what.as_ref());
    }

    fn wider(&mut self, area: Area, subject: &str, what: impl AsRef<str>) {
        self.add(Level::Wider, area, subject, what.as_ref());
    }

    fn breaking(&mut self, area: Area, subject: &str, what: impl AsRef<str>) {
        self.add(Level::Breaking, area, subject, what.as_ref());
    }

    /// Notes what shows clients more and takes something from them, or may do either for all that
    /// can be told.
    fn both(&mut self, area: Area, subject: &str, what: impl AsRef<str>) {
        self.wider(area, subject, &what);
        self.breaking(area, subject, &what);
    }

    /// Adds changes whose subjects belong to `owner`; an empty one need not be said.
    fn within(&mut self, owner: &str, add: impl FnOnce(&mut Self)) {
        owner.clone_into(&mut self.within);
        add(self);
        self.within.clear();
    }

    fn add(&mut self, level: Level, area: Area, subject: &str, what: &str) {
        let subject = match self.within.as_str() {
            "" => subject.to_owned(),
            owner => format!("{owner} {subject}"),
        };
        let change = Change {
            area,
            subject: printable(&subject, MAX_TEXT),
            what: printable(what, MAX_WHAT),
            level,
        };
        // Alternatives of one field can say the same twice.
        if area != Area::Field || !self.list.contains(&change) {
            self.list.push(change);
        }
    }
}

/// A text of somebody else, as part of a sentence.
fn short(text: &str) -> String {
    printable(text, MAX_TEXT)
}

/// The first of many, and how many more there are.
fn list(items: &[&str]) -> String {
    const SHOWN: usize = 10;
    let shown: Vec<String> = items.iter().take(SHOWN).map(|item| short(item)).collect();
    match items.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// What of `wanted` is not among `present`.
fn missing<'a>(wanted: &'a [String], present: &[String]) -> Vec<&'a str> {
    wanted
        .iter()
        .filter(|text| !present.contains(text))
        .map(String::as_str)
        .collect()
}

#[cfg(test)]
mod tests;
