//! Where a rollback leads after something has failed, and what a probation counts.

use serde_json::{Value, json};
use tidegate_tests::admin::everything;
use tidegate_tests::guest::Failing;
use tidegate_tests::{Feed, Guest, Stage, eventually, millis, secs};

/// Applies a candidate that traps and waits until it is taken back.
async fn fails(stage: &Stage, mark: &str) {
    let candidate = Guest::stamped(mark).failing(Failing::Trap);
    let bad = stage.admin.push(&candidate).await;
    stage
        .admin
        .apply_revision(&bad, json!({"allow_failing": true}))
        .await;
    stage.admin.returns_from("ticks", &bad, secs(30)).await;
}

#[tokio::test]
async fn after_two_that_failed_a_rollback_leads_to_neither() {
    let stage = Stage::with(&Guest::stamped("old")).await;
    let old = stage.admin.active("ticks").await;
    let new = stage.admin.push_and_apply(&Guest::stamped("new")).await;
    let feed = Feed::start(&stage.redis, &["AB", "XY", "XZ"], 200).await;
    fails(&stage, "bad").await;
    fails(&stage, "worse").await;
    feed.stop().await;
    let report = stage.admin.transform("ticks").await;
    assert_eq!(report["revision"]["id"], new.as_str(), "{report:#}");
    // It is loaded again once the failed ones are gone.
    let leads = |report: &Value| report["previous"] == old.as_str();
    let what = "with the old one behind it";
    stage.admin.becomes("ticks", what, secs(30), leads).await;
    let back = stage.admin.rollback("ticks", json!({})).await.done();
    assert_eq!(back["to"], old.as_str());
}

#[tokio::test]
async fn a_return_that_was_not_over_when_the_host_died_is_not_forgotten() {
    let stage = Stage::with(&Guest::stamped("good")).await;
    let good = stage.admin.active("ticks").await;
    let feed = Feed::start(&stage.redis, &["AB", "XY", "XZ"], 200).await;
    fails(&stage, "bad").await;
    let stage = stage.kill_and_restart().await;
    // What the disk did not have yet when the host died is found out once more.
    let is_back = |report: &Value| report["revision"]["id"] == good.as_str();
    let what = "back at the good one";
    let report = stage.admin.becomes("ticks", what, secs(30), is_back).await;
    assert_eq!(report["previous"], Value::Null, "{report:#}");
    stage
        .admin
        .rollback("ticks", json!({}))
        .await
        .refused(409, "no-previous");
    feed.stop().await;
}

#[tokio::test]
async fn a_first_revision_that_fails_is_paused_and_nothing_falls_back_on_it() {
    let stage = Stage::with(&Guest::stamped("other")).await;
    let bad = Guest::stamped("bad").failing(Failing::Trap).named("tocks");
    let bad = stage.admin.push(&bad).await;
    let consent = json!({"allow_wider": true});
    stage.admin.apply_revision(&bad, consent).await;
    let feed = Feed::start(&stage.redis, &["AB", "XY", "XZ"], 200).await;
    let evidence = stage.admin.returns_from("tocks", &bad, secs(30)).await;
    assert_eq!(evidence["to"], Value::Null, "{evidence}");
    let report = stage.admin.transform("tocks").await;
    assert_eq!(report["state"], "paused", "{report:#}");
    let good = stage
        .admin
        .push(&Guest::stamped("good").named("tocks"))
        .await;
    let applied = stage.admin.apply_revision(&good, everything()).await;
    assert_eq!(applied["paused"], true, "{applied}");
    let report = stage.admin.resume("tocks").await;
    assert_eq!(report["previous"], Value::Null, "{report:#}");
    let works = |report: &Value| report["figures"]["events"].as_u64() > Some(0);
    stage
        .admin
        .becomes("tocks", "events", secs(10), works)
        .await;
    feed.stop().await;
}

#[tokio::test]
async fn while_a_transform_is_paused_the_clock_of_its_probation_stands() {
    let stage = Stage::set(&Guest::stamped("a"), |setup| {
        setup
            .setting("probation-time", "1500ms")
            .setting("probation-min-events", "0")
    })
    .await;
    let next = stage.admin.push(&Guest::stamped("b")).await;
    stage.admin.apply_revision(&next, json!({})).await;
    stage.admin.pause("ticks").await;
    let left = async || {
        let report = stage.admin.transform("ticks").await;
        report["probation"]["ends_in_seconds"].as_f64()
    };
    // The clock may tick once more before it sees the pause.
    tokio::time::sleep(millis(500)).await;
    let before = left().await.expect("on probation");
    tokio::time::sleep(millis(2000)).await;
    assert_eq!(left().await, Some(before));
    stage.admin.resume("ticks").await;
    eventually("the end of the probation", secs(10), async || {
        left().await.is_none().then_some(())
    })
    .await;
    assert_eq!(stage.admin.active("ticks").await, next);
}
