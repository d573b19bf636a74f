//! A Redis Cluster upstream: one node brings the events of all, and where that node goes, is cut
//! off or gives its mastership away, another one does, in time and with what was missed told.

use std::time::Instant;

use serde_json::Value;
use tidegate_tests::arrivals::next_event;
use tidegate_tests::delivery::{Account, Publisher};
use tidegate_tests::payloads::{Payload, candle, candle_channel, number_of};
use tidegate_tests::{Client, Cluster, Proxy, Redis, Setup, Tidegate, millis, secs, until};

const MOVES: &str = "tidegate_upstream_moves_total";
const WAITING: &str = "tidegate_upstream_waiting_bytes";
const CHANNEL: &str = "candles:BTC-USD:1h";

/// A cluster, a host on it, and a client.
struct Scene {
    cluster: Cluster,
    tidegate: Tidegate,
    client: Client,
}

impl Scene {
    async fn set() -> Self {
        let cluster = Cluster::start().await;
        let tidegate = Setup::new(&cluster.url()).state_dir().start().await;
        let client = tidegate.subscriber([CHANNEL]).await;
        Self {
            cluster,
            tidegate,
            client,
        }
    }

    /// The node that the subscription is on.
    async fn ours(&self) -> usize {
        self.cluster.place(&server(&self.tidegate).await)
    }

    async fn publish(&self, at: usize, number: usize) {
        let channel = candle_channel(1, "BTC-USD", "1h");
        self.cluster.nodes[at]
            .publish(&channel, candle(number))
            .await;
    }

    /// Publishes so many events that are all equal, and counts what comes of them.
    async fn equal_events(&mut self, at: usize, count: usize) -> usize {
        for _ in 0..count {
            self.publish(at, 7).await;
            tokio::time::sleep(millis(10)).await;
        }
        let mut came = 0;
        while let Some(text) = self.client.text_within(millis(500)).await {
            came += usize::from(text.contains("\"data\""));
        }
        came
    }

    async fn moves(&self, reason: &str) -> f64 {
        self.tidegate.metric(MOVES, &[("reason", reason)]).await
    }

    /// Ports of all nodes but this one.
    fn others(&self, than: usize) -> Vec<u16> {
        let nodes = self.cluster.nodes.iter().enumerate();
        let others = nodes.filter(|(place, _)| *place != than);
        others.map(|(_, node)| node.port).collect()
    }
}

async fn upstream(tidegate: &Tidegate) -> Value {
    tidegate.ready().await.1["upstream"].clone()
}

async fn server(tidegate: &Tidegate) -> String {
    let server = upstream(tidegate).await["server"].clone();
    server.as_str().expect("a server").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_every_node_arrive_once_and_what_there_is_is_reported() {
    let mut scene = Scene::set().await;
    for at in 0..6 {
        scene.publish(at, at).await;
        let event = scene.client.next_json().await;
        assert_eq!(number_of(&event), at);
    }
    let short = upstream(&scene.tidegate).await;
    assert_eq!(
        (&short["kind"], &short["subscribed"]),
        (&"cluster".into(), &true.into())
    );
    until("six nodes in the report", secs(10), async || {
        let report = scene.tidegate.admin_api().get("/v1/upstream").await.done();
        let servers = report["servers"].as_array().cloned().unwrap_or_default();
        let masters = servers
            .iter()
            .filter(|server| server["role"] == "master")
            .count();
        report["server"] == short["server"]
            && (servers.len(), masters) == (6, 3)
            && servers.iter().all(|server| server["well"] == true)
    })
    .await;
    let kind = [("kind", "cluster")];
    assert_eq!(
        scene.tidegate.metric("tidegate_upstream_kind", &kind).await,
        1.0
    );
    let log = scene.tidegate.stderr().text();
    assert!(
        log.contains("the upstream is known") && !log.contains("internal"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_found_behind_the_address_of_one_node() {
    let cluster = Cluster::start().await;
    let url = format!("redis://127.0.0.1:{}", cluster.nodes[0].port);
    let tidegate = Setup::new(&url).start().await;
    until("a cluster", secs(10), async || {
        upstream(&tidegate).await["kind"] == "cluster"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_that_was_ours_costs_less_than_two_seconds_and_is_told() {
    let mut scene = Scene::set().await;
    let ours = scene.ours().await;
    let publisher = Publisher::start(&scene.others(ours), 200);
    let client = scene.tidegate.subscriber([CHANNEL]).await;
    let account = Account::of(client);
    account.goes_on(secs(5)).await;
    scene.cluster.nodes[ours].kill();
    let killed = Instant::now();
    // What was on its way is through.
    tokio::time::sleep(millis(50)).await;
    account.goes_on(secs(2)).await;
    assert!(killed.elapsed() < secs(2), "{:?}", killed.elapsed());
    publisher.takes(100).await;
    let sum = account.is_even(publisher.stop().await, secs(5)).await;
    assert!(sum.gaps >= 1, "{sum:?}");
    assert_eq!(scene.moves("broken").await, 1.0);
    assert_ne!(scene.ours().await, ours);
    assert!(scene.client.next_json().await["data"].is_object());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_gave_its_mastership_away_and_still_answers_is_left_and_nothing_is_missed() {
    let scene = Scene::set().await;
    let ours = scene.ours().await;
    let publisher = Publisher::start(&scene.others(ours), 1_000);
    let account = Account::of(scene.tidegate.subscriber([CHANNEL]).await);
    account.goes_on(secs(5)).await;
    scene.cluster.demote(ours).await;
    let demoted = Instant::now();
    until("a move", secs(5), async || {
        scene.moves("demoted").await == 1.0
    })
    .await;
    assert!(demoted.elapsed() < secs(5), "{:?}", demoted.elapsed());
    assert_ne!(scene.ours().await, ours);
    // The one that was left is listened to for a while, and then it is not.
    publisher.takes(3_000).await;
    let subscribers = scene.cluster.nodes[ours].ask(&["PUBSUB", "NUMPAT"]).await;
    assert_eq!(subscribers.integer(), 0);
    account.is_whole(&publisher.stop().await, secs(10)).await;
    let twice = scene
        .tidegate
        .metric("tidegate_upstream_duplicates_total", &[])
        .await;
    assert!(twice > 0.0, "both were listened to");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_events_in_a_row_all_arrive_before_and_after_a_move() {
    let mut scene = Scene::set().await;
    let ours = scene.ours().await;
    let at = (ours + 1) % 3;
    assert_eq!(scene.equal_events(at, 50).await, 50);
    scene.cluster.demote(ours).await;
    let (mut sent, mut came) = (0, 0);
    let started = Instant::now();
    while scene.moves("demoted").await < 1.0 || started.elapsed() < secs(6) {
        came += scene.equal_events(at, 20).await;
        sent += 20;
    }
    // Around the move itself nobody can say which of them is which.
    assert!((sent - 2..=sent + 2).contains(&came), "{came} of {sent}");
    assert_eq!(scene.equal_events(at, 50).await, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_node_is_left_within_five_seconds() {
    let mut scene = Scene::set().await;
    let ours = scene.ours().await;
    until("a report", secs(10), async || {
        let report = scene.tidegate.admin_api().get("/v1/upstream").await.done();
        report["servers"]
            .as_array()
            .is_some_and(|servers| servers.len() == 6)
    })
    .await;
    scene.cluster.nodes[ours].pause();
    let paused = Instant::now();
    until("another node", secs(6), async || {
        server(&scene.tidegate).await != format!("127.0.0.1:{}", scene.cluster.nodes[ours].port)
    })
    .await;
    assert!(paused.elapsed() < secs(5), "{:?}", paused.elapsed());
    scene.publish((ours + 1) % 3, 5).await;
    assert_eq!(number_of(&next_event(&mut scene.client).await), 5);
    scene.cluster.nodes[ours].resume();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_to_its_node_that_goes_silent_is_left_for_another_node() {
    let cluster = Cluster::start().await;
    let path = Proxy::to(cluster.nodes[0].port).await;
    let url = format!("redis://127.0.0.1:{}", path.port());
    let tidegate = Setup::new(&url).state_dir().start().await;
    let mut client = tidegate.subscriber([CHANNEL]).await;
    until("six nodes", secs(10), async || {
        let report = tidegate.admin_api().get("/v1/upstream").await.done();
        report["servers"]
            .as_array()
            .is_some_and(|servers| servers.len() == 6)
    })
    .await;
    path.go_silent();
    let silent = Instant::now();
    until("another node", secs(6), async || {
        server(&tidegate).await != format!("127.0.0.1:{}", path.port())
    })
    .await;
    assert!(silent.elapsed() < secs(6), "{:?}", silent.elapsed());
    let channel = candle_channel(1, "BTC-USD", "1h");
    cluster.nodes[2].publish(&channel, candle(3)).await;
    assert_eq!(number_of(&next_event(&mut client).await), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_have_gone_by_a_node_that_was_silent_for_a_while_is_told() {
    let mut scene = Scene::set().await;
    // The cluster itself is to see nothing in it.
    for node in &scene.cluster.nodes {
        let patience = ["CONFIG", "SET", "cluster-node-timeout", "20000"];
        node.ask(&patience).await;
    }
    let ours = scene.ours().await;
    scene.cluster.nodes[ours].pause();
    // A question in each second, which has a second: one is lost, and three would be too many.
    tokio::time::sleep(millis(2_300)).await;
    scene.cluster.nodes[ours].resume();
    until("a gap", secs(5), async || {
        scene.client.next_json().await["type"] == "gap"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_servers_that_are_no_cluster_are_refused_in_words() {
    let (first, second) = (Redis::start().await, Redis::start().await);
    let url = format!(
        "redis://127.0.0.1:{},127.0.0.1:{}",
        first.port(),
        second.port()
    );
    let tidegate = Setup::new(&url).not_ready().start().await;
    tidegate.says_why("is in none", secs(10)).await;
}

#[test]
fn the_check_prints_the_right_to_ask_a_cluster_for_its_nodes() {
    let (good, said) = Setup::new("redis://127.0.0.1:1,127.0.0.1:2").check();
    assert!(good && said.contains("+cluster|nodes"), "{said}");
    let (good, said) = Setup::new("redis://127.0.0.1:1").check();
    assert!(good && !said.contains("+cluster|nodes"), "{said}");
}

/// Of so many bytes is each event that may have to wait.
const LARGE: usize = 10_000;

/// A host that is at the first node by way of a proxy, and its client.
struct ProxiedHost {
    path: Proxy,
    tidegate: Tidegate,
    client: Client,
}

impl ProxiedHost {
    async fn of(cluster: &Cluster, move_size: &str) -> Self {
        let path = Proxy::to(cluster.nodes[0].port).await;
        let tidegate = Setup::new(&format!("redis://127.0.0.1:{}", path.port()))
            .state_dir()
            .setting("redis-move-window", "8s")
            .setting("redis-move-size", move_size)
            .start()
            .await;
        let client = tidegate.subscriber([CHANNEL]).await;
        Self {
            path,
            tidegate,
            client,
        }
    }

    async fn has_left(&self) {
        until("a move", secs(10), async || {
            self.tidegate.metric(MOVES, &[("reason", "demoted")]).await == 1.0
        })
        .await;
        // What the server that was left brings from now on never comes.
        self.path.go_silent();
    }

    async fn waiting(&self) -> f64 {
        self.tidegate.metric(WAITING, &[]).await
    }

    async fn gets(&mut self, numbers: std::ops::Range<usize>) {
        for number in numbers {
            assert_eq!(number_of(&self.client.next_json().await), number);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_the_server_that_was_left_is_bounded_in_bytes_and_beyond_it_nothing_waits() {
    let cluster = Cluster::start().await;
    let mut small = ProxiedHost::of(&cluster, "64KiB").await;
    let mut large = ProxiedHost::of(&cluster, "1MiB").await;
    cluster.demote(0).await;
    small.has_left().await;
    large.has_left().await;
    let publish = async |number: usize| {
        let event = Payload::candle().with("hiddenOfTomorrow", "h".repeat(LARGE));
        let channel = candle_channel(1, "BTC-USD", "1h");
        let event = event.numbered(number).text();
        cluster.nodes[2].publish(&channel, event).await;
    };
    let within = |events: usize| (events * LARGE) as f64..(events * LARGE + 8_192) as f64;
    for number in 0..5 {
        publish(number).await;
    }
    for host in [&mut small, &mut large] {
        until("five events that wait", secs(2), async || {
            within(5).contains(&host.waiting().await)
        })
        .await;
        assert_eq!(host.client.text_within(millis(200)).await, None);
    }
    for number in 5..10 {
        publish(number).await;
    }
    small.gets(0..10).await;
    assert_eq!(small.waiting().await, 0.0);
    until("ten events that wait", secs(2), async || {
        within(10).contains(&large.waiting().await)
    })
    .await;
    assert_eq!(large.client.text_within(millis(200)).await, None);
    // Then the server that was left is let go.
    large.gets(0..10).await;
    assert_eq!(large.waiting().await, 0.0);
}
