//! Failovers in a row while events come: whatever Redis took is delivered once or told as missed,
//! and nothing comes twice. `TIDEGATE_FAILOVERS` says how many rounds; a few by default.

use std::time::{Duration, Instant};

use tidegate_tests::delivery::{Account, Publisher};
use tidegate_tests::{Cluster, Sentinels, Setup, Tidegate, secs, until};

const CHANNEL: &str = "candles:BTC-USD:1h";
const RATE: u32 = 1_000;

fn rounds(default: usize) -> usize {
    let given = std::env::var("TIDEGATE_FAILOVERS").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(default)
}

async fn server(tidegate: &Tidegate) -> String {
    let upstream = tidegate.ready().await.1["upstream"].clone();
    upstream["server"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_cluster_took_in_a_row_of_failovers_is_delivered_once_or_told() {
    let mut cluster = Cluster::start().await;
    let tidegate = Setup::new(&cluster.url()).start().await;
    let ports = |cluster: &Cluster, but: usize| -> Vec<u16> {
        let nodes = cluster.nodes.iter().enumerate();
        let others = nodes.filter(|(place, _)| *place != but);
        others.map(|(_, node)| node.port).collect()
    };
    let ours = cluster.place(&server(&tidegate).await);
    let publisher = Publisher::start(&ports(&cluster, ours), RATE);
    let account = Account::of(tidegate.subscriber([CHANNEL]).await);
    let mut longest = Duration::ZERO;
    for round in 0..rounds(3) {
        let ours = cluster.place(&server(&tidegate).await);
        publisher.lead_to(&ports(&cluster, ours));
        publisher.takes(u64::from(RATE)).await;
        // Turn by turn: killed, given away in peace, paused.
        match round % 3 {
            0 => cluster.nodes[ours].kill(),
            1 => cluster.demote(ours).await,
            _ => cluster.nodes[ours].pause(),
        }
        let begun = Instant::now();
        let left = async || cluster.place(&server(&tidegate).await) != ours;
        until("another server", secs(8), left).await;
        account.goes_on(secs(2)).await;
        longest = longest.max(begun.elapsed());
        publisher.takes(u64::from(RATE)).await;
        match round % 3 {
            0 => cluster.nodes[ours].restart().await,
            1 => {}
            _ => cluster.nodes[ours].resume(),
        }
        cluster.settles().await;
    }
    let sum = account.is_even(publisher.stop().await, secs(20)).await;
    let twice = tidegate
        .metric("tidegate_upstream_duplicates_total", &[])
        .await;
    println!("{sum:?}, {twice} seen twice and dropped, longest pause {longest:?}");
    assert!(sum.received > 0, "{sum:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_watched_master_took_in_a_row_of_failovers_is_delivered_once_or_told() {
    let mut watched = Sentinels::start().await;
    let tidegate = Setup::new(&watched.url()).start().await;
    let mut master = watched.master().await;
    let publisher = Publisher::start(&[master], RATE);
    let account = Account::of(tidegate.subscriber([CHANNEL]).await);
    for _ in 0..rounds(2) {
        publisher.takes(u64::from(RATE)).await;
        watched.server_mut(master).kill();
        let next = watched.promote_another(master).await;
        publisher.lead_to(&[next]);
        account.goes_on(secs(5)).await;
        watched.server_mut(master).restart().await;
        watched.settle().await;
        master = next;
    }
    let sum = account.is_even(publisher.stop().await, secs(20)).await;
    println!("{sum:?}");
    assert!(sum.received > 0, "{sum:?}");
}
