//! Hosts that share a Redis: none takes another's probes for its own, nor what anybody else
//! publishes where these go, and Redis' own lists say which connection is whose.

use std::time::{Duration, Instant};

use tidegate_tests::payloads::{candle, candle_channel, number_of};
use tidegate_tests::resp::{Reply, Resp};
use tidegate_tests::{Client, Proxy, Redis, Setup, Tidegate, millis, secs, until};

const PROBES: &str = "tidegate:probe";

/// A host that runs what it has built in, as one of a fleet.
fn in_fleet(redis: &Redis, name: &str) -> Setup {
    Tidegate::on(redis)
        .state_dir()
        .setting("fleet", "redis")
        // Nobody else comes who could know more.
        .setting("fleet-patience", "1s")
        .setting("host-name", name)
}

/// Publishes a candle each tenth of a second; each client gets each of them once, in order, and
/// no host loses its upstream.
async fn all_is_quiet(redis: &Redis, hosts: &[Tidegate], for_so_long: Duration) {
    let mut clients: Vec<Client> = vec![];
    for host in hosts {
        clients.push(host.subscriber(["candles:*:*"]).await);
    }
    let channel = candle_channel(1, "BTC-USD", "1h");
    let (started, mut sent) = (Instant::now(), 0);
    while started.elapsed() < for_so_long {
        redis.publish(&channel, candle(sent)).await;
        for client in &mut clients {
            assert_eq!(number_of(&client.next_json().await), sent);
        }
        sent += 1;
        tokio::time::sleep(millis(100)).await;
    }
    for (host, client) in hosts.iter().zip(&mut clients) {
        client.expect_nothing_before_pong().await;
        let outages = host.metric("tidegate_upstream_outages_total", &[]).await;
        assert_eq!(outages, 0.0, "{:?}", host.stderr());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_that_share_a_redis_do_not_take_each_others_probes_for_their_own() {
    let redis = Redis::start().await;
    let mut hosts = vec![];
    // Not the same, so that the probes of each fall everywhere between those of the others.
    for interval in ["300ms", "330ms", "410ms"] {
        let setup = Tidegate::on(&redis).setting("probe-interval", interval);
        hosts.push(setup.start().await);
    }
    all_is_quiet(&redis, &hosts, secs(6)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_default_hosts_and_a_fleet_of_three_on_one_redis_are_quiet_for_65_seconds() {
    let redis = Redis::start().await;
    let mut hosts = vec![];
    for name in ["one", "two", "three"] {
        hosts.push(Tidegate::on(&redis).start().await);
        hosts.push(in_fleet(&redis, name).start().await);
    }
    all_is_quiet(&redis, &hosts, secs(65)).await;
}

/// The next thing that is published where the probes go.
async fn next_probe(listening: &mut Resp) -> Vec<u8> {
    loop {
        if let Reply::Array(parts) = listening.reply().await.expect("redis-server answers")
            && let [Reply::Bulk(kind), _, Reply::Bulk(payload)] = &parts[..]
            && kind == b"message"
        {
            return payload.clone();
        }
    }
}

async fn listen(redis: &Redis) -> Resp {
    let mut listening = Resp::connect(redis.port()).await.expect("it listens");
    let subscribe: [&[u8]; 2] = [b"SUBSCRIBE", PROBES.as_bytes()];
    listening.ask(&subscribe).await.expect("it answers");
    listening
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_anybody_publishes_where_the_probes_go_harms_nobody() {
    let redis = Redis::start().await;
    let tidegate = Tidegate::on(&redis)
        .setting("probe-interval", "300ms")
        .start()
        .await;
    let mut client = tidegate.subscriber(["candles:*:*"]).await;
    let mut listening = listen(&redis).await;
    let own = String::from_utf8(next_probe(&mut listening).await).expect("a probe is text");
    let (name, _) = own.split_once(' ').expect("a name and a number");
    drop(listening);
    let garbage: [Vec<u8>; 9] = [
        b"".to_vec(),
        b"\xff\x00".to_vec(),
        name.into(),
        format!("{name} ").into(),
        format!("{name} -1").into(),
        format!("{name} 99999999999999999999999").into(),
        format!("{name} 999999").into(),
        own.clone().into(),
        vec![b'x'; 1 << 20],
    ];
    let channel = candle_channel(1, "BTC-USD", "1h");
    for round in 0..4 {
        for payload in &garbage {
            redis.publish(PROBES, payload).await;
        }
        let flood = (0..10_000).map(|n| (PROBES.to_owned(), format!("{name}x {n}")));
        redis.publish_all(flood).await;
        redis.publish(&channel, candle(round)).await;
        assert_eq!(number_of(&client.next_json().await), round);
        tokio::time::sleep(millis(400)).await;
    }
    let outages = tidegate
        .metric("tidegate_upstream_outages_total", &[])
        .await;
    assert_eq!(outages, 0.0, "{:?}", tidegate.stderr());
    let log = tidegate.stderr().text();
    assert!(!log.contains(name), "the name of the probes is in the log");
}

/// A host that probes each second through a proxy, and somebody who hears the probes.
async fn probed() -> (Redis, Proxy, Tidegate, Resp) {
    let redis = Redis::start().await;
    let proxy = Proxy::to(redis.port()).await;
    let tidegate = Setup::new(&format!("redis://127.0.0.1:{}", proxy.port()))
        .setting("probe-interval", "1s")
        .start()
        .await;
    let listening = listen(&redis).await;
    (redis, proxy, tidegate, listening)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_probe_that_is_lost_is_no_outage_and_two_are() {
    for (silent_for, lost) in [(millis(1300), 0.0), (millis(3500), 1.0)] {
        let (_redis, proxy, tidegate, mut listening) = probed().await;
        next_probe(&mut listening).await;
        // Its way back is a moment.
        tokio::time::sleep(millis(200)).await;
        proxy.go_silent();
        tokio::time::sleep(silent_for).await;
        proxy.speak();
        next_probe(&mut listening).await;
        next_probe(&mut listening).await;
        tidegate
            .metric_becomes("tidegate_upstream_outages_total", &[], lost)
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_shows_which_connection_is_whose() {
    let redis = Redis::start().await;
    let _edge = in_fleet(&redis, "edge-7").start().await;
    let plain = Tidegate::on(&redis).start().await;
    let names = async || -> Vec<String> {
        let list = redis.ask(&["CLIENT", "LIST"]).await.text();
        let ours = list
            .lines()
            .filter(|line| !line.contains("cmd=client|list"));
        let name = |line: &str| {
            let name = line.split(' ').find_map(|word| word.strip_prefix("name="));
            name.unwrap_or_default().to_owned()
        };
        ours.map(name).collect()
    };
    // The subscription, the fleet's commands, its announcements and its counts of connections; and
    // the other's subscription.
    until("five connections with names", secs(10), async || {
        let names = names().await;
        let edge = names.iter().filter(|name| *name == "tidegate:edge-7");
        let machine = names
            .iter()
            .filter(|name| name.starts_with("tidegate:") && *name != "tidegate:edge-7");
        edge.count() == 4 && machine.count() == 1 && names.len() == 5
    })
    .await;
    drop(plain);
}
