//! Bursts, with the settings as they are: whoever reads gets everything, whatever its pace,
//! for as long as the log reaches back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_tests::payloads::{candle, candle_channel, number_of};
use tidegate_tests::tape::ALL;
use tidegate_tests::{Client, Ledger, Raw, Redis, Tape, Tidegate, millis, secs};
use tokio::time::{interval, sleep};

const SYMBOLS: usize = 500;
const TIMEFRAMES: [&str; 6] = ["1m", "5m", "15m", "1h", "4h", "1d"];
const CANDLES: usize = SYMBOLS * TIMEFRAMES.len();

/// Every symbol's candles at once, numbered.
async fn minute_turns(redis: &Redis) {
    let events = (0..CANDLES).map(|number| {
        let symbol = format!("S{}-USD", number % SYMBOLS);
        let timeframe = TIMEFRAMES[number / SYMBOLS];
        (candle_channel(1, &symbol, timeframe), candle(number))
    });
    redis.publish_all(events).await;
}

/// A client that reads so many frames, then waits for its next turn, until it has all.
async fn reads_in_turns(mut client: Client, every: Duration, frames: usize) -> Vec<usize> {
    let mut numbers = Vec::with_capacity(CANDLES);
    let mut turns = interval(every);
    let started = Instant::now();
    while numbers.len() < CANDLES {
        assert!(started.elapsed() < secs(25), "{} came", numbers.len());
        turns.tick().await;
        for _ in 0..frames {
            let Some(text) = client.text_within(millis(1)).await else {
                break;
            };
            let message = serde_json::from_str(&text).expect("JSON");
            numbers.push(number_of(&message));
        }
    }
    numbers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_looks_every_25_ms_loses_nothing_of_three_thousand_candles_at_once() {
    let redis = Tape::redis().await;
    let tidegate = Tidegate::on(&redis).start().await;
    let mut readers = Vec::new();
    for size in [4096, 64 * 1024] {
        for frames in [200, usize::MAX] {
            let connect = tidegate.connect().receive_buffer(size);
            let mut client = connect.open().await;
            client.subscribe(["candles:*:*"]).await;
            readers.push(tokio::spawn(reads_in_turns(client, millis(25), frames)));
        }
    }
    minute_turns(&redis).await;
    for reader in readers {
        let mut numbers = reader.await.expect("it reads to the end");
        numbers.sort_unstable();
        assert_eq!(numbers, (0..CANDLES).collect::<Vec<_>>());
    }
    assert_eq!(tidegate.metric("tidegate_missed_total", &[]).await, 0.0);
    tidegate
        .metric_becomes("tidegate_log_bytes", &[], 0.0)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_at_a_tenth_of_a_megabyte_a_second_gets_all_of_a_burst() {
    let redis = Tape::redis().await;
    let tidegate = Tape::host(&redis, |setup| setup).await;
    let tape = Arc::new(Tape::of(10));
    let connect = tidegate.connect().receive_buffer(4096);
    let mut client = Raw::subscriber(&connect, tidegate.key(), ALL).await;
    let mut ledger = Ledger::of(&tape);
    let (_, answer) = client.frame().await.expect("an answer");
    ledger.note(&String::from_utf8_lossy(&answer)).expect("it");
    tape.publish(&redis, (0..3000).map(|number| number % 40))
        .await;
    let started = Instant::now();
    let mut bytes = 0;
    while !ledger.owed().is_empty() {
        let (opcode, payload) = client.frame().await.expect("no end");
        assert!(matches!(opcode, 1 | 9), "{opcode}");
        if opcode == 1 {
            let noted = ledger.note(&String::from_utf8_lossy(&payload));
            noted.unwrap_or_else(|wrong| panic!("{wrong}"));
        }
        bytes += payload.len();
        let due = Duration::from_micros(bytes as u64 * 10);
        sleep(due.saturating_sub(started.elapsed())).await;
    }
    assert_eq!((ledger.sum().received, ledger.sum().gaps), (3000, 0));
    assert!(started.elapsed() > secs(4), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_comes_back_within_the_limit_lost_nothing() {
    let redis = Tape::redis().await;
    let tidegate = Tape::host(&redis, |setup| setup.setting("lag-limit", "20s")).await;
    let tape = Arc::new(Tape::of(10));
    let mut client = tidegate.connect().receive_buffer(4096).open().await;
    let mut ledger = Ledger::of(&tape);
    let answer = client.subscribe(["ticks:*:*"]).await;
    ledger.note(&answer.to_string()).expect("a right answer");
    tape.publish(&redis, (0..8000).map(|number| number % 40))
        .await;
    // Eight seconds without a look: less than what stall-limit allows.
    sleep(secs(8)).await;
    while !ledger.owed().is_empty() {
        let noted = ledger.note(&client.next_text().await);
        noted.unwrap_or_else(|wrong| panic!("{wrong}"));
    }
    assert_eq!((ledger.sum().received, ledger.sum().gaps), (8000, 0));
    assert_eq!(tidegate.metric("tidegate_missed_total", &[]).await, 0.0);
}
