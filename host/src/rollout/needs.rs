//! What going from one revision to another needs that somebody agrees to.

use std::sync::Arc;

use super::diff::{self, Side};
use super::report::{Area, Change, Level};
use super::store::Store;
use super::{Registry, Revision};
use crate::rollout::wanted::desired::{Desired, MAX_PROVEN, Needs};
use crate::transform::RevisionId;

impl Registry {
    /// What is known of a revision, where it stands ready, is kept, or is known to the
    /// fleet.
    pub(super) fn record_of(&self, name: &str, id: &RevisionId) -> Option<Arc<Revision>> {
        let ready = self.with(name, |it| it.ready(id).map(|ready| ready.revision.clone()));
        let kept = || self.kept(id);
        let shared = || self.fleet.as_ref()?.record(name, id).map(Arc::new);
        ready.ok().flatten().or_else(kept).or_else(shared)
    }
}

/// Those that may stand in for a revision: proven ones that show no more than it does.
pub(super) fn covers(
    wanted: &Desired,
    of: &Revision,
    store: Option<&Arc<Store>>,
) -> Vec<RevisionId> {
    let shows_no_more = |safe: &&RevisionId| {
        let record = store.and_then(|store| store.revision(safe));
        !shows_more(Some(of), record.as_deref())
    };
    let safe = wanted.safe().filter(|safe| **safe != of.id);
    safe.filter(shows_no_more)
        .take(MAX_PROVEN)
        .cloned()
        .collect()
}

/// Whether clients could see more of one than of the other, whatever both read. What is not known
/// is taken for more.
pub(super) fn shows_more(from: Option<&Revision>, to: Option<&Revision>) -> bool {
    from.zip(to).is_none_or(|(from, to)| {
        let changes = changes(from, to);
        let is_seen = |change: &Change| !matches!(change.area, Area::Upstream | Area::Limit);
        let mut wider = changes.iter().filter(|change| change.level == Level::Wider);
        wider.any(is_seen)
    })
}

/// What is not known is taken for more than there was.
pub(super) fn needs_between(from: Option<&Revision>, to: Option<&Revision>) -> Needs {
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
