//! A client that was cut because it did not read, and reads again: in time it is told why, by
//! a stream that is whole up to there; too late it is not.

use std::time::{Duration, Instant};

use serde_json::Value;
use tidegate_tests::payloads::{candle, candle_channel, number_of};
use tidegate_tests::{Raw, Redis, Tidegate, millis, secs};

/// How long the host keeps a goodbye for a client that does not read.
const PATIENCE: Duration = secs(5);
const SLOW: (u16, &str) = (1013, "slow consumer");

/// Clients that subscribe and then read nothing, until the host has cut them all; and when
/// the first of them was cut, or a moment later.
async fn cut(redis: &Redis, tidegate: &Tidegate, count: usize) -> (Vec<Raw>, Instant) {
    let how = tidegate.connect().receive_buffer(4096);
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(Raw::subscriber(&how, tidegate.key(), "candles:*:*").await);
    }
    tidegate
        .metric_becomes("tidegate_subscriptions", &[], count as f64)
        .await;
    let channel = candle_channel(1, "BTC-USD", "1h");
    let (mut sent, mut first) = (0, None);
    let started = Instant::now();
    loop {
        let reason = [("reason", "slow_consumer")];
        let closed = tidegate
            .metric("tidegate_sessions_closed_total", &reason)
            .await;
        if closed > 0.0 {
            first.get_or_insert_with(Instant::now);
        }
        if closed == count as f64 {
            break;
        }
        assert!(started.elapsed() < secs(20), "{closed} of {count} were cut");
        let batch = (sent..sent + 50).map(|number| (channel.clone(), candle(number)));
        redis.publish_all(batch).await;
        sent += 50;
    }
    (clients, first.expect("some were cut"))
}

/// Reads to the end: the messages' numbers, and the close if there was one.
async fn read(client: &mut Raw) -> (Vec<usize>, Option<(u16, String)>) {
    let mut numbers = Vec::new();
    while let Some((opcode, payload)) = client.frame().await {
        match opcode {
            1 => {
                let message: Value = serde_json::from_slice(&payload).expect("a whole message");
                if message["type"] != "subscribed" {
                    numbers.push(number_of(&message));
                }
            }
            8 => {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                let reason = String::from_utf8_lossy(&payload[2..]).into_owned();
                assert_eq!(client.frame().await, None, "nothing comes after a close");
                return (numbers, Some((code, reason)));
            }
            9 => {}
            unknown => panic!("no frame of opcode {unknown} was expected"),
        }
    }
    (numbers, None)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_that_reads_again_in_time_is_told_1013_after_whole_messages() {
    const CLIENTS: usize = 40;
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("stall-limit", "500ms")
        .start()
        .await;
    let (clients, first) = cut(&redis, &tidegate, CLIENTS).await;
    let last = first.elapsed();
    assert!(last < millis(1500), "all are cut within {last:?}");
    let reading: Vec<_> = clients
        .into_iter()
        .zip(0_u32..)
        .map(|(mut client, number)| {
            // From now on until half a second before the first one's time is over.
            let share = (PATIENCE - millis(500)) * number / CLIENTS as u32;
            tokio::spawn(async move {
                tokio::time::sleep_until((first + share).into()).await;
                (number, read(&mut client).await)
            })
        })
        .collect();
    for client in reading {
        let (number, (numbers, close)) = client.await.expect("no task panics");
        let close = close.unwrap_or_else(|| panic!("client {number} of {CLIENTS} was not told"));
        assert_eq!((close.0, close.1.as_str()), SLOW);
        assert!(!numbers.is_empty());
        let count = numbers.len();
        assert_eq!(numbers, (0..count).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_in_time_is_reset_and_holds_nothing() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("stall-limit", "500ms")
        .start()
        .await;
    let files = tidegate.process.open_files();
    let (mut clients, _) = cut(&redis, &tidegate, 3).await;
    tidegate_tests::until("the sockets to be gone", PATIENCE + secs(5), async || {
        tidegate.process.open_files() <= files
    })
    .await;
    for client in &mut clients {
        let (_, close) = read(client).await;
        assert_eq!(close, None);
    }
}
