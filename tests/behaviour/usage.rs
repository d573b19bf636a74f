//! Usage: what each key was sent, by day, on all hosts together, lost by no outage of Redis.

use serde_json::Value;
use tidegate_tests::payloads::{candle, candle_channel};
use tidegate_tests::{Client, Connect, Fleet, Redis, Setup, Tidegate, keys, secs, until};

/// What a client gets of so many candles: messages and bytes with the heads of their frames.
async fn take(client: &mut Client, count: u64) -> [u64; 2] {
    let mut bytes = 0;
    for _ in 0..count {
        let text = client.next_text().await;
        bytes += text.len() as u64 + if text.len() < 126 { 2 } else { 4 };
    }
    [count, bytes]
}

/// The last day's count of a key, or of all whose id begins so.
fn of(report: &Value, key: &str) -> [u64; 2] {
    let days = report["days"].as_array().expect("days");
    let mut sums = [0, 0];
    for entry in days
        .iter()
        .flat_map(|day| day["keys"].as_array().expect("keys"))
    {
        if entry["key"]
            .as_str()
            .is_some_and(|known| known.starts_with(key))
        {
            for (sum, field) in sums.iter_mut().zip(["messages", "bytes"]) {
                *sum += entry[field].as_u64().expect("a number");
            }
        }
    }
    sums
}

async fn usage(host: &Tidegate) -> Value {
    host.admin_api().get("/v1/usage").await.done()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_on_its_own_counts_what_each_key_was_sent() {
    let redis = Redis::start().await;
    let setup = Tidegate::on(&redis).state_dir();
    let second = keys::create(&setup.keys_file(), "second", &[]);
    let host = setup.start().await;
    let mut clients = [
        host.subscriber(["candles:*:*"]).await,
        host.subscriber(["candles:*:*"]).await,
        Connect::to(host.public()).key(&second).open().await,
    ];
    clients[2].subscribe(["candles:*:*"]).await;
    for number in 0..20 {
        redis
            .publish(&candle_channel(1, "BTC-USD", "1h"), candle(number))
            .await;
    }
    let mut sent = Vec::new();
    for client in &mut clients {
        sent.push(take(client, 20).await);
    }
    let report = usage(&host).await;
    assert_eq!(report["fleet"], Value::Null);
    let keys = report["days"][0]["keys"].as_array().expect("keys").clone();
    assert_eq!(keys.len(), 2, "{report:#}");
    let mut counted: Vec<[u64; 2]> = keys
        .iter()
        .map(|key| ["messages", "bytes"].map(|field| key[field].as_u64().expect("a number")))
        .collect();
    counted.sort_unstable();
    let both = [sent[0][0] + sent[1][0], sent[0][1] + sent[1][1]];
    assert_eq!(counted, [sent[2], both]);
    // A session that is over was counted.
    let [first, ..] = clients;
    first.close().await;
    until("the session to be over", secs(5), async || {
        host.metric("tidegate_connections", &[]).await == 2.0
    })
    .await;
    assert_eq!(of(&usage(&host).await, "k_"), [60, both[1] + sent[2][1]]);
    let bad = host.admin_api().get("/v1/usage?days=0").await;
    assert_eq!(bad.status, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_hosts_of_a_fleet_count_together_and_an_outage_of_redis_loses_nothing() {
    let fleet = Fleet::of_three(|setup: Setup| setup).await;
    let mut clients = Vec::new();
    for host in &fleet.hosts {
        clients.push(host.subscriber(["ticks:*"]).await);
    }
    let mut sent = [0, 0];
    for round in 0..2 {
        for _ in 0..10 {
            fleet.redis.publish("feed:ticks:AB", r#"{"n":0}"#).await;
        }
        for client in &mut clients {
            let more = take(client, 10).await;
            sent = [sent[0] + more[0], sent[1] + more[1]];
        }
        if round == 0 {
            fleet.redis.pause();
            for host in &fleet.hosts {
                until("usage that cannot be written", secs(40), async || {
                    host.metric("tidegate_usage_unwritten", &[]).await == 1.0
                })
                .await;
            }
            fleet.redis.resume();
            for client in &mut clients {
                // They may be told that something was missed meanwhile.
                client.expect_no_data_before_pong().await;
            }
        }
    }
    until("all that was sent", secs(40), async || {
        of(&usage(&fleet.hosts[1]).await, "k_") == sent
    })
    .await;
    let report = usage(&fleet.hosts[2]).await;
    assert_eq!(report["fleet"], "tidegate");
    assert_eq!(report["days"][0]["keys"].as_array().map(Vec::len), Some(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_beyond_the_bound_are_counted_together_and_none_of_it_is_lost() {
    let redis = Redis::start().await;
    let setup = Tidegate::on(&redis).state_dir().setting("usage-keys", "1");
    let more = ["second", "third"].map(|name| keys::create(&setup.keys_file(), name, &[]));
    let host = setup.start().await;
    let mut clients = vec![host.subscriber(["candles:*:*"]).await];
    for key in &more {
        let mut client = Connect::to(host.public()).key(key).open().await;
        client.subscribe(["candles:*:*"]).await;
        clients.push(client);
    }
    let mut sent = [0, 0];
    for number in 0..10 {
        let channel = candle_channel(1, "BTC-USD", "1h");
        redis.publish(&channel, candle(number)).await;
        for client in &mut clients {
            let more = take(client, 1).await;
            sent = [sent[0] + more[0], sent[1] + more[1]];
        }
    }
    let report = usage(&host).await;
    assert_eq!(of(&report, ""), sent, "{report:#}");
    let keys = report["days"][0]["keys"].as_array().map(Vec::len);
    assert_eq!(keys, Some(2), "{report:#}");
    assert_eq!(of(&report, "*")[0], 20, "{report:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_is_counted_once_though_its_host_is_killed() {
    let mut fleet = Fleet::of_three(|setup: Setup| setup).await;
    let mut sent = [0, 0];
    for round in 0..2 {
        let mut client = fleet.hosts[0].subscriber(["ticks:*"]).await;
        for _ in 0..10 {
            fleet.redis.publish("feed:ticks:AB", r#"{"n":0}"#).await;
        }
        let more = take(&mut client, 10).await;
        sent = [sent[0] + more[0], sent[1] + more[1]];
        until("all that was sent", secs(40), async || {
            of(&usage(&fleet.hosts[1]).await, "k_") == sent
        })
        .await;
        if round == 0 {
            let killed = fleet.hosts.remove(0);
            fleet.hosts.insert(0, killed.kill_and_restart().await);
        }
    }
    // What a host has not written yet goes with it: not more, and nothing of others.
    let mut client = fleet.hosts[0].subscriber(["ticks:*"]).await;
    fleet.redis.publish("feed:ticks:AB", r#"{"n":0}"#).await;
    let unwritten = take(&mut client, 1).await;
    let killed = fleet.hosts.remove(0);
    fleet.hosts.insert(0, killed.kill_and_restart().await);
    let known = of(&usage(&fleet.hosts[1]).await, "k_");
    let most = [sent[0] + unwritten[0], sent[1] + unwritten[1]];
    assert!(known == sent || known == most, "{known:?}, {sent:?}");
}
