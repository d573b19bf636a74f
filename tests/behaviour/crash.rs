//! The process dies at a bad moment, or its folder was damaged: it comes up on a whole
//! revision, says what it found, and compiles nothing that it knows.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tidegate_tests::admin::everything;
use tidegate_tests::{Guest, Stage, Tidegate, Transform, millis, secs};

/// A tick goes out with this mark.
async fn runs(stage: &Stage, mark: &str) {
    let follower = stage.follower().await;
    stage.tick("AB", 0).await;
    follower.sees_mark(mark, &["AB"], secs(10)).await;
}

async fn compilations(stage: &Stage, outcome: &str) -> f64 {
    let labels = [("outcome", outcome)];
    stage
        .tidegate
        .metric("tidegate_compilations_total", &labels)
        .await
}

#[tokio::test]
async fn killed_in_the_middle_of_a_push_it_comes_up_with_what_ran() {
    let mut stage = Stage::with(&Guest::stamped("a")).await;
    let active = stage.admin.active("ticks").await;
    for (round, delay) in [0, 3, 8, 15, 25, 40, 60, 90].into_iter().enumerate() {
        let admin = stage.admin.clone();
        let bytes = Guest::stamped(&format!("m{round}")).binary();
        let pushing = tokio::spawn(async move {
            let _ = admin.try_send("POST", "/v1/revisions", &bytes).await;
        });
        tokio::time::sleep(millis(delay)).await;
        stage = stage.kill_and_restart().await;
        pushing.await.expect("a push that failed is no panic");
        assert_eq!(stage.admin.active("ticks").await, active);
        assert_eq!(stage.tidegate.stderr().lines_with("damaged"), 0);
        // What is listed is whole: it can be planned.
        for entry in stage.admin.revisions().await {
            let id = entry["revision"]["id"].as_str().expect("an id");
            if entry["role"] == "kept" {
                stage.admin.plan(id).await;
            }
        }
    }
    runs(&stage, "a").await;
    stage.admin.push_and_apply(&Guest::stamped("b")).await;
    runs(&stage, "b").await;
}

#[tokio::test]
async fn killed_in_the_middle_of_an_apply_it_comes_up_on_the_old_or_the_new_revision() {
    let mut stage = Stage::with(&Guest::stamped("a")).await;
    let mut active = (stage.admin.active("ticks").await, "a".to_owned());
    for (round, micros) in [0, 500, 1000, 2000, 3000, 5000, 8000, 15_000]
        .into_iter()
        .enumerate()
    {
        let mark = format!("m{round}");
        let next = stage.admin.push(&Guest::stamped(&mark)).await;
        let plan = stage.admin.plan(&next).await["id"]
            .as_str()
            .expect("an id")
            .to_owned();
        let admin = stage.admin.clone();
        let applying = tokio::spawn(async move {
            let path = format!("/v1/plans/{plan}/apply");
            // The starts within a probation are counted, which is for another test.
            let body = br#"{"probation":false}"#;
            let answer = admin.try_send("POST", &path, body).await;
            answer.is_ok_and(|answer| answer.status == 200)
        });
        tokio::time::sleep(Duration::from_micros(micros)).await;
        stage = stage.kill_and_restart().await;
        let confirmed = applying.await.expect("an apply that failed is no panic");
        let now = stage.admin.active("ticks").await;
        assert!(now == active.0 || now == next, "neither old nor new: {now}");
        assert!(!confirmed || now == next, "what was confirmed is kept");
        assert_eq!(stage.tidegate.stderr().lines_with("damaged"), 0);
        if now == next {
            active = (next, mark);
        }
        runs(&stage, &active.1).await;
    }
}

#[tokio::test]
async fn what_was_applied_outlives_a_restart_and_nothing_is_compiled_again() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    assert_eq!(compilations(&stage, "compiled").await, 1.0);
    let first = stage.admin.active("ticks").await;
    let next = stage.admin.push_and_apply(&Guest::stamped("b")).await;
    assert_eq!(compilations(&stage, "compiled").await, 2.0);
    let stage = stage.kill_and_restart().await;
    let report = stage.admin.transform("ticks").await;
    assert_eq!(report["revision"]["id"], next.as_str(), "{report}");
    assert_eq!(report["previous"], first.as_str(), "{report}");
    assert_eq!(compilations(&stage, "compiled").await, 0.0);
    assert!(compilations(&stage, "cached").await >= 1.0);
    runs(&stage, "b").await;
    stage.admin.rollback("ticks", json!({})).await.done();
    runs(&stage, "a").await;
    assert_eq!(compilations(&stage, "compiled").await, 0.0);
}

/// The files below a part of the state folder.
fn files(stage: &Stage, part: &str) -> Vec<PathBuf> {
    let mut folders = vec![stage.tidegate.state_folder().join(part)];
    let mut found = vec![];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the state") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "nothing in {part}");
    found
}

/// Turns one bit in the middle of a file.
fn damage(file: &Path) {
    let mut bytes = std::fs::read(file).expect("a file of the state");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file, bytes).expect("a file of the state");
}

/// Half of it is missing.
fn cut(file: &Path) {
    let bytes = std::fs::read(file).expect("a file of the state");
    std::fs::write(file, &bytes[..bytes.len() / 2]).expect("a file of the state");
}

/// Kills, lets this happen to the folder, and starts again.
async fn restarted_after(stage: Stage, change: impl FnOnce(&Stage)) -> Stage {
    let (redis, admin) = (stage.redis, stage.admin);
    let mut tidegate: Tidegate = stage.tidegate;
    tidegate.process.kill();
    let stage = Stage {
        redis,
        tidegate,
        admin,
    };
    change(&stage);
    stage.kill_and_restart().await
}

/// A host on `b`, with `a` before it.
async fn on_b() -> (Stage, String, String) {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let first = stage.admin.active("ticks").await;
    let second = stage.admin.push_and_apply(&Guest::stamped("b")).await;
    (stage, first, second)
}

#[tokio::test]
async fn a_damaged_file_of_what_is_wanted_is_said_and_the_other_says_the_same() {
    for harm in [damage, cut, |file: &Path| {
        std::fs::write(file, "").expect("a file")
    }] {
        let (stage, _, second) = on_b().await;
        let stage = restarted_after(stage, |stage| {
            harm(&stage.tidegate.state_folder().join("deployments.json"));
        })
        .await;
        assert_eq!(stage.admin.active("ticks").await, second);
        assert!(
            stage.tidegate.stderr().lines_with("deployments.json") > 0,
            "{:?}",
            stage.tidegate.stderr()
        );
        runs(&stage, "b").await;
        // From here on all is whole again.
        stage.admin.push_and_apply(&Guest::stamped("c")).await;
        let stage = stage.kill_and_restart().await;
        runs(&stage, "c").await;
        assert_eq!(stage.tidegate.stderr().lines_with("damaged"), 0);
    }
}

#[tokio::test]
async fn with_both_damaged_nothing_goes_out_until_somebody_has_looked() {
    let (stage, ..) = on_b().await;
    let stage = restarted_after(stage, |stage| {
        for name in ["deployments.json", "deployments.copy.json"] {
            cut(&stage.tidegate.state_folder().join(name));
        }
    })
    .await;
    assert!(stage.tidegate.stderr().lines_with("is not known any more") > 0);
    let report = stage.admin.transform("ticks").await;
    assert_eq!(report["state"], "paused", "{report:#}");
    stage.admin.resume("ticks").await;
    runs(&stage, "a").await;
}

#[tokio::test]
async fn with_both_gone_from_a_folder_that_was_used_nothing_goes_out_either() {
    let (stage, ..) = on_b().await;
    let stage = restarted_after(stage, |stage| {
        for name in ["deployments.json", "deployments.copy.json"] {
            let path = stage.tidegate.state_folder().join(name);
            std::fs::remove_file(path).expect("it is there");
        }
    })
    .await;
    let report = stage.admin.transform("ticks").await;
    assert_eq!(report["state"], "paused", "{report:#}");
}

#[tokio::test]
async fn a_damaged_component_is_said_and_the_last_good_revision_is_used() {
    let (stage, first, second) = on_b().await;
    let report = stage.admin.transform("ticks").await;
    let digest = report["revision"]["component"]
        .as_str()
        .expect("a digest")
        .to_owned();
    let stage = restarted_after(stage, |stage| {
        let component = format!("components/{digest}.wasm");
        damage(&stage.tidegate.state_folder().join(component));
        files(stage, "compiled")
            .iter()
            .for_each(|file| damage(file));
    })
    .await;
    assert_eq!(stage.admin.active("ticks").await, first);
    let said = stage.tidegate.stderr().text();
    assert!(
        said.contains(&digest[..12]) || said.contains(&second[..12]),
        "{said}"
    );
    runs(&stage, "a").await;
}

#[tokio::test]
async fn a_damaged_record_of_a_revision_is_said_and_the_last_good_one_is_used() {
    let (stage, first, second) = on_b().await;
    let stage = restarted_after(stage, |stage| {
        let record = format!("revisions/{second}.json");
        cut(&stage.tidegate.state_folder().join(record));
    })
    .await;
    assert_eq!(stage.admin.active("ticks").await, first);
    let said = stage.tidegate.stderr().text();
    assert!(said.contains(&second[..12]), "{said}");
    runs(&stage, "a").await;
}

#[tokio::test]
async fn compiled_code_that_was_changed_is_never_loaded() {
    let (stage, ..) = on_b().await;
    let stage = restarted_after(stage, |stage| {
        files(stage, "compiled")
            .iter()
            .for_each(|file| damage(file));
    })
    .await;
    assert_eq!(compilations(&stage, "compiled").await, 2.0);
    runs(&stage, "b").await;
}

#[tokio::test]
async fn compiled_code_of_another_wasmtime_is_thrown_away() {
    let (stage, ..) = on_b().await;
    let unknown = "0".repeat(64);
    let stage = restarted_after(stage, |stage| {
        let file = files(stage, "compiled").remove(0);
        let folder = file.parent().expect("the engine's folder");
        std::fs::rename(folder, folder.with_file_name(&unknown)).expect("one's own folder");
    })
    .await;
    assert_eq!(compilations(&stage, "compiled").await, 2.0);
    let left = stage
        .tidegate
        .state_folder()
        .join("compiled")
        .join(&unknown);
    assert!(!left.exists(), "what cannot be used is still there");
    runs(&stage, "b").await;
}

#[tokio::test]
async fn a_second_host_on_the_same_folder_is_refused() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let folder = stage.tidegate.state_folder();
    let second = Tidegate::on(&stage.redis).setting("state-dir", &folder.to_string_lossy());
    let refused = second.refused().await;
    assert!(
        refused.said.contains("state-dir") || refused.said.contains("state"),
        "{}",
        refused.said
    );
    runs(&stage, "a").await;
}

#[tokio::test]
async fn where_nobody_applied_anything_a_restart_follows_the_settings() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let first = stage.admin.active("ticks").await;
    let stage = restarted_after(stage, |stage| {
        Guest::stamped("b").write(&stage.tidegate.path(""));
    })
    .await;
    assert_ne!(stage.admin.active("ticks").await, first);
    runs(&stage, "b").await;
    // What an operator applied stays, whatever the file becomes.
    stage.admin.apply_revision(&first, everything()).await;
    let stage = restarted_after(stage, |stage| {
        Guest::stamped("c").write(&stage.tidegate.path(""));
    })
    .await;
    assert_eq!(stage.admin.active("ticks").await, first);
    runs(&stage, "a").await;
}

#[tokio::test]
async fn an_apply_in_probation_is_whole_after_a_crash_too() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let next = stage.admin.push(&Guest::stamped("b")).await;
    stage.admin.apply_revision(&next, json!({})).await;
    let stage = stage.kill_and_restart().await;
    assert_eq!(stage.admin.active("ticks").await, next);
    runs(&stage, "b").await;
}

#[tokio::test]
async fn without_a_state_folder_transforms_cannot_be_changed() {
    let redis = tidegate_tests::Redis::start().await;
    let setup = Tidegate::on(&redis).admin_token(tidegate_tests::settings::OPERATOR);
    let file = Guest::stamped("a").write(&setup.path(""));
    let tidegate = setup.transform(Transform::file(&file)).start().await;
    let admin = tidegate.admin_api();
    assert_eq!(admin.transform("ticks").await["state"], "live");
    let said = admin
        .try_push(&Guest::stamped("b"))
        .await
        .refused(409, "no-state-dir");
    assert!(said.contains("--state-dir"), "{said}");
}
