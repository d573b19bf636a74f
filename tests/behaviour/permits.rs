//! The five places of a key: exactly five, and given back by whichever door one leaves.

use serde_json::json;
use tidegate_tests::{Client, Connect, Raw, Redis, Tidegate, eventually, keys, millis, secs};

const FULL: (u16, &str) = (4008, "Connection limit exceeded");

/// A host with a key of five places.
async fn five() -> (Redis, Tidegate, Connect) {
    let redis = Redis::start().await;
    let setup = Tidegate::on(&redis);
    let key = keys::create(&setup.keys_file(), "five", &[]);
    let tidegate = setup.start().await;
    let connect = tidegate.connect().key(&key);
    (redis, tidegate, connect)
}

async fn fill(connect: &Connect) -> Vec<Client> {
    let mut inside = Vec::new();
    for _ in 0..5 {
        let client = connect.open().await.let_in().await;
        inside.push(client.expect("there are five places"));
    }
    inside
}

async fn assert_full(connect: &Connect) {
    let (code, reason) = connect.open().await.let_in().await.expect_err("the sixth");
    assert_eq!((code, reason.as_str()), FULL);
}

async fn comes_in(connect: &Connect) -> Client {
    eventually("a place to become free", secs(5), async || {
        connect.open().await.let_in().await.ok()
    })
    .await
}

#[tokio::test]
async fn the_sixth_is_refused_and_a_place_is_free_again_after_a_clean_leave() {
    let (_redis, tidegate, connect) = five().await;
    let mut inside = fill(&connect).await;
    assert_full(&connect).await;
    assert_full(&connect).await;
    let other_key = tidegate.client().await.let_in().await;
    assert!(other_key.is_ok(), "another key has places of its own");
    inside.remove(0).close().await;
    inside.push(comes_in(&connect).await);
    assert_full(&connect).await;
}

#[tokio::test]
async fn a_place_is_free_again_after_a_reset() {
    let (_redis, _tidegate, connect) = five().await;
    let mut inside = fill(&connect).await;
    inside.remove(0).reset();
    inside.push(comes_in(&connect).await);
    assert_full(&connect).await;
}

#[tokio::test]
async fn upgrades_that_fail_take_no_place() {
    let (_redis, tidegate, connect) = five().await;
    let good = Raw::upgrade_text(connect.key_text());
    let no_upgrade = good.replace("Upgrade: websocket\r\n", "");
    let bad_version = good.replace("Version: 13", "Version: 12");
    let half = good[..good.len() - 2].to_owned();
    for text in [&no_upgrade, &bad_version, &half]
        .into_iter()
        .cycle()
        .take(30)
    {
        let mut raw = Raw::connect(&connect).await;
        raw.write(text.as_bytes()).await;
        raw.reset();
    }
    // Upgrades that nobody waits for: the answer meets a socket that is gone.
    for _ in 0..10 {
        let mut raw = Raw::connect(&connect).await;
        raw.write(good.as_bytes()).await;
        raw.reset();
    }
    tidegate
        .metric_becomes("tidegate_connections", &[], 0.0)
        .await;
    let _inside = fill(&connect).await;
    assert_full(&connect).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_that_come_at_once_five_get_in() {
    let (_redis, _tidegate, connect) = five().await;
    let knocking = std::iter::repeat_n(connect.clone(), 50);
    let inside = Client::let_in_at_once(knocking, FULL).await;
    assert_eq!(inside.len(), 5);
    assert_full(&connect).await;
}

#[tokio::test]
async fn a_key_with_a_new_id_and_a_new_name_keeps_its_sessions_and_its_count() {
    let (_redis, tidegate, connect) = five().await;
    let file = tidegate.keys_file();
    let mut inside = fill(&connect).await;
    let mut name = "five";
    for (number, (field, value)) in [("id", "another"), ("name", "quintet")]
        .into_iter()
        .enumerate()
    {
        keys::edit(&file, |keys| keys::record(keys, name)[field] = json!(value));
        name = if field == "name" { value } else { name };
        // Once a key that was made later works, the change is in force too.
        let later = keys::create(&file, &format!("later-{number}"), &[]);
        comes_in(&tidegate.connect().key(&later)).await;
        assert_full(&connect).await;
        for client in &mut inside {
            client.expect_nothing_before_pong().await;
        }
    }
    inside.remove(0).close().await;
    inside.push(comes_in(&connect).await);
    assert_full(&connect).await;
    keys::revoke(&file, name);
    for client in &mut inside {
        let close = client.closed_within(millis(1500)).await;
        assert_eq!(close, (4001, "Invalid API key".to_owned()));
    }
}
