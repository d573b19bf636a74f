//! What one loop has to send: a log of frames that all its sessions share, and for each session
//! a cursor in it. Plain data, without sockets.
//!
//! A cursor stands between two frames, so a session is a few numbers, and whoever is behind
//! costs only that the log reaches back. What the log drops before a session has taken it is
//! kept in a few numbers too, to be told.

pub(crate) mod arena;
pub(crate) mod changes;
mod channels;
mod cursors;
pub(crate) mod missed;
mod plan;
pub(crate) mod relayed;
pub(crate) mod telling;
#[cfg(test)]
mod tests;
pub(crate) mod trimming;
pub(crate) mod views;
mod what;

use std::collections::HashMap;
use std::io::IoSlice;
use std::time::Instant;

use self::arena::{Arena, Run};
use self::channels::Channels;
use self::cursors::Cursors;
pub(crate) use self::plan::SendPlan;
pub(crate) use self::views::{PatternId, ViewId};
pub(crate) use self::what::{FrameContent, LogMessage, Notice, PassedBy};
use super::frame;
use super::held::HeldMessage;
use super::notice::{self, Availability, Reason};
use crate::channel::{Channel, MAX_PARAMETERS, Pattern};

/// Frames that are looked at to find the oldest that is not replaced.
const LOOKED_AT: usize = 1_000;

/// A public channel, by its place among all that were ever numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ChannelId(pub(crate) u32);

/// A family, by its place among those that a loop has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FamilyId(pub(crate) u16);

/// A session of the loop, by its place in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SessionKey(pub(crate) u32);

impl SessionKey {
    pub(crate) fn at(self) -> usize {
        self.0 as usize
    }
}

#[derive(Debug)]
pub(crate) struct Log {
    arena: Arena<FrameContent>,
    cursors: Cursors,
    channels: Channels,
    states: HashMap<String, Availability>,
    /// Bytes of what sessions missed, in all.
    missed_size: usize,
    missed_limit: usize,
    detour_limit: usize,
    /// What sessions missed since `take_passed` was last called.
    passed: PassedBy,
}

impl Log {
    /// `lists_limit`, in bytes, is for each of the two lists beside the frames. What sessions
    /// missed is told by channel within it, and by pattern beyond. Who changes subscriptions
    /// while behind needs a list of what still waits; what does not fit counts as missed.
    pub(crate) fn new(lists_limit: usize) -> Self {
        Self {
            missed_limit: lists_limit,
            detour_limit: lists_limit,
            arena: Arena::new(),
            cursors: Cursors::default(),
            channels: Channels::default(),
            states: HashMap::new(),
            missed_size: 0,
            passed: PassedBy::default(),
        }
    }

    /// Notes a message for all who subscribed to its channel. `frame` is as it goes out.
    pub(crate) fn publish(&mut self, message: LogMessage<'_>, frame: &[u8]) {
        let LogMessage {
            name,
            id,
            seq,
            family,
            received,
            last,
        } = message;
        self.channels.note(id, name, seq, last);
        let what = FrameContent::Message {
            channel: id,
            seq,
            family,
        };
        let number = self.append(name, frame, received, what);
        if let (Some(number), Some(_)) = (number, last) {
            let before = self.channels.set_frame(id, number);
            // Whoever has still to get the older one gets the newer one too.
            if let Some(what) = before.and_then(|before| self.arena.what_mut(before)) {
                *what = FrameContent::Overtaken(family);
            }
        }
    }

    /// The messages from `from` to this one never came here. Where the last of a channel is all
    /// that counts and it is held, it takes their place; else all who subscribed are told.
    pub(crate) fn pass(&mut self, message: LogMessage<'_>, from: u64) {
        let latest = message.last.filter(|last| last.delivery.is_latest);
        let held = latest.and_then(|last| last.held.as_deref());
        if let Some(frame) = held.and_then(HeldMessage::again) {
            return self.publish(message, frame);
        }
        let LogMessage {
            name,
            id,
            seq,
            family,
            ..
        } = message;
        self.channels.note(id, name, seq, message.last);
        let gap = notice::gap(name.as_str(), from, seq, Reason::Slow);
        let what = FrameContent::Passed {
            channel: id,
            range: (from, seq),
            family,
        };
        self.append(name, &frame::text(&gap), Instant::now(), what);
    }

    /// Gives the frame's number, if anybody gets it.
    fn append(
        &mut self,
        name: &Channel,
        frame: &[u8],
        since: Instant,
        what: FrameContent,
    ) -> Option<u64> {
        let mut matching = [None; 1 << MAX_PARAMETERS];
        let mut next = 0;
        name.for_each_pattern(|pattern| {
            if let Some(id) = self.cursors.views.find(pattern) {
                matching[next] = Some(id);
                next += 1;
            }
        });
        if next == 0 {
            return None;
        }
        let number = self.arena.push(frame, since, what);
        for pattern in matching.into_iter().flatten() {
            self.cursors.views.note(pattern, number);
        }
        Some(number)
    }

    /// Lets go of the last messages that were withdrawn.
    pub(crate) fn sweep(&mut self) {
        self.channels.sweep();
    }

    /// The name of a channel that was published to.
    pub(crate) fn channel(&self, id: ChannelId) -> &Channel {
        self.channels.name(id)
    }

    /// Messages of a family were lost: all its subscribers are told, for each of their patterns.
    pub(crate) fn lose_somewhere(&mut self, family: &str, reason: Reason) {
        self.tell(family, Notice::Loss(reason), |pattern| {
            frame::text(&notice::gap_somewhere(pattern, None, reason))
        });
    }

    /// Notes what can be expected of a family, and tells its subscribers.
    pub(crate) fn set_state(&mut self, family: &str, state: Availability) {
        if self.state(family) == state {
            return;
        }
        match state {
            Availability::Live => self.states.remove(family),
            _ => self.states.insert(family.to_owned(), state),
        };
        self.tell(family, Notice::State, |pattern| {
            frame::text(&notice::status(pattern, state))
        });
    }

    pub(crate) fn state(&self, family: &str) -> Availability {
        self.states.get(family).copied().unwrap_or_default()
    }

    fn tell(&mut self, family: &str, notice: Notice, frame: impl Fn(&str) -> Vec<u8>) {
        for id in self.cursors.views.of_family(family) {
            let pattern = self.cursors.views.pattern(id).clone();
            let frame = frame(pattern.as_str());
            let what = FrameContent::Notice(pattern, notice);
            let number = self.arena.push(&frame, Instant::now(), what);
            self.cursors.views.note(id, number);
        }
    }

    /// A session without subscriptions.
    pub(crate) fn enter(&mut self) -> SessionKey {
        self.cursors.enter()
    }

    pub(crate) fn leave(&mut self, key: SessionKey) {
        let missed = self.cursors.leave(key);
        self.missed_size -= missed.map_or(0, |missed| missed.size());
    }

    pub(crate) fn subscriptions(&self, key: SessionKey) -> &[PatternId] {
        self.cursors.patterns(key)
    }

    pub(crate) fn pattern(&self, id: PatternId) -> &Pattern {
        self.cursors.views.pattern(id)
    }

    pub(crate) fn holds(&self, key: SessionKey, pattern: &Pattern) -> bool {
        let id = self.cursors.views.find(pattern.as_str());
        id.is_some_and(|id| self.subscriptions(key).binary_search(&id).is_ok())
    }

    /// A view whose ready members have not all been served with its frames.
    pub(crate) fn next_view(&self) -> Option<ViewId> {
        self.cursors.views.next_dirty()
    }

    /// Up to `most` ready members of that view, which are to be served now.
    pub(crate) fn take_due(&mut self, view: ViewId, most: usize, into: &mut Vec<SessionKey>) {
        self.cursors.take_due(view, most, into);
    }

    /// Where a session of the view stands that is still ready; none where it is not any more.
    pub(crate) fn position(&self, key: SessionKey, view: ViewId) -> Option<u64> {
        self.cursors.position(key, view)
    }

    /// From now on the session is flushed along with its view, which may have more for it.
    pub(crate) fn set_ready(&mut self, key: SessionKey) {
        self.cursors.set_ready(key);
    }

    /// From now on the session is flushed by itself.
    pub(crate) fn set_apart(&mut self, key: SessionKey) {
        self.cursors.set_apart(key);
    }

    /// The session has taken so many frames.
    pub(crate) fn advance(&mut self, key: SessionKey, frames: usize) {
        self.cursors.advance(key, frames);
    }

    /// The ready members of the view are to be served once more. The last `unserved` of those
    /// that were due were not served, and are the next.
    pub(crate) fn make_due(&mut self, view: ViewId, unserved: usize) {
        self.cursors.views.take_back(view, unserved);
        self.cursors.views.mark_dirty(view);
    }

    /// Whether nothing of the view follows a position.
    pub(crate) fn is_end(&self, view: ViewId, position: u64) -> bool {
        position == self.cursors.views.get(view).end()
    }

    /// What follows a position of a view.
    pub(crate) fn plan(
        &self,
        view: ViewId,
        position: u64,
        bounds: (usize, usize),
        plan: &mut SendPlan,
    ) {
        let frames = self.cursors.views.get(view).frames_from(position);
        let frames = frames.take(plan::MOST_FRAMES);
        plan.fill(&self.arena, frames, bounds.0, bounds.1);
    }

    /// What comes next for one session.
    pub(crate) fn plan_for(&self, key: SessionKey, bounds: (usize, usize), plan: &mut SendPlan) {
        let frames = self.cursors.pending(key).take(plan::MOST_FRAMES);
        plan.fill(&self.arena, frames, bounds.0, bounds.1);
    }

    /// What is to be written for these runs.
    pub(crate) fn slices(&self, runs: &[Run]) -> Vec<IoSlice<'_>> {
        let slices = runs.iter().map(|run| IoSlice::new(self.arena.bytes(*run)));
        slices.collect()
    }

    /// When the event of a frame came.
    pub(crate) fn since(&self, number: u64) -> Instant {
        self.arena.frame(number).since
    }

    /// The session has taken so many bytes of what comes next. The rest of a frame that it took
    /// a part of is written to `rest`, and counts as taken. Gives the messages that were taken,
    /// by family, with their bytes.
    pub(crate) fn advance_bytes(
        &mut self,
        key: SessionKey,
        bytes: usize,
        rest: &mut Vec<u8>,
    ) -> SendPlan {
        let mut taken = SendPlan::default();
        if bytes > 0 {
            taken.fill(&self.arena, self.cursors.pending(key), usize::MAX, bytes);
            if taken.bytes > bytes {
                let last = self.cursors.pending(key).nth(taken.frames - 1);
                let last = last.expect("it was just counted");
                let begun = self.arena.frame(last).len() - (taken.bytes - bytes);
                rest.extend_from_slice(self.arena.rest(last, begun));
            }
            self.cursors.advance(key, taken.frames);
        }
        taken
    }

    /// How many frames wait for the session, replaced ones included.
    pub(crate) fn waiting(&self, key: SessionKey) -> usize {
        self.cursors.waiting(key)
    }

    /// Since when the oldest frame waits that the session is still to get; or another one that
    /// is older, where very many before it are replaced.
    pub(crate) fn oldest(&self, key: SessionKey) -> Option<Instant> {
        let mut since = None;
        for number in self.cursors.pending(key).take(LOOKED_AT) {
            let frame = self.arena.frame(number);
            since = Some(frame.since);
            if !matches!(frame.what, FrameContent::Overtaken(_)) {
                break;
            }
        }
        since
    }

    /// The first frame that is not in the oldest piece of memory.
    pub(crate) fn first_of_next_segment(&self) -> u64 {
        self.arena.first_of_next_segment()
    }

    /// What sessions have missed since the last call.
    pub(crate) fn take_passed(&mut self) -> PassedBy {
        std::mem::take(&mut self.passed)
    }

    /// Forgets all sessions and what waits for them, and keeps what is known of channels.
    pub(crate) fn clear(&mut self) {
        self.arena = Arena::new();
        self.cursors = Cursors::default();
        self.channels.forget_frames();
        self.missed_size = 0;
        self.passed = PassedBy::default();
    }

    /// Whether no change was left off halfway. Looks at everything.
    pub(crate) fn is_sound(&self) -> bool {
        let kept = self.arena.start()..self.arena.end();
        let noted = self.cursors.views.iter();
        self.cursors.is_sound()
            && self.cursors.missed_size() == self.missed_size
            && noted
                .flat_map(|(_, view)| view.frames_from(view.base()))
                .all(|number| kept.contains(&number))
    }

    /// Whether it holds no frame.
    pub(crate) fn is_empty(&self) -> bool {
        self.arena.start() == self.arena.end()
    }
}
