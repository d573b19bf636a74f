//! The log beside a reference that keeps, for each session, what it has still to get: in every
//! order of coming, going, subscribing, publishing, short writes and trimming, both agree byte by
//! byte, and nothing is left over at the end.

mod missing;
mod reference;

use proptest::prelude::*;

use self::reference::{Pending, Reference, Session};
use super::*;

pub(super) const CHANNELS: [&str; 4] = ["a:x:1", "a:x:2", "a:y:1", "b:z"];
const PATTERNS: [&str; 8] = [
    "a:x:1", "a:x:*", "a:*:1", "a:*:*", "a:y:1", "b:z", "b:*", "a:x:2",
];
const FAMILIES: [&str; 2] = ["a", "b"];

/// A few frames, so that bounds are met.
const BOUNDS: (usize, usize) = (3, 200);
const ASKED: usize = 2;
const LISTED: usize = 12;

type Which = prop::sample::Index;

#[derive(Debug, Clone)]
enum Step {
    Enter,
    Leave(Which),
    Subscribe(Which, Vec<usize>),
    Unsubscribe(Which, Vec<usize>),
    Publish(usize, usize),
    Pass(usize, u64),
    LoseSomewhere(usize),
    SetState(usize, State),
    /// The session's socket has room for so many bytes, until there is more.
    Room(Which, usize),
    FlushViews,
    FlushQueued,
    Settle(bool),
    TrimTo(Which),
    TrimOld(Which),
    TrimSegment,
    Stop(Which),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = any::<Which>;
    let patterns = || prop::collection::vec(0..PATTERNS.len(), 1..4);
    let state = prop_oneof![Just(State::Live), Just(State::Stale), Just(State::Paused)];
    let room = prop_oneof![0..40_usize, 0..400_usize, Just(100_000)];
    let step = prop_oneof![
        4 => Just(Step::Enter),
        1 => which().prop_map(Step::Leave),
        6 => (which(), patterns()).prop_map(|(at, which)| Step::Subscribe(at, which)),
        3 => (which(), patterns()).prop_map(|(at, which)| Step::Unsubscribe(at, which)),
        16 => (0..CHANNELS.len(), 0..150_usize).prop_map(|(at, len)| Step::Publish(at, len)),
        1 => (0..CHANNELS.len(), 1..4_u64).prop_map(|(at, count)| Step::Pass(at, count)),
        1 => (0..FAMILIES.len()).prop_map(Step::LoseSomewhere),
        1 => (0..FAMILIES.len(), state).prop_map(|(at, state)| Step::SetState(at, state)),
        10 => (which(), room).prop_map(|(at, room)| Step::Room(at, room)),
        8 => Just(Step::FlushViews),
        6 => Just(Step::FlushQueued),
        4 => any::<bool>().prop_map(Step::Settle),
        1 => which().prop_map(Step::TrimTo),
        1 => which().prop_map(Step::TrimOld),
        1 => Just(Step::TrimSegment),
        1 => which().prop_map(Step::Stop),
    ];
    prop::collection::vec(step, 0..150)
}

fn pattern(at: usize) -> Pattern {
    PATTERNS[at].parse().unwrap()
}

/// A log, what it should hold, and the time.
struct Both {
    log: Log,
    reference: Reference,
    now: Instant,
}

impl Both {
    fn new() -> Self {
        let mut log = Log::new(usize::MAX);
        log.detour_limit = LISTED * size_of::<u64>();
        Self {
            log,
            reference: Reference::default(),
            now: Instant::now(),
        }
    }

    fn step(&mut self, step: Step) {
        let sessions = &mut self.reference.sessions;
        let pick = |which: Which| (!sessions.is_empty()).then(|| which.index(sessions.len()));
        match step {
            Step::Enter => sessions.push(Session::new(self.log.enter())),
            Step::Leave(which) => {
                if let Some(at) = pick(which) {
                    self.log.leave(sessions.swap_remove(at).key);
                }
            }
            Step::Subscribe(which, patterns) => {
                let Some(at) = pick(which).filter(|at| !sessions[*at].is_finished) else {
                    return;
                };
                let patterns: Vec<Pattern> = patterns.into_iter().map(pattern).collect();
                changes::subscribe(&mut self.log, sessions[at].key, &patterns);
                sessions[at].patterns.extend(patterns);
                self.changed(at);
            }
            Step::Unsubscribe(which, patterns) => {
                let Some(at) = pick(which) else { return };
                let patterns: Vec<Pattern> = patterns.into_iter().map(pattern).collect();
                changes::unsubscribe(&mut self.log, sessions[at].key, &patterns);
                sessions[at].unsubscribe(&patterns);
                self.changed(at);
            }
            Step::Publish(channel, len) => {
                let (name, id) = reference::channel(channel);
                let seq = self.reference.next(channel, 1).1;
                let frame = frame::text(&format!("{seq} {}", "-".repeat(len)));
                let family = FamilyId(id.0 as u16 / 3);
                self.now += std::time::Duration::from_millis(1);
                self.log.publish(&name, id, seq, family, &frame, self.now);
                let what = What::Message {
                    channel: id,
                    seq,
                    family,
                };
                self.appended(name.as_pattern(), frame, what);
            }
            Step::Pass(channel, count) => {
                let (name, id) = reference::channel(channel);
                let range = self.reference.next(channel, count);
                let family = FamilyId(id.0 as u16 / 3);
                self.log.pass(&name, id, range, family);
                let gap = notice::gap(name.as_str(), range.0, range.1, Reason::Slow);
                let what = What::Passed {
                    channel: id,
                    range,
                    family,
                };
                self.appended(name.as_pattern(), frame::text(&gap), what);
            }
            Step::LoseSomewhere(family) => {
                let notice = Notice::Loss(Reason::Upstream);
                self.tell(FAMILIES[family], notice, |log, family| {
                    log.lose_somewhere(family, Reason::Upstream);
                });
            }
            Step::SetState(family, state) => {
                if self.log.state(FAMILIES[family]) != state {
                    self.tell(FAMILIES[family], Notice::State, |log, family| {
                        log.set_state(family, state);
                    });
                }
                assert_eq!(self.log.state(FAMILIES[family]), state);
            }
            Step::Room(which, room) => {
                if let Some(at) = pick(which) {
                    let session = &mut sessions[at];
                    session.room = room;
                    if room > 0 && std::mem::take(&mut session.is_blocked) {
                        session.queue(&mut self.log);
                    }
                }
            }
            Step::FlushViews => self.flush_views(),
            Step::FlushQueued => self.flush_queued(),
            Step::Settle(thorough) => self.settle(thorough),
            Step::TrimTo(which) => {
                let there = self.log.arena.end() - self.log.arena.start();
                self.trim(self.log.arena.start() + which.index(there as usize + 1) as u64);
            }
            Step::TrimOld(which) => {
                let back = std::time::Duration::from_millis(which.index(50) as u64);
                let oldest = self.now.checked_sub(back).unwrap();
                let first = trimming::first_since(&self.log, oldest);
                let frames = self.log.arena.start()..first;
                assert!(
                    frames
                        .into_iter()
                        .all(|number| self.log.since(number) < oldest)
                );
                self.trim(first);
            }
            Step::TrimSegment => {
                let (size, was_empty) = (self.log.arena.size(), self.log.is_empty());
                self.trim(self.log.first_of_next_segment());
                assert!(was_empty || self.log.arena.size() < size, "something goes");
            }
            Step::Stop(which) => {
                if let Some(at) = pick(which) {
                    let session = &mut sessions[at];
                    let dropped = changes::stop(&mut self.log, session.key);
                    let messages: u64 = dropped.iter().map(|(_, count, _)| count).sum();
                    assert_eq!(messages, session.stop());
                    session.queue(&mut self.log);
                }
            }
        }
    }

    /// A session changed its subscriptions: what waits for it is on a list now, unless there are
    /// too many lists.
    fn changed(&mut self, at: usize) {
        let session = &mut self.reference.sessions[at];
        let passed = self.log.take_passed().sessions;
        let missed = match passed.is_empty() {
            true => None,
            false => session.trim(u64::MAX),
        };
        assert_eq!(
            passed,
            Vec::from_iter(missed.map(|count| (session.key, count)))
        );
        session.queue(&mut self.log);
    }

    /// One frame may have been appended, which all get who hold a pattern that covers it.
    fn appended(&mut self, of: &Pattern, bytes: Vec<u8>, what: What) {
        let mut held = self.reference.sessions.iter();
        if held.any(|session| session.gets(of)) {
            let number = self.log.arena.end() - 1;
            assert_eq!(self.log.arena.frame(number).what, what);
            assert_eq!(self.log.arena.rest(number, 0), bytes);
            self.reference.note(
                of,
                &Pending {
                    number,
                    bytes,
                    what,
                },
            );
        }
    }

    /// One frame for each pattern of a family that somebody holds.
    fn tell(&mut self, family: &str, notice: Notice, tell: impl Fn(&mut Log, &str)) {
        let first = self.log.arena.end();
        tell(&mut self.log, family);
        let mut patterns = Vec::new();
        for number in first..self.log.arena.end() {
            let What::Notice(pattern, noted) = self.log.arena.frame(number).what.clone() else {
                panic!("notices only");
            };
            assert_eq!((pattern.family(), noted), (family, notice));
            let pending = Pending {
                number,
                bytes: self.log.arena.rest(number, 0).to_vec(),
                what: What::Notice(pattern.clone(), notice),
            };
            self.reference.tell(&pattern, &pending);
            patterns.push(pattern);
        }
        patterns.sort();
        assert_eq!(patterns, self.reference.held(family));
    }

    /// As `loops::sending` does it.
    fn flush_views(&mut self) {
        let (mut keys, mut plan) = (Vec::new(), Plan::default());
        while let Some(view) = self.log.next_view() {
            self.log.ask(view, ASKED, &mut keys);
            for key in &keys {
                let Some(position) = self.log.position(*key, view) else {
                    continue;
                };
                self.log.plan(view, position, BOUNDS, &mut plan);
                if plan.frames == 0 {
                    continue;
                }
                let has_more = !self.log.is_end(view, position + plan.frames as u64);
                let session = self.reference.session(*key);
                let bytes = session.write(&self.log, &plan);
                if bytes == plan.bytes {
                    self.log.advance(*key, plan.frames);
                } else {
                    session.advance_bytes(&mut self.log, bytes);
                    session.block(&mut self.log);
                }
                if has_more {
                    self.log.ask_again(view, 0);
                }
            }
        }
    }

    fn flush_queued(&mut self) {
        let states = FAMILIES.map(|family| self.log.state(family));
        let state = |family: &str| states[usize::from(family == FAMILIES[1])];
        for session in &mut self.reference.sessions {
            if std::mem::take(&mut session.is_queued) && !session.is_blocked {
                session.flush(&mut self.log, BOUNDS, state);
            }
        }
    }

    fn settle(&mut self, thorough: bool) {
        trimming::settle(&mut self.log, thorough);
        let needed = self.reference.oldest();
        let start = self.log.arena.start();
        assert!(needed.is_none_or(|needed| needed >= start), "all is there");
        if thorough {
            let end = self.log.arena.end();
            assert_eq!(start, needed.unwrap_or(end), "nothing else is");
        }
    }

    fn trim(&mut self, number: u64) {
        trimming::trim(&mut self.log, number);
        let missed = self.reference.trim(number);
        let mut sums = HashMap::new();
        for (key, count) in self.log.take_passed().sessions {
            *sums.entry(key).or_insert(0) += count;
            self.reference.session(key).queue(&mut self.log);
        }
        assert_eq!(sums, missed);
    }

    fn check(&self) {
        assert!(self.log.is_sound());
        assert!(self.log.cursors.detour_frames() <= LISTED);
        for session in &self.reference.sessions {
            session.check(&self.log);
        }
        let pending = self.reference.sessions.iter();
        let bytes: usize = pending.map(Session::pending_bytes).max().unwrap_or(0);
        assert!(trimming::size(&self.log) >= bytes, "what waits is counted");
    }

    /// Everybody takes all there is; then nothing is kept.
    fn end(&mut self) {
        for _ in 0..2 {
            for session in &mut self.reference.sessions {
                session.room = usize::MAX;
                session.is_blocked = false;
                session.queue(&mut self.log);
            }
            self.flush_queued();
            self.flush_views();
            self.check();
        }
        let mut sessions = self.reference.sessions.iter();
        assert!(sessions.all(|session| session.has_all()));
        trimming::settle(&mut self.log, false);
        assert!(self.log.is_empty());
        assert_eq!(trimming::size(&self.log), 0);
        for session in self.reference.sessions.drain(..) {
            self.log.leave(session.key);
        }
        assert_eq!(self.log.cursors.views.iter().count(), 0);
        for pattern in PATTERNS {
            assert_eq!(self.log.cursors.views.find(pattern), None);
        }
        assert!(self.log.is_sound());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn every_session_gets_what_it_subscribed_to_or_is_told_what_it_missed(steps in steps()) {
        let mut both = Both::new();
        for step in steps {
            both.step(step);
            both.check();
        }
        both.end();
    }
}

#[test]
fn whoever_was_asked_and_had_no_turn_is_the_next() {
    let mut log = Log::new(usize::MAX);
    let mut keys: Vec<Key> = (0..8).map(|_| log.enter()).collect();
    for key in &keys {
        changes::subscribe(&mut log, *key, &[pattern(5)]);
    }
    let (name, id) = reference::channel(3);
    let mut served = vec![0; keys.len()];
    for seq in 1..=64 {
        log.publish(&name, id, seq, FamilyId(0), b"x", Instant::now());
        let view = log.next_view().unwrap();
        log.ask(view, 4, &mut keys);
        // Only the first of those who are asked has its turn.
        log.advance(keys[0], log.cursors.waiting(keys[0]));
        served[keys[0].at()] += 1;
        log.ask_again(view, keys.len() - 1);
    }
    assert_eq!(served, [8; 8]);
}
