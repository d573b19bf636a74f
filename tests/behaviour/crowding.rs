//! Too many at the door: silent connections, half-sent upgrades, full houses, no more file
//! descriptors, and thousands that come and go.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use tidegate_tests::payloads::{candle, candle_channel, number_of};
use tidegate_tests::{Raw, Redis, Tidegate, eventually, millis, secs, until};

const HALF: &[u8] = b"GET /public/v1/stream HTTP/1.1\r\nHost: x\r\nUpgrade: webso";

#[tokio::test]
async fn silent_and_half_sent_connections_end_in_time_and_disturb_nobody() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("upgrade-timeout", "1s")
        .start()
        .await;
    let mut waiting = Vec::new();
    for number in 0..60 {
        let mut raw = Raw::connect(&tidegate.connect()).await;
        if number % 2 == 0 {
            raw.write(HALF).await;
        }
        waiting.push(raw);
    }
    tidegate
        .metric_becomes("tidegate_pending_upgrades", &[], 60.0)
        .await;
    let started = Instant::now();
    tidegate.client().await.expect_nothing_before_pong().await;
    assert!(started.elapsed() < millis(500), "{:?}", started.elapsed());
    for raw in &mut waiting {
        raw.ended(secs(3)).await;
    }
    tidegate
        .metric_becomes("tidegate_pending_upgrades", &[], 0.0)
        .await;
}

#[tokio::test]
async fn an_upgrade_that_trickles_in_is_cut_all_the_same() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("upgrade-timeout", "1s")
        .start()
        .await;
    let mut raw = Raw::connect(&tidegate.connect()).await;
    let started = Instant::now();
    for byte in HALF.iter().cycle() {
        if raw.try_write(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(millis(50)).await;
        assert!(started.elapsed() < secs(4), "still open");
    }
    assert!(started.elapsed() > millis(900), "{:?}", started.elapsed());
}

#[tokio::test]
async fn when_too_many_wait_for_their_upgrade_the_oldest_makes_room() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("max-pending-upgrades", "10")
        .setting("upgrade-timeout", "60s")
        .start()
        .await;
    let mut waiting = Vec::new();
    for _ in 0..10 {
        waiting.push(Raw::connect(&tidegate.connect()).await);
    }
    tidegate
        .metric_becomes("tidegate_pending_upgrades", &[], 10.0)
        .await;
    tidegate.client().await.expect_nothing_before_pong().await;
    waiting[0].ended(secs(2)).await;
    let mut youngest = waiting.pop().expect("ten");
    youngest
        .write(Raw::upgrade_text(tidegate.key()).as_bytes())
        .await;
    youngest.expect_upgrade().await;
}

#[tokio::test]
async fn with_room_for_one_a_client_that_takes_a_moment_is_let_in_each_time() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("max-pending-upgrades", "1")
        .start()
        .await;
    for _ in 0..20 {
        let mut idle = Raw::connect(&tidegate.connect()).await;
        let mut client = Raw::connect(&tidegate.connect()).await;
        tokio::time::sleep(millis(50)).await;
        client
            .write(Raw::upgrade_text(tidegate.key()).as_bytes())
            .await;
        client.expect_upgrade().await;
        idle.ended(secs(2)).await;
    }
}

#[tokio::test]
async fn a_full_house_answers_503_and_says_when_to_come_back() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("max-connections", "3")
        .start()
        .await;
    let mut inside = Vec::new();
    for _ in 0..3 {
        inside.push(tidegate.client().await.let_in().await.expect("a place"));
    }
    let mut raw = Raw::connect(&tidegate.connect()).await;
    raw.write(Raw::upgrade_text(tidegate.key()).as_bytes())
        .await;
    let head = raw.head().await;
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert!(head.to_lowercase().contains("retry-after: "), "{head}");
    assert!(
        tidegate
            .metric("tidegate_connections_refused_total", &[])
            .await
            >= 1.0
    );
    inside.pop().expect("three").close().await;
    eventually("room again", secs(5), async || {
        tidegate.connect().try_open().await.ok()
    })
    .await;
}

#[tokio::test]
async fn without_file_descriptors_those_inside_go_on_and_the_door_opens_again() {
    let (redis, tidegate) = Tidegate::plain().await;
    let mut inside = Vec::new();
    for _ in 0..10 {
        inside.push(tidegate.subscriber(["candles:*:*"]).await);
    }
    let open = tidegate.process.open_files() as u64;
    tidegate.process.limit_open_files(open + 3);
    let mut outside = Vec::new();
    for _ in 0..40 {
        outside.push(Raw::connect(&tidegate.connect()).await);
    }
    tokio::time::sleep(millis(300)).await;
    let before = tidegate.process.cpu_time();
    for number in 0..20 {
        redis
            .publish(&candle_channel(1, "BTC-USD", "1h"), candle(number))
            .await;
        tokio::time::sleep(millis(50)).await;
    }
    let spent = tidegate.process.cpu_time() - before;
    assert!(
        spent < millis(500),
        "{spent:?} of processor in a second: the door spins"
    );
    for client in &mut inside {
        for number in 0..20 {
            assert_eq!(number_of(&client.next_json().await), number);
        }
    }
    drop(outside);
    eventually("a way in again", secs(8), async || {
        let (client, _) = tokio::time::timeout(secs(2), tidegate.connect().try_open())
            .await
            .ok()?
            .ok()?;
        client.let_in().await.ok()
    })
    .await;
}

/// One client that comes and goes by the door of its number.
async fn pass_through(tidegate: &Tidegate, number: usize) {
    let third = u8::try_from(number % 4).expect("below four");
    let source = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2 + third));
    let connect = tidegate.connect().from(source);
    match number % 5 {
        0 => {
            let mut client = connect.open().await;
            client.subscribe(["candles:*:*", "signals:*:*"]).await;
            client.close().await;
        }
        1 => {
            let mut client = connect.open().await;
            client.subscribe(["candles:*:1h"]).await;
            client.reset();
        }
        2 => drop(connect.open().await),
        3 => Raw::upgrade(&connect, tidegate.key()).await.reset(),
        _ => {
            let mut raw = Raw::connect(&connect).await;
            raw.write(HALF).await;
            raw.reset();
        }
    }
}

async fn churn(tidegate: &Tidegate, count: usize) {
    let mut number = 0;
    while number < count {
        let several = (number..number + 25).map(|n| pass_through(tidegate, n));
        futures_util::future::join_all(several).await;
        number += 25;
    }
    for gauge in [
        "connections",
        "pending_upgrades",
        "subscriptions",
        "log_bytes",
        "reply_bytes",
    ] {
        tidegate
            .metric_becomes(&format!("tidegate_{gauge}"), &[], 0.0)
            .await;
    }
}

#[tokio::test]
async fn two_thousand_that_come_and_go_leave_nothing_behind() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("heartbeat-interval", "500ms")
        .start()
        .await;
    churn(&tidegate, 500).await;
    let files = tidegate.process.open_files();
    let memory = tidegate.process.resident_bytes();
    churn(&tidegate, 2000).await;
    // Sessions whose client hangs on without a word end by their heartbeat.
    let mut hanging = Vec::new();
    for _ in 0..100 {
        hanging.push(Raw::upgrade(&tidegate.connect(), tidegate.key()).await);
    }
    tidegate
        .metric_becomes("tidegate_connections", &[], 0.0)
        .await;
    drop(hanging);
    until("as many files as before", secs(10), async || {
        tidegate.process.open_files() <= files + 2
    })
    .await;
    let grown = tidegate.process.resident_bytes().saturating_sub(memory);
    assert!(
        grown < 16 << 20,
        "{} KiB more memory than before",
        grown / 1024
    );
}
