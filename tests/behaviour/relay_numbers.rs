//! The numbers of a relay when its Redis does not keep them, its bounds, and the rights that its
//! hosts need.

use std::sync::{Arc, Mutex};

use rustix::process::Signal;
use serde_json::Value;
use tidegate_tests::arrivals::{a_candle_comes, next_event};
use tidegate_tests::delivery::Publisher;
use tidegate_tests::payloads::{candle, candle_channel, number_of};
use tidegate_tests::relay::{OF_ALL, is_in_step};
use tidegate_tests::resp::{Reply, Resp};
use tidegate_tests::rights::refusals_in;
use tidegate_tests::sentinels::Sentinels;
use tidegate_tests::{Client, Guest, Redis, Relay, Setup, eventually, millis, secs, until};

const CHANNEL: &str = "candles:BTC-USD:1h";

async fn publish(relay: &Relay, number: usize) {
    let channel = candle_channel(1, "BTC-USD", "1h");
    relay.redis.publish(&channel, candle(number)).await;
}

/// A new client's epoch, once it is another one than before.
async fn another_epoch(relay: &Relay, before: &str) -> (Client, String) {
    eventually("another epoch", secs(20), async || {
        let mut client = relay.edges[0].client().await;
        let answer = client.subscribe([CHANNEL]).await;
        let epoch = answer["epoch"].as_str()?.to_owned();
        (epoch != before).then_some((client, epoch))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_redis_was_emptied_or_started_again_sessions_end_and_find_another_epoch() {
    let mut relay = Relay::of(1, 1).await;
    let mut client = relay.edges[0].client().await;
    let answer = client.subscribe([CHANNEL]).await;
    let mut epoch = answer["epoch"].as_str().expect("an epoch").to_owned();
    for number in 0..3 {
        publish(&relay, number).await;
        assert_eq!(next_event(&mut client).await["seq"], number + 1);
    }
    for restarts in [false, true] {
        if restarts {
            relay.redis.restart(&[]).await;
        } else {
            relay.redis.ask(&["FLUSHALL"]).await;
        }
        publish(&relay, 7).await;
        let (code, _) = client.closed_within(secs(20)).await;
        assert_eq!(code, 1012);
        let (fresh, name) = another_epoch(&relay, &epoch).await;
        (client, epoch) = (fresh, name);
        a_candle_comes(&relay.redis, &mut client).await;
    }
    let renumbered = relay.edges[0]
        .metric("tidegate_relay_renumbered_total", &[])
        .await;
    assert_eq!(renumbered, 2.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_go_on_when_ingest_hosts_come_and_go() {
    let mut relay = Relay::of(1, 1).await;
    let mut client = relay.edges[0].client().await;
    let epoch = client.subscribe([CHANNEL]).await["epoch"].clone();
    publish(&relay, 0).await;
    assert_eq!(next_event(&mut client).await["seq"], 1);
    relay.ingests[0].process.kill();
    let next = relay.ingest(None).start().await;
    // It begins where the first one counts as dead.
    let message = eventually("the next message", secs(20), async || {
        publish(&relay, 1).await;
        let text = client.text_within(millis(200)).await?;
        let message: Value = serde_json::from_str(&text).expect("JSON");
        message.get("data").is_some().then_some(message)
    })
    .await;
    assert_eq!(message["seq"], 2);
    let mut again = relay.edges[0].client().await;
    let answer = again.subscribe([CHANNEL]).await;
    assert_eq!(answer["epoch"], epoch);
    drop(next);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_beyond_the_bound_of_an_ingest_host_are_told_as_gaps() {
    let ticks = Guest::stamped("a");
    let two = |setup: Setup| setup.setting("max-channels", "2");
    let relay = Relay::with(1, 1, Some(&ticks), two).await;
    let mut client = relay.subscriber(0, ["ticks:AB", "ticks:CD"]).await;
    for symbol in ["AB", "CD", "EF"] {
        relay.tick(symbol, 1).await;
    }
    let mut heard = Vec::new();
    until("two messages and gaps", secs(10), async || {
        if let Some(text) = client.text_within(secs(1)).await {
            heard.push(text);
        }
        let with = |word: &str| heard.iter().filter(|text| text.contains(word)).count();
        with("\"data\"") == 2 && with("\"transform\"") >= 1
    })
    .await;
    assert_eq!(
        relay.ingests[0]
            .metric("tidegate_relay_dropped_total", &[])
            .await,
        1.0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_full_is_told_as_a_gap_and_goes_on() {
    let relay = Relay::with(1, 1, None, |setup| {
        setup.setting("relay-queue-size", "64KiB")
    })
    .await;
    let mut client = relay.subscriber(0, [CHANNEL]).await;
    publish(&relay, 0).await;
    next_event(&mut client).await;
    // Events still come, and nothing goes out.
    relay
        .redis
        .ask(&["ACL", "SETUSER", "default", "-spublish"])
        .await;
    for number in 1..=500 {
        publish(&relay, number).await;
    }
    let dropped = "tidegate_relay_dropped_total";
    until("dropped messages", secs(10), async || {
        relay.ingests[0].metric(dropped, &[]).await > 0.0
    })
    .await;
    relay
        .redis
        .ask(&["ACL", "SETUSER", "default", "+spublish"])
        .await;
    until("a gap", secs(20), async || {
        let text = client.text_within(secs(1)).await.unwrap_or_default();
        text.contains("\"gap\"") && text.contains("\"transform\"")
    })
    .await;
    a_candle_comes(&relay.redis, &mut client).await;
    relay.ingests[0]
        .metric_becomes("tidegate_relay_queue_bytes", &[], 0.0)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_printed_rules_are_enough_for_both_roles() {
    let relay = Relay::of(0, 0).await;
    let allow = async |redis: &Redis, command: &[&str]| redis.ask(command).await;
    let relay = relay.with_printed_rights(allow).await;
    let mut client = relay.subscriber(0, ["candles:*:*"]).await;
    a_candle_comes(&relay.redis, &mut client).await;
    client.close().await;
    let log = relay.redis.ask(&["ACL", "LOG"]).await;
    assert_eq!(refusals_in(&log), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_sentinels_promote_another_master_both_roles_follow_and_numbers_begin_anew() {
    let mut watched = Sentinels::start().await;
    let ingest = Setup::new(&watched.url())
        .setting("role", "ingest")
        .without_keys()
        .start()
        .await;
    let edge = Setup::new(&watched.url())
        .setting("role", "edge")
        .start()
        .await;
    let mut client = edge.subscriber([CHANNEL]).await;
    let old = watched.master().await;
    let channel = candle_channel(1, "BTC-USD", "1h");
    watched.server(old).publish(&channel, candle(1)).await;
    assert_eq!(next_event(&mut client).await["seq"], 1);
    watched.server_mut(old).kill();
    let new = watched.promote_another(old).await;
    let (code, _) = client.closed_within(secs(30)).await;
    assert_eq!(code, 1012);
    let mut client = edge.subscriber([CHANNEL]).await;
    until("a message by the new master", secs(20), async || {
        watched.server(new).publish(&channel, candle(2)).await;
        let text = client.text_within(millis(300)).await.unwrap_or_default();
        text.contains("\"data\"")
    })
    .await;
    drop(ingest);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_missed_events_lets_one_that_is_still_at_them_go_first() {
    let mut relay = Relay::of(1, 1).await;
    let brings = async |relay: &Relay| {
        let list = ["CLIENT", "LIST", "TYPE", "PUBSUB"];
        let list = relay.redis.ask(&list).await.text();
        let classic = list.lines().filter(|line| !line.contains(" psub=0 "));
        let ids = classic.filter_map(|line| line.strip_prefix("id=")?.split(' ').next());
        ids.map(str::to_owned).collect::<Vec<String>>()
    };
    let first = brings(&relay).await;
    relay.ingests.push(relay.ingest(None).start().await);
    is_in_step(&relay.ingests[1]).await;
    let mut client = relay.edges[0].client().await;
    client.subscribe([CHANNEL]).await;
    publish(&relay, 1).await;
    assert_eq!(next_event(&mut client).await["seq"], 1);
    relay.ingests[1].process.signal(Signal::STOP);
    let mut kill = vec!["CLIENT", "KILL", "ID"];
    kill.extend(first.iter().map(String::as_str));
    relay.redis.ask(&kill).await;
    for number in 2..5 {
        publish(&relay, number).await;
    }
    until("the first host again", secs(5), async || {
        let now = brings(&relay).await;
        now.len() == 2 && !now.contains(&first[0])
    })
    .await;
    publish(&relay, 5).await;
    let early = client.text_within(millis(200)).await.unwrap_or_default();
    relay.ingests[1].process.signal(Signal::CONT);
    assert!(!early.contains("\"data\""), "{early}");
    for number in 2..6 {
        let message = next_event(&mut client).await;
        assert_eq!(number_of(&message), number);
    }
}

/// What ingest hosts send to edges: of each message its generation and its event.
async fn listen(redis: &Redis) -> Arc<Mutex<Vec<(String, usize)>>> {
    let mut connection = Resp::connect(redis.port()).await.expect("it listens");
    let channel = format!("tidegate:relay:tidegate:{{{CHANNEL}}}");
    let subscribe: [&[u8]; 2] = [b"SSUBSCRIBE", channel.as_bytes()];
    connection.ask(&subscribe).await.expect("an answer");
    let heard = Arc::<Mutex<Vec<_>>>::default();
    let into = heard.clone();
    tokio::spawn(async move {
        while let Ok(Reply::Array(push)) = connection.reply().await {
            let text = push[2].text();
            let (head, message) = text.split_once('\n').expect("a head and a message");
            let generation = head.split(' ').nth(1).expect("a generation").to_owned();
            let message = serde_json::from_str(message).expect("JSON");
            let mut heard = into.lock().expect("nothing fails while it is held");
            heard.push((generation, number_of(&message)));
        }
    });
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_another_epoch_nothing_comes_behind_that_was_sent_in_the_one_before() {
    let relay = Relay::of(1, 0).await;
    let (proxy, late) = relay.ingest_by_a_proxy().await;
    let heard = listen(&relay.redis).await;
    let publisher = Publisher::start(&[relay.redis.port()], 500);
    publisher.takes(500).await;
    proxy.delay(millis(10));
    for _ in 0..2 {
        publisher.takes(500).await;
        relay.redis.ask(&["DEL", OF_ALL]).await;
        publisher.takes(500).await;
        for ingest in [&relay.ingests[0], &late] {
            is_in_step(ingest).await;
        }
    }
    publisher.stop().await;
    let heard = heard
        .lock()
        .expect("nothing fails while it is held")
        .clone();
    let mut epochs = 1;
    for pair in heard.windows(2) {
        let ((before, last), (generation, event)) = (&pair[0], &pair[1]);
        epochs += usize::from(before != generation);
        assert!(before != generation || last < event, "{event} after {last}");
    }
    assert_eq!(epochs, 3);
    let mut events: Vec<usize> = heard.into_iter().map(|(_, event)| event).collect();
    events.sort_unstable();
    let hole = events.windows(2).find(|pair| pair[0] + 1 < pair[1]);
    assert_eq!(hole, None);
}
