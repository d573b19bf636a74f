//! What was taken back stays away: by whichever door it could come again, until somebody names it.

use serde_json::{Value, json};
use tidegate_tests::admin::{everything, text};
use tidegate_tests::guest::Failing;
use tidegate_tests::{Feed, Guest, Redis, Setup, Stage, Tidegate, Transform, eventually, secs};

/// A host on `a` from its settings, on which `w`, which is wider, was good and was taken back.
async fn with_a_withdrawn_one() -> (Stage, String, String) {
    let stage = Stage::set(&Guest::stamped("a"), |setup| {
        setup
            .setting("probation-time", "0s")
            .watching()
            .setting("watch-allow", "breaking")
    })
    .await;
    let a = stage.admin.active("ticks").await;
    let wide = stage.admin.push(&Guest::wider("w")).await;
    stage.admin.apply_revision(&wide, everything()).await;
    let back = stage.admin.rollback("ticks", json!({})).await.done();
    assert_eq!(back["to"], a.as_str());
    (stage, a, wide)
}

#[tokio::test]
async fn a_rollback_that_is_asked_for_twice_does_not_go_forward_again() {
    let (stage, a, wide) = with_a_withdrawn_one().await;
    let again = stage.admin.rollback("ticks", json!({})).await;
    again.refused(409, "no-previous");
    assert_eq!(stage.admin.active("ticks").await, a);
    assert_eq!(stage.role(&wide).await.as_deref(), Some("withdrawn"));
    let report = stage.admin.transform("ticks").await;
    assert_eq!(report["withdrawn"], json!([wide]), "{report:#}");
    assert_eq!(report["previous"], Value::Null, "{report:#}");
}

#[tokio::test]
async fn who_names_it_gets_it_with_the_consent_that_it_needs() {
    let (stage, _, wide) = with_a_withdrawn_one().await;
    let named = json!({"to": wide});
    let refused = stage.admin.rollback("ticks", named).await;
    let says = refused.refused(409, "needs-allow-wider");
    assert!(says.contains("--allow-wider"), "{says}");
    let agreed = json!({"to": wide, "allow_wider": true});
    stage.admin.rollback("ticks", agreed).await.done();
    assert_eq!(stage.admin.active("ticks").await, wide);
    let report = stage.admin.transform("ticks").await;
    let withdrawn = report["withdrawn"].as_array().expect("a list");
    assert!(!withdrawn.contains(&json!(wide)), "{report:#}");
}

#[tokio::test]
async fn a_file_with_its_bytes_does_not_bring_it_back_nor_does_a_restart() {
    let (stage, a, wide) = with_a_withdrawn_one().await;
    let file = stage.tidegate.path("put-here").join("ticks.wasm");
    std::fs::write(&file, Guest::wider("w").binary()).expect("a file");
    let refused = async |stage: &Stage| {
        let history = stage.admin.history().await;
        let by_file = |entry: &&Value| entry["by"] == "watch" && entry["result"] == "withdrawn";
        history.iter().filter(by_file).count()
    };
    eventually("a word about it", secs(10), async || {
        (stage.tidegate.stderr().lines_with("was taken back") > 0).then_some(())
    })
    .await;
    assert_eq!(stage.admin.active("ticks").await, a);
    let stage = stage.kill_and_restart().await;
    eventually("a word about it again", secs(10), async || {
        (stage.tidegate.stderr().lines_with("was taken back") > 0).then_some(())
    })
    .await;
    assert_eq!(stage.admin.active("ticks").await, a);
    assert_eq!(stage.role(&wide).await.as_deref(), Some("withdrawn"));
    assert_eq!(refused(&stage).await, 0, "nothing was tried");
}

#[tokio::test]
async fn a_start_that_cannot_load_what_is_wanted_does_not_fall_back_on_it() {
    let (stage, _, wide) = with_a_withdrawn_one().await;
    let next = stage.admin.push(&Guest::stamped("b")).await;
    stage.admin.apply_revision(&next, everything()).await;
    let digest = |revision: &Value| text(&revision["revision"]["component"]).to_owned();
    let kept = stage.admin.revisions().await;
    let of = |id: &str| {
        let mut kept = kept.iter();
        digest(
            kept.find(|revision| revision["revision"]["id"] == id)
                .expect("it is kept"),
        )
    };
    let wanted = of(&next);
    let (setup, key) = stage.tidegate.killed();
    let components = setup.state_folder().join("components");
    let path = components.join(format!("{wanted}.wasm"));
    let bytes = std::fs::read(&path).expect("it is there");
    // As long as the disk cannot read it: the record stays, and the file is of the right size.
    std::fs::remove_file(&path).expect("it is there");
    std::fs::create_dir(&path).expect("a folder in its place");
    let tidegate = setup.start_with_key(key).await;
    let admin = tidegate.admin_api();
    let report = admin.transform("ticks").await;
    assert_ne!(report["revision"]["id"], wide.as_str(), "{report:#}");
    std::fs::remove_dir(&path).expect("it is empty");
    std::fs::write(&path, bytes).expect("room on the disk");
    drop(tidegate);
}

#[tokio::test]
async fn what_failed_its_probation_is_not_applied_again_by_the_file_that_brought_it() {
    let stage = Stage::set(&Guest::stamped("a"), Setup::watching).await;
    let a = stage.admin.active("ticks").await;
    let feed = Feed::start(&stage.redis, &["AB"], 200).await;
    let file = stage.tidegate.path("put-here").join("ticks.wasm");
    let bad = Guest::stamped("bad").failing(Failing::Trap);
    // No event that it fails on has come yet, so no plan says so.
    std::fs::write(&file, bad.binary()).expect("a file");
    eventually("the apply", secs(10), async || {
        let report = stage.admin.transform("ticks").await;
        (report["by"] == "watch").then_some(())
    })
    .await;
    let feed_more = Feed::start(&stage.redis, &["XY"], 200).await;
    eventually("the return", secs(30), async || {
        let report = stage.admin.transform("ticks").await;
        (!report["returned"].is_null()).then_some(())
    })
    .await;
    assert_eq!(stage.admin.active("ticks").await, a);
    let applies = async || {
        let history = stage.admin.history().await;
        let done = |entry: &&Value| entry["action"] == "apply" && entry["result"] == "done";
        history.iter().filter(done).count()
    };
    assert_eq!(applies().await, 1);
    // The same bytes as another file, as a volume that is mounted anew has them.
    let beside = stage.tidegate.path("beside");
    std::fs::write(&beside, bad.binary()).expect("a file");
    std::fs::rename(&beside, &file).expect("the same file system");
    stage.redis.publish("feed:ticks:XY", r#"{"n":1}"#).await;
    tokio::time::sleep(secs(3)).await;
    assert_eq!(applies().await, 1, "the bytes are the same wish");
    feed.stop().await;
    feed_more.stop().await;
}

#[tokio::test]
async fn a_removed_transform_whose_file_lies_in_the_folder_stays_removed() {
    let stage = Stage::set(&Guest::stamped("a"), |setup| {
        setup.watching().setting("watch-allow", "wider")
    })
    .await;
    let file = stage.tidegate.path("put-here").join("tocks.wasm");
    std::fs::write(&file, Guest::stamped("t").named("tocks").binary()).expect("a file");
    let there = async |stage: &Stage| stage.admin.get("/v1/transforms/tocks").await.status == 200;
    eventually("the transform of the file", secs(10), async || {
        there(&stage).await.then_some(())
    })
    .await;
    stage.admin.delete("/v1/transforms/tocks").await.done();
    assert!(!there(&stage).await);
    let stage = stage.kill_and_restart().await;
    eventually("a word about the file", secs(10), async || {
        (stage.tidegate.stderr().lines_with("tocks.wasm") > 0).then_some(())
    })
    .await;
    assert!(!there(&stage).await);
    // Who puts another file there wants something.
    std::fs::write(&file, Guest::stamped("u").named("tocks").binary()).expect("a file");
    eventually("the transform of the new file", secs(10), async || {
        there(&stage).await.then_some(())
    })
    .await;
}

#[tokio::test]
async fn settings_that_show_more_are_not_followed_at_a_start_unless_they_may() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let a = stage.admin.active("ticks").await;
    let (setup, key) = stage.tidegate.killed();
    let [wide, narrow] = ["wide", "narrow"].map(|name| setup.path(name));
    for folder in [&wide, &narrow] {
        std::fs::create_dir(folder).expect("a folder in one's own");
    }
    let file = Guest::wider("w").write(&wide);
    let setup = setup.without_transforms().transform(Transform::file(&file));
    let tidegate = setup.start_with_key(key).await;
    let admin = tidegate.admin_api();
    assert_eq!(admin.active("ticks").await, a);
    assert!(tidegate.stderr().lines_with("start-allow") > 0);
    let history = admin.history().await;
    let configured = history.iter().find(|entry| entry["action"] == "configure");
    let configured = configured.expect("it is written down");
    assert!(
        text(&configured["detail"]).contains("not taken"),
        "{configured}"
    );
    // By hand, with the consent.
    let path = "/v1/transforms/ticks/follow-config";
    admin
        .post(path, json!({}))
        .await
        .refused(409, "needs-allow-wider");
    let followed = admin.post(path, json!({"allow_wider": true})).await.done();
    assert_eq!(admin.active("ticks").await, text(&followed["to"]));
    // Or by the setting: back to what is narrower breaks, and may.
    let (setup, key) = tidegate.killed();
    let file = Guest::stamped("a").write(&narrow);
    let setup = setup
        .without_transforms()
        .transform(Transform::file(&file))
        .setting("start-allow", "breaking");
    let tidegate = setup.start_with_key(key).await;
    assert_eq!(tidegate.admin_api().active("ticks").await, a);
}

#[tokio::test]
async fn an_operators_choice_outlives_other_settings_until_they_are_followed_again() {
    let stage = Stage::set(&Guest::stamped("a"), |setup| {
        setup.setting("probation-time", "0s")
    })
    .await;
    let a = stage.admin.active("ticks").await;
    let b = stage.admin.push_and_apply(&Guest::stamped("b")).await;
    let stage = stage.kill_and_restart().await;
    assert_eq!(stage.admin.active("ticks").await, b);
    let path = "/v1/transforms/ticks/follow-config";
    let followed = stage.admin.post(path, json!({})).await.done();
    assert_eq!(followed["to"], a.as_str());
    let stage = stage.kill_and_restart().await;
    assert_eq!(stage.admin.active("ticks").await, a);
    stage
        .admin
        .post("/v1/transforms/tocks/follow-config", json!({}))
        .await
        .refused(404, "no-such-transform");
}

#[tokio::test]
async fn a_pause_outlives_a_start_whose_settings_do_not_name_the_transform() {
    let redis = Redis::start().await;
    let setup = Tidegate::on(&redis).state_dir();
    let ticks = Guest::stamped("a").write(&setup.path(""));
    let tocks = setup.path("tocks");
    std::fs::create_dir(&tocks).expect("a folder in one's own");
    let tocks = Guest::stamped("t").named("tocks").write(&tocks);
    let [ticks, tocks] = [&ticks, &tocks].map(|file| Transform::file(file));
    let tidegate = setup.transform(ticks.clone()).transform(tocks.clone());
    let tidegate = tidegate.start().await;
    tidegate.admin_api().pause("tocks").await;
    let without = |setup: Setup| setup.without_transforms().transform(ticks.clone());
    let tidegate = tidegate.restart_with(without).await;
    let gone = tidegate.admin_api().get("/v1/transforms/tocks").await;
    assert_eq!(gone.status, 404, "{gone:?}");
    let tidegate = tidegate.restart_with(|setup| setup.transform(tocks)).await;
    let report = tidegate.admin_api().transform("tocks").await;
    assert_eq!(report["state"], "paused", "{report:#}");
}

#[tokio::test]
async fn a_file_that_was_away_for_a_while_is_no_new_wish() {
    let stage = Stage::set(&Guest::stamped("a"), |setup| {
        setup.setting("probation-time", "0s").watching()
    })
    .await;
    let file = stage.tidegate.path("put-here").join("ticks.wasm");
    std::fs::write(&file, Guest::stamped("b").binary()).expect("a file");
    let by_file = |report: &Value| report["by"] == "watch";
    stage
        .admin
        .becomes("ticks", "the file's", secs(10), by_file)
        .await;
    let c = stage.admin.push_and_apply(&Guest::stamped("c")).await;
    let beside = stage.tidegate.path("beside");
    std::fs::rename(&file, &beside).expect("the same file system");
    tokio::time::sleep(secs(2)).await;
    // Written anew, as a copy has another number and another time.
    std::fs::write(&file, Guest::stamped("b").binary()).expect("a file");
    tokio::time::sleep(secs(3)).await;
    assert_eq!(stage.admin.active("ticks").await, c);
}
