//! Servers that are cut off from their like and answer the host all the same: a node from most of
//! its cluster, a master from its replica and the sentinels. Each runs in a network namespace of its
//! own; where the machine makes none, these tests say so and try nothing.

use std::time::Instant;

use tidegate_tests::admin::everything;
use tidegate_tests::arrivals::next_event;
use tidegate_tests::payloads::{candle, candle_channel, number_of};
use tidegate_tests::{Cluster, Fleet, Guest, Segment, Sentinels, Setup, Tidegate, secs, until};

const CHANNEL: &str = "candles:BTC-USD:1h";
const WANTED: &str = "tidegate:fleet:{tidegate}:deployments";

async fn server(tidegate: &Tidegate) -> String {
    let upstream = tidegate.ready().await.1["upstream"].clone();
    upstream["server"].as_str().unwrap_or_default().to_owned()
}

/// The machines of a segment but this one, where there are so many.
fn others(than: u8, count: u8) -> Vec<u8> {
    (1..=count).filter(|machine| *machine != than).collect()
}

fn machine(place: usize) -> u8 {
    u8::try_from(place + 1).expect("a small number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_off_from_most_of_its_cluster_and_still_answers_is_left_in_time() {
    let Some(segment) = Segment::make(6) else {
        return;
    };
    let cluster = Cluster::on(&segment).await;
    let tidegate = Setup::new(&cluster.url()).start().await;
    let mut client = tidegate.subscriber([CHANNEL]).await;
    let ours = cluster.place(&server(&tidegate).await);
    // Replicas cannot vote, so that of the three masters one is the smaller part.
    segment.cut_off(machine(ours), &others(machine(ours), 6));
    let cut = Instant::now();
    let channel = candle_channel(1, "BTC-USD", "1h");
    let heard = cluster.nodes[ours].publish(&channel, candle(1)).await;
    assert_eq!(heard, 1, "it answers, and the host listens to it");
    assert_eq!(number_of(&next_event(&mut client).await), 1);
    until("another node", secs(8), async || {
        cluster.place(&server(&tidegate).await) != ours
    })
    .await;
    // Its own second until it says so, which `cluster-node-timeout` makes two, and five from then.
    assert!(cut.elapsed() < secs(7), "{:?}", cut.elapsed());
    let next = cluster.place(&server(&tidegate).await);
    println!("left after {:?}", cut.elapsed());
    cluster.nodes[(ours + 1) % 3]
        .publish(&channel, candle(2))
        .await;
    assert_eq!(number_of(&next_event(&mut client).await), 2);
    // It is left, not only joined by another.
    until("nobody who listens to it", secs(5), async || {
        cluster.nodes[ours].publish(&channel, candle(3)).await == 0
    })
    .await;
    segment.join(machine(ours), &others(machine(ours), 6));
    cluster.settles().await;
    let there = cluster.place(&server(&tidegate).await);
    assert_eq!(there, next, "nothing is wrong with it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_sentinels_do_not_reach_and_that_still_answers_is_found_within_two_probes() {
    let Some(segment) = Segment::make(5) else {
        return;
    };
    let watched = Sentinels::on(&segment).await;
    let tidegate = Setup::new(&watched.url())
        .setting("probe-interval", "2s")
        .start()
        .await;
    let old = watched.master().await;
    let mut client = tidegate.subscriber([CHANNEL]).await;
    segment.cut_off(1, &others(1, 5));
    let new = watched.promote_another(old).await;
    let promoted = Instant::now();
    let is_new = async || server(&tidegate).await == watched.server(new).address();
    until("the new master", secs(8), is_new).await;
    assert!(promoted.elapsed() < secs(5), "{:?}", promoted.elapsed());
    println!("found after {:?}", promoted.elapsed());
    // Nobody told the old one.
    assert_eq!(watched.server(old).info("role").await, "master");
    let channel = candle_channel(1, "BTC-USD", "1h");
    watched.server(new).publish(&channel, candle(4)).await;
    assert_eq!(number_of(&next_event(&mut client).await), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_fleet_decides_at_a_master_that_is_cut_off_is_not_lost_with_it() {
    let Some(segment) = Segment::make(6) else {
        return;
    };
    let cluster = Cluster::on(&segment).await;
    let fleet = Fleet::of_three_at(cluster, |setup| setup.setting("probation-time", "0s")).await;
    let wide = fleet.admin(0).push(&Guest::wider("w")).await;
    let a = fleet.admin(0).active("ticks").await;
    fleet.admin(0).apply_revision(&wide, everything()).await;
    fleet.run([0, 1, 2], &wide, secs(10)).await;
    let (home, _) = fleet.redis.owner_of(WANTED, 0).await;
    segment.cut_off(machine(home), &others(machine(home), 6));
    // It does not know yet that it is alone, and takes this; its replica never hears of it.
    fleet
        .admin(1)
        .rollback("ticks", serde_json::json!({}))
        .await
        .done();
    fleet.run([0, 1, 2], &a, secs(10)).await;
    let applies = fleet.swaps("apply").await;
    let lives = (home + 1) % 3;
    until("another master", secs(20), async || {
        fleet.redis.owner_of(WANTED, lives).await.0 != home
    })
    .await;
    until("a master that knows of it", secs(20), async || {
        let (next, _) = fleet.redis.owner_of(WANTED, lives).await;
        let wanted = fleet.redis.nodes[next]
            .ask(&["HGET", WANTED, "ticks"])
            .await;
        let wanted = format!("{wanted:?}");
        let answer = fleet.admin(2).get("/v1/fleet").await;
        let desired = &answer.body["desired"]["ticks"];
        wanted != "Nil" && desired["revision"] == a.as_str()
    })
    .await;
    fleet.run([0, 1, 2], &a, secs(5)).await;
    assert_eq!(fleet.swaps("apply").await, applies, "nobody went back");
    segment.join(machine(home), &others(machine(home), 6));
    fleet.redis.settles().await;
    fleet.run([0, 1, 2], &a, secs(5)).await;
    let desired = fleet.desired().await;
    assert_eq!(desired["withdrawn"], serde_json::json!([wide]));
}
