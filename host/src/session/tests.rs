//! A whole session over a pipe in memory, with the clock in the test's hands.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::Role;

use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame as WireFrame;

use super::*;
use crate::gate::Gate;
use crate::gate::keys::{AtLimit, KeyRecord};

type Peer = WebSocketStream<DuplexStream>;

fn context() -> Arc<Context> {
    let metrics = Metrics::new();
    Arc::new(Context {
        hub: Arc::new(Hub::new(metrics.clone())),
        catalog: Arc::new(Catalog::default()),
        roster: Roster::new(metrics.clone()),
        limits: Limits {
            heartbeat_interval: Duration::from_secs(30),
            max_subscriptions: 200,
            max_channels_per_message: 20,
            message_rate: 20,
            message_burst: 100,
            max_message_size: 16 << 10,
            marks: Marks::default(),
            drain_time: Duration::from_secs(5),
        },
        shutdown: Shutdown::default(),
        tasks: Tasks::new(&metrics),
        strangers: Arc::default(),
        metrics,
    })
}

async fn connect(
    context: &Arc<Context>,
    gate: &Gate,
    leftover: &[u8],
) -> (Peer, tokio::task::JoinHandle<(CloseReason, bool)>) {
    let permit = gate.admit(Some("key")).unwrap();
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    let (read, write) = tokio::io::split(theirs);
    let (context, leftover) = (context.clone(), leftover.to_vec());
    let outbox = Arc::new(Outbox::new(context.limits.marks));
    let session = tokio::spawn(async move {
        let remote = "192.0.2.1:9"
            .parse::<std::net::SocketAddr>()
            .unwrap()
            .into();
        let presence = context.roster.enter(remote, permit.at_the_door(), &outbox);
        run(read, write, leftover, presence, outbox, permit, &context).await
    });
    (
        WebSocketStream::from_raw_socket(ours, Role::Client, None).await,
        session,
    )
}

fn gate() -> Gate {
    let gate = Gate::default();
    gate.replace(&[KeyRecord::example("key")]);
    gate
}

#[tokio::test(start_paused = true)]
async fn what_came_with_the_upgrade_is_answered() {
    let context = context();
    let mut request = Vec::new();
    let text = r#"{"action":"ping","id":7}"#;
    let mut frame = WireFrame::message(
        text,
        tokio_tungstenite::tungstenite::protocol::frame::coding::OpCode::Data(
            tokio_tungstenite::tungstenite::protocol::frame::coding::Data::Text,
        ),
        true,
    );
    frame.header_mut().mask = Some([1, 2, 3, 4]);
    frame.format(&mut request).unwrap();
    let (mut client, _session) = connect(&context, &gate(), &request).await;
    assert_eq!(
        client.next().await.unwrap().unwrap(),
        Message::text(r#"{"type":"pong","id":7}"#)
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_pings_lives_and_one_that_does_not_is_cut() {
    let context = context();
    let (mut client, session) = connect(&context, &gate(), &[]).await;
    let start = Instant::now();
    for n in 1..=4_u32 {
        assert!(
            matches!(client.next().await, Some(Ok(Message::Ping(_)))),
            "{n}"
        );
        assert!(start.elapsed() <= Duration::from_secs(30) * n);
    }
    // From here on nobody reads, so nobody answers: one more ping, and the end.
    let last = Instant::now();
    let (reason, told) = session.await.unwrap();
    assert_eq!((reason, told), (CloseReason::DeadPeer, false));
    assert!(
        last.elapsed() <= Duration::from_secs(61),
        "{:?}",
        last.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_sessions_within_its_time() {
    let context = context();
    let (mut client, session) = connect(&context, &gate(), &[]).await;
    let start = Instant::now();
    context.shutdown.begin();
    let Some(Ok(Message::Close(Some(close)))) = client.next().await else {
        panic!("no close")
    };
    assert_eq!(
        (u16::from(close.code), close.reason.as_str()),
        (1001, "server shutting down")
    );
    assert!(start.elapsed() <= context.limits.drain_time);
    drop(client);
    assert_eq!(session.await.unwrap(), (CloseReason::Draining, true));
}

#[tokio::test(start_paused = true)]
async fn a_revoked_key_ends_its_session() {
    let (context, gate) = (context(), gate());
    let (mut client, session) = connect(&context, &gate, &[]).await;
    gate.replace(&[]);
    let Some(Ok(Message::Close(Some(close)))) = client.next().await else {
        panic!("no close")
    };
    assert_eq!(
        (u16::from(close.code), close.reason.as_str()),
        (4001, "Invalid API key")
    );
    drop(client);
    assert_eq!(
        session.await.unwrap().0,
        CloseReason::Refused(Refusal::InvalidKey)
    );
}

/// Shows that the session is at work.
async fn pong(client: &mut Peer) {
    let ping = Message::text(r#"{"action":"ping"}"#);
    client.send(ping).await.unwrap();
    let answer = client.next().await.unwrap().unwrap();
    assert_eq!(answer, Message::text(r#"{"type":"pong"}"#));
}

/// Reads up to the close, and gives its code and text.
async fn closed(client: &mut Peer) -> (u16, String) {
    loop {
        match client.next().await {
            Some(Ok(Message::Close(Some(close)))) => {
                return (close.code.into(), close.reason.to_string());
            }
            Some(Ok(_)) => {}
            ended => panic!("no close: {ended:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_newer_session_takes_the_place_of_the_oldest_where_the_key_says_so() {
    let (context, gate) = (context(), Gate::default());
    gate.replace(&[KeyRecord {
        max_connections: 1,
        at_limit: AtLimit::ReplaceOldest,
        ..KeyRecord::example("key")
    }]);
    let (mut old, _session) = connect(&context, &gate, &[]).await;
    let (mut new, _other) = connect(&context, &gate, &[]).await;
    let text = "replaced by a newer connection".to_owned();
    assert_eq!(closed(&mut old).await, (4009, text));
    pong(&mut new).await;
}

#[tokio::test(start_paused = true)]
async fn an_operator_sees_a_session_and_ends_it() {
    let (context, gate) = (context(), gate());
    let (mut client, session) = connect(&context, &gate, &[]).await;
    pong(&mut client).await;
    let id = context.roster.list()[0].id;
    assert!(context.roster.close(id + 1).is_none());
    assert!(context.roster.close(id).is_some());
    let text = "closed by operator".to_owned();
    assert_eq!(closed(&mut client).await, (4010, text));
    drop(client);
    assert_eq!(session.await.unwrap().0, CloseReason::ClosedByOperator);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_held_in_the_hub_when_a_session_is_over() {
    let context = context();
    let (client, session) = connect(&context, &gate(), &[]).await;
    drop(client);
    assert_eq!(session.await.unwrap().0, CloseReason::ClientLeft);
    assert_eq!(context.metrics.subscriptions.get(), 0);
}

#[test]
fn shares_of_consecutive_sessions_are_spread_evenly() {
    let over = Duration::from_secs(10);
    let mut shares: Vec<_> = (1..=10).map(|n| spread(SubscriberId(n), over)).collect();
    shares.sort();
    let gaps = shares.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(gaps.max().unwrap() < over / 4, "{shares:?}");
    assert!(*shares.last().unwrap() < over);
}
