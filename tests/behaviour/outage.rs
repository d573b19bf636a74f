//! Redis goes away in every way it can, and comes back: clients stay, the subscription is
//! there again, and ops can see it.

use std::time::Instant;

use tidegate_tests::arrivals::{hears_state, hears_the_return, is_event, next_event};
use tidegate_tests::payloads::{candle, candle_channel, number_of};
use tidegate_tests::process::KEEPALIVE;
use tidegate_tests::{Client, Proxy, Redis, Setup, Tidegate, eventually, millis, secs, until};

/// Publishes until the client receives it: what was sent to a dead connection is lost.
async fn flows_again(redis: &Redis, client: &mut Client, number: usize) {
    eventually("an event that arrives", secs(10), async || {
        redis
            .publish(&candle_channel(1, "BTC-USD", "1h"), candle(number))
            .await;
        let text = client.text_within(millis(100)).await?;
        let message = serde_json::from_str(&text).expect("messages are JSON");
        (is_event(&message) && number_of(&message) == number).then_some(())
    })
    .await;
}

/// Publishes until somebody receives it: so the subscription is there again.
async fn heard(redis: &Redis, number: usize) {
    until("an event with a receiver", secs(10), async || {
        redis
            .publish(&candle_channel(1, "BTC-USD", "1h"), candle(number))
            .await
            > 0
    })
    .await;
}

#[tokio::test]
async fn twenty_seconds_without_redis_are_survived_by_everyone() {
    let mut redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis).start().await;
    let mut client = tidegate.subscriber(["candles:*:*"]).await;
    heard(&redis, 1).await;
    assert_eq!(number_of(&client.next_json().await), 1);
    let lines = async || tidegate.stderr().text().lines().count();
    until("the line of the start", secs(5), async || {
        tidegate.stderr().lines_with("subscribed upstream") == 1
    })
    .await;
    let at_start = lines().await;
    redis.kill().await;
    let killed = Instant::now();
    tidegate.becomes_unready(secs(5)).await;
    assert_eq!(
        tidegate.metric("tidegate_upstream_connected", &[]).await,
        0.0
    );
    assert_eq!(tidegate.admin_get("/healthz").await.status, 200);
    hears_state(&mut client, ["candles:*:*"], "stale").await;
    client.expect_nothing_before_pong().await;
    tokio::time::sleep(secs(20).saturating_sub(killed.elapsed())).await;
    assert_eq!(tidegate.ready().await.0, 503);
    redis.restart(&[]).await;
    let back = Instant::now();
    heard(&redis, 2).await;
    hears_the_return(&mut client, ["candles:*:*"]).await;
    assert_eq!(number_of(&client.next_json().await), 2);
    assert!(back.elapsed() < secs(5), "back after {:?}", back.elapsed());
    tidegate.becomes_ready(secs(2)).await;
    assert_eq!(
        tidegate
            .metric("tidegate_upstream_outages_total", &[])
            .await,
        1.0
    );
    assert_eq!(
        tidegate.metric("tidegate_upstream_connected", &[]).await,
        1.0
    );
    until("the line of the end", secs(5), async || {
        tidegate.stderr().lines_with("upstream is back") == 1
    })
    .await;
    let log = tidegate.stderr().text();
    let fresh: Vec<_> = log.lines().skip(at_start).collect();
    // First it was closed, then it was refused.
    let what = "a line at each edge, and one as the reason changes";
    assert_eq!(fresh.len(), 3, "{what}: {fresh:#?}");
}

/// A host that looks after its upstream twice a second, behind a proxy.
async fn behind_proxy() -> (Redis, Proxy, Tidegate) {
    behind_proxy_to(Redis::start().await).await
}

async fn behind_proxy_to(redis: Redis) -> (Redis, Proxy, Tidegate) {
    let proxy = Proxy::to(redis.port()).await;
    let tidegate = Setup::new(&format!("redis://127.0.0.1:{}", proxy.port()))
        .setting("probe-interval", "500ms")
        .start()
        .await;
    (redis, proxy, tidegate)
}

#[tokio::test]
async fn a_path_that_went_silent_is_found_and_left() {
    let (redis, proxy, tidegate) = behind_proxy().await;
    let mut client = tidegate.subscriber(["candles:*:*"]).await;
    proxy.go_silent();
    tidegate.becomes_unready(secs(8)).await;
    hears_state(&mut client, ["candles:*:*"], "stale").await;
    client.expect_nothing_before_pong().await;
    proxy.speak();
    tidegate.becomes_ready(secs(6)).await;
    flows_again(&redis, &mut client, 3).await;
    assert_eq!(
        tidegate
            .metric("tidegate_upstream_outages_total", &[])
            .await,
        1.0
    );
}

#[tokio::test]
async fn a_slow_path_is_no_outage() {
    let (redis, proxy, tidegate) = behind_proxy().await;
    let mut client = tidegate.subscriber(["candles:*:*"]).await;
    proxy.delay(millis(200));
    for number in 0..10 {
        redis
            .publish(&candle_channel(1, "BTC-USD", "1h"), candle(number))
            .await;
        assert_eq!(number_of(&client.next_json().await), number);
    }
    tokio::time::sleep(secs(2)).await;
    assert_eq!(
        tidegate
            .metric("tidegate_upstream_outages_total", &[])
            .await,
        0.0
    );
}

#[tokio::test]
async fn a_cut_path_is_taken_up_again_at_once() {
    let (redis, proxy, tidegate) = behind_proxy().await;
    let mut client = tidegate.subscriber(["candles:*:*"]).await;
    for round in 0..3 {
        let started = Instant::now();
        proxy.cut();
        flows_again(&redis, &mut client, round).await;
        assert!(started.elapsed() < secs(5), "{:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_subscription_that_was_lost_without_a_word_is_found_and_renewed() {
    let (redis, proxy, tidegate) = behind_proxy().await;
    let mut client = tidegate.subscriber(["candles:*:*"]).await;
    proxy.lose_far_side();
    until("the subscription to be gone", secs(2), async || {
        redis
            .publish(&candle_channel(1, "BTC-USD", "1h"), candle(0))
            .await
            == 0
    })
    .await;
    let lost = Instant::now();
    heard(&redis, 7).await;
    assert!(lost.elapsed() < secs(6), "found after {:?}", lost.elapsed());
    flows_again(&redis, &mut client, 8).await;
    tidegate.becomes_ready(secs(5)).await;
    assert!(
        tidegate
            .metric("tidegate_upstream_outages_total", &[])
            .await
            >= 1.0
    );
}

#[tokio::test]
async fn by_the_older_protocol_a_silent_path_and_a_lost_subscription_are_found_too() {
    let redis = Redis::builder().config("rename-command HELLO \"\"");
    let (redis, proxy, tidegate) = behind_proxy_to(redis.start().await).await;
    let mut client = tidegate.subscriber(["candles:*:*"]).await;
    proxy.go_silent();
    hears_state(&mut client, ["candles:*:*"], "stale").await;
    proxy.speak();
    hears_the_return(&mut client, ["candles:*:*"]).await;
    proxy.lose_far_side();
    hears_state(&mut client, ["candles:*:*"], "stale").await;
    hears_the_return(&mut client, ["candles:*:*"]).await;
    flows_again(&redis, &mut client, 3).await;
}

#[tokio::test]
async fn a_redis_that_stands_still_is_noticed_and_taken_up_when_it_goes_on() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("probe-interval", "500ms")
        .start()
        .await;
    let mut client = tidegate.subscriber(["candles:*:*"]).await;
    redis.pause();
    tidegate.becomes_unready(secs(8)).await;
    redis.resume();
    tidegate.becomes_ready(secs(10)).await;
    flows_again(&redis, &mut client, 5).await;
    // Connections that were given up hold no second subscription.
    until("one receiver", secs(5), async || {
        redis
            .publish(&candle_channel(1, "BTC-USD", "1h"), candle(6))
            .await
            == 1
    })
    .await;
}

#[tokio::test]
async fn a_host_that_starts_before_its_redis_waits_for_it() {
    let mut redis = Redis::start().await;
    redis.kill().await;
    let tidegate = Tidegate::on(&redis).not_ready().start().await;
    assert_eq!(tidegate.ready().await.0, 503);
    let mut client = tidegate.subscriber(["candles:*:*"]).await;
    redis.restart(&[]).await;
    tidegate.becomes_ready(secs(6)).await;
    heard(&redis, 1).await;
    assert_eq!(number_of(&next_event(&mut client).await), 1);
}

#[tokio::test]
async fn a_denied_subscription_is_not_ready_and_says_so_until_it_is_granted() {
    let mut redis = Redis::start().await;
    let allow = [
        "ACL",
        "SETUSER",
        "gate",
        "reset",
        "on",
        ">secret-word",
        "+@all",
        "~*",
    ];
    let user = async |redis: &Redis, channels: &str| {
        let mut command = allow.to_vec();
        command.push(channels);
        redis.ask(&command).await;
    };
    user(&redis, "allchannels").await;
    let url = format!("redis://gate:secret-word@127.0.0.1:{}", redis.port());
    let tidegate = Setup::new(&url)
        .setting("probe-interval", "500ms")
        .start()
        .await;
    let mut client = tidegate.subscriber(["candles:*:*"]).await;
    redis.restart(&[]).await;
    user(&redis, "&somewhere:else").await;
    let reasons = eventually("a reason that names the denial", secs(10), async || {
        let reasons = tidegate.becomes_unready(secs(5)).await.to_lowercase();
        let named = ["noperm", "denied", "permission"]
            .iter()
            .any(|word| reasons.contains(word));
        named.then_some(reasons)
    })
    .await;
    assert!(!reasons.contains("secret-word"));
    hears_state(&mut client, ["candles:*:*"], "stale").await;
    client.expect_nothing_before_pong().await;
    user(&redis, "allchannels").await;
    tidegate.becomes_ready(secs(10)).await;
    heard(&redis, 1).await;
    assert_eq!(number_of(&next_event(&mut client).await), 1);
    assert_eq!(tidegate.stderr().lines_with("secret-word"), 0);
}

#[tokio::test]
async fn a_connection_that_is_killed_again_and_again_is_taken_up_with_pauses() {
    let (redis, tidegate) = Tidegate::plain().await;
    let mut client = tidegate.subscriber(["candles:*:*"]).await;
    let started = Instant::now();
    while started.elapsed() < secs(3) {
        redis.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        tokio::time::sleep(millis(2)).await;
    }
    let outages = tidegate
        .metric("tidegate_upstream_outages_total", &[])
        .await;
    assert!((2.0..=40.0).contains(&outages), "{outages} outages");
    let calm = Instant::now();
    heard(&redis, 1).await;
    flows_again(&redis, &mut client, 2).await;
    assert!(calm.elapsed() < secs(5), "back after {:?}", calm.elapsed());
    tidegate.becomes_ready(secs(2)).await;
}

#[tokio::test]
async fn without_probes_the_kernel_still_watches_the_connection() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("probe-interval", "0s")
        .start()
        .await;
    let timers = async || tidegate.process.tcp_timers_to(redis.port());
    until("a keepalive timer", secs(5), async || {
        timers().await == [KEEPALIVE]
    })
    .await;
}
