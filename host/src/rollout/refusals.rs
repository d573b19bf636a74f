//! Components that the compiler refused for what they are, so that whoever sends one again is
//! told the same at once. For as long as the process runs: its compiler and its settings are then
//! the same.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

/// How many are remembered; the oldest goes first. Each is a digest and a sentence.
const MAX: usize = 64;

/// By the SHA-256 of a component's bytes, oldest first. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Refusals(Arc<Mutex<VecDeque<(String, String)>>>);

impl Refusals {
    /// Why it was refused before.
    pub(super) fn of(&self, digest: &str) -> Option<String> {
        let refusals = self.0.lock();
        let found = refusals.iter().find(|(known, _)| known == digest);
        found.map(|(_, fault)| fault.clone())
    }

    pub(super) fn keep(&self, digest: &str, fault: &str) {
        let mut refusals = self.0.lock();
        refusals.retain(|(known, _)| known != digest);
        refusals.push_back((digest.to_owned(), fault.to_owned()));
        if refusals.len() > MAX {
            refusals.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_remembered_and_no_more_than_the_bound() {
        let refusals = Refusals::default();
        let digest = |number: usize| format!("{number:064}");
        for number in 0..=MAX {
            refusals.keep(&digest(number), "why");
        }
        assert_eq!(refusals.of(&digest(0)), None);
        assert_eq!(refusals.of(&digest(1)).as_deref(), Some("why"));
        refusals.keep(&digest(1), "why not");
        refusals.keep(&digest(MAX + 1), "why");
        assert_eq!(refusals.of(&digest(1)).as_deref(), Some("why not"));
        assert_eq!(refusals.of(&digest(2)), None);
    }
}
