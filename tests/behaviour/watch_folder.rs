//! A folder whose components are pushed and applied as they are put there.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tidegate_tests::{Guest, Setup, Stage, eventually, millis, secs};

async fn watching(change: impl FnOnce(Setup) -> Setup) -> Stage {
    Stage::set(&Guest::stamped("a"), |setup| change(setup.watching())).await
}

fn folder(stage: &Stage) -> PathBuf {
    stage.tidegate.path("put-here")
}

/// Moves a whole file there at once, as a careful tool does.
fn put(stage: &Stage, name: &str, bytes: &[u8]) {
    let beside = stage.tidegate.path("beside");
    std::fs::write(&beside, bytes).expect("a file in one's own folder");
    std::fs::rename(&beside, folder(stage).join(name)).expect("the same file system");
}

/// What the watched folder led to, by the result in the history.
async fn results(stage: &Stage, result: &str) -> Vec<Value> {
    let history = stage.admin.history().await;
    let ours = |entry: &Value| entry["by"] == "watch" && entry["result"] == result;
    history.into_iter().filter(ours).collect()
}

/// Waits for a result in the history.
async fn comes_to(stage: &Stage, result: &str) -> Value {
    eventually(result, secs(10), async || {
        results(stage, result).await.pop()
    })
    .await
}

async fn runs(stage: &Stage, mark: &str) {
    let from = |report: &Value| report["by"] == "watch";
    stage
        .admin
        .becomes("ticks", "applied by watch", secs(10), from)
        .await;
    let follower = stage.follower().await;
    let mut number = 0;
    eventually(mark, secs(10), async || {
        stage.tick("AB", number).await;
        number += 1;
        let marks = follower.marks("AB");
        (marks.last().map(String::as_str) == Some(mark)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_put_there_is_applied_and_so_is_what_replaces_it() {
    let stage = watching(|setup| setup).await;
    put(&stage, "ticks.wasm", &Guest::stamped("b").binary());
    runs(&stage, "b").await;
    let report = stage.admin.transform("ticks").await;
    let origin = report["revision"]["origin"].as_str().unwrap_or_default();
    assert!(origin.contains("ticks.wasm"), "{report:#}");
    assert!(
        !report["probation"].is_null(),
        "it goes the same way: {report:#}"
    );
    put(&stage, "ticks.wasm", &Guest::stamped("c").binary());
    runs(&stage, "c").await;
    std::fs::write(
        folder(&stage).join("ticks.wasm"),
        Guest::stamped("d").binary(),
    )
    .expect("written in place");
    runs(&stage, "d").await;
    // What is taken away stays active.
    std::fs::remove_file(folder(&stage).join("ticks.wasm")).expect("it is there");
    let stage = stage.kill_and_restart().await;
    runs(&stage, "d").await;
}

#[tokio::test]
async fn a_file_that_is_still_being_copied_waits_until_it_is_whole() {
    let stage = watching(|setup| setup).await;
    let bytes = Guest::stamped("b").binary();
    let path = folder(&stage).join("ticks.wasm");
    let mut file = std::fs::File::create(&path).expect("a file in one's own folder");
    for piece in bytes.chunks(bytes.len() / 8 + 1) {
        file.write_all(piece).expect("room on the disk");
        file.sync_all().expect("room on the disk");
        // The copy is slow: that is what is tried here.
        tokio::time::sleep(millis(150)).await;
    }
    drop(file);
    runs(&stage, "b").await;
    let refused = results(&stage, "check-failed").await;
    assert!(refused.is_empty(), "{refused:#?}");
}

#[tokio::test]
async fn a_broken_file_is_refused_once_and_said() {
    let stage = watching(|setup| setup).await;
    let before = stage.admin.active("ticks").await;
    put(&stage, "broken.wasm", b"this is no component");
    let entry = comes_to(&stage, "check-failed").await;
    assert!(
        entry["detail"]
            .as_str()
            .is_some_and(|detail| !detail.is_empty()),
        "{entry}"
    );
    eventually("a line of the log", secs(10), async || {
        (stage.tidegate.stderr().lines_with("broken.wasm") > 0).then_some(())
    })
    .await;
    assert_eq!(stage.admin.active("ticks").await, before);
    for mark in ["b", "c"] {
        put(&stage, "ticks.wasm", &Guest::stamped(mark).binary());
        runs(&stage, mark).await;
    }
    assert_eq!(results(&stage, "check-failed").await.len(), 1);
    // Another content is another try.
    put(
        &stage,
        "broken.wasm",
        &Guest::lying_in_samples("x").binary(),
    );
    eventually("a second refusal", secs(10), async || {
        (results(&stage, "check-failed").await.len() == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_clients_would_see_more_of_waits_for_an_operator() {
    let stage = watching(|setup| setup).await;
    let before = stage.admin.active("ticks").await;
    put(&stage, "ticks.wasm", &Guest::wider("b").binary());
    comes_to(&stage, "needs-allow-wider").await;
    assert_eq!(stage.admin.active("ticks").await, before);
    // It is here already: an operator needs its name only.
    let kept = stage.admin.revisions().await;
    let wider = kept
        .iter()
        .find(|revision| revision["role"] == "kept")
        .expect("it was pushed");
    let id = wider["revision"]["id"].as_str().expect("an id");
    let consent = serde_json::json!({"allow_wider": true});
    stage.admin.apply_revision(id, consent).await;
}

#[tokio::test]
async fn with_the_setting_a_wider_one_is_applied_and_a_breaking_one_is_not() {
    let stage = watching(|setup| setup.setting("watch-allow", "wider")).await;
    put(&stage, "ticks.wasm", &Guest::wider("b").binary());
    runs(&stage, "b").await;
    put(&stage, "ticks.wasm", &Guest::stamped("c").binary());
    comes_to(&stage, "needs-allow-breaking").await;
    let follower = stage.follower().await;
    stage.tick("AB", 0).await;
    follower.sees_mark("b", &["AB"], secs(10)).await;
}

#[tokio::test]
async fn only_components_count_and_what_lies_there_at_the_start_counts_too() {
    let stage = watching(|setup| {
        let there: &Path = &setup.path("put-here");
        std::fs::write(there.join("ticks.wasm"), Guest::stamped("b").binary()).expect("a file");
        std::fs::write(there.join("notes.txt"), "no component").expect("a file");
        std::fs::write(there.join(".ticks.wasm.swp"), "no component").expect("a file");
        setup
    })
    .await;
    runs(&stage, "b").await;
    assert!(results(&stage, "check-failed").await.is_empty());
}
