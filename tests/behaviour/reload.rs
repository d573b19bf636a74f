//! Swaps while thousands of events a second go to many clients: nothing is lost, doubled,
//! reordered, or mixed.

use std::time::Instant;

use serde_json::json;
use tidegate_tests::{Feed, Guest, Stage, millis, secs};

const SYMBOLS: [&str; 4] = ["AB", "CD", "EF", "GH"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_twenty_swaps_at_five_thousand_events_a_second_fifty_clients_miss_nothing() {
    let stage = Stage::with(&Guest::stamped("first")).await;
    let followers = stage.followers(50).await;
    let feed = Feed::start(&stage.redis, &SYMBOLS, 5000).await;
    let mut marks = vec!["first".to_owned()];
    followers[0].sees_mark("first", &SYMBOLS, secs(10)).await;
    for round in 0..10 {
        let mark = format!("m{round}");
        stage.admin.push_and_apply(&Guest::stamped(&mark)).await;
        followers[0].sees_mark(&mark, &SYMBOLS, secs(10)).await;
        stage.admin.rollback("ticks", json!({})).await.done();
        followers[0].sees_mark("first", &SYMBOLS, secs(10)).await;
        marks.extend([mark, "first".to_owned()]);
    }
    let sent = feed.stop().await;
    for follower in &followers {
        follower.has_all(&sent, secs(30)).await;
        for symbol in SYMBOLS {
            assert_eq!(follower.marks(symbol), marks, "{symbol}");
        }
    }
    // Every client saw each switch at the same event.
    let cuts = followers[0].look(|seen| seen.symbols.clone());
    for follower in &followers {
        assert_eq!(follower.look(|seen| seen.symbols.clone()), cuts);
    }
    for (kind, count) in [("apply", 10.0), ("rollback", 10.0)] {
        let labels = [("transform", "ticks"), ("kind", kind)];
        let metrics = stage.tidegate.metrics().await;
        assert_eq!(metrics.sum("tidegate_swaps_total", &labels), count);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_four_lanes_each_channel_switches_once_and_keeps_its_order() {
    let symbols: Vec<String> = (b'A'..=b'P').map(|c| char::from(c).to_string()).collect();
    let symbols: Vec<&str> = symbols.iter().map(String::as_str).collect();
    let stage = Stage::tables(
        &Guest::stamped("a"),
        |setup| setup,
        |table| table.set("lanes", "4"),
    )
    .await;
    assert_eq!(stage.admin.transform("ticks").await["lanes"], 4);
    let follower = stage.follower().await;
    let feed = Feed::start(&stage.redis, &symbols, 4000).await;
    follower.sees_mark("a", &symbols, secs(10)).await;
    for mark in ["b", "c", "d"] {
        stage.admin.push_and_apply(&Guest::stamped(mark)).await;
        follower.sees_mark(mark, &symbols, secs(10)).await;
    }
    let sent = feed.stop().await;
    follower.has_all(&sent, secs(20)).await;
    for symbol in symbols {
        assert_eq!(follower.marks(symbol), ["a", "b", "c", "d"], "{symbol}");
    }
}

/// A host with two revisions that were both active: these two.
async fn with_two() -> (Stage, [String; 2]) {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let first = stage.admin.active("ticks").await;
    let second = stage.admin.push_and_apply(&Guest::stamped("b")).await;
    (stage, [first, second])
}

/// Goes back to a revision that was active before.
async fn back_to(stage: &Stage, revision: &str) {
    stage
        .admin
        .rollback("ticks", json!({"to": revision}))
        .await
        .done();
}

#[tokio::test]
async fn old_instances_and_old_code_are_given_back() {
    let (stage, both) = with_two().await;
    let swap = async |count: usize| {
        for round in 0..count {
            stage.tick("AB", 1).await;
            back_to(&stage, &both[round % 2]).await;
        }
    };
    swap(10).await;
    let before = stage.tidegate.process.resident_bytes();
    let threads = stage.tidegate.process.threads();
    swap(60).await;
    let grown = stage
        .tidegate
        .process
        .resident_bytes()
        .saturating_sub(before);
    assert!(grown < 24 << 20, "{} MiB more memory", grown >> 20);
    tidegate_tests::until("no more threads than before", secs(10), async || {
        stage.tidegate.process.threads() <= threads
    })
    .await;
}

#[tokio::test]
async fn an_apply_is_said_in_the_report_the_log_and_the_metrics() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let before = stage.admin.active("ticks").await;
    let next = stage
        .admin
        .push(&Guest::stamped("b").version("1.1.0"))
        .await;
    let applied = stage.admin.apply_revision(&next, json!({})).await;
    assert_eq!(applied["transform"], "ticks");
    assert_eq!(applied["from"], before.as_str());
    assert_eq!(applied["to"], next.as_str());
    assert_eq!(applied["probation_seconds"], 60.0);
    let micros = applied["switch_micros"]
        .as_u64()
        .expect("a switch was made");
    assert!(micros < 5_000_000, "{micros}");
    let report = stage.admin.transform("ticks").await;
    assert_eq!(report["revision"]["id"], next.as_str());
    assert_eq!(report["revision"]["version"], "1.1.0");
    assert_eq!(report["previous"], before.as_str());
    assert_eq!(report["by"], "admin");
    assert_eq!(report["state"], "live");
    let ends = report["probation"]["ends_in_seconds"].as_f64();
    assert!(
        ends.is_some_and(|ends| ends > 1.0 && ends <= 60.0),
        "{report}"
    );
    let metrics = stage.tidegate.metrics().await;
    let short = &next[..12];
    let labels = [
        ("transform", "ticks"),
        ("revision", short),
        ("version", "1.1.0"),
    ];
    let info = "tidegate_transform_revision_info";
    assert_eq!(metrics.sum(info, &labels), 1.0, "{}", metrics.text());
    assert_eq!(metrics.sum(info, &[("transform", "ticks")]), 1.0);
    let probation = "tidegate_transform_probation";
    assert_eq!(metrics.sum(probation, &[("transform", "ticks")]), 1.0);
    stage.tick("AB", 0).await;
    let events = [("transform", "ticks"), ("revision", short)];
    stage
        .tidegate
        .metric_becomes("tidegate_revision_events_total", &events, 1.0)
        .await;
    let said = stage.tidegate.stderr().text();
    let line = said.lines().find(|line| line.contains(short));
    assert!(line.is_some(), "the swap is not in the log: {said}");
}

#[tokio::test]
async fn probation_ends_by_itself_and_can_be_left_out() {
    let stage = Stage::set(&Guest::stamped("a"), |setup| {
        setup.setting("probation-time", "500ms")
    })
    .await;
    let next = stage.admin.push(&Guest::stamped("b")).await;
    stage.admin.apply_revision(&next, json!({})).await;
    for number in 0..20 {
        stage.tick("AB", number).await;
    }
    stage
        .admin
        .becomes("ticks", "the end of the probation", secs(10), |report| {
            report["probation"].is_null()
        })
        .await;
    assert_eq!(stage.admin.active("ticks").await, next);
    let next = stage.admin.push(&Guest::stamped("c")).await;
    let consent = json!({"probation": false});
    let applied = stage.admin.apply_revision(&next, consent).await;
    assert!(applied["probation_seconds"].is_null(), "{applied}");
    assert!(stage.admin.transform("ticks").await["probation"].is_null());
}

#[tokio::test]
async fn a_rollback_is_as_fast_as_an_apply() {
    let (stage, both) = with_two().await;
    let mut fastest = secs(60);
    for round in 0..5 {
        let started = Instant::now();
        back_to(&stage, &both[round % 2]).await;
        fastest = fastest.min(started.elapsed());
    }
    assert!(fastest < millis(500), "{fastest:?} for the fastest of five");
}
