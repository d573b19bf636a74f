//! What going from one revision to another needs that somebody agrees to.

use std::sync::Arc;

use super::Revision;
use super::change::{Area, Change, Level};
use super::diff::{self, Side};
use crate::transform::RevisionId;
use crate::wanted::desired::{Desired, MAX_PROVEN, Needs};

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
pub fn needs_between(from: Option<&Revision>, to: Option<&Revision>) -> Needs {
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
