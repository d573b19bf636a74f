//! API keys in Redis: made and ended by one command for all hosts, kept in force while Redis is
//! away, and read as strictly as those of a file.

use std::time::Instant;

use serde_json::json;
use sha2::{Digest, Sha256};
use tidegate_tests::resp::{Resp, encode};
use tidegate_tests::{
    Client, Connect, Fleet, Redis, Setup, Tidegate, eventually, keys, millis, secs, until,
};

const KEYS: &str = "tidegate:fleet:{tidegate}:api-keys";
const ENDED: (u16, &str) = (4001, "Invalid API key");

fn in_redis(setup: Setup) -> Setup {
    setup.without_keys().setting("keys", "redis")
}

fn at(host: &Tidegate, key: &str) -> Connect {
    Connect::to(host.public()).key(key)
}

async fn comes_in(host: &Tidegate, key: &str) -> Client {
    eventually("a key to count", secs(5), async || {
        at(host, key).open().await.let_in().await.ok()
    })
    .await
}

async fn is_refused(host: &Tidegate, key: &str) {
    let entered = at(host, key).open().await.let_in().await;
    let (code, reason) = entered.expect_err("no key in force");
    assert_eq!((code, reason.as_str()), ENDED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_counts_on_all_hosts_within_a_second_and_a_revoked_one_is_out_everywhere() {
    let fleet = Fleet::of_three(in_redis).await;
    let url = fleet.redis.url();
    let before = Instant::now();
    let key = keys::create_in_redis(&url, "partner", &["--max-connections", "4"]);
    let created = Instant::now();
    let mut inside = Vec::new();
    for host in &fleet.hosts {
        inside.push(comes_in(host, &key).await);
    }
    println!(
        "made in {:?}, in force after {:?}",
        created - before,
        created.elapsed()
    );
    assert!(created.elapsed() < millis(1_500), "{:?}", created.elapsed());
    // The limit is one for all of them.
    inside.push(comes_in(&fleet.hosts[0], &key).await);
    let entered = at(&fleet.hosts[1], &key).open().await.let_in().await;
    assert_eq!(entered.expect_err("the fifth").0, 4008);
    keys::revoke_in_redis(&url, "partner");
    let revoked = Instant::now();
    for client in &mut inside {
        let close = client.closed_within(millis(1_500)).await;
        assert_eq!(close, (ENDED.0, ENDED.1.to_owned()));
    }
    println!("out everywhere after {:?}", revoked.elapsed());
    assert!(revoked.elapsed() < millis(1_500), "{:?}", revoked.elapsed());
    for host in &fleet.hosts {
        is_refused(host, &key).await;
    }
    let listed = keys::listed_in_redis(&url);
    assert_eq!(listed[0]["state"], "revoked", "{listed}");
    assert!(!listed.to_string().contains("sha256"), "{listed}");
    // The name is free again.
    let again = keys::create_in_redis(&url, "partner", &[]);
    comes_in(&fleet.hosts[2], &again).await;
    let refused = keys::refused_in_redis(&url, "partner");
    assert!(refused.contains("is in use by key k_"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keys_of_a_file_are_taken_over_once_and_change_nothing_that_is_there() {
    let redis = Redis::start().await;
    let url = redis.url();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("keys.json");
    let alice = keys::create(&file, "alice", &["--max-connections", "2"]);
    let gone = keys::create(&file, "gone", &[]);
    keys::revoke(&file, "gone");
    let (imported, first) = keys::import(&file, &url);
    assert!(imported, "{first}");
    assert!(first.contains("took over 2 keys into "), "{first}");
    let host = in_redis(Tidegate::on(&redis)).start().await;
    let mut inside = comes_in(&host, &alice).await;
    is_refused(&host, &gone).await;
    let (imported, again) = keys::import(&file, &url);
    assert!(imported && again.contains("took over 0 keys"), "{again}");
    assert!(again.contains("; 2 there already"), "{again}");
    // What was done there since stands, and so does whoever has the name.
    keys::revoke_in_redis(&url, "alice");
    keys::create_in_redis(&url, "bob", &[]);
    keys::create(&file, "bob", &[]);
    let (imported, refused) = keys::import(&file, &url);
    assert!(!imported, "{refused}");
    assert!(
        refused.contains("stand there already and say something else"),
        "{refused}"
    );
    assert!(
        refused.contains("keys in force have their names there"),
        "{refused}"
    );
    let close = inside.closed_within(millis(1_500)).await;
    assert_eq!(close, (ENDED.0, ENDED.1.to_owned()));
    is_refused(&host, &alice).await;
    let listed = keys::listed_in_redis(&url);
    assert_eq!(listed.as_array().map(Vec::len), Some(3), "{listed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_the_keys_that_were_known_stay_in_force_and_nobody_comes_in_before_any_was() {
    let mut redis = Redis::start().await;
    let key = keys::create_in_redis(&redis.url(), "partner", &[]);
    let host = in_redis(Tidegate::on(&redis)).start().await;
    let mut inside = comes_in(&host, &key).await;
    redis.kill().await;
    let (status, body) = eventually("a note", secs(10), async || {
        let (status, body) = host.ready().await;
        let notes = body["notes"].to_string();
        notes.contains("keys in Redis").then_some((status, body))
    })
    .await;
    assert!(
        body["notes"].to_string().contains("stay in force"),
        "{status}: {body}"
    );
    host.metric_becomes("tidegate_key_file_ok", &[], 0.0).await;
    inside.expect_nothing_before_pong().await;
    comes_in(&host, &key).await;
    let said = "the keys in Redis cannot be read";
    assert_eq!(host.stderr().lines_with(said), 1);
    // A host that begins now knows none.
    let (setup, _) = host.killed();
    let host = setup.not_ready().start_with_key(key.clone()).await;
    let refused = at(&host, &key)
        .try_open()
        .await
        .expect_err("no key is known");
    assert!(refused.to_string().contains("503"), "{refused}");
    let reasons = host.says_why("keys in Redis", secs(5)).await;
    assert!(reasons.contains("nobody can come in"), "{reasons}");
    // It comes back empty: nobody is known, and that is known.
    redis.restart(&[]).await;
    host.becomes_ready(secs(20)).await;
    is_refused(&host, &key).await;
    host.metric_becomes("tidegate_key_file_ok", &[], 1.0).await;
    let fresh = keys::create_in_redis(&redis.url(), "partner", &[]);
    comes_in(&host, &fresh).await;
    // A Redis that forgets ends nobody's key.
    redis.ask(&["FLUSHALL"]).await;
    host.metric_becomes("tidegate_key_file_ok", &[], 0.0).await;
    comes_in(&host, &fresh).await;
    let later = keys::create_in_redis(&redis.url(), "later", &[]);
    comes_in(&host, &later).await;
    comes_in(&host, &fresh).await;
    host.metric_becomes("tidegate_key_file_ok", &[], 1.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_cannot_be_used_changes_nothing_and_nothing_of_it_is_shown() {
    let redis = Redis::start().await;
    let key = keys::create_in_redis(&redis.url(), "partner", &[]);
    let host = in_redis(Tidegate::on(&redis)).start().await;
    comes_in(&host, &key).await;
    let listed = keys::listed_in_redis(&redis.url());
    let id = listed[0]["id"].as_str().expect("an id").to_owned();
    let put = async |text: &str| {
        redis.ask(&["HSET", KEYS, &id, text]).await;
        let newest = redis
            .ask(&["ZSCORE", &format!("{KEYS}:changes"), &id])
            .await;
        let newest: u64 = newest.text().parse().expect("a number");
        let next = (newest + 1).to_string();
        redis
            .ask(&["ZADD", &format!("{KEYS}:changes"), &next, &id])
            .await;
    };
    let good = redis.ask(&["HGET", KEYS, &id]).await.text();
    put(r#"{"secret-of-a-record":1}"#).await;
    host.metric_becomes("tidegate_key_file_ok", &[], 0.0).await;
    comes_in(&host, &key).await;
    let log = host.stderr().text();
    assert!(
        log.contains("a key in Redis cannot be used") && log.contains(&id),
        "{log}"
    );
    assert!(!log.contains("secret-of-a-record"), "{log}");
    put(&good).await;
    host.metric_becomes("tidegate_key_file_ok", &[], 1.0).await;
    put(&good.replace("\"max_connections\":5", "\"max_connections\":1")).await;
    let first = comes_in(&host, &key).await;
    until("the new limit", secs(5), async || {
        at(&host, &key).open().await.let_in().await.is_err()
    })
    .await;
    drop(first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_keys_are_read_at_the_start_and_followed() {
    const COUNT: usize = 100_000;
    let redis = Redis::start().await;
    let idle = in_redis(Tidegate::on(&redis)).start().await;
    let without = idle.process.resident_bytes();
    drop(idle);
    let mut connection = Resp::connect(redis.port()).await.expect("it listens");
    for some in (0..COUNT).collect::<Vec<_>>().chunks(1_000) {
        let (mut records, mut changes) = (vec!["HSET".to_owned(), KEYS.to_owned()], vec![]);
        for number in some {
            let digest = Sha256::digest(format!("tdg_{number}"));
            let sha256: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            let id = format!("k_{number}");
            let record = json!({
                "id": id, "name": format!("customer {number}"), "sha256": sha256,
                "max_connections": 5, "channels": ["candles:*:1h", "signals:*:*"],
                "created": "2026-01-01T00:00:00Z", "expires": null, "revoked": null,
            });
            records.extend([id.clone(), record.to_string()]);
            changes.extend([(number + 1).to_string(), id]);
        }
        let numbered = ["ZADD".to_owned(), format!("{KEYS}:changes")].into_iter();
        let numbered: Vec<String> = numbered.chain(changes).collect();
        for command in [records, numbered] {
            let parts: Vec<&[u8]> = command.iter().map(String::as_bytes).collect();
            connection
                .send_raw(&encode(&parts))
                .await
                .expect("it reads");
            connection.reply().await.expect("it answers");
        }
    }
    let started = Instant::now();
    let host = in_redis(Tidegate::on(&redis)).start().await;
    let read = started.elapsed();
    comes_in(&host, "tdg_99999").await;
    comes_in(&host, "tdg_0").await;
    let with = host.process.resident_bytes();
    assert_eq!(host.metric("tidegate_keys", &[]).await, COUNT as f64);
    let key = keys::create_in_redis(&redis.url(), "one more", &[]);
    let created = Instant::now();
    comes_in(&host, &key).await;
    let changed = created.elapsed();
    println!(
        "{COUNT} keys: ready after {read:?}, a change in force after {changed:?}, \
         {} bytes a key",
        with.saturating_sub(without) / COUNT as u64
    );
    // A busy machine takes longer; docs/performance.md has what was measured beside what.
    assert!(read < secs(10), "{read:?}");
    assert!(changed < secs(2), "{changed:?}");
    keys::revoke_in_redis(&redis.url(), "k_7");
    until("the revoked one to be out", secs(2), async || {
        at(&host, "tdg_7").open().await.let_in().await.is_err()
    })
    .await;
}
