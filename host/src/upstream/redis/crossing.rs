//! How the events of two connections become one line, around a move from one server to another:
//! what both bring goes through once, and where the server that is left is well, what the next
//! one brings waits until the last has brought it or is let go. So nothing overtakes what was
//! sent before it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::sightings::{ConnectionNumber, Sightings};

#[derive(Debug)]
pub(super) struct Crossing {
    sightings: Sightings,
    /// What may wait, in bytes: beyond it the next server's word is taken at once.
    most_held: usize,
    held: Option<Held>,
}

/// What a newcomer has brought and the one before it has not.
#[derive(Debug)]
struct Held {
    newcomer: ConnectionNumber,
    /// In the order that they came.
    events: VecDeque<HeldEvent>,
    bytes: usize,
}

#[derive(Debug, PartialEq, Eq)]
struct HeldEvent {
    digest: u64,
    event: UpstreamMessage,
}

/// A message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UpstreamMessage {
    pub(super) channel: String,
    pub(super) payload: Vec<u8>,
}

/// What becomes of an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Passage {
    Through(UpstreamMessage),
    /// It waits no longer, nor do those before it.
    AllThrough(Vec<UpstreamMessage>),
    Waits,
    /// Another connection has brought it.
    Again,
}

impl Crossing {
    /// Without a window everything goes through at once. So many events are remembered at most, and
    /// so many bytes wait.
    pub(super) fn new(window: Duration, most: usize, most_held: usize) -> Self {
        Self {
            sightings: Sightings::new(window, most),
            most_held,
            held: None,
        }
    }

    /// Begins to tell apart: there are several servers.
    pub(super) fn turn_on(&mut self) {
        self.sightings.turn_on();
    }

    /// How many events are remembered.
    pub(super) fn remembered(&self) -> usize {
        self.sightings.len()
    }

    /// How many bytes wait.
    pub(super) fn waiting(&self) -> usize {
        self.held.as_ref().map_or(0, |held| held.bytes)
    }

    /// Another connection is about to bring events. `behind` is whether they wait for those of
    /// the one before.
    pub(super) fn begin(&mut self, behind: bool, now: Instant) -> ConnectionNumber {
        let newcomer = self.sightings.begin(behind, now);
        self.held = (behind && self.sightings.tells_apart()).then(|| Held {
            newcomer,
            events: VecDeque::new(),
            bytes: 0,
        });
        newcomer
    }

    /// The one before brings nothing any more: what waited goes through, in its order.
    pub(super) fn alone(&mut self, now: Instant) -> Vec<UpstreamMessage> {
        self.sightings.alone(now);
        self.held.take().map(Held::all).unwrap_or_default()
    }

    /// What becomes of an event that this connection brings.
    pub(super) fn pass(
        &mut self,
        connection: ConnectionNumber,
        message: UpstreamMessage,
        now: Instant,
    ) -> Passage {
        if !self.sightings.tells_apart() {
            return Passage::Through(message);
        }
        let digest = self.sightings.digest(&message.channel, &message.payload);
        let is_second = self.sightings.is_second(connection, digest, now);
        match &mut self.held {
            Some(held) if held.newcomer == connection => {
                if is_second {
                    return Passage::Again;
                }
                held.put(digest, message);
                if held.bytes <= self.most_held {
                    return Passage::Waits;
                }
                let waited = self.held.take().map(Held::all);
                Passage::AllThrough(waited.unwrap_or_default())
            }
            waiting => {
                let was_waited_for = waiting.as_mut().is_some_and(|held| held.remove(digest));
                if is_second && !was_waited_for {
                    Passage::Again
                } else {
                    Passage::Through(message)
                }
            }
        }
    }
}

impl Held {
    fn put(&mut self, digest: u64, event: UpstreamMessage) {
        self.bytes += size(&event);
        self.events.push_back(HeldEvent { digest, event });
    }

    /// It stands near the front: two servers bring what one publisher sent in the same order.
    fn remove(&mut self, digest: u64) -> bool {
        let place = self.events.iter().position(|held| held.digest == digest);
        let removed = place.and_then(|place| self.events.remove(place));
        if let Some(removed) = &removed {
            self.bytes -= size(&removed.event);
        }
        removed.is_some()
    }

    fn all(self) -> Vec<UpstreamMessage> {
        self.events.into_iter().map(|held| held.event).collect()
    }
}

/// With what the queue itself needs for it.
fn size(event: &UpstreamMessage) -> usize {
    event.channel.len() + event.payload.len() + size_of::<HeldEvent>()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(2);
    const MOST_HELD: usize = 1 << 20;

    fn crossing() -> Crossing {
        let mut crossing = Crossing::new(WINDOW, 1_000, MOST_HELD);
        crossing.turn_on();
        crossing
    }

    fn message(number: usize) -> UpstreamMessage {
        UpstreamMessage {
            channel: "c".into(),
            payload: number.to_string().into_bytes(),
        }
    }

    fn number(message: &UpstreamMessage) -> usize {
        String::from_utf8_lossy(&message.payload).parse().unwrap()
    }

    #[test]
    fn what_the_next_server_brings_first_waits_for_the_last_one() {
        let (mut crossing, now) = (crossing(), Instant::now());
        let old = crossing.begin(false, Instant::now());
        let new = crossing.begin(true, Instant::now());
        assert_eq!(crossing.pass(new, message(2), now), Passage::Waits);
        assert_eq!(crossing.pass(new, message(3), now), Passage::Waits);
        let through = |number| Passage::Through(message(number));
        assert_eq!(crossing.pass(old, message(1), now), through(1));
        assert_eq!(crossing.pass(old, message(2), now), through(2));
        assert_eq!(crossing.alone(now), [message(3)]);
        assert_eq!(crossing.pass(new, message(4), now), through(4));
    }

    #[test]
    fn what_waits_is_bounded() {
        let (mut crossing, now) = (crossing(), Instant::now());
        crossing.begin(false, Instant::now());
        let new = crossing.begin(true, Instant::now());
        let large = |number: u8| UpstreamMessage {
            channel: "c".into(),
            payload: vec![number; MOST_HELD / 4],
        };
        for number in 0..3 {
            assert_eq!(crossing.pass(new, large(number), now), Passage::Waits);
        }
        let four: Vec<_> = (0..4).map(large).collect();
        assert_eq!(crossing.pass(new, large(3), now), Passage::AllThrough(four));
        assert_eq!(
            crossing.pass(new, large(4), now),
            Passage::Through(large(4))
        );
    }

    #[test]
    fn without_a_window_nothing_waits_and_nothing_is_dropped() {
        let mut crossing = Crossing::new(Duration::ZERO, 10, MOST_HELD);
        crossing.turn_on();
        let now = Instant::now();
        for number in [
            crossing.begin(false, Instant::now()),
            crossing.begin(true, Instant::now()),
        ] {
            assert_eq!(
                crossing.pass(number, message(1), now),
                Passage::Through(message(1))
            );
        }
    }

    proptest! {
        /// Two servers bring one line of events, the next one from some place on, however the two
        /// are shuffled: it goes through whole and in order, equal events as often as they were sent.
        #[test]
        fn a_line_that_two_servers_bring_goes_through_in_order_and_once(
            sent in prop::collection::vec(0_usize..6, 1..50),
            begins in 0_usize..50,
            turns in prop::collection::vec(any::<bool>(), 0..120),
            reads in 0_usize..50,
        ) {
            let (mut crossing, now) = (crossing(), Instant::now());
            let begins = begins.min(sent.len());
            // What the old one has still to bring cannot be told from what is equal and came later.
            let sent: Vec<usize> = match reads < begins {
                true => (0..sent.len()).collect(),
                false => sent,
            };
            let old = crossing.begin(false, Instant::now());
            let mut through = Vec::new();
            // The old one may be behind when the new one begins, but it brings what lies before.
            let mut places = [reads.min(begins), begins];
            for &number in &sent[..places[0]] {
                prop_assert_eq!(crossing.pass(old, message(number), now), Passage::Through(message(number)));
                through.push(number);
            }
            let later = now + WINDOW;
            let new = crossing.begin(true, later);
            let mut pass = |connection, number: usize, through: &mut Vec<usize>| {
                match crossing.pass(connection, message(number), later) {
                    Passage::Through(message) => through.push(super::tests::number(&message)),
                    Passage::AllThrough(_) => unreachable!("so little does not fill it"),
                    Passage::Waits | Passage::Again => {}
                }
            };
            for of_old in turns {
                let (connection, place) = if of_old { (old, 0) } else { (new, 1) };
                if let Some(&number) = sent.get(places[place]) {
                    places[place] += 1;
                    pass(connection, number, &mut through);
                }
            }
            while places[0] < begins {
                pass(old, sent[places[0]], &mut through);
                places[0] += 1;
            }
            through.extend(crossing.alone(later).iter().map(number));
            prop_assert_eq!(&through[..], &sent[..places[0].max(places[1])]);
        }
    }
}
