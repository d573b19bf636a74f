//! What befalls ingest and edge hosts on a Redis Cluster beside the death of a master: moves that
//! are taken back, slots that are on their way, nodes that are all replaced, and a cluster that is
//! made anew.

use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;
use tidegate_tests::arrivals::next_event;
use tidegate_tests::delivery::{Account, Publisher};
use tidegate_tests::relay::{OF_ALL, OF_CHANNEL, is_in_step};
use tidegate_tests::roamer::Roamer;
use tidegate_tests::{Client, Cluster, Relay, Tidegate, eventually, millis, secs, until};

const CHANNEL: &str = "candles:BTC-USD:1h";

/// A client of the first edge host, once that can answer one.
async fn comes_again(relay: &Relay<Cluster>, within: u64) -> (Client, Value) {
    eventually("a subscription", secs(within), async || {
        let mut client = relay.edges[0].client().await;
        let answer = client.subscribe([CHANNEL]).await;
        (answer["type"] == "subscribed").then_some((client, answer))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_is_begun_and_taken_back_under_load_changes_no_order() {
    let relay = Relay::in_cluster(Cluster::start().await, 1, 1).await;
    let cluster = &relay.redis;
    let account = Account::of(relay.subscriber(0, [CHANNEL]).await);
    let publisher = Publisher::start(&[cluster.nodes[0].port], 2_000);
    publisher.takes(1_000).await;
    let (from, hash_slot) = cluster.owner_of(OF_CHANNEL, 0).await;
    let to = &cluster.nodes[(from + 1) % 3];
    let to = to.ask(&["CLUSTER", "MYID"]).await.text();
    let mut operator = cluster.nodes[from].connect().await.expect("it listens");
    let moving = hash_slot.as_bytes();
    let begin: [&[u8]; 5] = [b"CLUSTER", b"SETSLOT", moving, b"MIGRATING", to.as_bytes()];
    let take_back: [&[u8]; 4] = [b"CLUSTER", b"SETSLOT", moving, b"STABLE"];
    for _ in 0..100 {
        let goal = publisher.taken() + 40;
        operator.ask(&begin).await.expect("an answer");
        operator.ask(&take_back).await.expect("an answer");
        until("more events", secs(5), async || publisher.taken() > goal).await;
    }
    let taken = publisher.stop().await;
    account.is_whole(&taken, secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_of_other_slots_do_not_wait_for_one_that_is_on_its_way() {
    let relay = Relay::in_cluster(Cluster::start().await, 1, 1).await;
    let cluster = &relay.redis;
    let [mut stuck, mut free] = relay.listeners().await;
    let (from, hash_slot) = cluster.owner_of(OF_CHANNEL, 0).await;
    let to = (from + 1) % 3;
    cluster.begin_to_move(&hash_slot, from, to).await;
    let began = Instant::now();
    for number in 2..12 {
        cluster.candle(0, "BTC", number).await;
        cluster.candle(0, "ETH", number).await;
        assert_eq!(next_event(&mut free).await["seq"], number);
    }
    let waited = began.elapsed();
    cluster.end_the_move(&hash_slot, from, to).await;
    assert!(waited < secs(1), "{waited:?}");
    for number in 2..12 {
        assert_eq!(next_event(&mut stuck).await["seq"], number);
    }
}

/// A client that comes again whenever it is cut gets what is published at this node now.
async fn brings(relay: &Relay<Cluster>, roamer: &Roamer, by: usize, number: usize) {
    until("an event", secs(40), async || {
        relay.redis.candle(by, "BTC", number).await;
        roamer.last() == Some(number)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_come_back_though_no_node_is_left_of_those_that_they_began_with() {
    let mut cluster = Cluster::start().await;
    // Hosts begin with three nodes, of which they are told one.
    for node in &mut cluster.nodes[3..] {
        node.kill();
    }
    until("nodes that failed", secs(30), async || {
        let nodes = cluster.nodes[0].ask(&["CLUSTER", "NODES"]).await.text();
        nodes.matches("slave,fail ").count() == 3
    })
    .await;
    let url = format!("redis://{}", cluster.nodes[0].address());
    let mut relay = Relay::in_cluster_at(cluster, url, 1, 1).await;
    let doors = relay.edges.iter().map(Tidegate::connect).collect();
    let roamer = Roamer::start(doors, 0, CHANNEL);
    brings(&relay, &roamer, 0, 1).await;
    for node in &mut relay.redis.nodes[3..] {
        node.restart().await;
    }
    relay.redis.settles().await;
    for place in 0..3 {
        relay.redis.demote(place).await;
    }
    relay.redis.settles().await;
    brings(&relay, &roamer, 3, 2).await;
    for node in &mut relay.redis.nodes[..3] {
        node.kill();
    }
    brings(&relay, &roamer, 3, 3).await;
    for node in &relay.redis.nodes[3..] {
        let kill = ["CLIENT", "KILL", "TYPE", "NORMAL", "SKIPME", "YES"];
        node.ask(&kill).await;
    }
    brings(&relay, &roamer, 3, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ingest_host_that_stood_still_while_a_master_gave_way_and_came_back_sees_it() {
    let relay = Relay::in_cluster(Cluster::start().await, 2, 1).await;
    let cluster = &relay.redis;
    is_in_step(&relay.ingests[1]).await;
    let (place, _) = cluster.owner_of(OF_CHANNEL, 0).await;
    let replica = cluster.replica_of(place).await;
    relay.ingests[1].process.signal(Signal::STOP);
    for (master, times) in [(place, 1.0), (replica, 2.0)] {
        cluster.settles().await;
        cluster.demote(master).await;
        let renumbered = "tidegate_relay_renumbered_total";
        relay.edges[0].metric_becomes(renumbered, &[], times).await;
    }
    let connected = "tidegate_relay_connected";
    relay.edges[0].metric_becomes(connected, &[], 1.0).await;
    let (mut client, _) = comes_again(&relay, 20).await;
    relay.ingests[1].process.signal(Signal::CONT);
    for number in 1..100 {
        cluster.candle(3, "BTC", number).await;
        assert_eq!(next_event(&mut client).await["seq"], number);
        tokio::time::sleep(millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_knew_more_of_a_cluster_that_is_no_more_is_believed_for_a_while_only() {
    let relay = Relay::in_cluster(Cluster::start().await, 1, 1).await;
    let cluster = &relay.redis;
    let mut client = relay.subscriber(0, [CHANNEL]).await;
    cluster.candle(0, "BTC", 1).await;
    next_event(&mut client).await;
    let (home, _) = cluster.owner_of(OF_ALL, 0).await;
    let foreign = ["HSET", OF_ALL, "g", "5", "r", "others", "v", "1000"];
    cluster.nodes[home].ask(&foreign).await;
    assert_eq!(client.closed_within(secs(60)).await.0, 1012);
    comes_again(&relay, 20).await;
    let version = cluster.nodes[home].ask(&["HGET", OF_ALL, "v"]).await.text();
    assert!(
        version.parse::<u32>().expect("a number") < 1_000,
        "{version}"
    );
    // The next change is believed at once.
    let (place, _) = cluster.owner_of(OF_CHANNEL, 0).await;
    let (mut client, answer) = comes_again(&relay, 20).await;
    let began = Instant::now();
    cluster.demote(place).await;
    assert_eq!(client.closed_within(secs(25)).await.0, 1012);
    let (_, next) = comes_again(&relay, 20).await;
    assert_ne!(answer["epoch"], next["epoch"]);
    assert!(began.elapsed() < secs(25));
}
