//! What is different between two outcomes of one event.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::count::count_of;
use crate::revision::diff::schema::field;
use crate::transform::{Admitted, Blocked, Fault, Outcome};

/// The number or the channels of the publications.
pub(super) const PUBLICATIONS: &str = "(publications)";
/// One refused the event, or both did for different reasons.
pub(super) const REJECTION: &str = "(rejection)";
/// The message's `type`.
pub(super) const TYPE: &str = "(type)";

/// The most differences that one event is looked through for: what two revisions can make of
/// it is bounded, but not small.
const MAX_DIFFERENCES: usize = 256;

/// One place where the two differ.
#[derive(Debug, PartialEq)]
pub(super) struct Difference {
    /// The type of the active revision's message, where it is about one.
    pub(super) message: Option<String>,
    pub(super) field: String,
    pub(super) active: FieldContent,
    pub(super) candidate: FieldContent,
}

/// What stands there.
#[derive(Debug, PartialEq)]
pub(super) enum FieldContent {
    Nothing,
    /// The host's own words, or what is public in any case.
    Words(String),
    /// Part of a message.
    Value(Value),
}

/// All differences; none where clients would get the same. The order of publications on different
/// channels is no difference, as clients could not rely on it.
pub(super) fn between(
    active: &Result<Outcome, Fault>,
    candidate: &Result<Outcome, Fault>,
) -> Vec<Difference> {
    match (active, candidate) {
        (Ok(Outcome::Published(old)), Ok(Outcome::Published(new))) => {
            let mut found = Vec::new();
            let (old, new) = (ByChannel::of(old), ByChannel::of(new));
            if old.counts() != new.counts() {
                found.push(Difference {
                    message: None,
                    field: PUBLICATIONS.into(),
                    active: FieldContent::Words(old.words(&old)),
                    candidate: FieldContent::Words(new.words(&old)),
                });
            }
            for (channel, old) in &old.channels {
                let new = new.channels.get(channel).map_or(&[][..], Vec::as_slice);
                for (old, new) in old.iter().zip(new) {
                    messages(old, new, &mut found);
                }
            }
            found
        }
        (Ok(Outcome::Rejected(old)), Ok(Outcome::Rejected(new))) if old == new => Vec::new(),
        (Err(old), Err(new)) if old.kind == new.kind => Vec::new(),
        (old, new) => {
            let rejected =
                |result: &Result<Outcome, Fault>| matches!(result, Ok(Outcome::Rejected(_)));
            let field = if rejected(old) || rejected(new) {
                REJECTION
            } else {
                PUBLICATIONS
            };
            vec![Difference {
                message: None,
                field: field.into(),
                active: outcome(old),
                candidate: outcome(new),
            }]
        }
    }
}

fn outcome(result: &Result<Outcome, Fault>) -> FieldContent {
    FieldContent::Words(match result {
        Ok(Outcome::Rejected(rejection)) => match rejection.field_label() {
            Some(field) => format!("refused as {} ({field})", rejection.reason),
            None => format!("refused as {}", rejection.reason),
        },
        Ok(Outcome::Published(publications)) => ByChannel::of(publications).number(),
        Err(fault) => format!("failed: {}", fault.kind),
    })
}

/// What may leave, in order on each channel.
struct ByChannel<'a> {
    channels: BTreeMap<&'a str, Vec<&'a str>>,
    /// How many publications the guard stopped.
    stopped: usize,
}

impl<'a> ByChannel<'a> {
    fn of(publications: &'a [Result<Admitted, Blocked>]) -> Self {
        let mut channels: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for admitted in publications.iter().flatten() {
            let texts = channels.entry(admitted.channel.as_str()).or_default();
            texts.push(admitted.text.as_str());
        }
        Self {
            channels,
            stopped: publications
                .iter()
                .filter(|publication| publication.is_err())
                .count(),
        }
    }

    /// How many there are, and how many there would be without the guard.
    fn number(&self) -> String {
        let out = self.channels.values().map(Vec::len).sum();
        let out = count_of(out, "publication");
        match self.stopped {
            0 => out,
            stopped => format!("{out}, {stopped} stopped by the guard"),
        }
    }

    fn counts(&self) -> Vec<(&str, usize)> {
        let counts = self
            .channels
            .iter()
            .map(|(channel, texts)| (*channel, texts.len()));
        counts.collect()
    }

    /// The number and the channels of the publications. A channel on which the active revision does
    /// not publish is only counted: its name can hold values that nobody has agreed to make public.
    fn words(&self, active: &Self) -> String {
        let mut words = self.number();
        let mut others = 0;
        for (channel, texts) in &self.channels {
            if active.channels.contains_key(channel) {
                words = format!("{words}, {} on {channel}", texts.len());
            } else {
                others += texts.len();
            }
        }
        if others > 0 {
            words = format!("{words}, {others} on other channels");
        }
        words
    }
}

fn messages(old: &str, new: &str, found: &mut Vec<Difference>) {
    if old == new {
        return;
    }
    // The guard has written both, so they are JSON.
    let parse = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
    let (old, new) = (parse(old), parse(new));
    let part = |message: &Value, name: &str| message.get(name).cloned();
    let of = old.get("type").and_then(Value::as_str).unwrap_or_default();
    values(of, TYPE, part(&old, "type"), part(&new, "type"), found);
    values(of, "", part(&old, "data"), part(&new, "data"), found);
}

/// `of` is the type of the active revision's message.
fn values(of: &str, at: &str, old: Option<Value>, new: Option<Value>, found: &mut Vec<Difference>) {
    if found.len() >= MAX_DIFFERENCES || old == new {
        return;
    }
    match (old, new) {
        (Some(Value::Object(old)), Some(Value::Object(mut new))) => {
            for (name, old) in old {
                let new = new.shift_remove(&name);
                values(of, &field(at, &name), Some(old), new, found);
            }
            for (name, new) in new {
                values(of, &field(at, &name), None, Some(new), found);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            let at = format!("{at}[]");
            let (mut old, mut new) = (old.into_iter(), new.into_iter());
            loop {
                match (old.next(), new.next()) {
                    (None, None) => break,
                    (old, new) => values(of, &at, old, new, found),
                }
            }
        }
        (old, new) => found.push(Difference {
            message: Some(of.to_owned()),
            field: at.into(),
            active: old.map_or(FieldContent::Nothing, FieldContent::Value),
            candidate: new.map_or(FieldContent::Nothing, FieldContent::Value),
        }),
    }
}
