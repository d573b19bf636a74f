//! What a session is told: which frames, what it missed, and from which number on it goes on.

use std::collections::{HashMap, HashSet};

use super::{ChannelId, Key, Log, PatternId, What};
use crate::channel::Pattern;
use crate::hub::frame;
use crate::hub::notice::{self, Reason};

/// Writes the frames that tell a session what it missed, and how many gaps they are.
pub(crate) fn write_missed(log: &mut Log, key: Key, out: &mut Vec<u8>) -> u64 {
    let Some(missed) = log.cursors.get_mut(key).missed.take() else {
        return 0;
    };
    log.missed_size -= missed.size();
    let mut gaps = 0;
    let mut write = |text: serde_json::Value| frame::write_text(&[&text.to_string()], out);
    for (channel, (from, to)) in &missed.channels {
        let name = log.channels.name(*channel).as_str();
        write(notice::gap(name, *from, *to, Reason::Slow));
        gaps += 1;
    }
    for (pattern, count) in &missed.patterns {
        let (pattern, count) = (pattern.as_str(), Some(*count));
        write(notice::gap_somewhere(pattern, count, Reason::Slow));
        gaps += 1;
    }
    for (pattern, reason) in &missed.losses {
        write(notice::gap_somewhere(pattern.as_str(), None, *reason));
    }
    for pattern in &missed.states {
        let state = log.state(pattern.family());
        write(notice::status(pattern.as_str(), state));
    }
    gaps
}

/// Whether a session with these patterns gets a frame. What it finds of channels is `known` to
/// the next, as many frames may wait.
pub(super) fn concerns(
    log: &Log,
    number: u64,
    patterns: &[PatternId],
    known: &mut HashMap<ChannelId, bool>,
) -> bool {
    let views = &log.cursors.views;
    match &log.arena.frame(number).what {
        What::Message { channel, .. } | What::Passed { channel, .. } => {
            let name = log.channels.name(*channel);
            let is_matched = || views.first_match(name, patterns).is_some();
            *known.entry(*channel).or_insert_with(is_matched)
        }
        What::Notice(pattern, _) => {
            let id = views.find(pattern.as_str());
            id.is_some_and(|id| patterns.binary_search(&id).is_ok())
        }
    }
}

/// Forgets what the session missed of what it does not hold any more.
pub(super) fn forget_missed(log: &mut Log, key: Key) {
    let Some(mut missed) = log.cursors.get_mut(key).missed.take() else {
        return;
    };
    log.missed_size -= missed.size();
    let (views, patterns) = (&log.cursors.views, log.subscriptions(key));
    let held = || patterns.iter().map(|id| views.pattern(*id));
    missed.keep(
        |channel| {
            let name = log.channels.name(channel);
            views.first_match(name, patterns).is_some()
        },
        |pattern| log.holds(key, pattern),
        |pattern| held().find(|held| held.overlaps(pattern)).cloned(),
    );
    log.missed_size += missed.size();
    log.cursors.get_mut(key).missed = Some(missed).filter(|missed| !missed.is_empty());
}

/// The first number of each of these channels that the session is still to get, or to be told
/// that it missed. Looks at what waits for it until all are found.
fn first_owed(log: &Log, key: Key, channels: &HashSet<ChannelId>) -> HashMap<ChannelId, u64> {
    let missed = log.cursors.get(key).missed.iter();
    let missed = missed.flat_map(|missed| missed.channels.iter());
    let mut first: HashMap<ChannelId, u64> = missed
        .filter(|(channel, _)| channels.contains(channel))
        .map(|(channel, (from, _))| (*channel, *from))
        .collect();
    for number in log.cursors.pending(key) {
        if first.len() == channels.len() {
            break;
        }
        let numbers = log.arena.frame(number).what.numbers();
        if let Some((channel, (from, _), _)) = numbers
            && channels.contains(&channel)
        {
            first.entry(channel).or_insert(from);
        }
    }
    first
}

/// For each channel, the number before the first that the session is still to get: what was
/// published last, unless the session is behind and held the channel before.
pub(crate) fn seqs(log: &Log, key: Key, channels: &[&Pattern]) -> Vec<u64> {
    let is_behind = log.cursors.waiting(key) > 0 || log.cursors.get(key).missed.is_some();
    let (views, patterns) = (&log.cursors.views, log.subscriptions(key));
    let is_held = |id: &ChannelId| {
        views
            .first_match(log.channels.name(*id), patterns)
            .is_some()
    };
    let known = channels.iter().filter(|_| is_behind);
    let known = known.filter_map(|channel| Some(log.channels.find(channel.as_str())?.0));
    let owed = first_owed(log, key, &known.filter(is_held).collect());
    let seq = |channel: &&Pattern| {
        let (id, last) = log.channels.find(channel.as_str())?;
        Some(owed.get(&id).map_or(last, |first| first - 1))
    };
    channels
        .iter()
        .map(|channel| seq(channel).unwrap_or_default())
        .collect()
}
