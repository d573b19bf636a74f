//! A fleet whose Redis goes back in time, is emptied, or says what nobody can read: what hosts
//! know stands, and what they cannot know they do not make up.

use serde_json::{Value, json};
use tidegate_tests::admin::{everything, text};
use tidegate_tests::{Fleet, Guest, Redis, Tidegate, secs, until};

const WANTED: &str = "tidegate:fleet:{tidegate}:deployments";

async fn wanted(redis: &Redis) -> String {
    redis.ask(&["HGET", WANTED, "ticks"]).await.text()
}

async fn write(redis: &Redis, text: &str) {
    redis.ask(&["HSET", WANTED, "ticks", text]).await;
    let changes = "tidegate:fleet:{tidegate}:changes";
    redis.publish(changes, "ticks").await;
}

/// Three hosts on `a`, which have left `w`, and what Redis said while they ran that.
async fn after_a_rollback() -> (Fleet, String, String, String) {
    let fleet = Fleet::of_three(|setup| setup.setting("probation-time", "0s")).await;
    let a = fleet.admin(0).active("ticks").await;
    let wide = fleet.admin(0).push(&Guest::wider("w")).await;
    fleet.admin(0).apply_revision(&wide, everything()).await;
    fleet.run([0, 1, 2], &wide, secs(10)).await;
    let before = wanted(&fleet.redis).await;
    fleet.admin(1).rollback("ticks", json!({})).await.done();
    fleet.run([0, 1, 2], &a, secs(10)).await;
    until("the rollback in Redis", secs(10), async || {
        fleet.desired().await["revision"] == a.as_str()
    })
    .await;
    (fleet, a, wide, before)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_went_back_is_told_what_was_decided_since() {
    let (fleet, a, wide, before) = after_a_rollback().await;
    let applies = fleet.swaps("apply").await;
    write(&fleet.redis, &before).await;
    until(
        "Redis to know of the rollback again",
        secs(20),
        async || {
            let desired = fleet.desired().await;
            desired["revision"] == a.as_str() && desired["withdrawn"] == json!([wide])
        },
    )
    .await;
    fleet.run([0, 1, 2], &a, secs(10)).await;
    assert_eq!(fleet.swaps("apply").await, applies, "nobody went there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_redis_is_told_all_and_a_new_host_too() {
    let (mut fleet, a, wide, _) = after_a_rollback().await;
    fleet.redis.ask(&["FLUSHALL"]).await;
    until("Redis to know it again", secs(20), async || {
        let desired = fleet.desired().await;
        desired["revision"] == a.as_str() && desired["withdrawn"] == json!([wide])
    })
    .await;
    let late = Fleet::host("four", fleet.redis.port(), &Guest::stamped("z"), |setup| {
        setup.setting("probation-time", "0s")
    })
    .await;
    fleet.hosts.push(late);
    fleet.run([3], &a, secs(20)).await;
    assert_eq!(
        fleet.admin(3).transform("ticks").await["withdrawn"],
        json!([wide])
    );
}

/// A host that has no way to Redis when it starts.
async fn started_without(redis: &mut Redis, host: Tidegate, change: &[&str]) -> Tidegate {
    let (setup, key) = host.killed();
    redis.kill().await;
    let setup = setup.not_ready();
    let setup = change
        .chunks(2)
        .fold(setup, |setup, pair| setup.setting(pair[0], pair[1]));
    setup.start_with_key(key).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_lets_nothing_through_until_it_knows_what_the_fleet_wants() {
    let mut fleet = Fleet::of_three(|setup| setup).await;
    let host = fleet.hosts.remove(2);
    let host = started_without(&mut fleet.redis, host, &["fleet-patience", "30s"]).await;
    let report = host.admin_api().transform("ticks").await;
    assert_eq!(report["state"], "held", "{report:#}");
    let (status, body) = host.ready().await;
    assert_eq!(status, 503);
    let reasons = body["reasons"].to_string();
    assert!(reasons.contains("what the fleet wants"), "{body}");
    fleet.redis.restart(&[]).await;
    let live = |report: &Value| report["state"] == "live";
    host.admin_api()
        .becomes("ticks", "live", secs(20), live)
        .await;
    host.becomes_ready(secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_patience_that_is_set_it_goes_by_what_it_last_knew() {
    let mut fleet = Fleet::of_three(|setup| setup).await;
    let host = fleet.hosts.remove(2);
    let change = ["fleet-patience", "2s"];
    let host = started_without(&mut fleet.redis, host, &change).await;
    let live = |report: &Value| report["state"] == "live";
    host.admin_api()
        .becomes("ticks", "live", secs(20), live)
        .await;
    assert!(
        host.stderr()
            .lines_with("nobody knows what the fleet wants")
            > 0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_host_does_not_impose_the_old_file_of_its_folder() {
    let mut fleet = Fleet::of_three(|setup| setup).await;
    let b = fleet.admin(0).push_and_apply(&Guest::stamped("b")).await;
    fleet.run([0, 1, 2], &b, secs(10)).await;
    let port = fleet.redis.port();
    let late = Fleet::host("four", port, &Guest::stamped("a"), |setup| {
        let setup = setup.watching().setting("watch-allow", "breaking");
        let file = setup.path("put-here").join("ticks.wasm");
        std::fs::write(file, Guest::stamped("old").binary()).expect("a file");
        setup
    })
    .await;
    until("a word about the file", secs(20), async || {
        late.stderr().lines_with("is not applied") > 0
    })
    .await;
    fleet.hosts.push(late);
    fleet.run([0, 1, 2, 3], &b, secs(10)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_version_wrote_is_said_and_its_pause_is_obeyed() {
    let fleet = Fleet::of_three(|setup| setup).await;
    let b = fleet.admin(0).push_and_apply(&Guest::stamped("b")).await;
    fleet.run([0, 1, 2], &b, secs(10)).await;
    let later = |paused: bool| {
        json!({"v": 2, "generation": 900, "paused": paused, "body": {"new": "words"}}).to_string()
    };
    write(&fleet.redis, &later(false)).await;
    until("a word about it", secs(10), async || {
        let said = |host: &Tidegate| host.stderr().lines_with("cannot be read") > 0;
        fleet.hosts.iter().all(said)
    })
    .await;
    assert_eq!(fleet.admin(0).transform("ticks").await["state"], "live");
    write(&fleet.redis, &later(true)).await;
    for host in 0..3 {
        let held = |report: &Value| report["state"] == "held";
        let admin = fleet.admin(host);
        admin.becomes("ticks", "held", secs(10), held).await;
    }
    let behind = fleet.hosts[0].metric("tidegate_fleet_behind", &[]).await;
    assert_eq!(behind, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_that_another_version_wrote_outlives_all_patience_and_a_restart_without_redis() {
    let mut fleet = Fleet::of_three(|setup| setup.setting("fleet-patience", "2s")).await;
    let b = fleet.admin(0).push_and_apply(&Guest::stamped("b")).await;
    fleet.run([0, 1, 2], &b, secs(10)).await;
    let later = json!({"v": 2, "generation": 900, "paused": true, "body": null});
    write(&fleet.redis, &later.to_string()).await;
    let held = |report: &Value| report["state"] == "held";
    for host in 0..3 {
        let admin = fleet.admin(host);
        admin.becomes("ticks", "held", secs(10), held).await;
    }
    tokio::time::sleep(secs(3)).await;
    assert_eq!(fleet.admin(0).transform("ticks").await["state"], "held");
    let host = fleet.hosts.remove(2);
    let host = started_without(&mut fleet.redis, host, &[]).await;
    tokio::time::sleep(secs(4)).await;
    assert_eq!(host.admin_api().transform("ticks").await["state"], "held");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_that_no_operator_could_type_stop_nobody() {
    let fleet = Fleet::of_three(|setup| setup).await;
    let b = fleet.admin(0).push_and_apply(&Guest::stamped("b")).await;
    fleet.run([0, 1, 2], &b, secs(10)).await;
    let good = wanted(&fleet.redis).await;
    let mut endless: Value = serde_json::from_str(&good).expect("JSON");
    endless["body"]["records"][0]["limits"]["backoff"] = json!("500000000000000years");
    let mut far: Value = serde_json::from_str(&good).expect("JSON");
    far["body"]["desired"]["generation"] = json!(u64::MAX);
    for bad in [endless, far, json!([]), json!({"v": 1})] {
        write(&fleet.redis, &bad.to_string()).await;
        tokio::time::sleep(secs(1)).await;
        for host in 0..3 {
            assert_eq!(fleet.admin(host).active("ticks").await, b);
        }
    }
    write(&fleet.redis, &good).await;
    let c = fleet.admin(0).push_and_apply(&Guest::stamped("c")).await;
    fleet.run([0, 1, 2], &c, secs(20)).await;
    for host in &fleet.hosts {
        assert_eq!(host.stderr().lines_with("panic"), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_a_component_that_was_lost_offers_it_again() {
    let mut fleet = Fleet::of_three(|setup| setup).await;
    let pushed = fleet.admin(0).push(&Guest::stamped("b")).await;
    fleet.admin(0).apply_revision(&pushed, everything()).await;
    fleet.run([0, 1, 2], &pushed, secs(10)).await;
    let report = fleet.admin(0).transform("ticks").await;
    let digest = text(&report["revision"]["component"]);
    let key = format!("tidegate:fleet:{{tidegate}}:component:{digest}");
    fleet.redis.ask(&["DEL", &key, &format!("{key}:0")]).await;
    until("it to be there again", secs(20), async || {
        fleet
            .redis
            .ask(&["EXISTS", &format!("{key}:0")])
            .await
            .integer()
            == 1
    })
    .await;
    let port = fleet.redis.port();
    let late = Fleet::host("four", port, &Guest::stamped("a"), |setup| setup).await;
    fleet.hosts.push(late);
    fleet.run([3], &pushed, secs(20)).await;
}
