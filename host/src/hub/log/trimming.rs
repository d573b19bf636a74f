//! What the log lets go of: frames that everybody has taken, and those that are too old or too
//! much, which whoever has not taken them is to be told.

use std::collections::VecDeque;
use std::time::Instant;

use super::missed::{ENTRY_COST, MOST_CHANNELS};
use super::{FrameContent, Log, PassedBy, SessionKey};

/// Lets go of the frames that every session has taken. Only where it is thorough are those
/// looked at that are flushed by themselves, which costs as much as there are members.
pub(crate) fn settle(log: &mut Log, thorough: bool) {
    let mut needed = log.arena.end();
    for id in log.cursors.views.filled() {
        let view = log.cursors.views.get(id);
        let taken = if !view.is_dirty() && view.ready == view.members.len() {
            view.end()
        } else if thorough {
            let positions = view
                .members
                .iter()
                .map(|key| log.cursors.get(SessionKey(*key)).position);
            positions.min().unwrap_or(view.end())
        } else {
            view.base()
        };
        log.cursors.views.forget(id, (taken - view.base()) as usize);
        let first = log.cursors.views.get(id).frames_from(taken).next();
        needed = needed.min(first.unwrap_or(needed));
    }
    for key in log.cursors.detoured() {
        needed = needed.min(log.cursors.pending(*key).next().unwrap_or(needed));
    }
    log.arena.trim(needed);
}

/// The first frame that is not older than `oldest`.
pub(crate) fn first_since(log: &Log, oldest: Instant) -> u64 {
    let frames = log.arena.start()..log.arena.end();
    let mut younger = frames.skip_while(|number| log.since(*number) < oldest);
    younger.next().unwrap_or(log.arena.end())
}

/// Forgets the frames before `number`. Whoever has not taken them is to be told what was
/// missed.
pub(crate) fn trim(log: &mut Log, number: u64) {
    if number <= log.arena.start() {
        return;
    }
    for key in log.cursors.detoured().clone() {
        let mut passed = log.cursors.take_detour(key);
        let rest = passed.split_off(passed.partition_point(|frame| *frame < number));
        miss(log, key, passed);
        log.cursors.set_detour(key, rest);
    }
    for id in log.cursors.views.filled() {
        let view = log.cursors.views.get(id);
        let upto = view.base() + view.older_than(number) as u64;
        for member in view.members.clone() {
            let position = log.cursors.get(SessionKey(member)).position;
            if position < upto {
                let passed = log.cursors.views.get(id).frames_from(position);
                let passed = passed.take((upto - position) as usize).collect();
                log.cursors.get_mut(SessionKey(member)).position = upto;
                miss(log, SessionKey(member), passed);
            }
        }
        let count = upto - log.cursors.views.get(id).base();
        log.cursors.views.forget(id, count as usize);
    }
    log.arena.trim(number);
}

/// The session does not get these frames, and is to be told so before anything newer.
pub(super) fn miss(log: &mut Log, key: SessionKey, passed: VecDeque<u64>) {
    if passed.is_empty() {
        return;
    }
    let mut missed = log.cursors.get_mut(key).missed.take().unwrap_or_default();
    log.missed_size -= missed.size();
    let room = log.missed_limit.saturating_sub(log.missed_size) / ENTRY_COST;
    let Log {
        arena,
        cursors,
        channels,
        ..
    } = log;
    let views = &cursors.views;
    let most = if log.missed_size > log.missed_limit {
        0
    } else {
        MOST_CHANNELS
    };
    let patterns = cursors.patterns(key);
    let wildcard_of = |channel| {
        let first = views.first_match(channels.name(channel), patterns);
        let pattern = views.pattern(first?);
        pattern.has_wildcard().then(|| pattern.clone())
    };
    let (mut count, mut is_told) = (0, false);
    for number in passed {
        let what = &arena.frame(number).what;
        match what {
            FrameContent::Overtaken(family) => {
                PassedBy::count(&mut log.passed.replaced, *family, 1);
                continue;
            }
            FrameContent::Notice(pattern, notice) => missed.notice(pattern, *notice),
            FrameContent::Message { .. } | FrameContent::Passed { .. } => {}
        }
        is_told = true;
        let Some((channel, range, family)) = what.numbers() else {
            continue;
        };
        let is_message = matches!(what, FrameContent::Message { .. });
        let is_replaceable = is_message && channels.is_replaceable(channel, range.0);
        if is_replaceable && missed.owe(channel, range, room) {
            continue;
        }
        let messages = missed.messages(channel, range, most, wildcard_of);
        PassedBy::count(&mut log.passed.families, family, messages);
        count += messages;
    }
    log.missed_size += missed.size();
    log.cursors.get_mut(key).missed = Some(missed).filter(|missed| !missed.is_empty());
    if is_told {
        log.cursors.set_apart(key);
        log.passed.sessions.push((key, count));
    }
}

/// Bytes of memory: the frames, who gets which, and what sessions missed.
pub(crate) fn size(log: &Log) -> usize {
    let numbers = log.cursors.views.noted() + log.cursors.detour_frames();
    log.arena.size() + numbers * size_of::<u64>() + log.missed_size
}
