//! The last message of a channel for whoever subscribes: before anything newer, once, and only
//! while the revision that made it runs.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tidegate_tests::admin::everything;
use tidegate_tests::guest::Failing;
use tidegate_tests::{Client, Guest, Setup, Stage, secs};

fn with_snapshot(mark: &str) -> Guest {
    Guest::stamped(mark).descriptor(|descriptor| descriptor.snapshot = true)
}

async fn stage() -> Stage {
    Stage::with(&with_snapshot("a")).await
}

/// One tick, which somebody has got.
async fn ticked(stage: &Stage, symbol: &str, number: u64) {
    let mut witness = stage.tidegate.client().await;
    witness.subscribe([&*format!("ticks:{symbol}")]).await;
    stage.tick(symbol, number).await;
    let mark = format!(r#""n":{number}}}"#);
    while !witness.next_text().await.contains(&mark) {}
}

/// The number, the mark of the revision and the tick of the next message.
async fn next(client: &mut Client) -> (u64, String, u64) {
    let message = client.next_json().await;
    let data = &message["data"];
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{message}"));
    let mark = data["rev"].as_str().unwrap_or_else(|| panic!("{message}"));
    (
        number(&message["seq"]),
        mark.to_owned(),
        number(&data["tick"]["n"]),
    )
}

fn of(seq: u64, mark: &str, n: u64) -> (u64, String, u64) {
    (seq, mark.to_owned(), n)
}

async fn nothing_for_who_comes(stage: &Stage) {
    let mut client = stage.tidegate.subscriber(["ticks:*"]).await;
    client.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn who_subscribes_gets_the_last_message_and_then_newer_ones() {
    let stage = stage().await;
    for number in 1..=3 {
        ticked(&stage, "AB", number).await;
    }
    let mut client = stage.tidegate.client().await;
    let answer = client.subscribe(["ticks:AB"]).await;
    assert_eq!(answer["seq"], json!({"ticks:AB": 3}));
    assert_eq!(next(&mut client).await, of(3, "a", 3));
    stage.tick("AB", 4).await;
    assert_eq!(next(&mut client).await, of(4, "a", 4));
    client.expect_nothing_before_pong().await;
    // Whoever comes again, after a connection or a subscription has ended, gets it again.
    client
        .ask(json!({"action": "unsubscribe", "channels": ["ticks:AB"]}))
        .await;
    client.subscribe(["ticks:AB"]).await;
    assert_eq!(next(&mut client).await, of(4, "a", 4));
    let mut again = stage.tidegate.subscriber(["ticks:AB"]).await;
    assert_eq!(next(&mut again).await, of(4, "a", 4));
}

#[tokio::test]
async fn a_channel_that_the_session_had_already_comes_no_second_time() {
    let stage = stage().await;
    for symbol in ["AB", "CD"] {
        ticked(&stage, symbol, 1).await;
    }
    let mut client = stage.tidegate.subscriber(["ticks:AB", "ticks:AB"]).await;
    assert_eq!(client.next_json().await["channel"], "ticks:AB");
    client.subscribe(["ticks:*"]).await;
    assert_eq!(client.next_json().await["channel"], "ticks:CD");
    client.subscribe(["ticks:CD", "ticks:EF"]).await;
    client.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn a_wildcard_gets_each_channel_once_also_by_a_client_that_does_not_read_at_first() {
    const CHANNELS: usize = 700;
    let stage = stage().await;
    let symbol = |at: usize| -> String {
        let letters = [at / 676, at / 26 % 26, at % 26];
        letters
            .map(|letter| char::from(b'A' + u8::try_from(letter).unwrap()))
            .iter()
            .collect()
    };
    for at in 0..CHANNELS - 1 {
        stage.tick(&symbol(at), 1).await;
    }
    ticked(&stage, &symbol(CHANNELS - 1), 1).await;
    let connect = stage.tidegate.connect().receive_buffer(4096);
    let mut client = connect.open().await;
    client.subscribe(["ticks:*"]).await;
    // Newer than all of these.
    ticked(&stage, &symbol(0), 2).await;
    let mut seen = BTreeSet::new();
    for _ in 0..CHANNELS {
        let message = client.next_json().await;
        let channel = message["channel"].as_str().expect("a channel").to_owned();
        assert_eq!(
            message["seq"],
            if message["data"]["tick"]["n"] == 2 {
                2
            } else {
                1
            }
        );
        if message["seq"] == 1 {
            assert!(seen.insert(channel), "{message}");
        }
    }
    // The first was given before its newer one, or that came in its place.
    assert!(seen.len() >= CHANNELS - 1);
    if seen.len() == CHANNELS {
        assert_eq!(client.next_json().await["seq"], 2);
    }
    client.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn there_is_none_beyond_the_room_for_them_and_operators_see_that() {
    let stage = Stage::set(&with_snapshot("a"), |setup: Setup| {
        setup.setting("snapshot-size", "1KiB")
    })
    .await;
    let symbols: Vec<String> = ('A'..='T').map(|letter| letter.to_string()).collect();
    for symbol in &symbols {
        ticked(&stage, symbol, 1).await;
    }
    let unheld = stage.tidegate.metric("tidegate_unheld_total", &[]).await;
    let bytes = stage.tidegate.metric("tidegate_held_bytes", &[]).await;
    assert!((1.0..=1024.0).contains(&bytes), "{bytes}");
    // The first ones came first.
    let held = symbols.len() - unheld as usize;
    assert!(held > 0 && unheld > 0.0, "{held} held, {unheld} not");
    let mut client = stage.tidegate.subscriber(["ticks:*"]).await;
    for symbol in &symbols[..held] {
        assert_eq!(
            client.next_json().await["channel"],
            format!("ticks:{symbol}")
        );
    }
    client.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn what_another_revision_has_made_is_no_snapshot_any_more() {
    let stage = stage().await;
    ticked(&stage, "AB", 1).await;
    let before = stage.admin.active("ticks").await;
    stage.admin.push_and_apply(&with_snapshot("b")).await;
    nothing_for_who_comes(&stage).await;
    ticked(&stage, "AB", 2).await;
    let mut client = stage.tidegate.subscriber(["ticks:*"]).await;
    assert_eq!(next(&mut client).await, of(2, "b", 2));
    stage.admin.rollback("ticks", json!({})).await.done();
    assert_eq!(stage.admin.active("ticks").await, before);
    nothing_for_who_comes(&stage).await;
    let held = stage.tidegate.metric("tidegate_held_bytes", &[]).await;
    assert_eq!(held, 0.0);
    // Whoever was there before is told nothing of it, and gets what comes.
    ticked(&stage, "AB", 3).await;
    assert_eq!(next(&mut client).await, of(3, "a", 3));
    let mut late = stage.tidegate.subscriber(["ticks:AB"]).await;
    assert_eq!(next(&mut late).await, of(3, "a", 3));
}

#[tokio::test]
async fn what_a_revision_made_that_failed_its_probation_is_no_snapshot() {
    let stage = stage().await;
    ticked(&stage, "AB", 1).await;
    let failing = with_snapshot("b").failing(Failing::Trap);
    let bad = stage.admin.push(&failing).await;
    stage.admin.apply_revision(&bad, json!({})).await;
    ticked(&stage, "AB", 2).await;
    let mut client = stage.tidegate.subscriber(["ticks:AB"]).await;
    assert_eq!(next(&mut client).await, of(2, "b", 2));
    for number in 0..10 {
        stage.tick("XX", number).await;
    }
    stage.admin.returns_from("ticks", &bad, secs(30)).await;
    let mut late = stage.tidegate.subscriber(["ticks:AB"]).await;
    late.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn a_pause_ends_all_snapshots_and_a_resume_brings_none_back() {
    let stage = stage().await;
    ticked(&stage, "AB", 1).await;
    stage.admin.pause("ticks").await;
    let paused = json!({"type": "status", "channel": "ticks:*", "state": "paused"});
    let mut client = stage.tidegate.subscriber(["ticks:*"]).await;
    assert_eq!(client.next_json().await, paused);
    client.expect_nothing_before_pong().await;
    stage.admin.resume("ticks").await;
    nothing_for_who_comes(&stage).await;
    ticked(&stage, "AB", 2).await;
    let mut late = stage.tidegate.subscriber(["ticks:*"]).await;
    assert_eq!(next(&mut late).await, of(2, "a", 2));
}

#[tokio::test]
async fn what_a_transform_made_that_was_removed_is_no_snapshot_of_the_next() {
    let stage = stage().await;
    let tocks = |mark: &str| with_snapshot(mark).named("tocks");
    stage.admin.push_and_apply(&tocks("t")).await;
    let mut witness = stage.tidegate.subscriber(["tocks:AB"]).await;
    stage.tick("AB", 1).await;
    assert_eq!(next(&mut witness).await, of(1, "t", 1));
    let removed = stage.tidegate.transform(&["remove", "tocks"]).await;
    assert!(removed.status.success(), "{removed:?}");
    stage.admin.push_and_apply(&tocks("u")).await;
    let mut late = stage.tidegate.subscriber(["tocks:*"]).await;
    late.expect_nothing_before_pong().await;
    stage.tick("AB", 2).await;
    assert_eq!(next(&mut late).await, of(2, "u", 2));
}

#[tokio::test]
async fn other_settings_end_all_snapshots() {
    let stage =
        Stage::with(&Guest::showing_settings("a").descriptor(|of| of.snapshot = true)).await;
    stage.tick("AB", 1).await;
    stage
        .tidegate
        .metric_becomes("tidegate_channels", &[], 1.0)
        .await;
    let asked = json!({"settings": {"mark": "second"}});
    let pushed = stage.admin.settings("ticks", asked).await.done();
    let next = tidegate_tests::admin::revision_of(&pushed);
    stage.admin.apply_revision(&next, everything()).await;
    nothing_for_who_comes(&stage).await;
}
