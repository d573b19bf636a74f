//! What the candidate refused and why, in its own words, within bounds.
//!
//! By the contract a component names fields there and never values; what it says in its log is
//! taken at the same word.

use std::collections::BTreeMap;

use super::Reaction;
use crate::revision::compare::report::Rejected;
use crate::transform::{Outcome, printable};

/// How many reasons are told apart; further ones are counted together.
const MAX_TOLD: usize = 32;
/// The longest detail, in characters.
const MAX_DETAIL: usize = 200;
const OTHERS: &str = "(others)";

/// By reason and detail.
#[derive(Debug, Default)]
pub(super) struct Rejections(BTreeMap<(String, String), u64>);

impl Rejections {
    pub(super) fn note(&mut self, said: Reaction<'_>) {
        let Ok(Outcome::Rejected(rejection)) = said.result else {
            return;
        };
        let detail = printable(said.detail.unwrap_or_default(), MAX_DETAIL);
        let mut key = (rejection.reason.to_owned(), detail);
        if self.0.len() >= MAX_TOLD && !self.0.contains_key(&key) {
            key = (OTHERS.to_owned(), String::new());
        }
        *self.0.entry(key).or_default() += 1;
    }

    /// The rejections that came most often first.
    pub(super) fn report(&self) -> Vec<Rejected> {
        let rejected = self.0.iter().map(|((reason, detail), events)| Rejected {
            reason: reason.clone(),
            detail: detail.clone(),
            events: *events,
        });
        let mut by_number: Vec<_> = rejected.collect();
        by_number.sort_by_key(|rejected| std::cmp::Reverse(rejected.events));
        by_number
    }
}
