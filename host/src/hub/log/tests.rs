//! The log beside a reference that keeps, for each session, what it has still to get: in every
//! order of coming, going, subscribing, publishing, short writes and trimming, both agree byte by
//! byte, and nothing is left over at the end.

mod both;
mod missing;
mod reference;
mod session;

use std::sync::Arc;

use proptest::prelude::*;

use self::both::Both;
use super::*;
use crate::hub::held::{HeldMessage, Last, MessageOrigin};
use crate::metrics::Metrics;
use crate::transform::Delivery;

const CHANNELS: [&str; 6] = ["a:x:1", "a:x:2", "a:y:1", "b:z", "l:x", "l:y"];
const PATTERNS: [&str; 11] = [
    "a:x:1", "a:x:*", "a:*:1", "a:*:*", "a:y:1", "b:z", "b:*", "a:x:2", "l:x", "l:y", "l:*",
];
const FAMILIES: [&str; 3] = ["a", "b", "l"];

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
    /// To a channel, so many bytes; and whether it is held as the last one, where one is.
    Publish(usize, usize, bool),
    Pass(usize, u64, bool),
    /// From now on the channel is delivered so.
    Deliver(usize, Delivery),
    /// What the channel has had is not given out again, nor what comes until it is restored.
    Withdraw(usize),
    Restore(usize),
    Sweep,
    LoseSomewhere(usize),
    SetState(usize, Availability),
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
    let state = prop_oneof![
        Just(Availability::Live),
        Just(Availability::Stale),
        Just(Availability::Paused)
    ];
    let channel = || 0..CHANNELS.len();
    let held = || prop::bool::weighted(0.9);
    let delivery = any::<(bool, bool)>().prop_map(|(is_latest, has_snapshot)| Delivery {
        is_latest,
        has_snapshot,
    });
    let room = prop_oneof![0..40_usize, 0..400_usize, Just(100_000)];
    let step = prop_oneof![
        4 => Just(Step::Enter),
        1 => which().prop_map(Step::Leave),
        6 => (which(), patterns()).prop_map(|(at, which)| Step::Subscribe(at, which)),
        3 => (which(), patterns()).prop_map(|(at, which)| Step::Unsubscribe(at, which)),
        16 => (channel(), 0..150_usize, held()).prop_map(|(at, len, held)| Step::Publish(at, len, held)),
        1 => (channel(), 1..4_u64, held()).prop_map(|(at, count, held)| Step::Pass(at, count, held)),
        1 => (channel(), delivery).prop_map(|(at, delivery)| Step::Deliver(at, delivery)),
        1 => channel().prop_map(Step::Withdraw),
        1 => channel().prop_map(Step::Restore),
        1 => Just(Step::Sweep),
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

/// Publishes a frame of one byte to the channel at this place.
fn publish_x(log: &mut Log, at: usize, seq: u64, last: Option<&Last>) {
    let (name, id) = reference::channel(at);
    let message = LogMessage {
        name: &name,
        id,
        seq,
        family: FamilyId(0),
        received: Instant::now(),
        last,
    };
    log.publish(message, b"x");
}

#[test]
fn after_all_was_forgotten_a_newer_message_replaces_no_other_frame() {
    let origin = Arc::new(MessageOrigin::default());
    let delivery = Delivery {
        is_latest: true,
        has_snapshot: false,
    };
    let mut log = Log::new(usize::MAX);
    let publish = |log: &mut Log, at: usize, seq: u64| {
        let held = HeldMessage::new(b"x", seq, Metrics::new().family("l"), origin.mark());
        let last = Last {
            delivery,
            held: Some(Arc::new(held)),
        };
        publish_x(log, at, seq, Some(&last));
    };
    let enter = |log: &mut Log| {
        let key = log.enter();
        changes::subscribe(log, key, &[pattern(10)]);
    };
    enter(&mut log);
    publish(&mut log, 4, 1);
    log.clear();
    enter(&mut log);
    // The first frame is another channel's now.
    publish(&mut log, 5, 1);
    publish(&mut log, 4, 2);
    let whats = [0, 1].map(|number| log.arena.frame(number).what.numbers().is_some());
    assert_eq!(whats, [true; 2]);
}

#[test]
fn whoever_was_asked_and_had_no_turn_is_the_next() {
    let mut log = Log::new(usize::MAX);
    let mut keys: Vec<SessionKey> = (0..8).map(|_| log.enter()).collect();
    for key in &keys {
        changes::subscribe(&mut log, *key, &[pattern(5)]);
    }
    let mut served = vec![0; keys.len()];
    for seq in 1..=64 {
        publish_x(&mut log, 3, seq, None);
        let view = log.next_view().unwrap();
        log.take_due(view, 4, &mut keys);
        // Only the first of those that were due is served.
        log.advance(keys[0], log.cursors.waiting(keys[0]));
        served[keys[0].at()] += 1;
        log.make_due(view, keys.len() - 1);
    }
    assert_eq!(served, [8; 8]);
}
