//! What a host of a fleet does that finds an empty Redis: one that remembers nothing does not know
//! whether the fleet is new or has lost everything, so it gives the others time to come.

use serde_json::{Value, json};
use tidegate_tests::admin::everything;
use tidegate_tests::{Fleet, Guest, Redis, Tidegate, secs, until};

/// A host without any memory, which has so long until it goes by its settings.
async fn newcomer(name: &str, redis: &Redis, guest: &Guest, patience: &str) -> Tidegate {
    let change =
        |setup: tidegate_tests::Setup| setup.not_ready().setting("fleet-patience", patience);
    Fleet::host(name, redis.port(), guest, change).await
}

fn is(state: &str) -> impl Fn(&Value) -> bool {
    move |report| report["state"] == state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alone_at_an_empty_redis_it_waits_and_then_goes_by_its_settings() {
    let redis = Redis::start().await;
    let host = newcomer("one", &redis, &Guest::stamped("a"), "6s").await;
    until("its report in Redis", secs(10), async || {
        let key = "tidegate:fleet:{tidegate}:hosts";
        redis.ask(&["HEXISTS", key, "one"]).await.integer() == 1
    })
    .await;
    let admin = host.admin_api();
    assert!(is("held")(&admin.transform("ticks").await));
    let (status, body) = host.ready().await;
    assert_eq!(status, 503);
    let reasons = body["reasons"].to_string();
    assert!(
        reasons.contains("what the fleet wants is not known"),
        "{body}"
    );
    admin.becomes("ticks", "live", secs(20), is("live")).await;
    host.becomes_ready(secs(10)).await;
    until("a line of the audit log", secs(10), async || {
        let history = admin.history().await;
        history.iter().any(|entry| entry["action"] == "begin")
    })
    .await;
    // From now on it remembers.
    let host = host
        .restart_with(|setup| setup.setting("fleet-patience", "1h"))
        .await;
    let admin = host.admin_api();
    admin.becomes("ticks", "live", secs(20), is("live")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_host_remembers_is_heard_before_anything_goes_out() {
    let mut fleet = Fleet::of_three(|setup| setup.setting("probation-time", "0s")).await;
    let a = fleet.admin(0).active("ticks").await;
    let wide = fleet.admin(0).push(&Guest::wider("w")).await;
    fleet.admin(0).apply_revision(&wide, everything()).await;
    fleet.run([0, 1, 2], &wide, secs(10)).await;
    fleet.admin(1).rollback("ticks", json!({})).await.done();
    fleet.run([0, 1, 2], &a, secs(10)).await;
    let (setup, key) = fleet.hosts.remove(0).killed();
    for host in fleet.hosts.drain(..) {
        drop(host.killed());
    }
    fleet.redis.ask(&["FLUSHALL"]).await;
    let late = newcomer("four", &fleet.redis, &Guest::wider("w"), "1h").await;
    let client = late.subscriber(["ticks:*"]).await.follow();
    fleet.redis.publish("feed:ticks:AB", r#"{"n":0}"#).await;
    assert!(is("held")(&late.admin_api().transform("ticks").await));
    let back = setup.start_with_key(key).await;
    fleet.hosts = vec![back, late];
    fleet.run([0, 1], &a, secs(30)).await;
    let admin = fleet.admin(1);
    admin.becomes("ticks", "live", secs(20), is("live")).await;
    fleet.redis.publish("feed:ticks:AB", r#"{"n":1}"#).await;
    client.sees_mark("a", &["AB"], secs(10)).await;
    assert_eq!(client.marks("AB"), ["a"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_hosts_that_run_by_their_settings_it_does_not_wait() {
    let fleet = Fleet::of_three(|setup| setup).await;
    let late = newcomer("four", &fleet.redis, &Guest::stamped("a"), "1h").await;
    let admin = late.admin_api();
    admin.becomes("ticks", "live", secs(20), is("live")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_who_decides_ends_the_wait() {
    let redis = Redis::start().await;
    let host = newcomer("one", &redis, &Guest::stamped("a"), "1h").await;
    let admin = host.admin_api();
    assert!(is("held")(&admin.transform("ticks").await));
    until("a resumption", secs(10), async || {
        let path = "/v1/transforms/ticks/resume";
        admin.post(path, json!({})).await.status == 200
    })
    .await;
    admin.becomes("ticks", "live", secs(20), is("live")).await;
}
