//! Subscribers know when their upstream is lost: they are told at the loss, when they come
//! during it, and at the return, with a gap for what nobody knows.

use serde_json::Value;
use tidegate_tests::arrivals::{hears_state, hears_the_return, is_event, state};
use tidegate_tests::payloads::{alert_channel, candle, candle_channel, number_of};
use tidegate_tests::{Demo, Guest, Payload, Redis, Setup, Stage, Tidegate, secs, until};

#[tokio::test]
async fn subscribers_are_told_at_the_loss_during_it_and_at_the_return() {
    let mut redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis).start().await;
    let mut early = tidegate
        .subscriber(["candles:*:*", "candles:BTC-USD:1h"])
        .await;
    let mut of_others = tidegate.subscriber(["signals:*:*"]).await;
    redis.kill().await;
    hears_state(&mut early, ["candles:*:*", "candles:BTC-USD:1h"], "stale").await;
    hears_state(&mut of_others, ["signals:*:*"], "stale").await;
    let mut late = tidegate.subscriber(["candles:*:1h"]).await;
    assert_eq!(late.next_json().await, state("candles:*:1h", "stale"));
    // It is said once, however often it fails to end.
    tokio::time::sleep(secs(2)).await;
    for client in [&mut early, &mut of_others, &mut late] {
        client.expect_nothing_before_pong().await;
    }
    redis.restart(&[]).await;
    hears_the_return(&mut early, ["candles:*:*", "candles:BTC-USD:1h"]).await;
    hears_the_return(&mut of_others, ["signals:*:*"]).await;
    hears_the_return(&mut late, ["candles:*:1h"]).await;
    let channel = candle_channel(1, "BTC-USD", "1h");
    redis.publish(&channel, candle(1)).await;
    for client in [&mut early, &mut late] {
        assert_eq!(number_of(&client.next_json().await), 1);
    }
    let mut after = tidegate.subscriber(["candles:*:*"]).await;
    for client in [&mut early, &mut of_others, &mut late, &mut after] {
        client.expect_nothing_before_pong().await;
    }
}

#[tokio::test]
async fn who_comes_before_redis_was_ever_there_is_told() {
    let mut redis = Redis::start().await;
    redis.kill().await;
    let tidegate = Tidegate::on(&redis).not_ready().start().await;
    let mut client = tidegate.subscriber(["candles:*:*"]).await;
    assert_eq!(client.next_json().await, state("candles:*:*", "stale"));
    redis.restart(&[]).await;
    hears_the_return(&mut client, ["candles:*:*"]).await;
    client.expect_nothing_before_pong().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_misses_a_message_around_a_loss_without_a_gap() {
    const ROUNDS: usize = 20;
    const MESSAGES: usize = 200;
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis).start().await;
    let client = tidegate.subscriber(["candles:*:*"]).await.record();
    let channel = candle_channel(1, "BTC-USD", "1h");
    let is_gap = |message: &Value| message["type"] == "gap";
    for round in 0..ROUNDS {
        let numbers = round * MESSAGES..(round + 1) * MESSAGES;
        let feed = numbers.map(|number| (channel.clone(), candle(number)));
        let killing = async {
            redis.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        };
        tokio::join!(redis.publish_all(feed), killing);
        until("the return", secs(10), async || {
            client
                .messages()
                .iter()
                .filter(|message| is_gap(message))
                .count()
                > round
        })
        .await;
    }
    redis.publish(&channel, candle(ROUNDS * MESSAGES)).await;
    until("the last message", secs(10), async || {
        let messages = client.messages();
        let last = messages.iter().rfind(|message| is_event(message));
        last.is_some_and(|message| number_of(message) == ROUNDS * MESSAGES)
    })
    .await;
    let (mut next, mut gaps, mut leaps) = (0, 0, 0);
    for message in client.messages() {
        gaps += usize::from(is_gap(&message));
        if is_event(&message) {
            let number = number_of(&message);
            assert!(number >= next, "{number} after {next}");
            leaps += usize::from(number > next);
            next = number + 1;
        }
        assert!(leaps <= gaps, "{leaps} holes, and {gaps} gaps were told");
    }
    assert_eq!(gaps, ROUNDS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_denied_pattern_makes_its_own_family_stale_and_no_other() {
    let redis = Redis::start().await;
    let user = async |channels: &str| {
        let rules = format!(
            "ACL SETUSER gate reset on >secret-word resetchannels -@all +psubscribe \
             +punsubscribe +subscribe +publish &tidegate:probe {channels}"
        );
        let command: Vec<&str> = rules.split_whitespace().collect();
        assert_eq!(redis.ask(&command).await.text(), "OK");
        redis.ask(&["CLIENT", "KILL", "USER", "gate"]).await;
    };
    let [candles, alerts] = [
        "&channel:exchange:1:candle:close:*:*",
        "&channel:alerts:exchange:1",
    ];
    user(alerts).await;
    let url = format!("redis://gate:secret-word@127.0.0.1:{}", redis.port());
    let tidegate = Setup::new(&url).start().await;
    let mut client = tidegate.subscriber(["candles:*:*"]).await;
    assert_eq!(client.next_json().await, state("candles:*:*", "stale"));
    let mut of_others = tidegate.subscriber(["signals:*:*"]).await;
    redis
        .publish(&alert_channel(1), Payload::alert().text())
        .await;
    assert_eq!(of_others.next_json().await["type"], "trade_signal");
    user(&format!("{candles} {alerts}")).await;
    hears_the_return(&mut client, ["candles:*:*"]).await;
    // That took the connection of all.
    hears_state(&mut of_others, ["signals:*:*"], "stale").await;
    hears_the_return(&mut of_others, ["signals:*:*"]).await;
    user(candles).await;
    hears_state(&mut client, ["candles:*:*"], "stale").await;
    hears_the_return(&mut client, ["candles:*:*"]).await;
    hears_state(&mut of_others, ["signals:*:*"], "stale").await;
    client.expect_nothing_before_pong().await;
    of_others.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn a_paused_family_stays_paused_whatever_its_upstream_does() {
    let mut stage = Stage::with(&Guest::stamped("a")).await;
    let mut client = stage.tidegate.subscriber(["ticks:*"]).await;
    stage.admin.pause("ticks").await;
    hears_state(&mut client, ["ticks:*"], "paused").await;
    stage.redis.kill().await;
    let connected = "tidegate_upstream_connected";
    stage.tidegate.metric_becomes(connected, &[], 0.0).await;
    let mut late = stage.tidegate.subscriber(["ticks:*"]).await;
    assert_eq!(late.next_json().await, state("ticks:*", "paused"));
    client.expect_nothing_before_pong().await;
    stage.admin.resume("ticks").await;
    hears_state(&mut client, ["ticks:*"], "stale").await;
    stage.redis.restart(&[]).await;
    hears_the_return(&mut client, ["ticks:*"]).await;
}

#[tokio::test]
async fn a_family_that_comes_during_an_outage_is_stale_from_its_beginning() {
    let mut stage = Stage::with(&Guest::stamped("a")).await;
    stage.admin.push_and_apply(&Guest::stamped("b")).await;
    let mut client = stage.tidegate.subscriber(["ticks:*"]).await;
    stage.redis.kill().await;
    hears_state(&mut client, ["ticks:*"], "stale").await;
    // A revision that takes over changes nothing of that.
    stage
        .admin
        .rollback("ticks", serde_json::json!({}))
        .await
        .done();
    client.expect_nothing_before_pong().await;
    stage.redis.restart(&[]).await;
    hears_the_return(&mut client, ["ticks:*"]).await;
}

#[tokio::test]
async fn the_demo_is_never_stale() {
    let demo = Demo::start().await;
    let mut client = demo.connect().open().await;
    client.subscribe(["candles:*:*", "signals:*:*"]).await;
    let record = client.record();
    until("some messages", secs(20), async || {
        record.messages().len() >= 5
    })
    .await;
    assert!(record.messages().iter().all(is_event));
}
