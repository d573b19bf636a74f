//! What going from one revision to another needs that somebody agrees to.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Revision;
use super::change::{Area, Change, Level};
use super::diff::{self, Side};
use crate::transform::RevisionId;
use crate::wanted::desired::{Desired, MAX_PROVEN, Needs};

/// The revisions that a new choice is held against, each once, as somewhere clients may see no
/// more than one of them shows: what `runs` here, what is chosen, and what other hosts go on with.
/// Of what was taken back nobody sees anything, so what was good before is one of them then. None
/// stands for nothing at all.
pub fn measures(wanted: &Desired, runs: Option<&RevisionId>) -> Vec<Option<RevisionId>> {
    let choice = &wanted.choice;
    let shown = [runs, choice.revision.as_ref(), choice.meanwhile.as_ref()];
    let shown: Vec<&RevisionId> = shown.into_iter().flatten().collect();
    let mut measures: Vec<_> = shown.iter().map(|id| Some((*id).clone())).collect();
    if shown.is_empty() {
        measures.push(None);
    } else if shown.iter().any(|id| wanted.is_withdrawn(id)) {
        measures.push(wanted.safe().next().cloned());
    }
    let mut seen = BTreeSet::new();
    measures.retain(|measure| seen.insert(measure.clone()));
    measures
}

/// What would change for clients of what `runs` here; and where somewhere they may see another of
/// the measures, what would show them more, or break something, beside that one.
pub fn changes_from(
    measures: &[Option<RevisionId>],
    runs: Option<Side<'_>>,
    next: Side<'_>,
    record: impl Fn(&RevisionId) -> Option<Arc<Revision>>,
) -> Vec<Change> {
    let id = runs.map(|runs| &runs.revision.id);
    let mut found = Vec::new();
    for measure in measures {
        if measure.as_ref() == id {
            found.extend(diff::changes(runs, next));
            continue;
        }
        let from = measure.as_ref().and_then(&record);
        let from = from.as_deref().map(|revision| Side {
            revision,
            imports: next.imports,
        });
        let further = diff::changes(from, next).into_iter();
        let further = further.filter(|change| change.level != Level::Note);
        let known = found.len();
        for mut change in further {
            if !found[..known].contains(&change) {
                if let Some(id) = measure {
                    change.what += &format!(", against {}", id.short());
                }
                found.push(change);
            }
        }
    }
    found.sort_by_key(|change| (std::cmp::Reverse(change.level), change.area));
    found
}

/// What going to a revision needs from whichever of these clients see now.
pub fn needs_from(
    measures: &[Option<RevisionId>],
    to: Option<&Revision>,
    record: impl Fn(&RevisionId) -> Option<Arc<Revision>>,
) -> Needs {
    let needs = measures.iter().map(|measure| {
        let from = measure.as_ref().and_then(&record);
        let is_same = measure.is_some() && measure.as_ref() == to.map(|to| &to.id);
        match is_same {
            true => Needs::default(),
            false => needs_between(from.as_deref(), to),
        }
    });
    needs.fold(Needs::default(), |known, needs| Needs {
        wider: known.wider || needs.wider,
        breaking: known.breaking || needs.breaking,
        ..known
    })
}

/// Those that may run in the place of a revision: what is chosen and what was good, as far as
/// they show no more than it does. `record` knows what there is of them.
pub fn covers(
    wanted: &Desired,
    of: &Revision,
    record: impl Fn(&RevisionId) -> Option<Arc<Revision>>,
) -> Vec<RevisionId> {
    let chosen = wanted.choice.revision.as_ref();
    let chosen = chosen.filter(|chosen| !wanted.is_withdrawn(chosen));
    let safe = wanted.safe().filter(|safe| Some(*safe) != chosen);
    let others = chosen.into_iter().chain(safe).filter(|id| **id != of.id);
    let shows_no_more = |id: &&RevisionId| !shows_more(Some(of), record(id).as_deref());
    others
        .filter(shows_no_more)
        .take(MAX_PROVEN)
        .cloned()
        .collect()
}

/// Whether clients could see more of one than of the other, whatever both read. What is not known
/// is taken for more.
pub fn shows_more(from: Option<&Revision>, to: Option<&Revision>) -> bool {
    from.zip(to).is_none_or(|(from, to)| {
        let changes = changes(from, to);
        let is_seen = |change: &Change| !matches!(change.area, Area::Upstream | Area::Limit);
        let mut wider = changes.iter().filter(|change| change.level == Level::Wider);
        wider.any(is_seen)
    })
}

/// What is not known is taken for more than there was.
fn needs_between(from: Option<&Revision>, to: Option<&Revision>) -> Needs {
    let Some((from, to)) = from.zip(to) else {
        return Needs {
            wider: true,
            ..Needs::default()
        };
    };
    let changes = changes(from, to);
    let any = |level| changes.iter().any(|change| change.level == level);
    Needs {
        wider: any(Level::Wider),
        breaking: any(Level::Breaking),
        ..Needs::default()
    }
}

/// Imports give a component nothing that clients could see.
fn changes(from: &Revision, to: &Revision) -> Vec<Change> {
    let side = |revision| Side {
        revision,
        imports: &[],
    };
    diff::changes(Some(side(from)), side(to))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::wanted::desired::Decided;

    #[test]
    fn what_clients_may_see_somewhere_is_a_measure_and_what_was_taken_back_is_none_alone() {
        let [a, b, c] = ['a', 'b', 'c'].map(RevisionId::example);
        let some = |ids: &[&RevisionId]| -> Vec<Option<RevisionId>> {
            ids.iter().map(|id| Some((*id).clone())).collect()
        };
        assert_eq!(measures(&Desired::nothing(), None), [None]);
        let mut wanted = Desired::configured(a.clone(), Timestamp::UNIX_EPOCH);
        assert_eq!(measures(&wanted, None), some(&[&a]));
        assert_eq!(measures(&wanted, Some(&a)), some(&[&a]));
        assert_eq!(measures(&wanted, Some(&b)), some(&[&b, &a]));
        wanted.choice.meanwhile = Some(c.clone());
        assert_eq!(measures(&wanted, Some(&a)), some(&[&a, &c]));
        wanted.choice.meanwhile = None;
        let withdrawn = Decided {
            yes: true,
            at: 2,
            id: 2,
        };
        wanted.withdrawn.insert(a.clone(), withdrawn);
        assert_eq!(measures(&wanted, Some(&a)), [Some(a.clone()), None]);
        wanted.proven.push(b.clone());
        assert_eq!(measures(&wanted, Some(&a)), some(&[&a, &b]));
    }

    #[test]
    fn the_strictest_of_all_measures_says_what_is_needed() {
        let a = RevisionId::example('a');
        let unknown = |_: &RevisionId| None;
        let to = Revision::unknown("ticks", &a);
        let needs = |measures: &[Option<RevisionId>]| needs_from(measures, Some(&to), unknown);
        assert!(needs(&[Some(a.clone())]).is_none());
        assert!(needs(&[Some(a.clone()), None]).wider);
        assert!(needs(&[Some(a), Some(RevisionId::example('b'))]).wider);
    }
}
