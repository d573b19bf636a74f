//! Which families get no events, because the upstream is lost or denies what they need.

use std::collections::BTreeSet;

use crate::transform::UpstreamPattern;

/// An upstream pattern that a transform asks for and the upstream does not give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    pub pattern: UpstreamPattern,
    /// Why, for an operator; names no upstream channel.
    pub why: String,
}

/// What the upstream reaches. At first it is taken to be there: a feed that the host carries
/// says nothing of itself.
#[derive(Debug, Default)]
pub(super) struct Reach {
    pub(super) lost: bool,
    /// What of that which is wanted the upstream does not let the host have.
    pub(super) denied: Vec<Denied>,
    /// Families that get no events, as it was last said; at most one for each transform.
    stale: BTreeSet<String>,
}

impl Reach {
    /// The families for which it has changed whether they get no events, which then counts as
    /// said. `listening` is each family with the upstream patterns of its transform.
    pub(super) fn changes<'a>(
        &mut self,
        listening: impl Iterator<Item = (&'a str, &'a [UpstreamPattern])>,
    ) -> Vec<(String, bool)> {
        let cut_off = listening.filter(|(_, patterns)| {
            let is_denied = self
                .denied
                .iter()
                .any(|denied| patterns.contains(&denied.pattern));
            is_denied || (self.lost && !patterns.is_empty())
        });
        let stale: BTreeSet<String> = cut_off.map(|(family, _)| family.to_owned()).collect();
        let begins = stale.difference(&self.stale).map(|family| (family, true));
        let ends = self.stale.difference(&stale).map(|family| (family, false));
        let changes = begins.chain(ends);
        let changes = changes.map(|(family, stale)| (family.clone(), stale));
        let changes = changes.collect();
        self.stale = stale;
        changes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> UpstreamPattern {
        text.parse().unwrap()
    }

    fn denied(texts: &[&str]) -> Vec<Denied> {
        let denied = |text: &&str| Denied {
            pattern: pattern(text),
            why: "it is denied".to_owned(),
        };
        texts.iter().map(denied).collect()
    }

    /// What is said of candles and news, and of dice that need no upstream.
    fn said(reach: &mut Reach) -> Vec<(String, bool)> {
        let [candles, news] = [
            [pattern("a:*"), pattern("b:*")].to_vec(),
            [pattern("c:*")].to_vec(),
        ];
        let listening = [("candles", &candles[..]), ("news", &news), ("dice", &[])];
        reach.changes(listening.into_iter())
    }

    fn change(family: &str, stale: bool) -> (String, bool) {
        (family.to_owned(), stale)
    }

    #[test]
    fn a_lost_upstream_is_said_of_each_family_that_listens_to_it_once() {
        let mut reach = Reach::default();
        assert_eq!(said(&mut reach), [], "it is taken to be there");
        reach.lost = true;
        assert_eq!(
            said(&mut reach),
            [change("candles", true), change("news", true)]
        );
        assert_eq!(said(&mut reach), []);
        reach.lost = false;
        assert_eq!(
            said(&mut reach),
            [change("candles", false), change("news", false)]
        );
    }

    #[test]
    fn a_denied_pattern_is_said_of_its_family_only_and_survives_a_loss() {
        let mut reach = Reach {
            denied: denied(&["b:*"]),
            ..Reach::default()
        };
        assert_eq!(said(&mut reach), [change("candles", true)]);
        reach.lost = true;
        assert_eq!(said(&mut reach), [change("news", true)]);
        reach.lost = false;
        assert_eq!(said(&mut reach), [change("news", false)]);
        reach.denied.clear();
        assert_eq!(said(&mut reach), [change("candles", false)]);
    }

    #[test]
    fn a_family_whose_transform_is_another_now_is_no_longer_stale() {
        let mut reach = Reach {
            lost: true,
            ..Reach::default()
        };
        said(&mut reach);
        let patterns = [pattern("a:*")];
        let listening = [("candles", &patterns[..]), ("bars", &patterns)];
        assert_eq!(
            reach.changes(listening.into_iter()),
            [change("bars", true), change("news", false)]
        );
    }

    proptest! {
        /// What was said last of a family is true, whatever happened before.
        #[test]
        fn what_was_said_last_is_true(
            history in prop::collection::vec((any::<bool>(), prop::collection::vec(0_usize..4, 0..4)), 1..30)
        ) {
            let names = ["a", "b", "c", "d"];
            let families: Vec<(String, Vec<UpstreamPattern>)> = (0..16)
                .map(|bits| {
                    let own = (0..4).filter(|place| bits & (1 << place) != 0);
                    (format!("f{bits}"), own.map(|place| pattern(names[place])).collect())
                })
                .collect();
            let mut reach = Reach::default();
            let mut heard = BTreeSet::new();
            for (lost, places) in history {
                let texts: Vec<&str> = places.iter().map(|&place| names[place]).collect();
                (reach.lost, reach.denied) = (lost, denied(&texts));
                let listening = families.iter().map(|(name, own)| (name.as_str(), own.as_slice()));
                for (family, stale) in reach.changes(listening) {
                    let is_new = if stale { heard.insert(family) } else { heard.remove(&family) };
                    prop_assert!(is_new, "said twice");
                }
                for (family, own) in &families {
                    let cut_off = own.iter().any(|pattern| lost || texts.contains(&pattern.as_str()));
                    prop_assert_eq!(heard.contains(family), cut_off, "{}", family);
                }
            }
        }
    }
}
