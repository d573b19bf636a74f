//! Links that are slow and bring everything in the end: a burst comes late over one, and nobody takes that
//! for a loss. Servers run in network namespaces of their own; where the machine makes none, these
//! tests say so and try nothing.

use std::time::Instant;

use tidegate_tests::delivery::{Account, Publisher};
use tidegate_tests::payloads::{candle, candle_channel};
use tidegate_tests::relay::OF_CHANNEL;
use tidegate_tests::{Cluster, Relay, Segment, Setup, Tidegate, secs};

const CHANNEL: &str = "candles:BTC-USD:1h";

/// Kilobits a second: enough for what a second brings, and too little for a burst within one.
const RATE: u32 = 2_000;

/// The same of a master of the relay, which sends to its replica and to hosts what it does for each.
const RELAY_RATE: u32 = 8_000;

fn machine(place: usize) -> u8 {
    u8::try_from(place + 1).expect("a small number")
}

/// Events that come all the time over the slow link, and a burst of others before the last of them.
async fn nothing_is_lost(cluster: &Cluster, slow: usize, account: Account) {
    let by = &cluster.nodes[(slow + 1) % 3];
    let publisher = Publisher::start_at(vec![(by.host().to_owned(), by.port)], 100);
    publisher.takes(300).await;
    let burst = Instant::now();
    for number in 0..400 {
        let channel = candle_channel(1, "ETH-USD", "1h");
        by.publish(&channel, candle(number)).await;
    }
    println!("400 events were published within {:?}", burst.elapsed());
    publisher.takes(300).await;
    account.is_whole(&publisher.stop().await, secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_behind_a_slow_link_brings_everything_and_is_not_left() {
    let Some(segment) = Segment::make(6) else {
        return;
    };
    let cluster = Cluster::on(&segment).await;
    let tidegate = Setup::new(&cluster.url()).start().await;
    let account = Account::of(tidegate.subscriber(["candles:BTC-USD:*"]).await);
    let upstream = tidegate.ready().await.1["upstream"].clone();
    let ours = cluster.place(upstream["server"].as_str().unwrap_or_default());
    if !segment.slow(machine(ours), RATE) {
        return;
    }
    nothing_is_lost(&cluster, ours, account).await;
    assert_eq!(moves(&tidegate).await, 0.0);
}

async fn moves(tidegate: &Tidegate) -> f64 {
    let whys = ["broken", "failed", "cut_off", "silent", "superseded"];
    let mut moves = 0.0;
    for why in whys {
        let label = [("reason", why)];
        moves += tidegate
            .metric("tidegate_upstream_moves_total", &label)
            .await;
    }
    moves
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_of_the_relay_behind_a_slow_link_costs_no_message() {
    let Some(segment) = Segment::make(6) else {
        return;
    };
    let relay = Relay::in_cluster(Cluster::on(&segment).await, 1, 1).await;
    let (place, _) = relay.redis.owner_of(OF_CHANNEL, 0).await;
    let account = Account::of(relay.subscriber(0, [CHANNEL]).await);
    if !segment.slow(machine(place), RELAY_RATE) {
        return;
    }
    nothing_is_lost(&relay.redis, place, account).await;
    let renumbered = "tidegate_relay_renumbered_total";
    assert_eq!(relay.edges[0].metric(renumbered, &[]).await, 0.0);
}
