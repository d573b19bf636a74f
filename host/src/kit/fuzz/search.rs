//! The search: pairs of events that differ in nothing but what is secret, one after the other,
//! and what is done when their answers differ.
//!
//! Everything follows from the seed, so the same component, seed and number of events give the
//! same findings.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::time::Instant;

use fastrand::Rng;

use super::super::project::MayDepend;
use super::dictionary::Dictionary;
use super::fields::{Base, EventFields};
use super::finding::{FuzzFinding, StoppedEvent};
use super::input::{FieldPlace, Input};
use super::json::Json;
use super::judge::AnswerSeen;
use super::subject::Subject;
use super::vary::in_shape;
use super::{outputs, storm, suspect, trouble, unsampled};

/// How many events of a new kind are kept to go on from.
const MAX_CORPUS: usize = 1_024;

/// How many different paths are told apart.
const MAX_PATHS: usize = 1 << 20;

/// Variations of one event before another is taken.
const VARIATIONS: usize = 8;

/// How many events an instance is thought to remember at most.
const RECENT: usize = 16;

/// How many different things are told.
pub(super) const MAX_FINDINGS: usize = 32;

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub struct SearchBound {
    /// Events in all; none where only time counts.
    pub events: Option<u64>,
    pub until: Option<Instant>,
    /// At the first finding.
    pub at_first: bool,
}

pub(super) struct Search<'a> {
    pub(super) subject: Subject,
    pub(super) rng: Rng,
    pub(super) words: Dictionary,
    pub(super) bases: Vec<Base>,
    pub(super) fields: EventFields,
    pub(super) exceptions: &'a [MayDepend],
    /// Events of the samples' kind on whose paths nothing else was.
    corpus: Vec<Input>,
    /// By how much was executed: two events of one path execute equally much.
    paths: HashSet<u64>,
    pub(super) findings: Vec<FuzzFinding>,
    /// What the guard stopped, once for each of its rules.
    pub(super) stopped: Vec<StoppedEvent>,
    /// What is known of already: a field and an output.
    pub(super) known: BTreeSet<(String, String)>,
    /// Faults and blocks that are told already.
    pub(super) troubles: BTreeSet<String>,
    /// Outputs whose difference was looked into in vain: how often.
    pub(super) in_vain: BTreeMap<String, u32>,
    pub(super) bound: SearchBound,
    /// The last events, in their order: what an instance may remember.
    pub(super) recent: VecDeque<Input>,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        mut subject: Subject,
        seed: u64,
        words: Dictionary,
        bases: Vec<Base>,
        exceptions: &'a [MayDepend],
        bound: SearchBound,
    ) -> Self {
        let mut rng = Rng::with_seed(seed);
        let outputs = outputs(subject.component());
        let mut fields = EventFields::of(&mut subject, &mut rng, &words, &bases);
        unsampled::find(&mut fields, &mut subject, &words, &bases, &outputs);
        let mut known = unsampled::exempt(&fields, &bases, outputs);
        let declared = exceptions.iter();
        known.extend(declared.map(|exception| (exception.on.clone(), exception.output.clone())));
        Self {
            known,
            subject,
            rng,
            words,
            bases,
            fields,
            exceptions,
            corpus: Vec::new(),
            paths: HashSet::new(),
            findings: Vec::new(),
            stopped: Vec::new(),
            troubles: BTreeSet::new(),
            in_vain: BTreeMap::new(),
            bound,
            recent: VecDeque::new(),
        }
    }

    /// How many different amounts of work events have caused.
    pub(super) fn paths(&self) -> usize {
        self.paths.len()
    }

    pub(super) fn is_over(&self) -> bool {
        let bound = &self.bound;
        bound.events.is_some_and(|most| self.subject.events >= most)
            || bound.until.is_some_and(|until| Instant::now() >= until)
            || (bound.at_first && !self.findings.is_empty())
            || self.findings.len() >= MAX_FINDINGS
    }

    /// What comes of an event; a fault and a block are noted, and an event on a path of its own is
    /// kept to go on from.
    pub(super) fn answer(&mut self, input: &Input) -> AnswerSeen {
        let answer = self.subject.answer(input);
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(input.clone());
        trouble::of_input(self, input, &answer);
        let new = self.paths.len() < MAX_PATHS && self.paths.insert(self.subject.executed);
        if new && !answer.refuses_kind() {
            self.keep(input.clone());
        }
        answer
    }

    pub(super) fn keep(&mut self, input: Input) {
        if self.corpus.len() < MAX_CORPUS {
            self.corpus.push(input);
        } else {
            let at = self.rng.usize(..MAX_CORPUS);
            self.corpus[at] = input;
        }
    }

    /// An event to vary: one of a sample, or one that was on a path of its own; with other public
    /// values now and then, and other secret ones.
    fn context(&mut self) -> Input {
        let from_corpus = !self.corpus.is_empty() && self.rng.bool();
        let mut input = if from_corpus {
            self.corpus[self.rng.usize(..self.corpus.len())].clone()
        } else {
            self.bases[self.rng.usize(..self.bases.len())].input.clone()
        };
        if self.rng.bool() {
            let places = self.fields.public_places(&input);
            for _ in 0..self.rng.usize(1..=3) {
                self.vary_one(&mut input, &places);
            }
        }
        if self.rng.u32(..3) == 0 {
            let places = self.fields.secret_places(&input);
            for place in &places {
                self.vary(&mut input, place);
            }
        }
        input
    }

    fn vary_one(&mut self, input: &mut Input, places: &[FieldPlace]) {
        if !places.is_empty() {
            let place = &places[self.rng.usize(..places.len())];
            self.vary(input, place);
        }
    }

    /// Gives a field another value: of its shape, or one of those that the component takes.
    pub(super) fn vary(&mut self, input: &mut Input, place: &FieldPlace) {
        let Some(value) = input.at(place) else { return };
        let name = input.name(place);
        let varied = match self.fields.strict.get(&name) {
            Some(taken) if !taken.is_empty() => taken[self.rng.usize(..taken.len())].clone(),
            Some(_) => return,
            None => {
                let near = self.near(input);
                in_shape(&mut self.rng, &value, &self.words, &near)
            }
        };
        input.set(place, varied);
    }

    /// A value or two of the event itself.
    fn near(&mut self, input: &Input) -> Vec<Json> {
        let places = input.places();
        let picked = (0..2).filter_map(|_| {
            let place = places.get(self.rng.usize(..places.len().max(1)))?;
            input.at(place)
        });
        picked.collect()
    }

    /// One event, some variations of what is secret in it, and the event again.
    pub(super) fn round(&mut self) {
        let left = self.context();
        let secret = self.fields.secret_places(&left);
        let lists = self.fields.secret_lists(&left);
        let expected = self.answer(&left);
        if secret.is_empty() || (expected.refuses_kind() && self.rng.u32(..8) > 0) {
            return;
        }
        let mut rights = Vec::new();
        for _ in 0..VARIATIONS {
            let mut right = left.clone();
            match self.rng.u32(..16) {
                0..8 => {
                    for place in &secret {
                        self.vary(&mut right, place);
                    }
                }
                8..14 => {
                    for _ in 0..self.rng.usize(1..=2) {
                        self.vary_one(&mut right, &secret);
                    }
                }
                _ => self.vary_one(&mut right, &lists),
            }
            if right == left {
                continue;
            }
            let answer = self.answer(&right);
            suspect::pair(self, &left, &expected, &right, &answer);
            rights.push(right);
            if self.is_over() {
                return;
            }
        }
        let again = self.answer(&left);
        if again != expected {
            suspect::memory(self, &left, &rights);
        }
    }

    /// One event that no honest publisher sends.
    pub(super) fn storm(&mut self) {
        let base = &self.bases[self.rng.usize(..self.bases.len())].input;
        let input = storm::stormy(&mut self.rng, base);
        let event = storm::event(&mut self.rng, &input);
        let answer = self.subject.answer_to(&event);
        trouble::of_event(self, &event, &answer, Some(&input));
    }
}
