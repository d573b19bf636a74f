//! What a revision on probation falls back on: the last that was good, whatever was applied on top
//! of what, and however often the process starts.

use serde_json::{Value, json};
use tidegate_tests::guest::Failing;
use tidegate_tests::{Feed, Guest, Stage, secs};

#[tokio::test]
async fn an_apply_on_top_of_a_probation_falls_back_on_the_last_good_one() {
    let stage = Stage::set(&Guest::stamped("good"), |setup| {
        setup.setting("probation-time", "60s")
    })
    .await;
    let good = stage.admin.active("ticks").await;
    let unproven = stage.admin.push(&Guest::stamped("unproven")).await;
    stage.admin.apply_revision(&unproven, json!({})).await;
    let bad = Guest::stamped("bad").failing(Failing::Trap);
    let bad = stage.admin.push(&bad).await;
    stage
        .admin
        .apply_revision(&bad, json!({"allow_failing": true}))
        .await;
    let follower = stage.follower().await;
    let feed = Feed::start(&stage.redis, &["AB", "XY"], 100).await;
    stage.admin.returns_from("ticks", &bad, secs(30)).await;
    let sent = feed.stop().await;
    follower.has_all(&sent, secs(10)).await;
    let marks = follower.marks("XY");
    assert!(!marks.contains(&"unproven".to_owned()), "{marks:?}");
    assert_eq!(stage.admin.active("ticks").await, good);
    assert_ne!(stage.admin.active("ticks").await, unproven);
}

#[tokio::test]
async fn the_third_start_within_one_probation_takes_the_revision_back() {
    let mut stage = Stage::set(&Guest::stamped("a"), |setup| {
        setup.setting("probation-time", "10m")
    })
    .await;
    let a = stage.admin.active("ticks").await;
    let b = stage.admin.push(&Guest::stamped("b")).await;
    stage.admin.apply_revision(&b, json!({})).await;
    for _ in 0..2 {
        stage = stage.kill_and_restart().await;
        assert_eq!(stage.admin.active("ticks").await, b);
        let report = stage.admin.transform("ticks").await;
        assert!(!report["probation"].is_null(), "{report:#}");
    }
    let stage = stage.kill_and_restart().await;
    assert_eq!(stage.admin.active("ticks").await, a);
    let report = stage.admin.transform("ticks").await;
    assert_eq!(report["withdrawn"], json!([b]), "{report:#}");
    let history = stage.admin.history().await;
    let returned = |entry: &&Value| entry["action"] == "return";
    let returned = history.iter().find(returned).expect("it is written down");
    assert!(
        returned["detail"].to_string().contains("3 starts"),
        "{returned}"
    );
}

#[tokio::test]
async fn what_has_stood_its_probation_is_not_tried_again_by_any_start() {
    let mut stage = Stage::set(&Guest::stamped("a"), |setup| {
        setup
            .setting("probation-time", "100ms")
            .setting("probation-min-events", "1")
    })
    .await;
    let b = stage.admin.push(&Guest::stamped("b")).await;
    let applied = stage.admin.apply_revision(&b, json!({})).await;
    assert!(!applied["probation_seconds"].is_null(), "{applied:#}");
    let feed = Feed::start(&stage.redis, &["AB", "XY"], 100).await;
    let has_stood = |report: &Value| report["probation"].is_null();
    let what = "out of its probation";
    stage
        .admin
        .becomes("ticks", what, secs(30), has_stood)
        .await;
    feed.stop().await;
    // Its answer comes when all that was decided before it is on the disk.
    stage.admin.resume("ticks").await;
    for _ in 0..4 {
        stage = stage.kill_and_restart().await;
        let report = stage.admin.transform("ticks").await;
        assert_eq!(report["revision"]["id"], b.as_str(), "{report:#}");
        assert!(report["probation"].is_null(), "{report:#}");
    }
}

#[tokio::test]
async fn a_wanted_revision_that_cannot_be_loaded_is_taken_up_when_it_can() {
    let stage = Stage::set(&Guest::stamped("a"), |setup| {
        setup.setting("probation-time", "0s")
    })
    .await;
    let a = stage.admin.active("ticks").await;
    let b = stage.admin.push_and_apply(&Guest::stamped("b")).await;
    let report = stage.admin.transform("ticks").await;
    let digest = report["revision"]["component"].as_str().expect("a digest");
    let (setup, key) = stage.tidegate.killed();
    setup.harm_component(digest);
    let tidegate = setup.start_with_key(key).await;
    let admin = tidegate.admin_api();
    let report = admin.transform("ticks").await;
    assert_eq!(report["revision"]["id"], a.as_str(), "{report:#}");
    let trouble = report["trouble"].to_string();
    assert!(trouble.contains(&b[..12]), "{report:#}");
    let labels = [("transform", "ticks")];
    tidegate
        .metric_becomes("tidegate_transform_fallback", &labels, 1.0)
        .await;
    let (status, body) = tidegate.ready().await;
    assert_eq!(status, 200);
    assert!(
        body["notes"].to_string().contains("cannot be made ready"),
        "{body}"
    );
    let history = admin.history().await;
    assert!(history.iter().any(|entry| entry["action"] == "fallback"));
    // It is sent again, and nobody has to ask for it.
    admin.push(&Guest::stamped("b")).await;
    let is = |report: &Value| report["revision"]["id"] == b.as_str();
    admin.becomes("ticks", "what is wanted", secs(90), is).await;
    tidegate
        .metric_becomes("tidegate_transform_fallback", &labels, 0.0)
        .await;
}
