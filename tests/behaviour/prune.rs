//! Revisions come and go: disk and memory stay bounded, and what may still be needed stays.

use std::path::Path;

use serde_json::json;
use tidegate_tests::admin::revision_of;
use tidegate_tests::{Guest, Stage, secs};

const PUSHES: usize = 500;
const KEPT: usize = 10;

/// Bytes and number of all files in a folder.
fn size(folder: &Path) -> (u64, usize) {
    let entries = std::fs::read_dir(folder).expect("a folder of the state");
    let each = entries.map(|entry| {
        let entry = entry.expect("an entry");
        let about = entry.metadata().expect("nobody removes it now");
        if about.is_dir() {
            size(&entry.path())
        } else {
            (about.len(), 1)
        }
    });
    each.fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_pushes_leave_a_bounded_folder_and_what_ran() {
    let stage = Stage::set(&Guest::stamped("a"), |setup| {
        setup.setting("keep-revisions", &KEPT.to_string())
    })
    .await;
    let a = stage.admin.active("ticks").await;
    let b = stage.admin.push_and_apply(&Guest::stamped("b")).await;
    let mut newest = String::new();
    let (mut memory, mut disk) = (0, (0, 0));
    for number in 1..=PUSHES {
        newest = stage
            .admin
            .push(&Guest::stamped(&format!("n{number}")))
            .await;
        if number == PUSHES / 5 {
            memory = stage.tidegate.process.resident_bytes();
            disk = size(&stage.tidegate.state_folder());
        }
    }
    let revisions = stage.admin.revisions().await;
    assert_eq!(revisions.len(), KEPT + 2);
    assert_eq!(
        revisions[0]["revision"]["id"],
        newest.as_str(),
        "the newest comes first"
    );
    assert_eq!(stage.role(&a).await.as_deref(), Some("previous"));
    assert_eq!(stage.role(&b).await.as_deref(), Some("active"));
    assert_eq!(
        stage.tidegate.metric("tidegate_revisions", &[]).await,
        revisions.len() as f64
    );
    let now = size(&stage.tidegate.state_folder());
    // The audit log grows by a line a push.
    assert!(now.1 <= disk.1 + 2, "{} files, then {}", disk.1, now.1);
    assert!(
        now.0 < disk.0 + (512 << 10),
        "{} bytes, then {}",
        disk.0,
        now.0
    );
    let grown = stage
        .tidegate
        .process
        .resident_bytes()
        .saturating_sub(memory);
    assert!(grown < 32 << 20, "{} MiB more memory", grown >> 20);
    let follower = stage.follower().await;
    stage.tick("AB", 0).await;
    follower.sees_mark("b", &["AB"], secs(10)).await;
    stage.admin.rollback("ticks", json!({})).await.done();
    assert_eq!(stage.admin.active("ticks").await, a);
}

#[tokio::test]
async fn what_was_active_and_is_no_longer_previous_may_go() {
    let stage = Stage::set(&Guest::stamped("a"), |setup| {
        setup.setting("keep-revisions", "0")
    })
    .await;
    let a = stage.admin.active("ticks").await;
    let b = stage.admin.push_and_apply(&Guest::stamped("b")).await;
    let c = stage.admin.push_and_apply(&Guest::stamped("c")).await;
    let d = revision_of(&stage.admin.try_push(&Guest::stamped("d")).await.done());
    assert_eq!(stage.role(&a).await, None);
    assert_eq!(stage.role(&b).await.as_deref(), Some("previous"));
    assert_eq!(stage.role(&c).await.as_deref(), Some("active"));
    let to = json!({"to": a});
    let gone = stage.admin.rollback("ticks", to).await;
    gone.refused(404, "no-such-revision");
    // The one that was just sent is there for its plan, though nothing is to be kept.
    stage.admin.plan(&d).await;
}

#[tokio::test]
async fn what_was_used_last_stays_however_old_it_is() {
    let stage = Stage::set(&Guest::stamped("a"), |setup| {
        setup.setting("keep-revisions", "2")
    })
    .await;
    let old = stage.admin.push(&Guest::stamped("old")).await;
    let middle = stage.admin.push(&Guest::stamped("middle")).await;
    assert_eq!(stage.admin.push(&Guest::stamped("old")).await, old);
    let stage = stage.kill_and_restart().await;
    let newest = stage.admin.push(&Guest::stamped("newest")).await;
    assert_eq!(stage.role(&old).await.as_deref(), Some("kept"));
    assert_eq!(stage.role(&newest).await.as_deref(), Some("kept"));
    assert_eq!(stage.role(&middle).await, None);
    // What has just gone out of use was used until now.
    let first = stage.admin.active("ticks").await;
    stage
        .admin
        .apply_revision(&newest, json!({"probation": false}))
        .await;
    stage
        .admin
        .apply_revision(&old, json!({"probation": false}))
        .await;
    stage.admin.push(&Guest::stamped("later")).await;
    assert_eq!(stage.role(&first).await.as_deref(), Some("kept"));
}
