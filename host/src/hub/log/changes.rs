//! What a session is to get from now on: other patterns, or nothing any more.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{FamilyId, Log, PatternId, SendPlan, SessionKey, telling, trimming};
use crate::channel::Pattern;

/// Adds patterns: what is published from now on comes after what waits already.
pub(crate) fn subscribe(log: &mut Log, key: SessionKey, patterns: &[Pattern]) {
    let mut fresh: Vec<Pattern> = Vec::new();
    for pattern in patterns {
        if !log.holds(key, pattern) && !fresh.contains(pattern) {
            fresh.push(pattern.clone());
        }
    }
    let mut ids = log.subscriptions(key).to_vec();
    let before = ids.len();
    ids.extend(
        patterns
            .iter()
            .map(|pattern| log.cursors.views.intern(pattern)),
    );
    ids.sort_unstable();
    ids.dedup();
    if ids.len() > before {
        let pending = log.cursors.take_pending(key);
        change(log, key, ids, pending);
        telling::owe_snapshots(log, key, &fresh);
    }
}

/// Takes patterns away: nothing of them is sent any more, not even what waits.
pub(crate) fn unsubscribe(log: &mut Log, key: SessionKey, patterns: &[Pattern]) {
    let held = patterns.iter().filter(|pattern| log.holds(key, pattern));
    let held: Vec<&Pattern> = held.collect();
    let gone = held
        .iter()
        .filter_map(|gone| log.cursors.views.find(gone.as_str()));
    let gone: HashSet<PatternId> = gone.collect();
    let mut ids = log.subscriptions(key).to_vec();
    let before = ids.len();
    ids.retain(|id| !gone.contains(id));
    if ids.len() < before {
        let (mut pending, mut known) = (log.cursors.take_pending(key), HashMap::new());
        pending.retain(|number| telling::concerns(log, *number, &ids, &mut known));
        change(log, key, ids, pending);
        telling::forget_missed(log, key, &held);
    }
}

/// Gives the session other patterns. It still gets what is `pending`, if there is room for
/// the list of it: whoever is far behind and changes its mind costs others nothing.
fn change(log: &mut Log, key: SessionKey, patterns: Vec<PatternId>, pending: VecDeque<u64>) {
    let frames = log.cursors.detour_frames() + pending.len();
    if frames * size_of::<u64>() <= log.detour_limit {
        log.cursors.change(key, patterns, pending);
    } else {
        log.cursors.change(key, patterns, VecDeque::new());
        trimming::miss(log, key, pending);
    }
}

/// The session gets nothing any more. Says how many messages waited, by family.
pub(crate) fn stop(log: &mut Log, key: SessionKey) -> Vec<(FamilyId, u64, u64)> {
    let mut dropped = SendPlan::default();
    let pending = log.cursors.pending(key);
    dropped.fill(&log.arena, pending, usize::MAX, usize::MAX);
    let missed = log.cursors.get_mut(key).missed.take();
    log.missed_size -= missed.map_or(0, |missed| missed.size());
    log.cursors.take_detour(key);
    log.cursors.change(key, Vec::new(), VecDeque::new());
    dropped.families
}
