//! Hosts of an earlier version shared the same under names without a hash tag: what they decided
//! moves once, and while some of them are there, the fleet stays one.

use serde_json::{Value, json};
use tidegate_tests::admin::{everything, text};
use tidegate_tests::{Fleet, Guest, Redis, secs, until};

const WANTED: &str = "tidegate:fleet:{tidegate}:deployments";
const EARLIER: &str = "tidegate:fleet:tidegate:deployments";
const EARLIER_HOSTS: &str = "tidegate:fleet:tidegate:hosts";

async fn field(redis: &Redis, key: &str, name: &str) -> Option<String> {
    match redis.ask(&["HGET", key, name]).await {
        tidegate_tests::resp::Reply::Nil => None,
        reply => Some(reply.text()),
    }
}

/// Gives everything that is there the names that it had before.
async fn rename_to_earlier(redis: &Redis) {
    let tidegate_tests::resp::Reply::Array(keys) = redis.ask(&["KEYS", "*"]).await else {
        panic!("a list of keys");
    };
    for key in keys {
        let key = key.text();
        redis
            .ask(&["RENAME", &key, &key.replace("{tidegate}", "tidegate")])
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_shared_under_the_names_of_before_is_found_by_hosts_that_know_nothing() {
    let mut fleet = Fleet::of_three(|setup| setup).await;
    let b = fleet.admin(0).push_and_apply(&Guest::stamped("b")).await;
    fleet.run([0, 1, 2], &b, secs(10)).await;
    for host in &fleet.hosts {
        host.metric_becomes("tidegate_audit_unshared", &[], 0.0)
            .await;
    }
    // Nobody is left who remembers anything.
    for host in std::mem::take(&mut fleet.hosts) {
        host.killed();
    }
    rename_to_earlier(&fleet.redis).await;
    let before = field(&fleet.redis, EARLIER, "ticks")
        .await
        .expect("it was shared");
    let z = Guest::stamped("z");
    let port = fleet.redis.port();
    let change = |setup: tidegate_tests::Setup| setup.setting("fleet-patience", "1h");
    let (first, second) = tokio::join!(
        Fleet::host("four", port, &z, change),
        Fleet::host("five", port, &z, change)
    );
    fleet.hosts = vec![first, second];
    fleet.run([0, 1], &b, secs(20)).await;
    fleet.says("b").await;
    let now = field(&fleet.redis, WANTED, "ticks").await;
    assert_eq!(now, Some(before), "it moved by the letter");
    let left = field(&fleet.redis, EARLIER, "ticks")
        .await
        .expect("something is left");
    let left: Value = serde_json::from_str(&left).expect("JSON");
    assert_eq!((&left["v"], &left["paused"]), (&2.into(), &false.into()));
    // So did what was done.
    until("lines of hosts that are gone", secs(10), async || {
        let history = fleet.admin(0).get("/v1/history").await.done();
        history.to_string().contains("\"host\":\"one\"")
    })
    .await;
    let c = fleet.admin(0).push_and_apply(&Guest::stamped("c")).await;
    fleet.run([0, 1], &c, secs(10)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_host_of_before_decides_beside_others_is_heard_and_it_is_told_to_decide_no_more() {
    let fleet = Fleet::of_three(|setup| setup.setting("probation-time", "0s")).await;
    let a = fleet.admin(0).active("ticks").await;
    let wide = fleet.admin(0).push(&Guest::wider("w")).await;
    fleet.admin(0).apply_revision(&wide, everything()).await;
    fleet.run([0, 1, 2], &wide, secs(10)).await;
    let stale = field(&fleet.redis, WANTED, "ticks")
        .await
        .expect("it is shared");
    fleet.admin(1).rollback("ticks", json!({})).await.done();
    fleet.run([0, 1, 2], &a, secs(10)).await;
    // A host of before comes, and says what it knows: that the one that was withdrawn is wanted.
    fleet.redis.ask(&["HSET", EARLIER, "ticks", &stale]).await;
    until("something left behind", secs(10), async || {
        let left = field(&fleet.redis, EARLIER, "ticks").await;
        left.is_some_and(|left| left.contains("\"v\":2"))
    })
    .await;
    fleet.run([0, 1, 2], &a, secs(5)).await;
    assert_eq!(fleet.desired().await["revision"], a.as_str());
    // A pause reaches it all the same, and so does its end.
    for paused in [true, false] {
        match paused {
            true => drop(fleet.admin(0).pause("ticks").await),
            false => drop(fleet.admin(0).resume("ticks").await),
        }
        until("a pause that is left behind", secs(10), async || {
            let left = field(&fleet.redis, EARLIER, "ticks").await;
            left.is_some_and(|left| left.contains(&format!("\"paused\":{paused}")))
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_of_before_that_are_there_are_named_and_kept_from_deciding() {
    let fleet = Fleet::of_three(|setup| setup).await;
    let b = fleet.admin(0).push_and_apply(&Guest::stamped("b")).await;
    fleet.run([0, 1, 2], &b, secs(10)).await;
    assert_eq!(field(&fleet.redis, EARLIER, "ticks").await, None);
    let report = async |seen: u64| {
        let record = json!({
            "host": "old-one", "instance": "i", "version": "0.1.0", "seen": seen,
            "started": "2026-01-01T00:00:00Z", "transforms": {},
        });
        let record = record.to_string();
        fleet
            .redis
            .ask(&["HSET", EARLIER_HOSTS, "old-one", &record])
            .await;
    };
    // Far in the future: it is seen for as long as the test takes.
    report(4_000_000_000).await;
    until("a word about it", secs(10), async || {
        let said = |host: &tidegate_tests::Tidegate| {
            let log = host.stderr().text();
            log.contains("old-one") && log.contains("of an earlier version")
        };
        fleet.hosts.iter().all(said)
    })
    .await;
    let left = field(&fleet.redis, EARLIER, "ticks")
        .await
        .expect("it is told");
    assert!(left.contains("\"v\":2"), "{left}");
    report(0).await;
    until("a word that it is gone", secs(10), async || {
        fleet.hosts[0]
            .stderr()
            .text()
            .contains("no host of an earlier version")
    })
    .await;
    let shown = fleet.admin(0).get("/v1/fleet").await.done();
    let hosts = shown["hosts"].as_array().expect("hosts");
    assert!(hosts.iter().all(|host| text(&host["host"]) != "old-one"));
}
