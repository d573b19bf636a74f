//! What belongs to whole families on the way to edge hosts: patterns and new channels, snapshots and
//! latest, pauses, other revisions, and what edge hosts believe.

use serde_json::{Value, json};
use tidegate_tests::admin::everything;
use tidegate_tests::arrivals::{hears_state, next_event};
use tidegate_tests::payloads::{candle, candle_channel};
use tidegate_tests::relay::{OF_ALL, is_in_step};
use tidegate_tests::resp::Reply;
use tidegate_tests::{Client, Guest, Relay, secs, until};

fn ticks(mark: &str) -> Guest {
    Guest::stamped(mark)
}

fn with_snapshot(mark: &str) -> Guest {
    Guest::stamped(mark).descriptor(|descriptor| descriptor.snapshot = true)
}

/// The channel, number and tick of the next message.
async fn next(client: &mut Client) -> (String, u64, u64) {
    let message = next_event(client).await;
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{message}"));
    let channel = message["channel"].as_str().unwrap_or_default().to_owned();
    (
        channel,
        number(&message["seq"]),
        number(&message["data"]["tick"]["n"]),
    )
}

fn of(symbol: &str, seq: u64, n: u64) -> (String, u64, u64) {
    (format!("ticks:{symbol}"), seq, n)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_holds_a_pattern_gets_channels_that_come_later_from_their_first_message_on() {
    // Of two ingest hosts each says that a channel is new.
    let relay = Relay::with(2, 2, Some(&ticks("a")), |setup| setup).await;
    is_in_step(&relay.ingests[1]).await;
    let mut client = relay.subscriber(0, ["ticks:*"]).await;
    for (at, symbol) in ["AB", "CD", "EF", "GH"].into_iter().enumerate() {
        // Some at once: more come while the channel is being subscribed to.
        for number in 1..=20 {
            relay.tick(symbol, number).await;
        }
        for number in 1..=20 {
            assert_eq!(next(&mut client).await, of(symbol, number, number), "{at}");
        }
    }
    client.expect_nothing_before_pong().await;
    // A pattern that begins later begins where each channel stands.
    let mut later = relay.subscriber(1, ["ticks:*"]).await;
    relay.tick("CD", 21).await;
    assert_eq!(later.next_json().await["seq"], 21);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_subscribes_at_an_edge_gets_the_last_message_and_then_newer_ones() {
    let relay = Relay::with(1, 2, Some(&with_snapshot("a")), |setup| setup).await;
    let mut first = relay.subscriber(0, ["ticks:*"]).await;
    for symbol in ["AB", "CD"] {
        for number in 1..=3 {
            relay.tick(symbol, number).await;
            assert_eq!(next(&mut first).await, of(symbol, number, number));
        }
    }
    // This edge has never had any of them.
    let mut second = relay.edges[1].client().await;
    let answer = second.subscribe(["ticks:AB"]).await;
    assert_eq!(answer["seq"], json!({"ticks:AB": 3}));
    assert_eq!(next(&mut second).await, of("AB", 3, 3));
    relay.tick("AB", 4).await;
    assert_eq!(next(&mut second).await, of("AB", 4, 4));
    second.subscribe(["ticks:*"]).await;
    assert_eq!(next(&mut second).await, of("CD", 3, 3));
    second.expect_nothing_before_pong().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_last_message_that_is_too_large_is_not_kept_and_one_that_fits_is() {
    let small = |setup: tidegate_tests::Setup| setup.setting("relay-last-size", "90B");
    for (limit, kept) in [(true, false), (false, true)] {
        let change = |setup| if limit { small(setup) } else { setup };
        let relay = Relay::with(1, 2, Some(&with_snapshot("a")), change).await;
        let mut first = relay.subscriber(0, ["ticks:AB"]).await;
        relay.tick("AB", 1).await;
        assert_eq!(next(&mut first).await, of("AB", 1, 1));
        let mut second = relay.edges[1].client().await;
        let answer = second.subscribe(["ticks:AB"]).await;
        assert_eq!(answer["seq"], json!({"ticks:AB": 1}));
        match kept {
            true => assert_eq!(next(&mut second).await, of("AB", 1, 1)),
            false => second.expect_nothing_before_pong().await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn families_that_are_delivered_as_latest_are_so_at_edges() {
    let latest = Guest::stamped("a").descriptor(|descriptor| descriptor.latest = true);
    let relay = Relay::with(1, 1, Some(&latest), |setup| setup).await;
    let mut client = relay.edges[0].client().await;
    let answer = client.subscribe(["ticks:AB"]).await;
    assert_eq!(answer["latest"], json!(["ticks:AB"]));
    for number in 1..=5 {
        relay.tick("AB", number).await;
    }
    let mut last = 0;
    while last < 5 {
        let (_, seq, tick) = next(&mut client).await;
        assert!(seq > last && seq == tick);
        last = seq;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_reaches_clients_of_edges_and_what_it_cost_is_told() {
    let relay = Relay::with(1, 2, Some(&with_snapshot("a")), |setup| setup).await;
    let admin = relay.ingests[0].admin_api();
    let mut client = relay.subscriber(0, ["ticks:AB"]).await;
    relay.tick("AB", 1).await;
    assert_eq!(next(&mut client).await, of("AB", 1, 1));
    admin.pause("ticks").await;
    hears_state(&mut client, ["ticks:AB"], "paused").await;
    // What was made before the pause is given to nobody any more, at no edge.
    for edge in 0..2 {
        let mut late = relay.subscriber(edge, ["ticks:AB"]).await;
        hears_state(&mut late, ["ticks:AB"], "paused").await;
        late.expect_nothing_before_pong().await;
    }
    relay.tick("AB", 2).await;
    until("a loss in the pause", secs(5), async || {
        let reason = [("transform", "ticks"), ("reason", "paused")];
        let dropped = "tidegate_events_dropped_total";
        relay.ingests[0].metric(dropped, &reason).await == 1.0
    })
    .await;
    admin.resume("ticks").await;
    hears_state(&mut client, ["ticks:AB"], "live").await;
    let gap = client.next_json().await;
    assert_eq!(
        (&gap["type"], &gap["reason"]),
        (&"gap".into(), &"paused".into())
    );
    relay.tick("AB", 3).await;
    assert_eq!(next(&mut client).await, of("AB", 2, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_family_whose_only_host_dies_beside_another_is_stale_and_then_goes_on() {
    let mut relay = Relay::with(1, 1, Some(&ticks("a")), |setup| setup).await;
    // It lives, and makes others.
    let _other = relay.ingest(None).start().await;
    let mut client = relay.subscriber(0, ["ticks:AB"]).await;
    relay.tick("AB", 1).await;
    assert_eq!(next(&mut client).await, of("AB", 1, 1));
    until("both to be heard of", secs(10), async || {
        relay.edges[0].metric("tidegate_relay_ingests", &[]).await == 2.0
    })
    .await;
    let (setup, key) = relay.ingests.remove(0).killed();
    hears_state(&mut client, ["ticks:AB"], "stale").await;
    client.expect_nothing_before_pong().await;
    // Who comes now is let subscribe.
    let mut late = relay.subscriber(0, ["ticks:*"]).await;
    hears_state(&mut late, ["ticks:*"], "stale").await;
    relay.ingests.push(setup.start_with_key(key).await);
    for (client, channel) in [(&mut client, "ticks:AB"), (&mut late, "ticks:*")] {
        hears_state(client, [channel], "live").await;
    }
    relay.tick("AB", 2).await;
    assert_eq!(next(&mut client).await, of("AB", 2, 2));
    assert_eq!(next(&mut late).await, of("AB", 2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_revision_reaches_edges_and_the_last_messages_of_before_do_not() {
    let relay = Relay::with(1, 2, Some(&with_snapshot("a")), |setup| setup).await;
    let admin = relay.ingests[0].admin_api();
    let mut client = relay.subscriber(0, ["ticks:AB"]).await;
    relay.tick("AB", 1).await;
    assert_eq!(next(&mut client).await, of("AB", 1, 1));
    let revision = admin.push(&with_snapshot("b")).await;
    admin.apply_revision(&revision, everything()).await;
    for edge in 0..2 {
        until("the last message is withdrawn", secs(5), async || {
            let mut late = relay.subscriber(edge, ["ticks:AB"]).await;
            late.send(json!({"action": "ping"})).await;
            late.next_json().await["type"] == "pong"
        })
        .await;
    }
    relay.tick("AB", 2).await;
    let message = next_event(&mut client).await;
    assert_eq!(
        (&message["seq"], &message["data"]["rev"]),
        (&2.into(), &"b".into())
    );
    let mut late = relay.subscriber(1, ["ticks:AB"]).await;
    assert_eq!(next(&mut late).await, of("AB", 2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_message_of_an_ingest_host_is_not_delivered() {
    let relay = Relay::of(1, 1).await;
    let mut client = relay.subscriber(0, ["candles:BTC-USD:1h"]).await;
    let channel = candle_channel(1, "BTC-USD", "1h");
    relay.redis.publish(&channel, candle(1)).await;
    let good = next_event(&mut client).await;
    let epoch = relay.redis.ask(&["HMGET", OF_ALL, "g", "e"]).await;
    let Reply::Array(epoch) = epoch else {
        panic!("an epoch");
    };
    let word = |at: usize| match &epoch[at] {
        Reply::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        reply => panic!("{reply:?}"),
    };
    let head = format!("1 {} {} 2\n", word(0), word(1));
    let text = |channel: &str, kind: &str| {
        json!({"type": kind, "channel": channel, "seq": 2, "data": good["data"]}).to_string()
    };
    let name = "tidegate:relay:tidegate:{candles:BTC-USD:1h}";
    let wrong = [
        "hidden".to_owned(),
        format!("{head}hidden"),
        format!("{head}{}", text("candles:ETH-USD:1h", "candle_close")),
        format!("{head}{}", text("candles:BTC-USD:1h", "status")),
        format!("{head}{}", "x".repeat(2 << 20)),
    ];
    for payload in &wrong {
        relay.redis.ask(&["SPUBLISH", name, payload]).await;
    }
    let rejected = "tidegate_relay_rejected_total";
    relay.edges[0]
        .metric_becomes(rejected, &[], wrong.len() as f64)
        .await;
    relay.redis.publish(&channel, candle(2)).await;
    assert_eq!(next_event(&mut client).await["seq"], 2);
    let log = relay.edges[0].stderr().text();
    assert!(
        log.contains("counted as rejected") && !log.contains("hidden"),
        "{log}"
    );
}
