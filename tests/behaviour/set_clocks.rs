//! The clocks of servers and hosts are set, forward and back, while events come and hosts say in Redis
//! what they do: nobody counts as dead for that, nobody who is dead as alive, and nothing is lost,
//! comes twice, or is given out again.

use serde_json::json;
use tidegate_tests::admin::everything;
use tidegate_tests::arrivals::{hears_state, hears_the_return, next_event};
use tidegate_tests::delivery::{Account, Publisher};
use tidegate_tests::relay::{OF_ALL, OF_CHANNEL, is_in_step};
use tidegate_tests::{
    Client, Cluster, Connect, Fleet, Guest, Redis, Relay, Setup, Tidegate, WallClock, keys, millis,
    secs, until,
};

const CHANNEL: &str = "candles:BTC-USD:1h";
const HOUR: i64 = 3_600;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_are_set_under_load_cost_no_message_and_no_gap() {
    let (of_redis, of_hosts) = (WallClock::new(), WallClock::new());
    let redis = Redis::builder().clock(&of_redis).start().await;
    let relay = Relay::on(redis, (2, 2), None, |setup| setup.clock(&of_hosts)).await;
    for ingest in &relay.ingests {
        is_in_step(ingest).await;
    }
    let mut accounts = Vec::new();
    for edge in 0..2 {
        accounts.push(Account::of(relay.subscriber(edge, [CHANNEL]).await));
    }
    let publisher = Publisher::start(&[relay.redis.port()], 1_000);
    publisher.takes(1_000).await;
    for (redis, hosts) in [
        (5, 0),
        (2 * HOUR, -2 * HOUR),
        (-2 * HOUR, 2 * HOUR),
        (-2 * HOUR - 3, 0),
        (0, 0),
    ] {
        of_redis.set(redis);
        of_hosts.set(hosts);
        publisher.takes(2_000).await;
        for account in &accounts {
            account.goes_on(secs(2)).await;
        }
    }
    let taken = publisher.stop().await;
    for account in accounts {
        account.is_whole(&taken, secs(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_cluster_whose_clocks_are_hours_apart_slots_move_and_clocks_are_set_at_no_cost() {
    let clocks: [WallClock; 6] = std::array::from_fn(|_| WallClock::new());
    for (clock, ahead) in clocks.iter().zip([0, HOUR, -HOUR, 2 * HOUR, -2 * HOUR, 90]) {
        clock.set(ahead);
    }
    let relay = Relay::in_cluster(Cluster::with_clocks(&clocks).await, 2, 2).await;
    for ingest in &relay.ingests {
        is_in_step(ingest).await;
    }
    let cluster = &relay.redis;
    let accounts = [
        Account::of(relay.subscriber(0, [CHANNEL]).await),
        Account::of(relay.subscriber(1, ["candles:*:1h"]).await),
    ];
    let publisher = Publisher::start(&[cluster.nodes[0].port], 1_000);
    publisher.takes(1_000).await;
    // Around all masters, so forward and back.
    for key in [OF_CHANNEL, OF_CHANNEL, OF_CHANNEL, OF_ALL, OF_ALL, OF_ALL] {
        cluster.move_slot(key).await;
        publisher.takes(1_000).await;
    }
    for ahead in [-3 * HOUR, 3 * HOUR, 0] {
        for key in [OF_CHANNEL, OF_ALL] {
            clocks[cluster.owner_of(key, 0).await.0].set(ahead);
            publisher.takes(1_000).await;
        }
    }
    let taken = publisher.stop().await;
    for account in accounts {
        account.is_whole(&taken, secs(10)).await;
    }
}

/// The next tick of AB, and which revision made it.
async fn tick(relay: &Relay, client: &mut Client, number: u64, revision: &str) {
    relay.tick("AB", number).await;
    let message = next_event(client).await;
    let data = &message["data"];
    assert_eq!(
        (&data["tick"]["n"], &data["rev"]),
        (&json!(number), &json!(revision))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_withdrawn_or_lost_after_a_clock_was_set_back_is_so_for_all() {
    let clock = WallClock::new();
    let redis = Redis::builder().clock(&clock).start().await;
    let guest = |mark| Guest::stamped(mark).descriptor(|descriptor| descriptor.snapshot = true);
    let mut relay = Relay::on(redis, (1, 1), Some(&guest("a")), |setup| setup).await;
    let mut client = relay.subscriber(0, ["ticks:AB"]).await;
    tick(&relay, &mut client, 1, "a").await;
    clock.set(-2 * HOUR);
    tick(&relay, &mut client, 2, "a").await;
    let admin = relay.ingests[0].admin_api();
    let revision = admin.push(&guest("b")).await;
    admin.apply_revision(&revision, everything()).await;
    until("the last message is withdrawn", secs(5), async || {
        let mut late = relay.subscriber(0, ["ticks:AB"]).await;
        late.send(json!({"action": "ping"})).await;
        late.next_json().await["type"] == "pong"
    })
    .await;
    tick(&relay, &mut client, 3, "b").await;
    // A host that dies is missed as soon as ever, and what comes before the next one is told.
    relay.ingests.remove(0).process.kill();
    hears_state(&mut client, ["ticks:AB"], "stale").await;
    relay.edges[0].says_why("no ingest host", secs(10)).await;
    relay.tick("AB", 4).await;
    relay
        .ingests
        .push(relay.ingest(Some(&guest("c"))).start().await);
    hears_the_return(&mut client, ["ticks:AB"]).await;
    tick(&relay, &mut client, 5, "c").await;
    clock.set(-4 * HOUR);
    tick(&relay, &mut client, 6, "c").await;
    // So it is where the next one begins before the first is missed.
    relay.ingests.remove(0).process.kill();
    relay.tick("AB", 7).await;
    relay
        .ingests
        .push(relay.ingest(Some(&guest("c"))).start().await);
    let mut heard = Vec::new();
    until("a gap", secs(10), async || {
        heard.extend(client.text_within(millis(200)).await);
        heard.iter().any(|text: &String| text.contains("\"gap\""))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_whose_clock_is_set_keeps_its_hosts_and_its_limits_and_misses_who_is_dead() {
    let clock = WallClock::new();
    let redis = Redis::builder().clock(&clock).start().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("keys.json");
    let key = keys::create(&file, "shared", &["--max-connections", "3"]);
    let text = std::fs::read_to_string(&file).expect("just written");
    let mut fleet = Fleet::of_three_at(redis, |setup: Setup| {
        std::fs::write(setup.keys_file(), &text).expect("a file in one's own folder");
        setup
    })
    .await;
    let alive = async |fleet: &Fleet| {
        let report = fleet.admin(0).get("/v1/fleet").await.done();
        let hosts = report["hosts"].as_array().expect("a list").clone();
        hosts.iter().filter(|host| host["alive"] == true).count()
    };
    let enters = async |host: &Tidegate| {
        Connect::to(host.public())
            .key(&key)
            .open()
            .await
            .let_in()
            .await
    };
    let mut inside = Vec::new();
    for host in &fleet.hosts {
        host.metric_becomes("tidegate_fleet_limit_hosts", &[], 3.0)
            .await;
        inside.push(enters(host).await.expect("there is a place"));
    }
    for ahead in [2 * HOUR, -2 * HOUR, 30, 0] {
        clock.set(ahead);
        // As long as it takes until each has said something by the new clock, and more.
        let begun = std::time::Instant::now();
        while begun.elapsed() < secs(4) {
            assert_eq!(alive(&fleet).await, 3, "{ahead}");
            for host in &fleet.hosts {
                let (code, _) = enters(host).await.expect_err("there is no place");
                assert_eq!(code, 4008, "{ahead}");
                assert_eq!(host.metric("tidegate_fleet_limits_shared", &[]).await, 1.0);
            }
        }
    }
    clock.set(-2 * HOUR);
    fleet.hosts.remove(2).process.kill();
    until("one is missed", secs(25), async || alive(&fleet).await == 2).await;
}
