//! Pause and rollback depend on nothing: not on a disk, a Redis, nor on who else is at work.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidegate_tests::admin::{everything, text};
use tidegate_tests::{Fleet, Guest, Stage, eventually, secs, until};

/// What an answer says that a change has not come to yet.
fn not_yet(answer: &Value) -> String {
    answer["not_yet"].to_string()
}

#[tokio::test]
async fn without_a_disk_a_pause_and_a_rollback_hold_and_say_what_is_missing() {
    let stage = Stage::set(&Guest::stamped("a"), |setup| {
        setup.setting("probation-time", "0s")
    })
    .await;
    let a = stage.admin.active("ticks").await;
    let b = stage.admin.push_and_apply(&Guest::stamped("b")).await;
    let folder = stage.tidegate.state_folder();
    let away = folder.with_extension("away");
    std::fs::rename(&folder, &away).expect("a folder of one's own");
    let back = stage.admin.rollback("ticks", json!({})).await.done();
    assert_eq!(back["to"], a.as_str());
    assert!(not_yet(&back).contains("written down"), "{back}");
    let paused = stage.admin.pause("ticks").await;
    assert!(not_yet(&paused).contains("written down"), "{paused}");
    assert_eq!(
        stage.tidegate.metric("tidegate_state_behind", &[]).await,
        1.0
    );
    let follower = stage.follower().await;
    stage.tick("AB", 0).await;
    // What starts something is refused, and nothing changes.
    let resumed = stage
        .admin
        .post("/v1/transforms/ticks/resume", json!({}))
        .await;
    resumed.refused(500, "audit-unwritable");
    assert_eq!(follower.marks("AB"), Vec::<String>::new());
    std::fs::rename(&away, &folder).expect("a folder of one's own");
    stage
        .tidegate
        .metric_becomes("tidegate_state_behind", &[], 0.0)
        .await;
    let stage = stage.kill_and_restart().await;
    let report = stage.admin.transform("ticks").await;
    assert_eq!(report["revision"]["id"], a.as_str(), "{report:#}");
    assert_eq!(report["state"], "paused", "{report:#}");
    assert_eq!(report["withdrawn"], json!([b]), "{report:#}");
}

#[tokio::test]
async fn a_start_without_the_disk_changes_nothing() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let a = stage.admin.active("ticks").await;
    let b = stage.admin.push(&Guest::stamped("b")).await;
    let plan = stage.admin.plan(&b).await;
    let folder = stage.tidegate.state_folder();
    let away = folder.with_extension("away");
    std::fs::rename(&folder, &away).expect("a folder of one's own");
    let refused = stage.admin.apply(text(&plan["id"]), everything()).await;
    assert_eq!(refused.status, 500, "{refused:?}");
    assert_eq!(stage.admin.active("ticks").await, a);
    std::fs::rename(&away, &folder).expect("a folder of one's own");
}

/// While another transform's revision is made ready in 64 lanes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_waits_for_nobody_elses_apply() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let tocks = Guest::stamped("t").named("tocks").laborious(300);
    let revision = stage.admin.push(&tocks).await;
    let plan = text(&stage.admin.plan(&revision).await["id"]).to_owned();
    let admin = stage.admin.clone();
    let applying = tokio::spawn(async move { admin.apply(&plan, everything()).await });
    let mut slowest = Duration::ZERO;
    for round in 0..20 {
        let started = Instant::now();
        if round % 2 == 0 {
            stage.admin.pause("ticks").await;
            slowest = slowest.max(started.elapsed());
        } else {
            stage.admin.resume("ticks").await;
        }
    }
    applying.await.expect("no panic").done();
    assert!(slowest < secs(2), "{slowest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_a_host_of_a_fleet_stops_and_the_others_hear_of_it_later() {
    let mut fleet = Fleet::of_three(|setup| setup.setting("probation-time", "0s")).await;
    let a = fleet.admin(0).active("ticks").await;
    let b = fleet.admin(0).push_and_apply(&Guest::stamped("b")).await;
    fleet.run([0, 1, 2], &b, secs(10)).await;
    fleet.redis.kill().await;
    let back = fleet.admin(0).rollback("ticks", json!({})).await.done();
    assert!(not_yet(&back).contains("known to the fleet"), "{back}");
    assert_eq!(fleet.admin(0).active("ticks").await, a);
    let paused = fleet.admin(1).pause("ticks").await;
    assert!(not_yet(&paused).contains("known to the fleet"), "{paused}");
    assert_eq!(fleet.admin(1).transform("ticks").await["state"], "paused");
    fleet.redis.restart(&[]).await;
    for host in 0..3 {
        let admin = fleet.admin(host);
        let both =
            |report: &Value| report["state"] == "paused" && report["revision"]["id"] == a.as_str();
        admin
            .becomes("ticks", "back, and paused", secs(20), both)
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_a_redis_that_takes_no_writes_a_stop_holds_here() {
    let fleet = Fleet::of_three(|setup| setup.setting("probation-time", "0s")).await;
    let a = fleet.admin(0).active("ticks").await;
    let b = fleet.admin(0).push_and_apply(&Guest::stamped("b")).await;
    fleet.run([0, 1, 2], &b, secs(10)).await;
    let nowhere = ["REPLICAOF", "127.0.0.1", "1"];
    fleet.redis.ask(&nowhere).await;
    fleet.admin(2).rollback("ticks", json!({})).await.done();
    assert_eq!(fleet.admin(2).active("ticks").await, a);
    fleet.redis.ask(&["REPLICAOF", "NO", "ONE"]).await;
    fleet.run([0, 1, 2], &a, secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_host_can_stop_for_itself_and_comes_back_when_it_is_resumed() {
    let fleet = Fleet::of_three(|setup| setup).await;
    let paused = fleet.hosts[1]
        .transform(&["pause", "ticks", "--local"])
        .await;
    assert!(paused.status.success());
    let report = fleet.admin(1).transform("ticks").await;
    assert_eq!(
        (&report["state"], &report["detached"]),
        (&json!("paused"), &json!(true))
    );
    // The others go on, and go somewhere.
    let b = fleet.admin(0).push_and_apply(&Guest::stamped("b")).await;
    fleet.run([0, 2], &b, secs(10)).await;
    let admin = fleet.admin(0);
    until("the fleet to show it", secs(10), async || {
        let shown = admin.get("/v1/fleet").await.done();
        let hosts = shown["hosts"].as_array().expect("hosts");
        let of = hosts.iter().find(|host| host["host"] == "two");
        of.is_some_and(|host| host["transforms"]["ticks"]["detached"] == true)
    })
    .await;
    assert_ne!(fleet.admin(1).active("ticks").await, b);
    fleet.admin(1).resume("ticks").await;
    fleet.run([1], &b, secs(10)).await;
    let report = fleet.admin(1).transform("ticks").await;
    assert_eq!(
        (&report["state"], &report["detached"]),
        (&json!("live"), &json!(false))
    );
    eventually("events on it", secs(10), async || {
        let client = fleet.hosts[1].subscriber(["ticks:*"]).await;
        let follower = client.follow();
        fleet.redis.publish("feed:ticks:AB", r#"{"n":0}"#).await;
        follower.sees_mark("b", &["AB"], secs(5)).await;
        Some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_is_not_forgotten_for_any_number_of_pauses() {
    let mut fleet = Fleet::of_three(|setup| setup.setting("probation-time", "0s")).await;
    let a = fleet.admin(0).active("ticks").await;
    let b = fleet.admin(0).push_and_apply(&Guest::stamped("b")).await;
    fleet.run([0, 1, 2], &b, secs(10)).await;
    fleet.redis.kill().await;
    fleet.admin(0).rollback("ticks", json!({})).await.done();
    for _ in 0..20 {
        fleet.admin(0).pause("ticks").await;
    }
    fleet.redis.restart(&[]).await;
    fleet.run([0, 1, 2], &a, secs(20)).await;
    for host in 0..3 {
        let admin = fleet.admin(host);
        let both =
            |report: &Value| report["state"] == "paused" && report["withdrawn"] == json!([b]);
        admin
            .becomes("ticks", "paused, without b", secs(20), both)
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_host_on_its_own_way_takes_back_is_taken_back_for_all() {
    let fleet = Fleet::of_three(|setup| setup.setting("probation-time", "0s")).await;
    let a = fleet.admin(0).active("ticks").await;
    let b = fleet.admin(0).push_and_apply(&Guest::stamped("b")).await;
    fleet.run([0, 1, 2], &b, secs(10)).await;
    let paused = fleet.hosts[1]
        .transform(&["pause", "ticks", "--local"])
        .await;
    assert!(paused.status.success());
    fleet.admin(1).rollback("ticks", json!({})).await.done();
    fleet.run([0, 1, 2], &a, secs(10)).await;
    assert_eq!(fleet.admin(0).transform("ticks").await["state"], "live");
    fleet.admin(1).resume("ticks").await;
    let report = fleet.admin(1).transform("ticks").await;
    assert_eq!(report["withdrawn"], json!([b]), "{report:#}");
    assert_eq!(report["revision"]["id"], a.as_str(), "{report:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_that_cannot_ask_its_fleet_where_to_go_is_refused_and_written_down() {
    let mut fleet = Fleet::of_three(|setup| setup).await;
    fleet.redis.kill().await;
    let refused = fleet.admin(0).rollback("ticks", json!({})).await;
    assert_eq!(refused.body["code"], "fleet-unreachable", "{refused:?}");
    let history = fleet.admin(0).history().await;
    let tried = history.iter().rfind(|entry| entry["action"] == "rollback");
    let tried = tried.expect("it is written down");
    assert_eq!(tried["result"], "fleet-unreachable", "{tried}");
}
