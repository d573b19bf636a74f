//! Ingest hosts make messages, edge hosts deliver them: each once, in order, with the same numbers
//! everywhere, whichever ingest host goes.

use serde_json::json;
use tidegate_tests::arrivals::{a_candle_comes, hears_state, next_event};
use tidegate_tests::delivery::{Account, Publisher};
use tidegate_tests::payloads::{candle, candle_channel, number_of};
use tidegate_tests::relay::is_in_step;
use tidegate_tests::resp::Reply;
use tidegate_tests::{Proxy, Redis, Relay, Setup, Tidegate, millis, secs, until};

const CHANNEL: &str = "candles:BTC-USD:1h";

async fn publish(relay: &Relay, number: usize) {
    let channel = candle_channel(1, "BTC-USD", "1h");
    relay.redis.publish(&channel, candle(number)).await;
}

async fn sent(ingest: &Tidegate, verdict: &str) -> f64 {
    let label = [("verdict", verdict)];
    ingest.metric("tidegate_relay_sent_total", &label).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_events_a_second_arrive_once_and_in_order() {
    let relay = Relay::of(1, 1).await;
    let account = Account::of(relay.subscriber(0, [CHANNEL]).await);
    let publisher = Publisher::start(&[relay.redis.port()], 1_000);
    publisher.takes(5_000).await;
    let sum = account.is_whole(&publisher.stop().await, secs(10)).await;
    assert!(sum.received > 4_900, "{sum:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_edge_has_the_same_numbers_and_one_epoch() {
    let relay = Relay::of(1, 2).await;
    let mut first = relay.subscriber(0, [CHANNEL]).await;
    for number in 0..3 {
        publish(&relay, number).await;
        let message = next_event(&mut first).await;
        assert_eq!(
            (number_of(&message), &message["seq"]),
            (number, &json!(number + 1))
        );
    }
    // Whoever comes from one edge to another finds the numbers where they are.
    let mut second = relay.edges[1].client().await;
    let answer = second.subscribe([CHANNEL]).await;
    assert_eq!(answer["seq"], json!({CHANNEL: 3}));
    let mut again = relay.edges[0].client().await;
    let same = again.subscribe([CHANNEL, "candles:ETH-USD:1h"]).await;
    assert_eq!(same["epoch"], answer["epoch"]);
    assert_eq!(same["seq"], json!({CHANNEL: 3, "candles:ETH-USD:1h": 0}));
    publish(&relay, 3).await;
    for client in [&mut first, &mut second, &mut again] {
        assert_eq!(next_event(client).await["seq"], 4);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_ingest_hosts_send_each_event_once_and_either_may_die() {
    let mut relay = Relay::of(2, 1).await;
    is_in_step(&relay.ingests[1]).await;
    let account = Account::of(relay.subscriber(0, [CHANNEL]).await);
    let publisher = Publisher::start(&[relay.redis.port()], 1_000);
    publisher.takes(2_000).await;
    for ingest in &relay.ingests {
        assert!(sent(ingest, "second").await + sent(ingest, "first").await > 1_500.0);
    }
    // Which of them was first does not matter; both are killed in turn, and another takes over.
    relay.ingests[0].process.kill();
    publisher.takes(2_000).await;
    let third = relay.ingest(None).start().await;
    is_in_step(&third).await;
    publisher.takes(4_000).await;
    relay.ingests[1].process.kill();
    publisher.takes(2_000).await;
    let sum = account.is_even(publisher.stop().await, secs(10)).await;
    // On a busy machine a host may have been late right before, and what might be missing is told.
    assert_eq!(sum.missing, 0, "{sum:?}");
    assert!(sum.received > 9_000, "{sum:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_events_are_different_events() {
    let relay = Relay::of(2, 1).await;
    is_in_step(&relay.ingests[1]).await;
    let mut client = relay.subscriber(0, [CHANNEL]).await;
    for _ in 0..20 {
        publish(&relay, 7).await;
        publish(&relay, 7).await;
        tokio::time::sleep(millis(20)).await;
    }
    for seq in 1..=40 {
        assert_eq!(next_event(&mut client).await["seq"], seq);
    }
    client.expect_no_data_before_pong().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ingest_host_that_stood_still_brings_nothing_twice() {
    let relay = Relay::of(2, 1).await;
    is_in_step(&relay.ingests[1]).await;
    let account = Account::of(relay.subscriber(0, [CHANNEL]).await);
    let publisher = Publisher::start(&[relay.redis.port()], 500);
    for _ in 0..2 {
        publisher.takes(500).await;
        relay.ingests[0]
            .process
            .signal(rustix::process::Signal::STOP);
        // Longer than anybody remembers what was sent.
        publisher.takes(2_500).await;
        relay.ingests[0]
            .process
            .signal(rustix::process::Signal::CONT);
        publisher.takes(500).await;
        until("away", secs(5), async || {
            sent(&relay.ingests[0], "away").await > 0.0
        })
        .await;
        is_in_step(&relay.ingests[0]).await;
    }
    let sum = account.is_even(publisher.stop().await, secs(10)).await;
    assert_eq!(sum.missing, 0, "{sum:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ingest_host_whose_path_stood_still_brings_nothing_twice() {
    let relay = Relay::of(1, 1).await;
    let (proxy, late) = relay.ingest_by_a_proxy().await;
    let account = Account::of(relay.subscriber(0, [CHANNEL]).await);
    let publisher = Publisher::start(&[relay.redis.port()], 500);
    // So short that its connections stand it, and so long that they do not.
    for still in [1_500, 2_300, 5_000] {
        publisher.takes(1_000).await;
        proxy.delay(millis(still));
        tokio::time::sleep(millis(200)).await;
        // What was held back comes at once, then the rest.
        proxy.delay(millis(0));
        publisher.takes(2 * still / 3 + 500).await;
        is_in_step(&late).await;
    }
    let sum = account.is_even(publisher.stop().await, secs(10)).await;
    assert_eq!(sum.missing, 0, "{sum:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ingest_host_that_comes_in_step_overtakes_none_of_what_a_later_one_has_still_to_send() {
    let mut relay = Relay::of(1, 1).await;
    let (proxy, _late) = relay.ingest_by_a_proxy().await;
    let account = Account::of(relay.subscriber(0, [CHANNEL]).await);
    let publisher = Publisher::start(&[relay.redis.port()], 500);
    publisher.takes(500).await;
    proxy.delay(millis(10));
    relay.ingests[0].process.kill();
    relay.ingests[0] = relay.ingest(None).start().await;
    is_in_step(&relay.ingests[0]).await;
    publisher.takes(500).await;
    let sum = account.is_even(publisher.stop().await, secs(10)).await;
    assert_eq!(sum.missing, 0, "{sum:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_redis_stood_still_nothing_comes_twice_and_one_of_two_ingest_hosts_goes_on() {
    let relay = Relay::of(2, 1).await;
    is_in_step(&relay.ingests[1]).await;
    let account = Account::of(relay.subscriber(0, [CHANNEL]).await);
    let publisher = Publisher::start(&[relay.redis.port()], 500);
    // So long that hosts count as late, and so long that they give their connections up.
    for still in [1_500, 4_000] {
        publisher.takes(500).await;
        relay.redis.pause();
        // What is sent meanwhile over another connection would be in another order.
        publisher.lead_to(&[1]);
        tokio::time::sleep(millis(still)).await;
        relay.redis.resume();
        publisher.lead_to(&[relay.redis.port()]);
        account.goes_on(secs(10)).await;
        for ingest in &relay.ingests {
            is_in_step(ingest).await;
        }
    }
    publisher.takes(500).await;
    let sum = account.is_even(publisher.stop().await, secs(10)).await;
    // If both left their messages to each other, two seconds would be missing.
    assert!(sum.missing < 500, "{sum:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_ingest_host_channels_are_stale_and_the_return_is_told() {
    let mut relay = Relay::of(1, 1).await;
    let mut client = relay.subscriber(0, [CHANNEL]).await;
    relay.ingests[0].process.kill();
    hears_state(&mut client, [CHANNEL], "stale").await;
    relay.edges[0].says_why("no ingest host", secs(10)).await;
    // What comes meanwhile is made by nobody.
    publish(&relay, 1).await;
    let ingest = relay.ingest(None).start().await;
    let back = client.next_json().await;
    assert_eq!(
        (&back["type"], &back["state"]),
        (&"status".into(), &"live".into())
    );
    let gap = client.next_json().await;
    assert_eq!(
        (&gap["type"], &gap["reason"]),
        (&"gap".into(), &"upstream".into())
    );
    a_candle_comes(&relay.redis, &mut client).await;
    drop(ingest);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ingest_host_that_follows_another_too_late_is_told_as_a_gap() {
    let mut relay = Relay::of(1, 1).await;
    let mut client = relay.subscriber(0, [CHANNEL]).await;
    relay.ingests[0].process.kill();
    let next = relay.ingest(None).start().await;
    publish(&relay, 1).await;
    let mut heard = Vec::new();
    until("a gap", secs(10), async || {
        if let Some(text) = client.text_within(millis(200)).await {
            heard.push(text);
        }
        heard.iter().any(|text| text.contains("\"gap\""))
    })
    .await;
    assert!(
        heard.iter().any(|text| text.contains("\"upstream\"")),
        "{heard:?}"
    );
    drop(next);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_that_lost_redis_tells_it_and_goes_on() {
    let relay = Relay::of(1, 0).await;
    let proxy = Proxy::to(relay.redis.port()).await;
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let edge = relay.edge().setting("redis-url", &url).start().await;
    let client = edge.subscriber([CHANNEL]).await;
    let account = Account::of(client);
    let publisher = Publisher::start(&[relay.redis.port()], 500);
    for _ in 0..3 {
        publisher.takes(500).await;
        proxy.cut();
        account.goes_on(secs(5)).await;
    }
    publisher.takes(500).await;
    let sum = account.is_even(publisher.stop().await, secs(10)).await;
    assert!(sum.gaps >= 3, "{sum:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_are_reported_and_an_ingest_host_has_no_clients() {
    let relay = Relay::of(1, 1).await;
    for (host, role) in [(&relay.ingests[0], "ingest"), (&relay.edges[0], "edge")] {
        let (_, ready) = host.ready().await;
        assert_eq!(ready["upstream"]["role"], role);
        assert_eq!(host.metric("tidegate_relay_connected", &[]).await, 1.0);
        assert_eq!(host.metric("tidegate_relay_ingests", &[]).await, 1.0);
    }
    let (_, ready) = relay.edges[0].ready().await;
    assert_eq!(ready["upstream"]["kind"], "relay");
    assert_eq!(ready["families"]["candles"]["ready"], true);
    let report = relay.ingests[0]
        .admin_api()
        .get("/v1/upstream")
        .await
        .done();
    assert_eq!(
        (&report["role"], &report["ingests"]),
        (&"ingest".into(), &1.into())
    );
    let refused = relay.ingests[0].connect().no_key().refused().await;
    assert_eq!(refused, 503);
    let client = relay.subscriber(0, [CHANNEL]).await;
    let channels = "tidegate_relay_channels";
    assert_eq!(relay.edges[0].metric(channels, &[]).await, 1.0);
    drop(client);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_nobody_holds_is_let_go_after_a_while_and_found_again() {
    let relay = Relay::with(1, 1, None, |setup| setup.setting("relay-linger", "1s")).await;
    let channels = "tidegate_relay_channels";
    let mut client = relay.subscriber(0, [CHANNEL]).await;
    publish(&relay, 0).await;
    assert_eq!(next_event(&mut client).await["seq"], 1);
    client.close().await;
    relay.edges[0].metric_becomes(channels, &[], 0.0).await;
    let subscribed = [
        "PUBSUB",
        "SHARDNUMSUB",
        "tidegate:relay:tidegate:{candles:BTC-USD:1h}",
    ];
    let Reply::Array(counts) = relay.redis.ask(&subscribed).await else {
        panic!("counts");
    };
    assert_eq!(counts[1], Reply::Integer(0));
    for number in 1..4 {
        publish(&relay, number).await;
    }
    let first = &relay.ingests[0];
    until("sent", secs(5), async || sent(first, "first").await >= 4.0).await;
    // What came meanwhile was for nobody here: the numbers say so, and there is no gap.
    let mut client = relay.edges[0].client().await;
    let answer = client.subscribe([CHANNEL]).await;
    assert_eq!(answer["seq"], json!({CHANNEL: 4}));
    publish(&relay, 4).await;
    assert_eq!(client.next_json().await["seq"], 5);
}

#[tokio::test]
async fn what_the_roles_cannot_use_is_refused_in_words() {
    let refused = Setup::new("redis://127.0.0.1:1").setting("role", "middle");
    let refused = refused.refused().await;
    assert!(refused.said.contains("both, ingest or edge"), "{refused:?}");
    let redis = Redis::start().await;
    let edge = Tidegate::on(&redis).setting("role", "edge").not_ready();
    let edge = edge.start().await;
    edge.says_why("no ingest host of this fleet-name", secs(10))
        .await;
    // Only a cluster has several.
    let (first, second) = (redis.port(), Redis::start().await);
    let several = format!("redis://127.0.0.1:{first},127.0.0.1:{}", second.port());
    let edge = Setup::new(&several).setting("role", "edge").not_ready();
    let edge = edge.start().await;
    edge.says_why("the one that answers is in none", secs(10))
        .await;
}
