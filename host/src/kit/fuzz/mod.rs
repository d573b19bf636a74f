//! `transform fuzz`: whether a component leaks, and whether it takes what comes.
//!
//! A leak is a dependency: two events that differ only in a field that no sample shows as public,
//! and that somebody outside can tell apart by what comes of them. What is tried next is led by how
//! much the engine executed, which is the same for two events on the same path.

mod alike;
mod dictionary;
mod excuse;
mod fields;
mod finding;
mod input;
mod json;
mod judge;
mod measure;
mod pairs;
mod report;
mod search;
mod shape;
mod shrink;
mod storm;
mod subject;
mod suspect;
mod sweep;
mod trouble;
mod unsampled;
mod vary;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use self::dictionary::Dictionary;
use self::fields::Base;
pub use self::finding::FuzzFinding;
use self::input::Input;
use self::json::{Json, Step};
pub use self::report::FuzzReport;
use self::report::MeasuredDependency;
use self::search::Search;
pub use self::search::SearchBound;
use self::subject::Subject;
use super::project::{MayDepend, Target};
use super::test::{self, State};
use super::{Candidate, Unusable, samples};
use crate::event::Event;
use crate::transform::limits::Limits;
use crate::transform::{AllowedValues, Component, Constants, Engine, Inspected};

/// How many rounds of pairs go with an event that no honest publisher sends.
const ROUNDS: usize = 2;

/// How many samples are started from: the component's own, and those on a path of their own.
const MAX_BASES: usize = 64;

/// How much slower an engine is that counts what it executes.
const SLOWER: u32 = 4;

/// An event of the project's samples, to start from.
#[derive(Debug, Clone)]
pub struct StartingEvent {
    pub event: Event,
    /// Whether its file states what comes of it, which is then what the author shows as public.
    pub is_stated: bool,
}

/// The events of a project's samples, for the settings that it is tried with.
///
/// # Errors
/// A file that is no sample, or one of which something else comes than it states.
pub fn starting_events(
    candidate: &Candidate,
    target: &Target,
    settings: &serde_json::Value,
) -> Result<Vec<StartingEvent>, Unusable> {
    let Some(project) = &target.project else {
        return Ok(Vec::new());
    };
    let mut samples = samples::of_folder(&project.samples_folder())?;
    samples.retain(|sample| match &sample.settings {
        Some(own) => serde_json::from_str(own).is_ok_and(|own: serde_json::Value| own == *settings),
        None => candidate.component.settings == *settings,
    });
    let tested = test::test(candidate, &samples, false)?;
    let mut events = Vec::with_capacity(samples.len());
    for (sample, tested) in samples.into_iter().zip(tested.samples) {
        let is_stated = sample.expect.is_some();
        if is_stated && tested.state != State::Passed {
            return Err(Unusable::Given(format!(
                "something else comes of the sample {} than it says, and what it shows is taken \
                 for public: see `tidegate transform test`",
                sample.name
            )));
        }
        let event = sample.event;
        events.push(StartingEvent { event, is_stated });
    }
    Ok(events)
}

/// A component on an engine that counts, and what is written down in it.
#[derive(Debug)]
pub struct Counted {
    component: Arc<Component>,
    constants: Constants,
    /// The same as a host would run it, where it is configured alike.
    uncounted: Option<Arc<Component>>,
}

impl Counted {
    /// Compiles, describes and configures a component of the author's own. Where each of its
    /// samples brings settings, they are taken; else those of `uncounted`, which is what a host
    /// would run. It blocks for so long.
    ///
    /// # Errors
    /// All that is wrong with it, a sentence each.
    pub fn load(
        engine: &Engine,
        bytes: Arc<[u8]>,
        uncounted: &Arc<Component>,
    ) -> Result<Self, Vec<String>> {
        let settings = &uncounted.settings;
        let limits = Limits {
            deadline: uncounted.limits().deadline * SLOWER,
            ..uncounted.limits().clone()
        };
        let inspected = Inspected::of(bytes, std::slice::from_ref(&limits))?;
        let load = |settings| Component::load_own(engine, &inspected, settings, limits.clone());
        let mut component = load(settings)?;
        if let Some(settings) = component.settings_of_samples() {
            component = load(&settings)?;
        }
        let constants = inspected.constants(&names(&component));
        let alike = component.settings == uncounted.settings;
        Ok(Self {
            component: Arc::new(component),
            constants,
            uncounted: alike.then(|| uncounted.clone()),
        })
    }

    /// What it was configured with.
    pub fn settings(&self) -> &serde_json::Value {
        &self.component.settings
    }

    /// Looks for leaks, faults and blocks until the bound. `tell` hears how far it is, from 0 to 1.
    ///
    /// # Errors
    /// A sentence: no sample has an event whose fields could be varied.
    pub fn fuzz(
        &self,
        samples: &[StartingEvent],
        exceptions: &[MayDepend],
        seed: u64,
        bound: SearchBound,
        tell: &dyn Fn(f64),
    ) -> Result<FuzzReport, String> {
        let began = Instant::now();
        let mut subject = Subject::new(self.component.clone(), self.uncounted.clone());
        let bases = bases(&mut subject, samples);
        if bases.is_empty() {
            return Err(
                "none of its samples for these settings has a payload that is JSON, and \
                        only the fields of such can be varied: give it one that has"
                    .into(),
            );
        }
        let words = Dictionary::of(&self.constants, &documents(&self.component, &bases));
        let mut search = Search::new(subject, seed, words, bases, exceptions, bound);
        let part = |search: &Search<'_>| part_of(search, bound, began);
        sweep::sweep(&mut search, &|search, share| {
            let part = part(search);
            tell(part);
            search.is_over() || part >= share
        });
        while !search.is_over() {
            tell(part(&search));
            for _ in 0..ROUNDS {
                search.round();
            }
            search.storm();
        }
        let measured = exceptions.iter().filter_map(|exception| {
            let bits = suspect::measured(&mut search, &exception.on, &exception.output)?;
            Some(MeasuredDependency {
                exception: exception.clone(),
                bits,
            })
        });
        let measured: Vec<MeasuredDependency> = measured.collect();
        Ok(FuzzReport::of(search, seed, began.elapsed(), &measured))
    }
}

/// The names of the fields of its samples' events.
fn names(component: &Component) -> Vec<String> {
    let mut names = BTreeSet::new();
    for event in component.samples() {
        let Ok(payload) = serde_json::from_slice(&event.payload) else {
            continue;
        };
        Json::of(&payload).walk(&mut Vec::new(), &mut |path, _| {
            if let Some(Step::Name(name)) = path.last() {
                names.insert(name.clone());
            }
        });
    }
    names.into_iter().collect()
}

/// The events of samples that can be varied, with what comes of them: those that publish first.
/// `samples` are those of the project, of which those are left out that do what another one does.
fn bases(subject: &mut Subject, samples: &[StartingEvent]) -> Vec<Base> {
    let own = subject.component().samples().map(|event| StartingEvent {
        event,
        is_stated: true,
    });
    let own: Vec<StartingEvent> = own.collect();
    let (mut bases, mut paths) = (Vec::new(), BTreeSet::new());
    for (at, sample) in own.iter().chain(samples).enumerate() {
        let captures = subject.component().captures(&sample.event.channel);
        let input = captures.and_then(|captures| Input::of(&sample.event, &captures));
        let Some(input) = input.filter(|_| bases.len() < MAX_BASES) else {
            continue;
        };
        let answer = subject.answer(&input);
        if paths.insert((sample.is_stated, subject.executed)) || at < own.len() {
            bases.push(Base {
                input,
                answer,
                is_stated: sample.is_stated,
            });
        }
    }
    bases.sort_by_key(|base| base.answer.published().is_empty());
    bases
}

/// What says of itself which values there are.
fn documents(component: &Component, bases: &[Base]) -> Vec<Json> {
    let mut documents = vec![Json::of(&component.settings)];
    for family in &component.descriptor.families {
        for message in &family.messages {
            documents.push(Json::of(message.data_schema.document()));
        }
        for parameter in &family.parameters {
            if let AllowedValues::OneOf(values) = &parameter.allowed {
                let values = values.iter().cloned().map(Json::Text);
                documents.push(Json::Array(values.collect()));
            }
        }
    }
    documents.extend(bases.iter().map(|base| base.input.payload.clone()));
    documents
}

/// The names of all fields that a component's schemas let out, as findings have them.
fn outputs(component: &Component) -> BTreeSet<String> {
    let families = component.descriptor.families.iter();
    let messages = families.flat_map(|family| &family.messages);
    let mut names = BTreeSet::new();
    for message in messages {
        outputs_of(message.data_schema.document(), "", &mut names);
    }
    names
}

fn outputs_of(schema: &serde_json::Value, name: &str, names: &mut BTreeSet<String>) {
    if !name.is_empty() {
        names.insert(name.to_owned());
    }
    for (own, property) in schema["properties"].as_object().into_iter().flatten() {
        let dot = if name.is_empty() { "" } else { "." };
        outputs_of(property, &format!("{name}{dot}{own}"), names);
    }
    if let Some(items) = schema.get("items") {
        outputs_of(items, &format!("{name}[]"), names);
    }
    for word in ["anyOf", "oneOf", "prefixItems"] {
        let parts = schema[word].as_array().into_iter().flatten();
        for part in parts {
            match word {
                "prefixItems" => outputs_of(part, &format!("{name}[]"), names),
                _ => outputs_of(part, name, names),
            }
        }
    }
}

/// How much of the bound is used up, from 0 to 1.
fn part_of(search: &Search<'_>, bound: SearchBound, began: Instant) -> f64 {
    let of_events = bound
        .events
        .map(|most| search.subject.events as f64 / most.max(1) as f64);
    let of_time = bound.until.map(|until| {
        let whole = until.saturating_duration_since(began).as_secs_f64();
        began.elapsed().as_secs_f64() / whole.max(0.001)
    });
    of_events
        .into_iter()
        .chain(of_time)
        .fold(0.0, f64::max)
        .min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_named_as_findings_name_them() {
        let schema = serde_json::json!({"properties": {
            "price": {"type": "string"},
            "legs": {"items": {"properties": {"fee": {}}}},
            "of": {"anyOf": [{"properties": {"a": {}}}, {"type": "null"}]},
        }});
        let mut names = BTreeSet::new();
        outputs_of(&schema, "", &mut names);
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        assert_eq!(
            names,
            ["legs", "legs[]", "legs[].fee", "of", "of.a", "price"]
        );
    }
}
