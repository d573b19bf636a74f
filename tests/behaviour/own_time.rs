//! An event that is given again has the time at which it came: to a plan, to a shadow, and to the
//! revision behind one on probation. Components of these tests look at the time themselves.

use serde_json::json;
use tidegate_tests::admin::text;
use tidegate_tests::{Guest, Stage, eventually, secs};

/// Publishes the time of each event.
fn telling() -> Guest {
    Guest::ticks().publishing_its_time("")
}

/// A host on `telling`, and the time that it told of one event.
async fn after_one_event() -> (Stage, u64) {
    let stage = Stage::with(&telling()).await;
    let mut client = stage.tidegate.subscriber(["ticks:*"]).await;
    stage.tick("XY", 1).await;
    let message = client.next_data().await;
    let at = message["data"]["at"].as_u64().expect("milliseconds");
    (stage, at)
}

/// The same, and it traps where the time is not this one.
fn only_at(time: u64) -> Guest {
    let trap = format!("(if (i64.ne (global.get $at) (i64.const {time})) (then (unreachable)))");
    Guest::ticks().publishing_its_time(&trap).version("1.0.1")
}

#[tokio::test]
async fn in_a_plan() {
    let (stage, at) = after_one_event().await;
    for (time, identical, failed) in [(at, 1, 0), (at + 1, 0, 1)] {
        let revision = stage.admin.push(&only_at(time)).await;
        let plan = stage.admin.plan(&revision).await;
        let recent = &plan["recent"];
        let counts = [&recent["identical"], &recent["failed"]];
        assert_eq!(counts, [identical, failed], "{plan:#}");
    }
}

#[tokio::test]
async fn in_a_shadow_however_late_it_comes_to_it() {
    let stage = Stage::with(&telling()).await;
    // Milliseconds pass between the two, and nobody is told of them.
    let slow = "(global.set $turns (i32.const 1000000)) (loop $l
        (global.set $turns (i32.sub (global.get $turns) (i32.const 1)))
        (br_if $l (global.get $turns)))";
    let slow = Guest::ticks().publishing_its_time(slow).version("1.0.1");
    let slow = stage.admin.push(&slow).await;
    let path = format!("/v1/revisions/{slow}/shadow");
    let asked = json!({"events": 10, "seconds": 30});
    let started = stage.admin.post(&path, asked).await.done();
    for number in 0..10 {
        stage.tick("XY", number).await;
    }
    let report = stage
        .admin
        .shadow_ends(text(&started["id"]), secs(30))
        .await;
    let comparison = &report["comparison"];
    let counts = [&comparison["identical"], &comparison["failed"]];
    assert_eq!(counts, [10, 0], "{report:#}");
}

#[tokio::test]
async fn for_the_revision_behind_one_on_probation() {
    let stage = Stage::with(&telling()).await;
    // It writes the time to the log, works for a while, and traps.
    let failing = "(call $write (i32.const 1) (i32.const 0x1d0100) (call $time))
        (global.set $turns (i32.const 1000000)) (loop $l
        (global.set $turns (i32.sub (global.get $turns) (i32.const 1)))
        (br_if $l (global.get $turns)))
        (unreachable)";
    let failing = Guest::ticks().publishing_its_time(failing).version("1.0.1");
    let failing = stage.admin.push(&failing).await;
    stage.admin.apply_revision(&failing, json!({})).await;
    let mut client = stage.tidegate.subscriber(["ticks:*"]).await;
    stage.tick("XY", 1).await;
    let message = client.next_data().await;
    let at = message["data"]["at"].as_u64().expect("milliseconds");
    let line = eventually("the candidate's line", secs(5), async || {
        let log = stage.tidegate.stderr().text();
        let line = log
            .lines()
            .find(|line| line.contains("at\\\":") || line.contains("\"at\":"));
        line.map(str::to_owned)
    })
    .await;
    assert!(line.contains(&at.to_string()), "{at} in {line}");
    assert_eq!(
        stage.admin.transform("ticks").await["probation"]["failures"],
        1
    );
}
