//! Three hosts are restarted one after the other, at 1,000 events a second, and clients go from
//! the one that says goodbye to another: what comes over a connection is whole, and what falls
//! between two of them a client can name.

use std::time::Duration;

use tidegate_tests::delivery::Publisher;
use tidegate_tests::roamer::{Roamer, Visit};
use tidegate_tests::{Cluster, Setup, Tidegate, secs, until};

const CHANNEL: &str = "candles:BTC-USD:1h";
const RATE: u32 = 1_000;
const CLIENTS: usize = 9;

async fn host(cluster: &Cluster) -> Tidegate {
    Setup::new(&cluster.url())
        .setting("lame-duck-time", "500ms")
        .setting("drain-time", "1s")
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_of_three_hosts_loses_no_event_without_a_word_and_sends_none_twice() {
    let cluster = Cluster::start().await;
    let mut hosts = vec![];
    for _ in 0..3 {
        hosts.push(host(&cluster).await);
    }
    let doors: Vec<_> = hosts.iter().map(Tidegate::connect).collect();
    let ports: Vec<u16> = cluster.nodes.iter().map(|node| node.port).take(1).collect();
    let publisher = Publisher::start(&ports, RATE);
    let roamers: Vec<Roamer> = (0..CLIENTS)
        .map(|number| Roamer::start(doors.clone(), number, CHANNEL))
        .collect();
    publisher.takes(u64::from(RATE)).await;
    for place in 0..3 {
        let restarted = hosts.remove(place).stop_and_restart().await;
        hosts.insert(place, restarted);
        publisher.takes(u64::from(RATE)).await;
    }
    let taken = publisher.stop().await;
    let last = taken.last().expect("Redis took events");
    until("the last event at every client", secs(20), async || {
        roamers.iter().all(|roamer| roamer.last() >= Some(last))
    })
    .await;
    let (mut between, mut moves) = (0, 0);
    for roamer in &roamers {
        let visits = roamer.visits();
        for visit in &visits {
            let faults = visit.faults(&taken, Duration::ZERO);
            assert!(faults.is_empty(), "{faults:#?}");
            // Whoever is told to go is told so by the code that says: elsewhere it goes on.
            assert!(matches!(visit.end, None | Some(1001)), "{:?}", visit.end);
        }
        let came: Vec<&Visit> = visits
            .iter()
            .filter(|visit| visit.first.is_some())
            .collect();
        for pair in came.windows(2) {
            let (end, next) = (
                pair[0].last.unwrap_or_default(),
                pair[1].first.unwrap_or_default(),
            );
            between += next.saturating_sub(end + 1);
            moves += 1;
        }
        assert_eq!(visits.last().expect("it visited").end, None);
    }
    println!("{moves} moves of {CLIENTS} clients, {between} events between two connections");
    assert!(moves >= CLIENTS, "everybody moved at least once");
}
