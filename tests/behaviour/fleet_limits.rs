//! The limit of a key is one for all hosts of a fleet: wherever somebody comes, whatever dies, and
//! by shares while the hosts cannot hear of each other.

use std::time::Instant;

use serde_json::json;
use tidegate_tests::issuer::{IssuerKey, claims, key_set};
use tidegate_tests::resp::Reply;
use tidegate_tests::{
    Client, Connect, Fleet, Redis, Setup, Tidegate, eventually, keys, millis, secs, until,
};

const FULL: (u16, &str) = (4008, "Connection limit exceeded");
const SHARE: (u16, &str) = (
    4008,
    "Connection limit of this host exceeded while it cannot ask the others; try again later",
);
const SHARED: &str = "tidegate_fleet_limits_shared";

/// Three hosts that all have the same key, with this limit.
async fn three(more: &[&str]) -> (Fleet, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("keys.json");
    let key = keys::create(&file, "shared", more);
    let text = std::fs::read_to_string(&file).expect("just written");
    let fleet = Fleet::of_three(|setup: Setup| {
        std::fs::write(setup.keys_file(), &text).expect("a file in one's own folder");
        setup
    })
    .await;
    for host in &fleet.hosts {
        host.metric_becomes(SHARED, &[], 1.0).await;
        let hosts = "tidegate_fleet_limit_hosts";
        host.metric_becomes(hosts, &[], 3.0).await;
    }
    (fleet, key)
}

fn at(host: &Tidegate, key: &str) -> Connect {
    Connect::to(host.public()).key(key)
}

async fn enters(host: &Tidegate, key: &str) -> Client {
    let entered = at(host, key).open().await.let_in().await;
    entered.expect("there is a place")
}

async fn is_refused(host: &Tidegate, key: &str, expected: (u16, &str)) {
    let entered = at(host, key).open().await.let_in().await;
    let (code, reason) = entered.expect_err("there is no place");
    assert_eq!((code, reason.as_str()), expected);
}

async fn comes_in(host: &Tidegate, key: &str, within: std::time::Duration) -> Client {
    eventually("a place to become free", within, async || {
        at(host, key).open().await.let_in().await.ok()
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sixth_is_refused_wherever_it_comes_and_a_place_that_is_left_is_free_for_all() {
    let (fleet, key) = three(&[]).await;
    let mut inside = Vec::new();
    for host in [0, 0, 1, 2, 2] {
        inside.push(enters(&fleet.hosts[host], &key).await);
    }
    for host in &fleet.hosts {
        is_refused(host, &key, FULL).await;
    }
    inside.remove(0).close().await;
    let left = Instant::now();
    inside.push(comes_in(&fleet.hosts[2], &key, secs(5)).await);
    println!(
        "a place that was left is free elsewhere after {:?}",
        left.elapsed()
    );
    for host in &fleet.hosts {
        is_refused(host, &key, FULL).await;
    }
    for client in &mut inside {
        client.expect_nothing_before_pong().await;
    }
    let another = enters(&fleet.hosts[1], fleet.hosts[1].key()).await;
    another.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_those_who_storm_all_hosts_at_once_no_more_get_in_than_the_limit_says() {
    let (fleet, key) = three(&[]).await;
    for round in 0..5 {
        let knocking = (0..60).map(|number| at(&fleet.hosts[number % 3], &key));
        let inside = Client::let_in_at_once(knocking, FULL).await;
        assert_eq!(inside.len(), 5, "in round {round}");
        for client in inside {
            client.close().await;
        }
        for host in &fleet.hosts {
            host.metric_becomes("tidegate_connections", &[], 0.0).await;
            let waiting = host.metric("tidegate_fleet_limit_waiting", &[]).await;
            assert_eq!(waiting, 0.0);
        }
        // The last of them is heard of by all.
        until("no place to be announced", secs(5), async || {
            places(&fleet.redis).await == 0
        })
        .await;
    }
}

/// Owners with connections, as Redis has them.
async fn places(redis: &Redis) -> usize {
    match redis.ask(&["KEYS", "tidegate:fleet:*places:*"]).await {
        Reply::Array(names) => names.len(),
        reply => panic!("a list was expected, not {reply:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_places_of_a_killed_host_come_back_soon_at_its_restart_and_in_time_without() {
    let (mut fleet, key) = three(&[]).await;
    let mut dead = Vec::new();
    for host in [1, 1, 1, 2, 2] {
        dead.push(enters(&fleet.hosts[host], &key).await);
    }
    is_refused(&fleet.hosts[0], &key, FULL).await;
    // It begins again under its name: nobody waits for those who were there before.
    let host = fleet.hosts.remove(1).kill_and_restart().await;
    let mut inside = Vec::new();
    for _ in 0..3 {
        inside.push(comes_in(&host, &key, secs(3)).await);
    }
    is_refused(&fleet.hosts[0], &key, FULL).await;
    let (_setup, _) = fleet.hosts.remove(1).killed();
    let killed = Instant::now();
    inside.push(comes_in(&fleet.hosts[0], &key, secs(25)).await);
    println!(
        "places of a dead host come back after {:?}",
        killed.elapsed()
    );
    inside.push(comes_in(&host, &key, secs(3)).await);
    is_refused(&fleet.hosts[0], &key, FULL).await;
    for client in &mut inside {
        client.expect_nothing_before_pong().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_paused_each_host_lets_in_its_share_says_so_and_throws_nobody_out() {
    let (fleet, key) = three(&["--max-connections", "6"]).await;
    let mut inside = Vec::new();
    for _ in 0..5 {
        inside.push(enters(&fleet.hosts[0], &key).await);
    }
    fleet.redis.pause();
    let paused = Instant::now();
    inside.push(enters(&fleet.hosts[1], &key).await);
    println!("the first after the pause waited {:?}", paused.elapsed());
    assert!(paused.elapsed() < secs(2), "{:?}", paused.elapsed());
    inside.push(enters(&fleet.hosts[1], &key).await);
    is_refused(&fleet.hosts[1], &key, SHARE).await;
    // It is beyond its share, and whoever is inside stays.
    is_refused(&fleet.hosts[0], &key, SHARE).await;
    for client in &mut inside {
        client.expect_nothing_before_pong().await;
    }
    for host in &fleet.hosts {
        host.metric_becomes(SHARED, &[], 0.0).await;
        let (_, body) = host.ready().await;
        let notes = body["notes"].to_string();
        assert!(notes.contains("limits of keys"), "{body}");
        assert!(notes.contains("one of 3 hosts"), "{body}");
        let said = "what other hosts have let in cannot be learnt";
        assert_eq!(host.stderr().lines_with(said), 1);
    }
    fleet.redis.resume();
    for host in &fleet.hosts {
        host.metric_becomes(SHARED, &[], 1.0).await;
    }
    // There are seven, one more than may be.
    for host in &fleet.hosts {
        is_refused(host, &key, FULL).await;
    }
    inside.pop().expect("the last").close().await;
    tokio::time::sleep(millis(200)).await;
    is_refused(&fleet.hosts[2], &key, FULL).await;
    inside.pop().expect("the one before").close().await;
    inside.push(comes_in(&fleet.hosts[2], &key, secs(5)).await);
    is_refused(&fleet.hosts[1], &key, FULL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_comes_back_empty_is_told_who_is_inside_before_anybody_is_let_in_by_it() {
    let (mut fleet, key) = three(&["--max-connections", "6"]).await;
    let mut inside = Vec::new();
    for host in [0, 0, 0, 1, 1, 2] {
        inside.push(enters(&fleet.hosts[host], &key).await);
    }
    fleet.redis.kill().await;
    for host in &fleet.hosts {
        host.metric_becomes(SHARED, &[], 0.0).await;
        // Who has less than its share lets in as many as that.
    }
    is_refused(&fleet.hosts[0], &key, SHARE).await;
    inside.push(enters(&fleet.hosts[2], &key).await);
    is_refused(&fleet.hosts[2], &key, SHARE).await;
    fleet.redis.restart(&[]).await;
    for host in &fleet.hosts {
        host.metric_becomes(SHARED, &[], 1.0).await;
    }
    for host in &fleet.hosts {
        is_refused(host, &key, FULL).await;
    }
    fleet.redis.ask(&["FLUSHALL"]).await;
    for _ in 0..20 {
        for host in &fleet.hosts {
            let entered = at(host, &key).open().await.let_in().await;
            assert!(entered.is_err(), "there are seven of six");
        }
    }
    for client in &mut inside {
        client.expect_nothing_before_pong().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_replaces_does_so_on_the_host_where_it_is_shown() {
    let more = ["--max-connections", "2", "--at-limit", "replace-oldest"];
    let (fleet, key) = three(&more).await;
    let mut oldest = enters(&fleet.hosts[0], &key).await;
    let mut second = enters(&fleet.hosts[1], &key).await;
    is_refused(&fleet.hosts[2], &key, FULL).await;
    let mut third = enters(&fleet.hosts[1], &key).await;
    let close = second.closed_within(secs(5)).await;
    assert_eq!(close, (4009, "replaced by a newer connection".to_owned()));
    is_refused(&fleet.hosts[2], &key, FULL).await;
    oldest.expect_nothing_before_pong().await;
    third.expect_nothing_before_pong().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subject_of_signed_tokens_counts_on_all_hosts_and_redis_does_not_learn_who_it_is() {
    let signer = IssuerKey::ed25519("e");
    let set = key_set(&[&signer]).to_string();
    let fleet = Fleet::of_three(|setup: Setup| {
        let file = setup.path("jwks.json");
        std::fs::write(&file, &set).expect("a file in one's own folder");
        setup
            .setting("jwt-keys-file", &file.to_string_lossy())
            .setting("jwt-algorithms", "EdDSA")
    })
    .await;
    for host in &fleet.hosts {
        host.metric_becomes(SHARED, &[], 1.0).await;
    }
    let mut claims = claims("somebody-known", 600);
    claims["channels"] = json!(["ticks:*"]);
    claims["max_connections"] = json!(2);
    let first = enters(&fleet.hosts[0], &signer.token(&claims)).await;
    let second = enters(&fleet.hosts[1], &signer.token(&claims)).await;
    claims["exp"] = json!(claims["exp"].as_u64().expect("a number") + 1);
    is_refused(&fleet.hosts[2], &signer.token(&claims), FULL).await;
    claims["max_connections"] = json!(3);
    let third = enters(&fleet.hosts[2], &signer.token(&claims)).await;
    let Reply::Array(names) = fleet.redis.ask(&["KEYS", "*"]).await else {
        panic!("a list of names");
    };
    let names: Vec<String> = names.iter().map(Reply::text).collect();
    let text = names.join("\n");
    assert!(
        text.contains("places:") && !text.contains("somebody"),
        "{text}"
    );
    for client in [first, second, third] {
        client.close().await;
    }
    until("nothing to be left in Redis", secs(5), async || {
        places(&fleet.redis).await == 0
    })
    .await;
}
