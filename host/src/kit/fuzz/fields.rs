//! Which fields of an event are public, and which are secret.
//!
//! A field is public where a sample that publishes shows its value among what goes out: as a text,
//! a number in any writing, a time, or a part of the channel; or, in whatever form, where what goes
//! out has a field of the same name. As it could be chance, the field is given other values: what
//! goes out has to follow. Every other field is secret, and so is what a pattern captures of the
//! channel and no sample shows. The time of receipt is public: it is the host's own.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;

use super::alike::{alike, marks};
use super::dictionary::Dictionary;
use super::input::{FieldPlace, Input};
use super::json::{Json, Path};
use super::judge::{AnswerSeen, Visible, fields, parts_of_channel};
use super::subject::Subject;
use super::vary::in_shape;

/// How often a field is given another value to see whether what goes out follows.
const TRIES: usize = 48;

/// How often a secret field is given another value of its shape to see whether any is taken.
const PROBES: usize = 24;

/// A sample's event, and what came of it.
#[derive(Debug, Clone)]
pub(super) struct Base {
    pub(super) input: Input,
    pub(super) answer: AnswerSeen,
    /// Whether somebody stated that this comes of it: else it shows nothing as public.
    pub(super) is_stated: bool,
}

/// How a public field goes out where its value is not to be seen, beside the name of the output.
const IN_ANOTHER_FORM: &str = " (in another form)";

/// How a field goes out under its own name where no sample shows it.
const IN_NO_SAMPLE: &str = " (no sample shows it: give it one that does)";

/// What is known of the fields of a component's events, by name.
#[derive(Debug, Default)]
pub(super) struct EventFields {
    /// With where it goes out: fields of the public data, or `channel`.
    pub(super) public: BTreeMap<String, BTreeSet<String>>,
    pub(super) secret: BTreeSet<String>,
    /// Secret fields of which hardly any value is taken, and those that are.
    pub(super) strict: BTreeMap<String, Vec<Json>>,
    /// Fields that go out under their own name although no sample shows it.
    pub(super) unsampled: BTreeSet<String>,
}

impl EventFields {
    /// Finds out by the samples, and by trying.
    pub(super) fn of(
        subject: &mut Subject,
        rng: &mut Rng,
        words: &Dictionary,
        bases: &[Base],
    ) -> Self {
        let shown = shown(bases);
        let mut fields = Self::default();
        let mut names: BTreeMap<String, bool> = BTreeMap::new();
        for base in bases {
            for place in base.input.places() {
                let is_captured = matches!(place, FieldPlace::Capture(_));
                names.insert(base.input.name(&place), is_captured);
            }
        }
        for (name, is_captured) in names {
            let outputs = shown.get(&name);
            // What stands for a capture in a sample is seldom chance, and other channels may be refused.
            if is_captured && let Some(outputs) = outputs {
                fields.public.insert(name, outputs.clone());
                continue;
            }
            let mut follows = |shows| follows(subject, rng, words, bases, &name, shows);
            match outputs {
                Some(outputs) if follows(Shows::Value) => {
                    fields.public.insert(name, outputs.clone());
                }
                _ if is_named(bases, &name) && follows(Shows::Name) => {
                    let output = format!("{}{IN_ANOTHER_FORM}", bare(&name));
                    fields.public.insert(name, BTreeSet::from([output]));
                }
                _ => drop(fields.secret.insert(name)),
            }
        }
        for name in fields.secret.clone() {
            if let Some(taken) = strict(subject, rng, words, bases, &name) {
                fields.strict.insert(name, taken);
            }
        }
        fields
    }

    /// Notes that a field goes out under its own name although no sample shows it: it is no secret.
    pub(super) fn goes_out_unsampled(&mut self, name: String) {
        self.secret.remove(&name);
        self.unsampled.insert(name);
    }

    /// What is public, with where it goes out and how, as people are told.
    pub(super) fn public_in_words(&self) -> BTreeMap<String, Vec<String>> {
        let sampled = self.public.iter();
        let sampled =
            sampled.map(|(name, outputs)| (name.clone(), outputs.iter().cloned().collect()));
        let unsampled = self.unsampled.iter();
        let unsampled = unsampled.map(|name| (name.clone(), vec![format!("{name}{IN_NO_SAMPLE}")]));
        sampled.chain(unsampled).collect()
    }

    pub(super) fn is_public(&self, name: &str) -> bool {
        self.public.contains_key(name)
    }

    /// The places of an event that are secret. A field that no sample has is.
    pub(super) fn secret_places(&self, input: &Input) -> Vec<FieldPlace> {
        let mut places = input.places();
        places.retain(|place| !self.is_public(&input.name(place)));
        places
    }

    /// The lists of an event that have nothing public in them, and something.
    pub(super) fn secret_lists(&self, input: &Input) -> Vec<FieldPlace> {
        let mut lists = self.secret_branches(input);
        lists.retain(
            |place| matches!(input.at(place), Some(Json::Array(items)) if !items.is_empty()),
        );
        lists
    }

    /// The lists and objects of an event that have nothing public in them.
    pub(super) fn secret_branches(&self, input: &Input) -> Vec<FieldPlace> {
        let public = self.public_places(input);
        let mut branches = Vec::new();
        input.payload.walk(&mut Path::new(), &mut |path, value| {
            let is_open =
                |place: &FieldPlace| matches!(place, FieldPlace::Payload(own) if own.starts_with(path));
            if !path.is_empty() && !value.is_scalar() && !public.iter().any(is_open) {
                branches.push(FieldPlace::Payload(path.to_vec()));
            }
        });
        branches
    }

    pub(super) fn public_places(&self, input: &Input) -> Vec<FieldPlace> {
        let mut places = input.places();
        places.retain(|place| self.is_public(&input.name(place)));
        places
    }
}

/// Fields whose value is in what goes out, in a sample that has them.
fn shown(bases: &[Base]) -> BTreeMap<String, BTreeSet<String>> {
    let mut shown: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for base in stated(bases) {
        let out = slots(&base.answer);
        for place in base.input.places() {
            let Some(value) = base.input.at(&place).filter(Json::is_scalar) else {
                continue;
            };
            if value == Json::Null {
                continue;
            }
            let name = base.input.name(&place);
            let at = out.iter().filter(|(_, shown)| alike(shown, &value));
            let at: BTreeSet<String> = at.map(|(output, _)| output.clone()).collect();
            if !at.is_empty() {
                shown.entry(name).or_default().extend(at);
            }
        }
    }
    shown
}

/// Whether a sample that has the field publishes one of the same name.
fn is_named(bases: &[Base], name: &str) -> bool {
    stated(bases).any(|base| {
        let places = base.input.places();
        let has = places.iter().any(|place| base.input.name(place) == name);
        let mut out = slots(&base.answer).into_iter();
        has && out.any(|(output, _)| output == bare(name))
    })
}

/// The name of a capture without its braces, and any other as it is.
fn bare(name: &str) -> &str {
    name.trim_start_matches('{').trim_end_matches('}')
}

/// Samples of which somebody stated what comes, and which publish.
pub(super) fn stated(bases: &[Base]) -> impl Iterator<Item = &Base> {
    let publishes = |base: &&Base| !base.answer.published().is_empty();
    bases.iter().filter(|base| base.is_stated).filter(publishes)
}

/// In what a field is seen to go out.
#[derive(Clone, Copy)]
enum Shows {
    /// In its value, wherever that stands.
    Value,
    /// In the output of its name, whatever stands there.
    Name,
}

/// Every value that goes out, with the name of its output.
fn slots(answer: &AnswerSeen) -> Vec<(String, Json)> {
    let messages = answer.published().iter();
    messages
        .flat_map(|text| {
            let parts = parts_of_channel(text).into_iter();
            let parts = parts.map(|part| ("channel".to_owned(), part));
            parts.chain(fields(text))
        })
        .collect()
}

/// Whether what goes out follows a field that is given other values. Where the component takes
/// none of them, the sample's word stands.
fn follows(
    subject: &mut Subject,
    rng: &mut Rng,
    words: &Dictionary,
    bases: &[Base],
    name: &str,
    shows: Shows,
) -> bool {
    let mut taken = false;
    for base in stated(bases) {
        let places = base.input.places().into_iter();
        for place in places.filter(|place| base.input.name(place) == name) {
            let Some(value) = base.input.at(&place) else {
                continue;
            };
            let before = slots(&base.answer);
            for _ in 0..TRIES {
                let varied = in_shape(rng, &value, words, &[]);
                if alike(&varied, &value) || marks(&varied).is_empty() {
                    continue;
                }
                let mut input = base.input.clone();
                input.set(&place, varied.clone());
                let answer = subject.answer(&input);
                if answer.published().is_empty() {
                    continue;
                }
                taken = true;
                let now = slots(&answer);
                let mut slots = before.iter().zip(&now);
                let is_followed = slots.any(|((output, old), (_, new))| match shows {
                    Shows::Value => alike(old, &value) && alike(new, &varied),
                    Shows::Name => output == bare(name) && old != new,
                });
                if is_followed {
                    return true;
                }
            }
        }
    }
    !taken
}

/// Whether the component refuses events with other values of this field, although they are of its
/// shape: it knows some names, or one number. Gives those that it takes.
fn strict(
    subject: &mut Subject,
    rng: &mut Rng,
    words: &Dictionary,
    bases: &[Base],
    name: &str,
) -> Option<Vec<Json>> {
    let mut own = Vec::new();
    let mut refused = false;
    for base in bases.iter().filter(|base| !base.answer.refuses_kind()) {
        let places = base.input.places().into_iter();
        for place in places.filter(|place| base.input.name(place) == name) {
            let Some(value) = base.input.at(&place) else {
                continue;
            };
            for _ in 0..PROBES {
                let varied = in_shape(rng, &value, words, &[]);
                if varied == value {
                    continue;
                }
                let mut input = base.input.clone();
                input.set(&place, varied);
                let answer = subject.answer(&input);
                if !answer.refuses_kind() && !matches!(answer.seen, Visible::Fault(..)) {
                    return None;
                }
                refused = true;
            }
            own.push(value);
        }
    }
    refused.then_some(own)
}
