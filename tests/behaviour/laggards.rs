//! Many who are far behind at once: whatever happens to them meanwhile, nobody else loses
//! anything by it, and the memory of all stays within its one bound.

use serde_json::json;
use tidegate_tests::raw::frame;
use tidegate_tests::tape::ALL;
use tidegate_tests::tide::Reader;
use tidegate_tests::{Raw, Setup, Tape, Tide, secs, until};

/// Of the log's size, three quarters are for those who are behind.
const LOG: f64 = 0.75 * 8.0 * 1024.0 * 1024.0;

/// So many messages for each of eight channels: half of the log.
const ROUNDS: usize = 1500;
const WAITING: usize = 8 * ROUNDS;

/// So many that a list of what waits for each would not fit beside it.
const LAGGARDS: usize = 64;

fn patient(setup: Setup) -> Setup {
    setup
        .setting("stall-limit", "1h")
        .setting("lag-limit", "1h")
        .setting("log-size", "8MiB")
        .setting("loops", "1")
        .setting("drain-time", "6s")
}

/// Some who do not read, beside two who will in the end.
async fn behind() -> (Tide, Vec<Raw>, [Reader; 2]) {
    let mut tide = Tide::on(Tape::of(2), patient).await;
    let connect = tide.tidegate.connect().receive_buffer(4096);
    let mut deaf = Vec::new();
    for _ in 0..LAGGARDS {
        deaf.push(Raw::subscriber(&connect, tide.tidegate.key(), ALL).await);
    }
    let readers = [tide.reader([ALL]).await, tide.reader([ALL]).await];
    tide.rise_everywhere(ROUNDS).await;
    (tide, deaf, readers)
}

async fn missed(tide: &Tide) -> f64 {
    tide.tidegate.metric("tidegate_missed_total", &[]).await
}

async fn assert_log_keeps_its_size(tide: &Tide) {
    let bytes = tide.tidegate.metric("tidegate_log_bytes", &[]).await;
    assert!((LOG / 4.0..=LOG).contains(&bytes), "{bytes} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_costs_those_nothing_who_are_far_behind() {
    let (tide, _deaf, readers) = behind().await;
    tide.tidegate.terminate();
    let closed = ("tidegate_sessions_closed_total", [("reason", "draining")]);
    until("most to be on their way out", secs(10), async || {
        assert_log_keeps_its_size(&tide).await;
        tide.tidegate.metric(closed.0, &closed.1).await > 0.75 * LAGGARDS as f64
    })
    .await;
    assert_eq!(missed(&tide).await, 0.0);
    for mut reader in readers {
        let close = reader.close().await;
        assert_eq!(close, (1001, "server shutting down".to_owned()));
        assert_eq!(reader.messages, WAITING);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_changes_subscriptions_while_far_behind_costs_others_nothing() {
    let (mut tide, mut deaf, [mut reader, mut changing]) = behind().await;
    let more = json!({"action": "subscribe", "channels": ["ticks:AAA:north"]});
    let request = frame(0x81, more.to_string().as_bytes());
    // The healthy client and the two readers have one each.
    let held = async |count: usize| {
        let held = "tidegate_subscriptions";
        tide.tidegate
            .metric_becomes(held, &[], (3 + count) as f64)
            .await;
    };
    deaf[0].write(&request).await;
    held(LAGGARDS + 1).await;
    assert_eq!(missed(&tide).await, 0.0, "there is room for one list");
    for client in &mut deaf[1..] {
        client.write(&request).await;
    }
    held(2 * LAGGARDS).await;
    assert!(missed(&tide).await > 0.0, "there is none for so many");
    assert_log_keeps_its_size(&tide).await;
    changing.client.send(more).await;
    changing.answer("subscribed").await;
    reader.catch_up().await;
    assert_eq!((reader.messages, reader.gaps.len()), (WAITING, 0));
    tide.rise_everywhere(2).await;
    changing.catch_up().await;
    assert_eq!(changing.gaps.len(), 8);
    tide.assert_nothing_lost();
}
