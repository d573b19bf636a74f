//! Keys, the limits of keys and usage of a fleet whose Redis is a cluster, while the master that
//! has them dies: nobody is thrown out or let in beyond a limit, and nothing is counted twice.

use serde_json::{Value, json};
use tidegate_tests::fleet::Shared as _;
use tidegate_tests::{
    Client, Cluster, Connect, Fleet, Setup, Tidegate, eventually, keys, secs, until,
};

const KEYS: &str = "tidegate:fleet:{tidegate}:api-keys";
const FULL: u16 = 4008;
const ENDED: (u16, &str) = (4001, "Invalid API key");
const SHARED: &str = "tidegate_fleet_limits_shared";

fn at(host: &Tidegate, key: &str) -> Connect {
    Connect::to(host.public()).key(key)
}

async fn comes_in(host: &Tidegate, key: &str) -> Client {
    eventually("a place and a key in force", secs(20), async || {
        at(host, key).open().await.let_in().await.ok()
    })
    .await
}

async fn is_full(fleet: &Fleet<Cluster>, key: &str) {
    for host in &fleet.hosts {
        let entered = at(host, key).open().await.let_in().await;
        let (code, reason) = entered.expect_err("there is no place");
        assert_eq!(code, FULL, "{reason}");
    }
}

/// All hosts hear of each other's connections.
async fn limits_are_shared(fleet: &Fleet<Cluster>) {
    for host in &fleet.hosts {
        host.metric_becomes(SHARED, &[], 1.0).await;
        let hosts = "tidegate_fleet_limit_hosts";
        host.metric_becomes(hosts, &[], 3.0).await;
    }
}

fn is_about_upstream(text: &str) -> bool {
    text.contains(r#""type":"gap""#) || text.contains(r#""type":"status""#)
}

/// Who is inside still is.
async fn stays(client: &mut Client) {
    client.send(json!({"action": "ping"})).await;
    let mut text = client.next_text().await;
    while is_about_upstream(&text) {
        text = client.next_text().await;
    }
    assert!(text.contains("pong"), "{text}");
}

/// One event for all, and how many bytes the frames of it have.
async fn one_more(fleet: &Fleet<Cluster>, inside: &mut [Client]) -> u64 {
    fleet.redis.event("feed:ticks:AB", r#"{"n":0}"#).await;
    let mut bytes = 0;
    for client in inside {
        let mut text = client.next_text().await;
        // What the move did to the upstream is told before.
        while is_about_upstream(&text) {
            text = client.next_text().await;
        }
        assert!(text.contains(r#""seq""#), "{text}");
        bytes += text.len() as u64 + if text.len() < 126 { 2 } else { 4 };
    }
    bytes
}

/// Messages and bytes of all keys on all days, as a host says.
async fn usage(host: &Tidegate) -> Option<[u64; 2]> {
    let answer = host.admin_api().get("/v1/usage").await;
    let days = answer.body["days"].as_array()?;
    let keys = days.iter().filter_map(|day| day["keys"].as_array());
    let keys: Vec<&Value> = keys.flatten().collect();
    let sum = |field: &str| keys.iter().filter_map(|key| key[field].as_u64()).sum();
    Some([sum("messages"), sum("bytes")])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_limits_and_usage_are_those_of_the_fleet_before_and_after_the_death_of_their_master() {
    let cluster = Cluster::start().await;
    let in_redis = |setup: Setup| setup.without_keys().setting("keys", "redis");
    let mut fleet = Fleet::of_three_at(cluster, in_redis).await;
    let url = fleet.redis.url();
    limits_are_shared(&fleet).await;
    let key = keys::create_in_redis(&url, "partner", &["--max-connections", "3"]);
    let mut inside = Vec::new();
    for host in &fleet.hosts {
        let mut client = comes_in(host, &key).await;
        client.subscribe(["ticks:*"]).await;
        inside.push(client);
    }
    is_full(&fleet, &key).await;
    let mut bytes = one_more(&fleet, &mut inside).await;

    let (dead, _) = fleet.redis.owner_of(KEYS, 0).await;
    fleet.redis.nodes[dead].kill();
    let lives = (dead + 1) % 3;
    until("another master", secs(20), async || {
        fleet.redis.owner_of(KEYS, lives).await.0 != dead
    })
    .await;
    limits_are_shared(&fleet).await;
    for host in &fleet.hosts {
        host.becomes_ready(secs(20)).await;
    }
    for client in &mut inside {
        stays(client).await;
    }
    is_full(&fleet, &key).await;
    bytes += one_more(&fleet, &mut inside).await;
    // A place that is left on one host is free on another.
    inside.remove(0).close().await;
    let mut client = comes_in(&fleet.hosts[2], &key).await;
    client.subscribe(["ticks:*"]).await;
    inside.push(client);
    is_full(&fleet, &key).await;
    bytes += one_more(&fleet, &mut inside).await;

    keys::revoke_in_redis(&url, "partner");
    for client in &mut inside {
        let close = client.closed_within(secs(5)).await;
        assert_eq!(close, (ENDED.0, ENDED.1.to_owned()));
    }
    until("each message counted once", secs(40), async || {
        usage(&fleet.hosts[1]).await == Some([9, bytes])
    })
    .await;
}
