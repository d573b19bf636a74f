//! Where each session stands: in which view, at which of its frames, and whether it goes along
//! when the view is flushed.

use std::collections::{BTreeSet, VecDeque};

use slab::Slab;

use super::SessionKey;
use super::missed::Missed;
use super::views::{self, PatternId, ViewId, Views};

/// Where one session stands.
#[derive(Debug)]
pub(super) struct Cursor {
    pub(super) view: ViewId,
    /// In the view: the frames before it were taken, or are on the detour.
    pub(super) position: u64,
    /// Its place among the view's members.
    member: u32,
    /// It is not flushed along with its view.
    apart: bool,
    /// Frames from before a change of subscriptions that come first.
    detour: Option<Box<Detour>>,
    /// What it is to be told before anything else.
    pub(super) missed: Option<Box<Missed>>,
}

/// Numbers of frames; boxed, as few sessions have any.
#[derive(Debug)]
struct Detour(VecDeque<u64>);

/// All cursors of a loop, and the views that they stand in.
#[derive(Debug, Default)]
pub(super) struct Cursors {
    pub(super) views: Views,
    cursors: Slab<Cursor>,
    /// Sessions with a detour.
    detoured: BTreeSet<SessionKey>,
    /// Frames on all detours.
    detour_frames: usize,
}

impl Cursors {
    pub(super) fn enter(&mut self) -> SessionKey {
        let view = self.views.of(Vec::new());
        let key = SessionKey(views::number(self.cursors.vacant_key()));
        self.cursors.insert(Cursor {
            view,
            position: 0,
            member: 0,
            apart: false,
            detour: None,
            missed: None,
        });
        self.join(key, view);
        key
    }

    /// Gives what the session was still to be told.
    pub(super) fn leave(&mut self, key: SessionKey) -> Option<Box<Missed>> {
        self.part(key);
        self.take_detour(key);
        let cursor = self.cursors.remove(key.at());
        self.views.release(cursor.view);
        cursor.missed
    }

    pub(super) fn get(&self, key: SessionKey) -> &Cursor {
        &self.cursors[key.at()]
    }

    pub(super) fn get_mut(&mut self, key: SessionKey) -> &mut Cursor {
        &mut self.cursors[key.at()]
    }

    pub(super) fn patterns(&self, key: SessionKey) -> &[PatternId] {
        self.views.get(self.get(key).view).patterns()
    }

    pub(super) fn detoured(&self) -> &BTreeSet<SessionKey> {
        &self.detoured
    }

    /// Gives the session other patterns, from the end of the log on; what it is still to get of
    /// what was there before is its `detour`.
    pub(super) fn change(
        &mut self,
        key: SessionKey,
        patterns: Vec<PatternId>,
        detour: VecDeque<u64>,
    ) {
        let before = self.get(key).view;
        self.part(key);
        let view = self.views.of(patterns);
        self.join(key, view);
        self.views.release(before);
        self.set_detour(key, detour);
    }

    /// Sets the detour of a session that has none.
    pub(super) fn set_detour(&mut self, key: SessionKey, detour: VecDeque<u64>) {
        if !detour.is_empty() {
            self.detoured.insert(key);
            self.detour_frames += detour.len();
            self.cursors[key.at()].detour = Some(Box::new(Detour(detour)));
            self.set_apart(key);
        }
    }

    /// Puts the session among the members of a view, at the view's end.
    fn join(&mut self, key: SessionKey, id: ViewId) {
        let cursor = &mut self.cursors[key.at()];
        let view = self.views.get_mut(id);
        (cursor.view, cursor.position) = (id, view.end());
        cursor.member = views::number(view.members.len());
        view.members.push(key.0);
        let apart = std::mem::replace(&mut cursor.apart, true);
        if !apart {
            self.set_ready(key);
        }
    }

    /// Takes the session from among the members of its view.
    fn part(&mut self, key: SessionKey) {
        let apart = self.cursors[key.at()].apart;
        self.set_apart(key);
        let cursor = &mut self.cursors[key.at()];
        cursor.apart = apart;
        let at = cursor.member as usize;
        let view = self.views.get_mut(cursor.view);
        view.members.swap_remove(at);
        if let Some(moved) = view.members.get(at) {
            self.cursors[*moved as usize].member = views::number(at);
        }
    }

    /// From now on the session is flushed by itself.
    pub(super) fn set_apart(&mut self, key: SessionKey) {
        let cursor = &mut self.cursors[key.at()];
        if std::mem::replace(&mut cursor.apart, true) {
            return;
        }
        let view = self.views.get_mut(cursor.view);
        view.ready -= 1;
        let last = view.ready;
        self.swap_members(key, last);
    }

    /// From now on the session is flushed along with its view, which may have more for it.
    pub(super) fn set_ready(&mut self, key: SessionKey) {
        let cursor = &mut self.cursors[key.at()];
        if !std::mem::replace(&mut cursor.apart, false) {
            return;
        }
        let (id, position) = (cursor.view, cursor.position);
        let view = self.views.get_mut(id);
        let first = view.ready;
        view.ready += 1;
        let behind = position < view.end();
        self.swap_members(key, first);
        if behind {
            self.views.mark_dirty(id);
        }
    }

    fn swap_members(&mut self, key: SessionKey, to: usize) {
        let cursor = &self.cursors[key.at()];
        let (view, at) = (self.views.get_mut(cursor.view), cursor.member as usize);
        // The order of the members has changed, and nobody may be left out.
        if view.due > 0 {
            view.due = view.ready;
        }
        view.members.swap(at, to);
        self.cursors[view.members[at] as usize].member = views::number(at);
        self.cursors[view.members[to] as usize].member = views::number(to);
    }

    /// Up to `most` ready members of a view, which are to be served now. What happens to one of
    /// them may change the order, so they count as served from here on.
    pub(super) fn take_due(&mut self, id: ViewId, most: usize, into: &mut Vec<SessionKey>) {
        let view = self.views.get(id);
        let ready = &view.members[..view.ready];
        let (later, first) = ready.split_at(view.next % ready.len().max(1));
        let next = first.iter().chain(later).take(most.min(view.due));
        into.clear();
        into.extend(next.map(|key| SessionKey(*key)));
        self.views.note_served(id, into.len());
    }

    /// Where a session of the view stands that is still ready; none where it is not any more.
    pub(super) fn position(&self, key: SessionKey, view: ViewId) -> Option<u64> {
        let cursor = self.cursors.get(key.at())?;
        (cursor.view == view && !cursor.apart).then_some(cursor.position)
    }

    /// The frames that the session has not taken, in their order.
    pub(super) fn pending(&self, key: SessionKey) -> impl Iterator<Item = u64> + '_ {
        let cursor = &self.cursors[key.at()];
        let detour = cursor
            .detour
            .iter()
            .flat_map(|detour| detour.0.iter().copied());
        detour.chain(self.views.get(cursor.view).frames_from(cursor.position))
    }

    /// Whether the session has not taken this frame.
    pub(super) fn is_pending(&self, key: SessionKey, frame: u64) -> bool {
        let cursor = self.get(key);
        let detour = cursor.detour.as_ref();
        let position = self.views.get(cursor.view).position_of(frame);
        position.is_some_and(|position| position >= cursor.position)
            || detour.is_some_and(|detour| detour.0.binary_search(&frame).is_ok())
    }

    /// The session has taken so many frames.
    pub(super) fn advance(&mut self, key: SessionKey, mut frames: usize) {
        let cursor = &mut self.cursors[key.at()];
        if let Some(detour) = &mut cursor.detour {
            let from_detour = frames.min(detour.0.len());
            detour.0.drain(..from_detour);
            self.detour_frames -= from_detour;
            frames -= from_detour;
            if detour.0.is_empty() {
                cursor.detour = None;
                self.detoured.remove(&key);
            }
        }
        cursor.position += frames as u64;
    }

    /// How many frames wait for the session.
    pub(super) fn waiting(&self, key: SessionKey) -> usize {
        let cursor = self.get(key);
        let in_view = self.views.get(cursor.view).end() - cursor.position;
        Self::detour_len(cursor) + in_view as usize
    }

    fn detour_len(cursor: &Cursor) -> usize {
        cursor.detour.as_ref().map_or(0, |detour| detour.0.len())
    }

    /// Frames on the detours of all sessions.
    pub(super) fn detour_frames(&self) -> usize {
        self.detour_frames
    }

    /// Whether what stands in two places is the same in both, and no ready session is behind
    /// in a view that is not to be flushed.
    pub(super) fn is_sound(&self) -> bool {
        let is_placed = |(at, cursor): (usize, &Cursor)| {
            let (number, place) = (views::number(at), cursor.member as usize);
            self.views.find_view(cursor.view).is_some_and(|view| {
                let is_at_end = cursor.position == view.end() || view.is_dirty();
                view.members.get(place) == Some(&number)
                    && (place < view.ready) != cursor.apart
                    && (view.base()..=view.end()).contains(&cursor.position)
                    && self.detoured.contains(&SessionKey(number)) == cursor.detour.is_some()
                    && (cursor.apart || cursor.missed.is_none() && is_at_end)
            })
        };
        let members = self.views.iter().map(|(_, view)| view.members.len());
        let detours = self
            .cursors
            .iter()
            .map(|(_, cursor)| Self::detour_len(cursor));
        self.views.is_sound()
            && self.cursors.iter().all(is_placed)
            && detours.sum::<usize>() == self.detour_frames
            && members.sum::<usize>() == self.cursors.len()
    }

    /// Bytes of all that sessions are to be told.
    pub(super) fn missed_size(&self) -> usize {
        let cursors = self.cursors.iter();
        let missed = cursors.filter_map(|(_, cursor)| cursor.missed.as_ref());
        missed.map(|missed| missed.size()).sum()
    }

    /// Takes away what waits for the session, to become its detour. What is on it already stays
    /// as it is, so that many changes cost no more than one.
    pub(super) fn take_pending(&mut self, key: SessionKey) -> VecDeque<u64> {
        let mut pending = self.take_detour(key);
        let cursor = self.get(key);
        pending.extend(self.views.get(cursor.view).frames_from(cursor.position));
        pending
    }

    /// Takes the session's detour away, to be set anew.
    pub(super) fn take_detour(&mut self, key: SessionKey) -> VecDeque<u64> {
        let detour = self.cursors[key.at()].detour.take();
        let detour = detour.map(|detour| detour.0).unwrap_or_default();
        self.detoured.remove(&key);
        self.detour_frames -= detour.len();
        detour
    }
}
