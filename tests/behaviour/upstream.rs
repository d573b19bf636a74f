//! The Redis side in peace: how it is reached, what is asked of it, and what becomes of
//! messages that nobody should have published.

use tidegate_tests::payloads::{alert_channel, candle, candle_channel, number_of};
use tidegate_tests::{Payload, Redis, Setup, Tidegate, Transform, secs, until};

async fn works(redis: &Redis, setup: Setup) -> Tidegate {
    let tidegate = setup.start().await;
    let mut client = tidegate.subscriber(["candles:*:*", "signals:*:*"]).await;
    redis
        .publish(&candle_channel(1, "BTC-USD", "1h"), candle(4))
        .await;
    assert_eq!(number_of(&client.next_json().await), 4);
    redis
        .publish(&alert_channel(1), Payload::alert().text())
        .await;
    assert_eq!(client.next_json().await["type"], "trade_signal");
    tidegate
}

#[tokio::test]
async fn a_user_with_the_fewest_rights_a_password_and_a_database_will_do() {
    let redis = Redis::start().await;
    let rights = "reset on >p%40ss-word resetchannels &channel:exchange:1:candle:close:*:* \
         &channel:alerts:exchange:1 &tidegate:probe -@all +subscribe +psubscribe +unsubscribe \
         +punsubscribe +publish +ping +hello +client +select"
        .replace("%40", "@");
    let mut command = vec!["ACL", "SETUSER", "gate"];
    command.extend(rights.split_whitespace());
    assert_eq!(redis.ask(&command).await.text(), "OK");
    let url = format!("redis://gate:p%40ss-word@127.0.0.1:{}/3", redis.port());
    let tidegate = works(&redis, Setup::new(&url)).await;
    assert_eq!(tidegate.stderr().lines_with("ss-word"), 0);
}

#[tokio::test]
async fn a_wrong_password_is_not_ready_and_is_not_written_anywhere() {
    let redis = Redis::start().await;
    let url = format!("redis://nobody:wrong-word@127.0.0.1:{}", redis.port());
    let tidegate = Setup::new(&url).not_ready().start().await;
    let reasons = tidegate.becomes_unready(tidegate_tests::secs(5)).await;
    assert!(!reasons.contains("wrong-word"), "{reasons}");
    tokio::time::sleep(tidegate_tests::secs(1)).await;
    assert_eq!(tidegate.stderr().lines_with("wrong-word"), 0);
}

#[tokio::test]
async fn redis_over_tls_is_reached_and_its_certificate_is_checked() {
    let redis = Redis::builder().tls().start().await;
    let (url, authority) = redis.tls_url();
    let trusting = Setup::new(&url).env("SSL_CERT_FILE", &authority.to_string_lossy());
    works(&redis, trusting).await;
    let named = Setup::new(&url).setting("redis-ca-file", &authority.to_string_lossy());
    works(&redis, named).await;
    let wary = Setup::new(&url).not_ready().start().await;
    tokio::time::sleep(tidegate_tests::secs(2)).await;
    assert_eq!(
        wary.ready().await.0,
        503,
        "nobody vouched for this certificate"
    );
}

#[tokio::test]
async fn a_server_that_speaks_only_resp2_will_do() {
    let redis = Redis::builder()
        .config("rename-command HELLO \"\"")
        .start()
        .await;
    works(&redis, Tidegate::on(&redis)).await;
}

#[tokio::test]
async fn events_of_another_exchange_do_not_mix() {
    let redis = Redis::start().await;
    let second = Tidegate::on(&redis)
        .transform(Transform::builtin("candle").setting("exchange", "2"))
        .transform(Transform::builtin("signal").setting("exchange", "2"));
    let (first, second) = (Tidegate::on(&redis).start().await, second.start().await);
    let mut of_first = first.subscriber(["candles:*:*", "signals:*:*"]).await;
    let mut of_second = second.subscriber(["candles:*:*", "signals:*:*"]).await;
    for exchange in [1, 2, 3, 10, 12, 21] {
        let number = exchange as usize;
        redis
            .publish(&candle_channel(exchange, "BTC-USD", "1h"), candle(number))
            .await;
        let alert = Payload::alert().with("price", exchange).text();
        redis.publish(&alert_channel(exchange), alert).await;
    }
    for (client, number) in [(&mut of_first, 1), (&mut of_second, 2)] {
        let (mut candles, mut signals) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let message = client.next_json().await;
            match message["type"].as_str() {
                Some("candle_close") => candles.push(number_of(&message)),
                _ => signals.push(message["data"]["price"].clone()),
            }
        }
        assert_eq!(candles, [number]);
        assert_eq!(signals, [number.to_string()]);
        client.expect_nothing_before_pong().await;
    }
}

#[tokio::test]
async fn one_connection_subscribes_and_only_to_what_is_wanted() {
    let (redis, _tidegate) = Tidegate::plain().await;
    let list = redis
        .ask(&["CLIENT", "LIST", "TYPE", "PUBSUB"])
        .await
        .text();
    assert_eq!(
        list.lines().filter(|line| !line.is_empty()).count(),
        1,
        "{list}"
    );
    let patterns = redis.ask(&["PUBSUB", "NUMPAT"]).await.integer();
    assert!((1..=2).contains(&patterns), "{patterns} patterns");
    for (channel, receivers) in [
        ("channel:exchange:1:candle:close:BTC-USD:1h", 1),
        ("channel:alerts:exchange:1", 1),
        ("tidegate:probe", 1),
        ("channel:exchange:1:candle:open:BTC-USD:1h", 0),
        ("channel:exchange:10:candle:close:BTC-USD:1h", 0),
        ("channel:alerts:exchange:10", 0),
        ("channel:alerts:exchange:2", 0),
        ("channel:orders", 0),
        ("tidegate", 0),
    ] {
        assert_eq!(redis.publish(channel, "x").await, receivers, "{channel}");
    }
}

#[tokio::test]
async fn without_a_probe_nothing_is_published() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("probe-interval", "0s")
        .start()
        .await;
    assert_eq!(redis.publish("tidegate:probe", "x").await, 0);
    let connections = redis.ask(&["CLIENT", "LIST"]).await.text();
    assert!(!connections.contains("cmd=publish"), "{connections}");
    drop(tidegate);
}

#[tokio::test]
async fn payloads_that_nobody_should_publish_harm_nobody() {
    let redis = Redis::start().await;
    // A megabyte takes a call milliseconds, and on a busy machine more than the ten that it has: what
    // is tried is what it says of them and not how soon.
    let patient = |name| Transform::builtin(name).set("deadline", "\"10s\"");
    let tidegate = Tidegate::on(&redis)
        .transform(patient("candle"))
        .transform(patient("signal"))
        .start()
        .await;
    let mut client = tidegate.subscriber(["candles:*:*", "signals:*:*"]).await;
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let poison: [Vec<u8>; 12] = [
        b"".to_vec(),
        b"\xff\xfe\x00\x01".to_vec(),
        vec![0; 4096],
        b"{".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"{}".to_vec(),
        deep.into_bytes(),
        r#"{"a":"#.repeat(100_000).into_bytes(),
        [
            b"{\"timestamp\":1,\"open\":\"".as_slice(),
            b"\xc3\x28",
            b"\"}",
        ]
        .concat(),
        vec![b' '; 1024 * 1024],
        vec![b'x'; 3 * 1024 * 1024],
    ];
    let candles = candle_channel(1, "BTC-USD", "1h");
    for payload in &poison {
        redis.publish(&candles, payload).await;
        redis.publish(&alert_channel(1), payload).await;
    }
    redis.publish(&candles, candle(8)).await;
    assert_eq!(number_of(&client.next_data().await), 8);
    redis
        .publish(&alert_channel(1), Payload::alert().text())
        .await;
    assert_eq!(client.next_data().await["type"], "trade_signal");
    client.expect_no_data_before_pong().await;
    let metrics = tidegate.metrics().await;
    for transform in ["candle", "signal"] {
        let rejected = metrics.sum(
            "tidegate_events_rejected_total",
            &[("transform", transform)],
        );
        let faults = metrics.sum(
            "tidegate_transform_faults_total",
            &[("transform", transform)],
        );
        let dropped = metrics.sum(
            "tidegate_events_dropped_total",
            &[("transform", transform), ("reason", "too_large")],
        );
        assert_eq!(
            (rejected, faults, dropped),
            (11.0, 0.0, 1.0),
            "{transform}: {}",
            metrics.text()
        );
    }
}

#[tokio::test]
async fn an_upstream_channel_of_odd_form_gives_nothing() {
    let (redis, tidegate) = Tidegate::plain().await;
    let mut client = tidegate.subscriber(["candles:*:*"]).await;
    let long = "A".repeat(500);
    for tail in [
        "",
        "BTC-USD",
        "BTC-USD:2h",
        "BTC-USD:1h:x",
        "BTC*:1h",
        "*:*",
        "BTC-USD:1h ",
        "btc_usd:1h",
        "BTC-USD-X:1h",
        "-USD:1h",
        "BTC-:1h",
        "ÄÖ-USD:1h",
        long.as_str(),
        "BTC-USD:1h\n",
    ] {
        let channel = format!("channel:exchange:1:candle:close:{tail}");
        // The subscription itself has two parts here.
        let heard = i64::from(tail.contains(':'));
        assert_eq!(redis.publish(&channel, candle(1)).await, heard, "{tail}");
    }
    redis
        .publish(&candle_channel(1, "BTC-USD", "1h"), candle(2))
        .await;
    assert_eq!(number_of(&client.next_json().await), 2);
    let blocked = tidegate.metric("tidegate_guard_blocks_total", &[]).await;
    assert_eq!(
        blocked, 0.0,
        "the transform refuses these before the guard has to"
    );
    let count = async |name: &str| tidegate.metric(name, &[("transform", "candle")]).await;
    assert_eq!(count("tidegate_events_rejected_total").await, 10.0);
    let unmatched = count("tidegate_events_unmatched_total").await;
    assert_eq!(unmatched, 1.0, "the one with a part too many");
    until("a line of it", secs(5), async || {
        tidegate.stderr().lines_with("it is no event") == 1
    })
    .await;
}
