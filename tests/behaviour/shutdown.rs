//! The end of the process: a drain that everyone survives, a second signal that cuts it
//! short, and a death without a word that leaves nothing to mend.

use std::time::Instant;

use tidegate_tests::payloads::{candle, candle_channel, number_of};
use tidegate_tests::{Raw, Record, Redis, Tidegate, http, millis, secs, until};

async fn with_drain(drain_time: &str) -> (Redis, Tidegate) {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("drain-time", drain_time)
        .start()
        .await;
    (redis, tidegate)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_under_load_tells_everyone_and_spreads_the_closes() {
    let (redis, mut tidegate) = with_drain("3s").await;
    let mut records: Vec<Record> = Vec::new();
    for _ in 0..60 {
        records.push(tidegate.subscriber(["candles:*:*"]).await.record());
    }
    let silent = Raw::connect(&tidegate.connect()).await;
    let channel = candle_channel(1, "BTC-USD", "1h");
    tidegate.terminate();
    let started = Instant::now();
    let reasons = tidegate.becomes_unready(millis(500)).await;
    assert!(reasons.len() > 4, "a reason: {reasons}");
    let mut ends = vec![None; records.len()];
    let mut number = 0;
    let status = loop {
        redis.publish(&channel, candle(number)).await;
        number += 1;
        for (end, record) in ends.iter_mut().zip(&records) {
            if end.is_none() && record.close().is_some() {
                *end = Some(started.elapsed());
            }
        }
        if let Some(status) = tidegate.process.ended() {
            break status;
        }
        assert!(started.elapsed() < secs(8), "still draining");
        tokio::time::sleep(millis(10)).await;
    };
    assert!(status.success(), "{status}");
    assert!(started.elapsed() < secs(5), "{:?}", started.elapsed());
    for record in &records {
        let close = record.closed(secs(2)).await;
        assert_eq!(close, (1001, "server shutting down".to_owned()));
        let numbers: Vec<_> = record.messages().iter().map(number_of).collect();
        assert_eq!(
            numbers,
            (0..numbers.len()).collect::<Vec<_>>(),
            "up to its end nothing is lost"
        );
    }
    let early = ends
        .iter()
        .flatten()
        .filter(|end| **end < millis(700))
        .count();
    assert!(
        early < 45,
        "{early} of 60 closed in the first moments: a herd"
    );
    drop(silent);
}

#[tokio::test]
async fn newcomers_are_refused_while_it_drains() {
    let (_redis, tidegate) = with_drain("4s").await;
    let mut inside = Vec::new();
    for _ in 0..20 {
        inside.push(tidegate.client().await.record());
    }
    tidegate.terminate();
    tidegate.becomes_unready(millis(500)).await;
    until("newcomers to be refused", secs(2), async || {
        tidegate.connect().try_open().await.is_err()
    })
    .await;
    let answer = http::try_get(tidegate.admin(), "/healthz", &[]).await;
    assert!(
        answer.is_ok_and(|answer| answer.status == 200),
        "admin is there to the end"
    );
}

#[tokio::test]
async fn without_clients_the_end_comes_at_once() {
    let (_redis, mut tidegate) = with_drain("30s").await;
    tidegate.terminate();
    let status = tidegate.process.exit(secs(2)).await;
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn clients_that_do_not_read_do_not_hold_the_end_up() {
    let (_redis, mut tidegate) = with_drain("1s").await;
    let mut deaf = Vec::new();
    for _ in 0..5 {
        deaf.push(Raw::upgrade(&tidegate.connect(), tidegate.key()).await);
    }
    tidegate.terminate();
    let status = tidegate.process.exit(secs(4)).await;
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let (_redis, mut tidegate) = with_drain("60s").await;
    let _clients = [
        tidegate.client().await.record(),
        tidegate.client().await.record(),
    ];
    tidegate.terminate();
    tidegate.becomes_unready(millis(500)).await;
    assert_eq!(tidegate.process.ended(), None);
    tidegate.terminate();
    tidegate.process.exit(secs(1)).await;
}

#[tokio::test]
async fn ctrl_c_drains_too() {
    let (_redis, mut tidegate) = with_drain("500ms").await;
    let record = tidegate.client().await.record();
    tidegate.process.signal(rustix::process::Signal::INT);
    assert!(tidegate.process.exit(secs(3)).await.success());
    assert_eq!(record.closed(secs(1)).await.0, 1001);
}

#[tokio::test]
async fn after_a_kill_it_starts_again_on_its_ports_at_once() {
    let (redis, tidegate) = with_drain("5s").await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(tidegate.subscriber(["candles:*:*"]).await.record());
    }
    let public = tidegate.public();
    let tidegate = tidegate.kill_and_restart().await;
    assert_eq!(tidegate.public(), public);
    let mut client = tidegate.subscriber(["candles:*:*"]).await;
    redis
        .publish(&candle_channel(1, "BTC-USD", "1h"), candle(1))
        .await;
    assert_eq!(number_of(&client.next_json().await), 1);
}
