//! Numbers and the inbox: a loop gets every message in order, or the numbers of what it did not
//! get.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::inbox::Passed;
use super::*;
use crate::channel::Channel;
use crate::transform::Delivery;

/// An inbox whose loop is never woken.
pub(super) fn unattended(limit: usize) -> Inbox {
    let poll = mio::Poll::new().unwrap();
    let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
    Inbox::new(limit, waker)
}

fn message(place: usize, len: usize, metrics: &Metrics) -> Message {
    let channel: Channel = format!("t:{place}").parse().unwrap();
    let head = format!("{{\"channel\":\"{}\"", channel.as_str());
    Message {
        text: format!("{head},\"data\":\"{}\"}}", "-".repeat(len)),
        head: head.len(),
        channel,
        received: Instant::now(),
        family: metrics.family("t"),
        // Of every other channel the last message is held, as long as there is room.
        standing: place.is_multiple_of(2).then(|| Standing {
            delivery: Delivery {
                is_latest: true,
                has_snapshot: false,
            },
            mark: Arc::new(MessageOrigin::default()).mark(),
        }),
        identity: None,
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// Messages of these channels and lengths, together.
    Publish(Vec<(usize, usize)>),
    Take,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let batch = prop::collection::vec((0..6_usize, 0..600_usize), 1..5);
    let step = prop_oneof![5 => batch.prop_map(Step::Publish), 1 => Just(Step::Take)];
    prop::collection::vec(step, 0..60)
}

/// The last number of each channel that the loop knows of, and what it knows it missed.
#[derive(Debug, Default)]
struct Known {
    last: BTreeMap<String, u64>,
    losses: usize,
}

impl Known {
    fn take(&mut self, inbox: &Inbox) {
        let before = inbox.bytes();
        let (items, passed) = inbox.take_messages();
        for item in items {
            match item {
                Item::Batch(batch) => {
                    for (message, frame) in batch.iter() {
                        let text = String::from_utf8_lossy(frame).into_owned();
                        let (name, seq) = (message.channel.as_str(), message.seq);
                        let begins = format!("{{\"channel\":\"{name}\",\"seq\":{seq},\"data\":");
                        assert!(text.contains(&begins), "{text}");
                        self.follow(name, (seq, seq));
                    }
                }
                Item::Loss(family, Reason::Transform) if &*family == "t" => self.losses += 1,
                Item::State(..) | Item::Loss(..) | Item::Sweep | Item::Number(..) => {
                    panic!("there are none")
                }
            }
        }
        self.pass(passed);
        assert_eq!(inbox.bytes(), before, "it is on its way");
        inbox.note_published();
        assert_eq!(inbox.bytes(), 0);
    }

    fn pass(&mut self, passed: Passed) {
        for passed in passed.into_values() {
            self.follow(passed.channel.as_str(), passed.range);
        }
    }

    fn follow(&mut self, name: &str, (from, to): (u64, u64)) {
        let last = self.last.entry(name.to_owned()).or_default();
        assert_eq!(from, *last + 1, "{name}: without a hole");
        assert!(to >= from);
        *last = to;
    }
}

proptest! {
    #[test]
    fn every_loop_gets_each_message_or_its_number(steps in steps()) {
        const LIMIT: usize = 2_000;
        const MOST: usize = 4;
        let metrics = Metrics::new();
        let inboxes: Vec<_> = (0..2).map(|_| Arc::new(unattended(LIMIT))).collect();
        let hub = Hub::new(inboxes.clone(), MOST, 1_000, metrics.clone());
        let mut known = [Known::default(), Known::default()];
        let mut published = BTreeMap::<String, u64>::new();
        let mut is_full = false;
        for step in steps {
            match step {
                Step::Publish(batch) => {
                    for (channel, _) in &batch {
                        let name = format!("t:{channel}");
                        if published.len() < MOST || published.contains_key(&name) {
                            *published.entry(name).or_default() += 1;
                        } else {
                            is_full = true;
                        }
                    }
                    let make = |(channel, len)| message(channel, len, &metrics);
                    hub.publish(batch.into_iter().map(make).collect());
                    let largest = 5 * (600 + 60 + 200 + size_of::<inbox::NumberedMessage>());
                    prop_assert!(inboxes[0].bytes() <= LIMIT.max(largest));
                }
                // The other loop takes at the end only.
                Step::Take => known[0].take(&inboxes[0]),
            }
        }
        for (known, inbox) in known.iter_mut().zip(&inboxes) {
            known.take(inbox);
            prop_assert_eq!(&known.last, &published);
            prop_assert_eq!(known.losses > 0, is_full);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn losses_that_were_too_close_are_told_in_the_end() {
    let inbox = Arc::new(unattended(1 << 20));
    let hub = Arc::new(Hub::new(vec![inbox.clone()], 10, 0, Metrics::new()));
    let telling = tokio::spawn({
        let hub = hub.clone();
        async move { hub.tell_losses().await }
    });
    for _ in 0..5 {
        hub.note_loss("t", Loss::Transform);
    }
    let losses = || inbox.take_messages().0.len();
    assert_eq!(losses(), 1, "at once");
    // The clock of the numbers is the real one.
    let until = Instant::now() + 3 * LOSS_INTERVAL;
    let mut losses_told = 0;
    while losses_told == 0 && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(100)).await;
        losses_told += losses();
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(losses_told, 1);
    telling.abort();
}

/// Real threads and a real waker, again and again: a wake-up that is lost leaves the loop asleep.
#[test]
fn a_loop_that_sleeps_is_woken_whoever_comes() {
    const ROUNDS: usize = 5_000;
    const TOO_LONG: Duration = Duration::from_secs(5);
    let mut poll = mio::Poll::new().unwrap();
    let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
    let inbox = Arc::new(Inbox::new(1 << 20, waker));
    let start = Arc::new(std::sync::Barrier::new(3));
    let come = |give: fn(&Inbox)| {
        let (inbox, start) = (inbox.clone(), start.clone());
        std::thread::spawn(move || {
            for _ in 0..ROUNDS {
                start.wait();
                give(&inbox);
            }
        })
    };
    let publisher = come(|inbox| {
        inbox.put(&Item::State("t".into(), Availability::Stale));
        inbox.wake();
    });
    let operator = come(|inbox| inbox.order(LoopOrder::Rights));
    let mut events = mio::Events::with_capacity(8);
    for _ in 0..ROUNDS {
        start.wait();
        let (mut items, mut orders) = (0, 0);
        while (items, orders) != (1, 1) {
            orders += inbox.take_orders().len();
            items += inbox.take_messages().0.len();
            if inbox.may_sleep() && (items, orders) != (1, 1) {
                poll.poll(&mut events, Some(TOO_LONG)).unwrap();
                assert!(!events.is_empty(), "woken, and not by the clock");
            }
            inbox.is_awake();
        }
    }
    publisher.join().unwrap();
    operator.join().unwrap();
    inbox.take_orders();
    assert!(!inbox.is_urgent());
}
