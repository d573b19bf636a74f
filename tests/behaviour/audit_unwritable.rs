//! An audit log that cannot be written: what stops something happens and is written later, what
//! starts something is refused before it is done; and what is tried again and again is said once.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_tests::admin::{everything, text};
use tidegate_tests::binary::{run, said};
use tidegate_tests::{Guest, Setup, Stage, eventually, secs};

/// Where the log is, and where it is put meanwhile.
fn paths(stage: &Stage) -> (PathBuf, PathBuf) {
    let path = stage.tidegate.state_folder().join("audit.jsonl");
    let aside = path.with_file_name("aside");
    (path, aside)
}

/// Nobody, not even root, writes a line to a folder.
fn block(stage: &Stage) {
    let (path, aside) = paths(stage);
    fs::rename(&path, aside).expect("one's own file");
    fs::create_dir(path).expect("a folder in its place");
}

fn unblock(stage: &Stage) {
    let (path, aside) = paths(stage);
    fs::remove_dir(&path).expect("an empty folder");
    fs::rename(aside, path).expect("one's own file");
}

async fn nothing_waits(stage: &Stage) {
    stage
        .tidegate
        .metric_becomes("tidegate_audit_waiting", &[], 0.0)
        .await;
}

async fn actions(stage: &Stage) -> Vec<String> {
    let history = stage.admin.history().await;
    let words = |entry: &Value| format!("{} {}", text(&entry["action"]), text(&entry["result"]));
    history.iter().map(words).collect()
}

fn in_order(stage: &Stage) {
    let folder = stage.tidegate.state_folder();
    let output = run(&folder, &["audit", "verify", "audit.jsonl"]);
    assert!(output.status.success(), "{}", said(&output));
}

#[tokio::test]
async fn a_stop_happens_says_that_it_is_not_written_and_is_written_later() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let first = stage.admin.active("ticks").await;
    stage.admin.push_and_apply(&Guest::stamped("b")).await;
    let before = actions(&stage).await.len();
    block(&stage);
    let rolled = stage.admin.rollback("ticks", json!({})).await.done();
    assert_eq!(rolled["to"], first.as_str());
    let paused = stage.admin.pause("ticks").await;
    assert_eq!(paused["state"], "paused");
    for answer in [&rolled, &paused] {
        let warning = text(&answer["not_yet"][0]);
        assert!(warning.contains("audit log"), "{answer:#}");
    }
    let waiting = stage.tidegate.metric("tidegate_audit_waiting", &[]).await;
    assert_eq!(waiting, 2.0);
    unblock(&stage);
    nothing_waits(&stage).await;
    let written = actions(&stage).await;
    assert_eq!(written[before..], ["rollback done", "pause done"]);
    in_order(&stage);
    let again = stage.admin.resume("ticks").await;
    assert!(again["not_yet"].is_null(), "{again:#}");
}

#[tokio::test]
async fn a_start_is_refused_before_it_is_done_with_what_to_do() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let first = stage.admin.active("ticks").await;
    let next = stage.admin.push(&Guest::stamped("b")).await;
    let plan = stage.admin.plan(&next).await;
    stage.admin.pause("ticks").await;
    block(&stage);
    let kept = stage.admin.revisions().await.len();
    let path = format!("/v1/revisions/{next}/shadow");
    let refused = [
        stage.admin.apply(text(&plan["id"]), everything()).await,
        stage
            .admin
            .post("/v1/transforms/ticks/resume", json!({}))
            .await,
        stage.admin.try_push(&Guest::stamped("c")).await,
        stage.admin.settings("ticks", json!({"settings": {}})).await,
        stage.admin.post(&path, json!({"show_input": true})).await,
    ];
    for answer in refused {
        let refusal = answer.refused(500, "audit-unwritable");
        assert!(refusal.contains("make room"), "{refusal}");
    }
    let report = stage.admin.transform("ticks").await;
    assert_eq!(report["state"], "paused");
    assert_eq!(report["revision"]["id"], first.as_str());
    assert_eq!(stage.admin.revisions().await.len(), kept);
    unblock(&stage);
    nothing_waits(&stage).await;
    stage
        .admin
        .apply(text(&plan["id"]), everything())
        .await
        .done();
    let refusals = actions(&stage).await;
    let refusals = refusals
        .iter()
        .filter(|line| line.ends_with(" audit-unwritable"));
    assert_eq!(refusals.count(), 5);
    in_order(&stage);
}

#[tokio::test]
async fn what_has_no_room_to_wait_is_counted_and_the_count_is_written() {
    let stage = Stage::set(&Guest::stamped("a"), |setup| {
        setup.setting("audit-queue", "4")
    })
    .await;
    stage.admin.resume("ticks").await;
    let before = actions(&stage).await.len();
    block(&stage);
    for _ in 0..7 {
        assert_eq!(stage.admin.pause("ticks").await["state"], "paused");
    }
    assert_eq!(
        stage.tidegate.metric("tidegate_audit_waiting", &[]).await,
        4.0
    );
    assert_eq!(
        stage
            .tidegate
            .metric("tidegate_audit_lost_total", &[])
            .await,
        3.0
    );
    unblock(&stage);
    nothing_waits(&stage).await;
    let written = actions(&stage).await;
    let mut expected = vec!["pause done"; 4];
    expected.push("lost done");
    assert_eq!(written[before..], expected);
    let history = stage.admin.history().await;
    let detail = text(&history[history.len() - 1]["detail"]);
    assert!(detail.starts_with("3 entries"), "{detail}");
    in_order(&stage);
}

#[tokio::test]
async fn a_file_of_the_watched_folder_that_is_tried_again_is_written_once() {
    let stage = Stage::set(&Guest::stamped("a"), Setup::watching).await;
    let of_watch = async || {
        let mut history = stage.admin.history().await;
        history.retain(|entry| entry["by"] == "watch");
        history
    };
    // What has no state to be kept in is tried again, as it may be there later.
    let components = stage.tidegate.state_folder().join("components");
    let aside = components.with_file_name("components-aside");
    fs::rename(&components, &aside).expect("one's own folder");
    fs::write(&components, "").expect("a file in its place");
    let file = stage.tidegate.path("put-here").join("ticks.wasm");
    fs::write(&file, Guest::stamped("b").binary()).expect("one's own file");
    let refusals = || stage.tidegate.stderr().text();
    let tries = || {
        refusals()
            .matches("a watched component was not applied")
            .count()
    };
    eventually("three tries", secs(60), async || {
        (tries() >= 3).then_some(())
    })
    .await;
    let written = of_watch().await;
    assert_eq!(written.len(), 1, "{written:#?}");
    assert_eq!(written[0]["result"], "state-unwritable");
    let detail = text(&written[0]["detail"]);
    assert!(detail.contains("watch: ticks.wasm, component "), "{detail}");
    fs::remove_file(&components).expect("one's own file");
    fs::rename(&aside, &components).expect("one's own folder");
    let applied = |report: &Value| report["by"] == "watch";
    let within = Duration::from_secs(30);
    stage
        .admin
        .becomes("ticks", "applied", within, applied)
        .await;
    // It runs before the log says so.
    let written = eventually("all of it in the log", secs(10), async || {
        Some(of_watch().await).filter(|written| written.len() >= 4)
    })
    .await;
    let results: Vec<_> = written.iter().map(|entry| text(&entry["result"])).collect();
    assert_eq!(results, ["state-unwritable", "done", "done", "done"]);
}
