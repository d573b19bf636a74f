//! A key that is at its limit and says that the oldest session gives way: a client whose
//! network dropped is not locked out by its own ghost.

use std::time::Instant;

use tidegate_tests::payloads::{candle, candle_channel, number_of};
use tidegate_tests::{Client, Connect, Proxy, Raw, Redis, Tidegate, eventually, keys, secs, until};

const REPLACED: (u16, &str) = (4009, "replaced by a newer connection");

/// A host with a key of so many places that replaces the oldest.
async fn replacing(places: &str) -> (Redis, Tidegate, Connect) {
    let redis = Redis::start().await;
    let setup = Tidegate::on(&redis);
    let more = ["--max-connections", places, "--at-limit", "replace-oldest"];
    let key = keys::create(&setup.keys_file(), "replacing", &more);
    let tidegate = setup.start().await;
    let connect = tidegate.connect().key(&key);
    (redis, tidegate, connect)
}

async fn enters(connect: &Connect) -> Client {
    let entered = connect.open().await.let_in().await;
    entered.expect("a newcomer is let in")
}

#[tokio::test]
async fn at_the_limit_the_oldest_is_told_4009_and_the_newcomer_is_let_in() {
    let (redis, tidegate, connect) = replacing("2").await;
    let mut first = enters(&connect).await;
    let mut second = enters(&connect).await;
    let mut other_key = tidegate.client().await;
    let mut third = enters(&connect).await;
    first.expect_close(REPLACED.0, REPLACED.1).await;
    let mut fourth = enters(&connect).await;
    second.expect_close(REPLACED.0, REPLACED.1).await;
    for client in [&mut third, &mut fourth, &mut other_key] {
        client.subscribe(["candles:*:*"]).await;
    }
    redis
        .publish(&candle_channel(1, "BTC-USD", "1h"), candle(7))
        .await;
    for client in [&mut third, &mut fourth, &mut other_key] {
        assert_eq!(number_of(&client.next_json().await), 7);
    }
    let reason = [("reason", "replaced")];
    let counted = tidegate.metric("tidegate_sessions_closed_total", &reason);
    assert_eq!(counted.await, 2.0);
}

#[tokio::test]
async fn a_client_whose_network_dropped_is_back_at_once() {
    let (_redis, tidegate, connect) = replacing("1").await;
    let proxy = Proxy::to(tidegate.public().port()).await;
    let through = Connect::to(([127, 0, 0, 1], proxy.port()).into()).key(connect.key_text());
    let _ghost = enters(&through).await;
    proxy.go_silent();
    let dropped = Instant::now();
    let mut back = enters(&connect).await;
    assert!(dropped.elapsed() < secs(2), "{:?}", dropped.elapsed());
    tidegate
        .metric_becomes("tidegate_connections", &[], 1.0)
        .await;
    back.expect_nothing_before_pong().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_that_come_at_once_the_limit_stays_and_all_others_are_told() {
    let (_redis, tidegate, connect) = replacing("5").await;
    let knocking = std::iter::repeat_n(connect.clone(), 50);
    let inside = Client::let_in_at_once(knocking, REPLACED).await;
    let mut replaced = 50 - inside.len();
    tidegate
        .metric_becomes("tidegate_connections", &[], 5.0)
        .await;
    let mut staying = Vec::new();
    for client in inside {
        match client.let_in().await {
            Ok(client) => staying.push(client),
            Err((code, reason)) => {
                assert_eq!((code, reason.as_str()), REPLACED);
                replaced += 1;
            }
        }
    }
    assert_eq!((staying.len(), replaced), (5, 45));
    // A place that was handed over came back once, with its last holder.
    for _ in 0..2 {
        staying.remove(0).close().await;
    }
    tidegate
        .metric_becomes("tidegate_connections", &[], 3.0)
        .await;
    let _new = [enters(&connect).await, enters(&connect).await];
    for client in &mut staying {
        client.expect_nothing_before_pong().await;
    }
}

#[tokio::test]
async fn what_happens_at_the_limit_is_shown_and_can_be_changed_while_the_host_serves() {
    let (_redis, tidegate, connect) = replacing("1").await;
    let file = tidegate.keys_file();
    let path = file.to_string_lossy().into_owned();
    let list = ["key", "list", "--keys-file", &path];
    let listed = tidegate_tests::binary::run(&tidegate.path(""), &list);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    for words in ["AT LIMIT", "replace-oldest", "refuse"] {
        assert!(listed.contains(words), "{words}: {listed}");
    }
    let mut inside = enters(&connect).await;
    keys::edit(&file, |keys| {
        let record = keys::record(keys, "replacing");
        record
            .as_object_mut()
            .expect("an object")
            .remove("at_limit");
    });
    // Once a key that was made later works, the change is in force too.
    let later = keys::create(&file, "later", &[]);
    let later = tidegate.connect().key(&later);
    tidegate_tests::eventually("the later key", secs(5), async || {
        later.open().await.let_in().await.ok()
    })
    .await;
    let refused = connect.open().await.let_in().await.expect_err("no place");
    assert_eq!(refused, (4008, "Connection limit exceeded".to_owned()));
    inside.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn a_key_that_replaces_itself_piles_up_no_sockets() {
    /// So many that were replaced may be saying goodbye; and one is in, and some are on their
    /// way in or out while it is counted.
    const MOST: usize = 64 + 1 + 15;
    let (_redis, tidegate, connect) = replacing("1").await;
    let files = tidegate.process.open_files();
    let mut silent = Vec::new();
    for number in 0..300 {
        silent.push(Raw::upgrade(&connect, connect.key_text()).await);
        // Those that are on their way out need the time of a busy machine, and no goodbye's.
        let what = format!("at most {MOST} sockets after {number} connections");
        let few = async || tidegate.process.open_files() - files <= MOST;
        until(&what, secs(1), few).await;
    }
    enters(&connect).await.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn where_the_host_is_full_nobody_gives_way_in_vain() {
    let redis = Redis::start().await;
    let setup = Tidegate::on(&redis).setting("max-connections", "2");
    let more = ["--max-connections", "1", "--at-limit", "replace-oldest"];
    let key = keys::create(&setup.keys_file(), "replacing", &more);
    let tidegate = setup.start().await;
    let connect = tidegate.connect().key(&key);
    let mut inside = enters(&connect).await;
    let mut other_key = tidegate.client().await;
    other_key.expect_nothing_before_pong().await;
    assert_eq!(connect.refused().await, 503);
    inside.expect_nothing_before_pong().await;
    other_key.close().await;
    tidegate
        .metric_becomes("tidegate_connections", &[], 1.0)
        .await;
    eventually("room in the host", secs(5), async || {
        connect.try_open().await.ok()
    })
    .await;
    inside.expect_close(REPLACED.0, REPLACED.1).await;
}
