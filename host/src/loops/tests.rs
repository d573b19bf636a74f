//! A loop with real sockets, turned by hand or on a thread of its own: what a panic costs, and
//! what a client costs that goes away in the midst of something.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tokio::sync::Semaphore;

use super::connection::Due;
use super::*;
use crate::catalog::Catalog;
use crate::channel::Channel;
use crate::gate::Gate;
use crate::gate::keys::{AtLimit, KeyRecord};
use crate::gate::usage::UsageBook;
use crate::hub::{LoopOrder, Message, frame};
use crate::session::{CloseReason, POISON, SessionLimits};
use crate::shutdown::Shutdown;
use crate::tasks::Tasks;

const LOG_SIZE: usize = 1 << 20;
const LONG: Duration = Duration::from_secs(10);

/// What loops need, and clients of theirs.
struct Stage {
    context: Arc<SessionContext>,
    gate: Gate,
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Stage {
    fn new() -> (Self, Loops) {
        let metrics = Metrics::new();
        let loops = Loops::new(1, LOG_SIZE, &metrics).unwrap();
        let hub = Arc::new(loops.hub(1_000, 1 << 20, &metrics));
        let gate = Gate::new(hub.clone(), None, None);
        gate.replace(&[KeyRecord {
            max_connections: 200,
            at_limit: AtLimit::ReplaceOldest,
            ..KeyRecord::example("key")
        }]);
        let descriptor = crate::transform::descriptor_example();
        let context = SessionContext {
            hub,
            catalog: Arc::new(Catalog::of([Arc::new(descriptor)])),
            interest: None,
            limits: limits(),
            shutdown: Shutdown::default(),
            tasks: Tasks::new(&metrics),
            strangers: Arc::default(),
            usage: Arc::new(UsageBook::new(10, Metrics::new().usage)),
            metrics,
        };
        let stage = Self {
            context: Arc::new(context),
            gate,
            listener: TcpListener::bind("127.0.0.1:0").unwrap(),
            places: Arc::new(Semaphore::new(1_000)),
        };
        (stage, loops)
    }

    /// A loop that runs when it is turned.
    fn by_hand() -> (Self, Loop, Entrance) {
        let (stage, mut loops) = Self::new();
        let entrance = Entrance {
            inboxes: loops.inboxes.clone(),
            arrivals: loops.arrivals.clone(),
        };
        let (poll, inbox) = (loops.polls.remove(0), loops.inboxes.remove(0));
        let (arrivals, share) = (loops.arrivals.remove(0), loops.budget.share());
        let context = stage.context.clone();
        let looped = Loop::new(poll, inbox, arrivals, share, LOG_SIZE, context);
        (stage, looped, entrance)
    }

    /// A client that has sent `leftover` along with its request.
    fn connect(&self, entrance: &Entrance, leftover: Vec<u8>) -> TcpStream {
        let client = TcpStream::connect(self.listener.local_addr().unwrap()).unwrap();
        client.set_read_timeout(Some(LONG)).unwrap();
        let (socket, peer) = self.listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = self.context.hub.address();
        let permit = self.gate.admit_at(Some("key"), address.clone()).unwrap();
        entrance.hand_over(Newcomer {
            socket: mio::net::TcpStream::from_std(socket),
            leftover,
            permit,
            address,
            remote: peer.into(),
            holdings: Holdings {
                session: self.places.clone().try_acquire_owned().unwrap(),
                arrival: None,
                address: None,
                life: self.context.shutdown.session(),
            },
        });
        client
    }

    fn publish(&self, channel: &str) {
        let head = format!("{{\"type\":\"tick\",\"channel\":\"{channel}\"");
        self.context.hub.publish(vec![Message {
            channel: channel.parse::<Channel>().unwrap(),
            text: format!("{head},\"data\":1}}"),
            head: head.len(),
            received: Instant::now(),
            family: self.context.metrics.family("ticks"),
            standing: None,
            identity: None,
        }]);
    }

    /// Everything that sessions hold was given back.
    fn expect_nobody(&self) {
        let metrics = &self.context.metrics;
        let gauges = [
            &metrics.connections,
            &metrics.subscriptions,
            &metrics.stream.reply_bytes,
            &metrics.stream.sessions_behind,
        ];
        assert_eq!(gauges.map(|gauge| gauge.get()), [0; 4]);
        assert_eq!(self.places.available_permits(), 1_000);
        assert_eq!(self.context.shutdown.sessions(), 0);
    }
}

fn limits() -> SessionLimits {
    SessionLimits {
        heartbeat_interval: LONG,
        max_subscriptions: 100,
        max_channels_per_message: 100,
        message_rate: 1_000,
        message_burst: 1_000,
        max_message_size: 16 << 10,
        lag_limit: LONG,
        stall_limit: LONG,
        kernel_unsent: 16 << 10,
        drain_time: LONG,
    }
}

/// A client's frame, with a mask that changes nothing.
fn masked(text: &str) -> Vec<u8> {
    let len = u8::try_from(text.len()).unwrap();
    assert!(len < 126);
    let mut masked = vec![0x81, 0x80 | len, 0, 0, 0, 0];
    masked.extend_from_slice(text.as_bytes());
    masked
}

fn subscribe(channels: &[&str]) -> Vec<u8> {
    masked(&serde_json::json!({ "action": "subscribe", "channels": channels }).to_string())
}

/// The next text that the host has sent.
fn next(client: &mut TcpStream) -> String {
    let mut head = [0; 2];
    client.read_exact(&mut head).unwrap();
    let len = match head[1] {
        126 => {
            let mut len = [0; 2];
            client.read_exact(&mut len).unwrap();
            usize::from(u16::from_be_bytes(len))
        }
        len => usize::from(len),
    };
    let mut text = vec![0; len];
    client.read_exact(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

fn expect(client: &mut TcpStream, part: &str) {
    let text = next(client);
    assert!(text.contains(part), "{text}");
}

fn run_until_idle(looped: &mut Loop) {
    while !looped.step(Instant::now()) {}
    assert!(looped.log.is_sound());
}

fn look(looped: &mut Loop, timeout: Duration) {
    let mut events = mio::Events::with_capacity(8);
    looped.look_at_sockets(&mut events, Some(timeout)).unwrap();
    run_until_idle(looped);
}

#[test]
fn a_client_that_went_away_unseen_costs_its_view_and_not_the_loop() {
    let (stage, mut looped, entrance) = Stage::by_hand();
    let gone = stage.connect(&entrance, subscribe(&["ticks:A:bid"]));
    run_until_idle(&mut looped);
    socket2::SockRef::from(&gone)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(gone);
    // More than one write, so that there would be more to ask for.
    for _ in 0..40_000 {
        stage.publish("ticks:A:bid");
    }
    run_until_idle(&mut looped);
    stage.expect_nobody();
    assert!(looped.log.is_empty());
}

#[test]
fn a_panic_over_a_session_ends_that_session_only() {
    let (stage, mut looped, entrance) = Stage::by_hand();
    let mut well = stage.connect(&entrance, subscribe(&["ticks:A:bid"]));
    let mut gone = stage.connect(&entrance, subscribe(&["ticks:A:bid", POISON]));
    run_until_idle(&mut looped);
    assert_eq!(stage.context.metrics.stream.session_panics.get(), 1);
    assert_eq!(gone.read(&mut [0; 16]).unwrap(), 0, "closed");
    assert_eq!(stage.context.metrics.connections.get(), 1);
    assert_eq!(stage.context.metrics.subscriptions.get(), 1);
    expect(&mut well, "subscribed");
    well.write_all(&masked(r#"{"action":"ping"}"#)).unwrap();
    look(&mut looped, LONG);
    expect(&mut well, "pong");
    stage.publish("ticks:A:bid");
    run_until_idle(&mut looped);
    expect(&mut well, r#""seq":1"#);
    drop(well);
    look(&mut looped, LONG);
    stage.expect_nobody();
}

#[test]
fn a_panic_over_no_session_ends_all_of_them_and_the_loop_goes_on_with_its_numbers() {
    let (stage, loops) = Stage::new();
    let entrance = loops.start(&stage.context).unwrap();
    let mut client = stage.connect(&entrance, subscribe(&["ticks:A:bid"]));
    expect(&mut client, "subscribed");
    stage.publish("ticks:A:bid");
    expect(&mut client, r#""seq":1"#);
    stage.context.hub.order(|| LoopOrder::Poison);
    assert_eq!(client.read(&mut [0; 16]).unwrap(), 0, "closed");
    stage.publish("ticks:A:bid");
    let mut again = stage.connect(&entrance, subscribe(&["ticks:A:bid"]));
    stage.publish("ticks:A:bid");
    let mut next_message =
        || -> serde_json::Value { serde_json::from_str(&next(&mut again)).unwrap() };
    // The messages came while the loop was down or just up: before this client or after it.
    let subscribed = next_message()["seq"]["ticks:A:bid"].as_u64().unwrap();
    assert!((1..=3).contains(&subscribed));
    for seq in subscribed + 1..=3 {
        assert_eq!(next_message()["seq"], seq);
    }
    drop(again);
    let until = Instant::now() + LONG;
    while stage.places.available_permits() < 1_000 {
        assert!(Instant::now() < until);
        std::thread::yield_now();
    }
    stage.expect_nobody();
}

#[test]
fn whoever_is_hurried_while_saying_goodbye_is_gone() {
    const LEAVING: usize = 64;
    let (stage, mut looped, entrance) = Stage::by_hand();
    stage.gate.replace(&[KeyRecord {
        max_connections: 1,
        at_limit: AtLimit::ReplaceOldest,
        ..KeyRecord::example("key")
    }]);
    let mut clients = Vec::new();
    for _ in 0..LEAVING + 10 {
        clients.push(stage.connect(&entrance, Vec::new()));
        run_until_idle(&mut looped);
    }
    assert_eq!(1_000 - stage.places.available_permits(), LEAVING + 1);
}

#[test]
fn what_waits_is_taken_only_when_what_was_taken_is_published() {
    let (stage, mut looped, entrance) = Stage::by_hand();
    let mut client = stage.connect(&entrance, subscribe(&["ticks:A:*"]));
    run_until_idle(&mut looped);
    expect(&mut client, "subscribed");
    // Three times what the inbox holds: the rest is told as a gap, at once and in order.
    let many = 3 * LOG_SIZE / frame::text(&"x".repeat(60)).len();
    for _ in 0..many {
        stage.publish("ticks:A:bid");
    }
    assert!(stage.context.hub.inbox_bytes() <= LOG_SIZE);
    let reader = std::thread::spawn(move || {
        let mut seq = 0;
        loop {
            let text: serde_json::Value = serde_json::from_str(&next(&mut client)).unwrap();
            if text["type"] == "gap" {
                assert_eq!(text["from"], seq + 1);
                return text["to"].as_u64().unwrap();
            }
            seq += 1;
            assert_eq!(text["seq"], seq);
        }
    });
    while !reader.is_finished() {
        look(&mut looped, Duration::ZERO);
    }
    assert_eq!(reader.join().unwrap(), many as u64);
}

proptest! {
    /// Else a loop would sleep through what is due, or wake for nothing again and again.
    #[test]
    fn something_is_due_when_the_deadline_has_come_and_not_before(
        times in prop::collection::vec(prop::option::of(0..40_u64), 4),
        is_heard in any::<bool>(),
    ) {
        const INTERVAL: Duration = Duration::from_secs(10);
        const STALL: Duration = Duration::from_secs(7);
        let (stage, mut looped, entrance) = Stage::by_hand();
        let _client = stage.connect(&entrance, Vec::new());
        let start = Instant::now();
        run_until_idle(&mut looped);
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let key = looped.connections.keys().next().unwrap();
        let connection = &mut looped.connections[key];
        let [pinged, stalled, leaves, goodbye] = times[..] else {
            unreachable!("there are four");
        };
        if let Some(pinged) = pinged {
            connection.note_ping(at(pinged) + INTERVAL);
            connection.flags.is_silent &= !is_heard;
        }
        if let Some(stalled) = stalled {
            connection.note_full(at(stalled));
            looped.metrics.stream.sessions_behind.inc();
        }
        if let Some(until) = goodbye {
            ending::close(&mut looped, key, CloseReason::Draining, start);
            looped.connections[key].goodbye.as_mut().unwrap().until = at(until);
        }
        let connection = &looped.connections[key];
        let leaves = leaves.map(at);
        let deadline = connection.deadline(STALL, leaves);
        for seconds in 0..60 {
            let (now, due) = (at(seconds), connection.due(at(seconds), STALL, leaves));
            prop_assert_eq!(due.is_some(), now >= deadline);
            let is_silent = pinged.is_some() && !is_heard;
            match due {
                Some(Due::Gone(reason)) => prop_assert_eq!(reason, CloseReason::Draining),
                Some(Due::Ping) => prop_assert!(!is_silent),
                Some(Due::Close(CloseReason::DeadPeer)) => prop_assert!(is_silent),
                Some(Due::Close(CloseReason::SlowConsumer)) => {
                    prop_assert!(stalled.is_some_and(|since| now >= at(since) + STALL));
                }
                Some(Due::Close(reason)) => prop_assert_eq!(reason, CloseReason::Draining),
                None => {}
            }
        }
    }
}
