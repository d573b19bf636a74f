//! Families of which only the latest message of a channel counts: who is behind gets the newest
//! of each channel and is told of no gap, and a family of which each message counts loses nothing
//! beside it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tidegate_tests::admin::{everything, text};
use tidegate_tests::{Client, Guest, Setup, Stage, secs, until};

/// Symbols, and ticks of each: far more than the kernel takes for a client that does not read.
const SYMBOLS: [&str; 8] = ["AA", "BB", "CC", "DD", "EE", "FF", "GG", "HH"];
const ROUNDS: u64 = 400;

fn latest(mark: &str) -> Guest {
    Guest::stamped(mark).descriptor(|descriptor| descriptor.latest = true)
}

/// Nobody is cut.
fn patient(setup: Setup) -> Setup {
    setup.setting("stall-limit", "1h").setting("loops", "1")
}

/// One that does not read before it is asked to.
async fn idle(stage: &Stage, pattern: &str) -> Client {
    let connect = stage.tidegate.connect().receive_buffer(4096);
    let mut client = connect.open().await;
    client.subscribe([pattern]).await;
    client
}

async fn rise(stage: &Stage, from: u64) {
    for round in from..from + ROUNDS {
        for symbol in SYMBOLS {
            stage.tick(symbol, round).await;
        }
    }
}

/// The numbers that came of each channel.
fn numbers(messages: &[Value]) -> BTreeMap<String, Vec<u64>> {
    let mut numbers = BTreeMap::<String, Vec<u64>>::new();
    for message in messages {
        let (Some(channel), Some(seq)) = (message["channel"].as_str(), message["seq"].as_u64())
        else {
            panic!("{message}");
        };
        assert_eq!(message["data"]["tick"]["n"], seq, "{message}");
        numbers.entry(channel.to_owned()).or_default().push(seq);
    }
    numbers
}

/// How many they are; each channel's only grow.
fn in_order(numbers: &BTreeMap<String, Vec<u64>>) -> usize {
    for (channel, numbers) in numbers {
        assert!(numbers.is_sorted_by(|a, b| a < b), "{channel}: {numbers:?}");
    }
    numbers.values().map(Vec::len).sum()
}

/// The numbers that came of each channel, up to the last of each; nothing else did.
async fn numbers_of(client: &mut Client) -> BTreeMap<String, Vec<u64>> {
    let (mut messages, mut newest) = (Vec::new(), 0);
    while newest < SYMBOLS.len() {
        messages.push(client.next_json().await);
        newest += usize::from(messages.last().is_some_and(|last| last["seq"] == ROUNDS));
    }
    client.expect_nothing_before_pong().await;
    numbers(&messages)
}

async fn of_family(stage: &Stage, metric: &str, family: &str) -> f64 {
    stage.tidegate.metric(metric, &[("family", family)]).await
}

#[tokio::test]
async fn who_is_behind_gets_the_newest_of_each_channel_and_an_every_family_beside_it_is_whole() {
    let stage = Stage::set(&latest("a"), patient).await;
    let every = Guest::stamped("t").named("tocks");
    stage.admin.push_and_apply(&every).await;
    let mut behind = idle(&stage, "ticks:*").await;
    let mut beside = idle(&stage, "tocks:*").await;
    let whole = stage.tidegate.subscriber(["tocks:*"]).await.record();
    let fast = stage.tidegate.subscriber(["ticks:*"]).await.record();
    rise(&stage, 1).await;
    let sent = SYMBOLS.len() * usize::try_from(ROUNDS).unwrap();
    whole.reaches(sent, secs(20)).await;
    let ticks = numbers_of(&mut behind).await;
    let got = in_order(&ticks);
    assert!(got < sent, "{got} of {sent}: it was not behind");
    until("the fast client to have the newest", secs(10), async || {
        let newest = |numbers: &Vec<u64>| numbers.last() == Some(&ROUNDS);
        let numbers = numbers(&fast.messages());
        numbers.len() == SYMBOLS.len() && numbers.values().all(newest)
    })
    .await;
    let got_fast = in_order(&numbers(&fast.messages()));
    assert!(got_fast > got, "{got_fast} is no more than {got}");
    let tocks = numbers_of(&mut beside).await;
    let expected: Vec<u64> = (1..=ROUNDS).collect();
    assert!(tocks.values().all(|numbers| *numbers == expected));
    // Each message was given to both who had subscribed, or a newer one took its place.
    let got = got + got_fast;
    for (metric, count) in [
        ("tidegate_family_messages_total", got),
        ("tidegate_family_replaced_total", 2 * sent - got),
    ] {
        assert_eq!(
            of_family(&stage, metric, "ticks").await,
            count as f64,
            "{metric}"
        );
    }
    assert_eq!(
        of_family(&stage, "tidegate_family_replaced_total", "tocks").await,
        0.0
    );
    assert_eq!(
        stage.tidegate.metric("tidegate_missed_total", &[]).await,
        0.0
    );
}

/// One who is behind until the log has let go of all that waits for it.
async fn passed_by(snapshot_size: &str) -> (Stage, Client) {
    let short = |setup| {
        patient(setup)
            .setting("lag-limit", "500ms")
            .setting("snapshot-size", snapshot_size)
    };
    let stage = Stage::set(&latest("a"), short).await;
    let behind = idle(&stage, "ticks:*").await;
    let fast = stage.tidegate.subscriber(["ticks:*"]).await.record();
    rise(&stage, 1).await;
    until("the last to be sent", secs(20), async || {
        let texts = fast.texts();
        let last = format!(r#""seq":{ROUNDS},"#);
        texts.iter().filter(|text| text.contains(&last)).count() == SYMBOLS.len()
    })
    .await;
    until("the log to be too old", secs(10), async || {
        stage.tidegate.metric("tidegate_log_bytes", &[]).await < 2048.0
    })
    .await;
    (stage, behind)
}

#[tokio::test]
async fn whom_the_log_has_passed_by_gets_the_newest_all_the_same() {
    let (stage, mut behind) = passed_by("16MiB").await;
    let ticks = numbers_of(&mut behind).await;
    for (channel, numbers) in &ticks {
        assert!(numbers.is_sorted_by(|a, b| a < b), "{channel}: {numbers:?}");
    }
    assert_eq!(
        stage.tidegate.metric("tidegate_missed_total", &[]).await,
        0.0
    );
    assert_eq!(
        stage.tidegate.metric("tidegate_unheld_total", &[]).await,
        0.0
    );
    let held = stage.tidegate.metric("tidegate_held_bytes", &[]).await;
    assert!(held > 0.0);
}

#[tokio::test]
async fn what_there_was_no_room_to_hold_is_told_as_a_gap() {
    let (stage, mut behind) = passed_by("1KiB").await;
    let held = stage.tidegate.metric("tidegate_held_bytes", &[]).await;
    assert!((1.0..=1024.0).contains(&held), "{held} bytes");
    assert!(stage.tidegate.metric("tidegate_unheld_total", &[]).await > 0.0);
    let mut last = BTreeMap::new();
    let mut gaps = 0;
    while last.len() < SYMBOLS.len() || last.values().any(|seq| *seq != ROUNDS) {
        let message = behind.next_json().await;
        let Some(channel) = message["channel"].as_str() else {
            continue;
        };
        let seq = if message["type"] == "gap" {
            assert_eq!(message["reason"], "slow", "{message}");
            gaps += 1;
            &message["to"]
        } else {
            &message["seq"]
        };
        last.insert(channel.to_owned(), seq.as_u64().expect("a number"));
    }
    assert!(gaps > 0 && gaps < SYMBOLS.len(), "{gaps} gaps");
}

#[tokio::test]
async fn subscribed_says_which_of_its_channels_are_latest_and_only_where_some_are() {
    let stage = Stage::set(&latest("a"), patient).await;
    let every = Guest::stamped("t").named("tocks");
    stage.admin.push_and_apply(&every).await;
    let mut client = stage.tidegate.client().await;
    let asked = |channels: Value| json!({"action": "subscribe", "channels": channels});
    let answer = client
        .ask(asked(json!(["tocks:*", "ticks:AA", "ticks:*"])))
        .await;
    assert_eq!(answer["latest"], json!(["ticks:AA", "ticks:*"]));
    let answer = client.ask(asked(json!(["tocks:AA"]))).await;
    let names: Vec<_> = answer.as_object().expect("an object").keys().collect();
    assert_eq!(names, ["type", "channels", "epoch", "seq"]);
}

#[tokio::test]
async fn the_served_document_says_how_a_family_is_delivered() {
    let guest = latest("a").descriptor(|descriptor| descriptor.snapshot = true);
    let stage = Stage::set(&guest, patient).await;
    let served =
        tidegate_tests::http::get(stage.tidegate.public(), "/public/v1/asyncapi.yaml", &[]).await;
    let document: Value = serde_saphyr::from_str(&served.body).expect("YAML");
    let tick = &document["components"]["messages"]["tick"];
    assert_eq!(tick["x-delivery"], "latest", "{tick:#}");
    assert_eq!(tick["x-snapshot-on-subscribe"], true, "{tick:#}");
}

#[tokio::test]
async fn a_change_to_latest_breaks_clients_and_the_way_back_does_not() {
    let stage = Stage::set(&Guest::stamped("a"), patient).await;
    let next = stage.admin.push(&latest("b")).await;
    let plan = stage.admin.plan(&next).await;
    let refused = stage.admin.apply(text(&plan["id"]), json!({})).await;
    let said = refused.refused(409, "needs-allow-breaking");
    assert!(said.contains("--allow-breaking"), "{said}");
    stage.admin.apply_revision(&next, everything()).await;
    let back = stage.admin.push(&Guest::stamped("c")).await;
    stage.admin.apply_revision(&back, json!({})).await;
}
