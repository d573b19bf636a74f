//! `redis-url` comes to lead to another server, while the connection to the one before stays
//! open and well: that is noticed. What only looks like it costs a subscription nothing.

use std::time::{Duration, Instant};

use tidegate_tests::arrivals::next_event;
use tidegate_tests::payloads::{candle, candle_channel, number_of};
use tidegate_tests::ports::free_port;
use tidegate_tests::{Client, Proxy, Redis, Setup, Tidegate, eventually, millis, secs, until};

const INTERVAL: Duration = secs(1);

/// Two probes, each in its interval, and the time of the second to come; the rest is for a
/// busy machine.
const NOTICED: Duration = secs(6);

const OUTAGES: &str = "tidegate_upstream_outages_total";
const ELSEWHERE: &str = "redis-url leads to another server";

/// A host whose `redis-url` leads to the first of two servers, and a client.
struct Scene {
    old: Redis,
    new: Redis,
    name: Proxy,
    tidegate: Tidegate,
    client: Client,
}

impl Scene {
    async fn set(config: &str) -> Self {
        let server = async || Redis::builder().config(config).start().await;
        let (old, new) = (server().await, server().await);
        let name = Proxy::to(old.port()).await;
        let tidegate = Setup::new(&format!("redis://127.0.0.1:{}", name.port()))
            .setting("probe-interval", &format!("{}s", INTERVAL.as_secs()))
            .start()
            .await;
        let client = tidegate.subscriber(["candles:*:*"]).await;
        Self {
            old,
            new,
            name,
            tidegate,
            client,
        }
    }

    async fn outages(&self) -> f64 {
        self.tidegate.metric(OUTAGES, &[]).await
    }

    /// For several probes nothing is lost: what `publisher` sends arrives.
    async fn goes_on(&mut self, publisher: fn(&Self) -> &Redis) {
        let started = Instant::now();
        let mut number = 0;
        while started.elapsed() < 5 * INTERVAL {
            publish(publisher(self), number).await;
            assert_eq!(number_of(&self.client.next_json().await), number);
            number += 1;
            tokio::time::sleep(millis(100)).await;
        }
        assert_eq!(self.outages().await, 0.0, "{:?}", self.tidegate.stderr());
    }

    /// A line for each reason, of which sockets have several, and not for each try.
    fn says_why_seldom(&self) {
        let log = self.tidegate.stderr();
        let lines = log.lines_with("the subscription stands");
        assert!((1..=3).contains(&lines), "{log:?}");
    }

    /// The subscription is where the name leads, in time, and the client hears of it.
    async fn is_noticed(&mut self) {
        let moved = Instant::now();
        until("a receiver at the new server", 2 * NOTICED, async || {
            publish(&self.new, 1).await > 0
        })
        .await;
        assert!(moved.elapsed() < NOTICED, "after {:?}", moved.elapsed());
        let stale = self.client.next_json().await;
        assert_eq!(stale["state"], "stale", "{stale}");
        assert_eq!(number_of(&next_event(&mut self.client).await), 1);
        assert_eq!(self.outages().await, 1.0);
        assert_eq!(self.tidegate.stderr().lines_with(ELSEWHERE), 1);
        until("the old one is left", secs(5), async || {
            publish(&self.old, 2).await == 0
        })
        .await;
        // There it stays.
        tokio::time::sleep(4 * INTERVAL).await;
        assert_eq!(self.outages().await, 1.0);
    }
}

async fn publish(redis: &Redis, number: usize) -> i64 {
    let channel = candle_channel(1, "BTC-USD", "1h");
    redis.publish(&channel, candle(number)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_moved_is_noticed_in_time() {
    for config in ["", "rename-command HELLO \"\""] {
        let mut scene = Scene::set(config).await;
        scene.goes_on(|scene| &scene.old).await;
        scene.name.lead_to(scene.new.port());
        scene.is_noticed().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_demoted_and_does_not_follow_is_noticed_in_time() {
    let mut scene = Scene::set("").await;
    let nowhere = free_port().to_string();
    scene.old.ask(&["REPLICAOF", "127.0.0.1", &nowhere]).await;
    scene.name.lead_to(scene.new.port());
    scene.is_noticed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_demoted_and_follows_its_master_brings_the_events_on() {
    let mut scene = Scene::set("repl-diskless-sync-delay 0").await;
    follow(&scene.old, &scene.new).await;
    scene.name.lead_to(scene.new.port());
    scene.goes_on(|scene| &scene.new).await;
}

/// Makes one server a replica of another, and waits until it is.
async fn follow(replica: &Redis, master: &Redis) {
    let port = master.port().to_string();
    replica.ask(&["REPLICAOF", "127.0.0.1", &port]).await;
    eventually("a replica that follows", secs(30), async || {
        let info = replica.ask(&["INFO", "replication"]).await.text();
        info.contains("master_link_status:up").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_for_several_replicas_is_no_move() {
    let mut scene = Scene::set("repl-diskless-sync-delay 0").await;
    let master = Redis::start().await;
    follow(&scene.old, &master).await;
    follow(&scene.new, &master).await;
    scene.name.lead_to(scene.new.port());
    // What a replica takes reaches its own subscribers only.
    scene.goes_on(|scene| &scene.old).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_leads_nowhere_costs_a_standing_subscription_nothing() {
    for config in ["", "rename-command HELLO \"\""] {
        let mut scene = Scene::set(config).await;
        scene.name.lead_to(free_port());
        scene.goes_on(|scene| &scene.old).await;
        scene.says_why_seldom();
        assert_eq!(scene.tidegate.ready().await.0, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_nobody_more_costs_a_standing_subscription_nothing() {
    let mut scene = Scene::set("").await;
    // The subscription and whoever asks this.
    scene.old.ask(&["CONFIG", "SET", "maxclients", "2"]).await;
    scene.goes_on(|scene| &scene.old).await;
    scene.says_why_seldom();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_probes_no_new_connection_is_made() {
    let redis = Redis::start().await;
    let name = Proxy::to(redis.port()).await;
    let tidegate = Setup::new(&format!("redis://127.0.0.1:{}", name.port()))
        .setting("probe-interval", "0s")
        .start()
        .await;
    tokio::time::sleep(2 * INTERVAL).await;
    assert_eq!(name.accepted(), 1);
    drop(tidegate);
}
