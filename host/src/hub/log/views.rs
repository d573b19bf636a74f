//! Who gets which frames: sets of patterns, each with a list of the frames that match it.
//!
//! All sessions with the same subscriptions share one view, so a frame is noted once for all of
//! them, and only in views that hold a pattern which matches it. Coming and going costs what a
//! session's own patterns cost, however many others hold them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use slab::Slab;

use crate::channel::{Channel, Pattern};

/// A pattern that some view holds, by its place in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PatternId(u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ViewId(u32);

#[derive(Debug)]
struct HeldPattern {
    pattern: Pattern,
    /// The views that hold it, and at which place among their own patterns.
    views: Vec<(ViewId, u32)>,
}

/// One set of patterns. A position in it is the number of frames that were noted before.
#[derive(Debug)]
pub(crate) struct View {
    /// Sorted.
    patterns: Arc<[PatternId]>,
    /// For each pattern, this view's place in the pattern's list.
    places: Box<[u32]>,
    /// Numbers of the frames from position `base` on.
    frames: VecDeque<u64>,
    base: u64,
    /// The last frame that was noted: patterns overlap, and a frame counts once.
    last: Option<u64>,
    /// Sessions. The first `ready` of them go along whenever the view is flushed.
    pub(super) members: Vec<u32>,
    pub(super) ready: usize,
    /// The ready member that is next, and how many are due until all were served.
    pub(super) next: usize,
    pub(super) due: usize,
    /// It is among those to be flushed.
    dirty: bool,
    /// It is among those with frames.
    filled: bool,
}

impl View {
    pub(crate) fn patterns(&self) -> &[PatternId] {
        &self.patterns
    }

    /// The position after the last frame.
    pub(crate) fn end(&self) -> u64 {
        self.base + self.frames.len() as u64
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// The first position whose frame is known.
    pub(super) fn base(&self) -> u64 {
        self.base
    }

    /// The frames from a position on.
    pub(crate) fn frames_from(&self, position: u64) -> impl Iterator<Item = u64> + '_ {
        let at = usize::try_from(position - self.base).unwrap_or(usize::MAX);
        self.frames.range(at.min(self.frames.len())..).copied()
    }

    /// The position of a frame; none where it was not noted, or is forgotten.
    pub(super) fn position_of(&self, number: u64) -> Option<u64> {
        let at = self.frames.binary_search(&number).ok()?;
        Some(self.base + at as u64)
    }

    /// How many of the frames are older than `number`.
    pub(super) fn older_than(&self, number: u64) -> usize {
        self.frames.partition_point(|frame| *frame < number)
    }

    pub(super) fn forget(&mut self, count: usize) {
        self.frames.drain(..count);
        self.base += count as u64;
        if self.frames.capacity() > 64 && self.frames.len() < self.frames.capacity() / 4 {
            self.frames.shrink_to(self.frames.len() * 2);
        }
    }

    fn is_sound(&self) -> bool {
        !self.members.is_empty()
            && self.ready <= self.members.len()
            && self.due <= self.ready
            && (self.due == 0 || self.dirty)
            && (self.frames.is_empty() || self.filled)
            && self.patterns.is_sorted_by(|a, b| a < b)
            && self.frames.iter().is_sorted_by(|a, b| a < b)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Views {
    patterns: Slab<HeldPattern>,
    by_text: HashMap<Pattern, PatternId>,
    views: Slab<View>,
    by_patterns: HashMap<Arc<[PatternId]>, ViewId>,
    dirty: Vec<ViewId>,
    /// Those that have frames, and perhaps some that had.
    filled: Vec<ViewId>,
    /// Entries of all lists together.
    noted: usize,
}

impl Views {
    /// The view with exactly these patterns, which must be sorted and without doubles. It is
    /// made where there is none; `release` it when its last member has left.
    pub(super) fn of(&mut self, patterns: Vec<PatternId>) -> ViewId {
        let patterns: Arc<[PatternId]> = patterns.into();
        if let Some(known) = self.by_patterns.get(&patterns) {
            return *known;
        }
        let id = ViewId(number(self.views.vacant_key()));
        let place = |(at, pattern): (usize, &PatternId)| {
            let views = &mut self.patterns[pattern.0 as usize].views;
            views.push((id, number(at)));
            number(views.len() - 1)
        };
        let places = patterns.iter().enumerate().map(place).collect();
        self.views.insert(View {
            patterns: patterns.clone(),
            places,
            frames: VecDeque::new(),
            base: 0,
            last: None,
            members: Vec::new(),
            ready: 0,
            next: 0,
            due: 0,
            dirty: false,
            filled: false,
        });
        self.by_patterns.insert(patterns, id);
        id
    }

    /// Gives up a view that has no members, and the patterns that nobody else holds.
    pub(super) fn release(&mut self, id: ViewId) {
        if !self.get(id).members.is_empty() {
            return;
        }
        let view = self.views.remove(id.0 as usize);
        self.noted -= view.frames.len();
        self.by_patterns.remove(&view.patterns);
        for (pattern, place) in view.patterns.iter().zip(view.places) {
            let held = &mut self.patterns[pattern.0 as usize];
            held.views.swap_remove(place as usize);
            if let Some((moved, at)) = held.views.get(place as usize).copied() {
                self.views[moved.0 as usize].places[at as usize] = place;
            }
            self.drop_unheld(*pattern);
        }
        if view.dirty {
            self.dirty.retain(|dirty| *dirty != id);
        }
        if view.filled {
            self.filled.retain(|filled| *filled != id);
        }
    }

    /// A pattern's place in the table, made where there is none. What no view holds in the end
    /// must be given up with `drop_unheld`.
    pub(super) fn intern(&mut self, pattern: &Pattern) -> PatternId {
        if let Some(known) = self.by_text.get(pattern) {
            return *known;
        }
        let held = HeldPattern {
            pattern: pattern.clone(),
            views: Vec::new(),
        };
        let id = PatternId(number(self.patterns.insert(held)));
        self.by_text.insert(pattern.clone(), id);
        id
    }

    pub(super) fn drop_unheld(&mut self, id: PatternId) {
        if self.patterns[id.0 as usize].views.is_empty() {
            let held = self.patterns.remove(id.0 as usize);
            self.by_text.remove(&held.pattern);
        }
    }

    pub(crate) fn find(&self, pattern: &str) -> Option<PatternId> {
        self.by_text.get(pattern).copied()
    }

    pub(crate) fn pattern(&self, id: PatternId) -> &Pattern {
        &self.patterns[id.0 as usize].pattern
    }

    /// The first of `patterns`, which are sorted, that matches a channel: its own name comes
    /// before any wildcard.
    pub(super) fn first_match(&self, name: &Channel, patterns: &[PatternId]) -> Option<PatternId> {
        let mut first = None;
        name.for_each_pattern(|pattern| {
            first = first.or_else(|| {
                let id = self.find(pattern)?;
                patterns.binary_search(&id).ok().map(|_| id)
            });
        });
        first
    }

    /// All patterns that somebody holds.
    pub(crate) fn patterns(&self) -> Vec<Pattern> {
        self.by_text.keys().cloned().collect()
    }

    /// The patterns of a family that somebody holds.
    pub(crate) fn of_family(&self, family: &str) -> Vec<PatternId> {
        let patterns = self.patterns.iter();
        patterns
            .filter(|(_, held)| held.pattern.family() == family)
            .map(|(at, _)| PatternId(number(at)))
            .collect()
    }

    pub(crate) fn get(&self, id: ViewId) -> &View {
        &self.views[id.0 as usize]
    }

    pub(super) fn get_mut(&mut self, id: ViewId) -> &mut View {
        &mut self.views[id.0 as usize]
    }

    /// The views that have frames.
    pub(super) fn filled(&mut self) -> Vec<ViewId> {
        let views = &mut self.views;
        self.filled.retain(|id| {
            let view = &mut views[id.0 as usize];
            view.filled = !view.frames.is_empty();
            view.filled
        });
        self.filled.clone()
    }

    /// Notes a frame in each view that holds the pattern and has not noted it yet.
    pub(super) fn note(&mut self, pattern: PatternId, frame: u64) {
        for (id, _) in &self.patterns[pattern.0 as usize].views {
            let view = &mut self.views[id.0 as usize];
            if view.last == Some(frame) {
                continue;
            }
            view.last = Some(frame);
            view.frames.push_back(frame);
            self.noted += 1;
            view.due = view.ready;
            if !view.dirty {
                view.dirty = true;
                // So that it is not always the same member that comes first.
                view.next += 1;
                self.dirty.push(*id);
            }
            if !view.filled {
                view.filled = true;
                self.filled.push(*id);
            }
        }
    }

    pub(super) fn forget(&mut self, id: ViewId, count: usize) {
        self.views[id.0 as usize].forget(count);
        self.noted -= count;
    }

    /// Nothing is to be done for a view that is gone.
    pub(super) fn mark_dirty(&mut self, id: ViewId) {
        let Some(view) = self.views.get_mut(id.0 as usize) else {
            return;
        };
        view.due = view.ready;
        if !view.dirty {
            view.dirty = true;
            self.dirty.push(id);
        }
    }

    /// So many of the members that count as served were not served.
    pub(super) fn take_back(&mut self, id: ViewId, count: usize) {
        if let Some(view) = self.views.get_mut(id.0 as usize) {
            view.next = view.next.saturating_sub(count);
        }
    }

    /// A view with ready members that are due. It stays among the dirty ones until
    /// `note_served` takes it out.
    pub(super) fn next_dirty(&self) -> Option<ViewId> {
        self.dirty.last().copied()
    }

    /// Some of the members of the view that `next_dirty` gave were served.
    pub(super) fn note_served(&mut self, id: ViewId, count: usize) {
        let view = &mut self.views[id.0 as usize];
        view.next += count;
        view.due = view.due.saturating_sub(count);
        if view.due == 0 && view.dirty {
            view.dirty = false;
            if self.dirty.last() == Some(&id) {
                self.dirty.pop();
            } else {
                self.dirty.retain(|dirty| *dirty != id);
            }
        }
    }

    /// Entries of all lists together.
    pub(super) fn noted(&self) -> usize {
        self.noted
    }

    pub(super) fn find_view(&self, id: ViewId) -> Option<&View> {
        self.views.get(id.0 as usize)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ViewId, &View)> {
        let views = self.views.iter();
        views.map(|(at, view)| (ViewId(number(at)), view))
    }

    /// Whether what stands in two places is the same in both.
    pub(super) fn is_sound(&self) -> bool {
        let is_listed = |list: &[ViewId], flag: fn(&View) -> bool| {
            let distinct: HashSet<ViewId> = list.iter().copied().collect();
            let flagged = self.iter().filter(|(_, view)| flag(view));
            let flagged: HashSet<ViewId> = flagged.map(|(id, _)| id).collect();
            distinct.len() == list.len() && distinct == flagged
        };
        let holds = self.patterns.iter().map(|(_, held)| held.views.len());
        let held = self.iter().map(|(_, view)| view.patterns.len());
        let noted = self.iter().map(|(_, view)| view.frames.len());
        self.patterns
            .iter()
            .all(|(at, held)| self.is_known(PatternId(number(at)), held))
            && self.iter().all(|(id, view)| {
                self.by_patterns.get(&view.patterns) == Some(&id) && view.is_sound()
            })
            && self.by_text.len() == self.patterns.len()
            && self.by_patterns.len() == self.views.len()
            && holds.sum::<usize>() == held.sum::<usize>()
            && noted.sum::<usize>() == self.noted
            && is_listed(&self.dirty, |view| view.dirty)
            && is_listed(&self.filled, |view| view.filled)
    }

    fn is_known(&self, id: PatternId, held: &HeldPattern) -> bool {
        let mut holders = held.views.iter().enumerate();
        self.by_text.get(&held.pattern) == Some(&id)
            && !held.views.is_empty()
            && holders.all(|(place, (view, own))| {
                self.views.get(view.0 as usize).is_some_and(|view| {
                    let own = *own as usize;
                    view.patterns.get(own) == Some(&id)
                        && view.places.get(own) == Some(&number(place))
                })
            })
    }
}

/// Tables have an entry for each session and each of its subscriptions at most, and a host has
/// far fewer than 2^32 of those.
pub(super) fn number(at: usize) -> u32 {
    u32::try_from(at).expect("a table has fewer than 2^32 entries")
}
